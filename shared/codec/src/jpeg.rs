//! Whether a JPEG file is all there.

/// Walks the segments to the start of the scan and looks for the end of the image behind it. In a scan's data `FF` is always followed by
/// `00` or a restart mark, so an end mark there is one; a preview inside the metadata comes before the scan and doesn't count.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[mark, kind]) = bytes.get(at..at + 2).and_then(|two| two.first_chunk::<2>()) {
        if mark != 0xff {
            return false;
        }
        match kind {
            // Fill bytes and marks without a length.
            0xff => at += 1,
            0x01 | 0xd0..=0xd7 => at += 2,
            0xda => return bytes[at..].windows(2).any(|two| two == [0xff, 0xd9]),
            _ => {
                let Some(length) = bytes.get(at + 2..at + 4).and_then(|two| two.first_chunk::<2>()) else { return false };
                at += 2 + usize::from(u16::from_be_bytes(*length)).max(2);
            }
        }
    }
    false
}
