//! From a decoded frame to a picture as it is shown: cut, scaled, coloured, upright.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, RgbImage};

use super::frame::Frame;
use super::index::{Index, shown};
use crate::measures::fitted;
use crate::{BOXES, Thumbnails, Undecodable, thumbnails_of_pixels};

/// From this many lines on, a film that says nothing about its colours has those of HD, as in browsers.
const HD_LINES: u32 = 720;

impl Frame {
    /// Posters of the film that it is from: work for a processor, like [`thumbnails_of_pixels`].
    ///
    /// Scaled while brightness and colours are still apart, so that only what is shown is converted.
    ///
    /// # Errors
    /// [`Undecodable`], for a frame without pixels.
    pub fn posters(&self, index: &Index) -> Result<Thumbnails, Undecodable> {
        let size = |side: usize, cut: u32| u32::try_from(side).unwrap_or(0).saturating_sub(cut);
        let stored = (size(self.width, self.cut.0), size(self.height, self.cut.1));
        let (width, height) = shown(stored, index.pixel, 0);
        let (width, height) = fitted(width, height, BOXES[1]);
        let mut rgb = Vec::with_capacity(self.planes[0].len().min(3 * 1_280 * 1_280));
        let [luma, first, second] = [0, 1, 2].map(|plane| self.scaled(plane, stored, (width, height)));
        let conversion = Conversion::new(self.matrix, self.full_range, stored.1);
        for ((luma, first), second) in luma?.into_iter().zip(first?).zip(second?) {
            rgb.extend(conversion.rgb(luma, first, second));
        }
        let picture = RgbImage::from_raw(width, height, rgb).ok_or_else(|| Undecodable::Damaged("pixels are missing".to_owned()))?;
        let upright = match (DynamicImage::from(picture), index.turns) {
            (picture, 1) => picture.rotate90(),
            (picture, 2) => picture.rotate180(),
            (picture, 3) => picture.rotate270(),
            (picture, _) => picture,
        };
        thumbnails_of_pixels(upright.width(), upright.height(), upright.into_rgb8().into_raw())
    }

    fn scaled(&self, plane: usize, stored: (u32, u32), (width, height): (u32, u32)) -> Result<Vec<u8>, Undecodable> {
        let damaged = |what: String| Undecodable::Damaged(what);
        // Colours have half the size in both directions.
        let (part, filter) = if plane == 0 { (1, FilterType::Lanczos3) } else { (2, FilterType::Bilinear) };
        let side = |side: usize| u32::try_from(side / part).unwrap_or(0);
        let half = |pixels: u32| f64::from(pixels) / if plane == 0 { 1.0 } else { 2.0 };
        let source = TypedImageRef::<U8>::from_buffer(side(self.width), side(self.height), &self.planes[plane]);
        let source = source.map_err(|e| damaged(e.to_string()))?;
        let pixels = u64::from(width) * u64::from(height);
        let mut scaled = vec![0; usize::try_from(pixels).unwrap_or(0)];
        let mut target = TypedImage::<U8>::from_buffer(width, height, &mut scaled).map_err(|e| damaged(e.to_string()))?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(
            half(self.cut.0),
            half(self.cut.1),
            half(stored.0),
            half(stored.1),
        );
        Resizer::new().resize_typed(&source, &mut target, &options).map_err(|e| damaged(e.to_string()))?;
        Ok(scaled)
    }
}

/// How brightness and two differences become red, green and blue, in 65,536ths.
#[derive(Clone, Copy, Debug)]
struct Conversion {
    black: i32,
    luma: i32,
    red: i32,
    green: (i32, i32),
    blue: i32,
}

impl Conversion {
    fn new(matrix: u16, full_range: bool, lines: u32) -> Self {
        let (red, blue) = match matrix {
            1 | 7 => (0.2126, 0.0722),
            9 | 10 => (0.2627, 0.0593),
            4..=6 => (0.299, 0.114),
            _ if lines >= HD_LINES => (0.2126, 0.0722),
            _ => (0.299, 0.114),
        };
        let (luma, chroma): (f64, f64) = if full_range { (1.0, 1.0) } else { (255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |factor: f64| (factor * 65_536.0).round() as i32;
        let green = 1.0 - red - blue;
        Self {
            black: if full_range { 0 } else { 16 },
            luma: fixed(luma),
            red: fixed(2.0 * (1.0 - red) * chroma),
            green: (fixed(-2.0 * (1.0 - blue) * blue / green * chroma), fixed(-2.0 * (1.0 - red) * red / green * chroma)),
            blue: fixed(2.0 * (1.0 - blue) * chroma),
        }
    }

    fn rgb(self, luma: u8, first: u8, second: u8) -> [u8; 3] {
        let grey = (i32::from(luma) - self.black) * self.luma + 32_768;
        let (u, v) = (i32::from(first) - 128, i32::from(second) - 128);
        [grey + self.red * v, grey + self.green.0 * u + self.green.1 * v, grey + self.blue * u].map(|sum| (sum >> 16).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_come_out_as_they_are() {
        for (matrix, full_range, yuv, rgb) in [
            (1, false, (16, 128, 128), [0, 0, 0]),
            (1, false, (235, 128, 128), [255, 255, 255]),
            (1, false, (63, 102, 240), [255, 0, 0]),
            (1, false, (32, 240, 118), [0, 0, 255]),
            (6, false, (81, 90, 240), [255, 0, 0]),
            (6, false, (145, 54, 34), [0, 255, 0]),
            (6, true, (76, 85, 255), [255, 0, 0]),
            (6, true, (0, 128, 128), [0, 0, 0]),
            (6, true, (255, 128, 128), [255, 255, 255]),
        ] {
            let made = Conversion::new(matrix, full_range, 480).rgb(yuv.0, yuv.1, yuv.2);
            assert!(made.iter().zip(rgb).all(|(made, wanted)| made.abs_diff(wanted) <= 2), "{yuv:?}: {made:?} for {rgb:?}");
        }
        let red = |lines| Conversion::new(2, false, lines).rgb(63, 102, 240);
        assert_eq!((red(720), red(719) == red(720)), (Conversion::new(1, false, 0).rgb(63, 102, 240), false), "HD by its size");
    }
}
