//! Noise of reads of single cells: outputs against cells that are drawn one by one, distributions, times, traps, and what training and its
//! prediction make of it. Levels as in `variation.rs`.

use std::path::Path;
use std::sync::Arc;

use memridge::backend::{Backend, Place, ReadNoise, Shape, StackVector};
use memridge::device::{Cells, Device, load_device};
use memridge::number::{Coordinates, Purpose, Stream};
use memridge::study::{Overrides, Study, run_study};

use crate::statistics::{SEED, WINDOW, check_independent, check_normal, sites};
use crate::text::{read, whole};

/// A device of constant steps with these tables.
fn device(tables: &str) -> memridge::error::Result<Device> {
    let lines = format!(
        r#"
bounds = "soft"
write-noise = 0.0
law = {{ constant-step = {{ step = 0.002, lower = 0.0, upper = 1.0, asymmetry = 0.0 }} }}
cycle-to-cycle = {{ additive = 0.0, multiplicative = 0.0 }}
{tables}
"#
    );
    read(&whole(&lines))
}

fn cells(tables: &str, count: usize) -> Arc<Cells> {
    Arc::new(device(tables).unwrap().cells(count, SEED).unwrap())
}

/// Positions that differ from cell to cell.
fn positions(count: usize) -> Vec<f64> {
    (0..count)
        .map(|k| (0.1 + k as f64 * 0.618_033_988_749_895).fract())
        .collect()
}

struct Bench {
    stack: Box<dyn Backend>,
    voltages: StackVector,
}

impl Bench {
    /// Rows, columns, samples; voltages that differ in sign and size.
    fn new(
        place: &Place,
        replicas: usize,
        cells: Arc<Cells>,
        [rows, columns, samples]: [usize; 3],
    ) -> Self {
        let shape = Shape {
            replicas,
            rows,
            columns,
        };
        let mut stack = place
            .stack(shape, 30, Stream::new(SEED), cells, true)
            .unwrap();
        stack.write(&positions(shape.cells())).unwrap();
        let mut voltages = StackVector::zeros(rows, samples * replicas);
        for i in 0..rows {
            voltages.lanes_mut(i).fill(0.1 * i as f32 - 0.25);
        }
        Self { stack, voltages }
    }

    fn read(&mut self, step: u32, deviation: f32) -> StackVector {
        let noise = ReadNoise {
            step,
            index: 0,
            deviation,
        };
        let columns = self.stack.shape().columns;
        let mut out = StackVector::zeros(columns, self.voltages.width());
        self.stack
            .multiply(&self.voltages, noise, &mut out)
            .unwrap();
        out
    }

    /// Conductances of all cells of the first replica, in double precision.
    fn conductances(&mut self) -> Vec<f64> {
        let shape = self.stack.shape();
        let mut out = StackVector::zeros(shape.cells(), shape.replicas);
        self.stack.conductances(&mut out).unwrap();
        (0..shape.cells())
            .map(|k| f64::from(out.lanes(k)[0]))
            .collect()
    }
}

/// Current and variance of column `o` from the conductances `g` of all cells.
fn column(bench: &Bench, g: &[f64], o: usize, variance: impl Fn(f64) -> f64) -> (f64, f64) {
    let columns = bench.stack.shape().columns;
    (0..bench.voltages.len()).fold((0.0, 0.0), |(sum, spread), i| {
        let (v, g) = (f64::from(bench.voltages.lanes(i)[0]), g[i * columns + o]);
        (sum + v * g, spread + v * v * variance(g))
    })
}

const WHITE: &str = r#"read-noise = { white = { relative = 0.03, absolute = "600 nS" } }"#;

fn white(g: f64) -> f64 {
    (0.03 * g).powi(2) + 600e-9_f64.powi(2)
}

/// White noise of outputs: normal, of the variance that the formula adds up to, drawn anew for every output, sample and step; with the noise
/// of the periphery it is one normal number of both variances.
#[test]
fn outputs_have_the_noise_of_their_cells() {
    const SAMPLES: usize = 20;
    for (site, place, replicas) in sites() {
        let columns = (20_000 / (replicas * SAMPLES)).max(5);
        let cells = cells(WHITE, 6 * columns);
        let mut bench = Bench::new(&place, replicas, cells, [6, columns, SAMPLES]);
        let g = bench.conductances();
        let lanes = SAMPLES * replicas;
        for deviation in [0.0, 1e-6] {
            let mut noisy = |step| -> Vec<f64> {
                let out = bench.read(step, deviation);
                let mut z = Vec::with_capacity(columns * lanes);
                for o in 0..columns {
                    let (mean, variance) = column(&bench, &g, o, white);
                    let sd = (variance + f64::from(deviation).powi(2)).sqrt();
                    z.extend(out.lanes(o).iter().map(|&i| (f64::from(i) - mean) / sd));
                }
                z
            };
            let what = format!("{site}: white noise of cells, periphery {deviation}");
            let first = noisy(100);
            check_normal(&what, &first);
            let at = |o: usize, lane: usize| first[o * lanes + lane];
            let next = (1..columns).flat_map(|o| (0..lanes).map(move |l| (at(o, l), at(o - 1, l))));
            check_independent(&format!("{what}, neighbouring outputs"), next);
            let next = (0..columns)
                .flat_map(|o| (replicas..lanes).map(move |l| (at(o, l), at(o, l - replicas))));
            check_independent(&format!("{what}, neighbouring samples"), next);
            let second = noisy(100 + SAMPLES as u32);
            let pairs = first.iter().copied().zip(second.iter().copied());
            check_independent(&format!("{what}, later steps"), pairs);
        }
    }
}

/// Kolmogorov–Smirnov of two samples of n = 20 000: outputs of a read, and sums of cells each of which gets a normal number of its own. The
/// critical distance at α = 1e-3 is 1.9495 √(2/n).
#[test]
fn outputs_are_distributed_as_sums_of_single_cells() {
    const ROWS: usize = 5;
    for (site, place, replicas) in sites() {
        let samples = 20_000 / replicas;
        let cells = cells(WHITE, ROWS);
        let mut bench = Bench::new(&place, replicas, cells, [ROWS, 1, samples]);
        let g = bench.conductances();
        let mut read: Vec<f64> = bench.read(7, 0.0).all().iter().map(|&i| i.into()).collect();
        let other = Stream::new(SEED + 1);
        let mut drawn: Vec<f64> = (0..20_000)
            .map(|n| {
                let terms = (0..ROWS).map(|i| {
                    let at = Coordinates {
                        step: n,
                        cell: i as u32,
                        replica: 0,
                        purpose: Purpose::ReadNoise,
                        index: 0,
                    };
                    let v = f64::from(bench.voltages.lanes(i)[0]);
                    v * (g[i] + white(g[i]).sqrt() * f64::from(other.normal(at)))
                });
                terms.sum()
            })
            .collect();
        read.sort_by(f64::total_cmp);
        drawn.sort_by(f64::total_cmp);
        let (mut i, mut j, mut distance) = (0, 0, 0_usize);
        while i < read.len() && j < drawn.len() {
            if read[i] <= drawn[j] {
                i += 1;
            } else {
                j += 1;
            }
            distance = distance.max(i.abs_diff(j));
        }
        let d = distance as f64 / 20_000.0;
        println!("{site}: D = {d:.4}");
        assert!(d < 1.9495 * (2.0_f64 / 20_000.0).sqrt(), "{site}: {d}");
    }
}

/// 1/f noise at several times against its formula, in siemens; the clock runs by `relax` and starts anew by a write.
#[test]
fn flicker_noise_grows_with_the_time_since_programming() {
    let tables = r#"
[read-noise.flicker]
read-time = "250 ns"
[read-noise.flicker.amplitude]
relative-to = "25 uS"
power = { coefficient = 0.02, exponent = -0.65 }
most = 0.05
"#;
    for (site, place, replicas) in sites() {
        let samples = 20_000 / replicas;
        let mut bench = Bench::new(&place, replicas, cells(tables, 6), [6, 1, samples]);
        let g = bench.conductances();
        let mean = column(&bench, &g, 0, |_| 0.0).0;
        let mut elapsed = 0.0;
        for (step, more) in [(1, 0.0), (2, 1e-6), (3, 9.99e-4), (4, 20.0), (5, 1e7)] {
            bench.stack.relax(step, more).unwrap();
            elapsed += more;
            let growth = ((elapsed + 250e-9) / 500e-9).ln().max(0.0);
            let variance = |g: f64| {
                let q = (0.02 * (g / 25e-6).powf(-0.65)).min(0.05);
                (g * q).powi(2) * growth
            };
            let sd = column(&bench, &g, 0, variance).1.sqrt();
            let out = bench.read(100_000 * step, 0.0);
            let off: Vec<f64> = out.all().iter().map(|&i| f64::from(i) - mean).collect();
            if growth == 0.0 {
                // Nothing but the rounding of the sum.
                assert!(off.iter().all(|d| d.abs() < 1e-11), "{site}");
                continue;
            }
            let z: Vec<f64> = off.iter().map(|d| d / sd).collect();
            check_normal(&format!("{site}: 1/f noise after {elapsed} s"), &z);
        }
        bench.stack.write(&positions(6)).unwrap();
        let out = bench.read(9, 0.0);
        assert!(
            out.all()
                .iter()
                .all(|&i| (f64::from(i) - mean).abs() < 1e-11)
        );
    }
}

const TRAP: &str =
    r#"read-noise = { telegraph = { amplitude = 0.1, occupied = "1 ms", empty = "3 ms" } }"#;

/// States of all traps, 0 or 1, from conductances that are lower by a tenth where they are occupied.
fn traps(stack: &mut dyn Backend, whole: &[f64]) -> Vec<f64> {
    let shape = stack.shape();
    let mut out = StackVector::zeros(shape.cells(), shape.replicas);
    stack.conductances(&mut out).unwrap();
    let mut all = Vec::with_capacity(out.all().len());
    for (k, x) in whole.iter().enumerate() {
        let g = WINDOW.g_min + x * WINDOW.span();
        all.extend(out.lanes(k).iter().map(|&seen| {
            let blocked = (1.0 - f64::from(seen) / g) / 0.1;
            assert!((blocked - blocked.round()).abs() < 1e-4, "{blocked}");
            blocked.round()
        }));
    }
    all
}

/// The share of occupied traps is τ₁/(τ₀ + τ₁), their autocorrelation e^{-t/τ} with 1/τ = 1/τ₀ + 1/τ₁ (.75 ms here) however the time is cut,
/// and neighbours know nothing of each other: four standard errors each (6e-5 a comparison).
#[test]
fn traps_are_a_markov_chain_in_time() {
    const TAU: f64 = 7.5e-4;
    for (site, place, replicas) in sites() {
        let count = 20_000 / replicas;
        let cells = cells(TRAP, count);
        let shape = Shape {
            replicas,
            rows: count / 5,
            columns: 5,
        };
        let mut stack = place
            .stack(shape, 30, Stream::new(SEED), cells, true)
            .unwrap();
        let whole = positions(count);
        stack.write(&whole).unwrap();
        let first = traps(&mut *stack, &whole);
        let n = first.len() as f64;
        let standard = |b: f64| (b - 0.25) / (0.25_f64 * 0.75).sqrt();
        let correlation = |a: &[f64], b: &[f64]| {
            let products = a.iter().zip(b).map(|(a, b)| standard(*a) * standard(*b));
            products.sum::<f64>() / a.len() as f64
        };
        // The variance of a product of two standardised states is at most that of independent ones times 1 + r (2/√3)², below 3.
        let error = (3.0 / n).sqrt();
        let mut elapsed = 0.0;
        // The same half millisecond at once and in parts.
        for (step, more) in [(1, 1e-4), (2, 1e-4), (3, 3e-4), (4, 5e-4), (5, 4e-3)] {
            stack.relax(step, more).unwrap();
            elapsed += more;
            let now = traps(&mut *stack, &whole);
            assert_eq!(now, traps(&mut *stack, &whole), "reads move no trap");
            let share = now.iter().sum::<f64>() / n;
            assert!(
                (share - 0.25).abs() < 4.0 * (0.25 * 0.75 / n).sqrt(),
                "{site}: {share} occupied after {elapsed}"
            );
            let (found, exact) = (correlation(&first, &now), (-elapsed / TAU).exp());
            println!("{site}: after {elapsed} s correlation {found:.4}, {exact:.4}");
            assert!(
                (found - exact).abs() < 4.0 * error,
                "{site}: {found} {exact}"
            );
            let neighbours = correlation(&now[replicas..], &now[..now.len() - replicas]);
            assert!(neighbours.abs() < 4.0 / n.sqrt(), "{site}: {neighbours}");
        }
    }
}

/// All samples of a read, and all reads until time passes, see the same traps.
#[test]
fn a_trap_is_the_same_for_all_samples() {
    for (site, place, replicas) in sites() {
        let mut bench = Bench::new(&place, replicas, cells(TRAP, 12), [6, 2, 9]);
        let g = bench.conductances();
        let known = [0, 1].map(|o| column(&bench, &g, o, |_| 0.0).0);
        for step in [3, 4] {
            let out = bench.read(step, 0.0);
            for (o, known) in known.iter().enumerate() {
                for sample in 0..9 {
                    let seen = f64::from(out.lanes(o)[sample * replicas]);
                    assert!((seen - known).abs() < 1e-11, "{site}: {seen} {known}");
                }
            }
        }
    }
}

#[test]
fn files_say_what_reads_add() {
    let refused = |tables: &str| device(tables).err().unwrap().to_string();
    for (tables, parts) in [
        (
            "read-noise = {}",
            &["needs at least one of white, flicker, telegraph"][..],
        ),
        (
            "read-noise = { white = {} }",
            &["needs at least one of relative, absolute, deviation"],
        ),
        (
            r#"read-noise = { white = { relative = -1.0 }, telegraph = { amplitude = 1.5, occupied = "1 s" } }"#,
            &[
                "read-noise.white.relative",
                "more than the whole conductance",
                "read-noise.telegraph.empty",
            ],
        ),
        (
            r#"read-noise = { flicker = { amplitude = { constant = 0.1 } } }"#,
            &["read-noise.flicker.read-time"],
        ),
    ] {
        let text = refused(tables);
        for part in parts {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
    // A curve may stand for the whole deviation, in siemens.
    let sonos = load_device("flash/agrawal2022-day-0", Path::new("")).unwrap();
    let variance = sonos.cells(1, 0).unwrap().read_variance(0.5, 0.0);
    let exact = 5e-9 * 12.58037 * (1.0 - (-1600.0_f64 / 215.36557).exp());
    assert!((variance.sqrt() * 16e-6 / exact - 1.0).abs() < 1e-9);
    // 0.0277316483 log₁₀(g/µS) √ln((t + 1 µs)/2 µs) µS.
    let cmo = load_device("reram/falcone2025-fine", Path::new("")).unwrap();
    let variance = cmo.cells(1, 0).unwrap().read_variance(1.0, 10.0);
    let exact = 0.0277316483 * 88.199997_f64.log10() * ((10.0 + 1e-6) / 2e-6_f64).ln().sqrt();
    assert!((variance.sqrt() * 79.199997 / exact - 1.0).abs() < 1e-9);
}

/// A study of the diabetes data with these tables and this axis.
fn study(device: &str, training: &str, axis: &str) -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/data/diabetes.csv");
    format!(
        r#"
title = "t"
claim = "t"
cite = []
seed = 71
replicas = 96
[device]
model = "ideal/soft-bounds"
[device.law.soft-bounds]
step = "400 nS"
{device}
[array]
read-noise = 0.0
[array.mapping.reference-column]
zero = "symmetric-point"
conductance-per-weight = "20 uS"
[task]
data = '{}'
target = "target"
standardise = true
[training]
loss = "squared-error"
learning-rate = 0.01
schedule = "constant"
steps = 12000
batch = 1
update = "per-sample"
average-from = 0.25
log-every = 40
pulses = "stochastic-rounding"
{training}
[sweep]
combine = "product"
[sweep.axes]
{axis}
[[expect]]
name = "P1 within three percent on E2"
metric = "lambda-e2.deviation"
at-most = 0.03
[[expect]]
name = "P1 within six percent on sd(w)"
metric = "weight-deviation.deviation"
at-most = 0.06
"#,
        data.display()
    )
}

/// Runs it, asserts what it expects, and gives the predicted λ and the warnings of both points.
fn trained(text: &str) -> Vec<(f64, Vec<String>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    std::fs::write(&path, text).unwrap();
    let study = Study::read(&path, &Overrides::default()).unwrap();
    let summary = run_study(&study, &()).unwrap().summary;
    for e in &summary.expectations {
        assert_eq!(e.met, Some(true), "{e:?}");
    }
    let points = summary.points.into_iter();
    points
        .map(|p| (p.lambda_predicted.unwrap(), p.warnings))
        .collect()
}

/// Noisy reads raise the gradients, so the implicit λ: P1 knows by how much.
#[test]
fn predictions_know_the_read_noise_of_cells() {
    let points = trained(&study(
        "[device.read-noise.white]\nabsolute = 0.0",
        "",
        r#""device.read-noise.white.absolute" = [0.0, 0.05]"#,
    ));
    assert!(points[1].0 > 1.05 * points[0].0, "{points:?}");
}

/// Noise along the window widens the weights: P1 knows it.
#[test]
fn predictions_know_the_noise_along_the_window() {
    let points = trained(&study(
        "[device.cycle-to-cycle]\nstate-slope = 0.0",
        "",
        r#""device.cycle-to-cycle.state-slope" = [0.0, 6.0]"#,
    ));
    assert!(points[1].0 > 1.05 * points[0].0, "{points:?}");
}

#[test]
fn time_must_be_known_where_noise_depends_on_it() {
    let noise = r#"
[device.read-noise.telegraph]
amplitude = 0.05
occupied = "1 ms"
empty = "3 ms"
"#;
    let axis = r#""training.learning-rate" = [0.01]"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    let read = |training: &str| {
        std::fs::write(&path, study(noise, training, axis)).unwrap();
        Study::read(&path, &Overrides::default())
    };
    let text = read("").err().unwrap().to_string();
    assert!(
        text.contains("seconds-per-step") && text.contains("read noise"),
        "{text}"
    );
    assert!(read(r#"seconds-per-step = "1 us""#).is_ok());
}
