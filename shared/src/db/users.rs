//! People: their record, their identity, and the directory that admins and operators look them up in.

use super::keys;
use super::{Db, DbError};
use crate::domain::user::User;
use crate::id::UserId;

/// The record of `user`.
///
/// # Errors
/// [`DbError`].
pub async fn get(db: &Db, user: UserId) -> Result<Option<User>, DbError> {
    db.get(&keys::user(user)).await
}
