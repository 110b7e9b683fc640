//! The signed-in user as an extractor.

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;

use super::app::Caller;
use super::error::ApiError;
use crate::auth::{CurrentUser, Denied, authenticate, authenticate_leaving};
use crate::runtime::Platform;

/// The request's log line names them.
fn known(parts: &Parts, current: CurrentUser) -> CurrentUser {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        caller.set(current.id());
    }
    current
}

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Platform: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let platform = Platform::from_ref(state);
        Ok(known(parts, authenticate(&platform, &parts.method, &parts.headers).await?))
    }
}

/// As [`CurrentUser`], and also a browser of somebody who is about to be deleted.
#[derive(Clone, Debug)]
pub struct LeavingUser(pub CurrentUser);

impl<S> FromRequestParts<S> for LeavingUser
where
    S: Send + Sync,
    Platform: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let platform = Platform::from_ref(state);
        Ok(Self(known(parts, authenticate_leaving(&platform, &parts.method, &parts.headers).await?)))
    }
}

/// For routes that anyone may call: `None` for those who aren't signed in.
impl<S> OptionalFromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Platform: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, ApiError> {
        let platform = Platform::from_ref(state);
        match authenticate(&platform, &parts.method, &parts.headers).await {
            Ok(current) => Ok(Some(known(parts, current))),
            Err(Denied::SignedOut) => Ok(None),
            Err(denied) => Err(denied.into()),
        }
    }
}
