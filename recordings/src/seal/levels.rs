//! How loud each channel of a sealed file is: what a listener would complain of, told before anybody listens.

use std::time::Duration;

use codecs::level::Meter;

/// How loud one channel of a file is. Levels are in dBov: 0 is a square wave at full scale, speech on a good line is
/// near -26.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// The mean level of its stretches with a voice; `None` when there is none.
    pub speech_dbov: Option<f64>,
    /// The loudest sample; `None` when all are zero.
    pub peak_dbov: Option<f64>,
    /// Share of its samples that are cut off, 0.0-1.0.
    pub clipped: f64,
    /// Share of its time without a voice, 0.0-1.0; what never arrived is that too.
    pub silence: f64,
}

impl Levels {
    /// What is wrong with a channel of this length, in one word.
    pub fn fault(&self, length: Duration) -> Option<&'static str> {
        if self.speech_dbov.is_none() && length >= LONG_ENOUGH {
            Some("empty")
        } else if self.clipped > MOST_CLIPPED {
            Some("clipped")
        } else {
            None
        }
    }
}

/// Measures a channel sample by sample, as it is written.
pub(super) struct Gauge {
    meter: Meter,
    block: [i16; BLOCK],
    len: usize,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { meter: Meter::new(RATE), block: [0; BLOCK], len: 0 }
    }
}

impl Gauge {
    pub(super) fn take(&mut self, sample: i16) {
        if let Some(slot) = self.block.get_mut(self.len) {
            *slot = sample;
            self.len += 1;
        }
        if self.len == BLOCK {
            self.meter.linear(&self.block);
            self.len = 0;
        }
    }

    pub(super) fn finish(mut self) -> Levels {
        self.meter.linear(&self.block[..self.len]);
        let heard = self.meter.heard().as_secs_f64();
        let spoken = self.meter.spoken().as_secs_f64();
        Levels {
            speech_dbov: self.meter.speech_dbov().map(f64::from),
            peak_dbov: self.meter.peak_dbov().map(f64::from),
            clipped: f64::from(self.meter.clipping()),
            silence: if heard > 0.0 { 1.0 - spoken / heard } else { 1.0 },
        }
    }
}

/// The file's.
const RATE: u32 = 8000;

/// 20 ms: a syllable has several.
const BLOCK: usize = 160;

/// Who talks for less may not have been answered yet.
const LONG_ENOUGH: Duration = Duration::from_secs(5);

/// One sample in a thousand: a few loud words do that, a microphone that is turned up too far much more.
const MOST_CLIPPED: f64 = 0.001;
