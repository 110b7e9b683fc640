//! The stand-in over a real socket, under a clock that the tests move.

mod models;
mod protocol;
mod sentinels;
mod webhooks;

use super::store::{self, State};
use super::*;
use axum::http::HeaderMap;
use bytes::Bytes;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const KEY: &str = "key-id:key-secret";
const USER: &str = "the-user";
const START_MS: i64 = 1_800_000_000_000;
const SECOND: Duration = Duration::from_secs(1);
/// What no step of a test takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// One start of the stand-in. Dropping it is a crash: nothing gets to finish.
struct World {
    provider: Provider,
    base: String,
    dir: Arc<tempfile::TempDir>,
    now_ms: Arc<AtomicI64>,
    tasks: [JoinHandle<()>; 2],
}

/// An answer in full.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    async fn new(settings: Settings) -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), Arc::new(AtomicI64::new(START_MS)), settings).await
    }

    /// Without delays.
    async fn immediate() -> Self {
        Self::new(Settings::immediate()).await
    }

    async fn at(dir: Arc<tempfile::TempDir>, now_ms: Arc<AtomicI64>, settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let source = Arc::clone(&now_ms);
        let provider = Provider::open(ProviderConfig {
            dir: dir.path().to_owned(),
            base_url: base.clone(),
            key: KEY.to_owned(),
            user_id: USER.to_owned(),
            settings,
            clock: Clock::from_fn(move || jiff::Timestamp::from_millisecond(source.load(Ordering::SeqCst)).unwrap()),
        })
        .unwrap();
        let (router, runner) = (provider.router(), provider.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let running = tokio::spawn(async move { runner.run(std::future::pending()).await });
        Self { provider, base, dir, now_ms, tasks: [serving, running] }
    }

    /// The same data folder and time after a crash.
    async fn restart(self) -> Self {
        let (dir, now_ms) = (Arc::clone(&self.dir), Arc::clone(&self.now_ms));
        let settings = self.provider.settings();
        drop(self);
        Self::at(dir, now_ms, settings).await
    }

    fn advance(&self, by: Duration) {
        self.now_ms.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
        self.provider.wake();
    }

    async fn call(&self, method: &str, url: &str, body: Option<&Value>) -> Answer {
        self.call_with(method, url, body, &[]).await
    }

    async fn call_with(&self, method: &str, url: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let url = if url.starts_with('/') { format!("{}{url}", self.base) } else { url.to_owned() };
        let mut request = self.provider.0.fetch.request(method.parse().unwrap(), url).timeout(PATIENCE);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Key {KEY}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap() }
    }

    /// Submits and returns the answer's body.
    async fn submit(&self, endpoint: &str, input: &Value) -> Value {
        let answer = self.call("POST", &format!("/{endpoint}"), Some(input)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let body = answer.json();
        assert_eq!(answer.header("x-fal-request-id"), body["request_id"].as_str().unwrap());
        body
    }

    /// Submits a request for a small picture.
    async fn picture(&self, prompt: &str) -> Value {
        let size = json!({"width": 64, "height": 64});
        self.submit("fal-ai/flux/schnell", &json!({"prompt": prompt, "image_size": size})).await
    }

    async fn status(&self, submitted: &Value) -> Answer {
        self.call("GET", submitted["status_url"].as_str().unwrap(), None).await
    }

    /// Waits until the store has the request in `state`.
    async fn reached(&self, submitted: &Value, state: State) {
        let id = submitted["request_id"].as_str().unwrap().to_owned();
        self.until(move |inner| {
            let id = id.clone();
            let request = inner.store.call_now(|tx| store::find(tx, &id)).unwrap();
            request.is_some_and(|request| request.state == state)
        })
        .await;
    }

    /// Waits for `condition`, which is asked again whenever something has changed.
    async fn until(&self, condition: impl Fn(&Inner) -> bool) {
        let mut changes = self.provider.0.changes.subscribe();
        let wait = async {
            while !condition(&self.provider.0) {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it never came to that");
    }

    /// The result, once there is one.
    async fn result(&self, submitted: &Value) -> Answer {
        self.reached(submitted, State::Completed).await;
        self.call("GET", submitted["response_url"].as_str().unwrap(), None).await
    }

    /// The output of a request that must go well.
    async fn output(&self, endpoint: &str, input: &Value) -> Value {
        let submitted = self.submit(endpoint, input).await;
        let answer = self.result(&submitted).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.json()
    }

    /// The bytes at a file's address, which needs no key.
    async fn file(&self, file: &Value) -> Answer {
        self.call_with("GET", file["url"].as_str().unwrap(), None, &[("authorization", "none")]).await
    }
}

/// Delays of a second in the queue and two for running.
fn unhurried(concurrency: usize) -> Settings {
    Settings {
        queue_delay: SECOND,
        image_delay: 2 * SECOND,
        concurrency,
        webhook_backoff: SECOND,
        late_delay: 60 * SECOND,
        ..Settings::default()
    }
}
