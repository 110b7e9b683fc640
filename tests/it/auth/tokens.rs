use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::auth::operator;
use shared::db::audit::Actor;
use shared::db::users::UserChange;
use shared::domain::user::{Role, Status};

use super::world::{Answer, Browser, World};

async fn make(browser: &mut Browser, body: Value) -> Answer {
    browser.change(Method::POST, "/api/v1/tokens", Some(body)).await
}

async fn made(browser: &mut Browser, scopes: &[&str]) -> String {
    let answer = make(browser, json!({"name": "cli", "scopes": scopes})).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    answer.json()["token"].as_str().unwrap().to_owned()
}

async fn me_by(world: &World, authorization: &str) -> Answer {
    world.browser().send(Method::GET, "/api/v1/me", &[("authorization", authorization)], None).await
}

#[tokio::test]
async fn a_token_does_what_it_was_made_for_until_it_is_revoked() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let token = made(&mut browser, &["read", "generate"]).await;
    let me = me_by(&world, &format!("Bearer {token}")).await;
    assert_eq!((me.status, &me.json()["email"]), (StatusCode::OK, &"ada@example.org".into()));

    let list = browser.get("/api/v1/tokens").await.json();
    assert_eq!((&list["items"][0]["scopes"], &list["items"][0]["name"]), (&json!(["read", "generate"]), &"cli".into()));
    assert_eq!(list["items"][0]["last_used_at"], "2027-01-15T08:00:00Z");
    assert!(!list.to_string().contains(&token));

    let path = format!("/api/v1/tokens/{}", list["items"][0]["id"].as_str().unwrap());
    let mut eve = world.signed_in("eve", "eve@example.org").await;
    assert_eq!(eve.change(Method::DELETE, &path, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.change(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(me_by(&world, &format!("Bearer {token}")).await.code(), (401, "unauthenticated".to_owned()));
    assert_eq!(browser.change(Method::DELETE, &path, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!((world.count("token"), world.count("user-token")), (0, 0));
}

#[tokio::test]
async fn a_token_can_do_no_more_than_its_scopes_and_never_manages_the_account() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let share = format!("Bearer {}", made(&mut browser, &["share"]).await);
    assert_eq!(me_by(&world, &share).await.code(), (403, "forbidden".to_owned()));
    let read = format!("Bearer {}", made(&mut browser, &["read"]).await);
    for (method, path) in [(Method::GET, "/api/v1/tokens"), (Method::GET, "/api/v1/sessions"), (Method::DELETE, "/api/v1/sessions")] {
        // A token needs no header of our pages: it isn't sent by itself.
        let answer = world.browser().send(method, path, &[("authorization", &read)], None).await;
        assert_eq!(answer.code(), (403, "forbidden".to_owned()), "{path}");
    }
    // A request with a token is judged by the token, even beside a good cookie.
    let spoiled = browser.send(Method::GET, "/api/v1/me", &[("authorization", "Bearer aig_x")], None).await;
    assert_eq!(spoiled.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_not_a_token_is_refused_alike() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let token = made(&mut browser, &["read"]).await;
    let mut answers = Vec::new();
    for bad in
        ["", "Bearer", "Bearer ", &token, &format!("Basic {token}"), &format!("Bearer {token}x"), "Bearer aig_AAAA", "Bearer ünicode"]
    {
        let mut answer = me_by(&world, bad).await.json();
        answer["request_id"] = Value::Null;
        answers.push(answer);
    }
    answers.push({
        let mut answer = world.browser().get("/api/v1/me").await.json();
        answer["request_id"] = Value::Null;
        answer
    });
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer["code"] == "unauthenticated"));
    assert_eq!(me_by(&world, &format!("bearer {token}")).await.status, StatusCode::OK, "the scheme's case doesn't matter");
}

#[tokio::test]
async fn tokens_expire_and_their_use_is_written_once_an_hour() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let past = make(&mut browser, json!({"name": "x", "scopes": ["read"], "expires_at": "2027-01-15T08:00:00Z"})).await;
    assert_eq!(past.json()["errors"][0]["field"], "expires_at");
    let answer = make(&mut browser, json!({"name": "x", "scopes": ["read"], "expires_at": "2027-01-15T10:00:00Z"})).await;
    let bearer = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    let last_used = async |browser: &mut Browser| browser.get("/api/v1/tokens").await.json()["items"][0]["last_used_at"].clone();
    assert!(last_used(&mut browser).await.is_null());
    for (advance_ms, expected) in [(0, "2027-01-15T08:00:00Z"), (3_599_999, "2027-01-15T08:00:00Z"), (1, "2027-01-15T09:00:00Z")] {
        world.clock.advance(advance_ms);
        assert_eq!(me_by(&world, &bearer).await.status, StatusCode::OK);
        assert_eq!(last_used(&mut browser).await, expected);
    }
    world.clock.advance(3_599_999);
    assert_eq!(me_by(&world, &bearer).await.status, StatusCode::OK);
    world.clock.advance(1);
    assert_eq!(me_by(&world, &bearer).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/api/v1/tokens").await.json()["items"].as_array().unwrap().len(), 1, "still listed");
}

#[tokio::test]
async fn fifty_tokens_and_not_one_more() {
    let world = World::start().await;
    let browser = world.signed_in("ada", "ada@example.org").await;
    let calls = (0..60).map(|_| {
        let mut browser = browser.clone();
        async move { make(&mut browser, json!({"name": "x", "scopes": ["read"]})).await.code() }
    });
    let codes = join_all(calls).await;
    assert_eq!(codes.iter().filter(|(status, _)| *status == 201).count(), 50);
    assert_eq!(codes.iter().filter(|(status, code)| *status == 409 && code == "conflict").count(), 10);
    assert_eq!((world.count("token"), world.count("user-token")), (50, 50));
    let mut browser = browser;
    let list = browser.get("/api/v1/tokens?limit=100").await.json();
    let path = format!("/api/v1/tokens/{}", list["items"][7]["id"].as_str().unwrap());
    assert_eq!(browser.change(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(make(&mut browser, json!({"name": "x", "scopes": ["read"]})).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn what_a_request_may_not_say_is_refused_by_name() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    for (body, field, code) in [
        (json!({"name": "x", "scopes": ["read"], "role": "admin"}), "role", "unknown"),
        (json!({"name": "x", "scopes": ["root"]}), "scopes[0]", "invalid"),
        (json!({"scopes": ["read"]}), "name", "required"),
        (json!({"name": "x", "scopes": ["admin"]}), "scopes", "forbidden"),
        (json!({"name": "", "scopes": []}), "name", "required"),
    ] {
        let answer = make(&mut browser, body.clone()).await;
        let error = &answer.json()["errors"][0];
        assert_eq!(
            (answer.status, error["field"].as_str(), error["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some(field), Some(code)),
            "{body}"
        );
    }
    assert_eq!(world.count("token"), 0);
}

#[tokio::test]
async fn the_admin_scope_lasts_as_long_as_the_role_and_suspension_reaches_tokens() {
    let world = World::start().await;
    let db = &world.platform.db;
    let user = operator::ensure_user(db, &world.clock, &world.issuer.url, "ada", "ada@example.org", "").await.unwrap();
    operator::set_role(db, &world.clock, user.id, Role::Admin).await.unwrap();
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let bearer = format!("Bearer {}", made(&mut browser, &["admin", "read"]).await);
    assert_eq!(me_by(&world, &bearer).await.json()["role"], "admin");
    operator::set_role(db, &world.clock, user.id, Role::User).await.unwrap();
    assert_eq!(me_by(&world, &bearer).await.json()["role"], "user");
    db.change_user(user.id, UserChange::Status(Status::Suspended), &Actor::operator(), world.clock.now()).await.unwrap();
    assert_eq!(me_by(&world, &bearer).await.code(), (403, "suspended".to_owned()));
}

#[tokio::test]
async fn no_secret_is_in_the_table() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let token = made(&mut browser, &["read"]).await;
    world.begin(&mut browser, "/", "ada", "ada@example.org", super::issuer::Twist::None).await;
    let everything = Value::from(world.items()).to_string();
    for secret in [&token, &browser.cookies["__Host-sid"], &browser.cookies["__Host-pre"]] {
        assert!(!everything.contains(secret.as_str()));
    }
    assert!(everything.contains(&shared::auth::secret::hash(&token)));
}

#[tokio::test]
async fn a_person_sees_the_secret_of_their_webhooks_and_a_token_does_not() {
    let world = World::start().await;
    let mut ada = world.signed_in("ada", "ada@example.org").await;
    let secret = ada.get("/api/v1/me/webhook-secret").await.json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    assert_eq!(ada.get("/api/v1/me/webhook-secret").await.json()["secret"], secret);
    let mut bob = world.signed_in("bob", "bob@example.org").await;
    assert_ne!(bob.get("/api/v1/me/webhook-secret").await.json()["secret"], secret);
    let token = made(&mut ada, &["read", "generate", "share"]).await;
    let headers = [("authorization", format!("Bearer {token}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(world.browser().send(Method::GET, "/api/v1/me/webhook-secret", &headers, None).await.code(), (403, "forbidden".to_owned()));
    assert_eq!(world.browser().get("/api/v1/me/webhook-secret").await.code(), (401, "unauthenticated".to_owned()));
}
