//! The floor: what all calls share. Seats, queues, trunks, lines, and the way out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base::{CallId, Entropy, LegId, Mono, Name, RecordingId, Timestamp};
use ivr::line::Reach;

use crate::plan::{Plan, TrunkPlan};
use crate::queue::Queues;
use crate::routing::{self, Permit};
use crate::seam::Output;
use crate::seats::{Availability, SeatKey, Seats};

/// What all calls share.
#[derive(Clone, Debug)]
pub(crate) struct Floor {
    /// The plan of new calls; seats and queues of live calls follow it too (line-language.md 5.7, 10).
    pub(crate) plan: Arc<Plan>,
    pub(crate) seats: Seats,
    pub(crate) queues: Queues,
    pub(crate) trunks: Trunks,
    /// Callers of each line from INVITE to BYE.
    pub(crate) lines: Tally,
    /// Calls that are not ending.
    pub(crate) live: u32,
    /// A trunk that was full is not any more: outside seats can be rung again.
    pub(crate) trunk_has_room_again: bool,
    /// Which call a leg belongs to; a leg that is over is in no call.
    pub(crate) legs: BTreeMap<LegId, CallId>,
    out: VecDeque<Output>,
    placed: u64,
    entropy: Entropy,
}

impl Floor {
    pub(crate) fn new(plan: Arc<Plan>, entropy: Entropy) -> Self {
        Self {
            plan,
            seats: Seats::default(),
            queues: Queues::default(),
            trunks: Trunks::default(),
            lines: Tally::default(),
            live: 0,
            trunk_has_room_again: false,
            legs: BTreeMap::new(),
            out: VecDeque::new(),
            placed: 0,
            entropy,
        }
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub(crate) fn mint_call(&mut self, wall: Timestamp) -> CallId {
        CallId::mint(wall, &mut self.entropy)
    }

    pub(crate) fn mint_recording(&mut self, wall: Timestamp) -> RecordingId {
        RecordingId::mint(wall, &mut self.entropy)
    }

    /// A number below `bound`, for shares by weight.
    pub(crate) fn draw(&mut self, bound: u64) -> u64 {
        self.entropy.below(bound)
    }

    /// Places a leg. The permit is the only key to this door, and `authorize_leg` the only smith.
    pub(crate) fn place(&mut self, now: Mono, call: CallId, caller: LegId, permit: Permit) -> LegId {
        let leg = LegId::placed(self.placed);
        self.placed += 1;
        self.legs.insert(leg, call);
        if let Some(trunk) = permit.trunk() {
            self.trunks.calls.add(trunk);
            self.trunks.begins(trunk, self.plan.trunks.get(trunk), now);
        }
        let (target, shows) = permit.into_parts();
        self.push(Output::Place { leg, caller, target, shows });
        leg
    }

    /// A call over a trunk is over.
    pub(crate) fn free_trunk(&mut self, name: &Name) {
        let was_full = self.plan.trunks.get(name).is_some_and(|trunk| !self.trunks.has_room(name, trunk));
        self.trunk_has_room_again |= was_full;
        self.trunks.calls.take(name);
    }

    /// Whether a placed leg of this number was ever ours.
    pub(crate) fn was_placed(&self, leg: LegId) -> bool {
        !leg.is_arrived() && leg.as_u64() / 2 < self.placed
    }

    /// Whether a seat counts as one: registered, diallable, or held by a call (line-language.md 5.8, 2).
    pub(crate) fn is_staffed(&self, key: &SeatKey) -> bool {
        self.seats.is_held(key) || self.is_reachable(key)
    }

    /// Whether a seat is registered or diallable.
    pub(crate) fn is_reachable(&self, key: &SeatKey) -> bool {
        let Some(line) = self.plan.lines.get(&key.line) else { return false };
        match line.seats.get(&key.seat).map(|seat| &seat.reach) {
            Some(Reach::Ext(ext)) => !self.seats.contacts(ext).is_empty(),
            Some(Reach::Phone { number, .. }) => routing::is_diallable(self, line, number),
            None => false,
        }
    }

    /// What a seat does now.
    pub(crate) fn availability(&self, key: &SeatKey) -> Availability {
        match self.seats.availability(key) {
            Availability::Ringing => Availability::Ringing,
            Availability::Talking => Availability::Talking,
            _ if !self.is_reachable(key) => Availability::Offline,
            other => other,
        }
    }
}

/// The trunks: calls over each, and whether it answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trunks {
    pub(crate) calls: Tally,
    /// Those that do not answer their probes; unknown ones are given the benefit of the doubt.
    down: BTreeSet<Name>,
    /// When the last calls over each trunk with a rate began.
    began: BTreeMap<Name, VecDeque<Mono>>,
    /// When a trunk that has had its calls of this second may be used again.
    wakes: Option<Mono>,
}

impl Trunks {
    pub(crate) fn set_up(&mut self, trunk: Name, up: bool) {
        if up {
            self.down.remove(&trunk);
        } else {
            self.down.insert(trunk);
        }
    }

    /// Whether it can be dialled out on at all (it may be full just now).
    pub(crate) fn reaches_out(&self, name: &Name, trunk: &TrunkPlan) -> bool {
        trunk.dials_out && trunk.caller_id.is_some() && !self.down.contains(name)
    }

    /// Whether one more call may begin now; if not, when one may is remembered.
    pub(crate) fn may_begin(&mut self, name: &Name, trunk: &TrunkPlan, now: Mono) -> bool {
        let Some(most) = trunk.calls_per_second else { return true };
        let Some(began) = self.began.get(name) else { return true };
        let Some(&oldest) = began.len().checked_sub(most as usize).and_then(|index| began.get(index)) else {
            return true;
        };
        let free = oldest + SECOND;
        if free > now {
            self.wakes = Some(self.wakes.map_or(free, |wakes| wakes.min(free)));
        }
        free <= now
    }

    fn begins(&mut self, name: &Name, trunk: Option<&TrunkPlan>, now: Mono) {
        let Some(most) = trunk.and_then(|trunk| trunk.calls_per_second) else { return };
        let began = self.began.entry(name.clone()).or_default();
        began.push_back(now);
        while began.len() > most as usize {
            began.pop_front();
        }
    }

    /// When a trunk may be used again.
    pub(crate) const fn wakes(&self) -> Option<Mono> {
        self.wakes
    }

    /// Whether that is now; then it is forgotten.
    pub(crate) fn is_woken(&mut self, now: Mono) -> bool {
        self.wakes.take_if(|at| *at <= now).is_some()
    }

    /// Whether one more call fits.
    pub(crate) fn has_room(&self, name: &Name, trunk: &TrunkPlan) -> bool {
        self.calls.of(name) < trunk.max_calls
    }

    /// Forgets the state of trunks that a plan no longer has.
    pub(crate) fn forget(&mut self, plan: &Plan) {
        self.down.retain(|name| plan.trunks.contains_key(name));
        self.began.retain(|name, _| plan.trunks.contains_key(name));
    }
}

/// The span of `calls_per_second`: no span of this length sees more calls begin.
const SECOND: Duration = Duration::from_secs(1);

/// A count by name; what counts zero is not kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<Name, u32>);

impl Tally {
    pub(crate) fn of(&self, name: &Name) -> u32 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, name: &Name) {
        *self.0.entry(name.clone()).or_insert(0) += 1;
    }

    pub(crate) fn take(&mut self, name: &Name) {
        if let Some(count) = self.0.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(name);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
