//! Stories of the engine: legs with addresses, packets with times, no network.

mod bridge;
mod digits;
mod hearing;
mod junk;
mod latch;
mod lossy;
mod pace;
mod play;
mod report;
mod sealed;
mod tones;
mod web;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base::g711::Law;
use base::{Country, Digit, Entropy, LegId, Mono, Now, RecordingId, Tone};

use super::Engine;
use crate::prompts::{Prompt, Prompts};
use crate::rtp::{self, HEADER, Header};
use crate::seam::{Command, Direction, Event, Events, Port, Quality, Security, Sink, Stream, Tapped};

const CALLER: LegId = LegId::arrived(1);
const SEAT: LegId = LegId::placed(1);

/// An engine with all that it said.
#[derive(Clone)]
struct Bed {
    engine: Engine,
    now: Now,
    heard: Heard,
}

#[derive(Clone, Default)]
struct Heard {
    now: Mono,
    sent: Vec<Sent>,
    told: Vec<Event>,
    tapped: Vec<Tapped>,
    records: Vec<(LegId, SocketAddr, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Sent {
    at: Mono,
    leg: LegId,
    port: Port,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Sink for Heard {
    fn send(&mut self, leg: LegId, port: Port, to: SocketAddr, bytes: &[u8]) {
        self.sent.push(Sent { at: self.now, leg, port, to, bytes: bytes.to_vec() });
    }

    fn tell(&mut self, event: Event) {
        self.told.push(event);
    }

    fn handshake(&mut self, leg: LegId, source: SocketAddr, record: &[u8]) {
        self.records.push((leg, source, record.to_vec()));
    }

    fn tap(&mut self, packet: &Tapped) {
        self.tapped.push(*packet);
    }
}

impl Bed {
    fn new() -> Self {
        let mut prompts = Prompts::default();
        prompts.insert("line".into(), "welcome".into(), prompt(1000));
        prompts.insert("line".into(), "menu".into(), prompt(333));
        let wall = "2026-10-12T10:00:00+08:00".parse().unwrap();
        let now = Now { mono: Mono::ZERO + Duration::from_millis(1234), wall };
        Self { engine: Engine::new(Arc::new(prompts)), now, heard: Heard::default() }
    }

    /// Two legs that agreed, on A-law and `law`.
    fn talking(law: Law) -> (Self, Phone, Phone) {
        let mut bed = Self::new();
        let caller = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
        let seat = Phone::new(SEAT, "203.0.113.2:6000", law);
        bed.agree(&caller);
        bed.agree(&seat);
        bed.command(Command::Bridge { a: CALLER, b: SEAT });
        (bed, caller, seat)
    }

    fn agree(&mut self, phone: &Phone) {
        self.command(Command::Open { leg: phone.leg, ssrc: 0x1000 + phone.leg.as_u64() as u32 });
        self.command(Command::Agree { leg: phone.leg, stream: phone.stream.clone() });
    }

    fn command(&mut self, command: Command) {
        self.heard.now = self.now.mono;
        self.engine.command(self.now, command, &mut self.heard);
    }

    fn play(&mut self, leg: LegId, name: &str, token: u64) {
        self.command(Command::Play { leg, line: "line".into(), prompt: name.into(), token });
    }

    /// China's ringback until something else comes.
    fn ring(&mut self, leg: LegId) {
        self.tone(leg, Tone::Ringback, None);
    }

    fn tone(&mut self, leg: LegId, tone: Tone, length: Option<Duration>) {
        self.command(Command::Tone { leg, country: Country::Cn, tone, length, token: 99 });
    }

    fn receive(&mut self, leg: LegId, port: Port, source: SocketAddr, bytes: &[u8]) {
        self.heard.now = self.now.mono;
        let mut buffer = bytes.to_vec();
        self.engine.receive(self.now, leg, port, source, &mut buffer, &mut self.heard);
    }

    /// A phone speaks one packet.
    fn speak(&mut self, phone: &mut Phone, payload: &[u8]) {
        let bytes = phone.audio(payload);
        self.receive(phone.leg, Port::Rtp, phone.address, &bytes);
    }

    /// Lets time pass, ticking at every deadline.
    fn pass(&mut self, span: Duration) {
        let end = self.now.later(span);
        while let Some(due) = self.engine.deadline().filter(|&due| due <= end.mono) {
            self.now = self.now.later(due.since(self.now.mono));
            self.tick();
        }
        self.now = end;
    }

    fn tick(&mut self) {
        self.heard.now = self.now.mono;
        self.engine.tick(self.now, &mut self.heard);
        assert!(self.engine.deadline().is_none_or(|due| due > self.now.mono), "a deadline in the past");
    }

    /// RTP sent to a leg's peer since the last look.
    fn rtp(&mut self, leg: LegId) -> Vec<Rtp> {
        let (rtp, rest): (Vec<_>, Vec<_>) =
            self.heard.sent.drain(..).partition(|sent| sent.leg == leg && sent.port == Port::Rtp);
        self.heard.sent = rest;
        rtp.iter().map(Rtp::judge).collect()
    }

    fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.heard.told)
    }

    fn digits(&mut self, leg: LegId) -> String {
        let digit = |event| match event {
            Event::Digit { leg: of, digit, .. } if of == leg => Some(digit.as_char()),
            _ => None,
        };
        self.told().into_iter().filter_map(digit).collect()
    }

    fn close(&mut self, leg: LegId) -> Quality {
        self.command(Command::Close { leg });
        match self.told().pop() {
            Some(Event::Closed { quality, .. }) => quality,
            other => panic!("{other:?}"),
        }
    }
}

/// A sent packet as an independent reader sees it.
#[derive(Clone, Debug, PartialEq)]
struct Rtp {
    at: Mono,
    to: SocketAddr,
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Vec<u8>,
}

impl Rtp {
    fn judge(sent: &Sent) -> Self {
        let reader = rtp_rs::RtpReader::new(&sent.bytes).unwrap();
        Self {
            at: sent.at,
            to: sent.to,
            marker: reader.mark(),
            payload_type: reader.payload_type(),
            sequence: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
            payload: reader.payload().to_vec(),
        }
    }
}

/// A peer that speaks.
#[derive(Clone)]
struct Phone {
    leg: LegId,
    address: SocketAddr,
    stream: Stream,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Phone {
    fn new(leg: LegId, address: &str, law: Law) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let stream = Stream {
            coding: law.into(),
            payload_type: if law == Law::A { 8 } else { 0 },
            also: Vec::new(),
            events: Some(Events { payload_type: if law == Law::A { 101 } else { 96 }, clock: 8000 }),
            ptime: 20,
            remote_rtp: address,
            remote_rtcp: SocketAddr::new(address.ip(), address.port() + 1),
            rtcp_mux: false,
            direction: Direction::Both,
            security: Security::Plain,
            signalling: address.ip(),
        };
        Self {
            leg,
            address,
            stream,
            sequence: 65_500,
            timestamp: u32::MAX - 3000,
            ssrc: 77 + leg.as_u64() as u32,
        }
    }

    fn packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let header = Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        rtp::write(header, bytes.first_chunk_mut().unwrap());
        bytes.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        bytes
    }

    fn audio(&mut self, payload: &[u8]) -> Vec<u8> {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(payload.len() as u32);
        self.packet(self.stream.payload_type, false, timestamp, payload)
    }
}

/// Bytes that are all different stretches, so that an order or a hole shows.
fn prompt(len: usize) -> Prompt {
    let noise = |seed| {
        let mut bytes = vec![0; len];
        Entropy::from_number(seed).fill(&mut bytes);
        bytes
    };
    Prompt { pcma: noise(1).into(), pcmu: noise(2).into() }
}

fn frame(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; 160];
    Entropy::from_number(seed).fill(&mut bytes);
    bytes
}

fn digit(c: char) -> Digit {
    Digit::from_char(c).unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn recording() -> RecordingId {
    RecordingId::from_u128(5)
}

const FRAME: Duration = Duration::from_millis(20);
