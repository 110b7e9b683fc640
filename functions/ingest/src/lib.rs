//! The function `ingest`: a result becomes part of the library.
//!
//! Woken by the queue `results`. Fetches what the provider made from its allowed origins, checks and stores it with its
//! thumbnails, and settles the call. Holds no provider key, and never holds a video in memory.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use shared::jobs::{self, StepError};
use shared::provider::fetch::{Fetcher, Patience};
use shared::queue::{ImportResult, JobError, run_batch};
use shared::runtime::Platform;

/// Results stored at once: each holds an image and its pixels, which a sandbox of 1 GB has room for this often.
const AT_ONCE: usize = 3;
/// Well inside the function's time-out of 300 s, with time left to store and to settle.
const PATIENCE: Patience = Patience { connect: Duration::from_secs(10), idle: Duration::from_secs(30), total: Duration::from_secs(90) };

/// Stores the results that a batch of messages names.
pub async fn handle(platform: &Platform, event: SqsEvent) -> SqsBatchResponse {
    let fetcher = &Fetcher::new(&platform.config.fal_media_origins, PATIENCE);
    run_batch(event, AT_ONCE, |message: ImportResult, receives| async move {
        let fetcher = fetcher.as_ref().map_err(|_| JobError::Permanent("no TLS client can be built"))?;
        jobs::import(platform, fetcher, message.call, receives).await.map_err(StepError::into)
    })
    .await
}
