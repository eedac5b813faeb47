//! Stories of trunks: which one carries a call, what happens when it fails, what it is told.

use std::collections::BTreeMap;

use base::{Cause, LegId, Name, NumberFormat};

use super::bench::{Bench, arrival, change, number, plan, secs};
use crate::plan::{OriginalCaller, Plan, TrunkPlan};
use crate::seam::{Input, Origin, Output, Presentation, Target};

const DUTY: &str = "+8613800138001";

/// The plan of the bench with these trunks beside the carrier that brings the callers.
fn with(trunks: &[(&str, TrunkPlan)]) -> Plan {
    let mut plan = plan();
    plan.trunks.get_mut(&Name::from("carrier")).unwrap().dials_out = false;
    plan.trunks.extend(trunks.iter().map(|(name, trunk)| (Name::from(*name), trunk.clone())));
    plan
}

fn trunk() -> TrunkPlan {
    TrunkPlan { caller_id: Some(number("057155550100")), dials_out: true, ..TrunkPlan::default() }
}

/// Every leg placed over a trunk so far: leg, trunk, what was dialled, what it shows.
fn placed(bench: &Bench) -> Vec<(LegId, String, String, Presentation)> {
    let outside = |output: &Output| match output {
        Output::Place { leg, target: Target::Outside { trunk, dialled, .. }, shows, .. } => {
            Some((*leg, trunk.to_string(), dialled.clone(), shows.clone()))
        }
        _ => None,
    };
    bench.said.iter().filter_map(outside).collect()
}

fn trunks_of(bench: &Bench) -> Vec<String> {
    placed(bench).into_iter().map(|(_, trunk, ..)| trunk).collect()
}

fn last(bench: &Bench) -> LegId {
    placed(bench).last().expect("a leg over a trunk").0
}

#[test]
fn the_lowest_order_that_answers_carries_the_call() {
    let mut bench = Bench::with(with(&[("b", TrunkPlan { order: 2, ..trunk() }), ("z", trunk())]), &[]);
    let caller = bench.caller_at('4');
    assert_eq!(trunks_of(&bench), ["z"]);
    bench.end(caller, Cause::CallerHungUp);
    bench.end(last(&bench), Cause::CallerGaveUp);
    bench.take();
    bench.input(Input::TrunkUp { trunk: "z".into(), up: false });
    bench.caller_at('4');
    assert_eq!(trunks_of(&bench), ["b"]);
}

#[test]
fn trunks_of_one_order_share_calls_by_weight() {
    let mut plan = with(&[
        ("one", TrunkPlan { weight: 1, max_calls: 1000, ..trunk() }),
        ("three", TrunkPlan { weight: 3, max_calls: 1000, ..trunk() }),
        ("later", TrunkPlan { order: 9, weight: 1000, ..trunk() }),
    ]);
    change(&mut plan, |line| line.max_calls = 1000);
    let mut bench = Bench::with(plan, &[]);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..400 {
        bench.take();
        let caller = bench.caller_at('4');
        *counts.entry(trunks_of(&bench).remove(0)).or_default() += 1;
        let leg = last(&bench);
        bench.end(caller, Cause::CallerHungUp);
        bench.end(leg, Cause::CallerHungUp);
        bench.after(secs(60));
    }
    assert!((70..=130).contains(&counts["one"]) && counts["one"] + counts["three"] == 400, "{counts:?}");
}

#[test]
fn a_trunk_that_fails_before_anything_rings_hands_the_call_to_the_next() {
    for cause in [Cause::TrunkFailed, Cause::NoResponse] {
        let trunks = [
            ("a", trunk()),
            ("b", TrunkPlan { order: 2, ..trunk() }),
            ("c", TrunkPlan { order: 3, ..trunk() }),
        ];
        let mut bench = Bench::with(with(&trunks), &[]);
        let caller = bench.caller_at('4');
        bench.end(last(&bench), cause);
        bench.end(last(&bench), cause);
        assert_eq!(trunks_of(&bench), ["a", "b", "c"]);
        assert_eq!(bench.board.calls_over(&"a".into()) + bench.board.calls_over(&"b".into()), 0);
        let leg = last(&bench);
        bench.answer(leg);
        bench.press(leg, '1');
        assert!(bench.bridged(caller, leg));
        bench.end(caller, Cause::CallerHungUp);
        let record = bench.record();
        let legs: Vec<_> = record.legs.iter().map(|leg| (leg.trunk.as_deref().unwrap(), leg.cause)).collect();
        assert_eq!(legs[1..3], [("a", cause), ("b", cause)]);
        assert_eq!(record.seat.as_deref(), Some("duty_mobile"));
        assert!(bench.board.is_idle());
    }
}

#[test]
fn when_every_trunk_has_failed_the_line_goes_on() {
    let mut bench = Bench::with(with(&[("a", trunk()), ("b", trunk())]), &[]);
    let caller = bench.caller_at('4');
    bench.end(last(&bench), Cause::TrunkFailed);
    bench.end(last(&bench), Cause::TrunkFailed);
    assert_eq!(trunks_of(&bench).len(), 2);
    assert_eq!(bench.plays(caller).as_deref(), Some("nobody"));
}

#[test]
fn what_says_something_of_the_phone_is_not_tried_over_another_trunk() {
    for cause in [Cause::Busy, Cause::Declined, Cause::NoAnswer, Cause::Unreachable, Cause::NoCommonCodec] {
        let mut bench = Bench::with(with(&[("a", trunk()), ("b", trunk())]), &[]);
        bench.caller_at('4');
        bench.end(last(&bench), cause);
        assert_eq!(placed(&bench).len(), 1, "{cause:?}");
    }
}

#[test]
fn a_phone_that_rang_is_not_rung_again_over_another_trunk() {
    let mut bench = Bench::with(with(&[("a", trunk()), ("b", trunk())]), &[]);
    bench.caller_at('4');
    let leg = last(&bench);
    bench.input(Input::Progressed { leg, status: 180, media: false });
    bench.end(leg, Cause::TrunkFailed);
    assert_eq!(placed(&bench).len(), 1);
}

#[test]
fn a_failed_trunk_costs_the_seat_no_failure() {
    let mut bench = Bench::with(with(&[("a", trunk()), ("b", TrunkPlan { order: 2, ..trunk() })]), &[]);
    for _ in 0..5 {
        bench.take();
        let caller = bench.caller_at('4');
        bench.end(last(&bench), Cause::NoResponse);
        assert_eq!(trunks_of(&bench), ["a", "b"], "the seat is not barred");
        let leg = last(&bench);
        bench.answer(leg);
        bench.press(leg, '1');
        bench.end(caller, Cause::CallerHungUp);
    }
}

#[test]
fn no_second_sees_more_calls_than_the_rate_allows_and_who_waits_is_served_when_it_may() {
    let mut plan = with(&[("a", TrunkPlan { calls_per_second: Some(2), ..trunk() })]);
    change(&mut plan, |line| {
        let duty = line.seats[&Name::from("duty_mobile")].clone();
        for seat in ["m1", "m2", "m3", "m4", "m5"] {
            line.seats.insert(seat.into(), duty.clone());
        }
        let ring = super::bench::ring(ivr::line::Strategy::Parallel, &["m1", "m2", "m3", "m4", "m5"], 25);
        super::bench::queue_mut(line, "advice").ring = ring;
    });
    let mut bench = Bench::with(plan, &[]);
    bench.caller_at('1');
    assert_eq!(placed(&bench).len(), 2);
    bench.after(std::time::Duration::from_millis(900));
    assert_eq!(placed(&bench).len(), 2);
    bench.after(std::time::Duration::from_millis(100));
    assert_eq!(placed(&bench).len(), 4);
    bench.after(secs(1));
    assert_eq!(placed(&bench).len(), 5);
}

#[test]
fn a_trunk_at_its_rate_leaves_the_call_to_the_next_one() {
    let trunks =
        [("a", TrunkPlan { calls_per_second: Some(1), ..trunk() }), ("b", TrunkPlan { order: 2, ..trunk() })];
    let mut bench = Bench::with(with(&trunks), &[]);
    let caller = bench.caller_at('4');
    bench.end(caller, Cause::CallerHungUp);
    bench.end(last(&bench), Cause::CallerGaveUp);
    bench.caller_at('4');
    assert_eq!(trunks_of(&bench), ["a", "b"]);
}

#[test]
fn a_number_abroad_is_dialled_only_where_a_trunk_may() {
    let abroad = |international| {
        let mut plan = with(&[("a", TrunkPlan { international, ..trunk() })]);
        change(&mut plan, |line| {
            let duty = line.seats.get_mut(&Name::from("duty_mobile")).unwrap();
            duty.reach = ivr::line::Reach::Phone { number: number("+12125550100"), confirm: None };
        });
        let mut bench = Bench::with(plan, &[]);
        bench.caller_at('4');
        placed(&bench).into_iter().map(|(_, _, dialled, _)| dialled).collect::<Vec<_>>()
    };
    assert_eq!(abroad(false), [""; 0]);
    assert_eq!(abroad(true), ["0012125550100"]);
}

#[test]
fn a_400_number_is_shown_only_where_its_line_says_so() {
    for may in [false, true] {
        let mut plan = with(&[("a", TrunkPlan { caller_id: Some(number("4005550100")), ..trunk() })]);
        change(&mut plan, |line| line.numbers[0].may_call_out = may);
        let mut bench = Bench::with(plan, &[]);
        bench.caller_at('4');
        let shown: Vec<_> = placed(&bench).into_iter().map(|(.., shows)| shows.user).collect();
        assert_eq!(shown, if may { vec!["4005550100"] } else { vec![] });
    }
}

#[test]
fn each_trunk_gets_its_own_spelling() {
    for (format, prefix, dialled, user) in [
        (NumberFormat::National, "", "13800138001", "057155550100"),
        (NumberFormat::E164, "", "8613800138001", "8657155550100"),
        (NumberFormat::E164Plus, "", DUTY, "+8657155550100"),
        (NumberFormat::National, "9", "913800138001", "057155550100"),
    ] {
        let trunk = TrunkPlan { format, dial_prefix: prefix.to_owned(), ..trunk() };
        let mut bench = Bench::with(with(&[("a", trunk)]), &[]);
        bench.caller_at('4');
        let (_, _, was_dialled, shows) = placed(&bench).remove(0);
        assert_eq!((was_dialled.as_str(), shows.user.as_str()), (dialled, user));
    }
}

#[test]
fn a_trunk_is_told_of_the_caller_what_it_may_know() {
    let shown = |original_caller, from: &str| {
        let mut bench = Bench::with(with(&[("a", TrunkPlan { original_caller, ..trunk() })]), &[]);
        let leg = bench.arrive(Origin::Trunk("carrier".into()), &["057155550100"], from);
        bench.input(Input::Played { leg });
        bench.input(Input::Played { leg });
        bench.press(leg, '4');
        let shows = placed(&bench).remove(0).3;
        let diverting = shows.diverting.map(|diverting| (diverting.number, diverting.as_history));
        (shows.user, shows.asserted.map(|number| number.as_str().to_owned()), shows.display, diverting)
    };
    let (ours, caller) = ("057155550100".to_owned(), "13912345678".to_owned());
    let diverts = |as_history| Some(("4005550100".to_owned(), as_history));
    for from in ["13912345678", ""] {
        assert_eq!(shown(OriginalCaller::None, from), (ours.clone(), None, None, None));
    }
    assert_eq!(shown(OriginalCaller::Diversion, "13912345678"), (caller.clone(), None, None, diverts(false)));
    assert_eq!(shown(OriginalCaller::HistoryInfo, "13912345678"), (caller, None, None, diverts(true)));
    let asserted = Some("+8613912345678".to_owned());
    assert_eq!(shown(OriginalCaller::Asserted, "13912345678"), (ours.clone(), asserted, None, None));
    assert_eq!(shown(OriginalCaller::Diversion, ""), (ours.clone(), None, None, diverts(false)), "withheld");
    assert_eq!(shown(OriginalCaller::Asserted, ""), (ours, None, None, None), "withheld");
}

#[test]
fn who_was_called_before_is_a_last_candidate_and_stands_in_the_record() {
    let mut bench = Bench::with(plan(), &[]);
    let mut arrival =
        arrival(Origin::Trunk("carrier".into()), &["s", "0211234567", "4005550100"], "13912345678");
    arrival.diverted = ["4005550100", "anonymous", "0571-55550199"].map(str::to_owned).to_vec();
    let leg = LegId::arrived(50);
    bench.input(Input::Arrived { leg, arrival: Box::new(arrival) });
    bench.end(leg, Cause::CallerHungUp);
    assert_eq!(bench.record().number, Some(number("4005550100")));
    assert_eq!(bench.record().diverted, [number("4005550100"), number("0571-55550199")]);
}
