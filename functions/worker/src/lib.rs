//! The function `worker`: owner of every open state.
//!
//! Woken every minute to look at what is due, and by the queue `tasks` to do it sooner: starting waiting calls, polling.
//! Whatever is lost elsewhere, a webhook, a message, a reply, only costs time, because it is found here.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use serde_json::Value;
use shared::jobs::{self, Jobs, Pace, StepError};
use shared::queue::{JobError, Task, run_batch};
use shared::runtime::Platform;

/// Tasks worked on at once: they wait for the provider, not for the processor.
const AT_ONCE: usize = 10;
/// How long a long task goes on before it leaves the rest to a next one: well below the function's own 10 minutes.
const RUN: Duration = Duration::from_secs(240);

/// Works on a batch of tasks.
pub async fn handle(platform: &Platform, event: SqsEvent) -> SqsBatchResponse {
    run_batch(event, AT_ONCE, |task: Task, _| async move { work(platform, task).await.map_err(JobError::from) }).await
}

async fn work(platform: &Platform, task: Task) -> Result<(), StepError> {
    match task {
        Task::Start { user } => match platform.db.user(user).await? {
            Some(user) => Jobs::new(platform).await?.try_start(&user).await,
            None => Ok(()),
        },
        Task::Poll { call, polls } => Jobs::new(platform).await?.poll(call, polls).await,
        Task::Bill { call, tries } => Jobs::new(platform).await?.bill(call, tries).await,
        Task::CallBack { user, generation } => jobs::call_back(platform, user, generation).await,
        Task::Export { user, export } => jobs::export(platform, user, export, Pace::USUAL).await,
        Task::Delete { user } => Jobs::new(platform).await?.delete_user(user, RUN).await,
    }
}

/// Looks at everything that is due. A failed look is logged; the next minute brings another.
pub async fn tick(platform: &Platform) {
    let started = std::time::Instant::now();
    let swept = match Jobs::new(platform).await {
        Ok(jobs) => {
            if let Err(error) = jobs.measure().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "what is open could not be counted");
            }
            jobs.sweep().await
        }
        Err(error) => Err(error),
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match swept {
        Ok(swept) => tracing::info!(swept.due, swept.failed, duration_ms, "swept"),
        Err(error) => tracing::error!(error = &error as &dyn std::error::Error, duration_ms, "the sweep stopped"),
    }
}

/// Lambda's one entry: a batch of tasks, or the schedule.
pub async fn handle_any(platform: &Platform, event: Value) -> SqsBatchResponse {
    if event.get("Records").is_none() {
        tick(platform).await;
        return SqsBatchResponse::default();
    }
    match serde_json::from_value(event) {
        Ok(batch) => handle(platform, batch).await,
        Err(error) => {
            tracing::error!(%error, "an event of no known kind");
            SqsBatchResponse::default()
        }
    }
}
