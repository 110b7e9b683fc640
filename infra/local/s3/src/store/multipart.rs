//! Multipart uploads: a folder per upload, with a file per part in the object file's format.
//!
//! An upload appears and disappears by one rename of its folder. Completing it copies the parts into one body, so that
//! the object is a single file like any other; if the process dies in between, the upload is still there.

use super::digest::{self, BodyHasher};
use super::place::{Identity, check_attributes};
use super::write::Temp;
use super::{
    Algorithm, Attributes, Checksums, Condition, Expected, ObjectMeta, Sealed, Store, StoreError, create_file, format, list, make_folders,
    missing_is, now, remove_tree, sync_folder,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The limit of S3 for all parts but the last.
pub(crate) const PART_MIN_BYTES: u64 = 5 * 1024 * 1024;
/// The limit of S3.
pub(crate) const PARTS_MAX: u32 = 10_000;
const COPY_BYTES: usize = 128 * 1024;

/// What an upload will become.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) created: Timestamp,
    pub(crate) attributes: Attributes,
    pub(crate) algorithm: Option<Algorithm>,
    /// The object's checksum is that of its whole body, not of its parts' checksums.
    pub(crate) full_object: bool,
}

/// A request for an upload.
pub(crate) struct NewUpload {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) attributes: Attributes,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) full_object: bool,
}

/// A part as the completing client names it.
#[derive(Clone, Debug)]
pub(crate) struct PartRef {
    pub(crate) number: u32,
    pub(crate) etag: Option<String>,
    pub(crate) checksums: Checksums,
}

/// A request for completion.
pub(crate) struct CompleteParts {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) parts: Vec<PartRef>,
    /// Of the object, as far as the client says.
    pub(crate) expected: Expected,
    pub(crate) condition: Condition,
}

impl Store {
    /// Starts an upload.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], [`StoreError::InvalidKey`], [`StoreError::MetadataTooLarge`], [`StoreError::Io`].
    pub(crate) fn create_upload(&self, new: NewUpload) -> Result<Upload, StoreError> {
        check_attributes(&new.attributes)?;
        self.bucket(&new.bucket)?.object_file(&new.key)?;
        let upload = Upload {
            id: new_id(),
            bucket: new.bucket,
            key: new.key,
            created: now(),
            attributes: new.attributes,
            algorithm: new.algorithm,
            full_object: new.full_object,
        };
        let temp = self.temp_path();
        make_folders(&temp)?;
        let json = serde_json::to_vec(&upload).map_err(std::io::Error::from)?;
        let mut file = create_file(&temp.join("upload.json"), false)?;
        file.write_all(&json)?;
        file.sync_all()?;
        sync_folder(&temp)?;
        fs::rename(&temp, self.upload_folder(&upload.id)?)?;
        sync_folder(&self.inner.root.join("uploads"))?;
        Ok(upload)
    }

    /// An upload, if it is one for this key.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], [`StoreError::NoSuchUpload`], [`StoreError::Io`].
    pub(crate) fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, StoreError> {
        self.bucket(bucket)?;
        let upload = read_upload(&self.upload_folder(id)?)?;
        match upload.bucket == bucket && upload.key == key {
            true => Ok(upload),
            false => Err(StoreError::NoSuchUpload),
        }
    }

    /// Keeps a sealed body as a part, replacing an earlier one of the same number.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidPartNumber`], [`StoreError::NoSuchUpload`], [`StoreError::Io`].
    pub(crate) fn put_part(&self, upload: &Upload, number: u32, sealed: Sealed) -> Result<ObjectMeta, StoreError> {
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(StoreError::InvalidPartNumber);
        }
        let folder = self.upload_folder(&upload.id)?;
        let meta = ObjectMeta {
            bucket: upload.bucket.clone(),
            key: upload.key.clone(),
            etag: hex::encode(sealed.digests.md5),
            last_modified: now(),
            body_bytes: sealed.length,
            body_sha256: sealed.digests.sha256.clone(),
            checksums: sealed.digests.checksums.clone(),
            attributes: Attributes::default(),
        };
        let temp = sealed.finish(&meta)?;
        let _upload = self.lock_upload(&upload.id);
        fs::rename(&temp.path, part_file(&folder, number)).map_err(missing_is(StoreError::NoSuchUpload))?;
        sync_folder(&folder)?;
        Ok(meta)
    }

    /// The parts kept so far, by number.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchUpload`], [`StoreError::Corrupt`], [`StoreError::Io`].
    pub(crate) fn parts(&self, upload: &Upload) -> Result<Vec<(u32, ObjectMeta)>, StoreError> {
        let folder = self.upload_folder(&upload.id)?;
        let mut numbers: Vec<u32> = Vec::new();
        for entry in fs::read_dir(&folder).map_err(missing_is(StoreError::NoSuchUpload))? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix('='));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        let mut parts = Vec::with_capacity(numbers.len());
        for number in numbers {
            let meta = list::read_meta(&part_file(&folder, number))?;
            parts.extend(meta.map(|meta| (number, meta)));
        }
        Ok(parts)
    }

    /// Makes the named parts one object and ends the upload. When a condition or a check fails, the upload stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchUpload`], [`StoreError::InvalidPart`], [`StoreError::InvalidPartOrder`],
    /// [`StoreError::PartTooSmall`], those of checksums, and those of [`Store::put`].
    pub(crate) fn complete_upload(&self, request: &CompleteParts) -> Result<ObjectMeta, StoreError> {
        let _upload = self.lock_upload(&request.id);
        let upload = self.upload(&request.bucket, &request.key, &request.id)?;
        let folder = self.upload_folder(&upload.id)?;
        let parts = chosen_parts(&folder, &request.parts)?;

        let wanted: Vec<_> = upload.algorithm.into_iter().collect();
        let mut writer = self.writer(if upload.full_object { &wanted } else { &[] })?;
        let mut buffer = vec![0; COPY_BYTES];
        let mut composite = BodyHasher::new(&wanted);
        let mut etags = Vec::with_capacity(parts.len() * 16);
        let mut all_have_it = true;
        for (path, meta) in &parts {
            // One open file at a time: there may be more parts than a process may have files.
            let mut body = File::open(path)?.take(meta.body_bytes);
            loop {
                let length = body.read(&mut buffer)?;
                if length == 0 {
                    break;
                }
                writer.write(&buffer[..length])?;
            }
            etags.extend(hex::decode(&meta.etag).map_err(|_| StoreError::InvalidPart)?);
            match upload.algorithm.map(|one| (one, meta.checksums.get(&one))) {
                Some((one, Some(value))) => composite.update(&digest::decode(value, one.header())?),
                _ => all_have_it = false,
            }
        }
        let mut expected = Expected { length: Some(parts.iter().map(|(_, meta)| meta.body_bytes).sum()), ..Expected::default() };
        if request.expected.length.is_some_and(|said| Some(said) != expected.length) {
            return Err(StoreError::WrongLength);
        }
        if upload.full_object {
            expected.checksums = request.expected.checksums.clone();
        }
        let sealed = writer.seal(&expected)?;
        let count = parts.len();
        let checksums = match upload.full_object {
            true => sealed.digests.checksums.clone(),
            false => composite_checksums(composite, all_have_it, count, &request.expected)?,
        };
        let etag = {
            let mut hasher = BodyHasher::new(&[]);
            hasher.update(&etags);
            format!("{}-{count}", hex::encode(hasher.finish().md5))
        };
        let meta =
            self.put(sealed, (&upload.bucket, &upload.key), upload.attributes, Identity::Parts { etag, checksums }, &request.condition)?;
        self.remove_upload(&folder)?;
        Ok(meta)
    }

    /// Forgets an upload and its parts.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], [`StoreError::NoSuchUpload`], [`StoreError::Io`].
    pub(crate) fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), StoreError> {
        let _upload = self.lock_upload(id);
        self.upload(bucket, key, id)?;
        self.remove_upload(&self.upload_folder(id)?)
    }

    /// All unfinished uploads.
    pub(super) fn uploads(&self) -> Result<Vec<Upload>, StoreError> {
        let mut uploads = Vec::new();
        for entry in fs::read_dir(self.inner.root.join("uploads"))? {
            match read_upload(&entry?.path()) {
                Ok(upload) => uploads.push(upload),
                // Ended meanwhile.
                Err(StoreError::NoSuchUpload) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(uploads)
    }

    fn upload_folder(&self, id: &str) -> Result<PathBuf, StoreError> {
        // Only what this module hands out: an id becomes part of a path.
        match id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(self.inner.root.join("uploads").join(id)),
            false => Err(StoreError::NoSuchUpload),
        }
    }

    fn remove_upload(&self, folder: &Path) -> Result<(), StoreError> {
        let temp = Temp { path: self.temp_path() };
        fs::rename(folder, &temp.path).map_err(missing_is(StoreError::NoSuchUpload))?;
        sync_folder(&self.inner.root.join("uploads"))?;
        remove_tree(&temp.path)?;
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "an upload's id only has to be new; nothing reads a time from it")]
fn new_id() -> String {
    Uuid::now_v7().simple().to_string()
}

fn part_file(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number}="))
}

fn read_upload(folder: &Path) -> Result<Upload, StoreError> {
    let path = folder.join("upload.json");
    let json = fs::read(&path).map_err(missing_is(StoreError::NoSuchUpload))?;
    serde_json::from_slice(&json).map_err(|_| StoreError::Corrupt { path, reason: "not an upload" })
}

/// Finds the parts that the client names and checks that they are the ones that it means.
fn chosen_parts(folder: &Path, named: &[PartRef]) -> Result<Vec<(PathBuf, ObjectMeta)>, StoreError> {
    if named.is_empty() {
        return Err(StoreError::InvalidPart);
    }
    if !named.windows(2).all(|pair| pair[0].number < pair[1].number) {
        return Err(StoreError::InvalidPartOrder);
    }
    let mut parts = Vec::with_capacity(named.len());
    for part in named {
        let path = part_file(folder, part.number);
        let file = File::open(&path).map_err(missing_is(StoreError::InvalidPart))?;
        let meta = format::read(&file, &path)?;
        let same_etag = part.etag.as_ref().is_none_or(|etag| *etag == meta.etag);
        let same_sums = part.checksums.iter().all(|(one, value)| meta.checksums.get(one).is_none_or(|ours| ours == value));
        if !(same_etag && same_sums) {
            return Err(StoreError::InvalidPart);
        }
        parts.push((path, meta));
    }
    let (_, all_but_last) = parts.split_last().ok_or(StoreError::InvalidPart)?;
    match all_but_last.iter().all(|(_, meta)| meta.body_bytes >= PART_MIN_BYTES) {
        true => Ok(parts),
        false => Err(StoreError::PartTooSmall),
    }
}

/// The checksum of the parts' checksums, as S3 writes it: `base64-N`.
fn composite_checksums(hasher: BodyHasher, all_have_it: bool, count: usize, expected: &Expected) -> Result<Checksums, StoreError> {
    let mut checksums = Checksums::new();
    if !all_have_it {
        return Ok(checksums);
    }
    for (one, value) in hasher.finish().checksums {
        let bytes = digest::decode(&value, one.header())?;
        if let Some(said) = expected.checksums.get(&one) {
            // Clients leave the count away or not.
            let said = said.rsplit_once('-').map_or(said.as_str(), |(sum, _)| sum);
            if digest::decode(said, one.header())? != bytes {
                return Err(StoreError::WrongChecksum(one.header()));
            }
        }
        checksums.insert(one, format!("{}-{count}", BASE64.encode(bytes)));
    }
    Ok(checksums)
}
