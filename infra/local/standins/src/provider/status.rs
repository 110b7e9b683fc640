//! The JSON of a request's life: the answer to submitting, the status object, the result.

use super::Inner;
use super::address::application;
use super::store::{Request, State};
use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-fal-request-id");
const BILLABLE_UNITS: HeaderName = HeaderName::from_static("x-fal-billable-units");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-fal-error-type");
const TIMEOUT_TYPE: HeaderName = HeaderName::from_static("x-fal-request-timeout-type");
const NEEDS_RETRY: HeaderName = HeaderName::from_static("x-fal-needs-retry");
const RETRYABLE: HeaderName = HeaderName::from_static("x-fal-retryable");

/// The status object. `position` counts only while it is queued.
pub(super) fn object(inner: &Inner, request: &Request, position: u32, logs: bool) -> Value {
    let address = format!("{}/{}/requests/{}", inner.base_url, application(&request.endpoint), request.id);
    let mut object = json!({
        "request_id": request.id,
        "response_url": address,
        "status_url": format!("{address}/status"),
        "cancel_url": format!("{address}/cancel"),
    });
    match request.state {
        State::Queued => {
            object["status"] = json!("IN_QUEUE");
            object["queue_position"] = json!(position);
        }
        State::Running => {
            object["status"] = json!("IN_PROGRESS");
            object["logs"] = lines(request, logs);
        }
        State::Completed => {
            object["status"] = json!("COMPLETED");
            object["logs"] = lines(request, logs);
            object["metrics"] = match request.inference_s {
                Some(seconds) if request.error.is_none() => json!({ "inference_time": seconds }),
                _ => json!({}),
            };
            if let Some(error) = &request.error {
                object["error"] = json!(error);
                object["error_type"] = json!(request.error_type);
            }
        }
    }
    object
}

/// The result: the model's own status, headers and body.
pub(super) fn result(inner: &Inner, request: &Request) -> Response {
    let (Some(status), Some(body)) = (request.status, &request.body) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "detail": "Request is still in progress" }))).into_response();
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(payload(inner, body))).into_response();
    let headers = response.headers_mut();
    put(headers, BILLABLE_UNITS, &request.units.unwrap_or_default().to_string());
    if let Some(kind) = &request.error_type {
        put(headers, ERROR_TYPE, kind);
        if kind == "request_timeout" {
            put(headers, TIMEOUT_TYPE, "user");
        }
    }
    if status.is_client_error() || status.is_server_error() {
        // The header has two names; both are sent somewhere.
        let retry = matches!(status.as_u16(), 502..=504) && request.error_type.as_deref() != Some("request_timeout");
        put(headers, NEEDS_RETRY, if retry { "1" } else { "0" });
        put(headers, RETRYABLE, if retry { "true" } else { "false" });
    }
    response
}

/// A stored body with the addresses of its files made whole.
pub(super) fn payload(inner: &Inner, body: &str) -> Value {
    let mut value = serde_json::from_str(body).unwrap_or(Value::Null);
    complete_urls(&mut value, &inner.base_url);
    value
}

/// Names the request in the answer's headers.
pub(super) fn identified(mut response: Response, id: &str) -> Response {
    put(response.headers_mut(), REQUEST_ID, id);
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn complete_urls(value: &mut Value, base_url: &str) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value {
                    Value::String(url) if name == "url" && url.starts_with("/files/") => url.insert_str(0, base_url),
                    value => complete_urls(value, base_url),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| complete_urls(item, base_url)),
        _ => {}
    }
}

fn lines(request: &Request, asked: bool) -> Value {
    if !asked {
        return Value::Null;
    }
    let line = |ms: i64, message: &str| {
        let timestamp = Timestamp::from_millisecond(ms).unwrap_or_default();
        json!({ "message": message, "timestamp": format!("{timestamp:.3}"), "level": "INFO", "source": "USER" })
    };
    let mut lines = vec![line(request.submitted_ms, "Queued.")];
    lines.extend(request.started_ms.map(|ms| line(ms, "Drawing a sample.")));
    Value::Array(lines)
}
