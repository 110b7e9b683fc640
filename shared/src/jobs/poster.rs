//! A video gets its poster: one key frame, read by ranges, as pictures beside the original.
//!
//! Written before it is named, under keys that follow from the original's, and named by one conditional write: two runs of the same
//! message do the same once. A video that can't be shown is settled as such, with the reason, and never asked about again.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::StepError;
use crate::db::Lost;
use crate::domain::asset::{Asset, PosterState, Thumbnail};
use crate::media::codec::Thumbnails;
use crate::media::video::{Frame, Index, decode};
use crate::media::{Bucket, MediaError, NoPicture, VideoError, keys};
use crate::queue::MakePoster;
use crate::runtime::Platform;

/// For one frame, a hundred times what the largest one takes; well inside the function's time-out of 60 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the poster that `message` asks for, unless it is there or the video is gone.
///
/// # Errors
/// [`StepError`] when it should be tried again.
pub async fn make_poster(platform: &Platform, message: &MakePoster) -> Result<(), StepError> {
    let Some(asset) = platform.db.asset(message.user, message.asset).await? else { return Ok(()) };
    if asset.poster != PosterState::Pending {
        return Ok(());
    }
    let written = match draw(platform, &asset).await {
        Ok(made) => {
            let thumbnails = store(platform, &asset, made.thumbnails).await.map_err(bucket)?;
            platform.db.poster_made(&asset, &thumbnails, &made.placeholder).await
        }
        Err(VideoError::Bucket(error @ MediaError::Unavailable(_))) => return Err(bucket(error)),
        Err(why) => platform.db.poster_impossible(&asset, &why.to_string()).await.inspect(|()| {
            tracing::warn!(asset.id = %asset.id, reason = %why, "a video stays without a poster");
        }),
    };
    match written {
        // Made by another run, or the video went while this one looked at it.
        Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
        Err(Lost::Failed(error)) => Err(error.into()),
    }
}

/// The first key frame on which something is seen; a film that is black for longer gets a black poster.
async fn draw(platform: &Platform, asset: &Asset) -> Result<Thumbnails, VideoError> {
    let mut video = platform.media.video(&asset.key, asset.bytes).await?;
    let mut chosen = None;
    for range in video.index.key_frames.clone() {
        let sample = match video.key_frame(range).await {
            Ok(sample) => sample,
            Err(VideoError::NoPicture(_)) if chosen.is_some() => break,
            Err(error) => return Err(error),
        };
        let index = video.index.clone();
        let frame: Frame = match working(move || decode(&index, &sample)).await {
            Ok(frame) => frame,
            Err(_) if chosen.is_some() => break,
            Err(why) => return Err(why.into()),
        };
        let seen = !frame.is_dark();
        if seen || chosen.is_none() {
            chosen = Some(frame);
        }
        if seen {
            break;
        }
    }
    let frame = chosen.ok_or(NoPicture::Damaged("it has no key frame"))?;
    let index: Index = video.index;
    Ok(working(move || frame.posters(&index).map_err(|_| NoPicture::Damaged("a key frame"))).await?)
}

/// Does what a processor does elsewhere, for a bounded time; a panic there is a damaged file here.
async fn working<T: Send + 'static>(work: impl FnOnce() -> Result<T, NoPicture> + Send + 'static) -> Result<T, NoPicture> {
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(NoPicture::Damaged("the decoder gave up on it")),
        Err(_) => Err(NoPicture::Slow),
    }
}

async fn store(platform: &Platform, asset: &Asset, pictures: Vec<crate::media::codec::Webp>) -> Result<Vec<Thumbnail>, MediaError> {
    let puts = pictures.into_iter().map(|picture| {
        let key = keys::poster(&asset.key, picture.size);
        async move {
            platform.media.put(Bucket::Media, &key, "image/webp", Bytes::from(picture.bytes)).await?;
            Ok::<_, MediaError>(Thumbnail { key, width: picture.width, height: picture.height })
        }
    });
    try_join_all(puts).await
}

fn bucket(error: MediaError) -> StepError {
    StepError::Media(Box::new(error))
}
