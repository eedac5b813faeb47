//! What one leg may agree on: its codecs, and whether its media is to be protected.

use base::Entropy;
use codecs::Coding;

use super::Web;
use crate::srtp::{Keying, Suite};

/// What one leg may agree on.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The codecs that we speak, the best first (none: A-law, then µ-law).
    pub order: Vec<Coding>,
    /// Whether its media is SRTP.
    pub protection: Protection,
    /// Whether nobody on the way reads our descriptions: else preferring SRTP does not put keys into an offer, where they
    /// would protect nothing and make the request longer than a datagram.
    pub confidential: bool,
    /// The peer is known to refuse SRTP that is offered beside plain RTP.
    pub insists: bool,
    /// What we say of DTLS; `None`: who offers it alone is refused.
    pub web: Option<Web>,
    /// Where our keys come from.
    pub entropy: Entropy,
}

/// Whether a leg's media is SRTP with keys in the description (SDES, RFC 4568).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Plain RTP only; who offers nothing else is refused.
    Off,
    /// SRTP with whoever can: keys are offered beside plain RTP (RFC 8643) where nobody on the way reads them, and taken.
    #[default]
    Prefer,
    /// SRTP or no call.
    Require,
}

impl Terms {
    /// Plain RTP in these codecs: for a description that nobody will ever receive, and for tests.
    pub fn plain(order: Vec<Coding>) -> Self {
        Self {
            order,
            protection: Protection::Off,
            confidential: false,
            insists: false,
            web: None,
            entropy: Entropy::from_number(0),
        }
    }

    /// Whether DTLS may be agreed on.
    pub(super) fn takes_dtls(&self) -> bool {
        self.web.is_some() && self.protection != Protection::Off
    }

    /// A new key of ours.
    pub(super) fn keying(&mut self, suite: Suite) -> Option<Keying> {
        let mut bytes = [0; Keying::LONGEST];
        let bytes = bytes.get_mut(..suite.key_len() + suite.salt_len())?;
        self.entropy.fill(bytes);
        Keying::new(suite, bytes)
    }
}

/// The suites that we speak, the best first. AES-256 costs more and protects nobody better; who wants it offers it
/// alone.
pub(super) const SUITES: [Suite; 4] =
    [Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1Tag80, Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1Tag32];
