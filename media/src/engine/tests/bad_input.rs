//! RTP and RTCP of every wrong form from the peer's own address (B7): what others hear and what is recorded is, byte
//! for byte, what it would have been, and what was dropped is counted.

use codecs::Coding;

use super::*;
use crate::rtcp::Compound;

/// What somebody hears of the caller, and what the recorder gets.
#[derive(Debug, PartialEq)]
struct Outcome {
    heard: Vec<Rtp>,
    tapped: Vec<(u16, u32, Vec<u8>)>,
    received: u64,
    lost: u64,
}

/// What comes before the packet of that number, and on which port.
type Junk<'a> = dyn Fn(u64, &Phone) -> Vec<(Port, Vec<u8>)> + 'a;

/// A second and a half of the caller's speech to a seat of that codec, across the wrap of its sequence numbers, with
/// what `junk` makes of the next packet before each; and how much was dropped.
fn speech(coding: Coding, junk: &Junk<'_>) -> (Outcome, u64) {
    let mut bed = Bed::new();
    let mut caller = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    let mut seat = Phone::new(SEAT, "203.0.113.2:6000", Law::Mu);
    (seat.stream.coding, seat.stream.payload_type) = (coding, coding.payload_type().unwrap_or(111));
    bed.agree(&caller);
    bed.agree(&seat);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    for n in 0..75 {
        // The first packet latches; before it there is no stream to harm.
        if n > 0 {
            for (port, bytes) in junk(n, &caller) {
                let from = if port == Port::Rtp { caller.address } else { caller.stream.remote_rtcp };
                bed.receive(CALLER, port, from, &bytes);
            }
        }
        bed.speak(&mut caller, &frame(n));
        bed.pass(FRAME);
    }
    let heard = bed.rtp(SEAT);
    assert!(heard.len() >= 70, "{coding:?} heard {}", heard.len());
    let tapped = bed.heard.tapped.iter().map(|t| (t.sequence, t.timestamp, t.bytes().to_vec())).collect();
    let quality = bed.close(CALLER);
    (Outcome { heard, tapped, received: quality.received, lost: quality.lost }, quality.dropped)
}

/// Makes something else of an honest packet.
type Damage = fn(&mut Vec<u8>);

const DAMAGES: [(&str, Damage); 16] = [
    ("nothing at all", Vec::clear),
    ("less than a header", |bytes| bytes.truncate(11)),
    ("a header alone", |bytes| bytes.truncate(12)),
    ("version 1", |bytes| bytes[0] = 0x40),
    ("more sources than there is room for", |bytes| {
        bytes[0] |= 0x0f;
        bytes.truncate(12 + 59);
    }),
    ("an extension without its head", |bytes| {
        bytes[0] |= 0x10;
        bytes.truncate(15);
    }),
    ("an extension longer than the packet", |bytes| {
        bytes[0] |= 0x10;
        bytes[14..16].copy_from_slice(&[0xff, 0xff]);
    }),
    ("padding of no bytes", |bytes| {
        bytes[0] |= 0x20;
        *bytes.last_mut().unwrap() = 0;
    }),
    ("padding of more than there is", |bytes| {
        bytes[0] |= 0x20;
        *bytes.last_mut().unwrap() = 161;
    }),
    ("padding and nothing else", |bytes| {
        bytes[0] |= 0x20;
        *bytes.last_mut().unwrap() = 160;
    }),
    ("another source", |bytes| bytes[8] ^= 0x80),
    ("a sequence that jumps", |bytes| bytes[2] ^= 0x40),
    ("nine thousand bytes", |bytes| bytes.resize(9000, 0x55)),
    ("RTCP on the port of RTP", |bytes| {
        *bytes = Compound::report(7, "peer", None, None).as_bytes().to_vec();
    }),
    ("an RTCP type in an RTP packet", |bytes| bytes[1] = 200),
    ("an RTCP length that lies", |bytes| bytes[..4].copy_from_slice(&[0x81, 200, 0xff, 0xff])),
];

#[test]
fn no_wrong_form_changes_a_byte_of_what_others_hear() {
    // Relayed as it comes; recoded byte by byte; decoded, mixed and coded anew.
    for coding in [Coding::Pcma, Coding::Pcmu, Coding::G722] {
        let (golden, none) = speech(coding, &|_, _| Vec::new());
        assert_eq!((golden.received, golden.lost, none), (75, 0, 0));
        for (what, damage) in DAMAGES {
            let (outcome, dropped) = speech(coding, &|n, caller| {
                let mut bytes = caller.clone().audio(&frame(1000 + n));
                damage(&mut bytes);
                vec![(Port::Rtp, bytes)]
            });
            assert_eq!(dropped, 74, "{what}");
            assert!(outcome == golden, "{coding:?}: {what} is heard");
        }
    }
}

#[test]
fn no_lie_on_the_port_of_rtcp_changes_a_byte_either() {
    let (golden, _) = speech(Coding::Pcmu, &|_, _| Vec::new());
    let (outcome, dropped) = speech(Coding::Pcmu, &|n, caller| {
        let honest = Compound::report(caller.ssrc, "peer", None, None).leaving(caller.ssrc);
        let mut random = Entropy::from_number(n);
        let mut lie = honest.as_bytes().to_vec();
        // Every length field once, and audio where reports belong.
        let at = [2, 3, 10, 11][n as usize % 4];
        lie[at] = 0x80 | random.below(128) as u8;
        vec![(Port::Rtcp, lie), (Port::Rtcp, caller.clone().audio(&frame(n)))]
    });
    assert!(outcome == golden);
    assert_eq!(dropped, 2 * 74);
}

/// Changes the caller before its packet of that number.
type Oddity = fn(u64, &mut Phone);

/// The caller's own stream does odd things; what it says is heard all the same.
fn odd(coding: Coding, odd: impl Fn(u64, &mut Phone)) -> Vec<Rtp> {
    let mut bed = Bed::new();
    let mut caller = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    let mut seat = Phone::new(SEAT, "203.0.113.2:6000", Law::Mu);
    (seat.stream.coding, seat.stream.payload_type) = (coding, coding.payload_type().unwrap_or(111));
    bed.agree(&caller);
    bed.agree(&seat);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    for n in 0..150 {
        odd(n, &mut caller);
        bed.speak(&mut caller, &frame(n));
        bed.pass(FRAME);
    }
    bed.rtp(SEAT)
}

#[test]
fn a_timestamp_that_goes_back_a_sequence_that_jumps_and_a_new_source_cost_a_packet_at_most() {
    let stories: [(&str, Oddity); 4] = [
        ("one timestamp a second back", |n, caller| match n {
            50 => caller.timestamp = caller.timestamp.wrapping_sub(8000),
            51 => caller.timestamp = caller.timestamp.wrapping_add(8000),
            _ => {}
        }),
        ("timestamps back for good", |n, caller| {
            if n == 50 {
                caller.timestamp = caller.timestamp.wrapping_sub(80_000);
            }
        }),
        ("a sequence that jumps for good", |n, caller| {
            if n == 50 {
                caller.sequence = caller.sequence.wrapping_add(20_000);
            }
        }),
        ("another source for good", |n, caller| {
            if n == 50 {
                (caller.ssrc, caller.sequence, caller.timestamp) = (4242, 7, 99);
            }
        }),
    ];
    for (what, story) in stories {
        let heard = odd(Coding::Pcma, story);
        let payloads: Vec<&[u8]> = heard.iter().map(|packet| &packet.payload[..]).collect();
        let missing: Vec<u64> = (0..150).filter(|n| !payloads.contains(&&frame(*n)[..])).collect();
        assert!(missing.len() <= 1, "{what}: {missing:?}");
        let steps = heard.windows(2).map(|pair| pair[1].sequence.wrapping_sub(pair[0].sequence));
        assert!(steps.clone().all(|step| step == 1), "{what}: {:?}", steps.collect::<Vec<_>>());
        // Decoded: a packet every twenty milliseconds as before.
        let mixed = odd(Coding::G722, story);
        assert!(mixed.len() >= 148, "{what}: {}", mixed.len());
        assert!(
            mixed.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 160),
            "{what}"
        );
    }
}
