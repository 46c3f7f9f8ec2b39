//! Trains of pulses for laws without a closed form, from derivatives of the law.

use super::cycle_noise::{CycleNoise, Later};
use super::law::{AnyLaw, FEW_PARAMETERS, LOWER, Law, MOST_PARAMETERS, OWN, Pulse, STEP, UPPER};
use crate::number::{Jet, Real, variable};

/// [`Law::jet`] of a law that is evaluated as it is written.
#[inline(always)]
pub(super) fn step_jet<L: Law, R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> Jet<R> {
    if const { OWN + L::PARAMETERS.len() <= FEW_PARAMETERS } {
        sized_jet::<L, R, FEW_PARAMETERS>(p, s, pulse)
    } else {
        sized_jet::<L, R, MOST_PARAMETERS>(p, s, pulse)
    }
}

#[inline(always)]
fn sized_jet<L: Law, R: Real, const SIZE: usize>(p: &[R], s: R, pulse: &Pulse<R>) -> Jet<R> {
    let polarity = Jet::constant(pulse.polarity);
    L::step(
        &constants::<L, R, SIZE>(p),
        variable(s),
        &Pulse {
            polarity,
            parts: pulse.parts,
        },
    )
}

/// Parameters that do not vary with what derivatives are taken of.
#[inline(always)]
pub(super) fn constants<L: Law, R: Real, const SIZE: usize>(p: &[R]) -> [Jet<R>; SIZE] {
    let mut constants = [Jet::lit(0.0); SIZE];
    for k in 0..OWN + L::PARAMETERS.len() {
        constants[k] = Jet::constant(p[k]);
    }
    constants
}

/// Mean and variance of the state after `n ≥ 1` pulses.
///
/// # Equation
/// Mean m and variance V go from pulse to pulse as `m ← m + d(m) + ½ d″(m) V` and
/// `V ← V (1 + d′)² + σ(m)² + σ′² V`, `σ² = (σ_a step)² + σ_m² d²` or what [`CycleNoise`] says, with the law d expanded about `s` to
/// third order. Four pulses are made so (without d″ V and σ′² V where [`CycleNoise::feeds_back`] says that they do not matter); later ones follow from the forward
/// differences of these, Newton's series `m_n = Σ_{k≤4} C(n, k) Δᵏm`, and the same for V.
///
/// # Behaviour
/// Up to four pulses there is no error but that of the expansion, beyond, of the order of `C(n, 5) (n d′)⁴/n⁴` relative to the
/// change. [`longest_train`] says up to which length that is small enough. One pulse gives `s + d(s)` and its variance to the bit.
#[inline(always)]
pub(super) fn expanded_train<L: Law, R: Real>(
    p: &[R],
    s: R,
    pulse: &Pulse<R>,
    n: R,
    noise: &CycleNoise<R>,
) -> (R, R) {
    let d = L::jet(p, s, pulse);
    let first = noise.variance(p[STEP], s, d.re, pulse.polarity);
    let feedback = noise.feeds_back();

    let (half, third) = (R::lit(0.5), R::lit(1.0 / 3.0));
    // How far the later changes and variances are off the first ones: small numbers, whose differences lose nothing.
    let mut changes = [R::lit(0.0); 3];
    let mut variances = [R::lit(0.0); 3];
    let (mut moved, mut variance) = (d.re, first);
    for k in 0..3 {
        let slope = moved.mul_add((moved * half).mul_add(d.v3, d.v2), d.v1);
        let bent = (moved * third).mul_add(d.v3, d.v2);
        let change = moved * (moved * half).mul_add(bent, d.v1);
        let later = Later {
            polarity: pulse.polarity,
            moved,
            change,
            slope,
            variance,
        };
        let spread = noise.growth(p[STEP], s, d.re, &later);
        changes[k] = if feedback {
            let curvature = moved.mul_add(d.v3, d.v2);
            (half * curvature).mul_add(variance, change)
        } else {
            change
        };
        variances[k] = (variance * slope).mul_add(R::lit(2.0) + slope, spread);
        moved = moved + d.re + changes[k];
        variance = variance + first + variances[k];
    }
    let pairs = n * (n - R::lit(1.0)) * half;
    let triples = pairs * (n - R::lit(2.0)) * third;
    let quadruples = triples * (n - R::lit(3.0)) * R::lit(0.25);
    let newton = |first: R, [a, b, c]: [R; 3]| {
        let second = b - a - a;
        let third = R::lit(-3.0).mul_add(b - a, c);
        let later = pairs.mul_add(a, triples.mul_add(second, quadruples * third));
        n.mul_add(first, later)
    };
    let variance = newton(first, variances).max(R::lit(0.0));
    (s + newton(d.re, changes), variance)
}

/// Lengths that trains are tried with.
const LENGTHS: [u32; 5] = [32, 16, 8, 4, 2];

/// How many cells are tried.
const STEEPEST: usize = 8;

/// The largest slope of a cell's step in the state, at the ends of its window and in the middle, by pulses of these polarities.
pub(super) fn steepness(law: &dyn AnyLaw, p: &[f64], polarities: &[f64]) -> f64 {
    let places = [0.0, 0.5, 1.0].map(|x| p[LOWER] + (p[UPPER] - p[LOWER]) * x);
    let all = |s| {
        polarities
            .iter()
            .map(move |&polarity| law.step_jet(p, s, polarity).v1.abs())
    };
    places.into_iter().flat_map(all).fold(0.0, f64::max)
}

/// The longest train whose expanded moments stand for single pulses everywhere in the windows of these cells, given with their
/// [`steepness`], by pulses of these polarities; 1 for none.
///
/// Against mean and variance carried pulse by pulse in double precision, at 33 places of the window, for every length up to it:
/// the mean change may miss 1e-4 of itself and as much of a nominal step (for steps of 1e-3 of the window, one rounding of the
/// state), the variance 1e-3 of itself and 1e-5 of that of as many nominal steps (a deviation wrong by 5e-4 of itself, where the
/// smallest distance that a test of 10⁶ draws can see is 1e-3 of it).
pub(super) fn longest_train<'a>(
    law: &dyn AnyLaw,
    noise: &CycleNoise<f64>,
    cells: impl Iterator<Item = (f64, &'a [f64])>,
    polarities: &[f64],
) -> u32 {
    let mut length = LENGTHS[0];
    for p in steepest(cells) {
        while length > 1 && !holds(law, noise, p, length, polarities) {
            length = LENGTHS.into_iter().find(|l| *l < length).unwrap_or(1);
        }
    }
    length
}

/// The cells of the largest slopes, given with their [`steepness`]: errors grow with it, so that these stand for all.
pub(super) fn steepest<'a>(cells: impl Iterator<Item = (f64, &'a [f64])>) -> Vec<&'a [f64]> {
    let mut steepest: Vec<(f64, &[f64])> = Vec::new();
    for (found, p) in cells {
        if steepest.len() < STEEPEST {
            steepest.push((found, p));
        } else if found > steepest[STEEPEST - 1].0 {
            steepest[STEEPEST - 1] = (found, p);
        } else {
            continue;
        }
        steepest.sort_by(|a, b| b.0.total_cmp(&a.0));
    }
    steepest.into_iter().map(|(_, p)| p).collect()
}

fn holds(
    law: &dyn AnyLaw,
    noise: &CycleNoise<f64>,
    p: &[f64],
    length: u32,
    polarities: &[f64],
) -> bool {
    const PLACES: i32 = 32;
    let nominal = noise.variance(p[STEP], 0.5 * (p[LOWER] + p[UPPER]), p[STEP], 1.0);
    let places =
        (0..=PLACES).map(|k| p[LOWER] + (p[UPPER] - p[LOWER]) * f64::from(k) / f64::from(PLACES));
    let places = places.map(|s| (s, 0.0));
    // A kink is met in the middle of a train.
    let ends = noise.kink().filter(|s| (p[LOWER]..p[UPPER]).contains(s));
    let kinks = law.kinks(p).into_iter().chain(ends).map(|s| (s, 0.5));
    places.chain(kinks).all(|(place, before)| {
        polarities.iter().all(|&polarity| {
            let back = before * f64::from(length) * law.step(p, place, polarity);
            let s = (place - back).clamp(p[LOWER], p[UPPER]);
            let single = SinglePulses::new(law, noise, p, s, polarity);
            // Beyond the window, where noise that follows the state may have ended, no state stays.
            let inside = |&(_, (mean, _)): &(u32, (f64, f64))| {
                !noise.is_affine() || (p[LOWER]..=p[UPPER]).contains(&mean)
            };
            let mut lengths = (1..=length).zip(single).take_while(inside);
            lengths.all(|(n, (mean, variance))| {
                let found = law.expanded(p, noise, s, polarity, n);
                let mean_allowed = 1e-4 * ((mean - s).abs() + p[STEP]);
                let variance_allowed = 1e-3 * variance + 1e-5 * f64::from(n) * nominal;
                (found.0 - mean).abs() <= mean_allowed
                    && (found.1 - variance).abs() <= variance_allowed
            })
        })
    })
}

/// Mean and variance pulse by pulse, the law expanded to second order about each mean; without hard bounds.
pub(super) struct SinglePulses<'a> {
    law: &'a dyn AnyLaw,
    noise: &'a CycleNoise<f64>,
    p: &'a [f64],
    polarity: f64,
    mean: f64,
    variance: f64,
}

impl<'a> SinglePulses<'a> {
    pub(super) fn new(
        law: &'a dyn AnyLaw,
        noise: &'a CycleNoise<f64>,
        p: &'a [f64],
        s: f64,
        polarity: f64,
    ) -> Self {
        Self {
            law,
            noise,
            p,
            polarity,
            mean: s,
            variance: 0.0,
        }
    }
}

impl Iterator for SinglePulses<'_> {
    type Item = (f64, f64);

    /// Moments after one more pulse.
    fn next(&mut self) -> Option<(f64, f64)> {
        let jet = self.law.step_jet(self.p, self.mean, self.polarity);
        let own = self
            .law
            .own_variance(self.p, Jet::constant(self.mean), self.polarity);
        let (step, s) = (self.p[STEP], self.mean);
        let spread = self.noise.variance(step, s, jet.re, self.polarity)
            + own.re
            + self.noise.fed_back(step, s, jet.v1, self.polarity) * self.variance;
        self.mean += jet.re + 0.5 * jet.v2 * self.variance;
        self.variance = self.variance * (1.0 + jet.v1).powi(2) + spread;
        Some((self.mean, self.variance))
    }
}
