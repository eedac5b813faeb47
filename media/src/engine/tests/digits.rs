//! Keys: heard in every state, passed on in a bridge, sent by us.

use proptest::prelude::*;

use super::*;
use crate::dtmf::Payload;
use crate::dtmf::{band, tones};

impl Phone {
    /// The packets of one key as phones send it: five growing ones, the last three times; then a pause.
    fn key(&mut self, key: char) -> Vec<Vec<u8>> {
        let began = self.timestamp;
        let event = digit(key).event();
        let mut packets = Vec::new();
        for n in 1..=7u16 {
            let payload = Payload { event, end: n >= 5, volume: 10, duration: n.min(5) * 160 };
            packets.push(self.packet(
                self.stream.events.unwrap().payload_type,
                n == 1,
                began,
                &payload.to_bytes(),
            ));
            self.timestamp = self.timestamp.wrapping_add(160);
        }
        packets
    }
}

fn press(bed: &mut Bed, phone: &mut Phone, keys: &str) {
    for key in keys.chars() {
        for packet in phone.key(key) {
            bed.receive(phone.leg, Port::Rtp, phone.address, &packet);
            bed.pass(FRAME);
        }
    }
}

#[test]
fn keys_are_told_once_while_silent_playing_and_bridged() {
    let mut bed = Bed::new();
    let mut caller = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.agree(&caller);
    press(&mut bed, &mut caller, "12");
    bed.play(CALLER, "welcome", 1);
    press(&mut bed, &mut caller, "3");
    bed.ring(CALLER);
    press(&mut bed, &mut caller, "4#");
    bed.agree(&Phone::new(SEAT, "203.0.113.2:6000", Law::A));
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    press(&mut bed, &mut caller, "5*D");
    assert_eq!(bed.digits(CALLER), "1234#5*D");
}

#[test]
fn keys_are_heard_on_after_the_peer_started_a_new_stream() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    phone.timestamp = 20_000;
    bed.agree(&phone);
    press(&mut bed, &mut phone, "1");
    (phone.ssrc, phone.sequence, phone.timestamp) = (4242, 1, 0);
    press(&mut bed, &mut phone, "23");
    assert_eq!(bed.digits(CALLER), "123");
}

#[test]
fn a_bridged_key_is_passed_on_under_the_others_payload_type_in_one_timeline() {
    let (mut bed, mut caller, _) = Bed::talking(Law::Mu);
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    bed.speak(&mut caller, &frame(1));
    press(&mut bed, &mut caller, "7");
    bed.speak(&mut caller, &frame(2));
    let heard = bed.rtp(SEAT);
    assert_eq!(heard.len(), 9);
    let began = heard[0].timestamp.wrapping_add(160);
    for (n, packet) in heard[1..8].iter().enumerate() {
        assert_eq!((packet.payload_type, packet.timestamp), (96, began));
        assert_eq!(packet.marker, n == 0);
        let payload = Payload::read(&packet.payload).unwrap();
        assert_eq!((payload.event, payload.end), (7, n >= 4));
    }
    assert_eq!(heard[8].timestamp, began.wrapping_add(7 * 160));
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
    }
    assert_eq!(bed.heard.tapped.len(), 2, "events are no audio");
}

#[test]
fn a_key_for_a_peer_without_events_leaves_no_hole() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::A);
    seat.stream.events = None;
    bed.command(Command::Agree { leg: SEAT, stream: seat.stream.clone() });
    for n in 0..5 {
        bed.speak(&mut caller, &frame(n));
        press(&mut bed, &mut caller, "1");
    }
    let heard = bed.rtp(SEAT);
    assert_eq!(heard.len(), 5);
    for (n, packet) in heard.iter().enumerate() {
        assert_eq!(packet.sequence, heard[0].sequence.wrapping_add(n as u16));
        assert_eq!(packet.timestamp, heard[0].timestamp.wrapping_add(n as u32 * 160 * 8));
    }
    assert_eq!(bed.digits(CALLER), "11111");
}

#[test]
fn a_key_of_ours_has_one_timestamp_a_marker_and_three_ends() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(SEAT, "203.0.113.2:6000", Law::A);
    phone.stream.events = Some(Events { payload_type: 99, clock: 8000 });
    bed.agree(&phone);
    bed.pass(Duration::from_millis(100));
    for key in ['4', '4', '*'] {
        bed.command(Command::Press { leg: SEAT, digit: digit(key) });
    }
    bed.pass(Duration::from_secs(1));
    let heard = bed.rtp(SEAT);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].at.since(pair[0].at), FRAME);
    }
    let events: Vec<&Rtp> = heard.iter().filter(|packet| packet.payload_type == 99).collect();
    assert_eq!(events.len(), 21);
    for (key, packets) in ['4', '4', '*'].iter().zip(events.chunks(7)) {
        let payloads: Vec<Payload> = packets.iter().map(|p| Payload::read(&p.payload).unwrap()).collect();
        assert!(payloads.iter().all(|payload| payload.event == digit(*key).event()));
        assert!(packets.iter().all(|packet| packet.timestamp == packets[0].timestamp));
        assert_eq!(
            packets.iter().map(|p| p.marker).collect::<Vec<_>>(),
            [true, false, false, false, false, false, false]
        );
        assert_eq!(payloads.iter().filter(|payload| payload.end && payload.duration == 800).count(), 3);
    }
    assert_eq!(events[7].timestamp.wrapping_sub(events[0].timestamp), 200 * 8, "100 ms on, 100 ms off");
    // The audio after the keys stands where real time puts it.
    let last = heard.last().unwrap();
    assert_eq!(last.timestamp.wrapping_sub(heard[0].timestamp), 160 * (heard.len() as u32 - 1));
    let mut judge = crate::dtmf::Receiver::default();
    let told: String = events
        .iter()
        .filter_map(|packet| judge.receive(packet.timestamp, packet.marker, &packet.payload))
        .map(Digit::as_char)
        .collect();
    assert_eq!(told, "44*");
}

#[test]
fn a_key_of_ours_in_a_bridge_stands_in_for_the_audio_and_gives_it_back() {
    let (mut bed, mut caller, _) = Bed::talking(Law::A);
    for n in 0..60 {
        if n == 10 {
            bed.command(Command::Press { leg: SEAT, digit: digit('9') });
        }
        bed.speak(&mut caller, &frame(n));
        bed.pass(FRAME);
    }
    let heard = bed.rtp(SEAT);
    assert_eq!(heard.iter().filter(|packet| packet.payload_type == 101).count(), 7);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
    }
    let audio: Vec<&Rtp> = heard.iter().filter(|packet| packet.payload_type == 8).collect();
    for pair in audio.windows(2) {
        assert!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) >= 160);
    }
    assert_eq!(audio.last().unwrap().payload, frame(59));
    assert!(audio.len() >= 48, "{}", audio.len());
}

#[test]
fn a_key_that_the_peer_cannot_take_is_counted() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(SEAT, "203.0.113.2:6000", Law::A);
    phone.stream.events = None;
    // Nor tones: they would be bent.
    phone.stream.coding = codecs::Coding::G722;
    bed.agree(&phone);
    bed.command(Command::Press { leg: SEAT, digit: digit('1') });
    assert_eq!(bed.engine.ignored(), 1);
}

/// Presses `keys` over a link that loses, doubles and swaps; gives what was told.
fn over_a_bad_link(seed: u64, loss: u64, keys: &str) -> String {
    let mut random = Entropy::from_number(seed);
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.agree(&phone);
    let mut packets = Vec::new();
    for key in keys.chars() {
        packets.extend(phone.key(key));
        packets.extend((0..5).map(|n| phone.audio(&frame(n))));
    }
    let mut n = 0;
    while n + 1 < packets.len() {
        if random.below(100) < 2 {
            packets.swap(n, n + 1);
            n += 1;
        }
        n += 1;
    }
    for packet in packets {
        if random.below(100) >= loss {
            bed.receive(CALLER, Port::Rtp, phone.address, &packet);
            if random.below(100) < 5 {
                bed.receive(CALLER, Port::Rtp, phone.address, &packet);
            }
        }
        bed.pass(FRAME);
    }
    bed.digits(CALLER)
}

#[test]
fn at_ten_percent_loss_every_key_is_right_and_at_twenty_99_of_100() {
    const KEYS: &str = "0123456789*#1199558800**##13579246801122";
    let mut right = 0;
    for seed in 0..50 {
        assert_eq!(over_a_bad_link(seed, 10, KEYS), KEYS, "seed {seed}");
        let told = over_a_bad_link(seed + 1000, 20, KEYS);
        assert!(told.len() <= KEYS.len(), "seed {seed}: doubled {told}");
        right += usize::from(told == KEYS);
    }
    assert!(right >= 49, "{right} of 50 rows of keys");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_loss_ever_doubles_a_key(seed: u64, loss in 0u64..95) {
        const KEYS: &str = "1122334455";
        let told = over_a_bad_link(seed, loss, KEYS);
        // What is told is what was pressed with some keys left out.
        let mut pressed = KEYS.chars();
        prop_assert!(told.chars().all(|key| pressed.any(|c| c == key)), "{told}");
    }
}

#[test]
fn a_peer_without_events_is_heard_by_its_tones_and_hears_tones() {
    let mut bed = Bed::new();
    let mut caller = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    let mut seat = Phone::new(SEAT, "203.0.113.2:6000", Law::A);
    seat.stream.events = None;
    bed.agree(&caller);
    bed.agree(&seat);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    let tone = |key: char, at: usize| -> Vec<u8> {
        let mut pcm = [0; 160];
        if at < 5 {
            tones::render(digit(key), at * 160, &mut pcm);
        }
        pcm.iter().map(|sample| Law::A.encode(*sample)).collect()
    };
    for at in 0..40 {
        bed.speak(&mut seat, &tone(if at < 20 { '4' } else { '#' }, at % 20));
        bed.speak(&mut caller, &[Law::A.silence(); 160]);
        bed.pass(FRAME);
    }
    assert_eq!(bed.digits(SEAT), "4#");
    bed.heard.sent.clear();
    for key in ['5', '0', '*'] {
        bed.command(Command::Press { leg: SEAT, digit: digit(key) });
    }
    bed.pass(Duration::from_secs(1));
    let heard: Vec<i16> = bed
        .rtp(SEAT)
        .iter()
        .flat_map(|packet| packet.payload.clone())
        .map(|byte| Law::A.decode(byte))
        .collect();
    let mut keys = String::new();
    band::Receiver::new().listen(&heard, |digit| keys.push(digit.as_char()));
    assert_eq!(keys, "50*");
}
