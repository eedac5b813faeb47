//! One direction's master key, and the session keys that come from it (RFC 3711 §4.3).

use std::fmt;

use aes::cipher::{KeyIvInit, StreamCipher};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::suite::Suite;
use super::{MOST_PACKETS, SrtpFault};

/// One direction's master key and salt. It is wiped when dropped and never printed.
#[derive(Clone)]
pub struct Keying {
    suite: Suite,
    /// Key, then salt, then zeros.
    bytes: [u8; Self::LONGEST],
    lifetime: u64,
}

impl Keying {
    /// Key and salt of the longest suite.
    pub const LONGEST: usize = 44;

    /// Of the suite's key followed by its salt, as SDES carries them (RFC 4568 §6.1); `None` when they are
    /// longer or shorter than the suite's. The bytes have to come from a source of true randomness.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        if key_and_salt.len() != suite.key_len() + suite.salt_len() {
            return None;
        }
        let mut bytes = [0; Self::LONGEST];
        bytes.get_mut(..key_and_salt.len())?.copy_from_slice(key_and_salt);
        Some(Self { suite, bytes, lifetime: MOST_PACKETS })
    }

    /// For no more than `packets` RTP packets, and as many of RTCP; `None` when that is none, or more than
    /// RFC 3711 §9.2 lets any key protect (2^48).
    #[must_use]
    pub fn lasting(mut self, packets: u64) -> Option<Self> {
        if !(1..=MOST_PACKETS).contains(&packets) {
            return None;
        }
        self.lifetime = packets;
        Some(self)
    }

    /// Its suite.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The packets it may protect.
    pub const fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// Key and salt: for `a=crypto`, and for nothing else.
    pub fn key_and_salt(&self) -> &[u8] {
        self.bytes.get(..self.suite.key_len() + self.suite.salt_len()).unwrap_or_default()
    }

    /// Fills `out` with the session key of `label`. The key derivation rate is zero: each is derived once.
    pub(super) fn derive(&self, label: u8, out: &mut [u8]) -> Result<(), SrtpFault> {
        let (key, salt) =
            self.key_and_salt().split_at_checked(self.suite.key_len()).ok_or(SrtpFault::Form)?;
        // A salt of 96 bits counts as one of 112 with zeros behind it (RFC 7714 §11).
        let mut block = [0; 16];
        block.get_mut(..salt.len()).ok_or(SrtpFault::Form)?.copy_from_slice(salt);
        // The label stands before the 48 bits of the index, which are zero.
        block[7] ^= label;
        out.fill(0);
        if self.suite == Suite::AeadAes256Gcm {
            let stream = ctr::Ctr128BE::<aes::Aes256Enc>::new_from_slices(key, &block);
            stream.map_err(|_| SrtpFault::Form)?.apply_keystream(out);
        } else {
            let stream = ctr::Ctr128BE::<aes::Aes128Enc>::new_from_slices(key, &block);
            stream.map_err(|_| SrtpFault::Form)?.apply_keystream(out);
        }
        Ok(())
    }
}

impl PartialEq for Keying {
    fn eq(&self, other: &Self) -> bool {
        self.suite == other.suite
            && self.lifetime == other.lifetime
            && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl Eq for Keying {}

impl Drop for Keying {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Keying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keying").field("suite", &self.suite).finish_non_exhaustive()
    }
}
