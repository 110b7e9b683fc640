//! Personal tokens: found by the hash of the secret, listed below their person.

use jiff::fmt::serde::timestamp::millisecond::{optional as optional_millis, required as millis};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::expr::{n, s};
use super::{Cond, Db, DbError, Lost, Range, Write, encode, keys, stamp};
use crate::domain::user::Scope;
use crate::id::{TokenId, UserId};

/// At most so many tokens a person.
pub const MOST: u32 = 50;
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

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// They have fifty.
    #[error("too many tokens")]
    TooMany,
    /// The table failed.
    #[error(transparent)]
    Failed(#[from] DbError),
}

/// A person's list names the hashes.
#[derive(Serialize, Deserialize)]
struct Pointer {
    id: TokenId,
    hash: String,
}

impl Db {
    /// The token whose secret has this hash.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn token(&self, secret_hash: &str) -> Result<Option<Token>, DbError> {
        self.get(&keys::token(secret_hash)).await
    }

    /// Writes down that the token is in use. Condition: it exists and nobody has done so within an hour; losing means that
    /// somebody has, or that it has just been revoked. A failure is only logged: the request itself is fine.
    pub async fn touch_token(&self, secret_hash: &str, now: Timestamp) {
        let unused = Cond::Absent("last_used_at").or(Cond::AtMost("last_used_at", n((now - TOUCH).as_millisecond())));
        let write = Write::update(keys::token(secret_hash), Cond::Exists.and(unused)).set("last_used_at", n(now.as_millisecond()));
        match self.write(write).await {
            Ok(()) | Err(Lost::Condition { .. }) => {}
            Err(Lost::Failed(error)) => tracing::warn!(%error, "a token's last use was not written down"),
        }
    }

    /// Keeps `token` below the hash of its secret. Conditions: its person exists and has fewer than fifty, counted in the same
    /// transaction; losing that is [`NotMade::TooMany`]. Hash and id are new, which losing would contradict.
    /// Expired ones count until they are revoked.
    ///
    /// # Errors
    /// [`NotMade`].
    pub async fn make_token(&self, secret_hash: &str, token: &Token) -> Result<(), NotMade> {
        let mut item = encode(token)?;
        let mut pointer = encode(&Pointer { id: token.id, hash: secret_hash.to_owned() })?;
        stamp(&mut item, "token");
        stamp(&mut pointer, "user-token");
        let room = Cond::Exists.and(Cond::Absent("tokens").or(Cond::Less("tokens", n(MOST))));
        let writes = vec![
            Write::update(keys::user(token.user), room).add("tokens", 1),
            Write::put(keys::token(secret_hash), item, Cond::NoItem),
            Write::put(keys::user_token(token.user, token.id), pointer, Cond::NoItem),
        ];
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Lost::Condition { index: 0, .. }) => Err(NotMade::TooMany),
            Err(Lost::Condition { .. }) => Err(NotMade::Failed(DbError::Refused("a fresh secret is in use".into()))),
            Err(Lost::Failed(error)) => Err(NotMade::Failed(error)),
        }
    }

    /// The tokens of `user`, newest first, expired ones included.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn tokens(&self, user: UserId) -> Result<Vec<Token>, DbError> {
        let range = Range { pk: keys::user_partition(user), prefix: keys::USER_TOKENS, after: None, descending: true, limit: 100 };
        let pointers = self.query::<Pointer>(range).await?.items;
        let keys: Vec<_> = pointers.iter().map(|pointer| keys::token(&pointer.hash)).collect();
        self.get_many(&keys).await
    }

    /// Revokes a token of `user`. `false` when they have none of this name. Condition: the list names it; losing means that
    /// somebody else has just revoked it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn revoke_token(&self, user: UserId, token: TokenId) -> Result<bool, DbError> {
        let Some(pointer) = self.get::<Pointer>(&keys::user_token(user, token)).await? else { return Ok(false) };
        let writes = vec![
            Write::delete(keys::user_token(user, token), Cond::Exists),
            Write::delete(keys::token(&pointer.hash), Cond::Eq("user", s(user))),
            Write::update(keys::user(user), Cond::Exists).add("tokens", -1),
        ];
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(Lost::Condition { .. }) => Ok(false),
            Err(Lost::Failed(error)) => Err(error),
        }
    }
}
