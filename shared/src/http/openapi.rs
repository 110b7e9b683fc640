//! The API's description, made from the same routers that answer.
//!
//! Handlers describe what is theirs; what follows from the form of an operation, or holds for all of them, is added here, so that it can't
//! be forgotten: refusals, the form of ids, the fields that an answer always has.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, Server};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::error::Problem;
use crate::auth::cookie;
use crate::runtime::Platform;

const PROBLEM: &str = "application/problem+json";
const METHODS: [&str; 6] = ["get", "put", "post", "delete", "patch", "head"];

/// What any operation may be refused with, described once. Handlers say the rest (409, 410, 422, and why).
const REFUSALS: [(&str, &str, &str); 10] = [
    ("400", "BadRequest", "The request has mistakes; `errors` names the fields."),
    ("401", "Unauthenticated", "Nobody is signed in."),
    ("403", "Forbidden", "Signed in, but not allowed; or a change that another site's page asked for."),
    ("404", "NotFound", "Not there, or somebody else's."),
    ("413", "PayloadTooLarge", "The body is larger than this call takes."),
    ("415", "UnsupportedMediaType", "The body must be JSON."),
    ("429", "TooManyRequests", "Too many; `Retry-After` says when to try again."),
    ("500", "Internal", "A fault of ours."),
    ("503", "Unavailable", "We are busy, or the model provider is; `Retry-After` says when to try again."),
    ("504", "Timeout", "It took too long."),
];

/// Shapes of answers that leave out what doesn't apply. All others always have all of their fields, `null` where there is nothing.
const SPARSE: [&str; 5] = ["Problem", "ModelView", "ModelLimits", "Inputs", "Parameter"];

/// One description of all `routers`, with the two ways to sign in (`cookie` and `token`), of which either will do. An operation that
/// anyone may call says `security(())` itself.
pub fn openapi(routers: impl IntoIterator<Item = OpenApiRouter<Platform>>) -> Value {
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
    api.security =
        Some(vec![SecurityRequirement::new("cookie", Vec::<String>::new()), SecurityRequirement::new("token", Vec::<String>::new())]);
    completed(serde_json::to_value(&api).unwrap_or_default())
}

fn completed(mut api: Value) -> Value {
    for (path, item) in api["paths"].as_object_mut().into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                complete(path, method, operation);
            }
        }
    }
    for (status, name, text) in REFUSALS {
        api["components"]["responses"][name] = refusal(status, text);
    }
    let mut asked = BTreeSet::new();
    for operation in api["paths"].as_object().into_iter().flat_map(Map::values).flat_map(operations) {
        references(&operation["requestBody"], &api, &mut asked);
    }
    let names: BTreeSet<String> = api["components"]["schemas"].as_object().into_iter().flat_map(Map::keys).cloned().collect();
    for (name, schema) in api["components"]["schemas"].as_object_mut().into_iter().flatten() {
        if let Some(item) = name.strip_prefix("List_").filter(|item| names.contains(*item)) {
            schema["properties"]["items"]["items"] = json!({"$ref": format!("#/components/schemas/{item}")});
        }
        if !asked.contains(name) && !SPARSE.contains(&name.as_str()) {
            require_all(schema);
        }
    }
    api
}

fn refusal(status: &str, text: &str) -> Value {
    let header = |kind: &str, text: &str| json!({"schema": {"type": kind}, "description": text});
    let mut headers = json!({"X-Request-Id": header("string", "Names the request in our logs.")});
    match status {
        "401" => headers["WWW-Authenticate"] = header("string", "`Bearer`."),
        "429" | "503" => headers["Retry-After"] = header("integer", "Seconds."),
        _ => {}
    }
    json!({"description": text, "headers": headers, "content": {PROBLEM: problem()}})
}

fn problem() -> Value {
    json!({"schema": {"$ref": "#/components/schemas/Problem"}})
}

/// Adds what follows from an operation's own description.
fn complete(path: &str, method: &str, operation: &mut Value) {
    let open = operation["security"].as_array().is_some_and(|ways| ways.iter().any(|way| way.as_object().is_some_and(Map::is_empty)));
    let body = operation["requestBody"].is_object();
    let json = !operation["requestBody"]["content"]["application/json"].is_null();
    let mut asked = false;
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        asked |= parameter["in"] != "path";
        let is_id = parameter["in"] == "path" && parameter["name"] == "id" && !path.starts_with("/api/v1/models/");
        if is_id && parameter["schema"]["pattern"].is_null() {
            parameter["schema"]["pattern"] = json!("^[0-9a-f]{32}$");
        }
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, name, _) in REFUSALS {
        let applies = match status {
            // What is wrong with a sign-in is said on a page.
            "400" => json || (asked && !path.starts_with("/auth/")),
            "401" | "403" => !open,
            "404" => path.contains('{'),
            "413" => body,
            // The provider's callbacks are read as bytes.
            "415" => json && !open,
            _ => true,
        };
        if applies && !responses.contains_key(status) {
            responses.insert(status.to_owned(), json!({"$ref": format!("#/components/responses/{name}")}));
        }
    }
    let tagged = method == "get" && responses.get("200").is_some_and(|response| !response["content"]["application/json"].is_null());
    if tagged && !responses.contains_key("304") {
        responses.insert("304".to_owned(), json!({"description": "As it was, by the `ETag` in `If-None-Match`."}));
    }
    for (status, response) in responses {
        // OpenAPI wants one, also where there is nothing to say.
        if response["$ref"].is_null() && response["description"].is_null() {
            response["description"] = json!("");
        }
        let refused = status.starts_with(['4', '5']) && response["$ref"].is_null();
        if refused && response["content"].as_object().is_none_or(Map::is_empty) {
            response["content"] = json!({PROBLEM: problem()});
            if path.starts_with("/s/") {
                // A page for people, unless they accept JSON and no HTML.
                response["content"]["text/html"] = json!({"schema": {"type": "string"}});
            }
        }
    }
}

fn operations(item: &Value) -> impl Iterator<Item = &Value> {
    METHODS.into_iter().filter_map(move |method| item.get(method))
}

/// The names of all shapes that `value` refers to.
fn references(value: &Value, api: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/components/schemas/"))
                && found.insert(name.to_owned())
            {
                references(&api["components"]["schemas"][name], api, found);
            }
            fields.values().for_each(|field| references(field, api, found));
        }
        Value::Array(list) => list.iter().for_each(|item| references(item, api, found)),
        _ => {}
    }
}

fn require_all(schema: &mut Value) {
    for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        require_all(part);
    }
    let names: Vec<Value> = schema["properties"].as_object().into_iter().flat_map(Map::keys).map(|name| json!(name)).collect();
    if !names.is_empty() {
        schema["required"] = json!(names);
    }
}
