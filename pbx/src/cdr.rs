//! What the brain tells of a call when it is over.

use std::time::Duration;

use base::{CallId, Cause, Digit, LegId, Name, PhoneNumber, RecordingId, Timestamp};

/// One row per call. Durations are of the monotonic clock; timestamps are labels.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// The call.
    pub call: CallId,
    /// The line; `None` when the number was unknown.
    pub line: Option<Name>,
    /// The 400 number that was meant; `None` when unknown.
    pub number: Option<PhoneNumber>,
    /// As dialled or delivered.
    pub dialled: String,
    /// Who was called before the call came to us, most recent first.
    pub diverted: Vec<PhoneNumber>,
    /// Normal form; `None` when withheld.
    pub caller: Option<PhoneNumber>,
    /// A seat called the line or another seat.
    pub internal: bool,
    /// INVITE.
    pub started: Timestamp,
    /// INVITE to our 200, if answered.
    pub answered_after: Option<Duration>,
    /// INVITE to the conversation, if any.
    pub connected_after: Option<Duration>,
    /// INVITE to the end.
    pub lasted: Duration,
    /// Conversation with a seat.
    pub talked: Duration,
    /// Time in queues and rings.
    pub waited: Duration,
    /// Why it ended.
    pub cause: Cause,
    /// Keys taken by menus, in order.
    pub keys: Vec<Digit>,
    /// Menus entered, in order.
    pub menus: Vec<Name>,
    /// The last queue entered.
    pub queue: Option<Name>,
    /// The seat that talked.
    pub seat: Option<Name>,
    /// The recording, if one was begun.
    pub recording: Option<RecordingId>,
    /// Consent at the end.
    pub consent: Consent,
    /// Call-ID of the caller's INVITE.
    pub sip_call_id: String,
    /// The caller's leg first.
    pub legs: Vec<LegRecord>,
}

/// One row per leg.
#[derive(Clone, Debug, PartialEq)]
pub struct LegRecord {
    /// The leg; loss and jitter are looked up by it.
    pub leg: LegId,
    /// The seat; `None` for the caller.
    pub seat: Option<Name>,
    /// The trunk it used, if any.
    pub trunk: Option<Name>,
    /// INVITE sent or received, after the call's start.
    pub began: Duration,
    /// First 18x, after the call's start.
    pub rang: Option<Duration>,
    /// 200, after the call's start.
    pub answered: Option<Duration>,
    /// End, after the call's start.
    pub ended: Duration,
    /// Why it ended.
    pub cause: Cause,
}

/// What the caller agreed to, weakest protection first: a later, stronger-protecting answer wins
/// (line-language.md 5.7, rule 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consent {
    /// No notice was played.
    None,
    /// The notice was played and the caller stayed.
    NoticeGiven,
    /// The caller said yes.
    Explicit,
    /// The caller refused before anything was recorded.
    Refused,
    /// The caller refused while it was being recorded.
    Withdrawn,
}

impl Consent {
    /// The word that the catalog, CDRs and the line language use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NoticeGiven => "notice_given",
            Self::Explicit => "explicit",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }
}
