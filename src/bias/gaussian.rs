//! Gaussian expectations that the closure needs, in closed form by Stein's lemma.

use statrs::function::erf::erf;
use std::f64::consts::{PI, SQRT_2};

/// Expectations of one Gaussian variable `r ~ N(m, v)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normal {
    pub m: f64,
    pub v: f64,
    /// `E|r| = s√(2/π) e^{-m²/2v} + m erf(m/(s√2))`
    pub abs: f64,
    /// `E sgn r`
    pub sign: f64,
    /// Density at zero.
    pub density: f64,
}

impl Normal {
    pub fn new(m: f64, v: f64) -> Self {
        // A deviation of 1e-150 is zero to every expectation below and keeps m/s finite.
        let v = v.max(1e-300);
        let s = v.sqrt();
        let z = m / s;
        let density = (-0.5 * z * z).exp() / (s * (2.0 * PI).sqrt());
        let sign = erf(z / SQRT_2);
        Self {
            m,
            v,
            abs: 2.0 * v * density + m * sign,
            sign,
            density,
        }
    }

    /// `E r²`
    pub fn square(&self) -> f64 {
        self.m * self.m + self.v
    }

    /// `E r|r|`
    pub fn signed_square(&self) -> f64 {
        self.square() * self.sign + 2.0 * self.m * self.v * self.density
    }
}

/// Expectations of `r` with functions `F`, `G` of a second variable `s`, jointly Gaussian with `r`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joint {
    /// `E[r F(s)]`
    pub r_f: f64,
    /// `E[|r| G(s)]`
    pub abs_g: f64,
    /// `E[F(s)]`
    pub f: f64,
    /// `E[sgn(r) G(s)]`
    pub sign_g: f64,
    /// `E[r F'(s)]`
    pub r_df: f64,
    /// `E[|r| G'(s)]`
    pub abs_dg: f64,
}

impl Joint {
    /// `F` and `G` as third-order expansions about the mean of `s` (value and three derivatives), `h = Cov(s, r)`,
    /// `c = Var s`. Exact for laws that are cubic in the state.
    ///
    /// Stein: `E[d f(r)] = h E f'`, `E[d² f] = c E f + h² E f''`, `E[d³ f] = 3 c h E f' + h³ E f'''`, with
    /// `|r|'' = 2δ(r)`, `E|r|''' = -2 p'(0) = -2 p(0) m/v` and `E|r|'''' = 2 p''(0) = 2 p(0) (m²/v² - 1/v)`.
    pub fn new(r: &Normal, f: &[f64; 4], g: &[f64; 4], h: f64, c: f64) -> Self {
        let kink = 2.0 * r.density;
        let jerk = -kink * r.m / r.v;
        // Without covariance (the mean field) nothing multiplies it, and at v = 0 it does not exist.
        let snap = if h == 0.0 {
            0.0
        } else {
            kink * ((r.m / r.v).powi(2) - 1.0 / r.v)
        };
        let f_mean = f[0] + 0.5 * f[2] * c;
        Self {
            r_f: r.m * f_mean + h * (f[1] + 0.5 * f[3] * c),
            abs_g: g[0] * r.abs
                + g[1] * h * r.sign
                + 0.5 * g[2] * (c * r.abs + h * h * kink)
                + g[3] / 6.0 * (3.0 * c * h * r.sign + h.powi(3) * jerk),
            f: f_mean,
            sign_g: g[0] * r.sign
                + g[1] * h * kink
                + 0.5 * g[2] * (c * r.sign + h * h * jerk)
                + g[3] / 6.0 * (3.0 * c * h * kink + h.powi(3) * snap),
            r_df: r.m * (f[1] + 0.5 * f[3] * c) + h * f[2],
            abs_dg: g[1] * r.abs + g[2] * h * r.sign + 0.5 * g[3] * (c * r.abs + h * h * kink),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::quadrature::hermite;

    #[test]
    fn expectations_agree_with_quadrature() {
        // r and s jointly Gaussian; midpoint sums over ±10 deviations of both are exact to 1e-6 with a kink at zero.
        let (m, v, h, c) = (0.3, 0.49, 0.2, 0.25);
        let (f, g) = ([1.1, -0.4, 0.7, 0.3], [0.1, 0.9, -0.5, 0.8]);
        let r = Normal::new(m, v);
        let joint = Joint::new(&r, &f, &g, h, c);
        let poly = |a: &[f64; 4], d: f64| a[0] + d * (a[1] + d * (a[2] / 2.0 + d * a[3] / 6.0));
        let slope = |a: &[f64; 4], d: f64| a[1] + d * (a[2] + d * a[3] / 2.0);
        let n = 2000;
        let mut sums = [0.0; 9];
        for i in 0..n {
            let zr = -10.0 + 20.0 * (i as f64 + 0.5) / n as f64;
            let x = m + v.sqrt() * zr;
            let pr = (-0.5 * zr * zr).exp() / (2.0 * PI).sqrt() * 20.0 / n as f64;
            // s given r, by a fine quadrature that is exact for polynomials
            for (z, w) in hermite(12) {
                let d = h / v * (x - m) + (c - h * h / v).sqrt() * z;
                let p = pr * w;
                let terms = [
                    x * poly(&f, d),
                    x.abs() * poly(&g, d),
                    poly(&f, d),
                    x.signum() * poly(&g, d),
                    x * slope(&f, d),
                    x.abs() * slope(&g, d),
                    x.abs(),
                    x.signum(),
                    x * x.abs(),
                ];
                for (s, t) in sums.iter_mut().zip(terms) {
                    *s += p * t;
                }
            }
        }
        let closed = [
            joint.r_f,
            joint.abs_g,
            joint.f,
            joint.sign_g,
            joint.r_df,
            joint.abs_dg,
            r.abs,
            r.sign,
            r.signed_square(),
        ];
        for (k, (a, b)) in closed.iter().zip(sums).enumerate() {
            // a jump inside one of 2000 strips costs up to its width, 7e-3, times the density's change over it
            assert!((a - b).abs() < 2e-3, "{k}: {a} {b}");
        }
    }

    #[test]
    fn quadrature_has_the_moments_of_a_normal() {
        let nodes = hermite(41);
        let moment = |p: i32| nodes.iter().map(|(z, w)| w * z.powi(p)).sum::<f64>();
        for (p, expected) in [(0, 1.0), (1, 0.0), (2, 1.0), (4, 3.0), (6, 15.0)] {
            assert!((moment(p) - expected).abs() < 1e-10);
        }
    }

    #[test]
    fn the_folded_normal_has_its_limits() {
        assert!((Normal::new(0.0, 4.0).abs - 2.0 * (2.0 / PI).sqrt()).abs() < 1e-12);
        assert!((Normal::new(-3.0, 0.0).abs - 3.0).abs() < 1e-12);
        assert_eq!(Normal::new(-3.0, 0.0).sign, -1.0);
    }
}
