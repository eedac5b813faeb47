//! Timer by timer, in virtual time: figures 5 to 8 of RFC 3261 with RFC 6026's Accepted.

mod conformance;

use std::time::Duration;

use base::Mono;
use bytes::Bytes;

use super::client::{self, Client};
use super::server::{self, Acknowledged, Server};
use super::table::{Table, Timed};
use super::*;
use crate::message::Carriage;
use crate::message::Message;
use crate::message::method::Method;
use crate::seam::{Flow, Transport};

fn flow(transport: Transport) -> Flow {
    let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
    Flow { transport, local, remote, connection: None, listener: 0 }
}

fn ring() -> Keyring {
    Keyring::new(&[7; 32])
}

fn at(millis: u64) -> Mono {
    Mono::ZERO + Duration::from_millis(millis)
}

fn request(method: &str) -> Message {
    let text = format!(
        "{method} sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n\
         From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.into(), Carriage::Datagram).unwrap()
}

fn response(method: &str, status: u16, tag: &str) -> Message {
    let text = format!(
        "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\n\
         To: <sip:b@h>;tag={tag}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.into(), Carriage::Datagram).unwrap()
}

/// Runs a machine's deadlines up to its end: when it repeated (in ms), and when and how it ended.
fn run<T: Timed, E: std::fmt::Debug>(
    machine: &mut T,
    mut expire: impl FnMut(&mut T, Mono) -> E,
    repeats: impl Fn(&E) -> bool,
) -> (Vec<u128>, u128, String) {
    let mut repeated = Vec::new();
    loop {
        let due = machine.deadline().expect("a machine that is not over has a deadline");
        let millis = due.since(Mono::ZERO).as_millis();
        let expired = expire(machine, due);
        if repeats(&expired) {
            assert!(machine.deadline().unwrap() > due);
            repeated.push(millis);
        } else {
            assert!(machine.is_over());
            return (repeated, millis, format!("{expired:?}"));
        }
    }
}

fn run_client(client: &mut Client<()>) -> (Vec<u128>, u128, String) {
    run(client, Client::expire, |expired| matches!(expired, client::Expired::Repeat(_)))
}

fn run_server(server: &mut Server) -> (Vec<u128>, u128, String) {
    run(server, Server::expire, |expired| matches!(expired, server::Expired::Repeat(_)))
}

#[test]
fn timers_a_and_b_an_invite_is_repeated_seven_times_and_given_up_after_32_s() {
    let mut client = Client::new(at(0), flow(Transport::Udp), request("INVITE"), ());
    let (repeated, ended, how) = run_client(&mut client);
    assert_eq!(repeated, [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!((ended, how.as_str()), (32_000, "TimedOut"));
}

#[test]
fn over_a_stream_an_invite_is_not_repeated_but_given_up_all_the_same() {
    let mut client = Client::new(at(0), flow(Transport::Tcp), request("INVITE"), ());
    assert_eq!(run_client(&mut client), (vec![], 32_000, "TimedOut".into()));
}

#[test]
fn a_provisional_response_stops_timers_a_and_b() {
    let mut client = Client::new(at(0), flow(Transport::Udp), request("INVITE"), ());
    assert!(client.receive(at(100), &response("INVITE", 180, "t")).pass);
    assert_eq!((client.state(), client.deadline()), (client::State::Proceeding, None));
    assert!(client.receive(at(200), &response("INVITE", 183, "t")).pass);
}

#[test]
fn timer_d_a_refusal_is_acked_each_time_and_told_once() {
    let mut client = Client::new(at(0), flow(Transport::Udp), request("INVITE"), ());
    let first = client.receive(at(100), &response("INVITE", 486, "t"));
    let ack = String::from_utf8(first.send.clone().unwrap().to_vec()).unwrap();
    assert!(first.pass && ack.starts_with("ACK sip:b@192.0.2.2 SIP/2.0\r\n"));
    assert!(ack.contains("branch=z9hG4bKx") && ack.contains("tag=t") && ack.contains("CSeq: 1 ACK"));
    let again = client.receive(at(200), &response("INVITE", 486, "t"));
    assert_eq!((again.send, again.pass), (first.send, false));
    // A late 2xx of a fork after a refusal is not ours to judge.
    assert_eq!(client.receive(at(300), &response("INVITE", 200, "u")), client::Received::default());
    assert_eq!(run_client(&mut client), (vec![], 32_100, "Over".into()));
}

#[test]
fn timer_d_is_zero_over_a_stream() {
    let mut client = Client::new(at(0), flow(Transport::Tcp), request("INVITE"), ());
    assert!(client.receive(at(100), &response("INVITE", 603, "t")).send.is_some());
    assert!(client.is_over());
}

#[test]
fn timer_m_every_2xx_reaches_its_owner_once_and_its_ack_is_repeated() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut client = Client::new(at(0), flow(transport), request("INVITE"), ());
        assert!(client.receive(at(100), &response("INVITE", 200, "t")).pass);
        client.acknowledge("t", Bytes::from_static(b"ACK t"));
        let again = client.receive(at(600), &response("INVITE", 200, "t"));
        assert_eq!((again.send.as_deref(), again.pass), (Some(&b"ACK t"[..]), false));
        let fork = client.receive(at(700), &response("INVITE", 200, "u"));
        assert_eq!((fork.send, fork.pass), (None, true));
        // A provisional of a third branch, or a refusal, is absorbed.
        assert_eq!(client.receive(at(800), &response("INVITE", 183, "v")), client::Received::default());
        assert_eq!(client.receive(at(800), &response("INVITE", 486, "v")), client::Received::default());
        assert_eq!(run_client(&mut client), (vec![], 32_100, "Over".into()));
    }
}

#[test]
fn timers_e_and_f_a_request_is_repeated_up_to_every_4_s() {
    let mut client = Client::new(at(0), flow(Transport::Udp), request("BYE"), ());
    let (repeated, ended, how) = run_client(&mut client);
    assert_eq!(repeated, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!((ended, how.as_str()), (32_000, "TimedOut"));
}

#[test]
fn timer_e_goes_on_at_t2_after_a_provisional_response() {
    let mut client = Client::new(at(0), flow(Transport::Udp), request("BYE"), ());
    assert!(client.receive(at(100), &response("BYE", 100, "t")).pass);
    let (repeated, ended, how) = run_client(&mut client);
    assert_eq!(repeated, [4100, 8100, 12100, 16100, 20100, 24100, 28100]);
    assert_eq!((ended, how.as_str()), (32_000, "TimedOut"));
}

#[test]
fn timer_k_absorbs_repeated_finals_for_5_s_and_not_at_all_over_a_stream() {
    let mut client = Client::new(at(0), flow(Transport::Udp), request("BYE"), ());
    assert!(client.receive(at(100), &response("BYE", 200, "t")).pass);
    assert!(!client.receive(at(200), &response("BYE", 200, "t")).pass);
    assert_eq!(run_client(&mut client), (vec![], 5_100, "Over".into()));
    let mut client = Client::new(at(0), flow(Transport::Tcp), request("BYE"), ());
    assert!(client.receive(at(100), &response("BYE", 200, "t")).pass);
    assert!(client.is_over());
}

#[test]
fn timers_g_and_h_a_refusal_is_repeated_until_its_ack() {
    let mut server = Server::new(flow(Transport::Udp), true, None);
    assert_eq!(server.repeated(), None);
    assert!(server.respond(at(0), 100, Bytes::from_static(b"100")));
    assert_eq!(server.repeated().as_deref(), Some(&b"100"[..]));
    assert!(server.respond(at(0), 180, Bytes::from_static(b"180")));
    assert_eq!(server.repeated().as_deref(), Some(&b"180"[..]));
    assert!(server.respond(at(0), 486, Bytes::from_static(b"486")));
    assert_eq!(server.repeated().as_deref(), Some(&b"486"[..]));
    assert!(!server.respond(at(0), 200, Bytes::from_static(b"200")), "one final response only");
    let (repeated, ended, _) = run_server(&mut server.clone());
    assert_eq!(repeated, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(ended, 32_000);
    assert_eq!(server.acknowledged(at(700)), Acknowledged::Absorbed);
    assert_eq!((server.state(), server.repeated()), (server::State::Confirmed, None));
    assert_eq!(run_server(&mut server), (vec![], 5_700, "Over".into()), "timer I");
}

#[test]
fn over_a_stream_a_refusal_waits_for_its_ack_without_repeating_and_timer_i_is_zero() {
    let mut server = Server::new(flow(Transport::Tcp), true, None);
    server.respond(at(0), 486, Bytes::from_static(b"486"));
    assert_eq!(run_server(&mut server.clone()), (vec![], 32_000, "Over".into()));
    server.acknowledged(at(100));
    assert!(server.is_over());
}

#[test]
fn timer_l_an_accepted_invite_is_absorbed_and_its_ack_is_the_dialogs() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut server = Server::new(flow(transport), true, None);
        server.respond(at(0), 180, Bytes::from_static(b"180"));
        assert!(server.respond(at(0), 200, Bytes::from_static(b"200")));
        assert_eq!((server.state(), server.repeated()), (server::State::Accepted, None));
        assert!(server.respond(at(500), 200, Bytes::from_static(b"200")), "the core may repeat its 2xx");
        assert!(!server.respond(at(500), 486, Bytes::from_static(b"486")));
        assert_eq!(server.acknowledged(at(600)), Acknowledged::ForDialog);
        assert_eq!(run_server(&mut server), (vec![], 32_000, "Over".into()));
    }
}

#[test]
fn timer_j_repeats_the_final_response_for_32_s_and_not_at_all_over_a_stream() {
    let mut server = Server::new(flow(Transport::Udp), false, None);
    assert_eq!(server.repeated(), None, "no answer yet: nothing to repeat");
    server.respond(at(0), 200, Bytes::from_static(b"200"));
    assert_eq!(server.repeated().as_deref(), Some(&b"200"[..]));
    assert_eq!(run_server(&mut server), (vec![], 32_000, "Over".into()));
    let mut server = Server::new(flow(Transport::Tcp), false, None);
    server.respond(at(0), 200, Bytes::from_static(b"200"));
    assert!(server.is_over());
}

#[test]
fn a_late_wake_up_repeats_once_and_not_once_for_each_missed_beat() {
    let mut client = Client::new(at(0), flow(Transport::Udp), request("BYE"), ());
    assert!(matches!(client.expire(at(10_000)), client::Expired::Repeat(_)));
    assert!(client.deadline().unwrap() > at(10_000));
    assert_eq!(client.expire(at(10_000)), client::Expired::Nothing);
}

#[test]
fn keys_tell_branches_senders_and_methods_apart_and_an_ack_finds_its_invite() {
    let invite = request("INVITE");
    let ack = request("ACK");
    assert_eq!(ring().server(&invite, invite.method()), ring().server(&ack, ack.method()));
    let cancel = request("CANCEL");
    assert_ne!(ring().server(&invite, invite.method()), ring().server(&cancel, cancel.method()));
    assert_eq!(ring().server(&invite, invite.method()), ring().server(&cancel, &Method::Invite));
    let other = Message::parse(
        String::from_utf8_lossy(invite.as_bytes()).replace("192.0.2.1;", "192.0.2.9;").into(),
        Carriage::Datagram,
    );
    let other = other.unwrap();
    assert_ne!(
        ring().server(&invite, invite.method()),
        ring().server(&other, other.method()),
        "sent-by counts"
    );
    assert_ne!(ring().client(&response("INVITE", 200, "t")), ring().client(&response("CANCEL", 200, "t")));
}

#[test]
fn a_branch_without_the_cookie_still_has_one_key() {
    let plain = |cseq: u32| {
        let text = String::from_utf8_lossy(request("BYE").as_bytes()).replace("z9hG4bKx", "1");
        Message::parse(text.replace("CSeq: 1", &format!("CSeq: {cseq}")).into(), Carriage::Datagram).unwrap()
    };
    assert_eq!(ring().server(&plain(1), &Method::Bye), ring().server(&plain(1), &Method::Bye));
    assert_ne!(ring().server(&plain(1), &Method::Bye), ring().server(&plain(2), &Method::Bye));
}

#[test]
fn a_table_wakes_the_earliest_and_forgets_what_is_over() {
    let mut table: Table<Server> = Table::default();
    let (early, late) = (ring().client(&request("INVITE")).unwrap(), ring().client(&request("BYE")).unwrap());
    for (key, start) in [(&late, 1000), (&early, 0)] {
        let mut server = Server::new(flow(Transport::Udp), false, None);
        server.respond(at(start), 200, Bytes::new());
        table.insert(key.clone(), server);
    }
    assert_eq!((table.len(), table.deadline()), (2, Some(at(32_000))));
    assert_eq!((table.due(at(31_999)), table.due(at(32_000))), (None, Some(early.clone())));
    let (_, over) = table.change(&early, |server| server.expire(at(32_000))).unwrap();
    assert!(over.is_some() && table.find(&early).is_none());
    assert_eq!(table.deadline(), Some(at(33_000)));
    table.remove(&late);
    assert_eq!((table.is_empty(), table.deadline()), (true, None));
}
