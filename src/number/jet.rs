//! Third derivatives of device laws.

use std::f64::consts::TAU;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::Real;

/// A number that carries its first three derivatives with respect to one variable. Its parts are for reading.
///
/// ```text
/// (f, f′, f″, f‴)
/// ```
///
/// The derivatives follow the chain rule of Faà di Bruno exactly, to rounding; at a kink
/// ([`min`](Real::min), [`max`](Real::max), [`abs`](Real::abs), [`floor`](Real::floor),
/// [`select_lt`](Real::select_lt)) they are those of the branch that the value chooses. The value is computed as without
/// derivatives, to the bit.
///
/// Source: A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM, 2008,
/// doi:10.1137/1.9780898717761.
#[derive(Debug, Clone, Copy)]
pub struct Jet<R> {
    /// The value, `f`.
    pub re: R,
    /// The first derivative, `f′`.
    pub v1: R,
    /// The second derivative, `f″` (not divided by 2!).
    pub v2: R,
    /// The third derivative, `f‴` (not divided by 3!).
    pub v3: R,
    /// The derivatives above this one are zero: 0, 1 or 3. Known wherever a law is compiled, so that nothing is spent on them;
    /// a compiler may not drop a product with zero by itself.
    order: usize,
}

/// The variable itself at `x`: value `x`, first derivative one.
///
/// ```
/// use memridge::number::{Real, variable};
///
/// let y = variable(2.0_f64).square() * variable(2.0);
/// assert_eq!((y.re, y.v1, y.v2, y.v3), (8.0, 12.0, 12.0, 6.0));
/// ```
#[inline(always)]
pub fn variable<R: Real>(x: R) -> Jet<R> {
    Jet {
        v1: R::lit(1.0),
        order: 1,
        ..Jet::constant(x)
    }
}

/// Value and first three derivatives of `f` at `x`, `[f, f′, f″, f‴]`.
///
/// ```
/// use memridge::number::{Real, derivatives};
///
/// assert_eq!(derivatives(|x| x.exp(), 0.0), [1.0, 1.0, 1.0, 1.0]);
/// ```
pub fn derivatives(f: impl FnOnce(Jet<f64>) -> Jet<f64>, x: f64) -> [f64; 4] {
    let y = f(variable(x));
    [y.re, y.v1, y.v2, y.v3]
}

impl<R: Real> Jet<R> {
    /// A number that does not vary.
    #[inline(always)]
    pub fn constant(x: R) -> Self {
        let zero = R::lit(0.0);
        Self {
            re: x,
            v1: zero,
            v2: zero,
            v3: zero,
            order: 0,
        }
    }

    /// A number with these derivatives, `[f, f′, f″, f‴]`.
    #[inline(always)]
    pub fn with_derivatives([re, v1, v2, v3]: [R; 4]) -> Self {
        Self {
            re,
            v1,
            v2,
            v3,
            order: 3,
        }
    }

    /// `f` of this number, from f and its derivatives at the value.
    #[inline(always)]
    fn chain(self, f: [R; 4]) -> Self {
        let [re, f1, f2, f3] = f;
        if self.order == 0 {
            return Self::constant(re);
        }
        let square = self.v1 * self.v1;
        let alone = Self {
            re,
            v1: f1 * self.v1,
            v2: f2 * square,
            v3: f3 * square * self.v1,
            order: 3,
        };
        if self.order == 1 {
            return alone;
        }
        let cross = R::lit(3.0) * self.v1 * self.v2;
        Self {
            v2: f1.mul_add(self.v2, alone.v2),
            v3: f2.mul_add(cross, f1.mul_add(self.v3, alone.v3)),
            ..alone
        }
    }

    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(R, R) -> R) -> Self {
        let order = self.order.max(other.order);
        let mut out = Self::constant(f(self.re, other.re));
        out.order = order;
        if order > 0 {
            out.v1 = f(self.v1, other.v1);
        }
        if order > 1 {
            out.v2 = f(self.v2, other.v2);
            out.v3 = f(self.v3, other.v3);
        }
        out
    }

    /// A constant times this number, plus another.
    #[inline(always)]
    fn scaled_add(self, factor: R, c: Self) -> Self {
        let mut out = Self {
            re: factor.mul_add(self.re, c.re),
            ..c
        };
        if self.order > 0 {
            out.v1 = if c.order > 0 {
                factor.mul_add(self.v1, c.v1)
            } else {
                factor * self.v1
            };
        }
        if self.order > 1 {
            (out.v2, out.v3) = if c.order > 1 {
                (factor.mul_add(self.v2, c.v2), factor.mul_add(self.v3, c.v3))
            } else {
                (factor * self.v2, factor * self.v3)
            };
        }
        out.order = self.order.max(c.order);
        out
    }
}

impl<R: PartialEq> PartialEq for Jet<R> {
    /// Value and derivatives, whatever was known of them.
    fn eq(&self, other: &Self) -> bool {
        self.re == other.re && self.v1 == other.v1 && self.v2 == other.v2 && self.v3 == other.v3
    }
}

impl<R: Real> Add for Jet<R> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }
}

impl<R: Real> Sub for Jet<R> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.each(other, |a, b| a - b)
    }
}

impl<R: Real> Neg for Jet<R> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self {
            re: -self.re,
            v1: -self.v1,
            v2: -self.v2,
            v3: -self.v3,
            order: self.order,
        }
    }
}

impl<R: Real> Mul for Jet<R> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        Self {
            re: self.re * b.re,
            ..self.mul_add(b, Self::lit(0.0))
        }
    }
}

impl<R: Real> Div for Jet<R> {
    type Output = Self;
    #[inline(always)]
    fn div(self, b: Self) -> Self {
        let (two, three) = (R::lit(2.0), R::lit(3.0));
        let per = R::lit(1.0) / b.re;
        let re = self.re / b.re;
        if b.order == 0 {
            return Self {
                re,
                ..self.scaled_add(per, Self::lit(0.0))
            };
        }
        let v1 = (self.v1 - re * b.v1) * per;
        let v2 = (self.v2 - two * v1 * b.v1 - re * b.v2) * per;
        let v3 = (self.v3 - three * (v2 * b.v1 + v1 * b.v2) - re * b.v3) * per;
        Self {
            re,
            v1,
            v2,
            v3,
            order: 3,
        }
    }
}

impl<R: Real> Real for Jet<R> {
    #[inline(always)]
    fn lit(x: f64) -> Self {
        Self::constant(R::lit(x))
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let e = self.re.exp();
        self.chain([e; 4])
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        let e = self.re.exp();
        self.chain([self.re.exp_m1(), e, e, e])
    }
    #[inline(always)]
    fn ln(self) -> Self {
        let per = R::lit(1.0) / self.re;
        let square = per * per;
        self.chain([self.re.ln(), per, -square, R::lit(2.0) * square * per])
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        let per = R::lit(1.0) / (R::lit(1.0) + self.re);
        let square = per * per;
        self.chain([self.re.ln_1p(), per, -square, R::lit(2.0) * square * per])
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let root = self.re.sqrt();
        let per = R::lit(1.0) / self.re;
        let first = R::lit(0.5) * root * per;
        let second = R::lit(-0.5) * first * per;
        self.chain([root, first, second, R::lit(-1.5) * second * per])
    }
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        let a = self;
        if a.order == 0 {
            return b.scaled_add(a.re, c);
        }
        if b.order == 0 {
            return a.scaled_add(b.re, c);
        }
        let (two, three) = (R::lit(2.0), R::lit(3.0));
        let crossed = a.v2.mul_add(b.v1, a.v1 * b.v2);
        Self {
            re: a.re.mul_add(b.re, c.re),
            v1: a.v1.mul_add(b.re, a.re.mul_add(b.v1, c.v1)),
            v2: (two * a.v1).mul_add(b.v1, a.v2.mul_add(b.re, a.re.mul_add(b.v2, c.v2))),
            v3: three.mul_add(crossed, a.v3.mul_add(b.re, a.re.mul_add(b.v3, c.v3))),
            order: 3,
        }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self {
            re: self.re.abs(),
            ..Self::select_lt(self, Self::lit(0.0), -self, self)
        }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self::select_lt(self, other, self, other)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self::select_lt(other, self, self, other)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        Self::constant(self.re.floor())
    }
    #[inline(always)]
    fn select_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        then.each(otherwise, |t, o| R::select_lt(a.re, b.re, t, o))
    }
    #[inline(always)]
    fn select_digit(n: Self, k: u32, then: Self, otherwise: Self) -> Self {
        then.each(otherwise, |t, o| R::select_digit(n.re, k, t, o))
    }
    #[inline(always)]
    fn turns_sin_cos(self) -> (Self, Self) {
        let (sin, cos) = self.re.turns_sin_cos();
        let w = [R::lit(TAU), R::lit(TAU * TAU), R::lit(TAU * TAU * TAU)];
        (
            self.chain([sin, w[0] * cos, -(w[1] * sin), -(w[2] * cos)]),
            self.chain([cos, -(w[0] * sin), -(w[1] * cos), w[2] * sin]),
        )
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
                derivatives(
                    |x| Jet::<f64>::lit(1.0) / (Jet::<f64>::lit(1.0) + (-x).exp()),
                    x,
                ),
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
        let one = Jet::<f64>::lit(1.0);
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
