//! HTTP conventions: one stack around every router, one shape of error, one way to read requests and to page lists.
//!
//! A function builds an `OpenApiRouter<Platform>` and hands it to [`app`]; everything that all answers have in common (request
//! id, problem bodies, canonical log line, time-out, body limit, caching headers, `ETag`) is added there and nowhere else.
//! Absent by design: CORS (site and API share an origin) and any retry.

mod app;
pub mod arrival;
mod docs;
mod error;
mod etag;
mod extract;
mod identity;
mod openapi;
mod page;
mod rate_limit;
pub mod reading;
mod strict;

pub use app::{MAX_BODY_BYTES, RequestId, app};
pub use arrival::Visitor;
pub use docs::{docs_page, escape};
pub use error::{ApiError, ApiResult, Code, Problem};
pub use extract::{ApiJson, ApiList, ApiPath, ApiQuery, NoFilter, OptionalJson, RawBody, parse_json};
pub use identity::LeavingUser;
pub use openapi::openapi;
pub use page::{List, Page};
pub use rate_limit::{rate_limits, with_rate_limits};

pub use crate::auth::CurrentUser;
pub use crate::view;
