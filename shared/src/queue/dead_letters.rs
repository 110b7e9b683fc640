//! What could not be dealt with: each queue's dead-letter queue, looked at and sent back.
//!
//! Which one that is, the queue itself says, so there is nothing to configure and nothing to get wrong.

use aws_sdk_sqs::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{ImportResult, MakePoster, Queues, Task};

/// Messages that are looked at, of however many there are: what SQS gives at once.
const LOOKED_AT: i32 = 10;

/// One of the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueName {
    /// To `ingest`.
    Results,
    /// To `thumbnailer`.
    Videos,
    /// To `worker`.
    Tasks,
}

impl QueueName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Results, Self::Videos, Self::Tasks];

    /// In lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Results => "results",
            Self::Videos => "videos",
            Self::Tasks => "tasks",
        }
    }

    /// The queue called `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    /// Whether the function that reads this queue understands `body`.
    fn understands(self, body: &str) -> bool {
        match self {
            Self::Results => serde_json::from_str::<ImportResult>(body).is_ok(),
            Self::Videos => serde_json::from_str::<MakePoster>(body).is_ok(),
            Self::Tasks => serde_json::from_str::<Task>(body).is_ok(),
        }
    }
}

/// A dead-letter queue.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// Of which queue.
    pub queue: QueueName,
    /// How many there are, nearly.
    pub messages: u64,
    /// Some of them, the oldest first.
    pub letters: Vec<Letter>,
}

/// A message that failed too often.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Names it in the log.
    pub id: String,
    /// When it was sent first.
    pub sent_at: Option<Timestamp>,
    /// What it says, when it is a message of ours: ids, and nothing of anybody's.
    pub about: Option<Value>,
}

/// Dead letters can't be looked at or moved.
#[derive(Debug, thiserror::Error)]
#[error("the dead letters of {queue} can't be {what}", queue = .queue.as_str())]
pub struct DeadLetterError {
    /// Of which queue.
    queue: QueueName,
    /// What was tried.
    what: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl DeadLetterError {
    fn new(queue: QueueName, what: &'static str) -> impl Fn(Box<dyn std::error::Error + Send + Sync>) -> Self {
        move |source| Self { queue, what, source }
    }
}

impl Queues {
    fn address(&self, queue: QueueName) -> &str {
        match queue {
            QueueName::Results => &self.results,
            QueueName::Videos => &self.videos,
            QueueName::Tasks => &self.tasks,
        }
    }

    /// The name by which SQS knows the dead-letter queue of `queue`.
    async fn dead_letter_arn(&self, queue: QueueName) -> Result<String, DeadLetterError> {
        let failed = DeadLetterError::new(queue, "found");
        let request = self.client.get_queue_attributes().queue_url(self.address(queue)).attribute_names(QueueAttributeName::RedrivePolicy);
        let answer = request.send().await.map_err(|e| failed(Box::new(e)))?;
        let policy = answer.attributes.and_then(|mut all| all.remove(&QueueAttributeName::RedrivePolicy)).unwrap_or_default();
        let policy: Value = serde_json::from_str(&policy).map_err(|e| failed(Box::new(e)))?;
        policy["deadLetterTargetArn"].as_str().map(str::to_owned).ok_or_else(|| failed("its queue has none".into()))
    }

    /// Looks at the dead letters of `queue`. They stay where they are, and can be looked at again at once.
    ///
    /// # Errors
    /// [`DeadLetterError`] when the queue doesn't answer.
    pub async fn dead_letters(&self, queue: QueueName) -> Result<DeadLetters, DeadLetterError> {
        let failed = DeadLetterError::new(queue, "looked at");
        let arn = self.dead_letter_arn(queue).await?;
        let name = arn.rsplit(':').next().unwrap_or_default();
        let url = self.client.get_queue_url().queue_name(name).send().await.map_err(|e| failed(Box::new(e)))?;
        let url = url.queue_url.unwrap_or_default();
        let count = QueueAttributeName::ApproximateNumberOfMessages;
        let attributes = self.client.get_queue_attributes().queue_url(&url).attribute_names(count.clone()).send();
        let attributes = attributes.await.map_err(|e| failed(Box::new(e)))?.attributes.unwrap_or_default();
        let messages = attributes.get(&count).and_then(|text| text.parse().ok()).unwrap_or_default();
        let look = self.client.receive_message().queue_url(&url).visibility_timeout(0).wait_time_seconds(0);
        let look = look.max_number_of_messages(LOOKED_AT).message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let found = look.send().await.map_err(|e| failed(Box::new(e)))?.messages.unwrap_or_default();
        let mut letters: Vec<Letter> = found.into_iter().map(|message| letter(queue, message)).collect();
        letters.sort_by_key(|letter| letter.sent_at);
        Ok(DeadLetters { queue, messages, letters })
    }

    /// Begins to send the dead letters of `queue` back to it, as new messages. While that goes on, doing it again changes nothing.
    ///
    /// # Errors
    /// [`DeadLetterError`] when the queue doesn't answer.
    pub async fn redrive(&self, queue: QueueName) -> Result<(), DeadLetterError> {
        let arn = self.dead_letter_arn(queue).await?;
        match self.client.start_message_move_task().source_arn(arn).send().await {
            Ok(_) => Ok(()),
            // One task a queue; it takes along what is there.
            Err(SdkError::ServiceError(error)) if error.err().message().is_some_and(|text| text.contains("already a task running")) => {
                Ok(())
            }
            Err(error) => Err(DeadLetterError::new(queue, "sent back")(Box::new(error))),
        }
    }
}

fn letter(queue: QueueName, message: Message) -> Letter {
    let body = message.body.unwrap_or_default();
    let sent = message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
    Letter {
        id: message.message_id.unwrap_or_default(),
        sent_at: sent.and_then(|text| text.parse().ok()).and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        about: if queue.understands(&body) { serde_json::from_str(&body).ok() } else { None },
    }
}
