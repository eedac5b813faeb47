//! From the records of a spool to the samples of a WAV, in one pass.

use std::fs::File;
use std::time::Duration;

use base::Timestamp;

use super::SealError;
use super::lane::{self, Lane, Lookahead, Tally};
use super::levels::Levels;
use super::voice::Voice;
use super::window::{Put, Window};
use crate::facts::Side;
use crate::segment::{Segment, Segments};
use crate::spool::{Record, SpoolReader};

/// What a rendered spool amounts to.
#[derive(Clone, Debug)]
pub(super) struct Rendered {
    pub(super) caller: Tally,
    pub(super) seat: Tally,
    /// How loud both channels are, the caller's first.
    pub(super) levels: [Levels; 2],
    pub(super) dropped: u64,
    /// The wall clock of the end record.
    pub(super) end: Option<Timestamp>,
    pub(super) segments: Vec<Segment>,
    samples: u64,
}

impl Rendered {
    pub(super) const fn duration(&self) -> Duration {
        Duration::from_micros(self.samples * 125)
    }
}

/// Writes the whole WAV to `file`.
pub(super) fn render(reader: &mut SpoolReader, file: &File) -> Result<Rendered, SealError> {
    let segments = Segments::beginning_with(reader.facts().seat.clone());
    let mut work = Work {
        window: Window::over(file)?,
        lanes: [Lane::default(), Lane::default()],
        voices: [Voice::default(), Voice::default()],
        waiting: Lookahead::new(),
        paused: false,
        dropped: 0,
        segments,
        end: None,
        end_sample: 0,
    };
    while let Some(record) = reader.next_record()? {
        work.take(record)?;
    }
    work.finish()
}

struct Work<'a> {
    window: Window<'a>,
    lanes: [Lane; 2],
    voices: [Voice; 2],
    /// Packets that have arrived within a second of the first of them, which waits for its decision.
    waiting: Lookahead,
    paused: bool,
    dropped: u64,
    segments: Segments,
    end: Option<Timestamp>,
    end_sample: i64,
}

impl Work<'_> {
    fn take(&mut self, record: Record) -> Result<(), SealError> {
        match record {
            Record::Packet(packet) => {
                in_time(packet.arrival_us)?;
                let lane = &mut self.lanes[packet.side.channel()];
                lane.tally.packets += 1;
                // What arrives in a pause is not to be heard; the timestamps go on by themselves.
                if self.paused {
                    return Ok(());
                }
                let packet = self.voices[packet.side.channel()].hear(packet);
                if packet.samples.is_empty() {
                    lane.tally.strays += 1;
                    return Ok(());
                }
                let due = packet.arrival_us.saturating_sub(AHEAD_US);
                self.waiting.push_back(packet);
                while self.waiting.len() > MOST_WAITING
                    || self.waiting.front().is_some_and(|first| first.arrival_us < due)
                {
                    self.decide()?;
                }
            }
            Record::Gap { dropped, .. } => self.dropped += u64::from(dropped),
            Record::Pause { .. } => self.paused = true,
            Record::Resume { .. } => self.paused = false,
            Record::Seat { at_us, seat } => {
                in_time(at_us)?;
                self.segments.turn_to(seat, at_us);
            }
            Record::End { at_us, wall } => {
                in_time(at_us)?;
                self.end = Some(wall);
                self.end_sample = lane::samples(at_us);
            }
        }
        Ok(())
    }

    /// Places the packet that has waited longest.
    fn decide(&mut self) -> Result<(), SealError> {
        let Some(packet) = self.waiting.pop_front() else { return Ok(()) };
        let lane = &mut self.lanes[packet.side.channel()];
        let ahead = self.waiting.iter().filter(|next| next.side == packet.side);
        let Some(position) = lane.place(&packet, ahead) else {
            lane.tally.strays += 1;
            return Ok(());
        };
        match self.window.put(packet.side.channel(), position, &packet.samples) {
            Put::Placed => lane.placed(position + packet.samples.len() as i64),
            Put::Twice => lane.duplicate(&packet),
            Put::TooLate => lane.tally.strays += 1,
        }
        let settled = lane::samples(packet.arrival_us) - WINDOW;
        if settled > self.window.base() + STRIDE { self.window.advance(settled) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<Rendered, SealError> {
        while !self.waiting.is_empty() {
            self.decide()?;
        }
        if self.lanes.iter().all(|lane| lane.tally.packets == 0) {
            return Err(SealError::NoAudio);
        }
        let samples = self.window.end().max(self.end_sample);
        self.window.advance(samples)?;
        let [caller, seat] = self.lanes;
        let (mut caller, mut seat) = (caller.finish(), seat.finish());
        self.window.sum_up(Side::Caller.channel(), &mut caller);
        self.window.sum_up(Side::Seat.channel(), &mut seat);
        let levels = self.window.finish()?;
        let samples = samples.max(0) as u64;
        let segments = self.segments.end(samples * 125);
        Ok(Rendered { caller, seat, levels, dropped: self.dropped, end: self.end, segments, samples })
    }
}

fn in_time(at_us: u64) -> Result<(), SealError> {
    if u128::from(at_us) > LONGEST.as_micros() { Err(SealError::TooLong) } else { Ok(()) }
}

/// A call lasts 4 h at most; the sizes in a WAV header reach for 37 h of this format.
pub(super) const LONGEST: Duration = Duration::from_hours(24);

/// A packet whose timestamp surprises is judged by what follows within a second.
const AHEAD_US: u64 = 1_000_000;

/// Ten times what two sides send in that second: a flood must not fill the memory.
const MOST_WAITING: usize = 1000;

/// A stalled path may deliver this much later; a socket's buffer holds less.
const WINDOW: i64 = 10_000 * 8;

/// Samples leave the window a second at a time.
const STRIDE: i64 = 8000;
