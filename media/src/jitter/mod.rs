//! The jitter buffer: packets in as they come, audio out in the sender's order and time.
//!
//! It keeps payloads, not audio. It is pulled: whoever consumes audio takes whenever it has none left,
//! appends what it is given (decoded, made up, or silent, for exactly the ticks that are said), and so
//! every sample lands where the sender's clock put it. The delay follows the measured jitter; it is
//! corrected in pauses without being heard, and in speech by asking for a frame that is a little shorter
//! or longer, which is also how a clock that runs at another speed is followed.

mod delay;
mod store;
#[cfg(test)]
mod tests;

use base::Mono;

use delay::Delay;
use store::{Entry, Store};

/// One stream's jitter buffer. Plain data of a fixed size; nothing is allocated.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Ticks of the RTP clock in a second.
    clock: u32,
    store: Store,
    delay: Delay,
    stream: Option<Stream>,
    counters: Counters,
}

/// A packet of audio or comfort noise, out of its RTP header.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Synchronisation source: another one starts anew.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Payload type, handed out again with the payload.
    pub payload_type: u8,
    /// How long it lasts, in ticks of the RTP clock; comfort noise stands for none.
    pub ticks: u32,
    /// Its payload, at most `LONGEST_PAYLOAD` bytes.
    pub payload: &'a [u8],
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take<'a> {
    /// A packet, in its place.
    Audio(Audio<'a>),
    /// A packet is missing: make up `ticks`. The packet after it is here already, perhaps.
    Lost {
        /// How much to make up.
        ticks: u32,
        /// The payload that follows the missing one.
        next: Option<&'a [u8]>,
    },
    /// Nothing to hear: silence or comfort noise for `ticks`, then take again.
    Wait {
        /// How long.
        ticks: u32,
    },
}

/// A packet that is to be played now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audio<'a> {
    /// Its payload.
    pub payload: &'a [u8],
    /// Its payload type.
    pub payload_type: u8,
    /// Its timestamp.
    pub timestamp: u32,
    /// How long it lasts.
    pub ticks: u32,
    /// Whether to make it last less or more, by some milliseconds, so that the delay comes right.
    pub pace: Pace,
}

/// How a frame is to be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pace {
    /// As it is.
    #[default]
    Steady,
    /// Shorter by a pitch period: there is more delay than is needed.
    Faster,
    /// Longer by a pitch period: the delay is too short for the jitter.
    Slower,
}

/// What has happened to packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets taken in, doubled and late ones too.
    pub received: u64,
    /// Came when their time had passed.
    pub late: u64,
    /// Came again.
    pub duplicate: u64,
    /// Had to be made up: lost, or late.
    pub lost: u64,
    /// Thrown away because far too much was waiting, or their stream was over.
    pub dropped: u64,
    /// Times that nothing was there when something should have been.
    pub underruns: u64,
    /// Streams begun: the first, other sources, jumps of sequence or time.
    pub starts: u64,
}

/// A stream that is being received. Sequence numbers and timestamps are unwrapped.
#[derive(Clone, Debug)]
struct Stream {
    ssrc: u32,
    /// The newest packet's.
    highest: i64,
    highest_timestamp: i64,
    /// Length of the newest packet of audio.
    frame: i64,
    /// Of the next packet to be played.
    next: i64,
    /// The timestamp that is played next.
    cursor: i64,
    state: State,
    /// Frames since the pace was last not steady.
    steady: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first packets are here, and their time has not come.
    Filling,
    Playing,
    /// Nothing was there; so many ticks have been made up since.
    Dry(i64),
}

impl Buffer {
    /// A buffer for a clock of so many ticks a second: 8000, or 48000 for Opus.
    pub fn new(clock: u32) -> Self {
        let clock = clock.max(1000);
        let delay = Delay::new(clock);
        Self { clock, store: Store::new(), delay, stream: None, counters: Counters::default() }
    }

    /// Takes in a packet that belongs to the stream (see `Reception::admit` for what does).
    pub fn put(&mut self, now: Mono, packet: &Packet) {
        self.counters.received += 1;
        let arrived = self.ticks_at(now);
        let Some((sequence, timestamp)) = self.place(packet, arrived) else {
            self.start(packet, arrived);
            return;
        };
        let silent_after = i64::from(self.clock / 100) * MADE_UP_TENS;
        let Some(stream) = &mut self.stream else { return };
        if self.store.has(sequence) {
            self.counters.duplicate += 1;
            return;
        }
        // After a reset of the count nothing older than what is stored may come in under its number.
        if sequence <= stream.highest - store::PLACES {
            self.counters.late += 1;
            return;
        }
        self.delay.measure(arrived, timestamp);
        if sequence > stream.highest {
            stream.highest = sequence;
            stream.highest_timestamp = timestamp;
            if packet.ticks > 0 {
                stream.frame = i64::from(packet.ticks);
            }
        }
        match stream.state {
            State::Filling if sequence < stream.next => {
                stream.next = sequence;
                stream.cursor = stream.cursor.min(timestamp);
            }
            // It was silent: audio that is behind its time is only a little more delay.
            State::Dry(made) if made >= silent_after && sequence >= stream.next => {
                stream.cursor = stream.cursor.min(timestamp);
            }
            _ if sequence < stream.next || timestamp + i64::from(packet.ticks.max(1)) <= stream.cursor => {
                self.counters.late += 1;
                return;
            }
            _ => {}
        }
        self.store.put(sequence, timestamp, packet);
    }

    /// A sequence number of the stream that carried no audio (a key, say): its place is no loss.
    pub fn pass(&mut self, ssrc: u32, sequence: u16) {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == ssrc) else { return };
        let sequence = unwrapped(stream.highest, sequence);
        if sequence < stream.next || self.store.has(sequence) || sequence > stream.highest + MOST_SKIPPED {
            return;
        }
        stream.highest = stream.highest.max(sequence);
        self.store.pass(sequence, stream.highest_timestamp);
    }

    /// What is to be heard next.
    pub fn take(&mut self, now: Mono) -> Take<'_> {
        let now = self.ticks_at(now);
        let ten = i64::from(self.clock / 100);
        let Some(stream) = &mut self.stream else { return Take::Wait { ticks: ten as u32 } };
        let excess = self.delay.excess(now, stream.cursor);
        if stream.state == State::Filling {
            if excess < 0 {
                return Take::Wait { ticks: (-excess).min(ten) as u32 };
            }
            stream.state = State::Playing;
        }
        self.skip_surplus(now);
        let Some(stream) = &mut self.stream else { return Take::Wait { ticks: ten as u32 } };
        let excess = self.delay.excess(now, stream.cursor);
        let Some(found) = self.store.first(stream.next, stream.highest) else {
            return stream.dry(excess, ten, &mut self.counters);
        };
        let gap = found.timestamp - stream.cursor;
        if gap <= 0 {
            return self.play(found, excess);
        }
        if found.missing == 0 {
            return stream.pause(gap, excess, ten);
        }
        // The packets that are missing come before a pause, if there is one too.
        stream.next = found.first_missing + 1;
        let ticks = gap.min(stream.frame.max(1));
        stream.cursor += ticks;
        self.counters.lost += 1;
        let follows = found.missing == 1 && gap <= ticks;
        let next = self.store.payload(found.sequence).filter(|_| follows);
        Take::Lost { ticks: ticks as u32, next }
    }

    /// The delay that is aimed at, in milliseconds.
    pub fn target_ms(&self) -> u32 {
        (self.delay.target() * 1000 / i64::from(self.clock)) as u32
    }

    /// The audio that waits, in milliseconds.
    pub fn depth_ms(&self) -> u32 {
        let waiting = self.stream.as_ref().map_or(0, |s| s.highest_timestamp + s.frame - s.cursor);
        (waiting.max(0) * 1000 / i64::from(self.clock)) as u32
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn ticks_at(&self, now: Mono) -> i64 {
        (u128::from(now.as_nanos()) * u128::from(self.clock) / 1_000_000_000) as i64
    }

    /// The unwrapped numbers of a packet; `None` when it begins a stream.
    fn place(&self, packet: &Packet, arrived: i64) -> Option<(i64, i64)> {
        let stream = self.stream.as_ref().filter(|stream| stream.ssrc == packet.ssrc)?;
        let sequence = unwrapped(stream.highest, packet.sequence);
        if (sequence - stream.highest).abs() > MOST_SKIPPED {
            return None;
        }
        let ahead = packet.timestamp.wrapping_sub(stream.highest_timestamp as u32).cast_signed();
        let timestamp = stream.highest_timestamp + i64::from(ahead);
        // Sender's and arrival's clocks agree but for jitter. If they do not, the sender jumped, or it
        // stood still while it was on hold.
        let jump = sequence > stream.highest && self.delay.is_jump(arrived, timestamp);
        (!jump).then_some((sequence, timestamp))
    }

    fn start(&mut self, packet: &Packet, arrived: i64) {
        self.counters.starts += 1;
        if let Some(stream) = &self.stream {
            self.counters.dropped += self.store.waiting(stream.next, stream.highest);
        }
        // Room below for packets that overtook each other.
        let (sequence, timestamp) =
            (i64::from(packet.sequence) + (1 << 16), i64::from(packet.timestamp) + (1 << 32));
        self.store.clear();
        self.delay.restart();
        self.delay.measure(arrived, timestamp);
        self.stream = Some(Stream {
            ssrc: packet.ssrc,
            highest: sequence,
            highest_timestamp: timestamp,
            frame: if packet.ticks > 0 { i64::from(packet.ticks) } else { i64::from(self.clock / 50) },
            next: sequence,
            cursor: timestamp,
            state: State::Filling,
            steady: 0,
        });
        self.store.put(sequence, timestamp, packet);
    }

    /// Throws away what could only be played far too late: the network held packets back and let them
    /// go all at once.
    fn skip_surplus(&mut self, now: i64) {
        let Some(stream) = &mut self.stream else { return };
        if self.delay.excess(now, stream.cursor) <= i64::from(self.clock) / 1000 * MOST_SURPLUS_MS {
            return;
        }
        while let Some(found) = self.store.first(stream.next, stream.highest) {
            if self.delay.excess(now, found.timestamp) <= 0 {
                break;
            }
            self.counters.dropped += 1;
            stream.next = found.sequence + 1;
            stream.cursor = found.timestamp + found.ticks;
        }
    }

    fn play(&mut self, found: Entry, excess: i64) -> Take<'_> {
        let Some(stream) = &mut self.stream else { return Take::Wait { ticks: self.clock / 100 } };
        // Comfort noise says that nothing follows for a while.
        stream.state = if found.ticks > 0 { State::Playing } else { State::Dry(i64::MAX) };
        self.counters.lost += found.missing as u64;
        stream.next = found.sequence + 1;
        stream.cursor = stream.cursor.max(found.timestamp + found.ticks);
        let pace = stream.pace(excess, i64::from(self.clock) / 1000);
        self.store.mark_played(found.sequence);
        let Some(payload) = self.store.payload(found.sequence) else {
            // A flood of longer packets has overwritten it.
            self.counters.dropped += 1;
            return Take::Lost { ticks: found.ticks.max(1) as u32, next: None };
        };
        Take::Audio(Audio {
            payload,
            payload_type: found.payload_type,
            timestamp: found.timestamp as u32,
            ticks: found.ticks as u32,
            pace,
        })
    }
}

impl Stream {
    /// Nothing is there. The first of it is made up, and then it is silence; time goes on all the while,
    /// unless the delay has proved too short for the jitter.
    fn dry(&mut self, excess: i64, ten: i64, counters: &mut Counters) -> Take<'static> {
        let so_far = if let State::Dry(made) = self.state {
            made
        } else {
            counters.underruns += 1;
            0
        };
        let made_up = so_far < MADE_UP_TENS * ten;
        let ticks = if made_up { self.frame.clamp(1, MADE_UP_TENS * ten) } else { ten };
        self.state = State::Dry(so_far.saturating_add(ticks));
        if excess > -ten {
            self.cursor += ticks;
        }
        if made_up {
            Take::Lost { ticks: ticks as u32, next: None }
        } else {
            Take::Wait { ticks: ticks as u32 }
        }
    }

    /// The sender is silent until `gap` from now. Here the delay is corrected without being heard.
    fn pause(&mut self, gap: i64, excess: i64, ten: i64) -> Take<'static> {
        let ticks = gap.min(ten);
        if excess > 2 * ten {
            self.cursor += (excess - ten).min(gap - ticks);
        }
        if excess > -ten {
            self.cursor += ticks;
        }
        Take::Wait { ticks: ticks as u32 }
    }

    /// Whether this frame should be shorter or longer: never two in a row, that would be heard.
    fn pace(&mut self, excess: i64, ms: i64) -> Pace {
        self.steady += 1;
        let pace = match excess {
            _ if self.steady < PACE_EVERY => Pace::Steady,
            more if more > SLACK_MS * ms => Pace::Faster,
            less if less < -SHORTFALL_MS * ms => Pace::Slower,
            _ => Pace::Steady,
        };
        if pace != Pace::Steady {
            self.steady = 0;
        }
        pace
    }
}

/// The number with these lowest 16 bits that is nearest to `near`.
fn unwrapped(near: i64, low: u16) -> i64 {
    near + i64::from(low.wrapping_sub(near as u16).cast_signed())
}

/// The longest payload that is kept: 60 ms of G.711 or G.722, twice what Opus makes of speech in that time.
pub const LONGEST_PAYLOAD: usize = 600;

/// The longest delay, in milliseconds.
pub const LONGEST_DELAY_MS: u64 = delay::LONGEST_MS;

/// More missing packets than this are a jump of the sequence: ten seconds of 10 ms.
const MOST_SKIPPED: i64 = 1000;

/// A delay that much above the target is cut at once: it would take seconds to lose by faster frames.
const MOST_SURPLUS_MS: i64 = 150;

/// Where packets cease to come, so many tens of milliseconds are made up before it is silence.
const MADE_UP_TENS: i64 = 6;

/// The delay may be longer than needed by this much before speech is played faster: a tick and a packet's
/// half. Shorter by more than the consumer's tick it may not be: the next packet would come too late.
const SLACK_MS: i64 = 20;
const SHORTFALL_MS: i64 = 12;

/// One of so many frames may be shorter or longer.
const PACE_EVERY: u32 = 5;
