//! Pictures and planes at other sizes.
//!
//! The scaler is called through its typed face, for the three pixel types in use: its untyped one would be compiled
//! for thirteen of them.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};

/// A size or a part that can't be scaled.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ScaleError(String);

/// `image` at another size, by Lanczos.
///
/// # Errors
/// When the sizes and the pixels don't agree, which a sound image never says.
pub(crate) fn resize(image: &DynamicImage, width: u32, height: u32) -> Result<DynamicImage, ScaleError> {
    scale(image, width, height, &ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)))
}

/// The middle of `image` at another size and shape, nothing squeezed.
///
/// # Errors
/// As [`resize`].
pub(crate) fn cover(image: &DynamicImage, width: u32, height: u32) -> Result<DynamicImage, ScaleError> {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    scale(image, width, height, &options.fit_into_destination(Some((0.5, 0.5))))
}

/// The part (left, top, width, height) of one plane at another size, smoothly enough for motion.
///
/// # Errors
/// When the part reaches beyond the plane.
pub(crate) fn plane(
    (from_width, from_height, from): (u32, u32, &[u8]),
    part: (f64, f64, f64, f64),
    (width, height): (u32, u32),
) -> Result<Vec<u8>, ScaleError> {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(part.0, part.1, part.2, part.3);
    typed::<U8>((from_width, from_height, from), (width, height), 1, &options)
}

fn scale(image: &DynamicImage, width: u32, height: u32, options: &ResizeOptions) -> Result<DynamicImage, ScaleError> {
    let from = (image.width(), image.height());
    let whole = || ScaleError("the scaled picture has another size".to_owned());
    Ok(match image {
        DynamicImage::ImageLuma8(gray) => {
            let pixels = typed::<U8>((from.0, from.1, gray), (width, height), 1, options)?;
            DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, pixels).ok_or_else(whole)?)
        }
        image if image.color().has_alpha() => {
            let pixels = typed::<U8x4>((from.0, from.1, &image.to_rgba8()), (width, height), 4, options)?;
            DynamicImage::ImageRgba8(RgbaImage::from_raw(width, height, pixels).ok_or_else(whole)?)
        }
        image => {
            let pixels = typed::<U8x3>((from.0, from.1, &image.to_rgb8()), (width, height), 3, options)?;
            DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, pixels).ok_or_else(whole)?)
        }
    })
}

fn typed<P: PixelTrait>(
    (from_width, from_height, from): (u32, u32, &[u8]),
    (width, height): (u32, u32),
    channels: usize,
    options: &ResizeOptions,
) -> Result<Vec<u8>, ScaleError> {
    let size = usize::try_from(u64::from(width) * u64::from(height)).unwrap_or(usize::MAX).saturating_mul(channels);
    let mut scaled = vec![0; size];
    let source = TypedImageRef::<P>::from_buffer(from_width, from_height, from).map_err(|e| ScaleError(e.to_string()))?;
    let mut target = TypedImage::<P>::from_buffer(width, height, &mut scaled).map_err(|e| ScaleError(e.to_string()))?;
    Resizer::new().resize_typed(&source, &mut target, options).map_err(|e| ScaleError(e.to_string()))?;
    Ok(scaled)
}
