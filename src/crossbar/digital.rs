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

    fn multiply_by(&self, flow: Flow, inputs: &StackVector, outputs: &mut StackVector) {
        pulp::Arch::new().dispatch(Product {
            flow,
            columns: self.outputs,
            weights: &self.weights,
            inputs,
            outputs,
        });
    }
}

/// Which way weights are read.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Forward,
    Transposed,
}

/// All products of inputs and weights, added up in the order of the inputs.
struct Product<'a> {
    flow: Flow,
    columns: usize,
    weights: &'a StackVector,
    inputs: &'a StackVector,
    outputs: &'a mut StackVector,
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let (columns, inputs) = (self.columns, self.inputs);
        self.outputs.fill(0.0);
        if inputs.width() == 1 {
            // Along columns: there is one lane.
            let rows = self.weights.all().chunks_exact(columns).enumerate();
            for (r, row) in rows {
                match self.flow {
                    Flow::Forward => {
                        let x = inputs.all()[r];
                        for (y, w) in self.outputs.all_mut().iter_mut().zip(row) {
                            *y += x * w;
                        }
                    }
                    Flow::Transposed => {
                        let products = inputs.all().iter().zip(row).map(|(x, w)| x * w);
                        self.outputs.all_mut()[r] = products.fold(0.0, |sum, p| sum + p);
                    }
                }
            }
            return;
        }
        for k in 0..self.weights.len() {
            let (r, c) = (k / columns, k % columns);
            let (input, output) = match self.flow {
                Flow::Forward => (r, c),
                Flow::Transposed => (c, r),
            };
            let weights = self.weights.lanes(k);
            if let [w] = weights {
                let sums = self.outputs.lanes_mut(output).iter_mut();
                for (y, x) in sums.zip(inputs.lanes(input)) {
                    *y += x * w;
                }
                continue;
            }
            let samples = inputs.lanes(input).chunks_exact(weights.len());
            let sums = self
                .outputs
                .lanes_mut(output)
                .chunks_exact_mut(weights.len());
            for (sums, x) in sums.zip(samples) {
                for (y, (x, w)) in sums.iter_mut().zip(x.iter().zip(weights)) {
                    *y += x * w;
                }
            }
        }
    }
}

/// One step of all weights by products.
struct Descend<'a> {
    columns: usize,
    rate: f64,
    /// λ and centre of every weight.
    strength: &'a [f64],
    centre: &'a [f64],
    weights: &'a mut StackVector,
    inputs: &'a StackVector,
    changes: &'a StackVector,
}

impl pulp::WithSimd for Descend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let Self { columns, rate, .. } = self;
        if self.weights.width() == 1 {
            let rows = self.weights.all_mut().chunks_exact_mut(columns);
            let pulls = self.strength.chunks_exact(columns);
            let pulls = pulls.zip(self.centre.chunks_exact(columns));
            for ((row, (strength, centre)), x) in rows.zip(pulls).zip(self.inputs.all()) {
                let pulls = strength.iter().zip(centre);
                let lanes = row.iter_mut().zip(pulls).zip(self.changes.all());
                for ((w, (&strength, &centre)), d) in lanes {
                    *w = stepped(*w, x * d, rate * strength, centre);
                }
            }
            return;
        }
        let pulls = self.strength.iter().zip(self.centre);
        for (k, (&strength, &centre)) in pulls.enumerate() {
            let x = self.inputs.lanes(k / columns);
            let products = x.iter().zip(self.changes.lanes(k % columns));
            for (w, (x, d)) in self.weights.lanes_mut(k).iter_mut().zip(products) {
                *w = stepped(*w, x * d, rate * strength, centre);
            }
        }
    }
}

/// `w + change - decay (w - centre)`
#[inline(always)]
fn stepped(w: f32, change: f32, decay: f64, centre: f64) -> f32 {
    w + (change - decay as f32 * (w - centre as f32))
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
        self.multiply_by(Flow::Forward, inputs, outputs);
        Ok(())
    }

    fn multiply_transposed(
        &mut self,
        _step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.multiply_by(Flow::Transposed, inputs, outputs);
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
        pulp::Arch::new().dispatch(Descend {
            columns: self.outputs,
            rate,
            strength: &self.strength,
            centre: &self.centre,
            weights: &mut self.weights,
            inputs,
            changes,
        });
        Ok(())
    }

    fn update_dense(
        &mut self,
        _step: u32,
        changes: &StackVector,
        _counting: Counting,
        rate: f64,
    ) -> Result<()> {
        let pulls = self.strength.iter().zip(&self.centre);
        for (k, (&strength, &centre)) in pulls.enumerate() {
            let weights = self.weights.lanes_mut(k).iter_mut();
            for (w, d) in weights.zip(changes.lanes(k)) {
                *w = stepped(*w, *d, rate * strength, centre);
            }
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
