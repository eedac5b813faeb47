//! Who may not, and what no request may have.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::seam::Ban;

const STRANGER: &str = "203.0.113.66:5060";
const STRANGER_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66));

fn banned(event: &Event) -> Option<&Ban> {
    if let Event::Banned(ban) = event { Some(ban) } else { None }
}

fn from_user(lab: &mut Lab, user: &str) -> Ask {
    let mut ask = lab.ask("INVITE").sdp().without_contact().with("Contact: <sip:x@203.0.113.66>");
    ask.from = format!("<sip:{user}@sibai.test>;tag=f");
    ask
}

#[test]
fn an_invite_of_a_stranger_is_challenged_without_memory_and_its_ack_absorbed() {
    let mut lab = Lab::new();
    let ask = from_user(&mut lab, "801");
    lab.receive(udp(STRANGER), &ask.text());
    lab.receive(udp(STRANGER), &ask.text());
    let sent = lab.sent();
    assert_eq!(sent.iter().map(brief).collect::<Vec<_>>(), ["401", "401"]);
    assert_eq!(sent[0].to_tag(), sent[1].to_tag(), "the tag is that of every copy");
    assert!(sent[0].as_bytes().len() * 2 <= ask.text().len() * 3, "amplification");
    assert_eq!(lab.endpoint.wire.held(), 0);
    let ack = from_user(&mut lab, "801").tagged(&sent[0].to_tag().unwrap()).text().replace("INVITE", "ACK");
    lab.receive(udp(STRANGER), &ack);
    assert!(lab.sent.is_empty() && lab.told().is_empty());
}

#[test]
fn known_and_unknown_users_get_the_same_answers() {
    let answers = |user: &str| {
        let mut lab = Lab::new();
        let ask = from_user(&mut lab, user);
        lab.receive(udp(STRANGER), &ask.text());
        let challenged = lab.sent().pop().unwrap();
        let wrong = lab.authorized(ask, &challenged, "guess", 1);
        lab.receive(udp(STRANGER), &wrong.text());
        let refused = lab.sent().pop().unwrap();
        let tag_free = |message: &Message| {
            let text = String::from_utf8(message.as_bytes().to_vec()).unwrap();
            text.lines().filter(|line| !line.starts_with("From")).collect::<Vec<_>>().join("\n")
        };
        (tag_free(&challenged), tag_free(&refused))
    };
    assert_eq!(answers("801"), answers("nobody"));
}

#[test]
fn a_user_who_proves_the_password_arrives_and_may_not_be_another() {
    let mut lab = Lab::new();
    let ask = from_user(&mut lab, "801");
    lab.prove(udp(PHONE), ask);
    let incoming = lab.incoming();
    assert_eq!(incoming.peer, crate::seam::Peer::User("801".into()));
    let mut posing = from_user(&mut lab, "801");
    posing.call_id = "call-2".to_owned();
    lab.receive(udp(PHONE), &posing.text());
    let challenged = lab.sent().pop().unwrap();
    let mut again = lab.authorized(posing, &challenged, "secret", 1);
    again.from = "<sip:802@sibai.test>;tag=f".to_owned();
    lab.receive(udp(PHONE), &again.text());
    assert_eq!(lab.wrote(), ["403"]);
}

#[test]
fn a_registered_phone_on_the_trunks_own_address_is_the_seat() {
    let mut lab = Lab::new();
    let phone = "192.0.2.2:5070";
    let ask = lab.register("801", "r", 1, "Contact: <sip:801@192.0.2.2:5070>");
    assert_eq!(lab.prove(udp(phone), ask).status(), Some(200));
    let ask = from_user(&mut lab, "801");
    lab.receive(udp(phone), &ask.text());
    assert_eq!(lab.wrote(), ["401"], "its address and port hold a registration");
    let ask = lab.ask("INVITE").sdp();
    lab.receive(udp(CARRIER), &ask.text());
    assert_eq!(lab.wrote(), ["100"], "any other port is the trunk");
}

#[test]
fn a_source_that_fails_ten_times_is_met_with_silence_until_it_rests() {
    let mut lab = Lab::new();
    lab.register_phone();
    let fail = |lab: &mut Lab, source: &str| {
        let ask = from_user(lab, "801");
        lab.receive(udp(source), &ask.text());
        let Some(challenged) = lab.sent().pop() else { return "silence".to_owned() };
        let wrong = lab.authorized(ask, &challenged, "guess", 1);
        lab.receive(udp(source), &wrong.text());
        lab.sent().pop().map_or("silence".to_owned(), |message| brief(&message))
    };
    for _ in 0..10 {
        assert_eq!(fail(&mut lab, STRANGER), "401");
    }
    assert_eq!(fail(&mut lab, STRANGER), "silence");
    let told = lab.told();
    assert!(told.iter().any(|event| matches!(event, Event::Refused { status: 0, why: "banned", .. })));
    let bans: Vec<&Ban> = told.iter().filter_map(banned).collect();
    assert_eq!(bans.len(), 1);
    assert_eq!((bans[0].source, bans[0].length), (STRANGER_IP, Duration::from_mins(10)));
    assert_eq!(bans[0].until, lab.now.wall + Duration::from_mins(10));
    assert_eq!(fail(&mut lab, "203.0.113.67:5060"), "401", "only that source");
    // A neighbour behind the phone's address fails; the phone itself is still served.
    for _ in 0..11 {
        fail(&mut lab, "198.51.100.7:50000");
    }
    assert_eq!(fail(&mut lab, "198.51.100.7:50000"), "silence");
    let refresh = lab.register("801", "reg-1", 5, "Contact: <sip:801@10.0.0.7:5060>");
    assert_eq!(lab.prove(udp(PHONE), refresh).status(), Some(200));
    lab.wait(Duration::from_secs(601));
    lab.sent.clear();
    assert!(lab.told().contains(&Event::Unbanned { source: STRANGER_IP }));
    assert_eq!(fail(&mut lab, STRANGER), "401");
}

#[test]
fn a_proof_is_good_once_and_an_old_nonce_is_stale() {
    let mut lab = Lab::new();
    let ask = lab.register("801", "r", 1, "Contact: <sip:801@10.0.0.7>");
    lab.receive(udp(PHONE), &ask.text());
    let challenged = lab.sent().pop().unwrap();
    let is_stale = |message: &Message| {
        message.header(Header::WwwAuthenticate).is_some_and(|value| value.text().contains("stale=true"))
    };
    let proof = lab.authorized(ask, &challenged, "secret", 1);
    lab.receive(udp(PHONE), &proof.text());
    assert_eq!(lab.sent().pop().unwrap().status(), Some(200));
    lab.receive(udp(PHONE), &proof.text());
    assert_eq!(lab.wrote(), ["200"], "a retransmission is absorbed, not replayed");
    let replay = proof.branch("replayed").cseq(3);
    lab.receive(udp(STRANGER), &replay.text());
    let refused = lab.sent().pop().unwrap();
    assert!(refused.status() == Some(401) && is_stale(&refused), "the same nc again");
    let next = lab.register("801", "r", 4, "Contact: <sip:801@10.0.0.7>");
    let counted = lab.authorized(next, &challenged, "secret", 2);
    lab.receive(udp(PHONE), &counted.text());
    assert_eq!(lab.wrote(), ["200"], "nc=2 under the same nonce");
    lab.wait(Duration::from_secs(301));
    lab.sent.clear();
    let late = lab.register("801", "r", 6, "Contact: <sip:801@10.0.0.7>");
    let late = lab.authorized(late, &challenged, "secret", 3);
    lab.receive(udp(PHONE), &late.text());
    assert!(is_stale(&lab.sent().pop().unwrap()));
}

#[test]
fn a_proof_for_another_uri_algorithm_or_method_is_none() {
    let mut lab = Lab::new();
    let ask = lab.register("801", "r", 1, "Contact: <sip:801@10.0.0.7>");
    lab.receive(udp(PHONE), &ask.text());
    let challenged = lab.sent().pop().unwrap();
    let mut moved = lab.authorized(ask, &challenged, "secret", 1);
    moved.uri = "sip:elsewhere.test".to_owned();
    lab.receive(udp(PHONE), &moved.text());
    assert_eq!(lab.wrote(), ["401"]);
    let sha = lab.register("801", "r", 3, "Contact: <sip:801@10.0.0.7>");
    let sha = lab.authorized(sha, &challenged, "secret", 2).text();
    lab.receive(udp(PHONE), &sha.replace("algorithm=MD5", "algorithm=SHA-256"));
    assert_eq!(lab.wrote(), ["401"], "not offered on this listener");
    assert!(lab.told().iter().all(|event| !matches!(event, Event::Contacts { .. })));
}

#[test]
fn a_listener_offers_its_algorithms_strongest_first_and_takes_each() {
    let mut lab = Lab::new();
    let flow = Flow { listener: 1, ..udp(PHONE) };
    let ask = lab.register("801", "r", 1, "Contact: <sip:801@10.0.0.7>");
    lab.receive(flow, &ask.text());
    let challenged = lab.sent().pop().unwrap();
    let offered: Vec<String> =
        challenged.headers(Header::WwwAuthenticate).map(|v| v.text().into_owned()).collect();
    assert!(offered[0].contains("SHA-256") && offered[1].contains("MD5") && offered.len() == 2);
    let proof = lab.authorized(ask, &challenged, "secret", 1);
    assert!(proof.text().contains("algorithm=SHA-256"));
    lab.receive(flow, &proof.text());
    assert_eq!(lab.wrote(), ["200"]);
}

#[test]
fn what_no_request_may_have_is_refused_by_its_code() {
    let mut lab = Lab::new();
    let plain = lab.ask("INVITE").sdp().text();
    let with = |line: &str| plain.replace("Contact:", &format!("{line}\r\nContact:"));
    let table = [
        (with("Require: precondition"), 420),
        (with("Proxy-Require: nothing-known"), 420),
        (with("Content-Encoding: gzip"), 415),
        (plain.replace("application/sdp", "text/plain"), 415),
        (plain.replace("sip:4001@192.0.2.1 SIP", "mailto:x@y SIP"), 416),
        (plain.replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        (plain.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 505),
        (plain.replace("Contact: <sip:gw@192.0.2.2:5060>\r\n", ""), 400),
        (plain.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400),
    ];
    for (number, (text, status)) in table.iter().enumerate() {
        lab.receive(udp(CARRIER), &text.replace("auto1", &format!("table{number}")));
        let sent = lab.sent().pop().unwrap();
        assert_eq!(sent.status(), Some(*status), "{text}");
        let told = match status {
            420 => sent.header(Header::Unsupported),
            415 => sent.header(Header::Accept),
            _ => sent.header(Header::Via),
        };
        assert!(told.is_some());
        assert!(sent.to_tag().is_some());
    }
    assert!(lab.told().iter().all(|event| matches!(event, Event::Refused { .. })));
    assert_eq!(lab.endpoint.wire.held(), 0);
}

/// Methods outside a dialog, and what somebody who may ask gets: a 100 is the start of a call.
const METHODS: [(&str, &str); 13] = [
    ("OPTIONS", "200"),
    ("INVITE", "100"),
    ("BYE", "481"),
    ("INFO", "481"),
    ("UPDATE", "481"),
    ("PRACK", "481"),
    ("MESSAGE", "405"),
    ("REFER", "405"),
    ("SUBSCRIBE", "489"),
    ("PUBLISH", "405"),
    ("NOTIFY", "405"),
    ("FROBNICATE", "501"),
    ("invite", "501"),
];

#[test]
fn a_trunk_hears_of_each_method_what_it_deserves() {
    let mut lab = Lab::new();
    for (method, status) in METHODS.into_iter().filter(|(method, _)| *method != "INVITE") {
        // Watching is for seats.
        let status = if method == "SUBSCRIBE" { "403" } else { status };
        let ask = lab.ask(method);
        lab.receive(udp(CARRIER), &ask.text());
        assert_eq!(lab.wrote(), [status], "{method}");
    }
    let ask = lab.ask("REGISTER");
    lab.receive(udp(CARRIER), &ask.text());
    assert_eq!(lab.wrote(), ["401"], "nobody registers by address");
    assert_eq!(lab.endpoint.wire.held(), 0, "none of them costs memory");
}

#[test]
fn a_stranger_is_challenged_whatever_the_method_and_hears_of_it_only_as_a_user() {
    for (method, deserved) in METHODS.into_iter().filter(|(method, _)| *method != "OPTIONS") {
        let mut lab = Lab::new();
        for line in ["Require: nothing-known", "Content-Encoding: gzip", "Event: presence", "X-From: 801"] {
            let mut ask = lab.ask(method).with(line);
            ask.from = "<sip:801@sibai.test>;tag=f".to_owned();
            lab.receive(udp(STRANGER), &ask.text());
            let challenged = lab.sent().pop().unwrap();
            assert_eq!(challenged.status(), Some(401), "{method} {line}");
            assert!(challenged.header(Header::Allow).is_none(), "what we can is nobody's business");
        }
        assert_eq!(lab.endpoint.wire.held(), 0, "{method} costs memory");
        let mut ask = lab.ask(method).sdp();
        ask.from = "<sip:801@sibai.test>;tag=f".to_owned();
        let answer = lab.prove(udp(PHONE), ask);
        assert_eq!(brief(&answer), deserved, "{method}");
        let mut posing = lab.ask(method).sdp();
        posing.from = "<sip:802@sibai.test>;tag=f".to_owned();
        lab.receive(udp(PHONE), &posing.text());
        let challenged = lab.sent().pop().unwrap();
        posing.from = "<sip:801@sibai.test>;tag=f".to_owned();
        let mut again = lab.authorized(posing, &challenged, "secret", 1);
        again.from = "<sip:802@sibai.test>;tag=f".to_owned();
        lab.receive(udp(PHONE), &again.text());
        assert_eq!(lab.wrote(), ["403"], "{method} as somebody else");
    }
}

#[test]
fn options_of_a_stranger_is_met_with_silence_unless_the_operator_wants_otherwise() {
    let mut lab = Lab::new();
    let ask = lab.ask("OPTIONS");
    lab.receive(udp(STRANGER), &ask.text());
    assert!(lab.sent.is_empty());
    assert!(matches!(lab.told()[..], [Event::Refused { status: 0, why: "stranger", .. }]));
    lab.register_phone();
    lab.sent.clear();
    let ask = lab.ask("OPTIONS");
    lab.receive(udp(PHONE), &ask.text());
    assert_eq!(lab.wrote(), ["200"], "a registered phone may ask");
    let mut lab = Lab::with(Directory { answers_strangers: true, ..directory() });
    let ask = lab.ask("OPTIONS");
    lab.receive(udp(STRANGER), &ask.text());
    let answer = lab.sent().pop().unwrap();
    assert_eq!(answer.status(), Some(200));
    let server = answer.header(Header::Server).map(|value| value.text().into_owned()).unwrap_or_default();
    assert!(!server.contains(|c: char| c.is_ascii_digit()), "{server} tells a version");
}

#[test]
fn an_invite_with_a_tag_made_up_hears_no_more_than_one_without() {
    let mut lab = Lab::new();
    let ask = from_user(&mut lab, "801").tagged("madeup");
    lab.receive(udp(STRANGER), &ask.text());
    assert_eq!(lab.wrote(), ["401"]);
    let ask = lab.ask("INVITE").sdp().tagged("madeup");
    lab.receive(udp(CARRIER), &ask.text());
    assert_eq!(lab.wrote(), ["481"], "a trunk is told that the dialog is gone");
}

#[test]
fn a_forged_bye_from_elsewhere_does_not_end_a_call() {
    let mut lab = Lab::new();
    let (_, tag) = lab.up();
    lab.sent.clear();
    let bye = lab.ask("BYE").tagged(&tag).cseq(2);
    lab.receive(udp(STRANGER), &bye.text());
    assert_eq!(lab.wrote(), ["403"], "not one of the trunk's addresses");
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    let bye = within(&invite, "BYE", "phone", 1);
    lab.receive(udp(STRANGER), &bye.text());
    let challenged = lab.sent().pop().unwrap();
    assert_eq!(challenged.status(), Some(401), "a phone that moved proves its password");
    assert!(lab.told().is_empty());
    let proved = lab.authorized(bye, &challenged, "secret", 1);
    lab.receive(udp(STRANGER), &proved.text());
    assert_eq!(lab.wrote(), ["200"]);
    assert_eq!(lab.told(), [ended(leg, Cause::SeatHungUp, None)]);
}

#[test]
fn over_the_cap_new_calls_get_503_and_calls_that_stand_are_served() {
    let mut lab = Lab::new();
    lab.endpoint.wire.limits.legs = 1;
    let (leg, tag) = lab.up();
    let mut second = lab.ask("INVITE").sdp();
    second.call_id = "call-2".to_owned();
    lab.sent.clear();
    lab.receive(udp(CARRIER), &second.text());
    let refused = lab.sent().pop().unwrap();
    assert_eq!(refused.status(), Some(503));
    assert!((5..=30).contains(&refused.number(Header::RetryAfter).unwrap()));
    let bye = lab.ask("BYE").tagged(&tag).cseq(2);
    lab.receive(udp(CARRIER), &bye.text());
    assert!(lab.told().contains(&ended(leg, Cause::CallerHungUp, None)));
}

#[test]
fn junk_is_met_with_silence_and_told_to_the_log() {
    let mut lab = Lab::new();
    lab.receive(udp(STRANGER), "hello");
    assert!(lab.sent.is_empty());
    assert!(matches!(lab.told()[..], [Event::Refused { status: 0, why: "malformed", .. }]));
}
