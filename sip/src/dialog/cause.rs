//! Why a leg ended: from a status, a Reason header (RFC 3326) or the leg's own side; and the way back.

use base::Cause;

use crate::header::reason::Reason;
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::name::Header;

/// Why a placed leg failed with this final response. What the network says in Q.850 is nearer to the truth than
/// the status that a gateway made of it (RFC 3326, RFC 3398 section 7.2.4.1), save for what is said by nothing
/// but a status.
pub(crate) fn of_failure(response: &Message, to_trunk: bool) -> Cause {
    let status = response.status().unwrap_or(500);
    let failed = if to_trunk { Cause::TrunkFailed } else { Cause::Unreachable };
    match status {
        486 | 600 => Cause::Busy,
        415 | 488 | 606 => Cause::NoCommonCodec,
        _ => q850(response).and_then(|value| of_q850(value, to_trunk)).unwrap_or(match status {
            603 | 607 | 608 => Cause::Declined,
            408 | 504 => Cause::NoResponse,
            480 | 487 => Cause::NoAnswer,
            404 | 410 | 484 | 604 => Cause::Unreachable,
            _ => failed,
        }),
    }
}

/// What a Q.850 value says of a leg that was never answered; nothing if it is a normal end or says too little.
const fn of_q850(value: u8, to_trunk: bool) -> Option<Cause> {
    match value {
        1 | 2 | 3 | 20 | 22 | 27 | 28 => Some(Cause::Unreachable),
        17 => Some(Cause::Busy),
        18 | 19 => Some(Cause::NoAnswer),
        21 => Some(Cause::Declined),
        58 | 65 | 70 | 79 | 88 => Some(Cause::NoCommonCodec),
        34 | 38 | 41 | 42 | 44 | 47 if to_trunk => Some(Cause::TrunkFailed),
        _ => None,
    }
}

/// The Q.850 value in the Reason of a message.
pub(crate) fn q850(message: &Message) -> Option<u8> {
    let reasons = message.list(Header::Reason);
    let read = reasons.iter().filter_map(|text| Reason::parse(text).ok()).find(Reason::is_q850);
    // A value has seven bits (ITU-T Q.850 section 2.2.5).
    read.and_then(|reason| reason.cause)
        .and_then(|cause| u8::try_from(cause).ok())
        .filter(|&cause| cause < 128)
}

/// Why the peer hung up an answered leg.
pub(crate) fn of_bye(is_arrived: bool) -> Cause {
    if is_arrived { Cause::CallerHungUp } else { Cause::SeatHungUp }
}

/// Why the peer cancelled: its Reason may say that another answered (a proxy's fork), else it gave up.
pub(crate) fn of_cancel(cancel: &Message) -> Cause {
    let reasons = cancel.list(Header::Reason);
    let elsewhere =
        reasons.iter().any(|text| Reason::parse(text).is_ok_and(|reason| reason.is_completed_elsewhere()));
    if elsewhere { Cause::AnsweredElsewhere } else { Cause::CallerGaveUp }
}

/// Writes the Reason of a CANCEL, BYE or refusal: the Q.850 value that carriers read, and for phones the
/// words that keep a call answered elsewhere out of the missed calls.
pub(crate) fn write_reason(draft: Draft, cause: Cause) -> Draft {
    let reason = match cause {
        Cause::AnsweredElsewhere => Reason::completed_elsewhere(),
        cause => Reason::q850(cause.q850().into(), ""),
    };
    draft.header(Header::Reason, reason)
}
