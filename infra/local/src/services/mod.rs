//! The embedded services on loopback, and the variables that lead a function to them.
//!
//! Each start makes new credentials, which only the owner of the data folder can read: the services listen where every user of
//! the machine can knock. Their ports are random, because nothing but this process needs to know them.

mod housekeeping;
mod table;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use dynoxide::Database;
use local_s3::{ExpiryRule, S3Service, Store, StoreError};
use local_sqs::{Credentials, QueueError, Queues, RedrivePolicy, Settings, queue_url};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::data_folder::{DataFolder, LOCK_PATIENCE, LOCK_PAUSE, random_hex};
use crate::edge::{MEDIA_BUCKET, UPLOADS_BUCKET, UPLOADS_HOST};
use crate::stop::{Stop, until};
use crate::template::{Bucket, LocalValues, Queue, Template};
pub use table::TableError;

/// The region that everything is in. The queues' ARNs name it too.
pub const REGION: &str = "us-east-1";
/// Name of the table.
const TABLE: &str = "ai-image-generator";
/// What the CDN calls the one key of this installation.
pub const KEY_PAIR_ID: &str = "local";

/// Why a service can't be started.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The table's database.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The folder of the buckets.
    #[error("the buckets can't be opened")]
    Store(#[from] StoreError),
    /// The queues' database.
    #[error("the queues can't be opened")]
    Queue(#[from] QueueError),
    /// No port on loopback.
    #[error("no port on 127.0.0.1 can be had")]
    Listen(#[source] io::Error),
    /// The system's random numbers.
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// A bucket of the template without a place here.
    #[error("template.yaml has a bucket {0}, which is not known here")]
    UnknownBucket(String),
    /// Opening a database was interrupted.
    #[error("the start was interrupted")]
    Interrupted,
}

/// The services while they run.
#[derive(Clone)]
pub struct Services {
    /// For the edge.
    pub(crate) s3: S3Service,
    /// For the pollers.
    pub(crate) queues: Queues,
    /// What `Ref` and `GetAtt` of the template's resources stand for.
    pub(crate) values: LocalValues,
    /// The standard variables of the AWS SDK: region, credentials, endpoints.
    pub(crate) sdk: BTreeMap<String, String>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("values", &self.values.resources).finish_non_exhaustive()
    }
}

impl Services {
    /// Opens everything in `folder` and serves it until `stop` holds true. What serves is added to `tasks`.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn start(folder: &DataFolder, template: &Template, tasks: &mut JoinSet<()>, stop: &Stop) -> Result<Self, ServiceError> {
        // 20 characters, as AWS's own have.
        let access_key_id = format!("LOCAL{}", &random_hex()?[..15].to_uppercase());
        let secret_access_key = random_hex()?;
        let secret = SecretString::from(secret_access_key.clone());
        let (database, store) = open_stores(folder, template).await?;
        let queues = Queues::open(folder.queues()).await?;
        for queue in in_order(&template.queues) {
            queues.ensure(&queue.name, settings(queue, &template.queues)).await?;
        }
        let released = queues.release_in_flight().await?;
        if released > 0 {
            tracing::info!(messages = released, "messages that were being worked on come again");
        }

        let (table_listener, table_address) = listen().await?;
        let (s3_listener, s3_address) = listen().await?;
        let (sqs_listener, sqs_address) = listen().await?;
        let credentials = Credentials { access_key_id: access_key_id.clone(), secret_access_key: secret.clone() };
        let s3 =
            local_s3::service(store.clone(), &local_s3::Credentials { access_key_id: access_key_id.clone(), secret_access_key: secret });
        let mut resources =
            BTreeMap::from([(template.table_id.clone(), TABLE.to_owned()), ("MediaSigningKey".to_owned(), KEY_PAIR_ID.to_owned())]);
        for bucket in &template.buckets {
            if let Some(name) = bucket_name(bucket)? {
                resources.insert(bucket.logical_id.clone(), name.to_owned());
                resources.insert(format!("{}.RegionalDomainName", bucket.logical_id), UPLOADS_HOST.to_owned());
            }
        }
        for queue in &template.queues {
            resources.insert(queue.logical_id.clone(), queue_url(sqs_address, &queue.name));
        }
        let sdk = [
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", access_key_id),
            ("AWS_SECRET_ACCESS_KEY", secret_access_key),
            ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{table_address}")),
            ("AWS_ENDPOINT_URL_S3", format!("http://{s3_address}")),
            ("AWS_ENDPOINT_URL_SQS", format!("http://{sqs_address}")),
        ];
        let sdk = sdk.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // From here on nothing fails: whoever can't start leaves no task behind that holds a file.
        spawn(tasks, "table", table::serve(table_listener, database.clone(), credentials.clone(), until(stop)));
        tasks.spawn(local_s3::serve(s3_listener, s3.clone(), until(stop)));
        spawn(tasks, "queues", local_sqs::serve(sqs_listener, queues.clone(), credentials, until(stop)));
        tasks.spawn(housekeeping::run(database, store, stop.clone()));
        Ok(Self { s3, queues, values: LocalValues { parameters: BTreeMap::new(), resources }, sdk })
    }
}

/// Both are opened at the same time, off the async threads: recovering from a crash reads files.
async fn open_stores(folder: &DataFolder, template: &Template) -> Result<(Database, Store), ServiceError> {
    let (path, table) = (folder.table(), template.table.clone());
    let database = tokio::task::spawn_blocking(move || table::open(&path, TABLE, &table));
    let (path, buckets) = (folder.objects(), template.buckets.clone());
    let store = tokio::task::spawn_blocking(move || open_buckets(&path, &buckets));
    let database = database.await.map_err(|_| ServiceError::Interrupted)??;
    let store = store.await.map_err(|_| ServiceError::Interrupted)??;
    Ok((database, store))
}

fn open_buckets(path: &Path, buckets: &[Bucket]) -> Result<Store, ServiceError> {
    let begun = Instant::now();
    let store = loop {
        match Store::open(path) {
            // For the same reason for which the data folder's own lock is waited for.
            Err(StoreError::Locked(_)) if begun.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_PAUSE),
            opened => break opened?,
        }
    };
    for bucket in buckets {
        let Some(name) = bucket_name(bucket)? else { continue };
        let rules = bucket.expiry.iter().map(|expiry| ExpiryRule { prefix: expiry.prefix.clone(), days: expiry.days });
        let rules: Vec<ExpiryRule> = rules.collect();
        store.create_bucket(name, &rules)?;
    }
    Ok(store)
}

/// The local name of a bucket. The site has none: it is served from its folder.
fn bucket_name(bucket: &Bucket) -> Result<Option<&'static str>, ServiceError> {
    match bucket.logical_id.as_str() {
        "MediaBucket" => Ok(Some(MEDIA_BUCKET)),
        "UploadsBucket" => Ok(Some(UPLOADS_BUCKET)),
        "SiteBucket" => Ok(None),
        other => Err(ServiceError::UnknownBucket(other.to_owned())),
    }
}

/// Dead-letter queues first: they must exist before a queue can name them.
fn in_order(queues: &[Queue]) -> impl Iterator<Item = &Queue> {
    let of_kind = |sources: bool| queues.iter().filter(move |queue| queue.dead_letter.is_some() == sources);
    of_kind(false).chain(of_kind(true))
}

fn settings(queue: &Queue, all: &[Queue]) -> Settings {
    let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    let redrive = queue.dead_letter.as_ref().and_then(|(id, times)| {
        let target = all.iter().find(|other| other.logical_id == *id)?;
        Some(RedrivePolicy { dead_letter_queue: target.name.clone(), max_receive_count: *times })
    });
    Settings { visibility_timeout: seconds(queue.visibility_timeout), retention: seconds(queue.retention), redrive, ..Settings::default() }
}

async fn listen() -> Result<(TcpListener, SocketAddr), ServiceError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(ServiceError::Listen)?;
    let address = listener.local_addr().map_err(ServiceError::Listen)?;
    Ok((listener, address))
}

fn spawn(tasks: &mut JoinSet<()>, name: &'static str, serve: impl Future<Output = io::Result<()>> + Send + 'static) {
    tasks.spawn(async move {
        if let Err(error) = serve.await {
            tracing::error!(service = name, %error, "a service has ended");
        }
    });
}
