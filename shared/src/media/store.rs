//! Media on their way into the bucket: bounded, hashed, typed by their bytes, and never overwritten.
//!
//! A key is written once (`If-None-Match: *`). Losing that means that an earlier attempt has stored the same thing; it is then
//! compared, and taken as done. A video never is in memory as a whole: at most two parts are.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};

use super::read::{failed, status};
use super::{Bucket, Media, MediaError, MediaType};

#[cfg(test)]
pub(crate) mod tests;

/// Bytes of an image: 40 megapixels of PNG rarely take more.
pub const MAX_IMAGE: u64 = 30 * 1024 * 1024;
/// Bytes of a video.
pub const MAX_VIDEO: u64 = 500 * 1024 * 1024;
/// Bytes of a part: S3 wants 5 MiB at least, and all but the last of one size.
const PART: usize = 8 * 1024 * 1024;
/// S3 answers 409 while another write of the same key is under way; so often it is asked again.
const CONFLICTS: u32 = 3;
/// Nothing under a key ever changes. What the CDN's viewers see is made `private` there.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// What lies in the bucket now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where.
    pub key: String,
    /// By its bytes.
    pub media_type: MediaType,
    /// How large.
    pub bytes: u64,
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
}

/// Why a medium isn't stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError<E> {
    /// It ended too early.
    #[error("source: {0}")]
    Source(E),
    /// It is larger than allowed.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// It is empty, or of a type that we don't keep.
    #[error("not a known medium")]
    UnknownType,
    /// Something else lies under its key: a bug or an attack, never to be overwritten.
    #[error("the key holds something else")]
    Different,
    /// S3 failed after its own retries: try again later.
    #[error(transparent)]
    Bucket(#[from] MediaError),
}

impl Media {
    /// Stores an image of at most [`MAX_IMAGE`] bytes under the key that `key` makes of its type, and hands its bytes on, for
    /// thumbnails to be made while they are at hand.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn store_image<E>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        key: impl FnOnce(MediaType) -> String,
    ) -> Result<(Stored, Bytes), StoreError<E>> {
        let bytes = collect(body, MAX_IMAGE).await?;
        let media_type = MediaType::sniff(&bytes).filter(|media_type| !media_type.is_video()).ok_or(StoreError::UnknownType)?;
        let stored = self.put_once(key(media_type), media_type, bytes.clone()).await?;
        Ok((stored, bytes))
    }

    /// Stores a video of at most [`MAX_VIDEO`] bytes under `key`, part by part.
    ///
    /// # Errors
    /// [`StoreError`]; parts that were stored are given back.
    pub async fn store_video<E>(
        &self,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        key: impl FnOnce(MediaType) -> String,
    ) -> Result<Stored, StoreError<E>> {
        let mut parts = Parts::default();
        let first = parts.next(&mut body).await?.unwrap_or_default();
        let media_type = MediaType::sniff(&first).filter(|media_type| media_type.is_video()).ok_or(StoreError::UnknownType)?;
        let key = key(media_type);
        let Some(second) = parts.next(&mut body).await? else {
            return self.put_once(key, media_type, first).await;
        };
        let create = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(&key)
            .content_type(media_type.content_type())
            .cache_control(CACHE_CONTROL)
            .checksum_algorithm(ChecksumAlgorithm::Sha256);
        let upload = create.send().await.map_err(failed)?.upload_id.unwrap_or_default();
        let outcome = self.put_parts(&key, &upload, media_type, [first, second], parts, &mut body).await;
        if outcome.is_err() {
            // Best effort: the bucket's lifecycle removes what is left.
            let _ = self.client.abort_multipart_upload().bucket(&self.bucket).key(&key).upload_id(&upload).send().await;
        }
        outcome
    }

    /// Stores something that we made ourselves (a thumbnail, an export). Below media, what an earlier attempt has left there stays:
    /// it was made of the same, perhaps by an older version of us.
    ///
    /// # Errors
    /// [`MediaError::Unavailable`].
    pub async fn put(&self, bucket: Bucket, key: &str, content_type: &str, bytes: Bytes) -> Result<(), MediaError> {
        let digest = STANDARD.encode(Sha256::digest(&bytes));
        let put = self.client.put_object().bucket(self.name(bucket)).key(key).content_type(content_type).checksum_sha256(digest);
        let put = if bucket == Bucket::Media { put.cache_control(CACHE_CONTROL).if_none_match("*") } else { put };
        match put.body(ByteStream::from(bytes)).send().await {
            Err(error) if status(&error) == Some(412) => Ok(()),
            result => result.map(drop).map_err(failed),
        }
    }

    async fn put_once<E>(&self, key: String, media_type: MediaType, bytes: Bytes) -> Result<Stored, StoreError<E>> {
        let digest = Sha256::digest(&bytes);
        let (length, checksum) = (bytes.len() as u64, STANDARD.encode(digest));
        let mut conflicts = 0;
        loop {
            let put = self
                .client
                .put_object()
                .bucket(&self.bucket)
                .key(&key)
                .if_none_match("*")
                .content_type(media_type.content_type())
                .set_content_disposition(media_type.disposition().map(str::to_owned))
                .cache_control(CACHE_CONTROL)
                .checksum_sha256(&checksum)
                .body(ByteStream::from(bytes.clone()));
            match put.send().await {
                Ok(_) => break,
                Err(error) if status(&error) == Some(412) => {
                    self.compare(&key, length, &checksum).await?;
                    break;
                }
                Err(error) if status(&error) == Some(409) && conflicts < CONFLICTS => conflicts += 1,
                Err(error) => return Err(failed(error).into()),
            }
        }
        Ok(Stored { key, media_type, bytes: length, sha256: hex::encode(digest) })
    }

    async fn put_parts<E>(
        &self,
        key: &str,
        upload: &str,
        media_type: MediaType,
        first: [Bytes; 2],
        mut parts: Parts,
        body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    ) -> Result<Stored, StoreError<E>> {
        let mut whole = Sha256::new();
        let mut of_parts = Sha256::new();
        let mut bytes = 0_u64;
        let mut done = Vec::new();
        let mut waiting = Vec::from(first);
        waiting.reverse();
        loop {
            let part = match waiting.pop() {
                Some(part) => part,
                None => match parts.next(body).await? {
                    Some(part) => part,
                    None => break,
                },
            };
            whole.update(&part);
            bytes += part.len() as u64;
            let digest = Sha256::digest(&part);
            of_parts.update(digest);
            let checksum = STANDARD.encode(digest);
            // 500 MiB in parts of 8 are 63.
            let number = i32::try_from(done.len() + 1).unwrap_or(i32::MAX);
            let put = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(upload).part_number(number);
            let put = put.checksum_sha256(&checksum).body(ByteStream::from(part)).send().await.map_err(failed)?;
            done.push(CompletedPart::builder().part_number(number).set_e_tag(put.e_tag).checksum_sha256(checksum).build());
        }
        let checksum = format!("{}-{}", STANDARD.encode(of_parts.finalize()), done.len());
        let completed = CompletedMultipartUpload::builder().set_parts(Some(done)).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload).multipart_upload(completed);
        match complete.if_none_match("*").send().await {
            Ok(_) => {}
            Err(error) if status(&error) == Some(412) => {
                self.compare(key, bytes, &checksum).await?;
                // Done by an earlier attempt; ours must not stay behind as an unfinished upload.
                let _ = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload).send().await;
            }
            Err(error) => return Err(failed(error).into()),
        }
        Ok(Stored { key: key.to_owned(), media_type, bytes, sha256: hex::encode(whole.finalize()) })
    }

    /// Whether what lies under `key` is what was to be put there.
    async fn compare<E>(&self, key: &str, bytes: u64, checksum: &str) -> Result<(), StoreError<E>> {
        let head = self.head(Bucket::Media, key).await?;
        let same = head.bytes == bytes && head.checksum.is_none_or(|stored| stored == checksum);
        if same { Ok(()) } else { Err(StoreError::Different) }
    }
}

async fn collect<E>(mut body: impl Stream<Item = Result<Bytes, E>> + Unpin, limit: u64) -> Result<Bytes, StoreError<E>> {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(StoreError::Source)?;
        if (all.len() + chunk.len()) as u64 > limit {
            return Err(StoreError::TooLarge(limit));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// Cuts a stream into parts of one size.
#[derive(Debug, Default)]
struct Parts {
    rest: BytesMut,
    taken: u64,
    over: bool,
}

impl Parts {
    /// The next part; all but the last are [`PART`] long, and none is empty.
    async fn next<E>(&mut self, body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) -> Result<Option<Bytes>, StoreError<E>> {
        while self.rest.len() < PART && !self.over {
            match body.next().await {
                Some(chunk) => {
                    let chunk = chunk.map_err(StoreError::Source)?;
                    self.taken += chunk.len() as u64;
                    if self.taken > MAX_VIDEO {
                        return Err(StoreError::TooLarge(MAX_VIDEO));
                    }
                    self.rest.extend_from_slice(&chunk);
                }
                None => self.over = true,
            }
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(PART)).freeze()))
    }
}
