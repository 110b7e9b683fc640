//! fal.ai's queue.
//!
//! A submit is sent once, with every retry off: the queue knows no idempotency key, and a repeated request is a second bill. The
//! key goes to the configured queue and nowhere else: the addresses that the queue hands out are checked before they are used.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::answers::verdict;
use super::fetch::{FetchError, Fetcher, MediaStream, Patience, describe};
use super::{AskError, Cancellation, Failure, FailureCode, Progress, Provider, Submission, SubmitError, Verdict};
use crate::domain::generation::ProviderRequest;
use crate::domain::model::Model;

#[cfg(test)]
mod tests;

/// A submit is answered in well under a second; the user waits for it.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// For everything that may be asked again.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// For asking whether anybody is there: a user may wait for it.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// An application that has been there for years; any would do.
const PROBE_ENDPOINT: &str = "fal-ai/flux";
/// A result may be media inside JSON.
const RESULT_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a result: its addresses take a few thousand; media inside it take what an image may.
const MAX_RESULT: usize = 48 * 1024 * 1024;
/// Bytes of every other answer.
const MAX_ANSWER: usize = 256 * 1024;
/// Results are kept for us this long: far longer than any retry of ours.
const KEEP_SECONDS: u32 = 604_800;

/// fal.ai.
pub struct Fal {
    http: reqwest::Client,
    queue: Url,
    key: SecretString,
    fetcher: Fetcher,
}

impl fmt::Debug for Fal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fal").field("queue", &self.queue.as_str()).finish_non_exhaustive()
    }
}

impl Fal {
    /// The queue at `queue`, asked with `key` through `http` (which must not follow redirects); results come from `origins`.
    ///
    /// # Errors
    /// When no TLS client can be built.
    pub fn new(http: reqwest::Client, queue: Url, origins: &[String], key: SecretString) -> Result<Self, FetchError> {
        Ok(Self { http, queue, key, fetcher: Fetcher::new(origins, Patience::default())? })
    }

    async fn post(&self, submission: &Submission) -> Result<ProviderRequest, SubmitError> {
        // No other time would help.
        let broken = || SubmitError::Rejected(Failure::new(FailureCode::ProviderError));
        let mut url = self.below(&submission.endpoint).ok_or_else(broken)?;
        if let Some(webhook) = &submission.webhook {
            url.query_pairs_mut().append_pair("fal_webhook", webhook);
        }
        let start = submission.start_timeout.as_secs().max(2).to_string();
        let request = self
            .authorised(Method::POST, url)
            .timeout(SUBMIT_TIMEOUT)
            .header("x-fal-queue-priority", "normal")
            .header("x-fal-request-timeout", start)
            .header("x-fal-object-lifecycle-preference", format!(r#"{{"expiration_duration_seconds":{KEEP_SECONDS}}}"#))
            .json(&submission.body);
        let (status, headers, body) = match self.exchange(request, MAX_ANSWER).await {
            Ok(answer) => answer,
            Err(Lost::NotSent(what)) => return Err(SubmitError::NotSent(what)),
            Err(Lost::Answer(what)) => return Err(SubmitError::Ambiguous(what)),
        };
        let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let text = |name: &str| json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if status.is_success() {
            let header = || headers.get("x-fal-request-id").and_then(|value| value.to_str().ok());
            let made = text("request_id").or_else(header).and_then(|id| request_at(&self.queue, &submission.endpoint, id));
            let made = made.ok_or_else(|| SubmitError::Ambiguous(format!("status {status} without a request id")))?;
            let given = |name: &str| text(name).filter(|url| self.is_ours(url)).map(str::to_owned);
            return Ok(ProviderRequest {
                status_url: given("status_url").unwrap_or(made.status_url),
                response_url: given("response_url").unwrap_or(made.response_url),
                cancel_url: given("cancel_url").unwrap_or(made.cancel_url),
                id: made.id,
            });
        }
        // A time-out on the way may hide a request that was taken, and so, rarely, may another fault. Everything else is a clear no.
        if matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT) {
            return Err(SubmitError::Ambiguous(format!("status {status}")));
        }
        if status.is_server_error() {
            return Err(SubmitError::Broken(format!("status {status}")));
        }
        let model = super::catalogue::models().iter().find(|model| model.endpoint == submission.endpoint);
        let failure = Failure::from_answer(status, &headers, &json, model);
        Err(SubmitError::Rejected(failure))
    }

    async fn ask(&self, method: Method, url: &str, timeout: Duration, most: usize) -> Result<(StatusCode, HeaderMap, Vec<u8>), AskError> {
        let url = Url::parse(url).ok().filter(|url| self.is_queue(url));
        let url = url.ok_or_else(|| AskError::Unavailable("the address isn't the queue's".to_owned()))?;
        let answer = self.exchange(self.authorised(method, url).timeout(timeout), most).await;
        answer.map_err(|lost| match lost {
            Lost::NotSent(what) | Lost::Answer(what) => AskError::Unavailable(what),
        })
    }

    async fn ask_status(&self, request: &ProviderRequest) -> Result<Progress, AskError> {
        let (status, headers, body) = self.ask(Method::GET, &request.status_url, ASK_TIMEOUT, MAX_ANSWER).await?;
        let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if !status.is_success() {
            return Err(refusal(status, &headers, &json));
        }
        match json.get("status").and_then(Value::as_str) {
            Some("IN_QUEUE") => {
                let position = json.get("queue_position").and_then(Value::as_u64);
                Ok(Progress::Queued(position.and_then(|position| u32::try_from(position).ok())))
            }
            Some("IN_PROGRESS") => Ok(Progress::Running),
            Some("COMPLETED") => Ok(Progress::Over),
            _ => Err(AskError::Unavailable("a status without a known state".to_owned())),
        }
    }

    async fn ask_result(&self, request: &ProviderRequest, model: Option<&Model>) -> Result<Verdict, AskError> {
        let (status, headers, body) = self.ask(Method::GET, &request.response_url, RESULT_TIMEOUT, MAX_RESULT).await?;
        if matches!(status.as_u16(), 401 | 402 | 403 | 404 | 429) || is_ingress_fault(status, &headers, &body) {
            let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            return Err(refusal(status, &headers, &json));
        }
        if status.is_success() && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
            return Err(AskError::Unavailable("a result that isn't JSON".to_owned()));
        }
        Ok(verdict(status, &headers, &body, model))
    }

    async fn ask_cancel(&self, request: &ProviderRequest) -> Result<Cancellation, AskError> {
        let (status, headers, body) = self.ask(Method::PUT, &request.cancel_url, ASK_TIMEOUT, MAX_ANSWER).await?;
        let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        match status.as_u16() {
            200 if json.get("status").and_then(Value::as_str) == Some("OK") => Ok(Cancellation::Stopped),
            200..=299 => Ok(Cancellation::Requested),
            400 | 404 => Ok(Cancellation::TooLate),
            _ => Err(refusal(status, &headers, &json)),
        }
    }

    /// The state of a request that there never was: 404 from a queue that works and knows our key.
    async fn ask_anything(&self) -> Result<(), AskError> {
        let nowhere = request_at(&self.queue, PROBE_ENDPOINT, &hex::encode(crate::id::random::<16>()));
        let nowhere = nowhere.ok_or_else(|| AskError::Unavailable("the queue's address makes no other".to_owned()))?;
        let (status, headers, body) = self.ask(Method::GET, &nowhere.status_url, PING_TIMEOUT, MAX_ANSWER).await?;
        if status == StatusCode::NOT_FOUND || status.is_success() {
            return Ok(());
        }
        let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Err(refusal(status, &headers, &json))
    }

    fn authorised(&self, method: Method, url: Url) -> RequestBuilder {
        let mut value =
            http::HeaderValue::try_from(format!("Key {}", self.key.expose_secret())).unwrap_or(http::HeaderValue::from_static("Key"));
        value.set_sensitive(true);
        self.http.request(method, url).header(http::header::AUTHORIZATION, value).header(http::header::ACCEPT, "application/json")
    }

    async fn exchange(&self, request: RequestBuilder, most: usize) -> Result<(StatusCode, HeaderMap, Vec<u8>), Lost> {
        let answer = request.send().await.map_err(|error| {
            // Connecting comes first: when it failed, no byte of the request has left.
            let not_sent = error.is_connect() || error.is_builder();
            let what = describe(&error.without_url());
            if not_sent { Lost::NotSent(what) } else { Lost::Answer(what) }
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| Lost::Answer(describe(&error.without_url())))?;
            if body.len() + chunk.len() > most {
                return Err(Lost::Answer(format!("an answer of more than {most} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, headers, body))
    }

    /// `path` below the queue's address.
    fn below(&self, path: &str) -> Option<Url> {
        Url::parse(&format!("{}/{}", self.queue.as_str().trim_end_matches('/'), path)).ok().filter(|url| self.is_queue(url))
    }

    fn is_queue(&self, url: &Url) -> bool {
        url.origin() == self.queue.origin() && url.username().is_empty() && url.password().is_none()
    }

    fn is_ours(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| self.is_queue(&url))
    }
}

/// Why there is no answer.
enum Lost {
    NotSent(String),
    Answer(String),
}

/// Where the request `id` to `endpoint` is found at `queue`, if it is an id. State, result and cancellation know only the first two
/// parts of an endpoint.
pub fn request_at(queue: &Url, endpoint: &str, id: &str) -> Option<ProviderRequest> {
    let parts = if endpoint.starts_with("workflows/") || endpoint.starts_with("comfy/") { 3 } else { 2 };
    let app: Vec<&str> = endpoint.split('/').take(parts).collect();
    let base = format!("{}/{}/requests/{id}", queue.as_str().trim_end_matches('/'), app.join("/"));
    is_request_id(id).then(|| ProviderRequest {
        id: id.to_owned(),
        status_url: format!("{base}/status"),
        cancel_url: format!("{base}/cancel"),
        response_url: base,
    })
}

/// Ids are UUIDs today; anything that can't be a path segment isn't one.
fn is_request_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// A page of something between us and the queue, not the model's own word.
fn is_ingress_fault(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
    matches!(status.as_u16(), 502..=504) && !headers.contains_key("x-fal-request-id") && !body.trim_ascii_start().starts_with(b"{")
}

fn refusal(status: StatusCode, headers: &HeaderMap, json: &Value) -> AskError {
    match Failure::from_answer(status, headers, json, None) {
        failure if matches!(failure.code, FailureCode::AccountLocked | FailureCode::AccountRefused) => AskError::Refused(failure),
        _ if status == StatusCode::NOT_FOUND => AskError::Unknown,
        _ => AskError::Unavailable(format!("status {status}")),
    }
}

impl Provider for Fal {
    fn submit<'a>(&'a self, submission: &'a Submission) -> BoxFuture<'a, Result<ProviderRequest, SubmitError>> {
        Box::pin(self.post(submission))
    }

    fn status<'a>(&'a self, request: &'a ProviderRequest) -> BoxFuture<'a, Result<Progress, AskError>> {
        Box::pin(self.ask_status(request))
    }

    fn result<'a>(&'a self, request: &'a ProviderRequest, model: Option<&'a Model>) -> BoxFuture<'a, Result<Verdict, AskError>> {
        Box::pin(self.ask_result(request, model))
    }

    fn cancel<'a>(&'a self, request: &'a ProviderRequest) -> BoxFuture<'a, Result<Cancellation, AskError>> {
        Box::pin(self.ask_cancel(request))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), AskError>> {
        Box::pin(self.ask_anything())
    }

    fn fetch<'a>(&'a self, url: &'a str, limit: u64) -> BoxFuture<'a, Result<MediaStream, FetchError>> {
        Box::pin(self.fetcher.open(url, limit))
    }
}
