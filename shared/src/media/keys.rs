//! Every spelling of an object's key.
//!
//! A key of the media bucket below `media/` is also its path on the site. The user's part is random, never the user's id; the
//! asset's id is minted before anything is sent, so that every key is known beforehand and a repeated import finds its own work.

use std::fmt::Display;

use super::MediaType;
use crate::id::{AssetId, RecordId, UploadId};

/// Everything of one user: the prefix that media cookies open.
pub fn user_folder(prefix: &str) -> String {
    format!("media/{prefix}/")
}

/// Everything of one asset.
pub fn asset_folder(prefix: &str, asset: AssetId) -> String {
    format!("media/{prefix}/{asset}/")
}

/// What the provider made.
pub fn original(prefix: &str, asset: AssetId, media_type: MediaType) -> String {
    format!("media/{prefix}/{asset}/original.{}", media_type.extension())
}

/// An image within a box of `size` pixels.
pub fn thumbnail(prefix: &str, asset: AssetId, size: u32) -> String {
    format!("media/{prefix}/{asset}/thumb-{size}.webp")
}

/// A video's picture within a box of `size` pixels, beside its `original`.
pub fn poster(original: &str, size: u32) -> String {
    let folder = original.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/poster-{size}.webp")
}

/// An export of a user's data, in the media bucket but outside the site.
pub fn export(prefix: &str, export: RecordId) -> String {
    format!("exports/{prefix}/{export}.zip")
}

/// All exports of one user.
pub fn export_folder(prefix: &str) -> String {
    format!("exports/{prefix}/")
}

/// A file as it was brought, in the uploads bucket: nobody but `library` reads it.
pub fn upload_raw(upload: UploadId) -> String {
    format!("in/{upload}")
}

/// The same, decoded, oriented and encoded anew, in the uploads bucket.
pub fn upload_clean(upload: UploadId, media_type: MediaType) -> String {
    format!("clean/{upload}.{}", media_type.extension())
}

/// A copy of an upload or an asset in the size that a model takes, in the uploads bucket. The same size is the same copy.
pub fn fitted(source: impl Display, width: u32, height: u32, media_type: MediaType) -> String {
    format!("fit/{source}-{width}x{height}.{}", media_type.extension())
}
