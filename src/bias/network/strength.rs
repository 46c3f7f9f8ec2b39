//! λ of a network, layer by layer: predicted from the device, and matched to the gradient.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::super::closure::retention_strength;
use super::super::interval::{Interval, IntervalError, jackknife};
use super::super::tikhonov::{TikhonovError, gradient_matching};
use super::requests::Blocks;
use super::{Held, NetworkSetting, Penalty, matrix};
use crate::crossbar::ArrayModel;
use crate::error::Result;
use crate::training::network::{Examples, Network};

/// Where and how strongly the cells of an array pull its weights; matrices inputs × outputs.
#[derive(Debug, Clone)]
pub struct Pull {
    /// `w⋄`; where cells have no symmetric point, the weight at rest.
    pub centre: DMatrix<f64>,
    /// `R'(w⋄)`; none where a cell has no symmetric point.
    pub slope: Option<DMatrix<f64>>,
}

/// The implicit L2 of one layer at given weights; matrices rows × outputs.
#[derive(Debug, Clone)]
pub struct Strength {
    /// `λ_j = E|g_j| R'(w⋄_j)`, and retention's own; none where a cell has no symmetric point.
    pub lambda: Option<DMatrix<f64>>,
    /// Its mean over the weights that can move.
    pub mean: Option<f64>,
    /// `Σ E|g| R(w) (w - w⋄) / Σ (w - w⋄)²`, the ratio of the pull itself, pooled over the layer.
    pub pooled: f64,
    /// `E|g_j|` of what fires.
    pub abs_gradient: DMatrix<f64>,
    /// Where the pull points.
    pub centre: DMatrix<f64>,
}

impl Strength {
    /// The explicit penalty that pulls alike; none where λ is not known.
    pub fn penalty(&self) -> Option<Penalty> {
        Some(Penalty {
            strength: self.lambda.clone()?,
            centre: self.centre.clone(),
        })
    }
}

impl Pull {
    /// That of an array.
    pub fn of(model: &ArrayModel) -> Self {
        let map = model.map;
        let own = |j: usize| {
            let centre = model
                .symmetric_weight(j)
                .unwrap_or_else(|| model.resting_weight(j));
            (centre, model.weight_slope(j))
        };
        // Equal cells are asked once.
        let alike = model.cells.are_equal() && model.cells.stuck().is_empty();
        let all: Vec<_> = match alike {
            true => vec![own(0); map.weights()],
            false => (0..map.weights()).into_par_iter().map(own).collect(),
        };
        let slopes: Option<Vec<f64>> = all.iter().map(|(_, slope)| *slope).collect();
        Self {
            centre: matrix(map.inputs(), map.outputs(), |j| all[j].0),
            slope: slopes.map(|s| matrix(map.inputs(), map.outputs(), |j| s[j])),
        }
    }
}

impl NetworkSetting<'_> {
    /// The implicit L2 of every layer at these weights, pairs split evenly about their symmetric points; none for layers held digitally.
    ///
    /// # Errors
    /// For arrays of one-sided pairs.
    ///
    /// # Panics
    /// If weights or arrays have other sizes than the network.
    pub fn strengths(&self, weights: &[DMatrix<f64>]) -> Result<Vec<Option<Strength>>> {
        super::drift::assert_predictable(self)?;
        let asked = Blocks::new(self.examples).asked(self, weights);
        let layers = self.layers.iter().zip(weights).zip(asked);
        let of = |((held, w), asked): ((&Held, &DMatrix<f64>), super::requests::Asked)| match held {
            Held::Digital(_) => None,
            Held::Cells(model) => Some(self.strength(model, w, asked.size)),
        };
        Ok(layers.map(of).collect())
    }

    fn strength(&self, model: &ArrayModel, w: &DMatrix<f64>, size: DMatrix<f64>) -> Strength {
        let map = model.map;
        let pull = Pull::of(model);
        let retention = |j: usize| retention_strength(model, self.seconds, self.rate, j);
        let at = |j: usize| (j / map.outputs(), j % map.outputs());
        let pulls: Vec<[f64; 3]> = (0..map.weights())
            .into_par_iter()
            .map(|j| {
                let w = w[at(j)];
                let (f, g) = model.weight_response_values(j, |k| model.balanced_value(k, w));
                // Stuck weights are not pulled.
                let rectified = if f == 0.0 { 0.0 } else { size[at(j)] * g / f };
                let relaxed = retention(j);
                let rest = if relaxed == 0.0 {
                    0.0
                } else {
                    model.resting_weight(j)
                };
                let free = f64::from(u8::from(model.free_cells(j) > 0));
                [rectified + relaxed * (w - rest), relaxed, free]
            })
            .collect();
        let lambda = pull.slope.map(|slope| {
            let mut lambda = slope.component_mul(&size);
            for (j, [_, relaxed, _]) in pulls.iter().enumerate() {
                lambda[at(j)] += relaxed;
            }
            lambda
        });
        let free: f64 = pulls.iter().map(|p| p[2]).sum();
        let mean = lambda.as_ref().filter(|_| free > 0.0);
        let offset = w - &pull.centre;
        let along: f64 = (0..map.weights())
            .map(|j| pulls[j][0] * offset[at(j)])
            .sum();
        Strength {
            mean: mean.map(|l| l.sum() / free),
            lambda,
            pooled: along / offset.norm_squared(),
            abs_gradient: size,
            centre: pull.centre,
        }
    }
}

/// Estimator E2 of every layer, `-∇L(w) ≈ λ_l (w - w⋄)` with the full gradient at these (mean) weights; all layers rows × outputs.
///
/// # Errors
/// For each layer, weights on the centre.
///
/// # Panics
/// If weights, centres or examples have other sizes than the network.
pub fn match_gradients(
    network: &Network,
    examples: &Examples,
    weights: &[DMatrix<f64>],
    centres: &[DMatrix<f64>],
) -> Vec<std::result::Result<f64, TikhonovError>> {
    let gradients = Blocks::new(examples).gradient(network, weights);
    let vector = |m: &DMatrix<f64>| DVector::from_column_slice(m.as_slice());
    let layers = gradients.iter().zip(weights).zip(centres);
    layers
        .map(|((g, w), c)| gradient_matching(&vector(g), &vector(w), &vector(c)))
        .collect()
}

/// E2 of every layer at the mean over replicas, each replica given by its own (mean) weights, with the jackknife's interval of this level.
///
/// # Errors
/// For each layer, fewer than two replicas, or weights on the centre.
///
/// # Panics
/// As [`match_gradients`].
pub fn matched_intervals(
    network: &Network,
    examples: &Examples,
    replicas: &[Vec<DMatrix<f64>>],
    centres: &[DMatrix<f64>],
    level: f64,
) -> Vec<std::result::Result<Interval, IntervalError>> {
    let layers = network.layers.len();
    let sum = |layer: usize| {
        let mut all = replicas.iter().map(|r| &r[layer]);
        let first = all.next().cloned();
        first.map(|first| all.fold(first, |sum, w| sum + w))
    };
    let sums: Option<Vec<_>> = (0..layers).map(sum).collect();
    let n = replicas.len();
    let matched = |without: Option<usize>| {
        let sums = sums.as_ref().expect("there are replicas");
        let mean = |layer: usize| match without {
            Some(i) => (&sums[layer] - &replicas[i][layer]) / (n as f64 - 1.0),
            None => &sums[layer] / n as f64,
        };
        let weights: Vec<_> = (0..layers).map(mean).collect();
        let found = match_gradients(network, examples, &weights, centres).into_iter();
        found.map(|l| l.unwrap_or(f64::NAN)).collect::<Vec<f64>>()
    };
    let (mut all, mut parts) = (Vec::new(), Vec::new());
    if n >= 2 {
        all = matched(None);
        parts = (0..n).map(|i| matched(Some(i))).collect();
    }
    let interval = |layer: usize| {
        jackknife(n, level, |without| match without {
            Some(i) => parts[i][layer],
            None => all[layer],
        })
    };
    (0..layers).map(interval).collect()
}
