//! Bytes of every kind of wrong: nothing breaks and the audio is unharmed.

use proptest::prelude::*;

use super::*;

/// One hostile datagram, made from an honest one.
fn damage(random: &mut Entropy, honest: &[u8]) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    let at = random.below(bytes.len() as u64) as usize;
    match random.below(12) {
        0 => bytes.truncate(random.below(12) as usize),
        1 => bytes[0] |= 0x0f,
        2 => bytes[0] |= 0x10,
        3 => {
            bytes[0] |= 0x20;
            *bytes.last_mut().unwrap() = 255;
        }
        4 => bytes[1] = random.below(256) as u8,
        5 => random.fill(&mut bytes[8..12]),
        6 => bytes[2] ^= 0x40,
        7 => bytes = vec![0x80; 9000],
        8 => bytes[..4].copy_from_slice(&[0x81, 200, 0xff, 0xff]),
        9 => random.fill(&mut bytes),
        10 => bytes[0] = random.below(256) as u8,
        _ => bytes[at] = random.below(256) as u8,
    }
    bytes
}

#[test]
fn ten_thousand_junk_packets_a_second_from_others_harm_no_audio() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    let mut random = Entropy::from_number(1);
    bed.speak(&mut caller, &frame(0));
    for n in 1..51 {
        for _ in 0..200 {
            let honest = caller.clone().audio(&[0x66; 160]);
            let junk = if random.below(4) == 0 { honest } else { damage(&mut random, &honest) };
            let source = SocketAddr::new(ip("192.0.2.66"), 1024 + random.below(60_000) as u16);
            let port = if random.below(5) == 0 { Port::Rtcp } else { Port::Rtp };
            bed.receive(CALLER, port, source, &junk);
        }
        bed.speak(&mut caller, &frame(n));
        bed.pass(FRAME);
    }
    let heard = bed.rtp(SEAT);
    assert_eq!(heard.len(), 51);
    for (n, packet) in heard.iter().enumerate() {
        assert_eq!(packet.payload, frame(n as u64));
        assert_eq!(packet.sequence, heard[0].sequence.wrapping_add(n as u16));
    }
    assert_eq!(bed.heard.tapped.len(), 51);
    assert_eq!(bed.close(CALLER).dropped, 10_000);
}

#[test]
fn strays_from_the_peers_own_address_do_not_break_its_stream() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    for n in 0..50 {
        bed.speak(&mut caller, &frame(n));
        let honest = caller.clone().audio(&[0x66; 160]);
        let mut stray = honest.clone();
        match n % 5 {
            0 => stray[8] ^= 1,
            1 => stray[2] ^= 0x60,
            2 => stray[1] = 18,
            3 => stray[1] = 200,
            _ => stray.truncate(12),
        }
        if n % 5 == 2 {
            // A type that nobody agreed on takes its place in the sequence and is left out.
            caller.sequence = caller.sequence.wrapping_add(1);
        }
        bed.receive(CALLER, Port::Rtp, caller.address, &stray);
        bed.pass(FRAME);
    }
    let heard = bed.rtp(SEAT);
    assert_eq!(heard.len(), 50);
    for (n, packet) in heard.iter().enumerate() {
        assert_eq!(packet.payload, frame(n as u64));
        assert_eq!(packet.sequence, heard[0].sequence.wrapping_add(n as u16));
        assert_eq!(packet.timestamp, heard[0].timestamp.wrapping_add(160 * n as u32));
    }
    assert_eq!(bed.close(CALLER).dropped, 50);
}

/// One thing that happens to an engine.
#[derive(Clone, Debug)]
enum Deed {
    Pass(u64),
    Jump(u64),
    Speak(bool, u64),
    Junk(bool, u64, bool),
    Command(u8, bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (0u64..80).prop_map(Deed::Pass),
        (0u64..20_000).prop_map(Deed::Jump),
        (any::<bool>(), any::<u64>()).prop_map(|(one, n)| Deed::Speak(one, n)),
        (any::<bool>(), any::<u64>(), any::<bool>()).prop_map(|(one, n, own)| Deed::Junk(one, n, own)),
        (any::<u8>(), any::<bool>()).prop_map(|(kind, one)| Deed::Command(kind, one)),
    ]
}

fn command(kind: u8, phone: &Phone) -> Command {
    let leg = phone.leg;
    let with = |direction, remote_rtp| Command::Agree {
        leg,
        stream: Stream { remote_rtp, direction, ..phone.stream.clone() },
    };
    match kind % 18 {
        0 => Command::Close { leg },
        1 | 2 => Command::Open { leg, ssrc: 7 },
        3 | 4 => with(Direction::Both, phone.address),
        5 => with(Direction::Inactive, address("0.0.0.0:0")),
        6 => with(Direction::SendOnly, address("198.51.100.1:5000")),
        7 => Command::Play { leg, line: "line".into(), prompt: "welcome".into(), token: 1 },
        8 => Command::Tone { leg, country: Country::Jp, tone: Tone::Ringback, length: None, token: 2 },
        16 => Command::Tone {
            leg,
            country: Country::Us,
            tone: Tone::Silence,
            length: Some(Duration::from_millis(333)),
            token: 3,
        },
        17 => Command::Music { leg, line: "line".into(), prompt: "menu".into() },
        9 => Command::Stop { leg },
        10 | 11 => Command::Bridge { a: CALLER, b: SEAT },
        12 => Command::Unbridge { a: SEAT, b: CALLER },
        13 => Command::Tap { recording: recording(), caller: CALLER, seat: SEAT },
        14 => Command::Untap { recording: recording() },
        _ => Command::Press { leg, digit: digit('5') },
    }
}

fn act(bed: &mut Bed, phones: &mut [Phone; 2], deed: &Deed) {
    match *deed {
        Deed::Pass(ms) => bed.pass(Duration::from_millis(ms)),
        Deed::Jump(ms) => {
            bed.now = bed.now.later(Duration::from_millis(ms));
            bed.tick();
        }
        Deed::Speak(one, n) => bed.speak(&mut phones[usize::from(one)], &frame(n)),
        Deed::Junk(one, n, own) => {
            let phone = &mut phones[usize::from(one)];
            let mut random = Entropy::from_number(n);
            let junk = damage(&mut random, &phone.clone().audio(&frame(n)));
            let source = if own { phone.address } else { address("192.0.2.66:9") };
            let port = if n % 3 == 0 { Port::Rtcp } else { Port::Rtp };
            bed.receive(phone.leg, port, source, &junk);
        }
        Deed::Command(kind, one) => {
            let command = command(kind, &phones[usize::from(one)]);
            bed.command(command);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_happens_time_goes_on_and_a_clone_does_the_same(
        deeds in proptest::collection::vec(deed(), 1..80),
        cut in 0usize..80,
    ) {
        let (mut bed, caller, seat) = Bed::talking(Law::Mu);
        let mut phones = [caller, seat];
        let cut = cut.min(deeds.len());
        for deed in &deeds[..cut] {
            act(&mut bed, &mut phones, deed);
        }
        let mut twin = bed.clone();
        let mut phones_of_twin = phones.clone();
        for deed in &deeds[cut..] {
            act(&mut bed, &mut phones, deed);
        }
        for deed in &deeds[cut..] {
            act(&mut twin, &mut phones_of_twin, deed);
        }
        prop_assert_eq!(&bed.heard.sent, &twin.heard.sent);
        prop_assert_eq!(&bed.heard.told, &twin.heard.told);
        prop_assert_eq!(bed.heard.tapped.len(), twin.heard.tapped.len());
        prop_assert_eq!(bed.engine.deadline(), twin.engine.deadline());
        // What goes out is always a packet that others can read, and one stream has no step back.
        for sent in bed.heard.sent.iter().filter(|sent| sent.port == Port::Rtp) {
            prop_assert!(rtp_rs::RtpReader::new(&sent.bytes).is_ok());
        }
    }
}
