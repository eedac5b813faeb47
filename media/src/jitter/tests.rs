//! Traces of networks: what is heard, sample by sample.

use proptest::prelude::*;

use super::*;

/// A sender at 8 kHz: 20 ms each packet.
#[derive(Clone)]
struct Sender {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Nanoseconds.
    at: u64,
    /// How long its 20 ms take.
    period: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    arrives: u64,
}

impl Sender {
    fn new() -> Self {
        Self { ssrc: 1, sequence: 100, timestamp: 5000, at: 1_000_000_000, period: 20 * MS }
    }

    fn send(&mut self, packets: usize) -> Vec<Sent> {
        (0..packets)
            .map(|_| {
                let sent = Sent {
                    ssrc: self.ssrc,
                    sequence: self.sequence,
                    timestamp: self.timestamp,
                    arrives: self.at,
                };
                self.sequence = self.sequence.wrapping_add(1);
                self.timestamp = self.timestamp.wrapping_add(160);
                self.at += self.period;
                sent
            })
            .collect()
    }

    /// Says nothing: the timestamp runs on, the sequence does not.
    fn rest(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
        self.at += u64::from(samples) * 125_000;
    }
}

/// A consumer with a tick of 10 ms.
struct Listener {
    buffer: Buffer,
    /// The timestamp of each sample that was heard; `None` where it was silence or made up.
    heard: Vec<Option<u32>>,
    /// Samples handed to the listener's line.
    played: usize,
    made_up: u64,
    waited: u64,
    faster: i64,
    slower: i64,
    deepest: u32,
}

impl Listener {
    fn new() -> Self {
        Self {
            buffer: Buffer::new(8000),
            heard: Vec::new(),
            played: 0,
            made_up: 0,
            waited: 0,
            faster: 0,
            slower: 0,
            deepest: 0,
        }
    }

    /// Lives through a trace, whatever the order of its packets, and 300 ms more.
    fn live(mut self, mut sent: Vec<Sent>) -> Self {
        sent.sort_by_key(|packet| packet.arrives);
        let end = sent.last().map_or(0, |packet| packet.arrives) + 300 * MS;
        let mut packets = sent.into_iter().peekable();
        let mut tick = 0;
        while tick < end {
            while let Some(packet) = packets.next_if(|packet| packet.arrives <= tick) {
                self.buffer.put(Mono::from_nanos(packet.arrives), &packet.as_packet());
            }
            self.tick(tick);
            tick += 10 * MS;
        }
        self
    }

    fn tick(&mut self, now: u64) {
        self.played += 80;
        while self.heard.len() < self.played {
            match self.buffer.take(Mono::from_nanos(now)) {
                Take::Audio(audio) => {
                    let ticks = match audio.pace {
                        Pace::Steady => audio.ticks,
                        Pace::Faster => audio.ticks - 64,
                        Pace::Slower => audio.ticks + 64,
                    };
                    self.faster += i64::from(audio.pace == Pace::Faster);
                    self.slower += i64::from(audio.pace == Pace::Slower);
                    self.heard.extend((0..ticks).map(|n| Some(audio.timestamp.wrapping_add(n))));
                    assert_eq!(audio.payload, audio.timestamp.to_be_bytes());
                }
                Take::Lost { ticks, .. } => {
                    self.made_up += u64::from(ticks);
                    self.heard.extend((0..ticks).map(|_| None));
                }
                Take::Wait { ticks } => {
                    self.waited += u64::from(ticks);
                    self.heard.extend((0..ticks).map(|_| None));
                }
            }
        }
        self.deepest = self.deepest.max(self.buffer.depth_ms());
    }

    /// Where a sample of the stream was heard.
    fn place(&self, timestamp: u32) -> Option<usize> {
        self.heard.iter().position(|&heard| heard == Some(timestamp))
    }

    /// Whether all of these were heard, each sample once and at the same distance from its timestamp.
    fn exact(&self, sent: &[Sent]) -> usize {
        let offset = self.place(sent[0].timestamp).unwrap();
        for packet in sent {
            let at = offset + packet.timestamp.wrapping_sub(sent[0].timestamp) as usize;
            let there: Vec<_> = self.heard[at..at + 160].to_vec();
            let wanted: Vec<_> = (0..160).map(|n| Some(packet.timestamp.wrapping_add(n))).collect();
            assert_eq!(there, wanted, "packet {}", packet.sequence);
        }
        offset
    }
}

impl Sent {
    fn as_packet(&self) -> Packet<'static> {
        let payload: &'static [u8; 4] = Box::leak(Box::new(self.timestamp.to_be_bytes()));
        let Self { ssrc, sequence, timestamp, .. } = *self;
        Packet { ssrc, sequence, timestamp, payload_type: 8, ticks: 160, payload }
    }
}

const MS: u64 = 1_000_000;

fn only_starts(counters: Counters) -> bool {
    counters
        == Counters {
            received: counters.received,
            starts: counters.starts,
            underruns: 1,
            ..Counters::default()
        }
}

/// Reproducible numbers below `below`.
fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

#[test]
fn a_steady_stream_is_heard_whole_forty_milliseconds_late() {
    let sent = Sender::new().send(500);
    let listener = Listener::new().live(sent.clone());
    let offset = listener.exact(&sent);
    // It arrived when 1000 ms had been played.
    assert!((8000 + 320..8000 + 420).contains(&offset), "{offset}");
    assert!(only_starts(listener.buffer.counters()), "{:?}", listener.buffer.counters());
    // And a network that does not jitter needs less.
    assert_eq!(listener.buffer.target_ms(), 40);
    let listener = Listener::new().live(Sender::new().send(3000));
    assert_eq!(listener.buffer.target_ms(), 20);
}

#[test]
fn what_is_lost_leaves_a_hole_of_its_size_in_its_place() {
    let sent = Sender::new().send(500);
    let mut seed = 1;
    let lost: Vec<bool> = (0..500).map(|n| n > 3 && n < 496 && random(&mut seed, 10) == 0).collect();
    let came: Vec<Sent> = sent.iter().zip(&lost).filter(|(_, lost)| !**lost).map(|(sent, _)| *sent).collect();
    let listener = Listener::new().live(came.clone());
    let offset = listener.exact(&came);
    for (n, _) in lost.iter().enumerate().filter(|(_, lost)| **lost) {
        assert!(listener.heard[offset + n * 160..][..160].iter().all(Option::is_none), "packet {n}");
    }
    let many = lost.iter().filter(|lost| **lost).count() as u64;
    assert!(many > 30);
    let counters = listener.buffer.counters();
    assert_eq!((counters.lost, counters.late, counters.duplicate, counters.dropped), (many, 0, 0, 0));
}

#[test]
fn packets_that_overtake_each_other_or_come_twice_change_nothing() {
    let sent = Sender::new().send(500);
    let mut arrivals = sent.clone();
    for (n, packet) in arrivals.iter_mut().enumerate() {
        packet.arrives += if n % 7 == 3 { 25 * MS } else { 0 };
    }
    let again: Vec<Sent> =
        arrivals.iter().step_by(5).map(|p| Sent { arrives: p.arrives + 30 * MS, ..*p }).collect();
    let doubled = again.len() as u64;
    arrivals.extend(again);
    let listener = Listener::new().live(arrivals);
    listener.exact(&sent);
    let counters = listener.buffer.counters();
    assert_eq!((counters.duplicate, counters.lost, counters.late, counters.dropped), (doubled, 0, 0, 0));
}

#[test]
fn the_delay_follows_the_jitter_up_and_down() {
    let mut sender = Sender::new();
    let mut seed = 7;
    let mut shaken = sender.send(3000);
    for packet in &mut shaken {
        packet.arrives += random(&mut seed, 80) * MS;
    }
    let late_before = Listener::new().live(shaken.clone()).buffer.counters();
    assert!(late_before.lost < 90, "of 3000 packets: {late_before:?}");
    let listener = Listener::new().live(shaken.clone());
    assert!((70..=100).contains(&listener.buffer.target_ms()), "{}", listener.buffer.target_ms());
    shaken.extend(sender.send(6000));
    let listener = Listener::new().live(shaken);
    assert_eq!(listener.buffer.target_ms(), 20);
    // What was gained by frames that are shorter: the delay is short again.
    assert!(listener.buffer.counters().lost < 90, "{:?}", listener.buffer.counters());
    assert!(listener.faster >= 4, "{}", listener.faster);
}

#[test]
fn a_clock_that_runs_wrong_by_two_hundred_parts_in_a_million_is_followed() {
    for (period, faster) in [(19_996_000, true), (20_004_000, false)] {
        let mut sender = Sender { period, ..Sender::new() };
        // Half an hour: 360 ms of drift.
        let packets = 90_000;
        let sent = sender.send(packets);
        let listener = Listener::new().live(sent);
        let counters = listener.buffer.counters();
        assert_eq!((counters.late, counters.dropped), (0, 0), "{counters:?}");
        assert!(counters.lost == 0 && counters.underruns <= 3, "{counters:?}");
        assert!(listener.deepest <= 110, "{} ms", listener.deepest);
        let adjusted = if faster { listener.faster } else { listener.slower };
        assert!(adjusted >= 35, "{} faster, {} slower", listener.faster, listener.slower);
    }
}

#[test]
fn pauses_of_the_sender_keep_their_length_to_the_sample() {
    let mut sender = Sender::new();
    let mut sent = sender.send(50);
    for samples in [80, 1000, 4321, 16_000, 333, 40_007] {
        sender.rest(samples);
        sent.extend(sender.send(40));
    }
    let listener = Listener::new().live(sent.clone());
    listener.exact(&sent);
    let counters = listener.buffer.counters();
    assert_eq!((counters.lost, counters.late, counters.starts), (0, 0, 1), "{counters:?}");
}

#[test]
fn a_pause_is_where_the_delay_is_corrected() {
    let mut sender = Sender::new();
    let mut seed = 3;
    let mut sent = Vec::new();
    for spurt in 0..60 {
        let mut spoken = sender.send(50);
        if spurt < 20 {
            for packet in &mut spoken {
                packet.arrives += random(&mut seed, 90) * MS;
            }
        }
        sent.extend(spoken);
        sender.rest(8000);
    }
    let last = sent[sent.len() - 50];
    let listener = Listener::new().live(sent);
    assert_eq!(listener.buffer.target_ms(), 20);
    let delay = listener.place(last.timestamp).unwrap() as u64 / 8 - last.arrives / MS;
    assert!(delay <= 50, "{delay} ms");
    // Frames are made shorter while the jitter is learnt; for 80 ms less it would take ten more.
    assert!(listener.faster <= 10, "{}", listener.faster);
}

#[test]
fn another_source_and_numbers_that_wrap_are_heard_to_the_sample() {
    let mut sender = Sender { sequence: 65_500, timestamp: u32::MAX - 10_000, ..Sender::new() };
    let first = sender.send(100);
    let mut other = Sender { ssrc: 2, sequence: 9, timestamp: 1_000_000, at: sender.at, ..sender };
    let second = other.send(100);
    let listener = Listener::new().live([first.clone(), second.clone()].concat());
    let counters = listener.buffer.counters();
    assert_eq!((counters.starts, counters.lost, counters.late), (2, 0, 0), "{counters:?}");
    // The last of the old source was waiting still when the new one came.
    let kept = first.len() - counters.dropped as usize;
    assert!(kept > 95, "{kept}");
    let one = listener.exact(&first[..kept]);
    let two = listener.exact(&second);
    assert!(two > one);
}

#[test]
fn a_clock_that_stood_still_or_jumped_begins_anew_at_once() {
    let mut sender = Sender::new();
    let first = sender.send(100);
    // On hold for five seconds; the timestamp goes on where it was.
    sender.at += 5000 * MS;
    let second = sender.send(100);
    // And a jump by a minute without a pause.
    sender.timestamp = sender.timestamp.wrapping_add(480_000);
    let third = sender.send(100);
    let listener = Listener::new().live([first.clone(), second.clone(), third.clone()].concat());
    let counters = listener.buffer.counters();
    assert_eq!((counters.starts, counters.lost, counters.late), (3, 0, 0), "{counters:?}");
    listener.exact(&first);
    listener.exact(&second[..95]);
    listener.exact(&third);
}

#[test]
fn a_network_that_stood_still_does_not_leave_its_delay_behind() {
    let mut sender = Sender::new();
    let mut sent = sender.send(400);
    let free = sent[150].arrives;
    for packet in &mut sent[125..150] {
        packet.arrives = free;
    }
    let listener = Listener::new().live(sent.clone());
    let counters = listener.buffer.counters();
    assert!(counters.dropped > 10, "{counters:?}");
    // Two seconds later the delay is what it was, within what may remain.
    let before = listener.place(sent[100].timestamp).unwrap() - 100 * 160;
    let after = listener.place(sent[300].timestamp).unwrap() - 300 * 160;
    assert!(after.abs_diff(before) <= 160 * 3, "{before} {after}");
    assert!(listener.deepest <= 700);
}

#[test]
fn keys_between_packets_are_no_loss() {
    let mut buffer = Buffer::new(8000);
    let mut sender = Sender::new();
    let mut listener = Vec::new();
    let sent = sender.send(60);
    for (n, packet) in sent.iter().enumerate() {
        if (20..30).contains(&n) {
            buffer.pass(1, packet.sequence);
        } else {
            buffer.put(Mono::from_nanos(packet.arrives), &packet.as_packet());
        }
        let mut ticks = 0;
        while ticks < 160 {
            match buffer.take(Mono::from_nanos(packet.arrives)) {
                Take::Audio(audio) => {
                    listener.push(audio.timestamp);
                    ticks += audio.ticks;
                }
                Take::Lost { ticks: t, .. } | Take::Wait { ticks: t } => ticks += t,
            }
        }
    }
    assert_eq!(buffer.counters().lost, 0);
    assert_eq!(listener.len(), 48, "all but the keys and what waits still");
}

#[test]
fn the_packet_after_a_lost_one_is_shown() {
    let mut buffer = Buffer::new(8000);
    let mut sent = Sender::new().send(6);
    sent.remove(2);
    for packet in &sent {
        buffer.put(Mono::from_nanos(packet.arrives), &packet.as_packet());
    }
    let now = Mono::from_nanos(sent[4].arrives);
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(match buffer.take(now) {
            Take::Audio(audio) => (audio.timestamp, None),
            Take::Lost { ticks, next } => (ticks, next.map(<[u8]>::to_vec)),
            Take::Wait { .. } => (0, None),
        });
    }
    let after = (5000u32 + 3 * 160).to_be_bytes().to_vec();
    assert_eq!(taken, [(5000, None), (5160, None), (160, Some(after)), (5480, None)]);
}

#[test]
fn comfort_noise_is_handed_out_and_no_underrun_follows() {
    let mut buffer = Buffer::new(8000);
    let sent = Sender::new().send(3);
    for packet in &sent {
        buffer.put(Mono::from_nanos(packet.arrives), &packet.as_packet());
    }
    let last = sent[2];
    let noise = Packet {
        sequence: last.sequence + 1,
        timestamp: last.timestamp + 160,
        payload_type: 13,
        ticks: 0,
        payload: &[60],
        ..last.as_packet()
    };
    let now = Mono::from_nanos(last.arrives + 20 * MS);
    buffer.put(now, &noise);
    for _ in 0..3 {
        assert!(matches!(buffer.take(now), Take::Audio(Audio { payload_type: 8, .. })));
    }
    assert!(matches!(buffer.take(now), Take::Audio(Audio { payload_type: 13, payload: [60], ticks: 0, .. })));
    for _ in 0..20 {
        assert_eq!(buffer.take(now), Take::Wait { ticks: 80 });
    }
    assert_eq!(buffer.counters().underruns, 0);
}

proptest! {
    #[test]
    fn anything_may_come_at_any_time(
        steps in prop::collection::vec((0..3u8, any::<u16>(), any::<u32>(), 0..4000u32, 0..60u64, 0..700usize), 1..300)
    ) {
        let mut buffer = Buffer::new(48_000);
        let mut now = 0;
        let bytes = [7; 700];
        for (kind, sequence, timestamp, ticks, ms, len) in steps {
            now += ms * MS;
            let (sequence, timestamp) = if kind == 0 { (sequence, timestamp) } else { (sequence % 100, timestamp % 100_000) };
            let packet = Packet { ssrc: 1, sequence, timestamp, payload_type: 96, ticks, payload: &bytes[..len] };
            buffer.put(Mono::from_nanos(now), &packet);
            if kind == 2 {
                buffer.pass(1, sequence.wrapping_add(1));
            }
            let mut clone = buffer.clone();
            for _ in 0..3 {
                let take = buffer.take(Mono::from_nanos(now));
                prop_assert_eq!(take, clone.take(Mono::from_nanos(now)));
                match take {
                    Take::Lost { ticks, .. } | Take::Wait { ticks } => prop_assert!(ticks > 0 && ticks <= 4800),
                    Take::Audio(audio) => prop_assert!(audio.payload.len() <= LONGEST_PAYLOAD),
                }
            }
        }
    }
}
