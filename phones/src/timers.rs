//! The deadlines of one phone, each with its reason, found in logarithmic time even with a thousand calls.

use std::collections::{BTreeMap, BTreeSet};

use base::Mono;

use crate::call::CallNo;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// The next 20 ms of a call's sound.
    Rtp(CallNo),
    /// Timers A and E: our request again.
    Ask(u64),
    /// Timers B, F, D, K, M: our transaction ends.
    AskEnds(u64),
    /// Timer G: our final refusal again.
    Reply(u64),
    /// Timers H, I, J: their transaction ends.
    ReplyEnds(u64),
    /// The 2xx again, until the ACK (RFC 3261 §13.3.1.4).
    Accept(CallNo),
    /// 64·T1 have passed without an ACK.
    AcceptEnds(CallNo),
    /// The behaviour says: ring now.
    Ring(CallNo),
    /// The behaviour says: answer or refuse now.
    Decide(CallNo),
    /// Nobody may ring for ever; a CANCEL that is never followed by a final answer ends too.
    GiveUp(CallNo),
    /// After a 491: try the re-INVITE again.
    Again(CallNo),
    /// RFC 4028: refresh the session.
    Refresh(CallNo),
    /// Register again before the binding ends.
    Register,
    /// A script's next step.
    Script(u64),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Mono, Timer)>,
    by_timer: BTreeMap<Timer, Mono>,
}

impl Timers {
    /// Sets or moves.
    pub(crate) fn set(&mut self, timer: Timer, at: Mono) {
        self.stop(timer);
        self.by_timer.insert(timer, at);
        self.by_time.insert((at, timer));
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// The next timer that is due at `now`, taken out, with the moment it was due.
    pub(crate) fn take_due(&mut self, now: Mono) -> Option<(Mono, Timer)> {
        let &(at, timer) = self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.stop(timer);
        Some((at, timer))
    }

    pub(crate) fn next(&self) -> Option<Mono> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
