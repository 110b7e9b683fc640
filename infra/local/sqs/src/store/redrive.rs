//! Bringing dead letters back.

use rusqlite::{OptionalExtension as _, Transaction, params};
use uuid::Uuid;

use super::messages::cutoff;
use super::{Store, find};
use crate::{QueueError, QueueInfo, Redriven};

/// At most so many messages are moved by one transaction.
const STEP: u32 = 500;

/// One step of a redrive.
pub(crate) struct Step {
    pub(crate) done: Redriven,
    /// The queues that got messages.
    pub(crate) woken: Vec<i64>,
    /// Where the next step goes on. `None`: this was the last.
    pub(crate) after: Option<i64>,
}

impl Store {
    /// The last message that a redrive starting now is to look at, so that it ends though letters keep coming in.
    pub(crate) fn redrive_end(&self, from: &str, to: Option<&str>) -> Result<i64, QueueError> {
        let source = find(&self.connection, from)?.ok_or(QueueError::NoSuchSource)?;
        if let Some(to) = to {
            find(&self.connection, to)?.ok_or(QueueError::NoSuchSource)?;
        }
        let used: Option<i64> =
            self.connection.query_row("SELECT 1 FROM queue WHERE dead_letter_queue = ?1", [from], |row| row.get(0)).optional()?;
        if used.is_none() || to == Some(from) {
            return Err(QueueError::InvalidParameter("Source queue must be configured as a Dead Letter Queue.".to_owned()));
        }
        Ok(self.connection.query_row("SELECT coalesce(max(seq), 0) FROM message WHERE queue_id = ?1", [source.id], |row| row.get(0))?)
    }

    /// Moves the next visible messages of the dead-letter queue `from`, those between `after` and `end`, to `to`, or each
    /// to the queue it died in.
    pub(crate) fn redrive(&mut self, from: &str, to: Option<&str>, (after, end): (i64, i64), now: i64) -> Result<Step, QueueError> {
        let transaction = self.connection.transaction()?;
        let from = find(&transaction, from)?.ok_or(QueueError::NoSuchSource)?;
        let letters = letters(&transaction, &from, (after, end), now)?;
        let mut step = Step { done: Redriven::default(), woken: Vec::new(), after: None };
        for (seq, source) in &letters {
            let target = match to.or(source.as_deref()) {
                Some(name) => find(&transaction, name)?,
                None => None,
            };
            let Some(target) = target else {
                step.done.left += 1;
                continue;
            };
            revive(&transaction, *seq, &target, now)?;
            step.done.moved += 1;
            if !step.woken.contains(&target.id) {
                step.woken.push(target.id);
            }
        }
        if letters.len() == STEP as usize {
            step.after = letters.last().map(|(seq, _)| *seq);
        }
        transaction.commit()?;
        Ok(step)
    }
}

/// The next visible messages in the order they were stored, with the queue each died in.
fn letters(
    transaction: &Transaction<'_>,
    from: &QueueInfo,
    (after, end): (i64, i64),
    now: i64,
) -> Result<Vec<(i64, Option<String>)>, QueueError> {
    let mut statement = transaction.prepare_cached(
        "SELECT seq, source_queue FROM message
         WHERE queue_id = ?1 AND seq > ?2 AND seq <= ?3 AND visible_ms <= ?4 AND sent_ms > ?5 ORDER BY seq LIMIT ?6",
    )?;
    let rows = statement.query_map(params![from.id, after, end, now, cutoff(from, now), STEP], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes a dead letter a new message of `target`: as if it were sent now, with a new id.
fn revive(transaction: &Transaction<'_>, seq: i64, target: &QueueInfo, now: i64) -> Result<(), QueueError> {
    transaction
        .prepare_cached(
            "UPDATE message SET queue_id = ?2, message_id = ?3, sent_ms = ?4, visible_ms = ?4, receive_count = 0,
                                first_received_ms = NULL, received_ms = NULL, receipt = NULL, source_queue = NULL
             WHERE seq = ?1",
        )?
        .execute(params![seq, target.id, Uuid::now_v7().to_string(), now])?;
    Ok(())
}
