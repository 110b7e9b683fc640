//! What was taken away is gone for the next request, every time, though the records are still there.

use http::{HeaderMap, Method, header};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use shared::auth::operator::{self, NewToken};
use shared::auth::{CurrentUser, Denied, authenticate, cookie, secret};
use shared::db::audit::Actor;
use shared::db::users::UserChange;
use shared::domain::user::{Role, Scope, Status, User};

use super::world::{Browser, World};

const TIMES: usize = 100;

fn by_token(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

fn by_cookie(browser: &Browser) -> HeaderMap {
    let pair = format!("{}={}", cookie::SESSION, browser.cookies[cookie::SESSION]);
    HeaderMap::from_iter([(header::COOKIE, pair.parse().unwrap())])
}

async fn ask(world: &World, headers: &HeaderMap) -> Result<CurrentUser, Denied> {
    authenticate(&world.platform, &Method::GET, headers).await
}

async fn person(world: &World, number: usize) -> (Browser, User) {
    let email = format!("person{number}@example.org");
    let browser = world.signed_in(&format!("person{number}"), &email).await;
    (browser, operator::find_user(&world.platform.db, &email).await.unwrap())
}

async fn token(world: &World, user: &User, life: Option<i64>) -> String {
    let expires_at = life.map(|life| world.clock.now() + SignedDuration::from_secs(life));
    let new = NewToken { name: "test".to_owned(), scopes: Scope::ALL.to_vec(), expires_at };
    operator::create_token(&world.platform.db, &world.clock, user.id, new).await.unwrap().1.expose_secret().to_owned()
}

async fn change(world: &World, user: &User, change: UserChange) {
    world.platform.db.change_user(user.id, change, &Actor::operator(), world.clock.now()).await.unwrap().unwrap();
}

/// Whether the record of the session is in the table.
async fn is_kept(world: &World, browser: &Browser) -> bool {
    world.platform.db.session(&secret::hash(&browser.cookies[cookie::SESSION])).await.unwrap().is_some()
}

#[tokio::test]
async fn an_ended_session_and_a_revoked_token_open_nothing() {
    let world = World::start().await;
    for number in 0..TIMES {
        let (first, user) = person(&world, number).await;
        world.clock.advance(1_000);
        let (mut second, _) = person(&world, number).await;
        let key = token(&world, &user, None).await;
        let (session, key) = (by_cookie(&first), by_token(&key));
        assert!(ask(&world, &session).await.is_ok() && ask(&world, &key).await.is_ok());
        // Ended from another browser, revoked by another client.
        let list = second.get("/api/v1/sessions").await.json();
        let path = format!("/api/v1/sessions/{}", list["items"][1]["id"].as_str().unwrap());
        assert_eq!(second.change(Method::DELETE, &path, None).await.status, 204);
        assert!(matches!(ask(&world, &session).await, Err(Denied::SignedOut)), "{number}");
        let list = second.get("/api/v1/tokens").await.json();
        let path = format!("/api/v1/tokens/{}", list["items"][0]["id"].as_str().unwrap());
        assert_eq!(second.change(Method::DELETE, &path, None).await.status, 204);
        assert!(matches!(ask(&world, &key).await, Err(Denied::SignedOut)), "{number}");
    }
}

#[tokio::test]
async fn sessions_that_were_all_ended_at_once_open_nothing() {
    let world = World::start().await;
    for number in 0..TIMES {
        let (browser, user) = person(&world, number).await;
        let session = by_cookie(&browser);
        assert!(ask(&world, &session).await.is_ok());
        world.platform.db.end_all_sessions(user.id).await.unwrap();
        assert!(matches!(ask(&world, &session).await, Err(Denied::SignedOut)), "{number}");
        assert!(is_kept(&world, &browser).await, "{number}");
    }
}

#[tokio::test]
async fn somebody_suspended_opens_nothing() {
    let world = World::start().await;
    for number in 0..TIMES {
        let (browser, user) = person(&world, number).await;
        let key = by_token(&token(&world, &user, None).await);
        let session = by_cookie(&browser);
        assert!(ask(&world, &session).await.is_ok() && ask(&world, &key).await.is_ok());
        change(&world, &user, UserChange::Status(Status::Suspended)).await;
        assert!(matches!(ask(&world, &session).await, Err(Denied::SignedOut)), "{number}");
        assert!(matches!(ask(&world, &key).await, Err(Denied::Suspended)), "{number}");
        assert!(is_kept(&world, &browser).await, "{number}");
    }
}

#[tokio::test]
async fn somebody_who_is_no_admin_any_more_administers_nothing() {
    let world = World::start().await;
    for number in 0..TIMES {
        let (_, user) = person(&world, number).await;
        change(&world, &user, UserChange::Role(Role::Admin)).await;
        let (browser, user) = person(&world, number).await;
        let key = by_token(&token(&world, &user, None).await);
        let session = by_cookie(&browser);
        assert!(ask(&world, &session).await.unwrap().require_admin().is_ok());
        assert!(ask(&world, &key).await.unwrap().require_admin().is_ok());
        change(&world, &user, UserChange::Role(Role::User)).await;
        assert!(matches!(ask(&world, &session).await, Err(Denied::SignedOut)), "{number}");
        assert!(matches!(ask(&world, &key).await.unwrap().require_admin(), Err(Denied::NotAllowed(_))), "{number}");
        assert!(is_kept(&world, &browser).await, "{number}");
    }
}

#[tokio::test]
async fn what_has_expired_opens_nothing() {
    let world = World::start().await;
    for number in 0..TIMES {
        let (browser, user) = person(&world, number).await;
        let secret_of_token = token(&world, &user, Some(60)).await;
        let (session, key) = (by_cookie(&browser), by_token(&secret_of_token));
        world.clock.advance(59_999);
        assert!(ask(&world, &key).await.is_ok(), "{number}");
        world.clock.advance(1);
        assert!(matches!(ask(&world, &key).await, Err(Denied::SignedOut)), "{number}");
        assert!(world.platform.db.token(&secret::hash(&secret_of_token)).await.unwrap().is_some(), "{number}");
        world.clock.advance(86_400_000 - 60_000 - 1);
        assert!(ask(&world, &session).await.is_ok(), "{number}");
        world.clock.advance(86_400_000);
        assert!(matches!(ask(&world, &session).await, Err(Denied::SignedOut)), "{number}");
        assert!(is_kept(&world, &browser).await, "{number}");
    }
}
