//! Pictures made from pictures: restyled, filled in, enlarged, cut out.

use super::Scene;
use super::resample::{ScaleError, resize};
use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use std::collections::VecDeque;

/// `image` toned in the colours of the scene, its shapes kept: the more `strength` (0 to 1), the more of the scene.
pub(crate) fn restyle(image: &RgbImage, scene: &Scene, strength: f32) -> RgbImage {
    let drawn = scene.render(image.width(), image.height(), 0.0);
    let weight = weight(0.15 + 0.45 * strength.clamp(0.0, 1.0));
    let mut styled = image.clone();
    for (to, new) in styled.pixels_mut().zip(drawn.pixels()) {
        let light = luma(*to);
        for (old, new) in to.0.iter_mut().zip(new.0) {
            // The scene's colour at the picture's own brightness.
            let toned = (u32::from(new) * (light + 96)) / 351;
            *old = mix(*old, u8::try_from(toned.min(255)).unwrap_or(u8::MAX), weight);
        }
    }
    styled
}

/// `drawn` wherever `mask` is white, `image` wherever it is black, and both where it is grey.
pub(crate) fn inpaint(image: &RgbImage, mask: &GrayImage, drawn: &RgbImage) -> RgbImage {
    let mut filled = image.clone();
    for ((to, new), mask) in filled.pixels_mut().zip(drawn.pixels()).zip(mask.pixels()) {
        for (old, new) in to.0.iter_mut().zip(new.0) {
            *old = mix(*old, new, u32::from(mask.0[0]));
        }
    }
    filled
}

/// Puts the other source pictures into the upper right corner of `image`, so that all of them can be seen to count.
pub(crate) fn inset(image: &mut RgbImage, others: &[DynamicImage]) -> Result<(), ScaleError> {
    let side = image.width().min(image.height()) / 5;
    let margin = side / 8;
    let mut right = image.width();
    for other in others {
        if side == 0 || right < side + margin {
            break;
        }
        let small = resize(other, side, side)?.to_rgb8();
        right -= side + margin;
        image::imageops::replace(image, &small, i64::from(right), i64::from(margin));
    }
    Ok(())
}

/// The foreground of `image` on nothing, and its mask (white is kept).
///
/// The background is what can be reached from the border without a large change of colour. A picture where that is
/// nearly nothing or nearly everything keeps a soft oval instead.
pub(crate) fn cutout(image: &DynamicImage) -> Result<(RgbaImage, GrayImage), ScaleError> {
    /// The longest side at which the background is looked for: edges need no more.
    const LOOK: u32 = 384;
    let (width, height) = (image.width(), image.height());
    let shrink = width.max(height).div_ceil(LOOK).max(1);
    let small = resize(image, (width / shrink).max(1), (height / shrink).max(1))?.to_rgb8();
    let coarse = foreground(&small);
    let mask = resize(&DynamicImage::ImageLuma8(coarse), width, height)?.to_luma8();
    let source = image.to_rgba8();
    let cut = RgbaImage::from_fn(width, height, |x, y| {
        let Rgba([r, g, b, a]) = *source.get_pixel(x, y);
        let keep = u32::from(mask.get_pixel(x, y).0[0]) * u32::from(a) / 255;
        Rgba([r, g, b, u8::try_from(keep).unwrap_or(u8::MAX)])
    });
    Ok((cut, mask))
}

fn foreground(image: &RgbImage) -> GrayImage {
    const TOLERANCE: u32 = 3 * 14 * 14;
    let (width, height) = image.dimensions();
    let mut mask = GrayImage::from_pixel(width, height, Luma([255]));
    let mut edge: VecDeque<(u32, u32)> = (0..width).flat_map(|x| [(x, 0), (x, height - 1)]).collect();
    edge.extend((0..height).flat_map(|y| [(0, y), (width - 1, y)]));
    for (x, y) in &edge {
        mask.put_pixel(*x, *y, Luma([0]));
    }
    // Each pixel enters the queue once: it leaves the mask before it does.
    while let Some((x, y)) = edge.pop_front() {
        let here = *image.get_pixel(x, y);
        let around = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
        for (nx, ny) in around.into_iter().filter(|(nx, ny)| *nx < width && *ny < height) {
            if mask.get_pixel(nx, ny).0[0] != 0 && distance(here, *image.get_pixel(nx, ny)) < TOLERANCE {
                mask.put_pixel(nx, ny, Luma([0]));
                edge.push_back((nx, ny));
            }
        }
    }
    let kept = mask.pixels().filter(|pixel| pixel.0[0] != 0).count();
    let all = mask.pixels().count().max(1);
    if kept * 50 < all || kept * 50 > all * 49 { oval(width, height) } else { mask }
}

fn oval(width: u32, height: u32) -> GrayImage {
    let centre = |side: u32| (f64::from(side) - 1.0) / 2.0;
    GrayImage::from_fn(width, height, |x, y| {
        let dx = (f64::from(x) - centre(width)) / (f64::from(width) * 0.42);
        let dy = (f64::from(y) - centre(height)) / (f64::from(height) * 0.42);
        let fade = ((1.08 - dx.hypot(dy)) / 0.16).clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
        let level = (fade * 255.0) as u8;
        Luma([level])
    })
}

fn distance(a: Rgb<u8>, b: Rgb<u8>) -> u32 {
    a.0.iter().zip(b.0).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

fn luma(pixel: Rgb<u8>) -> u32 {
    let [r, g, b] = pixel.0.map(u32::from);
    (r * 77 + g * 150 + b * 29) >> 8
}

fn weight(share: f32) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
    let weight = (share.clamp(0.0, 1.0) * 255.0) as u32;
    weight
}

/// `old` and `new` mixed, `weight` of 255 parts new.
fn mix(old: u8, new: u8, weight: u32) -> u8 {
    u8::try_from((u32::from(old) * (255 - weight) + u32::from(new) * weight) / 255).unwrap_or(u8::MAX)
}
