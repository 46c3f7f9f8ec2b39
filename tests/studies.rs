//! Every shipped study, run whole on its own seed: what it expects, with the tolerances stated in the file, must be met.

use std::path::{Path, PathBuf};

use memridge::study::summary::Read;
use memridge::study::{Outcome, Overrides, Study, forecast, run_study};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("experiments")
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
    let summary = run("implicit-l2/diabetes").summary;
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
    run("implicit-l2/diabetes-learning-rate");
}

#[test]
fn diabetes_spread() {
    run("implicit-l2/diabetes-spread");
}

#[test]
fn coarse() {
    run("implicit-l2/coarse");
}

#[test]
fn wu2024_fig3() {
    run("implicit-l2/wu2024-fig3");
}

#[test]
fn cycle_to_cycle() {
    run("implicit-l2/cycle-to-cycle");
}

#[test]
fn readout() {
    run("implicit-l2/readout");
}

#[test]
fn drift() {
    run("implicit-l2/drift");
}

#[test]
fn retention() {
    let points = run("implicit-l2/retention").summary.points;
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
        let study = Study::read(&path("implicit-l2/diabetes-spread"), &overrides).unwrap();
        let rows = run_study(&study, &()).unwrap().runs;
        rows.into_iter()
            .flat_map(|r| r.weights)
            .collect::<Vec<f64>>()
    };
    let first = quick(None);
    assert_eq!(first, quick(None));
    assert_ne!(first, quick(Some(1)));
}

#[test]
fn adc_bits() {
    run("crossbar/adc-bits");
}

#[test]
fn inference() {
    run("crossbar/inference");
}

/// A study that is read, with more of `[array]` and of its task.
fn read_study(array: &str, task: &str) -> String {
    format!(
        r#"title = "Small"
claim = "None"
cite = ["walden1999"]
seed = 3
replicas = 20
[device]
model = "ideal/soft-bounds"
[array]
read-noise = 0.0
[array.mapping.differential-pair]
zero = "middle"
conductance-per-weight = "half-window"
{array}
[task.products]
inputs = 40
outputs = 30
samples = 50
{task}
[task.products.weights.uniform]
largest = 1.0
[task.products.vectors.normal]
deviation = 0.7
"#
    )
}

/// Reads a study from text, with a table beside it.
fn study_of(text: &str) -> Result<Study, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    std::fs::write(&path, text).unwrap();
    let table = "a,b,kind,size\n0,1,1,2\n1,0,3,5\n0.1,1.2,1,2.4\n1.1,0.2,3,5.2\n0.2,0.8,1,1.9\n0.8,0.1,3,4.3\n0.5,0.4,1,3.1\n";
    std::fs::write(folder.path().join("table.csv"), table).unwrap();
    let study = Study::read(&path, &Overrides::default()).map_err(|e| e.to_string())?;
    // Data are read when it runs.
    std::mem::forget(folder);
    Ok(study)
}

fn reads_of(text: &str) -> Vec<Read> {
    let study = study_of(text).unwrap();
    run_study(&study, &()).unwrap().summary.points[0]
        .reads
        .clone()
}

/// Without noise and with ideal converters, products are exact to the rounding of single precision: 40 terms and the difference of two
/// currents, each some 10 times the weighted sum, of 6e-8 each.
#[test]
fn an_ideal_array_is_read_without_error() {
    let read = &reads_of(&read_study("", ""))[0];
    assert!(read.error.value.unwrap() < 2e-6, "{:?}", read.error);
    assert!((read.gain.value.unwrap() - 1.0).abs() < 1e-6);
    assert_eq!(read.error.predicted, Some(0.0));
    assert_eq!((read.time, read.saturated, read.repeated), (0.0, 0.0, 0));
    // Every vector once, every output converted.
    assert_eq!((read.vectors, read.output_conversions), (1000, 30_000));
    // Effective bits by their definition.
    let noisy = &reads_of(&read_study("", "").replace("read-noise = 0.0", "read-noise = 0.5"))[0];
    let (error, bits) = (
        noisy.error.predicted.unwrap(),
        noisy.effective_bits.predicted,
    );
    let snr = -20.0 * error.log10();
    assert!((bits.unwrap() - (snr - 1.76) / 6.02).abs() < 2e-3);
}

/// Fifty vectors of 40 normal inputs with a deviation of 0.7 for each of 20 replicas: `Σ x²` over 40 · 60 cells is 50 · 60 · 40 · 0.49 within
/// √(2/40 000) = 0.7 %; converters by count, nothing is written.
#[test]
fn a_study_that_is_read_has_its_cost() {
    let technology = r#"[technology]
node = "40 nm"
cell-area = 12.0
read-voltage = "200 mV"
line-capacitance = "0.1 fF"
read-time = "10 ns"
dac-energy = "100 fJ"
dac-area = "10 um2"
adc-time = "5 ns"
adc-area = "3000 um2"
outputs-per-adc = 8
operation-energy = "20 fJ"
writes = "row"
[technology.adc-energy.fixed]
energy = "1 pJ"
"#;
    let study = study_of(&format!("{}{technology}", read_study("", ""))).unwrap();
    let summary = run_study(&study, &()).unwrap().summary;
    let cost = summary.points[0].cost.as_ref().unwrap();
    let count = |name: &str| cost.items.iter().find(|i| i.name == name).unwrap().count;
    let drive = 50.0 * 60.0 * 40.0 * 0.49;
    assert!((count("reads of cells, by x²") / drive - 1.0).abs() < 0.03);
    assert_eq!(count("input conversions"), 2000.0);
    assert_eq!(count("output conversions"), 1500.0);
    assert_eq!(count("pulses"), 0.0);
    let sum: f64 = cost.items.iter().map(|i| i.energy.unwrap()).sum();
    assert!((sum / cost.energy - 1.0).abs() < 1e-12);
    let charge = cost.items.last().unwrap().energy.unwrap();
    assert!((charge / (drive * 0.04 * 1e-16) - 1.0).abs() < 0.03);
}

/// Where wires take a part, or outputs are scaled by what was measured, the closed form says nothing.
#[test]
fn nothing_is_predicted_of_what_closed_forms_leave_out() {
    let wires = "[array.wires]\nword-segment = \"20 Ohm\"\nbit-segment = \"20 Ohm\"";
    for (array, task) in [
        (wires, ""),
        ("", "compensation = \"global\"\nknown-vectors = 8"),
    ] {
        let read = &reads_of(&read_study(array, task))[0];
        assert_eq!(read.error.predicted, None, "{array}{task}");
        assert!(read.error.value.is_some());
    }
    let ideal = wires.replace("20 Ohm", "0 Ohm");
    let read = &reads_of(&read_study(&ideal, ""))[0];
    assert_eq!(read.error.predicted, Some(0.0));
}

/// 30 000 errors of a uniform distribution have a mean square that is known to 0.9 · 3.3 · √(0.8/30000) = 1.5 % with a thousandth of doubt, their
/// root to half of that.
#[test]
fn a_quantiser_alone_errs_by_its_closed_form() {
    for (rounding, share) in [("nearest", 1.0 / 12.0), ("stochastic", 1.0 / 6.0)] {
        let adc = format!("[array.adc.uniform]\nbits = 7\nrange = 20.0\nrounding = \"{rounding}\"");
        let read = &reads_of(&read_study(&adc, ""))[0];
        let error = read.error;
        let off = error.value.unwrap() / error.predicted.unwrap() - 1.0;
        assert!(off.abs() < 8e-3, "{rounding}: {error:?}");
        assert_eq!(read.saturated, 0.0);
        // The prediction from outside: √40 · 0.7/√3 is the rms output, up to 40 · 30 weights and 20 · 50 vectors.
        let rms = 40_f64.sqrt() * 0.7 / 3_f64.sqrt();
        let step = 20.0 / 63.0;
        let expected = step * f64::sqrt(share) / rms;
        assert!((error.predicted.unwrap() / expected - 1.0).abs() < 0.05);
    }
    // A range that holds half of an output's deviation saturates most of the time, and the gain says so.
    let adc = "[array.adc.uniform]\nbits = 7\nrange = 1.0";
    let cut = &reads_of(&read_study(adc, ""))[0];
    assert!(cut.saturated > 0.5 && cut.gain.value.unwrap() < 0.5);
    // Calibration brings it back.
    let calibrate = "known-vectors = 50\ncalibrate = { rule = \"max\", scope = \"column\" }";
    let whole = &reads_of(&read_study(adc, calibrate))[0];
    assert!(whole.saturated < 2e-3 && whole.error.value.unwrap() < 0.05);
}

const TABLE: &str = r#"title = "Small"
claim = "None"
cite = ["walden1999"]
seed = 3
replicas = 20
[device]
model = "ideal/soft-bounds"
[array]
read-noise = 0.0
[array.mapping.reference-column]
zero = "middle"
conductance-per-weight = "half-window"
[task.inference]
data = "table.csv"
label = "kind"
standardise = false
bias = 1.0
[task.inference.weights.least-squares]
ridge = 0.001
"#;

#[test]
fn a_layer_answers_as_its_digital_weights_do() {
    let labelled = TABLE.replace("data = ", "times = [\"1 s\", \"1 ks\"]\ndata = ");
    // `size` is a feature here, which tells the kinds apart.
    let reads = reads_of(&labelled);
    assert_eq!(reads.len(), 2);
    assert_eq!((reads[0].time, reads[1].time), (1.0, 1000.0));
    for read in &reads {
        assert_eq!(read.accuracy.value, read.accuracy.predicted);
        assert_eq!(read.accuracy.value, Some(1.0));
        assert_eq!(read.mean_squared_error.value, None);
    }
    let number = &reads_of(&TABLE.replace("label = \"kind\"", "target = \"size\""))[0];
    let error = number.mean_squared_error;
    assert_eq!(number.accuracy.value, None);
    // Least squares is better than the mean, whose error is 1.6.
    assert!(error.predicted.unwrap() > 0.0 && error.predicted.unwrap() < 0.3);
    assert!((error.value.unwrap() / error.predicted.unwrap() - 1.0).abs() < 1e-4);
}

/// Phase-change cells at a year: `(a/t₀)^-ν` with ν of 0.049 to 0.1 leaves between 0.24 and 0.5 of the conductance (and its mean over exponents a little more).
#[test]
fn compensation_takes_back_the_loss_of_drift() {
    let study = |compensation: &str| {
        let task = format!(
            "times = [\"20 s\", \"31536 ks\"]\ncompensation = \"{compensation}\"\nknown-vectors = 64"
        );
        read_study("", &task)
            .replace("ideal/soft-bounds", "pcm/nandakumar2019")
            .replace("differential-pair]\nzero = \"middle\"", "one-sided-pair]")
            .replace(
                "known-vectors = 64",
                match compensation {
                    "none" => "",
                    _ => "known-vectors = 64",
                },
            )
            .replace("largest = 1.0", "largest = 2.0")
    };
    let gains = |c| {
        let reads = reads_of(&study(c));
        [0, 1].map(|k| reads[k].gain.value.unwrap())
    };
    let [young, old] = gains("none");
    assert!((young - 1.0).abs() < 0.02, "{young}");
    assert!((0.24..0.6).contains(&old), "{old}");
    for compensation in ["global", "per-column"] {
        let [young, old] = gains(compensation);
        assert!(
            (young - 1.0).abs() < 0.02 && (old - 1.0).abs() < 0.05,
            "{young} {old}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let good = read_study("", "");
    let pcm = good
        .replace("ideal/soft-bounds", "pcm/nandakumar2019")
        .replace("differential-pair]\nzero = \"middle\"", "one-sided-pair]");
    let expect = |read: &str| {
        format!(
            "{good}[[expect]]\nname = \"x\"\nmetric = \"reads.error.value\"\nat-most = 1.0\n{read}\n"
        )
    };
    for (text, said) in [
        (
            format!("{good}[training]\nsteps = 3\n"),
            "nothing is trained",
        ),
        (
            format!("{good}[controls]\npoint = 0\nreplicas = 3\n"),
            "nothing to control",
        ),
        (pcm, "depends on the time since it was programmed"),
        (
            read_study("", "times = [\"1 ks\", \"1 s\"]"),
            "each later than the one before",
        ),
        (read_study("", "times = [\"1 S\"]"), "unit of conductance"),
        (read_study("", "known-vectors = 3"), "known-vectors"),
        (
            read_study(
                "",
                "known-vectors = 3\ncalibrate = { rule = \"max\", scope = \"array\" }",
            ),
            "no converter whose range",
        ),
        (read_study("", "compensation = \"global\""), "known-vectors"),
        (expect("read = 1"), "points are read 1 times"),
        (
            expect("").replace("reads.error.value", "reads.eror.value"),
            "no such number",
        ),
        (
            expect("read = 0").replace("reads.error.value", "tau"),
            "only metrics that start with reads.",
        ),
        (
            format!(
                "{good}[sweep]\ncombine = \"product\"\n[sweep.axes]\n\"task.products.samples\" = [0]\n"
            ),
            "samples",
        ),
    ] {
        let message = study_of(&text).err().unwrap_or_default();
        assert!(message.contains(said), "{said}: {message}");
    }
    // Nothing is predicted of it.
    let message = forecast(&study_of(&good).unwrap())
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("nothing to predict"), "{message}");
    // Data are looked at when they are needed.
    let broken = run_study(
        &study_of(&TABLE.replace("label = \"kind\"", "label = \"none\"")).unwrap(),
        &(),
    );
    assert!(broken.err().unwrap().to_string().contains("no such column"));
}

#[test]
fn through_the_wires() {
    run("implicit-l2/through-the-wires");
}

#[test]
fn ir_drop() {
    run("crossbar/ir-drop");
}

#[test]
fn training_cost() {
    run("crossbar/training-cost");
}
