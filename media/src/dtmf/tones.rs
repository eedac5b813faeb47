//! Keys as tones in the audio, for peers that take no events (ITU-T Q.23).

use std::f32::consts::TAU;

use base::Digit;

/// Writes the piece of a key's tones that begins at sample `from` of them, at 8 kHz.
pub fn render(digit: Digit, from: usize, out: &mut [i16]) {
    let (row, column) = frequencies(digit);
    for (n, sample) in out.iter_mut().enumerate() {
        let at = (from + n) as f32 / RATE;
        *sample = ROW.mul_add((TAU * row * at).sin(), COLUMN * (TAU * column * at).sin()) as i16;
    }
}

fn frequencies(digit: Digit) -> (f32, f32) {
    let event = usize::from(digit.event());
    let at = KEYS.iter().position(|key| *key == event).unwrap_or(0);
    (ROWS[at / 4], COLUMNS[at % 4])
}

/// The event codes (RFC 4733 §3.2) by row and column: 123A 456B 789C *0#D.
const KEYS: [usize; 16] = [1, 2, 3, 12, 4, 5, 6, 13, 7, 8, 9, 14, 10, 0, 11, 15];
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

const RATE: f32 = 8000.0;

/// -9 and -7 dBm0, the columns louder as in telephones: they suffer more on the way. A full sine has 3.17 dBm0.
const ROW: f32 = 8_040.0;
const COLUMN: f32 = 10_120.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::band;

    #[test]
    fn every_key_is_heard_as_itself() {
        for key in "0123456789*#ABCD".chars() {
            let mut audio = vec![0; 1600];
            let digit = Digit::from_char(key).unwrap();
            for (n, piece) in audio[..800].chunks_mut(160).enumerate() {
                render(digit, n * 160, piece);
            }
            let mut heard = String::new();
            band::Receiver::new().listen(&audio, |digit| heard.push(digit.as_char()));
            assert_eq!(heard, key.to_string());
        }
    }
}
