//! Stored videos, read by ranges.

use std::ops::Range;

use bytes::Bytes;
pub use codec::video::{Avc, Codec, Index, NoPicture};
#[cfg(feature = "video")]
pub use codec::video::{Frame, decode};
use codec::video::{Reader, Step};

use super::{Bucket, Media, MediaError};

/// A video can't be read.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// The bucket.
    #[error(transparent)]
    Bucket(#[from] MediaError),
    /// The file.
    #[error(transparent)]
    NoPicture(#[from] NoPicture),
}

/// A stored video whose index was read.
#[derive(Debug)]
pub struct Video<'a> {
    /// What the file says about itself.
    pub index: Index,
    media: &'a Media,
    key: &'a str,
    reader: Reader,
}

impl Media {
    /// The video of `length` bytes under `key`, with its index: one or two requests, as a rule.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn video<'a>(&'a self, key: &'a str, length: u64) -> Result<Video<'a>, VideoError> {
        let mut reader = Reader::new(length);
        loop {
            match reader.index()? {
                Step::Done(index) => return Ok(Video { index, media: self, key, reader }),
                Step::Read(range) => self.read(key, range, &mut reader).await?,
            }
        }
    }

    async fn read(&self, key: &str, range: Range<u64>, reader: &mut Reader) -> Result<(), VideoError> {
        let bytes = self.range(Bucket::Media, key, range.clone()).await?;
        Ok(reader.give(range, &bytes)?)
    }
}

impl Video<'_> {
    /// The bytes of a key frame of [`Index::key_frames`]; read from the bucket unless they came with the index.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn key_frame(&mut self, range: Range<u64>) -> Result<Bytes, VideoError> {
        loop {
            match self.reader.bytes(range.clone())? {
                Step::Done(bytes) => return Ok(bytes),
                Step::Read(missing) => self.media.read(self.key, missing, &mut self.reader).await?,
            }
        }
    }
}
