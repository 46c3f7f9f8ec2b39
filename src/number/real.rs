//! The vocabulary of a device law.

use std::f64::consts::TAU;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::elementary;

/// A number that a device law can be written in.
///
/// A law is one branch-free expression in these operations. There is no order, no equality and no
/// conversion back to a machine number: a choice is a [`select_lt`](Real::select_lt) whose two sides are
/// both computed. The same text is therefore a scalar function, a loop that the compiler vectorises, a
/// derivative, and a recording of itself.
///
/// ```
/// use memridge::number::{Real, derivatives};
///
/// /// Mean step of a soft-bounds device at position `s` of its window.
/// fn step<R: Real>(s: R, a: R) -> R {
///     a * (R::lit(1.0) - s)
/// }
/// assert_eq!(step(0.25_f64, 0.5), 0.375);
/// let [value, slope, ..] = derivatives(|s| step(s, Real::lit(0.5)), 0.25);
/// assert_eq!((value, slope), (0.375, -0.5));
/// ```
pub trait Real:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The constant `x`, rounded to this type.
    fn lit(x: f64) -> Self;

    /// Exponential, `eˣ`.
    fn exp(self) -> Self;

    /// `eˣ − 1`, accurate for small `x` too.
    fn exp_m1(self) -> Self;

    /// Natural logarithm, `ln x` for `x > 0`.
    fn ln(self) -> Self;

    /// `ln(1 + x)` for `x > −1`, accurate for small `x` too.
    fn ln_1p(self) -> Self;

    /// Square root, `√x` for `x ≥ 0`.
    fn sqrt(self) -> Self;

    /// Absolute value, `|x|`.
    fn abs(self) -> Self;

    /// The smaller of two numbers: `self < other ? self : other`.
    fn min(self, other: Self) -> Self;

    /// The larger of two numbers: `other < self ? self : other`.
    fn max(self, other: Self) -> Self;

    /// The largest integer that is not above `self`, for `|x| < 2²²`.
    fn floor(self) -> Self;

    /// `a < b ? then : otherwise`. Both sides are computed, so both must be finite.
    fn select_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self;

    /// `then` where the whole number `n` has the binary digit `2ᵏ`, else `otherwise`, for `0 ≤ n < 2²³`. Both sides are
    /// computed.
    fn select_digit(n: Self, k: u32, then: Self, otherwise: Self) -> Self;

    /// Sine and cosine of an angle in turns, `(sin 2πt, cos 2πt)`, for `|t| < 2²⁰`.
    fn turns_sin_cos(self) -> (Self, Self);

    /// Power, `xᵉ = exp(e ln x)` for `x > 0`.
    #[inline(always)]
    fn powf(self, exponent: Self) -> Self {
        (exponent * self.ln()).exp()
    }

    /// `self · a + b`. Single precision rounds it once, on the CPU and, where the processor can, on the GPU.
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }

    /// Square, `x²`.
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }
}

/// The oracle: the functions of the standard library in double precision.
impl Real for f64 {
    #[inline(always)]
    fn lit(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        f64::exp_m1(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if other < self { self } else { other }
    }
    #[inline(always)]
    fn floor(self) -> Self {
        f64::floor(self)
    }
    #[inline(always)]
    fn select_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        if a < b { then } else { otherwise }
    }
    #[inline(always)]
    fn select_digit(n: Self, k: u32, then: Self, otherwise: Self) -> Self {
        if n as u32 >> k & 1 == 1 {
            then
        } else {
            otherwise
        }
    }
    #[inline(always)]
    fn turns_sin_cos(self) -> (Self, Self) {
        (TAU * (self - self.round())).sin_cos()
    }
}

/// The CPU backend: the branch-free polynomials of [`elementary`] in single precision, the same bits on
/// every processor.
///
/// Outside their domains they behave like the standard library (`ln 0 = −∞`, `ln −1 = NaN`,
/// `exp ∞ = ∞`, NaN in, NaN out), with these differences: `exp` overflows above 88.376 instead of 88.723
/// and is zero below −87.68, and the logarithm of a subnormal number is `−∞`.
impl Real for f32 {
    #[inline(always)]
    fn lit(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn exp(self) -> Self {
        elementary::exp(self)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        elementary::exp_m1(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        let y = elementary::ln(self);
        let y = if self < f32::INFINITY { y } else { self };
        let edge = if self < 0.0 {
            f32::NAN
        } else {
            f32::NEG_INFINITY
        };
        if self < f32::MIN_POSITIVE { edge } else { y }
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        let y = elementary::ln_1p(self);
        let y = if self < f32::INFINITY { y } else { self };
        let edge = if self < -1.0 {
            f32::NAN
        } else {
            f32::NEG_INFINITY
        };
        if self <= -1.0 { edge } else { y }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        f32::mul_add(self, a, b)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if other < self { self } else { other }
    }
    #[inline(always)]
    fn floor(self) -> Self {
        elementary::floor(self)
    }
    #[inline(always)]
    fn select_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        if a < b { then } else { otherwise }
    }
    #[inline(always)]
    fn select_digit(n: Self, k: u32, then: Self, otherwise: Self) -> Self {
        // Adding 2²³ brings the digits to the low bits; a conversion to an integer would check its range lane by lane.
        if (n + 8_388_608.0).to_bits() >> k & 1 == 1 {
            then
        } else {
            otherwise
        }
    }
    #[inline(always)]
    fn turns_sin_cos(self) -> (Self, Self) {
        elementary::turns_sin_cos(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An expression that uses the whole vocabulary.
    fn everything<R: Real>(x: R) -> R {
        let half = R::lit(0.5);
        let (s, c) = x.turns_sin_cos();
        let smooth = (-x).exp() + x.exp_m1() * half - x.ln() + (x / R::lit(3.0)).ln_1p();
        let kinked = x.min(half).max(R::lit(0.1)) + (x - half).abs() + (x * R::lit(2.5)).floor();
        let chosen = R::select_lt(x, half, x.sqrt(), x.square());
        let digit = R::select_digit((x * R::lit(9.0)).floor(), 1, x, half);
        let fused = Real::mul_add(s, c, chosen + digit);
        smooth + kinked + fused + x.powf(R::lit(1.5))
    }

    #[test]
    fn f32_follows_f64() {
        for i in 1..20_000 {
            let x = i as f32 * 1e-4 + 3e-5;
            let (single, double) = (everything(x), everything(f64::from(x)));
            let error = (f64::from(single) - double).abs();
            assert!(error < 3e-6, "x {x}: {single} against {double}");
        }
    }

    #[test]
    fn f32_edges() {
        let inf = f32::INFINITY;
        assert_eq!(Real::exp(-100.0_f32), 0.0);
        assert_eq!(Real::exp(-inf), 0.0);
        assert_eq!(Real::exp(100.0_f32), inf);
        assert_eq!(Real::exp(0.0_f32), 1.0);
        assert_eq!(Real::exp_m1(0.0_f32), 0.0);
        assert_eq!(Real::exp_m1(-100.0_f32), -1.0);
        assert_eq!(Real::exp_m1(inf), inf);
        for x in [88.377, 88.5, 88.7, 88.73_f32, 89.0, 1e30] {
            assert_eq!((Real::exp(x), Real::exp_m1(x)), (inf, inf), "{x}");
        }
        assert!(Real::exp(88.375_f32) < inf);
        assert_eq!(Real::ln(1.0_f32), 0.0);
        assert_eq!(Real::ln(0.0_f32), -inf);
        assert_eq!(Real::ln(inf), inf);
        assert_eq!(Real::ln_1p(0.0_f32), 0.0);
        assert_eq!(Real::ln_1p(-1.0_f32), -inf);
        assert_eq!(Real::ln_1p(inf), inf);
        assert_eq!(Real::powf(0.0_f32, 2.0), 0.0);
        for f in [Real::exp, Real::exp_m1, Real::ln, Real::ln_1p] {
            let f: fn(f32) -> f32 = f;
            assert!(f(f32::NAN).is_nan());
        }
        assert!(Real::ln(-1.0_f32).is_nan());
        assert!(Real::ln_1p(-1.5_f32).is_nan());
    }
}
