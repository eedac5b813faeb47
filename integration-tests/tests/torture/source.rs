//! Who sends: a stranger, the trunk, or a registered seat, over UDP or TCP; and what each hears.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use integration_tests::wire::Sibai;
use sip::Challenge;
use sip::framer::{Frame, Framer};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody knows it.
    Stranger,
    /// From an address of the trunk.
    Trunk,
    /// From where extension 8001 is registered.
    Seat,
}

/// Over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Datagrams.
    Udp,
    /// One connection for as long as it lives.
    Tcp,
}

/// What came of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The final responses, in order, without repetitions.
    pub(crate) statuses: Vec<u16>,
    /// Whether the next message on the same way was answered.
    pub(crate) goes_on: bool,
}

/// A sender.
pub(crate) struct Source<'a> {
    sibai: &'a Sibai,
    kind: Kind,
    transport: Transport,
    line: Line,
    /// Makes each message another one, and gives each stranger an address of its own.
    asked: u32,
    nonce: Option<(Challenge, u32)>,
}

impl<'a> Source<'a> {
    /// A sender of this kind.
    pub(crate) fn of(sibai: &'a Sibai, kind: Kind, transport: Transport) -> Result<Self> {
        let asked = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) * 1_000;
        let line = Line::open(sibai.sip(), address(kind, asked), transport)?;
        let mut source = Self { sibai, kind, transport, line, asked, nonce: None };
        source.arrive()?;
        Ok(source)
    }

    /// Sends a message and after it a question; gives back what was answered before the question was.
    pub(crate) fn ask(&mut self, bytes: &[u8]) -> Result<Heard> {
        self.asked += 1;
        if self.kind == Kind::Stranger {
            // Each on its own: what one has done must not be laid to the next.
            self.reopen()?;
        }
        let unique = unique(bytes, self.asked);
        let question = self.question();
        // A peer that closes while we still write has not refused to be read.
        if !unique.is_empty() {
            let _ = self.line.send(&unique);
        }
        let _ = self.line.send(question.as_bytes());
        let mut heard = Heard { statuses: Vec::new(), goes_on: false };
        let mut seen = Vec::new();
        let (mut under_way, mut hung_up) = (0, false);
        let mut patience = Instant::now() + ANSWERED_WITHIN;
        while let Some(response) = self.line.receive(patience)? {
            let status = response.status;
            if response.value("Call-ID").starts_with(QUESTION) {
                heard.goes_on = true;
                if under_way == 0 {
                    break;
                }
                patience = Instant::now() + CALL_ANSWERED_WITHIN;
                continue;
            }
            let this = (response.value("Call-ID").to_owned(), response.method().to_owned(), status);
            if seen.contains(&this) {
                continue;
            }
            seen.push(this);
            if status < 200 {
                // 100 says that a final response comes, also after the question's.
                under_way += i32::from(status == 100);
                continue;
            }
            under_way = (under_way - 1).max(0);
            self.acknowledge(&response)?;
            let ends_ours = response.method() == "BYE" && std::mem::take(&mut hung_up);
            if !ends_ours {
                heard.statuses.push(status);
            }
            if status < 300 && response.method() == "INVITE" {
                hung_up = true;
                under_way += 1;
            }
            if under_way == 0 && heard.goes_on {
                break;
            }
        }
        if !heard.goes_on {
            self.reopen()?;
        }
        Ok(heard)
    }

    /// Sends a message as it stands and takes what is answered at once; a call that comes of it is hung up.
    pub(crate) fn throw(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() <= LONGEST_DATAGRAM {
            self.line.send(bytes)?;
        }
        while let Some(response) = self.line.receive(Instant::now() + AT_ONCE)? {
            if response.status >= 200 {
                self.asked += 1;
                self.acknowledge(&response)?;
            }
        }
        Ok(())
    }

    /// Takes the registration back.
    pub(crate) fn leave(&mut self) -> Result<()> {
        if self.kind == Kind::Seat { self.register(0) } else { Ok(()) }
    }

    fn arrive(&mut self) -> Result<()> {
        if self.kind == Kind::Seat { self.register(600) } else { Ok(()) }
    }

    fn reopen(&mut self) -> Result<()> {
        self.line = Line::open(self.sibai.sip(), address(self.kind, self.asked), self.transport)?;
        self.nonce = None;
        self.arrive()
    }

    /// Something that is always answered: a stranger is asked for a password.
    fn question(&self) -> String {
        let method = if self.kind == Kind::Stranger { "REGISTER" } else { "OPTIONS" };
        self.request(method, &format!("{QUESTION}{}", self.asked), "")
    }

    fn request(&self, method: &str, call_id: &str, more: &str) -> String {
        let (sibai, local) = (self.sibai.sip(), self.line.local);
        let transport = if self.transport == Transport::Udp { "UDP" } else { "TCP" };
        format!(
            "{method} sip:{sibai} SIP/2.0\r\n\
            Via: SIP/2.0/{transport} {local};branch=z9hG4bKq{call_id}{method};rport\r\n\
            Max-Forwards: 70\r\nFrom: <sip:8001@{sibai}>;tag=q\r\nTo: <sip:8001@{sibai}>\r\n\
            Call-ID: {call_id}\r\nCSeq: {} {method}\r\n{more}\
            User-Agent: long enough that its answer is not half again as long, or a stranger hears nothing\r\n\
            Content-Length: 0\r\n\r\n",
            self.asked + 1
        )
    }

    fn register(&mut self, expires: u32) -> Result<()> {
        let password = self.sibai.password("8001")?.to_owned();
        for _ in 0..3 {
            self.asked += 1;
            let login = sip::digest::Login { user: "8001", password: &password };
            let uri = format!("sip:{}", self.sibai.sip());
            let mut more = format!("Contact: <sip:8001@{}>\r\nExpires: {expires}\r\n", self.line.local);
            if let Some((challenge, count)) = &mut self.nonce {
                *count += 1;
                let proof = sip::digest::answer(challenge, login, "REGISTER", &uri, "c", *count);
                more = format!("{more}Authorization: {}\r\n", proof.context("no digest that we know")?);
            }
            let request = self.request("REGISTER", &format!("{QUESTION}r{}", self.asked), &more);
            self.line.send(request.as_bytes())?;
            let answer = self.line.receive(Instant::now() + CALL_ANSWERED_WITHIN)?.context("no answer")?;
            match answer.status {
                200 => return Ok(()),
                401 => self.nonce = Some((Challenge::parse(answer.value("WWW-Authenticate"))?, 0)),
                _ => bail!("REGISTER was answered {answer:?}"),
            }
        }
        bail!("three passwords were refused")
    }

    /// ACK for what an INVITE got, and BYE for what became a call.
    fn acknowledge(&mut self, response: &Response) -> Result<()> {
        if response.method() != "INVITE" {
            return Ok(());
        }
        let line = |name: &str| format!("{name}: {}\r\n", response.value(name));
        let rest = [line("From"), line("To"), line("Call-ID")].concat();
        let number: u32 = response.value("CSeq").split(' ').next().unwrap_or_default().parse().unwrap_or(0);
        let uri = format!("sip:{}", self.sibai.sip());
        let send = |source: &mut Self, method: &str, via: &str, number: u32| {
            let text = format!(
                "{method} {uri} SIP/2.0\r\n{via}{rest}CSeq: {number} {method}\r\nMax-Forwards: 70\r\n\
                Content-Length: 0\r\n\r\n"
            );
            let _ = source.line.send(text.as_bytes());
        };
        if response.status >= 300 {
            // An ACK of a refusal has the INVITE's own branch (RFC 3261 section 17.1.1.3).
            send(self, "ACK", &line("Via"), number);
            return Ok(());
        }
        ensure!(!response.value("Contact").is_empty(), "200 without Contact");
        let local = self.line.local;
        for (method, number) in [("ACK", number), ("BYE", number + 1)] {
            let branch = format!("z9hG4bK{method}{}", self.asked);
            let transport = if self.transport == Transport::Udp { "UDP" } else { "TCP" };
            let via = format!("Via: SIP/2.0/{transport} {local};branch={branch};rport\r\n");
            send(self, method, &via, number);
        }
        Ok(())
    }
}

/// A response, read without judging: it carries back what was malformed in the request.
#[derive(Debug)]
struct Response {
    status: u16,
    head: Vec<(String, String)>,
}

impl Response {
    /// `None` for a request: the engine may ask a seat something of its own.
    fn of(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, _) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
        let pair =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Self { status, head: lines.filter_map(pair).collect() })
    }

    /// The first header of this name; empty when there is none.
    fn value(&self, name: &str) -> &str {
        self.head.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    fn method(&self) -> &str {
        self.value("CSeq").rsplit(' ').next().unwrap_or_default()
    }
}

/// A socket.
struct Line {
    local: SocketAddr,
    socket: Socket,
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream, Framer),
}

impl Line {
    fn open(to: SocketAddr, from: IpAddr, transport: Transport) -> Result<Self> {
        match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind((from, 0))?;
                socket.connect(to)?;
                Ok(Self { local: socket.local_addr()?, socket: Socket::Udp(socket) })
            }
            Transport::Tcp => {
                let stream = connect(to, from)?;
                Ok(Self { local: stream.local_addr()?, socket: Socket::Tcp(stream, Framer::new()) })
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.socket {
            Socket::Udp(socket) => {
                socket.send(bytes)?;
            }
            Socket::Tcp(stream, _) => stream.write_all(bytes)?,
        }
        Ok(())
    }

    /// The next response; `None` when none comes in time or the connection is closed.
    fn receive(&mut self, until: Instant) -> Result<Option<Response>> {
        let mut buffer = vec![0; 65_536];
        loop {
            if let Socket::Tcp(_, framer) = &mut self.socket
                && let Some(frame) = framer.next_frame()
            {
                match frame? {
                    Frame::Message(bytes) => {
                        if let Some(response) = Response::of(&bytes) {
                            return Ok(Some(response));
                        }
                    }
                    Frame::Ping | Frame::Pong => {}
                }
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let read = match &mut self.socket {
                Socket::Udp(socket) => {
                    socket.set_read_timeout(Some(left))?;
                    socket.recv(&mut buffer)
                }
                Socket::Tcp(stream, _) => {
                    stream.set_read_timeout(Some(left))?;
                    stream.read(&mut buffer)
                }
            };
            let length = match read {
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            match &mut self.socket {
                Socket::Udp(_) => {
                    if let Some(response) = Response::of(&buffer[..length]) {
                        return Ok(Some(response));
                    }
                }
                Socket::Tcp(_, framer) => {
                    if length == 0 {
                        return Ok(None);
                    }
                    framer.push(&buffer[..length]);
                }
            }
        }
    }
}

/// Where a kind of source sends from: all of 127/8 is this machine.
fn address(kind: Kind, asked: u32) -> IpAddr {
    let [_, _, high, low] = asked.to_be_bytes();
    match kind {
        Kind::Stranger => Ipv4Addr::new(127, 88, high, low).into(),
        Kind::Trunk => Ipv4Addr::new(127, 66, 0, 1).into(),
        Kind::Seat => Ipv4Addr::new(127, 77, 0, 1).into(),
    }
}

fn connect(to: SocketAddr, from: IpAddr) -> Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::new(from, 0))?;
    connect(&socket, &to)?;
    Ok(TcpStream::from(socket))
}

/// The same message with a Call-ID and branches of its own, so that no transaction takes it for another's.
fn unique(bytes: &[u8], number: u32) -> Vec<u8> {
    let mut unique = Vec::with_capacity(bytes.len() + 200);
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let starts = |text: &[u8]| rest.len() >= text.len() && rest[..text.len()].eq_ignore_ascii_case(text);
        let found = [&b"branch=z9hG4bK"[..], b"\nCall-ID: ", b"\nCall-ID:  ", b"\ni: "]
            .into_iter()
            .filter(|text| starts(text));
        match found.max_by_key(|text| text.len()) {
            // A branch that is the cookie and nothing else must stay so.
            Some(text) if rest.get(text.len()).is_some_and(|next| !b";\r,".contains(next)) => {
                unique.extend_from_slice(&rest[..text.len()]);
                unique.extend_from_slice(format!("{number}-").as_bytes());
                at += text.len();
            }
            _ => {
                unique.push(rest[0]);
                at += 1;
            }
        }
    }
    unique
}

static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// What an IPv4 datagram holds.
const LONGEST_DATAGRAM: usize = 65_507;

/// What is answered without asking anybody comes within this.
const AT_ONCE: Duration = Duration::from_millis(5);

/// How the Call-IDs of our own requests begin.
const QUESTION: &str = "question-";

/// A message that is not answered within this is taken for one that waits for more.
const ANSWERED_WITHIN: Duration = Duration::from_millis(1_500);

/// For what takes a port for media first.
const CALL_ANSWERED_WITHIN: Duration = Duration::from_secs(5);
