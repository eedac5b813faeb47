//! A call: one stage after the other, from INVITE to CDR. The one map of all stages is here.

pub(crate) mod visit;

pub(crate) mod attended;
mod direct;
mod greeting;
mod pickup;
mod ringing;
mod talking;
pub(crate) mod taping;
mod transfer;
mod waiting;

use base::time::soonest;
use base::{Cause, Digit, LegId, Mono, Now};

use crate::cdr::CallRecord;
use crate::floor::Floor;
use crate::seam::{Output, Told};
use crate::seats::SeatKey;

use direct::Direct;
use greeting::Greeting;
use ringing::Taken;
use talking::{Kind, Talking, Terms};
use transfer::Transferring;
use visit::{Scene, Visit};
use waiting::{Answer, Waiting};

/// A call that lives.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) visit: Visit,
    stage: Stage,
}

/// Where a call is. A stage consumes itself and does not know its neighbours.
#[derive(Clone, Debug)]
enum Stage {
    Greeting(Greeting),
    Waiting(Box<Waiting>),
    Direct(Direct),
    Talking(Talking),
    Transferring(Box<Transferring>),
    Ending(Ending),
}

/// The call is over; legs that we gave up have not told of their end yet.
#[derive(Clone, Copy, Debug)]
struct Ending {
    cause: Cause,
    at: Mono,
}

/// How a call begins.
#[derive(Clone, Debug)]
pub(crate) enum Opening {
    /// The line answers; `full` when the caller is one too many.
    Line { full: bool },
    /// A seat dialled this one.
    Direct { to: SeatKey },
}

/// What can happen to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    Progressed {
        leg: LegId,
        status: u16,
        media: bool,
    },
    Answered {
        leg: LegId,
    },
    Ended {
        leg: LegId,
        cause: Cause,
    },
    Digit {
        leg: LegId,
        digit: Digit,
    },
    Played {
        leg: LegId,
    },
    Held {
        leg: LegId,
        held: bool,
    },
    /// A seat that it waits for is free, and nobody older wants it.
    SeatFree,
    /// Contacts or trunks of seats that it waits for changed.
    SeatsChanged,
    PlanChanged,
    Alarm,
}

/// What a stage's step leads to.
enum Move {
    Stay(Stage),
    Wait(Greeting, greeting::Wish),
    Resume(Greeting, ivr::session::Input),
    Talk(Answer),
    End(Option<Stage>, Cause),
    Refuse(u16),
}

impl Call {
    pub(crate) fn begin(mut visit: Visit, opening: Opening, now: Now, floor: &mut Floor) -> Self {
        let mut scene = Scene { now, visit: &mut visit, floor };
        let line = scene.visit.line.id.clone();
        scene.tell(Told::Arrived { line });
        let first = match opening {
            Opening::Line { full } => Greeting::begin(full, &mut scene).into(),
            Opening::Direct { to } => after_direct(Direct::begin(&to, &mut scene), &mut scene),
        };
        let stage = settle(first, &mut scene);
        Self { visit, stage }
    }

    /// Something happened to one of its legs or seats.
    pub(crate) fn step(self, event: &Event, now: Now, floor: &mut Floor) -> Self {
        let Self { mut visit, stage } = self;
        let mut scene = Scene { now, visit: &mut visit, floor };
        let stage = match note(event, &stage, &mut scene) {
            Some(cause) => end(Some(stage), cause, &mut scene),
            None => advance(stage, event, &mut scene),
        };
        Self { visit, stage }
    }

    /// Ends it now, whatever it is in.
    pub(crate) fn end(self, cause: Cause, now: Now, floor: &mut Floor) -> Self {
        let Self { mut visit, stage } = self;
        let stage = end(Some(stage), cause, &mut Scene { now, visit: &mut visit, floor });
        Self { visit, stage }
    }

    /// The phone of a leg asks for its other party to be put through to `to`.
    pub(crate) fn refer(self, leg: LegId, to: &str, now: Now, floor: &mut Floor) -> Self {
        let Self { mut visit, stage } = self;
        let mut scene = Scene { now, visit: &mut visit, floor };
        let stage = match stage {
            Stage::Talking(talking) => {
                settle(Transferring::begin(talking, leg, to, &mut scene).into(), &mut scene)
            }
            stage => {
                let status = if matches!(stage, Stage::Transferring(_)) { PENDING } else { DECLINED };
                scene.floor.push(Output::RefuseRefer { leg, status });
                stage
            }
        };
        Self { visit, stage }
    }

    /// Media missed a leg's packets for too long.
    pub(crate) fn silent(self, leg: LegId, now: Now, floor: &mut Floor) -> Self {
        if let Self { mut visit, stage: Stage::Transferring(mut transferring) } = self {
            if leg == visit.caller {
                return Self { visit, stage: Stage::Transferring(transferring) }.silenced(now, floor);
            }
            transferring.silent(leg, &mut Scene { now, visit: &mut visit, floor });
            return Self { visit, stage: Stage::Transferring(transferring) };
        }
        self.silenced(now, floor)
    }

    fn silenced(self, now: Now, floor: &mut Floor) -> Self {
        // A held party sends nothing, and rightly so: the hold has a bound of its own.
        if self.visit.holds() { self } else { self.end(Cause::RtpSilence, now, floor) }
    }

    /// Its row, once it is over and every leg has told of its end or is written off.
    pub(crate) fn finished(&self) -> Option<CallRecord> {
        match self.stage {
            Stage::Ending(Ending { cause, at }) if self.visit.legs_are_over() => {
                Some(self.visit.record(at, cause))
            }
            _ => None,
        }
    }

    /// Whether it waits for a seat that it could ring.
    #[cfg(test)]
    pub(crate) fn is_forgotten(&self, floor: &Floor) -> bool {
        matches!(&self.stage, Stage::Waiting(waiting) if waiting.is_forgotten(floor, &self.visit.shown))
    }

    /// When it wants to be woken.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        let of_stage = match &self.stage {
            Stage::Greeting(greeting) => greeting.deadline(),
            Stage::Waiting(waiting) => waiting.deadline(),
            Stage::Direct(direct) => Some(direct.deadline()),
            Stage::Talking(talking) => talking.deadline(&self.visit),
            Stage::Transferring(transferring) => Some(transferring.deadline()),
            Stage::Ending(_) => return self.visit.write_off(),
        };
        soonest(soonest(of_stage, Some(bound(&self.visit).0)), self.visit.write_off())
    }
}

/// How long this call may live, and why not longer (reliability.md section 5, row 5).
fn bound(visit: &Visit) -> (Mono, Cause) {
    let started = visit.started.mono;
    let longest = (started + visit.limits.max_call, Cause::TooLong);
    let setup = (started + visit.limits.max_setup, Cause::NoAnswer);
    if visit.caller_answered() || longest.0 < setup.0 { longest } else { setup }
}

/// What every stage has in common: legs are marked before the stage hears of them. Says why the call
/// is to end, if it is.
fn note(event: &Event, stage: &Stage, scene: &mut Scene<'_>) -> Option<Cause> {
    match *event {
        Event::Progressed { leg, .. } => scene.mark_rang(leg),
        Event::Ended { leg, cause } => {
            let cause = in_its_own_words(cause, leg, stage, scene);
            if cause == Cause::EngineFull {
                // No port was free for our 200, so it was never sent: nobody was answered.
                scene.mark_unanswered(leg);
            }
            scene.close(leg, cause);
            if leg == scene.visit.caller && !matches!(stage, Stage::Ending(_)) {
                return Some(cause);
            }
        }
        Event::Answered { leg } if !matches!(stage, Stage::Waiting(_)) => {
            // Its 200 crossed our CANCEL, and nobody waits for it any more (RFC 3261 §9.1).
            let given_up = scene.visit.legs.get(&leg).is_some_and(visit::Leg::is_given_up);
            if given_up {
                scene.mark_answered(leg);
                scene.let_go(leg, Cause::AnsweredElsewhere);
            }
        }
        Event::Held { leg, held } => scene.mark_held(leg, held),
        Event::Alarm => {
            scene.write_off();
            let (until, cause) = bound(scene.visit);
            if until <= scene.now.mono && !matches!(stage, Stage::Ending(_)) {
                return Some(cause);
            }
        }
        _ => {}
    }
    None
}

/// A BYE says nothing of who is who: the leg does.
fn in_its_own_words(cause: Cause, leg: LegId, stage: &Stage, scene: &Scene<'_>) -> Cause {
    if !matches!(cause, Cause::CallerHungUp | Cause::CallerGaveUp | Cause::SeatHungUp) {
        return cause;
    }
    if leg != scene.visit.first {
        return Cause::SeatHungUp;
    }
    match stage {
        Stage::Greeting(_) if scene.visit.caller_answered() => Cause::CallerHungUp,
        Stage::Talking(_) | Stage::Transferring(_) | Stage::Ending(_) => Cause::CallerHungUp,
        Stage::Greeting(_) | Stage::Waiting(_) | Stage::Direct(_) => Cause::CallerGaveUp,
    }
}

/// The map: which stage follows which.
fn advance(stage: Stage, event: &Event, scene: &mut Scene<'_>) -> Stage {
    let next = match stage {
        Stage::Greeting(greeting) => greeting.step(event, scene).into(),
        Stage::Waiting(waiting) => waiting.step(event, scene).into(),
        Stage::Direct(direct) => after_direct(direct.step(event, scene), scene),
        Stage::Talking(talking) => talking.step(event, scene).into(),
        Stage::Transferring(transferring) => transferring.step(event, scene).into(),
        Stage::Ending(ending) => Move::Stay(Stage::Ending(ending)),
    };
    settle(next, scene)
}

/// Follows moves until a stage waits for something. The interpreter bounds its steps, so this ends.
fn settle(mut next: Move, scene: &mut Scene<'_>) -> Stage {
    loop {
        next = match next {
            Move::Stay(stage) => return stage,
            Move::Wait(greeting, wish) => Waiting::begin(greeting, wish, scene).into(),
            Move::Resume(greeting, input) => greeting.resume(input, scene).into(),
            Move::Talk(Answer { winner, queue, wrap_up, greeting }) => {
                let kind = queue.map_or(Kind::Ring, Kind::Queue);
                let terms = Terms { kind, wrap_up, greeting: Some(Box::new(greeting)) };
                let taken = Taken { lease: winner.lease, leg: winner.leg, bridged: false };
                Move::Stay(Stage::Talking(Talking::begin(taken, terms, scene)))
            }
            Move::End(stage, cause) => return end(stage, cause, scene),
            Move::Refuse(status) => {
                scene.refuse(status, Cause::Refused);
                return end(None, Cause::Refused, scene);
            }
        };
    }
}

impl From<greeting::Next> for Move {
    fn from(next: greeting::Next) -> Self {
        match next {
            greeting::Next::Stays(greeting) => Self::Stay(Stage::Greeting(greeting)),
            greeting::Next::Waits(greeting, wish) => Self::Wait(greeting, wish),
            greeting::Next::Over(cause) => Self::End(None, cause),
            greeting::Next::Refuses(status) => Self::Refuse(status),
        }
    }
}

impl From<waiting::Next> for Move {
    fn from(next: waiting::Next) -> Self {
        match next {
            waiting::Next::Stays(waiting) => Self::Stay(Stage::Waiting(waiting)),
            waiting::Next::Answered(answer) => Self::Talk(answer),
            waiting::Next::Left(greeting, input) => Self::Resume(greeting, input),
        }
    }
}

impl From<talking::Next> for Move {
    fn from(next: talking::Next) -> Self {
        match next {
            talking::Next::Stays(talking) => Self::Stay(Stage::Talking(talking)),
            talking::Next::Over(talking, cause) => Self::End(Some(Stage::Talking(talking)), cause),
        }
    }
}

impl From<transfer::Next> for Move {
    fn from(next: transfer::Next) -> Self {
        match next {
            transfer::Next::Stays(transferring) => Self::Stay(Stage::Transferring(transferring)),
            transfer::Next::Talks(talking) => Self::Stay(Stage::Talking(talking)),
            transfer::Next::Resumes(greeting, input) => Self::Resume(greeting, input),
            transfer::Next::Over(cause) => Self::End(None, cause),
        }
    }
}

fn after_direct(next: direct::Next, scene: &mut Scene<'_>) -> Move {
    match next {
        direct::Next::Stays(direct) => Move::Stay(Stage::Direct(direct)),
        direct::Next::Answered(taken) => {
            Move::Stay(Stage::Talking(Talking::begin(taken, Terms::direct(), scene)))
        }
        direct::Next::Failed(direct, cause) => Move::End(direct.map(Stage::Direct), cause),
    }
}

/// Everything the call held is given back at once; its legs are let go, and live until they tell.
fn end(stage: Option<Stage>, cause: Cause, scene: &mut Scene<'_>) -> Stage {
    match stage {
        Some(Stage::Ending(ending)) => return Stage::Ending(ending),
        Some(Stage::Waiting(waiting)) => waiting.abandon(cause, scene),
        Some(Stage::Direct(direct)) => direct.abandon(cause, scene),
        Some(Stage::Talking(talking)) => talking.finish(scene),
        Some(Stage::Transferring(transferring)) => transferring.abandon(cause, scene),
        Some(Stage::Greeting(_)) | None => {}
    }
    scene.end_recording();
    let legs: Vec<LegId> = scene.visit.legs.keys().copied().collect();
    for leg in legs {
        scene.let_go(leg, cause);
    }
    if let Some(lease) = scene.visit.own_seat.take() {
        scene.floor.seats.give_back(lease);
    }
    if scene.visit.counts {
        scene.visit.counts = false;
        let line = scene.visit.line.id.clone();
        scene.floor.lines.take(&line);
    }
    scene.floor.live = scene.floor.live.saturating_sub(1);
    scene.tell(Told::Ended { cause });
    Stage::Ending(Ending { cause, at: scene.now.mono })
}

/// Another transfer is under way (RFC 3261 §21.4.27).
const PENDING: u16 = 491;
/// There is nobody to put through (RFC 3261 §21.6.2).
const DECLINED: u16 = 603;
