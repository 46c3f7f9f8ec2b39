//! Trains of pulses for laws whose step is affine in the state.

use super::law::CycleNoise;
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
/// relative size `nε`. `κ` between -1e-6 and 1e-6 counts as zero.
///
/// `log_rho` is `ln(1 - κ)`, taken as an argument because loops can keep it.
#[inline(always)]
pub fn affine_train<R: Real>(
    s: R,
    change: R,
    kappa: R,
    log_rho: R,
    step: R,
    n: R,
    noise: &CycleNoise<R>,
) -> (R, R) {
    let (one, two) = (R::lit(1.0), R::lit(2.0));
    let tiny = R::lit(1e-6);
    let safe = R::select_lt(kappa.abs(), tiny, one, kappa);
    let sum = R::select_lt(
        kappa.abs(),
        tiny,
        n,
        R::lit(0.0) - (n * log_rho).exp_m1() / safe,
    );
    let left = one - kappa * sum; // ρⁿ
    let rho = one - kappa;
    let scale = one / (rho * (two - kappa)); // one division serves both parts
    let inverse_rho = scale * (two - kappa);
    let additive = (noise.additive * step).square() * sum * (two - kappa * sum) * (scale * rho);
    let epsilon = (noise.multiplicative * kappa * inverse_rho).square();
    let growth = one
        + (n - one) * epsilon * R::lit(1.0 / 2.0)
            * (one
                + (n - two) * epsilon * R::lit(1.0 / 3.0)
                    * (one + (n - R::lit(3.0)) * epsilon * R::lit(1.0 / 4.0)));
    let multiplicative =
        n * (noise.multiplicative * change * left * inverse_rho).square() * growth;
    (
        s + change * sum,
        (additive + multiplicative).max(R::lit(0.0)),
    )
}
