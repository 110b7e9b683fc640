//! The library: assets, and the lists they are entered in.

use jiff::Timestamp;

use super::expr::s;
use super::{Cond, Db, DbError, Lost, Page, Range, Write, attribute, encode, jobs, keys, stamp};
use crate::domain::asset::{Asset, PosterState, Thumbnail};
use crate::id::{AssetId, UserId};

/// Which part of the library to read.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// Continue after this sort key.
    pub after: Option<&'a str>,
    /// Newest first.
    pub newest_first: bool,
    /// How many items to read at most.
    pub limit: i32,
}

impl Db {
    /// An asset of `user`, in the trash or not.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn asset(&self, user: UserId, asset: AssetId) -> Result<Option<Asset>, DbError> {
        self.get(&keys::asset(user, asset)).await
    }

    /// Up to 100 assets of `user`, in the order of `ids`; absent ones are left out.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn assets_by_id(&self, user: UserId, ids: &[AssetId]) -> Result<Vec<Asset>, DbError> {
        let keys: Vec<_> = ids.iter().take(100).map(|id| keys::asset(user, *id)).collect();
        if keys.is_empty() { Ok(Vec::new()) } else { self.get_many(&keys).await }
    }

    /// A page of all assets of `user`, the trash included: the caller filters.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn assets(&self, user: UserId, listing: Listing<'_>) -> Result<Page<Asset>, DbError> {
        self.query(Range {
            pk: keys::user_partition(user),
            prefix: keys::ASSETS,
            after: listing.after,
            descending: listing.newest_first,
            limit: listing.limit,
        })
        .await
    }

    /// A page of the assets entered in a list.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn listed_assets(&self, user: UserId, list: &keys::AssetList, listing: Listing<'_>) -> Result<Page<Asset>, DbError> {
        let page = self
            .query_items(Range {
                pk: keys::asset_list(user, list),
                prefix: "",
                after: listing.after,
                descending: listing.newest_first,
                limit: listing.limit.min(100),
            })
            .await?;
        let ids: Vec<AssetId> = page.items.iter().filter_map(keys::Key::of_item).filter_map(|key| key.sk.parse().ok()).collect();
        Ok(Page { items: self.assets_by_id(user, &ids).await?, next: page.next })
    }

    /// Keeps a video's posters. Losing: they are there, or the video is gone.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn poster_made(&self, asset: &Asset, thumbnails: &[Thumbnail], placeholder: Option<&str>) -> Result<(), Lost> {
        let done = if thumbnails.is_empty() { PosterState::Impossible } else { PosterState::Done };
        let mut write = Write::update(keys::asset(asset.user, asset.id), Cond::Eq("poster", attribute(&PosterState::Pending)?))
            .set("poster", attribute(&done)?)
            .set("thumbnails", attribute(&thumbnails)?)
            .remove("gsi1pk")
            .remove("gsi1sk");
        if let Some(placeholder) = placeholder {
            write = write.set("placeholder", s(placeholder));
        }
        self.write(write).await
    }
}

/// Adds an asset to the library. A video without poster is listed as open work. Losing: it exists.
pub(super) fn create(asset: &Asset, now: Timestamp) -> Result<Write, DbError> {
    let mut item = encode(asset)?;
    stamp(&mut item, "asset");
    if asset.poster == PosterState::Pending {
        item.extend(jobs::open_index(asset.id, now));
    }
    Ok(Write::put(keys::asset(asset.user, asset.id), item, Cond::NoItem))
}
