//! The response functions `F`, `G` and the symmetric point of a cell, read off its law by jets.

use super::law::{AnyLaw, Cell, LOWER, STEP, UPPER};

/// `F = (q₋ + q₊)/2` and `G = (q₋ - q₊)/2` at one state, each with its first three derivatives in the state;
/// `q±` are the mean changes in units of the *requested* step (theory: `U(w, Δ) = Δ F - |Δ| G`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Response {
    /// `F, F', F'', F'''`
    pub f: [f64; 4],
    /// `G, G', G'', G'''`
    pub g: [f64; 4],
}

impl Response {
    /// Response of a cell with parameters `p` at state `s`, for changes counted in steps of `unit_step`.
    /// Derivatives are those of the law without hard bounds.
    pub fn of(law: &dyn AnyLaw, p: &[f64], s: f64, unit_step: f64) -> Self {
        let up = law.step_jet(p, s, 1.0);
        let down = law.step_jet(p, s, -1.0);
        let up = [up.re, up.v1, up.v2, up.v3];
        let down = [down.re, down.v1, down.v2, down.v3];
        // q₊ = d₊/step, q₋ = -d₋/step
        let part = |sign: f64, k: usize| 0.5 * (-down[k] + sign * up[k]) / unit_step;
        Self {
            f: std::array::from_fn(|k| part(1.0, k)),
            g: std::array::from_fn(|k| part(-1.0, k)),
        }
    }

    /// `R' = (G/F)'`, the strength of the implicit regularizer per unit of `E|g|` at the symmetric point.
    pub fn slope(&self) -> f64 {
        (self.g[1] * self.f[0] - self.g[0] * self.f[1]) / (self.f[0] * self.f[0])
    }

    /// The same functions of a variable that is `scale` times the state.
    pub fn rescaled(mut self, scale: f64) -> Self {
        let mut factor = 1.0;
        for k in 0..4 {
            self.f[k] *= factor;
            self.g[k] *= factor;
            factor /= scale;
        }
        self
    }

    /// `q₊` and its first two derivatives.
    pub fn up(&self) -> [f64; 3] {
        std::array::from_fn(|k| self.f[k] - self.g[k])
    }

    /// `q₋` and its first two derivatives.
    pub fn down(&self) -> [f64; 3] {
        std::array::from_fn(|k| self.f[k] + self.g[k])
    }
}

/// The state inside the window where potentiation and depression are equally strong, if there is exactly a crossing.
///
/// `None` where G vanishes everywhere (no preferred state) or nowhere. Bisection to the last bit; where G
/// crosses zero several times, the crossing nearest to the middle of the window.
pub fn symmetric_point(law: &dyn AnyLaw, p: &[f64]) -> Option<f64> {
    const PIECES: usize = 256;
    let (lower, upper) = (p[LOWER], p[UPPER]);
    let scale = p[STEP].abs();
    let asymmetry = |s: f64| -law.step(p, s, -1.0) - law.step(p, s, 1.0);
    let at = |k: usize| lower + (upper - lower) * k as f64 / PIECES as f64;
    let values: Vec<f64> = (0..=PIECES).map(|k| asymmetry(at(k))).collect();
    if values.iter().all(|v| v.abs() <= 1e-12 * scale) {
        return None;
    }
    let middle = 0.5 * (lower + upper);
    (0..PIECES)
        .filter(|&k| values[k] == 0.0 || values[k] * values[k + 1] < 0.0)
        .map(|k| {
            let (mut a, mut b) = (at(k), at(k + 1));
            if values[k] == 0.0 {
                return a;
            }
            // Halving 60 times leaves less than one rounding of the window.
            for _ in 0..60 {
                let m = 0.5 * (a + b);
                if asymmetry(m) * values[k] > 0.0 {
                    a = m;
                } else {
                    b = m;
                }
            }
            0.5 * (a + b)
        })
        .min_by(|a, b| (a - middle).abs().total_cmp(&(b - middle).abs()))
}

/// Mean and variance after a train of `n` pulses, the hard bounds applied to the Gaussian of these moments:
/// `E[clip(X, l, u)]` for `X ~ N(mean, variance)`.
pub fn bounded_mean(cell: &Cell<f64>, mean: f64, variance: f64) -> f64 {
    if !cell.hard_bounds {
        return mean;
    }
    let (l, u) = (cell.parameters[LOWER], cell.parameters[UPPER]);
    let sd = variance.sqrt();
    // Nine deviations away the bound changes nothing that an f64 can hold.
    if mean - 9.0 * sd > l && mean + 9.0 * sd < u || sd <= 0.0 {
        return mean.clamp(l, u);
    }
    let phi = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let cdf = |z: f64| 0.5 * statrs::function::erf::erfc(-z / std::f64::consts::SQRT_2);
    let (a, b) = ((l - mean) / sd, (u - mean) / sd);
    l * cdf(a) + u * cdf(-b) + mean * (cdf(b) - cdf(a)) - sd * (phi(b) - phi(a))
}
