//! What a run came to, as a table.

use std::time::Duration;

use crate::audio::Outcome;
use crate::child::Usage;
use crate::signalling::Counts;

/// A run that is over.
pub struct Report {
    /// What processes used.
    pub measured: Measured,
    /// Calls.
    pub counts: Counts,
    /// Audio.
    pub outcome: Outcome,
    /// Packets that the server says it dropped.
    pub dropped: Option<f64>,
    /// Packets that its recorder had no room for.
    pub missed: Option<f64>,
    /// Whether calls were recorded.
    pub recorded: bool,
}

/// What processes used.
pub struct Measured {
    /// The server before the first call.
    pub idle: Option<Usage>,
    /// And when the measurement began.
    pub before: Option<Usage>,
    /// And when it ended.
    pub after: Option<Usage>,
    /// This program, at both moments.
    pub tool: (Usage, Usage),
    /// How long that was.
    pub lasted: Duration,
    /// Calls that were up all the while.
    pub up: usize,
}

impl Report {
    /// Whether every call and every packet came through.
    pub fn is_good(&self) -> bool {
        let (expected, received, _) = self.packets();
        self.counts.failed.is_empty()
            && self.silent() == 0
            && expected == received
            && self.missed.is_none_or(|missed| missed == 0.0)
    }

    /// Packets that were to come, that came, and that came twice.
    fn packets(&self) -> (u64, u64, u64) {
        let all = self.outcome.tallies.iter().zip(&self.outcome.sent);
        all.fold((0, 0, 0), |(expected, received, doubled), (tally, sent)| {
            (expected + tally.expected(*sent), received + tally.received, doubled + tally.doubled)
        })
    }

    /// Streams that spoke for a second and were never heard.
    fn silent(&self) -> usize {
        let all = self.outcome.tallies.iter().zip(&self.outcome.sent);
        all.filter(|(tally, sent)| **sent > 50 && tally.received == 0).count()
    }

    /// Prints it.
    pub fn print(&self) {
        let up = self.measured.up;
        let kind = if self.recorded { "two-leg calls, recorded" } else { "two-leg calls" };
        row(kind, &format!("{up} up for {:.0} s", self.measured.lasted.as_secs_f64()));
        let failed: u32 = self.counts.failed.values().sum();
        row(
            "placed, answered, ended well, failed",
            &format!("{}, {}, {}, {failed}", self.counts.placed, self.counts.answered, self.counts.over),
        );
        for (why, count) in &self.counts.failed {
            row("", &format!("{count} × {why}"));
        }
        let mut setups = self.counts.setups.clone();
        setups.sort_unstable();
        let setup = |share: f64| {
            let at = (setups.len() as f64 * share) as usize;
            setups
                .get(at.min(setups.len().saturating_sub(1)))
                .map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
        };
        row("INVITE to 200, p50, p99", &format!("{:.2}, {:.2} ms", setup(0.5), setup(0.99)));
        let (expected, received, doubled) = self.packets();
        row("packets expected, received", &format!("{expected}, {received}"));
        let lost = expected.saturating_sub(received);
        row("lost; twice; streams not heard", &format!("{lost}; {doubled}; {}", self.silent()));
        let ages = &self.outcome.ages;
        let age = |share: f64| {
            let at = (ages.len() as f64 * share) as usize;
            ages.get(at.min(ages.len().saturating_sub(1))).map_or(0.0, |nanos| f64::from(*nanos) / 1_000.0)
        };
        row(
            "latency of the first calls, p50, p99, p99.9",
            &format!("{:.0}, {:.0}, {:.0} µs", age(0.5), age(0.99), age(0.999)),
        );
        if self.outcome.junk > 0 {
            row("junk sent to one leg", &self.outcome.junk.to_string());
        }
        for (what, count) in
            [("server: packets dropped", self.dropped), ("server: recorder missed", self.missed)]
        {
            if let Some(count) = count {
                row(what, &count.to_string());
            }
        }
        row("not taken by the kernel here", &self.outcome.unsent.to_string());
        self.print_usage();
    }

    fn print_usage(&self) {
        let Measured { idle, before, after, tool, lasted, up } = &self.measured;
        let cores = |spent: Duration| spent.as_secs_f64() / lasted.as_secs_f64();
        let calls = (*up).max(1) as f64;
        let tools = cores(tool.1.cpu().saturating_sub(tool.0.cpu()));
        if let (Some(before), Some(after)) = (before, after) {
            let all = cores(after.cpu().saturating_sub(before.cpu()));
            row("cores of the server; for 1,000 calls", &format!("{all:.3}; {:.3}", all / calls * 1_000.0));
            for (name, spent) in after.since(before).into_iter().filter(|(_, spent)| cores(*spent) >= 0.001) {
                row(&format!("  {name}"), &format!("{:.3}", cores(spent)));
            }
        }
        row("cores of this tool", &format!("{tools:.3}"));
        if let (Some(idle), Some(after)) = (idle, after) {
            let grown = after.memory.saturating_sub(idle.memory) as f64 / 1_024.0;
            let text = format!("{} KB; {:.0} KB", idle.memory / 1_024, after.memory as f64 / 1_024.0);
            row("memory of the server idle; under load", &text);
            row("memory a call", &format!("{:.1} KB", grown / calls));
        }
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        row("load average of the machine", load.split(' ').next().unwrap_or("?"));
    }
}

fn row(what: &str, figure: &str) {
    println!("{what:<46} {figure}");
}
