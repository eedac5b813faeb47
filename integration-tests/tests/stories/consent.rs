//! Nothing is recorded without notice, and the caller may refuse to the end.

use integration_tests::world::Example;
use media::Side;
use pbx::Consent;
use phones::{Action, Cue, Script};

use crate::words::*;

#[test]
fn who_refuses_during_the_notice_is_not_recorded_and_served_all_the_same() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let script = Script::new()
        .on_after(Cue::Answered, millis(450), Action::Press('#'))
        .then(millis(500), Action::Press('1'));
    let call = example.call(CALLER, script);
    example.run(5 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    let record = example.record(call);
    assert_eq!((record.seat.as_deref(), record.consent), (Some("li_na"), Consent::Refused));
    assert!(record.recording.is_none() && example.world.pbx().takes().is_empty());
    assert!(heard(example.leg(call)).contains(&700));
}

#[test]
fn who_refuses_in_the_conversation_withdraws_and_the_recording_ends_there() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let call = talking(&mut example, "1");
    example.caller(call, Action::Press('#'));
    example.run(SECOND);
    let ended = only_take(&example).packets.len();
    assert_eq!(only_take(&example).ended, Some(Consent::Withdrawn));
    example.caller(call, says(500.0, SECOND));
    example.run(2 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    let take = only_take(&example);
    assert_eq!(take.packets.len(), ended, "not a packet more");
    assert!(!taped(take, Side::Caller).contains(&500));
    assert!(heard(example.seat_leg("li_na")).contains(&500), "the conversation goes on");
    assert_eq!(example.record(call).consent, Consent::Withdrawn);
}

#[test]
fn who_stays_after_the_notice_is_recorded_from_the_answer_to_the_end() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let call = talking(&mut example, "1");
    example.caller(call, says(500.0, SECOND));
    example.run(2 * SECOND);
    example.act("li_na", Action::HangUp);
    example.rest();
    let (take, record) = (only_take(&example), example.record(call));
    assert_eq!((take.record.consent, take.ended), (Consent::NoticeGiven, Some(Consent::NoticeGiven)));
    assert_eq!(record.cause, base::Cause::SeatHungUp);
    let seconds = take.packets.iter().filter(|packet| packet.side == Side::Caller).count() as f64 / 50.0;
    assert!((seconds - record.talked.as_secs_f64()).abs() < 0.05, "{seconds} s of {:?}", record.talked);
}
