//! Who hears whom. Where a leg hears one other and both speak alike, it is given that one's packets as they come;
//! else what it hears is decoded, mixed and coded anew, ten milliseconds at a time.

use std::time::Duration;

use base::{LegId, Mono, Now};
use codecs::Rate;

use super::Engine;
use super::channel::{Channel, grid, is_alike};
use super::ear::Ear;
use crate::seam::Sink;

/// Where a leg's audio comes from while nothing of ours plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// Nowhere: it hears silence.
    #[default]
    Nobody,
    /// That leg's packets, as they come.
    Packets(LegId),
    /// What it hears, mixed at this rate.
    Mix(Rate),
}

impl Engine {
    /// Two legs hear each other and nobody else; whoever they heard before hears them no more.
    pub(super) fn bridge(&mut self, now: Now, a: LegId, b: LegId) {
        if a == b || !self.channels.contains_key(&a) || !self.channels.contains_key(&b) {
            self.ignored += 1;
            return;
        }
        for (leg, other) in [(a, b), (b, a)] {
            if self.channels.get(&leg).is_some_and(|channel| channel.hears != [other]) {
                self.part(now, leg);
            }
        }
        for (leg, other) in [(a, b), (b, a)] {
            self.with(leg, |channel| channel.hear(now, vec![other]));
        }
        self.rewire(now, a);
    }

    /// A leg hears these from now on. Others may hear it or not: that is theirs.
    pub(super) fn hear(&mut self, now: Now, leg: LegId, of: &[LegId]) {
        let known = |other: &&LegId| **other != leg && self.channels.contains_key(other);
        let mut hears: Vec<LegId> = of.iter().filter(known).take(MOST_HEARD).copied().collect();
        self.ignored += (of.len() - hears.len()) as u64;
        hears.sort_unstable();
        hears.dedup();
        let before = self.channels.get(&leg).map(|channel| channel.hears.clone()).unwrap_or_default();
        self.with(leg, |channel| channel.hear(now, hears));
        self.rewire(now, leg);
        for former in before {
            self.rewire(now, former);
        }
    }

    /// Whether these two hear each other.
    pub(super) fn is_bridged(&self, a: LegId, b: LegId) -> bool {
        let hears = |one: LegId, other| self.channels.get(&one).is_some_and(|c| c.hears.contains(&other));
        hears(a, b) && hears(b, a)
    }

    /// The leg hears nobody, and nobody hears it.
    pub(super) fn part(&mut self, now: Now, leg: LegId) {
        let group = self.group(leg);
        self.with(leg, |channel| channel.hear(now, Vec::new()));
        for other in &group {
            if let Some(channel) = self.channels.get_mut(other).filter(|channel| channel.hears.contains(&leg))
            {
                let rest = channel.hears.iter().copied().filter(|heard| *heard != leg).collect();
                channel.hear(now, rest);
            }
        }
        for other in group {
            self.rewire(now, other);
        }
    }

    /// All who hear or are heard, directly or through others; in the order of their numbers.
    fn group(&self, leg: LegId) -> Vec<LegId> {
        let mut group = vec![leg];
        let mut seen = 0;
        while let Some(&one) = group.get(seen) {
            seen += 1;
            let heard = self.channels.get(&one).map(|channel| channel.hears.as_slice()).unwrap_or_default();
            let hearing = self.channels.iter().filter(|(_, channel)| channel.hears.contains(&one));
            for other in heard.iter().chain(hearing.map(|(leg, _)| leg)) {
                if !group.contains(other) {
                    group.push(*other);
                }
            }
        }
        group.retain(|leg| self.channels.contains_key(leg));
        group.sort_unstable();
        group
    }

    /// Decides anew how those who have to do with this leg hear. Nothing changes for a stream that goes on as before.
    pub(super) fn rewire(&mut self, now: Now, leg: LegId) {
        let group = self.group(leg);
        let both = |channel: &Channel| [channel.coding(), channel.spoken()];
        let codings = group.iter().filter_map(|leg| self.channels.get(leg)).flat_map(both).flatten();
        let is_wide =
            codings.clone().next().is_some() && codings.clone().all(|coding| coding.rate() == Rate::Wide);
        let rate = if is_wide { Rate::Wide } else { Rate::Narrow };
        for leg in &group {
            self.with(*leg, |channel| channel.gives = None);
        }
        for leg in &group {
            let source = self.source(*leg, rate);
            if let Source::Packets(from) = source {
                self.with(from, |channel| channel.gives = Some(*leg));
            }
            self.with(*leg, |channel| channel.listen(now, source));
        }
        for leg in &group {
            let heard_in_a_mix = group.iter().filter_map(|other| self.channels.get(other));
            let in_band = self.channels.get(leg).is_some_and(Channel::presses_in_band);
            let wanted = in_band
                || heard_in_a_mix
                    .clone()
                    .any(|other| matches!(other.source, Source::Mix(_)) && other.hears.contains(leg));
            self.with(*leg, |channel| channel.want_ear(wanted.then_some(rate)));
        }
        let of_group = |leg: &LegId| group.binary_search(leg).is_ok();
        self.ears.retain(|leg| !of_group(leg) && self.channels.contains_key(leg));
        self.mixing.retain(|leg| !of_group(leg) && self.channels.contains_key(leg));
        for leg in &group {
            let Some(channel) = self.channels.get(leg) else { continue };
            self.ears.extend(channel.ear.is_some().then_some(*leg));
            self.mixing.extend(matches!(channel.source, Source::Mix(_)).then_some(*leg));
        }
        if self.ears.is_empty() {
            self.pulse = None;
        } else if self.pulse.is_none() {
            self.pulse = Some(grid(now.mono));
        }
    }

    fn source(&self, leg: LegId, rate: Rate) -> Source {
        let Some(channel) = self.channels.get(&leg) else { return Source::Nobody };
        let [one] = channel.hears[..] else {
            return if channel.hears.is_empty() { Source::Nobody } else { Source::Mix(rate) };
        };
        let Some(other) = self.channels.get(&one) else { return Source::Nobody };
        let alike = match (channel.coding(), other.spoken()) {
            (Some(ours), Some(theirs)) => is_alike(ours, theirs),
            // Nothing flows before both have agreed.
            _ => true,
        };
        if alike && other.gives.is_none_or(|given| given == leg) {
            Source::Packets(one)
        } else {
            Source::Mix(rate)
        }
    }

    /// Every ten milliseconds: all ears go on, and who hears a mix gets its part of one.
    pub(super) fn pulse(&mut self, now: Now, out: &mut impl Sink) {
        let mut pulses = 0;
        while let Some(at) = self.pulse.filter(|at| *at <= now.mono) {
            if pulses == MOST_CATCH_UP {
                self.pulse = Some(grid(now.mono + PULSE));
                return;
            }
            pulses += 1;
            self.pulse = Some(at + PULSE);
            for leg in &self.ears {
                if let Some(channel) = self.channels.get_mut(leg) {
                    channel.overhear(at, out);
                }
            }
            for at_list in 0..self.mixing.len() {
                self.mix(at, self.mixing[at_list], out);
            }
        }
    }

    fn mix(&mut self, at: Mono, leg: LegId, out: &mut impl Sink) {
        let Some(channel) = self.channels.get(&leg) else { return };
        let Source::Mix(rate) = channel.source else { return };
        let mut sum = [0i32; MOST_FRAME];
        let sum = &mut sum[..rate.samples(10)];
        for heard in &channel.hears {
            let Some(ear) = self.channels.get(heard).and_then(|channel| channel.ear.as_ref()) else {
                continue;
            };
            for (sum, sample) in sum.iter_mut().zip(ear.frame()) {
                *sum += i32::from(*sample);
            }
        }
        if let Some(channel) = self.channels.get_mut(&leg) {
            channel.say(at, rate, sum, out);
        }
    }
}

impl Channel {
    fn hear(&mut self, now: Now, of: Vec<LegId>) {
        if self.hears == of {
            return;
        }
        if !of.is_empty() {
            self.playing = None;
        }
        self.hears = of;
        self.outgoing.part();
        self.schedule(now.mono);
    }

    fn listen(&mut self, now: Now, source: Source) {
        if self.source != source {
            self.source = source;
            self.outgoing.part();
            self.schedule(now.mono);
        }
    }

    /// Begins to decode what the leg says, or leaves off.
    fn want_ear(&mut self, rate: Option<Rate>) {
        self.ear = match (rate, self.spoken(), self.ear.take()) {
            (Some(rate), Some(coding), Some(ear)) if ear.makes(rate, coding) => Some(ear),
            (Some(rate), Some(coding), _) => Some(Box::new(Ear::new(coding, rate))),
            _ => None,
        };
    }
}

const PULSE: Duration = Duration::from_millis(10);

/// Ten milliseconds of wide audio.
const MOST_FRAME: usize = 160;

/// Those that one leg can hear at once: a conference of three, with a supervisor and an announcement.
const MOST_HEARD: usize = 8;

/// As many as packets of our own making: 100 ms after a stall, no more.
const MOST_CATCH_UP: usize = 10;
