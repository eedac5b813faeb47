//! Two legs that hear each other, and the recorder that hears both.

use codecs::Coding;

use super::*;
use crate::seam::Side;

/// Both speak `count` frames; `lost` says which of the first's never arrive.
fn talk(bed: &mut Bed, one: &mut Phone, two: &mut Phone, count: u64, lost: impl Fn(u64) -> bool) {
    for n in 0..count {
        let bytes = one.audio(&frame(n));
        if !lost(n) {
            bed.receive(one.leg, Port::Rtp, one.address, &bytes);
        }
        bed.pass(Duration::from_millis(7));
        bed.speak(two, &frame(1000 + n));
        bed.pass(Duration::from_millis(13));
    }
}

#[test]
fn both_hear_each_other_bit_exact_and_at_once() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::A);
    talk(&mut bed, &mut caller, &mut seat, 100, |_| false);
    for (leg, to, first) in [(SEAT, seat.address, 0), (CALLER, caller.address, 1000)] {
        let heard = bed.rtp(leg);
        assert_eq!(heard.len(), 100);
        for (n, packet) in heard.iter().enumerate() {
            assert_eq!(packet.payload, frame(first + n as u64));
            assert_eq!(packet.to, to);
            assert_eq!(packet.marker, n == 0);
            assert_eq!(packet.sequence, heard[0].sequence.wrapping_add(n as u16));
            assert_eq!(packet.timestamp, heard[0].timestamp.wrapping_add(160 * n as u32));
            assert_eq!(packet.ssrc, 0x1000 + leg.as_u64() as u32, "our own source, not the other party's");
        }
    }
}

#[test]
fn what_was_lost_before_us_is_a_hole_after_us_and_the_rest_is_bit_exact() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::A);
    let lost = |n: u64| n % 7 == 3 || (40..60).contains(&n);
    talk(&mut bed, &mut caller, &mut seat, 100, lost);
    let heard = bed.rtp(SEAT);
    let arrived: Vec<u64> = (0..100).filter(|&n| !lost(n)).collect();
    assert_eq!(heard.len(), arrived.len());
    for (packet, &n) in heard.iter().zip(&arrived) {
        assert_eq!(packet.payload, frame(n));
        assert_eq!(packet.sequence, heard[0].sequence.wrapping_add(n as u16));
        assert_eq!(packet.timestamp, heard[0].timestamp.wrapping_add(160 * n as u32));
    }
    let quality = bed.close(CALLER);
    assert_eq!((quality.received, quality.lost), (arrived.len() as u64, 100 - arrived.len() as u64));
}

#[test]
fn reordered_packets_keep_their_own_numbers() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    let packets: Vec<Vec<u8>> = (0..10).map(|n| caller.audio(&frame(n))).collect();
    for n in [0, 1, 3, 2, 4, 6, 7, 5, 8, 9] {
        bed.receive(CALLER, Port::Rtp, caller.address, &packets[n]);
        bed.pass(FRAME);
    }
    let heard = bed.rtp(SEAT);
    assert_eq!(heard.len(), 10);
    for packet in &heard {
        let n = packet.sequence.wrapping_sub(heard[0].sequence);
        assert_eq!(packet.payload, frame(u64::from(n)));
        assert_eq!(packet.timestamp, heard[0].timestamp.wrapping_add(160 * u32::from(n)));
    }
}

#[test]
fn a_law_and_mu_law_are_recoded_by_table_both_ways() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::Mu);
    talk(&mut bed, &mut caller, &mut seat, 20, |_| false);
    let recoded = |law: Law, n: u64| frame(n).iter().map(|&byte| law.to_other(byte)).collect::<Vec<u8>>();
    for (n, packet) in bed.rtp(SEAT).iter().enumerate() {
        assert_eq!((packet.payload_type, &packet.payload), (0, &recoded(Law::A, n as u64)));
    }
    for (n, packet) in bed.rtp(CALLER).iter().enumerate() {
        assert_eq!((packet.payload_type, &packet.payload), (8, &recoded(Law::Mu, 1000 + n as u64)));
    }
}

#[test]
fn the_recorder_gets_every_packet_as_it_came_and_nothing_else() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::Mu);
    bed.speak(&mut caller, &frame(500));
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    let begun = (caller.sequence, seat.sequence);
    talk(&mut bed, &mut caller, &mut seat, 30, |n| n == 4);
    bed.command(Command::Untap { recording: recording() });
    talk(&mut bed, &mut caller, &mut seat, 3, |_| false);
    let of = |side: Side| bed.heard.tapped.iter().filter(move |packet| packet.side == side);
    let left: Vec<_> = of(Side::Caller).collect();
    assert_eq!((left.len(), of(Side::Seat).count()), (29, 30));
    for packet in left {
        let n = packet.sequence.wrapping_sub(begun.0);
        assert_eq!((packet.bytes(), packet.coding), (&frame(u64::from(n))[..], Coding::Pcma));
        assert_eq!((packet.ssrc, packet.recording), (caller.ssrc, recording()));
    }
    for packet in of(Side::Seat) {
        let n = packet.sequence.wrapping_sub(begun.1);
        assert_eq!((packet.bytes(), packet.coding), (&frame(1000 + u64::from(n))[..], Coding::Pcmu));
    }
}

#[test]
fn a_recording_goes_on_with_another_seat() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::A);
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    let mut second = Phone::new(LegId::placed(2), "203.0.113.3:7000", Law::A);
    bed.agree(&second);
    bed.command(Command::Bridge { a: CALLER, b: second.leg });
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: second.leg });
    bed.speak(&mut caller, &frame(1));
    bed.speak(&mut seat, &frame(2));
    bed.speak(&mut second, &frame(3));
    let tapped: Vec<_> =
        bed.heard.tapped.iter().map(|packet| (packet.side, packet.bytes().to_vec())).collect();
    assert_eq!(tapped, [(Side::Caller, frame(1)), (Side::Seat, frame(3))]);
    let heard: Vec<_> = bed.rtp(CALLER).into_iter().map(|packet| packet.payload).collect();
    assert!(!heard.contains(&frame(2)) && heard.contains(&frame(3)), "the first seat was parted");
}

#[test]
fn bridging_ends_ringback_and_a_later_prompt_is_heard_instead_of_the_other() {
    let (mut bed, _, mut seat) = Bed::talking(Law::A);
    bed.command(Command::Unbridge { a: SEAT, b: CALLER });
    bed.ring(CALLER);
    bed.pass(Duration::from_millis(100));
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    bed.rtp(CALLER);
    bed.pass(Duration::from_millis(200));
    assert_eq!(bed.rtp(CALLER), []);
    bed.play(CALLER, "menu", 7);
    for n in 0..10 {
        bed.speak(&mut seat, &frame(n));
        bed.pass(FRAME);
    }
    let heard = bed.rtp(CALLER);
    let audio: Vec<u8> = heard.iter().flat_map(|packet| packet.payload.clone()).collect();
    assert_eq!(audio[..333], prompt(333).pcma[..]);
    assert_eq!(heard.last().unwrap().payload, frame(9));
    assert!(bed.told().contains(&Event::Played { leg: CALLER, token: 7 }));
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) >= 160);
    }
}

#[test]
fn hold_stops_the_audio_one_way_and_resume_brings_it_back() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::A);
    talk(&mut bed, &mut caller, &mut seat, 10, |_| false);
    seat.stream.direction = Direction::ReceiveOnly;
    bed.command(Command::Agree { leg: SEAT, stream: seat.stream.clone() });
    bed.heard.sent.clear();
    talk(&mut bed, &mut caller, &mut seat, 10, |_| false);
    assert_eq!((bed.rtp(SEAT).len(), bed.rtp(CALLER).len()), (0, 10));
    seat.stream.direction = Direction::Inactive;
    bed.command(Command::Agree { leg: SEAT, stream: seat.stream.clone() });
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    talk(&mut bed, &mut caller, &mut seat, 10, |_| false);
    assert_eq!((bed.rtp(SEAT).len(), bed.rtp(CALLER).len()), (0, 0));
    assert!(bed.heard.tapped.iter().all(|packet| packet.side == Side::Caller));
    seat.stream.direction = Direction::Both;
    bed.command(Command::Agree { leg: SEAT, stream: seat.stream.clone() });
    talk(&mut bed, &mut caller, &mut seat, 10, |_| false);
    let heard = bed.rtp(SEAT);
    assert_eq!((heard.len(), bed.rtp(CALLER).len()), (10, 10));
    assert!(heard[0].marker);
}

#[test]
fn a_peer_that_starts_a_new_stream_is_heard_on_in_ours() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::A);
    talk(&mut bed, &mut caller, &mut seat, 10, |_| false);
    (caller.ssrc, caller.sequence, caller.timestamp) = (4242, 9, 99);
    talk(&mut bed, &mut caller, &mut seat, 10, |_| false);
    let heard = bed.rtp(SEAT);
    // The first packet of the new source waits to be confirmed and is not heard.
    assert_eq!(heard.len(), 19);
    assert!(heard[10].marker);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
        assert!((160..=480).contains(&pair[1].timestamp.wrapping_sub(pair[0].timestamp)));
    }
}

#[test]
fn closing_one_leg_gives_the_other_silence_at_once() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::A);
    talk(&mut bed, &mut caller, &mut seat, 10, |_| false);
    bed.close(SEAT);
    bed.heard.sent.clear();
    bed.pass(Duration::from_millis(100));
    let heard = bed.rtp(CALLER);
    assert!(heard.len() >= 5 && heard.iter().all(|packet| packet.payload == [0xd5; 160]));
}

#[test]
fn an_overlong_packet_is_relayed_whole_and_cut_for_the_recorder() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    bed.speak(&mut caller, &[7; 800]);
    assert_eq!(bed.rtp(SEAT)[0].payload, [7; 800]);
    assert_eq!(bed.heard.tapped[0].bytes(), [7; 480]);
    assert_eq!(bed.close(CALLER).dropped, 1, "the cut is counted");
}
