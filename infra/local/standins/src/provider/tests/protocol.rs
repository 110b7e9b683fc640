//! The queue: submitting, states, results, cancelling, restarting.

use super::*;

#[tokio::test]
async fn a_wrong_key_is_refused_everywhere() {
    let world = World::immediate().await;
    for value in ["", "Bearer key-id:key-secret", "Key wrong", "key key-id:key-secret"] {
        for (method, path) in
            [("POST", "/fal-ai/flux/dev"), ("GET", "/fal-ai/flux/requests/1/status"), ("PUT", "/fal-ai/flux/requests/1/cancel")]
        {
            let answer = world.call_with(method, path, Some(&json!({"prompt": "p"})), &[("authorization", value)]).await;
            assert_eq!((answer.status, answer.json()), (401, json!({"detail": "invalid key credentials"})), "{value} {path}");
        }
    }
}

#[tokio::test]
async fn what_can_not_be_queued_is_refused_at_once() {
    let world = World::immediate().await;
    let answer = world.call("POST", "/fal-ai/no-such/model", Some(&json!({}))).await;
    assert_eq!((answer.status, answer.json()["detail"].is_string()), (404, true));
    let answer = world.call_with("GET", "/fal-ai/flux/dev", None, &[]).await;
    assert_eq!(answer.status, 405);
    let request = world.provider.0.fetch.post(format!("{}/fal-ai/flux/dev", world.base)).header("authorization", format!("Key {KEY}"));
    assert_eq!(request.body("{not json").send().await.unwrap().status(), 400);
    let answer = world.call("POST", "/fal-ai/flux/dev?fal_webhook=not%20a%20url", Some(&json!({"prompt": "p"}))).await;
    assert_eq!((answer.status, answer.json()["error_type"].as_str()), (400, Some("bad_request")));
}

#[tokio::test]
async fn a_request_walks_through_its_states() {
    let world = World::new(unhurried(1)).await;
    let first = world.picture("first").await;
    let second = world.picture("second").await;
    let id = first["request_id"].as_str().unwrap();
    let address = format!("{}/fal-ai/flux/requests/{id}", world.base);
    assert_eq!(
        first,
        json!({
            "status": "IN_QUEUE", "request_id": id, "queue_position": 0, "response_url": address,
            "status_url": format!("{address}/status"), "cancel_url": format!("{address}/cancel"),
        })
    );
    assert_eq!(second["queue_position"], 1);
    let answer = world.status(&second).await;
    assert_eq!((answer.status, answer.json()["queue_position"].as_u64()), (202, Some(1)));
    assert_eq!(answer.header("x-fal-request-id"), second["request_id"].as_str().unwrap());

    world.advance(SECOND);
    world.reached(&first, State::Running).await;
    let answer = world.call("GET", &format!("{address}/status?logs=1"), None).await;
    let body = answer.json();
    assert_eq!((answer.status, body["status"].as_str()), (202, Some("IN_PROGRESS")));
    assert_eq!(body["logs"][0]["level"], "INFO");
    assert_eq!(body["logs"][1]["timestamp"], "2027-01-15T08:00:01.000Z");
    assert!(body.get("queue_position").is_none());
    assert_eq!(world.status(&first).await.json()["logs"], Value::Null);
    assert_eq!(world.status(&second).await.json()["queue_position"], 0);
    let early = world.call("GET", &address, None).await;
    assert_eq!((early.status, early.json()), (400, json!({"detail": "Request is still in progress"})));

    world.advance(2 * SECOND);
    world.reached(&first, State::Completed).await;
    let answer = world.status(&first).await;
    let body = answer.json();
    assert_eq!((answer.status, body["status"].as_str()), (200, Some("COMPLETED")));
    assert_eq!(body["metrics"], json!({"inference_time": 2.0}));
    assert!(body.get("error").is_none() && body["logs"].is_null());
    for url in [address.clone(), format!("{address}/response"), address.replace("/flux/", "/flux/schnell/")] {
        let answer = world.call("GET", &url, None).await;
        assert_eq!(answer.status, 200, "{url}");
        assert_eq!(answer.header("x-fal-billable-units"), "1");
        assert_eq!(answer.json()["prompt"], "first");
    }
    world.reached(&second, State::Running).await;
    world.advance(2 * SECOND);
    assert_eq!(world.result(&second).await.status, 200);
}

#[tokio::test]
async fn requests_are_found_only_under_their_own_application() {
    let world = World::immediate().await;
    let submitted = world.picture("p").await;
    let id = submitted["request_id"].as_str().unwrap();
    for path in [
        format!("/fal-ai/flux-2/requests/{id}/status"),
        format!("/fal-ai/flux/dev/requests/{id}"),
        "/fal-ai/flux/requests/none/status".to_owned(),
    ] {
        let answer = world.call("GET", &path, None).await;
        assert_eq!((answer.status, answer.json()), (404, json!({"status": "NOT_FOUND"})), "{path}");
    }
}

#[tokio::test]
async fn cancelling_says_how_far_it_had_come() {
    let world = World::new(unhurried(1)).await;
    let cancel = async |submitted: &Value| {
        let answer = world.call("PUT", submitted["cancel_url"].as_str().unwrap(), None).await;
        (answer.status, answer.json()["status"].as_str().unwrap().to_owned())
    };
    let (queued, running, done) = (world.picture("a").await, world.picture("b").await, world.picture("c").await);
    assert_eq!(cancel(&queued).await, (200, "OK".to_owned()));
    world.advance(SECOND);
    world.reached(&running, State::Running).await;
    assert_eq!(cancel(&running).await, (202, "CANCELLATION_REQUESTED".to_owned()));
    for submitted in [&queued, &running] {
        let status = world.status(submitted).await;
        assert_eq!(
            (status.status, status.json()["status"].as_str(), status.json()["error_type"].as_str()),
            (200, Some("COMPLETED"), Some("client_cancelled"))
        );
        let result = world.result(submitted).await;
        assert_eq!((result.status, result.json()["detail"].as_str()), (499, Some("Request cancelled by the client.")));
        assert_eq!((result.header("x-fal-error-type"), result.header("x-fal-billable-units")), ("client_cancelled", "0"));
    }
    world.reached(&done, State::Running).await;
    world.advance(2 * SECOND);
    assert_eq!(world.result(&done).await.status, 200);
    assert_eq!(cancel(&done).await, (400, "ALREADY_COMPLETED".to_owned()));
    let answer = world.call("PUT", "/fal-ai/flux/requests/none/cancel", None).await;
    assert_eq!((answer.status, answer.json()), (404, json!({"status": "NOT_FOUND"})));
}

#[tokio::test]
async fn a_crash_loses_nothing() {
    let world = World::new(unhurried(1)).await;
    let (first, second) = (world.picture("first").await, world.picture("second").await);
    world.advance(SECOND);
    world.reached(&first, State::Running).await;

    let old = world.base.clone();
    let world = world.restart().await;
    let moved = |submitted: &Value| {
        let text = submitted.to_string().replace(&old, &world.base);
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let (first, second) = (moved(&first), moved(&second));
    assert_eq!(world.status(&first).await.json()["status"], "IN_PROGRESS");
    assert_eq!(world.status(&second).await.json()["queue_position"], 0);
    world.advance(2 * SECOND);
    let result = world.result(&first).await;
    assert_eq!((result.status, result.json()["prompt"].as_str()), (200, Some("first")));
    world.reached(&second, State::Running).await;
    world.advance(2 * SECOND);
    assert_eq!(world.result(&second).await.status, 200);

    // A completed one survives too, and its files are found where the stand-in is now.
    let old = world.base.clone();
    let world = world.restart().await;
    assert_ne!(old, world.base);
    let first: Value = serde_json::from_str(&first.to_string().replace(&old, &world.base)).unwrap();
    let image = world.result(&first).await.json()["images"][0].clone();
    assert!(image["url"].as_str().unwrap().starts_with(&world.base));
    assert_eq!(world.file(&image).await.status, 200);
}

#[tokio::test]
async fn a_crash_in_the_middle_draws_the_same_picture_and_leaves_no_file() {
    let world = World::new(unhurried(1)).await;
    // The first run gets no place to draw in: a thread that draws can't be stopped here as a crash stops it.
    let _places = Arc::clone(&world.provider.0.drawing).acquire_many_owned(2).await.unwrap();
    let submitted = world.picture("the same").await;
    world.advance(SECOND);
    world.reached(&submitted, State::Running).await;
    // What a first run may have left behind.
    std::fs::write(world.dir.path().join("files/stranger"), b"half a picture").unwrap();
    let seed = {
        let id = submitted["request_id"].as_str().unwrap().to_owned();
        world.provider.0.store.call_now(|tx| store::find(tx, &id)).unwrap().unwrap().seed
    };
    let old = world.base.clone();
    let world = world.restart().await;
    assert!(!world.dir.path().join("files/stranger").exists());
    let submitted = serde_json::from_str(&submitted.to_string().replace(&old, &world.base)).unwrap();
    world.advance(2 * SECOND);
    assert_eq!(world.result(&submitted).await.json()["seed"].as_u64(), Some(seed));
    assert_eq!(std::fs::read_dir(world.dir.path().join("files")).unwrap().count(), 1);
}

#[tokio::test]
async fn the_queue_goes_by_priority_place_and_deadline() {
    let world = World::new(unhurried(1)).await;
    let body = json!({"prompt": "p"});
    let send = async |query: &str, headers: &[(&str, &str)]| {
        world.call_with("POST", &format!("/fal-ai/flux/dev{query}"), Some(&body), headers).await
    };
    let low = send("", &[("x-fal-queue-priority", "low")]).await.json();
    let normal = send("", &[]).await.json();
    let hurried = send("", &[("x-fal-request-timeout", "1.5")]).await.json();
    assert_eq!((normal["queue_position"].as_u64(), hurried["queue_position"].as_u64()), (Some(0), Some(1)));
    assert_eq!(world.status(&low).await.json()["queue_position"], 2);
    assert_eq!(send("?fal_max_queue_length=2", &[]).await.status, 429);

    world.advance(Duration::from_millis(1_500));
    let expired = world.result(&hurried).await;
    assert_eq!((expired.status, expired.json()["error_type"].as_str()), (504, Some("request_timeout")));
    assert_eq!((expired.header("x-fal-error-type"), expired.header("x-fal-request-timeout-type")), ("request_timeout", "user"));
    world.reached(&normal, State::Running).await;
    assert_eq!(world.status(&low).await.json()["queue_position"], 0);
}

#[tokio::test]
async fn results_and_files_are_forgotten_in_time() {
    let world = World::immediate().await;
    let small = world.picture("small").await;
    let large =
        world.submit("fal-ai/flux/schnell", &json!({"prompt": "x".repeat(10_240), "image_size": {"width": 32, "height": 32}})).await;
    let image = world.result(&large).await.json()["images"][0].clone();
    world.reached(&small, State::Completed).await;
    world.advance(Duration::from_secs(359));
    assert_eq!(world.status(&large).await.status, 200);
    world.advance(SECOND);
    assert_eq!((world.status(&large).await.status, world.status(&small).await.status), (404, 200));
    assert_eq!(world.file(&image).await.status, 200);
    world.advance(Duration::from_secs(3_240));
    assert_eq!((world.status(&small).await.status, world.file(&image).await.status), (404, 404));
    let files = world.dir.path().join("files");
    world
        .until(|inner| {
            let rows: u32 = inner.store.call_now(|tx| tx.query_row("SELECT count(*) FROM requests", [], |row| row.get(0))).unwrap();
            rows == 0
        })
        .await;
    // The rows go first; whatever a crash leaves in between goes at the next start.
    let world = world.restart().await;
    assert_eq!(std::fs::read_dir(files).unwrap().count(), 0);
    drop(world);
}

#[tokio::test]
async fn states_can_be_streamed() {
    let world = World::immediate().await;
    let submitted = world.picture("p").await;
    let answer = world.call("GET", &format!("{}/stream?logs=1", submitted["status_url"].as_str().unwrap()), None).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let states: Vec<Value> =
        text.lines().filter_map(|line| line.strip_prefix("data: ")).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(states.last().unwrap()["status"], "COMPLETED");
    assert_eq!(states.iter().filter(|state| state["status"] == "COMPLETED").count(), 1);
}
