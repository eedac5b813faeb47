//! Packets that do not come: what is heard instead, and how audio returns.
#![allow(missing_docs)]

use codecs::{Coding, Decoder, Encoder, MOST_SAMPLES, Rate};
use signal::{coded, decoded, packets, rms, speech, step, tone};

mod signal;

/// Audio with the packets left out that `lost` names.
fn with_loss(coding: Coding, rate: Rate, audio: &[i16], lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let packets = packets(coding, rate, 20, audio);
    let come = packets.iter().enumerate().map(|(n, p)| (!lost(n)).then_some(p.as_slice()));
    decoded(&mut Decoder::new(coding, rate), come)
}

#[test]
fn a_lost_packet_of_a_voice_is_bridged_without_a_click() {
    for coding in [Coding::Pcma, Coding::Pcmu, Coding::G722] {
        for hz in [90.0, 200.0, 310.0, 437.0] {
            let rate = coding.rate();
            let audio = tone(hz, 8000.0, rate, rate.hz());
            let whole = with_loss(coding, rate, &audio, |_| false);
            let holed = with_loss(coding, rate, &audio, |n| n == 25);
            assert_eq!(holed.len(), whole.len());
            let around = rate.samples(480)..rate.samples(560);
            let (smooth, seen) = (step(&whole[around.clone()]), step(&holed[around]));
            assert!(seen <= smooth * 3 / 2 + 200, "{coding:?} {hz} Hz: {seen} against {smooth}");
            let level = rms(&holed[rate.samples(500)..rate.samples(520)]) / rms(&whole);
            assert!((0.75..1.1).contains(&level), "{coding:?} {hz} Hz: {level:.2}");
            // What came before the loss is untouched, and 20 ms after it all is as if nothing had been.
            assert_eq!(holed[..rate.samples(500)], whole[..rate.samples(500)]);
            if coding != Coding::G722 {
                assert_eq!(holed[rate.samples(530)..], whole[rate.samples(530)..]);
            }
        }
    }
}

#[test]
fn a_long_loss_fades_to_silence_in_sixty_milliseconds() {
    for coding in [Coding::Pcma, Coding::G722] {
        let rate = coding.rate();
        let audio = with_loss(coding, rate, &tone(200.0, 8000.0, rate, rate.hz()), |n| (20..40).contains(&n));
        let level = |ms: usize| rms(&audio[rate.samples(ms)..rate.samples(ms + 10)]) / 5657.0;
        assert!(level(400) > 0.9, "{}", level(400));
        assert!((0.4..0.8).contains(&level(430)), "{}", level(430));
        assert!(level(450) < 0.25);
        assert!(level(460) < 1e-9);
        assert!(level(780) < 1e-9);
        assert!(level(820) > 0.9, "{}", level(820));
    }
}

#[test]
fn nothing_heard_yet_is_silence() {
    for &coding in Coding::ALL {
        let mut out = [1; MOST_SAMPLES];
        let mut decoder = Decoder::new(coding, coding.rate());
        assert_eq!(decoder.decode(None, &mut out), coding.rate().samples(20), "{coding:?}");
        assert!(rms(&out[..160]) < 20.0, "{coding:?}");
    }
}

#[test]
fn concealment_is_as_long_as_the_last_packet_and_no_longer_than_there_is_room() {
    for &coding in Coding::ALL {
        for rate in [Rate::Narrow, Rate::Wide] {
            for ms in [10, 20, 40, 60] {
                let packets = packets(coding, rate, ms, &tone(300.0, 5000.0, rate, rate.samples(ms) * 3));
                let mut decoder = Decoder::new(coding, rate);
                decoded(&mut decoder, packets.iter().map(|p| Some(p.as_slice())));
                let mut out = [0; MOST_SAMPLES];
                assert_eq!(decoder.decode(None, &mut out), rate.samples(ms), "{coding:?} {rate:?} {ms} ms");
                let ten = rate.samples(10);
                assert_eq!(decoder.decode(None, &mut out[..ten]), ten, "{coding:?} {rate:?} {ms} ms");
            }
        }
    }
}

/// How far what is heard lies from what would be heard without loss, over the speech, in dB.
fn error(clean: &[i16], heard: &[i16]) -> f64 {
    let difference: f64 = clean.iter().zip(heard).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let signal: f64 = clean.iter().map(|&a| f64::from(a).powi(2)).sum();
    10.0 * (signal / difference).log10()
}

#[test]
fn opus_brings_a_lost_packet_back_out_of_the_next_one() {
    let audio = speech(Rate::Wide);
    let mut encoder = Encoder::new(Coding::Opus, Rate::Wide);
    encoder.set_loss(20);
    let packets = coded(&mut encoder, 20, &audio);
    let clean =
        decoded(&mut Decoder::new(Coding::Opus, Rate::Wide), packets.iter().map(|p| Some(p.as_slice())));
    let lost = |n: usize| n % 5 == 4;
    let (mut concealed, mut recovered) = (Vec::new(), Vec::new());
    let mut plain = Decoder::new(Coding::Opus, Rate::Wide);
    let mut clever = Decoder::new(Coding::Opus, Rate::Wide);
    let mut out = [0; MOST_SAMPLES];
    for (n, packet) in packets.iter().enumerate() {
        let len = plain.decode((!lost(n)).then_some(packet), &mut out);
        concealed.extend_from_slice(&out[..len]);
        let len = match packets.get(n + 1) {
            Some(next) if lost(n) => clever.recover(next, &mut out),
            _ => clever.decode(Some(packet), &mut out),
        };
        recovered.extend_from_slice(&out[..len]);
    }
    assert_eq!((concealed.len(), recovered.len()), (clean.len(), clean.len()));
    let (by_guess, by_copy) = (error(&clean, &concealed), error(&clean, &recovered));
    println!("20 % lost: concealed {by_guess:.1} dB, recovered {by_copy:.1} dB");
    assert!(by_copy > by_guess + 2.0, "{by_guess:.1} {by_copy:.1}");
}

#[test]
fn speech_with_a_tenth_lost_keeps_its_loudness() {
    for coding in [Coding::Pcma, Coding::G722, Coding::Opus] {
        let rate = coding.rate();
        let audio = speech(rate);
        let whole = with_loss(coding, rate, &audio, |_| false);
        let holed = with_loss(coding, rate, &audio, |n| n % 10 == 7);
        let frames = whole.chunks_exact(rate.samples(20)).zip(holed.chunks_exact(rate.samples(20)));
        let (mut away, mut of) = (0.0, 0.0);
        for (_, (clean, heard)) in frames.enumerate().filter(|(n, _)| n % 10 == 7) {
            away += (rms(clean) - rms(heard)).abs();
            of += rms(clean);
        }
        println!("{coding:?}: loudness of what was lost is off by {:.0} %", 100.0 * away / of);
        assert!(away / of < 0.4, "{coding:?}: {:.2}", away / of);
    }
}

#[test]
fn comfort_noise_goes_on_until_audio_comes() {
    for &coding in Coding::ALL {
        let rate = coding.rate();
        let packets = packets(coding, rate, 20, &tone(300.0, 5000.0, rate, rate.hz()));
        let mut decoder = Decoder::new(coding, rate);
        let mut out = [0; MOST_SAMPLES];
        decoder.decode(Some(&packets[0]), &mut out);
        let len = decoder.comfort(&[50], &mut out);
        assert_eq!(len, rate.samples(20));
        for _ in 0..100 {
            let len = decoder.decode(None, &mut out);
            let level = rms(&out[..len]);
            // -50 dBov is 104 of 32767.
            assert!((80.0..130.0).contains(&level), "{coding:?} {level}");
        }
        let heard = decoded(&mut decoder, packets.iter().map(|p| Some(p.as_slice())));
        assert!(rms(&heard[heard.len() / 2..]) > 3000.0);
        assert_eq!(decoder.faults(), 0);
        decoder.comfort(&[], &mut out);
        assert_eq!(decoder.faults(), 1);
    }
}
