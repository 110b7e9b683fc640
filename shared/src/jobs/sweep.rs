//! The guarantee behind every fast path: what is due is looked at again, until it is over.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::export::sweep_export;
use super::trash::empty_trash;
use super::{Jobs, RESULTS_LIVE, StepError, gate, not_stored, won};
use crate::db::Lost;
use crate::db::jobs::Due;
use crate::db::keys::OPEN_SHARDS;
use crate::domain::asset::{Asset, PosterState};
use crate::domain::breaker::Phase;
use crate::domain::generation::Call;
use crate::domain::job::{CallState, Event};
use crate::id::UserId;
use crate::queue::Task;

/// Read at once from each shard.
const PAGE: i32 = 25;
/// Looked at at once: they wait for the table and the provider, not for the processor.
const AT_ONCE: usize = 10;
/// A run begins nothing after this: the next run begins a minute after the last, and goes on with what is due longest.
const RUN: Duration = Duration::from_secs(45);
/// How long after the last try of `ingest` a result is given up here: whatever keeps it from trying would keep it for ever.
const GRACE: SignedDuration = SignedDuration::from_mins(15);

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

/// People whose lines were looked at in this run.
type Lines = Mutex<HashSet<UserId>>;

impl Jobs {
    /// Looks at everything that is due, a page of every shard at a time, until nothing is left or the time is over. One failure
    /// doesn't keep the others waiting.
    ///
    /// # Errors
    /// [`StepError`] when not even the list can be read.
    pub async fn sweep(&self) -> Result<Swept, StepError> {
        let (now, end) = (self.platform.clock.now(), Instant::now() + RUN);
        let lines = Lines::default();
        let was_open = self.is_open().await?;
        let mut swept = Swept::default();
        let mut shards: Vec<(u8, Option<String>)> = (0..OPEN_SHARDS).map(|shard| (shard, None)).collect();
        while !shards.is_empty() && Instant::now() < end {
            let (mut found, mut rest) = (Vec::new(), Vec::new());
            for (shard, after) in shards {
                let page = self.platform.db.due(shard, after.as_deref(), now, PAGE).await?;
                found.extend(page.items);
                rest.extend(page.next.map(|next| (shard, Some(next))));
            }
            shards = rest;
            let lines = &lines;
            let looks = stream::iter(found).map(|due| async move {
                if Instant::now() >= end {
                    return None;
                }
                let done = self.sweep_one(due, lines).await;
                if let Err(error) = &done {
                    tracing::warn!(?due, error = error as &dyn std::error::Error, "open work could not be looked at");
                }
                Some(done.is_ok())
            });
            let looks: Vec<Option<bool>> = looks.buffer_unordered(AT_ONCE).collect().await;
            for well in looks.into_iter().flatten() {
                swept.due += 1;
                swept.failed += u32::from(!well);
            }
        }
        if was_open && !self.is_open().await? {
            // One of them tried, and the provider works again: the others needn't wait for another minute.
            let lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
            for user in lines {
                self.platform.queues.task(&Task::Start { user }, Duration::ZERO).await?;
            }
        }
        Ok(swept)
    }

    async fn is_open(&self) -> Result<bool, StepError> {
        Ok(self.platform.db.settings().await?.breaker.phase != Phase::Closed)
    }

    /// Counts what is open, for those who accept more.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn measure(&self) -> Result<(), StepError> {
        gate::measure(&self.platform).await
    }

    async fn sweep_one(&self, due: Due, lines: &Lines) -> Result<(), StepError> {
        match due {
            Due::Call(id) => match self.platform.db.call(id).await? {
                Some(call) => self.sweep_call(&call, lines).await,
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

    async fn sweep_call(&self, call: &Call, lines: &Lines) -> Result<(), StepError> {
        let now = self.platform.clock.now();
        let deadlines = self.platform.config.deadlines;
        match call.state {
            CallState::Waiting => {
                won(self.platform.db.postpone(call.id, call.state, self.later(deadlines.waiting)).await)?;
                if !lines.lock().unwrap_or_else(PoisonError::into_inner).insert(call.user) {
                    return Ok(());
                }
                match self.platform.db.user(call.user).await? {
                    Some(user) => self.try_start(&user).await?,
                    None => super::bury(&self.platform, call).await?,
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
            CallState::ResultReady | CallState::LateReady if call.arrived_at.is_some_and(|at| now > at + RESULTS_LIVE + GRACE) => {
                tracing::error!(call.id = %call.id, "a result that nobody could store is given up");
                self.refuse(call, Event::ImportRefused, not_stored()).await?;
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
