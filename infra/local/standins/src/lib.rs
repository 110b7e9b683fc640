//! Stand-ins for the two outside services that the product needs, for a machine that has no account with either.
//!
//! - [`issuer`]: an `OpenID` Connect issuer with a page that asks which e-mail address to sign in as.
//! - [`provider`]: fal.ai's queue, webhooks and file host, which draws real pictures and encodes real films.
//!
//! Invariant: both speak the protocols that the real services speak, so nothing that calls them knows the difference.
//! Deliberately absent: any notion of our own application, its records or its users. Neither may be reachable from
//! another machine: whoever mounts them binds to loopback.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation fails the test"))]

mod clock;
mod draw;
pub mod issuer;
pub mod provider;
mod secret_file;
mod video;

pub use clock::Clock;
