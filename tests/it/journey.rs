//! From a request to a picture in the library, and what it cost.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::{StatusCode, header};
use image::ImageFormat;
use serde_json::{Value, json};

use crate::world::{World, picture, pictures, sha256};

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_made_stored_shown_and_charged() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let request = json!({
        "model": "flux-2",
        "inputs": {"prompt": "a lighthouse at dusk"},
        "parameters": {"aspect": "4:3", "seed": 42, "guidance": 3.5},
    });
    let estimate = ada.post("/api/v1/generations/estimate", &request).await;
    assert_eq!(estimate.status, StatusCode::OK, "{}", estimate.text());
    let estimate = estimate.json();

    let answer = ada.generate(&request).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header(header::LOCATION), format!("/api/v1/generations/{id}"));
    let over = ada.follow(&id).await;
    assert_eq!(over["state"], "complete", "{over}");
    assert_eq!((&over["error"], &over["progress"], &over["warnings"]), (&Value::Null, &Value::Null, &json!([])));
    assert!(over["finished_at"].is_string());
    assert_eq!(over["units"], json!({"reserved": estimate["units"], "charged": estimate["units"]}));
    assert_eq!(over["price"], json!({"estimated": estimate["price"], "actual": estimate["price"]}));

    let asset = over["assets"][0].clone();
    let shown = [&asset["kind"], &asset["model"], &asset["prompt"], &asset["generation_id"], &asset["parameters"]["seed"]];
    assert_eq!(shown, [&json!("image"), &json!("flux-2"), &json!("a lighthouse at dusk"), &json!(id), &json!(42)]);
    let media = ada.get(asset["media"]["url"].as_str().unwrap()).await;
    assert_eq!(media.status, StatusCode::OK);
    assert_eq!(media.header(header::CONTENT_TYPE), asset["media"]["content_type"]);
    assert_eq!(media.body.len() as u64, asset["media"]["bytes"]);
    assert_eq!(sha256(&media.body), asset["media"]["sha256"]);
    let decoded = image::load_from_memory_with_format(&media.body, ImageFormat::Png).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (1024, 768));
    assert_eq!((&asset["media"]["width"], &asset["media"]["height"]), (&json!(1024), &json!(768)));

    let sizes: Vec<Value> = asset["thumbnails"].as_array().unwrap().iter().map(|one| json!([one["width"], one["height"]])).collect();
    assert_eq!(sizes, [json!([512, 384]), json!([1024, 768])]);
    for thumbnail in asset["thumbnails"].as_array().unwrap() {
        let file = ada.get(thumbnail["url"].as_str().unwrap()).await;
        assert_eq!((file.status, file.header(header::CONTENT_TYPE)), (StatusCode::OK, "image/webp"));
        let decoded = image::load_from_memory_with_format(&file.body, ImageFormat::WebP).unwrap();
        assert_eq!(json!([decoded.width(), decoded.height()]), json!([thumbnail["width"], thumbnail["height"]]));
    }

    let listed = ada.all("/api/v1/assets").await;
    assert_eq!(listed.len(), 1);
    let detail = ada.get(&format!("/api/v1/assets/{}", asset["id"].as_str().unwrap())).await.json();
    for shown in [&listed[0], &detail] {
        for name in ["id", "generation_id", "prompt", "parameters", "placeholder", "created_at", "deleted_at", "favourite"] {
            assert_eq!(shown[name], asset[name], "{name}");
        }
        assert_eq!(shown["media"]["sha256"], asset["media"]["sha256"]);
    }

    let units = estimate["units"].as_u64().unwrap();
    assert_eq!((ada.ledger("reserved").await, ada.ledger("charged").await, ada.ledger("returned").await), (units, units, 0));
    assert_eq!(ada.usage().await, (units, 0));
    let month = &ada.all("/api/v1/usage").await[0];
    assert_eq!(month["models"], json!([{"model": "flux-2", "units": units, "spend": estimate["price"]}]));
    let me = ada.get("/api/v1/me").await.json();
    assert_eq!((&me["usage"]["used"], &me["usage"]["reserved"]), (&json!(units), &json!(0)));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_of_one_seed_differ_and_the_same_seed_makes_the_same_bytes_again() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let mut request = pictures("two foxes in the snow", 2);
    request["parameters"]["seed"] = 7.into();
    let hashes = async |request: &Value| -> BTreeSet<String> {
        let over = ada.made(request).await;
        assert_eq!(over["state"], "complete", "{over}");
        over["assets"].as_array().unwrap().iter().map(|asset| asset["media"]["sha256"].as_str().unwrap().to_owned()).collect()
    };
    let first = hashes(&request).await;
    assert_eq!(first.len(), 2, "two outputs, two pictures");
    assert_eq!(hashes(&request).await, first);
    request["parameters"]["seed"] = 700.into();
    assert!(hashes(&request).await.is_disjoint(&first));
    assert_eq!(ada.usage().await, (6, 0));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_the_same_generation_and_another_body_is_refused() {
    let world = World::start().await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let first = ada.generate_as("key-1", &picture("a red door")).await;
    let id = first.json()["id"].clone();
    ada.follow(id.as_str().unwrap()).await;
    let again = ada.generate_as("key-1", &picture("a red door")).await;
    assert_eq!((again.status, &again.json()["id"]), (StatusCode::ACCEPTED, &id));
    assert_eq!(ada.generate_as("key-1", &picture("a blue door")).await.code(), (422, "idempotency-mismatch".to_owned()));
    assert_eq!(ada.ledger("reserved").await, 1);
    // A key is its owner's.
    let other = bob.generate_as("key-1", &picture("a blue door")).await;
    assert_eq!(other.status, StatusCode::ACCEPTED);
    assert_ne!(other.json()["id"], id);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_repetitions_at_once_are_one_generation() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let request = picture("one and the same");
    let answers = join_all((0..50).map(|_| ada.generate_as("one-key", &request))).await;
    let ids: BTreeSet<String> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
            answer.json()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(ada.follow(ids.first().unwrap()).await["state"], "complete");
    assert_eq!((ada.all("/api/v1/generations").await.len(), ada.all("/api/v1/assets").await.len()), (1, 1));
    assert_eq!((ada.ledger("reserved").await, ada.ledger("charged").await), (1, 1));
    world.shutdown().await;
}
