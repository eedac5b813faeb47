//! Via: the way that a request came, and the way its responses go back (RFC 3261 section 20.42, RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::HeaderFault;
use super::params::{self, Params};
use super::uri::{self, Host};
use crate::lex::{self, Cut};

/// One hop. Several may stand in one header line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Via {
    /// What carried the request.
    pub transport: ViaTransport,
    /// The sender's host as written, IPv6 in brackets.
    pub host: String,
    /// The sender's port, when one is written.
    pub port: Option<u16>,
    /// branch, received, rport and the like.
    pub params: Params,
}

/// The transport of a Via's sent-protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the transports")]
pub enum ViaTransport {
    Udp,
    Tcp,
    Tls,
    Sctp,
    Ws,
    Wss,
    /// One that we do not know, as written.
    Other(Box<str>),
}

impl ViaTransport {
    /// The transport of this name, in any case.
    pub fn from_name(name: &str) -> Self {
        if name == "UDP" {
            return Self::Udp;
        }
        let known = [Self::Udp, Self::Tcp, Self::Tls, Self::Sctp, Self::Ws, Self::Wss];
        let found = known.into_iter().find(|transport| transport.as_str().eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| Self::Other(name.into()))
    }

    /// As it is written in a Via.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Sctp => "SCTP",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Other(name) => name,
        }
    }

    /// The port when none is written.
    pub const fn default_port(&self) -> u16 {
        match self {
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
            Self::Udp | Self::Tcp | Self::Sctp | Self::Other(_) => 5060,
        }
    }
}

impl Via {
    /// Our own hop; `rport` is asked for always (RFC 3581 section 3).
    pub fn new(transport: ViaTransport, local: SocketAddr, branch: &str) -> Self {
        let mut params = Params::default();
        params.set_flag("rport");
        params.set("branch", branch);
        let host = match local.ip() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        Self { transport, host, port: Some(local.port()), params }
    }

    /// Reads one hop; a list is split before.
    pub fn parse(text: &str) -> Result<Self, HeaderFault> {
        Pieces::scan(text).as_ref().map(Self::of).ok_or(HeaderFault::Malformed)
    }

    /// Of pieces that have been found already.
    pub(crate) fn of(pieces: &Pieces) -> Self {
        Self {
            transport: ViaTransport::from_name(pieces.transport),
            host: pieces.host.to_owned(),
            port: pieces.port,
            params: Params::scanned(pieces.params),
        }
    }

    /// The branch; one that begins with [`MAGIC_COOKIE`] names the transaction.
    pub fn branch(&self) -> Option<&str> {
        self.params.raw("branch")
    }

    /// The address that the request really came from.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.raw("received")?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The port that the request really came from; `None` when not asked for or not yet filled in.
    pub fn rport(&self) -> Option<u16> {
        self.params.raw("rport").and_then(lex::number)
    }

    /// The host that the sender names.
    pub fn sent_host(&self) -> Option<Host<'_>> {
        uri::host(&self.host)
    }

    /// The port that the sender names, or the transport's default.
    pub fn sent_port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.transport.default_port())
    }

    /// Fills in where the request really came from; `rport` even when it was not asked for, because a
    /// phone behind NAT is reached in no other way.
    #[must_use]
    pub fn seen_from(mut self, source: SocketAddr) -> Self {
        self.params.set("received", &source.ip().to_canonical().to_string());
        self.params.set("rport", &source.port().to_string());
        self
    }

    /// Where a response goes over an unreliable transport (RFC 3261 section 18.2.2, RFC 3581 section 4);
    /// `None` when a name would have to be resolved.
    pub fn return_address(&self) -> Option<SocketAddr> {
        let sent = || match self.sent_host()? {
            Host::Address(ip) => Some(ip),
            Host::Name(_) => None,
        };
        let ip = self.received().or_else(sent)?;
        Some(SocketAddr::new(ip, self.rport().unwrap_or_else(|| self.sent_port())))
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport.as_str(), self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

/// What a branch of RFC 3261 begins with.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// Where the pieces of a hop lie in the text that was scanned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cuts {
    transport: Cut,
    host: Cut,
    port: Option<u16>,
    params: Cut,
}

impl Cuts {
    /// The pieces of the very text that was scanned.
    pub(crate) fn pieces(self, text: &str) -> Pieces<'_> {
        let Self { transport, host, port, params } = self;
        Pieces { transport: transport.of(text), host: host.of(text), port, params: params.of(text) }
    }
}

/// Transport, port, and the longest address with the names of its parameters.
const ROOM_FOR_SOURCE: usize = 90;

/// A hop cut into its texts.
pub(crate) struct Pieces<'a> {
    transport: &'a str,
    pub(crate) host: &'a str,
    port: Option<u16>,
    params: &'a str,
}

impl<'a> Pieces<'a> {
    /// Cuts `text`; white space may stand round each `/` and each `:` (RFC 4475 section 3.1.1.1).
    pub(crate) fn scan(text: &'a str) -> Option<Self> {
        let text = lex::trim(text);
        // As nearly everyone writes it.
        let rest = text.strip_prefix("SIP/2.0/").or_else(|| after_version(text))?;
        let rest = lex::trim(rest);
        let (transport, rest) = rest.split_at(lex::find_lws(rest)?);
        let end = lex::find(rest.as_bytes(), b';').unwrap_or(rest.len());
        let (sent_by, params) = rest.split_at(end);
        let (host, port) = uri::host_and_port(lex::trim(sent_by))?;
        let sound = lex::is_token(transport.as_bytes()) && params::scan(params);
        sound.then_some(Self { transport, host, port, params: lex::trim(params) })
    }

    /// Where they lie in `text`, which was scanned.
    pub(crate) fn cuts(&self, text: &str) -> Option<Cuts> {
        let lies = |piece| Cut::within(text, piece);
        Some(Cuts {
            transport: lies(self.transport)?,
            host: lies(self.host)?,
            port: self.port,
            params: lies(self.params)?,
        })
    }

    /// The hop with where the request really came from, as [`Via::seen_from`] fills it in.
    pub(crate) fn seen_from(&self, source: SocketAddr) -> String {
        use std::fmt::Write;
        let mut text = String::with_capacity(self.host.len() + self.params.len() + ROOM_FOR_SOURCE);
        let transport = ViaTransport::from_name(self.transport);
        // Writing into a string cannot fail.
        let _ = write!(text, "SIP/2.0/{} {}", transport.as_str(), self.host);
        if let Some(port) = self.port {
            let _ = write!(text, ":{port}");
        }
        let filled = |name: &str| ["received", "rport"].iter().any(|ours| name.eq_ignore_ascii_case(ours));
        for (name, value) in params::pairs(self.params).filter(|(name, _)| !filled(name)) {
            text.extend([";", name]);
            text.extend(value.iter().flat_map(|value| ["=", value]));
        }
        let ip = source.ip().to_canonical();
        let _ = write!(text, ";received={ip};rport={}", source.port());
        text
    }

    /// The branch as written.
    pub(crate) fn branch(&self) -> Option<&'a str> {
        params::find(self.params, "branch")?.1
    }

    /// The port that the sender names, or the transport's default.
    pub(crate) fn sent_port(&self) -> u16 {
        self.port.unwrap_or_else(|| ViaTransport::from_name(self.transport).default_port())
    }
}

/// What follows `SIP / 2.0 /`.
fn after_version(text: &str) -> Option<&str> {
    let (name, rest) = cut(text)?;
    let (version, rest) = cut(rest)?;
    (lex::trim(name).eq_ignore_ascii_case("SIP") && lex::trim(version) == "2.0").then_some(rest)
}

/// Round the first `/`.
fn cut(text: &str) -> Option<(&str, &str)> {
    let at = lex::find(text.as_bytes(), b'/')?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_is_read_through_white_space() {
        let via = Via::parse("SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8 ")
            .unwrap();
        assert_eq!(via.transport, ViaTransport::Tcp);
        assert_eq!((via.host.as_str(), via.branch()), ("spindle.example.com", Some("z9hG4bK9ikj8")));
    }

    #[test]
    fn the_answer_goes_to_where_the_request_came_from() {
        let via = Via::parse("SIP/2.0/UDP [2001:db8::9]:5062;branch=z9hG4bKx;rport").unwrap();
        assert_eq!(via.return_address(), Some("[2001:db8::9]:5062".parse().unwrap()));
        let seen = via.seen_from("192.0.2.7:1024".parse().unwrap());
        assert_eq!(seen.return_address(), Some("192.0.2.7:1024".parse().unwrap()));
        assert_eq!(
            seen.to_string(),
            "SIP/2.0/UDP [2001:db8::9]:5062;branch=z9hG4bKx;received=192.0.2.7;rport=1024"
        );
    }

    #[test]
    fn what_is_no_via_is_refused() {
        for bad in
            ["SIP/2.0/UDP", "SIP/3.0/UDP h", "SIP/2.0/UDP h;;", "SIP/2.0/U P h:x", "SIP/2.0/UDP h:70000"]
        {
            assert!(Via::parse(bad).is_err(), "{bad}");
        }
    }
}
