//! What is recorded of a call: one recording from its first conversation to its end, whoever talks in it.

use base::{Digit, LegId, Name, RecordingId};

use crate::call::talking::Kind;
use crate::call::visit::Scene;
use crate::cdr::Consent;
use crate::seam::{Output, Record};

/// A recording that goes on.
#[derive(Clone, Debug)]
pub(crate) struct Taping {
    recording: RecordingId,
    left: LegId,
    right: LegId,
    /// Who is recorded beside the caller.
    seat: Option<Name>,
}

impl Scene<'_> {
    /// The caller and this leg of `seat` hear each other: what is recorded goes on with them, or begins, once
    /// in a call, if the line and the caller allow it.
    pub(crate) fn record(&mut self, kind: &Kind, leg: LegId, seat: &Name) {
        let caller = self.visit.caller;
        if let Some(taping) = &mut self.visit.taping {
            let is_one = |of: LegId| of == caller || of == leg;
            let other = |of: LegId| if of == caller { leg } else { caller };
            // Who stays keeps the channel; who came takes the one of who left.
            let (left, right) = if is_one(taping.left) {
                (taping.left, other(taping.left))
            } else if is_one(taping.right) {
                (other(taping.right), taping.right)
            } else {
                (caller, leg)
            };
            let moved = (taping.left, taping.right) != (left, right);
            let speaks = taping.seat.as_ref() != Some(seat);
            (taping.left, taping.right, taping.seat) = (left, right, Some(seat.clone()));
            let recording = taping.recording;
            if moved {
                self.floor.push(Output::Retap { recording, caller_leg: left, seat_leg: right });
            }
            if speaks {
                self.floor.push(Output::Segment { recording, seat: Some(seat.clone()) });
            }
            return;
        }
        let visit = &*self.visit;
        let wanted = visit.line.recording.as_ref().is_some_and(|policy| match kind {
            Kind::Queue(_) => policy.queues,
            Kind::Ring => policy.rings,
            Kind::Direct => false,
        });
        if !wanted || visit.recording.is_some() || !visit.may_be_recorded() {
            return;
        }
        let recording = self.floor.mint_recording(self.now.wall);
        let record = Record {
            recording,
            call: visit.id,
            caller_leg: caller,
            seat_leg: leg,
            line: visit.line.id.clone(),
            number: visit.number.clone(),
            caller: visit.from.clone(),
            queue: match kind {
                Kind::Queue(queue) => Some(queue.clone()),
                Kind::Ring | Kind::Direct => None,
            },
            seat: seat.clone(),
            consent: visit.consent,
        };
        self.visit.recording = Some(recording);
        self.visit.taping = Some(Taping { recording, left: caller, right: leg, seat: Some(seat.clone()) });
        self.floor.push(Output::Record(Box::new(record)));
    }

    /// Nobody talks with the caller just now; the caller's own channel goes on.
    pub(crate) fn nobody_speaks(&mut self) {
        if let Some(taping) = &mut self.visit.taping
            && taping.seat.take().is_some()
        {
            let recording = taping.recording;
            self.floor.push(Output::Segment { recording, seat: None });
        }
    }

    /// A key of the caller: it may refuse recording to the end of the call; the call goes on, unrecorded.
    pub(crate) fn hears_refusal(&mut self, digit: Digit) {
        if self.visit.refuses(digit) {
            self.refused();
        }
    }

    /// The caller refuses to be recorded. What exists already is withdrawn.
    pub(crate) fn refused(&mut self) {
        if self.visit.taping.is_some() {
            self.visit.consents(Consent::Withdrawn);
            self.end_recording();
            self.put_on_record();
        } else {
            self.visit.consents(Consent::Refused);
        }
    }

    /// Seals what is being recorded.
    pub(crate) fn end_recording(&mut self) {
        if let Some(Taping { recording, .. }) = self.visit.taping.take() {
            let consent = self.visit.consent;
            self.floor.push(Output::EndRecording { recording, consent });
        }
    }
}
