//! Digits on the wire: RFC 4733 events in and out, SIP INFO bodies, tones in the audio.

pub mod band;
pub mod info;
mod keys;
mod receive;
mod send;
pub mod tones;

pub use keys::{Keys, Way};
pub use receive::Receiver;
pub use send::{Sender, Step};

/// The four bytes of a telephone-event payload (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Event code.
    pub event: u8,
    /// The key was let go.
    pub end: bool,
    /// Level in -dBm0, 0-63.
    pub volume: u8,
    /// Since the event's timestamp, in samples.
    pub duration: u16,
}

impl Payload {
    /// Reads one; `None` when it is too short. Further events in one packet are not ours to hear.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let &[event, flags, high, low] = bytes.first_chunk::<4>()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(Self { event, end: flags & END != 0, volume: flags & VOLUME, duration })
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, self.volume & VOLUME | if self.end { END } else { 0 }, high, low]
    }
}

const END: u8 = 0x80;
const VOLUME: u8 = 0x3f;
