//! The measures of pictures.

/// The size of a picture made to fit a box of `side` pixels: never larger than it is, never without a pixel.
pub fn fitted(width: u32, height: u32, side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= side {
        return (width, height);
    }
    let scaled = |one: u32| {
        let exact = (u64::from(one) * u64::from(side) + u64::from(longer) / 2) / u64::from(longer);
        u32::try_from(exact).unwrap_or(side).clamp(1, side)
    };
    (scaled(width), scaled(height))
}

/// Whether two pictures have one shape, but for what rounding to whole pixels explains.
pub fn same_shape((w, h): (u32, u32), (width, height): (u32, u32)) -> bool {
    // One pixel of either, in cross products.
    let difference = (u64::from(w) * u64::from(height)).abs_diff(u64::from(h) * u64::from(width));
    difference <= u64::from(w.max(h).max(width).max(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_filled_and_never_exceeded() {
        for ((width, height, side), expected) in [
            ((4_000, 3_000, 2_048), (2_048, 1_536)),
            ((3_000, 1_000, 2_048), (2_048, 683)),
            ((1_000, 3_000, 2_048), (683, 2_048)),
            ((100, 50, 2_048), (100, 50)),
            ((16_384, 1, 2_048), (2_048, 1)),
        ] {
            assert_eq!(fitted(width, height, side), expected);
        }
    }

    #[test]
    fn a_shape_survives_rounding_and_nothing_else() {
        let picture = (3_001, 2_000);
        for side in [2_048, 1_001, 500, 77] {
            assert!(same_shape(picture, fitted(picture.0, picture.1, side)), "{side}");
        }
        for other in [(2_000, 3_001), (2_048, 1_400), (500, 500), (500, 340)] {
            assert!(!same_shape(picture, other), "{other:?}");
        }
    }
}
