//! RTCP: what we say of the peer, what the peer says of us, and what the call record keeps.

use super::*;
use crate::reception::Reported;
use crate::rtcp::{self, Block, Compound, Told};

fn reports(bed: &mut Bed, leg: LegId) -> Vec<(Sent, Told)> {
    let (ours, rest): (Vec<_>, Vec<_>) = bed
        .heard
        .sent
        .drain(..)
        .partition(|sent| sent.leg == leg && (sent.port == Port::Rtcp || rtp::is_rtcp(&sent.bytes)));
    bed.heard.sent = rest;
    ours.into_iter()
        .map(|sent| (sent.clone(), rtcp::read(&sent.bytes, 77 + leg.as_u64() as u32).unwrap()))
        .collect()
}

#[test]
fn reports_come_about_every_five_seconds_and_a_goodbye_at_the_end() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    for n in 0..3000 {
        if n % 10 != 0 {
            bed.speak(&mut caller, &frame(n));
        } else {
            caller.audio(&frame(n));
        }
        bed.pass(FRAME);
    }
    bed.close(CALLER);
    let reports = reports(&mut bed, CALLER);
    assert!((10..=24).contains(&reports.len()), "{}", reports.len());
    for pair in reports[..reports.len() - 1].windows(2) {
        let apart = pair[1].0.at.since(pair[0].0.at);
        assert!((2500..=7500).contains(&apart.as_millis()), "{apart:?}");
    }
    let (sent, last) = reports.last().unwrap();
    assert_eq!((sent.to, sent.port), (caller.stream.remote_rtcp, Port::Rtcp));
    assert!(last.bye && !reports[0].1.bye);
    let (_, before) = &reports[reports.len() - 2];
    let read = rtcp::read(&reports[reports.len() - 2].0.bytes, caller.ssrc).unwrap();
    assert_eq!(before.ssrc, 0x1000 + CALLER.as_u64() as u32);
    let reported = read.block.unwrap().reported;
    assert!((24..=27).contains(&reported.fraction), "a tenth of 256: {}", reported.fraction);
}

#[test]
fn a_sender_report_counts_and_keeps_the_clock_of_the_stream() {
    let mut bed = Bed::new();
    let phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.agree(&phone);
    bed.pass(Duration::from_secs(20));
    let reports = reports(&mut bed, CALLER);
    let heard = bed.rtp(CALLER);
    for (sent, told) in &reports {
        let said = told.sent.unwrap();
        let before = heard.iter().filter(|packet| packet.at <= sent.at);
        assert_eq!(u64::from(said.packets), before.clone().count() as u64);
        assert_eq!(said.octets, said.packets * 160);
        let last = before.max_by_key(|packet| packet.at).unwrap();
        let since = sent.at.since(last.at).as_micros() as u32 / 125;
        assert!(said.timestamp.wrapping_sub(last.timestamp).abs_diff(since) <= 1);
    }
    let seconds = |ntp: u64| ntp as f64 / 2f64.powi(32);
    let (first, last) = (&reports[0], reports.last().unwrap());
    let apart = seconds(last.1.sent.unwrap().ntp) - seconds(first.1.sent.unwrap().ntp);
    assert!((apart - last.0.at.since(first.0.at).as_secs_f64()).abs() < 0.001);
    // 2026-10-12T02:00:00Z, and whole seconds from there (RFC 3550 §4 counts from 1900).
    let opened = Mono::ZERO + Duration::from_millis(1234);
    let wanted = 1_791_770_400 + 2_208_988_800 + first.0.at.since(opened).as_secs();
    assert_eq!(first.1.sent.unwrap().ntp >> 32, wanted);
}

#[test]
fn who_hears_nothing_from_us_gets_a_receiver_report() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    phone.stream.direction = Direction::ReceiveOnly;
    bed.agree(&phone);
    bed.speak(&mut phone, &frame(1));
    bed.pass(Duration::from_secs(20));
    let silent = reports(&mut bed, CALLER);
    assert!(silent.len() >= 3 && silent.iter().all(|(_, told)| told.sent.is_none()));
    phone.stream.direction = Direction::Both;
    bed.command(Command::Agree { leg: CALLER, stream: phone.stream.clone() });
    bed.pass(Duration::from_secs(10));
    assert!(reports(&mut bed, CALLER).last().unwrap().1.sent.is_some());
}

#[test]
fn the_peers_report_gives_loss_jitter_and_round_trip() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    bed.speak(&mut caller, &frame(1));
    bed.command(Command::Unbridge { a: CALLER, b: SEAT });
    bed.pass(Duration::from_secs(20));
    let (sent, told) = reports(&mut bed, CALLER).pop().unwrap();
    let count = bed.rtp(CALLER).len() as f32;
    let passed = bed.now.mono.since(sent.at);
    bed.pass(Duration::from_millis(30));
    let delay = (passed.as_secs_f64() * 65_536.0) as u32;
    let reported = Reported { ssrc: told.ssrc, fraction: 0, lost: 100, highest: 1, jitter: 80 };
    let block = Block { reported, last_report: (told.sent.unwrap().ntp >> 16) as u32, delay };
    let report = Compound::report(caller.ssrc, "peer", None, Some(block));
    bed.receive(CALLER, Port::Rtcp, address("192.0.2.66:1"), report.as_bytes());
    bed.receive(CALLER, Port::Rtp, caller.stream.remote_rtcp, report.as_bytes());
    bed.receive(CALLER, Port::Rtcp, caller.stream.remote_rtcp, report.as_bytes());
    let quality = bed.close(CALLER);
    assert_eq!(quality.dropped, 2, "an attacker's, and one on the wrong port");
    assert_eq!(quality.peer_jitter_ms, Some(10.0));
    assert!((quality.round_trip_ms.unwrap() - 30.0).abs() < 0.5, "{quality:?}");
    assert!((quality.peer_loss.unwrap() - 100.0 / count).abs() < 0.01, "{quality:?}");
}

#[test]
fn multiplexed_rtcp_uses_the_rtp_port_both_ways() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    phone.stream.rtcp_mux = true;
    phone.stream.remote_rtcp = phone.address;
    bed.agree(&phone);
    bed.speak(&mut phone, &frame(1));
    let report = Compound::report(phone.ssrc, "peer", None, None);
    bed.receive(CALLER, Port::Rtp, phone.address, report.as_bytes());
    bed.receive(CALLER, Port::Rtcp, phone.address, report.as_bytes());
    bed.pass(Duration::from_secs(10));
    let reports = reports(&mut bed, CALLER);
    assert!(!reports.is_empty());
    assert!(reports.iter().all(|(sent, _)| sent.port == Port::Rtp && sent.to == phone.address));
    assert_eq!(bed.close(CALLER).dropped, 1);
}

#[test]
fn rtcp_follows_the_peer_through_its_nat() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "10.0.0.5:4000", Law::A);
    phone.stream.signalling = ip("198.51.100.1");
    phone.address = address("198.51.100.1:50000");
    bed.agree(&phone);
    bed.speak(&mut phone, &frame(1));
    let report = Compound::report(phone.ssrc, "peer", None, None);
    bed.receive(CALLER, Port::Rtcp, address("198.51.100.1:60000"), b"no report at all");
    bed.receive(CALLER, Port::Rtcp, address("198.51.100.1:50001"), report.as_bytes());
    bed.pass(Duration::from_secs(10));
    assert!(reports(&mut bed, CALLER).iter().all(|(sent, _)| sent.to == address("198.51.100.1:50001")));
}

#[test]
fn a_step_of_the_wall_clock_spoils_no_report() {
    let mut bed = Bed::new();
    bed.agree(&Phone::new(CALLER, "198.51.100.1:4000", Law::A));
    bed.pass(Duration::from_secs(10));
    bed.now.wall = "2028-01-01T00:00:00Z".parse().unwrap();
    bed.pass(Duration::from_secs(10));
    let stamps: Vec<u64> = reports(&mut bed, CALLER)
        .iter()
        .filter_map(|(_, told)| told.sent)
        .map(|sent| sent.ntp >> 32)
        .collect();
    assert!(stamps.last().unwrap() - stamps[0] < 20, "{stamps:?}");
}

#[test]
fn what_came_whole_sounds_well_and_what_came_in_pieces_badly() {
    let heard = |lost: fn(u64) -> bool| {
        let (mut bed, mut caller, _) = Bed::talking(Law::A);
        for n in 0..1000 {
            let bytes = caller.audio(&frame(n));
            if !lost(n) {
                bed.receive(CALLER, Port::Rtp, caller.address, &bytes);
            }
            bed.pass(FRAME);
        }
        bed.close(CALLER).mos.unwrap()
    };
    let (whole, single, bursts) = (heard(|_| false), heard(|n| n % 20 == 7), heard(|n| n % 100 < 5));
    assert!(whole > 4.3, "{whole}");
    // Five in a hundred are lost either way; in a row they are concealed less well.
    assert!((3.4..4.2).contains(&single) && bursts < single, "{single} {bursts}");
}
