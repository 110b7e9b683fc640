//! The durable queue: one `SQLite` file with the requests, their files and their webhooks.
//!
//! Invariant: every change is one transaction that names the state it expects, and it is on disk when the call returns.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS requests (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  endpoint TEXT NOT NULL,
  input TEXT NOT NULL,
  seed INTEGER NOT NULL,
  low INTEGER NOT NULL,
  hangs INTEGER NOT NULL,
  webhook TEXT,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'completed')),
  submitted_ms INTEGER NOT NULL,
  ready_ms INTEGER NOT NULL,
  start_by_ms INTEGER,
  started_ms INTEGER,
  until_ms INTEGER,
  expires_ms INTEGER,
  status INTEGER,
  body TEXT,
  error TEXT,
  error_type TEXT,
  units REAL,
  inference_s REAL
) STRICT;
CREATE INDEX IF NOT EXISTS requests_open ON requests (state, low, seq) WHERE state <> 'completed';
CREATE INDEX IF NOT EXISTS requests_expiry ON requests (expires_ms);
CREATE TABLE IF NOT EXISTS files (
  token TEXT PRIMARY KEY,
  request TEXT NOT NULL,
  name TEXT NOT NULL,
  content_type TEXT NOT NULL,
  serving TEXT NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS files_expiry ON files (expires_ms);
CREATE TABLE IF NOT EXISTS deliveries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  request TEXT NOT NULL,
  kind TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  due_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_ms);
CREATE INDEX IF NOT EXISTS deliveries_request ON deliveries (request);
";

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    Running,
    Completed,
}

/// A request to be stored.
pub(super) struct NewRequest {
    pub(super) id: String,
    pub(super) endpoint: String,
    /// The body as it came, JSON.
    pub(super) input: String,
    pub(super) seed: u64,
    pub(super) low: bool,
    pub(super) hangs: bool,
    pub(super) webhook: Option<String>,
    pub(super) submitted_ms: i64,
    pub(super) ready_ms: i64,
    pub(super) start_by_ms: Option<i64>,
}

/// A stored request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    seq: i64,
    low: bool,
    pub(super) id: String,
    pub(super) endpoint: String,
    pub(super) input: String,
    pub(super) seed: u64,
    pub(super) hangs: bool,
    pub(super) webhook: Option<String>,
    pub(super) state: State,
    pub(super) submitted_ms: i64,
    pub(super) started_ms: Option<i64>,
    /// When a running request may complete.
    pub(super) until_ms: Option<i64>,
    /// When a completed one is forgotten.
    pub(super) expires_ms: Option<i64>,
    pub(super) status: Option<u16>,
    pub(super) body: Option<String>,
    pub(super) error: Option<String>,
    pub(super) error_type: Option<String>,
    pub(super) units: Option<f64>,
    pub(super) inference_s: Option<f64>,
}

/// How a request ended.
pub(super) struct Ending {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) error: Option<&'static str>,
    pub(super) error_type: Option<&'static str>,
    pub(super) units: f64,
    pub(super) inference_s: f64,
    pub(super) expires_ms: i64,
    pub(super) files: Vec<File>,
    /// Kind and time of each webhook to send.
    pub(super) deliveries: Vec<(&'static str, i64)>,
}

/// A file that can be fetched.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) token: String,
    pub(super) request: String,
    pub(super) name: String,
    pub(super) content_type: String,
    /// How it is served: see [`super::files`].
    pub(super) serving: String,
    pub(super) expires_ms: i64,
}

/// A webhook to send.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) seq: i64,
    pub(super) request: String,
    pub(super) kind: String,
    /// How often it was tried before.
    pub(super) attempt: u32,
}

/// The queue. Clones are the same one.
#[derive(Clone)]
pub(super) struct Store(Arc<Mutex<Connection>>);

/// Why the queue didn't answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("the queue refuses")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the task was stopped")]
    Stopped(#[from] tokio::task::JoinError),
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `work` in one transaction, away from the asynchronous threads.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        Ok(tokio::task::spawn_blocking(move || store.call_now(work)).await??)
    }

    /// The same on this thread.
    pub(super) fn call_now<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

/// Stores a request as queued.
pub(super) fn insert(tx: &Transaction<'_>, new: &NewRequest) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO requests (id, endpoint, input, seed, low, hangs, webhook, state, submitted_ms, ready_ms, start_by_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'queued', ?8, ?9, ?10)",
        params![
            new.id,
            new.endpoint,
            new.input,
            new.seed.cast_signed(),
            new.low,
            new.hangs,
            new.webhook,
            new.submitted_ms,
            new.ready_ms,
            new.start_by_ms
        ],
    )?;
    Ok(())
}

/// The request called `id`.
pub(super) fn find(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<Request>> {
    tx.query_row("SELECT * FROM requests WHERE id = ?1", [id], read).optional()
}

/// How many queued requests are before this one.
pub(super) fn position(tx: &Transaction<'_>, request: &Request) -> rusqlite::Result<u32> {
    tx.query_row(
        "SELECT count(*) FROM requests WHERE state = 'queued' AND (low, seq) < (?1, ?2)",
        params![request.low, request.seq],
        |row| row.get(0),
    )
}

/// How many requests wait, in all or at one endpoint.
pub(super) fn queued(tx: &Transaction<'_>, endpoint: Option<&str>) -> rusqlite::Result<u32> {
    tx.query_row("SELECT count(*) FROM requests WHERE state = 'queued' AND (?1 IS NULL OR endpoint = ?1)", [endpoint], |row| row.get(0))
}

/// The queued requests that waited too long to start.
pub(super) fn overdue(tx: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<Vec<Request>> {
    many(tx, "SELECT * FROM requests WHERE state = 'queued' AND start_by_ms <= ?1 ORDER BY seq LIMIT 100", now_ms)
}

/// The first queued requests that may start, as many as there are free places. Those that hang take none.
pub(super) fn startable(tx: &Transaction<'_>, now_ms: i64, concurrency: usize) -> rusqlite::Result<Vec<Request>> {
    let running: usize = tx.query_row("SELECT count(*) FROM requests WHERE state = 'running' AND NOT hangs", [], |row| row.get(0))?;
    let waiting = "SELECT * FROM requests WHERE state = 'queued' AND ready_ms <= ?1 ORDER BY low, seq LIMIT 1000";
    let mut free = concurrency.saturating_sub(running);
    let ready = many(tx, waiting, now_ms)?;
    Ok(ready
        .into_iter()
        .take_while(|request| {
            let fits = request.hangs || free > 0;
            free -= usize::from(!request.hangs && fits);
            fits
        })
        .collect())
}

/// Moves a queued request to running; false if it was not queued.
pub(super) fn start(tx: &Transaction<'_>, id: &str, now_ms: i64, until_ms: i64) -> rusqlite::Result<bool> {
    let sql = "UPDATE requests SET state = 'running', started_ms = ?2, until_ms = ?3 WHERE id = ?1 AND state = 'queued'";
    Ok(tx.execute(sql, params![id, now_ms, until_ms])? == 1)
}

/// Everything that runs, as after a restart.
pub(super) fn running(tx: &Transaction<'_>) -> rusqlite::Result<Vec<Request>> {
    many(tx, "SELECT * FROM requests WHERE state = 'running' AND ?1 IS NOT NULL ORDER BY seq", 0)
}

/// Completes a request that is in `from`; false, and no change, if it is in another state.
pub(super) fn complete(tx: &Transaction<'_>, id: &str, from: State, ending: &Ending) -> rusqlite::Result<bool> {
    let changed = tx.execute(
        "UPDATE requests SET state = 'completed', status = ?3, body = ?4, error = ?5, error_type = ?6, units = ?7,
         inference_s = ?8, expires_ms = ?9 WHERE id = ?1 AND state = ?2",
        params![
            id,
            from.name(),
            ending.status,
            ending.body,
            ending.error,
            ending.error_type,
            ending.units,
            ending.inference_s,
            ending.expires_ms
        ],
    )?;
    if changed == 0 {
        return Ok(false);
    }
    for file in &ending.files {
        tx.execute(
            "INSERT INTO files (token, request, name, content_type, serving, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![file.token, file.request, file.name, file.content_type, file.serving, file.expires_ms],
        )?;
    }
    for (kind, due_ms) in &ending.deliveries {
        tx.execute("INSERT INTO deliveries (request, kind, attempt, due_ms) VALUES (?1, ?2, 0, ?3)", params![id, kind, due_ms])?;
    }
    Ok(true)
}

/// The file called `token`.
pub(super) fn file(tx: &Transaction<'_>, token: &str) -> rusqlite::Result<Option<File>> {
    let sql = "SELECT token, request, name, content_type, serving, expires_ms FROM files WHERE token = ?1";
    tx.query_row(sql, [token], |row| {
        Ok(File {
            token: row.get(0)?,
            request: row.get(1)?,
            name: row.get(2)?,
            content_type: row.get(3)?,
            serving: row.get(4)?,
            expires_ms: row.get(5)?,
        })
    })
    .optional()
}

/// Takes up to `limit` webhooks that are due, and puts them off to `lease_ms`: a crash repeats them then.
pub(super) fn lease_deliveries(tx: &Transaction<'_>, now_ms: i64, lease_ms: i64, limit: usize) -> rusqlite::Result<Vec<Delivery>> {
    let mut statement = tx.prepare_cached(
        "UPDATE deliveries SET due_ms = ?2 WHERE seq IN (SELECT seq FROM deliveries WHERE due_ms <= ?1 ORDER BY due_ms, seq LIMIT ?3)
         RETURNING seq, request, kind, attempt",
    )?;
    let rows = statement.query_map(params![now_ms, lease_ms, limit], |row| {
        Ok(Delivery { seq: row.get(0)?, request: row.get(1)?, kind: row.get(2)?, attempt: row.get(3)? })
    })?;
    rows.collect()
}

/// Forgets a webhook: it is delivered, or never will be.
pub(super) fn drop_delivery(tx: &Transaction<'_>, seq: i64) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM deliveries WHERE seq = ?1", [seq])?;
    Ok(())
}

/// Tries a webhook again at `due_ms`.
pub(super) fn retry_delivery(tx: &Transaction<'_>, seq: i64, attempt: u32, due_ms: i64) -> rusqlite::Result<()> {
    tx.execute("UPDATE deliveries SET attempt = ?2, due_ms = ?3 WHERE seq = ?1", params![seq, attempt, due_ms])?;
    Ok(())
}

/// Whether a webhook of this request has yet to be tried for the first time.
pub(super) fn untried(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE request = ?1 AND attempt = 0)";
    tx.query_row(sql, [id], |row| row.get(0))
}

/// Forgets what has expired, and requests that began before `abandoned_ms` and never ended. Returns the files' tokens.
pub(super) fn sweep(tx: &Transaction<'_>, now_ms: i64, abandoned_ms: i64) -> rusqlite::Result<Vec<String>> {
    let gone = "SELECT id FROM requests WHERE expires_ms <= ?1 OR (state <> 'completed' AND submitted_ms <= ?2)";
    tx.execute(&format!("DELETE FROM deliveries WHERE request IN ({gone})"), params![now_ms, abandoned_ms])?;
    tx.execute(
        "DELETE FROM requests WHERE expires_ms <= ?1 OR (state <> 'completed' AND submitted_ms <= ?2)",
        params![now_ms, abandoned_ms],
    )?;
    let mut statement = tx.prepare_cached("DELETE FROM files WHERE expires_ms <= ?1 RETURNING token")?;
    let rows = statement.query_map([now_ms], |row| row.get(0))?;
    rows.collect()
}

/// When something is due next, if anything is. Queued requests that only wait for a place are not counted.
pub(super) fn next_due(tx: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<Option<i64>> {
    tx.query_row(
        "SELECT min(due) FROM (
           SELECT min(ready_ms) AS due FROM requests WHERE state = 'queued' AND ready_ms > ?1
           UNION ALL SELECT min(start_by_ms) FROM requests WHERE state = 'queued'
           UNION ALL SELECT min(due_ms) FROM deliveries)",
        [now_ms],
        |row| row.get(0),
    )
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
        }
    }
}

fn many(tx: &Transaction<'_>, sql: &str, parameter: i64) -> rusqlite::Result<Vec<Request>> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([parameter], read)?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Request> {
    let state: String = row.get("state")?;
    Ok(Request {
        seq: row.get("seq")?,
        low: row.get("low")?,
        id: row.get("id")?,
        endpoint: row.get("endpoint")?,
        input: row.get("input")?,
        seed: row.get::<_, i64>("seed")?.cast_unsigned(),
        hangs: row.get("hangs")?,
        webhook: row.get("webhook")?,
        state: match state.as_str() {
            "queued" => State::Queued,
            "running" => State::Running,
            _ => State::Completed,
        },
        submitted_ms: row.get("submitted_ms")?,
        started_ms: row.get("started_ms")?,
        until_ms: row.get("until_ms")?,
        expires_ms: row.get("expires_ms")?,
        status: row.get("status")?,
        body: row.get("body")?,
        error: row.get("error")?,
        error_type: row.get("error_type")?,
        units: row.get("units")?,
        inference_s: row.get("inference_s")?,
    })
}
