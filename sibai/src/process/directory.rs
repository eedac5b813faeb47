//! From the configuration to what the SIP endpoint knows: users, trunks, addresses.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use base::{Name, PeerMatch};
use sip::seam::{Directory, Flow, Listener, Transport, Trunk, User};

use super::places::Places;
use crate::config::{Engine, host_name, host_port};
use crate::drive::dns::Place;
use crate::drive::net::Routes;
use crate::drive::tls::number_of_trunk;
use crate::store::REALM;

/// The directory as of now; `places` are those of each trunk's host.
pub(super) fn directory(
    engine: &Engine,
    listeners: &[Listener],
    users: Arc<HashMap<Name, User>>,
    places: &Places,
) -> Directory {
    let trunks = engine.trunks.iter().enumerate().map(|(at, trunk)| {
        let found = places.get(at).map(Vec::as_slice).unwrap_or_default();
        // A trunk's certificates are found by a number of its own.
        let number = trunk.tls.is_some().then(|| number_of_trunk(listeners.len(), at));
        let targets: Vec<Flow> = found.iter().filter_map(|&place| target(place, listeners, number)).collect();
        if trunk.host.is_some() && targets.is_empty() {
            tracing::error!(trunk = %trunk.name, "its host has no address that a listener can reach");
        }
        let mut sources = trunk.allow_from.clone();
        // Who lets us register sends calls from there, and so does a name of which nothing else is written.
        if trunk.registration.is_some() || (trunk.allow_from.is_empty() && trunk.tls_client.is_none()) {
            let written = trunk.host.as_deref().and_then(host_port);
            sources.extend(targets.iter().map(|way| source(way, written)));
        }
        Trunk {
            name: trunk.name.clone(),
            sources,
            certificate: trunk.tls_client.clone(),
            targets,
            host: trunk.host.as_deref().map_or_else(String::new, |host| host_name(host).to_owned()),
            port: trunk.host.as_deref().and_then(|host| port(host, trunk.transport)),
            probe: trunk.probe,
            registration: trunk.registration.clone(),
            uri: trunk.uri,
            credentials: trunk.user.clone().zip(trunk.password.clone()),
        }
    });
    Directory {
        realm: REALM.to_owned(),
        listeners: listeners.to_vec(),
        algorithms: engine.sip.listen.iter().map(|listener| listener.digest.clone()).collect(),
        users,
        trunks: trunks.collect(),
        answers_strangers: engine.sip.answer_unknown_options,
        public_address: engine.sip.public_address,
        local_networks: engine.sip.local_networks.clone(),
    }
}

/// The way to a place, from the first listener of its transport and address family; none without one.
fn target((transport, remote): Place, listeners: &[Listener], tls: Option<u16>) -> Option<Flow> {
    let found = (0..)
        .zip(listeners)
        .find(|(_, l)| l.transport == transport && l.address.is_ipv4() == remote.is_ipv4())
        .map(|(number, listener)| (number, listener.address));
    let (listener, bound) = if transport == Transport::Tls {
        // Over TLS a trunk can be called without listening for it: what it sends comes back over the connection
        // (RFC 5923). Without certificates of its own it cannot: DNS told of TLS, engine.yaml did not.
        (tls?, found.map_or_else(|| any(remote, transport.default_port()), |(_, bound)| bound))
    } else {
        found?
    };
    let local = Routes::default().local(bound, remote);
    Some(Flow { transport, local, remote, connection: None, listener })
}

/// As an address in engine.yaml is read: any port of it, unless one is written.
fn source(way: &Flow, written: Option<u16>) -> PeerMatch {
    match written {
        Some(_) => PeerMatch::Address(way.remote),
        None => PeerMatch::Network(way.remote.ip().into()),
    }
}

/// The unspecified address of the peer's family.
fn any(remote: SocketAddr, port: u16) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
    }
}

/// The port as written, unless it is the transport's usual one.
fn port(host: &str, transport: Transport) -> Option<u16> {
    host_port(host).filter(|&port| port != transport.default_port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_uri_gets_the_host_without_its_port() {
        for (written, host) in [
            ("127.0.0.1:5080", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:5080", "::1"),
            ("sip.carrier.example:5080", "sip.carrier.example"),
            ("sip.carrier.example", "sip.carrier.example"),
        ] {
            assert_eq!(host_name(written), host);
            assert!(sip::Uri::sip(Some("13800138001"), host_name(written), Some(5080)).is_ok());
        }
    }

    #[test]
    fn a_port_is_told_only_where_it_is_written_and_not_the_usual_one() {
        for (written, found) in [
            ("127.0.0.1:5080", Some(5080)),
            ("127.0.0.1:5060", None),
            ("127.0.0.1", None),
            ("::1", None),
            ("[::1]:5080", Some(5080)),
            ("sip.carrier.example:5080", Some(5080)),
            ("sip.carrier.example", None),
        ] {
            assert_eq!(port(written, Transport::Udp), found, "{written}");
        }
    }

    #[test]
    fn a_place_is_reached_from_the_first_listener_of_its_kind() {
        let listener = |transport, address: &str| Listener { transport, address: address.parse().unwrap() };
        let listeners = [listener(Transport::Tcp, "0.0.0.0:5060"), listener(Transport::Udp, "0.0.0.0:5062")];
        let place = |transport, address: &str| (transport, address.parse().unwrap());
        let flow = target(place(Transport::Udp, "127.0.0.1:5060"), &listeners, None).unwrap();
        assert_eq!((flow.local, flow.listener), ("127.0.0.1:5062".parse().unwrap(), 1));
        assert_eq!(flow.remote, "127.0.0.1:5060".parse().unwrap());
        assert!(target(place(Transport::Udp, "[::1]:5060"), &listeners, None).is_none());
        assert!(target(place(Transport::Udp, "127.0.0.1:5060"), &listeners[..1], None).is_none());
        let tls = place(Transport::Tls, "127.0.0.1:5061");
        let flow = target(tls, &listeners, Some(7)).unwrap();
        assert_eq!((flow.local, flow.listener), ("127.0.0.1:5061".parse().unwrap(), 7));
        assert!(target(tls, &listeners, None).is_none());
    }

    fn at(n: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, n], 5062))
    }

    /// The only trunk of an engine.yaml, whose host is at these three places.
    fn trunk(yaml: &str) -> Trunk {
        let engine = crate::config::tests::engine(&format!("trunks: [{{ name: a, {yaml} }}]"));
        let ways = [(Transport::Tcp, at(1)), (Transport::Udp, at(2)), (Transport::Udp, at(3))];
        let listeners = [Listener { transport: Transport::Udp, address: "0.0.0.0:5060".parse().unwrap() }];
        let places = vec![ways.to_vec()];
        directory(&engine, &listeners, Arc::default(), &places).trunks.remove(0)
    }

    #[test]
    fn a_trunk_is_called_at_all_its_places_that_can_be_reached() {
        let trunk = trunk("host: carrier.test");
        assert_eq!(trunk.targets.iter().map(|way| way.remote).collect::<Vec<_>>(), [at(2), at(3)]);
    }

    #[test]
    fn where_a_trunk_is_called_it_also_calls_from_unless_something_else_is_written() {
        let account = "register: true, user: env:PATH, password: env:PATH";
        let any_port = [at(2), at(3)].map(|place| PeerMatch::Network(place.ip().into()));
        let one_port = [at(2), at(3)].map(PeerMatch::Address);
        let written = "192.0.2.7".parse::<PeerMatch>().unwrap();
        assert_eq!(trunk("host: carrier.test").sources, any_port);
        assert_eq!(trunk("host: \"carrier.test:5062\"").sources, one_port);
        assert_eq!(trunk(&format!("host: carrier.test, {account}")).sources, any_port);
        let both = trunk(&format!("host: carrier.test, {account}, allow_from: [192.0.2.7]"));
        assert_eq!(both.sources, [&[written][..], &any_port].concat());
        assert_eq!(trunk("host: carrier.test, allow_from: [192.0.2.7]").sources, [written]);
    }

    #[test]
    fn each_place_of_a_trunk_over_tls_has_the_number_of_its_certificates() {
        let yaml = "trunks: [{ name: a, host: 127.0.0.9 }, { name: b, host: carrier.test, transport: tls }]";
        let engine = crate::config::tests::engine(yaml);
        let listeners = [Listener { transport: Transport::Udp, address: "0.0.0.0:5060".parse().unwrap() }];
        let places = vec![vec![], vec![(Transport::Tls, at(1)), (Transport::Tls, at(2))]];
        let directory = directory(&engine, &listeners, Arc::default(), &places);
        let numbers: Vec<u16> = directory.trunks[1].targets.iter().map(|way| way.listener).collect();
        assert_eq!(numbers, [number_of_trunk(1, 1); 2]);
    }
}
