//! What has been in the trash for 30 days goes for good.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::jobs::Jobs;

use super::ledger::{items, objects};
use crate::world::{Client, World, picture, still};

const DAY: i64 = 86_400_000;

async fn made(client: &Client, prompt: &str) -> String {
    let over = client.made(&picture(prompt)).await;
    assert_eq!(over["state"], "complete", "{over}");
    over["assets"][0]["id"].as_str().unwrap().to_owned()
}

async fn throw_away(client: &Client, id: &str) {
    let answer = client.send(Method::DELETE, &format!("/api/v1/assets/{id}"), &[], Vec::new()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trash_is_emptied_after_thirty_days_wherever_it_was_interrupted() {
    let world = World::start_at(&[], still()).await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let (gone, later, kept) = (made(&ada, "hills at dawn").await, made(&ada, "hills at noon").await, made(&ada, "hills at dusk").await);
    let link = ada.post("/api/v1/links", &json!({"asset_id": gone, "opens": "page"})).await.json()["key"].as_str().unwrap().to_owned();
    throw_away(&ada, &gone).await;
    throw_away(&ada, &kept).await;
    world.clock.advance(DAY);
    throw_away(&ada, &later).await;
    let jobs = Jobs::new(&world.platform).await.unwrap();
    world.clock.advance(29 * DAY - 1);
    jobs.sweep().await.unwrap();
    assert_eq!(ada.all("/api/v1/assets?trash=true").await.len(), 3, "not yet");
    assert_eq!(ada.post(&format!("/api/v1/assets/{kept}/restore"), &json!({})).await.status, StatusCode::OK);

    world.clock.advance(1);
    let mut killed = 0;
    loop {
        // Longer and longer, so that a slow machine comes to the end as well.
        let moment = Duration::from_micros(u64::from(u16::from_be_bytes(shared::id::random::<2>()))) * (killed + 1);
        match tokio::time::timeout(moment, jobs.sweep()).await {
            Err(_) => killed += 1,
            Ok(swept) => {
                assert_eq!(swept.unwrap().failed, 0);
                let left = items(&world).await.keys().filter(|key| key.contains("#TRASH / ") && key.contains(&gone)).count();
                if left == 0 {
                    break;
                }
            }
        }
        assert!(killed < 80, "it gets on");
        // An interrupted look is followed by another one.
        world.clock.advance(16 * 60_000);
    }
    let trash: Vec<Value> = ada.all("/api/v1/assets?trash=true").await;
    assert_eq!((trash.len(), &trash[0]["id"]), (1, &json!(later)), "after {killed} interruptions");
    assert_eq!(ada.get(&format!("/api/v1/assets/{gone}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ada.get(&format!("/api/v1/assets/{kept}")).await.status, StatusCode::OK);
    assert_eq!(nobody.get(&format!("/s/{link}")).await.status, StatusCode::GONE);
    assert!(ada.all("/api/v1/links").await.is_empty());
    let left: Vec<String> = items(&world).await.into_keys().filter(|key| key.contains(&gone)).collect();
    assert!(left.is_empty(), "{left:?}");
    let files = objects(&world).await;
    assert_eq!(files.iter().filter(|file| file.contains(&gone)).count(), 0);
    for id in [&later, &kept] {
        assert!(files.iter().filter(|file| file.contains(id.as_str())).count() >= 3, "{id}");
    }
    world.shutdown().await;
}
