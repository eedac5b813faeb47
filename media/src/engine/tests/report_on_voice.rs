//! RTCP XR: what we say of the peer's voice where that was agreed on, and what the peer says of ours.

use super::*;
use crate::rtcp::{self, Block, Compound, Voip};

/// A leg on which reports on voice were agreed on, or not, with RTCP on the port of RTP or on its own.
fn leg(xr: bool, mux: bool) -> (Bed, Phone) {
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    (phone.stream.xr, phone.stream.rtcp_mux) = (xr, mux);
    if mux {
        phone.stream.remote_rtcp = phone.address;
    }
    bed.agree(&phone);
    (bed, phone)
}

/// Our compounds, and what they say of the peer's stream.
fn ours(bed: &mut Bed, phone: &Phone) -> Vec<(Sent, Option<Voip>)> {
    let sent = std::mem::take(&mut bed.heard.sent);
    let control = sent.into_iter().filter(|sent| rtp::is_rtcp(&sent.bytes));
    control.map(|sent| (sent.clone(), rtcp::read(&sent.bytes, phone.ssrc).unwrap().voip)).collect()
}

fn control(phone: &Phone) -> (Port, SocketAddr) {
    let port = if phone.stream.rtcp_mux { Port::Rtp } else { Port::Rtcp };
    (port, phone.stream.remote_rtcp)
}

fn voip(ssrc: u32) -> Voip {
    Voip {
        ssrc,
        loss_rate: 26,
        discard_rate: 5,
        burst_density: 128,
        gap_density: 2,
        burst_ms: 240,
        gap_ms: 4000,
        round_trip_ms: 90,
        end_system_ms: 70,
        signal_dbm0: Some(-21),
        noise_dbm0: Some(-62),
        gap_least: 16,
        r: Some(71),
        mos_listening: Some(37),
        mos_conversation: Some(36),
        concealed: Some(true),
        adaptive: Some(true),
        buffer_ms: 60,
        buffer_most_ms: 90,
        buffer_limit_ms: 200,
    }
}

#[test]
fn where_it_was_agreed_on_each_report_says_how_the_voice_came_through() {
    for mux in [false, true] {
        let (mut bed, mut phone) = leg(true, mux);
        let tone: Vec<u8> = (0..160)
            .map(|n| Law::A.encode((3277.0 * (std::f64::consts::TAU * f64::from(n) / 16.0).sin()) as i16))
            .collect();
        for n in 0..1000 {
            let bytes = phone.audio(&tone);
            // Five in a row of each hundred are lost.
            if n % 100 >= 5 || n < 5 {
                bed.receive(CALLER, Port::Rtp, phone.address, &bytes);
            }
            bed.pass(FRAME);
        }
        bed.close(CALLER);
        let reports = ours(&mut bed, &phone);
        let (port, to) = control(&phone);
        assert!(reports.len() >= 3 && reports.iter().all(|(sent, _)| (sent.port, sent.to) == (port, to)));
        assert!(reports.iter().all(|(_, voip)| voip.is_some()));
        let last = reports.last().unwrap().1.unwrap();
        // 45 of 1000 in 256ths, and all of them in bursts of five packets of 20 ms.
        assert_eq!((last.loss_rate, last.discard_rate, last.burst_density), (11, 0, 255));
        assert_eq!((last.burst_ms, last.gap_density, last.round_trip_ms), (100, 0, 0));
        // A tenth of full scale: -23 dBov, -17 dBm0.
        assert_eq!((last.signal_dbm0, last.noise_dbm0), (Some(-17), None));
        assert!((60..80).contains(&last.r.unwrap()), "{last:?}");
        assert!(last.mos_conversation <= last.mos_listening && last.adaptive.is_none());
    }
}

#[test]
fn who_did_not_agree_gets_none_and_so_does_who_sent_nothing() {
    let (mut bed, mut phone) = leg(false, true);
    for n in 0..500 {
        bed.speak(&mut phone, &frame(n));
        bed.pass(FRAME);
    }
    let reports = ours(&mut bed, &phone);
    assert!(!reports.is_empty() && reports.iter().all(|(_, voip)| voip.is_none()));
    let (mut bed, phone) = leg(true, true);
    bed.pass(Duration::from_secs(20));
    assert!(ours(&mut bed, &phone).iter().all(|(_, voip)| voip.is_none()));
}

#[test]
fn what_the_peer_says_of_its_hearing_is_better_than_what_we_guess() {
    for mux in [false, true] {
        let rated = |voip: Option<Voip>| {
            let (mut bed, mut phone) = leg(true, mux);
            bed.speak(&mut phone, &frame(1));
            bed.pass(Duration::from_secs(10));
            let ssrc = 0x1000 + CALLER.as_u64() as u32;
            let reported = crate::reception::Reported { ssrc, fraction: 0, lost: 0, highest: 500, jitter: 8 };
            let block = Block { reported, last_report: 0, delay: 0 };
            let mut report = Compound::report(phone.ssrc, "peer", None, Some(block));
            if let Some(voip) = voip {
                report = report.measured(phone.ssrc, &voip);
            }
            let (port, from) = control(&phone);
            bed.receive(CALLER, port, from, report.as_bytes());
            // Of somebody else's stream; and a later report without one does not unsay it.
            let other = Compound::report(phone.ssrc, "peer", None, None).measured(phone.ssrc, &self::voip(5));
            bed.receive(CALLER, port, from, other.as_bytes());
            let quality = bed.close(CALLER);
            assert_eq!((quality.dropped, quality.peer_report), (0, voip));
            quality
        };
        let ours = voip(0x1000 + CALLER.as_u64() as u32);
        assert!(rated(None).peer_mos.unwrap() > 4.3, "nothing was lost");
        let told = rated(Some(ours));
        assert_eq!((told.peer_mos, told.round_trip_ms), (Some(3.6), Some(90.0)));
        // One that rates nothing is rated by what it lost: a tenth, and an eightieth too late.
        let silent = Voip { r: None, mos_listening: None, mos_conversation: None, ..ours };
        assert!((3.0..4.0).contains(&rated(Some(silent)).peer_mos.unwrap()));
        let by_r = Voip { r: Some(50), ..silent };
        assert!((2.5..2.7).contains(&rated(Some(by_r)).peer_mos.unwrap()));
    }
}

#[test]
fn lies_in_a_compound_are_refused_and_counted() {
    for mux in [false, true] {
        let (mut bed, mut phone) = leg(true, mux);
        bed.speak(&mut phone, &frame(1));
        let ssrc = 0x1000 + CALLER.as_u64() as u32;
        let honest = Compound::report(phone.ssrc, "peer", None, None)
            .measured(phone.ssrc, &voip(ssrc))
            .leaving(phone.ssrc);
        let honest = honest.as_bytes();
        let extended = (4..honest.len()).step_by(4).find(|&at| honest[at + 1] == 207).unwrap();
        let (port, from) = control(&phone);
        let lies: &[(usize, u8)] = &[
            (0, 0x41),             // version
            (0, 0xa0),             // padding on the first
            (0, 0x9f),             // 31 blocks where there is none
            (1, 202),              // no report first
            (2, 0xff),             // longer than the datagram
            (3, 0),                // shorter than it is
            (extended + 3, 200),   // the extended report longer than the datagram
            (extended + 3, 9),     // and shorter than its block
            (extended + 11, 200),  // its block longer than the report
            (extended + 11, 0),    // and shorter than it is
            (honest.len() - 5, 9), // the goodbye longer than the datagram
        ];
        for &(at, value) in lies {
            let mut lie = honest.to_vec();
            lie[at] = value;
            bed.receive(CALLER, port, from, &lie);
        }
        for len in [1, 3, 5, 7, 9, honest.len() - 1, honest.len() - 3] {
            bed.receive(CALLER, port, from, &honest[..len]);
        }
        let told = bed.told();
        assert!(told.iter().all(|event| matches!(event, Event::Latched { .. })), "{told:?}");
        let quality = bed.close(CALLER);
        assert_eq!((quality.peer_report, quality.peer_mos), (None, None));
        assert_eq!(quality.dropped, lies.len() as u64 + 7, "mux {mux}");
    }
}
