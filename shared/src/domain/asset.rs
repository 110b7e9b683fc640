//! An image or a video in the library.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AssetId, CallId, CollectionId, GenerationId, UserId};

/// What an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssetKind {
    /// A still picture.
    Image,
    /// A moving one.
    Video,
}

/// A smaller picture of an asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Its key in the media bucket.
    pub key: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Whether a video has its poster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PosterState {
    /// Not yet.
    Pending,
    /// Yes, or it needs none.
    Done,
    /// No frame of it can be decoded: a drawn tile stands in for good.
    Impossible,
}

/// An asset, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asset {
    /// Its name.
    pub id: AssetId,
    /// Whose.
    pub user: UserId,
    /// What it is.
    pub kind: AssetKind,
    /// Of which generation.
    pub generation: GenerationId,
    /// Made by which call.
    pub call: CallId,
    /// Key of the original in the media bucket.
    pub key: String,
    /// Ours, from the decoded bytes.
    pub content_type: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of the original.
    pub bytes: u64,
    /// Of a video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Lower-case hexadecimal, of the original.
    pub sha256: String,
    /// Smallest first.
    #[serde(default)]
    pub thumbnails: Vec<Thumbnail>,
    /// See [`PosterState`].
    pub poster: PosterState,
    /// How often `worker` asked for the poster, beyond the first time.
    #[serde(default)]
    pub poster_asked: u32,
    /// Why there is none, when there never will be. For operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poster_reason: Option<String>,
    /// A thumbhash in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// Of the catalogue.
    pub model: String,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// By the model's parameter names, the seed included.
    #[serde(default)]
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// The asset it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<AssetId>,
    /// The owner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The owner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alt_text: Option<String>,
    /// Marked by the owner.
    #[serde(default)]
    pub favourite: bool,
    /// The collections it is in.
    #[serde(default)]
    pub collections: Vec<CollectionId>,
    /// When it came into the library.
    pub created_at: Timestamp,
    /// When it went to the trash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}
