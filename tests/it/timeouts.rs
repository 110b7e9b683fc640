//! Whatever hangs below, a request ends within its time: 8 seconds, less than its function has.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use futures_util::future::join_all;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use shared::runtime::Platform;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::world::{Client, World, picture, sha256};

/// A request's time and a tenth.
const BUDGET: Duration = Duration::from_millis(8_800);

/// The address of something that takes connections and never says a word.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    format!("http://{address}")
}

/// The platform of a world in which what `variable` leads to hangs.
async fn hung(world: &World, variable: &str) -> Platform {
    let mut env = world.edition.environment("generate").unwrap().clone();
    env.set("TABLE_TIMEOUT_MS", "1000");
    env.set("ORIGIN_SECRETS_SHA256", "");
    env.set(variable, silent().await);
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
    assert!(began.elapsed() < BUDGET, "{path} took {:?}", began.elapsed());
    (parts.status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_hangs_a_request_ends_in_time() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let fox = picture("a fox");
    let generate = async |variable: &str| {
        let router = generate::router(&hung(&world, variable).await);
        join_all((0..3).map(|_| post(&router, &ada, "/api/v1/generations", &fox))).await
    };
    let upload = async || {
        let file = b"not a picture, and nobody will know";
        let wanted = json!({"purpose": "image", "content_type": "image/png", "bytes": file.len(), "sha256": sha256(file)});
        let upload = ada.post("/api/v1/uploads", &wanted).await.json();
        let router = library::router(&hung(&world, "AWS_ENDPOINT_URL_S3").await);
        post(&router, &ada, &format!("/api/v1/uploads/{}/complete", upload["id"].as_str().unwrap()), &json!({})).await
    };
    let (table, provider, queue, bucket) =
        tokio::join!(generate("AWS_ENDPOINT_URL_DYNAMODB"), generate("FAL_QUEUE_URL"), generate("AWS_ENDPOINT_URL_SQS"), upload(),);
    for (status, body) in &table {
        assert_eq!((status.as_u16(), &body["code"]), (503, &json!("unavailable")));
    }
    // What is accepted is accepted, whether or not the provider or a queue answers.
    for (status, body) in provider.iter().chain(&queue) {
        assert_eq!(*status, StatusCode::ACCEPTED, "{body}");
    }
    assert_eq!((bucket.0.as_u16(), &bucket.1["code"]), (504, &json!("timeout")));
    world.shutdown().await;
}
