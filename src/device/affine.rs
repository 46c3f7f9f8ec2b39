//! Trains of pulses for laws whose step is affine in the state.

use super::count::{Count, SHORT_DIGITS};
use super::cycle_noise::CycleNoise;
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
/// (σ_m = 3.5, κ = 0.02, n = 31: nε = 0.16); and as 1 up to n = 32 where [`CycleNoise::feeds_back`] says that it may be. Additive and
/// multiplicative noise together lack a cross term of relative size `nε`. Mean and variance are those of the pulses one by one; the
/// shape is Gaussian, while strong multiplicative noise of coarse pulses is skewed (σ_m = 3.5, κ = 0.02, n = 10: skewness 0.6, a
/// Kolmogorov–Smirnov distance of 0.04).
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
    let minus_kappa = -kappa;
    let n_less_one = n.value() - one;
    // The lowest digit first: the sums of 1, 2, 4, … pulses are made beside, and the chain of results that wait is short.
    let (mut before, mut power) = (zero, one);
    for k in 0..n.digits() {
        let part = R::select_digit(n_less_one, k as u32, power, zero);
        before = part.mul_add(minus_kappa.mul_add(before, one), before);
        power = power * minus_kappa.mul_add(power, two);
    }
    let last = minus_kappa.mul_add(before, one);
    let sum = before + last;
    let (feedback, digits, n) = (noise.feeds_back(), n.digits(), n.value());
    let variance = noise.sum(
        #[inline(always)]
        || {
            let single = (noise.additive() * step).square() / (two - kappa);
            single * (sum * minus_kappa.mul_add(sum, two))
        },
        #[inline(always)]
        || {
            let first = (noise.multiplicative() * (change * last)).square() * n;
            if !feedback && digits <= SHORT_DIGITS {
                return first;
            }
            // A slope of 1 leaves nothing for a second pulse to shrink.
            let rho = (one - kappa).square().max(R::lit(1e-12));
            let epsilon = (noise.multiplicative() * kappa).square() / rho;
            let third = (n - R::lit(3.0)).mul_add(epsilon * R::lit(1.0 / 4.0), one);
            let second = ((n - two) * (epsilon * R::lit(1.0 / 3.0))).mul_add(third, one);
            let growth = ((n - one) * (epsilon * R::lit(1.0 / 2.0))).mul_add(second, one);
            if feedback {
                return first * growth;
            }
            // The count decides, not the loop that it is in.
            let short = R::lit((1_u64 << SHORT_DIGITS) as f64);
            first * R::select_lt(short, n, growth, one)
        },
    );
    (change.mul_add(sum, s), variance.max(zero))
}
