//! Trunks: probes, passwords, failures, public addresses.

use super::*;

fn target() -> Flow {
    udp(CARRIER)
}

fn with_target() -> Directory {
    let mut directory = directory();
    directory.trunks[0].targets = vec![target()];
    directory
}

fn dial(lab: &mut Lab) -> (LegId, Message) {
    let leg = LegId::placed(1);
    let to = Destination::Trunk { trunk: "carrier".into(), number: "13900139000".to_owned() };
    lab.command(Command::Place { leg, invite: Box::new(outgoing(to)) });
    let invite = lab.sent().into_iter().find(|message| brief(message) == "INVITE").unwrap();
    (leg, invite)
}

#[test]
fn a_trunk_that_asks_gets_the_password_once_for_each_nonce() {
    for (status, asks, answers) in [
        (401, "WWW-Authenticate", Header::Authorization),
        (407, "Proxy-Authenticate", Header::ProxyAuthorization),
    ] {
        let mut lab = Lab::with(with_target());
        let (leg, invite) = dial(&mut lab);
        assert_eq!(invite.uri_text(), "sip:13900139000@carrier.test");
        let challenge = |nonce: &str, rest: &str| {
            format!(
                "{asks}: Digest realm=\"carrier.test\", nonce=\"{nonce}\", qop=\"auth\"{rest}\r\nContent-Length"
            )
        };
        let ask = answer(&invite, status, "t", "").replace("Content-Length", &challenge("n1", ""));
        lab.receive(target(), &ask);
        let sent = lab.sent();
        assert_eq!(sent.iter().map(brief).collect::<Vec<_>>(), ["ACK", "INVITE"]);
        let again = &sent[1];
        assert_eq!(
            (again.cseq().number, again.call_id(), again.from_tag()),
            (2, invite.call_id(), invite.from_tag())
        );
        assert_ne!(again.via().unwrap().branch(), invite.via().unwrap().branch());
        assert!(again.header(answers).unwrap().text().contains("username=\"account\""));
        assert_eq!(again.body(), invite.body());
        let stale =
            answer(again, status, "t", "").replace("Content-Length", &challenge("n2", ", stale=true"));
        lab.receive(target(), &stale);
        let third = lab.sent().pop().unwrap();
        assert!(third.header(answers).unwrap().text().contains("n2"));
        let wrong = answer(&third, status, "t", "").replace("Content-Length", &challenge("n3", ""));
        lab.receive(target(), &wrong);
        assert_eq!(lab.wrote(), ["ACK"], "the password is wrong: no more tries");
        assert_eq!(lab.told(), [ended(leg, Cause::TrunkFailed, Some(status))]);
    }
}

#[test]
fn the_ack_and_the_bye_of_an_authenticated_call_go_to_the_trunk() {
    let mut lab = Lab::with(with_target());
    let (leg, invite) = dial(&mut lab);
    let ok = answer(&invite, 200, "t", SDP).replace(
        "Contact: <sip:801@10.0.0.7:5060>",
        "Record-Route: <sip:192.0.2.2;lr>\r\nContact: <sip:gw@192.0.2.20>",
    );
    lab.receive(target(), &ok);
    let ack = lab.sent().pop().unwrap();
    assert_eq!(
        (ack.uri_text(), ack.list(Header::Route)),
        ("sip:gw@192.0.2.20", vec!["<sip:192.0.2.2;lr>".to_owned()])
    );
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    let bye = lab.sent().pop().unwrap();
    assert_eq!(bye.cseq().number, 2);
    let ask = answer(&bye, 407, "t", "")
        .replace("Content-Length", "Proxy-Authenticate: Digest realm=\"c\", nonce=\"b\"\r\nContent-Length");
    lab.receive(target(), &ask);
    let again = lab.sent().pop().unwrap();
    assert!(is_method(&again, &Method::Bye) && again.header(Header::ProxyAuthorization).is_some());
}

#[test]
fn a_trunk_may_name_another_of_its_addresses_and_nobody_elses() {
    for (contact, goes_to) in [("192.0.2.20:5066", "192.0.2.20:5066"), ("203.0.113.5:5066", CARRIER)] {
        let mut directory = with_target();
        directory.trunks[0].sources = vec!["192.0.2.0/24".parse().unwrap()];
        let mut lab = Lab::with(directory);
        let (_, invite) = dial(&mut lab);
        lab.receive(
            target(),
            &answer(&invite, 200, "t", SDP).replace("801@10.0.0.7:5060", &format!("gw@{contact}")),
        );
        let (way, ack) = lab.sent.pop().unwrap();
        assert_eq!((brief(&ack).as_str(), way.remote.to_string().as_str()), ("ACK", goes_to));
    }
}

#[test]
fn a_strict_router_gets_the_target_as_its_last_route() {
    let mut lab = Lab::with(with_target());
    let (_, invite) = dial(&mut lab);
    let ok = answer(&invite, 200, "t", SDP).replace(
        "Contact: <sip:801@10.0.0.7:5060>",
        "Record-Route: <sip:old.test>\r\nContact: <sip:gw@192.0.2.20>",
    );
    lab.receive(target(), &ok);
    let ack = lab.sent().pop().unwrap();
    assert_eq!(
        (ack.uri_text(), ack.list(Header::Route)),
        ("sip:old.test", vec!["<sip:gw@192.0.2.20>".to_owned()])
    );
}

#[test]
fn a_trunk_without_target_cannot_be_dialled() {
    let mut lab = Lab::new();
    let leg = LegId::placed(9);
    let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
    lab.command(Command::Place { leg, invite: Box::new(outgoing(to)) });
    assert_eq!(lab.told(), [ended(leg, Cause::TrunkFailed, None)]);
}

#[test]
fn each_refusal_of_a_trunk_has_its_cause() {
    for (status, cause) in
        [(403, Cause::TrunkFailed), (500, Cause::TrunkFailed), (302, Cause::TrunkFailed), (486, Cause::Busy)]
    {
        let mut lab = Lab::with(with_target());
        let (leg, invite) = dial(&mut lab);
        lab.receive(target(), &answer(&invite, status, "t", ""));
        assert_eq!(lab.told(), [ended(leg, cause, Some(status))]);
    }
}

#[test]
fn strangers_are_told_the_public_address_and_neighbours_the_local_one() {
    let mut directory = with_target();
    directory.public_address = Some("203.0.113.1".parse().unwrap());
    directory.local_networks = vec!["198.51.100.0/24".parse().unwrap()];
    let mut lab = Lab::with(directory);
    let (_, invite) = dial(&mut lab);
    assert_eq!(invite.via().unwrap().host, "203.0.113.1");
    assert_eq!(invite.contact().unwrap().uri.host_text(), Some("203.0.113.1"));
    let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
    let route = lab.endpoint.route(&to).unwrap();
    assert_eq!(
        (route.local.to_string(), route.advertised.to_string()),
        ("192.0.2.1".into(), "203.0.113.1".into())
    );
    lab.register_phone();
    let to = Destination::Contact { user: "801".into(), contact: 1 };
    assert_eq!(lab.endpoint.route(&to).unwrap().advertised.to_string(), "192.0.2.1");
    let ask = lab.ask("INVITE").sdp();
    lab.receive(udp(CARRIER), &ask.text());
    assert_eq!(lab.incoming().media_address.to_string(), "203.0.113.1");
}

#[test]
fn isup_beside_the_sdp_does_not_hide_it() {
    let mut lab = Lab::new();
    let mut ask = lab.ask("INVITE");
    ask.body = (
        "multipart/mixed;boundary=\"b1\"",
        format!(
            "--b1\r\nContent-Type: application/ISUP\r\n\r\n\u{1}\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n{SDP}--b1--\r\n"
        ),
    );
    lab.receive(udp(CARRIER), &ask.text());
    assert_eq!(lab.incoming().sdp.as_deref(), Some(SDP));
}
