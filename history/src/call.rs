//! A call as it is kept: one row, and one row per leg.

use base::{Blame, CallId, Cause, Name, PhoneNumber, RecordingId, Timestamp};
use serde::{Deserialize, Serialize};

/// One call. Durations are milliseconds of the monotonic clock, counted from the INVITE.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRow {
    /// Our own name for it, minted at the INVITE; writing it twice changes nothing.
    pub id: CallId,
    /// Where the row comes from.
    pub origin: Origin,
    /// The line; `None` when the number was unknown.
    pub line: Option<Name>,
    /// The number that was meant.
    pub number: Option<PhoneNumber>,
    /// As dialled or delivered.
    pub dialled: String,
    /// Who was called before the call came to us, most recent first.
    pub diverted: Vec<PhoneNumber>,
    /// Who called; `None` when the number was withheld.
    pub caller: Option<PhoneNumber>,
    /// A seat called the line or another seat.
    pub internal: bool,
    /// INVITE, by the wall clock.
    pub started: Timestamp,
    /// To our 200.
    pub answered_ms: Option<i64>,
    /// To the conversation.
    pub connected_ms: Option<i64>,
    /// To the end.
    pub lasted_ms: i64,
    /// Conversation with a seat.
    pub talked_ms: i64,
    /// In queues and rings.
    pub waited_ms: i64,
    /// Why it ended; `None` only for an imported row.
    pub cause: Option<Cause>,
    /// Keys taken by menus, in order: `21`.
    pub keys: String,
    /// Menus entered, in order.
    pub menus: Vec<Name>,
    /// The last queue entered.
    pub queue: Option<Name>,
    /// The seat that talked; after a transfer the last one.
    pub seat: Option<Name>,
    /// Transfers that were asked for, in order.
    pub transfers: Vec<TransferRow>,
    /// The recording, if one was begun.
    pub recording: Option<RecordingId>,
    /// What the caller agreed to: `none`, `notice_given`, `explicit`, `refused`, `withdrawn`.
    pub consent: String,
    /// Call-ID of the caller's INVITE; empty for an imported row.
    pub sip_call_id: String,
    /// The caller's leg first.
    pub legs: Vec<LegRow>,
}

/// Where a row comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A call of this engine.
    Engine,
    /// Told to us over the API (product.md A36).
    Imported {
        /// The customer's own id of whoever called.
        customer: String,
        /// The outcome in the customer's word: `completed`.
        status: String,
    },
}

/// A transfer that a seat asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRow {
    /// When it was asked for, after the call's start.
    pub at_ms: i64,
    /// The seat that asked.
    pub by: Name,
    /// The seat that was meant, or what was dialled.
    pub to: String,
    /// `blind` or `attended`.
    pub kind: String,
    /// `transferred`, or the cause of its failure; `None` when the call was lost before.
    pub outcome: Option<String>,
}

/// One leg.
#[derive(Clone, Debug, PartialEq)]
pub struct LegRow {
    /// The seat; `None` for the caller.
    pub seat: Option<Name>,
    /// The trunk it used.
    pub trunk: Option<Name>,
    /// INVITE sent or received, after the call's start.
    pub began_ms: i64,
    /// First 18x.
    pub rang_ms: Option<i64>,
    /// 200.
    pub answered_ms: Option<i64>,
    /// End.
    pub ended_ms: i64,
    /// Why it ended.
    pub cause: Cause,
    /// What the network said of the end, ITU-T Q.850; `None` when it said nothing.
    pub q850: Option<u8>,
    /// How its media was; `None` when it never had a channel.
    pub quality: Option<Quality>,
    /// When it was not heard, in order.
    pub lapses: Vec<LapseRow>,
}

/// How a leg's media was.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Quality {
    /// RTP packets received.
    pub received: i64,
    /// RTP packets that never came.
    pub lost: i64,
    /// RTP packets that came too late to be played, where the engine plays them.
    pub discarded: i64,
    /// Interarrival jitter, milliseconds.
    pub jitter_ms: f64,
    /// RTP packets sent.
    pub sent: i64,
    /// Loss that the peer reported of ours, 0.0-1.0.
    pub peer_loss: Option<f64>,
    /// Jitter that the peer reported, milliseconds.
    pub peer_jitter_ms: Option<f64>,
    /// Round trip, milliseconds.
    pub round_trip_ms: Option<f64>,
    /// How what came sounded, 1.0 to 4.5 (E-model).
    pub mos: Option<f64>,
    /// How what we sent sounded to the peer, by its reports.
    pub peer_mos: Option<f64>,
    /// Level of what came with a voice in it, dBm0.
    pub speech_dbm0: Option<f64>,
    /// What the peer reported last of how it heard us.
    pub peer_report: Option<PeerReport>,
}

/// A peer's own report of how it heard us (RFC 3611 section 4.7). Shares are 0.0-1.0.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct PeerReport {
    /// Packets that it never got.
    pub loss: f64,
    /// Packets that came too late for it.
    pub discard: f64,
    /// Packets missing in bursts.
    pub burst_density: f64,
    /// Mean length of a burst.
    pub burst_ms: i64,
    /// Packets missing between bursts.
    pub gap_density: f64,
    /// Mean time between bursts.
    pub gap_ms: i64,
    /// There and back on the network; `None` when it does not know.
    pub round_trip_ms: Option<i64>,
    /// Delay within the peer.
    pub end_system_ms: i64,
    /// Its jitter buffer now.
    pub buffer_ms: i64,
    /// Level of speech that it measured.
    pub signal_dbm0: Option<i64>,
    /// Level of pauses.
    pub noise_dbm0: Option<i64>,
    /// The E-model's R.
    pub r: Option<i64>,
    /// Mean opinion of listening.
    pub mos_listening: Option<f64>,
    /// Mean opinion of conversation.
    pub mos_conversation: Option<f64>,
}

/// A time in which a leg was not heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LapseRow {
    /// When it was noticed, after the call's start.
    pub at_ms: i64,
    /// `no_packets`, `no_voice` or `dead_air`.
    pub kind: String,
    /// How long from then; `None`: to the end of the leg.
    pub lasted_ms: Option<i64>,
}

impl CallRow {
    /// Whose doing the end was.
    pub fn blame(&self) -> Option<Blame> {
        self.cause.map(Cause::blame)
    }

    /// The outcome in one word, computed from what happened and never stored, so that a better formula
    /// holds for old calls as well (product.md 3.8 keeps the abandons of menu and waiting apart):
    ///
    /// `completed` a seat talked; `failed` a fault of engine, trunk or network; `left_waiting` it ended in
    /// a queue or while seats rang; `left_menu` it was answered by the line and by nobody else; `refused`
    /// it was never answered. An imported row keeps its customer's word.
    pub fn status(&self) -> &str {
        if let Origin::Imported { status, .. } = &self.origin {
            return status;
        }
        if self.connected_ms.is_some() {
            return "completed";
        }
        match self.blame() {
            Some(Blame::Engine | Blame::Trunk | Blame::Network) => "failed",
            _ if self.queue.is_some() || self.waited_ms > 0 => "left_waiting",
            _ if self.answered_ms.is_some() => "left_menu",
            _ => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cause: Cause) -> CallRow {
        CallRow {
            id: CallId::from_u128(1),
            origin: Origin::Engine,
            line: None,
            number: None,
            dialled: String::new(),
            diverted: Vec::new(),
            caller: None,
            internal: false,
            started: Timestamp::UNIX_EPOCH,
            answered_ms: None,
            connected_ms: None,
            lasted_ms: 0,
            talked_ms: 0,
            waited_ms: 0,
            cause: Some(cause),
            keys: String::new(),
            menus: Vec::new(),
            queue: None,
            seat: None,
            transfers: Vec::new(),
            recording: None,
            consent: "none".into(),
            sip_call_id: String::new(),
            legs: Vec::new(),
        }
    }

    #[test]
    fn a_call_that_only_the_queue_answered_was_not_answered_by_a_person() {
        let answered = CallRow { answered_ms: Some(10), ..row(Cause::CallerHungUp) };
        assert_eq!(answered.status(), "left_menu");
        let waiting = CallRow { queue: Some("sales".into()), ..answered.clone() };
        assert_eq!(waiting.status(), "left_waiting");
        let ringing = CallRow { waited_ms: 500, ..answered.clone() };
        assert_eq!(ringing.status(), "left_waiting");
        let talked = CallRow { connected_ms: Some(20), ..waiting };
        assert_eq!(talked.status(), "completed");
        assert_eq!(row(Cause::UnknownNumber).status(), "refused");
        assert_eq!(CallRow { cause: Some(Cause::NodeLost), ..answered }.status(), "failed");
    }
}
