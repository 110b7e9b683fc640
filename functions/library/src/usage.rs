//! What was used, and the ledger that says why.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use shared::auth::Scope;
use shared::db::ledger::{LedgerKind, LedgerLine};
use shared::db::quota::Quota;
use shared::domain::money::Money;
use shared::http::{ApiList, ApiResult, CurrentUser, List, NoFilter, Page};
use shared::runtime::Platform;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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
}

impl MonthUsage {
    fn new((month, quota): (String, Quota)) -> Self {
        let mut models: BTreeMap<&str, (u32, i64)> = BTreeMap::new();
        for (name, value) in &quota.by_model {
            let amount = value.as_i64().unwrap_or(0);
            match name.split_once('#') {
                Some(("units", model)) => models.entry(model).or_default().0 = u32::try_from(amount).unwrap_or(0),
                Some(("spend", model)) => models.entry(model).or_default().1 = amount,
                _ => {}
            }
        }
        let mut models: Vec<ModelUsage> = models
            .into_iter()
            .map(|(model, (units, spend))| ModelUsage { model: model.to_owned(), units, spend: Money::from_micros(spend) })
            .collect();
        models.sort_by(|a, b| b.units.cmp(&a.units).then_with(|| a.model.cmp(&b.model)));
        Self { month, units: quota.charged, reserved: quota.reserved(), spend: Money::from_micros(quota.spend), models }
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
    /// How many.
    units: u32,
    /// In money: expected for what is reserved, spent for what is charged.
    price: Money,
    /// In words.
    reason: String,
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
        }
    }
}

/// My months, newest first.
#[utoipa::path(get, path = "/api/v1/usage", tag = "Usage", params(Page), responses((status = 200, body = List<MonthUsage>)))]
async fn list_usage(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, NoFilter {}): ApiList<NoFilter>,
) -> ApiResult<Json<List<MonthUsage>>> {
    user.require(Scope::Read)?;
    let after: Option<String> = page.after("usage")?;
    let found = platform.db.quotas(user.id(), after.as_deref(), i32::try_from(page.limit).unwrap_or(100)).await?;
    let months = found.items.into_iter().map(MonthUsage::new).collect();
    Ok(Json(List::new(months, "usage", found.next.as_ref())))
}

/// My ledger, newest first: what was set aside, charged and given back, and why.
#[utoipa::path(get, path = "/api/v1/ledger", tag = "Usage", params(Page), responses((status = 200, body = List<LedgerLineView>)))]
async fn list_ledger(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, NoFilter {}): ApiList<NoFilter>,
) -> ApiResult<Json<List<LedgerLineView>>> {
    user.require(Scope::Read)?;
    let after: Option<String> = page.after("ledger")?;
    let found = platform.db.ledger(user.id(), after.as_deref(), i32::try_from(page.limit).unwrap_or(100)).await?;
    let lines = found.items.into_iter().map(LedgerLineView::from).collect();
    Ok(Json(List::new(lines, "ledger", found.next.as_ref())))
}
