//! What a function answered, as API Gateway turns it into HTTP.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Lambda's limit of a buffered answer, in bytes of JSON.
pub(crate) const MAX_ANSWER: usize = 6_291_556;

/// Why an answer can't be sent. API Gateway says 500 to all of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// Longer than a Lambda function may answer.
    #[error("the answer has {0} bytes, and a function may answer {MAX_ANSWER}")]
    TooLong(usize),
    /// Not an answer of payload format 2.0.
    #[error("the answer is malformed: {0}")]
    Malformed(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    multi_value_headers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The HTTP answer that `json` stands for.
pub(crate) fn build(json: &[u8]) -> Result<Response<Body>, AnswerError> {
    if json.len() > MAX_ANSWER {
        return Err(AnswerError::TooLong(json.len()));
    }
    let malformed = |what: String| AnswerError::Malformed(what);
    let answer: Answer = serde_json::from_slice(json).map_err(|e| malformed(e.to_string()))?;
    let body = match answer.body {
        None => Vec::new(),
        Some(text) if answer.is_base64_encoded => STANDARD.decode(text).map_err(|e| malformed(e.to_string()))?,
        Some(text) => text.into_bytes(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).map_err(|e| malformed(e.to_string()))?;
    let single = answer.headers.into_iter();
    let multiple = answer.multi_value_headers.into_iter().flat_map(|(name, values)| values.into_iter().map(move |v| (name.clone(), v)));
    let cookies = answer.cookies.into_iter().map(|cookie| (header::SET_COOKIE.to_string(), cookie));
    for (name, value) in single.chain(multiple).chain(cookies) {
        let name = HeaderName::try_from(&name).map_err(|_| malformed(format!("header name {name:?}")))?;
        // The connection is between the gateway and its client, and so is the length.
        if [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH].contains(&name) {
            continue;
        }
        let value = HeaderValue::try_from(value).map_err(|_| malformed(format!("value of header {name}")))?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}
