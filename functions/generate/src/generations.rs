//! Requests to generate: price, accept, cancel.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::auth::Scope;
use shared::db::jobs::Refusal;
use shared::db::spend::Reservation;
use shared::domain::generation::Generation;
use shared::domain::model::Model;
use shared::domain::money::Money;
use shared::domain::request::{NewGeneration, ValidGeneration, validate};
use shared::http::reading::generation_views;
use shared::http::view::GenerationView;
use shared::http::{ApiError, ApiJson, ApiPath, ApiResult, Code, CurrentUser, with_rate_limits};
use shared::id::GenerationId;
use shared::jobs::gate::{self, Closed};
use shared::jobs::{self, InputError, Jobs};
use shared::outbound;
use shared::provider::catalogue;
use shared::queue::Task;
use shared::runtime::Platform;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(create_generation)).routes(routes!(estimate_generation)).routes(routes!(cancel_generation))
}

/// A request takes 8 s at most, of which the provider may take 5.
const LATEST_START: Duration = Duration::from_millis(1_500);
/// When the answer no longer waits for the provider's.
const ANSWER_BY: Duration = Duration::from_millis(6_800);
/// Shards of the day's spend that are tried when others fill them at the same time.
const SHARDS_TRIED: usize = 4;

/// What a request would cost.
#[derive(Debug, Serialize, ToSchema)]
struct Estimate {
    /// In money.
    price: Money,
    /// Of the monthly limit.
    units: u32,
}

/// The price of exactly this request. Nothing is reserved.
#[utoipa::path(post, path = "/api/v1/generations/estimate", tag = "Generations", request_body = NewGeneration, responses((status = 200, body = Estimate)))]
async fn estimate_generation(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiJson(request): ApiJson<NewGeneration>,
) -> ApiResult<Json<Estimate>> {
    user.require(Scope::Generate)?;
    let (model, request) = check(request)?;
    jobs::check_inputs(&platform, user.id(), model, &request.inputs).await.map_err(unusable)?;
    let (price, units) = model.estimate(&request);
    Ok(Json(Estimate { price, units }))
}

/// Generates.
///
/// Accepting reserves the units and nothing else; what reaches the library is charged, the rest is given back. `Idempotency-Key`
/// (1 to 255 visible characters) is required and remembered for 24 hours: the same key with the same body is the same generation.
/// While the provider can't be used, generating is paused, or everybody's limit is reached, the answer is 503 and nothing is reserved.
/// Pictures are named by the ids of completed uploads and of images in the library; they are looked at before anything is reserved.
/// Every answer says in `RateLimit` what is left after it: of the requests of the hour, the outputs of the day, the units of the month.
#[utoipa::path(post, path = "/api/v1/generations", tag = "Generations", params(("Idempotency-Key" = String, Header, pattern = "^[!-~]{1,255}$")), request_body = NewGeneration, responses((status = 202, body = GenerationView, headers(("RateLimit", description = "What is left of each limit (`r`), and for how many seconds (`t`)."), ("RateLimit-Policy", description = "The limits (`q`) and their windows in seconds (`w`)."))),
    (status = 422, description = "The key was used with another body, or an administrator has switched the model off.")))]
async fn create_generation(
    user: CurrentUser,
    State(platform): State<Platform>,
    headers: HeaderMap,
    request: ApiResult<ApiJson<NewGeneration>>,
) -> Response {
    let answer = create(&platform, &user, &headers, request).await.into_response();
    with_rate_limits(&platform, &user, answer).await
}

async fn create(
    platform: &Platform,
    user: &CurrentUser,
    headers: &HeaderMap,
    request: ApiResult<ApiJson<NewGeneration>>,
) -> ApiResult<impl IntoResponse + use<>> {
    user.require(Scope::Generate)?;
    let ApiJson(request) = request?;
    let key = idempotency_key(headers)?;
    let body_hash = body_hash(&request)?;
    let id = match accept(platform, user, request, (key, &body_hash)).await {
        Ok(id) => id,
        // Whatever has changed since, a limit, an upload that has ended, a model, a provider that fails, must not turn a repetition
        // into a refusal.
        Err(refused)
            if matches!(refused.code(), Code::Validation | Code::QuotaExhausted | Code::RateLimited | Code::ProviderUnavailable) =>
        {
            match platform.db.replayed(user.id(), key, &body_hash, platform.clock.now()).await {
                Ok(Some(earlier)) => earlier,
                Err(Refusal::Mismatch) => return Err(ApiError::idempotency_mismatch()),
                _ => return Err(refused),
            }
        }
        Err(refused) => return Err(refused),
    };
    let generation = platform.db.generation(user.id(), id).await?.ok_or_else(ApiError::not_found)?;
    accepted(platform, user, generation).await
}

/// Reserves and starts what was asked for; its id, or that of the generation that the key stands for already.
async fn accept(
    platform: &Platform,
    user: &CurrentUser,
    request: NewGeneration,
    (key, body_hash): (&str, &str),
) -> ApiResult<GenerationId> {
    let began = Instant::now();
    let (model, request) = check(request)?;
    let spend = gate::admission(platform, request.outputs).await.map_err(|error| ApiError::unavailable().source(error))?;
    let spend = spend.map_err(|closed| not_now(platform, closed))?;
    check_callback(platform, request.callback_url.as_deref()).await?;
    let pictures = jobs::check_inputs(platform, user.id(), model, &request.inputs).await.map_err(unusable)?;
    let copies = jobs::fit_inputs(platform, &pictures).await.map_err(unusable)?;
    let now = platform.clock.now();
    let limits = user.user.limits(platform.config.limits);
    let (mut generation, calls) = jobs::plan(model, request, &user.user, now);
    generation.copies = copies;
    let limit = platform.config.brakes.daily_spend.unwrap_or(i64::MAX);
    let [first] = shared::id::random();
    for shard in spend.with_room(limit, first).take(SHARDS_TRIED) {
        match platform.db.accept(&generation, &calls, (key, body_hash), &limits, Reservation { shard, limit }).await {
            Ok(()) => {
                start(platform, user, began).await;
                return Ok(generation.id);
            }
            // Others were faster; there may be room in another.
            Err(Refusal::Spend) => {}
            Err(Refusal::Replay(earlier)) => return Ok(earlier),
            Err(Refusal::Mismatch) => return Err(ApiError::idempotency_mismatch()),
            Err(Refusal::Suspended) => return Err(ApiError::suspended()),
            Err(Refusal::Failed(error)) => return Err(error.into()),
            Err(over @ (Refusal::Monthly | Refusal::Daily | Refusal::Hourly)) => return Err(over_limit(&over, now, limits)),
        }
    }
    Err(not_now(platform, Closed::Spent))
}

/// Why everybody is turned away; nothing was reserved.
fn not_now(platform: &Platform, closed: Closed) -> ApiError {
    let (_, day, _) = jobs::resets(platform.clock.now());
    match closed {
        Closed::Paused(None) => {
            ApiError::provider_unavailable("Generating is paused for now. Your library and your links work as ever.", 60)
        }
        Closed::Paused(Some(reason)) => ApiError::provider_unavailable(format!("Generating is paused for now: {reason}"), 60),
        Closed::Spent => {
            ApiError::provider_unavailable("Everybody together has used up what may be spent today. It goes on tomorrow (UTC).", day)
        }
        Closed::Full => {
            ApiError::provider_unavailable("Too much is under way at the moment. Nothing was set aside; try again in a minute.", 60)
        }
        Closed::Provider(seconds) => ApiError::provider_unavailable(
            "The provider of the models can't be used at the moment. Nothing was set aside; try again soon.",
            seconds,
        ),
    }
}

/// Cancels what isn't delivered yet.
///
/// What waits ends at once and costs nothing. What runs is cancelled at the provider, which may still finish it: then it is
/// delivered and charged.
#[utoipa::path(post, path = "/api/v1/generations/{id}/cancel", tag = "Generations", params(("id" = String, Path)), responses((status = 202, body = GenerationView), (status = 409, description = "It is already over.")))]
async fn cancel_generation(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiPath(id): ApiPath<GenerationId>,
) -> ApiResult<impl IntoResponse> {
    user.require(Scope::Generate)?;
    let generation = platform.db.generation(user.id(), id).await?.ok_or_else(ApiError::not_found)?;
    if generation.open == 0 {
        return Err(ApiError::conflict("This generation is already over."));
    }
    let jobs = Jobs::new(&platform).await.map_err(ApiError::internal)?;
    jobs.cancel(&generation).await.map_err(ApiError::internal)?;
    let generation = platform.db.generation(user.id(), id).await?.ok_or_else(ApiError::not_found)?;
    accepted(&platform, &user, generation).await
}

/// Accepted is accepted: what can't be started now, `worker` starts soon. So does it when there is no time left to wait for the
/// provider's answer within the request.
///
/// What has begun isn't stopped with the request: between the intent and the submission that would keep a slot until the call's
/// deadline, as nobody could tell whether it was sent. A sandbox that is frozen after the answer goes on with the next request.
async fn start(platform: &Platform, user: &CurrentUser, began: Instant) {
    if began.elapsed() > LATEST_START {
        if let Err(error) = platform.queues.task(&Task::Start { user: user.id() }, Duration::ZERO).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "what was accepted waits for the sweeper");
        }
        return;
    }
    let (platform, user) = (platform.clone(), user.user.clone());
    let starting = tokio::spawn(async move {
        match Jobs::new(&platform).await {
            Ok(jobs) => jobs.start(&user).await,
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "the provider can't be asked"),
        }
    });
    if tokio::time::timeout(ANSWER_BY.saturating_sub(began.elapsed()), starting).await.is_err() {
        tracing::warn!("answered before the provider was");
    }
}

async fn accepted(platform: &Platform, user: &CurrentUser, generation: Generation) -> ApiResult<impl IntoResponse + use<>> {
    let location = format!("/api/v1/generations/{}", generation.id);
    let view = generation_views(platform, user, vec![generation]).await?.pop().ok_or_else(ApiError::not_found)?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(view)))
}

fn check(request: NewGeneration) -> ApiResult<(&'static Model, ValidGeneration)> {
    let model = catalogue::find(&request.model)
        .ok_or_else(|| ApiError::invalid("model", "not-an-option", "There is no such model; GET /api/v1/models lists them."))?;
    let request = validate(model, request).map_err(ApiError::validation)?;
    // Said rather than dropped: nobody has a collection yet.
    if request.collection.is_some() {
        return Err(ApiError::invalid("collection", "not-an-option", "There is no such collection."));
    }
    Ok((model, request))
}

/// Whether we may call the address that is to be told. Looked at again when it is called.
async fn check_callback(platform: &Platform, url: Option<&str>) -> ApiResult<()> {
    let Some(url) = url else { return Ok(()) };
    let checked = match platform.callbacks.check(url) {
        Ok(url) => platform.callbacks.find(&url).await,
        Err(refusal) => Err(refusal),
    };
    checked.map_err(|refusal| {
        let message = match refusal {
            outbound::Refusal::Unknown => "Nobody knows the host of this address.",
            _ => "Only https addresses on port 443 of a public host are called.",
        };
        ApiError::invalid("callback_url", "not-allowed", message)
    })
}

fn unusable(error: InputError) -> ApiError {
    match error {
        InputError::Fields(errors) => ApiError::validation(errors),
        InputError::Table(error) => error.into(),
        InputError::Media(error) => ApiError::unavailable().source(error),
    }
}

fn idempotency_key(headers: &HeaderMap) -> ApiResult<&str> {
    let missing = || {
        ApiError::invalid(
            "Idempotency-Key",
            "required",
            "Send a header Idempotency-Key of 1 to 255 visible characters, new for each request.",
        )
    };
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let fits = !key.is_empty() && key.len() <= 255 && key.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(key) } else { Err(missing()) }
}

/// Of the request as it was understood, so that white space and the order of keys don't matter.
fn body_hash(request: &NewGeneration) -> ApiResult<String> {
    let canonical = serde_json::to_vec(request).map_err(ApiError::internal)?;
    Ok(hex::encode(Sha256::digest(canonical)))
}

fn over_limit(refusal: &Refusal, now: Timestamp, limits: shared::domain::limits::Limits) -> ApiError {
    let (month, day, hour) = jobs::resets(now);
    match refusal {
        Refusal::Daily => ApiError::rate_limited(format!("You may ask for {} outputs a day.", limits.daily), day),
        Refusal::Hourly => ApiError::rate_limited(format!("You may send {} requests an hour.", limits.hourly), hour),
        _ => ApiError::quota_exhausted(format!("This needs more than what is left of your {} units this month.", limits.monthly), month),
    }
}
