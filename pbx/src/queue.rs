//! Queues: tickets in the order of arrival, and who waits for which seat.

use std::collections::{BTreeMap, BTreeSet};

use base::{CallId, Name};

use crate::seats::SeatKey;

/// A queue of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) line: Name,
    pub(crate) queue: Name,
}

/// All places in all queues. Callers in a `ring` step hold a ticket too, without a queue: seats are
/// shared, and the oldest ticket comes first wherever it waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queues {
    issued: u64,
    waiting: BTreeMap<QueueKey, BTreeSet<u64>>,
    by_seat: BTreeMap<SeatKey, BTreeMap<u64, Interest>>,
    last_tried: BTreeMap<QueueKey, Name>,
}

#[derive(Clone, Debug)]
struct Interest {
    call: CallId,
    /// The call pauses between two attempts and will ring this seat next.
    next: bool,
}

/// A place in the order of callers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ticket {
    no: u64,
    call: CallId,
    queue: Option<QueueKey>,
    seats: Vec<SeatKey>,
}

impl Ticket {
    pub(crate) fn queue(&self) -> Option<&QueueKey> {
        self.queue.as_ref()
    }

    pub(crate) fn seats(&self) -> &[SeatKey] {
        &self.seats
    }
}

impl Queues {
    /// How many wait in a queue.
    pub(crate) fn waiting(&self, queue: &QueueKey) -> usize {
        self.waiting.get(queue).map_or(0, BTreeSet::len)
    }

    /// How many wait in all queues together.
    pub(crate) fn total(&self) -> usize {
        self.waiting.values().map(BTreeSet::len).sum()
    }

    /// Whether nobody waits anywhere.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.by_seat.is_empty()
    }

    /// A ticket behind everybody who waits already.
    pub(crate) fn enter(&mut self, call: CallId, queue: Option<QueueKey>, seats: Vec<SeatKey>) -> Ticket {
        self.issued += 1;
        let ticket = Ticket { no: self.issued, call, queue, seats };
        if let Some(queue) = &ticket.queue {
            self.waiting.entry(queue.clone()).or_default().insert(ticket.no);
        }
        self.note_interest(&ticket);
        ticket
    }

    /// The place is given up.
    pub(crate) fn leave(&mut self, ticket: &Ticket) {
        if let Some(queue) = &ticket.queue
            && let Some(waiting) = self.waiting.get_mut(queue)
        {
            waiting.remove(&ticket.no);
            if waiting.is_empty() {
                self.waiting.remove(queue);
            }
        }
        self.drop_interest(ticket);
    }

    /// The queue's seats changed by a new plan; the place is kept.
    pub(crate) fn waits_for(&mut self, ticket: &mut Ticket, seats: Vec<SeatKey>) {
        self.drop_interest(ticket);
        ticket.seats = seats;
        self.note_interest(ticket);
    }

    fn note_interest(&mut self, ticket: &Ticket) {
        for seat in &ticket.seats {
            let interest = Interest { call: ticket.call, next: false };
            self.by_seat.entry(seat.clone()).or_default().insert(ticket.no, interest);
        }
    }

    fn drop_interest(&mut self, ticket: &Ticket) {
        for seat in &ticket.seats {
            if let Some(interests) = self.by_seat.get_mut(seat) {
                interests.remove(&ticket.no);
                if interests.is_empty() {
                    self.by_seat.remove(seat);
                }
            }
        }
    }

    /// Says that the ticket's call will (or will no longer) ring this seat after its pause. True when
    /// the seat was promised until now and is not any more: others may have it.
    pub(crate) fn set_next(&mut self, ticket: &Ticket, seat: &SeatKey, next: bool) -> bool {
        match self.by_seat.get_mut(seat).and_then(|all| all.get_mut(&ticket.no)) {
            Some(interest) => std::mem::replace(&mut interest.next, next) && !next,
            None => false,
        }
    }

    /// Whether a younger caller would overtake: an older one pauses and rings this seat next.
    pub(crate) fn is_promised_to_older(&self, ticket: &Ticket, seat: &SeatKey) -> bool {
        self.older(ticket, seat).any(|interest| interest.next)
    }

    /// Whether anybody older waits for this seat.
    pub(crate) fn somebody_older_waits(&self, ticket: &Ticket, seat: &SeatKey) -> bool {
        self.older(ticket, seat).next().is_some()
    }

    fn older(&self, ticket: &Ticket, seat: &SeatKey) -> impl Iterator<Item = &Interest> {
        self.by_seat.get(seat).into_iter().flat_map(|all| all.range(..ticket.no)).map(|(_, i)| i)
    }

    /// Who waits for a seat, the oldest first.
    pub(crate) fn waiting_for(&self, seat: &SeatKey) -> Vec<CallId> {
        self.by_seat.get(seat).map_or_else(Vec::new, |all| all.values().map(|i| i.call).collect())
    }

    /// Whether somebody who waits longer than `call` pauses and rings this seat next.
    pub(crate) fn is_next_for_older(&self, seat: &SeatKey, call: CallId) -> bool {
        let older = self.by_seat.get(seat).into_iter().flat_map(|all| all.values());
        older.take_while(|interest| interest.call != call).any(|interest| interest.next)
    }

    /// Every seat that somebody waits for.
    pub(crate) fn awaited_seats(&self) -> Vec<SeatKey> {
        self.by_seat.keys().cloned().collect()
    }

    /// Everybody who waits, the oldest first.
    pub(crate) fn everybody(&self) -> Vec<CallId> {
        let by_age: BTreeMap<u64, CallId> =
            self.by_seat.values().flatten().map(|(&no, interest)| (no, interest.call)).collect();
        by_age.into_values().collect()
    }

    /// The seat that a queue tried last, for `order: remember`.
    pub(crate) fn last_tried(&self, queue: &QueueKey) -> Option<&Name> {
        self.last_tried.get(queue)
    }

    /// Remembers it.
    pub(crate) fn remember(&mut self, queue: &QueueKey, seat: &Name) {
        self.last_tried.insert(queue.clone(), seat.clone());
    }

    /// Forgets the pointers of queues that `exists` denies.
    pub(crate) fn forget(&mut self, exists: impl Fn(&QueueKey) -> bool) {
        self.last_tried.retain(|queue, _| exists(queue));
    }
}
