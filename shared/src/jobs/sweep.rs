//! The guarantee behind every fast path: what is due is looked at again, until it is over.

use jiff::{SignedDuration, Timestamp};

use super::export::sweep_export;
use super::trash::empty_trash;
use super::{Jobs, StepError, won};
use crate::db::Lost;
use crate::db::jobs::Due;
use crate::db::keys::OPEN_SHARDS;
use crate::domain::asset::{Asset, PosterState};
use crate::domain::generation::Call;
use crate::domain::job::CallState;

/// Looked at in one run, over all shards.
const MOST: i32 = 200;

/// How long a poster is waited for after each request, as a multiple of its deadline: 2 minutes, 10 minutes, 1, 6 and 24 hours by
/// default. What takes down `thumbnailer` for a night costs no poster; a video that nothing comes of is given up after that.
const POSTER_PAUSES: [i64; 5] = [1, 5, 30, 180, 720];

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Found due.
    pub due: u32,
    /// Could not be dealt with; still due.
    pub failed: u32,
}

impl Jobs {
    /// Looks at everything that is due, a bounded number at a time. One failure doesn't keep the others waiting.
    ///
    /// # Errors
    /// [`StepError`] when not even the list can be read.
    pub async fn sweep(&self) -> Result<Swept, StepError> {
        let mut swept = Swept::default();
        for shard in 0..OPEN_SHARDS {
            for due in self.platform.db.due(shard, self.platform.clock.now(), MOST / i32::from(OPEN_SHARDS)).await? {
                swept.due += 1;
                if let Err(error) = self.sweep_one(due).await {
                    swept.failed += 1;
                    tracing::warn!(?due, error = &error as &dyn std::error::Error, "open work could not be looked at");
                }
            }
        }
        Ok(swept)
    }

    async fn sweep_one(&self, due: Due) -> Result<(), StepError> {
        match due {
            Due::Call(id) => match self.platform.db.call(id).await? {
                Some(call) => self.sweep_call(&call).await,
                None => Ok(()),
            },
            Due::Deletion(user) => self.sweep_deletion(user, self.platform.clock.now()).await,
            Due::Export(user, id) => sweep_export(&self.platform, user, id, self.platform.clock.now()).await,
            Due::Trash(user, id) => empty_trash(&self.platform, user, id, self.platform.clock.now()).await,
            Due::Poster(user, id) => {
                let Some(asset) = self.platform.db.asset(user, id).await? else { return Ok(()) };
                if asset.poster == PosterState::Pending { self.sweep_poster(&asset).await } else { Ok(()) }
            }
        }
    }

    async fn sweep_poster(&self, asset: &Asset) -> Result<(), StepError> {
        let asked = usize::try_from(asset.poster_asked).unwrap_or(usize::MAX);
        let Some(pause) = POSTER_PAUSES.get(asked) else {
            tracing::error!(asset.id = %asset.id, asked, "a poster was asked for in vain: the video stays without one");
            return match self.platform.db.poster_impossible(asset, "it was asked for too often").await {
                Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
                Err(Lost::Failed(error)) => Err(error.into()),
            };
        };
        self.platform.queues.make_poster(asset.user, asset.id).await?;
        let due = self.later(self.platform.config.deadlines.poster.saturating_mul(*pause));
        Ok(self.platform.db.poster_asked(asset, due).await?)
    }

    async fn sweep_call(&self, call: &Call) -> Result<(), StepError> {
        let now = self.platform.clock.now();
        let deadlines = self.platform.config.deadlines;
        match call.state {
            CallState::Waiting => {
                won(self.platform.db.postpone(call.id, call.state, self.later(deadlines.waiting)).await)?;
                if let Some(user) = self.platform.db.user(call.user).await? {
                    self.try_start(&user).await?;
                }
            }
            CallState::Submitting if call.deadline_at.is_none_or(|deadline| deadline <= now) => self.give_up(call).await?,
            CallState::Submitting => {
                let deadline = call.deadline_at.unwrap_or(now);
                won(self.platform.db.postpone(call.id, call.state, deadline).await)?;
            }
            CallState::Submitted => {
                if self.look(call).await? {
                    won(self.platform.db.postpone(call.id, call.state, self.later(60)).await)?;
                }
            }
            CallState::ResultReady | CallState::LateReady => {
                self.platform.queues.import_result(call.id).await?;
                won(self.platform.db.postpone(call.id, call.state, self.later(deadlines.result)).await)?;
            }
            CallState::Unknown => self.sweep_unknown(call, now).await?,
            CallState::Complete | CallState::Failed | CallState::Cancelled | CallState::CompleteFree => {
                won(self.platform.db.forget(call.id).await)?;
            }
        }
        Ok(())
    }

    /// Listens on for a late word as long as the provider repeats its callbacks, then stops listing the call.
    async fn sweep_unknown(&self, call: &Call, now: Timestamp) -> Result<(), StepError> {
        let since = call.settled_at.unwrap_or(call.created_at);
        if now > since + SignedDuration::from_secs(self.platform.config.deadlines.lost_answer) {
            won(self.platform.db.forget(call.id).await)?;
        } else if self.look(call).await? || call.request.is_none() {
            won(self.platform.db.postpone(call.id, call.state, self.later(300)).await)?;
        }
        Ok(())
    }

    fn later(&self, seconds: i64) -> Timestamp {
        self.platform.clock.now() + SignedDuration::from_secs(seconds)
    }
}
