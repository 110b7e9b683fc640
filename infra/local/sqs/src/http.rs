//! The SQS JSON protocol (AWS JSON 1.0) over HTTP.
//!
//! Every request is a signed POST; `X-Amz-Target` names the call and the body holds its parameters. The path is ignored.

mod calls;
mod error;
mod queue_calls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::Queues;
use crate::sigv4::verify;
use error::ApiError;

/// The longest request body in bytes: 1 MiB of text in which JSON may write a byte as six, and some room.
const MAX_BODY: usize = 7 * 1_048_576;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// More requests than that at a time, long polls included, are refused with `RequestThrottled`.
const MAX_REQUESTS: usize = 512;

/// The key that signs requests.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: SecretString,
}

/// What a call works with.
struct Context {
    queues: Queues,
    /// Goes into queue URLs.
    address: SocketAddr,
    credentials: Credentials,
    requests: Semaphore,
    /// True once the server is stopping: long polls end.
    stopping: watch::Receiver<bool>,
}

impl Context {
    /// Ready when the server is stopping, or is gone.
    async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        // An error means that the sender is gone, and the server with it.
        let _gone = stopping.wait_for(|stopping| *stopping).await;
    }
}

/// Serves `queues` on `listener` to whoever signs with `credentials`, until `shutdown` is ready. Then long polls end
/// with nothing, requests in progress are answered, and the call returns.
///
/// # Errors
/// If the listener has no address or can't accept.
pub async fn serve(
    listener: TcpListener,
    queues: Queues,
    credentials: Credentials,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (stop, stopping) = watch::channel(false);
    let context = Context { queues, address: listener.local_addr()?, credentials, requests: Semaphore::new(MAX_REQUESTS), stopping };
    let router = Router::new().fallback(answer).with_state(Arc::new(context));
    let shutdown = async move {
        shutdown.await;
        stop.send_replace(true);
    };
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// Answers one request.
async fn answer(State(context): State<Arc<Context>>, request: Request) -> Response {
    match call(&context, request).await {
        Ok(body) => error::with_headers(axum::Json(body).into_response()),
        Err(error) => error.into_response(),
    }
}

async fn call(context: &Context, request: Request) -> Result<Value, ApiError> {
    let _slot = context.requests.try_acquire().map_err(|_| crate::QueueError::Busy)?;
    let (parts, body) = request.into_parts();
    let body = read(body).await?;
    let credentials = &context.credentials;
    verify(&parts, &body, "sqs", &credentials.access_key_id, &credentials.secret_access_key, Timestamp::now())?;
    let action = action(&parts)?;
    match queue_calls::call(context, action, &body).await? {
        Some(answer) => Ok(answer),
        None => calls::call(context, action, &body).await?.ok_or_else(ApiError::invalid_action),
    }
}

async fn read(body: Body) -> Result<bytes::Bytes, ApiError> {
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(ApiError::too_large()),
        Err(_) => Err(ApiError::timeout()),
    }
}

/// The call that a request names.
fn action(parts: &Parts) -> Result<&str, ApiError> {
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    target.and_then(|target| target.strip_prefix("AmazonSQS.")).ok_or_else(ApiError::invalid_action)
}
