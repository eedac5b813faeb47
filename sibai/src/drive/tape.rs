//! The tape from a media worker to the recorder: tapped packets one behind the other, each as long as it is. Slots of
//! one size would be three times the memory, and all of it would be walked through again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::{Mono, RecordingId};
use codecs::Coding;
use media::{Side, Tapped};

/// The worker's end.
#[derive(Debug)]
pub struct Writer {
    bytes: rtrb::Producer<u8>,
    put: Arc<AtomicU64>,
}

/// The recorder's end.
#[derive(Debug)]
pub struct Reader {
    bytes: rtrb::Consumer<u8>,
    put: Arc<AtomicU64>,
    taken: u64,
}

/// A tape that holds so many packets of 20 ms of G.711.
pub fn tape(packets: usize) -> (Writer, Reader) {
    let (producer, consumer) = rtrb::RingBuffer::new(packets * (HEAD + USUAL));
    let put = Arc::new(AtomicU64::new(0));
    (Writer { bytes: producer, put: Arc::clone(&put) }, Reader { bytes: consumer, put, taken: 0 })
}

impl Writer {
    /// Puts a packet; `false` when there is no room.
    pub fn put(&mut self, packet: &Tapped) -> bool {
        let payload = packet.bytes();
        let mut frame = [0; HEAD + Tapped::LONGEST];
        let (head, body) = frame.split_at_mut(HEAD);
        Head::of(packet).write(head);
        body[..payload.len()].copy_from_slice(payload);
        let done = self.bytes.push_entire_slice(&frame[..HEAD + payload.len()]).is_ok();
        if done {
            // The only one who writes it.
            self.put.store(self.put.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        done
    }
}

impl Reader {
    /// The next packet; `None` while there is none.
    pub fn take(&mut self) -> Option<Tapped> {
        let mut head = [0; HEAD];
        self.bytes.pop_entire_slice(&mut head).ok()?;
        let mut packet = Head::read(&head).packet();
        let len = usize::from(packet.len);
        // A frame is put as a whole: behind its head is the rest of it.
        self.bytes.pop_entire_slice(&mut packet.payload[..len]).ok()?;
        self.taken += 1;
        Some(packet)
    }

    /// How many packets wait.
    pub fn waiting(&self) -> usize {
        self.put.load(Ordering::Relaxed).saturating_sub(self.taken) as usize
    }
}

/// Everything but the payload.
struct Head {
    recording: RecordingId,
    arrived: Mono,
    timestamp: u32,
    ssrc: u32,
    sequence: u16,
    len: u16,
    side: Side,
    coding: Coding,
}

impl Head {
    fn of(packet: &Tapped) -> Self {
        let &Tapped { recording, side, arrived, sequence, timestamp, ssrc, coding, .. } = packet;
        let len = packet.bytes().len() as u16;
        Self { recording, arrived, timestamp, ssrc, sequence, len, side, coding }
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes[..16].copy_from_slice(&self.recording.as_u128().to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.arrived.as_nanos().to_ne_bytes());
        bytes[24..28].copy_from_slice(&self.timestamp.to_ne_bytes());
        bytes[28..32].copy_from_slice(&self.ssrc.to_ne_bytes());
        bytes[32..34].copy_from_slice(&self.sequence.to_ne_bytes());
        bytes[34..36].copy_from_slice(&self.len.to_ne_bytes());
        bytes[36] = u8::from(self.side == Side::Seat);
        bytes[37] = Coding::ALL.iter().position(|coding| *coding == self.coding).unwrap_or(0) as u8;
    }

    fn read(bytes: &[u8; HEAD]) -> Self {
        Self {
            recording: RecordingId::from_u128(u128::from_ne_bytes(part(bytes, 0))),
            arrived: Mono::from_nanos(u64::from_ne_bytes(part(bytes, 16))),
            timestamp: u32::from_ne_bytes(part(bytes, 24)),
            ssrc: u32::from_ne_bytes(part(bytes, 28)),
            sequence: u16::from_ne_bytes(part(bytes, 32)),
            len: u16::from_ne_bytes(part(bytes, 34)).min(Tapped::LONGEST as u16),
            side: if bytes[36] == 1 { Side::Seat } else { Side::Caller },
            coding: Coding::ALL.get(usize::from(bytes[37])).copied().unwrap_or(Coding::Pcma),
        }
    }

    fn packet(&self) -> Tapped {
        let &Self { recording, arrived, timestamp, ssrc, sequence, len, side, coding } = self;
        let payload = [0; Tapped::LONGEST];
        Tapped { recording, side, arrived, sequence, timestamp, ssrc, coding, len, payload }
    }
}

fn part<const N: usize>(bytes: &[u8; HEAD], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

const HEAD: usize = 38;

/// The payload of a packet of 20 ms of G.711.
const USUAL: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(n: u64, len: u16, coding: Coding) -> Tapped {
        let mut payload = [0; Tapped::LONGEST];
        payload[..usize::from(len)].fill(n as u8);
        Tapped {
            recording: RecordingId::from_u128(u128::from(n) << 70),
            side: if n % 2 == 1 { Side::Seat } else { Side::Caller },
            arrived: Mono::from_nanos(n * 1_000_000_007),
            sequence: n as u16,
            timestamp: n as u32 * 160,
            ssrc: !(n as u32),
            coding,
            len,
            payload,
        }
    }

    fn same(one: &Tapped, other: &Tapped) -> bool {
        (one.recording, one.side, one.arrived, one.sequence, one.timestamp, one.ssrc)
            == (other.recording, other.side, other.arrived, other.sequence, other.timestamp, other.ssrc)
            && (one.coding, one.bytes()) == (other.coding, other.bytes())
    }

    #[test]
    fn packets_of_all_lengths_come_back_as_they_were_also_across_the_seam() {
        let (mut writer, mut reader) = tape(7);
        for n in 0..2_000 {
            let sent = packet(n, (n * 37 % 481) as u16, Coding::ALL[n as usize % Coding::ALL.len()]);
            assert!(writer.put(&sent));
            assert_eq!(reader.waiting(), 1);
            assert!(same(&reader.take().unwrap(), &sent), "{n}");
            assert!(reader.take().is_none() && reader.waiting() == 0);
        }
    }

    #[test]
    fn what_finds_no_room_changes_nothing() {
        let (mut writer, mut reader) = tape(4);
        let taken = (0..10).filter(|n| writer.put(&packet(*n, 160, Coding::Pcma))).count();
        assert_eq!((taken, reader.waiting()), (4, 4));
        for n in 0..4 {
            assert!(same(&reader.take().unwrap(), &packet(n, 160, Coding::Pcma)));
        }
        assert!(reader.take().is_none());
        assert!(writer.put(&packet(5, 480, Coding::Pcma)));
        assert_eq!(reader.take().unwrap().bytes().len(), 480);
    }
}
