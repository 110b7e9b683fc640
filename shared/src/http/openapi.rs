//! The API's description, made from the same routers that answer.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Server};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::error::Problem;
use crate::auth::cookie;
use crate::runtime::Platform;

/// One description of all `routers`. What every operation has in common is added here: the problem answer, and the two ways to
/// sign in (`cookie` and `token`), of which either will do. An operation that anyone may call says `security(())` itself.
pub fn openapi(routers: impl IntoIterator<Item = OpenApiRouter<Platform>>) -> OpenApi {
    let mut api = OpenApi::new(
        InfoBuilder::new()
            .title("AI Image Generator")
            .version("1")
            .description(Some("One interface to many image and video models. Times are RFC 3339 UTC, sizes bytes and pixels."))
            .build(),
        utoipa::openapi::Paths::new(),
    );
    api.servers = Some(vec![Server::new("/")]);
    for router in routers {
        api.merge(router.into_openapi());
    }
    let components = api.components.get_or_insert_with(Components::new);
    let mut schemas = Vec::new();
    Problem::schemas(&mut schemas);
    schemas.push((Problem::name().into_owned(), Problem::schema()));
    components.schemas.extend(schemas);
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(cookie::SESSION))));
    components.add_security_scheme(
        "token",
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("aig_").build()),
    );
    let problem = ResponseBuilder::new()
        .description("What went wrong; `code` is stable.")
        .content("application/problem+json", Content::new(Some(Ref::from_schema_name(Problem::name()))))
        .build();
    for item in api.paths.paths.values_mut() {
        let methods = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch, &mut item.head];
        for operation in methods.into_iter().flatten() {
            operation.responses.responses.entry("default".to_owned()).or_insert_with(|| RefOr::T(problem.clone()));
        }
    }
    api.security =
        Some(vec![SecurityRequirement::new("cookie", Vec::<String>::new()), SecurityRequirement::new("token", Vec::<String>::new())]);
    api
}
