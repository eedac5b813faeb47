//! What is rendered, measured: frequency, level and cadence of every row, against a table of its own.

use std::f64::consts::TAU;

use base::g711::Law;
use base::{Country, Tone};

use super::{FULL_SCALE, FULL_SCALE_DBM0, PER_MS, Tones};

/// Frequencies (`a+b` added, `a*b` swinging), dBm0, and milliseconds on and off in turn; of a burst that is quieter, by how much.
const ROWS: &str = "
cn ringback   450      -10 1000 4000
cn busy       450      -10 350 350
cn congestion 450      -10 700 700
hk ringback   440+480  -10 400 200 400 3000
hk busy       480+620  -10 500 500
hk congestion 480+620  -10 250 250
mo ringback   425      -10 1000 4000
mo busy       425      -10 500 500
mo congestion 425      -10 250 250
tw ringback   440+480  -10 1000 2000
tw busy       480+620  -10 500 500
tw congestion 480+620  -10 250 250
jp ringback   400*16   -10 1000 2000
jp busy       400      -10 500 500
jp congestion 400      -10 500 500
kr ringback   440+480  -10 1000 2000
kr busy       480+620  -10 500 500
kr congestion 480+620  -10 300 200
sg ringback   425*24   -10 400 200 400 2000
sg busy       425      -10 750 750
sg congestion 425      -10 250 250
us ringback   440+480  -16 2000 4000
us busy       480+620  -21 500 500
us congestion 480+620  -21 250 250
gb ringback   400+450  -10 400 200 400 2000
gb busy       400      -10 375 375
gb congestion 400      -10 400 350 225 525
de ringback   425      -10 1000 4000
de busy       425      -10 480 480
de congestion 425      -10 240 240
fr ringback   440      -10 1500 3500
fr busy       440      -10 500 500
fr congestion 440      -10 250 250
au ringback   413+438  -10 400 200 400 2000
au busy       425      -10 375 375
au congestion 425      -10 375 375 375@10 375
";

/// One period of a tone in linear audio, as each law carries it.
fn heard(country: Country, tone: Tone) -> Vec<(Law, Vec<f64>)> {
    let rendered = Tones::default().find(country, tone).unwrap();
    [(Law::A, &rendered.pcma), (Law::Mu, &rendered.pcmu)]
        .map(|(law, bytes)| (law, bytes.iter().map(|&byte| f64::from(law.decode(byte))).collect()))
        .into()
}

/// Hann's window: it keeps neighbouring frequencies apart, and half a beat at an edge from counting.
fn window(n: usize, len: usize) -> f64 {
    1.0 - (TAU * (n as f64 + 0.5) / len as f64).cos()
}

/// The mean of the squares.
fn power(audio: &[f64]) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (n, sample) in audio.iter().enumerate() {
        let window = window(n, audio.len());
        sum += window * sample * sample;
        weight += window;
    }
    sum / weight
}

/// The strength of one frequency: the peak of its sine.
fn strength(audio: &[f64], frequency: f64) -> f64 {
    let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
    for (n, sample) in audio.iter().enumerate() {
        let window = window(n, audio.len());
        let phase = TAU * frequency * n as f64 / 8000.0;
        re += window * sample * phase.cos();
        im += window * sample * phase.sin();
        weight += window;
    }
    2.0 * re.hypot(im) / weight
}

/// The level of a sine with this peak.
fn dbm0(peak: f64) -> f64 {
    20.0 * (peak / FULL_SCALE).log10() + FULL_SCALE_DBM0
}

/// Lengths of sound and silence in turn, in milliseconds, from the loudness of each half millisecond.
fn cadence(audio: &[f64]) -> Vec<f64> {
    let mut lengths: Vec<(bool, f64)> = Vec::new();
    for n in (0..audio.len()).step_by(PER_MS / 2) {
        // A whole period of the lowest frequency, and of the slowest swing but for its dips.
        let around = &audio[n.saturating_sub(12)..(n + 12).min(audio.len())];
        let on = around.iter().fold(0.0, |most: f64, sample| most.max(sample.abs())) > 40.0;
        match lengths.last_mut() {
            Some((last, length)) if *last == on => *length += 0.5,
            _ => lengths.push((on, 0.5)),
        }
    }
    // Where a swing passes through nothing there is no silence.
    let mut merged: Vec<(bool, f64)> = Vec::new();
    for (on, length) in lengths {
        match merged.last_mut() {
            Some((_, last)) if length < 20.0 => *last += length,
            Some((before, last)) if *before == on => *last += length,
            _ => merged.push((on, length)),
        }
    }
    merged.into_iter().map(|(_, length)| length).collect()
}

fn measured(row: &str) {
    let mut words = row.split_whitespace();
    let country = Country::from_word(words.next().unwrap()).unwrap();
    let tone = Tone::from_word(words.next().unwrap()).unwrap();
    let (frequencies, level) = (words.next().unwrap(), words.next().unwrap().parse::<f64>().unwrap());
    let bursts: Vec<&str> = words.collect();
    for (law, audio) in heard(country, tone) {
        let found = cadence(&audio);
        assert_eq!(found.len(), bursts.len(), "{row} {law:?}: {found:?}");
        let mut at = 0;
        for (n, (found, wanted)) in found.iter().zip(&bursts).enumerate() {
            let (length, quieter) = wanted.split_once('@').unwrap_or((wanted, "0"));
            let (length, quieter) = (length.parse::<usize>().unwrap(), quieter.parse::<f64>().unwrap());
            assert!((found - length as f64).abs() <= 5.0, "{row} {law:?}: {found} for {length} ms");
            let part = &audio[at..at + length * PER_MS];
            at += length * PER_MS;
            if n % 2 == 0 {
                sounds(row, &part[5 * PER_MS..part.len() - 5 * PER_MS], frequencies, level - quieter);
            } else {
                let quietest = f64::from(law.decode(law.silence()));
                assert!(part.iter().all(|sample| (sample - quietest).abs() < 0.5), "{row} {law:?}: silence");
            }
        }
        assert_eq!(at, audio.len(), "{row}");
    }
}

/// The middle of a burst: its level as a whole, and each of its frequencies.
fn sounds(row: &str, part: &[f64], frequencies: &str, level: f64) {
    let power = power(part);
    let whole = dbm0((2.0 * power).sqrt());
    assert!((whole - level).abs() < 0.4, "{row}: {whole} dBm0");
    let wanted: Vec<(f64, f64)> = if let Some((one, other)) = frequencies.split_once('+') {
        [one, other].map(|word| (word.parse().unwrap(), -3.01)).into()
    } else if let Some((tone, by)) = frequencies.split_once('*') {
        let (tone, by): (f64, f64) = (tone.parse().unwrap(), by.parse().unwrap());
        let depth: f64 = if by < 20.0 { 0.85 } else { 1.0 };
        let carrier = -10.0 * (1.0 + depth * depth / 2.0).log10();
        let side = carrier + 20.0 * (depth / 2.0).log10();
        vec![(tone, carrier), (tone - by, side), (tone + by, side)]
    } else {
        vec![(frequencies.parse().unwrap(), 0.0)]
    };
    for &(frequency, share) in &wanted {
        let found = dbm0(strength(part, frequency));
        assert!((found - level - share).abs() < 0.5, "{row}: {frequency} Hz at {found} dBm0");
    }
    let found: f64 = wanted.iter().map(|(frequency, _)| strength(part, *frequency).powi(2) / 2.0).sum();
    assert!((power - found).abs() < power / 50.0, "{row}: something else sounds too: {found} of {power}");
}

#[test]
fn every_row_has_its_frequencies_its_level_and_its_cadence() {
    let rows: Vec<&str> = ROWS.lines().filter(|row| !row.is_empty()).collect();
    for row in &rows {
        measured(row);
    }
    assert_eq!(rows.len(), Country::ALL.len() * 3, "each country, each tone");
}

#[test]
fn a_beep_is_1000_hz_everywhere_and_as_long_as_one_wants() {
    for country in Country::ALL {
        for (law, audio) in heard(country, Tone::Beep) {
            assert_eq!(audio.len(), 2400, "{law:?}");
            let twice = [audio.clone(), audio].concat();
            sounds("beep", &twice, "1000", -10.0);
        }
    }
}

/// Nowhere in a loop, its seam and the edges of its bursts included, is it bent much more than inside a burst, where
/// only rounding adds to the sine.
#[test]
fn no_loop_clicks_at_its_seam() {
    for country in Country::ALL {
        for tone in [Tone::Ringback, Tone::Busy, Tone::Congestion, Tone::Beep] {
            for (law, audio) in heard(country, tone) {
                // How far a sample lies from the line through its neighbours: large where a sine is cut.
                let bend = |a: f64, b: f64, c: f64| (a + c - 2.0 * b).abs();
                let bends =
                    |part: &[f64]| part.windows(3).map(|w| bend(w[0], w[1], w[2])).fold(0.0, f64::max);
                let inside = bends(&audio[50 * PER_MS..150 * PER_MS]);
                let seam = [&audio[audio.len() - 100..], &audio[..100]].concat();
                assert!(bends(&seam) <= inside * 1.5, "{country:?} {tone:?} {law:?}: {}", bends(&seam));
                assert!(bends(&audio) <= inside * 1.5, "{country:?} {tone:?} {law:?}: {}", bends(&audio));
            }
        }
    }
}

#[test]
fn a_tone_is_rendered_once_and_shared() {
    let mut tones = Tones::default();
    tones.render(Country::De);
    let mut worker = Tones::default();
    worker.share(&tones);
    let (one, other) = (tones.find(Country::De, Tone::Busy), worker.find(Country::De, Tone::Busy));
    assert_eq!(one.unwrap().pcma.as_ptr(), other.unwrap().pcma.as_ptr(), "the same bytes");
    assert_eq!(worker.find(Country::De, Tone::Silence), None);
    let mut all = Tones::default();
    for country in Country::ALL {
        all.render(country);
    }
    let bytes: usize = all.rendered.values().map(|tone| tone.pcma.len() + tone.pcmu.len()).sum();
    assert!(bytes < 1_500_000, "{bytes}");
}
