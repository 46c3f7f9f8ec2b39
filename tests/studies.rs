//! Every shipped study, run whole on its own seed: what it expects, with the tolerances stated in the file, must be met.

use std::path::{Path, PathBuf};

use memridge::study::{Outcome, Overrides, Study, run_study};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("experiments/implicit-l2")
        .join(name)
        .with_extension("toml")
}

/// Runs a study whole and asserts that each expectation is met.
fn run(name: &str) -> Outcome {
    let study = Study::read(&path(name), &Overrides::default()).unwrap();
    let outcome = run_study(&study, &()).unwrap();
    let summary = &outcome.summary;
    assert!(!summary.expectations.is_empty());
    for e in &summary.expectations {
        assert_eq!(e.met, Some(true), "{name}: {e:?}");
    }
    assert!(summary.all_met);
    outcome
}

#[test]
fn diabetes() {
    let summary = run("diabetes").summary;
    // What the study's file does not say: the explicit side and the shape of the answer.
    for point in &summary.points {
        let residual = point.tikhonov_residual.unwrap();
        let diagonal = point.tikhonov_residual_diagonal.unwrap();
        // The device is a diagonal ridge, not a scalar one: the diagonal path passes far nearer.
        assert!(diagonal < 0.5 * residual, "{diagonal} {residual}");
        let budget = point.budget.unwrap();
        // A carries the bias; B and C are zero for these devices.
        assert!(budget.a > 10.0 * budget.d.abs());
        assert_eq!((budget.b, budget.c), (0.0, 0.0));
        let test = point.test_error.unwrap();
        assert!(test.explicit_best <= test.explicit_gcv && test.explicit_best <= test.none);
        // Simulated and predicted weights predict held-out patients equally well to 0.2 %.
        assert!((test.implicit / test.implicit_predicted - 1.0).abs() < 2e-3);
        assert!(point.warnings.is_empty(), "{:?}", point.warnings);
    }
    // λ falls as 1/τ: E|g| rises with the bias, so a little faster.
    let lambda: Vec<f64> = summary
        .points
        .iter()
        .map(|p| p.lambda_predicted.unwrap() * p.tau.unwrap())
        .collect();
    assert!(lambda.windows(2).all(|l| l[1] < l[0] && l[1] > 0.8 * l[0]));
}

#[test]
fn diabetes_learning_rate() {
    run("diabetes-learning-rate");
}

#[test]
fn diabetes_spread() {
    run("diabetes-spread");
}

#[test]
fn coarse() {
    run("coarse");
}

#[test]
fn wu2024_fig3() {
    run("wu2024-fig3");
}

#[test]
fn cycle_to_cycle() {
    run("cycle-to-cycle");
}

#[test]
fn readout() {
    run("readout");
}

#[test]
fn drift() {
    run("drift");
}

#[test]
fn retention() {
    let points = run("retention").summary.points;
    for (point, steps) in points.iter().zip([500.0, 1000.0, 2000.0]) {
        // Exactly l/((1 - l) η F) for a loss l a step, F(w⋄) = 1: 1/(η t) to half of 1/t.
        let strength = 1.0 / (0.005 * steps);
        let found = point.lambda_retention.unwrap();
        assert!((found / strength - 1.0).abs() < 0.6 / steps, "{found}");
        let e2 = point.lambda_e2;
        // What pulses add is far smaller than λ, and far larger than the interval.
        let pulses = point.lambda_predicted.unwrap() - found;
        assert!(pulses > 0.02 && pulses < 0.025, "{pulses}");
        assert!(e2.high.unwrap() - e2.low.unwrap() < 0.2 * pulses);
        assert!(point.warnings.is_empty(), "{:?}", point.warnings);
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let quick = |seed| {
        let overrides = Overrides { seed, quick: true };
        let study = Study::read(&path("diabetes-spread"), &overrides).unwrap();
        let rows = run_study(&study, &()).unwrap().runs;
        rows.into_iter()
            .flat_map(|r| r.weights)
            .collect::<Vec<f64>>()
    };
    let first = quick(None);
    assert_eq!(first, quick(None));
    assert_ne!(first, quick(Some(1)));
}
