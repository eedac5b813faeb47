//! Tones that must be heard, and audio that must press no key.

use std::f64::consts::TAU;

use base::g711::Law;

use super::*;

const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// How a phone presses keys.
#[derive(Clone, Copy)]
struct Press {
    /// Level of each tone in dBm0.
    row: f64,
    column: f64,
    on_ms: usize,
    off_ms: usize,
    /// Relative error of the frequencies.
    off_by: f64,
}

const USUAL: Press = Press { row: -12.0, column: -10.0, on_ms: 80, off_ms: 80, off_by: 0.0 };

fn peak(dbm0: f64) -> f64 {
    32_636.0 * 10f64.powf((dbm0 - 3.17) / 20.0)
}

fn pressed(keys: &str, press: Press) -> Vec<f64> {
    let mut audio = vec![0.0; 333];
    for key in keys.bytes() {
        let place = KEYS.iter().position(|&k| k == key).unwrap();
        let (low, high) = (ROWS[place / 4] * (1.0 + press.off_by), COLUMNS[place % 4] * (1.0 + press.off_by));
        for n in 0..press.on_ms * 8 {
            let at = TAU * n as f64 / 8000.0;
            audio.push(peak(press.row) * (low * at).sin() + peak(press.column) * (high * at + 1.0).sin());
        }
        audio.resize(audio.len() + press.off_ms * 8, 0.0);
    }
    audio
}

fn linear(audio: &[f64]) -> Vec<i16> {
    audio.iter().map(|&x| x.clamp(-32_768.0, 32_767.0).round() as i16).collect()
}

fn heard(audio: &[i16]) -> String {
    let mut receiver = Receiver::new();
    let mut keys = String::new();
    // In pieces that have nothing to do with the blocks.
    for part in audio.chunks(160) {
        receiver.listen(part, |digit| keys.push(digit.as_char()));
    }
    keys
}

/// Even noise between -1 and 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

const ALL: &str = "1234567890*#ABCD";

#[test]
fn every_key_is_heard_once_however_long_it_is_pressed() {
    for (on_ms, off_ms) in [(40, 40), (50, 50), (80, 80), (100, 60), (1000, 45)] {
        let audio = linear(&pressed(ALL, Press { on_ms, off_ms, ..USUAL }));
        assert_eq!(heard(&audio), ALL, "{on_ms} ms on, {off_ms} ms off");
        for law in [Law::A, Law::Mu] {
            let coded: Vec<i16> = audio.iter().map(|&x| law.decode(law.encode(x))).collect();
            assert_eq!(heard(&coded), ALL, "{law:?}, {on_ms} ms on");
        }
    }
    assert_eq!(heard(&linear(&pressed("1111222", Press { on_ms: 40, off_ms: 40, ..USUAL }))), "1111222");
    // 23 ms are no key (Q.24): they do not fill two blocks.
    assert_eq!(heard(&linear(&pressed(ALL, Press { on_ms: 20, ..USUAL }))), "");
}

#[test]
fn levels_twist_and_frequencies_are_judged_as_published() {
    let with = |row: f64, column: f64, off_by: f64| {
        heard(&linear(&pressed(ALL, Press { row, column, off_by, ..USUAL })))
    };
    for level in [0.0, -10.0, -25.0, -36.0, -40.0] {
        assert_eq!(with(level, level, 0.0), ALL, "{level} dBm0");
    }
    assert_eq!(with(-46.0, -46.0, 0.0), "");
    assert_eq!(with(-10.0, -17.0, 0.0), ALL, "the row 7 dB louder");
    assert_eq!(with(-13.0, -10.0, 0.0), ALL, "the column 3 dB louder");
    assert_eq!(with(-10.0, -20.0, 0.0), "", "the row 10 dB louder");
    assert_eq!(with(-16.0, -10.0, 0.0), "", "the column 6 dB louder");
    for off_by in [-0.015, 0.015] {
        assert_eq!(with(-10.0, -10.0, off_by), ALL, "{off_by}");
    }
    for off_by in [-0.035, 0.035] {
        assert_eq!(with(-10.0, -10.0, off_by), "", "{off_by}");
    }
}

#[test]
fn a_thousand_keys_in_noise_are_all_heard() {
    let mut noise = Noise(5);
    let keys = ALL.repeat(63);
    for (below, least) in [(24.0, 1008), (15.0, 1000)] {
        let mut audio = pressed(&keys, Press { on_ms: 60, off_ms: 60, ..USUAL });
        // The two tones have the power of one at -8 dBm0 or so; even noise of this peak lies below it.
        let power = peak(-12.0).powi(2).midpoint(peak(-10.0).powi(2));
        let loudest = (3.0 * power / 10f64.powf(below / 10.0)).sqrt();
        for sample in &mut audio {
            *sample += loudest * noise.next();
        }
        let heard = heard(&linear(&audio));
        let right = keys.len() - distance(&keys, &heard);
        println!("{below} dB above the noise: {right} of {}", keys.len());
        assert!(right >= least, "{below} dB: {right} right");
    }
}

/// How many keys differ, when none was added: those that are missing.
fn distance(keys: &str, heard: &str) -> usize {
    let mut rest = heard.chars().peekable();
    let missing = keys.chars().filter(|&key| rest.next_if_eq(&key).is_none()).count();
    missing + rest.count()
}

#[test]
fn a_gap_in_a_tone_does_not_double_the_key() {
    let mut audio = linear(&pressed("5", Press { on_ms: 200, ..USUAL }));
    for gap in [120, 350] {
        audio[333 + gap * 4..][..80].fill(0);
    }
    assert_eq!(heard(&audio), "5");
}

#[test]
fn the_speech_of_the_prompts_presses_no_key() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/lines/huaning/prompts");
    let mut seconds = 0;
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "wav")) {
        let mut file = hound::WavReader::open(path).unwrap();
        assert_eq!(file.spec().sample_rate, 16_000);
        let wide: Vec<i16> = file.samples().map(Result::unwrap).collect();
        let mut narrow = vec![0; wide.len() / 2];
        codecs::resample::Down::new().process(&wide, &mut narrow);
        seconds += narrow.len() / 8000;
        // As it is, at other loudness, and cut into blocks at other places.
        for (gain, from) in [(1, 0), (1, 25), (1, 51), (1, 77), (4, 0), (8, 40)] {
            let audio: Vec<i16> = narrow[from..].iter().map(|&x| x / gain).collect();
            assert_eq!(heard(&audio), "", "{} {gain} {from}", path.display());
        }
    }
    assert!(seconds > 60, "{seconds} s of speech");
}

/// Twenty minutes of voices that are worse than real ones: sung without a tremor, two sharp formants, and
/// so now and then two harmonics alone that are a key's tones.
#[test]
fn voices_that_hum_and_sing_press_few_keys() {
    let mut noise = Noise(11);
    let mut audio = Vec::new();
    let mut phase = 0.0;
    while audio.len() < 8000 * 1200 {
        let pitch = 90.0 + 130.0 * (1.0 + noise.next());
        let formants = [300.0 + 300.0 * (1.0 + noise.next()), 900.0 + 700.0 * (1.0 + noise.next()), 2600.0];
        let glide = 1.0 + 0.3 * noise.next();
        let len = 800 + (1200.0 * (1.0 + noise.next())) as usize;
        for n in 0..len {
            let now = pitch * (1.0 + (glide - 1.0) * n as f64 / len as f64);
            phase += TAU * now / 8000.0;
            let mut sample = 0.0;
            for harmonic in 1..=(3600.0 / now) as u32 {
                let hz = now * f64::from(harmonic);
                let gain: f64 = formants.iter().map(|f| 1.0 / (1.0 + ((hz - f) / 60.0).powi(2))).sum();
                sample += gain * (phase * f64::from(harmonic)).sin();
            }
            audio.push(3500.0 * sample + 150.0 * noise.next());
        }
        audio.resize(audio.len() + 400, 0.0);
    }
    let keys = heard(&linear(&audio));
    println!("in twenty minutes: {keys:?}");
    assert!(keys.len() <= 8, "{keys}");
}

#[test]
fn music_on_hold_and_tones_of_the_network_press_no_key() {
    let mut noise = Noise(3);
    for hz in [350.0, 425.0, 440.0, 450.0, 480.0, 620.0, 697.0, 950.0, 1004.0, 1209.0, 1400.0, 2100.0] {
        let audio: Vec<f64> = (0..16_000)
            .map(|n| peak(-10.0) * (TAU * hz * f64::from(n) / 8000.0).sin() + 100.0 * noise.next())
            .collect();
        assert_eq!(heard(&linear(&audio)), "", "{hz} Hz");
    }
    let hiss: Vec<f64> = (0..8000 * 60).map(|_| 9000.0 * noise.next()).collect();
    assert_eq!(heard(&linear(&hiss)), "");
}

#[test]
fn the_constants_are_the_tones() {
    for (n, hz) in ROWS.iter().chain(&COLUMNS).enumerate() {
        let angle = TAU * hz / 8000.0;
        assert!((f64::from(ANGLES[n]) - angle).abs() < 1e-6, "{hz}");
        assert!((f64::from(COEFFICIENTS[n]) - 2.0 * angle.cos()).abs() < 1e-6, "{hz}");
    }
}
