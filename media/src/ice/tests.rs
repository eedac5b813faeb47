//! Checks as a peer writes them, and as somebody does who is none.

use super::*;

pub(crate) const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

/// The sample request of RFC 5769 section 2.1.
const SAMPLE: [u8; 108] = [
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa,
    0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20,
    0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00,
    0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a,
    0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf,
    0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28,
    0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];

fn lite() -> Lite {
    let mut lite = Lite::new(Credentials { fragment: "ours".into(), password: PASSWORD.into() });
    lite.know("them");
    lite
}

/// A check as a peer writes it.
pub(crate) fn check(name: &str, password: &str, more: &[(u16, &[u8])]) -> Vec<u8> {
    let draft = Draft::new(stun::BINDING_REQUEST, [9; 12]).with(stun::USERNAME, name.as_bytes());
    sign(more.iter().fold(draft, |draft, (kind, value)| draft.with(*kind, value)), password)
}

/// What makes a check one that chooses.
pub(crate) const NOMINATING: (u16, &[u8]) = (USE_CANDIDATE, b"");

fn source(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

pub(crate) const PRIORITIZED: (u16, &[u8]) = (PRIORITY, &[0x6e, 0, 1, 0xff]);

#[test]
fn the_sample_of_rfc_5769_is_signed_as_there() {
    let message = Message::read(&SAMPLE).unwrap();
    assert!(is_signed(&message, &SAMPLE, PASSWORD));
    assert!(!is_signed(&message, &SAMPLE, "another"));
    // FINGERPRINT's own type is not covered: with another it is no fingerprint, and none is needed.
    for at in (20..100).chain(104..SAMPLE.len()) {
        let mut bent = SAMPLE;
        bent[at] ^= 1;
        let kept = Message::read(&bent).is_some_and(|message| is_signed(&message, &bent, PASSWORD));
        // The padding behind the user name is covered too.
        assert!(!kept, "byte {at}");
    }
}

#[test]
fn who_proves_the_password_may_send_and_who_nominates_is_sent_to() {
    let mut lite = lite();
    let answer = lite.receive(source(1), &check("ours:them", PASSWORD, &[PRIORITIZED])).unwrap();
    let read = Message::read(&answer.bytes).unwrap();
    assert_eq!((read.kind, read.transaction), (stun::BINDING_SUCCESS, [9; 12]));
    assert!(is_signed(&read, &answer.bytes, PASSWORD));
    assert!(lite.has_proved(source(1)) && !lite.has_proved(source(2)));
    assert_eq!((answer.moved, lite.destination()), (false, None));
    let nominating = check("ours:them", PASSWORD, &[PRIORITIZED, (USE_CANDIDATE, b"")]);
    assert!(lite.receive(source(2), &nominating).unwrap().moved);
    assert!(!lite.receive(source(2), &nominating).unwrap().moved);
    assert_eq!(lite.destination(), Some(source(2)));
}

#[test]
fn who_does_not_know_the_password_hears_nothing() {
    let mut lite = lite();
    for (name, password) in
        [("ours:them", "wrong"), ("ours:else", PASSWORD), ("other:them", PASSWORD), ("ours", PASSWORD)]
    {
        assert_eq!(lite.receive(source(1), &check(name, password, &[PRIORITIZED])), None, "{name}");
    }
    assert_eq!(lite.receive(source(1), &Draft::new(stun::BINDING_REQUEST, [1; 12]).finish()), None);
    assert!(!lite.has_proved(source(1)));
}

#[test]
fn a_peer_that_errs_is_told_how() {
    let mut lite = lite();
    let mut code = |more: &[(u16, &[u8])]| {
        let answer = lite.receive(source(1), &check("ours:them", PASSWORD, more)).unwrap().bytes;
        let read = Message::read(&answer).unwrap();
        let value = read.attribute(stun::ERROR_CODE).unwrap().value;
        u16::from(value[2]) * 100 + u16::from(value[3])
    };
    assert_eq!(code(&[]), 400);
    assert_eq!(code(&[PRIORITIZED, (ICE_CONTROLLED, &[0; 8])]), 487);
    assert_eq!(code(&[PRIORITIZED, (0x7777, b"x")]), 420);
    assert!(!lite.has_proved(source(1)));
}

#[test]
fn what_is_added_behind_the_integrity_counts_for_nothing() {
    let mut lite = lite();
    let signed = check("ours:them", PASSWORD, &[PRIORITIZED]);
    let mut bent = signed[..signed.len() - FINGERPRINT_SIZE].to_vec();
    bent.extend([0, 0x25, 0, 0]);
    let length = (bent.len() - stun::HEAD) as u16;
    bent[2..4].copy_from_slice(&length.to_be_bytes());
    assert!(!lite.receive(source(1), &bent).unwrap().moved);
    assert_eq!(lite.destination(), None);
}

#[test]
fn the_nominated_source_is_not_forgotten_for_newer_ones() {
    let mut lite = lite();
    lite.receive(source(1), &check("ours:them", PASSWORD, &[PRIORITIZED, (USE_CANDIDATE, b"")]));
    for port in 2..40 {
        lite.receive(source(port), &check("ours:them", PASSWORD, &[PRIORITIZED]));
    }
    assert!(lite.has_proved(source(1)) && lite.has_proved(source(39)) && !lite.has_proved(source(20)));
    assert_eq!(lite.proved.len(), MOST_PROVED);
}
