//! A bed for the endpoint: bytes in, bytes out, virtual time, and the requests that callers and phones write.
#![allow(unreachable_pub, reason = "a module of several binaries")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Entropy, LegId, Machine, Mono, Name, Now, Timestamp};
use bytes::Bytes;
use sip::digest::{self, Login};
use sip::seam::{Command, Directory, Event, Flow, Input, Limits, Output, Transport, Trunk, User};
use sip::{Algorithm, Carriage, Challenge, Endpoint, Header, Message};

/// What a carrier offers.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                       m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
                       a=ptime:20\r\na=sendrecv\r\n";

/// An endpoint, its clock, and what it sent last.
pub struct Bed {
    /// The machine.
    pub endpoint: Endpoint,
    /// Virtual time.
    pub now: Now,
    /// The last message that it wrote.
    pub last: Bytes,
    /// Messages that it wrote.
    pub sent: u64,
    /// Legs that arrived.
    pub arrived: u64,
}

impl Bed {
    /// An endpoint that knows a carrier at 192.0.2.2 and this many users, under these limits.
    pub fn new(limits: Limits, users: usize) -> Self {
        let directory = Directory {
            realm: REALM.to_owned(),
            users: Arc::new((0..users).map(user).collect::<HashMap<_, _>>()),
            trunks: vec![Trunk {
                name: "carrier".into(),
                sources: vec!["192.0.2.2".parse().expect("an address")],
                target: None,
                host: "carrier.test".to_owned(),
                credentials: None,
            }],
            ..Directory::default()
        };
        let wall = Timestamp::from_second(1_790_000_000).expect("a time");
        Self {
            endpoint: Endpoint::new(directory, limits, Entropy::from_number(1)),
            now: Now { mono: Mono::ZERO, wall },
            last: Bytes::new(),
            sent: 0,
            arrived: 0,
        }
    }

    /// A datagram comes.
    pub fn receive(&mut self, flow: Flow, bytes: Bytes) {
        let message = Message::parse(bytes, Carriage::Datagram);
        self.input(Input::Received { flow, message });
    }

    /// The control wants something.
    pub fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    /// Time passes; what is due happens when it is due.
    pub fn wait(&mut self, span: Duration) {
        let end = self.now.later(span);
        while let Some(due) = self.endpoint.deadline().filter(|due| *due <= end.mono) {
            self.now = self.now.later(due.since(self.now.mono));
            self.endpoint.expire(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// The leg that arrived last.
    pub fn leg(&self) -> LegId {
        LegId::arrived(self.arrived - 1)
    }

    /// The last message that it wrote, read.
    pub fn answer(&self) -> Message {
        Message::parse(self.last.clone(), Carriage::Datagram).expect("what we write ourselves")
    }

    fn input(&mut self, input: Input) {
        self.endpoint.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match std::hint::black_box(output) {
                Output::Send { bytes, .. } => {
                    self.sent += 1;
                    self.last = bytes;
                }
                Output::Event(Event::Arrived(_)) => self.arrived += 1,
                Output::Event(_) => {}
            }
        }
    }
}

/// Limits that nothing here reaches.
pub fn roomy() -> Limits {
    Limits { transactions: 10_000_000, legs: 1_000_000, bindings: 100_000, ..Limits::default() }
}

/// The way from the carrier.
pub fn carrier() -> Flow {
    flow("192.0.2.2:5060")
}

/// The way from a phone of its own address.
pub fn phone(number: usize) -> Flow {
    flow(&format!("10.1.{}.{}:5060", number / 250, number % 250 + 1))
}

/// The way from this address.
pub fn flow(remote: &str) -> Flow {
    let local = "192.0.2.1:5060".parse().expect("an address");
    let remote = remote.parse().expect("an address");
    Flow { transport: Transport::Udp, local, remote, connection: None, listener: 0 }
}

/// A request of the carrier, as a gateway writes it.
pub fn request(method: &str, call: u64, cseq: u32, branch: &str, tag: &str, body: &str) -> Bytes {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:4001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{branch}{call};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Li\" <sip:13800138000@carrier.test>;tag=c{call}\r\nTo: <sip:4001@192.0.2.1>{tag}\r\n\
         Call-ID: {call}@192.0.2.2\r\nCSeq: {cseq} {method}\r\nContact: <sip:gw@192.0.2.2:5060>\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\nSupported: timer\r\nUser-Agent: bench\r\n\
         {kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// A phone that keeps itself registered.
pub struct Phone {
    number: usize,
    cseq: u32,
    challenge: Option<(Challenge, u32)>,
}

impl Phone {
    /// Of the user of this number.
    pub const fn new(number: usize) -> Self {
        Self { number, cseq: 0, challenge: None }
    }

    /// Which user's it is.
    pub const fn number(&self) -> usize {
        self.number
    }

    /// Its next REGISTER, with a proof when it has been challenged.
    pub fn register(&mut self) -> Bytes {
        self.cseq += 1;
        let (number, cseq) = (self.number, self.cseq);
        let proof = self.challenge.as_mut().map_or_else(String::new, |(challenge, count)| {
            *count += 1;
            let name = name(number);
            let login = Login { user: &name, password: "secret" };
            let proof = digest::answer(challenge, login, "REGISTER", "sip:sibai.test", "0a4f113b", *count);
            format!("Authorization: {}\r\n", proof.expect("an algorithm that we know"))
        });
        let (name, at) = (name(number), phone(number).remote);
        format!(
            "REGISTER sip:sibai.test SIP/2.0\r\nVia: SIP/2.0/UDP {at};rport;branch=z9hG4bKPj{number}r{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@sibai.test>;tag=f{number}\r\nTo: <sip:{name}@sibai.test>\r\n\
             Call-ID: {number}c0ffee@{at}\r\nCSeq: {cseq} REGISTER\r\nUser-Agent: Phone 3.21\r\n\
             Contact: <sip:{name}@{at};ob>;reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-0000-0000-{number:012}>\"\r\n\
             Expires: 60\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n{proof}Content-Length: 0\r\n\r\n"
        )
        .into()
    }

    /// Whether this answer wants another proof.
    pub fn is_challenged(&mut self, answer: &Message) -> bool {
        let Some(value) = answer.header(Header::WwwAuthenticate) else { return false };
        self.challenge = Challenge::parse(&value.text()).ok().map(|challenge| (challenge, 0));
        true
    }
}

fn user(number: usize) -> (Name, User) {
    let name = name(number);
    let ha1 = Algorithm::Md5.ha1(&name, REALM, "secret");
    (name.as_str().into(), User { ha1: vec![(Algorithm::Md5, ha1)], ..User::default() })
}

fn name(number: usize) -> String {
    format!("{}", 10_000 + number)
}

const REALM: &str = "sibai.test";
