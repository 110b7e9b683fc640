//! An S3 that lives in one folder: the protocol of `s3s` over a store of our own that survives `kill -9` and power loss.
//!
//! Invariant: under its key an object is whole, body and metadata together, or it is not there. A body becomes an object
//! only after its length and every checksum the client named have been verified, by one atomic step on one file.
//!
//! * [`Store`] keeps buckets, objects and unfinished multipart uploads; see [`store`] for the format on disk.
//! * [`service()`] answers the S3 protocol for one pair of credentials, in-process ([`S3Service::call`]) or on a
//!   listener ([`serve()`]).
//!
//! Deliberately absent: versions, ACLs, tags, encryption, object lock, replication, website hosting, virtual-host
//! addressing, POST forms, signature version 2, and making buckets over the wire: buckets come from the template.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

pub mod store;

mod serve;
mod service;

pub use s3s::Body;
pub use serve::serve;
pub use service::{Credentials, S3Service, service};
pub use store::{Expired, ExpiryRule, ObjectFile, ObjectFiles, Store, StoreError};
