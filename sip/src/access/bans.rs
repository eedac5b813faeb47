//! Sources that guess passwords are banned: after ten wrong proofs in ten minutes, for longer each time
//! (reliability A3).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use base::{Mono, Now};

use crate::recent::Recent;
use crate::seam::Ban;

/// Wrong proofs and bans by source, in a bounded table; the source that was quiet longest is forgotten first.
#[derive(Clone, Debug)]
pub(crate) struct Bans {
    sources: Recent<IpAddr, Record>,
    ends: BTreeSet<(Mono, IpAddr)>,
}

/// What is known of one source.
#[derive(Clone, Copy, Debug)]
struct Record {
    failures: u32,
    /// When the ten minutes began in which they are counted.
    since: Mono,
    /// How often it was banned.
    offences: u32,
    ends: Option<Mono>,
}

/// What became of the bans: to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A source was banned.
    Banned(Ban),
    /// A ban is over, was lifted, or was pushed out of a full table.
    Over(IpAddr),
}

impl Bans {
    pub(crate) fn new() -> Self {
        Self { sources: Recent::new(MAX_SOURCES), ends: BTreeSet::new() }
    }

    /// Whether this source is banned.
    pub(crate) fn holds(&self, now: Mono, source: IpAddr) -> bool {
        let record = self.sources.find(&Ban::network(source));
        record.and_then(|record| record.ends).is_some_and(|ends| ends > now)
    }

    /// A wrong proof came from this source; the `most`-th within ten minutes is one too many.
    pub(crate) fn count(&mut self, now: Now, source: IpAddr, most: u32) -> Vec<Change> {
        let source = Ban::network(source);
        let fresh = || Record { failures: 0, since: now.mono, offences: 0, ends: None };
        let (length, pushed) = self.sources.touch(&source, fresh, |record| {
            if now.mono.since(record.since) >= WINDOW {
                record.failures = 0;
                record.since = now.mono;
            }
            record.failures += 1;
            if record.failures < most || record.ends.is_some() {
                return None;
            }
            record.failures = 0;
            record.offences = record.offences.saturating_add(1);
            let length = length_of(record.offences);
            record.ends = Some(now.mono + length);
            Some((length, record.offences))
        });
        let mut changes = self.pushed_out(pushed);
        if let Some((length, offences)) = length {
            self.ends.insert((now.mono + length, source));
            let until = now.wall.saturating_add(length).unwrap_or(now.wall);
            changes.push(Change::Banned(Ban { source, until, length, offences }));
        }
        changes
    }

    /// Takes over a ban of an earlier run. What is left of it is read from the wall clock, but a clock that
    /// jumped neither ends it at once nor makes it longer than it was.
    pub(crate) fn restore(&mut self, now: Now, ban: &Ban) -> Vec<Change> {
        let source = Ban::network(ban.source);
        let left = ban.until.duration_since(now.wall);
        let left = Duration::try_from(left).unwrap_or_default().clamp(LEAST_LEFT, ban.length.max(LEAST_LEFT));
        let ends = now.mono + left;
        let fresh = || Record { failures: 0, since: now.mono, offences: 0, ends: None };
        let (before, pushed) = self.sources.touch(&source, fresh, |record| {
            record.offences = record.offences.max(ban.offences);
            record.ends.replace(ends)
        });
        if let Some(before) = before {
            self.ends.remove(&(before, source));
        }
        self.ends.insert((ends, source));
        self.pushed_out(pushed)
    }

    /// Lifts a ban and forgives what led to it.
    pub(crate) fn lift(&mut self, source: IpAddr) -> Option<Change> {
        let source = Ban::network(source);
        let ends = self.sources.remove(&source)?.ends?;
        self.ends.remove(&(ends, source));
        Some(Change::Over(source))
    }

    /// Ends what is over; the offence is remembered.
    pub(crate) fn expire(&mut self, now: Mono) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(&(at, source)) = self.ends.first()
            && at <= now
        {
            self.ends.remove(&(at, source));
            if let Some(mut record) = self.sources.remove(&source) {
                record.ends = None;
                record.failures = 0;
                self.sources.touch(&source, || record, |record| record.offences);
            }
            changes.push(Change::Over(source));
        }
        changes
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// How many sources are banned.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn pushed_out(&mut self, pushed: Option<(IpAddr, Record)>) -> Vec<Change> {
        let Some((source, Record { ends: Some(ends), .. })) = pushed else { return Vec::new() };
        self.ends.remove(&(ends, source));
        vec![Change::Over(source)]
    }
}

/// Ten minutes, then thrice as long each time, up to a day.
fn length_of(offences: u32) -> Duration {
    let times = 3_u32.saturating_pow(offences.saturating_sub(1).min(10));
    FIRST.saturating_mul(times).min(LONGEST)
}

/// Sources remembered: a botnet's worth in 10 MB.
const MAX_SOURCES: usize = 65_536;
/// Wrong proofs are counted for this long: nobody mistypes ten times in ten minutes.
const WINDOW: Duration = Duration::from_mins(10);
/// The first ban: long enough to make guessing hopeless, short enough for a phone set up wrongly.
const FIRST: Duration = Duration::from_mins(10);
/// The longest: an address may belong to somebody else tomorrow.
const LONGEST: Duration = Duration::from_hours(24);
/// What is left at least of a ban that was in force when the process ended.
const LEAST_LEFT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use base::Timestamp;

    fn at(seconds: u64) -> Now {
        let wall = Timestamp::from_second(1_790_000_000).unwrap();
        Now { mono: Mono::from_nanos(1), wall }.later(Duration::from_secs(seconds))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ban(bans: &mut Bans, now: Now, source: &str) -> Duration {
        for _ in 0..9 {
            assert_eq!(bans.count(now, ip(source), 10), []);
        }
        match &bans.count(now, ip(source), 10)[..] {
            [Change::Banned(ban)] => ban.length,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_tenth_wrong_proof_in_ten_minutes_bans_and_each_ban_is_longer() {
        let mut bans = Bans::new();
        let mut now = at(0);
        for minutes in [10, 30, 90, 270, 810, 1_440, 1_440] {
            let length = ban(&mut bans, now, "203.0.113.1");
            assert_eq!(length, Duration::from_mins(minutes));
            assert!(bans.holds(now.mono, ip("203.0.113.1")) && !bans.holds(now.mono, ip("203.0.113.2")));
            now = now.later(length);
            assert_eq!(bans.expire(now.mono), [Change::Over(ip("203.0.113.1"))]);
            assert!(!bans.holds(now.mono, ip("203.0.113.1")));
        }
        assert_eq!((bans.len(), bans.deadline()), (0, None));
    }

    #[test]
    fn nine_in_ten_minutes_ban_nobody() {
        let mut bans = Bans::new();
        for minute in 0..100 {
            assert_eq!(bans.count(at(minute * 70), ip("203.0.113.1"), 10), [], "{minute}");
        }
    }

    #[test]
    fn an_ipv6_host_is_its_whole_network() {
        let mut bans = Bans::new();
        for host in 1..=10 {
            bans.count(at(0), ip(&format!("2001:db8::{host}")), 10);
        }
        assert!(
            bans.holds(at(0).mono, ip("2001:db8::ffff")) && !bans.holds(at(0).mono, ip("2001:db8:0:1::1"))
        );
        for host in 1..=10 {
            bans.count(at(0), ip("::ffff:203.0.113.9"), 10);
            assert_eq!(bans.holds(at(0).mono, ip("203.0.113.9")), host == 10);
        }
    }

    #[test]
    fn a_restored_ban_lasts_by_the_wall_clock_and_a_jump_neither_ends_nor_stretches_it() {
        let old = Ban {
            source: ip("203.0.113.1"),
            until: at(600).wall,
            length: Duration::from_mins(10),
            offences: 2,
        };
        for (start, left) in [(0, 600), (240, 360), (599, 60), (100_000_000, 60)] {
            let mut bans = Bans::new();
            bans.restore(at(start), &old);
            assert_eq!(bans.deadline().unwrap().since(at(start).mono).as_secs(), left, "{start}");
        }
        let mut bans = Bans::new();
        let past = Now { wall: Timestamp::from_second(1_000_000_000).unwrap(), ..at(0) };
        bans.restore(past, &old);
        assert_eq!(bans.deadline().unwrap().since(past.mono).as_secs(), 600, "no longer than it was");
        bans.expire(at(700).mono);
        assert_eq!(ban(&mut bans, at(700), "203.0.113.1"), Duration::from_mins(90), "the offences are known");
    }

    #[test]
    fn a_lifted_ban_is_forgiven() {
        let mut bans = Bans::new();
        ban(&mut bans, at(0), "203.0.113.1");
        assert_eq!(bans.lift(ip("203.0.113.1")), Some(Change::Over(ip("203.0.113.1"))));
        assert_eq!(bans.lift(ip("203.0.113.1")), None);
        assert!(!bans.holds(at(0).mono, ip("203.0.113.1")));
        assert_eq!(ban(&mut bans, at(0), "203.0.113.1"), Duration::from_mins(10));
    }

    #[test]
    fn the_table_is_bounded_and_a_ban_pushed_out_is_told() {
        let mut bans = Bans { sources: Recent::new(3), ends: BTreeSet::new() };
        ban(&mut bans, at(0), "203.0.113.1");
        for host in 2..=3 {
            bans.count(at(1), ip(&format!("203.0.113.{host}")), 10);
        }
        assert_eq!(bans.count(at(1), ip("203.0.113.4"), 10), [Change::Over(ip("203.0.113.1"))]);
        assert_eq!((bans.len(), bans.sources.len()), (0, 3));
    }
}
