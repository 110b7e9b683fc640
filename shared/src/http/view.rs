//! What clients see of generations, assets and limits. Stored shapes are never serialised out.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::asset::{Asset, AssetKind};
use crate::domain::generation::{Call, Generation, Progress};
use crate::domain::limits::Limits;
use crate::domain::money::Money;
use crate::media::signed::{MAX_LIFE, MediaSigner};

/// Where a client finds media: browsers by path with their cookies, API clients by signed address.
#[derive(Clone, Debug)]
pub enum Addresses {
    /// `/media/...`; needs the media cookies.
    Plain,
    /// Signed, valid for at most an hour.
    Signed(Arc<MediaSigner>, Timestamp),
}

impl Addresses {
    fn of(&self, key: &str) -> String {
        match self {
            Self::Plain => format!("/{key}"),
            Self::Signed(signer, now) => signer.url(key, *now, MAX_LIFE),
        }
    }
}

/// A file of an asset.
#[derive(Debug, Serialize, ToSchema)]
pub struct MediaView {
    /// For a session a path that needs the media cookies, for a token an address signed for at most an hour.
    pub url: String,
    /// From the decoded bytes.
    pub content_type: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of the file.
    pub bytes: u64,
    /// Of a video.
    pub duration_ms: Option<u64>,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// A smaller picture of an asset.
#[derive(Debug, Serialize, ToSchema)]
pub struct ThumbnailView {
    /// As in `media`.
    pub url: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Always WebP.
    pub content_type: &'static str,
}

/// An image or a video in the library.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Asset)]
pub struct AssetView {
    /// Its name.
    #[schema(value_type = String)]
    pub id: String,
    /// `image` or `video`.
    #[schema(value_type = String, example = "image")]
    pub kind: AssetKind,
    /// The original.
    pub media: MediaView,
    /// Smallest first; empty until a video's poster is made.
    pub thumbnails: Vec<ThumbnailView>,
    /// A thumbhash in base64.
    pub placeholder: Option<String>,
    /// The model that made it.
    pub model: String,
    /// What was asked for.
    pub prompt: Option<String>,
    /// By the model's parameter names.
    #[schema(value_type = Object)]
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// The request it came from.
    pub generation_id: String,
    /// The asset it was made from.
    pub parent_id: Option<String>,
    /// The owner's.
    pub title: Option<String>,
    /// The owner's.
    pub alt_text: Option<String>,
    /// Marked by the owner.
    pub favourite: bool,
    /// Ids of the collections it is in.
    pub collections: Vec<String>,
    /// When it came into the library.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it went to the trash.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<Timestamp>,
}

impl AssetView {
    /// `asset` with addresses for this client.
    pub fn new(asset: Asset, addresses: &Addresses) -> Self {
        Self {
            id: asset.id.to_string(),
            kind: asset.kind,
            media: MediaView {
                url: addresses.of(&asset.key),
                content_type: asset.content_type,
                width: asset.width,
                height: asset.height,
                bytes: asset.bytes,
                duration_ms: asset.duration_ms,
                sha256: asset.sha256,
            },
            thumbnails: asset
                .thumbnails
                .iter()
                .map(|thumbnail| ThumbnailView {
                    url: addresses.of(&thumbnail.key),
                    width: thumbnail.width,
                    height: thumbnail.height,
                    content_type: "image/webp",
                })
                .collect(),
            placeholder: asset.placeholder,
            model: asset.model,
            prompt: asset.prompt,
            parameters: asset.parameters,
            generation_id: asset.generation.to_string(),
            parent_id: asset.parent.map(|id| id.to_string()),
            title: asset.title,
            alt_text: asset.alt_text,
            favourite: asset.favourite,
            collections: asset.collections.iter().map(ToString::to_string).collect(),
            created_at: asset.created_at,
            deleted_at: asset.deleted_at,
        }
    }
}

/// How far a request is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressView {
    /// How many requests are before it at the provider, when it last said so.
    pub queue_position: Option<u32>,
    /// For people.
    pub message: String,
}

/// A remark about one output.
#[derive(Debug, Serialize, ToSchema)]
pub struct WarningView {
    /// Which output, from 1.
    pub output: u32,
    /// Stable.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Why nothing was delivered.
#[derive(Debug, Serialize, ToSchema)]
pub struct GenerationErrorView {
    /// Stable.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What a request took from the monthly limit.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnitsView {
    /// Set aside when it was accepted.
    pub reserved: u32,
    /// Used by what is in the library.
    pub charged: u32,
}

/// What a request costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GenerationPrice)]
pub struct PriceView {
    /// Expected.
    pub estimated: Money,
    /// Spent on what was delivered; null while it is under way.
    pub actual: Option<Money>,
}

/// A request for one or more outputs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Generation)]
pub struct GenerationView {
    /// Its name.
    pub id: String,
    /// `queued`, `running`, `storing`, `complete`, `failed`, `cancelled` or `unknown`.
    #[schema(value_type = String, example = "running")]
    pub state: Progress,
    /// The model.
    pub model: String,
    /// How many outputs were asked for.
    pub outputs: u32,
    /// While it is under way.
    pub progress: Option<ProgressView>,
    /// As they were asked for.
    #[schema(value_type = Object)]
    pub inputs: serde_json::Value,
    /// As they were asked for.
    #[schema(value_type = Object)]
    pub parameters: serde_json::Value,
    /// What is in the library so far.
    pub assets: Vec<AssetView>,
    /// About outputs that failed while others worked.
    pub warnings: Vec<WarningView>,
    /// When nothing was delivered.
    pub error: Option<GenerationErrorView>,
    /// Of the monthly limit.
    pub units: UnitsView,
    /// In money.
    pub price: PriceView,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its last output was settled.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

impl GenerationView {
    /// `generation` with its unsettled `calls` and its `assets`.
    pub fn new(generation: Generation, calls: &[Call], assets: Vec<Asset>, addresses: &Addresses) -> Self {
        let state = generation.progress(calls);
        let over = generation.open == 0;
        let error = (over && generation.delivered == 0).then(|| {
            let first = generation.warnings.first();
            GenerationErrorView {
                code: first.map_or_else(|| "cancelled".to_owned(), |warning| warning.code.clone()),
                message: first.map_or_else(|| "Cancelled. Nothing was charged.".to_owned(), |warning| warning.message.clone()),
            }
        });
        Self {
            id: generation.id.to_string(),
            state,
            progress: (!over).then(|| progress(state, calls)),
            inputs: serde_json::to_value(&generation.inputs).unwrap_or_default(),
            parameters: serde_json::to_value(&generation.parameters).unwrap_or_default(),
            assets: assets.into_iter().map(|asset| AssetView::new(asset, addresses)).collect(),
            warnings: generation
                .warnings
                .into_iter()
                .map(|warning| WarningView { output: warning.output, code: warning.code, message: warning.message })
                .collect(),
            error,
            units: UnitsView { reserved: generation.units_reserved, charged: generation.units_charged },
            price: PriceView {
                estimated: Money::from_micros(generation.price_estimated),
                actual: over.then(|| Money::from_micros(generation.price_actual)),
            },
            model: generation.model,
            outputs: generation.outputs,
            created_at: generation.created_at,
            finished_at: generation.settled_at.filter(|_| over),
        }
    }
}

fn progress(state: Progress, calls: &[Call]) -> ProgressView {
    let queue_position = calls.iter().filter_map(|call| call.queue_position).min();
    let message = match (state, queue_position) {
        (Progress::Storing, _) => "Saving to your library".to_owned(),
        (Progress::Running, _) => "Being made".to_owned(),
        (_, Some(0)) => "Next in the model's queue".to_owned(),
        (_, Some(position)) => format!("{position} before you in the model's queue"),
        (_, None) if calls.iter().all(|call| call.submitted_at.is_none()) => "Waiting for one of your slots".to_owned(),
        (_, None) => "Sent to the model".to_owned(),
    };
    ProgressView { queue_position, message }
}

/// What somebody may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsView {
    /// Units a calendar month (UTC).
    pub monthly: u32,
    /// Outputs a calendar day (UTC).
    pub daily: u32,
    /// Requests to generate a clock hour.
    pub hourly: u32,
    /// Outputs in the making at once; more wait in line.
    pub concurrent: u32,
    /// Of those, how many may be videos.
    pub concurrent_videos: u32,
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> Self {
        Self {
            monthly: limits.monthly,
            daily: limits.daily,
            hourly: limits.hourly,
            concurrent: limits.concurrent,
            concurrent_videos: limits.concurrent_videos,
        }
    }
}
