//! Comfort noise, RFC 3389: the sender is silent and says how its silence sounds.

/// What fills a pause: noise of a level and a colour.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Root mean square of the noise, in samples.
    level: f32,
    /// Reflection coefficients of the filter that colours it, and the filter's memory.
    reflection: [f32; MOST_ORDER],
    order: usize,
    memory: [f32; MOST_ORDER],
    random: u64,
}

impl Noise {
    /// Reads a payload of comfort noise (RFC 3389 §3); none without a level.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let mut noise = Self {
            level: 0.0,
            reflection: [0.0; MOST_ORDER],
            order: 0,
            memory: [0.0; MOST_ORDER],
            random: SEED,
        };
        noise.update(payload).then_some(noise)
    }

    /// Takes a further payload in; the noise goes on without a seam. `false` when it says no level.
    pub fn update(&mut self, payload: &[u8]) -> bool {
        let Some((&level, colour)) = payload.split_first() else { return false };
        self.level = FULL_SCALE * 10f32.powf(-f32::from(level & 0x7f) / 20.0);
        // Coefficients beyond ours are the finest detail of the colour.
        self.order = colour.len().min(MOST_ORDER);
        for (coefficient, &byte) in self.reflection.iter_mut().zip(colour) {
            *coefficient = ((f32::from(byte) - 127.0) * 258.0 / 32_768.0).clamp(-STEEPEST, STEEPEST);
        }
        true
    }

    /// Fills with noise.
    pub fn make(&mut self, out: &mut [i16]) {
        // An all-pole lattice raises the power by this; white noise in (-1, 1) has a third of power one.
        let loss: f32 = self.reflection[..self.order].iter().map(|k| 1.0 - k * k).product();
        let gain = self.level * (3.0 * loss).sqrt();
        for sample in out {
            let white = self.white() * gain;
            *sample = self.coloured(white).round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16;
        }
    }

    /// The all-pole lattice, one sample.
    fn coloured(&mut self, white: f32) -> f32 {
        let mut forward = white;
        for n in (0..self.order).rev() {
            let k = self.reflection[n];
            forward -= k * self.memory[n];
            let backward = self.memory[n] + k * forward;
            if let Some(above) = self.memory.get_mut(n + 1) {
                *above = backward;
            }
        }
        self.memory[0] = forward;
        forward
    }

    /// Even noise between -1 and 1 (xorshift).
    fn white(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((self.random >> 40) as i32 - (1 << 23)) as f32 / (1 << 23) as f32
    }
}

/// A square wave of full scale is 0 dBov (RFC 3389 §3).
const FULL_SCALE: f32 = 32_767.0;

/// G.711 Appendix II speaks of ten; two more than that are heard by nobody.
const MOST_ORDER: usize = 12;

/// A coefficient of one is an oscillator.
const STEEPEST: f32 = 0.98;

/// Any number but zero: noise needs no secret.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    fn level(noise: &mut Noise) -> f64 {
        let mut out = vec![0; 16_000];
        noise.make(&mut out);
        let power: f64 = out.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / out.len() as f64;
        20.0 * (power.sqrt() / f64::from(FULL_SCALE)).log10()
    }

    #[test]
    fn noise_has_the_level_that_is_said() {
        for said in [20, 40, 55, 70] {
            let mut noise = Noise::read(&[said]).unwrap();
            let heard = level(&mut noise);
            assert!((heard + f64::from(said)).abs() < 0.5, "{said}: {heard}");
        }
        assert!(Noise::read(&[]).is_none());
    }

    #[test]
    fn colour_changes_the_spectrum_and_not_the_level() {
        // A pole near 0 Hz: neighbours are alike.
        let mut noise = Noise::read(&[40, 127 - 100]).unwrap();
        assert!((level(&mut noise) + 40.0).abs() < 1.0);
        let mut out = vec![0; 8000];
        noise.make(&mut out);
        let (mut product, mut energy) = (0.0, 0.0);
        for pair in out.windows(2) {
            product += f64::from(pair[0]) * f64::from(pair[1]);
            energy += f64::from(pair[0]) * f64::from(pair[0]);
        }
        assert!((product / energy - 0.787).abs() < 0.05, "{}", product / energy);
    }

    #[test]
    fn the_wildest_payload_stays_within_bounds() {
        for byte in [0, 127, 255] {
            let mut noise = Noise::read(&[30; 1].into_iter().chain([byte; 40]).collect::<Vec<u8>>()).unwrap();
            let heard = level(&mut noise);
            assert!(heard < -10.0, "{byte}: {heard}");
        }
    }
}
