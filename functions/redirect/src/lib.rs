//! The function `redirect`: short links. None can be made yet, so every link is answered as unknown.

use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Everything `redirect` answers.
pub fn router(platform: &Platform) -> axum::Router {
    shared::http::app(platform, routes())
}

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
}
