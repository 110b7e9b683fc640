//! The audit log.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::db::audit::AuditLine;
use shared::db::keys::month_of;
use shared::http::{ApiError, ApiList, ApiResult, CurrentUser, List, Page};
use shared::runtime::Platform;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list_audit))
}

/// A privileged act.
#[derive(Debug, Serialize, ToSchema)]
struct AuditLineView {
    /// Its own name.
    id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `user:{id}`, `operator` or `worker`.
    actor: String,
    /// What was done.
    #[schema(example = "user.status")]
    act: String,
    /// To what.
    #[schema(example = "user:0190163d8694739baea5966c26f8ad91")]
    target: String,
    /// As it was.
    #[schema(value_type = Object)]
    before: serde_json::Value,
    /// As it was from then on.
    #[schema(value_type = Object)]
    after: serde_json::Value,
    /// Names the request in the logs; null for an operator's command.
    request_id: Option<String>,
}

impl From<AuditLine> for AuditLineView {
    fn from(line: AuditLine) -> Self {
        Self {
            id: line.id.to_string(),
            at: line.at,
            actor: line.actor,
            act: line.act,
            target: line.target,
            before: line.before,
            after: line.after,
            request_id: line.request_id,
        }
    }
}

/// Which lines are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// A month (UTC); this one when it is left out.
    #[param(example = "2026-11")]
    month: Option<String>,
}

/// Everything privileged that was done in a month, newest first.
#[utoipa::path(get, path = "/api/v1/admin/audit", tag = "Administration", params(Filter, Page), responses((status = 200, body = List<AuditLineView>)))]
async fn list_audit(
    current: CurrentUser,
    State(platform): State<Platform>,
    ApiList(page, filter): ApiList<Filter>,
) -> ApiResult<Json<List<AuditLineView>>> {
    current.require_admin()?;
    let month = filter.month.unwrap_or_else(|| month_of(platform.clock.now()));
    if !is_month(&month) {
        return Err(ApiError::invalid("month", "invalid", "month must be a month such as 2026-11."));
    }
    let list = format!("audit?{month}");
    let after: Option<String> = page.after(&list)?;
    let found = platform.db.audit(&month, after.as_deref(), i32::try_from(page.limit).unwrap_or(100)).await?;
    let lines = found.items.into_iter().map(AuditLineView::from).collect();
    Ok(Json(List::new(lines, &list, found.next.as_ref())))
}

/// Whether `text` is four digits, a dash, and 01 to 12.
fn is_month(text: &str) -> bool {
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2) && ("01"..="12").contains(&month))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_month_has_one_spelling() {
        for month in ["2026-11", "2026-01", "2026-12"] {
            assert!(super::is_month(month), "{month}");
        }
        for other in ["", "2026", "2026-00", "2026-13", "2026-1", "26-11", "2026-11-01", "2026-1a", "2026_11", "AUDIT#2026-11", "２026-11"]
        {
            assert!(!super::is_month(other), "{other}");
        }
    }
}
