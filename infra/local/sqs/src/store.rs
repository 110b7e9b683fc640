//! The `SQLite` file: its form, and the queues in it. Messages are in [`messages`], redrive in [`redrive`].
//!
//! Everything here blocks; [`crate::Queues`] calls it on a blocking thread, one call at a time. Every change is one
//! transaction on a write-ahead log that is flushed to disk (`synchronous = FULL`) before the call returns.

mod messages;
mod redrive;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::settings::check_name;
use crate::{QueueError, QueueInfo, RedrivePolicy, Settings};

pub(crate) use messages::Taken;

/// The number in `PRAGMA user_version`.
const FORMAT: i64 = 1;
/// More queues than that are a mistake.
const MAX_QUEUES: i64 = 1_000;
/// The file may grow to 4 GiB (pages of 4 KiB); then sending fails until something is received and deleted.
const MAX_PAGES: u32 = 1_048_576;

const SCHEMA: &str = "
CREATE TABLE queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    visibility_timeout INTEGER NOT NULL,
    delay INTEGER NOT NULL,
    retention INTEGER NOT NULL,
    receive_wait INTEGER NOT NULL,
    max_message_bytes INTEGER NOT NULL,
    dead_letter_queue TEXT,
    max_receive_count INTEGER,
    created_ms INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL
) STRICT;
-- visible_ms in the future means delayed without a receipt, in flight with one.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue_id INTEGER NOT NULL REFERENCES queue (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT NOT NULL,
    trace_header TEXT,
    sent_ms INTEGER NOT NULL,
    visible_ms INTEGER NOT NULL,
    receive_count INTEGER NOT NULL DEFAULT 0,
    first_received_ms INTEGER,
    received_ms INTEGER,
    receipt BLOB,
    source_queue TEXT
) STRICT;
CREATE INDEX message_due ON message (queue_id, visible_ms, seq);
CREATE INDEX message_age ON message (queue_id, sent_ms);
CREATE INDEX message_in_flight ON message (queue_id, visible_ms) WHERE receipt IS NOT NULL;
";

/// The one connection to the file.
pub(crate) struct Store {
    connection: Connection,
}

impl Store {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, QueueError> {
        let mut connection = Connection::open(path)?;
        // Somebody may read the file beside us (a backup, a curious operator).
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA max_page_count = {MAX_PAGES};"
        ))?;
        let transaction = connection.transaction()?;
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
            }
            FORMAT => {}
            found => {
                return Err(QueueError::Format { found, known: FORMAT });
            }
        }
        transaction.commit()?;
        Ok(Self { connection })
    }

    /// The queue `name`.
    pub(crate) fn queue(&self, name: &str) -> Result<QueueInfo, QueueError> {
        find(&self.connection, name)?.ok_or(QueueError::NoSuchQueue)
    }

    /// Creates the queue, unless it exists: then `on_existing` decides between keeping and changing its settings.
    pub(crate) fn create(
        &mut self,
        name: &str,
        on_existing: OnExisting,
        settings: impl FnOnce(Settings) -> Result<Settings, QueueError>,
        now: i64,
    ) -> Result<QueueInfo, QueueError> {
        check_name(name)?;
        let transaction = self.connection.transaction()?;
        let existing = find(&transaction, name)?;
        let wanted = settings(existing.as_ref().map_or_else(Settings::default, |queue| queue.settings.clone()))?;
        wanted.check()?;
        if let Some(policy) = &wanted.redrive
            && (policy.dead_letter_queue == name || find(&transaction, &policy.dead_letter_queue)?.is_none())
        {
            return Err(QueueError::InvalidParameter(
                "Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.".to_owned(),
            ));
        }
        match (existing, on_existing) {
            (None, OnExisting::Required) => return Err(QueueError::NoSuchQueue),
            (None, _) => {
                let count: i64 = transaction.query_row("SELECT count(*) FROM queue", [], |row| row.get(0))?;
                if count >= MAX_QUEUES {
                    return Err(QueueError::OverLimit("number of queues"));
                }
                transaction.execute(
                    "INSERT INTO queue (name, visibility_timeout, delay, retention, receive_wait, max_message_bytes,
                                        created_ms, modified_ms) VALUES (?1, 0, 0, 0, 0, 0, ?2, ?2)",
                    params![name, now],
                )?;
                write_settings(&transaction, name, &wanted, now)?;
            }
            (Some(existing), _) if existing.settings == wanted => return Ok(existing),
            (Some(_), OnExisting::MustEqual) => return Err(QueueError::NameTaken),
            (Some(_), OnExisting::Change | OnExisting::Required) => {
                write_settings(&transaction, name, &wanted, now)?;
            }
        }
        let queue = find(&transaction, name)?.ok_or(QueueError::NoSuchQueue)?;
        transaction.commit()?;
        Ok(queue)
    }

    /// Deletes the queue with everything in it and returns its id.
    pub(crate) fn delete_queue(&mut self, name: &str) -> Result<i64, QueueError> {
        let queue = self.queue(name)?;
        self.connection.execute("DELETE FROM queue WHERE id = ?1", [queue.id])?;
        Ok(queue.id)
    }

    /// Names in order, after `after`, starting with `prefix`, at most `limit`.
    pub(crate) fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, QueueError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name FROM queue WHERE name > ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY name LIMIT ?3")?;
        let names = statement.query_map(params![after, prefix, limit], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }
}

/// What becomes of a queue that exists already, or doesn't, when it is to be created.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnExisting {
    /// Its settings have to be the same.
    MustEqual,
    /// Its settings are changed.
    Change,
    /// Its settings are changed, and it has to exist.
    Required,
}

/// The queue `name`, if it exists.
fn find(connection: &Connection, name: &str) -> Result<Option<QueueInfo>, QueueError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, visibility_timeout, delay, retention, receive_wait, max_message_bytes, dead_letter_queue,
                max_receive_count, created_ms / 1000, modified_ms / 1000
         FROM queue WHERE name = ?1",
    )?;
    Ok(statement.query_row([name], read_queue).optional()?)
}

fn read_queue(row: &Row<'_>) -> rusqlite::Result<QueueInfo> {
    let dead_letter_queue: Option<String> = row.get(7)?;
    let max_receive_count: Option<u32> = row.get(8)?;
    let redrive = dead_letter_queue
        .zip(max_receive_count)
        .map(|(dead_letter_queue, max_receive_count)| RedrivePolicy { dead_letter_queue, max_receive_count });
    Ok(QueueInfo {
        id: row.get(0)?,
        name: row.get(1)?,
        settings: Settings {
            visibility_timeout: row.get(2)?,
            delay: row.get(3)?,
            retention: row.get(4)?,
            receive_wait: row.get(5)?,
            max_message_bytes: row.get(6)?,
            redrive,
        },
        created: row.get(9)?,
        modified: row.get(10)?,
    })
}

fn write_settings(transaction: &Transaction<'_>, name: &str, to: &Settings, now: i64) -> Result<(), QueueError> {
    transaction.execute(
        "UPDATE queue SET visibility_timeout = ?2, delay = ?3, retention = ?4, receive_wait = ?5,
                          max_message_bytes = ?6, dead_letter_queue = ?7, max_receive_count = ?8, modified_ms = ?9
         WHERE name = ?1",
        params![
            name,
            to.visibility_timeout,
            to.delay,
            to.retention,
            to.receive_wait,
            to.max_message_bytes,
            to.redrive.as_ref().map(|policy| &policy.dead_letter_queue),
            to.redrive.as_ref().map(|policy| policy.max_receive_count),
            now,
        ],
    )?;
    Ok(())
}
