//! What the films promise, read back by a box parser of the tests' own and, where there is one, by `ffprobe`.

use super::*;
use crate::draw::Scene;
use image::{DynamicImage, Rgb, RgbImage};
use std::collections::HashMap;
use std::process::Command;

const SHOT: Shot = Shot { width: 320, height: 180, fps: 24, seconds: 6, audio: true, index_first: true };

fn scene() -> Subject {
    Subject::Scene(Scene::new("hills at dawn", 1))
}

/// The boxes in `bytes`, by their path of names; tracks are numbered in order.
fn boxes(bytes: &[u8], path: &str, tracks: &mut u32, found: &mut HashMap<String, Vec<u8>>, order: &mut Vec<String>) {
    let mut rest = bytes;
    while rest.len() >= 8 {
        let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let mut name = String::from_utf8_lossy(&rest[4..8]).into_owned();
        assert!((8..=rest.len()).contains(&size), "{path}/{name} has a size of {size}");
        let body = &rest[8..size];
        if name == "trak" {
            name = format!("trak{tracks}");
            *tracks += 1;
        }
        let inner = format!("{path}/{name}");
        if path.is_empty() {
            order.push(name.clone());
        }
        if ["moov", "mdia", "minf", "stbl"].contains(&name.as_str()) || name.starts_with("trak") {
            boxes(body, &inner, tracks, found, order);
        }
        found.insert(inner, body.to_vec());
        rest = &rest[size..];
    }
    assert!(rest.is_empty(), "{path} ends in half a box");
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

struct Movie {
    found: HashMap<String, Vec<u8>>,
    order: Vec<String>,
    tracks: u32,
}

impl Movie {
    fn read(bytes: &[u8]) -> Self {
        let (mut found, mut order, mut tracks) = (HashMap::new(), Vec::new(), 0);
        boxes(bytes, "", &mut tracks, &mut found, &mut order);
        Self { found, order, tracks }
    }

    fn table(&self, track: u32, name: &str) -> &[u8] {
        &self.found[&format!("/moov/trak{track}/mdia/minf/stbl/{name}")]
    }

    /// Samples and length in seconds of a track.
    fn length(&self, track: u32) -> (u32, f64) {
        let stts = self.table(track, "stts");
        let entries = (0..word(stts, 4) as usize).map(|i| (word(stts, 8 + 8 * i), word(stts, 12 + 8 * i)));
        let (count, ticks) = entries.fold((0, 0), |(n, t), (count, delta)| (n + count, t + count * delta));
        let mdhd = &self.found[&format!("/moov/trak{track}/mdia/mdhd")];
        let scale = word(mdhd, if mdhd[0] == 1 { 20 } else { 12 });
        (count, f64::from(ticks) / f64::from(scale))
    }

    fn size(&self) -> (u16, u16) {
        let stsd = self.table(0, "stsd");
        assert_eq!(&stsd[12..16], b"avc1");
        let side = |at: usize| u16::from_be_bytes(stsd[at..at + 2].try_into().unwrap());
        (side(40), side(42))
    }
}

/// What `ffprobe` and a full decode by `ffmpeg` say, where they are installed.
fn probe(bytes: &[u8]) -> Option<String> {
    Command::new("ffmpeg").arg("-version").output().ok()?;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mp4");
    std::fs::write(&path, bytes).unwrap();
    let decoded = Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(&path).args(["-f", "null", "-"]).output().unwrap();
    assert!(decoded.status.success() && decoded.stderr.is_empty(), "{}", String::from_utf8_lossy(&decoded.stderr));
    let entries = "stream=codec_name,profile,width,height,nb_read_frames,duration,r_frame_rate,channels,sample_rate";
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-of", "default=noprint_wrappers=1", "-show_entries", entries])
        .arg(&path)
        .output()
        .unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_film_has_the_asked_size_rate_length_and_silence() {
    let bytes = film(&scene(), "hills at dawn", SHOT).unwrap();
    let movie = Movie::read(&bytes);
    assert_eq!(movie.order, ["ftyp", "moov", "mdat"]);
    assert_eq!((movie.tracks, movie.size()), (2, (320, 180)));
    let (frames, seconds) = movie.length(0);
    assert_eq!(frames, 144);
    assert!((seconds - 6.0).abs() < 0.01, "{seconds}");
    let (_, silence) = movie.length(1);
    assert!((silence - 6.0).abs() < 0.03, "{silence}");
    // Four seconds are encoded, so the fifth begins with the loop's key frame.
    let stss = movie.table(0, "stss");
    assert_eq!((word(stss, 4), word(stss, 8), word(stss, 12)), (2, 1, 97));
    if let Some(said) = probe(&bytes) {
        for line in [
            "codec_name=h264",
            "profile=Main",
            "width=320",
            "height=180",
            "nb_read_frames=144",
            "r_frame_rate=24/1",
            "codec_name=aac",
            "channels=2",
            "sample_rate=48000",
        ] {
            assert!(said.contains(line), "{line} is not in\n{said}");
        }
    }
}

#[test]
fn the_index_may_come_last_and_silence_may_be_left_out() {
    let shot = Shot { audio: false, index_first: false, seconds: 1, fps: 50, ..SHOT };
    let bytes = film(&scene(), "", shot).unwrap();
    let movie = Movie::read(&bytes);
    assert_eq!((movie.order.as_slice(), movie.tracks), (["ftyp", "mdat", "moov"].map(String::from).as_slice(), 1));
    assert_eq!(movie.length(0).0, 50);
    if let Some(said) = probe(&bytes) {
        assert!(said.contains("nb_read_frames=50"), "{said}");
    }
}

#[test]
fn a_film_from_pictures_begins_with_one_and_ends_with_the_other() {
    let plain = |color| DynamicImage::ImageRgb8(RgbImage::from_pixel(90, 160, Rgb(color)));
    let subject = Subject::Pictures { first: plain([250, 10, 10]), last: Some(plain([10, 10, 250])) };
    let painter = frames::Painter::new(&subject, "", SHOT).unwrap();
    let (start, end) = (painter.paint(0.0, true).unwrap(), painter.paint(1.0, true).unwrap());
    let middle = SHOT.width as usize / 4 + SHOT.width as usize / 2 * (SHOT.height as usize / 4);
    assert!(start.v[middle] > 200 && start.u[middle] < 128, "red has much red difference");
    assert!(end.u[middle] > 200 && end.v[middle] < 128, "blue has much blue difference");

    let bytes = film(&subject, "", SHOT).unwrap();
    assert_eq!(Movie::read(&bytes).length(0).0, 144);
    if let Some(said) = probe(&bytes) {
        assert!(said.contains("nb_read_frames=144"), "{said}");
    }
}

#[test]
fn the_same_film_has_the_same_bytes() {
    let shot = Shot { seconds: 1, ..SHOT };
    assert_eq!(film(&scene(), "a", shot).unwrap(), film(&scene(), "a", shot).unwrap());
}

#[test]
fn loops_and_levels_fit_the_size() {
    let shot = |width, height, fps, seconds| Shot { width, height, fps, seconds, ..SHOT };
    assert_eq!(shot(1280, 720, 24, 8).loop_frames(), 96);
    assert_eq!(shot(1920, 1080, 25, 6).loop_frames(), 53);
    assert_eq!(shot(3840, 2160, 25, 6).loop_frames(), 25);
    assert_eq!(shot(320, 180, 24, 1).loop_frames(), 24);
    assert_eq!(level(shot(1280, 720, 24, 8)), 31);
    assert_eq!(level(shot(1920, 1080, 25, 6)), 40);
    assert_eq!(level(shot(1920, 1080, 50, 6)), 42);
    assert_eq!(level(shot(3840, 2160, 25, 6)), 51);
    assert_eq!(level(shot(3840, 2160, 50, 6)), 52);
}
