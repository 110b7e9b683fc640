//! The five motifs. Each is drawn from numbers fixed when the scene is made, and moves along a closed loop, so that a
//! film of it has no seam.

use super::palette::{Light, Palette, faded};
use super::rng::Rng;
use super::shapes::{Band, Canvas};
use image::RgbImage;
use std::f32::consts::TAU;
use tiny_skia::{PathBuilder, Shader};

const HILLS: &[&str] =
    &["mountain", "mountains", "hill", "hills", "landscape", "forest", "desert", "sunset", "sunrise", "valley", "beach", "moon"];
const BLOOM: &[&str] = &["flower", "flowers", "blossom", "bloom", "rose", "garden", "mandala", "star"];
const RIBBONS: &[&str] = &["wave", "waves", "silk", "river", "ocean", "sea", "wind", "smoke", "water"];
const MOSAIC: &[&str] = &["city", "building", "geometric", "pattern", "logo", "poster", "house", "street", "robot"];
const ORBS: &[&str] = &["planet", "planets", "space", "galaxy", "bubble", "bubbles", "abstract", "portrait", "cat", "dog"];

#[derive(Debug, Clone, Copy)]
enum Motif {
    Hills,
    Orbs,
    Ribbons,
    Bloom,
    Mosaic,
}

/// A picture before it has a size.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    motif: Motif,
    palette: Palette,
    /// Where the motif's own numbers start: each drawing begins again from here.
    rng: Rng,
}

impl Scene {
    /// The scene of `prompt` and `seed`.
    pub(crate) fn new(prompt: &str, seed: u64) -> Self {
        let mut rng = Rng::new(prompt, seed);
        let words: Vec<String> =
            prompt.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
        let palette = Palette::new(&words, &mut rng);
        let said = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let motifs = [Motif::Hills, Motif::Orbs, Motif::Ribbons, Motif::Bloom, Motif::Mosaic];
        let drawn = motifs[rng.below(motifs.len())];
        let motif = [(BLOOM, Motif::Bloom), (HILLS, Motif::Hills), (RIBBONS, Motif::Ribbons), (MOSAIC, Motif::Mosaic), (ORBS, Motif::Orbs)]
            .into_iter()
            .find(|(list, _)| said(list))
            .map_or(drawn, |(_, motif)| motif);
        Self { motif, palette, rng }
    }

    /// Draws the moment `phase` (0 to 1, where 1 is 0 again). Unmarked.
    pub(crate) fn render(&self, width: u32, height: u32, phase: f32) -> RgbImage {
        let mut image = RgbImage::new(width, height);
        let Some(mut canvas) = Canvas::new(width, height) else {
            return image;
        };
        let mut rng = self.rng.clone();
        match self.motif {
            Motif::Hills => self.hills(&mut canvas, &mut rng, phase),
            Motif::Orbs => self.orbs(&mut canvas, &mut rng, phase),
            Motif::Ribbons => self.ribbons(&mut canvas, &mut rng, phase),
            Motif::Bloom => self.bloom(&mut canvas, &mut rng, phase),
            Motif::Mosaic => self.mosaic(&mut canvas, &mut rng, phase),
        }
        // The backdrop is opaque, so premultiplied is plain.
        for (to, from) in image.as_chunks_mut().0.iter_mut().zip(canvas.pixmap.data().as_chunks().0) {
            let [r, g, b, _]: [u8; 4] = *from;
            *to = [r, g, b];
        }
        image
    }

    fn hills(&self, canvas: &mut Canvas, rng: &mut Rng, phase: f32) {
        let (w, h, s) = (canvas.w, canvas.h, canvas.s);
        canvas.backdrop(&self.palette.backdrop, (0.0, 0.0), (0.0, 0.8));
        let horizon = rng.between(0.42, 0.6);
        let (x, y) = (rng.between(0.2, 0.8) * w, (horizon - rng.between(0.08, 0.26)) * h);
        let radius = rng.between(0.05, 0.12) * s;
        if self.palette.light == Light::Night {
            for _ in 0..70 {
                let (sx, sy, size) = (rng.unit(), rng.unit(), rng.between(0.0008, 0.0026));
                let twinkle = 0.55 + 0.35 * (TAU * (phase + rng.unit())).sin();
                canvas.disc(sx * w, sy * horizon * h, size * s, self.palette.glow, twinkle);
            }
        }
        let breath = 1.0 + 0.06 * (TAU * phase).sin();
        canvas.glow(x, y, radius * 6.0 * breath, self.palette.glow, 0.6);
        canvas.disc(x, y, radius, self.palette.glow, 1.0);
        let ridges = 5 + rng.below(2);
        let bands: Vec<Band> = (0..ridges)
            .map(|ridge| {
                #[expect(clippy::cast_precision_loss, reason = "a handful of ridges")]
                let depth = ridge as f32 / (ridges - 1) as f32;
                let base = horizon + (0.97 - horizon) * depth.powf(1.15);
                let height = (0.12 - 0.05 * depth) * rng.between(0.8, 1.5);
                let rough = 1.0 - 0.55 * depth;
                let shift = 0.015 * (1.0 + 3.0 * depth) * (TAU * phase).sin();
                let waves: [(f32, f32, f32); 4] = std::array::from_fn(|i| {
                    let octave = [0.9, 2.3, 5.1, 11.0][i];
                    let gain = [1.0, 0.5, 0.22 * rough, 0.09 * rough][i];
                    (octave * rng.between(0.8, 1.25), gain, rng.between(0.0, TAU))
                });
                let line = |x: f32| {
                    let sum: f32 = waves.iter().map(|(f, a, p)| a * ((x + shift) * f * TAU + p).sin()).sum();
                    (base - height * (0.5 + 0.5 * sum)) * h
                };
                let near = self.palette.depth(depth);
                let mist = self.palette.depth((depth - 0.22).max(0.0));
                Band { line: across(w, line), top: near, bottom: mist, y0: (base - height) * h, y1: (base + 0.3) * h, alpha: 1.0 }
            })
            .collect();
        canvas.bands(&bands);
    }

    fn orbs(&self, canvas: &mut Canvas, rng: &mut Rng, phase: f32) {
        let (w, h, s) = (canvas.w, canvas.h, canvas.s);
        canvas.backdrop(&self.palette.backdrop, (rng.unit() * 0.3, 0.0), (rng.between(0.7, 1.0), 1.0));
        for _ in 0..4 {
            let color = self.palette.accents[rng.below(6)];
            let (x, y, r) = (rng.unit() * w, rng.unit() * h, rng.between(0.45, 0.8) * s);
            canvas.glow(x, y, r, color, 0.5);
        }
        let count = 9 + rng.below(6);
        for i in 0..count {
            #[expect(clippy::cast_precision_loss, reason = "a handful of orbs")]
            let rank = i as f32 / count as f32;
            let radius = s * (0.26 * (1.0 - rank).powf(1.6) + 0.025) * rng.between(0.75, 1.2);
            let (ax, ay) = (rng.between(0.02, 0.07) * s, rng.between(0.02, 0.06) * s);
            let turn = TAU * (phase + rng.unit());
            let x = rng.between(0.05, 0.95) * w + ax * turn.cos();
            let y = rng.between(0.05, 0.95) * h + ay * turn.sin();
            let body = self.palette.accents[rng.below(6)];
            canvas.glow(x + radius * 0.15, y + radius * 0.3, radius * 1.35, self.palette.depth(1.0), 0.3);
            canvas.ball(x, y, radius, self.palette.glow, body, rng.between(0.7, 0.98));
        }
    }

    fn ribbons(&self, canvas: &mut Canvas, rng: &mut Rng, phase: f32) {
        let (w, h) = (canvas.w, canvas.h);
        canvas.backdrop(&self.palette.backdrop, (0.0, 0.0), (0.3, 1.0));
        canvas.glow(rng.between(0.2, 0.8) * w, rng.between(0.05, 0.3) * h, canvas.s * 0.7, self.palette.glow, 0.55);
        let count = 8 + rng.below(4);
        let waves: [(f32, f32, f32); 3] =
            std::array::from_fn(|i| ([0.7, 1.4, 2.6][i] * rng.between(0.8, 1.3), [0.085, 0.04, 0.014][i], rng.between(0.0, TAU)));
        let (start, skew, bend) = (rng.between(0.12, 0.3), rng.between(-0.3, 0.3), rng.between(0.35, 0.75));
        let bands: Vec<Band> = (0..count)
            .map(|i| {
                #[expect(clippy::cast_precision_loss, reason = "a dozen ribbons")]
                let depth = i as f32 / count as f32;
                let base = start + (1.02 - start) * depth;
                let swell = rng.between(0.7, 1.3);
                let line = |x: f32| {
                    let sum: f32 = waves
                        .iter()
                        .zip([1.0, -1.0, 2.0])
                        .map(|((f, a, p), speed)| a * (x * f * TAU + p + depth * bend * TAU + speed * TAU * phase).sin())
                        .sum();
                    (base + swell * sum + skew * (x - 0.5) * (1.0 - depth)) * h
                };
                let (top, body) = (self.palette.accents[rng.below(6)], self.palette.depth(depth));
                Band { line: across(w, line), top, bottom: body, y0: (base - 0.1) * h, y1: (base + 0.3) * h, alpha: 0.62 + 0.33 * depth }
            })
            .collect();
        canvas.bands(&bands);
    }

    fn bloom(&self, canvas: &mut Canvas, rng: &mut Rng, phase: f32) {
        let (w, h, s) = (canvas.w, canvas.h, canvas.s);
        canvas.backdrop(&self.palette.backdrop, (0.0, 0.0), (0.6, 1.0));
        for _ in 0..14 {
            let (x, y, r) = (rng.unit() * w, rng.unit() * h, rng.between(0.01, 0.06) * s);
            let rise = 0.03 * s * (TAU * (phase + rng.unit())).sin();
            canvas.disc(x, y + rise, r, self.palette.glow, rng.between(0.06, 0.2));
        }
        let flowers = 1 + rng.below(3);
        for flower in 0..flowers {
            let lone = flowers == 1;
            let (x, y) = if lone {
                (w * rng.between(0.4, 0.6), h * rng.between(0.42, 0.58))
            } else {
                #[expect(clippy::cast_precision_loss, reason = "at most three flowers")]
                let column = (flower as f32 + 0.5) / flowers as f32;
                (w * (column + rng.between(-0.08, 0.08)), h * rng.between(0.25, 0.75))
            };
            let size = s * if lone { rng.between(0.4, 0.48) } else { rng.between(0.22, 0.34) };
            let petals = 6 + rng.below(8);
            canvas.glow(x, y, size * 1.5, self.palette.glow, 0.5);
            for ring in 0..4_u8 {
                let reach = size * (1.0 - 0.22 * f32::from(ring));
                let color = self.palette.accents[(usize::from(ring) + rng.below(3)) % 6];
                let offset = rng.unit() + 0.5 * f32::from(ring);
                let width = rng.between(0.75, 1.15);
                for petal in 0..petals {
                    #[expect(clippy::cast_precision_loss, reason = "a dozen petals")]
                    let share = (petal as f32 + offset + phase * [1.0, -1.0][usize::from(ring % 2)]) / petals as f32;
                    let turn = TAU * share;
                    let path = petal_path(x, y, turn, reach, width * TAU / (petals as f32 * 1.6));
                    canvas.fill(path, Shader::SolidColor(faded(color, 0.88)));
                }
                // The shade that the ring above throws on this one.
                canvas.glow(x, y, reach * 0.85, self.palette.depth(0.8), 0.55);
            }
            canvas.ball(x, y, size * 0.13, self.palette.glow, self.palette.accents[1], 1.0);
        }
    }

    fn mosaic(&self, canvas: &mut Canvas, rng: &mut Rng, phase: f32) {
        let (w, h, s) = (canvas.w, canvas.h, canvas.s);
        canvas.backdrop(&self.palette.backdrop, (0.0, 0.0), (1.0, 1.0));
        let across = 4 + rng.below(3);
        #[expect(clippy::cast_precision_loss, reason = "a handful of tiles")]
        let tile = s / across as f32;
        let mut y = 0.0;
        while y < h {
            let mut x = 0.0;
            while x < w {
                let (ground, figure) = (self.palette.accents[rng.below(6)], rng.below(6));
                let shade = if rng.chance(0.3) { self.palette.depth(rng.unit()) } else { ground };
                let front = self.palette.accents[(figure + 3) % 6];
                let breath = 1.0 + 0.07 * (TAU * (phase + rng.unit())).sin();
                let kind = rng.below(6);
                let quarter = rng.below(4);
                canvas.tile(x, y, tile, shade, ground, 0.9);
                let (cx, cy) = (x + tile / 2.0, y + tile / 2.0);
                match kind {
                    0 => canvas.disc(cx, cy, tile * 0.36 * breath, front, 1.0),
                    1 => {
                        canvas.disc(cx, cy, tile * 0.4, front, 1.0);
                        canvas.disc(cx, cy, tile * 0.24 * breath, shade, 1.0);
                    }
                    2 => canvas.ball(cx, cy, tile * 0.38 * breath, self.palette.glow, front, 1.0),
                    3 => canvas.fill(wedge(x, y, tile, quarter, 1.0), Shader::SolidColor(front)),
                    4 => {
                        canvas.fill(wedge(x, y, tile, quarter, 1.0), Shader::SolidColor(front));
                        canvas.fill(wedge(x, y, tile, quarter, 0.5 * breath), Shader::SolidColor(self.palette.glow));
                    }
                    _ => {
                        let mut half = PathBuilder::new();
                        let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
                        for (i, step) in [0, 1, 2].into_iter().enumerate() {
                            let (px, py) = corners[(quarter + step) % 4];
                            let (px, py) = (x + px * tile, y + py * tile);
                            if i == 0 { half.move_to(px, py) } else { half.line_to(px, py) }
                        }
                        half.close();
                        canvas.fill(half.finish(), Shader::SolidColor(front));
                    }
                }
                x += tile;
            }
            y += tile;
        }
    }
}

/// The values of a line at the middle of each pixel column.
fn across(w: f32, line: impl Fn(f32) -> f32) -> Vec<f32> {
    let mut x = 0.5;
    std::iter::from_fn(|| {
        let here = (x < w).then(|| line(x / w));
        x += 1.0;
        here
    })
    .collect()
}

/// A petal from (x, y) towards `turn`, `spread` radians wide.
fn petal_path(x: f32, y: f32, turn: f32, reach: f32, spread: f32) -> Option<tiny_skia::Path> {
    let point = |angle: f32, share: f32| (x + reach * share * angle.cos(), y + reach * share * angle.sin());
    let tip = point(turn, 1.0);
    let (a, b) = (point(turn - spread, 0.55), point(turn - spread * 0.7, 1.02));
    let (c, d) = (point(turn + spread * 0.7, 1.02), point(turn + spread, 0.55));
    let mut path = PathBuilder::new();
    path.move_to(x, y);
    path.cubic_to(a.0, a.1, b.0, b.1, tip.0, tip.1);
    path.cubic_to(c.0, c.1, d.0, d.1, x, y);
    path.close();
    path.finish()
}

/// A quarter of a disc whose centre is one corner of a tile, `share` of the tile large.
fn wedge(x: f32, y: f32, tile: f32, quarter: usize, share: f32) -> Option<tiny_skia::Path> {
    // The control point that makes a cubic follow a quarter of a circle.
    const KAPPA: f32 = 0.552_284_8;
    let (cx, cy, dx, dy) = [(0.0, 0.0, 1.0, 1.0), (1.0, 0.0, -1.0, 1.0), (1.0, 1.0, -1.0, -1.0), (0.0, 1.0, 1.0, -1.0)][quarter % 4];
    let (cx, cy, r) = (x + cx * tile, y + cy * tile, tile * share);
    let mut path = PathBuilder::new();
    path.move_to(cx, cy);
    path.line_to(cx + dx * r, cy);
    path.cubic_to(cx + dx * r, cy + dy * r * KAPPA, cx + dx * r * KAPPA, cy + dy * r, cx, cy + dy * r);
    path.close();
    path.finish()
}
