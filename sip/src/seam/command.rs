//! What the control wants of the endpoint.

use std::net::IpAddr;

use base::{Cause, LegId, Name};

use super::{Ban, Directory, Identity, Lamp};

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
        /// The SDP answer; to an INVITE without offer our offer, which is written only for a caller that
        /// acknowledges 18x (RFC 3262).
        sdp: Option<String>,
    },
    /// 200 to an arrived INVITE; retransmitted until its ACK.
    Accept {
        /// The leg.
        leg: LegId,
        /// The SDP answer (or offer, when the INVITE had none). Not written if a reliable 18x said it.
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
    /// Take `Event::Referred` up: 202, and a subscription to what comes of it unless the peer declined one
    /// (RFC 4488). `ReferProgress` feeds it, also after the leg has ended.
    AcceptRefer {
        /// The leg that asked.
        leg: LegId,
    },
    /// Refuse `Event::Referred`.
    RefuseRefer {
        /// The leg that asked.
        leg: LegId,
        /// 400-699.
        status: u16,
    },
    /// What came of an accepted REFER: a NOTIFY with this status line (RFC 3515 §2.4.4); a final status ends
    /// the subscription.
    ReferProgress {
        /// The leg that asked.
        leg: LegId,
        /// 100-699.
        status: u16,
    },
    /// The other end of this answered leg is somebody else now (RFC 4916): told by UPDATE or re-INVITE where
    /// the peer takes it, and not at all where it does not.
    Identify {
        /// The leg.
        leg: LegId,
        /// Who.
        identity: Box<Identity>,
    },
    /// What a user's phones do now, for those who watch it (RFC 4235); dark until it is told.
    Lamp {
        /// Whose lamp.
        user: Name,
        /// Its calls.
        state: Lamp,
    },
    /// Bans of an earlier run.
    Ban(Vec<Ban>),
    /// Lift the ban of this address.
    Lift(IpAddr),
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
    /// The user that has the caller put through here (RFC 3892), toward seats: who it is we know, so that what
    /// its REFER says of itself is not repeated.
    pub referred_by: Option<Name>,
    /// Who was called before and sends the call on, toward trunks that want it.
    pub diverting: Option<Diverting>,
    /// Max-Forwards, so that a call that runs through us in a circle ends; `None` for one that begins here.
    pub hops: Option<u32>,
    /// The SDP offer.
    pub sdp: String,
}

/// The number that was called first: it diverts the call to whom it now rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diverting {
    /// As the carrier wants it.
    pub number: String,
    /// How it is written.
    pub form: DivertingForm,
}

/// The two ways in which a diverting party is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DivertingForm {
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    HistoryInfo,
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
