//! One loudness for all prompts, whoever recorded them.
//!
//! The rule: the active speech level becomes -20 dBFS (RMS, where a square wave at full scale has
//! 0 dBFS; that is -14 dBm0, a little over an average talker, as announcements are), and no sample goes beyond
//! -3 dBFS. Active is what lies above two gates, in blocks of 20 ms: -50 dBFS, and 15 dB under the mean
//! of what passed the first. Peaks that would go beyond are turned down for some milliseconds by a
//! limiter that looks ahead; the rest keeps its level, so that one click does not make a prompt faint.

use std::collections::VecDeque;

/// Brings samples at 8 kHz to the house's level.
pub(super) fn level(samples: &mut [f32]) {
    // Again after the limiter: a click counts in the first measure and no more in the next.
    let mut most = power(MOST_GAIN_DB);
    for _ in 0..ROUNDS {
        let Some(active) = active_power(samples) else { return };
        let gain = (power(TARGET_DBFS) / active).min(most);
        most /= gain;
        for sample in samples.iter_mut() {
            *sample *= gain.sqrt() as f32;
        }
        limit(samples, amplitude(PEAK_DBFS));
    }
}

/// Mean power of the active blocks; `None` when nothing is louder than a line's own noise.
pub(super) fn active_power(samples: &[f32]) -> Option<f64> {
    let blocks: Vec<f64> = samples
        .chunks(BLOCK)
        .map(|block| {
            let sum: f64 = block.iter().map(|&sample| f64::from(sample).powi(2)).sum();
            sum / block.len() as f64
        })
        .collect();
    let mean_above = |gate: f64| {
        let loud: Vec<f64> = blocks.iter().copied().filter(|&block| block > gate).collect();
        (!loud.is_empty()).then(|| loud.iter().sum::<f64>() / loud.len() as f64)
    };
    let first = mean_above(power(GATE_DBFS))?;
    mean_above((first * power(-RELATIVE_GATE_DB)).max(power(GATE_DBFS)))
}

/// Turns down what would go beyond `most`: the gain that the loudest sample within reach needs, eased
/// in and out over the same reach.
fn limit(samples: &mut [f32], most: f32) {
    if samples.iter().all(|sample| sample.abs() <= most) {
        return;
    }
    let needed: Vec<f32> =
        samples.iter().map(|s| if s.abs() > most { most / s.abs() } else { 1.0 }).collect();
    let lowest = lowest_within_reach(&needed);
    let mut sum: f64 = 0.0;
    let mut eased = Vec::with_capacity(samples.len());
    // A mean of lows over the same reach is nowhere above what any sample in its middle needs.
    for at in 0..lowest.len() + REACH {
        sum += f64::from(lowest[at.min(lowest.len() - 1)]);
        if at >= WINDOW {
            sum -= f64::from(lowest[(at - WINDOW).min(lowest.len() - 1)]);
        }
        if at >= REACH {
            eased.push((sum / (at + 1).min(WINDOW) as f64) as f32);
        }
    }
    for (sample, gain) in samples.iter_mut().zip(eased) {
        *sample = (*sample * gain).clamp(-most, most);
    }
}

/// For each place the lowest value from `REACH` before to `REACH` after it.
fn lowest_within_reach(values: &[f32]) -> Vec<f32> {
    let mut lowest = Vec::with_capacity(values.len());
    let mut rising: VecDeque<usize> = VecDeque::with_capacity(WINDOW);
    for at in 0..values.len() + REACH {
        if let Some(&value) = values.get(at) {
            while rising.back().is_some_and(|&back| values[back] >= value) {
                rising.pop_back();
            }
            rising.push_back(at);
        }
        while rising.front().is_some_and(|&front| front + WINDOW <= at) {
            rising.pop_front();
        }
        if at >= REACH {
            lowest.push(rising.front().map_or(1.0, |&front| values[front]));
        }
    }
    lowest
}

fn power(db: f64) -> f64 {
    10f64.powf(db / 10.0)
}

fn amplitude(db: f64) -> f32 {
    10f64.powf(db / 20.0) as f32
}

const TARGET_DBFS: f64 = -20.0;
const PEAK_DBFS: f64 = -3.0;
const GATE_DBFS: f64 = -50.0;
const RELATIVE_GATE_DB: f64 = 15.0;

/// A file fainter than -50 dBFS is noise; lifting it by more than this would only make noise loud.
const MOST_GAIN_DB: f64 = 30.0;

/// The level settles within a tenth of a decibel by then.
const ROUNDS: usize = 3;

/// 20 ms at 8 kHz.
const BLOCK: usize = 160;

/// How far the limiter looks to either side: 5 ms.
const REACH: usize = 40;
const WINDOW: usize = 2 * REACH + 1;
