//! Batch normalization: the digital side of the sums of a hidden layer.
//!
//! # Equation
//! `y_b = γ ẑ_b + β`, `ẑ_b = (z_b - m)/√(v + ε)`, with the mean m and the variance v (without Bessel's correction) of the batch while training, and their running means
//! when a network is asked. Errors go back as `∂L/∂z_b = γ/√(v + ε) (e_b - ⟨e⟩ - ẑ_b ⟨e ẑ⟩)`, `e_b = ∂L/∂y_b`, and γ and β descend `⟨e ẑ⟩` and `⟨e⟩`.
//!
//! # Symbols
//! | symbol | meaning |
//! | --- | --- |
//! | z, y | sum of one output as it is read, and what its activation acts on |
//! | γ, β | scale and shift, digital numbers that are learned; 1 and 0 to begin with |
//! | ⟨·⟩ | mean over the samples of a batch of one replica |
//!
//! # Behaviour
//! The loss does not change when the weights of an output are multiplied: an L2 that shrinks them makes steps larger instead.
//!
//! # Reference
//! S. Ioffe, C. Szegedy, ICML 2015, <https://arxiv.org/abs/1502.03167>, algorithms 1 and 2.

use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::error::Result;
use crate::number::Real;

/// How hidden layers are normalised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// What a batch counts in the running means.
    pub momentum: f64,
    /// ε, added to variances.
    pub epsilon: f64,
}

/// Replaces the sums of a batch by ẑ; returns m, v and `1/√(v + ε)`.
fn standardise<R: Real>(z: &mut [R], epsilon: R) -> [R; 3] {
    let share = R::lit(1.0) / R::lit(z.len() as f64);
    let mean = total(z.iter().copied()) * share;
    let variance = total(z.iter().map(|v| (*v - mean).square())) * share;
    let inverse = R::lit(1.0) / (variance + epsilon).sqrt();
    for v in z {
        *v = (*v - mean) * inverse;
    }
    [mean, variance, inverse]
}

/// Replaces `∂L/∂y` of a batch by `∂L/∂z`; returns `⟨e ẑ⟩` and `⟨e⟩`. `scale` is `γ/√(v + ε)`.
fn back<R: Real>(errors: &mut [R], standardised: &[R], scale: R) -> [R; 2] {
    let share = R::lit(1.0) / R::lit(errors.len() as f64);
    let pairs = errors.iter().zip(standardised);
    let along = total(pairs.map(|(e, z)| *e * *z)) * share;
    let mean = total(errors.iter().copied()) * share;
    for (e, z) in errors.iter_mut().zip(standardised) {
        *e = scale * (*e - mean - *z * along);
    }
    [along, mean]
}

fn total<R: Real>(values: impl Iterator<Item = R>) -> R {
    values.fold(R::lit(0.0), |sum, v| sum + v)
}

/// The normalization of one layer of a stack: one element an output and replica.
#[derive(Debug, Clone)]
pub struct Normaliser {
    plan: Normalisation,
    replicas: usize,
    scale: StackVector,
    shift: StackVector,
    mean: StackVector,
    variance: StackVector,
    /// ẑ of the last batch, lane = sample · replicas + replica.
    standardised: StackVector,
    /// `1/√(v + ε)` of the last batch.
    inverse: StackVector,
    /// `⟨e ẑ⟩` and `⟨e⟩` of the last batch.
    gradient: [StackVector; 2],
    /// Samples of one output and replica, and their ẑ.
    own: Vec<f32>,
    own_standardised: Vec<f32>,
}

impl Normaliser {
    /// That of a layer with so many outputs, to begin with.
    pub fn new(plan: Normalisation, outputs: usize, replicas: usize) -> Self {
        let filled = |value| {
            let mut all = StackVector::zeros(outputs, replicas);
            all.fill(value);
            all
        };
        Self {
            plan,
            replicas,
            scale: filled(1.0),
            shift: filled(0.0),
            mean: filled(0.0),
            variance: filled(1.0),
            standardised: StackVector::default(),
            inverse: filled(0.0),
            gradient: [filled(0.0), filled(0.0)],
            own: Vec::new(),
            own_standardised: Vec::new(),
        }
    }

    /// What is learned and remembered, written to `saved` or taken from there.
    ///
    /// # Errors
    /// Those of [`Saved::list`].
    pub fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        for (name, values) in [
            ("normal-scale", &mut self.scale),
            ("normal-shift", &mut self.shift),
            ("normal-mean", &mut self.mean),
            ("normal-variance", &mut self.variance),
        ] {
            saved.list(name, values.all_mut())?;
        }
        Ok(())
    }

    /// Samples of replica r of these lanes.
    fn gather(own: &mut Vec<f32>, lanes: &[f32], replicas: usize, r: usize) {
        own.clear();
        own.extend(lanes.iter().skip(r).step_by(replicas));
    }

    fn scatter(own: &[f32], lanes: &mut [f32], replicas: usize, r: usize) {
        let places = lanes.iter_mut().skip(r).step_by(replicas);
        places.zip(own).for_each(|(place, v)| *place = *v);
    }

    /// Normalises the sums of a batch by itself, and remembers it.
    pub fn learn(&mut self, sums: &mut StackVector) {
        let (outputs, width) = (sums.len(), sums.width());
        self.standardised.reshape(outputs, width);
        let epsilon = self.plan.epsilon as f32;
        let (new, old) = (self.plan.momentum as f32, (1.0 - self.plan.momentum) as f32);
        for c in 0..outputs {
            for r in 0..self.replicas {
                Self::gather(&mut self.own, sums.lanes(c), self.replicas, r);
                let [mean, variance, inverse] = standardise(&mut self.own, epsilon);
                let running = &mut self.mean.lanes_mut(c)[r];
                *running = old * *running + new * mean;
                let running = &mut self.variance.lanes_mut(c)[r];
                *running = old * *running + new * variance;
                self.inverse.lanes_mut(c)[r] = inverse;
                let lanes = self.standardised.lanes_mut(c);
                Self::scatter(&self.own, lanes, self.replicas, r);
                let (scale, shift) = (self.scale.lanes(c)[r], self.shift.lanes(c)[r]);
                for z in &mut self.own {
                    *z = scale * *z + shift;
                }
                Self::scatter(&self.own, sums.lanes_mut(c), self.replicas, r);
            }
        }
    }

    /// Normalises sums by what is remembered.
    pub fn apply(&self, sums: &mut StackVector) {
        let epsilon = self.plan.epsilon as f32;
        for c in 0..sums.len() {
            let factors: Vec<[f32; 2]> = (0..self.replicas)
                .map(|r| {
                    let deviation = (self.variance.lanes(c)[r] + epsilon).sqrt();
                    let factor = self.scale.lanes(c)[r] / deviation;
                    [
                        factor,
                        self.shift.lanes(c)[r] - factor * self.mean.lanes(c)[r],
                    ]
                })
                .collect();
            for sample in sums.lanes_mut(c).chunks_mut(self.replicas) {
                for (z, [factor, shift]) in sample.iter_mut().zip(&factors) {
                    *z = factor * *z + shift;
                }
            }
        }
    }

    /// Sends the errors of the last batch back, from what the activation acts on to the sums.
    pub fn send_back(&mut self, errors: &mut StackVector) {
        for c in 0..errors.len() {
            for r in 0..self.replicas {
                Self::gather(&mut self.own, errors.lanes(c), self.replicas, r);
                let lanes = self.standardised.lanes(c);
                Self::gather(&mut self.own_standardised, lanes, self.replicas, r);
                let scale = self.scale.lanes(c)[r] * self.inverse.lanes(c)[r];
                let found = back(&mut self.own, &self.own_standardised, scale);
                for (gradient, found) in self.gradient.iter_mut().zip(found) {
                    gradient.lanes_mut(c)[r] = found;
                }
                Self::scatter(&self.own, errors.lanes_mut(c), self.replicas, r);
            }
        }
    }

    /// Lets scale and shift descend the gradient of the last batch.
    pub fn descend(&mut self, rate: f64) {
        let rate = rate as f32;
        let [of_scale, of_shift] = &self.gradient;
        for (values, gradient) in [(&mut self.scale, of_scale), (&mut self.shift, of_shift)] {
            for (v, g) in values.all_mut().iter_mut().zip(gradient.all()) {
                *v -= rate * g;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const Z: [f64; 5] = [0.3, -1.2, 2.0, 0.1, 0.7];
    const SCALE: f64 = 1.3;
    const SHIFT: f64 = -0.4;
    const EPSILON: f64 = 1e-3;

    /// Mean of a loss of the outputs that is not symmetric in the samples.
    fn loss(z: &[f64], scale: f64, shift: f64) -> f64 {
        let mut z = z.to_vec();
        standardise(&mut z, EPSILON);
        let losses = z.iter().enumerate().map(|(b, z)| {
            let y = scale * z + shift;
            (1.0 + b as f64) * y.sin()
        });
        losses.sum::<f64>() / 5.0
    }

    #[test]
    fn batches_have_mean_zero_and_variance_one() {
        let mut z = Z;
        let [mean, variance, _] = standardise(&mut z, 0.0);
        assert!((mean - 0.38).abs() < 1e-12 && (variance - 1.0616).abs() < 1e-12);
        let square: f64 = z.iter().map(|z| z * z).sum();
        assert!(z.iter().sum::<f64>().abs() < 1e-12 && (square / 5.0 - 1.0).abs() < 1e-12);
    }

    /// All derivatives against central differences: error about h² + 1e-16/h = 1e-10.
    #[test]
    fn every_gradient_agrees_with_central_differences() {
        let mut z = Z;
        let [_, _, inverse] = standardise(&mut z, EPSILON);
        let slope = |(b, z): (usize, &f64)| (1.0 + b as f64) * (SCALE * z + SHIFT).cos();
        let mut errors: Vec<f64> = z.iter().enumerate().map(slope).collect();
        let [of_scale, of_shift] = back(&mut errors, &z, SCALE * inverse);
        let h = 1e-5;
        let difference = |at: &dyn Fn(f64) -> f64| (at(h) - at(-h)) / (2.0 * h);
        for b in 0..5 {
            let moved = difference(&|d| {
                let mut z = Z;
                z[b] += d;
                loss(&z, SCALE, SHIFT)
            });
            assert!((errors[b] / 5.0 - moved).abs() < 1e-9, "{b}");
        }
        let moved = difference(&|d| loss(&Z, SCALE + d, SHIFT));
        assert!((of_scale - moved).abs() < 1e-9);
        let moved = difference(&|d| loss(&Z, SCALE, SHIFT + d));
        assert!((of_shift - moved).abs() < 1e-9);
    }

    /// After many equal batches the running means are those of the batch: asked and learning networks say the same, each replica by itself.
    #[test]
    fn running_means_become_those_of_the_batch() {
        let plan = Normalisation {
            momentum: 0.1,
            epsilon: 1e-5,
        };
        let mut normaliser = Normaliser::new(plan, 2, 3);
        let mut sums = StackVector::zeros(2, 12);
        for (k, z) in sums.all_mut().iter_mut().enumerate() {
            *z = ((k * k) as f32 * 0.37).sin() * (1.0 + (k % 3) as f32);
        }
        let mut learned = sums.clone();
        for _ in 0..200 {
            learned = sums.clone();
            normaliser.learn(&mut learned);
        }
        let mut asked = sums;
        normaliser.apply(&mut asked);
        for (a, b) in asked.all().iter().zip(learned.all()) {
            // .9²⁰⁰ = 7e-10, rounding of single precision
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        assert_ne!(asked.lanes(0)[0], asked.lanes(0)[1]);
    }
}
