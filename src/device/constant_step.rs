//! Constant step: every pulse changes the conductance by the same amount.
//!
//! # Equation
//! `d₊ = step (1 + β)`, `d₋ = -step (1 - β)`
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | step | `step` | S, or fraction of the window |
//! | β | `asymmetry` | – |
//!
//! # Behaviour
//! `F = 1`, `G = -β` everywhere: no symmetric point unless β = 0, and then every state is one. With β = 0 there is
//! no implicit regularization: this is the symmetric control. Trains are exact: n pulses move n steps.
//!
//! # Reference
//! Gokmen & Vlasov, Front. Neurosci. 10, 333 (2016), <https://doi.org/10.3389/fnins.2016.00333>.
//!
//! # Differences
//! aihwkit gives `up_down` as one number that its documentation adds to both directions but its code only subtracts
//! from one of them. Here `step` is the mean of both directions and `asymmetry = (up - down)/(up + down)`.

use super::count::Count;
use super::cycle_noise::CycleNoise;
use super::law::{Kind, Law, OWN, Parameter, Pulse, STEP};
use crate::number::Real;

/// `d± = ± step (1 ± β)`.
#[derive(Debug, Clone, Copy)]
pub struct ConstantStep;

/// Up–down asymmetry `(up - down)/(up + down)`, shared by the laws that have one.
pub(super) const ASYMMETRY: Parameter = Parameter {
    name: "asymmetry",
    kind: Kind::Ratio,
    least: -0.95,
    most: 0.95,
    meaning: "(up - down)/(up + down) of the step sizes",
};

/// Signed step of a pulse before any dependence on the state: `± step (1 ± β)`.
#[inline(always)]
pub(super) fn signed_step<R: Real>(step: R, asymmetry: R, pulse: &Pulse<R>) -> R {
    let one = R::lit(1.0);
    pulse.choose(
        step * (one + asymmetry),
        R::lit(0.0) - step * (one - asymmetry),
    )
}

impl Law for ConstantStep {
    const NAME: &'static str = "constant-step";
    const PARAMETERS: &'static [Parameter] = &[ASYMMETRY];

    #[inline(always)]
    fn step<R: Real>(p: &[R], _s: R, pulse: &Pulse<R>) -> R {
        signed_step(p[STEP], p[OWN], pulse)
    }

    #[inline(always)]
    fn train<R: Real>(
        p: &[R],
        s: R,
        pulse: &Pulse<R>,
        n: &Count<R>,
        noise: &CycleNoise<R>,
    ) -> Option<(R, R)> {
        let change = Self::step(p, s, pulse);
        let n = n.value();
        Some((
            n.mul_add(change, s),
            n * noise.variance(p[STEP], s, change, pulse.polarity),
        ))
    }
}
