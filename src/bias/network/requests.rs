//! What the cells of a network are asked for on average, from exact passes over the data.

use std::borrow::Cow;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::super::closure::{Gradient, midpoints};
use super::super::gaussian::Normal;
use super::NetworkSetting;
use crate::crossbar::ArrayModel;
use crate::device::Counting;
use crate::training::network::{Examples, Network, Passes, transposed_product};

/// Samples that are passed at once: few enough for caches, and so that threads have their share. Sums do not depend on the threads.
const BLOCK: usize = 192;

/// The training set in blocks.
pub(super) struct Blocks {
    blocks: Vec<Examples>,
    samples: f64,
}

/// Means over the training set of one layer's gradient, and what fires of it: rows × outputs.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// `ḡ`
    pub gradient: DMatrix<f64>,
    /// `E|g|`
    pub size: DMatrix<f64>,
    /// The same two for the pulses that are made of it, where requests may be lost.
    pub made: Option<[DMatrix<f64>; 2]>,
}

impl Blocks {
    pub fn new(examples: &Examples) -> Self {
        let rows: Vec<usize> = (0..examples.len()).collect();
        Self {
            blocks: rows.chunks(BLOCK).map(|r| examples.select(r)).collect(),
            samples: examples.len() as f64,
        }
    }

    /// Means over all samples of what `of` says of a block, layer by layer.
    pub fn mean(
        &self,
        network: &Network,
        weights: &[DMatrix<f64>],
        of: impl Fn(&Passes, &mut [Vec<DMatrix<f64>>]) + Sync,
    ) -> Vec<Vec<DMatrix<f64>>> {
        let layers = network.layers.len();
        let parts: Vec<Vec<Vec<DMatrix<f64>>>> = self
            .blocks
            .par_iter()
            .map(|block| {
                let mut out = vec![Vec::new(); layers];
                let passes = network.passes(weights, block);
                of(&passes, &mut out);
                let part = block.len() as f64 / self.samples;
                out.iter_mut().flatten().for_each(|m| *m *= part);
                out
            })
            .collect();
        let sum = |mut all: Vec<Vec<DMatrix<f64>>>, part: Vec<Vec<DMatrix<f64>>>| {
            let pairs = all.iter_mut().flatten().zip(part.into_iter().flatten());
            pairs.for_each(|(sum, m)| *sum += m);
            all
        };
        parts.into_iter().reduce(sum).unwrap_or_default()
    }

    /// `ḡ` of every layer.
    pub fn gradient(&self, network: &Network, weights: &[DMatrix<f64>]) -> Vec<DMatrix<f64>> {
        let all = self.mean(network, weights, |passes, out| {
            for (k, out) in out.iter_mut().enumerate() {
                out.push(passes.gradient(k));
            }
        });
        all.into_iter().map(|mut m| m.swap_remove(0)).collect()
    }

    /// What every layer is asked for.
    pub fn asked(&self, setting: &NetworkSetting, weights: &[DMatrix<f64>]) -> Vec<Asked> {
        match setting.gradient {
            Gradient::PerSample { .. } => self.per_sample(setting, weights),
            Gradient::Summed { batch, noise } => self.summed(setting, weights, batch, noise),
        }
    }

    fn per_sample(&self, setting: &NetworkSetting, weights: &[DMatrix<f64>]) -> Vec<Asked> {
        let all = self.mean(setting.network, weights, |passes, out| {
            for (k, out) in out.iter_mut().enumerate() {
                out.push(passes.gradient(k));
                out.push(passes.abs_gradient(k));
                if let Some(model) = setting.array(k) {
                    out.extend(made(setting, model, passes, k).into_iter().flatten());
                }
            }
        });
        let asked = |layer: Vec<DMatrix<f64>>| {
            let mut next = layer.into_iter();
            let mut take = || next.next().expect("as many as were made");
            let (gradient, size) = (take(), take());
            let made = next.next().zip(next.next());
            Asked {
                gradient,
                size,
                made: made.map(|(a, b)| [a, b]),
            }
        };
        all.into_iter().map(asked).collect()
    }

    fn summed(
        &self,
        setting: &NetworkSetting,
        weights: &[DMatrix<f64>],
        batch: Option<u32>,
        noise: f64,
    ) -> Vec<Asked> {
        let all = self.mean(setting.network, weights, |passes, out| {
            for (k, out) in out.iter_mut().enumerate() {
                out.push(passes.gradient(k));
                if batch.is_some() {
                    out.push(passes.square_gradient(k));
                }
            }
        });
        let asked = |(k, mut layer): (usize, Vec<DMatrix<f64>>)| {
            let gradient = layer.swap_remove(0);
            let square = layer.pop();
            let variance = batch_variance(&gradient, square.as_ref(), batch, noise);
            Asked {
                size: gradient.zip_map(&variance, |g, v| Normal::new(g, v).abs),
                made: match (setting.array(k), setting.counting) {
                    (Some(model), Counting::Deterministic) => {
                        Some(nearest_of_normal(setting, model, &gradient, &variance))
                    }
                    _ => None,
                },
                gradient,
            }
        };
        all.into_iter().enumerate().map(asked).collect()
    }
}

impl NetworkSetting<'_> {
    /// The array of a layer, where it has one.
    pub(super) fn array(&self, layer: usize) -> Option<&ArrayModel> {
        match &self.layers[layer] {
            super::Held::Cells(model) => Some(model),
            super::Held::Digital(_) => None,
        }
    }
}

/// Pulses that a gradient of 1 asks of each cell of a weight.
pub(super) fn pulses(rate: f64, model: &ArrayModel) -> f64 {
    rate * model.map.share(0).abs() / model.step()
}

/// Variance of the mean gradient of a batch, with noise; of all samples there is the noise alone.
pub(super) fn batch_variance(
    gradient: &DMatrix<f64>,
    square: Option<&DMatrix<f64>>,
    batch: Option<u32>,
    noise: f64,
) -> DMatrix<f64> {
    match (batch, square) {
        (Some(n), Some(square)) => square.zip_map(gradient, |s, g| {
            (s - g * g).max(0.0) / f64::from(n) + noise * noise
        }),
        _ => gradient.map(|_| noise * noise),
    }
}

/// What is made of the requests of single samples, as gradients: mean and mean modulus. None where nothing is lost.
fn made(
    setting: &NetworkSetting,
    model: &ArrayModel,
    passes: &Passes,
    layer: usize,
) -> Option<[DMatrix<f64>; 2]> {
    match setting.counting {
        Counting::Expected | Counting::StochasticRounding => None,
        Counting::Deterministic => {
            let per = pulses(setting.rate, model);
            let counting = setting.counting;
            Some(sample_means(passes, layer, Nearest { counting, per }))
        }
        Counting::Coincidence {
            bits,
            update_management,
            ..
        }
        | Counting::MeanCount {
            bits,
            update_management,
        } => {
            let [x, e] = clipped(setting, model, passes, layer, bits, update_management);
            let share = 1.0 / x.nrows() as f64;
            let size = transposed_product(&x.abs(), &e.abs()) * share;
            Some([transposed_product(&x, &e) * share, size])
        }
    }
}

/// Functions of the gradient of one weight and sample. A trait and not a closure: closures are called, not inlined, in a vector loop.
pub(super) trait OfSample<const N: usize>: Copy {
    fn of(self, gradient: f64) -> [f64; N];
}

/// Whole pulses of a request, as gradients: signed, and their number.
#[derive(Clone, Copy)]
struct Nearest {
    counting: Counting,
    per: f64,
}

impl OfSample<2> for Nearest {
    #[inline(always)]
    fn of(self, g: f64) -> [f64; 2] {
        let n = self.counting.moments(self.per * g.abs()).mean / self.per;
        [n.copysign(g), n]
    }
}

/// Means over samples of functions of the gradient of each weight that no product gives.
pub(super) fn sample_means<const N: usize>(
    passes: &Passes,
    layer: usize,
    of: impl OfSample<N>,
) -> [DMatrix<f64>; N] {
    let (x, e) = (&passes.inputs[layer], &passes.errors[layer]);
    let mut out: [_; N] = std::array::from_fn(|_| DMatrix::zeros(x.ncols(), e.ncols()));
    pulp::Arch::new().dispatch(SampleMeans {
        x,
        e,
        of,
        out: &mut out,
    });
    out
}

struct SampleMeans<'a, O, const N: usize> {
    x: &'a DMatrix<f64>,
    e: &'a DMatrix<f64>,
    of: O,
    out: &'a mut [DMatrix<f64>; N],
}

/// Sums that are made side by side.
const LANES: usize = 64;

impl<O: OfSample<N>, const N: usize> pulp::WithSimd for SampleMeans<'_, O, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let n = self.x.nrows();
        let share = 1.0 / n as f64;
        for (c, e) in self.e.as_slice().chunks_exact(n).enumerate() {
            for (r, x) in self.x.as_slice().chunks_exact(n).enumerate() {
                let mut sums = [[0.0; LANES]; N];
                for (x, e) in x.chunks(LANES).zip(e.chunks(LANES)) {
                    for (lane, (x, e)) in x.iter().zip(e).enumerate().take(LANES) {
                        let values = self.of.of(x * e);
                        for (sums, v) in sums.iter_mut().zip(values) {
                            sums[lane] += v;
                        }
                    }
                }
                for (m, sums) in self.out.iter_mut().zip(&sums) {
                    m[(r, c)] = share * sums.iter().sum::<f64>();
                }
            }
        }
    }
}

/// Inputs and errors as trains of `bits` make them: a probability is at most 1, which cuts what it stands for. Without update management
/// rows have the probability `|x| √(η/δ/BL)`, of the whole array.
fn clipped<'a>(
    setting: &NetworkSetting,
    model: &ArrayModel,
    passes: &'a Passes,
    layer: usize,
    bits: u32,
    managed: bool,
) -> [Cow<'a, DMatrix<f64>>; 2] {
    let (mut x, mut e) = (
        Cow::Borrowed(&passes.inputs[layer]),
        Cow::Borrowed(&passes.errors[layer]),
    );
    let (per, bits) = (pulses(setting.rate, model), f64::from(bits));
    // Gain η/δ of the trains, which knows nothing of the cells that share a weight.
    let gain = setting.rate / model.step();
    for s in 0..x.nrows() {
        let most_x = x.row(s).amax();
        let most_e = e.row(s).amax();
        if most_x == 0.0 || most_e == 0.0 {
            continue;
        }
        // Probability of a row a unit of input; of a column it is `per |e|/(BL · scale)`.
        let scale = match managed {
            true => (most_e * per / most_x / bits).sqrt(),
            false => (gain / bits).sqrt(),
        };
        let (full_x, full_e) = (1.0 / scale, bits * scale / per);
        if most_x > full_x {
            let mut row = x.to_mut().row_mut(s);
            row.apply(|v| *v = v.clamp(-full_x, full_x));
        }
        if most_e > full_e {
            let mut row = e.to_mut().row_mut(s);
            row.apply(|v| *v = v.clamp(-full_e, full_e));
        }
    }
    [x, e]
}

/// What counts to nearest make of Gaussian gradients of these moments.
fn nearest_of_normal(
    setting: &NetworkSetting,
    model: &ArrayModel,
    mean: &DMatrix<f64>,
    variance: &DMatrix<f64>,
) -> [DMatrix<f64>; 2] {
    let per = pulses(setting.rate, model);
    let nodes = midpoints();
    let both = |g: f64, v: f64| {
        let deviation = v.sqrt();
        nodes.iter().fold([0.0, 0.0], |[signed, size], &(z, p)| {
            let g = g + deviation * z;
            let n = p * setting.counting.moments(per * g.abs()).mean / per;
            [signed + n.copysign(g), size + n]
        })
    };
    [0, 1].map(|part| mean.zip_map(variance, |g, v| both(g, v)[part]))
}
