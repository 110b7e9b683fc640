//! A small durable message queue that plays Amazon SQS on one machine.
//!
//! One `SQLite` file holds every queue. Two faces stand over it: [`Queues`], called in-process by whoever feeds messages
//! to functions, and [`serve`], an HTTP server that speaks the SQS JSON protocol, so that an unchanged AWS SDK, boto3 or
//! the `aws` command work against it.
//!
//! Invariants: a call that answered is on disk (`kill -9` and power loss included); a message that was received is given
//! to nobody else until its visibility timeout ends; a message leaves a queue only by being deleted by the holder of its
//! latest receipt, by being moved to its dead-letter queue, by outliving its retention, or by a purge.
//!
//! Where SQS leaves a choice, the strict one is taken: a receipt handle dies as soon as the message is received again
//! (deleting with it succeeds and does nothing, as SQS documents it), and counts are exact.
//!
//! Deliberately absent: FIFO queues, encryption settings, access policies, tags, permissions, the old query protocol,
//! and the listing or cancelling of message move tasks, because a move is finished when its call answers.
#![allow(clippy::disallowed_methods, reason = "the embedded service is where its own ids and signing times come from")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

mod error;
mod http;
mod message;
mod queues;
mod receipt;
mod settings;
pub mod sigv4;
mod store;

pub use error::QueueError;
pub use http::{Credentials, serve};
pub use message::{Depths, MessageAttribute, Outgoing, Receive, Received, Redriven, Sent};
pub use queues::{Clock, Queues};
pub use settings::{QueueInfo, RedrivePolicy, Settings, queue_arn, queue_name, queue_url};
