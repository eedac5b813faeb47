//! The real process on loopback: started on ports of its own, spoken to by real programs, ended by its id.

mod api;
pub mod attack;
pub mod baresip;
mod binary;
mod block;
pub mod chromium;
mod folder;
pub mod intruder;
mod kamailio;
mod names;
pub mod pki;
mod sipp;
pub mod sound;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use phones::live::{self, LivePhone, Sockets};
use phones::{Action, Behaviour, Carrier, CarrierSetup, Event, Phone, PhoneSetup};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::Value;
use tempfile::TempDir;

pub use api::{Answer, Api};
pub use binary::program;
pub use block::Block;
pub use folder::Setup;
pub use kamailio::{CarrierConfig, Kamailio};
pub use names::{NameServer, Says};
pub use sipp::{Running, Sipp};

/// A Sibai that runs as a process of its own.
pub struct Sibai {
    setup: Setup,
    block: Block,
    folder: TempDir,
    child: Option<Child>,
    starts: u32,
    passwords: BTreeMap<String, String>,
    token: String,
}

impl Sibai {
    /// Starts it and waits until it takes calls.
    pub fn start(setup: Setup) -> Result<Self> {
        // Only the start is tried again: somebody may have taken a port after it was found free.
        match Self::launch(setup.clone()) {
            Err(error) if format!("{error:#}").contains("in use") => Self::launch(setup),
            other => other,
        }
    }

    fn launch(setup: Setup) -> Result<Self> {
        let mut sibai = Self::new(setup)?;
        sibai.run()?;
        Ok(sibai)
    }

    /// The folder with the configuration, not started yet.
    pub fn new(setup: Setup) -> Result<Self> {
        let block = Block::take()?;
        let folder = tempfile::Builder::new().prefix("sibai-wire-").tempdir()?;
        setup.write(&folder.path().join("configs"), &block)?;
        Ok(Self {
            setup,
            block,
            folder,
            child: None,
            starts: 0,
            passwords: BTreeMap::new(),
            token: String::new(),
        })
    }

    /// Starts it (again) in its folder: same ports, same data.
    pub fn run(&mut self) -> Result<()> {
        self.starts += 1;
        let out = self.file("out");
        let command = self.command("serve")?.spawn_into(&out, &self.file("log"))?;
        self.child = Some(command);
        let end = Instant::now() + START_WITHIN;
        loop {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("it ended with {status} at its start:\n{}", self.log());
            }
            let banner = read(&out);
            let complete = banner.contains("API token") || banner.contains("Passwords and tokens were shown");
            if complete && self.api().get("/readyz").is_ok_and(|answer| answer.status == 200) {
                self.learn(&banner);
                return Ok(());
            }
            if Instant::now() > end {
                bail!("it did not take calls within {} s:\n{}", START_WITHIN.as_secs(), self.log());
            }
            thread::sleep(LOOK);
        }
    }

    fn command(&self, task: &str) -> Result<Start> {
        let mut command = match self.setup.files {
            None => Command::new(program()?),
            Some(granted) => {
                // It becomes the program: the same process.
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={granted}:")).arg(program()?);
                command
            }
        };
        command
            .arg(task)
            .arg("--config")
            .arg(self.configs())
            .arg("--data")
            .arg(self.data())
            .args(self.setup.at.iter().flat_map(|at| ["--at", at]))
            .args(["--log", "json"])
            .args(&self.setup.arguments)
            .env("RUST_LOG", &self.setup.log)
            .envs(self.setup.variables.iter().cloned())
            .stdin(Stdio::null());
        Ok(Start(command))
    }

    fn learn(&mut self, banner: &str) {
        for line in banner.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["seat", extension, "password", password, ..] => {
                    self.passwords.insert(extension.to_owned(), password.to_owned());
                }
                ["API", "token", token] => token.clone_into(&mut self.token),
                _ => {}
            }
        }
    }

    /// Where it speaks SIP, over UDP and TCP.
    pub fn sip(&self) -> SocketAddr {
        self.block.address(block::SIP)
    }

    /// Where it speaks SIP over TLS; with [`Setup::with_every_transport`] only, as the next three.
    pub fn tls(&self) -> SocketAddr {
        self.block.address(block::TLS)
    }

    /// Where it speaks SIP over WebSockets.
    pub fn ws(&self) -> SocketAddr {
        self.block.address(block::WS)
    }

    /// Where it speaks SIP over WebSockets under TLS.
    pub fn wss(&self) -> SocketAddr {
        self.block.address(block::WSS)
    }

    /// Where it speaks SIP over UDP and TCP on IPv6.
    pub fn sip_v6(&self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::LOCALHOST.into(), self.sip().port())
    }

    /// SIGHUP: it looks at its certificates at once.
    pub fn hang_up_signal(&self) -> Result<()> {
        let child = self.child.as_ref().context("it does not run")?;
        kill_process(Pid::from_child(child), Signal::HUP).context("SIGHUP")
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid()?))?.count())
    }

    /// Where its trunk `local` is: only what comes from here, or from the second, is the carrier.
    pub fn carrier(&self) -> SocketAddr {
        self.block.address(block::CARRIER)
    }

    /// Where the trunk may call from too: for a second program that plays the carrier.
    pub fn second_carrier(&self) -> SocketAddr {
        self.block.address(block::CARRIER + 1)
    }

    /// A port for a phone of the test; `n` below 20.
    pub fn phone_port(&self, n: u16) -> SocketAddr {
        self.block.address(block::PHONES + n)
    }

    /// A port at which a program of the test takes orders; `n` below 20.
    pub fn control_port(&self, n: u16) -> SocketAddr {
        self.block.address(block::CONTROL + n)
    }

    /// The first of 100 ports for media of the test's own programs.
    pub fn media_port(&self) -> SocketAddr {
        self.block.address(block::MEDIA)
    }

    /// First and last port of its own media.
    pub fn media_range(&self) -> RangeInclusive<u16> {
        let (first, last) = self.block.rtp();
        first..=last
    }

    /// Its media ports that are open, and how many datagrams the system threw away at each of them because they were
    /// not fetched in time (proc(5), `/proc/net/udp`).
    pub fn open_media(&self) -> Result<BTreeMap<u16, u64>> {
        let text = std::fs::read_to_string("/proc/net/udp")?;
        let of = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let port = words.get(1)?.rsplit(':').next().and_then(|hex| u16::from_str_radix(hex, 16).ok())?;
            let dropped = words.last()?.parse().ok()?;
            self.media_range().contains(&port).then_some((port, dropped))
        };
        Ok(text.lines().skip(1).filter_map(of).collect())
    }

    /// Its API, with the token of the first start.
    pub fn api(&self) -> Api {
        Api::new(self.block.address(block::API), &self.token)
    }

    /// The token of the first start; it may do everything.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The password that the first start printed for this extension.
    pub fn password(&self, extension: &str) -> Result<&str> {
        let password = self.passwords.get(extension).map(String::as_str);
        password.with_context(|| format!("the banner told no password for {extension}"))
    }

    /// What it printed at this start.
    pub fn banner(&self) -> String {
        read(&self.file("out"))
    }

    /// What it logged since this start.
    pub fn log(&self) -> String {
        read(&self.file("log"))
    }

    /// Its configuration: a test may change it between two starts.
    pub fn configs(&self) -> PathBuf {
        self.folder.path().join("configs")
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder that goes when the test ends.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("it does not run")?.id())
    }

    /// SIGTERM, and no waiting.
    pub fn terminate(&self) -> Result<()> {
        let child = self.child.as_ref().context("it does not run")?;
        kill_process(Pid::from_child(child), Signal::TERM).context("SIGTERM")
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + within;
        let child = self.child.as_mut().context("it does not run")?;
        loop {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("it did not end within {} s:\n{}", within.as_secs(), self.log());
            }
            thread::sleep(LOOK);
        }
    }

    /// SIGTERM, and its end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.terminate()?;
        self.wait(STOP_WITHIN)
    }

    /// SIGKILL: nothing is said any more.
    pub fn kill9(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// One of its metrics, by its whole name with labels; of a family without labels, their sum.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let text = self.api().get("/metrics")?.text();
        let of = |line: &str| {
            let (key, value) = line.rsplit_once(' ')?;
            let mine = key == name || key.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
            mine.then(|| value.parse::<f64>().ok()).flatten()
        };
        let found: Vec<f64> = text.lines().filter_map(of).collect();
        if found.is_empty() {
            bail!("there is no metric {name}");
        }
        Ok(found.iter().sum())
    }

    /// Waits until a metric is `value`.
    pub fn metric_becomes(&self, name: &str, value: f64, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            let now = self.metric(name)?;
            if (now - value).abs() < f64::EPSILON {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{name} is {now} and not {value} after {} s", within.as_secs());
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until the log says this.
    pub fn wait_for_log(&self, text: &str, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        while !self.log().contains(text) {
            if Instant::now() > end {
                bail!("the log does not say {text:?} within {} s:\n{}", within.as_secs(), self.log());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// The records of all calls, newest first, once none is up and there are exactly `count`.
    pub fn call_records(&self, count: usize) -> Result<Vec<Value>> {
        self.metric_becomes("pbx_calls_active", 0.0, RECORDED_WITHIN)?;
        self.metric_becomes("pbx_store_queue_length", 0.0, RECORDED_WITHIN)?;
        let end = Instant::now() + RECORDED_WITHIN;
        loop {
            let page = self.api().get("/v1/call_records?limit=500")?.json()?;
            let rows = page["call_records"].as_array().cloned().unwrap_or_default();
            let over = rows.iter().all(|row| row["cause"].is_string());
            if over && rows.len() == count {
                return Ok(rows);
            }
            if Instant::now() > end || rows.len() > count {
                bail!("{} call records, not {count}: {rows:#?}", rows.len());
            }
            thread::sleep(LOOK);
        }
    }

    /// The record of the only call.
    pub fn call_record(&self) -> Result<Value> {
        self.call_records(1)?.pop().context("no record")
    }

    /// A recording once it is sealed: its row, and the WAV with both channels.
    pub fn recording(&self, id: &str) -> Result<(Value, Vec<u8>)> {
        let end = Instant::now() + SEALED_WITHIN;
        let row = loop {
            let row = self.api().get(&format!("/v1/recordings/{id}"))?.json()?;
            if row["state"] == "saved" {
                break row;
            }
            if Instant::now() > end {
                bail!("the recording was not sealed: {row:#}");
            }
            thread::sleep(LOOK);
        };
        let answer = self.api().get(&format!("/v1/recordings/{id}/audio?channels=2"))?;
        if answer.status != 200 {
            bail!("{}: {}", answer.status, answer.text());
        }
        Ok((row, answer.body))
    }

    /// A scripted phone, registered as `extension`, that does `behaviour` with calls.
    pub fn seat(&self, extension: &str, behaviour: Behaviour) -> Result<LivePhone> {
        self.seat_with(extension, |setup| setup.behaviour = behaviour)
    }

    /// The same; `change` may alter what it is.
    pub fn seat_with(&self, extension: &str, change: impl FnOnce(&mut PhoneSetup)) -> Result<LivePhone> {
        let sockets = Sockets::free(LOOPBACK, 1)?;
        let mut setup = sockets.setup(extension, self.sip())?;
        setup.password = Some(self.password(extension)?.to_owned());
        // Two phones with one seed would use the same Call-ID.
        setup.seed = 10 + extension.parse::<u64>().unwrap_or_default() + 100_000 * u64::from(self.starts);
        change(&mut setup);
        let mut phone = live::run(Phone::new(setup), sockets)?;
        phone.order(Action::Register);
        let registered = |event: &Event| matches!(event, Event::Registered { .. });
        phone
            .wait_for(START_WITHIN, registered)
            .with_context(|| format!("{extension} was not registered"))?;
        Ok(phone)
    }

    /// A scripted carrier at the trunk's address; `change` may alter what it is.
    pub fn carrier_phone(&self, change: impl FnOnce(&mut CarrierSetup)) -> Result<LivePhone> {
        self.carrier_phone_at(self.carrier(), change)
    }

    /// The same at another address.
    pub fn carrier_phone_at(
        &self,
        at: SocketAddr,
        change: impl FnOnce(&mut CarrierSetup),
    ) -> Result<LivePhone> {
        let sockets = Sockets::at(at, 1)?;
        let mut setup = CarrierSetup::new(self.sip(), at, sockets.rtp());
        setup.seed = 1_000 * u64::from(at.port()) + u64::from(self.starts);
        change(&mut setup);
        Ok(live::run(Carrier::new(setup).into_line(), sockets)?)
    }

    /// A run of SIPp with this scenario of ours, from the carrier's address unless told otherwise.
    pub fn sipp(&self, scenario: &str) -> Sipp {
        Sipp::new(scenario, self.sip(), self.carrier(), &self.block, self.folder())
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.path().join(format!("sibai-{}.{kind}", self.starts))
    }
}

impl Drop for Sibai {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Shown only when the test failed.
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!(
            "--- the end of Sibai's log\n{}",
            lines[lines.len().saturating_sub(LOG_SHOWN)..].join("\n")
        );
    }
}

struct Start(Command);

impl Start {
    fn spawn_into(mut self, out: &Path, log: &Path) -> Result<Child> {
        let (out, log) = (File::create(out)?, File::create(log)?);
        self.0.stdout(out).stderr(log).spawn().context("Sibai cannot be started")
    }
}

/// Lets this test open as many files as the machine allows; a shell grants often 1,024 only.
pub fn open_many_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).context("more open files")
}

fn read(file: &Path) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(file).and_then(|mut file| file.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Everything happens here.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A debug build on a busy machine reads its prompts in a second or two.
const START_WITHIN: Duration = Duration::from_secs(15);

/// Without calls it ends at once; the rest is for a busy machine.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// Records are written in batches, a moment after the call.
const RECORDED_WITHIN: Duration = Duration::from_secs(10);

/// A call of a minute is sealed in well under a second; the rest is for a busy machine.
const SEALED_WITHIN: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(40);

const LOG_SHOWN: usize = 60;
