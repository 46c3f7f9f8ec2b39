//! Every kind of randomness of a device, seen through a backend: its distribution against the stated one (Kolmogorov–Smirnov), and that
//! neighbouring cells, replicas, steps and purposes know nothing of each other (correlations).
//!
//! Levels: a sample of n fails Kolmogorov–Smirnov at `√n D > 1.9495` with probability 1e-3, a correlation at `√n |r| > 4` with 6e-5, where
//! the code is right; seeds are fixed, so each verdict is always the same. What the tests can see at n = 20 000: a distribution function
//! that is off by 0.014, a deviation by 2 %, a correlation of 0.028.

use std::path::Path;
use std::sync::Arc;

use memridge::backend::{Place, ReadNoise, Shape, StackVector};
use memridge::device::{Cells, CycleNoise, Dependence, Drift, DriftForm, STEP, laws, load_device};
use memridge::number::Stream;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::statistics::bench::{Bench, N, check_neighbours, standardised};
use crate::statistics::{SEED, WINDOW, check_independent, check_normal, sites};
use crate::text::{read, whole};

/// `count` equal cells of a law, without bounds.
fn equal(law: &str, p: &[f64], noise: [f64; 2], write_noise: f64, count: usize) -> Arc<Cells> {
    Arc::new(Cells::new(
        crate::law(law),
        WINDOW,
        CycleNoise::new(noise[0], noise[1]),
        write_noise,
        false,
        p.to_vec(),
        p.repeat(count),
    ))
}

/// Cells of a device file with these spreads.
fn spread(spreads: &str, count: usize) -> Arc<Cells> {
    let lines = format!(
        r#"
bounds = "hard"
write-noise = 0.0
law = {{ soft-bounds = {{ step = 0.02, lower = 0.0, upper = 1.0, symmetric-point = 0.5 }} }}
cycle-to-cycle = {{ additive = 0.0, multiplicative = 0.0 }}
device-to-device = {{ {spreads} }}
"#
    );
    let device = read(&whole(&lines)).unwrap();
    Arc::new(device.cells(count, SEED).unwrap())
}

/// The checks see what they say that they see.
#[test]
fn the_checks_can_fail() {
    let cells = equal("constant-step", &[0.002, 0.0, 1.0, 0.0], [1.0, 0.0], 0.0, N);
    let mut bench = Bench::new(&Place::Cpu, 1, cells, true);
    let mut draw = |step| standardised(&bench.changes(step, 0.5, 1.0), 0.002, 0.002);
    let (good, other) = (draw(1), draw(2));
    let seen =
        |check: &(dyn Fn() + std::panic::RefUnwindSafe)| std::panic::catch_unwind(check).is_err();
    assert!(!seen(&|| check_normal("normal", &good)));
    let wider: Vec<f64> = good.iter().map(|x| 1.04 * x).collect();
    assert!(seen(&|| check_normal("four percent wider", &wider)));
    let moved: Vec<f64> = good.iter().map(|x| x + 0.05).collect();
    assert!(seen(&|| check_normal("moved by a twentieth", &moved)));
    // The right mean and variance, another shape.
    let uniform: Vec<f64> = (0..N)
        .map(|k| 12_f64.sqrt() * ((k as f64 + 0.5) / N as f64 - 0.5))
        .collect();
    assert!(seen(&|| check_normal("uniform", &uniform)));
    let mixed = |part: f64| -> Vec<(f64, f64)> {
        let rest = (1.0 - part * part).sqrt();
        let pairs = good.iter().zip(&other);
        pairs.map(|(a, b)| (*a, part * a + rest * b)).collect()
    };
    assert!(!seen(&|| check_independent("free", mixed(0.0).into_iter())));
    assert!(seen(&|| check_independent(
        "a correlation of 0.06",
        mixed(0.06).into_iter()
    )));
    // No correlation, the same size.
    let flipped = good.iter().zip(&other).map(|(a, b)| (*a, a * b.signum()));
    let flipped: Vec<(f64, f64)> = flipped.collect();
    assert!(seen(&|| check_independent(
        "the same size",
        flipped.iter().copied()
    )));
}

/// A change as the standard normal number that it was drawn from.
type Standard = fn(f64) -> f64;

/// Every form of a spread, measured by pulses: a step at the symmetric point, and the bound at which many pulses end. Deviations are so
/// small that no draw is refused (five of them at least), so that nothing is truncated.
#[test]
fn cells_differ_as_their_device_file_says() {
    for (site, place, _) in sites() {
        // One replica: each cell is one draw.
        let steps = |form: &str| {
            let cells = spread(&format!("step = {form}"), N);
            // The largest step is far below the window.
            Bench::new(&place, 1, cells, true).changes(0, 0.5, 1.0)
        };
        let forms: [(&str, Standard); 3] = [
            ("{ normal = 0.003 }", |d| (d - 0.02) / 0.003),
            ("{ relative-normal = 0.15 }", |d| (d / 0.02 - 1.0) / 0.15),
            ("{ log-normal = 0.4 }", |d| (d / 0.02).ln() / 0.4),
        ];
        for (form, standard) in forms {
            let z: Vec<f64> = steps(form).into_iter().map(standard).collect();
            check_normal(&format!("{site}: step = {form}"), &z);
            check_neighbours(&format!("{site}: step = {form}"), &z, 1);
        }
        // Two parameters of one cell: the bound where strong pulses end, and the step.
        let cells = spread(
            "step = { relative-normal = 0.1 }, upper = { normal = 0.05 }",
            N,
        );
        let mut bench = Bench::new(&place, 1, Arc::clone(&cells), true);
        bench.write(0.5);
        for step in 0..60 {
            bench.pulse(step, 64.0);
        }
        let ends = standardised(&bench.states(), 1.0, 0.05);
        check_normal(&format!("{site}: upper"), &ends);
        let step = |k: usize| (cells.double(k).parameters[STEP] / 0.02 - 1.0) / 0.1;
        let pairs = ends.iter().enumerate().map(|(k, &end)| (end, step(k)));
        check_independent(&format!("{site}: bound and step of a cell"), pairs);
    }
    // Listed values are taken as they are.
    let list: Vec<String> = (0..20)
        .map(|k| format!("{}", 0.01 + 0.001 * k as f64))
        .collect();
    let cells = spread(&format!("step = {{ list = [{}] }}", list.join(", ")), 20);
    let changes = Bench::new(&Place::Cpu, 1, cells, true).changes(0, 0.5, 1.0);
    for (k, d) in changes.into_iter().enumerate() {
        // One rounding of a state.
        assert!((d - (0.01 + 0.001 * k as f64)).abs() < 6e-8, "{k}: {d}");
    }
}

/// Noise of single pulses and of trains, additive, multiplicative and both, up and down; at two steps.
#[test]
fn cycle_to_cycle_noise_is_normal_and_forgets() {
    const STEP: f64 = 0.002;
    for (site, place, replicas) in sites() {
        let count = (N / replicas).next_multiple_of(5);
        for noise in [[0.5, 0.0], [0.0, 0.8], [0.5, 0.8]] {
            for (pulses, aggregate) in [(1.0, true), (-1.0, true), (16.0, true), (-5.0, false)] {
                // Constant steps: the noise of n pulses is n times the variance of one, whatever the train.
                let cells = equal("constant-step", &[STEP, 0.0, 1.0, 0.0], noise, 0.0, count);
                let mut bench = Bench::new(&place, replicas, cells, aggregate);
                let what = format!("{site}: noise {noise:?}, {pulses} pulses");
                let deviation = STEP * noise[0].hypot(noise[1]) * f32::abs(pulses).sqrt() as f64;
                let mut at = |step| {
                    let changes = bench.changes(step, 0.5, pulses);
                    standardised(&changes, f64::from(pulses) * STEP, deviation)
                };
                let (first, second) = (at(70), at(71));
                check_normal(&what, &first);
                check_neighbours(&what, &first, replicas);
                let pairs = first.iter().copied().zip(second.iter().copied());
                check_independent(&format!("{what}, one step later"), pairs);
            }
        }
        // Multiplicative noise follows the mean change: at a quarter of the window soft bounds make one and a half steps up.
        let cells = equal(
            "soft-bounds",
            &[STEP, 0.0, 1.0, 0.5],
            [0.0, 0.8],
            0.0,
            count,
        );
        let mut bench = Bench::new(&place, replicas, cells, true);
        let up = standardised(&bench.changes(5, 0.25, 1.0), 1.5 * STEP, 0.8 * 1.5 * STEP);
        check_normal(&format!("{site}: multiplicative, off the middle"), &up);
        let down = bench.changes(6, 0.25, -1.0);
        let down = standardised(&down, -0.5 * STEP, 0.8 * 0.5 * STEP);
        check_normal(&format!("{site}: multiplicative, the other way"), &down);
    }
}

/// Write noise: normal, drawn anew by every pulse, and nothing to do with the noise of the pulse itself.
#[test]
fn write_noise_is_normal_and_forgets() {
    const STEP: f64 = 0.002;
    for (site, place, replicas) in sites() {
        let count = (N / replicas).next_multiple_of(5);
        let p = [STEP, 0.0, 1.0, 0.0];
        let cells = equal("constant-step", &p, [0.5, 0.0], 3.0, count);
        let mut bench = Bench::new(&place, replicas, cells, true);
        let what = format!("{site}: write noise");
        let mut at = |step| {
            let changes = bench.changes(step, 0.5, 1.0);
            let seen = bench.seen();
            let off: Vec<f64> = seen
                .iter()
                .zip(&changes)
                .map(|(s, d)| s - 0.5 - d)
                .collect();
            let cycle = standardised(&changes, STEP, 0.5 * STEP);
            (standardised(&off, 0.0, 3.0 * STEP), cycle)
        };
        let ((first, cycle), (second, _)) = (at(8), at(9));
        check_normal(&what, &first);
        check_neighbours(&what, &first, replicas);
        let pairs = first.iter().copied().zip(second.iter().copied());
        check_independent(&format!("{what}, one step later"), pairs);
        let pairs = first.iter().copied().zip(cycle.iter().copied());
        check_independent(&format!("{what} and the noise of the pulse"), pairs);
    }
}

/// Read noise: normal, drawn anew for every output, sample, step and read.
#[test]
fn read_noise_is_normal_and_forgets() {
    const SAMPLES: usize = 20;
    const DEVIATION: f64 = 2e-6;
    for (site, place, replicas) in sites() {
        let (outputs, lanes) = (N / (replicas * SAMPLES), SAMPLES * replicas);
        let outputs = outputs.max(5);
        let cells = equal(
            "constant-step",
            &[0.002, 0.0, 1.0, 0.0],
            [0.0; 2],
            0.0,
            2 * outputs,
        );
        let shape = Shape {
            replicas,
            rows: 2,
            columns: outputs,
        };
        let mut stack = place
            .stack(shape, 30, Stream::new(SEED), cells, true)
            .unwrap();
        stack.write(&vec![0.5; shape.cells()]).unwrap();
        let mut voltages = StackVector::zeros(2, lanes);
        voltages.fill(0.1);
        let mut read = |step, index, deviation| {
            let noise = ReadNoise {
                step,
                index,
                deviation,
            };
            let mut out = StackVector::zeros(outputs, lanes);
            stack.multiply(&voltages, noise, &mut out).unwrap();
            out.all()
                .iter()
                .map(|&i| f64::from(i))
                .collect::<Vec<f64>>()
        };
        let quiet = read(0, 0, 0.0);
        let mut noisy = |step, index| -> Vec<f64> {
            let pairs = read(step, index, DEVIATION as f32);
            pairs
                .iter()
                .zip(&quiet)
                .map(|(i, q)| (i - q) / DEVIATION)
                .collect()
        };
        let what = format!("{site}: read noise");
        let first = noisy(100, 0);
        check_normal(&what, &first);
        // A lane is a sample and a replica: samples are steps, replicas of one sample are neighbours.
        let at = |o: usize, lane: usize| first[o * lanes + lane];
        let next = (1..outputs).flat_map(|o| (0..lanes).map(move |l| (at(o, l), at(o - 1, l))));
        check_independent(&format!("{what}, neighbouring outputs"), next);
        let next = (0..outputs)
            .flat_map(|o| (replicas..lanes).map(move |l| (at(o, l), at(o, l - replicas))));
        check_independent(&format!("{what}, neighbouring samples"), next);
        // 20 samples are 20 steps: the first step that is not among them.
        for (name, second) in [
            ("later steps", noisy(100 + SAMPLES as u32, 0)),
            ("another read of the step", noisy(100, 1)),
        ] {
            let pairs = first.iter().copied().zip(second.iter().copied());
            check_independent(&format!("{what}, {name}"), pairs);
        }
    }
}

/// Programmed conductances are normal about their shifted target with the deviation of their mean, cell by cell, and anew at each step.
#[test]
fn programmed_states_have_their_distribution() {
    for name in ["pcm/joshi2020", "flash/agrawal2022-day-5"] {
        let device = load_device(name, Path::new("")).unwrap();
        for (where_, place, replicas) in sites() {
            let what = format!("{name}, {where_}");
            let cells = Arc::new(device.cells(N / replicas, 7).unwrap());
            let window = device.window();
            let target = window.g_min + 0.4 * window.span();
            let [mean, deviation] = device.programming().unwrap().moments(target);
            let mut bench = Bench::new(&place, replicas, cells, true);
            let mut program = |step: u32| {
                let positions = vec![0.4; bench.shape.cells()];
                bench.stack.program(step, &positions).unwrap();
                let g = bench.states().into_iter();
                let g = g.map(|s| window.g_min + s * window.span());
                standardised(&g.collect::<Vec<_>>(), mean, deviation)
            };
            let (first, second) = (program(3), program(4));
            check_normal(&what, &first);
            check_neighbours(&what, &first, replicas);
            let steps = first.iter().copied().zip(second.iter().copied());
            check_independent(&format!("{what}, two steps"), steps);
        }
    }
}

/// Cells of levels are written to the nearest, wherever the target is: 41.6667 uS and 125 uS of two.
#[test]
fn cells_of_levels_are_written_to_the_nearest() {
    let device = load_device("mram/neurosim-digital", Path::new("")).unwrap();
    let cells = Arc::new(device.cells(N, 7).unwrap());
    let place = sites().into_iter().next().unwrap().1;
    let mut bench = Bench::new(&place, 1, cells, true);
    let mut positions = vec![0.5001; bench.shape.cells()];
    positions[..5].copy_from_slice(&[0.0, 0.4999, 1.0, -0.6, 1.6]);
    bench.stack.program(1, &positions).unwrap();
    let found = bench.states();
    assert_eq!(found[..6], [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
    assert_eq!(
        device.programming().unwrap().moments(60e-6)[0],
        device.window().g_min
    );
}

/// Noise that follows the state: the stated deviation wherever a pulse begins, of kinds whose variances add up and of kinds that share one
/// random number; one pulse, and many at once.
#[test]
fn noise_along_the_window_is_normal_and_forgets() {
    const STEP: f64 = 0.0005;
    for (site, place, replicas) in sites() {
        let count = (N / replicas).next_multiple_of(5);
        for correlated in [false, true] {
            let noise = CycleNoise::new(0.5, 0.6).along_window(2.0, correlated);
            let law = laws().into_iter().find(|l| l.name() == "constant-step");
            let p = vec![STEP, 0.0, 1.0, 0.0];
            let cells = Cells::new(
                law.unwrap(),
                WINDOW,
                noise,
                0.0,
                false,
                p.clone(),
                p.repeat(count),
            );
            let mut bench = Bench::new(&place, replicas, Arc::new(cells), true);
            for (start, pulses) in [(0.1, 1.0), (0.8, -1.0), (0.4, 8.0)] {
                let what = format!("{site}: correlated {correlated}, {pulses} pulses from {start}");
                // Pulse k begins k steps further; the noise of earlier ones adds (2 step)² of its variance, 1e-6 of it.
                let variance: f64 = (0..f64::abs(pulses) as u32)
                    .map(|k| {
                        let additive = 0.5 + 2.0 * (start + f64::from(k) * STEP);
                        if correlated {
                            (additive + 0.6).powi(2)
                        } else {
                            additive.powi(2) + 0.36
                        }
                    })
                    .sum();
                let (mean, deviation) = (pulses * STEP, STEP * variance.sqrt());
                let mut at = |step| {
                    let changes = bench.changes(step, start, pulses as f32);
                    standardised(&changes, mean, deviation)
                };
                let (first, second) = (at(70), at(71));
                check_normal(&what, &first);
                check_neighbours(&what, &first, replicas);
                let pairs = first.iter().copied().zip(second.iter().copied());
                check_independent(&format!("{what}, one step later"), pairs);
            }
        }
    }
}

/// Noise of a state behind a readout: what reads see, taken back through the readout, is the normal number of the state's own pulse, and
/// what they see itself is skewed as the curve says.
#[test]
fn noise_behind_a_readout_is_normal_in_the_state() {
    const STEP: f64 = 0.002;
    for (site, place, replicas) in sites() {
        let count = (N / replicas).next_multiple_of(5);
        for (law, own) in [
            ("exponential-readout", [0.0, 3.0, 0.0]),
            ("sigmoid-readout", [0.0, 5.0, 0.0]),
        ] {
            let p = [&[STEP, 0.0, 1.0][..], &own].concat();
            let cells = equal(law, &p, [20.0, 0.0], 0.0, count);
            let mut bench = Bench::new(&place, replicas, Arc::clone(&cells), true);
            let what = format!("{site}: {law}");
            // Not in the middle: the sigmoid is straight there.
            let start = cells.conductance(0, 0.3);
            let mut at = |step| {
                bench.write(start);
                bench.pulse(step, 1.0);
                bench.seen()
            };
            let (first, second) = (at(4), at(5));
            let back = |seen: &[f64]| -> Vec<f64> {
                let states = seen.iter().map(|&x| cells.state(0, x) - 0.3);
                standardised(&states.collect::<Vec<_>>(), STEP, 20.0 * STEP)
            };
            let z = back(&first);
            check_normal(&what, &z);
            check_neighbours(&what, &z, replicas);
            let pairs = z.iter().copied().zip(back(&second));
            check_independent(
                &format!("{what}, one step later"),
                pairs.collect::<Vec<_>>().into_iter(),
            );
            // Mean and variance of the conductance, to four standard errors.
            let known = cells.pulsed(0, cells.state(0, start), 1.0);
            let n = first.len() as f64;
            let mean = first.iter().sum::<f64>() / n - start;
            let error = (known.variance.re / n).sqrt();
            assert!(
                (mean - known.change.re).abs() < 4.0 * error,
                "{what}: {mean}"
            );
            // The drift of curvature is seen: the tangent alone is far off.
            assert!(known.bent.abs() > 5.0 * error, "{what}");
        }
    }
}

/// Exponents of drift are normal about the mean of their conductance, the same after every write of a cell, and other cells' and
/// replicas' are their own.
#[test]
fn exponents_of_drift_have_their_distribution() {
    let device = load_device("pcm/nandakumar2019", Path::new("")).unwrap();
    // x = 0.4 of 25 µS: -0.0155 ln x + 0.0244 = 0.0386, at least 0.049; -0.0125 ln x - 0.0059 = 0.0056, at least 0.008. The mean is six
    // deviations from zero: none of 20 000 is reflected there.
    let (mean, deviation) = (0.049, 0.008);
    for (site, place, replicas) in sites() {
        let cells = Arc::new(device.cells(N / replicas, 7).unwrap());
        let mut bench = Bench::new(&place, replicas, cells, true);
        let mut exponents = |steps: &[(u32, f64)]| {
            bench.write(0.4);
            for &(step, elapsed) in steps {
                bench.stack.relax(step, elapsed).unwrap();
            }
            let age: f64 = steps.iter().map(|(_, t)| t).sum();
            let states = bench.states().into_iter();
            let nu = states.map(|s| -(s / 0.4).ln() / (age / 20.0).ln());
            standardised(&nu.collect::<Vec<_>>(), mean, deviation)
        };
        let what = format!("{site}: exponents");
        let first = exponents(&[(1, 3.0), (2, 4e5)]);
        check_normal(&what, &first);
        check_neighbours(&what, &first, replicas);
        let second = exponents(&[(7, 1e6)]);
        let apart = first.iter().zip(&second).map(|(a, b)| (a - b).abs());
        // A few roundings of the logarithm of a conductance, over ten e-folds and a deviation of 0.008.
        assert!(apart.fold(0.0, f64::max) < 2e-5, "{what}");
    }
    // Where the mean is half a deviation, what is below zero is reflected: the distribution function is Φ((ν - μ)/σ) - Φ((-ν - μ)/σ).
    let drift = Drift {
        onset: 1.0,
        form: DriftForm::PowerLaw {
            exponent: Dependence::constant(0.01),
            deviation: Dependence::constant(0.02),
        },
        arrhenius: None,
    };
    let cells = Cells::clone(&equal(
        "constant-step",
        &[0.002, 0.0, 1.0, 0.0],
        [0.0; 2],
        0.0,
        N,
    ));
    let mut bench = Bench::new(&Place::Cpu, 1, Arc::new(cells.with_drift(drift)), true);
    bench.write(0.4);
    bench.stack.relax(1, 1e6).unwrap();
    let normal = Normal::standard();
    let z = bench.states().into_iter().map(|s| {
        // The conductance, not the position: g_min is a quarter of the window.
        let nu = -((s + 0.25) / 0.65).ln() / 1e6_f64.ln();
        let below = |x: f64| normal.cdf((x - 0.01) / 0.02);
        normal.inverse_cdf(below(nu) - below(-nu))
    });
    check_normal("reflected exponents", &z.collect::<Vec<_>>());
}

/// The walk of a relaxing oxide: each step normal with the difference of the published variances, and nothing to do with the steps before.
#[test]
fn steps_of_drift_have_their_distribution() {
    let device = load_device("reram/falcone2025-fine", Path::new("")).unwrap();
    let window = device.window();
    // Published in µS, t in s.
    let mean = |t: f64| -0.08900206 * t.ln();
    let variance = |t: f64| (0.04201137 * t.ln() + 0.41183342).powi(2);
    for (site, place, replicas) in sites() {
        let cells = Arc::new(device.cells(N / replicas, 7).unwrap());
        let mut bench = Bench::new(&place, replicas, cells, true);
        bench.write(0.4);
        let mut before = bench.states();
        let mut sums = vec![0.0; before.len()];
        let mut last: Option<Vec<f64>> = None;
        let mut age = 0.0;
        for (step, elapsed) in [(3, 0.5), (4, 99.5), (5, 20.0), (6, 1e6)] {
            bench.stack.relax(step, elapsed).unwrap();
            let after = bench.states();
            let changes = after.iter().zip(&before);
            let changes: Vec<f64> = changes
                .map(|(a, b)| (a - b) * window.span() * 1e6)
                .collect();
            sums.iter_mut().zip(&changes).for_each(|(sum, c)| *sum += c);
            let what = format!("{site}: drift after {age} s");
            let next = age + elapsed;
            if next < 1.0 {
                // Nothing is known of the first second.
                assert!(changes.iter().all(|&c| c == 0.0), "{what}");
            } else {
                let (m, v) = if age < 1.0 {
                    (0.0, 0.0)
                } else {
                    (mean(age), variance(age))
                };
                let z = standardised(&changes, mean(next) - m, (variance(next) - v).sqrt());
                check_normal(&what, &z);
                check_neighbours(&what, &z, replicas);
                if let Some(last) = last {
                    let pairs = last.iter().copied().zip(z.iter().copied());
                    check_independent(&format!("{what}, step before"), pairs);
                }
                last = Some(z);
            }
            before = after;
            age = next;
        }
        let z = standardised(&sums, mean(age), variance(age).sqrt());
        check_normal(&format!("{site}: all of the drift"), &z);
    }
}
