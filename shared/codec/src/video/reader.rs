//! Which bytes of a file are needed, without getting them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::NoPicture;
use super::boxes::{Boxes, Head};
use super::index::Index;

/// Read first: the index is in it where it comes first, and is found by it where it doesn't.
const FIRST: u64 = 64 * 1024;
/// Files of at most this size are read whole: another request costs more than the bytes.
const SMALL: u64 = 256 * 1024;
/// What lies behind the media is read in one go up to this size: it is the index, as a rule.
const TAIL: u64 = 1024 * 1024;
/// Bytes of an index: half an hour with sound takes less than two of these mebibytes.
pub(super) const MAX_INDEX: u64 = 8 * 1024 * 1024;
/// Boxes of the file that are looked at.
const MAX_BOXES: u32 = 1_000;
/// Requests for one video: beginning, index in two halves, three key frames, and some.
pub(super) const MAX_READS: u32 = 8;

/// What is known, or what has to be read for it.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// These bytes, none of which lie beyond the file's end; then ask again.
    Read(Range<u64>),
    /// Known.
    Done(T),
}

/// A window on a file, and how far its boxes were followed.
#[derive(Debug)]
pub struct Reader {
    length: u64,
    start: u64,
    held: BytesMut,
    /// Where the box begins that is looked at next.
    at: u64,
    boxes: u32,
    reads: u32,
}

impl Reader {
    /// Of a file with `length` bytes.
    pub fn new(length: u64) -> Self {
        Self { length, start: 0, held: BytesMut::new(), at: 0, boxes: 0, reads: 0 }
    }

    /// Takes what was read for a [`Step::Read`].
    pub fn give(&mut self, range: Range<u64>, bytes: &[u8]) -> Result<(), NoPicture> {
        if bytes.len() as u64 != range.end.saturating_sub(range.start) {
            return Err(NoPicture::Damaged("it is shorter than it was"));
        }
        if range.start != self.end() {
            self.held.clear();
            self.start = range.start;
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// The index: follows the boxes of the file to it.
    pub fn index(&mut self) -> Result<Step<Index>, NoPicture> {
        while self.at < self.length {
            self.boxes += 1;
            if self.boxes > MAX_BOXES {
                return Err(NoPicture::Damaged("it has too many parts"));
            }
            let rest = self.length - self.at;
            let Some(head) = self.held(self.at..self.at + Head::LONGEST.min(rest)) else {
                let length = match rest {
                    _ if self.at == 0 && rest > SMALL => FIRST,
                    _ if rest > TAIL => FIRST,
                    rest => rest,
                };
                // A head that the window cuts in two is read with what follows it, as a window of its own.
                self.held.clear();
                self.start = self.at;
                return self.ask(self.at..self.at + length);
            };
            // Cut off before its index came.
            let head = Head::read(head, rest).ok_or(NoPicture::NoIndex)?;
            match &head.kind {
                b"moov" if head.size > MAX_INDEX => return Err(NoPicture::TooLarge("its index is too large")),
                b"moov" => {
                    let whole = self.at..self.at + head.size;
                    return match self.held(whole.clone()) {
                        Some(moov) => Ok(Step::Done(Index::parse(Boxes(moov).expect(b"moov")?, self.length)?)),
                        None => self.ask(self.missing(whole)),
                    };
                }
                b"moof" => return Err(NoPicture::Fragmented),
                _ => self.at += head.size,
            }
        }
        Err(NoPicture::NoIndex)
    }

    /// The bytes of `range`.
    pub fn bytes(&mut self, range: Range<u64>) -> Result<Step<Bytes>, NoPicture> {
        if range.is_empty() || range.end > self.length {
            return Err(NoPicture::Damaged("a part lies beyond its end"));
        }
        match self.held(range.clone()) {
            Some(bytes) => Ok(Step::Done(Bytes::copy_from_slice(bytes))),
            None => self.ask(self.missing(range)),
        }
    }

    fn ask<T>(&mut self, range: Range<u64>) -> Result<Step<T>, NoPicture> {
        self.reads += 1;
        if self.reads > MAX_READS { Err(NoPicture::Damaged("its parts are too far apart")) } else { Ok(Step::Read(range)) }
    }

    fn end(&self) -> u64 {
        self.start + self.held.len() as u64
    }

    fn held(&self, range: Range<u64>) -> Option<&[u8]> {
        let from = usize::try_from(range.start.checked_sub(self.start)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(self.start)?).ok()?;
        self.held.get(from..to)
    }

    /// The part of `range` that isn't held: what is held may be its beginning.
    fn missing(&self, range: Range<u64>) -> Range<u64> {
        if (self.start..self.end()).contains(&range.start) { self.end()..range.end } else { range }
    }
}
