//! Calls that concern queues as a whole.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Context;
use super::error::ApiError;
use crate::settings::name_from_arn;
use crate::store::OnExisting;
use crate::{QueueError, Settings, queue_arn, queue_name, queue_url};

/// Attributes that SQS knows and a queue here never has: they may be asked for.
const UNSET_ATTRIBUTES: [&str; 10] = [
    "Policy",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateQueue {
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default, rename = "tags")]
    tags: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetQueueUrl {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListQueues {
    #[serde(default)]
    queue_name_prefix: String,
    #[serde(default)]
    next_token: String,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneQueue {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetQueueAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetQueueAttributes {
    queue_url: String,
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartMessageMoveTask {
    source_arn: String,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<IgnoredAny>,
}

/// Answers `action`, if it is one of these.
pub(super) async fn call(context: &Context, action: &str, body: &[u8]) -> Result<Option<Value>, ApiError> {
    let answer = match action {
        "CreateQueue" => create(context, parse(body)?).await?,
        "DeleteQueue" => {
            let request: OneQueue = parse(body)?;
            context.queues.delete_queue(queue_name(&request.queue_url)).await?;
            json!({})
        }
        "GetQueueUrl" => {
            let request: GetQueueUrl = parse(body)?;
            let queue = context.queues.info(&request.queue_name).await?;
            json!({ "QueueUrl": queue_url(context.address, &queue.name) })
        }
        "ListQueues" => list(context, parse(body)?).await?,
        "GetQueueAttributes" => get_attributes(context, parse(body)?).await?,
        "SetQueueAttributes" => {
            let request: SetQueueAttributes = parse(body)?;
            let laid_over = lay_over(request.attributes);
            context.queues.create_with(queue_name(&request.queue_url), OnExisting::Required, laid_over).await?;
            json!({})
        }
        "PurgeQueue" => {
            let request: OneQueue = parse(body)?;
            context.queues.purge(queue_name(&request.queue_url)).await?;
            json!({})
        }
        "StartMessageMoveTask" => move_messages(context, parse(body)?).await?,
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

/// The parameters of a call.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::serialization(&error))
}

/// What lays `attributes` over a queue's settings.
fn lay_over(attributes: BTreeMap<String, String>) -> impl FnOnce(Settings) -> Result<Settings, QueueError> + Send {
    move |settings| settings.with_attributes(attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

async fn create(context: &Context, request: CreateQueue) -> Result<Value, ApiError> {
    if !request.tags.is_empty() {
        return Err(QueueError::Unsupported("a tag").into());
    }
    let laid_over = lay_over(request.attributes);
    let queue = context.queues.create_with(&request.queue_name, OnExisting::MustEqual, laid_over).await?;
    Ok(json!({ "QueueUrl": queue_url(context.address, &queue.name) }))
}

async fn list(context: &Context, request: ListQueues) -> Result<Value, ApiError> {
    let limit = request.max_results.unwrap_or(1_000);
    if !(1..=1_000).contains(&limit) {
        let reason = "Value for parameter MaxResults is invalid. Reason: Must be between 1 and 1000.";
        return Err(QueueError::InvalidParameter(reason.to_owned()).into());
    }
    // One more than asked for tells whether there is a next page.
    let mut names = context.queues.list(&request.queue_name_prefix, &request.next_token, limit + 1).await?;
    let more = names.len() > limit as usize;
    names.truncate(limit as usize);
    let mut answer = json!({});
    if more {
        answer["NextToken"] = names.last().cloned().into();
    }
    if !names.is_empty() {
        answer["QueueUrls"] = names.iter().map(|name| queue_url(context.address, name)).collect();
    }
    Ok(answer)
}

async fn get_attributes(context: &Context, request: GetQueueAttributes) -> Result<Value, ApiError> {
    let name = queue_name(&request.queue_url);
    let queue = context.queues.info(name).await?;
    let depths = context.queues.depths(name).await?;
    let mut all = queue.settings.attributes();
    all.extend([
        ("QueueArn", queue_arn(&queue.name)),
        ("CreatedTimestamp", queue.created.to_string()),
        ("LastModifiedTimestamp", queue.modified.to_string()),
        ("ApproximateNumberOfMessages", depths.visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", depths.in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", depths.delayed.to_string()),
    ]);
    let asked = &request.attribute_names;
    let known = |name: &String| name == "All" || all.contains_key(name.as_str()) || UNSET_ATTRIBUTES.contains(&name.as_str());
    if let Some(unknown) = asked.iter().find(|name| !known(name)) {
        return Err(QueueError::InvalidAttributeName(unknown.clone()).into());
    }
    if !asked.iter().any(|name| name == "All") {
        all.retain(|name, _| asked.iter().any(|asked| asked == name));
    }
    Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
}

async fn move_messages(context: &Context, request: StartMessageMoveTask) -> Result<Value, ApiError> {
    if request.max_number_of_messages_per_second.is_some() {
        return Err(QueueError::Unsupported("a limit on the speed of a move").into());
    }
    let name = |arn: &str| name_from_arn(arn).map(ToOwned::to_owned).ok_or(QueueError::NoSuchSource);
    let source = name(&request.source_arn)?;
    let destination = request.destination_arn.as_deref().map(name).transpose()?;
    let done = context.queues.redrive_to(&source, destination.as_deref()).await?;
    tracing::info!(queue = source, moved = done.moved, left = done.left, "dead letters moved");
    Ok(json!({ "TaskHandle": Uuid::now_v7().to_string() }))
}
