//! The queues through both faces: the Rust API under a paused clock, and the real SDK over loopback.

#![expect(clippy::unwrap_used, reason = "tests")]

mod auth;
mod crash;
mod message_calls;
mod queue_calls;
mod redrive;
mod support;
mod visibility;
mod waiting;
