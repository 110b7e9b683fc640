//! Short links, for their owner: make, list, change, end. What strangers see of them is in the function `redirect`.

mod request;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use shared::auth::{Scope, password};
use shared::db::links::{LinkEdit, MOST, NotMade};
use shared::domain::asset::Asset;
use shared::domain::fields::FieldErrors;
use shared::domain::link::{KEY_LENGTH, Link, LinkState, Opens, is_key};
use shared::http::reading::addresses;
use shared::http::view::AssetView;
use shared::http::{ApiError, ApiJson, ApiList, ApiPath, ApiResult, CurrentUser, List, Page, Problem};
use shared::id::{AssetId, RecordId, random_base62};
use shared::runtime::Platform;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use request::{LinkChange, NewLink, check_expiry, check_note, check_password, check_slug, check_views};

/// A random key that is taken is a one in 2^65 chance; twice means that something else is wrong.
const KEYS_TRIED: u32 = 2;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list_links, create_link)).routes(routes!(get_link, edit_link, end_link))
}

/// A short link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Link)]
struct LinkView {
    /// The end of its address, by which it is named here.
    key: String,
    /// What to pass on.
    url: String,
    /// What it shows.
    asset_id: String,
    /// The asset, unless it is gone for good or the token lacks the scope `read`.
    asset: Option<AssetView>,
    opens: Opens,
    /// Whether it opens anything now, and why not.
    state: LinkState,
    /// Switched on.
    enabled: bool,
    /// From then on it opens nothing.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// How often it may be opened.
    max_views: Option<u32>,
    /// How often it was opened.
    views: u32,
    /// Whether it asks for a password.
    has_password: bool,
    /// Only I see it.
    note: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A day's visits.
#[derive(Debug, Serialize, ToSchema)]
struct LinkDay {
    /// `2026-11-23`, UTC.
    #[schema(example = "2026-11-23")]
    date: String,
    views: u32,
}

/// A short link with its figures.
#[derive(Debug, Serialize, ToSchema)]
struct LinkFigures {
    #[serde(flatten)]
    link: LinkView,
    /// The last 31 days on which it was opened, newest first.
    days: Vec<LinkDay>,
}

/// Which links are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those of this asset.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    asset_id: Option<AssetId>,
}

/// The asset that `text` names, if its owner can share it.
async fn shareable(platform: &Platform, user: &CurrentUser, text: &str) -> Result<AssetId, ApiError> {
    let asset = match text.parse::<AssetId>() {
        Ok(id) => platform.db.asset(user.id(), id).await?,
        Err(_) => None,
    };
    match asset {
        None => Err(ApiError::invalid("asset_id", "unknown", "There is nothing like this in your library.")),
        Some(asset) if asset.deleted_at.is_some() => Err(in_trash()),
        Some(asset) => Ok(asset.id),
    }
}

fn in_trash() -> ApiError {
    ApiError::invalid("asset_id", "in-trash", "This is in the trash; restore it first.")
}

async fn hashed(password: Option<SecretString>) -> Result<Option<String>, ApiError> {
    match password {
        Some(password) => password::hash(password).await.map(Some).map_err(ApiError::internal),
        None => Ok(None),
    }
}

/// `links` as their owner sees them, with their assets: one batch.
async fn views(platform: &Platform, user: &CurrentUser, links: Vec<Link>) -> Result<Vec<LinkView>, ApiError> {
    let mut ids: Vec<AssetId> = links.iter().map(|link| link.asset).collect();
    ids.sort_unstable();
    ids.dedup();
    let assets = platform.db.assets_by_id(user.id(), &ids).await?;
    let addresses = addresses(platform, user).await?;
    let may_read = user.require(Scope::Read).is_ok();
    let now = platform.clock.now();
    let view = |link: Link| {
        let asset: Option<&Asset> = assets.iter().find(|asset| asset.id == link.asset);
        let there = asset.is_some_and(|asset| asset.deleted_at.is_none());
        LinkView {
            url: format!("{}/s/{}", platform.config.origin, link.key),
            asset_id: link.asset.to_string(),
            asset: asset.filter(|_| may_read).map(|asset| AssetView::new(asset.clone(), &addresses)),
            state: if there { link.state(now) } else { LinkState::NoAsset },
            opens: link.opens,
            enabled: link.enabled,
            expires_at: link.expires_at,
            max_views: link.max_views,
            views: link.views,
            has_password: link.password.is_some(),
            note: link.note,
            created_at: link.created_at,
            key: link.key,
        }
    };
    Ok(links.into_iter().map(view).collect())
}

async fn one_view(platform: &Platform, user: &CurrentUser, link: Link) -> Result<LinkView, ApiError> {
    views(platform, user, vec![link]).await?.pop().ok_or_else(ApiError::not_found)
}

/// The caller's link at `key`, unless it has ended for good.
async fn own_link(platform: &Platform, user: &CurrentUser, key: &str) -> Result<Link, ApiError> {
    let link = if is_key(key) { platform.db.link(key).await? } else { None };
    link.filter(|link| link.user == user.id() && link.ended_at.is_none()).ok_or_else(ApiError::not_found)
}

/// My links, newest first; those of one asset in no particular order.
#[utoipa::path(get, path = "/api/v1/links", tag = "Links", params(Page, Filter), responses((status = 200, body = List<LinkView>)))]
async fn list_links(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, filter): ApiList<Filter>,
) -> ApiResult<Json<List<LinkView>>> {
    user.require(Scope::Share)?;
    let limit = i32::try_from(page.limit).unwrap_or(100);
    if let Some(asset) = filter.asset_id {
        let name = format!("links?{asset}");
        let after: Option<String> = page.after(&name)?;
        let (links, next) = platform.db.links_of_asset(user.id(), asset, after.as_deref(), limit).await?;
        return Ok(Json(List::new(views(&platform, &user, links).await?, &name, next.as_ref())));
    }
    let (links, next) = platform.db.links(user.id(), page.after("links")?, limit).await?;
    Ok(Json(List::new(views(&platform, &user, links).await?, "links", next.as_ref())))
}

/// Make a link.
///
/// Whoever has its address sees the asset without signing in, as long as the link lives. At most 1000 a person.
#[utoipa::path(post, path = "/api/v1/links", tag = "Links", request_body = NewLink, responses((status = 201, body = LinkView),
    (status = 409, description = "The ending is taken, or there are 1000 links.", body = Problem, content_type = "application/problem+json")))]
async fn create_link(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiJson(request): ApiJson<NewLink>,
) -> ApiResult<impl IntoResponse> {
    user.require(Scope::Share)?;
    let now = platform.clock.now();
    let mut errors = FieldErrors::new();
    check_expiry(&mut errors, request.expires_at, now);
    check_views(&mut errors, request.max_views, 0);
    check_password(&mut errors, request.password.as_ref());
    check_slug(&mut errors, request.slug.as_deref());
    let note = check_note(&mut errors, request.note);
    errors.finish(())?;
    let asset = shareable(&platform, &user, &request.asset_id).await?;
    let mut link = Link {
        key: request.slug.clone().unwrap_or_else(|| random_base62(KEY_LENGTH)),
        made: RecordId::new(now),
        user: user.id(),
        asset,
        opens: request.opens,
        enabled: true,
        expires_at: request.expires_at,
        max_views: request.max_views,
        views: 0,
        password: hashed(request.password).await?,
        note,
        created_at: now,
        ended_at: None,
    };
    for tried in 1.. {
        match platform.db.make_link(&link).await {
            Ok(()) => break,
            Err(NotMade::Taken) if request.slug.is_none() && tried < KEYS_TRIED => link.key = random_base62(KEY_LENGTH),
            Err(NotMade::Taken) if request.slug.is_some() => {
                return Err(ApiError::conflict("This ending is taken; choose another.").field("slug", "taken", "This ending is taken."));
            }
            Err(NotMade::Taken) => return Err(ApiError::unavailable()),
            Err(NotMade::NoAsset) => return Err(in_trash()),
            Err(NotMade::TooMany) => return Err(ApiError::conflict(format!("You have {MOST} links; end one first."))),
            Err(NotMade::Failed(error)) => return Err(error.into()),
        }
    }
    let place = format!("/api/v1/links/{}", link.key);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(one_view(&platform, &user, link).await?)))
}

/// One of my links, with its visits by day.
#[utoipa::path(get, path = "/api/v1/links/{key}", tag = "Links", params(("key" = String, Path, pattern = "^[A-Za-z0-9-]{4,40}$")), responses((status = 200, body = LinkFigures), (status = 304)))]
async fn get_link(user: CurrentUser, State(platform): State<Platform>, ApiPath(key): ApiPath<String>) -> ApiResult<Json<LinkFigures>> {
    user.require(Scope::Share)?;
    let link = own_link(&platform, &user, &key).await?;
    let days = platform.db.link_days(&key).await?.into_iter().map(|(date, views)| LinkDay { date, views }).collect();
    Ok(Json(LinkFigures { link: one_view(&platform, &user, link).await?, days }))
}

/// Change a link, or switch it off and on.
///
/// Holds everywhere within a minute: that long a page may be kept on its way.
#[utoipa::path(patch, path = "/api/v1/links/{key}", tag = "Links", params(("key" = String, Path, pattern = "^[A-Za-z0-9-]{4,40}$")), request_body = LinkChange, responses((status = 200, body = LinkView)))]
async fn edit_link(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiPath(key): ApiPath<String>,
    ApiJson(change): ApiJson<LinkChange>,
) -> ApiResult<Json<LinkView>> {
    user.require(Scope::Share)?;
    let link = own_link(&platform, &user, &key).await?;
    let mut errors = FieldErrors::new();
    check_expiry(&mut errors, change.expires_at.flatten(), platform.clock.now());
    check_views(&mut errors, change.max_views.flatten(), link.views);
    check_password(&mut errors, change.password.as_ref().and_then(Option::as_ref));
    let note = change.note.map(|note| check_note(&mut errors, note));
    errors.finish(())?;
    let password = match change.password {
        Some(password) => Some(hashed(password).await?),
        None => None,
    };
    let edit = LinkEdit { enabled: change.enabled, expires_at: change.expires_at, max_views: change.max_views, password, note };
    let link = platform.db.edit_link(user.id(), &key, edit).await?.ok_or_else(ApiError::not_found)?;
    Ok(Json(one_view(&platform, &user, link).await?))
}

/// End a link for good.
///
/// Its address says so from then on, within a minute everywhere, and is never given to another link for 90 days.
#[utoipa::path(delete, path = "/api/v1/links/{key}", tag = "Links", params(("key" = String, Path, pattern = "^[A-Za-z0-9-]{4,40}$")), responses((status = 204)))]
async fn end_link(user: CurrentUser, State(platform): State<Platform>, ApiPath(key): ApiPath<String>) -> ApiResult<StatusCode> {
    user.require(Scope::Share)?;
    let link = own_link(&platform, &user, &key).await?;
    let ended = platform.db.end_link(user.id(), &link, platform.clock.now()).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
