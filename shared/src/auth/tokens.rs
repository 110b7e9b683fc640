//! Making personal tokens.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::secret;
use crate::clock::Clock;
use crate::db::Db;
use crate::db::tokens::{NotMade, Token};
use crate::domain::user::Scope;
use crate::id::{TokenId, UserId};

/// The longest name of a token, in characters.
pub const NAME_CHARS: usize = 60;

/// What a new token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What its owner calls it; at most [`NAME_CHARS`], the rest is cut off.
    pub name: String,
    /// What it may be used for; kept once each, in order.
    pub scopes: Vec<Scope>,
    /// From then on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// Makes a personal token of `user`. The secret is in the answer and nowhere else.
///
/// # Errors
/// [`NotMade`].
pub async fn create_token(db: &Db, clock: &Clock, user: UserId, new: NewToken) -> Result<(Token, SecretString), NotMade> {
    let now = clock.now();
    let mut scopes = new.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let name = new.name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
    let token = Token { id: TokenId::new(now), user, name, scopes, created_at: now, expires_at: new.expires_at, last_used_at: None };
    let value = secret::new_token();
    db.make_token(&secret::hash(value.expose_secret()), &token).await?;
    Ok((token, value))
}
