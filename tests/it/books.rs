//! What was used, as people see it and as an operator verifies it: usage, ledger and library say the same.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue::{self, N};
use futures_util::future::BoxFuture;
use http::StatusCode;
use local::Options;
use local::operator::Place;
use serde_json::{Value, json};
use shared::db::keys;
use shared::domain::generation::ProviderRequest;
use shared::domain::model::Model;
use shared::jobs::Jobs;
use shared::jobs::verify::{Books, verify};
use shared::provider::{AskError, Cancellation, FetchError, MediaStream, Output, Progress, Provider, Submission, SubmitError, Verdict};

use crate::table::Table;
use crate::webhooks::{Callback, hanging, sent};
use crate::world::{Client, World, eventually, picture, pictures, still};

async fn books(world: &World, client: &Client) -> Books {
    verify(&world.platform.db, client.user().id, world.clock.now(), jiff::SignedDuration::from_hours(24)).await.unwrap()
}

/// Micro-dollars.
fn micros(money: &Value) -> i64 {
    assert_eq!(money["currency"], "USD");
    let (whole, part) = money["amount"].as_str().unwrap().split_once('.').unwrap();
    let part = format!("{part:0<6}");
    assert_eq!(part.len(), 6, "{money}");
    whole.parse::<i64>().unwrap() * 1_000_000 + part.parse::<i64>().unwrap()
}

fn sum(lines: &[Value], kind: &str) -> (i64, i64) {
    let of_kind = lines.iter().filter(|line| line["kind"] == kind);
    of_kind.fold((0, 0), |(units, price), line| (units + line["units"].as_i64().unwrap(), price + micros(&line["price"])))
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_and_ledger_tell_the_same_story() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let now = world.clock.now();
    let (month, date) = (keys::month_of(now), keys::date_of(now));
    let empty = ada.all("/api/v1/usage").await;
    let zero = json!({"amount": "0.0000", "currency": "USD"});
    assert_eq!(empty, [json!({"month": month, "units": 0, "reserved": 0, "spend": zero, "models": [], "days": []})]);

    let good = ada.made(&pictures("three", 3)).await;
    let other = json!({"model": "flux-2", "inputs": {"prompt": "another model"}});
    let other = ada.made(&other).await;
    let bad = ada.made(&picture("[[fail:server]] nothing")).await;
    assert_eq!((&good["state"], &other["state"], &bad["state"]), (&json!("complete"), &json!("complete"), &json!("failed")));
    let under_way = ada.accepted(&picture("[[run:hang]] not yet")).await;

    let lines = ada.all("/api/v1/ledger").await;
    let (reserved, charged, returned) = (sum(&lines, "reserved"), sum(&lines, "charged"), sum(&lines, "returned"));
    let usage = &ada.all("/api/v1/usage").await[0];
    assert_eq!(usage["units"], charged.0);
    assert_eq!(usage["reserved"], reserved.0 - charged.0 - returned.0);
    assert_eq!(micros(&usage["spend"]), charged.1);
    assert_eq!(usage["days"], json!([{"date": date, "units": charged.0, "spend": usage["spend"]}]));
    let models: Vec<&str> = usage["models"].as_array().unwrap().iter().map(|model| model["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["flux-schnell", "flux-2"]);
    // What a generation says that it cost is what was billed for it.
    for generation in [&good, &other, &bad] {
        let id = generation["id"].as_str().unwrap();
        let own = ada.all(&format!("/api/v1/ledger?generation_id={id}")).await;
        assert!(!own.is_empty() && own.iter().all(|line| line["generation_id"] == id && line["month"] == month), "{own:?}");
        assert_eq!(sum(&own, "charged"), (generation["units"]["charged"].as_i64().unwrap(), micros(&generation["price"]["actual"])));
        assert_eq!(sum(&own, "reserved"), (generation["units"]["reserved"].as_i64().unwrap(), micros(&generation["price"]["estimated"])));
        assert_eq!(sum(&own, "reserved").0, sum(&own, "charged").0 + sum(&own, "returned").0);
        assert!(own.iter().all(|line| !line["reason"].as_str().unwrap().is_empty()));
    }
    let open = ada.all(&format!("/api/v1/ledger?generation_id={under_way}")).await;
    assert_eq!((open.len(), &open[0]["kind"]), (1, &json!("reserved")));
    let found = books(&world, &ada).await;
    assert_eq!((found.generations, found.lines, found.assets, &found.problems), (4, lines.len(), 4, &Vec::new()));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_read_by_month_and_page_by_page() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let first = keys::month_of(world.clock.now());
    // Reserved in one month and given back in the next, against the first.
    let late = ada.accepted(&picture("[[run:hang]] over the end of the month")).await;
    let (until, _, _) = shared::jobs::resets(world.clock.now());
    world.clock.advance(i64::try_from(until).unwrap() * 1_000);
    let second = keys::month_of(world.clock.now());
    ada.post(&format!("/api/v1/generations/{late}/cancel"), &json!({})).await;
    // Cancelled, or given up: its time was over, too.
    assert_ne!(ada.follow(&late).await["state"], "complete");
    for number in 0..3 {
        ada.made(&picture(&format!("number {number}"))).await;
    }
    let of = async |month: &str| ada.all(&format!("/api/v1/ledger?month={month}&limit=2")).await;
    let kinds = |lines: &[Value]| lines.iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(kinds(&of(&first).await), ["returned", "reserved"]);
    let mut now = kinds(&of(&second).await);
    assert_eq!(now.len(), 6);
    now.sort();
    assert_eq!(now, ["charged", "charged", "charged", "reserved", "reserved", "reserved"]);
    let all = ada.all("/api/v1/ledger?limit=3").await;
    assert_eq!(all.len(), 8);
    assert!(all.windows(2).all(|two| two[0]["at"].as_str() >= two[1]["at"].as_str()), "newest first");
    let months: Vec<Value> =
        ada.all("/api/v1/usage?limit=1").await.iter().map(|one| json!([one["month"], one["units"], one["reserved"]])).collect();
    assert_eq!(months, [json!([second, 3, 0]), json!([first, 0, 0])]);
    // A month begins with nothing, and pages don't notice.
    let (until, _, _) = shared::jobs::resets(world.clock.now());
    world.clock.advance(i64::try_from(until).unwrap() * 1_000);
    let months: Vec<Value> = ada.all("/api/v1/usage?limit=1").await.iter().map(|one| one["month"].clone()).collect();
    assert_eq!(months, [json!(keys::month_of(world.clock.now())), json!(second), json!(first)]);

    for bad in ["2026-13", "2026", "2026-1", "26-01", "x", "2026-01-01"] {
        let answer = ada.get(&format!("/api/v1/ledger?month={bad}")).await;
        assert_eq!(answer.code(), (400, "validation".to_owned()), "{bad}");
        assert_eq!(answer.json()["errors"][0]["field"], "month");
    }
    // What isn't one's own is as good as not there.
    let bob = world.user("bob").await;
    for id in [late.as_str(), "nonsense"] {
        let answer = bob.get(&format!("/api/v1/ledger?generation_id={id}")).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"items": [], "next_cursor": null})));
    }
    assert_eq!(books(&world, &ada).await.problems, Vec::<String>::new());
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_the_books_is_found() {
    let world = World::start_at(&[], still()).await;
    let (ada, table) = (world.user("ada").await, Table::of(&world));
    let made = ada.made(&pictures("two", 2)).await;
    assert_eq!(books(&world, &ada).await.problems, Vec::<String>::new());
    let place = Place::from(Options::new(world.data()));
    let checked = place.verify(None).await.unwrap();
    assert!(checked.len() == 1 && checked[0].1.problems.is_empty() && checked[0].1.assets == 2);

    let user = ada.user().id;
    let generation = keys::generation(user, made["id"].as_str().unwrap().parse().unwrap());
    let asset = keys::asset(user, made["assets"][0]["id"].as_str().unwrap().parse().unwrap());
    let month = keys::quota(user, &keys::month_of(world.clock.now()));
    let stored = world.platform.db.generation(user, made["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap();
    let call = keys::call(stored.calls[0]);
    let line = keys::Key { pk: generation.pk.clone(), sk: world.platform.db.ledger(user, None, 1).await.unwrap().items[0].0.clone() };
    let number = |value: i64| N(value.to_string());
    // Each is put right again before the next.
    let changes: [(&keys::Key, &str, AttributeValue); 9] = [
        (&month, "taken", number(3)),
        (&month, "charged", number(1)),
        (&month, "spend", number(7)),
        (&month, "units#flux-schnell", number(1)),
        (&generation, "units_charged", number(1)),
        (&generation, "price_actual", number(1)),
        (&generation, "open", number(1)),
        (&line, "units", number(5)),
        (&call, "state", AttributeValue::S("FAILED".to_owned())),
    ];
    for (key, name, value) in changes {
        let good = table.item(key.pk.clone(), key.sk.clone()).await;
        let mut bad = good.clone();
        assert_ne!(bad.insert(name.to_owned(), value.clone()), Some(value), "{key} {name}");
        table.put(bad).await;
        assert!(!books(&world, &ada).await.problems.is_empty(), "{key} {name}");
        table.put(good).await;
    }
    for key in [&asset, &generation, &line, &month] {
        let good = table.item(key.pk.clone(), key.sk.clone()).await;
        table.delete(key.pk.clone(), key.sk.clone()).await;
        let problems = books(&world, &ada).await.problems;
        assert!(!problems.is_empty(), "{key}");
        let seen = place.verify(Some("ada@example.com")).await.unwrap();
        assert_eq!(seen[0].1.problems, problems);
        table.put(good).await;
    }
    let mut held = table.item(keys::slots(user).pk, keys::slots(user).sk).await;
    held.insert("running".to_owned(), number(1));
    table.put(held).await;
    assert_eq!(books(&world, &ada).await.problems.len(), 1);
    world.shutdown().await;
}

/// Says what it billed for whatever it is asked about, and nothing else.
#[derive(Debug)]
struct Bills(f64);

impl Provider for Bills {
    fn submit<'a>(&'a self, _: &'a Submission) -> BoxFuture<'a, Result<ProviderRequest, SubmitError>> {
        panic!("nothing is made here")
    }

    fn status<'a>(&'a self, _: &'a ProviderRequest) -> BoxFuture<'a, Result<Progress, AskError>> {
        panic!("everything is over here")
    }

    fn result<'a>(&'a self, _: &'a ProviderRequest, _: Option<&'a Model>) -> BoxFuture<'a, Result<Verdict, AskError>> {
        Box::pin(async { Ok(Verdict::Output(Output { billable_units: Some(self.0), ..Output::default() })) })
    }

    fn cancel<'a>(&'a self, _: &'a ProviderRequest) -> BoxFuture<'a, Result<Cancellation, AskError>> {
        panic!("everything is over here")
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), AskError>> {
        Box::pin(async { Ok(()) })
    }

    fn fetch<'a>(&'a self, _: &'a str, _: u64) -> BoxFuture<'a, Result<MediaStream, FetchError>> {
        panic!("nothing is kept here")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_billed_takes_the_place_of_the_estimate_once_though_a_callback_doesnt_say_it() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    // Callbacks are on here; the provider is asked afterwards.
    let told = ada.made(&picture("told by a callback")).await;
    let generation = world.platform.db.generation(ada.user().id, told["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap();
    let units = async |call| world.platform.db.call(call).await.unwrap().unwrap().billable_units;
    eventually("what was billed is known", async || units(generation.calls[0]).await.filter(|units| *units == 1.0)).await;

    // One about which the stand-in still says that it runs.
    let call = hanging(&world, &ada, "billed higher").await;
    let callback = Callback::about(&world, call).await.with_picture();
    assert_eq!(callback.signed().send(&world.stranger(None)).await.status, StatusCode::NO_CONTENT);
    let id = world.platform.db.call(call).await.unwrap().unwrap().generation.to_string();
    let made = ada.follow(&id).await;
    let estimate = micros(&made["price"]["estimated"]);
    assert_eq!((&made["state"], micros(&made["price"]["actual"]), units(call).await), (&json!("complete"), estimate, None));
    for units_billed in [2.5, 9.0] {
        let bills = world.platform.clone().with_provider(Arc::new(Bills(units_billed)));
        Jobs::new(&bills).await.unwrap().bill(call, 0).await.unwrap();
        let made = ada.get(&format!("/api/v1/generations/{id}")).await.json();
        assert_eq!((micros(&made["price"]["actual"]), units(call).await), (estimate * 5 / 2, Some(2.5)), "{units_billed}");
    }
    let usage = &ada.all("/api/v1/usage").await[0];
    assert_eq!(micros(&usage["spend"]), micros(&told["price"]["actual"]) + estimate * 5 / 2);
    assert_eq!(micros(&usage["models"][0]["spend"]), micros(&usage["spend"]));
    assert_eq!(micros(&usage["days"][0]["spend"]), micros(&usage["spend"]));
    assert_eq!(books(&world, &ada).await.problems, Vec::<String>::new());
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_billed_is_asked_for_until_the_provider_can_say_it() {
    let world = World::start().await;
    world.edition.provider().unwrap().update_settings(|settings| settings.late_delay = std::time::Duration::from_secs(4));
    let ada = world.user("ada").await;
    // The callback is there four seconds before the provider has the result that it tells of.
    let call = sent(&world, &ada, "[[run:late]] told early").await;
    let callback = Callback::about(&world, call).await.with_picture();
    assert_eq!(callback.signed().send(&world.stranger(None)).await.status, StatusCode::NO_CONTENT);
    let units = async || world.platform.db.call(call).await.unwrap().unwrap().billable_units;
    assert_eq!(eventually("what was billed is known", units).await, 1.0);
    world.shutdown().await;
}
