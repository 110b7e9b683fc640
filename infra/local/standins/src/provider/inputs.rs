//! The source pictures that a request names: fetched within bounds, and really decoded.

use super::fault::{Detail, Fault};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use image::{DynamicImage, ImageError, ImageReader};
use serde_json::{Value, json};
use std::io::Cursor;

/// Largest source file (the limit of the provider's own toolkit).
const MAX_BYTES: usize = 50 * 1024 * 1024;
/// Longest side of a source picture, in pixels (the provider's limit for sizes).
const MAX_SIDE: u32 = 14_142;
/// Largest decoded source picture, in bytes: 8192 by 8192 pixels of four channels.
const MAX_DECODED_BYTES: u64 = 8_192 * 8_192 * 4;

/// The picture at `url`, which the input has at `path`.
///
/// # Errors
/// The faults that the provider's models raise for files that can't be fetched, are too large or aren't pictures.
pub(super) async fn picture(client: &reqwest::Client, url: &Value, path: &[Value]) -> Result<DynamicImage, Fault> {
    let bytes = bytes(client, url, path).await?;
    let refused = {
        let (path, url) = (path.to_vec(), url.clone());
        move |kind, msg: &str| Fault::invalid(Detail::new(&path, kind, msg).input(&url))
    };
    let decoded = tokio::task::spawn_blocking(move || decode(bytes)).await;
    match decoded {
        Ok(Ok(picture)) => Ok(picture),
        Ok(Err(ImageError::Unsupported(_))) => {
            let supported = json!({ "supported_formats": ["jpeg", "png", "webp"] });
            let detail = Detail::new(path, "unsupported_image_format", "Unsupported image format");
            Err(Fault::invalid(detail.ctx(supported).input(url)))
        }
        Ok(Err(ImageError::Limits(_))) => {
            let limits = json!({ "max_height": MAX_SIDE, "max_width": MAX_SIDE });
            let detail = Detail::new(path, "image_too_large", "The image is too large");
            Err(Fault::invalid(detail.ctx(limits).input(url)))
        }
        Ok(Err(_)) => Err(refused("image_load_error", "Failed to load the image")),
        Err(_) => Err(Fault::internal()),
    }
}

fn decode(bytes: Vec<u8>) -> Result<DynamicImage, ImageError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    // Eight bits a channel are all that is drawn with.
    let decoded = reader.decode()?;
    Ok(if decoded.color().has_alpha() {
        DynamicImage::ImageRgba8(decoded.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(decoded.into_rgb8())
    })
}

async fn bytes(client: &reqwest::Client, url: &Value, path: &[Value]) -> Result<Vec<u8>, Fault> {
    let failed = || Fault::invalid(Detail::new(path, "file_download_error", "Failed to download the file").input(url));
    let too_large = || {
        let detail = Detail::new(path, "file_too_large", "The file is too large");
        Fault::invalid(detail.ctx(json!({ "max_size": MAX_BYTES })).input(url))
    };
    let address = url.as_str().ok_or_else(failed)?;
    if let Some(inline) = address.strip_prefix("data:") {
        let encoded = inline.split_once(";base64,").map(|(_, encoded)| encoded).ok_or_else(failed)?;
        return STANDARD.decode(encoded).map_err(|_| failed());
    }
    let response = client.get(address).send().await.map_err(|_| failed())?;
    if !response.status().is_success() {
        return Err(failed());
    }
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| failed())?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
