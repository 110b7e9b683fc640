//! The local edition: the whole system in one process, for one machine.
//!
//! It runs the functions' own code behind imitations of what is around them on AWS: the HTTP API ([`gateway`]), the event sources
//! ([`pollers`], [`schedule`]), the distribution ([`edge`]), and the services ([`services`]), all wired as `template.yaml` says
//! ([`template`]). Everything it keeps is in one folder ([`data_folder`]).
//!
//! Invariant: no function is called in a way in which Lambda wouldn't call it, and nothing above the AWS SDK knows where it runs.
//! Deliberately absent: any rule of the product. Those are in `shared` and `functions`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop"))]

pub mod check;
mod cli;
pub mod data_folder;
pub mod edge;
mod edition;
pub mod functions;
pub mod gateway;
pub mod operator;
pub mod pollers;
mod problem;
pub mod schedule;
pub mod services;
pub mod site;
mod stop;
pub mod template;

pub use cli::{Cli, log};
pub use edition::{Edition, GOOGLE, Options, SignInClient, StartError, TEMPLATE};
