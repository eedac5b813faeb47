//! Flows: phones that are reached by their connections, proxies on the way, and requests too long for UDP.

use super::*;
use crate::seam::Listener;

const INSTANCE: &str = "+sip.instance=\"<urn:uuid:0001>\"";

fn outbound(lab: &mut Lab, call_id: &str, reg_id: u32) -> Ask {
    let contact = format!("Contact: <sip:801@df7jal.invalid;transport=ws>;reg-id={reg_id};{INSTANCE}");
    lab.register("801", call_id, 1, &contact).with("Supported: path, outbound, gruu")
}

fn ws(remote: &str, connection: u64) -> Flow {
    flow(Transport::Ws, remote, Some(connection))
}

fn call(lab: &mut Lab, contact: u64) -> (Flow, Message) {
    let to = Destination::Contact { user: "801".into(), contact };
    lab.command(Command::Place { leg: LegId::placed(1), invite: Box::new(outgoing(to)) });
    lab.sent.pop().expect("an INVITE was sent")
}

#[test]
fn an_outbound_phone_has_a_binding_for_each_of_its_flows() {
    let mut lab = Lab::new();
    let ask = outbound(&mut lab, "a", 1);
    let ok = lab.prove(ws(PHONE, 1), ask);
    assert_eq!((ok.status(), ok.tokens(Header::Require)), (Some(200), vec!["outbound".to_owned()]));
    assert!(String::from_utf8_lossy(ok.as_bytes()).contains("\r\nFlow-Timer: 60\r\n"));
    assert!(ok.lists_token(Header::Supported, "path"));
    let ask = outbound(&mut lab, "b", 2);
    lab.prove(ws("198.51.100.7:40001", 2), ask);
    assert_eq!(lab.endpoint.registrar.bindings("801").len(), 2);
    let ask = outbound(&mut lab, "c", 1);
    lab.prove(ws("198.51.100.7:40002", 3), ask);
    assert_eq!(lab.endpoint.registrar.bindings("801").len(), 2, "the same flow number takes its place");
    let plain = lab.register("801", "d", 1, &format!("Contact: <sip:801@10.0.0.7>;reg-id=1;{INSTANCE}"));
    let ok = lab.prove(udp(PHONE), plain);
    assert_eq!(ok.header(Header::Require), None, "not asked for, not agreed on");
}

#[test]
fn a_proxy_that_knows_nothing_of_outbound_is_told_to_the_phone() {
    let mut lab = Lab::new();
    let ask = outbound(&mut lab, "a", 1).with("Via: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKphone");
    assert_eq!(lab.prove(udp(PHONE), ask).status(), Some(439));
    assert!(lab.endpoint.registrar.bindings("801").is_empty());
    let ask = outbound(&mut lab, "b", 1)
        .with("Via: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKphone")
        .with("Path: <sip:core.test;lr>")
        .with("Path: <sip:flow7@edge.test;lr;ob>");
    assert_eq!(lab.prove(udp(PHONE), ask).status(), Some(200));
    let wants = lab.register("801", "c", 1, "Contact: <sip:801@10.0.0.7>").with("Require: gruu");
    assert_eq!(lab.prove(udp(PHONE), wants).status(), Some(420));
}

#[test]
fn a_phone_behind_an_edge_is_called_by_the_way_that_its_registration_took() {
    let mut lab = Lab::new();
    let ask = lab
        .register("801", "a", 1, "Contact: <sip:801@10.0.0.7;transport=tcp>")
        .with("Path: <sip:core.test;lr>, <sip:flow7@edge.test;lr>");
    let ok = lab.prove(udp(PHONE), ask);
    let told: Vec<String> = ok.list(Header::Path).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["<sip:core.test;lr>", "<sip:flow7@edge.test;lr>"]);
    let (way, invite) = call(&mut lab, 1);
    assert_eq!(way, udp(PHONE), "to the proxy that it came from");
    assert_eq!(invite.uri_text(), "sip:801@10.0.0.7;transport=tcp");
    let routes: Vec<String> =
        invite.addresses(Header::Route).unwrap().iter().map(|route| route.uri.to_string()).collect();
    assert_eq!(routes, ["sip:core.test;lr", "sip:flow7@edge.test;lr"]);
    lab.wait(Duration::from_secs(100));
    assert!(lab.sent.iter().all(|(_, m)| !is_method(m, &Method::Options)), "the edge keeps it awake");
}

/// A dialog lives on when the phone comes back by another connection, before or after the old one is known
/// to be gone.
#[test]
fn a_call_follows_its_phone_to_a_new_connection() {
    for is_closed_first in [true, false] {
        let mut lab = Lab::new();
        let ask = outbound(&mut lab, "a", 1);
        lab.prove(ws(PHONE, 1), ask);
        let (way, invite) = call(&mut lab, 1);
        assert_eq!(way, ws(PHONE, 1));
        lab.receive(way, &answer(&invite, 200, "phone", SDP));
        if is_closed_first {
            lab.input(Input::Closed { connection: 1 });
        }
        let ask = outbound(&mut lab, "b", 1);
        lab.prove(ws("203.0.113.50:999", 2), ask);
        lab.input(Input::Closed { connection: 1 });
        lab.sent.clear();
        lab.command(Command::HangUp { leg: LegId::placed(1), cause: Cause::CallerHungUp });
        let (way, bye) = lab.sent.pop().unwrap();
        assert!(is_method(&bye, &Method::Bye));
        assert_eq!(way, ws("203.0.113.50:999", 2));
        lab.receive(way, &answer(&bye, 200, "phone", ""));
        lab.assert_no_leak();
        lab.input(Input::Closed { connection: 2 });
        lab.wait(Duration::from_hours(1));
        assert_eq!(lab.endpoint.registrar.held(), 0);
    }
}

#[test]
fn a_call_does_not_follow_another_phone_of_the_user() {
    let mut lab = Lab::new();
    let ask = outbound(&mut lab, "a", 1);
    lab.prove(ws(PHONE, 1), ask);
    let (way, invite) = call(&mut lab, 1);
    lab.receive(way, &answer(&invite, 200, "phone", SDP));
    lab.input(Input::Closed { connection: 1 });
    let other = "Contact: <sip:801@other.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:0002>\"";
    let ask = lab.register("801", "b", 1, other);
    lab.prove(ws("203.0.113.50:999", 2), ask);
    lab.sent.clear();
    lab.command(Command::HangUp { leg: LegId::placed(1), cause: Cause::CallerHungUp });
    assert_eq!(lab.sent.pop().unwrap().0, ws(PHONE, 1));
}

#[test]
fn a_certificate_makes_a_trunk_wherever_it_comes_from() {
    let mut directory = directory();
    directory.trunks[0].certificate = Some("sbc.carrier.test".to_owned());
    let mut lab = Lab::with(directory);
    let way = flow(Transport::Tls, "203.0.113.7:50000", Some(5));
    lab.input(Input::Proved { connection: 5, names: vec!["sbc.carrier.test".to_owned()] });
    let ask = lab.ask("INVITE").sdp();
    lab.receive(way, &ask.text());
    assert_eq!(lab.incoming().peer, crate::seam::Peer::Trunk("carrier".into()));
    lab.input(Input::Closed { connection: 5 });
    let ask = lab.ask("INVITE").sdp().branch("later");
    lab.sent.clear();
    lab.receive(way, &ask.text());
    assert_eq!(lab.wrote(), ["401"], "the proof goes with its connection");
}

/// A trunk that is known by its certificate only, and its connections.
fn proving() -> Lab {
    let mut directory = directory();
    directory.trunks[0].sources.clear();
    directory.trunks[0].certificate = Some("sbc.carrier.test".to_owned());
    Lab::with(directory)
}

fn proved(lab: &mut Lab, remote: &str, connection: u64) -> Flow {
    lab.input(Input::Proved { connection, names: vec!["sbc.carrier.test".to_owned()] });
    flow(Transport::Tls, remote, Some(connection))
}

#[test]
fn a_call_of_a_certificate_goes_on_from_another_address_that_proves_the_same() {
    for first_is_closed in [false, true] {
        let mut lab = proving();
        let first = proved(&mut lab, "203.0.113.7:50000", 5);
        let ask = lab.ask("INVITE").sdp();
        lab.receive(first, &ask.text());
        let leg = lab.incoming().leg;
        let tag = lab.accept(leg);
        if first_is_closed {
            lab.input(Input::Closed { connection: 5 });
        }
        lab.told();
        let second = proved(&mut lab, "203.0.113.8:50000", 6);
        let unproved = flow(Transport::Tls, "203.0.113.9:50000", Some(7));
        let (ack, bye) = (lab.ask("ACK").tagged(&tag), lab.ask("BYE").tagged(&tag).cseq(2));
        lab.receive(unproved, &ack.text());
        assert!(matches!(lab.told()[..], [Event::Refused { why: "source", .. }]));
        lab.receive(second, &ack.text());
        assert_eq!(lab.told(), [Event::Confirmed { leg, sdp: None }], "closed: {first_is_closed}");
        lab.sent.clear();
        lab.receive(second, &bye.text());
        assert_eq!(lab.wrote(), ["200"], "closed: {first_is_closed}");
    }
}

#[test]
fn a_certificate_may_cancel_over_another_connection() {
    for first_is_closed in [false, true] {
        let mut lab = proving();
        let first = proved(&mut lab, "203.0.113.7:50000", 5);
        let ask = lab.ask("INVITE").sdp();
        lab.receive(first, &ask.text());
        let leg = lab.incoming().leg;
        if first_is_closed {
            lab.input(Input::Closed { connection: 5 });
        }
        let second = proved(&mut lab, "203.0.113.8:50000", 6);
        let cancel = lab.ask("CANCEL").without_contact().branch(ask.branch.trim_start_matches("z9hG4bK"));
        lab.sent.clear();
        lab.receive(second, &cancel.text());
        assert_eq!(lab.wrote().first().map(String::as_str), Some("200"), "closed: {first_is_closed}");
        assert_eq!(lab.told(), [ended(leg, Cause::CallerGaveUp, Some(487))]);
    }
}

#[test]
fn a_certificate_is_known_at_an_address_that_is_banned() {
    let mut lab = proving();
    for n in 0..10 {
        let ask = lab.register("801", &format!("guess-{n}"), 1, "Contact: <sip:evil@203.0.113.7>");
        let way = udp("203.0.113.7:5060");
        lab.receive(way, &ask.text());
        let challenged = lab.sent().pop().expect("a challenge");
        let again = lab.authorized(ask, &challenged, "wrong", 1);
        lab.receive(way, &again.text());
    }
    assert!(lab.told().iter().any(|event| matches!(event, Event::Banned(_))));
    let options = lab.ask("OPTIONS").text();
    for (way, answers) in [
        (flow(Transport::Tls, "203.0.113.7:50000", Some(4)), vec![]),
        (proved(&mut lab, "203.0.113.7:50001", 5), vec!["200"]),
    ] {
        lab.sent.clear();
        lab.receive(way, &options);
        assert_eq!(lab.wrote(), answers, "{way:?}");
    }
}

#[test]
fn what_is_begun_with_one_target_of_a_trunk_may_go_on_from_another() {
    let mut directory = directory();
    directory.trunks[0].sources.clear();
    directory.trunks[0].targets = vec![udp("192.0.2.10:5060"), udp("192.0.2.11:5070")];
    directory.trunks[0].probe = false;
    let mut lab = Lab::with(directory);
    let (way, invite) = to_trunk(&mut lab, 1, SDP);
    assert_eq!(way, udp("192.0.2.10:5060"));
    lab.told();
    lab.receive(udp("192.0.2.12:5060"), &answer(&invite, 200, "forged", SDP));
    assert!(matches!(lab.told()[..], [Event::Refused { why: "source", .. }]));
    lab.receive(udp("192.0.2.11:41000"), &answer(&invite, 200, "far", SDP));
    assert!(lab.told().iter().any(|event| matches!(event, Event::Answered { .. })));
    let bye = within(&invite, "BYE", "far", 1);
    for (from, status) in [("192.0.2.12:5060", "403"), ("192.0.2.10:5060", "200")] {
        lab.sent.clear();
        lab.receive(udp(from), &bye.text());
        assert_eq!(lab.wrote(), [status], "{from}");
    }
    // A new call is only as much as the sources say.
    let ask = lab.ask("INVITE").sdp().branch("new");
    lab.sent.clear();
    lab.receive(udp("192.0.2.10:5060"), &ask.text());
    assert_eq!(lab.wrote(), ["401"]);
}

#[test]
fn a_trunk_that_calls_from_elsewhere_gets_what_is_long_over_tcp_too() {
    let mut directory = directory();
    directory.listeners = vec![Listener { transport: Transport::Udp, address: OURS.parse().unwrap() }];
    directory.trunks[0].targets = vec![udp("192.0.2.10:5060")];
    let mut lab = Lab::with(directory);
    assert_eq!(to_trunk(&mut lab, 1, &long()).0, flow(Transport::Tcp, "192.0.2.10:5060", None));
}

/// An INVITE of the carrier to the same number as a `sips:` URI.
fn sips(lab: &mut Lab) -> Ask {
    let mut ask = lab.ask("INVITE").sdp();
    (ask.uri, ask.to) = ("sips:4001@192.0.2.1".to_owned(), "<sips:4001@192.0.2.1>".to_owned());
    ask
}

#[test]
fn a_sips_number_is_ours_over_tls_and_the_dialog_stays_one() {
    let way = |transport| flow(transport, "192.0.2.2:50000", Some(5));
    for (transport, contact) in [
        (Transport::Tls, "<sips:sibai@192.0.2.1:5060>"),
        (Transport::Wss, "<sips:sibai@192.0.2.1:5060;transport=ws>"),
    ] {
        let mut lab = Lab::new();
        let ask = sips(&mut lab);
        lab.receive(way(transport), &ask.text());
        let incoming = lab.incoming();
        assert_eq!(incoming.request_user, "4001");
        lab.sent.clear();
        lab.command(Command::Accept { leg: incoming.leg, sdp: SDP.to_owned() });
        let ok = lab.sent().pop().unwrap();
        assert_eq!(ok.header(Header::Contact).unwrap().text(), contact);
        let tag = ok.to_tag().unwrap();
        // In the dialog it is asked by that Contact.
        for (method, cseq) in [("ACK", 1), ("UPDATE", 2)] {
            let mut ask = lab.ask(method).cseq(cseq).tagged(&tag);
            ask.uri = contact.trim_matches(['<', '>']).to_owned();
            lab.receive(way(transport), &ask.text());
        }
        let answer = lab.sent().pop().unwrap();
        assert_eq!(
            (answer.status(), answer.header(Header::Contact).unwrap().text().as_ref()),
            (Some(200), contact)
        );
        lab.command(Command::HangUp { leg: incoming.leg, cause: Cause::FlowEnded });
        let bye = lab.sent().pop().unwrap();
        assert!(is_method(&bye, &Method::Bye));
    }
}

#[test]
fn a_sips_number_in_the_clear_is_refused() {
    for way in [udp(CARRIER), tcp(CARRIER, 1), flow(Transport::Ws, CARRIER, Some(2))] {
        let mut lab = Lab::new();
        let ask = sips(&mut lab);
        lab.receive(way, &ask.text());
        assert_eq!(lab.wrote(), ["416"], "{way:?}");
        assert!(lab.told().iter().all(|event| !matches!(event, Event::Arrived(_))));
    }
}

#[test]
fn a_phone_that_registered_a_sips_contact_is_called_as_one() {
    let mut lab = Lab::new();
    let way = flow(Transport::Tls, PHONE, Some(7));
    let ask = lab.register("801", "s", 1, "Contact: <sips:801@10.0.0.7:5061>");
    assert_eq!(lab.prove(way, ask).status(), Some(200));
    let (flow, invite) = call(&mut lab, 1);
    assert_eq!((flow, invite.uri().unwrap().to_string().as_str()), (way, "sips:801@10.0.0.7:5061"));
    assert_eq!(invite.header(Header::Contact).unwrap().text(), "<sips:sibai@192.0.2.1:5060>");
}

fn long() -> String {
    format!("{SDP}{}", "a=x-padding:0123456789012345678901234567890123456789\r\n".repeat(25))
}

fn to_trunk(lab: &mut Lab, leg: u64, sdp: &str) -> (Flow, Message) {
    let to = Destination::Trunk { trunk: "carrier".into(), number: "13800138001".to_owned() };
    let invite = Outgoing { sdp: sdp.to_owned(), ..outgoing(to) };
    lab.sent.clear();
    lab.command(Command::Place { leg: LegId::placed(leg), invite: Box::new(invite) });
    lab.sent.pop().expect("an INVITE was sent")
}

#[test]
fn what_is_too_long_for_udp_goes_over_tcp_and_back_where_that_is_refused() {
    let mut directory = directory();
    directory.listeners = vec![Listener { transport: Transport::Udp, address: OURS.parse().unwrap() }];
    directory.trunks[0].targets = vec![udp(CARRIER)];
    let mut lab = Lab::with(directory);
    let stream = flow(Transport::Tcp, CARRIER, None);
    let (way, invite) = to_trunk(&mut lab, 1, &long());
    assert_eq!((way, invite.via().unwrap().transport.as_str()), (stream, "TCP"));
    lab.wait(Duration::from_secs(2));
    assert!(lab.sent.iter().all(|(_, m)| !is_method(m, &Method::Invite)), "a stream repeats nothing");
    // Answered over the stream; the dialog itself is short and goes on over UDP.
    lab.sent.clear();
    lab.receive(flow(Transport::Tcp, CARRIER, Some(9)), &answer(&invite, 200, "far", SDP));
    let (way, ack) = lab.sent.pop().unwrap();
    assert_eq!(
        (way, brief(&ack).as_str(), ack.via().unwrap().transport.as_str()),
        (udp(CARRIER), "ACK", "UDP")
    );

    assert_eq!(to_trunk(&mut lab, 2, SDP).0, udp(CARRIER), "short ones as ever");
    let (_, over_tcp) = to_trunk(&mut lab, 3, &long());
    lab.input(Input::Unreachable { flow: stream });
    let (way, again) = lab.sent.pop().unwrap();
    assert_eq!((way, again.via().unwrap().transport.as_str()), (udp(CARRIER), "UDP"));
    assert_eq!(again.call_id(), over_tcp.call_id());
    assert_eq!(to_trunk(&mut lab, 4, &long()).0, udp(CARRIER), "it is not tried again at once");
    // The carrier answers its probes meanwhile: it is there, only without TCP.
    for _ in 0..660 {
        lab.wait(Duration::from_secs(1));
        for (_, probe) in std::mem::take(&mut lab.sent) {
            if is_method(&probe, &Method::Options) {
                lab.receive(udp(CARRIER), &answer(&probe, 200, "probe", ""));
            }
        }
    }
    assert_eq!(to_trunk(&mut lab, 5, &long()).0, stream);
}

#[test]
fn a_phone_on_udp_gets_long_requests_over_udp() {
    let mut lab = Lab::new();
    lab.register_phone();
    let to = Destination::Contact { user: "801".into(), contact: 1 };
    let invite = Outgoing { sdp: long(), ..outgoing(to) };
    lab.command(Command::Place { leg: LegId::placed(1), invite: Box::new(invite) });
    assert_eq!(lab.sent.pop().unwrap().0, udp(PHONE));
}
