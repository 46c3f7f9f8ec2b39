//! Third derivatives of device laws.

use std::f64::consts::TAU;

use num_dual::{Dual3_64, DualNum};

use super::Real;

/// A number that carries its first three derivatives with respect to one variable.
///
/// ```text
/// (f, f′, f″, f‴)
/// ```
///
/// The derivatives follow the chain rule of Faà di Bruno exactly, to rounding; at a kink
/// ([`min`](Real::min), [`max`](Real::max), [`abs`](Real::abs), [`floor`](Real::floor),
/// [`select_lt`](Real::select_lt)) they are those of the branch that the value chooses.
///
/// Source: A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM, 2008,
/// doi:10.1137/1.9780898717761.
pub type Jet = Dual3_64;

/// The variable itself at `x`: value `x`, first derivative one.
///
/// ```
/// use memridge::number::{Derivatives, Real, variable};
///
/// let y = variable(2.0).square() * variable(2.0);
/// assert_eq!((y.value(), y.first(), y.second(), y.third()), (8.0, 12.0, 12.0, 6.0));
/// ```
pub fn variable(x: f64) -> Jet {
    Jet::new(x, 1.0, 0.0, 0.0)
}

/// Value and first three derivatives of `f` at `x`, `[f, f′, f″, f‴]`.
///
/// ```
/// use memridge::number::{Real, derivatives};
///
/// assert_eq!(derivatives(|x| x.exp(), 0.0), [1.0, 1.0, 1.0, 1.0]);
/// ```
pub fn derivatives(f: impl FnOnce(Jet) -> Jet, x: f64) -> [f64; 4] {
    let y = f(variable(x));
    [y.value(), y.first(), y.second(), y.third()]
}

/// The parts of a [`Jet`] by name.
pub trait Derivatives {
    /// The value, `f`.
    fn value(&self) -> f64;

    /// The first derivative, `f′`.
    fn first(&self) -> f64;

    /// The second derivative, `f″` (not divided by 2!).
    fn second(&self) -> f64;

    /// The third derivative, `f‴` (not divided by 3!).
    fn third(&self) -> f64;
}

impl Derivatives for Jet {
    fn value(&self) -> f64 {
        self.re
    }
    fn first(&self) -> f64 {
        self.v1
    }
    fn second(&self) -> f64 {
        self.v2
    }
    fn third(&self) -> f64 {
        self.v3
    }
}

impl Real for Jet {
    fn lit(x: f64) -> Self {
        Jet::from_re(x)
    }
    fn exp(self) -> Self {
        DualNum::exp(&self)
    }
    fn exp_m1(self) -> Self {
        DualNum::exp_m1(&self)
    }
    fn ln(self) -> Self {
        DualNum::ln(&self)
    }
    fn ln_1p(self) -> Self {
        DualNum::ln_1p(&self)
    }
    fn sqrt(self) -> Self {
        DualNum::sqrt(&self)
    }
    fn abs(self) -> Self {
        if self.re < 0.0 { -self } else { self }
    }
    fn min(self, other: Self) -> Self {
        if self.re < other.re { self } else { other }
    }
    fn max(self, other: Self) -> Self {
        if other.re < self.re { self } else { other }
    }
    fn floor(self) -> Self {
        Jet::from_re(self.re.floor())
    }
    fn select_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        if a.re < b.re { then } else { otherwise }
    }
    fn turns_sin_cos(self) -> (Self, Self) {
        DualNum::sin_cos(&((self - self.re.round()) * TAU))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts equality to `1e-12`, relative to the larger of one and the expected number.
    fn close(actual: [f64; 4], expected: [f64; 4]) {
        for (a, e) in actual.iter().zip(expected) {
            assert!(
                (a - e).abs() <= 1e-12 * e.abs().max(1.0),
                "{actual:?} against {expected:?}"
            );
        }
    }

    #[test]
    fn elementary_functions() {
        for x in [0.2, 0.9, 1.7, 3.4_f64] {
            let e = x.exp();
            close(derivatives(Real::exp, x), [e, e, e, e]);
            close(derivatives(Real::exp_m1, x), [x.exp_m1(), e, e, e]);
            close(
                derivatives(Real::ln, x),
                [x.ln(), 1.0 / x, -1.0 / x.powi(2), 2.0 / x.powi(3)],
            );
            let u = 1.0 + x;
            close(
                derivatives(Real::ln_1p, x),
                [x.ln_1p(), 1.0 / u, -1.0 / u.powi(2), 2.0 / u.powi(3)],
            );
            let r = x.sqrt();
            close(
                derivatives(Real::sqrt, x),
                [r, 0.5 / r, -0.25 / r.powi(3), 0.375 / r.powi(5)],
            );
            close(
                derivatives(|x| Real::powf(x, Real::lit(2.5)), x),
                [
                    x.powf(2.5),
                    2.5 * x.powf(1.5),
                    3.75 * x.powf(0.5),
                    1.875 / x.sqrt(),
                ],
            );
        }
    }

    #[test]
    fn angles_in_turns() {
        for t in [0.1, -0.3, 2.6_f64] {
            let (s, c) = (TAU * t).sin_cos();
            let w = [1.0, TAU, TAU.powi(2), TAU.powi(3)];
            close(
                derivatives(|t| t.turns_sin_cos().0, t).map(|d| d / w[3]),
                [s / w[3], c * w[1] / w[3], -s * w[2] / w[3], -c],
            );
            close(
                derivatives(|t| t.turns_sin_cos().1, t).map(|d| d / w[3]),
                [c / w[3], -s * w[1] / w[3], -c * w[2] / w[3], s],
            );
        }
    }

    #[test]
    fn compositions() {
        // The logistic function: σ′ = σ(1 − σ), σ″ = σ′(1 − 2σ), σ‴ = σ′(1 − 6σ′).
        for x in [-2.0, 0.0, 0.7_f64] {
            let s = 1.0 / (1.0 + (-x).exp());
            let d = s * (1.0 - s);
            close(
                derivatives(|x| Jet::lit(1.0) / (Jet::lit(1.0) + (-x).exp()), x),
                [s, d, d * (1.0 - 2.0 * s), d * (1.0 - 6.0 * d)],
            );
            // exp(−x²): Hermite polynomials.
            let g = (-x * x).exp();
            close(
                derivatives(|x| Real::exp(-x.square()), x),
                [
                    g,
                    -2.0 * x * g,
                    (4.0 * x * x - 2.0) * g,
                    (12.0 * x - 8.0 * x.powi(3)) * g,
                ],
            );
        }
    }

    #[test]
    fn kinks_follow_the_value() {
        let one = Jet::lit(1.0);
        assert_eq!(derivatives(|x| Real::min(x, one), 0.5)[1], 1.0);
        assert_eq!(derivatives(|x| Real::min(x, one), 1.5)[1], 0.0);
        assert_eq!(derivatives(|x| Real::max(x, one), 0.5)[1], 0.0);
        assert_eq!(derivatives(|x| Real::max(x, one), 1.5)[1], 1.0);
        assert_eq!(derivatives(Real::abs, -2.0), [2.0, -1.0, 0.0, 0.0]);
        assert_eq!(derivatives(Real::floor, -2.5), [-3.0, 0.0, 0.0, 0.0]);
        assert_eq!(
            derivatives(|x| Jet::select_lt(x, one, x.square(), x), 0.5),
            [0.25, 1.0, 2.0, 0.0],
        );
    }
}
