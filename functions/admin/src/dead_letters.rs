//! Messages that failed too often: how many there are, what they are about, and the way back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;
use shared::db::audit::{Actor, Change};
use shared::db::{Db, DbError};
use shared::http::{ApiError, ApiList, ApiPath, ApiResult, CurrentUser, List, NoFilter, Page, RequestId};
use shared::queue::{DeadLetterError, Letter, QueueName};
use shared::runtime::Platform;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list_dead_letters)).routes(routes!(redrive_dead_letters))
}

/// What a queue's function failed to deal with, five times.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLettersView {
    /// `results`, `videos` or `tasks`.
    #[schema(value_type = String, example = "tasks")]
    queue: QueueName,
    /// How many, nearly: queues count approximately.
    messages: u64,
    /// When the oldest of `letters` was sent first.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_at: Option<Timestamp>,
    /// Ten at most, the oldest first.
    letters: Vec<LetterView>,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
struct LetterView {
    /// As `message.id` in the log, where the line `message failed` says why.
    id: String,
    /// When it was sent first.
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    /// What it asks for, by ids; null for what is no message of ours.
    #[schema(value_type = Option<Object>)]
    about: Option<serde_json::Value>,
    /// What came of it, as far as the records know: why the call ended, or the video has no poster.
    last_error: Option<String>,
}

/// The dead letters of `queue`, with what the records say about each: ten reads at most.
async fn view(platform: &Platform, queue: QueueName) -> ApiResult<DeadLettersView> {
    let found = platform.queues.dead_letters(queue).await.map_err(unreachable)?;
    let letters = try_join_all(found.letters.into_iter().map(|letter| async {
        let last_error = last_error(&platform.db, &letter).await?;
        Ok::<_, DbError>(LetterView { id: letter.id, sent_at: letter.sent_at, about: letter.about, last_error })
    }));
    let letters = letters.await?;
    let oldest_at = letters.iter().find_map(|letter| letter.sent_at);
    Ok(DeadLettersView { queue, messages: found.messages, oldest_at, letters })
}

async fn last_error(db: &Db, letter: &Letter) -> Result<Option<String>, DbError> {
    let Some(about) = &letter.about else { return Ok(Some("the message is of no known kind".to_owned())) };
    let id = |name: &str| about[name].as_str().unwrap_or_default();
    if let Ok(call) = id("call").parse() {
        return Ok(db.call(call).await?.and_then(|call| call.reason).map(|reason| reason.message));
    }
    match (id("user").parse(), id("asset").parse()) {
        (Ok(user), Ok(asset)) => Ok(db.asset(user, asset).await?.and_then(|asset| asset.poster_reason)),
        _ => Ok(None),
    }
}

/// What was begun.
#[derive(Debug, Serialize, ToSchema)]
struct RedriveView {
    /// Of which queue.
    #[schema(value_type = String, example = "tasks")]
    queue: QueueName,
    /// How many dead letters there were, nearly.
    messages: u64,
}

/// What the functions couldn't deal with.
///
/// A line for each queue, empty ones included.
#[utoipa::path(get, path = "/api/v1/admin/dead-letters", tag = "Admin", params(Page), responses((status = 200, body = List<DeadLettersView>)))]
async fn list_dead_letters(
    admin: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, NoFilter {}): ApiList<NoFilter>,
) -> ApiResult<Json<List<DeadLettersView>>> {
    admin.require_admin()?;
    let views = try_join_all(QueueName::ALL.map(|queue| view(&platform, queue))).await?;
    List::of_all(views, &page, "dead-letters", |view: &DeadLettersView| view.queue.as_str().to_owned()).map(Json)
}

/// Sends them back to their queue.
///
/// As new messages, five attempts each. Remedy first what made them fail. Asking twice is as good as asking once.
#[utoipa::path(post, path = "/api/v1/admin/dead-letters/{queue}/redrive", tag = "Admin", params(("queue" = String, Path)), responses((status = 202, body = RedriveView)))]
async fn redrive_dead_letters(
    admin: CurrentUser,
    State(platform): State<Platform>,
    Extension(request): Extension<RequestId>,
    ApiPath(queue): ApiPath<String>,
) -> ApiResult<(StatusCode, Json<RedriveView>)> {
    admin.require_admin()?;
    let queue = QueueName::parse(&queue).ok_or_else(ApiError::not_found)?;
    let messages = platform.queues.dead_letters(queue).await.map_err(unreachable)?.messages;
    // The queue is in no transaction with the table: the wish is written down before it is carried out.
    let actor = Actor::admin(admin.id(), &request.0);
    platform.db.note(&actor, Change::redrive(queue.as_str(), messages), platform.clock.now()).await?;
    platform.queues.redrive(queue).await.map_err(unreachable)?;
    Ok((StatusCode::ACCEPTED, Json(RedriveView { queue, messages })))
}

fn unreachable(error: DeadLetterError) -> ApiError {
    ApiError::unavailable().source(error)
}
