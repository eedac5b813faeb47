//! Why a leg ended: from a status, a Reason header (RFC 3326) or the leg's own side; and the way back.

use base::Cause;

use crate::header::reason::Reason;
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::name::Header;

/// Why a placed leg failed with this final response.
pub(crate) fn of_failure(status: u16, to_trunk: bool) -> Cause {
    match status {
        486 | 600 => Cause::Busy,
        603 | 607 | 608 => Cause::Declined,
        408 | 504 => Cause::NoResponse,
        480 | 487 => Cause::NoAnswer,
        404 | 410 | 484 | 604 => Cause::Unreachable,
        415 | 488 | 606 => Cause::NoCommonCodec,
        _ if to_trunk => Cause::TrunkFailed,
        _ => Cause::Unreachable,
    }
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
