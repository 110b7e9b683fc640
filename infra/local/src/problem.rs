//! Answers of the local edition's own, when no function gets to speak: RFC 9457, like every answer of the API.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use shared::clock::Clock;
use shared::id::RecordId;

/// A problem document. `code` is stable, `title` is for people.
pub(crate) fn problem(status: StatusCode, code: &str, title: &str, request_id: &str) -> Response<Body> {
    let document = serde_json::json!({
        "type": format!("/problems/{code}"),
        "title": title,
        "status": status.as_u16(),
        "code": code,
        "detail": format!("{title}."),
        "request_id": request_id,
    });
    let mut response = Response::new(Body::from(document.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", id);
    }
    response
}

/// A request's id: in logs, events, answers and problem documents.
pub(crate) fn request_id(clock: &Clock) -> String {
    RecordId::new(clock.now()).to_string()
}
