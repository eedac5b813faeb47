//! The endpoint's two sides: what comes from the network and the control, and what goes to them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base::{Cause, Cidr, Digit, LegId, Name, PeerMatch};
use bytes::Bytes;

use crate::digest::Algorithm;
use crate::message::{BadMessage, Message};

/// The transport protocols that are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// RFC 3261 §18.
    Udp,
    /// RFC 3261 §18, with framing.
    Tcp,
}

/// A way to a peer: from which of our addresses, over which transport, and for a stream which connection.
/// A phone that registered over a connection is called over that connection (RFC 5626 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// UDP or TCP.
    pub transport: Transport,
    /// Our address on the route to the peer: concrete, never 0.0.0.0.
    pub local: SocketAddr,
    /// The peer's address as seen by us.
    pub remote: SocketAddr,
    /// The stream connection's number; `None` for UDP, or for a stream not opened yet.
    pub connection: Option<u64>,
    /// Which listener of the configuration it belongs to (digest algorithms are per listener).
    pub listener: u16,
}

/// What the endpoint must know beforehand. Plain data; replaced as a whole by `Command::Directory`.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The digest realm and the domain of our URIs.
    pub realm: String,
    /// Digest algorithms by listener, strongest first; an absent listener means `[Md5]`.
    pub algorithms: Vec<Vec<Algorithm>>,
    /// Who may register, by user name.
    pub users: Arc<std::collections::HashMap<Name, User>>,
    /// Trunks in the order of the file.
    pub trunks: Vec<Trunk>,
    /// Told to peers outside `local_networks` in place of the local address.
    pub public_address: Option<IpAddr>,
    /// Peers to which the local address is told.
    pub local_networks: Vec<Cidr>,
}

/// A user's HA1 values: H(user:realm:password), hex, by algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// One per algorithm for which a password was set.
    pub ha1: Vec<(Algorithm, String)>,
}

/// A carrier connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    /// Its name in engine.yaml.
    pub name: Name,
    /// Sources that are this trunk.
    pub sources: Vec<PeerMatch>,
    /// Where outgoing calls and probes go; `None` when it has no host.
    pub target: Option<Flow>,
    /// The host as written, without a port, for the Request-URI.
    pub host: String,
    /// Digest user and password for its challenges.
    pub credentials: Option<(String, String)>,
}

/// What can happen to the endpoint.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message, parsed where its bytes arrived.
    Received {
        /// The way it came.
        flow: Flow,
        /// The message, or why it is none.
        message: Result<Message, BadMessage>,
    },
    /// A stream connection is gone: its registrations with it.
    Closed {
        /// Its number.
        connection: u64,
    },
    /// A stream could not be opened or written: transactions on this flow fail at once (RFC 3261 §8.1.3.1).
    Unreachable {
        /// The flow as it stood in `Output::Send`.
        flow: Flow,
    },
    /// The control wants something.
    Command(Command),
}

/// What the control wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Who may do what; replaces the one before. Bindings of users that are gone are dropped.
    Directory(Box<Directory>),
    /// A 18x to an arrived INVITE, with SDP for early media.
    Progress {
        /// The leg.
        leg: LegId,
        /// 180-189.
        status: u16,
        /// An SDP answer.
        sdp: Option<String>,
    },
    /// 200 to an arrived INVITE; retransmitted until its ACK.
    Accept {
        /// The leg.
        leg: LegId,
        /// The SDP answer (or offer, when the INVITE had none).
        sdp: String,
    },
    /// A final refusal of an arrived INVITE; no `Ended` follows.
    Refuse {
        /// The leg.
        leg: LegId,
        /// 300-699.
        status: u16,
        /// Seconds for Retry-After.
        retry_after: Option<u32>,
        /// For the Reason header.
        cause: Cause,
    },
    /// Send an INVITE.
    Place {
        /// An even id.
        leg: LegId,
        /// Whom and how.
        invite: Box<Outgoing>,
    },
    /// CANCEL a placed leg. If its 200 crosses: it is ACKed and `Answered` comes; the control decides.
    GiveUp {
        /// The leg.
        leg: LegId,
        /// For the Reason header: `AnsweredElsewhere` is `SIP;cause=200;text="Call completed elsewhere"`.
        cause: Cause,
    },
    /// BYE an answered leg; no `Ended` follows. An arrived leg whose ACK is still out is BYEd when RFC 3261
    /// §15 allows it.
    HangUp {
        /// The leg.
        leg: LegId,
        /// For the Reason header.
        cause: Cause,
    },
    /// Answer `Event::Offer` with 200.
    AcceptOffer {
        /// The leg.
        leg: LegId,
        /// The SDP answer (or offer for an offerless re-INVITE).
        sdp: String,
    },
    /// Answer `Event::Offer` with a refusal.
    RefuseOffer {
        /// The leg.
        leg: LegId,
        /// 488 as a rule.
        status: u16,
    },
    /// Answer new INVITEs and out-of-dialog OPTIONS with 503 from now on.
    Drain,
}

/// An INVITE to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Whom.
    pub to: Destination,
    /// From user.
    pub from_user: String,
    /// From display name.
    pub display: Option<String>,
    /// P-Asserted-Identity user (toward seats, and trunks that allow it).
    pub asserted: Option<String>,
    /// `Privacy: id` goes with it.
    pub withheld: bool,
    /// The 400 number that was called, written as `X-`-free information: To user toward seats.
    pub called: Option<String>,
    /// The SDP offer.
    pub sdp: String,
}

/// Whom an INVITE is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination {
    /// One binding of a registered user.
    Contact {
        /// The user.
        user: Name,
        /// The key told in `Event::Contacts`.
        contact: u64,
    },
    /// A number over a trunk.
    Trunk {
        /// The trunk.
        trunk: Name,
        /// The Request-URI's user, as the carrier wants it.
        number: String,
    },
}

/// What the endpoint wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Write these bytes. For a stream without `connection` the driver opens one to `flow.remote` (or
    /// reuses the one it has).
    Send {
        /// The way.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// Tell the control.
    Event(Event),
}

/// What the endpoint tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An INVITE of a trunk, or of a user who proved the password. 100 was sent already.
    Arrived(Box<Incoming>),
    /// A placed leg sent a 18x (100 is not told).
    Progressed {
        /// The leg.
        leg: LegId,
        /// 180-199.
        status: u16,
        /// Its SDP.
        sdp: Option<String>,
    },
    /// A placed leg was answered; the 200 is ACKed. Other 2xx of forks are ACKed and BYEd silently.
    Answered {
        /// The leg.
        leg: LegId,
        /// Its SDP answer.
        sdp: Option<String>,
        /// Where the dialog's peer signals from.
        peer: IpAddr,
    },
    /// The ACK to our 200 came, with an SDP answer if our 200 carried the offer.
    Confirmed {
        /// The leg.
        leg: LegId,
        /// Its SDP.
        sdp: Option<String>,
    },
    /// A leg is over: final failure of a placed leg, CANCEL, BYE, no ACK, session expired, no response.
    /// Exactly once per leg unless the control ended it by `Refuse` or `HangUp`.
    Ended {
        /// The leg.
        leg: LegId,
        /// Why, from the status, Reason header or timer.
        cause: Cause,
        /// The final status, if one came.
        status: Option<u16>,
    },
    /// re-INVITE or UPDATE with an offer (or an offerless re-INVITE): answer it.
    Offer {
        /// The leg.
        leg: LegId,
        /// Its SDP.
        sdp: Option<String>,
    },
    /// A digit by INFO (application/dtmf-relay, application/dtmf).
    Digit {
        /// The leg.
        leg: LegId,
        /// The key.
        digit: Digit,
    },
    /// A user's contacts changed.
    Contacts {
        /// The user.
        user: Name,
        /// Keys, stable while a binding is refreshed.
        contacts: Vec<u64>,
    },
    /// A trunk began (true) or ceased to answer OPTIONS.
    TrunkUp {
        /// The trunk.
        trunk: Name,
        /// Up or down.
        up: bool,
    },
    /// For the log and metrics: something was refused before it became a leg.
    Refused {
        /// Source of the request.
        source: SocketAddr,
        /// The method.
        method: String,
        /// What it was answered with; 0 for silence.
        status: u16,
        /// One word why: `auth`, `throttled`, `malformed`, `overload`, `forbidden`, …
        why: &'static str,
    },
}

/// An INVITE as the control sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// An odd id, minted by the endpoint.
    pub leg: LegId,
    /// Who sent it.
    pub peer: Peer,
    /// The way it came.
    pub flow: Flow,
    /// The address that SDP toward this peer carries (public_address rule applied).
    pub media_address: IpAddr,
    /// Request-URI user (of `sip:` or the number of `tel:`), unescaped.
    pub request_user: String,
    /// To user.
    pub to_user: String,
    /// Users of Diversion and History-Info, first (most recent) first.
    pub diverted: Vec<String>,
    /// From user.
    pub from_user: String,
    /// From display name.
    pub display: Option<String>,
    /// P-Asserted-Identity user; read from trunks only.
    pub asserted: Option<String>,
    /// Privacy asks for the number to be withheld, or From is anonymous.
    pub withheld: bool,
    /// The SDP offer, if the INVITE had one.
    pub sdp: Option<String>,
    /// Call-ID.
    pub call_id: String,
}

/// Who sent an INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A trunk.
    Trunk(Name),
    /// An authenticated user.
    User(Name),
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
}

/// Bounds of the endpoint; each has its reason in docs/configuration.md.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Server and client transactions at once; above it a stateless 503 with Retry-After.
    pub transactions: usize,
    /// Dialogs (and early legs) at once.
    pub legs: usize,
    /// Bindings per user.
    pub contacts_per_user: usize,
    /// Bindings in all.
    pub bindings: usize,
    /// Shortest registration granted (423 below).
    pub min_expires: Duration,
    /// Longest registration granted.
    pub max_expires: Duration,
    /// Failed authentications from one source within ten minutes before it is throttled.
    pub failures_per_source: u32,
}

/// What a machine with two cores bears (docs/configuration.md).
impl Default for Limits {
    fn default() -> Self {
        Self {
            // 2 KB each: 80 MB when all are taken.
            transactions: 40_000,
            legs: 10_000,
            contacts_per_user: 8,
            bindings: 20_000,
            min_expires: Duration::from_mins(1),
            max_expires: Duration::from_hours(1),
            failures_per_source: 30,
        }
    }
}
