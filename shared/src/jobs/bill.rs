//! What the provider billed, where a result came without saying so: a callback never does.
//!
//! Only the answer with the result itself names the billable units. It is asked for after the delivery, so that nobody waits for it,
//! and again for half an hour; when it can't be had by then, what was estimated stands.

use std::time::Duration;

use super::{Jobs, StepError, won};
use crate::domain::generation::Generation;
use crate::domain::job::CallState;
use crate::domain::money::Money;
use crate::id::CallId;
use crate::provider::{AskError, Verdict, catalogue};
use crate::queue::Task;

/// Seconds before each time it is asked again.
const PACE: [u64; 6] = [2, 3, 30, 120, 600, 900];

impl Jobs {
    /// Asks the provider what it billed for a delivered call, and corrects what was written down for it; again later, if it was
    /// asked `tries` times before and can't say it yet.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn bill(&self, id: CallId, tries: u32) -> Result<(), StepError> {
        let db = &self.platform.db;
        let Some(call) = db.call(id).await? else { return Ok(()) };
        let delivered = matches!(call.state, CallState::Complete | CallState::CompleteFree);
        let (true, None, Some(request)) = (delivered, call.billable_units, &call.request) else { return Ok(()) };
        let error = match self.provider.result(request, catalogue::find(&call.model)).await {
            Ok(Verdict::Output(output)) => {
                let (Some(units), Some(generation)) = (output.billable_units, db.generation(call.user, call.generation).await?) else {
                    return Ok(());
                };
                return won(db.bill(&call, units, billed(&generation, units)).await).map(drop);
            }
            // Its callback may be there before its result.
            Ok(Verdict::NotYet) => "it isn't over".to_owned(),
            Ok(Verdict::Failed(failure)) | Err(AskError::Refused(failure)) => failure.to_string(),
            Err(error) => error.to_string(),
        };
        match PACE.get(usize::try_from(tries).unwrap_or(usize::MAX)) {
            Some(pause) => {
                let next = Task::Bill { call: id, tries: tries.saturating_add(1) };
                self.platform.queues.task(&next, Duration::from_secs(*pause)).await?;
            }
            None => tracing::warn!(call.id = %id, error, "what the provider billed can't be learned: the estimate stands"),
        }
        Ok(())
    }
}

/// Millionths of a dollar for `units` of the provider's, at the price of the request's own parameters. `None` when nobody can say.
pub(super) fn billed(generation: &Generation, units: f64) -> Option<i64> {
    let model = catalogue::find(&generation.model)?;
    model.price.rate(&generation.parameters).checked_mul_f64(units).map(Money::micros)
}
