//! How loud a direction is, what of it is silence, and whether it clips.

use std::time::Duration;

use base::g711::Law;

/// Measures audio of 8 or 16 kHz, a packet at a time. Levels are in dBov: 0 is a square wave at full scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meter {
    /// Samples in a second.
    rate: u32,
    speech: Sum,
    pauses: Sum,
    /// Samples in packets without a voice since the last with one.
    quiet: u64,
    clipped: u64,
    /// Full-scale samples in a row just now, the sign of the first with them.
    run: i32,
    peak: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    samples: u64,
    squares: u64,
}

impl Meter {
    /// For audio of so many samples a second.
    pub const fn new(rate: u32) -> Self {
        let none = Sum { samples: 0, squares: 0 };
        Self { rate, speech: none, pauses: none, quiet: 0, clipped: 0, run: 0, peak: 0 }
    }

    /// Takes a packet in; says whether there is a voice in it.
    pub fn linear(&mut self, samples: &[i16]) -> bool {
        self.take(samples.iter().copied())
    }

    /// Takes a packet of G.711 in; says whether there is a voice in it.
    pub fn encoded(&mut self, law: Law, payload: &[u8]) -> bool {
        self.take(payload.iter().map(|&byte| law.decode(byte)))
    }

    /// Looks at every third sample of a packet of G.711 only; says whether there is a voice in it. Levels come out as if
    /// all had been looked at; peak, clipping and spans do not.
    pub fn glance(&mut self, law: Law, payload: &[u8]) -> bool {
        let samples = payload.iter().step_by(GLANCED).map(|&byte| law.decode(byte));
        let sum = Sum { samples: samples.len() as u64, squares: samples.map(square).sum() };
        self.add(sum)
    }

    /// The same of linear audio.
    pub fn glance_linear(&mut self, samples: &[i16]) -> bool {
        let samples = samples.iter().step_by(GLANCED);
        let sum = Sum { samples: samples.len() as u64, squares: samples.map(|&sample| square(sample)).sum() };
        self.add(sum)
    }

    /// Level of the packets with a voice.
    pub fn speech_dbov(&self) -> Option<f32> {
        self.speech.dbov()
    }

    /// Level of the packets without: the noise of the line.
    pub fn pauses_dbov(&self) -> Option<f32> {
        self.pauses.dbov()
    }

    /// The loudest sample.
    pub fn peak_dbov(&self) -> Option<f32> {
        (self.peak > 0).then(|| 20.0 * (f32::from(self.peak) / FULL_SCALE).log10())
    }

    /// Share of samples that are cut off, 0.0-1.0.
    pub fn clipping(&self) -> f32 {
        let samples = self.speech.samples + self.pauses.samples;
        if samples == 0 { 0.0 } else { self.clipped as f32 / samples as f32 }
    }

    /// All audio so far.
    pub fn heard(&self) -> Duration {
        self.span(self.speech.samples + self.pauses.samples)
    }

    /// Of that, with a voice.
    pub fn spoken(&self) -> Duration {
        self.span(self.speech.samples)
    }

    /// Without a voice since the last one.
    pub fn silent_for(&self) -> Duration {
        self.span(self.quiet)
    }

    fn take(&mut self, samples: impl ExactSizeIterator<Item = i16> + Clone) -> bool {
        let (len, mut squares, mut peak) = (samples.len() as u64, 0u64, 0);
        for sample in samples.clone() {
            let size = sample.unsigned_abs();
            squares += square(sample);
            peak = peak.max(size);
        }
        self.peak = self.peak.max(peak);
        if peak < CUT_OFF {
            self.run = 0;
        } else {
            samples.for_each(|sample| self.cut(sample));
        }
        self.add(Sum { samples: len, squares })
    }

    /// Counts a packet; says whether there is a voice in it.
    fn add(&mut self, packet: Sum) -> bool {
        let voice = packet.squares > packet.samples.saturating_mul(VOICE_POWER);
        let sum = if voice { &mut self.speech } else { &mut self.pauses };
        sum.samples += packet.samples;
        sum.squares = sum.squares.saturating_add(packet.squares);
        self.quiet = if voice { 0 } else { self.quiet + packet.samples };
        voice
    }

    /// Samples at full scale are cut off when three of one sign follow each other. A loud sound that just fits
    /// touches the edge for less.
    fn cut(&mut self, sample: i16) {
        if sample.unsigned_abs() < CUT_OFF {
            self.run = 0;
            return;
        }
        let sign = i32::from(sample.signum());
        self.run = if self.run.signum() == sign { self.run.saturating_add(sign) } else { sign };
        self.clipped += match self.run.unsigned_abs() {
            0..LEAST_RUN => 0,
            LEAST_RUN => u64::from(LEAST_RUN),
            _ => 1,
        };
    }

    fn span(&self, samples: u64) -> Duration {
        Duration::from_micros(samples.saturating_mul(1_000_000) / u64::from(self.rate.max(1)))
    }
}

fn square(sample: i16) -> u64 {
    let size = u32::from(sample.unsigned_abs());
    u64::from(size * size)
}

impl Sum {
    fn dbov(&self) -> Option<f32> {
        if self.samples == 0 {
            return None;
        }
        let power = self.squares as f32 / self.samples as f32 / (FULL_SCALE * FULL_SCALE);
        Some(if power > 0.0 { (10.0 * power.log10()).max(LEAST_DBOV) } else { LEAST_DBOV })
    }
}

/// A level in dBm0, as telephony has it: by G.711 the overload point is 3.14 dBm0 for a sine (A-law), and a sine
/// is 3.01 dB below a square wave.
pub fn dbm0(dbov: f32) -> f32 {
    dbov + 6.15
}

const FULL_SCALE: f32 = 32_768.0;

/// The mean square of -50 dBov: between the noise of a bad line (-55) and the faintest speech that is understood (-45).
const VOICE_POWER: u64 = 10_737;

/// Of so many samples one is enough: no sound of a telephone has all its power between them.
const GLANCED: usize = 3;

/// Below this there is nothing: sixteen bits end at -96.
const LEAST_DBOV: f32 = -96.0;

/// The outermost step of both laws begins below here; linear audio of that size is as good as cut off.
const CUT_OFF: u16 = 31_700;

/// Samples in a row.
const LEAST_RUN: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// A sine of `amplitude` of full scale, cut off there, in packets of 20 ms at 8 kHz.
    fn sine(amplitude: f32, hertz: f32, packets: usize) -> Vec<Vec<i16>> {
        let wave = |n: usize| {
            let value = amplitude * FULL_SCALE * (n as f32 * hertz * std::f32::consts::TAU / 8000.0).sin();
            value.clamp(-32_768.0, 32_767.0) as i16
        };
        (0..packets).map(|packet| (0..160).map(|n| wave(packet * 160 + n)).collect()).collect()
    }

    fn near(level: Option<f32>, expected: f32) {
        assert!(level.is_some_and(|level| (level - expected).abs() < 0.15), "{level:?}, not {expected}");
    }

    #[test]
    fn a_sine_has_the_level_of_the_book_in_every_coding() {
        for (amplitude, level) in [(1.0, -3.01), (0.5, -9.03), (0.1, -23.01), (0.01, -43.01)] {
            let mut meters = [Meter::new(8000); 3];
            for packet in sine(amplitude, 1004.0, 50) {
                assert!(meters[0].linear(&packet));
                for (meter, law) in meters[1..].iter_mut().zip([Law::A, Law::Mu]) {
                    let encoded: Vec<u8> = packet.iter().map(|&sample| law.encode(sample)).collect();
                    assert!(meter.encoded(law, &encoded));
                }
            }
            for meter in meters {
                near(meter.speech_dbov(), level);
                assert_eq!(meter.pauses_dbov(), None);
                assert_eq!(meter.heard(), Duration::from_secs(1));
            }
        }
        near(Some(dbm0(-23.01)), -16.86);
    }

    #[test]
    fn a_glance_sees_the_same_level_and_the_same_voice() {
        for (amplitude, level) in [(0.5, -9.03), (0.1, -23.01), (0.01, -43.01)] {
            // At 2,700 Hz every packet would be seen at the same few phases of the tone.
            for hertz in [120.0, 300.0, 450.0, 1004.0, 2710.0, 3400.0] {
                let mut meters = [Meter::new(8000); 3];
                for packet in sine(amplitude, hertz, 50) {
                    let encoded: Vec<u8> = packet.iter().map(|&sample| Law::A.encode(sample)).collect();
                    assert!(meters[0].glance(Law::A, &encoded) && meters[1].glance_linear(&packet));
                    meters[2].linear(&packet);
                }
                let [coded, linear, _] = meters.map(|meter| meter.speech_dbov());
                near(linear, level);
                near(coded, level);
            }
        }
        let mut meter = Meter::new(8000);
        assert!(!meter.glance(Law::Mu, &[Law::Mu.silence(); 160]) && !meter.glance(Law::A, &[]));
        assert!(sine(0.003, 100.0, 5).iter().all(|packet| !meter.glance_linear(packet)));
        assert_eq!(meter.speech_dbov(), None);
    }

    #[test]
    fn silence_is_counted_until_somebody_speaks() {
        let mut meter = Meter::new(8000);
        for _ in 0..150 {
            assert!(!meter.encoded(Law::A, &[Law::A.silence(); 160]));
        }
        assert_eq!(meter.silent_for(), Duration::from_secs(3));
        near(meter.pauses_dbov(), -72.2);
        for packet in sine(0.1, 500.0, 5) {
            meter.linear(&packet);
        }
        assert_eq!((meter.silent_for(), meter.spoken()), (Duration::ZERO, Duration::from_millis(100)));
        // A faint hum is no voice.
        for packet in sine(0.003, 100.0, 5) {
            assert!(!meter.linear(&packet));
        }
        assert_eq!(meter.silent_for(), Duration::from_millis(100));
        assert!(!meter.linear(&[0; 160]));
        assert!(!meter.linear(&[]));
    }

    #[test]
    fn what_is_cut_off_is_clipping_and_what_just_fits_is_not() {
        let clipping = |amplitude: f32| {
            let mut meters = [Meter::new(8000); 3];
            for packet in sine(amplitude, 300.0, 50) {
                meters[0].linear(&packet);
                for (meter, law) in meters[1..].iter_mut().zip([Law::A, Law::Mu]) {
                    let encoded: Vec<u8> = packet.iter().map(|&sample| law.encode(sample)).collect();
                    meter.encoded(law, &encoded);
                }
            }
            meters.map(|meter| meter.clipping())
        };
        assert!(clipping(0.95).iter().all(|&share| share < f32::EPSILON));
        // Six decibels too loud: two thirds of the time outside.
        for share in clipping(2.0) {
            assert!((0.6..0.75).contains(&share), "{share}");
        }
        assert!(Meter::new(8000).clipping() < f32::EPSILON);
    }
}
