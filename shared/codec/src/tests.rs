use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageEncoder as _, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};

use super::decode::decode;
use super::*;
use crate::MediaType;

/// A picture that no two corners of are alike.
fn gradient(width: u32, height: u32) -> RgbImage {
    let shade = |at: u32, of: u32| u8::try_from(at * 255 / of.max(1)).unwrap_or(255);
    RgbImage::from_fn(width, height, |x, y| Rgb([shade(x, width), shade(y, height), shade((x ^ y) & 63, 63)]))
}

fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// `png` with another chunk behind its header.
fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let chunk = [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat();
    [&png[..33], &chunk, &png[33..]].concat()
}

/// `png` that claims another size.
fn resized_header(png: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png.to_vec();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn oriented(orientation: u8) -> Vec<u8> {
    let exif = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[orientation, 0, 0, 0][..], b"\0\0\0\0"].concat();
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif).unwrap();
    // The left half black, the right half white.
    encoder.encode_image(&RgbImage::from_fn(64, 32, |x, _| Rgb([if x < 32 { 0 } else { 255 }; 3]))).unwrap();
    bytes
}

#[test]
fn a_header_says_what_a_file_is() {
    for (format, media_type) in
        [(ImageFormat::Png, MediaType::Png), (ImageFormat::Jpeg, MediaType::Jpeg), (ImageFormat::WebP, MediaType::Webp)]
    {
        let header = check(&file(gradient(40, 30), format), Bounds::UPLOAD).unwrap();
        assert_eq!(header, Header { media_type, width: 40, height: 30 });
    }
}

#[test]
fn what_is_too_large_is_refused_by_its_header() {
    let png = file(gradient(4, 4), ImageFormat::Png);
    for (width, height) in [(50_000, 50_000), (16_385, 1), (1, 16_385), (0, 4), (4, 0), (4_097, 4_096), (u32::MAX, u32::MAX)] {
        let outcome = check(&resized_header(&png, width, height), Bounds::UPLOAD);
        assert!(matches!(outcome, Err(Undecodable::Size { .. } | Undecodable::Damaged(_))), "{width} × {height}: {outcome:?}");
    }
    assert!(check(&resized_header(&png, 4_096, 4_096), Bounds::UPLOAD).is_ok(), "16 megapixels are allowed");
    assert!(decode(&resized_header(&png, 4_096, 4_096), Bounds::UPLOAD).is_err(), "and aren't there");
    // The frame header of a JPEG and of a WebP, which have their size elsewhere.
    let mut jpeg = file(gradient(16, 16), ImageFormat::Jpeg);
    let at = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[at + 5..at + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(check(&jpeg, Bounds::OUTPUT), Err(Undecodable::Size { width: 65_535, height: 65_535 })));
    let tight = Bounds { pixels: 1_000, ..Bounds::UPLOAD };
    assert!(matches!(check(&file(gradient(40, 30), ImageFormat::WebP), tight), Err(Undecodable::Size { .. })));
    assert!(matches!(check(&png, Bounds { bytes: 10, ..Bounds::UPLOAD }), Err(Undecodable::Bytes(10))));
}

#[test]
fn what_moves_is_refused() {
    let apng = with_chunk(&file(gradient(4, 4), ImageFormat::Png), b"acTL", &[0, 0, 0x27, 0x10, 0, 0, 0, 0]);
    assert!(matches!(check(&apng, Bounds::UPLOAD), Err(Undecodable::Animated)));
    let config = webp::WebPConfig::new().unwrap();
    let mut encoder = webp::AnimEncoder::new(8, 8, &config);
    let (black, white) = ([0; 192], [255; 192]);
    encoder.add_frame(webp::AnimFrame::from_rgb(&black, 8, 8, 0));
    encoder.add_frame(webp::AnimFrame::from_rgb(&white, 8, 8, 100));
    assert!(matches!(check(&encoder.encode(), Bounds::UPLOAD), Err(Undecodable::Animated)));
    assert!(matches!(check(b"GIF89a\x01\0\x01\0\0\0\0", Bounds::UPLOAD), Err(Undecodable::Type)));
    assert!(matches!(check(b"<svg xmlns='http://www.w3.org/2000/svg'/>", Bounds::UPLOAD), Err(Undecodable::Type)));
}

#[test]
fn half_a_file_is_no_picture() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let whole = file(gradient(200, 150), format);
        assert!(decode(&whole, Bounds::UPLOAD).is_ok(), "{format:?}");
        for part in [0, 1, 8, 20, 40, whole.len() / 4, whole.len() / 2, whole.len() * 9 / 10] {
            assert!(decode(&whole[..part], Bounds::UPLOAD).is_err(), "{format:?}: {part} of {}", whole.len());
        }
    }
    // An end mark inside the metadata isn't the end.
    let jpeg = oriented(1);
    let preview = [&jpeg[..2], &[0xff, 0xe1, 0, 6, 0xff, 0xd9, 0, 0], &jpeg[2..jpeg.len() - 2]].concat();
    assert!(decode(&preview, Bounds::UPLOAD).is_err());
}

#[test]
fn a_compressed_profile_cannot_blow_up() {
    let mut bomb = Vec::new();
    let mut encoder = PngEncoder::new(&mut bomb);
    encoder.set_icc_profile(vec![0; 64 * 1024 * 1024]).unwrap();
    encoder.write_image(gradient(4, 4).as_raw(), 4, 4, image::ExtendedColorType::Rgb8).unwrap();
    assert!(bomb.len() < 256 * 1024, "a bomb is small");
    // Either it is refused, or the profile is: nothing of its size may come out.
    if let Ok(clean) = normalise(&bomb, false) {
        assert!(clean.bytes.len() < 10_000);
    }
}

#[test]
fn metadata_turns_the_picture_and_is_gone() {
    for (orientation, size, dark_corner) in
        [(1, (64, 32), (0, 0)), (2, (64, 32), (63, 0)), (3, (64, 32), (63, 31)), (6, (32, 64), (0, 0)), (8, (32, 64), (0, 63))]
    {
        let bytes = oriented(orientation);
        let header = check(&bytes, Bounds::UPLOAD).unwrap();
        assert_eq!((header.width, header.height), size, "{orientation}");
        let clean = normalise(&bytes, false).unwrap();
        assert_eq!((clean.width, clean.height, clean.media_type), (size.0, size.1, MediaType::Jpeg));
        assert!(!clean.bytes.windows(4).any(|four| four == b"Exif"), "{orientation}");
        let image = image::load_from_memory(&clean.bytes).unwrap().into_luma8();
        assert!(image.get_pixel(dark_corner.0, dark_corner.1).0[0] < 40, "{orientation}");
        assert!(image.get_pixel(size.0 - 1 - dark_corner.0, size.1 - 1 - dark_corner.1).0[0] > 215, "{orientation}");
    }
}

#[test]
fn thumbnails_fit_their_boxes_and_never_grow() {
    for ((width, height), expected) in [
        ((2_048, 1_024), vec![(512, 512, 256), (1_280, 1_280, 640)]),
        ((1_024, 1_536), vec![(512, 341, 512), (1_280, 853, 1_280)]),
        ((1_000, 600), vec![(512, 512, 307), (1_280, 1_000, 600)]),
        ((512, 100), vec![(512, 512, 100)]),
        ((3, 2), vec![(512, 3, 2)]),
        ((1, 2_000), vec![(512, 1, 512), (1_280, 1, 1_280)]),
    ] {
        let made = thumbnails(&file(gradient(width, height), ImageFormat::Png), Bounds::OUTPUT).unwrap();
        assert_eq!((made.width, made.height), (width, height));
        let sizes: Vec<_> = made.thumbnails.iter().map(|webp| (webp.size, webp.width, webp.height)).collect();
        assert_eq!(sizes, expected, "{width} × {height}");
        for webp in &made.thumbnails {
            let header = check(&webp.bytes, Bounds::OUTPUT).unwrap();
            assert_eq!(header, Header { media_type: MediaType::Webp, width: webp.width, height: webp.height });
        }
        assert!((10..60).contains(&made.placeholder.len()), "{}", made.placeholder);
    }
}

#[test]
fn a_thumbnail_looks_like_its_picture() {
    let picture = gradient(1_600, 1_200);
    let made = thumbnails(&file(picture.clone(), ImageFormat::Png), Bounds::OUTPUT).unwrap();
    let small = image::load_from_memory(&made.thumbnails[0].bytes).unwrap().into_rgb8();
    for (x, y) in [(10, 10), (500, 10), (10, 370), (500, 370), (256, 192)] {
        let (ours, theirs) = (small.get_pixel(x, y).0, picture.get_pixel(x * 1_600 / 512, y * 1_200 / 384).0);
        for channel in 0..2 {
            assert!(ours[channel].abs_diff(theirs[channel]) < 12, "{x},{y}: {ours:?} for {theirs:?}");
        }
    }
    let rgb = picture.clone().into_raw();
    assert_eq!(thumbnails_of_pixels(1_600, 1_200, rgb).unwrap().thumbnails.len(), 2);
    assert!(thumbnails_of_pixels(1_600, 1_200, vec![0; 10]).is_err());
}

#[test]
fn transparency_survives_where_there_is_some() {
    let cut = RgbaImage::from_fn(900, 900, |x, y| Rgba([200, 30, 30, if (x / 8 + y / 8) % 2 == 0 { 0 } else { 255 }]));
    let made = thumbnails(&file(cut.clone(), ImageFormat::Png), Bounds::OUTPUT).unwrap();
    assert!(image::load_from_memory(&made.thumbnails[1].bytes).unwrap().color().has_alpha());
    assert_eq!(normalise(&file(cut, ImageFormat::Png), false).unwrap().media_type, MediaType::Png);
    let opaque = RgbaImage::from_pixel(50, 50, Rgba([1, 2, 3, 255]));
    assert_eq!(normalise(&file(opaque, ImageFormat::Png), false).unwrap().media_type, MediaType::Jpeg, "a channel that says nothing");
}

#[test]
fn uploads_are_bounded_and_encoded_anew() {
    let clean = normalise(&file(gradient(3_000, 1_000), ImageFormat::Png), false).unwrap();
    assert_eq!((clean.width, clean.height, clean.media_type), (2_048, 683, MediaType::Jpeg));
    let text = b"Comment\0<script>alert(1)</script>";
    let polyglot = with_chunk(&file(gradient(20, 20), ImageFormat::Png), b"tEXt", text);
    let trailing = [&polyglot[..], b"PK\x03\x04<html>"].concat();
    let clean = normalise(&trailing, false).unwrap();
    assert!(!clean.bytes.windows(6).any(|six| six == b"script" || six == b"<html>"));
    assert_eq!(image::load_from_memory(&clean.bytes).unwrap().width(), 20);
}

#[test]
fn masks_are_grey_and_as_large_as_their_picture() {
    let brush = GrayAlphaImage::from_fn(100, 60, |x, _| if x < 50 { LumaA([255, 0]) } else { LumaA([255, 255]) });
    let clean = normalise(&file(brush, ImageFormat::Png), true).unwrap();
    let mask = image::load_from_memory(&clean.bytes).unwrap();
    assert_eq!((clean.media_type, mask.color()), (MediaType::Png, image::ColorType::L8));
    let mask = mask.into_luma8();
    assert_eq!((mask.get_pixel(10, 10), mask.get_pixel(90, 10)), (&Luma([0]), &Luma([255])), "transparent isn't painted");

    let mask = file(GrayImage::from_fn(100, 60, |x, _| Luma([if x < 50 { 0 } else { 255 }])), ImageFormat::Png);
    assert!(fit_mask(&mask, 100, 60).unwrap().is_none());
    let fitted = fit_mask(&mask, 1_000, 600).unwrap().unwrap();
    assert_eq!((fitted.width, fitted.height), (1_000, 600));
    assert!(fit_mask(&mask, 1_000, 604).unwrap().is_some(), "rounding");
    assert!(matches!(fit_mask(&mask, 1_000, 800), Err(Undecodable::Size { .. })), "another shape");
    let picture = file(gradient(300, 200), ImageFormat::Jpeg);
    assert!(fit(&picture, 300).unwrap().is_none());
    let smaller = fit(&picture, 150).unwrap().unwrap();
    assert_eq!((smaller.width, smaller.height), (150, 100));
}
