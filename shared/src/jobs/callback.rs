//! Our own webhooks: the address that a request named is told once its generation is over.
//!
//! The item that says so is written with the generation and stays listed until the address has taken the message or is given up, so
//! nothing is lost with a process. An attempt is counted before it is made, and its lease keeps others from making another one
//! meanwhile. After a crash between the two the message goes out again, under the same id.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use serde::Serialize;

use super::StepError;
use crate::auth::callback::CallbackSecret;
use crate::db::Lost;
use crate::domain::callback::{Attempted, Callback, CallbackState, MOST_ATTEMPTS, attempted};
use crate::domain::generation::{Generation, Progress};
use crate::domain::user::Status;
use crate::id::{GenerationId, UserId};
use crate::outbound::{Patience, describe};
use crate::runtime::Platform;
use crate::view::{Addresses, GenerationView};

/// How long an address may take to answer. Nothing of the answer but its status is read.
pub(crate) const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(5), idle: Duration::from_secs(10), total: Duration::from_secs(10) };
/// Twice that, and what is written before and after it.
const LEASE: SignedDuration = SignedDuration::from_secs(25);

/// The body of a webhook.
#[derive(Serialize)]
struct Message {
    #[serde(rename = "type")]
    kind: &'static str,
    /// When it was over: the same at every attempt.
    timestamp: jiff::Timestamp,
    data: GenerationView,
}

/// Tells the address of a generation's callback, if it is over and nobody else is at it.
///
/// # Errors
/// [`StepError`]: `worker` comes back to it.
pub async fn call_back(platform: &Platform, user: UserId, id: GenerationId) -> Result<(), StepError> {
    let (db, now) = (&platform.db, platform.clock.now());
    let Some(mut callback) = db.callback(user, id).await?.filter(|callback| callback.state == CallbackState::Pending) else {
        return Ok(());
    };
    let generation = db.generation(user, id).await?;
    let owner = db.user(user).await?.filter(|owner| owner.status == Status::Active);
    let (Some(generation), Some(_)) = (generation, owner) else { return end(platform, &callback, None, CallbackState::Failed).await };
    if generation.open > 0 {
        return Ok(());
    }
    if callback.attempts >= MOST_ATTEMPTS {
        return end(platform, &callback, callback.last_status, CallbackState::Failed).await;
    }
    match db.attempt_callback(&callback, now, LEASE).await {
        Ok(()) => (callback.attempts, callback.last_attempt_at) = (callback.attempts + 1, Some(now)),
        Err(Lost::Condition { .. }) => return Ok(()),
        Err(Lost::Failed(error)) => return Err(error.into()),
    }
    let status = send(platform, &callback, generation).await?;
    match attempted(status, callback.attempts, crate::id::random::<1>()[0]) {
        Attempted::Delivered => end(platform, &callback, status, CallbackState::Delivered).await,
        Attempted::Failed => end(platform, &callback, status, CallbackState::Failed).await,
        Attempted::Again(pause) => {
            let again = Some(platform.clock.now() + pause);
            lost(db.callback_attempted(&callback, status, CallbackState::Pending, again).await)
        }
    }
}

/// Sends it once; the status of the answer, if there is one.
async fn send(platform: &Platform, callback: &Callback, generation: Generation) -> Result<Option<u16>, StepError> {
    let (id, timestamp) = (callback.generation.to_string(), platform.clock.now().as_second());
    let body = body(platform, callback, generation).await?;
    let secret = CallbackSecret::of(&platform.secrets, callback.user).await?;
    // What was accepted by another configuration isn't called by this one.
    let url = match platform.callbacks.check(&callback.url) {
        Ok(url) => url,
        Err(refusal) => {
            tracing::warn!(generation.id = %id, %refusal, "a callback's address is refused");
            return Ok(None);
        }
    };
    let request = platform
        .callback_client()
        .await?
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("ai-image-generator/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", &id)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", secret.sign(&id, timestamp, &body)?)
        .body(body);
    // The address may hold a secret of the receiver's: it is in no log line.
    match request.send().await {
        Ok(answer) => {
            tracing::info!(generation.id = %id, attempts = callback.attempts, status = answer.status().as_u16(), "called back");
            Ok(Some(answer.status().as_u16()))
        }
        Err(error) => {
            let error = describe(&error.without_url());
            tracing::info!(generation.id = %id, attempts = callback.attempts, error, "a callback got no answer");
            Ok(None)
        }
    }
}

/// The generation as the API shows it, with plain paths instead of signed addresses: a message may be kept, and read by whoever
/// keeps it.
async fn body(platform: &Platform, callback: &Callback, generation: Generation) -> Result<Vec<u8>, StepError> {
    let kind = match generation.progress(&[]) {
        Progress::Complete => "generation.complete",
        Progress::Cancelled => "generation.cancelled",
        Progress::Unknown => "generation.unknown",
        Progress::Failed | Progress::Queued | Progress::Running | Progress::Storing => "generation.failed",
    };
    let assets = platform.db.assets_by_id(generation.user, &generation.assets).await?;
    let timestamp = generation.settled_at.unwrap_or(generation.created_at);
    let data = GenerationView::of(generation, &[], &assets, std::slice::from_ref(callback), &Addresses::Plain);
    serde_json::to_vec(&Message { kind, timestamp, data }).map_err(|_| StepError::Record("a generation that can't be written down"))
}

async fn end(platform: &Platform, callback: &Callback, status: Option<u16>, state: CallbackState) -> Result<(), StepError> {
    if state == CallbackState::Failed {
        tracing::warn!(generation.id = %callback.generation, attempts = callback.attempts, "a callback is given up");
    }
    lost(platform.db.callback_attempted(callback, status, state, None).await)
}

/// Somebody else was faster, which is fine.
fn lost(result: Result<(), Lost>) -> Result<(), StepError> {
    match result {
        Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
        Err(Lost::Failed(error)) => Err(error.into()),
    }
}
