//! Smaller pictures, and the smallest of all: a placeholder of 25 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, RgbImage, RgbaImage};
use webp::{Encoder, PixelLayout, WebPConfig};

use super::decode::{Bounds, Undecodable, decode};
use crate::measures::fitted;

/// Boxes that thumbnails fit into, in pixels: for tiles, and for the detail page.
pub const BOXES: [u32; 2] = [512, 1280];
/// The longer side of what a placeholder is computed from; its format takes no more.
const PLACEHOLDER_SIDE: u32 = 100;
/// Of lossy WebP, 0 to 100.
const QUALITY: f32 = 80.0;
/// Effort 0 to 6. Measured: 2 takes half the time of 4 for 4 % more bytes.
const METHOD: i32 = 2;

/// A picture as WebP.
#[derive(Clone, Debug)]
pub struct Webp {
    /// The box of [`BOXES`] it was made for: part of its key.
    pub size: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The file.
    pub bytes: Vec<u8>,
}

/// What is made of a picture.
#[derive(Clone, Debug)]
pub struct Thumbnails {
    /// Of the original, upright.
    pub width: u32,
    /// Of the original, upright.
    pub height: u32,
    /// Smallest first. None is larger than the original; the second is left out when it would equal the first.
    pub thumbnails: Vec<Webp>,
    /// A thumbhash in base64.
    pub placeholder: String,
}

/// Decodes a picture within `bounds` and makes its thumbnails.
///
/// # Errors
/// [`Undecodable`].
pub fn thumbnails(bytes: &[u8], bounds: Bounds) -> Result<Thumbnails, Undecodable> {
    of_image(decode(bytes, bounds)?)
}

/// The same for pixels that are here already, such as a video's frame: `rgb` holds three bytes each, row by row.
///
/// # Errors
/// [`Undecodable::Damaged`] when there are fewer bytes than pixels.
pub fn thumbnails_of_pixels(width: u32, height: u32, rgb: Vec<u8>) -> Result<Thumbnails, Undecodable> {
    let image = RgbImage::from_raw(width, height, rgb).ok_or_else(|| Undecodable::Damaged("pixels are missing".to_owned()))?;
    of_image(image.into())
}

fn of_image(image: DynamicImage) -> Result<Thumbnails, Undecodable> {
    let (width, height) = (image.width(), image.height());
    let image = eight_bits(image);
    let mut made: Vec<Webp> = Vec::with_capacity(BOXES.len());
    // The larger one first: the smaller one is then made of it, at a quarter of the pixels.
    let mut source = image;
    for size in BOXES.into_iter().rev() {
        let (w, h) = fitted(width, height, size);
        if size == BOXES[1] && (w, h) == fitted(width, height, BOXES[0]) {
            continue;
        }
        source = shrink(source, w, h)?;
        made.push(Webp { size, width: w, height: h, bytes: encode(&source)? });
    }
    made.reverse();
    let (w, h) = fitted(width, height, PLACEHOLDER_SIDE);
    let tiny = shrink(source, w, h)?.into_rgba8();
    let hash = thumbhash::rgba_to_thumb_hash(tiny.width() as usize, tiny.height() as usize, tiny.as_raw());
    Ok(Thumbnails { width, height, thumbnails: made, placeholder: STANDARD.encode(hash) })
}

/// Three or four channels of eight bits; four only where something shines through.
pub(super) fn eight_bits(image: DynamicImage) -> DynamicImage {
    if !image.color().has_alpha() {
        return image.into_rgb8().into();
    }
    let image = image.into_rgba8();
    if image.pixels().all(|pixel| pixel.0[3] == u8::MAX) { DynamicImage::from(image).into_rgb8().into() } else { image.into() }
}

pub(super) fn shrink(image: DynamicImage, width: u32, height: u32) -> Result<DynamicImage, Undecodable> {
    if (image.width(), image.height()) == (width, height) {
        return Ok(image);
    }
    let mut smaller: DynamicImage = match &image {
        DynamicImage::ImageLuma8(_) => image::GrayImage::new(width, height).into(),
        DynamicImage::ImageRgb8(_) => RgbImage::new(width, height).into(),
        _ => RgbaImage::new(width, height).into(),
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&image, &mut smaller, &options).map_err(|e| Undecodable::Damaged(e.to_string()))?;
    Ok(smaller)
}

fn encode(image: &DynamicImage) -> Result<Vec<u8>, Undecodable> {
    let failed = |what: &str| Undecodable::Damaged(format!("webp: {what}"));
    let layout = match image {
        DynamicImage::ImageRgb8(_) => PixelLayout::Rgb,
        DynamicImage::ImageRgba8(_) => PixelLayout::Rgba,
        _ => return Err(failed("an unexpected pixel format")),
    };
    let mut config = WebPConfig::new().map_err(|()| failed("configuration"))?;
    config.quality = QUALITY;
    config.method = METHOD;
    let encoded = Encoder::new(image.as_bytes(), layout, image.width(), image.height()).encode_advanced(&config);
    encoded.map(|memory| memory.to_vec()).map_err(|e| failed(&format!("{e:?}")))
}
