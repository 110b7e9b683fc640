//! The images a request names, as addresses that the provider can read.

use std::time::Duration;

use super::StepError;
use crate::domain::generation::{Generation, Reason};
use crate::media::Bucket;
use crate::provider::request::InputUrls;
use crate::runtime::Platform;

/// How long the provider may read an input: it must still be valid when a request that waited in its queue begins.
const READABLE: Duration = Duration::from_secs(3_600);

/// Addresses of everything `generation` works from, or why one of them can't be used.
///
/// # Errors
/// [`StepError`] when the records can't be read.
pub(super) async fn addresses(platform: &Platform, generation: &Generation) -> Result<Result<InputUrls, Reason>, StepError> {
    let inputs = &generation.inputs;
    let mut urls = InputUrls::default();
    for id in &inputs.images {
        match address(platform, generation, id).await? {
            Ok(url) => urls.images.push(url),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    for (id, slot) in
        [(&inputs.mask, &mut urls.mask), (&inputs.start_frame, &mut urls.start_frame), (&inputs.end_frame, &mut urls.end_frame)]
    {
        let Some(id) = id else { continue };
        match address(platform, generation, id).await? {
            Ok(url) => *slot = Some(url),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(urls))
}

async fn address(platform: &Platform, generation: &Generation, id: &str) -> Result<Result<String, Reason>, StepError> {
    let gone = || Reason { code: "input-gone".to_owned(), message: "An image it was to work from is no longer there.".to_owned() };
    let Ok(asset) = id.parse() else { return Ok(Err(gone())) };
    let Some(asset) = platform.db.asset(generation.user, asset).await? else { return Ok(Err(gone())) };
    let url = platform.media.presign_get(Bucket::Media, &asset.key, None, platform.clock.now(), READABLE).await;
    let url = url.map_err(|e| StepError::Media(Box::new(e)))?;
    Ok(Ok(url))
}
