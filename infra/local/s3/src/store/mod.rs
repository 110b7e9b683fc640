//! The folder store.
//!
//! ```text
//! FORMAT                     "1\n"
//! lock                       held while a process has the folder open
//! tmp/                       files being written; emptied when the folder is opened
//! buckets/<bucket>/<path>=   one file per object: body, metadata, footer
//! uploads/<id>/upload.json   what an unfinished multipart upload will become
//! uploads/<id>/<number>=     its parts, in the object file's format
//! ```
//!
//! An object is written to `tmp`, verified, flushed to the disk, and only then linked (when nothing may be replaced) or
//! renamed to its place, whose folder is flushed before the client hears of success. A file is never changed once it is
//! in place, so whoever has opened one, a reader or a backup, keeps a whole object.
//!
//! The methods block and are to be called off the async threads. Listings hold one folder's names in memory at a time
//! per level. Lifecycle rules are not on disk: the caller states them each time it opens the folder.

mod backup;
mod digest;
mod error;
mod expire;
mod format;
mod keypath;
mod list;
mod multipart;
mod place;
mod write;

pub use backup::{ObjectFile, ObjectFiles};
pub use error::StoreError;
pub use expire::{Expired, ExpiryRule};

pub(crate) use digest::{Algorithm, Checksums, Expected};
pub(crate) use format::{Attributes, ObjectMeta};
pub(crate) use list::{ListQuery, Resume};
pub(crate) use multipart::{CompleteParts, NewUpload, PartRef, Upload};
pub(crate) use place::{Condition, Identity};
pub(crate) use write::{ObjectWriter, Sealed};

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{Hash, Hasher as _};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// What `FORMAT` holds.
const FORMAT: &str = "1\n";
/// Locks are shared by hash; enough that unrelated keys rarely meet.
const LOCKS: usize = 64;

/// An open folder of buckets and objects. Clones share it; the folder is free again when the last one is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
    key_locks: [Mutex<()>; LOCKS],
    /// Taken before a key's lock, never after.
    upload_locks: [Mutex<()>; LOCKS],
    next_temp: AtomicU64,
    /// Keeps the folder ours.
    _lock: File,
}

pub(crate) struct Bucket {
    pub(crate) name: String,
    root: PathBuf,
    created: Timestamp,
    rules: RwLock<Vec<ExpiryRule>>,
    /// Held shared while a file is put into a folder, exclusively while folders are made or removed: a folder that a
    /// writer finds is one that is on disk and stays.
    folders: RwLock<()>,
}

/// An object opened for reading; later writes to its key do not touch it.
pub(crate) struct OpenObject {
    pub(crate) file: File,
    pub(crate) meta: ObjectMeta,
}

impl Store {
    /// Opens the store in `dir`, making it if it is not there, and removes what a crash left half-written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] while another process, or another `Store`, has it open; [`StoreError::UnknownFormat`];
    /// [`StoreError::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = dir.as_ref().to_owned();
        make_folders(&root)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(root.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(root)),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        match fs::read_to_string(root.join("FORMAT")) {
            Ok(format) if format == FORMAT => {}
            Ok(format) => return Err(StoreError::UnknownFormat(format)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // By rename, so that a crash leaves no empty file that the next start would refuse.
                let new = root.join("FORMAT.new");
                let mut file = create_file(&new, true)?;
                file.write_all(FORMAT.as_bytes())?;
                file.sync_all()?;
                fs::rename(&new, root.join("FORMAT"))?;
            }
            Err(error) => return Err(error.into()),
        }
        remove_tree(&root.join("tmp"))?;
        for folder in ["tmp", "buckets", "uploads"] {
            make_folders(&root.join(folder))?;
        }
        // A process that was killed may have made folders without flushing them; from here on, every folder that exists
        // counts as being on disk.
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(File::open(&root)?).map_err(io::Error::from)?;
        sync_folder(&root)?;

        let store = Self {
            inner: Arc::new(Inner {
                root,
                buckets: RwLock::default(),
                key_locks: [const { Mutex::new(()) }; LOCKS],
                upload_locks: [const { Mutex::new(()) }; LOCKS],
                next_temp: AtomicU64::new(0),
                _lock: lock,
            }),
        };
        for entry in fs::read_dir(store.inner.root.join("buckets"))? {
            if let Ok(name) = entry?.file_name().into_string() {
                store.create_bucket(&name, &[])?;
            }
        }
        Ok(store)
    }

    /// Makes a bucket unless it is there, and sets its lifecycle rules, replacing earlier ones.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidBucketName`], [`StoreError::Io`].
    pub fn create_bucket(&self, name: &str, rules: &[ExpiryRule]) -> Result<(), StoreError> {
        if !s3s::path::check_bucket_name(name) {
            return Err(StoreError::InvalidBucketName(name.to_owned()));
        }
        let mut buckets = write(&self.inner.buckets);
        if let Some(bucket) = buckets.get(name) {
            *write(&bucket.rules) = rules.to_vec();
            return Ok(());
        }
        let parent = self.inner.root.join("buckets");
        let root = parent.join(name);
        make_folders(&root)?;
        sync_folder(&parent)?;
        let created = fs::metadata(&root)?.created().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_else(now);
        let bucket = Bucket { name: name.to_owned(), root, created, rules: RwLock::new(rules.to_vec()), folders: RwLock::new(()) };
        buckets.insert(name.to_owned(), Arc::new(bucket));
        Ok(())
    }

    /// Names and times of all buckets, in order.
    pub(crate) fn buckets(&self) -> Vec<(String, Timestamp)> {
        read(&self.inner.buckets).values().map(|bucket| (bucket.name.clone(), bucket.created)).collect()
    }

    pub(crate) fn bucket(&self, name: &str) -> Result<Arc<Bucket>, StoreError> {
        read(&self.inner.buckets).get(name).cloned().ok_or(StoreError::NoSuchBucket)
    }

    /// Opens an object.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], [`StoreError::NoSuchKey`], [`StoreError::Corrupt`], [`StoreError::Io`].
    pub(crate) fn open_object(&self, bucket: &str, key: &str) -> Result<OpenObject, StoreError> {
        let bucket = self.bucket(bucket)?;
        let path = bucket.object_file(key)?;
        let file = File::open(&path).map_err(missing_is(StoreError::NoSuchKey))?;
        let meta = format::read(&file, &path)?;
        if meta.key != key || meta.bucket != bucket.name {
            return Err(StoreError::Corrupt { path, reason: "another object's file" });
        }
        Ok(OpenObject { file, meta })
    }

    /// A name in `tmp` that nobody else has.
    fn temp_path(&self) -> PathBuf {
        let number = self.inner.next_temp.fetch_add(1, Ordering::Relaxed);
        self.inner.root.join("tmp").join(number.to_string())
    }

    /// Makes check-and-replace of one key a single step.
    fn lock_key(&self, bucket: &Bucket, key: &str) -> MutexGuard<'_, ()> {
        lock(&self.inner.key_locks, (&bucket.name, key))
    }

    /// Keeps parts from changing while an upload ends.
    fn lock_upload(&self, id: &str) -> MutexGuard<'_, ()> {
        lock(&self.inner.upload_locks, id)
    }
}

fn lock(locks: &[Mutex<()>; LOCKS], what: impl Hash) -> MutexGuard<'_, ()> {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    let at = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
    locks[at].lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bucket {
    fn object_file(&self, key: &str) -> Result<PathBuf, StoreError> {
        if key.is_empty() || !s3s::path::check_key(key) {
            return Err(StoreError::InvalidKey);
        }
        Ok(self.root.join(keypath::object_path(key)))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "clients compare Last-Modified with their own clocks, as they do for the signatures checked here"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// The guarded values are `()` or replaced whole: a panic elsewhere leaves nothing half-changed in them.
fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Turns "not found" into `error`, anything else into [`StoreError::Io`].
fn missing_is(error: StoreError) -> impl FnOnce(io::Error) -> StoreError {
    move |source| match source.kind() {
        ErrorKind::NotFound => error,
        _ => source.into(),
    }
}

fn create_file(path: &Path, replace: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(replace).truncate(replace).create_new(!replace).mode(0o600).open(path)
}

fn make_folders(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Flushes a folder's names to the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
