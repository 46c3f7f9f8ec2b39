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

use super::affine::affine_train;
use super::constant_step::{ASYMMETRY, signed_step};
use super::count::Count;
use super::cycle_noise::CycleNoise;
use super::law::{Kind, LOWER, Law, OWN, Parameter, Pulse, STEP, UPPER};
use crate::number::Real;

/// `d± = ± step (1 ± β) (1 - γ± · distance from s₀ towards the bound)`.
#[derive(Debug, Clone, Copy)]
pub struct LinearStep;

impl LinearStep {
    /// The mean change `±a - κ (s - s₀)`, `a = step (1 ± β)`, and its slope `κ = a γ±/|b - s₀|`, b the bound that the pulse
    /// moves to.
    #[inline(always)]
    fn change_and_slope<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> (R, R) {
        let (asymmetry, reference) = (p[OWN], p[OWN + 1]);
        let bound = pulse.choose(p[UPPER], p[LOWER]);
        let lost = pulse.choose(p[OWN + 2], p[OWN + 3]);
        let signed = signed_step(p[STEP], asymmetry, pulse);
        let kappa = signed.abs() * lost / (bound - reference).abs();
        (kappa.mul_add(reference - s, signed), kappa)
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
        Self::change_and_slope(p, s, pulse).0
    }

    #[inline(always)]
    fn train<R: Real>(
        p: &[R],
        s: R,
        pulse: &Pulse<R>,
        n: &Count<R>,
        noise: &CycleNoise<R>,
    ) -> Option<(R, R)> {
        let (change, kappa) = Self::change_and_slope(p, s, pulse);
        Some(affine_train(s, change, kappa, p[STEP], n, noise))
    }
}
