//! Waiting calls are started as slots are free: the intent is written, then the provider is asked, once.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;

use super::hook::address;
use super::{Jobs, StepError, won};
use crate::db::jobs::{NotTaken, Outcome};
use crate::domain::generation::{Call, Generation, Reason, Warning};
use crate::domain::job::Event;
use crate::domain::model::Model;
use crate::domain::request::ValidGeneration;
use crate::domain::user::{Status, User};
use crate::provider::request::build_body;
use crate::provider::{FailureCode, Submission, SubmitError, catalogue};
use crate::queue::Task;
use crate::secrets::SecretName;

/// How far down the line is looked for a call that may start: behind videos that wait for the video slot.
const LOOK_AHEAD: i32 = 25;

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
        let limits = user.limits(self.platform.config.limits);
        let mut started = Vec::new();
        let mut video_slot = true;
        for (id, video) in db.waiting(user.id, LOOK_AHEAD).await? {
            if video && !video_slot {
                continue;
            }
            let Some(call) = db.call(id).await? else { continue };
            let model = catalogue::find(&call.model).ok_or(StepError::Record("a call names no model of the catalogue"))?;
            let now = self.platform.clock.now();
            let deadline = now + self.deadline(model) + self.lost_answer();
            match db.take_slot(&call, &limits, now, deadline).await {
                Ok(()) => started.push((call, model)),
                Err(NotTaken::NoSlot) if video => video_slot = false,
                Err(NotTaken::NoSlot) => break,
                Err(NotTaken::Elsewhere) => {}
                Err(NotTaken::Failed(error)) => return Err(error.into()),
            }
        }
        for result in join_all(started.iter().map(|(call, model)| self.submit(call, model))).await {
            result?;
        }
        Ok(())
    }

    /// `call` is `SUBMITTING`, and this is the only run that will ever send it.
    async fn submit(&self, call: &Call, model: &'static Model) -> Result<(), StepError> {
        let db = &self.platform.db;
        let mut call = call.clone();
        call.state = crate::domain::job::CallState::Submitting;
        let generation = db.generation(call.user, call.generation).await?.ok_or(StepError::Record("a call without its generation"))?;
        let urls = match super::inputs::addresses(&self.platform, &generation).await? {
            Ok(urls) => urls,
            Err(reason) => return self.refuse(&call, Event::Rejected, reason).await,
        };
        let submission = Submission {
            endpoint: model.endpoint.clone(),
            body: build_body(model, &request_of(&generation), &urls, call.seed),
            webhook: if self.platform.config.webhooks.is_some() { Some(address(&self.platform, call.id).await?) } else { None },
            start_timeout: Duration::from_secs(u64::try_from(self.platform.config.deadlines.provider_start).unwrap_or(300)),
        };
        match self.provider.submit(&submission).await {
            Ok(request) => {
                let webhooks = self.platform.config.webhooks.is_some();
                won(db.accepted(call.id, &request, self.platform.clock.now() + first_look(webhooks)).await)?;
                let (polls, delay) = first_poll(webhooks);
                self.platform.queues.task(&Task::Poll { call: call.id, polls }, delay).await?;
                Ok(())
            }
            Err(SubmitError::Rejected(failure)) => {
                tracing::warn!(call.id = %call.id, code = failure.code.name(), "the provider refused a request");
                if failure.code == FailureCode::AccountRefused {
                    // The key may have been exchanged since it was read here; the next request shall know.
                    self.platform.secrets.distrust(SecretName::FalKey).await;
                }
                self.refuse(&call, Event::Rejected, Reason::from(&failure)).await
            }
            Err(SubmitError::NotSent(what)) => {
                tracing::warn!(call.id = %call.id, what, "the provider can't be reached");
                let message = "The provider couldn't be reached.".to_owned();
                self.refuse(&call, Event::Rejected, Reason { code: "provider-unreachable".to_owned(), message }).await
            }
            // It may be running. Whether it is, a callback or the deadline will tell; it is not sent again.
            Err(SubmitError::Ambiguous(what)) => {
                tracing::warn!(call.id = %call.id, what, "a submission's answer was lost");
                Ok(())
            }
        }
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
            // A call that was given up stays listed: a late word may still come.
            due: (event == Event::GaveUp).then(|| now + SignedDuration::from_secs(60)),
        };
        if won(self.platform.db.settle(call, &outcome, now).await)? && call.state.holds_slot() {
            self.platform.queues.task(&Task::Start { user: call.user }, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// How long the provider may take from acceptance to the end.
    pub(super) fn deadline(&self, model: &Model) -> SignedDuration {
        let deadlines = self.platform.config.deadlines;
        let run = i64::try_from(model.limits.deadline_ms).unwrap_or(i64::MAX).min(deadlines.run.saturating_mul(1000));
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
