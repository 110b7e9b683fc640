//! Integration tests: one binary, every world with a folder and ports of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop")]

mod answers;
mod arrivals;
mod auth;
mod authorisation;
mod bad_input;
mod books;
mod breakers;
mod callbacks;
mod canaries;
mod check;
mod crash;
mod csrf;
mod dead_ends;
mod dead_letters;
mod failures;
mod faults;
mod hung;
mod journey;
mod leaving;
mod library;
mod limits;
mod links;
mod privacy;
mod rotation;
mod rules;
mod simulation;
mod ssrf;
mod storms;
mod table;
mod template;
mod timeouts;
mod uploads;
mod video;
mod webhooks;
mod world;
