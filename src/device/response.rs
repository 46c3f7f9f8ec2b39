//! The response functions `F`, `G` and the symmetric point of a cell, read off its law by jets.

use std::sync::LazyLock;

use super::law::{AnyLaw, Cell, LOWER, STEP, UPPER};
use crate::number::quadrature::hermite;
use crate::number::{Jet, Real, variable};

/// Nodes for the cycle-to-cycle noise of one pulse: exact to degree 41 of the readout.
static NODES: LazyLock<Vec<(f64, f64)>> = LazyLock::new(|| hermite(21));

/// The state as a function of the position of its conductance, the inverse series, and the conductance as one of the state.
fn state_of_position(law: &dyn AnyLaw, p: &[f64], s: f64) -> (Jet<f64>, Jet<f64>) {
    let phi = law.conductance_jet(p, variable(s));
    let (a, b, c) = (phi.v1, phi.v2, phi.v3);
    let inverse = [
        s,
        1.0 / a,
        -b / a.powi(3),
        (3.0 * b * b - a * c) / a.powi(5),
    ];
    (Jet::with_derivatives(inverse), phi)
}

/// What one pulse does to the position of a conductance, with derivatives in that position.
///
/// A pulse moves the state `s` by `d + σz`; the conductance is at `x = φ(s)`. Its mean change is `E φ(s + d + σz) - φ(s)`, of which
/// `φ′ d` is the response of the readout's tangent, and the rest, `½ φ″ E(d + σz)² + …`, the drift that noise and curvature make
/// together (channel B of the bias). Hard bounds are left out.
#[derive(Debug, Clone, Copy)]
pub struct Pulsed {
    /// Mean change.
    pub change: Jet<f64>,
    /// Variance of the change.
    pub variance: Jet<f64>,
    /// The part of the mean change that the curvature of the readout makes.
    pub bent: f64,
}

impl Pulsed {
    /// What a small part of a pulse does on the average, over that part: the response of the readout's tangent, without noise
    /// (updates by [`Counting::Expected`](super::Counting::Expected)).
    pub fn tangent(law: &dyn AnyLaw, cell: &Cell<f64>, s: f64, polarity: f64) -> Self {
        // The central difference leaves a part (d · PART)² of φ′: 1e-10 for steps of a hundredth, with 1e-11 of rounding.
        const PART: f64 = 1.0 / 1024.0;
        let p = cell.parameters;
        let (s, _) = state_of_position(law, p, s);
        let d = law.step_of(p, s, polarity) * Jet::constant(PART);
        let moved = law.conductance_jet(p, s + d) - law.conductance_jet(p, s - d);
        Self {
            change: moved * Jet::constant(0.5 / PART),
            variance: Jet::constant(0.0),
            bent: 0.0,
        }
    }

    /// A pulse on a cell at state `s`.
    pub fn of(law: &dyn AnyLaw, cell: &Cell<f64>, s: f64, polarity: f64) -> Self {
        let p = cell.parameters;
        let (s, phi) = state_of_position(law, p, s);
        let d = law.step_of(p, s, polarity);
        let noise = cell.noise.cast::<Jet<f64>>();
        let own = law.own_variance(p, s, polarity);
        let pulsed = noise.variance(Jet::constant(p[STEP]), s, d, Jet::constant(polarity));
        let variance = pulsed + own;
        let sd = if variance.re > 0.0 {
            variance.sqrt()
        } else {
            Jet::constant(0.0)
        };
        let x = variable(phi.re);
        let zero = Jet::constant(0.0);
        let (mut change, mut square) = (zero, zero);
        for &(z, weight) in NODES.iter() {
            let weight = Jet::constant(weight);
            let moved = law.conductance_jet(p, s + d + sd * Jet::constant(z)) - x;
            change = change + weight * moved;
            square = square + weight * moved * moved;
        }
        Self {
            change,
            variance: square - change * change,
            bent: change.re - phi.v1 * d.re,
        }
    }
}

/// `F = (q₋ + q₊)/2` and `G = (q₋ - q₊)/2` at one state, each with its first three derivatives in the state;
/// `q±` are the mean changes in units of the *requested* step (theory: `U(w, Δ) = Δ F - |Δ| G`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Response {
    /// `F, F', F'', F'''`
    pub f: [f64; 4],
    /// `G, G', G'', G'''`
    pub g: [f64; 4],
    /// Variance of one pulse's change (potentiation, depression) in squares of the requested step, with two derivatives, where it
    /// does not follow from `q±`: because the conductance is not the state, or the noise follows the state.
    pub variance: Option<[[f64; 3]; 2]>,
}

impl Response {
    /// Response of a cell with parameters `p` at state `s`, for changes counted in steps of `unit_step`.
    /// Derivatives are those of the law without hard bounds.
    pub fn of(law: &dyn AnyLaw, p: &[f64], s: f64, unit_step: f64) -> Self {
        let up = law.step_jet(p, s, 1.0);
        let down = law.step_jet(p, s, -1.0);
        Self::from_changes(up, down, unit_step)
    }

    /// Response of a conductance from what pulses of both polarities do to it, with derivatives in its position.
    pub fn seen(pulsed: impl Fn(f64) -> Pulsed, unit_step: f64) -> Self {
        let [up, down] = [1.0, -1.0].map(pulsed);
        Self::from_changes(up.change, down.change, unit_step)
            .with_variance([up.variance, down.variance], unit_step)
    }

    /// The same with the variance of the cell's noise at state `s`, which is its own conductance.
    pub fn with_variance_of(
        self,
        law: &dyn AnyLaw,
        cell: &Cell<f64>,
        s: f64,
        unit_step: f64,
    ) -> Self {
        let noise = cell.noise.cast::<Jet<f64>>();
        let step = Jet::constant(cell.parameters[STEP]);
        let variance = [1.0, -1.0].map(|polarity| {
            let change = law.step_jet(cell.parameters, s, polarity);
            noise.variance(step, variable(s), change, Jet::constant(polarity))
        });
        self.with_variance(variance, unit_step)
    }

    /// Variances of a potentiating and of a depressing pulse, in squares of the requested step.
    fn with_variance(self, variances: [Jet<f64>; 2], unit_step: f64) -> Self {
        let square = unit_step * unit_step;
        let scaled = |v: Jet<f64>| [v.re / square, v.v1 / square, v.v2 / square];
        Self {
            variance: Some(variances.map(scaled)),
            ..self
        }
    }

    /// From the mean changes by one pulse.
    fn from_changes(up: Jet<f64>, down: Jet<f64>, unit_step: f64) -> Self {
        let up = [up.re, up.v1, up.v2, up.v3];
        let down = [down.re, down.v1, down.v2, down.v3];
        // q₊ = d₊/step, q₋ = -d₋/step
        let part = |sign: f64, k: usize| 0.5 * (-down[k] + sign * up[k]) / unit_step;
        Self {
            f: std::array::from_fn(|k| part(1.0, k)),
            g: std::array::from_fn(|k| part(-1.0, k)),
            variance: None,
        }
    }

    /// `R' = (G/F)'`, the strength of the implicit regularizer per unit of `E|g|` at the symmetric point.
    pub fn slope(&self) -> f64 {
        (self.g[1] * self.f[0] - self.g[0] * self.f[1]) / (self.f[0] * self.f[0])
    }

    /// The response of a cell that depressing pulses do not change: `U(w, Δ) = max(Δ, 0) q₊`.
    pub fn one_sided(self) -> Self {
        let half = std::array::from_fn(|k| 0.5 * (self.f[k] - self.g[k]));
        Self {
            f: half,
            g: half.map(|v| -v),
            variance: self.variance.map(|[up, _]| [up, [0.0; 3]]),
        }
    }

    /// The same functions of a variable that is `scale` times the state.
    pub fn rescaled(mut self, scale: f64) -> Self {
        let mut factor = 1.0;
        for k in 0..4 {
            self.f[k] *= factor;
            self.g[k] *= factor;
            for v in self.variance.iter_mut().flatten() {
                if let Some(v) = v.get_mut(k) {
                    *v *= factor;
                }
            }
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
/// crosses zero several times, the crossing nearest to the middle of the window at which pulses in turn gather; where there is none, the
/// nearest at which they part.
pub fn symmetric_point(law: &dyn AnyLaw, p: &[f64]) -> Option<f64> {
    crossing(|s| -law.step(p, s, -1.0) - law.step(p, s, 1.0), p)
}

/// Where this difference between depression and potentiation vanishes inside the window of a cell.
pub(super) fn crossing(asymmetry: impl Fn(f64) -> f64, p: &[f64]) -> Option<f64> {
    const PIECES: usize = 256;
    let (lower, upper) = (p[LOWER], p[UPPER]);
    let scale = p[STEP].abs();
    let at = |k: usize| lower + (upper - lower) * k as f64 / PIECES as f64;
    let values: Vec<f64> = (0..=PIECES).map(|k| asymmetry(at(k))).collect();
    if values.iter().all(|v| v.abs() <= 1e-12 * scale) {
        return None;
    }
    let middle = 0.5 * (lower + upper);
    (0..PIECES)
        .filter(|&k| {
            // Where nothing moves at all, at an end of the window, nothing is in balance.
            let through = values[k] == 0.0 && k > 0 && values[k - 1] * values[k + 1] < 0.0;
            through || values[k] * values[k + 1] < 0.0
        })
        .map(|k| {
            let (mut a, mut b) = (at(k), at(k + 1));
            let falls = values[k + 1] < values[k];
            if values[k] == 0.0 {
                return (falls, a);
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
            (falls, 0.5 * (a + b))
        })
        .min_by(|(falls, a), (other, b)| {
            let nearer = (a - middle).abs().total_cmp(&(b - middle).abs());
            falls.cmp(other).then(nearer)
        })
        .map(|(_, s)| s)
}

/// `E f(X)` for `X ~ N(mean, variance)`.
pub(super) fn average(mean: f64, variance: f64, f: impl Fn(f64) -> f64) -> f64 {
    let sd = variance.sqrt();
    NODES.iter().map(|(z, w)| w * f(mean + sd * z)).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Pulses in turn gather where the asymmetry rises through zero, and part where it falls.
    #[test]
    fn symmetric_points_hold_where_another_crossing_does_not() {
        let p = [0.01, 0.0, 1.0];
        let three = crossing(|s| (s - 0.1) * (s - 0.5) * (s - 0.8), &p).unwrap();
        assert!((three - 0.8).abs() < 1e-12, "{three}");
        let falling = crossing(|s| 0.4 - s, &p).unwrap();
        assert!((falling - 0.4).abs() < 1e-12, "{falling}");
    }
}
