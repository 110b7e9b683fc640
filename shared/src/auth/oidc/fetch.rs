//! Asking the issuer: with a time-out, a bounded body, and errors that repeat nothing secret.

use std::time::Duration;

use reqwest::header::CACHE_CONTROL;
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::OidcError;

/// Of one call, below what a sign-in may take in all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Discovery documents, key sets and token answers are a few kilobytes.
const MAX_BYTES: usize = 256 * 1024;

/// A document, and how long it may be kept.
pub(super) struct Fetched<T> {
    pub(super) value: T,
    pub(super) max_age_s: Option<i64>,
}

/// A JSON document.
pub(super) async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<Fetched<T>, OidcError> {
    let response = send(request).await?;
    if !response.status().is_success() {
        return Err(OidcError::Unavailable(format!("status {}", response.status().as_u16())));
    }
    let max_age_s = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).and_then(max_age);
    let value = serde_json::from_slice(&body(response).await?).map_err(|_| OidcError::Unavailable("not the expected JSON".to_owned()))?;
    Ok(Fetched { value, max_age_s })
}

/// The identity token in the answer of the token endpoint.
pub(super) async fn id_token(request: RequestBuilder) -> Result<String, OidcError> {
    #[derive(Deserialize)]
    struct Answer {
        id_token: String,
    }
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let response = send(request).await?;
    let status = response.status();
    let bytes = body(response).await?;
    if status.is_success() {
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| OidcError::Unavailable("no identity token".to_owned()))?;
        return Ok(answer.id_token);
    }
    let known = |error: &str| error.len() <= 40 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match serde_json::from_slice::<Refusal>(&bytes) {
        Ok(Refusal { error }) if status.is_client_error() && known(&error) => Err(OidcError::Refused(error)),
        _ => Err(OidcError::Unavailable(format!("status {} of the token endpoint", status.as_u16()))),
    }
}

async fn send(request: RequestBuilder) -> Result<Response, OidcError> {
    request.timeout(TIMEOUT).send().await.map_err(failed)
}

async fn body(mut response: Response) -> Result<Vec<u8>, OidcError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(OidcError::Unavailable("its answer is too large".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn failed(error: reqwest::Error) -> OidcError {
    let mut text = error.without_url().to_string();
    text.truncate(text.floor_char_boundary(200));
    OidcError::Unavailable(text)
}

/// `max-age` of a `Cache-Control`; zero when nothing may be kept.
pub(super) fn max_age(value: &str) -> Option<i64> {
    let mut directives = value.split(',').map(str::trim);
    if directives.clone().any(|directive| matches!(directive, "no-store" | "no-cache")) {
        return Some(0);
    }
    directives.find_map(|directive| directive.strip_prefix("max-age=")).and_then(|seconds| seconds.parse().ok())
}
