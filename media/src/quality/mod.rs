//! How a call sounds, from what can be measured on the way: loss and its bursts, delay, level, who is not heard.

pub mod audibility;
pub mod loss;
pub mod rating;

use std::time::Duration;

pub use codecs::level::Meter;

pub use audibility::{Audibility, Finding, Heard, Sign};
pub use loss::{Losses, Tally};
pub use rating::{Conditions, Impairment, Rating};

use crate::rtcp::Voip;

/// What is known of one direction, for a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Its packets.
    pub tally: Tally,
    /// One packet's audio.
    pub packet: Duration,
    /// What its codec and its concealment make of loss.
    pub impairment: Impairment,
    /// There and back on the network, when known.
    pub round_trip: Option<Duration>,
    /// In the two ends: packet time, jitter buffer, sound card.
    pub ends: Duration,
    /// Level of its speech, in dBm0, when any was heard.
    pub speech_dbm0: Option<f32>,
    /// Level of its pauses, in dBm0, when there were any.
    pub pauses_dbm0: Option<f32>,
    /// The jitter buffer's delay now and the most it may be, when there is one.
    pub buffer: Option<(Duration, Duration)>,
}

impl Measured {
    /// As the E-model rates it. Without a round trip the network's delay counts as none.
    pub fn rating(&self) -> Rating {
        let way = self.round_trip.unwrap_or_default() / 2 + self.ends;
        Rating::of(&Conditions {
            impairment: self.impairment,
            loss: self.tally.bad_share(),
            burst_ratio: self.tally.burst_ratio(),
            delay: way,
        })
    }

    /// The same with what hearing alone makes of it: delay does not count.
    pub fn listening(&self) -> Rating {
        Rating::of(&Conditions {
            impairment: self.impairment,
            loss: self.tally.bad_share(),
            burst_ratio: self.tally.burst_ratio(),
            delay: Duration::ZERO,
        })
    }

    /// The report block about the stream of `ssrc` (RFC 3611 §4.7).
    pub fn voip(&self, ssrc: u32) -> Voip {
        let tally = &self.tally;
        let millis = |packets: f32| whole(packets * self.packet.as_secs_f32() * 1000.0);
        let span = |span: Duration| u16::try_from(span.as_millis()).unwrap_or(u16::MAX);
        let (nominal, most) = self.buffer.map_or((0, 0), |(now, most)| (span(now), span(most)));
        Voip {
            ssrc,
            loss_rate: share(tally.loss_share()),
            discard_rate: share(tally.discard_share()),
            burst_density: share(tally.burst_density()),
            gap_density: share(tally.gap_density()),
            burst_ms: millis(tally.mean_burst()),
            gap_ms: millis(tally.mean_gap()),
            round_trip_ms: self.round_trip.map_or(0, span),
            end_system_ms: span(self.ends),
            signal_dbm0: self.speech_dbm0.and_then(decibels),
            noise_dbm0: self.pauses_dbm0.and_then(decibels),
            gap_least: loss::LEAST_GAP,
            r: Some(self.rating().r.clamp(0.0, 100.0).round() as u8),
            mos_listening: Some((self.listening().mos * 10.0).round() as u8),
            mos_conversation: Some((self.rating().mos * 10.0).round() as u8),
            concealed: Some(self.impairment.conceals),
            adaptive: self.buffer.map(|_| true),
            buffer_ms: nominal,
            buffer_most_ms: most,
            buffer_limit_ms: most,
        }
    }
}

/// A share as 256ths.
fn share(share: f32) -> u8 {
    (share * 256.0).floor().clamp(0.0, 255.0) as u8
}

fn whole(value: f32) -> u16 {
    value.round().clamp(0.0, f32::from(u16::MAX)) as u16
}

fn decibels(level: f32) -> Option<i8> {
    // 127 says that there is none.
    level.is_finite().then(|| level.round().clamp(-127.0, 30.0) as i8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{self, Compound};

    #[test]
    fn a_measured_direction_goes_into_a_report_and_comes_out_the_same() {
        let mut losses = Losses::default();
        for sequence in 0..1000u16 {
            if sequence % 50 != 7 {
                losses.take(sequence);
            }
        }
        let measured = Measured {
            tally: losses.tally(),
            packet: Duration::from_millis(20),
            impairment: Impairment::G711_CONCEALED,
            round_trip: Some(Duration::from_millis(80)),
            ends: Duration::from_millis(60),
            speech_dbm0: Some(-19.6),
            pauses_dbm0: Some(-65.2),
            buffer: Some((Duration::from_millis(40), Duration::from_millis(200))),
        };
        let voip = measured.voip(5);
        assert_eq!((voip.loss_rate, voip.discard_rate, voip.round_trip_ms), (5, 0, 80));
        assert_eq!((voip.signal_dbm0, voip.noise_dbm0), (Some(-20), Some(-65)));
        // 2 % lost of 25.1: 7.0; 100 ms: 2.4.
        assert_eq!(voip.r, Some(84));
        assert_eq!((voip.mos_listening, voip.mos_conversation), (Some(42), Some(42)));
        assert!(measured.listening().mos > measured.rating().mos);
        let compound = Compound::report(7, "x", None, None).measured(7, &voip);
        assert_eq!(rtcp::read(compound.as_bytes(), 5).unwrap().voip, Some(voip));
    }
}
