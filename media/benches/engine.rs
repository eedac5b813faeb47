//! What a packet costs inside the engine: relayed, re-coded, tapped; and the ticks of many legs.
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

#[derive(Default)]
struct Nowhere {
    octets: u64,
    packets: u64,
}

impl Sink for Nowhere {
    fn send(&mut self, _: LegId, _: Port, _: SocketAddr, bytes: &[u8]) {
        self.octets += black_box(bytes).len() as u64;
        self.packets += 1;
    }

    fn tell(&mut self, event: Event) {
        black_box(event);
    }

    fn handshake(&mut self, _: LegId, _: SocketAddr, _: &[u8]) {}

    fn tap(&mut self, packet: &Tapped) {
        self.octets += u64::from(black_box(packet).len);
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
        xr: false,
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
    let out = &mut Nowhere::default();
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
    let out = &mut Nowhere::default();
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

/// What the ticks of a second cost: so many legs, opened over five seconds, of which so many play; the others are
/// bridged and do nothing but report.
fn ticks(c: &mut Criterion, name: &str, legs: u64, playing: u64) {
    let mut fresh = engine(0, |_| Law::A);
    let mut now = start();
    for n in 0..legs {
        now = start().later(Duration::from_millis(OPENING_MS * n / legs));
        pass(&mut fresh, now.mono);
        let leg = LegId::placed(n);
        fresh.command(now, Command::Open { leg, ssrc: n as u32 }, &mut Nowhere::default());
        fresh.command(now, Command::Agree { leg, stream: stream(peer(n), Law::A) }, &mut Nowhere::default());
        if n < playing {
            let (line, prompt) = ("line".into(), "long".into());
            fresh.command(now, Command::Play { leg, line, prompt, token: n }, &mut Nowhere::default());
        } else if n % 2 == 1 {
            fresh.command(now, Command::Bridge { a: LegId::placed(n - 1), b: leg }, &mut Nowhere::default());
        }
    }
    let end = now.mono + Duration::from_secs(1);
    let (wakeups, packets) = pass(&mut fresh.clone(), end);
    println!("{name}: {wakeups} wake-ups, {packets} packets");
    c.bench_function(name, |bench| {
        bench.iter_batched(
            || fresh.clone(),
            |mut engine| {
                pass(&mut engine, end);
                engine
            },
            criterion::BatchSize::LargeInput,
        );
    });
}

/// Ticks whenever something is due before `end`; gives how often, and how many packets went out.
fn pass(engine: &mut Engine, end: Mono) -> (u64, u64) {
    let (mut wakeups, mut out) = (0, Nowhere::default());
    while let Some(due) = engine.deadline().filter(|due| *due < end) {
        engine.tick(start().later(due.since(Mono::ZERO)), &mut out);
        wakeups += 1;
    }
    (wakeups, out.packets)
}

fn seconds(c: &mut Criterion) {
    ticks(c, "a second of a hundred playing legs", 100, 100);
    ticks(c, "a second of a thousand playing legs", 1_000, 1_000);
    ticks(c, "a second of ten playing legs among a thousand bridged", 1_000, 10);
}

/// Not all at once: they report and play at times of their own.
const OPENING_MS: u64 = 5_000;

criterion_group!(benches, relays, seconds);
criterion_main!(benches);
