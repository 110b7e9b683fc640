//! The generation job's use cases: what moves a call along its state machine.
//!
//! Each step reads the call, does one thing outside (or nothing), and writes one arrow whose condition names the state it left.
//! A step may be interrupted anywhere and run again by anybody: whoever comes second finds its condition false and stops.
//! `worker` owns every state that isn't final; tasks and webhooks only make it faster.

mod bill;
#[cfg(feature = "view")]
pub(crate) mod callback;
mod erase;
mod export;
#[cfg(feature = "codec")]
mod fit;
mod follow;
pub mod gate;
pub mod hook;
#[cfg(feature = "codec")]
mod import;
mod inputs;
mod plan;
#[cfg(feature = "video")]
mod poster;
mod start;
mod sweep;
mod trash;
pub mod verify;

#[cfg(feature = "view")]
pub use callback::call_back;
pub use erase::hurry_deletion;
pub use export::{Pace, export, hurry_export};
#[cfg(feature = "codec")]
pub use fit::fit_inputs;
#[cfg(feature = "codec")]
pub use import::import;
pub use inputs::{InputError, Picture, check_inputs};
pub use plan::{Windows, plan, resets};
#[cfg(feature = "video")]
pub use poster::make_poster;

use std::sync::Arc;

use jiff::SignedDuration;

use crate::db::DbError;
use crate::db::jobs::NotTaken;
use crate::domain::generation::{Call, Reason};
use crate::provider::Provider;
use crate::queue::{JobError, SendError, Task};
use crate::runtime::Platform;
use crate::secrets::SecretError;

/// A result is given up this long after it came, however few receipts its latest message has: the provider keeps it for an hour.
const RESULTS_LIVE: SignedDuration = SignedDuration::from_mins(75);

/// A step couldn't be finished for want of something below it. Nothing is lost: `worker` comes back to it.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The table.
    #[error("the step stopped at the table")]
    Table(#[from] DbError),
    /// A queue.
    #[error("the step stopped at a queue")]
    Queue(#[from] SendError),
    /// The provider's key.
    #[error("the step stopped at a secret")]
    Secret(#[from] SecretError),
    /// The provider's client.
    #[error("the step stopped at the provider's client")]
    Client(#[from] crate::provider::FetchError),
    /// The client for addresses that clients named.
    #[error("the step stopped at the client for callbacks")]
    Outbound(#[from] crate::outbound::ClientError),
    /// What callbacks are signed with.
    #[error("the step stopped at the signature of a callback")]
    Signing(#[from] crate::auth::callback::SigningError),
    /// The buckets.
    #[error("the step stopped at the media")]
    Media(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A record that contradicts another.
    #[error("the step stopped at a record: {0}")]
    Record(&'static str),
}

impl From<StepError> for JobError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Record(what) => Self::Permanent(what),
            other => Self::Transient("the step was interrupted", Box::new(other)),
        }
    }
}

/// Losing an arrow means that somebody else was faster, which is fine; a failing table isn't.
fn won(result: Result<(), NotTaken>) -> Result<bool, StepError> {
    match result {
        Ok(()) => Ok(true),
        Err(NotTaken::Elsewhere | NotTaken::NoSlot) => Ok(false),
        Err(NotTaken::Failed(error)) => Err(error.into()),
    }
}

/// Has `worker` tell whoever wants to hear that a generation is over, unless it isn't: then nothing comes of it.
async fn tell(platform: &Platform, call: &Call) -> Result<(), StepError> {
    if call.callback {
        let task = Task::CallBack { user: call.user, generation: call.generation };
        platform.queues.task(&task, std::time::Duration::ZERO).await?;
    }
    Ok(())
}

/// Ends a call whose generation or user is gone.
async fn bury(platform: &Platform, call: &Call) -> Result<(), StepError> {
    tracing::error!(call.id = %call.id, state = call.state.name(), "a call without its generation is ended");
    won(platform.db.bury(call, platform.clock.now()).await).map(drop)
}

/// After an arrow was lost: usually somebody else was faster. When the call stands where it stood, what it belongs to is gone.
async fn bury_if_stuck(platform: &Platform, call: &Call) -> Result<(), StepError> {
    let stands = platform.db.call(call.id).await?.is_some_and(|now| now.state == call.state);
    if stands && platform.db.generation(call.user, call.generation).await?.is_none() {
        return bury(platform, call).await;
    }
    Ok(())
}

/// Told when a result was there and never got into the library.
fn not_stored() -> Reason {
    let message = "What the model made could not be copied to your library. That is not your doing; try again.".to_owned();
    Reason { code: "storing-failed".to_owned(), message }
}

/// The steps that talk to the provider.
#[derive(Clone, Debug)]
pub struct Jobs {
    platform: Platform,
    provider: Arc<dyn Provider>,
}

impl Jobs {
    /// On `platform`, with its provider.
    ///
    /// # Errors
    /// When the provider's key can't be read.
    pub async fn new(platform: &Platform) -> Result<Self, StepError> {
        Ok(Self { platform: platform.clone(), provider: platform.provider().await? })
    }
}
