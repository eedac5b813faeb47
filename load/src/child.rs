//! A process that is measured: the Sibai that we start, or one that runs; what it uses, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// `sibai serve`, ended with this value.
pub struct Sibai {
    child: Child,
    /// The password of each extension, as the first start tells it.
    pub passwords: Vec<(String, String)>,
    api: SocketAddr,
    token: String,
}

/// What a process had used at some moment.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// CPU time by the name of the thread.
    pub threads: BTreeMap<String, Duration>,
    /// Resident memory that is its own, in bytes: pages of files are everybody's.
    pub memory: u64,
}

impl Sibai {
    /// Starts it on the configuration in `folder` and waits until it takes calls.
    pub fn start(program: &Path, folder: &Path, api: SocketAddr) -> Result<Self> {
        let (out, log) = (folder.join("out"), folder.join("log"));
        let child = Command::new(program)
            .args(["serve", "--config"])
            .arg(folder.join("configs"))
            .arg("--data")
            .arg(folder.join("data"))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(File::create(&out)?)
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut sibai = Self { child, passwords: Vec::new(), api, token: String::new() };
        let end = Instant::now() + START_WITHIN;
        loop {
            if let Some(status) = sibai.child.try_wait()? {
                bail!("it ended with {status}:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            let banner = fs::read_to_string(&out).unwrap_or_default();
            if banner.contains("API token") && sibai.ask("/readyz").is_ok_and(|text| text.contains(" 200 ")) {
                sibai.learn(&banner);
                return Ok(sibai);
            }
            if Instant::now() > end {
                bail!("it did not take calls within {} s", START_WITHIN.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn learn(&mut self, banner: &str) {
        for line in banner.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["seat", extension, "password", password, ..] => {
                    self.passwords.push((extension.to_owned(), password.to_owned()));
                }
                ["API", "token", token] => token.clone_into(&mut self.token),
                _ => {}
            }
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One of its metrics.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.ask("/metrics").ok()?;
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    fn ask(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.api, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            self.api, self.token
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(MOST_ANSWER).read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Sibai {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let end = Instant::now() + STOP_WITHIN;
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Usage {
    /// Of this process, now.
    pub fn of(pid: u32) -> Result<Self> {
        let mut threads: BTreeMap<String, Duration> = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let folder: PathBuf = entry?.path();
            // A thread may end while it is looked at.
            let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
            let Ok(text) = fs::read_to_string(folder.join("schedstat")) else { continue };
            let nanos = text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0);
            let name = name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
            *threads.entry(name).or_default() += Duration::from_nanos(nanos);
        }
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("RssAnon")?;
        let kilobytes: u64 =
            line.split_whitespace().next().and_then(|n| n.parse().ok()).context("RssAnon")?;
        Ok(Self { threads, memory: kilobytes * 1_024 })
    }

    /// Of all threads together.
    pub fn cpu(&self) -> Duration {
        self.threads.values().sum()
    }

    /// What was used since `before`, by thread, the most first.
    pub fn since(&self, before: &Self) -> Vec<(String, Duration)> {
        let spent = |(name, now): (&String, &Duration)| {
            let before = before.threads.get(name).copied().unwrap_or_default();
            (name.clone(), now.saturating_sub(before))
        };
        let mut all: Vec<_> = self.threads.iter().map(spent).collect();
        all.sort_by_key(|(_, spent)| std::cmp::Reverse(*spent));
        all
    }
}

const START_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Of an answer of the API that is read.
const MOST_ANSWER: u64 = 1 << 20;
