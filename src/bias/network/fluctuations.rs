//! How far the weights of single devices are from the mean, and what that does to their answers.
//!
//! # Equation
//! `dC_j/dt = -2 κ_j C_j + D_j` for the variance of every weight, along the trajectory:
//! `κ_j = F h_j + ḡ F' + E|g| G'`, `h_j = E[x_r² s_c]`, `D_j = η Var(g F + |g| G) + Var(pulses)/η`
//!
//! # Symbols
//! | symbol | meaning |
//! | --- | --- |
//! | h | diagonal of the second derivatives of Gauss and Newton: [`Network::curvatures`] |
//! | Var(pulses) | of one firing given its request: whole pulses and cycle-to-cycle noise, those of the closure P1 |
//! | η | learning rate of one firing at that time |
//!
//! # Behaviour
//! The linear-noise approximation, diagonal: what pulls directions of many weights back together is the second derivative, of which a weight
//! alone sees its own part. Stiff directions fluctuate less than this says, and soft ones more.
//!
//! # Reference
//! S. Mandt, M. D. Hoffman, D. M. Blei, J. Mach. Learn. Res. 18, 1–35 (2017), <https://arxiv.org/abs/1704.04289>, for the gradient's part.

use nalgebra::DMatrix;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::super::closure::{Given, Gradient};
use super::super::counts::train;
use super::super::gaussian::Normal;
use super::drift::assert_predictable;
use super::requests::{Blocks, batch_variance, pulses, sample_means};
use super::{Held, NetworkSetting, Point, exact_score};
use crate::crossbar::ArrayModel;
use crate::device::{CountMoments, Counting};
use crate::error::Result;
use crate::number::quadrature::hermite;
use crate::training::network::{Examples, Network, Passes};

/// Nodes for counts of Gaussian gradients.
const NODES: usize = 41;

/// Moments of what one layer is asked for, rows × outputs.
struct Moments {
    gradient: DMatrix<f64>,
    size: DMatrix<f64>,
    square: DMatrix<f64>,
    signed_square: DMatrix<f64>,
    curvature: DMatrix<f64>,
    /// Of the pulses of each cell that gradients below and above zero ask for: mean, variance.
    counts: [[DMatrix<f64>; 2]; 2],
}

/// Decay and noise of the variances of one layer, per unit of training time.
struct Rates {
    decay: DMatrix<f64>,
    noise: DMatrix<f64>,
}

/// Mean and variance of counts, apart for gradients below and above zero, from those of gradients.
fn count_moments(counting: Counting, per: f64) -> impl Fn(f64) -> [f64; 4] {
    move |g| {
        let m = counting.moments(per * g.abs());
        match g > 0.0 {
            true => [0.0, 0.0, m.mean, m.variance],
            false => [m.mean, m.variance, 0.0, 0.0],
        }
    }
}

impl NetworkSetting<'_> {
    /// Variances of the weights at the points of a trajectory's curve, which are close enough for rates that are linear between them; rows ×
    /// outputs of every layer. `rate` is the learning rate of one firing at a training time. At the first point nothing has fluctuated; layers
    /// that are held digitally have no variance.
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
    ) -> Result<Vec<Vec<DMatrix<f64>>>> {
        assert_predictable(self)?;
        let blocks = Blocks::new(self.examples);
        let layers = self.network.layers.iter();
        let mut c: Vec<_> = layers
            .map(|l| DMatrix::zeros(l.rows(), l.outputs))
            .collect();
        let mut out: Vec<Vec<DMatrix<f64>>> = Vec::new();
        let mut before: Option<(f64, Vec<Option<Rates>>)> = None;
        for point in curve {
            let rates = self.rates(&blocks, point, &c, rate(point.time));
            if let Some((time, before)) = before {
                let h = point.time - time;
                for (c, rates) in c.iter_mut().zip(before.iter().zip(&rates)) {
                    if let (Some(a), Some(b)) = rates {
                        advance(c, a, b, h);
                    }
                }
            }
            out.push(c.clone());
            before = Some((point.time, rates));
        }
        Ok(out)
    }

    fn rates(
        &self,
        blocks: &Blocks,
        point: &Point,
        c: &[DMatrix<f64>],
        rate: f64,
    ) -> Vec<Option<Rates>> {
        let moments = self.moments(blocks, &point.weights, rate);
        let layers = self
            .layers
            .iter()
            .zip(&point.weights)
            .zip(moments.iter().zip(c));
        layers
            .map(|((held, w), (moments, c))| match held {
                Held::Digital(_) => None,
                Held::Cells(model) => Some(self.layer_rates(model, w, moments, c, rate)),
            })
            .collect()
    }

    fn moments(&self, blocks: &Blocks, weights: &[DMatrix<f64>], rate: f64) -> Vec<Moments> {
        let per = |k: usize| self.array(k).map_or(0.0, |model| pulses(rate, model));
        let per_sample = matches!(self.gradient, Gradient::PerSample { .. });
        let all = blocks.mean(self.network, weights, |passes: &Passes, out| {
            let curvatures = self.network.curvatures(weights, passes);
            for (k, out) in out.iter_mut().enumerate() {
                out.push(passes.gradient(k));
                out.push(passes.square_gradient(k));
                out.push(passes.curvature(k, &curvatures[k]));
                if per_sample {
                    out.push(passes.abs_gradient(k));
                    out.push(passes.signed_square_gradient(k));
                    out.extend(sample_means(
                        passes,
                        k,
                        count_moments(self.counting, per(k)),
                    ));
                }
            }
        });
        let of = |(k, layer): (usize, Vec<DMatrix<f64>>)| {
            let mut layer = layer.into_iter();
            let mut next = || layer.next().expect("as many as were made");
            let (gradient, square, curvature) = (next(), next(), next());
            if let Gradient::Summed { batch, noise } = self.gradient {
                let v = batch_variance(&gradient, Some(&square), batch, noise);
                return summed(self.counting, per(k), gradient, &v, curvature);
            }
            Moments {
                gradient,
                square,
                curvature,
                size: next(),
                signed_square: next(),
                counts: [[next(), next()], [next(), next()]],
            }
        };
        all.into_iter().enumerate().map(of).collect()
    }

    fn layer_rates(
        &self,
        model: &ArrayModel,
        w: &DMatrix<f64>,
        moments: &Moments,
        c: &DMatrix<f64>,
        rate: f64,
    ) -> Rates {
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
                    variance: c[at] / n as f64,
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
            let drift = mean * f + size * g;
            let sampled = (f * f + g * g) * moments.square[at]
                + 2.0 * f * g * moments.signed_square[at]
                - drift * drift;
            // Where all cells are stuck, nothing is left.
            let free = model.free_cells(j) > 0;
            let decay = moments.curvature[at] * f + own / n as f64;
            match free {
                true => [decay, rate * sampled.max(0.0) + noise],
                false => [0.0; 2],
            }
        };
        let all: Vec<[f64; 2]> = (0..map.weights()).into_par_iter().map(of).collect();
        let part = |i: usize| super::matrix(map.inputs(), map.outputs(), |j| all[j][i]);
        Rates {
            decay: part(0),
            noise: part(1),
        }
    }
}

/// The same of Gaussian gradients.
fn summed(
    counting: Counting,
    per: f64,
    gradient: DMatrix<f64>,
    variance: &DMatrix<f64>,
    curvature: DMatrix<f64>,
) -> Moments {
    let nodes = hermite(NODES);
    let of = count_moments(counting, per);
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

/// Loss and, for classes, accuracy of `count` networks whose weights are drawn about `weights` with these variances (rows × outputs of every
/// layer), independently.
///
/// # Panics
/// If weights, variances or examples have other sizes than the network.
pub fn sampled_scores(
    network: &Network,
    weights: &[DMatrix<f64>],
    variances: &[DMatrix<f64>],
    examples: &Examples,
    count: usize,
    seed: u64,
) -> Vec<(f64, Option<f64>)> {
    let drawn = |k: usize| {
        let mut rng = Pcg64::seed_from_u64(seed ^ (k as u64) << 32);
        let layers = weights.iter().zip(variances);
        let drawn: Vec<DMatrix<f64>> = layers
            .map(|(w, v)| {
                w.zip_map(v, |w, v| {
                    let z: f64 = StandardNormal.sample(&mut rng);
                    w + v.sqrt() * z
                })
            })
            .collect();
        exact_score(network, &drawn, examples)
    };
    (0..count).into_par_iter().map(drawn).collect()
}
