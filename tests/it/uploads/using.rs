//! What works from pictures that were brought, and what doesn't.

use http::{Method, StatusCode, header};
use image::{GrayImage, ImageFormat, Luma};
use serde_json::{Value, json};
use shared::domain::generation::Generation;

use super::{assert_unusable, begin, complete, file, plain, restyled, uploaded};
use crate::world::{Client, World, picture, sha256, still};

const HOUR: i64 = 3_600_000;

/// White on the left half.
fn half_mask(width: u32, height: u32) -> Vec<u8> {
    file(GrayImage::from_fn(width, height, |x, _| Luma([if x < width / 2 { 255 } else { 0 }])), ImageFormat::Png)
}

async fn stored_generation(world: &World, client: &Client, over: &Value) -> Generation {
    let id = over["id"].as_str().unwrap().parse().unwrap();
    world.platform.db.generation(client.user().id, id).await.unwrap().unwrap()
}

fn film(start_frame: &str) -> Value {
    json!({
        "model": "wan-2.7-i2v",
        "inputs": {"prompt": "the camera moves on", "start_frame": start_frame},
        "parameters": {"duration": 2, "resolution": "720p", "seed": 7},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_begins_with_the_frame_that_was_brought() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let mut hashes = Vec::new();
    let mut video = String::new();
    for colour in [[220, 20, 20], [20, 20, 220]] {
        let frame = uploaded(&ada, "image", &plain(640, 360, colour)).await;
        let over = ada.made(&film(&frame)).await;
        assert_eq!(over["state"], "complete", "{over}");
        let asset = &over["assets"][0];
        assert_eq!((&asset["kind"], &asset["parent_id"]), (&json!("video"), &Value::Null));
        assert_eq!((&asset["media"]["width"], &asset["media"]["height"]), (&json!(1_280), &json!(720)));
        let media = ada.get(asset["media"]["url"].as_str().unwrap()).await;
        assert_eq!((media.status, media.header(header::CONTENT_TYPE)), (StatusCode::OK, "video/mp4"));
        hashes.push(sha256(&media.body));
        video = asset["id"].as_str().unwrap().to_owned();
    }
    assert_ne!(hashes[0], hashes[1], "another frame, another film");
    // A film is no picture.
    let answer = ada.generate(&film(&video)).await;
    let error = answer.json()["errors"][0].clone();
    assert_eq!((answer.status.as_u16(), &error["field"], &error["code"]), (400, &json!("inputs.start_frame"), &json!("wrong-type")));
    assert!(error["message"].as_str().unwrap().contains("video"), "{error}");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_masked_is_painted_anew_and_the_rest_is_kept() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let image = uploaded(&ada, "image", &plain(400, 300, [128, 128, 128])).await;
    // Smaller than the image: it is made as large before it is sent.
    let mask = uploaded(&ada, "mask", &half_mask(200, 150)).await;
    let request = |mask: &str| {
        json!({
            "model": "flux-fill",
            "inputs": {"prompt": "a red boat", "images": [image], "mask": mask},
            "parameters": {"format": "png"},
        })
    };
    let other = uploaded(&ada, "mask", &half_mask(150, 150)).await;
    assert_unusable("another shape", &ada, &request(&other), "inputs.mask", "size-differs").await;
    assert_unusable("an image as a mask", &ada, &request(&image), "inputs.mask", "not-a-mask").await;

    let over = ada.made(&request(&mask)).await;
    assert_eq!(over["state"], "complete", "{over}");
    let media = ada.get(over["assets"][0]["media"]["url"].as_str().unwrap()).await;
    let painted = image::load_from_memory(&media.body).unwrap().into_rgb8();
    assert_eq!((painted.width(), painted.height()), (400, 300));
    let distance = |from: u32, to: u32| -> u64 {
        let pixels = (from..to).flat_map(|x| (60..200).map(move |y| (x, y)));
        pixels.map(|(x, y)| painted.get_pixel(x, y).0.iter().map(|c| u64::from(c.abs_diff(128))).sum::<u64>()).sum::<u64>()
            / u64::from((to - from) * 140)
    };
    assert!(distance(10, 190) > 20, "the white half is new: {}", distance(10, 190));
    assert!(distance(210, 390) < 6, "the black half is as it was: {}", distance(210, 390));
    let copies = stored_generation(&world, &ada, &over).await.copies;
    assert_eq!(copies.into_iter().collect::<Vec<_>>(), [("inputs.mask".to_owned(), format!("fit/{mask}-400x300.png"))]);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_the_model_takes_is_made_smaller_and_stays_the_parent() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let small = uploaded(&ada, "image", &plain(600, 300, [60, 140, 90])).await;
    let enlarge = json!({"model": "esrgan", "inputs": {"images": [small]}, "parameters": {"scale": 4}});
    let over = ada.made(&enlarge).await;
    assert_eq!(over["state"], "complete", "{over}");
    let large = over["assets"][0].clone();
    assert_eq!((&large["media"]["width"], &large["parent_id"]), (&json!(2_400), &Value::Null));

    let (large, mask) = (large["id"].as_str().unwrap(), uploaded(&ada, "mask", &half_mask(300, 150)).await);
    // The model refuses a mask that isn't exactly as large as the picture.
    let fill = json!({"model": "flux-fill", "inputs": {"prompt": "a red boat", "images": [large], "mask": mask}});
    let over = ada.made(&fill).await;
    assert_eq!(over["state"], "complete", "{over}");
    let asset = &over["assets"][0];
    assert_eq!((&asset["media"]["width"], &asset["media"]["height"]), (&json!(2_048), &json!(1_024)));
    assert_eq!(asset["parent_id"], large);
    let copies = stored_generation(&world, &ada, &over).await.copies;
    let fields: Vec<&str> = copies.keys().map(String::as_str).collect();
    assert_eq!(fields, ["inputs.images[0]", "inputs.mask"]);

    ada.send(Method::DELETE, &format!("/api/v1/assets/{large}"), &[], Vec::new()).await;
    let answer = ada.generate(&restyled(large)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["errors"][0]["code"]), (400, &json!("in-trash")));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_person_brought_isnt_there() {
    let world = World::start().await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let theirs = uploaded(&ada, "image", &plain(400, 300, [1, 2, 3])).await;
    let mut words = Vec::new();
    for id in [theirs.as_str(), "0190163d8694739baea5966c26f8ad91"] {
        assert_eq!(complete(&bob, id).await.code(), (404, "not-found".to_owned()));
        assert_unusable(id, &bob, &restyled(id), "inputs.images[0]", "not-found").await;
        assert_unusable(id, &bob, &film(id), "inputs.start_frame", "not-found").await;
        words.push(bob.generate(&restyled(id)).await.json()["errors"].clone());
    }
    assert_eq!(words[0], words[1]);
    assert_eq!(complete(&bob, "no-id").await.code(), (404, "not-found".to_owned()));
    // Each of several is named by its place, and its own small size.
    let images = json!({"model": "flux-2-edit", "inputs": {"prompt": "both", "images": [theirs, "0190163d8694739baea5966c26f8ad91"]}});
    assert_unusable("second", &ada, &images, "inputs.images[1]", "not-found").await;
    let small = json!({"model": "veo-3.1-i2v", "inputs": {"prompt": "on and on", "start_frame": theirs}});
    assert_unusable("small", &ada, &small, "inputs.start_frame", "too-small").await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_after_a_day_and_what_was_made_of_it_doesnt() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let (png, unsent) = (plain(400, 300, [1, 2, 3]), plain(1, 1, [1, 2, 3]));
    let id = uploaded(&ada, "image", &png).await;
    let pending = begin(&ada, "image", "image/png", &unsent).await["id"].as_str().unwrap().to_owned();
    world.clock.advance(HOUR);
    let request = restyled(&id);
    let first = ada.generate_as("key", &request).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text());
    let over = ada.follow(first.json()["id"].as_str().unwrap()).await;
    assert_eq!(over["state"], "complete", "{over}");

    world.clock.advance(23 * HOUR);
    for id in [&id, &pending] {
        assert_eq!(complete(&ada, id).await.code(), (410, "gone".to_owned()));
    }
    let answer = ada.generate(&request).await;
    assert_eq!((answer.code(), &answer.json()["errors"][0]["code"]), ((400, "validation".to_owned()), &json!("expired")));
    // The same request again asks for nothing new.
    let again = ada.generate_as("key", &request).await;
    assert_eq!((again.status, &again.json()["id"]), (StatusCode::ACCEPTED, &over["id"]), "{}", again.text());
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waited_longer_than_its_upload_lives_ends_free() {
    let world = World::start_at(&[("LIMIT_RUNNING_CALLS", "1")], still()).await;
    let ada = world.user("ada").await;
    let id = uploaded(&ada, "image", &plain(400, 300, [1, 2, 3])).await;
    let running = ada.accepted(&picture("[[run:hang]] the first")).await;
    ada.until(&running, |generation| generation["state"] == "running").await;
    let waiting = ada.accepted(&restyled(&id)).await;
    world.clock.advance(25 * HOUR);
    let over = ada.follow(&waiting).await;
    assert_eq!((&over["state"], &over["error"]["code"]), (&json!("failed"), &json!("input-gone")), "{over}");
    assert_eq!(ada.usage().await, (0, 0));
    world.shutdown().await;
}
