//! Where a stream is: its packets' full numbers, and which of the latest were here (RFC 3711 §3.3.1, §3.3.2).

use super::SrtpFault;

/// The newest index of a stream and a bit for each of the 128 up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    newest: u64,
    /// Bit n: `newest - n` was here. Zero before the first packet.
    seen: u128,
}

impl Window {
    /// The full index of a packet with this sequence number: the one next to the newest that ends in it
    /// (RFC 3711 appendix A). A stream begins with no rollover behind it, so that there is nothing before 0.
    pub(super) fn index(&self, sequence: u16) -> u64 {
        if self.seen == 0 {
            return u64::from(sequence);
        }
        let (before, rollovers) = (self.newest as u16, self.newest >> 16);
        let rollovers = if before < HALF {
            let earlier = i32::from(sequence) - i32::from(before) > i32::from(HALF);
            rollovers.saturating_sub(u64::from(earlier))
        } else {
            rollovers + u64::from(before - HALF > sequence)
        };
        rollovers << 16 | u64::from(sequence)
    }

    /// Whether a packet of this index may come: not one that was here, nor one too old to tell.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpFault> {
        if self.seen == 0 || index > self.newest {
            return Ok(());
        }
        match self.newest - index {
            age if age >= Self::WIDTH => Err(SrtpFault::Old),
            age if self.seen >> age & 1 != 0 => Err(SrtpFault::Replayed),
            _ => Ok(()),
        }
    }

    /// A packet of this index was here. To be told of packets only that passed [`check`](Self::check) and
    /// are authentic.
    pub(super) fn take(&mut self, index: u64) {
        if self.seen == 0 || index > self.newest {
            let step = if self.seen == 0 { 0 } else { index - self.newest };
            self.seen = if step < Self::WIDTH { self.seen << step | 1 } else { 1 };
            self.newest = index;
        } else if self.newest - index < Self::WIDTH {
            self.seen |= 1 << (self.newest - index);
        }
    }

    /// 128 packets: 2.5 s of audio. RFC 3711 §3.3.2 wants 64 at least.
    pub(super) const WIDTH: u64 = 128;
}

/// Half of the sequence numbers.
const HALF: u16 = 1 << 15;
