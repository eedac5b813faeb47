//! Seats: whether each can be offered a call now, derived from the leases that live calls hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{CallId, Mono, Name};

/// A seat of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeatKey {
    /// The line.
    pub line: Name,
    /// The seat.
    pub seat: Name,
}

/// What a seat does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It can be offered a call.
    Idle,
    /// It rings for a call.
    Ringing,
    /// It talks, or has itself called somebody.
    Talking,
    /// It rests after a call.
    WrapUp {
        /// Until then.
        until: Mono,
    },
    /// It failed three offers; offered again then.
    Unreachable {
        /// Until then.
        until: Mono,
    },
    /// No phone of it is registered, or no trunk reaches it.
    Offline,
}

/// The seats of all lines. A seat's state is never stored: it follows from who holds a lease on it,
/// from its rest, from its failures and from its contacts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seats {
    contacts: BTreeMap<Name, Vec<u64>>,
    states: BTreeMap<SeatKey, Seat>,
    /// Became free since they were last offered to those who wait.
    freed: BTreeSet<SeatKey>,
    alarms: BTreeSet<(Mono, SeatKey)>,
}

#[derive(Clone, Debug, Default)]
struct Seat {
    leases: BTreeMap<CallId, Use>,
    /// Legs that were let go before an answer and have not ended yet: cancelled is not gone.
    still_ringing: u32,
    wrap_up: Option<Mono>,
    barred: Option<Mono>,
    failures: Vec<Mono>,
}

/// What a call does with a seat that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Rings,
    Talks,
}

/// The right of one call to one seat. Whoever owns it gives it back; nothing else frees the seat.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lease {
    key: SeatKey,
    call: CallId,
}

impl Lease {
    pub(crate) fn key(&self) -> &SeatKey {
        &self.key
    }
}

impl Seats {
    /// The seat for `call`, if nobody holds it and it neither rests nor is barred.
    pub(crate) fn take(&mut self, key: &SeatKey, call: CallId) -> Option<Lease> {
        if !self.is_idle(key) {
            return None;
        }
        Some(self.grant(key, call, Use::Rings))
    }

    /// A call was let go before its phone answered: until the phone agrees, it rings or is being answered,
    /// and a second call would find it busy.
    pub(crate) fn still_rings(&mut self, key: &SeatKey) {
        self.states.entry(key.clone()).or_default().still_ringing += 1;
    }

    /// A phone that was let go said so: 487, or an answer that crossed.
    pub(crate) fn rings_no_more(&mut self, key: &SeatKey) {
        let Some(seat) = self.states.get_mut(key) else { return };
        seat.still_ringing = seat.still_ringing.saturating_sub(1);
        if seat.still_ringing == 0 {
            self.freed.insert(key.clone());
        }
    }

    /// Whether one of its phones was let go and has not said that it knows.
    pub(crate) fn is_let_go(&self, key: &SeatKey) -> bool {
        self.states.get(key).is_some_and(|seat| seat.still_ringing > 0)
    }

    /// The seat for a call that it answered across our `GiveUp`: only another call stands in the way.
    pub(crate) fn take_answered(&mut self, key: &SeatKey, call: CallId) -> Option<Lease> {
        if self.states.get(key).is_some_and(|seat| !seat.leases.is_empty()) {
            return None;
        }
        Some(self.grant(key, call, Use::Rings))
    }

    /// The seat for a call that it placed itself: a person may always lift the receiver.
    pub(crate) fn occupy(&mut self, key: &SeatKey, call: CallId) -> Lease {
        self.grant(key, call, Use::Talks)
    }

    fn grant(&mut self, key: &SeatKey, call: CallId, usage: Use) -> Lease {
        self.states.entry(key.clone()).or_default().leases.insert(call, usage);
        Lease { key: key.clone(), call }
    }

    /// The seat talks now, and what it failed before is forgiven.
    pub(crate) fn talks(&mut self, lease: &Lease) {
        let seat = self.states.entry(lease.key.clone()).or_default();
        seat.leases.insert(lease.call, Use::Talks);
        seat.failures.clear();
        if let Some(until) = seat.barred.take() {
            self.alarms.remove(&(until, lease.key.clone()));
        }
    }

    /// The same conversation of the seat, in another call.
    pub(crate) fn hand_over(&mut self, lease: Lease, to: CallId) -> Lease {
        let Lease { key, call } = lease;
        if let Some(seat) = self.states.get_mut(&key) {
            seat.leases.remove(&call);
        }
        self.occupy(&key, to)
    }

    /// Ends a lease.
    pub(crate) fn give_back(&mut self, lease: Lease) {
        if let Some(seat) = self.states.get_mut(&lease.key) {
            seat.leases.remove(&lease.call);
        }
        self.freed.insert(lease.key);
    }

    /// Ends a lease after a conversation: the seat rests for `span`.
    pub(crate) fn rest(&mut self, lease: Lease, now: Mono, span: Duration) {
        if !span.is_zero() {
            let until = now + span;
            let seat = self.states.entry(lease.key.clone()).or_default();
            if let Some(earlier) = seat.wrap_up.replace(until) {
                self.alarms.remove(&(earlier, lease.key.clone()));
            }
            self.alarms.insert((until, lease.key.clone()));
        }
        self.give_back(lease);
    }

    /// Ends a lease after an offer that failed: the third in half an hour bars the seat for a while
    /// (line-language.md 5.7, rule 5). True when it is barred now.
    pub(crate) fn failed(&mut self, lease: Lease, now: Mono) -> bool {
        let seat = self.states.entry(lease.key.clone()).or_default();
        seat.failures.retain(|&at| now.since(at) < FAILURES_WITHIN);
        seat.failures.push(now);
        let excess = seat.failures.len().saturating_sub(FAILURES_TO_BAR);
        seat.failures.drain(..excess);
        let bars = seat.failures.len() >= FAILURES_TO_BAR;
        if bars {
            let until = now + BARRED_FOR;
            if let Some(earlier) = seat.barred.replace(until) {
                self.alarms.remove(&(earlier, lease.key.clone()));
            }
            self.alarms.insert((until, lease.key.clone()));
        }
        self.give_back(lease);
        bars
    }

    /// Whether nobody holds it, its phones are quiet, and it neither rests nor is barred. Says nothing about its contacts.
    pub(crate) fn is_idle(&self, key: &SeatKey) -> bool {
        self.states.get(key).is_none_or(|seat| {
            seat.leases.is_empty()
                && seat.still_ringing == 0
                && seat.wrap_up.is_none()
                && seat.barred.is_none()
        })
    }

    /// Whether a call holds it.
    pub(crate) fn is_held(&self, key: &SeatKey) -> bool {
        self.states.get(key).is_some_and(|seat| !seat.leases.is_empty())
    }

    /// What it does now, its contacts apart.
    pub(crate) fn availability(&self, key: &SeatKey) -> Availability {
        let Some(seat) = self.states.get(key) else { return Availability::Idle };
        if seat.leases.values().any(|&usage| usage == Use::Talks) {
            Availability::Talking
        } else if !seat.leases.is_empty() || seat.still_ringing > 0 {
            Availability::Ringing
        } else if let Some(until) = seat.wrap_up {
            Availability::WrapUp { until }
        } else if let Some(until) = seat.barred {
            Availability::Unreachable { until }
        } else {
            Availability::Idle
        }
    }

    /// The contacts under which an extension is registered.
    pub(crate) fn contacts(&self, ext: &Name) -> &[u64] {
        self.contacts.get(ext).map_or(&[], Vec::as_slice)
    }

    /// Its contacts are these now.
    pub(crate) fn register(&mut self, ext: Name, mut contacts: Vec<u64>) {
        contacts.truncate(MOST_CONTACTS);
        if contacts.is_empty() {
            self.contacts.remove(&ext);
        } else if self.contacts.len() < MOST_EXTENSIONS || self.contacts.contains_key(&ext) {
            self.contacts.insert(ext, contacts);
        }
    }

    /// To be offered to those who wait.
    pub(crate) fn mark_freed(&mut self, key: SeatKey) {
        self.freed.insert(key);
    }

    /// Whether it waits to be offered: older callers come first.
    pub(crate) fn is_freed(&self, key: &SeatKey) -> bool {
        self.freed.contains(key)
    }

    /// The next seat to be offered.
    pub(crate) fn pop_freed(&mut self) -> Option<SeatKey> {
        self.freed.pop_first()
    }

    /// Ends the rests and bars that are over.
    pub(crate) fn expire(&mut self, now: Mono) {
        while let Some((at, key)) = self.alarms.first().cloned() {
            if at > now {
                return;
            }
            self.alarms.pop_first();
            if let Some(seat) = self.states.get_mut(&key) {
                seat.wrap_up = seat.wrap_up.filter(|&until| until > now);
                seat.barred = seat.barred.filter(|&until| until > now);
            }
            self.freed.insert(key);
        }
    }

    /// When the next rest or bar is over.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.alarms.first().map(|&(at, _)| at)
    }

    /// Forgets what is at rest: the seats that a new plan no longer has must not pile up.
    pub(crate) fn forget_idle(&mut self) {
        self.states.retain(|_, seat| {
            !seat.leases.is_empty()
                || seat.still_ringing > 0
                || seat.wrap_up.is_some()
                || seat.barred.is_some()
                || !seat.failures.is_empty()
        });
    }

    /// Seats that a call holds.
    pub(crate) fn held(&self) -> usize {
        self.states.values().filter(|seat| !seat.leases.is_empty()).count()
    }
}

/// Failed offers that bar a seat (line-language.md 5.7, rule 5).
const FAILURES_TO_BAR: usize = 3;
/// How long a failed offer counts (the same rule).
const FAILURES_WITHIN: Duration = Duration::from_mins(30);
/// How long a barred seat is left alone before it is tried again (the same rule).
const BARRED_FOR: Duration = Duration::from_mins(1);
/// Phones of one seat that ring together; a person has no more within reach.
const MOST_CONTACTS: usize = 10;
/// Registered extensions; far more than one engine can serve, a bound against a runaway registrar.
const MOST_EXTENSIONS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SeatKey {
        SeatKey { line: "huaning".into(), seat: "li_na".into() }
    }

    fn at(seconds: u64) -> Mono {
        Mono::ZERO + Duration::from_secs(seconds)
    }

    const ONE: CallId = CallId::from_u128(1);
    const TWO: CallId = CallId::from_u128(2);

    #[test]
    fn a_seat_has_one_lease_at_a_time() {
        let mut seats = Seats::default();
        let lease = seats.take(&key(), ONE).unwrap();
        assert!(seats.take(&key(), TWO).is_none());
        assert_eq!(seats.availability(&key()), Availability::Ringing);
        seats.talks(&lease);
        assert_eq!(seats.availability(&key()), Availability::Talking);
        seats.give_back(lease);
        assert_eq!(seats.availability(&key()), Availability::Idle);
    }

    #[test]
    fn the_third_failure_in_half_an_hour_bars_the_seat_for_a_minute() {
        let mut seats = Seats::default();
        for (second, barred) in [(0, false), (10, false), (20, true)] {
            let lease = seats.take(&key(), ONE).unwrap();
            assert_eq!(seats.failed(lease, at(second)), barred);
        }
        assert!(seats.take(&key(), ONE).is_none());
        assert_eq!(seats.deadline(), Some(at(80)));
        seats.expire(at(80));
        let lease = seats.take(&key(), ONE).unwrap();
        assert!(seats.failed(lease, at(90)), "the fourth bars again");
        seats.expire(at(150));
        let lease = seats.take(&key(), ONE).unwrap();
        seats.talks(&lease);
        seats.give_back(lease);
        let lease = seats.take(&key(), ONE).unwrap();
        assert!(!seats.failed(lease, at(200)), "an answer forgives");
    }

    #[test]
    fn failures_half_an_hour_apart_bar_nobody() {
        let mut seats = Seats::default();
        for minute in [0, 20, 40, 60] {
            let lease = seats.take(&key(), ONE).unwrap();
            assert!(!seats.failed(lease, at(minute * 60)));
        }
    }
}
