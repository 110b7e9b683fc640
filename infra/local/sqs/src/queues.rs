//! The queues as asynchronous calls, and the long poll.
//!
//! One call at a time touches the store, on a blocking thread. A call that was started is finished even if its caller
//! goes away; only the waiting part of a receive can be abandoned, so no message is hidden for nobody by a poll that ends.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use crate::settings::{MAX_VISIBILITY, MAX_WAIT};
use crate::store::{OnExisting, Store, Taken};
use crate::{Depths, Outgoing, QueueError, QueueInfo, Receive, Received, Redriven, Sent, Settings};

/// Tells the time. It should agree with the runtime's timers, which end the waits.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// More calls than that, running and waiting for the store, are refused with [`QueueError::Busy`]. Long polls don't count
/// while they wait.
const MAX_CALLS: usize = 1_024;

/// Every queue in one file. Clones share it; the file closes with the last one.
#[derive(Clone)]
pub struct Queues {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Mutex<Store>>,
    calls: Semaphore,
    clock: Clock,
    /// Who waits in which queue; one entry for a queue that was ever received from, at most 1 000 queues.
    waiters: StdMutex<HashMap<i64, Arc<Notify>>>,
}

impl Queues {
    /// Opens the file, or makes it. Exactly one process should have it open.
    ///
    /// # Errors
    /// [`QueueError::Storage`], [`QueueError::Format`].
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, QueueError> {
        Self::open_with_clock(path, Arc::new(Timestamp::now)).await
    }

    /// Opens the file under another clock.
    ///
    /// # Errors
    /// [`QueueError::Storage`], [`QueueError::Format`].
    pub async fn open_with_clock(path: impl Into<PathBuf>, clock: Clock) -> Result<Self, QueueError> {
        let path = path.into();
        let store = spawn_blocking(move || Store::open(&path)).await.map_err(|_| PANICKED)??;
        Ok(Self {
            inner: Arc::new(Inner {
                store: Arc::new(Mutex::new(store)),
                calls: Semaphore::new(MAX_CALLS),
                clock,
                waiters: StdMutex::default(),
            }),
        })
    }

    /// Creates a queue; does nothing if it exists with the same settings. A dead-letter queue comes before its sources.
    ///
    /// # Errors
    /// [`QueueError::NameTaken`] if it exists with others, [`QueueError::InvalidAttributeValue`],
    /// [`QueueError::InvalidParameter`] for the name, [`QueueError::OverLimit`] at 1 000 queues.
    pub async fn create(&self, name: &str, settings: Settings) -> Result<QueueInfo, QueueError> {
        self.create_with(name, OnExisting::MustEqual, |_| Ok(settings)).await
    }

    /// Creates a queue, or gives it these settings if it exists; its messages stay.
    ///
    /// # Errors
    /// As [`Queues::create`], without `NameTaken`.
    pub async fn ensure(&self, name: &str, settings: Settings) -> Result<QueueInfo, QueueError> {
        self.create_with(name, OnExisting::Change, |_| Ok(settings)).await
    }

    /// Creates or changes a queue, with settings made from its present ones.
    pub(crate) async fn create_with(
        &self,
        name: &str,
        on_existing: OnExisting,
        settings: impl FnOnce(Settings) -> Result<Settings, QueueError> + Send + 'static,
    ) -> Result<QueueInfo, QueueError> {
        let name = name.to_owned();
        self.run(move |store, now| store.create(&name, on_existing, settings, now)).await
    }

    /// A queue's settings.
    ///
    /// # Errors
    /// [`QueueError::NoSuchQueue`].
    pub async fn info(&self, queue: &str) -> Result<QueueInfo, QueueError> {
        let queue = queue.to_owned();
        self.run(move |store, _| store.queue(&queue)).await
    }

    /// Names of queues in order: those that start with `prefix`, after the name `after` (empty: from the beginning), at
    /// most `limit`.
    ///
    /// # Errors
    /// [`QueueError::Storage`].
    pub async fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, QueueError> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.run(move |store, _| store.list(&prefix, &after, limit)).await
    }

    /// Deletes a queue and everything in it.
    ///
    /// # Errors
    /// [`QueueError::NoSuchQueue`].
    pub async fn delete_queue(&self, queue: &str) -> Result<(), QueueError> {
        let queue = queue.to_owned();
        let id = self.run(move |store, _| store.delete_queue(&queue)).await?;
        self.wake(id);
        self.inner.waiters.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(())
    }

    /// Deletes every message of a queue, those in flight too, and returns how many.
    ///
    /// # Errors
    /// [`QueueError::NoSuchQueue`].
    pub async fn purge(&self, queue: &str) -> Result<usize, QueueError> {
        let queue = queue.to_owned();
        self.run(move |store, _| store.purge(&queue)).await
    }

    /// Ends every visibility timeout at once and returns how many messages are to be had again. For the start of a process
    /// that was the only one to receive: whoever held a message died with the one before it, and nobody should wait out
    /// the timeout. Receive counts stay, so a message that kills its receiver still ends in the dead-letter queue.
    ///
    /// # Errors
    /// [`QueueError::Storage`].
    pub async fn release_in_flight(&self) -> Result<usize, QueueError> {
        let released = self.run(move |store, now| store.release(now)).await?;
        let waiters = self.inner.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in waiters.values() {
            notify.notify_waiters();
        }
        Ok(released)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`QueueError::NoSuchQueue`], [`QueueError::InvalidParameter`], [`QueueError::InvalidContents`],
    /// [`QueueError::MissingParameter`], [`QueueError::Busy`], [`QueueError::Storage`].
    pub async fn send(&self, queue: &str, message: Outgoing) -> Result<Sent, QueueError> {
        only(self.send_batch(queue, vec![message]).await?)
    }

    /// Sends one to ten messages, together at most 1 MiB, with one flush to disk. Each has its own result, in order.
    ///
    /// # Errors
    /// [`QueueError::EmptyBatch`], [`QueueError::TooManyEntries`], [`QueueError::BatchTooLong`], and what concerns all.
    pub async fn send_batch(&self, queue: &str, messages: Vec<Outgoing>) -> Result<Vec<Result<Sent, QueueError>>, QueueError> {
        let queue = queue.to_owned();
        let (id, results) = self.run(move |store, now| store.send(&queue, &messages, now)).await?;
        self.wake(id);
        Ok(results)
    }

    /// Receives messages and hides them. Waits for the first one as long as `request` says; a send, a delay that ends and
    /// a visibility timeout that ends wake it at once.
    ///
    /// # Errors
    /// [`QueueError::NoSuchQueue`], [`QueueError::InvalidParameter`], [`QueueError::OverLimit`] with 120 000 messages in
    /// flight, [`QueueError::Busy`], [`QueueError::Storage`].
    pub async fn receive(&self, queue: &str, request: &Receive) -> Result<Vec<Received>, QueueError> {
        self.receive_until(queue, request, std::future::pending()).await
    }

    /// Like [`Queues::receive`], but ends the wait, with nothing, when `stop` is ready. This is how to stop a poller:
    /// dropping a receive may hide messages that nobody got.
    ///
    /// # Errors
    /// As [`Queues::receive`].
    pub async fn receive_until(&self, queue: &str, request: &Receive, stop: impl Future<Output = ()>) -> Result<Vec<Received>, QueueError> {
        check_receive(request)?;
        let info = self.info(queue).await?;
        let wait = request.wait.unwrap_or(info.settings.receive_wait);
        let deadline = Instant::now() + Duration::from_secs(wait.into());
        let notify = self.waiters_of(info.id);
        tokio::pin!(stop);
        loop {
            // Registered before looking, so that a send between the look and the wait isn't missed.
            let notified = notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();

            let (name, max, visibility) = (queue.to_owned(), request.max, request.visibility);
            let (taken, now) = self.run(move |store, now| store.receive(&name, max, visibility, now).map(|taken| (taken, now))).await?;
            let Taken { messages, next_due_ms, dead_letters, again } = taken;
            if let Some(id) = dead_letters {
                self.wake(id);
            }
            if !messages.is_empty() {
                return Ok(messages);
            }
            if again {
                // Every such round has moved a hundred dead letters, so there is an end to it.
                continue;
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
            let until = match next_due_ms.and_then(|due| u64::try_from(due - now).ok()) {
                Some(ahead) => deadline.min(Instant::now() + Duration::from_millis(ahead)),
                None => deadline,
            };
            tokio::select! {
                () = &mut notified => {}
                () = sleep_until(until) => {}
                () = &mut stop => return Ok(Vec::new()),
            }
        }
    }

    /// Deletes a message. `false`: it was gone, or has been received again since; then nothing happens, as in SQS.
    ///
    /// # Errors
    /// [`QueueError::InvalidReceipt`] for what isn't a handle of this queue, [`QueueError::NoSuchQueue`].
    pub async fn delete(&self, queue: &str, receipt_handle: &str) -> Result<bool, QueueError> {
        only(self.delete_batch(queue, vec![receipt_handle.to_owned()]).await?)
    }

    /// Deletes one to ten messages with one flush to disk. Each has its own result, in order.
    ///
    /// # Errors
    /// [`QueueError::EmptyBatch`], [`QueueError::TooManyEntries`], and what concerns all.
    pub async fn delete_batch(&self, queue: &str, receipt_handles: Vec<String>) -> Result<Vec<Result<bool, QueueError>>, QueueError> {
        let queue = queue.to_owned();
        self.run(move |store, _| store.delete(&queue, &receipt_handles)).await
    }

    /// Hides a message for `seconds` from now, 0 to 43 200; 0 makes it visible at once.
    ///
    /// # Errors
    /// [`QueueError::NotInFlight`], [`QueueError::InvalidReceipt`], [`QueueError::InvalidParameter`] beyond 12 hours after
    /// the receive, [`QueueError::NoSuchQueue`].
    pub async fn change_visibility(&self, queue: &str, receipt_handle: &str, seconds: u32) -> Result<(), QueueError> {
        only(self.change_visibility_batch(queue, vec![(receipt_handle.to_owned(), seconds)]).await?)
    }

    /// Hides one to ten messages. Each has its own result, in order.
    ///
    /// # Errors
    /// [`QueueError::EmptyBatch`], [`QueueError::TooManyEntries`], and what concerns all.
    pub async fn change_visibility_batch(
        &self,
        queue: &str,
        changes: Vec<(String, u32)>,
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        let queue = queue.to_owned();
        let (id, results) = self.run(move |store, now| store.change_visibility(&queue, &changes, now)).await?;
        self.wake(id);
        Ok(results)
    }

    /// How many messages a queue holds.
    ///
    /// # Errors
    /// [`QueueError::NoSuchQueue`].
    pub async fn depths(&self, queue: &str) -> Result<Depths, QueueError> {
        let queue = queue.to_owned();
        self.run(move |store, now| store.depths(&queue, now)).await
    }

    /// Moves the visible messages of a dead-letter queue back to the queues they died in.
    ///
    /// # Errors
    /// [`QueueError::NoSuchSource`], [`QueueError::InvalidParameter`] if it is nobody's dead-letter queue. After
    /// [`QueueError::Storage`] a part may have been moved; what wasn't is still there.
    pub async fn redrive(&self, dead_letter_queue: &str) -> Result<Redriven, QueueError> {
        self.redrive_to(dead_letter_queue, None).await
    }

    /// Like [`Queues::redrive`], with everything going to `destination` if one is given.
    ///
    /// # Errors
    /// As [`Queues::redrive`].
    pub async fn redrive_to(&self, from: &str, destination: Option<&str>) -> Result<Redriven, QueueError> {
        let (from, to) = (from.to_owned(), destination.map(ToOwned::to_owned));
        let (name, target) = (from.clone(), to.clone());
        let end = self.run(move |store, _| store.redrive_end(&name, target.as_deref())).await?;
        let mut total = Redriven::default();
        let mut after = Some(0);
        // Bounded: each step starts behind the one before, and `end` stays.
        while let Some(start) = after {
            let (name, target) = (from.clone(), to.clone());
            let step = self.run(move |store, now| store.redrive(&name, target.as_deref(), (start, end), now)).await?;
            total.moved += step.done.moved;
            total.left += step.done.left;
            after = step.after;
            for id in step.woken {
                self.wake(id);
            }
        }
        Ok(total)
    }

    /// Runs one call on the store, with the time at which it got it (milliseconds since 1970).
    async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Store, i64) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let _slot = self.inner.calls.try_acquire().map_err(|_| QueueError::Busy)?;
        let mut store = Arc::clone(&self.inner.store).lock_owned().await;
        let now = (self.inner.clock)().as_millisecond();
        spawn_blocking(move || call(&mut store, now)).await.map_err(|_| PANICKED)?
    }

    fn waiters_of(&self, queue_id: i64) -> Arc<Notify> {
        let mut waiters = self.inner.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(waiters.entry(queue_id).or_default())
    }

    /// Lets everyone who waits in the queue look again.
    fn wake(&self, queue_id: i64) {
        let waiters = self.inner.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = waiters.get(&queue_id) {
            notify.notify_waiters();
        }
    }
}

const PANICKED: QueueError = QueueError::Interrupted("the worker thread panicked");

fn check_receive(request: &Receive) -> Result<(), QueueError> {
    let ranges = [
        ("MaxNumberOfMessages", request.max, 1..=10),
        ("VisibilityTimeout", request.visibility.unwrap_or(0), 0..=MAX_VISIBILITY),
        ("WaitTimeSeconds", request.wait.unwrap_or(0), 0..=MAX_WAIT),
    ];
    match ranges.into_iter().find(|(_, value, range)| !range.contains(value)) {
        Some((name, value, range)) => Err(QueueError::InvalidParameter(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be between {} and {}, if provided.",
            range.start(),
            range.end()
        ))),
        None => Ok(()),
    }
}

/// The result of a batch of one.
fn only<T>(results: Vec<Result<T, QueueError>>) -> Result<T, QueueError> {
    results.into_iter().next().unwrap_or(Err(QueueError::EmptyBatch))
}
