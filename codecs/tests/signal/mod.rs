//! Signals to judge codecs by, and what is left of them.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a module of tests and benches")]

use std::f64::consts::TAU;

use codecs::{Coding, Decoder, Encoder, MOST_PAYLOAD, MOST_SAMPLES, Rate};

pub fn tone(hz: f64, peak: f64, rate: Rate, len: usize) -> Vec<i16> {
    (0..len).map(|n| (peak * (TAU * hz * n as f64 / rate.hz() as f64).sin()).round() as i16).collect()
}

/// The amplitude of a tone in `audio`, and how far all else lies below it, in dB. A sine of any phase and
/// a constant are fitted, so that a codec's delay does not matter.
pub fn found(audio: &[i16], hz: f64, rate: Rate) -> (f64, f64) {
    let len = audio.len() as f64;
    let mean = audio.iter().map(|&x| f64::from(x)).sum::<f64>() / len;
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &x) in audio.iter().enumerate() {
        let (sin, cos) = (TAU * hz * n as f64 / rate.hz() as f64).sin_cos();
        re += (f64::from(x) - mean) * cos * 2.0 / len;
        im += (f64::from(x) - mean) * sin * 2.0 / len;
    }
    let mut rest = 0.0;
    for (n, &x) in audio.iter().enumerate() {
        let (sin, cos) = (TAU * hz * n as f64 / rate.hz() as f64).sin_cos();
        rest += (f64::from(x) - mean - re * cos - im * sin).powi(2) / len;
    }
    let amplitude = re.hypot(im);
    (amplitude, 10.0 * (amplitude * amplitude / 2.0 / rest.max(1e-3)).log10())
}

/// Root mean square.
pub fn rms(audio: &[i16]) -> f64 {
    (audio.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / audio.len().max(1) as f64).sqrt()
}

/// The greatest step between neighbours.
pub fn step(audio: &[i16]) -> i32 {
    audio.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

/// A line's prompt: speech at 16 kHz.
pub fn speech(rate: Rate) -> Vec<i16> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/lines/huaning/prompts/main_menu.wav");
    let mut file = hound::WavReader::open(path).unwrap();
    assert_eq!(file.spec().sample_rate, 16_000);
    let wide: Vec<i16> = file.samples().map(Result::unwrap).collect();
    if rate == Rate::Wide {
        return wide;
    }
    let mut narrow = vec![0; wide.len() / 2];
    codecs::resample::Down::new().process(&wide, &mut narrow);
    narrow
}

/// Packets of `ms` milliseconds.
pub fn packets(coding: Coding, rate: Rate, ms: usize, audio: &[i16]) -> Vec<Vec<u8>> {
    coded(&mut Encoder::new(coding, rate), ms, audio)
}

pub fn coded(encoder: &mut Encoder, ms: usize, audio: &[i16]) -> Vec<Vec<u8>> {
    let mut out = [0; MOST_PAYLOAD];
    audio
        .chunks_exact(encoder.rate().samples(ms))
        .map(|frame| {
            let len = encoder.encode(frame, &mut out);
            assert!(len > 0, "{:?} {ms} ms", encoder.coding());
            out[..len].to_vec()
        })
        .collect()
}

pub fn decoded<'a>(decoder: &mut Decoder, packets: impl IntoIterator<Item = Option<&'a [u8]>>) -> Vec<i16> {
    let mut out = [0; MOST_SAMPLES];
    let mut audio = Vec::new();
    for packet in packets {
        let len = decoder.decode(packet, &mut out);
        audio.extend_from_slice(&out[..len]);
    }
    audio
}
