//! What we know of a stored video: its size, its length, and (behind the `video` feature) a picture of it.
//!
//! An MP4 file is read by ranges: its beginning, its index wherever that lies, and one key frame. [`Reader`] says which bytes it
//! needs next and never sees where they come from; [`Media::video`] gets them from the bucket. Every number in a file is a claim:
//! sizes, counts and offsets are held against what is there before anything is made room for or asked for.
//!
//! Deliberately absent: fragmented files, sound, and every codec but H.264 with eight bits and 4:2:0. What can't be shown has a reason.

mod boxes;
#[cfg(feature = "video")]
mod colour;
#[cfg(feature = "video")]
mod frame;
mod index;
mod reader;
mod samples;
#[cfg(feature = "video")]
mod sps;
#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;

pub use index::{Avc, Codec, Index};
use reader::{Reader, Step};

use super::{Bucket, Media, MediaError};

#[cfg(feature = "video")]
pub use frame::{Frame, decode};

/// Why there is no picture of a video, or nothing to be known of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// Nobody can play it.
    #[error("it has no index")]
    NoIndex,
    /// Its frames are listed in many places instead of one.
    #[error("it is fragmented")]
    Fragmented,
    /// It has nothing to show.
    #[error("it has no video track")]
    NoVideo,
    /// Larger than anything that is generated.
    #[error("{0}")]
    TooLarge(&'static str),
    /// It contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// As four letters: `hvc1`, `av01`, `vp09`.
    #[error("the codec {0} isn't decoded here")]
    Codec(String),
    /// H.264, but a kind of it.
    #[error("{0} isn't decoded here")]
    Unsupported(&'static str),
    /// It took longer than anything should.
    #[error("decoding it took too long")]
    Slow,
}

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
