//! Transports, flows and routes: how a peer is reached.

use std::net::{IpAddr, SocketAddr};

/// The transport protocols (RFC 3261 §18, RFC 7118).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// RFC 3261 §18.
    Udp,
    /// RFC 3261 §18, with framing.
    Tcp,
    /// TCP under TLS.
    Tls,
    /// WebSocket (RFC 7118): one message a frame.
    Ws,
    /// WebSocket under TLS.
    Wss,
}

impl Transport {
    /// Whether it delivers all or says so: nothing is repeated over it (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether it is a page's (RFC 7118).
    pub const fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Whether nobody on the way can read or change it.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// As a listener's scheme and the `transport` parameter of a URI say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The transport of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        all.into_iter().find(|transport| transport.as_str().eq_ignore_ascii_case(name))
    }

    /// Where it is listened for unless a port is named (RFC 3261 §19.1.2; RFC 7118 §5.2 leaves the web's).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// A way to a peer: from which of our addresses, over which transport, and for a stream which connection.
/// A phone that registered over a connection is called over that connection (RFC 5626 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// The protocol.
    pub transport: Transport,
    /// Our address on the route to the peer: concrete, never 0.0.0.0.
    pub local: SocketAddr,
    /// The peer's address as seen by us.
    pub remote: SocketAddr,
    /// The stream connection's number; `None` for UDP, or for a stream not opened yet.
    pub connection: Option<u64>,
    /// Which listener of the configuration it belongs to (digest algorithms are per listener). A trunk over
    /// TLS has a number of its own, after the listeners: its certificates are found by it.
    pub listener: u16,
}

/// The addresses on the way to a destination: `Endpoint::route(&self, &Destination) -> Option<Route>`.
/// `None` when the contact or trunk is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Our own address on that way; media sockets bind to it.
    pub local: IpAddr,
    /// What SDP toward that peer carries (public_address rule applied).
    pub advertised: IpAddr,
    /// The peer's address.
    pub peer: IpAddr,
    /// Nobody on the way to the next hop reads what is written: keys may stand in a description.
    pub confidential: bool,
    /// The peer is a page: its signalling comes over a WebSocket, and its media speaks DTLS and ICE only (RFC 8827).
    pub web: bool,
}
