//! Short links: found by their key, listed below their owner and their asset, counted once an opening.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::assets::always;
use super::expr::{n, s};
use super::{Cond, Db, DbError, Lost, Page, Range, Write, decode, encode, keys, stamp};
use crate::domain::link::Link;
use crate::id::{AssetId, RecordId, UserId};

/// At most so many links a person.
pub const MOST: u32 = 1_000;
/// Wrong passwords that a link hears in an hour, from everybody together.
pub const MOST_ATTEMPTS: u32 = 20;
/// Days of visits in one answer.
const DAYS: i32 = 31;
/// How long an ended link is still known to have been one, and its key taken.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How long a day's visits are kept.
const VISITS_KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);
/// Longer than the hour that attempts are counted in.
const ATTEMPTS_KEPT: SignedDuration = SignedDuration::from_hours(2);

/// Why no link was made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// They have a thousand.
    #[error("too many links")]
    TooMany,
    /// Its asset went away in the meantime.
    #[error("the asset is in the trash or gone")]
    NoAsset,
    /// Another link has this key.
    #[error("the key is taken")]
    Taken,
    /// The table failed.
    #[error(transparent)]
    Failed(#[from] DbError),
}

/// What an owner changes; `Some(None)` removes.
#[derive(Clone, Debug, Default)]
pub struct LinkEdit {
    /// See the link.
    pub enabled: Option<bool>,
    /// See the link.
    pub expires_at: Option<Option<Timestamp>>,
    /// See the link.
    pub max_views: Option<Option<u32>>,
    /// The hash of the new one.
    pub password: Option<Option<String>>,
    /// See the link.
    pub note: Option<Option<String>>,
}

/// An entry in a list of links.
#[derive(Serialize, Deserialize)]
struct Pointer {
    key: String,
}

impl Db {
    /// The link at `key`, an ended one for 90 days.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn link(&self, key: &str) -> Result<Option<Link>, DbError> {
        self.get(&keys::link(key)).await
    }

    /// Keeps `link`, counted on its owner. Conditions: the owner exists and has fewer than a thousand; the asset is there and not
    /// in the trash; the key is new. Each has its own [`NotMade`].
    ///
    /// # Errors
    /// [`NotMade`].
    pub async fn make_link(&self, link: &Link) -> Result<(), NotMade> {
        let mut item = encode(link)?;
        let mut pointer = encode(&Pointer { key: link.key.clone() })?;
        stamp(&mut item, "link");
        stamp(&mut pointer, "link-pointer");
        let room = Cond::Exists.and(Cond::Absent("links").or(Cond::Less("links", n(MOST))));
        let writes = vec![
            Write::update(keys::user(link.user), room).add("links", 1),
            Write::check(keys::asset(link.user, link.asset), Cond::Exists.and(Cond::Absent("deleted_at"))),
            Write::put(keys::link(&link.key), item, Cond::NoItem),
            Write::put(keys::user_link(link.user, link.made), pointer.clone(), Cond::NoItem),
            Write::put(keys::asset_link(link.user, link.asset, &link.key), pointer, Cond::NoItem),
        ];
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Lost::Condition { index: 0, .. }) => Err(NotMade::TooMany),
            Err(Lost::Condition { index: 1, .. }) => Err(NotMade::NoAsset),
            Err(Lost::Condition { .. }) => Err(NotMade::Taken),
            Err(Lost::Failed(error)) => Err(NotMade::Failed(error)),
        }
    }

    /// A page of the links of `user`, newest first. `after` is where the page before ended.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn links(&self, user: UserId, after: Option<RecordId>, limit: i32) -> Result<(Vec<Link>, Option<RecordId>), DbError> {
        let after = after.map(|made| keys::user_link(user, made).sk);
        let page = self.listed(user, keys::USER_LINKS, after.as_deref(), limit).await?;
        let next = page.next.and_then(|sort| sort.strip_prefix(keys::USER_LINKS)?.parse().ok());
        Ok((page.items, next))
    }

    /// As [`Db::links`], of one asset: in the order of their keys, and continued after a key.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn links_of_asset(
        &self,
        user: UserId,
        asset: AssetId,
        after: Option<&str>,
        limit: i32,
    ) -> Result<(Vec<Link>, Option<String>), DbError> {
        let prefix = keys::asset_links(asset);
        let after = after.map(|key| keys::asset_link(user, asset, key).sk);
        let page = self.listed(user, &prefix, after.as_deref(), limit).await?;
        let next = page.next.and_then(|sort| sort.strip_prefix(&prefix).map(str::to_owned));
        Ok((page.items, next))
    }

    async fn listed(&self, user: UserId, prefix: &str, after: Option<&str>, limit: i32) -> Result<Page<Link>, DbError> {
        let range = Range { pk: keys::user_partition(user), prefix, after, descending: true, limit: limit.min(100) };
        let page = self.query::<Pointer>(range).await?;
        let keys: Vec<_> = page.items.iter().map(|pointer| keys::link(&pointer.key)).collect();
        let items = if keys.is_empty() { Vec::new() } else { self.get_many(&keys).await? };
        Ok(Page { items, next: page.next })
    }

    /// Changes a link of `user`; `None` when they have none at `key`. Condition: theirs and not ended for good.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn edit_link(&self, user: UserId, key: &str, edit: LinkEdit) -> Result<Option<Link>, DbError> {
        let mut write = Write::update(keys::link(key), theirs(user));
        if let Some(enabled) = edit.enabled {
            write = write.set("enabled", AttributeValue::Bool(enabled));
        }
        let changes = [
            ("expires_at", edit.expires_at.map(|at| at.map(s))),
            ("max_views", edit.max_views.map(|most| most.map(n))),
            ("password", edit.password.map(|hash| hash.map(s))),
            ("note", edit.note.map(|text| text.map(s))),
        ];
        for (name, change) in changes {
            write = match change {
                None => write,
                Some(None) => write.remove(name),
                Some(Some(value)) => write.set(name, value),
            };
        }
        // A change of nothing still has to say whether the link is theirs.
        match self.write(write.set("v", n(1))).await {
            Ok(()) => self.link(key).await,
            Err(Lost::Condition { .. }) => Ok(None),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Ends a link for good and takes it off its lists; `false` when `user` has none like it. Condition: theirs and not ended yet,
    /// so that it is counted off once.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_link(&self, user: UserId, link: &Link, now: Timestamp) -> Result<bool, DbError> {
        let tombstone = Write::update(keys::link(&link.key), theirs(user))
            .set("ended_at", s(now))
            .set("ttl", n((now + REMEMBERED).as_second()))
            .remove("password")
            .remove("note");
        let mut pointer = encode(&Pointer { key: link.key.clone() })?;
        stamp(&mut pointer, "ended-link");
        pointer.insert("ttl".to_owned(), n((now + VISITS_KEPT).as_second()));
        let writes = vec![
            tombstone,
            // So that what is kept of it goes with the account.
            Write::put(keys::ended_link(user, &link.key), pointer, always()),
            Write::delete(keys::user_link(user, link.made), always()),
            Write::delete(keys::asset_link(user, link.asset, &link.key), always()),
            Write::update(keys::user(user), Cond::Exists).add("links", -1),
        ];
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(Lost::Condition { .. }) => Ok(false),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Counts an opening of `link`, in all and for the day. Condition: switched on, not ended, and fewer views than its cap;
    /// losing is `false`, and means that the link opens nothing any more. Not idempotent: each call is an opening.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn count_opening(&self, link: &Link, now: Timestamp) -> Result<bool, DbError> {
        let mut live = Cond::Eq("enabled", AttributeValue::Bool(true)).and(Cond::Absent("ended_at"));
        if let Some(most) = link.max_views {
            live = live.and(Cond::Less("views", n(most)));
        }
        let day = keys::link_visits(&link.key, &keys::date_of(now));
        let writes = vec![
            Write::update(keys::link(&link.key), live).add("views", 1),
            Write::update(day, always())
                .add("visits", 1)
                .set("entity", s("visits"))
                .set("v", n(1))
                .set("ttl", n((now + VISITS_KEPT).as_second())),
        ];
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(Lost::Condition { .. }) => Ok(false),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// The last 31 days on which the link at `key` was opened, newest first, as `2026-11-23` and how often.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn link_days(&self, key: &str) -> Result<Vec<(String, u32)>, DbError> {
        #[derive(Deserialize)]
        struct Day {
            sk: String,
            visits: u32,
        }
        let range = Range { pk: keys::link(key).pk, prefix: keys::LINK_VISITS, after: None, descending: true, limit: DAYS };
        let days = self
            .query_items(range)
            .await?
            .items
            .into_iter()
            .map(|item| decode::<Day>(item).map(|day| (day.sk.trim_start_matches(keys::LINK_VISITS).to_owned(), day.visits)));
        days.collect()
    }

    /// Takes one of the hour's attempts at a link's password. Condition: fewer than twenty were wrong; losing is `false`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn take_attempt(&self, key: &str, now: Timestamp) -> Result<bool, DbError> {
        let room = Cond::Absent("attempts").or(Cond::Less("attempts", n(MOST_ATTEMPTS)));
        let write = Write::update(keys::link_attempts(key, &keys::hour_of(now)), room)
            .add("attempts", 1)
            .set("entity", s("attempts"))
            .set("v", n(1))
            .set("ttl", n((now + ATTEMPTS_KEPT).as_second()));
        match self.write(write).await {
            Ok(()) => Ok(true),
            Err(Lost::Condition { .. }) => Ok(false),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Gives back an attempt that was right: those who know the password don't use up the guesses. A failure costs one guess.
    pub async fn give_back_attempt(&self, key: &str, taken: Timestamp) {
        let write = Write::update(keys::link_attempts(key, &keys::hour_of(taken)), Cond::Exists).add("attempts", -1);
        if let Err(Lost::Failed(error)) = self.write(write).await {
            tracing::warn!(%error, "a right password was counted as a wrong one");
        }
    }
}

/// A link that is `user`'s and not ended for good.
fn theirs(user: UserId) -> Cond {
    Cond::Eq("user", s(user)).and(Cond::Absent("ended_at"))
}
