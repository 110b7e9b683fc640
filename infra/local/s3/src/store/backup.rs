//! Copying the store while it runs.
//!
//! An object file is never changed after it has been put in place, so an opened one stays whole even when its key is
//! overwritten or deleted meanwhile. A copy made of `FORMAT` and the object files, under the same relative paths, is a
//! store that opens. Unfinished multipart uploads are left out.

use super::list::Walker;
use super::{Bucket, Store, StoreError, read};
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

/// A file to be backed up, opened.
#[derive(Debug)]
pub struct ObjectFile {
    /// Relative to the store's folder.
    pub path: PathBuf,
    /// Open for reading, at its start.
    pub file: File,
}

/// The files of a running store: `FORMAT`, then every object that is there when the walk comes by.
pub struct ObjectFiles {
    store: Store,
    first: Option<PathBuf>,
    buckets: std::vec::IntoIter<Arc<Bucket>>,
    walker: Option<Walker>,
}

impl Store {
    /// Lists the files that make up a backup, one open at a time. Blocks.
    #[must_use]
    pub fn object_files(&self) -> ObjectFiles {
        let buckets: Vec<_> = read(&self.inner.buckets).values().cloned().collect();
        ObjectFiles { store: self.clone(), first: Some(self.inner.root.join("FORMAT")), buckets: buckets.into_iter(), walker: None }
    }
}

impl ObjectFiles {
    fn next_path(&mut self) -> Result<Option<PathBuf>, StoreError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            if let Some(walker) = &mut self.walker
                && let Some((_, path)) = walker.next(None)?
            {
                return Ok(Some(path));
            }
            match self.buckets.next() {
                Some(bucket) => self.walker = Some(Walker::new(&bucket, "")?),
                None => return Ok(None),
            }
        }
    }

    fn next_file(&mut self) -> Result<Option<ObjectFile>, StoreError> {
        while let Some(path) = self.next_path()? {
            match File::open(&path) {
                Ok(file) => {
                    let path = path.strip_prefix(&self.store.inner.root).map(PathBuf::from).unwrap_or(path);
                    return Ok(Some(ObjectFile { path, file }));
                }
                // Deleted since the folder was read.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

impl Iterator for ObjectFiles {
    type Item = Result<ObjectFile, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_file().transpose()
    }
}
