//! What all tests share: how much is enough.

use shared::config::Env;

/// How many times something is tried: `short` in the script that everybody runs, `long` where `AIG_LONG=1` asks for certainty.
pub fn scale<T>(short: T, long: T) -> T {
    if Env::process().get("AIG_LONG") == Some("1") { long } else { short }
}

/// The seed that `AIG_SEED` names, to see again what was found, or a new one.
pub fn seed() -> u64 {
    named_seed().unwrap_or_else(|| u64::from_le_bytes(shared::id::random()) >> 16)
}

/// The seed that `AIG_SEED` names.
pub fn named_seed() -> Option<u64> {
    Env::process().get("AIG_SEED")?.parse().ok()
}

/// Chance that follows from a seed (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// What follows from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `least` to `most`, both possible.
    pub const fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// True so often of a thousand times.
    pub const fn happens(&mut self, of_a_thousand: u64) -> bool {
        self.next() % 1000 < of_a_thousand
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.next() % of.len() as u64).unwrap_or(0)]
    }
}
