//! Ears for longer sounds: where in a recording is what was said?

use crate::audio::likeness;

/// How like `said` the best place of `heard` is (1.0: the same up to loudness), and where that place is.
pub fn find(said: &[i16], heard: &[i16]) -> (f64, usize) {
    let (outline, wide) = (outline(said), outline(heard));
    let rough = (0..wide.len().saturating_sub(outline.len() / 2))
        .map(|at| (at, alike(&outline, &wide[at..])))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(at, _)| at * FRAME);
    // The outline is right to about two frames.
    let from = rough.saturating_sub(2 * FRAME);
    let (best, shift) = likeness(heard.get(from..).unwrap_or_default(), said, 4 * FRAME);
    (best, from.saturating_add_signed(shift))
}

/// How like `said` what was heard at `place` is.
pub fn likeness_at(said: &[i16], heard: &[i16], place: usize) -> f64 {
    likeness(heard.get(place..).unwrap_or_default(), said, 0).0
}

/// Loudness frame by frame: enough to find a voice, and a hundred and sixty times shorter.
fn outline(samples: &[i16]) -> Vec<f64> {
    let loud = |frame: &[i16]| frame.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>().sqrt();
    samples.chunks(FRAME).map(loud).collect()
}

fn alike(a: &[f64], b: &[f64]) -> f64 {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
    }
    // What hangs over the end counts against the place.
    let whole: f64 = a.iter().map(|x| x * x).sum();
    if aa * bb == 0.0 { 0.0 } else { ab / (whole * bb).sqrt() }
}

/// 20 ms at 8 kHz.
const FRAME: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_found_where_it_is() {
        let said: Vec<i16> = (0..8_000_i32)
            .map(|n| ((f64::from(n) / 9.0).sin() * 8_000.0 * (f64::from(n) / 1_700.0).sin()) as i16)
            .collect();
        let mut heard = vec![0; 5_123];
        heard.extend(&said);
        heard.extend(vec![0; 3_000]);
        let (likeness, place) = find(&said, &heard);
        assert!(likeness > 0.99, "{likeness}");
        assert!(place.abs_diff(5_123) <= 1, "{place}");
        assert!(likeness_at(&said, &vec![0; 20_000], place) < 0.01);
    }
}
