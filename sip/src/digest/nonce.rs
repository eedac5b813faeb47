//! Nonces without memory: the time under a stamp that only we can make.

use std::time::Duration;

use base::{Mono, Now, Timestamp};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Makes nonces and tells ours from others'. Plain data: a copy judges as the original.
#[derive(Clone)]
pub struct Mint {
    secret: [u8; 32],
    life: Duration,
}

/// What a nonce is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Ours and young enough.
    Fresh,
    /// Ours, but too old: challenge again with `stale=true`.
    Stale,
    /// Not ours.
    Forged,
}

impl Mint {
    /// A mint whose nonces hold for `life`; the secret is 256 bits of entropy.
    pub const fn new(secret: [u8; 32], life: Duration) -> Self {
        Self { secret, life }
    }

    /// A nonce of this moment for this realm; `salt` tells apart those of one millisecond.
    pub fn nonce(&self, now: Now, realm: &str, salt: u32) -> String {
        let head = format!("{:012x}{salt:08x}", millis(now.wall));
        let stamp = self.stamp(&head, realm);
        head + &stamp
    }

    /// What `nonce` is worth now; takes the same time for every forged stamp.
    pub fn judge(&self, now: Now, realm: &str, nonce: &str) -> Worth {
        let parts = nonce.is_ascii().then(|| nonce.split_at_checked(HEAD)).flatten();
        let Some((head, stamp)) = parts else { return Worth::Forged };
        if !bool::from(self.stamp(head, realm).as_bytes().ct_eq(stamp.as_bytes())) {
            return Worth::Forged;
        }
        if self.is_young(now, head) { Worth::Fresh } else { Worth::Stale }
    }

    /// Whether a nonce, if it is ours, still holds. A step of the wall clock in either direction makes nonces
    /// stale, never forged: phones then ask again.
    pub fn is_young(&self, now: Now, nonce: &str) -> bool {
        let born = nonce.get(..TIME).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        born.is_some_and(|born| u128::from(millis(now.wall).abs_diff(born)) <= self.life.as_millis())
    }

    /// How long a nonce holds.
    pub const fn life(&self) -> Duration {
        self.life
    }

    /// When a nonce that is fresh now is certainly stale.
    pub fn stale_after(&self, now: Now) -> Mono {
        now.mono + self.life
    }

    fn stamp(&self, head: &str, realm: &str) -> String {
        // A key of any length is accepted by HMAC, so that this never falls to the empty stamp.
        let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(&self.secret) else { return String::new() };
        mac.update(b"nonce");
        mac.update(head.as_bytes());
        mac.update(realm.as_bytes());
        let full = mac.finalize().into_bytes();
        hex::encode(full.get(..STAMP_BYTES).unwrap_or_default())
    }
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mint(life {:?})", self.life)
    }
}

fn millis(wall: Timestamp) -> u64 {
    u64::try_from(wall.as_millisecond()).unwrap_or(0) & TIME_MASK
}

/// Hex digits of the time.
const TIME: usize = 12;
/// 48 bits of milliseconds: 8,900 years.
const TIME_MASK: u64 = (1 << 48) - 1;
/// Hex digits of time and salt.
const HEAD: usize = TIME + 8;
/// 96 bits cannot be guessed by asking, and the challenge stays short: it must not be half again as long as the
/// REGISTER of the tersest phone (reliability A11).
const STAMP_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_mins(1);

    fn at(seconds: u64) -> Now {
        let now = Now { mono: Mono::ZERO, wall: Timestamp::from_second(1_800_000_000).unwrap() };
        now.later(Duration::from_secs(seconds))
    }

    #[test]
    fn a_nonce_is_fresh_then_stale_and_a_changed_one_is_forged() {
        let mint = Mint::new([7; 32], LIFE);
        let nonce = mint.nonce(at(0), "sibai", 1);
        assert_eq!(mint.judge(at(60), "sibai", &nonce), Worth::Fresh);
        assert_eq!(mint.judge(at(61), "sibai", &nonce), Worth::Stale);
        assert_eq!(mint.judge(at(0), "other", &nonce), Worth::Forged);
        assert_eq!(Mint::new([8; 32], LIFE).judge(at(0), "sibai", &nonce), Worth::Forged);
        for at_byte in 0..nonce.len() {
            let mut bytes = nonce.clone().into_bytes();
            bytes[at_byte] = if bytes[at_byte] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(mint.judge(at(0), "sibai", &changed), Worth::Forged, "{at_byte}");
        }
        for junk in ["", "x", "é".repeat(30).as_str(), &nonce[1..]] {
            assert_eq!(mint.judge(at(0), "sibai", junk), Worth::Forged);
        }
    }
}
