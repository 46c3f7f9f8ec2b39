//! Soft bounds: the change of a pulse falls linearly to zero at the bound that it moves towards.
//!
//! # Equation
//! `d₊ = step (u - s)/(u - s⋄)`, `d₋ = -step (s - l)/(s⋄ - l)`
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | step | `step` | S, or fraction of the window: the change at the symmetric point |
//! | l, u | `lower`, `upper` | S, or position in the window |
//! | s⋄ | `symmetric-point` | S, or position in the window |
//!
//! # Behaviour
//! The symmetric point is s⋄ and `R'(s⋄) = (1/(u-s⋄) + 1/(s⋄-l))/2`, which for s⋄ in the middle is 1/τ with τ half
//! the window. The *shifted* form `q₊ = (1+c)(1-w/τ)`, `q₋ = (1-c)(1+w/τ)` is this law with `w⋄ = cτ` and a nominal
//! step `1-c²` times larger; `R'(w⋄) = 1/(τ(1-c²))`. Trains are closed-form.
//!
//! # Reference
//! Frascaroli et al., Sci. Rep. 8, 7178 (2018), <https://doi.org/10.1038/s41598-018-25376-x>; Gong et al., Nat. Commun. 9,
//! 2102 (2018), <https://doi.org/10.1038/s41467-018-04485-1>.
//!
//! # Differences
//! aihwkit's `SoftBoundsReference` is this law with its weight 0 at s⋄; it always stops hard at the bounds too
//! (`bounds = "hard"`). NeuroSim's exponential curve is this law, seen as conductance against pulse number.

use super::affine::affine_train;
use super::count::Count;
use super::cycle_noise::CycleNoise;
use super::law::{Kind, LOWER, Law, OWN, Parameter, Pulse, STEP, UPPER};
use crate::number::Real;

/// `d₊ = step (u - s)/(u - s⋄)`, `d₋ = -step (s - l)/(s⋄ - l)`: the linear step that loses all of itself at the bound.
#[derive(Debug, Clone, Copy)]
pub struct SoftBounds;

impl SoftBounds {
    /// The mean change `κ (b - s)` towards the bound b that the pulse moves to, and its slope `κ = step/|b - s⋄|`.
    #[inline(always)]
    fn change_and_slope<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> (R, R) {
        let bound = pulse.choose(p[UPPER], p[LOWER]);
        let kappa = p[STEP] / (bound - p[OWN]).abs();
        (kappa * (bound - s), kappa)
    }
}

impl Law for SoftBounds {
    const NAME: &'static str = "soft-bounds";
    const PARAMETERS: &'static [Parameter] = &[Parameter {
        name: "symmetric-point",
        kind: Kind::Position,
        least: 0.0,
        most: 1.0,
        meaning: "state where potentiation and depression are equally strong",
    }];

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
