//! The media of one leg: what it hears from us, what we take from it, what the recorder gets.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use base::{Digit, LegId, Mono, Now, RecordingId};
use codecs::Coding;

use super::ear::Ear;
use super::guard::Guard;
use super::latch::{Latch, Verdict};
use super::making::{Mouth, Playing};
use super::outgoing::Outgoing;
use super::proof;
use super::report::Reporter;
use super::wiring::Source;
use crate::dtmf::{Receiver, Sender, Way, band};
use crate::ice::Lite;
use crate::quality::{Conditions, Impairment, Losses, Rating};
use crate::reception::{Admission, Reception};
use crate::rtp::{self, Header};
use crate::seam::{COMFORT, Direction, Event, Port, Quality, SILENCE, Side, Sink, Stream, Tapped};

/// The media of one leg.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) leg: LegId,
    pub(super) agreed: Option<Agreed>,
    /// The codec in which the peer speaks, once it did: one of those that it may.
    spoken: Option<Coding>,
    /// When it took to another one in the midst of its speech.
    switched: Option<Mono>,
    pub(super) guard: Guard,
    /// Whom the leg hears, in the order of their numbers.
    pub(super) hears: Vec<LegId>,
    pub(super) source: Source,
    /// Who is given the leg's packets as they come.
    pub(super) gives: Option<LegId>,
    /// What the leg says as linear audio, while somebody wants it so.
    pub(super) ear: Option<Box<Ear>>,
    pub(super) playing: Option<Playing>,
    /// What we code for the peer where packets cannot be copied.
    pub(super) mouth: Option<Box<Mouth>>,
    /// The next packet of our own making; meaningful while `running`.
    pub(super) next: Mono,
    pub(super) running: bool,
    pub(super) keys: Sender,
    pub(super) key_began: u32,
    /// How much of a key's tones the peer has heard, in samples.
    pub(super) sounded: u16,
    events: Receiver,
    /// Listens for tones of keys where no events were agreed on.
    band: Option<Box<band::Receiver>>,
    pub(super) taps: Vec<(RecordingId, Side)>,
    pub(super) outgoing: Outgoing,
    reception: Reception,
    losses: Losses,
    reporter: Reporter,
    heard: Mono,
    silent: bool,
    pub(super) dropped: u64,
}

/// What was agreed on with the peer, and where it proved to be.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    pub(super) stream: Stream,
    pub(super) latch: Latch,
    /// Who says where the peer is, in place of the latch.
    pub(super) ice: Option<Box<Lite>>,
}

/// A packet that was taken from one leg, on its way to the other.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    header: Header,
    payload: Range<usize>,
    admission: Admission,
    kind: Kind,
    /// It is the first in another codec than the one before.
    pub(super) switched: bool,
    /// The key of which this is the first that we see.
    pub(super) pressed: Option<Digit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audio(Coding),
    Event,
    /// How the peer's silence sounds (RFC 3389).
    Comfort,
    /// Of a type that was not agreed on.
    Other,
}

impl Channel {
    pub(super) fn new(now: Now, leg: LegId, ssrc: u32) -> Self {
        Self {
            leg,
            agreed: None,
            spoken: None,
            switched: None,
            guard: Guard::None,
            hears: Vec::new(),
            source: Source::Nobody,
            gives: None,
            ear: None,
            playing: None,
            mouth: None,
            next: now.mono,
            running: false,
            keys: Sender::default(),
            key_began: 0,
            sounded: 0,
            band: None,
            events: Receiver::default(),
            taps: Vec::new(),
            outgoing: Outgoing::new(ssrc),
            reception: Reception::default(),
            losses: Losses::default(),
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
        let before = self.agreed.take();
        let continues = before.as_ref().is_some_and(|agreed| proof::continues(&agreed.stream, &stream));
        let (latch, lite) = match before {
            None => (Latch::new(now.mono, &stream), None),
            Some(mut agreed) => {
                if agreed.latch.renew(now.mono, &stream) && agreed.ice.is_none() {
                    self.reception.part();
                }
                (agreed.latch, agreed.ice)
            }
        };
        self.guard = std::mem::take(&mut self.guard).agree(&stream.security, continues);
        self.outgoing.tune(stream.coding.clock());
        self.spoken = self.spoken.filter(|spoken| stream.may_bring(*spoken));
        let ice = proof::agent(lite, &stream);
        self.agreed = Some(Agreed { stream, latch, ice });
        self.schedule(now.mono);
    }

    /// What played before is gone.
    pub(super) fn play(&mut self, now: Now, playing: Playing) {
        self.playing = Some(playing);
        self.outgoing.part();
        self.schedule(now.mono);
    }

    pub(super) fn stop(&mut self, now: Now) {
        self.playing = None;
        self.schedule(now.mono);
    }

    /// Queues a key; `false` when the peer takes none or too many wait already.
    pub(super) fn press(&mut self, now: Now, digit: Digit) -> bool {
        // Events, else tones, which only G.711 carries unbent.
        let takes = self
            .agreed
            .as_ref()
            .is_some_and(|agreed| agreed.stream.events.is_some() || agreed.stream.coding.law().is_some());
        let queued = takes && self.keys.press(digit);
        self.schedule(now.mono);
        queued
    }

    /// Whether keys of the peer can only be heard as tones.
    pub(super) fn presses_in_band(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.stream.events.is_none())
            && self.spoken().is_some_and(|coding| coding.law().is_some())
    }

    /// The ear goes on by ten milliseconds.
    pub(super) fn overhear(&mut self, now: Mono, out: &mut impl Sink) {
        let in_band = self.presses_in_band();
        let Some(ear) = &mut self.ear else { return };
        ear.pull(now);
        if !in_band {
            self.band = None;
            return;
        }
        let leg = self.leg;
        self.band.get_or_insert_default().listen(ear.frame(), |digit| {
            out.tell(Event::Digit { leg, digit, way: Way::Band });
        });
    }

    /// The codec that was agreed on: what the peer is told in.
    pub(super) fn coding(&self) -> Option<Coding> {
        self.agreed.as_ref().map(|agreed| agreed.stream.coding)
    }

    /// The codec in which the peer speaks.
    pub(super) fn spoken(&self) -> Option<Coding> {
        self.spoken.or(self.coding())
    }

    /// The first packet in another codec, once there is an ear for it.
    pub(super) fn hear_out(&mut self, now: Mono, taken: &Taken, bytes: &[u8]) {
        if let (Some(ear), Some(payload)) = (&mut self.ear, bytes.get(taken.payload.clone())) {
            ear.put(now, taken.header, payload);
        }
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
        bytes: &mut [u8],
        out: &mut impl Sink,
    ) -> Option<Taken> {
        if !self.admits(source) {
            return self.drop();
        }
        let Some(packet) = self.guard.open(bytes).and_then(|len| bytes.get(..len)) else {
            return self.drop();
        };
        let Ok((header, payload)) = rtp::read(packet) else { return self.drop() };
        let Some(agreed) = &mut self.agreed else { return self.drop() };
        let kind = Kind::of(header.payload_type, &agreed.stream);
        match agreed.judge(now.mono, source, header, self.guard.proves(), kind != Kind::Other) {
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
            self.losses.part();
        }
        let direction = agreed.stream.direction;
        let (kind, switched) = self.follow(now.mono, kind, admission);
        self.losses.take(header.sequence);
        self.heard = now.mono;
        self.silent = false;
        if kind == Kind::Other || !receives(direction) {
            self.dropped += 1;
        }
        if !receives(direction) {
            return None;
        }
        let mut pressed = None;
        match kind {
            Kind::Audio(coding) => {
                self.reception.measure(header.timestamp, now.mono, coding.clock());
                if let Some(ear) = self.ear.as_mut().filter(|_| !switched) {
                    ear.put(now.mono, header, &bytes[payload.clone()]);
                }
                self.tap(now.mono, coding, header, &bytes[payload.clone()], out);
            }
            Kind::Comfort => {
                if let Some(ear) = &mut self.ear {
                    ear.put(now.mono, header, &bytes[payload.clone()]);
                }
            }
            Kind::Event => {
                if let Some(ear) = &mut self.ear {
                    ear.pass(header);
                }
                let key = self.events.receive(header.timestamp, header.marker, &bytes[payload.clone()]);
                if let Some(digit) = key {
                    pressed = Some(digit);
                    out.tell(Event::Digit { leg: self.leg, digit, way: Way::Event });
                }
            }
            Kind::Other => {}
        }
        Some(Taken { header, payload, admission, kind, switched, pressed })
    }

    /// The peer may speak in another codec from one packet to the next: whether this one is the first, and what it is
    /// where that is not so: a straggler from before, or one of many changes, each of which would cost us a decoder.
    fn follow(&mut self, now: Mono, kind: Kind, admission: Admission) -> (Kind, bool) {
        let Kind::Audio(coding) = kind else { return (kind, false) };
        if self.spoken() == Some(coding) {
            self.spoken = Some(coding);
            return (kind, false);
        }
        if admission == Admission::Late || self.switched.is_some_and(|last| last + SWITCH_PAUSE > now) {
            return (Kind::Other, false);
        }
        (self.spoken, self.switched) = (Some(coding), Some(now));
        (kind, true)
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
            // Of another kind: it would be noise there.
            Kind::Audio(coding) if !is_alike(coding, stream.coding) => None,
            Kind::Audio(_) => Some(stream.payload_type),
            Kind::Event => stream.events.map(|events| events.payload_type),
            // The other side did not ask for it; its phone fills silence by itself.
            Kind::Comfort | Kind::Other => None,
        };
        let Some(payload_type) = payload_type else {
            self.outgoing.leave_out(taken.header);
            return;
        };
        if let Kind::Audio(coding) = taken.kind
            && coding != stream.coding
            && let (Some(law), Some(payload)) = (coding.law(), bytes.get_mut(taken.payload.clone()))
        {
            for byte in payload {
                *byte = law.to_other(*byte);
            }
        }
        let len = taken.payload.len();
        let ticks = match (taken.kind, bytes.get(taken.payload.clone())) {
            (Kind::Audio(_), Some(payload)) => stream.coding.ticks(payload).unwrap_or(0),
            // An event's timestamp says only where it began.
            _ => len as u32,
        };
        let relayed = self.outgoing.relay(now.mono, taken.header, taken.admission, ticks);
        // A straggler from before the mapping began stays out: its number is taken.
        let Some(mut header) = relayed else { return };
        header.payload_type = payload_type;
        if let Some(packet) = rtp::rewrite(bytes, &taken.payload, header)
            && self.guard.send(self.leg, Port::Rtp, to, packet, out)
        {
            self.outgoing.sent(len);
        }
    }

    /// Takes RTCP in.
    pub(super) fn receive_rtcp(&mut self, now: Now, port: Port, source: SocketAddr, bytes: &mut [u8]) {
        let admitted = self.admits(source);
        let Some(agreed) = &mut self.agreed else {
            self.dropped += 1;
            return;
        };
        // Multiplexed or not was agreed on: the other port hears nothing (RFC 5761 §5.1.1).
        let right_port = admitted && agreed.stream.rtcp_mux == (port == Port::Rtp);
        let opened = if right_port { self.guard.open_rtcp(bytes) } else { None };
        let ours = opened
            .and_then(|len| bytes.get(..len))
            .filter(|_| self.guard.proves() || agreed.latch.hears_rtcp(source));
        if ours.is_some_and(|packet| self.reporter.read(now.mono, packet, &self.outgoing).is_ok()) {
            agreed.latch.accepted_rtcp(source);
            let loss = self.reporter.peer_loses();
            if let Some(mouth) = &mut self.mouth {
                mouth.heed(loss);
            }
        } else {
            self.dropped += 1;
        }
    }

    /// How much of ours the peer lost of late, in percent.
    pub(super) fn peer_loses(&self) -> u8 {
        self.reporter.peer_loses()
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
        self.rate(&mut quality);
        quality
    }

    /// What a listener would say of both directions.
    fn rate(&self, quality: &mut Quality) {
        let (Some(coding), Some(spoken)) = (self.coding(), self.spoken()) else { return };
        let way =
            quality.round_trip_ms.map(|ms| Duration::from_secs_f32(ms.max(0.0) / 2000.0)).unwrap_or_default();
        let buffered = |jitter_ms: f32| Duration::from_secs_f32((20.0 + 2.0 * jitter_ms.max(0.0)) / 1000.0);
        let mos = |coding, loss, burst_ratio, jitter_ms| {
            let (impairment, delay) = (Impairment::of(coding), way + buffered(jitter_ms));
            Rating::of(&Conditions { impairment, loss, burst_ratio, delay }).mos
        };
        let tally = self.losses.tally();
        quality.mos = (quality.received > 0)
            .then(|| mos(spoken, tally.bad_share(), tally.burst_ratio(), quality.jitter_ms));
        // A report tells how much was lost, not how: one by one, then.
        quality.peer_mos =
            quality.peer_loss.map(|loss| mos(coding, loss, 1.0, quality.peer_jitter_ms.unwrap_or(0.0)));
    }

    pub(super) fn drop<T>(&mut self) -> Option<T> {
        self.dropped += 1;
        None
    }

    fn tap(&mut self, now: Mono, coding: Coding, header: Header, payload: &[u8], out: &mut impl Sink) {
        if self.taps.is_empty() {
            return;
        }
        let len = payload.len().min(Tapped::LONGEST);
        if len < payload.len() {
            self.dropped += 1;
            // Of G.711 a part is audio too.
            if coding.law().is_none() {
                return;
            }
        }
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
                coding,
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
        let port = if agreed.stream.rtcp_mux { Port::Rtp } else { Port::Rtcp };
        if let Some(to) = agreed.rtcp_destination() {
            self.guard.send_rtcp(self.leg, port, to, compound.as_bytes(), out);
        }
    }

    /// Whether missing RTP is to be told.
    fn watched(&self) -> bool {
        !self.silent && self.agreed.as_ref().is_some_and(|agreed| receives(agreed.stream.direction))
    }
}

impl Kind {
    fn of(payload_type: u8, stream: &Stream) -> Self {
        let other = || stream.also.iter().find(|(pt, _)| *pt == payload_type);
        match payload_type {
            pt if pt == stream.payload_type => Self::Audio(stream.coding),
            pt if stream.events.is_some_and(|events| events.payload_type == pt) => Self::Event,
            COMFORT => Self::Comfort,
            _ => other().map_or(Self::Other, |(_, coding)| Self::Audio(*coding)),
        }
    }
}

impl Stream {
    /// Whether the peer may speak in this codec.
    fn may_bring(&self, coding: Coding) -> bool {
        self.coding == coding || self.also.iter().any(|(_, other)| *other == coding)
    }
}

impl Agreed {
    /// Whose an RTP packet is. Of a peer with ICE nothing else came this far.
    fn judge(&mut self, now: Mono, source: SocketAddr, packet: Header, proved: bool, known: bool) -> Verdict {
        match &self.ice {
            Some(_) => Verdict::Known,
            None if proved => self.latch.follow(now, source, packet),
            None => self.latch.judge(now, source, packet, known),
        }
    }

    /// Where to send audio, if the peer listens.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        let stream = &self.stream;
        let listens = matches!(stream.direction, Direction::Both | Direction::SendOnly);
        match &self.ice {
            _ if !listens => None,
            Some(ice) => ice.destination(),
            None if stream.remote_rtp.port() == 0 || stream.remote_rtp.ip().is_unspecified() => None,
            None => self.latch.destination(),
        }
    }

    /// Where to send reports. An address of zeros wants none (RFC 3264 §8.4).
    fn rtcp_destination(&self) -> Option<SocketAddr> {
        match &self.ice {
            Some(ice) => ice.destination(),
            None if self.stream.remote_rtp.ip().is_unspecified() => None,
            None => self.latch.rtcp_destination(),
        }
    }
}

/// Whether one codec's packets can be given to a peer that was promised the other: as they are, or byte by byte.
pub(super) fn is_alike(one: Coding, other: Coding) -> bool {
    one == other || one.law().is_some() && other.law().is_some()
}

fn receives(direction: Direction) -> bool {
    matches!(direction, Direction::Both | Direction::ReceiveOnly)
}

/// The next point of the grid, `at` itself included.
pub(super) fn grid(at: Mono) -> Mono {
    let step = GRID.as_nanos() as u64;
    Mono::from_nanos(at.as_nanos().div_ceil(step).saturating_mul(step))
}

/// All legs send on one grid, so that a worker wakes a hundred times a second however many play.
const GRID: Duration = Duration::from_millis(10);

/// Who changes its codec, does so because the network did, and that is no matter of packets.
const SWITCH_PAUSE: Duration = Duration::from_millis(200);

/// After a stall at most five packets (100 ms at the usual 20) go out in one burst: no phone's buffer
/// takes more.
const MOST_CATCH_UP: usize = 5;
