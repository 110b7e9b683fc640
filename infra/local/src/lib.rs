//! The local edition: the whole system in one process, for one machine.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop"))]

pub mod data_folder;
pub mod gateway;
mod problem;
pub mod template;
