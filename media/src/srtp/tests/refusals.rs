//! What is refused without a key being asked.

use proptest::prelude::*;

use super::super::{Keying, MOST_STREAMS, Opener, Sealer, SrtpFault, Suite};
use super::{control, keying, packet, pair, sealed, sealed_control};
use crate::property;

#[test]
fn a_keying_is_as_long_as_its_suite_wants() {
    for suite in Suite::ALL {
        let right = suite.key_len() + suite.salt_len();
        for len in 0..60 {
            assert_eq!(Keying::new(suite, &vec![1; len]).is_some(), len == right, "{suite:?} {len}");
        }
        assert_eq!(Suite::from_name(&suite.name().to_lowercase()), Some(suite));
        assert!(suite.overhead().max(suite.control_overhead()) <= Suite::MOST_OVERHEAD);
    }
    assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
}

#[test]
fn a_buffer_without_room_is_refused_and_costs_no_number() {
    for suite in Suite::ALL {
        let (mut sealer, _) = pair(suite);
        let plain = packet(7, 1);
        for room in 0..suite.overhead() {
            let mut bytes = plain.clone();
            bytes.resize(plain.len() + room, 0);
            assert_eq!(sealer.protect(&mut bytes, plain.len()), Err(SrtpFault::Room), "{suite:?} {room}");
        }
        assert_eq!(sealer.protect(&mut plain.clone(), 500), Err(SrtpFault::Room));
        assert_eq!(sealed(&mut sealer, &plain).len(), plain.len() + suite.overhead());
        let plain = control(7);
        for room in 0..suite.control_overhead() {
            let mut bytes = plain.clone();
            bytes.resize(plain.len() + room, 0);
            assert_eq!(sealer.protect_rtcp(&mut bytes, plain.len()), Err(SrtpFault::Room));
        }
        let sealed = sealed_control(&mut sealer, &plain);
        assert_eq!(sealed.len(), plain.len() + suite.control_overhead());
    }
}

#[test]
fn we_send_from_eight_sources_and_no_more() {
    let (mut sealer, _) = pair(Suite::AeadAes128Gcm);
    for ssrc in 0..=MOST_STREAMS as u32 {
        let mut bytes = packet(ssrc, 3);
        bytes.resize(200, 0);
        let fits = ssrc < MOST_STREAMS as u32;
        assert_eq!(sealer.protect(&mut bytes, 172).is_ok(), fits, "{ssrc}");
    }
    let mut report = control(99);
    report.resize(100, 0);
    assert_eq!(sealer.protect_rtcp(&mut report, 20), Err(SrtpFault::Streams));
}

#[test]
fn a_control_packet_is_taken_once_and_out_of_order() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let sent: Vec<_> = (0..200).map(|_| sealed_control(&mut sealer, &control(7))).collect();
        for at in [1, 0, 5, 3] {
            let mut bytes = sent[at].clone();
            let len = opener.unprotect_rtcp(&mut bytes).unwrap();
            assert_eq!(bytes[..len], control(7), "{suite:?}");
        }
        for at in [0, 1, 3, 5] {
            assert_eq!(opener.unprotect_rtcp(&mut sent[at].clone()), Err(SrtpFault::Replayed));
        }
        opener.unprotect_rtcp(&mut sent[199].clone()).unwrap();
        assert_eq!(opener.unprotect_rtcp(&mut sent[2].clone()), Err(SrtpFault::Old));
    }
}

#[test]
fn one_key_opens_nothing_of_another_and_nothing_of_the_other_protocol() {
    for suite in Suite::ALL {
        let mut sealer = Sealer::new(keying(suite, 1)).unwrap();
        let mut other = Opener::new(keying(suite, 2)).unwrap();
        assert_eq!(other.unprotect(&mut sealed(&mut sealer, &packet(7, 1))), Err(SrtpFault::Forged));
        let report = sealed_control(&mut sealer, &control(7));
        assert_eq!(other.unprotect_rtcp(&mut report.clone()), Err(SrtpFault::Forged));
        let mut opener = Opener::new(keying(suite, 1)).unwrap();
        assert_eq!(opener.unprotect(&mut report.clone()), Err(SrtpFault::Forged));
        assert!(opener.unprotect(&mut packet(7, 1)).is_err(), "plain");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), first in 0x80u8..0xc0) {
        prop_assert_eq!(property::srtp(&bytes), Ok(()));
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        prop_assert_eq!(property::srtp(&bytes), Ok(()));
    }
}
