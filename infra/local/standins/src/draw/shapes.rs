//! The canvas and its fills.
//!
//! Soft and plain shapes are filled by loops of our own, several times as fast here as a general path renderer with
//! gradients; what has corners and curves goes to tiny-skia.

use tiny_skia::{Color, FillRule, Paint, Path, Pixmap, Shader, Transform};

/// What the motifs draw on. It is opaque throughout.
pub(super) struct Canvas {
    pub(super) pixmap: Pixmap,
    /// Width in pixels.
    pub(super) w: f32,
    /// Height in pixels.
    pub(super) h: f32,
    /// The shorter side in pixels: the unit of sizes.
    pub(super) s: f32,
}

/// Everything below a line that crosses the whole width.
pub(super) struct Band {
    /// The line's y in pixels, for each x.
    pub(super) line: Vec<f32>,
    /// The colour at the height `y0`, fading to `bottom` at `y1`.
    pub(super) top: Color,
    pub(super) bottom: Color,
    pub(super) y0: f32,
    pub(super) y1: f32,
    pub(super) alpha: f32,
}

type Pixel = [u8; 4];

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "sides stay far below 2^24")]
        let (w, h) = (width as f32, height as f32);
        Some(Self { pixmap: Pixmap::new(width, height)?, w, h, s: w.min(h) })
    }

    /// Covers everything with a gradient from `from` to `to`, points in shares of the width and the height.
    pub(super) fn backdrop(&mut self, colors: &[Color; 3], from: (f32, f32), to: (f32, f32)) {
        const STEPS: f32 = 511.0;
        let [a, b, c] = colors.map(channels);
        let ramp: Vec<Pixel> = (0..512_u16)
            .map(|i| {
                let t = f32::from(i) / STEPS;
                if t < 0.55 { opaque(lerp(a, b, t / 0.55)) } else { opaque(lerp(b, c, (t - 0.55) / 0.45)) }
            })
            .collect();
        let (dx, dy) = ((to.0 - from.0) * self.w, (to.1 - from.1) * self.h);
        let length = (dx * dx + dy * dy).max(1.0);
        let (step_x, step_y) = (dx / length, dy / length);
        let start = -(from.0 * self.w * step_x + from.1 * self.h * step_y);
        for (y, row) in self.rows(0.0, f32::MAX) {
            let mut t = start + y * step_y;
            for pixel in row {
                *pixel = ramp[index(t.clamp(0.0, 1.0) * STEPS).min(511)];
                t += step_x;
            }
        }
    }

    /// Paints bands in the order given. What a later opaque one hides entirely is left out.
    pub(super) fn bands(&mut self, bands: &[Band]) {
        let lowest = |band: &Band| band.line.iter().fold(f32::MIN, |a, b| a.max(*b));
        for (i, band) in bands.iter().enumerate() {
            let hidden = bands[i + 1..].iter().filter(|later| later.alpha >= 1.0).map(lowest);
            let end = hidden.fold(f32::MAX, f32::min);
            let begin = band.line.iter().fold(f32::MAX, |a, b| a.min(*b));
            let (full, top, bottom) = (lowest(band), channels(band.top), channels(band.bottom));
            for (y, row) in self.rows(begin, end + 1.0) {
                let color = lerp(top, bottom, ((y - band.y0) / (band.y1 - band.y0).max(1.0)).clamp(0.0, 1.0));
                if y >= full && band.alpha >= 1.0 {
                    row.fill(opaque(color));
                } else {
                    for (pixel, line) in row.iter_mut().zip(&band.line) {
                        blend(pixel, color, (y + 1.0 - line).clamp(0.0, 1.0) * band.alpha);
                    }
                }
            }
        }
    }

    /// A rectangle that fades from `top` to `bottom`.
    pub(super) fn tile(&mut self, x: f32, y: f32, side: f32, top: Color, bottom: Color, alpha: f32) {
        let (top, bottom) = (channels(top), channels(bottom));
        for (row_y, row) in self.rows(y.round(), (y + side).round()) {
            let color = lerp(top, bottom, (row_y - y) / side);
            for pixel in span(row, x.round(), (x + side).round()).1 {
                blend(pixel, color, alpha);
            }
        }
    }

    /// A disc in one colour.
    pub(super) fn disc(&mut self, x: f32, y: f32, radius: f32, color: Color, alpha: f32) {
        let color = channels(color);
        self.round(x, y, radius, |pixel, d2, _, _| {
            blend(pixel, color, edge(d2, radius) * alpha);
        });
    }

    /// A soft light that fades to nothing at `radius`.
    pub(super) fn glow(&mut self, x: f32, y: f32, radius: f32, color: Color, strength: f32) {
        let color = channels(color);
        let scale = 1.0 / (radius * radius).max(1.0);
        self.round(x, y, radius, |pixel, d2, _, _| {
            let fall = (1.0 - d2 * scale).max(0.0);
            blend(pixel, color, fall * fall * fall * strength);
        });
    }

    /// A ball lit from the upper left.
    pub(super) fn ball(&mut self, x: f32, y: f32, radius: f32, bright: Color, body: Color, alpha: f32) {
        let (bright, body) = (channels(bright), channels(body));
        let scale = 1.0 / (radius * radius).max(1.0);
        self.round(x, y, radius, |pixel, d2, dx, dy| {
            let (lx, ly) = (dx + radius * 0.35, dy + radius * 0.4);
            let light = (1.0 - (lx * lx + ly * ly) * scale * 1.6).max(0.0);
            let rim = d2 * scale;
            let color = lerp(body, bright, light * light);
            blend(pixel, color, edge(d2, radius) * alpha * (1.0 - 0.4 * rim * rim));
        });
    }

    /// A path in one colour.
    pub(super) fn fill(&mut self, path: Option<Path>, shader: Shader<'_>) {
        if let Some(path) = path {
            let paint = Paint { shader, ..Paint::default() };
            self.pixmap.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    /// Gives `shade` each pixel around (x, y), the square of its distance and its offset.
    fn round(&mut self, x: f32, y: f32, radius: f32, shade: impl Fn(&mut Pixel, f32, f32, f32)) {
        let reach = radius + 1.0;
        for (row_y, row) in self.rows(y - reach, y + reach) {
            let dy = row_y + 0.5 - y;
            let half = (reach * reach - dy * dy).max(0.0).sqrt();
            let (mut dx, span) = span(row, x - half, x + half);
            dx += 0.5 - x;
            for pixel in span {
                shade(pixel, dx * dx + dy * dy, dx, dy);
                dx += 1.0;
            }
        }
    }

    /// The rows from `from` up to `to`, as far as there are any, each with its y.
    fn rows(&mut self, from: f32, to: f32) -> impl Iterator<Item = (f32, &mut [Pixel])> {
        let height = self.h;
        let width = index(self.w).max(1);
        let (from, to) = (from.clamp(0.0, height).floor(), to.clamp(0.0, height).ceil());
        let pixels = self.pixmap.data_mut().as_chunks_mut().0;
        let rows = pixels.chunks_exact_mut(width).skip(index(from)).take(index((to - from).max(0.0)));
        rows.scan(from, |y, row| {
            let this = *y;
            *y += 1.0;
            Some((this, row))
        })
    }
}

/// The part of a row from `from` up to `to`, and where it begins.
fn span(row: &mut [Pixel], from: f32, to: f32) -> (f32, &mut [Pixel]) {
    let start = index(from.max(0.0)).min(row.len());
    let end = index(to.max(0.0).ceil()).clamp(start, row.len());
    #[expect(clippy::cast_precision_loss, reason = "sides stay far below 2^24")]
    let first = start as f32;
    (first, &mut row[start..end])
}

fn blend(pixel: &mut Pixel, color: [f32; 3], alpha: f32) {
    for (old, new) in pixel.iter_mut().zip(color) {
        let old_level = f32::from(*old);
        *old = level(old_level + (new - old_level) * alpha);
    }
    pixel[3] = 255;
}

/// How much of a pixel lies within a circle, from the square of its distance.
fn edge(d2: f32, radius: f32) -> f32 {
    ((radius * radius - d2) / (2.0 * radius.max(0.5)) + 0.5).clamp(0.0, 1.0)
}

fn channels(color: Color) -> [f32; 3] {
    [color.red() * 255.0, color.green() * 255.0, color.blue() * 255.0]
}

fn lerp(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * t)
}

fn opaque(color: [f32; 3]) -> Pixel {
    let [r, g, b] = color.map(level);
    [r, g, b, 255]
}

fn level(value: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as wanted")]
    let level = (value + 0.5) as u8;
    level
}

fn index(value: f32) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as wanted")]
    let index = value as usize;
    index
}
