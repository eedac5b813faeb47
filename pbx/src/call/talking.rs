//! Talking: the caller and a seat hear each other, and a recorder may hear both.

use std::time::Duration;

use base::{Cause, LegId, Mono, Name};
use ivr::session::{Input, Left};

use crate::call::Event;
use crate::call::greeting::Greeting;
use crate::call::ringing::Taken;
use crate::call::visit::{Scene, Visit};
use crate::seam::{Output, Told};
use crate::seats::{Lease, SeatKey};

/// A conversation.
#[derive(Clone, Debug)]
pub(crate) struct Talking {
    pub(crate) lease: Lease,
    pub(crate) leg: LegId,
    pub(crate) terms: Terms,
    since: Mono,
    bridged: bool,
    held: Held,
}

/// Who is held and hears music.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    caller: bool,
    seat: bool,
}

/// What holds for a conversation, whichever seat talks.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) kind: Kind,
    pub(crate) wrap_up: Duration,
    /// The line goes on here when a transfer leaves the caller with nobody.
    pub(crate) greeting: Option<Box<Greeting>>,
}

/// How the two came together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Queue(Name),
    Ring,
    /// One seat dialled the other.
    Direct,
}

/// What comes after a step of it.
#[derive(Debug)]
pub(crate) enum Next {
    Stays(Talking),
    Over(Talking, Cause),
}

impl Terms {
    /// Of a call between two seats.
    pub(crate) const fn direct() -> Self {
        Self { kind: Kind::Direct, wrap_up: Duration::ZERO, greeting: None }
    }

    /// Where the line goes on without a seat: as when nobody had answered.
    pub(crate) fn resume(self) -> Option<(Greeting, Input)> {
        let input = match self.kind {
            Kind::Queue(_) => Input::LeftQueue(Left::TimedOut),
            Kind::Ring => Input::NobodyAnswered,
            Kind::Direct => return None,
        };
        Some((*self.greeting?, input))
    }
}

impl Talking {
    /// Joins the two.
    pub(crate) fn begin(taken: Taken, terms: Terms, scene: &mut Scene<'_>) -> Self {
        let Taken { lease, leg, bridged } = taken;
        let since = scene.now.mono;
        let seat = lease.key().seat.clone();
        scene.visit.connected.get_or_insert(since);
        scene.visit.seat = Some(seat.clone());
        let mut talking = Self { lease, leg, terms, since, bridged, held: Held::default() };
        talking.join(scene);
        scene.put_on_record();
        scene.tell(Told::Connected { seat, recording: scene.visit.recorded_as() });
        talking
    }

    /// The seat has them back after a transfer that came to nothing.
    pub(crate) fn resume(lease: Lease, leg: LegId, terms: Terms, scene: &mut Scene<'_>) -> Self {
        let since = scene.now.mono;
        let mut talking = Self { lease, leg, terms, since, bridged: false, held: Held::default() };
        talking.join(scene);
        talking
    }

    pub(crate) fn step(mut self, event: &Event, scene: &mut Scene<'_>) -> Next {
        match *event {
            Event::Ended { leg, .. } if leg == self.leg => return Next::Over(self, Cause::SeatHungUp),
            Event::Digit { leg, digit } if leg == scene.visit.caller => scene.hears_refusal(digit),
            Event::Held { leg, .. } if leg == scene.visit.caller || leg == self.leg => self.join(scene),
            Event::Alarm if self.deadline(scene.visit).is_some_and(|until| until <= scene.now.mono) => {
                return Next::Over(self, Cause::RtpSilence);
            }
            // Losers of the hunt, and seats that are free now, are no matter of this conversation.
            _ => {}
        }
        Next::Stays(self)
    }

    /// Both hear each other, or the held one hears the line's music, from its beginning.
    fn join(&mut self, scene: &mut Scene<'_>) {
        let (caller, seat) = (scene.visit.caller, self.leg);
        let held = Held { caller: scene.visit.is_holding(seat), seat: scene.visit.is_holding(caller) };
        let before = std::mem::replace(&mut self.held, held);
        if !held.caller && !held.seat {
            if !self.bridged {
                self.bridged = true;
                scene.floor.push(Output::Bridge { a: caller, b: seat });
            }
            let seat = self.lease.key().seat.clone();
            scene.record(&self.terms.kind, self.leg, &seat);
            return;
        }
        self.part(scene);
        // A phone may say again what it said: the music goes on.
        if held.seat && !before.seat {
            scene.soothe(seat, scene.visit.line.music.clone());
        }
        if held.caller && !before.caller {
            scene.soothe(caller, scene.visit.line.music.clone());
        }
    }

    /// They do not hear each other any more.
    pub(crate) fn part(&mut self, scene: &mut Scene<'_>) {
        if self.bridged {
            self.bridged = false;
            scene.floor.push(Output::Unbridge { a: scene.visit.caller, b: self.leg });
        }
    }

    /// The conversation is over for now: it counts up to here.
    pub(crate) fn count(&self, scene: &mut Scene<'_>) {
        scene.visit.talked += scene.now.mono.since(self.since);
    }

    /// The call ends: the seat rests.
    pub(crate) fn finish(self, scene: &mut Scene<'_>) {
        self.count(scene);
        scene.floor.seats.rest(self.lease, scene.now.mono, self.terms.wrap_up);
    }

    /// The seat whose leg this is, when it is one of the two and a seat's.
    pub(crate) fn seat_of(&self, leg: LegId, visit: &Visit) -> Option<SeatKey> {
        let own = visit.own_seat.as_ref().filter(|_| leg == visit.caller);
        own.or_else(|| (leg == self.leg).then_some(&self.lease)).map(|lease| lease.key().clone())
    }

    /// The two change sides: the party that stays is the call's own from now on, and the seat that called
    /// is one like any other. Only where the caller is a seat.
    pub(crate) fn turn(&mut self, scene: &mut Scene<'_>) {
        let visit = &mut *scene.visit;
        let Some(own) = visit.own_seat.take() else { return };
        visit.own_seat = Some(std::mem::replace(&mut self.lease, own));
        std::mem::swap(&mut visit.caller, &mut self.leg);
        std::mem::swap(&mut self.held.caller, &mut self.held.seat);
        // What the line would say next, it would say to the one who left.
        self.terms.greeting = None;
        if let Some(shown) = scene.seat_shown(scene.visit.caller) {
            scene.visit.shown = shown;
        }
    }

    /// Another phone of a party takes its place.
    pub(crate) fn replace(&mut self, old: LegId, new: LegId, scene: &mut Scene<'_>) {
        self.part(scene);
        // The new phone has heard nothing yet.
        self.held = Held::default();
        scene.let_go(old, Cause::Transferred);
        if scene.visit.first == old {
            scene.visit.first = new;
        }
        if scene.visit.caller == old {
            scene.visit.caller = new;
        } else {
            self.leg = new;
        }
        self.join(scene);
    }

    pub(crate) fn deadline(&self, visit: &Visit) -> Option<Mono> {
        let held = |leg: LegId| visit.legs.get(&leg).and_then(|leg| leg.held);
        [held(visit.caller), held(self.leg)].into_iter().flatten().min().map(|since| since + LONGEST_HOLD)
    }
}

/// Nobody holds for longer; without it a held call whose phones are gone would live for four hours
/// (reliability.md section 5, row 5).
const LONGEST_HOLD: Duration = Duration::from_hours(1);
