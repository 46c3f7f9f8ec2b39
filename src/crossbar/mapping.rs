//! Weights as conductances: which cells make a weight, and what a change of weight asks of them.

use crate::device::{Cells, Response};

/// How a signed weight is held by conductances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// One cell a weight, read against a column of fixed reference conductances.
    ReferenceColumn,
    /// One cell a weight, read against real cells: every tile has one more column, whose cells are programmed to the position of zero and read
    /// through a converter of its own. What it reads is subtracted digitally from all outputs, which have its errors in common. For arrays
    /// that are read: updates know nothing of it.
    OffsetColumn,
    /// Two neighbouring cells a weight; their difference is the weight, and each gets half of every update.
    DifferentialPair,
    /// Two neighbouring one-sided cells a weight; their difference is the weight, and the one that has to rise gets the whole update.
    /// Weight 0 is two cells at the level of a reset.
    OneSidedPair,
}

impl Mapping {
    /// Cells that make one weight.
    pub fn cells_per_weight(self) -> usize {
        match self {
            Self::ReferenceColumn | Self::OffsetColumn => 1,
            Self::DifferentialPair | Self::OneSidedPair => 2,
        }
    }

    /// Columns of a tile beside those of its weights.
    pub fn further_columns(self) -> usize {
        usize::from(self == Self::OffsetColumn)
    }
}

/// The map between dimensionless weights and positions in the conductance window.
///
/// `w = (g - g_ref)/g_unit` for a reference or offset column, `w = (g₊ - g₋)/g_unit` for pairs, with `g_unit` the
/// conductance of weight 1. The array has one row an input; a pair takes two neighbouring columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightMap {
    mapping: Mapping,
    /// Position that counts as zero.
    reference: f64,
    /// Weight that the whole window spans.
    per_window: f64,
    inputs: usize,
    outputs: usize,
}

impl WeightMap {
    /// `reference` as a position in the window, `per_window` = window span over the conductance of weight 1.
    pub fn new(
        mapping: Mapping,
        reference: f64,
        per_window: f64,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        Self {
            mapping,
            reference,
            per_window,
            inputs,
            outputs,
        }
    }

    /// The map of so many of the weights.
    pub fn part(&self, inputs: usize, outputs: usize) -> Self {
        Self {
            inputs,
            outputs,
            ..*self
        }
    }

    /// The mapping.
    pub fn mapping(&self) -> Mapping {
        self.mapping
    }

    /// Inputs (rows).
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs; the array has this many columns, or twice as many for pairs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.inputs * self.outputs
    }

    /// Cells that make one weight.
    pub fn cells_per_weight(&self) -> usize {
        self.mapping.cells_per_weight()
    }

    /// Columns of the array, without [`Mapping::further_columns`].
    pub fn columns(&self) -> usize {
        self.outputs * self.cells_per_weight()
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.weights() * self.cells_per_weight()
    }

    /// The weight that a cell belongs to; both are numbered row-major.
    pub fn weight_of(&self, cell: usize) -> usize {
        cell / self.cells_per_weight()
    }

    /// Sign with which a cell enters its weight.
    pub fn sign(&self, cell: usize) -> f64 {
        if cell.is_multiple_of(self.cells_per_weight()) {
            1.0
        } else {
            -1.0
        }
    }

    /// Signed share of a weight's change that the cell is asked for. Of a one-sided pair each cell is asked for the whole, and takes it
    /// where it is positive.
    pub fn share(&self, cell: usize) -> f64 {
        match self.mapping {
            Mapping::OneSidedPair => self.sign(cell),
            _ => self.sign(cell) / self.cells_per_weight() as f64,
        }
    }

    /// Position that counts as zero.
    pub fn reference(&self) -> f64 {
        self.reference
    }

    /// A cell's contribution to its weight, in weight units and before the sign.
    pub fn value(&self, position: f64) -> f64 {
        (position - self.reference) * self.per_window
    }

    /// The position with this contribution.
    pub fn position(&self, value: f64) -> f64 {
        self.reference + value / self.per_window
    }

    /// Weight that the whole window spans.
    pub fn per_window(&self) -> f64 {
        self.per_window
    }

    /// Contributions of all cells for given weights: differential pairs share the weight evenly, of one-sided pairs one cell is empty.
    pub fn values(&self, weights: &[f64]) -> Vec<f64> {
        let value = |k: usize| {
            let value = self.share(k) * weights[self.weight_of(k)];
            match self.mapping {
                Mapping::OneSidedPair => value.max(0.0),
                _ => value,
            }
        };
        (0..self.cells()).map(value).collect()
    }

    /// Least and largest weight that the window can hold.
    pub fn range(&self) -> [f64; 2] {
        let [low, high] = [self.value(0.0), self.value(1.0)];
        match self.mapping {
            Mapping::ReferenceColumn | Mapping::OffsetColumn => [low, high],
            // Each cell moves by half of the weight, one up and one down.
            Mapping::DifferentialPair => {
                let most = 2.0 * high.min(-low);
                [-most, most]
            }
            Mapping::OneSidedPair => [-high, high],
        }
    }

    /// Positions of all cells for given weights.
    pub fn positions(&self, weights: &[f64]) -> Vec<f64> {
        let values = self.values(weights).into_iter();
        values.map(|v| self.position(v)).collect()
    }
}

/// An array as theory sees it: cells, their map to weights, everything in weight units.
#[derive(Clone)]
pub struct ArrayModel {
    /// The cells.
    pub cells: std::sync::Arc<Cells>,
    /// The map.
    pub map: WeightMap,
}

impl ArrayModel {
    /// The part of it that one tile holds.
    pub fn part(&self, cut: &super::Cut) -> Self {
        let map = cut.tile(&self.map);
        let places: Vec<usize> = (0..map.cells()).map(|k| cut.drawn(&self.map, k)).collect();
        Self {
            cells: std::sync::Arc::new(self.cells.pick(&places)),
            map,
        }
    }

    /// The nominal step as a change of weight, δ.
    pub fn step(&self) -> f64 {
        self.cells.nominal_step() * self.map.per_window()
    }

    /// `F`, `G` of a cell whose contribution to its weight is `value`; derivatives per unit of weight.
    pub fn response(&self, cell: usize, value: f64) -> Response {
        self.cells
            .response(cell, self.map.position(value))
            .rescaled(self.map.per_window())
    }

    /// `[F, G]` of a cell whose contribution to its weight is `value`.
    pub fn cell_response_values(&self, cell: usize, value: f64) -> [f64; 2] {
        self.cells.response_values(cell, self.map.position(value))
    }

    /// Contribution of a cell at its symmetric point, where it has one.
    pub fn symmetric_value(&self, cell: usize) -> Option<f64> {
        Some(self.map.value(self.cells.symmetric_point(cell)?))
    }

    /// Weight at which both cells of a pair (or the one cell) are at their symmetric points; `None` where a cell has none.
    pub fn symmetric_weight(&self, weight: usize) -> Option<f64> {
        let n = self.map.cells_per_weight();
        (weight * n..(weight + 1) * n)
            .map(|k| Some(self.map.sign(k) * self.symmetric_value(k)?))
            .sum()
    }

    /// Value of a cell of this weight: the cells of a weight that are not stuck share its distance from the symmetric points evenly.
    pub fn balanced_value(&self, cell: usize, weight: f64) -> f64 {
        let map = self.map;
        let j = map.weight_of(cell);
        if map.cells_per_weight() == 1 {
            return weight;
        }
        let centre = self.symmetric_weight(j).unwrap_or(0.0);
        let share = match self.cells.stuck_at(cell) {
            Some(_) => 0.0,
            None => map.sign(cell) / self.free_cells(j) as f64,
        };
        self.symmetric_value(cell).unwrap_or(0.0) + share * (weight - centre)
    }

    /// Weight whose cells are all at their resting state, stuck ones where they are; 0 where nothing relaxes.
    pub fn resting_weight(&self, weight: usize) -> f64 {
        let n = self.map.cells_per_weight();
        let value = |k: usize| {
            let rest = self.cells.retention_of(k)?.rest;
            let rest = self.cells.stuck_at(k).unwrap_or(rest);
            Some(self.map.sign(k) * self.map.value(rest))
        };
        let values = (weight * n..(weight + 1) * n).map(value);
        values.sum::<Option<f64>>().unwrap_or(0.0)
    }

    /// `F_j = Σ sign·share·F`, `G_j = Σ sign·|share|·G` of a weight from the values of its cells, so that
    /// `E Δw = Δ F_j - |Δ| G_j`.
    pub fn weight_response_values(
        &self,
        weight: usize,
        value: impl Fn(usize) -> f64,
    ) -> (f64, f64) {
        self.shared(weight, |k| self.cell_response_values(k, value(k)))
    }

    /// The part of [`ArrayModel::weight_response_values`] that the curvature of the readout makes.
    pub fn weight_bent_values(&self, weight: usize, value: impl Fn(usize) -> f64) -> (f64, f64) {
        self.shared(weight, |k| {
            self.cells.bent_values(k, self.map.position(value(k)))
        })
    }

    /// A weight's `F`, `G` from those of its cells.
    fn shared(&self, weight: usize, of: impl Fn(usize) -> [f64; 2]) -> (f64, f64) {
        let n = self.map.cells_per_weight();
        (weight * n..(weight + 1) * n).fold((0.0, 0.0), |(f, g), k| {
            let [cell_f, cell_g] = of(k);
            (
                f + self.map.sign(k) * self.map.share(k) * cell_f,
                g + self.map.sign(k) * self.map.share(k).abs() * cell_g,
            )
        })
    }

    /// How many cells of a weight are not stuck.
    pub fn free_cells(&self, weight: usize) -> usize {
        let n = self.map.cells_per_weight();
        let cells = weight * n..(weight + 1) * n;
        cells.filter(|&k| self.cells.stuck_at(k).is_none()).count()
    }

    /// How many weights have a cell that is not stuck.
    pub fn free_weights(&self) -> usize {
        let weights = 0..self.map.weights();
        weights.filter(|&j| self.free_cells(j) > 0).count()
    }

    /// Slope `R'` of a weight at its symmetric point. A weight at rest a little beside it has cells whose asymmetries balance the same
    /// gradient, each where its own slope puts it: the cells' `F/G'` add up to the weight's. `None` where a cell has no symmetric
    /// point; 0 where all cells are stuck.
    pub fn weight_slope(&self, weight: usize) -> Option<f64> {
        let n = self.map.cells_per_weight();
        let mut reach = 0.0;
        for k in weight * n..(weight + 1) * n {
            let r = self.response(k, self.symmetric_value(k)?);
            if self.cells.stuck_at(k).is_none() {
                reach += r.f[0] / r.g[1];
            }
        }
        Some(if reach == 0.0 { 0.0 } else { 1.0 / reach })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::{CycleNoise, SoftBounds, Window};

    /// A weight of two soft-bounds cells `q± = 1 ∓ 2 (s - 1/2)/τ` rests where the asymmetry of one is minus that of the other, at
    /// `v₊/τ₊ = -v₋/τ₋ = R`, a weight of `(τ₊ + τ₋) R`.
    #[test]
    fn the_cells_of_a_pair_share_their_pull() {
        let taus = [0.5, 1.5];
        // Bounds at τ/2 from the middle: weights of 2 (s - 1/2) a cell.
        let cell = |tau: f64| [1e-3, 0.5 - 0.5 * tau, 0.5 + 0.5 * tau, 0.5];
        let cells = Cells::new(
            Arc::new(SoftBounds),
            Window {
                g_min: 5e-5,
                g_max: 9e-5,
            },
            CycleNoise::new(0.0, 0.0),
            0.0,
            false,
            cell(1.0).to_vec(),
            taus.map(cell).concat(),
        );
        let model = ArrayModel {
            cells: Arc::new(cells),
            map: WeightMap::new(Mapping::DifferentialPair, 0.5, 2.0, 1, 1),
        };
        let slope = model.weight_slope(0).unwrap();
        assert!((slope - 1.0 / (taus[0] + taus[1])).abs() < 1e-12, "{slope}");
    }
}
