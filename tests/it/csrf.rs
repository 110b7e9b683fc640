//! What another site can make a signed-in browser do: nothing. Every combination of what browsers send, on the running product.

use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::json;

use crate::world::{World, picture};

/// `Sec-Fetch-Site`, a row of the table each.
const SITES: [Option<&str>; 6] = [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none"), Some("Same-Origin")];

/// Whether a session's change is made that has the header `X-App: 1`; without it none is. A column for each origin: none, our own, `null`,
/// our name over TLS, a name that begins like ours, another port.
#[rustfmt::skip]
const CHANGES: [[bool; 6]; 6] = [
    [true,  true,  false, false, false, false], // absent: an old browser
    [true,  true,  false, false, false, false], // same-origin
    [false, false, false, false, false, false], // same-site
    [false, false, false, false, false, false], // cross-site
    [false, false, false, false, false, false], // none
    [false, false, false, false, false, false], // no word of the standard
];

#[tokio::test(flavor = "multi_thread")]
async fn another_site_can_make_a_signed_in_browser_change_nothing() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let made = ada.made(&picture("a fox")).await;
    let asset = made["assets"][0]["id"].as_str().unwrap();
    let (id, user) = (asset.parse().unwrap(), ada.user().id);
    let cookie = world.session(ada.user()).await;
    let own = world.edition.origin().to_owned();
    let port: u16 = own.rsplit(':').next().unwrap().parse().unwrap();
    let origins = [
        None,
        Some(own.clone()),
        Some("null".to_owned()),
        Some(own.replace("http:", "https:")),
        Some(own.replace("localhost", "localhost.evil.example")),
        Some(own.replace(&port.to_string(), &(port ^ 1).to_string())),
    ];
    let path = format!("/api/v1/assets/{asset}");
    let calls = [
        (Method::GET, path.clone(), 200),
        (Method::HEAD, path.clone(), 200),
        (Method::POST, format!("{path}/restore"), 200),
        (Method::PATCH, path.clone(), 200),
        (Method::DELETE, path.clone(), 204),
    ];
    let db = &world.platform.db;
    let state = async || {
        let asset = db.asset(user, id).await.unwrap().unwrap();
        (asset.title, asset.deleted_at.is_some())
    };
    let (mut rows, mut changes) = (0, 0);
    for (method, path, ok) in &calls {
        for (site, row) in SITES.iter().zip(CHANGES) {
            for (origin, allowed) in origins.iter().zip(row) {
                for custom in [true, false] {
                    // What the call would change is so that the change would show.
                    if *method == Method::POST {
                        let now = world.clock.now();
                        db.trash_asset(user, id, now, now + SignedDuration::from_hours(24)).await.unwrap();
                    } else {
                        db.restore_asset(user, id).await.unwrap();
                    }
                    let before = state().await;
                    let title = format!("row {rows}");
                    let mut headers = vec![("cookie", cookie.as_str())];
                    headers.extend(site.map(|value| ("sec-fetch-site", value)));
                    headers.extend(origin.as_deref().map(|value| ("origin", value)));
                    headers.extend(custom.then_some(("x-app", "1")));
                    let body = if *method == Method::PATCH {
                        headers.push(("content-type", "application/json"));
                        json!({"title": title}).to_string().into_bytes()
                    } else {
                        Vec::new()
                    };
                    let answer = world.stranger(None).send(method.clone(), path, &headers, body).await;
                    let what = format!("{method} {site:?} {origin:?} {custom}: {}", answer.text());
                    let after = state().await;
                    if matches!(*method, Method::GET | Method::HEAD) {
                        assert_eq!((answer.status.as_u16(), &after), (*ok, &before), "{what}");
                        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{what}");
                    } else if allowed && custom {
                        assert_eq!(answer.status.as_u16(), *ok, "{what}");
                        assert_ne!(after, before, "{what}");
                        changes += 1;
                    } else {
                        assert_eq!(answer.code(), (403, "csrf".to_owned()), "{what}");
                        assert_eq!(after, before, "{what}");
                    }
                    rows += 1;
                }
            }
        }
    }
    assert_eq!((rows, changes), (360, 12));
    world.shutdown().await;
}

/// Asking first, as browsers do before another site's unusual request, is answered to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_is_told_that_it_may() {
    let world = World::start().await;
    let headers = [
        ("origin", "https://evil.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type, x-app, authorization"),
    ];
    for path in ["/api/v1/tokens", "/api/v1/generations", "/auth/logout", "/uploads/x", "/media/x/y", "/s/abcd", "/"] {
        let answer = world.stranger(None).send(Method::OPTIONS, path, &headers, Vec::new()).await;
        assert!(answer.status == StatusCode::METHOD_NOT_ALLOWED || answer.status == StatusCode::NOT_FOUND, "{path}: {}", answer.text());
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{path}");
    }
    world.shutdown().await;
}
