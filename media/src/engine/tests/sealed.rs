//! SRTP on a leg: what is sent and heard under the keys, and nothing else.

use super::*;
use crate::seam::{Keys, Security};
use crate::srtp::{Keying, Opener, Sealer, Suite};

fn keying(byte: u8) -> Keying {
    Keying::new(SUITE, &[byte; Keying::LONGEST][..SUITE.key_len() + SUITE.salt_len()]).unwrap()
}

/// A phone's own ends of the two contexts.
struct Seals {
    sealer: Sealer,
    opener: Opener,
}

/// A plain caller and a seat under keys, bridged.
fn talking() -> (Bed, Phone, Phone, Seals) {
    let mut bed = Bed::new();
    let caller = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    let mut seat = Phone::new(SEAT, "203.0.113.2:6000", Law::A);
    seat.stream.security = Security::Srtp(Box::new(Keys { ours: keying(1), theirs: keying(2) }));
    bed.agree(&caller);
    bed.agree(&seat);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    let seals = Seals { sealer: Sealer::new(keying(2)).unwrap(), opener: Opener::new(keying(1)).unwrap() };
    (bed, caller, seat, seals)
}

impl Seals {
    fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut room = packet.to_vec();
        room.resize(packet.len() + Suite::MOST_OVERHEAD, 0);
        let len = self.sealer.protect(&mut room, packet.len()).unwrap();
        room.truncate(len);
        room
    }
}

#[test]
fn a_plain_caller_and_a_sealed_seat_hear_each_other() {
    let (mut bed, mut caller, mut seat, mut seals) = talking();
    for n in 0..50 {
        bed.speak(&mut caller, &frame(n));
        let packet = seat.audio(&frame(1000 + n));
        let sealed = seals.seal(&packet);
        bed.receive(SEAT, Port::Rtp, seat.address, &sealed);
        bed.pass(FRAME);
    }
    let heard = bed.rtp(CALLER);
    assert!(heard.iter().zip(1000..).all(|(packet, n)| packet.payload == frame(n)) && heard.len() == 50);
    let sealed: Vec<Vec<u8>> = bed
        .heard
        .sent
        .iter()
        .filter(|sent| sent.leg == SEAT && sent.port == Port::Rtp)
        .map(|s| s.bytes.clone())
        .collect();
    assert_eq!(sealed.len(), 50);
    for (n, mut packet) in sealed.into_iter().enumerate() {
        assert_ne!(packet[HEADER..HEADER + 160], frame(n as u64)[..]);
        let len = seals.opener.unprotect(&mut packet).unwrap();
        assert_eq!(packet[HEADER..len], frame(n as u64)[..]);
    }
}

#[test]
fn what_is_not_under_the_key_is_neither_heard_nor_recorded_nor_latched_on_to() {
    let (mut bed, _, mut seat, mut seals) = talking();
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    let thief = address("198.51.100.66:6666");
    for n in 0..20 {
        let plain = seat.audio(&frame(n));
        bed.receive(SEAT, Port::Rtp, thief, &plain);
        bed.receive(SEAT, Port::Rtp, seat.address, &plain);
    }
    assert!(bed.rtp(CALLER).is_empty() && bed.heard.tapped.is_empty());
    let packet = seals.seal(&seat.audio(&frame(77)));
    bed.receive(SEAT, Port::Rtp, seat.address, &packet);
    // Sent again by somebody else it says nothing.
    bed.receive(SEAT, Port::Rtp, thief, &packet);
    assert_eq!(bed.heard.tapped.len(), 1);
    assert_eq!(bed.told().iter().filter(|event| matches!(event, Event::Latched { .. })).count(), 1);
    assert_eq!(bed.close(SEAT).dropped, 41);
}

#[test]
fn a_peer_that_moves_is_followed_at_once_because_its_seal_proves_it() {
    let (mut bed, mut caller, mut seat, mut seals) = talking();
    let moved = address("203.0.113.77:7777");
    let packets: Vec<Vec<u8>> = (0..3).map(|n| seals.seal(&seat.audio(&frame(n)))).collect();
    bed.receive(SEAT, Port::Rtp, seat.address, &packets[0]);
    bed.receive(SEAT, Port::Rtp, moved, &packets[2]);
    // One that was overtaken on the old way does not lead us back.
    bed.receive(SEAT, Port::Rtp, seat.address, &packets[1]);
    assert_eq!(bed.rtp(CALLER).len(), 3);
    bed.speak(&mut caller, &frame(9));
    assert_eq!(bed.heard.sent.iter().find(|sent| sent.leg == SEAT).unwrap().to, moved);
}

#[test]
fn the_same_agreement_again_keeps_the_counters() {
    let (mut bed, mut caller, mut seat, mut seals) = talking();
    let packet = seals.seal(&seat.audio(&frame(1)));
    bed.receive(SEAT, Port::Rtp, seat.address, &packet);
    bed.speak(&mut caller, &frame(1));
    bed.command(Command::Agree { leg: SEAT, stream: seat.stream.clone() });
    bed.receive(SEAT, Port::Rtp, seat.address, &packet);
    assert_eq!(bed.rtp(CALLER).len(), 1, "a replay");
    bed.speak(&mut caller, &frame(2));
    for sent in bed.heard.sent.iter().filter(|sent| sent.leg == SEAT && sent.port == Port::Rtp) {
        assert!(seals.opener.unprotect(&mut sent.bytes.clone()).is_ok());
    }
}

const SUITE: Suite = Suite::AesCm128HmacSha1Tag80;
