//! Pictures that people bring: decoded, turned upright, bounded, and encoded anew, so that nothing of the file they came in survives.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, GrayImage, ImageEncoder as _};

use super::decode::{Bounds, Undecodable, decode};
use super::thumbnail::{eight_bits, shrink};
use crate::MediaType;
use crate::measures::{fitted, same_shape};

/// The longer side of what is kept.
const MAX_SIDE: u32 = 2_048;
/// Of JPEG, 1 to 100: what goes into a model should be as good as what came.
const QUALITY: u8 = 92;

/// A picture as we keep it.
#[derive(Clone, Debug)]
pub struct Clean {
    /// PNG or JPEG.
    pub media_type: MediaType,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The file, without metadata.
    pub bytes: Vec<u8>,
}

/// What is kept of an upload: at most 2,048 pixels, PNG where something shines through, else JPEG. A mask becomes a grey PNG, in which
/// transparent counts as black (not to be painted).
///
/// # Errors
/// [`Undecodable`].
pub fn normalise(bytes: &[u8], is_mask: bool) -> Result<Clean, Undecodable> {
    let image = decode(bytes, Bounds::UPLOAD)?;
    let (width, height) = fitted(image.width(), image.height(), MAX_SIDE);
    if is_mask { png(shrink(grey(image).into(), width, height)?) } else { encode(shrink(eight_bits(image), width, height)?) }
}

/// A picture of ours, with a longer side of at most `max_side` pixels; `None` when it fits as it is.
///
/// # Errors
/// [`Undecodable`].
pub fn fit(bytes: &[u8], max_side: u32) -> Result<Option<Clean>, Undecodable> {
    let image = decode(bytes, Bounds::OUTPUT)?;
    let (width, height) = fitted(image.width(), image.height(), max_side);
    if (width, height) == (image.width(), image.height()) {
        return Ok(None);
    }
    encode(shrink(eight_bits(image), width, height)?).map(Some)
}

/// A mask at exactly `width` × `height` pixels, as the picture that it belongs to; `None` when it is.
///
/// # Errors
/// [`Undecodable`]; [`Undecodable::Size`] when its shape differs by more than rounding explains.
pub fn fit_mask(bytes: &[u8], width: u32, height: u32) -> Result<Option<Clean>, Undecodable> {
    let mask = decode(bytes, Bounds::UPLOAD)?;
    let (w, h) = (mask.width(), mask.height());
    if (w, h) == (width, height) {
        return Ok(None);
    }
    if !same_shape((w, h), (width, height)) {
        return Err(Undecodable::Size { width: w, height: h });
    }
    let grey = DynamicImage::from(grey(mask));
    let options = fast_image_resize::ResizeOptions::new();
    let mut resized: DynamicImage = GrayImage::new(width, height).into();
    fast_image_resize::Resizer::new().resize(&grey, &mut resized, &options).map_err(|e| Undecodable::Damaged(e.to_string()))?;
    png(resized).map(Some)
}

/// Brightness over black.
fn grey(image: DynamicImage) -> GrayImage {
    if !image.color().has_alpha() {
        return image.into_luma8();
    }
    let image = image.into_luma_alpha8();
    GrayImage::from_fn(image.width(), image.height(), |x, y| {
        let [luma, alpha] = image.get_pixel(x, y).0;
        image::Luma([u8::try_from(u16::from(luma) * u16::from(alpha) / 255).unwrap_or(u8::MAX)])
    })
}

fn encode(image: DynamicImage) -> Result<Clean, Undecodable> {
    if image.color().has_alpha() {
        return png(image);
    }
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = (image.width(), image.height());
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&image).map_err(failed)?;
    Ok(Clean { media_type: MediaType::Jpeg, width, height, bytes: bytes.into_inner() })
}

fn png(image: DynamicImage) -> Result<Clean, Undecodable> {
    let mut bytes = Vec::new();
    let (width, height) = (image.width(), image.height());
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(image.as_bytes(), width, height, image.color().into())
        .map_err(failed)?;
    Ok(Clean { media_type: MediaType::Png, width, height, bytes })
}

fn failed(error: image::ImageError) -> Undecodable {
    Undecodable::Damaged(error.to_string())
}
