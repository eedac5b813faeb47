//! The media workers: as many as are wished, each with the rank that its line in the log tells of.

use std::fs;

use anyhow::{Context, Result, ensure};
use integration_tests::wire::{Setup, Sibai};
use serde_json::Value;

const RTP: &str = "rtp: { ";

#[test]
fn each_worker_has_the_rank_that_it_tells_of() -> Result<()> {
    let sibai = Sibai::start(Setup::default().engine(RTP, "rtp: { workers: 3, "))?;
    for (worker, told) in starts(&sibai, 3)? {
        let Kernel { policy, priority, niceness } = Kernel::of(&sibai, worker)?;
        let is = (policy, priority, niceness);
        let hinted = told["hint"].as_str().is_some_and(|hint| hint.contains("CAP_SYS_NICE"));
        // Whatever the machine permits: what is told has to be so, and what is refused to have a reason and a remedy.
        let scheduling = told["scheduling"].as_str().context("no scheduling")?;
        let right = match scheduling {
            "SCHED_FIFO 10" => (policy, priority) == (FIFO, 10) && !hinted,
            nice if nice.starts_with("nice -11 (SCHED_FIFO: ") => is == (OTHER, 0, -11) && hinted,
            plain if plain.starts_with("nice 0 (SCHED_FIFO: ") => is == (OTHER, 0, 0) && hinted,
            _ => false,
        };
        ensure!(right, "worker {worker} tells of {scheduling:?} and has {is:?}");
    }
    ensure!(Kernel::of(&sibai, 3).is_err(), "a fourth worker");
    let metrics = sibai.api().get("/metrics")?.text();
    for worker in 0..3 {
        let legs = format!("pbx_worker_legs{{worker=\"{worker}\"}} 0");
        ensure!(metrics.lines().any(|line| line == legs), "{metrics}");
    }
    Ok(())
}

#[test]
fn workers_that_shall_have_no_rank_have_none() -> Result<()> {
    let sibai = Sibai::start(Setup::default().engine(RTP, "rtp: { workers: 1, realtime: false, "))?;
    for (worker, told) in starts(&sibai, 1)? {
        ensure!(told["scheduling"] == "nice 0 (rtp.realtime is false)" && told["hint"] == "", "{told}");
        let Kernel { policy, niceness, .. } = Kernel::of(&sibai, worker)?;
        ensure!((policy, niceness) == (OTHER, 0));
    }
    Ok(())
}

#[test]
fn a_port_of_browsers_that_is_taken_is_one_sentence() -> Result<()> {
    let mut sibai = Sibai::new(Setup::default())?;
    let (first, second) = (sibai.phone_port(0), sibai.phone_port(1));
    let file = sibai.configs().join("engine.yaml");
    let more = format!("{RTP}workers: 2, web_port: {}, ", first.port());
    fs::write(&file, fs::read_to_string(&file)?.replace(RTP, &more))?;
    let taken = std::net::UdpSocket::bind(second)?;
    let told = format!("{:#}", sibai.run().err().context("it started")?);
    ensure!(told.contains(&second.port().to_string()) && told.contains("rtp.web_port"), "{told}");
    drop(taken);
    sibai.run()
}

/// What each worker said of itself at its start.
fn starts(sibai: &Sibai, count: usize) -> Result<Vec<(u64, Value)>> {
    let log = sibai.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told: Vec<(u64, Value)> = lines
        .map(|line| line["fields"].clone())
        .filter(|fields| fields["message"] == "a media worker starts")
        .filter_map(|fields| Some((fields["worker"].as_u64()?, fields)))
        .collect();
    ensure!(told.len() == count, "{told:?}\n{log}");
    Ok(told)
}

/// What the kernel says of a worker's thread.
struct Kernel {
    policy: u32,
    priority: u32,
    niceness: i32,
}

impl Kernel {
    fn of(sibai: &Sibai, worker: u64) -> Result<Self> {
        for task in fs::read_dir(format!("/proc/{}/task", sibai.pid()?))? {
            let stat = fs::read_to_string(task?.path().join("stat"))?;
            let (before, rest) = stat.rsplit_once(')').context("a name")?;
            if !before.ends_with(&format!("(media-{worker}")) {
                continue;
            }
            // The first of the rest is field 3 (proc_pid_stat(5)).
            let field = |n: usize| rest.split_whitespace().nth(n - 3).context("a field");
            return Ok(Self {
                policy: field(41)?.parse()?,
                priority: field(40)?.parse()?,
                niceness: field(19)?.parse()?,
            });
        }
        anyhow::bail!("no thread media-{worker}")
    }
}

/// As sched.h numbers them.
const OTHER: u32 = 0;
const FIFO: u32 = 1;
