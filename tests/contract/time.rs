//! What time does to states.

use std::sync::Arc;

use memridge::backend::{Request, Shape, StackVector};
use memridge::device::{
    Amount, Cells, Counting, Dependence, Drift, DriftForm, Endurance, Memory, Retention,
};
use memridge::document::{Document, Violations};
use memridge::number::Purpose;

use super::devices::{EXACT_STEP, forgetful, noisy_counters};
use super::fixture::{
    FIRST, Site, Worst, normal, scalar, scattered, shape, stack, states, stream, vector,
};

/// Cells that lose their own parts: each after its own law, whether that is rounded at random or not.
pub fn own_relaxation(site: Site) {
    let shape = shape(40, 3, 7);
    let cells = forgetful(shape.cells());
    let nominal = cells.retention().unwrap();
    // Losses from 1e-4, which are rounded at random, to nearly everything.
    let own: Vec<Retention> = (0..shape.cells())
        .map(|k| Retention {
            rest: 0.2 + 0.03 * k as f64,
            lifetime: 7000.0 * 0.6_f64.powi(k as i32),
        })
        .collect();
    let cells = Arc::new(Cells::clone(&cells).with_retentions(nominal, own.clone()));
    let start: Vec<f64> = (0..shape.cells()).map(|k| 0.9 - 0.04 * k as f64).collect();
    let run = |site: &Site| {
        let mut stack = stack(site, shape, &cells, true);
        stack.write(&start).unwrap();
        // The second time as long, so that what was found for the first does not do.
        stack.relax(3, 0.5).unwrap();
        stack.relax(4, 0.5).unwrap();
        stack.relax(5, 1.0).unwrap();
        Worst::of(&states(&mut *stack), |k, _| {
            let left = (-2.0 / own[k].lifetime).exp();
            own[k].rest + (start[k] - own[k].rest) * left
        })
    };
    run(&site).check("states of unequal lifetimes", run(&scalar()), 3e-7);
}

/// Phase-change memory whose exponents depend on the conductance, and the walk of an oxide; amounts of both kinds.
fn drifts() -> [(&'static str, Drift); 2] {
    let document = Document::parse(
        "t.toml",
        r#"
exponent = { relative-to = "50 uS", logarithmic = { slope = -0.0155, offset = 0.0244 }, least = 0.049, most = 0.1 }
deviation = { relative-to = "50 uS", polynomial = [0.03, -0.02] }
"#,
    );
    let document = document.unwrap();
    let violations = Violations::new();
    let section = document.section(&violations);
    let [exponent, deviation] =
        ["exponent", "deviation"].map(|key| Dependence::parse(&section.section(key)));
    section.finish();
    violations.check().unwrap();
    let drift = |form| Drift {
        onset: 0.01,
        form,
        arrhenius: None,
    };
    [
        (
            "power law",
            drift(DriftForm::PowerLaw {
                exponent,
                deviation,
            }),
        ),
        (
            "logarithmic",
            drift(DriftForm::Logarithmic {
                shift: Amount::Absolute(2e-7),
                deviation: Amount::Relative(0.01),
                growth: Amount::Absolute(1e-7),
            }),
        ),
    ]
}

/// Cells that drift.
fn drifting(drift: &Drift, write_noise: f64, count: usize) -> Arc<Cells> {
    let cells = Cells::clone(&noisy_counters(count, write_noise));
    Arc::new(cells.with_drift(drift.clone()))
}

/// Cells that drift by a power law and wear nothing: they remember their ages.
pub fn drifting_counters(count: usize) -> Arc<Cells> {
    let [(_, drift), _] = drifts();
    drifting(&drift, 0.0, count)
}

/// What one cell of one replica should be, in double precision.
struct Oracle<'a> {
    drift: &'a Drift,
    cell: usize,
    replica: usize,
    state: f64,
    /// What reads see beyond it.
    noise: f64,
    origin: f64,
    wander: f64,
    age: f64,
}

impl Oracle<'_> {
    fn relax(&mut self, step: u32, elapsed: f64) {
        if self.age == 0.0 {
            (self.origin, self.wander) = (self.state, 0.0);
        }
        let step = if self.drift.wanders() { step } else { 0 };
        let z = normal(step, self.cell, self.replica, Purpose::Drift, 0);
        let log_age = |age: f64| (age.max(self.drift.onset) / self.drift.onset).ln();
        let (before, after) = (log_age(self.age), log_age(self.age + elapsed));
        let (span, g_min) = (4e-5, 1e-5);
        let g = g_min + span * self.origin;
        match &self.drift.form {
            DriftForm::PowerLaw { .. } => {
                let x = g / 5e-5;
                let nu = (-0.0155 * x.ln() + 0.0244).clamp(0.049, 0.1) + (0.03 - 0.02 * x) * z;
                self.state = (g * (-nu.abs() * after).exp() - g_min) / span;
                self.noise *= (-nu.abs() * (after - before)).exp();
            }
            DriftForm::Logarithmic { .. } => {
                let onset = self.drift.onset;
                let variance = |age: f64, l: f64| {
                    if age < onset {
                        0.0
                    } else {
                        (0.01 * g + 1e-7 * l).powi(2)
                    }
                };
                let more = variance(self.age + elapsed, after) - variance(self.age, before);
                self.wander += more.max(0.0).sqrt() * z / span;
                self.state = self.origin - 2e-7 / span * after + self.wander;
            }
        }
        self.age += elapsed;
    }
}

/// Drift since the last write, then since the last pulse of the cells that had one, with the write noise of these.
pub fn drift(site: Site) {
    for (name, drift) in drifts() {
        // Loops along replicas, across cells, and trains whose cells are gathered.
        for (replicas, rows, columns) in [(80, 3, 5), (3, 4, 7), (1, 2, 90)] {
            let shape = shape(replicas, rows, columns);
            let cells = drifting(&drift, 1.5, shape.cells());
            let start: Vec<f64> = (0..shape.cells())
                .map(|k| 0.2 + 0.6 * scattered(k))
                .collect();
            let requests = vector(shape.cells(), replicas, |k, r| ((k + r) % 3) as f32 - 1.0);
            let before = [(1, 0.004), (2, 0.02), (3, 5.0)];
            let after = [(5, 0.015), (6, 1e-4), (7, 300.0)];
            let run = |site: &Site| {
                let mut stack = stack(site, shape, &cells, true);
                stack.write(&start).unwrap();
                for (step, elapsed) in before {
                    stack.relax(step, elapsed).unwrap();
                }
                let request = Request::Dense(&requests);
                stack.pulse(4, &request, Counting::Deterministic).unwrap();
                for (step, elapsed) in after {
                    stack.relax(step, elapsed).unwrap();
                }
                let mut seen = StackVector::zeros(shape.cells(), replicas);
                stack.conductances(&mut seen).unwrap();
                let mut ages = StackVector::zeros(shape.cells(), replicas);
                stack.ages(&mut ages).unwrap();
                (states(&mut *stack), seen, ages)
            };
            let oracle = |k: usize, r: usize| {
                let mut cell = Oracle {
                    drift: &drift,
                    cell: k,
                    replica: r,
                    state: f64::from(start[k] as f32),
                    noise: 0.0,
                    origin: 0.0,
                    wander: 0.0,
                    age: 0.0,
                };
                before.iter().for_each(|&(step, t)| cell.relax(step, t));
                let n = f64::from(requests.lanes(k)[r]);
                if n != 0.0 {
                    cell.state += EXACT_STEP * n;
                    let z = normal(4, k, r, Purpose::WriteNoise, 0);
                    cell.noise = f64::from(cells.write_deviation()) * z;
                    cell.age = 0.0;
                }
                after.iter().for_each(|&(step, t)| cell.relax(step, t));
                cell
            };
            let worst = |site: &Site| {
                let (states, seen, ages) = run(site);
                let conductance = |k, r| {
                    let cell = oracle(k, r);
                    1e-5 + 4e-5 * (cell.state + cell.noise)
                };
                [
                    Worst::of(&states, |k, r| oracle(k, r).state),
                    Worst::of(&seen, conductance),
                    Worst::of(&ages, |k, r| oracle(k, r).age),
                ]
            };
            let (found, scalar) = (worst(&site), worst(&scalar()));
            // A few roundings of numbers below 1, of conductances below 5e-5 S, and of ages of 300 s.
            let allowed = [2e-6, 1e-10, 3e-5];
            for (k, what) in ["states", "conductances", "ages"].iter().enumerate() {
                let what = format!("{name}, {replicas} replicas, {what}");
                found[k].check(&what, scalar[k], allowed[k]);
            }
        }
    }
}

/// A wait in many parts is one wait: states stand on their origin and ages are compensated sums.
pub fn drift_in_parts(site: Site) {
    const PARTS: u32 = 20_000;
    let shape = shape(20, 2, 3);
    let [(_, power), _] = drifts();
    let cells = drifting(&power, 0.0, shape.cells());
    let start: Vec<f64> = (0..shape.cells()).map(|k| 0.3 + 0.1 * k as f64).collect();
    let run = |parts: u32| {
        let mut stack = stack(&site, shape, &cells, true);
        stack.write(&start).unwrap();
        // A number of single precision, and whole multiples of it.
        let elapsed = f64::from(2e-4_f32) * f64::from(PARTS / parts);
        for step in 0..parts {
            stack.relax(step, elapsed).unwrap();
        }
        let mut ages = StackVector::zeros(shape.cells(), shape.replicas);
        stack.ages(&mut ages).unwrap();
        (states(&mut *stack), ages)
    };
    let ((once, age), (often, ages)) = (run(1), run(PARTS));
    for (a, b) in age.all().iter().zip(ages.all()) {
        assert!((a - b).abs() <= 2.5e-7 * a, "{a} {b}");
    }
    for (a, b) in once.all().iter().zip(often.all()) {
        // One rounding of the age and of the logarithm.
        assert!((a - b).abs() < 2e-7, "{a} {b}");
    }
    // It has drifted: g(4 s) is (400)^-ν of what it was, ν about 0.05 or more.
    assert!(
        once.all()
            .iter()
            .zip(&start)
            .all(|(s, &before)| f64::from(*s) < before)
    );
}

/// Worn cells of one law, each with its own life.
fn worn(count: usize) -> Arc<Cells> {
    let cells = Cells::clone(&noisy_counters(count, 0.0));
    let endurance = Endurance {
        pulses: 200.0,
        shape: 0.7,
        losses: [0.3, 0.5],
    };
    let lives = (0..count).map(|k| 100.0 + 3.0 * k as f64).collect();
    Arc::new(cells.with_endurance(endurance, lives))
}

/// Numbers of pulses and what they leave of windows, by every way through the cells.
pub fn wear(site: Site) {
    for (replicas, rows, columns) in [(80, 3, 5), (3, 4, 7), (1, 2, 90)] {
        let shape = shape(replicas, rows, columns);
        let cells = worn(shape.cells());
        let x = vector(rows, replicas, |i, r| ((i + r) % 5) as f32 * 3.0 - 6.0);
        let d = vector(columns, replicas, |i, r| {
            ((i * 3 + r) % 4) as f32 * 2.0 - 3.0
        });
        let bits = |n: usize, few: u32| -> Vec<u32> {
            let word = |k: usize| (k as u32).wrapping_mul(0x9E37_79B9) & few;
            (0..n * replicas).map(word).collect()
        };
        // Two bits of a row at most: cells of rows that have one are gathered.
        let (row_bits, column_bits) = (bits(rows, 0x0000_8001), bits(columns, u32::MAX));
        let requests = [
            (
                Request::Outer {
                    rows: &x,
                    columns: &d,
                },
                Counting::Deterministic,
            ),
            (
                Request::Trains {
                    rows: &x,
                    columns: &d,
                    row_bits: &row_bits,
                    column_bits: &column_bits,
                },
                Counting::StochasticRounding,
            ),
        ];
        for (request, counting) in requests {
            let mut stack = stack(&site, shape, &cells, true);
            stack.write(&vec![0.45; shape.cells()]).unwrap();
            let count = |k: usize, r: usize| {
                let (row, column) = (k / columns, k % columns);
                match request {
                    Request::Trains { .. } => {
                        let both =
                            row_bits[row * replicas + r] & column_bits[column * replicas + r];
                        let sign = x.lanes(row)[r] * d.lanes(column)[r];
                        // The sign bit decides, also that of zero.
                        f64::from(both.count_ones())
                            * if sign.is_sign_negative() { -1.0 } else { 1.0 }
                    }
                    _ => f64::from(x.lanes(row)[r] * d.lanes(column)[r]),
                }
            };
            const UPDATES: u32 = 400;
            for step in 0..UPDATES {
                stack.pulse(step, &request, counting).unwrap();
            }
            let mut pulses = StackVector::zeros(shape.cells(), replicas);
            stack.wear(&mut pulses).unwrap();
            let found = states(&mut *stack);
            let (mut held, mut total) = (0, 0.0);
            for k in 0..shape.cells() {
                for r in 0..replicas {
                    let n = count(k, r);
                    let all = n.abs() * f64::from(UPDATES);
                    assert_eq!(
                        f64::from(pulses.lanes(k)[r]),
                        all,
                        "cell {k} of replica {r}"
                    );
                    total += all;
                    // Every update ends in the window that its pulses leave.
                    let life = 100.0 + 3.0 * k as f64;
                    let mut state = 0.45;
                    for update in 1..=UPDATES {
                        state += EXACT_STEP * n;
                        let part = n.abs() * f64::from(update) / life;
                        let worn = 1.0 - (-part.powf(0.7)).exp();
                        let [lower, upper] = [0.3 * worn, 1.0 - 0.5 * worn];
                        if n != 0.0 {
                            held += usize::from(!(lower..=upper).contains(&state));
                            state = state.clamp(lower, upper);
                        }
                    }
                    let s = f64::from(found.lanes(k)[r]);
                    // Powers by exponentials and logarithms of single precision.
                    assert!(
                        (s - state).abs() < 1e-5,
                        "cell {k} of replica {r}: {s} {state}"
                    );
                }
            }
            assert!(held > 50, "{held}");
            assert_eq!(stack.pulses().unwrap() as f64, total);
            // A write cannot leave what is left either; it makes nothing as new.
            stack.write(&vec![1.0; shape.cells()]).unwrap();
            for (k, r) in [(0, 0), (shape.cells() - 1, replicas - 1)] {
                let [_, upper] = cells.worn_window(k, f64::from(pulses.lanes(k)[r]));
                let s = f64::from(states(&mut *stack).lanes(k)[r]);
                assert!((s - upper).abs() < 1e-6, "{s} {upper}");
            }
        }
    }
}

/// Expected updates make cells young and wear none; those that are asked for nothing stay old; stuck ones stay stuck.
pub fn mean_updates_renew(site: Site) {
    let shape = shape(6, 3, 4);
    let [(_, power), _] = drifts();
    let endurance = Endurance {
        pulses: 10.0,
        shape: 1.0,
        losses: [0.5, 0.5],
    };
    let cells = Cells::clone(&drifting(&power, 0.5, shape.cells()));
    let cells = Arc::new(
        cells
            .with_endurance(endurance, Vec::new())
            .with_stuck(vec![(3, 0.9)]),
    );
    let mut stack = stack(&site, shape, &cells, true);
    stack.write(&vec![0.5; shape.cells()]).unwrap();
    stack.relax(1, 2.0).unwrap();
    let requests = vector(
        shape.cells(),
        6,
        |k, r| if (k + r) % 2 == 0 { 0.75 } else { 0.0 },
    );
    let request = Request::Dense(&requests);
    stack.pulse(2, &request, Counting::Expected).unwrap();
    let mut ages = StackVector::zeros(shape.cells(), 6);
    let mut pulses = ages.clone();
    stack.ages(&mut ages).unwrap();
    stack.wear(&mut pulses).unwrap();
    for k in (0..shape.cells()).filter(|&k| k != 3) {
        for r in 0..6 {
            let expected = if (k + r) % 2 == 0 { 0.0 } else { 2.0 };
            assert_eq!(ages.lanes(k)[r], expected, "cell {k} of replica {r}");
        }
    }
    assert!(pulses.all().iter().all(|&n| n == 0.0));
    stack.relax(3, 1e6).unwrap();
    let found = states(&mut *stack);
    assert!(found.lanes(3).iter().all(|&s| s == 0.9));
    let mut seen = StackVector::zeros(shape.cells(), 6);
    stack.conductances(&mut seen).unwrap();
    assert!(seen.lanes(3).iter().all(|&g| (g - 4.6e-5).abs() < 1e-11));
}

/// Ages are kept for others, too.
pub fn ages_for_others(site: Site) {
    let shape = shape(4, 2, 3);
    let forgetful = Cells::clone(&forgetful(shape.cells()));
    let plain = Cells::clone(&noisy_counters(shape.cells(), 0.0));
    for cells in [forgetful, plain] {
        let without = cells.clone();
        let kept = Arc::new(cells.with_ages());
        assert_eq!(without.memory(), Memory::default());
        let mut old = stack(&site, shape, &kept, true);
        let mut other = stack(&site, shape, &Arc::new(without), true);
        let requests = vector(shape.cells(), 4, |k, r| ((k + r) % 2) as f32);
        for stack in [&mut old, &mut other] {
            stack.write(&vec![0.5; shape.cells()]).unwrap();
            stack.relax(0, 0.5).unwrap();
            let request = Request::Dense(&requests);
            stack.pulse(1, &request, Counting::Deterministic).unwrap();
            stack.relax(2, 0.25).unwrap();
        }
        let mut ages = StackVector::zeros(shape.cells(), 4);
        old.ages(&mut ages).unwrap();
        for k in 0..shape.cells() {
            for r in 0..4 {
                let expected = if (k + r) % 2 == 1 { 0.25 } else { 0.75 };
                assert_eq!(ages.lanes(k)[r], expected);
            }
        }
        // Nothing else changes by it.
        assert_eq!(states(&mut *old), states(&mut *other));
        other.ages(&mut ages).unwrap();
        assert!(ages.all().iter().all(|&age| age == 0.0));
    }
}

/// Replicas 5 to 8 of 40, alone and among the others, bit for bit: along replicas and across cells.
pub fn history_in_stacks(site: Site) {
    let (whole, part) = (shape(40, 2, 5), shape(4, 2, 5));
    for (name, drift) in drifts() {
        let cells = Cells::clone(&drifting(&drift, 0.5, whole.cells()));
        let endurance = Endurance {
            pulses: 300.0,
            shape: 0.5,
            losses: [0.5, 0.2],
        };
        let lives = (0..whole.cells()).map(|k| 200.0 + k as f64).collect();
        let cells = Arc::new(cells.with_endurance(endurance, lives));
        let run = |shape: Shape, skip: usize| {
            let first = FIRST + skip as u32;
            let mut stack = site
                .stack(shape, first, stream(), Arc::clone(&cells), true)
                .unwrap();
            stack.write(&vec![0.5; shape.cells()]).unwrap();
            for step in 0..40 {
                let requests = vector(shape.cells(), shape.replicas, |k, r| {
                    (80.0 * (scattered(11 * k + 3 * (skip + r) + step as usize) - 0.6).max(0.0))
                        as f32
                });
                let request = Request::Dense(&requests);
                stack
                    .pulse(step, &request, Counting::StochasticRounding)
                    .unwrap();
                stack.relax(step, 0.01).unwrap();
            }
            let mut ages = StackVector::zeros(shape.cells(), shape.replicas);
            stack.ages(&mut ages).unwrap();
            (states(&mut *stack), ages)
        };
        let ((all, all_ages), (some, ages)) = (run(whole, 0), run(part, 5));
        for k in 0..whole.cells() {
            assert_eq!(&all.lanes(k)[5..9], some.lanes(k), "{name}");
            assert_eq!(&all_ages.lanes(k)[5..9], ages.lanes(k), "{name}");
        }
    }
}
