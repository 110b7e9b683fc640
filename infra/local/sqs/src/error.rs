//! What can go wrong in a queue, whichever face was called.

/// Why a call on a queue failed. Unless said otherwise nothing has changed and repeating the call fails again.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// No queue has this name.
    #[error("the specified queue does not exist")]
    NoSuchQueue,
    /// The source of a redrive doesn't exist.
    #[error("the resource that you specified for the SourceArn parameter doesn't exist")]
    NoSuchSource,
    /// A queue of this name exists with other settings.
    #[error("a queue already exists with the same name and a different value for a setting")]
    NameTaken,
    /// The queue has no attribute of this name, or it can't be set.
    #[error("unknown attribute {0}")]
    InvalidAttributeName(String),
    /// A queue attribute is out of its range.
    #[error("invalid value for the attribute {0}")]
    InvalidAttributeValue(&'static str),
    /// A parameter is out of its range; the text names it and says why.
    #[error("{0}")]
    InvalidParameter(String),
    /// A required parameter is missing or empty.
    #[error("the request must contain the parameter {0}")]
    MissingParameter(&'static str),
    /// The body holds characters that XML 1.0 has no room for, which SQS refuses.
    #[error("the message contains characters outside the allowed set")]
    InvalidContents,
    /// The receipt handle isn't one of this queue.
    #[error("the input receipt handle is invalid")]
    InvalidReceipt,
    /// The message isn't held under this receipt any more: it is visible again, was received again, moved or deleted.
    #[error("the message referred to isn't in flight")]
    NotInFlight,
    /// 120 000 messages of the queue are in flight already, or there are 1 000 queues. Passes when some are gone.
    #[error("a limit was reached: {0}")]
    OverLimit(&'static str),
    /// A batch without entries.
    #[error("there should be at least one entry in the batch request")]
    EmptyBatch,
    /// A batch of more than 10 entries.
    #[error("maximum number of entries per request is 10, you have sent {0}")]
    TooManyEntries(usize),
    /// The messages of a batch are longer than 1 MiB together.
    #[error("batch requests can't be longer than 1048576 bytes, you have sent {0}")]
    BatchTooLong(usize),
    /// Something that SQS offers and this queue doesn't.
    #[error("{0} isn't supported by this queue")]
    Unsupported(&'static str),
    /// Too many calls wait for the store. Passes by itself.
    #[error("too many calls are waiting")]
    Busy,
    /// The store failed (disk full or unreadable, most likely). Whether the call took effect is known: it didn't.
    #[error("the queue store failed")]
    Storage(#[from] rusqlite::Error),
    /// The file was written by another version of this program.
    #[error("the queue file has format {found}, this program knows format {known}")]
    Format {
        /// The number in the file.
        found: i64,
        /// The number of this program.
        known: i64,
    },
    /// The system has no randomness, or the worker thread panicked. Whether the call took effect isn't known.
    #[error("the call was interrupted: {0}")]
    Interrupted(&'static str),
}
