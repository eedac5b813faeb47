//! What each stream of packets says of itself, and what became of it on the way.

/// A packet: RTP of G.711 whose payload tells the stream, its number in it, and when it was sent.
pub const PACKET: usize = 172;

/// What a payload tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose it is.
    pub stream: u32,
    /// Which of its packets.
    pub number: u32,
    /// Nanoseconds since the start.
    pub stamp: u64,
}

/// What came of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Different packets that came.
    pub received: u64,
    /// Packets that came twice.
    pub doubled: u64,
    first: u32,
    highest: u32,
    /// Bit n: `highest - n` came.
    recent: u64,
}

impl Mark {
    /// The packet that says so.
    pub fn write(self, packet: &mut [u8; PACKET]) {
        let ssrc = self.stream.wrapping_mul(0x9e37_79b9);
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[2..4].copy_from_slice(&(self.number as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&self.number.wrapping_mul(160).to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet[12..16].copy_from_slice(MAGIC);
        packet[16..20].copy_from_slice(&self.stream.to_be_bytes());
        packet[20..24].copy_from_slice(&self.number.to_be_bytes());
        packet[24..32].copy_from_slice(&self.stamp.to_be_bytes());
        packet[32..].fill(0xd5);
    }

    /// What a packet says; `None` for one that is not ours: a prompt, ringback, silence, a report.
    pub fn read(packet: &[u8]) -> Option<Self> {
        let payload = packet.get(12..PACKET)?.strip_prefix(MAGIC)?;
        let (stream, rest) = payload.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (stamp, _) = rest.split_first_chunk()?;
        Some(Self {
            stream: u32::from_be_bytes(*stream),
            number: u32::from_be_bytes(*number),
            stamp: u64::from_be_bytes(*stamp),
        })
    }
}

impl Tally {
    /// A packet of the stream came.
    pub fn take(&mut self, number: u32) {
        if self.received == 0 {
            (self.first, self.highest, self.recent, self.received) = (number, number, 1, 1);
            return;
        }
        let behind = i64::from(self.highest) - i64::from(number);
        if behind < 0 {
            let ahead = behind.unsigned_abs();
            self.recent = if ahead < 64 { self.recent << ahead } else { 0 } | 1;
            self.highest = number;
            self.received += 1;
        } else if behind < 64 && self.recent & (1 << behind) == 0 {
            self.recent |= 1 << behind;
            self.received += 1;
        } else {
            self.doubled += 1;
        }
    }

    /// How many were to come from the first that came on, when `sent` were sent in all, of which the last few may have
    /// met the end of the call.
    pub fn expected(&self, sent: u32) -> u64 {
        if self.received == 0 {
            return 0;
        }
        let last = self.highest.max(sent.saturating_sub(LAST_WORDS));
        u64::from(last.saturating_sub(self.first)) + 1
    }
}

const MAGIC: &[u8] = b"LOAD";

/// Half a second: what is sent while a BYE is on its way.
const LAST_WORDS: u32 = 25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_says_what_was_written() {
        let mark = Mark { stream: 7, number: 70_000, stamp: 1 << 40 };
        let mut packet = [0; PACKET];
        mark.write(&mut packet);
        assert_eq!(Mark::read(&packet), Some(mark));
        packet[12] = 0;
        assert_eq!(Mark::read(&packet), None);
        assert_eq!(Mark::read(&packet[..20]), None);
    }

    #[test]
    fn loss_doubles_and_order_are_told_apart() {
        let mut tally = Tally::default();
        for number in [100, 101, 103, 102, 103, 106, 300] {
            tally.take(number);
        }
        assert_eq!((tally.received, tally.doubled), (6, 1));
        assert_eq!(tally.expected(301), 201);
        // The last half second may have met the end of the call, the rest not.
        assert_eq!(tally.expected(400), 276);
        assert_eq!(Tally::default().expected(50), 0);
    }
}
