//! Explicit penalties of a digital optimizer: L2, L1, orthogonality, and what holds weights where an earlier task left them.
//!
//! Their gradients need the weights. A chip has no other way to these than its periphery, so all lines are read now and then (one product a line),
//! with the noise and the converters that reads have; between two reads the last ones stand for the weights.
//!
//! `½ l2 |w - c|² + l1 |w - c|₁ + ¼ o |M - I|²`, c the centre, `M = WᵀW` (or `WWᵀ`, whichever is smaller) of the matrix W, inputs × outputs; after a task
//! has ended also `½ k Σ_j F_j (w_j - w*_j)²`, w* the weights as they were read at its end and F their importance: elastic weight consolidation (J. Kirkpatrick et al.,
//! PNAS 114 (2017) 3521, <https://doi.org/10.1073/pnas.1611835114>, equation 3).

use super::lines::Lines;
use super::matrix;
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::crossbar::Synapses;
use crate::error::Result;

/// Strengths of explicit penalties.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalty {
    /// Strength of the quadratic term, an explicit λ.
    pub l2: f64,
    /// Strength of the absolute values.
    pub l1: f64,
    /// Strength of the distance of the columns from orthonormal ones.
    pub orthogonality: f64,
    /// Strength k of what holds the weights of earlier tasks.
    pub consolidation: f64,
    /// Where L2 and L1 pull to.
    pub centre: f64,
    /// Updates from one read of the weights to the next.
    pub read_every: u32,
    /// Updates over which all strengths fall to zero in a straight line, to stay there; none where they stay as they are.
    pub fade: Option<u32>,
}

/// A penalty and the weights as they were last read.
pub(super) struct Penalised {
    penalty: Penalty,
    lines: Lines,
    weights: StackVector,
    updates: u32,
    columns: usize,
    /// Of the tasks that have ended: `Σ F` and `Σ F w*` over them.
    held: Option<[StackVector; 2]>,
}

impl Penalised {
    pub fn new(penalty: Penalty, array: &dyn Synapses) -> Self {
        Self {
            penalty,
            lines: Lines::new(),
            weights: matrix(array),
            updates: 0,
            columns: array.dimensions().1,
            held: None,
        }
    }

    pub fn begin(&mut self) {
        self.updates = 0;
        self.held = None;
    }

    /// Reads the weights and holds them there from now on. Penalties of several tasks add up.
    pub fn consolidate(
        &mut self,
        importance: &StackVector,
        array: &mut dyn Synapses,
    ) -> Result<()> {
        if self.penalty.consolidation == 0.0 {
            return Ok(());
        }
        self.lines.read_all(array, &mut self.weights)?;
        let nothing = || [matrix(array), matrix(array)];
        let [sum, product] = self.held.get_or_insert_with(nothing);
        let held = sum.all_mut().iter_mut().zip(product.all_mut());
        for ((sum, product), (f, w)) in held.zip(importance.all().iter().zip(self.weights.all())) {
            *sum += f;
            *product += f * w;
        }
        Ok(())
    }

    pub fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        self.lines.keep(saved)?;
        saved.list("weights", self.weights.all_mut())?;
        saved.number("updates", &mut self.updates)?;
        let mut held = u32::from(self.held.is_some());
        saved.number("held", &mut held)?;
        if held == 0 {
            self.held = None;
            return Ok(());
        }
        let (rows, width) = (self.weights.len(), self.weights.width());
        let nothing = || [0; 2].map(|_| StackVector::zeros(rows, width));
        for part in self.held.get_or_insert_with(nothing) {
            saved.list("importance", part.all_mut())?;
        }
        Ok(())
    }

    /// Reads the weights where it is time to, and adds `factor` times the penalty's gradient to `to`.
    pub fn add(
        &mut self,
        factor: f64,
        array: &mut dyn Synapses,
        to: &mut StackVector,
    ) -> Result<()> {
        if self.penalty.fade.is_some_and(|n| self.updates >= n) {
            return Ok(());
        }
        if self.updates.is_multiple_of(self.penalty.read_every) {
            self.lines.read_all(array, &mut self.weights)?;
        }
        let done = f64::from(self.updates);
        let left = self.penalty.fade.map_or(1.0, |n| 1.0 - done / f64::from(n));
        let factor = factor * left;
        self.updates = self.updates.saturating_add(1);
        let Penalty {
            l2,
            l1,
            orthogonality,
            centre,
            ..
        } = self.penalty;
        let [l2, l1] = [l2, l1].map(|l| (factor * l) as f32);
        let centre = centre as f32;
        let pairs = to.all_mut().iter_mut().zip(self.weights.all());
        for (g, w) in pairs {
            let u = w - centre;
            // `signum` of zero would be one.
            let sign = if u == 0.0 { 0.0 } else { u.signum() };
            *g += l2 * u + l1 * sign;
        }
        if let Some([sum, product]) = &self.held {
            let strength = (factor * self.penalty.consolidation) as f32;
            let held = sum.all().iter().zip(product.all());
            for ((g, w), (f, fw)) in to.all_mut().iter_mut().zip(self.weights.all()).zip(held) {
                *g += strength * (f * w - fw);
            }
        }
        if orthogonality > 0.0 {
            self.add_orthogonality(factor * orthogonality, to);
        }
        Ok(())
    }

    /// `∂(¼|M - I|²)/∂W`: `W (WᵀW - I)`, or `(WWᵀ - I) W`.
    fn add_orthogonality(&self, factor: f64, to: &mut StackVector) {
        let columns = self.columns;
        let rows = self.weights.len() / columns;
        for lane in 0..self.weights.width() {
            let w = |r: usize, c: usize| f64::from(self.weights.lanes(r * columns + c)[lane]);
            let tall = columns <= rows;
            let n = rows.min(columns);
            let mut product = vec![0.0; n * n];
            for a in 0..n {
                for b in 0..n {
                    let sum: f64 = match tall {
                        true => (0..rows).map(|r| w(r, a) * w(r, b)).sum(),
                        false => (0..columns).map(|c| w(a, c) * w(b, c)).sum(),
                    };
                    product[a * n + b] = sum - f64::from(u8::from(a == b));
                }
            }
            for r in 0..rows {
                for c in 0..columns {
                    let slope: f64 = match tall {
                        true => (0..n).map(|k| w(r, k) * product[k * n + c]).sum(),
                        false => (0..n).map(|k| product[r * n + k] * w(k, c)).sum(),
                    };
                    to.lanes_mut(r * columns + c)[lane] += (factor * slope) as f32;
                }
            }
        }
    }
}
