//! How far the weights of single devices are from the mean, and what that does to their answers.
//!
//! # Equation
//! `dC_ab/dt = -2 κ_ab C_ab + D_ab` for the variance of every mode of a layer along the trajectory, modes being products of an eigenvector a of
//! `E[x xᵀ]` and b of the mean second derivatives in the layer's sums: `κ = F h + ⟨ḡ F' + E|g| G'⟩`, `h_ab = E[(a·x)² Σ_k (b·s_k)²]`,
//! `D = η F² Var((a·x)(b·∂L/∂z)) + ⟨Var(pulses)/η + what G adds⟩`
//!
//! # Symbols
//! | symbol | meaning |
//! | --- | --- |
//! | s_k | factors of the second derivatives of Gauss and Newton: [`Network::curvature_factors`] |
//! | Var(pulses) | of one firing given its request: whole pulses and cycle-to-cycle noise, those of the closure P1 |
//! | ⟨·⟩ | mean over weights with the squares of the mode's components, as independent cells have it |
//! | η | learning rate of one firing at that time |
//!
//! Where every sample is seen once an epoch, the gradient's part of D is less: that at the ends of epochs. That is taken for samples whose
//! gradients do not depend on each other within an epoch, and leaves fine devices, whose pulses add little, with standard deviations that are
//! a fifth too small.
//!
//! # Behaviour
//! The linear-noise approximation. Pulse noise is the same in all directions, and the data pull back in few: weights taken alone would spread
//! noise over stiff modes that never carry it, and lose too much accuracy. Modes turn with the weights, and variances
//! with them; correlations between modes, and between layers, are left out: what changes a layer and is undone by the next.
//!
//! # Reference
//! S. Mandt, M. D. Hoffman, D. M. Blei, J. Mach. Learn. Res. 18, 1–35 (2017), <https://arxiv.org/abs/1704.04289>, for the gradient's part; the modes are those of
//! J. Martens, R. Grosse, ICML 2015, <https://arxiv.org/abs/1503.05671>.

use nalgebra::{DMatrix, SymmetricEigen};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::super::closure::{Given, Gradient};
use super::super::counts::train;
use super::super::gaussian::Normal;
use super::drift::assert_predictable;
use super::requests::{Blocks, OfSample, batch_variance, pulses, sample_means};
use super::{NetworkSetting, Point, exact_score};
use crate::crossbar::ArrayModel;
use crate::device::{CountMoments, Counting};
use crate::error::Result;
use crate::number::quadrature::hermite;
use crate::training::network::{Examples, Network, Passes, transposed_product};

/// Nodes for counts of Gaussian gradients.
const NODES: usize = 41;

/// How the weights of a layer fluctuate about their mean: independently in modes.
#[derive(Debug, Clone)]
pub struct Spread {
    pub(super) modes: Modes,
    /// Of every mode.
    pub(super) variance: DMatrix<f64>,
}

/// Modes of a layer: eigenvectors of its rows and of its outputs, one a column.
#[derive(Debug, Clone)]
pub(super) struct Modes {
    pub rows: DMatrix<f64>,
    pub outputs: DMatrix<f64>,
}

/// Means over the data of one layer.
struct Moments {
    /// Of every weight, rows × outputs.
    gradient: DMatrix<f64>,
    size: DMatrix<f64>,
    square: DMatrix<f64>,
    signed_square: DMatrix<f64>,
    /// Of the pulses of each cell that gradients below and above zero ask for: mean, variance.
    counts: [[DMatrix<f64>; 2]; 2],
    /// Of every mode: variance of its gradient, and second derivative.
    sampled: DMatrix<f64>,
    curvature: DMatrix<f64>,
}

/// Decay and noise of the variances of one layer's modes, per unit of training time.
struct Rates {
    decay: DMatrix<f64>,
    noise: DMatrix<f64>,
}

fn squares(m: &DMatrix<f64>) -> DMatrix<f64> {
    m.map(|v| v * v)
}

impl Modes {
    /// Those of these second moments.
    fn of(rows: DMatrix<f64>, outputs: DMatrix<f64>) -> Self {
        let vectors = |m| SymmetricEigen::new(m).eigenvectors;
        Self {
            rows: vectors(rows),
            outputs: vectors(outputs),
        }
    }

    /// Means over weights of what is independent from weight to weight, for every mode.
    fn mix(&self, m: &DMatrix<f64>) -> DMatrix<f64> {
        transposed_product(&squares(&self.rows), m) * squares(&self.outputs)
    }

    /// Of variances in other modes, what these modes have of them.
    fn turn(&self, from: &Self, m: &DMatrix<f64>) -> DMatrix<f64> {
        let rows = transposed_product(&from.rows, &self.rows);
        let outputs = transposed_product(&from.outputs, &self.outputs);
        transposed_product(&squares(&rows), m) * squares(&outputs)
    }
}

impl Spread {
    /// Variance of every weight, rows × outputs.
    pub fn variances(&self) -> DMatrix<f64> {
        squares(&self.modes.rows) * &self.variance * squares(&self.modes.outputs).transpose()
    }

    /// Weights about `mean`, drawn.
    pub fn draw(&self, mean: &DMatrix<f64>, rng: &mut Pcg64) -> DMatrix<f64> {
        let drawn = self.variance.map(|v| {
            let z: f64 = StandardNormal.sample(rng);
            v.sqrt() * z
        });
        mean + &self.modes.rows * drawn * self.modes.outputs.transpose()
    }
}

/// Mean and variance of counts, apart for gradients below and above zero, from those of gradients.
#[derive(Clone, Copy)]
struct Counts {
    counting: Counting,
    per: f64,
}

impl OfSample<4> for Counts {
    #[inline(always)]
    fn of(self, g: f64) -> [f64; 4] {
        let m = self.counting.moments(self.per * g.abs());
        let (below, above) = match g > 0.0 {
            true => (0.0, 1.0),
            false => (1.0, 0.0),
        };
        [
            below * m.mean,
            below * m.variance,
            above * m.mean,
            above * m.variance,
        ]
    }
}

impl NetworkSetting<'_> {
    /// How the weights of every layer fluctuate at the points of a trajectory's curve, which are close enough for rates that are linear between them.
    /// `rate` is the learning rate of one firing at a training time. At the first point nothing has fluctuated; layers that are held
    /// digitally do not.
    ///
    /// # Errors
    /// As [`NetworkSetting::trajectory`].
    ///
    /// # Panics
    /// If weights or arrays have other sizes than the network.
    pub fn fluctuations(
        &self,
        curve: &[Point],
        rate: impl Fn(f64) -> f64,
    ) -> Result<Vec<Vec<Option<Spread>>>> {
        assert_predictable(self)?;
        let blocks = Blocks::new(self.examples);
        let mut out: Vec<Vec<Option<Spread>>> = Vec::new();
        let mut before: Vec<Option<Rates>> = Vec::new();
        for (i, point) in curve.iter().enumerate() {
            let rate = rate(point.time);
            let modes = self.modes(&blocks, &point.weights);
            let moments = self.moments(&blocks, &point.weights, &modes, rate);
            let mut spreads = Vec::new();
            let mut now = Vec::new();
            for (k, (modes, moments)) in modes.into_iter().zip(&moments).enumerate() {
                let Some(model) = self.array(k) else {
                    spreads.push(None);
                    now.push(None);
                    continue;
                };
                let w = &point.weights[k];
                let last = out.last().and_then(|l| l[k].as_ref());
                let variance = match last {
                    Some(last) => modes.turn(&last.modes, &last.variance),
                    None => w.map(|_| 0.0),
                };
                let mut spread = Spread { modes, variance };
                let rates = self.layer_rates(model, w, moments, &spread, rate);
                if let (Some(last), Some(Some(b))) = (last, before.get(k)) {
                    let turned = Rates {
                        decay: spread.modes.turn(&last.modes, &b.decay),
                        noise: spread.modes.turn(&last.modes, &b.noise),
                    };
                    let h = point.time - curve[i - 1].time;
                    advance(&mut spread.variance, &turned, &rates, h);
                }
                spreads.push(Some(spread));
                now.push(Some(rates));
            }
            out.push(spreads);
            before = now;
        }
        Ok(out)
    }

    fn modes(&self, blocks: &Blocks, weights: &[DMatrix<f64>]) -> Vec<Modes> {
        let all = blocks.mean(self.network, weights, |passes: &Passes, out| {
            let factors = self.network.curvature_factors(weights, passes);
            for (k, out) in out.iter_mut().enumerate() {
                let x = &passes.inputs[k];
                let terms = factors.iter().map(|f| passes.mean_product(&f[k], &f[k]));
                out.push(passes.mean_product(x, x));
                out.push(terms.sum());
            }
        });
        let modes = |mut layer: Vec<DMatrix<f64>>| {
            let outputs = layer.swap_remove(1);
            Modes::of(layer.swap_remove(0), outputs)
        };
        all.into_iter().map(modes).collect()
    }

    fn moments(
        &self,
        blocks: &Blocks,
        weights: &[DMatrix<f64>],
        modes: &[Modes],
        rate: f64,
    ) -> Vec<Moments> {
        let per = |k: usize| self.array(k).map_or(0.0, |model| pulses(rate, model));
        let per_sample = matches!(self.gradient, Gradient::PerSample { .. });
        let all = blocks.mean(self.network, weights, |passes: &Passes, out| {
            let factors = self.network.curvature_factors(weights, passes);
            for (k, (out, modes)) in out.iter_mut().zip(modes).enumerate() {
                let x = squares(&(&passes.inputs[k] * &modes.rows));
                let along = |m: &DMatrix<f64>| squares(&(m * &modes.outputs));
                let curvature = factors.iter().map(|f| along(&f[k])).sum::<DMatrix<f64>>();
                out.push(passes.gradient(k));
                out.push(passes.square_gradient(k));
                out.push(passes.mean_product(&x, &along(&passes.errors[k])));
                out.push(passes.mean_product(&x, &curvature));
                if per_sample {
                    out.push(passes.abs_gradient(k));
                    out.push(passes.signed_square_gradient(k));
                    let counted = self.counted(passes, k, per(k), out);
                    out.extend(counted);
                }
            }
        });
        let of = |(k, layer): (usize, Vec<DMatrix<f64>>)| {
            let mut layer = layer.into_iter();
            let mut next = || layer.next().expect("as many as were made");
            let (gradient, square, along, curvature) = (next(), next(), next(), next());
            let modes = &modes[k];
            let turned = transposed_product(&modes.rows, &gradient) * &modes.outputs;
            let (batch, noise) = match self.gradient {
                Gradient::PerSample { .. } => (Some(1), 0.0),
                Gradient::Summed { batch, noise } => (batch, noise),
            };
            let sampled = batch_variance(&turned, Some(&along), batch, noise);
            if !per_sample {
                let v = batch_variance(&gradient, Some(&square), batch, noise);
                return summed(self.counting, per(k), gradient, &v, [sampled, curvature]);
            }
            Moments {
                gradient,
                square,
                size: next(),
                signed_square: next(),
                counts: [[next(), next()], [next(), next()]],
                sampled,
                curvature,
            }
        };
        all.into_iter().enumerate().map(of).collect()
    }

    /// Means over the samples of [`Counts`], after the means `[ḡ, E g², …, E|g|, E g|g|]` of the same samples. Where the moments
    /// are polynomials of all requests, they follow from these.
    fn counted(
        &self,
        passes: &Passes,
        layer: usize,
        per: f64,
        means: &[DMatrix<f64>],
    ) -> [DMatrix<f64>; 4] {
        let [linear, quadratic] = match self.counting {
            Counting::Expected => [0.0; 2],
            Counting::Coincidence { bits, .. }
                if per * passes.largest_gradient(layer) <= f64::from(bits) =>
            {
                [per, -per * per / f64::from(bits)]
            }
            counting => return sample_means(passes, layer, Counts { counting, per }),
        };
        let [gradient, square, .., size, signed_square] = means else {
            panic!("means of this layer");
        };
        // Of one sign: half of the sum or the difference.
        let part = |all: &DMatrix<f64>, signed: &DMatrix<f64>, sign: f64| {
            all.zip_map(signed, |a, s| (0.5 * (a + sign * s)).max(0.0))
        };
        let [below, above] = [-1.0, 1.0].map(|sign| {
            let (first, second) = (
                part(size, gradient, sign),
                part(square, signed_square, sign),
            );
            [&first * per, first * linear + second * quadratic]
        });
        let [[a, b], [c, d]] = [below, above];
        [a, b, c, d]
    }

    fn layer_rates(
        &self,
        model: &ArrayModel,
        w: &DMatrix<f64>,
        moments: &Moments,
        spread: &Spread,
        rate: f64,
    ) -> Rates {
        let variances = spread.variances();
        let map = model.map;
        let n = map.cells_per_weight();
        let of = |j: usize| {
            let at = (j / map.outputs(), j % map.outputs());
            let (mean, size) = (moments.gradient[at], moments.size[at]);
            let (mut f, mut g, mut own, mut noise) = (0.0, 0.0, 0.0, 0.0);
            for k in j * n..(j + 1) * n {
                let response = model.response(k, model.balanced_value(k, w[at]));
                let (share, sign) = (map.share(k), map.sign(k));
                f += sign * share * response.f[0];
                g += sign * share.abs() * response.g[0];
                own += share * mean * response.f[1] + share.abs() * size * response.g[1];
                let retention = model.cells.retention_of(k);
                own += retention.map_or(0.0, |r| r.lost(self.seconds) / rate);
                // Cells of a weight fluctuate alike.
                let given = Given {
                    shift: 0.0,
                    variance: variances[at] / n as f64,
                };
                for (negative, [mean, variance]) in [1.0, -1.0].into_iter().zip(&moments.counts) {
                    let counts = CountMoments {
                        mean: mean[at],
                        variance: variance[at],
                        factorial: 0.0,
                    };
                    let pulses = train(model, negative * share, counts, &response, &given, k);
                    noise += pulses.variance / rate;
                }
            }
            // What the asymmetry adds to the variance of the gradient.
            let bent = g * g * (moments.square[at] - size * size)
                + 2.0 * f * g * (moments.signed_square[at] - mean * size);
            // Where all cells are stuck, f and g are zero.
            [f, own / n as f64, rate * bent + noise]
        };
        let all: Vec<[f64; 3]> = (0..map.weights()).into_par_iter().map(of).collect();
        let part = |i: usize| {
            let weights = super::matrix(map.inputs(), map.outputs(), |j| all[j][i]);
            spread.modes.mix(&weights)
        };
        let (f, own, noise) = (part(0), part(1), part(2));
        let decay = moments.curvature.component_mul(&f) + own;
        let kept = |k: f64| match self.epoch {
            Some(firings) => unbalanced(k * rate * f64::from(firings)),
            None => 1.0,
        };
        let sampled = moments.sampled.component_mul(&f).component_mul(&f) * rate;
        let sampled = sampled.component_mul(&decay.map(kept));
        Rates {
            decay,
            noise: (sampled + noise).map(|v| v.max(0.0)),
        }
    }
}

/// Part of the variance by sampling that is left at the end of epochs in which every sample is seen once, `1 - tanh(x/2)/(x/2)` for a decay by x in
/// an epoch: the gradients of an epoch add up to its mean, and what decays slowly feels nothing else.
///
/// Weights `a_i = e^{-x (1 - i/N)}` of N deviations that add up to zero: `Σ a² - (Σ a)²/N` in place of `Σ a²`.
fn unbalanced(x: f64) -> f64 {
    match x.abs() < 1e-3 {
        true => x * x / 12.0,
        false => 1.0 - (0.5 * x).tanh() / (0.5 * x),
    }
}

/// The same of Gaussian gradients.
fn summed(
    counting: Counting,
    per: f64,
    gradient: DMatrix<f64>,
    variance: &DMatrix<f64>,
    [sampled, curvature]: [DMatrix<f64>; 2],
) -> Moments {
    let nodes = hermite(NODES);
    let of = |g| Counts { counting, per }.of(g);
    let counts = |part: usize| {
        gradient.zip_map(variance, |g, v| {
            let terms = nodes.iter().map(|(z, p)| p * of(g + v.sqrt() * z)[part]);
            terms.sum::<f64>()
        })
    };
    let normal = |of: fn(&Normal) -> f64| gradient.zip_map(variance, |g, v| of(&Normal::new(g, v)));
    Moments {
        size: normal(|n| n.abs),
        square: normal(Normal::square),
        signed_square: normal(Normal::signed_square),
        counts: [[counts(0), counts(1)], [counts(2), counts(3)]],
        gradient,
        sampled,
        curvature,
    }
}

/// Exact for rates that stay as they are, here the means of both ends.
fn advance(c: &mut DMatrix<f64>, a: &Rates, b: &Rates, h: f64) {
    for (j, c) in c.iter_mut().enumerate() {
        let decay = a.decay[j] + b.decay[j];
        let noise = 0.5 * (a.noise[j] + b.noise[j]);
        // (1 - e^{-x})/x
        let x = decay * h;
        let part = if x.abs() < 1e-12 {
            1.0
        } else {
            -(-x).exp_m1() / x
        };
        *c = *c * (-x).exp() + noise * h * part;
    }
}

/// Loss and, for classes, accuracy of `count` networks whose weights (rows × outputs of every layer) are drawn about `weights` as they fluctuate.
///
/// # Panics
/// If weights, spreads or examples have other sizes than the network.
pub fn sampled_scores(
    network: &Network,
    weights: &[DMatrix<f64>],
    spreads: &[Option<Spread>],
    examples: &Examples,
    count: usize,
    seed: u64,
) -> Vec<(f64, Option<f64>)> {
    let drawn = |k: usize| {
        let mut rng = Pcg64::new(u128::from(seed), k as u128);
        let layers = weights.iter().zip(spreads);
        let drawn: Vec<DMatrix<f64>> = layers
            .map(|(w, spread)| match spread {
                Some(spread) => spread.draw(w, &mut rng),
                None => w.clone(),
            })
            .collect();
        exact_score(network, &drawn, examples)
    };
    (0..count).into_par_iter().map(drawn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_balance_what_decays_slowly() {
        let n = 4000;
        for x in [0.01, 0.5, 3.0, 20.0] {
            let a = (0..n).map(|i| (-x * (1.0 - (f64::from(i) + 0.5) / f64::from(n))).exp());
            let (sum, squares) = a.fold((0.0, 0.0), |(s, q), a| (s + a, q + a * a));
            let expected = 1.0 - sum * sum / f64::from(n) / squares;
            // Midpoints of 4000 strips, and the cancellation of the series at .01: 1e-5 of it.
            assert!((unbalanced(x) / expected - 1.0).abs() < 1e-4, "{x}");
        }
        assert!((unbalanced(1e-3) / unbalanced(0.999_999e-3) - 1.0).abs() < 1e-4);
    }
}
