//! Who I am, what I may do, and what is left of it.

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use shared::auth::callback::CallbackSecret;
use shared::db::keys::month_of;
use shared::domain::limits::Limits;
use shared::domain::user::{Role, Scope};
use shared::http::{ApiError, ApiResult, CurrentUser, rate_limits};
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

/// What I may do.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitsView {
    /// Units a calendar month (UTC).
    monthly: u32,
    /// Outputs a calendar day (UTC).
    daily: u32,
    /// Requests to generate a clock hour.
    hourly: u32,
    /// Outputs in the making at once; more wait in line.
    concurrent: u32,
    /// Of those, how many may be videos.
    concurrent_videos: u32,
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> Self {
        Self {
            monthly: limits.monthly,
            daily: limits.daily,
            hourly: limits.hourly,
            concurrent: limits.concurrent,
            concurrent_videos: limits.concurrent_videos,
        }
    }
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
/// A browser also gets the cookies that open its media, for an hour at most: repeat the call before that. `RateLimit` says what is
/// left of each limit, as with every request to generate.
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
    let counters = platform.db.counters(current.id(), now).await?;
    let user = current.user;
    let limits = user.limits(platform.config.limits);
    let mut headers = rate_limits(&limits, &counters, now);
    headers.extend(cookies);
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
        created_at: user.created_at,
        last_sign_in_at: user.last_sign_in_at,
        limits: limits.into(),
        usage,
    };
    Ok((headers, Json(me)))
}

/// What verifies webhooks.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookSecret {
    /// As libraries for Standard Webhooks take it.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

/// Show the secret that my webhooks are signed with.
///
/// A request to generate that names a `callback_url` has it told of the end by `POST`, signed as Standard Webhooks say
/// (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Body: `type` (`generation.complete`, `.failed`, `.cancelled` or
/// `.unknown`), `timestamp`, and `data`, the generation as the API shows it, with paths of media that aren't signed: ask for the
/// generation to get addresses that are. Answer 2xx within 10 seconds; anything else is tried again for a day, but 410 is taken as
/// a wish to hear no more. The same message may come twice, under the same `webhook-id`; there is one for each generation, so what
/// comes after all of one that was `unknown` is seen in the API alone.
#[utoipa::path(get, path = "/api/v1/me/webhook-secret", tag = "account", responses((status = 200, body = WebhookSecret)))]
pub(crate) async fn get_webhook_secret(State(platform): State<Platform>, current: CurrentUser) -> ApiResult<Json<WebhookSecret>> {
    current.require_session()?;
    let secret = CallbackSecret::of(&platform.secrets, current.id()).await.map_err(ApiError::internal)?;
    Ok(Json(WebhookSecret { secret: secret.text().expose_secret().to_owned() }))
}
