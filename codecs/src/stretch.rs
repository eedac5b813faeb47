//! A little less or more of a frame without a change of pitch: one pitch period goes, or comes twice.

use crate::coding::Rate;

/// Takes a pitch period of 2.5 to 10 ms out of a frame; says how many samples are left. A frame shorter
/// than 10 ms stays as it is.
pub fn shorten(audio: &mut [i16], rate: Rate) -> usize {
    let len = audio.len();
    let Some(period) = period(audio, rate) else { return len };
    for n in 0..period {
        audio[n] = mixed(audio[n], audio[n + period], n, period);
    }
    audio.copy_within(2 * period.., period);
    len - period
}

/// Puts a pitch period of 2.5 to 10 ms into the frame that fills the first `len` samples of `audio`, as
/// far as there is room behind it; says how many samples it has now.
pub fn lengthen(audio: &mut [i16], len: usize, rate: Rate) -> usize {
    let len = len.min(audio.len());
    let Some(period) = period(&audio[..len], rate).filter(|period| len + period <= audio.len()) else {
        return len;
    };
    audio.copy_within(period..len, 2 * period);
    // Between the first period and itself again stands the way back: out of the second, into the first.
    for n in 0..period {
        // What was the second period stands one period further now.
        audio[n + period] = mixed(audio[n + 2 * period], audio[n], n, period);
    }
    len + period
}

/// Runs from one sample into the other.
fn mixed(from: i16, to: i16, n: usize, of: usize) -> i16 {
    let share = (n as f32 + 0.5) / of as f32;
    let (from, to) = (f32::from(from), f32::from(to));
    (from + (to - from) * share).round() as i16
}

/// The lag at which the frame's beginning is most like what follows it.
fn period(audio: &[i16], rate: Rate) -> Option<usize> {
    let least = rate.hz() / 400;
    let most = rate.samples(10).min(audio.len() / 2);
    (least..=most)
        .map(|lag| {
            let (mut product, mut energy) = (0.0, 1.0);
            for (&a, &b) in audio[..lag].iter().zip(&audio[lag..2 * lag]) {
                let (a, b) = (f32::from(a), f32::from(b));
                product += a * b;
                energy += a * a + b * b;
            }
            (lag, product / energy)
        })
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .filter(|_| audio.len() >= rate.samples(10))
        .map(|(lag, _)| lag)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(hz: f64, rate: Rate, from: usize, len: usize) -> Vec<i16> {
        let at = |n: usize| TAU * hz * n as f64 / rate.hz() as f64;
        (from..from + len).map(|n| (8000.0 * at(n).sin()).round() as i16).collect()
    }

    fn roughest(audio: &[i16]) -> i32 {
        audio.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
    }

    #[test]
    fn a_frame_among_others_becomes_shorter_or_longer_without_a_click() {
        for rate in [Rate::Narrow, Rate::Wide] {
            for hz in [110.0, 200.0, 317.0, 440.0] {
                let len = rate.samples(20);
                let whole = tone(hz, rate, 0, 3 * len);
                let (before, after) = (&whole[..len], &whole[2 * len..]);
                let mut frame = [0; 640];
                frame[..len].copy_from_slice(&whole[len..2 * len]);
                let left = shorten(&mut frame[..len], rate);
                assert!(left < len && left >= len / 2, "{hz} Hz: {left}");
                let joined = [before, &frame[..left], after].concat();
                assert!(roughest(&joined) <= roughest(&whole) * 3 / 2, "{hz} Hz shorter");

                frame[..len].copy_from_slice(&whole[len..2 * len]);
                let more = lengthen(&mut frame, len, rate);
                assert!(more > len && more <= len * 3 / 2, "{hz} Hz: {more}");
                let joined = [before, &frame[..more], after].concat();
                assert!(roughest(&joined) <= roughest(&whole) * 3 / 2, "{hz} Hz longer");
            }
        }
    }

    #[test]
    fn what_is_too_short_or_has_no_room_stays_as_it_is() {
        let mut audio = tone(200.0, Rate::Narrow, 0, 160);
        assert_eq!(shorten(&mut audio[..79], Rate::Narrow), 79);
        assert_eq!(lengthen(&mut audio, 160, Rate::Narrow), 160);
        assert_eq!(lengthen(&mut [], 9, Rate::Narrow), 0);
        assert_eq!(audio, tone(200.0, Rate::Narrow, 0, 160));
    }
}
