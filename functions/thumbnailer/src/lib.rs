//! The function `thumbnailer`: posters of generated videos.
//!
//! Woken by the queue `videos`. Reads what it needs of a stored video, decodes one frame of it and writes the posters. It is the
//! only function with a decoder of videos; it holds no secret and talks to nobody but the table, the bucket and its queue.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use shared::jobs::{self, StepError};
use shared::queue::{MakePoster, run_batch};
use shared::runtime::Platform;

/// Posters made at once: the largest frame takes some 200 MB while it is decoded, of the function's 512.
const AT_ONCE: usize = 1;

/// Makes the posters that a batch of messages names.
pub async fn handle(platform: &Platform, event: SqsEvent) -> SqsBatchResponse {
    run_batch(event, AT_ONCE, |message: MakePoster, _| async move { jobs::make_poster(platform, &message).await.map_err(StepError::into) })
        .await
}
