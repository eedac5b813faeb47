//! What is known about a recording before its first frame: the spool's header and the catalog's first row.

use base::{CallId, Name, PhoneNumber, RecordingId, Timestamp};
use codecs::Coding;
use serde::{Deserialize, Serialize};

use crate::words::words;

/// The facts of one recording, fixed when it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Our own name for it; never taken from the wire.
    pub recording: RecordingId,
    /// The call that it belongs to.
    pub call: CallId,
    /// The line that was called.
    pub line: Name,
    /// The number that was called.
    pub number: PhoneNumber,
    /// Who called; `None` when the number was withheld.
    pub caller: Option<PhoneNumber>,
    /// The queue that brought caller and seat together.
    pub queue: Option<Name>,
    /// The seat that answered.
    pub seat: Option<Name>,
    /// What was recorded.
    pub kind: Kind,
    /// What the caller had agreed to when recording began.
    pub consent: Consent,
    /// The wall clock at sample 0 of the recording.
    pub started: Timestamp,
    /// How the caller's side was coded at the start (each packet says its own codec as well).
    #[serde(with = "codec_word", alias = "caller_law")]
    pub caller_codec: Coding,
    /// How the seat's side was coded at the start.
    #[serde(with = "codec_word", alias = "seat_law")]
    pub seat_codec: Coding,
}

impl Facts {
    /// The codecs of both sides, caller first: `pcma`, or `pcma/pcmu` when they differ.
    pub fn codec(&self) -> String {
        let (caller, seat) = (codec_word::of(self.caller_codec), codec_word::of(self.seat_codec));
        if caller == seat { caller } else { format!("{caller}/{seat}") }
    }
}

words! {
    /// What the caller agreed to. The order is strength (line-language.md 5.7, rule 8): the greater one
    /// protects the caller more and wins.
    pub enum Consent {
        /// Nothing was said or asked.
        None = "none",
        /// The notice was played and the caller stayed.
        NoticeGiven = "notice_given",
        /// The caller agreed by key.
        Explicit = "explicit",
        /// The caller refused: nothing may be kept.
        Refused = "refused",
        /// The caller took consent back: what exists is deleted.
        Withdrawn = "withdrawn",
    }
}

impl Consent {
    /// The stronger of two answers, whichever came first.
    #[must_use]
    pub fn stronger(self, other: Self) -> Self {
        self.max(other)
    }
}

words! {
    /// What a recording is of.
    pub enum Kind {
        /// Caller and seat talking.
        Call = "call",
        /// A message that the caller left.
        Voicemail = "voicemail",
    }
}

/// Which of the two parties a packet came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// Left in the file.
    Caller,
    /// Right in the file.
    Seat,
}

impl Side {
    /// 0 for the left channel, 1 for the right.
    pub const fn channel(self) -> usize {
        match self {
            Self::Caller => 0,
            Self::Seat => 1,
        }
    }
}

/// A codec is written as its name in SDP, in small letters.
mod codec_word {
    use codecs::Coding;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn of(coding: Coding) -> String {
        coding.name().to_ascii_lowercase()
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's shape")]
    pub(super) fn serialize<S: Serializer>(coding: &Coding, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&of(*coding))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Coding, D::Error> {
        let word = String::deserialize(from)?;
        let known = Coding::ALL.iter().copied().find(|coding| coding.name().eq_ignore_ascii_case(&word));
        known.ok_or_else(|| serde::de::Error::custom(format!("unknown codec {word:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_that_protects_the_caller_more_wins() {
        let order = Consent::ALL;
        for (i, a) in order.iter().enumerate() {
            for (j, b) in order.iter().enumerate() {
                assert_eq!(a.stronger(*b), order[i.max(j)]);
            }
        }
        assert_eq!(Consent::Withdrawn.stronger(Consent::Explicit), Consent::Withdrawn);
    }

    #[test]
    fn words_go_there_and_back() {
        for consent in Consent::ALL {
            assert_eq!(consent.as_str().parse::<Consent>().as_ref(), Ok(consent));
        }
        assert!("maybe".parse::<Kind>().is_err());
    }
}
