//! The sizes of results, from the many names that models have for them.

use super::fault::{Detail, Fault};
use super::schema;
use serde_json::{Map, Value, json};

/// Largest picture made, in pixels: what a quarter of a gigabyte holds.
const MAX_AREA: u64 = 8_192 * 8_192;
/// Longest side of an edited picture whose size the input leaves open.
const MAX_EDIT_SIDE: u32 = 2_048;

/// A picture's width and height: as named by size or by ratio and resolution, or else those of its source.
///
/// # Errors
/// When the picture would not fit into memory.
pub(super) fn picture(input: &Map<String, Value>, source: Option<(u32, u32)>) -> Result<(u32, u32), Fault> {
    if let Some((width, height)) = schema::image_size(input.get("image_size")) {
        fits(width, height, "image_size")?;
        return Ok((width, height));
    }
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let side = match text("resolution") {
        Some("0.5K") => 512.0,
        Some("2K") => 2048.0,
        Some("4K") => 4096.0,
        _ => 1024.0,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most four times 4096")]
    let whole = |pixels: f64| (pixels / 16.0).round() as u32 * 16;
    Ok(match (text("aspect_ratio").and_then(ratio), source) {
        (Some((w, h)), _) => {
            // Ten to one is longer than any named ratio.
            let stretch = (f64::from(w) / f64::from(h.max(1))).clamp(0.1, 10.0).sqrt();
            (whole(side * stretch), whole(side / stretch))
        }
        (None, Some((width, height))) => {
            let shrink = (f64::from(width.max(height)) / f64::from(MAX_EDIT_SIDE)).max(1.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the source's side")]
            let side = |pixels: u32| ((f64::from(pixels) / shrink) as u32).max(1);
            (side(width), side(height))
        }
        (None, None) => (whole(side), whole(side)),
    })
}

/// An upscaled picture's width and height.
///
/// # Errors
/// When the picture would not fit into memory.
pub(super) fn upscaled(input: &Map<String, Value>, (width, height): (u32, u32)) -> Result<(u32, u32), Fault> {
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let number = |name: &str| input.get(name).and_then(Value::as_f64);
    let target = text("target_resolution").filter(|_| text("upscale_mode") == Some("target"));
    let target = target.and_then(|lines| lines.trim_end_matches('p').parse::<f64>().ok());
    let target = target.map(|lines| lines / f64::from(width.min(height).max(1)));
    let factor = target.or(number("upscale_factor")).or(number("scale")).unwrap_or(2.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and what is too large is refused")]
    let side = |pixels: u32| ((f64::from(pixels) * factor).round() as u32).max(1);
    let (width, height) = (side(width), side(height));
    fits(width, height, "image_url")?;
    Ok((width, height))
}

/// A film's width and height, both even. Without a ratio, or with `auto`, the source decides; without a resolution it is 720p.
pub(super) fn film(resolution: Option<&str>, aspect: Option<&str>, source: Option<(u32, u32)>) -> (u32, u32) {
    let lines = |text: &str| text.trim_end_matches(['p', 'P']).parse().ok().filter(|lines| (240..=2160).contains(lines));
    let short = match resolution {
        Some("4k" | "4K") => 2160,
        Some("2K") => 1440,
        named => named.and_then(lines).unwrap_or(720) & !1,
    };
    let (w, h) = match (aspect.and_then(ratio), aspect, source) {
        (Some(named), _, _) => named,
        // Only the two usual shapes are offered where a ratio is.
        (None, Some(_), Some((w, h))) if w < h => (9, 16),
        (None, None, Some(source)) => source,
        _ => (16, 9),
    };
    let stretch = (f64::from(w.max(h)) / f64::from(w.min(h).max(1))).min(2.5);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2.5 times 2160")]
    let long = (f64::from(short) * stretch / 2.0).round() as u32 * 2;
    if w >= h { (long, short) } else { (short, long) }
}

/// Refuses what would not fit into memory, naming the input at fault.
fn fits(width: u32, height: u32, name: &str) -> Result<(), Fault> {
    if u64::from(width) * u64::from(height) <= MAX_AREA {
        return Ok(());
    }
    let detail = Detail::new(&[json!(name)], "image_too_large", "The image is too large");
    Err(Fault::invalid(detail.ctx(json!({ "max_height": 8192, "max_width": 8192 }))))
}

/// The two numbers of a ratio such as `16:9`.
fn ratio(text: &str) -> Option<(u32, u32)> {
    let (w, h) = text.split_once(':')?;
    Some((w.parse().ok()?, h.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_have_the_asked_shape() {
        for (resolution, aspect, source, size) in [
            (Some("720p"), Some("16:9"), None, (1280, 720)),
            (Some("1080p"), Some("9:16"), None, (1080, 1920)),
            (Some("4k"), Some("16:9"), None, (3840, 2160)),
            (Some("480p"), Some("21:9"), None, (1120, 480)),
            (Some("480p"), Some("auto"), None, (854, 480)),
            (Some("1080p"), Some("auto"), Some((500, 800)), (1080, 1920)),
            (None, None, Some((1024, 1024)), (720, 720)),
            (None, None, Some((1000, 750)), (960, 720)),
            (None, None, Some((9000, 10)), (1800, 720)),
            (None, None, None, (1280, 720)),
        ] {
            assert_eq!(film(resolution, aspect, source), size);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let input = json!({"upscale_factor": 4.0});
        assert!(upscaled(input.as_object().unwrap(), (2048, 2048)).is_ok());
        assert!(upscaled(input.as_object().unwrap(), (2049, 2048)).is_err());
        let input = json!({"image_size": {"width": 14_142, "height": 14_142}});
        assert!(picture(input.as_object().unwrap(), None).is_err());
    }
}
