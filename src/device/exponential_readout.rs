//! Exponential readout: equal steps of a hidden state that is read through an exponential.
//!
//! # Equation
//! `x = φ(s) = (e^{ks} - 1)/(e^k - 1)`, `d± = ± step (1 ± β) φ′(s)^{-c}`
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | step | `step` | fraction of the state's range |
//! | β | `asymmetry` | – |
//! | k | `curvature` | 1/(range of the state) |
//! | c | `compensation` | – |
//!
//! # Behaviour
//! The conductance x rises with the state s from 0 at s = 0 to 1 at s = 1, faster and faster for k > 0, slower and slower for
//! k < 0. A tunnelling gap and a filament are such states. Noise of the state drifts the conductance by `½ φ″ E(Δs)²` a pulse, here
//! `½ k φ′ E(Δs)²`: away from x = 0 for k > 0, and nothing stops it. With c = 1 the periphery makes equal steps of
//! conductance. A curvature below 10⁻³ is taken as 10⁻³.
//!
//! # Reference
//! Yu, Guan, Wong, Appl. Phys. Lett. 99, 063507 (2011), <https://doi.org/10.1063/1.3624472> (current exponential in the tunnelling gap).
//!
//! # Differences
//! Other simulators put their noise on the conductance itself, where it has no such drift.

use super::constant_step::{ASYMMETRY, signed_step};
use super::law::{Kind, Law, OWN, Parameter, Pulse, STEP};
use crate::number::Real;

/// `x = (e^{ks} - 1)/(e^k - 1)`, `d± = ± step (1 ± β) φ′^{-c}`.
#[derive(Debug, Clone, Copy)]
pub struct ExponentialReadout;

/// How much of the readout's slope the periphery takes out of its steps.
pub(super) const COMPENSATION: Parameter = Parameter {
    name: "compensation",
    kind: Kind::Ratio,
    least: 0.0,
    most: 2.0,
    meaning: "power of the readout's slope that steps are divided by: 0 for equal steps of the state, 1 of the conductance",
};

/// The curvature, away from the 0/0 of a straight line.
#[inline(always)]
fn curvature<R: Real>(k: R) -> R {
    let least = R::lit(1e-3);
    R::select_lt(k.abs(), least, least, k)
}

/// `(e^{ks} - 1)/(e^k - 1)`
#[inline(always)]
pub(super) fn exponential<R: Real>(k: R, s: R) -> R {
    let k = curvature(k);
    (k * s).exp_m1() / k.exp_m1()
}

impl Law for ExponentialReadout {
    const NAME: &'static str = "exponential-readout";
    const PARAMETERS: &'static [Parameter] = &[
        ASYMMETRY,
        Parameter {
            name: "curvature",
            kind: Kind::Ratio,
            least: -20.0,
            most: 20.0,
            meaning: "logarithm of the ratio of the readout's slopes at both ends of the state's range",
        },
        COMPENSATION,
    ];

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        exponential(p[OWN + 1], s)
    }

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        let k = curvature(p[OWN + 1]);
        let slope = (k / k.exp_m1()).ln() + k * s;
        signed_step(p[STEP], p[OWN], pulse) * (-(p[OWN + 2] * slope)).exp()
    }
}
