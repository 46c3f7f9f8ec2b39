//! The implicit L2 of networks: what their training does on average, without a pulse.
//!
//! # Equation
//! Every cell moves by the mean of its own update, averaged exactly over the data: `dw/dt = E[U(w, -η g)]/η = -ḡ F(w) - E|g| G(w)`, with
//! `ḡ = E[x_r ∂L/∂z_c]` and `E|g| = E|x_r ∂L/∂z_c|` of the layer at all weights of that time.
//!
//! # Symbols
//! | symbol | meaning |
//! | --- | --- |
//! | t | training time, the sum of learning rates |
//! | g | gradient of what fires at once: a sample's, or the mean over a batch that is summed digitally |
//! | F, G | response of a cell: [`ArrayModel::cell_response_values`], the law that is simulated |
//!
//! # Behaviour
//! With `G = 0`, `F = 1` this is the gradient flow, the bias-free twin: [`Held::Digital`]. A penalty `½ Σ λ_j (w_j - c_j)²` on top is the
//! digital twin of a device. Where pulses fire sample by sample, E|g| and with it λ do not depend on the batch; of B samples that are
//! summed, the part of E|g| that sampling makes falls as 1/√B.
//!
//! Left out: fluctuations of the weights (they raise E|g|, and cost accuracy: [`fluctuations`](NetworkSetting::fluctuations)), wires,
//! converters and noise of reads, and refreshes of one-sided pairs.
//!
//! # Reference
//! The flow: Wu, Gokmen, Rasch, Chen, NeurIPS 2024, <https://arxiv.org/abs/2406.12774>.

mod drift;
mod fluctuations;
mod requests;
mod strength;
mod trajectory;

use nalgebra::{DMatrix, DVector};

use super::closure::Gradient;
use crate::crossbar::ArrayModel;
use crate::device::Counting;
use crate::training::network::{Examples, Network};

pub use fluctuations::{Spread, sampled_scores};
pub use strength::{Pull, Strength, match_gradients, matched_intervals};
pub use trajectory::{Path, Point, Timeline, exact_score};

/// What holds the weights of a layer.
#[derive(Clone)]
pub enum Held {
    /// An array of cells, inputs (and the bias line) × outputs.
    Cells(ArrayModel),
    /// Numbers that follow the gradient flow exactly, with a penalty where there is one.
    Digital(Option<Penalty>),
}

/// An explicit penalty `½ Σ λ_j (w_j - c_j)²`; matrices as the weights of the layer (rows × outputs).
#[derive(Debug, Clone, PartialEq)]
pub struct Penalty {
    /// λ of every weight.
    pub strength: DMatrix<f64>,
    /// c of every weight.
    pub centre: DMatrix<f64>,
}

/// A network, its data, and how it is trained.
#[derive(Clone)]
pub struct NetworkSetting<'a> {
    /// The network.
    pub network: &'a Network,
    /// What holds each of its layers.
    pub layers: Vec<Held>,
    /// The training set.
    pub examples: &'a Examples,
    /// What gradient fires.
    pub gradient: Gradient,
    /// Learning rate of one firing: that of a step over the samples of a batch that fire one by one. Counts that lose requests and
    /// retention depend on it; where it falls with time, the first.
    pub rate: f64,
    /// How requests become pulses.
    pub counting: Counting,
    /// Seconds of relaxation after one firing.
    pub seconds: f64,
    /// Firings in which every sample is seen once, in an order drawn anew; none where each is drawn with replacement.
    pub epoch: Option<u32>,
}

impl NetworkSetting<'_> {
    /// The same network held by numbers, with these penalties (none: the bias-free twin).
    #[must_use]
    pub fn digital(&self, penalties: Option<Vec<Penalty>>) -> Self {
        let layers = match penalties {
            Some(all) => all.into_iter().map(|p| Held::Digital(Some(p))).collect(),
            None => vec![Held::Digital(None); self.layers.len()],
        };
        Self {
            layers,
            ..self.clone()
        }
    }
}

/// Row-major numbers of a layer as a matrix.
fn matrix(rows: usize, columns: usize, of: impl Fn(usize) -> f64) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |r, c| of(r * columns + c))
}

/// A matrix as row-major numbers, as arrays have them.
pub fn row_major(m: &DMatrix<f64>) -> Vec<f64> {
    m.transpose().as_slice().to_vec()
}

/// Weights of every layer, row-major as arrays have them, as matrices rows × outputs.
///
/// # Panics
/// For too few weights.
pub fn as_matrices(network: &Network, weights: &[Vec<f64>]) -> Vec<DMatrix<f64>> {
    let layers = network.layers.iter().zip(weights);
    layers
        .map(|(l, w)| matrix(l.rows(), l.outputs, |j| w[j]))
        .collect()
}

/// All numbers of all layers, for norms.
fn joined(layers: &[DMatrix<f64>]) -> DVector<f64> {
    let all = layers.iter().flat_map(|m| m.iter().copied());
    DVector::from_vec(all.collect())
}

/// `‖a - b‖` over the weights of all layers: the bias, where b is the bias-free twin's.
pub fn distance(a: &[DMatrix<f64>], b: &[DMatrix<f64>]) -> f64 {
    (joined(a) - joined(b)).norm()
}

#[cfg(test)]
mod tests;
