//! From a valid request to the records it becomes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::db::keys;
use crate::domain::generation::{Call, Generation};
use crate::domain::job::CallState;
use crate::domain::model::Model;
use crate::domain::request::ValidGeneration;
use crate::domain::user::User;
use crate::id::{AssetId, CallId, GenerationId};

/// The generation and its calls, one for each output: outputs are made at the same time, fail apart, and are charged apart.
pub fn plan(model: &Model, request: ValidGeneration, user: &User, now: Timestamp) -> (Generation, Vec<Call>) {
    let (price, units) = model.estimate(&request);
    let outputs = request.outputs.max(1);
    let id = GenerationId::new(now);
    let mut calls: Vec<Call> = (0..outputs)
        .map(|index| Call {
            id: CallId::new(now),
            user: user.id,
            generation: id,
            output: index + 1,
            state: CallState::Waiting,
            model: model.id.clone(),
            video: model.kind.is_video(),
            assets: vec![AssetId::new(now)],
            media_prefix: user.media_prefix.clone(),
            month: keys::month_of(now),
            date: keys::date_of(now),
            units_each: units / outputs,
            price_each: price.micros() / i64::from(outputs),
            seed: request.seed(model, index).or_else(|| random_seed(model)),
            request: None,
            submitted_at: None,
            deadline_at: None,
            attempts: 0,
            retry_at: None,
            arrived_at: None,
            queue_position: None,
            running: false,
            cancel_requested: false,
            payload: None,
            billable_units: None,
            reason: None,
            created_at: now,
            settled_at: None,
        })
        .collect();
    // Ids made in the same millisecond are in no order; the line is served in the order of the outputs.
    let mut ids: Vec<CallId> = calls.iter().map(|call| call.id).collect();
    ids.sort_unstable();
    for (call, id) in calls.iter_mut().zip(ids) {
        call.id = id;
    }
    let generation = Generation {
        id,
        user: user.id,
        model: model.id.clone(),
        outputs,
        inputs: request.inputs,
        copies: BTreeMap::new(),
        parameters: request.parameters,
        collection: request.collection,
        calls: calls.iter().map(|call| call.id).collect(),
        open: outputs,
        delivered: 0,
        failed: 0,
        cancelled: 0,
        unknown: 0,
        assets: Vec::new(),
        warnings: Vec::new(),
        units_reserved: calls.iter().map(Call::units).sum(),
        units_charged: 0,
        price_estimated: price.micros(),
        price_actual: 0,
        created_at: now,
        settled_at: None,
    };
    (generation, calls)
}

/// A seed of ours where the model takes one: within its own range, so that it can be asked for again.
fn random_seed(model: &Model) -> Option<u64> {
    let most = model.parameter("seed")?.max.as_ref().and_then(serde_json::Number::as_u64).unwrap_or(u64::from(u32::MAX));
    Some(u64::from_be_bytes(crate::id::random()) % most.saturating_add(1).max(1))
}

/// Seconds until the next month, day and hour begin (UTC): what `Retry-After` says.
pub fn resets(now: Timestamp) -> (u64, u64, u64) {
    let zoned = now.to_zoned(TimeZone::UTC);
    let until = |next: Result<jiff::Zoned, jiff::Error>| {
        let seconds = next.map(|next| next.timestamp().as_second() - now.as_second()).unwrap_or(3_600);
        u64::try_from(seconds).unwrap_or(1).max(1)
    };
    let month =
        zoned.first_of_month().and_then(|first| first.start_of_day()).and_then(|first| first.checked_add(jiff::Span::new().months(1)));
    let day = zoned.start_of_day().and_then(|start| start.checked_add(jiff::Span::new().days(1)));
    let hour = 3_600 - now.as_second().rem_euclid(3_600);
    (until(month), until(day), u64::try_from(hour).unwrap_or(3_600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_reset_at_the_next_month_day_and_hour() {
        let at: Timestamp = "2026-12-31T23:59:30Z".parse().unwrap();
        assert_eq!(resets(at), (30, 30, 30));
        let at: Timestamp = "2026-02-27T22:30:00Z".parse().unwrap();
        assert_eq!(resets(at), (86_400 + 5_400, 5_400, 1_800));
    }
}
