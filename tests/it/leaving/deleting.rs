use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use shared::auth::{operator, secret};
use shared::db::deletion::SETTLED;
use shared::db::sessions::Session;
use shared::domain::user::{Role, Scope, User};
use shared::id::{SessionId, UserId};
use shared::jobs::Jobs;

use super::ledger::{items, objects};
use crate::world::{Answer, Client, World, eventually, picture, pictures, still};

const DAY: i64 = 86_400_000;

/// A browser in which somebody is signed in.
pub(super) struct Browser {
    client: Client,
    cookie: String,
    origin: String,
}

impl Browser {
    pub(super) async fn of(world: &World, user: UserId) -> Self {
        let user = world.platform.db.user(user).await.unwrap().unwrap();
        let now = world.clock.now();
        let cookie = secret::new_cookie();
        let id = SessionId::new(now);
        let session = Session { id, user: user.id, epoch: user.epoch, created_at: now, last_seen_at: now, agent: "test".to_owned() };
        world.platform.db.begin_session(&secret::hash(cookie.expose_secret()), &session).await.unwrap();
        let cookie = format!("__Host-sid={}", cookie.expose_secret());
        Self { client: world.stranger(None), cookie, origin: world.edition.origin().to_owned() }
    }

    pub(super) async fn send(&self, method: Method, path: &str) -> Answer {
        let headers = [("cookie", self.cookie.as_str()), ("origin", &self.origin), ("x-app", "1"), ("content-type", "application/json")];
        self.client.send(method, path, &headers, Vec::new()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path).await
    }
}

async fn jobs(world: &World) -> Jobs {
    Jobs::new(&world.platform).await.unwrap()
}

async fn made(client: &Client, prompt: &str) -> Value {
    let over = client.made(&picture(prompt)).await;
    assert_eq!(over["state"], "complete", "{over}");
    over["assets"][0].clone()
}

async fn link(client: &Client, asset: &Value, more: Value) -> String {
    let mut body = json!({"asset_id": asset["id"], "opens": "page"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = client.post("/api/v1/links", &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()["key"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_out_at_once_and_may_come_back_for_a_day() {
    let world = World::start_at(&[], still()).await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let asset = made(&ada, "a lighthouse").await;
    let key = link(&ada, &asset, json!({})).await;
    let (first, other) = (Browser::of(&world, ada.user().id).await, Browser::of(&world, ada.user().id).await);

    assert_eq!(ada.send(Method::DELETE, "/api/v1/me", &[], Vec::new()).await.code(), (403, "forbidden".to_owned()), "a token can't");
    assert_eq!(first.get("/api/v1/me").await.json()["status"], "active");
    assert_eq!(first.send(Method::POST, "/api/v1/me/restore").await.code(), (409, "conflict".to_owned()));
    let left = first.send(Method::DELETE, "/api/v1/me").await;
    assert_eq!(left.status, StatusCode::ACCEPTED, "{}", left.text());
    let deletes_at = left.json()["deletes_at"].clone();
    assert_eq!(deletes_at, json!((world.clock.now() + jiff::SignedDuration::from_hours(24)).to_string()));
    for browser in [&first, &other] {
        assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(ada.get("/api/v1/me").await.code(), (403, "deleting".to_owned()));
    assert_eq!(ada.generate(&picture("one more")).await.code(), (403, "deleting".to_owned()));
    assert_eq!(nobody.get(&format!("/s/{key}")).await.status, StatusCode::GONE);
    assert_eq!(nobody.get(&format!("/s/{key}/media")).await.status, StatusCode::GONE);

    // In again: to look, to come back, to leave.
    let again = Browser::of(&world, ada.user().id).await;
    let me = again.get("/api/v1/me").await;
    assert_eq!((me.status, &me.json()["status"], &me.json()["deletes_at"]), (StatusCode::OK, &json!("deleting"), &deletes_at));
    assert_eq!(me.headers.get_all("set-cookie").iter().count(), 0, "and no media");
    for (method, path) in [
        (Method::GET, "/api/v1/assets"),
        (Method::GET, "/api/v1/generations"),
        (Method::GET, "/api/v1/sessions"),
        (Method::GET, "/api/v1/tokens"),
        (Method::GET, "/api/v1/links"),
        (Method::GET, "/api/v1/usage"),
        (Method::DELETE, "/api/v1/me"),
        (Method::DELETE, "/api/v1/sessions"),
        (Method::GET, "/api/v1/admin/users"),
    ] {
        assert_eq!(again.send(method.clone(), path).await.code(), (403, "deleting".to_owned()), "{method} {path}");
    }
    world.clock.advance(DAY - 1);
    let jobs = jobs(&world).await;
    jobs.delete_user(ada.user().id, Duration::from_secs(60)).await.unwrap();
    let again = Browser::of(&world, ada.user().id).await;
    let back = again.send(Method::POST, "/api/v1/me/restore").await;
    assert_eq!((back.status, &back.json()["status"], &back.json()["deletes_at"]), (StatusCode::OK, &json!("active"), &Value::Null));
    assert_eq!(again.send(Method::POST, "/api/v1/me/restore").await.code(), (409, "conflict".to_owned()));
    assert_eq!(again.get("/api/v1/assets").await.json()["items"][0]["id"], asset["id"]);
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(nobody.get(&format!("/s/{key}")).await.status, StatusCode::OK);

    // A day later nothing happens to who came back.
    world.clock.advance(2 * DAY);
    jobs.delete_user(ada.user().id, Duration::from_secs(60)).await.unwrap();
    jobs.sweep().await.unwrap();
    assert_eq!(ada.all("/api/v1/assets").await.len(), 1);
    let lines = items(&world).await.into_iter().filter(|(key, _)| key.starts_with("AUDIT#")).count();
    assert_eq!(lines, 2, "leaving and coming back");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_making_is_ended_and_given_back() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let stand_in = world.edition.provider().unwrap();
    stand_in.update_settings(|settings| settings.queue_delay = Duration::from_secs(3_600));
    let running = ada.accepted(&pictures("never to be seen", 4)).await;
    let waiting = ada.accepted(&pictures("never to be begun", 4)).await;
    ada.until(&running, |generation| generation["state"] == "running" || generation["state"] == "queued").await;
    let browser = Browser::of(&world, ada.user().id).await;
    assert_eq!(browser.send(Method::DELETE, "/api/v1/me").await.status, StatusCode::ACCEPTED);
    let db = &world.platform.db;
    for id in [running, waiting] {
        let over = async || {
            let generation = db.generation(ada.user().id, id.parse().unwrap()).await.unwrap().unwrap();
            (generation.open == 0).then_some(generation)
        };
        let generation = eventually("it is ended", over).await;
        assert_eq!((generation.cancelled, generation.delivered, generation.units_charged), (4, 0, 0));
    }
    let month = shared::db::keys::month_of(world.clock.now());
    assert_eq!(db.quota(ada.user().id, &month).await.unwrap().taken, 0);
    assert_eq!(db.slots(ada.user().id).await.unwrap().running, 0);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_deletion_is_called_off_by_administrators_only() {
    let world = World::start_at(&[], still()).await;
    let (ada, root) = (world.user("ada").await, world.client("root", Scope::ALL.to_vec(), None).await);
    operator::set_role(&world.platform.db, &world.clock, root.user().id, Role::Admin).await.unwrap();
    let path = |user: &User| format!("/api/v1/admin/users/{}", user.id);
    let delete = async |user: &User| root.send(Method::DELETE, &path(user), &[], Vec::new()).await;
    assert_eq!(delete(root.user()).await.code(), (403, "forbidden".to_owned()), "not oneself");
    for _ in 0..2 {
        assert_eq!(delete(ada.user()).await.status, StatusCode::ACCEPTED);
    }
    let browser = Browser::of(&world, ada.user().id).await;
    assert_eq!(browser.send(Method::POST, "/api/v1/me/restore").await.code(), (403, "forbidden".to_owned()));
    let shown = root.get(&path(ada.user())).await.json();
    assert_eq!((&shown["status"], shown["deletes_at"].is_string()), (&json!("deleting"), true));
    let patch = async |body: Value| root.json(Method::PATCH, &path(ada.user()), &[], &body).await;
    assert_eq!(patch(json!({"status": "suspended"})).await.code(), (409, "conflict".to_owned()));
    assert_eq!(patch(json!({"status": "active"})).await.json()["status"], "active");
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::OK);

    // Somebody suspended is suspended again.
    assert_eq!(patch(json!({"status": "suspended"})).await.status, StatusCode::OK);
    assert_eq!(delete(ada.user()).await.status, StatusCode::ACCEPTED);
    world.platform.db.call_off_deletion(ada.user().id, false, &shared::db::audit::Actor::operator(), world.clock.now()).await.unwrap();
    assert_eq!(ada.get("/api/v1/me").await.code(), (403, "suspended".to_owned()));
    world.shutdown().await;
}

/// Somebody with something of every kind.
async fn settled_in(world: &World, name: &str) -> Client {
    let client = world.client(name, Scope::ALL.to_vec(), None).await;
    let mut assets = Vec::new();
    for prompt in ["a lighthouse at dusk", "hills and valleys in the morning mist", "a lighthouse again, with many more words than before"]
    {
        assets.push(made(&client, prompt).await);
    }
    let id = |n: usize| assets[n]["id"].as_str().unwrap().to_owned();
    let edited = client.json(Method::PATCH, &format!("/api/v1/assets/{}", id(0)), &[], &json!({"favourite": true, "title": "Mine"})).await;
    assert_eq!(edited.status, StatusCode::OK);
    let visitor = world.stranger(None);
    for (n, more) in [json!({}), json!({"password": "a long password"}), json!({"max_views": 3})].into_iter().enumerate() {
        let key = link(&client, &assets[n], more).await;
        visitor.get(&format!("/s/{key}")).await;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        visitor.send(Method::POST, &format!("/s/{key}"), &form, b"password=wrong".to_vec()).await;
        visitor.send(Method::POST, &format!("/s/{key}/visit"), &[], Vec::new()).await;
    }
    // Ended ones are remembered, too.
    let ended = link(&client, &assets[1], json!({"slug": format!("ended-by-{name}")})).await;
    visitor.send(Method::POST, &format!("/s/{ended}/visit"), &[], Vec::new()).await;
    assert_eq!(client.send(Method::DELETE, &format!("/api/v1/links/{ended}"), &[], Vec::new()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.send(Method::DELETE, &format!("/api/v1/assets/{}", id(2)), &[], Vec::new()).await.status, StatusCode::NO_CONTENT);
    // A picture that is brought, and must be made smaller to be worked from.
    let upload = crate::uploads::uploaded(&client, "image", &crate::uploads::plain(2_000, 1_500, [9, 9, 9])).await;
    let request = json!({"model": "flux-dev-img2img", "inputs": {"prompt": "in autumn", "images": [upload]}, "parameters": {"seed": 7}});
    assert_eq!(client.made(&request).await["state"], "complete");
    assert_eq!(client.made(&picture("one more")).await["state"], "complete");
    Browser::of(world, client.user().id).await;
    Browser::of(world, client.user().id).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn of_who_has_left_nothing_is_left_wherever_it_was_interrupted() {
    let world = World::start_at(&[("LIMIT_RUNNING_CALLS", "10")], still()).await;
    let (bob, ada) = (settled_in(&world, "bob").await, settled_in(&world, "ada").await);
    let db = &world.platform.db;
    let user = db.user(ada.user().id).await.unwrap().unwrap();
    let hers = |text: &str| [&user.id.to_string(), &user.media_prefix, "ada@example.com"].iter().any(|part| text.contains(*part));
    let generations = db.generations(user.id, None, 100).await.unwrap().items;
    let calls: Vec<_> = generations.iter().flat_map(|generation| generation.calls.clone()).collect();
    let before = items(&world).await;
    let theirs = before.iter().filter(|(key, value)| hers(key) || hers(value)).count();
    assert!(theirs > 80, "{theirs} items of hers");
    let kept = objects(&world).await;
    let files = kept.iter().filter(|file| file.contains(&user.media_prefix)).count();
    assert!(files >= 12, "{files} objects of hers");

    let browser = Browser::of(&world, user.id).await;
    assert_eq!(browser.send(Method::DELETE, "/api/v1/me").await.status, StatusCode::ACCEPTED);
    world.clock.advance(DAY);
    let jobs = jobs(&world).await;
    // Killed at random moments, until a run comes to its end.
    let mut killed = 0;
    loop {
        // From less than a millisecond on longer and longer, so that fast and slow machines are interrupted, and come to the end.
        let longest = Duration::from_millis(1).mul_f64(1.1_f64.powi(killed));
        let moment = longest.mul_f64(f64::from(shared::id::random::<1>()[0]) / 255.0);
        match tokio::time::timeout(moment, jobs.delete_user(user.id, Duration::from_secs(60))).await {
            Err(_) => killed += 1,
            Ok(done) => break done.unwrap(),
        }
        assert!(killed < 120, "it gets on");
    }
    assert!(killed >= 10, "{killed} times");
    assert_eq!(db.user(user.id).await.unwrap().unwrap().email, "", "what remains for a while says nothing");

    // Somebody who signs in now is somebody else.
    let again = world.user("ada").await;
    assert_ne!(again.user().id, user.id);
    assert!(again.all("/api/v1/assets").await.is_empty() && again.all("/api/v1/links").await.is_empty());

    // What was on its way arrives, and finds nothing to come back to.
    let late = format!("media/{}/{}/original.png", user.media_prefix, shared::id::AssetId::new(world.clock.now()));
    world.platform.media.put(shared::media::Bucket::Media, &late, "image/png", bytes::Bytes::from_static(b"late")).await.unwrap();
    for call in &calls {
        world.platform.queues.import_result(*call).await.unwrap();
        jobs.poll(*call, 0).await.unwrap();
    }
    world.clock.advance(SETTLED.as_secs() * 1_000 + 1);
    for _ in 0..1_000 {
        // Each run has time for a step or two.
        jobs.delete_user(user.id, Duration::ZERO).await.unwrap();
        if db.deletion(user.id).await.unwrap().is_none() {
            break;
        }
    }
    let after = items(&world).await;
    let left: Vec<_> = after.iter().filter(|(key, value)| hers(key) || hers(value)).collect();
    let (lines, again): (Vec<_>, Vec<_>) = left.into_iter().partition(|(key, _)| key.starts_with("AUDIT#"));
    assert_eq!(lines.len(), 2, "that she left, and that it was done: {lines:?}");
    assert!(lines.iter().all(|(_, line)| !line.contains('@')));
    assert!(again.iter().all(|(_, value)| !value.contains(&user.id.to_string())), "{again:?}");
    for call in &calls {
        assert!(db.call(*call).await.unwrap().is_none());
    }
    let left = objects(&world).await;
    assert_eq!(left.iter().filter(|file| file.contains(&user.media_prefix)).count(), 0, "{left:?}");
    eprintln!("{theirs} items and {files} objects were deleted, after {killed} interruptions; 2 audit lines are left");

    // Nobody else has lost anything.
    let bobs = |all: &std::collections::BTreeMap<String, String>| {
        let id = bob.user().id.to_string();
        all.iter().filter(|(key, value)| key.contains(&id) || value.contains(&id)).map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(bobs(&after), bobs(&before));
    let urls = bob.all("/api/v1/assets").await;
    let seen = join_all(urls.iter().map(|asset| bob.get(asset["media"]["url"].as_str().unwrap()))).await;
    assert!(seen.len() == 4 && seen.iter().all(|answer| answer.status == StatusCode::OK));
    world.shutdown().await;
}
