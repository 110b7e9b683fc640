//! Logs: structured lines on standard output, one canonical line per request or message.
//!
//! Absent by design: prompts, tokens, cookies, e-mail addresses, query strings and bodies. What is logged is named field by field.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::Env;

/// Sets up JSON lines on standard output, as Lambda's log format is. `AWS_LAMBDA_LOG_LEVEL` sets the level (`info`).
/// A second call does nothing.
pub fn init(env: &Env) {
    let level = env.get("AWS_LAMBDA_LOG_LEVEL").unwrap_or("info").to_ascii_lowercase();
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let _already_set = tracing_subscriber::registry().with(filter).with(lines).try_init();
    log_panics();
}

/// Logs where a panic happened. Not its message, which may repeat what somebody sent.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic");
    }));
}
