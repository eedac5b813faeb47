//! What a leg hears from us alone: prompts, ringback, silence.

use super::*;
use crate::seam::Lack;

#[test]
fn a_prompt_is_heard_byte_for_byte_and_told_as_played_at_its_end() {
    for law in [Law::A, Law::Mu] {
        let mut bed = Bed::new();
        bed.agree(&Phone::new(CALLER, "198.51.100.1:4000", law));
        bed.play(CALLER, "welcome", 9);
        let begun = bed.now.mono;
        bed.pass(Duration::from_millis(200));
        let heard = bed.rtp(CALLER);
        let audio: Vec<u8> = heard.iter().flat_map(|packet| packet.payload.clone()).collect();
        let wanted = if law == Law::A { prompt(1000).pcma } else { prompt(1000).pcmu };
        assert_eq!(audio[..1000], wanted[..]);
        assert!(audio[1000..].iter().all(|&byte| byte == law.silence()));
        assert_eq!(bed.told(), [Event::Played { leg: CALLER, token: 9 }]);
        assert!(heard.iter().all(|packet| packet.payload_type == if law == Law::A { 8 } else { 0 }));
        assert!(heard[0].marker && heard[1..].iter().all(|packet| !packet.marker));
        // 140 ms of audio in 20 ms packets, the first on the grid.
        assert!(heard[0].at.since(begun) <= Duration::from_millis(10));
    }
}

#[test]
fn every_packet_time_is_kept_and_the_last_frame_is_filled_up() {
    for (ptime, bytes) in [(10, 80), (20, 160), (30, 240), (60, 480)] {
        let mut bed = Bed::new();
        let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
        phone.stream.ptime = ptime;
        bed.agree(&phone);
        bed.play(CALLER, "menu", 1);
        bed.pass(Duration::from_millis(600));
        let heard = bed.rtp(CALLER);
        assert!(heard.iter().all(|packet| packet.payload.len() == bytes), "{ptime}");
        let audio: Vec<u8> = heard.iter().flat_map(|packet| packet.payload.clone()).collect();
        assert_eq!(audio[..333], prompt(333).pcma[..]);
        for pair in heard.windows(2) {
            assert_eq!(pair[1].at.since(pair[0].at), Duration::from_millis(u64::from(ptime)));
            assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), bytes as u32);
        }
    }
}

#[test]
fn an_hour_of_late_ticks_drifts_by_nothing() {
    let mut bed = Bed::new();
    bed.agree(&Phone::new(CALLER, "198.51.100.1:4000", Law::A));
    let mut random = Entropy::from_number(3);
    let begun = bed.now.mono;
    while bed.now.mono.since(begun) < Duration::from_hours(1) {
        let due = bed.engine.deadline().unwrap();
        let late = Duration::from_micros(random.below(9000));
        bed.now = bed.now.later(due.since(bed.now.mono) + late);
        bed.tick();
    }
    let heard = bed.rtp(CALLER);
    assert!((179_999..=180_001).contains(&heard.len()), "{}", heard.len());
    for (n, packet) in heard.iter().enumerate() {
        assert_eq!(packet.timestamp, heard[0].timestamp.wrapping_add(n as u32 * 160));
        assert_eq!(packet.sequence, heard[0].sequence.wrapping_add(n as u16));
    }
}

#[test]
fn after_a_stall_a_burst_is_bounded_and_nothing_of_the_prompt_is_lost() {
    let mut bed = Bed::new();
    bed.agree(&Phone::new(CALLER, "198.51.100.1:4000", Law::A));
    bed.pass(Duration::from_millis(100));
    bed.play(CALLER, "welcome", 1);
    bed.rtp(CALLER);
    bed.now = bed.now.later(Duration::from_millis(777));
    bed.tick();
    assert_eq!(bed.heard.sent.len(), 5);
    bed.pass(Duration::from_millis(200));
    let heard = bed.rtp(CALLER);
    let audio: Vec<u8> = heard.iter().flat_map(|packet| packet.payload.clone()).collect();
    assert_eq!(audio[..1000], prompt(1000).pcma[..]);
    // The time lost shows in the timestamps, so that the far end's clock and ours stay together.
    let passed = heard[heard.len() - 1].timestamp.wrapping_sub(heard[0].timestamp);
    assert!((passed / 8).abs_diff(977) < 41, "{} ms", passed / 8);
    assert!(heard[5].marker);
}

#[test]
fn ringback_goes_on_until_stopped_and_then_silence_flows() {
    let mut bed = Bed::new();
    bed.agree(&Phone::new(CALLER, "198.51.100.1:4000", Law::Mu));
    bed.ring(CALLER);
    bed.pass(Duration::from_secs(12));
    let tone = crate::tone::Tones::default().find(Country::Cn, Tone::Ringback).unwrap().pcmu;
    for (n, packet) in bed.rtp(CALLER).iter().enumerate() {
        let at = n * 160 % tone.len();
        assert_eq!(packet.payload, tone[at..at + 160]);
    }
    bed.command(Command::Stop { leg: CALLER });
    bed.pass(Duration::from_secs(1));
    let heard = bed.rtp(CALLER);
    assert_eq!(heard.len(), 50);
    assert!(heard.iter().all(|packet| packet.payload == [0xff; 160]));
    assert_eq!(bed.told(), [Event::Unheard { leg: CALLER, lack: Lack::Packets }], "it never spoke");
}

#[test]
fn a_replaced_prompt_is_not_told_and_a_missing_one_is() {
    let mut bed = Bed::new();
    bed.agree(&Phone::new(CALLER, "198.51.100.1:4000", Law::A));
    bed.play(CALLER, "welcome", 1);
    bed.pass(Duration::from_millis(60));
    bed.play(CALLER, "menu", 2);
    bed.pass(Duration::from_secs(1));
    assert_eq!(bed.told(), [Event::Played { leg: CALLER, token: 2 }]);
    bed.play(CALLER, "nothing", 3);
    assert_eq!(bed.told(), [Event::PromptMissing { leg: CALLER, token: 3 }]);
}

#[test]
fn new_prompts_do_not_disturb_what_plays() {
    let mut bed = Bed::new();
    bed.agree(&Phone::new(CALLER, "198.51.100.1:4000", Law::A));
    bed.play(CALLER, "welcome", 1);
    bed.pass(Duration::from_millis(40));
    bed.command(Command::Prompts(Arc::new(Prompts::default())));
    bed.pass(Duration::from_millis(200));
    assert_eq!(bed.told(), [Event::Played { leg: CALLER, token: 1 }]);
    bed.play(CALLER, "welcome", 2);
    assert_eq!(bed.told(), [Event::PromptMissing { leg: CALLER, token: 2 }]);
}

#[test]
fn nothing_is_sent_before_agreement_and_a_prompt_waits_for_it() {
    let mut bed = Bed::new();
    let phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.command(Command::Open { leg: CALLER, ssrc: 1 });
    bed.play(CALLER, "welcome", 1);
    bed.pass(Duration::from_secs(1));
    assert_eq!(bed.heard.sent, []);
    assert_eq!(bed.engine.deadline(), None);
    bed.command(Command::Agree { leg: CALLER, stream: phone.stream });
    bed.pass(Duration::from_millis(200));
    let audio: Vec<u8> = bed.rtp(CALLER).iter().flat_map(|packet| packet.payload.clone()).collect();
    assert_eq!(audio[..1000], prompt(1000).pcma[..]);
}

#[test]
fn a_peer_on_hold_hears_nothing_but_a_prompts_time_passes() {
    for (direction, remote) in [
        (Direction::Inactive, "198.51.100.1:4000"),
        (Direction::ReceiveOnly, "198.51.100.1:4000"),
        (Direction::Both, "0.0.0.0:4000"),
        (Direction::Both, "198.51.100.1:0"),
    ] {
        let mut bed = Bed::new();
        let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
        bed.agree(&phone);
        bed.pass(Duration::from_millis(100));
        phone.stream.direction = direction;
        phone.stream.remote_rtp = address(remote);
        bed.command(Command::Agree { leg: CALLER, stream: phone.stream.clone() });
        bed.rtp(CALLER);
        bed.play(CALLER, "welcome", 4);
        bed.pass(Duration::from_secs(1));
        assert_eq!(bed.rtp(CALLER), [], "{direction:?} {remote}");
        assert_eq!(bed.told(), [Event::Played { leg: CALLER, token: 4 }]);
        phone.stream.direction = Direction::Both;
        phone.stream.remote_rtp = phone.address;
        bed.command(Command::Agree { leg: CALLER, stream: phone.stream.clone() });
        bed.pass(Duration::from_secs(1));
        let heard = bed.rtp(CALLER);
        assert!((50..=51).contains(&heard.len()), "silence flows again: {}", heard.len());
        assert!(heard[0].marker);
    }
}

#[test]
fn one_stream_for_life_with_timestamps_that_keep_real_time() {
    let (mut bed, _, mut seat) = Bed::talking(Law::A);
    bed.command(Command::Unbridge { a: CALLER, b: SEAT });
    bed.play(CALLER, "welcome", 1);
    bed.pass(Duration::from_millis(500));
    bed.command(Command::Bridge { a: SEAT, b: CALLER });
    bed.pass(Duration::from_millis(333));
    for n in 0..50 {
        bed.speak(&mut seat, &frame(n));
        bed.pass(FRAME);
    }
    bed.command(Command::Unbridge { a: CALLER, b: SEAT });
    bed.ring(CALLER);
    bed.pass(Duration::from_millis(500));
    let heard = bed.rtp(CALLER);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
        let stamped = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((160..=3200).contains(&stamped), "{stamped}");
        let passed = pair[1].at.since(pair[0].at).as_millis() as u32 * 8;
        assert!(stamped.abs_diff(passed) <= 160, "{stamped} for {passed}");
    }
}

#[test]
fn silence_of_the_peer_is_told_once_and_again_after_it_spoke() {
    let mut bed = Bed::new();
    let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
    bed.agree(&phone);
    bed.pass(Duration::from_secs(59));
    assert_eq!(bed.told(), [Event::Unheard { leg: CALLER, lack: Lack::Packets }]);
    bed.pass(Duration::from_secs(200));
    assert_eq!(bed.told(), [Event::Silent { leg: CALLER }]);
    bed.speak(&mut phone, &frame(1));
    bed.told();
    bed.pass(Duration::from_secs(59));
    assert_eq!(bed.told(), []);
    bed.pass(Duration::from_secs(2));
    assert_eq!(bed.told(), [Event::Silent { leg: CALLER }]);
    phone.stream.direction = Direction::SendOnly;
    bed.command(Command::Agree { leg: CALLER, stream: phone.stream.clone() });
    bed.pass(Duration::from_mins(10));
    assert_eq!(bed.told(), [], "a peer on hold may be silent");
    phone.stream.direction = Direction::Both;
    bed.command(Command::Agree { leg: CALLER, stream: phone.stream });
    bed.pass(Duration::from_secs(59));
    assert_eq!(bed.told(), []);
    bed.pass(Duration::from_secs(2));
    assert_eq!(bed.told(), [Event::Silent { leg: CALLER }]);
}

#[test]
fn commands_for_legs_that_are_gone_do_nothing_but_count() {
    let mut bed = Bed::new();
    bed.play(CALLER, "welcome", 1);
    bed.ring(CALLER);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    bed.command(Command::Unbridge { a: CALLER, b: SEAT });
    bed.command(Command::Press { leg: CALLER, digit: digit('1') });
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    bed.receive(CALLER, Port::Rtp, address("198.51.100.1:4000"), &frame(1));
    assert_eq!(bed.engine.ignored(), 8);
    bed.command(Command::Close { leg: CALLER });
    assert_eq!(bed.told(), [Event::Closed { leg: CALLER, quality: Quality::default() }]);
    assert_eq!((bed.engine.channels(), bed.engine.deadline()), (0, None));
}
