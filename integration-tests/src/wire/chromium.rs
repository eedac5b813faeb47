//! A page in headless Chromium: served by the test over HTTP, taking its orders and reporting back, ended with all
//! its processes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// A running browser with one page.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    reports: Receiver<String>,
    told: Vec<String>,
    orders: Orders,
    profile: TempDir,
}

/// What the page has still to do.
type Orders = Arc<Mutex<VecDeque<String>>>;

impl Chromium {
    /// Opens a page; its script may use `require` for packages that are installed for the tests, and
    /// `report(text)`.
    pub fn open(script: &str) -> Result<Self> {
        Self::with_voice(script, &[0; 8_000])
    }

    /// The same with a microphone that hears this over and over, mono at 8 kHz.
    pub fn with_voice(script: &str, voice: &[i16]) -> Result<Self> {
        let modules = modules()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, reports) = channel();
        let page = PAGE.replace("/*SCRIPT*/", script);
        let orders = Orders::default();
        let taken = Arc::clone(&orders);
        thread::spawn(move || serve(&listener, &page, &modules, &taken, &sender));
        let profile = tempfile::Builder::new().prefix("chromium").tempdir()?;
        phones::audio::save(&profile.path().join("voice.wav"), voice)?;
        let child = start(address, profile.path())?;
        Ok(Self { child, reports, told: Vec::new(), orders, profile })
    }

    /// Lets the page evaluate this, after all that it was ordered before.
    pub fn order(&self, script: &str) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(script.to_owned());
    }

    /// Whether the page reports something that begins so; waits no longer than `within`. What it reported before this
    /// was asked for counts too.
    pub fn has_told(&mut self, beginning: &str, within: Duration) -> bool {
        let end = Instant::now() + within;
        loop {
            if self.told.iter().any(|told| told.starts_with(beginning)) {
                return true;
            }
            match self.reports.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(told) => self.told.push(told),
                Err(_) => return false,
            }
        }
    }

    /// All that it reported until now.
    pub fn reports(&mut self) -> String {
        self.told.extend(self.reports.try_iter());
        self.told.join("\n")
    }

    /// Forgets what the page reported until now.
    pub fn forget(&mut self) {
        while self.reports.try_recv().is_ok() {}
        self.told.clear();
    }

    /// Waits until the page reports something that begins so.
    pub fn wait_for(&mut self, beginning: &str, within: Duration) -> Result<String> {
        let end = Instant::now() + within;
        loop {
            if let Some(told) = self.told.iter().find(|told| told.starts_with(beginning)) {
                return Ok(told.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            let Ok(told) = self.reports.recv_timeout(left) else {
                let log = std::fs::read_to_string(self.profile.path().join("log")).unwrap_or_default();
                bail!("the page did not report {beginning:?} but {:?}\n{log}", self.told);
            };
            self.told.push(told);
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It is the first of a group of its own: its helpers go with it.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

fn start(address: SocketAddr, profile: &Path) -> Result<Child> {
    let log = std::fs::File::create(profile.join("log"))?;
    Command::new("chromium")
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required"])
        .args(["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"])
        .arg(format!("--use-file-for-fake-audio-capture={}", profile.join("voice.wav").display()))
        .args(["--disable-dev-shm-usage", "--ignore-certificate-errors", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.join("profile").display()))
        .arg(format!("http://{address}/"))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("chromium cannot be started; test.sh installs it")
}

/// Where test.sh put the packages.
fn modules() -> Result<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/node");
    let folder = std::env::var_os("SIBAI_NODE").map_or(usual, PathBuf::from).join("node_modules");
    if !folder.join("jssip").is_dir() {
        bail!("{} has no jssip; ./test.sh --install puts it there", folder.display());
    }
    Ok(folder)
}

/// Serves the page, the packages below it and its orders, and takes its reports, until the test is over.
fn serve(listener: &TcpListener, page: &str, modules: &Path, orders: &Orders, reports: &Sender<String>) {
    for stream in listener.incoming().flatten() {
        // A browser opens connections that it may never use: each waits in a thread of its own.
        let (page, modules, reports) = (page.to_owned(), modules.to_owned(), reports.clone());
        let orders = Arc::clone(orders);
        thread::spawn(move || answer(&stream, &page, &modules, &orders, &reports));
    }
}

fn answer(
    stream: &TcpStream,
    page: &str,
    modules: &Path,
    orders: &Orders,
    reports: &Sender<String>,
) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let target = request.split(' ').nth(1)?;
    let (kind, body) = if let Some(told) = target.strip_prefix("/report?") {
        reports.send(unescaped(told)).ok()?;
        ("text/plain", String::new())
    } else if target == "/order" {
        let order = orders.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        ("text/plain", order.unwrap_or_default())
    } else if let Some(path) = target.strip_prefix("/modules/").filter(|path| !path.contains("..")) {
        ("text/javascript", std::fs::read_to_string(modules.join(path)).ok()?)
    } else {
        ("text/html", page.to_owned())
    };
    let mut stream = stream;
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()
}

/// What `encodeURIComponent` wrote.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code =
            after.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        if let (b'%', Some(code)) = (first, code) {
            bytes.push(code);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Packages as node knows them, fetched one by one.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>phone</title><script>
const report = text => fetch("/report?" + encodeURIComponent(text));
window.onerror = (message, file, line) => { report("error " + message + " " + line); };
const mains = { debug: "debug/src/browser.js", events: "events/events.js", jssip: "jssip/lib/JsSIP.js",
                ms: "ms/index.js", "sdp-transform": "sdp-transform/lib/index.js" };
const known = {};
function find(folder, id) {
  if (mains[id]) return mains[id];
  const parts = folder.split("/");
  for (const part of id.split("/")) {
    if (part === "..") parts.pop(); else if (part !== ".") parts.push(part);
  }
  const path = parts.join("/");
  return /\.(js|json)$/.test(path) ? path : path + ".js";
}
function load(path) {
  if (known[path]) return known[path].exports;
  const module = known[path] = { exports: {} };
  const file = new XMLHttpRequest();
  file.open("GET", "/modules/" + path, false);
  file.send();
  if (path.endsWith(".json")) return module.exports = JSON.parse(file.responseText);
  const folder = path.slice(0, path.lastIndexOf("/"));
  const run = new Function("module", "exports", "require", "process", file.responseText);
  run(module, module.exports, id => load(find(folder, id)), { env: {} });
  return module.exports;
}
const require = id => load(find("", id));
setInterval(async () => {
  const order = await (await fetch("/order")).text();
  try { if (order) (0, eval)(order); } catch (error) { report("error " + order + ": " + error); }
}, 100);
/*SCRIPT*/
</script>"#;
