//! Time as an argument: a machine is handed both clocks with every input and reads none itself.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

pub use jiff::Timestamp;

/// A reading of the monotonic clock: nanoseconds since the driver's own start.
///
/// Deadlines and durations use only this clock; a jump of the wall clock never fires a timer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(u64);

impl Mono {
    /// The moment the driver started.
    pub const ZERO: Self = Self(0);

    /// The reading that lies `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Mono {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{:.6}s", Duration::from_nanos(self.0).as_secs_f64())
    }
}

/// Both clocks, read once when the input arrived; travels with every input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and durations.
    pub mono: Mono,
    /// For labels, opening hours and retention only.
    pub wall: Timestamp,
}

impl Now {
    /// The same moment, later by `span` on both clocks.
    #[must_use]
    pub fn later(self, span: Duration) -> Self {
        Self { mono: self.mono + span, wall: self.wall.saturating_add(span).unwrap_or(self.wall) }
    }
}

/// The earlier of two optional deadlines.
pub fn soonest(a: Option<Mono>, b: Option<Mono>) -> Option<Mono> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
