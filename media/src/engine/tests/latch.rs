//! Who may be heard: NATs that move and attackers that try.

use super::*;

/// An attacker's stream: right payload type, its own numbers.
fn attacker() -> Phone {
    let mut attacker = Phone::new(CALLER, "192.0.2.66:9999", Law::A);
    attacker.ssrc = 666;
    attacker.sequence = 1;
    attacker
}

fn evil() -> Vec<u8> {
    vec![0x66; 160]
}

/// None of the attacker's packets was relayed, recorded or answered.
fn unharmed(bed: &Bed) {
    assert!(!bed.heard.sent.iter().any(|sent| sent.bytes.ends_with(&evil())), "relayed");
    assert!(!bed.heard.tapped.iter().any(|packet| packet.bytes() == evil()), "recorded");
    assert!(!bed.heard.sent.iter().any(|sent| sent.to.ip() == ip("192.0.2.66")), "sent to the attacker");
}

fn tapped() -> (Bed, Phone, Phone) {
    let (mut bed, caller, seat) = Bed::talking(Law::A);
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    (bed, caller, seat)
}

#[test]
fn media_goes_to_the_sdp_address_until_the_peer_is_heard() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.agree(&phone);
    bed.pass(Duration::from_millis(100));
    assert!(bed.rtp(CALLER).iter().all(|packet| packet.to == phone.address));
    // It speaks from another port of the address that signals: behind a NAT.
    phone.address = address("198.51.100.1:50123");
    bed.speak(&mut phone, &frame(1));
    assert_eq!(bed.told(), [Event::Latched { leg: CALLER, source: phone.address }]);
    bed.pass(Duration::from_millis(100));
    assert!(bed.rtp(CALLER).iter().all(|packet| packet.to == phone.address));
}

#[test]
fn an_attacker_before_the_peer_is_neither_heard_nor_answered() {
    let (mut bed, mut caller, _) = tapped();
    let mut attacker = attacker();
    // Most of a second, in which the peer opens its sound card.
    for _ in 0..49 {
        bed.speak(&mut attacker, &evil());
        bed.pass(FRAME);
    }
    bed.speak(&mut caller, &frame(1));
    for n in 0..20 {
        bed.speak(&mut attacker, &evil());
        bed.speak(&mut caller, &frame(n));
        bed.pass(FRAME);
    }
    unharmed(&bed);
    assert_eq!(bed.rtp(SEAT).len(), 21);
    assert_eq!(bed.close(CALLER).dropped, 69);
}

#[test]
fn an_attacker_with_flipping_numbers_never_passes_probation() {
    let (mut bed, _, _) = tapped();
    let mut attacker = attacker();
    for n in 0..100u32 {
        match n % 3 {
            0 => attacker.ssrc += 1,
            1 => attacker.sequence = attacker.sequence.wrapping_add(2),
            _ => attacker.timestamp = attacker.timestamp.wrapping_sub(1000),
        }
        bed.speak(&mut attacker, &evil());
        bed.pass(FRAME);
    }
    unharmed(&bed);
}

#[test]
fn an_unknown_source_passes_with_eight_packets_between_the_first_and_the_third_second() {
    for (from, first) in [(0, 50), (1_500, 7)] {
        let (mut bed, _, _) = Bed::talking(Law::A);
        let mut gateway = Phone::new(CALLER, "192.0.2.200:7000", Law::A);
        bed.pass(Duration::from_millis(from));
        for n in 0..first + 3 {
            bed.speak(&mut gateway, &frame(n));
            bed.pass(FRAME);
        }
        let heard: Vec<_> = bed.rtp(SEAT).into_iter().map(|packet| packet.payload).collect();
        assert_eq!(heard, [frame(first), frame(first + 1), frame(first + 2)]);
    }

    let (mut bed, _, _) = Bed::talking(Law::A);
    let mut gateway = Phone::new(CALLER, "192.0.2.200:7000", Law::A);
    bed.pass(Duration::from_millis(3001));
    for n in 0..50 {
        bed.speak(&mut gateway, &frame(n));
        bed.pass(FRAME);
    }
    assert_eq!(bed.rtp(SEAT), []);
}

#[test]
fn who_passed_unknown_is_heard_until_the_peer_is() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    let mut stranger = attacker();
    for _ in 0..60 {
        bed.speak(&mut stranger, &frame(1));
        bed.pass(FRAME);
    }
    assert!(bed.told().contains(&Event::Latched { leg: CALLER, source: stranger.address }));
    bed.rtp(SEAT);
    // From another port of the address that signals.
    caller.address.set_port(50_123);
    for n in 0..5 {
        bed.speak(&mut caller, &frame(100 + n));
        bed.speak(&mut stranger, &frame(1));
        bed.pass(FRAME);
    }
    assert_eq!(bed.told(), [Event::Latched { leg: CALLER, source: caller.address }]);
    let heard: Vec<_> = bed.rtp(SEAT).into_iter().map(|packet| packet.payload).collect();
    // Of another SSRC the first packet is no stream yet.
    assert_eq!(heard, (101..105).map(frame).collect::<Vec<_>>());
}

#[test]
fn five_unknown_sources_at_once_do_not_push_out_the_honest_one() {
    let (mut bed, mut caller, _) = tapped();
    let mut attackers: Vec<Phone> = (0..9).map(|_| attacker()).collect();
    for (n, attacker) in attackers.iter_mut().enumerate() {
        attacker.address.set_port(10_000 + n as u16);
        for _ in 0..7 {
            bed.speak(attacker, &evil());
        }
    }
    bed.speak(&mut caller, &frame(1));
    unharmed(&bed);
    assert_eq!(bed.rtp(SEAT).len(), 1);
}

#[test]
fn an_attacker_during_and_after_the_call_is_never_heard() {
    let (mut bed, mut caller, _) = tapped();
    let mut attacker = attacker();
    for n in 0..50 {
        bed.speak(&mut caller, &frame(n));
        bed.speak(&mut attacker, &evil());
        bed.pass(FRAME);
    }
    // The peer falls silent for good; the attacker goes on, within a new agreement too.
    for n in 0..500 {
        if n == 100 {
            bed.command(Command::Agree { leg: CALLER, stream: caller.stream.clone() });
        }
        bed.speak(&mut attacker, &evil());
        bed.pass(FRAME);
    }
    unharmed(&bed);
}

#[test]
fn an_attacker_who_guesses_the_ssrc_still_lacks_the_sequence() {
    let (mut bed, mut caller, _) = tapped();
    for n in 0..50 {
        bed.speak(&mut caller, &frame(n));
        bed.pass(FRAME);
    }
    let mut attacker = attacker();
    attacker.ssrc = caller.ssrc;
    bed.pass(Duration::from_millis(400));
    for sequence in [caller.sequence.wrapping_add(2000), caller.sequence.wrapping_sub(50)] {
        attacker.sequence = sequence;
        attacker.timestamp = caller.timestamp;
        for _ in 0..20 {
            bed.speak(&mut attacker, &evil());
        }
    }
    attacker.sequence = caller.sequence;
    attacker.timestamp = caller.timestamp.wrapping_add(80_000);
    bed.speak(&mut attacker, &evil());
    unharmed(&bed);
}

#[test]
fn a_nat_that_moves_heals_within_half_a_second_both_ways() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::A);
    for n in 0..100 {
        bed.speak(&mut caller, &frame(n));
        bed.speak(&mut seat, &frame(n));
        bed.pass(FRAME);
    }
    bed.rtp(SEAT);
    bed.told();
    let moved = bed.now.mono;
    caller.address = address("198.51.100.99:61000");
    for n in 0..50 {
        bed.speak(&mut caller, &frame(n));
        bed.speak(&mut seat, &frame(n));
        bed.pass(FRAME);
    }
    assert_eq!(bed.told(), [Event::Latched { leg: CALLER, source: caller.address }]);
    let first = bed.rtp(SEAT).first().unwrap().at;
    assert!(first.since(moved) <= Duration::from_millis(500), "{:?}", first.since(moved));
    let back = bed.rtp(CALLER).into_iter().find(|packet| packet.to == caller.address).unwrap();
    assert!(back.at.since(moved) <= Duration::from_millis(500));
    let quality = bed.close(CALLER);
    assert_eq!(quality.lost, quality.dropped, "the packets refused meanwhile count as lost, once");
}

#[test]
fn a_nat_that_moves_is_not_followed_while_the_old_source_speaks() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    let mut copy = caller.clone();
    copy.address = address("192.0.2.66:9999");
    for n in 0..100 {
        bed.speak(&mut caller, &frame(n));
        copy.sequence = caller.sequence;
        copy.timestamp = caller.timestamp;
        bed.speak(&mut copy, &evil());
        bed.pass(FRAME);
    }
    unharmed(&bed);
}

#[test]
fn a_peer_that_moves_by_sdp_is_followed_and_its_old_packets_do_not_hold_it_back() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    for n in 0..10 {
        bed.speak(&mut caller, &frame(n));
        bed.pass(FRAME);
    }
    let mut old = caller.clone();
    caller.address = address("198.51.100.1:4100");
    caller.stream.remote_rtp = caller.address;
    caller.ssrc = 99;
    bed.command(Command::Agree { leg: CALLER, stream: caller.stream.clone() });
    bed.rtp(SEAT);
    bed.speak(&mut old, &frame(100));
    for n in 0..10 {
        bed.speak(&mut caller, &frame(n));
        bed.pass(FRAME);
    }
    let heard: Vec<_> = bed.rtp(SEAT).into_iter().map(|packet| packet.payload).collect();
    assert_eq!(heard, (0..10).map(frame).collect::<Vec<_>>());
}

#[test]
fn a_wrong_payload_type_latches_nobody() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.agree(&phone);
    phone.stream.payload_type = 18;
    bed.speak(&mut phone, &frame(1));
    assert_eq!(bed.told(), []);
    assert_eq!(bed.close(CALLER).dropped, 1);
}

#[test]
fn an_ipv4_source_seen_through_an_ipv6_socket_is_the_same() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.agree(&phone);
    let bytes = phone.audio(&frame(1));
    bed.receive(CALLER, Port::Rtp, address("[::ffff:198.51.100.1]:4000"), &bytes);
    assert_eq!(bed.told(), [Event::Latched { leg: CALLER, source: phone.address }]);
}
