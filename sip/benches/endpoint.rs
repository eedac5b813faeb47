//! OPTIONS and whole calls through the endpoint on one core, from bytes to bytes, without sockets.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a bench: criterion's macro writes items, and a panic is its failure"
)]

use std::hint::black_box;
use std::time::Duration;

use base::{Cause, Entropy, LegId, Machine, Mono, Now, Timestamp};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::seam::{Command, Directory, Flow, Input, Limits, NumberUri, Output, Transport, Trunk};
use sip::{Carriage, Endpoint, Message};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\n\
                   a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn endpoint() -> Endpoint {
    let limits = Limits {
        transactions: 10_000_000,
        legs: 1_000_000,
        contacts_per_user: 3,
        bindings: 100,
        min_expires: Duration::from_mins(1),
        max_expires: Duration::from_hours(1),
        failures_per_source: 10,
    };
    let directory = Directory {
        realm: "sibai.test".to_owned(),
        trunks: vec![Trunk {
            name: "carrier".into(),
            sources: vec!["192.0.2.2".parse().expect("an address")],
            targets: Vec::new(),
            host: "carrier.test".to_owned(),
            port: None,
            probe: true,
            registration: None,
            uri: NumberUri::Sip,
            credentials: None,
        }],
        ..Directory::default()
    };
    Endpoint::new(directory, limits, Entropy::from_number(1))
}

fn flow() -> Flow {
    let (local, remote) = ("192.0.2.1:5060".parse(), "192.0.2.2:5060".parse());
    Flow {
        transport: Transport::Udp,
        local: local.expect("an address"),
        remote: remote.expect("an address"),
        connection: None,
        listener: 0,
    }
}

fn request(method: &str, call: u64, cseq: u32, branch: &str, tag: &str, body: &str) -> Bytes {
    format!(
        "{method} sip:4001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{branch}{call};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Li\" <sip:13800138000@carrier.test>;tag=c{call}\r\nTo: <sip:4001@192.0.2.1>{tag}\r\n\
         Call-ID: {call}@192.0.2.2\r\nCSeq: {cseq} {method}\r\nContact: <sip:gw@192.0.2.2:5060>\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\nSupported: timer\r\nUser-Agent: bench\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

struct Bench {
    endpoint: Endpoint,
    now: Now,
    call: u64,
    last: Bytes,
}

impl Bench {
    fn new() -> Self {
        let wall = Timestamp::from_second(1_790_000_000).expect("a time");
        Self { endpoint: endpoint(), now: Now { mono: Mono::ZERO, wall }, call: 0, last: Bytes::new() }
    }

    fn receive(&mut self, bytes: Bytes) {
        let message = Message::parse(bytes, Carriage::Datagram);
        self.input(Input::Received { flow: flow(), message });
    }

    fn input(&mut self, input: Input) {
        self.endpoint.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            if let Output::Send { bytes, .. } = black_box(output) {
                self.last = bytes;
            }
        }
    }

    /// INVITE, 100, 180, 200, ACK, BYE, 200; then time passes, so that old transactions end.
    fn call(&mut self) {
        let leg = LegId::arrived(self.call);
        self.receive(request("INVITE", self.call, 1, "i", "", SDP));
        self.input(Input::Command(Command::Progress { leg, status: 180, sdp: None }));
        self.input(Input::Command(Command::Accept { leg, sdp: SDP.to_owned() }));
        let ok = Message::parse(self.last.clone(), Carriage::Datagram).expect("our own 200");
        let tag = format!(";tag={}", ok.to_tag().expect("a tag"));
        self.receive(request("ACK", self.call, 1, "a", &tag, ""));
        self.receive(request("BYE", self.call, 2, "b", &tag, ""));
        self.call += 1;
        self.now = self.now.later(STEP);
        if self.endpoint.deadline().is_some_and(|due| due <= self.now.mono) {
            self.endpoint.expire(self.now);
            self.drain();
        }
    }
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("endpoint");
    group.throughput(Throughput::Elements(1));
    let mut options = Bench::new();
    let bytes = request("OPTIONS", 1, 1, "o", "", "");
    group.bench_function("options", |b| b.iter(|| options.receive(bytes.clone())));
    let mut calls = Bench::new();
    group.bench_function("whole call as UAS", |b| b.iter(|| calls.call()));
    assert!(calls.endpoint.legs() == 0, "every call ended");
    group.bench_function("refused call", |b| {
        b.iter(|| {
            let leg = LegId::arrived(calls.call);
            calls.receive(request("INVITE", calls.call, 1, "i", "", SDP));
            calls.input(Input::Command(Command::Refuse {
                leg,
                status: 486,
                retry_after: None,
                cause: Cause::LineFull,
            }));
            calls.receive(request("ACK", calls.call, 1, "i", "", ""));
            calls.call += 1;
            calls.now = calls.now.later(STEP);
            if calls.endpoint.deadline().is_some_and(|due| due <= calls.now.mono) {
                calls.endpoint.expire(calls.now);
                calls.drain();
            }
        });
    });
    group.finish();
}

/// Virtual time between calls: some 20,000 calls' transactions are held at any moment.
const STEP: Duration = Duration::from_micros(1_600);

criterion_group!(endpoint_benches, benches);
criterion_main!(endpoint_benches);
