//! What a phone is told, what it does, and what it saw.

use std::net::SocketAddr;
use std::time::Duration;

use crate::audio::Audio;
use crate::call::CallNo;
use crate::script::Script;

/// What can happen to a phone.
#[derive(Clone, Debug)]
pub enum Input {
    /// A SIP datagram arrived.
    Sip {
        /// Where it came from.
        source: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// An RTP datagram arrived.
    Rtp {
        /// Our address at which it arrived.
        at: SocketAddr,
        /// Where it came from.
        source: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Somebody wants something of the newest live call (or of no call: `Register`, `Call`, `Probe`).
    Do(Action),
    /// Somebody wants something of this call.
    DoOn(CallNo, Action),
    /// A story begins; its actions and cues belong to the call that it makes or first hears of.
    Play(Script),
}

/// What a phone wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Send this from the phone's SIP address.
    SendSip {
        /// To whom.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Send this from one of the phone's RTP addresses.
    SendRtp {
        /// From which.
        from: SocketAddr,
        /// To whom.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Something happened that a story or a judge may want to know.
    Saw {
        /// The call it happened to; `None` for the phone itself.
        call: Option<CallNo>,
        /// What it was.
        event: Event,
    },
}

/// What a phone can be asked to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Register, and keep registered.
    Register,
    /// Give up the binding.
    Unregister,
    /// Ask the proxy by OPTIONS whether it lives.
    Probe,
    /// Call somebody.
    Call(Dial),
    /// Send 180.
    Ring,
    /// Send 183 with an answer, and speak.
    EarlyMedia,
    /// Send 200.
    Answer,
    /// Refuse an incoming call with this status.
    Refuse(u16),
    /// Give up an outgoing call that is not answered (CANCEL).
    GiveUp,
    /// End an answered call (BYE); an unanswered one is given up or refused with 603.
    HangUp,
    /// Press a key, as RFC 4733 events.
    Press(char),
    /// Press a key, as INFO with `application/dtmf-relay`.
    PressInfo(char),
    /// Say this after what is being said.
    Say(Audio),
    /// Say nothing more.
    Hush,
    /// Put the peer on hold.
    Hold(Hold),
    /// Take the peer back, by the same request that held.
    Resume,
    /// Have the peer put through to this number, name or URI (REFER).
    Transfer(String),
    /// Have the peer joined with the peer of our newest other call that is up (REFER with Replaces).
    Join,
}

/// How a phone holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// re-INVITE with `a=sendonly`.
    SendOnly,
    /// re-INVITE with `a=inactive`.
    Inactive,
    /// re-INVITE with `c=0.0.0.0`, as RFC 2543 phones do.
    Zero,
    /// UPDATE with `a=sendonly` (RFC 3311).
    Update,
}

/// Whom to call, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    /// A number or name at the proxy, or a whole `sip:` URI.
    pub target: String,
    /// The user in From; the phone's own when `None`.
    pub from: Option<String>,
    /// P-Asserted-Identity, whole value.
    pub asserted: Option<String>,
    /// More headers, names and values.
    pub headers: Vec<(String, String)>,
    /// INVITE without SDP: the peer offers in its 200.
    pub offerless: bool,
    /// A story for this call.
    pub script: Script,
}

impl Dial {
    /// Calls `target` in the plainest way.
    pub fn to(target: impl Into<String>) -> Self {
        Self { target: target.into(), ..Self::default() }
    }
}

/// What a phone saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The registrar accepted, for so many seconds.
    Registered {
        /// Seconds until the binding ends.
        expires: u32,
    },
    /// The binding was removed.
    Unregistered,
    /// The registrar refused with this status (408: it never answered).
    RegisterFailed(u16),
    /// OPTIONS was answered with this status.
    ProbeAnswered(u16),
    /// A call came in.
    Incoming {
        /// Whole From value without parameters.
        from: String,
        /// The user of the Request-URI.
        to: String,
        /// P-Asserted-Identity, when there is one.
        asserted: Option<String>,
    },
    /// A call came in while as many as allowed were live: 486.
    TurnedAway {
        /// Whole From value without parameters.
        from: String,
    },
    /// The peer rings (180 and other provisional answers without SDP, above 100).
    Ringing(u16),
    /// The peer sends sound before it answers.
    Early,
    /// The call is up.
    Answered,
    /// Our call was refused with this status (408: no answer at all).
    Refused {
        /// The status.
        code: u16,
        /// The Reason header, when there is one.
        reason: Option<String>,
    },
    /// Our CANCEL ended the call (487).
    Cancelled,
    /// The 200 crossed our CANCEL: it was acknowledged and hung up.
    CrossedCancel,
    /// The caller cancelled before we answered.
    CancelledByPeer {
        /// The Reason header, when there is one.
        reason: Option<String>,
    },
    /// The peer hung up.
    HungUpByPeer {
        /// The Reason header, when there is one.
        reason: Option<String>,
    },
    /// The first sound arrived.
    AudioBegan,
    /// A key arrived, by RTP or INFO.
    Digit(char),
    /// The peer put us on hold.
    HeldByPeer,
    /// The peer took us back.
    ResumedByPeer,
    /// Our re-INVITE or UPDATE was accepted.
    Reagreed,
    /// Our REFER was taken up.
    ReferAccepted,
    /// What came of our REFER so far.
    Notified {
        /// The status of the fragment.
        status: u16,
        /// It was the last word.
        over: bool,
    },
    /// Our re-INVITE, UPDATE, INFO or REFER was refused.
    RequestRefused(u16),
    /// Our INFO was accepted.
    InfoAccepted,
    /// The call is over and nothing of it is pending.
    Gone,
    /// The peer did not answer this at all.
    Silence(String),
    /// A call came in that offers nothing but SRTP, and was refused (488).
    OfferRefused {
        /// The caller.
        from: String,
    },
    /// The action made no sense at this moment.
    CannotDo(String),
    /// What the peer wrote cannot be read or breaks an RFC: this is the judging.
    Fault(String),
}

/// What a phone does with a call that comes in.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// 180 after so long; `None`: never.
    pub ring_after: Option<Duration>,
    /// Whether 183 with SDP is sent in place of 180.
    pub early_media: bool,
    /// And then.
    pub reply: Reply,
    /// A story for the call.
    pub script: Script,
}

/// How an incoming call goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// Answer after so long.
    Answer(Duration),
    /// Refuse after so long with this status.
    Refuse(Duration, u16),
    /// Let it ring; an action may answer.
    Wait,
}

impl Behaviour {
    /// Rings at once and answers after `after`.
    pub fn answers(after: Duration) -> Self {
        Self { ring_after: Some(Duration::ZERO), reply: Reply::Answer(after), ..Self::waits() }
    }

    /// Refuses at once.
    pub fn refuses(code: u16) -> Self {
        Self { ring_after: None, reply: Reply::Refuse(Duration::ZERO, code), ..Self::waits() }
    }

    /// Rings at once, and nobody comes unless an action says so.
    pub fn waits() -> Self {
        Self {
            ring_after: Some(Duration::ZERO),
            early_media: false,
            reply: Reply::Wait,
            script: Script::default(),
        }
    }

    /// Plays this story in each call.
    #[must_use]
    pub fn with(mut self, script: Script) -> Self {
        self.script = script;
        self
    }
}
