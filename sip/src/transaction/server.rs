//! The server transactions (RFC 3261 sections 17.2.1 and 17.2.2, RFC 6026 section 7.1).

use std::time::Duration;

use base::Mono;
use bytes::Bytes;

use super::table::Timed;
use super::{Key, PATIENCE, T1, T2, T4};
use crate::seam::Flow;

/// One request being answered: its last response and a timer, nothing else of the request.
#[derive(Clone, Debug)]
pub struct Server {
    /// The way that the request came and its responses go.
    pub flow: Flow,
    /// What a merged copy of the request would have in common with it.
    pub merge: Option<Key>,
    is_invite: bool,
    state: State,
    response: Bytes,
    pause: Duration,
    again: Option<Mono>,
    ends: Option<Mono>,
}

/// Where a server transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No final response yet (Trying and Proceeding of section 17.2.2 are one: we send no 1xx but to INVITE).
    Proceeding,
    /// Final response sent; for an INVITE of 300 and above, until its ACK.
    Completed,
    /// The ACK of a refusal came; further ones are absorbed.
    Confirmed,
    /// 2xx to an INVITE sent; repetitions of the INVITE are absorbed (RFC 6026).
    Accepted,
    /// Over.
    Terminated,
}

/// What an ACK means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It was for a refusal: nothing more to do.
    Absorbed,
    /// It is the dialog's (RFC 6026 section 7.1).
    ForDialog,
}

/// What a deadline brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nothing yet.
    Nothing,
    /// Send this again (timer G).
    Repeat(Bytes),
    /// Over (timers H, I, J, L).
    Over,
}

impl Server {
    /// A request has come.
    pub fn new(flow: Flow, is_invite: bool, merge: Option<Key>) -> Self {
        Self {
            flow,
            merge,
            is_invite,
            state: State::Proceeding,
            response: Bytes::new(),
            pause: T1,
            again: None,
            ends: None,
        }
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The request came again: what to send again, if anything.
    pub fn repeated(&self) -> Option<Bytes> {
        let answers = matches!(self.state, State::Proceeding | State::Completed);
        (answers && !self.response.is_empty()).then(|| self.response.clone())
    }

    /// A response is sent: remembers it. `false` when it must not be sent, as a final one went before; a 2xx
    /// after a 2xx may (RFC 6026 section 7.1).
    pub fn respond(&mut self, now: Mono, status: u16, response: Bytes) -> bool {
        match (self.state, status) {
            (State::Accepted, 200..300) => return true,
            (State::Proceeding, 100..200) => self.response = response,
            (State::Proceeding, 200..300) if self.is_invite => {
                self.state = State::Accepted;
                self.response = Bytes::new();
                self.ends = Some(now + PATIENCE);
            }
            (State::Proceeding, _) => {
                self.response = response;
                self.complete(now);
            }
            _ => return false,
        }
        true
    }

    fn complete(&mut self, now: Mono) {
        self.state = State::Completed;
        if self.is_invite {
            self.ends = Some(now + PATIENCE);
            self.again = (!self.is_reliable()).then(|| now + T1);
        } else {
            self.linger(now, PATIENCE);
        }
    }

    /// An ACK with this transaction's key came.
    pub fn acknowledged(&mut self, now: Mono) -> Acknowledged {
        match self.state {
            State::Completed if self.is_invite => {
                self.state = State::Confirmed;
                self.again = None;
                self.linger(now, T4);
                Acknowledged::Absorbed
            }
            State::Accepted => Acknowledged::ForDialog,
            _ => Acknowledged::Absorbed,
        }
    }

    /// A deadline has come.
    pub fn expire(&mut self, now: Mono) -> Expired {
        if self.ends.is_some_and(|at| at <= now) {
            self.state = State::Terminated;
            return Expired::Over;
        }
        if self.again.is_some_and(|at| at <= now) {
            self.pause = (self.pause * 2).min(T2);
            self.again = Some(now + self.pause);
            return Expired::Repeat(self.response.clone());
        }
        Expired::Nothing
    }

    /// Absorbs repetitions for `span`; on a stream there are none.
    fn linger(&mut self, now: Mono, span: Duration) {
        if self.is_reliable() {
            self.state = State::Terminated;
        } else {
            self.ends = Some(now + span);
        }
    }

    fn is_reliable(&self) -> bool {
        self.flow.transport.is_reliable()
    }
}

impl Timed for Server {
    fn deadline(&self) -> Option<Mono> {
        base::time::soonest(self.again, self.ends)
    }

    fn is_over(&self) -> bool {
        self.state == State::Terminated
    }
}
