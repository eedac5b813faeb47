//! Waiting: the caller hears ringback or the queue's music while seats are hunted, in a queue or by a `ring` step.

use std::sync::Arc;
use std::time::Duration;

use base::time::soonest;
use base::{Cause, LegId, Mono, Name};
use ivr::line::{LastTry, Queue, Ring};
use ivr::session::{Input, Left};

use crate::call::Event;
use crate::call::greeting::{Greeting, Wish};
use crate::call::ringing::Taken;
use crate::call::visit::Scene;
use crate::hunt::{Hunt, Passes, Winner};
use crate::queue::{QueueKey, Ticket};
use crate::seam::Told;
use crate::seats::{Lease, SeatKey};

/// The caller waits for a seat.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// Goes on when nobody answers.
    greeting: Greeting,
    hunt: Hunt,
    ticket: Ticket,
    since: Mono,
    queued: Option<Queued>,
}

/// What holds in a queue and not in a `ring` step.
#[derive(Clone, Debug)]
struct Queued {
    queue: Name,
    wrap_up: Duration,
    until: Mono,
    last_try: LastTry,
}

/// What comes after a step of it.
#[derive(Debug)]
pub(crate) enum Next {
    Stays(Box<Waiting>),
    /// A seat won the hunt.
    Answered(Answer),
    /// Nobody did: the line goes on.
    Left(Greeting, Input),
}

/// Who answered, and under which rules.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) winner: Winner,
    pub(crate) queue: Option<Name>,
    pub(crate) wrap_up: Duration,
    /// Where the line goes on if the seat does not keep the caller.
    pub(crate) greeting: Greeting,
}

impl Waiting {
    pub(crate) fn begin(greeting: Greeting, wish: Wish, scene: &mut Scene<'_>) -> Next {
        scene.answer();
        match wish {
            Wish::Ring(ring) => Self::ring(greeting, ring, scene),
            Wish::Queue(queue) => Self::enter(greeting, &queue, scene),
        }
    }

    fn ring(greeting: Greeting, ring: Ring, scene: &mut Scene<'_>) -> Next {
        let seats = seat_keys(&ring, scene);
        let ticket = scene.floor.queues.enter(scene.visit.id, None, seats);
        scene.soothe(scene.visit.caller, None);
        Self::hunt(greeting, ring, Passes::One, ticket, None, scene)
    }

    fn enter(greeting: Greeting, name: &Name, scene: &mut Scene<'_>) -> Next {
        scene.visit.queue = Some(name.clone());
        scene.tell(Told::Queued { queue: name.clone() });
        let Some(queue) = current(name, scene) else {
            return Next::Left(greeting, Input::LeftQueue(Left::NoSeats));
        };
        let seats = seat_keys(&queue.ring, scene);
        if !seats.iter().any(|key| scene.floor.is_staffed(key)) {
            return Next::Left(greeting, Input::LeftQueue(Left::NoSeats));
        }
        let key = QueueKey { line: scene.visit.line.id.clone(), queue: name.clone() };
        if scene.floor.queues.waiting(&key) >= queue.max_waiting as usize {
            return Next::Left(greeting, Input::LeftQueue(Left::Full));
        }
        let queued = Queued {
            queue: name.clone(),
            wrap_up: queue.wrap_up,
            until: scene.now.mono + queue.max_wait,
            last_try: queue.ring.last_try,
        };
        let ticket = scene.floor.queues.enter(scene.visit.id, Some(key), seats);
        // Once: it goes on whoever rings, and whoever does not answer.
        scene.soothe(scene.visit.caller, queue.music);
        Self::hunt(greeting, queue.ring, Passes::Many, ticket, Some(queued), scene)
    }

    fn hunt(
        greeting: Greeting,
        ring: Ring,
        passes: Passes,
        ticket: Ticket,
        queued: Option<Queued>,
        scene: &mut Scene<'_>,
    ) -> Next {
        let hunt = Hunt::begin(ring, passes, scene, &ticket);
        Self { greeting, hunt, ticket, since: scene.now.mono, queued }.look_round(scene)
    }

    pub(crate) fn step(mut self, event: &Event, scene: &mut Scene<'_>) -> Next {
        let winner = match *event {
            Event::Answered { leg } => self.hunt.answered(leg, scene),
            Event::Digit { leg, digit } if leg == scene.visit.caller => {
                scene.hears_refusal(digit);
                None
            }
            Event::Digit { leg, digit } => self.hunt.digit(leg, digit, scene, &self.ticket),
            Event::Ended { leg, cause } => {
                self.hunt.ended(leg, cause, scene, &self.ticket);
                None
            }
            Event::SeatFree => {
                self.hunt.seat_is_free(scene, &self.ticket);
                None
            }
            Event::PlanChanged => {
                self.follow(scene);
                None
            }
            Event::Alarm => {
                self.hunt.expire(scene, &self.ticket);
                self.expire(scene);
                None
            }
            // What the caller hears goes on over its own hold; progress of seats is theirs.
            Event::Progressed { .. } | Event::Played { .. } | Event::Held { .. } | Event::SeatsChanged => {
                None
            }
        };
        match winner {
            Some(winner) => self.answered(winner, scene),
            None => self.look_round(scene),
        }
    }

    fn answered(self, winner: Winner, scene: &mut Scene<'_>) -> Next {
        let (queue, wrap_up) =
            self.queued.as_ref().map_or((None, Duration::ZERO), |q| (Some(q.queue.clone()), q.wrap_up));
        let greeting = self.leave(scene);
        Next::Answered(Answer { winner, queue, wrap_up, greeting })
    }

    /// The seat that one of its legs rings.
    pub(crate) fn rung_on(&self, leg: LegId) -> Option<&SeatKey> {
        self.hunt.rung_on(leg)
    }

    /// A seat takes the caller of its own accord.
    pub(crate) fn pick_up(mut self, leg: LegId, lease: Lease, scene: &mut Scene<'_>) -> Next {
        self.hunt.call_off(Cause::AnsweredElsewhere, scene);
        let Taken { lease, leg, .. } = scene.picked_up(leg, lease);
        self.answered(Winner { lease, leg }, scene)
    }

    fn expire(&mut self, scene: &mut Scene<'_>) {
        let Some(queued) = &self.queued else { return };
        if queued.until > scene.now.mono || self.hunt.is_finishing() {
            return;
        }
        if queued.last_try == LastTry::Cut {
            self.hunt.call_off(Cause::NoAnswer, scene);
        }
        self.hunt.finish(scene, &self.ticket);
    }

    /// Whether there is still something to wait for.
    fn look_round(self, scene: &mut Scene<'_>) -> Next {
        if self.hunt.is_ringing() {
            return Next::Stays(Box::new(self));
        }
        let answer = if self.queued.is_none() {
            self.hunt.is_done().then_some(Input::NobodyAnswered)
        } else if self.hunt.is_finishing() {
            Some(Input::LeftQueue(Left::TimedOut))
        } else if !self.ticket.seats().iter().any(|key| scene.floor.is_staffed(key)) {
            Some(Input::LeftQueue(Left::NoSeats))
        } else {
            None
        };
        match answer {
            Some(answer) => Next::Left(self.leave(scene), answer),
            None => Next::Stays(Box::new(self)),
        }
    }

    /// The queue's seats follow a new plan; a queue that is no more keeps those it had.
    fn follow(&mut self, scene: &mut Scene<'_>) {
        let Some(queued) = &mut self.queued else { return };
        let Some(queue) = current(&queued.queue, scene) else { return };
        queued.wrap_up = queue.wrap_up;
        queued.last_try = queue.ring.last_try;
        let seats = seat_keys(&queue.ring, scene);
        scene.floor.queues.waits_for(&mut self.ticket, seats);
        self.hunt.follow(queue.ring, scene, &self.ticket);
    }

    /// The call ends while it waits.
    pub(crate) fn abandon(mut self, cause: Cause, scene: &mut Scene<'_>) {
        self.hunt.call_off(cause, scene);
        self.leave(scene);
    }

    fn leave(self, scene: &mut Scene<'_>) -> Greeting {
        scene.visit.waited += scene.now.mono.since(self.since);
        scene.floor.queues.leave(&self.ticket);
        for key in self.ticket.seats() {
            // What was promised to this caller is the next one's.
            scene.floor.seats.mark_freed(key.clone());
        }
        self.greeting
    }

    /// Whether it sleeps although it could ring one of its seats.
    #[cfg(test)]
    pub(crate) fn is_forgotten(&self, floor: &crate::floor::Floor, shown: &crate::routing::Shown) -> bool {
        let could = |key: &SeatKey| {
            floor.seats.is_idle(key)
                && !crate::hunt::permits(key, &mut floor.clone(), shown, Mono::ZERO).is_empty()
                && !floor.queues.is_promised_to_older(&self.ticket, key)
        };
        self.hunt.is_asleep() && self.ticket.seats().iter().any(could)
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        let until = self.queued.as_ref().filter(|_| !self.hunt.is_finishing()).map(|queued| queued.until);
        soonest(until, self.hunt.deadline())
    }
}

/// The queue as it is now: its seats follow the newest plan (line-language.md 5.7, 10).
fn current(name: &Name, scene: &Scene<'_>) -> Option<Queue> {
    let newest = scene.floor.plan.lines.get(&scene.visit.line.id).and_then(|line| line.queues.get(name));
    newest.or_else(|| scene.visit.line.queues.get(name)).cloned()
}

fn seat_keys(ring: &Ring, scene: &Scene<'_>) -> Vec<SeatKey> {
    let line = &Arc::clone(&scene.visit.line).id;
    ring.seats.iter().map(|seat| SeatKey { line: line.clone(), seat: seat.clone() }).collect()
}
