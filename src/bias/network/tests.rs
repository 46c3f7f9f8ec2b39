use std::sync::Arc;

use nalgebra::{DMatrix, DVector};

use super::super::predict::trajectory;
use super::super::tikhonov::LeastSquares;
use super::super::{Gradient, Setting};
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
    let cell = |c: f64| [1e-3 / 4.0, position(c - tau), position(c + tau), position(c)];
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
        targets: Targets::Values(DMatrix::from_column_slice(samples.y.len(), 1, samples.y.as_slice())),
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
    }
}

const COURSE: Course = Course {
    duration: 40.0,
    window: [20.0, 40.0],
    times: &[0.0, 7.0, 40.0],
    tolerance: 1e-8,
};

/// One layer with one output is linear regression.
#[test]
fn a_single_layer_is_the_linear_trajectory() {
    let samples = diabetes();
    let (network, examples) = regression(&samples);
    for mapping in [Mapping::ReferenceColumn, Mapping::DifferentialPair] {
        let all = [
            (Gradient::PerSample { batch: 1 }, Counting::StochasticRounding),
            (Gradient::PerSample { batch: 1 }, Counting::Deterministic),
            (
                Gradient::PerSample { batch: 1 },
                Counting::Coincidence { bits: 3, update_management: true },
            ),
            (
                Gradient::PerSample { batch: 1 },
                Counting::Coincidence { bits: 3, update_management: false },
            ),
            (
                Gradient::Summed { batch: Some(5), noise: 0.2 },
                Counting::StochasticRounding,
            ),
            (Gradient::Summed { batch: None, noise: 0.0 }, Counting::Expected),
        ];
        for (gradient, counting) in all {
            let model = array(mapping, 10, 1, 0.8, 0.3);
            let linear = Setting {
                model: model.clone(),
                wires: None,
                layout: Layout::default(),
                x: samples.x.clone(),
                y: samples.y.clone(),
                gradient: gradient.clone(),
                rate: 0.01,
                counting,
                read_noise: 0.0,
                seconds: 0.0,
                age: 0.0,
            };
            let expected = trajectory(&linear, &[0.1; 10], COURSE.duration).unwrap();
            let mut own = setting(&network, &examples, vec![Held::Cells(model)], gradient.clone());
            own.counting = counting;
            let start = [DMatrix::from_element(10, 1, 0.1)];
            let path = own.trajectory(&start, &COURSE, |_| 1.0).unwrap();
            // Errors of 1e-8 a step; the linear one's means are those of a trapezoidal rule of some hundred steps. Counts to nearest jump.
            let tolerance = match counting {
                Counting::Deterministic => 1e-4,
                _ => 1e-6,
            };
            let near = |a: &DMatrix<f64>, b: &DVector<f64>, tolerance: f64| {
                let apart = (a.column(0) - b).amax();
                assert!(apart < tolerance, "{mapping:?} {gradient:?} {counting:?}: {apart}");
            };
            near(&path.end[0], expected.weights.last().unwrap(), tolerance);
            near(&path.curve[2].weights[0], expected.weights.last().unwrap(), tolerance);
            near(&path.mean[0], &expected.mean_from(20.0, |_| 1.0), 10.0 * tolerance);
            near(&path.curve[0].weights[0], &DVector::from_element(10, 0.1), 1e-15);
        }
    }
}
