//! The random numbers of one picture: the same prompt and seed give the same ones on every machine.

use sha2::{Digest, Sha256};

/// `SplitMix64`: sound for drawing, and four lines long.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(prompt: &str, seed: u64) -> Self {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(prompt).finalize();
        Self(digest.iter().take(8).fold(0, |state, byte| (state << 8) | u64::from(*byte)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, but not including, 1.
    pub(super) fn unit(&mut self) -> f32 {
        // 24 bits are what an f32 holds exactly.
        let bits = u32::try_from(self.next() >> 40).unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "24 bits fit an f32 exactly")]
        let value = bits as f32;
        value / 16_777_216.0
    }

    /// A number between `low` and `high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// An index below `n`, which must not be 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap_or(0)
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }
}
