//! Retention in device files, studies and predictions.

use std::path::Path;
use std::sync::Arc;

use memridge::bias::tikhonov::LeastSquares;
use memridge::bias::{Gradient, Setting, gaussian_closure, mean_field, trajectory};
use memridge::crossbar::{ArrayModel, Layout, Mapping, WeightMap};
use memridge::device::{Cells, Counting, CycleNoise, Retention, Window};
use memridge::study::{Overrides, Study, run_study};
use nalgebra::{DMatrix, DVector};

use crate::law;
use crate::text::{self, read, whole};

const DEVICE: &str = r#"
bounds = "soft"
write-noise = 0.0
law = { soft-bounds = { step = 0.001, lower = 0.0, upper = 1.0, symmetric-point = 0.5 } }
cycle-to-cycle = { additive = 0.0, multiplicative = 0.0 }
"#;

/// Reads the device with more lines.
fn device(more: &str) -> Result<Option<Retention>, String> {
    read(&whole(&format!("{DEVICE}{more}")))
        .map(|d| d.retention())
        .map_err(|e| e.to_string())
}

#[test]
fn device_files_name_their_retention() {
    assert_eq!(device("").unwrap(), None);
    let found = device("[retention.exponential]\nrest = 0.25\nlifetime = \"2 ms\"\n").unwrap();
    assert_eq!(
        found,
        Some(Retention {
            rest: 0.25,
            lifetime: 2e-3
        })
    );
    // The same state as a conductance.
    let found = device("[retention.exponential]\nrest = \"20 uS\"\nlifetime = \"1 s\"\n").unwrap();
    assert!((found.unwrap().rest - 0.25).abs() < 1e-12);
}

/// Lifetimes that vary from cell to cell: truncated nowhere near their bulk, and the other numbers of the cells are what they are
/// without.
#[test]
fn cells_have_lifetimes_of_their_own() {
    const CELLS: usize = 20_000;
    let read = |more: &str| {
        let spread = "[device-to-device]\nstep = { relative-normal = 0.2 }\n";
        text::read(&whole(&format!("{DEVICE}{spread}{more}"))).unwrap()
    };
    let leak = "[retention.exponential]\nrest = 0.25\nlifetime = \"2 s\"\n";
    let own = "[retention.exponential.device-to-device]\nlifetime = { relative-normal = 0.3 }\nrest = { normal = 0.02 }\n";
    let device = read(&format!("{leak}{own}"));
    let (equal, cells) = (read(leak).cells(CELLS, 7), device.cells(CELLS, 7));
    let (equal, cells) = (equal.unwrap(), cells.unwrap());
    assert!(equal.own_retention().is_none());
    for k in [0, 1, CELLS - 1] {
        assert_eq!(equal.double(k).parameters, cells.double(k).parameters);
    }
    let all = cells.own_retention().unwrap();
    let moments = |of: &dyn Fn(&Retention) -> f64| {
        let n = all.len() as f64;
        let mean = all.iter().map(of).sum::<f64>() / n;
        let square = |r| (of(r) - mean).powi(2);
        (mean, (all.iter().map(square).sum::<f64>() / n).sqrt())
    };
    // Five standard errors; cutting at zero, 3.3 deviations off, moves the mean by 5e-4 of a deviation.
    let error = 5.0 / (CELLS as f64).sqrt();
    let (mean, sd) = moments(&|r| r.lifetime);
    assert!((mean / 2.0 - 1.0).abs() < 0.3 * error, "{mean}");
    assert!((sd / 0.6 - 1.0).abs() < error, "{sd}");
    let (mean, sd) = moments(&|r| r.rest);
    assert!((mean - 0.25).abs() < 0.02 * error, "{mean}");
    assert!((sd / 0.02 - 1.0).abs() < error, "{sd}");
    // Independent of each other and of the neighbour's: correlations of no more than five standard errors.
    let score = |r: &Retention| ((r.lifetime / 2.0 - 1.0) / 0.3, (r.rest - 0.25) / 0.02);
    let both = all.iter().map(|r| score(r).0 * score(r).1).sum::<f64>() / CELLS as f64;
    let next = all
        .windows(2)
        .map(|w| score(&w[0]).0 * score(&w[1]).0)
        .sum::<f64>()
        / CELLS as f64;
    assert!(both.abs() < error && next.abs() < error, "{both} {next}");
    let nominal = device.without_variation().cells(3, 7).unwrap();
    assert!(nominal.own_retention().is_none());
}

/// An activation energy of 1.1 eV makes a lifetime at 150 °C 239 times as long at 85 °C.
#[test]
fn lifetimes_follow_the_temperature() {
    let heat = "[retention.exponential.arrhenius]\nactivation-energy = \"1.1 eV\"\nreference-temperature = \"423.15 K\"\ntemperature = \"358.15 K\"\n";
    let leak = "[retention.exponential]\nrest = 0.25\nlifetime = \"2 s\"\n";
    let found = device(&format!("{leak}{heat}")).unwrap().unwrap();
    assert!((found.lifetime / 2.0 - 238.62).abs() < 0.01, "{found:?}");
    let message = device(&format!("{leak}{}", heat.replace("eV", "V"))).unwrap_err();
    assert!(message.contains("1.1 eV"), "{message}");
    let message = device(&format!("{leak}{}", heat.replace("358.15", "0.1"))).unwrap_err();
    assert!(message.contains("smaller activation energy"), "{message}");
}

/// What relaxes would be the state, and predictions speak of the conductance.
#[test]
fn states_behind_a_readout_are_refused_retention() {
    let text = DEVICE.replace(
        "soft-bounds = { step = 0.001, lower = 0.0, upper = 1.0, symmetric-point = 0.5 }",
        "exponential-readout = { step = 0.001, lower = 0.0, upper = 1.0, asymmetry = 0.0, curvature = 2.0, compensation = 0.0 }",
    );
    let more = "[retention.exponential]\nrest = 0.25\nlifetime = \"2 ms\"\n";
    let refused = read(&whole(&format!("{text}{more}")));
    let message = refused.map(|_| ()).unwrap_err().to_string();
    assert!(
        message.contains("its state is not its conductance"),
        "{message}"
    );
}

#[test]
fn impossible_retention_is_refused_with_a_way_out() {
    let cases = [
        ("[retention.linear]\nrest = 0.5", "exponential"),
        ("[retention.exponential]\nrest = 0.5", "lifetime"),
        (
            "[retention.exponential]\nrest = 1.5\nlifetime = \"1 s\"",
            "must lie in the window",
        ),
        (
            "[retention.exponential]\nrest = 0.5\nlifetime = \"-1 s\"",
            "greater than 0",
        ),
        (
            "[retention.exponential]\nrest = 0.5\nlifetime = \"1 uS\"",
            "a unit of conductance",
        ),
        (
            "[retention.exponential]\nrest = 0.5\nlifetime = \"1 s\"\nspread = 0.3",
            "unknown key",
        ),
    ];
    for (text, part) in cases {
        let message = device(text).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
        assert!(message.contains("t.toml:"), "{message}");
    }
}

/// The shipped study, changed.
fn study(from: &str, to: &str) -> Result<Study, String> {
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/implicit-l2/retention.toml");
    let text = std::fs::read_to_string(&shipped).unwrap();
    assert!(text.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retention.toml");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    Study::read(&path, &Overrides::default()).map_err(|e| e.to_string())
}

#[test]
fn a_study_says_how_long_a_step_lasts_if_and_only_if_its_device_forgets() {
    let clock = "seconds-per-step = \"1 ms\"\n";
    study(clock, clock).unwrap();
    let message = study(clock, "").err().unwrap();
    assert!(
        message.contains("training.seconds-per-step: missing"),
        "{message}"
    );
    assert!(message.contains("seconds-per-step = \"1 us\""), "{message}");

    let table = "[device.retention.exponential]\nrest = 0.5\nlifetime = \"1 s\"\n";
    let axis = "\"device.retention.exponential.lifetime\" = [\"500 ms\", \"1 s\", \"2 s\"]";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retention.toml");
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/implicit-l2/retention.toml");
    let text = std::fs::read_to_string(&shipped).unwrap();
    let kept = text
        .replace(table, "")
        .replace(axis, "\"training.learning-rate\" = [0.005]");
    assert!(!kept.contains("retention.exponential"));
    std::fs::write(&path, kept).unwrap();
    let message = Study::read(&path, &Overrides::default())
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("keeps its states for ever"), "{message}");
    assert!(
        message.contains("[device.retention.exponential]"),
        "{message}"
    );

    let schedule = study(
        "schedule = \"constant\"",
        "schedule = { geometric = { last = 0.1 } }",
    );
    let message = schedule.err().unwrap();
    assert!(message.contains("constant learning rate only"), "{message}");
}

const WINDOW: Window = Window {
    g_min: 1e-5,
    g_max: 5e-5,
};

/// Four inputs whose second moments are far from equal, and a target that they explain in part.
fn data() -> (DMatrix<f64>, DVector<f64>) {
    let wave = |i: usize, j: usize| ((i * (2 * j + 3)) as f64 * 0.7 + j as f64).sin();
    let x = DMatrix::from_fn(60, 4, |i, j| wave(i, j) + 0.5 * wave(i, 0));
    let y = DVector::from_fn(60, |i, _| {
        0.3 * x[(i, 0)] - 0.2 * x[(i, 2)] + 0.3 * wave(i, 7)
    });
    (x, y)
}

/// A setting of equal cells whose states relax to `rest`, `lifetime` in firings.
fn setting(soft: bool, mapping: Mapping, rest: f64, lifetime: f64, rate: f64) -> Setting {
    let (x, y) = data();
    let map = WeightMap::new(mapping, 0.5, 2.0, 4, 1);
    let (law, p) = if soft {
        (law("soft-bounds"), 0.5)
    } else {
        (law("constant-step"), 0.0)
    };
    let p = [5e-4, 0.0, 1.0, p];
    let cells = Cells::new(
        law,
        WINDOW,
        CycleNoise::new(0.0, 0.3),
        0.0,
        false,
        p.to_vec(),
        p.repeat(map.cells()),
    );
    let cells = cells.with_retention(Retention { rest, lifetime });
    Setting {
        model: ArrayModel {
            cells: Arc::new(cells),
            map,
        },
        x,
        y,
        wires: None,
        layout: Layout::default(),
        gradient: Gradient::PerSample { batch: 1 },
        rate,
        counting: Counting::StochasticRounding,
        read_noise: 0.0,
        seconds: 1.0,
        age: 0.0,
    }
}

/// A symmetric device that forgets is an explicit ridge about its resting weight, of λ = l/((1 - l) η) for a loss l a step: mean
/// field, closure (its drift is linear in the state) and the end of the trajectory, for single cells and pairs.
#[test]
fn a_symmetric_device_that_forgets_is_an_explicit_ridge() {
    let rate = 0.004;
    for (mapping, rest, lifetime) in [
        (Mapping::ReferenceColumn, 0.5, 1000.0),
        (Mapping::ReferenceColumn, 0.6, 300.0),
        (Mapping::DifferentialPair, 0.2, 1000.0),
    ] {
        let setting = setting(false, mapping, rest, lifetime, rate);
        let squares = LeastSquares::from_rows(&setting.x, &setting.y).unwrap();
        let lost = -(-1.0 / lifetime).exp_m1();
        // F = 1, for pairs too: each cell is asked for half of a change, and both make it.
        let lambda = lost / ((1.0 - lost) * rate);
        let centre = DVector::from_element(4, setting.model.resting_weight(0));
        let ridge = squares.spectrum().unwrap().ridge(lambda, &centre).unwrap();
        let p0 = mean_field(&setting).unwrap();
        let p1 = gaussian_closure(&setting, &p0).unwrap();
        assert!(
            (&p0.weights - &ridge).amax() < 1e-9,
            "{}",
            p0.weights - &ridge
        );
        assert!(
            (&p1.weights - &ridge).amax() < 1e-8,
            "{}",
            p1.weights - &ridge
        );
        assert!((p1.retention.mean() / lambda - 1.0).abs() < 1e-9);
        assert!((p1.pooled_lambda(&centre) / lambda - 1.0).abs() < 1e-6);
        // 40 times as long as the slowest mode takes.
        let end = trajectory(&setting, &[0.0; 4], 40.0 / lambda).unwrap();
        // The continuous time of the trajectory knows l/η, not l/((1 - l)η): apart by 1/lifetime of λ.
        let apart = (end.weights.last().unwrap() - &ridge).amax();
        assert!(apart < 2.0 / lifetime, "{apart}");
    }
}

/// Cells of unequal lifetimes are a ridge of unequal strengths, one a weight: `(H + Λ) w = b + Λ c`.
#[test]
fn unequal_lifetimes_are_a_ridge_of_unequal_strengths() {
    let rate = 0.004;
    let mut setting = setting(false, Mapping::ReferenceColumn, 0.6, 1000.0, rate);
    let lifetimes = [300.0, 700.0, 1500.0, 4000.0];
    let own: Vec<Retention> = lifetimes
        .iter()
        .map(|&lifetime| Retention {
            rest: 0.6,
            lifetime,
        })
        .collect();
    let cells = Cells::clone(&setting.model.cells).with_retentions(own[0], own);
    setting.model.cells = Arc::new(cells);
    let n = setting.x.nrows() as f64;
    let (h, b) = (
        setting.x.tr_mul(&setting.x) / n,
        setting.x.tr_mul(&setting.y) / n,
    );
    let lambda = DVector::from_fn(4, |k, _| {
        let lost = -(-1.0_f64 / lifetimes[k]).exp_m1();
        lost / ((1.0 - lost) * rate)
    });
    let centre = DVector::from_element(4, setting.model.resting_weight(0));
    let right = b + lambda.component_mul(&centre);
    let ridge = (h + DMatrix::from_diagonal(&lambda))
        .lu()
        .solve(&right)
        .unwrap();
    let p0 = mean_field(&setting).unwrap();
    let p1 = gaussian_closure(&setting, &p0).unwrap();
    assert!(
        (&p0.weights - &ridge).amax() < 1e-9,
        "{}",
        p0.weights - &ridge
    );
    assert!(
        (&p1.weights - &ridge).amax() < 1e-8,
        "{}",
        p1.weights - &ridge
    );
    assert!((&p1.retention - &lambda).amax() < 1e-9 * lambda.max());
}

/// With soft bounds both pulls add up: the strength is the sum of E|g|R' and 1/(η t), and half the rate doubles only the second.
#[test]
fn retention_adds_to_rectification() {
    let at = |rate: f64| {
        let setting = setting(true, Mapping::ReferenceColumn, 0.5, 2000.0, rate);
        let p0 = mean_field(&setting).unwrap();
        let p1 = gaussian_closure(&setting, &p0).unwrap();
        let pulses = p1.mean_lambda().unwrap() - p1.retention.mean();
        (p1.retention.mean(), pulses, p1)
    };
    let ((retention, pulses, p1), (doubled, same, _)) = (at(0.004), at(0.002));
    assert!((retention * 0.004 * 2000.0 - 1.0).abs() < 1e-3);
    assert!((doubled / retention - 2.0).abs() < 1e-9);
    // E|g| rises with the bias and falls with the fluctuations: by a few percent.
    assert!((same / pulses - 1.0).abs() < 0.1, "{same} {pulses}");
    // The pull about the symmetric point is their sum, to what |g| and w have to do with each other.
    let (u, lambda) = (&p1.weights, p1.lambda.as_ref().unwrap());
    let expected = lambda.dot(&u.component_mul(u)) / u.norm_squared();
    let total = p1.pooled_lambda(&DVector::zeros(4));
    assert!((total / expected - 1.0).abs() < 0.03, "{total} {expected}");
}

/// Relaxation comes once a step, whatever a step fires: batches of single samples and summed ones, both against the closure. (It takes
/// summed gradients as Gaussian, which the mean of a few samples is nearly and a single sample is not.) So do cells of unequal lifetimes.
#[test]
fn batches_relax_once_a_step() {
    for (batch, update, spread) in [
        (4, "per-sample", 0.0),
        (4, "summed", 0.0),
        (16, "summed", 0.0),
        (4, "per-sample", 0.3),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
title = "Batches that forget"
claim = "Once a step."
cite = ["li2018"]
seed = 12
replicas = 200

[device]
model = "ideal/soft-bounds"

[device.retention.exponential]
rest = 0.5
lifetime = "1 s"

[device.retention.exponential.device-to-device]
lifetime = {{ relative-normal = {spread:?} }}

[array]
read-noise = 0.0

[array.mapping.differential-pair]
zero = "symmetric-point"
conductance-per-weight = "20 uS"

[task]
data = "{}/experiments/data/diabetes.csv"
target = "target"
standardise = true

[training]
loss = "squared-error"
learning-rate = 0.02
schedule = "constant"
steps = 3000
batch = {batch}
update = "{update}"
average-from = 0.5
log-every = 7
pulses = "stochastic-rounding"
seconds-per-step = "5 ms"
"#,
            env!("CARGO_MANIFEST_DIR")
        );
        let path = folder.path().join("study.toml");
        std::fs::write(&path, text).unwrap();
        let study = Study::read(&path, &Overrides::default()).unwrap();
        let point = &run_study(&study, &()).unwrap().summary.points[0];
        let what = format!("{batch} {update} {spread}");
        // λ = 1/(η t) with η the rate of the whole step, whatever its parts: a lifetime is 200 steps.
        let retention = point.lambda_retention.unwrap();
        // The mean of 1/T over 20 cells of a spread of 0.3 is larger than 1/mean by 0.1, give or take 0.07.
        let tolerance = if spread > 0.0 { 0.4 } else { 3e-3 };
        assert!(
            (retention / (1.0 / (0.02 * 200.0)) - 1.0).abs() < tolerance,
            "{what}: {retention}"
        );
        let (miss, error) = (point.prediction_error_p1.unwrap(), point.monte_carlo_error);
        assert!(miss < 4.0 * error && error < 0.01, "{what}: {miss} {error}");
        let budget = point.budget.unwrap();
        // The closure vector has ten components, each of one Monte-Carlo error.
        assert!(budget.closure_in_errors < 2.0, "{what}: {budget:?}");
        // Pooled along the displacement, not the mean over weights.
        let tolerance = if spread > 0.0 { 0.4 } else { 0.02 };
        assert!(
            (budget.c / retention - 1.0).abs() < tolerance,
            "{what}: {budget:?}"
        );
    }
}
