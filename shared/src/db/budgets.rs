//! What one address may do in a while without being signed in: fixed windows, counted below a keyed hash of the address.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::expr::{n, s};
use super::{Cond, Db, DbError, Lost, Write, keys};

/// Kept a little longer than it counts, for clocks that differ.
const KEPT: SignedDuration = SignedDuration::from_mins(10);

/// So many in so long. The window begins with the clock, so twice as many can fall together at its edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Names it.
    pub what: &'static str,
    /// In a window.
    pub most: u32,
    /// The window.
    pub window: SignedDuration,
}

impl Budget {
    /// Which window `now` is in.
    fn window_at(&self, now: Timestamp) -> i64 {
        now.as_second().div_euclid(self.window.as_secs().max(1))
    }

    /// Seconds until the next window begins.
    pub fn seconds_left(&self, now: Timestamp) -> u64 {
        let length = self.window.as_secs().max(1);
        u64::try_from(length - now.as_second().rem_euclid(length)).unwrap_or(1)
    }
}

impl Db {
    /// Takes one of what the address behind `hash` may do. Condition: fewer than `budget.most` were taken; losing is `false`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn take_budget(&self, budget: Budget, hash: &str, now: Timestamp) -> Result<bool, DbError> {
        let window = budget.window_at(now);
        let room = Cond::Absent("taken").or(Cond::Less("taken", n(budget.most)));
        let write = Write::update(keys::address_budget(budget.what, hash, window), room)
            .add("taken", 1)
            .set("entity", s("address-budget"))
            .set("v", n(1))
            .set("ttl", n((window + 1) * budget.window.as_secs() + KEPT.as_secs()));
        match self.write(write).await {
            Ok(()) => Ok(true),
            Err(Lost::Condition { .. }) => Ok(false),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Whether nothing is left of what the address behind `hash` may do.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn is_budget_spent(&self, budget: Budget, hash: &str, now: Timestamp) -> Result<bool, DbError> {
        #[derive(Deserialize)]
        struct Count {
            taken: u32,
        }
        let count: Option<Count> = self.get(&keys::address_budget(budget.what, hash, budget.window_at(now))).await?;
        Ok(count.is_some_and(|count| count.taken >= budget.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_one_another() {
        let budget = Budget { what: "test", most: 1, window: SignedDuration::from_mins(10) };
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(budget.window_at(at(1_800_000_000)), 3_000_000);
        assert_eq!(budget.window_at(at(1_800_000_599)), 3_000_000);
        assert_eq!(budget.window_at(at(1_800_000_600)), 3_000_001);
        assert_eq!((budget.seconds_left(at(1_800_000_000)), budget.seconds_left(at(1_800_000_599))), (600, 1));
    }
}
