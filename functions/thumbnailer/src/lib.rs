//! The function `thumbnailer`: posters of generated videos.
//!
//! It can't make any yet: it takes its messages, says so in the log, and leaves the videos without a poster, for which tiles
//! show a drawn stand-in. `worker` asks again, so that posters appear once this function can make them.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use shared::queue::{MakePoster, run_batch};
use shared::runtime::Platform;

/// Takes a batch of messages.
pub async fn handle(_platform: &Platform, event: SqsEvent) -> SqsBatchResponse {
    run_batch(event, 1, |message: MakePoster, _| async move {
        tracing::warn!(asset.id = %message.asset, "posters can't be made yet");
        Ok(())
    })
    .await
}
