//! `ETag` and 304 for JSON answers to GET: how clients follow a job without reading it again and again.

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Larger bodies go out without one.
const MAX_BYTES: u64 = 1024 * 1024;

/// Tags `response`, and empties it when `if_none_match` names the tag. Only for 200 answers whose whole body is at hand.
pub(super) async fn tag(if_none_match: &HeaderMap, response: Response) -> Response {
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let small = response.body().size_hint().exact().is_some_and(|bytes| bytes <= MAX_BYTES);
    if response.status() != StatusCode::OK || !json || !small || response.headers().contains_key(header::ETAG) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::try_from(MAX_BYTES).unwrap_or(usize::MAX)).await else {
        // A body of known length that can't be read: there is nothing to send.
        parts.status = StatusCode::INTERNAL_SERVER_ERROR;
        return Response::from_parts(parts, Body::empty());
    };
    let (value, text) = etag_of(&bytes);
    parts.headers.insert(header::ETAG, value);
    if matches(if_none_match, &text) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn etag_of(bytes: &Bytes) -> (HeaderValue, String) {
    let text = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..18]));
    (HeaderValue::try_from(&text).unwrap_or(HeaderValue::from_static("\"\"")), text)
}

/// Weak comparison, as RFC 9110 wants for If-None-Match: a CDN that compresses marks tags as weak.
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|tag| tag.trim())
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
