//! Whole-array operations on a stack of equal crossbars. Loops and buffers, no formula.

mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
mod place;

pub use cpu::Cpu;
#[cfg(feature = "gpu")]
pub use gpu::{AdapterSummary, Choice, Gpu, GpuStack, INSTALL};
pub use place::Place;

use std::sync::Arc;

use crate::arrays::Saved;
use crate::device::{Cells, Counting};
use crate::error::Result;

/// From this many replicas on, loops of the CPU run along them; with fewer, across cells or whatever else there is.
pub(crate) const WIDE: usize = 16;

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

    /// Inputs and outputs of a read, against the flow where `transposed`.
    ///
    /// # Panics
    /// If the vectors have not that many elements, or not the same number of lanes, whole samples.
    fn ends(
        &self,
        transposed: bool,
        voltages: &StackVector,
        currents: &StackVector,
    ) -> (usize, usize) {
        let (inputs, outputs) = if transposed {
            (self.columns, self.rows)
        } else {
            (self.rows, self.columns)
        };
        let (width, replicas) = (voltages.width(), self.replicas);
        assert!(
            voltages.len() == inputs && currents.len() == outputs && currents.width() == width,
            "{} inputs and {} outputs of an array with {inputs} and {outputs}, {width} lanes",
            voltages.len(),
            currents.len(),
        );
        assert!(
            width.is_multiple_of(replicas),
            "{width} lanes for {replicas} replicas"
        );
        (inputs, outputs)
    }
}

/// One vector for each lane of a stack: element `i` of every lane lies together, so that loops run over lanes.
///
/// A lane is a replica. Vectors that are multiplied may hold several samples for each crossbar:
/// lane = sample · replicas + replica.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StackVector {
    width: usize,
    data: Vec<f32>,
}

impl StackVector {
    /// Zeros: `len` elements for each of `width` lanes.
    pub fn zeros(len: usize, width: usize) -> Self {
        Self {
            width,
            data: vec![0.0; len * width],
        }
    }

    /// Number of elements a lane.
    pub fn len(&self) -> usize {
        self.data.len() / self.width.max(1)
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Number of lanes.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Element `i` of all lanes.
    #[inline]
    pub fn lanes(&self, i: usize) -> &[f32] {
        &self.data[i * self.width..(i + 1) * self.width]
    }

    /// Element `i` of all lanes.
    #[inline]
    pub fn lanes_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.width..(i + 1) * self.width]
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

    /// Takes another shape, with any numbers; room that it had is used again.
    pub(crate) fn reshape(&mut self, len: usize, width: usize) {
        self.width = width;
        self.data.resize(len * width, 0.0);
    }

    /// Sets everything to `value`.
    pub fn fill(&mut self, value: f32) {
        self.data.fill(value);
    }
}

/// A requested update of a whole stack, in nominal steps of the device (any real number, signed).
///
/// One-sided cells take what is positive of it and nothing else.
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

impl Request<'_> {
    /// Whether it asks for mean changes instead of pulses; trains ignore `counting`.
    fn is_mean(&self, counting: Counting) -> bool {
        counting == Counting::Expected && !matches!(self, Self::Trains { .. })
    }

    /// Whether a random number rounds each of its counts; trains ignore `counting`.
    fn is_rounded(&self, counting: Counting) -> bool {
        counting == Counting::StochasticRounding && !matches!(self, Self::Trains { .. })
    }

    /// Asserts that `counting` makes pulses of this request.
    ///
    /// # Panics
    /// For [`Counting::Coincidence`] (or [`Counting::MeanCount`], which arrays ask for as rounded products) without [`Request::Trains`]: coincidences are counted between trains, and a request that has
    /// none would be applied without rounding.
    pub fn assert_countable(&self, counting: Counting) {
        assert!(
            counting.trains().is_none() || matches!(self, Request::Trains { .. }),
            "coincidences are counted between bit trains: ask with Request::Trains, or count in another way"
        );
    }
}

/// Gaussian noise on every output of a read.
///
/// Output o of sample b and replica r is off by `deviation` (√(deviation² + Σ V² σ²) where cells have noise σ of their own,
/// [`CellNoise`](crate::device::CellNoise)) times the normal number at the coordinates (`step` + b, o, r,
/// [`Purpose::ReadNoise`](crate::number::Purpose::ReadNoise), `index`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadNoise {
    /// The step of the first sample.
    pub step: u32,
    /// Which read of the step.
    pub index: u32,
    /// Standard deviation in amperes, of the periphery; 0 for none.
    pub deviation: f32,
}

impl ReadNoise {
    /// A read without noise of the periphery.
    pub const NONE: Self = Self {
        step: 0,
        index: 0,
        deviation: 0.0,
    };
}

/// A stack of equal crossbars: the operations that training needs.
///
/// Vectors are [`StackVector`]s; cells are numbered row-major. Random numbers are pure functions of
/// (seed, step, cell, replica), so neither the number of threads nor the cut into stacks changes a result.
///
/// # Errors
/// The CPU never fails; a graphics processor may be lost, out of memory or silent, and every operation says so.
///
/// # Panics
/// If a vector does not have the shape that the operation needs, or a request not the form that its counting needs
/// ([`Request::assert_countable`]).
pub trait Backend: Send {
    /// The shape of the stack.
    fn shape(&self) -> Shape;
    /// Sets every crossbar to the same positions in the window (row-major, 0 at `g_min`, 1 at `g_max`).
    fn write(&mut self, positions: &[f64]) -> Result<()>;
    /// Writes every cell of every crossbar with its own true state (what [`Backend::inspect`] gives), exactly: as new, it remembers nothing.
    ///
    /// # Errors
    /// On a graphics processor, always.
    fn restore(&mut self, states: &StackVector) -> Result<()>;
    /// Programs every crossbar to the same positions at step `step`: each cell misses its own as the cells'
    /// [`Programming`](crate::device::Programming) says. As [`Backend::write`] where they have none.
    fn program(&mut self, step: u32, positions: &[f64]) -> Result<()>;
    /// The conductance that a noiseless read of every single cell sees, in siemens: with the write noise, and with what the cell's trap
    /// blocks at present (random telegraph noise), cell by cell.
    fn conductances(&mut self, out: &mut StackVector) -> Result<()>;
    /// Column currents `I_c = Σ_r V_r G_rc` in amperes for row voltages in volts, sample by sample.
    fn multiply(
        &mut self,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) -> Result<()>;
    /// Row currents `I_r = Σ_c V_c G_rc` in amperes for column voltages in volts, sample by sample.
    fn multiply_transposed(
        &mut self,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) -> Result<()>;
    /// Lets products use these positions in the window, one element a cell and replica, in place of those of the conductances, until
    /// others are given or, by `None`, none: effective conductances of an array whose wires resist, which may lie outside the window.
    /// Everything else stays as it is, the noise of single cells included.
    fn read_as(&mut self, positions: Option<&StackVector>) -> Result<()>;
    /// Applies an update at step `step`. [`Request::Trains`] ignores `counting`.
    fn pulse(&mut self, step: u32, request: &Request, counting: Counting) -> Result<()>;
    /// Makes these the cells of the stack, for all that comes: cells of the same array that pulses reach otherwise
    /// ([`Cells::driven`]). States and what is read of them stay.
    ///
    /// # Errors
    /// On a graphics processor, always: parameters are part of its programs.
    fn exchange(&mut self, cells: Arc<Cells>) -> Result<()>;
    /// The signed numbers of pulses of an update at step `step`, one element a cell: those that [`Backend::pulse`] applies.
    ///
    /// # Errors
    /// On a graphics processor, always.
    ///
    /// # Panics
    /// For [`Counting::Expected`], which has no pulses.
    fn count(
        &mut self,
        step: u32,
        request: &Request,
        counting: Counting,
        out: &mut StackVector,
    ) -> Result<()>;
    /// Disturbs cells with these signed numbers of pulses (whole, below 2²⁰, one element a cell), which reach them as `cells` say, at step `step`. Such pulses
    /// are not counted, write no noise, and leave no mark on what cells remember; random numbers are those of disturbance `index` (below 16) of the step.
    ///
    /// # Errors
    /// On a graphics processor, always.
    fn disturb(
        &mut self,
        step: u32,
        index: u32,
        cells: &Arc<Cells>,
        counts: &StackVector,
    ) -> Result<()>;
    /// Resets every cell whose element is not zero, at step `step`: reads see it with new write noise. Nothing happens to cells that
    /// have no reset.
    fn reset(&mut self, step: u32, cells: &StackVector) -> Result<()>;
    /// Lets `elapsed` seconds pass after step `step`: every state moves as the cells' retention or drift says, traps are filled and
    /// emptied, and 1/f noise of reads grows. Nothing moves where there is none of these. Where cells walk at random, calls of the
    /// same step draw the same numbers.
    fn relax(&mut self, step: u32, elapsed: f64) -> Result<()>;
    /// Writes everything that later operations depend on to `saved`, or takes it from there: states and what reads see of them, what cells
    /// remember, traps, clocks and counts. What is taken must be of an equal stack. What [`Backend::read_as`] and [`Backend::exchange`] gave is
    /// for the caller to give again, the latter before.
    ///
    /// # Errors
    /// Those of [`Saved::list`]; on a graphics processor, always.
    fn keep(&mut self, saved: &mut Saved) -> Result<()>;
    /// True states (positions) of all cells: the measurement port.
    fn inspect(&mut self, states: &mut StackVector) -> Result<()>;
    /// Number of programming pulses applied so far, over all cells and replicas.
    fn pulses(&mut self) -> Result<u64>;
    /// Seconds of [`Backend::relax`] since every cell was last pulsed or written; zeros where the cells' physics does not ask for
    /// them ([`Cells::memory`](crate::device::Cells::memory)).
    fn ages(&mut self, out: &mut StackVector) -> Result<()>;
    /// Number of pulses that every cell has had; zeros where nothing wears.
    fn wear(&mut self, out: &mut StackVector) -> Result<()>;
}
