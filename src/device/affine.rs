//! Trains of pulses for laws whose step is affine in the state.

use super::law::{CycleNoise, Pulse};
use crate::number::Real;

/// Mean and variance of the state after `n` pulses of a law with `d(s + x) = change - κ x`.
///
/// # Equation
/// With `ρ = 1 - κ` the mean moves by `change · S`, `S = (1 - ρⁿ)/κ`. Each pulse adds the variance
/// `(σ_a step)² + (σ_m d)²`, and later pulses shrink it by `ρ²` each:
/// additive part `(σ_a step)² (1 - ρ²ⁿ)/(1 - ρ²) = (σ_a step)² S (2 - κ S)/(2 - κ)`,
/// multiplicative part `σ_m² change² ρ²⁽ⁿ⁻¹⁾ ((1+ε)ⁿ - 1)/ε`, `ε = (σ_m κ/ρ)²`.
///
/// # Behaviour
/// `((1+ε)ⁿ - 1)/(nε)` is taken to third order in ε: exact to n = 4, relative error below `(nε)⁴/120` beyond
/// (σ_m = 3.5, κ = 0.02, n = 31: nε = 0.16). Additive and multiplicative noise together lack a cross term of
/// relative size `nε`. Mean and variance are those of the pulses one by one; the shape is Gaussian, while strong multiplicative
/// noise of coarse pulses is skewed (σ_m = 3.5, κ = 0.02, n = 10: skewness 0.6, a Kolmogorov–Smirnov distance of 0.04).
/// `κ` between -1e-6 and 1e-6 counts as zero.
#[inline(always)]
pub fn affine_train<R: Real>(
    s: R,
    change: R,
    along: &Direction<R>,
    step: R,
    n: R,
    noise: &CycleNoise<R>,
) -> (R, R) {
    let (one, two) = (R::lit(1.0), R::lit(2.0));
    let kappa = along.kappa;
    let powers = (R::lit(0.0) - (n * along.log_rho).exp_m1()) * along.inverse_kappa;
    let sum = R::select_lt(kappa.abs(), R::lit(TINY), n, powers);
    let lost = kappa * sum; // 1 - ρⁿ
    let variance = noise.sum(
        #[inline(always)]
        || (noise.additive() * step).square() * sum * (two - lost) * along.inverse_two,
        #[inline(always)]
        || {
            let epsilon = along.epsilon;
            let third = one + (n - R::lit(3.0)) * epsilon * R::lit(1.0 / 4.0);
            let second = one + (n - two) * epsilon * R::lit(1.0 / 3.0) * third;
            let growth = one + (n - one) * epsilon * R::lit(1.0 / 2.0) * second;
            let scale = noise.multiplicative() * change * (one - lost) * along.inverse_rho;
            n * scale.square() * growth
        },
    );
    (s + change * sum, variance.max(R::lit(0.0)))
}

/// Slopes κ smaller than this count as zero.
const TINY: f64 = 1e-6;

/// What one direction of pulses needs of the cell alone: a loop over copies of one cell takes it once.
#[derive(Debug, Clone, Copy)]
pub struct Direction<R> {
    kappa: R,
    /// `ln ρ`
    log_rho: R,
    /// `1/κ`
    inverse_kappa: R,
    /// `1/ρ`
    inverse_rho: R,
    /// `1/(2 - κ)`
    inverse_two: R,
    /// `(σ_m κ/ρ)²`
    epsilon: R,
}

impl<R: Real> Direction<R> {
    /// The direction in which the step falls with slope `kappa` per unit of state.
    #[inline(always)]
    pub fn new(kappa: R, noise: &CycleNoise<R>) -> Self {
        let one = R::lit(1.0);
        let safe = R::select_lt(kappa.abs(), R::lit(TINY), one, kappa);
        let inverse_rho = one / (one - kappa);
        Self {
            kappa,
            log_rho: (R::lit(0.0) - kappa).ln_1p(),
            inverse_kappa: one / safe,
            inverse_rho,
            inverse_two: one / (R::lit(2.0) - kappa),
            epsilon: (noise.multiplicative() * kappa * inverse_rho).square(),
        }
    }

    /// `up` for a potentiating pulse, `down` for a depressing one.
    #[inline(always)]
    pub fn choose(pulse: &Pulse<R>, up: &Self, down: &Self) -> Self {
        Self {
            kappa: pulse.choose(up.kappa, down.kappa),
            log_rho: pulse.choose(up.log_rho, down.log_rho),
            inverse_kappa: pulse.choose(up.inverse_kappa, down.inverse_kappa),
            inverse_rho: pulse.choose(up.inverse_rho, down.inverse_rho),
            inverse_two: pulse.choose(up.inverse_two, down.inverse_two),
            epsilon: pulse.choose(up.epsilon, down.epsilon),
        }
    }
}
