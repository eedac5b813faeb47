//! Replay: each nc of a nonce is taken once, in a bounded table.

use std::collections::{HashMap, VecDeque};

/// Which counts have been seen under which nonces. When full, the oldest nonce is forgotten and its
/// requests are challenged anew.
#[derive(Clone, Debug)]
pub struct Replays {
    windows: HashMap<Box<str>, Window>,
    ages: VecDeque<Box<str>>,
    forgotten: u64,
    capacity: usize,
}

/// What the table says of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Not seen before.
    New,
    /// Seen before, or so old that nobody can tell: challenge again with `stale=true`.
    Replayed,
}

impl Replays {
    /// A table of at most `capacity` nonces.
    pub fn new(capacity: usize) -> Self {
        Self { windows: HashMap::new(), ages: VecDeque::new(), forgotten: 0, capacity: capacity.max(1) }
    }

    /// Takes the count of a request whose digest has been verified.
    ///
    /// A retransmission never comes here: the transaction layer absorbs it. Order does not matter within
    /// 64 counts, because requests over UDP overtake each other.
    pub fn take(&mut self, nonce: &str, nc: u32) -> Count {
        if let Some(window) = self.windows.get_mut(nonce) {
            return window.take(nc);
        }
        if self.windows.len() >= self.capacity
            && let Some(oldest) = self.ages.pop_front()
        {
            self.windows.remove(&oldest);
            self.forgotten += 1;
        }
        let mut window = Window::default();
        let count = window.take(nc);
        self.windows.insert(nonce.into(), window);
        self.ages.push_back(nonce.into());
        count
    }

    /// Forgets the nonces that `is_dead` names, oldest first, up to the first that lives.
    pub fn forget_while(&mut self, mut is_dead: impl FnMut(&str) -> bool) {
        while self.ages.front().is_some_and(|oldest| is_dead(oldest)) {
            if let Some(oldest) = self.ages.pop_front() {
                self.windows.remove(&oldest);
            }
        }
    }

    /// How many nonces are kept.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// How many live nonces a full table has pushed out since the start: a sign of an attack, or of a
    /// capacity that is too small.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// The highest count and, as bits, which of the 64 up to it were seen.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    highest: u32,
    seen: u64,
}

impl Window {
    fn take(&mut self, nc: u32) -> Count {
        if nc > self.highest {
            let ahead = nc - self.highest;
            self.seen = if ahead < u64::BITS { self.seen << ahead } else { 0 };
            self.seen |= 1;
            self.highest = nc;
            return Count::New;
        }
        let behind = self.highest - nc;
        // nc counts from 1 (RFC 7616 section 3.4).
        if nc == 0 || behind >= u64::BITS || self.seen >> behind & 1 == 1 {
            return Count::Replayed;
        }
        self.seen |= 1 << behind;
        Count::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_taken_once_and_the_tenth_request_is_as_good_as_the_first() {
        let mut replays = Replays::new(8);
        for nc in 1..=600 {
            assert_eq!(replays.take("n", nc), Count::New);
            assert_eq!(replays.take("n", nc), Count::Replayed);
        }
        assert_eq!(replays.take("n", 0), Count::Replayed);
    }

    #[test]
    fn overtaking_within_the_window_is_no_replay() {
        let mut replays = Replays::new(8);
        for nc in [1, 70, 69, 7, 71] {
            assert_eq!(replays.take("n", nc), Count::New, "{nc}");
        }
        assert_eq!(replays.take("n", 6), Count::Replayed);
        assert_eq!(replays.take("n", u32::MAX), Count::New);
        assert_eq!(replays.take("n", 72), Count::Replayed);
    }

    #[test]
    fn a_full_table_forgets_the_oldest_and_counts_it() {
        let mut replays = Replays::new(2);
        for nonce in ["a", "b", "c"] {
            assert_eq!(replays.take(nonce, 1), Count::New);
        }
        assert_eq!((replays.len(), replays.forgotten()), (2, 1));
        assert_eq!(replays.take("b", 1), Count::Replayed);
        replays.forget_while(|nonce| nonce == "b");
        assert_eq!(replays.len(), 1);
        assert_eq!(replays.take("c", 1), Count::Replayed);
    }
}
