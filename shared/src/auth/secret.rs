//! Secrets that people and browsers hold. Only their hashes are stored: 256 random bits need neither salt nor a slow hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::id::{random, random_base62};

/// What every personal token begins with, so that scanners of public code can find leaked ones.
const TOKEN_PREFIX: &str = "aig_";
/// Base62 characters of a token: 43 carry 256 bits.
const TOKEN_LENGTH: usize = 43;
/// Base62 characters of the checksum: six hold 32 bits.
const CHECKSUM_LENGTH: usize = 6;

/// A cookie's secret: 256 bits as base64url.
pub fn new_cookie() -> SecretString {
    URL_SAFE_NO_PAD.encode(random::<32>()).into()
}

/// A personal token: `aig_`, 256 bits, and a checksum by which a mistyped one is refused without a look-up.
pub fn new_token() -> SecretString {
    let body = random_base62(TOKEN_LENGTH);
    let sum = checksum(&body);
    format!("{TOKEN_PREFIX}{body}{sum}").into()
}

/// Whether `text` has a token's form and its checksum fits.
pub fn is_token(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(TOKEN_PREFIX) else { return false };
    rest.len() == TOKEN_LENGTH + CHECKSUM_LENGTH
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && checksum(&rest[..TOKEN_LENGTH]) == rest[TOKEN_LENGTH..]
}

/// What is stored of a secret: its SHA-256, in hexadecimal.
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

/// CRC-32 (IEEE) in base62, padded with zeros.
fn checksum(body: &str) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32(body.as_bytes());
    let mut digits = ['0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(ALPHABET[(rest % 62) as usize]);
        rest /= 62;
    }
    digits.iter().collect()
}

/// Bit by bit: 43 bytes don't need a table.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum(""), "000000");
    }

    #[test]
    fn every_single_mistyped_character_of_a_token_is_noticed() {
        let token = new_token();
        let token = token.expose_secret();
        assert!(is_token(token));
        assert_eq!(token.len(), 53);
        for at in 0..token.len() {
            for other in ['0', 'a', 'Z', '_', 'é'] {
                let altered: String = token.chars().enumerate().map(|(i, c)| if i == at { other } else { c }).collect();
                assert!(altered == token || !is_token(&altered), "{at}");
            }
        }
        for bad in ["", "aig_", &token[..52], &format!("{token}0"), &token[4..]] {
            assert!(!is_token(bad));
        }
    }

    #[test]
    fn a_cookie_has_256_bits_and_no_special_characters() {
        let cookie = new_cookie();
        assert_eq!(cookie.expose_secret().len(), 43);
        assert!(cookie.expose_secret().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
