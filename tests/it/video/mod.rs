//! Films: what is known of them, and their posters.

mod world;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use shared::domain::asset::PosterState;
use shared::id::AssetId;
use shared::jobs::Jobs;
use shared::media::{Bucket, keys};

use crate::world::{Client, World, eventually, picture, sha256, still};
use world::{DEAD_LETTERS, Library, QUEUE, brightness, distance, film, first_picture, probed};

/// Fields of a picture that are compared.
const GRID: (usize, usize) = (16, 9);

/// The asset, once it has a poster.
async fn with_poster(client: &Client, id: &str) -> Value {
    let path = format!("/api/v1/assets/{id}");
    eventually("a poster", async || Some(client.get(&path).await.json()).filter(|asset| asset["thumbnails"][0].is_object())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_made_from_words_is_playable_and_shows_its_first_picture() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let request = json!({
        "model": "wan-2.7",
        "inputs": {"prompt": "a lighthouse on hills at dawn"},
        "parameters": {"duration": 3, "resolution": "720p", "aspect": "16:9"},
    });
    let over = ada.made(&request).await;
    assert_eq!((&over["state"], &over["warnings"]), (&json!("complete"), &json!([])), "{over}");
    let id = over["assets"][0]["id"].as_str().unwrap();
    let asset = with_poster(&ada, id).await;
    let media = &asset["media"];
    assert_eq!((&asset["kind"], &media["content_type"]), (&json!("video"), &json!("video/mp4")));
    assert_eq!((&media["width"], &media["height"]), (&json!(1_280), &json!(720)));

    // As a player asks for it: a part, then all.
    let url = media["url"].as_str().unwrap();
    let part = ada.send(Method::GET, url, &[("range", "bytes=0-11")], Vec::new()).await;
    assert_eq!((part.status, part.header(header::CONTENT_TYPE)), (StatusCode::PARTIAL_CONTENT, "video/mp4"));
    assert_eq!(part.header(header::CONTENT_RANGE), format!("bytes 0-11/{}", media["bytes"]));
    let file = ada.get(url).await.body;
    assert_eq!((file.len() as u64, sha256(&file)), (media["bytes"].as_u64().unwrap(), media["sha256"].as_str().unwrap().to_owned()));

    // What the file says, read by us and, where it is installed, by somebody else.
    let stored = world.platform.db.asset(ada.user().id, id.parse().unwrap()).await.unwrap().unwrap();
    let index = world.platform.media.video(&stored.key, stored.bytes).await.unwrap().index;
    let fps = f64::from(index.frames) / 3.0;
    assert_eq!((index.width, index.height, fps.fract()), (1_280, 720, 0.0), "{index:?}");
    let duration = media["duration_ms"].as_f64().unwrap();
    assert!((duration - 3_000.0).abs() <= 1_000.0 / fps, "{duration} ms at {fps} a second");
    if let Some(said) = probed(&file) {
        assert_eq!((&said["width"], &said["height"]), (&json!(1_280), &json!(720)));
        assert_eq!(said["nb_read_frames"], index.frames.to_string());
        let seconds: f64 = said["duration"].as_str().unwrap().parse().unwrap();
        assert!((seconds * 1_000.0 - duration).abs() <= 1_000.0 / fps, "{said}");
    }

    let sizes: Vec<Value> = asset["thumbnails"].as_array().unwrap().iter().map(|one| json!([one["width"], one["height"]])).collect();
    assert_eq!(sizes, [json!([512, 288]), json!([1_280, 720])]);
    assert!(asset["placeholder"].is_string());
    let first = first_picture(&file, &index, GRID);
    for thumbnail in asset["thumbnails"].as_array().unwrap() {
        let poster = ada.get(thumbnail["url"].as_str().unwrap()).await;
        assert_eq!((poster.status, poster.header(header::CONTENT_TYPE)), (StatusCode::OK, "image/webp"));
        let poster = image::load_from_memory_with_format(&poster.body, image::ImageFormat::WebP).unwrap().into_rgb8();
        assert_eq!(json!([poster.width(), poster.height()]), json!([thumbnail["width"], thumbnail["height"]]));
        let (apart, varies) = distance(&first, &brightness(&poster, GRID));
        assert!(apart < 2.0 && varies > 4.0, "{apart} apart, varying by {varies}");
    }
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_made_from_a_picture_has_a_poster_that_looks_like_it() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let source = ada.made(&picture("a red fox in the snow")).await["assets"][0].clone();
    let request = json!({
        "model": "ltx-2.3-i2v",
        "inputs": {"prompt": "it looks up", "start_frame": source["id"]},
        "parameters": {"duration": 6, "resolution": "1080p", "aspect": "16:9"},
    });
    let over = ada.made(&request).await;
    assert_eq!(over["state"], "complete", "{over}");
    let asset = with_poster(&ada, over["assets"][0]["id"].as_str().unwrap()).await;
    assert_eq!((&asset["kind"], &asset["parent_id"]), (&json!("video"), &source["id"]));
    assert_eq!((&asset["media"]["width"], &asset["media"]["height"]), (&json!(1_920), &json!(1_080)));
    let pixels = async |url: &Value| image::load_from_memory(&ada.get(url.as_str().unwrap()).await.body).unwrap();
    let poster = pixels(&asset["thumbnails"][0]["url"]).await.into_rgb8();
    assert_eq!((poster.width(), poster.height()), (512, 288));
    // The film shows the middle of the square, in its own shape.
    let source = pixels(&source["media"]["url"]).await;
    let (width, height) = (source.width(), source.width() * 9 / 16);
    let middle = source.crop_imm(0, (source.height() - height) / 2, width, height).into_rgb8();
    let (apart, varies) = distance(&brightness(&middle, GRID), &brightness(&poster, GRID));
    assert!(apart < 8.0 && varies > 1.5 * apart, "{apart} apart, varying by {varies}");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_cannot_be_played_is_refused_and_free() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let source = ada.made(&picture("a red fox in the snow")).await["assets"][0].clone();
    let charged = ada.usage().await;
    // The index comes first in one and last in the other; half of either is none.
    for (model, inputs, words) in [
        ("wan-2.7", json!({"prompt": "[[media:truncated]] a fox"}), "ends too early"),
        ("wan-2.7-i2v", json!({"prompt": "[[media:truncated]] a fox", "start_frame": source["id"]}), "can't be played"),
    ] {
        let over = ada.made(&json!({"model": model, "inputs": inputs, "parameters": {"duration": 2, "resolution": "720p"}})).await;
        assert_eq!((&over["state"], &over["error"]["code"]), (&json!("failed"), &json!("unusable-result")), "{over}");
        let message = over["error"]["message"].as_str().unwrap();
        assert!(message.contains(words) && message.ends_with("Nothing was charged for it."), "{message}");
    }
    assert_eq!(ada.usage().await, charged);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_film_is_settled_once_and_for_good() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let mut library = Library::of(&world, &ada).await;

    // Black for two key frames.
    let fades_in = library.place(&film(&[16, 16, 180])).await;
    library.ask(fades_in).await;
    let asset = library.settled(fades_in).await;
    assert_eq!((asset.poster, asset.thumbnails.len(), asset.placeholder.is_some()), (PosterState::Done, 1, true));
    let mean = brightness(&library.poster(&asset).await, (1, 1))[0];
    assert!((mean - 180.0).abs() < 3.0, "{mean}");
    assert!(!library.is_listed_as_open(fades_in).await);
    // A night is dark, and that is its poster.
    let night = library.place(&film(&[16, 16, 16, 200])).await;
    library.ask(night).await;
    let asset = library.settled(night).await;
    assert!((brightness(&library.poster(&asset).await, (1, 1))[0] - 16.0).abs() < 3.0);

    // What isn't decoded here says so; a file that is gone, and one that is none.
    let mut hevc = film(&[90, 90]);
    let at = hevc.windows(4).rposition(|four| four == b"avc1").unwrap();
    hevc[at..at + 4].copy_from_slice(b"hvc1");
    for (file, reason) in [(&hevc[..], "the codec hvc1 isn't decoded here"), (b"\0\0\0\x20ftypisom and nothing else", "it has no index")] {
        let asset = library.place(file).await;
        library.ask(asset).await;
        let settled = library.settled(asset).await;
        assert_eq!((settled.poster, settled.poster_reason.as_deref()), (PosterState::Impossible, Some(reason)));
        assert!(!library.is_listed_as_open(asset).await, "nobody asks again");
        let view = ada.get(&format!("/api/v1/assets/{asset}")).await.json();
        assert_eq!(view["thumbnails"], json!([]), "{view}");
    }
    let gone = library.place(&film(&[90])).await;
    let key = library.asset(gone).await.key;
    world.platform.media.delete(Bucket::Media, &key).await.unwrap();
    library.ask(gone).await;
    assert_eq!(library.settled(gone).await.poster, PosterState::Impossible);

    // Killed after the poster was written and before it was named: what lies there stays.
    let again = library.place(&film(&[120])).await;
    let key = keys::poster(&library.asset(again).await.key, 512);
    world.platform.media.put(Bucket::Media, &key, "image/webp", Bytes::from_static(b"an earlier attempt")).await.unwrap();
    library.ask(again).await;
    library.ask(again).await;
    assert_eq!(library.settled(again).await.thumbnails[0].key, key);
    assert_eq!(world.platform.media.get(Bucket::Media, &key, 100).await.unwrap(), "an earlier attempt");
    // Deleted while its message was under way.
    library.ask("0190163d8694739baea5966c26f8ad91".parse().unwrap()).await;
    let queues = world.edition.queues();
    let emptied = async || Some(queues.depths(QUEUE).await.unwrap()).filter(|depths| depths.visible + depths.in_flight == 0);
    eventually("every message is dealt with", emptied).await;
    assert_eq!(queues.depths(DEAD_LETTERS).await.unwrap().visible, 0);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poster_is_asked_for_five_times_and_then_given_up() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let mut library = Library::of(&world, &ada).await;
    let jobs = Jobs::new(&world.platform).await.unwrap();
    // Without a key the bucket can't be asked, as when it is out of reach.
    let stuck = library.place(&film(&[90])).await;
    library.change(stuck, "key", "").await;
    let asked = async || library.asset(stuck).await.poster_asked;
    for (times, minutes) in [(1, 2), (2, 10), (3, 60), (4, 360), (5, 1_440)] {
        jobs.sweep().await.unwrap();
        assert_eq!(asked().await, times);
        jobs.sweep().await.unwrap();
        assert_eq!(asked().await, times, "not due again");
        world.clock.advance(minutes * 60_000);
    }
    assert_eq!(library.asset(stuck).await.poster, PosterState::Pending);
    jobs.sweep().await.unwrap();
    let settled = library.asset(stuck).await;
    assert_eq!((settled.poster, settled.poster_reason.as_deref()), (PosterState::Impossible, Some("it was asked for too often")));
    assert!(!library.is_listed_as_open(stuck).await);
    // What was lost on its way is found by the same means.
    let lost = library.place(&film(&[150])).await;
    jobs.sweep().await.unwrap();
    assert_eq!(library.settled(lost).await.poster, PosterState::Done);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_message_harms_nobody_else() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let mut library = Library::of(&world, &ada).await;
    let mut films: Vec<AssetId> = Vec::new();
    for brightness in 0..9 {
        films.push(library.place(&film(&[100 + brightness * 10])).await);
    }
    for (number, asset) in films.iter().enumerate() {
        if number == 4 {
            library.send(r#"{"user": "nobody", "asset": 7}"#.to_owned()).await;
        }
        library.ask(*asset).await;
    }
    for (luma, asset) in (100_u8..).step_by(10).zip(&films) {
        let settled = library.settled(*asset).await;
        assert_eq!(settled.poster, PosterState::Done);
        let mean = brightness(&library.poster(&settled).await, (1, 1))[0];
        assert!((mean - f64::from(luma)).abs() < 3.0, "each has its own: {mean} for {luma}");
    }
    let queues = world.edition.queues();
    let mut receives = 0;
    eventually("five receives", async || {
        let depths = queues.depths(QUEUE).await.unwrap();
        if depths.in_flight > 0 {
            // The visibility time-out of six minutes is over.
            receives += queues.release_in_flight().await.unwrap();
        }
        let dead = queues.depths(DEAD_LETTERS).await.unwrap();
        (dead.visible == 1 && depths.visible + depths.in_flight == 0).then_some(())
    })
    .await;
    assert_eq!(receives, 5);
    world.shutdown().await;
}
