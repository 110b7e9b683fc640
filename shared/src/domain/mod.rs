//! Pure rules: no I/O, no clock, no SDK. Everything here is a function of its arguments.

pub mod asset;
pub mod generation;
pub mod job;
pub mod fields;
pub mod limits;
pub mod user;
