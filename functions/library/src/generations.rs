//! How far requests are. Apart from where they are made, so that people who poll can't starve those who submit.

use axum::Json;
use axum::extract::State;
use shared::auth::Scope;
use shared::http::reading::generation_views;
use shared::http::view::GenerationView;
use shared::http::{ApiError, ApiList, ApiPath, ApiResult, CurrentUser, List, NoFilter, Page};
use shared::id::GenerationId;
use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    // What is asked of these by POST reaches `generate`; here they are only known, so that other methods are told so.
    let elsewhere = || axum::routing::post(async || ApiError::not_found());
    OpenApiRouter::new()
        .routes(routes!(list_generations))
        .routes(routes!(get_generation))
        .route("/api/v1/generations/estimate", elsewhere())
        .route("/api/v1/generations/{id}/cancel", elsewhere())
}

/// My generations, newest first.
///
/// Those under way come with their progress, so a page that was reloaded finds everything again.
#[utoipa::path(get, path = "/api/v1/generations", tag = "Generations", params(Page), responses((status = 200, body = List<GenerationView>)))]
async fn list_generations(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, NoFilter {}): ApiList<NoFilter>,
) -> ApiResult<Json<List<GenerationView>>> {
    user.require(Scope::Read)?;
    let after: Option<String> = page.after("generations")?;
    let found = platform.db.generations(user.id(), after.as_deref(), i32::try_from(page.limit).unwrap_or(100)).await?;
    let views = generation_views(&platform, &user, found.items).await?;
    Ok(Json(List::new(views, "generations", found.next.as_ref())))
}

/// One generation.
///
/// Answers with an `ETag`: a client that follows it sends `If-None-Match`, after one second at first and five at most.
#[utoipa::path(get, path = "/api/v1/generations/{id}", tag = "Generations", params(("id" = String, Path)), responses((status = 200, body = GenerationView), (status = 304)))]
async fn get_generation(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiPath(id): ApiPath<GenerationId>,
) -> ApiResult<Json<GenerationView>> {
    user.require(Scope::Read)?;
    let generation = platform.db.generation(user.id(), id).await?.ok_or_else(ApiError::not_found)?;
    let view = generation_views(&platform, &user, vec![generation]).await?.pop();
    view.map(Json).ok_or_else(ApiError::not_found)
}
