//! Callbacks of the provider: the address that is given out with a request, and what is done when it is called.
//!
//! The address names the call and carries a MAC, so a callback finds its call even when the process died before it could store
//! the provider's id of the request, and nobody else's request can end up at one of ours.

use std::time::Duration;

use hmac::{Hmac, Mac as _};
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::follow::arrived;
use super::{StepError, won};
use crate::domain::job::CallState;
use crate::id::CallId;
use crate::provider::{Verdict, answers, catalogue, fal};
use crate::queue::Task;
use crate::runtime::Platform;
use crate::secrets::SecretName;

/// A call is sent once; the address says which time it is all the same, so that a second one could never pass for the first.
const ATTEMPT: u32 = 1;

/// Why a callback with a good signature is about nothing of ours.
#[derive(Debug, thiserror::Error)]
pub enum NotOurs {
    /// No call waits for it.
    #[error("no such call was sent")]
    Unknown,
    /// The call is another request's.
    #[error("the call belongs to another request")]
    OtherRequest,
    /// The body says nothing.
    #[error(transparent)]
    Body(#[from] answers::NotANotice),
}

/// Where the provider is to call when it is done with `call`.
///
/// # Errors
/// When the key can't be read.
pub async fn address(platform: &Platform, call: CallId) -> Result<String, StepError> {
    let key = platform.secrets.get(SecretName::WebhookMacKey).await?;
    let mac = hex::encode(mac(&key, call, ATTEMPT)?.finalize().into_bytes());
    Ok(format!("{}/hooks/fal/{call}/{ATTEMPT}/{mac}", platform.config.origin))
}

/// Whether we gave the address with these parts to the provider: with the key in use, or, while it is exchanged, the one before it.
///
/// # Errors
/// When the key can't be read.
pub async fn is_ours(platform: &Platform, call: CallId, attempt: u32, code: &str) -> Result<bool, StepError> {
    let Ok(code) = hex::decode(code) else { return Ok(false) };
    if attempt != ATTEMPT {
        return Ok(false);
    }
    let fits = async || {
        for key in platform.secrets.accepted(SecretName::WebhookMacKey).await? {
            if mac(&key, call, attempt)?.verify_slice(&code).is_ok() {
                return Ok::<_, StepError>(true);
            }
        }
        Ok(false)
    };
    if fits().await? {
        return Ok(true);
    }
    // The key may have been exchanged since it was read here.
    platform.secrets.distrust(SecretName::WebhookMacKey).await;
    fits().await
}

fn mac(key: &SecretString, call: CallId, attempt: u32) -> Result<Hmac<Sha256>, StepError> {
    let key = hex::decode(key.expose_secret()).map_err(|_| StepError::Record("the key of callbacks is not hexadecimal"))?;
    let mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| StepError::Record("the key of callbacks is unusable"))?;
    Ok(mac.chain_update(format!("fal\n{call}\n{attempt}")))
}

/// Takes what the provider says about the request with the signed id `signed`: a result is kept with the call and queued for
/// `ingest`; whatever else it is, `worker` is sent to ask, as only the result itself tells how it ended.
///
/// A repetition changes nothing and is as good as the first.
///
/// # Errors
/// [`StepError`] when the provider should call again, [`NotOurs`] when that would be of no use.
pub async fn callback(platform: &Platform, id: CallId, signed: &str, body: &[u8]) -> Result<Result<(), NotOurs>, StepError> {
    let Some(call) = platform.db.call(id).await?.filter(|call| call.state != CallState::Waiting) else {
        return Ok(Err(NotOurs::Unknown));
    };
    let model = catalogue::find(&call.model);
    let notice = match answers::notice(body, model) {
        Ok(notice) => notice,
        Err(error) => return Ok(Err(error.into())),
    };
    // After a retry of its own the provider knows a request by two names.
    let names = |id: &str| notice.request_id == id || notice.gateway_request_id.as_deref() == Some(id);
    if !names(signed) || call.request.as_ref().is_some_and(|request| !names(&request.id)) {
        return Ok(Err(NotOurs::OtherRequest));
    }
    if !matches!(call.state, CallState::Submitting | CallState::Submitted | CallState::Unknown) {
        return Ok(Ok(()));
    }
    // The answer to our submission was lost, or is slower than this.
    let learned = match (&call.request, model) {
        (None, Some(model)) => match fal::request_at(&platform.config.fal_queue, &model.endpoint, signed) {
            None => return Ok(Err(NotOurs::OtherRequest)),
            learned => learned,
        },
        _ => None,
    };
    if let Some(Verdict::Output(output)) = &notice.verdict {
        arrived(platform, &call, output, learned.as_ref()).await?;
        return Ok(Ok(()));
    }
    if let Some(request) = &learned {
        won(platform.db.accepted(call.id, request, platform.clock.now() + SignedDuration::from_secs(60)).await)?;
    }
    platform.queues.task(&Task::Poll { call: call.id, polls: 0 }, Duration::ZERO).await?;
    Ok(Ok(()))
}
