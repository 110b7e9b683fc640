//! fal.ai on this machine: its queue, its webhooks, its file host, and models that draw.
//!
//! Invariant: whatever has been acknowledged is in the data folder first, so a crash loses no request: after a restart
//! what was queued starts, what was running runs again from its stored seed, and what was not delivered is delivered.
//! Deliberately absent: `fal.run`, storage uploads and the platform API, which the product doesn't call, and the block
//! on private addresses, because on this machine every address is one.
//!
//! The table of sentinel prompts, which force failures, is in `sentinel.rs`.

mod address;
mod fault;
mod files;
mod inputs;
mod job;
mod routes;
mod runner;
mod schema;
mod sentinel;
mod sizes;
mod status;
mod store;
mod webhook;
mod work;

#[cfg(test)]
mod tests;

use crate::{Clock, secret_file};
use axum::Router;
use ed25519_dalek::SigningKey;
use fault::Fault;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use store::Store;
use tokio::sync::{Notify, Semaphore, watch};

/// How many pictures are drawn or encoded at a time: each may hold a hundred megabytes.
const DRAWING_AT_ONCE: usize = 2;
/// How long a source picture may take to come, in all.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How many redirects a source picture may take.
const FETCH_REDIRECTS: usize = 3;

/// What the stand-in is told when it is opened.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// The data folder. It is made if it doesn't exist.
    pub dir: PathBuf,
    /// Where its router answers, without a slash at its end, such as `http://127.0.0.1:4100`. It may differ from one
    /// start to the next: stored results follow it.
    pub base_url: String,
    /// The one key that callers show.
    pub key: String,
    /// The account's id in webhooks.
    pub user_id: String,
    /// Times and limits, which [`Provider::update_settings`] changes later.
    pub settings: Settings,
    /// Where the time comes from.
    pub clock: Clock,
}

/// Times and limits. All times count from the request's own previous step.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Shortest wait in the queue.
    pub queue_delay: Duration,
    /// Shortest run that makes pictures.
    pub image_delay: Duration,
    /// Shortest run that makes a film.
    pub video_delay: Duration,
    /// What `[[run:late]]` and `[[webhook:late]]` wait.
    pub late_delay: Duration,
    /// How many requests run at a time (a new account at the provider has 2).
    pub concurrency: usize,
    /// The wait before a webhook's second attempt; it doubles up to two minutes.
    pub webhook_backoff: Duration,
    /// How long a webhook's receiver may take for its first answer; later attempts may take 120 s.
    pub webhook_timeout: Duration,
    /// The queue answers 503 to everything; what it has goes on.
    pub broken: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_delay: Duration::from_millis(300),
            image_delay: Duration::from_millis(900),
            video_delay: Duration::from_secs(3),
            late_delay: Duration::from_secs(60),
            concurrency: 2,
            webhook_backoff: Duration::from_secs(2),
            webhook_timeout: Duration::from_secs(15),
            broken: false,
        }
    }
}

impl Settings {
    /// No waiting at all.
    #[must_use]
    pub fn immediate() -> Self {
        let none = Duration::ZERO;
        Self { queue_delay: none, image_delay: none, video_delay: none, ..Self::default() }
    }
}

/// Why the stand-in can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder can't be used.
    #[error("the data folder can't be used")]
    Folder(#[source] io::Error),
    /// The queue's database can't be used.
    #[error("the queue can't be opened")]
    Queue(#[source] rusqlite::Error),
    /// The webhook key's file doesn't hold 32 bytes in hexadecimal.
    #[error("the webhook key is malformed")]
    Key,
    /// There is no HTTP client to fetch pictures and call webhooks with.
    #[error("the HTTP client can't be made")]
    Client(#[source] reqwest::Error),
    /// The TLS library refuses its own defaults.
    #[error("TLS can't be set up")]
    Tls(#[source] rustls::Error),
}

/// The stand-in. Clones are the same one.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

/// What the model at `endpoint` would answer to `body` at once: nothing if it takes it, and otherwise the error, with every problem in it.
/// For tests that hold requests against the published schemas.
#[must_use]
pub fn refusal(endpoint: &str, body: &Value) -> Option<Value> {
    match schema::endpoint(endpoint) {
        Some(known) => known.check(body).err().map(|details| Fault::Model { status: 422, details }.body()),
        None => Some(json!({ "detail": format!("Application '{endpoint}' not found") })),
    }
}

struct Inner {
    dir: PathBuf,
    base_url: String,
    key: String,
    user_id: String,
    settings: RwLock<Settings>,
    clock: Clock,
    store: Store,
    /// Fetches pictures; follows a few redirects.
    fetch: reqwest::Client,
    /// Calls webhooks; follows none.
    deliver: reqwest::Client,
    signing_key: SigningKey,
    drawing: Arc<Semaphore>,
    /// Something changed that the runner should look at.
    wake: Notify,
    /// Counts changes, for those who wait for one.
    changes: watch::Sender<u64>,
}

impl Provider {
    /// Opens the data folder. Nothing runs before [`Provider::run`].
    ///
    /// # Errors
    /// When the folder, the database or the webhook key in it can't be used.
    pub fn open(config: ProviderConfig) -> Result<Self, OpenError> {
        let files = config.dir.join("files");
        std::fs::create_dir_all(&files).map_err(OpenError::Folder)?;
        let store = Store::open(&config.dir.join("queue.sqlite")).map_err(OpenError::Queue)?;
        files::remove_strangers(&files, &store).map_err(OpenError::Folder)?;
        let signing_key = webhook_key(&config.dir.join("webhook-key"))?;
        let inner = Inner {
            dir: config.dir,
            base_url: config.base_url,
            key: config.key,
            user_id: config.user_id,
            settings: RwLock::new(config.settings),
            clock: config.clock,
            store,
            fetch: client(Policy::limited(FETCH_REDIRECTS))?,
            deliver: client(Policy::none())?,
            signing_key,
            drawing: Arc::new(Semaphore::new(DRAWING_AT_ONCE)),
            wake: Notify::new(),
            changes: watch::Sender::new(0),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// The routes, for a listener of their own at the base URL: an endpoint's id is the whole path.
    pub fn router(&self) -> Router {
        routes::router(Arc::clone(&self.0))
    }

    /// Works through the queue until `shutdown`. What runs then runs again at the next start.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        runner::run(&self.0, shutdown).await;
    }

    /// The times and limits in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.0.settings()
    }

    /// Changes the times and limits. Requests keep the times that they have begun with.
    pub fn update_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.settings.write().unwrap_or_else(PoisonError::into_inner));
        self.0.wake();
    }

    /// Makes the runner read the clock again, for a clock that jumps.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl Inner {
    fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says that something changed, to the runner and to whoever waits.
    fn wake(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        self.wake.notify_one();
    }

    fn files_dir(&self) -> PathBuf {
        self.dir.join("files")
    }
}

/// A client that trusts the public authorities and, unlike reqwest's default, needs no process-wide provider.
fn client(redirects: Policy) -> Result<reqwest::Client, OpenError> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(OpenError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirects)
        .no_proxy()
        .timeout(FETCH_TIMEOUT)
        .build()
        .map_err(OpenError::Client)
}

/// The key that signs webhooks: 32 bytes in hexadecimal, made at the first start.
fn webhook_key(path: &Path) -> Result<SigningKey, OpenError> {
    if !path.exists() {
        let mut seed = [0_u8; 32];
        getrandom::fill(&mut seed).map_err(|error| OpenError::Folder(error.into()))?;
        secret_file::create(path, hex::encode(seed).as_bytes()).map_err(OpenError::Folder)?;
    }
    let text = std::fs::read_to_string(path).map_err(OpenError::Folder)?;
    let mut seed = [0_u8; 32];
    hex::decode_to_slice(text.trim(), &mut seed).map_err(|_| OpenError::Key)?;
    Ok(SigningKey::from_bytes(&seed))
}
