//! Deleting a person with everything that is theirs.
//!
//! While they may still come back, only what is in the making is ended. After that everything goes, page by page: objects first,
//! as nobody can ask for them any more, then items, each after what only it leads to. Interrupted anywhere, the next run begins
//! with what is left. A second round follows when whatever was on its way during the first one has arrived; the record goes last.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;

use super::{Jobs, StepError, follow};
use crate::db::assets::lists_of;
use crate::db::deletion::SETTLED;
use crate::db::keys::{self, Key};
use crate::db::{Item, decode};
use crate::domain::asset::Asset;
use crate::domain::export::Export;
use crate::domain::generation::{Call, Generation};
use crate::domain::job::{CallState, Event};
use crate::domain::upload::Upload;
use crate::domain::user::{Status, User};
use crate::id::UserId;
use crate::media::{Bucket, MediaError, keys as objects};
use crate::queue::Task;
use crate::runtime::Platform;

/// Items looked at together.
const PAGE: i32 = 25;
/// Generations looked through for what is in the making, newest first: far more than can be open at once.
const RECENT: i32 = 100;
/// When `worker` comes back to a deletion whose run was lost: longer than a run.
const AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Nothing is left but the record.
    Empty,
    /// Its time is over.
    Unfinished,
}

impl From<MediaError> for StepError {
    fn from(error: MediaError) -> Self {
        Self::Media(Box::new(error))
    }
}

/// Has `worker` come to a new deletion now, to stop what is in the making. Without this it does within a minute.
pub async fn hurry_deletion(platform: &Platform, user: UserId) {
    if let Err(error) = platform.queues.task(&Task::Delete { user }, Duration::ZERO).await {
        tracing::warn!(user.id = %user, error = &error as &dyn std::error::Error, "a deletion waits for the next sweep");
    }
}

impl Jobs {
    /// Does what is due about the deletion of `user`: ends their work, deletes for about `run`, or removes the last item. What is
    /// left after that time is left to the next run, which is asked for.
    ///
    /// # Errors
    /// [`StepError`]; the next run goes on.
    pub async fn delete_user(&self, user: UserId, run: Duration) -> Result<(), StepError> {
        let db = &self.platform.db;
        let now = self.platform.clock.now();
        let Some(deletion) = db.deletion(user).await? else { return Ok(()) };
        let Some(record) = db.user(user).await?.filter(|record| record.status == Status::Deleting) else {
            return Err(StepError::Record("a deletion of somebody who isn't being deleted"));
        };
        if now < deletion.deletes_at {
            self.end_work(&record).await?;
            return Ok(db.postpone_deletion(user, deletion.deletes_at).await?);
        }
        if deletion.erasing_at.is_none() && !db.begin_erasing(&record, now).await? {
            // Called off in this moment, or begun by somebody else: the next look tells.
            return Ok(());
        }
        let began = deletion.erasing_at.unwrap_or(now);
        // A run that dies is repeated by the sweeper, not before this one is over.
        db.postpone_deletion(user, now + AGAIN).await?;
        match self.erase(&record, Instant::now() + run).await? {
            Round::Unfinished => Ok(self.platform.queues.task(&Task::Delete { user }, Duration::ZERO).await?),
            Round::Empty if now < began + SETTLED => Ok(db.postpone_deletion(user, began + SETTLED).await?),
            Round::Empty => {
                if db.end_deletion(user, now).await? {
                    tracing::info!(user.id = %user, "a person was deleted with everything");
                }
                Ok(())
            }
        }
    }

    /// Cancels what waits or runs.
    async fn end_work(&self, user: &User) -> Result<(), StepError> {
        let db = &self.platform.db;
        for generation in db.generations(user.id, None, RECENT).await?.items {
            if generation.open > 0 {
                self.cancel(&generation).await?;
            }
        }
        // Behind many newer requests something may still wait in line.
        for (call, _) in db.waiting(user.id, RECENT).await? {
            if let Some(call) = db.call(call).await? {
                self.end_call(&call).await?;
            }
        }
        Ok(())
    }

    /// Ends a call for good, so that its units and whatever counts it are settled before it is deleted.
    async fn end_call(&self, call: &Call) -> Result<(), StepError> {
        match (call.state, &call.request) {
            (CallState::Waiting, _) => self.refuse(call, Event::Cancelled, follow::cancelled()).await,
            (CallState::Submitted, Some(request)) => {
                if self.stop(call, request).await? {
                    Ok(())
                } else {
                    self.give_up(call).await
                }
            }
            (CallState::Submitting | CallState::Submitted, _) => self.give_up(call).await,
            (CallState::ResultReady, _) => self.refuse(call, Event::ImportRefused, follow::cancelled()).await,
            _ => Ok(()),
        }
    }

    /// Deletes everything of `user` but the record and the deletion, until `deadline`.
    async fn erase(&self, user: &User, deadline: Instant) -> Result<Round, StepError> {
        for folder in [objects::user_folder(&user.media_prefix), objects::export_folder(&user.media_prefix)] {
            while self.platform.media.delete_below(Bucket::Media, &folder).await? {
                if Instant::now() >= deadline {
                    return Ok(Round::Unfinished);
                }
            }
        }
        let mut after = None;
        loop {
            let page = self.platform.db.belongings(user.id, after.as_deref(), PAGE).await?;
            for item in page.items {
                if let Some(key) = Key::of_item(&item) {
                    self.erase_item(user.id, key, item).await?;
                }
                if Instant::now() >= deadline {
                    return Ok(Round::Unfinished);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(Round::Empty),
            }
        }
    }

    /// Deletes an item of somebody's partition, after what only it leads to.
    async fn erase_item(&self, user: UserId, key: Key, item: Item) -> Result<(), StepError> {
        let db = &self.platform.db;
        let sort = key.sk.as_str();
        let mut keys = Vec::new();
        if sort == keys::PROFILE || sort == keys::DELETION {
            return Ok(());
        } else if sort.starts_with(keys::GENERATIONS) {
            keys = self.erase_calls(&decode(item)?).await?;
        } else if sort.starts_with(keys::ASSETS) {
            let asset: Asset = decode(item)?;
            keys = lists_of(&asset).map(|list| keys::asset_entry(user, &list, asset.id)).collect();
        } else if sort.starts_with(keys::UPLOADS) {
            self.erase_files(&decode(item)?).await?;
        } else if sort.starts_with(keys::EXPORTS) {
            let export: Export = decode(item)?;
            if let Some(upload) = &export.upload {
                self.platform.media.drop_parts(&export.key, upload).await?;
            }
        } else if sort.starts_with(keys::USER_SESSIONS) {
            keys.push(keys::session(&decode::<Hashed>(item)?.hash));
        } else if sort.starts_with(keys::USER_TOKENS) {
            keys.push(keys::token(&decode::<Hashed>(item)?.hash));
        } else if sort.starts_with(keys::USER_LINKS) || sort.starts_with(keys::ENDED_LINKS) {
            let link = decode::<Linked>(item)?.key;
            loop {
                let kept = db.kept_of_link(&link, PAGE).await?;
                if kept.is_empty() {
                    break;
                }
                db.erase(&kept).await?;
            }
        }
        keys.push(key);
        Ok(db.erase(&keys).await?)
    }

    /// Settles the calls of a generation and deletes copies of its inputs; the keys of what is left of it.
    async fn erase_calls(&self, generation: &Generation) -> Result<Vec<Key>, StepError> {
        for call in self.platform.db.calls(&generation.calls).await? {
            self.end_call(&call).await?;
        }
        for copy in generation.copies.values() {
            self.platform.media.delete(Bucket::Uploads, copy).await?;
        }
        Ok(generation.calls.iter().map(|call| keys::call(*call)).collect())
    }

    async fn erase_files(&self, upload: &Upload) -> Result<(), StepError> {
        let clean = upload.clean.as_ref().map(|clean| clean.key.clone());
        for object in [Some(objects::upload_raw(upload.id)), clean].into_iter().flatten() {
            self.platform.media.delete(Bucket::Uploads, &object).await?;
        }
        Ok(())
    }

    /// Sends `worker` to a deletion that is due, and says when to look again.
    pub(super) async fn sweep_deletion(&self, user: UserId, now: Timestamp) -> Result<(), StepError> {
        self.platform.queues.task(&Task::Delete { user }, Duration::ZERO).await?;
        Ok(self.platform.db.postpone_deletion(user, now + AGAIN).await?)
    }
}

#[derive(Deserialize)]
struct Hashed {
    hash: String,
}

#[derive(Deserialize)]
struct Linked {
    key: String,
}
