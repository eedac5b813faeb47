//! A 2xx to an INVITE, repeated end to end until its ACK, over streams too (RFC 3261 section 13.3.1.4).

use std::time::Duration;

use base::Mono;
use bytes::Bytes;

use crate::seam::Flow;
use crate::transaction::{PATIENCE, T1, T2};

/// The 2xx and when it goes out again.
#[derive(Clone, Debug)]
pub(crate) struct Unacked {
    /// The CSeq number that the ACK will have.
    pub(crate) number: u32,
    /// Whether it answers the leg's first INVITE, or a re-INVITE.
    pub(crate) is_first: bool,
    pub(crate) flow: Flow,
    response: Bytes,
    pause: Duration,
    again: Mono,
    /// When to give up and send BYE.
    pub(crate) ends: Mono,
}

impl Unacked {
    pub(crate) fn new(now: Mono, number: u32, is_first: bool, flow: Flow, response: Bytes) -> Self {
        Self { number, is_first, flow, response, pause: T1, again: now + T1, ends: now + PATIENCE }
    }

    pub(crate) fn deadline(&self) -> Mono {
        self.again.min(self.ends)
    }

    /// What to send at `now`, if anything.
    pub(crate) fn repeat(&mut self, now: Mono) -> Option<(Flow, Bytes)> {
        if self.again > now {
            return None;
        }
        self.pause = (self.pause * 2).min(T2);
        self.again = now + self.pause;
        Some((self.flow, self.response.clone()))
    }
}
