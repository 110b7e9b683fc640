//! The library: assets, and the lists they are entered in.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::expr::{n, s};
use super::keys::AssetList;
use super::{Cond, Db, DbError, Item, Lost, Range, Write, attribute, encode, jobs, keys, stamp};
use crate::domain::asset::{Asset, PosterState, Thumbnail};
use crate::domain::words;
use crate::id::{AssetId, UserId};

/// Which part of the library to read.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    /// Continue after this asset, which need not exist.
    pub after: Option<AssetId>,
    /// Newest first.
    pub newest_first: bool,
    /// How many items to read at most; 100 for lists.
    pub limit: i32,
}

/// A page of assets, and the one to continue after.
#[derive(Debug)]
pub struct AssetPage {
    /// In the order asked for.
    pub items: Vec<Asset>,
    /// `None` at the end.
    pub next: Option<AssetId>,
}

/// What an owner changes; `Some(None)` removes.
#[derive(Clone, Debug, Default)]
pub struct AssetEdit {
    /// See the asset.
    pub title: Option<Option<String>>,
    /// See the asset.
    pub alt_text: Option<Option<String>>,
    /// See the asset.
    pub favourite: Option<bool>,
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

    /// A page of a list of `user`, or of all assets, the trash included: the caller filters.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn assets_in(&self, user: UserId, list: Option<&AssetList>, listing: Listing) -> Result<AssetPage, DbError> {
        let (pk, prefix) = match list {
            None => (keys::user_partition(user), keys::ASSETS),
            Some(list) => (keys::asset_list(user, list), ""),
        };
        let after = listing.after.map(|id| format!("{prefix}{id}"));
        let range = Range { pk, prefix, after: after.as_deref(), descending: listing.newest_first, limit: listing.limit };
        let id = |sort: &str| sort.strip_prefix(prefix).and_then(|id| id.parse().ok());
        if list.is_none() {
            let page = self.query::<Asset>(range).await?;
            return Ok(AssetPage { items: page.items, next: page.next.as_deref().and_then(id) });
        }
        let page = self.query_items(Range { limit: range.limit.min(100), ..range }).await?;
        let ids: Vec<AssetId> = page.items.iter().filter_map(keys::Key::of_item).filter_map(|key| id(&key.sk)).collect();
        Ok(AssetPage { items: self.assets_by_id(user, &ids).await?, next: page.next.as_deref().and_then(id) })
    }

    /// Changes what the owner says about an asset; `None` when there is no such asset.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be written.
    pub async fn edit_asset(&self, user: UserId, id: AssetId, edit: &AssetEdit) -> Result<Option<Asset>, DbError> {
        let mut write = Write::update(keys::asset(user, id), Cond::Exists);
        for (name, value) in [("title", &edit.title), ("alt_text", &edit.alt_text)] {
            write = match value {
                None => write,
                Some(None) => write.remove(name),
                Some(Some(text)) => write.set(name, s(text)),
            };
        }
        let mut writes = Vec::new();
        if let Some(favourite) = edit.favourite {
            write = write.set("favourite", AttributeValue::Bool(favourite));
            let entry = keys::asset_entry(user, &AssetList::Favourites, id);
            writes.push(if favourite { enter(entry) } else { Write::delete(entry, always()) });
        }
        // An edit that changes nothing still has to say whether the asset exists.
        writes.push(write.set("v", n(1)));
        self.written(writes, user, id).await
    }

    /// Moves an asset to the trash, which is emptied of it at `due`; `false` when there is no such asset. Doing it again puts that
    /// off and changes nothing else.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be written.
    pub async fn trash_asset(&self, user: UserId, id: AssetId, now: Timestamp, due: Timestamp) -> Result<bool, DbError> {
        let writes = vec![in_trash(user, id, due), Write::update(keys::asset(user, id), Cond::Exists).set_once("deleted_at", s(now))];
        Ok(self.written(writes, user, id).await?.is_some())
    }

    /// Takes an asset out of the trash; `None` when there is no such asset. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be written.
    pub async fn restore_asset(&self, user: UserId, id: AssetId) -> Result<Option<Asset>, DbError> {
        let writes = vec![
            Write::delete(keys::asset_entry(user, &AssetList::Trash, id), always()),
            Write::update(keys::asset(user, id), Cond::Exists).remove("deleted_at"),
        ];
        self.written(writes, user, id).await
    }

    /// Says when `worker` looks at an entry of the trash again. Losing: it was taken out.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be written.
    pub async fn postpone_trash(&self, user: UserId, id: AssetId, due: Timestamp) -> Result<(), DbError> {
        let write = Write::update(keys::asset_entry(user, &AssetList::Trash, id), Cond::Exists);
        let write = jobs::open_index(id, due).into_iter().fold(write, |write, (name, value)| write.set(name, value));
        match self.write(write).await {
            Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Deletes an asset that is in the trash, and its entries in lists but the trash's own, by which `worker` finds what is left to
    /// do. Condition: it was trashed when it was read; losing is `false`, and means that it was taken out, or is gone.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be written.
    pub(crate) async fn delete_trashed(&self, asset: &Asset) -> Result<bool, DbError> {
        let Some(deleted_at) = asset.deleted_at else { return Ok(false) };
        let mut writes = vec![Write::delete(keys::asset(asset.user, asset.id), Cond::Eq("deleted_at", s(deleted_at)))];
        let lists = lists_of(asset).filter(|list| !matches!(list, AssetList::Trash));
        writes.extend(lists.map(|list| Write::delete(keys::asset_entry(asset.user, &list, asset.id), always())));
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(Lost::Condition { .. }) => Ok(false),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Takes an asset off the list of the trash once nothing is left of it. Condition: the asset is gone; losing means that it came
    /// back, which nothing does.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be written.
    pub(crate) async fn leave_trash(&self, user: UserId, id: AssetId) -> Result<(), DbError> {
        let writes = vec![
            Write::check(keys::asset(user, id), Cond::NoItem),
            Write::delete(keys::asset_entry(user, &AssetList::Trash, id), always()),
        ];
        match self.transact(writes).await {
            Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Enters an asset below its words, so that search finds it. Doing it again changes nothing. Condition: the asset is there;
    /// losing means that it was deleted, and nothing may be left of it.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be written.
    pub async fn index_words(&self, asset: &Asset, words: &[String]) -> Result<(), DbError> {
        let entries = words.iter().map(|word| enter(keys::asset_entry(asset.user, &AssetList::Word(word.clone()), asset.id)));
        let there = Write::check(keys::asset(asset.user, asset.id), Cond::Exists);
        match self.transact(std::iter::once(there).chain(entries).collect()).await {
            Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Counts that `worker` asked for a video's poster, and puts off when it does so again, unless the poster is there or somebody
    /// else has asked.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be written.
    pub async fn poster_asked(&self, asset: &Asset, due: Timestamp) -> Result<(), DbError> {
        let asked = Cond::Eq("poster_asked", n(asset.poster_asked));
        let asked = if asset.poster_asked == 0 { asked.or(Cond::Absent("poster_asked")) } else { asked };
        let write = Write::update(keys::asset(asset.user, asset.id), pending()?.and(asked)).set("poster_asked", n(asset.poster_asked + 1));
        let write = jobs::open_index(asset.id, due).into_iter().fold(write, |write, (name, value)| write.set(name, value));
        match self.write(write).await {
            Ok(()) | Err(Lost::Condition { .. }) => Ok(()),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    async fn written(&self, writes: Vec<Write>, user: UserId, id: AssetId) -> Result<Option<Asset>, DbError> {
        match self.transact(writes).await {
            Ok(()) => self.asset(user, id).await,
            Err(Lost::Condition { .. }) => Ok(None),
            Err(Lost::Failed(error)) => Err(error),
        }
    }

    /// Keeps a video's posters. Losing: they are there, or the video is gone.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn poster_made(&self, asset: &Asset, thumbnails: &[Thumbnail], placeholder: &str) -> Result<(), Lost> {
        let write = poster_settled(asset, PosterState::Done)?;
        self.write(write.set("thumbnails", attribute(&thumbnails)?).set("placeholder", s(placeholder))).await
    }

    /// Settles that a video never gets a poster. Losing: it has one, or the video is gone.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn poster_impossible(&self, asset: &Asset, reason: &str) -> Result<(), Lost> {
        self.write(poster_settled(asset, PosterState::Impossible)?.set("poster_reason", s(reason))).await
    }
}

fn pending() -> Result<Cond, DbError> {
    Ok(Cond::Eq("poster", attribute(&PosterState::Pending)?))
}

/// The end of waiting for a poster: the video isn't listed as open work any more.
fn poster_settled(asset: &Asset, state: PosterState) -> Result<Write, DbError> {
    let write = Write::update(keys::asset(asset.user, asset.id), pending()?).set("poster", attribute(&state)?);
    Ok(write.remove("gsi1pk").remove("gsi1sk"))
}

/// An entry of a list. It holds nothing but its key, so writing it again is the same.
fn enter(key: keys::Key) -> Write {
    let mut item = Item::new();
    stamp(&mut item, "entry");
    Write::put(key, item, always())
}

/// The trash's own entry: it is open work, due when the asset is to be deleted for good.
fn in_trash(user: UserId, id: AssetId, due: Timestamp) -> Write {
    let mut item = Item::new();
    stamp(&mut item, "entry");
    item.extend(jobs::open_index(id, due));
    Write::put(keys::asset_entry(user, &AssetList::Trash, id), item, always())
}

/// Every list that an asset may be entered in.
pub(crate) fn lists_of(asset: &Asset) -> impl Iterator<Item = AssetList> {
    let words = words::of_asset(asset).into_iter().map(AssetList::Word);
    let collections = asset.collections.clone().into_iter().map(AssetList::Collection);
    [AssetList::Favourites, AssetList::Trash].into_iter().chain(words).chain(collections)
}

/// For writes that are the same however often they happen.
pub(super) fn always() -> Cond {
    Cond::NoItem.or(Cond::Exists)
}

/// Adds an asset to the library. A video without poster is listed as open work, due at `due`. Losing: it exists.
pub(super) fn create(asset: &Asset, due: Timestamp) -> Result<Write, DbError> {
    let mut item = encode(asset)?;
    stamp(&mut item, "asset");
    if asset.poster == PosterState::Pending {
        item.extend(jobs::open_index(asset.id, due));
    }
    Ok(Write::put(keys::asset(asset.user, asset.id), item, Cond::NoItem))
}
