//! What stops everybody: the kill switch, the day's spend, too much under way, and a provider that fails. Each answers 503 with
//! `Retry-After`, reserves nothing, and leaves everything else as it is.

use futures_util::future::join_all;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use shared::auth::operator;
use shared::db::audit::Actor;
use shared::db::keys::{date_of, month_of};
use shared::db::users::UserChange;
use shared::domain::limits::Limits;
use shared::domain::user::{Role, Scope};
use shared::jobs::Jobs;

use crate::world::{Answer, Client, World, eventually, picture, pictures, still};

const STATE: &str = "/api/v1/admin/generation";

/// Somebody whose token may administrate.
async fn admin(world: &World, name: &str) -> Client {
    let client = world.client(name, Scope::ALL.to_vec(), None).await;
    operator::set_role(&world.platform.db, &world.clock, client.user().id, Role::Admin).await.unwrap();
    client
}

/// Turned away with a time to come back, within so many seconds.
fn assert_shut(answer: &Answer, longest: u64) {
    assert_eq!(answer.code(), (503, "provider-unavailable".to_owned()), "{}", answer.text());
    let seconds: u64 = answer.header(header::RETRY_AFTER).parse().unwrap();
    assert!((1..=longest).contains(&seconds), "{seconds}");
}

/// Units taken from this month.
async fn taken(world: &World, client: &Client) -> u32 {
    world.platform.db.quota(client.user().id, &month_of(world.clock.now())).await.unwrap().taken
}

async fn assert_works(world: &World, client: &Client) {
    for path in ["/api/v1/assets", "/api/v1/links", "/api/v1/generations", "/api/v1/me", "/api/v1/models", "/api/v1/usage"] {
        assert_eq!(client.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(world.stranger(None).get("/auth/login").await.status.as_u16() / 100, 3);
}

async fn sweep(world: &World) {
    Jobs::new(&world.platform).await.unwrap().sweep().await.unwrap();
}

async fn change(client: &Client, body: &Value) -> Answer {
    client.json(Method::PATCH, STATE, &[], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_stops_what_is_new_and_what_waits() {
    let world = World::start_at(&[("LIMIT_RUNNING_CALLS", "1")], still()).await;
    let (root, ada) = (admin(&world, "root").await, world.user("ada").await);
    let made = ada.generate_as("before", &picture("the first")).await.json();
    assert_eq!(ada.follow(made["id"].as_str().unwrap()).await["state"], "complete");
    let running = ada.accepted(&picture("[[run:hang]] the second")).await;
    let waiting = ada.accepted(&picture("the third")).await;
    ada.until(&running, |generation| generation["state"] == "running").await;

    let paused = change(&root, &json!({"paused": true, "reason": "We are moving house."})).await;
    assert_eq!((paused.status, &paused.json()["paused"]), (StatusCode::OK, &json!(true)), "{}", paused.text());
    let before = taken(&world, &ada).await;
    let refused = ada.generate(&picture("the fourth")).await;
    assert_shut(&refused, 60);
    assert!(refused.json()["detail"].as_str().unwrap().contains("We are moving house."));
    assert_eq!(taken(&world, &ada).await, before);
    // A repetition asks for nothing new.
    let again = ada.generate_as("before", &picture("the first")).await;
    assert_eq!((again.status, &again.json()["id"]), (StatusCode::ACCEPTED, &made["id"]));
    assert_works(&world, &ada).await;

    // The slot is free now, and nothing takes it.
    assert_eq!(ada.post(&format!("/api/v1/generations/{running}/cancel"), &json!({})).await.status, StatusCode::ACCEPTED);
    ada.follow(&running).await;
    world.clock.advance(61_000);
    sweep(&world).await;
    assert_eq!(ada.get(&format!("/api/v1/generations/{waiting}")).await.json()["state"], "queued");
    assert_eq!(world.platform.db.slots(ada.user().id).await.unwrap().running, 0);

    operator::pause_generation(&world.platform.db, &world.clock, false, None).await.unwrap();
    world.clock.advance(61_000);
    sweep(&world).await;
    assert_eq!(ada.follow(&waiting).await["state"], "complete");
    let acts = world.platform.db.audit(&month_of(world.clock.now()), None, 10).await.unwrap().items;
    let acts: Vec<_> =
        acts.iter().filter(|line| line.target == "generation").map(|line| (line.act.as_str(), line.actor.as_str())).collect();
    let name = format!("user:{}", root.user().id);
    assert_eq!(acts, [("generation.resume", "operator"), ("generation.pause", name.as_str())]);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_see_and_change_how_generating_stands() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    // An admin whose token wasn't made for it, and somebody who isn't one.
    let weak = world.client("weak", vec![Scope::Read, Scope::Generate], None).await;
    operator::set_role(&world.platform.db, &world.clock, weak.user().id, Role::Admin).await.unwrap();
    for client in [&ada, &weak] {
        assert_eq!(client.get(STATE).await.code(), (403, "forbidden".to_owned()));
        assert_eq!(change(client, &json!({"paused": true})).await.code(), (403, "forbidden".to_owned()));
    }
    assert_eq!(world.stranger(None).get(STATE).await.status, StatusCode::UNAUTHORIZED);
    let root = admin(&world, "root").await;
    let long = "x".repeat(301);
    for (body, field) in [(json!({"paused": true, "reason": long}), "reason"), (json!({"paused": true, "why": "so"}), "why")] {
        let refused = change(&root, &body).await;
        assert_eq!((refused.code().0, &refused.json()["errors"][0]["field"]), (400, &json!(field)), "{}", refused.text());
    }
    let made = ada.made(&picture("a fox")).await;
    Jobs::new(&world.platform).await.unwrap().measure().await.unwrap();
    let state = root.get(STATE).await.json();
    assert_eq!(state["spend"]["reserved"], made["price"]["estimated"], "{state}");
    assert_eq!(
        (&state["paused"], &state["breaker"]["state"], &state["spend"]["limit"]["amount"]),
        (&json!(false), &json!("closed"), &json!("100.0000"))
    );
    assert_eq!(state["open"], json!({"calls": 0, "limit": 2000}));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_spend_ends_at_its_limit_whoever_asks() {
    let generous = [("LIMIT_MONTHLY_UNITS", "100000"), ("LIMIT_DAILY_OUTPUTS", "100000"), ("LIMIT_HOURLY_REQUESTS", "100000")];
    let world = World::start_at(&[&generous[..], &[("LIMIT_DAILY_SPEND_USD", "1")]].concat(), still()).await;
    let users = [world.user("ada").await, world.user("bob").await];
    // The dearest picture of the catalogue's plain ones, four at a time: a few requests fill a share of a sixteenth of a dollar.
    let dear = json!({"model": "nano-banana-pro", "inputs": {"prompt": "[[run:hang]] gold"}, "outputs": 4});
    let estimate: f64 = {
        let answer = users[0].post("/api/v1/generations/estimate", &dear).await.json();
        answer["price"]["amount"].as_str().unwrap().parse().unwrap()
    };
    let mut refused = Vec::new();
    for _ in 0..4 {
        let answers = join_all(users.iter().flat_map(|user| (0..6).map(|_| user.generate(&dear)))).await;
        refused.extend(answers.into_iter().filter(|answer| answer.status != StatusCode::ACCEPTED));
    }
    assert!(!refused.is_empty());
    refused.iter().for_each(|answer| assert_shut(answer, 86_400));
    let spend = world.platform.db.spend(&date_of(world.clock.now())).await.unwrap();
    let reserved = spend.reserved() as f64 / 1e6;
    assert!((1.0..=1.0 + 16.0 * estimate).contains(&reserved), "{reserved}, {estimate} each");
    // What was refused took nothing: all that is reserved belongs to what was accepted.
    let units: u64 = join_all(users.iter().map(Client::usage)).await.into_iter().map(|(used, reserved)| used + reserved).sum();
    let accepted: Vec<Value> = join_all(users.iter().map(|user| user.all("/api/v1/generations"))).await.concat();
    assert_eq!(units, accepted.iter().map(|generation| generation["units"]["reserved"].as_u64().unwrap()).sum::<u64>());
    let prices: f64 =
        accepted.iter().map(|generation| generation["price"]["estimated"]["amount"].as_str().unwrap().parse::<f64>().unwrap()).sum();
    assert!((prices - reserved).abs() < 1e-6, "{prices} {reserved}");
    assert_works(&world, &users[0]).await;
    // Tomorrow is another day.
    world.clock.advance(86_400_000);
    assert_eq!(users[0].generate(&picture("a fox")).await.status, StatusCode::ACCEPTED);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_are_open_than_may_be() {
    let world = World::start_at(&[("LIMIT_OPEN_CALLS", "5"), ("LIMIT_RUNNING_CALLS", "1")], still()).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let running = ada.accepted(&pictures("[[run:hang]] slow", 4)).await;
    assert_shut(&bob.generate(&pictures("two more", 2)).await, 60);
    let last = bob.accepted(&picture("the last")).await;
    assert_shut(&bob.generate(&picture("one too many")).await, 60);
    assert_eq!(taken(&world, &bob).await, 1);
    bob.follow(&last).await;
    ada.post(&format!("/api/v1/generations/{running}/cancel"), &json!({})).await;
    ada.follow(&running).await;
    // Counted anew within a minute.
    Jobs::new(&world.platform).await.unwrap().measure().await.unwrap();
    assert_eq!(bob.generate(&picture("another")).await.status, StatusCode::ACCEPTED);
    world.shutdown().await;
}

/// Opens the breaker: twenty submissions that the provider answers with 503. Nothing stays reserved for them.
async fn break_provider(world: &World, client: &Client) {
    world.edition.provider().unwrap().update_settings(|settings| settings.broken = true);
    let mut sent = 0;
    let refused = loop {
        let answer = client.generate(&picture("into the void")).await;
        if answer.status != StatusCode::ACCEPTED {
            break answer;
        }
        assert_eq!(client.follow(answer.json()["id"].as_str().unwrap()).await["state"], "unknown");
        sent += 1;
    };
    // What went well before counts too.
    assert!((18..=20).contains(&sent), "{sent}");
    assert_shut(&refused, 30);
    assert_eq!(client.usage().await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_is_left_alone_and_costs_nobody_anything() {
    let world = World::start_at(&[("LIMIT_DAILY_OUTPUTS", "100")], still()).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let kept = bob.made(&picture("from better times")).await;
    break_provider(&world, &ada).await;
    let before = (taken(&world, &ada).await, taken(&world, &bob).await);
    // Ten minutes, in which people ask every 20 seconds.
    for round in 0..30 {
        world.clock.advance(20_000);
        assert_shut(&ada.generate(&picture("still?")).await, 30);
        assert_shut(&bob.generate(&picture("still?")).await, 30);
        if round % 3 == 0 {
            assert_works(&world, &bob).await;
            assert_eq!(bob.get(kept["assets"][0]["media"]["url"].as_str().unwrap()).await.status, StatusCode::OK);
        }
        assert_eq!((taken(&world, &ada).await, taken(&world, &bob).await), before, "round {round}");
    }
    // It heals: within a minute everybody is served.
    world.edition.provider().unwrap().update_settings(|settings| settings.broken = false);
    world.clock.advance(30_000);
    assert_eq!(bob.made(&picture("at last")).await["state"], "complete");
    let root = admin(&world, "root").await;
    eventually("closed", async || (root.get(STATE).await.json()["breaker"]["state"] == "closed").then_some(())).await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_the_provider_breaks_is_made_when_it_heals() {
    let world = World::start_at(&[("LIMIT_DAILY_OUTPUTS", "100")], still()).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let one = Limits { concurrent: 1, ..Limits::DEFAULT };
    let changed = UserChange::Limits(Some(one));
    world.platform.db.change_user(bob.user().id, changed, &Actor::operator(), world.clock.now()).await.unwrap();
    let running = bob.accepted(&picture("[[run:hang]] the first")).await;
    let waiting = bob.accepted(&picture("the second")).await;
    bob.until(&running, |generation| generation["state"] == "running").await;
    break_provider(&world, &ada).await;
    // The first is given up, its slot is free, and the second stays in line.
    for _ in 0..3 {
        world.clock.advance(301_000);
        sweep(&world).await;
    }
    assert_eq!(bob.follow(&running).await["state"], "unknown");
    let second = bob.get(&format!("/api/v1/generations/{waiting}")).await.json();
    assert_eq!((&second["state"], &second["warnings"]), (&json!("queued"), &json!([])), "{second}");
    assert_eq!((taken(&world, &ada).await, taken(&world, &bob).await), (0, 1));
    world.edition.provider().unwrap().update_settings(|settings| settings.broken = false);
    world.clock.advance(60_000);
    sweep(&world).await;
    assert_eq!(bob.follow(&waiting).await["state"], "complete");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_account_is_an_operators_matter() {
    let world = World::start_at(&[], still()).await;
    let (ada, root) = (world.user("ada").await, admin(&world, "root").await);
    let over = ada.made(&picture("[[submit:locked]] x")).await;
    assert_eq!((&over["state"], &over["error"]["code"]), (&json!("failed"), &json!("account-locked")));
    assert_eq!(ada.usage().await, (0, 0));
    // Nobody else has to learn it in the same way.
    let refused = root.generate(&picture("a fox")).await;
    assert_shut(&refused, 30);
    assert!(refused.json()["detail"].as_str().unwrap().contains("can't be used at the moment"));
    let breaker = root.get(STATE).await.json()["breaker"].clone();
    assert_eq!((&breaker["state"], &breaker["account"]), (&json!("open"), &json!("account-locked")));
    // Topped up: the next request after the pause tries it.
    world.clock.advance(30_000);
    assert_eq!(root.made(&picture("a fox")).await["state"], "complete");
    assert_eq!(root.get(STATE).await.json()["breaker"], json!({"state": "closed", "until": null, "account": null}));
    world.shutdown().await;
}
