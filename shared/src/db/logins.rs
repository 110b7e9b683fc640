//! Sign-ins under way: what the callback is compared with, known only to the browser that began.

use jiff::fmt::serde::timestamp::millisecond::required as millis;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::expr::{n, s};
use super::{Cond, Db, DbError, Lost, Write, encode, keys, stamp};

/// How long somebody may take at the issuer.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// A sign-in under way.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    /// Must come back in the callback.
    pub state: String,
    /// Must come back in the identity token.
    pub nonce: String,
    /// Proves to the issuer that who redeems the code also asked for it (PKCE).
    pub verifier: String,
    /// Where to go afterwards: a path of ours.
    pub next: String,
    /// Ten minutes after it began.
    #[serde(with = "millis")]
    pub expires_at: Timestamp,
}

impl Db {
    /// Keeps `login` below the hash of its cookie. Condition: the hash is new, which losing would contradict.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn begin_login(&self, cookie_hash: &str, login: &Login) -> Result<(), DbError> {
        let mut item = encode(login)?;
        stamp(&mut item, "login");
        item.insert("ttl".to_owned(), n(login.expires_at.as_second() + 60));
        match self.write(Write::put(keys::login(cookie_hash), item, Cond::NoItem)).await {
            Ok(()) => Ok(()),
            Err(Lost::Condition { .. }) => Err(DbError::Refused("a fresh secret is in use".into())),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// The sign-in that began with this cookie and `state`, which can be taken once. `None` when there is none, when it has
    /// expired, or when somebody else took it. Condition of the deletion: it is still there with this state.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn take_login(&self, cookie_hash: &str, state: &str, now: Timestamp) -> Result<Option<Login>, DbError> {
        let key = keys::login(cookie_hash);
        let Some(login) = self.get::<Login>(&key).await? else { return Ok(None) };
        // A wrong state doesn't use it up: another site could otherwise end a sign-in by sending the browser here.
        if !bool::from(login.state.as_bytes().ct_eq(state.as_bytes())) {
            return Ok(None);
        }
        match self.write(Write::delete(key, Cond::Eq("state", s(state)))).await {
            Ok(()) => Ok((now < login.expires_at).then_some(login)),
            Err(Lost::Condition { .. }) => Ok(None),
            Err(Lost::Failed(error)) => Err(error),
        }
    }
}
