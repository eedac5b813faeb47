//! What legs may agree on, by whom they are with.

use std::collections::BTreeMap;

use base::Name;
use codecs::Coding;
use ivr::line::{Reach, Srtp};
use media::dtls::Fingerprint;
use media::sdp::{Protection, Web};
use pbx::Plan;
use pbx::seam::Target;
use sip::seam::Peer;

/// What legs may agree on, by whom they are with.
#[derive(Clone, Debug, Default)]
pub struct MediaTerms {
    /// Codecs in the order in which they are offered.
    pub codecs: Vec<Coding>,
    /// SRTP with seats that do not say it themselves.
    pub seats: Protection,
    /// SRTP with the users whose seats do; follows the plan.
    pub users: BTreeMap<Name, Protection>,
    /// SRTP with each trunk; who is not named speaks plain RTP.
    pub trunks: BTreeMap<Name, Protection>,
    /// Our certificate for DTLS; `None`: nobody speaks it with us.
    pub certificate: Option<Fingerprint>,
}

impl MediaTerms {
    /// What the seats of a plan say.
    pub(super) fn follow(&mut self, plan: &Plan) {
        let seats = plan.lines.values().flat_map(|line| line.seats.values());
        let users = seats.filter_map(|seat| match (&seat.reach, seat.srtp?) {
            (Reach::Ext(ext), Srtp::Off) => Some((ext.clone(), Protection::Off)),
            (Reach::Ext(ext), Srtp::Prefer) => Some((ext.clone(), Protection::Prefer)),
            (Reach::Ext(ext), Srtp::Require) => Some((ext.clone(), Protection::Require)),
            // A trunk leads there.
            (Reach::Phone { .. }, _) => None,
        });
        self.users = users.collect();
    }

    /// SRTP with somebody who calls.
    pub(super) fn with_peer(&self, peer: &Peer) -> Protection {
        match peer {
            Peer::User(user) => self.with_user(user),
            Peer::Trunk(trunk) => self.with_trunk(trunk),
        }
    }

    /// SRTP with somebody whom we call.
    pub(super) fn with_target(&self, target: &Target) -> Protection {
        match target {
            Target::Contact { ext, .. } => self.with_user(ext),
            Target::Outside { trunk, .. } => self.with_trunk(trunk),
        }
    }

    /// What a leg may say of DTLS; `browser`: it speaks nothing else.
    pub(super) fn web(&self, protection: Protection, browser: bool) -> Option<Web> {
        let fingerprint = self.certificate.filter(|_| protection != Protection::Off)?;
        Some(Web { fingerprint, offered: browser })
    }

    fn with_user(&self, user: &Name) -> Protection {
        self.users.get(user).copied().unwrap_or(self.seats)
    }

    fn with_trunk(&self, trunk: &Name) -> Protection {
        self.trunks.get(trunk).copied().unwrap_or(Protection::Off)
    }
}
