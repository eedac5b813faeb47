//! Packets that did not come, for codings that cannot conceal: the last pitch period goes on, fading, and
//! audio that returns is blended in. After the description of G.711 Appendix I, without its delay.

use crate::coding::Rate;

/// One stream's memory of what was heard.
#[derive(Clone, Debug)]
pub struct Concealment {
    rate: Rate,
    /// The newest audio, the last sample at the end; the first `heard` places of it may be unused.
    history: [i16; 2 * HISTORY],
    loss: Option<Loss>,
}

/// A loss that goes on.
#[derive(Clone, Copy, Debug)]
struct Loss {
    pitch: usize,
    /// Samples made up so far.
    made: usize,
    /// What is repeated now, and what it was before, while one is blended into the other.
    now: Loop,
    before: Loop,
    blend: usize,
    /// The step from the last sample heard to the first made up, which fades away.
    step: f32,
}

/// So many of the last pitch periods, repeated.
#[derive(Clone, Copy, Debug)]
struct Loop {
    periods: usize,
    at: usize,
}

impl Concealment {
    /// Nothing heard yet: a loss is silence.
    pub fn new(rate: Rate) -> Self {
        Self { rate, history: [0; 2 * HISTORY], loss: None }
    }

    /// Takes in audio that came; the first 10 ms after a loss are blended with what was made up.
    pub fn hear(&mut self, audio: &mut [i16]) {
        if let Some(mut loss) = self.loss.take() {
            let overlap = self.rate.samples(OVERLAP_MS).min(audio.len());
            for (n, sample) in audio.iter_mut().take(overlap).enumerate() {
                let made = f32::from(self.next(&mut loss));
                let share = (n as f32 + 0.5) / overlap as f32;
                *sample = (made + (f32::from(*sample) - made) * share).round() as i16;
            }
        }
        self.remember(audio);
    }

    /// Makes up audio that is missing.
    pub fn make(&mut self, out: &mut [i16]) {
        let mut loss = self.loss.unwrap_or_else(|| self.begin());
        for sample in out {
            *sample = self.next(&mut loss);
        }
        self.loss = Some(loss);
    }

    fn begin(&self) -> Loss {
        let pitch = self.pitch();
        let one = Loop { periods: 1, at: 0 };
        let end = self.history.len();
        let step = f32::from(self.history[end - 1]) - f32::from(self.history[end - pitch - 1]);
        Loss { pitch, made: 0, now: one, before: one, blend: 0, step }
    }

    fn next(&self, loss: &mut Loss) -> i16 {
        let ten = self.rate.samples(10);
        let gain = 1.0 - (loss.made.saturating_sub(ten)) as f32 / (ten * FADE_TENS) as f32;
        if gain <= 0.0 {
            return 0;
        }
        // One period alone buzzes: after 10 ms it is the last two, after 20 ms the last three.
        if loss.made > 0 && loss.made.is_multiple_of(ten) && loss.now.periods < MOST_PERIODS {
            loss.before = loss.now;
            loss.now = Loop { periods: loss.now.periods + 1, at: loss.now.at % loss.pitch };
            loss.blend = loss.pitch / 4;
        }
        let mut value = self.looped(&mut loss.now, loss.pitch);
        if loss.blend > 0 {
            let share = loss.blend as f32 / (loss.pitch / 4 + 1) as f32;
            value += (self.looped(&mut loss.before, loss.pitch) - value) * share;
            loss.blend -= 1;
        }
        let seam = self.rate.samples(SEAM_MS);
        if loss.made < seam {
            value += loss.step * (1.0 - (loss.made + 1) as f32 / (seam + 1) as f32);
        }
        loss.made += 1;
        (value * gain).round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
    }

    /// The loop's next sample. Its last quarter period runs into what came before its beginning, so that
    /// it closes without a click.
    fn looped(&self, around: &mut Loop, pitch: usize) -> f32 {
        let (len, quarter, end) = (around.periods * pitch, pitch / 4, self.history.len());
        let at = around.at % len;
        around.at = (at + 1) % len;
        let sample = f32::from(self.history[end - len + at]);
        let Some(into) = (at + quarter).checked_sub(len) else { return sample };
        let share = (into as f32 + 1.0) / (quarter as f32 + 1.0);
        let earlier = f32::from(self.history[end + at - 2 * len]);
        sample + (earlier - sample) * share
    }

    /// The lag between 5 and 15 ms at which the last 20 ms are most like what came before.
    fn pitch(&self) -> usize {
        let coarse = self.rate.hz() / 4000;
        let (least, most) = (self.rate.samples(5), self.rate.samples(15));
        let mut best = (f32::MIN, most);
        let mut lag = least;
        while lag <= most {
            best = keep_better(best, (self.likeness(lag, coarse), lag));
            lag += coarse;
        }
        let near = best.1;
        best = (f32::MIN, near);
        for lag in near.saturating_sub(coarse - 1).max(least)..=(near + coarse - 1).min(most) {
            best = keep_better(best, (self.likeness(lag, 1), lag));
        }
        best.1
    }

    /// How like the last 20 ms are to what was heard `lag` samples before, every `stride`th sample.
    fn likeness(&self, lag: usize, stride: usize) -> f32 {
        let end = self.history.len();
        let window = self.rate.samples(20);
        let newest = &self.history[end - window..];
        let earlier = &self.history[end - window - lag..end - lag];
        let (mut product, mut energy) = (0.0, 1.0);
        for (&a, &b) in newest.iter().zip(earlier).step_by(stride) {
            let (a, b) = (f32::from(a), f32::from(b));
            product += a * b;
            energy += b * b;
        }
        product / f32::sqrt(energy)
    }

    fn remember(&mut self, audio: &[i16]) {
        let len = self.history.len();
        if let Some(surplus) = audio.len().checked_sub(len) {
            self.history.copy_from_slice(&audio[surplus..]);
            return;
        }
        self.history.copy_within(audio.len().., 0);
        self.history[len - audio.len()..].copy_from_slice(audio);
    }
}

fn keep_better(best: (f32, usize), other: (f32, usize)) -> (f32, usize) {
    if other.0 > best.0 { other } else { best }
}

/// Samples at 8 kHz to look back on: three periods of 15 ms and the quarter before; twice that at 16 kHz.
const HISTORY: usize = 390;

/// The most periods that are repeated.
const MOST_PERIODS: usize = 3;

/// After the first 10 ms the audio fades by a fifth each 10 ms: silence after 60 ms.
const FADE_TENS: usize = 5;

/// Audio that returns is blended in over this time.
const OVERLAP_MS: usize = 10;

/// The step where the loss begins fades in this time.
const SEAM_MS: usize = 2;
