//! Exponential step: the change of a pulse depends exponentially on the state.
//!
//! # Equation
//! `d₊ = step (1+β) (o₊ + a₊ e^{-k₊ (s - 1/2)})`, `d₋ = -step (1-β) (o₋ + a₋ e^{k₋ (s - 1/2)})`
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | step | `step` | S, or fraction of the window |
//! | β | `asymmetry` | – |
//! | o₊, o₋ | `offset-potentiation`, `offset-depression` | – |
//! | a₊, a₋ | `amplitude-potentiation`, `amplitude-depression` | – |
//! | k₊, k₋ | `rate-potentiation`, `rate-depression` | 1/window |
//!
//! # Behaviour
//! With `o = -1/(e^γ - 1)`, `a = e^γ/(e^γ - 1)`, `k = 2γ` in a window of half-width τ this is
//! `q± = (e^{γ(1∓w/τ)} - 1)/(e^γ - 1)`: `R = sinh(γw/τ)/(cosh(γw/τ) - e^{-γ})`, `R'(0) = γ/(τ(1 - e^{-γ}))`.
//! No closed form for trains.
//!
//! # Reference
//! Gong et al., Nat. Commun. 9, 2102 (2018), <https://doi.org/10.1038/s41467-018-04485-1>.
//!
//! # Differences
//! aihwkit writes `1 - A e^{±γ z}`, `z = 2 a w/(w_max - w_min) + b`, and clips negative steps at zero. In its symbols
//! `o = 1`, `a₊ = -A₊ e^{γ₊ b'}`, `a₋ = -A₋ e^{-γ₋ b'}`, `k = -2 a γ` with `b'` = z at mid-window. Nothing is clipped here: hard bounds
//! keep the state where steps have their sign, and device files with a step of the wrong sign inside the window are refused.

use super::constant_step::{ASYMMETRY, signed_step};
use super::law::{Kind, Law, OWN, Parameter, Pulse};
use crate::number::Real;

/// `d± = ± step (1 ± β) (o± + a± e^{∓ k± (s - 1/2)})`.
#[derive(Debug, Clone, Copy)]
pub struct ExpStep;

const fn ratio(name: &'static str, least: f64, most: f64, meaning: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Ratio,
        least,
        most,
        meaning,
    }
}

impl Law for ExpStep {
    const NAME: &'static str = "exp-step";
    const PARAMETERS: &'static [Parameter] = &[
        ASYMMETRY,
        ratio(
            "offset-potentiation",
            -1e3,
            1e3,
            "part of the potentiation step that does not depend on the state",
        ),
        ratio(
            "amplitude-potentiation",
            -1e6,
            1e6,
            "exponential part of the potentiation step at mid-window",
        ),
        ratio(
            "rate-potentiation",
            -50.0,
            50.0,
            "decay rate of the potentiation step across the window",
        ),
        ratio(
            "offset-depression",
            -1e3,
            1e3,
            "part of the depression step that does not depend on the state",
        ),
        ratio(
            "amplitude-depression",
            -1e6,
            1e6,
            "exponential part of the depression step at mid-window",
        ),
        ratio(
            "rate-depression",
            -50.0,
            50.0,
            "growth rate of the depression step across the window",
        ),
    ];

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        let x = s - R::lit(0.5);
        let own = &p[OWN..];
        let exponent = pulse.choose(R::lit(0.0) - own[3] * x, own[6] * x);
        let (offset, amplitude) = (pulse.choose(own[1], own[4]), pulse.choose(own[2], own[5]));
        let factor = amplitude.mul_add(exponent.exp(), offset);
        signed_step(p[super::law::STEP], own[0], pulse) * factor
    }
}
