//! What all functions share: the rules, the records, the media, the queues, the provider and the HTTP conventions.
//!
//! Dependency rule, held by a test: `domain ← {db, media, queue, provider} ← auth ← jobs ← http`. Arrows never turn.
//! `config`, `clock`, `id`, `outbound`, `secrets` and `telemetry` stand below everything; `view` is what `jobs` and `http` show of
//! `domain`; `runtime` starts a function.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop"))]

pub mod auth;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
#[cfg(feature = "http")]
pub mod http;
pub mod id;
pub mod jobs;
pub mod media;
pub mod outbound;
pub mod provider;
pub mod queue;
pub mod runtime;
pub mod secrets;
pub mod telemetry;
pub mod tls;
#[cfg(feature = "view")]
pub mod view;
