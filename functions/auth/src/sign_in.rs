//! The way in and out. Browsers come here by navigation, so what goes wrong on the way in becomes a page of the site with words.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;
use shared::auth::cookie::{self, SameSite};
use shared::auth::oidc::Issuer;
use shared::auth::sign_in::{self, Callback, SignInError};
use shared::auth::{Denied, Via, authenticate_leaving, csrf};
use shared::http::arrival::{CALLBACKS, SIGN_INS};
use shared::http::{ApiError, ApiQuery, ApiResult, Visitor};
use shared::media::signed::MediaSigner;
use shared::runtime::Platform;
use utoipa::IntoParams;

/// Seconds; as long as the sign-in itself is kept.
const LOGIN_AGE: i64 = 600;
/// Seconds; as long as a session can live. When it is over is decided by its record.
const SESSION_AGE: i64 = 14 * 86_400;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// A path of this site to be at afterwards; anything else means the front page.
    next: Option<String>,
}

/// Begin to sign in.
///
/// Sends the browser to the sign-in issuer. When that can't be reached, to `/?problem=unavailable`.
#[utoipa::path(get, path = "/auth/login", tag = "sign-in", params(Wanted), security(()),
    responses((status = 302, description = "To the issuer, with a cookie by which the way back is recognised.")))]
pub(crate) async fn begin_sign_in(
    State(platform): State<Platform>,
    Extension(issuer): Extension<Issuer>,
    visitor: Visitor,
    wanted: Result<ApiQuery<Wanted>, ApiError>,
) -> Response {
    if let Err(refused) = visitor.take(&platform.db, SIGN_INS, platform.clock.now()).await {
        return refused.into_response();
    }
    let next = wanted.ok().and_then(|ApiQuery(wanted)| wanted.next).unwrap_or_default();
    match sign_in::begin(&platform, &issuer, &next).await {
        Ok(begun) => {
            let cookie = cookie::set(cookie::LOGIN, begun.cookie.expose_secret(), SameSite::Lax, LOGIN_AGE);
            found(&begun.location, vec![cookie])
        }
        Err(error) => problem(&error, Vec::new()),
    }
}

/// Come back from the issuer.
///
/// Begins a session and leads to where the sign-in began. What went wrong is said at `/?problem=<code>`: `sign-in-expired`,
/// `sign-in-cancelled`, `sign-in-failed`, `email-unverified`, `email-domain`, `suspended`, `unavailable`.
#[utoipa::path(get, path = "/auth/callback", tag = "sign-in", security(()),
    params(("code" = Option<String>, Query), ("state" = Option<String>, Query), ("error" = Option<String>, Query), ("iss" = Option<String>, Query)),
    responses((status = 302, description = "To where the sign-in began, with the session's cookie, or to a page that says what went wrong.")))]
pub(crate) async fn finish_sign_in(
    State(platform): State<Platform>,
    Extension(issuer): Extension<Issuer>,
    visitor: Visitor,
    headers: HeaderMap,
    callback: Result<ApiQuery<Callback>, ApiError>,
) -> Response {
    if let Err(refused) = visitor.take(&platform.db, CALLBACKS, platform.clock.now()).await {
        return refused.into_response();
    }
    let callback = callback.map(|ApiQuery(callback)| callback).unwrap_or_default();
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match sign_in::finish(&platform, &issuer, cookie::read(&headers, cookie::LOGIN), callback, agent).await {
        Ok(finished) => {
            tracing::info!(user.id = %finished.user.id, "signed in");
            let session = cookie::set(cookie::SESSION, finished.cookie.expose_secret(), SameSite::Strict, SESSION_AGE);
            found(&finished.next, vec![session, cookie::clear(cookie::LOGIN)])
        }
        // A callback that belongs to no sign-in of this browser must not end the one that is under way.
        Err(error @ SignInError::Expired) => problem(&error, Vec::new()),
        Err(error) => problem(&error, vec![cookie::clear(cookie::LOGIN)]),
    }
}

/// Sign out.
///
/// Ends the session and removes its cookies. Also for a session that is already over.
#[utoipa::path(post, path = "/auth/logout", tag = "sign-in", security(("cookie" = [])), responses((status = 204, description = "Signed out.")))]
pub(crate) async fn sign_out(State(platform): State<Platform>, method: Method, headers: HeaderMap) -> ApiResult<Response> {
    // Also without a session: another site must not be able to have the cookies removed.
    csrf::check(&method, &headers, &platform.config.origin)?;
    match authenticate_leaving(&platform, &method, &headers).await {
        Ok(current) => match current.via {
            Via::Session(session) => {
                platform.db.end_session(current.user.id, session).await?;
            }
            Via::Token { .. } => return Err(ApiError::forbidden("A token is revoked, not signed out.")),
        },
        Err(Denied::SignedOut | Denied::Suspended | Denied::Deleting) => {}
        Err(denied) => return Err(denied.into()),
    }
    Ok((StatusCode::NO_CONTENT, set_cookies(gone())).into_response())
}

/// What takes away the cookies of a session and of its media.
pub(crate) fn gone() -> Vec<HeaderValue> {
    let media = MediaSigner::expired_cookies().into_iter().filter_map(|cookie| HeaderValue::try_from(cookie).ok());
    std::iter::once(cookie::clear(cookie::SESSION)).chain(media).collect()
}

fn problem(error: &SignInError, cookies: Vec<HeaderValue>) -> Response {
    let code = error.code();
    match error {
        SignInError::Failed(cause) => tracing::warn!(error.code = code, error.causes = %cause, "sign-in"),
        SignInError::Unavailable(cause) => tracing::error!(error.code = code, error.causes = %cause, "sign-in"),
        _ => tracing::info!(error.code = code, "sign-in"),
    }
    found(&format!("/?problem={code}"), cookies)
}

fn found(location: &str, cookies: Vec<HeaderValue>) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)], set_cookies(cookies)).into_response(),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

pub(crate) fn set_cookies(cookies: Vec<HeaderValue>) -> AppendHeaders<Vec<(header::HeaderName, HeaderValue)>> {
    AppendHeaders(cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)).collect())
}
