//! Who is heard in a recording beside the caller, and from when to when: a transfer changes it.

use base::Name;
use serde::{Deserialize, Serialize};

/// A stretch of a recording in which one seat talks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The seat.
    pub seat: Name,
    /// Milliseconds from the start of the recording.
    pub from_ms: u64,
    /// Its end, likewise.
    pub to_ms: u64,
}

/// Segments in the making.
#[derive(Clone, Debug)]
pub(crate) struct Segments {
    done: Vec<Segment>,
    current: Option<(Name, u64)>,
}

impl Segments {
    /// The seat that is heard first.
    pub(crate) fn beginning_with(seat: Option<Name>) -> Self {
        Self { done: Vec::new(), current: seat.map(|seat| (seat, 0)) }
    }

    /// From `at_us` on this seat is heard.
    pub(crate) fn turn_to(&mut self, seat: Option<Name>, at_us: u64) {
        let at_ms = at_us / 1000;
        if let Some((seat, from_ms)) = self.current.take()
            && self.done.len() < MOST_SEGMENTS
        {
            self.done.push(Segment { seat, from_ms, to_ms: at_ms.max(from_ms) });
        }
        self.current = seat.map(|seat| (seat, at_ms));
    }

    /// The end of the recording.
    pub(crate) fn end(mut self, at_us: u64) -> Vec<Segment> {
        self.turn_to(None, at_us);
        self.done
    }
}

/// Kept of one recording; a spool that says more is broken, and the row stays small.
const MOST_SEGMENTS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_put_through_leaves_silence_between_two_seats() {
        let mut segments = Segments::beginning_with(Some("zhao_min".into()));
        segments.turn_to(None, 20_000_000);
        segments.turn_to(Some("chen_hao".into()), 25_500_000);
        let of = |seat: &str, from_ms, to_ms| Segment { seat: seat.into(), from_ms, to_ms };
        assert_eq!(segments.end(60_000_000), [of("zhao_min", 0, 20_000), of("chen_hao", 25_500, 60_000)]);
    }
}
