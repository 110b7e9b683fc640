//! A table in memory, a scripted sign-in issuer, and browsers with cookies, around the real router of `auth`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use jiff::Timestamp;
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::Env;
use shared::runtime::Platform;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::issuer::{CLIENT, Issuer, SECRET, Twist};

/// Where the browsers think they are.
pub(super) const ORIGIN: &str = "https://images.example";
const TABLE: &str = "table";

pub(super) struct World {
    pub(super) platform: Platform,
    pub(super) clock: Clock,
    pub(super) issuer: Arc<Issuer>,
    pub(super) router: Router,
    pub(super) env: Env,
    table: dynoxide::Database,
    _folder: TempDir,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A world with further variables.
    pub(super) async fn start_with(more: &[(&str, &str)]) -> Self {
        let table = dynoxide::Database::memory().unwrap();
        let attributes = ["pk", "sk", "gsi1pk", "gsi1sk"].map(|name| json!({"AttributeName": name, "AttributeType": "S"}));
        let definition = json!({
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": attributes,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "gsi1",
                "KeySchema": [{"AttributeName": "gsi1pk", "KeyType": "HASH"}, {"AttributeName": "gsi1sk", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
        });
        table.create_table(serde_json::from_value(definition).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, table.clone()));

        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let issuer = Issuer::start(clock.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        let secrets = folder.path().join("secrets.json");
        let media_key = p256::SecretKey::from_slice(&shared::id::random::<32>()).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
        std::fs::write(&secrets, json!({"oidc_client_secret": SECRET, "media_signing_key": media_key.as_str()}).to_string()).unwrap();

        let mut env: Env =
            ["MEDIA_BUCKET", "UPLOADS_BUCKET", "RESULTS_QUEUE_URL", "VIDEOS_QUEUE_URL", "TASKS_QUEUE_URL", "MEDIA_KEY_PAIR_ID"]
                .into_iter()
                .chain(["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
                .map(|name| (name.to_owned(), "x".to_owned()))
                .collect();
        env.set("TABLE_NAME", TABLE);
        env.set("AWS_ENDPOINT_URL_DYNAMODB", endpoint);
        env.set("PUBLIC_ORIGIN", ORIGIN);
        env.set("SECRETS", format!("file:{}", secrets.display()));
        env.set("OIDC_ISSUER", &issuer.url);
        env.set("OIDC_CLIENT_ID", CLIENT);
        for (name, value) in more {
            env.set(*name, *value);
        }
        let platform = Platform::connect_at(&env, clock.clone()).unwrap();
        let router = auth::router(&platform);
        Self { platform, clock, issuer, router, env, table, _folder: folder }
    }

    pub(super) fn browser(&self) -> Browser {
        Browser { router: self.router.clone(), cookies: BTreeMap::new() }
    }

    /// A browser in which the person whom the issuer calls `subject` has signed in.
    pub(super) async fn signed_in(&self, subject: &str, email: &str) -> Browser {
        let mut browser = self.browser();
        let answer = self.sign_in(&mut browser, subject, email, Twist::None).await;
        assert_eq!(answer.location(), "/");
        browser
    }

    /// Signs in with `browser`; the issuer behaves as `twist` says.
    pub(super) async fn sign_in(&self, browser: &mut Browser, subject: &str, email: &str, twist: Twist) -> Answer {
        let callback = self.begin(browser, "/", subject, email, twist).await;
        browser.get(&callback).await
    }

    /// Begins to sign in and lets the issuer agree; the answer is the path and query of the callback.
    pub(super) async fn begin(&self, browser: &mut Browser, next: &str, subject: &str, email: &str, twist: Twist) -> String {
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let answer = browser.get(&format!("/auth/login?next={next}")).await;
        assert_eq!(answer.status, StatusCode::FOUND);
        self.issuer.authorize(answer.location(), subject, email, twist)
    }

    /// Every item of the table, as DynamoDB's JSON.
    pub(super) fn items(&self) -> Vec<Value> {
        let request = serde_json::from_value(json!({"TableName": TABLE})).unwrap();
        let answer = serde_json::to_value(self.table.scan(request).unwrap()).unwrap();
        assert!(answer.get("LastEvaluatedKey").is_none_or(Value::is_null), "one page is enough for these tests");
        answer["Items"].as_array().unwrap().clone()
    }

    /// How many items are of this entity.
    pub(super) fn count(&self, entity: &str) -> usize {
        self.items().iter().filter(|item| item["entity"]["S"] == entity).count()
    }
}

/// Keeps cookies as a browser does, and sends what our pages send.
#[derive(Clone)]
pub(super) struct Browser {
    router: Router,
    pub(super) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// A change, as our pages send it.
    pub(super) async fn change(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let headers = [("origin", ORIGIN), ("sec-fetch-site", "same-origin"), ("x-app", "1")];
        self.send(method, path, &headers, body).await
    }

    pub(super) async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        let body = match body {
            Some(body) => {
                let text = body.to_string();
                request = request.header(header::CONTENT_TYPE, "application/json").header(header::CONTENT_LENGTH, text.len());
                Body::from(text)
            }
            None => Body::empty(),
        };
        let (parts, body) = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap().into_parts();
        let answer = Answer { status: parts.status, headers: parts.headers, body: to_bytes(body, usize::MAX).await.unwrap().to_vec() };
        for line in answer.set_cookies() {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(super) fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// Status, and the code of a problem.
    pub(super) fn code(&self) -> (u16, String) {
        let code = serde_json::from_slice::<Value>(&self.body).ok().and_then(|body| body["code"].as_str().map(str::to_owned));
        (self.status.as_u16(), code.unwrap_or_default())
    }
}
