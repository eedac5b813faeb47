//! The questions that `if` and `refuse_if` ask about a call.

use base::Timestamp;

use super::Start;
use crate::calendar::local;
use crate::line::Predicate;

impl Predicate {
    /// Whether it holds for this visit at this moment. A withheld number is in no list.
    pub(super) fn holds(&self, visit: &Start, at: Timestamp) -> bool {
        let line = &visit.line;
        match self {
            Self::Open(hours) => line.is_open(hours, at),
            Self::Closed(hours) => !line.is_open(hours, at),
            Self::Holiday(hours) => line.is_holiday(hours, at),
            Self::TimeBetween(range) => range.covers(local(line, at).time()),
            Self::CallerIn(list) => match (line.lists.get(list), &visit.caller) {
                (Some(list), Some(caller)) => list.numbers.contains(caller),
                _ => false,
            },
            Self::Dialled(number) => visit.called == *number,
            Self::All(parts) => parts.iter().all(|part| part.holds(visit, at)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(visit, at)),
            Self::Not(part) => !part.holds(visit, at),
        }
    }
}
