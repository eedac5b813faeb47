//! One run: register, ramp up, measure, hang up, report.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::audio::Audio;
use crate::child::{Sibai, Usage};
use crate::configuration::Plan;
use crate::options::Options;
use crate::report::{Measured, Report};
use crate::signalling::Signalling;

/// The server under load.
struct Server {
    address: SocketAddr,
    accounts: Vec<(String, String)>,
    child: Option<Sibai>,
    pid: Option<u32>,
    plan: Option<Plan>,
    _folder: Option<TempDir>,
}

/// Runs it; `false` when something was lost or failed.
pub fn run(options: &Options) -> Result<bool> {
    // Sockets of the child count too: it inherits the limit.
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })
        .context("the limit of open files")?;
    let server = Server::find(options)?;
    let audio = Audio::start(options.carrier.ip())?;
    let mut signalling = Signalling::new(
        server.address,
        &options.domain,
        options.carrier,
        options.seats,
        options.tones,
        audio,
    )?;
    signalling.enrol(&server.accounts, REGISTRATIONS_A_SECOND);
    let patience = Duration::from_secs(20 + server.accounts.len() as u64 / 50);
    drive(&mut signalling, patience, |signalling| Ok(signalling.all_registered()))?;
    ensure!(signalling.all_registered(), "not all seats could be registered");
    // Allocations of the registrations that come and go.
    drive(&mut signalling, Duration::from_secs(1), |_| Ok(false))?;
    let idle = server.pid.map(Usage::of).transpose()?;
    let mut ramp = Ramp::new(options);
    let patience = Duration::from_secs(15 + u64::from(options.calls / options.rate.max(1)) * 2);
    drive(&mut signalling, patience, |signalling| {
        ramp.go_on(signalling, &server, options)?;
        Ok(signalling.up() >= options.calls as usize)
    })?;
    let settle = Instant::now() + Duration::from_secs(3);
    let keep = |signalling: &mut Signalling, ramp: &mut Ramp, end: Instant| {
        drive(signalling, end.saturating_duration_since(Instant::now()), |signalling| {
            ramp.go_on(signalling, &server, options)?;
            Ok(false)
        })
    };
    keep(&mut signalling, &mut ramp, settle)?;
    if let (Some(to), 1..) = (signalling.first_leg, options.junk) {
        signalling.audio.disturb(to, options.junk);
    }
    let (began, up) = (Instant::now(), signalling.up());
    let look =
        || -> Result<_> { Ok((server.pid.map(Usage::of).transpose()?, Usage::of(std::process::id())?)) };
    let before = look()?;
    keep(&mut signalling, &mut ramp, began + Duration::from_secs(options.seconds))?;
    let (lasted, after) = (began.elapsed(), look()?);
    let up = up.min(signalling.up());
    // No faster than they came.
    let most = (options.rate as usize).div_ceil(20).max(1);
    let mut next = Instant::now();
    drive(&mut signalling, Duration::from_secs(35) + patience, |signalling| {
        if next <= Instant::now() {
            next = Instant::now() + Duration::from_millis(25);
            signalling.hang_up(Duration::ZERO, most);
        }
        Ok(signalling.standing() == 0)
    })?;
    drive(&mut signalling, Duration::from_millis(700), |_| Ok(false))?;
    let dropped = server.child.as_ref().and_then(|child| child.metric("pbx_rtp_packets_dropped_total"));
    let missed = server.child.as_ref().and_then(|child| child.metric("pbx_recording_taps_dropped_total"));
    let Signalling { audio, counts, .. } = signalling;
    let outcome = audio.finish()?;
    let report = Report {
        measured: Measured { idle, before: before.0, after: after.0, tool: (before.1, after.1), lasted, up },
        counts,
        outcome,
        dropped,
        missed,
        recorded: options.record,
    };
    report.print();
    Ok(report.is_good())
}

/// New calls as they are due: until all are up, and in place of those that ended.
struct Ramp {
    next: Instant,
    pause: Duration,
    number: u32,
}

impl Ramp {
    fn new(options: &Options) -> Self {
        let pause = Duration::from_secs(1) / options.rate.max(1);
        Self { next: Instant::now(), pause, number: 0 }
    }

    fn go_on(&mut self, signalling: &mut Signalling, server: &Server, options: &Options) -> Result<()> {
        if let Some(seconds) = options.hold {
            signalling.hang_up(Duration::from_secs(seconds), usize::MAX);
        }
        while self.next <= Instant::now() {
            self.next += self.pause;
            if signalling.standing() < options.calls as usize {
                let own = server.plan.as_ref().map(|plan| plan.dial(self.number));
                signalling.call(own.as_deref().or(options.dial.as_deref()).context("--dial")?)?;
                self.number += 1;
            }
        }
        Ok(())
    }
}

impl Server {
    fn find(options: &Options) -> Result<Self> {
        if let Some(address) = options.server {
            let accounts = options.accounts.as_ref().map(read_accounts).transpose()?.unwrap_or_default();
            let pid = options.pid;
            return Ok(Self { address, accounts, child: None, pid, plan: None, _folder: None });
        }
        let folder = tempfile::Builder::new().prefix("sibai-load-").tempdir()?;
        let (sip, api) = (free_port()?, free_port()?);
        let Options { calls, rate, record, first_port, carrier, .. } = options.clone();
        let plan = Plan { calls, rate, record, sip, api, first_port, carrier };
        plan.write(&folder.path().join("configs"))?;
        let program = options.program.clone().map_or_else(beside_us, Ok)?;
        let child = Sibai::start(&program, folder.path(), api)?;
        Ok(Self {
            address: sip,
            accounts: child.passwords.clone(),
            pid: Some(child.pid()),
            child: Some(child),
            plan: Some(plan),
            _folder: Some(folder),
        })
    }
}

/// Turns until it is `done` or that long has passed.
fn drive(
    signalling: &mut Signalling,
    at_most: Duration,
    mut done: impl FnMut(&mut Signalling) -> Result<bool>,
) -> Result<()> {
    let end = Instant::now() + at_most;
    while Instant::now() < end {
        signalling.turn()?;
        if done(signalling)? {
            break;
        }
        std::thread::sleep(TURN);
    }
    Ok(())
}

fn read_accounts(path: &PathBuf) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let account = |line: &str| {
        let (user, password) = line.trim().split_once(char::is_whitespace)?;
        Some((user.to_owned(), password.trim().to_owned()))
    };
    Ok(text.lines().filter_map(account).collect())
}

fn beside_us() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("sibai");
    if !program.exists() {
        bail!("{} is not there: cargo build --release --bin sibai, or --program", program.display());
    }
    Ok(program)
}

/// A port that is free for UDP and TCP now.
fn free_port() -> Result<SocketAddr> {
    for _ in 0..50 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = udp.local_addr()?;
        if std::net::TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}

const TURN: Duration = Duration::from_millis(2);
const REGISTRATIONS_A_SECOND: u32 = 200;
