//! The object file: body first, then metadata, then a footer that says where each ends.
//!
//! ```text
//! offset 0          body, exactly as sent
//! body_bytes        metadata, JSON
//! end - 24          body_bytes   u64, little endian
//! end - 16          meta_bytes   u32, little endian
//! end - 12          CRC-32 of the metadata, u32, little endian
//! end - 8           version of this format, u8: 1
//! end - 7           "S3OBJ\r\n"
//! ```
//!
//! Body first, because its length and checksums are known only after it has been written, and because byte ranges are
//! then offsets of the file. The three lengths must add up to the file's, which a file cut short does not satisfy.

use super::StoreError;
use super::digest::Checksums;
use jiff::Timestamp;
use s3s::crypto::Crc32;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const VERSION: u8 = 1;
const MAGIC: &[u8; 7] = b"S3OBJ\r\n";
const FOOTER_BYTES: usize = 24;
/// Far above what headers of one request can hold; what is larger is not ours.
const META_MAX_BYTES: usize = 256 * 1024;
/// One read of this size usually gets footer and metadata together.
const TAIL_BYTES: u64 = 4096;

/// What a client sets on an object and gets back as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    /// `x-amz-meta-*`, without that prefix.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) user: BTreeMap<String, String>,
}

/// An object's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectMeta {
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) last_modified: Timestamp,
    pub(crate) body_bytes: u64,
    /// Base64 of the body's SHA-256, whatever the client sent.
    pub(crate) body_sha256: String,
    /// Those that the client chose. Of a multipart object they may be checksums of checksums, `...-N`.
    #[serde(default)]
    pub(crate) checksums: Checksums,
    #[serde(flatten)]
    pub(crate) attributes: Attributes,
}

/// What follows the body in the file.
///
/// # Errors
///
/// [`StoreError::MetadataTooLarge`].
pub(crate) fn encode(meta: &ObjectMeta) -> Result<Vec<u8>, StoreError> {
    let mut tail = serde_json::to_vec(meta).map_err(std::io::Error::from)?;
    let crc = Crc32::checksum_u32(&tail);
    let meta_bytes = u32::try_from(tail.len()).ok().filter(|_| tail.len() <= META_MAX_BYTES).ok_or(StoreError::MetadataTooLarge)?;
    tail.extend_from_slice(&meta.body_bytes.to_le_bytes());
    tail.extend_from_slice(&meta_bytes.to_le_bytes());
    tail.extend_from_slice(&crc.to_le_bytes());
    tail.push(VERSION);
    tail.extend_from_slice(MAGIC);
    Ok(tail)
}

/// Reads the metadata of an open object file.
///
/// # Errors
///
/// [`StoreError::Corrupt`] unless every check holds; [`StoreError::Io`].
pub(crate) fn read(file: &File, path: &Path) -> Result<ObjectMeta, StoreError> {
    let corrupt = |reason| StoreError::Corrupt { path: path.to_owned(), reason };
    let file_bytes = file.metadata()?.len();
    let tail_bytes = file_bytes.min(TAIL_BYTES);
    let mut tail = vec![0; usize::try_from(tail_bytes).unwrap_or_default()];
    file.read_exact_at(&mut tail, file_bytes - tail_bytes)?;

    let (before, footer) = tail.split_last_chunk::<FOOTER_BYTES>().ok_or_else(|| corrupt("too short"))?;
    let (&lengths, rest) = footer.split_first_chunk::<8>().ok_or_else(|| corrupt("footer"))?;
    let (&meta_bytes, rest) = rest.split_first_chunk::<4>().ok_or_else(|| corrupt("footer"))?;
    let (&crc, rest) = rest.split_first_chunk::<4>().ok_or_else(|| corrupt("footer"))?;
    if rest[1..] != MAGIC[..] {
        return Err(corrupt("magic"));
    }
    if rest[0] != VERSION {
        return Err(corrupt("version"));
    }
    let body_bytes = u64::from_le_bytes(lengths);
    let meta_bytes = u32::from_le_bytes(meta_bytes);
    let sum = body_bytes.checked_add(u64::from(meta_bytes)).and_then(|sum| sum.checked_add(FOOTER_BYTES as u64));
    if sum != Some(file_bytes) {
        return Err(corrupt("length"));
    }
    let meta_bytes = usize::try_from(meta_bytes).ok().filter(|&bytes| bytes <= META_MAX_BYTES).ok_or_else(|| corrupt("metadata length"))?;
    let far;
    let json = match before.len().checked_sub(meta_bytes) {
        Some(start) => &before[start..],
        None => {
            let mut bytes = vec![0; meta_bytes];
            file.read_exact_at(&mut bytes, body_bytes)?;
            far = bytes;
            &far
        }
    };
    if Crc32::checksum_u32(json) != u32::from_le_bytes(crc) {
        return Err(corrupt("metadata checksum"));
    }
    let meta: ObjectMeta = serde_json::from_slice(json).map_err(|_| corrupt("metadata"))?;
    if meta.body_bytes != body_bytes {
        return Err(corrupt("body length"));
    }
    Ok(meta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn meta(user_bytes: usize) -> ObjectMeta {
        ObjectMeta {
            bucket: "media".to_owned(),
            key: "a/b".to_owned(),
            etag: "e".to_owned(),
            last_modified: Timestamp::UNIX_EPOCH,
            body_bytes: 4,
            body_sha256: "s".to_owned(),
            checksums: Checksums::new(),
            attributes: Attributes {
                content_type: Some("image/png".to_owned()),
                user: BTreeMap::from([("k".to_owned(), "v".repeat(user_bytes))]),
                ..Attributes::default()
            },
        }
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn whole(meta: &ObjectMeta) -> Vec<u8> {
        [b"body".as_slice(), &encode(meta).unwrap()].concat()
    }

    #[test]
    fn small_and_large_metadata_come_back() {
        for user_bytes in [0, 3000, 5000, 100_000] {
            let meta = meta(user_bytes);
            assert_eq!(read(&file(&whole(&meta)), Path::new("x")).unwrap(), meta, "{user_bytes}");
        }
    }

    #[test]
    fn every_shorter_file_and_every_changed_tail_byte_is_noticed() {
        let bytes = whole(&meta(0));
        for length in 0..bytes.len() {
            assert!(matches!(read(&file(&bytes[..length]), Path::new("x")), Err(StoreError::Corrupt { .. })), "{length}");
        }
        for at in 4..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&file(&changed), Path::new("x")).is_err(), "{at}");
        }
    }
}
