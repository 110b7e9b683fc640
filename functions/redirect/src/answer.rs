//! Redirects, and the kind words for what can't be shown. Nothing here says how long it may be kept, so that nobody keeps it.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::db::DbError;
use shared::http::{ApiError, Code};

use crate::page;
use crate::target::Nowhere;

/// Why a link isn't opened.
pub(crate) enum Refusal {
    /// There is no such link.
    Unknown,
    /// It has ended.
    Ended,
    /// It needs its password.
    Locked,
    /// That wasn't it.
    Wrong,
    /// Too many weren't; seconds until the next is heard.
    TooMany(i64),
    /// A fault of ours.
    Failed(ApiError),
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<Nowhere> for Refusal {
    fn from(nowhere: Nowhere) -> Self {
        match nowhere {
            Nowhere::Unknown => Self::Unknown,
            Nowhere::Ended => Self::Ended,
        }
    }
}

impl Refusal {
    /// A page for people; a problem for programs that say so. Nothing else depends on what is accepted.
    pub(crate) fn answer(self, headers: &HeaderMap) -> Response {
        let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let json = accepts.contains("json") && !accepts.contains("text/html");
        match self {
            Self::Failed(error) => error.into_response(),
            Self::Unknown if json => ApiError::not_found().into_response(),
            Self::Unknown => page::unknown().into_response(),
            Self::Ended if json => ApiError::gone("This link has ended.").into_response(),
            Self::Ended => page::ended().into_response(),
            Self::Locked | Self::Wrong if json => ApiError::forbidden("This link needs its password.").into_response(),
            Self::Locked => page::closed().into_response(),
            Self::Wrong => page::locked(StatusCode::FORBIDDEN, Some("That isn’t the password. Please try again.")).into_response(),
            Self::TooMany(seconds) if json => {
                let seconds = u64::try_from(seconds).unwrap_or(1);
                ApiError::new(Code::RateLimited, "There were too many wrong passwords.").retry_after(seconds).into_response()
            }
            Self::TooMany(seconds) => {
                let words = "There were too many wrong passwords. Please try again within the hour.";
                let mut response = page::locked(StatusCode::TOO_MANY_REQUESTS, Some(words)).into_response();
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
                response
            }
        }
    }
}

/// To `url`, an address that was signed for one visitor.
pub(crate) fn redirect(status: StatusCode, url: &str) -> Response {
    match HeaderValue::try_from(url) {
        Ok(url) => (status, [(header::LOCATION, url)]).into_response(),
        Err(error) => ApiError::internal(error).into_response(),
    }
}
