//! "按1咨询产品，按2联系售后": integration test number one, and the menus around it.

use std::sync::Arc;

use base::{Cause, Name, PhoneNumber};
use integration_tests::world::Example;
use integration_tests::world::example::{real_prompts, tone_of};
use media::Side;
use pbx::Consent;
use phones::{Action, Behaviour, Event, Script};

use crate::words::*;

#[test]
fn key_1_asks_for_advice_li_na_does_not_answer_and_wang_wei_does() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", Behaviour::waits());
    example.seat("wang_wei", answers(3 * SECOND, 700.0));
    let call = example.call(CALLER, presses("1"));
    example.run(25 * SECOND);
    example.caller(call, says(500.0, 2 * SECOND));
    example.run(5 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();

    let rang = example.seat_when("li_na", rings);
    let stopped = example.seat_when("li_na", is_cancelled);
    let next = example.seat_when("wang_wei", rings);
    assert!(stopped.since(rang).abs_diff(15 * SECOND) < millis(5), "{:?}", stopped.since(rang));
    assert!(next.since(stopped).abs_diff(SECOND) < millis(5), "{:?}", next.since(stopped));

    let heard_by_caller = heard(example.leg(call));
    for hz in [tone_of("welcome"), tone_of("recording_notice"), tone_of("main_menu"), 450, 700] {
        assert!(heard_by_caller.contains(&hz), "{hz} in {heard_by_caller:?}");
    }
    assert_eq!(heard(example.seat_leg("wang_wei")), [500]);

    let record = example.record(call);
    assert_eq!((record.cause, record.consent), (Cause::CallerHungUp, Consent::NoticeGiven));
    assert_eq!(record.seat.as_deref(), Some("wang_wei"));
    assert_eq!(record.queue.as_deref(), Some("product_advice"));
    assert_eq!(record.keys.iter().map(|key| key.as_char()).collect::<String>(), "1");
    assert_eq!(record.menus.iter().map(Name::as_str).collect::<Vec<_>>(), ["main"]);
    assert_eq!(record.caller.as_ref().map(PhoneNumber::national).as_deref(), Some(CALLER));
    assert!(record.waited.abs_diff(19 * SECOND) < millis(20), "{:?}", record.waited);
    assert!(record.talked > 9 * SECOND && record.talked < record.lasted, "{record:?}");
    let legs: Vec<_> = record.legs.iter().map(|leg| (leg.seat.as_deref(), leg.cause)).collect();
    assert_eq!(
        legs,
        [
            (None, Cause::CallerHungUp),
            (Some("li_na"), Cause::NoAnswer),
            (Some("wang_wei"), Cause::CallerHungUp)
        ]
    );
    let take = only_take(&example);
    assert_eq!((record.recording, take.ended), (Some(take.record.recording), Some(Consent::NoticeGiven)));
    assert_eq!((taped(take, Side::Caller), taped(take, Side::Seat)), (vec![500], vec![700]));
}

#[test]
fn key_2_then_1_rings_both_of_after_sales_and_the_first_answer_wins() {
    let mut example = Example::at(OPEN);
    example.seat("zhao_min", Behaviour::waits());
    example.seat("chen_hao", answers(2 * SECOND, 700.0));
    let call = example.call(CALLER, presses("21"));
    example.run(8 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();

    assert_eq!(example.seat_when("zhao_min", rings), example.seat_when("chen_hao", rings));
    let reason = example.seat_saw("zhao_min").find_map(|(_, event)| match event {
        Event::CancelledByPeer { reason } => reason.clone(),
        _ => None,
    });
    assert_eq!(reason.as_deref(), Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    let stopped = example.seat_when("zhao_min", is_cancelled);
    let answered = example.seat_when("chen_hao", |event| *event == Event::Answered);
    assert!(stopped.since(answered) < millis(5));
    let record = example.record(call);
    assert_eq!((record.seat.as_deref(), record.queue.as_deref()), (Some("chen_hao"), Some("after_sales")));
    assert_eq!(record.legs[1].cause, Cause::AnsweredElsewhere);
}

#[test]
fn a_wrong_key_and_silence_are_told_and_the_last_try_leads_to_after_sales() {
    let mut example = Example::at(OPEN);
    example.seat("zhao_min", answers(SECOND, 700.0));
    let call = example.call(CALLER, presses("9"));
    example.run(30 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    let heard = heard(example.leg(call));
    let menus = heard.iter().filter(|hz| **hz == tone_of("main_menu")).count();
    assert_eq!(menus, 3, "three tries: {heard:?}");
    assert!(heard.contains(&tone_of("wrong_key")) && heard.contains(&tone_of("no_key")), "{heard:?}");
    assert_eq!(example.record(call).seat.as_deref(), Some("zhao_min"));
}

#[test]
fn a_key_by_info_counts_like_any_other() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let call = example.call(CALLER, Script::new());
    example.run(millis(800));
    example.caller(call, Action::PressInfo('1'));
    example.run(5 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(example.record(call).seat.as_deref(), Some("li_na"));
    assert!(example.saw(call).any(|(_, event)| *event == Event::InfoAccepted));
}

#[test]
fn the_shipped_voices_are_heard_whole() {
    let mut example = Example::with(OPEN, |setting| setting.prompts = Arc::new(real_prompts()));
    example.seat("li_na", answers(SECOND, 700.0));
    let call = example.call(CALLER, Script::new());
    let (welcome, notice) = ("welcome".into(), "recording_notice".into());
    let prompts = real_prompts();
    let length = |name| prompts.find(&"huaning".into(), name).unwrap().millis();
    example.run(millis(length(&welcome) + length(&notice) + 1_000));
    example.caller(call, Action::Press('1'));
    example.run(4 * SECOND);
    let played = prompts.find(&"huaning".into(), &welcome).unwrap();
    let heard = example.leg(call).stream().heard();
    let first = heard.iter().position(|sample| sample.abs() > 64).unwrap();
    let voice: Vec<i16> = played.pcma.iter().map(|byte| base::g711::Law::A.decode(*byte)).collect();
    let begins = voice.iter().position(|sample| sample.abs() > 64).unwrap();
    let whole = voice.len() - begins - 160;
    assert_eq!(heard[first..first + whole], voice[begins..begins + whole], "bit for bit");
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(example.record(call).seat.as_deref(), Some("li_na"));
}
