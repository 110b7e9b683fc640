//! Putting objects into place, and removing them.

use super::{Attributes, Bucket, Checksums, ObjectMeta, Sealed, Store, StoreError, format, missing_is, now, read, sync_folder, write};
use jiff::Timestamp;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// A folder that another request removes between being made and being used is made again, this many times.
const PLACE_TRIES: usize = 32;
/// The limit of S3.
const USER_METADATA_MAX_BYTES: usize = 2048;

/// What must hold of the key's present object for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing: the last writer wins.
    Always,
    /// There is none.
    Absent,
    /// There is one.
    Present,
    /// There is one with this `ETag`.
    Etag(String),
    /// There is one, written at this moment.
    Written(Timestamp),
}

impl Condition {
    /// Checks it against the object file at `path`, under the key's lock.
    fn check(&self, path: &Path) -> Result<(), StoreError> {
        if *self == Self::Always {
            return Ok(());
        }
        match File::open(path) {
            Ok(file) => match self {
                Self::Always | Self::Present => Ok(()),
                Self::Etag(etag) if format::read(&file, path)?.etag == *etag => Ok(()),
                Self::Written(at) if format::read(&file, path)?.last_modified == *at => Ok(()),
                Self::Absent | Self::Etag(_) | Self::Written(_) => Err(StoreError::PreconditionFailed),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => match self {
                Self::Always | Self::Absent => Ok(()),
                // What S3 answers to a condition on an object that is not there.
                Self::Present | Self::Etag(_) | Self::Written(_) => Err(StoreError::NoSuchKey),
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// How `ETag` and checksums of an object come about.
pub(crate) enum Identity {
    /// From its own bytes.
    Body,
    /// From its parts.
    Parts { etag: String, checksums: Checksums },
    /// A copy keeps its source's checksums; its `ETag` is its own.
    Copy { checksums: Checksums },
}

impl Store {
    /// Makes a sealed body the object of `key`, if `condition` holds.
    ///
    /// # Errors
    ///
    /// [`StoreError::PreconditionFailed`], [`StoreError::NoSuchKey`] (a condition on an object that is not there),
    /// [`StoreError::NoSuchBucket`], [`StoreError::InvalidKey`], [`StoreError::MetadataTooLarge`], [`StoreError::Io`].
    pub(crate) fn put(
        &self,
        sealed: Sealed,
        (bucket, key): (&str, &str),
        attributes: Attributes,
        identity: Identity,
        condition: &Condition,
    ) -> Result<ObjectMeta, StoreError> {
        check_attributes(&attributes)?;
        let bucket = self.bucket(bucket)?;
        let path = bucket.object_file(key)?;
        if *condition == Condition::Absent && path.try_exists()? {
            // Early, so that a loser does not flush a body for nothing. Whoever is told that the object exists may rely
            // on it: the winner's name is flushed before the answer.
            sync_parent(&path)?;
            return Err(StoreError::PreconditionFailed);
        }
        let md5 = hex::encode(sealed.digests.md5);
        let (etag, checksums) = match identity {
            Identity::Body => (md5, sealed.digests.checksums.clone()),
            Identity::Parts { etag, checksums } => (etag, checksums),
            Identity::Copy { checksums } => (md5, checksums),
        };
        let meta = ObjectMeta {
            bucket: bucket.name.clone(),
            key: key.to_owned(),
            etag,
            last_modified: now(),
            body_bytes: sealed.length,
            body_sha256: sealed.digests.sha256.clone(),
            checksums,
            attributes,
        };
        let temp = sealed.finish(&meta)?;

        for _ in 0..PLACE_TRIES {
            let placed = {
                let _key = self.lock_key(&bucket, key);
                let _folders = read(&bucket.folders);
                condition.check(&path).and_then(|()| {
                    match condition {
                        Condition::Absent => fs::hard_link(&temp.path, &path),
                        _ => fs::rename(&temp.path, &path),
                    }
                    .map_err(|error| match error.kind() {
                        ErrorKind::AlreadyExists => StoreError::PreconditionFailed,
                        _ => error.into(),
                    })
                })
            };
            match placed {
                Ok(()) => {
                    sync_parent(&path)?;
                    return Ok(meta);
                }
                Err(StoreError::PreconditionFailed) => {
                    sync_parent(&path)?;
                    return Err(StoreError::PreconditionFailed);
                }
                Err(StoreError::Io(error)) if error.kind() == ErrorKind::NotFound => {
                    bucket.make_parents(&path)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("the object's folder keeps disappearing").into())
    }

    /// Removes an object, if `condition` holds; removing what is not there is success unless a condition names it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], [`StoreError::PreconditionFailed`], [`StoreError::NoSuchKey`],
    /// [`StoreError::Io`].
    pub(crate) fn delete(&self, bucket: &str, key: &str, condition: &Condition) -> Result<(), StoreError> {
        let bucket = self.bucket(bucket)?;
        let path = bucket.object_file(key)?;
        {
            let _key = self.lock_key(&bucket, key);
            let _folders = read(&bucket.folders);
            condition.check(&path)?;
            match fs::remove_file(&path).map_err(missing_is(StoreError::NoSuchKey)) {
                Ok(()) => sync_parent(&path)?,
                Err(StoreError::NoSuchKey) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        bucket.remove_empty_parents(&path);
        Ok(())
    }
}

impl Bucket {
    fn make_parents(&self, path: &Path) -> io::Result<()> {
        let _folders = write(&self.folders);
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let mut folder = self.root.clone();
        for name in below.parent().into_iter().flatten() {
            let parent = folder.clone();
            folder.push(name);
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => sync_folder(&parent)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Best effort: an empty folder costs a little time in listings and nothing else.
    fn remove_empty_parents(&self, path: &Path) {
        let _folders = write(&self.folders);
        let mut folder = path.parent();
        while let Some(here) = folder.filter(|here| *here != self.root) {
            if fs::remove_dir(here).is_err() {
                break;
            }
            folder = here.parent();
        }
    }
}

pub(super) fn check_attributes(attributes: &Attributes) -> Result<(), StoreError> {
    let bytes: usize = attributes.user.iter().map(|(name, value)| name.len() + value.len()).sum();
    match bytes <= USER_METADATA_MAX_BYTES {
        true => Ok(()),
        false => Err(StoreError::MetadataTooLarge),
    }
}

/// A folder that has been removed meanwhile has nothing to flush.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent().map_or(Ok(()), sync_folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
