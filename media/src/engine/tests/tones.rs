//! Tones, music and silence of ours on a leg: how long, in what order, in which codec.

use codecs::{Coding, Decoder, MOST_SAMPLES, Rate};

use super::*;
use crate::seam::Side;
use crate::tone::Tones;

/// All that the peer heard since the last look.
fn audio(bed: &mut Bed) -> Vec<u8> {
    bed.rtp(CALLER).iter().flat_map(|packet| packet.payload.clone()).collect()
}

fn bed(law: Law) -> Bed {
    let mut bed = Bed::new();
    bed.agree(&Phone::new(CALLER, "198.51.100.1:4000", law));
    bed
}

#[test]
fn a_tone_of_a_length_ends_to_the_sample_and_is_told_as_played() {
    let mut bed = bed(Law::Mu);
    // Longer than the period of 700 ms, and no multiple of a packet.
    bed.tone(CALLER, Tone::Busy, Some(Duration::from_millis(1515)));
    bed.pass(Duration::from_millis(1400));
    assert_eq!(bed.told(), []);
    bed.pass(Duration::from_millis(200));
    assert_eq!(bed.told(), [Event::Played { leg: CALLER, token: 99 }]);
    let busy = Tones::default().find(Country::Cn, Tone::Busy).unwrap().pcmu;
    let heard = audio(&mut bed);
    let wanted: Vec<u8> = busy.iter().copied().cycle().take(1515 * 8).collect();
    assert_eq!(heard[..1515 * 8], wanted[..]);
    assert!(heard[1515 * 8..].iter().all(|&byte| byte == Law::Mu.silence()));
}

#[test]
fn a_tone_that_is_replaced_or_stopped_is_not_told() {
    let mut bed = bed(Law::A);
    bed.tone(CALLER, Tone::Congestion, Some(Duration::from_millis(100)));
    bed.pass(Duration::from_millis(60));
    bed.play(CALLER, "welcome", 1);
    bed.pass(Duration::from_millis(300));
    assert_eq!(bed.told(), [Event::Played { leg: CALLER, token: 1 }]);
    bed.tone(CALLER, Tone::Beep, Some(Duration::from_millis(300)));
    bed.pass(Duration::from_millis(60));
    bed.command(Command::Stop { leg: CALLER });
    bed.pass(Duration::from_secs(1));
    assert_eq!(bed.told(), []);
}

#[test]
fn the_country_is_the_commands_own() {
    for country in Country::ALL {
        let mut bed = bed(Law::A);
        bed.command(Command::Tone { leg: CALLER, country, tone: Tone::Busy, length: None, token: 0 });
        bed.pass(Duration::from_secs(3));
        let busy = Tones::default().find(country, Tone::Busy).unwrap().pcma;
        let heard = audio(&mut bed);
        assert!(heard.len() > 22_000);
        assert!(heard.iter().eq(busy.iter().cycle().take(heard.len())), "{country:?}");
    }
}

#[test]
fn music_goes_round_without_a_gap_until_somebody_answers() {
    for law in [Law::A, Law::Mu] {
        let mut bed = bed(law);
        bed.command(Command::Music { leg: CALLER, line: "line".into(), prompt: "menu".into() });
        bed.pass(Duration::from_secs(2));
        let music = if law == Law::A { prompt(333).pcma } else { prompt(333).pcmu };
        let heard = audio(&mut bed);
        assert!(heard.len() >= 15_840);
        assert!(heard.iter().eq(music.iter().cycle().take(heard.len())), "333 samples, over and over");
        let mut seat = Phone::new(SEAT, "203.0.113.2:6000", law);
        bed.agree(&seat);
        bed.command(Command::Bridge { a: CALLER, b: SEAT });
        for n in 0..20 {
            bed.speak(&mut seat, &frame(n));
            bed.pass(FRAME);
        }
        let heard = audio(&mut bed);
        assert_eq!(heard[..160], frame(0)[..], "not a sample of music after the answer");
        assert_eq!(bed.told().iter().filter(|event| matches!(event, Event::Played { .. })).count(), 0);
    }
}

#[test]
fn music_begins_anew_each_time_and_missing_music_is_silence_and_counted() {
    let mut bed = bed(Law::A);
    let music = |prompt: &str| Command::Music { leg: CALLER, line: "line".into(), prompt: prompt.into() };
    bed.command(music("welcome"));
    bed.pass(Duration::from_millis(70));
    bed.command(Command::Stop { leg: CALLER });
    bed.pass(Duration::from_millis(100));
    audio(&mut bed);
    bed.command(music("welcome"));
    bed.pass(Duration::from_millis(100));
    assert_eq!(audio(&mut bed)[..640], prompt(1000).pcma[..640]);
    bed.command(music("nothing"));
    bed.pass(Duration::from_millis(100));
    assert!(audio(&mut bed).iter().all(|&byte| byte == Law::A.silence()));
    assert_eq!((bed.engine.ignored(), bed.told()), (1, vec![]));
}

#[test]
fn silence_is_sent_and_heard_in_place_of_the_other_party() {
    let (mut bed, _, mut seat) = Bed::talking(Law::A);
    bed.tone(CALLER, Tone::Silence, Some(Duration::from_millis(200)));
    for n in 0..20 {
        bed.speak(&mut seat, &frame(n));
        bed.pass(FRAME);
    }
    let heard = bed.rtp(CALLER);
    let quiet = heard.iter().filter(|packet| packet.payload == [Law::A.silence(); 160]).count();
    assert!((9..=11).contains(&quiet), "{quiet} packets of silence");
    assert_eq!(heard.last().unwrap().payload, frame(19));
    assert!(bed.told().contains(&Event::Played { leg: CALLER, token: 99 }));
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
    }
}

#[test]
fn tones_and_silence_are_heard_in_every_codec() {
    for &coding in Coding::ALL {
        let mut bed = Bed::new();
        let mut phone = Phone::new(CALLER, "198.51.100.1:4000", Law::A);
        phone.stream.coding = coding;
        phone.stream.payload_type = coding.payload_type().unwrap_or(111);
        bed.agree(&phone);
        bed.tone(CALLER, Tone::Busy, Some(Duration::from_millis(1400)));
        bed.pass(Duration::from_millis(1400));
        bed.tone(CALLER, Tone::Silence, None);
        bed.pass(Duration::from_millis(600));
        let packets = bed.rtp(CALLER);
        assert!((99..=101).contains(&packets.len()), "{coding:?}: packets all the time: {}", packets.len());
        let mut decoder = Decoder::new(coding, Rate::Narrow);
        let mut pcm = Vec::new();
        for packet in &packets {
            let mut samples = vec![0; MOST_SAMPLES];
            let len = decoder.decode(Some(&packet.payload), &mut samples);
            pcm.extend_from_slice(&samples[..len]);
        }
        let loud = |from: usize, to: usize| {
            let part = &pcm[from * 8..to * 8];
            (part.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / part.len() as f64).sqrt()
        };
        // -10 dBm0 is 5066 in the mean; on and off by 350 ms.
        for (from, to) in [(50, 330), (750, 1030)] {
            assert!((4000.0..6000.0).contains(&loud(from, to)), "{coding:?}: {}", loud(from, to));
        }
        for (from, to) in [(420, 680), (1120, 1380), (1500, 1950)] {
            assert!(loud(from, to) < 100.0, "{coding:?}: {}", loud(from, to));
        }
    }
}

#[test]
fn the_recorder_hears_nothing_of_what_we_play() {
    let (mut bed, mut caller, mut seat) = Bed::talking(Law::A);
    bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
    bed.command(Command::Unbridge { a: CALLER, b: SEAT });
    bed.command(Command::Music { leg: CALLER, line: "line".into(), prompt: "welcome".into() });
    bed.tone(SEAT, Tone::Busy, None);
    for n in 0..10 {
        bed.speak(&mut caller, &frame(n));
        bed.speak(&mut seat, &frame(100 + n));
        bed.pass(FRAME);
    }
    for (side, first) in [(Side::Caller, 0), (Side::Seat, 100)] {
        let of = bed.heard.tapped.iter().filter(|packet| packet.side == side);
        let heard: Vec<Vec<u8>> = of.map(|packet| packet.bytes().to_vec()).collect();
        assert_eq!(heard, (first..first + 10).map(frame).collect::<Vec<_>>());
    }
}

#[test]
fn a_worker_takes_the_tones_that_came_with_the_prompts() {
    let mut prompts = Prompts::default();
    prompts.insert_country(Country::Fr);
    let shared = prompts.tones().clone().find(Country::Fr, Tone::Ringback).unwrap();
    let mut bed = bed(Law::A);
    bed.command(Command::Prompts(Arc::new(prompts)));
    // The next plan has no line of that country any more; a call of the old one goes on.
    bed.command(Command::Prompts(Arc::new(Prompts::default())));
    let rings = bed.engine.tones.find(Country::Fr, Tone::Ringback).unwrap();
    assert_eq!(rings.pcma.as_ptr(), shared.pcma.as_ptr(), "the same bytes");
}
