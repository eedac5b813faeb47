//! Tones that we make ourselves: each rendered once for a country, in both laws, and played as a loop.

mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::f64::consts::{PI, SQRT_2, TAU};

use base::g711::Law;
use base::{Country, Tone};

use crate::prompts::Prompt;
use table::{Burst, Score, Wave, score};

/// The tones that were rendered. A copy shares their bytes: 150 KB for a country, 1.5 MB for all.
#[derive(Clone, Debug, Default)]
pub struct Tones {
    rendered: BTreeMap<(Country, Tone), Prompt>,
}

impl Tones {
    /// The tones of a country are about to be asked for.
    pub fn render(&mut self, country: Country) {
        for tone in Tone::ALL {
            self.find(country, tone);
        }
    }

    /// One period of a tone, to be played over and over; `None` is silence. Renders it if nobody has.
    pub fn find(&mut self, country: Country, tone: Tone) -> Option<Prompt> {
        let score = score(country, tone)?;
        Some(self.rendered.entry((country, tone)).or_insert_with(|| render(&score)).clone())
    }

    /// Takes over what others have rendered.
    pub fn share(&mut self, others: &Self) {
        for (key, tone) in &others.rendered {
            self.rendered.entry(*key).or_insert_with(|| tone.clone());
        }
    }
}

fn render(score: &Score) -> Prompt {
    let mut linear = Vec::new();
    for burst in &score.bursts {
        linear.extend((0..burst.on * PER_MS).map(|n| sample(score, burst, n)));
        linear.extend(std::iter::repeat_n(0, burst.off * PER_MS));
    }
    let encoded = |law: Law| {
        // A law's smallest amplitude is not always its byte for silence.
        linear.iter().map(|&sample| if sample == 0 { law.silence() } else { law.encode(sample) }).collect()
    };
    Prompt { pcma: encoded(Law::A), pcmu: encoded(Law::Mu) }
}

/// Sample `n` of a burst.
fn sample(score: &Score, burst: &Burst, n: usize) -> i16 {
    let level = score.dbm0 - burst.quieter;
    let peak = FULL_SCALE * 10f64.powf((level - FULL_SCALE_DBM0) / 20.0);
    let sine = |frequency: f64| (TAU * frequency * n as f64 / (PER_MS * 1000) as f64).sin();
    let wave = match score.wave {
        Wave::One(frequency) => sine(frequency),
        Wave::Two(one, other) => (sine(one) + sine(other)) / SQRT_2,
        // The swing adds its share of the power.
        Wave::Swinging { tone, by, depth } => {
            sine(tone) * depth.mul_add(sine(by), 1.0) / (depth * depth / 2.0 + 1.0).sqrt()
        }
    };
    (peak * edge(burst, n) * wave).round() as i16
}

/// Bursts swell and fade within a few milliseconds: a sine that is cut anywhere clicks. One that is never cut does not.
fn edge(burst: &Burst, n: usize) -> f64 {
    let from_end = n.min(burst.on * PER_MS - 1 - n);
    if burst.off == 0 || from_end >= EDGE {
        return 1.0;
    }
    (1.0 - (PI * (from_end as f64 + 0.5) / EDGE as f64).cos()) / 2.0
}

/// Samples in a millisecond.
const PER_MS: usize = 8;

/// Four milliseconds: no click, and a cadence is still exact to a fraction of what E.180 allows.
const EDGE: usize = 4 * PER_MS;

/// The peak of µ-law's loudest sine in 16-bit linear, and its level (G.711 table 2a; A-law's differs
/// by 0.06 dB).
const FULL_SCALE: f64 = 32_636.0;
const FULL_SCALE_DBM0: f64 = 3.17;
