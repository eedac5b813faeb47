//! What the endpoint tells the control.

use std::net::{IpAddr, SocketAddr};

use base::{Cause, Digit, LegId, Name};

use super::{Ban, Flow, Refer, Transport};

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
        /// Its SDP. What is told of a fork that others follow holds until the next: `Answered` settles it.
        sdp: Option<String>,
    },
    /// A placed leg was answered; the 200 is ACKed. Other 2xx of forks are ACKed and BYEd silently.
    Answered {
        /// The leg.
        leg: LegId,
        /// The SDP answer of the fork that answered; `None` when it was told before and still holds.
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
    /// The answer to an offer of ours that went out in a reliable 18x came, in its PRACK (RFC 3262 section 5).
    Agreed {
        /// The leg.
        leg: LegId,
        /// The SDP answer.
        sdp: String,
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
        /// The Q.850 value in the Reason of what ended it (RFC 3326), as read.
        q850: Option<u8>,
    },
    /// re-INVITE, UPDATE or PRACK with an offer (or an offerless re-INVITE): answer it. UPDATE and PRACK may
    /// come before the leg is answered.
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
    /// REFER inside an answered leg of a user: answer it by `AcceptRefer` or `RefuseRefer`.
    Referred {
        /// The leg that asks.
        leg: LegId,
        /// What for.
        refer: Box<Refer>,
    },
    /// A user's contacts changed.
    Contacts {
        /// The user.
        user: Name,
        /// Keys, stable while a binding is refreshed.
        contacts: Vec<u64>,
    },
    /// A trunk began (true) or ceased to answer; at most once in ten seconds. A trunk that ceased is not
    /// used from that moment on, whenever it is told.
    TrunkUp {
        /// The trunk.
        trunk: Name,
        /// Up or down.
        up: bool,
    },
    /// A source was banned, or a ban of an earlier run was taken over: keep it for the next run.
    Banned(Ban),
    /// A ban is over or was lifted.
    Unbanned {
        /// The address as it stood in the ban.
        source: IpAddr,
    },
    /// A user's password is being guessed from many sources: proofs have to wait, except from where the user is
    /// registered. Told once in an attack.
    Guessed {
        /// The user.
        user: Name,
        /// Wrong proofs until now.
        failures: u32,
    },
    /// An address and port began (true) or ceased to hold a registration: what comes from there outranks what
    /// comes from strangers.
    Known {
        /// The transport.
        transport: Transport,
        /// The address and port.
        source: SocketAddr,
        /// Began or ceased.
        known: bool,
    },
    /// Our registration with a trunk began (true) or ceased to hold.
    TrunkRegistered {
        /// The trunk.
        trunk: Name,
        /// Registered or not.
        up: bool,
        /// One word: `registered`, `password`, `refused`, `silent`, `expired`, `closed`, `left`.
        why: &'static str,
    },
    /// For the log and metrics: something was refused before it became a leg.
    Refused {
        /// Source of the request.
        source: SocketAddr,
        /// The method.
        method: String,
        /// What it was answered with; 0 for silence.
        status: u16,
        /// One word why: `auth`, `banned`, `malformed`, `overload`, `forbidden`, …
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
    /// Users of Diversion and History-Info, first (most recent) first; read from trunks only.
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
    /// An INVITE of a user that is to take the place of this leg, which was answered or rings (RFC 3891). Whose it is the
    /// control must judge.
    pub replaces: Option<LegId>,
    /// Max-Forwards as it came: what a leg on its behalf may pass is one less (RFC 3261 section 16.6).
    pub hops: u32,
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
