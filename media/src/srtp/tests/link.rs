//! Over a link that loses, doubles and reorders, across the wrap of the sequence numbers.

use proptest::prelude::*;

use super::super::window::Window;
use super::super::{Keying, Opener, Sealer, SrtpFault, Suite};
use super::{control, keying, packet, pair, sealed, sealed_control};

/// What a link does to a packet.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Comes,
    Lost,
    Doubled,
    /// Comes this many packets later.
    Late(u64),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Comes),
        2 => Just(Fate::Lost),
        1 => Just(Fate::Doubled),
        2 => (1..150u64).prop_map(Fate::Late),
    ]
}

/// In which order packets arrive.
fn arrivals(first: u64, fates: &[Fate]) -> Vec<u64> {
    let mut arrivals: Vec<(u64, u64)> = Vec::new();
    for (index, fate) in (first..).zip(fates) {
        match fate {
            Fate::Comes => arrivals.push((index, index)),
            Fate::Lost => {}
            Fate::Doubled => arrivals.extend([(index, index), (index + 3, index)]),
            Fate::Late(by) => arrivals.push((index + by, index)),
        }
    }
    arrivals.sort_by_key(|&(at, _)| at);
    arrivals.into_iter().map(|(_, index)| index).collect()
}

fn suite() -> impl Strategy<Value = Suite> {
    proptest::sample::select(Suite::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_packet_comes_through_once(
        suite in suite(),
        round in 1u64..4,
        fates in proptest::collection::vec(fate(), 1..400),
    ) {
        let (mut sealer, mut opener) = pair(suite);
        // The wrap lies in the middle of what the link disturbs; before that, steps that a stream may take.
        let start = (round << 16) - fates.len() as u64 / 2;
        for index in (0..start - 5000).step_by(20_000) {
            let mut bytes = sealed(&mut sealer, &packet(7, index));
            prop_assert_eq!(opener.unprotect(&mut bytes), Ok(172));
        }
        let sent: Vec<Vec<u8>> =
            (start..).zip(&fates).map(|(index, _)| sealed(&mut sealer, &packet(7, index))).collect();
        let (mut newest, mut here) = (None, Vec::new());
        for index in arrivals(start, &fates) {
            let mut bytes = sent[(index - start) as usize].clone();
            let old = newest.is_some_and(|newest: u64| index + Window::WIDTH <= newest);
            let expected = match (old, here.contains(&index)) {
                (true, _) => Err(SrtpFault::Old),
                (_, true) => Err(SrtpFault::Replayed),
                _ => Ok(172),
            };
            prop_assert_eq!(opener.unprotect(&mut bytes), expected, "packet {} of {}", index, start);
            if expected.is_ok() {
                prop_assert_eq!(&bytes[..172], packet(7, index));
                newest = newest.max(Some(index));
                here.push(index);
            }
        }
    }

    #[test]
    fn any_bit_that_changed_is_seen(suite in suite(), bit in any::<proptest::sample::Index>()) {
        let (mut sealer, mut opener) = pair(suite);
        let good = sealed(&mut sealer, &packet(7, 5));
        let mut bad = good.clone();
        let at = bit.index(8 * bad.len());
        bad[at / 8] ^= 1 << (at % 8);
        prop_assert!(opener.unprotect(&mut bad).is_err());
        prop_assert_eq!(opener.unprotect(&mut good.clone()), Ok(172));
        let good = sealed_control(&mut sealer, &control(7));
        let mut bad = good.clone();
        let at = bit.index(8 * bad.len());
        bad[at / 8] ^= 1 << (at % 8);
        prop_assert!(opener.unprotect_rtcp(&mut bad).is_err());
        prop_assert_eq!(opener.unprotect_rtcp(&mut good.clone()), Ok(control(7).len()));
    }
}

#[test]
fn a_late_packet_from_before_the_wrap_is_one_of_before() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let mut sent: Vec<Vec<u8>> = [30_000, 60_000, 65_534, 65_535, 65_536, 65_538]
            .map(|n| sealed(&mut sealer, &packet(7, n)))
            .into();
        for at in [0, 1, 3, 5, 2, 4] {
            assert_eq!(opener.unprotect(&mut sent[at]), Ok(172), "{suite:?} {at}");
        }
    }
}

#[test]
fn a_packet_that_we_send_late_keeps_the_round_of_its_number() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        for index in [65_000, 65_537, 65_535, 65_536, 65_534, 65_540] {
            let mut bytes = sealed(&mut sealer, &packet(7, index));
            assert_eq!(opener.unprotect(&mut bytes), Ok(172), "{suite:?} {index}");
            assert_eq!(bytes[..172], packet(7, index));
        }
    }
}

#[test]
fn no_number_is_sealed_twice() {
    let (mut sealer, _) = pair(Suite::AeadAes128Gcm);
    sealed(&mut sealer, &packet(7, 5));
    let mut other = packet(7, 5);
    other[20] ^= 1;
    other.resize(200, 0);
    assert_eq!(sealer.protect(&mut other, 172), Err(SrtpFault::Replayed));
    sealed(&mut sealer, &packet(7, 500));
    let mut old = packet(7, 6);
    old.resize(200, 0);
    assert_eq!(sealer.protect(&mut old, 172), Err(SrtpFault::Old));
}

#[test]
fn a_clone_goes_on_like_the_one_it_was_taken_of() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        opener.unprotect(&mut sealed(&mut sealer, &packet(7, 65_535))).unwrap();
        let (mut sealer_too, mut opener_too) = (sealer.clone(), opener.clone());
        let mut bytes = sealed(&mut sealer, &packet(7, 65_536));
        assert_eq!(bytes, sealed(&mut sealer_too, &packet(7, 65_536)));
        assert_eq!(opener_too.unprotect(&mut bytes.clone()), opener.unprotect(&mut bytes));
    }
}

#[test]
fn sources_do_not_disturb_each_other_and_the_one_unheard_for_longest_gives_way() {
    let suite = Suite::AesCm128HmacSha1Tag80;
    let mut opener = Opener::new(keying(suite, 1)).unwrap();
    // Eight at once, each over its own wrap.
    let mut sealers: Vec<Sealer> = (0..8).map(|_| Sealer::new(keying(suite, 1)).unwrap()).collect();
    for index in [30_000, 60_000, 65_535, 65_536, 65_537] {
        for (ssrc, sealer) in (1..).zip(&mut sealers) {
            assert_eq!(opener.unprotect(&mut sealed(sealer, &packet(ssrc, index))), Ok(172));
        }
    }
    // A ninth takes the place of the first.
    let mut ninth = Sealer::new(keying(suite, 1)).unwrap();
    assert_eq!(opener.unprotect(&mut sealed(&mut ninth, &packet(9, 0))), Ok(172));
    assert_eq!(opener.unprotect(&mut sealed(&mut sealers[1], &packet(2, 65_538))), Ok(172));
    let late = opener.unprotect(&mut sealed(&mut sealers[0], &packet(1, 65_538)));
    assert_eq!(late, Err(SrtpFault::Forged), "its rollovers are forgotten");
    // Only the peer's own packets do that.
    for ssrc in 100..120 {
        let mut stranger = Sealer::new(keying(suite, 2)).unwrap();
        let forged = opener.unprotect(&mut sealed(&mut stranger, &packet(ssrc, 0)));
        assert_eq!(forged, Err(SrtpFault::Forged));
    }
    assert_eq!(opener.unprotect(&mut sealed(&mut sealers[7], &packet(8, 65_538))), Ok(172));
}

#[test]
fn a_keying_lasts_as_long_as_it_says() {
    let short = |n| keying(Suite::AeadAes128Gcm, 1).lasting(n);
    assert!(short(0).is_none() && short((1 << 48) + 1).is_none());
    let (mut sealer, mut opener) =
        (Sealer::new(short(3).unwrap()).unwrap(), Opener::new(short(2).unwrap()).unwrap());
    let mut results = Vec::new();
    for index in 0..4 {
        let mut bytes = packet(index as u32, index);
        bytes.resize(200, 0);
        let Ok(len) = sealer.protect(&mut bytes, 172) else {
            results.push("not sent");
            continue;
        };
        let opened = opener.unprotect(&mut bytes[..len]);
        results.push(if opened == Err(SrtpFault::Exhausted) { "not taken" } else { "taken" });
    }
    assert_eq!(results, ["taken", "taken", "not taken", "not sent"]);
    for n in 0..4 {
        let mut bytes = control(1);
        bytes.resize(100, 0);
        assert_eq!(sealer.protect_rtcp(&mut bytes, control(1).len()).is_ok(), n < 3);
    }
}

#[test]
fn a_keying_shows_its_suite_and_nothing_else() {
    let keying: Keying = keying(Suite::AeadAes256Gcm, 1);
    assert_eq!(format!("{keying:?}"), "Keying { suite: AeadAes256Gcm, .. }");
    let (sealer, opener) = pair(Suite::AeadAes256Gcm);
    assert_eq!(format!("{sealer:?} {opener:?}").matches("packets: 0").count(), 2);
}
