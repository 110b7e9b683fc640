//! Where the pictures of a track lie in the file.

use std::ops::Range;

use super::NoPicture;
use super::boxes::{Boxes, Table, number, number64};
use super::index::table;

/// Bytes of one key frame: ten times what a sharp one of 4K takes.
pub(super) const MAX_KEY_FRAME: u64 = 16 * 1024 * 1024;
/// The first may be black, and so may the second.
const KEY_FRAMES: usize = 3;

/// The tables of a track.
pub(super) struct Samples<'a> {
    sizes: Sizes<'a>,
    /// First chunk (from 1), pictures in each chunk from there on.
    runs: Table<'a>,
    /// Where chunks begin, in four or eight bytes.
    chunks: Table<'a>,
    wide: bool,
    /// Pictures (from 1) that need no others; without the table, all of them.
    keys: Option<Table<'a>>,
}

enum Sizes<'a> {
    Same { size: u32, count: u32 },
    Each(Table<'a>),
}

impl<'a> Samples<'a> {
    pub(super) fn read(tables: &'a [u8]) -> Result<Self, NoPicture> {
        let sizes = Boxes(tables).expect(b"stsz")?;
        let sizes = match number(sizes, 4).unwrap_or(0) {
            0 => Sizes::Each(Table::read(sizes, 8, 4)?),
            size => Sizes::Same { size, count: number(sizes, 8).unwrap_or(0) },
        };
        let wide = Boxes(tables).find(b"co64").is_some();
        let chunks = if wide { table(tables, b"co64", 8)? } else { table(tables, b"stco", 4)? };
        let keys = Boxes(tables).find(b"stss").map(|content| Table::read(content, 4, 4)).transpose()?;
        Ok(Self { sizes, runs: table(tables, b"stsc", 12)?, chunks, wide, keys })
    }

    pub(super) fn count(&self) -> u32 {
        match &self.sizes {
            Sizes::Same { count, .. } => *count,
            Sizes::Each(table) => u32::try_from(table.len()).unwrap_or(u32::MAX),
        }
    }

    /// Where the first few key frames lie in a file of `length` bytes. The first has to be sound.
    pub(super) fn key_frames(&self, length: u64) -> Result<Vec<Range<u64>>, NoPicture> {
        let mut found = Vec::new();
        for nth in 0..KEY_FRAMES {
            let sample = match &self.keys {
                None => u32::try_from(nth).ok().filter(|sample| *sample < self.count()),
                Some(keys) => keys.get(nth).and_then(|entry| number(entry, 0)).and_then(|from_one| from_one.checked_sub(1)),
            };
            match sample.map(|sample| self.place(sample, length)) {
                Some(Ok(range)) => found.push(range),
                Some(Err(why)) if nth == 0 => return Err(why),
                None if nth == 0 => return Err(NoPicture::Damaged("it has no key frame")),
                None | Some(Err(_)) => break,
            }
        }
        Ok(found)
    }

    /// Whether the last picture lies in a file of `length` bytes, as far as the tables say where it lies.
    pub(super) fn end_within(&self, length: u64) -> bool {
        let last = self.count().checked_sub(1).and_then(|last| self.span(last));
        last.is_none_or(|range| range.end <= length)
    }

    /// The bytes of a picture (from 0) that can be read.
    fn place(&self, sample: u32, length: u64) -> Result<Range<u64>, NoPicture> {
        let span = self.span(sample).filter(|span| !span.is_empty() && span.end <= length);
        let span = span.ok_or(NoPicture::Damaged("a picture lies nowhere"))?;
        if span.end - span.start > MAX_KEY_FRAME {
            return Err(NoPicture::TooLarge("a key frame is too large"));
        }
        Ok(span)
    }

    /// Where the tables say that a picture lies.
    fn span(&self, sample: u32) -> Option<Range<u64>> {
        let (chunk, before) = self.chunk(sample)?;
        let entry = self.chunks.get(chunk)?;
        let chunk = if self.wide { number64(entry, 0)? } else { number(entry, 0)?.into() };
        let start = chunk.checked_add(self.bytes_of(sample.checked_sub(before)?..sample)?)?;
        Some(start..start.checked_add(self.size(sample)?.into())?)
    }

    fn size(&self, sample: u32) -> Option<u32> {
        match &self.sizes {
            Sizes::Same { size, count } => (sample < *count).then_some(*size),
            Sizes::Each(table) => number(table.get(usize::try_from(sample).ok()?)?, 0),
        }
    }

    /// The chunk (from 0) of a picture, and how many pictures come before it there.
    fn chunk(&self, sample: u32) -> Option<(usize, u32)> {
        let mut left = u64::from(sample);
        for run in 0..self.runs.len() {
            let entry = self.runs.get(run)?;
            let (first, each) = (number(entry, 0)?.checked_sub(1)?, u64::from(number(entry, 4)?));
            let next = match self.runs.get(run + 1) {
                Some(next) => u64::from(number(next, 0)?.checked_sub(1)?),
                None => self.chunks.len() as u64,
            };
            let held = next.checked_sub(first.into())?.checked_mul(each)?;
            if left < held {
                let chunk = u64::from(first) + left / each;
                return Some((usize::try_from(chunk).ok()?, u32::try_from(left % each).ok()?));
            }
            left -= held;
        }
        None
    }

    /// What some pictures, which lie behind one another, take together.
    fn bytes_of(&self, samples: Range<u32>) -> Option<u64> {
        match &self.sizes {
            Sizes::Same { size, .. } => u64::from(samples.end - samples.start).checked_mul((*size).into()),
            // At most as many as the table has.
            Sizes::Each(_) => samples.map(|sample| self.size(sample).map(u64::from)).sum(),
        }
    }
}
