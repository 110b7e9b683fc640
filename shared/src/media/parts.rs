//! Large objects of our own making, put part by part, by one process after the other.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::read::failed;
use super::{Media, MediaError};

/// A part that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    number: i32,
    tag: String,
    checksum: String,
}

impl Media {
    /// Begins an object in the media bucket that is stored in parts; the answer names the upload. It is for one person's eyes, so
    /// nobody keeps it.
    ///
    /// # Errors
    /// [`MediaError::Unavailable`].
    pub async fn begin_parts(&self, key: &str, content_type: &str) -> Result<String, MediaError> {
        let create = self.client.create_multipart_upload().bucket(&self.bucket).key(key).content_type(content_type);
        let create = create.cache_control("private, no-store").checksum_algorithm(ChecksumAlgorithm::Sha256);
        let created = create.send().await.map_err(failed)?;
        created.upload_id.ok_or_else(|| MediaError::Unavailable("an upload without a name".to_owned()))
    }

    /// Stores part `number` (from 1), of 5 MiB at least unless it is the last; one that is there is replaced.
    ///
    /// # Errors
    /// [`MediaError::NotFound`] when the upload is over, [`MediaError::Unavailable`].
    pub async fn put_part(&self, key: &str, upload: &str, number: usize, bytes: Bytes) -> Result<Part, MediaError> {
        let number = i32::try_from(number).map_err(|e| MediaError::Unavailable(e.to_string()))?;
        let checksum = STANDARD.encode(Sha256::digest(&bytes));
        let put = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(upload).part_number(number);
        let put = put.checksum_sha256(&checksum).body(ByteStream::from(bytes)).send().await.map_err(failed)?;
        Ok(Part { number, tag: put.e_tag.unwrap_or_default(), checksum })
    }

    /// Makes the object of these parts. Losing, [`MediaError::NotFound`]: the upload is over, perhaps because an earlier attempt has
    /// succeeded; look at the object.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn end_parts(&self, key: &str, upload: &str, parts: &[Part]) -> Result<(), MediaError> {
        let parts = parts
            .iter()
            .map(|part| CompletedPart::builder().part_number(part.number).e_tag(&part.tag).checksum_sha256(&part.checksum).build());
        let completed = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload).multipart_upload(completed);
        complete.send().await.map(drop).map_err(failed)
    }

    /// Gives up an upload and its parts. Losing: it is over already.
    ///
    /// # Errors
    /// [`MediaError::Unavailable`].
    pub async fn drop_parts(&self, key: &str, upload: &str) -> Result<(), MediaError> {
        match self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload).send().await.map_err(failed) {
            Ok(_) | Err(MediaError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
