//! What administrators do about people, and the log of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{Method, Request, header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use shared::auth::operator::{self, NewToken};
use shared::domain::user::{Identity, Role, Scope, User};
use shared::runtime::Platform;
use tower::ServiceExt as _;

use super::world::World;
use crate::faults;
use crate::world::eventually;

/// Somebody with a token, before the router of `admin`.
#[derive(Clone)]
struct Client {
    router: Router,
    token: String,
    user: User,
}

impl Client {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| Body::from(body.to_string())).unwrap_or_default();
        let (parts, body) = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn patch(&self, user: &User, body: Value) -> (u16, Value) {
        self.call(Method::PATCH, &format!("/api/v1/admin/users/{}", user.id), Some(body)).await
    }

    async fn audit(&self) -> Vec<Value> {
        let (mut lines, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, mut page) = self.get(&format!("/api/v1/admin/audit?month=2027-01&limit=100{cursor}")).await;
            assert_eq!(status, 200, "{page}");
            lines.append(page["items"].as_array_mut().unwrap());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return lines,
            }
        }
    }
}

async fn known(world: &World, name: &str) -> User {
    let email = format!("{name}@example.org");
    operator::ensure_user(&world.platform.db, &world.clock, &world.issuer.url, name, &email, &format!("{name} Person")).await.unwrap()
}

async fn client(world: &World, name: &str, scopes: Vec<Scope>) -> Client {
    let user = known(world, name).await;
    let new = NewToken { name: "test".to_owned(), scopes, expires_at: None };
    let (_, secret) = operator::create_token(&world.platform.db, &world.clock, user.id, new).await.unwrap();
    Client { router: admin::router(&world.platform), token: secret.expose_secret().to_owned(), user }
}

async fn an_admin(world: &World, name: &str) -> Client {
    let client = client(world, name, vec![Scope::Admin]).await;
    operator::set_role(&world.platform.db, &world.clock, client.user.id, Role::Admin).await.unwrap();
    client
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().split('@').next().unwrap()).collect()
}

#[tokio::test]
async fn administration_is_for_administrators() {
    let world = World::start().await;
    let (root, all) = (an_admin(&world, "root").await, Scope::ALL.to_vec());
    let ada = client(&world, "ada", all).await;
    let weak = client(&world, "root", vec![Scope::Read, Scope::Generate, Scope::Share]).await;
    let id = ada.user.id;
    for (method, path) in [
        (Method::GET, "/api/v1/admin/users".to_owned()),
        (Method::GET, format!("/api/v1/admin/users/{id}")),
        (Method::PATCH, format!("/api/v1/admin/users/{id}")),
        (Method::GET, "/api/v1/admin/audit".to_owned()),
    ] {
        let body = (method == Method::PATCH).then(|| json!({}));
        for (who, expected) in [(&root, 200), (&ada, 403), (&weak, 403)] {
            let (status, answer) = who.call(method.clone(), &path, body.clone()).await;
            assert_eq!(status, expected, "{method} {path} {answer}");
        }
        let nobody = Client { token: "none".to_owned(), ..ada.clone() };
        assert_eq!(nobody.call(method, &path, body).await.0, 401, "{path}");
    }
    assert_eq!(root.audit().await.len(), 1, "only how root became one");
}

#[tokio::test]
async fn people_are_found_by_how_their_address_or_name_begins() {
    let world = World::start().await;
    let root = an_admin(&world, "root").await;
    for name in ["anna", "Annabel", "bob", "ann", "zoe"] {
        world.clock.advance(1_000);
        known(&world, name).await;
    }
    // An address that begins otherwise than the name.
    world.clock.advance(1_000);
    let (db, clock, issuer) = (&world.platform.db, &world.clock, &world.issuer.url);
    operator::ensure_user(db, clock, issuer, "x", "nobody@example.org", "Ann Other").await.unwrap();

    let (_, page) = root.get("/api/v1/admin/users").await;
    assert_eq!(names(&page), ["nobody", "zoe", "ann", "bob", "Annabel", "anna", "root"], "the newest first");
    for limit in [1, 2, 3, 100] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for _ in 0..20 {
            let (status, page) = root.get(&format!("/api/v1/admin/users?q=ANN&limit={limit}{cursor}")).await;
            assert_eq!(status, 200, "{page}");
            found.extend(names(&page).into_iter().map(str::to_owned));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, ["ann", "anna", "Annabel", "nobody"], "each once, in pages of {limit}");
    }
    assert_eq!(names(&root.get("/api/v1/admin/users?q=bob@example.org").await.1), ["bob"]);
    assert!(names(&root.get("/api/v1/admin/users?q=EMAIL%23").await.1).is_empty());
    for (query, field) in
        [("q=a&colour=red", "colour"), ("limit=0", "limit"), ("cursor=x", "cursor"), (&format!("q={}", "a".repeat(201)), "q")]
    {
        let (status, problem) = root.get(&format!("/api/v1/admin/users?{query}")).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (400, &field.into()));
    }
    for month in ["2026", "2026-13", "PROFILE"] {
        assert_eq!(root.get(&format!("/api/v1/admin/audit?month={month}")).await.0, 400);
    }
}

#[tokio::test]
async fn a_change_holds_from_the_next_request_and_is_in_the_log() {
    let world = World::start().await;
    let root = an_admin(&world, "root").await;
    let mut browser = world.signed_in("ada", "ada@example.org").await;
    let ada = operator::find_user(&world.platform.db, "ada@example.org").await.unwrap();
    let with_token = client(&world, "ada", vec![Scope::Read]).await;
    let path = format!("/api/v1/admin/users/{}", ada.id);

    let (status, answer) = root.patch(&ada, json!({"status": "suspended"})).await;
    assert_eq!((status, &answer["status"]), (200, &"suspended".into()));
    assert_eq!(browser.get("/api/v1/me").await.status, 401);
    assert_eq!(with_token.get(&path).await.1["code"], "suspended");
    assert_eq!(root.patch(&ada, json!({"status": "active"})).await.0, 200);
    assert_eq!(browser.get("/api/v1/me").await.status, 401, "a session that has ended stays so");

    let limits = json!({"monthly": 7, "daily": 6, "hourly": 5, "concurrent": 4, "concurrent_videos": 3});
    let (_, answer) = root.patch(&ada, json!({"limits": limits, "role": "admin"})).await;
    assert_eq!((&answer["limits"], &answer["effective_limits"], &answer["role"]), (&limits, &limits, &"admin".into()));
    let (_, answer) = root.patch(&ada, json!({"role": "user"})).await;
    assert_eq!(answer["limits"], limits, "what isn't named stays");
    let (_, answer) = root.patch(&ada, json!({"limits": null})).await;
    assert_eq!((&answer["limits"], &answer["effective_limits"]["monthly"]), (&Value::Null, &500.into()));
    // Neither nothing nor the same again leaves a line.
    for nothing in [json!({}), json!({"status": "active"}), json!({"limits": null}), json!({"role": "user"})] {
        assert_eq!(root.patch(&ada, nothing).await.0, 200);
    }

    let lines = root.audit().await;
    let told: Vec<(&str, &Value, &Value)> =
        lines.iter().rev().map(|line| (line["act"].as_str().unwrap(), &line["before"], &line["after"])).collect();
    let text = |text: &str| Value::from(text);
    let expected = [
        ("user.role", text("user"), text("admin")),
        ("user.status", text("active"), text("suspended")),
        ("user.status", text("suspended"), text("active")),
        ("user.role", text("user"), text("admin")),
        ("user.limits", Value::Null, limits.clone()),
        ("user.role", text("admin"), text("user")),
        ("user.limits", limits.clone(), Value::Null),
    ];
    let mut told: Vec<_> = told.into_iter().map(|(act, before, after)| format!("{act} {before} {after}")).collect();
    let mut expected = expected.map(|(act, before, after)| format!("{act} {before} {after}"));
    // Two lines of one transaction have one time.
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    let (made, others): (Vec<&Value>, Vec<&Value>) = lines.iter().partition(|line| line["actor"] == "operator");
    assert_eq!((made.len(), &made[0]["request_id"]), (1, &Value::Null));
    for line in others {
        assert_eq!((&line["actor"], &line["target"]), (&format!("user:{}", root.user.id).into(), &format!("user:{}", ada.id).into()));
        assert!(line["request_id"].is_string());
        assert!(!line.to_string().contains('@'), "ids, no addresses");
    }
}

#[tokio::test]
async fn what_isnt_meant_to_be_changed_isnt() {
    let world = World::start().await;
    let root = an_admin(&world, "root").await;
    let ada = known(&world, "ada").await;
    for body in [json!({"status": "suspended"}), json!({"role": "user"}), json!({"status": "active"})] {
        assert_eq!(root.patch(&root.user, body).await.0, 403, "nobody does that to themselves");
    }
    let limits = json!({"monthly": 7, "daily": 6, "hourly": 5, "concurrent": 4, "concurrent_videos": 3});
    assert_eq!(root.patch(&root.user, json!({"limits": limits})).await.0, 200, "but this they may");
    let before = world.items().len();
    for body in [
        json!({"status": "deleting"}),
        json!({"role": "operator"}),
        json!({"email": "x@y.z"}),
        json!({"epoch": 0}),
        json!({"limits": {"monthly": 1}}),
        json!({"limits": {"monthly": 1_000_001, "daily": 1, "hourly": 1, "concurrent": 1, "concurrent_videos": 1}}),
        json!({"limits": {"monthly": -1, "daily": 1, "hourly": 1, "concurrent": 1, "concurrent_videos": 1}}),
        json!({"limits": {"monthly": 1, "daily": 1, "hourly": 1, "concurrent": 1, "concurrent_videos": 1, "taken": 0}}),
        json!([]),
    ] {
        assert_eq!(root.patch(&ada, body.clone()).await.0, 400, "{body}");
    }
    let unknown = User { id: shared::id::UserId::new(world.clock.now()), ..ada };
    assert_eq!(root.patch(&unknown, json!({"status": "suspended"})).await.0, 404);
    assert_eq!(world.items().len(), before, "and no line was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_come_first_at_once_are_ordinary_people() {
    let world = World::start().await;
    let (db, now) = (&world.platform.db, world.clock.now());
    let calls = stream::iter(0..1_000).map(async |n| {
        let identity = Identity::new(&world.issuer.url, &n.to_string(), &format!("p{n}@example.org"), "", None).unwrap();
        db.sign_in(&identity, now).await.unwrap().role
    });
    let roles: Vec<Role> = calls.buffer_unordered(50).collect().await;
    assert!(roles.len() == 1_000 && roles.iter().all(|role| *role == Role::User));
    assert!(operator::admins(db).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_demoted_administrators_next_call_is_refused() {
    let world = World::start().await;
    let (root, other) = (an_admin(&world, "root").await, an_admin(&world, "other").await);
    for _ in 0..100 {
        assert_eq!(other.get("/api/v1/admin/users").await.0, 200);
        assert_eq!(root.patch(&other.user, json!({"role": "user"})).await.0, 200);
        assert_eq!(other.get("/api/v1/admin/users").await.0, 403);
        assert_eq!(root.patch(&other.user, json!({"role": "admin"})).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_who_demote_each_other_one_remains() {
    let world = World::start().await;
    let (one, two) = (an_admin(&world, "one").await, an_admin(&world, "two").await);
    for _ in 0..50 {
        let demote = json!({"role": "user"});
        let ((first, _), (second, _)) = tokio::join!(one.patch(&two.user, demote.clone()), two.patch(&one.user, demote));
        assert!(matches!((first, second), (200, 403) | (403, 200)), "{first} {second}");
        assert_eq!(operator::admins(&world.platform.db).await.unwrap().len(), 1);
        for client in [&one, &two] {
            operator::set_role(&world.platform.db, &world.clock, client.user.id, Role::Admin).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_has_its_line_whatever_breaks() {
    const CALLS: usize = 1_000;
    const PEOPLE: usize = 20;
    let world = World::start().await;
    let root = an_admin(&world, "root").await;
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        people.push(known(&world, &format!("p{n}")).await);
    }
    let (address, losses) = faults::before(world.env.get("AWS_ENDPOINT_URL_DYNAMODB").unwrap(), 20).await;
    let mut env = world.env.clone();
    env.set("AWS_ENDPOINT_URL_DYNAMODB", address);
    let broken = Client { router: admin::router(&Platform::connect_at(&env, world.clock.clone()).unwrap()), ..root.clone() };
    let (broken, people) = (Arc::new(broken), Arc::new(people));
    let calls = stream::iter(0..CALLS).map(|n| {
        let (broken, people) = (broken.clone(), people.clone());
        async move {
            let status = if (n / PEOPLE).is_multiple_of(2) { "suspended" } else { "active" };
            let call = broken.patch(&people[n % PEOPLE], json!({"status": status}));
            if n % 3 == 0 {
                // The function dies in the middle.
                let moment = Duration::from_micros(u64::from(u16::from_be_bytes(shared::id::random::<2>())) / 8);
                tokio::time::timeout(moment, call).await.map_or(0, |(status, _)| status)
            } else {
                call.await.0
            }
        }
    });
    let answers: Vec<u16> = calls.buffer_unordered(PEOPLE).collect().await;
    assert!(answers.iter().all(|status| [0, 200, 503].contains(status)), "{answers:?}");
    // What was cut off may still be on its way.
    let lines = eventually("nothing is under way any more", async || {
        let before = root.audit().await.len();
        tokio::time::sleep(Duration::from_millis(500)).await;
        Some(root.audit().await).filter(|lines| lines.len() == before)
    })
    .await;
    let mut changes = 0;
    for person in people.iter() {
        let now = world.platform.db.user(person.id).await.unwrap().unwrap();
        let target = format!("user:{}", person.id);
        let mut of: Vec<&Value> = lines.iter().filter(|line| line["target"] == target.as_str()).collect();
        assert_eq!(of.len(), now.epoch as usize, "a change for each line, and a line for each change");
        // Newest first; the clock stands still, so only the sums can be compared.
        of.retain(|line| line["after"] == "suspended");
        assert_eq!(of.len(), (now.epoch as usize).div_ceil(2));
        changes += now.epoch;
    }
    let lost = (losses.requests.load(std::sync::atomic::Ordering::Relaxed), losses.replies.load(std::sync::atomic::Ordering::Relaxed));
    eprintln!("{changes} changes, {changes} lines; lost {} requests and {} replies", lost.0, lost.1);
    assert!(changes > 200 && lost.0 > 50 && lost.1 > 50, "{changes} {lost:?}");
}
