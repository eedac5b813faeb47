//! What the endpoint must know beforehand: users, trunks, addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base::{Cidr, Name, PeerMatch};

use super::{Flow, Transport};
use crate::digest::Algorithm;

/// What the endpoint must know beforehand. Plain data; replaced as a whole by `Command::Directory`.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The digest realm and the domain of our URIs.
    pub realm: String,
    /// Where we listen, in the order of the configuration; `Flow::listener` counts them.
    pub listeners: Vec<Listener>,
    /// Digest algorithms by listener, strongest first; an absent listener means `[Md5]`.
    pub algorithms: Vec<Vec<Algorithm>>,
    /// Who may register, by user name.
    pub users: Arc<std::collections::HashMap<Name, User>>,
    /// Trunks in the order of the file.
    pub trunks: Vec<Trunk>,
    /// Whether OPTIONS of somebody who is neither trunk nor registered phone is answered, or met with silence.
    pub answers_strangers: bool,
    /// Told to peers outside `local_networks` in place of the local address.
    pub public_address: Option<IpAddr>,
    /// Peers to which the local address is told.
    pub local_networks: Vec<Cidr>,
}

/// One of our sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its transport.
    pub transport: Transport,
    /// Where it is bound; may be an unspecified address.
    pub address: SocketAddr,
}

/// A user: HA1 values, H(user:realm:password) in hex, by algorithm; and its line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// One per algorithm for which a password was set.
    pub ha1: Vec<(Algorithm, String)>,
    /// The line that the user belongs to: only users of one line may watch or replace each other's calls.
    pub line: Option<Name>,
}

/// A carrier connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    /// Its name in engine.yaml.
    pub name: Name,
    /// Sources that are this trunk.
    pub sources: Vec<PeerMatch>,
    /// A connection whose peer has proved this name by a certificate is this trunk, wherever it comes from.
    pub certificate: Option<String>,
    /// Where outgoing calls, probes and the registration go, in the order in which they are tried
    /// (RFC 3263 §4); empty when it has no host, or none that was found.
    pub targets: Vec<Flow>,
    /// The host as written, without a port, for the Request-URI.
    pub host: String,
    /// The port as written, for the Request-URI; a port that DNS told stands in the targets only.
    pub port: Option<u16>,
    /// Digest user and password for its challenges.
    pub credentials: Option<(String, String)>,
    /// Whether it is asked by OPTIONS if it is there; else only what happens to calls tells.
    pub probe: bool,
    /// We register with it.
    pub registration: Option<Registration>,
    /// How the called number stands in its Request-URIs.
    pub uri: NumberUri,
}

impl Trunk {
    /// Whether this is an address of the trunk: one that it calls from, or one where it is called.
    pub fn is_at(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.sources.iter().any(|source| source.covers(address))
            || self.targets.iter().any(|target| target.remote.ip().to_canonical() == ip)
    }
}

/// How we register with a trunk (RFC 3261 §10.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The user of the address of record.
    pub user: String,
    /// What is asked for; the registrar may grant less.
    pub expires: Duration,
}

/// How a called number stands in a Request-URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberUri {
    /// `sip:NUMBER@HOST`.
    #[default]
    Sip,
    /// `sip:NUMBER@HOST;user=phone` (RFC 3261 §19.1.6).
    Phone,
    /// `tel:NUMBER` (RFC 3966); one without `+` gets `phone-context=+86`.
    Tel,
}
