//! One sub-band of G.722: its step and its predictor of two poles and six zeros (blocks 3 and 4).

use super::saturate;
use super::tables::{HIGH_SCALE, LOG_TO_LINEAR, LOW_SCALE};

/// The state that encoder and decoder of a band keep alike.
#[derive(Clone, Debug)]
pub(super) struct Band {
    /// The step in the logarithmic domain, and as it is.
    log_step: i32,
    step: i32,
    /// s, and the share of the zeros in it, s_z.
    prediction: i32,
    from_zeros: i32,
    /// r, the newest reconstructed values.
    reconstructed: [i32; 2],
    /// p, the newest partially reconstructed values.
    partial: [i32; 2],
    /// a1, a2.
    poles: [i32; 2],
    /// Twice d, the newest six differences; eight make a vector of the processor, the last two are zero.
    doubled: [i16; 8],
    /// b1 to b6.
    zeros: [i16; 8],
}

impl Band {
    pub(super) fn low() -> Self {
        Self::new(32)
    }

    pub(super) fn high() -> Self {
        Self::new(8)
    }

    fn new(step: i32) -> Self {
        Self {
            log_step: 0,
            step,
            prediction: 0,
            from_zeros: 0,
            reconstructed: [0; 2],
            partial: [0; 2],
            poles: [0; 2],
            doubled: [0; 8],
            zeros: [0; 8],
        }
    }

    /// What the next sample is thought to be.
    pub(super) fn prediction(&self) -> i32 {
        self.prediction
    }

    /// The quantizer's step.
    pub(super) fn step(&self) -> i32 {
        self.step
    }

    /// Takes in the low band's difference by its value and the four bits that carry it.
    pub(super) fn adapt_low(&mut self, inverse: i32, code: u8) {
        let difference = (self.step * inverse) >> 15;
        let log = ((self.log_step * 127) >> 7) + LOW_SCALE[usize::from(code)];
        self.log_step = log.clamp(0, 18_432);
        self.step = linear(self.log_step, 8);
        self.predict(difference);
    }

    /// Takes in the high band's difference by its value and the two bits that carry it.
    pub(super) fn adapt_high(&mut self, inverse: i32, code: u8) {
        let difference = (self.step * inverse) >> 15;
        let log = ((self.log_step * 127) >> 7) + HIGH_SCALE[usize::from(code)];
        self.log_step = log.clamp(0, 22_528);
        self.step = linear(self.log_step, 10);
        self.predict(difference);
    }

    fn predict(&mut self, difference: i32) {
        let reconstructed = saturate(self.prediction + difference);
        let partial = saturate(self.from_zeros + difference);
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        self.doubled.copy_within(..5, 1);
        self.doubled[0] = saturate(2 * difference) as i16;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        let [a1, a2] = self.poles;
        let [r1, r2] = self.reconstructed;
        let from_poles = saturate(((a1 * saturate(2 * r1)) >> 15) + ((a2 * saturate(2 * r2)) >> 15));
        let terms = self.zeros.iter().zip(&self.doubled).map(|(&b, &d)| (i32::from(b) * i32::from(d)) >> 15);
        self.from_zeros = saturate(terms.sum());
        self.prediction = saturate(from_poles + self.from_zeros);
    }

    /// Blocks UPPOL2 and UPPOL1: the poles follow the signs of the partial values, inside the triangle
    /// in which they are stable.
    fn adapt_poles(&mut self, partial: i32) {
        let [a1, a2] = self.poles;
        let alike = |other: i32| (partial < 0) == (other < 0);
        let push = saturate(4 * a1);
        let push = if alike(self.partial[0]) { (-push).min(32_767) } else { push };
        let pull = if alike(self.partial[1]) { 128 } else { -128 };
        let second = ((push >> 7) + pull + ((a2 * 32_512) >> 15)).clamp(-12_288, 12_288);
        let drive = if alike(self.partial[0]) { 192 } else { -192 };
        let limit = saturate(15_360 - second);
        let first = saturate(drive + ((a1 * 32_640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];
    }

    /// Block UPZERO: the zeros follow the signs of the differences.
    fn adapt_zeros(&mut self, difference: i32) {
        let gain = if difference == 0 { 0 } else { 128 };
        let sign = saturate(difference) as i16;
        for (zero, &d) in self.zeros.iter_mut().zip(&self.doubled) {
            // All ones where the signs differ: the drive is then the other way.
            let differs = i32::from((d ^ sign) >> 15);
            let drive = (gain ^ differs) - differs;
            *zero = saturate(drive + ((i32::from(*zero) * 32_640) >> 15)) as i16;
        }
    }
}

/// Blocks SCALEL and SCALEH.
fn linear(log: i32, most: i32) -> i32 {
    let mantissa = LOG_TO_LINEAR[(log >> 6 & 31) as usize];
    let shift = most - (log >> 11);
    (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2
}
