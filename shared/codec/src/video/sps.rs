//! What a sequence parameter set of H.264 says of its pictures (ITU-T H.264, 7.3.2.1.1 and annex E), read before anything is decoded.

use super::NoPicture;

/// 4,096 × 4,096 pixels: nearly twice what level 5.2 allows. A decoder takes some ten bytes for each of them.
const MAX_MACROBLOCKS: u64 = 65_536;
/// Macroblocks of a side: 16,384 pixels.
const MAX_SIDE: u32 = 1_024;
/// Bytes of a set.
const MAX_BYTES: usize = 4_096;
/// Profiles whose sets say more about samples.
const HIGH: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

const DAMAGED: NoPicture = NoPicture::Damaged("its picture format");

/// The format of decoded pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sps {
    /// Pixels, before anything is cut off.
    pub(super) width: u32,
    /// Pixels, before anything is cut off.
    pub(super) height: u32,
    /// Pixels to cut off: left, right, top, bottom.
    pub(super) cut: [u32; 4],
    /// The number of a matrix (ITU-T H.273); 2 when nothing is said.
    pub(super) matrix: u16,
    /// Whether samples use all 256 values.
    pub(super) full_range: bool,
}

impl Sps {
    /// Reads a set, with its unit's header.
    pub(super) fn parse(unit: &[u8]) -> Result<Self, NoPicture> {
        if unit.len() > MAX_BYTES {
            return Err(DAMAGED);
        }
        let payload = unescaped(unit.get(1..).unwrap_or_default());
        let mut bits = Bits { bytes: &payload, at: 0 };
        let profile = bits.take(8)?;
        bits.take(16)?;
        bits.unsigned()?;
        if HIGH.contains(&profile) {
            samples(&mut bits)?;
        }
        bits.unsigned()?;
        order(&mut bits)?;
        bits.unsigned()?;
        bits.take(1)?;
        let (across, down) = (bits.unsigned()?.saturating_add(1), bits.unsigned()?.saturating_add(1));
        let progressive = bits.take(1)? == 1;
        if !progressive {
            bits.take(1)?;
        }
        let down = if progressive { down } else { down.saturating_mul(2) };
        if across.max(down) > MAX_SIDE || u64::from(across) * u64::from(down) > MAX_MACROBLOCKS {
            return Err(NoPicture::TooLarge("its pictures are too large"));
        }
        bits.take(1)?;
        let (width, height) = (across * 16, down * 16);
        let mut cut = [0; 4];
        if bits.take(1)? == 1 {
            for (side, unit) in cut.iter_mut().zip([2, 2, if progressive { 2 } else { 4 }, if progressive { 2 } else { 4 }]) {
                *side = bits.unsigned()?.saturating_mul(unit);
            }
        }
        let [left, right, top, bottom] = cut;
        if left.saturating_add(right) >= width || top.saturating_add(bottom) >= height {
            return Err(DAMAGED);
        }
        // Many sets end here, or are cut short in what nobody needs.
        let (full_range, matrix) = usability(&mut bits).unwrap_or((false, 2));
        if matrix == 0 {
            return Err(NoPicture::Unsupported("H.264 in RGB"));
        }
        Ok(Self { width, height, cut, matrix, full_range })
    }
}

/// Samples of other than eight bits, or not four to a colour, aren't decoded.
fn samples(bits: &mut Bits<'_>) -> Result<(), NoPicture> {
    if bits.unsigned()? != 1 {
        return Err(NoPicture::Unsupported("H.264 with colours other than 4:2:0"));
    }
    if bits.unsigned()? != 0 || bits.unsigned()? != 0 {
        return Err(NoPicture::Unsupported("H.264 with more than eight bits"));
    }
    bits.take(1)?;
    if bits.take(1)? == 1 {
        for list in 0..8 {
            if bits.take(1)? == 1 {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(())
}

fn scaling_list(bits: &mut Bits<'_>, length: u32) -> Result<(), NoPicture> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..length {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

/// In which order pictures are shown.
fn order(bits: &mut Bits<'_>) -> Result<(), NoPicture> {
    match bits.unsigned()? {
        0 => bits.unsigned().map(drop),
        1 => {
            bits.take(1)?;
            bits.signed()?;
            bits.signed()?;
            let cycle = bits.unsigned()?;
            if cycle > 255 {
                return Err(DAMAGED);
            }
            (0..cycle).try_for_each(|_| bits.signed().map(drop))
        }
        2 => Ok(()),
        _ => Err(DAMAGED),
    }
}

/// Range and matrix of the colours.
fn usability(bits: &mut Bits<'_>) -> Result<(bool, u16), NoPicture> {
    let unsaid = (false, 2);
    if bits.take(1)? == 0 {
        return Ok(unsaid);
    }
    if bits.take(1)? == 1 && bits.take(8)? == 255 {
        bits.take(32)?;
    }
    if bits.take(1)? == 1 {
        bits.take(1)?;
    }
    if bits.take(1)? == 0 {
        return Ok(unsaid);
    }
    bits.take(3)?;
    let full_range = bits.take(1)? == 1;
    if bits.take(1)? == 0 {
        return Ok((full_range, 2));
    }
    bits.take(16)?;
    Ok((full_range, u16::try_from(bits.take(8)?).unwrap_or(2)))
}

/// Bits of a unit, the highest first.
pub(super) struct Bits<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl Bits<'_> {
    /// At most 32 bits as a number.
    pub(super) fn take(&mut self, count: usize) -> Result<u32, NoPicture> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(DAMAGED)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }

    /// An Exp-Golomb code.
    pub(super) fn unsigned(&mut self) -> Result<u32, NoPicture> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return Err(DAMAGED);
            }
        }
        let rest = u64::from(self.take(zeros)?);
        u32::try_from((1_u64 << zeros) - 1 + rest).map_err(|_| DAMAGED)
    }

    /// A signed Exp-Golomb code.
    fn signed(&mut self) -> Result<i64, NoPicture> {
        let code = i64::from(self.unsigned()?);
        Ok(if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 })
    }
}

/// A unit's payload without the bytes that keep it from looking like the beginning of another.
pub(super) fn unescaped(unit: &[u8]) -> Vec<u8> {
    let (mut payload, mut zeros) = (Vec::with_capacity(unit.len()), 0);
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        payload.push(*byte);
    }
    payload
}
