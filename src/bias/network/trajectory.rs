//! The trajectory P-t of a network.

use nalgebra::DMatrix;

use super::super::ode::{Step, Steps, follow};
use super::NetworkSetting;
use super::drift::Drift;
use crate::device::Counting;
use crate::error::{Error, Result};
use crate::training::network::{Examples, Network, Targets};

/// What is asked of a trajectory; times are training times `Σ η`.
#[derive(Debug, Clone)]
pub struct Timeline<'a> {
    /// Where it ends.
    pub duration: f64,
    /// The window that weights are averaged over.
    pub window: [f64; 2],
    /// Times to note the weights at, ascending.
    pub times: &'a [f64],
    /// Error of the weights that is let pass in a step.
    pub tolerance: f64,
}

impl Timeline<'_> {
    /// Far below what a simulation can tell: runs end within some ten times this.
    pub const TOLERANCE: f64 = 1e-5;
}

/// The weights at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Training time.
    pub time: f64,
    /// Weights of every layer, rows × outputs.
    pub weights: Vec<DMatrix<f64>>,
}

/// A trajectory.
#[derive(Debug, Clone)]
pub struct Path {
    /// Mean over the window, every layer rows × outputs.
    pub mean: Vec<DMatrix<f64>>,
    /// At the end.
    pub end: Vec<DMatrix<f64>>,
    /// At the times that were asked for.
    pub curve: Vec<Point>,
    /// Passes over the data that it took.
    pub passes: usize,
}

impl Path {
    /// Loss and, for classes, accuracy along the curve on any set of examples.
    pub fn scores(&self, network: &Network, examples: &Examples) -> Vec<(f64, f64, Option<f64>)> {
        let score = |point: &Point| {
            let (loss, accuracy) = exact_score(network, &point.weights, examples);
            (point.time, loss, accuracy)
        };
        self.curve.iter().map(score).collect()
    }
}

/// Mean loss and, for classes, accuracy of these weights.
pub fn exact_score(
    network: &Network,
    weights: &[DMatrix<f64>],
    examples: &Examples,
) -> (f64, Option<f64>) {
    let passes = network.passes(weights, examples);
    let accuracy = match &examples.targets {
        Targets::Classes { of, .. } => Some(passes.accuracy(of)),
        Targets::Values(_) => None,
    };
    (passes.loss(), accuracy)
}

/// Nodes and weights of Gauss and Legendre on (0, 1).
const GAUSS: [(f64, f64); 3] = [
    (0.112_701_665_379_258_31, 5.0 / 18.0),
    (0.5, 8.0 / 18.0),
    (0.887_298_334_620_741_7, 5.0 / 18.0),
];

/// The time between two at which the step is `step`, halved out: what averages are taken of is smooth in steps, however rates jump.
fn when(step_at: impl Fn(f64) -> f64, step: f64, [mut a, mut b]: [f64; 2]) -> f64 {
    for _ in 0..50 {
        let middle = 0.5 * (a + b);
        match step_at(middle) < step {
            true => a = middle,
            false => b = middle,
        }
    }
    0.5 * (a + b)
}

impl NetworkSetting<'_> {
    /// The trajectory from `start` (rows × outputs of every layer); averages are over steps, `step_at` being the step at a training time.
    ///
    /// # Errors
    /// [`Error::NotConverged`] if weights leave all bounds, modes are so unlike that the steps do not reach the end, or a layer is held by
    /// one-sided pairs.
    ///
    /// # Panics
    /// If weights, arrays or examples have other sizes than the network.
    pub fn trajectory(
        &self,
        start: &[DMatrix<f64>],
        timeline: &Timeline,
        step_at: impl Fn(f64) -> f64,
    ) -> Result<Path> {
        let drift = Drift::new(self)?;
        let mut passes = 0;
        let states = drift.states(start);
        let mut sum = states.clone() * 0.0;
        let mut width = 0.0;
        let mut curve = Vec::new();
        let mut note = |step: &Step| {
            let last = step.time + step.h >= timeline.duration * (1.0 - 1e-12);
            while let Some(&time) = timeline.times.get(curve.len()) {
                if time > step.time + step.h && !last {
                    break;
                }
                let s = ((time - step.time) / step.h).clamp(0.0, 1.0);
                let weights = drift.weights(&step.at(s));
                curve.push(Point { time, weights });
            }
            let (a, b) = (
                timeline.window[0].max(step.time),
                timeline.window[1].min(step.time + step.h),
            );
            if a < b {
                let [first, last] = [a, b].map(&step_at);
                for (s, weight) in GAUSS {
                    let time = when(&step_at, first + s * (last - first), [a, b]);
                    let p = weight * (last - first);
                    sum.axpy(p, &step.at((time - step.time) / step.h), 1.0);
                    width += p;
                }
            }
        };
        let steps = Steps {
            tolerance: timeline.tolerance,
            relative: timeline.tolerance,
            first: 1e-3 * timeline.duration,
            longest: timeline.duration,
            // Counts to nearest jump: there, errors below this step are let pass.
            least: match self.counting {
                Counting::Deterministic => 1e-5 * timeline.duration,
                _ => 0.0,
            },
            most: 50_000,
        };
        let slope = |y: &_| {
            passes += 1;
            drift.slope(y)
        };
        let end = follow(slope, states, timeline.duration, steps, &mut note);
        let end = end.ok_or_else(|| Error::NotConverged {
            what: "P-t of a network".into(),
            detail:
                "its fastest and slowest modes are too far apart, or it grows beyond all bounds"
                    .into(),
        })?;
        let mean = match width > 0.0 {
            true => sum / width,
            false => end.clone(),
        };
        Ok(Path {
            mean: drift.weights(&mean),
            end: drift.weights(&end),
            curve,
            passes,
        })
    }
}
