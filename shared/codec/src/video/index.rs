//! What a file's index says: how large, how long, and where its key frames lie.

use std::ops::Range;

use bytes::Bytes;

use super::NoPicture;
use super::boxes::{Boxes, Kind, Table, number, number16, number64};
use super::samples::Samples;

/// Tracks of a file that are looked at.
const MAX_TRACKS: usize = 16;
/// Parameter sets of a track, of one kind. H.264 allows more; encoders write one.
const MAX_SETS: usize = 16;
/// Pixels of a side, as for pictures.
const MAX_SIDE: u32 = 16_384;
/// Longer than anything that is generated: a day.
const MAX_MS: u128 = 86_400_000;

/// The index of a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Pixels, as shown: with its pixels' shape, and turned as it says.
    pub width: u32,
    /// Pixels, as shown.
    pub height: u32,
    /// Of the pictures; sound may last a little longer.
    pub duration_ms: u64,
    /// How many pictures it has.
    pub frames: u32,
    /// Whether the last picture is there, too: nothing is cut off.
    pub is_whole: bool,
    /// Where the first few pictures lie that need no others. Never empty.
    pub key_frames: Vec<Range<u64>>,
    /// How they are encoded.
    pub codec: Codec,
    /// The shape of a pixel: so wide by so high.
    pub pixel: (u32, u32),
    /// Quarter turns clockwise from how it is stored to how it is shown, 0 to 3.
    pub turns: u8,
    /// What its container says about its colours: the number of a matrix (ITU-T H.273) and whether they use the full range.
    pub colours: Option<(u16, bool)>,
}

/// How pictures are encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264.
    Avc(Avc),
    /// Anything else, by its four letters.
    Other(String),
}

/// What a decoder of H.264 is told before the first picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avc {
    /// Bytes in which a unit's length is written.
    pub length_size: usize,
    /// Sequence parameter sets.
    pub sequence: Vec<Bytes>,
    /// Picture parameter sets.
    pub picture: Vec<Bytes>,
}

impl Index {
    /// Reads the content of a `moov` box of a file with `length` bytes.
    pub(super) fn parse(moov: &[u8], length: u64) -> Result<Self, NoPicture> {
        let fragmented = Boxes(moov).find(b"mvex").is_some();
        let tracks = Boxes(moov).filter(|(kind, _)| kind == b"trak").take(MAX_TRACKS);
        let found = tracks.filter_map(|(_, track)| Track::find(track)).collect::<Vec<_>>();
        let decodable = found.iter().find(|track| matches!(&track.kind, b"avc1" | b"avc3"));
        let track = decodable.or(found.first()).ok_or(NoPicture::NoVideo)?;
        track.index(length, fragmented)
    }
}

/// A video track that has pictures.
struct Track<'a> {
    header: &'a [u8],
    media_header: &'a [u8],
    tables: &'a [u8],
    kind: Kind,
    entry: &'a [u8],
}

impl<'a> Track<'a> {
    fn find(track: &'a [u8]) -> Option<Self> {
        let header = Boxes(track).find(b"tkhd")?;
        let media = Boxes(track).find(b"mdia")?;
        let handler = Boxes(media).find(b"hdlr")?;
        if handler.get(8..12)? != b"vide" {
            return None;
        }
        let tables = Boxes(Boxes(media).find(b"minf")?).find(b"stbl")?;
        let (kind, entry) = Boxes(Boxes(tables).find(b"stsd")?.get(8..)?).next()?;
        // A cover is a track too.
        let still = matches!(&kind, b"jpeg" | b"png " | b"mjpa" | b"mjpb");
        (!still).then_some(Self { header, media_header: Boxes(media).find(b"mdhd")?, tables, kind, entry })
    }

    fn index(&self, length: u64, fragmented: bool) -> Result<Index, NoPicture> {
        let samples = Samples::read(self.tables)?;
        if samples.count() == 0 {
            return Err(if fragmented { NoPicture::Fragmented } else { NoPicture::NoVideo });
        }
        // What describes the pictures stands behind 78 bytes of fixed fields.
        let described = Boxes(self.entry.get(78..).unwrap_or_default());
        let side = |at| number16(self.entry, at).map_or(0, u32::from);
        let pixel = described.find(b"pasp").and_then(|shape| Some((number(shape, 0)?, number(shape, 4)?)));
        let pixel = pixel.filter(|(w, h)| plausible(*w, *h)).unwrap_or((1, 1));
        let turns = self.turns().unwrap_or(0);
        let (width, height) = shown((side(24), side(26)), pixel, turns);
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(NoPicture::Damaged("it has no sensible size"));
        }
        let codec = match &self.kind {
            b"avc1" | b"avc3" => Codec::Avc(avc(described.expect(b"avcC")?).ok_or(NoPicture::Damaged("its decoder's settings"))?),
            kind => Codec::Other(kind.map(|letter| if letter.is_ascii_graphic() { char::from(letter) } else { '?' }).iter().collect()),
        };
        Ok(Index {
            width,
            height,
            duration_ms: self.duration_ms().ok_or(NoPicture::Damaged("it has no sensible length"))?,
            frames: samples.count(),
            is_whole: samples.end_within(length),
            key_frames: samples.key_frames(length)?,
            codec,
            pixel,
            turns,
            colours: described.find(b"colr").and_then(colours),
        })
    }

    fn duration_ms(&self) -> Option<u64> {
        let (scale, ticks) = match self.media_header.first()? {
            1 => (number(self.media_header, 20)?, number64(self.media_header, 24)?),
            _ => (number(self.media_header, 12)?, number(self.media_header, 16)?.into()),
        };
        let exact = (u128::from(ticks) * 1_000 + u128::from(scale) / 2).checked_div(scale.into())?;
        u64::try_from(exact).ok().filter(|_| exact <= MAX_MS)
    }

    /// By the matrix of the track's header. Mirrored and slanted pictures are left as they are.
    fn turns(&self) -> Option<u8> {
        /// In sixteen bits before the point and sixteen behind it.
        const ONE: u32 = 0x0001_0000;
        const MINUS: u32 = ONE.wrapping_neg();
        let matrix = if self.header.first()? == &1 { 52 } else { 40 };
        let at = |place: usize| number(self.header, matrix + 4 * place);
        Some(match (at(0)?, at(1)?, at(3)?, at(4)?) {
            (0, ONE, MINUS, 0) => 1,
            (MINUS, 0, 0, MINUS) => 2,
            (0, MINUS, ONE, 0) => 3,
            _ => 0,
        })
    }
}

/// The size in which stored pixels are shown.
pub(super) fn shown((width, height): (u32, u32), pixel: (u32, u32), turns: u8) -> (u32, u32) {
    let stretched = (u64::from(width) * u64::from(pixel.0) + u64::from(pixel.1) / 2) / u64::from(pixel.1.max(1));
    let width = u32::try_from(stretched).unwrap_or(u32::MAX);
    if turns % 2 == 1 { (height, width) } else { (width, height) }
}

/// Whether pixels have this shape in earnest.
fn plausible(width: u32, height: u32) -> bool {
    width > 0 && height > 0 && u64::from(width.max(height)) <= 10 * u64::from(width.min(height))
}

/// `avcC`: a version, the profile, the length of lengths, and both kinds of parameter sets.
fn avc(record: &[u8]) -> Option<Avc> {
    let length_size = usize::from(record.get(4)? & 3) + 1;
    let mut at = 5;
    let mut sets = |mask: u8| {
        let count = usize::from(record.get(at)? & mask);
        at += 1;
        let mut sets = Vec::new();
        for _ in 0..count.min(MAX_SETS) {
            let length = usize::from(number16(record, at)?);
            sets.push(Bytes::copy_from_slice(record.get(at + 2..at + 2 + length)?));
            at += 2 + length;
        }
        (count <= MAX_SETS).then_some(sets)
    };
    let (sequence, picture) = (sets(31)?, sets(255)?);
    (record.first() == Some(&1) && length_size != 3).then_some(Avc { length_size, sequence, picture })
}

/// `colr`, where it speaks of a matrix.
fn colours(content: &[u8]) -> Option<(u16, bool)> {
    let matrix = number16(content, 8)?;
    match content.get(..4)? {
        b"nclx" => Some((matrix, content.get(10)? & 0x80 != 0)),
        b"nclc" => Some((matrix, false)),
        _ => None,
    }
}

/// A full box's table: four bytes of version and flags, then the number of entries.
pub(super) fn table<'a>(tables: &'a [u8], kind: &Kind, width: usize) -> Result<Table<'a>, NoPicture> {
    Table::read(Boxes(tables).expect(kind)?, 4, width)
}
