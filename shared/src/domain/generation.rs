//! What a user asked for, and the provider calls it became.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::job::CallState;
use super::request::ValidInputs;
use crate::id::{AssetId, CallId, CollectionId, GenerationId, UserId};

/// A remark about an output that failed while others worked, or about a delivery that differs from the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Which output, from 1.
    pub output: u32,
    /// Stable, kebab-case.
    pub code: String,
    /// For people.
    pub message: String,
}

/// A request for 1 to n outputs, as it is stored. Counters follow its calls: each settles in one transaction with them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Generation {
    /// Its name.
    pub id: GenerationId,
    /// Whose.
    pub user: UserId,
    /// Of the catalogue.
    pub model: String,
    /// How many outputs were asked for.
    pub outputs: u32,
    /// By canonical names.
    pub inputs: ValidInputs,
    /// Keys in the uploads bucket of the copies that are sent instead of inputs which don't fit, by the paths of their fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub copies: BTreeMap<String, String>,
    /// By the model's parameter names, defaults included.
    pub parameters: BTreeMap<String, Value>,
    /// Where the results are filed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<CollectionId>,
    /// Its calls, in the order of the outputs.
    pub calls: Vec<CallId>,
    /// Calls that aren't settled.
    pub open: u32,
    /// Outputs in the library.
    pub delivered: u32,
    /// Calls that ended in each way.
    #[serde(default)]
    pub failed: u32,
    /// As above.
    #[serde(default)]
    pub cancelled: u32,
    /// As above.
    #[serde(default)]
    pub unknown: u32,
    /// What is in the library, in the order of arrival.
    #[serde(default)]
    pub assets: Vec<AssetId>,
    /// See [`Warning`].
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Units reserved by the request.
    pub units_reserved: u32,
    /// Units charged so far.
    #[serde(default)]
    pub units_charged: u32,
    /// Millionths of a dollar expected for all outputs.
    pub price_estimated: i64,
    /// Millionths of a dollar spent on what was delivered.
    #[serde(default)]
    pub price_actual: i64,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the last call settled (so far).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}

/// How far a generation is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// Nothing has started.
    Queued,
    /// The provider works on it.
    Running,
    /// What the provider made is being copied.
    Storing,
    /// Over; at least one output is in the library.
    Complete,
    /// Over; nothing was delivered.
    Failed,
    /// Over on the user's wish.
    Cancelled,
    /// Over without a word from the provider. Not charged.
    Unknown,
}

impl Generation {
    /// How far it is, given its calls that aren't settled (none are needed once [`Generation::open`] is 0).
    pub fn progress(&self, open_calls: &[Call]) -> Progress {
        if self.open == 0 {
            return match self {
                _ if self.delivered > 0 => Progress::Complete,
                _ if self.unknown > 0 => Progress::Unknown,
                _ if self.cancelled > 0 && self.failed == 0 => Progress::Cancelled,
                _ => Progress::Failed,
            };
        }
        let any = |test: fn(&Call) -> bool| open_calls.iter().any(test);
        let settled = self.calls.len() > usize::try_from(self.open).unwrap_or(usize::MAX);
        if open_calls.iter().all(|call| call.state == CallState::ResultReady) && !open_calls.is_empty() {
            Progress::Storing
        } else if settled || any(|call| call.state == CallState::ResultReady || (call.state == CallState::Submitted && call.running)) {
            Progress::Running
        } else {
            Progress::Queued
        }
    }
}

/// How the provider knows a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRequest {
    /// The provider's name of it.
    pub id: String,
    /// Where its state is.
    pub status_url: String,
    /// Where its result is.
    pub response_url: String,
    /// Where it is cancelled.
    pub cancel_url: String,
}

/// Why a call ended without a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable, kebab-case.
    pub code: String,
    /// For people.
    pub message: String,
}

/// One provider request, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Its name.
    pub id: CallId,
    /// Whose.
    pub user: UserId,
    /// Of which generation.
    pub generation: GenerationId,
    /// Which output of the generation it makes first, from 1.
    pub output: u32,
    /// See the state machine.
    pub state: CallState,
    /// Of the catalogue.
    pub model: String,
    /// Takes a video slot.
    pub video: bool,
    /// One for each output it may deliver: every key in storage is known beforehand.
    pub assets: Vec<AssetId>,
    /// The user's random prefix of media keys.
    pub media_prefix: String,
    /// The month its units were reserved in, `2026-11`.
    pub month: String,
    /// The day its outputs were counted in.
    pub date: String,
    /// Units an output takes.
    pub units_each: u32,
    /// Millionths of a dollar expected for an output.
    pub price_each: i64,
    /// The seed sent, when the model takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How the provider knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<ProviderRequest>,
    /// When the intent to send was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Timestamp>,
    /// No word by then: given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Timestamp>,
    /// How often it was put back in line because it could not be sent.
    #[serde(default)]
    pub attempts: u32,
    /// Put back in line, it isn't started before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// When the provider's result came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived_at: Option<Timestamp>,
    /// How many requests are before it at the provider, when last heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u32>,
    /// The provider works on it, when last heard.
    #[serde(default)]
    pub running: bool,
    /// The user wants it stopped.
    #[serde(default)]
    pub cancel_requested: bool,
    /// The provider's result, a JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Billing units that the provider took for what was delivered, when it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billable_units: Option<f64>,
    /// Why it ended without a delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When it was reserved.
    pub created_at: Timestamp,
    /// When it settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}

impl Call {
    /// Units reserved for it.
    pub fn units(&self) -> u32 {
        self.units_each.saturating_mul(u32::try_from(self.assets.len()).unwrap_or(u32::MAX))
    }
}
