//! Zero-shifting: every cell is brought to its symmetric point, and what is read there becomes weight 0.
//!
//! Pulses that alternate between up and down move a cell to where both are equally large. The matrix that is read then is what a reference array is
//! programmed to, and its products are subtracted from all reads. What is missed: pulses that remain between the last up and the last down,
//! fluctuations by noise from cycle to cycle, and noise of the reads of the reference.
//!
//! # Reference
//! H. Kim et al., Zero-shifting technique for deep neural network training on resistive cross-point arrays, arXiv:1907.10228 (2019).

use super::lines::Lines;
use super::{OWN_STEPS, matrix};
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::crossbar::{Synapses, Usage};
use crate::device::Counting;
use crate::error::Result;

/// How symmetric points are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibration {
    /// Pairs of pulses, one up and one down.
    pub pairs: u32,
    /// Reads that the reference is the mean of.
    pub reads: u32,
}

/// An array whose weights count from its symmetric points.
pub(super) struct Shifted {
    array: Box<dyn Synapses>,
    calibration: Calibration,
    quantum: f32,
    /// Weights of the reference, written exactly.
    reference: StackVector,
    lines: Lines,
    buffer: StackVector,
}

impl Shifted {
    pub fn new(array: Box<dyn Synapses>, calibration: Calibration, quantum: f64) -> Self {
        Self {
            reference: matrix(&*array),
            buffer: matrix(&*array),
            lines: Lines::new(),
            quantum: quantum as f32,
            calibration,
            array,
        }
    }

    fn calibrate(&mut self) -> Result<()> {
        for k in 0..2 * self.calibration.pairs {
            let change = if k % 2 == 0 { 1.0 } else { -1.0 };
            self.buffer.fill(change * self.quantum);
            let counting = Counting::Deterministic;
            let step = OWN_STEPS + k;
            self.array.update_dense(step, &self.buffer, counting, 1.0)?;
        }
        self.reference.fill(0.0);
        let share = 1.0 / self.calibration.reads as f32;
        for _ in 0..self.calibration.reads {
            self.lines.read_all(&mut *self.array, &mut self.buffer)?;
            let pairs = self.reference.all_mut().iter_mut();
            for (r, w) in pairs.zip(self.buffer.all()) {
                *r += share * w;
            }
        }
        Ok(())
    }

    /// Takes the products of the reference from `outputs`.
    fn subtract(&self, transposed: bool, inputs: &StackVector, outputs: &mut StackVector) {
        let (rows, columns) = self.array.dimensions();
        let replicas = self.reference.width();
        for r in 0..rows {
            for c in 0..columns {
                let (from, to) = if transposed { (c, r) } else { (r, c) };
                let weights = self.reference.lanes(r * columns + c);
                let samples = inputs.lanes(from).chunks(replicas);
                for (y, x) in outputs.lanes_mut(to).chunks_mut(replicas).zip(samples) {
                    for (y, (x, w)) in y.iter_mut().zip(x.iter().zip(weights)) {
                        *y -= x * w;
                    }
                }
            }
        }
    }
}

impl Synapses for Shifted {
    fn replicas(&self) -> usize {
        self.array.replicas()
    }

    fn dimensions(&self) -> (usize, usize) {
        self.array.dimensions()
    }

    fn multiply(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.array.multiply(step, inputs, outputs)?;
        self.subtract(false, inputs, outputs);
        Ok(())
    }

    fn multiply_transposed(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.array.multiply_transposed(step, inputs, outputs)?;
        self.subtract(true, inputs, outputs);
        Ok(())
    }

    /// Finds the symmetric points, then sets the weights about them.
    fn start(&mut self, weights: &StackVector) -> Result<()> {
        self.calibrate()?;
        let sums = self.buffer.all_mut().iter_mut();
        for (sum, (w, r)) in sums.zip(weights.all().iter().zip(self.reference.all())) {
            *sum = w + r;
        }
        self.array.start(&self.buffer)
    }

    fn update_outer(
        &mut self,
        step: u32,
        inputs: &StackVector,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        self.array
            .update_outer(step, inputs, changes, counting, rate)
    }

    fn update_dense(
        &mut self,
        step: u32,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        self.array.update_dense(step, changes, counting, rate)
    }

    fn relax(&mut self, step: u32, elapsed: f64) -> Result<()> {
        self.array.relax(step, elapsed)
    }

    fn refresh(&mut self, step: u32) -> Result<()> {
        self.array.refresh(step)
    }

    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        saved.list("reference", self.reference.all_mut())?;
        self.lines.keep(saved)?;
        self.array.keep(saved)
    }

    /// What the reference holds is taken from the first cell of every weight, whose sign is positive.
    fn inspect(&mut self, values: &mut [Vec<f64>]) -> Result<()> {
        self.array.inspect(values)?;
        let cells = values.len() / self.reference.len();
        for (k, values) in values.iter_mut().step_by(cells).enumerate() {
            for (v, &r) in values.iter_mut().zip(self.reference.lanes(k)) {
                *v -= f64::from(r);
            }
        }
        Ok(())
    }

    fn pulses(&mut self) -> Result<u64> {
        self.array.pulses()
    }

    fn resets(&self) -> u64 {
        self.array.resets()
    }

    fn usage(&mut self) -> Result<Option<Usage>> {
        self.array.usage()
    }
}
