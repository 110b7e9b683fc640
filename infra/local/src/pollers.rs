//! Plays Lambda's event source mappings: feeds the messages of a queue to a function, in real `SqsEvent`s.
//!
//! Invariant: a message is deleted only after the function has answered for it without naming it a failure. Whatever else happens
//! (a panic, a time-out, `kill -9`), it comes again, and after too many receives it goes to the dead-letter queue.
//!
//! Deliberately absent: batching windows and scaling up step by step. A mapping starts with its maximum concurrency.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::future::BoxFuture;
use local_sqs::{Queues, Receive, Received, queue_arn};
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::stop::{Stop, stopped};

/// SQS gives at most so many messages at once.
const MAX_RECEIVE: u32 = 10;
/// How long a receive waits, in seconds. A send wakes it, so this only bounds how often an idle queue is looked at.
const WAIT_SECONDS: u32 = 20;
/// Pause after a queue could not be read.
const PAUSE: Duration = Duration::from_secs(1);
/// How long invocations may go on after the shutdown. What is cut off comes again at the next start.
const DRAIN: Duration = Duration::from_secs(10);

/// A function that takes messages.
#[derive(Clone)]
pub struct QueueHandler(Arc<dyn Fn(SqsEvent) -> BoxFuture<'static, SqsBatchResponse> + Send + Sync>);

impl QueueHandler {
    /// Calls `handle` for each event.
    pub fn new<F>(handle: impl Fn(SqsEvent) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = SqsBatchResponse> + Send + 'static,
    {
        Self(Arc::new(move |event| Box::pin(handle(event))))
    }
}

impl fmt::Debug for QueueHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueHandler")
    }
}

/// One mapping.
#[derive(Clone)]
pub struct Poller {
    /// Where messages come from.
    pub queues: Queues,
    /// Name of the queue.
    pub queue: String,
    /// Name of the function, for logs.
    pub function: String,
    /// What takes the messages.
    pub handler: QueueHandler,
    /// When an invocation is given up.
    pub timeout: Duration,
    /// Messages of one event at most.
    pub batch_size: u32,
    /// Invocations at the same time at most.
    pub maximum_concurrency: u32,
}

impl Poller {
    /// Feeds messages until `stop` holds true, then lets running invocations end for at most 10 s.
    pub async fn run(self, mut stop: Stop) {
        let slots = Arc::new(Semaphore::new(self.maximum_concurrency.max(1) as usize));
        let mut running = JoinSet::new();
        let request = Receive { max: self.batch_size.clamp(1, MAX_RECEIVE), visibility: None, wait: Some(WAIT_SECONDS) };
        loop {
            let slot = tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = running.join_next() => continue,
                Ok(slot) = Arc::clone(&slots).acquire_owned() => slot,
            };
            let mut ends = stop.clone();
            match self.queues.receive_until(&self.queue, &request, stopped(&mut ends)).await {
                Ok(messages) if messages.is_empty() => {}
                Ok(messages) => {
                    let poller = self.clone();
                    running.spawn(async move {
                        poller.feed(messages).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::error!(queue = %self.queue, %error, "the queue can't be read");
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        () = stopped(&mut stop) => break,
                    }
                }
            }
        }
        let drained = tokio::time::timeout(DRAIN, async { while running.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(queue = %self.queue, "invocations were cut off at the shutdown");
        }
    }

    /// Calls the function and deletes what it has dealt with.
    async fn feed(&self, messages: Vec<Received>) {
        let failed = match self.invoke(&messages).await {
            Ok(failed) => failed,
            Err(error) => {
                tracing::error!(queue = %self.queue, function = %self.function, messages = messages.len(), %error, "invocation failed");
                return;
            }
        };
        let done: Vec<String> =
            messages.into_iter().filter(|message| !failed.contains(&message.message_id)).map(|message| message.receipt_handle).collect();
        if done.is_empty() {
            return;
        }
        match self.queues.delete_batch(&self.queue, done).await {
            // Deleting fails for a message that was received again meanwhile; it is dealt with twice then, as on AWS.
            Ok(results) => {
                for error in results.into_iter().filter_map(Result::err) {
                    tracing::warn!(queue = %self.queue, %error, "a message that was dealt with stays in the queue");
                }
            }
            Err(error) => tracing::error!(queue = %self.queue, %error, "messages that were dealt with stay in the queue"),
        }
    }

    /// The ids of the messages that failed.
    async fn invoke(&self, messages: &[Received]) -> Result<HashSet<String>, InvokeError> {
        let event: SqsEvent = serde_json::from_value(event(&self.queue, messages))?;
        let invocation = (self.handler.0)(event);
        let mut task = tokio::spawn(invocation);
        let response = match tokio::time::timeout(self.timeout, &mut task).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => return Err(InvokeError::Panicked),
            Err(_) => {
                task.abort();
                return Err(InvokeError::TimedOut(self.timeout));
            }
        };
        let known: HashSet<&str> = messages.iter().map(|message| message.message_id.as_str()).collect();
        let failures = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier);
        failures.map(|id| if known.contains(id.as_str()) { Ok(id) } else { Err(InvokeError::UnknownItem) }).collect()
    }
}

/// Why no message of an event was dealt with.
#[derive(Debug, thiserror::Error)]
enum InvokeError {
    #[error("the function took longer than {0:?}")]
    TimedOut(Duration),
    #[error("the function panicked")]
    Panicked,
    /// Lambda counts the whole batch as failed then.
    #[error("the function named a failure that isn't in the batch")]
    UnknownItem,
    #[error("the event could not be made: {0}")]
    Event(#[from] serde_json::Error),
}

/// The event that Lambda makes of these messages.
fn event(queue: &str, messages: &[Received]) -> Value {
    let arn = queue_arn(queue);
    let region = arn.split(':').nth(3).unwrap_or_default().to_owned();
    let records: Vec<Value> = messages
        .iter()
        .map(|message| {
            let attributes: Map<String, Value> = message
                .attributes
                .iter()
                .map(|(name, attribute)| {
                    let value = json!({
                        "stringValue": attribute.string_value,
                        "binaryValue": attribute.binary_value,
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": attribute.data_type,
                    });
                    (name.clone(), value)
                })
                .collect();
            let mut system = json!({
                "ApproximateReceiveCount": message.receive_count.to_string(),
                "SentTimestamp": message.sent_ms.to_string(),
                "SenderId": crate::gateway::ACCOUNT,
                "ApproximateFirstReceiveTimestamp": message.first_received_ms.to_string(),
            });
            if let Some(trace) = &message.trace_header {
                system["AWSTraceHeader"] = json!(trace);
            }
            json!({
                "messageId": message.message_id,
                "receiptHandle": message.receipt_handle,
                "body": message.body,
                "attributes": system,
                "messageAttributes": attributes,
                "md5OfBody": hex::encode(Md5::digest(&message.body)),
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": region,
            })
        })
        .collect();
    json!({ "Records": records })
}
