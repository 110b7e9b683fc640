//! A proxy before the table that loses requests and replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use http::request::Parts;

/// What was lost so far.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Requests that never reached the table.
    pub(crate) requests: AtomicU32,
    /// Replies to what was done.
    pub(crate) replies: AtomicU32,
}

/// Starts a proxy before `table`, for as long as the runtime lives; its address. Of the transactions, about `percent` in a hundred
/// are lost on the way there, and as many replies on the way back: the connection breaks, as when a process or a host dies.
pub(crate) async fn before(table: &str, percent: u8) -> (String, Arc<Losses>) {
    let losses = Arc::new(Losses::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (client, table, counted) = (shared::runtime::http_client().unwrap(), table.to_owned(), losses.clone());
    let app = Router::new().fallback(move |parts: Parts, body: Bytes| {
        let (client, table, losses) = (client.clone(), table.clone(), counted.clone());
        async move {
            let transaction = parts.headers.get("x-amz-target").is_some_and(|t| t.as_bytes().ends_with(b".TransactWriteItems"));
            let lose = |counter: &AtomicU32| {
                if transaction && shared::id::random::<1>()[0] % 100 < percent {
                    counter.fetch_add(1, Ordering::Relaxed);
                    // Ends the connection's task, and with it the connection.
                    std::panic::resume_unwind(Box::new("lost"));
                }
            };
            lose(&losses.requests);
            let response = forward(&client, &table, parts, body).await;
            lose(&losses.replies);
            response
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, losses)
}

/// The same, refusing every transaction that takes a slot but the first; its address.
pub(crate) async fn one_slot(table: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (client, table, taken) = (shared::runtime::http_client().unwrap(), table.to_owned(), Arc::new(AtomicU32::new(0)));
    let app = Router::new().fallback(move |parts: Parts, body: Bytes| {
        let (client, table, taken) = (client.clone(), table.clone(), taken.clone());
        async move {
            if body.windows(10).any(|part| part == b"SUBMITTING") && taken.fetch_add(1, Ordering::Relaxed) > 0 {
                let refusal = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": "not this one"}"#;
                let answer = Response::builder().status(400).header("content-type", "application/x-amz-json-1.0");
                return answer.body(Body::from(refusal)).unwrap();
            }
            forward(&client, &table, parts, body).await
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn forward(client: &reqwest::Client, table: &str, parts: Parts, body: Bytes) -> Response {
    let answer = client.request(parts.method, table).headers(parts.headers).body(body).send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}
