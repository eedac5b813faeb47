//! The only place that reads the clocks.

use std::time::{Duration, Instant};

use base::{Mono, Now, Timestamp};
use jiff::SignedDuration;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Reads both clocks; `--at` shifts the wall clock only, so timers never notice.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Of the kernel's monotonic clock, in nanoseconds, so that timers of the kernel can be set by it.
    zero: u64,
    /// The same moment for libraries that keep time themselves; some microseconds matter to none of them.
    start: Instant,
    offset: SignedDuration,
}

impl Clock {
    /// The system's clocks as they are.
    pub fn system() -> Self {
        Self { zero: monotonic(), start: Instant::now(), offset: SignedDuration::ZERO }
    }

    /// The wall clock begins at `wall` and goes on from there.
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { offset: wall.duration_since(Timestamp::now()), ..Self::system() }
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: self.wall() }
    }

    /// The monotonic clock only.
    pub fn mono(&self) -> Mono {
        Mono::from_nanos(monotonic().saturating_sub(self.zero))
    }

    /// A moment as timers of the kernel want it.
    pub(super) fn system_time(&self, at: Mono) -> Timespec {
        let nanos = self.zero.saturating_add(at.as_nanos());
        Timespec { tv_sec: (nanos / SECOND) as i64, tv_nsec: (nanos % SECOND) as i64 }
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

/// Both clocks by one reading: the wall clock goes along with the monotonic one and is looked at once a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    clock: Clock,
    looked: Now,
}

impl Watch {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, looked: clock.now() }
    }

    pub(super) fn read(&mut self) -> Now {
        let passed = self.clock.mono().since(self.looked.mono);
        if passed < LOOK_AT_WALL {
            return self.looked.later(passed);
        }
        self.looked = self.clock.now();
        self.looked
    }
}

fn monotonic() -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
    tv_sec as u64 * SECOND + tv_nsec as u64
}

const SECOND: u64 = 1_000_000_000;

/// The wall clock may be set while the process runs; what it is good for (labels, NTP in reports) need not know sooner.
const LOOK_AT_WALL: Duration = Duration::from_secs(1);
