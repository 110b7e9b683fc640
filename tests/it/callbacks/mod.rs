//! Our own webhooks: a client's address is told of the end, signed, until it has taken it, and nothing inside can be reached by it.

mod receiver;

use std::time::Duration;

use http::StatusCode;
use receiver::{Got, Receiver, Reply};
use serde_json::{Value, json};
use shared::auth::callback::CallbackSecret;
use shared::domain::callback::CallbackState;
use shared::jobs::{self, Jobs};

use crate::world::{Client, World, eventually, picture, still};

/// A world whose clock stands still, and which may call `receiver`.
async fn world(receiver: &Receiver) -> World {
    World::start_at(&[("CALLBACK_ORIGINS", &receiver.origin)], still()).await
}

/// The cheapest request, of whose end `url` is told.
fn told(prompt: &str, url: &str) -> Value {
    let mut request = picture(prompt);
    request["callback_url"] = url.into();
    request
}

/// The callback of the generation `id`, once it is as `wanted`.
async fn callback(client: &Client, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    client.until(id, |generation| wanted(&generation["callback"])).await["callback"].clone()
}

/// The same, once it was tried so often and the last attempt is written down.
async fn attempts(world: &World, client: &Client, id: &str, wanted: u32) -> Value {
    let written = || async {
        let stored = world.platform.db.callback(client.user().id, id.parse().unwrap()).await.unwrap().unwrap();
        let under_way = stored.last_attempt_at.is_none_or(|at| stored.next_at.duration_since(at).as_millis() == 25_000);
        (stored.attempts == wanted && (stored.state != CallbackState::Pending || !under_way)).then_some(())
    };
    eventually("the attempt is written down", async || written().await).await;
    callback(client, id, |callback| callback["attempts"] == wanted).await
}

async fn sweep(world: &World) {
    Jobs::new(&world.platform).await.unwrap().sweep().await.unwrap();
}

/// Checks the signature with the user's secret; the message.
async fn verified(world: &World, client: &Client, got: &Got) -> Value {
    let secret = CallbackSecret::of(&world.platform.secrets, client.user().id).await.unwrap();
    let timestamp: i64 = got.header("webhook-timestamp").parse().unwrap();
    assert_eq!(timestamp, world.clock.now().as_second());
    assert_eq!(got.header("webhook-signature"), secret.sign(got.header("webhook-id"), timestamp, &got.body).unwrap());
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.path, "/hook?for=ada");
    serde_json::from_slice(&got.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_told_of_the_end_once() {
    let receiver = Receiver::start().await;
    let world = world(&receiver).await;
    let ada = world.user("ada").await;
    let begun = ada.generate(&told("a heron", &receiver.url())).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    assert_eq!(
        begun.json()["callback"],
        json!({"url": receiver.url(), "state": "pending", "attempts": 0, "last_status": null, "last_attempt_at": null})
    );
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let callback = attempts(&world, &ada, &id, 1).await;
    assert_eq!((&callback["state"], &callback["last_status"]), (&json!("delivered"), &json!(204)));

    let message = verified(&world, &ada, &receiver.got()[0]).await;
    assert_eq!(receiver.got()[0].header("webhook-id"), id);
    assert_eq!(
        (&message["type"], &message["data"]["id"], &message["data"]["state"]),
        (&json!("generation.complete"), &json!(id), &json!("complete"))
    );
    assert_eq!(message["timestamp"], message["data"]["finished_at"]);
    // What a token is shown of it, but for addresses that would open the media to whoever keeps the message.
    let shown = ada.get(&format!("/api/v1/generations/{id}")).await.json();
    let url = message["data"]["assets"][0]["media"]["url"].as_str().unwrap();
    assert!(url.starts_with("/media/") && !url.contains('?'), "{url}");
    assert!(shown["assets"][0]["media"]["url"].as_str().unwrap().contains(&format!("{url}?")), "{shown}");
    for name in ["model", "inputs", "parameters", "units", "price", "warnings", "created_at", "finished_at"] {
        assert_eq!(message["data"][name], shown[name], "{name}");
    }

    // Others are told what became of theirs.
    let failed = ada.accepted(&told("[[fail:server]] nothing", &receiver.url())).await;
    attempts(&world, &ada, &failed, 1).await;
    let cancelled = ada.accepted(&told("[[run:hang]] stopped", &receiver.url())).await;
    ada.post(&format!("/api/v1/generations/{cancelled}/cancel"), &json!({})).await;
    attempts(&world, &ada, &cancelled, 1).await;
    let kinds: Vec<Value> =
        receiver.got()[1..].iter().map(|got| serde_json::from_slice::<Value>(&got.body).unwrap()["type"].clone()).collect();
    assert_eq!(kinds, ["generation.failed", "generation.cancelled"]);
    // Whatever looks again finds nothing to do.
    world.clock.advance(25 * 3_600 * 1_000);
    sweep(&world).await;
    jobs::call_back(&world.platform, ada.user().id, id.parse().unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.got().len(), 3);
    // Who didn't ask for it has none.
    assert_eq!(ada.made(&picture("quietly")).await["callback"], Value::Null);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_is_tried_again_under_the_same_name() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let world = world(&receiver).await;
    let ada = world.user("ada").await;
    receiver.will([Reply::Status(500), Reply::To(elsewhere.url()), Reply::Endless]);
    let id = ada.accepted(&told("an otter", &receiver.url())).await;
    let first = attempts(&world, &ada, &id, 1).await;
    assert_eq!((&first["state"], &first["last_status"]), (&json!("pending"), &json!(500)));

    // Not before its time, whoever comes by.
    world.clock.advance(26_000);
    jobs::call_back(&world.platform, ada.user().id, id.parse().unwrap()).await.unwrap();
    sweep(&world).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.got().len(), 1);
    world.clock.advance(8_000);
    sweep(&world).await;
    let second = callback(&ada, &id, |callback| callback["attempts"] == 2 && callback["last_status"] == 302).await;
    assert_eq!(second["state"], "pending");
    assert_eq!(elsewhere.got().len(), 0, "redirects aren't followed");
    // An answer without an end is as good as its status.
    world.clock.advance(133_000);
    sweep(&world).await;
    let third = callback(&ada, &id, |callback| callback["attempts"] == 3 && callback["state"] == "delivered").await;
    assert_eq!(third["last_status"], 200);
    let got = receiver.got();
    assert!(got.iter().all(|one| one.header("webhook-id") == id), "{got:?}");
    assert!(got.windows(2).all(|two| two[0].header("webhook-timestamp") < two[1].header("webhook-timestamp")));
    verified(&world, &ada, &got[2]).await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_wants_no_more_is_left_alone() {
    let receiver = Receiver::start().await;
    let world = world(&receiver).await;
    let ada = world.user("ada").await;
    receiver.will([Reply::Status(410)]);
    let id = ada.accepted(&told("gone", &receiver.url())).await;
    let callback = attempts(&world, &ada, &id, 1).await;
    assert_eq!((&callback["state"], &callback["last_status"]), (&json!("failed"), &json!(410)));
    world.clock.advance(24 * 3_600 * 1_000);
    sweep(&world).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.got().len(), 1);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_never_answers_well_is_given_up_after_a_day() {
    let receiver = Receiver::start().await;
    let world = world(&receiver).await;
    let ada = world.user("ada").await;
    receiver.will(vec![Reply::Status(503); 20]);
    let begun = world.clock.now();
    let id = ada.accepted(&told("in vain", &receiver.url())).await;
    attempts(&world, &ada, &id, 1).await;
    for seen in 2..=12 {
        let due = world.platform.db.callback(ada.user().id, id.parse().unwrap()).await.unwrap().unwrap();
        world.clock.advance(due.next_at.as_millisecond() - world.clock.now().as_millisecond());
        sweep(&world).await;
        attempts(&world, &ada, &id, seen).await;
    }
    let over = callback(&ada, &id, |callback| callback["state"] == "failed").await;
    assert_eq!((&over["attempts"], &over["last_status"]), (&json!(12), &json!(503)));
    let took = world.clock.now().duration_since(begun).as_hours();
    assert!((21..24).contains(&took), "{took} h");
    assert_eq!(receiver.got().len(), 12);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_hangs_is_hung_up_on() {
    let receiver = Receiver::start().await;
    let world = world(&receiver).await;
    let ada = world.user("ada").await;
    receiver.will([Reply::Never]);
    let began = std::time::Instant::now();
    let id = ada.accepted(&told("patience", &receiver.url())).await;
    eventually("the message is there", async || (!receiver.got().is_empty()).then_some(())).await;
    // Meanwhile nobody waits for it.
    assert_eq!(ada.made(&picture("of somebody else")).await["state"], "complete");
    let seen = attempts(&world, &ada, &id, 1).await;
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(9) && waited < Duration::from_secs(25), "{waited:?}");
    assert_eq!((&seen["state"], &seen["last_status"]), (&json!("pending"), &Value::Null));
    world.clock.advance(34_000);
    sweep(&world).await;
    assert_eq!(callback(&ada, &id, |callback| callback["state"] == "delivered").await["attempts"], 2);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_message_and_its_record_sends_it_again() {
    let receiver = Receiver::start().await;
    let world = world(&receiver).await;
    let ada = world.user("ada").await;
    receiver.will([Reply::Status(500), Reply::Never]);
    let id = ada.accepted(&told("twice at most", &receiver.url())).await;
    attempts(&world, &ada, &id, 1).await;
    world.clock.advance(34_000);
    // A worker that ends after the address has the message, and before it could write that down.
    let (platform, user, generation) = (world.platform.clone(), ada.user().id, id.parse().unwrap());
    let worker = tokio::spawn(async move { jobs::call_back(&platform, user, generation).await });
    eventually("the message is there", async || (receiver.got().len() == 2).then_some(())).await;
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
    // Its lease keeps others away, and then it is sent again, once.
    for (pause, messages) in [(20_000, 2), (11_000, 3), (60_000, 3)] {
        world.clock.advance(pause);
        jobs::call_back(&world.platform, user, generation).await.unwrap();
        sweep(&world).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(receiver.got().len(), messages);
    }
    assert_eq!(callback(&ada, &id, |callback| callback["state"] == "delivered").await["attempts"], 3);
    assert!(receiver.got().iter().all(|one| one.header("webhook-id") == id));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_workers_at_once_send_it_once() {
    let receiver = Receiver::start().await;
    let world = world(&receiver).await;
    let ada = world.user("ada").await;
    receiver.will([Reply::Status(500), Reply::Slowly(204, Duration::from_millis(500))]);
    let id = ada.accepted(&told("once", &receiver.url())).await;
    attempts(&world, &ada, &id, 1).await;
    world.clock.advance(34_000);
    let all = (0..10).map(|_| jobs::call_back(&world.platform, ada.user().id, id.parse().unwrap()));
    for result in futures_util::future::join_all(all).await {
        result.unwrap();
    }
    assert_eq!(receiver.got().len(), 2);
    assert_eq!(attempts(&world, &ada, &id, 2).await["state"], "delivered");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_is_told_nothing() {
    use shared::db::audit::Actor;
    use shared::db::users::UserChange;
    let receiver = Receiver::start().await;
    let world = world(&receiver).await;
    let ada = world.user("ada").await;
    receiver.will([Reply::Status(500)]);
    let id = ada.accepted(&told("before", &receiver.url())).await;
    attempts(&world, &ada, &id, 1).await;
    let change = UserChange::Status(shared::domain::user::Status::Suspended);
    world.platform.db.change_user(ada.user().id, change, &Actor::operator(), world.clock.now()).await.unwrap();
    world.clock.advance(34_000);
    jobs::call_back(&world.platform, ada.user().id, id.parse().unwrap()).await.unwrap();
    let callback = world.platform.db.callback(ada.user().id, id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((callback.state.name(), callback.attempts, receiver.got().len()), ("failed", 1, 1));
    world.shutdown().await;
}

/// Addresses that lead inside, elsewhere than they say, or nowhere.
const HOSTILE: [&str; 48] = [
    "http://hooks.example.org/",
    "http://127.0.0.1/",
    "http://localhost/",
    "https://127.0.0.1/",
    "https://127.0.0.1:443/",
    "https://127.1/",
    "https://127.000.000.001/",
    "https://0/",
    "https://0.0.0.0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:10.0.0.1]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://[64:ff9b::7f00:1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.170.2/v2/credentials",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://100.64.0.1/",
    "https://8.8.8.8/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://ip6-localhost/",
    "https://\u{2460}\u{2461}\u{2466}.0.0.1/",
    "https://127\u{3002}0\u{3002}0\u{3002}1/",
    "https://hooks.example.org:8443/",
    "https://hooks.example.org:80/",
    "https://hooks.example.org:22/",
    "https://ada@hooks.example.org/",
    "https://ada:word@hooks.example.org/",
    "https://hooks.example.org@127.0.0.1/",
    "https://hooks.example.org#@127.0.0.1/",
    "https://no-such-name.invalid/",
    "ftp://hooks.example.org/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "//127.0.0.1/",
    "",
];

#[tokio::test(flavor = "multi_thread")]
async fn addresses_inside_are_refused_and_cost_nothing() {
    let inside = Receiver::start().await;
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let port = inside.origin.rsplit_once(':').unwrap().1;
    let long = format!("https://hooks.example.org/{}", "x".repeat(2_000));
    let own = [inside.url(), format!("https://localhost:{port}/"), format!("https://[::1]:{port}/"), long];
    for url in HOSTILE.into_iter().chain(own.iter().map(String::as_str)) {
        let answer = ada.generate(&told("a trap", url)).await;
        assert_eq!(answer.code(), (400, "validation".to_owned()), "{url}: {}", answer.text());
        assert_eq!(answer.json()["errors"][0]["field"], "callback_url", "{url}");
    }
    assert_eq!(inside.got().len(), 0);
    assert_eq!(ada.all("/api/v1/ledger").await.len(), 0);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_allowed_once_is_not_called_when_it_isnt_any_more() {
    let receiver = Receiver::start().await;
    let world = world(&receiver).await;
    let ada = world.user("ada").await;
    receiver.will([Reply::Status(500)]);
    let id = ada.accepted(&told("yesterday", &receiver.url())).await;
    attempts(&world, &ada, &id, 1).await;
    world.clock.advance(34_000);
    let mut production = world.platform.clone();
    production.callbacks = shared::outbound::Guard::new(shared::outbound::Origins::any_public(&[]));
    jobs::call_back(&production, ada.user().id, id.parse().unwrap()).await.unwrap();
    let callback = world.platform.db.callback(ada.user().id, id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((callback.attempts, callback.last_status, receiver.got().len()), (2, None, 1));
    world.shutdown().await;
}
