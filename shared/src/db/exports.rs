//! Exports: asked for, worked on by one run at a time, and ended.

use jiff::{SignedDuration, Timestamp};

use super::audit::{self, Actor, Change};
use super::expr::{n, s};
use super::{Cond, Db, DbError, Lost, Range, Write, encode, jobs, keys, quota, stamp};
use crate::domain::export::{Export, ExportState};
use crate::domain::user::Status;
use crate::id::{RecordId, UserId};

/// How many a person may ask for in a calendar day (UTC).
pub const MOST_A_DAY: u32 = 3;
/// How long a zip can be had; its object goes by the bucket's lifecycle.
pub const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Why no export was begun.
#[derive(Debug, thiserror::Error)]
pub enum NotRequested {
    /// One is under way.
    #[error("an export is under way")]
    Busy,
    /// They have asked for as many as they may in a day.
    #[error("the day's exports are used up")]
    TooMany,
    /// The table failed.
    #[error(transparent)]
    Failed(#[from] DbError),
}

/// How an export ends.
#[derive(Clone, Copy, Debug)]
pub enum ExportEnd<'a> {
    /// With a zip of so many bytes.
    Ready(u64),
    /// Without one; in words.
    Failed(&'a str),
}

impl Db {
    /// Keeps a new export, due at once. Conditions: its person is active and has none under way, losing which is
    /// [`NotRequested::Busy`]; and has asked for fewer than [`MOST_A_DAY`], losing which is [`NotRequested::TooMany`]. An audit
    /// line is in the same transaction.
    ///
    /// # Errors
    /// [`NotRequested`].
    pub async fn request_export(&self, export: &Export, actor: &Actor) -> Result<(), NotRequested> {
        let (user, at) = (export.user, export.created_at);
        let mut item = encode(export)?;
        stamp(&mut item, "export");
        item.extend(jobs::open_index(export.id, at));
        let free = Cond::Eq("status", s(Status::Active.as_str())).and(Cond::Absent("exporting"));
        let change = Change {
            act: "user.export",
            target: format!("user:{user}"),
            before: serde_json::Value::Null,
            after: export.id.to_string().into(),
        };
        let counters = (at + jobs::COUNTERS).as_second();
        let writes = vec![
            Write::update(keys::user(user), free).set("exporting", s(export.id)),
            quota::count_export(user, &keys::date_of(at), MOST_A_DAY, counters).ok_or(NotRequested::TooMany)?,
            Write::put(keys::export(user, export.id), item, Cond::NoItem),
            audit::write(actor, change, at)?,
        ];
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Lost::Condition { index: 0, .. }) => Err(NotRequested::Busy),
            Err(Lost::Condition { index: 1, .. }) => Err(NotRequested::TooMany),
            Err(Lost::Condition { .. }) => Err(DbError::Refused("a fresh id is in use".into()).into()),
            Err(Lost::Failed(error)) => Err(error.into()),
        }
    }

    /// An export of `user`, expired or not: the caller compares.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn export(&self, user: UserId, export: RecordId) -> Result<Option<Export>, DbError> {
        self.get(&keys::export(user, export)).await
    }

    /// The exports of `user`, newest first: three a day for a week, and a few that the table hasn't removed yet.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn exports(&self, user: UserId) -> Result<Vec<Export>, DbError> {
        let range = Range { pk: keys::user_partition(user), prefix: keys::EXPORTS, after: None, descending: true, limit: 100 };
        Ok(self.query(range).await?.items)
    }

    /// Takes `export` for the run named `run`, alone until `until`, when it is due again. Conditions: it is open, and as it was
    /// read, which nobody has taken; losing is `false`, and means that another run has.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn take_export(&self, export: &Export, run: &str, until: Timestamp) -> Result<bool, DbError> {
        let as_read = match &export.run {
            Some(run) => Cond::Eq("run", s(run)),
            None => Cond::Absent("run"),
        };
        let write = Write::update(keys::export(export.user, export.id), open().and(as_read))
            .set("state", s(ExportState::Running.name()))
            .set("run", s(run))
            .set("leased_until", s(until))
            .add("tries", 1);
        self.reindexed(write, export, until).await
    }

    /// Remembers how far the run `run` has come: the upload, and where the rest is written down. Condition: it is still that run's;
    /// losing is `false`: the run must stop.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn remember_export(&self, export: &Export, run: &str, upload: &str, checkpoint: Option<&str>) -> Result<bool, DbError> {
        let write = Write::update(keys::export(export.user, export.id), open().and(Cond::Eq("run", s(run)))).set("upload", s(upload));
        let write = match checkpoint {
            Some(checkpoint) => write.set("checkpoint", s(checkpoint)).set("tries", n(0)),
            None => write,
        };
        lost_is_false(self.write(write).await)
    }

    /// The run `run` is over, and the next one may begin at `due`. Losing: another has begun already.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn leave_export(&self, export: &Export, run: &str, due: Timestamp) -> Result<bool, DbError> {
        let write = Write::update(keys::export(export.user, export.id), open().and(Cond::Eq("run", s(run)))).remove("leased_until");
        self.reindexed(write, export, due).await
    }

    /// Says when `worker` looks at an export again. Losing: it is over.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn postpone_export(&self, export: &Export, due: Timestamp) -> Result<bool, DbError> {
        self.reindexed(Write::update(keys::export(export.user, export.id), open()), export, due).await
    }

    /// Ends an export, and lets its person ask for another one. Condition: it is still the run's; losing is `false`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_export(&self, export: &Export, run: &str, end: ExportEnd<'_>, now: Timestamp) -> Result<bool, DbError> {
        let write = Write::update(keys::export(export.user, export.id), open().and(Cond::Eq("run", s(run))))
            .set("finished_at", s(now))
            .set("expires_at", s(now + LIFE))
            .set("ttl", n((now + LIFE).as_second()));
        let write = match end {
            ExportEnd::Ready(bytes) => write
                .set("state", s(ExportState::Ready.name()))
                .set("bytes", n(i64::try_from(bytes).map_err(|e| DbError::Refused(e.into()))?)),
            ExportEnd::Failed(reason) => write.set("state", s(ExportState::Failed.name())).set("reason", s(reason)),
        };
        let gone = ["gsi1pk", "gsi1sk", "leased_until", "upload", "checkpoint"];
        let writes = vec![
            gone.into_iter().fold(write, |write, name| write.remove(name)),
            Write::update(keys::user(export.user), Cond::Eq("exporting", s(export.id))).remove("exporting"),
        ];
        lost_is_false(self.transact(writes).await)
    }

    async fn reindexed(&self, write: Write, export: &Export, due: Timestamp) -> Result<bool, DbError> {
        let write = jobs::open_index(export.id, due).into_iter().fold(write, |write, (name, value)| write.set(name, value));
        lost_is_false(self.write(write).await)
    }
}

fn open() -> Cond {
    Cond::OneOf("state", vec![s(ExportState::Queued.name()), s(ExportState::Running.name())])
}

fn lost_is_false(result: Result<(), Lost>) -> Result<bool, DbError> {
    match result {
        Ok(()) => Ok(true),
        Err(Lost::Condition { .. }) => Ok(false),
        Err(Lost::Failed(error)) => Err(error),
    }
}
