//! Transferring: a seat asked us to put its other party through, and the target rings (RFC 3515, blind).
//!
//! The seat stays on the call until the target answers, unless it hangs up. If the target does not answer,
//! the seat has its party back; a seat that is gone is rung again, and if that fails too the line goes on
//! where it would have without a seat.

use std::time::Duration;

use base::{Cause, LegId, Mono, Tone};
use ivr::session::Input;

use crate::call::Event;
use crate::call::greeting::Greeting;
use crate::call::ringing::Ringing;
use crate::call::talking::{Talking, Terms};
use crate::call::visit::Scene;
use crate::cdr::{TransferKind, TransferRecord};
use crate::routing;
use crate::seam::{Output, Told};
use crate::seats::{Lease, SeatKey};

/// A party is on its way from one seat to another.
#[derive(Clone, Debug)]
pub(crate) struct Transferring {
    /// Who asked.
    by: SeatKey,
    leg: LegId,
    /// While that seat's phone is on the call.
    lease: Option<Lease>,
    terms: Terms,
    goal: Goal,
    /// The target failed, and who asked is rung again.
    recalls: bool,
}

/// Whoever the party is to be put through to.
#[derive(Clone, Debug)]
enum Goal {
    Rings(Ringing),
    /// Its phone rang for a consultation that was given up this moment, and has not said that it knows.
    Settles {
        key: SeatKey,
        again: Mono,
        until: Mono,
    },
}

/// What comes after a step of it.
#[derive(Debug)]
pub(crate) enum Next {
    Stays(Box<Transferring>),
    Talks(Talking),
    /// Nobody is left for the party: the line goes on.
    Resumes(Greeting, Input),
    Over(Cause),
}

/// Why a REFER is refused at once: the status, and the word for the record.
type Denial = (u16, Cause);

impl Transferring {
    /// A seat of a conversation asks for `to`.
    pub(crate) fn begin(mut talking: Talking, leg: LegId, to: &str, scene: &mut Scene<'_>) -> Next {
        let asked = talking.seat_of(leg, scene.visit).filter(|_| scene.visit.is_phone(leg));
        let (by, goal) = match judge(asked, to, scene) {
            Ok(parties) => parties,
            Err((by, denial)) => {
                deny(leg, by, to, TransferKind::Blind, denial, scene);
                return Next::Talks(talking);
            }
        };
        scene.floor.push(Output::AcceptRefer { leg });
        talking.part(scene);
        talking.count(scene);
        scene.nobody_speaks();
        if leg == scene.visit.caller {
            talking.turn(scene);
        }
        note(&by, goal.seat.as_str(), TransferKind::Blind, None, scene);
        scene.tell(Told::Transfers { by: by.seat.clone(), to: goal.seat.clone() });
        let caller = scene.visit.caller;
        scene.sound(caller, Tone::Ringback, None);
        let now = scene.now.mono;
        let goal = Goal::Settles { key: goal, again: now, until: now + SETTLES_WITHIN };
        let Talking { lease, terms, .. } = talking;
        Self { by, leg, lease: Some(lease), terms, goal, recalls: false }.look(scene)
    }

    pub(crate) fn step(mut self: Box<Self>, event: &Event, scene: &mut Scene<'_>) -> Next {
        match *event {
            Event::Progressed { leg, media, .. } => {
                if let Goal::Rings(ringing) = &mut self.goal
                    && ringing.has(leg)
                    && ringing.hears(leg, media)
                {
                    let caller = scene.visit.caller;
                    scene.floor.push(Output::Bridge { a: caller, b: leg });
                }
            }
            Event::Answered { leg } => return self.answered(leg, scene),
            Event::Ended { leg, .. } if leg == self.leg => self.gone(scene),
            Event::Ended { leg, cause } => return self.ended(leg, cause, scene),
            Event::Digit { leg, digit } if leg == scene.visit.caller => scene.hears_refusal(digit),
            Event::Alarm => return self.look(scene),
            // Who holds whom counts again when two talk.
            _ => {}
        }
        Next::Stays(self)
    }

    /// Rings the target as soon as it can be rung, and not for ever.
    fn look(mut self, scene: &mut Scene<'_>) -> Next {
        let now = scene.now.mono;
        match &mut self.goal {
            Goal::Settles { key, again, until } if *again <= now => {
                if scene.floor.seats.is_let_go(key) && now < *until {
                    *again = now + LOOKS_EVERY;
                    return Next::Stays(Box::new(self));
                }
                let by = (!self.recalls).then_some(&self.by);
                match Ringing::begin(&key.clone(), by, scene) {
                    Ok(ringing) => self.goal = Goal::Rings(ringing),
                    Err(cause) => return self.failed(cause, scene),
                }
            }
            Goal::Rings(ringing) if ringing.deadline() <= now => {
                return self.call_off(Cause::NoAnswer, scene);
            }
            Goal::Settles { .. } | Goal::Rings(_) => {}
        }
        Next::Stays(Box::new(self))
    }

    fn answered(self: Box<Self>, leg: LegId, scene: &mut Scene<'_>) -> Next {
        if !matches!(&self.goal, Goal::Rings(ringing) if ringing.has(leg)) {
            return Next::Stays(self);
        }
        let Self { leg: from, lease, terms, goal: Goal::Rings(ringing), recalls, .. } = *self else {
            return Next::Stays(self);
        };
        if !recalls {
            told(from, Cause::Transferred, scene);
        }
        if let Some(lease) = lease {
            scene.let_go(from, Cause::Transferred);
            leave(lease, &terms, scene);
        }
        let taken = ringing.answered(leg, scene);
        let caller = scene.visit.caller;
        scene.identify(caller, leg);
        Next::Talks(Talking::begin(taken, terms, scene))
    }

    /// The seat that this leg rings.
    pub(crate) fn rung_on(&self, leg: LegId) -> Option<&SeatKey> {
        match &self.goal {
            Goal::Rings(ringing) => ringing.rung_on(leg),
            Goal::Settles { .. } => None,
        }
    }

    /// A colleague of whom it rings takes it: for who asked that is as good.
    pub(crate) fn pick_up(self: Box<Self>, leg: LegId, lease: Lease, scene: &mut Scene<'_>) -> Next {
        let Self { leg: from, lease: left, terms, goal, recalls, .. } = *self;
        if !recalls {
            told(from, Cause::Transferred, scene);
        }
        if let Some(left) = left {
            scene.let_go(from, Cause::Transferred);
            leave(left, &terms, scene);
        }
        if let Goal::Rings(ringing) = goal {
            ringing.abandon(Cause::AnsweredElsewhere, scene);
        }
        let taken = scene.picked_up(leg, lease);
        let caller = scene.visit.caller;
        scene.identify(caller, leg);
        Next::Talks(Talking::begin(taken, terms, scene))
    }

    /// Who asked has hung up and trusts us with the rest.
    fn gone(&mut self, scene: &mut Scene<'_>) {
        if let Some(lease) = self.lease.take() {
            leave(lease, &self.terms, scene);
        }
    }

    /// Media missed the packets of who asked: a phone may well be done when it has asked.
    pub(crate) fn silent(&mut self, leg: LegId, scene: &mut Scene<'_>) {
        if leg == self.leg && self.lease.is_some() {
            scene.let_go(leg, Cause::RtpSilence);
            self.gone(scene);
        }
    }

    fn ended(mut self: Box<Self>, leg: LegId, cause: Cause, scene: &mut Scene<'_>) -> Next {
        let Goal::Rings(ringing) = &mut self.goal else { return Next::Stays(self) };
        if !ringing.has(leg) {
            return Next::Stays(self);
        }
        match ringing.ended(leg, cause, scene) {
            Some(cause) => self.call_off(cause, scene),
            None => Next::Stays(self),
        }
    }

    /// The target is not rung any more.
    fn call_off(mut self, cause: Cause, scene: &mut Scene<'_>) -> Next {
        let settled = Goal::Settles { key: self.by.clone(), again: scene.now.mono, until: scene.now.mono };
        if let Goal::Rings(ringing) = std::mem::replace(&mut self.goal, settled) {
            ringing.abandon(cause, scene);
            let caller = scene.visit.caller;
            scene.sound(caller, Tone::Ringback, None);
        }
        self.failed(cause, scene)
    }

    /// Nobody answered.
    fn failed(mut self, cause: Cause, scene: &mut Scene<'_>) -> Next {
        if self.recalls {
            return match self.terms.resume() {
                Some((greeting, input)) => Next::Resumes(greeting, input),
                None => Next::Over(cause),
            };
        }
        told(self.leg, cause, scene);
        if let Some(lease) = self.lease {
            return Next::Talks(Talking::resume(lease, self.leg, self.terms, scene));
        }
        self.recalls = true;
        let now = scene.now.mono;
        self.goal = Goal::Settles { key: self.by.clone(), again: now, until: now + SETTLES_WITHIN };
        self.look(scene)
    }

    /// The call ends meanwhile.
    pub(crate) fn abandon(self, cause: Cause, scene: &mut Scene<'_>) {
        if !self.recalls {
            told(self.leg, cause, scene);
        }
        if let Goal::Rings(ringing) = self.goal {
            ringing.abandon(cause, scene);
        }
        if let Some(lease) = self.lease {
            leave(lease, &self.terms, scene);
        }
    }

    pub(crate) fn deadline(&self) -> Mono {
        match &self.goal {
            Goal::Rings(ringing) => ringing.deadline(),
            Goal::Settles { again, .. } => *again,
        }
    }
}

/// Who asks for whom, if that may be.
fn judge(
    asked: Option<SeatKey>,
    to: &str,
    scene: &Scene<'_>,
) -> Result<(SeatKey, SeatKey), (Option<SeatKey>, Denial)> {
    let Some(by) = asked else { return Err((None, (FORBIDDEN, Cause::Forbidden))) };
    let goal = match routing::transfer_goal(&scene.floor.plan, &by, to) {
        Ok(goal) => goal,
        Err(cause) => return Err((Some(by), (FORBIDDEN, cause))),
    };
    let denial = if goal == by {
        (LOOP, Cause::Forbidden)
    } else if scene.visit.transfers.len() >= MOST_TRANSFERS {
        (DECLINED, Cause::Refused)
    } else if !scene.floor.is_reachable(&goal) {
        (Cause::Unreachable.sip_status(), Cause::Unreachable)
    } else if scene.floor.seats.is_held(&goal) {
        (Cause::Busy.sip_status(), Cause::Busy)
    } else {
        return Ok((by, goal));
    };
    Err((Some(by), denial))
}

/// A REFER is refused: the call goes on as it was, and its record says so.
pub(crate) fn deny(
    leg: LegId,
    by: Option<SeatKey>,
    to: &str,
    kind: TransferKind,
    (status, cause): Denial,
    scene: &mut Scene<'_>,
) {
    scene.floor.push(Output::RefuseRefer { leg, status });
    if let Some(by) = by {
        note(&by, to, kind, Some(cause), scene);
    }
}

/// Enters a transfer into the record of the call.
pub(crate) fn note(
    by: &SeatKey,
    to: &str,
    kind: TransferKind,
    outcome: Option<Cause>,
    scene: &mut Scene<'_>,
) {
    let visit = &mut *scene.visit;
    if visit.transfers.len() < MOST_TRANSFERS {
        let at = scene.now.mono.since(visit.started.mono);
        let to = to.chars().take(LONGEST_GOAL).collect();
        visit.transfers.push(TransferRecord { at, by: by.seat.clone(), to, kind, outcome });
    }
}

/// What came of it, for who asked and for the record.
fn told(leg: LegId, outcome: Cause, scene: &mut Scene<'_>) {
    if let Some(last) = scene.visit.transfers.last_mut() {
        last.outcome.get_or_insert(outcome);
    }
    let status = if outcome == Cause::Transferred { OK } else { outcome.sip_status() };
    scene.floor.push(Output::ReferProgress { leg, status });
}

/// The seat is not on the call any more, and rests.
pub(crate) fn leave(lease: Lease, terms: &Terms, scene: &mut Scene<'_>) {
    let seat = lease.key().seat.clone();
    scene.floor.seats.rest(lease, scene.now.mono, terms.wrap_up);
    scene.tell(Told::Left { seat });
}

/// RFC 3261 §21.2.1, §21.4.4, §21.4.20 and §21.6.2.
const OK: u16 = 200;
const FORBIDDEN: u16 = 403;
const LOOP: u16 = 482;
const DECLINED: u16 = 603;

/// Transfers of one call in its record; nobody is handed round for longer, and the record stays small.
const MOST_TRANSFERS: usize = 50;

/// What is kept of a target that is no seat: longer than any number.
const LONGEST_GOAL: usize = 64;

/// A phone that was let go answers the CANCEL within this, or is as good as gone (64·T1 is 32 s, but a
/// caller waits).
const SETTLES_WITHIN: Duration = Duration::from_secs(4);

/// How often we look whether it has.
const LOOKS_EVERY: Duration = Duration::from_millis(200);
