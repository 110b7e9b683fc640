//! Reading, listing and deleting objects, each bounded.

use std::ops::Range;

use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectIdentifier};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Bucket, Media, MediaError};

/// Objects of one page of a listing: S3's own bound, and that of one deletion.
const PAGE: i32 = 1_000;

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How large it is.
    pub bytes: u64,
    /// What it was stored as.
    pub content_type: Option<String>,
    /// Lower-case hexadecimal SHA-256, when the whole object was stored with one.
    pub sha256: Option<String>,
    /// As S3 writes it: base64, with the number of parts behind a dash where there were several.
    pub checksum: Option<String>,
}

/// An object being read.
#[derive(Debug)]
pub struct Object {
    /// What of it follows.
    pub head: Head,
    /// Its bytes.
    pub body: ByteStream,
}

impl Media {
    /// What is known of an object.
    ///
    /// # Errors
    /// [`MediaError::NotFound`] or [`MediaError::Unavailable`].
    pub async fn head(&self, bucket: Bucket, key: &str) -> Result<Head, MediaError> {
        let answer = self.client.head_object().bucket(self.name(bucket)).key(key).checksum_mode(ChecksumMode::Enabled).send().await;
        let answer = answer.map_err(failed)?;
        Ok(Head {
            bytes: length(answer.content_length()),
            content_type: answer.content_type().map(str::to_owned),
            sha256: answer.checksum_sha256().and_then(hex_of),
            checksum: answer.checksum_sha256().map(str::to_owned),
        })
    }

    /// Opens an object to be streamed on.
    ///
    /// # Errors
    /// [`MediaError::NotFound`] or [`MediaError::Unavailable`].
    pub async fn open(&self, bucket: Bucket, key: &str) -> Result<Object, MediaError> {
        let answer = self.client.get_object().bucket(self.name(bucket)).key(key).send().await.map_err(failed)?;
        let head = Head {
            bytes: length(answer.content_length()),
            content_type: answer.content_type().map(str::to_owned),
            sha256: answer.checksum_sha256().and_then(hex_of),
            checksum: answer.checksum_sha256().map(str::to_owned),
        };
        Ok(Object { head, body: answer.body })
    }

    /// A whole object of at most `limit` bytes.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn get(&self, bucket: Bucket, key: &str, limit: u64) -> Result<Bytes, MediaError> {
        let object = self.open(bucket, key).await?;
        if object.head.bytes > limit {
            return Err(MediaError::TooLarge(limit));
        }
        collect(object.body, limit).await
    }

    /// The bytes of `range` (fewer where the object ends): a poster needs an index and a key frame, not a film.
    ///
    /// # Errors
    /// [`MediaError`]; [`MediaError::NotFound`] also for a range behind the end.
    pub async fn range(&self, bucket: Bucket, key: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let answer = self.client.get_object().bucket(self.name(bucket)).key(key).range(header).send().await.map_err(failed)?;
        collect(answer.body, range.end - range.start).await
    }

    /// Deletes an object. Losing: there was none.
    ///
    /// # Errors
    /// [`MediaError::Unavailable`].
    pub async fn delete(&self, bucket: Bucket, key: &str) -> Result<(), MediaError> {
        match self.client.delete_object().bucket(self.name(bucket)).key(key).send().await.map_err(failed) {
            Ok(_) | Err(MediaError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes up to a thousand objects whose keys begin with `folder`; whether there may be more. Call it until there aren't.
    ///
    /// # Errors
    /// [`MediaError::Unavailable`]; some may be gone by then.
    pub async fn delete_below(&self, bucket: Bucket, folder: &str) -> Result<bool, MediaError> {
        debug_assert!(folder.ends_with('/'), "a folder's name ends where it ends");
        let page = self.client.list_objects_v2().bucket(self.name(bucket)).prefix(folder).max_keys(PAGE).send().await.map_err(failed)?;
        let keys: Vec<ObjectIdentifier> = page
            .contents()
            .iter()
            .filter_map(|object| object.key())
            .filter_map(|key| ObjectIdentifier::builder().key(key).build().ok())
            .collect();
        if keys.is_empty() {
            return Ok(false);
        }
        let delete = Delete::builder().set_objects(Some(keys)).quiet(true).build().map_err(|e| MediaError::Unavailable(e.to_string()))?;
        let answer = self.client.delete_objects().bucket(self.name(bucket)).delete(delete).send().await.map_err(failed)?;
        match answer.errors().first() {
            Some(error) => Err(MediaError::Unavailable(error.code().unwrap_or("a deletion failed").to_owned())),
            None => Ok(page.is_truncated() == Some(true)),
        }
    }
}

async fn collect(mut body: ByteStream, limit: u64) -> Result<Bytes, MediaError> {
    let mut all = Vec::new();
    while let Some(chunk) = body.try_next().await.map_err(|e| MediaError::Unavailable(e.to_string()))? {
        if (all.len() + chunk.len()) as u64 > limit {
            return Err(MediaError::TooLarge(limit));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

/// What the SDK's error means for us.
pub(super) fn failed<E: std::error::Error + Send + Sync + 'static>(error: SdkError<E, HttpResponse>) -> MediaError {
    match status(&error) {
        Some(404 | 416) => MediaError::NotFound,
        _ => MediaError::Unavailable(DisplayErrorContext(&error).to_string()),
    }
}

pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn length(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}

/// The digest of a whole object in our spelling; the digest of digests of a multipart upload is none.
fn hex_of(checksum: &str) -> Option<String> {
    STANDARD.decode(checksum).ok().filter(|digest| digest.len() == 32).map(hex::encode)
}
