use http::{Method, StatusCode};
use shared::auth::operator;
use shared::domain::user::Role;

use super::world::{Browser, ORIGIN, World};

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;

async fn is_in(browser: &mut Browser) -> bool {
    let answer = browser.get("/api/v1/me").await;
    assert!(matches!(answer.status, StatusCode::OK | StatusCode::UNAUTHORIZED));
    answer.status == StatusCode::OK
}

#[tokio::test]
async fn signing_out_is_true_for_the_next_request_of_any_client() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let mut thief = browser.clone();
    assert!(is_in(&mut thief).await);
    let answer = browser.change(Method::POST, "/auth/logout", None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(browser.cookies.is_empty());
    assert!(!is_in(&mut thief).await);
    assert_eq!((world.count("session"), world.count("user-session")), (0, 0));
    // Again, with what is over, and with nothing.
    assert_eq!(thief.change(Method::POST, "/auth/logout", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.browser().change(Method::POST, "/auth/logout", None).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn another_site_changes_nothing() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let good = [("origin", ORIGIN), ("sec-fetch-site", "same-origin"), ("x-app", "1")];
    for (alter, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("x-app", "0")] {
        let headers = good.map(|(name, fine)| if name == alter { (name, value) } else { (name, fine) });
        for (method, path) in [(Method::POST, "/auth/logout"), (Method::DELETE, "/api/v1/sessions"), (Method::POST, "/api/v1/tokens")] {
            assert_eq!(browser.send(method, path, &headers, None).await.code(), (403, "csrf".to_owned()), "{path} {alter}");
        }
    }
    assert_eq!(world.browser().send(Method::POST, "/auth/logout", &[], None).await.code(), (403, "csrf".to_owned()));
    assert!(is_in(&mut browser).await);
}

#[tokio::test]
async fn a_session_ends_when_its_time_has_come_though_its_item_is_there() {
    let world = World::start().await;
    let mut idle = world.signed_in("ada", "ada@example.org").await;
    world.clock.advance(24 * HOUR - 1);
    assert!(is_in(&mut idle.clone()).await, "and is in use again");
    world.clock.advance(24 * HOUR);
    assert!(!is_in(&mut idle).await);
    assert_eq!(world.count("session"), 1);

    let mut busy = world.signed_in("bob", "bob@example.org").await;
    for _ in 0..27 {
        world.clock.advance(12 * HOUR);
        assert!(is_in(&mut busy).await);
    }
    world.clock.advance(12 * HOUR - 1);
    assert!(is_in(&mut busy).await);
    world.clock.advance(1);
    assert!(!is_in(&mut busy).await, "fourteen days are over");
}

#[tokio::test]
async fn an_admins_session_is_shorter() {
    let world = World::start().await;
    let user = operator::ensure_user(&world.platform.db, &world.clock, &world.issuer.url, "ada", "ada@example.org", "").await.unwrap();
    operator::set_role(&world.platform.db, &world.clock, user.id, Role::Admin).await.unwrap();
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    world.clock.advance(30 * 60 * SECOND - 1);
    assert!(is_in(&mut browser.clone()).await);
    world.clock.advance(30 * 60 * SECOND);
    assert!(!is_in(&mut browser).await);
}

#[tokio::test]
async fn the_last_use_is_written_once_in_five_minutes() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let seen = || {
        let items = world.items();
        let session = items.iter().find(|item| item["entity"]["S"] == "session").unwrap().clone();
        session["last_seen_at"]["N"].as_str().unwrap().parse::<i64>().unwrap()
    };
    let began = seen();
    for _ in 0..100 {
        world.clock.advance(3 * SECOND - 1);
        assert!(is_in(&mut browser).await);
    }
    assert_eq!(seen(), began, "not yet");
    world.clock.advance(100);
    for _ in 0..10 {
        assert!(is_in(&mut browser).await);
        assert_eq!(seen(), began + 300 * SECOND);
    }
}

#[tokio::test]
async fn the_eleventh_sign_in_ends_the_first() {
    let world = World::start().await;
    let mut browsers = Vec::new();
    for _ in 0..11 {
        world.clock.advance(SECOND);
        browsers.push(world.signed_in("ada", "ada@example.org").await);
    }
    assert!(!is_in(&mut browsers[0]).await);
    for browser in &mut browsers[1..] {
        assert!(is_in(browser).await);
    }
}

#[tokio::test]
async fn people_see_and_end_their_own_sessions() {
    let world = World::start().await;
    let mut eve = world.signed_in("eve", "eve@example.org").await;
    let mut first = world.signed_in("ada", "ada@example.org").await;
    world.clock.advance(SECOND);
    let mut second = world.signed_in("ada", "ada@example.org").await;

    let list = second.get("/api/v1/sessions").await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["current"], &items[1]["current"]), (2, &true.into(), &false.into()));
    assert_eq!((items[1]["ends_at"].as_str().unwrap(), items[1]["agent"].as_str().unwrap()), ("2027-01-16T08:00:00Z", "Unknown browser"));
    let page = second.get("/api/v1/sessions?limit=1").await.json();
    let next = second.get(&format!("/api/v1/sessions?cursor={}", page["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!((&next["items"][0]["id"], next["next_cursor"].is_null()), (&items[1]["id"], true));
    assert_eq!(second.get("/api/v1/sessions?cursor=x").await.json()["errors"][0]["field"], "cursor");
    assert_eq!(second.get("/api/v1/sessions?colour=red").await.json()["errors"][0]["field"], "colour");

    let path = format!("/api/v1/sessions/{}", items[1]["id"].as_str().unwrap());
    assert_eq!(eve.change(Method::DELETE, &path, None).await.code(), (404, "not-found".to_owned()));
    assert_eq!(second.change(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert!(!is_in(&mut first).await);
    assert_eq!(second.change(Method::DELETE, &path, None).await.code(), (404, "not-found".to_owned()));

    let mut third = world.signed_in("ada", "ada@example.org").await;
    assert_eq!(third.change(Method::DELETE, "/api/v1/sessions", None).await.status, StatusCode::NO_CONTENT);
    assert!(is_in(&mut third).await && !is_in(&mut second).await && is_in(&mut eve).await);
}

#[tokio::test]
async fn a_planted_cookie_is_no_session() {
    let world = World::start().await;
    let mut browser = world.browser();
    browser.cookies.insert("__Host-sid".to_owned(), "A".repeat(43));
    assert!(!is_in(&mut browser).await);
    let planted = browser.cookies["__Host-sid"].clone();
    let callback = world.begin(&mut browser, "/", "ada", "ada@example.org", super::issuer::Twist::None).await;
    browser.get(&callback).await;
    assert_ne!(browser.cookies["__Host-sid"], planted);
    assert!(is_in(&mut browser).await);
}

#[tokio::test]
async fn the_profile_brings_the_cookies_that_open_ones_own_media_and_nobody_elses() {
    let world = World::start().await;
    let verifier = world.platform.signer().await.unwrap().verifier();
    let mut ada = world.signed_in("ada", "ada@example.org").await;
    let mut eve = world.signed_in("eve", "eve@example.org").await;
    assert!(is_in(&mut ada).await && is_in(&mut eve).await);
    let opens = |browser: &Browser, address: &str| {
        let cookies = browser.cookies.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        verifier.verify_cookies(address, cookies, world.clock.now()).is_ok()
    };
    let prefix = operator::find_user(&world.platform.db, "ada@example.org").await.unwrap().media_prefix;
    let address = format!("{ORIGIN}/media/{prefix}/a/original.png");
    assert!(opens(&ada, &address) && !opens(&eve, &address));

    // A repeated call renews them, even when nothing else has changed.
    let etag = ada.get("/api/v1/me").await.headers["etag"].to_str().unwrap().to_owned();
    world.clock.advance(3_599 * SECOND);
    assert!(opens(&ada, &address));
    let again = ada.send(Method::GET, "/api/v1/me", &[("if-none-match", &etag)], None).await;
    assert_eq!((again.status, again.set_cookies().len()), (StatusCode::NOT_MODIFIED, 4));
    world.clock.advance(3_599 * SECOND);
    assert!(opens(&ada, &address));
    world.clock.advance(SECOND);
    assert!(!opens(&ada, &address));

    assert!(is_in(&mut ada).await);
    ada.change(Method::POST, "/auth/logout", None).await;
    assert!(ada.cookies.is_empty(), "signing out takes the media along");
}
