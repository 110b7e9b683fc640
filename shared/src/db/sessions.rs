//! Sessions: a browser that is signed in. Found by the hash of the cookie, listed below their person.

use jiff::fmt::serde::timestamp::millisecond::required as millis;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::assets::always;
use super::expr::{n, s};
use super::{Cond, Db, DbError, Lost, Range, Write, encode, keys, stamp};
use crate::domain::user::{Role, User};
use crate::id::{SessionId, UserId};

/// Without a request for this long, a session is over.
const IDLE: SignedDuration = SignedDuration::from_hours(24);
/// A session is over this long after its sign-in, used or not.
const WHOLE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// As [`IDLE`], for admins: their sessions are worth more to a thief.
const ADMIN_IDLE: SignedDuration = SignedDuration::from_mins(30);
/// As [`WHOLE`], for admins.
const ADMIN_WHOLE: SignedDuration = SignedDuration::from_hours(8);
/// At most so many sessions a person; the oldest gives way.
const MOST: usize = 10;
/// A transaction has at most 100 items, and a session is two.
const ENDED_AT_ONCE: usize = 50;
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

/// A person's list names the hashes.
#[derive(Serialize, Deserialize)]
struct Pointer {
    id: SessionId,
    hash: String,
}

impl Db {
    /// The session of the cookie with this hash.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn session(&self, cookie_hash: &str) -> Result<Option<Session>, DbError> {
        self.get(&keys::session(cookie_hash)).await
    }

    /// Writes down that the session is in use. Condition: it exists and nobody has done so within five minutes; losing means that
    /// somebody has, or that it has just ended. A failure is only logged: the request itself is fine.
    pub async fn touch_session(&self, cookie_hash: &str, now: Timestamp) {
        let unseen = Cond::AtMost("last_seen_at", n((now - TOUCH).as_millisecond()));
        let write = Write::update(keys::session(cookie_hash), unseen).set("last_seen_at", n(now.as_millisecond()));
        match self.write(write).await {
            Ok(()) | Err(Lost::Condition { .. }) => {}
            Err(Lost::Failed(error)) => tracing::warn!(%error, "a session's last use was not written down"),
        }
    }

    /// Begins `session` below the hash of its cookie, then ends the oldest beyond ten. Condition: hash and id are new, which
    /// losing would contradict. The list is read after the write, so that of many sign-ins at once the last sees them all.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn begin_session(&self, cookie_hash: &str, session: &Session) -> Result<(), DbError> {
        let ttl = n(session.created_at.as_second() + WHOLE.as_secs() + 3_600);
        let mut item = encode(session)?;
        let mut pointer = encode(&Pointer { id: session.id, hash: cookie_hash.to_owned() })?;
        stamp(&mut item, "session");
        stamp(&mut pointer, "user-session");
        item.insert("ttl".to_owned(), ttl.clone());
        pointer.insert("ttl".to_owned(), ttl);
        let writes = vec![
            Write::put(keys::session(cookie_hash), item, Cond::NoItem),
            Write::put(keys::user_session(session.user, session.id), pointer, Cond::NoItem),
        ];
        match self.transact(writes).await {
            Ok(()) => {}
            Err(Lost::Condition { .. }) => return Err(DbError::Refused("a fresh secret is in use".into())),
            Err(Lost::Failed(error)) => return Err(error),
        }
        let pointers = self.pointers(session.user).await?;
        self.remove_sessions(session.user, &pointers[..pointers.len().saturating_sub(MOST)]).await
    }

    /// Ends `old` sessions of `user` together. Many sign-ins at once see the same old ones: that another has ended one of them is fine,
    /// so only what isn't theirs is a condition, which losing would contradict.
    async fn remove_sessions(&self, user: UserId, old: &[Pointer]) -> Result<(), DbError> {
        for some in old.chunks(ENDED_AT_ONCE) {
            let ended = some.iter().flat_map(|pointer| {
                let theirs = Cond::NoItem.or(Cond::Eq("user", s(user)));
                [Write::delete(keys::user_session(user, pointer.id), always()), Write::delete(keys::session(&pointer.hash), theirs)]
            });
            match self.transact(ended.collect()).await {
                Ok(()) => {}
                Err(Lost::Condition { .. }) => return Err(DbError::Refused("a session is somebody else's".into())),
                Err(Lost::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// The sessions of `user` that aren't over, newest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sessions(&self, user: &User, now: Timestamp) -> Result<Vec<Session>, DbError> {
        let keys: Vec<_> = self.pointers(user.id).await?.iter().rev().map(|pointer| keys::session(&pointer.hash)).collect();
        let mut sessions: Vec<Session> = self.get_many(&keys).await?;
        sessions.retain(|session| session.epoch == user.epoch && !session.is_over(user.role, now));
        Ok(sessions)
    }

    /// Ends a session of `user`. `false` when they have none of this name. Condition: the list names it; losing means that
    /// somebody else has just ended it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<bool, DbError> {
        match self.get::<Pointer>(&keys::user_session(user, session)).await? {
            Some(pointer) => self.remove_session(user, &pointer).await,
            None => Ok(false),
        }
    }

    /// Oldest first.
    async fn pointers(&self, user: UserId) -> Result<Vec<Pointer>, DbError> {
        let range = Range { pk: keys::user_partition(user), prefix: keys::USER_SESSIONS, after: None, descending: false, limit: 100 };
        Ok(self.query(range).await?.items)
    }

    async fn remove_session(&self, user: UserId, pointer: &Pointer) -> Result<bool, DbError> {
        // The table may have removed either of them already, once their time had come.
        let theirs = Cond::NoItem.or(Cond::Eq("user", s(user)));
        let writes =
            vec![Write::delete(keys::user_session(user, pointer.id), Cond::Exists), Write::delete(keys::session(&pointer.hash), theirs)];
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(Lost::Condition { .. }) => Ok(false),
            Err(Lost::Failed(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn session(last_seen_s: i64) -> Session {
        Session {
            id: SessionId::new(at(0)),
            user: UserId::new(at(0)),
            epoch: 0,
            created_at: at(0),
            last_seen_at: at(last_seen_s),
            agent: String::new(),
        }
    }

    #[test]
    fn a_session_ends_on_the_second() {
        const DAY: i64 = 86_400;
        for (role, last_seen, end) in [
            (Role::User, 0, DAY),
            (Role::User, 13 * DAY, 14 * DAY),
            (Role::User, 12 * DAY, 13 * DAY),
            (Role::Admin, 0, 1_800),
            (Role::Admin, 8 * 3_600 - 60, 8 * 3_600),
        ] {
            assert!(!session(last_seen).is_over(role, at(end - 1)), "{role:?} {last_seen}");
            assert!(session(last_seen).is_over(role, at(end)), "{role:?} {last_seen}");
        }
    }

    #[test]
    fn its_last_use_is_written_every_five_minutes() {
        assert!(!session(0).wants_touch(at(299)));
        assert!(session(0).wants_touch(at(300)));
    }
}
