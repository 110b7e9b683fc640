//! A file that a person brings, and the picture that is made of it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::{UploadId, UserId};

/// For how long an upload can be used, from when it is begun. Its objects live at least as long.
pub const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To work from.
    Image,
    /// To say where to paint: white is painted anew.
    Mask,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UploadState {
    /// The file may be on its way.
    Pending,
    /// There is a picture of it that can be used.
    Ready,
    /// The file came, and is none.
    Refused,
}

impl UploadState {
    /// As it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Refused => "refused",
        }
    }
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// Its length or its checksum is another than was announced.
    NotAsAnnounced,
    /// It is of a type that isn't taken.
    WrongType,
    /// It has too many pixels, or none.
    Dimensions,
    /// It moves.
    Animated,
    /// It is cut off or damaged.
    Damaged,
}

impl Flaw {
    /// Stable, in kebab case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAsAnnounced => "not-as-announced",
            Self::WrongType => "wrong-type",
            Self::Dimensions => "dimensions",
            Self::Animated => "animated",
            Self::Damaged => "damaged",
        }
    }
}

/// The picture that was made of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanPicture {
    /// Its key in the uploads bucket.
    pub key: String,
    /// PNG or JPEG.
    pub content_type: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of the picture's own file.
    pub bytes: u64,
}

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The rule it breaks.
    pub flaw: Flaw,
    /// For people, with what is allowed.
    pub message: String,
}

/// An upload, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// Whose.
    pub user: UserId,
    /// See [`Purpose`].
    pub purpose: Purpose,
    /// See [`UploadState`].
    pub state: UploadState,
    /// As announced: what it is sent as, not what it is.
    pub content_type: String,
    /// Length as announced.
    pub bytes: u64,
    /// Lower-case hexadecimal, as announced.
    pub sha256: String,
    /// Of one that is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean: Option<CleanPicture>,
    /// Of one that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// From then on it is as good as gone.
    pub expires_at: Timestamp,
}

impl Upload {
    /// Whether it can no longer be used.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}
