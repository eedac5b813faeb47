//! Two phones call each other: every story once on a good link, and judged.

mod street;

use std::time::Duration;

use phones::audio::{dominant, tones_in};
use phones::{Action, Algorithm, Audio, Behaviour, Codec, Cue, Dial, Event, Hold, Script};
use street::{REGISTRAR, Street, setup};

const SECOND: Duration = Duration::from_secs(1);

fn two() -> Street {
    let mut callee = setup(1, 0);
    callee.behaviour = Behaviour::answers(SECOND);
    Street::new(1, vec![setup(0, 1), callee])
}

fn incoming() -> Event {
    Event::Incoming { from: "<sip:1000@10.0.0.2:5060>".into(), to: "1001".into(), asserted: None }
}

#[test]
fn a_call_with_sound_both_ways_and_keys() {
    let mut street = two();
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(2);
    street.act(0, Action::Say(Audio::tone(500.0, SECOND * 2)));
    street.act(1, Action::Say(Audio::tone(700.0, SECOND * 2)));
    street.seconds(3);
    street.act(0, Action::Press('2'));
    street.act(0, Action::Press('#'));
    street.act(1, Action::PressInfo('7'));
    street.seconds(2);
    street.act(1, Action::HangUp);
    street.seconds(1);
    assert_eq!(
        street.story(0),
        [
            Event::Ringing(180),
            Event::Answered,
            Event::Digit('7'),
            Event::HungUpByPeer { reason: None },
            Event::Gone
        ]
    );
    assert_eq!(
        street.story(1),
        [incoming(), Event::Answered, Event::InfoAccepted, Event::Digit('2'), Event::Digit('#'), Event::Gone]
    );
    assert!(tones_in(street.phones[1].heard()).contains(&Some(500)));
    assert!(tones_in(street.phones[0].heard()).contains(&Some(700)));
    street.assert_clean();
}

#[test]
fn each_codec_sounds_right() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let mut street = two();
        let mut caller = setup(0, 1);
        caller.codecs = vec![codec];
        street.phones[0] = phones::Phone::new(caller);
        street.act(0, Action::Call(Dial::to("1001")));
        street.act(0, Action::Say(Audio::tone(440.0, SECOND)));
        street.seconds(3);
        assert_eq!(street.phones[1].calls().next().unwrap().1.stream().codec(), codec);
        assert!(tones_in(street.phones[1].heard()).contains(&Some(440)));
        street.act(0, Action::HangUp);
        street.assert_clean();
    }
}

#[test]
fn the_caller_gives_up() {
    let mut street = two();
    street.act(0, Action::Call(Dial::to("1001")));
    street.millis(500);
    street.act(0, Action::GiveUp);
    street.seconds(1);
    assert_eq!(street.story(0), [Event::Ringing(180), Event::Cancelled, Event::Gone]);
    assert_eq!(street.story(1), [incoming(), Event::CancelledByPeer { reason: None }, Event::Gone]);
    street.assert_clean();
}

#[test]
fn the_200_crosses_the_cancel() {
    let mut street = two();
    street.act(0, Action::Call(Dial::to("1001")));
    street.millis(500);
    // Both at the same moment: neither letter has arrived when the other is sent.
    street.act(1, Action::Answer);
    street.act(0, Action::GiveUp);
    street.seconds(1);
    assert_eq!(street.story(0), [Event::Ringing(180), Event::CrossedCancel, Event::Gone]);
    let ended = [incoming(), Event::Answered, Event::HungUpByPeer { reason: None }, Event::Gone];
    assert_eq!(street.story(1), ended);
    street.assert_clean();
}

#[test]
fn both_hang_up_at_once() {
    let mut street = two();
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(2);
    street.act(0, Action::HangUp);
    street.act(1, Action::HangUp);
    street.assert_clean();
}

#[test]
fn busy_refused_and_unanswered() {
    let mut street = two();
    let mut third = setup(2, 1);
    third.seed = 99;
    street.phones.push(phones::Phone::new(third));
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(2);
    street.act(2, Action::Call(Dial::to("1001")));
    street.seconds(1);
    assert_eq!(street.story(2), [Event::Refused { code: 486, reason: None }, Event::Gone]);
    street.act(1, Action::HangUp);
    street.seconds(1);
    street.phones[1].set_behaviour(Behaviour::refuses(603));
    street.act(2, Action::Call(Dial::to("1001")));
    street.seconds(1);
    assert!(street.saw(2, &Event::Refused { code: 603, reason: None }));
    street.act(2, Action::Call(Dial::to("sip:1@10.0.0.77")));
    street.assert_clean();
}

#[test]
fn hold_in_every_way_and_back() {
    for hold in [Hold::SendOnly, Hold::Inactive, Hold::Zero, Hold::Update] {
        for holder in [0, 1] {
            let mut street = two();
            street.act(0, Action::Call(Dial::to("1001")));
            street.seconds(2);
            street.act(holder, Action::Hold(hold));
            street.seconds(1);
            assert!(street.saw(1 - holder, &Event::HeldByPeer), "{hold:?}");
            let sent = street.phones[1 - holder].calls().next().unwrap().1.stream().counts().sent;
            street.seconds(1);
            let still = street.phones[1 - holder].calls().next().unwrap().1.stream().counts().sent;
            assert_eq!(sent, still, "{hold:?}: the held one sends on");
            street.act(holder, Action::Resume);
            street.seconds(1);
            assert!(street.saw(1 - holder, &Event::ResumedByPeer), "{hold:?}");
            street.act(1 - holder, Action::Say(Audio::tone(900.0, SECOND)));
            street.seconds(2);
            let heard = street.phones[holder].heard();
            assert!(tones_in(heard).contains(&Some(900)), "{hold:?}: no sound after the resume");
            street.act(0, Action::HangUp);
            street.assert_clean();
        }
    }
}

#[test]
fn two_holds_at_once_end_well() {
    let mut street = two();
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(2);
    street.act(0, Action::Hold(Hold::SendOnly));
    street.act(1, Action::Hold(Hold::SendOnly));
    street.seconds(10);
    assert!(street.saw(0, &Event::Reagreed) && street.saw(1, &Event::Reagreed));
    street.act(0, Action::HangUp);
    street.assert_clean();
}

#[test]
fn an_offerless_invite_is_offered_to() {
    let mut street = two();
    street.act(0, Action::Call(Dial { offerless: true, ..Dial::to("1001") }));
    street.act(0, Action::Say(Audio::tone(600.0, SECOND)));
    street.seconds(3);
    assert!(tones_in(street.phones[1].heard()).contains(&Some(600)));
    street.act(0, Action::HangUp);
    street.assert_clean();
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let mut street = two();
    let script = Script::new().then(Duration::ZERO, Action::Say(Audio::tone(450.0, SECOND)));
    let mut behaviour = Behaviour::waits().with(script);
    behaviour.early_media = true;
    street.phones[1].set_behaviour(behaviour);
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(2);
    assert_eq!(street.story(0), [Event::Early]);
    assert_eq!(dominant(&street.phones[0].heard()[..4000]), Some(450));
    street.act(1, Action::Answer);
    street.seconds(1);
    street.act(0, Action::HangUp);
    street.assert_clean();
}

#[test]
fn a_story_tells_itself() {
    let mut street = two();
    let script = Script::new()
        .on_after(Cue::Answered, SECOND * 3, Action::Press('2'))
        .then(SECOND, Action::Press('1'))
        .on(Cue::Digit('9'), Action::HangUp);
    let answer = Script::new().on_after(Cue::Digit('1'), SECOND, Action::Press('9'));
    street.phones[1].set_behaviour(Behaviour::answers(SECOND).with(answer));
    street.act(0, Action::Call(Dial { script, ..Dial::to("1001") }));
    street.seconds(10);
    assert_eq!(street.phones[1].calls().next().unwrap().1.digits(), "21");
    assert!(street.saw(1, &Event::HungUpByPeer { reason: None }));
    street.assert_clean();
}

#[test]
fn a_phone_registers_refreshes_and_leaves() {
    for algorithms in [vec![Algorithm::Md5], vec![Algorithm::Sha512_256]] {
        let mut phone = setup(0, 0);
        (phone.proxy, phone.domain) = (REGISTRAR, REGISTRAR.to_string());
        (phone.algorithms, phone.password, phone.expires) = (algorithms, Some("p".into()), 20);
        let mut street = Street::new(3, vec![phone]);
        street.act(0, Action::Register);
        street.seconds(200);
        let times = street.story(0).iter().filter(|e| **e == Event::Registered { expires: 60 }).count();
        assert!((4..=6).contains(&times), "{:?}", street.story(0));
        street.act(0, Action::Unregister);
        street.seconds(1);
        assert!(street.saw(0, &Event::Unregistered));
        street.assert_clean();
    }
}

#[test]
fn a_phone_that_cannot_answer_a_challenge_fails() {
    let mut phone = setup(0, 0);
    (phone.proxy, phone.domain) = (REGISTRAR, REGISTRAR.to_string());
    let mut street = Street::new(3, vec![phone]);
    street.act(0, Action::Register);
    street.seconds(1);
    assert_eq!(street.story(0), [Event::RegisterFailed(401)]);
    street.assert_clean();
}

#[test]
fn a_carrier_that_challenges_is_answered() {
    let mut street = two();
    let mut carrier = setup(1, 0);
    carrier.challenges = Some(("trunk".into(), "secret".into()));
    carrier.behaviour = Behaviour::answers(SECOND);
    street.phones[1] = phones::Phone::new(carrier);
    let mut caller = setup(0, 1);
    (caller.user, caller.password) = ("trunk".into(), Some("secret".into()));
    street.phones[0] = phones::Phone::new(caller);
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(2);
    assert_eq!(street.story(0), [Event::Ringing(180), Event::Answered]);
    street.act(0, Action::HangUp);
    street.assert_clean();
}

#[test]
fn a_session_is_refreshed() {
    let mut street = two();
    let mut caller = setup(0, 1);
    caller.session_expires = Some(90);
    street.phones[0] = phones::Phone::new(caller);
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(100);
    assert_eq!(street.story(0).iter().filter(|event| **event == Event::Reagreed).count(), 2);
    street.act(1, Action::HangUp);
    street.assert_clean();
}

#[test]
fn the_caller_takes_its_routes_in_reverse() {
    let mut street = two();
    street.meddle = |text| {
        let routes = "Record-Route: <sip:10.0.0.9;lr>, <sip:10.0.0.2:5060;lr>\r\nContent-Length";
        let accepted = text.starts_with("SIP/2.0 200") && text.contains("INVITE\r\n");
        Some(if accepted { text.replacen("Content-Length", routes, 1) } else { text.to_string() })
    };
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(2);
    street.act(0, Action::HangUp);
    street.seconds(1);
    let bye = street.outputs.iter().find_map(|(_, output)| match output {
        phones::Output::SendSip { to, bytes } if bytes.starts_with(b"BYE") => Some((*to, bytes.clone())),
        _ => None,
    });
    let (to, bye) = bye.unwrap();
    assert_eq!(to, street::sip(1));
    let routes = "Route: <sip:10.0.0.2:5060;lr>\r\nRoute: <sip:10.0.0.9;lr>\r\n";
    assert!(String::from_utf8(bye).unwrap().contains(routes));
}

#[test]
fn a_peer_that_never_answers_is_silence() {
    let mut street = two();
    street.meddle = |text| (!text.starts_with("SIP/2.0")).then(|| text.to_string());
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(40);
    let refused = Event::Refused { code: 408, reason: None };
    assert_eq!(street.story(0), [Event::Silence("INVITE".into()), refused, Event::Gone]);
}
