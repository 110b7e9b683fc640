//! Generations with everything that belongs to their view, read in a constant number of requests.

use jiff::Timestamp;

use crate::db::DbError;
use crate::domain::asset::Asset;
use crate::domain::generation::{Call, Generation};
use crate::http::view::{Addresses, GenerationView};
use crate::http::{ApiError, CurrentUser};
use crate::id::{AssetId, CallId};
use crate::runtime::Platform;

/// Addresses are signed as of the beginning of this many seconds, so that an answer in which nothing has changed stays the same,
/// tag and all.
const SIGNED_EVERY: i64 = 300;

/// Where `user`'s client finds media.
///
/// # Errors
/// `internal` when the signing key can't be read.
pub async fn addresses(platform: &Platform, user: &CurrentUser) -> Result<Addresses, ApiError> {
    if !user.is_token() {
        return Ok(Addresses::Plain);
    }
    let signer = platform.signer().await.map_err(ApiError::internal)?;
    let now = platform.clock.now();
    let since = Timestamp::from_second(now.as_second() - now.as_second().rem_euclid(SIGNED_EVERY)).unwrap_or(now);
    Ok(Addresses::Signed(signer, since))
}

/// The views of `generations` of one user: one batch for the calls that are open and one for each hundred assets.
///
/// # Errors
/// When the table can't be read, or the signing key.
pub async fn generation_views(
    platform: &Platform,
    user: &CurrentUser,
    generations: Vec<Generation>,
) -> Result<Vec<GenerationView>, ApiError> {
    let addresses = addresses(platform, user).await?;
    let open: Vec<CallId> = generations.iter().filter(|g| g.open > 0).flat_map(|g| g.calls.iter().copied()).collect();
    let delivered: Vec<AssetId> = generations.iter().flat_map(|g| g.assets.iter().copied()).collect();
    let (calls, assets) = tokio::try_join!(read_calls(platform, &open), read_assets(platform, user, &delivered))?;
    Ok(generations
        .into_iter()
        .map(|generation| {
            let calls: Vec<Call> =
                calls.iter().filter(|call| call.generation == generation.id && !call.state.is_settled()).cloned().collect();
            // What was deleted for good since is left out; what is in the trash is not shown here either.
            let mut assets: Vec<Asset> =
                assets.iter().filter(|asset| asset.generation == generation.id && asset.deleted_at.is_none()).cloned().collect();
            // In the order of the outputs, not of their arrival.
            assets.sort_by_key(|asset| generation.calls.iter().position(|call| *call == asset.call));
            GenerationView::new(generation, &calls, assets, &addresses)
        })
        .collect())
}

async fn read_calls(platform: &Platform, ids: &[CallId]) -> Result<Vec<Call>, DbError> {
    let mut calls = Vec::with_capacity(ids.len());
    for hundred in ids.chunks(100) {
        calls.extend(platform.db.calls(hundred).await?);
    }
    Ok(calls)
}

async fn read_assets(platform: &Platform, user: &CurrentUser, ids: &[AssetId]) -> Result<Vec<Asset>, DbError> {
    let mut assets = Vec::with_capacity(ids.len());
    for hundred in ids.chunks(100) {
        assets.extend(platform.db.assets_by_id(user.id(), hundred).await?);
    }
    Ok(assets)
}
