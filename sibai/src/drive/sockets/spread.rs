//! A hash of a few nanoseconds for maps that are asked for every packet.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Its seed is drawn anew for each map: who can choose keys cannot choose where they fall.
#[derive(Clone, Debug)]
pub(super) struct Spread(u64);

impl Default for Spread {
    fn default() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
}

impl BuildHasher for Spread {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding(self.0)
    }
}

/// Multiplies to 128 bits and folds both halves together, word by word.
#[derive(Debug)]
pub(super) struct Folding(u64);

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        let wide = u128::from(self.0 ^ n).wrapping_mul(u128::from(ODD));
        self.0 = (wide as u64) ^ ((wide >> 64) as u64);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The fraction of the golden ratio: its bits have no pattern that keys could share.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::SocketAddr;

    use super::*;

    /// As a map looks at it: the lowest bits choose the place, the highest seven tell neighbours apart.
    #[test]
    fn neighbours_fall_far_apart() {
        let spread = Spread::default();
        let low = |hashes: Vec<u64>| hashes.iter().map(|hash| hash & 0xfff).collect::<HashSet<_>>().len();
        let high = |hashes: Vec<u64>| hashes.iter().map(|hash| hash >> 57).collect::<HashSet<_>>().len();
        let legs: Vec<u64> = (0..4096_u64).map(|n| spread.hash_one(base::LegId::placed(n))).collect();
        let ports: Vec<u64> = (0..4096_u16)
            .map(|port| spread.hash_one(SocketAddr::from(([192, 0, 2, 1], 10_000 + port))))
            .collect();
        for hashes in [legs, ports] {
            // By chance it would be 63 % of the places.
            assert!(low(hashes.clone()) > 4096 * 55 / 100, "{}", low(hashes));
            assert_eq!(high(hashes), 128);
        }
    }
}
