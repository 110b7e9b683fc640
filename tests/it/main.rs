//! Integration tests: one binary, every world with a folder and ports of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop")]

mod auth;
mod bad_input;
mod breakers;
mod check;
mod crash;
mod dead_ends;
mod failures;
mod faults;
mod journey;
mod leaving;
mod library;
mod limits;
mod links;
mod privacy;
mod rotation;
mod rules;
mod table;
mod template;
mod timeouts;
mod uploads;
mod video;
mod webhooks;
mod world;
