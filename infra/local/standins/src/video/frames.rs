//! The frames of a film as YUV planes, painted small and scaled up where that can't be seen.

use super::{FilmError, Shot};
use crate::draw::{Scene, Stamp, cover, plane};
use image::{DynamicImage, RgbImage};
use rusty_h264_common::YuvFrame;
use std::f32::consts::TAU;

/// The longer side that scenes are painted at: they are soft, and this is six times as fast as full size.
const PAINTED: u32 = 640;
/// How much larger than the film a source picture is kept, so that there is room to move in.
const ROOM: f64 = 1.08;

/// What moves.
pub(crate) enum Subject {
    /// A drawn scene, moving by itself.
    Scene(Scene),
    /// A picture that the eye wanders over, and perhaps another that takes its place at the end.
    Pictures { first: DynamicImage, last: Option<DynamicImage> },
}

/// Three planes of one size: luma and both chromas.
struct Planes {
    width: u32,
    height: u32,
    planes: [Vec<u8>; 3],
}

pub(super) struct Painter<'a> {
    source: Source<'a>,
    shot: Shot,
    stamp: Option<Stamp>,
}

enum Source<'a> {
    Scene(&'a Scene),
    Pictures { first: Planes, last: Option<Planes> },
}

impl<'a> Painter<'a> {
    pub(super) fn new(subject: &'a Subject, prompt: &str, shot: Shot) -> Result<Self, FilmError> {
        let roomy = |picture: &DynamicImage| -> Result<Planes, FilmError> {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sides of a film")]
            let side = |pixels: u32| (f64::from(pixels) * ROOM) as u32;
            Ok(planes(&cover(picture, side(shot.width), side(shot.height))?.to_rgb8()))
        };
        let source = match subject {
            Subject::Scene(scene) => Source::Scene(scene),
            Subject::Pictures { first, last } => Source::Pictures { first: roomy(first)?, last: last.as_ref().map(roomy).transpose()? },
        };
        Ok(Self { source, shot, stamp: Stamp::new(shot.width, shot.height, prompt) })
    }

    /// Whether there is another picture to end with.
    pub(super) fn fades(&self) -> bool {
        matches!(self.source, Source::Pictures { last: Some(_), .. })
    }

    /// The frame at `phase` (0 to 1) of the loop; with `fade`, the end picture comes in over the loop.
    pub(super) fn paint(&self, phase: f32, fade: bool) -> Result<YuvFrame, FilmError> {
        let shot = self.shot;
        let mut frame = match &self.source {
            Source::Scene(scene) => {
                let shrink = shot.width.max(shot.height).div_ceil(PAINTED).max(1);
                let small = planes(&scene.render(shot.width.div_ceil(shrink), shot.height.div_ceil(shrink), phase));
                let whole = (0.0, 0.0, f64::from(small.width), f64::from(small.height));
                scale(&small, whole, shot)?
            }
            Source::Pictures { first, last } => {
                let mut frame = scale(first, wander(first, shot, phase), shot)?;
                if let (Some(last), true) = (last, fade) {
                    let other = scale(last, wander(last, shot, phase), shot)?;
                    mix(&mut frame, &other, phase);
                }
                frame
            }
        };
        if let Some(stamp) = &self.stamp {
            mark(&mut frame, stamp);
        }
        Ok(frame)
    }
}

/// The part of a picture that is seen at `phase`: it drifts in a circle and breathes.
fn wander(planes: &Planes, shot: Shot, phase: f32) -> (f64, f64, f64, f64) {
    let (sin, cos) = (f64::from((TAU * phase).sin()), f64::from((TAU * phase).cos()));
    let zoom = 1.0 + 0.02 * (1.0 - cos);
    let (width, height) = (f64::from(shot.width) * zoom, f64::from(shot.height) * zoom);
    let room = |all: u32, part: f64, at: f64| ((f64::from(all) - part) / 2.0 * (1.0 + 0.8 * at)).max(0.0);
    let (left, top) = (room(planes.width, width, sin), room(planes.height, height, sin * 0.6));
    (left, top, width.min(f64::from(planes.width) - left), height.min(f64::from(planes.height) - top))
}

/// A part (left, top, width, height) of some planes as a frame of the film's size.
fn scale(planes: &Planes, part: (f64, f64, f64, f64), shot: Shot) -> Result<YuvFrame, FilmError> {
    let scaled = |from: &[u8], width, height| plane((planes.width, planes.height, from), part, (width, height));
    let [y, u, v] = &planes.planes;
    Ok(YuvFrame {
        width: usize::try_from(shot.width).unwrap_or(0),
        height: usize::try_from(shot.height).unwrap_or(0),
        y: scaled(y, shot.width, shot.height)?,
        u: scaled(u, shot.width / 2, shot.height / 2)?,
        v: scaled(v, shot.width / 2, shot.height / 2)?,
    })
}

/// BT.709 in the narrow range, which players assume where a film says nothing.
fn planes(image: &RgbImage) -> Planes {
    let size = usize::try_from(u64::from(image.width()) * u64::from(image.height())).unwrap_or(0);
    let mut planes: [Vec<u8>; 3] = std::array::from_fn(|_| Vec::with_capacity(size));
    for pixel in image.pixels() {
        let [r, g, b] = pixel.0.map(i32::from);
        let values = [
            16 + ((47 * r + 157 * g + 16 * b + 128) >> 8),
            128 + ((-26 * r - 87 * g + 112 * b + 128) >> 8),
            128 + ((112 * r - 102 * g - 10 * b + 128) >> 8),
        ];
        for (plane, value) in planes.iter_mut().zip(values) {
            plane.push(u8::try_from(value.clamp(0, 255)).unwrap_or(0));
        }
    }
    Planes { width: image.width(), height: image.height(), planes }
}

/// `share` of `other` in `frame`.
fn mix(frame: &mut YuvFrame, other: &YuvFrame, share: f32) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 256")]
    let weight = (share.clamp(0.0, 1.0) * 256.0) as u32;
    for (plane, other) in [(&mut frame.y, &other.y), (&mut frame.u, &other.u), (&mut frame.v, &other.v)] {
        for (old, new) in plane.iter_mut().zip(other) {
            *old = u8::try_from((u32::from(*old) * (256 - weight) + u32::from(*new) * weight) >> 8).unwrap_or(u8::MAX);
        }
    }
}

fn mark(frame: &mut YuvFrame, stamp: &Stamp) {
    let index = |x: u32, y: u32, width: usize| usize::try_from(y).unwrap_or(0) * width + usize::try_from(x).unwrap_or(0);
    for (x, y, ink) in stamp.pixels() {
        if let Some(luma) = frame.y.get_mut(index(x, y, frame.width)) {
            *luma = if ink { 220 } else { 16 + luma.saturating_sub(16) / 3 };
        }
        let at = index(x / 2, y / 2, frame.width / 2);
        for plane in [&mut frame.u, &mut frame.v] {
            if let Some(chroma) = plane.get_mut(at) {
                *chroma = 128;
            }
        }
    }
}
