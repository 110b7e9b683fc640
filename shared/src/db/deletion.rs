//! The end of an account: asked for, waited for, called off, or carried out.
//!
//! Beside the person's record there is an item that `worker` finds in the index of open work. Once the time of grace is over the
//! person is taken out of the ways by which people are found, so that whoever signs in again begins anew, and everything that is
//! theirs goes page by page; the record goes last.

use std::collections::HashSet;

use jiff::fmt::serde::timestamp::millisecond::{optional as optional_millis, required as millis};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::assets::always;
use super::audit::{self, Actor, Change};
use super::expr::{n, s};
use super::keys::Key;
use super::users::{ATTEMPTS, NotChanged, by, own_entry};
use super::{Cond, Db, DbError, Item, Lost, Page, Range, Write, encode, jobs, keys, stamp};
use crate::domain::user::{Role, Status, User};
use crate::id::UserId;

/// How long after the first round everything is looked through once more, and the record removed: longer than any function may
/// run (15 minutes on Lambda), so that whatever was on its way then has arrived.
pub const SETTLED: SignedDuration = SignedDuration::from_mins(20);
/// Writes of one transaction; DynamoDB takes a hundred.
const AT_ONCE: usize = 50;

/// A deletion that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Of whom.
    pub user: UserId,
    /// Until then it can be called off.
    #[serde(with = "millis")]
    pub deletes_at: Timestamp,
    /// Whether the person wants it; else an admin or an operator does, and only they call it off.
    pub own: bool,
    /// What they are again when it is called off.
    pub before: Status,
    /// Since when it can't be called off any more, and data goes.
    #[serde(default, with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub erasing_at: Option<Timestamp>,
}

/// Why a deletion wasn't called off.
#[derive(Debug, thiserror::Error)]
pub enum NotRestored {
    /// There is none, or it is too late.
    #[error("there is no deletion to call off")]
    Nothing,
    /// An admin or an operator wants it.
    #[error("somebody else wants the deletion")]
    NotTheirs,
    /// The admin who wants it isn't one any more.
    #[error("the actor is no admin any more")]
    NotAdmin,
    /// The table failed.
    #[error(transparent)]
    Failed(#[from] DbError),
}

impl Db {
    /// The deletion of `user` that is under way.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn deletion(&self, user: UserId) -> Result<Option<Deletion>, DbError> {
        self.get(&keys::deletion(user)).await
    }

    /// Begins to delete `user` at `deletes_at`, or answers when it already is to happen. From their next request on they are out:
    /// all sessions end by a new epoch. Record, item and audit line are one transaction, on the condition that the status is as it
    /// was read; losing means that somebody else changed it, and it is read again. The item is due at once: what runs is ended first.
    ///
    /// # Errors
    /// [`NotChanged`]; never [`NotChanged::Deleting`].
    pub async fn begin_deletion(
        &self,
        user: UserId,
        own: bool,
        actor: &Actor,
        deletes_at: Timestamp,
        now: Timestamp,
    ) -> Result<Timestamp, NotChanged> {
        for _ in 0..ATTEMPTS {
            let before = self.user(user).await?.ok_or(NotChanged::Nobody)?;
            if before.status == Status::Deleting {
                return Ok(before.deletes_at.unwrap_or(deletes_at));
            }
            let (mut writes, condition) = by(actor, &before)?;
            let first = writes.len();
            let deletion = Deletion { user, deletes_at, own, before: before.status, erasing_at: None };
            let mut item = encode(&deletion)?;
            stamp(&mut item, "deletion");
            item.extend(jobs::open_index(user, now));
            writes.push(
                Write::update(keys::user(user), condition.and(Cond::Eq("status", s(before.status.as_str()))))
                    .set("status", s(Status::Deleting.as_str()))
                    .set("deletes_at", n(deletes_at.as_millisecond()))
                    .add("epoch", 1),
            );
            writes.push(Write::put(keys::deletion(user), item, always()));
            writes.push(audit::write(actor, change(user, before.status, Status::Deleting), now)?);
            match self.transact(writes).await {
                Ok(()) => return Ok(deletes_at),
                Err(Lost::Condition { index, .. }) if index < first => return Err(NotChanged::NotAdmin),
                Err(Lost::Condition { .. }) => {}
                Err(Lost::Failed(error)) => return Err(error.into()),
            }
        }
        Err(DbError::Unavailable("a record keeps changing".into()).into())
    }

    /// Calls the deletion of `user` off, with an audit line in the same transaction. `own`: the person does, who can't call off what
    /// an admin wants. Conditions: they are being deleted, and nothing has gone yet; losing means that it is too late.
    ///
    /// # Errors
    /// [`NotRestored`].
    pub async fn call_off_deletion(&self, user: UserId, own: bool, actor: &Actor, now: Timestamp) -> Result<User, NotRestored> {
        let deletion = self.deletion(user).await?.ok_or(NotRestored::Nothing)?;
        if own && !deletion.own {
            return Err(NotRestored::NotTheirs);
        }
        let record = self.user(user).await?.ok_or(NotRestored::Nothing)?;
        let mut writes = match by(actor, &record) {
            Ok((writes, _)) => writes,
            Err(_) => return Err(NotRestored::NotAdmin),
        };
        let first = writes.len();
        writes.push(
            Write::update(keys::user(user), Cond::Eq("status", s(Status::Deleting.as_str())))
                .set("status", s(deletion.before.as_str()))
                .remove("deletes_at"),
        );
        writes.push(Write::delete(keys::deletion(user), Cond::Exists.and(Cond::Absent("erasing_at"))));
        writes.push(audit::write(actor, change(user, Status::Deleting, deletion.before), now)?);
        match self.transact(writes).await {
            Ok(()) => Ok(User { status: deletion.before, deletes_at: None, ..record }),
            Err(Lost::Condition { index, .. }) if index < first => Err(NotRestored::NotAdmin),
            Err(Lost::Condition { .. }) => Err(NotRestored::Nothing),
            Err(Lost::Failed(error)) => Err(error.into()),
        }
    }

    /// Says when `worker` looks at a deletion again. Losing: it was called off, or is done.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn postpone_deletion(&self, user: UserId, due: Timestamp) -> Result<(), DbError> {
        let write = Write::update(keys::deletion(user), Cond::Exists);
        let write = jobs::open_index(user, due).into_iter().fold(write, |write, (name, value)| write.set(name, value));
        done(self.write(write).await).map(drop)
    }

    /// The point of no return: `user` isn't found by identity, address or name any more, whoever signs in again is somebody new, and
    /// the record keeps nothing that says who it was. Conditions: still being deleted, and not erasing yet, as read; losing means
    /// that it was called off, or that somebody else has begun, and is `false`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn begin_erasing(&self, user: &User, now: Timestamp) -> Result<bool, DbError> {
        let id = user.id;
        let as_read = Cond::Eq("email", s(&user.email)).and(Cond::Eq("name", s(&user.name)));
        let mut writes = vec![
            Write::update(keys::user(id), Cond::Eq("status", s(Status::Deleting.as_str())).and(as_read))
                .set("email", s(""))
                .set("name", s(""))
                .set("issuer", s(""))
                .set("subject", s(""))
                .set("role", s(Role::User.as_str()))
                .remove("picture")
                .add("epoch", 1),
            Write::update(keys::deletion(id), Cond::Exists.and(Cond::Absent("erasing_at"))).set("erasing_at", n(now.as_millisecond())),
            Write::delete(keys::identity(&user.issuer, &user.subject), own_entry(id)),
        ];
        let listed = [
            keys::directory_email(&user.email, id),
            keys::directory_name(&user.name, id),
            keys::directory_newest(id),
            keys::directory_admin(id),
        ];
        writes.extend(listed.into_iter().map(|key| Write::delete(key, own_entry(id))));
        done(self.transact(writes).await)
    }

    /// A page of everything below `user`, in the order of the keys.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) async fn belongings(&self, user: UserId, after: Option<&str>, limit: i32) -> Result<Page<Item>, DbError> {
        self.query_items(Range { pk: keys::user_partition(user), prefix: "", after, descending: false, limit }).await
    }

    /// The keys of a page of what is kept of the link at `key`, its counters included.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) async fn kept_of_link(&self, key: &str, limit: i32) -> Result<Vec<Key>, DbError> {
        let page = self.query_items(Range { pk: keys::link(key).pk, prefix: "", after: None, descending: false, limit }).await?;
        Ok(page.items.iter().filter_map(Key::of_item).collect())
    }

    /// Deletes these items, whether they are there or not. Not one transaction: interrupted, some are left, and it is repeated.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) async fn erase(&self, keys: &[Key]) -> Result<(), DbError> {
        // A transaction takes no item twice.
        let mut seen = HashSet::new();
        let keys: Vec<&Key> = keys.iter().filter(|key| seen.insert(key.to_string())).collect();
        for some in keys.chunks(AT_ONCE) {
            done(self.transact(some.iter().map(|key| Write::delete((*key).clone(), always())).collect()).await)?;
        }
        Ok(())
    }

    /// The last write: the record of `user` and the deletion, with an audit line. Condition: erasing; losing means that somebody else
    /// has just done it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_deletion(&self, user: UserId, now: Timestamp) -> Result<bool, DbError> {
        let gone = Change { act: "user.erased", target: format!("user:{user}"), before: "deleting".into(), after: serde_json::Value::Null };
        let writes = vec![
            Write::delete(keys::user(user), Cond::Eq("status", s(Status::Deleting.as_str()))),
            Write::delete(keys::deletion(user), Cond::Eq("user", s(user)).and(Cond::Less("erasing_at", n(now.as_millisecond())))),
            audit::write(&Actor::worker(), gone, now)?,
        ];
        done(self.transact(writes).await)
    }
}

fn change(user: UserId, before: Status, after: Status) -> Change<'static> {
    Change { act: "user.status", target: format!("user:{user}"), before: before.as_str().into(), after: after.as_str().into() }
}

/// Whether it was written; losing is an answer.
fn done(result: Result<(), Lost>) -> Result<bool, DbError> {
    match result {
        Ok(()) => Ok(true),
        Err(Lost::Condition { .. }) => Ok(false),
        Err(Lost::Failed(error)) => Err(error),
    }
}
