//! What is decided by where a request comes from: through the edge or beside it, and from which address.

use http::{Method, Request, StatusCode, header};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use shared::clock::Clock;
use shared::http::arrival::{SECRET, SIGN_INS, VIEWER, WRONG_LINKS, WRONG_PASSWORDS};
use shared::id::random_base62;
use shared::runtime::Platform;
use tower::ServiceExt as _;

use crate::table::Table;
use crate::world::{Answer, World, picture, still};

/// How many items of the table are counters of addresses, and whether one holds `text`.
async fn counters(world: &World, text: &str) -> (usize, bool) {
    let items = Table::of(world).items().await;
    let counted = items.iter().filter(|item| item["pk"].as_s().unwrap().starts_with("ADDRESS#")).count();
    (counted, items.iter().any(|item| format!("{item:?}").contains(text)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_forged_addresses_are_one() {
    let world = World::start_at(&[], still()).await;
    let nobody = world.stranger(None);
    let mut answers = Vec::new();
    for number in 0..1_000_u32 {
        let forged = format!("198.51.{}.{}", number / 250, number % 250);
        let headers = [("x-forwarded-for", forged.as_str()), (VIEWER, &forged), (SECRET, &forged), ("forwarded", "for=198.51.100.7")];
        answers.push(nobody.send(Method::GET, &format!("/s/{}", random_base62(11)), &headers, Vec::new()).await.status);
    }
    let most = WRONG_LINKS.most as usize;
    assert!(answers[..most].iter().all(|status| *status == StatusCode::NOT_FOUND), "{answers:?}");
    assert!(answers[most..].iter().all(|status| *status == StatusCode::TOO_MANY_REQUESTS), "{answers:?}");
    assert_eq!(counters(&world, "198.51").await, (1, false), "one line, one counter, and no address anywhere");
    assert_eq!(counters(&world, "127.0.0.1").await, (1, false));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_too_much_waits_and_nobody_else_does() {
    let world = World::start_at(&[], still()).await;
    let nobody = world.stranger(None);
    let ada = world.user("ada").await;
    let made = ada.made(&picture("a fox")).await;
    let link = json!({"asset_id": made["assets"][0]["id"], "opens": "page"});
    let live = ada.post("/api/v1/links", &link).await.json()["key"].as_str().unwrap().to_owned();
    let assert_waits = |answer: &Answer, what: &str| {
        assert_eq!(answer.code(), (429, "rate-limited".to_owned()), "{what}: {}", answer.text());
        let seconds: u64 = answer.header(header::RETRY_AFTER).parse().unwrap();
        assert!((1..=600).contains(&seconds), "{what}: {seconds}");
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json");
    };

    // Keys that lead nowhere; then not even a good one is told of.
    for _ in 0..WRONG_LINKS.most {
        assert_eq!(nobody.get(&format!("/s/{}", random_base62(11))).await.status, 404);
    }
    for path in [format!("/s/{}", random_base62(11)), format!("/s/{live}"), format!("/s/{live}/media")] {
        assert_waits(&nobody.get(&path).await, &path);
    }
    // Signing in has a budget of its own.
    for _ in 0..SIGN_INS.most {
        assert_eq!(nobody.get("/auth/login").await.status, 302);
    }
    assert_waits(&nobody.get("/auth/login").await, "sign-in");
    for _ in 0..100 {
        assert_eq!(nobody.get("/auth/callback?state=x&code=y").await.header(header::LOCATION), "/?problem=sign-in-expired");
    }
    assert_waits(&nobody.get("/auth/callback?state=x&code=y").await, "callback");
    // Whoever is signed in isn't concerned.
    assert_eq!(ada.get("/api/v1/me").await.status, 200);
    // The next window is another one.
    world.clock.advance(600_000);
    assert_eq!(nobody.get(&format!("/s/{live}")).await.status, 200);
    assert_eq!(nobody.get("/auth/login").await.status, 302);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_counted_over_all_links() {
    let world = World::start_at(&[], still()).await;
    let (nobody, ada) = (world.stranger(None), world.user("ada").await);
    let made = ada.made(&picture("a fox")).await;
    let mut keys = Vec::new();
    for _ in 0..4 {
        let link = json!({"asset_id": made["assets"][0]["id"], "opens": "page", "password": "open sesame"});
        keys.push(ada.post("/api/v1/links", &link).await.json()["key"].as_str().unwrap().to_owned());
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let send = async |key: &str, password: &str| {
        nobody.send(Method::POST, &format!("/s/{key}"), &form, format!("password={password}").into_bytes()).await
    };
    let wrong = WRONG_PASSWORDS.most as usize;
    for number in 0..wrong {
        assert_eq!(send(&keys[number % 3], "wrong").await.status, 403, "{number}");
    }
    assert_eq!(send(&keys[3], "wrong").await.status, 429, "a link that nobody has tried yet");
    assert_eq!(send(&keys[3], "open+sesame").await.status, 429);
    world.clock.advance(600_000);
    assert_eq!(send(&keys[3], "open+sesame").await.status, 200);
    world.shutdown().await;
}

/// As API Gateway hands over what didn't come through the distribution: every route but the provider's is closed.
#[tokio::test(flavor = "multi_thread")]
async fn beside_the_distribution_only_callbacks_are_answered() {
    let world = World::start().await;
    let (old, new) = ("old ".repeat(8), "new ".repeat(8));
    let hashes = [&old, &new].map(|secret| hex::encode(Sha256::digest(secret))).join(",");
    let mut env = world.edition.environment("library").unwrap().clone();
    env.set("ORIGIN_SECRETS_SHA256", hashes);
    let platform = Platform::connect_at(&env, Clock::system()).unwrap();
    let functions = [
        ("auth", auth::router(&platform)),
        ("generate", generate::router(&platform)),
        ("library", library::router(&platform)),
        ("redirect", redirect::router(&platform)),
        ("admin", admin::router(&platform)),
        ("webhook", webhook::router(&platform)),
    ];
    let api: serde_json::Value = serde_json::from_str(include_str!("../../static-site/openapi.json")).unwrap();
    let mut tried = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|method| ["get", "post", "patch", "delete", "put"].contains(&method.as_str()))
        {
            let target = path.replace(['{', '}'], "x");
            for (name, router) in &functions {
                for secret in [None, Some("guess"), Some("")] {
                    let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(&target);
                    if let Some(secret) = secret {
                        request = request.header(SECRET, secret);
                    }
                    let request = request.header("x-forwarded-host", "images.example").body(axum::body::Body::empty()).unwrap();
                    let status = router.clone().oneshot(request).await.unwrap().status();
                    if path.starts_with("/hooks/") {
                        assert_ne!(status, 403, "{method} {path} of {name}");
                    } else {
                        assert_eq!(status, 403, "{method} {path} of {name}");
                    }
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 500, "{tried}");
    // Either of two secrets, while the distribution changes from one to the other.
    for secret in [&old, &new] {
        let request = Request::get("/api/v1/health").header(SECRET, secret.as_str()).body(axum::body::Body::empty()).unwrap();
        assert_eq!(functions[2].1.clone().oneshot(request).await.unwrap().status(), 200);
    }
    world.shutdown().await;
}
