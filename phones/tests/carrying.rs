//! The carrier: many calls on one trunk, numbers with behaviours of their own, routes, other stacks' habits.

mod street;

use std::time::Duration;

use base::{Machine, Mono, Now, Timestamp};
use phones::audio::tones_in;
use phones::{
    Action, Audio, Behaviour, Carrier, CarrierSetup, Codec, Cue, Dial, Event, Input, Output, Phone, Script,
};
use street::{Street, rtp, setup, sip};

const SECOND: Duration = Duration::from_secs(1);

fn carrier(n: usize, peer: usize) -> CarrierSetup {
    CarrierSetup::new(sip(peer), sip(n), rtp(n))
}

#[test]
fn a_hundred_calls_at_once_over_one_rtp_port_each_hear_their_own_tone() {
    let mut many = setup(1, 0);
    (many.calls_at_once, many.rtp_ports) = (100, 100);
    many.behaviour = Behaviour::answers(SECOND);
    let mut street = Street::new(4, vec![setup(0, 1), many]);
    let trunk = Carrier::new(carrier(0, 1));
    let dials: Vec<Dial> = (0..100)
        .map(|n| {
            let tone = Audio::tone(300.0 + 20.0 * f64::from(n), SECOND);
            let script = Script::new().on(Cue::Answered, Action::Say(tone)).then(SECOND * 3, Action::HangUp);
            Dial { script, ..trunk.call_from(&format!("1380013{n:04}"), "1001") }
        })
        .collect();
    street.phones[0] = trunk.into_line();
    for dial in dials {
        street.act(0, Action::Call(dial));
    }
    street.seconds(10);
    let callee = &street.phones[1];
    let all: Vec<_> = callee.calls().map(|(_, call)| call).collect();
    assert_eq!(all.len(), 100);
    for (n, call) in all.iter().enumerate() {
        let asserted = call.header("p-asserted-identity").unwrap();
        let number: u32 = asserted["<sip:1380013".len()..][..4].parse().unwrap();
        let tones = tones_in(call.stream().heard());
        assert!(tones.contains(&Some(300 + 20 * number)), "{n}: {asserted} {tones:?}");
    }
    street.assert_clean();
}

#[test]
fn outside_numbers_behave_as_planned() {
    let mut trunk = carrier(1, 0);
    let confirm = Script::new().on_after(Cue::Answered, SECOND, Action::Press('1'));
    trunk.plan = vec![
        ("13800138000".into(), Behaviour::answers(SECOND).with(confirm)),
        ("13800138001".into(), Behaviour::refuses(486)),
        ("13800138002".into(), Behaviour::waits()),
    ];
    let mut street = Street::new(5, vec![setup(0, 1), setup(1, 0)]);
    street.phones[1] = Carrier::new(trunk).into_line();
    street.act(0, Action::Call(Dial::to("13800138000")));
    street.seconds(4);
    assert!(street.saw(0, &Event::Digit('1')));
    street.act(0, Action::HangUp);
    street.seconds(1);
    for (number, code) in [("13800138001", 486), ("400", 404)] {
        street.act(0, Action::Call(Dial::to(number)));
        street.seconds(1);
        assert!(street.saw(0, &Event::Refused { code, reason: None }), "{number}");
    }
    street.act(0, Action::Probe);
    street.seconds(1);
    assert!(street.saw(0, &Event::ProbeAnswered(200)));
    street.phones[1].set_answers_options(false);
    street.act(0, Action::Probe);
    street.seconds(40);
    assert!(street.saw(0, &Event::Silence("OPTIONS".into())));
    street.assert_clean();
}

#[test]
fn the_busy_phone_tells_that_it_turned_a_call_away() {
    let mut callee = setup(1, 0);
    callee.behaviour = Behaviour::answers(SECOND);
    let mut street = Street::new(6, vec![setup(0, 1), callee, setup(2, 1)]);
    street.act(0, Action::Call(Dial::to("1001")));
    street.seconds(2);
    street.act(2, Action::Call(Dial::to("1001")));
    street.seconds(1);
    assert!(street.saw(1, &Event::TurnedAway { from: "<sip:1002@10.0.0.2:5060>".into() }));
    street.act(0, Action::HangUp);
    street.assert_clean();
}

/// The requests of a dialog follow its Record-Routes, in the right order at each end (RFC 3261 §12.1).
#[test]
fn requests_follow_the_routes() {
    let at = Now { mono: Mono::ZERO, wall: Timestamp::UNIX_EPOCH };
    let mut callee = setup(1, 0);
    callee.behaviour = Behaviour::answers(Duration::ZERO);
    let mut phone = Phone::new(callee);
    let sdp =
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let invite = format!(
        "INVITE sip:1001@10.0.0.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKp, SIP/2.0/UDP \
         10.0.0.1;branch=z9hG4bKq\r\nMax-Forwards: 69\r\nRecord-Route: <sip:10.0.0.8:5070;lr>, <sip:10.0.0.9;lr>\r\n\
         From: <sip:1@10.0.0.1>;tag=f\r\nTo: <sip:1001@10.0.0.2>\r\nCall-ID: r\r\nCSeq: 7 INVITE\r\n\
         Contact: <sip:1@10.0.0.1;ob>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let proxy = "10.0.0.8:5555".parse().unwrap();
    phone.handle(at, Input::Sip { source: proxy, bytes: invite.into_bytes() });
    phone.expire(at);
    let sent = |phone: &mut Phone| {
        let mut all = Vec::new();
        while let Some(output) = phone.poll() {
            if let Output::SendSip { to, bytes } = output {
                all.push((to, String::from_utf8(bytes).unwrap()));
            }
        }
        all
    };
    let answers = sent(&mut phone);
    let (to, accepted) = answers.last().unwrap();
    // Without rport the answer goes to the port of the Via, 5060.
    assert_eq!(*to, "10.0.0.8:5060".parse().unwrap());
    assert!(accepted.starts_with("SIP/2.0 200") && accepted.contains("Record-Route: <sip:10.0.0.8:5070;lr>"));
    assert_eq!(phone.calls().next().unwrap().1.stream().codec(), Codec::Pcmu);
    let tag = accepted.split("To: ").nth(1).unwrap().split("tag=").nth(1).unwrap().lines().next().unwrap();
    let ack = format!(
        "ACK sip:1001@10.0.0.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKr\r\nMax-Forwards: 69\r\n\
         From: <sip:1@10.0.0.1>;tag=f\r\nTo: <sip:1001@10.0.0.2>;tag={tag}\r\nCall-ID: r\r\nCSeq: 7 ACK\r\n\
         Content-Length: 0\r\n\r\n"
    );
    phone.handle(at, Input::Sip { source: proxy, bytes: ack.into_bytes() });
    phone.handle(at, Input::Do(Action::HangUp));
    let (to, bye) = sent(&mut phone).pop().unwrap();
    assert_eq!(to, "10.0.0.8:5070".parse().unwrap());
    assert!(bye.starts_with("BYE sip:1@10.0.0.1;ob SIP/2.0\r\n"), "{bye}");
    let routes = "Route: <sip:10.0.0.8:5070;lr>\r\nRoute: <sip:10.0.0.9;lr>\r\n";
    assert!(bye.contains(routes), "{bye}");
    assert_eq!(phone.faults().collect::<Vec<_>>(), Vec::<&str>::new());
}

/// Written apart, from the recommendation and by tables, the two codecs must agree on every byte and sample.
#[test]
fn our_g711_and_the_engines_agree() {
    for (ours, theirs) in [(Codec::Pcma, base::g711::Law::A), (Codec::Pcmu, base::g711::Law::Mu)] {
        for byte in 0..=255u8 {
            assert_eq!(ours.decode(byte), theirs.decode(byte), "{ours:?} {byte}");
        }
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(ours.encode(sample), theirs.encode(sample), "{ours:?} {sample}");
        }
    }
}
