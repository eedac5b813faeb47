//! What legs may agree on, by whom they are with.

use std::collections::BTreeMap;

use base::Name;
use codecs::Coding;
use media::dtls::Fingerprint;
use media::sdp::{Protection, Web};
use pbx::seam::Target;
use sip::seam::Peer;

/// What legs may agree on, by whom they are with.
#[derive(Clone, Debug, Default)]
pub struct MediaTerms {
    /// Codecs in the order in which they are offered.
    pub codecs: Vec<Coding>,
    /// SRTP with seats.
    pub seats: Protection,
    /// SRTP with each trunk; who is not named speaks plain RTP.
    pub trunks: BTreeMap<Name, Protection>,
    /// Our certificate for DTLS; `None`: nobody speaks it with us.
    pub certificate: Option<Fingerprint>,
}

impl MediaTerms {
    /// SRTP with somebody who calls.
    pub(super) fn with_peer(&self, peer: &Peer) -> Protection {
        match peer {
            Peer::User(_) => self.seats,
            Peer::Trunk(trunk) => self.with_trunk(trunk),
        }
    }

    /// SRTP with somebody whom we call.
    pub(super) fn with_target(&self, target: &Target) -> Protection {
        match target {
            Target::Contact { .. } => self.seats,
            Target::Outside { trunk, .. } => self.with_trunk(trunk),
        }
    }

    /// What a leg may say of DTLS; `browser`: it speaks nothing else.
    pub(super) fn web(&self, protection: Protection, browser: bool) -> Option<Web> {
        let fingerprint = self.certificate.filter(|_| protection != Protection::Off)?;
        Some(Web { fingerprint, offered: browser })
    }

    fn with_trunk(&self, trunk: &Name) -> Protection {
        self.trunks.get(trunk).copied().unwrap_or(Protection::Off)
    }
}
