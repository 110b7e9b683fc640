//! Generating as a whole: paused or not, what is spent and open, and how the provider is doing.

use axum::extract::State;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::db::audit::Actor;
use shared::domain::breaker::{Breaker, Phase};
use shared::domain::money::Money;
use shared::http::{ApiError, ApiJson, ApiResult, CurrentUser, RequestId};
use shared::jobs::gate::Load;
use shared::runtime::Platform;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Characters of a reason: a sentence or two.
const MAX_REASON: usize = 300;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(get_generation_state, change_generation_state))
}

/// What all users together have set aside today.
#[derive(Debug, Serialize, ToSchema)]
struct DailySpend {
    /// The day in UTC.
    #[schema(example = "2026-11-23")]
    date: String,
    /// What was accepted; what failed since is not taken off, as it may have been billed.
    reserved: Money,
    /// Nothing more is accepted beyond it; null when there is no limit.
    limit: Option<Money>,
}

/// Requests to the provider that are not over.
#[derive(Debug, Serialize, ToSchema)]
struct OpenNow {
    /// As counted within the last minute, and all accepted since.
    calls: u64,
    /// Nothing more is accepted beyond it.
    limit: u32,
}

/// How the provider is doing.
#[derive(Debug, Serialize, ToSchema)]
struct BreakerNow {
    /// `closed` when all is well, `open` while it is left alone, `half-open` while one request tries.
    #[schema(example = "closed")]
    state: &'static str,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// `account-locked` or `account-refused` when our account is why.
    account: Option<String>,
}

/// Generating as a whole.
#[derive(Debug, Serialize, ToSchema)]
struct GenerationState {
    /// Nothing new is accepted, nothing that waits is started.
    paused: bool,
    /// Why; users read it.
    reason: Option<String>,
    /// Today.
    spend: DailySpend,
    /// Now.
    open: OpenNow,
    /// The provider's.
    breaker: BreakerNow,
}

/// A change of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GenerationChange {
    /// Whether to pause or to go on.
    paused: bool,
    /// Why, for users to read: 300 characters at most.
    #[serde(default)]
    reason: Option<String>,
}

/// Generating as a whole.
#[utoipa::path(get, path = "/api/v1/admin/generation", tag = "Administration", responses((status = 200, body = GenerationState), (status = 304)))]
async fn get_generation_state(user: CurrentUser, State(platform): State<Platform>) -> ApiResult<Json<GenerationState>> {
    user.require_admin()?;
    state(&platform).await.map(Json)
}

/// Pauses generating, or lets it go on.
///
/// While it is paused, requests to generate are answered with 503, what waits stays in line, and what the provider has already is
/// delivered. Everything else works.
#[utoipa::path(patch, path = "/api/v1/admin/generation", tag = "Administration", request_body = GenerationChange, responses((status = 200, body = GenerationState)))]
async fn change_generation_state(
    user: CurrentUser,
    State(platform): State<Platform>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    ApiJson(change): ApiJson<GenerationChange>,
) -> ApiResult<Json<GenerationState>> {
    user.require_admin()?;
    let reason = change.reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control)) {
        return Err(ApiError::invalid("reason", "too-long", format!("At most {MAX_REASON} characters, in one line.")));
    }
    let actor = Actor::admin(user.id(), &request_id);
    platform.db.set_kill_switch(change.paused, reason, &actor, platform.clock.now()).await?;
    state(&platform).await.map(Json)
}

async fn state(platform: &Platform) -> ApiResult<GenerationState> {
    let load = Load::at(&platform.db, platform.clock.now()).await?;
    let brakes = platform.config.brakes;
    Ok(GenerationState {
        open: OpenNow { calls: load.open_calls(), limit: brakes.open_calls },
        spend: DailySpend {
            reserved: Money::from_micros(load.spend.reserved()),
            limit: brakes.daily_spend.map(Money::from_micros),
            date: load.spend.date,
        },
        breaker: breaker(&load.settings.breaker),
        paused: load.settings.kill_switch.paused,
        reason: load.settings.kill_switch.reason,
    })
}

fn breaker(breaker: &Breaker) -> BreakerNow {
    let state = match breaker.phase {
        Phase::Closed => "closed",
        Phase::Open => "open",
        Phase::Asking | Phase::Ready | Phase::Trying => "half-open",
    };
    let until = Some(breaker.until_ms).filter(|until| *until > 0).and_then(|until| Timestamp::from_millisecond(until).ok());
    BreakerNow { state, until, account: breaker.account.clone() }
}
