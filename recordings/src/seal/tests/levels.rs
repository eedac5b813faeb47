//! What is told of how loud a recording is, against signals whose level is known.

use base::g711::Law;

use super::*;
use crate::facts::Kind;
use crate::spool::PacketRecord;

/// A side's packets of 20 ms: a sine of `amplitude` of full scale where `speaks` says so, else silence.
fn tone(side: Side, amplitude: f64, packets: u16, speaks: impl Fn(u16) -> bool) -> Vec<PacketRecord> {
    (0..packets)
        .map(|index| {
            let sample = |n: u64| {
                let turn = (u64::from(index) * 160 + n) as f64 / 8.0;
                let wave = amplitude * 32_768.0 * (turn * std::f64::consts::TAU).sin();
                if speaks(index) { wave.clamp(-32_768.0, 32_767.0) as i16 } else { 0 }
            };
            let payload = (0..160).map(|n| Law::A.encode(sample(n))).collect();
            PacketRecord { payload, ..Sent::nth(side, 0, index).record() }
        })
        .collect()
}

fn levels_of(kind: Kind, packets: Vec<Vec<PacketRecord>>) -> Sealed {
    let folder = tempfile::tempdir().unwrap();
    let facts = Facts { kind, ..facts(1) };
    let mut packets: Vec<PacketRecord> = packets.into_iter().flatten().collect();
    packets.sort_by_key(|packet| packet.arrival_us);
    let mut spool = SpoolWriter::create(folder.path(), &facts).unwrap();
    for packet in &packets {
        spool.append(packet).unwrap();
    }
    spool.end(packets.last().unwrap().arrival_us + 20_000, facts.started).unwrap();
    seal(folder.path(), facts.recording).unwrap()
}

fn near(found: Option<f64>, expected: f64) {
    assert!(found.is_some_and(|found| (found - expected).abs() < 0.3), "{found:?}, not {expected}");
}

#[test]
fn a_tone_has_its_level_its_peak_and_its_pauses() {
    // 1 kHz at a tenth of full scale: -23.0 dBov; its samples at 45 degrees come to the peak itself.
    let caller = tone(Side::Caller, 0.1, 500, |index| index % 4 == 0);
    let seat = tone(Side::Seat, 0.5, 500, |_| true);
    let sealed = levels_of(Kind::Call, vec![caller, seat]);
    near(sealed.caller_levels.speech_dbov, -23.0);
    near(sealed.caller_levels.peak_dbov, -20.0);
    near(sealed.seat_levels.speech_dbov, -9.0);
    assert!((sealed.caller_levels.silence - 0.75).abs() < 0.01, "{:?}", sealed.caller_levels);
    assert!(sealed.seat_levels.silence < 0.01 && sealed.seat_levels.clipped < f64::EPSILON);
    for levels in [sealed.caller_levels, sealed.seat_levels] {
        assert_eq!(levels.fault(sealed.duration), None);
    }
}

#[test]
fn what_is_cut_off_is_told_and_so_is_who_is_not_heard() {
    let caller = tone(Side::Caller, 2.0, 300, |_| true);
    let seat = tone(Side::Seat, 0.5, 300, |_| false);
    let sealed = levels_of(Kind::Call, vec![caller, seat]);
    assert!(sealed.caller_levels.clipped > 0.4, "{:?}", sealed.caller_levels);
    assert_eq!(sealed.caller_levels.fault(sealed.duration), Some("clipped"));
    assert_eq!(sealed.seat_levels.speech_dbov, None);
    assert!((sealed.seat_levels.silence - 1.0).abs() < f64::EPSILON);
    assert_eq!(sealed.seat_levels.fault(sealed.duration), Some("empty"));
    // Nobody need have spoken in a second.
    assert_eq!(sealed.seat_levels.fault(Duration::from_secs(1)), None);
}

#[test]
fn who_never_sent_a_packet_is_silent_for_the_whole_file() {
    let sealed = levels_of(Kind::Voicemail, vec![tone(Side::Caller, 0.1, 300, |_| true)]);
    let Levels { speech_dbov, peak_dbov, clipped, silence } = sealed.seat_levels;
    assert_eq!((speech_dbov, peak_dbov), (None, None));
    assert!(clipped < f64::EPSILON && (silence - 1.0).abs() < f64::EPSILON);
    near(sealed.caller_levels.speech_dbov, -23.0);
}
