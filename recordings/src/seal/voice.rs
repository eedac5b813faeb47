//! One side's payloads as linear audio on the file's clock: what a spool holds as it came, whatever codec it came in.

use base::g711::Law;
use codecs::{Coding, Decoder, MOST_SAMPLES, Rate};

use crate::facts::Side;
use crate::spool::PacketRecord;

/// A packet whose audio is decoded and whose timestamp counts samples of the file.
#[derive(Clone, Debug)]
pub(super) struct Spoken {
    pub(super) side: Side,
    pub(super) arrival_us: u64,
    pub(super) seq: u16,
    /// At 8 kHz.
    pub(super) rtp_ts: u32,
    pub(super) ssrc: u32,
    pub(super) samples: Vec<i16>,
}

/// One side's decoder. Packets are decoded as they arrived: G.711 does not mind another order, and the others are
/// heard rightly again within a few packets.
#[derive(Debug, Default)]
pub(super) struct Voice {
    decoder: Option<Decoder>,
    clock: Option<Clock>,
}

/// Timestamps of another rate than the file's, counted on beyond their 32 bits, so that nothing jumps where they wrap.
#[derive(Clone, Copy, Debug)]
struct Clock {
    ssrc: u32,
    newest: u32,
    count: i64,
}

impl Voice {
    /// Decodes a packet; no samples when it is none of its codec.
    pub(super) fn hear(&mut self, packet: PacketRecord) -> Spoken {
        let PacketRecord { side, arrival_us, seq, rtp_ts, ssrc, coding, payload } = packet;
        let samples = match coding.law() {
            Some(law) => payload.iter().map(|byte| Law::decode(law, *byte)).collect(),
            None => self.decode(ssrc, coding, &payload),
        };
        Spoken { side, arrival_us, seq, rtp_ts: self.narrow(ssrc, coding, rtp_ts), ssrc, samples }
    }

    fn decode(&mut self, ssrc: u32, coding: Coding, payload: &[u8]) -> Vec<i16> {
        let goes_on = self.clock.is_none_or(|clock| clock.ssrc == ssrc);
        let fits = self.decoder.as_ref().is_some_and(|decoder| decoder.coding() == coding);
        if !(goes_on && fits) {
            self.decoder = None;
        }
        let decoder = self.decoder.get_or_insert_with(|| Decoder::new(coding, Rate::Narrow));
        if payload.is_empty() || coding.ticks(payload).is_none() {
            return Vec::new();
        }
        let mut samples = vec![0; MOST_SAMPLES];
        let len = decoder.decode(Some(payload), &mut samples);
        samples.truncate(len);
        samples
    }

    fn narrow(&mut self, ssrc: u32, coding: Coding, rtp_ts: u32) -> u32 {
        let known = self.clock.filter(|clock| clock.ssrc == ssrc);
        let mut clock = known.unwrap_or(Clock { ssrc, newest: rtp_ts, count: i64::from(rtp_ts) });
        clock.count += i64::from(rtp_ts.wrapping_sub(clock.newest).cast_signed());
        clock.newest = rtp_ts;
        self.clock = Some(clock);
        clock.count.div_euclid(i64::from(coding.clock() / FILE_CLOCK)) as u32
    }
}

/// Samples a second in the file.
const FILE_CLOCK: u32 = 8000;

#[cfg(test)]
mod tests {
    use codecs::Encoder;

    use super::*;

    fn packet(coding: Coding, n: u32, start: u32, payload: Vec<u8>) -> PacketRecord {
        PacketRecord {
            side: Side::Seat,
            arrival_us: u64::from(n) * 20_000,
            seq: n as u16,
            rtp_ts: start.wrapping_add(n * coding.clock() / 50),
            ssrc: 7,
            coding,
            payload,
        }
    }

    /// The share of the energy that 1 kHz has in the audio, and its length.
    fn tone(samples: &[i16]) -> (f64, usize) {
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let (sample, phase) = (f64::from(*sample), std::f64::consts::TAU * n as f64 / 8.0);
            re += sample * phase.cos();
            im += sample * phase.sin();
            all += sample * sample;
        }
        (2.0 * (re * re + im * im) / (all * samples.len() as f64), samples.len())
    }

    #[test]
    fn every_codec_becomes_the_tone_that_was_spoken_on_the_clock_of_the_file() {
        for &coding in Coding::ALL {
            let mut encoder = Encoder::new(coding, Rate::Narrow);
            let mut voice = Voice::default();
            let mut heard = Vec::new();
            for n in 0..100u32 {
                let pcm: Vec<i16> = (0..160)
                    .map(|i| (8000.0 * (std::f64::consts::TAU * f64::from(n * 160 + i) / 8.0).sin()) as i16)
                    .collect();
                let mut payload = vec![0; codecs::MOST_PAYLOAD];
                let len = encoder.encode(&pcm, &mut payload);
                payload.truncate(len);
                // Begins short of where the timestamps wrap.
                let spoken = voice.hear(packet(coding, n, u32::MAX - 10_000, payload));
                let start = (u32::MAX - 10_000) / (coding.clock() / 8000);
                assert_eq!(spoken.rtp_ts.wrapping_sub(start) / 160, n, "{coding:?}");
                assert_eq!(spoken.samples.len(), 160, "{coding:?}");
                heard.extend(spoken.samples);
            }
            let (share, len) = tone(&heard[1600..]);
            assert!(share > 0.95 && len == 14_400, "{coding:?} {share}");
        }
    }

    #[test]
    fn what_is_none_of_its_codec_is_no_audio() {
        let mut voice = Voice::default();
        assert!(voice.hear(packet(Coding::Opus, 0, 0, Vec::new())).samples.is_empty());
    }
}
