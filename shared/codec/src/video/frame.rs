//! One key frame of H.264: checked, decoded, and told whether anything can be seen on it.

use rusty_h264_decoder::{DecodeError, Decoder};

use super::NoPicture;
use super::index::{Avc, Codec, Index};
use super::sps::{Bits, Sps, unescaped};

/// Slices of a picture: as many as H.264 allows for its largest.
const MAX_SLICES: u32 = 600;
/// Of this brightness (0 to 255, black is 16), a pixel is seen.
const VISIBLE: u8 = 40;
/// One visible pixel in so many makes a picture.
const VISIBLE_SHARE: usize = 50;
/// One pixel in so many is looked at, in either direction.
const STEP: usize = 4;

/// A decoded picture: brightness, and two colours at half the size in both directions.
pub struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) planes: [Vec<u8>; 3],
    /// Pixels that don't belong to it: left and top. Right and bottom are cut off already.
    pub(super) cut: (u32, u32),
    pub(super) matrix: u16,
    pub(super) full_range: bool,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("width", &self.width).field("height", &self.height).finish_non_exhaustive()
    }
}

impl Frame {
    /// Whether it is black, as the beginning of a film that fades in.
    pub fn is_dark(&self) -> bool {
        let seen = self.planes[0].chunks(self.width.max(1)).step_by(STEP).flat_map(|row| row.iter().step_by(STEP));
        let (visible, all) = seen.fold((0, 0), |(visible, all), luma| (visible + usize::from(*luma > VISIBLE), all + 1_usize));
        visible * VISIBLE_SHARE < all
    }
}

/// Decodes a key frame: work for a processor, 10 to 200 ms. Nothing is decoded whose size wasn't checked before.
///
/// # Errors
/// [`NoPicture`].
pub fn decode(index: &Index, sample: &[u8]) -> Result<Frame, NoPicture> {
    let avc = match &index.codec {
        Codec::Avc(avc) => avc,
        Codec::Other(letters) => return Err(NoPicture::Codec(letters.clone())),
    };
    let (stream, sps) = stream(avc, sample)?;
    let frame = Decoder::new().decode(&stream).map_err(|error| match error {
        DecodeError::Unsupported(what) => NoPicture::Unsupported(what),
        DecodeError::Truncated | DecodeError::MissingParameterSet | DecodeError::Internal(_) => NoPicture::Damaged("a key frame"),
    })?;
    let frame = frame.ok_or(NoPicture::Damaged("a key frame ends too early"))?;
    let [left, right, top, bottom] = sps.cut;
    let expected = (u64::from(sps.width - right), u64::from(sps.height - bottom));
    if (frame.width as u64, frame.height as u64) != expected {
        return Err(NoPicture::Damaged("a key frame has another format"));
    }
    let (matrix, full_range) = index.colours.filter(|(matrix, _)| *matrix != 2).unwrap_or((sps.matrix, sps.full_range));
    Ok(Frame { width: frame.width, height: frame.height, planes: [frame.y, frame.u, frame.v], cut: (left, top), matrix, full_range })
}

/// The parameter sets and the slices of a key frame, as a stream that holds nothing else; and the pictures' format.
fn stream(avc: &Avc, sample: &[u8]) -> Result<(Vec<u8>, Sps), NoPicture> {
    let (mut sequence, mut picture) = (avc.sequence.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>(), Vec::new());
    picture.extend(avc.picture.iter().map(AsRef::as_ref));
    let mut slices: Vec<&[u8]> = Vec::new();
    let mut rest = sample;
    while !rest.is_empty() {
        let unit;
        (unit, rest) = first_unit(rest, avc.length_size).ok_or(NoPicture::Damaged("a key frame is cut off"))?;
        match unit.first().map(|header| header & 31) {
            Some(7) => sequence.push(unit),
            Some(8) => picture.push(unit),
            Some(5) => slices.push(unit),
            Some(1..=4) => return Err(NoPicture::Unsupported("H.264 that begins between key frames")),
            _ => {}
        }
    }
    check_slices(&slices)?;
    let formats = sequence.iter().map(|unit| Sps::parse(unit)).collect::<Result<Vec<_>, _>>()?;
    let sps = *formats.last().ok_or(NoPicture::Damaged("its picture format is missing"))?;
    let mut stream = Vec::with_capacity(sample.len() + 1_024);
    for unit in sequence.into_iter().chain(picture).chain(slices) {
        // A unit never looks as if another began in it; one that does would smuggle in what wasn't checked.
        if unit.windows(3).any(|three| three == [0, 0, 1]) {
            return Err(NoPicture::Damaged("a key frame"));
        }
        stream.extend_from_slice(&[0, 0, 0, 1]);
        stream.extend_from_slice(unit);
    }
    Ok((stream, sps))
}

/// The first unit of some, and what follows it. Zeros behind its end aren't part of it.
fn first_unit(units: &[u8], length_size: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = units.split_at_checked(length_size)?;
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    let (mut unit, rest) = rest.split_at_checked(length)?;
    while let [shorter @ .., 0] = unit {
        unit = shorter;
    }
    Some((unit, rest))
}

/// One picture, that needs no other: each slice begins behind the one before, and none predicts from elsewhere.
fn check_slices(slices: &[&[u8]]) -> Result<(), NoPicture> {
    let mut before = None;
    for (count, slice) in (1..).zip(slices) {
        let beginning = unescaped(slice.get(1..slice.len().min(32)).unwrap_or_default());
        let mut bits = Bits { bytes: &beginning, at: 0 };
        let (first, kind) = (bits.unsigned()?, bits.unsigned()?);
        let follows = before.map_or(first == 0, |before| first > before);
        if !follows || !matches!(kind, 2 | 7) || count > MAX_SLICES {
            return Err(NoPicture::Damaged("a key frame that isn't one"));
        }
        before = Some(first);
    }
    if before.is_none() { Err(NoPicture::Damaged("a key frame without a picture")) } else { Ok(()) }
}
