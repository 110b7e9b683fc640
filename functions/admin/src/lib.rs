//! The function `admin`: the administrators' console. People, the audit log, and generating as a whole.
//!
//! Who is an admin is read from their record on every request; nobody becomes one here first: the operator's command makes the
//! first ones. Every change is written in one transaction with its line in the audit log, which nothing here can change.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop"))]

mod audit;
mod generation;
mod users;

use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Everything `admin` answers.
pub fn router(platform: &Platform) -> axum::Router {
    shared::http::app(platform, routes())
}

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(users::routes()).merge(audit::routes()).merge(generation::routes())
}
