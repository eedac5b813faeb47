//! One-way audio and dead air: told when it is so, told to be over, and never without cause.

use codecs::{Coding, Encoder, MOST_PAYLOAD, Rate};

use super::*;
use crate::seam::Lack;

/// What somebody does in each second: `s` speaks, `.` sends silence, `c` says that it pauses, ` ` sends nothing.
struct Party {
    phone: Phone,
    encoder: Encoder,
    does: String,
}

impl Party {
    fn new(phone: Phone, does: &str) -> Self {
        let encoder = Encoder::new(phone.stream.coding, Rate::Narrow);
        Self { phone, encoder, does: does.to_owned() }
    }

    /// The packet of this twenty milliseconds.
    fn packet(&mut self, second: usize, first: bool) -> Option<Vec<u8>> {
        let step = self.phone.stream.coding.clock() / 50;
        let timestamp = self.phone.timestamp;
        self.phone.timestamp = timestamp.wrapping_add(step);
        let tone = |n: usize| (6000.0 * (std::f64::consts::TAU * n as f64 / 20.0).sin()) as i16;
        let pcm: Vec<i16> = match self.does.as_bytes().get(second)? {
            b's' => (0..160).map(tone).collect(),
            b'.' => vec![0; 160],
            b'c' if first => return Some(self.phone.packet(13, false, timestamp, &[70])),
            _ => return None,
        };
        let mut payload = vec![0; MOST_PAYLOAD];
        let len = self.encoder.encode(&pcm, &mut payload);
        Some(self.phone.packet(self.phone.stream.payload_type, false, timestamp, &payload[..len]))
    }
}

impl Bed {
    fn agree_again(&mut self, phone: &Phone) {
        self.command(Command::Agree { leg: phone.leg, stream: phone.stream.clone() });
    }
}

/// Plays their parts to the end of the longer one; what was told of hearing, with the second in which it was.
fn play(bed: &mut Bed, parties: &mut [&mut Party]) -> Vec<(usize, Event)> {
    let mut told = Vec::new();
    let seconds = parties.iter().map(|party| party.does.len()).max().unwrap();
    for second in 0..seconds {
        for n in 0..50 {
            for party in parties.iter_mut() {
                if let Some(bytes) = party.packet(second, n == 0) {
                    bed.receive(party.phone.leg, Port::Rtp, party.phone.address, &bytes);
                }
            }
            bed.pass(FRAME);
            told.extend(bed.told().into_iter().map(|event| (second, event)));
        }
    }
    told.retain(|(_, event)| !matches!(event, Event::Latched { .. } | Event::Silent { .. }));
    told
}

fn unheard(leg: LegId, lack: Lack) -> Event {
    Event::Unheard { leg, lack }
}

fn two(does: [&str; 2]) -> (Bed, [Party; 2]) {
    let (bed, caller, seat) = Bed::talking(Law::Mu);
    (bed, [Party::new(caller, does[0]), Party::new(seat, does[1])])
}

fn story(caller: &str, seat: &str) -> Vec<(usize, Event)> {
    let (mut bed, [mut caller, mut seat]) = two([caller, seat]);
    play(&mut bed, &mut [&mut caller, &mut seat])
}

#[test]
fn who_sends_nothing_while_the_other_does_is_told_once_and_so_is_its_end() {
    let seat = "s".repeat(4) + &" ".repeat(16) + "ss";
    let told = story(&"s".repeat(22), &seat);
    assert_eq!(told, [(8, unheard(SEAT, Lack::Packets)), (20, Event::HeardAgain { leg: SEAT })]);
    // From the first moment of the bridge on.
    assert_eq!(story(&" ".repeat(8), &"s".repeat(8)), [(5, unheard(CALLER, Lack::Packets))]);
}

#[test]
fn who_sends_silence_to_one_who_speaks_is_told_and_so_is_its_end() {
    let seat = ".".repeat(40) + "ss";
    let told = story(&"s.".repeat(21), &seat);
    assert_eq!(told, [(30, unheard(SEAT, Lack::Voice)), (40, Event::HeardAgain { leg: SEAT })]);
}

#[test]
fn a_conversation_a_listener_and_a_pause_that_is_announced_are_nothing_to_tell() {
    assert_eq!(story(&"ss..".repeat(15), &"..ss".repeat(15)), []);
    assert_eq!(story(&"s".repeat(60), &("c".to_owned() + &" ".repeat(13) + "s").repeat(4)), []);
    // Both are away: that is the network's, and the minute without a packet tells of it.
    assert_eq!(story(&("s".repeat(5) + &" ".repeat(20)), &("s".repeat(5) + &" ".repeat(20))), []);
}

#[test]
fn dead_air_is_told_after_three_quarters_of_a_minute() {
    let told = story(&(".".repeat(50) + "s"), &".".repeat(51));
    let dead = |over| Event::DeadAir { leg: CALLER.min(SEAT), over };
    assert_eq!(told, [(45, dead(false)), (50, dead(true))]);
}

#[test]
fn a_hold_is_no_fault_and_what_was_one_before_it_is_over() {
    let (mut bed, [mut caller, mut seat]) = two([&"s".repeat(8), &" ".repeat(8)]);
    let told = play(&mut bed, &mut [&mut caller, &mut seat]);
    assert_eq!(told, [(5, unheard(SEAT, Lack::Packets))]);
    seat.phone.stream.direction = Direction::Inactive;
    bed.agree_again(&seat.phone);
    "s".repeat(20).clone_into(&mut caller.does);
    let told = play(&mut bed, &mut [&mut caller]);
    assert_eq!(told, [(0, Event::HeardAgain { leg: SEAT })]);
    seat.phone.stream.direction = Direction::Both;
    bed.agree_again(&seat.phone);
    "s".repeat(20).clone_into(&mut seat.does);
    assert_eq!(play(&mut bed, &mut [&mut caller, &mut seat]), []);
}

#[test]
fn who_hears_a_prompt_in_place_of_the_other_misses_nobody() {
    let (mut bed, [mut caller, mut seat]) = two([&"s".repeat(20), &" ".repeat(20)]);
    bed.ring(CALLER);
    assert_eq!(play(&mut bed, &mut [&mut caller, &mut seat]), []);
    bed.command(Command::Stop { leg: CALLER });
    let told = play(&mut bed, &mut [&mut caller, &mut seat]);
    assert_eq!(told, [(4, unheard(SEAT, Lack::Packets))]);
}

#[test]
fn legs_of_other_codecs_are_watched_by_what_is_decoded_and_a_plain_relay_by_its_packets() {
    let of = |phone: Phone, coding: Coding, does: &str| {
        let mut phone = phone;
        phone.stream.coding = coding;
        phone.stream.payload_type = coding.payload_type().unwrap_or(111);
        phone.stream.events = None;
        Party::new(phone, does)
    };
    let talks = "s.".repeat(18);
    for (codings, told_after) in [
        ([Coding::Pcma, Coding::Opus], Some(30)),
        ([Coding::G722, Coding::Pcmu], Some(30)),
        ([Coding::Opus, Coding::Opus], None),
        ([Coding::G722, Coding::G722], None),
    ] {
        let mut bed = Bed::new();
        let mut caller = of(Phone::new(CALLER, "198.51.100.1:4000", Law::A), codings[0], &talks);
        let mut seat = of(Phone::new(SEAT, "203.0.113.2:6000", Law::A), codings[1], &".".repeat(36));
        bed.agree(&caller.phone);
        bed.agree(&seat.phone);
        bed.command(Command::Bridge { a: CALLER, b: SEAT });
        let told = play(&mut bed, &mut [&mut caller, &mut seat]);
        let expected: Vec<_> =
            told_after.map(|second| (second, unheard(SEAT, Lack::Voice))).into_iter().collect();
        assert_eq!(told, expected, "{codings:?}");
        // That nothing comes is seen without decoding.
        "s".repeat(8).clone_into(&mut caller.does);
        seat.does = " ".repeat(8);
        let told = play(&mut bed, &mut [&mut caller, &mut seat]);
        let missing = (4, unheard(SEAT, Lack::Packets));
        assert!(told.contains(&missing), "{codings:?} {told:?}");
    }
}

#[test]
fn a_caller_of_whom_nothing_ever_came_is_told_while_it_hears_a_menu() {
    let mut bed = Bed::new();
    let mut caller = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.agree(&caller);
    bed.ring(CALLER);
    bed.pass(Duration::from_millis(4900));
    assert_eq!(bed.told(), []);
    bed.pass(Duration::from_millis(200));
    assert_eq!(bed.told(), [unheard(CALLER, Lack::Packets)]);
    bed.pass(Duration::from_secs(20));
    assert_eq!(bed.told(), []);
    bed.speak(&mut caller, &frame(1));
    assert!(bed.told().contains(&Event::HeardAgain { leg: CALLER }));
    // Once it was heard its silences are its own.
    bed.pass(Duration::from_secs(30));
    assert_eq!(bed.told(), []);
}

#[test]
fn joined_anew_they_are_watched_anew() {
    let (mut bed, [mut caller, mut seat]) = two([&"s".repeat(4), &" ".repeat(4)]);
    assert_eq!(play(&mut bed, &mut [&mut caller, &mut seat]), []);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    assert_eq!(play(&mut bed, &mut [&mut caller, &mut seat]), []);
    assert_eq!(play(&mut bed, &mut [&mut caller, &mut seat]), [(1, unheard(SEAT, Lack::Packets))]);
}
