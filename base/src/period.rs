//! How long something is kept: days or calendar months.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A retention period. Months are calendar months: 31 August + 6 months is the last day of February
/// (line-language.md 5.7, rule 9).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Period {
    /// Whole days of 24 hours.
    Days(u32),
    /// Calendar months in the line's time zone.
    Months(u32),
}

impl Period {
    /// The moment a period that begins at `from` ends, in the time zone `zone` (an IANA name;
    /// an unknown one counts as UTC).
    pub fn after(self, from: Timestamp, zone: &str) -> Timestamp {
        let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let start = from.to_zoned(zone);
        let span = match self {
            Self::Days(days) => jiff::Span::new().try_days(days),
            Self::Months(months) => jiff::Span::new().try_months(months),
        };
        span.and_then(|span| start.checked_add(span)).map_or(Timestamp::MAX, |end| end.timestamp())
    }

    /// An upper bound of its length, for comparing two periods (a month counts as 31 days).
    pub fn at_most(self) -> Duration {
        let days = match self {
            Self::Days(days) => u64::from(days),
            Self::Months(months) => u64::from(months) * 31,
        };
        Duration::from_secs(days * 86_400)
    }

    /// A lower bound of its length (a month counts as 28 days).
    pub fn at_least(self) -> Duration {
        let days = match self {
            Self::Days(days) => u64::from(days),
            Self::Months(months) => u64::from(months) * 28,
        };
        Duration::from_secs(days * 86_400)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(days) => write!(f, "{days}d"),
            Self::Months(months) => write!(f, "{months}mo"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_months_after_the_end_of_august_is_the_end_of_february() {
        let from: Timestamp = "2026-08-31T10:00:00+08:00".parse().unwrap();
        let end = Period::Months(6).after(from, "Asia/Shanghai");
        assert_eq!(end, "2027-02-28T10:00:00+08:00".parse::<Timestamp>().unwrap());
    }
}
