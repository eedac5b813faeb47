//! A name server of a test's own, over UDP on loopback: it answers from a table that the test may change.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::LOOPBACK;

/// A name server that runs until it is dropped.
#[derive(Debug)]
pub struct NameServer {
    at: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What it says of a name.
#[derive(Clone, Debug)]
pub enum Says {
    /// An address.
    A(Ipv4Addr),
    /// A service is at this port of another name; priority, port, target.
    Srv(u16, u16, String),
    /// This service of the name is to be asked for under another; order, service, replacement.
    Naptr(u16, &'static str, String),
}

#[derive(Debug, Default)]
struct Zone {
    /// Until something is said, nothing is answered at all.
    is_awake: bool,
    ttl: u32,
    records: Vec<(String, Says)>,
}

impl NameServer {
    /// Starts it on a free port; it is silent until it is told what to say.
    pub fn start() -> io::Result<Self> {
        let socket = UdpSocket::bind((LOOPBACK, 0))?;
        socket.set_read_timeout(Some(LOOK))?;
        let at = socket.local_addr()?;
        let (zone, ended) = (Arc::new(Mutex::new(Zone::default())), Arc::new(AtomicBool::new(false)));
        let (its_zone, its_end) = (Arc::clone(&zone), Arc::clone(&ended));
        let thread = thread::Builder::new().name("names".into()).spawn(move || {
            let mut buffer = [0; 1_500];
            while !its_end.load(Ordering::Relaxed) {
                let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(reply) = lock(&its_zone).reply(&buffer[..length]) {
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&reply, peer);
                }
            }
        })?;
        Ok(Self { at, zone, ended, thread: Some(thread) })
    }

    /// Where it is asked.
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// From now on it says this and nothing else, each of it for `ttl` seconds.
    pub fn say(&self, ttl: u32, records: &[(&str, Says)]) {
        let records = records.iter().map(|(name, says)| ((*name).to_owned(), says.clone())).collect();
        *lock(&self.zone) = Zone { is_awake: true, ttl, records };
    }

    /// From now on it answers nothing.
    pub fn fall_silent(&self) {
        lock(&self.zone).is_awake = false;
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Zone {
    /// The answer to a question (RFC 1035 section 4).
    fn reply(&self, asked: &[u8]) -> Option<Vec<u8>> {
        if !self.is_awake {
            return None;
        }
        let (name, after) = name(asked, HEADER)?;
        let question = asked.get(HEADER..after + 4)?;
        let kind = u16::from_be_bytes([*asked.get(after)?, *asked.get(after + 1)?]);
        let of_name: Vec<&Says> =
            self.records.iter().filter(|(own, _)| own.eq_ignore_ascii_case(&name)).map(|(_, s)| s).collect();
        let answers: Vec<&Says> = of_name.iter().copied().filter(|says| says.kind() == kind).collect();
        let code = if of_name.is_empty() { NO_SUCH_NAME } else { 0 };
        let mut reply = asked.get(..2)?.to_vec();
        // An authoritative answer, recursion wanted and available; one question and these answers.
        reply.extend([0x85, 0x80 | code, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
        reply.extend(question);
        for says in answers {
            let data = says.data();
            // The name is that of the question.
            reply.extend([0xc0, HEADER as u8]);
            reply.extend(says.kind().to_be_bytes());
            reply.extend(IN.to_be_bytes());
            reply.extend(self.ttl.to_be_bytes());
            reply.extend((data.len() as u16).to_be_bytes());
            reply.extend(data);
        }
        Some(reply)
    }
}

impl Says {
    fn kind(&self) -> u16 {
        match self {
            Self::A(_) => 1,
            Self::Srv(..) => 33,
            Self::Naptr(..) => 35,
        }
    }

    fn data(&self) -> Vec<u8> {
        match self {
            Self::A(ip) => ip.octets().to_vec(),
            Self::Srv(priority, port, target) => {
                let numbers = [*priority, 0, *port].map(u16::to_be_bytes).concat();
                [numbers, labels(target)].concat()
            }
            Self::Naptr(order, service, replacement) => {
                let numbers = [*order, 0].map(u16::to_be_bytes).concat();
                let texts = ["s", service, ""].map(text).concat();
                [numbers, texts, labels(replacement)].concat()
            }
        }
    }
}

/// The name that begins here, and where it ends; questions do not point elsewhere.
fn name(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(bytes.get(at..at + length)?).into_owned());
        at += length;
    }
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = name.split('.').flat_map(text).collect();
    bytes.push(0);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

fn lock(zone: &Mutex<Zone>) -> MutexGuard<'_, Zone> {
    zone.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The length of the header.
const HEADER: usize = 12;
/// The class of the Internet.
const IN: u16 = 1;
/// NXDOMAIN.
const NO_SUCH_NAME: u8 = 3;
/// How often it looks whether it is over.
const LOOK: Duration = Duration::from_millis(50);
