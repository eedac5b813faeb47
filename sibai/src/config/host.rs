//! Hosts as they are written in engine.yaml: a name or an address, perhaps with a port.

use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::str::FromStr;

use base::PeerMatch;

/// A DNS server: an address, perhaps with a port.
pub(super) struct NameServer(pub SocketAddr);

impl FromStr for NameServer {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let usual = |ip| SocketAddr::new(ip, DNS_PORT);
        text.parse().or_else(|_| text.parse::<IpAddr>().map(usual)).map(Self)
    }
}

/// A name or address, perhaps with a port.
pub(super) fn is_host(host: &str) -> bool {
    if host.parse::<IpAddr>().is_ok() || host.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "5060"));
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let all_digits = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !all_digits && name.split('.').all(label) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A trunk's host without its port, as it stands in Request-URIs and certificates; IPv6 without brackets.
pub fn host_name(host: &str) -> &str {
    if let Some((name, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return name;
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
        _ => host,
    }
}

/// The port that is written with a trunk's host.
pub fn host_port(host: &str) -> Option<u16> {
    match host.parse::<SocketAddr>() {
        Ok(address) => Some(address.port()),
        Err(_) => host.rsplit_once(':').filter(|(name, _)| !name.contains(':'))?.1.parse().ok(),
    }
}

/// How a trunk is recognised by its host, when that is an address.
pub(super) fn own_address(host: &str) -> Option<PeerMatch> {
    host.parse().ok()
}

pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || own_address(host).is_some_and(|own| own.is_loopback())
}

/// RFC 1035 section 4.2.
const DNS_PORT: u16 = 53;
