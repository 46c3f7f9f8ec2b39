//! Reading single lines of an array: one word line is driven with 1 at a time, and what the outputs read are the weights of that input.

use super::OWN_STEPS;
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::crossbar::Synapses;
use crate::error::Result;

/// Reads lines of one array; every read has random numbers of its own.
pub(super) struct Lines {
    units: StackVector,
    /// Output c of sample b is the weight of its line.
    sums: StackVector,
    /// Reads so far.
    reads: u32,
}

impl Lines {
    pub fn new() -> Self {
        Self {
            units: StackVector::default(),
            sums: StackVector::default(),
            reads: 0,
        }
    }

    pub fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        saved.number("line-reads", &mut self.reads)
    }

    /// Reads `count` lines from `first` on, after the last the first: output c of sample b is weight (first + b, c) as the periphery reads it.
    pub fn read(
        &mut self,
        array: &mut dyn Synapses,
        first: usize,
        count: usize,
    ) -> Result<&StackVector> {
        let replicas = array.replicas();
        let (inputs, outputs) = array.dimensions();
        self.units.reshape(inputs, count * replicas);
        self.sums.reshape(outputs, count * replicas);
        self.units.fill(0.0);
        for b in 0..count {
            let line = self.units.lanes_mut((first + b) % inputs);
            line[b * replicas..(b + 1) * replicas].fill(1.0);
        }
        array.multiply(self.step(count), &self.units, &mut self.sums)?;
        Ok(&self.sums)
    }

    /// The step of the next `count` reads.
    fn step(&mut self, count: usize) -> u32 {
        let step = OWN_STEPS | self.reads;
        self.reads = (self.reads + count as u32) % OWN_STEPS;
        step
    }

    /// Reads all weights, row-major.
    pub fn read_all(&mut self, array: &mut dyn Synapses, weights: &mut StackVector) -> Result<()> {
        let replicas = array.replicas();
        let (inputs, outputs) = array.dimensions();
        let sums = self.read(array, 0, inputs)?;
        for r in 0..inputs {
            for c in 0..outputs {
                let read = &sums.lanes(c)[r * replicas..(r + 1) * replicas];
                weights.lanes_mut(r * outputs + c).copy_from_slice(read);
            }
        }
        Ok(())
    }
}
