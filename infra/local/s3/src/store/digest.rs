//! Checksums: which a client may send, computing them in one pass, comparing.

use super::StoreError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The checksum algorithms of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64nvme, Self::Sha1, Self::Sha256];

    /// The header, or trailer, that carries it.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// From a header's name, in any case.
    pub(crate) fn from_header(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.header().eq_ignore_ascii_case(name))
    }

    /// From the name that `x-amz-checksum-algorithm` uses, such as `CRC64NVME`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// The name that `x-amz-checksum-algorithm` uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }
}

/// Checksums by algorithm, in base64 as on the wire.
pub(crate) type Checksums = BTreeMap<Algorithm, String>;

/// What a client said about the body it sends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    pub(crate) length: Option<u64>,
    /// Base64 of 16 bytes, as in `Content-MD5`.
    pub(crate) md5: Option<String>,
    pub(crate) checksums: Checksums,
}

/// Computes everything that is wanted of one body, in one pass.
pub(crate) struct BodyHasher {
    md5: Md5,
    others: ChecksumHasher,
    wanted: Vec<Algorithm>,
}

impl BodyHasher {
    /// MD5 (the `ETag`) and SHA-256 (so that a backup can be verified) always, and `wanted`.
    pub(crate) fn new(wanted: &[Algorithm]) -> Self {
        let wants = |one| wanted.contains(&one);
        Self {
            md5: Md5::new(),
            others: ChecksumHasher {
                crc32: wants(Algorithm::Crc32).then(Crc32::new),
                crc32c: wants(Algorithm::Crc32c).then(Crc32c::new),
                crc64nvme: wants(Algorithm::Crc64nvme).then(Crc64Nvme::new),
                sha1: wants(Algorithm::Sha1).then(Sha1::new),
                sha256: Some(Sha256::new()),
            },
            wanted: wanted.to_vec(),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.others.update(bytes);
    }

    pub(crate) fn finish(self) -> Digests {
        let sums = self.others.finalize();
        let sha256 = sums.checksum_sha256.unwrap_or_default();
        let mut checksums = Checksums::new();
        for algorithm in self.wanted {
            let value = match algorithm {
                Algorithm::Crc32 => sums.checksum_crc32.clone(),
                Algorithm::Crc32c => sums.checksum_crc32c.clone(),
                Algorithm::Crc64nvme => sums.checksum_crc64nvme.clone(),
                Algorithm::Sha1 => sums.checksum_sha1.clone(),
                Algorithm::Sha256 => Some(sha256.clone()),
            };
            checksums.extend(value.map(|value| (algorithm, value)));
        }
        Digests { md5: self.md5.finalize(), sha256, checksums }
    }
}

/// What a body turned out to be.
#[derive(Debug)]
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    /// Base64.
    pub(crate) sha256: String,
    /// Those that were wanted.
    pub(crate) checksums: Checksums,
}

impl Digests {
    /// Compares with what the client said.
    ///
    /// # Errors
    ///
    /// [`StoreError::WrongLength`], [`StoreError::WrongChecksum`] (also for one that was not computed) or
    /// [`StoreError::MalformedChecksum`].
    pub(crate) fn verify(&self, length: u64, expected: &Expected) -> Result<(), StoreError> {
        if expected.length.is_some_and(|expected| expected != length) {
            return Err(StoreError::WrongLength);
        }
        if let Some(md5) = &expected.md5 {
            let bytes = decode(md5, "Content-MD5")?;
            if bytes.len() != self.md5.len() {
                return Err(StoreError::MalformedChecksum("Content-MD5"));
            }
            if bytes != self.md5 {
                return Err(StoreError::WrongChecksum("Content-MD5"));
            }
        }
        for (algorithm, value) in &expected.checksums {
            // Bytes are compared, not text: a client may pad differently.
            let sent = decode(value, algorithm.header())?;
            let ours = self.checksums.get(algorithm).map(|ours| decode(ours, algorithm.header()));
            if ours.transpose()?.as_ref() != Some(&sent) {
                return Err(StoreError::WrongChecksum(algorithm.header()));
            }
        }
        Ok(())
    }
}

/// Decodes base64 and names what was malformed.
pub(crate) fn decode(value: &str, what: &'static str) -> Result<Vec<u8>, StoreError> {
    BASE64.decode(value.trim()).map_err(|_| StoreError::MalformedChecksum(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_and_refusals() {
        let mut hasher = BodyHasher::new(&Algorithm::ALL);
        hasher.update(b"123456");
        hasher.update(b"789");
        let digests = hasher.finish();
        // Check values of the CRC catalogue for "123456789", and of RFC 1321 and FIPS 180.
        let expected: Vec<_> = [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64nvme, "ae8b14860a799888"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ]
        .into_iter()
        .map(|(one, digits)| (one, BASE64.encode(hex::decode(digits).unwrap())))
        .collect();
        assert_eq!(digests.checksums, expected.iter().cloned().collect::<Checksums>());
        assert_eq!(hex::encode(digests.md5), "25f9e794323b453885f5181f1b624d0b");

        for (algorithm, value) in expected {
            let mut said = Expected { length: Some(9), ..Expected::default() };
            said.checksums.insert(algorithm, value);
            assert!(digests.verify(9, &said).is_ok());
            assert!(matches!(digests.verify(8, &said), Err(StoreError::WrongLength)));
            said.checksums.insert(algorithm, "AAAAAA==".to_owned());
            assert!(matches!(digests.verify(9, &said), Err(StoreError::WrongChecksum(_))));
            said.checksums.insert(algorithm, "?".to_owned());
            assert!(matches!(digests.verify(9, &said), Err(StoreError::MalformedChecksum(_))));
        }
    }
}
