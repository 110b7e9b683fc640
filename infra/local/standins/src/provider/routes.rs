//! The queue's HTTP face.

use super::address::{self, Address, Part};
use super::runner::{Ended, ending};
use super::sentinel::{Sentinel, Sentinels};
use super::store::{self, NewRequest, Request, State as Stage, StoreError};
use super::{Inner, fault::Fault, files, schema, status, webhook};
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use url::Url;

/// Largest body, in bytes: room for a source picture in a data URI.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// How many requests may wait in all. The provider names no limit; a disk has one.
const MAX_QUEUED: u32 = 10_000;
/// How long `[[submit:slow]]` waits at most.
const SLOW_SUBMIT: Duration = Duration::from_secs(10);
/// How long a stream of states lasts at most.
const STREAM: Duration = Duration::from_secs(600);

pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/.well-known/jwks.json", get(webhook::jwks))
        .route("/files/{token}/{name}", get(files::serve))
        .fallback(queue)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(inner)
}

/// Endpoints and requests: the path is free-form, so one handler reads it.
async fn queue(State(inner): State<Arc<Inner>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if inner.settings().broken {
        return (StatusCode::SERVICE_UNAVAILABLE, Html("<html><body>503 Service Temporarily Unavailable</body></html>")).into_response();
    }
    if !authorised(&inner, &headers) {
        return detail(StatusCode::UNAUTHORIZED, "invalid key credentials");
    }
    let query: HashMap<String, String> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let answer = match (address::parse(uri.path()), method) {
        (Some(Address::Endpoint(endpoint)), Method::POST) => submit(&inner, endpoint, &query, &headers, &body).await,
        (Some(Address::Request { under, id, part }), method) => {
            let found = find(&inner, under, id).await;
            let answer = match (found, part, method) {
                (Err(error), _, _) => Err(error),
                (Ok(None), _, _) => Ok((StatusCode::NOT_FOUND, Json(json!({ "status": "NOT_FOUND" }))).into_response()),
                (Ok(Some(found)), Part::Status, Method::GET) => Ok(show(&inner, found, wants_logs(&query))),
                (Ok(Some((request, _))), Part::Result, Method::GET) => Ok(status::result(&inner, &request)),
                (Ok(Some(_)), Part::Stream, Method::GET) => Ok(watch(&inner, under, id, wants_logs(&query))),
                (Ok(Some((request, _))), Part::Cancel, Method::PUT) => cancel(&inner, request).await,
                _ => Ok(detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")),
            };
            answer.map(|response| status::identified(response, id))
        }
        (Some(Address::Endpoint(_)), _) => Ok(detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")),
        (None, _) => Ok(detail(StatusCode::NOT_FOUND, "Not Found")),
    };
    answer.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "The provider stand-in's queue failed.");
        let body = json!({ "detail": "Internal error", "error_type": "internal_error" });
        (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
    })
}

fn authorised(inner: &Inner, headers: &HeaderMap) -> bool {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = shown.and_then(|value| value.strip_prefix("Key ")).unwrap_or_default();
    key.as_bytes().ct_eq(inner.key.as_bytes()).into()
}

async fn submit(
    inner: &Inner,
    endpoint: &str,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, StoreError> {
    let Some(known) = schema::endpoint(endpoint) else {
        return Ok(detail(StatusCode::NOT_FOUND, &format!("Application '{endpoint}' not found")));
    };
    let Ok(input) = serde_json::from_slice::<Value>(body) else {
        let body = json!({ "detail": "The body is not JSON", "error_type": "bad_request" });
        return Ok((StatusCode::BAD_REQUEST, Json(body)).into_response());
    };
    let webhook = match query.get("fal_webhook") {
        Some(url) if !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) => {
            let body = json!({ "detail": "fal_webhook is not a URL", "error_type": "bad_request" });
            return Ok((StatusCode::BAD_REQUEST, Json(body)).into_response());
        }
        url => url.cloned(),
    };
    let sentinels = Sentinels::of(&input);
    if sentinels.has(Sentinel::SubmitLocked) {
        let reason = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.";
        return Ok(detail(StatusCode::FORBIDDEN, reason));
    }
    if sentinels.has(Sentinel::SubmitUnavailable) {
        let page = Html("<html><head><title>503 Service Temporarily Unavailable</title></head></html>");
        return Ok((StatusCode::SERVICE_UNAVAILABLE, page).into_response());
    }

    let now_ms = inner.clock.now_ms();
    let Ok(id) = request_id() else {
        return Ok(detail(StatusCode::INTERNAL_SERVER_ERROR, "No randomness"));
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // The provider refuses values up to 0.1 s, and so they are ignored here.
    let start_within = header("x-fal-request-timeout").and_then(|value| value.parse::<f64>().ok()).filter(|s| *s > 0.1);
    let new = NewRequest {
        id: id.clone(),
        endpoint: known.endpoint.clone(),
        seed: seed(&input),
        input: input.to_string(),
        low: header("x-fal-queue-priority") == Some("low"),
        hangs: sentinels.has(Sentinel::RunHang),
        webhook,
        submitted_ms: now_ms,
        ready_ms: later(now_ms, inner.settings().queue_delay),
        start_by_ms: start_within.map(|s| later(now_ms, Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX))),
    };
    let limit = query.get("fal_max_queue_length").and_then(|value| value.parse::<u32>().ok());
    let stored = inner
        .store
        .call(move |tx| {
            let full = store::queued(tx, None)? >= MAX_QUEUED;
            let long = match limit {
                Some(limit) => store::queued(tx, Some(&new.endpoint))? > limit,
                None => false,
            };
            if full || long {
                return Ok(None);
            }
            store::insert(tx, &new)?;
            let request = store::find(tx, &new.id)?;
            request.map(|request| store::position(tx, &request).map(|position| (request, position))).transpose()
        })
        .await?;
    let Some((request, position)) = stored else {
        return Ok(detail(StatusCode::TOO_MANY_REQUESTS, "The queue is full"));
    };
    inner.wake();

    if sentinels.has(Sentinel::SubmitSlow) {
        // What happened meanwhile is for the caller to find out: this answer says what was true at first.
        let _ = tokio::time::timeout(SLOW_SUBMIT, settled(inner, &id)).await;
    }
    if sentinels.has(Sentinel::SubmitLost) {
        // A body that fails before its first byte makes the server close the connection without having said anything.
        let nothing = stream::once(async { Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionAborted)) });
        return Ok(Response::new(Body::from_stream(nothing)));
    }
    let object = status::object(inner, &request, position, false);
    Ok(status::identified(Json(object).into_response(), &id))
}

/// Waits until a request is complete and each of its webhooks was tried once.
async fn settled(inner: &Inner, id: &str) {
    let mut changes = inner.changes.subscribe();
    loop {
        let id = id.to_owned();
        let settled = inner
            .store
            .call(move |tx| {
                let request = store::find(tx, &id)?;
                let open = request.is_some_and(|request| request.state != Stage::Completed);
                Ok(!open && !store::untried(tx, &id)?)
            })
            .await;
        if settled.unwrap_or(true) || changes.changed().await.is_err() {
            return;
        }
    }
}

/// The request, if it is found under that application or endpoint, and its place in the queue.
async fn find(inner: &Inner, under: &str, id: &str) -> Result<Option<(Request, u32)>, StoreError> {
    let (under, id, now_ms) = (under.to_owned(), id.to_owned(), inner.clock.now_ms());
    inner
        .store
        .call(move |tx| {
            let Some(request) = store::find(tx, &id)? else {
                return Ok(None);
            };
            let here = request.endpoint == under || address::application(&request.endpoint) == under;
            if !here || request.expires_ms.is_some_and(|expires| expires <= now_ms) {
                return Ok(None);
            }
            let position = store::position(tx, &request)?;
            Ok(Some((request, position)))
        })
        .await
}

fn show(inner: &Inner, (request, position): (Request, u32), logs: bool) -> Response {
    let code = if request.state == Stage::Completed { StatusCode::OK } else { StatusCode::ACCEPTED };
    (code, Json(status::object(inner, &request, position, logs))).into_response()
}

/// Each change of state as an event, until the request is complete.
fn watch(inner: &Arc<Inner>, under: &str, id: &str, logs: bool) -> Response {
    struct Watcher {
        inner: Arc<Inner>,
        changes: tokio::sync::watch::Receiver<u64>,
        under: String,
        id: String,
        last: Option<Value>,
        over: bool,
    }
    let watcher = Watcher {
        inner: Arc::clone(inner),
        changes: inner.changes.subscribe(),
        under: under.to_owned(),
        id: id.to_owned(),
        last: None,
        over: false,
    };
    let deadline = tokio::time::Instant::now() + STREAM;
    let events = stream::unfold(watcher, move |mut watcher| async move {
        while !watcher.over {
            let (request, position) = find(&watcher.inner, &watcher.under, &watcher.id).await.ok().flatten()?;
            let object = status::object(&watcher.inner, &request, position, logs);
            watcher.over = request.state == Stage::Completed;
            if watcher.last.as_ref() != Some(&object) {
                let event = Event::default().data(object.to_string());
                watcher.last = Some(object);
                return Some((Ok(event), watcher));
            }
            tokio::time::timeout_at(deadline, watcher.changes.changed()).await.ok()?.ok()?;
        }
        None
    });
    Sse::new(boxed(events)).into_response()
}

fn boxed(
    events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
) -> std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>> {
    Box::pin(events)
}

async fn cancel(inner: &Inner, request: Request) -> Result<Response, StoreError> {
    let ignored = serde_json::from_str(&request.input).is_ok_and(|input: Value| Sentinels::of(&input).has(Sentinel::CancelIgnored));
    let mut from = request.state;
    if from == Stage::Running && ignored {
        return Ok((StatusCode::ACCEPTED, Json(json!({ "status": "CANCELLATION_REQUESTED" }))).into_response());
    }
    let mut ended = ending(inner, &request, Ended::failed(Fault::cancelled()));
    let id = request.id.clone();
    let done = inner
        .store
        .call(move |tx| {
            // Between reading and writing it may have started.
            from = store::find(tx, &id)?.map_or(from, |now| now.state);
            if from == Stage::Queued {
                // Nothing has run, so nobody is called.
                ended.deliveries.clear();
            }
            Ok(match from {
                Stage::Completed => None,
                _ if ignored && from == Stage::Running => Some(from),
                _ => store::complete(tx, &id, from, &ended)?.then_some(from),
            })
        })
        .await?;
    inner.wake();
    let (code, word) = match done {
        Some(Stage::Queued) => (StatusCode::OK, "OK"),
        Some(_) => (StatusCode::ACCEPTED, "CANCELLATION_REQUESTED"),
        None => (StatusCode::BAD_REQUEST, "ALREADY_COMPLETED"),
    };
    Ok((code, Json(json!({ "status": word }))).into_response())
}

/// A random UUID, which tells nothing about when or how much is asked here.
fn request_id() -> Result<String, getrandom::Error> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random)?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid().to_string())
}

/// The seed that the input names, or one of its own: stored with the request, so that a second run is the same.
fn seed(input: &Value) -> u64 {
    input.get("seed").and_then(Value::as_u64).unwrap_or_else(|| {
        let mut bytes = [0_u8; 8];
        // Without randomness every picture has the same seed, which harms nobody.
        let _ = getrandom::fill(&mut bytes);
        // Below 2^63, so that signed readers agree.
        u64::from_le_bytes(bytes) >> 1
    })
}

fn wants_logs(query: &HashMap<String, String>) -> bool {
    query.get("logs").is_some_and(|value| value == "1" || value == "true")
}

/// `from` and a while, in milliseconds.
pub(super) fn later(from_ms: i64, by: Duration) -> i64 {
    from_ms.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

fn detail(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "detail": text }))).into_response()
}
