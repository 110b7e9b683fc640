//! Taking everything home: exports of all of somebody's data.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::Serialize;
use shared::db::audit::Actor;
use shared::db::exports::{MOST_A_DAY, NotRequested};
use shared::domain::export::{Export, ExportState};
use shared::http::{ApiError, ApiList, ApiPath, ApiResult, CurrentUser, List, NoFilter, Page, RequestId};
use shared::id::RecordId;
use shared::jobs::{self, resets};
use shared::media::{Bucket, keys};
use shared::runtime::Platform;
use utoipa::ToSchema;

/// How long an address of a zip is valid.
const DOWNLOAD_LIFE: Duration = Duration::from_secs(3_600);

/// An export of everything of mine.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportView {
    id: String,
    state: ExportState,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was ready or given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// From then on it can't be had any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Of the zip, once it is ready.
    bytes: Option<u64>,
    /// Where the zip is, once it is ready: whoever has the address can read it, for an hour.
    url: Option<String>,
    /// Why it failed.
    reason: Option<String>,
}

impl ExportView {
    async fn new(platform: &Platform, export: Export) -> ApiResult<Self> {
        let now = platform.clock.now();
        let url = if export.state == ExportState::Ready {
            let left = export.expires_at.map_or(Duration::ZERO, |at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
            let name = format!("export-{}.zip", export.created_at.strftime("%Y-%m-%d"));
            let life = DOWNLOAD_LIFE.min(left).max(Duration::from_secs(1));
            let signed = platform.media.presign_get(Bucket::Media, &export.key, Some(&name), now, life).await;
            Some(signed.map_err(ApiError::internal)?)
        } else {
            None
        };
        Ok(Self {
            id: export.id.to_string(),
            state: export.state,
            created_at: export.created_at,
            finished_at: export.finished_at,
            expires_at: export.expires_at,
            bytes: export.bytes,
            url,
            reason: export.reason,
        })
    }
}

/// Export everything of mine.
///
/// A zip with all originals, a record of each, generations, ledger, links and profile as JSON, and a page that shows all of it without
/// a network. It is written in the background; follow it at `Location`. One at a time, three a day; it can be had for a week.
#[utoipa::path(post, path = "/api/v1/exports", tag = "account", security(("cookie" = [])), responses((status = 202, body = ExportView),
    (status = 409, description = "One is under way.")))]
pub(crate) async fn create_export(
    State(platform): State<Platform>,
    Extension(RequestId(request)): Extension<RequestId>,
    current: CurrentUser,
) -> ApiResult<impl IntoResponse> {
    current.require_session()?;
    let now = platform.clock.now();
    let (id, user) = (RecordId::new(now), current.id());
    let export = Export {
        id,
        user,
        state: ExportState::Queued,
        created_at: now,
        finished_at: None,
        expires_at: None,
        bytes: None,
        reason: None,
        key: keys::export(&current.user.media_prefix, id),
        upload: None,
        checkpoint: None,
        tries: 0,
        run: None,
        leased_until: None,
    };
    platform.db.request_export(&export, &Actor::person(user, &request)).await.map_err(|lost| match lost {
        NotRequested::Busy => ApiError::conflict("An export is under way; wait until it is ready."),
        NotRequested::TooMany => {
            ApiError::rate_limited(format!("{MOST_A_DAY} exports a day are enough; ask again tomorrow."), resets(now).1)
        }
        NotRequested::Failed(error) => error.into(),
    })?;
    jobs::hurry_export(&platform, &export).await;
    let location = [(header::LOCATION, format!("/api/v1/exports/{id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(ExportView::new(&platform, export).await?)))
}

/// My exports, newest first.
#[utoipa::path(get, path = "/api/v1/exports", tag = "account", params(Page), security(("cookie" = [])), responses((status = 200, body = List<ExportView>)))]
pub(crate) async fn list_exports(
    State(platform): State<Platform>,
    current: CurrentUser,
    ApiList(page, NoFilter {}): ApiList<NoFilter>,
) -> ApiResult<Json<List<ExportView>>> {
    current.require_session()?;
    let now = platform.clock.now();
    let mut views = Vec::new();
    for export in platform.db.exports(current.id()).await?.into_iter().filter(|export| !export.is_over(now)) {
        views.push(ExportView::new(&platform, export).await?);
    }
    Ok(Json(List::of_all(views, &page, "exports", |view| view.id.clone())?))
}

/// An export of mine. 410 once it has expired.
#[utoipa::path(get, path = "/api/v1/exports/{id}", tag = "account", params(("id" = String, Path)), security(("cookie" = [])), responses((status = 200, body = ExportView),
    (status = 410, description = "It has expired.")))]
pub(crate) async fn get_export(
    State(platform): State<Platform>,
    current: CurrentUser,
    ApiPath(id): ApiPath<RecordId>,
) -> ApiResult<Json<ExportView>> {
    current.require_session()?;
    let export = platform.db.export(current.id(), id).await?.ok_or_else(ApiError::not_found)?;
    if export.is_over(platform.clock.now()) {
        return Err(ApiError::gone("This export has expired; ask for a new one."));
    }
    ExportView::new(&platform, export).await.map(Json)
}
