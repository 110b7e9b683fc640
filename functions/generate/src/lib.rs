//! The function `generate`: the catalogue, prices, and requests to generate.
//!
//! Accepting a request reserves its units, writes it down and starts what finds a free slot; following it is `library`'s.
//! Holds the provider key, and for that reason decodes nothing that people upload but what `library` has normalised.

mod generations;
mod models;

use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Everything `generate` answers.
pub fn router(platform: &Platform) -> axum::Router {
    shared::http::app(platform, routes())
}

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(models::routes()).merge(generations::routes())
}
