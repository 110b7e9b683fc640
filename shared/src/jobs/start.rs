//! Waiting calls are started as slots are free: the intent is written, then the provider is asked, once.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;

use super::follow::cancelled;
use super::gate::{self, Pass, Seen};
use super::hook::address;
use super::{Jobs, StepError, won};
use crate::db::jobs::NotTaken;
use crate::db::settle::Outcome;
use crate::domain::breaker::Fault;
use crate::domain::generation::{Call, Generation, ProviderRequest, Reason, Warning};
use crate::domain::job::{CallState, Event};
use crate::domain::model::Model;
use crate::domain::request::ValidGeneration;
use crate::domain::user::{Status, User};
use crate::id::CallId;
use crate::provider::request::build_body;
use crate::provider::{FailureCode, Submission, SubmitError, catalogue};
use crate::queue::Task;
use crate::secrets::SecretName;

/// How far down the line is looked for a call that may start: behind videos that wait for the video slot.
const LOOK_AHEAD: i32 = 25;
/// Seconds before a call is sent again that could not be sent: a restart over there takes no longer. It fails after the last.
const RETRIES: [u64; 5] = [5, 10, 20, 40, 80];
/// After this an intent isn't acted upon any more, but taken back: whoever wrote it was frozen in between, as a sandbox is whose request
/// was answered. What was sent in time is never taken back.
const INTENT_LIVES: SignedDuration = SignedDuration::from_secs(30);
/// How long a call of a model that is no longer in the catalogue may take.
const UNKNOWN_MODEL_MS: u64 = 3_600_000;

impl Jobs {
    /// Starts as many of `user`'s waiting calls as slots are free, in order. A video that has to wait for the video slot doesn't
    /// hold up the images behind it. Failures are logged: `worker` finds what is left over.
    pub async fn start(&self, user: &User) {
        if let Err(error) = self.try_start(user).await {
            tracing::warn!(user.id = %user.id, error = &error as &dyn std::error::Error, "waiting calls could not be started");
        }
    }

    /// As [`Jobs::start`].
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn try_start(&self, user: &User) -> Result<(), StepError> {
        let db = &self.platform.db;
        // What still waits is about to be ended.
        if user.status == Status::Deleting {
            return Ok(());
        }
        let line = db.waiting(user.id, LOOK_AHEAD).await?;
        if line.is_empty() {
            return Ok(());
        }
        let pass = gate::pass(&self.platform).await?;
        let most = match pass {
            Pass::Free => usize::MAX,
            Pass::Trial(_) => 1,
            Pass::Shut => return Ok(()),
        };
        let mut started = Vec::new();
        let taken = self.take_slots(user, &line, most, &mut started).await;
        if let (Pass::Trial(trial), true) = (&pass, started.is_empty()) {
            gate::give_back(&self.platform, trial).await?;
        }
        // What has a slot is sent, whatever kept the others from getting one.
        for result in join_all(started.iter().map(|(call, model)| self.submit(call, *model, &pass))).await {
            result?;
        }
        taken
    }

    /// Takes slots for the first of `line` that may start, `most` at most, and adds them to `started`.
    async fn take_slots(
        &self,
        user: &User,
        line: &[(CallId, bool)],
        most: usize,
        started: &mut Vec<(Call, Option<&'static Model>)>,
    ) -> Result<(), StepError> {
        let db = &self.platform.db;
        let limits = user.limits(self.platform.config.limits);
        let mut video_slot = true;
        for (id, video) in line {
            if *video && !video_slot {
                continue;
            }
            let Some(mut call) = db.call(*id).await? else { continue };
            let now = self.platform.clock.now();
            if call.cancel_requested && call.state == CallState::Waiting {
                self.refuse(&call, Event::Cancelled, cancelled()).await?;
                continue;
            }
            if call.retry_at.is_some_and(|retry_at| retry_at > now) {
                continue;
            }
            let model = catalogue::find(&call.model);
            let deadline = now + self.deadline(model) + self.lost_answer();
            match db.take_slot(&call, &limits, now, deadline).await {
                Ok(()) => {
                    (call.state, call.submitted_at) = (CallState::Submitting, Some(now));
                    started.push((call, model));
                }
                Err(NotTaken::NoSlot) if *video => video_slot = false,
                Err(NotTaken::NoSlot) => break,
                Err(NotTaken::Elsewhere) => {}
                Err(NotTaken::Failed(error)) => return Err(error.into()),
            }
            if started.len() >= most {
                break;
            }
        }
        Ok(())
    }

    /// `call` is `SUBMITTING`, and this is the only run that will send it.
    async fn submit(&self, call: &Call, model: Option<&'static Model>, pass: &Pass) -> Result<(), StepError> {
        let submission = match self.prepare(call, model).await {
            // Nothing was asked of the provider, so nothing was learned.
            Ok(None) => return gate::saw(&self.platform, pass, Seen::Nothing).await.map(drop),
            Ok(Some(submission)) if self.is_fresh(call) => submission,
            // Not sent, and not going to be: its slot must not wait for the deadline of those that may have been.
            late => {
                tracing::warn!(call.id = %call.id, "a call could not be sent in time");
                let message = "It could not be sent in time. That is not your doing; try again.".to_owned();
                self.not_sent(call, Reason { code: "not-sent".to_owned(), message }).await?;
                gate::saw(&self.platform, pass, Seen::Nothing).await?;
                return late.map(drop);
            }
        };
        let (seen, done) = match self.provider.submit(&submission).await {
            Ok(request) => (Seen::Good, self.sent(call, &request).await),
            Err(SubmitError::Rejected(failure)) => {
                tracing::warn!(call.id = %call.id, code = failure.code.name(), "the provider refused a request");
                if failure.code == FailureCode::AccountRefused {
                    // The key may have been exchanged since it was read here; the next request shall know.
                    self.platform.secrets.distrust(SecretName::FalKey).await;
                }
                let done = match failure.code {
                    FailureCode::ProviderBusy => self.not_sent(call, Reason::from(&failure)).await,
                    _ => self.refuse(call, Event::Rejected, Reason::from(&failure)).await,
                };
                (Seen::of(&failure), done)
            }
            Err(SubmitError::NotSent(what)) => {
                tracing::warn!(call.id = %call.id, what, "the provider can't be reached");
                let message = "The provider couldn't be reached. That is not your doing.".to_owned();
                (Seen::Bad(Fault::Provider), self.not_sent(call, Reason { code: "provider-unreachable".to_owned(), message }).await)
            }
            // Its user needn't wait for a word that will hardly come. Should it come after all, the result is delivered free.
            Err(SubmitError::Broken(what)) => {
                tracing::warn!(call.id = %call.id, what, "the provider broke while it was asked");
                let message = "The provider had a problem when it was asked. That is not your doing; try again later.".to_owned();
                let reason = Reason { code: "provider-error".to_owned(), message };
                (Seen::Bad(Fault::Provider), self.refuse(call, Event::GaveUp, reason).await)
            }
            // It may be running. Whether it is, a callback or the deadline will tell; it is not sent again.
            Err(SubmitError::Ambiguous(what)) => {
                tracing::warn!(call.id = %call.id, what, "a submission's answer was lost");
                (Seen::Bad(Fault::Provider), Ok(()))
            }
        };
        if gate::saw(&self.platform, pass, seen).await? {
            self.platform.queues.task(&Task::Start { user: call.user }, Duration::ZERO).await?;
        }
        done
    }

    /// What is sent for `call`; `None` when it has ended instead.
    async fn prepare(&self, call: &Call, model: Option<&'static Model>) -> Result<Option<Submission>, StepError> {
        let Some(generation) = self.platform.db.generation(call.user, call.generation).await? else {
            super::bury(&self.platform, call).await?;
            return Ok(None);
        };
        let Some(model) = model else {
            let message = "This model is no longer offered. Choose another.".to_owned();
            self.refuse(call, Event::Rejected, Reason { code: "model-gone".to_owned(), message }).await?;
            return Ok(None);
        };
        let urls = match super::inputs::addresses(&self.platform, &generation).await? {
            Ok(urls) => urls,
            Err(reason) => {
                self.refuse(call, Event::Rejected, reason).await?;
                return Ok(None);
            }
        };
        let webhooks = self.platform.config.webhooks.is_some();
        Ok(Some(Submission {
            endpoint: model.endpoint.clone(),
            body: build_body(model, &request_of(&generation), &urls, call.seed),
            webhook: if webhooks { Some(address(&self.platform, call.id).await?) } else { None },
            start_timeout: Duration::from_secs(u64::try_from(self.platform.config.deadlines.provider_start).unwrap_or(300)),
        }))
    }

    fn is_fresh(&self, call: &Call) -> bool {
        call.submitted_at.is_some_and(|intent| self.platform.clock.now() < intent + INTENT_LIVES)
    }

    /// The provider has it.
    async fn sent(&self, call: &Call, request: &ProviderRequest) -> Result<(), StepError> {
        let webhooks = self.platform.config.webhooks.is_some();
        won(self.platform.db.accepted(call.id, request, self.platform.clock.now() + first_look(webhooks)).await)?;
        let (polls, delay) = first_poll(webhooks);
        self.platform.queues.task(&Task::Poll { call: call.id, polls }, delay).await?;
        Ok(())
    }

    /// Back in line for another time, a bounded number of times.
    async fn not_sent(&self, call: &Call, reason: Reason) -> Result<(), StepError> {
        let attempts = usize::try_from(call.attempts).unwrap_or(usize::MAX);
        let Some(pause) = RETRIES.get(attempts) else { return self.refuse(call, Event::Rejected, reason).await };
        let pause = Duration::from_secs(*pause);
        let retry_at = self.platform.clock.now() + pause;
        if won(self.platform.db.put_back(call, retry_at).await)? {
            self.platform.queues.task(&Task::Start { user: call.user }, pause).await?;
        }
        Ok(())
    }

    /// Ends a call without a delivery and lets the next one start.
    pub(super) async fn refuse(&self, call: &Call, event: Event, reason: Reason) -> Result<(), StepError> {
        let now = self.platform.clock.now();
        let outcome = Outcome {
            event,
            assets: Vec::new(),
            warnings: vec![Warning {
                output: call.output,
                code: reason.code.clone(),
                message: format!("{} Nothing was charged for it.", reason.message),
            }],
            reason: Some(reason),
            price: None,
            billable_units: None,
            // A call that was given up stays listed: a late word may still come.
            due: (event == Event::GaveUp).then(|| now + SignedDuration::from_secs(60)),
        };
        if won(self.platform.db.settle(call, &outcome, now).await)? {
            if call.state.holds_slot() {
                self.platform.queues.task(&Task::Start { user: call.user }, Duration::ZERO).await?;
            }
            return super::tell(&self.platform, call).await;
        }
        super::bury_if_stuck(&self.platform, call).await
    }

    /// How long the provider may take from acceptance to the end.
    pub(super) fn deadline(&self, model: Option<&Model>) -> SignedDuration {
        let deadlines = self.platform.config.deadlines;
        let run = i64::try_from(model.map_or(UNKNOWN_MODEL_MS, |model| model.limits.deadline_ms))
            .unwrap_or(i64::MAX)
            .min(deadlines.run.saturating_mul(1000));
        SignedDuration::from_secs(deadlines.provider_start) + SignedDuration::from_millis(run)
    }

    /// How much longer a call without an answer is waited for: as long as callbacks are repeated, when there are any.
    fn lost_answer(&self) -> SignedDuration {
        let config = &self.platform.config;
        if config.webhooks.is_some() { SignedDuration::from_secs(config.deadlines.lost_answer) } else { SignedDuration::ZERO }
    }
}

/// The first poll, and when: at once, with quick looks, when nothing else would tell of the end; at an easy pace when a callback
/// will, and polls only say how far it is and stand in for a callback that is lost.
const fn first_poll(webhooks: bool) -> (u32, Duration) {
    if webhooks { (3, Duration::from_secs(2)) } else { (0, Duration::ZERO) }
}

/// When the sweeper polls if the task of [`first_poll`] was lost.
const fn first_look(webhooks: bool) -> SignedDuration {
    SignedDuration::from_secs(if webhooks { 60 } else { 15 })
}

fn request_of(generation: &Generation) -> ValidGeneration {
    ValidGeneration {
        model: generation.model.clone(),
        outputs: generation.outputs,
        inputs: generation.inputs.clone(),
        parameters: generation.parameters.clone(),
        collection: generation.collection,
        callback_url: None,
    }
}
