//! Transfers: blind and attended, well and badly, and what is recorded of them.

use base::Cause;
use integration_tests::world::Example;
use media::Side;
use pbx::cdr::TransferKind;
use pbx::seam::Told;
use phones::{Action, Behaviour, CallNo, Cue, Dial, Event, Hold, Input, Script};

use crate::words::*;

/// A caller who talks with zhao_min: keys 2 and 1 ring zhao_min and chen_hao at once.
fn with_zhao_min(chen_hao: Behaviour) -> (Example, CallNo) {
    let mut example = Example::at(OPEN);
    example.seat_with("zhao_min", |setup| {
        setup.behaviour = answers(SECOND, 700.0);
        setup.calls_at_once = 2;
    });
    let call = talking(&mut example, "21");
    // Afterwards, so that only a transfer rings it.
    example.seat("chen_hao", chen_hao);
    example.run(3 * SECOND);
    (example, call)
}

fn notified(example: &Example, seat: &str) -> Vec<u16> {
    let status = |event: &Event| match event {
        Event::Notified { status, .. } => Some(*status),
        _ => None,
    };
    example.seat_saw(seat).filter_map(|(_, event)| status(event)).collect()
}

fn outcomes(example: &Example, call: CallNo) -> Vec<(String, TransferKind, Option<Cause>)> {
    let transfers = &example.record(call).transfers;
    transfers.iter().map(|t| (format!("{} to {}", t.by, t.to), t.kind, t.outcome)).collect()
}

fn hung_up(event: &Event) -> bool {
    matches!(event, Event::HungUpByPeer { .. })
}

/// The recorded seats, the first one from the row.
fn seats(example: &Example) -> Vec<String> {
    let take = only_take(example);
    let later = take.seats.iter().map(|(_, seat)| seat.as_ref().map_or("-".to_owned(), ToString::to_string));
    std::iter::once(take.record.seat.to_string()).chain(later).collect()
}

#[test]
fn a_blind_transfer_is_one_call_and_one_recording() {
    let (mut example, call) = with_zhao_min(answers(3 * SECOND, 900.0));
    example.caller(call, says(500.0, SECOND));
    example.run(2 * SECOND);
    example.act("zhao_min", Action::Transfer("8004".into()));
    example.run(2 * SECOND);
    example.caller(call, says(550.0, SECOND / 2));
    example.run(4 * SECOND);
    example.caller(call, says(600.0, SECOND));
    example.run(2 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(notified(&example, "zhao_min"), [100, 200]);
    let left = example.seat_when("zhao_min", hung_up);
    let took = example.seat_when("chen_hao", |event| *event == Event::Answered);
    assert!(left.since(took) < millis(100), "it stays until then: {:?}", left.since(took));
    assert!(heard(example.seat_leg("chen_hao")).contains(&600));
    let tones = heard(example.leg(call));
    let at = |hz| tones.iter().position(|tone| *tone == hz).unwrap_or_else(|| panic!("{hz} in {tones:?}"));
    assert!(at(700) < at(900) && tones[at(700)..at(900)].contains(&450), "ringback between: {tones:?}");
    let take = only_take(&example);
    assert_eq!(taped(take, Side::Caller), [500, 550, 600], "the caller's channel is whole");
    assert_eq!(taped(take, Side::Seat), [700, 900], "first the one seat, then the other");
    assert_eq!(seats(&example), ["zhao_min", "-", "chen_hao"]);
    let record = example.record(call);
    assert_eq!((record.seat.as_deref(), record.legs.len()), (Some("chen_hao"), 3));
    assert_eq!(
        outcomes(&example, call),
        [("zhao_min to chen_hao".to_owned(), TransferKind::Blind, Some(Cause::Transferred))]
    );
    assert_eq!(example.world.pbx().finished().len(), 1);
}

#[test]
fn a_busy_target_gives_the_caller_back() {
    let (mut example, call) = with_zhao_min(Behaviour::refuses(486));
    example.act("zhao_min", Action::Hold(Hold::SendOnly));
    example.run(SECOND);
    example.act("zhao_min", Action::Transfer("8004".into()));
    example.run(SECOND);
    assert_eq!(notified(&example, "zhao_min"), [100, 486]);
    example.act("zhao_min", Action::Resume);
    example.run(SECOND);
    example.caller(call, says(500.0, SECOND));
    example.run(2 * SECOND);
    assert!(heard(example.seat_leg("zhao_min")).contains(&500));
    example.act("zhao_min", Action::HangUp);
    example.rest();
    assert_eq!(example.record(call).seat.as_deref(), Some("zhao_min"));
    assert_eq!(outcomes(&example, call)[0].2, Some(Cause::Busy));
}

#[test]
fn who_hung_up_too_early_is_rung_again_and_then_the_line_speaks() {
    let (mut example, call) = with_zhao_min(Behaviour::waits());
    example.act("zhao_min", Action::Transfer("8004".into()));
    example.run(SECOND);
    example.act("zhao_min", Action::HangUp);
    let before = example.leg(call).stream().heard().len();
    example.world.change(example.seat_phone("zhao_min"), |phone| phone.set_behaviour(Behaviour::waits()));
    example.run(62 * SECOND);
    let rang = example.seat_saw("zhao_min").filter(|(_, event)| rings(event)).count();
    assert_eq!(rang, 2, "it is rung again");
    example.run(65 * SECOND);
    assert!(heard_since(example.leg(call), before).iter().all(|tone| *tone == 450), "ringback all the time");
    let told = example.world.pbx().told();
    let speaks = |what: &Told| matches!(what, Told::Playing { prompt } if prompt.as_str() == "all_busy");
    assert!(told.iter().any(|(_, _, what)| speaks(what)), "as when the queue had timed out");
    example.rest();
    assert_eq!(example.record(call).cause, Cause::FlowEnded);
    assert_eq!(notified(&example, "zhao_min").last(), Some(&480), "the subscription outlives its call");
}

#[test]
fn a_caller_may_be_taken_back() {
    let (mut example, call) = with_zhao_min(Behaviour::refuses(603));
    let again = answers(SECOND, 800.0);
    example.world.change(example.seat_phone("zhao_min"), |phone| phone.set_behaviour(again));
    let phone = example.seat_phone("zhao_min");
    example.act("zhao_min", Action::Transfer("8004".into()));
    example.act("zhao_min", Action::HangUp);
    example.run(6 * SECOND);
    assert_eq!(example.world.phone(phone).live_calls(), 1);
    assert!(heard(example.leg(call)).ends_with(&[800]));
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(taped(only_take(&example), Side::Seat), [700, 800]);
    assert_eq!(seats(&example), ["zhao_min", "-", "zhao_min"]);
}

/// zhao_min holds the caller and asks chen_hao.
fn consulting() -> (Example, CallNo) {
    let (mut example, call) = with_zhao_min(answers(SECOND, 900.0));
    example.act("zhao_min", Action::Hold(Hold::SendOnly));
    example.run(SECOND);
    let script = Script::new().on(Cue::Answered, says(850.0, SECOND));
    example.act("zhao_min", Action::Call(Dial { script, ..Dial::to("8004") }));
    example.run(5 * SECOND);
    (example, call)
}

#[test]
fn an_attended_transfer_joins_the_two_calls() {
    for carries in [CallNo(0), CallNo(1)] {
        let (mut example, call) = consulting();
        let zhao_min = example.seat_phone("zhao_min");
        let before = example.leg(call).stream().heard().len();
        example.world.tell(zhao_min, Input::DoOn(carries, Action::Join));
        example.run(SECOND);
        assert_eq!(notified(&example, "zhao_min"), [100, 200], "{carries:?}");
        assert_eq!(example.world.phone(zhao_min).live_calls(), 0, "{carries:?}");
        example.caller(call, says(500.0, SECOND));
        example.act("chen_hao", says(1_300.0, SECOND));
        example.run(2 * SECOND);
        assert_eq!(heard(example.seat_leg("chen_hao")), [850, 500], "{carries:?}");
        let tones = heard_since(example.leg(call), before);
        assert!(tones.ends_with(&[1_300]) && !tones.contains(&850), "{carries:?}: {tones:?}");
        example.caller(call, Action::HangUp);
        example.rest();
        let take = only_take(&example);
        assert_eq!(taped(take, Side::Caller), [500], "{carries:?}");
        assert_eq!(taped(take, Side::Seat), [700, 1_300], "what the two seats said is theirs");
        assert_eq!(seats(&example), ["zhao_min", "chen_hao"]);
        assert_eq!(outcomes(&example, call)[0].1, TransferKind::Attended);
        assert_eq!(example.record(call).seat.as_deref(), Some("chen_hao"));
        let asked = example.world.pbx().finished().iter().find(|done| done.record.internal);
        let asked = asked.map(|done| (done.record.cause, done.record.recording));
        assert_eq!(asked, Some((Cause::Transferred, None)));
        assert_eq!(example.world.pbx().finished().len(), 2);
    }
}

#[test]
fn a_caller_who_hangs_up_during_the_consultation_leaves_two_seats_talking() {
    let (mut example, call) = consulting();
    example.caller(call, Action::HangUp);
    example.run(SECOND);
    let zhao_min = example.seat_phone("zhao_min");
    example.world.tell(zhao_min, Input::DoOn(CallNo(1), Action::Join));
    example.run(SECOND);
    assert_eq!(example.world.phone(zhao_min).live_calls(), 1, "there is nobody to join");
    example.act("zhao_min", says(820.0, SECOND));
    example.run(2 * SECOND);
    assert!(heard(example.seat_leg("chen_hao")).contains(&820));
    example.act("zhao_min", Action::HangUp);
    example.rest();
}

#[test]
fn nobody_is_put_through_to_an_outside_number() {
    let (mut example, call) = with_zhao_min(Behaviour::waits());
    let goals =
        ["0016001234567", "16895550100", "+85212345678", "sip:13800138001@evil.test", "tel:+16001234567"];
    for to in goals.into_iter().chain(["4005550100", "8003"]) {
        example.act("zhao_min", Action::Transfer(to.into()));
        example.run(millis(300));
    }
    let refused = |event: &Event| match event {
        Event::RequestRefused(code) => Some(*code),
        _ => None,
    };
    let codes: Vec<u16> = example.seat_saw("zhao_min").filter_map(|(_, event)| refused(event)).collect();
    assert_eq!(codes, [403, 403, 403, 403, 403, 403, 482]);
    assert!(!example.saw(call).any(|(_, event)| rings(event)), "nothing leaves over the trunk");
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(example.record(call).transfers.len(), goals.len() + 2);
}

#[test]
fn a_second_refer_is_told_to_wait() {
    let (mut example, call) = with_zhao_min(answers(3 * SECOND, 900.0));
    example.act("zhao_min", Action::Transfer("8004".into()));
    example.run(SECOND);
    example.act("zhao_min", Action::Transfer("8004".into()));
    example.run(SECOND);
    assert!(example.seat_saw("zhao_min").any(|(_, event)| *event == Event::RequestRefused(491)));
    example.run(4 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(outcomes(&example, call).len(), 1);
    assert_eq!(example.record(call).seat.as_deref(), Some("chen_hao"));
}

#[test]
fn another_phone_of_the_seat_takes_the_call_over_and_no_other() {
    let (mut example, call) = with_zhao_min(Behaviour::waits());
    let cordless = example.seat("zhao_min", Behaviour::waits());
    let replaces = example.seat_leg("zhao_min").replaces();
    let takes_over = |replaces: &str| {
        let headers =
            vec![("Replaces".to_owned(), replaces.to_owned()), ("Require".to_owned(), "replaces".to_owned())];
        let script = Script::new().on(Cue::Answered, says(950.0, SECOND));
        Input::Do(Action::Call(Dial { headers, script, ..Dial::to("8003") }))
    };
    let chen_hao = example.seat_phone("chen_hao");
    example.world.tell(chen_hao, takes_over(&replaces));
    example.run(SECOND);
    assert!(example.seat_saw("chen_hao").any(|(_, event)| matches!(event, Event::Refused { code: 403, .. })));
    example.world.tell(cordless, takes_over(&replaces));
    example.run(3 * SECOND);
    assert!(example.seat_saw("zhao_min").any(|(_, event)| hung_up(event)));
    assert!(heard(example.leg(call)).ends_with(&[950]));
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(taped(only_take(&example), Side::Seat), [700, 950]);
    assert_eq!(example.record(call).seat.as_deref(), Some("zhao_min"));
}

#[test]
fn a_colleague_picks_up_what_rings_elsewhere() {
    let mut example = Example::at(OPEN);
    example.seat("zhao_min", Behaviour::waits());
    let call = talking(&mut example, "21");
    // Of another queue: nobody rings it.
    example.seat("li_na", Behaviour::waits());
    example.run(SECOND);
    let replaces = example.seat_leg("zhao_min").replaces();
    let headers = vec![("Replaces".to_owned(), replaces), ("Require".to_owned(), "replaces".to_owned())];
    let script = Script::new().on(Cue::Answered, says(950.0, SECOND));
    example.act("li_na", Action::Call(Dial { headers, script, ..Dial::to("8003") }));
    example.run(3 * SECOND);
    assert!(example.seat_saw("zhao_min").any(|(_, event)| is_cancelled(event)));
    assert!(heard(example.leg(call)).ends_with(&[950]));
    example.caller(call, says(500.0, SECOND));
    example.run(2 * SECOND);
    assert!(heard(example.seat_leg("li_na")).contains(&500));
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(example.record(call).seat.as_deref(), Some("li_na"));
    assert_eq!(taped(only_take(&example), Side::Seat), [950]);
}

#[test]
fn a_transfer_survives_a_bad_wire() {
    for seed in 0..12 {
        let (mut example, call) = with_zhao_min(answers(2 * SECOND, 900.0));
        example.world.set_link(integration_tests::world::Link {
            lost: 1_000 + seed * 50,
            doubled: 300,
            jitter: millis(20),
            ..integration_tests::world::Link::CLEAN
        });
        example.act("zhao_min", Action::Transfer("8004".into()));
        example.run(30 * SECOND);
        example.world.set_link(integration_tests::world::Link::CLEAN);
        example.run(35 * SECOND);
        // Our BYE waits for the answer to the last NOTIFY, but not for ever.
        assert!(example.seat_saw("zhao_min").any(|(_, event)| hung_up(event)), "seed {seed}");
        example.caller(call, Action::HangUp);
        example.rest();
        assert_eq!(example.record(call).seat.as_deref(), Some("chen_hao"), "seed {seed}");
    }
}
