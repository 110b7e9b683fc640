//! Plays API Gateway in front of the functions: picks the route, makes the event, calls the function's router through the same
//! adapter that a Lambda function uses, and turns the answer back into HTTP.
//!
//! Invariant: a function sees nothing that API Gateway wouldn't show it, and can answer nothing that API Gateway wouldn't pass on.
//! A function that panics or takes too long costs its caller an error and nobody else anything.
//!
//! Deliberately absent: authorizers, CORS, stages other than `$default`, and throttling, which the product doesn't use.

mod answer;
mod event;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use jiff::Timestamp;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, LambdaEvent};
use lambda_runtime::Context;
use shared::clock::Clock;
use tower::Service as _;

use crate::problem::problem;
use crate::template::Routes;
use answer::AnswerError;
pub(crate) use event::ACCOUNT;
use event::Incoming;

/// API Gateway's limit of a request's body: 10 MB.
const MAX_BODY: usize = 10 * 1024 * 1024;
/// Lambda's limit of an event: 6 MB. API Gateway answers 413 for a body that only its encoding makes too long.
const MAX_EVENT: usize = 6 * 1024 * 1024;
/// API Gateway's limit of request line and headers, in bytes.
const MAX_HEAD: usize = 10_240;
/// API Gateway waits no longer for a function.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// The header in which an HTTP API names a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");

/// A function that answers HTTP.
#[derive(Clone, Debug)]
pub struct HttpFunction {
    /// What its `main` serves on Lambda.
    pub router: Router,
    /// When an invocation is given up.
    pub timeout: Duration,
}

/// The HTTP API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    routes: Routes,
    functions: BTreeMap<String, HttpFunction>,
}

/// Why an invocation brought no answer.
#[derive(Debug, thiserror::Error)]
enum InvokeError {
    #[error("the function took longer than {0:?}")]
    TimedOut(Duration),
    #[error("the function panicked")]
    Panicked,
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error("the event could not be made: {0}")]
    Event(#[from] serde_json::Error),
}

impl Gateway {
    /// The API with these routes to these functions. That every route has its function is checked when the edition starts.
    pub fn new(routes: Routes, functions: BTreeMap<String, HttpFunction>, clock: Clock) -> Self {
        Self { inner: Arc::new(Inner { clock, routes, functions }) }
    }

    /// Answers one request of `source`.
    pub async fn call(&self, request: Request<Body>, source: IpAddr, request_id: &str) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let mut response = self.answer(&parts, body, source, request_id).await;
        if let Ok(id) = HeaderValue::from_str(request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    async fn answer(&self, parts: &http::request::Parts, body: Body, source: IpAddr, request_id: &str) -> Response<Body> {
        if head_length(parts) > MAX_HEAD {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return problem(status, "headers-too-large", "The headers are too long", request_id);
        }
        let too_long = || problem(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "The request is too long", request_id);
        let body = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return too_long(),
            Err(_) => return problem(StatusCode::BAD_REQUEST, "validation", "The request ended early", request_id),
        };
        let (method, path) = (&parts.method, parts.uri.path());
        let found = self.inner.routes.find(method, path);
        let Some((route, captures)) = found else {
            return problem(StatusCode::NOT_FOUND, "not-found", "There is nothing here", request_id);
        };
        let Some(function) = self.inner.functions.get(&route.function) else {
            return problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side", request_id);
        };
        let incoming = Incoming {
            method,
            path,
            query: parts.uri.query(),
            headers: &parts.headers,
            body: &body,
            source,
            request_id,
            at: self.inner.clock.now(),
        };
        let event = event::build(&incoming, &route.key, &captures).to_string();
        if event.len() > MAX_EVENT {
            return too_long();
        }
        let context = context(&route.function, request_id, incoming.at, function.timeout);
        match invoke(function, event, context).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(function = %route.function, request_id, %error, "invocation failed");
                match error {
                    InvokeError::TimedOut(_) => unavailable(request_id),
                    _ => problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side", request_id),
                }
            }
        }
    }
}

fn unavailable(request_id: &str) -> Response<Body> {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "This took too long", request_id);
    response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn head_length(parts: &http::request::Parts) -> usize {
    let line = parts.method.as_str().len() + parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    line + header_length(&parts.headers)
}

fn header_length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// Calls the function as its runtime would: the event's JSON in, the answer's JSON out. A task of its own keeps a panic apart.
async fn invoke(function: &HttpFunction, event: String, context: Context) -> Result<Response<Body>, InvokeError> {
    let router = function.router.clone();
    let wait = function.timeout.min(MAX_WAIT);
    let mut task = tokio::spawn(async move {
        let payload: LambdaRequest = serde_json::from_str(&event)?;
        // A router is always ready. The adapter itself can't be held across an await.
        let answer = Adapter::from(router).call(LambdaEvent { payload, context });
        let answer: Result<_, Infallible> = answer.await;
        let answer = answer.unwrap_or_else(|never| match never {});
        serde_json::to_vec(&answer)
    });
    let json = match tokio::time::timeout(wait, &mut task).await {
        Ok(Ok(json)) => json?,
        Ok(Err(_)) => return Err(InvokeError::Panicked),
        Err(_) => {
            task.abort();
            return Err(InvokeError::TimedOut(wait));
        }
    };
    Ok(answer::build(&Bytes::from(json))?)
}

/// What Lambda tells a function about an invocation.
fn context(name: &str, request_id: &str, begun: Timestamp, timeout: Duration) -> Context {
    let mut context = Context::default();
    request_id.clone_into(&mut context.request_id);
    context.invoked_function_arn = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}");
    let deadline = begun.as_millisecond().saturating_add(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
    context.deadline = u64::try_from(deadline).unwrap_or_default();
    context
}
