//! Batches of which only a part is delivered: what is in the library is charged, in whatever way the part came about.

use std::sync::Arc;

use serde_json::json;
use shared::auth::operator;
use shared::db::settle::Outcome;
use shared::db::spend::Reservation;
use shared::domain::asset::{Asset, AssetKind, PosterState};
use shared::domain::generation::{Call, Generation};
use shared::domain::job::Event;
use shared::domain::limits::Limits;
use shared::domain::request::validate;
use shared::domain::user::User;
use shared::id::AssetId;
use shared::jobs;
use shared::provider::{catalogue, fal};
use shared::runtime::Platform;
use tests::Rng;

use super::network::Network;
use super::sim::Sim;
use super::table::{number, text};
use super::watch::Watch;
use super::world::variables;

const LIMITS: Limits = Limits { monthly: 1000, daily: 1000, hourly: 1000, concurrent: 8, concurrent_videos: 8 };

/// `n` outputs, by as many calls, or by one that makes them all.
async fn accepted(platform: &Platform, user: &User, n: u32, one_call: bool) -> (Generation, Vec<Call>) {
    let model = catalogue::find("flux-schnell").unwrap();
    let request = serde_json::from_value(json!({"model": model.id, "inputs": {"prompt": "a batch"}})).unwrap();
    let mut request = validate(model, request).unwrap();
    request.outputs = n;
    let now = platform.clock.now();
    let (mut generation, mut calls) = jobs::plan(model, request, user, now);
    if one_call {
        let assets = (0..n).map(|_| AssetId::new(now)).collect();
        calls = vec![Call { assets, ..calls.swap_remove(0) }];
        (generation.calls, generation.open) = (vec![calls[0].id], 1);
    }
    let key = generation.id.to_string();
    let reservation = Reservation { shard: 0, limit: i64::MAX };
    platform.db.accept(&generation, &calls, (&key, "hash"), &LIMITS, reservation).await.unwrap();
    (generation, calls)
}

/// As far as the provider's answer.
async fn ready(platform: &Platform, call: &Call) -> Call {
    let now = platform.clock.now();
    platform.db.take_slot(call, &LIMITS, now, now).await.unwrap();
    let request = fal::request_at(&platform.config.fal_queue, "a/b", &call.id.to_string()).unwrap();
    platform.db.accepted(call.id, &request, now).await.unwrap();
    platform.db.result_arrived(call.id, "{}", None, (now, now)).await.unwrap();
    platform.db.call(call.id).await.unwrap().unwrap()
}

fn outcome(call: &Call, delivered: usize) -> Outcome {
    let asset = |id: &AssetId| Asset {
        id: *id,
        user: call.user,
        kind: AssetKind::Image,
        generation: call.generation,
        call: call.id,
        key: String::new(),
        content_type: "image/png".to_owned(),
        width: 1,
        height: 1,
        bytes: 1,
        duration_ms: None,
        sha256: String::new(),
        thumbnails: Vec::new(),
        poster: PosterState::Done,
        poster_asked: 0,
        poster_reason: None,
        placeholder: None,
        model: call.model.clone(),
        prompt: None,
        parameters: std::collections::BTreeMap::new(),
        parent: None,
        title: None,
        alt_text: None,
        favourite: false,
        collections: Vec::new(),
        created_at: call.created_at,
        deleted_at: None,
    };
    let event = if delivered == 0 { Event::ImportRefused } else { Event::Stored };
    Outcome {
        event,
        assets: call.assets[..delivered].iter().map(asset).collect(),
        warnings: Vec::new(),
        reason: None,
        billable_units: None,
        price: None,
        due: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_batch_costs_what_was_delivered() {
    let mut rng = Rng::new(tests::seed());
    for n in 1..=8_u32 {
        for k in 0..=n {
            for one_call in [false, true] {
                let begins = "2026-11-24T10:00:00Z".parse().unwrap();
                let sim = Sim::new(rng.clone(), begins, None, Watch::new(LIMITS));
                let carrier = Network(Arc::clone(&sim)).carrier();
                let platform = Platform::connect_with(&variables(LIMITS, false), sim.clock.clone(), carrier).unwrap();
                let user =
                    operator::ensure_user(&platform.db, &sim.clock, "https://issuer.example", "a", "a@example.com", "a").await.unwrap();
                let (generation, mut calls) = accepted(&platform, &user, n, one_call).await;
                // In any order, each settled twice.
                let mut parts: Vec<usize> = if one_call { vec![k as usize] } else { (0..n).map(|index| usize::from(index < k)).collect() };
                for index in (1..parts.len()).rev() {
                    let (part, call) = (rng.between(0, index as u64) as usize, rng.between(0, index as u64) as usize);
                    parts.swap(index, part);
                    calls.swap(index, call);
                }
                for (call, part) in calls.iter().zip(parts) {
                    let call = ready(&platform, call).await;
                    platform.db.settle(&call, &outcome(&call, part), platform.clock.now()).await.unwrap();
                    platform.db.settle(&call, &outcome(&call, part), platform.clock.now()).await.unwrap_err();
                }

                let all = sim.table.all();
                let of = |sk: &str| all.iter().find(|item| text(item, "sk").starts_with(sk)).unwrap();
                let lines =
                    |kind: &str| -> i64 { all.iter().filter(|item| text(item, "kind") == kind).map(|item| number(item, "units")).sum() };
                let what = format!("{k} of {n}, one call: {one_call}");
                let (k, n) = (i64::from(k), i64::from(n));
                assert_eq!((number(of("QUOTA#"), "taken"), number(of("QUOTA#"), "charged")), (k, k), "{what}");
                assert_eq!((lines("reserved"), lines("charged"), lines("returned")), (n, k, n - k), "{what}");
                assert_eq!((number(of("DAY#"), "outputs"), number(of("SLOTS"), "running")), (k, 0), "{what}");
                let (stored, assets) = (of("GEN#"), all.iter().filter(|item| text(item, "sk").starts_with("ASSET#")).count());
                assert_eq!((number(stored, "open"), number(stored, "delivered"), number(stored, "units_charged")), (0, k, k), "{what}");
                assert_eq!((assets as i64, stored["id"]["S"].as_str()), (k, Some(generation.id.to_string().as_str())), "{what}");
            }
        }
    }
}
