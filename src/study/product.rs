//! The operands of a task that is read: weights to program, vectors to multiply them with, and what comes out exactly.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use super::reading::{Draw, Operands};
use crate::backend::StackVector;
use crate::crossbar::WeightMap;
use crate::number::{Coordinates, Purpose, Stream};

/// Vectors that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vectors {
    /// Those that are compared with their exact products.
    Tested = 0,
    /// Those of calibration and compensation.
    Known = 1,
}

/// A matrix and where its vectors come from.
pub struct Product {
    /// Weights, row-major (inputs × outputs).
    pub weights: Vec<f64>,
    /// Share of drawn weights that stopped at an end of the window.
    pub clipped: f64,
    /// Vectors for each replica.
    pub samples: usize,
    inputs: usize,
    outputs: usize,
    draw: Draw,
    stream: Stream,
}

impl Operands {
    /// Inputs and outputs of the array.
    pub fn dimensions(&self) -> (usize, usize) {
        match self {
            Self::Random {
                inputs, outputs, ..
            } => (*inputs, *outputs),
        }
    }

    /// The operands of a study with this seed, for weights that `map` can hold.
    pub(super) fn product(&self, seed: u64, map: &WeightMap) -> Product {
        let Self::Random {
            inputs,
            outputs,
            samples,
            weights,
            vectors,
        } = *self;
        let [low, high] = map.range();
        let mut rng = Pcg64::seed_from_u64(seed);
        let mut draw = || -> f64 {
            match weights {
                Draw::Normal(deviation) => {
                    let z: f64 = StandardNormal.sample(&mut rng);
                    deviation * z
                }
                Draw::Uniform(largest) => rng.random_range(-largest..=largest),
            }
        };
        let drawn: Vec<f64> = (0..inputs * outputs).map(|_| draw()).collect();
        let clipped = drawn.iter().filter(|w| !(low..=high).contains(*w)).count();
        Product {
            clipped: clipped as f64 / drawn.len() as f64,
            weights: drawn.into_iter().map(|w| w.clamp(low, high)).collect(),
            samples,
            inputs,
            outputs,
            draw: vectors,
            stream: Stream::new(seed),
        }
    }
}

impl Product {
    /// These samples for `replicas` replicas from `first` on: lane = sample · replicas + replica.
    pub fn vectors(
        &self,
        which: Vectors,
        samples: Range<usize>,
        (first, replicas): (usize, usize),
    ) -> StackVector {
        let mut out = StackVector::zeros(self.inputs, samples.len() * replicas);
        for input in 0..self.inputs {
            let lanes = out.lanes_mut(input).chunks_mut(replicas);
            for (sample, lanes) in samples.clone().zip(lanes) {
                for (r, v) in lanes.iter_mut().enumerate() {
                    let at = Coordinates {
                        step: sample as u32,
                        cell: input as u32,
                        replica: (first + r) as u32,
                        purpose: Purpose::Input,
                        index: which as u32,
                    };
                    *v = match self.draw {
                        Draw::Normal(deviation) => deviation as f32 * self.stream.normal(at),
                        Draw::Uniform(largest) => {
                            largest as f32 * (2.0 * self.stream.uniform(at) - 1.0)
                        }
                    };
                }
            }
        }
        out
    }

    /// Exact products in double precision, one element an output and lane, output by output.
    pub fn exact(&self, vectors: &StackVector) -> Vec<f64> {
        let width = vectors.width();
        let mut out = vec![0.0; self.outputs * width];
        for (input, weights) in self.weights.chunks(self.outputs).enumerate() {
            let x = vectors.lanes(input);
            for (sums, w) in out.chunks_mut(width).zip(weights) {
                for (y, x) in sums.iter_mut().zip(x) {
                    *y += w * f64::from(*x);
                }
            }
        }
        out
    }
}
