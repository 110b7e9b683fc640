//! The boxes that an MP4 file is made of. Nothing a box says about itself is believed beyond the bytes that are there.

use super::NoPicture;

/// What a box is.
pub(super) type Kind = [u8; 4];

/// How a box begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// Bytes of the head itself.
    pub(super) head: u64,
    /// Bytes of all of it.
    pub(super) size: u64,
}

impl Head {
    /// Bytes of the longest head.
    pub(super) const LONGEST: u64 = 16;

    /// The head of a box that `bytes` begin with and for which there is `room`; `None` when it doesn't fit.
    pub(super) fn read(bytes: &[u8], room: u64) -> Option<Self> {
        let kind = *bytes.get(4..8)?.first_chunk()?;
        let (head, size) = match number(bytes, 0)? {
            // To the end of what it is in.
            0 => (8, room),
            1 => (16, number64(bytes, 8)?),
            size => (8, u64::from(size)),
        };
        (head..=room).contains(&size).then_some(Self { kind, head, size })
    }
}

/// The boxes that lie in some bytes, one behind the other, up to the first that doesn't fit. They aren't opened, so depth costs nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boxes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = (Kind, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = Head::read(self.0, self.0.len() as u64)?;
        let (whole, rest) = self.0.split_at_checked(usize::try_from(head.size).ok()?)?;
        self.0 = rest;
        Some((head.kind, whole.get(usize::try_from(head.head).ok()?..)?))
    }
}

impl<'a> Boxes<'a> {
    /// The content of the first box of this kind.
    pub(super) fn find(mut self, kind: &Kind) -> Option<&'a [u8]> {
        self.find_map(|(found, content)| (found == *kind).then_some(content))
    }

    /// The same, which has to be there.
    pub(super) fn expect(self, kind: &Kind) -> Result<&'a [u8], NoPicture> {
        self.find(kind).ok_or(NoPicture::Damaged("a part of its index is missing"))
    }
}

/// A table: how many entries it says to have, then the entries, all of which have to be there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a> {
    entries: &'a [u8],
    width: usize,
}

impl<'a> Table<'a> {
    /// The table of entries of `width` bytes whose number stands at `at` of `content`.
    pub(super) fn read(content: &'a [u8], at: usize, width: usize) -> Result<Self, NoPicture> {
        let entries = || {
            let length = usize::try_from(number(content, at)?).ok()?.checked_mul(width)?;
            content.get(at + 4..)?.get(..length)
        };
        Ok(Self { entries: entries().ok_or(NoPicture::Damaged("a table ends too early"))?, width })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() / self.width
    }

    /// An entry.
    pub(super) fn get(&self, index: usize) -> Option<&'a [u8]> {
        let start = index.checked_mul(self.width)?;
        self.entries.get(start..)?.get(..self.width)
    }
}

/// Four bytes as a number.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// Eight bytes as a number.
pub(super) fn number64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|eight| u64::from_be_bytes(*eight))
}

/// Two bytes as a number.
pub(super) fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}
