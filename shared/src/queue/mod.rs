//! SQS: message types, the publisher, and the partial-batch driver.
//!
//! A message only names what to look at: every receiver reads the record first, so a message that comes twice, late or after
//! its work was done by somebody else does nothing. Losing one costs time, never work: `worker` sends it again.

mod batch;
mod dead_letters;

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_types::SdkConfig;
use serde::{Deserialize, Serialize};

pub use batch::{JobError, run_batch};
pub use dead_letters::{DeadLetterError, DeadLetters, Letter, QueueName};

use crate::config::{Config, Env};
use crate::id::{AssetId, CallId, GenerationId, RecordId, UserId};

/// To `ingest`: a call's result is stored with the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportResult {
    /// Which call.
    pub call: CallId,
}

/// To `thumbnailer`: a stored video wants a poster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakePoster {
    /// Whose.
    pub user: UserId,
    /// Which video.
    pub asset: AssetId,
}

/// To `worker`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Start what waits in this user's line, as far as slots are free.
    Start {
        /// Whose line.
        user: UserId,
    },
    /// Ask the provider about a call.
    Poll {
        /// Which call.
        call: CallId,
        /// How many polls were before this one: the pace slows down with it.
        polls: u32,
    },
    /// Ask the provider what it billed for a call whose result came without saying so.
    Bill {
        /// Which call.
        call: CallId,
        /// How often it was asked before this.
        #[serde(default)]
        tries: u32,
    },
    /// Tell a client that its generation is over.
    CallBack {
        /// Whose.
        user: UserId,
        /// Which one.
        generation: GenerationId,
    },
    /// Go on with an export.
    Export {
        /// Whose.
        user: UserId,
        /// Which one.
        export: RecordId,
    },
    /// Go on with the deletion of a person.
    Delete {
        /// Of whom.
        user: UserId,
    },
}

/// A message couldn't be sent. The work isn't lost, only late.
#[derive(Debug, thiserror::Error)]
#[error("a message could not be sent")]
pub struct SendError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The queues. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queues {
    client: Client,
    results: String,
    videos: String,
    tasks: String,
}

impl Queues {
    /// The queues of `config` through `sdk`.
    pub fn new(sdk: &SdkConfig, env: &Env, config: &Config) -> Self {
        let mut builder = aws_sdk_sqs::config::Builder::from(sdk);
        if let Some(endpoint) = env.get("AWS_ENDPOINT_URL_SQS").or_else(|| env.get("AWS_ENDPOINT_URL")) {
            builder = builder.endpoint_url(endpoint);
        }
        Self {
            client: Client::from_conf(builder.build()),
            results: config.results_queue.clone(),
            videos: config.videos_queue.clone(),
            tasks: config.tasks_queue.clone(),
        }
    }

    /// Asks `ingest` to store a result.
    ///
    /// # Errors
    /// [`SendError`] when the queue can't be reached.
    pub async fn import_result(&self, call: CallId) -> Result<(), SendError> {
        self.send(&self.results, &ImportResult { call }, Duration::ZERO).await
    }

    /// Asks `thumbnailer` for a poster.
    ///
    /// # Errors
    /// [`SendError`] when the queue can't be reached.
    pub async fn make_poster(&self, user: UserId, asset: AssetId) -> Result<(), SendError> {
        self.send(&self.videos, &MakePoster { user, asset }, Duration::ZERO).await
    }

    /// Gives `worker` a task after `delay` (whole seconds, at most 15 minutes).
    ///
    /// # Errors
    /// [`SendError`] when the queue can't be reached.
    pub async fn task(&self, task: &Task, delay: Duration) -> Result<(), SendError> {
        self.send(&self.tasks, task, delay).await
    }

    async fn send<T: Serialize>(&self, queue: &str, message: &T, delay: Duration) -> Result<(), SendError> {
        let body = serde_json::to_string(message).map_err(|e| SendError(e.into()))?;
        let delay = i32::try_from(delay.as_secs().min(900)).unwrap_or(900);
        self.client
            .send_message()
            .queue_url(queue)
            .message_body(body)
            .delay_seconds(delay)
            .send()
            .await
            .map_err(|e| SendError(Box::new(e)))?;
        Ok(())
    }
}
