//! Short links: what people see who have one and aren't signed in, how often, and until when.

use futures_util::future::join_all;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use shared::db::audit::Actor;
use shared::db::users::UserChange;
use shared::domain::user::{Scope, Status};

use crate::world::{Answer, Client, World, picture, sha256, still};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const AS_JSON: [(&str, &str); 1] = [("accept", "application/json")];

/// A picture in `client`'s library.
async fn asset(client: &Client) -> Value {
    let over = client.made(&picture("a secret recipe")).await;
    assert_eq!(over["state"], "complete", "{over}");
    over["assets"][0].clone()
}

/// A link to `asset` with further fields.
async fn link(client: &Client, asset: &Value, more: Value) -> Value {
    let answer = make(client, asset["id"].as_str().unwrap(), more).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let link = answer.json();
    assert_eq!(answer.header(header::LOCATION), format!("/api/v1/links/{}", key(&link)));
    link
}

async fn make(client: &Client, asset: &str, more: Value) -> Answer {
    let mut body = json!({"asset_id": asset, "opens": "page"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.post("/api/v1/links", &body).await
}

fn key(link: &Value) -> &str {
    link["key"].as_str().unwrap()
}

fn place(link: &Value) -> String {
    format!("/api/v1/links/{}", key(link))
}

fn short(link: &Value) -> String {
    format!("/s/{}", key(link))
}

async fn patch(client: &Client, link: &Value, change: Value) -> Answer {
    client.json(Method::PATCH, &place(link), &[], &change).await
}

async fn delete(client: &Client, path: &str) -> StatusCode {
    client.send(Method::DELETE, path, &[], Vec::new()).await.status
}

async fn unlock(visitor: &Client, link: &Value, password: &str) -> Answer {
    visitor.send(Method::POST, &short(link), &[FORM], format!("password={password}").into_bytes()).await
}

/// What every answer to a stranger has in common.
fn assert_discreet(what: &str, answer: &Answer) {
    assert!(answer.headers.get(header::SET_COOKIE).is_none(), "{what}");
    assert_eq!(answer.header("x-robots-tag"), "noindex, nofollow", "{what}");
    assert_eq!(answer.header(header::REFERRER_POLICY), "no-referrer", "{what}");
    assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{what}");
    assert_eq!(answer.header("x-frame-options"), "DENY", "{what}");
    let policy = answer.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains('*'), "{what}: {policy}");
    let html = answer.header(header::CONTENT_TYPE).starts_with("text/html");
    assert!(!html || policy.contains("style-src 'self'"), "{what}: {policy}");
}

/// A kind page with this status, and a problem with this code for programs.
async fn assert_nowhere(visitor: &Client, path: &str, status: u16, code: &str) {
    let page = visitor.get(path).await;
    assert_eq!(page.status.as_u16(), status, "{path}: {}", page.text());
    assert_discreet(path, &page);
    assert_eq!(page.header(header::CONTENT_TYPE), "text/html; charset=utf-8", "{path}");
    assert_eq!(page.header(header::CACHE_CONTROL), "no-store", "{path}");
    assert!(page.text().contains("<h1>") && !page.text().contains("<img"), "{path}: {}", page.text());
    let problem = visitor.send(Method::GET, path, &AS_JSON, Vec::new()).await;
    assert_eq!(problem.code(), (status, code.to_owned()), "{path}");
    assert_discreet(path, &problem);
}

async fn views(client: &Client, link: &Value) -> u64 {
    client.get(&place(link)).await.json()["views"].as_u64().unwrap()
}

/// The content of a tag of a page's head.
fn tag(page: &str, name: &str) -> Option<String> {
    let start = page.find(&format!("=\"{name}\" content=\""))? + name.len() + "=\"\" content=\"".len();
    Some(page[start..].split('"').next().unwrap().replace("&amp;", "&"))
}

/// The address of the first element with a source.
fn source(page: &str) -> String {
    let start = page.find("<img src=\"").unwrap() + "<img src=\"".len();
    page[start..].split('"').next().unwrap().replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_link_shows_the_picture_to_whoever_has_it() {
    let world = World::start().await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let asset = asset(&ada).await;
    let made = link(&ada, &asset, json!({})).await;
    assert_eq!((key(&made).len(), &made["asset_id"], &made["state"], &made["views"]), (11, &asset["id"], &json!("live"), &json!(0)));
    assert!(key(&made).bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let url = format!("{}/s/{}", world.edition.origin(), key(&made));
    assert_eq!(made["url"], url);

    let page = nobody.get(&url).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert_discreet("page", &page);
    assert_eq!(page.header(header::CACHE_CONTROL), "public, max-age=60");
    let text = page.text();
    let media = format!("{url}/media");
    for (name, value) in [
        ("og:url", url.as_str()),
        ("og:title", "A shared image"),
        ("og:type", "website"),
        ("og:image", media.as_str()),
        ("og:image:type", asset["media"]["content_type"].as_str().unwrap()),
        ("og:image:width", &asset["media"]["width"].to_string()),
        ("og:image:height", &asset["media"]["height"].to_string()),
        ("twitter:card", "summary_large_image"),
        ("twitter:image", media.as_str()),
    ] {
        assert_eq!(tag(&text, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(source(&text), media);
    assert!(!text.contains("secret recipe"), "the prompt isn't shared");
    assert!(!text.contains(ada.user().id.to_string().as_str()));

    let redirect = nobody.get(&format!("{}/media", short(&made))).await;
    assert_eq!(redirect.status, StatusCode::FOUND, "{}", redirect.text());
    assert_discreet("media", &redirect);
    assert_eq!(redirect.header(header::CACHE_CONTROL), "no-store");
    let file = nobody.get(redirect.header(header::LOCATION)).await;
    assert_eq!((file.status, json!(sha256(&file.body))), (StatusCode::OK, asset["media"]["sha256"].clone()));
    let poster = nobody.get(&format!("{}/poster", short(&made))).await;
    let still = nobody.get(poster.header(header::LOCATION)).await;
    assert_eq!((poster.status, still.header(header::CONTENT_TYPE)), (StatusCode::FOUND, "image/webp"));

    let head = nobody.send(Method::HEAD, &short(&made), &[], Vec::new()).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_discreet("head", &head);
    // A signed-in visitor is nobody special.
    assert_eq!(ada.get(&short(&made)).await.body, page.body);
    assert_eq!(views(&ada, &made).await, 0, "pages count themselves");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_played_from_its_page_and_within_other_sites() {
    let world = World::start().await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let over = ada.made(&json!({"model": "ltx-2.3", "inputs": {"prompt": "waves at night"}})).await;
    let film = &over["assets"][0];
    let made = link(&ada, film, json!({})).await;
    let page = nobody.get(&short(&made)).await;
    let media = format!("{}/media", made["url"].as_str().unwrap());
    assert_discreet("page", &page);
    assert!(page.text().contains(&format!("<video controls playsinline preload=\"metadata\" src=\"{media}\"")), "{}", page.text());
    assert_eq!(tag(&page.text(), "og:video"), Some(media.clone()));
    assert_eq!(tag(&page.text(), "og:video:type").as_deref(), Some("video/mp4"));
    let redirect = nobody.get(&media).await;
    let part = nobody.send(Method::GET, redirect.header(header::LOCATION), &[("range", "bytes=4-7")], Vec::new()).await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &b"ftyp"[..]));

    let player = nobody.get(&tag(&page.text(), "twitter:player").unwrap()).await;
    assert_eq!(player.status, StatusCode::OK);
    assert!(player.header(header::CONTENT_SECURITY_POLICY).ends_with("frame-ancestors https:"));
    assert!(page.header(header::CONTENT_SECURITY_POLICY).ends_with("frame-ancestors 'none'"));
    patch(&ada, &made, json!({"max_views": 9})).await;
    assert_nowhere(&nobody, &format!("{}/player", short(&made)), 404, "not-found").await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_from_a_link_is_over_after_a_minute() {
    let world = World::start_at(&[], still()).await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let asset = asset(&ada).await;
    let file = link(&ada, &asset, json!({"opens": "file"})).await;
    let address = nobody.get(&short(&file)).await.header(header::LOCATION).to_owned();
    world.clock.advance(59_000);
    assert_eq!(nobody.get(&address).await.status, StatusCode::OK);
    world.clock.advance(1_000);
    assert_eq!(nobody.get(&address).await.status, StatusCode::FORBIDDEN);
    assert_eq!(nobody.get(&short(&file)).await.status, StatusCode::FOUND, "the link itself goes on");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_owner_writes_is_text_and_the_note_is_theirs_alone() {
    let world = World::start().await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let asset = asset(&ada).await;
    let hostile = "\"><script>alert('1')</script><img src=x onerror=alert(2)>&amp;";
    let path = format!("/api/v1/assets/{}", asset["id"].as_str().unwrap());
    let edit = json!({"title": hostile, "alt_text": format!("{hostile} alt")});
    assert_eq!(ada.json(Method::PATCH, &path, &[], &edit).await.status, StatusCode::OK);
    let escaped = "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;&amp;amp;";
    for more in [json!({"note": hostile}), json!({"note": hostile, "max_views": 9})] {
        let made = link(&ada, &asset, more).await;
        assert_eq!(made["note"], hostile);
        let page = nobody.get(&short(&made)).await.text();
        assert!(page.contains(&format!("<h1>{escaped}</h1>")) && page.contains(&format!("alt=\"{escaped} alt\"")), "{page}");
        assert!(!page.contains("<script>") && !page.contains("src=x onerror=alert(2)>&amp;\""), "{page}");
        assert_eq!(page.matches("<img").count(), 1, "{page}");
    }
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_has_ended_says_so_kindly_everywhere() {
    let world = World::start_at(&[], still()).await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let asset = asset(&ada).await;
    let gone = async |link: &Value| {
        for end in ["", "/media", "/poster"] {
            assert_nowhere(&nobody, &format!("{}{end}", short(link)), 410, "gone").await;
        }
    };
    let open = async |link: &Value| assert_eq!(nobody.get(&short(link)).await.status, StatusCode::OK);
    for path in ["/s/unknownkey1", "/s/unknownkey1/media", "/s/unknownkey1/player", "/s/unknownkey1/a/b", "/s/abc"] {
        assert_nowhere(&nobody, path, 404, "not-found").await;
    }

    let made = link(&ada, &asset, json!({"expires_at": (world.clock.now() + jiff::SignedDuration::from_secs(60)).to_string()})).await;
    world.clock.advance(59_999);
    open(&made).await;
    world.clock.advance(1);
    gone(&made).await;
    assert_eq!(ada.get(&place(&made)).await.json()["state"], "expired");
    assert_eq!(patch(&ada, &made, json!({"expires_at": null})).await.json()["state"], "live");
    open(&made).await;

    assert_eq!(patch(&ada, &made, json!({"enabled": false})).await.json()["state"], "off");
    gone(&made).await;
    assert_eq!(patch(&ada, &made, json!({"enabled": true})).await.json()["state"], "live");
    open(&made).await;

    let path = format!("/api/v1/assets/{}", asset["id"].as_str().unwrap());
    assert_eq!(delete(&ada, &path).await, StatusCode::NO_CONTENT);
    gone(&made).await;
    assert_eq!(ada.get(&place(&made)).await.json()["state"], "no-asset");
    assert_eq!(ada.post(&format!("{path}/restore"), &json!({})).await.status, StatusCode::OK);
    open(&made).await;

    let db = &world.platform.db;
    for (status, shown) in [(Status::Suspended, false), (Status::Active, true)] {
        db.change_user(ada.user().id, UserChange::Status(status), &Actor::operator(), world.clock.now()).await.unwrap();
        if shown { open(&made).await } else { gone(&made).await }
    }

    assert_eq!(delete(&ada, &place(&made)).await, StatusCode::NO_CONTENT);
    gone(&made).await;
    assert_eq!(delete(&ada, &place(&made)).await, StatusCode::NOT_FOUND);
    assert_eq!(patch(&ada, &made, json!({"enabled": true})).await.status, StatusCode::NOT_FOUND);
    assert!(ada.all("/api/v1/links").await.is_empty());
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_of_views_lets_exactly_so_many_see_it() {
    let world = World::start().await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let asset = asset(&ada).await;
    for (opens, shown) in [("page", StatusCode::OK), ("file", StatusCode::FOUND)] {
        let made = link(&ada, &asset, json!({"opens": opens, "max_views": 5})).await;
        let path = short(&made);
        // Programs that look ahead see nothing, and use up nothing.
        for headers in [("user-agent", "Slackbot-LinkExpanding 1.0"), ("sec-purpose", "prefetch")] {
            let quiet = nobody.send(Method::GET, &path, &[headers], Vec::new()).await;
            assert_eq!((quiet.status, quiet.header(header::LOCATION)), (StatusCode::OK, ""));
            assert!(!quiet.text().contains("<img"));
        }
        let head = nobody.send(Method::HEAD, &path, &[], Vec::new()).await;
        assert_eq!((head.status, head.header(header::LOCATION)), (StatusCode::OK, ""));
        assert_eq!(views(&ada, &made).await, 0);

        let answers = join_all((0..20).map(|_| nobody.get(&path))).await;
        let seen: Vec<&Answer> = answers.iter().filter(|answer| answer.status == shown).collect();
        assert_eq!((seen.len(), answers.iter().filter(|answer| answer.status == StatusCode::GONE).count()), (5, 15), "{opens}");
        for answer in &seen {
            assert_discreet(opens, answer);
            assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
            let address = if opens == "page" { source(&answer.text()) } else { answer.header(header::LOCATION).to_owned() };
            assert_eq!(json!(sha256(&nobody.get(&address).await.body)), asset["media"]["sha256"], "{opens}");
            assert_eq!(tag(&answer.text(), "og:image"), None);
        }
        assert_nowhere(&nobody, &format!("{path}/media"), 410, "gone").await;
        let after = ada.get(&place(&made)).await.json();
        assert_eq!((&after["views"], &after["state"]), (&json!(5), &json!("used-up")));
        assert_eq!(patch(&ada, &made, json!({"max_views": 5})).await.json()["errors"][0]["field"], "max_views");
        assert_eq!(patch(&ada, &made, json!({"max_views": 6})).await.json()["state"], "live");
        // The media of a page are an opening of their own: no way around the cap.
        assert_eq!(nobody.get(&format!("{path}/media")).await.status, StatusCode::FOUND);
        assert_nowhere(&nobody, &path, 410, "gone").await;
    }
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_the_link_and_guessing_ends_after_twenty() {
    let world = World::start_at(&[], still()).await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let asset = asset(&ada).await;
    let page = link(&ada, &asset, json!({"password": "open sesame"})).await;
    assert_eq!((&page["has_password"], page.get("password")), (&json!(true), None));
    let form = nobody.get(&short(&page)).await;
    assert_eq!(form.status, StatusCode::OK);
    assert_discreet("form", &form);
    assert!(form.text().contains("<form method=\"post\">") && !form.text().contains("<img"), "{}", form.text());
    assert!(form.header(header::CONTENT_SECURITY_POLICY).contains("form-action 'self'"));
    assert_eq!(form.header(header::CACHE_CONTROL), "no-store");
    for end in ["/media", "/poster", "/player"] {
        let answer = nobody.get(&format!("{}{end}", short(&page))).await;
        assert!(answer.header(header::LOCATION).is_empty() && !answer.status.is_success(), "{end}: {}", answer.text());
    }
    for _ in 0..25 {
        let right = unlock(&nobody, &page, "open+sesame").await;
        assert_eq!(
            (right.status, right.header(header::CACHE_CONTROL)),
            (StatusCode::OK, "no-store"),
            "those who know it are never kept out"
        );
        assert_discreet("unlocked", &right);
        assert_eq!(json!(sha256(&nobody.get(&source(&right.text())).await.body)), asset["media"]["sha256"]);
    }
    assert_eq!(views(&ada, &page).await, 25);

    let file = link(&ada, &asset, json!({"opens": "file", "password": "open sesame"})).await;
    let right = unlock(&nobody, &file, "open%20sesame").await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    assert_eq!(json!(sha256(&nobody.get(right.header(header::LOCATION)).await.body)), asset["media"]["sha256"]);

    for _ in 0..20 {
        let wrong = unlock(&nobody, &page, "Open+Sesame").await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN);
        assert_discreet("wrong", &wrong);
        assert!(wrong.text().contains("role=\"alert\"") && !wrong.text().contains("<img"));
    }
    for password in ["guess", "open+sesame"] {
        let refused = unlock(&nobody, &page, password).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert!((1..=3_600).contains(&refused.header(header::RETRY_AFTER).parse::<u32>().unwrap()));
    }
    assert_eq!(unlock(&nobody, &file, "open+sesame").await.status, StatusCode::SEE_OTHER, "each link has guesses of its own");
    world.clock.advance(3_600_000);
    assert_eq!(unlock(&nobody, &page, "open+sesame").await.status, StatusCode::OK);
    let long = nobody.send(Method::POST, &short(&page), &[FORM], vec![b'x'; 5_000]).await;
    assert_eq!(long.code(), (413, "payload-too-large".to_owned()));

    assert_eq!(patch(&ada, &page, json!({"password": null})).await.json()["has_password"], false);
    assert!(nobody.get(&short(&page)).await.text().contains("<img"));
    assert_eq!(patch(&ada, &page, json!({"password": "another one"})).await.json()["has_password"], true);
    assert_eq!(unlock(&nobody, &page, "open+sesame").await.status, StatusCode::FORBIDDEN);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_is_counted_once_by_the_pages_own_beacon() {
    let world = World::start_at(&[], still()).await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let asset = asset(&ada).await;
    let made = link(&ada, &asset, json!({})).await;
    let beacon = async |path: &str, headers: &[(&str, &str)]| {
        let answer = nobody.send(Method::POST, path, headers, Vec::new()).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0), "{path}");
        assert_discreet(path, &answer);
    };
    let visit = format!("{}/visit", short(&made));
    nobody.get(&short(&made)).await;
    for expected in 1..=3 {
        beacon(&visit, &[("sec-fetch-site", "same-origin")]).await;
        assert_eq!(views(&ada, &made).await, expected);
    }
    for other in [("sec-fetch-site", "cross-site"), ("user-agent", "Googlebot/2.1"), ("sec-purpose", "prefetch")] {
        beacon(&visit, &[other]).await;
    }
    for path in ["/s/unknownkey1/visit", "/s/a/visit", "/s/..%2f..%2fapi/visit"] {
        nobody.send(Method::POST, path, &[], Vec::new()).await;
    }
    beacon("/s/unknownkey1/visit", &[]).await;
    let capped = link(&ada, &asset, json!({"max_views": 3})).await;
    beacon(&format!("{}/visit", short(&capped)), &[]).await;
    assert_eq!(views(&ada, &capped).await, 0, "counted by its opening");
    world.clock.advance(24 * 3_600_000);
    beacon(&visit, &[]).await;
    let figures = ada.get(&place(&made)).await.json();
    let days: Vec<&Value> = figures["days"].as_array().unwrap().iter().map(|day| &day["views"]).collect();
    assert_eq!((&figures["views"], days), (&json!(4), vec![&json!(1), &json!(3)]));
    patch(&ada, &made, json!({"enabled": false})).await;
    beacon(&visit, &[]).await;
    assert_eq!(views(&ada, &made).await, 4);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_owner_sees_changes_or_ends_a_link() {
    let world = World::start().await;
    let (ada, bob, nobody) = (world.user("ada").await, world.user("bob").await, world.stranger(None));
    let asset = asset(&ada).await;
    let made = link(&ada, &asset, json!({"note": "for the fair", "slug": "summer-fair"})).await;
    assert_eq!(key(&made), "summer-fair");
    for path in [place(&made), "/api/v1/links/unknownkey1".to_owned(), "/api/v1/links/a%2Fb".to_owned()] {
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let answer = bob.json(method.clone(), &path, &[], &json!({"enabled": false})).await;
            assert_eq!(answer.code(), (404, "not-found".to_owned()), "{method} {path}");
        }
    }
    for (client, status) in [(&nobody, 401), (&world.client("ada", vec![Scope::Read, Scope::Generate], None).await, 403)] {
        for (method, path) in [(Method::GET, "/api/v1/links"), (Method::POST, "/api/v1/links"), (Method::DELETE, &place(&made))] {
            let body = json!({"asset_id": asset["id"], "opens": "page"});
            assert_eq!(client.json(method, path, &[], &body).await.status.as_u16(), status, "{path}");
        }
    }
    assert_eq!(bob.all("/api/v1/links").await, Vec::<Value>::new());
    assert_eq!(bob.all(&format!("/api/v1/links?asset_id={}", asset["id"].as_str().unwrap())).await, Vec::<Value>::new());
    let taken = make(&bob, asset["id"].as_str().unwrap(), json!({})).await;
    assert_eq!((taken.code(), &taken.json()["errors"][0]["field"]), ((400, "validation".to_owned()), &json!("asset_id")));
    // A token that may only share doesn't read the library by the way.
    let sharer = world.client("ada", vec![Scope::Share], None).await;
    let mine = sharer.all("/api/v1/links").await;
    assert_eq!((mine.len(), &mine[0]["asset"], &mine[0]["note"]), (1, &Value::Null, &json!("for the fair")));
    assert_eq!(ada.get(&place(&made)).await.json()["asset"]["id"], asset["id"]);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_may_not_be_is_refused_by_field_and_an_ending_is_given_once() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let asset = asset(&ada).await;
    let id = asset["id"].as_str().unwrap();
    for (more, field, code) in [
        (json!({"asset_id": "nonsense"}), "asset_id", "unknown"),
        (json!({"asset_id": "0190163d8694739baea5966c26f8ad91"}), "asset_id", "unknown"),
        (json!({"asset_id": 7}), "asset_id", "invalid"),
        (json!({"opens": "window"}), "opens", "invalid"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at", "past"),
        (json!({"expires_at": "tomorrow"}), "expires_at", "invalid"),
        (json!({"max_views": 0}), "max_views", "out-of-range"),
        (json!({"max_views": -1}), "max_views", "invalid"),
        (json!({"max_views": 1_000_001}), "max_views", "out-of-range"),
        (json!({"password": "abc"}), "password", "length"),
        (json!({"slug": "abc"}), "slug", "invalid"),
        (json!({"slug": "Summer"}), "slug", "invalid"),
        (json!({"slug": "//evil.example"}), "slug", "invalid"),
        (json!({"slug": "admin"}), "slug", "reserved"),
        (json!({"note": "n".repeat(201)}), "note", "too-long"),
        (json!({"user": "bob"}), "user", "unknown"),
    ] {
        let answer = make(&ada, id, more).await;
        assert_eq!(answer.code(), (400, "validation".to_owned()), "{field}: {}", answer.text());
        let error = &answer.json()["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!(code)), "{error}");
    }
    assert!(ada.all("/api/v1/links").await.is_empty());

    let answers = join_all((0..8).map(|_| make(&ada, id, json!({"slug": "summer-fair"})))).await;
    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).collect();
    assert_eq!(made.len(), 1);
    let taken = answers.iter().find(|answer| answer.status == StatusCode::CONFLICT).unwrap();
    assert_eq!((taken.code().1.as_str(), &taken.json()["errors"][0]["field"]), ("conflict", &json!("slug")));
    // Ended or not, an address never leads to something else.
    assert_eq!(delete(&ada, "/api/v1/links/summer-fair").await, StatusCode::NO_CONTENT);
    assert_eq!(make(&ada, id, json!({"slug": "summer-fair"})).await.status, StatusCode::CONFLICT);

    assert_eq!(delete(&ada, &format!("/api/v1/assets/{id}")).await, StatusCode::NO_CONTENT);
    let trashed = make(&ada, id, json!({})).await.json();
    assert_eq!((&trashed["errors"][0]["field"], &trashed["errors"][0]["code"]), (&json!("asset_id"), &json!("in-trash")));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_listed_newest_first_and_by_asset_in_pages() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let (one, two) = (asset(&ada).await, asset(&ada).await);
    let mut made = Vec::new();
    for number in 0..5 {
        let of = if number % 2 == 0 { &one } else { &two };
        made.insert(0, key(&link(&ada, of, json!({"note": format!("number {number}")})).await).to_owned());
        // Their order is the order of time, in milliseconds.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let keys = |items: &[Value]| items.iter().map(|item| key(item).to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(&ada.all("/api/v1/links").await), made);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = ada.get(&format!("/api/v1/links?limit=2{cursor}")).await.json();
        seen.extend(keys(page["items"].as_array().unwrap()));
        cursor = page["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!((seen, cursor.as_str()), (made.clone(), ""));
    for (of, count) in [(&one, 3), (&two, 2)] {
        let id = of["id"].as_str().unwrap();
        let path = format!("/api/v1/links?asset_id={id}");
        let found = ada.all(&path).await;
        assert_eq!(found.len(), count);
        assert!(found.iter().all(|item| item["asset_id"] == id && item["asset"]["id"] == id));
        let first = ada.get(&format!("{path}&limit=1")).await.json();
        let next = ada.get(&format!("{path}&limit=1&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
        assert_ne!(first["items"][0]["key"], next["items"][0]["key"]);
        assert_eq!(ada.get(&format!("/api/v1/links?cursor={}", first["next_cursor"].as_str().unwrap())).await.status, 400);
    }
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_or_path_leads_off_the_site() {
    let world = World::start().await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let asset = asset(&ada).await;
    let page = link(&ada, &asset, json!({})).await;
    let file = link(&ada, &asset, json!({"opens": "file"})).await;
    let hostile = [
        "//evil.example",
        "//evil.example/media",
        "%2F%2Fevil.example",
        "https:evil.example",
        "https://evil.example",
        "https:%2F%2Fevil.example",
        "javascript:alert(1)",
        "javascript%3Aalert(1)",
        "data:text/html,x",
        "user@evil.example",
        "user:pass@evil.example",
        "%40evil.example",
        "%0d%0aLocation:%20https://evil.example",
        "%0d%0aSet-Cookie:%20a=b",
        "%E5%98%8A%E5%98%8DLocation:evil",
        "%00",
        "%ff%fe",
        "..%2f..%2fapi",
        "..%5c..%5capi",
        "%5cevil.example",
        "\\evil.example",
        ".evil.example",
        "evil.example",
        "evil.example%2e",
        "?next=https://evil.example",
        "%3Fnext=//evil.example",
        "%23@evil.example",
        "媒体",
        "%e2%80%8bkey",
        "key%20key",
        "KEY'--",
        "key\"onload=x",
        "<script>alert(1)</script>",
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "{key}",
        "$%7Bjndi:ldap%7D",
        "LINK%23x",
        "USER%23x",
        "a%23LINK",
        "key/media/../..//evil.example",
        "key/..;/admin",
        "key;@evil.example",
        "key%2Fmedia",
        "-",
        "--------",
        "0",
        "null",
        "undefined",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "％2e％2e",
    ];
    assert!(hostile.len() >= 50);
    let origin = world.edition.origin();
    let check = |what: &str, answer: &Answer| {
        let location = answer.header(header::LOCATION);
        assert!(location.is_empty() || location.starts_with(&format!("{origin}/")), "{what}: {location}");
        assert!(answer.headers.get(header::SET_COOKIE).is_none() && !answer.status.is_server_error(), "{what}: {}", answer.text());
        assert!(!answer.text().contains("<script>alert"), "{what}");
    };
    for key in hostile {
        for path in [format!("/s/{key}"), format!("/s/{key}/media"), format!("{}/{key}", short(&file))] {
            for method in [Method::GET, Method::POST] {
                check(&path, &nobody.send(method, &path, &[FORM], b"next=//evil.example".to_vec()).await);
            }
        }
    }
    // Neither a host nor a proxy's header has a say in where somebody is sent.
    for (name, value) in [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")] {
        for path in [short(&page), format!("{}/media", short(&page)), format!("{}?next=//evil.example", short(&file))] {
            let answer = nobody.send(Method::GET, &path, &[(name, value)], Vec::new()).await;
            check(&path, &answer);
            assert!(!answer.text().contains("evil.example"), "{path}: {}", answer.text());
        }
    }
    world.shutdown().await;
}
