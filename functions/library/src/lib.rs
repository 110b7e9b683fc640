//! The function `library`: what a person has and brings. Assets, uploads, links, generations, usage, the ledger; health and the API's
//! own description.
//!
//! Reads below the caller's own partition and writes only what the owner may edit; it never touches units or calls, and holds
//! no provider key: what people upload is decoded here and nowhere else.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop"))]

mod assets;
mod docs;
mod generations;
mod links;
mod uploads;
mod usage;

use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Everything `library` answers.
pub fn router(platform: &Platform) -> axum::Router {
    shared::http::app(platform, routes())
}

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .merge(assets::routes())
        .merge(links::routes())
        .merge(uploads::routes())
        .merge(generations::routes())
        .merge(usage::routes())
        .merge(docs::routes())
}
