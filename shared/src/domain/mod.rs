//! Pure rules: no I/O, no clock, no SDK. Everything here is a function of its arguments.

pub mod asset;
pub mod breaker;
pub mod callback;
pub mod export;
pub mod fields;
pub mod generation;
pub mod job;
pub mod limits;
pub mod link;
pub mod model;
pub mod money;
pub mod request;
pub mod upload;
pub mod user;
pub mod words;
