//! Pictures made from a prompt, a size and a seed: hills, orbs, ribbons, blossoms or mosaics in a palette of their own.
//!
//! Invariant: the same prompt, size and seed give the same bytes, and every picture says that it is a sample.
//! Deliberately absent: any claim to show what the prompt says. A few words nudge the hue and the motif, no more.

mod edit;
mod encode;
mod palette;
mod resample;
mod rng;
mod scene;
mod shapes;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use edit::{cutout, inpaint, inset, restyle};
pub(crate) use encode::{Format, encode};
pub(crate) use resample::{ScaleError, cover, plane, resize};
pub(crate) use scene::Scene;
pub(crate) use text::{Stamp, mark};

use image::RgbImage;

/// A marked picture of `width` by `height` pixels. Empty sizes give an empty picture.
pub(crate) fn picture(prompt: &str, seed: u64, width: u32, height: u32) -> RgbImage {
    let mut image = Scene::new(prompt, seed).render(width, height, 0.0);
    mark(&mut image, prompt);
    image
}
