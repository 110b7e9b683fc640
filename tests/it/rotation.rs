//! Keys are exchanged while they are in use, and nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use http::StatusCode;
use local::data_folder::{OWN_KEYS, exchange_key};
use shared::id::CallId;
use shared::jobs::hook;

use crate::world::{World, picture, sha256};

/// Longer than a secret is kept here, and than one that was refused is believed before it may be read again.
const SEEN: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exchanged_under_load_without_a_failed_request() {
    let world = World::start_with(&[("SECRETS_KEEP_SECONDS", "1"), ("LIMIT_DAILY_OUTPUTS", "1000"), ("LIMIT_RUNNING_CALLS", "10")]).await;
    let ada = world.user("ada").await;
    let over = ada.made(&picture("a lighthouse")).await;
    let asset = format!("/api/v1/assets/{}", over["assets"][0]["id"].as_str().unwrap());
    let hash = over["assets"][0]["media"]["sha256"].as_str().unwrap().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let rounds: [Arc<AtomicU32>; 4] = std::array::from_fn(|_| Arc::default());
    let mut load = Vec::new();
    for round in &rounds {
        let (ada, asset, hash, stop, round) = (ada.clone(), asset.clone(), hash.clone(), stop.clone(), round.clone());
        load.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let shown = ada.get(&asset).await;
                assert_eq!(shown.status, StatusCode::OK, "{}", shown.text());
                let media = ada.get(shown.json()["media"]["url"].as_str().unwrap()).await;
                assert_eq!((media.status, sha256(&media.body)), (StatusCode::OK, hash.clone()), "a signed address");
                round.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let make = async {
        let mut made = 0;
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(ada.made(&picture("hills")).await["state"], "complete");
            made += 1;
        }
        made
    };
    // A second exchange ends the key from before the first, so it comes when nothing made with that is under way any more,
    // however slow this machine is: operators wait an hour for the same reason.
    let exchange = async {
        for _ in 0..3 {
            for key in OWN_KEYS {
                exchange_key(&world.data(), key).unwrap();
            }
            tokio::time::sleep(SEEN).await;
            let begun = rounds.each_ref().map(|round| round.load(Ordering::Relaxed));
            for (round, begun) in rounds.iter().zip(begun) {
                while round.load(Ordering::Relaxed) < begun + 2 && Arc::strong_count(round) > 1 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            tokio::time::sleep(SEEN).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (made, ()) = tokio::join!(make, exchange);
    for one in load {
        one.await.unwrap();
    }
    let asked = 2 * rounds.iter().map(|round| round.load(Ordering::Relaxed)).sum::<u32>();
    eprintln!("{asked} requests and {made} generations over three exchanges of each key, 0 failed");
    assert!(asked > 50 && made > 0, "{asked} {made}");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_to_call_back_is_good_until_the_second_exchange() {
    let world = World::start_with(&[("SECRETS_KEEP_SECONDS", "1")]).await;
    let call = CallId::new(world.clock.now());
    let address = hook::address(&world.platform, call).await.unwrap();
    let code = address.rsplit('/').next().unwrap();
    for good in [true, true, false] {
        assert_eq!(hook::is_ours(&world.platform, call, 1, code).await.unwrap(), good);
        exchange_key(&world.data(), "webhook_mac_key").unwrap();
        tokio::time::sleep(SEEN).await;
    }
    assert_ne!(hook::address(&world.platform, call).await.unwrap(), address);
    world.shutdown().await;
}
