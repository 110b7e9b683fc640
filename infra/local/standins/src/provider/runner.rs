//! What moves requests on: starts them when a place is free, runs them, completes them, forgets them.

use super::Inner;
use super::fault::Fault;
use super::files;
use super::routes::later;
use super::schema;
use super::sentinel::{Sentinel, Sentinels};
use super::store::{self, Ending, File, Request, State, StoreError};
use super::webhook;
use super::work::{self, Made};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a result is kept, in milliseconds, and how long when it is large.
const RESULT_MS: i64 = 3_600_000;
const LARGE_RESULT_MS: i64 = 360_000;
/// What counts as a large result, in bytes.
const LARGE_RESULT_BYTES: usize = 10 * 1024;
/// A request that never ended is forgotten after a day.
const ABANDONED_MS: i64 = 86_400_000;
/// Longest sleep without looking, so that a jump of the clock is seen.
const MAX_SLEEP: Duration = Duration::from_secs(30);
/// Time between two sweeps for what has expired, in milliseconds.
const SWEEP_MS: i64 = 30_000;
/// How many webhooks are under way at a time.
const DELIVERIES_AT_ONCE: usize = 16;

/// How a run went.
pub(super) struct Ended {
    outcome: Result<Made, Fault>,
    sentinels: Sentinels,
    inference_s: f64,
}

impl Ended {
    /// A run that failed before it began.
    pub(super) fn failed(fault: Fault) -> Self {
        Self { outcome: Err(fault), sentinels: Sentinels::default(), inference_s: 0.0 }
    }
}

enum Finished {
    Run,
    Delivery,
}

/// Works until `shutdown`.
pub(super) async fn run(inner: &Arc<Inner>, shutdown: impl Future<Output = ()> + Send) {
    let mut tasks = JoinSet::new();
    let mut delivering = 0;
    let mut swept_ms = i64::MIN;
    match inner.store.call(store::running).await {
        Ok(running) => running.into_iter().for_each(|request| spawn(inner, &mut tasks, request)),
        Err(error) => report(&error),
    }
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let now_ms = inner.clock.now_ms();
        let sleep = match step(inner, now_ms, &mut tasks, &mut delivering, &mut swept_ms).await {
            Ok(due_ms) => Duration::from_millis(u64::try_from(due_ms.saturating_sub(now_ms)).unwrap_or(0)).min(MAX_SLEEP),
            Err(error) => {
                report(&error);
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = &mut shutdown => break,
            () = inner.wake.notified() => {}
            () = tokio::time::sleep(sleep) => {}
            Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                // A delivery that panicked keeps its place in the count until the next start, which its lease bounds too.
                if matches!(done, Ok(Finished::Delivery)) {
                    delivering -= 1;
                }
            }
        }
    }
    // What runs is in the store as running, and begins again at the next start.
    tasks.shutdown().await;
}

/// One look at the store. Returns when to look again.
async fn step(
    inner: &Arc<Inner>,
    now_ms: i64,
    tasks: &mut JoinSet<Finished>,
    delivering: &mut usize,
    swept_ms: &mut i64,
) -> Result<i64, StoreError> {
    for request in inner.store.call(move |tx| store::overdue(tx, now_ms)).await? {
        let fault = Fault::Request { status: 504, error_type: "request_timeout", detail: "Request timed out" };
        let ending = ending(inner, &request, Ended::failed(fault));
        inner.store.call(move |tx| store::complete(tx, &request.id, State::Queued, &ending)).await?;
        inner.wake();
    }

    let (settings, clock) = (inner.settings(), inner.clock.clone());
    let started = inner
        .store
        .call(move |tx| {
            // Read again: no run shall begin before the one ended whose place it takes.
            let now_ms = clock.now_ms();
            let mut started = Vec::new();
            for mut request in store::startable(tx, now_ms, settings.concurrency)? {
                let video = schema::endpoint(&request.endpoint).is_some_and(|endpoint| endpoint.task.is_video());
                let input: Value = serde_json::from_str(&request.input).unwrap_or_default();
                let delay = match Sentinels::of(&input) {
                    sentinels if sentinels.has(Sentinel::RunLate) => settings.late_delay,
                    _ if video => settings.video_delay,
                    _ => settings.image_delay,
                };
                let until_ms = later(now_ms, delay);
                if store::start(tx, &request.id, now_ms, until_ms)? {
                    (request.started_ms, request.until_ms) = (Some(now_ms), Some(until_ms));
                    started.push(request);
                }
            }
            Ok(started)
        })
        .await?;
    if !started.is_empty() {
        inner.wake();
    }
    started.into_iter().for_each(|request| spawn(inner, tasks, request));

    let free = DELIVERIES_AT_ONCE.saturating_sub(*delivering);
    let leased = inner.store.call(move |tx| store::lease_deliveries(tx, now_ms, now_ms.saturating_add(webhook::LEASE_MS), free)).await?;
    for delivery in leased {
        *delivering += 1;
        let inner = Arc::clone(inner);
        tasks.spawn(async move {
            if let Err(error) = webhook::deliver(&inner, delivery).await {
                report(&error);
            }
            inner.wake();
            Finished::Delivery
        });
    }

    if now_ms.saturating_sub(*swept_ms) >= SWEEP_MS {
        let tokens = inner.store.call(move |tx| store::sweep(tx, now_ms, now_ms.saturating_sub(ABANDONED_MS))).await?;
        let dir = inner.files_dir();
        tokio::task::spawn_blocking(move || files::remove(&dir, tokens)).await?;
        *swept_ms = now_ms;
        inner.wake();
    }
    let due_ms = inner.store.call(move |tx| store::next_due(tx, now_ms)).await?;
    Ok(due_ms.unwrap_or(i64::MAX).min(swept_ms.saturating_add(SWEEP_MS)))
}

fn spawn(inner: &Arc<Inner>, tasks: &mut JoinSet<Finished>, request: Request) {
    if request.hangs {
        return;
    }
    let inner = Arc::clone(inner);
    tasks.spawn(async move {
        if let Err(error) = perform(&inner, request).await {
            report(&error);
        }
        inner.wake();
        Finished::Run
    });
}

/// Runs one request to its end.
async fn perform(inner: &Inner, request: Request) -> Result<(), StoreError> {
    let begun = std::time::Instant::now();
    let input: Value = serde_json::from_str(&request.input).unwrap_or_default();
    let sentinels = Sentinels::of(&input);
    let outcome = work::make(inner, &request, &input, &sentinels).await;
    if outcome.is_ok() {
        wait_until(inner, request.until_ms.unwrap_or_default()).await;
    }
    let waited_s = match (request.started_ms, &outcome) {
        (Some(started), Ok(_)) => Duration::from_millis(u64::try_from(inner.clock.now_ms() - started).unwrap_or(0)).as_secs_f64(),
        _ => begun.elapsed().as_secs_f64(),
    };
    let ending = ending(inner, &request, Ended { outcome, sentinels, inference_s: waited_s });
    let tokens: Vec<String> = ending.files.iter().map(|file| file.token.clone()).collect();
    let id = request.id;
    let completed = inner.store.call(move |tx| store::complete(tx, &id, State::Running, &ending)).await?;
    if !completed {
        // It was cancelled meanwhile: nobody will ever know these files.
        let dir = inner.files_dir();
        tokio::task::spawn_blocking(move || files::remove(&dir, tokens)).await?;
    }
    Ok(())
}

/// What is stored when a run ends now.
pub(super) fn ending(inner: &Inner, request: &Request, ended: Ended) -> Ending {
    let now_ms = inner.clock.now_ms();
    let (status, body, platform, units, made) = match ended.outcome {
        Ok(mut made) => {
            if let Some(timings) = made.output.get_mut("timings") {
                timings["inference"] = ended.inference_s.into();
            }
            (200, made.output.to_string(), None, made.units.unwrap_or(ended.inference_s), made.files)
        }
        Err(fault) => (fault.status(), fault.body().to_string(), fault.platform(), 0.0, Vec::new()),
    };
    let keep_ms = if body.len() >= LARGE_RESULT_BYTES { LARGE_RESULT_MS } else { RESULT_MS };
    let expires_ms = now_ms.saturating_add(keep_ms);
    let serving = files::serving(&ended.sentinels);
    let files = made.into_iter().map(|file| File {
        token: file.token,
        request: request.id.clone(),
        name: file.name,
        content_type: file.content_type.to_owned(),
        serving: serving.to_owned(),
        expires_ms: now_ms.saturating_add(files::LIFETIME_MS),
    });
    let deliveries = match request.webhook {
        Some(_) => webhook::plan(&ended.sentinels, now_ms, inner.settings().late_delay),
        None => Vec::new(),
    };
    Ending {
        status,
        body,
        error: platform.map(|(detail, _)| detail),
        error_type: platform.map(|(_, error_type)| error_type),
        units,
        inference_s: ended.inference_s,
        expires_ms,
        files: files.collect(),
        deliveries,
    }
}

/// Waits for a moment of the stand-in's clock.
async fn wait_until(inner: &Inner, moment_ms: i64) {
    let mut changes = inner.changes.subscribe();
    loop {
        let left = moment_ms.saturating_sub(inner.clock.now_ms());
        let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
            return;
        };
        // A woken runner may mean a clock that was moved.
        let _ = tokio::time::timeout(Duration::from_millis(left), changes.changed()).await;
    }
}

fn report(error: &StoreError) {
    tracing::error!(error = error as &dyn std::error::Error, "The provider stand-in's queue failed.");
}
