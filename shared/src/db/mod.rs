//! Records in DynamoDB: one table, every key spelled in [`keys`], every write with its condition.
//!
//! What the verbs of the modules below promise is in their doc comments: the condition, and what losing it means.
//! Absent by design: `Scan`, and any write that states no condition.

pub mod assets;
pub mod audit;
pub mod budgets;
pub mod callbacks;
pub mod deletion;
pub mod exports;
mod expr;
pub mod jobs;
pub mod keys;
pub mod ledger;
pub mod links;
pub mod logins;
pub mod quota;
pub mod sessions;
pub mod settings;
pub mod settle;
pub mod spend;
pub mod tokens;
pub mod uploads;
pub mod users;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::time::Duration;

pub(crate) use expr::{Cond, Item, Write};
use keys::Key;

use crate::config::Env;

/// How often a transaction that met another one is tried again before the caller hears "unavailable", and for how long.
const CONFLICT_ATTEMPTS: u32 = 6;
const CONFLICT_PATIENCE: Duration = Duration::from_secs(2);
/// How often a request that was lost, or turned away for its rate, is sent.
const ATTEMPTS: u32 = 3;

/// A read or write failed. None of these is the caller's doing: lost conditions have types of their own.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Throttled, unreachable or busy: trying again later may help.
    #[error("the table can't be used right now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored item doesn't have the shape the code expects.
    #[error("item {key} is not readable")]
    Corrupt {
        /// Partition and sort key.
        key: String,
        /// What didn't fit.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request itself was refused: a fault of ours.
    #[error("the table refused a request")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How a conditional write ended when it didn't fail.
#[derive(Debug)]
pub enum Lost {
    /// Which write of the transaction (0 for a single write) found its condition false.
    Condition {
        /// Position in the list of writes.
        index: usize,
        /// The item as it was, if there was one.
        item: Option<Item>,
    },
    /// The table failed.
    Failed(DbError),
}

impl From<DbError> for Lost {
    fn from(error: DbError) -> Self {
        Self::Failed(error)
    }
}

/// A page of a query, and where the next one starts.
#[derive(Debug)]
pub struct Page<T> {
    /// At most as many as asked for.
    pub items: Vec<T>,
    /// The sort key to continue after; `None` at the end.
    pub next: Option<String>,
}

/// A query below one partition key.
#[derive(Clone, Debug)]
pub(crate) struct Range<'a> {
    /// Partition.
    pub pk: String,
    /// Only sort keys that begin so.
    pub prefix: &'a str,
    /// Continue after this sort key (exclusive).
    pub after: Option<&'a str>,
    /// Largest first.
    pub descending: bool,
    /// How many items to read at most.
    pub limit: i32,
}

/// The table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    client: Client,
    table: String,
}

impl Db {
    /// The table `table` through `sdk`. An answer is waited for as long as `patience`, [`ATTEMPTS`] times: a table that hangs is
    /// given up well within the time of a request.
    pub fn new(sdk: &SdkConfig, env: &Env, table: &str, patience: Duration) -> Self {
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        let retries = retries.with_initial_backoff(Duration::from_millis(50)).with_max_backoff(Duration::from_millis(200));
        let patience = TimeoutConfig::builder()
            .connect_timeout(patience)
            .operation_attempt_timeout(patience)
            .operation_timeout(patience * ATTEMPTS + Duration::from_millis(500))
            .build();
        // Whoever carries the requests may have said already how often each is repeated.
        let retries = sdk.retry_config().cloned().unwrap_or(retries);
        let mut config = aws_sdk_dynamodb::config::Builder::from(sdk).retry_config(retries).timeout_config(patience);
        if let Some(endpoint) = env.get("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| env.get("AWS_ENDPOINT_URL")) {
            config = config.endpoint_url(endpoint);
        }
        Self { client: Client::from_conf(config.build()), table: table.to_owned() }
    }

    /// Reads one item, strongly consistent.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, DbError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(classify)?;
        answer.item.map(decode).transpose()
    }

    /// Reads up to 100 items by key, strongly consistent; the order of the answer is the order of `keys`, absent ones left out.
    pub(crate) async fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<T>, DbError> {
        use aws_sdk_dynamodb::types::KeysAndAttributes;
        debug_assert!(keys.len() <= 100, "DynamoDB answers at most 100 items");
        let mut found: HashMap<String, Item> = HashMap::with_capacity(keys.len());
        let mut wanted: Vec<Item> = keys.iter().map(Key::item).collect();
        let mut pause = Duration::from_millis(20);
        for _ in 0..5 {
            if wanted.is_empty() {
                break;
            }
            let request = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut wanted)))
                .consistent_read(true)
                .build()
                .map_err(|e| DbError::Refused(e.into()))?;
            let answer = self.client.batch_get_item().request_items(&self.table, request).send().await.map_err(classify)?;
            for item in answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default() {
                found.insert(keys::text_of(&item), item);
            }
            wanted = answer.unprocessed_keys.unwrap_or_default().remove(&self.table).map(|k| k.keys).unwrap_or_default();
            if !wanted.is_empty() {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        if !wanted.is_empty() {
            return Err(DbError::Unavailable("unprocessed keys remain".into()));
        }
        keys.iter().filter_map(|key| found.remove(&key.to_string())).map(decode).collect()
    }

    /// Reads one page of a partition, strongly consistent.
    pub(crate) async fn query<T: DeserializeOwned>(&self, range: Range<'_>) -> Result<Page<T>, DbError> {
        let page = self.query_items(range).await?;
        Ok(Page { items: page.items.into_iter().map(decode).collect::<Result<_, _>>()?, next: page.next })
    }

    /// As [`Db::query`], undecoded.
    pub(crate) async fn query_items(&self, range: Range<'_>) -> Result<Page<Item>, DbError> {
        let mut request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(!range.descending)
            .limit(range.limit)
            .expression_attribute_values(":pk", AttributeValue::S(range.pk.clone()));
        // DynamoDB takes no empty text for a key, not even as the beginning of one.
        request = if range.prefix.is_empty() {
            request.key_condition_expression("pk = :pk")
        } else {
            let prefix = AttributeValue::S(range.prefix.to_owned());
            request.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)").expression_attribute_values(":prefix", prefix)
        };
        if let Some(after) = range.after {
            request = request.set_exclusive_start_key(Some(Key::new(range.pk.clone(), after).item()));
        }
        let answer = request.send().await.map_err(classify)?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| key.get("sk")).and_then(|sk| sk.as_s().ok()).cloned();
        Ok(Page { items: answer.items.unwrap_or_default(), next })
    }

    /// The keys listed in the sparse index below `partition` with a sort key of at most `until`, smallest first, and after
    /// `after` if given. The index lags behind the table: re-read what it names.
    pub(crate) async fn indexed(&self, partition: &str, after: Option<&str>, until: &str, limit: i32) -> Result<Page<Key>, DbError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = self.client.query().table_name(&self.table).index_name("gsi1").limit(limit);
        let request = request.expression_attribute_values(":pk", text(partition)).expression_attribute_values(":until", text(until));
        let request = match after {
            // Sort keys end in an id, so nothing lies between one and the same with a sign behind it.
            Some(after) => request
                .key_condition_expression("gsi1pk = :pk AND gsi1sk BETWEEN :after AND :until")
                .expression_attribute_values(":after", AttributeValue::S(format!("{after}!"))),
            None => request.key_condition_expression("gsi1pk = :pk AND gsi1sk <= :until"),
        };
        let answer = request.send().await.map_err(classify)?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| key.get("gsi1sk")).and_then(|sk| sk.as_s().ok()).cloned();
        Ok(Page { items: answer.items.unwrap_or_default().iter().filter_map(Key::of_item).collect(), next })
    }

    /// One conditional write.
    pub(crate) async fn write(&self, write: Write) -> Result<(), Lost> {
        self.transact(vec![write]).await
    }

    /// All of `writes`, or none. One token covers every repetition of the same request, the SDK's included, so that a lost reply
    /// can't count twice. Meetings with other transactions are retried with jitter, a bounded number of times.
    ///
    /// After [`DbError::Unavailable`] it may have happened all the same. Whoever tries again does so from what is there then: the
    /// conditions tell a repetition from a first time.
    pub(crate) async fn transact(&self, writes: Vec<Write>) -> Result<(), Lost> {
        let token = hex::encode(crate::id::random::<16>());
        let items: Vec<TransactWriteItem> = writes
            .into_iter()
            .map(|write| write.build(&self.table))
            .collect::<Result<_, _>>()
            .map_err(|e| DbError::Refused(Box::new(e)))?;
        let began = tokio::time::Instant::now();
        let mut pause = 10_u64;
        for attempt in 1.. {
            let sent = self.client.transact_write_items().client_request_token(&token).set_transact_items(Some(items.clone())).send().await;
            let Err(error) = sent else { return Ok(()) };
            match verdict(&error) {
                Verdict::Lost { index, item } => return Err(Lost::Condition { index, item }),
                Verdict::Busy if attempt < CONFLICT_ATTEMPTS && began.elapsed() < CONFLICT_PATIENCE => {
                    let jitter = u64::from(crate::id::random::<1>()[0]) * pause / 255;
                    tokio::time::sleep(Duration::from_millis(jitter)).await;
                    pause *= 2;
                }
                Verdict::Refused => return Err(Lost::Failed(DbError::Refused(Box::new(error)))),
                Verdict::Busy | Verdict::Failed => return Err(Lost::Failed(classify(error))),
            }
        }
        Err(Lost::Failed(DbError::Unavailable("transaction conflict".into())))
    }
}

enum Verdict {
    Lost { index: usize, item: Option<Item> },
    Busy,
    Refused,
    Failed,
}

fn verdict(error: &SdkError<TransactWriteItemsError>) -> Verdict {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let reasons = cancelled.cancellation_reasons();
            let lost = reasons.iter().enumerate().find(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"));
            if let Some((index, reason)) = lost {
                return Verdict::Lost { index, item: reason.item().cloned() };
            }
            let any = |codes: &[&str]| reasons.iter().any(|reason| reason.code().is_some_and(|code| codes.contains(&code)));
            if any(&["ValidationError", "ItemCollectionSizeLimitExceeded"]) {
                // An item too large, for example: it will never be taken.
                Verdict::Refused
            } else if any(&["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]) {
                Verdict::Busy
            } else {
                Verdict::Failed
            }
        }
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => Verdict::Busy,
        _ => Verdict::Failed,
    }
}

fn classify<E, R>(error: SdkError<E, R>) -> DbError
where
    E: std::error::Error + aws_sdk_dynamodb::error::ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let refused = matches!(
        error.as_service_error().and_then(|e| e.code()),
        Some(
            "ValidationException"
                | "ResourceNotFoundException"
                | "AccessDeniedException"
                | "SerializationException"
                | "IdempotentParameterMismatchException"
        )
    );
    let error: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
    if refused { DbError::Refused(error) } else { DbError::Unavailable(error) }
}

/// Marks an item with its entity and the version of its shape.
pub(crate) fn stamp(item: &mut Item, entity: &str) {
    item.insert("entity".to_owned(), expr::s(entity));
    item.insert("v".to_owned(), expr::n(1));
}

/// Reads an item into `T`.
pub(crate) fn decode<T: DeserializeOwned>(item: Item) -> Result<T, DbError> {
    let key = keys::text_of(&item);
    serde_dynamo::from_item(item).map_err(|source| DbError::Corrupt { key, source: Box::new(source) })
}

/// Writes `value` as one attribute.
pub(crate) fn attribute<T: Serialize + ?Sized>(value: &T) -> Result<AttributeValue, DbError> {
    serde_dynamo::to_attribute_value(value).map_err(|e| DbError::Refused(Box::new(e)))
}

/// Writes `value` as an item's attributes. Only fails for shapes that aren't maps: a fault of ours.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Item, DbError> {
    serde_dynamo::to_item(value).map_err(|e| DbError::Refused(Box::new(e)))
}
