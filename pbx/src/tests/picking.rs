//! Stories of calls that ring on one seat and are picked up by another.

use base::{Cause, LegId};

use super::bench::{Bench, arrival, plan, secs};
use crate::cdr::TransferKind;
use crate::seam::{Input, Origin, Output, Refer};
use crate::seats::Availability;

fn bench() -> Bench {
    Bench::with(plan(), &["8001", "8002", "8003", "8004"]).agreeing()
}

/// The phone of `ext` asks for the call that rings on `ringing`.
fn picks(bench: &mut Bench, number: u64, ext: &str, ringing: LegId) -> LegId {
    let leg = LegId::arrived(number);
    let mut arrival = arrival(Origin::Extension(ext.into()), &["8001"], ext);
    arrival.replaces = Some(ringing);
    bench.take();
    bench.input(Input::Arrived { leg, arrival: Box::new(arrival) });
    leg
}

fn availability(bench: &Bench, seat: &str) -> Availability {
    bench.board.availability(&"huaning".into(), &seat.into())
}

#[test]
fn a_colleague_picks_up_a_caller_of_the_queue() {
    let mut bench = bench();
    let caller = bench.caller_at('1');
    let ringing = bench.leg_to("8001");
    bench.after(secs(2));
    let leg = picks(&mut bench, 70, "8004", ringing);
    assert!(bench.said.contains(&Output::Answer { leg }));
    assert_eq!(bench.gave_up(ringing), Some(Cause::AnsweredElsewhere));
    assert!(bench.bridged(caller, leg));
    assert_eq!(availability(&bench, "chen_hao"), Availability::Talking);
    assert_eq!(availability(&bench, "li_na"), Availability::Idle);
    bench.after(secs(20));
    bench.end(caller, Cause::CallerHungUp);
    assert_eq!(bench.hung_up(leg), Some(Cause::CallerHungUp));
    let record = &bench.records[0];
    assert_eq!((record.seat.as_deref(), record.talked), (Some("chen_hao"), secs(20)));
    assert!(
        bench.board.live_calls() == 0
            && matches!(availability(&bench, "chen_hao"), Availability::WrapUp { .. })
    );
}

#[test]
fn a_call_between_two_seats_is_picked_up_by_a_third() {
    let mut bench = bench();
    let asks = bench.arrive(Origin::Extension("8001".into()), &["8003"], "8001");
    let ringing = bench.leg_to("8003");
    let leg = picks(&mut bench, 70, "8004", ringing);
    assert!(
        bench.said.contains(&Output::Answer { leg: asks }) && bench.said.contains(&Output::Answer { leg })
    );
    assert_eq!(bench.gave_up(ringing), Some(Cause::AnsweredElsewhere));
    assert!(bench.bridged(asks, leg));
    bench.end(leg, Cause::SeatHungUp);
    assert_eq!(bench.hung_up(asks), Some(Cause::SeatHungUp));
    assert!(bench.board.is_idle());
}

#[test]
fn the_target_of_a_transfer_may_be_stood_in_for() {
    let mut bench = bench();
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    let refer = Refer { to: "8003".to_owned(), replaces: None };
    bench.input(Input::Referred { leg: li_na, refer: Box::new(refer) });
    let ringing = bench.leg_to("8003");
    let leg = picks(&mut bench, 70, "8004", ringing);
    assert!(bench.said.contains(&Output::ReferProgress { leg: li_na, status: 200 }));
    assert_eq!(
        (bench.hung_up(li_na), bench.gave_up(ringing)),
        (Some(Cause::Transferred), Some(Cause::AnsweredElsewhere))
    );
    assert!(bench.bridged(caller, leg));
    bench.end(leg, Cause::SeatHungUp);
    let record = &bench.records[0];
    assert_eq!((record.seat.as_deref(), record.transfers[0].kind), (Some("chen_hao"), TransferKind::Blind));
}

#[test]
fn who_talks_or_is_of_no_line_picks_nothing_up() {
    let mut bench = bench();
    let first = bench.caller_at('2');
    let zhao = bench.leg_to("8003");
    bench.answer(zhao);
    bench.caller_at('1');
    let ringing = bench.leg_to("8001");
    for (number, ext, of) in
        [(70, "8003", ringing), (71, "9999", ringing), (72, "8001", ringing), (73, "8004", first)]
    {
        let leg = picks(&mut bench, number, ext, of);
        assert_eq!(bench.refused(leg), Some((403, Cause::Forbidden)), "{ext}");
        assert_eq!(bench.gave_up(ringing), None);
    }
}

#[test]
fn the_phone_that_answers_as_it_is_picked_up_is_hung_up() {
    let mut bench = Bench::with(plan(), &["8001", "8004"]);
    let caller = bench.caller_at('1');
    let ringing = bench.leg_to("8001");
    let leg = picks(&mut bench, 70, "8004", ringing);
    bench.answer(ringing);
    assert_eq!(bench.hung_up(ringing), Some(Cause::AnsweredElsewhere));
    assert!(bench.bridged(caller, leg));
    bench.end(caller, Cause::CallerHungUp);
    assert!(bench.board.live_calls() == 0);
}
