//! CPU time of this thread, and a table of figures beside their goals: robust on a machine that others use too.
#![allow(unreachable_pub, reason = "a module of several binaries")]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The least of several measured runs of `work`, divided by the `times` that it does its deed: what disturbs
/// a run only ever makes it longer.
pub fn each(times: u64, mut work: impl FnMut() -> Duration) -> Duration {
    let least = (0..ROUNDS).map(|_| work()).min().unwrap_or_default();
    Duration::from_secs_f64(least.as_secs_f64() / times as f64)
}

/// CPU time of this thread while `work` runs.
pub fn of<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let before = now();
    let done = work();
    (now().saturating_sub(before), done)
}

/// Prints one line of the table.
pub fn row(what: &str, figure: &str, goal: &str) {
    println!("{what:<52} {figure:>22}   {goal}");
}

/// As a rate: `72,300/s`.
pub fn rate(each: Duration) -> String {
    let rate = (1.0 / each.as_secs_f64()) as u64;
    let (thousands, rest) = (rate / 1000, rate % 1000);
    if thousands > 0 { format!("{thousands},{rest:03}/s") } else { format!("{rest}/s") }
}

/// As microseconds: `12.34 µs`.
pub fn micros(each: Duration) -> String {
    format!("{:.2} µs", each.as_secs_f64() * 1e6)
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Runs of each measurement.
const ROUNDS: usize = 9;
