//! Files of every kind become the prompt that they should.

use std::f64::consts::TAU;
use std::io::Cursor;

use base::g711::Law;
use proptest::prelude::*;

use super::loudness::active_power;
use super::*;

/// A 16-bit WAV of `secs` with one tone per channel.
fn wav(rate: u32, channels: u16, secs: f64, tones: &[(f64, f64)]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for n in 0..(secs * f64::from(rate)) as u32 {
        let at = f64::from(n) / f64::from(rate);
        let sample: f64 = tones.iter().map(|(hz, amplitude)| amplitude * (TAU * hz * at).sin()).sum();
        for _ in 0..channels {
            writer.write_sample((sample * 32_767.0) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn linear(prompt: &Prompt) -> Vec<f32> {
    prompt.pcmu.iter().map(|&byte| f32::from(Law::Mu.decode(byte)) / 32_768.0).collect()
}

/// Amplitude of one frequency, over the middle of the audio.
fn amplitude(samples: &[f32], hz: f64) -> f64 {
    let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in middle.iter().enumerate() {
        let phase = TAU * hz * n as f64 / 8000.0;
        let window = 1.0 - (TAU * n as f64 / middle.len() as f64).cos();
        re += window * f64::from(sample) * phase.cos();
        im += window * f64::from(sample) * phase.sin();
    }
    2.0 * (re * re + im * im).sqrt() / middle.len() as f64
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// -20 dBFS RMS is this amplitude of a sine.
fn house_amplitude() -> f64 {
    0.1 * 2f64.sqrt()
}

#[test]
fn a_tone_at_any_rate_keeps_its_pitch_and_length_and_gets_the_level() {
    for rate in [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
        for channels in [1, 2] {
            let prompt = load(&wav(rate, channels, 0.8, &[(1000.0, 0.05)]), Some("wav")).unwrap();
            assert!(prompt.pcma.len().abs_diff(6400) <= 1, "{rate}: {}", prompt.pcma.len());
            assert_eq!(prompt.pcma.len(), prompt.pcmu.len());
            let level = db(amplitude(&linear(&prompt), 1000.0) / house_amplitude());
            assert!(level.abs() < 0.3, "{rate} Hz, {channels} channels: {level} dB off");
        }
    }
}

#[test]
fn what_8_khz_cannot_hold_does_not_fold_back() {
    // 4.2, 5, 7 and 9 kHz would fold to 3.8, 3, 1 and 1 kHz.
    for rate in [16_000, 22_050, 44_100, 48_000] {
        let high: Vec<(f64, f64)> = [4200.0, 5000.0, 7000.0, 9000.0]
            .into_iter()
            .filter(|hz| hz * 2.0 < f64::from(rate))
            .map(|hz| (hz, 0.2))
            .collect();
        let mut tones = vec![(500.0, 0.2)];
        tones.extend(&high);
        let samples = linear(&load(&wav(rate, 1, 1.0, &tones), None).unwrap());
        let wanted = amplitude(&samples, 500.0);
        for alias in [3800.0, 3000.0, 1000.0] {
            let level = db(amplitude(&samples, alias) / wanted);
            assert!(level < -50.0, "{rate} Hz: {level} dB at {alias}");
        }
    }
}

#[test]
fn the_voice_band_stays_flat() {
    let tones: Vec<(f64, f64)> = [300.0, 1000.0, 2000.0, 3000.0, 3400.0].map(|hz| (hz, 0.04)).to_vec();
    for rate in [16_000, 44_100, 48_000] {
        let samples = linear(&load(&wav(rate, 1, 1.0, &tones), None).unwrap());
        let middle = amplitude(&samples, 1000.0);
        for (hz, _) in &tones {
            let level = db(amplitude(&samples, *hz) / middle);
            assert!(level.abs() < 0.5, "{rate}: {level} dB at {hz}");
        }
    }
}

#[test]
fn resampling_moves_nothing_in_time_and_cuts_no_end() {
    for rate in [11_025u32, 16_000, 44_100, 48_000] {
        let mut samples = vec![0.0; rate as usize];
        let place = rate as usize / 4;
        samples[place] = 1.0;
        samples[rate as usize * 7998 / 8000] = 1.0;
        let converted = resample::to_8k(samples, rate).unwrap();
        let loudest = (0..4000).max_by(|&a, &b| converted[a].abs().total_cmp(&converted[b].abs()));
        assert!(loudest.unwrap().abs_diff(2000) <= 1, "{rate}: {loudest:?}");
        let end = converted[7997..].iter().fold(0f32, |most, sample| most.max(sample.abs()));
        assert!(converted.len() == 8000 && end > converted[2000].abs() / 2.0, "{rate}: {end}");
    }
}

#[test]
fn compressed_and_g711_files_are_read() {
    let files: [(&str, &[u8]); 5] = [
        ("mp3", include_bytes!("../../tests/data/tone-1k.mp3")),
        ("flac", include_bytes!("../../tests/data/tone-1k.flac")),
        ("ogg", include_bytes!("../../tests/data/tone-1k.ogg")),
        ("wav", include_bytes!("../../tests/data/tone-1k-alaw.wav")),
        ("wav", include_bytes!("../../tests/data/tone-1k-ulaw.wav")),
    ];
    for (extension, bytes) in files {
        for hint in [Some(extension), None] {
            let prompt = load(bytes, hint).unwrap();
            // MP3's encoder delay of up to 0.1 s may be left in when the file does not name it.
            assert!((4800..5700).contains(&prompt.pcma.len()), "{extension}: {}", prompt.pcma.len());
            let level = db(amplitude(&linear(&prompt), 1000.0) / house_amplitude());
            assert!(level.abs() < 0.6, "{extension}: {level} dB off");
        }
    }
}

#[test]
fn loud_and_faint_speech_come_out_alike_and_pauses_do_not_count() {
    let burst = |amplitude: f32| -> Vec<f32> {
        (0..32_000)
            .map(|n| if n / 4000 % 2 == 0 { amplitude * (n as f32 * 0.7).sin() } else { 0.0001 })
            .collect()
    };
    for amplitude in [0.01, 0.1, 0.9] {
        let mut samples = burst(amplitude);
        loudness::level(&mut samples);
        let level = 10.0 * active_power(&samples).unwrap().log10();
        assert!((level + 20.0).abs() < 0.2, "{amplitude}: {level} dBFS");
    }
}

#[test]
fn a_click_is_limited_and_does_not_make_the_rest_faint() {
    let mut samples: Vec<f32> = (0..16_000).map(|n| 0.02 * (n as f32 * 0.7).sin()).collect();
    samples[8000] = 1.0;
    samples[15_999] = -1.0;
    samples[0] = 1.0;
    loudness::level(&mut samples);
    let peak = samples.iter().fold(0f32, |peak, s| peak.max(s.abs()));
    assert!(peak <= 0.7080, "{peak}");
    let level = 10.0 * active_power(&samples[1000..7000]).unwrap().log10();
    assert!((level + 20.0).abs() < 0.7, "{level}");
}

#[test]
fn silence_stays_silence() {
    let prompt = load(&wav(16_000, 1, 0.5, &[]), None).unwrap();
    assert_eq!(prompt.pcma.len(), 4000);
    assert!(prompt.pcma.iter().all(|&byte| byte == 0xd5));
    assert!(prompt.pcmu.iter().all(|&byte| byte == 0xff));
}

#[test]
fn what_is_no_audio_is_refused_with_its_reason() {
    assert!(matches!(load(b"", None), Err(PromptFault::Format(_))));
    assert!(matches!(load(&[7; 4000], Some("wav")), Err(PromptFault::Format(_))));
    assert!(matches!(
        load(&wav(16_000, 1, 0.0, &[]), None),
        Err(PromptFault::Empty | PromptFault::Format(_))
    ));
    assert_eq!(load(&wav(2000, 1, 0.5, &[(100.0, 0.5)]), None), Err(PromptFault::Rate(2000)));
    assert_eq!(load(&wav(4000, 1, 601.0, &[]), None), Err(PromptFault::TooLong));
}

#[test]
fn a_header_on_which_the_decoder_panics_is_a_fault_like_any_other() {
    let mut bytes = wav(8000, 1, 0.25, &[(400.0, 0.3)]);
    bytes[23] = 128;
    assert!(load(&bytes, Some("wav")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_file_is_refused_or_read_but_never_breaks_us(at in 0usize..200, value: u8, cut in 44usize..4000) {
        let mut bytes = wav(8000, 1, 0.25, &[(400.0, 0.3)]);
        bytes[at] = value;
        bytes.truncate(cut);
        let _ = load(&bytes, Some("wav"));
        let mut flac = include_bytes!("../../tests/data/tone-1k.flac").to_vec();
        let place = at * flac.len() / 200;
        flac[place] = value;
        let _ = load(&flac, Some("flac"));
    }
}
