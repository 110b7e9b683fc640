//! Sessions: a browser that is signed in. Found by the hash of the cookie, listed below their person.

use jiff::fmt::serde::timestamp::millisecond::required as millis;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::expr::n;
use super::{Cond, Db, DbError, Lost, Write, keys};
use crate::domain::user::Role;
use crate::id::{SessionId, UserId};

/// Without a request for this long, a session is over.
const IDLE: SignedDuration = SignedDuration::from_hours(24);
/// A session is over this long after its sign-in, used or not.
const WHOLE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// As [`IDLE`], for admins: their sessions are worth more to a thief.
const ADMIN_IDLE: SignedDuration = SignedDuration::from_mins(30);
/// As [`WHOLE`], for admins.
const ADMIN_WHOLE: SignedDuration = SignedDuration::from_hours(8);
/// The last use is written down at most this often.
const TOUCH: SignedDuration = SignedDuration::from_mins(5);

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its public name; the cookie is only known by hash.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// The person's [`crate::domain::user::User::epoch`] at the sign-in.
    pub epoch: u32,
    /// The sign-in.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// The last request, to within five minutes.
    #[serde(with = "millis")]
    pub last_seen_at: Timestamp,
    /// What the browser calls itself, shortened to what a list shows.
    pub agent: String,
}

impl Session {
    /// When it is over if nothing else happens.
    pub fn ends_at(&self, role: Role) -> Timestamp {
        let (idle, whole) = match role {
            Role::User => (IDLE, WHOLE),
            Role::Admin => (ADMIN_IDLE, ADMIN_WHOLE),
        };
        let after = |from: Timestamp, by: SignedDuration| from.checked_add(by).unwrap_or(Timestamp::MAX);
        after(self.last_seen_at, idle).min(after(self.created_at, whole))
    }

    /// Whether it is over. Compared here: the table removes expired items days later.
    pub fn is_over(&self, role: Role, now: Timestamp) -> bool {
        now >= self.ends_at(role)
    }

    /// Whether its last use should be written down again.
    pub fn wants_touch(&self, now: Timestamp) -> bool {
        now.duration_since(self.last_seen_at) >= TOUCH
    }
}

/// The session of the cookie with this hash.
///
/// # Errors
/// [`DbError`].
pub async fn find(db: &Db, cookie_hash: &str) -> Result<Option<Session>, DbError> {
    db.get(&keys::session(cookie_hash)).await
}

/// Writes down that the session is in use. Condition: it exists and nobody has done so within five minutes; losing means that
/// somebody has, or that it has just ended. A failure is only logged: the request itself is fine.
pub async fn touch(db: &Db, cookie_hash: &str, now: Timestamp) {
    let unseen = Cond::AtMost("last_seen_at", n((now - TOUCH).as_millisecond()));
    let write = Write::update(keys::session(cookie_hash), unseen).set("last_seen_at", n(now.as_millisecond()));
    match db.write(write).await {
        Ok(()) | Err(Lost::Condition { .. }) => {}
        Err(Lost::Failed(error)) => tracing::warn!(%error, "a session's last use was not written down"),
    }
}
