//! What a network computes exactly, in double precision: the oracle of training, and what theory averages over.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use nalgebra::DMatrix;

use super::{Activation, Examples, Network, Target, Targets};

fn view(m: &DMatrix<f64>) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(m.as_slice(), m.nrows(), m.ncols())
}

/// Several times as fast as nalgebra's, which takes transposed factors number by number.
fn product(a: MatRef<f64>, b: MatRef<f64>) -> DMatrix<f64> {
    let (rows, columns) = (a.nrows(), b.ncols());
    let mut out = DMatrix::zeros(rows, columns);
    let into = MatMut::from_column_major_slice_mut(out.as_mut_slice(), rows, columns);
    matmul(into, Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

/// `aᵀ b`
pub(crate) fn transposed_product(a: &DMatrix<f64>, b: &DMatrix<f64>) -> DMatrix<f64> {
    product(view(a).transpose(), view(b))
}

/// Forward and backward pass of all samples of a set.
#[derive(Debug, Clone)]
pub struct Passes {
    /// What every layer was driven with, one sample a row, the bias line last.
    pub inputs: Vec<DMatrix<f64>>,
    /// `∂L/∂z` of every layer, one sample a row.
    pub errors: Vec<DMatrix<f64>>,
    /// The last sums, one sample a row.
    pub outputs: DMatrix<f64>,
    /// The loss of every sample.
    pub losses: Vec<f64>,
}

impl Network {
    /// The last sums of all samples for these weights (rows × outputs of every layer), and what every layer was driven with.
    fn forward(
        &self,
        weights: &[DMatrix<f64>],
        x: &DMatrix<f64>,
    ) -> (Vec<DMatrix<f64>>, DMatrix<f64>) {
        let mut inputs: Vec<DMatrix<f64>> = Vec::with_capacity(self.layers.len());
        let mut values = x.clone();
        for (layer, w) in self.layers.iter().zip(weights) {
            let driven = match layer.bias {
                true => values.insert_column(layer.inputs, 1.0),
                false => values,
            };
            values = product(view(&driven), view(w));
            values.apply(|z| *z = layer.activation.value(*z));
            inputs.push(driven);
        }
        (inputs, values)
    }

    /// The derivatives in the sums of every layer of what has the derivatives `last` in the last sums, one sample a row; `inputs` are those of
    /// the forward pass.
    fn backward(
        &self,
        weights: &[DMatrix<f64>],
        inputs: &[DMatrix<f64>],
        last: DMatrix<f64>,
    ) -> Vec<DMatrix<f64>> {
        let mut errors = vec![last];
        for k in (1..self.layers.len()).rev() {
            let later = errors.last().expect("one a layer");
            let own: Activation = self.layers[k - 1].activation;
            let driving = view(&weights[k]).subrows(0, self.layers[k].inputs);
            let mut back = product(view(later), driving.transpose());
            let slopes = inputs[k].columns(0, back.ncols());
            back.zip_apply(&slopes, |e, a| *e *= own.slope(a));
            errors.push(back);
        }
        errors.reverse();
        errors
    }

    /// The second derivatives of Gauss and Newton, without the curvature of activations, at the weights of `passes`: those of the loss of a sample
    /// in the sums of a layer are `Σ_k s_k s_kᵀ` of as many vectors as there are outputs. Vector by vector: those of every layer, one sample a row.
    ///
    /// Each goes back like an error does.
    pub fn curvature_factors(
        &self,
        weights: &[DMatrix<f64>],
        passes: &Passes,
    ) -> Vec<Vec<DMatrix<f64>>> {
        let (samples, width) = passes.outputs.shape();
        let mut factors = vec![DMatrix::zeros(samples, width); width];
        let mut z = vec![0.0; width];
        for s in 0..samples {
            for (c, z) in z.iter_mut().enumerate() {
                *z = passes.outputs[(s, c)];
            }
            let all = self.objective.factors(&z);
            for (factor, own) in factors.iter_mut().zip(all.chunks(width)) {
                own.iter()
                    .enumerate()
                    .for_each(|(c, v)| factor[(s, c)] = *v);
            }
        }
        let back = |factor| self.backward(weights, &passes.inputs, factor);
        factors.into_iter().map(back).collect()
    }

    /// Both passes of all samples for these weights (rows × outputs of every layer).
    ///
    /// # Panics
    /// If weights or examples have other sizes.
    pub fn passes(&self, weights: &[DMatrix<f64>], examples: &Examples) -> Passes {
        let (inputs, outputs) = self.forward(weights, &examples.x);
        let (samples, width) = outputs.shape();
        let mut losses = Vec::with_capacity(samples);
        let mut last = DMatrix::zeros(samples, width);
        let mut error = vec![0.0; width];
        for s in 0..samples {
            let z: Vec<f64> = outputs.row(s).iter().copied().collect();
            let row: Vec<f64>;
            let target = match &examples.targets {
                Targets::Classes { of, .. } => Target::Class(of[s]),
                Targets::Values(values) => {
                    row = values.row(s).iter().copied().collect();
                    Target::Values(&row)
                }
            };
            losses.push(self.objective.errors(&z, target, &mut error));
            for (c, e) in error.iter().enumerate() {
                last[(s, c)] = *e;
            }
        }
        Passes {
            errors: self.backward(weights, &inputs, last),
            inputs,
            outputs,
            losses,
        }
    }
}

impl Passes {
    /// Mean loss.
    pub fn loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }

    /// Mean gradient of a layer, `E[x_r ∂L/∂z_c]`.
    pub fn gradient(&self, layer: usize) -> DMatrix<f64> {
        self.mean_product(&self.inputs[layer], &self.errors[layer])
    }

    /// Mean modulus of the gradient of single samples, `E|x_r ∂L/∂z_c|`.
    pub fn abs_gradient(&self, layer: usize) -> DMatrix<f64> {
        let (x, e) = (self.inputs[layer].abs(), self.errors[layer].abs());
        self.mean_product(&x, &e)
    }

    /// The largest `|x_r ∂L/∂z_c|` of all samples.
    pub fn largest_gradient(&self, layer: usize) -> f64 {
        let rows = self.inputs[layer]
            .row_iter()
            .zip(self.errors[layer].row_iter());
        rows.map(|(x, e)| x.amax() * e.amax()).fold(0.0, f64::max)
    }

    /// `E[g|g|]` of the gradient of single samples, `g = x_r ∂L/∂z_c`.
    pub fn signed_square_gradient(&self, layer: usize) -> DMatrix<f64> {
        let square = |m: &DMatrix<f64>| m.map(|v| v * v.abs());
        self.mean_product(&square(&self.inputs[layer]), &square(&self.errors[layer]))
    }

    /// Mean square of the gradient of single samples, `E[(x_r ∂L/∂z_c)²]`.
    pub fn square_gradient(&self, layer: usize) -> DMatrix<f64> {
        let square = |m: &DMatrix<f64>| m.map(|v| v * v);
        self.mean_product(&square(&self.inputs[layer]), &square(&self.errors[layer]))
    }

    /// `E[x_r e_c]` of numbers of every sample, one sample a row.
    pub fn mean_product(&self, x: &DMatrix<f64>, e: &DMatrix<f64>) -> DMatrix<f64> {
        transposed_product(x, e) / self.losses.len() as f64
    }

    /// Share of samples whose largest output is that of their class.
    pub fn accuracy(&self, classes: &[usize]) -> f64 {
        let right = classes.iter().zip(self.outputs.row_iter());
        let right = right.filter(|(class, z)| z.transpose().imax() == **class);
        right.count() as f64 / classes.len() as f64
    }
}

/// Largest difference, over the weights of every layer, between the gradient by back-propagation and central differences of the mean loss, relative to the
/// largest component of the layer.
///
/// The step is `ε^{1/3} max(1, |w|)`: truncation `h²` and rounding `ε/h` then balance, which leaves an error of
/// about `ε^{2/3} ≈ 4e-11` relative to the loss's scale.
pub fn gradient_errors(
    network: &Network,
    weights: &[DMatrix<f64>],
    examples: &Examples,
) -> Vec<f64> {
    let passes = network.passes(weights, examples);
    let layers = 0..network.layers.len();
    layers
        .map(|k| {
            let exact = passes.gradient(k);
            let scale = exact.amax().max(f64::MIN_POSITIVE);
            let errors = (0..weights[k].len()).map(|j| {
                let h = f64::EPSILON.cbrt() * weights[k][j].abs().max(1.0);
                let at = |d: f64| {
                    let mut w = weights.to_vec();
                    w[k][j] += d;
                    network.passes(&w, examples).loss()
                };
                ((at(h) - at(-h)) / (2.0 * h) - exact[j]).abs() / scale
            });
            errors.fold(0.0, f64::max)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    use super::super::Objective;
    use super::*;

    fn random(rng: &mut Pcg64, rows: usize, columns: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |_, _| rng.random_range(-1.0..1.0))
    }

    #[test]
    fn every_gradient_agrees_with_central_differences() {
        let mut rng = Pcg64::seed_from_u64(1);
        let x = random(&mut rng, 7, 4);
        let classes = Targets::Classes {
            of: vec![0, 2, 1, 1, 0, 2, 2],
            count: 3,
        };
        let values = Targets::Values(random(&mut rng, 7, 3));
        for (name, activation) in Activation::NAMED {
            for objective in [Objective::SquaredError, Objective::CrossEntropy] {
                for bias in [false, true] {
                    let network = Network::new(4, &[5, 6, 3], bias, activation, objective);
                    let shapes = network.layers.iter().map(|l| (l.rows(), l.outputs));
                    let weights: Vec<_> = shapes.map(|(r, c)| random(&mut rng, r, c)).collect();
                    let mut targets = vec![classes.clone()];
                    if objective == Objective::SquaredError {
                        targets.push(values.clone());
                    }
                    for targets in targets {
                        let examples = Examples {
                            x: x.clone(),
                            targets,
                        };
                        for error in gradient_errors(&network, &weights, &examples) {
                            // 4e-11 of a loss that is up to some tens of the gradient's scale
                            assert!(error < 1e-8, "{name} {objective:?} {bias}: {error}");
                        }
                    }
                }
            }
        }
    }

    /// For one layer, and for identities, the second derivatives of Gauss and Newton are all.
    #[test]
    fn curvatures_agree_with_differences_of_gradients() {
        let mut rng = Pcg64::seed_from_u64(2);
        for (sizes, objective) in [
            (&[3][..], Objective::CrossEntropy),
            (&[5, 3][..], Objective::CrossEntropy),
            (&[5, 3][..], Objective::SquaredError),
        ] {
            let network = Network::new(4, sizes, true, Activation::Identity, objective);
            let shapes = network.layers.iter().map(|l| (l.rows(), l.outputs));
            let weights: Vec<_> = shapes.map(|(r, c)| random(&mut rng, r, c)).collect();
            let examples = Examples {
                x: random(&mut rng, 6, 4),
                targets: Targets::Classes {
                    of: vec![0, 2, 1, 1, 0, 2],
                    count: 3,
                },
            };
            let passes = network.passes(&weights, &examples);
            let factors = network.curvature_factors(&weights, &passes);
            for k in 0..weights.len() {
                let square = |m: &DMatrix<f64>| m.map(|v| v * v);
                let curvature = factors.iter().map(|f| square(&f[k])).sum::<DMatrix<f64>>();
                let found = passes.mean_product(&square(&passes.inputs[k]), &curvature);
                for j in 0..weights[k].len() {
                    let h = 1e-5;
                    let at = |d: f64| {
                        let mut w = weights.clone();
                        w[k][j] += d;
                        network.passes(&w, &examples).gradient(k)[j]
                    };
                    // h² and ε/h.
                    let difference = (at(h) - at(-h)) / (2.0 * h);
                    assert!((found[j] - difference).abs() < 1e-8, "{k} {j}");
                }
            }
        }
    }

    #[test]
    fn a_softmax_of_equal_outputs_is_even() {
        let network = Network::new(2, &[4], false, Activation::Tanh, Objective::CrossEntropy);
        let examples = Examples {
            x: DMatrix::from_row_slice(1, 2, &[3.0, -1.0]),
            targets: Targets::Classes {
                of: vec![2],
                count: 4,
            },
        };
        let passes = network.passes(&[DMatrix::zeros(2, 4)], &examples);
        assert!((passes.loss() - 4.0_f64.ln()).abs() < 1e-15);
        let expected = [0.25, 0.25, -0.75, 0.25];
        for (c, e) in expected.into_iter().enumerate() {
            assert!((passes.errors[0][(0, c)] - e).abs() < 1e-15);
            assert!((passes.abs_gradient(0)[(1, c)] - f64::abs(e)).abs() < 1e-15);
        }
        // Sums far beyond the range of exponentials.
        let passes = network.passes(&[DMatrix::from_element(2, 4, 1e5)], &examples);
        assert!((passes.loss() - 4.0_f64.ln()).abs() < 1e-9);
    }
}
