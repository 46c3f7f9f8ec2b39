use std::sync::Arc;

use nalgebra::{DMatrix, DVector};

use super::super::Setting;
use super::super::closure::Closure;
use super::super::predict::{gaussian_closure, mean_field, trajectory};
use super::drift::Drift;
use super::*;
use crate::crossbar::{Layout, Mapping, WeightMap};
use crate::device::{Cells, CycleNoise, SoftBounds, Window};
use crate::training::network::{Activation, Objective, Targets};
use crate::training::{Samples, parse_table};

const WINDOW: Window = Window {
    g_min: 10e-6,
    g_max: 90e-6,
};

/// Soft bounds `q± = 1 ∓ (w - c)/τ` of step δ about centres that differ, in a window of weights from -2 to 2 (of each cell of a pair).
fn array(mapping: Mapping, inputs: usize, outputs: usize, tau: f64, spread: f64) -> ArrayModel {
    let position = |w: f64| 0.5 + w / 4.0;
    let map = WeightMap::new(mapping, 0.5, 4.0, inputs, outputs);
    let cell = |c: f64| {
        [
            1e-3 / 4.0,
            position(c - tau),
            position(c + tau),
            position(c),
        ]
    };
    let centre = |k: usize| spread * ((0.618_034 * k as f64).fract() - 0.5);
    let parameters = (0..map.cells()).flat_map(|k| cell(centre(k))).collect();
    let (law, noise) = (Arc::new(SoftBounds), CycleNoise::new(0.0, 0.0));
    let nominal = cell(0.0).to_vec();
    let cells = Cells::new(law, WINDOW, noise, 0.0, false, nominal, parameters);
    ArrayModel {
        cells: Arc::new(cells),
        map,
    }
}

fn diabetes() -> Samples {
    let text = include_str!("../../../experiments/data/diabetes.csv");
    let table = parse_table("diabetes.csv", text).unwrap();
    table.regression("target", true).unwrap().0
}

fn regression(samples: &Samples) -> (Network, Examples) {
    let network = Network::new(10, &[1], false, Activation::Tanh, Objective::SquaredError);
    let examples = Examples {
        x: samples.x.clone(),
        targets: Targets::Values(DMatrix::from_column_slice(
            samples.y.len(),
            1,
            samples.y.as_slice(),
        )),
    };
    (network, examples)
}

fn setting<'a>(
    network: &'a Network,
    examples: &'a Examples,
    layers: Vec<Held>,
    gradient: Gradient,
) -> NetworkSetting<'a> {
    NetworkSetting {
        network,
        layers,
        examples,
        gradient,
        rate: 0.01,
        counting: Counting::StochasticRounding,
        seconds: 0.0,
        epoch: None,
    }
}

const TIMELINE: Timeline = Timeline {
    duration: 40.0,
    window: [20.0, 40.0],
    times: &[0.0, 7.0, 40.0],
    tolerance: 1e-8,
};

fn linear(samples: &Samples, own: &NetworkSetting, model: &ArrayModel) -> Setting {
    Setting {
        model: model.clone(),
        wires: None,
        layout: Layout::default(),
        x: samples.x.clone(),
        y: samples.y.clone(),
        gradient: own.gradient.clone(),
        rate: own.rate,
        counting: own.counting,
        read_noise: 0.0,
        seconds: 0.0,
        age: 0.0,
    }
}

/// One layer with one output is linear regression: the same drift, whatever fires.
#[test]
fn the_drift_of_a_single_layer_is_the_linear_one() {
    let samples = diabetes();
    let (network, examples) = regression(&samples);
    let per_sample = Gradient::PerSample { batch: 1 };
    let trains = |update_management| Counting::Coincidence {
        bits: 3,
        update_management,
        length_management: false,
    };
    let summed = |batch, noise| Gradient::Summed { batch, noise };
    for mapping in [Mapping::ReferenceColumn, Mapping::DifferentialPair] {
        let all = [
            (per_sample.clone(), Counting::StochasticRounding),
            (per_sample.clone(), Counting::Deterministic),
            (per_sample.clone(), trains(true)),
            (per_sample.clone(), trains(false)),
            (
                per_sample.clone(),
                Counting::MeanCount {
                    bits: 3,
                    update_management: true,
                },
            ),
            (summed(Some(5), 0.2), Counting::StochasticRounding),
            (summed(None, 0.0), Counting::Expected),
        ];
        for (gradient, counting) in all {
            let model = array(mapping, 10, 1, 0.8, 0.3);
            let held = vec![Held::Cells(model.clone())];
            let mut own = setting(&network, &examples, held, gradient);
            own.counting = counting;
            let squares = linear(&samples, &own, &model);
            let mut closure = Closure::new(&squares);
            let states = DVector::from_fn(closure.cells(), |k, _| 0.03 * (k as f64 - 4.0));
            let expected = closure.counted_drift(&states).unwrap() / own.rate;
            let found = Drift::new(&own).unwrap().slope(&states);
            // Sums of some hundred products.
            let apart = (&found - &expected).amax() / expected.amax();
            assert!(apart < 1e-12, "{mapping:?} {counting:?}: {apart}");
            // The trains are full for some samples, and the case is none of the others.
            if counting != Counting::StochasticRounding {
                own.counting = Counting::StochasticRounding;
                let other = Drift::new(&own).unwrap().slope(&states);
                let apart = (&found - other).amax() / expected.amax();
                assert_eq!(apart > 1e-6, counting != Counting::Expected, "{counting:?}");
            }
        }
    }
}

#[test]
fn a_single_layer_follows_the_linear_trajectory() {
    let samples = diabetes();
    let (network, examples) = regression(&samples);
    for gradient in [
        Gradient::PerSample { batch: 1 },
        Gradient::Summed {
            batch: Some(5),
            noise: 0.2,
        },
    ] {
        let model = array(Mapping::DifferentialPair, 10, 1, 0.8, 0.3);
        let held = vec![Held::Cells(model.clone())];
        let own = setting(&network, &examples, held, gradient);
        let squares = linear(&samples, &own, &model);
        let expected = trajectory(&squares, &[0.1; 10], TIMELINE.duration).unwrap();
        let start = [DMatrix::from_element(10, 1, 0.1)];
        let step_at = |t: f64| t.ln_1p();
        let path = own.trajectory(&start, &TIMELINE, step_at).unwrap();
        let near = |a: &[DMatrix<f64>], b: &DVector<f64>, tolerance: f64| {
            let apart = (a[0].column(0) - b).amax();
            assert!(apart < tolerance, "{:?}: {apart}", own.gradient);
        };
        // Errors of 1e-8 a step, of some hundred; the linear one's means are those of a trapezoidal rule.
        let last = expected.weights.last().unwrap();
        near(&path.end, last, 1e-6);
        near(&path.curve[2].weights, last, 1e-6);
        near(&path.mean, &expected.mean_from(20.0, step_at), 1e-5);
        near(
            &path.curve[0].weights,
            &DVector::from_element(10, 0.1),
            1e-15,
        );
    }
}

fn digits() -> Examples {
    let text = include_str!("../../../experiments/data/digits.csv");
    let table = parse_table("digits.csv", text).unwrap();
    let last = table.columns.len() - 1;
    let x = table.values.columns(0, last) / 16.0;
    let digit = |s: usize| table.values[(s, last)] as usize;
    Examples {
        targets: Targets::Classes {
            of: (0..x.nrows()).map(digit).collect(),
            count: 10,
        },
        x,
    }
    .select(&(0..200).collect::<Vec<_>>())
}

/// Constant steps without asymmetry move like the gradient flow; soft bounds do not.
#[test]
fn symmetric_devices_follow_the_twin() {
    let examples = digits();
    let network = Network::new(
        61,
        &[8, 10],
        true,
        Activation::Tanh,
        Objective::CrossEntropy,
    );
    let mut rng = <rand_pcg::Pcg64 as rand::SeedableRng>::seed_from_u64(3);
    let start: Vec<_> = (network.layers.iter())
        .map(|l| {
            DMatrix::from_fn(l.rows(), l.outputs, |_, _| {
                rand::RngExt::random_range(&mut rng, -0.3..0.3)
            })
        })
        .collect();
    let arrays = |mapping| -> Vec<ArrayModel> {
        let layers = network.layers.iter();
        layers
            .map(|l| array(mapping, l.rows(), l.outputs, 1.5, 0.2))
            .collect()
    };
    let timeline = Timeline {
        times: &[],
        ..TIMELINE
    };
    for mapping in [Mapping::ReferenceColumn, Mapping::DifferentialPair] {
        let held = |symmetric: bool| {
            let models = arrays(mapping).into_iter();
            let of = |model: ArrayModel| match symmetric {
                true => Held::Cells(ArrayModel {
                    cells: Arc::new(model.cells.symmetric_control()),
                    ..model
                }),
                false => Held::Cells(model),
            };
            models.map(of).collect::<Vec<_>>()
        };
        let per_sample = Gradient::PerSample { batch: 1 };
        let soft = setting(&network, &examples, held(false), per_sample.clone());
        let symmetric = setting(&network, &examples, held(true), per_sample);
        let run = |s: &NetworkSetting| s.trajectory(&start, &timeline, |t| t).unwrap();
        let (soft, symmetric, free) = (run(&soft), run(&symmetric), run(&symmetric.digital(None)));
        // Errors of 1e-8 a step.
        assert!(distance(&symmetric.mean, &free.mean) < 1e-5);
        assert!(distance(&symmetric.end, &free.end) < 1e-5);
        assert!(distance(&soft.mean, &free.mean) > 1.0);
    }
}

/// At the minimum of an explicit, centred penalty that differs from layer to layer, gradient matching returns it; it is the stationary
/// state of the digital twin with this penalty.
#[test]
fn penalties_are_matched_layer_by_layer() {
    let examples = digits();
    let network = Network::new(
        61,
        &[5, 10],
        true,
        Activation::Tanh,
        Objective::CrossEntropy,
    );
    let wave = |i: usize| 0.3 * (1.7 * i as f64).sin();
    let (mut start, mut centres) = (Vec::new(), Vec::new());
    for l in &network.layers {
        start.push(matrix(l.rows(), l.outputs, wave));
        centres.push(matrix(l.rows(), l.outputs, |j| 0.3 * wave(3 * j + 1)));
    }
    let strengths = [0.03, 0.08];
    let penalties = centres.iter().zip(strengths).map(|(centre, s)| Penalty {
        strength: centre.map(|_| s),
        centre: centre.clone(),
    });
    let twin = setting(
        &network,
        &examples,
        vec![Held::Digital(None); 2],
        Gradient::PerSample { batch: 1 },
    );
    let twin = twin.digital(Some(penalties.collect()));
    let timeline = Timeline {
        duration: 1000.0,
        window: [999.0, 1000.0],
        times: &[],
        tolerance: 1e-7,
    };
    let path = twin.trajectory(&start, &timeline, |t| t).unwrap();
    let found = match_gradients(&network, &examples, &path.end, &centres);
    for (found, expected) in found.into_iter().zip(strengths) {
        // e^-30 of the way is left, and the tolerance.
        let found = found.unwrap();
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
    }
    // Replicas about it.
    let replicas: Vec<Vec<_>> = [-0.01, 0.0, 0.01]
        .iter()
        .map(|d| path.end.iter().map(|w| w.add_scalar(*d)).collect())
        .collect();
    let intervals = matched_intervals(&network, &examples, &replicas, &centres, 0.95);
    for (interval, expected) in intervals.into_iter().zip(strengths) {
        let interval = interval.unwrap();
        assert!(
            (interval.value / expected - 1.0).abs() < 1e-3 && interval.contains(expected),
            "{interval:?}"
        );
    }
}

/// λ of soft bounds is E|g|/τ, where they are linear: whatever the weights, both ratios are the same for equal E|g|.
#[test]
fn strengths_of_soft_bounds_are_known() {
    let samples = diabetes();
    let (network, examples) = regression(&samples);
    let w = DMatrix::from_fn(10, 1, |j, _| 0.05 * j as f64 - 0.2);
    let size = network
        .passes(std::slice::from_ref(&w), &examples)
        .abs_gradient(0);
    for (mapping, tau) in [
        (Mapping::ReferenceColumn, 0.8),
        (Mapping::DifferentialPair, 1.6),
    ] {
        let model = array(mapping, 10, 1, 0.8, 0.3);
        let held = vec![Held::Cells(model.clone())];
        let own = setting(&network, &examples, held, Gradient::PerSample { batch: 1 });
        let found = own
            .strengths(std::slice::from_ref(&w))
            .unwrap()
            .remove(0)
            .unwrap();
        let lambda = &size / tau;
        assert!((found.lambda.as_ref().unwrap() - &lambda).amax() < 1e-9);
        assert!((found.mean.unwrap() - lambda.mean()).abs() < 1e-9);
        let offset = &w - &found.centre;
        let pooled = lambda.component_mul(&offset).dot(&offset) / offset.norm_squared();
        assert!(
            (found.pooled / pooled - 1.0).abs() < 1e-9,
            "{} {pooled}",
            found.pooled
        );
    }
}

/// One weight, two samples that pull it up and down equally: `C(t) = C (1 - e^{-2t})`, `2C = η r² + δ² f(1-f)/η + σ² δ r`, f the fraction of `η r/δ`.
#[test]
fn one_weight_fluctuates_as_known() {
    let network = Network::new(1, &[1], false, Activation::Tanh, Objective::SquaredError);
    let (r, delta, sigma) = (0.37, 1e-3, 0.4);
    let examples = Examples {
        x: DMatrix::from_element(2, 1, 1.0),
        targets: Targets::Values(DMatrix::from_column_slice(2, 1, &[0.5 + r, 0.5 - r])),
    };
    let array = array(Mapping::ReferenceColumn, 1, 1, 1.0, 0.0);
    let cells = array.cells.symmetric_control();
    let p = cells.double(0).parameters.to_vec();
    let noisy = Cells::new(
        Arc::new(crate::device::ConstantStep),
        WINDOW,
        CycleNoise::new(0.0, sigma),
        0.0,
        false,
        p.clone(),
        p,
    );
    let model = ArrayModel {
        cells: Arc::new(noisy),
        ..array
    };
    let own = setting(
        &network,
        &examples,
        vec![Held::Cells(model)],
        Gradient::PerSample { batch: 1 },
    );
    let curve: Vec<Point> = (0..=40)
        .map(|k| Point {
            time: 0.05 * f64::from(k),
            weights: vec![DMatrix::from_element(1, 1, 0.5)],
        })
        .collect();
    let found = own.fluctuations(&curve, |_| own.rate).unwrap();
    let (eta, f) = (own.rate, own.rate * r / delta % 1.0);
    let twice = eta * r * r + delta * delta * f * (1.0 - f) / eta + sigma * sigma * delta * r;
    for (point, found) in curve.iter().zip(&found) {
        let expected = 0.5 * twice * (1.0 - (-2.0 * point.time).exp());
        let found = found[0].as_ref().unwrap().variances()[0];
        assert!(
            (found - expected).abs() < 1e-9 * twice,
            "{found} {expected}"
        );
    }
    // The loss of weights about the minimum is higher by half of the variance; the mean of 4000 squares has an error of 2.2 %.
    let last = &found[40];
    let scores = sampled_scores(&network, &curve[0].weights, last, &examples, 4000, 5);
    let mean = scores.iter().map(|s| s.0).sum::<f64>() / 4000.0 - 0.5 * r * r;
    let variance = last[0].as_ref().unwrap().variances()[0];
    assert!((mean / (0.5 * variance) - 1.0).abs() < 0.09, "{mean}");
}

/// The stationary variances of linear regression are those of the closure P1, which has all correlations.
#[test]
fn stationary_variances_are_those_of_the_closure() {
    let samples = diabetes();
    let (network, examples) = regression(&samples);
    let model = array(Mapping::ReferenceColumn, 10, 1, 1.0, 0.0);
    let held = vec![Held::Cells(model.clone())];
    let mut own = setting(&network, &examples, held, Gradient::PerSample { batch: 1 });
    own.rate = 0.001;
    let squares = linear(&samples, &own, &model);
    let p0 = mean_field(&squares).unwrap();
    let p1 = gaussian_closure(&squares, &p0).unwrap();
    let curve: Vec<Point> = (0..=100)
        .map(|k| Point {
            time: 0.5 * f64::from(k),
            weights: vec![DMatrix::from_column_slice(10, 1, p1.weights.as_slice())],
        })
        .collect();
    let found = own.fluctuations(&curve, |_| own.rate).unwrap();
    let found = found[100][0].as_ref().unwrap();
    let v = &found.modes.rows;
    let modes = (v.transpose() * &p1.covariance * v).diagonal();
    // 1 % is the closure's own share of fluctuations in E|g| at this rate; correlations between modes, which are left out and make single weights
    // differ by up to 7 %, change the variance of a mode to second order only.
    for (a, b) in found.variance.iter().zip(modes.iter()) {
        assert!((a / b - 1.0).abs() < 0.05, "{} {modes}", found.variance);
    }
    assert!((found.variances().sum() / p1.covariance.trace() - 1.0).abs() < 0.02);
}
