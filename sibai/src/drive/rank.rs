//! How soon the kernel lets a media worker run when it wakes: other work on the machine makes the difference between a
//! tenth of a millisecond and fifty (media.md 1).

use std::fmt;
use std::io;

use rustix::process::setpriority_process;
use thread_priority::{
    Error, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// What the calling thread got.
#[derive(Debug)]
pub(super) enum Rank {
    /// It runs before everything that is not real-time itself.
    Fifo,
    /// A larger share than others; why not more.
    Nice(io::Error),
    /// One among others, because it was wished so or because nothing else is permitted.
    Plain(Option<[io::Error; 2]>),
}

/// Takes the best rank that is permitted, where it is wanted.
///
/// A real-time thread that never sleeps is held to 95 % of its core by the kernel (`sched_rt_runtime_us`), and a worker
/// that fails again and again pauses in between: neither locks the machine up.
pub(super) fn take(wanted: bool) -> Rank {
    if !wanted {
        return Rank::Plain(None);
    }
    let Err(no_fifo) = fifo() else { return Rank::Fifo };
    // On Linux this is the thread's own, whatever the call is named (sched(7)).
    match setpriority_process(None, NICENESS) {
        Ok(()) => Rank::Nice(no_fifo),
        Err(no_nice) => Rank::Plain(Some([no_fifo, no_nice.into()])),
    }
}

fn fifo() -> io::Result<()> {
    let priority = ThreadPriorityValue::try_from(PRIORITY).map_err(io::Error::other)?;
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), policy)
        .map_err(|error| match error {
            Error::OS(code) => io::Error::from_raw_os_error(code),
            other => io::Error::other(format!("{other:?}")),
        })
}

impl Rank {
    /// What is to be done for a better one; nothing when there is none or none was wanted.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Fifo | Self::Plain(None) => "",
            Self::Nice(_) | Self::Plain(Some(_)) => HINT,
        }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo => write!(f, "SCHED_FIFO {PRIORITY}"),
            Self::Nice(why) => write!(f, "nice {NICENESS} (SCHED_FIFO: {why})"),
            Self::Plain(Some([fifo, nice])) => {
                write!(f, "nice 0 (SCHED_FIFO: {fifo}; nice {NICENESS}: {nice})")
            }
            Self::Plain(None) => write!(f, "nice 0 (rtp.realtime is false)"),
        }
    }
}

const HINT: &str = "audio may stutter while the machine is busy: grant CAP_SYS_NICE or LimitRTPRIO=10";

/// Above the kernel's own ordinary threads, below those that serve the hardware (50).
const PRIORITY: u8 = 10;

/// As the audio servers of desktops have it.
const NICENESS: i32 = -11;

#[cfg(test)]
mod tests {
    use super::*;

    /// Policy and niceness as the kernel tells them (proc_pid_stat(5)).
    fn told() -> (i32, i32, u8) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, rest) = stat.rsplit_once(')').unwrap();
        // The first of these is field 3.
        let field = |n: usize| rest.split_whitespace().nth(n - 3).unwrap();
        (field(41).parse().unwrap(), field(19).parse().unwrap(), field(40).parse().unwrap())
    }

    #[test]
    fn the_thread_has_the_rank_that_is_told() {
        let rank = std::thread::spawn(|| (take(true), told()));
        let (rank, (policy, niceness, priority)) = rank.join().unwrap();
        match rank {
            Rank::Fifo => assert_eq!((policy, priority), (1, PRIORITY)),
            Rank::Nice(_) => assert_eq!((policy, niceness), (0, NICENESS)),
            Rank::Plain(_) => assert_eq!((policy, niceness), (0, 0)),
        }
        let before = told();
        assert!(matches!(take(false), Rank::Plain(None)));
        assert_eq!(told(), before, "who wants nothing gets nothing");
    }

    #[test]
    fn what_was_refused_is_told_with_a_hint() {
        let refused = || io::Error::from_raw_os_error(rustix::io::Errno::PERM.raw_os_error());
        let told = Rank::Nice(refused()).to_string();
        assert!(told.starts_with("nice -11 (SCHED_FIFO: Operation not permitted"), "{told}");
        let plain = Rank::Plain(Some([refused(), refused()]));
        assert!(plain.to_string().starts_with("nice 0 (SCHED_FIFO: "), "{plain}");
        assert!(plain.hint().contains("CAP_SYS_NICE") && Rank::Fifo.hint().is_empty());
    }
}
