//! Health, the API's description, and the page that shows it.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use serde::Serialize;
use shared::config::Home;
use shared::runtime::Platform;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Written by `cargo run -p xtask -- openapi` from the routers of all functions, and compared with them by a test.
const OPENAPI: &str = include_str!("../../../static-site/openapi.json");

/// The page loads its one stylesheet and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(openapi)).route("/docs", axum::routing::get(page))
}

/// Whether the system answers.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Always `ok`: who can't say so doesn't answer.
    status: &'static str,
    /// Of the program.
    version: &'static str,
    /// `local` or `aws`.
    home: &'static str,
}

/// Health.
#[utoipa::path(get, path = "/api/v1/health", tag = "About", security(()), responses((status = 200, body = Health)))]
async fn health(State(platform): State<Platform>) -> Json<Health> {
    let home = match platform.config.home {
        Home::Aws => "aws",
        Home::Local => "local",
    };
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION"), home })
}

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "About", security(()), responses((status = 200, body = Object)))]
async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")], OPENAPI)
}

/// The description as a page: written on the server, without a script.
async fn page() -> impl IntoResponse {
    let html = serde_json::from_str(OPENAPI).map(|api| shared::http::docs_page(&api)).unwrap_or_default();
    ([(header::CACHE_CONTROL, "public, max-age=300"), (header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(html))
}
