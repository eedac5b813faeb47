//! The tones of each country: frequencies, level, cadence.
//!
//! Frequencies and cadences are those of the list that goes with ITU-T E.180 ("Various tones used in national
//! networks", Supplement 2); where a country's own paper says more, it counts and stands beside its rows. Where one
//! administration names several tones for one purpose, ours is the first. E.180 gives no levels by country: it wants
//! -10 dBm0, not above -5 nor below -15, and so do all rows that say nothing else.

use base::{Country, Tone};

/// How a tone is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score {
    pub(super) wave: Wave,
    /// Of the sound as a whole, while it is on.
    pub(super) dbm0: f64,
    /// One after the other, then from the beginning; the second may be none.
    pub(super) bursts: [Burst; 2],
}

/// What sounds, in hertz.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wave {
    One(f64),
    /// Added, each with half of the power.
    Two(f64, f64),
    /// One whose strength swings with the other; 1.0 is to nothing and back.
    Swinging {
        tone: f64,
        by: f64,
        depth: f64,
    },
}

/// Sound and the silence behind it, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Burst {
    pub(super) on: usize,
    pub(super) off: usize,
    /// By how many decibels it is quieter than the tone.
    pub(super) quieter: f64,
}

/// How a country's tone is made; silence is not.
pub(super) const fn score(country: Country, tone: Tone) -> Option<Score> {
    match tone {
        Tone::Ringback => Some(ringback(country)),
        Tone::Busy => Some(busy(country)),
        Tone::Congestion => Some(congestion(country)),
        // No network says "speak now" by a tone of its own; voice mail everywhere does so about like this.
        Tone::Beep => Some(at(-10.0, Wave::One(1000.0), once(300, 0))),
        Tone::Silence => None,
    }
}

const fn ringback(country: Country) -> Score {
    const ONE_AND_FOUR: [Burst; 2] = once(1000, 4000);
    const ONE_AND_TWO: [Burst; 2] = once(1000, 2000);
    const TWICE_AND_TWO: [Burst; 2] = [burst(400, 200), burst(400, 2000)];
    const TWICE_AND_THREE: [Burst; 2] = [burst(400, 200), burst(400, 3000)];
    const AMERICAN: Wave = Wave::Two(440.0, 480.0);
    match country {
        // GB/T 3380: 450 ± 25 Hz, -10 ± 3 dBm.
        Country::Cn => plain(Wave::One(450.0), ONE_AND_FOUR),
        Country::Hk => plain(AMERICAN, TWICE_AND_THREE),
        Country::Mo | Country::De => plain(Wave::One(425.0), ONE_AND_FOUR),
        Country::Tw | Country::Kr => plain(AMERICAN, ONE_AND_TWO),
        // 400 Hz swinging with 15 to 20 Hz, by 85 % ± 15; some tables write it as 384 + 416 Hz, which is the same
        // without its carrier, others as 400 + 15 Hz, which nobody would hear.
        Country::Jp => plain(Wave::Swinging { tone: 400.0, by: 16.0, depth: 0.85 }, ONE_AND_TWO),
        // IDA TS PSTN 1: 425 ± 20 Hz, swinging wholly with 24 ± 2 Hz.
        Country::Sg => plain(Wave::Swinging { tone: 425.0, by: 24.0, depth: 1.0 }, TWICE_AND_TWO),
        // The precise tone plan of North America: -19 dBm0 for each frequency.
        Country::Us => at(-16.0, AMERICAN, once(2000, 4000)),
        // BT SIN 350.
        Country::Gb => plain(Wave::Two(400.0, 450.0), TWICE_AND_TWO),
        Country::Fr => plain(Wave::One(440.0), once(1500, 3500)),
        // ACIF S002.
        Country::Au => plain(Wave::Two(413.0, 438.0), TWICE_AND_TWO),
    }
}

const fn busy(country: Country) -> Score {
    const HALVES: [Burst; 2] = once(500, 500);
    const AMERICAN: Wave = Wave::Two(480.0, 620.0);
    match country {
        Country::Cn => plain(Wave::One(450.0), once(350, 350)),
        Country::Hk | Country::Tw | Country::Kr => plain(AMERICAN, HALVES),
        Country::Mo => plain(Wave::One(425.0), HALVES),
        Country::Jp => plain(Wave::One(400.0), HALVES),
        Country::Sg => plain(Wave::One(425.0), once(750, 750)),
        // -24 dBm0 for each frequency.
        Country::Us => at(-21.0, AMERICAN, HALVES),
        Country::Gb => plain(Wave::One(400.0), once(375, 375)),
        Country::De => plain(Wave::One(425.0), once(480, 480)),
        Country::Fr => plain(Wave::One(440.0), HALVES),
        Country::Au => plain(Wave::One(425.0), once(375, 375)),
    }
}

const fn congestion(country: Country) -> Score {
    const QUARTERS: [Burst; 2] = once(250, 250);
    const AMERICAN: Wave = Wave::Two(480.0, 620.0);
    match country {
        Country::Cn => plain(Wave::One(450.0), once(700, 700)),
        Country::Hk | Country::Tw => plain(AMERICAN, QUARTERS),
        Country::Mo | Country::Sg => plain(Wave::One(425.0), QUARTERS),
        // Japan has one tone for both.
        Country::Jp => busy(Country::Jp),
        Country::Kr => plain(AMERICAN, once(300, 200)),
        // The list has 0.2 on and 0.3 off, and 0.3 on and 0.2 off, beside this; what is built says a quarter each.
        Country::Us => at(-21.0, AMERICAN, QUARTERS),
        // "Equipment engaged"; BT makes the second burst louder, by how much our sources do not say.
        Country::Gb => plain(Wave::One(400.0), [burst(400, 350), burst(225, 525)]),
        Country::De => plain(Wave::One(425.0), once(240, 240)),
        Country::Fr => plain(Wave::One(440.0), QUARTERS),
        // Every other burst is 10 dB quieter.
        Country::Au => plain(Wave::One(425.0), [burst(375, 375), Burst { on: 375, off: 375, quieter: 10.0 }]),
    }
}

const fn once(on: usize, off: usize) -> [Burst; 2] {
    [burst(on, off), burst(0, 0)]
}

const fn burst(on: usize, off: usize) -> Burst {
    Burst { on, off, quieter: 0.0 }
}

const fn plain(wave: Wave, bursts: [Burst; 2]) -> Score {
    at(-10.0, wave, bursts)
}

const fn at(dbm0: f64, wave: Wave, bursts: [Burst; 2]) -> Score {
    Score { wave, dbm0, bursts }
}
