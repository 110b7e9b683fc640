//! The function `admin`: the administrators' console. Admins are made by the operator's command.

mod generation;

use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Everything `admin` answers.
pub fn router(platform: &Platform) -> axum::Router {
    shared::http::app(platform, routes())
}

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(generation::routes())
}
