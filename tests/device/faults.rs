//! Stuck cells in device files, in studies and in predictions.

use std::path::{Path, PathBuf};

use memridge::device::{Cells, load_device};
use memridge::study::{Overrides, Study, forecast, run_study};

use crate::text::whole;

const DEVICE: &str = r#"
bounds = "soft"
write-noise = 0.0
law = { soft-bounds = { step = 0.001, lower = 0.0, upper = 1.0, symmetric-point = 0.5 } }
cycle-to-cycle = { additive = 0.0, multiplicative = 0.3 }
device-to-device = { step = { relative-normal = 0.2 } }
"#;

fn write(folder: &Path, more: &str) -> PathBuf {
    let path = folder.join("t.toml");
    std::fs::write(&path, whole(&format!("{DEVICE}{more}"))).unwrap();
    path
}

/// `count` cells of the device with more lines.
fn cells(folder: &Path, more: &str, count: usize) -> Result<Cells, String> {
    let path = write(folder, more).display().to_string();
    load_device(&path, Path::new(""))
        .and_then(|d| d.cells(count, 7))
        .map_err(|e| e.to_string())
}

#[test]
fn cells_are_stuck_with_their_probabilities_and_independently() {
    const N: usize = 200_000;
    let folder = tempfile::tempdir().unwrap();
    let text = "[faults]\nstuck-on = 0.05\nstuck-off = 0.1\nstuck-at = { probability = 0.02, position = \"20 uS\" }\n";
    let found = cells(folder.path(), text, N).unwrap();
    for (position, probability) in [(1.0, 0.05), (0.0, 0.1), (0.25, 0.02)] {
        let at = |p: f64| (p - position).abs() < 1e-12;
        let share = found.stuck().iter().filter(|(_, p)| at(*p)).count() as f64 / N as f64;
        // Five standard errors of a binomial share.
        let error = (probability * (1.0 - probability) / N as f64).sqrt();
        assert!(
            (share - probability).abs() < 5.0 * error,
            "{position}: {share}"
        );
    }
    // Neighbours: the share of pairs that are both stuck is the square, to five standard errors (pairs that overlap correlate: twice).
    let stuck = |k: usize| found.stuck_at(k).is_some();
    let both = (1..N).filter(|&k| stuck(k) && stuck(k - 1)).count() as f64 / N as f64;
    let p = found.stuck().len() as f64 / N as f64;
    assert!(
        (both - p * p).abs() < 10.0 * (p * p / N as f64).sqrt(),
        "{both}"
    );
    // The healthy cells are those of the array without faults.
    let healthy = cells(folder.path(), "", N).unwrap();
    assert!((0..N).all(|k| found.double(k).parameters == healthy.double(k).parameters));
    // More faults leave none healthy that was stuck.
    let more = cells(folder.path(), "[faults]\nstuck-on = 0.2\n", N).unwrap();
    assert!(
        found
            .stuck()
            .iter()
            .all(|(k, _)| more.stuck_at(*k).is_some())
    );
    // The same seed, the same faults.
    let again = cells(folder.path(), text, N).unwrap();
    assert_eq!(found.stuck(), again.stuck());
}

/// Writes arrays of an NPZ file.
fn mask(folder: &Path, arrays: &[(&str, &[f64])]) {
    use npyz::WriterBuilder;
    let mut npz = npyz::npz::NpzWriter::create(folder.join("mask.npz")).unwrap();
    for (name, values) in arrays {
        let mut array = npz
            .array(name, Default::default())
            .unwrap()
            .default_dtype()
            .shape(&[values.len() as u64])
            .begin_nd()
            .unwrap();
        array.extend(values.iter().copied()).unwrap();
        array.finish().unwrap();
    }
}

#[test]
fn a_mask_says_of_every_cell_whether_it_is_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let healthy = f64::NAN;
    mask(
        folder.path(),
        &[
            ("stuck", &[healthy, 1.0, healthy, 0.3]),
            ("wild", &[healthy, 7.0, healthy, healthy]),
        ],
    );
    let of =
        |array: &str| format!("[faults]\nmask = {{ npz = \"mask.npz\", array = \"{array}\" }}\n");
    let found = cells(folder.path(), &of("stuck"), 4).unwrap();
    assert_eq!(found.stuck(), [(1, 1.0), (3, 0.3)]);
    let message = cells(folder.path(), &of("stuck"), 5).err().unwrap();
    assert!(
        message.contains("5 cells") && message.contains("faults.mask"),
        "{message}"
    );
    let message = cells(folder.path(), &of("wild"), 4).err().unwrap();
    assert!(
        message.contains("cell 1") && message.contains("is 7"),
        "{message}"
    );
    assert!(message.contains("NaN for a healthy one"), "{message}");
}

#[test]
fn impossible_faults_are_refused_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("stuck-on = 1.5", "between 0 and 1"),
        ("stuck-on = 0.6\nstuck-off = 0.6", "add up to 1.2"),
        ("stuck-at = { probability = 0.1 }", "position"),
        (
            "stuck-at = { probability = 0.1, position = 3.0 }",
            "between -1 and 2",
        ),
        (
            "stuck-at = { probability = 0.1, position = -0.5 }",
            "conductance is negative",
        ),
        (
            "stuck-on = 0.1\nmask = { npz = \"a.npz\", array = \"a\" }",
            "leaves nothing to chance",
        ),
        ("", "give one of stuck-on, stuck-off, stuck-at, mask"),
        (
            "stuck-off = 0.6\nstuck-at = { probability = 0.6, position = 0.5 }",
            "faults.stuck-off",
        ),
        ("stuk-on = 0.1", "did you mean stuck-on?"),
    ];
    for (text, part) in cases {
        let message = cells(folder.path(), &format!("[faults]\n{text}\n"), 4)
            .err()
            .unwrap();
        assert!(message.contains(part), "{text}: {message}");
        assert!(message.contains("t.toml:"), "{message}");
    }
}

/// A small study on the device with these faults.
fn study(folder: &Path, mapping: &str, faults: &str) -> Study {
    write(folder, faults);
    let text = format!(
        r#"
title = "Stuck cells"
claim = "They are where they are."
cite = ["wu2024"]
seed = 3
replicas = 64

[device]
model = "t.toml"

[array]
read-noise = 0.0

[array.mapping.{mapping}]
zero = "symmetric-point"
conductance-per-weight = "20 uS"

[task]
data = "{}/experiments/data/diabetes.csv"
target = "target"
standardise = true

[training]
loss = "squared-error"
learning-rate = 0.01
schedule = "constant"
steps = 8000
batch = 1
update = "per-sample"
average-from = 0.5
log-every = 20
pulses = "stochastic-rounding"
"#,
        env!("CARGO_MANIFEST_DIR")
    );
    let path = folder.join("study.toml");
    std::fs::write(&path, text).unwrap();
    Study::read(&path, &Overrides::default()).unwrap()
}

/// Cells by mask; the array has ten weights.
fn masked(folder: &Path, cells: usize, stuck: &[(usize, f64)]) -> &'static str {
    let mut values = vec![f64::NAN; cells];
    stuck.iter().for_each(|(k, p)| values[*k] = *p);
    mask(folder, &[("stuck", &values)]);
    "[faults]\nmask = { npz = \"mask.npz\", array = \"stuck\" }\n"
}

#[test]
fn a_study_with_stuck_weights_is_predicted_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // Weight 2 stays at +0.3, weight 7 at -0.1.
    let stuck = [(2, 0.65), (7, 0.45)];
    let faults = masked(folder.path(), 10, &stuck);
    let study = study(folder.path(), "reference-column", faults);
    let outcome = run_study(&study, &()).unwrap();
    let point = &outcome.summary.points[0];
    for (j, value) in [(2, 0.3), (7, -0.1)] {
        let w = &point.weights[j];
        for at in [w.measured, w.p0, w.p1, w.pt, w.symmetric_point.unwrap()] {
            // A state of single precision, twice the window wide in weights.
            assert!((at - value).abs() < 1e-6, "{j}: {at}");
        }
        assert!(w.deviation < 1e-6 && w.deviation_predicted < 1e-9);
        assert_eq!(w.lambda, Some(0.0));
    }
    let warning = point.warnings.join("\n");
    assert!(
        warning.contains("2 of 10 cells are stuck: 2 of 10 weights cannot move"),
        "{warning}"
    );
    // The other weights go where the closure says, stuck neighbours considered.
    let (miss, error) = (point.prediction_error_p1.unwrap(), point.monte_carlo_error);
    assert!(miss < 4.0 * error && error < 0.02, "{miss} {error}");
    // Nothing is NaN: every estimate exists, and the mechanism finds the strength of the weights that move.
    let estimates = [
        point.lambda_e1,
        point.lambda_e2,
        point.lambda_e3,
        point.lambda_e4,
        point.lambda_gradient,
        point.weight_deviation,
    ];
    for e in estimates {
        assert!(e.value.is_some() && e.predicted.is_some(), "{e:?}");
    }
    let [e1, e2] = [point.lambda_e1, point.lambda_e2];
    for e in [e1, e2] {
        let half = 0.5 * (e.high.unwrap() - e.low.unwrap());
        assert!(
            (e.value.unwrap() - e.predicted.unwrap()).abs() < 2.0 * half,
            "{e:?}"
        );
    }
    assert!(point.budget.unwrap().closure_in_errors < 3.0);
    assert!(point.tau.is_some_and(f64::is_finite));
    // `predict` says it too.
    let said = &forecast(&study).unwrap()[0].verdict;
    assert!(said.contains("2 of 10 cells are stuck"), "{said}");
}

/// The study as run holds the device, and finds the mask from anywhere.
#[test]
fn the_study_as_run_finds_its_mask() {
    let folder = tempfile::tempdir().unwrap();
    let faults = masked(folder.path(), 10, &[(4, 0.1)]);
    let study = study(folder.path(), "reference-column", faults);
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("study.toml");
    std::fs::write(&path, study.document.to_toml()).unwrap();
    let again = Study::read(&path, &Overrides::default()).unwrap();
    let cells = again.points[0].plan(10, 1).unwrap().model.cells;
    assert_eq!(cells.stuck(), [(4, 0.1)]);
}

#[test]
fn a_pair_with_a_stuck_cell_has_half_its_range() {
    let folder = tempfile::tempdir().unwrap();
    // The negative cell of weight 2 at its middle: the other does all the work, half as fast. Both cells of weight 5.
    let stuck = [(5, 0.5), (10, 0.7), (11, 0.5)];
    let faults = masked(folder.path(), 20, &stuck);
    let study = study(folder.path(), "differential-pair", faults);
    let outcome = run_study(&study, &()).unwrap();
    let point = &outcome.summary.points[0];
    let warning = point.warnings.join("\n");
    assert!(
        warning.contains("3 of 20 cells are stuck: 1 of 10 weights cannot move and 1 have half"),
        "{warning}"
    );
    let (miss, error) = (point.prediction_error_p1.unwrap(), point.monte_carlo_error);
    assert!(miss < 4.0 * error && error < 0.02, "{miss} {error}");
    let fixed = &point.weights[5];
    assert!((fixed.measured - 0.4).abs() < 1e-6 && (fixed.p1 - 0.4).abs() < 1e-6);
    // Its slope per weight is twice that of a whole pair, whose two cells share the distance.
    let (halved, whole) = (&point.weights[2], &point.weights[3]);
    let slope = |w: &memridge::study::summary::Weight| w.lambda.unwrap() / w.abs_gradient;
    assert!(
        (slope(halved) / slope(whole) - 2.0).abs() < 0.1,
        "{} {}",
        slope(halved),
        slope(whole)
    );
    assert!(point.budget.unwrap().closure_in_errors < 3.0);
    assert!(point.lambda_e1.value.is_some());
}
