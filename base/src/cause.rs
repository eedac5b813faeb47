//! Why a leg or a call ended, and whose doing it was.

use std::fmt;

/// Who a party of a call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Party {
    /// The one who called in.
    Caller,
    /// The seat that was rung or talked.
    Seat,
}

/// Whose doing an end was. Every end has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Blame {
    /// The caller's own will.
    Caller,
    /// The seat's (or its phone's).
    Seat,
    /// The line's own rules: menu, hours, limits, policy.
    Line,
    /// The carrier's.
    Trunk,
    /// The network between.
    Network,
    /// Ours: a limit of the engine, a restart, a fault.
    Engine,
}

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident, $text:literal, $blame:ident, $sip:literal, $q850:literal;)*) => {
        /// Why a leg or a call ended.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Cause {
            $($(#[$doc])* $variant,)*
        }

        impl Cause {
            /// Every cause, in the order of their definition.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that CDRs, the API and metrics use.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Whose doing it was.
            pub const fn blame(self) -> Blame {
                match self { $(Self::$variant => Blame::$blame,)* }
            }

            /// The SIP status that refuses an unanswered INVITE for this cause (RFC 3261 §21).
            pub const fn sip_status(self) -> u16 {
                match self { $(Self::$variant => $sip,)* }
            }

            /// The Q.850 cause value that goes with it (RFC 3326, RFC 3398 §7.2.4.1 table).
            pub const fn q850(self) -> u8 {
                match self { $(Self::$variant => $q850,)* }
            }

            /// The cause whose word is `text`.
            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|cause| cause.as_str() == text)
            }
        }
    };
}

causes! {
    /// The caller hung up an answered call.
    CallerHungUp, "caller_hung_up", Caller, 487, 16;
    /// The seat hung up.
    SeatHungUp, "seat_hung_up", Seat, 487, 16;
    /// The line's flow came to its end and hung up.
    FlowEnded, "flow_ended", Line, 487, 16;
    /// The caller gave up before anybody answered.
    CallerGaveUp, "caller_gave_up", Caller, 487, 16;
    /// The other party was put through to somebody else, and the leg is not needed any more.
    Transferred, "transferred", Seat, 487, 16;
    /// Another seat took the call.
    AnsweredElsewhere, "answered_elsewhere", Seat, 487, 26;
    /// The seat was busy (486, 600).
    Busy, "busy", Seat, 486, 17;
    /// It rang and nobody answered.
    NoAnswer, "no_answer", Seat, 480, 19;
    /// The seat declined (603, or the key 2 of a confirm).
    Declined, "declined", Seat, 603, 21;
    /// An outside phone was answered but the confirm key never came.
    NotConfirmed, "not_confirmed", Seat, 480, 19;
    /// No phone of the seat is registered or it cannot be dialled.
    Unreachable, "unreachable", Seat, 480, 20;
    /// The number is not one of ours.
    UnknownNumber, "unknown_number", Caller, 404, 1;
    /// The number is suspended.
    Suspended, "suspended", Line, 480, 31;
    /// A list refused the caller.
    Refused, "refused", Line, 603, 21;
    /// Dialling this target is not allowed.
    Forbidden, "forbidden", Caller, 403, 57;
    /// The line's own cap of calls is reached.
    LineFull, "line_full", Line, 486, 17;
    /// The trunk's cap of calls is reached.
    TrunkFull, "trunk_full", Trunk, 503, 34;
    /// The engine's cap of calls is reached.
    EngineFull, "engine_full", Engine, 503, 42;
    /// The engine is draining for a stop.
    Draining, "draining", Engine, 503, 41;
    /// The engine stopped with the call up.
    EngineStopped, "engine_stopped", Engine, 503, 41;
    /// The process died with the call up; found at the next start.
    NodeLost, "node_lost", Engine, 503, 41;
    /// No codec in common, or an offer we cannot answer.
    NoCommonCodec, "no_common_codec", Network, 488, 65;
    /// The carrier refused an outgoing call.
    TrunkFailed, "trunk_failed", Trunk, 503, 38;
    /// No answer to our requests at all (timers B, F, or the ACK never came).
    NoResponse, "no_response", Network, 408, 102;
    /// The session timer ran out (RFC 4028).
    SessionExpired, "session_expired", Network, 408, 102;
    /// No RTP for longer than allowed.
    RtpSilence, "rtp_silence", Network, 480, 27;
    /// The call reached its longest duration.
    TooLong, "too_long", Line, 480, 16;
    /// The visit took more steps than allowed (an endless menu).
    TooManySteps, "too_many_steps", Line, 480, 41;
    /// A fault of ours.
    Internal, "internal", Engine, 500, 41;
}

impl Blame {
    /// The word that CDRs and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Seat => "seat",
            Self::Line => "line",
            Self::Trunk => "trunk",
            Self::Network => "network",
            Self::Engine => "engine",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
