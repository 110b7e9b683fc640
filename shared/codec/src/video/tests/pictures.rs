//! Films of a real encoder: whether their frames come out as they went in.

use image::RgbImage;
use muxide::api::{MuxerBuilder, VideoCodec};
use rusty_h264_common::{Profile, YuvFrame};
use rusty_h264_encoder::{Encoder, EncoderConfig, Preset};

use super::super::sps::Sps;
use super::*;
use crate::Thumbnails;

/// Red, green, blue and white in BT.601, narrow range.
const RED: [u8; 3] = [81, 90, 240];
const GREEN: [u8; 3] = [145, 54, 34];
const BLUE: [u8; 3] = [41, 240, 110];
const WHITE: [u8; 3] = [235, 128, 128];
const BLACK: [u8; 3] = [16, 128, 128];

/// Four plain quarters: left and right of the upper half, then of the lower.
fn quarters(width: usize, height: usize, colours: [[u8; 3]; 4]) -> YuvFrame {
    let plane = |w: usize, h: usize, channel: usize| {
        let quarter = |at: usize| usize::from(at % w >= w / 2) + 2 * usize::from(at / w >= h / 2);
        (0..w * h).map(|at| colours[quarter(at)][channel]).collect()
    };
    YuvFrame { width, height, y: plane(width, height, 0), u: plane(width / 2, height / 2, 1), v: plane(width / 2, height / 2, 2) }
}

/// A film that shows each frame for so many pictures, beginning each with a key frame.
fn film(profile: Profile, frames: &[(YuvFrame, u32)], first: bool) -> Vec<u8> {
    let (width, height) = (frames[0].0.width, frames[0].0.height);
    let mut config = EncoderConfig::new(width, height);
    (config.profile, config.preset, config.qp, config.mbtree, config.scenecut) = (profile, Preset::Fast, 20, false, 0);
    let side = |pixels| u32::try_from(pixels).unwrap();
    let mut muxer =
        MuxerBuilder::new(Vec::new()).video(VideoCodec::H264, side(width), side(height), 25.0).with_fast_start(first).build().unwrap();
    let mut number = 0_u32;
    for (frame, times) in frames {
        config.gop_size = times + 1;
        let mut encoder = Encoder::new(config.clone()).unwrap();
        for time in 0..*times {
            muxer.write_video(f64::from(number) / 25.0, &encoder.try_encode(frame).unwrap(), time == 0).unwrap();
            number += 1;
        }
    }
    muxer.finish_in_place().unwrap();
    muxer.into_writer()
}

fn opened(file: &[u8]) -> (Index, Vec<Frame>) {
    let (index, samples) = read(file).0.unwrap();
    let frames = samples.iter().map(|sample| decode(&index, sample).unwrap()).collect();
    (index, frames)
}

fn picture_of(made: &Thumbnails, which: usize) -> RgbImage {
    image::load_from_memory(&made.thumbnails[which].bytes).unwrap().into_rgb8()
}

/// The colours in the middle of the four quarters.
fn seen(picture: &RgbImage) -> [[u8; 3]; 4] {
    let (w, h) = picture.dimensions();
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| picture.get_pixel(w * x / 4, h * y / 4).0)
}

fn close(seen: [[u8; 3]; 4], wanted: [[u8; 3]; 4]) -> bool {
    seen.iter().flatten().zip(wanted.iter().flatten()).all(|(a, b)| a.abs_diff(*b) < 16)
}

const SHOWN: [[u8; 3]; 4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];

#[test]
fn a_poster_shows_the_frame_in_its_colours_and_upright() {
    for (profile, first) in [(Profile::ConstrainedBaseline, true), (Profile::Main, false), (Profile::High, true)] {
        // 54 lines are three and a half macroblocks: what is too much has to be cut off.
        let file = film(profile, &[(quarters(96, 54, [RED, GREEN, BLUE, WHITE]), 12)], first);
        let (index, frames) = opened(&file);
        assert_eq!((index.width, index.height, index.frames, index.duration_ms), (96, 54, 12, 480));
        assert!(!frames[0].is_dark());
        let made = frames[0].posters(&index).unwrap();
        assert_eq!((made.width, made.height, made.thumbnails.len()), (96, 54, 1), "never larger than it is");
        let shown = seen(&picture_of(&made, 0));
        assert!(close(shown, SHOWN), "{shown:?}");
        let turned = |turns: u8| seen(&picture_of(&frames[0].posters(&Index { turns, ..index.clone() }).unwrap(), 0));
        let [a, b, c, d] = SHOWN;
        assert!(close(turned(1), [c, a, d, b]) && close(turned(2), [d, c, b, a]) && close(turned(3), [b, d, a, c]));
        let wide = frames[0].posters(&Index { pixel: (2, 1), ..index.clone() }).unwrap();
        assert_eq!((wide.width, wide.height), (192, 54));
    }
}

#[test]
fn a_large_frame_becomes_two_posters() {
    let file = film(Profile::Main, &[(quarters(1_920, 1_088, [RED, GREEN, BLUE, WHITE]), 1)], true);
    let (index, frames) = opened(&file);
    let made = frames[0].posters(&index).unwrap();
    let sizes: Vec<_> = made.thumbnails.iter().map(|one| (one.size, one.width, one.height)).collect();
    assert_eq!(sizes, [(512, 512, 290), (1_280, 1_280, 725)]);
    assert_eq!(picture_of(&made, 1).dimensions(), (1_280, 725));
    assert!((10..60).contains(&made.placeholder.len()));
}

#[test]
fn black_is_known_and_a_night_is_not_black() {
    let night = {
        let mut frame = quarters(96, 64, [BLACK; 4]);
        frame.y.iter_mut().enumerate().filter(|(at, _)| at % 96 < 48 && at / 96 < 8).for_each(|(_, luma)| *luma = 90);
        frame
    };
    let file = film(Profile::Main, &[(quarters(96, 64, [BLACK; 4]), 3), (night, 3), (quarters(96, 64, [WHITE; 4]), 3)], false);
    let (index, frames) = opened(&file);
    assert_eq!(frames.iter().map(Frame::is_dark).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!((index.key_frames.len(), index.frames, index.duration_ms), (3, 9, 360));
}

/// The slices of a key frame, without the parameter sets that this encoder repeats in front of them.
fn slices(mut sample: &[u8]) -> Vec<u8> {
    let mut slices = Vec::new();
    while !sample.is_empty() {
        let (unit, rest) = sample.split_at(4 + usize::try_from(boxes::number(sample, 0).unwrap()).unwrap());
        if unit[4] & 31 == 5 {
            slices.extend_from_slice(unit);
        }
        sample = rest;
    }
    slices
}

#[test]
fn what_cannot_be_decoded_says_why_before_it_is() {
    let file = film(Profile::High, &[(quarters(96, 54, [RED, GREEN, BLUE, WHITE]), 2)], true);
    let (index, samples) = read(&file).0.unwrap();
    let Codec::Avc(avc) = index.codec.clone() else { panic!() };
    let with = |avc: Avc| Index { codec: Codec::Avc(avc), ..index.clone() };
    let why = |index: &Index, sample: &[u8]| decode(index, sample).map(drop).unwrap_err();
    assert_eq!(why(&Index { codec: Codec::Other("hvc1".into()), ..index.clone() }, &samples[0]), NoPicture::Codec("hvc1".into()));
    // Parameter sets may stand in the index, in front of the slices, or in both.
    let (nowhere, bare) = (with(Avc { sequence: vec![], picture: vec![], ..avc.clone() }), slices(&samples[0]));
    assert!(decode(&index, &bare).is_ok() && decode(&nowhere, &samples[0]).is_ok());
    assert!(matches!(why(&with(Avc { sequence: vec![], ..avc.clone() }), &bare), NoPicture::Damaged(_)));
    assert!(matches!(why(&with(Avc { picture: vec![], ..avc.clone() }), &bare), NoPicture::Damaged(_)));
    for length in [0, 1, 3, 4, 5, 20, bare.len() / 2, bare.len() - 1] {
        assert!(matches!(why(&index, &bare[..length]), NoPicture::Damaged(_)), "{length}");
    }
    // Another unit inside one: what isn't checked isn't decoded.
    let hidden = [&[0, 0, 0, 7, 0x68, 0, 0, 1, 0x67, 1, 1][..], &bare].concat();
    assert!(matches!(why(&index, &hidden), NoPicture::Damaged(_)));
    // The picture twice.
    assert!(matches!(why(&index, &[&bare[..], &bare].concat()), NoPicture::Damaged(_)));
    let mut between = bare.clone();
    between[4] = between[4] & 0xe0 | 1;
    assert!(matches!(why(&index, &between), NoPicture::Unsupported(_)));
}

/// A set written bit by bit.
fn set(fields: &[(u32, u64)]) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    for (width, value) in fields {
        match width {
            // Exp-Golomb.
            0 => {
                let length = 64 - (value + 1).leading_zeros();
                bits.extend((1..length).map(|_| false));
                bits.extend((0..length).rev().map(|bit| (value + 1) >> bit & 1 == 1));
            }
            width => bits.extend((0..*width).rev().map(|bit| value >> bit & 1 == 1)),
        }
    }
    bits.push(true);
    let bytes = bits.chunks(8).map(|eight| eight.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at)));
    [vec![0x67], bytes.collect()].concat()
}

#[test]
fn a_format_is_held_against_bounds_before_anything_is_decoded() {
    let high = |chroma, depth, across: u64, down: u64| {
        let mut fields =
            vec![(8, 100), (16, 40), (0, 0), (0, chroma), (0, depth), (0, depth), (1, 0), (1, 0), (0, 0), (0, 2), (0, 1), (1, 0)];
        fields.extend([(0, across - 1), (0, down - 1), (1, 1), (1, 1), (1, 1), (0, 1), (0, 2), (0, 0), (0, 4)]);
        // Full range, BT.709.
        fields.extend([(1, 1), (1, 0), (1, 0), (1, 1), (3, 5), (1, 1), (1, 1), (8, 1), (8, 1), (8, 1)]);
        set(&fields)
    };
    let expected = Sps { width: 1_920, height: 1_088, cut: [2, 4, 0, 8], matrix: 1, full_range: true };
    assert_eq!(Sps::parse(&high(1, 0, 120, 68)), Ok(expected));
    assert_eq!(Sps::parse(&high(1, 0, 256, 256)).unwrap().width, 4_096);
    assert!(matches!(Sps::parse(&high(2, 0, 120, 68)), Err(NoPicture::Unsupported(_))));
    assert!(matches!(Sps::parse(&high(1, 2, 120, 68)), Err(NoPicture::Unsupported(_))));
    for (across, down) in
        [(257, 256), (1_025, 1), (1, 1_025), (1 << 32, 1 << 31), (1 << 31, 1 << 32), (u64::from(u32::MAX), u64::from(u32::MAX))]
    {
        assert!(matches!(Sps::parse(&high(1, 0, across, down)), Err(NoPicture::TooLarge(_) | NoPicture::Damaged(_))), "{across} × {down}");
    }
    let sound = high(1, 0, 120, 68);
    for length in 0..sound.len() {
        // What is cut short in what nobody needs is taken as unsaid.
        let _ = Sps::parse(&sound[..length]);
    }
    assert!(Sps::parse(&[0; 40]).is_err() && Sps::parse(&[0xff; 5_000]).is_err());
    let real = film(Profile::High, &[(quarters(96, 54, [RED; 4]), 1)], true);
    let Codec::Avc(avc) = read(&real).0.unwrap().0.codec else { panic!() };
    let sps = Sps::parse(&avc.sequence[0]).unwrap();
    assert_eq!((sps.width, sps.height, sps.cut), (96, 64, [0, 0, 0, 10]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_frames_never_break_the_decoder(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        cuts: bool,
    ) {
        let file = FILM.get_or_init(|| film(Profile::High, &[(quarters(96, 54, [RED, GREEN, BLUE, WHITE]), 2)], true));
        let (index, samples) = read(file).0.unwrap();
        let mut sample = samples[0].to_vec();
        if cuts {
            sample.truncate(cut.index(sample.len()));
        }
        for (place, byte) in changes.iter().filter(|_| !samples[0].is_empty() && !cuts) {
            let at = place.index(sample.len());
            sample[at] = *byte;
        }
        if let Ok(frame) = decode(&index, &sample) {
            // The format may be another one by then; the pixels are its own.
            prop_assert_eq!(frame.planes.each_ref().map(Vec::len), [4, 1, 1].map(|part| frame.width * frame.height * part / 4));
            prop_assert!(frame.posters(&index).is_ok());
        }
    }
}

static FILM: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
