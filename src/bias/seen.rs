//! Behind wires: weights as they are held and as they are read, and cells as pulses reach them.
//!
//! # Equation
//! `ŵ(s) ≈ ŵ(μ) + A (s - μ)`, `A = ∂ŵ/∂s`; residuals are `x·ŵ - y`
//!
//! # Symbols
//! | symbol | meaning |
//! | --- | --- |
//! | s | contributions of the cells to the weights that they hold, `w = Σ sign · s` |
//! | ŵ | weights as a read sees them: those of the effective conductances ([`EffectiveArray`]), which all cells have a part in |
//! | μ | the state about which a step is described |
//!
//! # Behaviour
//! Gradients descend what is read; the device pulls, and everything reports, what is held. With ideal wires both are one, and A is the signs.
//! The expansion is made anew at every state that is asked about, so that fixed points and trajectories have the exact ŵ. What its curvature
//! makes of fluctuations is left out: about what the wires take × the square of the cells' deviation in windows. So are how the voltage of
//! pulses follows the other cells (of laws whose steps all shrink alike it changes no fixed point), and cells that are half-selected.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};

use super::closure::{Closure, Setting};
use crate::crossbar::{EffectiveArray, WeightMap};
use crate::error::{Error, Result};

/// What reads see of the cells, to first order about a state.
pub(super) struct Seen {
    /// None where wires are ideal.
    array: Option<EffectiveArray>,
    /// `∂(x·ŵ)/∂s` of every sample and cell.
    pub features: DMatrix<f64>,
    /// Residuals are `features · s - targets`.
    pub targets: DVector<f64>,
    /// ŵ at the state itself.
    pub weights: DVector<f64>,
    /// A; none where it is the signs.
    slopes: Option<DMatrix<f64>>,
}

impl Seen {
    /// With ideal wires as they are; otherwise [`Closure::look`] has to follow.
    pub fn new(setting: &Setting) -> Self {
        let model = &setting.model;
        let wires = setting.wires.as_ref();
        let mut seen = Self {
            array: wires.and_then(|wires| EffectiveArray::new(wires, &setting.layout, model)),
            features: DMatrix::zeros(0, 0),
            targets: setting.y.clone(),
            weights: DVector::zeros(model.map.weights()),
            slopes: None,
        };
        seen.features = seen.of_cells(&setting.x, model.map);
        seen
    }

    /// `rows · A`: functions of the weights as they are read, given as rows, as functions of the cells.
    pub fn of_cells(&self, rows: &DMatrix<f64>, map: WeightMap) -> DMatrix<f64> {
        match &self.slopes {
            Some(slopes) => rows * slopes,
            None => DMatrix::from_fn(rows.nrows(), map.cells(), |i, k| {
                rows[(i, map.weight_of(k))] * map.sign(k)
            }),
        }
    }
}

/// Solvers say what is wrong with a circuit; here it is a state that a search came by.
fn unread(error: impl std::fmt::Display) -> Error {
    Error::NotConverged {
        what: "reads through the wires".into(),
        detail: error.to_string(),
    }
}

/// Weights that cells with these values hold.
pub(super) fn held(map: WeightMap, values: &DVector<f64>) -> DVector<f64> {
    let mut w = DVector::zeros(map.weights());
    for k in 0..map.cells() {
        w[map.weight_of(k)] += map.sign(k) * values[k];
    }
    w
}

impl Closure<'_> {
    /// Weights that the cells hold.
    pub fn weights(&self, values: &DVector<f64>) -> DVector<f64> {
        held(self.model.map, values)
    }

    /// Covariance of the weights that the cells hold.
    pub fn weight_covariance(&self, c: &DMatrix<f64>) -> DMatrix<f64> {
        let map = self.model.map;
        let mut out = DMatrix::zeros(map.weights(), map.weights());
        for k in 0..map.cells() {
            for l in 0..map.cells() {
                out[(map.weight_of(k), map.weight_of(l))] += map.sign(k) * map.sign(l) * c[(k, l)];
            }
        }
        out
    }

    /// Enters the state in which cells have the values `mu`: they answer as pulses reach them there. Gives the weights as they are read.
    ///
    /// # Errors
    /// [`Error::NotConverged`] for values that no circuit has.
    pub fn enter(&mut self, mu: &DVector<f64>) -> Result<DVector<f64>> {
        let Some(array) = &mut self.seen.array else {
            return Ok(self.weights(mu));
        };
        let seen = array.seen(mu.as_slice()).map_err(unread)?;
        let cells = &self.setting.model.cells;
        if let Some(reached) = array.reached(cells, mu.as_slice()).map_err(unread)? {
            self.model.cells = Arc::new(reached);
        }
        Ok(self.weights(&DVector::from_vec(seen)))
    }

    /// Enters a state and expands what is read about it.
    ///
    /// # Errors
    /// As [`Closure::enter`].
    pub fn look(&mut self, mu: &DVector<f64>) -> Result<()> {
        self.seen.weights = self.enter(mu)?;
        let Some(array) = &mut self.seen.array else {
            return Ok(());
        };
        let (map, setting) = (self.model.map, self.setting);
        let sensitivity = array.sensitivity(mu.as_slice()).map_err(unread)?;
        let per = map.cells_per_weight();
        let slope = |j: usize, k: usize| {
            let own = j * per..(j + 1) * per;
            own.map(|cell| map.sign(cell) * sensitivity.of(cell, k))
                .sum()
        };
        self.seen.slopes = Some(DMatrix::from_fn(map.weights(), map.cells(), slope));
        self.seen.features = self.seen.of_cells(&setting.x, map);
        self.seen.targets = &setting.y + &self.seen.features * mu - &setting.x * &self.seen.weights;
        Ok(())
    }

    /// Covariance of the weights as they are read from that of the cells.
    pub fn read_covariance(&self, c: &DMatrix<f64>) -> DMatrix<f64> {
        match &self.seen.slopes {
            Some(slopes) => slopes * c * slopes.transpose(),
            None => self.weight_covariance(c),
        }
    }

    /// Variance of a read of every cell at mean values `mu`, in squares of a weight; none where reads of cells are exact.
    pub(super) fn cell_variances(&self, mu: &DVector<f64>) -> Option<DVector<f64>> {
        let model = &self.model;
        let noise = model.cells.cell_noise().filter(|n| n.is_drawn())?;
        let growth = noise.growth(self.setting.age);
        let square = model.map.per_window().powi(2);
        let of = |&value: &f64| {
            let x = model.map.position(value);
            square * noise.variance(model.cells.window(), x, growth)
        };
        Some(DVector::from_iterator(mu.len(), mu.iter().map(of)))
    }

    /// Variance that read noise adds to the residual of sample `i`, new at every read; `cells` are [`Closure::cell_variances`], which pass as
    /// through ideal wires.
    pub(super) fn read_variance(&self, i: usize, cells: Option<&DVector<f64>>) -> f64 {
        let map = self.model.map;
        let of = |(k, v): (usize, &f64)| {
            let x = self.setting.x[(i, map.weight_of(k))];
            x * x * v
        };
        let own = cells.map_or(0.0, |v| v.iter().enumerate().map(of).sum());
        self.setting.read_noise.powi(2) + own
    }
}
