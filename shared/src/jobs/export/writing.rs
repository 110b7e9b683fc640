//! A run at work: what is written, in which order, and what is remembered of it.

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::gallery::{self, Row};
use super::state::{LARGEST, State, Step};
use super::{Pace, Run, Stopped, records};
use crate::db::assets::Listing;
use crate::domain::asset::Asset;
use crate::domain::export::Export;
use crate::domain::user::User;
use crate::id::random_base62;
use crate::media::zip::Open;
use crate::media::{Bucket, MediaError};
use crate::runtime::Platform;

/// Things with an entry of their own at most: what is remembered of them must fit into memory.
const MOST_ASSETS: usize = 50_000;
/// Items of a page.
const PAGE: i32 = 50;
/// S3 takes so many parts.
const MOST_PARTS: usize = 10_000;

/// Goes on from where the last run has come to, until the end or until its time is over.
pub(super) async fn go(platform: &Platform, export: &Export, person: &User, run: &str, pace: Pace) -> Result<Run, Stopped> {
    let deadline = Instant::now() + pace.run;
    let state = match &export.checkpoint {
        Some(checkpoint) => State::parse(&platform.media.get(Bucket::Media, checkpoint, LARGEST).await?)
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
pub(super) struct JsonList {
    begun: bool,
}

impl JsonList {
    pub(super) fn before(&mut self) -> &'static [u8] {
        if std::mem::replace(&mut self.begun, true) { b",\n" } else { b"[\n" }
    }

    pub(super) const fn end(&self) -> &'static [u8] {
        if self.begun { b"\n]\n" } else { b"[]\n" }
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Stopped> {
    serde_json::to_vec_pretty(value).map_err(|_| Stopped::Impossible("Something of it can't be written down."))
}
