//! Linear step: the change of a pulse falls linearly along the window.
//!
//! # Equation
//! `d₊ = step (1+β) (1 - γ₊ (s - s₀)/(u - s₀))`, `d₋ = -step (1-β) (1 - γ₋ (s₀ - s)/(s₀ - l))`
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | step | `step` | S, or fraction of the window |
//! | l, u | `lower`, `upper` | S, or position in the window |
//! | β | `asymmetry` | – |
//! | s₀ | `reference` | S, or position: where the step is `step` |
//! | γ₊, γ₋ | `slope-potentiation`, `slope-depression` | – : fraction of the step lost from s₀ to the bound |
//!
//! # Behaviour
//! γ = 0 is the constant step, γ = 1 soft bounds. With β = 0 the symmetric point is s₀ and
//! `R'(s₀) = (γ₊/(u-s₀) + γ₋/(s₀-l))/2`. Trains are closed-form (the step is affine in s).
//!
//! # Reference
//! Rasch et al., IEEE AICAS 2021, <https://doi.org/10.1109/AICAS51828.2021.9458494> (the form used by aihwkit); ECRAM:
//! Tang et al., IEDM 2018, <https://doi.org/10.1109/IEDM.2018.8614551>.
//!
//! # Differences
//! aihwkit's `mult_noise = false` adds noise to the step (`additive` here), `true` multiplies it (`multiplicative`).
//! Its `mean_bound_reference` refers the slopes to the mean bounds of the array; here each cell's own bounds count.

use super::affine::{Direction, affine_train};
use super::constant_step::{ASYMMETRY, signed_step};
use super::law::{CycleNoise, Kind, LOWER, Law, OWN, Parameter, Pulse, STEP, UPPER};
use crate::number::Real;

/// `d± = ± step (1 ± β) (1 - γ± · distance from s₀ towards the bound)`.
#[derive(Debug, Clone, Copy)]
pub struct LinearStep;

/// The mean change, and its (negative) slope κ in the state for potentiation and for depression.
#[inline(always)]
pub(super) fn change_and_slopes<R: Real>(
    p: &[R],
    s: R,
    pulse: &Pulse<R>,
    asymmetry: R,
    reference: R,
    slopes: [R; 2],
) -> (R, [R; 2]) {
    let one = R::lit(1.0);
    let per_up = slopes[0] / (p[UPPER] - reference);
    let per_down = slopes[1] / (reference - p[LOWER]);
    let x = s - reference;
    let factor = pulse.choose(one - per_up * x, one + per_down * x);
    let change = signed_step(p[STEP], asymmetry, pulse) * factor;
    let kappa = [
        p[STEP] * (one + asymmetry) * per_up,
        p[STEP] * (one - asymmetry) * per_down,
    ];
    (change, kappa)
}

/// The closed-form train from what [`change_and_slopes`] returns.
#[inline(always)]
pub(super) fn train_of<R: Real>(
    p: &[R],
    s: R,
    pulse: &Pulse<R>,
    (change, kappa): (R, [R; 2]),
    n: R,
    noise: &CycleNoise<R>,
) -> (R, R) {
    let up = Direction::new(kappa[0], noise);
    let down = Direction::new(kappa[1], noise);
    let along = Direction::choose(pulse, &up, &down);
    affine_train(s, change, &along, p[STEP], n, noise)
}

impl LinearStep {
    #[inline(always)]
    fn parts<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> (R, [R; 2]) {
        change_and_slopes(p, s, pulse, p[OWN], p[OWN + 1], [p[OWN + 2], p[OWN + 3]])
    }
}

impl Law for LinearStep {
    const NAME: &'static str = "linear-step";
    const PARAMETERS: &'static [Parameter] = &[
        ASYMMETRY,
        Parameter {
            name: "reference",
            kind: Kind::Position,
            least: 0.0,
            most: 1.0,
            meaning: "state where a pulse makes the nominal step",
        },
        Parameter {
            name: "slope-potentiation",
            kind: Kind::Ratio,
            least: -1.0,
            most: 1.0,
            meaning: "fraction of the potentiation step lost between the reference and the upper bound",
        },
        Parameter {
            name: "slope-depression",
            kind: Kind::Ratio,
            least: -1.0,
            most: 1.0,
            meaning: "fraction of the depression step lost between the reference and the lower bound",
        },
    ];

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        Self::parts(p, s, pulse).0
    }

    #[inline(always)]
    fn train<R: Real>(
        p: &[R],
        s: R,
        pulse: &Pulse<R>,
        n: R,
        noise: &CycleNoise<R>,
    ) -> Option<(R, R)> {
        Some(train_of(p, s, pulse, Self::parts(p, s, pulse), n, noise))
    }
}
