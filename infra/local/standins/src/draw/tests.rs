//! What the pictures promise: repeatable, distinct, of the asked size and decodable by others.

use super::*;
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb};

fn file(prompt: &str, seed: u64, size: (u32, u32), format: Format) -> Vec<u8> {
    encode(&DynamicImage::ImageRgb8(picture(prompt, seed, size.0, size.1)), format).unwrap()
}

/// Mean difference of two pictures, in levels of 255.
fn difference(a: &RgbImage, b: &RgbImage) -> u64 {
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum / a.as_raw().len() as u64
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    for format in [Format::Png, Format::Jpeg, Format::Webp] {
        assert_eq!(file("a red fox", 7, (320, 240), format), file("a red fox", 7, (320, 240), format));
    }
}

#[test]
fn every_format_decodes_to_the_asked_size() {
    for (format, kind) in [(Format::Png, ImageFormat::Png), (Format::Jpeg, ImageFormat::Jpeg), (Format::Webp, ImageFormat::WebP)] {
        let bytes = file("hills at dawn", 1, (333, 187), format);
        assert_eq!(image::guess_format(&bytes).unwrap(), kind);
        let decoded = image::load_from_memory(&bytes).unwrap();
        assert_eq!((decoded.width(), decoded.height()), (333, 187));
    }
}

#[test]
fn prompts_and_seeds_differ_visibly() {
    let prompts = ["a red fox", "a blue whale", "hills at dawn", "paper flowers", "a city of glass", "nothing at all"];
    let pictures: Vec<_> = prompts.iter().map(|prompt| picture(prompt, 1, 256, 256)).collect();
    for (i, a) in pictures.iter().enumerate() {
        for (j, b) in pictures.iter().enumerate().skip(i + 1) {
            let levels = difference(a, b);
            assert!(levels > 12, "{} and {} differ by {levels} levels", prompts[i], prompts[j]);
        }
    }
    assert!(difference(&picture("a red fox", 1, 256, 256), &picture("a red fox", 2, 256, 256)) > 8);
}

#[test]
fn a_scene_moves_and_comes_back() {
    for prompt in ["hills", "planets", "waves", "a flower", "a city"] {
        let scene = Scene::new(prompt, 3);
        let start = scene.render(160, 90, 0.0);
        assert!(difference(&start, &scene.render(160, 90, 0.3)) > 0, "{prompt} stands still");
        assert_eq!(difference(&start, &scene.render(160, 90, 1.0)), 0, "{prompt} jumps at the end of its loop");
    }
}

#[test]
fn the_smallest_and_oddest_sizes_are_drawn() {
    for size in [(1, 1), (16, 1), (1, 16), (31, 7), (64, 2048)] {
        assert_eq!(picture("a prompt with several words, größer als üblich 鳥", 9, size.0, size.1).dimensions(), size);
    }
}

#[test]
fn the_mark_is_in_the_corner() {
    let plain = Scene::new("a fox", 1).render(512, 512, 0.0);
    let marked = picture("a fox", 1, 512, 512);
    let changed: Vec<_> =
        (0..512).flat_map(|y| (0..512).map(move |x| (x, y))).filter(|(x, y)| plain.get_pixel(*x, *y) != marked.get_pixel(*x, *y)).collect();
    assert!(changed.len() > 500 && changed.iter().all(|(x, y)| *x < 260 && *y > 470));
}

#[test]
fn restyling_keeps_the_shapes() {
    let source = RgbImage::from_fn(128, 128, |x, _| if x < 64 { Rgb([250, 250, 250]) } else { Rgb([5, 5, 5]) });
    let styled = restyle(&source, &Scene::new("green forest", 4), 0.9);
    assert!(difference(&source, &styled) > 10);
    let mean = |left: bool| -> u32 {
        let half = styled.enumerate_pixels().filter(|(x, _, _)| (*x < 64) == left);
        half.map(|(_, _, p)| p.0.iter().map(|c| u32::from(*c)).sum::<u32>()).sum()
    };
    assert!(mean(true) > 2 * mean(false));
}

#[test]
fn inpainting_touches_only_what_is_white() {
    let source = RgbImage::from_pixel(64, 64, Rgb([9, 9, 9]));
    let mask = GrayImage::from_fn(64, 64, |x, _| Luma([if x < 32 { 255 } else { 0 }]));
    let filled = inpaint(&source, &mask, &Scene::new("a bright day", 1).render(64, 64, 0.0));
    assert!(filled.enumerate_pixels().filter(|(x, _, _)| *x >= 32).all(|(_, _, p)| p.0 == [9, 9, 9]));
    assert!(filled.enumerate_pixels().filter(|(x, _, p)| *x < 32 && p.0 != [9, 9, 9]).count() > 1900);
}

#[test]
fn a_figure_is_cut_out_of_a_plain_ground() {
    let source = RgbImage::from_fn(800, 600, |x, y| {
        let inside = (250..550).contains(&x) && (150..450).contains(&y);
        if inside { Rgb([200, 30, 30]) } else { Rgb([240, 240, 235]) }
    });
    let (cut, mask) = cutout(&DynamicImage::ImageRgb8(source)).unwrap();
    assert_eq!(cut.dimensions(), (800, 600));
    assert_eq!((cut.get_pixel(400, 300).0[3], cut.get_pixel(20, 20).0[3]), (255, 0));
    assert_eq!((mask.get_pixel(400, 300).0[0], mask.get_pixel(780, 580).0[0]), (255, 0));
    let (plain, _) = cutout(&DynamicImage::ImageRgb8(RgbImage::from_pixel(90, 90, Rgb([7, 7, 7])))).unwrap();
    assert_eq!((plain.get_pixel(45, 45).0[3], plain.get_pixel(0, 0).0[3]), (255, 0));
}
