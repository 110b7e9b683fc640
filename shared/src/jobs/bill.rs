//! What the provider billed, where a result came without saying so: a callback never does.
//!
//! Only the answer with the result itself names the billable units. It is asked for after the delivery, so that nobody waits for it;
//! when it can't be had any more, what was estimated stands.

use super::{Jobs, StepError, won};
use crate::domain::generation::Generation;
use crate::domain::job::CallState;
use crate::domain::money::Money;
use crate::id::CallId;
use crate::provider::{Verdict, catalogue};

impl Jobs {
    /// Asks the provider what it billed for a delivered call, and corrects what was written down for it.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn bill(&self, id: CallId) -> Result<(), StepError> {
        let db = &self.platform.db;
        let Some(call) = db.call(id).await? else { return Ok(()) };
        let delivered = matches!(call.state, CallState::Complete | CallState::CompleteFree);
        let (true, None, Some(request)) = (delivered, call.billable_units, &call.request) else { return Ok(()) };
        let units = match self.provider.result(request, catalogue::find(&call.model)).await {
            Ok(Verdict::Output(output)) => output.billable_units,
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(call.id = %id, %error, "what the provider billed can't be learned: the estimate stands");
                None
            }
        };
        let (Some(units), Some(generation)) = (units, db.generation(call.user, call.generation).await?) else { return Ok(()) };
        won(db.bill(&call, units, billed(&generation, units)).await).map(drop)
    }
}

/// Millionths of a dollar for `units` of the provider's, at the price of the request's own parameters. `None` when nobody can say.
pub(super) fn billed(generation: &Generation, units: f64) -> Option<i64> {
    let model = catalogue::find(&generation.model)?;
    model.price.rate(&generation.parameters).checked_mul_f64(units).map(Money::micros)
}
