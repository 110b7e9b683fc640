//! Each sentinel does what the table says.

use super::webhooks::{Receiver, deliveries};
use super::*;
use futures_util::StreamExt;

#[tokio::test]
async fn results_fail_as_asked() {
    let world = World::immediate().await;
    for (prompt, status, kind, retry) in [
        ("[[fail:content-policy]]", 422, "content_policy_violation", "0"),
        ("[[fail:validation]]", 422, "value_error", "0"),
        ("[[fail:server]]", 500, "internal_server_error", "0"),
        ("[[fail:timeout]]", 504, "generation_timeout", "1"),
    ] {
        let submitted = world.picture(&format!("a fox {prompt}")).await;
        let answer = world.result(&submitted).await;
        let body = answer.json();
        assert_eq!((answer.status, body["detail"][0]["type"].as_str()), (status, Some(kind)));
        assert_eq!((answer.header("x-fal-needs-retry"), answer.header("x-fal-billable-units")), (retry, "0"));
        assert!(world.status(&submitted).await.json().get("error").is_none());
    }
    let submitted = world.picture("[[fail:runner]]").await;
    let answer = world.result(&submitted).await;
    assert_eq!((answer.status, answer.json()), (503, json!({"detail": "Runner disconnected", "error_type": "runner_disconnected"})));
    assert_eq!(answer.header("x-fal-error-type"), "runner_disconnected");
    assert_eq!(world.status(&submitted).await.json()["error_type"], "runner_disconnected");
}

fn stored(world: &World) -> u32 {
    world.provider.0.store.call_now(|tx| tx.query_row("SELECT count(*) FROM requests", [], |row| row.get(0))).unwrap()
}

#[tokio::test]
async fn submitting_fails_as_asked() {
    let world = World::immediate().await;
    let answer = world.call("POST", "/fal-ai/flux/dev", Some(&json!({"prompt": "[[submit:locked]]"}))).await;
    assert_eq!(answer.status, 403);
    assert!(answer.json()["detail"].as_str().unwrap().starts_with("User is locked."));
    assert_eq!(answer.header("x-fal-request-id"), "");
    let answer = world.call("POST", "/fal-ai/flux/dev", Some(&json!({"prompt": "[[submit:unavailable]]"}))).await;
    assert_eq!((answer.status, answer.header("content-type").starts_with("text/html")), (503, true));
    assert_eq!(stored(&world), 0);
}

#[tokio::test]
async fn a_lost_answer_leaves_a_running_request() {
    let (world, mut receiver) = (World::immediate().await, Receiver::new().await);
    let hook: String = url::form_urlencoded::byte_serialize(receiver.url.as_bytes()).collect();
    let url = format!("{}/fal-ai/flux/schnell?fal_webhook={hook}", world.base);
    let body = json!({"prompt": "[[submit:lost]]", "image_size": "square"}).to_string();
    let sent = world.provider.0.fetch.post(url).header("authorization", format!("Key {KEY}")).body(body).send().await;
    assert!(sent.is_err(), "not one byte of an answer comes");
    let call = receiver.next().await;
    assert!(call.verifies(&world).await);
    assert_eq!((call.json()["status"].as_str(), stored(&world)), (Some("OK"), 1));
}

#[tokio::test]
async fn a_slow_answer_comes_after_the_webhook() {
    let (world, mut receiver) = (World::immediate().await, Receiver::new().await);
    let submitted = world.hooked(&receiver, "[[submit:slow]]").await;
    assert!(!receiver.idle(), "the webhook was there first");
    assert_eq!(submitted["status"], "IN_QUEUE");
}

#[tokio::test]
async fn a_hanging_request_hangs_alone() {
    let world = World::new(Settings { concurrency: 1, ..Settings::immediate() }).await;
    let hanging = world.picture("[[run:hang]]").await;
    world.reached(&hanging, State::Running).await;
    let other = world.picture("another").await;
    assert_eq!(world.result(&other).await.status, 200);
    world.advance(Duration::from_secs(3_600));
    let old = world.base.clone();
    let world = world.restart().await;
    let hanging: Value = serde_json::from_str(&hanging.to_string().replace(&old, &world.base)).unwrap();
    assert_eq!(world.status(&hanging).await.json()["status"], "IN_PROGRESS");
    let answer = world.call("PUT", hanging["cancel_url"].as_str().unwrap(), None).await;
    assert_eq!(answer.status, 202);
    assert_eq!(world.result(&hanging).await.status, 499);
}

#[tokio::test]
async fn a_late_request_takes_its_time() {
    let world = World::new(Settings { late_delay: 60 * SECOND, ..Settings::immediate() }).await;
    let late = world.picture("[[run:late]]").await;
    world.reached(&late, State::Running).await;
    world.advance(59 * SECOND);
    assert_eq!(world.status(&late).await.status, 202);
    world.advance(SECOND);
    assert_eq!(world.result(&late).await.status, 200);
}

#[tokio::test]
async fn a_cancellation_may_be_ignored() {
    let world = World::new(unhurried(1)).await;
    let submitted = world.picture("[[cancel:ignored]]").await;
    world.advance(SECOND);
    world.reached(&submitted, State::Running).await;
    let answer = world.call("PUT", submitted["cancel_url"].as_str().unwrap(), None).await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (202, Some("CANCELLATION_REQUESTED")));
    world.advance(2 * SECOND);
    assert_eq!(world.result(&submitted).await.status, 200);
}

#[tokio::test]
async fn webhooks_go_wrong_as_asked() {
    let (world, mut receiver) = (World::new(Settings { late_delay: 60 * SECOND, ..Settings::immediate() }).await, Receiver::new().await);
    let lost = world.hooked(&receiver, "[[webhook:lost]]").await;
    world.reached(&lost, State::Completed).await;
    assert_eq!(deliveries(&world.provider.0), 0);

    world.hooked(&receiver, "[[webhook:duplicate]]").await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.body, second.body);
    assert!(first.verifies(&world).await && second.verifies(&world).await);

    receiver.answers.lock().unwrap().push_back(401);
    world.hooked(&receiver, "[[webhook:forged]]").await;
    assert!(!receiver.next().await.verifies(&world).await);
    world.nothing_to_deliver().await;

    let broken = world.hooked(&receiver, "[[webhook:payload-error]]").await;
    let call = receiver.next().await;
    assert!(call.verifies(&world).await);
    let body = call.json();
    assert!(body["payload"].is_null() && body["payload_error"].is_string() && body["status"] == "OK");
    assert_eq!(world.result(&broken).await.status, 200, "the queue has what the webhook could not carry");
    world.nothing_to_deliver().await;

    let late = world.hooked(&receiver, "[[webhook:late]]").await;
    world.reached(&late, State::Completed).await;
    world.advance(59 * SECOND);
    assert_eq!(deliveries(&world.provider.0), 1);
    world.advance(SECOND);
    receiver.next().await;
    world.nothing_to_deliver().await;
    assert!(receiver.idle());
}

#[tokio::test]
async fn files_go_wrong_as_asked() {
    let world = World::immediate().await;
    let image = async |prompt: &str| {
        // PNG, because JPEG readers are content with half a file.
        let input = json!({"prompt": prompt, "image_size": "square", "output_format": "png"});
        world.output("fal-ai/flux/schnell", &input).await["images"][0].clone()
    };
    let huge = world.file(&image("[[media:huge]]").await).await;
    assert_eq!(huge.body.len(), 40 * 1024 * 1024);

    let endless = image("[[media:endless]]").await;
    let response = world.provider.0.fetch.get(endless["url"].as_str().unwrap()).send().await.unwrap();
    assert!(response.content_length().is_none());
    let mut stream = response.bytes_stream();
    let mut seen = 0;
    while seen < 64 * 1024 * 1024 {
        seen += stream.next().await.unwrap().unwrap().len();
    }

    let wrong = world.file(&image("[[media:wrong-type]]").await).await;
    assert!(wrong.header("content-type").starts_with("text/html") && wrong.body.starts_with(b"<!doctype"));

    let truncated = image("[[media:truncated]]").await;
    let answer = world.file(&truncated).await;
    assert_eq!((answer.status, answer.body.len() as u64), (200, truncated["file_size"].as_u64().unwrap() / 2));
    assert!(image::load_from_memory(&answer.body).is_err());

    let cut = image("[[media:cut]]").await;
    let response = world.provider.0.fetch.get(cut["url"].as_str().unwrap()).send().await;
    if let Ok(response) = response {
        assert!(response.bytes().await.is_err(), "the connection closes before the end");
    }
    assert_eq!(world.file(&image("[[media:missing]]").await).await.status, 404);
}

#[tokio::test]
async fn a_black_picture_says_so_and_is_black() {
    let world = World::immediate().await;
    let output =
        world.output("fal-ai/flux/dev", &json!({"prompt": "[[media:black]]", "image_size": "square", "output_format": "png"})).await;
    assert_eq!(output["has_nsfw_concepts"], json!([true]));
    let picture = image::load_from_memory(&world.file(&output["images"][0]).await.body).unwrap().to_rgb8();
    assert!(picture.dimensions() == (512, 512) && picture.pixels().all(|pixel| pixel.0 == [0, 0, 0]));
}
