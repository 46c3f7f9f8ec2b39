//! What every cell's conductance has to do with every element of an effective matrix.
//!
//! # Equation
//! `∂A_ij/∂G_k = u_k(i) ũ_k(j)`
//!
//! # Symbols
//! | symbol | meaning |
//! | --- | --- |
//! | A_ij | current out of bit line j with word line i at 1 V, all other terminals at ground |
//! | u_k(i) | voltage across cell k then, word line minus bit line |
//! | ũ_k(j) | voltage across cell k with bit line j at 1 V, all other terminals at ground: bit line minus word line |
//!
//! It is Tellegen's theorem between both states of one reciprocal network: a change of `G_k` adds the current `u_k δG_k` beside the cell, and a
//! current fed in beside a cell leaves through terminal j in the part `ũ_k(j)`. With ideal wires u is 1 in row i, ũ is 1 in column j, and A is G.

use super::solver::{Solution, Solver};
use crate::error::{Error, Result};

/// All derivatives of one effective matrix.
pub struct Derivative {
    columns: usize,
    /// Voltages across all cells with one word line driven, line by line.
    word: Vec<Vec<f64>>,
    /// The same with one bit line driven, bit line minus word line.
    bit: Vec<Vec<f64>>,
}

impl Derivative {
    /// `∂A_e/∂G_k`, element e and cell k counted row by row; without unit.
    pub fn of(&self, element: usize, cell: usize) -> f64 {
        let (row, column) = (element / self.columns, element % self.columns);
        self.word[row][cell] * self.bit[column][cell]
    }
}

impl Solver {
    /// How [`Solver::effective_matrix`] changes with the conductances of the cells, from one solution for every line of both sides.
    ///
    /// # Errors
    /// As [`Solver::solve`].
    pub fn derivative(&mut self) -> Result<Derivative> {
        let (m, n) = (self.circuit().rows(), self.circuit().columns());
        let unit = |k: usize, count: usize, v: f64| {
            let mut all = vec![0.0; count];
            all[k] = v;
            all
        };
        let words: Vec<_> = (0..m).map(|i| (unit(i, m, 1.0), vec![0.0; n])).collect();
        // At -1 V the sign of ũ is that of u.
        let bits: Vec<_> = (0..n).map(|j| (vec![0.0; m], unit(j, n, -1.0))).collect();
        let mut voltages = |drives: &[(Vec<f64>, Vec<f64>)]| {
            let solved = self.solve_many(drives)?;
            Ok::<_, Error>(solved.iter().map(Solution::cell_voltages).collect())
        };
        Ok(Derivative {
            columns: n,
            word: voltages(&words)?,
            bit: voltages(&bits)?,
        })
    }
}
