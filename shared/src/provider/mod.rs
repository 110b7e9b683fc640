//! Who makes the pictures: a queue outside that is asked once, watched, and emptied into our bucket.
//!
//! [`Provider`] is the one trait with a single implementation: another provider must be able to stand beside fal. Nothing here
//! decides anything about money or state; it says exactly what is known, above all whether a request may be running.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::domain::generation::ProviderRequest;
use crate::domain::model::Model;

pub mod answers;
pub mod catalogue;
pub mod failure;
pub mod fal;
pub mod fetch;
pub mod origins;
pub mod request;
pub mod webhook;

pub use answers::{Output, ProviderMedia};
pub use failure::{Failure, FailureCode, Whose};
pub use fetch::{FetchError, MediaStream};

/// A request about to be sent.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The model's endpoint.
    pub endpoint: String,
    /// What [`request::build_body`] made.
    pub body: Value,
    /// Where the provider tells us of the end; it must be reachable for it.
    pub webhook: Option<String>,
    /// Given back unstarted after this long in the provider's queue.
    pub start_timeout: Duration,
}

/// Why there is no request id.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The provider answered that it doesn't take the request: nothing runs.
    #[error("rejected: {0}")]
    Rejected(Failure),
    /// The request may be running: its answer was lost or made no sense. It must not be sent again.
    #[error("no usable answer: {0}")]
    Ambiguous(String),
    /// The provider broke while it was asked: most likely it has not taken the request, and if it has, it will say so.
    #[error("broken: {0}")]
    Broken(String),
    /// No byte of the request left: sending it later is safe.
    #[error("not sent: {0}")]
    NotSent(String),
}

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Waiting; how many are before it, when it says so.
    Queued(Option<u32>),
    /// Being worked on.
    Running,
    /// Over. Whether well or badly only the result tells.
    Over,
}

/// What came out of a request that is over.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It was made.
    Output(Output),
    /// It wasn't.
    Failed(Failure),
    /// It isn't over yet.
    NotYet,
}

/// What asking to stop achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// It hadn't started and never will.
    Stopped,
    /// It is running and may still finish, and cost.
    Requested,
    /// It was over already, or isn't known.
    TooLate,
}

/// Why the state or the result of a request is unknown. Asking again is always safe.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The provider doesn't know the request (any more).
    #[error("the provider doesn't know the request")]
    Unknown,
    /// Our account is refused: an operator must look.
    #[error("refused: {0}")]
    Refused(Failure),
    /// No answer, or one that made no sense.
    #[error("no usable answer: {0}")]
    Unavailable(String),
}

/// A queue that makes pictures.
pub trait Provider: fmt::Debug + Send + Sync {
    /// Hands a request over, exactly once: a lost answer is reported, never repaired by sending again.
    fn submit<'a>(&'a self, submission: &'a Submission) -> BoxFuture<'a, Result<ProviderRequest, SubmitError>>;

    /// How far a request is.
    fn status<'a>(&'a self, request: &'a ProviderRequest) -> BoxFuture<'a, Result<Progress, AskError>>;

    /// What came out of it. `model` lends its names to complaints, if it is known.
    fn result<'a>(&'a self, request: &'a ProviderRequest, model: Option<&'a Model>) -> BoxFuture<'a, Result<Verdict, AskError>>;

    /// Asks to stop it.
    fn cancel<'a>(&'a self, request: &'a ProviderRequest) -> BoxFuture<'a, Result<Cancellation, AskError>>;

    /// Asks for something that costs nothing and changes nothing: whether anybody is there, and knows our key.
    fn ping(&self) -> BoxFuture<'_, Result<(), AskError>>;

    /// Opens one of the result's media, of at most `limit` bytes.
    fn fetch<'a>(&'a self, url: &'a str, limit: u64) -> BoxFuture<'a, Result<MediaStream, FetchError>>;
}
