//! The few seconds of both channels that can still change; older samples are written.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufWriter;

use super::SealError;
use super::lane::Tally;
use super::levels::{Gauge, Levels};

/// The open end of the file.
pub(super) struct Window<'a> {
    writer: hound::WavWriter<BufWriter<&'a File>>,
    /// Position of the first sample that is not written yet.
    base: i64,
    channels: [VecDeque<i32>; 2],
    filled: [Filled; 2],
    gauges: [Gauge; 2],
}

#[derive(Clone, Copy, Default)]
struct Filled {
    samples: u64,
    first: Option<i64>,
    end: i64,
}

/// What happened to a packet's samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Put {
    /// At least one of them is in the file.
    Placed,
    /// All were there already.
    Twice,
    /// All would lie before what can still change.
    TooLate,
}

impl<'a> Window<'a> {
    pub(super) fn over(file: &'a File) -> Result<Self, SealError> {
        let writer = hound::WavWriter::new(BufWriter::with_capacity(BUFFER, file), SPEC)?;
        Ok(Self {
            writer,
            base: 0,
            channels: Default::default(),
            filled: Default::default(),
            gauges: Default::default(),
        })
    }

    /// Puts a packet's samples from `position` on; a sample that is already there stays.
    pub(super) fn put(&mut self, channel: usize, position: i64, audio: &[i16]) -> Put {
        let (Some(samples), Some(filled)) = (self.channels.get_mut(channel), self.filled.get_mut(channel))
        else {
            return Put::TooLate;
        };
        let end = position + audio.len() as i64;
        if end <= self.base {
            return Put::TooLate;
        }
        let needed = (end - self.base) as usize;
        if samples.len() < needed {
            samples.resize(needed, EMPTY);
        }
        let cut = (self.base - position).max(0);
        let from = (position + cut - self.base) as usize;
        let mut placed = 0;
        for (slot, sample) in samples.range_mut(from..needed).zip(audio.iter().skip(cut as usize)) {
            if *slot == EMPTY {
                *slot = i32::from(*sample);
                placed += 1;
            }
        }
        if placed == 0 {
            return Put::Twice;
        }
        filled.samples += placed;
        let start = position + cut;
        filled.first = Some(filled.first.map_or(start, |first| first.min(start)));
        filled.end = filled.end.max(end);
        Put::Placed
    }

    /// Writes everything before `position`.
    pub(super) fn advance(&mut self, position: i64) -> Result<(), SealError> {
        let [left, right] = &mut self.channels;
        let [left_gauge, right_gauge] = &mut self.gauges;
        while self.base < position {
            let frames = (position - self.base).min(PIECE) as u32;
            let mut out = self.writer.get_i16_writer(frames * 2);
            for _ in 0..frames {
                let (left, right) = (sample(left.pop_front()), sample(right.pop_front()));
                left_gauge.take(left);
                right_gauge.take(right);
                out.write_sample(left);
                out.write_sample(right);
            }
            out.flush()?;
            self.base += i64::from(frames);
        }
        Ok(())
    }

    /// Position of the first sample that can still change.
    pub(super) const fn base(&self) -> i64 {
        self.base
    }

    /// Position behind the last sample of either channel.
    pub(super) fn end(&self) -> i64 {
        let longest = self.channels.iter().map(VecDeque::len).max().unwrap_or(0);
        self.base + longest as i64
    }

    /// Writes what is left and the sizes in the header; how loud the channels are.
    pub(super) fn finish(mut self) -> Result<[Levels; 2], SealError> {
        self.advance(self.end())?;
        self.writer.finalize()?;
        Ok(self.gauges.map(Gauge::finish))
    }

    /// Adds to `tally` what the file holds of `channel`.
    pub(super) fn sum_up(&self, channel: usize, tally: &mut Tally) {
        let Some(filled) = self.filled.get(channel) else { return };
        let Some(first) = filled.first else { return };
        tally.first_sample = u64::try_from(first).ok();
        tally.end_sample = u64::try_from(filled.end).ok();
        tally.gap_samples = u64::try_from(filled.end - first).unwrap_or(0).saturating_sub(filled.samples);
    }
}

fn sample(slot: Option<i32>) -> i16 {
    slot.and_then(|value| i16::try_from(value).ok()).unwrap_or(0)
}

const SPEC: hound::WavSpec = hound::WavSpec {
    channels: 2,
    sample_rate: 8000,
    bits_per_sample: 16,
    sample_format: hound::SampleFormat::Int,
};

/// No 16-bit sample has this value. It reads as silence.
const EMPTY: i32 = i32::MIN;

/// Half a second of both channels at a time.
const PIECE: i64 = 4096;

/// Two seconds of the file.
const BUFFER: usize = 64 * 1024;
