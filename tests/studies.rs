//! Every shipped study, run whole on its own seed: what it expects, with the tolerances stated in the file, must be met.

use std::path::{Path, PathBuf};

use memridge::study::summary::Read;
use memridge::study::{Outcome, Overrides, Study, forecast, run_study};
use memridge::training::datasets::Split;

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
fn algorithms() {
    for name in [
        "explicit-l2",
        "feature-scales",
        "manhattan",
        "mixed-precision",
        "momentum",
        "nesterov",
        "proximal",
        "reference-offset",
        "residual-learning",
        "sparse-features",
        "symmetric-points",
        "tiki-taka",
        "tiki-taka-v2",
    ] {
        run(&format!("algorithms/{name}"));
    }
}

#[test]
fn adc_bits() {
    run("crossbar/adc-bits");
}

#[test]
fn bit_slicing() {
    run("crossbar/bit-slicing");
}

#[test]
fn inference() {
    run("crossbar/inference");
}

#[test]
fn write_verify() {
    run("crossbar/write-verify");
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
    // Lines are charged to the whole voltage by every pulse whose width is not 0 of 63 steps: an input beyond 1/126, 1 - 2 φ(0)/(126 · 0.7)
    // = .991 of them, known to .0005.
    let dac = "[array.dac]\nbits = 7\nrange = 1.0\ninputs = \"pulse-width\"";
    let study = study_of(&format!("{}{technology}", read_study(dac, ""))).unwrap();
    let summary = run_study(&study, &()).unwrap().summary;
    let charged = summary.points[0]
        .cost
        .as_ref()
        .unwrap()
        .items
        .last()
        .unwrap();
    let share = charged.count / (50.0 * 60.0 * 40.0);
    assert!((share - 0.991).abs() < 2.5e-3, "{share}");
}

/// Cells of four levels hold digits of two bits exactly, those of zero in an offset column among them: what is left is the quantisation of uniform
/// weights to steps of 2/255, 2/255/√12, over their root mean square 1/√3: 0.00392, as in columns with an exact reference.
#[test]
fn digits_of_cells_with_levels_are_exact() {
    let error = |mapping: &str| {
        let text = read_study("slices = { weight-bits = 8, bits-per-cell = 2 }", "")
            .replace("[array.mapping.differential-pair]\nzero = \"middle\"\nconductance-per-weight = \"half-window\"\nslices", "slices")
            .replace(
                "model = \"ideal/soft-bounds\"",
                "model = \"ideal/crosssim-default\"\n[device.programming]\nlevels = 4\ndeviation = { times = \"1 uS\", relative-to = \"1 uS\", constant = 0.0 }",
            );
        let mapping = format!(
            "[array.mapping.{mapping}]\nzero = \"middle\"\nconductance-per-weight = \"half-window\"\n[task.products]"
        );
        let text = text.replace("[task.products]\ninputs", &format!("{mapping}\ninputs"));
        reads_of(&text)[0].error.value.unwrap()
    };
    let (reference, offset) = (error("reference-column"), error("offset-column"));
    assert!((reference / 0.003_92 - 1.0).abs() < 0.05, "{reference}");
    assert!(
        (offset / reference - 1.0).abs() < 1e-3,
        "{offset} {reference}"
    );
}

/// Two bits about a zero near an end leave one sign without a code.
#[test]
fn a_zero_without_room_is_refused() {
    let text = read_study("", "").replace(
        "[array.mapping.differential-pair]\nzero = \"middle\"",
        "slices = { weight-bits = 2, bits-per-cell = 1 }\n[array.mapping.reference-column]\nzero = 0.1",
    );
    let study = study_of(&text).unwrap();
    let refused = run_study(&study, &()).err().unwrap().to_string();
    assert!(refused.contains("array.slices.weight-bits"), "{refused}");
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

/// What the digital side takes for ohmic errs by the curve; a device that bends must be told its voltage.
#[test]
fn curves_need_a_voltage() {
    let study = |array: &str| {
        read_study(array, "")
            .replace("ideal/soft-bounds", "ideal/crosssim-cubic")
            .replace("differential-pair]\nzero = \"middle\"", "one-sided-pair]")
            .replace("normal]\ndeviation = 0.7", "uniform]\nlargest = 1.0")
    };
    let dac = "[array.dac]\nrange = 1.0\n";
    let with = |voltage: &str, rest: &str| {
        study(rest).replace(
            "read-noise = 0.0",
            &format!("read-noise = 0.0\nread-voltage = \"{voltage}\""),
        )
    };
    // Uniform inputs: x - c x³ has a slope of 1 - c E x⁴/E x² = 1 - 3/5 c on x, c = 0.25 V⁻² (1 V)², over many cells and inputs.
    let read = &reads_of(&with("1 V", dac))[0];
    assert!(
        (read.gain.value.unwrap() - 0.85).abs() < 2e-3,
        "{:?}",
        read.gain
    );
    assert_eq!(read.error.predicted, None);
    assert!(
        (0.15..0.17).contains(&read.error.value.unwrap()),
        "{:?}",
        read.error
    );
    // The square of the voltage: a hundredth.
    let read = &reads_of(&with("100 mV", dac))[0];
    assert!((read.gain.value.unwrap() - 0.9985).abs() < 1e-4);
    // Pulses of one voltage keep the product.
    let serial = "[array.dac]\nbits = 8\nrange = 1.0\ninputs = \"bit-serial\"\n";
    let read = &reads_of(&with("1 V", serial))[0];
    assert!((read.gain.value.unwrap() - 1.0).abs() < 1e-3);
    let wires = "[array.wires]\nword-segment = \"1 Ohm\"\nbit-segment = \"1 Ohm\"\n";
    let width = "[array.dac]\nbits = 8\nrange = 1.0\ninputs = \"pulse-width\"\n";
    for (text, said) in [
        (study(dac), "read-voltage = \"200 mV\""),
        (with("1 V", ""), "known by the largest one"),
        (with("3 V", dac), "ends at 2 V"),
        (with("1.5 V", &format!("{dac}{wires}")), "must rise"),
        (
            with("1 V", &format!("{width}{wires}")),
            "pulses of several lengths",
        ),
    ] {
        let message = study_of(&text).err().unwrap_or_default();
        assert!(message.contains(said), "{said}: {message}");
    }
}

/// Samples that are held out have no part in the fit: the digital error is that of a fit by hand.
#[test]
fn held_out_samples_are_tested_and_not_fitted() {
    let text = TABLE
        .replace("label = \"kind\"", "target = \"size\"")
        .replace("bias = 1.0", "bias = 1.0\nsplit = { test = 0.3, seed = 5 }");
    let study = study_of(&text).unwrap();
    let summary = run_study(&study, &()).unwrap().summary;
    let point = &summary.points[0];
    let held = point.held_out.unwrap();
    assert_eq!((held.training, held.test, held.seed), (5, 2, 5));
    let [rows, _, held_out] = Split::tested(0.3, 5).rows(7, None).unwrap();
    let table: [[f64; 4]; 7] = [
        [0.0, 1.0, 1.0, 2.0],
        [1.0, 0.0, 3.0, 5.0],
        [0.1, 1.2, 1.0, 2.4],
        [1.1, 0.2, 3.0, 5.2],
        [0.2, 0.8, 1.0, 1.9],
        [0.8, 0.1, 3.0, 4.3],
        [0.5, 0.4, 1.0, 3.1],
    ];
    let inputs = |k: usize| nalgebra::Vector4::new(table[k][0], table[k][1], table[k][2], 1.0);
    let mut gram = nalgebra::Matrix4::zeros();
    let mut product = nalgebra::Vector4::zeros();
    for &k in &rows {
        gram += inputs(k) * inputs(k).transpose() / 5.0;
        product += inputs(k) * table[k][3] / 5.0;
    }
    for k in 0..3 {
        gram[(k, k)] += 0.001;
    }
    let weights = gram.lu().solve(&product).unwrap();
    let misses = held_out
        .iter()
        .map(|&k| (weights.dot(&inputs(k)) - table[k][3]).powi(2));
    let expected = misses.sum::<f64>() / 2.0;
    let found = point.reads[0].mean_squared_error.predicted.unwrap();
    // Inputs are given in single precision, and the fit's condition is some thousands.
    assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
    assert_eq!(point.reads[0].vectors, 2 * 20);
}

/// The same layer from a CSV file, an NPZ file and an NPY file.
#[test]
fn weights_come_from_arrays() {
    use npyz::WriterBuilder;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    // Inputs a, b, size and the bias; outputs of kinds 1 and 3.
    let weights = [[-0.2, 0.3], [0.4, -0.1], [-0.1, 0.2], [0.5, -0.4_f64]];
    let csv: String = weights.iter().map(|[a, b]| format!("{a},{b}\n")).collect();
    std::fs::write(at("w.csv"), format!("x,y\n{csv}")).unwrap();
    let mut npz = npyz::npz::NpzWriter::create(at("w.npz")).unwrap();
    let mut add = |name: &str, shape: &[u64], values: &[f32]| {
        let array = npz.array(name, Default::default()).unwrap();
        let mut array = array.default_dtype().shape(shape).begin_nd().unwrap();
        array.extend(values.iter().copied()).unwrap();
        array.finish().unwrap();
    };
    let all: Vec<f32> = weights.as_flattened().iter().map(|w| *w as f32).collect();
    add("whole", &[4, 2], &all);
    // As PyTorch has it: a row an output, biases apart.
    add("layer.weight", &[2, 3], &[-0.2, 0.4, -0.1, 0.3, -0.1, 0.2]);
    add("layer.bias", &[2], &[1.0, -0.8]);
    drop(npz);
    let study = |kind: &str| {
        TABLE
            .replace(
                "[task.inference.weights.least-squares]\nridge = 0.001",
                kind,
            )
            .replace("bias = 1.0", "bias = 2.0")
    };
    let read = |kind: &str| reads_of(&study(kind))[0].clone();
    let table = |kind: &str, keys: String| format!("[task.inference.weights.{kind}]\n{keys}");
    let expected = read(&table("csv", format!("file = {:?}", at("w.csv"))));
    let whole = table(
        "npz",
        format!("file = {:?}\narray = \"whole\"", at("w.npz")),
    );
    let apart = table(
        "npz",
        format!(
            "file = {:?}\narray = \"layer.weight\"\nbias-array = \"layer.bias\"\ntransposed = true",
            at("w.npz")
        ),
    );
    for kind in [&whole, &apart] {
        let found = read(kind);
        assert_eq!(found.accuracy.predicted, expected.accuracy.predicted);
        let (a, b) = (found.error.value.unwrap(), expected.error.value.unwrap());
        // Single precision of the weights moves the rounding of reads.
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    for (kind, said) in [
        (apart.replace("transposed = true", ""), "transposed = true"),
        (whole.replace("whole", "hole"), "did you mean whole"),
        (apart.replace("layer.bias", "whole"), "one bias an output"),
    ] {
        let broken = run_study(&study_of(&study(&kind)).unwrap(), &());
        let message = broken.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains(said), "{said}: {message}");
    }
    let none = study(&apart).replace("bias = 2.0", "bias = 0.0");
    assert!(study_of(&none).err().unwrap().contains("no row for biases"));
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
            (young - 1.0).abs() < 0.02 && (old / young - 1.0).abs() < 0.005,
            "{compensation}: {young} {old}"
        );
    }
}

/// Neither threads nor the point of view change what was written; what cannot be is said.
#[test]
fn writing_is_reported() {
    let task = "[task.products.write.write-verify]\nstart = \"lowest\"\nmost-pulses = 4000\ntolerance = \"2 uS\"\nverify-noise = \"0.2 uS\"\npulses = \"response\"";
    let text = read_study("", task);
    let written = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let study = study_of(&text).unwrap();
        let done = pool.unwrap().install(|| run_study(&study, &()).unwrap());
        serde_json::to_value(&done.summary.points[0].programmed).unwrap()
    };
    let one = written(1);
    assert_eq!(one, written(3));
    let number = |path: &str| {
        one.pointer(path)
            .and_then(serde_json::Value::as_f64)
            .unwrap()
    };
    assert_eq!(number("/tolerance"), 2e-6);
    assert_eq!(number("/accepted/value"), 1.0);
    // A read in 10⁵ is ten deviations off.
    assert!(number("/inside/value") > 0.9);
    let mut shares = one["shares"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s[1].as_f64().unwrap());
    assert!(shares.clone().is_sorted() && shares.next_back().unwrap() == 1.0);
    // The device says nothing of its pulses.
    assert_eq!(one["energy"]["value"], serde_json::Value::Null);
    for (from, to, said) in [
        ("\"lowest\"", "\"reset\"", "has no [reset]"),
        ("\"lowest\"", "1.5", "cells begin in the window"),
        ("tolerance = \"2 uS\"", "tolerance = 0", "tolerance"),
        ("\"response\"", "\"two\"", "response"),
        (
            "most-pulses = 4000",
            "most-pulse = 4000",
            "did you mean most-pulses",
        ),
    ] {
        let message = study_of(&text.replace(from, to)).err().unwrap_or_default();
        assert!(message.contains(said), "{said}: {message}");
    }
    let unpulsed = text
        .replace("ideal/soft-bounds", "pcm/joshi2020")
        .replace("samples = 50", "samples = 50\ntimes = [\"20 s\"]")
        .replace("differential-pair]\nzero = \"middle\"", "one-sided-pair]");
    let message = study_of(&unpulsed).err().unwrap_or_default();
    assert!(message.contains("no pulses to write with"), "{message}");
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

#[test]
fn early_stopping() {
    run("implicit-l2/early-stopping");
}

#[test]
fn homotopy() {
    run("networks/homotopy");
}

#[test]
fn softmax_layers() {
    for name in ["digits-softmax", "batch-size", "learning-rate"] {
        let summary = run(&format!("networks/{name}")).summary;
        assert!(summary.points.iter().all(|p| p.warnings.is_empty()));
    }
}

/// A small perceptron on irises; `more` is added to the task, `training` to what is said of training.
fn irises(more: &str, training: &str) -> String {
    let data = path("data/iris").with_extension("csv");
    format!(
        r#"title = "Irises"
claim = "none"
cite = []
seed = 3
replicas = 20

[device]
model = "ideal/soft-bounds"

[array]
read-noise = 0.01

[array.mapping.differential-pair]
conductance-per-weight = "half-window"
zero = "symmetric-point"

[task.network]
hidden = [6]
activation = "sigmoid"
bias = true
{more}

[task.network.data]
scaling = "standardise"
split = {{ test = 0.2, seed = 1, stratify = true }}

[task.network.data.source.table]
file = {data:?}
label = "species"

[training]
loss = "cross-entropy"
learning-rate = 0.1
epochs = 60
batch = 4
update = "per-sample"
pulses = "stochastic-rounding"
schedule = "constant"
start = {{ uniform = {{ scale = 1.0, shared = false }} }}
average-from = 0.5
log-every = 3
{training}
"#
    )
}

/// The two layers learn what the digital twin learns, every replica is told of after every epoch, and confusions add up.
#[test]
fn a_perceptron_learns_irises() {
    let study = study_of(&irises("", "")).unwrap();
    let outcome = run_study(&study, &()).unwrap();
    let network = outcome.summary.points[0].network.as_ref().unwrap();
    assert_eq!(
        (network.samples.training, network.samples.test),
        (120, Some(30))
    );
    let (own, twin) = (network.test_accuracy, network.digital_test_accuracy);
    // Linear discriminants err on 3 of 150 (Fisher 1936). What the devices' pull costs is predicted; a start of its own and the 30 samples leave one or
    // two of them open.
    let predicted = own.predicted.unwrap();
    let (own, twin) = (own.value.unwrap(), twin.value.unwrap());
    assert!(twin > 0.9, "{twin}");
    assert!(
        (own - predicted).abs() < 0.06 && own < twin,
        "{own} {predicted}"
    );
    assert_eq!(outcome.epochs.len(), 60 * 20);
    let all: u64 = network.confusion.iter().flatten().sum();
    assert_eq!((network.confusion.len(), all), (3, 30 * 20));
    let last = outcome.epochs.iter().filter(|e| e.epoch == 60);
    let mean = last.map(|e| e.test_accuracy).sum::<f64>() / 20.0;
    assert!((mean - own).abs() < 1e-12);
    for layer in &network.layers {
        // Soft bounds of τ = 1 pull; replicas that start apart have no mean network to match gradients at.
        assert!(layer.lambda_e1.value.unwrap() > 0.0 && layer.lambda_e2.value.is_none());
        assert!(layer.pulses > 0.0);
    }
    assert_eq!(network.classes, ["setosa", "versicolor", "virginica"]);
}

/// However many threads there are, and whatever other replicas are beside one.
#[test]
fn networks_keep_their_bits() {
    let of = |replicas: usize| {
        let text = irises("", "").replace("replicas = 20", &format!("replicas = {replicas}"));
        let text = text.replace("epochs = 60", "epochs = 2");
        run_study(&study_of(&text).unwrap(), &()).unwrap().epochs
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let (all, alone) = (of(20), pool.install(|| of(20)));
    for (a, b) in all.iter().zip(&alone) {
        assert_eq!(a.training_loss, b.training_loss);
        assert_eq!(a.test_accuracy, b.test_accuracy);
    }
}

/// Without strength it is the digital twin itself; with the λ that is predicted of every weight it is nearer to the device than to the twin.
#[test]
fn explicit_strengths_are_compared_with_the_device() {
    let text = irises(
        "",
        "[training.explicit-l2]\nstrengths = [0.0, 0.01, 10.0]\npredicted = true",
    );
    let text = text
        .replace("shared = false", "shared = true")
        .replace("test = 0.2", "test = 0.2, validation = 0.2");
    let summary = run_study(&study_of(&text).unwrap(), &()).unwrap().summary;
    let network = summary.points[0].network.as_ref().unwrap();
    let [none, weak, strong] = &network.explicit[..] else {
        panic!("three strengths");
    };
    assert_eq!(none.test_loss.value, network.digital_test_loss.value);
    assert!((none.from_device - 1.0).abs() < 1e-12);
    // λ = 10 leaves nothing of the weights: every class is as likely, ln 3.
    assert!((strong.test_loss.value.unwrap() - 3_f64.ln()).abs() < 0.05);
    let best = network.best_explicit.unwrap();
    assert!(best.lambda == weak.lambda || best.lambda == none.lambda);
    let foreseen = network.foreseen_explicit.unwrap();
    // The predicted λ is that of the end, and fluctuations raise it: a third of the bias is left open.
    assert!(foreseen.from_device < 0.4, "{}", foreseen.from_device);
    let [start, end] = network.curvature.unwrap();
    assert!(start > 0.0 && end > 0.0);
}

/// Two tasks: what holds the first keeps more of it, and the second is learned all the same without.
#[test]
fn a_second_task_is_learned_and_the_first_held() {
    let of = |strength: &str| {
        let training = format!(
            "[training.algorithm.digital-sgd]\n[training.algorithm.digital-sgd.penalty]\nconsolidation = {strength}\nread-every = 5"
        );
        let text = irises("then = { permute-features = 2, epochs = 60 }", &training)
            .replace("per-sample", "summed");
        let outcome = run_study(&study_of(&text).unwrap(), &()).unwrap();
        assert_eq!(outcome.epochs.len(), 2 * 60 * 20);
        let point = &outcome.summary.points[0];
        assert!(point.warnings.iter().any(|w| w.contains("no prediction")));
        let network = point.network.clone().unwrap();
        let value = |e: memridge::study::summary::Estimate| e.value.unwrap();
        (
            value(network.forgotten),
            value(network.test_accuracy),
            value(network.digital_forgotten),
        )
    };
    let (free, held) = (of("0.0"), of("30.0"));
    assert!(free.0 > 0.1 && free.1 > 0.85, "{free:?}");
    assert!(
        held.0 < 0.5 * free.0 && held.1 < free.1,
        "{held:?} {free:?}"
    );
    // The twin has no penalty.
    assert_eq!(held.2, free.2);
}

#[test]
fn normalised_networks_learn_irises() {
    let text = irises(
        "batch-normalization = { momentum = 0.1, epsilon = 1e-5 }",
        "",
    )
    .replace("batch = 4", "batch = 8");
    let summary = run_study(&study_of(&text).unwrap(), &()).unwrap().summary;
    let point = &summary.points[0];
    assert!(
        point
            .warnings
            .iter()
            .any(|w| w.contains("no batch normalization"))
    );
    let network = point.network.as_ref().unwrap();
    assert!(network.digital_test_accuracy.value.unwrap() > 0.9);
    assert!(network.test_accuracy.value.unwrap() > 0.7);
    assert!(network.curvature.is_none() && network.layers[0].lambda_e2.value.is_none());
}

/// Beyond 2/λ_max a warning says so.
#[test]
fn unstable_learning_rates_are_said() {
    let text = irises("", "").replace("learning-rate = 0.1", "learning-rate = 8.0");
    let outcome = run_study(
        &study_of(&text.replace("epochs = 60", "epochs = 2")).unwrap(),
        &(),
    );
    let warnings = &outcome.unwrap().summary.points[0].warnings;
    assert!(
        warnings.iter().any(|w| w.contains("2/λ_max")),
        "{warnings:?}"
    );
}

/// Other data are used, and said, where a file is missing, and are not looked at where none is.
#[test]
fn other_data_stand_in_for_missing_files() {
    let other = path("data/wine").with_extension("csv");
    let otherwise = format!(
        "[task.network.data.otherwise]\nscaling = \"standardise\"\nsplit = {{ test = 0.25, seed = 1, stratify = true }}\n[task.network.data.otherwise.source.table]\nfile = {other:?}\nlabel = \"cultivar\"\n[training]"
    );
    let text = irises("", "")
        .replace("epochs = 60", "epochs = 1")
        .replacen("[training]", &otherwise, 1);
    let of = |text: &str| run_study(&study_of(text).unwrap(), &()).unwrap().summary;
    let there = of(&text);
    assert_eq!(there.features.len(), 4);
    let missing = of(&text.replace("iris.csv", "missing.csv"));
    assert_eq!(missing.features.len(), 13);
    let said = |s: &memridge::study::summary::Summary| {
        s.points[0]
            .warnings
            .iter()
            .any(|w| w.contains("missing.csv is not there"))
    };
    assert!(said(&missing) && !said(&there));
}

#[test]
fn impossible_networks_are_refused() {
    let cases = [
        (
            irises("", "").replace("hidden = [6]\n", ""),
            "no hidden layers",
        ),
        (
            irises("", "").replace(
                "label = \"species\"",
                "target = \"petal-length\"\nignore = [\"species\"]",
            ),
            "cross entropy is that of classes",
        ),
        (
            irises("", "").replace("epochs = 60", "epochs = 0"),
            "training.epochs",
        ),
        (
            irises("", "")
                .replace("\"per-sample\"", "\"summed\"")
                .replace(
                    "\"stochastic-rounding\"",
                    "{ coincidence = { bit-length = 31, update-management = true } }",
                ),
            "make outer products of single samples",
        ),
        (
            irises("", "")
                + "[controls]\npoint = 0\nreplicas = 8\nexplicit-ridge = 0.1\nsymmetric-device = false\nlearning-rate = false\ntime = false\n",
            "digital twin is trained anyway",
        ),
        (irises("layers = [3]", ""), "layers"),
        (
            irises("", "explicit-l2 = { strengths = [0.1] }"),
            "chosen by samples for validation",
        ),
        (
            irises("", "").replace("shared = false", "shared = false, rescale = 2.0"),
            "rectified sums without bias lines",
        ),
        (
            irises(
                "batch-normalization = { momentum = 0.1, epsilon = 1e-5 }",
                "",
            )
            .replace("batch = 4", "batch = 1"),
            "means over the samples of a step",
        ),
        (
            irises("then = { permute-features = 2, epochs = 60 }", "")
                .replace("\"constant\"", "{ geometric = { last = 0.1 } }"),
            "its course would end with the first",
        ),
    ];
    for (text, expected) in cases {
        let message = study_of(&text).err().expect(expected);
        assert!(message.contains(expected), "{expected}: {message}");
    }
}
