//! Errors as callers see them: RFC 9457 with a stable code. What an operator needs is kept beside it for the log.

use std::error::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Denied;
use crate::db::DbError;
use crate::domain::fields::{FieldError, FieldErrors};

/// What handlers answer with.
pub type ApiResult<T> = Result<T, ApiError>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $title:literal;)+) => {
        /// The stable codes; a client may match on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As in `code` and at the end of `type`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The status it is answered with.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)+
                }
            }

            /// A line for people.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)+
                }
            }
        }
    };
}

codes! {
    /// The request doesn't say what it should; `errors` names the fields.
    Validation = "validation", BAD_REQUEST, "The request has mistakes";
    /// Nobody is signed in.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Sign in first";
    /// An admin has suspended the account.
    Suspended = "suspended", FORBIDDEN, "This account is suspended";
    /// The account is about to be deleted; it can be restored until then.
    Deleting = "deleting", FORBIDDEN, "This account is being deleted";
    /// Signed in, but not allowed to do this.
    Forbidden = "forbidden", FORBIDDEN, "Not allowed";
    /// A change that didn't come from our own pages.
    Csrf = "csrf", FORBIDDEN, "The request didn't come from this site";
    /// Not there, or somebody else's.
    NotFound = "not-found", NOT_FOUND, "Not found";
    /// The path is right, the method isn't.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// It isn't in a state in which this can be done.
    Conflict = "conflict", CONFLICT, "Not possible now";
    /// It was there and has ended.
    Gone = "gone", GONE, "No longer there";
    /// The body is larger than this call takes.
    PayloadTooLarge = "payload-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body isn't JSON.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body must be JSON";
    /// The same `Idempotency-Key` with another body.
    IdempotencyMismatch = "idempotency-mismatch", UNPROCESSABLE_ENTITY, "This key was used for another request";
    /// A file that can't be used as what it was meant for.
    UnprocessableMedia = "unprocessable-media", UNPROCESSABLE_ENTITY, "This file can't be used";
    /// An admin has switched the model off.
    ModelDisabled = "model-disabled", UNPROCESSABLE_ENTITY, "This model is switched off";
    /// The month's units don't suffice.
    QuotaExhausted = "quota-exhausted", TOO_MANY_REQUESTS, "Monthly limit reached";
    /// Too many in an hour or a day.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests";
    /// A fault of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here";
    /// The model provider is down or has been told to wait.
    ProviderUnavailable = "provider-unavailable", SERVICE_UNAVAILABLE, "The model provider is not available";
    /// We are busy.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Busy, try again";
    /// It took too long.
    Timeout = "timeout", GATEWAY_TIMEOUT, "This took too long";
}

/// The shape of every error answer (`application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `/problems/` and the code.
    #[serde(rename = "type")]
    #[schema(example = "/problems/validation")]
    pub kind: String,
    /// A line for people, the same for each code.
    pub title: &'static str,
    /// The status of the answer.
    #[schema(example = 400)]
    pub status: u16,
    /// Stable, in kebab case.
    #[schema(example = "validation")]
    pub code: &'static str,
    /// What happened this time, for people.
    pub detail: String,
    /// Names this request in our logs.
    pub request_id: String,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
}

/// An error on its way to the caller. [`super::app`] writes it out, with the request's id, and logs it once.
#[derive(Debug)]
pub struct ApiError {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    retry_after_s: Option<u64>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error with words for people.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after_s: None, source: None }
    }

    /// Seconds after which trying again makes sense (`Retry-After`).
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// What caused it: for the log, never shown.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a field's complaint to any code, `unprocessable-media` for example.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        self.errors.push(FieldError { field: field.into(), code, message: message.into() });
        self
    }

    /// 400, naming the fields.
    pub fn validation(errors: FieldErrors) -> Self {
        let errors = errors.into_vec();
        let detail = match errors.as_slice() {
            [one] => one.message.clone(),
            many => format!("{} fields need another look.", many.len()),
        };
        Self { errors, ..Self::new(Code::Validation, detail) }
    }

    /// 400 about one field.
    pub fn invalid(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self::validation(FieldErrors::one(field, code, message))
    }

    /// 401.
    pub fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated, "Sign in, or send a valid token.")
    }

    /// 403: an admin has suspended the account.
    pub fn suspended() -> Self {
        Self::new(Code::Suspended, "An administrator has suspended this account.")
    }

    /// 403: the account is about to be deleted.
    pub fn deleting() -> Self {
        Self::new(Code::Deleting, "This account is being deleted; restore it first.")
    }

    /// 403: signed in, but not for this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, detail)
    }

    /// 403: a change that didn't come from our own pages.
    pub fn csrf(detail: impl Into<String>) -> Self {
        Self::new(Code::Csrf, detail)
    }

    /// 404: not there, or somebody else's. The same words for both.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing here.")
    }

    /// 410.
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::new(Code::Gone, detail)
    }

    /// 409.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Code::Conflict, detail)
    }

    /// 422: the key stands for another request.
    pub fn idempotency_mismatch() -> Self {
        Self::new(Code::IdempotencyMismatch, "This Idempotency-Key was used with another body; use a new one.")
    }

    /// 422: the file can't be used, with the reason.
    pub fn unprocessable_media(detail: impl Into<String>) -> Self {
        Self::new(Code::UnprocessableMedia, detail)
    }

    /// 422.
    pub fn model_disabled() -> Self {
        Self::new(Code::ModelDisabled, "An administrator has switched this model off.")
    }

    /// 429: the month's units don't suffice. `seconds` until the month ends.
    pub fn quota_exhausted(detail: impl Into<String>, seconds: u64) -> Self {
        Self::new(Code::QuotaExhausted, detail).retry_after(seconds)
    }

    /// 429: too many; `seconds` until the next is accepted.
    pub fn rate_limited(detail: impl Into<String>, seconds: u64) -> Self {
        Self::new(Code::RateLimited, detail).retry_after(seconds)
    }

    /// 503: the provider.
    pub fn provider_unavailable(detail: impl Into<String>, seconds: u64) -> Self {
        Self::new(Code::ProviderUnavailable, detail).retry_after(seconds)
    }

    /// 503: us.
    pub fn unavailable() -> Self {
        Self::new(Code::Unavailable, "We are busy right now; try again in a moment.").retry_after(1)
    }

    /// 500: a fault of ours, with the cause for the log.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Code::Internal, "This is our fault. The request's id helps us to find out.").source(source)
    }

    /// Which one it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The body, as shown to the caller of `request_id`.
    pub fn problem(&self, request_id: &str) -> Problem {
        Problem {
            kind: format!("/problems/{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.as_str(),
            detail: self.detail.clone(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        }
    }

    /// The chain of causes, for the log.
    pub(super) fn causes(&self) -> String {
        let mut text = String::new();
        let mut next: Option<&dyn Error> = self.source.as_ref().map(|e| e.as_ref() as &dyn Error);
        while let Some(error) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.code.status();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<FieldErrors> for ApiError {
    fn from(errors: FieldErrors) -> Self {
        Self::validation(errors)
    }
}

/// Lost conditions are not convertible: what losing means is said where the write is.
impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) => Self::unavailable().source(error),
            DbError::Corrupt { .. } | DbError::Refused(_) => Self::internal(error),
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::SignedOut => Self::unauthenticated(),
            Denied::Suspended => Self::suspended(),
            Denied::Deleting => Self::deleting(),
            Denied::CrossSite(reason) => Self::csrf(reason),
            Denied::NotAllowed(reason) => Self::forbidden(reason),
            Denied::Table(error) => error.into(),
        }
    }
}
