//! Lifecycle: what is removed because of its age.

use super::list::{Walker, read_meta};
use super::place::Condition;
use super::{Store, StoreError, read};
use jiff::{SignedDuration, Timestamp};

/// Unfinished multipart uploads are dropped after this long.
const UPLOAD_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// Objects under a prefix disappear some days after they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryRule {
    /// Which keys; empty for the whole bucket.
    pub prefix: String,
    /// Age in days of 24 hours. S3 itself rounds up to the next midnight UTC.
    pub days: u32,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Objects that a rule covered.
    pub objects: u64,
    /// Multipart uploads older than a day.
    pub uploads: u64,
}

impl Store {
    /// Removes what is too old at `now`: objects by their bucket's rules, multipart uploads after a day. Blocks; to be
    /// called every now and then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; [`StoreError::Corrupt`] for an unfinished upload. What has been removed by then stays removed; a later sweep goes on.
    pub fn expire(&self, now: Timestamp) -> Result<Expired, StoreError> {
        let mut expired = Expired::default();
        let buckets: Vec<_> = read(&self.inner.buckets).values().cloned().collect();
        for bucket in buckets {
            let rules = read(&bucket.rules).clone();
            for rule in rules {
                let life = SignedDuration::from_hours(i64::from(rule.days) * 24);
                let mut walker = Walker::new(&bucket, &rule.prefix)?;
                while let Some((key, path)) = walker.next(None)? {
                    let meta = match read_meta(&path) {
                        Ok(Some(meta)) => meta,
                        Ok(None) => continue,
                        Err(error @ StoreError::Corrupt { .. }) => {
                            // Kept for whoever wants to look into it; the others are not to wait for that.
                            tracing::error!(%error, "an object is damaged");
                            continue;
                        }
                        Err(error) => return Err(error),
                    };
                    if now.duration_since(meta.last_modified) < life {
                        continue;
                    }
                    // Somebody may just be writing the key anew: only the object that was looked at goes.
                    match self.delete(&bucket.name, &key, &Condition::Written(meta.last_modified)) {
                        Ok(()) => expired.objects += 1,
                        Err(StoreError::PreconditionFailed | StoreError::NoSuchKey) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        for upload in self.uploads()? {
            if now.duration_since(upload.created) >= UPLOAD_LIFE {
                match self.abort_upload(&upload.bucket, &upload.key, &upload.id) {
                    Ok(()) => expired.uploads += 1,
                    Err(StoreError::NoSuchUpload) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(expired)
    }
}
