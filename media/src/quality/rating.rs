//! The E-model, simplified (ITU-T G.107): what loss, bursts and delay make of a call, as R and as MOS.

use std::time::Duration;

use codecs::{Coding, Rate};

/// What one direction of a call suffers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Of its codec.
    pub impairment: Impairment,
    /// Share of packets that were not played, lost or too late, 0.0-1.0.
    pub loss: f32,
    /// How much longer runs of lost packets are than chance would make them; 1 by chance.
    pub burst_ratio: f32,
    /// From mouth to ear: network, packet time and jitter buffer.
    pub delay: Duration,
}

/// What a codec costs by itself, and how it bears loss (ITU-T G.113 appendix I).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Ie: points of R that are gone without any loss.
    pub codec: f32,
    /// Bpl: percent of loss that cost half of what is left.
    pub robustness: f32,
    /// Whether lost packets are concealed.
    pub conceals: bool,
}

/// How good a direction is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// The E-model's R, 0-93.2 here.
    pub r: f32,
    /// Mean opinion score, 1.0-4.5.
    pub mos: f32,
}

impl Impairment {
    /// G.711 that plays a gap as a gap.
    pub const G711: Self = Self { codec: 0.0, robustness: 4.3, conceals: false };
    /// G.711 with packet loss concealment.
    pub const G711_CONCEALED: Self = Self { codec: 0.0, robustness: 25.1, conceals: true };
    /// G.729 annex A, which conceals.
    pub const G729: Self = Self { codec: 11.0, robustness: 19.0, conceals: true };
    /// Wideband codecs that conceal: no figures on this scale exist, so it is estimated as concealed G.711.
    pub const WIDEBAND_ESTIMATED: Self = Self::G711_CONCEALED;

    /// Of a codec as phones receive it: nearly all of them conceal.
    pub fn of(coding: Coding) -> Self {
        match coding {
            Coding::Pcma | Coding::Pcmu => Self::G711_CONCEALED,
            _ if coding.rate() == Rate::Wide => Self::WIDEBAND_ESTIMATED,
            // What is neither is G.729, where that is built.
            _ => Self::G729,
        }
    }
}

impl Rating {
    /// Rates. What is not a number or out of range counts as the nearest that is in it.
    pub fn of(conditions: &Conditions) -> Self {
        let Conditions { impairment, loss, burst_ratio, delay } = *conditions;
        let ms = delay.as_secs_f32() * 1000.0;
        let delayed = 0.024 * ms + 0.11 * (ms - NOTICEABLE_MS).max(0.0);
        let percent = 100.0 * if loss.is_finite() { loss.clamp(0.0, 1.0) } else { 0.0 };
        let bursts = if burst_ratio.is_finite() { burst_ratio.max(1.0) } else { 1.0 };
        let lossy = (95.0 - impairment.codec) * percent / (percent / bursts + impairment.robustness);
        let r = (BEST - delayed - impairment.codec - lossy).clamp(0.0, BEST);
        Self { r, mos: opinion(r) }
    }
}

impl Rating {
    /// Of an R that somebody else came to.
    pub fn from_r(r: f32) -> Self {
        let r = if r.is_finite() { r.clamp(0.0, 100.0) } else { 0.0 };
        Self { r, mos: opinion(r) }
    }
}

/// G.107 annex B.
fn opinion(r: f32) -> f32 {
    (1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)).clamp(1.0, 4.5)
}

/// R of a call that nothing is wrong with, at G.107's defaults.
const BEST: f32 = 93.2;

/// The delay from which people talk into each other.
const NOTICEABLE_MS: f32 = 177.3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(impairment: Impairment, loss: f32, burst_ratio: f32, delay_ms: u64) -> Rating {
        Rating::of(&Conditions { impairment, loss, burst_ratio, delay: Duration::from_millis(delay_ms) })
    }

    #[test]
    fn the_figures_of_the_recommendation() {
        let near = |rating: Rating, r: f32, mos: f32| {
            assert!((rating.r - r).abs() < 0.1 && (rating.mos - mos).abs() < 0.02, "{rating:?}: {r} {mos}");
        };
        near(rate(Impairment::G711, 0.0, 1.0, 0), 93.2, 4.41);
        near(rate(Impairment::G729, 0.0, 1.0, 0), 82.2, 4.10);
        near(rate(Impairment::G711, 0.0, 1.0, 150), 89.6, 4.33);
        near(rate(Impairment::G711, 0.0, 1.0, 400), 59.1, 3.05);
        near(rate(Impairment::G711, 0.01, 1.0, 0), 75.3, 3.84);
        near(rate(Impairment::G711_CONCEALED, 0.01, 1.0, 0), 89.6, 4.33);
        near(rate(Impairment::G729, 0.05, 1.0, 100), 62.3, 3.22);
    }

    #[test]
    fn what_comes_in_bursts_hurts_more() {
        let by_chance = rate(Impairment::G711_CONCEALED, 0.1, 1.0, 50);
        let in_bursts = rate(Impairment::G711_CONCEALED, 0.1, 3.0, 50);
        assert!(in_bursts.mos < by_chance.mos - 0.2, "{in_bursts:?} {by_chance:?}");
    }

    proptest! {
        #[test]
        fn worse_is_never_better(
            loss in 0.0f32..1.0, more in 0.0f32..0.5, bursts in 0.0f32..9.0, delay in 0u64..2000, later in 0u64..500,
        ) {
            let rating = rate(Impairment::G711, loss, bursts, delay);
            prop_assert!((0.0..=93.2).contains(&rating.r) && (1.0..=4.5).contains(&rating.mos));
            prop_assert!(rate(Impairment::G711, loss + more, bursts, delay).r <= rating.r + 1e-3);
            prop_assert!(rate(Impairment::G711, loss, bursts, delay + later).r <= rating.r);
            prop_assert!(rate(Impairment::G711_CONCEALED, loss, bursts, delay).r >= rating.r - 1e-3);
        }

        #[test]
        fn no_number_breaks_it(loss in any::<f32>(), bursts in any::<f32>()) {
            let rating = rate(Impairment::G711, loss, bursts, 0);
            prop_assert!((0.0..=93.2).contains(&rating.r) && (1.0..=4.5).contains(&rating.mos));
        }
    }
}
