//! Whole-array operations on a stack of equal crossbars. Loops and buffers, no formula.

mod cpu;

pub use cpu::Cpu;

use crate::device::Counting;

/// The shape of a stack of equal crossbars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of crossbars in the stack.
    pub replicas: usize,
    /// Word lines (inputs).
    pub rows: usize,
    /// Bit lines (outputs).
    pub columns: usize,
}

impl Shape {
    /// Cells of one crossbar.
    pub fn cells(&self) -> usize {
        self.rows * self.columns
    }
}

/// One vector for each crossbar of a stack: element `i` of every replica lies together, so that loops run over replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct StackVector {
    replicas: usize,
    data: Vec<f32>,
}

impl StackVector {
    /// Zeros: `len` elements for each of `replicas` crossbars.
    pub fn zeros(len: usize, replicas: usize) -> Self {
        Self {
            replicas,
            data: vec![0.0; len * replicas],
        }
    }

    /// Number of elements a replica.
    pub fn len(&self) -> usize {
        self.data.len() / self.replicas.max(1)
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Number of replicas.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// Element `i` of all replicas.
    #[inline]
    pub fn lanes(&self, i: usize) -> &[f32] {
        &self.data[i * self.replicas..(i + 1) * self.replicas]
    }

    /// Element `i` of all replicas.
    #[inline]
    pub fn lanes_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.replicas..(i + 1) * self.replicas]
    }

    /// Everything, element by element.
    #[inline]
    pub fn all(&self) -> &[f32] {
        &self.data
    }

    /// Everything, element by element.
    #[inline]
    pub fn all_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Sets everything to `value`.
    pub fn fill(&mut self, value: f32) {
        self.data.fill(value);
    }
}

/// A requested update of a whole stack, in nominal steps of the device (any real number, signed).
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// Rank one: cell (r, c) is asked for `rows[r] · columns[c]`.
    Outer {
        /// One factor a row.
        rows: &'a StackVector,
        /// One factor a column.
        columns: &'a StackVector,
    },
    /// One request a cell, row-major.
    Dense(&'a StackVector),
    /// Bit trains: cell (r, c) gets `popcount(row_bits[r] & column_bits[c])` pulses of the sign of `rows[r] · columns[c]`.
    Trains {
        /// Signs of the rows (any magnitude).
        rows: &'a StackVector,
        /// Signs of the columns (any magnitude).
        columns: &'a StackVector,
        /// One train of at most 32 bits for each row and replica, ordered as a [`StackVector`].
        row_bits: &'a [u32],
        /// One train for each column and replica.
        column_bits: &'a [u32],
    },
}

/// A stack of equal crossbars: the operations that training needs.
///
/// Vectors are [`StackVector`]s; cells are numbered row-major. Random numbers are pure functions of
/// (seed, step, cell, replica), so neither the number of threads nor the cut into stacks changes a result.
pub trait Backend: Send {
    /// The shape of the stack.
    fn shape(&self) -> Shape;
    /// Sets every crossbar to the same positions in the window (row-major, 0 at `g_min`, 1 at `g_max`).
    fn write(&mut self, positions: &[f64]);
    /// Column currents `I_c = Σ_r V_r G_rc` in amperes for row voltages in volts.
    fn multiply(&mut self, voltages: &StackVector, currents: &mut StackVector);
    /// Applies an update at step `step`. [`Request::Trains`] ignores `counting`.
    fn pulse(&mut self, step: u32, request: &Request, counting: Counting);
    /// True states (positions) of cell `cell` in all replicas: the measurement port.
    fn inspect(&self, cell: usize) -> &[f32];
    /// Number of programming pulses applied so far, over all cells and replicas.
    fn pulses(&self) -> u64;
}
