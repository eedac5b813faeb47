//! Who may speak to a leg before there are keys: checks of ICE, and records of a handshake from who passed them.

use std::net::SocketAddr;

use base::{LegId, Now};

use super::Engine;
use super::channel::{Agreed, Channel};
use crate::ice::Lite;
use crate::seam::{Event, Keys, Port, Security, Sink, Stream};

/// What a datagram is, by its first byte (RFC 7983 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Check,
    Handshake,
    /// RTP and RTCP, or nothing that we know: reading it will show.
    Media,
}

impl Kind {
    pub(super) fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(0..=3) => Self::Check,
            Some(20..=63) => Self::Handshake,
            _ => Self::Media,
        }
    }
}

/// Whether what was agreed on anew goes on under the same handshake.
pub(super) fn continues(before: &Stream, now: &Stream) -> bool {
    match (&before.security, &now.security) {
        (Security::Dtls(before), Security::Dtls(now)) => now.continues(before),
        _ => false,
    }
}

/// The agent for an agreement: the one before, under the names that are told now.
pub(super) fn agent(before: Option<Box<Lite>>, stream: &Stream) -> Option<Box<Lite>> {
    let Security::Dtls(dtls) = &stream.security else { return None };
    let ice = dtls.ice.as_ref()?;
    let mut agent = before.unwrap_or_else(|| Box::new(Lite::new(ice.ours.clone())));
    agent.renew(&ice.ours);
    agent.know(&ice.theirs.fragment);
    Some(agent)
}

impl Channel {
    /// Whether media may come from there at all. Where there is no ICE the latch says.
    pub(super) fn admits(&self, source: SocketAddr) -> bool {
        let ice = self.agreed.as_ref().and_then(|agreed| agreed.ice.as_ref());
        ice.is_none_or(|ice| ice.has_proved(source))
    }

    /// A check of the peer's: who proves the password may speak, whom it names is spoken to.
    pub(super) fn check(&mut self, now: Now, source: SocketAddr, bytes: &[u8], out: &mut impl Sink) {
        let ice = self.agreed.as_mut().and_then(|agreed| agreed.ice.as_mut());
        let Some(answer) = ice.and_then(|ice| ice.receive(source, bytes)) else {
            self.dropped += 1;
            return;
        };
        out.send(self.leg, Port::Rtp, source, &answer.bytes);
        if answer.moved {
            out.tell(Event::Latched { leg: self.leg, source });
            self.schedule(now.mono);
        }
    }

    /// A record of a handshake.
    pub(super) fn shake(&mut self, source: SocketAddr, record: &[u8], out: &mut impl Sink) {
        if self.agreed.as_ref().is_some_and(|agreed| agreed.shakes_with(source)) {
            out.handshake(self.leg, source, record);
        } else {
            self.dropped += 1;
        }
    }

    /// The keys that a handshake made; `false` when none is agreed on.
    pub(super) fn unlock(&mut self, now: Now, keys: &Keys) -> bool {
        let wanted =
            self.agreed.as_ref().is_some_and(|agreed| matches!(agreed.stream.security, Security::Dtls(_)));
        if wanted {
            self.guard = std::mem::take(&mut self.guard).keyed(keys);
            self.schedule(now.mono);
        }
        wanted
    }
}

impl Agreed {
    fn shakes_with(&self, source: SocketAddr) -> bool {
        match (&self.stream.security, &self.ice) {
            (Security::Dtls(_), Some(ice)) => ice.has_proved(source),
            (Security::Dtls(_), None) => self.latch.hears_handshake(source),
            _ => false,
        }
    }
}

impl Engine {
    /// Where a handshake that we begin is to go; `None` while nobody knows where the peer is.
    pub fn peer(&self, leg: LegId) -> Option<SocketAddr> {
        let agreed = self.channels.get(&leg)?.agreed.as_ref()?;
        match &agreed.ice {
            Some(ice) => ice.destination(),
            None => agreed.latch.destination(),
        }
    }
}
