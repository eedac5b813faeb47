//! How what a leg's peer says sounds: looked at ten times a second for who is not heard, rated for reports and records.

use std::time::Duration;

use base::Mono;
use codecs::Coding;
use codecs::level::dbm0;

use super::channel::Channel;
use crate::quality::{Conditions, Impairment, Losses, Measured, Meter, Rating, Sign, Tally};
use crate::rtcp::Voip;
use crate::seam::Quality;

/// What is kept of the sound of one direction.
#[derive(Clone, Debug)]
pub(super) struct Sounding {
    losses: Losses,
    meter: Meter,
    /// When a packet is looked at again.
    look: Mono,
    /// When what was seen is told again.
    tell: Mono,
    /// There was a voice in what was decoded since the last look.
    voiced: bool,
    /// Looks since it was last told that saw a voice.
    voices: u32,
    /// There were some that could see nothing.
    untold: bool,
    /// The audio of one packet.
    packet: Duration,
}

/// What was seen of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) sign: Sign,
    /// How long it spoke.
    pub(super) span: Duration,
}

impl Sounding {
    pub(super) fn new(now: Mono) -> Self {
        Self {
            losses: Losses::default(),
            // The rate counts for spans only, and none is asked for.
            meter: Meter::new(8000),
            look: now,
            tell: now,
            voiced: false,
            voices: 0,
            untold: false,
            packet: Duration::from_millis(20),
        }
    }

    /// The stream begins anew.
    pub(super) fn part(&mut self) {
        self.losses.part();
    }

    /// A packet of the stream came; `late`: when its time had passed.
    pub(super) fn arrived(&mut self, sequence: u16, late: bool) {
        if late {
            self.losses.discard(sequence);
        } else {
            self.losses.take(sequence);
        }
    }

    /// Ten milliseconds of it were decoded.
    pub(super) fn overhear(&mut self, frame: &[i16]) {
        self.voiced |= self.meter.glance_linear(frame);
    }

    /// Whether it is time to look at a packet.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.look <= now
    }

    /// Looks at a packet of audio. What is neither G.711 nor `decoded` tells nothing but that it came.
    pub(super) fn look(&mut self, now: Mono, coding: Coding, decoded: bool, payload: &[u8]) -> Option<Seen> {
        if let Some(ticks) = coding.ticks(payload) {
            self.packet = Duration::from_secs(1) * ticks / coding.clock();
        }
        let voice = match coding.law() {
            // Decoded and measured there already, if it is.
            Some(law) if !decoded => self.meter.glance(law, payload),
            _ if decoded => std::mem::take(&mut self.voiced),
            _ => {
                self.untold = true;
                false
            }
        };
        self.voices += u32::from(voice);
        self.seen(now)
    }

    /// Looks at a packet of a key: who presses keys is there and hears.
    pub(super) fn look_at_key(&mut self, now: Mono) -> Option<Seen> {
        self.untold = true;
        self.seen(now)
    }

    /// Looks at comfort noise, which is rare, and the last for a while: none is passed over.
    pub(super) fn look_at_comfort(&mut self, now: Mono) -> Seen {
        self.look = now + LOOK;
        Seen { sign: Sign::Pause, span: Duration::ZERO }
    }

    /// What the looks since it was last told have seen; not at each of them.
    fn seen(&mut self, now: Mono) -> Option<Seen> {
        self.look = now + LOOK;
        if now < self.tell {
            return None;
        }
        self.tell = now + TELL;
        let (voices, untold) = (std::mem::take(&mut self.voices), std::mem::take(&mut self.untold));
        let sign = match (voices, untold) {
            (0, false) => Sign::Quiet,
            (0, true) => Sign::Untold,
            _ => Sign::Voice,
        };
        Some(Seen { sign, span: LOOK * voices })
    }

    fn tally(&self) -> Tally {
        self.losses.tally()
    }
}

impl Channel {
    /// What is known of the peer's stream; `None`: nothing came.
    pub(super) fn measured(&self, round_trip_ms: Option<f32>) -> Option<Measured> {
        let agreed = self.agreed.as_ref()?;
        let tally = self.sounding.tally();
        if tally.packets == 0 {
            return None;
        }
        let packet = self.sounding.packet;
        // Where the packets go on as they are, the delay is that of a listener who waits for what jitters.
        let buffer = self.ear.as_ref().filter(|_| self.gives.is_none()).map(|ear| ear.delay());
        let ends = match buffer {
            Some((now, _)) => packet + now,
            None => packet + millis(2.0 * self.reception.jitter_ms()),
        };
        Some(Measured {
            tally,
            packet,
            impairment: Impairment::of(self.spoken.unwrap_or(agreed.stream.coding)),
            round_trip: round_trip_ms.map(millis),
            ends,
            speech_dbm0: self.sounding.meter.speech_dbov().map(dbm0),
            pauses_dbm0: self.sounding.meter.pauses_dbov().map(dbm0),
            buffer,
        })
    }

    /// What a listener would say of both directions.
    pub(super) fn rate(&self, quality: &mut Quality) {
        let measured = self.measured(quality.round_trip_ms);
        quality.discarded = measured.as_ref().map_or(0, |measured| measured.tally.discarded);
        quality.mos = measured.map(|measured| measured.rating().mos);
        quality.speech_dbm0 = measured.and_then(|measured| measured.speech_dbm0);
        let Some(agreed) = &self.agreed else { return };
        let impairment = Impairment::of(agreed.stream.coding);
        let delay = |end_ms: f32| millis(quality.round_trip_ms.unwrap_or(0.0) / 2.0 + end_ms);
        let told =
            quality.peer_report.map(|voip| heard_by(&voip, impairment, delay(voip.end_system_ms.into())));
        // A plain report tells how much was lost, not how: one by one, then.
        let guessed = quality.peer_loss.map(|loss| {
            let delay = delay(20.0 + 2.0 * quality.peer_jitter_ms.unwrap_or(0.0).max(0.0));
            Rating::of(&Conditions { impairment, loss, burst_ratio: 1.0, delay }).mos
        });
        quality.peer_mos = told.or(guessed);
    }
}

/// How a peer heard us by its own report: its opinion, else its R, else what it lost and threw away.
fn heard_by(voip: &Voip, impairment: Impairment, delay: Duration) -> f32 {
    let opinion = voip.mos_conversation.or(voip.mos_listening).map(|tenths| f32::from(tenths) / 10.0);
    let by_r = || voip.r.map(|r| Rating::from_r(r.into()).mos);
    opinion.or_else(by_r).unwrap_or_else(|| {
        let loss = (f32::from(voip.loss_rate) + f32::from(voip.discard_rate)) / 256.0;
        Rating::of(&Conditions { impairment, loss, burst_ratio: 1.0, delay }).mos
    })
}

fn millis(ms: f32) -> Duration {
    Duration::from_secs_f32(if ms.is_finite() { ms.clamp(0.0, LONGEST_MS) / 1000.0 } else { 0.0 })
}

/// Ten times a second: no syllable is missed, and what it costs is hardly seen in that of a packet.
const LOOK: Duration = Duration::from_millis(100);

/// Who watches wants to know twice a second: what it finds takes five at least.
const TELL: Duration = Duration::from_millis(500);

/// A delay beyond this is a wrong clock.
const LONGEST_MS: f32 = 60_000.0;
