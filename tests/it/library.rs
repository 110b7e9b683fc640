//! Finding, changing, throwing away and taking home what is in the library.

use std::collections::BTreeSet;

use http::{Method, StatusCode, header};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::{Client, World, eventually, picture, pictures, sha256};

async fn world() -> World {
    World::start_with(&[("LIMIT_RUNNING_CALLS", "10")]).await
}

fn ids(assets: &[Value]) -> Vec<String> {
    assets.iter().map(|asset| asset["id"].as_str().unwrap().to_owned()).collect()
}

async fn found(client: &Client, query: &str) -> Vec<String> {
    ids(&client.all(&format!("/api/v1/assets?{query}")).await)
}

async fn edit(client: &Client, id: &str, change: Value) -> crate::world::Answer {
    client.json(Method::PATCH, &format!("/api/v1/assets/{id}"), &[], &change).await
}

/// One picture for each prompt, oldest first.
async fn seed(client: &Client, prompts: &[&str]) -> Vec<String> {
    let mut made = Vec::new();
    for prompt in prompts {
        made.append(&mut ids(client.made(&picture(prompt)).await["assets"].as_array().unwrap()));
    }
    assert_eq!(made.len(), prompts.len());
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_pictures_are_listed_once_each_in_pages_of_any_size_in_both_orders() {
    let world = world().await;
    let ada = world.user("ada").await;
    let mut started = Vec::new();
    for outputs in [4, 4, 4, 4, 4, 4, 4, 2] {
        started.push(ada.accepted(&pictures("one of thirty", outputs)).await);
    }
    for id in &started {
        assert_eq!(ada.follow(id).await["state"], "complete");
    }
    let newest = found(&ada, "").await;
    assert_eq!((newest.len(), newest.iter().collect::<BTreeSet<_>>().len()), (30, 30));
    assert!(newest.is_sorted_by(|a, b| a > b), "ids are made in the order of time");
    let oldest: Vec<String> = newest.iter().rev().cloned().collect();
    for (sort, expected) in [("newest", &newest), ("oldest", &oldest)] {
        for limit in [1, 7, 30] {
            let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let page = ada.get(&format!("/api/v1/assets?sort={sort}&limit={limit}{cursor}")).await.json();
                assert!(page["items"].as_array().unwrap().len() <= limit);
                seen.append(&mut ids(page["items"].as_array().unwrap()));
                pages += 1;
                match page["next_cursor"].as_str() {
                    Some(next) if pages <= 31 => cursor = format!("&cursor={next}"),
                    Some(_) => panic!("no end"),
                    None => break,
                }
            }
            assert_eq!(&seen, expected, "{sort} {limit}");
        }
    }
    assert_eq!(ada.get("/api/v1/assets").await.json()["items"].as_array().unwrap().len(), 24, "the usual page");
    let over = ada.all("/api/v1/generations").await;
    let listed: Vec<&str> = over.iter().map(|one| one["id"].as_str().unwrap()).collect();
    started.reverse();
    assert_eq!(listed, started, "generations, newest first");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_leads_on_only_in_the_list_it_came_from() {
    let world = world().await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    ada.made(&pictures("one of three", 3)).await;
    bob.made(&picture("bobs own")).await;
    let page = ada.get("/api/v1/assets?limit=1").await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    for other in ["assets?sort=oldest", "assets?kind=image", "assets?trash=true", "assets?q=three", "generations?", "ledger?", "usage?"] {
        let answer = ada.get(&format!("/api/v1/{other}&cursor={cursor}")).await;
        assert_eq!(answer.code(), (400, "validation".to_owned()), "{other}: {}", answer.text());
        assert_eq!(answer.json()["errors"][0]["field"], "cursor");
    }
    // With another's cursor one moves among what is one's own.
    for asset in bob.get(&format!("/api/v1/assets?limit=1&cursor={cursor}")).await.json()["items"].as_array().unwrap() {
        assert_eq!(asset["prompt"], "bobs own");
    }
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_find_what_they_say_alone_and_together() {
    let world = world().await;
    let ada = world.user("ada").await;
    let before = world.clock.now() - SignedDuration::from_secs(1);
    let made = seed(&ada, &["A lighthouse at dusk", "a lighthouse, at DAWN", "an owl"]).await;
    let [dusk, dawn, owl] = &made[..] else { panic!("three") };
    let mut other = picture("a lighthouse of another model");
    other["model"] = "z-image-turbo".into();
    other["parameters"] = json!({});
    let over = ada.made(&other).await;
    assert_eq!(over["state"], "complete", "{over}");
    let turbo = over["assets"][0]["id"].as_str().unwrap();
    // Words are indexed after the delivery.
    eventually("the index", async || (found(&ada, "q=lighthouse").await.len() == 3).then_some(())).await;
    assert_eq!(edit(&ada, dawn, json!({"favourite": true})).await.status, 200);
    let after = world.clock.now() + SignedDuration::from_secs(1);
    for (query, expected) in [
        ("q=lighthouse".to_owned(), vec![turbo, dawn, dusk]),
        ("q=LIGHTHOUSE&sort=oldest".to_owned(), vec![dusk, dawn, turbo]),
        ("q=lighthouse+dusk".to_owned(), vec![dusk]),
        ("q=lighthouse+owl".to_owned(), vec![]),
        ("q=light".to_owned(), vec![]),
        ("model=z-image-turbo".to_owned(), vec![turbo]),
        ("model=flux-2".to_owned(), vec![]),
        ("favourite=true".to_owned(), vec![dawn]),
        ("favourite=true&q=dusk".to_owned(), vec![]),
        ("favourite=false".to_owned(), vec![turbo, owl, dusk]),
        ("kind=image&q=owl".to_owned(), vec![owl]),
        ("kind=video".to_owned(), vec![]),
        (format!("from={before}&to={after}"), vec![turbo, owl, dawn, dusk]),
        (format!("from={after}"), vec![]),
        (format!("to={before}"), vec![]),
    ] {
        assert_eq!(found(&ada, &query).await, expected, "{query}");
    }
    assert_eq!(edit(&ada, dawn, json!({"favourite": false})).await.status, 200);
    assert_eq!(found(&ada, "favourite=true").await, Vec::<String>::new());
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_delivered_as_it_is_and_found_by_its_kind() {
    let world = world().await;
    let ada = world.user("ada").await;
    let still = seed(&ada, &["a still picture"]).await;
    let film = json!({"model": "ltx-2.3", "inputs": {"prompt": "waves at night"}});
    let over = ada.made(&film).await;
    assert_eq!(over["state"], "complete", "{over}");
    let id = over["assets"][0]["id"].as_str().unwrap();
    assert_eq!(found(&ada, "kind=video").await, [id]);
    assert_eq!(found(&ada, "kind=image").await, still);
    let media = ada.get(over["assets"][0]["media"]["url"].as_str().unwrap()).await;
    assert_eq!((media.header(header::CONTENT_TYPE), &media.body[4..8]), ("video/mp4", &b"ftyp"[..]));
    assert_eq!(sha256(&media.body), over["assets"][0]["media"]["sha256"]);
    assert_eq!(over["units"]["reserved"], over["units"]["charged"]);
    assert!(over["units"]["charged"].as_u64().unwrap() > 1, "a video takes more than a picture");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_thrown_away_is_in_the_trash_until_it_is_taken_out() {
    let world = world().await;
    let ada = world.user("ada").await;
    let made = seed(&ada, &["to keep", "to throw away"]).await;
    let path = format!("/api/v1/assets/{}", made[1]);
    eventually("the index", async || (found(&ada, "q=throw").await.len() == 1).then_some(())).await;
    edit(&ada, &made[1], json!({"favourite": true})).await;
    for _ in 0..2 {
        assert_eq!(ada.send(Method::DELETE, &path, &[], Vec::new()).await.status, StatusCode::NO_CONTENT);
        assert_eq!(found(&ada, "").await, made[..1]);
        assert_eq!(found(&ada, "trash=true").await, made[1..]);
        assert!(found(&ada, "q=throw").await.is_empty() && found(&ada, "favourite=true").await.is_empty());
        assert!(ada.get(&path).await.json()["deleted_at"].is_string());
    }
    for _ in 0..2 {
        let restored = ada.post(&format!("{path}/restore"), &json!({})).await;
        assert_eq!((restored.status, &restored.json()["deleted_at"]), (StatusCode::OK, &Value::Null));
        assert_eq!(found(&ada, "sort=oldest").await, made);
        assert!(found(&ada, "trash=true").await.is_empty());
        assert_eq!((found(&ada, "q=throw").await, found(&ada, "favourite=true").await), (made[1..].to_vec(), made[1..].to_vec()));
    }
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_changes_words_and_marks_and_nothing_else() {
    let world = world().await;
    let ada = world.user("ada").await;
    let made = seed(&ada, &["an owl"]).await;
    let id = &made[0];
    let changed = edit(&ada, id, json!({"title": "  My owl ", "alt_text": "An owl.\nIt sits.", "favourite": true})).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let before = ada.get(&format!("/api/v1/assets/{id}")).await.json();
    assert_eq!(
        [&before["title"], &before["alt_text"], &before["favourite"]],
        [&json!("My owl"), &json!("An owl.\nIt sits."), &json!(true)]
    );
    for (change, field, code) in [
        (json!({"title": "x".repeat(201)}), "title", "too-long"),
        (json!({"alt_text": "x".repeat(1_001)}), "alt_text", "too-long"),
        (json!({"title": "a\u{7}b"}), "title", "not-allowed"),
        (json!({"title": 7}), "title", "invalid"),
        (json!({"favourite": "yes"}), "favourite", "invalid"),
        (json!({"prompt": "another"}), "prompt", "unknown"),
        (json!({"user": "somebody"}), "user", "unknown"),
    ] {
        let answer = edit(&ada, id, change).await;
        assert_eq!(answer.code(), (400, "validation".to_owned()), "{field}");
        let error = &answer.json()["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!(code)), "{error}");
    }
    let mut after = ada.get(&format!("/api/v1/assets/{id}")).await.json();
    // Signed anew at each look.
    after["media"]["url"] = before["media"]["url"].clone();
    after["thumbnails"] = before["thumbnails"].clone();
    assert_eq!(after, before);
    let removed = edit(&ada, id, json!({"title": null})).await.json();
    assert_eq!((&removed["title"], &removed["alt_text"]), (&Value::Null, &json!("An owl.\nIt sits.")));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_the_original_under_a_name_that_says_what_it_is() {
    let world = world().await;
    let ada = world.user("ada").await;
    let over = ada.made(&picture("An owl / \"at\" ../night: Ümläut")).await;
    let asset = &over["assets"][0];
    let id = asset["id"].as_str().unwrap();
    let redirect = ada.get(&format!("/api/v1/assets/{id}/download")).await;
    assert_eq!(redirect.status, StatusCode::FOUND, "{}", redirect.text());
    let location = redirect.header(header::LOCATION).to_owned();
    assert!(location.starts_with(world.edition.origin()), "{location}");
    let file = world.stranger(None).get(&location).await;
    assert_eq!((file.status, sha256(&file.body)), (StatusCode::OK, asset["media"]["sha256"].as_str().unwrap().to_owned()));
    let disposition = file.header(header::CONTENT_DISPOSITION);
    let name = format!("an-owl-at-night-mlut-{}.jpg", &id[id.len() - 6..]);
    assert_eq!(disposition, format!("attachment; filename=\"{name}\""));
    let altered = world.stranger(None).get(&location.replace(id, "0190163d8694739baea5966c26f8ad91")).await;
    assert_eq!(altered.status, StatusCode::FORBIDDEN);
    edit(&ada, id, json!({"title": "Night Bird"})).await;
    let redirect = ada.get(&format!("/api/v1/assets/{id}/download")).await;
    let file = world.stranger(None).get(redirect.header(header::LOCATION)).await;
    assert!(file.header(header::CONTENT_DISPOSITION).contains("night-bird-"), "{}", file.header(header::CONTENT_DISPOSITION));
    world.shutdown().await;
}
