//! Sigmoid readout: equal steps of a hidden state that is read through a hyperbolic tangent.
//!
//! # Equation
//! `x = φ(s) = ½ + ½ tanh(k(s - ½))/tanh(k/2)`, `d± = ± step (1 ± β) φ′(s)^{-c}`
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | step | `step` | fraction of the state's range |
//! | β | `asymmetry` | – |
//! | k | `steepness` | 1/(range of the state) |
//! | c | `compensation` | – |
//!
//! # Behaviour
//! The conductance x saturates at both ends of the window. Noise of the state drifts the conductance by `½ φ″ E(Δs)²` a pulse, towards
//! mid-window, where φ bends from one side to the other. With c = 1 the periphery makes equal steps of conductance.
//!
//! # Reference
//! Theory of the drift: N. G. van Kampen, J. Stat. Phys. 24, 175 (1981), <https://doi.org/10.1007/BF01007642> (Itô's term of a nonlinear
//! function of a noisy state).
//!
//! # Differences
//! Other simulators put their noise on the conductance itself, where it has no such drift.

use super::constant_step::{ASYMMETRY, signed_step};
use super::exponential_readout::COMPENSATION;
use super::law::{Kind, Law, OWN, Parameter, Pulse, STEP};
use crate::number::Real;

/// `x = ½ + ½ tanh(k(s - ½))/tanh(k/2)`, `d± = ± step (1 ± β) φ′^{-c}`.
#[derive(Debug, Clone, Copy)]
pub struct SigmoidReadout;

#[inline(always)]
fn tanh<R: Real>(x: R) -> R {
    // Of -2|x|, which no large argument overflows.
    let e = (-(x + x).abs()).exp_m1();
    let size = -e / (e + R::lit(2.0));
    R::select_lt(x, R::lit(0.0), -size, size)
}

impl Law for SigmoidReadout {
    const NAME: &'static str = "sigmoid-readout";
    const PARAMETERS: &'static [Parameter] = &[
        ASYMMETRY,
        Parameter {
            name: "steepness",
            kind: Kind::Ratio,
            least: 0.01,
            most: 20.0,
            meaning: "range of the tangent's argument over the range of the state",
        },
        COMPENSATION,
    ];

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        let (half, k) = (R::lit(0.5), p[OWN + 1]);
        half + half * tanh(k * (s - half)) / tanh(k * half)
    }

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        let (half, two, k) = (R::lit(0.5), R::lit(2.0), p[OWN + 1]);
        let size = (k * (s - half)).abs();
        // ln cosh u = |u| + ln(1 + e^{-2|u|}) - ln 2
        let cosh = size + (-(two * size)).exp().ln_1p() - R::lit(std::f64::consts::LN_2);
        let slope = (half * k / tanh(k * half)).ln() - two * cosh;
        signed_step(p[STEP], p[OWN], pulse) * (-(p[OWN + 2] * slope)).exp()
    }
}
