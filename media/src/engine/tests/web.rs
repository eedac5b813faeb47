//! A browser as a seat: checks, records of the handshake from who passed them, nothing without keys.

use super::*;
use crate::dtls::{Dtls, Fingerprint, Ice, Role};
use crate::ice::Credentials;
use crate::ice::tests::{NOMINATING, PASSWORD, PRIORITIZED, check};
use crate::seam::Keys;
use crate::srtp::{Keying, Opener, Sealer, Suite};

const SUITE: Suite = Suite::AeadAes128Gcm;
const HELLO: [u8; 20] = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0];

fn keying(byte: u8) -> Keying {
    Keying::new(SUITE, &[byte; Keying::LONGEST][..SUITE.key_len() + SUITE.salt_len()]).unwrap()
}

fn keys() -> Keys {
    Keys { ours: keying(1), theirs: keying(2) }
}

fn credentials(fragment: &str) -> Credentials {
    Credentials { fragment: fragment.into(), password: PASSWORD.into() }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A plain caller and a browser, bridged; what the browser sends from, it proved to nobody yet.
fn ringing(ice: bool) -> (Bed, Phone, Phone, Sealer) {
    let mut bed = Bed::new();
    let caller = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    let mut seat = Phone::new(SEAT, "203.0.113.2:6000", Law::A);
    let ice = ice.then(|| Ice { ours: credentials("ours"), theirs: credentials("them") });
    let theirs = Fingerprint::of(b"a certificate");
    seat.stream.security = Security::Dtls(Box::new(Dtls { theirs, role: Role::Passive, ice }));
    seat.stream.rtcp_mux = true;
    bed.agree(&caller);
    bed.agree(&seat);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    (bed, caller, seat, Sealer::new(keying(2)).unwrap())
}

fn seal(sealer: &mut Sealer, packet: &[u8]) -> Vec<u8> {
    let mut room = packet.to_vec();
    room.resize(packet.len() + Suite::MOST_OVERHEAD, 0);
    let len = sealer.protect(&mut room, packet.len()).unwrap();
    room.truncate(len);
    room
}

fn nominate(bed: &mut Bed, source: SocketAddr) {
    let check = check("ours:them", PASSWORD, &[PRIORITIZED, NOMINATING]);
    bed.receive(SEAT, Port::Rtp, source, &check);
}

fn recording() -> RecordingId {
    RecordingId::from_u128(7)
}

#[test]
fn a_handshake_is_heard_only_from_who_proved_the_password() {
    let (mut bed, _, seat, _) = ringing(true);
    let thief = address("198.51.100.66:6666");
    bed.receive(SEAT, Port::Rtp, seat.address, &HELLO);
    bed.receive(SEAT, Port::Rtp, thief, &check("ours:them", "guessed", &[PRIORITIZED, NOMINATING]));
    bed.receive(SEAT, Port::Rtp, thief, &HELLO);
    assert!(bed.heard.records.is_empty() && bed.heard.sent.is_empty());
    nominate(&mut bed, seat.address);
    assert_eq!(bed.heard.sent.len(), 1);
    assert_eq!((bed.heard.sent[0].to, bed.heard.sent[0].bytes[..2].to_vec()), (seat.address, vec![1, 1]));
    bed.receive(SEAT, Port::Rtp, seat.address, &HELLO);
    bed.receive(SEAT, Port::Rtp, thief, &HELLO);
    bed.receive(SEAT, Port::Rtcp, seat.address, &HELLO);
    assert_eq!(bed.heard.records, [(SEAT, seat.address, HELLO.to_vec())]);
}

#[test]
fn without_ice_a_handshake_is_heard_from_where_the_description_or_the_signalling_is() {
    let (mut bed, _, seat, _) = ringing(false);
    bed.receive(SEAT, Port::Rtp, address("198.51.100.66:6000"), &HELLO);
    bed.receive(
        SEAT,
        Port::Rtp,
        address("198.51.100.66:6000"),
        &check("ours:them", PASSWORD, &[PRIORITIZED]),
    );
    assert!(bed.heard.records.is_empty() && bed.heard.sent.is_empty());
    let behind_nat = SocketAddr::new(seat.address.ip(), 61_234);
    bed.receive(SEAT, Port::Rtp, seat.address, &HELLO);
    bed.receive(SEAT, Port::Rtp, behind_nat, &HELLO);
    let sources: Vec<SocketAddr> = bed.heard.records.iter().map(|(_, source, _)| *source).collect();
    assert_eq!(sources, [seat.address, behind_nat]);
    assert_eq!(bed.engine.peer(SEAT), Some(seat.address));
}

#[test]
fn a_plain_leg_shakes_hands_with_nobody() {
    let (mut bed, _, seat) = Bed::talking(Law::A);
    bed.receive(SEAT, Port::Rtp, seat.address, &HELLO);
    nominate(&mut bed, seat.address);
    bed.command(Command::Keys { leg: SEAT, keys: Box::new(keys()) });
    assert!(bed.heard.records.is_empty() && bed.heard.sent.is_empty());
    assert_eq!(bed.engine.ignored(), 1);
    assert_eq!(bed.close(SEAT).dropped, 2);
}

#[test]
fn before_the_keys_nothing_is_said_heard_or_recorded_and_after_them_all_is() {
    let (mut bed, mut caller, mut seat, mut sealer) = ringing(true);
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    nominate(&mut bed, seat.address);
    bed.heard.sent.clear();
    for n in 0..10 {
        bed.speak(&mut caller, &frame(n));
        let plain = seat.audio(&frame(n));
        bed.receive(SEAT, Port::Rtp, seat.address, &plain);
        let early = seal(&mut sealer, &seat.audio(&frame(n)));
        bed.receive(SEAT, Port::Rtp, seat.address, &early);
        bed.pass(FRAME);
    }
    assert!(bed.heard.sent.iter().all(|sent| sent.leg == CALLER && sent.port == Port::Rtcp));
    assert!(bed.heard.tapped.iter().all(|tapped| tapped.side == crate::seam::Side::Caller));
    bed.heard.tapped.clear();
    bed.command(Command::Keys { leg: SEAT, keys: Box::new(keys()) });
    let mut opener = Opener::new(keying(1)).unwrap();
    for n in 0..10 {
        bed.speak(&mut caller, &frame(n));
        let packet = seal(&mut sealer, &seat.audio(&frame(100 + n)));
        bed.receive(SEAT, Port::Rtp, seat.address, &packet);
        // The right keys from somewhere that was not proved.
        let elsewhere = seal(&mut sealer, &seat.audio(&frame(200 + n)));
        bed.receive(SEAT, Port::Rtp, address("198.51.100.66:6666"), &elsewhere);
        bed.pass(FRAME);
    }
    let payloads: Vec<_> = bed.rtp(CALLER).into_iter().map(|packet| packet.payload).collect();
    assert_eq!(payloads, (100..110).map(frame).collect::<Vec<_>>());
    assert_eq!(bed.heard.tapped.len(), 20);
    let sealed: Vec<_> = bed.heard.sent.iter().filter(|sent| sent.leg == SEAT).cloned().collect();
    assert!(
        sealed.len() >= 10 && sealed.iter().all(|sent| sent.to == seat.address && sent.port == Port::Rtp)
    );
    for (n, sent) in sealed.iter().filter(|sent| !rtp::is_rtcp(&sent.bytes)).enumerate() {
        let mut packet = sent.bytes.clone();
        let len = opener.unprotect(&mut packet).unwrap();
        assert_eq!(packet[HEADER..len], frame(n as u64)[..]);
    }
}

#[test]
fn a_prompt_waits_for_the_keys() {
    let (mut bed, _, seat, _) = ringing(true);
    bed.command(Command::Unbridge { a: CALLER, b: SEAT });
    nominate(&mut bed, seat.address);
    bed.play(SEAT, "menu", 5);
    bed.pass(Duration::from_secs(1));
    assert!(!bed.told().contains(&Event::Played { leg: SEAT, token: 5 }));
    bed.heard.sent.clear();
    bed.command(Command::Keys { leg: SEAT, keys: Box::new(keys()) });
    bed.pass(Duration::from_millis(100));
    assert!(bed.told().contains(&Event::Played { leg: SEAT, token: 5 }));
    let sent = bed.heard.sent.iter().filter(|sent| sent.leg == SEAT && !rtp::is_rtcp(&sent.bytes)).count();
    assert!((4..=6).contains(&sent), "{sent}");
}

#[test]
fn a_browser_that_moves_is_followed_by_its_next_nomination() {
    let (mut bed, mut caller, mut seat, mut sealer) = ringing(true);
    nominate(&mut bed, seat.address);
    bed.command(Command::Keys { leg: SEAT, keys: Box::new(keys()) });
    let moved = address("203.0.113.2:7777");
    nominate(&mut bed, moved);
    bed.heard.sent.clear();
    bed.speak(&mut caller, &frame(1));
    assert!(bed.heard.sent.iter().all(|sent| sent.to == moved) && bed.heard.sent.len() == 1);
    let packet = seal(&mut sealer, &seat.audio(&frame(2)));
    bed.receive(SEAT, Port::Rtp, moved, &packet);
    assert_eq!(bed.rtp(CALLER).len(), 1);
    let latched = |event: &Event| matches!(event, Event::Latched { leg: SEAT, .. });
    assert_eq!(bed.told().iter().filter(|event| latched(event)).count(), 2);
}

#[test]
fn a_hold_keeps_the_keys_and_another_certificate_ends_them() {
    let (mut bed, mut caller, mut seat, mut sealer) = ringing(true);
    nominate(&mut bed, seat.address);
    bed.command(Command::Keys { leg: SEAT, keys: Box::new(keys()) });
    let held = Stream { direction: Direction::ReceiveOnly, ..seat.stream.clone() };
    bed.command(Command::Agree { leg: SEAT, stream: held });
    bed.command(Command::Agree { leg: SEAT, stream: seat.stream.clone() });
    let packet = seal(&mut sealer, &seat.audio(&frame(2)));
    bed.receive(SEAT, Port::Rtp, seat.address, &packet);
    assert_eq!(bed.rtp(CALLER).len(), 1);
    let Security::Dtls(dtls) = &mut seat.stream.security else { unreachable!() };
    dtls.theirs = Fingerprint::of(b"another");
    bed.command(Command::Agree { leg: SEAT, stream: seat.stream.clone() });
    bed.heard.sent.clear();
    let packet = seal(&mut sealer, &seat.audio(&frame(3)));
    bed.receive(SEAT, Port::Rtp, seat.address, &packet);
    bed.speak(&mut caller, &frame(4));
    assert!(bed.heard.sent.is_empty());
}
