//! The bed of the media benches: a real worker with real sockets, the bare loops that it is compared with, and the
//! peers that feed both. CPU time is that of one thread, as the kernel counts it.
#![allow(clippy::expect_used, dead_code, unreachable_pub, reason = "a bench: a panic is its failure")]

pub mod bare;
pub mod ours;
pub mod peers;
pub mod recording;
pub mod turns;

use std::fs;
use std::time::Duration;

/// The value of `name=value` among the arguments.
pub fn argument(name: &str, otherwise: u64) -> u64 {
    let find = |argument: String| argument.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
    std::env::args().find_map(find).unwrap_or(otherwise)
}

/// Whether this part of the bench is wanted: all are unless some are named.
pub fn wants(part: &str, parts: &[&str]) -> bool {
    let named: Vec<String> = std::env::args().filter(|argument| parts.contains(&argument.as_str())).collect();
    named.is_empty() || named.iter().any(|name| name == part)
}

/// As many files as this user may open: two sockets a leg.
pub fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before }).expect("a limit");
}

/// A thread of this process.
#[derive(Clone, Copy, Debug)]
pub struct Thread(u32);

impl Thread {
    /// The one of `main`.
    pub fn main() -> Self {
        Self(std::process::id())
    }

    /// By its name, which a thread gives itself once it runs.
    pub fn named(name: &str) -> Self {
        let find = || {
            std::thread::sleep(Duration::from_millis(10));
            Self::find(name)
        };
        std::iter::repeat_with(find).take(500).flatten().next().expect("a thread of that name")
    }

    fn find(name: &str) -> Option<Self> {
        for entry in fs::read_dir("/proc/self/task").expect("procfs") {
            let path = entry.expect("a thread").path();
            let comm = fs::read_to_string(path.join("comm")).unwrap_or_default();
            if comm.trim() == name {
                let number =
                    path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                return number.map(Self);
            }
        }
        None
    }

    /// What it has used (proc(5), schedstat: nanoseconds).
    pub fn spent(self) -> Duration {
        let text = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.0)).expect("schedstat");
        let nanos = text.split_whitespace().next().and_then(|field| field.parse().ok());
        Duration::from_nanos(nanos.expect("nanoseconds"))
    }

    /// How the kernel schedules it, and at which priority (`proc_pid_stat(5)`, fields 41 and 40).
    pub fn scheduling(self) -> String {
        let text = fs::read_to_string(format!("/proc/self/task/{}/stat", self.0)).expect("stat");
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or("?");
        match field(38) {
            "0" => format!("SCHED_OTHER, nice {}", field(16)),
            "1" => format!("SCHED_FIFO {}", field(37)),
            "2" => format!("SCHED_RR {}", field(37)),
            other => format!("policy {other}"),
        }
    }

    /// Lets it be scheduled as `other` is, by the tool of util-linux; where that may not be, it stays as it was.
    pub fn schedule_as(self, other: Self) {
        let wanted = other.scheduling();
        let number = self.0.to_string();
        let (program, arguments) = match wanted.split_once(' ') {
            Some(("SCHED_FIFO", priority)) => ("chrt", vec!["-f", "-p", priority, &number]),
            Some(("SCHED_RR", priority)) => ("chrt", vec!["-r", "-p", priority, &number]),
            Some((_, nice)) => ("renice", vec!["-n", nice.trim_start_matches("nice "), "-p", &number]),
            None => return,
        };
        let _ = std::process::Command::new(program).args(arguments).output();
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value below which this share of all lies, in microseconds.
pub fn percentile(sorted: &[u32], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |nanos| f64::from(*nanos) / 1_000.0)
}

/// How busy the machine is: the load average of a minute.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}
