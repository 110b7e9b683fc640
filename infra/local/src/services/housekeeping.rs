//! What DynamoDB and S3 do by themselves: items go after their time to live, objects after their bucket's lifecycle.

use std::time::Duration;

use dynoxide::Database;
use local_s3::Store;
use shared::clock::Clock;
use tokio::time::MissedTickBehavior;

use crate::stop::{Stop, stopped};

/// Nothing depends on being removed in time: expiry is compared where it matters.
const EVERY: Duration = Duration::from_secs(3_600);

/// Cleans up once an hour until `stop` holds true, for the first time an hour after the start, which shall be quick.
pub(super) async fn run(database: Database, store: Store, mut stop: Stop) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = ticks.tick() => {}
        }
        let (database, store) = (database.clone(), store.clone());
        let cleaned = tokio::task::spawn_blocking(move || {
            match database.sweep_ttl() {
                Ok(items) => tracing::debug!(items, "expired items removed"),
                Err(error) => tracing::error!(%error, "expired items can't be removed"),
            }
            match store.expire(Clock::system().now()) {
                Ok(expired) => tracing::debug!(objects = expired.objects, uploads = expired.uploads, "expired objects removed"),
                Err(error) => tracing::error!(%error, "expired objects can't be removed"),
            }
        });
        if cleaned.await.is_err() {
            tracing::error!("cleaning up panicked");
        }
    }
}
