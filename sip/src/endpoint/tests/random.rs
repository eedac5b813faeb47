//! Whatever comes: no panic, the laws hold, a clone does the same, nothing is left.

use proptest::prelude::*;

use super::*;
use crate::seam::{Lamp, LampCall};

/// One thing that may happen, drawn small so that things meet.
#[derive(Clone, Debug)]
enum Happening {
    Request {
        method: usize,
        cseq: u32,
        tag: usize,
        call: usize,
        branch: usize,
        source: usize,
        extra: usize,
        sdp: bool,
    },
    Response {
        to: usize,
        status: u16,
        tag: usize,
        sdp: bool,
    },
    Command {
        kind: usize,
        leg: u64,
        status: u16,
    },
    Wait(u64),
    Closed(u64),
    Unreachable,
    Junk(Vec<u8>),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (0..METHODS.len(), 1..5_u32, 0..3_usize, 0..3_usize, 0..6_usize, 0..4_usize, 0..EXTRAS.len(), any::<bool>())
            .prop_map(|(method, cseq, tag, call, branch, source, extra, sdp)| Happening::Request {
                method, cseq, tag, call, branch, source, extra, sdp
            }),
        4 => (0..4_usize, prop::sample::select(&STATUSES[..]), 0..3_usize, any::<bool>())
            .prop_map(|(to, status, tag, sdp)| Happening::Response { to, status, tag, sdp }),
        5 => (0..13_usize, 0..6_u64, prop::sample::select(&STATUSES[..]))
            .prop_map(|(kind, leg, status)| Happening::Command { kind, leg, status }),
        3 => (0..40_000_u64).prop_map(Happening::Wait),
        1 => (0..3_u64).prop_map(Happening::Closed),
        1 => Just(Happening::Unreachable),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Happening::Junk),
    ]
}

const STATUSES: [u16; 14] = [100, 180, 183, 200, 202, 302, 401, 407, 422, 481, 486, 487, 491, 503];
const METHODS: [&str; 13] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "INFO",
    "UPDATE",
    "PRACK",
    "REFER",
    "NOTIFY",
    "ODD",
    "SUBSCRIBE",
];
const EXTRAS: [&str; 10] = [
    "Supported: timer",
    "Session-Expires: 90;refresher=uas",
    "Session-Expires: 100;refresher=uac\r\nSupported: timer",
    "Record-Route: <sip:192.0.2.2>",
    "Contact: *\r\nExpires: 0",
    "Require: 100rel",
    "Authorization: Digest username=\"801\", realm=\"sibai.test\", nonce=\"x\", uri=\"sip:a\", response=\"00\"",
    "Content-Type: application/dtmf",
    "Refer-To: <sip:802@sibai.test>",
    "Event: refer\r\nExpires: 60",
];
const SOURCES: [&str; 4] = [CARRIER, PHONE, "203.0.113.9:1", "192.0.2.2:9999"];

fn act(lab: &mut Lab, happening: &Happening, tags: &[String], asked: &[Message]) {
    match happening {
        Happening::Request { method, cseq, tag, call, branch, source, extra, sdp } => {
            let mut ask =
                lab.ask(METHODS[*method]).cseq(*cseq).branch(&format!("r{branch}")).with(EXTRAS[*extra]);
            ask.call_id = format!("call-{call}");
            if let Some(tag) = tags.len().checked_sub(*tag).and_then(|at| tags.get(at)) {
                ask = ask.tagged(tag);
            }
            let ask = if *sdp { ask.sdp() } else { ask };
            let flow = if *source == 1 { tcp(SOURCES[1], 1) } else { udp(SOURCES[*source]) };
            lab.receive(flow, &ask.text());
        }
        Happening::Response { to, status, tag, sdp } => {
            let Some(request) = asked.len().checked_sub(*to + 1).and_then(|at| asked.get(at)) else { return };
            let text = answer(request, *status, &format!("t{tag}"), if *sdp { SDP } else { "" });
            let challenge =
                "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\nMin-SE: 100\r\nContent-Length";
            lab.receive(udp(CARRIER), &text.replace("Content-Length", challenge));
        }
        Happening::Command { kind, leg, status } => lab.command(command(*kind, *leg, *status)),
        Happening::Wait(millis) => lab.wait(Duration::from_millis(*millis)),
        Happening::Closed(connection) => lab.input(Input::Closed { connection: *connection }),
        Happening::Unreachable => lab.input(Input::Unreachable { flow: udp(CARRIER) }),
        Happening::Junk(bytes) => {
            let message = Message::parse(bytes.clone().into(), Carriage::Datagram);
            lab.input(Input::Received { flow: udp(CARRIER), message });
        }
    }
}

fn command(kind: usize, leg: u64, status: u16) -> Command {
    let (arrived, placed) = (LegId::arrived(leg), LegId::placed(leg));
    let either = if status.is_multiple_of(2) { arrived } else { placed };
    match kind {
        0 => Command::Progress { leg: arrived, status, sdp: None },
        1 => Command::Accept { leg: arrived, sdp: SDP.to_owned() },
        2 => Command::Refuse { leg: arrived, status, retry_after: Some(3), cause: Cause::LineFull },
        3 | 4 => {
            let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
            Command::Place { leg: placed, invite: Box::new(outgoing(to)) }
        }
        5 => Command::GiveUp { leg: placed, cause: Cause::AnsweredElsewhere },
        6 => Command::HangUp { leg: either, cause: Cause::FlowEnded },
        7 => Command::AcceptOffer { leg: either, sdp: SDP.to_owned() },
        8 => Command::RefuseOffer { leg: either, status },
        9 => Command::AcceptRefer { leg: either },
        10 => Command::RefuseRefer { leg: either, status },
        11 => Command::ReferProgress { leg: either, status },
        _ => {
            let call = LampCall {
                leg: either,
                is_caller: true,
                is_confirmed: status > 199,
                remote: None,
                dialog: None,
            };
            Command::Lamp { user: "801".into(), state: Lamp { calls: vec![call] } }
        }
    }
}

fn hang_up_all(lab: &mut Lab) {
    for leg in 0..50 {
        for leg in [LegId::arrived(leg), LegId::placed(leg)] {
            lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
        }
    }
}

fn lab() -> Lab {
    let mut directory = directory();
    directory.trunks[0].targets = vec![udp(CARRIER)];
    Lab::with(directory)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_clone_does_the_same_and_nothing_is_left(
        happenings in prop::collection::vec(happening(), 1..60),
        cloned_at in 0..60_usize,
    ) {
        let mut one = lab();
        let mut two: Option<Lab> = None;
        for (number, happening) in happenings.iter().enumerate() {
            if number == cloned_at {
                two = Some(one.clone());
            }
            let tags: Vec<String> =
                one.sent.iter().filter_map(|(_, m)| m.status().and_then(|_| m.to_tag())).collect();
            let asked: Vec<Message> = one
                .sent
                .iter()
                .filter(|(_, m)| m.is_request() && *m.method() != Method::Ack)
                .map(|(_, m)| m.clone())
                .collect();
            act(&mut one, happening, &tags, &asked);
            if let Some(two) = &mut two {
                act(two, happening, &tags, &asked);
                prop_assert_eq!(&two.sent, &one.sent);
                prop_assert_eq!(&two.events, &one.events);
                prop_assert_eq!(two.endpoint.deadline(), one.endpoint.deadline());
            }
        }
        for leg in one.events.iter().filter_map(|event| match event {
            Event::Ended { leg, .. } => Some(*leg),
            _ => None,
        }) {
            let times = one.events.iter().filter(|e| matches!(e, Event::Ended { leg: of, .. } if *of == leg)).count();
            let placed = one.events.len();
            // A leg id that the control gives again after its end is a new leg.
            prop_assert!(!leg.is_arrived() || times == 1, "{leg:?} ended {times} times of {placed}");
        }
        one.command(Command::Directory(Box::default()));
        hang_up_all(&mut one);
        one.wait(Duration::from_mins(5));
        hang_up_all(&mut one);
        one.assert_no_leak();
        prop_assert_eq!(one.endpoint.registrar.held(), 0);
        prop_assert_eq!(one.endpoint.subscriptions.held(), 0);
    }
}
