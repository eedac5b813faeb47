//! Seeded entropy: the driver seeds it once from the system, a test from its seed.

use std::fmt;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

/// A cryptographically strong generator that is plain data: a clone yields the same stream.
#[derive(Clone)]
pub struct Entropy(ChaCha12Rng);

impl Entropy {
    /// From 256 bits of the system's entropy.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// From a small number, for tests and simulation only.
    pub fn from_number(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound` (0 when `bound` is 0); the bias of 2⁻⁶⁴·bound is of no account here.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// `bytes` random bytes as lower-case hex: tags, branches, Call-IDs.
    pub fn token(&mut self, bytes: usize) -> String {
        let digit = |half: u32| char::from_digit(half & 0xf, 16).unwrap_or('0');
        let mut text = String::with_capacity(bytes * 2);
        for _ in 0..bytes {
            let byte = self.0.next_u32();
            text.push(digit(byte >> 4));
            text.push(digit(byte));
        }
        text
    }

    /// A generator of its own, for a part that must not share this stream.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        Self::from_seed(seed)
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}
