//! Colours that go together, made in OKLCH, where equal steps look equal.

use super::rng::Rng;
use tiny_skia::Color;

/// Words that say a hue, in degrees of OKLCH.
const HUES: &[(f32, &[&str])] = &[
    (25.0, &["red", "ruby", "fire", "lava", "autumn"]),
    (55.0, &["orange", "copper", "desert", "sunset", "fox", "tiger"]),
    (90.0, &["yellow", "gold", "golden", "sun", "wheat", "honey"]),
    (145.0, &["green", "forest", "jungle", "leaf", "moss", "garden"]),
    (195.0, &["teal", "turquoise", "lagoon", "mint"]),
    (240.0, &["blue", "ocean", "sea", "sky", "ice", "snow", "winter", "rain"]),
    (300.0, &["purple", "violet", "galaxy", "space", "cosmic", "neon", "lavender"]),
    (350.0, &["pink", "rose", "blossom", "cherry", "coral"]),
];
const NIGHT: &[&str] = &["night", "moon", "dark", "midnight", "stars", "galaxy", "space", "neon"];
const GLOAMING: &[&str] = &["sunset", "dusk", "dawn", "sunrise", "evening", "autumn"];

/// The light that a picture is seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Light {
    Day,
    Gloaming,
    Night,
}

/// The colours of one picture.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    pub(super) light: Light,
    /// Top, middle and bottom of the ground that everything stands on.
    pub(super) backdrop: [Color; 3],
    /// Sun, moon, highlights.
    pub(super) glow: Color,
    /// Six colours for shapes, neighbours in hue.
    pub(super) accents: [Color; 6],
    far: (f32, f32, f32),
    near: (f32, f32, f32),
}

impl Palette {
    pub(super) fn new(words: &[String], rng: &mut Rng) -> Self {
        let said = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let drawn = rng.between(0.0, 360.0);
        let wobble = rng.between(-18.0, 18.0);
        let hue = HUES.iter().find(|(_, list)| said(list)).map_or(drawn, |(hue, _)| hue + wobble);
        let light = match rng.below(10) {
            _ if said(NIGHT) => Light::Night,
            _ if said(GLOAMING) => Light::Gloaming,
            0..5 => Light::Day,
            5..8 => Light::Gloaming,
            _ => Light::Night,
        };
        // How far the second hue lies from the first: neighbours, a triad or the opposite.
        let turn = [35.0, -40.0, 70.0, 120.0, 165.0][rng.below(5)];
        let other = hue + turn;
        let (backdrop, glow, far, near) = match light {
            Light::Day => (
                [oklch(0.74, 0.09, other), oklch(0.86, 0.06, other + 15.0), oklch(0.95, 0.04, hue + 20.0)],
                oklch(0.98, 0.05, hue + 40.0),
                (0.80, 0.06, other),
                (0.34, 0.09, hue),
            ),
            Light::Gloaming => (
                [oklch(0.40, 0.12, other), oklch(0.64, 0.15, hue + 10.0), oklch(0.86, 0.11, hue + 45.0)],
                oklch(0.94, 0.10, hue + 50.0),
                (0.62, 0.12, hue + 15.0),
                (0.22, 0.07, other),
            ),
            Light::Night => (
                [oklch(0.17, 0.06, other), oklch(0.27, 0.09, other + 10.0), oklch(0.45, 0.11, hue)],
                oklch(0.95, 0.04, hue + 60.0),
                (0.42, 0.10, hue),
                (0.13, 0.04, other),
            ),
        };
        let lift = if light == Light::Night { -0.08 } else { 0.0 };
        let accents = std::array::from_fn(|i| {
            let step = [0.0, 22.0, -24.0, turn, turn + 25.0, turn * 0.5][i];
            oklch(rng.between(0.55, 0.82) + lift, rng.between(0.10, 0.17), hue + step)
        });
        Self { light, backdrop, glow, accents, far, near }
    }

    /// The colour of something at a depth between 0, in the haze, and 1, at our feet.
    pub(super) fn depth(&self, t: f32) -> Color {
        let mix = |a: f32, b: f32| a + (b - a) * t.clamp(0.0, 1.0);
        // The short way round the circle of hues.
        let arc = (self.near.2 - self.far.2 + 540.0).rem_euclid(360.0) - 180.0;
        oklch(mix(self.far.0, self.near.0), mix(self.far.1, self.near.1), self.far.2 + arc * t.clamp(0.0, 1.0))
    }
}

/// `color` with another opacity.
pub(super) fn faded(color: Color, alpha: f32) -> Color {
    let mut faded = color;
    faded.set_alpha(alpha);
    faded
}

/// Lightness 0..1, chroma 0..0.37, hue in degrees; clipped to what sRGB can show.
fn oklch(lightness: f32, chroma: f32, hue: f32) -> Color {
    let (sin, cos) = hue.to_radians().sin_cos();
    // sRGB holds less colour in the dark and, at the same lightness, in yellow and green than elsewhere.
    let chroma = chroma * (1.0 - 0.35 * (hue - 110.0).to_radians().cos().max(0.0)) * (lightness * 2.2).min(1.0);
    let (a, b) = (chroma * cos, chroma * sin);
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let channel = |linear: f32| {
        let linear = linear.clamp(0.0, 1.0);
        if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
    };
    let red = channel(4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s);
    let green = channel(-1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s);
    let blue = channel(-0.004_196_086 * l - 0.703_418_6 * m + 1.707_614_7 * s);
    Color::from_rgba(red.clamp(0.0, 1.0), green.clamp(0.0, 1.0), blue.clamp(0.0, 1.0), 1.0).unwrap_or(Color::BLACK)
}
