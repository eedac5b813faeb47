//! From the configuration to what the SIP endpoint knows: users, trunks, addresses.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use base::{Name, PeerMatch};
use sip::seam::{Directory, Flow, Listener, Transport, Trunk, User};

use crate::config::Engine;
use crate::drive::net::Routes;
use crate::store::REALM;

/// The directory as of now: host names of trunks are looked up here.
pub(super) fn directory(engine: &Engine, listeners: &[Listener], users: HashMap<Name, User>) -> Directory {
    let trunks = engine.trunks.iter().map(|trunk| {
        let target = trunk.host.as_deref().and_then(|host| target(host, trunk.transport, listeners));
        if trunk.host.is_some() && target.is_none() {
            tracing::error!(trunk = %trunk.name, "its host has no address that a listener can reach");
        }
        let mut sources = trunk.allow_from.clone();
        // Who lets us register sends calls from there.
        if trunk.registration.is_some() {
            sources.extend(target.iter().map(|way| PeerMatch::Address(way.remote)));
        }
        Trunk {
            name: trunk.name.clone(),
            sources,
            targets: target.into_iter().collect(),
            host: trunk.host.as_deref().map_or_else(String::new, without_port),
            port: trunk.host.as_deref().and_then(port),
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
        users: Arc::new(users),
        trunks: trunks.collect(),
        answers_strangers: engine.sip.answer_unknown_options,
        public_address: engine.sip.public_address,
        local_networks: engine.sip.local_networks.clone(),
    }
}

/// The way to a trunk: its address, from the first listener of its transport and address family.
fn target(host: &str, transport: Transport, listeners: &[Listener]) -> Option<Flow> {
    let addresses: Vec<SocketAddr> = match host.parse() {
        Ok(address) => vec![address],
        Err(_) if has_port(host) => host.to_socket_addrs().ok()?.collect(),
        Err(_) => (host, SIP_PORT).to_socket_addrs().ok()?.collect(),
    };
    addresses.into_iter().find_map(|remote| {
        let (number, listener) = (0..)
            .zip(listeners)
            .find(|(_, l)| l.transport == transport && l.address.is_ipv4() == remote.is_ipv4())?;
        let local = Routes::default().local(listener.address, remote);
        Some(Flow { transport, local, remote, connection: None, listener: number })
    })
}

/// The host alone, as it stands in Request-URIs: the endpoint adds the port of the flow.
fn without_port(host: &str) -> String {
    match (host.parse::<SocketAddr>(), host.rsplit_once(':')) {
        (Ok(address), _) => address.ip().to_string(),
        (Err(_), Some((name, _))) if has_port(host) => name.to_owned(),
        _ => host.to_owned(),
    }
}

/// The port as written, unless it is the usual one.
fn port(host: &str) -> Option<u16> {
    let (_, port) = host.rsplit_once(':').filter(|_| has_port(host))?;
    port.parse().ok().filter(|&port| port != SIP_PORT)
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(name, port)| !name.contains(':') && port.parse::<u16>().is_ok())
}

/// RFC 3261 §19.1.2.
const SIP_PORT: u16 = 5060;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_uri_gets_the_host_without_its_port() {
        for (written, host) in [
            ("127.0.0.1:5080", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]:5080", "::1"),
            ("sip.carrier.example:5080", "sip.carrier.example"),
            ("sip.carrier.example", "sip.carrier.example"),
        ] {
            assert_eq!(without_port(written), host);
            assert!(sip::Uri::sip(Some("13800138001"), &without_port(written), Some(5080)).is_ok());
        }
    }

    #[test]
    fn a_host_without_port_is_5060() {
        let listener = Listener { transport: Transport::Udp, address: "0.0.0.0:5060".parse().unwrap() };
        let flow = target("127.0.0.1", Transport::Udp, &[listener]).unwrap();
        assert_eq!(flow.remote, "127.0.0.1:5060".parse().unwrap());
        assert_eq!(flow.local, "127.0.0.1:5060".parse().unwrap());
        assert!(target("127.0.0.1", Transport::Tcp, &[listener]).is_none());
    }
}
