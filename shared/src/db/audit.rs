//! The audit log: a line for every privileged act, put in the transaction that does it. Lines are never changed or removed.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};

use super::expr::s;
use super::{Cond, Db, DbError, Page, Range, Write, encode, keys, stamp};
use crate::domain::user::{Role, Status};
use crate::id::{RecordId, UserId};

/// Who does something privileged, and through which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `user:{id}`, `operator` or `worker`.
    pub name: String,
    /// The request's id; an operator's command has none.
    pub request_id: Option<String>,
    /// Who must still be an admin when it is done.
    admin: Option<UserId>,
}

impl Actor {
    /// Somebody with access to the machine or the account it runs in.
    pub fn operator() -> Self {
        Self { name: "operator".to_owned(), request_id: None, admin: None }
    }

    /// What does by itself what was asked for before.
    pub fn worker() -> Self {
        Self { name: "worker".to_owned(), request_id: None, admin: None }
    }

    /// An admin, through a request.
    pub fn admin(user: UserId, request_id: &str) -> Self {
        Self { admin: Some(user), ..Self::person(user, request_id) }
    }

    /// Somebody in their own affairs, through a request.
    pub fn person(user: UserId, request_id: &str) -> Self {
        Self { name: format!("user:{user}"), request_id: Some(request_id.to_owned()), admin: None }
    }

    /// The admin, and what must still be so when their act is written. Losing: they were demoted or suspended since the request
    /// began.
    pub(crate) fn still_admin(&self) -> Option<(UserId, Cond)> {
        let active = Cond::Eq("status", s(Status::Active.as_str()));
        self.admin.map(|user| (user, Cond::Eq("role", s(Role::Admin.as_str())).and(active)))
    }
}

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditLine {
    /// Its own id.
    pub id: RecordId,
    /// When.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// [`Actor::name`].
    pub actor: String,
    /// What was done, `user.role` for example.
    pub act: String,
    /// To what, `user:{id}` for example.
    pub target: String,
    /// As it was.
    pub before: serde_json::Value,
    /// As it is now.
    pub after: serde_json::Value,
    /// [`Actor::request_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What changed about what.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// `user.role` for example.
    pub act: &'a str,
    /// `user:{id}` for example.
    pub target: String,
    /// As it was.
    pub before: serde_json::Value,
    /// As it will be.
    pub after: serde_json::Value,
}

/// The line's write. Condition: its id is new, which losing would contradict.
pub(crate) fn write(actor: &Actor, change: Change<'_>, now: Timestamp) -> Result<Write, DbError> {
    let line = AuditLine {
        id: RecordId::new(now),
        at: now,
        actor: actor.name.clone(),
        act: change.act.to_owned(),
        target: change.target,
        before: change.before,
        after: change.after,
        request_id: actor.request_id.clone(),
    };
    let mut item = encode(&line)?;
    stamp(&mut item, "audit");
    Ok(Write::put(keys::audit(&keys::month_of(now), line.id), item, Cond::NoItem))
}

impl Db {
    /// The lines of `month` (`2026-11`), newest first.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn audit(&self, month: &str, after: Option<&str>, limit: i32) -> Result<Page<AuditLine>, DbError> {
        self.query(Range { pk: keys::audit_partition(month), prefix: "", after, descending: true, limit }).await
    }
}
