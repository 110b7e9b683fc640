//! People: their record, their identity, and the directory that admins and operators look them up in.
//!
//! A person is found by (issuer, subject) and by nothing else; an e-mail address is an attribute that may change or be shared.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::audit::{self, Actor, Change};
use super::expr::{n, s};
use super::keys::Key;
use super::{Cond, Db, DbError, Item, Lost, Page, Range, Write, attribute, encode, keys, stamp};
use crate::domain::limits::Limits;
use crate::domain::user::{Identity, Role, Status, User};
use crate::id::{UserId, random_base62};

/// How often a write that met another one is tried again from what is there now.
pub(super) const ATTEMPTS: usize = 4;
/// A repeated sign-in within this time writes nothing unless something changed.
const SIGN_IN_PACE: SignedDuration = SignedDuration::from_mins(1);
/// Base62 characters of a media prefix: 131 bits.
const PREFIX_LENGTH: usize = 22;

/// A part of the directory.
#[derive(Clone, Copy, Debug)]
pub enum Directory<'a> {
    /// Everybody, the newest first.
    Newest,
    /// Whose address begins so, in the order of addresses.
    Email(&'a str),
    /// Whose name begins so, in the order of names.
    Name(&'a str),
    /// Admins, the first first.
    Admins,
}

/// What an admin or an operator can change about somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// What they may do. Ends their sessions.
    Role(Role),
    /// Whether they may do anything. Ends their sessions.
    Status(Status),
    /// How much; `None` goes back to the configured limits.
    Limits(Option<Limits>),
}

/// Why somebody wasn't changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// There is no such person.
    #[error("there is no such person")]
    Nobody,
    /// The admin who wants it isn't one any more.
    #[error("the actor is no admin any more")]
    NotAdmin,
    /// They are about to be deleted, which has its own ways in and out.
    #[error("the person is being deleted")]
    Deleting,
    /// The table failed.
    #[error(transparent)]
    Failed(#[from] DbError),
}

#[derive(Deserialize)]
struct Named {
    user: UserId,
}

impl Db {
    /// The record of `user`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn user(&self, user: UserId) -> Result<Option<User>, DbError> {
        self.get(&keys::user(user)).await
    }

    /// The person whom `issuer` calls `subject`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn user_by_identity(&self, issuer: &str, subject: &str) -> Result<Option<User>, DbError> {
        match self.get::<Named>(&keys::identity(issuer, subject)).await? {
            Some(Named { user }) => self.user(user).await,
            None => Ok(None),
        }
    }

    /// The person of `identity`, made if there is none: record, identity and directory in one transaction, on the condition that
    /// the identity is new; losing means that somebody was faster, and theirs is answered. Changes nothing about who exists.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn ensure_user(&self, identity: &Identity, now: Timestamp) -> Result<User, DbError> {
        for _ in 0..ATTEMPTS {
            let named = self.get::<Named>(&keys::identity(&identity.issuer, &identity.subject)).await?.map(|named| named.user);
            if let Some(id) = named
                && let Some(user) = self.user(id).await?
            {
                return Ok(user);
            }
            // An identity without its person is what an interrupted deletion leaves: it is theirs to begin again with.
            let free = named.map_or(Cond::NoItem, |gone| Cond::NoItem.or(Cond::Eq("user", s(gone))));
            let user = new_user(identity, now);
            match self.transact(creation(&user, free)?).await {
                Ok(()) => return Ok(user),
                Err(Lost::Condition { .. }) => {}
                Err(Lost::Failed(error)) => return Err(error),
            }
        }
        Err(DbError::Unavailable("an identity keeps changing hands".into()))
    }

    /// As [`Db::ensure_user`], and writes down what the issuer says now and when. Condition: address and name are as read;
    /// losing means that another sign-in has just written its own, and the record is read again.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sign_in(&self, identity: &Identity, now: Timestamp) -> Result<User, DbError> {
        for _ in 0..ATTEMPTS {
            let before = self.ensure_user(identity, now).await?;
            let same = before.email == identity.email && before.name == identity.name && before.picture == identity.picture;
            if same && now.duration_since(before.last_sign_in_at) < SIGN_IN_PACE {
                return Ok(before);
            }
            let after = User {
                email: identity.email.clone(),
                name: identity.name.clone(),
                picture: identity.picture.clone(),
                last_sign_in_at: now,
                ..before.clone()
            };
            match self.transact(update_profile(&before, &after)).await {
                Ok(()) => return Ok(after),
                Err(Lost::Condition { .. }) => {}
                Err(Lost::Failed(error)) => return Err(error),
            }
        }
        Err(DbError::Unavailable("a profile keeps changing".into()))
    }

    /// A page of the directory: what begins as asked, with their records. `after` is the sort key of the page before.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn users(&self, part: Directory<'_>, after: Option<&str>, limit: i32) -> Result<Page<User>, DbError> {
        let prefix = match part {
            Directory::Newest => keys::DIRECTORY_NEWEST.to_owned(),
            Directory::Admins => keys::DIRECTORY_ADMINS.to_owned(),
            Directory::Email(text) => keys::directory_email_search(text),
            Directory::Name(text) => keys::directory_name_search(text),
        };
        let descending = matches!(part, Directory::Newest);
        let range = Range { pk: keys::DIRECTORY.to_owned(), prefix: &prefix, after, descending, limit: limit.min(100) };
        let page = self.query::<Named>(range).await?;
        let keys: Vec<Key> = page.items.iter().map(|entry| keys::user(entry.user)).collect();
        Ok(Page { items: self.get_many(&keys).await?, next: page.next })
    }

    /// Everybody with exactly this address, a hundred at most. More than one is possible: an address isn't an identity.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn users_by_email(&self, email: &str) -> Result<Vec<User>, DbError> {
        let prefix = keys::directory_email_prefix(email);
        let range = Range { pk: keys::DIRECTORY.to_owned(), prefix: &prefix, after: None, descending: false, limit: 100 };
        let keys: Vec<Key> = self.query::<Named>(range).await?.items.iter().map(|entry| keys::user(entry.user)).collect();
        self.get_many(&keys).await
    }

    /// As [`Db::change_user_at_once`], one change by an operator; `None` when there is nobody.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn change_user(&self, user: UserId, change: UserChange, actor: &Actor, now: Timestamp) -> Result<Option<User>, DbError> {
        match self.change_user_at_once(user, &[change], actor, now).await {
            Ok(user) => Ok(Some(user)),
            Err(NotChanged::Nobody) => Ok(None),
            Err(lost @ (NotChanged::NotAdmin | NotChanged::Deleting)) => Err(DbError::Refused(lost.into())),
            Err(NotChanged::Failed(error)) => Err(error),
        }
    }

    /// Changes somebody, with an audit line for each thing that changes, in one transaction. Conditions: what is changed is as it
    /// was read, so that the line's *before* is true; losing means that somebody else changed it, and it is read again. And the
    /// actor, if it is an admin, still is one: of two admins who take the role from each other at once, one keeps it.
    /// What is already so is answered without a write and without a line.
    ///
    /// # Errors
    /// [`NotChanged`].
    pub async fn change_user_at_once(
        &self,
        user: UserId,
        changes: &[UserChange],
        actor: &Actor,
        now: Timestamp,
    ) -> Result<User, NotChanged> {
        for _ in 0..ATTEMPTS {
            let before = self.user(user).await?.ok_or(NotChanged::Nobody)?;
            let after = changes.iter().fold(before.clone(), |user, change| changed(user, *change));
            if after == before {
                return Ok(before);
            }
            if before.status != after.status && [before.status, after.status].contains(&Status::Deleting) {
                return Err(NotChanged::Deleting);
            }
            let (mut writes, condition) = by(actor, &before)?;
            let first = writes.len();
            writes.push(change_record(&before, &after, condition)?);
            for change in describe(&before, &after)? {
                writes.push(audit::write(actor, change, now)?);
            }
            if after.role != before.role {
                let key = keys::directory_admin(user);
                writes.push(match after.role {
                    Role::Admin => Write::put(key, entry(user), own_entry(user)),
                    Role::User => Write::delete(key, own_entry(user)),
                });
            }
            match self.transact(writes).await {
                Ok(()) => return Ok(after),
                Err(Lost::Condition { index, .. }) if index < first => return Err(NotChanged::NotAdmin),
                Err(Lost::Condition { .. }) => {}
                Err(Lost::Failed(error)) => return Err(error.into()),
            }
        }
        Err(DbError::Unavailable("a record keeps changing".into()).into())
    }

    /// Ends every session of `user` at once, by a new epoch. Condition: there is such a person; losing means that there is none.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_all_sessions(&self, user: UserId) -> Result<(), DbError> {
        match self.write(Write::update(keys::user(user), Cond::Exists).add("epoch", 1)).await {
            Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
            Err(Lost::Failed(error)) => Err(error),
        }
    }
}

fn new_user(identity: &Identity, now: Timestamp) -> User {
    User {
        id: UserId::new(now),
        issuer: identity.issuer.clone(),
        subject: identity.subject.clone(),
        email: identity.email.clone(),
        name: identity.name.clone(),
        picture: identity.picture.clone(),
        role: Role::User,
        status: Status::Active,
        epoch: 0,
        media_prefix: random_base62(PREFIX_LENGTH),
        limits: None,
        deletes_at: None,
        created_at: now,
        last_sign_in_at: now,
    }
}

fn creation(user: &User, identity_is_free: Cond) -> Result<Vec<Write>, DbError> {
    let mut record = encode(user)?;
    stamp(&mut record, "user");
    let mut identity = Item::from([("user".to_owned(), s(user.id))]);
    stamp(&mut identity, "identity");
    let listed = [keys::directory_email(&user.email, user.id), keys::directory_name(&user.name, user.id), keys::directory_newest(user.id)];
    let mut writes = vec![
        Write::put(keys::identity(&user.issuer, &user.subject), identity, identity_is_free),
        Write::put(keys::user(user.id), record, Cond::NoItem),
    ];
    writes.extend(listed.into_iter().map(|key| Write::put(key, entry(user.id), Cond::NoItem)));
    Ok(writes)
}

/// The record, and the directory entries that no longer fit: never the same key twice, which a transaction refuses.
fn update_profile(before: &User, after: &User) -> Vec<Write> {
    let id = before.id;
    let as_read = Cond::Eq("email", s(&before.email)).and(Cond::Eq("name", s(&before.name)));
    let record = Write::update(keys::user(id), as_read)
        .set("email", s(&after.email))
        .set("name", s(&after.name))
        .set("last_sign_in_at", n(after.last_sign_in_at.as_millisecond()));
    let record = match &after.picture {
        Some(picture) => record.set("picture", s(picture)),
        None => record.remove("picture"),
    };
    let mut writes = vec![record];
    let moves = [
        (keys::directory_email(&before.email, id), keys::directory_email(&after.email, id)),
        (keys::directory_name(&before.name, id), keys::directory_name(&after.name, id)),
    ];
    for (old, new) in moves.into_iter().filter(|(old, new)| old != new) {
        writes.push(Write::delete(old, own_entry(id)));
        writes.push(Write::put(new, entry(id), own_entry(id)));
    }
    writes
}

/// What must hold of `actor` when it changes the person whose record was read as `before`: in a write of its own, or, as a record
/// can't be in a transaction twice, in the condition on the person's own.
pub(super) fn by(actor: &Actor, before: &User) -> Result<(Vec<Write>, Cond), NotChanged> {
    match actor.still_admin() {
        None => Ok((Vec::new(), Cond::Exists)),
        Some((admin, still)) if admin != before.id => Ok((vec![Write::check(keys::user(admin), still)], Cond::Exists)),
        Some((_, still)) if (before.role, before.status) == (Role::Admin, Status::Active) => Ok((Vec::new(), still)),
        Some(_) => Err(NotChanged::NotAdmin),
    }
}

fn changed(mut user: User, change: UserChange) -> User {
    match change {
        UserChange::Role(role) => user.role = role,
        UserChange::Status(status) => user.status = status,
        UserChange::Limits(limits) => user.limits = limits,
    }
    user
}

/// What differs, on `condition` and that it is as it was read. A new role or status ends all sessions.
fn change_record(before: &User, after: &User, mut condition: Cond) -> Result<Write, DbError> {
    let differs = |name, before: &str, after: &str| (before != after).then(|| (Cond::Eq(name, s(before)), name, s(after)));
    let texts =
        [differs("role", before.role.as_str(), after.role.as_str()), differs("status", before.status.as_str(), after.status.as_str())];
    let mut sets = Vec::new();
    for (as_read, name, value) in texts.into_iter().flatten() {
        condition = condition.and(as_read);
        sets.push((name, value));
    }
    let limits_differ = before.limits != after.limits;
    if limits_differ {
        condition = condition.and(match &before.limits {
            Some(limits) => Cond::Eq("limits", attribute(limits)?),
            None => Cond::Absent("limits"),
        });
    }
    let mut write = Write::update(keys::user(before.id), condition);
    if !sets.is_empty() {
        write = write.add("epoch", 1);
    }
    for (name, value) in sets {
        write = write.set(name, value);
    }
    Ok(match &after.limits {
        _ if !limits_differ => write,
        Some(limits) => write.set("limits", attribute(limits)?),
        None => write.remove("limits"),
    })
}

fn describe(before: &User, after: &User) -> Result<Vec<Change<'static>>, DbError> {
    let json = |limits: &Option<Limits>| serde_json::to_value(limits).map_err(|e| DbError::Refused(Box::new(e)));
    let all = [
        ("user.role", before.role.as_str().into(), after.role.as_str().into()),
        ("user.status", before.status.as_str().into(), after.status.as_str().into()),
        ("user.limits", json(&before.limits)?, json(&after.limits)?),
    ];
    let target = format!("user:{}", before.id);
    let differing = all.into_iter().filter(|(_, before, after)| before != after);
    Ok(differing.map(|(act, before, after)| Change { act, target: target.clone(), before, after }).collect())
}

fn entry(user: UserId) -> Item {
    let mut item = Item::from([("user".to_owned(), s(user))]);
    stamp(&mut item, "directory");
    item
}

/// A directory entry that is this person's or isn't there; its key names the person, so losing would be a fault of ours.
pub(super) fn own_entry(user: UserId) -> Cond {
    Cond::NoItem.or(Cond::Eq("user", s(user)))
}
