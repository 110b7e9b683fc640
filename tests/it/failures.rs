//! What ends without a delivery says why, costs nothing and gives everything back.

use serde_json::{Value, json};
use shared::clock::Clock;

use crate::world::{Client, World, picture, still};

/// Nothing was charged, everything was given back, nothing is in the library, and no slot is held.
async fn assert_free(world: &World, client: &Client, over: &Value) {
    assert_eq!((&over["units"]["charged"], &over["assets"]), (&json!(0), &json!([])), "{over}");
    assert_eq!(over["price"]["actual"], json!({"amount": "0.0000", "currency": "USD"}));
    assert!(over["finished_at"].is_string());
    let lines = client.all("/api/v1/ledger").await;
    let of = |kind: &str| lines.iter().find(|line| line["kind"] == kind && line["generation_id"] == over["id"]);
    let (reserved, returned) = (of("reserved").unwrap(), of("returned").unwrap());
    assert_eq!(reserved["units"], returned["units"]);
    assert!(!returned["reason"].as_str().unwrap().is_empty());
    assert!(of("charged").is_none());
    assert_eq!(client.usage().await, (0, 0));
    assert!(client.all("/api/v1/assets").await.is_empty());
    assert_eq!(world.platform.db.slots(client.user().id).await.unwrap().running, 0);
}

fn png(prompt: &str) -> Value {
    let mut request = picture(prompt);
    request["parameters"]["format"] = "png".into();
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_is_named_and_free() {
    let world = World::start().await;
    for (index, (prompt, code, words)) in [
        ("[[fail:content-policy]] x", "content-policy", "rules don't allow this"),
        ("[[fail:validation]] x", "invalid-input", "The model refused the field \"prompt\""),
        ("[[fail:server]] x", "provider-error", "The provider had a problem."),
        ("[[fail:runner]] x", "provider-error", "The provider had a problem."),
        ("[[fail:timeout]] x", "timeout", "The model took too long."),
        ("[[media:wrong-type]] x", "unusable-result", "is no picture or video"),
        ("[[media:missing]] x", "result-gone", "not where the provider said"),
        ("[[media:truncated]] x", "unusable-result", "can't be decoded"),
        ("[[media:black]] x", "content-policy", "rules don't allow this"),
        ("[[media:huge]] x", "too-large", "larger than 30 MiB"),
        ("[[media:endless]] x", "too-large", "larger than 30 MiB"),
        // The last, because after it nobody is accepted for a while.
        ("[[submit:locked]] x", "account-locked", "an administrator has to look at it."),
    ]
    .into_iter()
    .enumerate()
    {
        let user = world.user(&format!("user-{index}")).await;
        let over = user.made(&png(prompt)).await;
        assert_eq!((&over["state"], &over["error"]["code"]), (&json!("failed"), &json!(code)), "{prompt}: {over}");
        let message = over["error"]["message"].as_str().unwrap();
        assert!(message.contains(words) && message.ends_with("Nothing was charged for it."), "{prompt}: {message}");
        assert_free(&world, &user, &over).await;
    }
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_not_sent_again_and_ends_as_unknown() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let id = ada.accepted(&picture("[[submit:lost]] a fox")).await;
    let generation = ada.get(&format!("/api/v1/generations/{id}")).await.json();
    assert_eq!(generation["state"], "queued", "{generation}");
    assert_eq!(ada.ledger("reserved").await, 1);
    // The model's own five minutes, and five for waiting in the provider's queue. What is woken every minute finds it then.
    world.clock.advance(601_000);
    let jobs = shared::jobs::Jobs::new(&world.platform).await.unwrap();
    jobs.sweep().await.unwrap();
    let over = ada.follow(&id).await;
    assert_eq!((&over["state"], &over["error"]["code"]), (&json!("unknown"), &json!("unknown-outcome")), "{over}");
    assert_free(&world, &ada, &over).await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_breaks_while_it_is_asked_keeps_nobody_waiting() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let over = ada.made(&picture("[[submit:unavailable]] a fox")).await;
    assert_eq!((&over["state"], &over["error"]["code"]), (&json!("unknown"), &json!("provider-error")), "{over}");
    assert_free(&world, &ada, &over).await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_comes_whole_is_tried_again_until_it_is_gone() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let id = ada.accepted(&png("[[media:cut]] a fox")).await;
    ada.until(&id, |generation| generation["state"] == "storing").await;
    // The provider keeps it for an hour.
    world.clock.advance(4_501_000);
    let jobs = shared::jobs::Jobs::new(&world.platform).await.unwrap();
    jobs.sweep().await.unwrap();
    let over = ada.follow(&id).await;
    assert_eq!(over["state"], "failed", "{over}");
    let message = over["error"]["message"].as_str().unwrap();
    assert!(
        over["error"]["code"] == "storing-failed"
            && message.contains("could not be copied to your library")
            && message.ends_with("Nothing was charged for it."),
        "{message}"
    );
    assert_free(&world, &ada, &over).await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_is_given_up_at_its_deadline() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let id = ada.accepted(&picture("[[run:hang]] a fox")).await;
    ada.until(&id, |generation| generation["state"] == "running").await;
    world.clock.advance(601_000);
    let over = ada.follow(&id).await;
    assert_eq!((&over["state"], &over["error"]["code"]), (&json!("unknown"), &json!("unknown-outcome")), "{over}");
    assert_free(&world, &ada, &over).await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_what_runs_can_be_cancelled_and_costs_nothing() {
    let world = World::start_with(&[("LIMIT_RUNNING_CALLS", "1")]).await;
    let ada = world.user("ada").await;
    let running = ada.accepted(&picture("[[run:hang]] the first")).await;
    ada.until(&running, |generation| generation["state"] == "running").await;
    let waiting = ada.accepted(&picture("the second")).await;
    for id in [&waiting, &running] {
        let answer = ada.post(&format!("/api/v1/generations/{id}/cancel"), &json!({})).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let over = ada.follow(id).await;
        assert_eq!((&over["state"], &over["error"]["code"]), (&json!("cancelled"), &json!("cancelled")), "{over}");
        let again = ada.post(&format!("/api/v1/generations/{id}/cancel"), &json!({})).await;
        assert_eq!(again.code(), (409, "conflict".to_owned()));
    }
    let over = ada.follow(&running).await;
    assert_free(&world, &ada, &over).await;
    let over = ada.follow(&waiting).await;
    assert_free(&world, &ada, &over).await;
    // The slot is free for the next.
    assert_eq!(ada.made(&picture("the third")).await["state"], "complete");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_no_longer_be_stopped_is_delivered_and_charged() {
    // Without callbacks, polls see it running at once.
    let world = World::start_with(&[("FAL_ACCOUNT_ID", "")]).await;
    world.edition.provider().unwrap().update_settings(|settings| settings.image_delay = std::time::Duration::from_secs(1));
    let ada = world.user("ada").await;
    let id = ada.accepted(&picture("[[cancel:ignored]] a fox")).await;
    ada.until(&id, |generation| generation["state"] == "running").await;
    assert_eq!(ada.post(&format!("/api/v1/generations/{id}/cancel"), &json!({})).await.status, 202);
    let over = ada.follow(&id).await;
    assert_eq!((&over["state"], &over["units"]["charged"]), (&json!("complete"), &json!(1)), "{over}");
    assert_eq!(ada.usage().await, (1, 0));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn units_go_back_to_the_month_in_which_they_were_reserved() {
    let clock = Clock::manual("2026-11-30T23:59:59Z".parse().unwrap());
    let world = World::start_at(&[("LIMIT_RUNNING_CALLS", "1")], clock).await;
    let ada = world.user("ada").await;
    let jobs = shared::jobs::Jobs::new(&world.platform).await.unwrap();
    let hangs = ada.accepted(&picture("[[run:hang]] the last of November")).await;
    let waits = ada.accepted(&picture("made in December")).await;
    ada.until(&hangs, |generation| generation["state"] == "running").await;
    let month = async |name: &str| world.platform.db.quota(ada.user().id, name).await.unwrap();
    assert_eq!(month("2026-11").await.taken, 2);

    // The first second of December, and then the deadline.
    world.clock.advance(1_000);
    assert_eq!(ada.get("/api/v1/me").await.json()["usage"]["used"], 0);
    world.clock.advance(601_000);
    jobs.sweep().await.unwrap();
    assert_eq!(ada.follow(&hangs).await["state"], "unknown");
    // Its slot lets the other start; that is charged to the month in which it was asked for.
    world.clock.advance(61_000);
    jobs.sweep().await.unwrap();
    assert_eq!(ada.follow(&waits).await["state"], "complete");
    let (november, december) = (month("2026-11").await, month("2026-12").await);
    assert_eq!((november.taken, november.charged, december.taken, december.charged), (1, 1, 0, 0));
    let lines = ada.all("/api/v1/ledger").await;
    assert_eq!(lines.len(), 4, "{lines:?}");
    // The day that is over counts nothing any more, and the new one counted nothing.
    assert_eq!(ada.generate(&picture("of December")).await.status, 202);
    assert_eq!(month("2026-12").await.taken, 1);
    world.shutdown().await;
}
