//! Calls that can't be sent, or that belong to nothing any more, end all the same: nothing is open for ever.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue::S;
use axum::body::{Body, to_bytes};
use axum::extract::Query;
use axum::routing::get;
use axum::{Json, Router};
use http::{Request, header};
use serde_json::{Map, Value, json};
use shared::domain::generation::Call;
use shared::domain::job::CallState;
use shared::jobs::Jobs;
use shared::runtime::Platform;
use tower::ServiceExt as _;

use crate::faults;
use crate::table::Table;
use crate::world::{Client, World, eventually, picture, pictures, still};

async fn sweep(world: &World) {
    Jobs::new(&world.platform).await.unwrap().sweep().await.unwrap();
}

/// The one call of a generation.
async fn call_of(world: &World, client: &Client, generation: &str) -> Call {
    let generation = world.platform.db.generation(client.user().id, generation.parse().unwrap()).await.unwrap().unwrap();
    world.platform.db.call(generation.calls[0]).await.unwrap().unwrap()
}

/// The call is back in line, and holds nothing.
async fn was_taken_back(world: &World, client: &Client, id: &str) {
    let call = call_of(world, client, id).await;
    assert_eq!((call.state, call.attempts, call.submitted_at), (CallState::Waiting, 1, None));
    assert_eq!(world.platform.db.slots(client.user().id).await.unwrap().running, 0);
}

/// The generation ends in the library, and is charged.
async fn is_delivered(client: &Client, id: &str) {
    let over = client.follow(id).await;
    assert_eq!((&over["state"], &over["units"]["charged"]), (&json!("complete"), &json!(1)), "{over}");
}

/// A port of this machine at which nobody listens yet.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_sent_is_sent_when_somebody_listens() {
    let port = free_port();
    let world = World::start_at(&[("FAL_QUEUE_URL", &format!("http://127.0.0.1:{port}"))], still()).await;
    let ada = world.user("ada").await;
    let id = ada.accepted(&picture("a fox")).await;
    let generation = ada.get(&format!("/api/v1/generations/{id}")).await.json();
    assert_eq!((&generation["state"], &generation["warnings"]), (&json!("queued"), &json!([])), "{generation}");
    was_taken_back(&world, &ada, &id).await;
    // Not a moment too soon.
    sweep(&world).await;
    assert_eq!(call_of(&world, &ada, &id).await.attempts, 1);

    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let router = world.edition.provider().unwrap().router();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    world.clock.advance(5_000);
    sweep(&world).await;
    is_delivered(&ada, &id).await;
    serving.abort();
    world.shutdown().await;
}

/// A platform of `generate` that reads its secrets from `secrets`.
fn with_secrets(world: &World, secrets: &str, more: &[(&str, &str)]) -> Platform {
    let mut env = world.edition.environment("generate").unwrap().clone();
    env.set("SECRETS", secrets);
    env.set("ORIGIN_SECRETS_SHA256", "");
    for (name, value) in more {
        env.set(*name, *value);
    }
    Platform::connect_at(&env, world.clock.clone()).unwrap()
}

/// Asks such a platform for what it accepts; the generation's id.
async fn accepted_by(platform: &Platform, client: &Client, body: &Value) -> String {
    let request = Request::post("/api/v1/generations")
        .header(header::AUTHORIZATION, format!("Bearer {}", client.token()))
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", "once")
        .body(Body::from(body.to_string()))
        .unwrap();
    let (parts, body) = generate::router(platform).oneshot(request).await.unwrap().into_parts();
    let body: Value = serde_json::from_slice(&to_bytes(body, 1 << 20).await.unwrap()).unwrap();
    assert_eq!(parts.status, 202, "{body}");
    body["id"].as_str().unwrap().to_owned()
}

fn secrets(world: &World) -> Map<String, Value> {
    serde_json::from_slice(&std::fs::read(world.data().join("secrets.json")).unwrap()).unwrap()
}

/// A function that can't read one of its secrets finds that out when it has a slot already.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_prepared_gives_its_slot_back_and_is_sent_by_another() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let mut fewer = secrets(&world);
    fewer.remove("webhook_mac_key").unwrap();
    let file = world.data().join("fewer.json");
    std::fs::write(&file, serde_json::to_vec(&fewer).unwrap()).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let id = accepted_by(&with_secrets(&world, &format!("file:{}", file.display()), &[]), &ada, &picture("a fox")).await;
    was_taken_back(&world, &ada, &id).await;
    is_delivered(&ada, &id).await;
    world.shutdown().await;
}

/// The table refuses the second of two slots: what has the first is sent all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_a_slot_is_sent_though_the_next_gets_none() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let table = world.edition.environment("generate").unwrap().get("AWS_ENDPOINT_URL_DYNAMODB").unwrap().to_owned();
    let secrets = format!("file:{}", world.data().join("secrets.json").display());
    let proxy = faults::one_slot(&table).await;
    let platform = with_secrets(&world, &secrets, &[("AWS_ENDPOINT_URL_DYNAMODB", &proxy)]);
    let id = accepted_by(&platform, &ada, &pictures("two foxes", 2)).await;
    // The first one's end starts the second, at a table that refuses nothing.
    let over = ada.follow(&id).await;
    assert_eq!((&over["state"], &over["units"]["charged"]), (&json!("complete"), &json!(2)), "{over}");
    world.shutdown().await;
}

/// A sandbox is frozen between the intent and the submission, and goes on half a minute later: while it asks for a secret.
#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_is_half_a_minute_old_is_taken_back_instead_of_sent() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let (known, clock) = (secrets(&world), world.clock.clone());
    let parameter = move |Query(query): Query<BTreeMap<String, String>>| async move {
        let name = query["name"].rsplit('/').next().unwrap().to_owned();
        if name == "webhook_mac_key" {
            clock.advance(30_000);
        }
        Json(json!({"Parameter": {"Value": known[&name]}}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let extension = Router::new().route("/systemsmanager/parameters/get", get(parameter));
    let serving = tokio::spawn(async move { axum::serve(listener, extension).await });
    let more = [("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", port.as_str()), ("FAL_ACCOUNT_ID", "account")];
    let id = accepted_by(&with_secrets(&world, "ssm:/frozen", &more), &ada, &picture("a fox")).await;
    was_taken_back(&world, &ada, &id).await;
    world.clock.advance(5_000);
    sweep(&world).await;
    is_delivered(&ada, &id).await;
    serving.abort();
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_sent_fails_after_six_times_and_can_be_cancelled_before() {
    let world = World::start_at(&[("FAL_QUEUE_URL", &format!("http://127.0.0.1:{}", free_port()))], still()).await;
    let ada = world.user("ada").await;
    let (id, unwanted) = (ada.accepted(&picture("a fox")).await, ada.accepted(&picture("a hare")).await);
    assert_eq!(ada.post(&format!("/api/v1/generations/{unwanted}/cancel"), &json!({})).await.status, 202);
    assert_eq!(ada.follow(&unwanted).await["state"], "cancelled");
    let jobs = Jobs::new(&world.platform).await.unwrap();
    for (before, seconds) in (1..).zip([5, 10, 20, 40, 80]) {
        let call = call_of(&world, &ada, &id).await;
        assert_eq!((call.state, call.attempts), (CallState::Waiting, before));
        world.clock.advance(seconds * 1_000);
        eventually("it is tried again", async || {
            jobs.start(ada.user()).await;
            let call = call_of(&world, &ada, &id).await;
            (call.attempts > before || call.state != CallState::Waiting).then_some(())
        })
        .await;
    }
    let over = ada.follow(&id).await;
    assert_eq!((&over["state"], &over["error"]["code"]), (&json!("failed"), &json!("provider-unreachable")), "{over}");
    let message = over["error"]["message"].as_str().unwrap();
    assert!(message.contains("not your doing") && message.ends_with("Nothing was charged for it."), "{message}");
    assert_eq!(ada.usage().await, (0, 0));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_generation_is_gone_ends_and_frees_what_it_held() {
    let world = World::start_at(&[("LIMIT_RUNNING_CALLS", "1")], still()).await;
    let ada = world.user("ada").await;
    let running = ada.accepted(&picture("[[run:hang]] a fox")).await;
    ada.until(&running, |generation| generation["state"] == "running").await;
    let waiting = ada.accepted(&picture("a hare")).await;
    let calls = [call_of(&world, &ada, &running).await, call_of(&world, &ada, &waiting).await];
    let table = Table::of(&world);
    for id in [&running, &waiting] {
        table.delete(format!("USER#{}", ada.user().id), format!("GEN#{id}")).await;
    }
    for _ in 0..3 {
        world.clock.advance(301_000);
        sweep(&world).await;
    }
    for call in calls {
        let over = async || Some(world.platform.db.call(call.id).await.unwrap().unwrap().state).filter(|state| *state == CallState::Failed);
        eventually("the call's end", over).await;
        assert!(!table.item(format!("CALL#{}", call.id), "CALL".to_owned()).await.contains_key("gsi1pk"));
    }
    assert_eq!(world.platform.db.slots(ada.user().id).await.unwrap().running, 0);
    assert_eq!(ada.usage().await, (0, 0));
    assert_eq!(ada.made(&picture("a third")).await["state"], "complete");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_left_the_catalogue_leaves_no_call_behind() {
    let world = World::start_at(&[("LIMIT_RUNNING_CALLS", "1")], still()).await;
    let ada = world.user("ada").await;
    let running = ada.accepted(&picture("[[run:hang]] a fox")).await;
    ada.until(&running, |generation| generation["state"] == "running").await;
    let waiting = ada.accepted(&picture("a hare")).await;
    let table = Table::of(&world);
    for id in [&running, &waiting] {
        let call = call_of(&world, &ada, id).await;
        let mut item = table.item(format!("CALL#{}", call.id), "CALL".to_owned()).await;
        item.insert("model".to_owned(), S("no-longer-here".to_owned()));
        table.put(item).await;
    }
    // The one that the provider has is waited for as long as any model may take.
    world.clock.advance(3_899_000);
    sweep(&world).await;
    assert_eq!(ada.get(&format!("/api/v1/generations/{running}")).await.json()["state"], "running");
    for _ in 0..2 {
        world.clock.advance(61_000);
        sweep(&world).await;
    }
    assert_eq!(ada.follow(&running).await["state"], "unknown");
    world.clock.advance(61_000);
    sweep(&world).await;
    let over = ada.follow(&waiting).await;
    assert_eq!((&over["state"], &over["error"]["code"]), (&json!("failed"), &json!("model-gone")), "{over}");
    assert_eq!(ada.usage().await, (0, 0));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_nobody_can_store_is_given_up_by_the_sweeper() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let id = ada.accepted(&picture("[[media:cut]] a fox")).await;
    ada.until(&id, |generation| generation["state"] == "storing").await;
    let call = call_of(&world, &ada, &id).await;
    assert_eq!(call.arrived_at, Some(world.clock.now()));
    // What `ingest` would give up after 75 minutes, if it ever came so far.
    world.clock.advance(91 * 60_000);
    sweep(&world).await;
    let over = ada.follow(&id).await;
    assert_eq!((&over["state"], &over["error"]["code"]), (&json!("failed"), &json!("storing-failed")), "{over}");
    assert_eq!(ada.usage().await, (0, 0));
    world.shutdown().await;
}
