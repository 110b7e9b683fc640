//! The function `thumbnailer`: posters of generated videos. It can't make any yet: messages stay in their queue's care, and
//! tiles show a drawn stand-in.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use shared::queue::{JobError, MakePoster, run_batch};
use shared::runtime::Platform;

/// Reports every message as not dealt with.
pub async fn handle(_platform: &Platform, event: SqsEvent) -> SqsBatchResponse {
    run_batch(event, 1, |_: MakePoster, _| async move { Err(JobError::Permanent("posters can't be made yet")) }).await
}
