//! The media of one leg: what it hears from us, what we take from it, what the recorder gets.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use base::g711::Law;
use base::{Digit, LegId, Mono, Now, RecordingId};

use super::latch::{Latch, Verdict};
use super::outgoing::Outgoing;
use super::report::Reporter;
use crate::dtmf::{Receiver, Sender, Step};
use crate::prompts::Prompt;
use crate::reception::{Admission, Reception};
use crate::rtp::{self, HEADER, Header};
use crate::seam::{Direction, Event, Port, Quality, SILENCE, Side, Sink, Stream, Tapped};

/// The media of one leg.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    leg: LegId,
    agreed: Option<Agreed>,
    pub(super) bridged: Option<LegId>,
    playing: Option<Playing>,
    /// The next packet of our own making; meaningful while `running`.
    next: Mono,
    running: bool,
    keys: Sender,
    key_began: u32,
    events: Receiver,
    pub(super) taps: Vec<(RecordingId, Side)>,
    outgoing: Outgoing,
    reception: Reception,
    reporter: Reporter,
    heard: Mono,
    silent: bool,
    dropped: u64,
}

#[derive(Clone, Debug)]
struct Agreed {
    stream: Stream,
    latch: Latch,
}

#[derive(Clone, Debug)]
struct Playing {
    audio: Prompt,
    at: usize,
    /// The token of a `Play`; `None` for a loop.
    once: Option<u64>,
}

/// A packet that was taken from one leg, on its way to the other.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    header: Header,
    payload: Range<usize>,
    admission: Admission,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audio(Law),
    Event,
    /// Of a type that was not agreed on.
    Other,
}

impl Channel {
    pub(super) fn new(now: Now, leg: LegId, ssrc: u32) -> Self {
        Self {
            leg,
            agreed: None,
            bridged: None,
            playing: None,
            next: now.mono,
            running: false,
            keys: Sender::default(),
            key_began: 0,
            events: Receiver::default(),
            taps: Vec::new(),
            outgoing: Outgoing::new(ssrc),
            reception: Reception::default(),
            reporter: Reporter::new(now, ssrc),
            heard: now.mono,
            silent: false,
            dropped: 0,
        }
    }

    pub(super) fn agree(&mut self, now: Now, stream: Stream) {
        let listened = self.agreed.as_ref().is_some_and(|agreed| receives(agreed.stream.direction));
        if receives(stream.direction) && !listened {
            self.heard = now.mono;
            self.silent = false;
        }
        let latch = match self.agreed.take() {
            None => Latch::new(now.mono, &stream),
            Some(mut agreed) => {
                if agreed.latch.renew(now.mono, &stream) {
                    self.reception.part();
                }
                agreed.latch
            }
        };
        self.agreed = Some(Agreed { stream, latch });
        self.schedule(now.mono);
    }

    /// Plays once (`once` is the token) or in a loop. What played before is gone.
    pub(super) fn play(&mut self, now: Now, audio: Prompt, once: Option<u64>) {
        self.playing = Some(Playing { audio, at: 0, once });
        self.outgoing.part();
        self.schedule(now.mono);
    }

    pub(super) fn stop(&mut self, now: Now) {
        self.playing = None;
        self.schedule(now.mono);
    }

    /// Queues a key; `false` when the peer takes none or too many wait already.
    pub(super) fn press(&mut self, now: Now, digit: Digit) -> bool {
        let takes = self.agreed.as_ref().is_some_and(|agreed| agreed.stream.event_type.is_some());
        let queued = takes && self.keys.press(digit);
        self.schedule(now.mono);
        queued
    }

    pub(super) fn bridge(&mut self, now: Now, other: Option<LegId>) {
        self.bridged = other;
        self.outgoing.part();
        if other.is_some() {
            self.playing = None;
        }
        self.schedule(now.mono);
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.agreed.as_ref()?;
        let packet = self.running.then_some(self.next);
        let silence = self.watched().then(|| self.heard + SILENCE);
        base::time::soonest(base::time::soonest(packet, silence), Some(self.reporter.due))
    }

    pub(super) fn tick(&mut self, now: Now, out: &mut impl Sink) {
        if self.agreed.is_none() {
            return;
        }
        let mut packets = 0;
        while self.running && self.next <= now.mono {
            if packets == MOST_CATCH_UP {
                // We were asleep for longer: the audio goes on where it was, time does not come back.
                self.next = grid(now.mono + GRID);
                break;
            }
            packets += 1;
            self.step(out);
            self.running = self.generates();
        }
        if self.reporter.due <= now.mono {
            self.report(now.mono, false, out);
        }
        if self.watched() && self.heard + SILENCE <= now.mono {
            self.silent = true;
            out.tell(Event::Silent { leg: self.leg });
        }
    }

    /// Takes an RTP packet in; what is left to do with it is the bridge's.
    pub(super) fn receive(
        &mut self,
        now: Now,
        source: SocketAddr,
        bytes: &[u8],
        out: &mut impl Sink,
    ) -> Option<Taken> {
        let Ok((header, payload)) = rtp::read(bytes) else { return self.drop() };
        let Some(agreed) = &mut self.agreed else { return self.drop() };
        let stream = &agreed.stream;
        let kind = match header.payload_type {
            pt if pt == stream.payload_type => Kind::Audio(stream.law),
            pt if Some(pt) == stream.event_type => Kind::Event,
            _ => Kind::Other,
        };
        match agreed.latch.judge(now.mono, source, header, kind != Kind::Other) {
            Verdict::Foreign => return self.drop(),
            Verdict::Latched => out.tell(Event::Latched { leg: self.leg, source }),
            Verdict::Known => {}
        }
        let admission = self.reception.admit(header.ssrc, header.sequence);
        if admission == Admission::Stray {
            return self.drop();
        }
        if admission != Admission::Late {
            agreed.latch.accepted(now.mono, header);
        }
        if admission == Admission::Start {
            // A new clock: its timestamps say nothing about the keys of the old one.
            self.events = Receiver::default();
        }
        self.heard = now.mono;
        self.silent = false;
        if kind == Kind::Other || !receives(agreed.stream.direction) {
            self.dropped += 1;
        }
        if !receives(agreed.stream.direction) {
            return None;
        }
        match kind {
            Kind::Audio(law) => {
                self.reception.measure(header.timestamp, now.mono);
                self.tap(now.mono, law, header, &bytes[payload.clone()], out);
            }
            Kind::Event => {
                let key = self.events.receive(header.timestamp, header.marker, &bytes[payload.clone()]);
                if let Some(digit) = key {
                    out.tell(Event::Digit { leg: self.leg, digit });
                }
            }
            Kind::Other => {}
        }
        Some(Taken { header, payload, admission, kind })
    }

    /// Sends the other party's packet on, rewritten in place.
    pub(super) fn relay(&mut self, now: Now, taken: &Taken, bytes: &mut [u8], out: &mut impl Sink) {
        let (Some(agreed), None, false) = (&self.agreed, &self.playing, self.keys.is_busy()) else { return };
        let Some(to) = agreed.destination() else {
            self.outgoing.part();
            return;
        };
        let stream = &agreed.stream;
        let payload_type = match taken.kind {
            Kind::Audio(_) => Some(stream.payload_type),
            Kind::Event => stream.event_type,
            Kind::Other => None,
        };
        let Some(payload_type) = payload_type else {
            self.outgoing.leave_out(taken.header);
            return;
        };
        if let Kind::Audio(law) = taken.kind
            && law != stream.law
            && let Some(payload) = bytes.get_mut(taken.payload.clone())
        {
            for byte in payload {
                *byte = law.to_other(*byte);
            }
        }
        let len = taken.payload.len();
        let relayed = self.outgoing.relay(now.mono, taken.header, taken.admission, len as u32);
        // A straggler from before the mapping began stays out: its number is taken.
        let Some(mut header) = relayed else { return };
        header.payload_type = payload_type;
        if let Some(packet) = rtp::rewrite(bytes, &taken.payload, header) {
            out.send(self.leg, Port::Rtp, to, packet);
            self.outgoing.sent(len);
        }
    }

    /// Takes RTCP in.
    pub(super) fn receive_rtcp(&mut self, now: Now, port: Port, source: SocketAddr, bytes: &[u8]) {
        let Some(agreed) = &mut self.agreed else {
            self.dropped += 1;
            return;
        };
        // Multiplexed or not was agreed on: the other port hears nothing (RFC 5761 §5.1.1).
        let right_port = agreed.stream.rtcp_mux == (port == Port::Rtp);
        let ours = right_port && agreed.latch.hears_rtcp(source);
        if ours && self.reporter.read(now.mono, bytes, &self.outgoing).is_ok() {
            agreed.latch.accepted_rtcp(source);
        } else {
            self.dropped += 1;
        }
    }

    /// Says goodbye and how it was.
    pub(super) fn close(&mut self, now: Now, out: &mut impl Sink) -> Quality {
        if self.agreed.is_some() {
            self.report(now.mono, true, out);
        }
        let mut quality = Quality {
            received: self.reception.received(),
            lost: self.reception.lost(),
            jitter_ms: self.reception.jitter_ms(),
            sent: self.outgoing.packets,
            dropped: self.dropped,
            ..Quality::default()
        };
        self.reporter.fill(&mut quality);
        quality
    }

    pub(super) fn drop<T>(&mut self) -> Option<T> {
        self.dropped += 1;
        None
    }

    /// One packet time of our own making.
    fn step(&mut self, out: &mut impl Sink) {
        let Some(agreed) = &self.agreed else { return };
        let (at, ms) = (self.next, agreed.stream.ptime.clamp(SHORTEST_MS, LONGEST_MS));
        let (law, payload_type, event_type) =
            (agreed.stream.law, agreed.stream.payload_type, agreed.stream.event_type);
        let to = agreed.destination();
        let samples = ms * 8;
        self.next = at + Duration::from_millis(u64::from(ms));
        let mut packet = [law.silence(); HEADER + Tapped::LONGEST];
        match (self.keys.step(samples as u16), event_type) {
            (Step::Event { fresh, payload }, Some(event_type)) => {
                let Some(to) = to else { return };
                let mut header = self.outgoing.make(at, samples, event_type);
                if fresh {
                    self.key_began = header.timestamp;
                }
                header.timestamp = self.key_began;
                header.marker = fresh;
                packet[HEADER..HEADER + 4].copy_from_slice(&payload.to_bytes());
                self.send(&mut packet[..HEADER + 4], header, to, out);
                return;
            }
            // Between two keys, and for keys that a new agreement made unsayable.
            (Step::Pause | Step::Event { .. }, _) if self.bridged.is_some() => return,
            _ => {}
        }
        let frame = HEADER..HEADER + samples as usize;
        if !self.fill(law, &mut packet[frame.clone()], out) && self.bridged.is_some() {
            return;
        }
        if let Some(to) = to {
            let header = self.outgoing.make(at, samples, payload_type);
            self.send(&mut packet[..frame.end], header, to, out);
        }
    }

    /// Copies the next stretch of what plays; `false` when nothing does.
    fn fill(&mut self, law: Law, frame: &mut [u8], out: &mut impl Sink) -> bool {
        let Some(playing) = &mut self.playing else { return false };
        let audio = match law {
            Law::A => &playing.audio.pcma,
            Law::Mu => &playing.audio.pcmu,
        };
        if playing.once.is_none() && playing.at >= audio.len() {
            playing.at = 0;
        }
        let rest = audio.get(playing.at..).unwrap_or_default();
        if rest.is_empty() {
            if let Some(token) = playing.once {
                out.tell(Event::Played { leg: self.leg, token });
            }
            self.playing = None;
            return false;
        }
        let len = rest.len().min(frame.len());
        frame[..len].copy_from_slice(&rest[..len]);
        playing.at += len;
        // A loop goes round inside a frame when its length is no multiple of it.
        if playing.once.is_none() && len < frame.len() {
            let more = (frame.len() - len).min(audio.len());
            frame[len..len + more].copy_from_slice(&audio[..more]);
            playing.at = more;
        }
        true
    }

    fn send(&mut self, packet: &mut [u8], header: Header, to: SocketAddr, out: &mut impl Sink) {
        if let Some(start) = packet.first_chunk_mut::<HEADER>() {
            rtp::write(header, start);
            out.send(self.leg, Port::Rtp, to, packet);
            self.outgoing.sent(packet.len() - HEADER);
        }
    }

    fn tap(&mut self, now: Mono, law: Law, header: Header, payload: &[u8], out: &mut impl Sink) {
        if self.taps.is_empty() {
            return;
        }
        let len = payload.len().min(Tapped::LONGEST);
        self.dropped += u64::from(len < payload.len());
        let mut copy = [0; Tapped::LONGEST];
        copy[..len].copy_from_slice(&payload[..len]);
        for &(recording, side) in &self.taps {
            out.tap(&Tapped {
                recording,
                side,
                arrived: now,
                sequence: header.sequence,
                timestamp: header.timestamp,
                ssrc: header.ssrc,
                law,
                len: len as u16,
                payload: copy,
            });
        }
    }

    fn report(&mut self, now: Mono, leaving: bool, out: &mut impl Sink) {
        let mut compound = self.reporter.write(now, &self.outgoing, &mut self.reception);
        if leaving {
            compound = compound.leaving(self.outgoing.ssrc);
        }
        let Some(agreed) = &self.agreed else { return };
        // An address of zeros wants no RTCP either (RFC 3264 §8.4).
        if agreed.stream.remote_rtp.ip().is_unspecified() {
            return;
        }
        let port = if agreed.stream.rtcp_mux { Port::Rtp } else { Port::Rtcp };
        if let Some(to) = agreed.latch.rtcp_destination() {
            out.send(self.leg, port, to, compound.as_bytes());
        }
    }

    /// Whether packets of our own making are due: keys, what plays, or silence so that the peer and
    /// every NAT on the way keep hearing from us. A prompt's time passes even while the peer is deaf.
    fn generates(&self) -> bool {
        let Some(agreed) = &self.agreed else { return false };
        let hears = agreed.destination().is_some();
        match &self.playing {
            _ if self.keys.is_busy() => true,
            Some(playing) => playing.once.is_some() || hears,
            None => hears && self.bridged.is_none(),
        }
    }

    fn schedule(&mut self, now: Mono) {
        let generates = self.generates();
        if generates && !self.running {
            self.next = grid(now);
        }
        self.running = generates;
    }

    /// Whether missing RTP is to be told.
    fn watched(&self) -> bool {
        !self.silent && self.agreed.as_ref().is_some_and(|agreed| receives(agreed.stream.direction))
    }
}

impl Agreed {
    /// Where to send audio, if the peer listens.
    fn destination(&self) -> Option<SocketAddr> {
        let stream = &self.stream;
        let listens = matches!(stream.direction, Direction::Both | Direction::SendOnly);
        let somewhere = stream.remote_rtp.port() != 0 && !stream.remote_rtp.ip().is_unspecified();
        if listens && somewhere { self.latch.destination() } else { None }
    }
}

fn receives(direction: Direction) -> bool {
    matches!(direction, Direction::Both | Direction::ReceiveOnly)
}

/// The next point of the grid, `at` itself included.
fn grid(at: Mono) -> Mono {
    let step = GRID.as_nanos() as u64;
    Mono::from_nanos(at.as_nanos().div_ceil(step).saturating_mul(step))
}

/// All legs send on one grid, so that a worker wakes a hundred times a second however many play.
const GRID: Duration = Duration::from_millis(10);

/// After a stall at most five packets (100 ms at the usual 20) go out in one burst: no phone's buffer
/// takes more.
const MOST_CATCH_UP: usize = 5;

/// The packet times that we send, in milliseconds; the tap and the frame buffer end at 60.
const SHORTEST_MS: u32 = 10;
const LONGEST_MS: u32 = 60;
