//! Global minima over λ from 0 to infinity: nearest points of paths, cross-validation.

use argmin::core::{CostFunction, Executor, State, TerminationReason, TerminationStatus};
use argmin::solver::brent::BrentRoot;
use nalgebra::{DMatrix, DVector};

use super::{Nearest, Result, TikhonovError};

/// Nodes per decade of λ that separate one local minimum of a path from the next.
const NODES_PER_DECADE: f64 = 16.0;

/// A λ between 0 and infinity, in the coordinate that is regular there.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// λ itself, regular at 0.
    Near(f64),
    /// ln λ, between.
    Between(f64),
    /// 1/λ, regular at infinity.
    Far(f64),
}

impl Place {
    fn lambda(self) -> f64 {
        match self {
            Place::Near(lambda) => lambda,
            Place::Between(log) => log.exp(),
            Place::Far(inverse) => 1.0 / inverse,
        }
    }

    /// `φ = d/(d + λ)` and its derivative in the coordinate of this place. A mode without data stays at 0.
    fn fraction(self, d: f64) -> (f64, f64) {
        if d <= 0.0 {
            return (0.0, 0.0);
        }
        match self {
            Place::Near(lambda) => (d / (d + lambda), -d / (d + lambda).powi(2)),
            Place::Between(log) => {
                let lambda = log.exp();
                (
                    d / (d + lambda),
                    -(d / (d + lambda)) * (lambda / (d + lambda)),
                )
            }
            Place::Far(inverse) => (
                d * inverse / (d * inverse + 1.0),
                d / (d * inverse + 1.0).powi(2),
            ),
        }
    }

    /// `1/(d + λ)` for a mode with data, and its derivative; multiplied by λ where that is infinite.
    fn resolvent(self, d: f64) -> (f64, f64) {
        match self {
            Place::Near(lambda) => (1.0 / (d + lambda), -(d + lambda).powi(-2)),
            Place::Between(log) => {
                let lambda = log.exp();
                (1.0 / (d + lambda), -lambda * (d + lambda).powi(-2))
            }
            Place::Far(inverse) => (1.0 / (d * inverse + 1.0), -d * (d * inverse + 1.0).powi(-2)),
        }
    }
}

/// The squared length of a vector of modes.
pub(super) enum Metric {
    Diagonal(DVector<f64>),
    Full(DMatrix<f64>),
}

/// The squared distance `|φ(λ)∘Δ - u|²` of given weights (modes u) to a penalty path (modes Δ at λ = 0).
pub(super) struct Path {
    pub(super) eigenvalues: DVector<f64>,
    pub(super) deltas: DVector<f64>,
    pub(super) offset: DVector<f64>,
    pub(super) metric: Metric,
}

impl Path {
    pub(super) fn value_and_slope(&self, place: Place) -> (f64, f64) {
        let gap = |k: usize| {
            let (phi, slope) = place.fraction(self.eigenvalues[k]);
            (
                self.deltas[k] * phi - self.offset[k],
                self.deltas[k] * slope,
            )
        };
        match &self.metric {
            Metric::Diagonal(weights) => {
                weights
                    .iter()
                    .enumerate()
                    .fold((0.0, 0.0), |(value, slope), (k, m)| {
                        let (e, de) = gap(k);
                        (value + m * e * e, slope + 2.0 * m * e * de)
                    })
            }
            Metric::Full(m) => {
                let e = DVector::from_fn(self.offset.len(), |k, _| gap(k).0);
                let de = DVector::from_fn(self.offset.len(), |k, _| gap(k).1);
                let me = m * &e;
                (e.dot(&me), 2.0 * de.dot(&me))
            }
        }
    }

    pub(super) fn nearest(&self) -> Result<Nearest> {
        if self.deltas.iter().all(|&delta| delta == 0.0) {
            return Err(TikhonovError::NoPath);
        }
        let (lambda, squared) = minimise(&self.eigenvalues, |place| self.value_and_slope(place))?;
        Ok(Nearest {
            lambda,
            distance: squared.max(0.0).sqrt(),
        })
    }
}

/// The generalised cross-validation score of one centre.
pub(super) struct Score<'a> {
    pub(super) eigenvalues: &'a DVector<f64>,
    pub(super) deltas: DVector<f64>,
    /// `E[(x·w_LS - y)²]`.
    pub(super) residual: f64,
    pub(super) samples: f64,
    /// n - rank.
    pub(super) spare: f64,
}

impl Score<'_> {
    pub(super) fn value_and_slope(&self, place: Place) -> (f64, f64) {
        // When nothing is spare, residuals and n - dof share a factor λ, which is cancelled (`resolvent`).
        let interpolates = self.spare <= 0.0;
        let mut rss = (if interpolates { 0.0 } else { self.residual }, 0.0);
        let mut room = (self.spare, 0.0);
        for (&d, delta) in self
            .eigenvalues
            .iter()
            .zip(&self.deltas)
            .filter(|(d, _)| **d > 0.0)
        {
            let (rest, slope) = if interpolates {
                place.resolvent(d)
            } else {
                // 1 - φ without cancellation
                let rest = match place {
                    Place::Near(_) | Place::Between(_) => place.lambda() / (d + place.lambda()),
                    Place::Far(inverse) => 1.0 / (d * inverse + 1.0),
                };
                (rest, -place.fraction(d).1)
            };
            let weight = d * delta * delta;
            rss = (
                rss.0 + weight * rest * rest,
                rss.1 + 2.0 * weight * rest * slope,
            );
            room = (room.0 + rest, room.1 + slope);
        }
        let room = (room.0 / self.samples, room.1 / self.samples);
        let value = rss.0 / (room.0 * room.0);
        (
            value,
            rss.1 / (room.0 * room.0) - 2.0 * value * room.1 / room.0,
        )
    }
}

/// The global minimum over λ in [0, ∞] of a function of the mode fractions, and where it is.
///
/// `f` gives the value and its derivative in the coordinate of the place.
pub(super) fn minimise(
    eigenvalues: &DVector<f64>,
    f: impl Fn(Place) -> (f64, f64),
) -> Result<(f64, f64)> {
    let present = || eigenvalues.iter().copied().filter(|&d| d > 0.0);
    let smallest = present().fold(f64::INFINITY, f64::min);
    let largest = present().fold(0.0, f64::max);
    if !smallest.is_finite() {
        return Err(TikhonovError::NoPath);
    }
    let mean = eigenvalues.mean();
    let (low, high) = (
        (1e-6 * mean).min(1e-3 * smallest).ln(),
        (1e3 * mean).max(1e3 * largest).ln(),
    );
    let steps = ((high - low) / std::f64::consts::LN_10 * NODES_PER_DECADE).ceil();
    let node = |i: usize| low + (high - low) * i as f64 / steps;

    let mut best = (0.0, f(Place::Near(0.0)).0);
    let mut consider = |place: Place| {
        let value = f(place).0;
        if value < best.1 {
            best = (place.lambda(), value);
        }
    };
    consider(Place::Far(0.0));
    // from falling at one end to rising at the other: a minimum lies between
    let slope = |place: Place| f(place).1;
    let turns = |from: f64, to: f64| from < 0.0 && to > 0.0;
    let near = low.exp();
    if turns(slope(Place::Near(0.0)), slope(Place::Near(near))) {
        consider(Place::Near(
            near * root(0.0, 1.0, |t| slope(Place::Near(near * t)))?,
        ));
    }
    let mut left = slope(Place::Between(low));
    for i in 1..=steps as usize {
        let right = slope(Place::Between(node(i)));
        if right == 0.0 {
            consider(Place::Between(node(i)));
        } else if turns(left, right) {
            consider(Place::Between(root(node(i - 1), node(i), |log| {
                slope(Place::Between(log))
            })?));
        }
        left = right;
    }
    let far = (-high).exp();
    if turns(slope(Place::Far(0.0)), slope(Place::Far(far))) {
        consider(Place::Far(
            far * root(0.0, 1.0, |t| slope(Place::Far(far * t)))?,
        ));
    }
    if best.1.is_finite() {
        Ok(best)
    } else {
        Err(TikhonovError::NotConverged {
            what: "the minimum over λ",
        })
    }
}

/// A function of one number, as the root finder wants it.
struct Slope<F>(F);

impl<F: Fn(f64) -> f64> CostFunction for Slope<F> {
    type Param = f64;
    type Output = f64;

    fn cost(&self, x: &f64) -> std::result::Result<f64, argmin::core::Error> {
        Ok((self.0)(*x))
    }
}

/// A root between two points of opposite sign, to 10⁻¹² of a unit.
fn root(from: f64, to: f64, f: impl Fn(f64) -> f64) -> Result<f64> {
    let failure = TikhonovError::NotConverged {
        what: "the root of the derivative in λ",
    };
    let result = Executor::new(Slope(f), BrentRoot::new(from, to, 1e-12))
        .configure(|state| state.max_iters(200))
        .run()
        .map_err(|_| failure)?;
    let state = result.state();
    match (state.get_termination_status(), state.get_param()) {
        (TerminationStatus::Terminated(TerminationReason::SolverConverged), Some(&x))
            if x.is_finite() =>
        {
            Ok(x)
        }
        _ => Err(failure),
    }
}
