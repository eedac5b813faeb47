//! F11: keys over networks that lose, delay, swap and double, to a menu and across a bridge, at both clocks; and what of
//! the audio between them the recorder gets.

use std::collections::{BTreeMap, BTreeSet};

use codecs::Coding;

use super::*;
use crate::dtmf::Payload;
use crate::seam::Side;

/// What a phone pressed over such a network, and what became of it.
struct Run {
    /// In the digit stream of the call.
    told: String,
    /// By the packets that the other phone got, as that phone reads them.
    passed_on: String,
    /// When packets of audio were sent and as what they were taped.
    sent: BTreeMap<u32, Mono>,
    taped: Vec<Tapped>,
    latched: usize,
}

/// How a phone says its keys.
#[derive(Clone, Copy, Debug)]
struct Way {
    coding: Coding,
    /// Whether the other party takes events, and of which clock: its codec's.
    other: Coding,
}

/// Each key lasts 100 ms and 100 ms of audio follow it, in packets of 20 ms.
fn press_over(seed: u64, loss: u64, way: Way, keys: &str) -> Run {
    let mut random = Entropy::from_number(seed);
    let (mut bed, mut phone) = bed(way);
    let start = bed.now.mono;
    let clock = u64::from(way.coding.clock());
    let (mut trace, mut sent, mut at) = (Vec::new(), BTreeMap::new(), Duration::ZERO);
    let mut say = |at: Duration, bytes: Vec<u8>| {
        let mut copies = 1 + usize::from(random.below(100) < 5);
        if random.below(100) < loss {
            copies -= 1;
        }
        for _ in 0..copies {
            let swapped = if random.below(100) < 2 { 25 } else { 0 };
            let late = Duration::from_micros(random.below(30_000)) + Duration::from_millis(swapped);
            trace.push((at + late, trace.len(), bytes.clone()));
        }
    };
    for key in keys.chars() {
        let began = phone.timestamp;
        let step = (clock / 50) as u32;
        for n in 1..=7u16 {
            let duration = n.min(5) * step as u16;
            let payload = Payload { event: digit(key).event(), end: n >= 5, volume: 10, duration };
            let bytes = phone.packet(EVENT, n == 1, began, &payload.to_bytes());
            // The end is said three times at once.
            say(at + FRAME * u32::from(n.min(5) - 1), bytes);
        }
        phone.timestamp = began.wrapping_add(5 * step);
        at += FRAME * 5;
        for _ in 0..5 {
            sent.insert(phone.timestamp, start + at);
            let timestamp = phone.timestamp;
            say(at, phone.packet(phone.stream.payload_type, false, timestamp, &AUDIO));
            phone.timestamp = timestamp.wrapping_add(step);
            at += FRAME;
        }
    }
    trace.sort();
    for (when, _, bytes) in trace {
        bed.pass(when.saturating_sub(bed.now.mono.since(start)));
        bed.receive(CALLER, Port::Rtp, phone.address, &bytes);
    }
    bed.pass(Duration::from_millis(500));
    let told = bed.told();
    let latched = told.iter().filter(|event| matches!(event, Event::Latched { .. })).count();
    let digit = |event: &Event| match event {
        Event::Digit { leg: CALLER, digit, .. } => Some(digit.as_char()),
        _ => None,
    };
    let passed_on = read(&bed.rtp(SEAT));
    Run { told: told.iter().filter_map(digit).collect(), passed_on, sent, taped: bed.heard.tapped, latched }
}

fn bed(way: Way) -> (Bed, Phone) {
    let mut bed = Bed::new();
    let mut caller = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    let mut seat = Phone::new(SEAT, "203.0.113.2:6000", Law::A);
    for (phone, coding) in [(&mut caller, way.coding), (&mut seat, way.other)] {
        phone.stream.coding = coding;
        phone.stream.payload_type = coding.payload_type().unwrap_or(111);
        phone.stream.events = Some(Events { payload_type: EVENT, clock: coding.clock() });
        bed.agree(phone);
    }
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    (bed, caller)
}

/// The keys that a phone at the other end reads: each timestamp of an event is one (RFC 4733 section 2.5.2.2), in the
/// order of their numbers.
fn read(packets: &[Rtp]) -> String {
    let mut seen = BTreeSet::new();
    let mut keys: Vec<(u16, char)> = Vec::new();
    let first = packets.first().map_or(0, |packet| packet.sequence);
    for packet in packets.iter().filter(|packet| packet.payload_type == EVENT) {
        let payload = Payload::read(&packet.payload).unwrap();
        if seen.insert(packet.timestamp) {
            let key = Digit::from_event(payload.event).unwrap().as_char();
            keys.push((packet.sequence.wrapping_sub(first), key));
        }
    }
    keys.sort_unstable();
    keys.into_iter().map(|(_, key)| key).collect()
}

/// What was told of what was pressed: how many keys are missing; none may be more, another, or in another place.
fn missing(pressed: &str, told: &str, which: &str) -> usize {
    let mut rest = pressed.chars();
    assert!(told.chars().all(|key| rest.any(|pressed| pressed == key)), "{which}: {told} for {pressed}");
    pressed.len() - told.len()
}

const WAYS: [Way; 4] = [
    Way { coding: Coding::Pcma, other: Coding::Pcma },
    Way { coding: Coding::Opus, other: Coding::Opus },
    Way { coding: Coding::Opus, other: Coding::Pcma },
    Way { coding: Coding::Pcma, other: Coding::Opus },
];

/// The digit stream is what a menu is pressed by; the packets are what the other phone hears.
#[test]
fn of_a_thousand_keys_at_each_loss_none_is_doubled_and_at_ten_percent_none_is_missing() {
    for (loss, allowed) in [(5, 0), (10, 0), (20, 10)] {
        for (n, way) in (0..).zip(WAYS) {
            let (mut untold, mut unheard) = (0, 0);
            for seed in 0..25 {
                let run = press_over(1000 * n + 100 * loss + seed, loss, way, KEYS);
                let which = format!("{way:?} at {loss} %, seed {seed}");
                untold += missing(KEYS, &run.told, &which);
                unheard += missing(KEYS, &run.passed_on, &which);
                assert_eq!(run.latched, 1, "{which}: the peer is where it was");
            }
            assert!(untold <= allowed, "{way:?} at {loss} %: {untold} of 1000 were not told");
            assert!(
                unheard <= allowed,
                "{way:?} at {loss} %: {unheard} of 1000 did not reach the other phone"
            );
        }
    }
}

/// What is taped is placed by its timestamp: within a packet's jitter of when it was said, no two at one place.
#[test]
fn what_the_recorder_gets_stands_where_it_was_said() {
    for loss in [5, 10, 20] {
        let run = press_over(loss, loss, WAYS[0], KEYS);
        let first = run.taped.iter().find(|packet| packet.side == Side::Caller).unwrap();
        let began = run.sent[&first.timestamp];
        let mut places = BTreeSet::new();
        for packet in &run.taped {
            let said = run.sent[&packet.timestamp];
            let ticks = packet.timestamp.wrapping_sub(first.timestamp).cast_signed();
            let place = began.as_nanos() as i64 + i64::from(ticks) * 125_000;
            assert!((place - said.as_nanos() as i64).abs() < 40_000_000, "{loss} %");
            assert!(packet.arrived >= said && packet.arrived.since(said) < Duration::from_millis(60));
            places.insert(packet.timestamp);
        }
        let share = places.len() as u64 * 100 / run.sent.len() as u64;
        assert!(share >= 96 - loss - 3, "{share} % of the audio at {loss} % loss");
    }
}

const KEYS: &str = "0123456789*#1199558800**##13579246801122";

const EVENT: u8 = 101;

/// Of any codec; what it sounds like is not asked here.
const AUDIO: [u8; 160] = [0xd5; 160];
