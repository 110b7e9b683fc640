//! Settings of the whole installation: the kill switch, the breaker of the provider, and how much is under way.
//!
//! They lie in one partition, so that one strongly consistent read of a unit finds them all before each acceptance: a change
//! holds for the next request, everywhere.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};

use super::audit::{self, Actor, Change};
use super::expr::n;
use super::{Cond, Db, DbError, Lost, Range, Write, decode, encode, keys, stamp};
use crate::domain::breaker::Breaker;

/// How often a change that met another one is tried again from what is there now.
const ATTEMPTS: usize = 4;

/// Whether anything is sent to the provider at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillSwitch {
    /// Nothing new is accepted, nothing that waits is started.
    pub paused: bool,
    /// Why, in an operator's words; users read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Counts the changes.
    #[serde(default)]
    pub version: i64,
}

/// Calls that are open, as `worker` last counted them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OpenCalls {
    /// How many.
    pub calls: u64,
    /// When.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// How many had been accepted that day until then.
    pub accepted: u64,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// See [`KillSwitch`].
    pub kill_switch: KillSwitch,
    /// Of fal.
    pub breaker: Breaker,
    /// `None` before `worker` has counted for the first time.
    pub open: Option<OpenCalls>,
}

impl Db {
    /// What is set. What isn't is as if nobody had ever touched it.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn settings(&self) -> Result<Settings, DbError> {
        let range = Range { pk: keys::SETTINGS.to_owned(), prefix: "", after: None, descending: false, limit: 25 };
        let mut settings = Settings::default();
        for item in self.query_items(range).await?.items {
            match keys::Key::of_item(&item).map(|key| key.sk).unwrap_or_default().as_str() {
                keys::KILL_SWITCH => settings.kill_switch = decode(item)?,
                keys::BREAKER_FAL => settings.breaker = decode(item)?,
                keys::OPEN_CALLS => settings.open = Some(decode(item)?),
                _ => {}
            }
        }
        Ok(settings)
    }

    /// Pauses or resumes, with an audit line in the same transaction. Condition: nobody changed it since it was read; after
    /// losing that, it is read and tried again.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn set_kill_switch(
        &self,
        paused: bool,
        reason: Option<String>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<KillSwitch, DbError> {
        for _ in 0..ATTEMPTS {
            let before = self.settings().await?.kill_switch;
            let after = KillSwitch { paused, reason: reason.clone(), version: before.version + 1 };
            let shown = |switch: &KillSwitch| serde_json::json!({"paused": switch.paused, "reason": switch.reason});
            let change = Change {
                act: if paused { "generation.pause" } else { "generation.resume" },
                target: "generation".to_owned(),
                before: shown(&before),
                after: shown(&after),
            };
            let writes = vec![versioned(keys::KILL_SWITCH, &after, after.version)?, audit::write(actor, change, now)?];
            match self.transact(writes).await {
                Ok(()) => return Ok(after),
                Err(Lost::Condition { .. }) => {}
                Err(Lost::Failed(error)) => return Err(error),
            }
        }
        Err(DbError::Unavailable("the kill switch is being changed by others".into()))
    }

    /// Writes the next state of the breaker. `false`: somebody else changed it since it was read.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn save_breaker(&self, next: &Breaker) -> Result<bool, DbError> {
        match self.write(versioned(keys::BREAKER_FAL, next, next.version)?).await {
            Ok(()) => Ok(true),
            Err(Lost::Condition { .. }) => Ok(false),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Keeps what was counted. Losing: somebody counted later.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn save_open_calls(&self, open: &OpenCalls) -> Result<(), DbError> {
        let mut item = encode(open)?;
        stamp(&mut item, "setting");
        let older = Cond::NoItem.or(Cond::AtMost("at", n(open.at.as_millisecond())));
        match self.write(Write::put(keys::setting(keys::OPEN_CALLS), item, older)).await {
            Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
            Err(Lost::Failed(error)) => Err(error),
        }
    }
}

/// A setting on the condition that it follows the version before it.
fn versioned<T: Serialize>(name: &str, value: &T, version: i64) -> Result<Write, DbError> {
    let mut item = encode(value)?;
    stamp(&mut item, "setting");
    Ok(Write::put(keys::setting(name), item, Cond::NoItem.or(Cond::Eq("version", n(version - 1)))))
}
