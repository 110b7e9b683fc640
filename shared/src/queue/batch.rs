//! A batch of messages in, the failed ones out: the others are not delivered again.

use std::future::Future;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use futures_util::{StreamExt, stream};
use serde::de::DeserializeOwned;

/// Why a message was not dealt with.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Trying again may help: the message is delivered again after its visibility time-out.
    #[error("{0}, to be tried again")]
    Transient(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// Trying again won't help, but somebody should look: the message goes the way of the dead-letter queue.
    #[error("{0}")]
    Permanent(&'static str),
}

impl JobError {
    /// For `map_err`: a failure that may pass.
    pub fn transient<E: Into<Box<dyn std::error::Error + Send + Sync>>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Transient(what, error.into())
    }
}

/// Calls `handle` with each message and how often it was received before, at most `concurrency` at once, and reports the
/// messages that failed. A body that can't be read fails too: only the dead-letter queue can keep it for a person.
pub async fn run_batch<T, F, Fut>(event: SqsEvent, concurrency: usize, handle: F) -> SqsBatchResponse
where
    T: DeserializeOwned,
    F: Fn(T, u32) -> Fut,
    Fut: Future<Output = Result<(), JobError>>,
{
    let handle = &handle;
    let failures: Vec<BatchItemFailure> = stream::iter(event.records)
        .map(|record| async move {
            let id = record.message_id.unwrap_or_default();
            let receives = record.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1);
            let started = std::time::Instant::now();
            let result = match serde_json::from_str(record.body.as_deref().unwrap_or_default()) {
                Ok(message) => handle(message, receives).await,
                Err(_) => Err(JobError::Permanent("the message is of no known kind")),
            };
            let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            match result {
                Ok(()) => {
                    tracing::info!(message.id = %id, message.receives = receives, duration_ms, "message done");
                    None
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(message.id = %id, message.receives = receives, duration_ms, %error, cause, "message failed");
                    let mut failure = BatchItemFailure::default();
                    failure.item_identifier = id;
                    Some(failure)
                }
            }
        })
        .buffer_unordered(concurrency.max(1))
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Task;

    #[tokio::test]
    async fn only_failed_messages_are_reported() {
        let event: SqsEvent = serde_json::from_value(serde_json::json!({"Records": [
            {"messageId": "good", "body": "{\"task\":\"start\",\"user\":\"0190163d8694739baea5966c26f8ad91\"}", "attributes": {"ApproximateReceiveCount": "3"}},
            {"messageId": "poison", "body": "{\"task\":\"dance\"}"},
            {"messageId": "bad", "body": "{\"task\":\"start\",\"user\":\"0190163d8694739baea5966c26f8ad92\"}"},
        ]}))
        .unwrap();
        let response = run_batch(event, 2, |task: Task, receives| async move {
            match task {
                Task::Start { user } if user.to_string().ends_with('1') => {
                    assert_eq!(receives, 3);
                    Ok(())
                }
                _ => Err(JobError::Permanent("told to fail")),
            }
        })
        .await;
        let mut failed: Vec<_> = response.batch_item_failures.iter().map(|f| f.item_identifier.as_str()).collect();
        failed.sort_unstable();
        assert_eq!(failed, ["bad", "poison"]);
    }
}
