//! The whole product in one process, on a folder and a port of its own, and people who use it by HTTP.
//!
//! Whatever is asked of it goes over the wire; the platform is here for what no user can do or see.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use local::{Edition, Options};
use local_standins::provider::Settings;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::auth::operator::{self, NewToken};
use shared::auth::{cookie, secret};
use shared::clock::Clock;
use shared::db::sessions::Session;
use shared::domain::user::{Scope, User};
use shared::id::{SessionId, random_base62};
use shared::runtime::Platform;
use tempfile::TempDir;

/// How often something is looked at that will change by itself.
const LOOK: Duration = Duration::from_millis(50);
/// For how long at most.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) edition: Edition,
    pub(crate) platform: Platform,
    pub(crate) clock: Clock,
    folder: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A world with further variables for every function.
    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::start_as(variables, Clock::system()).await
    }

    /// A world with further variables and another time. The provider's callbacks, which are signed at the true time, are off.
    pub(crate) async fn start_at(variables: &[(&str, &str)], clock: Clock) -> Self {
        Self::start_as(&[variables, &[("FAL_ACCOUNT_ID", "")]].concat(), clock).await
    }

    async fn start_as(variables: &[(&str, &str)], clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("data"));
        options.provider = Settings::immediate();
        options.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        options.clock = clock.clone();
        let edition = Edition::start(options, local::functions::connect).await.unwrap();
        let platform = Platform::connect_at(edition.environment("library").unwrap(), clock.clone()).unwrap();
        Self { edition, platform, clock, folder }
    }

    /// A person with a token for everything but administration.
    pub(crate) async fn user(&self, name: &str) -> Client {
        self.client(name, vec![Scope::Read, Scope::Generate, Scope::Share], None).await
    }

    /// A person with a token of these scopes, which ends after `life` seconds.
    pub(crate) async fn client(&self, name: &str, scopes: Vec<Scope>, life: Option<i64>) -> Client {
        let (db, clock) = (&self.platform.db, &self.clock);
        let email = format!("{name}@example.com");
        let user = operator::ensure_user(db, clock, "https://issuer.example", name, &email, name).await.unwrap();
        let expires_at = life.map(|life| clock.now() + jiff::SignedDuration::from_secs(life));
        let new = NewToken { name: "test".to_owned(), scopes, expires_at };
        let (_, secret) = operator::create_token(db, clock, user.id, new).await.unwrap();
        let token = Some(secret.expose_secret().to_owned());
        Client { http: self.platform.http.clone(), origin: self.edition.origin().to_owned(), token, user: Some(user) }
    }

    /// The cookie of a new session of `user`, as it is sent.
    pub(crate) async fn session(&self, user: &User) -> String {
        let (db, now) = (&self.platform.db, self.clock.now());
        let User { id, epoch, .. } = db.user(user.id).await.unwrap().unwrap();
        let session = Session { id: SessionId::new(now), user: id, epoch, created_at: now, last_seen_at: now, agent: "test".to_owned() };
        let cookie = secret::new_cookie();
        db.begin_session(&secret::hash(cookie.expose_secret()), &session).await.unwrap();
        format!("{}={}", cookie::SESSION, cookie.expose_secret())
    }

    /// The data folder.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// One of the secrets that the functions read.
    pub(crate) fn secret(&self, name: &str) -> String {
        let all: Value = serde_json::from_slice(&std::fs::read(self.data().join("secrets.json")).unwrap()).unwrap();
        all[name].as_str().unwrap().to_owned()
    }

    /// What the provider stand-in signs its callbacks with.
    pub(crate) fn provider_key(&self) -> ed25519_dalek::SigningKey {
        let seed = std::fs::read_to_string(self.data().join("provider/webhook-key")).unwrap();
        ed25519_dalek::SigningKey::from_bytes(&hex::decode(seed.trim()).unwrap().try_into().unwrap())
    }

    /// Somebody who isn't signed in, or says to have this token.
    pub(crate) fn stranger(&self, token: Option<&str>) -> Client {
        let token = token.map(str::to_owned);
        Client { http: self.platform.http.clone(), origin: self.edition.origin().to_owned(), token, user: None }
    }

    pub(crate) async fn shutdown(self) {
        self.edition.shutdown().await;
    }
}

/// A clock that stands at this moment until it is moved.
pub(crate) fn still() -> Clock {
    Clock::manual(Clock::system().now())
}

/// Looks until `found` finds something.
pub(crate) async fn eventually<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let looks = async {
        loop {
            if let Some(value) = found().await {
                return value;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, looks).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// A person with a token.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    origin: String,
    token: Option<String>,
    user: Option<User>,
}

impl Client {
    /// Somebody known to an edition that runs elsewhere.
    pub(crate) fn of(http: reqwest::Client, origin: &str, token: &str) -> Self {
        Self { http, origin: origin.to_owned(), token: Some(token.to_owned()), user: None }
    }

    /// Somebody without a token.
    pub(crate) fn nobody(http: reqwest::Client, origin: &str) -> Self {
        Self { http, origin: origin.to_owned(), token: None, user: None }
    }

    pub(crate) fn user(&self) -> &User {
        self.user.as_ref().unwrap()
    }

    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, &[], body).await
    }

    pub(crate) async fn json(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.send(method, path, &headers, body.to_string().into_bytes()).await
    }

    /// Asks for `path`, or for a complete address.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let url = if path.starts_with('/') { format!("{}{path}", self.origin) } else { path.to_owned() };
        let mut request = self.http.request(method, url).timeout(PATIENCE).body(body);
        // An address that is signed is for everybody who has it.
        if let Some(token) = self.token.as_ref().filter(|_| path.starts_with('/')) {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        Answer { status: answer.status(), headers: answer.headers().clone(), body: answer.bytes().await.unwrap().to_vec() }
    }

    /// Asks for a generation, under a key that was never used.
    pub(crate) async fn generate(&self, body: &Value) -> Answer {
        self.generate_as(&random_base62(20), body).await
    }

    pub(crate) async fn generate_as(&self, key: &str, body: &Value) -> Answer {
        self.json(Method::POST, "/api/v1/generations", &[("idempotency-key", key)], body).await
    }

    /// As [`Client::generate_as`], of an edition that may die while it answers, or not answer in time.
    pub(crate) async fn ask_as(&self, key: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        let request = self.http.post(format!("{}/api/v1/generations", self.origin)).header("idempotency-key", key).json(body);
        let answer = request.bearer_auth(self.token.as_deref().unwrap_or_default()).timeout(PATIENCE).send().await?;
        Ok(Answer { status: answer.status(), headers: answer.headers().clone(), body: answer.bytes().await?.to_vec() })
    }

    /// Asks for a generation that is accepted; its id.
    pub(crate) async fn accepted(&self, body: &Value) -> String {
        let answer = self.generate(body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// The generation `id`, once it is over.
    pub(crate) async fn follow(&self, id: &str) -> Value {
        self.until(id, |generation| !["queued", "running", "storing"].contains(&generation["state"].as_str().unwrap())).await
    }

    /// The generation `id`, once it is as `wanted`.
    pub(crate) async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/generations/{id}");
        let look = async || {
            let answer = self.get(&path).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            Some(answer.json()).filter(|generation| wanted(generation))
        };
        eventually(&path, look).await
    }

    /// Generates and waits for the end.
    pub(crate) async fn made(&self, body: &Value) -> Value {
        let id = self.accepted(body).await;
        self.follow(&id).await
    }

    /// Every item of a list, page by page.
    pub(crate) async fn all(&self, list: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        for _ in 0..100 {
            let separator = if list.contains('?') { '&' } else { '?' };
            let limit = if list.contains("limit=") { "" } else { "limit=100" };
            let page = format!("{list}{separator}{limit}{cursor}");
            let mut answer = self.get(&page).await;
            // In a storm it may be too much just now.
            for _ in 0..20 {
                if !matches!(answer.status.as_u16(), 503 | 504) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
                answer = self.get(&page).await;
            }
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            let mut page = answer.json();
            items.append(page["items"].as_array_mut().unwrap());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
        panic!("{list} has no end")
    }

    /// Units of the ledger's lines of this kind.
    pub(crate) async fn ledger(&self, kind: &str) -> u64 {
        self.all("/api/v1/ledger").await.iter().filter(|line| line["kind"] == kind).map(|line| line["units"].as_u64().unwrap()).sum()
    }

    /// Units charged, and units set aside, in all months.
    pub(crate) async fn usage(&self) -> (u64, u64) {
        let months = self.all("/api/v1/usage").await;
        let sum = |name: &str| months.iter().map(|month| month[name].as_u64().unwrap()).sum();
        (sum("units"), sum("reserved"))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Status, and the code of a problem.
    pub(crate) fn code(&self) -> (u16, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        (self.status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// The cheapest request there is.
pub(crate) fn picture(prompt: &str) -> Value {
    json!({"model": "flux-schnell", "inputs": {"prompt": prompt}, "parameters": {"aspect": "1:1"}})
}

/// `outputs` of them.
pub(crate) fn pictures(prompt: &str, outputs: u32) -> Value {
    let mut request = picture(prompt);
    request["outputs"] = outputs.into();
    request
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
