use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

use super::super::{ApiError, ApiJson, ApiPath, Code};
use super::{MAX_BODY_BYTES, app};
use crate::config::Env;
use crate::id::AssetId;
use crate::runtime::Platform;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

/// Nothing is connected: these routes touch no service.
pub(crate) fn platform() -> Platform {
    let names = ["TABLE_NAME", "MEDIA_BUCKET", "UPLOADS_BUCKET", "RESULTS_QUEUE_URL", "VIDEOS_QUEUE_URL", "TASKS_QUEUE_URL"];
    let more = ["OIDC_CLIENT_ID", "MEDIA_KEY_PAIR_ID", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let mut env: Env = names.into_iter().chain(more).map(|name| (name.to_owned(), "x".to_owned())).collect();
    env.set("PUBLIC_ORIGIN", "https://images.example");
    env.set("SECRETS", "file:/nowhere");
    Platform::connect(&env).unwrap()
}

fn router() -> Router {
    let routes = Router::new()
        .route("/json", get(|| async { Json(json!({ "a": 1 })) }).post(|ApiJson(named): ApiJson<Named>| async move { named.name }))
        .route("/id/{id}", get(|ApiPath(id): ApiPath<AssetId>| async move { id.to_string() }))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("canary")
                }
            }),
        )
        .route("/slow", get(std::future::pending::<()>))
        .route("/html", get(|| async { ([(header::CACHE_CONTROL, "public, max-age=60"), (header::CONTENT_TYPE, "text/html")], "<p>") }))
        .route("/busy", get(|| async { ApiError::rate_limited("later", 7).source("canary") }))
        .route("/large", post(|body: Bytes| async move { body.len().to_string() }).layer(DefaultBodyLimit::max(MAX_BODY_BYTES * 2)))
        .route("/big", get(|| async { Json(json!("x".repeat(2 * 1024 * 1024))) }));
    app(&platform(), OpenApiRouter::from(routes))
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The code of a problem, whose common parts are checked here.
    fn problem(&self) -> String {
        let json = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(json["status"], self.status.as_u16());
        assert_eq!(json["request_id"], self.header("x-request-id"));
        assert_eq!(json["type"], format!("/problems/{}", json["code"].as_str().unwrap()));
        assert!(!json["title"].as_str().unwrap().is_empty() && !json["detail"].as_str().unwrap().is_empty());
        assert!(!json.to_string().contains("canary"));
        assert_eq!(self.header("cache-control"), "no-store");
        json["code"].as_str().unwrap().to_owned()
    }
}

async fn call(request: Request) -> Answer {
    let (parts, body) = router().oneshot(request).await.unwrap().into_parts();
    Answer { status: parts.status, headers: parts.headers, body: to_bytes(body, usize::MAX).await.unwrap() }
}

fn request(method: &str, path: &str) -> Request {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

fn post_body(path: &str, content_type: Option<&str>, body: impl Into<Body>) -> Request {
    let mut request = Request::builder().method("POST").uri(path);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    for (request, status, code) in [
        (request("GET", "/nowhere"), 404, "not-found"),
        (request("DELETE", "/json"), 405, "method-not-allowed"),
        (request("GET", "/id/1"), 404, "not-found"),
        (request("GET", "/id/%FF"), 404, "not-found"),
        // What a decoded path becomes isn't what was asked for.
        (lambda_http::RequestExt::with_raw_http_path(request("GET", "/json"), "/json#/x"), 404, "not-found"),
        (lambda_http::RequestExt::with_raw_http_path(request("GET", "/json"), "/js\ton"), 404, "not-found"),
        (lambda_http::RequestExt::with_raw_http_path(request("GET", "/json"), "/x/../json"), 404, "not-found"),
        (request("GET", "/panic"), 500, "internal"),
        (request("GET", "/busy"), 429, "rate-limited"),
        (post_body("/json", None, "{}"), 415, "unsupported-media-type"),
        (post_body("/json", Some("text/plain"), r#"{"name":"a"}"#), 415, "unsupported-media-type"),
        (post_body("/json", Some("application/json"), ""), 400, "validation"),
        (post_body("/json", Some("application/json"), r#"{"name":"a","role":"admin"}"#), 400, "validation"),
        (post_body("/json", Some("application/json"), vec![b' '; MAX_BODY_BYTES + 1]), 413, "payload-too-large"),
    ] {
        let name = format!("{} {}", request.method(), request.uri());
        let answer = call(request).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, code), "{name}");
    }
    assert_eq!(call(lambda_http::RequestExt::with_raw_http_path(request("GET", "/json"), "/json")).await.status, 200);
    assert_eq!(call(request("DELETE", "/json")).await.header("allow"), "GET,HEAD,POST");
    assert_eq!(call(request("GET", "/busy")).await.header("retry-after"), "7");
    let named = call(post_body("/json", Some("application/json"), r#"{"name":"a","role":"admin"}"#)).await.json();
    assert_eq!(named["errors"][0]["field"], "role");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_ends_is_given_up() {
    let answer = call(request("GET", "/slow")).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (504, "timeout"));
}

#[tokio::test]
async fn good_answers_carry_the_common_headers() {
    let answer = call(post_body("/json", Some("application/json; charset=utf-8"), r#"{"name":"ada"}"#)).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"ada"[..]));
    assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"));
    assert_eq!(answer.header("x-request-id").len(), 16);
    assert_eq!(call(request("GET", "/html")).await.header("cache-control"), "public, max-age=60");
    assert_eq!(call(post_body("/large", None, vec![0; MAX_BODY_BYTES + 1])).await.body, (MAX_BODY_BYTES + 1).to_string());
}

#[tokio::test]
async fn a_body_that_is_known_is_not_sent_again() {
    let first = call(request("GET", "/json")).await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() > 20);
    for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let mut again = request("GET", "/json");
        again.headers_mut().insert(header::IF_NONE_MATCH, known.parse().unwrap());
        let answer = call(again).await;
        assert_eq!((answer.status, answer.body.len(), answer.header("etag")), (StatusCode::NOT_MODIFIED, 0, etag.as_str()));
    }
    let mut other = request("GET", "/json");
    other.headers_mut().insert(header::IF_NONE_MATCH, "\"other\"".parse().unwrap());
    assert_eq!(call(other).await.body, first.body);
    // Too large, not JSON, not a success: no tag.
    for path in ["/big", "/html", "/busy"] {
        assert_eq!(call(request("GET", path)).await.header("etag"), "", "{path}");
    }
}

#[test]
fn every_code_has_a_status_of_its_kind_and_a_spelling_of_its_own() {
    let mut spellings: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert!(Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error()));
    assert!(spellings.iter().all(|text| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    spellings.sort_unstable();
    spellings.dedup();
    assert_eq!(spellings.len(), Code::ALL.len());
    let answer = ApiError::unauthenticated().into_response();
    assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer");
}
