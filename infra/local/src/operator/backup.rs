//! One file that a data folder can be made of again.
//!
//! The databases are copied by SQLite itself, from inside a read transaction, so a running edition isn't held up and the copy is
//! of one moment. The queues come first, the table second, the objects last: what is finished between the first and the second is
//! finished again, which is harmless, and every object that the table names has been there before it was named.
//!
//! Left out: the lock, the endpoints, unfinished uploads, and whatever is unfinished in general.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::data_folder::{DataFolderError, read_version};

/// Databases, in the order in which they are copied.
const DATABASES: [&str; 2] = ["queues.sqlite", "table.sqlite"];
/// In `objects/`, next to the buckets: half-written files, unfinished uploads, and the store's lock.
const UNFINISHED: [&str; 3] = ["tmp", "uploads", "lock"];

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data folder.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// A file would be overwritten.
    #[error("{} exists already; a backup never replaces a file", .0.display())]
    Exists(PathBuf),
    /// A file can't be read or written.
    #[error("{} can't be used", path.display())]
    Unusable {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A database can't be copied.
    #[error("{} can't be copied", path.display())]
    Database {
        /// Which one.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> BackupError + '_ {
    |source| BackupError::Unusable { path: path.to_owned(), source }
}

/// Writes the data folder `root` to the new file `target`, readable by its owner only. Blocks.
///
/// # Errors
/// [`BackupError`]; there is no file at `target` then that wasn't there before.
pub fn backup(root: &Path, target: &Path) -> Result<(), BackupError> {
    if read_version(root)?.is_none() {
        return Err(DataFolderError::Absent(root.to_owned()).into());
    }
    if target.exists() {
        return Err(BackupError::Exists(target.to_owned()));
    }
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Beside the target, so that the last step is a rename on one disk; removed when anything fails.
    let scratch = tempfile::Builder::new().prefix(".backup-").tempdir_in(folder).map_err(unusable(folder))?;
    let archive_path = scratch.path().join("archive.tar");
    let archive = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&archive_path).map_err(unusable(&archive_path))?;
    let mut builder = tar::Builder::new(io::BufWriter::new(archive));

    append(&mut builder, root, Path::new("VERSION"))?;
    for name in DATABASES {
        copy_database(&root.join(name), &scratch.path().join(name))?;
        append_if_there(&mut builder, scratch.path(), Path::new(name))?;
        fs::remove_file(scratch.path().join(name)).or_else(ignore_absence).map_err(unusable(scratch.path()))?;
    }
    for entry in sorted(root)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_data = matches!(name.as_str(), "objects" | "provider" | "secrets.json" | "origin") || name.ends_with(".pem");
        if is_data {
            append_tree(&mut builder, root, Path::new(&name), scratch.path())?;
        }
    }
    let finish = || -> io::Result<()> {
        let mut archive = builder.into_inner()?;
        archive.flush()?;
        archive.get_ref().sync_all()?;
        // A link fails where a rename would replace what somebody has just written there.
        fs::hard_link(&archive_path, target)?;
        File::open(folder)?.sync_all()
    };
    finish().map_err(unusable(target))
}

fn ignore_absence(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn copy_database(source: &Path, target: &Path) -> Result<(), BackupError> {
    if !source.exists() {
        return Ok(());
    }
    let failed = |error| BackupError::Database { path: source.to_owned(), source: error };
    let connection = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
    connection.execute("VACUUM INTO ?1", [target.to_string_lossy()]).map_err(failed)?;
    Ok(())
}

type Builder = tar::Builder<io::BufWriter<File>>;

fn append_if_there(builder: &mut Builder, root: &Path, relative: &Path) -> Result<(), BackupError> {
    match root.join(relative).exists() {
        true => append(builder, root, relative),
        false => Ok(()),
    }
}

/// Everything below `relative` that is finished; databases in it are copied by SQLite through `scratch`.
fn append_tree(builder: &mut Builder, root: &Path, relative: &Path, scratch: &Path) -> Result<(), BackupError> {
    let path = root.join(relative);
    let Ok(metadata) = fs::symlink_metadata(&path) else { return Ok(()) };
    let name = relative.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if metadata.is_dir() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o700);
        header.set_size(0);
        builder.append_data(&mut header, relative, io::empty()).map_err(unusable(&path))?;
        let in_objects = relative == Path::new("objects");
        for child in sorted(&path)? {
            let child = child.file_name().unwrap_or_default().to_owned();
            if !(in_objects && UNFINISHED.iter().any(|skipped| child == *skipped)) {
                append_tree(builder, root, &relative.join(child), scratch)?;
            }
        }
        Ok(())
    } else if name.ends_with("-wal") || name.ends_with("-shm") || name.starts_with(".tmp-") || !metadata.is_file() {
        Ok(())
    } else if name.ends_with(".sqlite") {
        let copy = scratch.join("copy.sqlite");
        copy_database(&path, &copy)?;
        append_file(builder, &copy, relative)?;
        fs::remove_file(&copy).map_err(unusable(&copy))
    } else {
        append(builder, root, relative)
    }
}

fn append(builder: &mut Builder, root: &Path, relative: &Path) -> Result<(), BackupError> {
    append_file(builder, &root.join(relative), relative)
}

/// Objects never change once they are in place, but they may be deleted before they are opened.
fn append_file(builder: &mut Builder, path: &Path, name: &Path) -> Result<(), BackupError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(unusable(path))?,
    };
    let length = file.metadata().map_err(unusable(path))?.len();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(length);
    builder.append_data(&mut header, name, file.take(length)).map_err(unusable(path))
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries: io::Result<Vec<PathBuf>> = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
    };
    let mut entries = entries.map_err(unusable(folder))?;
    entries.sort();
    Ok(entries)
}
