//! What stands between a leg and the network: nothing, or SRTP under the keys that were agreed on.

use std::net::SocketAddr;

use base::LegId;

use crate::rtp::LONGEST;
use crate::seam::{Keys, Port, Security, Sink};
use crate::srtp::{Opener, Sealer, Suite};

/// One leg's guard.
#[derive(Clone, Debug, Default)]
pub(super) enum Guard {
    /// Packets are plain.
    #[default]
    None,
    /// Both ways sealed. Boxed: most legs have none.
    Srtp(Box<Locks>),
    /// Nothing passes: the handshake has not made the keys yet.
    Shut,
}

/// A leg's two contexts. Their counters must live as long as their keys.
#[derive(Clone, Debug)]
pub(super) struct Locks {
    sealer: Sealer,
    opener: Opener,
}

impl Guard {
    /// The guard for what was agreed on; `continues`: under the handshake that was agreed on before.
    pub(super) fn agree(self, security: &Security, continues: bool) -> Self {
        match security {
            Security::Plain => Self::None,
            Security::Srtp(keys) => self.keyed(keys),
            Security::Dtls(_) if continues => self,
            Security::Dtls(_) => Self::Shut,
        }
    }

    /// The guard under these keys: the same one, when they are the same. One key may change alone.
    pub(super) fn keyed(self, keys: &Keys) -> Self {
        let (sealer, opener) = match self {
            Self::Srtp(locks) => (Some(locks.sealer), Some(locks.opener)),
            Self::None | Self::Shut => (None, None),
        };
        let sealer = sealer.filter(|sealer| *sealer.keying() == keys.ours);
        let opener = opener.filter(|opener| *opener.keying() == keys.theirs);
        let sealer = sealer.map_or_else(|| Sealer::new(keys.ours.clone()), Ok);
        let opener = opener.map_or_else(|| Opener::new(keys.theirs.clone()), Ok);
        match (sealer, opener) {
            (Ok(sealer), Ok(opener)) => Self::Srtp(Box::new(Locks { sealer, opener })),
            _ => Self::Shut,
        }
    }

    /// Whether who gets a packet past it has proved to be the peer.
    pub(super) const fn proves(&self) -> bool {
        matches!(self, Self::Srtp(_))
    }

    /// Whether nothing passes yet.
    pub(super) const fn is_shut(&self) -> bool {
        matches!(self, Self::Shut)
    }

    /// Opens an RTP packet in place; `None`: it is not the peer's.
    pub(super) fn open(&mut self, packet: &mut [u8]) -> Option<usize> {
        match self {
            Self::None => Some(packet.len()),
            Self::Srtp(locks) => locks.opener.unprotect(packet).ok(),
            Self::Shut => None,
        }
    }

    /// Opens an RTCP packet in place.
    pub(super) fn open_rtcp(&mut self, packet: &mut [u8]) -> Option<usize> {
        match self {
            Self::None => Some(packet.len()),
            Self::Srtp(locks) => locks.opener.unprotect_rtcp(packet).ok(),
            Self::Shut => None,
        }
    }

    /// Sends an RTP packet, sealed where it must be; `false` when it must not go out.
    pub(super) fn send(
        &mut self,
        leg: LegId,
        port: Port,
        to: SocketAddr,
        packet: &[u8],
        out: &mut impl Sink,
    ) -> bool {
        let sealed = match self {
            Self::None => {
                out.send(leg, port, to, packet);
                return true;
            }
            Self::Srtp(locks) => in_a_copy(packet, |room, len| locks.sealer.protect(room, len).ok()),
            Self::Shut => None,
        };
        sealed.as_ref().inspect(|(room, len)| out.send(leg, port, to, &room[..*len])).is_some()
    }

    /// Sends an RTCP packet, sealed where it must be.
    pub(super) fn send_rtcp(
        &mut self,
        leg: LegId,
        port: Port,
        to: SocketAddr,
        packet: &[u8],
        out: &mut impl Sink,
    ) {
        let sealed = match self {
            Self::None => return out.send(leg, port, to, packet),
            Self::Srtp(locks) => in_a_copy(packet, |room, len| locks.sealer.protect_rtcp(room, len).ok()),
            Self::Shut => None,
        };
        if let Some((room, len)) = sealed {
            out.send(leg, port, to, &room[..len]);
        }
    }
}

/// A seal needs room behind the packet, which the packet's own place has not.
fn in_a_copy(
    packet: &[u8],
    seal: impl FnOnce(&mut [u8], usize) -> Option<usize>,
) -> Option<([u8; LONGEST_SEALED], usize)> {
    let mut room = [0; LONGEST_SEALED];
    room.get_mut(..packet.len())?.copy_from_slice(packet);
    let len = seal(&mut room, packet.len())?;
    Some((room, len))
}

const LONGEST_SEALED: usize = LONGEST + Suite::MOST_OVERHEAD;
