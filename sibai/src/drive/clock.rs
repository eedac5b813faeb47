//! The only place that reads the clocks.

use std::time::{Duration, Instant};

use base::{Mono, Now, Timestamp};
use jiff::SignedDuration;

/// Reads both clocks; `--at` shifts the wall clock only, so timers never notice.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    offset: SignedDuration,
}

impl Clock {
    /// The system's clocks as they are.
    pub fn system() -> Self {
        Self { start: Instant::now(), offset: SignedDuration::ZERO }
    }

    /// The wall clock begins at `wall` and goes on from there.
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { start: Instant::now(), offset: wall.duration_since(Timestamp::now()) }
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: self.wall() }
    }

    /// The monotonic clock only.
    pub fn mono(&self) -> Mono {
        Mono::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// A moment as libraries that keep time themselves want it.
    pub fn instant(&self, at: Mono) -> Instant {
        self.start + Duration::from_nanos(at.as_nanos())
    }

    /// A moment of theirs.
    pub fn moment(&self, at: Instant) -> Mono {
        let passed = at.saturating_duration_since(self.start);
        Mono::from_nanos(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The wall clock only.
    pub fn wall(&self) -> Timestamp {
        let system = Timestamp::now();
        system.checked_add(self.offset).unwrap_or(system)
    }

    /// What `--at` adds to the wall clock.
    pub fn offset(&self) -> SignedDuration {
        self.offset
    }

    /// Whether `--at` shifts it.
    pub fn is_shifted(&self) -> bool {
        !self.offset.is_zero()
    }
}
