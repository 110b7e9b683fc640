//! The mark in a picture's corner: the word SAMPLE and how the prompt begins.

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};
use image::RgbImage;

/// Longest text, in characters, of which SAMPLE and a blank take seven.
const MAX_CHARS: usize = 38;
/// Side of a glyph in its own pixels.
const GLYPH: u32 = 8;

/// The mark for pictures of one size: a dark box with light letters.
pub(crate) struct Stamp {
    left: u32,
    top: u32,
    width: u32,
    /// Whether a letter covers the pixel, row by row.
    ink: Vec<bool>,
}

impl Stamp {
    /// The mark for `prompt`, none where a picture is too small for it.
    pub(crate) fn new(width: u32, height: u32, prompt: &str) -> Option<Self> {
        let scale = (width.min(height) / 400).max(1);
        let margin = 6 * scale;
        let fits = usize::try_from(width.saturating_sub(4 * margin) / (GLYPH * scale)).unwrap_or(0);
        let text = caption(prompt, fits.min(MAX_CHARS));
        let box_height = (GLYPH + 6) * scale;
        if text.is_empty() || height < box_height + 2 * margin {
            return None;
        }
        let box_width = u32::try_from(text.len()).unwrap_or(0) * GLYPH * scale + 8 * scale;
        let inked = |x: u32, y: u32| {
            let (x, y) = (x.checked_sub(4 * scale)? / scale, y.checked_sub(3 * scale)? / scale);
            let glyph = text.get(usize::try_from(x / GLYPH).ok()?)?;
            let row = glyph.get(usize::try_from(y).ok()?)?;
            Some(row & (1 << (x % GLYPH)) != 0)
        };
        let ink = (0..box_height).flat_map(|y| (0..box_width).map(move |x| (x, y)));
        let ink = ink.map(|(x, y)| inked(x, y).unwrap_or(false)).collect();
        Some(Self { left: margin, top: height - margin - box_height, width: box_width, ink })
    }

    /// Each pixel of the box, and whether a letter covers it.
    pub(crate) fn pixels(&self) -> impl Iterator<Item = (u32, u32, bool)> {
        (0_u32..).zip(&self.ink).map(|(i, ink)| (self.left + i % self.width, self.top + i / self.width, *ink))
    }
}

/// Stamps the mark into the lower left corner.
pub(crate) fn mark(image: &mut RgbImage, prompt: &str) {
    let Some(stamp) = Stamp::new(image.width(), image.height(), prompt) else {
        return;
    };
    for (x, y, ink) in stamp.pixels() {
        let pixel = image.get_pixel_mut(x, y);
        pixel.0 = if ink { [236, 238, 242] } else { pixel.0.map(|channel| channel / 3) };
    }
}

/// SAMPLE and the first words, cut at a word where one ends, as glyphs.
fn caption(prompt: &str, limit: usize) -> Vec<[u8; 8]> {
    let mut text = String::from("SAMPLE");
    for word in prompt.split_whitespace() {
        if text.chars().count() + 1 + word.chars().count() > limit {
            break;
        }
        text.push(' ');
        text.push_str(word);
    }
    text.chars()
        .take(limit)
        .map(|c| BASIC_FONTS.get(c).or_else(|| LATIN_FONTS.get(c)).or_else(|| BASIC_FONTS.get('?')).unwrap_or([0; 8]))
        .collect()
}
