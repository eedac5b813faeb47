//! The control thread's inbox: two lanes, so that a flood of new calls starves neither timers nor the calls that
//! stand; and the admission at its door.

use std::collections::VecDeque;
use std::sync::mpsc::TrySendError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::Mono;
use bytes::Bytes;
use sip::Message;
use sip::admission::{Admission, Class, Drop as Dropped, Pressure, Verdict};
use sip::seam::{Flow, Input as SipInput};

use super::clock::Clock;
use super::control::Input;
use crate::metrics::Metrics;
use crate::node;

/// The way into the control thread. Cheap to clone; bounded.
#[derive(Clone)]
pub struct Sender(Arc<Shared>);

/// The control thread's end; when it is dropped nothing waits for it any more.
pub struct Inbox(Arc<Shared>);

/// Which of two lanes: the first is served before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What belongs to calls that stand, and everything that is not from the network.
    First,
    /// New calls, registrations and questions.
    Second,
}

/// What the admission says of bytes that came.
#[derive(Clone, Debug)]
pub enum Admitted {
    /// Parse them and queue them.
    Lane(Lane),
    /// Parse them and refuse what they ask, with this Retry-After.
    Busy(u32),
    /// Forget them; counted.
    Dropped,
}

struct Shared {
    lanes: Mutex<Lanes>,
    came: Condvar,
    room: Condvar,
    admission: Mutex<Admission>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Lanes {
    first: VecDeque<(Mono, Input)>,
    second: VecDeque<(Mono, Input)>,
    /// Taken from the first lane in a row while the second waited.
    in_a_row: u32,
    is_gone: bool,
}

/// An inbox, and the way into it.
pub fn channel(clock: Clock, admission: Admission, metrics: Arc<Metrics>) -> (Sender, Inbox) {
    let shared = Arc::new(Shared {
        lanes: Mutex::default(),
        came: Condvar::new(),
        room: Condvar::new(),
        admission: Mutex::new(admission),
        clock,
        metrics,
    });
    (Sender(Arc::clone(&shared)), Inbox(shared))
}

impl Sender {
    /// Waits for room: for what must not be lost and may wait.
    pub fn send(&self, input: Input) {
        let mut lanes = self.0.lanes();
        // It is dropped only when the control thread is gone, and then nothing matters any more.
        while !lanes.is_gone && lanes.first.len() >= MOST_FIRST {
            lanes = self.0.room.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
        let now = self.0.clock.mono();
        lanes.first.push_back((now, input));
        drop(lanes);
        self.0.came.notify_one();
    }

    /// Does not wait: a datagram that finds no room is sent again by its sender (RFC 3261 §17).
    pub fn try_send(&self, input: Input) -> Result<(), TrySendError<Input>> {
        let lane = lane_of(&input);
        self.try_send_in(lane, input)
    }

    /// The same, into this lane.
    pub fn try_send_in(&self, lane: Lane, input: Input) -> Result<(), TrySendError<Input>> {
        let mut lanes = self.0.lanes();
        if lanes.is_gone {
            return Err(TrySendError::Disconnected(input));
        }
        let (queue, most) = match lane {
            Lane::First => (&mut lanes.first, MOST_FIRST),
            Lane::Second => (&mut lanes.second, MOST_SECOND),
        };
        if queue.len() >= most {
            return Err(TrySendError::Full(input));
        }
        queue.push_back((self.0.clock.mono(), input));
        drop(lanes);
        self.0.came.notify_one();
        Ok(())
    }

    /// What is to be done with bytes that came this way; before they are parsed.
    pub fn admit(&self, flow: &Flow, bytes: &[u8]) -> Admitted {
        let now = self.0.clock.mono();
        let pressure = self.0.lanes().pressure(now);
        let verdict = self.0.admission().judge(now, flow.transport, flow.remote, bytes, pressure);
        match verdict {
            Verdict::First => Admitted::Lane(Lane::First),
            Verdict::Second => Admitted::Lane(Lane::Second),
            Verdict::Busy(retry_after) => Admitted::Busy(retry_after),
            Verdict::Drop(why) => {
                self.0.metrics.sip_shed.add(why.as_str());
                Admitted::Dropped
            }
        }
    }

    /// The 503 of a message that was not let in; `None` when it gets no answer.
    pub fn refusal(&self, flow: &Flow, message: &Message, retry_after: u32) -> Option<Bytes> {
        self.0.metrics.sip_shed.add("busy");
        self.0.admission().refusal(message, flow.remote, retry_after)
    }

    /// Changes what the admission knows.
    pub fn teach(&self, change: impl FnOnce(&mut Admission)) {
        change(&mut self.0.admission());
    }
}

impl Inbox {
    /// The next input; waits for it for so long.
    pub fn wait(&self, patience: Duration) -> Option<Input> {
        let lanes = self.0.lanes();
        let waits = |lanes: &mut Lanes| lanes.first.is_empty() && lanes.second.is_empty();
        let waited = self.0.came.wait_timeout_while(lanes, patience, waits);
        let (mut lanes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.next_of(&mut lanes)
    }

    /// The next input that is there already.
    pub fn take(&self) -> Option<Input> {
        self.next_of(&mut self.0.lanes())
    }

    fn next_of(&self, lanes: &mut Lanes) -> Option<Input> {
        let was_full = lanes.first.len() >= MOST_FIRST;
        let next = lanes.next();
        if was_full {
            self.0.room.notify_all();
        }
        next
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.lanes().is_gone = true;
        self.0.room.notify_all();
    }
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    /// The first lane goes first, but the second always moves.
    fn next(&mut self) -> Option<Input> {
        let turn = self.first.is_empty() || (self.in_a_row >= FIRST_IN_A_ROW && !self.second.is_empty());
        self.in_a_row = if turn { 0 } else { self.in_a_row + 1 };
        let queue = if turn { &mut self.second } else { &mut self.first };
        queue.pop_front().map(|(_, input)| input)
    }

    fn pressure(&self, now: Mono) -> Pressure {
        let age = |queue: &VecDeque<(Mono, Input)>| queue.front().map(|(came, _)| now.since(*came));
        let lag = age(&self.first).max(age(&self.second)).unwrap_or_default();
        Pressure { lag, waiting: self.second.len(), room: MOST_SECOND }
    }
}

/// A message that was not told a lane: of a stream, whose own flow control slows it down.
fn lane_of(input: &Input) -> Lane {
    match input {
        Input::Node(node::Input::Sip(SipInput::Received { message: Ok(message), .. })) => {
            match Class::of(message.as_bytes()) {
                Class::Response | Class::Within => Lane::First,
                Class::Register | Class::Call | Class::Question => Lane::Second,
            }
        }
        // A connection that is gone must not overtake the REGISTER that came over it.
        Input::Node(node::Input::Sip(
            SipInput::Received { message: Err(_), .. } | SipInput::Closed { .. },
        )) => Lane::Second,
        _ => Lane::First,
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender")
    }
}

/// Every reason for which a message can be shed, for the metric.
pub const SHED: [&str; 5] = [
    Dropped::Banned.as_str(),
    Dropped::Source.as_str(),
    Dropped::Strangers.as_str(),
    Dropped::Refusals.as_str(),
    "busy",
];

/// Inputs of the first lane that may wait: a second of 200 calls with all their messages and media events.
const MOST_FIRST: usize = 8_192;

/// New work that may wait: beyond this it would be answered too late.
const MOST_SECOND: usize = 2_048;

/// The second lane has its turn after so many of the first.
const FIRST_IN_A_ROW: u32 = 15;

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Entropy, RecordingId};
    use sip::admission::Limits;

    fn inbox() -> (Sender, Inbox) {
        let clock = Clock::system();
        let admission = Admission::new(clock.mono(), Limits::of(10, 10), Entropy::from_number(1));
        channel(clock, admission, Arc::default())
    }

    fn mark(number: u32) -> Input {
        Input::TapGap { recording: RecordingId::from_u128(1), packets: number }
    }

    fn number(input: Option<&Input>) -> Option<u32> {
        if let Some(Input::TapGap { packets, .. }) = input { Some(*packets) } else { None }
    }

    #[test]
    fn the_first_lane_overtakes_and_the_second_still_moves() {
        let (sender, inbox) = inbox();
        for n in 0..3 {
            sender.try_send_in(Lane::Second, mark(1_000 + n)).unwrap();
        }
        for n in 0..40 {
            sender.try_send_in(Lane::First, mark(n)).unwrap();
        }
        let order: Vec<u32> = std::iter::from_fn(|| number(inbox.take().as_ref())).collect();
        assert_eq!(order.len(), 43);
        assert_eq!(order[..15], (0..15).collect::<Vec<_>>());
        assert_eq!((order[15], order[31]), (1_000, 1_001));
        assert_eq!(number(inbox.wait(Duration::ZERO).as_ref()), None);
    }

    #[test]
    fn each_lane_is_bounded_and_a_full_second_does_not_close_the_first() {
        let (sender, inbox) = inbox();
        for n in 0..MOST_SECOND as u32 {
            sender.try_send_in(Lane::Second, mark(n)).unwrap();
        }
        assert!(matches!(sender.try_send_in(Lane::Second, mark(0)), Err(TrySendError::Full(_))));
        sender.try_send(mark(7)).unwrap();
        assert_eq!(number(inbox.take().as_ref()), Some(7));
        drop(inbox);
        assert!(matches!(sender.try_send(mark(0)), Err(TrySendError::Disconnected(_))));
        sender.send(mark(0));
    }
}
