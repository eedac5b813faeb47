//! What a packet costs inside the engine: relayed, re-coded, tapped; and a tick of a hundred legs.
#![allow(missing_docs)]

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::g711::Law;
use base::{LegId, Mono, Now, RecordingId};
use criterion::{Criterion, criterion_group, criterion_main};
use media::Engine;
use media::prompts::{Prompt, Prompts};
use media::rtp::{self, HEADER, Header};
use media::seam::{Command, Direction, Event, Events, Port, Security, Sink, Stream, Tapped};

struct Nowhere(u64);

impl Sink for Nowhere {
    fn send(&mut self, _: LegId, _: Port, _: SocketAddr, bytes: &[u8]) {
        self.0 += black_box(bytes).len() as u64;
    }

    fn tell(&mut self, event: Event) {
        black_box(event);
    }

    fn handshake(&mut self, _: LegId, _: SocketAddr, _: &[u8]) {}

    fn tap(&mut self, packet: &Tapped) {
        self.0 += u64::from(black_box(packet).len);
    }
}

fn stream(address: SocketAddr, law: Law) -> Stream {
    Stream {
        coding: law.into(),
        payload_type: if law == Law::A { 8 } else { 0 },
        also: Vec::new(),
        events: Some(Events { payload_type: 101, clock: 8000 }),
        ptime: 20,
        remote_rtp: address,
        remote_rtcp: address,
        rtcp_mux: false,
        direction: Direction::Both,
        security: Security::Plain,
        signalling: address.ip(),
    }
}

fn peer(leg: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 10_000 + leg as u16))
}

fn start() -> Now {
    Now { mono: Mono::ZERO, wall: base::Timestamp::UNIX_EPOCH }
}

fn engine(legs: u64, law: impl Fn(u64) -> Law) -> Engine {
    let mut prompts = Prompts::default();
    let audio = vec![0x55; 8000 * 600];
    prompts.insert("line".into(), "long".into(), Prompt { pcma: audio.clone().into(), pcmu: audio.into() });
    let mut engine = Engine::new(Arc::new(prompts));
    let out = &mut Nowhere(0);
    for n in 0..legs {
        let leg = LegId::placed(n);
        engine.command(start(), Command::Open { leg, ssrc: n as u32 }, out);
        engine.command(start(), Command::Agree { leg, stream: stream(peer(n), law(n)) }, out);
    }
    engine
}

/// One packet after another through the first of 500 bridges.
fn relay(c: &mut Criterion, name: &str, law_of_other: Law, tapped: bool) {
    let mut engine = engine(1000, |n| if n % 2 == 0 { Law::A } else { law_of_other });
    let out = &mut Nowhere(0);
    for n in 0..500 {
        let (a, b) = (LegId::placed(2 * n), LegId::placed(2 * n + 1));
        engine.command(start(), Command::Bridge { a, b }, out);
    }
    let leg = LegId::placed(0);
    if tapped {
        let recording = RecordingId::from_u128(1);
        engine.command(start(), Command::Tap { recording, caller: leg, seat: LegId::placed(1) }, out);
    }
    let mut header = Header { marker: false, payload_type: 8, sequence: 0, timestamp: 0, ssrc: 1 };
    let mut now = start();
    let mut bytes = [0x2a; HEADER + 160];
    c.bench_function(name, |bench| {
        bench.iter(|| {
            header.sequence = header.sequence.wrapping_add(1);
            header.timestamp = header.timestamp.wrapping_add(160);
            now = now.later(Duration::from_millis(20));
            if let Some(place) = bytes.first_chunk_mut() {
                rtp::write(header, place);
            }
            engine.receive(now, leg, Port::Rtp, peer(0), &mut bytes, out);
        });
    });
}

fn relays(c: &mut Criterion) {
    relay(c, "relay a packet", Law::A, false);
    relay(c, "relay a packet with a tap", Law::A, true);
    relay(c, "relay a packet from A-law to µ-law", Law::Mu, false);
}

fn ticks(c: &mut Criterion) {
    let fresh = engine(100, |_| Law::A);
    c.bench_function("a second of a hundred playing legs", |bench| {
        bench.iter_batched(
            || {
                let mut engine = fresh.clone();
                for n in 0..100 {
                    let (line, prompt) = ("line".into(), "long".into());
                    let play = Command::Play { leg: LegId::placed(n), line, prompt, token: n };
                    engine.command(start(), play, &mut Nowhere(0));
                }
                engine
            },
            |mut engine| {
                let out = &mut Nowhere(0);
                while let Some(due) =
                    engine.deadline().filter(|due| *due < Mono::ZERO + Duration::from_secs(1))
                {
                    engine.tick(start().later(due.since(Mono::ZERO)), out);
                }
                (engine, out.0)
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, relays, ticks);
criterion_main!(benches);
