//! Golden audio: what a tone is after each coding, each pair, each packet length.
#![allow(missing_docs)]

use codecs::{Coding, Decoder, MOST_PAYLOAD, Rate, Transcoder};
use signal::{decoded, found, packets, speech, tone};

mod signal;

/// Through one coding and back.
fn through(coding: Coding, rate: Rate, ms: usize, audio: &[i16]) -> Vec<i16> {
    let packets = packets(coding, rate, ms, audio);
    decoded(&mut Decoder::new(coding, rate), packets.iter().map(|p| Some(p.as_slice())))
}

#[test]
fn a_tone_keeps_its_level_and_stays_clean() {
    // Coding, frequency, the least distance to all else in dB.
    let mut expected = vec![
        (Coding::Pcma, 1020.0, 35.0),
        (Coding::Pcmu, 1020.0, 35.0),
        (Coding::G722, 1020.0, 40.0),
        (Coding::G722, 5000.0, 18.0),
        (Coding::Opus, 1020.0, 20.0),
    ];
    #[cfg(feature = "g729")]
    expected.push((Coding::G729, 1020.0, 15.0));
    for (coding, hz, least) in expected.drain(..) {
        let rate = coding.rate();
        let audio = through(coding, rate, 20, &tone(hz, 8000.0, rate, rate.hz() * 2));
        let (amplitude, distance) = found(&audio[rate.hz()..], hz, rate);
        println!("{coding:?} {hz} Hz: {amplitude:.0} {distance:.1} dB");
        assert!(distance > least, "{coding:?} {hz} Hz: {distance:.1} dB");
        assert!((20.0 * (amplitude / 8000.0).log10()).abs() < 0.75, "{coding:?} {hz} Hz: {amplitude:.0}");
    }
}

#[test]
fn seven_kilohertz_pass_where_the_coding_is_wide() {
    for hz in [100.0, 300.0, 3400.0, 5000.0, 6000.0, 6800.0] {
        let audio = through(Coding::G722, Rate::Wide, 20, &tone(hz, 6000.0, Rate::Wide, 32_000));
        let (amplitude, _) = found(&audio[16_000..], hz, Rate::Wide);
        let level = 20.0 * (amplitude / 6000.0).log10();
        assert!(level.abs() < 1.0, "{hz} Hz: {level:.2} dB");
    }
}

#[test]
fn every_packet_length_gives_back_as_many_samples() {
    for &coding in Coding::ALL {
        for rate in [Rate::Narrow, Rate::Wide] {
            // Opus knows no 50.
            for ms in [10, 20, 30, 40, 50, 60].into_iter().filter(|ms| coding != Coding::Opus || *ms != 50) {
                let audio = tone(440.0, 6000.0, rate, rate.samples(ms) * 20);
                let packets = packets(coding, rate, ms, &audio);
                for packet in &packets {
                    let ticks = coding.ticks(packet).unwrap() as usize;
                    assert_eq!(ticks, ms * coding.clock() as usize / 1000, "{coding:?} {rate:?} {ms} ms");
                }
                let mut decoder = Decoder::new(coding, rate);
                let heard = decoded(&mut decoder, packets.iter().map(|p| Some(p.as_slice())));
                assert_eq!(heard.len(), audio.len(), "{coding:?} {rate:?} {ms} ms");
                assert_eq!(decoder.faults(), 0);
                let (amplitude, _) = found(&heard[heard.len() / 2..], 440.0, rate);
                let level = 20.0 * (amplitude / 6000.0).log10();
                assert!(level.abs() < 1.5, "{coding:?} {rate:?} {ms} ms: {level:.2} dB");
            }
        }
    }
}

#[test]
fn packets_may_change_their_length_in_the_middle_of_a_stream() {
    for &coding in Coding::ALL {
        for rate in [Rate::Narrow, Rate::Wide] {
            let mut encoder = codecs::Encoder::new(coding, rate);
            let mut decoder = Decoder::new(coding, rate);
            for ms in [20, 60, 10, 40, 30, 20, 60, 20, 10, 30, 60, 10] {
                let audio = tone(440.0, 6000.0, rate, rate.samples(ms) * 10);
                let packets = signal::coded(&mut encoder, ms, &audio);
                let heard = decoded(&mut decoder, packets.iter().map(|p| Some(p.as_slice())));
                assert_eq!(heard.len(), audio.len(), "{coding:?} {rate:?} {ms} ms");
            }
            assert_eq!(decoder.faults(), 0);
        }
    }
}

/// What comes out of a transcoder that is pulled after each push, and how long its packets say they are.
fn transcoded(transcoder: &mut Transcoder, payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut out = [0; MOST_PAYLOAD];
    for payload in payloads {
        transcoder.push(Some(payload));
        loop {
            let len = transcoder.pull(&mut out);
            if len == 0 {
                break;
            }
            all.push(out[..len].to_vec());
        }
    }
    all
}

#[test]
fn every_pair_carries_a_tone_whatever_the_packet_lengths() {
    for &from in Coding::ALL {
        for &to in Coding::ALL {
            for (came, goes) in [(20, 20), (10, 30), (30, 20), (60, 10), (20, 60), (40, 20)] {
                let rate = from.rate();
                let incoming = packets(from, rate, came, &tone(700.0, 6000.0, rate, rate.samples(2400)));
                let mut transcoder = Transcoder::new(from, to);
                assert!(transcoder.set_ptime(goes));
                let outgoing = transcoded(&mut transcoder, &incoming);
                assert_eq!(outgoing.len(), 2400 / goes, "{from:?} to {to:?}, {came} to {goes} ms");
                for packet in &outgoing {
                    assert_eq!(to.ticks(packet), Some(transcoder.ticks()));
                }
                let heard =
                    decoded(&mut Decoder::new(to, Rate::Narrow), outgoing.iter().map(|p| Some(p.as_slice())));
                assert_eq!(heard.len(), Rate::Narrow.samples(2400));
                let (amplitude, distance) = found(&heard[12_000..], 700.0, Rate::Narrow);
                let level = 20.0 * (amplitude / 6000.0).log10();
                assert!(level.abs() < 1.5, "{from:?} to {to:?}, {came} to {goes} ms: {level:.2} dB");
                assert!(distance > 12.0, "{from:?} to {to:?}, {came} to {goes} ms: {distance:.1} dB");
                assert_eq!(transcoder.dropped(), 0);
            }
        }
    }
}

#[test]
fn speech_that_is_transcoded_there_and_back_is_still_the_same_speech() {
    let original = speech(Rate::Narrow);
    for &by in Coding::ALL {
        let there = transcoded(
            &mut Transcoder::new(Coding::Pcma, by),
            &packets(Coding::Pcma, Rate::Narrow, 20, &original),
        );
        let back = transcoded(&mut Transcoder::new(by, Coding::Pcma), &there);
        let heard =
            decoded(&mut Decoder::new(Coding::Pcma, Rate::Narrow), back.iter().map(|p| Some(p.as_slice())));
        let likeness = envelope_likeness(&original, &heard);
        println!("{by:?}: {likeness:.3}");
        assert!(likeness > 0.98, "{by:?}: {likeness:.3}");
    }
}

/// How alike the loudness of two recordings runs, in steps of 20 ms: 1 is the same.
fn envelope_likeness(a: &[i16], b: &[i16]) -> f64 {
    let loudness = |audio: &[i16]| -> Vec<f64> { audio.chunks_exact(160).map(signal::rms).collect() };
    let (a, b) = (loudness(a), loudness(b));
    let (mut product, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        product += x * y;
        of_a += x * x;
        of_b += y * y;
    }
    product / (of_a * of_b).sqrt()
}

/// The sum over what our encoder makes of this audio, and over what the decoder makes of that. FFmpeg's
/// G.722 agrees to the bit with both; it was asked when this was written.
#[test]
fn g722_is_the_same_to_the_bit() {
    let audio: Vec<i16> = speech(Rate::Wide).into_iter().take(64_000).collect();
    let packets = packets(Coding::G722, Rate::Wide, 20, &audio);
    let heard =
        decoded(&mut Decoder::new(Coding::G722, Rate::Wide), packets.iter().map(|p| Some(p.as_slice())));
    let coded: Vec<u8> = packets.concat();
    let sum = |bytes: &mut dyn Iterator<Item = u8>| {
        bytes
            .fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    };
    let heard_sum = sum(&mut heard.iter().flat_map(|x| x.to_le_bytes()));
    assert_eq!((sum(&mut coded.iter().copied()), heard_sum), (0x8fd2_95c9_d0b5_d1d0, 0xfff6_cce7_09c6_c64c));
}
