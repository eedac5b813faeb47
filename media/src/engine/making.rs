//! The packets of our own making: keys, what plays, silence; one each packet time.

use std::net::SocketAddr;
use std::time::Duration;

use base::g711::Law;
use base::{Digit, Mono};
use codecs::{Coding, Encoder, Rate};

use super::channel::{Channel, grid};
use crate::dtmf::{Payload, Step, tones};
use crate::prompts::Prompt;
use crate::rtp::{self, HEADER, Header};
use crate::seam::{Event, Port, Sink, Stream, Tapped};

/// What plays on a leg.
#[derive(Clone, Debug)]
pub(super) struct Playing {
    /// Over and over; `None` is silence.
    audio: Option<Prompt>,
    at: usize,
    /// What is left of it, in samples; `None`: it goes on until it is stopped.
    left: Option<usize>,
    /// Comes back when it has ended.
    token: u64,
}

impl Playing {
    /// From its beginning to its end.
    pub(super) fn once(audio: Prompt, token: u64) -> Self {
        let left = Some(audio.pcma.len());
        Self { audio: Some(audio), at: 0, left, token }
    }

    /// Until it is stopped.
    pub(super) fn endless(audio: Prompt) -> Self {
        Self { audio: Some(audio), at: 0, left: None, token: 0 }
    }

    /// A tone, or silence, for so long or until it is stopped.
    pub(super) fn tone(audio: Option<Prompt>, length: Option<Duration>, token: u64) -> Self {
        let samples =
            |length: Duration| usize::try_from(length.as_millis()).unwrap_or(usize::MAX).saturating_mul(8);
        Self { audio, at: 0, left: length.map(samples), token }
    }

    /// Copies the next stretch, in the bytes of a law; how many of them are of it. None at its end.
    fn fill(&mut self, law: Law, frame: &mut [u8]) -> usize {
        let len = self.left.map_or(frame.len(), |left| left.min(frame.len()));
        let audio = self.audio.as_ref().map_or(&[][..], |audio| match law {
            Law::A => &audio.pcma,
            Law::Mu => &audio.pcmu,
        });
        let mut filled = 0;
        while filled < len && !audio.is_empty() {
            if self.at >= audio.len() {
                self.at = 0;
            }
            let rest = &audio[self.at..];
            let piece = rest.len().min(len - filled);
            frame[filled..filled + piece].copy_from_slice(&rest[..piece]);
            self.at += piece;
            filled += piece;
        }
        self.left = self.left.map(|left| left - len);
        len
    }
}

/// Encodes for a leg whose codec is not G.711, or that hears a mix.
#[derive(Clone, Debug)]
pub(super) struct Mouth {
    encoder: Encoder,
    limiter: Limiter,
    /// Mixed and not yet sent: less than a packet.
    waiting: [i16; MOST_WAITING],
    len: usize,
}

/// Turns loud mixes down instead of clipping them: at once when it must, back up over a quarter of a second.
#[derive(Clone, Copy, Debug)]
struct Limiter {
    gain: f32,
}

impl Mouth {
    fn new(coding: Coding, rate: Rate, loss: u8) -> Self {
        let mut encoder = Encoder::new(coding, rate);
        encoder.set_loss(loss);
        Self { encoder, limiter: Limiter { gain: 1.0 }, waiting: [0; MOST_WAITING], len: 0 }
    }

    fn speaks(&self, coding: Coding, rate: Rate) -> bool {
        self.encoder.coding() == coding && self.encoder.rate() == rate
    }

    /// The peer reports how much it loses, in percent.
    pub(super) fn heed(&mut self, loss: u8) {
        self.encoder.set_loss(loss);
    }

    /// Takes ten milliseconds of a mix in; codes a packet of `ms` once there is as much. 0: not yet.
    fn mix(&mut self, sum: &[i32], ms: u32, out: &mut [u8]) -> usize {
        let room = &mut self.waiting[self.len..];
        let len = sum.len().min(room.len());
        self.limiter.limit(&sum[..len], &mut room[..len]);
        self.len += len;
        let wanted = self.encoder.rate().samples(ms as usize);
        if self.len < wanted {
            return 0;
        }
        let coded = self.encoder.encode(&self.waiting[..wanted], out);
        self.waiting.copy_within(wanted..self.len, 0);
        self.len -= wanted;
        coded
    }
}

impl Limiter {
    fn limit(&mut self, sum: &[i32], out: &mut [i16]) {
        let peak = sum.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0) as f32;
        let most = if peak > LOUDEST { LOUDEST / peak } else { 1.0 };
        let target = most.min(self.gain + RELEASE);
        if target >= 1.0 && self.gain >= 1.0 {
            for (out, sample) in out.iter_mut().zip(sum) {
                *out = *sample as i16;
            }
            return;
        }
        // Down at once, where the peak is; up along a line, so that no step is heard.
        let (from, step) = if target < self.gain {
            (target, 0.0)
        } else {
            (self.gain, (target - self.gain) / sum.len().max(1) as f32)
        };
        for (n, (out, sample)) in out.iter_mut().zip(sum).enumerate() {
            *out = (*sample as f32 * step.mul_add(n as f32, from)) as i16;
        }
        self.gain = target;
    }
}

impl Channel {
    /// One packet time.
    pub(super) fn step(&mut self, out: &mut impl Sink) {
        let Some(agreed) = &self.agreed else { return };
        let stream = &agreed.stream;
        let (at, ms) = (self.next, packet_time(stream));
        let (coding, payload_type, events) = (stream.coding, stream.payload_type, stream.events);
        let to = agreed.destination();
        let ticks = ms * (coding.clock() / 1000);
        self.next = at + Duration::from_millis(u64::from(ms));
        let mut packet = [0; HEADER + Tapped::LONGEST];
        match (self.keys.step((ms * 8) as u16), events) {
            (Step::Event { fresh, mut payload }, Some(events)) => {
                let Some(to) = to else { return };
                let mut header = self.outgoing.make(at, ticks, events.payload_type);
                if fresh {
                    self.key_began = header.timestamp;
                }
                header.timestamp = self.key_began;
                header.marker = fresh;
                payload.duration = payload.duration.saturating_mul((events.clock / 8000) as u16);
                packet[HEADER..HEADER + 4].copy_from_slice(&payload.to_bytes());
                self.send(&mut packet[..HEADER + 4], header, to, out);
                return;
            }
            (Step::Event { fresh, payload }, None) if coding.law().is_some() => {
                let len = self.sound(coding, ms, fresh, payload, &mut packet[HEADER..]);
                let Some(to) = to else { return };
                let header = self.outgoing.make(at, ticks, payload_type);
                self.send(&mut packet[..HEADER + len], header, to, out);
                return;
            }
            // Between two keys, and for keys that a new agreement made unsayable.
            (Step::Pause | Step::Event { .. }, _) if !self.hears.is_empty() => return,
            _ => {}
        }
        let Some(len) = self.fill(coding, ms, &mut packet[HEADER..], out) else { return };
        if let Some(to) = to {
            let header = self.outgoing.make(at, ticks, payload_type);
            self.send(&mut packet[..HEADER + len], header, to, out);
        }
    }

    /// The next stretch of a key's tones, and silence behind their end: the repeated ends of an event are heard as that.
    fn sound(&mut self, coding: Coding, ms: u32, fresh: bool, key: Payload, payload: &mut [u8]) -> usize {
        let from = if fresh { 0 } else { self.sounded };
        self.sounded = key.duration;
        let mut pcm = [0; MOST_SAMPLES];
        let len = usize::from(key.duration.saturating_sub(from)).min(ms as usize * 8);
        if let Some(digit) = Digit::from_event(key.event) {
            tones::render(digit, usize::from(from), &mut pcm[..len]);
        }
        let law = coding.law().unwrap_or(Law::A);
        let samples = ms as usize * 8;
        for (byte, sample) in payload.iter_mut().zip(&pcm[..samples]) {
            *byte = law.encode(*sample);
        }
        samples
    }

    /// The next stretch of what plays, or silence, coded; `None` when the other party is to be heard instead.
    fn fill(&mut self, coding: Coding, ms: u32, payload: &mut [u8], out: &mut impl Sink) -> Option<usize> {
        let law = coding.law().unwrap_or(Law::A);
        let samples = ms as usize * 8;
        let mut coded = [law.silence(); MOST_SAMPLES];
        let frame = &mut coded[..samples];
        let played = self.playing.as_mut().map_or(0, |playing| playing.fill(law, frame));
        if played == 0 {
            if let Some(Playing { token, .. }) = self.playing.take() {
                out.tell(Event::Played { leg: self.leg, token });
            }
            if !self.hears.is_empty() {
                return None;
            }
        }
        if coding.law().is_some() {
            payload[..samples].copy_from_slice(frame);
            return Some(samples);
        }
        let mut pcm = [0; MOST_SAMPLES];
        // The quietest byte of a law is not quite silence; ours is.
        if self.playing.as_ref().is_some_and(|playing| playing.audio.is_some()) {
            for (sample, byte) in pcm.iter_mut().zip(&frame[..played]) {
                *sample = law.decode(*byte);
            }
        }
        Some(self.mouth(coding, Rate::Narrow).encoder.encode(&pcm[..samples], payload)).filter(|&len| len > 0)
    }

    /// The next ten milliseconds of what the leg hears of others; a packet goes out once one is full. What of ours plays
    /// is heard in their place.
    pub(super) fn say(&mut self, at: Mono, rate: Rate, sum: &[i32], out: &mut impl Sink) {
        let (Some(agreed), None, false) = (&self.agreed, &self.playing, self.keys.is_busy()) else { return };
        let Some(to) = agreed.destination() else { return };
        let (coding, payload_type, ms) =
            (agreed.stream.coding, agreed.stream.payload_type, packet_time(&agreed.stream));
        let mut packet = [0; HEADER + Tapped::LONGEST];
        let len = self.mouth(coding, rate).mix(sum, ms, &mut packet[HEADER..]);
        if len > 0 {
            let header = self.outgoing.make(at, ms * (coding.clock() / 1000), payload_type);
            self.send(&mut packet[..HEADER + len], header, to, out);
        }
    }

    /// The mouth that speaks this, at this rate: the one that is there when it does.
    fn mouth(&mut self, coding: Coding, rate: Rate) -> &mut Mouth {
        let loss = self.peer_loses();
        let there = self.mouth.take().filter(|mouth| mouth.speaks(coding, rate));
        self.mouth.insert(there.unwrap_or_else(|| Box::new(Mouth::new(coding, rate, loss))))
    }

    fn send(&mut self, packet: &mut [u8], header: Header, to: SocketAddr, out: &mut impl Sink) {
        if let Some(start) = packet.first_chunk_mut::<HEADER>() {
            rtp::write(header, start);
            if self.guard.send(self.leg, Port::Rtp, to, packet, out) {
                self.outgoing.sent(packet.len() - HEADER);
            }
        }
    }

    /// Whether packets of our own making are due: keys, what plays, or silence so that the peer and
    /// every NAT on the way keep hearing from us. A prompt's time passes even while the peer is deaf.
    pub(super) fn generates(&self) -> bool {
        let Some(agreed) = &self.agreed else { return false };
        // What nobody could open is not said: a prompt waits for the keys.
        if self.guard.is_shut() {
            return false;
        }
        let hears = agreed.destination().is_some();
        match &self.playing {
            _ if self.keys.is_busy() => true,
            Some(playing) => playing.left.is_some() || hears,
            None => hears && self.hears.is_empty(),
        }
    }

    pub(super) fn schedule(&mut self, now: Mono) {
        let generates = self.generates();
        if generates && !self.running {
            self.next = grid(now);
        }
        self.running = generates;
    }
}

/// How long our packets are, in milliseconds.
pub(super) fn packet_time(stream: &Stream) -> u32 {
    match (stream.coding, stream.ptime.clamp(SHORTEST_MS, LONGEST_MS)) {
        // It has no frames of such a length (RFC 6716 section 2.1.4).
        (Coding::Opus, 50) => 40,
        (_, ms) => ms,
    }
}

/// The packet times that we send, in milliseconds; the tap ends at 60.
const SHORTEST_MS: u32 = 10;
const LONGEST_MS: u32 = 60;

/// Of wide audio in a packet.
const MOST_WAITING: usize = LONGEST_MS as usize * 16;

/// A mix is no louder than this: 0.75 dB below full scale, because codecs overshoot.
const LOUDEST: f32 = 30_000.0;

/// How much of the gain comes back in ten milliseconds.
const RELEASE: f32 = 0.04;

/// Of narrow audio in a packet.
const MOST_SAMPLES: usize = LONGEST_MS as usize * 8;
