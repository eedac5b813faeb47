//! What a call keeps from its INVITE to its CDR: its legs, its consent, its times.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{CallId, Cause, Digit, LegId, Mono, Name, Now, PhoneNumber, RecordingId, Tone};
use ivr::line::Line;

use crate::call::taping::Taping;
use crate::cdr::{CallRecord, Consent, LegRecord, TransferRecord};
use crate::floor::Floor;
use crate::plan::Limits;
use crate::routing::{self, Permit, Shown};
use crate::seam::{Output, Sound, Told};
use crate::seats::{Lease, SeatKey};

/// A caller's whole visit, whatever stage it is in.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) id: CallId,
    pub(crate) line: Arc<Line>,
    pub(crate) limits: Limits,
    pub(crate) number: PhoneNumber,
    pub(crate) dialled: String,
    pub(crate) diverted: Vec<PhoneNumber>,
    /// Who called; `None` when withheld.
    pub(crate) from: Option<PhoneNumber>,
    /// A seat called.
    pub(crate) internal: bool,
    /// What seats see of the caller now.
    pub(crate) shown: Shown,
    pub(crate) sip_call_id: String,
    pub(crate) started: Now,
    /// It counts among the line's callers (a direct call or one over the cap does not).
    pub(crate) counts: bool,
    /// The caller's own seat, when a seat calls.
    pub(crate) own_seat: Option<Lease>,
    /// The leg of whoever called.
    pub(crate) first: LegId,
    /// The caller's leg: the party that seats are found for. Not the first any more once a seat that
    /// called has put its other party through.
    pub(crate) caller: LegId,
    pub(crate) legs: BTreeMap<LegId, Leg>,
    pub(crate) notice: Notice,
    pub(crate) consent: Consent,
    pub(crate) keys: Vec<Digit>,
    pub(crate) menus: Vec<Name>,
    pub(crate) queue: Option<Name>,
    pub(crate) seat: Option<Name>,
    pub(crate) recording: Option<RecordingId>,
    pub(crate) taping: Option<Taping>,
    pub(crate) transfers: Vec<TransferRecord>,
    /// Our 200 to whoever called.
    pub(crate) answered: Option<Mono>,
    pub(crate) connected: Option<Mono>,
    pub(crate) talked: Duration,
    pub(crate) waited: Duration,
}

/// How far the recording notice came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    NotPlayed,
    Playing,
    Heard,
}

/// One party of a call.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) seat: Option<Name>,
    trunk: Option<Name>,
    /// It still takes one of its trunk's channels.
    on_trunk: bool,
    began: Mono,
    rang: Option<Mono>,
    pub(crate) answered: Option<Mono>,
    over: Option<(Mono, Cause)>,
    giving_up: Option<GivingUp>,
    /// It is another call's now.
    moved: bool,
    /// Its party holds the other one since then.
    pub(crate) held: Option<Mono>,
}

/// A leg that we gave up lives until its `Ended`; what never reports is written off.
#[derive(Clone, Copy, Debug)]
struct GivingUp {
    cause: Cause,
    until: Mono,
}

impl Leg {
    pub(crate) fn new(began: Mono, seat: Option<Name>, trunk: Option<Name>) -> Self {
        let on_trunk = trunk.is_some();
        Self {
            seat,
            trunk,
            on_trunk,
            began,
            rang: None,
            answered: None,
            over: None,
            giving_up: None,
            moved: false,
            held: None,
        }
    }

    /// A party that talks already and comes from another call of ours.
    fn joins(self, now: Mono) -> Self {
        Self { began: now, rang: None, answered: Some(now), ..self }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// The trunk over which it was placed, if nothing was heard of a phone: another may be tried.
    pub(crate) fn trunk_in_vain(&self) -> Option<&Name> {
        self.trunk.as_ref().filter(|_| self.rang.is_none() && self.answered.is_none())
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.giving_up.is_some()
    }
}

impl Visit {
    pub(crate) fn caller_answered(&self) -> bool {
        self.legs.get(&self.caller).is_some_and(|leg| leg.answered.is_some())
    }

    /// Whether this party holds the other one.
    pub(crate) fn is_holding(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|leg| leg.held.is_some())
    }

    /// Whether this leg is a registered phone of a seat.
    pub(crate) fn is_phone(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|leg| leg.seat.is_some() && leg.trunk.is_none())
    }

    /// What is being recorded now, for whom it concerns.
    pub(crate) fn recorded_as(&self) -> Option<RecordingId> {
        self.recording.filter(|_| self.taping.is_some())
    }

    /// Whether a party holds another.
    pub(crate) fn holds(&self) -> bool {
        self.legs.values().any(|leg| leg.held.is_some() && !leg.is_over())
    }

    pub(crate) fn legs_are_over(&self) -> bool {
        self.legs.values().all(Leg::is_over)
    }

    /// When the first leg that we gave up is written off.
    pub(crate) fn write_off(&self) -> Option<Mono> {
        self.legs.values().filter(|leg| !leg.is_over()).filter_map(|leg| Some(leg.giving_up?.until)).min()
    }

    /// The stronger protection wins (line-language.md 5.7, 8).
    pub(crate) fn consents(&mut self, answer: Consent) {
        self.consent = self.consent.max(answer);
    }

    /// Whether a conversation may be recorded now: the notice was heard, and nobody refused.
    pub(crate) fn may_be_recorded(&self) -> bool {
        self.notice == Notice::Heard && matches!(self.consent, Consent::NoticeGiven | Consent::Explicit)
    }

    /// Whether this key of the caller refuses recording now: from the notice's first sample on
    /// (line-language.md 5.8, 1).
    pub(crate) fn refuses(&self, digit: Digit) -> bool {
        let key = self.line.recording.as_ref().and_then(|recording| recording.refuse_key);
        self.notice != Notice::NotPlayed && key == Some(digit)
    }

    /// The row that remains of it.
    pub(crate) fn record(&self, ended: Mono, cause: Cause) -> CallRecord {
        let after = |at: Mono| at.since(self.started.mono);
        let mut legs: Vec<LegRecord> = self
            .legs
            .iter()
            .map(|(&id, leg)| leg_record(id, leg, self.started.mono, (ended, cause)))
            .collect();
        legs.sort_by_key(|leg| (leg.leg != self.first, leg.leg));
        CallRecord {
            call: self.id,
            line: Some(self.line.id.clone()),
            number: Some(self.number.clone()),
            dialled: self.dialled.clone(),
            diverted: self.diverted.clone(),
            caller: self.from.clone(),
            internal: self.internal,
            started: self.started.wall,
            answered_after: self.answered.map(after),
            connected_after: self.connected.map(after),
            lasted: after(ended),
            talked: self.talked,
            waited: self.waited,
            cause,
            keys: self.keys.clone(),
            menus: self.menus.clone(),
            queue: self.queue.clone(),
            seat: self.seat.clone(),
            transfers: self.transfers.clone(),
            recording: self.recording,
            consent: self.consent,
            sip_call_id: self.sip_call_id.clone(),
            legs,
        }
    }
}

fn leg_record(id: LegId, leg: &Leg, started: Mono, lost: (Mono, Cause)) -> LegRecord {
    let (over, cause) = leg.over.unwrap_or(lost);
    LegRecord {
        leg: id,
        seat: leg.seat.clone(),
        trunk: leg.trunk.clone(),
        began: leg.began.since(started),
        rang: leg.rang.map(|at| at.since(started)),
        answered: leg.answered.map(|at| at.since(started)),
        ended: over.since(started),
        cause,
        moved: leg.moved,
    }
}

/// One call at one moment, and the floor it stands on: what every stage works with.
pub(crate) struct Scene<'a> {
    pub(crate) now: Now,
    pub(crate) visit: &'a mut Visit,
    pub(crate) floor: &'a mut Floor,
}

impl Scene<'_> {
    /// Places a leg to a seat.
    pub(crate) fn place(&mut self, seat: &Name, permit: Permit) -> LegId {
        let trunk = permit.trunk().cloned();
        let leg = self.floor.place(self.now.mono, self.visit.id, self.visit.caller, permit);
        self.visit.legs.insert(leg, Leg::new(self.now.mono, Some(seat.clone()), trunk));
        leg
    }

    /// Answers the caller, once.
    pub(crate) fn answer(&mut self) {
        let leg = self.visit.caller;
        if !self.visit.caller_answered() {
            self.mark_answered(leg);
            self.floor.push(Output::Answer { leg });
            self.put_on_record();
        }
    }

    /// Says what the row would be if the process died now.
    pub(crate) fn put_on_record(&mut self) {
        let record = self.visit.record(self.now.mono, Cause::NodeLost);
        self.floor.push(Output::Standing(Box::new(record)));
    }

    /// A leg was answered.
    pub(crate) fn mark_answered(&mut self, leg: LegId) {
        if leg == self.visit.first {
            self.visit.answered.get_or_insert(self.now.mono);
        }
        if let Some(leg) = self.visit.legs.get_mut(&leg) {
            leg.answered.get_or_insert(self.now.mono);
        }
    }

    /// Its answer never left us.
    pub(crate) fn mark_unanswered(&mut self, leg: LegId) {
        if leg == self.visit.first {
            self.visit.answered = None;
        }
        if let Some(leg) = self.visit.legs.get_mut(&leg) {
            leg.answered = None;
        }
    }

    /// A placed leg rings.
    pub(crate) fn mark_rang(&mut self, leg: LegId) {
        if let Some(leg) = self.visit.legs.get_mut(&leg) {
            leg.rang.get_or_insert(self.now.mono);
        }
    }

    /// A party holds the other one, or no longer; what it said first counts.
    pub(crate) fn mark_held(&mut self, leg: LegId, held: bool) {
        if let Some(leg) = self.visit.legs.get_mut(&leg) {
            leg.held = held.then(|| leg.held.unwrap_or(self.now.mono));
        }
    }

    /// Lets a leg go, whatever it is in: CANCEL before its answer, BYE after it, and for the caller a
    /// refusal before ours.
    pub(crate) fn let_go(&mut self, leg: LegId, cause: Cause) {
        let Some(state) = self.visit.legs.get(&leg) else { return };
        if state.is_over() {
            return;
        }
        if state.answered.is_some() {
            self.floor.push(Output::HangUp { leg, cause });
            self.close(leg, cause);
        } else if leg == self.visit.caller {
            self.floor.push(Output::Refuse { leg, status: cause.sip_status(), cause });
            self.close(leg, cause);
        } else if state.giving_up.is_none() {
            self.give_up(leg, cause);
        }
    }

    /// Refuses the caller with a status of the line's choice.
    pub(crate) fn refuse(&mut self, status: u16, cause: Cause) {
        let leg = self.visit.caller;
        self.floor.push(Output::Refuse { leg, status, cause });
        self.close(leg, cause);
    }

    fn give_up(&mut self, leg: LegId, cause: Cause) {
        self.free_trunk(leg);
        let until = self.now.mono + WRITTEN_OFF_AFTER;
        if let Some(state) = self.visit.legs.get_mut(&leg) {
            state.giving_up = Some(GivingUp { cause, until });
        }
        if let Some(seat) = self.seat_of(leg) {
            self.floor.seats.still_rings(&seat);
        }
        self.floor.push(Output::GiveUp { leg, cause });
    }

    /// A leg that crossed our `GiveUp` with its answer is the call's again.
    pub(crate) fn take_back(&mut self, leg: LegId) {
        self.settled(leg);
        let Some(state) = self.visit.legs.get_mut(&leg) else { return };
        state.giving_up = None;
        if let Some(trunk) = state.trunk.clone() {
            state.on_trunk = true;
            self.floor.trunks.calls.add(&trunk);
        }
    }

    /// A leg is over. What we gave up ended for our reason, not for its 487.
    pub(crate) fn close(&mut self, leg: LegId, cause: Cause) {
        self.free_trunk(leg);
        self.settled(leg);
        self.floor.legs.remove(&leg);
        if let Some(state) = self.visit.legs.get_mut(&leg)
            && state.over.is_none()
        {
            let cause = state.giving_up.map_or(cause, |given_up| given_up.cause);
            state.over = Some((self.now.mono, cause));
            state.held = None;
        }
    }

    /// The phone of a leg that we gave up knows it, or is written off.
    fn settled(&mut self, leg: LegId) {
        let gives_up = self.visit.legs.get(&leg).is_some_and(|leg| leg.is_given_up() && !leg.is_over());
        if let Some(seat) = self.seat_of(leg).filter(|_| gives_up) {
            self.floor.seats.rings_no_more(&seat);
        }
    }

    /// Another phone of a seat comes for a leg of it, and is answered.
    pub(crate) fn take_in(&mut self, leg: LegId, seat: Name) {
        self.visit.legs.insert(leg, Leg::new(self.now.mono, Some(seat), None));
        self.floor.legs.insert(leg, self.visit.id);
        self.mark_answered(leg);
        self.floor.push(Output::Answer { leg });
    }

    /// A leg that is another call's from now on: here it is over, and nobody hangs it up.
    pub(crate) fn hand_over(&mut self, leg: LegId, to: CallId) -> Option<Leg> {
        let state = self.visit.legs.get_mut(&leg)?;
        let handed = state.clone();
        state.on_trunk = false;
        state.held = None;
        state.moved = true;
        state.over = Some((self.now.mono, Cause::Transferred));
        self.floor.legs.insert(leg, to);
        Some(handed)
    }

    /// A leg that was another call's.
    pub(crate) fn receive(&mut self, leg: LegId, state: Leg) {
        self.visit.legs.insert(leg, state.joins(self.now.mono));
    }

    /// How a seat of this call is shown to others; outside phones are not.
    pub(crate) fn seat_shown(&self, leg: LegId) -> Option<Shown> {
        let seat = self.visit.legs.get(&leg)?.seat.as_ref()?;
        routing::seat_shown(self.floor, &self.visit.line.id, seat, self.visit.number.clone())
    }

    /// Tells the phone of a seat who is at the other end now. A carrier is told nothing: it shows its
    /// customer the number that was called.
    pub(crate) fn identify(&mut self, leg: LegId, other: LegId) {
        let is_phone = self.visit.is_phone(leg);
        let shown =
            if other == self.visit.caller { Some(self.visit.shown.clone()) } else { self.seat_shown(other) };
        if let Some(shown) = shown.filter(|_| is_phone) {
            let shows = Box::new(routing::toward_seat(&shown));
            self.floor.push(Output::Identify { leg, shows });
        }
    }

    fn seat_of(&self, leg: LegId) -> Option<SeatKey> {
        let seat = self.visit.legs.get(&leg)?.seat.clone()?;
        Some(SeatKey { line: self.visit.line.id.clone(), seat })
    }

    fn free_trunk(&mut self, leg: LegId) {
        if let Some(state) = self.visit.legs.get_mut(&leg)
            && state.on_trunk
            && let Some(trunk) = &state.trunk
        {
            state.on_trunk = false;
            self.floor.free_trunk(trunk);
        }
    }

    /// Writes off the legs that never told of their end.
    pub(crate) fn write_off(&mut self) {
        let late = |leg: &Leg| leg.giving_up.is_some_and(|given_up| given_up.until <= self.now.mono);
        let legs: Vec<LegId> = self
            .visit
            .legs
            .iter()
            .filter(|(_, leg)| !leg.is_over() && late(leg))
            .map(|(&id, _)| id)
            .collect();
        for leg in legs {
            self.close(leg, Cause::NoResponse);
        }
    }

    pub(crate) fn play(&mut self, leg: LegId, sound: Sound) {
        self.floor.push(Output::Play { leg, sound });
    }

    pub(crate) fn play_prompt(&mut self, leg: LegId, prompt: Name) {
        let line = self.visit.line.id.clone();
        self.play(leg, Sound::Prompt { line, prompt });
    }

    /// A tone of the line's country.
    pub(crate) fn sound(&mut self, leg: LegId, tone: Tone, length: Option<Duration>) {
        let country = self.visit.line.country;
        self.play(leg, Sound::Tone { country, tone, length });
    }

    /// What a party hears that waits: music, else ringback; never dead air (line-language.md 5.8, 3).
    pub(crate) fn soothe(&mut self, leg: LegId, music: Option<Name>) {
        let line = self.visit.line.id.clone();
        // The prompts that are loaded are the newest plan's; a call keeps the line that it began with.
        let is_loaded = |prompt: &Name| {
            self.floor.plan.lines.get(&line).is_some_and(|newest| newest.prompts.contains_key(prompt))
        };
        match music.filter(is_loaded) {
            Some(prompt) => self.play(leg, Sound::Music { line, prompt }),
            None => self.sound(leg, Tone::Ringback, None),
        }
    }

    pub(crate) fn tell(&mut self, what: Told) {
        self.floor.push(Output::Tell { call: self.visit.id, what });
    }
}

/// Legs of one call before it rings no more seats: four hours of passes over barred seats stay below it; a bound against a hunt that
/// runs away.
pub(crate) const MOST_LEGS: usize = 2_000;
/// How long we wait for the end of a leg that we gave up: longer than 64·T1 = 32 s (RFC 3261 §9.1).
const WRITTEN_OFF_AFTER: Duration = Duration::from_secs(40);
