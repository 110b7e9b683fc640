//! Sending, receiving, hiding and deleting.
//!
//! Expired messages are never given out; they are also removed, at most [`SWEEP`] at a time, whenever their queue is
//! sent to, received from or counted. A message that was received too often is moved when the next receive meets it.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use uuid::Uuid;

use super::{Store, find};
use crate::message::{md5_of_attributes, md5_of_body};
use crate::receipt::Receipt;
use crate::settings::{MAX_MESSAGE_BYTES, MAX_VISIBILITY};
use crate::{Depths, MessageAttribute, Outgoing, QueueError, QueueInfo, Received, Sent};

/// SQS's own limit of messages in flight in one queue.
const MAX_IN_FLIGHT: u32 = 120_000;
/// At most so many expired messages are removed by one call.
const SWEEP: u32 = 1_000;
/// At most so many messages are looked at by one receive, the dead ones included.
const SCAN: u32 = 100;
/// SQS's own limit of entries in a batch.
const MAX_BATCH: usize = 10;

/// What a receive found.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) messages: Vec<Received>,
    /// When the next hidden message comes into view, if nothing was taken.
    pub(crate) next_due_ms: Option<i64>,
    /// The dead-letter queue that got messages.
    pub(crate) dead_letters: Option<i64>,
    /// Nothing was taken, but there may be more to look at right now.
    pub(crate) again: bool,
}

impl Store {
    /// Sends up to ten messages in one transaction; each is accepted or refused by itself.
    pub(crate) fn send(
        &mut self,
        queue: &str,
        messages: &[Outgoing],
        now: i64,
    ) -> Result<(i64, Vec<Result<Sent, QueueError>>), QueueError> {
        check_count(messages.len())?;
        let total: usize = messages.iter().map(Outgoing::size).sum();
        if messages.len() > 1 && total > MAX_MESSAGE_BYTES as usize {
            return Err(QueueError::BatchTooLong(total));
        }
        let transaction = self.connection.transaction()?;
        let queue = find(&transaction, queue)?.ok_or(QueueError::NoSuchQueue)?;
        sweep(&transaction, &queue, now)?;
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            results.push(match message.check(queue.settings.max_message_bytes) {
                Ok(()) => Ok(insert(&transaction, &queue, message, now)?),
                Err(error) => Err(error),
            });
        }
        transaction.commit()?;
        Ok((queue.id, results))
    }

    /// Takes up to `max` messages and hides them for `visibility` seconds.
    pub(crate) fn receive(&mut self, queue: &str, max: u32, visibility: Option<u32>, now: i64) -> Result<Taken, QueueError> {
        let transaction = self.connection.transaction()?;
        let queue = find(&transaction, queue)?.ok_or(QueueError::NoSuchQueue)?;
        sweep(&transaction, &queue, now)?;
        let candidates = candidates(&transaction, &queue, now)?;
        let mut taken = Taken::default();
        if candidates.is_empty() {
            taken.next_due_ms = transaction
                .prepare_cached("SELECT min(visible_ms) FROM message WHERE queue_id = ?1 AND visible_ms > ?2")?
                .query_row(params![queue.id, now], |row| row.get(0))?;
            transaction.commit()?;
            return Ok(taken);
        }
        if in_flight(&transaction, queue.id, now)? >= MAX_IN_FLIGHT {
            return Err(QueueError::OverLimit("messages in flight"));
        }
        let dead_letters = match &queue.settings.redrive {
            Some(policy) => find(&transaction, &policy.dead_letter_queue)?.map(|to| (to, policy.max_receive_count)),
            None => None,
        };
        let visible_ms = now + 1_000 * i64::from(visibility.unwrap_or(queue.settings.visibility_timeout));
        taken.again = candidates.len() == SCAN as usize;
        for (seq, receive_count) in candidates {
            if let Some((to, max_receives)) = &dead_letters
                && receive_count >= *max_receives
            {
                bury(&transaction, seq, to.id, &queue.name, now)?;
                taken.dead_letters = Some(to.id);
                continue;
            }
            taken.messages.push(take(&transaction, queue.id, seq, visible_ms, now)?);
            if taken.messages.len() >= max as usize {
                break;
            }
        }
        transaction.commit()?;
        taken.again &= taken.messages.is_empty();
        Ok(taken)
    }

    /// Deletes what the handles hold. `true`: it was there under this very receipt.
    pub(crate) fn delete(&mut self, queue: &str, handles: &[String]) -> Result<Vec<Result<bool, QueueError>>, QueueError> {
        check_count(handles.len())?;
        let transaction = self.connection.transaction()?;
        let queue = find(&transaction, queue)?.ok_or(QueueError::NoSuchQueue)?;
        let mut results = Vec::with_capacity(handles.len());
        {
            let mut statement = transaction.prepare_cached("DELETE FROM message WHERE seq = ?1 AND queue_id = ?2 AND receipt = ?3")?;
            for handle in handles {
                results.push(match Receipt::decode(handle, queue.id) {
                    Ok(receipt) => Ok(statement.execute(params![receipt.seq, queue.id, receipt.nonce])? == 1),
                    Err(error) => Err(error),
                });
            }
        }
        transaction.commit()?;
        Ok(results)
    }

    /// Hides what the handles hold for so many seconds from now.
    pub(crate) fn change_visibility(
        &mut self,
        queue: &str,
        changes: &[(String, u32)],
        now: i64,
    ) -> Result<(i64, Vec<Result<(), QueueError>>), QueueError> {
        check_count(changes.len())?;
        let transaction = self.connection.transaction()?;
        let queue = find(&transaction, queue)?.ok_or(QueueError::NoSuchQueue)?;
        let mut results = Vec::with_capacity(changes.len());
        for (handle, seconds) in changes {
            results.push(match Receipt::decode(handle, queue.id) {
                Ok(receipt) => hide(&transaction, &receipt, *seconds, now)?,
                Err(error) => Err(error),
            });
        }
        transaction.commit()?;
        Ok((queue.id, results))
    }

    /// How many messages the queue holds.
    pub(crate) fn depths(&mut self, queue: &str, now: i64) -> Result<Depths, QueueError> {
        let transaction = self.connection.transaction()?;
        let queue = find(&transaction, queue)?.ok_or(QueueError::NoSuchQueue)?;
        sweep(&transaction, &queue, now)?;
        let depths = transaction
            .prepare_cached(
                "SELECT count(*) FILTER (WHERE visible_ms <= ?2),
                        count(*) FILTER (WHERE visible_ms > ?2 AND receipt IS NOT NULL),
                        count(*) FILTER (WHERE visible_ms > ?2 AND receipt IS NULL)
                 FROM message WHERE queue_id = ?1 AND sent_ms > ?3",
            )?
            .query_row(params![queue.id, now, cutoff(&queue, now)], |row| {
                Ok(Depths { visible: row.get(0)?, in_flight: row.get(1)?, delayed: row.get(2)? })
            })?;
        transaction.commit()?;
        Ok(depths)
    }

    /// Deletes every message of the queue and says how many there were.
    pub(crate) fn purge(&mut self, queue: &str) -> Result<usize, QueueError> {
        let queue = self.queue(queue)?;
        Ok(self.connection.execute("DELETE FROM message WHERE queue_id = ?1", [queue.id])?)
    }

    /// Ends the visibility timeout of every received message and says how many there were. Delayed ones stay delayed.
    pub(crate) fn release(&mut self, now: i64) -> Result<usize, QueueError> {
        Ok(self.connection.execute("UPDATE message SET visible_ms = ?1 WHERE visible_ms > ?1 AND receipt IS NOT NULL", [now])?)
    }
}

/// One to ten entries.
fn check_count(entries: usize) -> Result<(), QueueError> {
    match entries {
        0 => Err(QueueError::EmptyBatch),
        1..=MAX_BATCH => Ok(()),
        more => Err(QueueError::TooManyEntries(more)),
    }
}

/// Messages sent at this time or earlier have expired.
pub(super) fn cutoff(queue: &QueueInfo, now: i64) -> i64 {
    now - 1_000 * i64::from(queue.settings.retention)
}

/// Removes expired messages.
fn sweep(transaction: &Transaction<'_>, queue: &QueueInfo, now: i64) -> Result<(), QueueError> {
    transaction
        .prepare_cached(
            "DELETE FROM message WHERE seq IN
             (SELECT seq FROM message WHERE queue_id = ?1 AND sent_ms <= ?2 ORDER BY sent_ms LIMIT ?3)",
        )?
        .execute(params![queue.id, cutoff(queue, now), SWEEP])?;
    Ok(())
}

fn insert(transaction: &Transaction<'_>, queue: &QueueInfo, message: &Outgoing, now: i64) -> Result<Sent, QueueError> {
    let message_id = Uuid::now_v7().to_string();
    let attributes = serde_json::to_string(&message.attributes)
        .map_err(|_| QueueError::InvalidParameter("The message attributes are invalid.".to_owned()))?;
    let delay = message.delay.unwrap_or(queue.settings.delay);
    transaction
        .prepare_cached(
            "INSERT INTO message (queue_id, message_id, body, attributes, trace_header, sent_ms, visible_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![queue.id, message_id, message.body, attributes, message.trace_header, now, now + 1_000 * i64::from(delay),])?;
    let trace_header = message.trace_header.as_ref().map(|value| MessageAttribute::string(value.as_str()));
    let attributes = message.attributes.iter().map(|(name, value)| (name.as_str(), value));
    Ok(Sent {
        message_id,
        md5_of_body: md5_of_body(&message.body),
        md5_of_attributes: md5_of_attributes(attributes),
        md5_of_trace_header: md5_of_attributes(trace_header.iter().map(|value| ("AWSTraceHeader", value))),
    })
}

/// The longest visible messages of the queue and how often each was received, at most [`SCAN`]. Bodies are read only
/// for what is taken: they may be 1 MiB each.
fn candidates(transaction: &Transaction<'_>, queue: &QueueInfo, now: i64) -> Result<Vec<(i64, u32)>, QueueError> {
    let mut statement = transaction.prepare_cached(
        "SELECT seq, receive_count FROM message
         WHERE queue_id = ?1 AND visible_ms <= ?2 AND sent_ms > ?3 ORDER BY visible_ms, seq LIMIT ?4",
    )?;
    let rows = statement.query_map(params![queue.id, now, cutoff(queue, now), SCAN], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Hides a message under a new receipt.
fn take(transaction: &Transaction<'_>, queue_id: i64, seq: i64, visible_ms: i64, now: i64) -> Result<Received, QueueError> {
    let receipt = Receipt::new(queue_id, seq)?;
    Ok(transaction
        .prepare_cached(
            "UPDATE message SET visible_ms = ?2, receipt = ?3, receive_count = receive_count + 1, received_ms = ?4,
                                first_received_ms = coalesce(first_received_ms, ?4)
             WHERE seq = ?1
             RETURNING message_id, body, attributes, trace_header, receive_count, sent_ms, first_received_ms,
                       source_queue",
        )?
        .query_row(params![seq, visible_ms, receipt.nonce, now], |row| read_message(row, receipt.encode()))?)
}

fn read_message(row: &Row<'_>, receipt_handle: String) -> rusqlite::Result<Received> {
    let attributes: String = row.get(2)?;
    let attributes = serde_json::from_str(&attributes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into()))?;
    Ok(Received {
        message_id: row.get(0)?,
        receipt_handle,
        body: row.get(1)?,
        attributes,
        trace_header: row.get(3)?,
        receive_count: row.get(4)?,
        sent_ms: row.get(5)?,
        first_received_ms: row.get(6)?,
        source_queue: row.get(7)?,
    })
}

/// Moves a message to the dead-letter queue: same id, same sending time, nobody's receipt, no receives yet.
fn bury(transaction: &Transaction<'_>, seq: i64, to: i64, source: &str, now: i64) -> Result<(), QueueError> {
    transaction
        .prepare_cached(
            "UPDATE message SET queue_id = ?2, source_queue = ?3, visible_ms = ?4, receive_count = 0,
                                first_received_ms = NULL, received_ms = NULL, receipt = NULL
             WHERE seq = ?1",
        )?
        .execute(params![seq, to, source, now])?;
    Ok(())
}

/// Hides one message for `seconds` from now, if `receipt` still holds it.
fn hide(transaction: &Transaction<'_>, receipt: &Receipt, seconds: u32, now: i64) -> Result<Result<(), QueueError>, QueueError> {
    let received_ms: Option<i64> = transaction
        .prepare_cached("SELECT received_ms FROM message WHERE seq = ?1 AND queue_id = ?2 AND receipt = ?3 AND visible_ms > ?4")?
        .query_row(params![receipt.seq, receipt.queue_id, receipt.nonce, now], |row| row.get(0))
        .optional()?;
    let Some(received_ms) = received_ms else {
        return Ok(Err(QueueError::NotInFlight));
    };
    let visible_ms = now + 1_000 * i64::from(seconds);
    if seconds > MAX_VISIBILITY || visible_ms > received_ms + 1_000 * i64::from(MAX_VISIBILITY) {
        return Ok(Err(QueueError::InvalidParameter(format!(
            "Total VisibilityTimeout for the message is beyond the limit [{MAX_VISIBILITY} seconds]"
        ))));
    }
    transaction.prepare_cached("UPDATE message SET visible_ms = ?2 WHERE seq = ?1")?.execute(params![receipt.seq, visible_ms])?;
    Ok(Ok(()))
}

/// How many messages of the queue are in flight, counted up to the limit.
fn in_flight(connection: &Connection, queue_id: i64, now: i64) -> Result<u32, QueueError> {
    Ok(connection
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM message
             WHERE queue_id = ?1 AND visible_ms > ?2 AND receipt IS NOT NULL LIMIT ?3)",
        )?
        .query_row(params![queue_id, now, MAX_IN_FLIGHT], |row| row.get(0))?)
}
