//! Thieves of calls: five hundred dial strings, from a stranger, from a seat, from the trunk, and as transfer
//! targets; none of them places a leg (reliability A6).

use std::net::SocketAddr;

use base::Cause;
use integration_tests::world::Example;
use integration_tests::world::example::NUMBER;
use phones::{Action, Behaviour, Event};
use sip::digest::{self, Login};
use sip::{Carriage, Challenge, Header, Message};

use crate::words::*;

/// Numbers that cost, and the ways to write them: 25 times 20.
fn dialled() -> Vec<String> {
    let numbers = [
        "00441632960000",
        "001900555000",
        "008821234567",
        "0037060000000",
        "00252612345",
        "0053712345",
        "02155551234",
        "13912345678",
        "16860",
        "16899",
        "96888",
        "110",
        "120",
        "95188",
        "4008888888",
        "008613912345678",
        "0",
        "00",
        "9",
        "*72",
        "#31#",
        "8005550100",
        "1010",
        "12530",
        "duty_mobile",
    ];
    let forms: [fn(&str) -> String; 20] = [
        |n| n.to_owned(),
        |n| format!("+{}", n.trim_start_matches('0')),
        |n| format!("%2B{}", n.trim_start_matches('0')),
        |n| format!("%2b{}", n.trim_start_matches('0')),
        |n| format!("9{n}"),
        |n| format!("9011{}", n.trim_start_matches('0')),
        |n| format!("011{}", n.trim_start_matches('0')),
        |n| format!("00{n}"),
        |n| format!("0{n}"),
        |n| format!("8001{n}"),
        |n| format!("{n};phone-context=+86"),
        |n| format!("{n};isub=1;tag=x"),
        |n| format!("%20{n}%20"),
        |n| format!("{n}%0d%0aX-Dial:%20{n}"),
        |n| format!("{n}%00"),
        |n| format!("{n}:password"),
        |n| {
            n.chars()
                .map(|c| if c.is_ascii_digit() { format!("%EF%BC%9{c}") } else { c.to_string() })
                .collect()
        },
        |n| n.chars().flat_map(|c| [c, '-']).collect(),
        |n| format!("8001%40{n}"),
        |n| format!("{NUMBER}%2C{n}"),
    ];
    numbers.iter().flat_map(|number| forms.iter().map(move |form| form(number))).collect()
}

fn invite(uri: &str, number: usize, from: SocketAddr, user: &str, extra: &str) -> String {
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 50000 RTP/AVP 8\r\n";
    format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKt{number};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@sibai>;tag=f{number}\r\nTo: <{uri}>\r\nCall-ID: t{number}@{from}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:{user}@{from}>\r\n{extra}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

fn statuses(letters: Vec<Vec<u8>>) -> Vec<Message> {
    let read = |bytes: Vec<u8>| Message::parse(bytes.into(), Carriage::Datagram).ok();
    letters.into_iter().filter_map(read).filter(|message| message.status() != Some(100)).collect()
}

/// The final answer of the last INVITE, ACKed.
fn answer(example: &mut Example, from: SocketAddr, sent: &str) -> Option<Message> {
    example.world.post(from, sent.as_bytes());
    example.run(millis(20));
    let last = statuses(example.world.letters(from)).pop()?;
    let ack = sent.split("\r\n\r\n").next()?.replace("INVITE sip:", "ACK sip:").replace("1 INVITE", "1 ACK");
    let tag = last.header(Header::To)?.text().into_owned();
    let lines: Vec<String> = ack
        .split("\r\n")
        .filter(|line| !line.starts_with("Content"))
        .map(|line| if line.starts_with("To:") { format!("To: {tag}") } else { line.to_owned() })
        .collect();
    example.world.post(from, format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes());
    example.run(millis(20));
    Some(last)
}

fn uris(dialled: &str, number: usize) -> String {
    match number % 5 {
        0 => format!("sip:{dialled}@127.0.0.1;user=phone"),
        1 => format!("sip:{dialled}@sibai"),
        2 => format!("tel:{dialled}"),
        3 => format!("sip:{dialled}@carrier.example"),
        _ => format!("sip:{dialled}@127.0.0.1:5080;transport=udp;maddr=127.0.0.1"),
    }
}

fn tricks(number: usize, dialled: &str) -> String {
    match number % 6 {
        0 => format!("Diversion: <sip:8001@sibai>;reason=unconditional\r\nX-Dial: {dialled}\r\n"),
        1 => format!("P-Asserted-Identity: <sip:8001@sibai>\r\nP-Preferred-Identity: <tel:{NUMBER}>\r\n"),
        2 => format!("History-Info: <sip:{dialled}@sibai>;index=1\r\n"),
        3 => format!("Route: <sip:{dialled}@127.0.0.1:5080;lr>\r\n"),
        4 => "Remote-Party-ID: <sip:8001@sibai>;party=calling\r\nX-Trunk: local\r\n".to_owned(),
        _ => String::new(),
    }
}

/// What left over the trunk: the carrier's phone is the only one that can be called there.
fn left(example: &Example) -> usize {
    let carrier = example.world.phone(example.carrier);
    carrier.calls().filter(|(_, call)| !call.is_caller()).count()
}

#[test]
fn five_hundred_dial_strings_of_a_stranger_place_no_leg() {
    let mut example = Example::at(OPEN);
    let from: SocketAddr = "127.0.0.66:5060".parse().unwrap();
    let all = dialled();
    assert_eq!(all.len(), 500);
    for (number, dialled) in all.iter().enumerate() {
        let text = invite(&uris(dialled, number), number, from, "8001", &tricks(number, dialled));
        let status = answer(&mut example, from, &text).and_then(|answer| answer.status());
        assert!(matches!(status, Some(400 | 401)), "{dialled}: {status:?}\n{text}");
    }
    assert_eq!(left(&example), 0);
    assert_eq!(example.world.pbx().finished().len(), 0, "none became a call");
    example.rest();
}

#[test]
fn five_hundred_dial_strings_of_a_seat_place_no_leg() {
    let mut example = Example::at(OPEN);
    let from: SocketAddr = "127.0.0.67:5060".parse().unwrap();
    for (number, dialled) in dialled().iter().enumerate() {
        let uri = uris(dialled, number);
        let text = invite(&uri, 2 * number, from, "8001", &tricks(number, dialled));
        let first = answer(&mut example, from, &text).unwrap();
        if first.status() == Some(400) {
            continue;
        }
        let value = first.header(Header::WwwAuthenticate).unwrap_or_else(|| panic!("{dialled}: {first:?}"));
        let challenge = Challenge::parse(&value.text()).unwrap();
        let login = Login { user: "8001", password: "secret of 8001" };
        let proof = digest::answer(&challenge, login, "INVITE", &uri, "c", 1).unwrap();
        let extra = format!("Authorization: {proof}\r\n{}", tricks(number, dialled));
        let proved = invite(&uri, 2 * number + 1, from, "8001", &extra);
        let status = answer(&mut example, from, &proved).and_then(|answer| answer.status());
        assert!(matches!(status, Some(400 | 403 | 404 | 416 | 484)), "{dialled}: {status:?}\n{proved}");
    }
    assert_eq!(left(&example), 0);
    example.rest();
}

#[test]
fn five_hundred_dial_strings_over_the_trunk_ring_nobody_outside() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", Behaviour::waits());
    for dialled in dialled() {
        let call = example.dial(phones::Dial::to(&dialled));
        example.run(millis(200));
        let refused = example.saw(call).any(|(_, event)| matches!(event, Event::Refused { .. }));
        assert!(refused, "{dialled} over the trunk was taken");
    }
    assert_eq!(left(&example), 0);
    // What the carrier's own parser thinks of the strings in our refusals is not the question here.
    example.run(40 * SECOND);
    assert_eq!((example.world.pbx().node().sip().legs(), example.world.pbx().open_legs()), (0, 0));
}

#[test]
fn five_hundred_dial_strings_as_the_goal_of_a_transfer_ring_nobody() {
    let mut example = Example::at(OPEN);
    example.seat("zhao_min", answers(SECOND, 700.0));
    let call = talking(&mut example, "21");
    let refused = |example: &Example| {
        let code = |event: &Event| match event {
            Event::RequestRefused(code) => Some(*code),
            _ => None,
        };
        example.seat_saw("zhao_min").filter_map(|(_, event)| code(event)).collect::<Vec<u16>>()
    };
    let mut placed = 0;
    for (number, dialled) in dialled().iter().enumerate() {
        let uri = uris(dialled, number);
        example.act("zhao_min", Action::Transfer(uri.clone()));
        example.run(millis(20));
        let codes = refused(&example);
        assert_eq!(codes.len(), number + 1, "{uri} was not refused");
        assert!(matches!(codes[number], 400 | 403 | 416 | 484), "{uri}: {}", codes[number]);
        placed = example.world.pbx().open_legs();
    }
    assert_eq!((left(&example), placed), (0, 2), "the two talk on, and nobody else was rung");
    example.caller(call, Action::HangUp);
    example.rest();
    let record = example.record(call);
    assert_eq!(record.legs.len(), 2);
    assert!(record.transfers.iter().all(|transfer| transfer.outcome != Some(Cause::Transferred)));
}
