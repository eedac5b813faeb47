//! The tables of G.722: filter, quantizers, step adaptation.

/// Length of the filter that splits and joins the bands.
pub(super) const TAPS: usize = 24;

/// Coefficients of the quadrature mirror filter, those of even places; those of odd ones are these reversed.
const QMF: [i16; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// The filter over both places, for the low band; and with the even ones taken off, for the high band.
pub(super) const SUM: [i16; TAPS] = woven(1, 1);
pub(super) const DIFFERENCE: [i16; TAPS] = woven(-1, 1);

/// The filter over one of them: what joins the bands to the first and the second sample of a pair.
pub(super) const FIRST: [i16; TAPS] = woven(0, 1);
pub(super) const SECOND: [i16; TAPS] = woven(1, 0);

const fn woven(even: i16, odd: i16) -> [i16; TAPS] {
    let mut taps = [0; TAPS];
    let mut n = 0;
    while n < TAPS / 2 {
        taps[2 * n] = even * QMF[n];
        taps[2 * n + 1] = odd * QMF[TAPS / 2 - 1 - n];
        n += 1;
    }
    taps
}

/// Q6: decision levels of the low band, in 4096ths of the step.
pub(super) const LOW_LEVELS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
    1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// QQ6: values of the low band's six bits, in 32768ths of the step.
pub(super) const LOW_INVERSE_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032,
    -1688, -1360, -1040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9360,
    8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040,
    728, 432, 136, -432, -136,
];

/// QQ4: values of the low band's upper four bits, which alone drive the adaptation.
pub(super) const LOW_INVERSE_4: [i32; 16] =
    [0, -20_456, -12_896, -8968, -6288, -4240, -2584, -1200, 20_456, 12_896, 8968, 6288, 4240, 2584, 1200, 0];

/// QQ2: values of the high band's two bits.
pub(super) const HIGH_INVERSE_2: [i32; 4] = [-7408, -1616, 7408, 1616];

/// W_L by the upper four bits: how the low band's step moves.
pub(super) const LOW_SCALE: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];

/// W_H by the two bits: how the high band's step moves.
pub(super) const HIGH_SCALE: [i32; 4] = [798, -214, 798, -214];

/// ILB: powers of two between 2048 and 4096, in 32nds of an octave.
pub(super) const LOG_TO_LINEAR: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
