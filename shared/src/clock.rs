//! Time, held still in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Where "now" comes from. Cloning shares the source.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Milliseconds since the epoch when a test has set the time; the system's clock otherwise.
    manual: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at `at` until it is moved by [`Clock::advance`].
    pub fn manual(at: Timestamp) -> Self {
        Self { manual: Some(Arc::new(AtomicI64::new(at.as_millisecond()))) }
    }

    /// The current time, in whole milliseconds: what DynamoDB, JSON and comparisons all keep exactly.
    pub fn now(&self) -> Timestamp {
        let millis = match &self.manual {
            Some(at) => at.load(Ordering::SeqCst),
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
            None => Timestamp::now().as_millisecond(),
        };
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
    }

    /// Moves a manual clock forward by `millis`; the system's clock ignores it.
    pub fn advance(&self, millis: i64) {
        if let Some(at) = &self.manual {
            at.fetch_add(millis, Ordering::SeqCst);
        }
    }
}
