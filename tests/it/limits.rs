//! What a user may do in a month, a day, an hour and at once holds when everything comes at the same time.

use futures_util::future::join_all;
use http::{StatusCode, header};
use serde_json::json;

use crate::world::{Answer, Client, World, picture, pictures, still};

/// In the middle of a month, a day and an hour that don't end during a test.
async fn world(variables: &[(&str, &str)]) -> World {
    World::start_at(variables, still()).await
}

/// Twenty requests at once under twenty keys: those that were accepted, and the others.
async fn twenty(client: &Client) -> (Vec<Answer>, Vec<Answer>) {
    let request = picture("one of many");
    let answers = join_all((0..20).map(|_| client.generate(&request))).await;
    answers.into_iter().partition(|answer| answer.status == StatusCode::ACCEPTED)
}

fn assert_refused(refused: &[Answer], code: &str, longest: u64) {
    for answer in refused {
        assert_eq!(answer.code(), (429, code.to_owned()), "{}", answer.text());
        let seconds: u64 = answer.header(header::RETRY_AFTER).parse().unwrap();
        assert!((1..=longest).contains(&seconds), "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_units_of_the_month_are_taken() {
    let world = world(&[("LIMIT_MONTHLY_UNITS", "5")]).await;
    let ada = world.user("ada").await;
    let (accepted, refused) = twenty(&ada).await;
    assert_eq!((accepted.len(), refused.len()), (5, 15));
    assert_refused(&refused, "quota-exhausted", 31 * 86_400);
    for answer in &accepted {
        assert_eq!(ada.follow(answer.json()["id"].as_str().unwrap()).await["state"], "complete");
    }
    assert_eq!((ada.ledger("reserved").await, ada.ledger("charged").await), (5, 5));
    let month = shared::db::keys::month_of(world.clock.now());
    let quota = world.platform.db.quota(ada.user().id, &month).await.unwrap();
    assert_eq!((quota.taken, quota.charged), (5, 5));
    assert_eq!(ada.get("/api/v1/me").await.json()["usage"]["remaining"], 0);
    // A repetition asks for nothing new, and others have a month of their own.
    assert_eq!(world.user("bob").await.generate(&picture("a hill")).await.status, StatusCode::ACCEPTED);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_needs_more_than_is_left_takes_nothing() {
    let world = world(&[("LIMIT_MONTHLY_UNITS", "5")]).await;
    let ada = world.user("ada").await;
    ada.made(&pictures("three of five", 3)).await;
    let refused = ada.generate(&pictures("three of two", 3)).await;
    assert_refused(&[refused], "quota-exhausted", 31 * 86_400);
    assert_eq!(ada.made(&pictures("two of two", 2)).await["state"], "complete");
    assert_eq!(ada.usage().await, (5, 0));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_outputs_of_the_day_are_accepted_until_the_day_is_over() {
    let world = world(&[("LIMIT_DAILY_OUTPUTS", "5")]).await;
    let ada = world.user("ada").await;
    let (accepted, refused) = twenty(&ada).await;
    assert_eq!((accepted.len(), refused.len()), (5, 15));
    assert_refused(&refused, "rate-limited", 86_400);
    let seconds: i64 = refused[0].header(header::RETRY_AFTER).parse().unwrap();
    world.clock.advance(seconds * 1_000);
    assert_eq!(ada.generate(&picture("tomorrow")).await.status, StatusCode::ACCEPTED);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_requests_of_the_hour_are_accepted_until_the_hour_is_over() {
    let world = world(&[("LIMIT_HOURLY_REQUESTS", "5")]).await;
    let ada = world.user("ada").await;
    let (accepted, refused) = twenty(&ada).await;
    assert_eq!((accepted.len(), refused.len()), (5, 15));
    assert_refused(&refused, "rate-limited", 3_600);
    let seconds: i64 = refused[0].header(header::RETRY_AFTER).parse().unwrap();
    world.clock.advance((seconds - 1) * 1_000);
    assert_eq!(ada.generate(&picture("a second early")).await.code(), (429, "rate-limited".to_owned()));
    world.clock.advance(1_000);
    assert_eq!(ada.generate(&picture("on time")).await.status, StatusCode::ACCEPTED);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_back_can_be_used_again() {
    let world = world(&[("LIMIT_MONTHLY_UNITS", "2"), ("LIMIT_DAILY_OUTPUTS", "2")]).await;
    let ada = world.user("ada").await;
    assert_eq!(ada.made(&pictures("[[fail:server]] nothing", 2)).await["state"], "failed");
    assert_eq!(ada.made(&pictures("something", 2)).await["state"], "complete");
    assert_eq!((ada.ledger("reserved").await, ada.ledger("returned").await, ada.ledger("charged").await), (4, 2, 2));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_slot_outputs_are_made_one_after_the_other() {
    let world = world(&[("LIMIT_RUNNING_CALLS", "1")]).await;
    let ada = world.user("ada").await;
    let id = ada.accepted(&pictures("three in a line", 3)).await;
    let mut most = 0;
    let over = crate::world::eventually("three outputs", async || {
        most = most.max(world.platform.db.slots(ada.user().id).await.unwrap().running);
        let generation = ada.get(&format!("/api/v1/generations/{id}")).await.json();
        (generation["state"] == "complete").then_some(generation)
    })
    .await;
    assert_eq!((over["assets"].as_array().unwrap().len(), most), (3, 1));
    assert_eq!(world.platform.db.slots(ada.user().id).await.unwrap().running, 0);
    assert_eq!(over["units"], json!({"reserved": 3, "charged": 3}));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_price_is_what_the_provider_billed_when_it_says_so() {
    // Without callbacks, which don't say it.
    let world = world(&[]).await;
    let ada = world.user("ada").await;
    let mut large = picture("a square of a megapixel");
    large["parameters"] = json!({"aspect": "1:1"});
    let over = ada.made(&large).await;
    let generation = world.platform.db.generation(ada.user().id, over["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap();
    let call = world.platform.db.call(generation.calls[0]).await.unwrap().unwrap();
    let units = call.billable_units.unwrap();
    let price: f64 = over["price"]["actual"]["amount"].as_str().unwrap().parse().unwrap();
    assert!(units > 0.0 && (price - 0.003 * units).abs() < 1e-6, "{units} units, {price}");
    assert_eq!(generation.price_actual, world.platform.db.quota(ada.user().id, &call.month).await.unwrap().spend);
    world.shutdown().await;
}
