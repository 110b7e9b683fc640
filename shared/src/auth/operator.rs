//! What somebody with access to the machine, or to the account it runs in, can do: the commands `token`, `admin` and `user`.
//!
//! Nobody becomes an admin in any other way: not by being first, not by an address in the configuration.

use jiff::{SignedDuration, Timestamp};

pub use super::tokens::{NewToken, create_token};
use crate::clock::Clock;
use crate::db::audit::Actor;
use crate::db::deletion::NotRestored;
use crate::db::tokens::NotMade;
use crate::db::users::{Directory, NotChanged, UserChange};
use crate::db::{Db, DbError};
use crate::domain::user::{Identity, Role, Status, User};
use crate::id::UserId;

/// Why a command can't be done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Nobody with this address has signed in.
    #[error("nobody with the address {0} has signed in yet")]
    Nobody(String),
    /// Several people have this address.
    #[error("{count} people have the address {email}: name one by id ({ids})")]
    Several {
        /// Which address.
        email: String,
        /// How many.
        count: usize,
        /// Their ids.
        ids: String,
    },
    /// The text isn't an address, or the subject is empty.
    #[error("{0} is not an e-mail address")]
    NotAnAddress(String),
    /// Nothing is left to be restored.
    #[error("it is too late: what is theirs is being deleted")]
    TooLate,
    /// They have fifty tokens.
    #[error(transparent)]
    Token(#[from] NotMade),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] DbError),
}

/// The one person with this address, or with this id.
///
/// # Errors
/// [`OperatorError::Nobody`] and [`OperatorError::Several`]: an address isn't an identity, so guessing would be wrong.
pub async fn find_user(db: &Db, email_or_id: &str) -> Result<User, OperatorError> {
    if let Ok(id) = email_or_id.parse::<UserId>() {
        return db.user(id).await?.ok_or_else(|| OperatorError::Nobody(email_or_id.to_owned()));
    }
    let mut found = db.users_by_email(email_or_id).await?;
    match (found.pop(), found.is_empty()) {
        (Some(user), true) => Ok(user),
        (None, _) => Err(OperatorError::Nobody(email_or_id.to_owned())),
        (Some(last), false) => {
            found.push(last);
            let ids: Vec<String> = found.iter().map(|user| user.id.to_string()).collect();
            Err(OperatorError::Several { email: email_or_id.to_owned(), count: ids.len(), ids: ids.join(", ") })
        }
    }
}

/// The person whom `issuer` calls `subject`, made if there is none. For an issuer whose subjects the operator can name, as with
/// the sign-in stand-in, where they follow from the address: signing in later finds this same person.
///
/// # Errors
/// [`OperatorError::NotAnAddress`] and [`OperatorError::Table`].
pub async fn ensure_user(db: &Db, clock: &Clock, issuer: &str, subject: &str, email: &str, name: &str) -> Result<User, OperatorError> {
    let identity = Identity::new(issuer, subject, email, name, None).ok_or_else(|| OperatorError::NotAnAddress(email.to_owned()))?;
    Ok(db.ensure_user(&identity, clock.now()).await?)
}

/// Gives `user` a role, with an audit line in the same transaction; their sessions end, so that the change is seen at once.
///
/// # Errors
/// [`OperatorError::Nobody`] and [`OperatorError::Table`].
pub async fn set_role(db: &Db, clock: &Clock, user: UserId, role: Role) -> Result<User, OperatorError> {
    let changed = db.change_user(user, UserChange::Role(role), &Actor::operator(), clock.now()).await?;
    changed.ok_or_else(|| OperatorError::Nobody(user.to_string()))
}

/// Pauses generating, or lets it go on, with an audit line in the same transaction.
///
/// # Errors
/// [`DbError`].
pub async fn pause_generation(db: &Db, clock: &Clock, paused: bool, reason: Option<String>) -> Result<(), DbError> {
    db.set_kill_switch(paused, reason, &Actor::operator(), clock.now()).await.map(drop)
}

/// Suspends `user`, with an audit line in the same transaction; their sessions end.
///
/// # Errors
/// [`OperatorError::Nobody`] and [`OperatorError::Table`].
pub async fn suspend(db: &Db, clock: &Clock, user: UserId) -> Result<User, OperatorError> {
    let changed = db.change_user(user, UserChange::Status(Status::Suspended), &Actor::operator(), clock.now()).await?;
    changed.ok_or_else(|| OperatorError::Nobody(user.to_string()))
}

/// Lets `user` in again, with an audit line in the same transaction, from being suspended or about to be deleted.
///
/// # Errors
/// [`OperatorError::Nobody`], [`OperatorError::TooLate`] and [`OperatorError::Table`].
pub async fn restore(db: &Db, clock: &Clock, user: UserId) -> Result<User, OperatorError> {
    match db.call_off_deletion(user, false, &Actor::operator(), clock.now()).await {
        Ok(_) | Err(NotRestored::NotTheirs | NotRestored::NotAdmin) => {}
        Err(NotRestored::Nothing) if db.deletion(user).await?.is_some() => return Err(OperatorError::TooLate),
        Err(NotRestored::Nothing) => {}
        Err(NotRestored::Failed(error)) => return Err(error.into()),
    }
    let changed = db.change_user(user, UserChange::Status(Status::Active), &Actor::operator(), clock.now()).await?;
    changed.ok_or_else(|| OperatorError::Nobody(user.to_string()))
}

/// Begins to delete `user` with everything that is theirs, after `grace`; the answer is when. `worker` does it.
///
/// # Errors
/// [`OperatorError::Nobody`] and [`OperatorError::Table`].
pub async fn delete(db: &Db, clock: &Clock, user: UserId, grace: SignedDuration) -> Result<Timestamp, OperatorError> {
    let now = clock.now();
    db.begin_deletion(user, false, &Actor::operator(), now + grace, now).await.map_err(|lost| match lost {
        NotChanged::Failed(error) => error.into(),
        NotChanged::Nobody | NotChanged::NotAdmin | NotChanged::Deleting => OperatorError::Nobody(user.to_string()),
    })
}

/// All admins, a hundred at most.
///
/// # Errors
/// [`DbError`].
pub async fn admins(db: &Db) -> Result<Vec<User>, DbError> {
    Ok(db.users(Directory::Admins, None, 100).await?.items)
}
