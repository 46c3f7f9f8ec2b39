//! Findings that look like those of a real study, for the tests of this layer.

use crate::report::DeviceCurve;
use crate::study::summary::*;
use crate::training::Standardisation;

/// Orthonormal modes: the cosine basis.
fn basis(n: usize, j: usize, k: usize) -> f64 {
    let scale = if k == 0 {
        (1.0 / n as f64).sqrt()
    } else {
        (2.0 / n as f64).sqrt()
    };
    scale * (std::f64::consts::PI * (j as f64 + 0.5) * k as f64 / n as f64).cos()
}

/// Something irregular in -1..1.
fn wiggle(i: usize) -> f64 {
    (12.9898 * i as f64 + 1.0).sin()
}

/// An estimate with an interval and its prediction.
pub(super) fn around(value: f64, half: f64, predicted: f64) -> Estimate {
    Estimate {
        value: Some(value),
        low: Some(value - half),
        high: Some(value + half),
        predicted: Some(predicted),
        missing: 0,
    }
}

/// No number at all.
pub(super) const NONE: Estimate = Estimate {
    value: None,
    low: None,
    high: None,
    predicted: None,
    missing: 0,
};

fn eigenvalues(n: usize) -> Vec<f64> {
    (0..n)
        .map(|k| 0.0086 * (4.02_f64 / 0.0086).powf(k as f64 / (n.max(2) - 1) as f64))
        .collect()
}

fn ridge(n: usize, lambda: f64) -> Vec<f64> {
    let d = eigenvalues(n);
    let weight = |j| {
        (0..n)
            .map(|k| {
                let free = 0.5 * wiggle(k + 3) * (0.9 - 0.3 * k as f64 / n as f64);
                basis(n, j, k) * free * d[k] / (d[k] + lambda)
            })
            .sum()
    };
    (0..n).map(weight).collect()
}

/// One point with asymmetry `tau` and `n` weights.
pub(super) fn point(tau: f64, n: usize, index: usize) -> Point {
    let names = [
        "age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6",
    ];
    let lambda = 0.468 / tau;
    let (free, learned) = (ridge(n, 0.0), ridge(n, 0.98 * lambda));
    let weights = (0..n).map(|j| Weight {
        name: names.get(j).map_or(format!("pixel {j}"), |n| (*n).into()),
        measured: learned[j] + 0.0012 * wiggle(j + 31 * index),
        standard_error: 0.0011,
        deviation: 0.0212,
        deviation_predicted: 0.0211,
        p0: learned[j] * 1.002,
        p1: learned[j],
        pt: learned[j],
        free: free[j],
        symmetric_point: Some(0.0),
        lambda: Some(lambda * (1.0 + 0.05 * wiggle(j))),
        abs_gradient: 0.47,
    });
    let modes = eigenvalues(n).into_iter().enumerate().map(|(k, d)| {
        let shrinkage = d / (d + lambda);
        Mode {
            eigenvalue: d,
            shrinkage: Some(shrinkage + 0.02 * wiggle(k + 7 * index)),
            standard_error: Some(0.012),
            predicted: Some(d / (d + 1.01 * lambda)),
            ridge: Some(shrinkage),
        }
    });
    let curve = (0..60).map(|i| {
        let time = i as f64;
        let free = 0.25 * (-time / 2.0).exp() + 0.002 * (-time / 60.0).exp();
        let floor = 0.02 / tau;
        CurvePoint {
            time,
            measured: free + floor * (1.0 - (-time / 4.0).exp()) * (1.0 + 0.02 * wiggle(i)),
            predicted: free + floor * (1.0 - (-time / 4.0).exp()),
            free,
            replicas: free + floor * (1.0 - (-time / 4.0).exp()) + 0.004,
        }
    });
    let path = (0..80).map(|i| {
        let lambda = 1e-4 * 10f64.powf(i as f64 / 13.0);
        Ridge {
            lambda,
            weights: ridge(n, lambda),
        }
    });
    Point {
        cost: None,
        held_out: None,
            programmed: None,
        network: None,
        reads: Vec::new(),
        label: format!("τ = {tau}"),
        settings: vec![("device.tau".into(), tau.to_string())],
        device: "soft bounds".into(),
        refreshes: None,
        tau: Some(tau),
        learning_rate: 0.003,
        step: 0.001,
        cycle_to_cycle: [0.0, 0.3],
        bias_norm: 0.6711,
        bias_norm_p0: Some(0.6707),
        monte_carlo_error: 0.0013,
        prediction_error_p0: Some(0.0097),
        prediction_error_p1: Some(0.0034),
        prediction_errors_p1: Some(1.2),
        prediction_error_pt: Some(0.0036),
        tikhonov_residual: Some(0.047),
        tikhonov_residual_diagonal: Some(0.0041),
        lambda_predicted: Some(lambda),
        lambda_predicted_p0: Some(0.985 * lambda),
        lambda_retention: None,
        lambda_gradient: around(1.001 * lambda, 0.0004, lambda),
        lambda_e1: around(1.02 * lambda, 0.03 * lambda, lambda),
        centre: around(0.0, 0.02, 0.0),
        lambda_e2: around(0.978 * lambda, 0.006 * lambda, 0.98 * lambda),
        lambda_e3: around(0.99 * lambda, 0.004 * lambda, 0.991 * lambda),
        lambda_e3_euclidean: around(1.004 * lambda, 0.004 * lambda, 1.003 * lambda),
        lambda_e4: around(1.01 * lambda, 0.011 * lambda, 1.008 * lambda),
        lambda_law: NONE,
        read_gain: None,
        weight_deviation: around(0.0212, 0.0002, 0.0212),
        excess_loss: around(0.0241, 0.0004, 0.0240),
        budget: Some(Budget {
            logged: 0.002 * wiggle(index),
            gradient: -0.978 * lambda,
            a: 0.98 * lambda,
            b: 0.0,
            c: 0.0,
            d: -0.004,
            closure: 0.0009,
            closure_in_errors: 0.93,
        }),
        test_error: Some(TestError {
            none: 0.4965,
            implicit: 0.489 + 0.03 * (lambda - 0.05) * (lambda - 0.05) + 0.002,
            implicit_predicted: 0.489 + 0.03 * (lambda - 0.05) * (lambda - 0.05) + 0.0022,
            explicit_gcv: 0.4912,
            explicit_best: 0.4893,
            explicit_best_lambda: 0.048,
            explicit_gcv_lambda: 0.021,
            folds: 5,
        }),
        lambda_gcv: Some(0.0213),
        effective_dof: Some(5.31),
        strength_spread: Some(0.043),
        verdict: "P1 is valid: the weights fluctuate by 0.02, far less than the device's response bends over.".into(),
        weights: weights.collect(),
        modes: modes.collect(),
        learning_curve: curve.collect(),
        ridge_path: path.collect(),
        warnings: Vec::new(),
    }
}

/// A sweep of five points with ten weights.
pub(super) fn summary() -> Summary {
    let taus = [0.6, 1.0, 2.0, 3.0, 5.0];
    let points: Vec<Point> = taus
        .iter()
        .enumerate()
        .map(|(i, t)| point(*t, 10, i))
        .collect();
    let expectation = |name: &str, measured, expected, tolerance, met| Expectation {
        name: name.into(),
        measured,
        expected,
        tolerance,
        met,
    };
    Summary {
        schema: SCHEMA,
        study: "diabetes-soft-bounds".into(),
        title: "Soft bounds regularize linear regression".into(),
        claim: "On-chip training of a linear regression with soft-bound devices learns the ridge solution of λ = E|g|/τ, predicted within 1 % of the bias.".into(),
        cite: vec!["gokmen2020".into(), "wu2024".into()],
        seed: 7,
        replicas: 300,
        quick: false,
        features: points[0].weights.iter().map(|w| w.name.clone()).collect(),
        standardisation: vec![Standardisation {
            column: "bmi".into(),
            mean: 26.3758,
            deviation: 4.4131,
        }],
        points,
        controls: vec![
            Control {
                name: "explicit-ridge".into(),
                claim: "a digital ridge of known strength returns it by all four estimators".into(),
                values: vec![
                    ("E2".into(), around(0.3002, 0.0012, 0.3)),
                    ("E3".into(), around(0.2999, 0.0010, 0.3)),
                ],
            },
            Control {
                name: "symmetric-device".into(),
                claim: "the same noise on a symmetric device leaves no bias".into(),
                values: vec![("E2".into(), around(0.0014, 0.0013, 0.0))],
            },
        ],
        expectations: vec![
            expectation("P1 error at τ = 1", Some(0.0014), 0.005, None, Some(true)),
            expectation("mean λ at τ = 1", Some(0.4682), 0.468, Some(0.001), Some(true)),
            expectation("ridge distance at τ = 0.6", Some(0.047), 0.04, None, Some(false)),
            expectation("effective degrees of freedom", None, 5.3, Some(0.1), None),
        ],
        all_met: false,
        device_updates_per_second: 2.3e8,
        pulses_per_device_update: 2.4,
        wall_seconds: 41.3,
    }
}

/// The response of a device with soft bounds, its spread and three noisy runs.
pub(super) fn device() -> DeviceCurve {
    let up = |n: usize| 20e-6 - 16e-6 * (-(n as f64) / 25.0).exp();
    let down = |n: usize| 4e-6 + 15.7e-6 * (-(n as f64) / 18.0).exp();
    let rise = (0..=100).map(|n| (n as f64, up(n)));
    let fall = (0..=100).map(|n| (n as f64, down(n)));
    let whole: Vec<f64> = rise.clone().chain(fall.clone()).map(|(_, g)| g).collect();
    let trace = |phase: f64| {
        let noisy = |(n, g): (usize, &f64)| (n as f64, g + 0.3e-6 * (0.7 * n as f64 + phase).sin());
        whole.iter().enumerate().map(noisy).collect()
    };
    DeviceCurve {
        name: "soft bounds <test>".into(),
        subtitle: "After figure 3.".into(),
        potentiation: rise.collect(),
        depression: fall.collect(),
        one_sided: false,
        band: Some(whole.iter().map(|g| (g - 0.6e-6, g + 0.6e-6)).collect()),
        traces: (0..3).map(|k| trace(f64::from(k))).collect(),
        symmetric_point: Some(11.4e-6),
    }
}
