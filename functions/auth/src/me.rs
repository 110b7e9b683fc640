//! Who I am, what I may do, and what is left of it.

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::Serialize;
use shared::db::keys::month_of;
use shared::domain::user::{Role, Scope};
use shared::http::view::LimitsView;
use shared::http::{ApiError, ApiResult, CurrentUser};
use shared::id::UserId;
use shared::runtime::Platform;
use utoipa::ToSchema;

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
/// A browser also gets the cookies that open its media, for an hour at most: repeat the call before that.
#[utoipa::path(get, path = "/api/v1/me", tag = "account", responses((status = 200, body = Me)))]
pub(crate) async fn get_me(State(platform): State<Platform>, current: CurrentUser) -> ApiResult<impl IntoResponse> {
    current.require(Scope::Read)?;
    let now = platform.clock.now();
    let mut cookies = HeaderMap::new();
    if !current.is_token() {
        let signer = platform.signer().await.map_err(ApiError::internal)?;
        for cookie in signer.cookies(&current.user.media_prefix, now) {
            cookies.append(SET_COOKIE, HeaderValue::try_from(cookie).map_err(ApiError::internal)?);
        }
    }
    let month = month_of(now);
    let quota = platform.db.quota(current.id(), &month).await?;
    let user = current.user;
    let limits = user.limits(platform.config.limits);
    let usage = Usage { month, used: quota.charged, reserved: quota.reserved(), remaining: limits.monthly.saturating_sub(quota.taken) };
    let me = Me {
        id: user.id,
        email: user.email,
        name: user.name,
        picture: user.picture,
        role: user.role,
        created_at: user.created_at,
        last_sign_in_at: user.last_sign_in_at,
        limits: limits.into(),
        usage,
    };
    Ok((cookies, Json(me)))
}
