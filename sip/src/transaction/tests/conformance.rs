//! Figures 5 to 8 of RFC 3261 with RFC 6026, edge by edge: each state, each event, on datagrams and on streams.

use std::time::Duration;

use base::Mono;
use bytes::Bytes;

use super::super::client::{self, Client};
use super::super::server::{self, Acknowledged, Server};
use super::super::table::Timed;
use super::{at, flow, request, response};
use crate::seam::Transport;

/// State, event, what follows on a datagram, what follows on a stream (`=`: the same). What follows is the next
/// state and what goes out: `pass` to the owner, `send` an ACK or a response, `repeat` by a timer.
type Edge = (&'static str, &'static str, &'static str, &'static str);

/// Figure 5: INVITE client. The ACK of a 2xx is the owner's; its repetition we keep here (section 13.2.2.4).
const INVITE_CLIENT: &[Edge] = &[
    ("Calling", "100", "Proceeding pass", "="),
    ("Calling", "180", "Proceeding pass", "="),
    ("Calling", "200", "Accepted pass", "="),
    ("Calling", "486", "Completed send pass", "Terminated send pass"),
    ("Calling", "timer", "Calling repeat", "Terminated timeout"),
    ("Calling", "B", "Terminated timeout", "="),
    ("Proceeding", "100", "Proceeding pass", "="),
    ("Proceeding", "180", "Proceeding pass", "="),
    ("Proceeding", "200", "Accepted pass", "="),
    ("Proceeding", "486", "Completed send pass", "Terminated send pass"),
    ("Proceeding", "timer", "Proceeding none", "="),
    ("Proceeding", "B", "Proceeding", "="),
    ("Completed", "180", "Completed", ""),
    ("Completed", "200", "Completed", ""),
    ("Completed", "486", "Completed send", ""),
    ("Completed", "timer", "Terminated over", ""),
    ("Accepted", "180", "Accepted", "="),
    ("Accepted", "200", "Accepted send", "="),
    ("Accepted", "200 of another fork", "Accepted pass", "="),
    ("Accepted", "486", "Accepted", "="),
    ("Accepted", "timer", "Terminated over", "="),
    ("Terminated", "180", "", "Terminated"),
    ("Terminated", "200", "", "Terminated"),
    ("Terminated", "486", "", "Terminated"),
];

/// Figure 6: other client.
const OTHER_CLIENT: &[Edge] = &[
    ("Calling", "100", "Proceeding pass", "="),
    ("Calling", "200", "Completed pass", "Terminated pass"),
    ("Calling", "486", "Completed pass", "Terminated pass"),
    ("Calling", "timer", "Calling repeat", "Terminated timeout"),
    ("Calling", "F", "Terminated timeout", "="),
    ("Proceeding", "100", "Proceeding pass", "="),
    ("Proceeding", "200", "Completed pass", "Terminated pass"),
    ("Proceeding", "486", "Completed pass", "Terminated pass"),
    ("Proceeding", "timer", "Proceeding repeat", "Terminated timeout"),
    ("Proceeding", "F", "Terminated timeout", "="),
    ("Completed", "100", "Completed", ""),
    ("Completed", "200", "Completed", ""),
    ("Completed", "486", "Completed", ""),
    ("Completed", "timer", "Terminated over", ""),
    ("Terminated", "200", "", "Terminated"),
];

/// Figure 7: INVITE server.
const INVITE_SERVER: &[Edge] = &[
    ("Proceeding", "request", "Proceeding send", "="),
    ("Proceeding", "ACK", "Proceeding", "="),
    ("Proceeding", "say 180", "Proceeding send", "="),
    ("Proceeding", "say 200", "Accepted send", "="),
    ("Proceeding", "say 486", "Completed send", "="),
    ("Proceeding", "timer", "Proceeding none", "="),
    ("Completed", "request", "Completed send", "="),
    ("Completed", "ACK", "Confirmed", "Terminated"),
    ("Completed", "say 180", "Completed", "="),
    ("Completed", "say 200", "Completed", "="),
    ("Completed", "say 486", "Completed", "="),
    ("Completed", "timer", "Completed repeat", "Terminated over"),
    ("Completed", "H", "Terminated over", "="),
    ("Confirmed", "request", "Confirmed", ""),
    ("Confirmed", "ACK", "Confirmed", ""),
    ("Confirmed", "say 200", "Confirmed", ""),
    ("Confirmed", "timer", "Terminated over", ""),
    ("Accepted", "request", "Accepted", "="),
    ("Accepted", "ACK", "Accepted pass", "="),
    ("Accepted", "say 180", "Accepted", "="),
    ("Accepted", "say 200", "Accepted send", "="),
    ("Accepted", "say 486", "Accepted", "="),
    ("Accepted", "timer", "Terminated over", "="),
];

/// Figure 8: other server.
const OTHER_SERVER: &[Edge] = &[
    ("Proceeding", "request", "Proceeding", "="),
    ("Proceeding", "say 200", "Completed send", "Terminated send"),
    ("Proceeding", "say 486", "Completed send", "Terminated send"),
    ("Proceeding", "timer", "Proceeding none", "="),
    ("Completed", "request", "Completed send", ""),
    ("Completed", "say 200", "Completed", ""),
    ("Completed", "timer", "Terminated over", ""),
];

/// Runs a table: each edge from a fresh machine, on both kinds of transport.
fn run(table: &[Edge], follow: impl Fn(Transport, &str, &str) -> String) {
    for &(state, event, datagram, stream) in table {
        let stream = if stream == "=" { datagram } else { stream };
        for (transport, expected) in [(Transport::Udp, datagram), (Transport::Tcp, stream)] {
            // A state that this transport does not have.
            if !expected.is_empty() {
                assert_eq!(follow(transport, state, event), expected, "{state}, {event}, {transport:?}");
            }
        }
    }
}

fn told(state: impl std::fmt::Debug, outcome: &str) -> String {
    format!("{state:?} {outcome}").trim_end().to_owned()
}

fn client_follows(method: &str, transport: Transport, state: &str, event: &str) -> String {
    let mut client = Client::new(at(0), flow(transport), request(method), ());
    let reaches: &[u16] = match (method, state) {
        (_, "Proceeding") => &[100],
        ("INVITE", "Accepted") => &[180, 200],
        (_, "Completed" | "Terminated") => &[486],
        _ => &[],
    };
    for &status in reaches {
        client.receive(at(100), &response(method, status, "t"));
    }
    if state == "Accepted" {
        client.acknowledge("t", Bytes::from_static(b"ACK"));
    }
    assert_eq!(format!("{:?}", client.state()), state);
    let outcome = match event {
        "timer" => client.deadline().map_or("none", |due| expired(&client.expire(due))),
        "B" | "F" => expired(&client.expire(at(32_000))),
        "200 of another fork" => received(&client.receive(at(200), &response(method, 200, "u"))),
        status => received(&client.receive(at(200), &response(method, status.parse().unwrap(), "t"))),
    };
    told(client.state(), outcome)
}

fn received(received: &client::Received) -> &'static str {
    match (received.send.is_some(), received.pass) {
        (true, true) => "send pass",
        (true, false) => "send",
        (false, true) => "pass",
        (false, false) => "",
    }
}

fn expired(expired: &client::Expired) -> &'static str {
    match expired {
        client::Expired::Nothing => "",
        client::Expired::Repeat(_) => "repeat",
        client::Expired::TimedOut => "timeout",
        client::Expired::Over => "over",
    }
}

fn server_follows(is_invite: bool, transport: Transport, state: &str, event: &str) -> String {
    let mut server = Server::new(flow(transport), is_invite, None);
    let say = |server: &mut Server, now: Mono, status: u16| {
        if server.respond(now, status, Bytes::from(status.to_string())) { "send" } else { "" }
    };
    if is_invite {
        say(&mut server, at(0), 180);
    }
    match state {
        "Completed" => drop(say(&mut server, at(100), 486)),
        "Accepted" => drop(say(&mut server, at(100), 200)),
        "Confirmed" => {
            say(&mut server, at(100), 486);
            server.acknowledged(at(200));
        }
        _ => {}
    }
    assert_eq!(format!("{:?}", server.state()), state);
    let expired = |expired| match expired {
        server::Expired::Nothing => "",
        server::Expired::Repeat(_) => "repeat",
        server::Expired::Over => "over",
    };
    let outcome = match event {
        "request" => server.repeated().map_or("", |_| "send"),
        "ACK" => match server.acknowledged(at(300)) {
            Acknowledged::ForDialog => "pass",
            Acknowledged::Absorbed => "",
        },
        "timer" => server.deadline().map_or("none", |due| expired(server.expire(due))),
        "H" => expired(server.expire(at(32_100))),
        said => say(&mut server, at(300), said.strip_prefix("say ").unwrap().parse().unwrap()),
    };
    told(server.state(), outcome)
}

#[test]
fn figure_5_and_rfc_6026_an_invite_client_follows_every_edge() {
    run(INVITE_CLIENT, |transport, state, event| client_follows("INVITE", transport, state, event));
}

#[test]
fn figure_6_another_client_follows_every_edge() {
    run(OTHER_CLIENT, |transport, state, event| client_follows("BYE", transport, state, event));
}

#[test]
fn figure_7_and_rfc_6026_an_invite_server_follows_every_edge() {
    run(INVITE_SERVER, |transport, state, event| server_follows(true, transport, state, event));
}

#[test]
fn figure_8_another_server_follows_every_edge() {
    run(OTHER_SERVER, |transport, state, event| server_follows(false, transport, state, event));
}

#[test]
fn each_timer_has_its_value_on_each_kind_of_transport() {
    let ends = |mut client: Client<()>| {
        let mut last = Duration::ZERO;
        while let Some(due) = client.deadline().filter(|_| !client.is_over()) {
            last = due.since(at(0));
            client.expire(due);
        }
        last.as_millis()
    };
    let client = |method: &str, transport, status: Option<u16>| {
        let mut client = Client::new(at(0), flow(transport), request(method), ());
        if let Some(status) = status {
            client.receive(at(0), &response(method, status, "t"));
        }
        ends(client)
    };
    let server = |is_invite, transport, statuses: &[u16], is_acked: bool| {
        let mut server = Server::new(flow(transport), is_invite, None);
        for &status in statuses {
            server.respond(at(0), status, Bytes::from_static(b"x"));
        }
        if is_acked {
            server.acknowledged(at(0));
        }
        let mut last = Duration::ZERO;
        while let Some(due) = server.deadline().filter(|_| !server.is_over()) {
            last = due.since(at(0));
            server.expire(due);
        }
        last.as_millis()
    };
    let (udp, tcp) = (Transport::Udp, Transport::Tcp);
    let table = [
        ("B", client("INVITE", udp, None), client("INVITE", tcp, None), 32_000, 32_000),
        ("D", client("INVITE", udp, Some(486)), client("INVITE", tcp, Some(486)), 32_000, 0),
        ("F", client("BYE", udp, None), client("BYE", tcp, None), 32_000, 32_000),
        ("K", client("BYE", udp, Some(200)), client("BYE", tcp, Some(200)), 5_000, 0),
        ("M", client("INVITE", udp, Some(200)), client("INVITE", tcp, Some(200)), 32_000, 32_000),
        ("H", server(true, udp, &[486], false), server(true, tcp, &[486], false), 32_000, 32_000),
        ("I", server(true, udp, &[486], true), server(true, tcp, &[486], true), 5_000, 0),
        ("J", server(false, udp, &[200], false), server(false, tcp, &[200], false), 32_000, 0),
        ("L", server(true, udp, &[200], false), server(true, tcp, &[200], false), 32_000, 32_000),
    ];
    for (timer, on_udp, on_tcp, datagram, stream) in table {
        assert_eq!((on_udp, on_tcp), (datagram, stream), "timer {timer}");
    }
}

#[test]
fn a_request_that_nobody_waits_for_ends_even_after_a_provisional_response() {
    let mut client = Client::new(at(0), flow(Transport::Udp), request("INVITE"), ());
    client.receive(at(100), &response("INVITE", 180, "t"));
    assert_eq!(client.deadline(), None);
    client.end_by(at(40_000));
    assert_eq!((client.deadline(), client.expire(at(40_000))), (Some(at(40_000)), client::Expired::Over));
}
