//! The data folder: everything the local edition keeps, in one place, for one process at a time.
//!
//! ```text
//! VERSION          layout version, a number          lock             held while an edition runs
//! table.sqlite     the table                         queues.sqlite    the queues
//! objects/         the buckets                       provider/        the provider stand-in's own state
//! secrets.json     keys and tokens (owner only)      endpoints.json   where the running edition listens (owner only)
//! origin           the last address it had           *.pem            keys of the sign-in stand-in (owner only)
//! ```
//!
//! Invariants: the folder belongs to its owner alone (0700); at most one process has it open (an exclusive `flock`, which the
//! kernel releases when the process dies in whatever way); a folder of a newer version, or one that isn't ours, is left untouched.

mod endpoints;
mod secrets;

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

pub use endpoints::Endpoints;
pub(crate) use secrets::random_hex;
pub use secrets::{LocalSecrets, ProvidedSecrets};

/// The layout that this program writes.
pub const VERSION: u32 = 1;
/// Unfinished writes; what is left of them after a crash means nothing.
const TEMPORARY: &str = ".tmp-";
const LOCK: &str = "lock";
const ORIGIN: &str = "origin";
/// A process that has just ended, or a child that hasn't yet begun its own program, may hold the lock a moment longer.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_millis(500);
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why a data folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Missing rights, a read-only or full disk, or a file where a folder is wanted.
    #[error("the data folder {} can't be used", path.display())]
    Unusable {
        /// What was being read or written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the data folder {} is in use by another instance; stop that one first, or choose another folder with --data", .0.display())]
    Locked(PathBuf),
    /// Written by a later release.
    #[error("the data folder {} has version {found}, and this release knows only up to {VERSION}; use a newer release", path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Not empty and not a data folder.
    #[error("{} is not empty and not a data folder (it has no VERSION); choose another one with --data", .0.display())]
    Foreign(PathBuf),
    /// A file of ours that can't be understood.
    #[error("{} is damaged: {reason}; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is nothing to operate on.
    #[error("there is no data folder at {}; start the edition once, or name the folder with --data", .0.display())]
    Absent(PathBuf),
}

impl DataFolderError {
    pub(crate) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Unusable { path: path.to_owned(), source }
    }
}

/// An open data folder. The lock is held until this is dropped.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, creating it when it is missing or empty.
    ///
    /// # Errors
    /// [`DataFolderError`]; nothing was changed then, but for a folder and a lock file that may have been created.
    pub fn open(root: &Path) -> Result<Self, DataFolderError> {
        let existed = root.exists();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(DataFolderError::unusable(root))?;
        // Addresses and file names are handed to services that don't share a working directory by contract.
        let root = root.canonicalize().map_err(DataFolderError::unusable(root))?;
        if existed && read_version(&root)?.is_none() && !is_fresh(&root)? {
            return Err(DataFolderError::Foreign(root));
        }
        let lock = lock(&root)?;
        match read_version(&root)? {
            Some(found) if found > VERSION => return Err(DataFolderError::Newer { path: root, found }),
            Some(_) => {}
            None => write_atomically(&root.join("VERSION"), format!("{VERSION}\n").as_bytes())?,
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).map_err(DataFolderError::unusable(&root))?;
        remove_unfinished(&root)?;
        let folder = Self { root, _lock: lock };
        for directory in [folder.objects(), folder.provider()] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(DataFolderError::unusable(&directory))?;
        }
        Ok(folder)
    }

    /// Opens a folder that must already be one: what operator commands do.
    ///
    /// # Errors
    /// [`DataFolderError::Absent`] when there is none, otherwise as [`DataFolder::open`].
    pub fn open_existing(root: &Path) -> Result<Self, DataFolderError> {
        match root.is_dir() && read_version(root)?.is_some() {
            true => Self::open(root),
            false => Err(DataFolderError::Absent(root.to_owned())),
        }
    }

    /// The folder itself, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The table's database.
    pub fn table(&self) -> PathBuf {
        self.root.join("table.sqlite")
    }

    /// The queues' database.
    pub fn queues(&self) -> PathBuf {
        self.root.join("queues.sqlite")
    }

    /// The buckets.
    pub fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    /// The provider stand-in's own state.
    pub fn provider(&self) -> PathBuf {
        self.root.join("provider")
    }

    /// The secrets' file.
    pub fn secrets_file(&self) -> PathBuf {
        self.root.join("secrets.json")
    }

    /// Reads the secrets, creating what is missing; `provided` replaces what the folder holds.
    ///
    /// # Errors
    /// [`DataFolderError`] when the file is damaged or can't be written.
    pub fn secrets(&self, provided: &ProvidedSecrets) -> Result<LocalSecrets, DataFolderError> {
        secrets::load(&self.secrets_file(), provided)
    }

    /// Tells operator commands where the running edition listens.
    ///
    /// # Errors
    /// [`DataFolderError::Unusable`].
    pub fn publish(&self, endpoints: &Endpoints) -> Result<(), DataFolderError> {
        write_atomically(&self.root.join(ORIGIN), endpoints.origin.as_bytes())?;
        endpoints::write(&self.root, endpoints)
    }

    /// The address that the last edition had. With the sign-in stand-in it is part of who somebody is.
    ///
    /// # Errors
    /// [`DataFolderError::Unusable`].
    pub fn last_origin(&self) -> Result<Option<String>, DataFolderError> {
        let path = self.root.join(ORIGIN);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataFolderError::Unusable { path, source }),
        }
    }

    /// Takes back what [`DataFolder::publish`] said.
    pub fn withdraw(&self) {
        endpoints::remove(&self.root);
    }
}

/// Where the edition that holds the folder listens. Only to be asked when [`DataFolder::open`] said `Locked`: the file of an
/// edition that was killed stays behind.
///
/// # Errors
/// [`DataFolderError`] when there is no such file, as during the first moments of a start, or it can't be understood.
pub fn running_endpoints(root: &Path) -> Result<Endpoints, DataFolderError> {
    endpoints::read(root)
}

/// Keys that the edition makes itself, and can exchange.
pub const OWN_KEYS: [&str; 2] = secrets::OWN_KEYS;

/// Exchanges one of [`OWN_KEYS`], whether an edition runs or not: the functions use the new one within five minutes, and accept
/// what was made with the old one until the next exchange.
///
/// # Errors
/// [`DataFolderError`] when there are no secrets yet, or they can't be read or written.
pub fn exchange_key(root: &Path, name: &str) -> Result<(), DataFolderError> {
    secrets::exchange(&root.join("secrets.json"), name)
}

/// The version of a folder; `None` when it has none.
///
/// # Errors
/// [`DataFolderError::Damaged`] when it isn't a number.
pub fn read_version(root: &Path) -> Result<Option<u32>, DataFolderError> {
    let path = root.join("VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(version) => Ok(Some(version)),
            Err(_) => Err(DataFolderError::Damaged { path, reason: "it holds no version number".to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DataFolderError::Unusable { path, source }),
    }
}

/// Whether a folder without `VERSION` holds nothing but the traces of a first start that was killed.
fn is_fresh(root: &Path) -> Result<bool, DataFolderError> {
    for entry in fs::read_dir(root).map_err(DataFolderError::unusable(root))? {
        let name = entry.map_err(DataFolderError::unusable(root))?.file_name();
        if name != LOCK && !name.to_string_lossy().starts_with(TEMPORARY) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn lock(root: &Path) -> Result<File, DataFolderError> {
    let path = root.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(DataFolderError::unusable(&path))?;
    let begun = Instant::now();
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if begun.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_PAUSE),
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(DataFolderError::Locked(root.to_owned())),
            Err(errno) => return Err(DataFolderError::Unusable { path, source: errno.into() }),
        }
    }
}

fn remove_unfinished(root: &Path) -> Result<(), DataFolderError> {
    for entry in fs::read_dir(root).map_err(DataFolderError::unusable(root))? {
        let entry = entry.map_err(DataFolderError::unusable(root))?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_file(entry.path()).map_err(DataFolderError::unusable(&entry.path()))?;
        }
    }
    Ok(())
}

/// Writes a file of owner-only rights so that a reader, or the next start after a crash, sees all of it or the old one.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), DataFolderError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!("{TEMPORARY}{name}"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(DataFolderError::unusable(path))
}
