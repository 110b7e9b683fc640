//! The store over real HTTP on a loopback listener, driven by the AWS SDK and by hand-written requests.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bodies;
mod conditions;
mod crash;
mod lifecycle;
mod listing;
mod multipart;
mod presigned;
mod reading;
mod world;
