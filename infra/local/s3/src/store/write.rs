//! Writing a body into `tmp` and verifying it.

use super::digest::{BodyHasher, Digests};
use super::format::{self, ObjectMeta};
use super::{Algorithm, Expected, Store, StoreError, create_file};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

/// A file or folder in `tmp` that is removed when it is dropped; once renamed away there is nothing to remove.
pub(super) struct Temp {
    pub(super) path: PathBuf,
}

impl Drop for Temp {
    fn drop(&mut self) {
        // Whatever stays behind is removed when the store is opened the next time.
        let _ = fs::remove_file(&self.path);
    }
}

/// A body on its way in. Dropping it leaves nothing behind.
pub(crate) struct ObjectWriter {
    temp: Temp,
    file: File,
    hasher: BodyHasher,
    length: u64,
}

/// A body that is complete and verified, but not yet an object.
pub(crate) struct Sealed {
    pub(super) temp: Temp,
    file: File,
    pub(super) digests: Digests,
    pub(super) length: u64,
}

impl Store {
    /// Starts a body, computing `wanted` on the way.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub(crate) fn writer(&self, wanted: &[Algorithm]) -> Result<ObjectWriter, StoreError> {
        let path = self.temp_path();
        let file = create_file(&path, false)?;
        Ok(ObjectWriter { temp: Temp { path }, file, hasher: BodyHasher::new(wanted), length: 0 })
    }
}

impl ObjectWriter {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Ends the body and holds it against what the client said about it.
    ///
    /// # Errors
    ///
    /// Those of [`Digests::verify`].
    pub(crate) fn seal(self, expected: &Expected) -> Result<Sealed, StoreError> {
        let digests = self.hasher.finish();
        digests.verify(self.length, expected)?;
        Ok(Sealed { temp: self.temp, file: self.file, digests, length: self.length })
    }
}

impl ObjectWriter {
    /// Ends a body that was read from another object: one that the disk has damaged is not copied.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] unless it is that object's body.
    pub(crate) fn seal_copy(self, source: &ObjectMeta) -> Result<Sealed, StoreError> {
        let path = self.temp.path.clone();
        let sealed = self.seal(&Expected::default())?;
        match sealed.length == source.body_bytes && sealed.digests.sha256 == source.body_sha256 {
            true => Ok(sealed),
            false => Err(StoreError::Corrupt { path, reason: "the source's body has changed" }),
        }
    }
}

impl Sealed {
    /// Appends metadata and footer and flushes all to the disk: from here on one rename or link makes the object.
    pub(super) fn finish(mut self, meta: &ObjectMeta) -> Result<Temp, StoreError> {
        self.file.write_all(&format::encode(meta)?)?;
        self.file.sync_all()?;
        Ok(self.temp)
    }
}
