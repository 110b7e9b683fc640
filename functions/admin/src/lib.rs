//! The function `admin`: what administrators see and do. Admins are made by the operator's command.

mod dead_letters;

use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Everything `admin` answers.
pub fn router(platform: &Platform) -> axum::Router {
    shared::http::app(platform, routes())
}

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(dead_letters::routes())
}
