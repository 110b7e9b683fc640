//! Decoding within bounds, thumbnails, and pictures that people bring.
//!
//! Everything here is work for a processor, 20 to 200 ms at a time: call it from `spawn_blocking`, or through [`aside`]. Nothing is decoded before its header was
//! checked, and nothing that is stored keeps the metadata of what it was made from.

mod decode;
mod jpeg;
mod thumbnail;
mod upload;

pub use decode::{Bounds, Header, Undecodable, check};
#[cfg(feature = "video")]
pub use thumbnail::{BOXES, Thumbnails, Webp, thumbnails, thumbnails_of_pixels};
pub use upload::{Clean, fit, fit_mask, normalise};

use tokio::sync::Semaphore;

/// How many pictures that people bring are worked on at once in one process: each may take some 200 MiB.
static ROOM: Semaphore = Semaphore::const_new(2);

/// Does `work` on a thread that may block, when there is room for it. A decoder that panics has met a damaged file.
///
/// # Errors
/// [`Undecodable`].
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Undecodable> + Send + 'static) -> Result<T, Undecodable> {
    // Never closed, so there always is one; it is held for as long as the work goes on, even when nobody waits for it any more.
    let permit = ROOM.acquire().await.ok();
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.unwrap_or_else(|_| Err(Undecodable::Damaged("a decoder panicked".to_owned())))
}

#[cfg(test)]
mod tests;
