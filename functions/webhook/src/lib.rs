//! The function `webhook`: the provider's callbacks.
//!
//! Verify, one conditional write, enqueue, answer: what takes time is done by `ingest` and `worker`. Apart from them and from the
//! functions that users reach, so that no flood of requests keeps a callback out.

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Router};
use shared::http::{ApiError, ApiResult, RawBody};
use shared::id::CallId;
use shared::jobs::StepError;
use shared::jobs::hook::{self, NotOurs};
use shared::provider::webhook::{MAX_BYTES, Trust, Unproven, Verifier};
use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Everything `webhook` answers.
pub fn router(platform: &Platform) -> Router {
    shared::http::app(platform, routes())
}

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(fal)).layer(Extension(Verifier::default())).layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// A callback of the provider.
///
/// The address was given to the provider with the request. Answered with 204 once what it says is stored, and for every repetition;
/// with 5xx when it should come again.
#[utoipa::path(
    post, path = "/hooks/fal/{call}/{attempt}/{mac}", tag = "Provider", security(()),
    params(("call" = String, Path, pattern = "^[0-9a-f]{32}$"), ("attempt" = u32, Path), ("mac" = String, Path)),
    request_body(content = String, content_type = "application/json"),
    responses((status = 204), (status = 403), (status = 404))
)]
async fn fal(
    State(platform): State<Platform>,
    Extension(verifier): Extension<Verifier>,
    Path((call, attempt, mac)): Path<(String, String, String)>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> ApiResult<StatusCode> {
    // Before anything that costs: whoever doesn't know the address gets no further.
    let (Some(webhooks), Ok(call), Ok(attempt)) = (&platform.config.webhooks, call.parse::<CallId>(), attempt.parse()) else {
        return Err(ApiError::not_found());
    };
    if !hook::is_ours(&platform, call, attempt, &mac).await.map_err(later)? {
        return Err(ApiError::not_found());
    }
    let trust = Trust { http: &platform.http, keys: &webhooks.keys, account: &webhooks.account };
    let request = verifier.verify(trust, &headers, &body, platform.clock.now()).await.map_err(unproven)?;
    match hook::callback(&platform, call, &request, &body).await.map_err(later)? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(NotOurs::Unknown) => Err(ApiError::not_found()),
        Err(refused @ NotOurs::OtherRequest) => Err(ApiError::forbidden("The callback is about another request.").source(refused)),
        Err(NotOurs::Body(refused)) => Err(ApiError::invalid("", "invalid", "The body is no callback.").source(refused)),
    }
}

/// The provider calls again, and `worker` asks by itself in the meantime.
fn later(error: StepError) -> ApiError {
    ApiError::unavailable().source(error)
}

fn unproven(refused: Unproven) -> ApiError {
    match refused {
        Unproven::Keys(_) => ApiError::unavailable().source(refused),
        _ => ApiError::forbidden("The signature doesn't prove that this comes from the provider, for our account, now.").source(refused),
    }
}
