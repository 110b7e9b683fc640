//! Writing an export: originals, a record for each, everything else as JSON, and a gallery that opens without a network.
//!
//! The zip goes into a multipart upload as it is made; never more than a part of it is in memory. A run ends when its time is
//! over, and the next one goes on from what the last has remembered: the parts, the directory of the zip, the place in the
//! library, and the bytes that didn't fill a part yet. A run that dies is repeated from there. One run has the lease; a second one,
//! by a repeated message, finds it taken.

mod gallery;
mod records;
mod state;
mod writing;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::StepError;
use crate::db::DbError;
use crate::db::exports::ExportEnd;
use crate::domain::export::Export;
use crate::domain::user::Status;
use crate::id::{RecordId, UserId, random_base62};
use crate::media::zip::DoesNotFit;
use crate::media::{Bucket, MediaError};
use crate::queue::Task;
use crate::runtime::Platform;

/// How long a run has an export for itself: longer than a function may run.
const LEASE: SignedDuration = SignedDuration::from_mins(15);
/// A run that failed is followed by another one after this long.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// Runs without getting on after which an export is given up.
const MOST_TRIES: u32 = 5;

/// How a run works.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// It goes on for about so long.
    pub run: Duration,
    /// Bytes of a part; 5 MiB at least.
    pub part: usize,
    /// Bytes after which it remembers how far it is.
    pub remember: u64,
}

impl Pace {
    /// As `worker` goes: 4 of its 10 minutes; parts of 16 MiB, of which 10,000 are 156 GiB.
    pub const USUAL: Self = Self { run: Duration::from_secs(240), part: 16 << 20, remember: 128 << 20 };
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    /// Another run has the export, or it is gone.
    #[error("the export is somebody else's")]
    Lost,
    /// It can't be done.
    #[error("the export can't be done: {0}")]
    Impossible(&'static str),
    /// Something below failed: the next run tries again.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl From<DbError> for Stopped {
    fn from(error: DbError) -> Self {
        Self::Step(error.into())
    }
}

impl From<MediaError> for Stopped {
    fn from(error: MediaError) -> Self {
        Self::Step(error.into())
    }
}

impl From<DoesNotFit> for Stopped {
    fn from(_: DoesNotFit) -> Self {
        Self::Impossible("Something is too large for a zip.")
    }
}

/// Whether a run came to the end.
#[derive(Debug)]
enum Run {
    Done(u64),
    Paused,
}

/// Has `worker` come to a new export now. Without this it does within a minute.
pub async fn hurry_export(platform: &Platform, export: &Export) {
    let task = Task::Export { user: export.user, export: export.id };
    if let Err(error) = platform.queues.task(&task, Duration::ZERO).await {
        tracing::warn!(export.id = %export.id, error = &error as &dyn std::error::Error, "an export waits for the next sweep");
    }
}

/// Sends `worker` to an export that is due, and says when to look again.
pub(super) async fn sweep_export(platform: &Platform, user: UserId, id: RecordId, now: Timestamp) -> Result<(), StepError> {
    let Some(export) = platform.db.export(user, id).await? else { return Ok(()) };
    platform.queues.task(&Task::Export { user, export: id }, Duration::ZERO).await?;
    platform.db.postpone_export(&export, now + LEASE).await?;
    Ok(())
}

/// Goes on with an export for about as long as `pace` says. What is left is left to the next run, which is asked for.
///
/// # Errors
/// [`StepError`] when not even that could be said; the sweeper finds the export.
pub async fn export(platform: &Platform, user: UserId, id: RecordId, pace: Pace) -> Result<(), StepError> {
    let (db, now) = (&platform.db, platform.clock.now());
    let Some(export) = db.export(user, id).await?.filter(|export| export.state.is_open()) else { return Ok(()) };
    let Some(person) = db.user(user).await? else { return Ok(()) };
    if export.leased_until.is_some_and(|until| until > now) {
        return Ok(());
    }
    let run = random_base62(16);
    if !db.take_export(&export, &run, now + LEASE).await? {
        return Ok(());
    }
    let end = match (person.status, export.tries >= MOST_TRIES) {
        (Status::Active, false) => writing::go(platform, &export, &person, &run, pace).await,
        (Status::Active, true) => Err(Stopped::Impossible("It failed too often.")),
        (Status::Suspended | Status::Deleting, _) => Err(Stopped::Impossible("The account was closed in the meantime.")),
    };
    let now = platform.clock.now();
    match end {
        Ok(Run::Done(bytes)) => {
            let export = db.export(user, id).await?.unwrap_or(export);
            if db.end_export(&export, &run, ExportEnd::Ready(bytes), now).await? {
                tracing::info!(export.id = %id, user.id = %user, bytes, "an export is ready");
                forget(platform, &export).await?;
            }
        }
        Ok(Run::Paused) => {
            if db.leave_export(&export, &run, now + LEASE).await? {
                platform.queues.task(&Task::Export { user, export: id }, Duration::ZERO).await?;
            }
        }
        Err(Stopped::Lost) => {}
        Err(Stopped::Impossible(reason)) => {
            let export = db.export(user, id).await?.unwrap_or(export);
            if db.end_export(&export, &run, ExportEnd::Failed(reason), now).await? {
                tracing::error!(export.id = %id, user.id = %user, reason, "an export was given up");
                if let Some(upload) = &export.upload {
                    platform.media.drop_parts(&export.key, upload).await?;
                }
                forget(platform, &export).await?;
            }
        }
        Err(Stopped::Step(error)) => {
            tracing::warn!(export.id = %id, error = &error as &dyn std::error::Error, "an export was interrupted");
            db.leave_export(&export, &run, now + PAUSE).await?;
        }
    }
    Ok(())
}

/// Deletes what was remembered of an export that has ended. What is lost of this goes by the bucket's lifecycle.
async fn forget(platform: &Platform, export: &Export) -> Result<(), StepError> {
    match &export.checkpoint {
        Some(checkpoint) => Ok(platform.media.delete(Bucket::Media, checkpoint).await?),
        None => Ok(()),
    }
}
