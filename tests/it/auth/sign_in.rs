use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::Value;
use shared::auth::oidc::{Challenge, Issuer, OidcError, TokenError};
use shared::auth::operator;
use shared::db::audit::Actor;
use shared::db::users::{Directory, UserChange};
use shared::domain::user::{Role, Status};

use super::issuer::Twist;
use super::world::World;

#[tokio::test]
async fn signing_in_leads_back_to_where_it_began() {
    let world = World::start().await;
    let mut browser = world.browser();
    let callback = world.begin(&mut browser, "/library?q=fox", "ada", "ada@example.org", Twist::None).await;
    let answer = browser.get(&callback).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::FOUND, "/library?q=fox"));
    let session = answer.set_cookies()[0].to_owned();
    assert!(session.starts_with("__Host-sid=") && session.ends_with("; Path=/; Max-Age=1209600; Secure; HttpOnly; SameSite=Strict"));
    assert_eq!(browser.cookies.len(), 1, "the pre-login cookie is gone");

    let me = browser.get("/api/v1/me").await;
    assert_eq!(me.status, StatusCode::OK);
    let me = me.json();
    assert_eq!((&me["email"], &me["name"], &me["role"]), (&"ada@example.org".into(), &"ADA".into(), &"user".into()));
    assert_eq!(me["limits"]["monthly"], 500);
    assert_eq!(me["usage"], serde_json::json!({"month": "2027-01", "used": 0, "reserved": 0, "remaining": 500}));
    assert_eq!((world.count("user"), world.count("identity"), world.count("directory"), world.count("login")), (1, 1, 3, 0));
}

#[tokio::test]
async fn next_never_leaves_the_site() {
    let world = World::start().await;
    for next in ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", ""] {
        let mut browser = world.browser();
        let callback = world.begin(&mut browser, next, "ada", "ada@example.org", Twist::None).await;
        assert_eq!(browser.get(&callback).await.location(), "/", "{next:?}");
    }
}

/// Every way to alter a callback leads to words, and to no session.
#[tokio::test]
async fn altered_callbacks_sign_nobody_in() {
    let world = World::start().await;
    for (twist, problem) in [
        (Twist::Nonce, "sign-in-failed"),
        (Twist::Issuer, "sign-in-failed"),
        (Twist::Audience, "sign-in-failed"),
        (Twist::Expired, "sign-in-failed"),
        (Twist::Unsigned, "sign-in-failed"),
        (Twist::StrangeKey, "sign-in-failed"),
        (Twist::UnknownKey, "sign-in-failed"),
        (Twist::Verifier, "sign-in-failed"),
        (Twist::Unverified, "email-unverified"),
    ] {
        let answer = world.sign_in(&mut world.browser(), "ada", "ada@example.org", twist).await;
        assert_eq!(answer.location(), format!("/?problem={problem}"), "{twist:?}");
    }

    let mut browser = world.browser();
    let good = world.begin(&mut browser, "/", "ada", "ada@example.org", Twist::None).await;
    let state = good.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let expired = "/?problem=sign-in-expired";
    for altered in
        [good.replace(&state, "x"), good.replace("state=", "stats="), "/auth/callback".to_owned(), format!("{good}&state={state}")]
    {
        assert_eq!(browser.get(&altered).await.location(), expired, "{altered}");
    }
    assert_eq!(browser.get(&format!("{good}&iss=https://evil.example")).await.location(), expired);
    // That used it up.
    assert_eq!(browser.get(&good).await.location(), expired);

    // Another browser, without and with a cookie of its own.
    let mut owner = world.browser();
    let theirs = world.begin(&mut owner, "/", "ada", "ada@example.org", Twist::None).await;
    let mut other = world.browser();
    assert_eq!(other.get(&theirs).await.location(), expired);
    world.begin(&mut other, "/", "eve", "eve@example.org", Twist::None).await;
    assert_eq!(other.get(&theirs).await.location(), expired);

    // A code that was redeemed already, under a good state of this browser's own.
    let mut again = world.browser();
    let first = world.begin(&mut again, "/", "eve", "eve@example.org", Twist::None).await;
    let code = |callback: &str| callback.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    world.issuer.redeemed(&code(&first));
    let second = world.begin(&mut again, "/", "eve", "eve@example.org", Twist::None).await;
    let replayed = second.replace(&code(&second), &code(&first));
    assert_eq!(again.get(&replayed).await.location(), "/?problem=sign-in-failed");

    // Too late, by a millisecond and more.
    world.clock.advance(600_000);
    assert_eq!(owner.get(&theirs).await.location(), expired);

    // Somebody who changes their mind, and an issuer that gives another reason.
    for (error, problem) in [("access_denied", "sign-in-cancelled"), ("server_error", "sign-in-failed")] {
        let mut browser = world.browser();
        let callback = world.begin(&mut browser, "/", "ada", "ada@example.org", Twist::None).await;
        let answer = browser.get(&callback.replace("code=", &format!("error={error}&was="))).await;
        assert_eq!(answer.location(), format!("/?problem={problem}"));
    }
    assert_eq!((world.count("session"), world.count("user")), (0, 0));
}

#[tokio::test]
async fn a_sign_in_can_be_finished_once() {
    let world = World::start().await;
    let mut browser = world.browser();
    let callback = world.begin(&mut browser, "/", "ada", "ada@example.org", Twist::None).await;
    let calls = (0..100).map(|_| {
        let (mut browser, callback) = (browser.clone(), callback.clone());
        async move { browser.get(&callback).await.location().to_owned() }
    });
    let locations = join_all(calls).await;
    assert_eq!(locations.iter().filter(|location| *location == "/").count(), 1);
    assert_eq!((world.count("session"), world.count("user")), (1, 1));
}

#[tokio::test]
async fn a_hundred_first_sign_ins_make_one_person_and_no_admin() {
    let world = World::start().await;
    let mut ready = Vec::new();
    for _ in 0..100 {
        let mut browser = world.browser();
        let callback = world.begin(&mut browser, "/", "ada", "ada@example.org", Twist::None).await;
        ready.push((browser, callback));
    }
    let calls = ready.into_iter().map(|(mut browser, callback)| async move { browser.get(&callback).await.location().to_owned() });
    let locations = join_all(calls).await;
    assert!(locations.iter().all(|location| location == "/"), "{locations:?}");
    assert_eq!((world.count("user"), world.count("identity"), world.count("directory")), (1, 1, 3));
    assert_eq!((world.count("session"), world.count("user-session")), (10, 10));
    assert!(operator::admins(&world.platform.db).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_identity_is_issuer_and_subject_and_never_the_address() {
    let world = World::start().await;
    let id = |me: Value| me["id"].as_str().unwrap().to_owned();
    let first = id(world.signed_in("ada", "ada@example.org").await.get("/api/v1/me").await.json());
    let second = id(world.signed_in("bob", "ada@example.org").await.get("/api/v1/me").await.json());
    assert_ne!(first, second);
    assert_eq!(world.platform.db.users_by_email("Ada@Example.org").await.unwrap().len(), 2);

    // The address moves, the person stays, and the directory follows.
    world.clock.advance(1_000);
    let moved = world.signed_in("ada", "countess@example.org").await.get("/api/v1/me").await.json();
    assert_eq!(moved["last_sign_in_at"], "2027-01-15T08:00:01Z");
    assert_eq!((id(moved.clone()), &moved["email"]), (first.clone(), &"countess@example.org".into()));
    let found = |email: &'static str| {
        let db = world.platform.db.clone();
        async move { db.users_by_email(email).await.unwrap().iter().map(|user| user.id.to_string()).collect::<Vec<_>>() }
    };
    assert_eq!(found("ada@example.org").await, [second.as_str()]);
    assert_eq!(found("countess@example.org").await, [first.as_str()]);
    let searched = world.platform.db.users(Directory::Email("count"), None, 10).await.unwrap().items;
    assert_eq!(searched.len(), 1);
    assert_eq!(world.platform.db.users(Directory::Newest, None, 10).await.unwrap().items.len(), 2);
    assert_eq!(world.platform.db.users(Directory::Name("AD"), None, 10).await.unwrap().items.len(), 1);
    assert_eq!(world.count("directory"), 6);
}

#[tokio::test]
async fn only_allowed_domains_come_in() {
    let world = World::start_with(&[("ALLOWED_EMAIL_DOMAINS", "example.org, Example.com")]).await;
    for (email, location) in [
        ("ada@example.org", "/"),
        ("ada@EXAMPLE.com", "/"),
        ("ada@sub.example.org", "/?problem=email-domain"),
        ("ada@example.org.evil.example", "/?problem=email-domain"),
    ] {
        assert_eq!(world.sign_in(&mut world.browser(), email, email, Twist::None).await.location(), location);
    }
    assert_eq!(world.count("user"), 2);
}

#[tokio::test]
async fn unknown_keys_are_looked_for_once_a_minute() {
    let world = World::start().await;
    // A thousand tokens in two minutes, each under a name of its own for its key, past the browser: what is tried is the issuer's part.
    let issuer = Issuer::default();
    let challenge = Challenge { state: &"s".repeat(43), nonce: &"n".repeat(43), verifier: &"v".repeat(43) };
    for minute in 1..=2 {
        for _ in 0..500 {
            let location = issuer.authorization_url(&world.platform, challenge).await.unwrap();
            let callback = world.issuer.authorize(location.as_str(), "ada", "ada@example.org", Twist::UnknownKey);
            let code = callback.split("code=").nth(1).unwrap().split('&').next().unwrap();
            let refused = issuer.redeem(&world.platform, code, challenge.verifier, challenge.nonce).await;
            assert!(matches!(refused, Err(OidcError::Token(TokenError::UnknownKey))), "{refused:?}");
        }
        assert_eq!(world.issuer.key_fetches.load(Ordering::SeqCst), minute);
        world.clock.advance(60_000);
    }
}

#[tokio::test]
async fn somebody_suspended_hears_it_at_once_and_at_the_door() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let db = &world.platform.db;
    let ada = operator::find_user(db, "ada@example.org").await.unwrap();
    let change = UserChange::Status(Status::Suspended);
    db.change_user(ada.id, change, &Actor::operator(), world.clock.now()).await.unwrap();
    // The session has ended with the change; a token would be told that it is suspended.
    assert_eq!(browser.get("/api/v1/me").await.code(), (401, "unauthenticated".to_owned()));
    let mut door = world.browser();
    assert_eq!(world.sign_in(&mut door, "ada", "ada@example.org", Twist::None).await.location(), "/?problem=suspended");
    assert!(door.cookies.is_empty());

    db.change_user(ada.id, UserChange::Status(Status::Active), &Actor::operator(), world.clock.now()).await.unwrap();
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED, "what ended stays ended");
    assert_eq!(world.signed_in("ada", "ada@example.org").await.get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(db.audit("2027-01", None, 10).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn an_operator_makes_admins_and_finds_the_person_who_signs_in_later() {
    let world = World::start().await;
    let (db, clock, issuer) = (&world.platform.db, &world.clock, &world.issuer.url);
    let made = operator::ensure_user(db, clock, issuer, "ada", "ada@example.org", "Ada").await.unwrap();
    let again = operator::ensure_user(db, clock, issuer, "ada", "ada@example.org", "Ada").await.unwrap();
    assert_eq!(made.id, again.id);
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    assert_eq!(browser.get("/api/v1/me").await.json()["id"], made.id.to_string());

    operator::set_role(db, clock, made.id, Role::Admin).await.unwrap();
    operator::set_role(db, clock, made.id, Role::Admin).await.unwrap();
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED, "a new role needs a new sign-in");
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    assert_eq!(browser.get("/api/v1/me").await.json()["role"], "admin");
    assert_eq!(operator::admins(db).await.unwrap()[0].id, made.id);
    operator::set_role(db, clock, made.id, Role::User).await.unwrap();
    assert!(operator::admins(db).await.unwrap().is_empty());

    let lines = db.audit("2027-01", None, 10).await.unwrap().items;
    assert_eq!(lines.len(), 2, "what changes nothing leaves no line");
    assert!(lines.iter().all(|line| line.actor == "operator" && line.act == "user.role" && line.target == format!("user:{}", made.id)));

    assert!(operator::find_user(db, "nobody@example.org").await.is_err());
    world.signed_in("bob", "ada@example.org").await;
    assert!(operator::find_user(db, "ada@example.org").await.is_err(), "an address that two people have names nobody");
    assert_eq!(operator::find_user(db, &made.id.to_string()).await.unwrap().id, made.id);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_said_to_be() {
    let world = World::start_with(&[("OIDC_ISSUER", "http://127.0.0.1:9")]).await;
    let answer = world.browser().get("/auth/login").await;
    assert_eq!((answer.status, answer.location()), (StatusCode::FOUND, "/?problem=unavailable"));
    assert_eq!(world.browser().send(Method::POST, "/auth/login", &[], None).await.code(), (405, "method-not-allowed".to_owned()));
}
