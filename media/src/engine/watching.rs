//! Who of two that hear each other is not heard: told once, and so is its end.

use base::machine::Machine;
use base::{LegId, Mono, Now};

use super::Engine;
use super::channel::Channel;
use super::sounding::Seen;
use crate::quality::audibility::ASTRAY;
use crate::quality::{Audibility, Finding, Heard};
use crate::seam::{Direction, Event, Lack, Side, Sink};

/// Who watches two legs; kept by the one of the smaller number, which is its `Side::Caller`.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    other: LegId,
    ears: Audibility,
}

/// Whether the first packet of a leg is waited for that is not talking to anybody: a menu speaks to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// It came, or may not come.
    No,
    /// Until then nothing is wrong.
    Until(Mono),
    /// It did not come, and that was told.
    Missed,
}

impl Engine {
    /// Two who hear each other are watched from now on; who is not one of two is not.
    pub(super) fn rewatch(&mut self, now: Now, leg: LegId) {
        let partner = self.partner(leg).filter(|other| leg < *other);
        let Some(channel) = self.channels.get_mut(&leg) else { return };
        let known = channel.watch.as_ref().map(|watch| watch.other);
        if known != partner {
            channel.watch = partner.map(|other| Box::new(Watch { other, ears: Audibility::new(now) }));
        }
    }

    /// Begins to watch two legs anew: what was before they were joined is no fault of theirs.
    pub(super) fn unwatch(&mut self, a: LegId, b: LegId) {
        if let Some(channel) = self.channels.get_mut(&a.min(b)) {
            channel.watch = None;
        }
    }

    /// What was seen of a leg, for whoever watches it.
    pub(super) fn watch(&mut self, now: Now, leg: LegId, seen: Seen, out: &mut impl Sink) {
        let Some(channel) = self.channels.get(&leg) else { return };
        let [other] = channel.hears[..] else { return };
        let Some(partner) = self.channels.get(&other).filter(|partner| partner.hears == [leg]) else {
            return;
        };
        let converse = channel.converses() && partner.converses();
        let (first, second) = (leg.min(other), leg.max(other));
        let Some(watch) = self.channels.get_mut(&first).and_then(|channel| channel.watch.as_mut()) else {
            return;
        };
        if converse {
            let side = if leg == first { Side::Caller } else { Side::Seat };
            watch.ears.handle(now, Heard { side, sign: seen.sign, span: seen.span });
            if watch.ears.deadline().is_some_and(|due| due <= now.mono) {
                watch.ears.expire(now);
            }
        } else {
            // On hold, or something of ours is heard in place of the other: nobody misses anybody.
            watch.ears.restart(now);
        }
        while let Some(finding) = watch.ears.poll() {
            let of = |side| if side == Side::Caller { first } else { second };
            out.tell(match finding {
                Finding::Missing(side) => Event::Unheard { leg: of(side), lack: Lack::Packets },
                Finding::Mute(side) => Event::Unheard { leg: of(side), lack: Lack::Voice },
                Finding::Mended(side) => Event::HeardAgain { leg: of(side) },
                Finding::DeadAir => Event::DeadAir { leg: first, over: false },
                Finding::Spoken => Event::DeadAir { leg: first, over: true },
            });
        }
    }

    /// The other one of two that hear each other and nobody else.
    fn partner(&self, leg: LegId) -> Option<LegId> {
        let [other] = self.channels.get(&leg)?.hears[..] else { return None };
        (self.channels.get(&other)?.hears == [leg]).then_some(other)
    }
}

impl Channel {
    /// Whether the peer is to hear others and to be heard, now.
    fn converses(&self) -> bool {
        self.playing.is_none() && self.is_mutual()
    }

    /// Whether both sides are to send.
    fn is_mutual(&self) -> bool {
        let Some(agreed) = &self.agreed else { return false };
        agreed.stream.direction == Direction::Both && agreed.destination().is_some() && !self.guard.is_shut()
    }

    /// Begins to wait for the peer's first packet, unless it came.
    pub(super) fn await_first(&mut self, now: Mono) {
        if self.awaited == Awaited::No && self.reception.received() == 0 {
            self.awaited = Awaited::Until(now + ASTRAY);
        }
    }

    /// A packet came.
    pub(super) fn first_came(&mut self, out: &mut impl Sink) {
        if std::mem::replace(&mut self.awaited, Awaited::No) == Awaited::Missed {
            out.tell(Event::HeardAgain { leg: self.leg });
        }
    }

    /// Nothing ever came from a peer that hears us alone.
    pub(super) fn miss_first(&mut self, now: Mono, out: &mut impl Sink) {
        let Awaited::Until(at) = self.awaited else { return };
        if at > now {
            return;
        }
        if self.hears.is_empty() && self.is_mutual() {
            self.awaited = Awaited::Missed;
            out.tell(Event::Unheard { leg: self.leg, lack: Lack::Packets });
        } else {
            // Two that talk are watched otherwise; and a handshake takes its time.
            self.awaited = Awaited::Until(now + ASTRAY);
        }
    }
}

impl Awaited {
    pub(super) fn deadline(self) -> Option<Mono> {
        match self {
            Self::Until(at) => Some(at),
            Self::No | Self::Missed => None,
        }
    }
}
