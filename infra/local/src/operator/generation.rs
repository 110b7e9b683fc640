//! The commands about generating as a whole.

use shared::auth::operator;
use shared::domain::breaker::Way;
use shared::domain::money::{CURRENCY, Money};
use shared::jobs::gate::Load;

use super::records::{OperateError, Place, Records};

impl Place {
    /// Pauses generating, or lets it go on.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn pause_generation(&self, paused: bool, reason: Option<String>) -> Result<(), OperateError> {
        self.with_records(async |records| Ok(operator::pause_generation(records.db, records.clock, paused, reason).await?)).await
    }

    /// How generating stands, a line for each thing.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn generation_status(&self) -> Result<[String; 4], OperateError> {
        self.with_records(async |records| Ok(describe(&Load::at(records.db, records.clock.now()).await?, records))).await
    }
}

fn describe(load: &Load, records: &Records<'_>) -> [String; 4] {
    let (switch, breaker) = (&load.settings.kill_switch, &load.settings.breaker);
    let reason = switch.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let spend = records.brakes.and_then(|brakes| brakes.daily_spend).map(|limit| format!(" of {}", Money::from_micros(limit)));
    let open = records.brakes.map(|brakes| format!(" of {}", brakes.open_calls));
    let provider = match (breaker.way(records.clock.now()), &breaker.account) {
        (Way::Free, _) => "works".to_owned(),
        (Way::Shut(seconds), None) => format!("fails; tried again in {seconds} s"),
        (Way::Shut(seconds), Some(account)) => format!("refuses our account ({account}); tried again in {seconds} s"),
        (Way::Ask | Way::Try, _) => "failed; the next request tries it".to_owned(),
    };
    [
        format!("generating {}{reason}", if switch.paused { "is paused" } else { "goes on" }),
        format!("spend on {}: {}{} {CURRENCY}", load.spend.date, Money::from_micros(load.spend.reserved()), spend.unwrap_or_default()),
        format!("open calls: {}{}", load.open_calls(), open.unwrap_or_default()),
        format!("provider: {provider}"),
    ]
}
