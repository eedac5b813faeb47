//! The engine of one worker: owns its legs' channels, sees every packet, never blocks, allocates nothing
//! per packet, reads no clock. Plain data: a clone fed the same inputs gives the same outputs.

mod channel;
mod ear;
mod guard;
mod latch;
mod making;
mod outgoing;
mod proof;
mod report;
#[cfg(test)]
mod tests;
mod wiring;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;

use base::time::soonest;
use base::{Digit, LegId, Mono, Name, Now, RecordingId};

use channel::Channel;
use making::Playing;
use proof::Kind;

use crate::prompts::Prompts;
use crate::rtp;
use crate::seam::{Command, Event, Port, Quality, Side, Sink};
use crate::tone::Tones;

/// The media of one worker's legs.
///
/// The driver calls [`Engine::command`] and [`Engine::receive`] as things happen, then
/// [`Engine::tick`] no earlier than [`Engine::deadline`].
#[derive(Clone, Debug)]
pub struct Engine {
    prompts: Arc<Prompts>,
    /// Those of the prompts' lines, and of lines that are no more while calls of theirs live.
    tones: Tones,
    /// Ordered, so that the outputs of one tick come in the same order in every run.
    channels: BTreeMap<LegId, Channel>,
    /// No channel's deadline is earlier; it may be later when one was put off since the last tick.
    next: Option<Mono>,
    /// When those who are heard in a mix, and those who hear one, go on.
    pulse: Option<Mono>,
    ears: Vec<LegId>,
    mixing: Vec<LegId>,
    ignored: u64,
}

impl Engine {
    /// An engine without legs.
    pub fn new(prompts: Arc<Prompts>) -> Self {
        Self {
            tones: prompts.tones().clone(),
            prompts,
            channels: BTreeMap::new(),
            next: None,
            pulse: None,
            ears: Vec::new(),
            mixing: Vec::new(),
            ignored: 0,
        }
    }

    /// Does what the control wants. A command for a leg that is gone is counted and does nothing
    /// else: the control may not know yet.
    ///
    /// Bridging ends whatever plays on both legs. What is played later on a bridged leg is heard in
    /// place of the other party until it ends or is stopped.
    pub fn command(&mut self, now: Now, command: Command, out: &mut impl Sink) {
        match command {
            Command::Open { leg, ssrc } => self.open(now, leg, ssrc, out),
            Command::Agree { leg, stream } => {
                self.with(leg, |channel| channel.agree(now, stream));
                self.rewire(now, leg);
            }
            Command::Keys { leg, keys } => {
                let mut wanted = true;
                self.with(leg, |channel| wanted = channel.unlock(now, &keys));
                self.ignored += u64::from(!wanted);
            }
            Command::Close { leg } => self.close(now, leg, out),
            Command::Play { leg, line, prompt, token } => self.play(now, leg, &line, &prompt, token, out),
            Command::Music { leg, line, prompt } => self.music(now, leg, &line, &prompt),
            Command::Tone { leg, country, tone, length, token } => {
                let audio = self.tones.find(country, tone);
                self.with(leg, |channel| channel.play(now, Playing::tone(audio, length, token)));
            }
            Command::Stop { leg } => self.with(leg, |channel| channel.stop(now)),
            Command::Bridge { a, b } => self.bridge(now, a, b),
            Command::Unbridge { a, b } => {
                if self.is_bridged(a, b) {
                    self.part(now, a);
                } else {
                    self.ignored += 1;
                }
            }
            Command::Hear { leg, of } => self.hear(now, leg, &of),
            Command::Tap { recording, caller, seat } => self.tap(recording, caller, seat),
            Command::Untap { recording } => self.untap(recording),
            Command::Press { leg, digit } => {
                let mut queued = true;
                self.with(leg, |channel| queued = channel.press(now, digit));
                self.ignored += u64::from(!queued);
            }
            Command::Prompts(prompts) => {
                self.tones.share(prompts.tones());
                self.prompts = prompts;
            }
        }
    }

    /// A datagram reached a leg's port. `bytes` is the driver's own buffer and may be rewritten.
    pub fn receive(
        &mut self,
        now: Now,
        leg: LegId,
        port: Port,
        source: SocketAddr,
        bytes: &mut [u8],
        out: &mut impl Sink,
    ) {
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        let Some(channel) = self.channels.get_mut(&leg) else {
            self.ignored += 1;
            return;
        };
        match Kind::of(bytes) {
            Kind::Media => {}
            // Checks and handshakes are for the one port that all shares (RFC 8834 section 4.5).
            _ if port == Port::Rtcp => {
                channel.dropped += 1;
                return;
            }
            Kind::Check => {
                channel.check(now, source, bytes, out);
                self.next = soonest(self.next, channel.deadline());
                return;
            }
            Kind::Handshake => return channel.shake(source, bytes, out),
        }
        if port == Port::Rtcp || rtp::is_rtcp(bytes) {
            channel.receive_rtcp(now, port, source, bytes);
            return;
        }
        let taken = channel.receive(now, source, bytes, out);
        // No deadline comes nearer by a packet: a silence that is watched again lies further off than
        // the next report.
        let Some(taken) = taken else { return };
        let mut gives = channel.gives;
        if taken.switched {
            self.rewire(now, leg);
            if let Some(channel) = self.channels.get_mut(&leg) {
                channel.hear_out(now.mono, &taken, bytes);
                gives = channel.gives;
            }
        }
        let Some(other) = gives else {
            // Who hears a mix hears no packets of keys: theirs are made anew.
            if let Some(digit) = taken.pressed {
                self.pass_on(now, leg, digit);
            }
            return;
        };
        if let Some(other) = self.channels.get_mut(&other) {
            other.relay(now, &taken, bytes, out);
        }
    }

    /// Sends what is due. Calling it early does nothing.
    pub fn tick(&mut self, now: Now, out: &mut impl Sink) {
        self.pulse(now, out);
        if self.next.is_none_or(|next| next > now.mono) {
            return;
        }
        let mut next = None;
        for channel in self.channels.values_mut() {
            channel.tick(now, out);
            next = soonest(next, channel.deadline());
        }
        self.next = next;
    }

    /// When to call [`Engine::tick`]; after `tick(now)` this is never `<= now`.
    pub fn deadline(&self) -> Option<Mono> {
        soonest(self.next, self.pulse)
    }

    /// Legs with a channel.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Commands and packets that found no leg or could not be done; for a metric.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    fn open(&mut self, now: Now, leg: LegId, ssrc: u32, out: &mut impl Sink) {
        if self.channels.len() >= MOST_CHANNELS {
            self.ignored += 1;
            out.tell(Event::Closed { leg, quality: Quality::default() });
            return;
        }
        match self.channels.entry(leg) {
            Entry::Vacant(place) => {
                place.insert(Channel::new(now, leg, ssrc));
            }
            Entry::Occupied(_) => self.ignored += 1,
        }
    }

    fn close(&mut self, now: Now, leg: LegId, out: &mut impl Sink) {
        self.part(now, leg);
        let quality = match self.channels.remove(&leg) {
            Some(mut channel) => channel.close(now, out),
            // Told all the same: whoever closes waits for the answer.
            None => Quality::default(),
        };
        out.tell(Event::Closed { leg, quality });
    }

    fn play(&mut self, now: Now, leg: LegId, line: &Name, prompt: &Name, token: u64, out: &mut impl Sink) {
        if let Some(audio) = self.prompts.find(line, prompt).cloned() {
            self.with(leg, |channel| channel.play(now, Playing::once(audio, token)));
        } else {
            self.with(leg, |channel| channel.stop(now));
            out.tell(Event::PromptMissing { leg, token });
        }
    }

    fn music(&mut self, now: Now, leg: LegId, line: &Name, prompt: &Name) {
        if let Some(audio) = self.prompts.find(line, prompt).cloned() {
            self.with(leg, |channel| channel.play(now, Playing::endless(audio)));
        } else {
            self.ignored += 1;
            self.with(leg, |channel| channel.stop(now));
        }
    }

    /// A key of a leg, for the one other that hears it and nobody else.
    fn pass_on(&mut self, now: Now, leg: LegId, digit: Digit) {
        let listener =
            self.mixing.iter().find(|other| self.channels.get(other).is_some_and(|c| c.hears == [leg]));
        if let Some(&listener) = listener {
            let mut queued = true;
            self.with(listener, |channel| queued = channel.press(now, digit));
            self.ignored += u64::from(!queued);
        }
    }

    fn tap(&mut self, recording: RecordingId, caller: LegId, seat: LegId) {
        self.untap(recording);
        for (leg, side) in [(caller, Side::Caller), (seat, Side::Seat)] {
            let Some(channel) = self.channels.get_mut(&leg) else {
                self.ignored += 1;
                continue;
            };
            if channel.taps.len() < MOST_TAPS {
                channel.taps.push((recording, side));
            } else {
                self.ignored += 1;
            }
        }
    }

    fn untap(&mut self, recording: RecordingId) {
        for channel in self.channels.values_mut() {
            channel.taps.retain(|&(known, _)| known != recording);
        }
    }

    fn with(&mut self, leg: LegId, change: impl FnOnce(&mut Channel)) {
        let Some(channel) = self.channels.get_mut(&leg) else {
            self.ignored += 1;
            return;
        };
        change(channel);
        self.next = soonest(self.next, channel.deadline());
    }
}

/// Legs of one worker: two for each of the most calls that a whole engine is configured for.
const MOST_CHANNELS: usize = 20_000;

/// Recordings that listen to one leg at a time: its call's, and one that a supervisor starts.
const MOST_TAPS: usize = 2;
