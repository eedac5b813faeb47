//! Whose address is this: networks and single peers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A network in CIDR notation, IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Whether `address` lies in it; a v4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.prefix);
                shift == 32 || net.to_bits() >> shift == ip.to_bits() >> shift
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.prefix);
                shift == 128 || net.to_bits() >> shift == ip.to_bits() >> shift
            }
            _ => false,
        }
    }

    /// Whether every address in it is of the loopback range.
    pub fn is_loopback(&self) -> bool {
        self.address.is_loopback() && (self.address.is_ipv6() || self.prefix >= 8)
    }
}

impl From<IpAddr> for Cidr {
    /// The network of this address alone.
    fn from(address: IpAddr) -> Self {
        Self { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network such as 10.0.0.0/8 or 203.0.113.7");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| wrong())?,
            None => widest,
        };
        if prefix > widest { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// How a trunk is recognised: a whole network, or one address with its port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerMatch {
    /// Any port of these addresses.
    Network(Cidr),
    /// This address and port only.
    Address(SocketAddr),
}

impl PeerMatch {
    /// Whether a packet from `source` is this peer's.
    pub fn covers(&self, source: SocketAddr) -> bool {
        match self {
            Self::Network(network) => network.contains(source.ip()),
            Self::Address(address) => *address == source,
        }
    }

    /// Whether only loopback addresses match.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Network(network) => network.is_loopback(),
            Self::Address(address) => address.ip().is_loopback(),
        }
    }
}

impl FromStr for PeerMatch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        text.parse().map(Self::Network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let net: Cidr = "172.16.0.0/12".parse().unwrap();
        assert!(net.contains("172.31.255.255".parse().unwrap()));
        assert!(!net.contains("172.32.0.0".parse().unwrap()));
        assert!(net.contains("::ffff:172.16.0.1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Cidr>().unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!("1.2.3.4/33".parse::<Cidr>().is_err());
    }

    #[test]
    fn an_address_alone_is_a_network_too() {
        for (own, other) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
            let [own, other] = [own, other].map(|text| text.parse::<IpAddr>().unwrap());
            let net = Cidr::from(own);
            assert_eq!((net.contains(own), net.contains(other)), (true, false));
            assert_eq!(net, own.to_string().parse().unwrap());
        }
    }

    #[test]
    fn a_peer_with_a_port_is_that_port_only() {
        let peer: PeerMatch = "127.0.0.1:5080".parse().unwrap();
        assert!(peer.covers("127.0.0.1:5080".parse().unwrap()));
        assert!(!peer.covers("127.0.0.1:5081".parse().unwrap()));
        assert!(peer.is_loopback());
    }
}
