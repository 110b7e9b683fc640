//! Settings of one queue, and the names it goes by.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

use crate::QueueError;

/// The account in ARNs and URLs: there is only one here.
const ACCOUNT: &str = "000000000000";
/// The region in ARNs. Requests may be signed for any region.
const REGION: &str = "us-east-1";
/// The longest a message may be, attributes included, and a batch too; SQS's own limit since August 2025.
pub(crate) const MAX_MESSAGE_BYTES: u32 = 1_048_576;
/// The longest visibility timeout, in seconds (12 hours), counted from the receive. SQS's own limit.
pub(crate) const MAX_VISIBILITY: u32 = 43_200;
/// The longest delay of a message, in seconds. SQS's own limit.
pub(crate) const MAX_DELAY: u32 = 900;
/// The longest a receive may wait, in seconds. SQS's own limit.
pub(crate) const MAX_WAIT: u32 = 20;

/// Settings of a queue; [`Settings::default`] has SQS's own defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a received message stays hidden, in seconds, 0 to 43 200. Default 30.
    pub visibility_timeout: u32,
    /// How long a new message stays hidden, in seconds, 0 to 900. Default 0.
    pub delay: u32,
    /// How long a message is kept after it was sent, in seconds, 60 to 1 209 600. Default 345 600 (4 days).
    pub retention: u32,
    /// How long a receive waits when it doesn't say, in seconds, 0 to 20. Default 0.
    pub receive_wait: u32,
    /// The longest message in bytes, attributes included, 1 024 to 1 048 576. Default 1 048 576.
    pub max_message_bytes: u32,
    /// Where messages go that were received too often. Default: they stay.
    pub redrive: Option<RedrivePolicy>,
}

/// When a message counts as dead, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// The name of the dead-letter queue, which has to exist when the policy is set.
    pub dead_letter_queue: String,
    /// How often a message is received before it is moved, 1 to 1 000.
    pub max_receive_count: u32,
}

/// A queue's settings and when they were made.
#[derive(Clone, Debug)]
pub struct QueueInfo {
    pub(crate) id: i64,
    /// The name.
    pub name: String,
    /// The settings.
    pub settings: Settings,
    /// When the queue was created, in seconds since 1970.
    pub created: i64,
    /// When the settings were last changed, in seconds since 1970.
    pub modified: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { visibility_timeout: 30, delay: 0, retention: 345_600, receive_wait: 0, max_message_bytes: MAX_MESSAGE_BYTES, redrive: None }
    }
}

/// The policy as SQS writes it: JSON in a string, with a number that may itself be a string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyDocument {
    dead_letter_target_arn: String,
    max_receive_count: serde_json::Value,
}

impl Settings {
    /// These settings with SQS attributes laid over them (`VisibilityTimeout`, `RedrivePolicy`, …: the names that
    /// `CreateQueue` and a `CloudFormation` template use).
    ///
    /// # Errors
    /// [`QueueError::InvalidAttributeName`], [`QueueError::InvalidAttributeValue`].
    pub fn with_attributes<'a>(mut self, attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, QueueError> {
        for (name, value) in attributes {
            let number = |name| value.parse().map_err(|_| QueueError::InvalidAttributeValue(name));
            match name {
                "VisibilityTimeout" => self.visibility_timeout = number("VisibilityTimeout")?,
                "DelaySeconds" => self.delay = number("DelaySeconds")?,
                "MessageRetentionPeriod" => self.retention = number("MessageRetentionPeriod")?,
                "ReceiveMessageWaitTimeSeconds" => self.receive_wait = number("ReceiveMessageWaitTimeSeconds")?,
                "MaximumMessageSize" => self.max_message_bytes = number("MaximumMessageSize")?,
                "RedrivePolicy" => self.redrive = parse_policy(value)?,
                other => return Err(QueueError::InvalidAttributeName(other.to_owned())),
            }
        }
        self.check()?;
        Ok(self)
    }

    /// Every number is in SQS's range.
    pub(crate) fn check(&self) -> Result<(), QueueError> {
        let max_receives = self.redrive.as_ref().map_or(1, |policy| policy.max_receive_count);
        let ranges = [
            ("VisibilityTimeout", self.visibility_timeout, 0..=MAX_VISIBILITY),
            ("DelaySeconds", self.delay, 0..=MAX_DELAY),
            ("MessageRetentionPeriod", self.retention, 60..=1_209_600),
            ("ReceiveMessageWaitTimeSeconds", self.receive_wait, 0..=MAX_WAIT),
            ("MaximumMessageSize", self.max_message_bytes, 1_024..=MAX_MESSAGE_BYTES),
            ("RedrivePolicy", max_receives, 1..=1_000),
        ];
        match ranges.into_iter().find(|(_, value, range)| !range.contains(value)) {
            Some((name, _, _)) => Err(QueueError::InvalidAttributeValue(name)),
            None => Ok(()),
        }
    }

    /// The settings as SQS attributes.
    pub(crate) fn attributes(&self) -> BTreeMap<&'static str, String> {
        let mut attributes = BTreeMap::from([
            ("VisibilityTimeout", self.visibility_timeout.to_string()),
            ("DelaySeconds", self.delay.to_string()),
            ("MessageRetentionPeriod", self.retention.to_string()),
            ("ReceiveMessageWaitTimeSeconds", self.receive_wait.to_string()),
            ("MaximumMessageSize", self.max_message_bytes.to_string()),
        ]);
        if let Some(policy) = &self.redrive {
            let document = serde_json::json!({
                "deadLetterTargetArn": queue_arn(&policy.dead_letter_queue),
                "maxReceiveCount": policy.max_receive_count,
            });
            attributes.insert("RedrivePolicy", document.to_string());
        }
        attributes
    }
}

/// A policy from its JSON; an empty string takes the policy away, as in SQS.
fn parse_policy(value: &str) -> Result<Option<RedrivePolicy>, QueueError> {
    const INVALID: QueueError = QueueError::InvalidAttributeValue("RedrivePolicy");
    if value.is_empty() {
        return Ok(None);
    }
    let document: PolicyDocument = serde_json::from_str(value).map_err(|_| INVALID)?;
    let count = match &document.max_receive_count {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    Ok(Some(RedrivePolicy {
        dead_letter_queue: name_from_arn(&document.dead_letter_target_arn).ok_or(INVALID)?.to_owned(),
        max_receive_count: count.and_then(|count| u32::try_from(count).ok()).ok_or(INVALID)?,
    }))
}

/// The ARN of the queue `name`.
#[must_use]
pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// The queue that an ARN names. Region and account are whatever the caller believes in.
pub(crate) fn name_from_arn(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "sqs", _, _, name] => Some(name),
        _ => None,
    }
}

/// The URL of the queue `name` at a server that listens on `address`.
#[must_use]
pub fn queue_url(address: SocketAddr, name: &str) -> String {
    format!("http://{address}/{ACCOUNT}/{name}")
}

/// The queue that a URL names. Only the end counts, so that a URL survives a changed port.
#[must_use]
pub fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// A name is 1 to 80 letters, digits, hyphens and underscores.
pub(crate) fn check_name(name: &str) -> Result<(), QueueError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.ends_with(".fifo") {
        return Err(QueueError::Unsupported("a FIFO queue"));
    }
    if (1..=80).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(QueueError::InvalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length".to_owned()))
}
