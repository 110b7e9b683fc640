//! Plays EventBridge's schedules: wakes a function at a fixed rate with a real scheduled event.
//!
//! The first event comes at once: after a start there is work that waited, and nobody should wait a minute longer. A run that
//! takes longer than the rate delays the next one instead of meeting it, and missed events are not made up for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::id::RecordId;
use tokio::time::MissedTickBehavior;

use crate::gateway::ACCOUNT;
use crate::stop::{Stop, stopped};

/// A function that is woken by a schedule.
#[derive(Clone)]
pub struct ScheduleHandler(Arc<dyn Fn(EventBridgeEvent) -> BoxFuture<'static, ()> + Send + Sync>);

impl ScheduleHandler {
    /// Calls `handle` for each event.
    pub fn new<F>(handle: impl Fn(EventBridgeEvent) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |event| Box::pin(handle(event))))
    }
}

impl fmt::Debug for ScheduleHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScheduleHandler")
    }
}

/// One schedule.
#[derive(Clone, Debug)]
pub struct Ticker {
    /// Name of the rule.
    pub rule: String,
    /// From one event to the next.
    pub every: Duration,
    /// When an invocation is given up.
    pub timeout: Duration,
    /// What is woken.
    pub handler: ScheduleHandler,
    /// When it is.
    pub clock: Clock,
}

impl Ticker {
    /// Wakes the function until `stop` holds true; a run that is under way then is left off, as its next one repeats it.
    pub async fn run(self, mut stop: Stop) {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let round = async {
                ticks.tick().await;
                self.wake().await;
            };
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = round => {}
            }
        }
    }

    async fn wake(&self) {
        let event = match serde_json::from_value(event(&self.rule, self.clock.now())) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(rule = %self.rule, %error, "the scheduled event could not be made");
                return;
            }
        };
        let mut task = AbortOnDrop(tokio::spawn((self.handler.0)(event)));
        match tokio::time::timeout(self.timeout, &mut task.0).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!(rule = %self.rule, "the scheduled function panicked"),
            Err(_) => tracing::error!(rule = %self.rule, timeout = ?self.timeout, "the scheduled function took too long"),
        }
    }
}

/// A task that doesn't outlive whoever waits for it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn event(rule: &str, at: Timestamp) -> Value {
    json!({
        "version": "0",
        "id": RecordId::new(at).to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": "us-east-1",
        "resources": [format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}")],
        "detail": {},
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::watch;

    use super::*;

    #[test]
    fn the_event_has_the_recorded_shape() {
        let made = event("WorkerFunctionTick", "2026-11-23T01:02:03.5Z".parse().unwrap());
        assert_eq!(made["time"], "2026-11-23T01:02:03Z");
        assert_eq!(made["resources"][0], "arn:aws:events:us-east-1:000000000000:rule/WorkerFunctionTick");
        let parsed: EventBridgeEvent = serde_json::from_value(made).unwrap();
        assert_eq!((parsed.detail_type.as_str(), parsed.source.as_str()), ("Scheduled Event", "aws.events"));
    }

    #[tokio::test(start_paused = true)]
    async fn it_wakes_at_once_and_then_at_its_rate_whatever_the_function_does() {
        let count = Arc::new(AtomicU32::new(0));
        let calls = Arc::clone(&count);
        let handler = ScheduleHandler::new(move |_| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                match call {
                    0 => panic!("on purpose"),
                    1 => std::future::pending().await,
                    _ => {}
                }
            }
        });
        let ticker = Ticker {
            rule: "r".to_owned(),
            every: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            handler,
            clock: Clock::system(),
        };
        let (stop, stopping) = watch::channel(false);
        let running = tokio::spawn(ticker.run(stopping));
        tokio::time::sleep(Duration::from_secs(200)).await;
        stop.send_replace(true);
        running.await.unwrap();
        // At 0 s, 60 s (given up at 70 s, which delays the next one by nothing), 120 s and 180 s.
        assert_eq!(count.load(Ordering::SeqCst), 4);
    }
}
