//! Zip files written from front to back: nothing is looked up or changed once it is written, so that they can go straight into a
//! multipart upload, and be continued by another process from what is remembered of them.
//!
//! Entries are stored as they are (media don't get smaller) and followed by their checksum (APPNOTE 6.3.10, 4.3.9). Offsets and
//! counts beyond what the first format holds are written as ZIP64; an entry itself stays below 4 GiB.

use bytes::{BufMut as _, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// A data descriptor follows (bit 3); the name is UTF-8 (bit 11).
const FLAGS: u16 = 1 << 3 | 1 << 11;
/// What a reader must understand: 2.0, or 4.5 for ZIP64.
const PLAIN: u16 = 20;
const ZIP64: u16 = 45;
/// A regular file that everybody may read, as Unix says it.
const MODE: u32 = 0o100_644 << 16;

/// The entry is larger than the format allows without ZIP64 sizes, or its name too long.
#[derive(Debug, thiserror::Error)]
#[error("an entry doesn't fit into the format")]
pub struct DoesNotFit;

/// What has been written so far: what the end of the file repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    entries: Vec<Entry>,
    bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    name: String,
    /// Date and time as MS-DOS writes them.
    time: u32,
    crc: u32,
    size: u32,
    offset: u64,
}

/// An entry that is being written.
#[derive(Debug)]
pub struct Open {
    name: String,
    time: u32,
    offset: u64,
    size: u64,
    crc: Digest,
}

impl Directory {
    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Begins an entry, last changed at `at`. `name` has slashes between folders.
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn open(&mut self, name: &str, at: Timestamp, out: &mut BytesMut) -> Result<Open, DoesNotFit> {
        let length = u16::try_from(name.len()).map_err(|_| DoesNotFit)?;
        let (began, time) = (out.len(), dos_time(at));
        out.put_u32_le(0x0403_4b50);
        out.put_u16_le(PLAIN);
        out.put_u16_le(FLAGS);
        out.put_u16_le(0); // stored
        out.put_u32_le(time);
        // Checksum and sizes follow the data.
        out.put_bytes(0, 12);
        out.put_u16_le(length);
        out.put_u16_le(0);
        out.put_slice(name.as_bytes());
        let open = Open { name: name.to_owned(), time, offset: self.bytes, size: 0, crc: Digest::new(CrcAlgorithm::Crc32IsoHdlc) };
        self.bytes += (out.len() - began) as u64;
        Ok(open)
    }

    /// Adds to the entry that is open.
    pub fn write(&mut self, open: &mut Open, bytes: &[u8], out: &mut BytesMut) {
        open.crc.update(bytes);
        open.size += bytes.len() as u64;
        self.bytes += bytes.len() as u64;
        out.put_slice(bytes);
    }

    /// Ends the entry that is open.
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn close(&mut self, open: Open, out: &mut BytesMut) -> Result<(), DoesNotFit> {
        let size = u32::try_from(open.size).ok().filter(|size| *size < u32::MAX).ok_or(DoesNotFit)?;
        // The algorithm has 32 bits.
        let crc = u32::try_from(open.crc.finalize()).map_err(|_| DoesNotFit)?;
        let began = out.len();
        out.put_u32_le(0x0807_4b50);
        out.put_u32_le(crc);
        out.put_u32_le(size);
        out.put_u32_le(size);
        self.bytes += (out.len() - began) as u64;
        self.entries.push(Entry { name: open.name, time: open.time, crc, size, offset: open.offset });
        Ok(())
    }

    /// A whole entry.
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn file(&mut self, name: &str, at: Timestamp, bytes: &[u8], out: &mut BytesMut) -> Result<(), DoesNotFit> {
        let mut open = self.open(name, at, out)?;
        self.write(&mut open, bytes, out);
        self.close(open, out)
    }

    /// The end of the file: the directory of its entries.
    pub fn finish(&mut self, out: &mut BytesMut) {
        let (began, start) = (out.len(), self.bytes);
        for entry in &self.entries {
            central(entry, out);
        }
        let size = (out.len() - began) as u64;
        let count = self.entries.len() as u64;
        let (short_count, short_size, short_start) = (u16::try_from(count), u32::try_from(size), u32::try_from(start));
        let fits = |short: Result<u32, _>| short.is_ok_and(|short| short < u32::MAX);
        if !(short_count.is_ok_and(|count| count < u16::MAX) && fits(short_size) && fits(short_start)) {
            out.put_u32_le(0x0606_4b50);
            out.put_u64_le(44); // what follows of this record
            out.put_u16_le(3 << 8 | ZIP64);
            out.put_u16_le(ZIP64);
            out.put_bytes(0, 8); // one disk
            out.put_u64_le(count);
            out.put_u64_le(count);
            out.put_u64_le(size);
            out.put_u64_le(start);
            out.put_u32_le(0x0706_4b50);
            out.put_u32_le(0);
            out.put_u64_le(start + size);
            out.put_u32_le(1);
        }
        out.put_u32_le(0x0605_4b50);
        out.put_bytes(0, 4);
        for _ in 0..2 {
            out.put_u16_le(short_count.unwrap_or(u16::MAX));
        }
        out.put_u32_le(short_size.unwrap_or(u32::MAX));
        out.put_u32_le(short_start.unwrap_or(u32::MAX));
        out.put_u16_le(0);
        self.bytes += (out.len() - began) as u64;
    }
}

/// An entry's line in the directory.
fn central(entry: &Entry, out: &mut BytesMut) {
    let offset = u32::try_from(entry.offset).ok().filter(|offset| *offset < u32::MAX);
    let version = if offset.is_some() { PLAIN } else { ZIP64 };
    out.put_u32_le(0x0201_4b50);
    out.put_u16_le(3 << 8 | version);
    out.put_u16_le(version);
    out.put_u16_le(FLAGS);
    out.put_u16_le(0);
    out.put_u32_le(entry.time);
    out.put_u32_le(entry.crc);
    out.put_u32_le(entry.size);
    out.put_u32_le(entry.size);
    // Its length was checked when it was opened.
    out.put_u16_le(u16::try_from(entry.name.len()).unwrap_or(u16::MAX));
    out.put_u16_le(if offset.is_some() { 0 } else { 12 });
    out.put_bytes(0, 6);
    out.put_u32_le(MODE);
    out.put_u32_le(offset.unwrap_or(u32::MAX));
    out.put_slice(entry.name.as_bytes());
    if offset.is_none() {
        out.put_u16_le(1);
        out.put_u16_le(8);
        out.put_u64_le(entry.offset);
    }
}

/// Time in the lower half, date in the upper one; from 1980 to 2107, in steps of two seconds.
fn dos_time(at: Timestamp) -> u32 {
    let at = at.to_zoned(TimeZone::UTC);
    let part = |value: i8| u32::from(value.unsigned_abs());
    let year = u32::try_from(at.year() - 1980).unwrap_or(0).min(127);
    let date = year << 9 | part(at.month()) << 5 | part(at.day());
    date << 16 | part(at.hour()) << 11 | part(at.minute()) << 5 | (part(at.second()) / 2)
}
