//! A hunt: passes over seats until one answers. Sequential and parallel ringing are one machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{Cause, Digit, LegId, Mono, Name};
use ivr::line::{Order, Reach, Ring, Strategy};

use crate::call::visit::{MOST_LEGS, Scene};
use crate::floor::Floor;
use crate::queue::Ticket;
use crate::routing::{self, Permit, Shown};
use crate::seam::Told;
use crate::seats::{Lease, SeatKey};

/// Rings seats for one caller. It ends with one winner or with nobody; every leg that it placed and
/// that did not win is let go, and lives until its `Ended` or its crossing answer.
#[derive(Clone, Debug)]
pub(crate) struct Hunt {
    ring: Ring,
    passes: Passes,
    attempts: Vec<Attempt>,
    /// Given up, but an answer may still cross: the caller waits, so it is taken.
    lost: BTreeMap<LegId, Name>,
    /// The seats of this pass, and how far a sequential one came.
    order: Vec<Name>,
    position: usize,
    tried: BTreeSet<Name>,
    /// When the parallel round is over.
    round: Option<Mono>,
    pause: Option<Mono>,
    /// No new attempts: what rings may ring out.
    last: bool,
    /// The only pass is over.
    done: bool,
}

/// How often the seats are gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passes {
    /// A `ring` step.
    One,
    /// A queue: until the caller leaves.
    Many,
}

/// One seat that is offered the call.
#[derive(Clone, Debug)]
struct Attempt {
    lease: Lease,
    /// Its phones that have not failed.
    legs: Vec<LegId>,
    until: Mono,
    confirming: Option<Confirming>,
    /// The most telling of the ends of its phones so far.
    cause: Option<Cause>,
    /// Trunks over which it failed.
    tried: Vec<Name>,
}

/// An outside phone was answered: by a person or by a voicemail? The key tells.
#[derive(Clone, Copy, Debug)]
struct Confirming {
    leg: LegId,
    key: Digit,
    until: Mono,
}

/// The seat that answered first.
#[derive(Debug)]
pub(crate) struct Winner {
    pub(crate) lease: Lease,
    pub(crate) leg: LegId,
}

impl Hunt {
    /// Begins to ring at once.
    pub(crate) fn begin(ring: Ring, passes: Passes, scene: &mut Scene<'_>, ticket: &Ticket) -> Self {
        let mut hunt = Self {
            ring,
            passes,
            attempts: Vec::new(),
            lost: BTreeMap::new(),
            order: Vec::new(),
            position: 0,
            tried: BTreeSet::new(),
            round: None,
            pause: None,
            last: false,
            done: false,
        };
        hunt.next_pass(scene, ticket);
        hunt.go_on(scene, ticket);
        hunt
    }

    /// Whether the only pass is over and nobody answered.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether any seat is being offered the call.
    pub(crate) fn is_ringing(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// What rings may ring out, and nothing else is rung.
    pub(crate) fn finish(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        self.last = true;
        self.end_pause(scene, ticket);
    }

    /// Whether it sleeps until a seat is free.
    #[cfg(test)]
    pub(crate) fn is_asleep(&self) -> bool {
        self.attempts.is_empty() && self.pause.is_none() && !self.last && !self.done
    }

    pub(crate) fn is_finishing(&self) -> bool {
        self.last
    }

    /// A new plan rings these seats in this way.
    pub(crate) fn follow(&mut self, ring: Ring, scene: &mut Scene<'_>, ticket: &Ticket) {
        self.ring = ring;
        if self.attempts.is_empty() && self.pause.is_none() {
            self.next_pass(scene, ticket);
        } else {
            self.order = self.pass_order(scene, ticket);
            self.position = 0;
        }
        self.go_on(scene, ticket);
    }

    /// A seat became free and this caller is the oldest who waits for it.
    pub(crate) fn seat_is_free(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        if self.pause.is_some() {
            self.promise(scene, ticket);
            return;
        }
        if self.attempts.is_empty() && !self.done {
            self.next_pass(scene, ticket);
        }
        self.go_on(scene, ticket);
    }

    /// A placed leg was answered.
    pub(crate) fn answered(&mut self, leg: LegId, scene: &mut Scene<'_>) -> Option<Winner> {
        scene.mark_answered(leg);
        if let Some(seat) = self.lost.remove(&leg) {
            return self.answered_late(leg, &seat, scene);
        }
        let Some(index) = self.attempts.iter().position(|attempt| attempt.legs.contains(&leg)) else {
            // Given up by an earlier hunt of this call.
            scene.let_go(leg, Cause::AnsweredElsewhere);
            return None;
        };
        let attempt = self.attempts.get_mut(index)?;
        if attempt.confirming.is_some_and(|confirming| confirming.leg == leg) {
            return None;
        }
        let Some(key) = confirm_key(scene, &attempt.lease.key().seat) else {
            return Some(self.win(index, leg, scene));
        };
        let until = attempt.until.min(scene.now.mono + scene.visit.limits.confirm_within);
        attempt.confirming = Some(Confirming { leg, key, until });
        if scene.visit.line.prompts.contains_key(PRESS_TO_ACCEPT) {
            scene.play_prompt(leg, PRESS_TO_ACCEPT.into());
        }
        None
    }

    /// Its 200 crossed our CANCEL. Nobody has won yet, or we would not be asked: it is taken, unless
    /// the seat is another caller's by now or would have to confirm.
    fn answered_late(&mut self, leg: LegId, seat: &Name, scene: &mut Scene<'_>) -> Option<Winner> {
        let key = key(seat, scene);
        let lease = match confirm_key(scene, seat) {
            Some(_) => None,
            None => scene.floor.seats.take_answered(&key, scene.visit.id),
        };
        let Some(lease) = lease else {
            scene.let_go(leg, Cause::AnsweredElsewhere);
            return None;
        };
        scene.take_back(leg);
        let until = scene.now.mono;
        self.attempts.push(Attempt {
            lease,
            legs: vec![leg],
            until,
            confirming: None,
            cause: None,
            tried: Vec::new(),
        });
        Some(self.win(self.attempts.len() - 1, leg, scene))
    }

    fn win(&mut self, index: usize, leg: LegId, scene: &mut Scene<'_>) -> Winner {
        let attempt = self.attempts.swap_remove(index);
        for other in attempt.legs.iter().filter(|&&other| other != leg) {
            scene.let_go(*other, Cause::AnsweredElsewhere);
        }
        self.call_off(Cause::AnsweredElsewhere, scene);
        scene.floor.seats.talks(&attempt.lease);
        Winner { lease: attempt.lease, leg }
    }

    /// A key on a leg of a seat that has to confirm.
    pub(crate) fn digit(
        &mut self,
        leg: LegId,
        digit: Digit,
        scene: &mut Scene<'_>,
        ticket: &Ticket,
    ) -> Option<Winner> {
        let confirms = |attempt: &Attempt| attempt.confirming.filter(|confirming| confirming.leg == leg);
        let (index, confirming) = self
            .attempts
            .iter()
            .enumerate()
            .find_map(|(index, attempt)| Some((index, confirms(attempt)?)))?;
        if digit == confirming.key {
            return Some(self.win(index, leg, scene));
        }
        if Digit::from_char(DECLINE_KEY) == Some(digit) {
            self.fail(index, Cause::Declined, scene, ticket);
        }
        None
    }

    /// A placed leg is over; the scene has closed it already.
    pub(crate) fn ended(&mut self, leg: LegId, cause: Cause, scene: &mut Scene<'_>, ticket: &Ticket) {
        self.lost.remove(&leg);
        let Some(index) = self.attempts.iter().position(|attempt| attempt.legs.contains(&leg)) else {
            return;
        };
        let Some(attempt) = self.attempts.get_mut(index) else { return };
        attempt.legs.retain(|&other| other != leg);
        if let Some(next) = another_trunk(attempt.lease.key(), leg, cause, &mut attempt.tried, scene) {
            // The same attempt at the same seat: its time goes on, and it counts once.
            attempt.legs.push(next);
            return;
        }
        // Who hangs up before the key has declined.
        let hung_up = attempt.confirming.is_some_and(|confirming| confirming.leg == leg);
        let cause = if hung_up { Cause::Declined } else { cause };
        let telling = attempt.cause.map_or(cause, |before| more_telling(before, cause));
        attempt.cause = Some(telling);
        // A person who declines at one phone declines at all of them (RFC 3261 §21.6.2).
        if cause == Cause::Declined || attempt.legs.is_empty() {
            self.fail(index, telling, scene, ticket);
        }
    }

    /// An attempt came to nothing.
    fn fail(&mut self, index: usize, cause: Cause, scene: &mut Scene<'_>, ticket: &Ticket) {
        let attempt = self.attempts.swap_remove(index);
        let seat = attempt.lease.key().seat.clone();
        self.lose(&attempt.legs, &seat, cause, scene);
        scene.floor.seats.failed(attempt.lease, scene.now.mono);
        scene.tell(Told::StopsRinging { seat, cause });
        // Before the line goes on there is nothing to pause for.
        let goes_on = self.passes == Passes::Many || self.pick(scene).is_some();
        if self.ring.strategy == Strategy::Sequential && cost_time(cause) && goes_on && !self.last {
            self.rest(scene, ticket);
        }
        self.go_on(scene, ticket);
    }

    fn lose(&mut self, legs: &[LegId], seat: &Name, cause: Cause, scene: &mut Scene<'_>) {
        for &leg in legs {
            let answered = scene.visit.legs.get(&leg).is_some_and(|leg| leg.answered.is_some());
            scene.let_go(leg, cause);
            if !answered {
                self.lost.insert(leg, seat.clone());
            }
        }
    }

    /// The seat that this leg rings.
    pub(crate) fn rung_on(&self, leg: LegId) -> Option<&SeatKey> {
        self.attempts.iter().find(|attempt| attempt.legs.contains(&leg)).map(|attempt| attempt.lease.key())
    }

    /// Lets every seat go: somebody won, or the caller is gone.
    pub(crate) fn call_off(&mut self, cause: Cause, scene: &mut Scene<'_>) {
        for attempt in std::mem::take(&mut self.attempts) {
            let seat = attempt.lease.key().seat.clone();
            self.lose(&attempt.legs, &seat, cause, scene);
            scene.floor.seats.give_back(attempt.lease);
            scene.tell(Told::StopsRinging { seat, cause });
        }
    }

    /// What time has brought.
    pub(crate) fn expire(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        let now = scene.now.mono;
        while let Some((index, cause)) =
            self.attempts.iter().enumerate().find_map(|(index, attempt)| Some((index, attempt.expired(now)?)))
        {
            self.fail(index, cause, scene, ticket);
        }
        if self.pause.is_some_and(|pause| pause <= now) {
            self.end_pause(scene, ticket);
            if self.pick(scene).is_none() {
                self.pass_is_over(scene, ticket);
            }
            self.go_on(scene, ticket);
        }
    }

    fn pass_is_over(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        match self.passes {
            Passes::One => self.done = true,
            Passes::Many => self.next_pass(scene, ticket),
        }
    }

    /// When `expire` is due.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.attempts.iter().map(Attempt::deadline).chain(self.pause).min()
    }

    /// Rings whatever is to be rung now.
    fn go_on(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        if self.last || self.done || self.pause.is_some() {
            return;
        }
        match self.ring.strategy {
            Strategy::Sequential if !self.attempts.is_empty() => return,
            Strategy::Sequential => self.ring_next(scene, ticket),
            Strategy::Parallel => self.ring_all(scene, ticket),
        }
        if self.attempts.is_empty() {
            match self.passes {
                Passes::One => self.done = true,
                // Without a seat that could be tried the hunt sleeps until one is free.
                Passes::Many if self.tried.is_empty() => {}
                Passes::Many => self.rest(scene, ticket),
            }
        }
    }

    fn ring_next(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        while let Some(seat) = self.order.get(self.position).cloned() {
            self.position += 1;
            let until = scene.now.mono + self.ring.timeout;
            if self.offer(&seat, until, scene, ticket) {
                if let Some(queue) = ticket.queue() {
                    scene.floor.queues.remember(queue, &seat);
                }
                return;
            }
        }
    }

    fn ring_all(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        let now = scene.now.mono;
        for seat in self.order.clone() {
            if self.attempts.len() >= MOST_AT_ONCE {
                return;
            }
            let until = self.round.unwrap_or(now + self.ring.timeout);
            if !self.tried.contains(&seat) && until > now && self.offer(&seat, until, scene, ticket) {
                self.round = Some(until);
            }
        }
    }

    /// Offers the call to a seat, at all its phones; false when it cannot be offered one now.
    fn offer(&mut self, seat: &Name, until: Mono, scene: &mut Scene<'_>, ticket: &Ticket) -> bool {
        let key = key(seat, scene);
        if !may_take(&key, scene, ticket) {
            return false;
        }
        // Before the lease: one given back at once would be offered again, for ever.
        let permits = permits(&key, scene.floor, &scene.visit.shown, scene.now.mono);
        if permits.is_empty() || scene.visit.legs.len() >= MOST_LEGS {
            return false;
        }
        let Some(lease) = scene.floor.seats.take(&key, scene.visit.id) else { return false };
        let legs = permits.into_iter().map(|permit| scene.place(seat, permit)).collect();
        self.tried.insert(seat.clone());
        self.attempts.push(Attempt { lease, legs, until, confirming: None, cause: None, tried: Vec::new() });
        scene.tell(Told::Rings { seat: seat.clone() });
        true
    }

    /// Pauses, and promises the next seats to itself: a younger caller must not overtake meanwhile.
    fn rest(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        self.pause = Some(scene.now.mono + self.ring.pause.max(SHORTEST_PAUSE));
        self.promise(scene, ticket);
    }

    fn promise(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        let next = self.pick(scene).or_else(|| {
            let again = self.pass_order(scene, ticket);
            again.into_iter().find(|seat| is_open(&key(seat, scene), scene))
        });
        for key in ticket.seats() {
            let all = self.ring.strategy == Strategy::Parallel;
            let is_next = all || next.as_ref() == Some(&key.seat);
            if scene.floor.queues.set_next(ticket, key, is_next) {
                scene.floor.seats.mark_freed(key.clone());
            }
        }
    }

    /// The promise is over; seats that others may have now are offered to them.
    fn end_pause(&mut self, scene: &mut Scene<'_>, ticket: &Ticket) {
        if self.pause.take().is_some() {
            for key in ticket.seats() {
                if scene.floor.queues.set_next(ticket, key, false) {
                    scene.floor.seats.mark_freed(key.clone());
                }
            }
        }
    }

    /// The seat that a sequential pass would ring next.
    fn pick(&self, scene: &Scene<'_>) -> Option<Name> {
        let rest = match self.ring.strategy {
            Strategy::Sequential => self.order.get(self.position..)?,
            Strategy::Parallel => return None,
        };
        rest.iter().find(|seat| is_open(&key(seat, scene), scene)).cloned()
    }

    fn next_pass(&mut self, scene: &Scene<'_>, ticket: &Ticket) {
        self.order = self.pass_order(scene, ticket);
        self.position = 0;
        self.tried.clear();
        self.round = None;
    }

    /// The seats in the order of the file, or after the one that the queue tried last.
    fn pass_order(&self, scene: &Scene<'_>, ticket: &Ticket) -> Vec<Name> {
        let mut order = self.ring.seats.clone();
        if self.ring.strategy == Strategy::Sequential
            && self.ring.order == Order::Remember
            && let Some(last) = ticket.queue().and_then(|queue| scene.floor.queues.last_tried(queue))
            && let Some(index) = order.iter().position(|seat| seat == last)
        {
            let len = order.len();
            order.rotate_left((index + 1) % len);
        }
        order
    }
}

fn key(seat: &Name, scene: &Scene<'_>) -> SeatKey {
    SeatKey { line: scene.visit.line.id.clone(), seat: seat.clone() }
}

impl Attempt {
    fn deadline(&self) -> Mono {
        self.confirming.map_or(self.until, |confirming| confirming.until.min(self.until))
    }

    fn expired(&self, now: Mono) -> Option<Cause> {
        if self.deadline() > now {
            return None;
        }
        Some(if self.confirming.is_some() { Cause::NotConfirmed } else { Cause::NoAnswer })
    }
}

/// Whether the seat could be offered a call, older callers apart.
fn is_open(key: &SeatKey, scene: &Scene<'_>) -> bool {
    scene.floor.seats.is_idle(key) && scene.floor.is_reachable(key)
}

/// Whether this caller may have the seat now: nobody older is about to ring it, and a seat that just
/// became free goes to the oldest who waits for it.
fn may_take(key: &SeatKey, scene: &Scene<'_>, ticket: &Ticket) -> bool {
    let queues = &scene.floor.queues;
    let fresh = scene.floor.seats.is_freed(key);
    !(queues.is_promised_to_older(ticket, key) || fresh && queues.somebody_older_waits(ticket, key))
}

/// Leave to place a leg to each phone of the seat.
pub(crate) fn permits(key: &SeatKey, floor: &mut Floor, shown: &Shown, now: Mono) -> Vec<Permit> {
    let reach = floor.plan.lines.get(&key.line).and_then(|line| line.seats.get(&key.seat)).map(|s| &s.reach);
    let contacts: Vec<Option<u64>> = match reach {
        Some(Reach::Ext(ext)) => floor.seats.contacts(ext).iter().copied().map(Some).collect(),
        Some(Reach::Phone { .. }) => vec![None],
        None => Vec::new(),
    };
    contacts
        .into_iter()
        .filter_map(|contact| {
            routing::authorize_leg(floor, &key.line, &key.seat, contact, shown, &[], now).ok()
        })
        .collect()
}

/// A leg to an outside seat failed before any phone was heard of, and its trunk is to blame: the same over
/// another trunk, as long as there is one that was not tried for it.
pub(crate) fn another_trunk(
    key: &SeatKey,
    leg: LegId,
    cause: Cause,
    tried: &mut Vec<Name>,
    scene: &mut Scene<'_>,
) -> Option<LegId> {
    if !matches!(cause, Cause::TrunkFailed | Cause::NoResponse) || scene.visit.legs.len() >= MOST_LEGS {
        return None;
    }
    tried.push(scene.visit.legs.get(&leg)?.trunk_in_vain()?.clone());
    let (now, shown) = (scene.now.mono, &scene.visit.shown);
    let permit = routing::authorize_leg(scene.floor, &key.line, &key.seat, None, shown, tried, now).ok()?;
    Some(scene.place(&key.seat, permit))
}

/// The key that the seat has to press, if it is an outside phone with one.
fn confirm_key(scene: &Scene<'_>, seat: &Name) -> Option<Digit> {
    let line = scene.floor.plan.lines.get(&scene.visit.line.id)?;
    match line.seats.get(seat)?.reach {
        Reach::Phone { confirm, .. } => confirm,
        Reach::Ext(_) => None,
    }
}

/// Which of two ends says more about the seat.
pub(crate) fn more_telling(a: Cause, b: Cause) -> Cause {
    let weight = |cause| match cause {
        Cause::Declined => 4,
        Cause::Busy => 3,
        Cause::NoAnswer | Cause::NotConfirmed => 2,
        Cause::Unreachable | Cause::NoResponse | Cause::TrunkFailed => 1,
        _ => 0,
    };
    if weight(b) > weight(a) { b } else { a }
}

/// Whether the attempt took the caller's time; a busy or dead phone is skipped at once
/// (line-language.md 5.7, 5).
fn cost_time(cause: Cause) -> bool {
    matches!(cause, Cause::NoAnswer | Cause::NotConfirmed | Cause::Declined | Cause::NoResponse)
}

/// What a seat with `confirm` hears, and the key that says no (line-language.md 5.8, 6).
pub(crate) const PRESS_TO_ACCEPT: &str = "press_to_accept";
const DECLINE_KEY: char = '2';
/// Seats rung at once for one caller: each is an INVITE and a phone that rings in vain.
const MOST_AT_ONCE: usize = 32;
/// Between two rounds at least: a phone that says busy at once must not be rung in a tight loop.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
