//! The mean field of one-sided pairs, averaged over the cycle of their refreshes.
//!
//! # Equation
//! At weight w the cells of a pair are at `x± = c ± w/(2S)`. A request Δ moves one of them by `|Δ| q(x)/S`, so that `E Δw = Δ F - |Δ| G` with
//! `F = (q(x₊) + q(x₋))/2`, `G = (q(x₋) - q(x₊))/2`, while c rises by `|Δ| F/(2S)`: there is no stationary c, but a cycle from the
//! refreshed pair, `c₀ = r + |w|/(2S)`, to the look that finds it full, `c₁`. Weights that move slowly against the cycle feel its mean.
//! Where c has passed at the speed F, `⟨G⟩/⟨F⟩` is the plain mean over c:
//!
//! `(H w - b)_j + E|g_j| R̄_j(w_j) = 0`, `R̄(w) = 1/(c₁ - c₀) ∫ G/F dc`
//!
//! # Symbols
//! | symbol | meaning |
//! | --- | --- |
//! | q(x) | mean change of a cell by one pulse at position x, in nominal steps |
//! | S | weight that the whole window spans |
//! | r | position after a reset |
//!
//! # Behaviour
//! Equal cells, small w: `R̄ = w ln(q(c₀)/q(c₁))/(2 S (c₁ - c₀))`. Steps that fall as cells fill pull weights to zero; equal steps do not.
//! Reads through wires follow c, which no mean over the cycle describes: nothing is predicted then. Left out: weights that follow within a cycle, which the trajectory P-t has ([`pair_trajectory`](super::pair_trajectory)); fluctuations of
//! the weight, what noise does to the mean of a step, and errors of writing back.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::closure::{Closure, Setting};
use super::predict::Prediction;
use crate::crossbar::Refresh;
use crate::device::UPPER;
use crate::error::{Error, Result};

const WHAT: &str = "P0, the mean field over the cycle of refreshes";

/// Parts of the rise to the threshold, and of the wait for a look.
const PARTS: usize = 64;

struct Cycle<'a> {
    setting: &'a Setting,
    refresh: Refresh,
    /// Requests that a weight gets between two looks.
    firings: f64,
}

fn failed(detail: impl Into<String>) -> Error {
    Error::NotConverged {
        what: WHAT.into(),
        detail: detail.into(),
    }
}

/// The mean field P0 of one-sided pairs that are refreshed, with `firings` updates of every weight a step.
///
/// # Errors
/// [`Error::NotConverged`] where a cell never reaches the threshold, or is full before anybody looks: then weights cannot move, and no
/// mean over a cycle describes them; for stuck cells; through wires; and where the iteration does not settle.
pub fn cycle_field(setting: &Setting, refresh: Refresh, firings: u32) -> Result<Prediction> {
    let map = setting.model.map;
    if !setting.model.cells.stuck().is_empty() {
        return Err(failed("pairs with a stuck cell have no cycle"));
    }
    if setting.wires.is_some_and(|wires| !wires.is_ideal()) {
        return Err(failed(
            "what wires take of a read follows the filling of the pairs, which the mean over their cycle leaves out",
        ));
    }
    let cycle = Cycle {
        setting,
        refresh,
        firings: f64::from(refresh.every) * f64::from(firings),
    };
    let mut closure = Closure::new(setting);
    let (n, cells) = (map.weights(), map.cells());
    let samples = setting.x.nrows() as f64;
    let h = setting.x.tr_mul(&setting.x) / samples;
    let b = setting.x.tr_mul(&setting.y) / samples;
    let zero = DMatrix::zeros(cells, cells);
    let mut abs_gradient = |w: &DVector<f64>| {
        let mu = DVector::from_vec(map.values(w.as_slice()));
        Ok::<_, Error>(closure.step(&mu, &zero, true)?.abs_gradient)
    };
    // A start between zero and least squares: far from the threshold of range.
    let ridge = DMatrix::identity(n, n) * (0.5 * SymmetricEigen::new(h.clone()).eigenvalues.max());
    let mut w = (&h + ridge)
        .lu()
        .solve(&b)
        .ok_or_else(|| failed("the data determine no weights"))?;
    for _ in 0..400 {
        let size = abs_gradient(&w)?;
        let mut residual = &h * &w - &b;
        let mut jacobian = h.clone();
        for j in 0..n {
            let (pull, slope) = cycle.pull(j, w[j], size[j])?;
            residual[j] += size[j] * pull;
            jacobian[(j, j)] += size[j] * slope;
        }
        let change = jacobian
            .lu()
            .solve(&residual)
            .filter(|d| d.iter().all(|v| v.is_finite()))
            .ok_or_else(|| failed("some weight is not determined by data or device"))?;
        // |g| has kinks at the samples: half steps cannot cycle between two sides of one.
        w -= 0.5 * &change;
        if change.amax() < 1e-9 {
            return cycle.describe(&w, abs_gradient(&w)?);
        }
    }
    Err(failed("400 Newton steps"))
}

impl Cycle<'_> {
    /// `q` of both cells of a pair about the common position `c`.
    fn steps(&self, weight: usize, c: f64, half: f64) -> [f64; 2] {
        let cells = &self.setting.model.cells;
        // One-sided cells have F = q/2.
        [(2 * weight, half), (2 * weight + 1, -half)]
            .map(|(k, off)| 2.0 * cells.response_values(k, c + off)[0])
    }

    /// `R̄` of a weight and its slope in w.
    fn pull(&self, weight: usize, w: f64, abs_gradient: f64) -> Result<(f64, f64)> {
        // A ten-thousandth of the window of weights: the error of the difference is its square.
        let small = 1e-4 * self.setting.model.map.per_window();
        let [low, middle, high] =
            [w - small, w, w + small].map(|w| self.mean_pull(weight, w, abs_gradient));
        Ok((middle?, (high? - low?) / (2.0 * small)))
    }

    fn mean_pull(&self, weight: usize, w: f64, abs_gradient: f64) -> Result<f64> {
        let (model, refresh) = (&self.setting.model, self.refresh);
        let per_window = model.map.per_window();
        let half = 0.5 * w / per_window;
        let level = |k: usize| f64::from(model.cells.reset_levels()[k]).max(0.0);
        let first = 0.5 * (level(2 * weight) + level(2 * weight + 1)) + half.abs();
        let full = (refresh.upper - half.abs()).max(refresh.lower + half.abs());
        let end = |k: usize| model.cells.double(k).parameters[UPPER];
        // Where the first of both cells is at the end of its window.
        let last = (end(2 * weight) - half).min(end(2 * weight + 1) + half);
        if full >= last {
            return Err(failed(format!(
                "weight {weight} at {w:.3}: a cell is at the end of its window before its pair is refreshed"
            )));
        }
        if first >= full {
            return Err(failed(format!(
                "weight {weight} at {w:.3}: what a refresh writes is refreshed again"
            )));
        }
        let both = |c: f64| {
            let [plus, minus] = self.steps(weight, c, half);
            (0.5 * (plus + minus), 0.5 * (minus - plus))
        };
        // The rise, by the midpoint rule in c; times in units in which c moves at the speed F.
        let width = (full - first) / PARTS as f64;
        let (mut time, mut sum) = (0.0, 0.0);
        for k in 0..PARTS {
            let (f, g) = both(first + width * (k as f64 + 0.5));
            time += width / f;
            sum += width * g / f;
        }
        // The wait for the next look, by the midpoint rule in time.
        let look = self.firings * self.setting.rate * abs_gradient / (2.0 * per_window);
        let wait = if look > 0.0 {
            (time / look).ceil() * look - time
        } else {
            0.0
        };
        let (mut c, part) = (full, wait / PARTS as f64);
        for _ in 0..PARTS {
            let middle = c + 0.5 * part * both(c).0;
            let (f, g) = both(middle);
            c += part * f;
            sum += part * g;
            if middle >= last || c >= last {
                return Err(failed(format!(
                    "weight {weight} at {w:.3}: a cell is full before the next look at it, {} steps after the last",
                    refresh.every
                )));
            }
        }
        Ok(sum / (c - first))
    }

    fn describe(&self, w: &DVector<f64>, abs_gradient: DVector<f64>) -> Result<Prediction> {
        let (map, n) = (self.setting.model.map, w.len());
        let at = |j: usize, w: f64| self.pull(j, w, abs_gradient[j]);
        let pulls: Vec<f64> = (0..n)
            .map(|j| Ok(abs_gradient[j] * at(j, w[j])?.0))
            .collect::<Result<_>>()?;
        let slopes: Vec<f64> = (0..n)
            .map(|j| Ok(abs_gradient[j] * at(j, 0.0)?.1))
            .collect::<Result<_>>()?;
        Ok(Prediction {
            lost: 0.0,
            weights: w.clone(),
            read: w.clone(),
            covariance: DMatrix::zeros(n, n),
            lambda: Some(DVector::from_vec(slopes)),
            retention: DVector::zeros(n),
            pull: DVector::from_vec(pulls),
            cell_deviation: DVector::zeros(map.cells()),
            free: n,
            abs_gradient,
        })
    }
}
