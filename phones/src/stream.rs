//! The sound of one call: RTP out each 20 ms, RTP in judged by rtp-rs and laid out by its timestamps.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use base::{Digit, Entropy, Mono};
use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

use crate::audio::Audio;
use crate::g711::Codec;

/// What was counted on the way in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets received, without repetitions.
    pub received: u64,
    /// Packets that had a sequence number already seen.
    pub repeated: u64,
    /// Packets that came after a later one.
    pub late: u64,
    /// How often the sender's SSRC changed.
    pub ssrc_changes: u64,
    /// Sequence numbers never seen between the first and the last.
    pub lost: u64,
}

/// What a stream wants told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// The first sound has arrived.
    Began,
    Digit(Digit),
    Fault(String),
}

/// One call's sound, both ways.
#[derive(Clone, Debug)]
pub struct Stream {
    local: SocketAddr,
    remote: Option<SocketAddr>,
    codec: Codec,
    /// The peer's telephone-event payload type: where our digits go.
    dtmf_out: Option<u8>,
    /// What we said we take: anything else that arrives is a fault.
    accepted: Vec<(u8, Taken)>,
    sending: bool,
    fills_silence: bool,
    longest: usize,
    ssrc: u32,
    seq: u16,
    stamp: u32,
    /// Samples since the first packet, and when the next packet is due.
    clock: u32,
    next: Option<Mono>,
    /// The next audio packet begins a talkspurt (RFC 3551 §4.1).
    fresh: bool,
    saying: VecDeque<(Audio, usize)>,
    keys: VecDeque<Digit>,
    pressing: Option<Pressing>,
    sent: Vec<i16>,
    hearing: Hearing,
    counts: Counts,
}

/// What a payload type means to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    Sound(Codec),
    Events,
}

#[derive(Clone, Copy, Debug)]
struct Pressing {
    digit: Digit,
    stamp: u32,
    elapsed: u16,
    ends_sent: u8,
}

#[derive(Clone, Debug, Default)]
struct Hearing {
    ssrc: Option<u32>,
    began: Option<Mono>,
    /// The timestamp that lies at sample `offset` of `heard`.
    stamp: u32,
    offset: usize,
    highest: u16,
    /// Sequence numbers lately seen, newest last.
    seen: VecDeque<u16>,
    /// Timestamps of events lately seen.
    events: VecDeque<u32>,
    heard: Vec<i16>,
}

impl Stream {
    pub(crate) fn new(
        local: SocketAddr,
        longest: Duration,
        fills_silence: bool,
        entropy: &mut Entropy,
    ) -> Self {
        let random = entropy.next_u64();
        Self {
            local,
            remote: None,
            codec: Codec::Pcma,
            dtmf_out: None,
            accepted: Vec::new(),
            sending: false,
            fills_silence,
            longest: (longest.as_millis() * 8) as usize,
            ssrc: random as u32,
            seq: (random >> 32) as u16,
            stamp: entropy.next_u64() as u32,
            clock: 0,
            next: None,
            fresh: true,
            saying: VecDeque::new(),
            keys: VecDeque::new(),
            pressing: None,
            sent: Vec::new(),
            hearing: Hearing::default(),
            counts: Counts::default(),
        }
    }

    /// Our RTP address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Where our RTP goes.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// The codec we send.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// What was heard, laid out by RTP timestamps from the first packet on, lost packets as silence.
    pub fn heard(&self) -> &[i16] {
        &self.hearing.heard
    }

    /// When the first sound arrived.
    pub fn heard_since(&self) -> Option<Mono> {
        self.hearing.began
    }

    /// What was said, as it sounds after the codec.
    pub fn said(&self) -> &[i16] {
        &self.sent
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// When its next packet is due; `None` before the first.
    pub(crate) fn due(&self) -> Option<Mono> {
        self.next
    }

    /// What an offer or answer of ours said that we take.
    pub(crate) fn accept(&mut self, codecs: &[Codec], dtmf: Option<u8>) {
        self.accepted = codecs.iter().map(|c| (c.payload_type(), Taken::Sound(*c))).collect();
        self.accepted.extend(dtmf.map(|pt| (pt, Taken::Events)));
    }

    /// What was agreed; `remote` is `None` while the peer wants no sound.
    pub(crate) fn agree(
        &mut self,
        remote: Option<SocketAddr>,
        codec: Codec,
        dtmf: Option<u8>,
        sending: bool,
    ) {
        self.fresh |= sending && !self.sending;
        (self.remote, self.codec, self.dtmf_out, self.sending) = (remote, codec, dtmf, sending);
    }

    pub(crate) fn say(&mut self, audio: Audio) {
        if self.saying.len() < MAX_QUEUED {
            self.saying.push_back((audio, 0));
        }
    }

    pub(crate) fn hush(&mut self) {
        self.saying.clear();
    }

    /// Queues a key; `false` when the peer takes no events or too many keys wait.
    pub(crate) fn press(&mut self, digit: Digit) -> bool {
        let possible = self.dtmf_out.is_some() && self.keys.len() < MAX_QUEUED;
        if possible {
            self.keys.push_back(digit);
        }
        possible
    }

    /// The packet that is due at `now`, if any, and when the next one is.
    pub(crate) fn step(&mut self, now: Mono) -> (Option<Vec<u8>>, Mono) {
        let mut at = self.next.unwrap_or(now);
        // After a stall the lost time is skipped, as a sound card would.
        if now.since(at) > MAX_LAG {
            let frames = (now.since(at).as_millis() / 20) as u32;
            self.clock = self.clock.wrapping_add(frames * FRAME as u32);
            at = at + FRAME_TIME * frames;
        }
        if self.pressing.is_none()
            && self.sending
            && let Some(digit) = self.keys.pop_front()
        {
            let stamp = self.stamp.wrapping_add(self.clock);
            // The first step only lets time pass: a report says how long the key has been down.
            self.pressing = Some(Pressing { digit, stamp, elapsed: 0, ends_sent: 0 });
            return self.passed(None, at, KEY_STEP, KEY_STEP_TIME);
        }
        if self.pressing.is_some() {
            let packet = self.key_step();
            return self.passed(packet, at, KEY_STEP, KEY_STEP_TIME);
        }
        let packet = self.sound();
        self.passed(packet, at, FRAME as u16, FRAME_TIME)
    }

    /// Judges and takes in one packet.
    pub(crate) fn hear(&mut self, now: Mono, source: SocketAddr, bytes: &[u8]) -> Vec<Told> {
        let packet = match RtpReader::new(bytes) {
            Ok(packet) => packet,
            Err(e) => return vec![Told::Fault(format!("rtp-rs cannot read a packet: {e:?}"))],
        };
        let mut told = Vec::new();
        if let Some(remote) = self.remote
            && remote != source
        {
            told.push(Told::Fault(format!("RTP from {source}, but the SDP says {remote}")));
        }
        let taken =
            self.accepted.iter().find(|(pt, _)| *pt == packet.payload_type()).map(|(_, taken)| *taken);
        let Some(taken) = taken else {
            told.push(Told::Fault(format!("RTP with payload type {}, never agreed", packet.payload_type())));
            return told;
        };
        if self.hearing.began.is_none() {
            told.push(Told::Began);
        }
        if self.count(now, &packet) {
            match taken {
                Taken::Sound(codec) => self.take_sound(codec, &packet),
                Taken::Events => told.extend(self.take_event(&packet)),
            }
        }
        told
    }

    fn passed(
        &mut self,
        packet: Option<Vec<u8>>,
        at: Mono,
        samples: u16,
        time: Duration,
    ) -> (Option<Vec<u8>>, Mono) {
        self.clock = self.clock.wrapping_add(u32::from(samples));
        self.next = Some(at + time);
        (packet, at + time)
    }

    fn sound(&mut self) -> Option<Vec<u8>> {
        if !self.sending {
            return None;
        }
        let mut frame = [0i16; FRAME];
        let mut filled = 0;
        while filled < FRAME
            && let Some((audio, at)) = self.saying.front_mut()
        {
            let rest = audio.samples().get(*at..).unwrap_or_default();
            let take = rest.len().min(FRAME - filled);
            for (to, from) in frame.iter_mut().skip(filled).zip(rest.iter().take(take)) {
                *to = *from;
            }
            (*at, filled) = (*at + take, filled + take);
            if take == rest.len() {
                self.saying.pop_front();
            }
        }
        if filled == 0 && !self.fills_silence {
            self.fresh = true;
            return None;
        }
        let payload = frame.map(|sample| self.codec.encode(sample));
        let at = self.clock as usize;
        if at + FRAME <= self.longest {
            self.sent.resize(at, 0);
            self.sent.extend(payload.iter().map(|&byte| self.codec.decode(byte)));
        }
        let marker = std::mem::take(&mut self.fresh);
        let stamp = self.stamp.wrapping_add(self.clock);
        self.packet(self.codec.payload_type(), stamp, marker, &payload)
    }

    /// RFC 4733 §2.5.1: the same timestamp throughout, growing durations, the end three times.
    fn key_step(&mut self) -> Option<Vec<u8>> {
        let pressing = self.pressing.as_mut()?;
        if pressing.elapsed < KEY_LENGTH {
            pressing.elapsed += KEY_STEP;
        }
        let ended = pressing.elapsed >= KEY_LENGTH;
        pressing.ends_sent += u8::from(ended);
        let Pressing { digit, stamp, elapsed, ends_sent } = *pressing;
        if ends_sent == ENDS {
            self.pressing = None;
            self.fresh = true;
        }
        let [high, low] = elapsed.to_be_bytes();
        let end = if ended { 0x80 } else { 0 };
        self.packet(self.dtmf_out?, stamp, elapsed == KEY_STEP, &[digit.event(), end | VOLUME, high, low])
    }

    fn packet(&mut self, payload_type: u8, stamp: u32, marker: bool, payload: &[u8]) -> Option<Vec<u8>> {
        self.remote?;
        self.seq = self.seq.wrapping_add(1);
        self.counts.sent += 1;
        RtpPacketBuilder::new()
            .payload_type(payload_type)
            .ssrc(self.ssrc)
            .sequence(Seq::from(self.seq))
            .timestamp(stamp)
            .marked(marker)
            .payload(payload)
            .build()
            .ok()
    }

    /// Counts; `false` for a repetition.
    fn count(&mut self, now: Mono, packet: &RtpReader<'_>) -> bool {
        let seq = u16::from(packet.sequence_number());
        let hearing = &mut self.hearing;
        if hearing.ssrc != Some(packet.ssrc()) {
            self.counts.ssrc_changes += u64::from(hearing.ssrc.is_some());
            let began = *hearing.began.get_or_insert(now);
            // A new source has a new clock: it is laid where its first packet arrived.
            hearing.offset = (now.since(began).as_millis() * 8) as usize;
            hearing.ssrc = Some(packet.ssrc());
            hearing.stamp = packet.timestamp();
            hearing.highest = seq;
            hearing.seen.clear();
        } else if hearing.seen.contains(&seq) {
            self.counts.repeated += 1;
            return false;
        } else {
            let ahead = seq.wrapping_sub(hearing.highest) as i16;
            if ahead > 0 {
                self.counts.lost += ahead as u64 - 1;
                hearing.highest = seq;
            } else {
                self.counts.late += 1;
                self.counts.lost = self.counts.lost.saturating_sub(1);
            }
        }
        if hearing.seen.len() == SEEN {
            hearing.seen.pop_front();
        }
        hearing.seen.push_back(seq);
        self.counts.received += 1;
        true
    }

    fn take_sound(&mut self, codec: Codec, packet: &RtpReader<'_>) {
        let hearing = &mut self.hearing;
        let ahead = packet.timestamp().wrapping_sub(hearing.stamp) as i32;
        let Some(start) = hearing.offset.checked_add_signed(ahead as isize) else { return };
        let end = start + packet.payload().len();
        if end > self.longest {
            return;
        }
        if hearing.heard.len() < end {
            hearing.heard.resize(end, 0);
        }
        for (to, &byte) in hearing.heard.iter_mut().skip(start).zip(packet.payload()) {
            *to = codec.decode(byte);
        }
    }

    /// The first packet of an event decides; later ones have its timestamp (RFC 4733 §2.5.1.2).
    fn take_event(&mut self, packet: &RtpReader<'_>) -> Option<Told> {
        let &[code, _, _, _] = packet.payload() else {
            return Some(Told::Fault(format!("a telephone-event of {} bytes", packet.payload().len())));
        };
        let events = &mut self.hearing.events;
        if events.contains(&packet.timestamp()) {
            return None;
        }
        if events.len() == EVENTS_SEEN {
            events.pop_front();
        }
        events.push_back(packet.timestamp());
        match Digit::from_event(code) {
            Some(digit) => Some(Told::Digit(digit)),
            None => Some(Told::Fault(format!("telephone-event {code} is not a key"))),
        }
    }
}

/// 20 ms at 8 kHz.
const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);
/// RFC 4733 §2.5.1.2 advises a report each 50 ms; a key is down for 100 ms.
const KEY_STEP: u16 = 400;
const KEY_STEP_TIME: Duration = Duration::from_millis(50);
const KEY_LENGTH: u16 = 800;
/// RFC 4733 §2.5.1.4: the end is sent three times.
const ENDS: u8 = 3;
/// -10 dBm0.
const VOLUME: u8 = 10;
/// Sounds and keys waiting to be sent: more than any story says.
const MAX_QUEUED: usize = 256;
/// Later than this, time is skipped rather than caught up.
const MAX_LAG: Duration = Duration::from_millis(200);
/// Two seconds of packets: repetitions come sooner.
const SEEN: usize = 100;
/// Events repeat only within a moment.
const EVENTS_SEEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Stream, Stream) {
        let mut entropy = Entropy::from_number(7);
        let addresses: [SocketAddr; 2] = ["1.1.1.1:10".parse().unwrap(), "2.2.2.2:20".parse().unwrap()];
        let [a, b] = addresses.map(|local| {
            let mut stream = Stream::new(local, Duration::from_mins(1), true, &mut entropy);
            stream.accept(&[Codec::Pcma], Some(101));
            let other = if local == addresses[0] { addresses[1] } else { addresses[0] };
            stream.agree(Some(other), Codec::Pcma, Some(101), true);
            stream
        });
        (a, b)
    }

    /// Lets `a` speak to `b` for `length`, losing every packet for which `lost` says so.
    fn run(
        a: &mut Stream,
        b: &mut Stream,
        length: Duration,
        mut lost: impl FnMut(usize) -> bool,
    ) -> Vec<Told> {
        let (mut at, mut told, mut n) = (Mono::ZERO, Vec::new(), 0);
        while at < Mono::ZERO + length {
            let (packet, next) = a.step(at);
            if let Some(packet) = packet {
                n += 1;
                if !lost(n) {
                    told.extend(b.hear(at, a.local(), &packet));
                }
            }
            at = next;
        }
        told
    }

    #[test]
    fn a_tone_arrives_bit_for_bit_as_it_was_said() {
        let (mut a, mut b) = pair();
        a.say(Audio::tone(1000.0, Duration::from_secs(1)));
        assert_eq!(run(&mut a, &mut b, Duration::from_secs(1), |_| false), [Told::Began]);
        assert_eq!(a.said(), b.heard());
        assert_eq!(crate::audio::tones_in(b.heard()), [Some(1000)]);
        assert_eq!((b.counts().received, b.counts().lost), (50, 0));
    }

    #[test]
    fn a_lost_packet_is_a_hole_and_moves_nothing() {
        let (mut a, mut b) = pair();
        a.say(Audio::tone(1000.0, Duration::from_secs(1)));
        run(&mut a, &mut b, Duration::from_secs(1), |n| n == 10);
        assert_eq!(b.heard()[9 * FRAME..10 * FRAME], [0; FRAME]);
        assert_eq!(b.heard()[10 * FRAME..], a.said()[10 * FRAME..]);
        assert_eq!(b.counts().lost, 1);
    }

    #[test]
    fn each_key_is_heard_once_whatever_single_packet_is_lost() {
        for lost in 0..14 {
            let (mut a, mut b) = pair();
            for key in "1#".chars() {
                assert!(a.press(Digit::from_char(key).unwrap()));
            }
            let told = run(&mut a, &mut b, Duration::from_secs(1), |n| n == lost);
            let keys: String = told
                .iter()
                .filter_map(|t| if let Told::Digit(d) = t { Some(d.as_char()) } else { None })
                .collect();
            assert_eq!(keys, "1#", "with packet {lost} lost");
        }
    }

    #[test]
    fn what_was_never_agreed_is_a_fault() {
        let (mut a, mut b) = pair();
        a.agree(a.remote, Codec::Pcmu, None, true);
        let told = run(&mut a, &mut b, Duration::from_millis(20), |_| false);
        assert!(matches!(told.as_slice(), [Told::Fault(_)]));
        assert!(!a.press(Digit::STAR));
    }
}
