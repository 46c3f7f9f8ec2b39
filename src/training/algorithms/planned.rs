//! An array whose changes a digital rule plans: the gradient is formed as a matrix, and the rule says what is written of it.

use super::{matrix, outer};
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::crossbar::{Synapses, Usage};
use crate::device::Counting;
use crate::error::Result;

/// A digital rule with its state.
pub(super) trait Rule {
    /// Turns the changes that were asked for (row-major, one element a weight and replica), `-rate` times the gradient, into those that are
    /// written, and says how. The array may be read, not written.
    fn plan(
        &mut self,
        changes: &mut StackVector,
        counting: Counting,
        rate: f64,
        array: &mut dyn Synapses,
    ) -> Result<Counting>;
    /// Forgets everything.
    fn begin(&mut self);
    /// Ends a task: see [`Synapses::consolidate`].
    fn consolidate(&mut self, importance: &StackVector, array: &mut dyn Synapses) -> Result<()> {
        let _ = (importance, array);
        Ok(())
    }
    /// Writes what it remembers to `saved`, or takes it from there.
    fn keep(&mut self, saved: &mut Saved) -> Result<()>;
}

/// The array and its rule.
pub(super) struct Planned {
    array: Box<dyn Synapses>,
    rule: Box<dyn Rule>,
    changes: StackVector,
}

impl Planned {
    pub fn new(array: Box<dyn Synapses>, rule: Box<dyn Rule>) -> Self {
        Self {
            changes: matrix(&*array),
            array,
            rule,
        }
    }

    fn write(&mut self, step: u32, counting: Counting, rate: f64) -> Result<()> {
        let (rule, array) = (&mut self.rule, &mut *self.array);
        let counting = rule.plan(&mut self.changes, counting, rate, array)?;
        array.update_dense(step, &self.changes, counting, rate)
    }
}

impl Synapses for Planned {
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
        self.array.multiply(step, inputs, outputs)
    }

    fn multiply_transposed(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.array.multiply_transposed(step, inputs, outputs)
    }

    fn start(&mut self, weights: &StackVector) -> Result<()> {
        self.rule.begin();
        self.array.start(weights)
    }

    fn update_outer(
        &mut self,
        step: u32,
        inputs: &StackVector,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        outer(&mut self.changes, inputs, changes);
        self.write(step, counting, rate)
    }

    fn update_dense(
        &mut self,
        step: u32,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        self.changes.all_mut().copy_from_slice(changes.all());
        self.write(step, counting, rate)
    }

    fn relax(&mut self, step: u32, elapsed: f64) -> Result<()> {
        self.array.relax(step, elapsed)
    }

    fn refresh(&mut self, step: u32) -> Result<()> {
        self.array.refresh(step)
    }

    fn consolidate(&mut self, importance: &StackVector) -> Result<()> {
        self.rule.consolidate(importance, &mut *self.array)
    }

    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        self.rule.keep(saved)?;
        self.array.keep(saved)
    }

    fn inspect(&mut self, values: &mut [Vec<f64>]) -> Result<()> {
        self.array.inspect(values)
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
