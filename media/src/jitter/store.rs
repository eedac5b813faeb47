//! Where packets wait: places by sequence number, their bytes in a ring in the order of arrival.

use super::{LONGEST_PAYLOAD, Packet};

/// A fixed number of places and bytes.
#[derive(Clone, Debug)]
pub(super) struct Store {
    places: [Option<Place>; PLACES as usize],
    bytes: [u8; BYTES],
    /// Bytes ever written: a payload that begins more than `BYTES` before this is overwritten.
    written: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    sequence: i64,
    timestamp: i64,
    ticks: i64,
    payload_type: u8,
    start: u64,
    len: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Waiting,
    Played,
    /// It carried no audio.
    Passed,
}

/// A packet that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) sequence: i64,
    pub(super) timestamp: i64,
    pub(super) ticks: i64,
    pub(super) payload_type: u8,
    /// Packets before it that are not here, and the first of them.
    pub(super) missing: i64,
    pub(super) first_missing: i64,
}

impl Store {
    pub(super) fn new() -> Self {
        Self { places: [None; PLACES as usize], bytes: [0; BYTES], written: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.places = [None; PLACES as usize];
    }

    pub(super) fn has(&self, sequence: i64) -> bool {
        self.place(sequence).is_some()
    }

    pub(super) fn put(&mut self, sequence: i64, timestamp: i64, packet: &Packet) {
        let payload = &packet.payload[..packet.payload.len().min(LONGEST_PAYLOAD)];
        // A payload lies in one piece: where it would not, the end of the ring is left out.
        let at = (self.written % BYTES as u64) as usize;
        if at + payload.len() > BYTES {
            self.written += (BYTES - at) as u64;
        }
        let start = self.written;
        let at = (start % BYTES as u64) as usize;
        self.bytes[at..at + payload.len()].copy_from_slice(payload);
        self.written += payload.len() as u64;
        self.places[index(sequence)] = Some(Place {
            sequence,
            timestamp,
            ticks: i64::from(packet.ticks),
            payload_type: packet.payload_type,
            start,
            len: payload.len(),
            kind: Kind::Waiting,
        });
    }

    pub(super) fn pass(&mut self, sequence: i64, timestamp: i64) {
        self.places[index(sequence)] = Some(Place {
            sequence,
            timestamp,
            ticks: 0,
            payload_type: 0,
            start: 0,
            len: 0,
            kind: Kind::Passed,
        });
    }

    pub(super) fn mark_played(&mut self, sequence: i64) {
        if let Some(place) = self.places[index(sequence)].as_mut().filter(|place| place.sequence == sequence)
        {
            place.kind = Kind::Played;
        }
    }

    /// The first packet that waits, from `next` to `highest`.
    pub(super) fn first(&self, next: i64, highest: i64) -> Option<Entry> {
        let from = next.max(highest - PLACES + 1);
        let mut missing = from - next;
        let mut first_missing = next;
        for sequence in from..=highest {
            match self.place(sequence) {
                Some(place) if place.kind == Kind::Waiting => {
                    let Place { timestamp, ticks, payload_type, .. } = *place;
                    return Some(Entry { sequence, timestamp, ticks, payload_type, missing, first_missing });
                }
                Some(_) => {}
                None => {
                    if missing == 0 {
                        first_missing = sequence;
                    }
                    missing += 1;
                }
            }
        }
        None
    }

    /// How many packets wait.
    pub(super) fn waiting(&self, next: i64, highest: i64) -> u64 {
        let waits = |&sequence: &i64| self.place(sequence).is_some_and(|place| place.kind == Kind::Waiting);
        (next.max(highest - PLACES + 1)..=highest).filter(waits).count() as u64
    }

    /// The bytes of a packet; `None` when they are overwritten.
    pub(super) fn payload(&self, sequence: i64) -> Option<&[u8]> {
        let place = self.place(sequence)?;
        if self.written - place.start > BYTES as u64 {
            return None;
        }
        let at = (place.start % BYTES as u64) as usize;
        self.bytes.get(at..at + place.len)
    }

    fn place(&self, sequence: i64) -> Option<&Place> {
        self.places[index(sequence)].as_ref().filter(|place| place.sequence == sequence)
    }
}

fn index(sequence: i64) -> usize {
    (sequence & (PLACES - 1)) as usize
}

/// 640 ms of 10 ms packets: three times the longest delay. A power of two.
pub(super) const PLACES: i64 = 64;

/// Half a second of G.711 or G.722.
const BYTES: usize = 4096;
