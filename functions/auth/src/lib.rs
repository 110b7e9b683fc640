//! Sign-in, sessions, the profile, personal tokens.
//!
//! Owns users, sessions, tokens and sign-ins under way; reads the month's units. Everything that decides something is in
//! `shared::auth`; here are the routes.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop"))]

mod exports;
mod me;
mod sessions;
mod sign_in;
mod tokens;
mod webhooks;

use axum::{Extension, Router};
use shared::auth::oidc::Issuer;
use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::begin_sign_in))
        .routes(routes!(sign_in::finish_sign_in))
        .routes(routes!(sign_in::sign_out))
        .routes(routes!(me::get_me, me::delete_me))
        .routes(routes!(me::restore_me))
        .routes(routes!(webhooks::get_webhook_secret))
        .routes(routes!(exports::list_exports, exports::create_export))
        .routes(routes!(exports::get_export))
        .routes(routes!(sessions::list_sessions, sessions::end_other_sessions))
        .routes(routes!(sessions::end_session))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .layer(Extension(Issuer::default()))
}

/// The function.
pub fn router(platform: &Platform) -> Router {
    shared::http::app(platform, routes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_is_described() {
        let api = shared::http::openapi([super::routes()]);
        assert_eq!(api["openapi"], "3.1.0");
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = format!("{method} {path}");
                assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{name}");
                assert!(operation["operationId"].is_string(), "{name}");
                assert_eq!(operation["responses"]["500"]["$ref"], "#/components/responses/Internal", "{name}");
            }
        }
        let text = api.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(api["components"]["schemas"][name].is_object(), "{name} is referred to and described");
        }
        assert!(api["components"]["securitySchemes"]["cookie"].is_object() && api["components"]["securitySchemes"]["token"].is_object());
    }
}
