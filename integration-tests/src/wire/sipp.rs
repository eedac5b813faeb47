//! SIPp as caller or seat: started, watched, ended by its id, and its logs shown when it failed.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::block::{self, Block};

/// A run of SIPp that is being put together.
#[derive(Debug)]
pub struct Sipp {
    scenario: String,
    command: Command,
    sibai: SocketAddr,
    local: SocketAddr,
    media: u16,
    folder: PathBuf,
    transport: &'static str,
    traced: bool,
}

/// A SIPp that runs.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    folder: PathBuf,
}

impl Sipp {
    pub(super) fn new(
        scenario: &str,
        sibai: SocketAddr,
        local: SocketAddr,
        block: &Block,
        folder: &Path,
    ) -> Self {
        let run = block.next_run();
        let control = block.address(block::CONTROL + run % CONTROLS).port();
        // Each run has ten ports: SIPp takes the two next ones for video.
        let media = block.address(block::MEDIA + (run % MEDIAS) * 10).port();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp").join(scenario);
        let mut command = Command::new("sipp");
        command.arg("-sf").arg(file).args(["-cp", &control.to_string()]);
        let folder = folder.join(format!("{run}-{scenario}"));
        Self {
            scenario: scenario.into(),
            command,
            sibai,
            local,
            media,
            folder,
            transport: "u1",
            traced: true,
        }
    }

    /// From this address instead of the carrier's.
    #[must_use]
    pub fn from(mut self, local: SocketAddr) -> Self {
        self.local = local;
        self
    }

    /// To this address instead of Sibai's.
    #[must_use]
    pub fn to(mut self, remote: SocketAddr) -> Self {
        self.sibai = remote;
        self
    }

    /// `[service]` in the scenario: whom to call, or who is called.
    #[must_use]
    pub fn service(self, service: &str) -> Self {
        self.arguments(&["-s", service])
    }

    /// `[name]` in the scenario.
    #[must_use]
    pub fn key(self, name: &str, value: &str) -> Self {
        self.arguments(&["-key", name, value])
    }

    /// Digest credentials.
    #[must_use]
    pub fn credentials(self, user: &str, password: &str) -> Self {
        self.arguments(&["-au", user, "-ap", password])
    }

    /// Over one TCP connection.
    #[must_use]
    pub fn over_tcp(mut self) -> Self {
        self.transport = "t1";
        self
    }

    /// So many calls, so many a second.
    #[must_use]
    pub fn calls(self, count: u32, rate: u32) -> Self {
        self.arguments(&["-m", &count.to_string(), "-r", &rate.to_string()])
    }

    /// Keeps no messages: they are too many.
    #[must_use]
    pub fn untraced(mut self) -> Self {
        self.traced = false;
        self
    }

    /// More arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Starts it; one call unless `calls` said otherwise.
    pub fn start(mut self) -> Result<Running> {
        std::fs::create_dir_all(&self.folder)?;
        if !self.command.get_args().any(|argument| argument == "-m") {
            self.command.args(["-m", "1"]);
        }
        let ip = self.local.ip().to_string();
        self.command
            .arg(self.sibai.to_string())
            .args(["-i", &ip, "-p", &self.local.port().to_string(), "-t", self.transport])
            .args(["-mi", &ip, "-mp", &self.media.to_string(), "-nostdin"])
            .args(["-trace_err", "-error_file", "errors", "-trace_screen", "-screen_file", "screen"])
            .current_dir(&self.folder)
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.folder.join("stderr"))?);
        if self.traced {
            self.command.args(["-trace_msg", "-message_file", "messages"]);
        }
        let child = self.command.spawn().context("SIPp cannot be started; test.sh installs it")?;
        Ok(Running { name: self.scenario, child, folder: self.folder })
    }

    /// Starts it and waits for its good end.
    pub fn run(self, within: Duration) -> Result<Running> {
        let mut running = self.start()?;
        running.finish(within)?;
        Ok(running)
    }
}

impl Running {
    /// Waits for its end; an error with its logs unless every call went as the scenario says.
    pub fn finish(&mut self, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("{} ended with {status}\n{}", self.name, self.logs());
            }
            if Instant::now() > end {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} did not end within {} s\n{}", self.name, within.as_secs(), self.logs());
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until it has sent or received something with `text` in it.
    pub fn wait_for(&mut self, text: &str, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        while !self.messages().contains(text) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} without {text:?}\n{}", self.name, self.logs());
            }
            if Instant::now() > end {
                bail!("{} saw no {text:?} within {} s\n{}", self.name, within.as_secs(), self.logs());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Every message that it sent and received.
    pub fn messages(&self) -> String {
        self.read("messages")
    }

    /// The messages that it received, in order.
    pub fn received(&self) -> Vec<String> {
        // "---- 2026-… ----\nUDP message received [312] bytes :\n\nSIP/2.0 …"
        let messages = self.messages();
        let blocks = messages.split("-----------------------------------------------");
        blocks
            .filter(|block| block.contains("message received"))
            .filter_map(|block| block.split_once("bytes :").map(|(_, text)| text.trim().to_owned()))
            .collect()
    }

    /// What went wrong, in SIPp's words.
    pub fn logs(&self) -> String {
        let parts = ["errors", "stderr", "screen", "messages"];
        let part = |name: &str| format!("--- {name}\n{}", tail(&self.read(name)));
        parts.map(part).join("\n")
    }

    fn read(&self, name: &str) -> String {
        super::read(&self.folder.join(name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(text: &str) -> &str {
    let from = text.len().saturating_sub(LONGEST_SHOWN);
    let from = (from..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[from..]
}

/// Control ports of a block.
const CONTROLS: u16 = 20;
/// Runs at once whose media ports differ.
const MEDIAS: u16 = 10;
const LOOK: Duration = Duration::from_millis(40);
/// A whole call is some 10 KB.
const LONGEST_SHOWN: usize = 12_000;
