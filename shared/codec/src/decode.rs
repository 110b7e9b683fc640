//! From bytes to pixels, after a look at the header.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder, Limits};

use super::jpeg;
use crate::MediaType;

/// What may be decoded at all.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of the file.
    pub bytes: usize,
    /// Width times height.
    pub pixels: u64,
    /// The longer side.
    pub side: u32,
}

impl Bounds {
    /// What people bring: 10 MiB, 16 megapixels.
    pub const UPLOAD: Self = Self { bytes: 10 * 1024 * 1024, pixels: 16 << 20, side: 16_384 };
    /// What models make: 30 MiB, 40 megapixels.
    pub const OUTPUT: Self = Self { bytes: 30 * 1024 * 1024, pixels: 40 << 20, side: 16_384 };
}

/// Bytes that a decoder may take: 40 megapixels of RGBA are 160 MiB, and a second copy must not fit.
const MAX_ALLOC: u64 = 256 * 1024 * 1024;

/// Bytes that a header, with the profile and the texts in it, may take: a compressed profile of 100 KiB can stand for 100 MiB.
const MAX_HEADER_ALLOC: u64 = 8 * 1024 * 1024;

/// Why a picture isn't decoded.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// Neither PNG, JPEG nor WebP.
    #[error("not a PNG, JPEG or WebP picture")]
    Type,
    /// The file is too large.
    #[error("the file is larger than {0} bytes")]
    Bytes(usize),
    /// Too many pixels, a side too long, or none.
    #[error("{width} × {height} pixels are more than allowed")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// It moves.
    #[error("an animation, not a single picture")]
    Animated,
    /// It is cut off, damaged, or not what it claims to be.
    #[error("damaged: {0}")]
    Damaged(String),
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// By its bytes.
    pub media_type: MediaType,
    /// Pixels, as shown (after the orientation of its metadata).
    pub width: u32,
    /// Pixels, as shown.
    pub height: u32,
}

/// Checks a picture by its header alone.
///
/// # Errors
/// [`Undecodable`].
pub fn check(bytes: &[u8], bounds: Bounds) -> Result<Header, Undecodable> {
    let (media_type, mut decoder) = open(bytes, bounds)?;
    let (width, height) = decoder.dimensions();
    let turned = decoder.orientation().map_err(damaged)?.to_exif() > 4;
    let (width, height) = if turned { (height, width) } else { (width, height) };
    Ok(Header { media_type, width, height })
}

/// The pixels, upright.
pub(super) fn decode(bytes: &[u8], bounds: Bounds) -> Result<DynamicImage, Undecodable> {
    let (_, mut decoder) = open(bytes, bounds)?;
    let orientation = decoder.orientation().map_err(damaged)?;
    decoder.set_limits(limits(bounds, MAX_ALLOC)).map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn open<'a>(bytes: &'a [u8], bounds: Bounds) -> Result<(MediaType, Box<dyn ImageDecoder + 'a>), Undecodable> {
    if bytes.len() > bounds.bytes {
        return Err(Undecodable::Bytes(bounds.bytes));
    }
    let media_type = MediaType::sniff(bytes).ok_or(Undecodable::Type)?;
    let (decoder, moves): (Box<dyn ImageDecoder + 'a>, bool) = match media_type {
        MediaType::Png => {
            // The first chunk is the header; its place is fixed, so the size is known before the decoder makes room for anything.
            let number = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes);
            allowed(number(16), number(20), bounds)?;
            let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits(bounds, MAX_HEADER_ALLOC)).map_err(damaged)?;
            let moves = decoder.is_apng().map_err(damaged)?;
            (Box::new(decoder), moves)
        }
        MediaType::Jpeg => {
            // The decoder fills what is missing with grey; half a picture is none.
            if !jpeg::is_complete(bytes) {
                return Err(Undecodable::Damaged("the end is missing".to_owned()));
            }
            (Box::new(JpegDecoder::new(Cursor::new(bytes)).map_err(damaged)?), false)
        }
        MediaType::Webp => {
            let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
            let moves = decoder.has_animation();
            (Box::new(decoder), moves)
        }
        _ => return Err(Undecodable::Type),
    };
    if moves {
        return Err(Undecodable::Animated);
    }
    let (width, height) = decoder.dimensions();
    allowed(width, height, bounds)?;
    Ok((media_type, decoder))
}

fn allowed(width: u32, height: u32, bounds: Bounds) -> Result<(), Undecodable> {
    let pixels = u64::from(width) * u64::from(height);
    let fits = (1..=bounds.pixels).contains(&pixels) && width.max(height) <= bounds.side;
    if fits { Ok(()) } else { Err(Undecodable::Size { width, height }) }
}

fn limits(bounds: Bounds, alloc: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(bounds.side);
    limits.max_image_height = Some(bounds.side);
    limits.max_alloc = Some(alloc);
    limits
}

fn damaged(error: image::ImageError) -> Undecodable {
    Undecodable::Damaged(error.to_string())
}
