//! What legs may agree on, by whom they are with.

use std::collections::BTreeMap;

use base::Name;
use codecs::Coding;
use media::sdp::Protection;
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

    fn with_trunk(&self, trunk: &Name) -> Protection {
        self.trunks.get(trunk).copied().unwrap_or(Protection::Off)
    }
}
