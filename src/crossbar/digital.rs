//! The digital control: exact weights under an explicit Tikhonov term of known strength.

use super::Synapses;
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::device::Counting;
use crate::error::Result;

/// Digital weights trained with the explicit penalty `½ λ |w - centre|²`; λ = 0 is plain digital SGD.
pub struct Digital {
    inputs: usize,
    outputs: usize,
    /// λ of every weight.
    strength: Vec<f64>,
    centre: Vec<f64>,
    weights: StackVector,
}

impl Digital {
    /// Weights (row-major, inputs × outputs) of `replicas` copies, all starting at `initial`.
    pub fn new(
        inputs: usize,
        outputs: usize,
        replicas: usize,
        lambda: f64,
        centre: Vec<f64>,
        initial: &[f64],
    ) -> Self {
        let mut weights = StackVector::zeros(inputs * outputs, replicas);
        for (k, &w) in initial.iter().enumerate() {
            weights.lanes_mut(k).fill(w as f32);
        }
        Self {
            inputs,
            outputs,
            strength: vec![lambda; inputs * outputs],
            centre,
            weights,
        }
    }

    /// The same with a λ of its own for every weight, row-major: the penalty `½ Σ λ_j (w_j - centre_j)²`.
    #[must_use]
    pub fn with_strengths(mut self, strength: Vec<f64>) -> Self {
        self.strength = strength;
        self
    }

    /// `w ← w + change - rate λ (w - centre)` for one weight of all replicas.
    fn step(&mut self, weight: usize, rate: f64, change: impl Iterator<Item = f32>) {
        let decay = (rate * self.strength[weight]) as f32;
        let centre = self.centre[weight] as f32;
        for (w, d) in self.weights.lanes_mut(weight).iter_mut().zip(change) {
            *w += d - decay * (*w - centre);
        }
    }
}

impl Digital {
    /// Adds the products of one weight to the lanes of its output, sample by sample.
    fn add_product(&self, weight: usize, inputs: &[f32], outputs: &mut [f32]) {
        let weights = self.weights.lanes(weight);
        let samples = inputs.chunks(weights.len());
        for (y, x) in outputs.chunks_mut(weights.len()).zip(samples) {
            for (y, (x, w)) in y.iter_mut().zip(x.iter().zip(weights)) {
                *y += x * w;
            }
        }
    }
}

impl Synapses for Digital {
    fn replicas(&self) -> usize {
        self.weights.width()
    }

    fn dimensions(&self) -> (usize, usize) {
        (self.inputs, self.outputs)
    }

    fn multiply(
        &mut self,
        _step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        outputs.fill(0.0);
        for r in 0..self.inputs {
            for c in 0..self.outputs {
                self.add_product(r * self.outputs + c, inputs.lanes(r), outputs.lanes_mut(c));
            }
        }
        Ok(())
    }

    fn multiply_transposed(
        &mut self,
        _step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        outputs.fill(0.0);
        for r in 0..self.inputs {
            for c in 0..self.outputs {
                self.add_product(r * self.outputs + c, inputs.lanes(c), outputs.lanes_mut(r));
            }
        }
        Ok(())
    }

    fn start(&mut self, weights: &StackVector) -> Result<()> {
        self.weights.all_mut().copy_from_slice(weights.all());
        Ok(())
    }

    fn update_outer(
        &mut self,
        _step: u32,
        inputs: &StackVector,
        changes: &StackVector,
        _counting: Counting,
        rate: f64,
    ) -> Result<()> {
        for r in 0..self.inputs {
            for c in 0..self.outputs {
                let products = inputs.lanes(r).iter().zip(changes.lanes(c));
                self.step(r * self.outputs + c, rate, products.map(|(x, d)| x * d));
            }
        }
        Ok(())
    }

    fn update_dense(
        &mut self,
        _step: u32,
        changes: &StackVector,
        _counting: Counting,
        rate: f64,
    ) -> Result<()> {
        for k in 0..self.inputs * self.outputs {
            self.step(k, rate, changes.lanes(k).iter().copied());
        }
        Ok(())
    }

    /// Digital weights are kept.
    fn relax(&mut self, _step: u32, _elapsed: f64) -> Result<()> {
        Ok(())
    }

    fn refresh(&mut self, _step: u32) -> Result<()> {
        Ok(())
    }

    fn resets(&self) -> u64 {
        0
    }

    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        saved.list("weights", self.weights.all_mut())
    }

    fn inspect(&mut self, values: &mut [Vec<f64>]) -> Result<()> {
        for (cell, values) in values.iter_mut().enumerate() {
            for (v, &w) in values.iter_mut().zip(self.weights.lanes(cell)) {
                *v = f64::from(w);
            }
        }
        Ok(())
    }

    fn pulses(&mut self) -> Result<u64> {
        Ok(0)
    }
}
