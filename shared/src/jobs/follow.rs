//! Calls that the provider has: asking about them, and stopping them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Jobs, StepError, won};
use crate::domain::generation::{Call, Generation, ProviderRequest, Reason};
use crate::domain::job::{CallState, Event};
use crate::domain::model::Model;
use crate::provider::{AskError, Cancellation, Failure, FailureCode, Output, Progress, Verdict, catalogue};
use crate::queue::Task;
use crate::runtime::Platform;

/// Waits between looks within the first poll: a quick model is then done within a second, for less than a second of compute.
const QUICK_LOOKS_MS: [u64; 5] = [0, 60, 120, 200, 300];
/// A request that the provider doesn't know isn't lost before this.
const NEW: SignedDuration = SignedDuration::from_secs(60);
/// Bytes of a result that are kept with its call.
const MAX_PAYLOAD: usize = 256 * 1024;
/// Seconds before each later poll; the last goes on.
const PACE: [u64; 10] = [1, 1, 2, 2, 3, 5, 5, 10, 20, 30];

impl Jobs {
    /// Asks the provider about a call, and again later if there is nothing yet.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn poll(&self, id: crate::id::CallId, polls: u32) -> Result<(), StepError> {
        let looks = if polls == 0 { &QUICK_LOOKS_MS[..] } else { &[0] };
        for pause in looks {
            tokio::time::sleep(Duration::from_millis(*pause)).await;
            let Some(call) = self.platform.db.call(id).await? else { return Ok(()) };
            if !self.look(&call).await? {
                return Ok(());
            }
        }
        let index = usize::try_from(polls).unwrap_or(usize::MAX).min(PACE.len() - 1);
        let next = Task::Poll { call: id, polls: polls.saturating_add(1) };
        self.platform.queues.task(&next, Duration::from_secs(PACE[index])).await?;
        Ok(())
    }

    /// One look at a call. `true` when it is still the provider's turn.
    pub(super) async fn look(&self, call: &Call) -> Result<bool, StepError> {
        // One that has left the catalogue lends no names and no deadline; everything else goes on.
        let model = catalogue::find(&call.model);
        let (CallState::Submitted | CallState::Unknown, Some(request)) = (call.state, &call.request) else { return Ok(false) };
        if call.cancel_requested && call.state == CallState::Submitted && self.stop(call, request).await? {
            return Ok(false);
        }
        match self.provider.status(request).await {
            Ok(Progress::Over) => self.conclude(call, request, model).await,
            Ok(progress) => self.still(call, request, model, &progress).await,
            // It may take a moment until everybody over there knows it.
            Err(AskError::Unknown) if self.platform.clock.now() < call.submitted_at.unwrap_or(call.created_at) + NEW => {
                self.overdue(call, request, model).await
            }
            Err(AskError::Unknown) => {
                let message = "The provider lost the request. That is not your doing; try again.".to_owned();
                self.failed(call, Reason { code: "provider-error".to_owned(), message }).await?;
                Ok(false)
            }
            Err(error) => {
                account_refused(&error);
                tracing::warn!(call.id = %call.id, %error, "the provider didn't say how far a call is");
                self.overdue(call, request, model).await
            }
        }
    }

    /// The provider says that it is over; only the result tells how.
    async fn conclude(&self, call: &Call, request: &ProviderRequest, model: Option<&Model>) -> Result<bool, StepError> {
        match self.provider.result(request, model).await {
            Ok(Verdict::Output(output)) => {
                arrived(&self.platform, call, &output, None).await?;
                Ok(false)
            }
            Ok(Verdict::Failed(failure)) if failure.code == FailureCode::Cancelled && call.cancel_requested => {
                self.refuse(call, Event::Cancelled, Reason::from(&failure)).await?;
                Ok(false)
            }
            Ok(Verdict::Failed(failure)) => {
                self.failed(call, Reason::from(&failure)).await?;
                Ok(false)
            }
            Ok(Verdict::NotYet) => self.overdue(call, request, model).await,
            Err(AskError::Unknown) => {
                let message = "The provider no longer has the result. That is not your doing; try again.".to_owned();
                self.failed(call, Reason { code: "provider-error".to_owned(), message }).await?;
                Ok(false)
            }
            Err(error) => {
                account_refused(&error);
                tracing::warn!(call.id = %call.id, %error, "a result could not be read");
                self.overdue(call, request, model).await
            }
        }
    }

    /// The provider failed. Late bad news about a call that was given up changes nothing.
    async fn failed(&self, call: &Call, reason: Reason) -> Result<(), StepError> {
        if call.state == CallState::Unknown {
            won(self.platform.db.forget(call.id).await)?;
            return Ok(());
        }
        self.refuse(call, Event::ProviderFailed, reason).await
    }

    async fn still(&self, call: &Call, request: &ProviderRequest, model: Option<&Model>, progress: &Progress) -> Result<bool, StepError> {
        let (running, position) = match progress {
            Progress::Queued(position) => (false, *position),
            Progress::Running | Progress::Over => (true, None),
        };
        if call.state == CallState::Submitted && (call.running, call.queue_position) != (running, position) {
            let due = self.platform.clock.now() + SignedDuration::from_secs(60);
            won(self.platform.db.heard(call.id, running, position, due).await)?;
        }
        self.overdue(call, request, model).await
    }

    /// Gives a call up whose time is over: what the provider still does is stopped if it can be, and never charged.
    async fn overdue(&self, call: &Call, request: &ProviderRequest, model: Option<&Model>) -> Result<bool, StepError> {
        let now = self.platform.clock.now();
        let since = call.submitted_at.unwrap_or(call.created_at);
        if call.state != CallState::Submitted || now < since + self.deadline(model) {
            return Ok(true);
        }
        if let Err(error) = self.provider.cancel(request).await {
            tracing::warn!(call.id = %call.id, %error, "an overdue call could not be stopped");
        }
        self.give_up(call).await?;
        Ok(false)
    }

    /// `→ UNKNOWN`: the units are given back; a result that comes after all is delivered free.
    pub(super) async fn give_up(&self, call: &Call) -> Result<(), StepError> {
        let message =
            "The provider didn't answer in time. That is not your doing; should something come after all, you get it free.".to_owned();
        self.refuse(call, Event::GaveUp, Reason { code: "unknown-outcome".to_owned(), message }).await
    }

    /// Stops a call at the provider. `true` when it will never run.
    pub(super) async fn stop(&self, call: &Call, request: &ProviderRequest) -> Result<bool, StepError> {
        match self.provider.cancel(request).await {
            Ok(Cancellation::Stopped) => {
                self.refuse(call, Event::Cancelled, cancelled()).await?;
                Ok(true)
            }
            Ok(Cancellation::Requested | Cancellation::TooLate) => Ok(false),
            Err(error) => {
                tracing::warn!(call.id = %call.id, %error, "a call could not be stopped");
                Ok(false)
            }
        }
    }

    /// Ends what waits of a generation and asks the provider to stop the rest.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn cancel(&self, generation: &Generation) -> Result<(), StepError> {
        let now = self.platform.clock.now();
        // Those in line first: a slot that the others free would start them.
        for call in self.platform.db.calls(&generation.calls).await? {
            if call.state == CallState::Waiting {
                self.refuse(&call, Event::Cancelled, cancelled()).await?;
            }
        }
        // Read anew: one that was started in between is stopped like the others.
        for call in self.platform.db.calls(&generation.calls).await? {
            if matches!(call.state, CallState::Submitting | CallState::Submitted) {
                self.ask_to_stop(&call, now).await?;
            }
        }
        Ok(())
    }

    /// Notes the wish with the call, and has `worker` pass it on.
    async fn ask_to_stop(&self, call: &Call, now: Timestamp) -> Result<(), StepError> {
        if won(self.platform.db.request_cancel(call.id, now).await)? {
            self.platform.queues.task(&Task::Poll { call: call.id, polls: 0 }, Duration::ZERO).await?;
        }
        Ok(())
    }
}

/// Our account is refused where results are asked for, too: an operator's matter. The call waits on.
fn account_refused(error: &AskError) {
    if let AskError::Refused(failure) = error {
        tracing::error!(provider_account = failure.code.name(), "the provider refuses our account");
    }
}

/// A result, from a poll or a callback: kept with the call, then `ingest` is asked to store it. `learned` is how the provider
/// knows the request, when the call doesn't say yet.
pub(super) async fn arrived(platform: &Platform, call: &Call, output: &Output, learned: Option<&ProviderRequest>) -> Result<(), StepError> {
    let payload =
        serde_json::to_string(&kept(output, call.assets.len())).map_err(|_| StepError::Record("a result that can't be written down"))?;
    let now = platform.clock.now();
    let due = now + SignedDuration::from_secs(platform.config.deadlines.result);
    if won(platform.db.result_arrived(call.id, &payload, learned, (now, due)).await)? {
        platform.queues.import_result(call.id).await?;
    }
    Ok(())
}

/// What is kept of a result with a call that may deliver `outputs`: an item of the table holds 400 KB, of which a medium that is
/// written out in its address may take most. A larger one is as good as none: no model is asked to answer so.
fn kept(output: &Output, outputs: usize) -> Output {
    let most = MAX_PAYLOAD / outputs.max(1);
    let mut output = output.clone();
    output.media.truncate(outputs);
    for medium in &mut output.media {
        if medium.as_ref().is_ok_and(|medium| medium.url.len() > most) {
            *medium = Err(Failure::new(FailureCode::Unusable));
        }
    }
    output
}

pub(super) fn cancelled() -> Reason {
    Reason { code: "cancelled".to_owned(), message: "Cancelled.".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ProviderMedia;

    fn medium(length: usize) -> Result<ProviderMedia, Failure> {
        let url = "x".repeat(length);
        Ok(ProviderMedia { url, content_type: None, width: None, height: None, duration_ms: None })
    }

    #[test]
    fn whatever_the_provider_answers_fits_into_an_item() {
        let output = Output { media: vec![medium(MAX_PAYLOAD), medium(MAX_PAYLOAD + 1), medium(10)], ..Output::default() };
        let one = kept(&output, 1);
        assert_eq!((one.media.len(), one.media[0].is_ok()), (1, true));
        let three = kept(&output, 3);
        assert_eq!(three.media.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true]);
        for output in [one, three] {
            assert!(serde_json::to_string(&output).unwrap().len() < 300 * 1024);
        }
    }
}
