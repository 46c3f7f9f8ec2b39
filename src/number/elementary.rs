//! Elementary functions in single precision, branch-free and the same on every processor.
//!
//! Each function is a range reduction and a short polynomial in Horner's form. They are generic over
//! [`Single`], the few operations they need, of which `f32` is the implementation for the CPU. A plain
//! loop over slices that calls them vectorises. Sums of products are written as fused `mul_add`, and Rust never
//! contracts `a * b + c` by itself: `mul_add`, additions, products, quotients and square roots are correctly rounded
//! everywhere (IEEE 754), so every processor gives the same bits. One without the instruction (x86-64 before 2013, and
//! some cheap ones after) computes `mul_add` in software, correctly and slowly.
//!
//! Measured over dense sweeps against double precision (the tests keep these bounds; half a unit in the
//! last place is up to 6.0e−8):
//!
//! | function | range | largest relative error |
//! | --- | --- | --- |
//! | [`exp`] | −87 … 88 | 8.5e−8 |
//! | [`exp_m1`] | −80 … 80, and 1e−8 … 1 | 1.24e−7 |
//! | [`ln`] | 1.2e−38 … 3.4e38 | 8.0e−8 |
//! | [`ln_1p`] | −0.999 … 1000, and 1e−8 … 1 | 1.4e−7 |
//! | [`turns_sin_cos`] | −1000 … 1000 | 1.3e−7 |
//!
//! The polynomials are weighted minimax fits (Lawson's iteration) of our own; the reductions are those of
//! Cody and Waite, *Software Manual for the Elementary Functions*, Prentice-Hall, 1980.

use std::ops::{Add, Div, Mul, Sub};

/// `1.5 · 2²³`: a float of this size has a last place of one, so adding it rounds to an integer, which
/// then stands in the low bits of the sum.
const ROUNDER: f32 = 12_582_912.0;

/// `√½` as bits; the mantissas of [`Single::split`] begin there.
const SQRT_HALF_BITS: u32 = 0x3f35_04f3;

/// Upper part of `ln 2`: its ten bits leave room for an exact product with any exponent.
const LN_2_HIGH: f32 = 0.693_359_4;
/// `ln 2` less [`LN_2_HIGH`].
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// What the elementary functions need of a single-precision number.
pub trait Single:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// The constant `x`.
    fn lit(x: f32) -> Self;

    /// `a < b ? then : otherwise`.
    fn select_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self;

    /// The nearest integer, ties to even, for `|x| < 2²²`.
    fn round(self) -> Self;

    /// Square root of a number that is not negative.
    fn sqrt(self) -> Self;

    /// `self · a + b` with one rounding.
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// The same number, through which no compiler may carry the algebra of real numbers: `(x + 1).opaque() - 1` is what
    /// floating point makes of it, not `x`. Rust keeps to that by itself; shader compilers may not.
    fn opaque(self) -> Self;

    /// `2ⁿ` for an integer `n` from −126 to 127; `n = −127` gives zero and `n = 128` infinity.
    fn two_to_the(n: Self) -> Self;

    /// A positive normal number as `(m, n)` with `x = m · 2ⁿ` and `m` in `[√½, √2)`.
    fn split(self) -> (Self, Self);

    /// Sine and cosine of an angle turned onwards by an integer number `n` of quarter turns, `|n| < 2²²`.
    fn turn_quarters(n: Self, sin: Self, cos: Self) -> (Self, Self);
}

impl Single for f32 {
    #[inline(always)]
    fn lit(x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn select_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        if a < b { then } else { otherwise }
    }

    #[inline(always)]
    fn round(self) -> Self {
        (self + ROUNDER) - ROUNDER
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
    fn opaque(self) -> Self {
        self
    }

    #[inline(always)]
    fn two_to_the(n: Self) -> Self {
        f32::from_bits((n + ROUNDER).to_bits().wrapping_add(127) << 23)
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let bits = self.to_bits();
        let exponent = (bits.wrapping_sub(SQRT_HALF_BITS) as i32) >> 23;
        let mantissa = bits.wrapping_sub((exponent << 23) as u32);
        (f32::from_bits(mantissa), exponent as f32)
    }

    #[inline(always)]
    fn turn_quarters(n: Self, sin: Self, cos: Self) -> (Self, Self) {
        let n = (n + ROUNDER).to_bits();
        let odd = n & 1 != 0;
        let (s, c) = (if odd { cos } else { sin }, if odd { sin } else { cos });
        (
            f32::from_bits(s.to_bits() ^ ((n & 2) << 30)),
            f32::from_bits(c.to_bits() ^ ((n.wrapping_add(1) & 2) << 30)),
        )
    }
}

/// The largest integer that is not above `x`, exact for `|x| < 2²²`.
#[inline(always)]
pub fn floor<S: Single>(x: S) -> S {
    let n = x.round();
    S::select_lt(x, n, n - S::lit(1.0), n)
}

/// Exponential, `eˣ = 2ⁿ eʳ` with `|r| ≤ ½ ln 2`.
///
/// Below −87.68 the result is zero, above 88.376 it is infinite.
#[inline(always)]
pub fn exp<S: Single>(x: S) -> S {
    let (n, q) = reduced_exp_m1(x);
    (q + S::lit(1.0)) * S::two_to_the(n)
}

/// `eˣ − 1 = 2ⁿ (eʳ − 1) + (2ⁿ − 1)`, which keeps its relative accuracy for small `x`.
#[inline(always)]
pub fn exp_m1<S: Single>(x: S) -> S {
    let (n, q) = reduced_exp_m1(x);
    let scale = S::two_to_the(n);
    q.mul_add(scale, (scale - S::lit(1.0)).opaque())
}

/// `(n, eʳ − 1)` where `x = n ln 2 + r` and `|r| ≤ ½ ln 2`.
#[inline(always)]
fn reduced_exp_m1<S: Single>(x: S) -> (S, S) {
    // What would overflow goes where n = 128 and r > 0, so that both callers return infinity.
    let x = S::select_lt(S::lit(88.376), x, S::lit(88.723), x);
    let x = S::select_lt(x, S::lit(-88.0), S::lit(-88.0), x);
    let n = (x * S::lit(std::f32::consts::LOG2_E)).round();
    let r = n.mul_add(S::lit(-LN_2_LOW), n.mul_add(S::lit(-LN_2_HIGH), x).opaque());
    let p = S::lit(0.001_388_251);
    let p = p.mul_add(r, S::lit(0.008_366_58));
    let p = p.mul_add(r, S::lit(0.041_667_2));
    let p = p.mul_add(r, S::lit(0.166_665_43));
    let p = p.mul_add(r, S::lit(0.499_999_97));
    (n, (p * r).mul_add(r, r))
}

/// Natural logarithm of a positive normal number, `ln x = n ln 2 + ln m` with `m` in `[√½, √2)`.
///
/// Zero, negative, subnormal and non-finite numbers are outside its domain
/// (`Real for f32` adds their values).
#[inline(always)]
pub fn ln<S: Single>(x: S) -> S {
    let (m, n) = x.split();
    let r = m - S::lit(1.0);
    let p = S::lit(-0.076_344_974);
    let p = p.mul_add(r, S::lit(0.127_615_78));
    let p = p.mul_add(r, S::lit(-0.131_601_83));
    let p = p.mul_add(r, S::lit(0.142_017_57));
    let p = p.mul_add(r, S::lit(-0.166_233_57));
    let p = p.mul_add(r, S::lit(0.200_012_27));
    let p = p.mul_add(r, S::lit(-0.250_008_2));
    let p = p.mul_add(r, S::lit(0.333_333_3));
    let square = r * r;
    let tail = n.mul_add(S::lit(LN_2_LOW), S::lit(-0.5) * square);
    let tail = (p * r).mul_add(square, tail);
    n.mul_add(S::lit(LN_2_HIGH), r + tail)
}

/// `ln(1 + x)` for `x > −1`: the logarithm of `u = fl(1 + x)` and, to first order, of what `u` lost.
///
/// `ln(1 + x) = ln u + (x − (u − 1)) / u + O(2⁻⁴⁸)`; the difference is exact in floating point.
#[inline(always)]
pub fn ln_1p<S: Single>(x: S) -> S {
    let u = (x + S::lit(1.0)).opaque();
    ln(u) + (x - (u - S::lit(1.0)).opaque()) / u
}

/// Sine and cosine of an angle in turns, `(sin 2πt, cos 2πt)`, for `|t| < 2²⁰`.
///
/// With the angle in turns the reduction `4t = n + f`, `|f| ≤ ½`, is exact, and so is every multiple of a
/// quarter turn.
#[inline(always)]
pub fn turns_sin_cos<S: Single>(t: S) -> (S, S) {
    let t = t * S::lit(4.0);
    let n = t.round();
    let f = t - n;
    let square = f * f;

    let p = S::lit(-0.004_601_656_5);
    let p = p.mul_add(square, S::lit(0.079_680_03));
    let p = p.mul_add(square, S::lit(-0.645_963_43));
    let p = p.mul_add(square, S::lit(-4.880_012e-8));
    let sin = f.mul_add(p, f * S::lit(std::f32::consts::FRAC_PI_2));

    let p = S::lit(0.000_903_766_54);
    let p = p.mul_add(square, S::lit(-0.020_860_165));
    let p = p.mul_add(square, S::lit(0.253_669_23));
    let p = p.mul_add(square, S::lit(-1.233_700_5));
    let cos = p.mul_add(square, S::lit(1.0));

    S::turn_quarters(n, sin, cos)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_2;

    use super::*;

    /// Points of a sweep.
    const N: u32 = 2_000_000;

    /// `N + 1` evenly spaced points from `a` to `b`.
    fn linear(a: f64, b: f64) -> impl Iterator<Item = f32> {
        (0..=N).map(move |i| (a + (b - a) * f64::from(i) / f64::from(N)) as f32)
    }

    /// `N + 1` points from `a` to `b`, evenly spaced in their logarithm, and the same with a minus sign.
    fn logarithmic(a: f64, b: f64) -> impl Iterator<Item = f32> {
        linear(a.ln(), b.ln()).flat_map(|x| {
            let x = f64::from(x).exp() as f32;
            [x, -x]
        })
    }

    /// The largest relative error of `f` against `oracle`.
    fn worst(points: impl Iterator<Item = f32>, f: fn(f32) -> f32, oracle: fn(f64) -> f64) -> f64 {
        let error = |x: f32| {
            let (y, exact) = (f64::from(f(x)), oracle(f64::from(x)));
            if y == exact {
                0.0
            } else {
                ((y - exact) / exact).abs()
            }
        };
        points.map(error).fold(0.0, f64::max)
    }

    /// Asserts that an error is at most `bound`, and prints it for the table above.
    fn check(name: &str, error: f64, bound: f64) {
        println!("{name}: {error:.3e}");
        assert!(
            error <= bound,
            "{name}: relative error {error:.3e} is above {bound:.1e}"
        );
    }

    #[test]
    fn exponentials() {
        check("exp", worst(linear(-87.0, 88.0), exp, f64::exp), 8.5e-8);
        check(
            "exp near 0",
            worst(linear(-1.0, 1.0), exp, f64::exp),
            8.5e-8,
        );
        check(
            "exp_m1",
            worst(linear(-80.0, 80.0), exp_m1, f64::exp_m1),
            1.24e-7,
        );
        check(
            "exp_m1 near 0",
            worst(linear(-1.0, 1.0), exp_m1, f64::exp_m1),
            1.24e-7,
        );
        check(
            "exp_m1 tiny",
            worst(logarithmic(1e-8, 1.0), exp_m1, f64::exp_m1),
            1.24e-7,
        );
    }

    #[test]
    fn logarithms() {
        let wide = || logarithmic(1.2e-38, 3.4e38).filter(|x| *x > 0.0);
        check("ln", worst(wide(), ln, f64::ln), 8.0e-8);
        check("ln near 1", worst(linear(0.5, 2.0), ln, f64::ln), 8.0e-8);
        check(
            "ln_1p",
            worst(linear(-0.999, 1e3), ln_1p, f64::ln_1p),
            1.4e-7,
        );
        check(
            "ln_1p near 0",
            worst(linear(-0.999, 1.0), ln_1p, f64::ln_1p),
            1.4e-7,
        );
        check(
            "ln_1p tiny",
            worst(logarithmic(1e-8, 0.999), ln_1p, f64::ln_1p),
            1.4e-7,
        );
    }

    /// Sine and cosine with the exact reduction to a quarter turn, so that the oracle is accurate
    /// relative to itself near its zeros.
    fn oracle(t: f64) -> (f64, f64) {
        let n = (4.0 * t).round();
        let (s, c) = ((4.0 * t - n) * FRAC_PI_2).sin_cos();
        match n.rem_euclid(4.0) {
            0.0 => (s, c),
            1.0 => (c, -s),
            2.0 => (-s, -c),
            _ => (-c, s),
        }
    }

    #[test]
    fn turns() {
        let sin = |t: f32| turns_sin_cos(t).0;
        let cos = |t: f32| turns_sin_cos(t).1;
        for (a, b) in [(-1.0, 1.0), (-1e3, 1e3)] {
            check("sin", worst(linear(a, b), sin, |t| oracle(t).0), 1.3e-7);
            check("cos", worst(linear(a, b), cos, |t| oracle(t).1), 1.3e-7);
        }
        check(
            "sin tiny",
            worst(logarithmic(1e-8, 1.0), sin, |t| oracle(t).0),
            1.3e-7,
        );
        assert_eq!(turns_sin_cos(0.25_f32), (1.0, 0.0));
        assert_eq!(turns_sin_cos(-0.5_f32), (0.0, -1.0));
        assert_eq!(turns_sin_cos(1_000_000.75_f32), (-1.0, 0.0));
    }

    #[test]
    fn floor_is_exact() {
        for x in linear(-4_194_303.5, 4_194_303.5).chain(linear(-3.0, 3.0)) {
            assert_eq!(floor(x), f32::floor(x), "floor {x}");
        }
    }
}
