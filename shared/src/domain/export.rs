//! An export of everything somebody has, as one zip.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{RecordId, UserId};

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
pub enum ExportState {
    /// Asked for.
    Queued,
    /// Being written.
    Running,
    /// There, until it expires.
    Ready,
    /// Given up.
    Failed,
}

impl ExportState {
    /// As it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// Whether `worker` still has to look after it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// An export, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its name.
    pub id: RecordId,
    /// Whose.
    pub user: UserId,
    /// See [`ExportState`].
    pub state: ExportState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was ready or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// From then on there is nothing to be had. Compared in code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Of the zip, once it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Why it was given up, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of the zip, in the media bucket.
    pub key: String,
    /// Names the upload of its parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// Key of what is remembered of it between two runs, in the media bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Runs since it last got on.
    #[serde(default)]
    pub tries: u32,
    /// The run that is at it, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Until then nobody else is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_until: Option<Timestamp>,
}

impl Export {
    /// Whether it can't be had any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
    }
}
