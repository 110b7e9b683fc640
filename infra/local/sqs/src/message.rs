//! Messages as they come in and go out, and SQS's rules for them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use crate::QueueError;
use crate::settings::{MAX_DELAY, MAX_MESSAGE_BYTES};

/// One attribute of a message, in the shape of the SQS protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, with an optional label after a dot.
    pub data_type: String,
    /// The value of a `String` or `Number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// The value of a `Binary`, in standard base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
}

/// A message to send.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// The text: 1 byte to 1 MiB with the attributes, in characters that XML 1.0 allows.
    pub body: String,
    /// How long it stays hidden, in seconds, 0 to 900. `None`: the queue's setting.
    pub delay: Option<u32>,
    /// At most 10 attributes.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// The X-Ray header that SQS calls `AWSTraceHeader`. It doesn't count towards the size.
    pub trace_header: Option<String>,
}

/// What a sender learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The id of the message, a UUID.
    pub message_id: String,
    /// MD5 of the body in hexadecimal.
    pub md5_of_body: String,
    /// MD5 of the attributes in hexadecimal, if there are any.
    pub md5_of_attributes: Option<String>,
    /// MD5 of the trace header in hexadecimal, if there is one.
    pub md5_of_trace_header: Option<String>,
}

/// What to receive. [`Receive::default`] is one message without waiting.
#[derive(Clone, Debug)]
pub struct Receive {
    /// At most so many messages, 1 to 10.
    pub max: u32,
    /// How long they stay hidden, in seconds, 0 to 43 200. `None`: the queue's setting.
    pub visibility: Option<u32>,
    /// How long to wait for the first one, in seconds, 0 to 20. `None`: the queue's setting.
    pub wait: Option<u32>,
}

/// A received message.
#[derive(Clone, Debug)]
pub struct Received {
    /// The id of the message, a UUID; it stays the same in the dead-letter queue.
    pub message_id: String,
    /// What deletes or hides the message until it is received again.
    pub receipt_handle: String,
    /// The text.
    pub body: String,
    /// The attributes it was sent with.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// The trace header it was sent with.
    pub trace_header: Option<String>,
    /// How often it was received from this queue, this time included.
    pub receive_count: u32,
    /// When it was sent, in milliseconds since 1970; kept in the dead-letter queue.
    pub sent_ms: i64,
    /// When it was first received from this queue, in milliseconds since 1970.
    pub first_received_ms: i64,
    /// The queue it died in, when this is a dead-letter queue.
    pub source_queue: Option<String>,
}

/// How many messages a queue holds. Exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// Waiting to be received.
    pub visible: u64,
    /// Received and still hidden.
    pub in_flight: u64,
    /// Sent with a delay that hasn't passed.
    pub delayed: u64,
}

/// What a redrive did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// So many went back. They count as sent now, with new ids and no receives, as in SQS.
    pub moved: u64,
    /// So many stayed: sent to the dead-letter queue directly, or their source is gone.
    pub left: u64,
}

impl Default for Receive {
    fn default() -> Self {
        Self { max: 1, visibility: None, wait: None }
    }
}

impl Outgoing {
    /// A message with a body and nothing else.
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// What counts against the size limit, in bytes.
    pub(crate) fn size(&self) -> usize {
        let attribute = |(name, value): (&String, &MessageAttribute)| {
            let text = value.string_value.as_ref().map_or(0, String::len);
            let binary = value.binary().map_or(0, |bytes| bytes.len());
            name.len() + value.data_type.len() + text + binary
        };
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    /// Everything that SQS asks of a message for a queue whose limit is `max_bytes`.
    pub(crate) fn check(&self, max_bytes: u32) -> Result<(), QueueError> {
        if self.body.is_empty() {
            return Err(QueueError::MissingParameter("MessageBody"));
        }
        if self.attributes.len() > 10 {
            return Err(invalid("Number of message attributes exceeds the allowed maximum of 10."));
        }
        for (name, value) in &self.attributes {
            check_attribute(name, value)?;
        }
        let limit = max_bytes.min(MAX_MESSAGE_BYTES);
        if self.size() > limit as usize {
            return Err(QueueError::InvalidParameter(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
            )));
        }
        if self.delay.is_some_and(|delay| delay > MAX_DELAY) {
            return Err(invalid("Value for parameter DelaySeconds is invalid. Reason: must be between 0 and 900."));
        }
        let texts = self.attributes.values().filter_map(|value| value.string_value.as_ref());
        if texts.chain([&self.body]).any(|text| text.chars().any(|character| !is_allowed(character))) {
            return Err(QueueError::InvalidContents);
        }
        Ok(())
    }
}

impl MessageAttribute {
    /// A `String` attribute.
    pub fn string(value: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), string_value: Some(value.into()), binary_value: None }
    }

    /// The bytes of a `Binary`.
    fn binary(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.binary_value.as_ref()?).ok()
    }
}

fn invalid(reason: &str) -> QueueError {
    QueueError::InvalidParameter(reason.to_owned())
}

/// The characters of XML 1.0.
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn check_attribute(name: &str, value: &MessageAttribute) -> Result<(), QueueError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let lower = name.to_ascii_lowercase();
    if !(1..=256).contains(&name.len())
        || !name.bytes().all(allowed)
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains("..")
        || lower.starts_with("aws.")
        || lower.starts_with("amazon.")
    {
        return Err(QueueError::InvalidParameter(format!("The message attribute name '{name}' is invalid.")));
    }
    let base = value.data_type.split('.').next().unwrap_or_default();
    let fits = match base {
        "String" => value.binary_value.is_none() && value.string_value.as_ref().is_some_and(|text| !text.is_empty()),
        "Number" => {
            value.binary_value.is_none() && value.string_value.as_ref().is_some_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite))
        }
        "Binary" => value.string_value.is_none() && value.binary().is_some_and(|bytes| !bytes.is_empty()),
        _ => false,
    };
    if fits && value.data_type.len() <= 256 {
        return Ok(());
    }
    Err(QueueError::InvalidParameter(format!("The message attribute '{name}' has an invalid type or value.")))
}

/// MD5 of a body in hexadecimal.
pub(crate) fn md5_of_body(body: &str) -> String {
    hex::encode(Md5::digest(body))
}

/// MD5 over attributes as SQS defines it: sorted by name; name, type and value each after their length in four bytes,
/// the value with one byte before it that says text or binary. `None` without attributes.
pub(crate) fn md5_of_attributes<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a MessageAttribute)>) -> Option<String> {
    let mut hasher = Md5::new();
    let mut any = false;
    let mut part = |hasher: &mut Md5, bytes: &[u8]| {
        // No part is longer than a message, 1 MiB.
        hasher.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        hasher.update(bytes);
        any = true;
    };
    for (name, value) in attributes {
        part(&mut hasher, name.as_bytes());
        part(&mut hasher, value.data_type.as_bytes());
        match (&value.string_value, value.binary()) {
            (Some(text), _) => {
                hasher.update([1]);
                part(&mut hasher, text.as_bytes());
            }
            (None, binary) => {
                hasher.update([2]);
                part(&mut hasher, &binary.unwrap_or_default());
            }
        }
    }
    any.then(|| hex::encode(hasher.finalize()))
}
