//! A data folder out of a backup: complete, or not there at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use crate::data_folder::{DataFolderError, VERSION, read_version};

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something is there already.
    #[error("{} is not empty; a restore never mixes with what is there", .0.display())]
    NotEmpty(PathBuf),
    /// The backup can't be read, or the folder can't be written.
    #[error("{} can't be used", path.display())]
    Unusable {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a backup, or not one of ours.
    #[error("{} is not a backup of a data folder: {reason}", path.display())]
    NotABackup {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Made by a later release.
    #[error("{} was made by a newer release (version {found}); this one knows only up to {VERSION}", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The restored folder is damaged.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> RestoreError + '_ {
    |source| RestoreError::Unusable { path: path.to_owned(), source }
}

/// Makes the data folder `root`, which must be missing or empty, out of the backup `source`. Blocks.
///
/// # Errors
/// [`RestoreError`]; `root` is as it was then.
pub fn restore(source: &Path, root: &Path) -> Result<(), RestoreError> {
    let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_empty = match fs::read_dir(root) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(RestoreError::Unusable { path: root.to_owned(), source: error }),
    };
    if !is_empty {
        return Err(RestoreError::NotEmpty(root.to_owned()));
    }
    let archive = File::open(source).map_err(unusable(source))?;
    fs::create_dir_all(parent).map_err(unusable(parent))?;
    let scratch = tempfile::Builder::new().prefix(".restore-").tempdir_in(parent).map_err(unusable(parent))?;
    unpack(source, archive, scratch.path())?;
    let not_a_backup = |reason: &str| RestoreError::NotABackup { path: source.to_owned(), reason: reason.to_owned() };
    match read_version(scratch.path())? {
        None => return Err(not_a_backup("it has no VERSION")),
        Some(found) if found > VERSION => return Err(RestoreError::Newer { path: source.to_owned(), found }),
        Some(_) => {}
    }
    // Onto an empty folder or nothing; refused by the system when something has appeared there meanwhile.
    fs::rename(scratch.path(), root).map_err(unusable(root))?;
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(unusable(parent))
}

fn unpack(source: &Path, archive: File, target: &Path) -> Result<(), RestoreError> {
    let malformed = |reason: String| RestoreError::NotABackup { path: source.to_owned(), reason };
    let mut archive = tar::Archive::new(io::BufReader::new(archive));
    for entry in archive.entries().map_err(unusable(source))? {
        let mut entry = entry.map_err(|error| malformed(error.to_string()))?;
        let name = entry.path().map_err(|error| malformed(error.to_string()))?.into_owned();
        // Nothing but plain names below the folder: no `..`, no absolute path, no link out of it.
        if !name.components().all(|component| matches!(component, Component::Normal(_))) {
            return Err(malformed(format!("it holds the path {}", name.display())));
        }
        let path = target.join(&name);
        let folder = if entry.header().entry_type().is_dir() { path.as_path() } else { path.parent().unwrap_or(target) };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable(folder))?;
        match entry.header().entry_type() {
            tar::EntryType::Directory => {}
            tar::EntryType::Regular => {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(unusable(&path))?;
                let copied = io::copy(&mut entry, &mut file).map_err(|error| malformed(error.to_string()))?;
                if copied != entry.size() {
                    return Err(malformed(format!("{} is cut off", name.display())));
                }
                file.sync_all().map_err(unusable(&path))?;
            }
            _ => return Err(malformed(format!("{} is neither a file nor a folder", name.display()))),
        }
    }
    Ok(())
}
