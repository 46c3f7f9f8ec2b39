//! From the logs of a network's replicas to its findings.

use nalgebra::DMatrix;

use super::super::analyse::{SHORTENED, pooled_pull};
use super::super::over::{LEVEL, of_all, of_interval, of_values};
use super::super::summary::{Estimate, Point};
use super::predict::Predicted;
use super::run::{Bench, Epoch, Networks, Trained};
use super::summary::{Band, EpochFound, ExplicitFound, LayerFound, Sizes, TrainedNetwork};
use crate::bias::network::{as_matrices, distance, matched_intervals, row_major};
use crate::training::datasets::MNIST;
use crate::training::network::largest_curvature;

/// Most rows and columns of a map.
const MOST_MAPPED: usize = 64;

/// Bins of a histogram.
const BINS: usize = 40;

fn band(values: &[f64]) -> Band {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[(share * (sorted.len() - 1) as f64).round() as usize];
    Band {
        mean: of_values(values, None),
        tenths: (!sorted.is_empty()).then(|| [at(0.1), at(0.9)]),
    }
}

/// Window means of all replicas of the weights of a layer, one replica a row.
fn means(trained: &Trained, layer: usize, replicas: usize) -> DMatrix<f64> {
    let sums = &trained.sums[layer];
    let weights = sums.len() / replicas;
    DMatrix::from_fn(replicas, weights, |r, j| {
        sums[r * weights + j].mean_weight()
    })
}

/// What one layer's weights are, over replicas.
struct Weights {
    mean: Vec<f64>,
    /// Squared standard error of the mean, summed over weights.
    error: f64,
}

impl Weights {
    fn of(means: &DMatrix<f64>) -> Self {
        let n = means.nrows() as f64;
        let mean = means.row_mean();
        let spread: f64 = means.row_iter().map(|r| (r - &mean).norm_squared()).sum();
        Self {
            mean: mean.iter().copied().collect(),
            error: spread / (n * (n - 1.0)),
        }
    }
}

impl Bench<'_> {
    pub(super) fn point(
        &self,
        label: String,
        trained: &Networks,
        predicted: &std::result::Result<Predicted, String>,
    ) -> Point {
        let replicas = self.settings.replicas;
        let (device, twin) = (&trained.device, &trained.twin);
        let (shared, why) = (self.task.start.is_shared(), predicted.as_ref().err());
        let predicted = predicted.as_ref().ok();
        let first = |values: &[f64]| (!values.is_empty()).then(|| band(values));
        let epochs = device.epochs.iter().zip(&twin.epochs).enumerate();
        let epochs = epochs.map(|(k, (own, twin))| EpochFound {
            epoch: k as u32 + 1,
            training_loss: band(&own.losses),
            test_loss: band(&own.test_losses),
            test_accuracy: band(&own.test_accuracies),
            digital_training_loss: band(&twin.losses),
            digital_test_accuracy: band(&twin.test_accuracies),
            first_accuracy: first(&own.first_accuracies),
            digital_first_accuracy: first(&twin.first_accuracies),
        });
        let epochs: Vec<EpochFound> = epochs.collect();
        let nothing = Epoch::default();
        let last = device.epochs.last().unwrap_or(&nothing);
        let digital = twin.epochs.last().unwrap_or(&nothing);
        let over = |values: &[f64]| of_values(values, None);
        let tested = predicted.and_then(|p| p.test);
        let pairs = digital.test_accuracies.iter().zip(&last.test_accuracies);
        let lost: Vec<f64> = pairs.map(|(d, a)| d - a).collect();

        let before = self.task.course.epochs as usize - 1;
        let forgotten = |t: &Trained| -> Vec<f64> {
            let pair = t.epochs.get(before).zip(t.epochs.last());
            let pairs = pair.map(|(b, e)| b.test_accuracies.iter().zip(&e.first_accuracies));
            let pairs = pairs.into_iter().flatten();
            pairs.map(|(before, after)| before - after).collect()
        };

        // Where replicas start apart their mean is no network, and no trajectory is theirs.
        let mean_course = predicted.filter(|_| shared);
        // The exact gradient knows no normalization.
        let known = shared && self.network.normalisation.is_none();
        let matched = |of| known.then(|| self.matched(of)).into_iter().flatten();
        let (mut matched, mut ended) = (matched(device), matched(twin));
        let (mut layers, mut sums) = (Vec::new(), [0.0; 2]);
        let (mut mean, mut ends) = (Vec::new(), Vec::new());
        let mut balances = vec![[0.0; 2]; replicas];
        let last_layer = self.network.layers.len() - 1;
        for k in 0..self.network.layers.len() {
            let (own, free) = (means(device, k, replicas), means(twin, k, replicas));
            let (own_mean, free_mean) = (Weights::of(&own), Weights::of(&free));
            ends.push(match shared {
                true => free_mean.mean.clone(),
                false => free.row(0).iter().copied().collect(),
            });
            let pairs = own_mean.mean.iter().zip(&free_mean.mean);
            let bias: f64 = pairs.map(|(a, b)| (a - b).powi(2)).sum();
            let norms = |m: &DMatrix<f64>| m.row_iter().map(|r| r.norm()).collect::<Vec<f64>>();
            let (norm, digital_norm) = (norms(&own), norms(&free));
            // Device and twin see the same samples: the error of their difference.
            let error = Weights::of(&(own - free)).error;
            sums = [sums[0] + bias, sums[1] + error];
            let pull = predicted.and_then(|p| p.pull[k]);
            let mut layer = self.layer(k, device, &own_mean.mean, pull);
            for (sums, own) in balances.iter_mut().zip(norm.iter().zip(&digital_norm)) {
                let sign = f64::from(u8::from(k == 0)) - f64::from(u8::from(k == last_layer));
                sums[0] += sign * own.0.powi(2);
                sums[1] += sign * own.1.powi(2);
            }
            layer.norm = of_values(&norm, mean_course.map(|p| p.mean[k].norm()));
            layer.digital_norm = over(&digital_norm);
            layer.bias_norm = bias.sqrt();
            layer.monte_carlo_error = (error / bias).sqrt();
            let missed = mean_course.map(|p| {
                let pairs = own_mean.mean.iter().zip(row_major(&p.mean[k]));
                pairs.map(|(w, p)| (w - p).powi(2)).sum::<f64>()
            });
            layer.prediction_error_pt = missed.map(|m| (m / bias).sqrt());
            if let Some(interval) = matched.next() {
                let predicted = mean_course.and_then(|p| p.matched[k]);
                layer.lambda_e2 = of_interval(interval, predicted);
            }
            if let Some(interval) = ended.next() {
                layer.digital_lambda_e2 = of_interval(interval, None);
            }
            layers.push(layer);
            mean.push(own_mean.mean);
        }
        let mean = as_matrices(&self.network, &mean);
        let bias = sums[0].sqrt();
        let strengths = self.task.explicit.strengths.iter().zip(&trained.explicit);
        let explicit: Vec<ExplicitFound> = strengths
            .map(|(&lambda, t)| self.explicit(Some(lambda), t, &mean, bias))
            .collect();
        let foreseen = trained.foreseen.as_ref();
        let curvature = self.curvature(&as_matrices(&self.network, &ends));
        // A single layer is balanced against nothing.
        let balance = |values: &[f64], predicted: Option<f64>| match last_layer {
            0 => Estimate::default(),
            _ => of_values(values, predicted),
        };
        let network = TrainedNetwork {
            samples: Sizes {
                training: self.data.train.len(),
                validation: self.data.validation.as_ref().map(|v| v.len()),
                test: self.data.test.as_ref().map(|t| t.len()),
            },
            classes: self.data.classes.clone(),
            training_loss: over(&last.losses),
            training_accuracy: over(&device.training_accuracies),
            test_loss: of_values(&last.test_losses, tested.map(|t| t.0)),
            test_accuracy: of_values(&last.test_accuracies, tested.and_then(|t| t.1)),
            digital_test_accuracy: over(&digital.test_accuracies),
            digital_test_loss: over(&digital.test_losses),
            accuracy_lost: over(&lost),
            bias_norm: bias,
            prediction_error_pt: mean_course.map(|p| distance(&mean, &p.mean) / bias),
            monte_carlo_error: (sums[1] / sums[0]).sqrt(),
            first_accuracy: over(&last.first_accuracies),
            forgotten: over(&forgotten(device)),
            digital_first_accuracy: over(&digital.first_accuracies),
            digital_forgotten: over(&forgotten(twin)),
            balance: balance(
                &balances.iter().map(|b| b[0]).collect::<Vec<_>>(),
                mean_course.map(|p| p.mean[0].norm_squared() - p.mean[last_layer].norm_squared()),
            ),
            digital_balance: balance(&balances.iter().map(|b| b[1]).collect::<Vec<_>>(), None),
            curvature,
            best_explicit: best(&explicit),
            explicit,
            foreseen_explicit: foreseen.map(|t| self.explicit(None, t, &mean, bias)),
            layers,
            confusion: device
                .confusion
                .chunks(self.network.outputs())
                .map(<[u64]>::to_vec)
                .collect(),
            seconds_per_epoch: device.seconds / (f64::from(self.task.epochs()) * replicas as f64),
            epochs,
        };
        let complaint = |(name, e): (String, Estimate)| e.complaint(&name, replicas);
        let complaints = network.estimates().into_iter().filter_map(complaint);
        let unstable = curvature.and_then(|c| self.unstable(c));
        let replaced = self.task.data.missing().map(|file| {
            let file = file.display().to_string();
            let how = if file.contains("idx") { format!("; {MNIST}") } else { String::new() };
            format!("{file} is not there: trained on the data of [task.network.data.otherwise] instead{how}")
        });
        let own = why.into_iter().chain(trained.notes()).cloned();
        let shortened = self.task.course.counting.shortens();
        let shortened = shortened.then(|| SHORTENED.to_owned());
        let further = own.chain(unstable).chain(replaced).chain(shortened);
        let warnings = complaints.chain(further).collect();
        let (model, course) = (&self.plans[0].model, &self.task.course);
        let noise = model.cells.noise();
        Point {
            label,
            settings: self.settings.swept.clone(),
            device: self.settings.device.name().to_owned(),
            learning_rate: course.learning_rate,
            step: model.step(),
            cycle_to_cycle: [noise.additive(), noise.multiplicative()],
            network: Some(network),
            warnings,
            ..Point::untrained()
        }
    }

    /// λ_max at the start and at the end of the digital twin; none where it is not found.
    fn curvature(&self, end: &[DMatrix<f64>]) -> Option<[f64; 2]> {
        if self.network.normalisation.is_some() {
            return None;
        }
        let of = |w: &[DMatrix<f64>]| largest_curvature(&self.network, w, &self.data.train).ok();
        Some([of(&self.starts())?, of(end)?])
    }

    /// The warning for learning rates that descent with the full batch does not stand.
    fn unstable(&self, curvature: [f64; 2]) -> Option<String> {
        let rate = self.task.course.learning_rate;
        let largest = curvature[0].max(curvature[1]);
        let above = self.settings.algorithm.descends() && rate * largest > 2.0;
        above.then(|| {
            format!(
                "learning-rate {rate} is above 2/λ_max = {:.3} of the mean loss (λ_max {:.3} at the start, {:.3} at the end of the digital twin): descent is unstable there",
                2.0 / largest,
                curvature[0],
                curvature[1]
            )
        })
    }

    /// What is found of a digital network with an explicit L2; `device` are the mean weights of the device, whose bias has this norm.
    fn explicit(
        &self,
        lambda: Option<f64>,
        trained: &Trained,
        device: &[DMatrix<f64>],
        bias: f64,
    ) -> ExplicitFound {
        let replicas = self.settings.replicas;
        let layers = 0..self.network.layers.len();
        let mean = layers.map(|k| Weights::of(&means(trained, k, replicas)).mean);
        let mean = as_matrices(&self.network, &mean.collect::<Vec<_>>());
        let nothing = Epoch::default();
        let last = trained.epochs.last().unwrap_or(&nothing);
        let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let validation = trained.validation.as_ref();
        ExplicitFound {
            lambda,
            validation_loss: validation.map(|v| average(&v.losses)),
            validation_accuracy: validation.and_then(|v| v.accuracies.as_deref().map(average)),
            test_loss: of_values(&last.test_losses, None),
            test_accuracy: of_values(&last.test_accuracies, None),
            from_device: distance(device, &mean) / bias,
        }
    }

    /// λ of every layer by gradient matching at the mean weights of the window.
    fn matched(
        &self,
        device: &Trained,
    ) -> Vec<
        std::result::Result<crate::bias::interval::Interval, crate::bias::interval::IntervalError>,
    > {
        let replicas = self.settings.replicas;
        let layers: Vec<DMatrix<f64>> = (0..self.network.layers.len())
            .map(|k| means(device, k, replicas))
            .collect();
        let all: Vec<Vec<DMatrix<f64>>> = (0..replicas)
            .map(|r| {
                let own = layers.iter().map(|l| l.row(r).iter().copied().collect());
                as_matrices(&self.network, &own.collect::<Vec<Vec<f64>>>())
            })
            .collect();
        matched_intervals(
            &self.network,
            &self.data.train,
            &all,
            &self.centres(),
            LEVEL,
        )
    }

    /// What is found of one layer by itself; `pulled` is what is predicted of E1.
    fn layer(&self, k: usize, device: &Trained, mean: &[f64], pulled: Option<f64>) -> LayerFound {
        let (layer, model) = (&self.network.layers[k], &self.plans[k].model);
        let replicas = self.settings.replicas;
        let centre = self.centre(k);
        let pull = pooled_pull(
            &device.sums[k],
            centre,
            self.task.start.is_shared(),
            true,
            |j| model.free_cells(j) > 0,
        );
        let (map, map_block) = blocks(mean, layer.outputs);
        LayerFound {
            rows: layer.rows(),
            outputs: layer.outputs,
            lambda_e1: of_all(replicas, pull, pulled),
            pulses: device.pulses[k] as f64 / (layer.weights() * replicas) as f64,
            histogram: histogram(&device.last[k]),
            map,
            map_block,
            cost: device.usage[k]
                .as_ref()
                .and_then(|usage| self.settings.cost(model.map, usage)),
            ..LayerFound::default()
        }
    }
}

/// The one that validation prefers: most right answers, then the least loss.
fn best(all: &[ExplicitFound]) -> Option<ExplicitFound> {
    let right = |e: &ExplicitFound| e.validation_accuracy.unwrap_or(0.0);
    let loss = |e: &ExplicitFound| e.validation_loss.unwrap_or(f64::INFINITY);
    let better = |a: &&ExplicitFound, b: &&ExplicitFound| {
        let right = right(a).total_cmp(&right(b));
        right.then(loss(b).total_cmp(&loss(a)))
    };
    all.iter().max_by(better).copied()
}

/// Centres of bins and the shares of numbers in them.
fn histogram(values: &[f64]) -> Vec<[f64; 2]> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = (high - low) / BINS as f64;
    if !(width.is_finite() && width > 0.0) {
        return vec![[low, 1.0]];
    }
    let mut shares = [0.0; BINS];
    for v in values {
        let bin = ((v - low) / width) as usize;
        shares[bin.min(BINS - 1)] += 1.0 / values.len() as f64;
    }
    let centres = shares.iter().enumerate();
    centres
        .map(|(k, share)| [low + (k as f64 + 0.5) * width, *share])
        .collect()
}

/// Means of blocks of a matrix (row-major), and the size of a block.
fn blocks(values: &[f64], columns: usize) -> (Vec<Vec<f64>>, [usize; 2]) {
    let matrix = DMatrix::from_row_slice(values.len() / columns, columns, values);
    let [height, width] = [matrix.nrows(), columns].map(|n| n.div_ceil(MOST_MAPPED));
    let mut out = Vec::new();
    for r in (0..matrix.nrows()).step_by(height) {
        let rows = height.min(matrix.nrows() - r);
        let row = (0..columns).step_by(width).map(|c| {
            let own = matrix.view((r, c), (rows, width.min(columns - c)));
            own.mean()
        });
        out.push(row.collect());
    }
    (out, [height, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_and_maps_keep_their_sums() {
        let values: Vec<f64> = (0..150 * 70).map(|k| (k as f64 * 0.618).fract()).collect();
        let histogram = histogram(&values);
        let total: f64 = histogram.iter().map(|b| b[1]).sum();
        let mean: f64 = histogram.iter().map(|b| b[0] * b[1]).sum();
        // half a bin at most, and much less by the evenness of the numbers
        assert!((total - 1.0).abs() < 1e-9 && (mean - 0.5).abs() < 1e-2);
        assert_eq!(super::histogram(&[2.0; 3]), [[2.0, 1.0]]);
        let (map, block) = blocks(&values, 70);
        assert_eq!((map.len(), map[0].len(), block), (50, 35, [3, 2]));
        let own =
            (values[0] + values[1] + values[70] + values[71] + values[140] + values[141]) / 6.0;
        assert!((map[0][0] - own).abs() < 1e-12);
    }
}
