//! How calls sounded, for Prometheus: scores, loss, jitter and round trips of legs that are over; who was not heard.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use history::LegRow;

use super::{Counter, head};
use crate::node::LapseKind;

/// The sound of all legs that are over, and of those that are not heard now.
#[derive(Debug, Default)]
pub struct Sounds {
    mos: Spread,
    loss: Spread,
    jitter: Spread,
    round_trip: Spread,
    unheard: [[Counter; KINDS.len()]; SIDES.len()],
    dead_air: Counter,
}

impl Sounds {
    /// Counts a leg that is over.
    pub(super) fn leg_ended(&self, leg: &LegRow) {
        let Some(quality) = leg.quality else { return };
        let side = SIDES[usize::from(leg.trunk.is_none())];
        let way = |way| format!("side=\"{side}\",direction=\"{way}\"");
        if let Some(mos) = quality.mos {
            let packets = (quality.received + quality.lost).max(1);
            self.mos.observe(MOS, way("received"), mos);
            self.loss.observe(LOSS, way("received"), quality.lost as f64 / packets as f64);
            self.jitter.observe(JITTER, way("received"), quality.jitter_ms / 1000.0);
        }
        if let Some(mos) = quality.peer_mos {
            self.mos.observe(MOS, way("sent"), mos);
        }
        if let Some(loss) = quality.peer_loss {
            self.loss.observe(LOSS, way("sent"), loss);
        }
        if let Some(jitter_ms) = quality.peer_jitter_ms {
            self.jitter.observe(JITTER, way("sent"), jitter_ms / 1000.0);
        }
        if let Some(round_trip_ms) = quality.round_trip_ms {
            self.round_trip.observe(ROUND_TRIP, format!("side=\"{side}\""), round_trip_ms / 1000.0);
        }
    }

    /// Counts a leg that is not heard any more: a phone's of ours, or a trunk's.
    pub fn unheard(&self, seat: bool, kind: LapseKind) {
        match KINDS.iter().position(|known| *known == kind) {
            Some(at) => self.unheard[usize::from(seat)][at].add(1),
            None => self.dead_air.add(1),
        }
    }

    pub(super) fn write(&self, text: &mut String) {
        self.mos.write(text, MOS, "pbx_leg_mos", "Mean opinion score of a leg that is over (E-model).");
        self.loss.write(text, LOSS, "pbx_leg_loss_ratio", "Share of a leg's packets that never came.");
        self.jitter.write(
            text,
            JITTER,
            "pbx_leg_jitter_seconds",
            "Interarrival jitter of a leg that is over.",
        );
        let help = "There and back between us and the peer of a leg.";
        self.round_trip.write(text, ROUND_TRIP, "pbx_leg_round_trip_seconds", help);
        head(text, "pbx_one_way_audio_total", "Times that a leg was not heard by the other.", "counter");
        for (side, counters) in SIDES.iter().zip(&self.unheard) {
            for (kind, counter) in KINDS.iter().zip(counters) {
                let (kind, count) = (kind.as_str(), counter.now());
                let _ = writeln!(text, "pbx_one_way_audio_total{{side=\"{side}\",kind=\"{kind}\"}} {count}");
            }
        }
        head(text, "pbx_dead_air_total", "Times that two in a call both said nothing.", "counter");
        let _ = writeln!(text, "pbx_dead_air_total {}", self.dead_air.now());
    }
}

/// A histogram for each set of labels, of which there are few; touched once per leg, so a lock costs nothing.
#[derive(Debug, Default)]
struct Spread(Mutex<BTreeMap<String, Cells>>);

#[derive(Clone, Debug, Default)]
struct Cells {
    /// As Prometheus wants them: each holds those below it.
    buckets: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Spread {
    fn observe(&self, bounds: &[f64], labels: String, value: f64) {
        // A peer may say anything; what is no number would spoil the sum for ever.
        if !value.is_finite() {
            return;
        }
        let mut spread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cells = spread.entry(labels).or_default();
        cells.buckets.resize(bounds.len(), 0);
        for (bucket, bound) in cells.buckets.iter_mut().zip(bounds) {
            *bucket += u64::from(value <= *bound);
        }
        cells.count += 1;
        cells.sum += value;
    }

    fn write(&self, text: &mut String, bounds: &[f64], name: &str, help: &str) {
        head(text, name, help, "histogram");
        for (labels, cells) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            for (bucket, bound) in cells.buckets.iter().zip(bounds) {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {bucket}");
            }
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", cells.count);
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", cells.sum);
            let _ = writeln!(text, "{name}_count{{{labels}}} {}", cells.count);
        }
    }
}

/// Whose leg: a carrier's, or a phone's of ours.
const SIDES: [&str; 2] = ["trunk", "seat"];

/// In which way one of two is not heard; dead air is of both.
const KINDS: [LapseKind; 2] = [LapseKind::NoPackets, LapseKind::NoVoice];

/// From where nobody stays on the line to where nobody notices anything.
const MOS: &[f64] = &[2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.2, 4.3];

/// Concealed unheard up to one in a hundred, no conversation from one in five on.
const LOSS: &[f64] = &[0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];

/// Seconds: a wire, a good wireless network, the most that a jitter buffer bridges.
const JITTER: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];

/// Seconds: one building, one country, another continent; from 0.3 on people talk into each other.
const ROUND_TRIP: &[f64] = &[0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5];

#[cfg(test)]
mod tests {
    use base::Cause;
    use history::Quality;

    use super::*;

    fn leg(trunk: Option<&str>, quality: Option<&Quality>) -> LegRow {
        LegRow {
            seat: None,
            trunk: trunk.map(Into::into),
            began_ms: 0,
            rang_ms: None,
            answered_ms: None,
            ended_ms: 1,
            cause: Cause::CallerHungUp,
            q850: None,
            quality: quality.copied(),
            lapses: Vec::new(),
        }
    }

    #[test]
    fn each_direction_of_each_kind_of_leg_is_counted_by_itself() {
        let sounds = Sounds::default();
        let quality = Quality {
            received: 990,
            lost: 10,
            jitter_ms: 4.0,
            mos: Some(4.25),
            peer_mos: Some(3.1),
            peer_loss: Some(0.15),
            peer_jitter_ms: Some(30.0),
            round_trip_ms: Some(80.0),
            ..Quality::default()
        };
        sounds.leg_ended(&leg(Some("local"), Some(&quality)));
        sounds.leg_ended(&leg(None, Some(&Quality { mos: Some(f64::NAN), ..Quality::default() })));
        sounds.leg_ended(&leg(None, None));
        let mut text = String::new();
        sounds.write(&mut text);
        for line in [
            r#"pbx_leg_mos_bucket{side="trunk",direction="received",le="4.2"} 0"#,
            r#"pbx_leg_mos_bucket{side="trunk",direction="received",le="4.3"} 1"#,
            r#"pbx_leg_mos_bucket{side="trunk",direction="sent",le="3.5"} 1"#,
            r#"pbx_leg_mos_sum{side="trunk",direction="sent"} 3.1"#,
            r#"pbx_leg_loss_ratio_bucket{side="trunk",direction="received",le="0.005"} 0"#,
            r#"pbx_leg_loss_ratio_bucket{side="trunk",direction="received",le="0.01"} 1"#,
            r#"pbx_leg_loss_ratio_bucket{side="trunk",direction="sent",le="0.1"} 0"#,
            r#"pbx_leg_jitter_seconds_bucket{side="trunk",direction="received",le="0.005"} 1"#,
            r#"pbx_leg_jitter_seconds_count{side="trunk",direction="sent"} 1"#,
            r#"pbx_leg_round_trip_seconds_bucket{side="trunk",le="0.1"} 1"#,
            r#"pbx_leg_round_trip_seconds_bucket{side="trunk",le="+Inf"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("pbx_leg_mos_count{side=\"seat\"") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn who_is_not_heard_is_counted_by_side_and_kind() {
        let sounds = Sounds::default();
        sounds.unheard(true, LapseKind::NoPackets);
        sounds.unheard(true, LapseKind::NoPackets);
        sounds.unheard(false, LapseKind::NoVoice);
        sounds.unheard(false, LapseKind::DeadAir);
        let mut text = String::new();
        sounds.write(&mut text);
        for line in [
            r#"pbx_one_way_audio_total{side="seat",kind="no_packets"} 2"#,
            r#"pbx_one_way_audio_total{side="seat",kind="no_voice"} 0"#,
            r#"pbx_one_way_audio_total{side="trunk",kind="no_voice"} 1"#,
            "pbx_dead_air_total 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
