//! Routing: which line an arrival is for, and whether a leg may be placed.

use std::sync::Arc;

use base::{Cause, Mono, Name, PhoneNumber};
use ivr::line::{Line, NumberStatus, Reach};

use crate::floor::Floor;
use crate::plan::{OriginalCaller, Plan, TrunkPlan};
use crate::seam::{Arrival, Diverting, Origin, Presentation, Target};
use crate::seats::SeatKey;

/// Where an arrival leads.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) line: Arc<Line>,
    /// The 400 number that was meant; for a direct call what the other seat is shown as called.
    pub(crate) number: PhoneNumber,
    /// As dialled or delivered.
    pub(crate) dialled: String,
    /// The trunk it came over.
    pub(crate) trunk: Option<Name>,
    /// The seat that calls.
    pub(crate) from: Option<SeatKey>,
    /// The seat that is dialled directly; `None`: the line answers.
    pub(crate) to: Option<SeatKey>,
}

/// Why an arrival leads nowhere.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) cause: Cause,
    pub(crate) line: Option<Name>,
    pub(crate) number: Option<PhoneNumber>,
    pub(crate) dialled: String,
    pub(crate) trunk: Option<Name>,
    pub(crate) from: Option<SeatKey>,
}

/// Looks the called number up.
pub(crate) fn route(plan: &Plan, arrival: &Arrival) -> Result<Route, Refusal> {
    match &arrival.origin {
        Origin::Trunk(trunk) => from_trunk(plan, arrival, trunk),
        Origin::Extension(ext) => from_extension(plan, arrival, ext),
    }
}

fn from_trunk(plan: &Plan, arrival: &Arrival, trunk: &Name) -> Result<Route, Refusal> {
    let refusal = |cause, dialled: &str| Refusal {
        cause,
        line: None,
        number: None,
        dialled: dialled.to_owned(),
        trunk: Some(trunk.clone()),
        from: None,
    };
    let first = arrival.called.first().map_or("", String::as_str);
    if !plan.trunks.contains_key(trunk) {
        // A plan without this trunk came while the INVITE was on its way.
        return Err(refusal(Cause::Forbidden, first));
    }
    for dialled in &arrival.called {
        let Some((line, number)) = own_number(plan, dialled) else { continue };
        if is_suspended(&line, &number) {
            let known = Refusal {
                line: Some(line.id.clone()),
                number: Some(number),
                ..refusal(Cause::Suspended, dialled)
            };
            return Err(known);
        }
        let trunk = Some(trunk.clone());
        return Ok(Route { line, number, dialled: dialled.clone(), trunk, from: None, to: None });
    }
    // Of numbers that are not ours the one in the Request-URI is what was dialled.
    Err(refusal(Cause::UnknownNumber, first))
}

/// A registered seat may dial its line's own numbers and the other seats of its line, nothing else
/// (line-language.md 5.8, 7). Only the Request-URI counts: a seat has no carrier that rewrites it.
fn from_extension(plan: &Plan, arrival: &Arrival, ext: &Name) -> Result<Route, Refusal> {
    let dialled = arrival.called.first().cloned().unwrap_or_default();
    let refusal = |cause, from: Option<&SeatKey>, number| Refusal {
        cause,
        line: from.map(|key| key.line.clone()),
        number,
        dialled: dialled.clone(),
        trunk: None,
        from: from.cloned(),
    };
    let Some(from) = seat_of(plan, ext) else { return Err(refusal(Cause::Forbidden, None, None)) };
    if let Some((line, number)) = own_number(plan, &dialled)
        && line.id == from.line
    {
        if is_suspended(&line, &number) {
            return Err(refusal(Cause::Suspended, Some(&from), Some(number)));
        }
        return Ok(Route { line, number, dialled, trunk: None, from: Some(from), to: None });
    }
    if let Some(to) = seat_of(plan, &Name::from(dialled.trim()))
        && to.line == from.line
        && let Some(line) = plan.lines.get(&to.line)
        && let Some(number) =
            PhoneNumber::normalise(&dialled).or_else(|| line.numbers.first().map(|own| own.number.clone()))
    {
        let line = Arc::clone(line);
        return Ok(Route { line, number, dialled, trunk: None, from: Some(from), to: Some(to) });
    }
    Err(refusal(Cause::Forbidden, Some(&from), None))
}

/// Whom a seat may put its other party through to: another seat of its line, by its extension. Numbers of
/// the line are none: a caller who has a menu behind them would meet it again, and its notice in the middle
/// of a recording. Everybody else is never dialled for a seat (reliability.md 2.4, A9).
pub(crate) fn transfer_goal(plan: &Plan, by: &SeatKey, to: &str) -> Result<SeatKey, Cause> {
    seat_of(plan, &Name::from(to.trim())).filter(|goal| goal.line == by.line).ok_or(Cause::Forbidden)
}

fn own_number(plan: &Plan, dialled: &str) -> Option<(Arc<Line>, PhoneNumber)> {
    let (line, meant) = plan.numbers.get(&PhoneNumber::normalise(dialled)?)?;
    Some((Arc::clone(plan.lines.get(line)?), meant.clone()))
}

fn is_suspended(line: &Line, number: &PhoneNumber) -> bool {
    line.numbers.iter().any(|own| own.number == *number && own.status == NumberStatus::Suspended)
}

pub(crate) fn seat_of(plan: &Plan, ext: &Name) -> Option<SeatKey> {
    plan.extensions.get(ext).map(|(line, seat)| SeatKey { line: line.clone(), seat: seat.clone() })
}

/// Leave to place one leg. Its fields are private to this module: only `authorize_leg` makes one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Permit {
    target: Target,
    shows: Presentation,
}

impl Permit {
    pub(crate) fn trunk(&self) -> Option<&Name> {
        match &self.target {
            Target::Outside { trunk, .. } => Some(trunk),
            Target::Contact { .. } => None,
        }
    }

    pub(crate) fn into_parts(self) -> (Target, Presentation) {
        (self.target, self.shows)
    }
}

/// The extension of a seat, if it has one.
pub(crate) fn extension(plan: &Plan, key: &SeatKey) -> Option<Name> {
    match &plan.lines.get(&key.line)?.seats.get(&key.seat)?.reach {
        Reach::Ext(ext) => Some(ext.clone()),
        Reach::Phone { .. } => None,
    }
}

/// What a placed leg may show of its call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    /// `None` when withheld or unreadable.
    pub(crate) caller: Option<PhoneNumber>,
    /// The extension, when a seat calls.
    pub(crate) ext: Option<Name>,
    pub(crate) display: Option<String>,
    pub(crate) called: PhoneNumber,
    /// The extension that has the caller put through.
    pub(crate) referrer: Option<Name>,
}

/// The one choke point of every leg we place (reliability.md section 5, row 23): a call of line `line`
/// may ring seats of `line`, on phones that registered or on the number of the checked plan, over a
/// trunk that shows a number verified on it. Nobody else is ever dialled.
///
/// `contact` names the phone of an extension; an outside seat has none. `tried` are trunks over which this
/// very attempt has failed.
pub(crate) fn authorize_leg(
    floor: &mut Floor,
    line: &Name,
    seat: &Name,
    contact: Option<u64>,
    shown: &Shown,
    tried: &[Name],
    now: Mono,
) -> Result<Permit, Cause> {
    let plan = Arc::clone(&floor.plan);
    let line = plan.lines.get(line).ok_or(Cause::Forbidden)?;
    let seat = line.seats.get(seat).ok_or(Cause::Forbidden)?;
    match (&seat.reach, contact) {
        (Reach::Ext(ext), Some(contact)) => {
            if !floor.seats.contacts(ext).contains(&contact) {
                return Err(Cause::Unreachable);
            }
            let target = Target::Contact { ext: ext.clone(), contact };
            Ok(Permit { target, shows: toward_seat(shown) })
        }
        (Reach::Phone { number, .. }, None) => {
            let (target, shows) = outside(floor, line, number, shown, tried, now)?;
            Ok(Permit { target, shows })
        }
        (Reach::Ext(_), None) | (Reach::Phone { .. }, Some(_)) => Err(Cause::Forbidden),
    }
}

/// An outside seat over the trunk that is to be tried now.
fn outside(
    floor: &mut Floor,
    line: &Line,
    number: &PhoneNumber,
    shown: &Shown,
    tried: &[Name],
    now: Mono,
) -> Result<(Target, Presentation), Cause> {
    if is_our_own(floor, number) {
        return Err(Cause::Forbidden);
    }
    let name = choose_trunk(floor, line, number, tried, now)?;
    let plan = Arc::clone(&floor.plan);
    let trunk = plan.trunks.get(&name).ok_or(Cause::Unreachable)?;
    let caller_id = trunk.caller_id.as_ref().ok_or(Cause::Forbidden)?;
    let dialled = format!("{}{}", trunk.dial_prefix, number.written(trunk.format));
    let target = Target::Outside { trunk: name, number: number.clone(), dialled };
    Ok((target, toward_trunk(shown, trunk, caller_id)))
}

/// Whether an outside seat can be dialled at all; its trunk may be full just now.
pub(crate) fn is_diallable(floor: &Floor, line: &Line, number: &PhoneNumber) -> bool {
    !is_our_own(floor, number)
        && floor.plan.trunks.iter().any(|(name, trunk)| reaches(floor, line, number, name, trunk))
}

/// A seat that is one of our own numbers would ring the line for ever.
fn is_our_own(floor: &Floor, number: &PhoneNumber) -> bool {
    floor.plan.numbers.contains_key(number)
}

/// Whether this trunk may carry this line's call to this number; it may be full just now.
fn reaches(floor: &Floor, line: &Line, number: &PhoneNumber, name: &Name, trunk: &TrunkPlan) -> bool {
    let shows = trunk.caller_id.as_ref().is_some_and(|id| may_show(line, id));
    shows && (trunk.international || !number.is_abroad()) && floor.trunks.reaches_out(name, trunk)
}

/// The trunk of the next call: the lowest order that has room, and within it by weight.
fn choose_trunk(
    floor: &mut Floor,
    line: &Line,
    number: &PhoneNumber,
    tried: &[Name],
    now: Mono,
) -> Result<Name, Cause> {
    let plan = Arc::clone(&floor.plan);
    let mut cause = Cause::Unreachable;
    let mut best: Vec<(&Name, &TrunkPlan)> = Vec::new();
    for (name, trunk) in &plan.trunks {
        if tried.contains(name) || !reaches(floor, line, number, name, trunk) {
            continue;
        }
        if !floor.trunks.has_room(name, trunk) || !floor.trunks.may_begin(name, trunk, now) {
            cause = Cause::TrunkFull;
            continue;
        }
        if best.first().is_some_and(|(_, first)| trunk.order < first.order) {
            best.clear();
        }
        if best.first().is_none_or(|(_, first)| trunk.order == first.order) {
            best.push((name, trunk));
        }
    }
    let all: u64 = best.iter().map(|(_, trunk)| u64::from(trunk.weight)).sum();
    // With one to choose from nothing is drawn: a run with one trunk stays what it was.
    let mut mark = if best.len() > 1 { floor.draw(all) } else { 0 };
    for (name, trunk) in &best {
        let weight = u64::from(trunk.weight);
        if mark < weight {
            return Ok((*name).clone());
        }
        mark -= weight;
    }
    best.first().map(|(name, _)| (*name).clone()).ok_or(cause)
}

/// A 400 number is shown only where the line says `may_call_out` (line-language.md 5.8, 6).
fn may_show(line: &Line, caller_id: &PhoneNumber) -> bool {
    !caller_id.is_access_number()
        || line.numbers.iter().any(|own| own.number == *caller_id && own.may_call_out)
}

/// How a seat is shown to another one.
pub(crate) fn seat_shown(floor: &Floor, line: &Name, seat: &Name, called: PhoneNumber) -> Option<Shown> {
    let seat = floor.plan.lines.get(line)?.seats.get(seat)?;
    let Reach::Ext(ext) = &seat.reach else { return None };
    let (caller, display) = (PhoneNumber::normalise(ext), Some(seat.title.clone()));
    Some(Shown { caller, ext: Some(ext.clone()), display, called, referrer: None })
}

pub(crate) fn toward_seat(shown: &Shown) -> Presentation {
    let user = match (&shown.ext, &shown.caller) {
        (Some(ext), _) => ext.as_str().to_owned(),
        (None, Some(caller)) => caller.national(),
        (None, None) => ANONYMOUS.to_owned(),
    };
    Presentation {
        user,
        display: shown.display.clone(),
        asserted: shown.caller.clone(),
        called: shown.called.clone(),
        referred_by: shown.referrer.clone(),
        diverting: None,
    }
}

/// A carrier gets the number that it verified, and of the caller what its trunk says: the number that a carrier
/// brought, never one that a seat's phone wrote, and nothing when it is withheld.
fn toward_trunk(shown: &Shown, trunk: &TrunkPlan, caller_id: &PhoneNumber) -> Presentation {
    let caller = shown.caller.as_ref().filter(|caller| shown.ext.is_none() && !caller.is_access_number());
    let diverts = |as_history| Diverting { number: shown.called.written(trunk.format), as_history };
    let (from, asserted, diverting) = match trunk.original_caller {
        OriginalCaller::None => (None, None, None),
        OriginalCaller::Diversion => (caller, None, Some(diverts(false))),
        OriginalCaller::HistoryInfo => (caller, None, Some(diverts(true))),
        OriginalCaller::Asserted => (None, caller, None),
    };
    Presentation {
        user: from.unwrap_or(caller_id).written(trunk.format),
        display: None,
        asserted: asserted.cloned(),
        called: shown.called.clone(),
        // Who of us sends a caller on is nobody's affair outside.
        referred_by: None,
        diverting,
    }
}

/// The user part of a caller who withheld the number (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "anonymous";
