//! Calls that concern messages.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::Context;
use super::error::ApiError;
use super::queue_calls::parse;
use crate::message::{md5_of_attributes, md5_of_body};
use crate::{MessageAttribute, Outgoing, QueueError, Receive, Received, Sent, queue_arn, queue_name};

/// The sender of every message: there is one account.
const SENDER: &str = "000000000000";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(default)]
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: BTreeMap<String, MessageAttribute>,
    #[serde(default)]
    message_system_attributes: BTreeMap<String, MessageAttribute>,
    message_group_id: Option<IgnoredAny>,
    message_deduplication_id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage {
    queue_url: String,
    #[serde(flatten)]
    message: Message,
}

/// One entry of a batch: its id and what the single call would take.
#[derive(Deserialize)]
struct Entry<T> {
    #[serde(rename = "Id")]
    id: String,
    #[serde(flatten)]
    rest: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", bound = "T: Deserialize<'de>")]
struct Batch<T> {
    queue_url: String,
    #[serde(default = "Vec::new")]
    entries: Vec<Entry<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveMessage {
    queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Held {
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteMessage {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangedVisibility {
    receipt_handle: String,
    #[serde(default)]
    visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeMessageVisibility {
    queue_url: String,
    receipt_handle: String,
    visibility_timeout: i64,
}

/// Answers `action`, if it is one of these.
pub(super) async fn call(context: &Context, action: &str, body: &[u8]) -> Result<Option<Value>, ApiError> {
    let queues = &context.queues;
    let answer = match action {
        "SendMessage" => {
            let request: SendMessage = parse(body)?;
            sent(&queues.send(queue_name(&request.queue_url), outgoing(request.message)?).await?)
        }
        "SendMessageBatch" => send_batch(context, parse(body)?).await?,
        "ReceiveMessage" => receive(context, parse(body)?).await?,
        "DeleteMessage" => {
            let request: DeleteMessage = parse(body)?;
            queues.delete(queue_name(&request.queue_url), &request.receipt_handle).await?;
            json!({})
        }
        "DeleteMessageBatch" => {
            let request: Batch<Held> = parse(body)?;
            let (queue, ids, held) = request.take_apart()?;
            let handles = held.into_iter().map(|held| held.receipt_handle).collect();
            let results = queues.delete_batch(&queue, handles).await?;
            batch_answer(&ids, results, |_| json!({}))
        }
        "ChangeMessageVisibility" => {
            let request: ChangeMessageVisibility = parse(body)?;
            let seconds = number("VisibilityTimeout", request.visibility_timeout)?;
            queues.change_visibility(queue_name(&request.queue_url), &request.receipt_handle, seconds).await?;
            json!({})
        }
        "ChangeMessageVisibilityBatch" => {
            let request: Batch<ChangedVisibility> = parse(body)?;
            let (queue, ids, changes) = request.take_apart()?;
            // A number that no clock holds is refused by the queue like any that is too large.
            let seconds = |given: i64| u32::try_from(given).unwrap_or(u32::MAX);
            let changes = changes.into_iter().map(|it| (it.receipt_handle, seconds(it.visibility_timeout))).collect();
            batch_answer(&ids, queues.change_visibility_batch(&queue, changes).await?, |()| json!({}))
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

impl<T> Batch<T> {
    /// The queue, the ids and the rest of the entries. Ids have to be well formed and distinct; the number of entries is
    /// for the queue to judge.
    fn take_apart(self) -> Result<(String, Vec<String>, Vec<T>), ApiError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let mut seen = BTreeSet::new();
        for Entry { id, .. } in &self.entries {
            if !(1..=80).contains(&id.len()) || !id.bytes().all(allowed) {
                return Err(ApiError::invalid_batch_id());
            }
            if !seen.insert(id) {
                return Err(ApiError::duplicate_batch_id(id));
            }
        }
        let (ids, rest) = self.entries.into_iter().map(|entry| (entry.id, entry.rest)).unzip();
        Ok((queue_name(&self.queue_url).to_owned(), ids, rest))
    }
}

/// `Successful` and `Failed` of a batch.
fn batch_answer<T>(ids: &[String], results: Vec<Result<T, QueueError>>, success: impl Fn(T) -> Value) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in ids.iter().zip(results) {
        match result {
            Ok(value) => {
                let mut entry = success(value);
                entry["Id"] = id.as_str().into();
                successful.push(entry);
            }
            Err(error) => failed.push(ApiError::from(error).batch_entry(id)),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

/// A number of seconds or messages. The queue checks its range.
fn number(name: &str, value: i64) -> Result<u32, QueueError> {
    u32::try_from(value)
        .map_err(|_| QueueError::InvalidParameter(format!("Value {value} for parameter {name} is invalid. Reason: out of range.")))
}

fn outgoing(message: Message) -> Result<Outgoing, QueueError> {
    if message.message_group_id.is_some() || message.message_deduplication_id.is_some() {
        return Err(QueueError::Unsupported("a message group or deduplication id"));
    }
    let mut system = message.message_system_attributes;
    let trace_header = system.remove("AWSTraceHeader").and_then(|attribute| attribute.string_value);
    if let Some(name) = system.keys().next() {
        return Err(QueueError::InvalidParameter(format!("Message system attribute name '{name}' is invalid.")));
    }
    Ok(Outgoing {
        body: message.message_body,
        delay: message.delay_seconds.map(|delay| number("DelaySeconds", delay)).transpose()?,
        attributes: message.message_attributes,
        trace_header,
    })
}

fn sent(sent: &Sent) -> Value {
    let mut answer = json!({ "MessageId": sent.message_id, "MD5OfMessageBody": sent.md5_of_body });
    if let Some(md5) = &sent.md5_of_attributes {
        answer["MD5OfMessageAttributes"] = md5.as_str().into();
    }
    if let Some(md5) = &sent.md5_of_trace_header {
        answer["MD5OfMessageSystemAttributes"] = md5.as_str().into();
    }
    answer
}

/// Sends what is well formed; the rest is reported entry by entry.
async fn send_batch(context: &Context, request: Batch<Message>) -> Result<Value, ApiError> {
    let (queue, ids, messages) = request.take_apart()?;
    let count = messages.len();
    let (mut good_ids, mut good, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, message) in ids.into_iter().zip(messages) {
        match outgoing(message) {
            Ok(message) => {
                good_ids.push(id);
                good.push(message);
            }
            Err(error) => failed.push(ApiError::from(error).batch_entry(&id)),
        }
    }
    // Too many are too many even if some of them are malformed; with none left the queue still has to exist.
    if count > 10 {
        return Err(QueueError::TooManyEntries(count).into());
    }
    let results = if good.is_empty() && count > 0 {
        context.queues.info(&queue).await?;
        Vec::new()
    } else {
        context.queues.send_batch(&queue, good).await?
    };
    let mut answer = batch_answer(&good_ids, results, |one| sent(&one));
    if let Some(entries) = answer["Failed"].as_array_mut() {
        entries.extend(failed);
    }
    Ok(answer)
}

async fn receive(context: &Context, request: ReceiveMessage) -> Result<Value, ApiError> {
    let wanted = Receive {
        max: number("MaxNumberOfMessages", request.max_number_of_messages.unwrap_or(1))?,
        visibility: request.visibility_timeout.map(|value| number("VisibilityTimeout", value)).transpose()?,
        wait: request.wait_time_seconds.map(|value| number("WaitTimeSeconds", value)).transpose()?,
    };
    let queue = queue_name(&request.queue_url);
    let messages = context.queues.receive_until(queue, &wanted, context.stopped()).await?;
    if messages.is_empty() {
        return Ok(json!({}));
    }
    let system: Vec<&str> = request.attribute_names.iter().chain(&request.message_system_attribute_names).map(String::as_str).collect();
    let messages: Vec<Value> = messages.iter().map(|message| received(message, &system, &request.message_attribute_names)).collect();
    Ok(json!({ "Messages": messages }))
}

/// A message with the attributes that were asked for.
fn received(message: &Received, system: &[&str], names: &[String]) -> Value {
    let mut answer = json!({
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt_handle,
        "Body": message.body,
        "MD5OfBody": md5_of_body(&message.body),
    });
    let known = [
        ("SenderId", Some(SENDER.to_owned())),
        ("SentTimestamp", Some(message.sent_ms.to_string())),
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(message.first_received_ms.to_string())),
        ("AWSTraceHeader", message.trace_header.clone()),
        ("DeadLetterQueueSourceArn", message.source_queue.as_deref().map(queue_arn)),
    ];
    let attributes: Map<String, Value> = known
        .into_iter()
        .filter(|(name, _)| system.iter().any(|asked| asked == name || *asked == "All"))
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect();
    if !attributes.is_empty() {
        answer["Attributes"] = attributes.into();
    }
    let chosen: BTreeMap<&str, &MessageAttribute> = message
        .attributes
        .iter()
        .filter(|(name, _)| names.iter().any(|pattern| matches(pattern, name)))
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    if let Some(md5) = md5_of_attributes(chosen.iter().map(|(name, value)| (*name, *value))) {
        answer["MD5OfMessageAttributes"] = md5.into();
        answer["MessageAttributes"] = json!(chosen);
    }
    answer
}

/// `All`, `.*`, a prefix as `name.*`, or the name itself.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == "All" || pattern == name,
    }
}
