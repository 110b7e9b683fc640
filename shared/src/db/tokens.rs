//! Personal tokens: found by the hash of the secret, listed below their person.

use jiff::fmt::serde::timestamp::millisecond::{optional as optional_millis, required as millis};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::expr::n;
use super::{Cond, Db, DbError, Lost, Write, keys};
use crate::domain::user::Scope;
use crate::id::{TokenId, UserId};

/// The last use is written down at most this often.
const TOUCH: SignedDuration = SignedDuration::from_hours(1);

/// A personal token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its public name.
    pub id: TokenId,
    /// Whose.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// From then on it is refused.
    #[serde(default, with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The last request, to within an hour.
    #[serde(default, with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

impl Token {
    /// Whether it has expired.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
    }

    /// Whether its last use should be written down again.
    pub fn wants_touch(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|at| now.duration_since(at) >= TOUCH)
    }
}

/// The token whose secret has this hash.
///
/// # Errors
/// [`DbError`].
pub async fn find(db: &Db, secret_hash: &str) -> Result<Option<Token>, DbError> {
    db.get(&keys::token(secret_hash)).await
}

/// Writes down that the token is in use. Condition: it exists and nobody has done so within an hour; losing means that somebody
/// has, or that it has just been revoked. A failure is only logged: the request itself is fine.
pub async fn touch(db: &Db, secret_hash: &str, now: Timestamp) {
    let unused = Cond::Absent("last_used_at").or(Cond::AtMost("last_used_at", n((now - TOUCH).as_millisecond())));
    let write = Write::update(keys::token(secret_hash), Cond::Exists.and(unused)).set("last_used_at", n(now.as_millisecond()));
    match db.write(write).await {
        Ok(()) | Err(Lost::Condition { .. }) => {}
        Err(Lost::Failed(error)) => tracing::warn!(%error, "a token's last use was not written down"),
    }
}
