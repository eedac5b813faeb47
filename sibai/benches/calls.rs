//! Whole calls through the node without sockets and media: trunk INVITE in, seat rung, answered, bridged, BYE.
//!
//! `cargo bench -p sibai --bench calls`
#![allow(clippy::expect_used, dead_code, reason = "a bench: a panic is its failure")]

#[path = "../../sip/benches/cpu/mod.rs"]
mod cpu;

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base::{Entropy, Machine, Mono, Now, Timestamp};
use bytes::Bytes;
use codecs::Coding;
use cpu::{rate, row};
use sibai::node::{Input, MediaTerms, Node, Output, Setup};
use sip::seam::{Directory, Flow, Input as SipInput, Limits, NumberUri, Transport, Trunk, User};
use sip::{Algorithm, Carriage, Challenge, Header, Message};

fn main() {
    let mut bench = Bench::new();
    bench.register();
    // Warm: some 16,000 calls' transactions are held at any moment from then on.
    (0..WARM).for_each(|_| bench.call());
    let least = (0..ROUNDS).map(|_| bench.batch()).min().unwrap_or_default();
    assert_eq!(bench.over, ROUNDS * BATCH + WARM, "every call went all the way");
    row("", "CPU time", "goal");
    row("whole call as B2BUA without media", &rate(least / BATCH as u32), ">= 6,000/s");
}

struct Bench {
    node: Node,
    now: Now,
    call: u64,
    /// What is on its way to the node.
    inputs: VecDeque<Input>,
    spent: Duration,
    /// Calls whose both BYEs were answered.
    over: u64,
    ended: u64,
    /// Our tag in the dialog with the carrier, once the call is answered.
    tag: Option<String>,
    /// Whether the seat's ACK came.
    talking: bool,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let line = folder.path().join("lines/bench");
        fs::create_dir_all(&line).expect("a folder");
        fs::write(folder.path().join("engine.yaml"), ENGINE).expect("a file");
        fs::write(line.join("line.yaml"), LINE).expect("a file");
        let loaded = sibai::config::load(folder.path(), "2026-10-12".parse().expect("a day"));
        let plan = loaded.plan.clone().unwrap_or_else(|| panic!("{}", sibai::config::report(&loaded)));
        let ha1 = vec![(Algorithm::Md5, Algorithm::Md5.ha1("8001", REALM, "secret"))];
        let user = User { ha1, line: Some("bench".into()) };
        let directory = Directory {
            realm: REALM.to_owned(),
            users: Arc::new(HashMap::from([("8001".into(), user)])),
            trunks: plan.trunks.keys().map(|name| trunk(name.clone())).collect(),
            ..Directory::default()
        };
        let node = Node::new(Setup {
            directory,
            limits: Limits { transactions: 1_000_000, ..Limits::default() },
            plan,
            terms: MediaTerms { codecs: vec![Coding::Pcma, Coding::Pcmu], ..MediaTerms::default() },
            workers: 1,
            entropy: Entropy::from_number(1),
        });
        let wall = Timestamp::from_second(1_791_770_000).expect("a time");
        let now = Now { mono: Mono::ZERO + Duration::from_secs(1), wall };
        Self {
            node,
            now,
            call: 0,
            inputs: VecDeque::new(),
            spent: Duration::ZERO,
            over: 0,
            ended: 0,
            tag: None,
            talking: false,
        }
    }

    fn batch(&mut self) -> Duration {
        self.spent = Duration::ZERO;
        (0..BATCH).for_each(|_| self.call());
        self.spent
    }

    fn register(&mut self) {
        let challenged = self.ask(register(1, ""));
        let value = challenged.header(Header::WwwAuthenticate).expect("a challenge");
        let challenge = Challenge::parse(&value.text()).expect("a challenge");
        let login = sip::digest::Login { user: "8001", password: "secret" };
        let proof = sip::digest::answer(&challenge, login, "REGISTER", "sip:sibai.test", "c", 1);
        let proof = format!("Authorization: {}\r\n", proof.expect("an algorithm that we know"));
        assert_eq!(self.ask(register(2, &proof)).status(), Some(200));
    }

    fn ask(&mut self, request: Bytes) -> Message {
        let outputs = self.tell(received(seat(), request));
        let sent = outputs.into_iter().find_map(|output| match output {
            Output::Send { bytes, .. } => Some(read(bytes)),
            _ => None,
        });
        sent.expect("an answer")
    }

    /// One call from its INVITE to the answers to both BYEs, then a moment of time.
    fn call(&mut self) {
        (self.ended, self.tag, self.talking) = (0, None, false);
        let invite = request("INVITE", self.call, 1, "", SDP);
        self.inputs.push_back(received(carrier(), invite));
        while let Some(input) = self.inputs.pop_front() {
            for output in self.tell(input) {
                self.carry_out(output);
            }
            if self.inputs.is_empty()
                && self.talking
                && let Some(tag) = self.tag.take()
            {
                let bye = request("BYE", self.call, 2, &tag, "");
                self.inputs.push_back(received(carrier(), bye));
            }
        }
        self.over += u64::from(self.ended == 2);
        self.call += 1;
        let end = self.now.later(STEP);
        while let Some(due) = self.node.deadline().filter(|due| *due <= end.mono) {
            self.now = self.now.later(due.since(self.now.mono));
            let now = self.now;
            let (spent, ()) = cpu::of(|| self.node.expire(now));
            self.spent += spent;
            while self.node.poll().is_some() {}
        }
        self.now = end;
    }

    /// Tells the node, and measures what it costs; parsing is part of it.
    fn tell(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::with_capacity(16);
        let (node, now) = (&mut self.node, self.now);
        let (spent, ()) = cpu::of(|| {
            // What was read where it arrived is read again, so that it is counted.
            if let Input::Sip(SipInput::Received { message: Ok(message), .. }) = &input {
                let again = Message::parse(message.as_bytes().clone(), Carriage::Datagram);
                drop(std::hint::black_box(again));
            }
            node.handle(now, input);
            while let Some(output) = node.poll() {
                outputs.push(output);
            }
        });
        self.spent += spent;
        outputs
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { flow, bytes } if flow.remote == carrier().remote => self.at_carrier(&read(bytes)),
            Output::Send { flow, bytes } => self.at_seat(flow, &read(bytes)),
            Output::Open { leg, .. } => {
                self.inputs.push_back(Input::Bound { leg, rtp: 20_000, rtcp: 20_001 });
            }
            Output::Media { command: media::Command::Close { leg }, .. } => {
                let quality = media::Quality::default();
                self.inputs.push_back(Input::Media(media::Event::Closed { leg, quality }));
            }
            Output::Fault { what, .. } => panic!("{what}"),
            _ => {}
        }
    }

    fn at_carrier(&mut self, message: &Message) {
        match (message.method(), message.status()) {
            (sip::Method::Invite, Some(200)) => {
                let tag = tag(message);
                self.inputs.push_back(received(carrier(), request("ACK", self.call, 1, &tag, "")));
                self.tag = Some(tag);
            }
            (sip::Method::Bye, Some(200)) => self.ended += 1,
            _ => {}
        }
    }

    fn at_seat(&mut self, flow: Flow, message: &Message) {
        let reply = |status| message.reply(status, flow.local, Some("seat"));
        match (message.method(), message.status()) {
            (sip::Method::Invite, None) => {
                let contact = "<sip:8001@192.0.2.20:5060>";
                let ringing = reply(180).header(Header::Contact, contact).finish();
                let ok = reply(200).header(Header::Contact, contact).body("application/sdp", SDP).finish();
                self.inputs.push_back(received(seat(), ringing.as_bytes().clone()));
                self.inputs.push_back(received(seat(), ok.as_bytes().clone()));
            }
            (sip::Method::Ack, None) => self.talking = true,
            (sip::Method::Bye, None) => {
                self.inputs.push_back(received(seat(), reply(200).finish().as_bytes().clone()));
                self.ended += 1;
            }
            _ => {}
        }
    }
}

fn read(bytes: Bytes) -> Message {
    Message::parse(bytes, Carriage::Datagram).expect("what we write ourselves")
}

fn tag(message: &Message) -> String {
    format!(";tag={}", message.to_tag().expect("a tag"))
}

fn received(flow: Flow, bytes: Bytes) -> Input {
    Input::Sip(SipInput::Received { flow, message: Message::parse(bytes, Carriage::Datagram) })
}

fn trunk(name: base::Name) -> Trunk {
    Trunk {
        name,
        sources: vec!["192.0.2.2".parse().expect("an address")],
        certificate: None,
        targets: Vec::new(),
        host: "192.0.2.2".to_owned(),
        port: None,
        probe: true,
        registration: None,
        uri: NumberUri::Sip,
        credentials: None,
    }
}

fn carrier() -> Flow {
    flow("192.0.2.2:5060")
}

fn seat() -> Flow {
    flow("192.0.2.20:5060")
}

fn flow(remote: &str) -> Flow {
    let (local, remote) = ("192.0.2.1:5060".parse(), remote.parse());
    let (local, remote) = (local.expect("an address"), remote.expect("an address"));
    Flow { transport: Transport::Udp, local, remote, connection: None, listener: 0 }
}

fn request(method: &str, call: u64, cseq: u32, tag: &str, body: &str) -> Bytes {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:057155550100@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{method}{call};rport\r\nMax-Forwards: 70\r\n\
         From: \"Li\" <sip:13900139000@192.0.2.2>;tag=c{call}\r\nTo: <sip:057155550100@192.0.2.1>{tag}\r\n\
         Call-ID: {call}@192.0.2.2\r\nCSeq: {cseq} {method}\r\nContact: <sip:gw@192.0.2.2:5060>\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nUser-Agent: bench\r\n\
         {kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

fn register(cseq: u32, proof: &str) -> Bytes {
    format!(
        "REGISTER sip:sibai.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bKr{cseq}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:8001@sibai.test>;tag=f\r\nTo: <sip:8001@sibai.test>\r\n\
         Call-ID: r\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:8001@192.0.2.20:5060>\r\nExpires: 3600\r\n\
         {proof}Content-Length: 0\r\n\r\n"
    )
    .into()
}

const REALM: &str = "sibai.test";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
                   a=ptime:20\r\na=sendrecv\r\n";
const ENGINE: &str = r#"format: engine/v1
sip: { listen: ["udp://127.0.0.1:5060"] }
rtp: { ports: [20000, 20999] }
trunks:
  - { name: carrier, host: "192.0.2.2", allow_from: ["192.0.2.2"], max_calls: 20 }
database: { url: "sqlite://sibai.db" }
recordings: { folder: recordings, keep_free: 10% }
"#;
const LINE: &str = r#"format: line/v1
line: { name: Bench, max_calls: 10, start: answer }
numbers: [{ number: "400-555-0100", arrives_as: ["0571-55550100"] }]
seats: { li: { name: Li, ext: "8001" } }
queues:
  all:
    ring: { strategy: sequential, seats: [li], timeout: 15s }
    wrap_up: 0s
    when_no_seats: [hangup]
    when_full: [hangup]
    when_timed_out: [hangup]
flows: { answer: [{ queue: all }] }
"#;
/// Calls before the first measured run.
const WARM: u64 = 16_000;
/// Calls in one measured run.
const BATCH: u64 = 2000;
/// Measured runs.
const ROUNDS: u64 = 5;
/// Virtual time between calls: their transactions live 32 s.
const STEP: Duration = Duration::from_millis(2);
