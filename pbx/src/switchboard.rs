//! The switchboard: all calls, and what wakes each of them.

mod transfers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base::time::soonest;
use base::{CallId, Cause, Entropy, LegId, Machine, Mono, Name, Now, PhoneNumber};

use crate::call::visit::{Leg, Notice, Visit};
use crate::call::{Call, Event, Opening};
use crate::cdr::{CallRecord, Consent, LegRecord};
use crate::floor::Floor;
use crate::plan::Plan;
use crate::routing::{self, Refusal, Route, Shown};
use crate::seam::{Arrival, Input, Origin, Output, Told};
use crate::seats::{Availability, SeatKey};

/// Every decision of every call. Plain data: a clone fed with the same inputs says the same.
#[derive(Clone, Debug)]
pub struct Switchboard {
    calls: BTreeMap<CallId, Entry>,
    alarms: BTreeSet<(Mono, CallId)>,
    floor: Floor,
    draining: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    call: Box<Call>,
    /// As it stands in `alarms`.
    alarm: Option<Mono>,
}

impl Switchboard {
    /// An idle switchboard: no call, no contact registered, every trunk taken to be up.
    pub fn new(plan: Arc<Plan>, entropy: Entropy) -> Self {
        Self {
            calls: BTreeMap::new(),
            alarms: BTreeSet::new(),
            floor: Floor::new(plan, entropy),
            draining: false,
        }
    }

    /// Calls that are not over, for the metrics and the drain.
    pub fn live_calls(&self) -> u32 {
        self.floor.live
    }

    /// Whether nothing is left of any call: no leg awaited, no seat held, no trunk or line counted.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.floor.live == 0
            && self.floor.legs.is_empty()
            && self.floor.lines.is_empty()
            && self.floor.trunks.calls.is_empty()
            && self.floor.queues.is_empty()
            && self.floor.seats.held() == 0
    }

    /// Callers that wait in queues, for the metrics.
    pub fn waiting(&self) -> usize {
        self.floor.queues.total()
    }

    /// Callers of a line from INVITE to BYE.
    pub fn callers_of(&self, line: &Name) -> u32 {
        self.floor.lines.of(line)
    }

    /// Calls over a trunk, both ways.
    pub fn calls_over(&self, trunk: &Name) -> u32 {
        self.floor.trunks.calls.of(trunk)
    }

    /// The call that a leg belongs to, while it is up.
    pub fn call_of(&self, leg: LegId) -> Option<CallId> {
        self.floor.legs.get(&leg).copied()
    }

    /// What a seat does now.
    pub fn availability(&self, line: &Name, seat: &Name) -> Availability {
        self.floor.availability(&SeatKey { line: line.clone(), seat: seat.clone() })
    }

    /// Whether a caller sleeps beside a seat that could be rung.
    #[cfg(test)]
    pub(crate) fn forgets_somebody(&self) -> bool {
        self.calls.values().any(|entry| entry.call.is_forgotten(&self.floor))
    }

    fn arrived(&mut self, now: Now, leg: LegId, arrival: Arrival) {
        if !leg.is_arrived() || self.floor.legs.contains_key(&leg) {
            // `sip` numbers each INVITE once; a second one under this id would tear the first apart.
            return;
        }
        if let Some(replaced) = arrival.replaces {
            self.replace(now, leg, &arrival, replaced);
            return;
        }
        let routed = routing::route(&self.floor.plan, &arrival).and_then(|route| self.admit(route));
        match routed {
            Ok((route, full)) => self.open(now, leg, arrival, route, full),
            Err(refusal) => self.refuse(now, leg, &arrival, refusal),
        }
    }

    /// Whether one more call fits; true beside the route when it is the line itself that is full.
    fn admit(&self, route: Route) -> Result<(Route, bool), Refusal> {
        let floor = &self.floor;
        let limits = floor.plan.limits;
        // Calls whose legs still have to tell of their end are in memory too.
        let remembered = self.calls.len() >= (limits.max_calls as usize).saturating_mul(ENDING_PER_LIVE);
        let over_trunk = route.trunk.as_ref().is_some_and(|name| {
            floor.plan.trunks.get(name).is_some_and(|trunk| !floor.trunks.has_room(name, trunk))
        });
        let cause = if self.draining {
            Cause::Draining
        } else if floor.live >= limits.max_calls || remembered {
            Cause::EngineFull
        } else if over_trunk {
            Cause::TrunkFull
        } else {
            let full = route.to.is_none() && floor.lines.of(&route.line.id) >= route.line.max_calls;
            return Ok((route, full));
        };
        Err(Refusal {
            cause,
            line: Some(route.line.id.clone()),
            number: Some(route.number),
            dialled: route.dialled,
            trunk: route.trunk,
            from: route.from,
        })
    }

    fn open(&mut self, now: Now, leg: LegId, arrival: Arrival, route: Route, full: bool) {
        let floor = &mut self.floor;
        let id = floor.mint_call(now.wall);
        let own_seat = route.from.as_ref().map(|key| floor.seats.occupy(key, id));
        let shown = shown(&arrival, route.number.clone());
        let caller_seat = route.from.as_ref().map(|key| key.seat.clone());
        if let Some(trunk) = &route.trunk {
            floor.trunks.calls.add(trunk);
        }
        let counts = route.to.is_none() && !full;
        if counts {
            floor.lines.add(&route.line.id);
        }
        floor.live += 1;
        floor.legs.insert(leg, id);
        let visit = Visit {
            id,
            limits: floor.plan.limits,
            number: route.number,
            dialled: route.dialled,
            diverted: diverted(&arrival),
            from: shown.caller.clone(),
            internal: shown.ext.is_some(),
            shown,
            sip_call_id: arrival.call_id,
            started: now,
            counts,
            own_seat,
            first: leg,
            caller: leg,
            legs: BTreeMap::from([(leg, Leg::new(now.mono, caller_seat, route.trunk))]),
            notice: Notice::NotPlayed,
            consent: Consent::None,
            keys: Vec::new(),
            menus: Vec::new(),
            queue: None,
            seat: None,
            recording: None,
            taping: None,
            transfers: Vec::new(),
            answered: None,
            connected: None,
            talked: Duration::ZERO,
            waited: Duration::ZERO,
            line: route.line,
        };
        let opening = route.to.map_or(Opening::Line { full }, |to| Opening::Direct { to });
        let call = Call::begin(visit, opening, now, floor);
        self.keep(call, None);
    }

    /// Refused at the door: a row all the same, and nothing else.
    fn refuse(&mut self, now: Now, leg: LegId, arrival: &Arrival, refusal: Refusal) {
        let call = self.floor.mint_call(now.wall);
        let Refusal { cause, line, number, dialled, trunk, from } = refusal;
        let seat = from.map(|key| key.seat);
        let zero = Duration::ZERO;
        let internal = matches!(arrival.origin, Origin::Extension(_));
        let caller = match &arrival.origin {
            Origin::Extension(ext) => PhoneNumber::normalise(ext),
            Origin::Trunk(_) => caller_number(arrival),
        };
        let record = CallRecord {
            call,
            line,
            number,
            dialled,
            diverted: diverted(arrival),
            caller,
            internal,
            started: now.wall,
            answered_after: None,
            connected_after: None,
            lasted: zero,
            talked: zero,
            waited: zero,
            cause,
            keys: Vec::new(),
            menus: Vec::new(),
            queue: None,
            seat: None,
            transfers: Vec::new(),
            recording: None,
            consent: Consent::None,
            sip_call_id: arrival.call_id.clone(),
            legs: vec![LegRecord {
                leg,
                seat,
                trunk,
                began: zero,
                rang: None,
                answered: None,
                ended: zero,
                cause,
                moved: false,
            }],
        };
        self.floor.push(Output::Refuse { leg, status: cause.sip_status(), cause });
        self.floor.push(Output::Tell { call, what: Told::Ended { cause } });
        self.floor.push(Output::Finished(Box::new(record)));
    }

    /// Puts a call back among the others, or tells that it is over.
    fn keep(&mut self, call: Call, alarm: Option<Mono>) {
        let id = call.visit.id;
        let next = call.deadline();
        if let Some(record) = call.finished() {
            if let Some(alarm) = alarm {
                self.alarms.remove(&(alarm, id));
            }
            self.floor.push(Output::Finished(Box::new(record)));
            return;
        }
        if next != alarm {
            if let Some(alarm) = alarm {
                self.alarms.remove(&(alarm, id));
            }
            if let Some(next) = next {
                self.alarms.insert((next, id));
            }
        }
        self.calls.insert(id, Entry { call: Box::new(call), alarm: next });
    }

    /// Lets something happen to one call.
    fn with(&mut self, id: CallId, happens: impl FnOnce(Call, &mut Floor) -> Call) {
        if let Some(Entry { call, alarm }) = self.calls.remove(&id) {
            let call = happens(*call, &mut self.floor);
            self.keep(call, alarm);
        }
    }

    /// Something happened to a leg. What is said of a leg that is over crossed our own words.
    fn leg(&mut self, now: Now, leg: LegId, event: Event) {
        if let Some(&id) = self.floor.legs.get(&leg) {
            self.with(id, |call, floor| call.step(&event, now, floor));
        } else if matches!(event, Event::Answered { .. }) && self.floor.was_placed(leg) {
            // We had written it off; nobody is there for the person who answered.
            self.floor.push(Output::HangUp { leg, cause: Cause::CallerGaveUp });
        }
    }

    fn contacts(&mut self, now: Now, ext: &Name, contacts: Vec<u64>) {
        self.floor.seats.register(ext.clone(), contacts);
        if let Some((line, seat)) = self.floor.plan.extensions.get(ext) {
            let key = SeatKey { line: line.clone(), seat: seat.clone() };
            for id in self.floor.queues.waiting_for(&key) {
                self.with(id, |call, floor| call.step(&Event::SeatsChanged, now, floor));
            }
            self.floor.seats.mark_freed(key);
        }
    }

    fn tell_everybody_who_waits(&mut self, now: Now, event: &Event) {
        for id in self.floor.queues.everybody() {
            self.with(id, |call, floor| call.step(event, now, floor));
        }
    }

    fn trunk_up(&mut self, now: Now, trunk: Name, up: bool) {
        self.floor.trunks.set_up(trunk, up);
        self.tell_everybody_who_waits(now, &Event::SeatsChanged);
        self.offer_all_awaited();
    }

    fn follow(&mut self, now: Now, plan: Arc<Plan>) {
        self.floor.plan = plan;
        let floor = &mut self.floor;
        floor.trunks.forget(&floor.plan);
        floor.seats.forget_idle();
        let plan = Arc::clone(&floor.plan);
        floor
            .queues
            .forget(|key| plan.lines.get(&key.line).is_some_and(|line| line.queues.contains_key(&key.queue)));
        self.tell_everybody_who_waits(now, &Event::PlanChanged);
        self.offer_all_awaited();
    }

    /// Trunks or plans changed: every seat that somebody waits for may be free now.
    fn offer_all_awaited(&mut self) {
        for key in self.floor.queues.awaited_seats() {
            self.floor.seats.mark_freed(key);
        }
    }

    fn end_all(&mut self, now: Now, cause: Cause) {
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        for id in ids {
            self.with(id, |call, floor| call.end(cause, now, floor));
        }
    }

    /// Offers the seats that became free to those who wait for them, the oldest first.
    fn settle(&mut self, now: Now) {
        if std::mem::take(&mut self.floor.trunk_has_room_again) {
            self.offer_all_awaited();
        }
        while let Some(key) = self.floor.seats.pop_freed() {
            let event = if self.floor.is_staffed(&key) { Event::SeatFree } else { Event::SeatsChanged };
            for id in self.floor.queues.waiting_for(&key) {
                if event == Event::SeatFree
                    && (!self.floor.seats.is_idle(&key) || self.floor.queues.is_next_for_older(&key, id))
                {
                    break;
                }
                self.with(id, |call, floor| call.step(&event, now, floor));
            }
        }
    }
}

impl Machine for Switchboard {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Arrived { leg, arrival } => self.arrived(now, leg, *arrival),
            Input::Progressed { leg, status, media } => {
                self.leg(now, leg, Event::Progressed { leg, status, media });
            }
            Input::Answered { leg } => self.leg(now, leg, Event::Answered { leg }),
            Input::Ended { leg, cause } => self.leg(now, leg, Event::Ended { leg, cause }),
            Input::Digit { leg, digit } => self.leg(now, leg, Event::Digit { leg, digit }),
            Input::Played { leg } => self.leg(now, leg, Event::Played { leg }),
            Input::Held { leg, held } => self.leg(now, leg, Event::Held { leg, held }),
            Input::Silent { leg } => {
                if let Some(&id) = self.floor.legs.get(&leg) {
                    self.with(id, |call, floor| call.silent(leg, now, floor));
                }
            }
            Input::Referred { leg, refer } => self.referred(now, leg, &refer),
            Input::Contacts { ext, contacts } => self.contacts(now, &ext, contacts),
            Input::TrunkUp { trunk, up } => self.trunk_up(now, trunk, up),
            Input::Plan(plan) => self.follow(now, plan),
            Input::Drain => self.draining = true,
            Input::EndAll(cause) => self.end_all(now, cause),
            Input::Fault { leg } => {
                if let Some(&id) = self.floor.legs.get(&leg) {
                    self.with(id, |call, floor| call.end(Cause::Internal, now, floor));
                }
            }
        }
        self.settle(now);
    }

    fn expire(&mut self, now: Now) {
        if self.floor.trunks.is_woken(now.mono) {
            self.floor.trunk_has_room_again = true;
            self.settle(now);
        }
        loop {
            self.floor.seats.expire(now.mono);
            self.settle(now);
            let Some(&(at, id)) = self.alarms.first() else { return };
            if at > now.mono {
                return;
            }
            self.with(id, |call, floor| call.step(&Event::Alarm, now, floor));
            self.settle(now);
            if self.calls.get(&id).is_some_and(|entry| entry.alarm == Some(at)) {
                // A stage that does not move when its time has come would turn this loop for ever.
                self.with(id, |call, floor| call.end(Cause::Internal, now, floor));
            }
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.floor.pop()
    }

    fn deadline(&self) -> Option<Mono> {
        let shared = soonest(self.floor.seats.deadline(), self.floor.trunks.wakes());
        soonest(self.alarms.first().map(|&(at, _)| at), shared)
    }
}

fn shown(arrival: &Arrival, called: PhoneNumber) -> Shown {
    match &arrival.origin {
        // The registrar knows who calls; what a phone writes into From is its own fancy.
        Origin::Extension(ext) => Shown {
            caller: PhoneNumber::normalise(ext),
            ext: Some(ext.clone()),
            display: arrival.display.clone(),
            called,
            referrer: None,
        },
        Origin::Trunk(_) => Shown {
            caller: caller_number(arrival),
            ext: None,
            display: arrival.display.clone().filter(|_| !arrival.withheld),
            called,
            referrer: None,
        },
    }
}

/// Those before us that are numbers.
fn diverted(arrival: &Arrival) -> Vec<PhoneNumber> {
    arrival.diverted.iter().filter_map(|user| PhoneNumber::normalise(user)).take(MOST_DIVERTED).collect()
}

fn caller_number(arrival: &Arrival) -> Option<PhoneNumber> {
    if arrival.withheld { None } else { PhoneNumber::normalise(&arrival.caller) }
}

/// Longer chains of diversion are loops.
const MOST_DIVERTED: usize = 10;
/// Calls in memory for each that may be up: those above wait for the last word of a leg, forty seconds
/// at most, and a flood of short calls must not pile them up.
const ENDING_PER_LIVE: usize = 4;
