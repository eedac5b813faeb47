//! Talking: the caller and a seat hear each other, and a recorder may hear both.

use std::time::Duration;

use base::{Cause, Digit, LegId, Mono, Name, RecordingId};

use crate::call::Event;
use crate::call::visit::Scene;
use crate::cdr::Consent;
use crate::seam::{Output, Record, Sound, Told};
use crate::seats::Lease;

/// A conversation.
#[derive(Clone, Debug)]
pub(crate) struct Talking {
    lease: Lease,
    leg: LegId,
    kind: Kind,
    wrap_up: Duration,
    since: Mono,
    bridged: bool,
    /// What is being recorded now.
    recording: Option<RecordingId>,
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

impl Talking {
    /// Joins the two; `bridged` when they hear each other already (early media).
    pub(crate) fn begin(
        lease: Lease,
        leg: LegId,
        kind: Kind,
        wrap_up: Duration,
        bridged: bool,
        scene: &mut Scene<'_>,
    ) -> Self {
        let since = scene.now.mono;
        let seat = lease.key().seat.clone();
        scene.visit.connected = Some(since);
        scene.visit.seat = Some(seat.clone());
        let mut talking = Self { lease, leg, kind, wrap_up, since, bridged, recording: None };
        talking.join(scene);
        scene.put_on_record();
        scene.tell(Told::Connected { seat, recording: talking.recording });
        talking
    }

    pub(crate) fn step(mut self, event: &Event, scene: &mut Scene<'_>) -> Next {
        match *event {
            Event::Ended { leg, .. } if leg == self.leg => return Next::Over(self, Cause::SeatHungUp),
            Event::Digit { leg, digit } if leg == scene.visit.caller => self.digit(digit, scene),
            Event::Held { leg, .. } if leg == scene.visit.caller || leg == self.leg => self.join(scene),
            Event::Alarm if self.hold_ends(scene).is_some_and(|until| until <= scene.now.mono) => {
                return Next::Over(self, Cause::RtpSilence);
            }
            // Losers of the hunt, and seats that are free now, are no matter of this conversation.
            _ => {}
        }
        Next::Stays(self)
    }

    /// Both hear each other, or the held one hears ringback: never dead air (line-language.md 5.8, 3).
    fn join(&mut self, scene: &mut Scene<'_>) {
        let (caller, seat) = (scene.visit.caller, self.leg);
        let holds =
            |leg: LegId, scene: &Scene<'_>| scene.visit.legs.get(&leg).is_some_and(|leg| leg.held.is_some());
        let (caller_holds, seat_holds) = (holds(caller, scene), holds(seat, scene));
        if !caller_holds && !seat_holds {
            if !self.bridged {
                self.bridged = true;
                scene.floor.push(Output::Bridge { a: caller, b: seat });
            }
            self.record(scene);
            return;
        }
        if self.bridged {
            self.bridged = false;
            scene.floor.push(Output::Unbridge { a: caller, b: seat });
        }
        if caller_holds {
            scene.play(seat, Sound::Ringback);
        }
        if seat_holds {
            scene.play(caller, Sound::Ringback);
        }
    }

    /// Begins to record, once, if the line and the caller allow it.
    fn record(&mut self, scene: &mut Scene<'_>) {
        let visit = &*scene.visit;
        let wanted = visit.line.recording.as_ref().is_some_and(|policy| match self.kind {
            Kind::Queue(_) => policy.queues,
            Kind::Ring => policy.rings,
            Kind::Direct => false,
        });
        if !wanted || visit.recording.is_some() || !visit.may_be_recorded() {
            return;
        }
        let recording = scene.floor.mint_recording(scene.now.wall);
        let record = Record {
            recording,
            call: visit.id,
            caller_leg: visit.caller,
            seat_leg: self.leg,
            line: visit.line.id.clone(),
            number: visit.number.clone(),
            caller: visit.shown.caller.clone(),
            queue: match &self.kind {
                Kind::Queue(queue) => Some(queue.clone()),
                Kind::Ring | Kind::Direct => None,
            },
            seat: self.lease.key().seat.clone(),
            consent: visit.consent,
        };
        scene.visit.recording = Some(recording);
        self.recording = Some(recording);
        scene.floor.push(Output::Record(Box::new(record)));
    }

    /// The caller may refuse to the end of the call; the conversation goes on, unrecorded.
    fn digit(&mut self, digit: Digit, scene: &mut Scene<'_>) {
        if !scene.visit.refuses(digit) {
            return;
        }
        if let Some(recording) = self.recording.take() {
            scene.visit.consents(Consent::Withdrawn);
            let consent = scene.visit.consent;
            scene.floor.push(Output::EndRecording { recording, consent });
            scene.put_on_record();
        } else {
            scene.visit.consents(Consent::Refused);
        }
    }

    /// The call ends: the recording is sealed and the seat rests.
    pub(crate) fn finish(self, scene: &mut Scene<'_>) {
        if let Some(recording) = self.recording {
            let consent = scene.visit.consent;
            scene.floor.push(Output::EndRecording { recording, consent });
        }
        scene.visit.talked += scene.now.mono.since(self.since);
        scene.floor.seats.rest(self.lease, scene.now.mono, self.wrap_up);
    }

    fn hold_ends(&self, scene: &Scene<'_>) -> Option<Mono> {
        self.deadline_of(scene.visit)
    }

    pub(crate) fn deadline(&self, visit: &super::visit::Visit) -> Option<Mono> {
        self.deadline_of(visit)
    }

    fn deadline_of(&self, visit: &super::visit::Visit) -> Option<Mono> {
        let held = |leg: LegId| visit.legs.get(&leg).and_then(|leg| leg.held);
        [held(visit.caller), held(self.leg)].into_iter().flatten().min().map(|since| since + LONGEST_HOLD)
    }
}

/// Nobody holds for longer; without it a held call whose phones are gone would live for four hours
/// (reliability.md section 5, row 5).
const LONGEST_HOLD: Duration = Duration::from_hours(1);
