//! Whatever is wrong with a request is said in one shape, and leaves no trace.

use http::{Method, header};
use serde_json::{Value, json};
use shared::domain::user::Scope;

use crate::world::{Answer, Client, World, picture, pictures, still};

/// `answer` is a problem with this status and code, about this field (`""` is the body itself), or about none.
fn assert_problem(what: &str, answer: &Answer, status: u16, code: &str, field: Option<&str>) {
    assert_eq!(answer.code(), (status, code.to_owned()), "{what}: {}", answer.text());
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json", "{what}");
    let body = answer.json();
    assert_eq!((&body["status"], &body["type"]), (&json!(status), &json!(format!("/problems/{code}"))), "{what}");
    for name in ["title", "detail", "request_id"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{what}: {name} in {body}");
    }
    assert_eq!(body["request_id"], answer.header("x-request-id"), "{what}");
    let fields: Vec<&str> = body["errors"].as_array().into_iter().flatten().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, Vec::from_iter(field), "{what}: {body}");
}

/// Nothing of `client` was written.
async fn assert_untouched(client: &Client) {
    for list in ["/api/v1/ledger", "/api/v1/generations", "/api/v1/assets"] {
        assert_eq!(client.all(list).await, Vec::<Value>::new(), "{list}");
    }
    assert_eq!(client.usage().await, (0, 0));
}

/// The request for a picture with one thing changed.
fn with(pointer: &str, name: &str, value: Value) -> Value {
    let mut request = picture("a fox in the snow");
    request.pointer_mut(pointer).unwrap()[name] = value;
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_mistake_is_refused_by_field_and_reserves_nothing() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let cases = [
        ("unknown model", with("", "model", json!("flux-9")), "model"),
        ("no model", json!({"inputs": {"prompt": "a fox"}}), "model"),
        ("empty prompt", with("/inputs", "prompt", json!("  \n ")), "inputs.prompt"),
        ("no prompt", json!({"model": "flux-schnell"}), "inputs.prompt"),
        ("short prompt", with("/inputs", "prompt", json!("ab")), "inputs.prompt"),
        ("long prompt", with("/inputs", "prompt", json!("é".repeat(501))), "inputs.prompt"),
        ("control characters", with("/inputs", "prompt", json!("a\u{0}fox")), "inputs.prompt"),
        ("prompt of another type", with("/inputs", "prompt", json!(7)), "inputs.prompt"),
        ("unknown field", with("", "colour", json!("red")), "colour"),
        ("unknown input", with("/inputs", "colour", json!("red")), "inputs.colour"),
        ("input that the model can't use", with("/inputs", "negative_prompt", json!("snow")), "inputs.negative_prompt"),
        ("image that the model can't use", with("/inputs", "images", json!(["0190163d8694739baea5966c26f8ad91"])), "inputs.images"),
        ("unknown parameter", with("/parameters", "colour", json!("red")), "parameters.colour"),
        ("no such choice", with("/parameters", "aspect", json!("7:1")), "parameters.aspect"),
        ("seed of another type", with("/parameters", "seed", json!("42")), "parameters.seed"),
        ("seed too large", with("/parameters", "seed", json!(2_147_483_648_u64)), "parameters.seed"),
        ("seed below zero", with("/parameters", "seed", json!(-1)), "parameters.seed"),
        ("outputs of another type", with("", "outputs", json!("two")), "outputs"),
        ("no outputs", with("", "outputs", json!(0)), "outputs"),
        ("too many outputs", with("", "outputs", json!(5)), "outputs"),
        ("no such collection", with("", "collection", json!("mine")), "collection"),
        ("a text instead", json!("a fox"), ""),
    ];
    for (what, request, field) in &cases {
        assert_problem(what, &ada.generate(request).await, 400, "validation", Some(field));
        let estimate = ada.post("/api/v1/generations/estimate", request).await;
        assert_problem(what, &estimate, 400, "validation", Some(field));
    }
    assert_untouched(&ada).await;
    // What was refused under a key doesn't use it up.
    assert_eq!(ada.generate_as("key", &cases[0].1).await.status, 400);
    assert_eq!(ada.generate_as("key", &picture("a fox")).await.status, 202);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_of_a_request_is_said_at_once() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let mut request = with("/inputs", "prompt", json!(""));
    request["outputs"] = json!(9);
    request["parameters"] = json!({"aspect": "7:1", "colour": "red"});
    let answer = ada.generate(&request).await.json();
    let mut fields: Vec<&str> = answer["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["inputs.prompt", "outputs", "parameters.aspect", "parameters.colour"]);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cant_be_read_is_refused() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let send = async |headers: &[(&str, &str)], body: Vec<u8>| {
        let headers = [headers, &[("idempotency-key", "key")]].concat();
        ada.send(Method::POST, "/api/v1/generations", &headers, body).await
    };
    let json = [("content-type", "application/json")];
    let large = pictures(&"x".repeat(70_000), 1).to_string().into_bytes();
    assert_problem("large", &send(&json, large).await, 413, "payload-too-large", None);
    for body in ["", "{", "{\"model\":", "{\"model\":\"flux-schnell\"} trailing", "\u{1}"] {
        assert_problem(body, &send(&json, body.as_bytes().to_vec()).await, 400, "validation", Some(""));
    }
    assert_problem("no text", &send(&json, b"{\"model\":\"\xff\"}".to_vec()).await, 400, "validation", Some(""));
    let good = picture("a fox").to_string().into_bytes();
    let plain = [("content-type", "text/plain")];
    assert_problem("another type", &send(&plain, good.clone()).await, 415, "unsupported-media-type", None);
    assert_problem("no type", &send(&[], good).await, 415, "unsupported-media-type", None);

    let without = ada.post("/api/v1/generations", &picture("a fox")).await;
    assert_problem("no key", &without, 400, "validation", Some("Idempotency-Key"));
    for key in [" ", "a key", &"k".repeat(256)] {
        assert_problem(key, &ada.generate_as(key, &picture("a fox")).await, 400, "validation", Some("Idempotency-Key"));
    }
    assert_untouched(&ada).await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_takes_only_its_own_cursors_limits_and_filters() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    for list in ["assets", "links", "generations", "ledger", "usage", "models"] {
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("limit=1&limit=2", "limit"),
            ("cursor=nonsense", "cursor"),
            ("cursor=e30", "cursor"),
            ("colour=red", "colour"),
        ] {
            let path = format!("/api/v1/{list}?{query}");
            let answer = ada.get(&path).await;
            assert_problem(&path, &answer, 400, "validation", Some(field));
        }
    }
    for (query, field) in [("kind=sound", "kind"), ("sort=random", "sort"), ("favourite=perhaps", "favourite"), ("from=monday", "from")] {
        assert_problem(query, &ada.get(&format!("/api/v1/assets?{query}")).await, 400, "validation", Some(field));
    }
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebody_elses_looks_like_what_isnt_there() {
    let world = World::start().await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let over = ada.made(&picture("adas own")).await;
    let (asset, generation) = (over["assets"][0]["id"].as_str().unwrap(), over["id"].as_str().unwrap());
    let absent = "0190163d8694739baea5966c26f8ad91";
    let change = json!({"title": "bobs now"});
    for (method, list, end) in [
        (Method::GET, "assets", ""),
        (Method::PATCH, "assets", ""),
        (Method::DELETE, "assets", ""),
        (Method::POST, "assets", "/restore"),
        (Method::GET, "assets", "/download"),
        (Method::GET, "generations", ""),
        (Method::POST, "generations", "/cancel"),
    ] {
        let theirs = if list == "assets" { asset } else { generation };
        let mut bodies = Vec::new();
        for id in [theirs, absent, "no-id"] {
            let path = format!("/api/v1/{list}/{id}{end}");
            let answer = bob.json(method.clone(), &path, &[], &change).await;
            assert_problem(&format!("{method} {path}"), &answer, 404, "not-found", None);
            let mut body = answer.json();
            body.as_object_mut().unwrap().remove("request_id");
            bodies.push(body);
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{method} {list}{end}: {bodies:?}");
    }
    let mine = ada.get(&format!("/api/v1/assets/{asset}")).await.json();
    assert_eq!((&mine["title"], &mine["deleted_at"]), (&Value::Null, &Value::Null));
    assert_untouched(&bob).await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_valid_token_with_the_right_scope_opens_anything() {
    let world = World::start_at(&[], still()).await;
    let unknown = format!("aig_{}", "x".repeat(43));
    for token in [None, Some(unknown.as_str()), Some("nonsense"), Some("")] {
        let answer = world.stranger(token).get("/api/v1/assets").await;
        assert_problem(token.unwrap_or("no token"), &answer, 401, "unauthenticated", None);
        assert_eq!(answer.header(header::WWW_AUTHENTICATE), "Bearer");
    }
    let ada = world.client("ada", vec![Scope::Read], Some(60)).await;
    assert_eq!(ada.get("/api/v1/assets").await.status, 200);
    assert_problem("scope", &ada.generate(&picture("a fox")).await, 403, "forbidden", None);
    assert_untouched(&ada).await;
    world.clock.advance(60_000);
    assert_problem("expired", &ada.get("/api/v1/assets").await, 401, "unauthenticated", None);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_problems_too() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    for path in ["/api/v1/nothing", "/api/v1/", "/api/v2/assets", "/api/v1/assets/a/b/c", "/auth/nothing", "/hooks/fal/x"] {
        assert_problem(path, &ada.get(path).await, 404, "not-found", None);
    }
    for (method, path) in [
        (Method::PUT, "/api/v1/assets"),
        (Method::DELETE, "/api/v1/generations"),
        (Method::POST, "/api/v1/models"),
        (Method::POST, "/api/v1/ledger"),
        (Method::GET, "/auth/logout"),
    ] {
        let answer = ada.json(method.clone(), path, &[], &json!({})).await;
        assert_problem(&format!("{method} {path}"), &answer, 405, "method-not-allowed", None);
        assert!(!answer.header(header::ALLOW).is_empty(), "{method} {path}");
    }
    world.shutdown().await;
}
