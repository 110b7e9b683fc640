//! The catalogue as clients see it.

use axum::Json;
use shared::auth::Scope;
use shared::domain::model::ModelView;
use shared::http::{ApiError, ApiList, ApiPath, ApiResult, CurrentUser, List, NoFilter, Page};
use shared::provider::catalogue;
use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list_models)).routes(routes!(get_model))
}

/// All models, with what a form needs.
#[utoipa::path(get, path = "/api/v1/models", tag = "Models", params(Page), responses((status = 200, body = List<ModelView>), (status = 304)))]
async fn list_models(user: CurrentUser, ApiList(page, NoFilter {}): ApiList<NoFilter>) -> ApiResult<Json<List<ModelView>>> {
    user.require(Scope::Read)?;
    let all = catalogue::models().iter().map(ModelView::from).collect();
    List::of_all(all, &page, "models", |model: &ModelView| model.id.clone()).map(Json)
}

/// One model.
#[utoipa::path(get, path = "/api/v1/models/{id}", tag = "Models", params(("id" = String, Path, pattern = "^[a-z0-9.-]{1,64}$")), responses((status = 200, body = ModelView), (status = 304)))]
async fn get_model(user: CurrentUser, ApiPath(id): ApiPath<String>) -> ApiResult<Json<ModelView>> {
    user.require(Scope::Read)?;
    catalogue::find(&id).map(|model| Json(ModelView::from(model))).ok_or_else(ApiError::not_found)
}
