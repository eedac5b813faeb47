//! The brain's two sides: what happens to legs, and what is to be done with them.

use std::sync::Arc;
use std::time::Duration;

use base::{CallId, Cause, Country, Digit, LegId, Name, PhoneNumber, RecordingId, Tone};

use crate::cdr::CallRecord;
use crate::plan::Plan;

/// What can happen.
#[derive(Clone, Debug)]
pub enum Input {
    /// An INVITE of a trunk or of a registered seat. Its offer was found acceptable.
    Arrived {
        /// The new leg.
        leg: LegId,
        /// Who calls whom.
        arrival: Box<Arrival>,
    },
    /// A placed leg sent a 18x.
    Progressed {
        /// The leg.
        leg: LegId,
        /// 180-189.
        status: u16,
        /// It carries an SDP answer: early media can be heard.
        media: bool,
    },
    /// A placed leg was answered (its 200 is ACKed already). May cross our `GiveUp`.
    Answered {
        /// The leg.
        leg: LegId,
    },
    /// A leg is over: final failure of a placed leg, BYE or CANCEL of the other side, no response,
    /// session expired. Exactly once per leg, also after `GiveUp`; after `HangUp` and `Refuse` it need not
    /// come, and is not minded.
    Ended {
        /// The leg.
        leg: LegId,
        /// Why.
        cause: Cause,
    },
    /// A key was pressed on a leg.
    Digit {
        /// The leg.
        leg: LegId,
        /// The key.
        digit: Digit,
    },
    /// What `Output::Play` asked for, if it has an end, was played to it (never after a newer `Play` or `Stop`).
    Played {
        /// The leg.
        leg: LegId,
    },
    /// The other side put the leg on hold (true) or took it back (false).
    Held {
        /// The leg.
        leg: LegId,
        /// On or off.
        held: bool,
    },
    /// The phone of an answered leg asks us to put the other party through (RFC 3515). Answered with
    /// `Output::AcceptRefer` or `Output::RefuseRefer`.
    Referred {
        /// The leg that asks.
        leg: LegId,
        /// What for.
        refer: Box<Refer>,
    },
    /// No RTP came on an answered leg for longer than allowed.
    Silent {
        /// The leg.
        leg: LegId,
    },
    /// The contacts under which an extension is registered now (empty: none).
    Contacts {
        /// The extension's user name.
        ext: Name,
        /// Keys of its contacts; stable while a binding is refreshed.
        contacts: Vec<u64>,
    },
    /// A trunk answers its probes (true) or not.
    TrunkUp {
        /// The trunk.
        trunk: Name,
        /// Up or down.
        up: bool,
    },
    /// A new plan: for new calls, seats and queues at once; live calls keep theirs.
    Plan(Arc<Plan>),
    /// Take no new calls (503); live ones go on.
    Drain,
    /// End every live call now with this cause.
    EndAll(Cause),
    /// A fault inside a step of this leg's call: end that call with `Cause::Internal`.
    Fault {
        /// The leg whose step failed.
        leg: LegId,
    },
}

/// An INVITE, in call-control words.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// Where it came from.
    pub origin: Origin,
    /// Called number candidates in the order of trust: R-URI user, To, Diversion (line-language.md 5.8, 5).
    pub called: Vec<String>,
    /// The caller as asserted or From, as delivered; empty when withheld.
    pub caller: String,
    /// The caller's display name, if any.
    pub display: Option<String>,
    /// Who was called before, most recent first (Diversion, History-Info).
    pub diverted: Vec<String>,
    /// True when the caller withheld the number (Privacy: id, anonymous).
    pub withheld: bool,
    /// It is to take the place of this leg, which talks or rings (RFC 3891).
    pub replaces: Option<LegId>,
    /// Call-ID of the INVITE, for the CDR.
    pub call_id: String,
}

/// What a REFER asks for, in call-control words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    /// Whom to ring, as dialled.
    pub to: String,
    /// The referrer's other leg, whose other party is meant: an attended transfer.
    pub replaces: Option<LegId>,
}

/// Where an INVITE came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A trunk, by name.
    Trunk(Name),
    /// A registered and authenticated extension.
    Extension(Name),
}

/// Where a placed leg goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One contact of a registered extension.
    Contact {
        /// The extension.
        ext: Name,
        /// Which of its contacts.
        contact: u64,
    },
    /// An outside number over a trunk.
    Outside {
        /// The trunk.
        trunk: Name,
        /// The number.
        number: PhoneNumber,
        /// The number as this trunk wants it dialled.
        dialled: String,
    },
}

/// What a placed leg shows of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// From user: the caller's number toward a seat; toward a trunk its caller_id, or the caller's number
    /// where the trunk takes one beside a diverting party; `anonymous`.
    pub user: String,
    /// Display name.
    pub display: Option<String>,
    /// P-Asserted-Identity toward seats, and trunks that want it (the caller's number in normal form), when
    /// known.
    pub asserted: Option<PhoneNumber>,
    /// The 400 number that was called: toward seats, as `P-Called-Party-ID`-like information in `To`'s place.
    pub called: PhoneNumber,
    /// Toward a seat: the extension that has the caller put through to it (RFC 3892).
    pub referred_by: Option<Name>,
    /// Toward a trunk that wants it: the number that was called, as the party that sends the call on.
    pub diverting: Option<Diverting>,
}

/// Who sends a call on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diverting {
    /// The 400 number that was called, as the trunk wants numbers written.
    pub number: String,
    /// By History-Info, else by Diversion.
    pub as_history: bool,
}

/// What plays on a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// A prompt of a line, once; answered with `Input::Played`.
    Prompt {
        /// The line.
        line: Name,
        /// The prompt.
        prompt: Name,
    },
    /// A prompt of a line, over and over from its beginning, until replaced or stopped.
    Music {
        /// The line.
        line: Name,
        /// The prompt.
        prompt: Name,
    },
    /// A tone: for so long, then answered with `Input::Played`; without a length until replaced or stopped.
    Tone {
        /// Whose tones.
        country: Country,
        /// Which.
        tone: Tone,
        /// How long.
        length: Option<Duration>,
    },
}

/// What is recorded, as the recorder and the catalog need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub recording: RecordingId,
    /// The call.
    pub call: CallId,
    /// Left channel.
    pub caller_leg: LegId,
    /// Right channel.
    pub seat_leg: LegId,
    /// The line.
    pub line: Name,
    /// The 400 number.
    pub number: PhoneNumber,
    /// The caller; `None` when withheld.
    pub caller: Option<PhoneNumber>,
    /// The queue, when it came from one.
    pub queue: Option<Name>,
    /// The seat that talks.
    pub seat: Name,
    /// Consent at the start.
    pub consent: crate::cdr::Consent,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a 18x to an arrived leg; `media` asks for 183 with SDP (early media follows).
    Progress {
        /// The leg.
        leg: LegId,
        /// 180-189.
        status: u16,
        /// With SDP.
        media: bool,
    },
    /// Answer an arrived leg with 200.
    Answer {
        /// The leg.
        leg: LegId,
    },
    /// Refuse an unanswered arrived leg. Its `Ended` does not follow.
    Refuse {
        /// The leg.
        leg: LegId,
        /// The SIP status.
        status: u16,
        /// Why.
        cause: Cause,
    },
    /// Place a leg.
    Place {
        /// An even id, minted by the brain.
        leg: LegId,
        /// The caller's leg, on whose behalf: both share a media worker.
        caller: LegId,
        /// Where to.
        target: Target,
        /// What it shows.
        shows: Presentation,
    },
    /// CANCEL a placed leg that is not answered. `Ended` (or a crossing `Answered`) follows.
    GiveUp {
        /// The leg.
        leg: LegId,
        /// `AnsweredElsewhere` becomes `Reason: SIP;cause=200;text="Call completed elsewhere"`.
        cause: Cause,
    },
    /// BYE an answered leg (arrived or placed). `Ended` does not follow.
    HangUp {
        /// The leg.
        leg: LegId,
        /// Why, for the Reason header.
        cause: Cause,
    },
    /// Play to a leg; replaces what plays.
    Play {
        /// The leg.
        leg: LegId,
        /// What.
        sound: Sound,
    },
    /// Play nothing (silence keeps flowing).
    Stop {
        /// The leg.
        leg: LegId,
    },
    /// Let the two legs hear each other; stops what plays on both.
    Bridge {
        /// One.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Part them.
    Unbridge {
        /// One.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Begin to record the bridged legs.
    Record(Box<Record>),
    /// The recording goes on with these legs; one of them is another than before.
    Retap {
        /// Which.
        recording: RecordingId,
        /// Left channel.
        caller_leg: LegId,
        /// Right channel.
        seat_leg: LegId,
    },
    /// From now on this seat is recorded, or nobody: the caller is being put through.
    Segment {
        /// Which recording.
        recording: RecordingId,
        /// The seat.
        seat: Option<Name>,
    },
    /// End a recording.
    EndRecording {
        /// Which.
        recording: RecordingId,
        /// Consent at the end: `Withdrawn` has it deleted by policy.
        consent: crate::cdr::Consent,
    },
    /// The REFER of this leg is taken up: 202.
    AcceptRefer {
        /// The leg that asked.
        leg: LegId,
    },
    /// The REFER of this leg is refused; the call goes on as it was.
    RefuseRefer {
        /// The leg that asked.
        leg: LegId,
        /// 400-699.
        status: u16,
    },
    /// What came of an accepted REFER (NOTIFY, RFC 3515 §2.4.4). The leg may be over by now.
    ReferProgress {
        /// The leg that asked.
        leg: LegId,
        /// A final SIP status.
        status: u16,
    },
    /// The other end of this seat's leg is somebody else now (RFC 4916).
    Identify {
        /// The leg.
        leg: LegId,
        /// Who.
        shows: Box<Presentation>,
    },
    /// A call is over and told; the last output about it.
    Finished(Box<CallRecord>),
    /// A call was answered or connected, or its consent withdrawn: its record as it would stand if the process died now, so that a
    /// call lost with the process still gets its CDR.
    Standing(Box<CallRecord>),
    /// Something a person may want to see (demo, log): never carries a whole number.
    Tell {
        /// The call.
        call: CallId,
        /// What happened.
        what: Told,
    },
}

/// What happened in a call, for the log, the demo and (later) events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A call came in for this line.
    Arrived {
        /// The line.
        line: Name,
    },
    /// A prompt plays.
    Playing {
        /// Its name.
        prompt: Name,
    },
    /// A tone sounds because the line says so.
    Sounding {
        /// Which.
        tone: Tone,
    },
    /// A key was taken.
    Key {
        /// The key.
        digit: Digit,
    },
    /// A menu was entered.
    Menu {
        /// Its name.
        menu: Name,
    },
    /// A queue was entered.
    Queued {
        /// Its name.
        queue: Name,
    },
    /// A seat rings.
    Rings {
        /// Its name.
        seat: Name,
    },
    /// A seat stopped ringing.
    StopsRinging {
        /// Its name.
        seat: Name,
        /// Why.
        cause: Cause,
    },
    /// A seat talks with the caller.
    Connected {
        /// Its name.
        seat: Name,
        /// Recorded, and as what.
        recording: Option<RecordingId>,
    },
    /// A seat puts its other party through to another one.
    Transfers {
        /// Who asked.
        by: Name,
        /// To whom.
        to: Name,
    },
    /// A seat that talked is not on the call any more, and the call goes on.
    Left {
        /// Its name.
        seat: Name,
    },
    /// It is over.
    Ended {
        /// Why.
        cause: Cause,
    },
}
