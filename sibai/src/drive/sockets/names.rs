//! Whose a datagram on a port of many legs is. A check of ICE names its leg (its username begins with our fragment,
//! RFC 8445 section 7.2.2); whatever else comes belongs to the leg for which its source last proved the password.

use std::collections::HashMap;
use std::net::SocketAddr;

use base::LegId;
use base::stun::{self, Message};

use super::spread::Spread;

/// The legs of one port.
#[derive(Default)]
pub(super) struct Names {
    by_fragment: HashMap<String, LegId, Spread>,
    by_source: HashMap<SocketAddr, LegId, Spread>,
    legs: HashMap<LegId, Known, Spread>,
}

/// What there is to be forgotten with a leg.
#[derive(Default)]
struct Known {
    fragment: Option<String>,
    /// The newest last.
    sources: Vec<SocketAddr>,
}

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drive) enum Whose {
    /// A check says that it is for this leg; whether that is true its password will show.
    Named(LegId),
    /// From a source that proved this leg's password.
    Proved(LegId),
}

impl Names {
    /// The leg goes by this fragment from now on; `None`: checks find it no more, its sources still do.
    pub(super) fn know(&mut self, leg: LegId, fragment: Option<&str>) {
        let known = self.legs.entry(leg).or_default();
        if known.fragment.as_deref() == fragment {
            return;
        }
        let before = std::mem::replace(&mut known.fragment, fragment.map(str::to_owned));
        if let Some(before) = before.filter(|before| self.by_fragment.get(before) == Some(&leg)) {
            self.by_fragment.remove(&before);
        }
        if let Some(fragment) = fragment {
            self.by_fragment.insert(fragment.to_owned(), leg);
        }
    }

    /// `None`: nobody knows who it is for.
    pub(super) fn whose(&self, source: SocketAddr, datagram: &[u8]) -> Option<Whose> {
        // RFC 7983 section 7.
        if datagram.first().is_none_or(|first| *first > LAST_OF_STUN) {
            return self.by_source.get(&source).copied().map(Whose::Proved);
        }
        let check = Message::read(datagram)?;
        let name = std::str::from_utf8(check.attribute(stun::USERNAME)?.value).ok()?;
        let (ours, _theirs) = name.split_once(':')?;
        self.by_fragment.get(ours).copied().map(Whose::Named)
    }

    /// The source has proved the leg's password. Whose it was before, it is no more: the way of another peer may lead
    /// through the same place of a NAT now.
    pub(super) fn prove(&mut self, leg: LegId, source: SocketAddr) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let before = self.by_source.insert(source, leg);
        if before == Some(leg) {
            return;
        }
        if known.sources.len() == MOST_SOURCES {
            let oldest = known.sources.remove(0);
            self.by_source.remove(&oldest);
        }
        known.sources.push(source);
        if let Some(loser) = before.and_then(|before| self.legs.get_mut(&before)) {
            loser.sources.retain(|kept| *kept != source);
        }
    }

    /// The leg is gone.
    pub(super) fn forget(&mut self, leg: LegId) {
        self.know(leg, None);
        for source in self.legs.remove(&leg).unwrap_or_default().sources {
            self.by_source.remove(&source);
        }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.by_fragment.is_empty() && self.by_source.is_empty() && self.legs.is_empty()
    }
}

/// The last first byte that a STUN message can have (RFC 7983 section 7).
const LAST_OF_STUN: u8 = 3;

/// As many as an agent of ICE remembers of one peer.
const MOST_SOURCES: usize = 8;

#[cfg(test)]
mod tests {
    use base::stun::Draft;

    use super::*;

    const ONE: LegId = LegId::arrived(1);
    const OTHER: LegId = LegId::placed(7);

    fn at(n: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], n))
    }

    fn check(name: &str) -> Vec<u8> {
        Draft::new(stun::BINDING_REQUEST, [7; 12]).with(stun::USERNAME, name.as_bytes()).finish()
    }

    fn two() -> Names {
        let mut names = Names::default();
        names.know(ONE, Some("aaaa"));
        names.know(OTHER, Some("bbbb"));
        names
    }

    const RTP: [u8; 12] = [0x80; 12];
    const RECORD: [u8; 13] = [22; 13];

    #[test]
    fn a_check_names_its_leg_and_a_source_is_somebodys_once_it_is_proved() {
        let mut names = two();
        assert_eq!(names.whose(at(1), &check("aaaa:x")), Some(Whose::Named(ONE)));
        assert_eq!(names.whose(at(1), &check("bbbb:x")), Some(Whose::Named(OTHER)));
        for datagram in [&RTP[..], &RECORD] {
            assert_eq!(names.whose(at(1), datagram), None, "a name is no proof");
        }
        names.prove(ONE, at(1));
        names.prove(OTHER, at(2));
        for datagram in [&RTP[..], &RECORD] {
            assert_eq!(names.whose(at(1), datagram), Some(Whose::Proved(ONE)));
            assert_eq!(names.whose(at(2), datagram), Some(Whose::Proved(OTHER)));
            assert_eq!(names.whose(at(3), datagram), None);
        }
    }

    #[test]
    fn what_is_forged_or_broken_is_nobodys() {
        let names = two();
        for name in ["", ":", "aaaa", "aaa:x", "aaaaa:x", "aaaa ", "AAAA:x", "cccc:bbbb", "\u{fffd}:x"] {
            assert_eq!(names.whose(at(1), &check(name)), None, "{name:?}");
        }
        let whole = check("aaaa:x");
        for len in 0..whole.len() {
            assert_eq!(names.whose(at(1), &whole[..len]), None, "{len}");
        }
        let nameless = Draft::new(stun::BINDING_REQUEST, [7; 12]).finish();
        assert_eq!(names.whose(at(1), &nameless), None);
        let wild = Draft::new(stun::BINDING_REQUEST, [7; 12]).with(stun::USERNAME, &[0xff, b':', 1]).finish();
        assert_eq!(names.whose(at(1), &wild), None);
    }

    #[test]
    fn a_peer_that_moves_is_heard_from_both_places() {
        let mut names = two();
        names.prove(ONE, at(1));
        names.prove(ONE, at(5));
        names.prove(ONE, at(5));
        for port in [1, 5] {
            assert_eq!(names.whose(at(port), &RTP), Some(Whose::Proved(ONE)));
        }
        for port in 10..10 + MOST_SOURCES as u16 {
            names.prove(ONE, at(port));
        }
        // The oldest give way.
        assert_eq!((names.whose(at(1), &RTP), names.whose(at(5), &RTP)), (None, None));
        assert_eq!(names.by_source.len(), MOST_SOURCES);
    }

    #[test]
    fn a_source_changes_hands_by_proof_alone() {
        let mut names = two();
        names.prove(ONE, at(1));
        // Naming the other leg from the same place takes nothing from the first.
        assert_eq!(names.whose(at(1), &check("bbbb:x")), Some(Whose::Named(OTHER)));
        assert_eq!(names.whose(at(1), &RTP), Some(Whose::Proved(ONE)));
        names.prove(OTHER, at(1));
        assert_eq!(names.whose(at(1), &RTP), Some(Whose::Proved(OTHER)));
        // The end of the first takes nothing from the second.
        names.forget(ONE);
        assert_eq!(names.whose(at(1), &RTP), Some(Whose::Proved(OTHER)));
    }

    #[test]
    fn a_restart_changes_the_name_and_a_closed_leg_leaves_nothing() {
        let mut names = two();
        names.prove(ONE, at(1));
        names.know(ONE, Some("cccc"));
        assert_eq!(names.whose(at(9), &check("aaaa:x")), None);
        assert_eq!(names.whose(at(9), &check("cccc:x")), Some(Whose::Named(ONE)));
        assert_eq!(names.whose(at(1), &RTP), Some(Whose::Proved(ONE)));
        names.forget(ONE);
        assert_eq!(names.whose(at(9), &check("cccc:x")), None);
        assert_eq!(names.whose(at(1), &RTP), None);
        // Proof for a leg that is gone comes too late.
        names.prove(ONE, at(1));
        assert_eq!(names.whose(at(1), &RTP), None);
        names.forget(OTHER);
        assert!(names.is_empty());
    }
}
