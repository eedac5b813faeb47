//! The conversation: hold, keys, loss, and no delay of ours.

use integration_tests::world::example::{NUMBER, carried};
use integration_tests::world::{Example, Link};
use phones::{Action, Behaviour, Dial, Event, Hold};
use sibai::node::LapseKind;

use crate::words::*;

#[test]
fn whoever_is_held_hears_ringback_and_then_the_other_again() {
    for hold in [Hold::SendOnly, Hold::Inactive, Hold::Zero, Hold::Update] {
        let mut example = Example::at(OPEN);
        example.seat("li_na", answers(SECOND, 700.0));
        let call = talking(&mut example, "1");
        example.run(3 * SECOND);
        let before = example.leg(call).stream().heard().len();
        example.act("li_na", Action::Hold(hold));
        example.run(6 * SECOND);
        let held = example.leg(call).stream().heard().len();
        assert_eq!(heard_since(example.leg(call), before), [450, 450], "{hold:?}");
        example.act("li_na", Action::Resume);
        example.run(millis(500));
        example.act("li_na", says(900.0, SECOND));
        example.caller(call, says(500.0, SECOND));
        example.run(2 * SECOND);
        assert_eq!(heard_since(example.leg(call), held).last(), Some(&900), "{hold:?}");
        assert!(heard(example.seat_leg("li_na")).contains(&500), "{hold:?}");
        example.caller(call, Action::HangUp);
        example.rest();
        let reagreed = example.seat_saw("li_na").filter(|(_, event)| **event == Event::Reagreed).count();
        assert_eq!(reagreed, 2, "{hold:?}");
    }
}

#[test]
fn a_caller_may_hold_the_seat() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let call = talking(&mut example, "1");
    let before = example.seat_leg("li_na").stream().heard().len();
    example.caller(call, Action::Hold(Hold::SendOnly));
    example.run(3 * SECOND);
    assert!(heard_since(example.seat_leg("li_na"), before).contains(&450));
    example.caller(call, Action::HangUp);
    example.rest();
}

#[test]
fn keys_in_the_conversation_reach_the_seat_whichever_way_they_are_sent() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let call = talking(&mut example, "1");
    for action in [Action::Press('4'), Action::PressInfo('5')] {
        example.caller(call, action);
        example.run(SECOND);
    }
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(example.seat_leg("li_na").digits(), "45");
}

#[test]
fn every_key_is_heard_once_at_ten_percent_loss() {
    for seed in 0..10 {
        let mut example = Example::with(OPEN, |setting| setting.seed = seed);
        example.seat("li_na", answers(SECOND, 700.0));
        let call = talking(&mut example, "1");
        let lossy = Link { lost: 1_000, doubled: 300, jitter: millis(10), ..Link::CLEAN };
        example.world.set_link(lossy);
        for key in "1234567890*1122".chars() {
            example.caller(call, Action::Press(key));
            example.run(millis(400));
        }
        example.world.set_link(Link::CLEAN);
        example.run(SECOND);
        assert!(example.world.traffic().media_lost > 50);
        assert_eq!(example.seat_leg("li_na").digits(), "1234567890*1122", "seed {seed}");
        example.caller(call, Action::HangUp);
        example.rest();
    }
}

#[test]
fn a_caller_without_an_offer_is_offered_one() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let call = example.dial(Dial { offerless: true, script: presses("1"), ..carried(CALLER, NUMBER) });
    example.run(5 * SECOND);
    example.caller(call, says(500.0, SECOND));
    example.run(2 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    assert!(heard(example.leg(call)).contains(&700));
    assert!(heard(example.seat_leg("li_na")).contains(&500));
}

#[test]
fn nothing_is_added_to_the_set_up() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(millis(0), 700.0));
    let dialled = example.world.now().mono;
    let call = talking(&mut example, "1");
    let answered = example.when(call, |event| *event == Event::Answered).since(dialled);
    let way = Link::CLEAN.delay * 2;
    assert!(answered <= way + millis(5), "{answered:?} from INVITE to 200");
    let heard_after = example.when(call, |event| *event == Event::AudioBegan).since(dialled);
    assert!(heard_after <= way + millis(25), "{heard_after:?} to the first sound");
    example.caller(call, Action::HangUp);
    example.rest();
}

#[test]
fn a_bridge_keeps_the_time_of_both_parties_whatever_is_lost() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let call = talking(&mut example, "1");
    example.run(2 * SECOND);
    let before = example.seat_leg("li_na").stream().heard().len();
    example.world.set_link(Link { lost: 1_000, ..Link::CLEAN });
    example.caller(call, says(500.0, 10 * SECOND));
    example.run(10 * SECOND);
    example.world.set_link(Link::CLEAN);
    example.caller(call, says(900.0, SECOND));
    example.run(3 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    let heard = &example.seat_leg("li_na").stream().heard()[before..];
    let loud = |sample: &i16| sample.unsigned_abs() > 2_000;
    let first = heard.iter().position(loud).unwrap();
    let last = heard.iter().rposition(loud).unwrap();
    let span = (last - first) as f64 / 8_000.0;
    assert!((span - 11.0).abs() < 0.06, "eleven seconds were {span} s long");
    let sounded = &example.world.pbx().finished()[0].sounded;
    assert!(sounded.values().any(|sounded| sounded.quality.lost > 20), "{sounded:?}");
}

#[test]
fn a_seat_whose_microphone_is_dead_stands_in_the_record() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", Behaviour::answers(SECOND));
    let call = talking(&mut example, "1");
    example.caller(call, says(500.0, 40 * SECOND));
    example.run(42 * SECOND);
    example.act("li_na", says(700.0, SECOND));
    example.run(2 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    let done = &example.world.pbx().finished()[0];
    let lapses: Vec<_> = done
        .sounded
        .iter()
        .flat_map(|(leg, sounded)| sounded.lapses.iter().map(|lapse| (*leg, *lapse)))
        .collect();
    let [(leg, lapse)] = lapses[..] else { panic!("{lapses:?}") };
    assert!(!leg.is_arrived(), "the seat's");
    assert_eq!(lapse.kind, LapseKind::NoVoice);
    let lasted = lapse.until.unwrap().duration_since(lapse.from).as_secs();
    assert!((8..16).contains(&lasted), "{lasted} s");
}
