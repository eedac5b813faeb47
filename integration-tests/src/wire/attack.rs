//! Attackers of our own: raw UDP senders that count what they send and what comes back.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sip::digest::{self, Login};
use sip::{Carriage, Challenge, Header, Message};

/// A flood from some addresses, paced.
#[derive(Debug)]
pub struct Flood {
    sockets: Vec<UdpSocket>,
    target: SocketAddr,
    /// Answers a 200 to an INVITE with ACK and BYE at once; without it nothing is ever ACKed.
    pub is_polite: bool,
}

/// What a flood sent and heard.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests.
    pub sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Bytes of answers.
    pub bytes_heard: u64,
    /// Answers by status.
    pub heard: BTreeMap<u16, u64>,
    /// Requests of the other side: it repeats, hangs up or calls.
    pub asked: BTreeMap<String, u64>,
    /// From a request to its first final answer, by status.
    waits: BTreeMap<u16, Vec<Duration>>,
}

impl Tally {
    /// How many answers of this status came.
    pub fn count(&self, status: u16) -> u64 {
        self.heard.get(&status).copied().unwrap_or(0)
    }

    /// The wait that this share of the answers of a status did not exceed.
    pub fn wait(&self, status: u16, share: f64) -> Duration {
        let mut waits = self.waits.get(&status).cloned().unwrap_or_default();
        waits.sort_unstable();
        let at = (waits.len() as f64 * share) as usize;
        waits.get(at.min(waits.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

impl Flood {
    /// Senders at these addresses.
    pub fn from(addresses: &[SocketAddr], target: SocketAddr) -> Result<Self> {
        let mut sockets = Vec::new();
        for address in addresses {
            let socket = UdpSocket::bind(address).with_context(|| address.to_string())?;
            socket.set_nonblocking(true)?;
            sockets.push(socket);
        }
        Ok(Self { sockets, target, is_polite: false })
    }

    /// Sends so many a second for so long, and listens for a moment longer.
    pub fn run(
        &self,
        per_second: u64,
        span: Duration,
        write: impl Fn(u64, SocketAddr) -> String,
    ) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut begun: HashMap<u64, Instant> = HashMap::new();
        let start = Instant::now();
        let all = per_second * span.as_millis() as u64 / 1_000;
        while start.elapsed() < span + LINGER {
            let due = (start.elapsed().as_micros() as u64 * per_second / 1_000_000).min(all);
            // A machine that was away sends what is due in small portions, as a network would.
            for _ in 0..PORTION {
                if tally.sent >= due {
                    break;
                }
                let socket = &self.sockets[(tally.sent % self.sockets.len() as u64) as usize];
                let text = write(tally.sent, socket.local_addr()?);
                begun.insert(tally.sent, Instant::now());
                if socket.send_to(text.as_bytes(), self.target).is_ok() {
                    tally.bytes_sent += text.len() as u64;
                }
                tally.sent += 1;
            }
            for socket in &self.sockets {
                self.listen(socket, &mut tally, &mut begun)?;
            }
            std::thread::sleep(PAUSE);
        }
        Ok(tally)
    }

    fn listen(&self, socket: &UdpSocket, tally: &mut Tally, begun: &mut HashMap<u64, Instant>) -> Result<()> {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let bytes = bytes::Bytes::copy_from_slice(&buffer[..length]);
            let Ok(message) = Message::parse(bytes, Carriage::Datagram) else { continue };
            let Some(status) = message.status() else {
                *tally.asked.entry(message.method().to_string()).or_default() += 1;
                if self.is_polite {
                    let answer = message.reply(200, self.target, None).finish();
                    socket.send_to(answer.as_bytes(), self.target)?;
                }
                continue;
            };
            tally.bytes_heard += length as u64;
            *tally.heard.entry(status).or_default() += 1;
            let number = message.call_id().split('-').next().and_then(|number| number.parse().ok());
            if status >= 200
                && let Some(sent) = number.and_then(|number| begun.remove(&number))
            {
                tally.waits.entry(status).or_default().push(sent.elapsed());
            }
            if self.is_polite && message.cseq().to_string().ends_with("INVITE") && status >= 200 {
                self.end(socket, &message, status)?;
            }
        }
        Ok(())
    }

    /// ACK, and after a 2xx BYE.
    fn end(&self, socket: &UdpSocket, response: &Message, status: u16) -> Result<()> {
        let via = response.header(Header::Via).context("Via")?.text().into_owned();
        let fresh = via.replace("branch=z9hG4bK", "branch=z9hG4bKend");
        let number = response.cseq().number;
        let ack_via = if status < 300 { &fresh } else { &via };
        socket.send_to(self.within(response, "ACK", number, ack_via)?.as_bytes(), self.target)?;
        if status < 300 {
            let bye = self.within(response, "BYE", number + 1, &fresh)?;
            socket.send_to(bye.as_bytes(), self.target)?;
        }
        Ok(())
    }

    fn within(&self, response: &Message, method: &str, number: u32, via: &str) -> Result<String> {
        let line =
            |header| response.header(header).map(|value| value.text().into_owned()).context("a header");
        Ok(format!(
            "{method} sip:sibai@{} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n",
            self.target,
            line(Header::From)?,
            line(Header::To)?,
            response.call_id(),
        ))
    }
}

/// One sender that waits for its answers.
#[derive(Debug)]
pub struct Prober {
    socket: UdpSocket,
    target: SocketAddr,
    asked: u64,
}

impl Prober {
    /// At this address; answers are waited for so long.
    pub fn at(address: SocketAddr, target: SocketAddr, patience: Duration) -> Result<Self> {
        let socket = UdpSocket::bind(address).with_context(|| address.to_string())?;
        socket.set_read_timeout(Some(patience))?;
        Ok(Self { socket, target, asked: 0 })
    }

    /// Its address.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Sends this and waits for the first answer; `None` is silence.
    pub fn ask(&mut self, text: &str) -> Result<Option<Message>> {
        self.asked += 1;
        self.tell(text)?;
        self.hear()
    }

    /// Waits for the next message; `None` is silence.
    pub fn hear(&mut self) -> Result<Option<Message>> {
        let mut buffer = vec![0; 65_536];
        let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { return Ok(None) };
        let bytes = bytes::Bytes::copy_from_slice(&buffer[..length]);
        Ok(Message::parse(bytes, Carriage::Datagram).ok())
    }

    /// From now on asks another port of its target.
    pub fn turn_to(&mut self, port: u16) {
        self.target.set_port(port);
    }

    /// Sends these bytes and waits for the first that come back from there; `None` is silence.
    pub fn exchange(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>> {
        self.socket.send_to(bytes, self.target)?;
        let mut buffer = vec![0; 65_536];
        while let Ok((length, source)) = self.socket.recv_from(&mut buffer) {
            if source == self.target {
                buffer.truncate(length);
                return Ok(Some(buffer));
            }
        }
        Ok(None)
    }

    /// Sends this and waits for nothing.
    pub fn tell(&self, text: &str) -> Result<()> {
        self.socket.send_to(text.as_bytes(), self.target)?;
        Ok(())
    }

    /// REGISTERs with this password; the status of the last answer, `None` for silence.
    pub fn register(&mut self, user: &str, password: &str) -> Result<Option<u16>> {
        let here = self.address()?;
        let number = self.asked;
        let plain = request("REGISTER", number, here, user, "");
        let Some(challenged) = self.ask(&plain)? else { return Ok(None) };
        let Some(proof) = prove(&challenged, user, password, "REGISTER", &format!("sip:{REALM}")) else {
            return Ok(challenged.status());
        };
        let again = plain.replace("branch=z9hG4bK", "branch=z9hG4bKp").replace("CSeq: 1", "CSeq: 2");
        let answer =
            self.ask(&again.replace("Max-Forwards", &format!("Authorization: {proof}\r\nMax-Forwards")))?;
        Ok(answer.and_then(|answer| answer.status()))
    }
}

/// The answer to a challenge.
pub fn prove(challenged: &Message, user: &str, password: &str, method: &str, uri: &str) -> Option<String> {
    let value = challenged.header(Header::WwwAuthenticate)?;
    let challenge = Challenge::parse(&value.text()).ok()?;
    let login = Login { user, password };
    Some(digest::answer(&challenge, login, method, uri, "attack", 1)?.to_string())
}

/// A request as a phone or carrier writes it; `to` is what is dialled, the realm alone for REGISTER. Its Call-ID
/// begins with `number`.
pub fn request(method: &str, number: u64, from: SocketAddr, user: &str, to: &str) -> String {
    let uri = if to.is_empty() { format!("sip:{REALM}") } else { format!("sip:{to}@{REALM}") };
    let whom = if to.is_empty() { user } else { to };
    let sdp = if method == "INVITE" { offer(from.ip()) } else { String::new() };
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{number}.{port};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@{REALM}>;tag=f{number}\r\nTo: <sip:{whom}@{REALM}>\r\nCall-ID: {number}-{from}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:{user}@{from}>\r\nExpires: 3600\r\nUser-Agent: attacker\r\n{kind}\
         Content-Length: {length}\r\n\r\n{sdp}",
        port = from.port(),
        length = sdp.len(),
    )
}

fn offer(ip: IpAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    )
}

/// Processor time that a process has used.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // User and system time, in hundredths of a second (proc(5)).
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}

/// Resident memory of a process in bytes.
pub fn memory(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    Ok(kilobytes.context("VmRSS")? * 1_024)
}

/// Whether attacks last as long as they are promised to be withstood: `SIBAI_LONG=1`. Otherwise seconds have to do.
pub fn is_long() -> bool {
    std::env::var_os("SIBAI_LONG").is_some_and(|value| value == "1")
}

/// How many seconds a flood lasts, in haste and at full length.
pub fn seconds(short: u64, long: u64) -> Duration {
    Duration::from_secs(if is_long() { long } else { short })
}

/// The realm of every Sibai.
const REALM: &str = "sibai";
/// For the last answers.
const LINGER: Duration = Duration::from_secs(1);
/// Requests sent between two looks at the answers.
const PORTION: u64 = 50;
const PAUSE: Duration = Duration::from_millis(1);
