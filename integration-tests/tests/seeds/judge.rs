//! The invariants (reliability.md 2.2): what must hold in every world, whatever happened in it.

use std::collections::{BTreeMap, BTreeSet};

use base::{CallId, Cause, Mono, Name};
use integration_tests::world::example::EXTENSIONS;
use pbx::seam::Told;
use pbx::seats::Availability;
use phones::Event;

use crate::life::Life;

/// Everything that does not hold.
pub(crate) fn faults(life: &Life) -> Vec<String> {
    let mut faults = life.example.faults();
    faults.extend(transactions(life));
    faults.extend(records(life));
    faults.extend(callers(life));
    faults.extend(seats_with_two_callers(life));
    faults.extend(recordings(life));
    faults.extend(held_seats(life));
    faults.extend(turned_away(life));
    faults
}

fn transactions(life: &Life) -> Option<String> {
    let left = life.example.world.pbx().node().sip().transactions();
    (left > 0).then(|| format!("left over: {left} transactions of SIP"))
}

/// Exactly one record for each call that began, one for each Call-ID, and none without reason.
fn records(life: &Life) -> Vec<String> {
    let pbx = life.example.world.pbx();
    let mut faults = Vec::new();
    let mut calls = BTreeMap::<CallId, u32>::new();
    let mut call_ids = BTreeSet::new();
    for done in pbx.finished() {
        let record = &done.record;
        *calls.entry(record.call).or_default() += 1;
        if !call_ids.insert(&record.sip_call_id) {
            faults.push(format!("the INVITE {} has two records", record.sip_call_id));
        }
        if record.talked > record.lasted || record.connected_after > Some(record.lasted) {
            faults.push(format!("{} talked longer than it lasted", record.call));
        }
        if record.cause == Cause::Internal && !life.loses_worker {
            faults.push(format!("{} ended by a fault of ours", record.call));
        }
        // Who was answered had a channel, and its figures belong to the record.
        for leg in record.legs.iter().filter(|leg| leg.answered.is_some() && !leg.moved) {
            if !done.sounded.contains_key(&leg.leg) && !life.loses_worker {
                faults.push(format!("{} of {} has no quality", leg.leg, record.call));
            }
        }
    }
    for call in pbx.standing().keys().filter(|call| !calls.contains_key(call)) {
        faults.push(format!("{call} stands on record and never ended"));
    }
    for (_, call, what) in pbx.told() {
        if matches!(what, Told::Arrived { .. }) && calls.get(call) != Some(&1) {
            faults.push(format!("{call} has {:?} records", calls.get(call)));
        }
    }
    faults
}

/// Whoever was answered or refused by the line has a record, and what it says is what the caller saw.
fn callers(life: &Life) -> Vec<String> {
    let world = &life.example.world;
    let mut faults = Vec::new();
    for seen in world.seen() {
        let Some(call) = seen.call.and_then(|no| world.phone(seen.phone).call(no)) else { continue };
        if !call.is_caller() {
            continue;
        }
        let finished = world.pbx().finished().iter().map(|done| &done.record);
        let record = finished.clone().find(|record| record.sip_call_id == call.call_id());
        let fits = match &seen.event {
            Event::Answered => record.is_some_and(|record| record.answered_after.is_some()),
            Event::Ringing(_) | Event::Early | Event::Refused { code: 404 | 603, .. } => record.is_some(),
            Event::HungUpByPeer { .. } => record.is_some_and(|record| record.cause != Cause::CallerHungUp),
            _ => true,
        };
        if !fits {
            faults.push(format!("{} saw {:?}, and its record is {record:?}", call.call_id(), seen.event));
        }
    }
    faults
}

/// A seat rings for one caller and talks with one caller at a time.
fn seats_with_two_callers(life: &Life) -> Vec<String> {
    let mut faults = Vec::new();
    let mut with = BTreeMap::<&Name, CallId>::new();
    for (at, call, what) in life.example.world.pbx().told() {
        match what {
            Told::Rings { seat } | Told::Connected { seat, .. } => {
                if let Some(other) = with.insert(seat, *call).filter(|other| other != call) {
                    faults.push(format!("{at:?}: {seat} has {call} and {other} at once"));
                }
            }
            Told::StopsRinging { seat, .. } | Told::Left { seat } => {
                with.remove(seat);
            }
            Told::Ended { .. } => with.retain(|_, held| held != call),
            _ => {}
        }
    }
    faults
}

/// Each recording belongs to a call that says so, with the same consent in the end.
fn recordings(life: &Life) -> Vec<String> {
    let pbx = life.example.world.pbx();
    let mut faults = Vec::new();
    let recorded = pbx.finished().iter().filter(|done| done.record.recording.is_some()).count();
    if recorded != pbx.takes().len() {
        faults.push(format!("{} recordings, {recorded} records of them", pbx.takes().len()));
    }
    for (recording, take) in pbx.takes() {
        let record = pbx.finished().iter().map(|done| &done.record).find(|r| r.recording == Some(*recording));
        if record.map(|record| (record.call, Some(record.consent))) != Some((take.record.call, take.ended)) {
            faults.push(format!("{take:?} is not what {record:?} says"));
        }
    }
    faults
}

/// Everybody is gone: no seat may be taken.
fn held_seats(life: &Life) -> Vec<String> {
    let brain = life.example.world.pbx().node().brain();
    let seats = EXTENSIONS.iter().map(|(seat, _)| *seat).chain(["duty_mobile"]);
    let held = seats.map(|seat| (seat, brain.availability(&Name::from("huaning"), &Name::from(seat))));
    let held = held.filter(|(_, now)| matches!(now, Availability::Ringing | Availability::Talking));
    held.map(|(seat, now)| format!("{seat} is {now:?} though nobody calls")).collect()
}

/// A phone with room for one call was never offered a second one. With loss it may still ring for a call
/// whose CANCEL or BYE is on its way again; a phone that calls somebody itself may be crossed; and one whose
/// last ACK was overtaken by the next INVITE is free a moment later.
fn turned_away(life: &Life) -> Vec<String> {
    if life.link.lost > 0 {
        return Vec::new();
    }
    let seen = life.example.world.seen();
    let overtaken = |phone: usize, at: Mono| {
        let until = at + life.link.jitter;
        seen.iter().any(|s| s.phone == phone && s.event == Event::Gone && s.at >= at && s.at <= until)
    };
    seen.iter()
        .filter(|seen| matches!(seen.event, Event::TurnedAway { .. }) && !life.callers.contains(&seen.phone))
        .filter(|seen| !overtaken(seen.phone, seen.at))
        .map(|seen| format!("{:?}: phone {} was offered a second call", seen.at, seen.phone))
        .collect()
}
