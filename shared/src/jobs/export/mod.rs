//! Writing an export: originals, a record for each, everything else as JSON, and a gallery that opens without a network.
//!
//! The zip goes into a multipart upload as it is made; never more than a part of it is in memory. A run ends when its time is
//! over, and the next one goes on from what the last has remembered: the parts, the directory of the zip, the place in the
//! library, and the bytes that didn't fill a part yet. A run that dies is repeated from there. One run has the lease; a second one,
//! by a repeated message, finds it taken.

mod gallery;
mod records;
mod state;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use self::gallery::Row;
use self::state::{State, Step};
use super::StepError;
use crate::db::DbError;
use crate::db::assets::Listing;
use crate::db::exports::ExportEnd;
use crate::domain::asset::Asset;
use crate::domain::export::Export;
use crate::domain::user::{Status, User};
use crate::id::{RecordId, UserId, random_base62};
use crate::media::zip::{DoesNotFit, Open};
use crate::media::{Bucket, MediaError};
use crate::queue::Task;
use crate::runtime::Platform;

/// How long a run has an export for itself: longer than a function may run.
const LEASE: SignedDuration = SignedDuration::from_mins(15);
/// A run that failed is followed by another one after this long.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// Runs without getting on after which an export is given up.
const MOST_TRIES: u32 = 5;
/// Things with an entry of their own at most: what is remembered of them must fit into memory.
const MOST_ASSETS: usize = 50_000;
/// Items of a page.
const PAGE: i32 = 50;
/// S3 takes so many parts.
const MOST_PARTS: usize = 10_000;

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
        (Status::Active, false) => go(platform, &export, &person, &run, pace).await,
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

async fn go(platform: &Platform, export: &Export, person: &User, run: &str, pace: Pace) -> Result<Run, Stopped> {
    let deadline = Instant::now() + pace.run;
    let state = match &export.checkpoint {
        Some(checkpoint) => State::parse(&platform.media.get(Bucket::Media, checkpoint, state::LARGEST).await?)
            .ok_or(Stopped::Impossible("What was remembered of it can't be read."))?,
        None => State::default(),
    };
    let upload = match &export.upload {
        Some(upload) => upload.clone(),
        None => platform.media.begin_parts(&export.key, "application/zip").await?,
    };
    if !platform.db.remember_export(export, run, &upload, None).await? {
        return Err(Stopped::Lost);
    }
    let remembered = export.checkpoint.clone();
    let writing = Writing { platform, export, person, run, upload, pace, remembered, since: state.directory.bytes(), state };
    writing.go(deadline).await
}

/// A run at work.
struct Writing<'a> {
    platform: &'a Platform,
    export: &'a Export,
    person: &'a User,
    run: &'a str,
    upload: String,
    pace: Pace,
    /// Key of the last checkpoint.
    remembered: Option<String>,
    /// Bytes of the zip when it was written.
    since: u64,
    state: State,
}

impl Writing<'_> {
    async fn go(mut self, deadline: Instant) -> Result<Run, Stopped> {
        loop {
            self.step().await?;
            if self.state.step == Step::End {
                return self.end().await;
            }
            let over = Instant::now() >= deadline;
            if over || self.state.directory.bytes() - self.since >= self.pace.remember {
                self.remember().await?;
            }
            if over {
                return Ok(Run::Paused);
            }
        }
    }

    /// One asset, or one of the other files.
    async fn step(&mut self) -> Result<(), Stopped> {
        let at = self.export.created_at;
        self.state.step = match self.state.step.clone() {
            Step::Assets(after) => {
                let listing = Listing { after, newest_first: false, limit: 1 };
                let page = self.platform.db.assets_in(self.export.user, None, listing).await?;
                match page.items.into_iter().next() {
                    Some(asset) if self.state.rows.len() >= MOST_ASSETS => {
                        tracing::error!(asset.id = %asset.id, "more than an export holds");
                        return Err(Stopped::Impossible("There are more pictures than one export holds."));
                    }
                    Some(asset) => {
                        self.asset(&asset).await?;
                        Step::Assets(Some(asset.id))
                    }
                    None => Step::Generations,
                }
            }
            Step::Generations => {
                let mut open = self.open("generations.json", at)?;
                let mut list = JsonList::default();
                let mut after: Option<String> = None;
                loop {
                    let page = self.platform.db.generations(self.export.user, after.as_deref(), PAGE).await?;
                    self.items(&mut open, &mut list, page.items.iter().map(records::Generation::new)).await?;
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                self.close_list(open, &list).await?;
                Step::Ledger
            }
            Step::Ledger => {
                let mut open = self.open("ledger.json", at)?;
                let mut list = JsonList::default();
                let mut after: Option<String> = None;
                loop {
                    let page = self.platform.db.ledger(self.export.user, after.as_deref(), PAGE).await?;
                    self.items(&mut open, &mut list, page.items.iter().map(records::LedgerLine::new)).await?;
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                self.close_list(open, &list).await?;
                Step::Links
            }
            Step::Links => {
                let mut open = self.open("links.json", at)?;
                let mut list = JsonList::default();
                let mut after = None;
                loop {
                    let (links, next) = self.platform.db.links(self.export.user, after, PAGE).await?;
                    let origin = &self.platform.config.origin;
                    self.items(&mut open, &mut list, links.iter().map(|link| records::Link::new(link, origin))).await?;
                    after = next;
                    if after.is_none() {
                        break;
                    }
                }
                self.close_list(open, &list).await?;
                Step::Profile
            }
            Step::Profile => {
                let months = self.platform.db.quotas(self.export.user, None, 1_000).await?.items;
                self.file("profile.json", at, &json(&records::Profile::new(self.person, months))?).await?;
                Step::Gallery
            }
            Step::Gallery => {
                self.gallery().await?;
                Step::Flush
            }
            Step::Flush => {
                let (directory, tail) = (&mut self.state.directory, &mut self.state.tail);
                directory.finish(tail);
                self.flush(1).await?;
                self.state.step = Step::End;
                // Written down before the parts become an object: an answer that is lost is looked for there.
                self.remember().await?;
                Step::End
            }
            Step::End => Step::End,
        };
        Ok(())
    }

    /// An original, and the record of it.
    async fn asset(&mut self, asset: &Asset) -> Result<(), Stopped> {
        let name = records::file_name(asset);
        let stored = match self.platform.media.open(Bucket::Media, &asset.key).await {
            Ok(object) => Some(object),
            // Deleted at this moment: its record says that it was there.
            Err(MediaError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let file = stored.is_some().then(|| name.clone());
        if let Some(object) = stored {
            let mut open = self.open(&name, asset.created_at)?;
            let (mut digest, mut body, mut bytes) = (Sha256::new(), object.body, 0_u64);
            while let Some(chunk) = body.try_next().await.map_err(|e| MediaError::Unavailable(e.to_string()))? {
                digest.update(&chunk);
                bytes += chunk.len() as u64;
                if bytes > asset.bytes {
                    break;
                }
                self.write(&mut open, &chunk).await?;
            }
            // What broke off on its way is read again by the next run.
            if bytes != asset.bytes || hex::encode(digest.finalize()) != asset.sha256 {
                return Err(MediaError::Unavailable("an original came otherwise than it was stored".to_owned()).into());
            }
            self.close(open)?;
        }
        let record = json(&records::Asset::new(asset, file.as_deref()))?;
        self.file(&format!("records/{}.json", asset.id), asset.created_at, &record).await?;
        self.state.rows.push(Row::new(asset, file));
        Ok(())
    }

    async fn gallery(&mut self) -> Result<(), Stopped> {
        let at = self.export.created_at;
        let mut open = self.open("index.html", at)?;
        let rows = std::mem::take(&mut self.state.rows);
        self.write(&mut open, gallery::head(&self.person.name, rows.len(), at).as_bytes()).await?;
        // The newest first, as in the library.
        for row in rows.iter().rev() {
            self.write(&mut open, row.html().as_bytes()).await?;
        }
        self.write(&mut open, gallery::foot().as_bytes()).await?;
        self.close(open)
    }

    fn open(&mut self, name: &str, at: Timestamp) -> Result<Open, Stopped> {
        Ok(self.state.directory.open(name, at, &mut self.state.tail)?)
    }

    async fn write(&mut self, open: &mut Open, bytes: &[u8]) -> Result<(), Stopped> {
        self.state.directory.write(open, bytes, &mut self.state.tail);
        self.flush(self.pace.part).await
    }

    fn close(&mut self, open: Open) -> Result<(), Stopped> {
        Ok(self.state.directory.close(open, &mut self.state.tail)?)
    }

    async fn file(&mut self, name: &str, at: Timestamp, bytes: &[u8]) -> Result<(), Stopped> {
        let mut open = self.open(name, at)?;
        self.write(&mut open, bytes).await?;
        self.close(open)
    }

    async fn items<T: Serialize>(&mut self, open: &mut Open, list: &mut JsonList, items: impl Iterator<Item = T>) -> Result<(), Stopped> {
        for item in items {
            let text = [list.before(), json(&item)?.as_slice()].concat();
            self.write(open, &text).await?;
        }
        Ok(())
    }

    async fn close_list(&mut self, mut open: Open, list: &JsonList) -> Result<(), Stopped> {
        self.write(&mut open, list.end()).await?;
        self.close(open)
    }

    /// Stores parts as long as `least` bytes wait for it.
    async fn flush(&mut self, least: usize) -> Result<(), Stopped> {
        while self.state.tail.len() >= least.max(1) {
            if self.state.parts.len() >= MOST_PARTS {
                return Err(Stopped::Impossible("It is larger than one file may be."));
            }
            let length = self.state.tail.len().min(self.pace.part);
            let (number, bytes) = (self.state.parts.len() + 1, self.state.tail.split_to(length).freeze());
            let part = self.platform.media.put_part(&self.export.key, &self.upload, number, bytes).await?;
            self.state.parts.push(part);
        }
        Ok(())
    }

    /// Writes down how far it is, for the next run.
    async fn remember(&mut self) -> Result<(), Stopped> {
        let folder = self.export.key.trim_end_matches(".zip");
        let key = format!("{folder}-{}.state", random_base62(16));
        self.platform.media.put(Bucket::Media, &key, "application/octet-stream", self.state.to_bytes()?).await?;
        if !self.platform.db.remember_export(self.export, self.run, &self.upload, Some(&key)).await? {
            self.platform.media.delete(Bucket::Media, &key).await?;
            return Err(Stopped::Lost);
        }
        if let Some(old) = self.remembered.replace(key) {
            self.platform.media.delete(Bucket::Media, &old).await?;
        }
        self.since = self.state.directory.bytes();
        Ok(())
    }

    /// Makes one object of the parts.
    async fn end(&self) -> Result<Run, Stopped> {
        let (media, bytes) = (&self.platform.media, self.state.directory.bytes());
        match media.end_parts(&self.export.key, &self.upload, &self.state.parts).await {
            Ok(()) => Ok(Run::Done(bytes)),
            // An earlier attempt may have succeeded without an answer.
            Err(MediaError::NotFound) if media.head(Bucket::Media, &self.export.key).await?.bytes == bytes => Ok(Run::Done(bytes)),
            Err(error) => Err(error.into()),
        }
    }
}

/// A JSON list that is written an item at a time.
#[derive(Debug, Default)]
struct JsonList {
    begun: bool,
}

impl JsonList {
    fn before(&mut self) -> &'static [u8] {
        if std::mem::replace(&mut self.begun, true) { b",\n" } else { b"[\n" }
    }

    const fn end(&self) -> &'static [u8] {
        if self.begun { b"\n]\n" } else { b"[]\n" }
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Stopped> {
    serde_json::to_vec_pretty(value).map_err(|_| Stopped::Impossible("Something of it can't be written down."))
}
