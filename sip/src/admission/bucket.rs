//! A token bucket: so much a second, and a burst.

use base::Mono;

/// Fills at a rate, up to a burst; what is taken is paid with what it costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// In billionths of a token, so that nanoseconds times tokens a second need no rounding.
    level: u64,
    at: Mono,
}

/// How a bucket fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second.
    pub per_second: u32,
    /// The most that it holds.
    pub burst: u32,
}

impl Bucket {
    /// A full one.
    pub(crate) const fn full(now: Mono, rate: Rate) -> Self {
        Self { level: rate.burst as u64 * UNIT, at: now }
    }

    /// Pays, if there is enough.
    pub(crate) fn pay(&mut self, now: Mono, rate: Rate, cost: u32) -> bool {
        let passed = u64::try_from(now.since(self.at).as_nanos()).unwrap_or(u64::MAX);
        self.at = self.at.max(now);
        let filled = passed.saturating_mul(u64::from(rate.per_second));
        self.level = self.level.saturating_add(filled).min(u64::from(rate.burst) * UNIT);
        let cost = u64::from(cost) * UNIT;
        let enough = self.level >= cost;
        if enough {
            self.level -= cost;
        }
        enough
    }
}

/// Nanoseconds of a second.
const UNIT: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate { per_second: 10, burst: 5 };
        let mut bucket = Bucket::full(Mono::ZERO, rate);
        let mut given = 0;
        for millis in 0..10_000 {
            given += u32::from(bucket.pay(Mono::ZERO + Duration::from_millis(millis), rate, 1));
        }
        assert_eq!(given, 5 + 99);
        assert!(!bucket.pay(Mono::ZERO, rate, 1), "a clock that stands still gives nothing");
        assert!(!bucket.pay(Mono::ZERO + Duration::from_secs(100), rate, 6), "never more than the burst");
    }
}
