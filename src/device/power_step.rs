//! Power step: the change of a pulse falls with a power of the distance to the bound.
//!
//! # Equation
//! `d₊ = step ((u - s)/(u - s⋄))^γ₊`, `d₋ = -step ((s - l)/(s⋄ - l))^γ₋`
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | step | `step` | S, or fraction of the window: the change at the symmetric point |
//! | l, u | `lower`, `upper` | S, or position in the window |
//! | s⋄ | `symmetric-point` | S, or position in the window |
//! | γ₊, γ₋ | `exponent-potentiation`, `exponent-depression` | – |
//!
//! # Behaviour
//! γ = 1 is soft bounds. In the middle of a window of half-width τ and with equal exponents
//! `R = tanh(γ artanh(w/τ))`, `R'(0) = γ/τ`. The step is zero at and beyond the bound, and closer to it
//! than 2⁻²⁴ of its distance from s⋄. No closed form for trains.
//!
//! # Reference
//! Rasch et al., IEEE AICAS 2021, <https://doi.org/10.1109/AICAS51828.2021.9458494> (`PowStep`).
//!
//! # Differences
//! aihwkit normalises the distance by the whole window, so its `dw_min` is the step at the far bound; here `step` is
//! the step at the symmetric point.

use super::law::{Kind, LOWER, Law, OWN, Parameter, Pulse, STEP, UPPER};
use crate::number::Real;

/// `d± = ± step (distance to the bound / distance from s⋄ to the bound)^γ±`.
#[derive(Debug, Clone, Copy)]
pub struct PowerStep;

/// Distances to the bound below 2⁻²⁴ are none.
const NEAREST: f64 = 1.0 / (1 << 24) as f64;

const fn exponent(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Ratio,
        least: 0.0,
        most: 20.0,
        meaning,
    }
}

impl Law for PowerStep {
    const NAME: &'static str = "power-step";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter {
            name: "symmetric-point",
            kind: Kind::Position,
            least: 0.0,
            most: 1.0,
            meaning: "state where potentiation and depression are equally strong",
        },
        exponent(
            "exponent-potentiation",
            "power of the distance to the upper bound",
        ),
        exponent(
            "exponent-depression",
            "power of the distance to the lower bound",
        ),
    ];

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        let distance = pulse.choose(
            (p[UPPER] - s) / (p[UPPER] - p[OWN]),
            (s - p[LOWER]) / (p[OWN] - p[LOWER]),
        );
        // Beyond the bound the power is not defined. What single precision can tell from the bound keeps the power and its three
        // derivatives finite, of which trains are made.
        let nearest = R::lit(NEAREST);
        let power = distance
            .max(nearest)
            .powf(pulse.choose(p[OWN + 1], p[OWN + 2]));
        let factor = R::select_lt(nearest, distance, power, R::lit(0.0));
        pulse.choose(p[STEP], R::lit(0.0) - p[STEP]) * factor
    }
}
