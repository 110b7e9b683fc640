//! How a call ends: once, with everything that depends on it.

use jiff::Timestamp;

use super::expr::{n, s};
use super::jobs::{NotTaken, arrow_from, taken, transition};
use super::ledger::{LedgerKind, LedgerLine, write_line};
use super::{Cond, Db, DbError, Lost, Write, assets, attribute, keys, quota};
use crate::domain::asset::Asset;
use crate::domain::generation::{Call, Reason, Warning};
use crate::domain::job::{CallState, Event, Settlement, next};

/// How a call ends.
#[derive(Debug)]
pub struct Outcome {
    /// The arrow.
    pub event: Event,
    /// What is in the bucket.
    pub assets: Vec<Asset>,
    /// What to tell the user about it.
    pub warnings: Vec<Warning>,
    /// Why nothing, or not everything, was delivered.
    pub reason: Option<Reason>,
    /// Millionths of a dollar the provider billed, when it said so.
    pub price: Option<i64>,
    /// In its own units.
    pub billable_units: Option<f64>,
    /// When it is due again: the call, for arrows that don't end it; else a video that it made, for its poster.
    pub due: Option<Timestamp>,
}

impl Db {
    /// Ends a call: its state, its assets, the units, the slot, the generation's counters and the ledger, in one transaction.
    /// `call` is the call as it was read; if it has moved on since, nothing happens.
    ///
    /// # Errors
    /// [`NotTaken::Elsewhere`] for a repetition.
    pub async fn settle(&self, call: &Call, outcome: &Outcome, now: Timestamp) -> Result<(), NotTaken> {
        let Some((to, settlement)) = next(call.state, outcome.event) else { return Err(NotTaken::Elsewhere) };
        let delivered = u32::try_from(outcome.assets.len()).unwrap_or(u32::MAX);
        let mut end = match outcome.due {
            Some(due) if to.is_open() => arrow_from(call.id, &[call.state], outcome.event, due)?,
            _ => {
                let write = transition(call.id, &[call.state], to);
                if to == CallState::Failed {
                    write
                        .set("gsi1pk", s(keys::failed_partition(&keys::date_of(now))))
                        .set("gsi1sk", s(keys::open_sort(now, &call.id.to_string())))
                } else {
                    write.remove("gsi1pk").remove("gsi1sk")
                }
            }
        };
        if !to.is_open() {
            end = end.remove("payload").remove("queue_position");
        }
        if let Some(reason) = &outcome.reason {
            end = end.set("reason", attribute(reason)?);
        }
        if let Some(units) = outcome.billable_units {
            end = end.set("billable_units", attribute(&units)?);
        }
        if settlement != Settlement::None {
            end = end.set("settled_at", s(now));
        }
        let mut writes = vec![end];
        writes.extend(self.settlement(call, outcome, (to, settlement, delivered), now)?);
        for asset in &outcome.assets {
            writes.push(assets::create(asset, outcome.due.unwrap_or(now))?);
        }
        taken(self.transact(writes).await)
    }

    /// Notes what the provider billed for a delivered call, and puts `price` (millionths of a dollar) in the place of the estimate
    /// wherever it was written: ledger, month, generation. Once; losing means that it is known already.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn bill(&self, call: &Call, units: f64, price: Option<i64>) -> Result<(), NotTaken> {
        let delivered = [CallState::Complete, CallState::CompleteFree].map(|state| s(state.name())).to_vec();
        let unknown = Cond::OneOf("state", delivered).and(Cond::Absent("billable_units"));
        let mut writes = vec![Write::update(keys::call(call.id), unknown).set("billable_units", attribute(&units)?)];
        let charged = match (call.state, call.settled_at) {
            (CallState::Complete, Some(at)) => {
                let key = keys::ledger(call.user, &keys::ledger_line(at, &call.id.to_string(), LedgerKind::Charged.name()));
                self.get::<LedgerLine>(&key).await?.map(|line| (key, line.price))
            }
            // Nothing was charged for it.
            _ => None,
        };
        if let (Some((key, estimate)), Some(price)) = (charged, price)
            && price != estimate
        {
            let more = price - estimate;
            let month = Write::update(keys::quota(call.user, &call.month), Cond::Exists);
            writes.extend([
                Write::update(key, Cond::Eq("price", n(estimate))).set("price", n(price)),
                month.add("spend", more).add(format!("spend#{}", call.model), more).add(quota::spend_of(&call.date), more),
                Write::update(keys::generation(call.user, call.generation), Cond::Exists).add("price_actual", more),
            ]);
        }
        taken(self.transact(writes).await)
    }

    /// Ends a call whose generation or user is gone: nobody can be told, and nothing can be delivered. Units and slot are given
    /// back where their items still are. Losing: it has moved on.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn bury(&self, call: &Call, now: Timestamp) -> Result<(), NotTaken> {
        // What was settled stays settled.
        let to = if call.state.is_settled() { CallState::Unknown } else { CallState::Failed };
        let end = || {
            let end = transition(call.id, &[call.state], to).remove("gsi1pk").remove("gsi1sk").remove("payload");
            end.set_once("settled_at", s(now))
        };
        let mut writes = vec![end()];
        if !call.state.is_settled() {
            writes.push(Write::update(keys::quota(call.user, &call.month), Cond::Exists).add("taken", -i64::from(call.units())));
        }
        if call.state.holds_slot() {
            writes.push(quota::free_slot(call.user, call.video));
        }
        if call.state == CallState::Waiting {
            writes.push(Write::delete(keys::waiting(call.user, call.id), Cond::Exists));
        }
        match self.transact(writes).await {
            Err(Lost::Condition { index: 1.., .. }) => taken(self.write(end()).await),
            other => taken(other),
        }
    }

    /// The writes that move units, slots, counters and ledger lines with the end of a call.
    fn settlement(
        &self,
        call: &Call,
        outcome: &Outcome,
        (to, settlement, delivered): (CallState, Settlement, u32),
        now: Timestamp,
    ) -> Result<Vec<Write>, DbError> {
        let mut generation = Write::update(keys::generation(call.user, call.generation), Cond::Exists);
        let mut writes = Vec::new();
        let charged = if settlement == Settlement::ChargeDelivered { delivered * call.units_each } else { 0 };
        let price = match settlement {
            Settlement::ChargeDelivered => outcome.price.unwrap_or(call.price_each * i64::from(delivered)),
            Settlement::None | Settlement::ReturnAll => 0,
        };
        if settlement != Settlement::None {
            let returned = call.units() - charged;
            let mut month = Write::update(keys::quota(call.user, &call.month), Cond::Exists);
            if returned > 0 {
                month = month.add("taken", -i64::from(returned));
                writes.push(write_line(call.user, &call.id.to_string(), &line(call, LedgerKind::Returned, returned, 0, outcome, now))?);
            }
            if charged > 0 {
                month = month
                    .add("charged", charged.into())
                    .add("spend", price)
                    .add(format!("units#{}", call.model), charged.into())
                    .add(format!("spend#{}", call.model), price)
                    .add(quota::units_of(&call.date), charged.into())
                    .add(quota::spend_of(&call.date), price);
                writes.push(write_line(call.user, &call.id.to_string(), &line(call, LedgerKind::Charged, charged, price, outcome, now))?);
            }
            writes.push(month);
            let undelivered = i64::try_from(call.assets.len()).unwrap_or(0) - i64::from(delivered);
            // A day that is over limits nobody any more, and its counter may be gone.
            if undelivered > 0 && call.date == keys::date_of(now) {
                writes.push(Write::update(keys::day(call.user, &call.date), Cond::Exists).add("outputs", -undelivered));
            }
            if call.state.holds_slot() {
                writes.push(quota::free_slot(call.user, call.video));
            } else if call.state == CallState::Waiting {
                writes.push(Write::delete(keys::waiting(call.user, call.id), Cond::Exists));
            }
            generation = generation.add("open", -1).set("settled_at", s(now));
            generation = match to {
                CallState::Failed => generation.add("failed", 1),
                CallState::Cancelled => generation.add("cancelled", 1),
                CallState::Unknown => generation.add("unknown", 1),
                _ => generation,
            };
        }
        if delivered > 0 {
            let ids: Vec<_> = outcome.assets.iter().map(|asset| s(asset.id)).collect();
            generation = generation
                .append("assets", aws_sdk_dynamodb::types::AttributeValue::L(ids))
                .add("delivered", delivered.into())
                .add("units_charged", charged.into())
                .add("price_actual", price);
        }
        if !outcome.warnings.is_empty() {
            let warnings = attribute(&outcome.warnings)?;
            generation = generation.append("warnings", warnings);
        }
        if settlement != Settlement::None || delivered > 0 || !outcome.warnings.is_empty() {
            writes.push(generation);
        }
        Ok(writes)
    }
}

fn line(call: &Call, kind: LedgerKind, units: u32, price: i64, outcome: &Outcome, now: Timestamp) -> LedgerLine {
    let reason = match (kind, &outcome.reason) {
        (LedgerKind::Charged, _) => "In your library".to_owned(),
        (_, Some(reason)) => reason.message.clone(),
        (_, None) => "Not delivered".to_owned(),
    };
    LedgerLine { at: now, generation: call.generation, kind, units, price, reason, month: call.month.clone() }
}
