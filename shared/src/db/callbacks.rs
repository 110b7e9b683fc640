//! Callbacks to clients: one item for each generation that has one, written with it, listed as open until it is delivered or given up.

use jiff::{SignedDuration, Timestamp};

use super::expr::{n, s};
use super::jobs::open_index;
use super::{Cond, Db, DbError, Lost, Write, encode, keys, stamp};
use crate::domain::callback::{Callback, CallbackState};
use crate::domain::generation::Generation;
use crate::id::{GenerationId, UserId};

impl Db {
    /// The callback of a generation.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn callback(&self, user: UserId, generation: GenerationId) -> Result<Option<Callback>, DbError> {
        self.get(&keys::callback(user, generation)).await
    }

    /// Up to 100 callbacks of `user`; absent ones are left out.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn callbacks(&self, user: UserId, generations: &[GenerationId]) -> Result<Vec<Callback>, DbError> {
        let keys: Vec<_> = generations.iter().take(100).map(|id| keys::callback(user, *id)).collect();
        if keys.is_empty() { Ok(Vec::new()) } else { self.get_many(&keys).await }
    }

    /// Counts an attempt and keeps everybody else from making one until `lease` is over: written before anything is sent.
    /// `callback` is it as it was read. Losing: somebody else makes the attempt, or it is over.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn attempt_callback(&self, callback: &Callback, now: Timestamp, lease: SignedDuration) -> Result<(), Lost> {
        let free = as_read(callback).and(Cond::AtMost("next_at", n(now.as_millisecond())));
        let until = now + lease;
        let write = listed(Write::update(keys::callback(callback.user, callback.generation), free), callback.generation, until);
        self.write(write.set("attempts", n(callback.attempts + 1)).set("last_attempt_at", s(now)).set("next_at", n(until.as_millisecond())))
            .await
    }

    /// Writes down what came of the attempt that `callback` counts; with `again`, when the next one may be made. Losing: the attempt
    /// outlived its lease, and the next one tells.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn callback_attempted(
        &self,
        callback: &Callback,
        status: Option<u16>,
        state: CallbackState,
        again: Option<Timestamp>,
    ) -> Result<(), Lost> {
        let mut write = Write::update(keys::callback(callback.user, callback.generation), as_read(callback)).set("state", s(state.name()));
        write = match status {
            Some(status) => write.set("last_status", n(status)),
            None => write.remove("last_status"),
        };
        write = match again {
            Some(at) => listed(write, callback.generation, at).set("next_at", n(at.as_millisecond())),
            None => write.remove("gsi1pk").remove("gsi1sk"),
        };
        self.write(write).await
    }

    /// Puts off when `worker` looks at it again. Losing: somebody is at it.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn postpone_callback(&self, callback: &Callback, due: Timestamp) -> Result<(), Lost> {
        let write = Write::update(keys::callback(callback.user, callback.generation), as_read(callback));
        self.write(listed(write, callback.generation, due)).await
    }
}

/// The callback of `generation`, if it has one: due for a first look at `due`.
pub(super) fn create(generation: &Generation, due: Timestamp) -> Result<Option<Write>, DbError> {
    let Some(url) = &generation.callback_url else { return Ok(None) };
    let callback = Callback {
        generation: generation.id,
        user: generation.user,
        url: url.clone(),
        state: CallbackState::Pending,
        attempts: 0,
        last_status: None,
        last_attempt_at: None,
        next_at: generation.created_at,
        created_at: generation.created_at,
    };
    let mut item = encode(&callback)?;
    stamp(&mut item, "callback");
    item.extend(open_index(generation.id, due));
    Ok(Some(Write::put(keys::callback(generation.user, generation.id), item, Cond::NoItem)))
}

fn as_read(callback: &Callback) -> Cond {
    Cond::Eq("state", s(CallbackState::Pending.name())).and(Cond::Eq("attempts", n(callback.attempts)))
}

fn listed(write: Write, generation: GenerationId, due: Timestamp) -> Write {
    open_index(generation, due).into_iter().fold(write, |write, (name, value)| write.set(name, value))
}
