//! What was used, and the ledger that says why.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::auth::Scope;
use shared::db::keys::{ledger_after, month_of, quota};
use shared::db::ledger::{LedgerKind, LedgerLine};
use shared::db::quota::Quota;
use shared::domain::money::Money;
use shared::http::{ApiError, ApiList, ApiResult, CurrentUser, List, NoFilter, Page};
use shared::id::GenerationId;
use shared::runtime::Platform;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Pages that are read for a filtered one at most.
const MOST_PAGES: u32 = 10;
/// Lines that are read at once where most may not match.
const FILTERED_PAGE: i32 = 100;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list_usage)).routes(routes!(list_ledger))
}

/// What one model used in a month.
#[derive(Debug, Serialize, ToSchema)]
struct ModelUsage {
    /// The model's id.
    model: String,
    /// Charged.
    units: u32,
    /// Paid to the provider for what was delivered.
    spend: Money,
}

/// What was asked for on one day (UTC) and reached the library, whenever that was.
#[derive(Debug, Serialize, ToSchema)]
struct DayUsage {
    /// `2026-11-23`.
    date: String,
    /// Charged.
    units: u32,
    /// Paid to the provider for what was delivered.
    spend: Money,
}

/// A calendar month (UTC).
#[derive(Debug, Serialize, ToSchema)]
struct MonthUsage {
    /// `2026-11`.
    month: String,
    /// Charged.
    units: u32,
    /// Set aside for what is under way.
    reserved: u32,
    /// Paid to the provider for what was delivered.
    spend: Money,
    /// By model, most units first.
    models: Vec<ModelUsage>,
    /// By day, the first first; days on which nothing was used are left out.
    days: Vec<DayUsage>,
}

impl MonthUsage {
    fn new((month, quota): (String, Quota)) -> Self {
        let models = quota.by_model().into_iter();
        let mut models: Vec<ModelUsage> =
            models.map(|(model, (units, spend))| ModelUsage { model: model.to_owned(), units, spend: Money::from_micros(spend) }).collect();
        models.sort_by(|a, b| b.units.cmp(&a.units).then_with(|| a.model.cmp(&b.model)));
        let days = quota.by_day().into_iter();
        let days = days.map(|(date, (units, spend))| DayUsage { date: date.to_owned(), units, spend: Money::from_micros(spend) }).collect();
        Self { month, units: quota.charged, reserved: quota.reserved(), spend: Money::from_micros(quota.spend), models, days }
    }
}

/// A line of the ledger.
#[derive(Debug, Serialize, ToSchema)]
struct LedgerLineView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What it was for.
    generation_id: String,
    /// `reserved`, `charged` or `returned`.
    #[schema(value_type = String, example = "charged")]
    kind: LedgerKind,
    /// How many. What was reserved and neither charged nor returned yet is under way.
    units: u32,
    /// In money: expected for what is reserved, billed for what is charged, nothing for what is returned.
    price: Money,
    /// In words.
    reason: String,
    /// The month whose limit the units count against: that of the request, even when it ended in another one.
    #[schema(example = "2026-11")]
    month: String,
}

impl From<LedgerLine> for LedgerLineView {
    fn from(line: LedgerLine) -> Self {
        Self {
            at: line.at,
            generation_id: line.generation.to_string(),
            kind: line.kind,
            units: line.units,
            price: Money::from_micros(line.price),
            reason: line.reason,
            month: line.month,
        }
    }
}

/// What of the ledger is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only lines whose units count against this month, `2026-11`.
    #[param(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
    month: Option<String>,
    /// Only lines about this generation.
    generation_id: Option<String>,
}

/// The filter, understood.
#[derive(Debug, Default)]
struct Wanted {
    month: Option<String>,
    generation: Option<GenerationId>,
    /// Where to begin, from above.
    before: Option<String>,
    /// What came before this is past.
    since: Option<Timestamp>,
}

impl Wanted {
    /// `None` when there can be no such line.
    async fn of(filter: Filter, platform: &Platform, user: &CurrentUser) -> ApiResult<Option<Self>> {
        let mut wanted = Self::default();
        if let Some(month) = filter.month {
            let wrong = || ApiError::invalid("month", "wrong-type", "A month looks like 2026-11.");
            let first: Timestamp = format!("{month}-01T00:00:00Z").parse().map_err(|_| wrong())?;
            if month_of(first) != month {
                return Err(wrong());
            }
            (wanted.month, wanted.since) = (Some(month), Some(first));
        }
        if let Some(id) = filter.generation_id {
            let found = match id.parse() {
                Ok(id) => platform.db.generation(user.id(), id).await?,
                Err(_) => None,
            };
            let Some(generation) = found else { return Ok(None) };
            wanted.generation = Some(generation.id);
            wanted.since = wanted.since.max(Some(generation.created_at));
            // Its last line was written with its end.
            wanted.before = generation.settled_at.filter(|_| generation.open == 0).map(ledger_after);
        }
        Ok(Some(wanted))
    }

    fn is_narrow(&self) -> bool {
        self.month.is_some() || self.generation.is_some()
    }

    fn matches(&self, line: &LedgerLine) -> bool {
        self.month.as_ref().is_none_or(|month| *month == line.month) && self.generation.is_none_or(|id| id == line.generation)
    }
}

/// My months, newest first. The current one is always there.
#[utoipa::path(get, path = "/api/v1/usage", tag = "Usage", params(Page), responses((status = 200, body = List<MonthUsage>)))]
async fn list_usage(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, NoFilter {}): ApiList<NoFilter>,
) -> ApiResult<Json<List<MonthUsage>>> {
    user.require(Scope::Read)?;
    let after: Option<String> = page.after("usage")?;
    let wanted = usize::try_from(page.limit).unwrap_or(100);
    let mut found = platform.db.quotas(user.id(), after.as_deref(), i32::try_from(page.limit).unwrap_or(100)).await?;
    let now = month_of(platform.clock.now());
    if after.is_none() && found.items.first().is_none_or(|(month, _)| *month != now) {
        found.items.insert(0, (now, Quota::default()));
        if found.items.len() > wanted {
            found.items.truncate(wanted);
            found.next = found.items.last().map(|(month, _)| quota(user.id(), month).sk);
        }
    }
    let months = found.items.into_iter().map(MonthUsage::new).collect();
    Ok(Json(List::new(months, "usage", found.next.as_ref())))
}

/// My ledger, newest first: what was set aside, charged and given back, and why.
///
/// Filters are applied while reading, for at most ten pages; a page with fewer items than `limit` and a `next_cursor` means that
/// there may be more.
#[utoipa::path(get, path = "/api/v1/ledger", tag = "Usage", params(Page, Filter), responses((status = 200, body = List<LedgerLineView>)))]
async fn list_ledger(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, filter): ApiList<Filter>,
) -> ApiResult<Json<List<LedgerLineView>>> {
    user.require(Scope::Read)?;
    let Some(wanted) = Wanted::of(filter, &platform, &user).await? else {
        return Ok(Json(List::new(Vec::new(), "ledger", None::<&String>)));
    };
    let most = usize::try_from(page.limit).unwrap_or(100);
    let page_size = if wanted.is_narrow() { FILTERED_PAGE } else { i32::try_from(page.limit).unwrap_or(FILTERED_PAGE) };
    let mut after: Option<String> = page.after("ledger")?.or_else(|| wanted.before.clone());
    let mut lines = Vec::with_capacity(most);
    'pages: for _ in 0..MOST_PAGES {
        let read = platform.db.ledger(user.id(), after.as_deref(), page_size).await?;
        after = read.next;
        let last = read.items.len();
        for (at, (key, line)) in read.items.into_iter().enumerate() {
            if wanted.since.is_some_and(|since| line.at < since) {
                after = None;
                break 'pages;
            }
            if wanted.matches(&line) {
                lines.push(LedgerLineView::from(line));
            }
            if lines.len() == most {
                after = if at + 1 == last { after } else { Some(key) };
                break 'pages;
            }
        }
        if after.is_none() {
            break;
        }
    }
    Ok(Json(List::new(lines, "ledger", after.as_ref())))
}
