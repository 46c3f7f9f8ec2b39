//! Drift and endurance in device files, long lives and studies.

use std::sync::Arc;

use memridge::backend::{Backend, Cpu, Request, Shape, StackVector};
use memridge::device::{Amount, Cells, Counting, Device, DriftForm};
use memridge::number::Stream;
use memridge::study::{Overrides, Study, forecast, run_study};

use crate::text;

const DEVICE: &str = r#"
bounds = "soft"
write-noise = 0.0
law = { soft-bounds = { step = 0.001, lower = 0.0, upper = 1.0, symmetric-point = 0.5 } }
cycle-to-cycle = { additive = 0.3, multiplicative = 0.0 }
device-to-device = { step = { relative-normal = 0.1 } }
"#;

const POWER_LAW: &str = r#"
[retention.power-law]
onset = "20 s"
exponent = { constant = 0.05 }
deviation = { relative-to = "25 uS", polynomial = [0.01, 0.002] }
"#;

const LOGARITHMIC: &str = r#"
[retention.logarithmic]
onset = "1 s"
shift = "0.089 uS"
deviation = 0.01
growth = "0.042 uS"
"#;

const ENDURANCE: &str = r#"
[endurance]
pulses = 1e5
shape = 0.5
lower-loss = 0.4
upper-loss = 0.5
"#;

/// Reads a device.
fn read(lines: &str) -> Result<Device, String> {
    text::read(&text::whole(lines)).map_err(|e| e.to_string())
}

fn device(more: &str) -> Result<Device, String> {
    read(&format!("{DEVICE}{more}"))
}

#[test]
fn device_files_name_their_drift() {
    let found = device(POWER_LAW).unwrap();
    assert!(found.forgets() && found.retention().is_none());
    let drift = found.drift().unwrap();
    assert_eq!(drift.onset, 20.0);
    assert!(matches!(drift.form, DriftForm::PowerLaw { .. }));
    let hot = "[retention.power-law.arrhenius]\nactivation-energy = \"1.1 eV\"\nreference-temperature = \"358.15 K\"\ntemperature = \"423.15 K\"\n";
    let hot = device(&format!("{POWER_LAW}{hot}")).unwrap();
    // What takes 20 s at 85 °C takes 239 times less at 150 °C.
    assert!((20.0 / hot.drift().unwrap().onset - 238.62).abs() < 0.01);
    let found = device(LOGARITHMIC).unwrap();
    let DriftForm::Logarithmic {
        shift,
        deviation,
        growth,
    } = found.drift().unwrap().form
    else {
        panic!("{found:?}", found = found.drift());
    };
    assert_eq!(
        (shift, deviation, growth),
        (
            Amount::Absolute(0.089e-6),
            Amount::Relative(0.01),
            Amount::Absolute(0.042e-6)
        )
    );
}

#[test]
fn impossible_drift_and_endurance_are_refused_with_a_way_out() {
    let cases = [
        (POWER_LAW.replace("20 s", "0 s"), "greater than 0"),
        (POWER_LAW.replace("exponent", "exponents"), "exponent"),
        (LOGARITHMIC.replace("0.042 uS", "-1 uS"), "growth"),
        (LOGARITHMIC.replace("logarithmic", "linear"), "power-law"),
        (
            format!("{POWER_LAW}[retention.power-law.device-to-device]\n"),
            "unknown key",
        ),
        (ENDURANCE.replace("1e5", "0.0"), "greater than 0"),
        (ENDURANCE.replace("0.4", "0.6"), "more than there is"),
        (ENDURANCE.replace("shape = 0.5", "shape = 50.0"), "shape"),
        (ENDURANCE.replace("lower-loss = 0.4\n", ""), "lower-loss"),
    ];
    for (text, part) in cases {
        let message = device(&text).map(|_| ()).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
        assert!(message.contains("t.toml:"), "{message}");
    }
    let behind = DEVICE.replace(
        "soft-bounds = { step = 0.001, lower = 0.0, upper = 1.0, symmetric-point = 0.5 }",
        "exponential-readout = { step = 0.001, lower = 0.0, upper = 1.0, asymmetry = 0.0, curvature = 2.0, compensation = 0.0 }",
    );
    let message = read(&format!("{behind}{POWER_LAW}")).map(|_| ());
    let message = message.unwrap_err();
    assert!(
        message.contains("its state is not its conductance"),
        "{message}"
    );
}

/// Lives that vary leave the other numbers of the cells alone, and have the median and deviation of their logarithm.
#[test]
fn cells_have_lives_of_their_own() {
    const CELLS: usize = 20_000;
    let spread = "[endurance.device-to-device]\npulses = { log-normal = 0.5 }\n";
    let worn = device(&format!("{ENDURANCE}{spread}")).unwrap();
    let cells = worn.cells(CELLS, 3).unwrap();
    let without = device("").unwrap().cells(CELLS, 3).unwrap();
    assert_eq!(cells.double(17).parameters, without.double(17).parameters);
    let logs: Vec<f64> = cells
        .lives()
        .unwrap()
        .iter()
        .map(|n| (n / 1e5).ln())
        .collect();
    let mean = logs.iter().sum::<f64>() / CELLS as f64;
    let sd = (logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / CELLS as f64).sqrt();
    // Five standard errors.
    let error = 5.0 / (CELLS as f64).sqrt();
    assert!(
        mean.abs() < 0.5 * error && (sd / 0.5 - 1.0).abs() < error,
        "{mean} {sd}"
    );
    // The windows by the formula.
    for (k, n) in [(0, 0.0), (1, 1e3), (2, 1e5), (3, 1e9)] {
        let life = cells.lives().unwrap()[k];
        let worn = 1.0 - (-(n / life).powf(0.5)).exp();
        let [lower, upper] = cells.worn_window(k, n);
        assert!((lower - 0.4 * worn).abs() < 1e-12 && (upper - 1.0 + 0.5 * worn).abs() < 1e-12);
    }
    let nominal = worn.without_variation().cells(3, 3).unwrap();
    assert!(nominal.lives().is_none() && nominal.endurance().is_some());
}

/// Ten million pulses a cell: at every look each state is inside the window that its own pulses leave, and in the end a tenth is left.
#[test]
fn long_lives_stay_inside_what_is_left_of_windows() {
    let spread = "[endurance.device-to-device]\npulses = { log-normal = 0.5 }\n";
    let cells = device(&format!("{ENDURANCE}{spread}")).unwrap().cells(6, 3);
    let cells = Arc::new(cells.unwrap());
    for replicas in [1, 64] {
        let shape = Shape {
            replicas,
            rows: 2,
            columns: 3,
        };
        let mut stack = Cpu::new(shape, 0, Stream::new(8), Arc::clone(&cells), true);
        let mut states = StackVector::zeros(6, replicas);
        let mut pulses = states.clone();
        let mut requests = states.clone();
        let mut widest = [1.0_f64; 6];
        for step in 0..500_u32 {
            for k in 0..6 {
                let sign = if (step as usize + k).is_multiple_of(2) {
                    1.0
                } else {
                    -1.0
                };
                requests.lanes_mut(k).fill(sign * 20_000.0);
            }
            let request = Request::Dense(&requests);
            stack
                .pulse(step, &request, Counting::Deterministic)
                .unwrap();
            stack.inspect(&mut states).unwrap();
            stack.wear(&mut pulses).unwrap();
            for (k, widest) in widest.iter_mut().enumerate() {
                for (&s, &n) in states.lanes(k).iter().zip(pulses.lanes(k)) {
                    assert_eq!(f64::from(n), 20_000.0 * f64::from(step + 1));
                    let [lower, upper] = cells.worn_window(k, f64::from(n));
                    let s = f64::from(s);
                    // Bounds in single precision, by its exponential and logarithm.
                    assert!(
                        (lower - 1e-6..=upper + 1e-6).contains(&s),
                        "{s} {lower} {upper}"
                    );
                    *widest = upper - lower;
                }
            }
        }
        // 1e7 pulses of a life of about 1e5, to the power of a half: ten times, e⁻¹⁰ above the tenth that stays.
        assert!(widest.iter().all(|w| (w - 0.1).abs() < 0.01), "{widest:?}");
    }
}

/// Bands of rows on several threads remember what one thread remembers, bit for bit.
#[test]
fn threads_do_not_change_histories() {
    let shape = Shape {
        replicas: 2,
        rows: 150,
        columns: 120,
    };
    for more in [POWER_LAW, LOGARITHMIC] {
        let text = format!(
            "{}{more}{ENDURANCE}",
            DEVICE.replace("write-noise = 0.0", "write-noise = 1.0")
        );
        let cells: Arc<Cells> = Arc::new(read(&text).unwrap().cells(shape.cells(), 5).unwrap());
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let mut stack = Cpu::new(shape, 0, Stream::new(8), Arc::clone(&cells), true);
                stack.write(&vec![0.5; shape.cells()]).unwrap();
                let mut requests = StackVector::zeros(shape.cells(), 2);
                for step in 0..6 {
                    for (k, n) in requests.all_mut().iter_mut().enumerate() {
                        *n = ((k * 7 + step as usize) % 9) as f32 * 0.4 - 1.6;
                    }
                    let request = Request::Dense(&requests);
                    stack
                        .pulse(step, &request, Counting::StochasticRounding)
                        .unwrap();
                    stack.relax(step, 15.0).unwrap();
                }
                let [mut states, mut ages, mut pulses, mut seen] =
                    std::array::from_fn(|_| StackVector::zeros(shape.cells(), 2));
                stack.inspect(&mut states).unwrap();
                stack.ages(&mut ages).unwrap();
                stack.wear(&mut pulses).unwrap();
                stack.conductances(&mut seen).unwrap();
                (states, ages, pulses, seen)
            })
        };
        let one = run(1);
        assert!(one.1.all().iter().any(|&age| age > 15.0) && one.2.all().iter().any(|&n| n > 3.0));
        assert_eq!(one, run(4));
    }
}

/// What is not predicted is simulated all the same, and says why.
#[test]
fn studies_say_why_they_predict_nothing() {
    for (more, why) in [
        (
            "[device.retention.power-law]\nonset = \"2 ms\"\nexponent = { constant = 0.05 }\ndeviation = { constant = 0.01 }\n",
            "drift by their age",
        ),
        (
            "[device.endurance]\npulses = 1e6\nshape = 0.5\nlower-loss = 0.1\nupper-loss = 0.1\n",
            "close with the number of pulses",
        ),
    ] {
        let clock = if more.contains("retention") {
            "seconds-per-step = \"1 ms\""
        } else {
            ""
        };
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
title = "Cells that age"
claim = "No prediction."
cite = ["li2018"]
seed = 12
replicas = 24

[device]
model = "ideal/soft-bounds"

{more}

[array]
read-noise = 0.0

[array.mapping.reference-column]
zero = "symmetric-point"
conductance-per-weight = "20 uS"

[task]
data = "{}/experiments/data/diabetes.csv"
target = "target"
standardise = true

[training]
loss = "squared-error"
learning-rate = 0.02
schedule = {{ geometric = {{ last = 0.5 }} }}
steps = 400
batch = 1
update = "per-sample"
average-from = 0.5
log-every = 7
pulses = "stochastic-rounding"
{clock}
"#,
            env!("CARGO_MANIFEST_DIR")
        );
        let path = folder.path().join("study.toml");
        std::fs::write(&path, text).unwrap();
        let study = Study::read(&path, &Overrides::default()).unwrap();
        let point = &run_study(&study, &()).unwrap().summary.points[0];
        assert!(point.prediction_error_p1.is_none() && point.budget.is_none());
        assert!(point.lambda_e2.value.is_some_and(f64::is_finite));
        assert!(
            point.verdict.contains("no prediction, because") && point.verdict.contains(why),
            "{}",
            point.verdict
        );
        assert!(
            point.warnings.iter().any(|w| w.contains(why)),
            "{:?}",
            point.warnings
        );
        let forecast = &forecast(&study).unwrap()[0];
        assert!(forecast.bias_norm_p1.is_none() && forecast.bias_norm_pt.is_none());
        assert!(forecast.verdict.contains(why), "{}", forecast.verdict);
    }
}
