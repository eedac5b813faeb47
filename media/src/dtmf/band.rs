//! Keys as tones in the audio (ITU-T Q.23): Goertzel filters on blocks of 102 samples at 8 kHz.
//!
//! The rules are the published ones of such receivers: two blocks alike make a key, so that 40 ms of tone
//! suffice (Q.24); the low tone may be 8 dB louder than the high one, the high one 4 dB louder than the
//! low one; each stands 8 dB above its neighbours; together they are most of what is heard, and keep
//! their levels from block to block, which is what keeps speech from pressing keys.

use base::Digit;

/// One leg's receiver of tones.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// A block, as far as it has come.
    block: [i16; BLOCK],
    samples: usize,
    /// What the last block was.
    last: Option<Hit>,
    /// The key that is held down, and how many blocks have passed without it.
    held: Option<u8>,
    absent: u8,
}

/// A block that is made of the tones of a key, and their powers.
#[derive(Clone, Copy, Debug)]
struct Hit {
    key: u8,
    low: f32,
    high: f32,
}

impl Receiver {
    /// Silence before.
    pub fn new() -> Self {
        Self { block: [0; BLOCK], samples: 0, last: None, held: None, absent: 0 }
    }

    /// Listens to audio at 8 kHz; tells each key once, when it has been heard for two blocks (26 to 38 ms).
    pub fn listen(&mut self, audio: &[i16], mut tell: impl FnMut(Digit)) {
        let mut rest = audio;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(BLOCK - self.samples));
            self.block[self.samples..self.samples + part.len()].copy_from_slice(part);
            self.samples += part.len();
            rest = after;
            if self.samples == BLOCK {
                self.samples = 0;
                let hit = self.judge();
                if let Some(digit) = self.follow(hit) {
                    tell(digit);
                }
            }
        }
    }

    /// The key whose tones this block is made of.
    fn judge(&self) -> Option<Hit> {
        let power = powers(&self.block, &COEFFICIENTS);
        let (rows, columns) = power.split_at(TONES / 2);
        let (row, low) = strongest(rows)?;
        let (column, high) = strongest(columns)?;
        let loud = low >= LEAST_POWER && high >= LEAST_POWER;
        let balanced = low <= high * ROW_LOUDER && high <= low * COLUMN_LOUDER;
        (loud && balanced && self.is_alone(row, column)).then_some(Hit {
            key: (row * 4 + column) as u8,
            low,
            high,
        })
    }

    /// Whether the block is these two tones and little else. Phones' tones are up to 1.5 % off (Q.23), so
    /// each is looked for beside its place, too.
    fn is_alone(&self, row: usize, column: usize) -> bool {
        let mut around = [0.0; 6];
        for (n, shift) in [1.0 - BESIDE, 1.0, 1.0 + BESIDE].into_iter().enumerate() {
            around[n] = 2.0 * (ANGLES[row] * shift).cos();
            around[n + 3] = 2.0 * (ANGLES[TONES / 2 + column] * shift).cos();
        }
        let power = powers(&self.block, &around);
        let most = |powers: &[f32]| powers.iter().copied().fold(0.0, f32::max);
        let energy: f32 = self.block.iter().map(|&x| f32::from(x) * f32::from(x)).sum();
        most(&power[..3]) + most(&power[3..]) >= SHARE * BLOCK as f32 / 2.0 * energy
    }

    /// Two blocks alike make a key; two without it let it go.
    fn follow(&mut self, hit: Option<Hit>) -> Option<Digit> {
        let before = std::mem::replace(&mut self.last, hit);
        if self.held.is_some() {
            if hit.map(|hit| hit.key) == self.held {
                self.absent = 0;
                return None;
            }
            self.absent += 1;
            if self.absent >= RELEASE {
                self.held = None;
            }
        }
        let hit = hit?;
        if !before.is_some_and(|before| before.goes_on_as(hit)) {
            return None;
        }
        self.held = Some(hit.key);
        self.absent = 0;
        KEYS.get(usize::from(hit.key)).and_then(|&key| Digit::from_char(char::from(key)))
    }
}

impl Hit {
    /// A key's tones keep their levels; a voice that hits upon two tones moves on.
    fn goes_on_as(self, next: Self) -> bool {
        let steady = |one: f32, other: f32| one <= other * STEADY && other <= one * STEADY;
        self.key == next.key && steady(self.low, next.low) && steady(self.high, next.high)
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

/// What Goertzel's filters make of a block: the square of a tone's peak times half the block.
fn powers<const N: usize>(block: &[i16; BLOCK], coefficients: &[f32; N]) -> [f32; N] {
    let (mut one, mut two) = ([0.0; N], [0.0; N]);
    for &sample in block {
        for n in 0..N {
            let next = f32::from(sample) + coefficients[n] * one[n] - two[n];
            two[n] = one[n];
            one[n] = next;
        }
    }
    std::array::from_fn(|n| one[n] * one[n] + two[n] * two[n] - coefficients[n] * one[n] * two[n])
}

/// The strongest of four, if it stands out from the others.
fn strongest(powers: &[f32]) -> Option<(usize, f32)> {
    let (best, &power) = powers.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1))?;
    let stands_out = powers.iter().enumerate().all(|(n, &other)| n == best || other * NEIGHBOUR <= power);
    stands_out.then_some((best, power))
}

/// The keys by row and column.
const KEYS: &[u8; 16] = b"123A456B789C*0#D";

/// 12.75 ms: bins of 78 Hz, which tell 697 from 770 Hz, and three blocks in the shortest tone.
const BLOCK: usize = 102;

/// Four rows and four columns.
const TONES: usize = 8;

/// Twice the cosine of each tone's step, 697 to 941 Hz and 1209 to 1633 Hz at 8 kHz.
const COEFFICIENTS: [f32; TONES] =
    [1.707_737_8, 1.645_281_1, 1.568_687, 1.478_204_6, 1.164_104, 0.996_370_2, 0.798_618_4, 0.568_532_7];

/// The tones' steps from sample to sample.
const ANGLES: [f32; TONES] =
    [0.547_422_5, 0.604_756_6, 0.669_159_23, 0.739_059_7, 0.949_546_4, 1.049_292, 1.160_033_1, 1.282_555_2];

/// -42 dBm0 a tone: its peak is 180 where a full sine's, 3.17 dBm0, is 32636; a filter makes of it the
/// square of that times half a block.
const LEAST_POWER: f32 = (180.0 * BLOCK as f32 / 2.0) * (180.0 * BLOCK as f32 / 2.0);

/// Twist: 8 dB where the row is louder, 4 dB where the column is.
const ROW_LOUDER: f32 = 6.31;
const COLUMN_LOUDER: f32 = 2.51;

/// 8 dB above the other tones of its group.
const NEIGHBOUR: f32 = 6.31;

/// The two tones are this share of all that is heard in the block: noise may lie 10 dB below them.
const SHARE: f32 = 0.91;

/// How far beside its place a tone is looked for: with it 1.5 % are met and 3.5 % are not.
const BESIDE: f32 = 0.012;

/// From block to block a tone changes by no more than 3 dB: the louder one leaks into the weaker one's
/// filter by up to 1.5 dB either way.
const STEADY: f32 = 1.995;

/// Two blocks, 25 ms, without it: less is a gap in the tone.
const RELEASE: u8 = 2;

#[cfg(test)]
mod tests;
