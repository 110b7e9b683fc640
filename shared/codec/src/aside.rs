//! Work for a processor, beside what waits for the network.

use tokio::sync::Semaphore;

use crate::Undecodable;

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
