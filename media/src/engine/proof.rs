//! Who may speak to a leg, and where its peer is: checks of ICE, records of a handshake from who passed them, packets.

use std::net::SocketAddr;

use base::{LegId, Mono, Now};

use super::Engine;
use super::channel::{Agreed, Channel, Taken};
use super::latch::Verdict;
use crate::ice::Lite;
use crate::rtp::{self, Header};
use crate::seam::{Direction, Event, Keys, Port, Security, Sink, Stream};

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

    /// A datagram that reached a port of the leg; gives the RTP that others are to have.
    pub(super) fn take(
        &mut self,
        now: Now,
        port: Port,
        source: SocketAddr,
        kind: Kind,
        bytes: &mut [u8],
        out: &mut impl Sink,
    ) -> Option<Taken> {
        match kind {
            // Checks and handshakes are for the one port that all shares (RFC 8834 section 4.5).
            Kind::Check | Kind::Handshake if port == Port::Rtcp => return self.drop(),
            Kind::Check => self.check(now, source, bytes, out),
            Kind::Handshake => self.shake(source, bytes, out),
            Kind::Media if port == Port::Rtcp || rtp::is_rtcp(bytes) => {
                self.receive_rtcp(now, port, source, bytes);
            }
            Kind::Media => return self.receive(now, source, bytes, out),
        }
        None
    }

    /// A check of the peer's: who proves the password may speak, whom it names is spoken to.
    fn check(&mut self, now: Now, source: SocketAddr, bytes: &[u8], out: &mut impl Sink) {
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
    fn shake(&mut self, source: SocketAddr, record: &[u8], out: &mut impl Sink) {
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
    /// Whose an RTP packet is. Of a peer with ICE nothing else came this far.
    pub(super) fn judge(
        &mut self,
        now: Mono,
        source: SocketAddr,
        packet: Header,
        proved: bool,
        known: bool,
    ) -> Verdict {
        match &self.ice {
            Some(_) => Verdict::Known,
            None if proved => self.latch.follow(now, source, packet),
            None => self.latch.judge(now, source, packet, known),
        }
    }

    /// Where to send audio, if the peer listens.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        let stream = &self.stream;
        let listens = matches!(stream.direction, Direction::Both | Direction::SendOnly);
        match &self.ice {
            _ if !listens => None,
            Some(ice) => ice.destination(),
            None if stream.remote_rtp.port() == 0 || stream.remote_rtp.ip().is_unspecified() => None,
            None => self.latch.destination(),
        }
    }

    /// Where to send reports. An address of zeros wants none (RFC 3264 §8.4).
    pub(super) fn rtcp_destination(&self) -> Option<SocketAddr> {
        match &self.ice {
            Some(ice) => ice.destination(),
            None if self.stream.remote_rtp.ip().is_unspecified() => None,
            None => self.latch.rtcp_destination(),
        }
    }

    fn shakes_with(&self, source: SocketAddr) -> bool {
        match (&self.stream.security, &self.ice) {
            (Security::Dtls(_), Some(ice)) => ice.has_proved(source),
            (Security::Dtls(_), None) => self.latch.hears_handshake(source),
            _ => false,
        }
    }
}

impl Engine {
    /// Whether this source has proved to be the leg's peer by a check of ICE.
    pub fn has_proved(&self, leg: LegId, source: SocketAddr) -> bool {
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        let agreed = self.channels.get(&leg).and_then(|channel| channel.agreed.as_ref());
        agreed.and_then(|agreed| agreed.ice.as_ref()).is_some_and(|ice| ice.has_proved(source))
    }

    /// Where a handshake that we begin is to go; `None` while nobody knows where the peer is.
    pub fn peer(&self, leg: LegId) -> Option<SocketAddr> {
        let agreed = self.channels.get(&leg)?.agreed.as_ref()?;
        match &agreed.ice {
            Some(ice) => ice.destination(),
            None => agreed.latch.destination(),
        }
    }
}
