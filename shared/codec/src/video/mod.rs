//! What we know of a stored video: its size, its length, and (behind the `frames` feature) a picture of it.
//!
//! An MP4 file is read by ranges: its beginning, its index wherever that lies, and one key frame. [`Reader`] says which bytes it
//! needs next and never sees where they come from. Every number in a file is a claim:
//! sizes, counts and offsets are held against what is there before anything is made room for or asked for.
//!
//! Deliberately absent: fragmented files, sound, and every codec but H.264 with eight bits and 4:2:0. What can't be shown has a reason.

mod boxes;
#[cfg(feature = "frames")]
mod colour;
#[cfg(feature = "frames")]
mod frame;
mod index;
mod reader;
mod samples;
#[cfg(feature = "frames")]
mod sps;
#[cfg(test)]
mod tests;

pub use index::{Avc, Codec, Index};
pub use reader::{Reader, Step};

#[cfg(feature = "frames")]
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
