//! Changes of states, operation by operation.

use std::sync::Arc;

use memridge::backend::{Backend, Request, Shape, StackVector};
use memridge::device::{self, Cells, Counting, LOWER, Retention, UPPER};
use memridge::number::Purpose;

use super::devices::{self, forgetful, noisy_counters};
use super::fixture::{
    Site, Worst, at, normal, scalar, scattered, shape, stack, states, stream, vector,
};

const STEP: u32 = 4_000_000_000;

/// How the pulses of a request are made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Together,
    Singly,
    Expected,
}

/// Positions all over the cells' own windows, and outside where nothing forbids it.
fn positions(cells: &Cells) -> Vec<f64> {
    (0..cells.len())
        .map(|k| 0.02 + 0.96 * scattered(k))
        .collect()
}

/// Whole numbers of pulses of both signs, many of them none.
fn counts(shape: Shape) -> StackVector {
    vector(shape.cells(), shape.replicas, |cell, r| {
        let n = (cell * 5 + r * 3) % 13;
        if n < 4 { 0.0 } else { n as f32 - 8.0 }
    })
}

/// Worst distance of one update from the double-precision oracle, which gets the same counts and the same random words.
fn distance(site: &Site, cells: &Arc<Cells>, way: Way, shape: Shape, start: &[f64]) -> Worst {
    let mut stack = stack(site, shape, cells, way == Way::Together);
    let requests = counts(shape);
    stack.write(start).unwrap();
    let counting = match way {
        Way::Expected => Counting::Expected,
        _ => Counting::Deterministic,
    };
    stack
        .pulse(STEP, &Request::Dense(&requests), counting)
        .unwrap();
    let law = cells.law();
    Worst::of(&states(&mut *stack), |k, r| {
        let cell = cells.double(k);
        let n = f64::from(requests.lanes(k)[r]);
        let n = if cells.is_one_sided() { n.max(0.0) } else { n };
        let s = cells.state(k, start[k]);
        let z = |pulse| normal(STEP, k, r, Purpose::CycleNoise, pulse);
        match way {
            Way::Expected => law.oracle_expected(&cell, s, n),
            // In trains of at most the longest, each with a draw of its own.
            Way::Together => {
                let longest = cells.longest_train().min(1 << 24);
                (0..(n.abs() as u32).div_ceil(longest)).fold(s, |s, number| {
                    let left = n.abs() - f64::from(number * longest);
                    let part = left.min(f64::from(longest)).copysign(n);
                    law.oracle_many(&cell, s, part, z(number))
                })
            }
            Way::Singly => {
                (0..n.abs() as u32).fold(s, |s, pulse| law.oracle_one(&cell, s, n, z(pulse)))
            }
        }
    })
}

/// Every device file and every law, each way of making pulses.
pub fn every_device_and_law(site: Site) {
    // A number of cells that no block of four divides, and of replicas that no workgroup does.
    let shape = shape(19, 3, 5);
    for (name, cells) in devices::all(shape.cells()) {
        for way in [Way::Together, Way::Singly, Way::Expected] {
            let start = positions(&cells);
            let scalar = distance(&scalar(), &cells, way, shape, &start);
            let actual = distance(&site, &cells, way, shape, &start);
            // One update loses a few roundings of a number of the size of the window.
            actual.check(&format!("{name}, {way:?}"), scalar, 3e-6);
        }
    }
}

/// Cells that are at their bounds to the bit, where steps of some laws vanish and their derivatives need not be numbers; and as far
/// beyond.
pub fn at_the_bounds(site: Site) {
    let shape = shape(19, 3, 5);
    // Of the laws; device files are theirs with other numbers.
    let laws = devices::all(shape.cells()).into_iter();
    // Cells without pulses stay where they are, within bounds or not.
    let laws = laws.filter(|(_, cells)| cells.law().is_pulsed());
    for (name, cells) in laws.filter(|(name, _)| name.contains(", ")) {
        let beyond = |k: usize| if k % 5 == 4 { 0.01 } else { 0.0 };
        let start: Vec<f64> = (0..cells.len())
            .map(|k| match (k % 2, cells.double(k).parameters) {
                (0, p) => f64::from((p[LOWER] - beyond(k)) as f32),
                (_, p) => f64::from((p[UPPER] + beyond(k)) as f32),
            })
            .collect();
        for way in [Way::Together, Way::Singly] {
            let scalar = distance(&scalar(), &cells, way, shape, &start);
            let actual = distance(&site, &cells, way, shape, &start);
            // As everywhere else.
            actual.check(&format!("{name}, {way:?}, at the bounds"), scalar, 3e-6);
        }
    }
}

/// A read sees a pulsed cell with write noise, the others as they were.
pub fn write_noise(site: Site) {
    let shape = shape(21, 2, 7);
    let cells = noisy_counters(shape.cells(), 3.0);
    let requests = counts(shape);
    let start = positions(&cells);
    let run = |site: &Site, pulsed: bool| {
        let mut stack = stack(site, shape, &cells, true);
        stack.write(&start).unwrap();
        if pulsed {
            stack
                .pulse(STEP, &Request::Dense(&requests), Counting::Deterministic)
                .unwrap();
        }
        let mut seen = StackVector::zeros(shape.cells(), shape.replicas);
        stack.conductances(&mut seen).unwrap();
        Worst::of(&seen, |k, r| {
            let n = if pulsed {
                f64::from(requests.lanes(k)[r])
            } else {
                0.0
            };
            let mut s = start[k] + n * devices::EXACT_STEP;
            if n != 0.0 {
                s += 3.0 * devices::EXACT_STEP * normal(STEP, k, r, Purpose::WriteNoise, 0);
            }
            devices::WINDOW.g_min + devices::WINDOW.span() * s
        })
    };
    for pulsed in [false, true] {
        // A few roundings of 5e-5 S.
        run(&site, pulsed).check("conductances", run(&scalar(), pulsed), 2e-11);
    }
}

/// What happens to a stack.
type Then<'a> = dyn Fn(&mut dyn Backend) + 'a;

/// Reads see the readout of every state, with the write noise of the cells that were pulsed, and keep it while states relax.
pub fn readouts(site: Site) {
    let shape = shape(21, 3, 5);
    let requests = counts(shape);
    let mut seen_any = false;
    for (name, cells) in devices::all(shape.cells()) {
        if !cells.is_read_out() {
            continue;
        }
        seen_any = true;
        let retention = Retention {
            rest: 0.4,
            lifetime: 2.0,
        };
        let cells = Arc::new((*cells).clone().with_retention(retention));
        for (way, replicas) in [("many", 130), ("few", 21), ("one", 1)] {
            let shape = Shape { replicas, ..shape };
            let requests = vector(shape.cells(), replicas, |k, r| {
                requests.lanes(k)[r % requests.width()]
            });
            let run = |site: &Site, then: &Then| {
                let mut stack = stack(site, shape, &cells, true);
                stack.write(&positions(&cells)).unwrap();
                let request = Request::Dense(&requests);
                stack
                    .pulse(STEP, &request, Counting::Deterministic)
                    .unwrap();
                then(&mut *stack);
                let now = states(&mut *stack);
                let mut seen = StackVector::zeros(shape.cells(), replicas);
                stack.conductances(&mut seen).unwrap();
                (now, seen)
            };
            let worst = |site: &Site, noisy: bool, then: &Then| {
                let (now, seen) = run(site, then);
                Worst::of(&seen, |k, r| {
                    let mut x = cells.conductance(k, f64::from(now.lanes(k)[r]));
                    if noisy && requests.lanes(k)[r] != 0.0 {
                        let z = normal(STEP, k, r, Purpose::WriteNoise, 0);
                        x += f64::from(cells.write_deviation()) * z;
                    }
                    cells.window().g_min + cells.window().span() * x
                })
            };
            let nothing = |_: &mut dyn Backend| ();
            let relax = |stack: &mut dyn Backend| stack.relax(3, 0.5).unwrap();
            let mean = |stack: &mut dyn Backend| {
                let request = Request::Dense(&requests);
                stack.pulse(STEP, &request, Counting::Expected).unwrap();
            };
            let cases: [(&str, bool, &Then); 3] = [
                ("pulsed", true, &nothing),
                ("relaxed", true, &relax),
                ("mean", false, &mean),
            ];
            for (case, noisy, then) in cases {
                let what = format!("{name}, {way} replicas, {case}");
                let scalar = worst(&scalar(), noisy, then);
                // A few roundings of positions, which readouts may steepen.
                let allowed = 2e-6 * cells.window().span();
                worst(&site, noisy, then).check(&what, scalar, allowed);
            }
        }
    }
    assert!(seen_any);
}

/// States and what is seen of them relax alike; cells without retention keep theirs.
pub fn relaxation(site: Site) {
    let shape = shape(9, 3, 3);
    let cells = forgetful(shape.cells());
    let start = positions(&cells);
    let run = |site: &Site| {
        let mut stack = stack(site, shape, &cells, true);
        stack.write(&start).unwrap();
        stack.relax(STEP, 0.5).unwrap();
        stack.relax(STEP + 1, 0.25).unwrap();
        let left = (-0.75_f64 / 2.0).exp();
        Worst::of(&states(&mut *stack), |k, _| 0.4 + (start[k] - 0.4) * left)
    };
    run(&site).check("relaxed states", run(&scalar()), 3e-7);

    let cells = devices::counters(shape.cells());
    let mut stack = stack(&site, shape, &cells, true);
    stack.write(&start).unwrap();
    stack.relax(STEP, 1e9).unwrap();
    let kept = states(&mut *stack);
    assert!((0..shape.cells()).all(|k| kept.lanes(k).iter().all(|&s| s == start[k] as f32)));
}

/// A loss far below the distance of two numbers of single precision adds up to what it should, and its random numbers are those of
/// the coordinates; write noise decays with the state.
pub fn slow_relaxation(site: Site) {
    const STEPS: u32 = 800;
    let shape = shape(200, 3, 3);
    let cells = forgetful(shape.cells());
    // From 0.01 to 0.09 beside the resting state: one step moves a state by 2e-9 to 2e-8, where numbers are 3e-8 apart.
    let start: Vec<f64> = (1..=shape.cells()).map(|k| 0.4 + 0.01 * k as f64).collect();
    let elapsed = 4e-7;
    let mut stack = stack(&site, shape, &cells, true);
    stack.write(&start).unwrap();
    for step in 0..STEPS {
        stack.relax(step, elapsed).unwrap();
    }
    let found = states(&mut *stack);
    let lost = -(-f64::from(STEPS) * elapsed / 2.0).exp_m1();
    for (k, &start) in start.iter().enumerate() {
        let lanes = found.lanes(k);
        let first = f64::from(start as f32);
        let mean = lanes.iter().map(|&s| f64::from(s) - first).sum::<f64>() / shape.replicas as f64;
        let exact = (0.4 - first) * lost;
        // Each step rounds with a variance of at most a quarter of the square of 2⁻²³; five standard errors.
        let error =
            0.5 * 0.5_f64.powi(23) * f64::from(STEPS).sqrt() / (shape.replicas as f64).sqrt();
        assert!(
            (mean - exact).abs() < 5.0 * error,
            "cell {k}: {mean:e}, exact {exact:e}"
        );
        assert!(5.0 * error < 0.8 * exact.abs());
    }
    // The first step by its own words.
    let mut stack = super::fixture::stack(&site, shape, &cells, true);
    stack.write(&start).unwrap();
    stack.relax(STEP, elapsed).unwrap();
    let found = states(&mut *stack);
    for (k, &start) in start.iter().enumerate() {
        for (r, &s) in found.lanes(k).iter().enumerate() {
            let u = stream().uniform(at(STEP, k, r, Purpose::Relaxation, 0));
            let change = device::relaxation(start as f32, 0.4, (elapsed / 2.0) as f32, u);
            assert_eq!(s, start as f32 + change, "cell {k}, replica {r}");
        }
    }
}
