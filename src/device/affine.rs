//! Trains of pulses for laws whose step is affine in the state.

use super::count::{Count, MOST_DIGITS};
use super::law::CycleNoise;
use crate::number::Real;

/// Mean and variance of the state after `n ≥ 1` pulses of a law with `d(s + x) = change - κ x`, in a cell of nominal step `step`.
///
/// # Equation
/// With `ρ = 1 - κ` the mean moves by `change · S_n`, `S_n = Σ_{i<n} ρⁱ`. Each pulse adds the variance
/// `(σ_a step)² + (σ_m d)²`, and later pulses shrink it by `ρ²` each:
/// additive part `(σ_a step)² (1 - ρ²ⁿ)/(1 - ρ²) = (σ_a step)² S_n (2 - κ S_n)/(2 - κ)`,
/// multiplicative part `σ_m² change² ρ²⁽ⁿ⁻¹⁾ ((1+ε)ⁿ - 1)/ε`, `ε = (σ_m κ/ρ)²`.
///
/// # Method
/// `S_{a+b} = S_a + S_b (1 - κ S_a)`, so the binary digits of `n - 1` give `S_{n-1}`, then `ρⁿ⁻¹ = 1 - κ S_{n-1}` and
/// `S_n = S_{n-1} + ρⁿ⁻¹`. There is no quotient by κ, no exponential and no logarithm: small slopes are exact. One pulse gives
/// `s + change` and its variance to the bit.
///
/// # Behaviour
/// `((1+ε)ⁿ - 1)/(nε)` is taken to third order in ε: exact to n = 4, relative error below `(nε)⁴/120` beyond
/// (σ_m = 3.5, κ = 0.02, n = 31: nε = 0.16). Additive and multiplicative noise together lack a cross term of
/// relative size `nε`. Mean and variance are those of the pulses one by one; the shape is Gaussian, while strong multiplicative
/// noise of coarse pulses is skewed (σ_m = 3.5, κ = 0.02, n = 10: skewness 0.6, a Kolmogorov–Smirnov distance of 0.04).
#[inline(always)]
pub fn affine_train<R: Real>(
    s: R,
    change: R,
    kappa: R,
    step: R,
    n: &Count<R>,
    noise: &CycleNoise<R>,
) -> (R, R) {
    let (zero, one, two) = (R::lit(0.0), R::lit(1.0), R::lit(2.0));
    // What is left of `n - 1` when its digits above k are taken: at least 2ᵏ where it has digit k.
    let mut rests = [zero; MOST_DIGITS];
    let mut rest = n.value() - one;
    for k in (0..n.digits()).rev() {
        let size = R::lit((1_u64 << k) as f64);
        rests[k] = rest;
        rest = R::select_lt(rest, size, rest, rest - size);
    }
    // The lowest digit first: the sums of 1, 2, 4, … pulses are made beside, and the chain of results that wait is short.
    let (mut before, mut power) = (zero, one);
    for (k, &rest) in rests.iter().enumerate().take(n.digits()) {
        let part = R::select_lt(rest, R::lit((1_u64 << k) as f64), zero, power);
        before = before + part * (one - kappa * before);
        power = power * (two - kappa * power);
    }
    let last = one - kappa * before;
    let sum = before + last;
    let n = n.value();
    let variance = noise.sum(
        #[inline(always)]
        || (noise.additive() * step).square() * sum * (two - kappa * sum) / (two - kappa),
        #[inline(always)]
        || {
            // A slope of 1 leaves nothing for a second pulse to shrink.
            let rho = (one - kappa).square().max(R::lit(1e-12));
            let epsilon = (noise.multiplicative() * kappa).square() / rho;
            let third = one + (n - R::lit(3.0)) * epsilon * R::lit(1.0 / 4.0);
            let second = one + (n - two) * epsilon * R::lit(1.0 / 3.0) * third;
            let growth = one + (n - one) * epsilon * R::lit(1.0 / 2.0) * second;
            (noise.multiplicative() * (change * last)).square() * (n * growth)
        },
    );
    (s + change * sum, variance.max(zero))
}
