//! People: finding them, what they used, and what an admin may change about them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use shared::db::audit::Actor;
use shared::db::deletion::NotRestored;
use shared::db::keys::month_of;
use shared::db::quota::Quota;
use shared::db::users::{Directory, NotChanged, UserChange};
use shared::domain::fields::FieldErrors;
use shared::domain::limits::Limits;
use shared::domain::money::Money;
use shared::domain::user::{Role, Status, User};
use shared::http::view::LimitsView;
use shared::http::{ApiError, ApiJson, ApiList, ApiPath, ApiResult, CurrentUser, List, Page, RequestId};
use shared::id::UserId;
use shared::jobs;
use shared::runtime::Platform;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Months of history in one answer.
const MONTHS: i32 = 24;
/// The longest beginning of an address or a name that is looked for.
const MAX_QUERY: usize = 200;
/// No limit is larger: beyond it nobody means it.
const MAX_LIMIT: u32 = 1_000_000;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list_users)).routes(routes!(get_user, change_user, delete_user))
}

/// A person, as admins see them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// Ours.
    id: String,
    /// As the issuer last said. Two people may have the same one.
    email: String,
    /// As the issuer last said.
    name: String,
    /// An address at the sign-in issuer, or null.
    picture: Option<String>,
    role: Role,
    status: Status,
    /// When everything of theirs is deleted; null unless the status is `deleting`.
    #[schema(value_type = Option<String>, format = DateTime)]
    deletes_at: Option<Timestamp>,
    /// First seen.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_sign_in_at: Timestamp,
    /// What an admin granted; null while the configured limits hold.
    limits: Option<LimitsView>,
    /// What holds.
    effective_limits: LimitsView,
}

impl UserView {
    fn new(user: User, configured: Limits) -> Self {
        Self {
            effective_limits: user.limits(configured).into(),
            limits: user.limits.map(LimitsView::from),
            id: user.id.to_string(),
            email: user.email,
            name: user.name,
            picture: user.picture,
            role: user.role,
            status: user.status,
            deletes_at: user.deletes_at,
            created_at: user.created_at,
            last_sign_in_at: user.last_sign_in_at,
        }
    }
}

/// What somebody used in a month (UTC).
#[derive(Debug, Serialize, ToSchema)]
struct UserMonth {
    #[schema(example = "2026-11")]
    month: String,
    /// Charged.
    units: u32,
    /// Set aside for what is under way.
    reserved: u32,
    /// Paid to the provider for what was delivered.
    spend: Money,
}

impl From<(String, Quota)> for UserMonth {
    fn from((month, quota): (String, Quota)) -> Self {
        Self { month, units: quota.charged, reserved: quota.reserved(), spend: Money::from_micros(quota.spend) }
    }
}

/// A person with what they used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserDetails {
    #[serde(flatten)]
    user: UserView,
    /// The last 24 months in which they used something, newest first.
    usage: Vec<UserMonth>,
    /// Calls of theirs that are at the provider now.
    running: u32,
}

/// Who is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// How the e-mail address or the name begins, in any case; without it, everybody, the newest first.
    #[param(max_length = 200)]
    q: Option<String>,
}

/// Where a page of the directory ends. Addresses come before names.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    names: bool,
    after: Option<String>,
}

/// People by the beginning of their e-mail address or name; without one, the newest first.
#[utoipa::path(get, path = "/api/v1/admin/users", tag = "Administration", params(Filter, Page), responses((status = 200, body = List<UserView>)))]
async fn list_users(
    current: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, filter): ApiList<Filter>,
) -> ApiResult<Json<List<UserView>>> {
    current.require_admin()?;
    let text = filter.q.as_deref().map(str::trim).unwrap_or_default();
    if text.chars().count() > MAX_QUERY {
        return Err(ApiError::invalid("q", "too-long", "q has at most 200 characters."));
    }
    let list = format!("users?{text}");
    let mut place: Place = page.after(&list)?.unwrap_or_default();
    let limit = i32::try_from(page.limit).unwrap_or(100);
    let found = if text.is_empty() {
        platform.db.users(Directory::Newest, place.after.as_deref(), limit).await?
    } else if place.names {
        let mut found = platform.db.users(Directory::Name(text), place.after.as_deref(), limit).await?;
        // Whose address begins so as well came before.
        let beginning = text.to_lowercase();
        found.items.retain(|user| !user.email.to_lowercase().starts_with(&beginning));
        found
    } else {
        platform.db.users(Directory::Email(text), place.after.as_deref(), limit).await?
    };
    let over = found.next.is_none() && (text.is_empty() || place.names);
    place = Place { names: place.names || found.next.is_none(), after: found.next };
    let configured = platform.config.limits;
    let users = found.items.into_iter().map(|user| UserView::new(user, configured)).collect();
    Ok(Json(List::new(users, &list, Some(&place).filter(|_| !over))))
}

/// A person, and what they used.
#[utoipa::path(get, path = "/api/v1/admin/users/{id}", tag = "Administration", params(("id" = String, Path)), responses((status = 200, body = UserDetails)))]
async fn get_user(current: CurrentUser, State(platform): State<Platform>, ApiPath(id): ApiPath<UserId>) -> ApiResult<Json<UserDetails>> {
    current.require_admin()?;
    let user = platform.db.user(id).await?.ok_or_else(ApiError::not_found)?;
    details(&platform, user).await.map(Json)
}

async fn details(platform: &Platform, user: User) -> ApiResult<UserDetails> {
    let mut months = platform.db.quotas(user.id, None, MONTHS).await?.items;
    // What was never used in a month that has only begun says nothing.
    let now = month_of(platform.clock.now());
    months.retain(|(month, quota)| quota.taken > 0 || *month == now);
    let running = platform.db.slots(user.id).await?.running;
    let usage = months.into_iter().map(UserMonth::from).collect();
    Ok(UserDetails { user: UserView::new(user, platform.config.limits), usage, running })
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserPatch {
    /// Whether they may do anything. Ends their sessions.
    status: Option<Access>,
    /// Whether they are an administrator. Ends their sessions.
    role: Option<Role>,
    /// How much they may do; null goes back to the configured limits.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<NewLimits>, required = false)]
    limits: Option<Option<NewLimits>>,
}

/// Left out, null, or a value.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// What an admin may say about somebody's access. Deleting has ways of its own, in and out.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Access {
    Active,
    Suspended,
}

/// Limits of one's own; each at most 1,000,000.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLimits {
    /// Units a calendar month (UTC).
    #[schema(maximum = 1_000_000)]
    monthly: u32,
    /// Outputs a calendar day (UTC).
    #[schema(maximum = 1_000_000)]
    daily: u32,
    /// Requests to generate a clock hour.
    #[schema(maximum = 1_000_000)]
    hourly: u32,
    /// Outputs in the making at once.
    #[schema(maximum = 1_000_000)]
    concurrent: u32,
    /// Of those, how many may be videos.
    #[schema(maximum = 1_000_000)]
    concurrent_videos: u32,
}

impl NewLimits {
    fn check(self) -> Result<Limits, FieldErrors> {
        let mut errors = FieldErrors::new();
        let all = [
            ("limits.monthly", self.monthly),
            ("limits.daily", self.daily),
            ("limits.hourly", self.hourly),
            ("limits.concurrent", self.concurrent),
            ("limits.concurrent_videos", self.concurrent_videos),
        ];
        for (field, _) in all.into_iter().filter(|(_, limit)| *limit > MAX_LIMIT) {
            errors.add(field, "out-of-range", "A limit is at most 1,000,000.");
        }
        errors.finish(Limits {
            monthly: self.monthly,
            daily: self.daily,
            hourly: self.hourly,
            concurrent: self.concurrent,
            concurrent_videos: self.concurrent_videos,
        })
    }
}

impl UserPatch {
    fn check(self) -> Result<Vec<UserChange>, FieldErrors> {
        let status = self.status.map(|access| match access {
            Access::Active => UserChange::Status(Status::Active),
            Access::Suspended => UserChange::Status(Status::Suspended),
        });
        let limits = self.limits.map(|limits| limits.map(NewLimits::check).transpose()).transpose()?.map(UserChange::Limits);
        Ok([status, self.role.map(UserChange::Role), limits].into_iter().flatten().collect())
    }
}

/// Suspend or let in again, make or unmake an admin, grant limits.
///
/// All of it or nothing, with a line in the audit log for each thing that changes. It holds from the person's next request.
/// Nobody changes their own role or status: another admin or an operator does. `active` also calls a deletion off, while nothing
/// has been deleted yet.
#[utoipa::path(patch, path = "/api/v1/admin/users/{id}", tag = "Administration", params(("id" = String, Path)), request_body = UserPatch, responses((status = 200, body = UserDetails),
    (status = 409, description = "They are about to be deleted.")))]
async fn change_user(
    current: CurrentUser,
    State(platform): State<Platform>,
    Extension(RequestId(request)): Extension<RequestId>,
    ApiPath(id): ApiPath<UserId>,
    ApiJson(patch): ApiJson<UserPatch>,
) -> ApiResult<Json<UserDetails>> {
    current.require_admin()?;
    if id == current.id() && (patch.role.is_some() || patch.status.is_some()) {
        return Err(ApiError::forbidden("Nobody changes their own role or status; ask another administrator or the operator."));
    }
    let changes = patch.check()?;
    let (actor, now) = (Actor::admin(current.id(), &request), platform.clock.now());
    if changes.contains(&UserChange::Status(Status::Active)) {
        match platform.db.call_off_deletion(id, false, &actor, now).await {
            Ok(_) | Err(NotRestored::Nothing | NotRestored::NotTheirs) => {}
            Err(NotRestored::NotAdmin) => return Err(not_changed(NotChanged::NotAdmin)),
            Err(NotRestored::Failed(error)) => return Err(error.into()),
        }
    }
    let user = platform.db.change_user_at_once(id, &changes, &actor, now).await.map_err(not_changed)?;
    details(&platform, user).await.map(Json)
}

/// When somebody's account ends.
#[derive(Debug, Serialize, ToSchema)]
struct UserLeaving {
    /// Until then the deletion can be called off, by `PATCH` with the status `active`.
    #[schema(value_type = String, format = DateTime)]
    deletes_at: Timestamp,
}

/// Delete somebody with everything that is theirs.
///
/// They are out from their next request on, and can't come back by themselves; everything is deleted after a day. Doing it again
/// changes nothing.
#[utoipa::path(delete, path = "/api/v1/admin/users/{id}", tag = "Administration", params(("id" = String, Path)), responses((status = 202, body = UserLeaving), (status = 409, description = "It can't be done now.")))]
async fn delete_user(
    current: CurrentUser,
    State(platform): State<Platform>,
    Extension(RequestId(request)): Extension<RequestId>,
    ApiPath(id): ApiPath<UserId>,
) -> ApiResult<(StatusCode, Json<UserLeaving>)> {
    current.require_admin()?;
    if id == current.id() {
        return Err(ApiError::forbidden("Delete your own account from its own page."));
    }
    let now = platform.clock.now();
    let deletes_at = now + SignedDuration::from_secs(platform.config.deadlines.deletion);
    let actor = Actor::admin(current.id(), &request);
    let deletes_at = platform.db.begin_deletion(id, false, &actor, deletes_at, now).await.map_err(not_changed)?;
    jobs::hurry_deletion(&platform, id).await;
    Ok((StatusCode::ACCEPTED, Json(UserLeaving { deletes_at })))
}

fn not_changed(error: NotChanged) -> ApiError {
    match error {
        NotChanged::Nobody => ApiError::not_found(),
        NotChanged::Deleting => ApiError::conflict("This person is about to be deleted; call that off first."),
        NotChanged::NotAdmin => ApiError::forbidden("This is for administrators."),
        NotChanged::Failed(error) => error.into(),
    }
}
