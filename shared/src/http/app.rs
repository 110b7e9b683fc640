//! The one stack around every router.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{RequestExt, Router};
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use percent_encoding::percent_decode_str;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use super::arrival;
use super::error::{ApiError, Code};
use super::etag;
use crate::id::{UserId, random_base62};
use crate::runtime::Platform;

/// Bytes of a request's body, unless a route sets another `DefaultBodyLimit`.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// A request is answered within this: below the function's own time-out of 10 s, which would leave no answer and no log line.
const HANDLER: Duration = Duration::from_secs(8);
/// The id's header.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Paths that two functions share, of which each knows its own methods alone.
const SHARED: [(&str, &str); 1] = [("/api/v1/generations", "GET,HEAD,POST")];

/// Names a request in answers and logs. An extension of every request.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Where the extractor leaves who it found, for the log line.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller(Arc<OnceLock<UserId>>);

impl Caller {
    pub(super) fn set(&self, user: UserId) {
        let _already_known = self.0.set(user);
    }
}

/// Puts the stack around `routes`: what `main`, the local edition and the tests all serve.
pub fn app(platform: &Platform, routes: OpenApiRouter<Platform>) -> Router {
    Router::from(routes)
        .method_not_allowed_fallback(not_allowed)
        .fallback(|| async { ApiError::not_found() })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(platform.clone(), observe))
        .with_state(platform.clone())
}

async fn not_allowed(uri: Uri) -> Response {
    let mut response = ApiError::new(Code::MethodNotAllowed, "This path has no such method; see Allow.").into_response();
    // Otherwise the router says it.
    if let Some((_, methods)) = SHARED.iter().find(|(path, _)| *path == uri.path()) {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    response
}

/// The panic's message may repeat what a caller sent, so it is not looked at here.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::internal("a handler panicked").into_response()
}

/// Request id, time-out, problem bodies, common headers, and the canonical log line.
async fn observe(State(platform): State<Platform>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(&request);
    let caller = Caller::default();
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(caller.clone());
    let method = request.method().clone();
    let operation = request.extract_parts::<MatchedPath>().await.map(|path| path.as_str().to_owned());
    let operation = operation.unwrap_or_else(|_| "unmatched".to_owned());
    let conditions = (method == Method::GET).then(|| request.headers().clone());

    let response = match arrival::judge(&platform.config.origin_secrets, request.uri().path(), request.headers()) {
        Err(beside) => beside.into_response(),
        Ok(_) if !is_as_asked(&request) => ApiError::not_found().into_response(),
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            match tokio::time::timeout(HANDLER, next.run(request)).await {
                Ok(response) => response,
                Err(_) => ApiError::new(Code::Timeout, "We gave up after 8 seconds; try again.").into_response(),
            }
        }
    };

    let error = response.extensions().get::<Arc<ApiError>>().cloned();
    let response = match (&error, conditions) {
        (Some(error), _) => with_problem(response, error, &id),
        (None, Some(headers)) => etag::tag(&headers, response).await,
        (None, None) => response,
    };
    let response = with_common_headers(response, &id);
    log(&Line { operation: &operation, method: &method, id: &id, caller: &caller, began }, response.status(), error.as_deref());
    response
}

/// API Gateway hands paths over decoded, and `lambda_http` reads them as addresses are read: what follows a # is cut off, `\` is a `/`,
/// tabs are left out, `..` goes up. Such a path is none of ours, and must not be taken for another.
fn is_as_asked(request: &Request) -> bool {
    let raw = request.raw_http_path();
    raw.is_empty() || percent_decode_str(request.uri().path()).eq(raw.bytes())
}

/// API Gateway's own id when there is one, so that its logs and ours meet.
fn request_id(request: &Request) -> String {
    match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    }
    .filter(|id| !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic()))
    .unwrap_or_else(|| random_base62(16))
}

fn with_problem(response: Response, error: &ApiError, id: &str) -> Response {
    let (mut parts, _) = response.into_parts();
    let body = serde_json::to_vec(&error.problem(id)).unwrap_or_default();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

fn with_common_headers(mut response: Response, id: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

struct Line<'a> {
    operation: &'a str,
    method: &'a Method,
    id: &'a str,
    caller: &'a Caller,
    began: Instant,
}

fn log(line: &Line<'_>, status: StatusCode, error: Option<&ApiError>) {
    let duration_ms = u64::try_from(line.began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let user = line.caller.0.get().map(UserId::to_string);
    let code = error.map(|error| error.code().as_str());
    let causes = error.map(ApiError::causes).filter(|text| !text.is_empty());
    let (user, causes) = (user.as_deref(), causes.as_deref());
    if status.is_server_error() {
        tracing::error!(
            operation = line.operation, method = %line.method, status = status.as_u16(), duration_ms, request.id = line.id,
            user.id = user, error.code = code, error.causes = causes, "request"
        );
    } else {
        tracing::info!(
            operation = line.operation, method = %line.method, status = status.as_u16(), duration_ms, request.id = line.id,
            user.id = user, error.code = code, error.causes = causes, "request"
        );
    }
}

#[cfg(test)]
mod tests;
