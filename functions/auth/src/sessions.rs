//! Where I am signed in.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use shared::http::{ApiError, ApiList, ApiPath, ApiResult, CurrentUser, List, NoFilter, Page};
use shared::id::SessionId;
use shared::runtime::Platform;
use utoipa::ToSchema;

use crate::sign_in::{gone, set_cookies};

/// A browser that is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionView {
    #[schema(value_type = String)]
    id: SessionId,
    /// Browser and system, as far as they say.
    #[schema(example = "Firefox on Linux")]
    agent: String,
    /// Whether it is the one that asks.
    current: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// To within five minutes.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// If it isn't used any more.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
}

/// List my sessions, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "account", params(Page), security(("cookie" = [])),
    responses((status = 200, body = List<SessionView>)))]
pub(crate) async fn list_sessions(
    State(platform): State<Platform>,
    current: CurrentUser,
    ApiList(page, NoFilter {}): ApiList<NoFilter>,
) -> ApiResult<Json<List<SessionView>>> {
    let own = current.require_session()?;
    let role = current.user.role;
    let sessions = platform.db.sessions(&current.user, platform.clock.now()).await?;
    let views = sessions.into_iter().map(|session| SessionView {
        id: session.id,
        current: session.id == own,
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        ends_at: session.ends_at(role),
        agent: session.agent,
    });
    Ok(Json(List::of_all(views.collect(), &page, "sessions", |view| view.id.to_string())?))
}

/// End a session.
///
/// Its next request is answered with 401.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "account", params(("id" = String, Path)), security(("cookie" = [])),
    responses((status = 204, description = "Ended."), (status = 404, description = "No such session of mine.", body = shared::http::Problem, content_type = "application/problem+json")))]
pub(crate) async fn end_session(
    State(platform): State<Platform>,
    current: CurrentUser,
    ApiPath(id): ApiPath<SessionId>,
) -> ApiResult<Response> {
    let own = current.require_session()?;
    if !platform.db.end_session(current.id(), id).await? {
        return Err(ApiError::not_found());
    }
    let cookies = if id == own { gone() } else { Vec::new() };
    Ok((StatusCode::NO_CONTENT, set_cookies(cookies)).into_response())
}

/// End all my sessions but this one.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "account", security(("cookie" = [])),
    responses((status = 204, description = "Ended.")))]
pub(crate) async fn end_other_sessions(State(platform): State<Platform>, current: CurrentUser) -> ApiResult<StatusCode> {
    let own = current.require_session()?;
    for session in platform.db.sessions(&current.user, platform.clock.now()).await? {
        if session.id != own {
            platform.db.end_session(current.id(), session.id).await?;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}
