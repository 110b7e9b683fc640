//! What is reserved in a day, over all users: the number that stops a runaway bill.
//!
//! Sixteen items a day, one of which is bumped in the transaction that accepts a request, once; each takes a sixteenth of the
//! limit and stops when it has reached it, so that the day's sum never exceeds the limit by more than one request for each of
//! them. What is given back later doesn't lower it: a request that failed may have been billed all the same.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::expr::n;
use super::{Cond, Db, DbError, Range, Write, keys};

/// Kept for 13 months, for reports.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// A day of everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    /// `2026-11-23`.
    pub date: String,
    /// Millionths of a dollar, by shard.
    pub shards: [i64; keys::COUNTER_SHARDS as usize],
    /// Calls accepted.
    pub calls: u64,
}

impl Spend {
    /// Millionths of a dollar reserved that day.
    pub fn reserved(&self) -> i64 {
        self.shards.iter().sum()
    }

    /// The shards that have not reached their share of `limit` millionths of a dollar, beginning at `first`.
    pub fn with_room(&self, limit: i64, first: u8) -> impl Iterator<Item = u8> {
        (0..keys::COUNTER_SHARDS)
            .map(move |step| first.wrapping_add(step) % keys::COUNTER_SHARDS)
            .filter(move |shard| self.shards.get(usize::from(*shard)).is_none_or(|reserved| *reserved < share(limit)))
    }
}

/// What a request adds to its day, and where.
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    /// One of the day's items.
    pub shard: u8,
    /// Millionths of a dollar that all requests of a day may reserve; `i64::MAX` for any amount.
    pub limit: i64,
}

#[derive(Default, Deserialize)]
struct Shard {
    #[serde(default)]
    reserved: i64,
    #[serde(default)]
    calls: u64,
}

impl Db {
    /// What was reserved on `date`.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn spend(&self, date: &str) -> Result<Spend, DbError> {
        let pk = keys::counter(keys::SPEND, date, 0).pk;
        let range = Range { pk, prefix: "", after: None, descending: false, limit: keys::COUNTER_SHARDS.into() };
        let mut spend = Spend { date: date.to_owned(), shards: [0; keys::COUNTER_SHARDS as usize], calls: 0 };
        for item in self.query_items(range).await?.items {
            let shard = keys::Key::of_item(&item).and_then(|key| key.sk.parse::<usize>().ok());
            let counted: Shard = super::decode(item)?;
            spend.calls += counted.calls;
            if let Some(place) = shard.and_then(|shard| spend.shards.get_mut(shard)) {
                *place = counted.reserved;
            }
        }
        Ok(spend)
    }
}

const fn share(limit: i64) -> i64 {
    // Rounded up: a limit of a few millionths still lets something through.
    match limit.checked_add(keys::COUNTER_SHARDS as i64 - 1) {
        Some(sum) => sum / keys::COUNTER_SHARDS as i64,
        None => limit / keys::COUNTER_SHARDS as i64,
    }
}

/// Adds `cost` and `calls` to a shard of the day. Losing: the shard has reached its share.
pub(super) fn reserve(reservation: Reservation, date: &str, cost: i64, calls: usize, at: Timestamp) -> Write {
    let room = Cond::Absent("reserved").or(Cond::Less("reserved", n(share(reservation.limit))));
    Write::update(keys::counter(keys::SPEND, date, reservation.shard), room)
        .add("reserved", cost)
        .add("calls", i64::try_from(calls).unwrap_or(i64::MAX))
        .set_once("entity", super::expr::s("spend"))
        .set_once("v", n(1))
        .set("ttl", n((at + KEPT).as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_offered_until_each_has_its_share() {
        let mut spend = Spend { date: String::new(), shards: [0; 16], calls: 0 };
        assert_eq!(spend.with_room(160, 14).collect::<Vec<_>>()[..3], [14, 15, 0]);
        spend.shards = [10; 16];
        assert_eq!((spend.with_room(160, 0).count(), spend.with_room(161, 0).count(), spend.with_room(i64::MAX, 0).count()), (0, 16, 16));
        spend.shards[3] = 9;
        assert_eq!(spend.with_room(160, 7).collect::<Vec<_>>(), [3]);
        // A share of one millionth each: nothing is refused that a larger limit would take at once.
        spend.shards = [0; 16];
        assert_eq!(spend.with_room(1, 0).count(), 16);
    }
}
