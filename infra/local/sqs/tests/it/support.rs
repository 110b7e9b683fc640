//! Queues in a temporary folder, clocks that tests turn, and a server with an SDK client.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use jiff::Timestamp;
use local_sqs::{Credentials, Queues, RedrivePolicy, Settings, serve};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const START_MS: i64 = 1_800_000_000_000;

/// A clock that stands still until it is turned.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicI64>);

impl Hand {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }
}

/// Queues whose clock is turned by hand.
pub(crate) async fn queues_by_hand() -> (Queues, Hand, TempDir) {
    let folder = TempDir::new().unwrap();
    let hand = Hand(Arc::new(AtomicI64::new(START_MS)));
    let time = Arc::clone(&hand.0);
    let clock = Arc::new(move || Timestamp::from_millisecond(time.load(Ordering::SeqCst)).unwrap());
    let queues = Queues::open_with_clock(folder.path().join("queues.sqlite"), clock).await.unwrap();
    (queues, hand, folder)
}

/// Queues whose clock is that of the runtime, for tests with paused time: it jumps to the next timer when nothing runs.
pub(crate) async fn queues_on_paused_time() -> (Queues, TempDir) {
    let folder = TempDir::new().unwrap();
    let start = Instant::now();
    let clock = Arc::new(move || Timestamp::from_millisecond(START_MS + i64::try_from(start.elapsed().as_millis()).unwrap()).unwrap());
    let queues = Queues::open_with_clock(folder.path().join("queues.sqlite"), clock).await.unwrap();
    (queues, folder)
}

/// Settings that send a message to `dead_letter_queue` after so many receives.
pub(crate) fn dying(dead_letter_queue: &str, max_receive_count: u32) -> Settings {
    let redrive = Some(RedrivePolicy { dead_letter_queue: dead_letter_queue.to_owned(), max_receive_count });
    Settings { redrive, ..Settings::default() }
}

/// A server on loopback with its client.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) queues: Queues,
    pub(crate) hand: Hand,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let (queues, hand, folder) = queues_by_hand().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let credentials = Credentials { access_key_id: KEY_ID.to_owned(), secret_access_key: SECRET.to_owned().into() };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            stopped.await.unwrap();
        };
        let task = tokio::spawn(serve(listener, queues.clone(), credentials, shutdown));
        Self { client: client(address, KEY_ID, SECRET), address, queues, hand, stop, task, _folder: folder }
    }

    /// The URL that the server gives the queue.
    pub(crate) fn url(&self, queue: &str) -> String {
        local_sqs::queue_url(self.address, queue)
    }

    /// Stops the server and waits until it has stopped.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        drop(self.client);
        self.task.await.unwrap().unwrap();
    }
}

/// An SDK client without retries, so that an error is seen as it is.
pub(crate) fn client(address: std::net::SocketAddr, key_id: &str, secret: &str) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(aws_credential_types::Credentials::new(key_id, secret, None, None, "test"))
        .endpoint_url(format!("http://{address}"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}
