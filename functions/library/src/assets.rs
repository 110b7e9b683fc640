//! The library itself: lists, one asset, what its owner may edit, the trash, downloads.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use shared::auth::Scope;
use shared::db::assets::{AssetEdit, Listing};
use shared::db::keys::AssetList;
use shared::domain::asset::{Asset, AssetKind};
use shared::domain::fields::FieldErrors;
use shared::domain::words;
use shared::http::reading::addresses;
use shared::http::view::AssetView;
use shared::http::{ApiError, ApiJson, ApiList, ApiPath, ApiResult, CurrentUser, List, Page};
use shared::id::{AssetId, CollectionId};
use shared::media::Bucket;
use shared::runtime::Platform;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How many pages a filtered list reads before it answers what it found.
const MOST_PAGES: u32 = 10;
/// Items read at once when most of them may be filtered out.
const FILTERED_PAGE: i32 = 100;
/// Longer than anything is on its way.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long the address of a download is valid.
const DOWNLOAD_LIFE: Duration = Duration::from_secs(300);
/// Characters of a title.
const MAX_TITLE: usize = 200;
/// Characters of an alternative text.
const MAX_ALT_TEXT: usize = 1_000;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list_assets))
        .routes(routes!(get_asset, edit_asset, delete_asset))
        .routes(routes!(restore_asset))
        .routes(routes!(download_asset))
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Newest,
    Oldest,
}

/// Which assets are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// `image` or `video`.
    #[param(value_type = Option<String>, pattern = "^(image|video)$")]
    kind: Option<AssetKind>,
    /// Words of the prompt; all of them must be there.
    q: Option<String>,
    /// Made by this model.
    model: Option<String>,
    /// `true`: only those marked by me.
    favourite: Option<bool>,
    /// Only those in this collection.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    collection: Option<CollectionId>,
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Made before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// `true`: what is in the trash instead.
    trash: Option<bool>,
    /// `newest` (usual) or `oldest` first.
    #[serde(default)]
    #[param(inline, required = false)]
    sort: Sort,
}

impl Filter {
    /// The list that has the fewest entries to look through; everything else is checked on the assets themselves.
    fn list(&self, words: &[String]) -> Option<AssetList> {
        if self.trash == Some(true) {
            return Some(AssetList::Trash);
        }
        if let Some(collection) = self.collection {
            return Some(AssetList::Collection(collection));
        }
        // Long words are rare words.
        if let Some(word) = words.iter().max_by_key(|word| word.chars().count()) {
            return Some(AssetList::Word(word.clone()));
        }
        (self.favourite == Some(true)).then_some(AssetList::Favourites)
    }

    fn matches(&self, asset: &Asset, words: &[String]) -> bool {
        asset.deleted_at.is_some() == (self.trash == Some(true))
            && self.kind.is_none_or(|kind| asset.kind == kind)
            && self.model.as_ref().is_none_or(|model| asset.model == *model)
            && self.favourite.is_none_or(|favourite| asset.favourite == favourite)
            && self.collection.is_none_or(|collection| asset.collections.contains(&collection))
            && self.from.is_none_or(|from| asset.created_at >= from)
            && self.to.is_none_or(|to| asset.created_at < to)
            && words::has_all(words, &words::of_asset(asset))
    }

    /// Where a range of dates begins among the ids. An id is made when its asset is asked for, up to a day before it arrives.
    fn start(&self, newest_first: bool) -> Option<AssetId> {
        if newest_first { self.to.map(AssetId::first_at) } else { self.from.map(|from| AssetId::first_at(from - A_DAY)) }
    }

    /// Whether nothing after `asset` can be in the range of dates.
    fn is_past(&self, newest_first: bool, asset: &Asset) -> bool {
        if newest_first {
            self.from.is_some_and(|from| asset.id < AssetId::first_at(from - A_DAY))
        } else {
            self.to.is_some_and(|to| asset.id >= AssetId::first_at(to))
        }
    }

    /// Whether most of what is read may not be wanted.
    fn is_narrow(&self, words: &[String]) -> bool {
        self.kind.is_some() || self.model.is_some() || self.favourite.is_some() || !words.is_empty()
    }

    /// Names the list and its filters, so that a cursor fits only where it came from.
    fn name(&self) -> String {
        format!(
            "assets?{:?}&{:?}&{:?}&{:?}&{:?}&{:?}&{:?}&{:?}&{:?}",
            self.kind, self.q, self.model, self.favourite, self.collection, self.from, self.to, self.trash, self.sort
        )
    }
}

/// My library.
///
/// Filters are applied while reading, for at most ten pages; a page with fewer items than `limit` and a `next_cursor` means that
/// there may be more.
#[utoipa::path(get, path = "/api/v1/assets", tag = "Library", params(Page, Filter), responses((status = 200, body = List<AssetView>)))]
async fn list_assets(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, filter): ApiList<Filter>,
) -> ApiResult<Json<List<AssetView>>> {
    user.require(Scope::Read)?;
    let name = filter.name();
    let words = filter.q.as_deref().map(words::of_text).unwrap_or_default();
    if filter.q.as_deref().is_some_and(|q| !q.trim().is_empty()) && words.is_empty() {
        return Err(ApiError::invalid("q", "too-short", "Search needs a word of at least two letters or digits."));
    }
    let list = filter.list(&words);
    let newest_first = filter.sort == Sort::Newest;
    let wanted = usize::try_from(page.limit).unwrap_or(100);
    let page_size = if filter.is_narrow(&words) { FILTERED_PAGE } else { i32::try_from(page.limit).unwrap_or(FILTERED_PAGE) };

    let mut after: Option<AssetId> = page.after(&name)?.or_else(|| filter.start(newest_first));
    let mut found = Vec::with_capacity(wanted);
    let mut next = None;
    'pages: for _ in 0..MOST_PAGES {
        let listing = Listing { after, newest_first, limit: page_size };
        let read = platform.db.assets_in(user.id(), list.as_ref(), listing).await?;
        (after, next) = (read.next, read.next);
        let last = read.items.last().map(|asset| asset.id);
        for asset in read.items {
            if filter.is_past(newest_first, &asset) {
                next = None;
                break 'pages;
            }
            if !filter.matches(&asset, &words) {
                continue;
            }
            let id = asset.id;
            found.push(asset);
            if found.len() == wanted {
                next = if Some(id) == last { next } else { Some(id) };
                break 'pages;
            }
        }
        if after.is_none() {
            break;
        }
    }
    let addresses = addresses(&platform, &user).await?;
    let items = found.into_iter().map(|asset| AssetView::new(asset, &addresses)).collect();
    Ok(Json(List::new(items, &name, next.as_ref())))
}

/// One asset, in the trash or not.
#[utoipa::path(get, path = "/api/v1/assets/{id}", tag = "Library", params(("id" = String, Path)), responses((status = 200, body = AssetView), (status = 304)))]
async fn get_asset(user: CurrentUser, State(platform): State<Platform>, ApiPath(id): ApiPath<AssetId>) -> ApiResult<Json<AssetView>> {
    user.require(Scope::Read)?;
    let asset = platform.db.asset(user.id(), id).await?.ok_or_else(ApiError::not_found)?;
    Ok(Json(AssetView::new(asset, &addresses(&platform, &user).await?)))
}

/// What an owner may change; absent fields stay as they are, null removes a text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssetChange {
    /// At most 200 characters.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200, required = false)]
    title: Option<Option<String>>,
    /// What is to be seen, for those who can't; at most 1000 characters.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 1000, required = false)]
    alt_text: Option<Option<String>>,
    /// Marks it, or not.
    favourite: Option<bool>,
}

/// Tells `null` from absent.
pub(crate) fn given<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

impl AssetChange {
    fn check(self) -> Result<AssetEdit, FieldErrors> {
        let mut errors = FieldErrors::new();
        let mut text = |field: &'static str, value: Option<Option<String>>, most: usize| {
            value.map(|value| {
                let value = value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
                if value.as_ref().is_some_and(|text| text.chars().count() > most) {
                    errors.add(field, "too-long", format!("At most {most} characters are allowed."));
                }
                if value.as_ref().is_some_and(|text| text.chars().any(|c| c.is_control() && c != '\n')) {
                    errors.add(field, "not-allowed", "Control characters are not allowed.");
                }
                value
            })
        };
        let title = text("title", self.title, MAX_TITLE);
        let alt_text = text("alt_text", self.alt_text, MAX_ALT_TEXT);
        errors.finish(AssetEdit { title, alt_text, favourite: self.favourite })
    }
}

/// Edits what I say about an asset.
#[utoipa::path(patch, path = "/api/v1/assets/{id}", tag = "Library", params(("id" = String, Path)), request_body = AssetChange, responses((status = 200, body = AssetView)))]
async fn edit_asset(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiPath(id): ApiPath<AssetId>,
    ApiJson(change): ApiJson<AssetChange>,
) -> ApiResult<Json<AssetView>> {
    user.require(Scope::Generate)?;
    let edit = change.check().map_err(ApiError::validation)?;
    let asset = platform.db.edit_asset(user.id(), id, &edit).await?.ok_or_else(ApiError::not_found)?;
    Ok(Json(AssetView::new(asset, &addresses(&platform, &user).await?)))
}

/// Moves an asset to the trash, from which it comes back for 30 days. Doing it again does nothing.
#[utoipa::path(delete, path = "/api/v1/assets/{id}", tag = "Library", params(("id" = String, Path)), responses((status = 204)))]
async fn delete_asset(user: CurrentUser, State(platform): State<Platform>, ApiPath(id): ApiPath<AssetId>) -> ApiResult<StatusCode> {
    user.require(Scope::Generate)?;
    let now = platform.clock.now();
    let known = platform.db.trash_asset(user.id(), id, now, now + SignedDuration::from_secs(platform.config.deadlines.trash)).await?;
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}

/// Takes an asset out of the trash. Doing it again does nothing.
#[utoipa::path(post, path = "/api/v1/assets/{id}/restore", tag = "Library", params(("id" = String, Path)), responses((status = 200, body = AssetView)))]
async fn restore_asset(user: CurrentUser, State(platform): State<Platform>, ApiPath(id): ApiPath<AssetId>) -> ApiResult<Json<AssetView>> {
    user.require(Scope::Generate)?;
    let asset = platform.db.restore_asset(user.id(), id).await?.ok_or_else(ApiError::not_found)?;
    Ok(Json(AssetView::new(asset, &addresses(&platform, &user).await?)))
}

/// The original as an attachment with a sensible name.
#[utoipa::path(get, path = "/api/v1/assets/{id}/download", tag = "Library", params(("id" = String, Path)), responses((status = 302, description = "To the bytes; the address is valid for five minutes.")))]
async fn download_asset(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiPath(id): ApiPath<AssetId>,
) -> ApiResult<impl IntoResponse> {
    user.require(Scope::Read)?;
    let asset = platform.db.asset(user.id(), id).await?.ok_or_else(ApiError::not_found)?;
    let name = words::file_name(&asset);
    let url = platform.media.presign_get(Bucket::Media, &asset.key, Some(&name), platform.clock.now(), DOWNLOAD_LIFE).await;
    let url = url.map_err(ApiError::internal)?;
    Ok((StatusCode::FOUND, [(header::LOCATION, url)]))
}
