//! Whatever hangs below, a request ends within its time: 8 seconds, less than its function has.

use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use futures_util::future::join_all;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use shared::jobs::Jobs;
use shared::runtime::Platform;
use tower::ServiceExt as _;

use crate::hung::{REQUEST, silence};
use crate::world::{Client, World, eventually, picture, sha256};

/// Requests for each thing that hangs.
const TIMES: usize = 100;

/// The platform of a world in which what `variable` leads to hangs.
async fn hung(world: &World, variable: &str) -> Platform {
    let mut env = world.edition.environment("generate").unwrap().clone();
    env.set("TABLE_TIMEOUT_MS", "1000");
    env.set("ORIGIN_SECRETS_SHA256", "");
    env.set(variable, silence().await);
    Platform::connect_at(&env, world.clock.clone()).unwrap()
}

/// Posts, and says how it ended and that it did so in time.
async fn post(router: &Router, client: &Client, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = Request::post(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", client.token()))
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", shared::id::random_base62(20))
        .body(Body::from(body.to_string()))
        .unwrap();
    let began = Instant::now();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    assert!(began.elapsed() < REQUEST, "{path} took {:?}", began.elapsed());
    (parts.status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_hangs_a_request_ends_in_time() {
    // What isn't answered counts for the breaker, which shall not hold up the others here.
    let limits =
        ["LIMIT_BREAKER_SUBMISSIONS", "LIMIT_RUNNING_CALLS", "LIMIT_HOURLY_REQUESTS", "LIMIT_DAILY_OUTPUTS", "LIMIT_MONTHLY_UNITS"];
    let world = World::start_with(&limits.map(|limit| (limit, "1000"))).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let fox = picture("a fox");
    let generate = async |who: &Client, variable: &str| {
        let router = generate::router(&hung(&world, variable).await);
        join_all((0..TIMES).map(|_| post(&router, who, "/api/v1/generations", &fox))).await
    };
    let upload = async || {
        let file = b"not a picture, and nobody will know";
        let wanted = json!({"purpose": "image", "content_type": "image/png", "bytes": file.len(), "sha256": sha256(file)});
        let upload = ada.post("/api/v1/uploads", &wanted).await.json();
        let router = library::router(&hung(&world, "AWS_ENDPOINT_URL_S3").await);
        post(&router, &ada, &format!("/api/v1/uploads/{}/complete", upload["id"].as_str().unwrap()), &json!({})).await
    };
    let (table, provider, queue, bucket) =
        // Whoever generates starts what waits of his: one for whom the provider hangs, another for whom it doesn't.
        tokio::join!(
            generate(&ada, "AWS_ENDPOINT_URL_DYNAMODB"),
            generate(&bob, "FAL_QUEUE_URL"),
            generate(&ada, "AWS_ENDPOINT_URL_SQS"),
            upload(),
        );
    for (status, body) in &table {
        assert!([(503, "unavailable"), (504, "timeout")].contains(&(status.as_u16(), body["code"].as_str().unwrap())), "{body}");
    }
    // What is accepted is accepted, whether or not the provider or a queue answers; a machine that is too busy says so, in time.
    let accepted = |answers: &[(StatusCode, Value)]| {
        let (accepted, others): (Vec<_>, Vec<_>) = answers.iter().cloned().partition(|(status, _)| *status == StatusCode::ACCEPTED);
        for (status, body) in others {
            assert!(matches!(status.as_u16(), 503 | 504), "{body}");
        }
        assert!(!accepted.is_empty());
        accepted
    };
    accepted(&provider);
    assert_eq!((bucket.0.as_u16(), &bucket.1["code"]), (504, &json!("timeout")));
    // Nor does it need the queue: what its messages would have hurried, the schedule finds.
    let jobs = Jobs::new(&world.platform).await.unwrap();
    for (_, body) in &accepted(&queue) {
        let path = format!("/api/v1/generations/{}", body["id"].as_str().unwrap());
        let made = eventually("what no message told of is made", async || {
            jobs.sweep().await.unwrap();
            let generation = ada.get(&path).await.json();
            (generation["state"] == "complete").then_some(generation)
        });
        assert_eq!(made.await["units"]["charged"], 1);
    }
    world.shutdown().await;
}
