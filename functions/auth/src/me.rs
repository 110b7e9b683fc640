//! Who I am, what I may do, what is left of it, and how to leave.

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::db::audit::Actor;
use shared::db::deletion::NotRestored;
use shared::db::keys::month_of;
use shared::db::users::NotChanged;
use shared::domain::user::{Role, Scope, Status, User};
use shared::http::view::LimitsView;
use shared::http::{ApiError, ApiResult, CurrentUser, LeavingUser, RequestId, rate_limits};
use shared::id::UserId;
use shared::jobs;
use shared::runtime::Platform;
use utoipa::ToSchema;

use crate::sign_in::{gone, set_cookies};

/// My profile.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    #[schema(value_type = String)]
    id: UserId,
    email: String,
    name: String,
    /// An address at the sign-in issuer, or null.
    picture: Option<String>,
    role: Role,
    /// `active`, or `deleting` while the account can still be restored.
    status: Status,
    /// When everything is deleted; null unless the status is `deleting`.
    #[schema(value_type = Option<String>, format = DateTime)]
    deletes_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_sign_in_at: Timestamp,
    limits: LimitsView,
    usage: Usage,
}

/// This month's units.
#[derive(Serialize, ToSchema)]
pub(crate) struct Usage {
    /// UTC.
    #[schema(example = "2026-11")]
    month: String,
    /// For what is in the library.
    used: u32,
    /// For what is under way.
    reserved: u32,
    /// Of the monthly limit.
    remaining: u32,
}

/// Show my profile, limits and usage.
///
/// A browser also gets the cookies that open its media, for an hour at most: repeat the call before that. Somebody whose account
/// is about to be deleted may still call this, to see until when it can be restored. `RateLimit` says what is left of each limit, as
/// with every request to generate.
#[utoipa::path(get, path = "/api/v1/me", tag = "account", responses((status = 200, body = Me)))]
pub(crate) async fn get_me(State(platform): State<Platform>, LeavingUser(current): LeavingUser) -> ApiResult<impl IntoResponse> {
    current.require(Scope::Read)?;
    let mut cookies = HeaderMap::new();
    if !current.is_token() && current.user.status == Status::Active {
        let signer = platform.signer().await.map_err(ApiError::internal)?;
        for cookie in signer.cookies(&current.user.media_prefix, platform.clock.now()) {
            cookies.append(SET_COOKIE, HeaderValue::try_from(cookie).map_err(ApiError::internal)?);
        }
    }
    let (mut headers, me) = profile(&platform, current.user).await?;
    headers.extend(cookies);
    Ok((headers, Json(me)))
}

/// With the fields that say what is left.
async fn profile(platform: &Platform, user: User) -> ApiResult<(HeaderMap, Me)> {
    let now = platform.clock.now();
    let counters = platform.db.counters(user.id, now).await?;
    let limits = user.limits(platform.config.limits);
    let usage = Usage {
        month: month_of(now),
        used: counters.charged,
        reserved: counters.taken.saturating_sub(counters.charged),
        remaining: limits.monthly.saturating_sub(counters.taken),
    };
    let me = Me {
        id: user.id,
        email: user.email,
        name: user.name,
        picture: user.picture,
        role: user.role,
        status: user.status,
        deletes_at: user.deletes_at,
        created_at: user.created_at,
        last_sign_in_at: user.last_sign_in_at,
        limits: limits.into(),
        usage,
    };
    Ok((rate_limits(&limits, &counters, now), me))
}

/// When the account ends.
#[derive(Serialize, ToSchema)]
pub(crate) struct Leaving {
    /// Until then it can be restored.
    #[schema(value_type = String, format = DateTime)]
    deletes_at: Timestamp,
}

/// Delete my account and everything in it.
///
/// Sessions end and links answer 410 at once, what is in the making is stopped, and after a day everything is deleted. Until then,
/// signing in again leads to an account that can only be looked at (`GET /api/v1/me`), restored, or left again.
#[utoipa::path(delete, path = "/api/v1/me", tag = "account", security(("cookie" = [])), responses((status = 202, body = Leaving)))]
pub(crate) async fn delete_me(
    State(platform): State<Platform>,
    Extension(RequestId(request)): Extension<RequestId>,
    current: CurrentUser,
) -> ApiResult<impl IntoResponse> {
    current.require_session()?;
    let now = platform.clock.now();
    let deletes_at = now + SignedDuration::from_secs(platform.config.deadlines.deletion);
    let id = current.id();
    let begun = platform.db.begin_deletion(id, true, &Actor::person(id, &request), deletes_at, now).await;
    let deletes_at = begun.map_err(|lost| match lost {
        NotChanged::Failed(error) => error.into(),
        // They were there a moment ago.
        NotChanged::Nobody | NotChanged::NotAdmin | NotChanged::Deleting => ApiError::unauthenticated(),
    })?;
    jobs::hurry_deletion(&platform, id).await;
    Ok((StatusCode::ACCEPTED, set_cookies(gone()), Json(Leaving { deletes_at })))
}

/// Restore my account while it is about to be deleted.
///
/// 409 when it isn't, or when it is too late. 403 when an administrator wants it deleted.
#[utoipa::path(post, path = "/api/v1/me/restore", tag = "account", security(("cookie" = [])), responses((status = 200, body = Me),
    (status = 409, description = "It isn't about to be deleted, or already is.")))]
pub(crate) async fn restore_me(
    State(platform): State<Platform>,
    Extension(RequestId(request)): Extension<RequestId>,
    LeavingUser(current): LeavingUser,
) -> ApiResult<Json<Me>> {
    current.require_session()?;
    let id = current.id();
    let restored = platform.db.call_off_deletion(id, true, &Actor::person(id, &request), platform.clock.now()).await;
    let user = restored.map_err(|lost| match lost {
        NotRestored::Nothing => ApiError::conflict("This account is not about to be deleted, or already is."),
        NotRestored::NotTheirs | NotRestored::NotAdmin => ApiError::forbidden("An administrator is deleting this account; ask them."),
        NotRestored::Failed(error) => error.into(),
    })?;
    Ok(Json(profile(&platform, user).await?.1))
}
