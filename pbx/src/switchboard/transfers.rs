//! What concerns two calls at once: attended transfers, and phones that take over.

use base::{CallId, Cause, LegId, Name, Now};

use super::Switchboard;
use crate::call::attended::Side;
use crate::call::visit::MOST_LEGS;
use crate::routing::{self, Refusal};
use crate::seam::{Arrival, Origin, Output, Refer};
use crate::seats::{Lease, SeatKey};

/// Two calls of one seat that are to become one.
struct Pair {
    /// The call that goes on, and the leg of the seat in it.
    stays: (CallId, LegId),
    /// The call whose other party comes over, and the leg of the seat in it.
    ends: (CallId, LegId),
}

impl Switchboard {
    /// A phone asks us to put the other party of its call through.
    pub(super) fn referred(&mut self, now: Now, leg: LegId, refer: &Refer) {
        let Some(&id) = self.floor.legs.get(&leg) else {
            // It crossed our BYE.
            self.floor.push(Output::RefuseRefer { leg, status: NO_CALL });
            return;
        };
        let Some(other) = refer.replaces else {
            self.with(id, |call, floor| call.refer(leg, &refer.to, now, floor));
            return;
        };
        match self.pair(leg, other) {
            Ok(pair) => {
                self.floor.push(Output::AcceptRefer { leg });
                self.floor.push(Output::ReferProgress { leg, status: OK });
                self.join(now, &pair);
            }
            Err(denial) => self.with(id, |call, floor| call.deny(leg, &refer.to, denial, now, floor)),
        }
    }

    /// Judges whether two legs are one seat's, and which of its calls goes on.
    fn pair(&self, leg: LegId, other: LegId) -> Result<Pair, (u16, Cause)> {
        let forbidden = (Cause::Forbidden.sip_status(), Cause::Forbidden);
        let side = |leg: LegId| {
            let id = *self.floor.legs.get(&leg)?;
            Some((id, self.calls.get(&id)?.call.side(leg)))
        };
        let (Some((one, here)), Some((two, there))) = (side(leg), side(other)) else {
            return Err((NO_CALL, Cause::Unreachable));
        };
        if here == Side::Pending || there == Side::Pending {
            return Err((PENDING, Cause::Refused));
        }
        let (
            Side::Talks { seat: by, other: party, is_caller: calls_here },
            Side::Talks { seat: also, other: target, is_caller: calls_there },
        ) = (here, there)
        else {
            return Err((DECLINED, Cause::Refused));
        };
        // Whoever is not the seat itself has no say in its calls, of whatever line (reliability.md 2.4, A9).
        if one == two || by != also {
            return Err(forbidden);
        }
        if party.is_some() && (party == target || party.as_ref() == Some(&by)) {
            return Err((LOOP, Cause::Forbidden));
        }
        let (here, there) = ((one, leg), (two, other));
        // A call that somebody made to the seat goes on; one that the seat made was its question.
        let pair = if target.is_some() && (!calls_here || calls_there) {
            Pair { stays: here, ends: there }
        } else if party.is_some() {
            Pair { stays: there, ends: here }
        } else {
            // Two outside callers: who would answer for what they say to each other on the line's number?
            return Err(forbidden);
        };
        Ok(pair)
    }

    fn join(&mut self, now: Now, pair: &Pair) {
        let Pair { stays: (id, left), ends: (other, leaves) } = *pair;
        let Some(ending) = self.calls.remove(&other) else { return };
        let (call, handed) = ending.call.hand_over(leaves, id, now, &mut self.floor);
        self.keep(call, ending.alarm);
        if let Some(handed) = handed {
            self.with(id, |call, floor| call.receive(left, handed, now, floor));
        }
    }

    /// The call that rings on this leg, and the seat for it, if the seat is of its line and free.
    fn may_pick_up(&mut self, ringing: LegId, by: Option<&SeatKey>) -> Option<(CallId, Lease)> {
        let by = by?;
        let id = *self.floor.legs.get(&ringing)?;
        let call = &self.calls.get(&id)?.call;
        let rung = call.rung_on(ringing)?;
        if self.draining || rung.line != by.line || call.visit.legs.len() >= MOST_LEGS {
            return None;
        }
        Some((id, self.floor.seats.take_answered(by, id)?))
    }

    /// An INVITE that is to take the place of a leg: of an answered one only another phone of the very seat may,
    /// of one that rings any seat of its line that is not talking.
    pub(super) fn replace(&mut self, now: Now, leg: LegId, arrival: &Arrival, replaced: LegId) {
        let from = match &arrival.origin {
            Origin::Extension(ext) => routing::seat_of(&self.floor.plan, ext),
            Origin::Trunk(_) => None,
        };
        let call = self.floor.legs.get(&replaced).and_then(|id| Some((*id, self.calls.get(id)?)));
        let permitted = call.filter(|(_, entry)| {
            let is_own =
                matches!(entry.call.side(replaced), Side::Talks { seat, .. } if Some(&seat) == from.as_ref());
            is_own && entry.call.visit.legs.len() < MOST_LEGS
        });
        if let Some((id, _)) = permitted {
            self.with(id, |call, floor| call.replace(replaced, leg, now, floor));
            return;
        }
        if let Some((id, lease)) = self.may_pick_up(replaced, from.as_ref()) {
            self.with(id, |call, floor| call.pick_up(leg, lease, now, floor));
            return;
        }
        let trunk: Option<Name> = match &arrival.origin {
            Origin::Trunk(trunk) => Some(trunk.clone()),
            Origin::Extension(_) => None,
        };
        let refusal = Refusal {
            cause: Cause::Forbidden,
            line: from.as_ref().map(|key| key.line.clone()),
            number: None,
            dialled: arrival.called.first().cloned().unwrap_or_default(),
            trunk,
            from,
        };
        self.refuse(now, leg, arrival, refusal);
    }
}

/// RFC 3261 §21.2.1, §21.4.19, §21.4.20, §21.4.27 and §21.6.2.
const OK: u16 = 200;
const NO_CALL: u16 = 481;
const LOOP: u16 = 482;
const PENDING: u16 = 491;
const DECLINED: u16 = 603;
