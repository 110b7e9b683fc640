//! Reading requests: every refusal is an [`ApiError`] that names the field.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{ApiError, Code};
use super::page::Page;
use super::strict::Strict;
use crate::domain::fields::FieldErrors;

/// A JSON body. `T` should deny unknown fields.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(Code::UnsupportedMediaType, "Send the body as application/json."));
        }
        let body = Bytes::from_request(request, state).await.map_err(unreadable)?;
        parse_json(&body).map(Self)
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub struct OptionalJson<T>(pub Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let json = is_json(request.headers());
        let body = Bytes::from_request(request, state).await.map_err(unreadable)?;
        match (body.is_empty(), json) {
            (true, _) => Ok(Self(None)),
            (false, true) => parse_json(&body).map(|value| Self(Some(value))),
            (false, false) => Err(ApiError::new(Code::UnsupportedMediaType, "Send the body as application/json.")),
        }
    }
}

/// A body as it came, of at most what the route allows.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Bytes::from_request(request, state).await.map(Self).map_err(unreadable)
    }
}

/// Whether the request says that its body is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(crate::auth::csrf::is_json)
}

fn unreadable(rejection: BytesRejection) -> ApiError {
    if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::new(Code::PayloadTooLarge, "The body is larger than this call takes.")
    } else {
        ApiError::new(Code::Validation, "The body could not be read.")
    }
}

/// Reads `body`, with the full path of what doesn't fit.
///
/// # Errors
/// `validation`: a field, or the line and column where the text stops being JSON.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(Strict(&mut deserializer)).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => misfit(&path, &reason(&inner.to_string())),
            _ => not_json(&inner),
        }
    })?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> ApiError {
    let message = format!("The body is not JSON: line {}, column {}.", error.line(), error.column());
    ApiError::invalid("", "syntax", message)
}

/// serde's words without the position, which the path replaces.
fn reason(text: &str) -> String {
    text.split(" at line ").next().unwrap_or(text).to_owned()
}

/// A complaint about what is at `path`. Values are not repeated: they may be prompts.
fn misfit(path: &str, reason: &str) -> ApiError {
    let quoted = || reason.split('`').nth(1).unwrap_or_default();
    let parent = if path == "." { "" } else { path };
    let below = |name: &str| match parent.strip_suffix(name).filter(|rest| rest.is_empty() || rest.ends_with('.')) {
        Some(_) => parent.to_owned(),
        None if parent.is_empty() => name.to_owned(),
        None => format!("{parent}.{name}"),
    };
    if reason.starts_with("unknown field") {
        let field = below(quoted());
        let message = format!("{field} is not a field of this request.");
        ApiError::invalid(field, "unknown", message)
    } else if reason.starts_with("missing field") {
        let field = below(quoted());
        let message = format!("{field} is required.");
        ApiError::invalid(field, "required", message)
    } else if reason.starts_with("duplicate field") {
        let field = below(quoted());
        let message = format!("{field} is given twice.");
        ApiError::invalid(field, "duplicate", message)
    } else {
        // "invalid type: string \"...\", expected u32": only the second half is ours to repeat.
        let expected = reason.rsplit_once(", expected ").map(|(_, expected)| expected);
        let named = if parent.is_empty() { "The body" } else { parent };
        let message = match expected {
            Some(shape) if shape.starts_with("struct ") => format!("{named} must be an object."),
            Some(expected) => format!("{named} must be {expected}."),
            None => format!("{named} can't be read."),
        };
        ApiError::invalid(parent, "invalid", message)
    }
}

/// Query parameters. `T` should deny unknown fields.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parse_query(pairs(parts)).map(Self)
    }
}

/// Query parameters of a list: the page, and what is filtered by. `T` should deny unknown fields.
#[derive(Debug)]
pub struct ApiList<T>(pub Page, pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiList<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let (paging, filters): (Vec<_>, Vec<_>) = pairs(parts).into_iter().partition(|(name, _)| name == "limit" || name == "cursor");
        let mut errors = FieldErrors::new();
        let (mut limit, mut cursor) = (None, None);
        for (name, value) in paging {
            let slot = if name == "limit" { &mut limit } else { &mut cursor };
            if slot.replace(value).is_some() {
                errors.add(name, "duplicate", "This parameter is given twice.");
            }
        }
        errors.finish(())?;
        Ok(Self(Page::new(limit.as_deref(), cursor)?, parse_query(filters)?))
    }
}

/// For lists without filters.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFilter {}

fn pairs(parts: &Parts) -> Vec<(String, String)> {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn parse_query<T: DeserializeOwned>(pairs: Vec<(String, String)>) -> Result<T, ApiError> {
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let deserializer = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(deserializer).map_err(|error| misfit(&error.path().to_string(), &error.inner().to_string()))
}

/// Path parameters. What can't be an id can't be found.
#[derive(Debug)]
pub struct ApiPath<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::<T>::from_request_parts(parts, state).await.map(|Path(value)| Self(value)).map_err(|_| ApiError::not_found())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::link::Opens;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its reading is tested")]
        inputs: Inner,
        #[expect(dead_code, reason = "only its reading is tested")]
        count: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its reading is tested")]
        prompt: String,
        #[serde(default)]
        #[expect(dead_code, reason = "only its reading is tested")]
        images: Vec<String>,
        #[expect(dead_code, reason = "only its reading is tested")]
        opens: Option<Opens>,
    }

    #[test]
    fn the_field_is_named_with_its_path_and_its_value_is_not_repeated() {
        for (body, field, code) in [
            (r#"{"inputs":{"prompt":"x","colour":1}}"#, "inputs.colour", "unknown"),
            (r#"{"inputs":{"prompt":"x"},"role":"admin"}"#, "role", "unknown"),
            (r#"{"inputs":{}}"#, "inputs.prompt", "required"),
            (r#"{}"#, "inputs", "required"),
            (r#"{"inputs":{"prompt":"x","prompt":"y"}}"#, "inputs.prompt", "duplicate"),
            (r#"{"inputs":{"prompt":"x"},"count":"canary"}"#, "count", "invalid"),
            (r#"{"inputs":{"prompt":"x","images":["a",7]}}"#, "inputs.images[1]", "invalid"),
            (r#"[]"#, "", "invalid"),
            (r#" [{"prompt":"x"}]"#, "", "invalid"),
            (r#"[{"prompt":"x"},1]"#, "", "invalid"),
            (r#"{"inputs":["x"]}"#, "inputs", "invalid"),
            (r#"{"inputs":["x",[],null]}"#, "inputs", "invalid"),
            (r#"{"inputs":{"prompt":"x","opens":{"page":null}}}"#, "inputs.opens", "invalid"),
            (r#"{"inputs":{"prompt":"x","opens":"canary"}}"#, "inputs.opens", "invalid"),
            (r#"{"inputs":{"prompt":"x","opens":7}}"#, "inputs.opens", "invalid"),
            (r#"{"inputs":{"prompt":"#, "", "syntax"),
            (r#"{"inputs":{"prompt":"x"}} trailing"#, "", "syntax"),
        ] {
            let problem = parse_json::<Outer>(body.as_bytes()).unwrap_err().problem("r");
            assert_eq!((problem.errors[0].field.as_str(), problem.errors[0].code), (field, code), "{body}");
            assert!(!format!("{problem:?}").contains("canary"));
        }
        for good in [r#"{"inputs":{"prompt":"x"}}"#, r#"{"inputs":{"prompt":"x","images":["a"],"opens":"page"},"count":null}"#] {
            assert!(parse_json::<Outer>(good.as_bytes()).is_ok(), "{good}");
        }
    }

    #[test]
    fn query_parameters_are_named_too() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Filter {
            #[expect(dead_code, reason = "only its reading is tested")]
            favourite: Option<bool>,
        }
        let read = |name: &str, value: &str| parse_query::<Filter>(vec![(name.to_owned(), value.to_owned())]);
        assert!(read("favourite", "true").is_ok());
        for (name, value, code) in [("favourite", "canary", "invalid"), ("colour", "red", "unknown")] {
            let problem = read(name, value).unwrap_err().problem("r");
            assert_eq!((problem.errors[0].field.as_str(), problem.errors[0].code), (name, code));
            assert!(!format!("{problem:?}").contains("canary"));
        }
    }
}
