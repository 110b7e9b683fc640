//! Files made by hand, where every number can be wrong, and files of an encoder, where none is.

use std::ops::Range;

use bytes::Bytes;
use proptest::prelude::*;

use super::index::{Codec, Index};
use super::reader::{MAX_INDEX, MAX_READS, Reader, Step};
use super::*;

/// Bytes of the made picture with this number.
fn picture(number: u8) -> Vec<u8> {
    vec![number; 20 + usize::from(number)]
}

fn boxed(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    [&u32::try_from(content.len() + 8).unwrap().to_be_bytes()[..], kind, &content].concat()
}

/// With a size in eight bytes.
fn boxed_wide(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&1_u32.to_be_bytes()[..], kind, &(content.len() as u64 + 16).to_be_bytes(), content].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A file that is made by hand.
#[derive(Clone)]
struct Made {
    /// `moov` before `mdat`.
    first: bool,
    /// Sizes and offsets in eight bytes, headers in their later version.
    wide: bool,
    /// Bytes before the index or the media, in a box of their own.
    lead: usize,
    /// Bytes of media that belong to nothing.
    padding: usize,
    handler: [u8; 4],
    codec: [u8; 4],
    size: (u16, u16),
    matrix: [u32; 4],
    /// What stands behind the decoder's settings.
    described: Vec<u8>,
    fragmented: bool,
    /// Numbers of key frames from 1; `None` for no table.
    keys: Option<Vec<u32>>,
}

const UPRIGHT: [u32; 4] = [0x1_0000, 0, 0, 0x1_0000];

impl Default for Made {
    fn default() -> Self {
        let (handler, codec, keys) = (*b"vide", *b"avc1", Some(vec![1, 4, 6, 7]));
        Self {
            first: true,
            wide: false,
            lead: 0,
            padding: 0,
            handler,
            codec,
            size: (64, 48),
            matrix: UPRIGHT,
            described: Vec::new(),
            fragmented: false,
            keys,
        }
    }
}

impl Made {
    /// Seven pictures in chunks of 2, 2 and 3, with four foreign bytes between chunks, at ten a second.
    fn file(&self) -> Vec<u8> {
        let chunks: [&[u8]; 3] = [&[1, 2], &[3, 4], &[5, 6, 7]];
        let mut head = boxed(b"ftyp", &[b"isom\0\0\x02\0isomavc1"]);
        if self.lead > 0 {
            head.extend(boxed(b"free", &[&vec![0; self.lead]]));
        }
        let at = head.len() + if self.first { self.moov(&[0; 3]).len() } else { 0 } + if self.wide { 16 } else { 8 };
        let (mut media, mut offsets) = (vec![0xee; self.padding], Vec::new());
        for chunk in chunks {
            offsets.push(at + media.len());
            chunk.iter().for_each(|number| media.extend(picture(*number)));
            media.extend(*b"junk");
        }
        let media = if self.wide { boxed_wide(b"mdat", &media) } else { boxed(b"mdat", &[&media]) };
        let moov = self.moov(&offsets);
        if self.first { [head, moov, media].concat() } else { [head, media, moov].concat() }
    }

    fn moov(&self, offsets: &[usize]) -> Vec<u8> {
        let sizes: Vec<u32> = if self.fragmented { Vec::new() } else { (1..=7).map(|number| 20 + number).collect() };
        let count = |entries: usize| u32::try_from(entries).unwrap();
        let place = |offset: &usize| u32::try_from(*offset).unwrap();
        let offsets = match self.wide {
            true => boxed(b"co64", &[&numbers(&[0, 3]), &offsets.iter().flat_map(|at| (*at as u64).to_be_bytes()).collect::<Vec<_>>()]),
            false => boxed(b"stco", &[&numbers(&[0, 3]), &numbers(&offsets.iter().map(place).collect::<Vec<_>>())]),
        };
        let keys = self.keys.as_ref().map_or(Vec::new(), |keys| boxed(b"stss", &[&numbers(&[0, count(keys.len())]), &numbers(keys)]));
        let avcc = boxed(b"avcC", &[&[1, 77, 0, 30, 0xff, 0xe1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 3]]);
        let (w, h) = (self.size.0.to_be_bytes(), self.size.1.to_be_bytes());
        let entry = boxed(&self.codec, &[&[0; 24], &w, &h, &[0; 50], &avcc, &self.described]);
        let tables = boxed(
            b"stbl",
            &[
                &boxed(b"stsd", &[&numbers(&[0, 1]), &entry]),
                &keys,
                &boxed(b"stsc", &[&numbers(&[0, 2, 1, 2, 1, 3, 3, 1])]),
                &boxed(b"stsz", &[&numbers(&[0, 0, count(sizes.len())]), &numbers(&sizes)]),
                &offsets,
            ],
        );
        let [a, b, c, d] = self.matrix;
        let matrix = numbers(&[a, b, 0, c, d, 0, 0, 0, 0x4000_0000]);
        let (header, media) = match self.wide {
            true => (
                boxed(b"tkhd", &[&[1, 0, 0, 3], &[0; 48], &matrix, &[0; 8]]),
                boxed(b"mdhd", &[&[1, 0, 0, 0], &[0; 16], &numbers(&[1_000]), &700_u64.to_be_bytes(), &[0; 4]]),
            ),
            false => (
                boxed(b"tkhd", &[&[0, 0, 0, 3], &[0; 36], &matrix, &[0; 8]]),
                boxed(b"mdhd", &[&[0; 12], &numbers(&[1_000, 700]), &[0; 4]]),
            ),
        };
        let handler = boxed(b"hdlr", &[&[0; 8], &self.handler, &[0; 13]]);
        let sound = boxed(b"trak", &[&boxed(b"tkhd", &[&[0; 84]]), &boxed(b"mdia", &[&boxed(b"hdlr", &[&[0; 8], b"soun", &[0; 13]])])]);
        let track = boxed(b"trak", &[&header, &boxed(b"mdia", &[&media, &handler, &boxed(b"minf", &[&tables])])]);
        let extends = if self.fragmented { boxed(b"mvex", &[]) } else { Vec::new() };
        boxed(b"moov", &[&boxed(b"mvhd", &[&[0; 100]]), &sound, &track, &extends])
    }
}

/// What was asked of a file, which answers as a bucket does.
#[derive(Debug, Default)]
struct Asked {
    reads: u32,
    bytes: u64,
}

impl Asked {
    fn answer<T>(
        &mut self,
        file: &[u8],
        reader: &mut Reader,
        mut step: impl FnMut(&mut Reader) -> Result<Step<T>, NoPicture>,
    ) -> Result<T, NoPicture> {
        loop {
            let range: Range<u64> = match step(reader)? {
                Step::Done(found) => return Ok(found),
                Step::Read(range) => range,
            };
            assert!(!range.is_empty() && range.end <= file.len() as u64, "{range:?} of {}", file.len());
            self.reads += 1;
            self.bytes += range.end - range.start;
            assert!(self.reads <= MAX_READS, "it never ends");
            reader.give(range.clone(), &file[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()])?;
        }
    }
}

/// The index and the key frames of a file, and what it took to read them.
fn read(file: &[u8]) -> (Result<(Index, Vec<Bytes>), NoPicture>, Asked) {
    let (mut reader, mut asked) = (Reader::new(file.len() as u64), Asked::default());
    let mut all = || {
        let index = asked.answer(file, &mut reader, Reader::index)?;
        let mut frames = Vec::new();
        for range in &index.key_frames {
            frames.push(asked.answer(file, &mut reader, |reader| reader.bytes(range.clone()))?);
        }
        Ok((index, frames))
    };
    (all(), asked)
}

fn refused(file: &[u8]) -> NoPicture {
    read(file).0.map(|(index, _)| index).unwrap_err()
}

#[test]
fn key_frames_are_found_wherever_the_index_lies() {
    for (first, wide) in [(true, false), (false, false), (true, true), (false, true)] {
        let (found, asked) = read(&Made { first, wide, ..Made::default() }.file());
        let (index, frames) = found.unwrap();
        assert_eq!((index.width, index.height, index.duration_ms, index.frames), (64, 48, 700, 7));
        assert_eq!(frames, [1, 4, 6].map(picture), "three of four");
        let Codec::Avc(avc) = index.codec else { panic!("{:?}", index.codec) };
        assert_eq!((avc.length_size, &avc.sequence[0][..], &avc.picture[0][..]), (4, &[0x67, 1, 2][..], &[0x68, 3][..]));
        assert_eq!((asked.reads, index.is_whole), (1, true), "a small file is read once");
    }
    let all = read(&Made { keys: None, ..Made::default() }.file()).0.unwrap().1;
    assert_eq!(all, [1, 2, 3].map(picture), "without a table every picture is a key frame");
}

#[test]
fn a_large_film_costs_three_requests_and_little_more_than_what_is_needed() {
    let large = 5 * 1024 * 1024;
    for (first, needed) in [(false, 3), (true, 2)] {
        let made = Made { first, padding: large, keys: Some(vec![1]), ..Made::default() };
        let file = made.file();
        let (found, asked) = read(&file);
        assert_eq!(found.unwrap().1, [picture(1)]);
        let useful = made.moov(&[0; 3]).len() as u64 + 21;
        assert_eq!(asked.reads, needed, "index first: {first}");
        assert!(asked.bytes <= 64 * 1024 + useful, "{} bytes of {} for {useful}", asked.bytes, file.len());
    }
    // An index that the first window cuts in two: the rest of it is asked for, not all of it again.
    let lead = 64 * 1024 - 400;
    let (found, asked) = read(&Made { lead, padding: large, keys: Some(vec![1]), ..Made::default() }.file());
    assert_eq!((asked.reads, asked.bytes < 66 * 1024), (3, true), "{asked:?}");
    assert_eq!(found.unwrap().1, [picture(1)]);
}

#[test]
fn a_film_is_shown_as_it_says() {
    let index = |made: Made| read(&made.file()).0.unwrap().0;
    const ONE: u32 = 0x1_0000;
    const MINUS: u32 = ONE.wrapping_neg();
    for (matrix, turns, size) in [
        (UPRIGHT, 0, (64, 48)),
        ([0, ONE, MINUS, 0], 1, (48, 64)),
        ([MINUS, 0, 0, MINUS], 2, (64, 48)),
        ([0, MINUS, ONE, 0], 3, (48, 64)),
        ([MINUS, 0, 0, ONE], 0, (64, 48)),
    ] {
        for wide in [false, true] {
            let index = index(Made { matrix, wide, ..Made::default() });
            assert_eq!((index.turns, (index.width, index.height)), (turns, size), "{matrix:x?}");
        }
    }
    let shape = |w, h| Made { described: boxed(b"pasp", &[&numbers(&[w, h])]), ..Made::default() };
    assert_eq!((index(shape(4, 3)).width, index(shape(4, 3)).height), (85, 48));
    assert_eq!(index(shape(0, 3)).width, 64, "no shape at all");
    assert_eq!(index(shape(u32::MAX, 1)).width, 64, "no shape in earnest");
    let colours = boxed(b"colr", &[b"nclx", &[0, 9, 0, 16, 0, 9, 0x80]]);
    assert_eq!(index(Made { described: colours, ..Made::default() }).colours, Some((9, true)));
    let other = index(Made { codec: *b"hvc1", ..Made::default() });
    assert_eq!((other.codec, other.duration_ms), (Codec::Other("hvc1".to_owned()), 700));
}

#[test]
fn what_has_no_picture_says_why() {
    assert_eq!(refused(b""), NoPicture::NoIndex);
    assert_eq!(refused(&boxed(b"ftyp", &[b"isom"])), NoPicture::NoIndex);
    assert_eq!(refused(&Made { handler: *b"soun", ..Made::default() }.file()), NoPicture::NoVideo);
    assert_eq!(refused(&Made { codec: *b"jpeg", ..Made::default() }.file()), NoPicture::NoVideo);
    assert_eq!(refused(&Made { fragmented: true, ..Made::default() }.file()), NoPicture::Fragmented);
    let segment = [boxed(b"styp", &[b"msdh"]), boxed(b"moof", &[]), boxed(b"mdat", &[])].concat();
    assert_eq!(refused(&segment), NoPicture::Fragmented);
    assert!(matches!(refused(&Made { size: (0, 48), ..Made::default() }.file()), NoPicture::Damaged(_)));
    assert!(matches!(refused(&Made { keys: Some(vec![]), ..Made::default() }.file()), NoPicture::Damaged(_)));
    assert!(matches!(refused(&Made { keys: Some(vec![0]), ..Made::default() }.file()), NoPicture::Damaged(_)));
    assert!(matches!(refused(&Made { keys: Some(vec![8]), ..Made::default() }.file()), NoPicture::Damaged(_)));
    let later = read(&Made { keys: Some(vec![2, 99]), ..Made::default() }.file()).0.unwrap();
    assert_eq!(later.1, [picture(2)], "the first one is sound");
}

#[test]
fn a_cut_off_file_is_refused_at_every_byte() {
    for first in [true, false] {
        let file = Made { first, ..Made::default() }.file();
        let mut complete = 0;
        for length in 0..file.len() {
            match read(&file[..length]).0 {
                Ok((index, frames)) => {
                    complete += 1;
                    // Behind the last picture lie four bytes that nobody needs.
                    assert_eq!(index.is_whole, length + 4 >= file.len(), "{length}");
                    assert!(frames.iter().zip([1, 4, 6]).all(|(frame, number)| *frame == picture(number)), "{length}");
                }
                Err(NoPicture::NoIndex | NoPicture::Damaged(_)) => {}
                Err(other) => panic!("{length}: {other:?}"),
            }
        }
        // With the index first, what comes after the first key frame may be missing: so it is streamed.
        assert_eq!(complete > 0, first);
    }
}

#[test]
fn hostile_numbers_cost_nothing() {
    let file = Made::default().file();
    let most = u32::MAX.to_be_bytes();
    for (mark, offset, bytes) in [
        (b"mvhd", -8_isize, &most[..]),
        (b"trak", -8, &most),
        (b"trak", -8, &[0; 4]),
        (b"stbl", -8, &most),
        (b"stbl", -8, &[0, 0, 0, 7]),
        (b"stsd", -8, &[0, 0, 0, 1]),
        (b"stsz", 8, &most),
        (b"stsz", 4, &most),
        (b"stsz", 4, &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]),
        (b"stsz", 12, &most),
        (b"stsz", 12, &[0; 4]),
        (b"stsc", 4, &most),
        (b"stsc", 8, &[0; 4]),
        (b"stsc", 8, &most),
        (b"stsc", 12, &[0; 4]),
        (b"stsc", 12, &most),
        (b"stsc", 20, &[0; 4]),
        (b"stco", 4, &most),
        (b"stco", 8, &most),
        (b"stss", 4, &most),
        (b"stss", 8, &most),
        (b"avcC", 4, &[0xfe]),
        (b"avcC", 5, &[0xff]),
        (b"avcC", 6, &[0xff, 0xff]),
        (b"mdhd", 12, &[0; 4]),
        (b"mdhd", 12, &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]),
    ] {
        let at = file.windows(4).position(|four| four == mark).unwrap().checked_add_signed(4 + offset).unwrap();
        let mut file = file.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        let (found, asked) = read(&file);
        assert!(asked.bytes <= file.len() as u64, "{mark:?} {offset}");
        // Some lies are harmless; none leads to another picture's place beyond the file, which `read` checks.
        drop(found);
    }
    // An index of more than 8 MiB, or said to be; boxes that hold nothing; a box as long as a disk.
    let huge = [&numbers(&[u32::try_from(MAX_INDEX).unwrap() + 8])[..], b"moov", &vec![0; usize::try_from(MAX_INDEX).unwrap()]].concat();
    assert_eq!(refused(&huge), NoPicture::TooLarge("its index is too large"));
    assert!(matches!(refused(&boxed(b"free", &[]).repeat(1_001)), NoPicture::Damaged(_)));
    let endless = [&1_u32.to_be_bytes()[..], b"mdat", &u64::MAX.to_be_bytes(), &[0; 32]].concat();
    assert_eq!(refused(&endless), NoPicture::NoIndex);
    // Boxes in boxes in boxes are never opened.
    let nested: Vec<u8> = (1..=100_000_u32).rev().flat_map(|depth| [(depth * 8).to_be_bytes(), *b"moov"].concat()).collect();
    assert_eq!(refused(&nested), NoPicture::NoVideo);
    // Every box of the file in another place than the one before: a request each, up to a bound.
    let apart = boxed(b"mdat", &[&vec![0; 2 * 1024 * 1024]]).repeat(12);
    let (found, asked) = read(&apart);
    assert!(found.is_err() && asked.reads <= MAX_READS && asked.bytes <= 64 * 1024 * u64::from(MAX_READS), "{asked:?}");
    // A bucket that answers less than there was.
    let mut reader = Reader::new(1_000);
    assert!(matches!(reader.index(), Ok(Step::Read(range)) if range == (0..1_000)));
    assert!(matches!(reader.give(0..1_000, &[0; 999]), Err(NoPicture::Damaged(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_lead_astray(
        first: bool,
        wide: bool,
        padding in prop_oneof![Just(0_usize), Just(300_000)],
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()]), 1..12),
    ) {
        let made = Made { first, wide, padding, ..Made::default() };
        let mut file = made.file();
        // What is changed lies in the beginning or in the index.
        let index = made.moov(&[0; 3]).len() + 48;
        let from = if first { 0 } else { file.len() - index };
        for (place, byte) in &changes {
            let at = from + place.index(index);
            file[at] = *byte;
        }
        let (found, asked) = read(&file);
        prop_assert!(asked.bytes <= 5 * file.len() as u64);
        if let Ok((index, frames)) = found {
            prop_assert!(!frames.is_empty() && frames.len() == index.key_frames.len());
            prop_assert!((1..=16_384).contains(&index.width) && index.duration_ms <= 86_400_000);
        }
    }
}

#[cfg(feature = "frames")]
mod pictures;
