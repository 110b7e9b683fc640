//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): how much is left of each limit, and when it is whole again.
//!
//! Three policies, each counting its own thing: `hourly` counts requests to generate, `daily` outputs, `monthly` units. They are
//! windows of the calendar (UTC), so `t` is also when all of `q` is back.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::auth::CurrentUser;
use crate::db::quota::Counters;
use crate::domain::limits::Limits;
use crate::jobs::{self, Windows};
use crate::runtime::Platform;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The two fields, for what `counters` say at `now`.
pub fn rate_limits(limits: &Limits, counters: &Counters, now: Timestamp) -> HeaderMap {
    let (month, day, hour) = jobs::resets(now);
    let windows = Windows::at(now);
    let policies = [
        ("hourly", limits.hourly, counters.requests, windows.hour, hour),
        ("daily", limits.daily, counters.outputs, windows.day, day),
        ("monthly", limits.monthly, counters.taken, windows.month, month),
    ];
    let policy = policies.map(|(name, limit, _, window, _)| format!("\"{name}\";q={limit};w={window}")).join(", ");
    let left = policies.map(|(name, limit, taken, _, reset)| format!("\"{name}\";r={};t={reset}", limit.saturating_sub(taken))).join(", ");
    [(POLICY, policy), (LIMIT, left)].into_iter().filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))).collect()
}

/// `response` with what `user` has left after it: one batch read. An answer is not lost for want of these fields, so a table that
/// can't be read leaves them out.
pub async fn with_rate_limits(platform: &Platform, user: &CurrentUser, mut response: Response) -> Response {
    let now = platform.clock.now();
    match platform.db.counters(user.id(), now).await {
        Ok(counters) => {
            let limits = user.user.limits(platform.config.limits);
            response.headers_mut().extend(rate_limits(&limits, &counters, now));
        }
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "an answer goes out without its limits"),
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_and_until_when() {
        let counters = Counters { taken: 7, charged: 5, outputs: 51, requests: 3 };
        let headers = rate_limits(&Limits::DEFAULT, &counters, "2028-02-28T22:30:00Z".parse().unwrap());
        assert_eq!(headers[POLICY], r#""hourly";q=100;w=3600, "daily";q=50;w=86400, "monthly";q=500;w=2505600"#);
        // A limit that was lowered below what is taken leaves nothing, not less.
        assert_eq!(headers[LIMIT], r#""hourly";r=97;t=1800, "daily";r=0;t=5400, "monthly";r=493;t=91800"#);
    }
}
