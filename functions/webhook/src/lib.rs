//! The function `webhook`: the provider's callbacks.
//!
//! No callback address is given out yet, so there is nothing it could be told: every call is answered as unknown.

use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Everything `webhook` answers.
pub fn router(platform: &Platform) -> axum::Router {
    shared::http::app(platform, routes())
}

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
}
