//! A user's counters: the month's units, the day's outputs and uploads, the hour's requests, the running calls.

use serde::{Deserialize, Serialize};

use super::expr::n;
use super::{Cond, Db, DbError, Page, Range, Write, keys};
use crate::domain::limits::Limits;
use crate::id::UserId;

/// A month of a user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Reserved and charged units.
    #[serde(default)]
    pub taken: u32,
    /// Charged units.
    #[serde(default)]
    pub charged: u32,
    /// Millionths of a dollar spent on what was delivered.
    #[serde(default)]
    pub spend: i64,
    /// `2026-11`, from the key.
    #[serde(default, skip_serializing)]
    pub month: String,
    /// `units#{model}` and `spend#{model}`.
    #[serde(flatten)]
    pub by_model: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Quota {
    /// Units reserved by what is still under way.
    pub fn reserved(&self) -> u32 {
        self.taken.saturating_sub(self.charged)
    }
}

/// A user's running calls.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Slots {
    /// All of them.
    #[serde(default)]
    pub running: u32,
    /// Those that make a video.
    #[serde(default)]
    pub videos: u32,
}

impl Db {
    /// The month `month` of `user`; all zero before anything was reserved.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn quota(&self, user: UserId, month: &str) -> Result<Quota, DbError> {
        Ok(self.get(&keys::quota(user, month)).await?.unwrap_or_default())
    }

    /// The months of `user`, newest first.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn quotas(&self, user: UserId, after: Option<&str>, limit: i32) -> Result<Page<(String, Quota)>, DbError> {
        let range = Range { pk: keys::user_partition(user), prefix: keys::QUOTAS, after, descending: true, limit };
        let page = self.query_items(range).await?;
        let months = page.items.into_iter().map(|item| {
            let month = keys::Key::of_item(&item).map(|key| key.sk[keys::QUOTAS.len()..].to_owned()).unwrap_or_default();
            super::decode(item).map(|quota| (month, quota))
        });
        Ok(Page { items: months.collect::<Result<_, _>>()?, next: page.next })
    }

    /// How many calls of `user` run.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn slots(&self, user: UserId) -> Result<Slots, DbError> {
        Ok(self.get(&keys::slots(user)).await?.unwrap_or_default())
    }
}

/// Takes `amount` of a counter that may not exist, unless it would then exceed `limit`. `None` when it never could.
fn take(key: keys::Key, counter: &'static str, amount: u32, limit: u32) -> Option<Write> {
    let room = limit.checked_sub(amount)?;
    Some(Write::update(key, Cond::Absent(counter).or(Cond::AtMost(counter, n(room)))).add(counter, amount.into()))
}

/// Reserves `units` of the month. Losing: the month's limit is reached.
pub(super) fn reserve_units(user: UserId, month: &str, units: u32, limits: &Limits) -> Option<Write> {
    take(keys::quota(user, month), "taken", units, limits.monthly)
}

/// Counts `outputs` of the day. Losing: the day's limit is reached.
pub(super) fn count_outputs(user: UserId, date: &str, outputs: u32, limits: &Limits, ttl: i64) -> Option<Write> {
    Some(take(keys::day(user, date), "outputs", outputs, limits.daily)?.set("ttl", n(ttl)))
}

/// Counts a request of the hour. Losing: the hour's limit is reached.
pub(super) fn count_request(user: UserId, hour: &str, limits: &Limits, ttl: i64) -> Option<Write> {
    Some(take(keys::rate(user, "generate", hour), "requests", 1, limits.hourly)?.set("ttl", n(ttl)))
}

/// Counts an upload of the day, of at most `most`. Losing: there were as many.
pub(super) fn count_upload(user: UserId, date: &str, most: u32, ttl: i64) -> Option<Write> {
    Some(take(keys::day(user, date), "uploads", 1, most)?.set("ttl", n(ttl)))
}

/// Counts an export of the day, of at most `most`. Losing: there were as many.
pub(super) fn count_export(user: UserId, date: &str, most: u32, ttl: i64) -> Option<Write> {
    Some(take(keys::day(user, date), "exports", 1, most)?.set("ttl", n(ttl)))
}

/// Takes a slot. Losing: as many calls run as may.
pub(super) fn take_slot(user: UserId, video: bool, limits: &Limits) -> Option<Write> {
    let room = |limit: u32| limit.checked_sub(1);
    let all = room(limits.concurrent)?;
    let free = Cond::Absent("running").or(Cond::AtMost("running", n(all)));
    if !video {
        return Some(Write::update(keys::slots(user), free).add("running", 1));
    }
    let videos = room(limits.concurrent_videos)?;
    let free = free.and(Cond::Absent("videos").or(Cond::AtMost("videos", n(videos))));
    Some(Write::update(keys::slots(user), free).add("running", 1).add("videos", 1))
}

/// Frees a slot that a call held. The call's own condition makes it happen once.
pub(super) fn free_slot(user: UserId, video: bool) -> Write {
    let write = Write::update(keys::slots(user), Cond::Exists).add("running", -1);
    if video { write.add("videos", -1) } else { write }
}
