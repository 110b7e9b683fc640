//! Files on their way in.

use super::expr::{n, s};
use super::{Cond, Db, DbError, Lost, Write, attribute, encode, jobs, keys, quota, stamp};
use crate::domain::upload::{CleanPicture, LIFE, Refused, Upload, UploadState};
use crate::id::{UploadId, UserId};

/// How many a person may begin in a calendar day (UTC): twice as many as outputs, and at most a gigabyte.
pub const MOST_A_DAY: u32 = 100;

/// Why no upload was begun.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// They have begun as many as they may in a day.
    #[error("the day's uploads are used up")]
    TooMany,
    /// The table failed.
    #[error(transparent)]
    Failed(#[from] DbError),
}

impl Db {
    /// Keeps a new upload and counts it. Conditions: its person has begun fewer than [`MOST_A_DAY`] that day; losing is
    /// [`NotBegun::TooMany`]. The id is new, which losing would contradict.
    ///
    /// # Errors
    /// [`NotBegun`].
    pub async fn begin_upload(&self, upload: &Upload) -> Result<(), NotBegun> {
        let at = upload.created_at;
        let mut item = encode(upload)?;
        // Kept for another day, in which it can be said that it has ended.
        item.insert("ttl".to_owned(), n((upload.expires_at + LIFE).as_second()));
        stamp(&mut item, "upload");
        let counters = (at + jobs::COUNTERS).as_second();
        let writes = vec![
            quota::count_upload(upload.user, &keys::date_of(at), MOST_A_DAY, counters).ok_or(NotBegun::TooMany)?,
            Write::put(keys::upload(upload.user, upload.id), item, Cond::NoItem),
        ];
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Lost::Condition { index: 0, .. }) => Err(NotBegun::TooMany),
            Err(Lost::Condition { .. }) => Err(NotBegun::Failed(DbError::Refused("a fresh id is in use".into()))),
            Err(Lost::Failed(error)) => Err(NotBegun::Failed(error)),
        }
    }

    /// An upload of `user`, over or not: the caller compares its expiry.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn upload(&self, user: UserId, upload: UploadId) -> Result<Option<Upload>, DbError> {
        self.get(&keys::upload(user, upload)).await
    }

    /// Up to 100 different uploads of `user`, in the order of `ids`; absent ones are left out.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn uploads_by_id(&self, user: UserId, ids: &[UploadId]) -> Result<Vec<Upload>, DbError> {
        let keys: Vec<_> = ids.iter().take(100).map(|id| keys::upload(user, *id)).collect();
        if keys.is_empty() { Ok(Vec::new()) } else { self.get_many(&keys).await }
    }

    /// `pending → ready` or `pending → refused`. Losing means that another look at the same file has ended it, in the same way:
    /// the caller reads what is there now.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be written.
    pub async fn end_upload(&self, upload: &Upload, end: &Result<CleanPicture, Refused>) -> Result<(), DbError> {
        let (state, name, value) = match end {
            Ok(clean) => (UploadState::Ready, "clean", attribute(clean)?),
            Err(refused) => (UploadState::Refused, "refused", attribute(refused)?),
        };
        let pending = Cond::Eq("state", s(UploadState::Pending.name()));
        let write = Write::update(keys::upload(upload.user, upload.id), pending).set("state", s(state.name())).set(name, value);
        match self.write(write).await {
            Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
            Err(Lost::Failed(error)) => Err(error),
        }
    }
}
