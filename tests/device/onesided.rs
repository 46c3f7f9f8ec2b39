//! One-sided cells in pairs: files, resets, refreshes, and what training with them finds.

use std::path::Path;
use std::sync::Arc;

use memridge::backend::{Place, StackVector};
use memridge::bias::{Gradient, Setting, cycle_field, mean_field};
use memridge::crossbar::{
    ArrayModel, Crossbar, Layout, Mapping, Periphery, Plan, Refresh, Synapses, WeightMap,
};
use memridge::device::{Cells, Counting, CycleNoise, Reset, Window};
use memridge::number::Stream;
use memridge::study::Study;
use nalgebra::{DMatrix, DVector};

use crate::law;
use crate::text::read;

const PCM: &str = include_str!("../../device-models/pcm/nandakumar2020.toml");

fn message<T>(result: memridge::error::Result<T>) -> String {
    match result {
        Ok(_) => panic!("accepted"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn files_say_what_a_reset_does_or_are_refused() {
    assert_eq!(
        read(PCM).unwrap().reset(),
        Some(Reset {
            level: 0.005,
            deviation: 0.005,
            variation: 0.01
        })
    );
    // Its depressing pulse, which is never used, would cross 1.6 windows.
    let two_sided = PCM.replace("[reset]", "[resets]");
    assert!(message(read(&two_sided)).contains("resets"));
    let start = PCM.find("[reset]").unwrap();
    let end = PCM.find("[cycle-to-cycle]").unwrap();
    let two_sided = format!("{}{}", &PCM[..start], &PCM[end..]);
    assert!(message(read(&two_sided)).contains("must not cross half the window"));
    for (from, to, expected) in [
        ("level = 0.005", "level = 0.7", "lower half of the window"),
        ("level = 0.005", "", "level: missing"),
        ("deviation = 0.005", "deviation = -1.0", "deviation"),
        ("device-to-device = 0.01", "", "device-to-device: missing"),
        ("level = 0.005", "level = 0.005\nlevels = 3", "unknown key"),
    ] {
        let text = PCM.replace(from, to);
        let message = message(read(&text));
        assert!(message.contains(expected), "{to}: {message}");
    }
    // Potentiation is held to the rules as ever.
    let coarse = PCM.replace("step = 0.016175 ", "step = 0.06 ");
    assert!(message(read(&coarse)).contains("half the window"));
    // 0.995 uS in a window from 0.1 to 20 uS.
    let quantity = PCM.replace("level = 0.005", "level = \"1.095 uS\"");
    let level = read(&quantity).unwrap().reset().unwrap().level;
    assert!((level - 0.05).abs() < 1e-12);
    let readout = include_str!("../../device-models/ideal/sigmoid-readout.toml");
    let readout =
        format!("{readout}\n[reset]\nlevel = 0.1\ndeviation = 0.0\ndevice-to-device = 0.0\n");
    assert!(message(read(&readout)).contains("its state is not its conductance"));
}

/// The preset's own equation, `dw_min (1 - A_up e^{γ z})`, `z = 2 a w/(w_max - w_min) + b`, for weights of a cell from 0 to 2; six digits in
/// the file.
#[test]
fn phase_change_memory_follows_its_source() {
    let device = read(PCM).unwrap();
    let cells = device.without_variation().cells(1, 0).unwrap();
    let p = cells.double(0).parameters;
    for k in 0..=20 {
        let w = 0.1 * f64::from(k);
        let published = 0.01 * (1.0 + 27.235 * (2.5 * (-2.0 * w / (2.0 - 0.0) + 0.0)).exp());
        let found = 2.0 * cells.law().step(p, 0.5 * w, 1.0);
        assert!(
            (found / published - 1.0).abs() < 1e-5,
            "{w}: {found} {published}"
        );
    }
    // By hand: x ← x + 0.005 (1 + 27.235 e^{-5x}) from 0.
    let course: Vec<f64> = cells.nominal_course(1.0).positions().collect();
    let first = |x: f64| course.iter().position(|&s| s >= x).unwrap();
    assert_eq!((first(0.5), first(1.0)), (13, 72));
}

#[test]
fn one_sided_cells_have_no_symmetric_point_and_two_sided_ones_keep_theirs() {
    let cells = read(PCM).unwrap().cells(4, 1).unwrap();
    assert!(cells.is_one_sided());
    assert!((0..4).all(|k| cells.symmetric_point(k).is_none()));
    let text = include_str!("../../device-models/ideal/soft-bounds.toml");
    let both = read(text).unwrap().cells(4, 1).unwrap();
    let reset = "\n[reset]\nlevel = 0.1\ndeviation = 0.0\ndevice-to-device = 0.0\n";
    let single = read(&format!("{text}{reset}"))
        .unwrap()
        .cells(4, 1)
        .unwrap();
    assert_eq!(both.symmetric_point(0), Some(0.5));
    assert_eq!(single.symmetric_point(0), None);
    for x in [0.1, 0.5, 0.8] {
        // U(w, Δ) = Δ F - |Δ| G: the same upwards, nothing downwards.
        let ([f, g], [f1, g1]) = (both.response_values(0, x), single.response_values(0, x));
        assert!((f - g - (f1 - g1)).abs() < 1e-14 && f1 + g1 == 0.0);
        let response = single.response(0, x);
        assert!((response.f[0] - f1).abs() < 1e-14 && response.down().iter().all(|&q| q == 0.0));
    }
}

/// A study of the diabetes data with this array.
fn study(folder: &Path, device: &str, mapping: &str) -> memridge::error::Result<Study> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/data/diabetes.csv");
    let text = format!(
        r#"
title = "t"
claim = "t"
cite = []
seed = 1
replicas = 4
[device]
model = "{device}"
[array]
read-noise = 0.0
{mapping}
[task]
data = {data:?}
target = "target"
standardise = true
[training]
loss = "squared-error"
learning-rate = 0.01
schedule = "constant"
steps = 1000
batch = 1
update = "per-sample"
average-from = 0.5
log-every = 10
pulses = "stochastic-rounding"
"#
    );
    let path = folder.join("s.toml");
    std::fs::write(&path, text).unwrap();
    Study::read(&path, &Default::default())
}

const REFRESH: &str = "[array.mapping.one-sided-pair.refresh]\nevery = 1\nupper = 0.75\nlower = 0.25\nrounds = 2\nmost-pulses = 31\n";

#[test]
fn studies_pair_one_sided_cells_alone_and_say_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let pair = "[array.mapping.one-sided-pair]\nconductance-per-weight = \"half-window\"\n";
    let pcm = "pcm/nandakumar2020";
    for (device, mapping, expected) in [
        (
            pcm,
            "[array.mapping.reference-column]\nzero = \"middle\"\nconductance-per-weight = \"half-window\"",
            "one-sided-pair",
        ),
        (
            pcm,
            "[array.mapping.differential-pair]\nzero = \"middle\"\nconductance-per-weight = \"half-window\"",
            "pulses can only raise them",
        ),
        ("ideal/soft-bounds", pair, "[device.reset]"),
        (
            pcm,
            &format!("{pair}{}", REFRESH.replace("lower = 0.25", "lower = 0.8")),
            "lower must be below upper",
        ),
        (
            pcm,
            &format!("{pair}{}", REFRESH.replace("every = 1", "every = 0")),
            "every",
        ),
        (
            pcm,
            &format!("{pair}{}", REFRESH.replace("rounds = 2\n", "")),
            "rounds: missing",
        ),
        (pcm, &format!("{pair}zero = 0.3\n"), "zero"),
    ] {
        let message = message(study(folder.path(), device, mapping));
        assert!(message.contains(expected), "{mapping}: {message}");
    }
    // A two-sided device is used as a one-sided one where the study says how it is reset.
    let reset = "[device.reset]\nlevel = 0.0\ndeviation = 0.0\ndevice-to-device = 0.0\n";
    study(
        folder.path(),
        "ideal/soft-bounds",
        &format!("{pair}{REFRESH}{reset}"),
    )
    .unwrap();
    study(folder.path(), pcm, &format!("{pair}{REFRESH}")).unwrap();
    study(folder.path(), pcm, pair).unwrap();
}

// ---------------------------------------------------------------------------------------------------------------------------
// Refreshes

/// Steps that fall exponentially, as those of phase-change memory do: from 0.02 of the window to 0.0014.
const LAW: [f64; 10] = [0.01, 0.0, 1.0, 0.0, 0.1, 0.3, 4.0, 1.0, 1.0, 1.0];

const WINDOW: Window = Window {
    g_min: 1e-6,
    g_max: 21e-6,
};

fn pairs(weights: usize, noise: CycleNoise<f64>, reset: Reset) -> Arc<Cells> {
    let count = 2 * weights;
    let cells = Cells::new(
        law("exp-step"),
        WINDOW,
        noise,
        0.0,
        true,
        LAW.to_vec(),
        LAW.repeat(count),
    );
    Arc::new(cells.with_resets(reset, &vec![reset.level; count]))
}

fn plan(cells: Arc<Cells>, refresh: Refresh) -> Plan {
    let (weights, level) = (cells.len() / 2, cells.reset().unwrap().level);
    Plan {
        model: ArrayModel {
            cells,
            map: WeightMap::new(Mapping::OneSidedPair, level, 2.0, weights, 1),
        },
        read_noise: 0.0,
        periphery: Periphery::default(),
        wires: None,
        layout: Layout::default(),
        refresh: Some(refresh),
        aggregate: true,
        stream: Stream::new(77),
        place: Place::Cpu,
    }
}

const ONCE: Refresh = Refresh {
    every: 1,
    upper: 0.75,
    lower: 0.25,
    rounds: 1,
    most_pulses: 10_000,
};

/// Contributions of both cells of every pair, a vector a cell.
fn contributions(crossbar: &mut Crossbar, weights: usize, replicas: usize) -> Vec<Vec<f64>> {
    let mut values = vec![vec![0.0; replicas]; 2 * weights];
    crossbar.inspect(&mut values).unwrap();
    values
}

/// Pairs whose cells got all kinds of numbers of pulses: empty, full, one of each, and in between. Pulses number by weight.
fn filled(crossbar: &mut Crossbar, weights: usize, replicas: usize) {
    crossbar.write(0, &vec![0.0; weights]).unwrap();
    // A weight's change of 0.02 is one nominal step.
    for (step, sign) in [(0, 1.0), (1, -1.0)] {
        let mut changes = StackVector::zeros(weights, replicas);
        for j in 0..weights {
            let n = if sign > 0.0 {
                13 * j % 401
            } else {
                29 * j % 397
            };
            changes.lanes_mut(j).fill(sign * 0.02 * n as f32);
        }
        crossbar
            .update_dense(step, &changes, Counting::Deterministic, 0.1)
            .unwrap();
    }
}

/// Without noise: a refreshed weight is what it was to one step where it is written, and on average exactly; both cells of a due pair are
/// lower; all others are untouched.
#[test]
fn a_refresh_keeps_the_weight() {
    let (weights, replicas) = (300, 256);
    let reset = Reset {
        level: 0.02,
        deviation: 0.0,
        variation: 0.0,
    };
    let cells = pairs(weights, CycleNoise::new(0.0, 0.0), reset);
    let mut crossbar = Crossbar::new(&plan(Arc::clone(&cells), ONCE), 5, replicas).unwrap();
    filled(&mut crossbar, weights, replicas);
    let before = contributions(&mut crossbar, weights, replicas);
    let pulses = crossbar.pulses().unwrap();
    crossbar.refresh(8).unwrap();
    let after = contributions(&mut crossbar, weights, replicas);
    // Single precision of a conductance of the window's size.
    let rounding = 4e-6;
    let (mut due, mut kept) = (0, 0);
    for j in 0..weights {
        let position = |values: &[Vec<f64>], k: usize| reset.level + 0.5 * values[k][0];
        let (plus, minus) = (position(&before, 2 * j), position(&before, 2 * j + 1));
        if !ONCE.is_due(plus, minus) {
            assert_eq!(before[2 * j], after[2 * j]);
            assert_eq!(before[2 * j + 1], after[2 * j + 1]);
            kept += 1;
            continue;
        }
        due += 1;
        let target = before[2 * j][0] - before[2 * j + 1][0];
        let step = |x: f64| 2.0 * cells.law().step(&LAW, x, 1.0);
        let x = reset.level + 0.5 * target.abs();
        // The step that leads past the target begins at most one step before it, where steps are larger.
        let allowed = step((x - 0.5 * step(reset.level)).max(reset.level)) + rounding;
        let mut sum = 0.0;
        for (plus, minus) in after[2 * j].iter().zip(&after[2 * j + 1]) {
            let error = plus - minus - target;
            assert!(
                error.abs() <= allowed,
                "weight {j}: off by {error}, a step is {allowed}"
            );
            sum += error;
            assert!(plus.min(*minus).abs() < rounding, "one of both stays empty");
        }
        // A deviation of at most half a step; five standard errors.
        let mean = sum / replicas as f64;
        assert!(
            mean.abs() < 5.0 * 0.5 * allowed / (replicas as f64).sqrt() + rounding,
            "weight {j}: {mean}"
        );
    }
    assert!(due > 100 && kept > 40, "{due} due, {kept} not");
    assert_eq!(crossbar.resets(), 2 * due * replicas as u64);
    assert!(crossbar.pulses().unwrap() > pulses);
    // What was refreshed is not due again, and out of turn nobody looks.
    let resets = crossbar.resets();
    crossbar.refresh(9).unwrap();
    assert_eq!(crossbar.resets(), resets);
    let mut seldom =
        Crossbar::new(&plan(cells, Refresh { every: 10, ..ONCE }), 5, replicas).unwrap();
    filled(&mut seldom, weights, replicas);
    seldom.refresh(8).unwrap();
    assert_eq!(seldom.resets(), 0);
    seldom.refresh(9).unwrap();
    assert_eq!(seldom.resets(), resets);
}

/// With noise: the deviation of a refreshed weight is that of its pulses and resets, carried through the law; a second round, which reads
/// what the first has written, leaves less.
#[test]
fn a_refreshed_weight_is_off_by_its_programming_noise() {
    let (weights, replicas) = (1, 20_000);
    let reset = Reset {
        level: 0.1,
        deviation: 0.01,
        variation: 0.0,
    };
    let quiet = pairs(weights, CycleNoise::new(0.0, 0.0), reset);
    let noisy = pairs(weights, CycleNoise::new(0.0, 0.5), reset);
    let deviation = |rounds: u32| {
        let plan = plan(Arc::clone(&noisy), Refresh { rounds, ..ONCE });
        let mut crossbar = Crossbar::new(&plan, 0, replicas).unwrap();
        crossbar.write(0, &[0.0]).unwrap();
        // Both cells to near 0.8 and 0.5: 150 and 50 pulses.
        for (step, n) in [(0, 150.0), (1, -50.0)] {
            let mut changes = StackVector::zeros(1, replicas);
            changes.fill(0.02 * n);
            crossbar
                .update_dense(step, &changes, Counting::Deterministic, 0.1)
                .unwrap();
        }
        let before = contributions(&mut crossbar, 1, replicas);
        crossbar.refresh(3).unwrap();
        let after = contributions(&mut crossbar, 1, replicas);
        let due = (0..replicas).filter(|&r| after[1][r] != before[1][r]);
        let errors: Vec<(f64, f64)> = due
            .map(|r| {
                (
                    before[0][r] - before[1][r],
                    after[0][r] - after[1][r] - before[0][r] + before[1][r],
                )
            })
            .collect();
        let n = errors.len() as f64;
        assert!(n > 10_000.0, "{n} are due");
        let mean = errors.iter().map(|e| e.1).sum::<f64>() / n;
        let variance = errors.iter().map(|e| (e.1 - mean).powi(2)).sum::<f64>() / n;
        let target = errors.iter().map(|e| e.0).sum::<f64>() / n;
        (target, mean, variance.sqrt(), n)
    };
    let (target, mean, sd, n) = deviation(1);
    // The pulses that the nominal cell needs, and what they leave of the reset's deviation.
    let cell = noisy.double(0);
    let end = reset.level + 0.5 * target;
    let (mut s, mut pulses) = (reset.level, 0);
    while s < end {
        s += quiet.law().step(&LAW, s, 1.0);
        pulses += 1;
    }
    let (_, written) = noisy.law().train(&cell, reset.level, 1.0, pulses);
    let h = 1e-4;
    let at = |s: f64| noisy.law().train(&cell, s, 1.0, pulses).0;
    let carried = (at(reset.level + h) - at(reset.level - h)) / (2.0 * h);
    let variance = written + reset.deviation.powi(2) * (1.0 + carried * carried);
    let expected = 2.0 * variance.sqrt();
    // The standard error of a deviation, 1/√(2n), five times; targets differ, and a step is rounded: 2 % more.
    let allowed = 5.0 / (2.0 * n).sqrt() + 0.02;
    assert!(
        (sd / expected - 1.0).abs() < allowed,
        "{sd}, expected {expected}"
    );
    // Curvature of the law moves the mean by less than a tenth of the deviation.
    assert!(mean.abs() < 0.1 * sd, "mean {mean}, deviation {sd}");
    let (_, _, again, _) = deviation(2);
    assert!(
        again < 0.75 * sd,
        "{again} after two rounds, {sd} after one"
    );
}

/// Kolmogorov–Smirnov distance from a normal distribution.
fn distance(mut sample: Vec<f64>, mean: f64, sd: f64) -> f64 {
    use statrs::distribution::{ContinuousCDF, Normal};
    let normal = Normal::new(mean, sd).unwrap();
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let gaps = sample.iter().enumerate().map(|(k, &x)| {
        let p = normal.cdf(x);
        (p - k as f64 / n).abs().max(((k + 1) as f64 / n - p).abs())
    });
    gaps.fold(0.0, f64::max)
}

/// n = 20 000, α = 10⁻³: D √n < 1.95. Resets of one cell, levels of many, and both together; neighbours are independent.
#[test]
fn resets_have_their_distribution() {
    let n: usize = 20_000;
    let critical = 1.95 / (n as f64).sqrt();
    let text = PCM
        .replace("level = 0.005", "level = 0.2")
        .replace("deviation = 0.005", "deviation = 0.02")
        .replace("device-to-device = 0.01", "device-to-device = 0.015");
    let device = read(&text).unwrap();
    let many = Arc::new(device.cells(n, 3).unwrap());
    let levels: Vec<f64> = many.reset_levels().iter().map(|&l| f64::from(l)).collect();
    let empty = |cells: &Arc<Cells>, replicas: usize, step: u32| {
        let shape = memridge::backend::Shape {
            replicas,
            rows: 1,
            columns: cells.len(),
        };
        let mut stack = Place::Cpu
            .stack(shape, 0, Stream::new(9), Arc::clone(cells), true)
            .unwrap();
        stack.write(&vec![0.9; cells.len()]).unwrap();
        let mut which = StackVector::zeros(cells.len(), replicas);
        which.fill(1.0);
        stack.reset(step, &which).unwrap();
        let mut states = StackVector::zeros(cells.len(), replicas);
        stack.inspect(&mut states).unwrap();
        states
    };
    let doubles = |v: &[f32]| v.iter().map(|&s| f64::from(s)).collect::<Vec<_>>();
    let two = Arc::new(device.cells(2, 3).unwrap());
    let single = empty(&two, n, 1);
    for k in 0..2 {
        let d = distance(
            doubles(single.lanes(k)),
            f64::from(two.reset_levels()[k]),
            0.02,
        );
        assert!(d < critical, "cell {k}: {d}");
    }
    let d = distance(levels, 0.2, 0.015);
    assert!(d < critical, "levels: {d}");
    let d = distance(
        doubles(empty(&many, 1, 1).all()),
        0.2,
        f64::hypot(0.02, 0.015),
    );
    assert!(d < critical, "together: {d}");
    // Correlation of neighbours, and of one cell at two steps: four standard errors of zero.
    let correlation = |a: &[f64], b: &[f64]| {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (ma, mb) = (mean(a), mean(b));
        let cov = |x: &[f64], mx: f64, y: &[f64], my: f64| {
            x.iter()
                .zip(y)
                .map(|(x, y)| (x - mx) * (y - my))
                .sum::<f64>()
        };
        cov(a, ma, b, mb) / (cov(a, ma, a, ma) * cov(b, mb, b, mb)).sqrt()
    };
    let (a, b) = (doubles(single.lanes(0)), doubles(single.lanes(1)));
    let later = doubles(empty(&two, n, 2).lanes(0));
    for (what, r) in [
        ("neighbours", correlation(&a, &b)),
        ("steps", correlation(&a, &later)),
    ] {
        assert!(r.abs() < 4.0 / (n as f64).sqrt(), "{what}: {r}");
    }
    // Never outside the window, however wide: where the level is at its end, half of all resets end there.
    let text = PCM
        .replace("level = 0.005", "level = 0.0")
        .replace("device-to-device = 0.01", "device-to-device = 0.0");
    let states = empty(&Arc::new(read(&text).unwrap().cells(1, 3).unwrap()), n, 1);
    let at_end = states.all().iter().filter(|&&s| s == 0.0).count() as f64;
    assert!(states.all().iter().all(|&s| s >= 0.0));
    // Five standard errors of a fair coin.
    assert!((at_end / n as f64 - 0.5).abs() < 5.0 * 0.5 / (n as f64).sqrt());
}

// ---------------------------------------------------------------------------------------------------------------------------
// The mean field over the cycle

/// One feature, equal samples: `g = w - y`.
fn setting(cells: Arc<Cells>, y: f64) -> Setting {
    Setting {
        model: ArrayModel {
            map: WeightMap::new(Mapping::OneSidedPair, 0.0, 2.0, 1, 1),
            cells,
        },
        // Noise-free gradients would leave no |g|: two samples of opposite residual.
        x: DMatrix::from_vec(2, 1, vec![1.0, 1.0]),
        y: DVector::from_vec(vec![y + 1.0, y - 1.0]),
        wires: None,
        layout: Layout::default(),
        gradient: Gradient::PerSample { batch: 1 },
        rate: 1e-3,
        counting: Counting::StochasticRounding,
        read_noise: 0.0,
        seconds: 0.0,
        age: 0.0,
    }
}

/// Soft bounds `q = (1 - x)·u`, small weights: `R̄' = ln(q₀/q₁)/(2 S (c₁ - c₀))`; steps that are all equal pull nowhere.
#[test]
fn the_cycle_has_its_closed_form() {
    let reset = Reset {
        level: 0.05,
        deviation: 0.0,
        variation: 0.0,
    };
    let p = [0.001, 0.0, 1.0, 0.5];
    let cells = |law: &str, p: &[f64]| {
        let law = memridge::device::laws()
            .into_iter()
            .find(|l| l.name() == law)
            .unwrap();
        let cells = Cells::new(
            law,
            WINDOW,
            CycleNoise::new(0.0, 0.0),
            0.0,
            true,
            p.to_vec(),
            p.repeat(2),
        );
        Arc::new(cells.with_resets(reset, &[0.05; 2]))
    };
    let refresh = Refresh {
        every: 1,
        upper: 0.75,
        lower: 0.25,
        rounds: 2,
        most_pulses: 31,
    };
    let found = cycle_field(&setting(cells("soft-bounds", &p), 0.01), refresh, 1).unwrap();
    // E|g| = 1 about the minimum. The common position ends within one look of the threshold, which is 2.5e-4 of the window wide.
    let exact = f64::ln(0.95 / 0.25) / (4.0 * 0.70);
    let lambda = found.mean_lambda().unwrap();
    assert!((lambda / exact - 1.0).abs() < 1e-3, "{lambda} {exact}");
    // H = 1: the ridge solution.
    assert!((found.weights[0] / (0.01 / (1.0 + exact)) - 1.0).abs() < 1e-3);
    let flat = cycle_field(
        &setting(cells("constant-step", &[0.001, 0.0, 1.0, 0.0]), 0.01),
        refresh,
        1,
    )
    .unwrap();
    assert!((flat.weights[0] - 0.01).abs() < 1e-9 && flat.mean_lambda().unwrap().abs() < 1e-12);
    // A look so seldom that cells are full before it; a weight without the room that it needs; no cycle at all.
    let seldom = Refresh {
        every: 1_000_000,
        ..refresh
    };
    for (y, refresh, expected) in [
        (0.01, seldom, "full before"),
        (9.0, refresh, "end of its window"),
    ] {
        let message = message(cycle_field(
            &setting(cells("soft-bounds", &p), y),
            refresh,
            1,
        ));
        assert!(message.contains(expected), "{message}");
    }
    assert!(message(mean_field(&setting(cells("soft-bounds", &p), 0.01))).contains("common"));
}
