//! What people and services keep to themselves is in no log line, whatever happens to a request: a marked word in every place where a secret
//! or a private thought can be, a tour through everything that can go well or badly, and then a search through all that was printed.

use std::collections::BTreeMap;
use std::process::Stdio;

use aws_sdk_dynamodb::types::AttributeValue;
use http::{Method, StatusCode, header};
use local::Options;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use shared::config::Env;
use shared::domain::user::Scope;
use shared::id::random_base62;
use shared::runtime::Platform;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::table::Table;
use crate::uploads;
use crate::world::{Answer, Client};

const OURS: [&str; 14] = [
    "shared",
    "local",
    "auth",
    "generate",
    "library",
    "redirect",
    "webhook",
    "worker",
    "ingest",
    "thumbnailer",
    "admin",
    "local_standins",
    "local_s3",
    "local_sqs",
];

/// What the stand-in can be made to do wrong, by the prompt.
const FAILURES: [&str; 7] = [
    "fail:content-policy",
    "fail:validation",
    "fail:server",
    "webhook:forged",
    "webhook:payload-error",
    "media:wrong-type",
    "media:missing",
];

struct Tour {
    root: tempfile::TempDir,
    child: Child,
    origin: String,
    http: reqwest::Client,
    /// What must not be found, by where it was.
    canaries: BTreeMap<String, String>,
}

impl Tour {
    async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("site")).unwrap();
        std::fs::write(root.path().join("site/index.html"), "<!doctype html>").unwrap();
        let level = OURS.map(|name| format!("{name}=debug")).join(",");
        let mut child = Command::new(env!("CARGO_BIN_EXE_edition"))
            .args(["--port", "0", "--data"])
            .arg(root.path().join("data"))
            .arg("--site")
            .arg(root.path().join("site"))
            .env_clear()
            .envs([("RUST_LOG", format!("info,s3s=off,{level}").as_str()), ("STAND_IN_DELAY_MS", "0")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(root.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let origin = lines.next_line().await.unwrap().unwrap();
        Self { root, child, origin, http: shared::runtime::http_client().unwrap(), canaries: BTreeMap::new() }
    }

    fn data(&self) -> std::path::PathBuf {
        self.root.path().join("data")
    }

    /// A new canary; with spaces around it, it is a word of a text.
    fn canary(&mut self, place: &str) -> String {
        let canary = format!("canary{}", random_base62(16));
        self.canaries.insert(place.to_owned(), canary.clone());
        canary
    }

    /// Something secret that was not ours to choose.
    fn secret(&mut self, place: &str, value: &str) {
        assert!(value.len() >= 12, "{place}: {value:?} may be found by chance");
        self.canaries.insert(place.to_owned(), value.to_owned());
    }

    fn client(&self, token: &str) -> Client {
        Client::of(self.http.clone(), &self.origin, token)
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        Client::nobody(self.http.clone(), &self.origin).send(method, path, headers, body.as_bytes().to_vec()).await
    }

    fn platform(&self) -> (Platform, Env) {
        let endpoints: Value = serde_json::from_slice(&std::fs::read(self.data().join("endpoints.json")).unwrap()).unwrap();
        let variables = endpoints["environment"].as_object().unwrap().iter();
        let env: Env = variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        (Platform::connect(&env).unwrap(), env)
    }

    /// Signs in at the stand-in's page; the cookie.
    async fn sign_in(&mut self) -> String {
        let email = format!("{}@example.com", self.canary("e-mail"));
        let begun = self.http.get(format!("{}/auth/login", self.origin)).send().await.unwrap();
        let pre = begun.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        self.secret("pre-login cookie", pre.split_once('=').unwrap().1);
        let to = url::Url::parse(begun.headers()[header::LOCATION].to_str().unwrap()).unwrap();
        // The stand-in makes its key when it is first asked for, which may take longer than a sign-in waits.
        let keys = self.http.get(format!("{}/dev/issuer/jwks", self.origin)).send().await.unwrap();
        assert_eq!(keys.status(), StatusCode::OK);
        let mut fields: Vec<(String, String)> = to.query_pairs().into_owned().collect();
        let name = self.canary("name");
        fields.extend([("email".to_owned(), email), ("name".to_owned(), name)]);
        for secret in ["state", "nonce"] {
            let value = fields.iter().find(|(name, _)| name == secret).unwrap().1.clone();
            self.secret(secret, &value);
        }
        let mut page = to.clone();
        page.set_query(None);
        let agreed = self.http.post(page).form(&fields).send().await.unwrap();
        let back = url::Url::parse(agreed.headers()[header::LOCATION].to_str().unwrap()).unwrap();
        let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        self.secret("code", &code);
        let path = format!("{}?{}", back.path(), back.query().unwrap());
        let done = self.ask(Method::GET, &path, &[("cookie", &pre)], "").await;
        let cookie = done.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("__Host-sid="), "{cookie}");
        self.secret("session cookie", cookie.split_once('=').unwrap().1);
        // The same callback again, and one that was altered.
        for path in [path.clone(), path.replace("state=", "state=x")] {
            assert_eq!(self.ask(Method::GET, &path, &[("cookie", &pre)], "").await.status, StatusCode::FOUND);
        }
        cookie
    }

    async fn finish(mut self) -> (String, BTreeMap<String, String>) {
        let log = self.root.path().join("log");
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        assert!(self.child.wait().await.unwrap().success());
        (std::fs::read_to_string(log).unwrap(), self.canaries)
    }
}

fn assert_silent(log: &str, canaries: &BTreeMap<String, String>) {
    let mut found = Vec::new();
    for (place, canary) in canaries {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(canary)).take(2).collect();
        if !lines.is_empty() {
            found.push(format!("{place}: {lines:?}"));
        }
    }
    assert!(found.is_empty(), "{} canaries were logged:\n{}", found.len(), found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_private_is_in_any_log_line() {
    let mut tour = Tour::start().await;
    let cookie = tour.sign_in().await;
    let page_headers = [("cookie", cookie.as_str()), ("origin", tour.origin.as_str()), ("sec-fetch-site", "same-origin"), ("x-app", "1")];
    let page_headers: Vec<(String, String)> = page_headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let page: Vec<(&str, &str)> = page_headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let scopes = vec![Scope::Read, Scope::Generate, Scope::Share];
    let port = tour.origin.rsplit(':').next().unwrap().parse().unwrap();
    let place = local::operator::Place::from(Options { port, ..Options::new(tour.data()) });
    let token = place.make_token("ada@example.com", scopes).await.unwrap();
    let token = token.expose_secret().to_owned();
    tour.secret("token", &token);
    let ada = tour.client(&token);
    let secrets: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(tour.data().join("secrets.json")).unwrap()).unwrap();
    for (name, value) in secrets {
        let line = value.lines().map(str::trim).max_by_key(|line| line.len()).unwrap().to_owned();
        tour.secret(&format!("secret {name}"), &line);
    }

    works(&mut tour, &ada, &page).await;
    let answered = fails(&mut tour, &ada, &page).await;
    let (log, canaries) = tour.finish().await;
    for status in [200, 201, 202, 204, 302, 304, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500] {
        assert!(answered.contains(&status), "{status} was not among {answered:?}");
    }
    assert!(log.lines().count() > 300, "the log says something: {} lines", log.lines().count());
    assert_silent(&log, &canaries);
}

/// What goes well, with a canary in every text.
async fn works(tour: &mut Tour, ada: &Client, page: &[(&str, &str)]) {
    let prompt = format!("a fox {}", tour.canary("prompt"));
    let negative = format!("no {}", tour.canary("negative prompt"));
    let request = json!({"model": "qwen-image", "inputs": {"prompt": prompt, "negative_prompt": negative}});
    let over = ada.made(&request).await;
    assert_eq!(over["state"], "complete", "{over}");
    let asset = over["assets"][0]["id"].as_str().unwrap().to_owned();
    for failing in FAILURES {
        let prompt = format!("[[{failing}]] {}", tour.canary(&format!("prompt of {failing}")));
        ada.accepted(&json!({"model": "flux-schnell", "inputs": {"prompt": prompt}})).await;
    }
    let change = json!({"title": tour.canary("title"), "alt_text": tour.canary("alternative text")});
    assert_eq!(ada.json(Method::PATCH, &format!("/api/v1/assets/{asset}"), &[], &change).await.status, 200);
    let search = tour.canary("search");
    assert_eq!(ada.get(&format!("/api/v1/assets?q={search}")).await.status, 200);

    // Media and their addresses.
    let media = over["assets"][0]["media"]["url"].as_str().unwrap().to_owned();
    let signature = media.split("Signature=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    tour.secret("signature of a media address", &signature);
    assert_eq!(ada.get(&media).await.status, 200);
    assert_eq!(ada.get(&media.replace("Signature=", "Signature=x")).await.status, 403);
    let download = ada.get(&format!("/api/v1/assets/{asset}/download")).await.header(header::LOCATION).to_owned();
    let signature = download.split("X-Amz-Signature=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    tour.secret("signature of a presigned address", &signature);
    assert_eq!(ada.get(&download).await.status, 200);
    assert!(ada.get(&download.replace("X-Amz-Signature=", "X-Amz-Signature=0")).await.status.is_client_error());
    let picture = uploads::uploaded(ada, "image", &uploads::plain(64, 64, [1, 2, 3])).await;
    ada.made(&json!({"model": "flux-dev-img2img", "inputs": {"prompt": "in autumn", "images": [picture]}})).await;

    // Links, with passwords right and wrong.
    let (password, wrong) = (tour.canary("link password"), tour.canary("wrong link password"));
    let slug = tour.canary("slug").to_lowercase();
    tour.secret("slug", &slug);
    let link = json!({"asset_id": asset, "opens": "page", "password": password, "slug": slug, "note": tour.canary("note")});
    assert_eq!(ada.post("/api/v1/links", &link).await.status, 201);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (password, status) in [(password, 200), (wrong, 403)] {
        let answer = tour.ask(Method::POST, &format!("/s/{slug}"), &form, &format!("password={password}")).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }

    let signs = tour.ask(Method::GET, "/api/v1/me/webhook-secret", page, "").await.json()["secret"].as_str().unwrap().to_owned();
    tour.secret("webhook secret", signs.trim_start_matches("whsec_"));

    // A token by the page, used, and revoked.
    let json_page = [page, &[("content-type", "application/json")]].concat();
    let made = tour.ask(Method::POST, "/api/v1/tokens", &json_page, &json!({"name": "mine", "scopes": ["read"]}).to_string()).await.json();
    let (token, id) = (made["token"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned());
    tour.secret("a token by the page", &token);
    assert_eq!(tour.client(&token).get("/api/v1/assets").await.status, 200);
    assert_eq!(tour.ask(Method::DELETE, &format!("/api/v1/tokens/{id}"), page, "").await.status, 204);
    assert_eq!(tour.client(&token).get("/api/v1/assets").await.status, 401);
}

/// What goes wrong, everywhere, with a canary in every place. Which statuses were answered.
async fn fails(tour: &mut Tour, ada: &Client, page: &[(&str, &str)]) -> Vec<u16> {
    let mut answered = vec![302];
    let api: Value = serde_json::from_str(include_str!("../../static-site/openapi.json")).unwrap();
    for (path, item) in api["paths"].as_object().unwrap() {
        let (id, query, field) = (tour.canary("path"), tour.canary("query"), tour.canary("field"));
        let (value, key, cookie) = (tour.canary("value"), tour.canary("header"), tour.canary("cookie"));
        let canary_of = [id.clone(), query.clone(), field.clone(), value.clone(), key.clone(), cookie.clone()];
        for (at, canary) in canary_of.into_iter().enumerate() {
            tour.canaries.insert(format!("{path} {at}"), canary);
        }
        let mut target = path.clone();
        while let Some((before, after)) = target.split_once('{') {
            target = format!("{before}{id}{}", after.split_once('}').unwrap().1);
        }
        let target = format!("{target}?{query}={query}");
        let body = json!({field.clone(): value, "inputs": {"prompt": [value]}}).to_string();
        let json = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        let plain = [("content-type", "text/plain"), ("idempotency-key", key.as_str())];
        for method in ["get", "post", "patch", "delete", "put"] {
            let method: Method = method.to_uppercase().parse().unwrap();
            // It would end the session that the others need.
            let ends = path == "/auth/logout" || method == Method::DELETE && item["delete"].is_object() && !path.contains('{');
            answered.push(ada.send(method.clone(), &target, &json, body.clone().into_bytes()).await.status.as_u16());
            answered.push(ada.send(method.clone(), &target, &plain, body.clone().into_bytes()).await.status.as_u16());
            answered.push(ada.send(method.clone(), &target, &json, format!("{{\"{field}\": {value}").into_bytes()).await.status.as_u16());
            if !ends {
                let headers = [page, &json].concat();
                answered.push(tour.ask(method.clone(), &target, &headers, &body).await.status.as_u16());
            }
            let fake = format!("__Host-sid={cookie}; __Host-pre={cookie}");
            let headers = [("cookie", fake.as_str()), ("authorization", &format!("Bearer {cookie}")), ("x-app", &key), ("origin", &value)];
            answered.push(tour.ask(method.clone(), &target, &headers, &body).await.status.as_u16());
            answered.push(tour.ask(method, &target, &headers[..1], &body).await.status.as_u16());
        }
    }
    let etag = ada.get("/api/v1/models").await.header(header::ETAG).to_owned();
    answered.push(ada.send(Method::GET, "/api/v1/models", &[("if-none-match", &etag)], Vec::new()).await.status.as_u16());
    answered.extend(by_hand(tour, ada).await);
    answered
}

/// Those that need something to be there first.
async fn by_hand(tour: &mut Tour, ada: &Client) -> Vec<u16> {
    let mut answered = Vec::new();
    // 409, 413, 422 and 429.
    let prompt = format!("a fox {}", tour.canary("prompt that is over"));
    let request = json!({"model": "flux-schnell", "inputs": {"prompt": prompt}});
    let key = tour.canary("idempotency key");
    answered.push(ada.generate_as(&key, &request).await.status.as_u16());
    let id = ada.generate_as(&key, &request).await.json()["id"].as_str().unwrap().to_owned();
    ada.follow(&id).await;
    answered.push(ada.post(&format!("/api/v1/generations/{id}/cancel"), &json!({})).await.status.as_u16());
    answered.push(
        ada.generate_as(&key, &json!({"model": "flux-schnell", "inputs": {"prompt": tour.canary("another prompt")}})).await.status.as_u16(),
    );
    let large = format!("{} {}", tour.canary("large prompt"), "x".repeat(70_000));
    answered.push(ada.generate(&json!({"model": "flux-schnell", "inputs": {"prompt": large}})).await.status.as_u16());
    for _ in 0..12 {
        answered.push(ada.generate(&json!({"model": "flux-schnell", "outputs": 4, "inputs": {"prompt": prompt}})).await.status.as_u16());
    }
    let made =
        ada.post("/api/v1/uploads", &json!({"purpose": "image", "content_type": "image/png", "bytes": 3, "sha256": "00".repeat(32)})).await;
    answered.push(made.status.as_u16());
    answered.push(ada.post(&format!("/api/v1/uploads/{}/complete", made.json()["id"].as_str().unwrap()), &json!({})).await.status.as_u16());
    // 500: a record that can't be read, with words of its owner in it.
    let (platform, env) = tour.platform();
    let table = Table::with(&env);
    let asset = ada.all("/api/v1/assets").await[0]["id"].as_str().unwrap().to_owned();
    let user = platform.db.users_by_email("ada@example.com").await.unwrap()[0].id;
    let mut item = table.item(format!("USER#{user}"), format!("ASSET#{asset}")).await;
    item.insert("width".to_owned(), AttributeValue::S(tour.canary("a broken record")));
    item.insert("prompt".to_owned(), AttributeValue::S(tour.canary("a prompt in a broken record")));
    table.put(item).await;
    answered.push(ada.get(&format!("/api/v1/assets/{asset}")).await.status.as_u16());
    // The last: an account that the provider locks stops everybody's generating.
    for number in 0..3 {
        let prompt = format!("[[submit:locked]] {}", tour.canary(&format!("prompt of a locked account {number}")));
        answered.push(ada.generate(&json!({"model": "flux-schnell", "inputs": {"prompt": prompt}})).await.status.as_u16());
    }
    answered
}

/// In a process of its own, because how panics are told is the whole process's business.
#[test]
fn a_panic_is_told_by_its_place_alone() {
    const CHILD: &str = "CANARY_OF_THE_PANIC";
    if let Some(canary) = Env::process().get(CHILD) {
        return panic_with(canary);
    }
    let canary = format!("canary{}", random_base62(16));
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "canaries::a_panic_is_told_by_its_place_alone", "--nocapture", "--test-threads=1"])
        .env(CHILD, &canary)
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("a panic") && told.contains("canaries.rs"), "{told}");
    assert!(told.contains("\"status\":500"), "{told}");
    assert!(!told.contains(&canary), "{told}");
}

fn panic_with(canary: &str) {
    let names = ["TABLE_NAME", "MEDIA_BUCKET", "UPLOADS_BUCKET", "RESULTS_QUEUE_URL", "VIDEOS_QUEUE_URL", "TASKS_QUEUE_URL"];
    let more = ["OIDC_CLIENT_ID", "MEDIA_KEY_PAIR_ID", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let mut env: Env = names.into_iter().chain(more).map(|name| (name.to_owned(), "x".to_owned())).collect();
    env.set("PUBLIC_ORIGIN", "https://images.example");
    env.set("SECRETS", "file:/nowhere");
    env.set("AWS_LAMBDA_LOG_LEVEL", "DEBUG");
    shared::telemetry::init(&env);
    let path = format!("/panic/{canary}");
    let canary = canary.to_owned();
    let handler = move |axum::extract::Path(id): axum::extract::Path<String>| async move {
        assert!(id.len() > 1_000, "{canary} {id}");
    };
    let routes = axum::Router::new().route("/panic/{id}", axum::routing::get(handler)).into();
    let router = shared::http::app(&Platform::connect(&env).unwrap(), routes);
    let request = http::Request::get(path);
    let request = request.body(axum::body::Body::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(tower::ServiceExt::oneshot(router, request)).unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
