//! A result becomes part of the library: fetched, checked, stored, and only then settled.
//!
//! Every object's key was fixed when the request was accepted and is written with `If-None-Match: *`, so two runs that hold the
//! same message write the same objects once, and the one that comes second to the settlement changes nothing.

use bytes::Bytes;
use futures_util::future::try_join_all;
use jiff::SignedDuration;

use super::bill::billed;
use super::{RESULTS_LIVE, StepError, won};
use crate::db::settle::Outcome;
use crate::domain::asset::{Asset, AssetKind, PosterState, Thumbnail};
use crate::domain::generation::{Call, Generation, Reason, Warning};
use crate::domain::job::{CallState, Event};
use crate::domain::request::MASK;
use crate::domain::words;
use crate::id::{AssetId, CallId};
use crate::media::codec::{self, Bounds};
use crate::media::store::{MAX_IMAGE, MAX_VIDEO};
use crate::media::{Bucket, MediaError, NoPicture, StoreError, Stored, VideoError, keys};
use crate::provider::fetch::Fetcher;
use crate::provider::{Failure, FetchError, Output, ProviderMedia};
use crate::queue::Task;
use crate::runtime::Platform;

/// After this many receipts a medium that can't be fetched is given up: the queue's own limit, so that the user hears of it
/// when the message goes to the dead-letter queue.
const LAST_RECEIPT: u32 = 5;

/// Why one medium isn't in the library.
enum Trouble {
    /// It never will be.
    Refused(Reason),
    /// Another try may do.
    Passing(StepError),
}

/// Stores the result of a call and settles it. `receives` is how often the message came.
///
/// # Errors
/// [`StepError`] when it should be tried again.
pub async fn import(platform: &Platform, fetcher: &Fetcher, id: CallId, receives: u32) -> Result<(), StepError> {
    let Some(call) = platform.db.call(id).await? else { return Ok(()) };
    let Some(generation) = platform.db.generation(call.user, call.generation).await? else {
        return if call.state.is_open() { super::bury(platform, &call).await } else { Ok(()) };
    };
    match call.state {
        CallState::ResultReady | CallState::LateReady => {}
        // Settled, but the run that did it may have been cut off before what follows.
        CallState::Complete | CallState::CompleteFree => {
            let assets = platform.db.assets_by_id(call.user, &call.assets).await?;
            return follow_up(platform, &call, &assets, call.billable_units.is_some()).await;
        }
        _ => return Ok(()),
    }
    let since = call.arrived_at.unwrap_or(call.created_at);
    let last = receives >= LAST_RECEIPT || platform.clock.now().duration_since(since) > RESULTS_LIVE;
    let payload = call.payload.as_deref().ok_or(StepError::Record("a result without its payload"))?;
    let output: Output = serde_json::from_str(payload).map_err(|_| StepError::Record("a payload that can't be read"))?;

    let mut assets = Vec::new();
    let mut problems = Vec::new();
    for (index, asset) in call.assets.iter().enumerate() {
        let stored = match output.media.get(index) {
            Some(Ok(medium)) => import_one(platform, fetcher, &call, &generation, (*asset, medium, &output)).await,
            Some(Err(failure)) => Err(Trouble::Refused(Reason::from(failure))),
            None => Err(Trouble::Refused(Reason::from(&Failure::new(crate::provider::FailureCode::NoOutput)))),
        };
        match stored {
            Ok(asset) => assets.push(asset),
            Err(Trouble::Refused(reason)) => problems.push(reason),
            Err(Trouble::Passing(error)) if !last => return Err(error),
            Err(Trouble::Passing(error)) => {
                tracing::error!(call.id = %call.id, error = &error as &dyn std::error::Error, "a result could not be stored");
                problems.push(super::not_stored());
            }
        }
    }
    let outcome = Outcome {
        event: if assets.is_empty() { Event::ImportRefused } else { Event::Stored },
        warnings: problems
            .iter()
            .map(|reason| Warning {
                output: call.output,
                code: reason.code.clone(),
                message: format!("{} Nothing was charged for it.", reason.message),
            })
            .collect(),
        reason: problems.into_iter().next(),
        assets,
        price: output.billable_units.and_then(|units| billed(&generation, units)),
        billable_units: output.billable_units,
        // A message to `thumbnailer` is on its way; `worker` asks again when it was lost.
        due: Some(platform.clock.now() + SignedDuration::from_secs(platform.config.deadlines.poster)),
    };
    if won(platform.db.settle(&call, &outcome, platform.clock.now()).await)? {
        return follow_up(platform, &call, &outcome.assets, outcome.billable_units.is_some()).await;
    }
    super::bury_if_stuck(platform, &call).await
}

/// What comes after the settlement. Each part may happen again.
async fn follow_up(platform: &Platform, call: &Call, assets: &[Asset], is_billed: bool) -> Result<(), StepError> {
    platform.queues.task(&Task::Start { user: call.user }, std::time::Duration::ZERO).await?;
    if !is_billed && !assets.is_empty() {
        platform.queues.task(&Task::Bill { call: call.id, tries: 0 }, std::time::Duration::ZERO).await?;
    }
    super::tell(platform, call).await?;
    for asset in assets {
        if asset.poster == PosterState::Pending {
            platform.queues.make_poster(asset.user, asset.id).await?;
        }
        platform.db.index_words(asset, &words::of_asset(asset)).await?;
    }
    Ok(())
}

async fn import_one(
    platform: &Platform,
    fetcher: &Fetcher,
    call: &Call,
    generation: &Generation,
    (id, medium, output): (AssetId, &ProviderMedia, &Output),
) -> Result<Asset, Trouble> {
    let mut asset = blank(platform, call, generation, id, output).await.map_err(Trouble::Passing)?;
    if call.video {
        import_video(platform, fetcher, call, medium, &mut asset).await?;
    } else {
        import_image(platform, fetcher, call, medium, &mut asset).await?;
    }
    Ok(asset)
}

async fn import_image(
    platform: &Platform,
    fetcher: &Fetcher,
    call: &Call,
    medium: &ProviderMedia,
    asset: &mut Asset,
) -> Result<(), Trouble> {
    let stream = fetcher.open(&medium.url, MAX_IMAGE).await.map_err(fetching)?;
    let key = |media_type| keys::original(&call.media_prefix, asset.id, media_type);
    let (stored, bytes) = platform.media.store_image(stream.body, key).await.map_err(storing)?;
    if stored.media_type.is_decodable() {
        let made = tokio::task::spawn_blocking(move || codec::thumbnails(&bytes, Bounds::OUTPUT)).await;
        let made = made.map_err(|_| unusable("can't be decoded"))?.map_err(|_| unusable("can't be decoded"))?;
        (asset.width, asset.height) = (made.width, made.height);
        asset.placeholder = Some(made.placeholder);
        let puts = made.thumbnails.into_iter().map(|thumbnail| {
            let key = keys::thumbnail(&call.media_prefix, asset.id, thumbnail.size);
            async move {
                platform.media.put(Bucket::Media, &key, "image/webp", Bytes::from(thumbnail.bytes)).await?;
                Ok::<_, MediaError>(Thumbnail { key, width: thumbnail.width, height: thumbnail.height })
            }
        });
        asset.thumbnails = try_join_all(puts).await.map_err(bucket)?;
    } else {
        (asset.width, asset.height) = (medium.width.unwrap_or(0), medium.height.unwrap_or(0));
    }
    keep(asset, stored);
    Ok(())
}

/// Streams: a video is never held in memory. Its poster is `thumbnailer`'s.
async fn import_video(
    platform: &Platform,
    fetcher: &Fetcher,
    call: &Call,
    medium: &ProviderMedia,
    asset: &mut Asset,
) -> Result<(), Trouble> {
    let stream = fetcher.open(&medium.url, MAX_VIDEO).await.map_err(fetching)?;
    let key = |media_type| keys::original(&call.media_prefix, asset.id, media_type);
    let stored = platform.media.store_video(stream.body, key).await.map_err(storing)?;
    // By the file itself, read back as far as its index; by the provider's word where that can't be read.
    let index = match platform.media.video(&stored.key, stored.bytes).await {
        Ok(video) if !video.index.is_whole => return Err(unusable("ends too early")),
        Ok(video) => Some(video.index),
        Err(VideoError::NoPicture(NoPicture::NoIndex)) => return Err(unusable("can't be played")),
        Err(VideoError::NoPicture(why)) => {
            tracing::warn!(asset.id = %asset.id, reason = %why, "a video's index can't be read");
            None
        }
        Err(VideoError::Bucket(error)) => return Err(bucket(error)),
    };
    let size = (medium.width.unwrap_or(0), medium.height.unwrap_or(0));
    (asset.width, asset.height) = index.as_ref().map_or(size, |index| (index.width, index.height));
    asset.duration_ms = index.map(|index| index.duration_ms).or(medium.duration_ms);
    keep(asset, stored);
    Ok(())
}

/// What is known before any byte came.
async fn blank(platform: &Platform, call: &Call, generation: &Generation, id: AssetId, output: &Output) -> Result<Asset, StepError> {
    let mut parameters = generation.parameters.clone();
    if let Some(seed) = call.seed.or(output.seed) {
        parameters.insert("seed".to_owned(), seed.into());
    }
    // The first that comes from the library; the others may be uploads, whose ids look the same.
    let mut sources: Vec<AssetId> = Vec::new();
    for source in generation.inputs.pictures().filter(|(field, _)| field != MASK).filter_map(|(_, id)| id.parse().ok()) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    let parent = platform.db.assets_by_id(call.user, &sources).await?.first().map(|asset| asset.id);
    Ok(Asset {
        id,
        user: call.user,
        kind: if call.video { AssetKind::Video } else { AssetKind::Image },
        generation: generation.id,
        call: call.id,
        key: String::new(),
        content_type: String::new(),
        width: 0,
        height: 0,
        bytes: 0,
        duration_ms: None,
        sha256: String::new(),
        thumbnails: Vec::new(),
        poster: if call.video { PosterState::Pending } else { PosterState::Done },
        poster_asked: 0,
        poster_reason: None,
        placeholder: None,
        model: generation.model.clone(),
        prompt: generation.inputs.prompt.clone(),
        parameters,
        parent,
        title: None,
        alt_text: None,
        favourite: false,
        collections: Vec::new(),
        created_at: platform.clock.now(),
        deleted_at: None,
    })
}

fn keep(asset: &mut Asset, stored: Stored) {
    asset.key = stored.key;
    asset.content_type = stored.media_type.content_type().to_owned();
    asset.bytes = stored.bytes;
    asset.sha256 = stored.sha256;
}

fn unusable(how: &str) -> Trouble {
    Trouble::Refused(Reason {
        code: "unusable-result".to_owned(),
        message: format!("What the model answered {how}. That is not your doing; try again."),
    })
}

fn fetching(error: FetchError) -> Trouble {
    match error {
        FetchError::Interrupted(_) => Trouble::Passing(error.into()),
        FetchError::TooLarge(limit) => {
            let message =
                format!("What the model made is larger than {} MiB, which is more than the library takes.", limit / (1024 * 1024));
            Trouble::Refused(Reason { code: "too-large".to_owned(), message })
        }
        FetchError::Refused(_) | FetchError::Gone(_) => {
            tracing::warn!(%error, "a result's medium can't be fetched");
            let message = "What the model made is not where the provider said. That is not your doing; try again.".to_owned();
            Trouble::Refused(Reason { code: "result-gone".to_owned(), message })
        }
    }
}

fn storing(error: StoreError<FetchError>) -> Trouble {
    match error {
        StoreError::Source(error) => fetching(error),
        StoreError::TooLarge(limit) => fetching(FetchError::TooLarge(limit)),
        StoreError::UnknownType => unusable("is no picture or video"),
        StoreError::Different => Trouble::Passing(StepError::Record("another object lies under a result's key")),
        StoreError::Bucket(error) => bucket(error),
    }
}

fn bucket(error: MediaError) -> Trouble {
    Trouble::Passing(StepError::Media(Box::new(error)))
}
