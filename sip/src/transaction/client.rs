//! The client transactions (RFC 3261 sections 17.1.1 and 17.1.2, RFC 6026 section 7.2).

use std::time::Duration;

use base::Mono;
use bytes::Bytes;

use super::table::Timed;
use super::{PATIENCE, T1, T2, T4, TIMER_D};
use crate::message::Message;
use crate::message::method::Method;
use crate::seam::Flow;

/// One request of ours until its last response. `O` says whose it is.
#[derive(Clone, Debug)]
pub struct Client<O> {
    /// The way it went.
    pub flow: Flow,
    /// Who asked.
    pub owner: O,
    /// What was asked.
    pub request: Message,
    /// The way and the form that the request would have had, were it not too long for a datagram: taken when
    /// the stream is refused (RFC 3261 section 18.1.1).
    pub fallback: Option<Box<(Flow, Message)>>,
    state: State,
    pause: Duration,
    again: Option<Mono>,
    ends: Option<Mono>,
    /// The ACK of a refusal, or of each 2xx by its To tag.
    acks: Vec<(String, Bytes)>,
}

/// Where a client transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing came yet (Calling of an INVITE, Trying of others).
    Calling,
    /// A provisional response came.
    Proceeding,
    /// A final response came; for an INVITE one of 300 and above.
    Completed,
    /// A 2xx to an INVITE came; further ones are told or ACKed again (RFC 6026).
    Accepted,
    /// Over.
    Terminated,
}

/// What a response brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Send this: an ACK.
    pub send: Option<Bytes>,
    /// The owner must see the response.
    pub pass: bool,
}

/// What a deadline brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nothing yet.
    Nothing,
    /// Send this again (timers A, E).
    Repeat(Bytes),
    /// Nobody answered (timers B, F).
    TimedOut,
    /// Over (timers D, K, M).
    Over,
}

impl<O> Client<O> {
    /// The request is sent now.
    pub fn new(now: Mono, flow: Flow, request: Message, owner: O) -> Self {
        let reliable = flow.transport.is_reliable();
        Self {
            flow,
            owner,
            request,
            fallback: None,
            state: State::Calling,
            pause: T1,
            again: (!reliable).then(|| now + T1),
            ends: Some(now + PATIENCE),
            acks: Vec::new(),
        }
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// A response with this transaction's key came.
    pub fn receive(&mut self, now: Mono, response: &Message) -> Received {
        let status = response.status().unwrap_or(0);
        match (self.is_invite(), self.state) {
            (true, State::Calling | State::Proceeding) => self.receive_first(now, status, response),
            (true, State::Completed) if status >= 300 => {
                Received { send: self.acks.first().map(|(_, ack)| ack.clone()), pass: false }
            }
            (true, State::Accepted) if (200..300).contains(&status) => self.receive_success_again(response),
            (false, State::Calling | State::Proceeding) => {
                self.receive_other(now, status);
                Received { send: None, pass: true }
            }
            (_, State::Completed | State::Accepted | State::Terminated) => Received::default(),
        }
    }

    fn receive_first(&mut self, now: Mono, status: u16, response: &Message) -> Received {
        self.again = None;
        match status {
            ..200 => {
                self.state = State::Proceeding;
                self.ends = None;
                Received { send: None, pass: true }
            }
            200..300 => {
                self.state = State::Accepted;
                self.ends = Some(now + PATIENCE);
                Received { send: None, pass: true }
            }
            300.. => {
                self.state = State::Completed;
                self.linger(now, TIMER_D);
                // Our own INVITE always has a sound Via and URI; without an ACK the peer's timer H ends it.
                let ack = self.request.ack_failure(response).ok().map(|ack| ack.as_bytes().clone());
                self.acks.extend(ack.clone().map(|ack| (String::new(), ack)));
                Received { send: ack, pass: true }
            }
        }
    }

    /// The ACK of a 2xx is repeated as often as the 2xx comes (RFC 3261 section 13.2.2.4).
    fn receive_success_again(&self, response: &Message) -> Received {
        let tag = response.to_tag().unwrap_or_default();
        match self.acks.iter().find(|(known, _)| *known == tag) {
            Some((_, ack)) => Received { send: Some(ack.clone()), pass: false },
            None => Received { send: None, pass: self.acks.len() < MAX_FORKS },
        }
    }

    fn receive_other(&mut self, now: Mono, status: u16) {
        if status < 200 {
            // Repetition goes on at T2 (section 17.1.2.2).
            if self.state == State::Calling && self.again.is_some() {
                self.pause = T2;
                self.again = Some(now + T2);
            }
            self.state = State::Proceeding;
        } else {
            self.state = State::Completed;
            self.again = None;
            self.linger(now, T4);
        }
    }

    /// The owner ACKs a 2xx of this fork with these bytes.
    pub fn acknowledge(&mut self, to_tag: &str, ack: Bytes) {
        self.acks.push((to_tag.to_owned(), ack));
    }

    /// It is repeated no more.
    pub const fn hush(&mut self) {
        self.again = None;
    }

    /// Nobody waits for it any more: it ends by `at` even if a provisional response stopped its timers.
    pub fn end_by(&mut self, at: Mono) {
        self.ends = Some(self.ends.map_or(at, |ends| ends.min(at)));
    }

    /// A deadline has come.
    pub fn expire(&mut self, now: Mono) -> Expired {
        if self.ends.is_some_and(|at| at <= now) {
            let unanswered = match self.state {
                State::Calling => true,
                State::Proceeding => !self.is_invite(),
                State::Completed | State::Accepted | State::Terminated => false,
            };
            self.state = State::Terminated;
            return if unanswered { Expired::TimedOut } else { Expired::Over };
        }
        if self.again.is_some_and(|at| at <= now) {
            self.pause = self.next_pause();
            self.again = Some(now + self.pause);
            return Expired::Repeat(self.request.as_bytes().clone());
        }
        Expired::Nothing
    }

    /// Timer A doubles without bound, timer E up to T2.
    fn next_pause(&self) -> Duration {
        if self.is_invite() { self.pause * 2 } else { (self.pause * 2).min(T2) }
    }

    fn linger(&mut self, now: Mono, span: Duration) {
        if self.flow.transport.is_reliable() {
            self.state = State::Terminated;
        } else {
            self.ends = Some(now + span);
        }
    }

    fn is_invite(&self) -> bool {
        *self.request.method() == Method::Invite
    }
}

impl<O> Timed for Client<O> {
    fn deadline(&self) -> Option<Mono> {
        base::time::soonest(self.again, self.ends)
    }

    fn is_over(&self) -> bool {
        self.state == State::Terminated
    }
}

/// The most forks of one INVITE whose 2xx we ACK: more is no proxy but an attack.
const MAX_FORKS: usize = 16;
