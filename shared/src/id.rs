//! Identifiers: one type per entity, so that a call's id can't be passed where an asset's is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an identifier of ours (32 hexadecimal digits).
#[derive(Debug, thiserror::Error)]
#[error("not an identifier")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        ///
        /// A `UUIDv7`: sorts by the time at which it was made. Written as 32 lower-case hexadecimal digits.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier for something that begins at `at`.
            pub fn new(at: jiff::Timestamp) -> Self {
                Self(v7(at))
            }

            /// The smallest identifier that something made at `at` can have: the start of a range of keys.
            pub fn first_at(at: jiff::Timestamp) -> Self {
                let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.0.as_simple(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // One spelling only: what is a key must not be writable in four ways.
                let plain = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if !plain {
                    return Err(InvalidId);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
    )+};
}

ids! {
    /// A person.
    UserId,
    /// What a person asked for: one request for 1 to n outputs.
    GenerationId,
    /// One request to the provider.
    CallId,
    /// An image or a video in the library.
    AssetId,
    /// A file on its way in.
    UploadId,
    /// A personal token's public name.
    TokenId,
    /// A session's public name (never the cookie's value).
    SessionId,
    /// A collection of assets.
    CollectionId,
    /// A line of the ledger, of the audit log, or an export.
    RecordId,
}

fn v7(at: jiff::Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let mut random = [0; 10];
    fill_random(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// Fills `buffer` from the operating system's generator.
pub fn fill_random(buffer: &mut [u8]) {
    #[cfg(debug_assertions)]
    if seeded::fill(buffer) {
        return;
    }
    #[expect(clippy::expect_used, reason = "no system that runs this is without a random source; going on without one would be worse")]
    getrandom::fill(buffer).expect("the system's random source");
}

/// Randomness that comes again, for tests that replay what they found. A release is built without it.
#[cfg(debug_assertions)]
pub mod seeded {
    use std::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// From here on this thread's randomness follows from `seed`; from nothing again with `None`.
    pub fn follow(seed: Option<u64>) {
        STATE.set(seed);
    }

    /// Whether this thread's randomness follows from a seed; then `buffer` is filled with it (`SplitMix64`).
    pub(super) fn fill(buffer: &mut [u8]) -> bool {
        let Some(mut state) = STATE.get() else { return false };
        for chunk in buffer.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
        STATE.set(Some(state));
        true
    }
}

/// `N` random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

/// `length` characters of `[0-9A-Za-z]`, each uniform: 11 of them carry 65 bits, 22 carry 131.
pub fn random_base62(length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in random::<32>() {
            // 248 = 4 × 62: larger bytes are thrown away, or the first letters would come more often.
            if byte < 248 && text.len() < length {
                text.push(char::from(ALPHABET[usize::from(byte) % 62]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_have_one_spelling() {
        let early = AssetId::new(jiff::Timestamp::from_millisecond(1_000).unwrap());
        let late = AssetId::new(jiff::Timestamp::from_millisecond(2_000).unwrap());
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<AssetId>().unwrap(), early);
        assert!(early.to_string().to_uppercase().parse::<AssetId>().is_err() || early.to_string().bytes().all(|b| b.is_ascii_digit()));
        assert!("{0190163d-8694-739b-aea5-966c26f8ad91}".parse::<AssetId>().is_err());
        assert!(AssetId::first_at(jiff::Timestamp::from_millisecond(2_000).unwrap()) <= late);
    }

    #[test]
    fn base62_has_the_asked_length_and_alphabet() {
        for length in [1, 11, 22, 43] {
            let text = random_base62(length);
            assert_eq!(text.len(), length);
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()));
        }
    }
}
