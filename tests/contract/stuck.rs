//! Stuck cells hold their positions; their neighbours are what they are without them.

use std::sync::Arc;

use memridge::backend::{Backend, ReadNoise, Request, Shape, StackVector};
use memridge::device::{Cells, Counting, Retention};

use super::devices;
use super::fixture::{Site, scattered, shape, stack, states, vector};

/// Where cells are stuck: at both ends, between, and beyond the windows of all cells.
fn positions(cells: usize) -> Vec<(usize, f64)> {
    let all = [1.0, 0.0, 0.375, 1.75, -0.25];
    (0..cells)
        .filter(|k| k % 3 == 1)
        .map(|k| (k, all[k / 3 % all.len()]))
        .collect()
}

/// Every operation that changes states.
fn operate(stack: &mut dyn Backend) {
    let Shape {
        replicas,
        rows,
        columns,
    } = stack.shape();
    let start: Vec<f64> = (0..rows * columns)
        .map(|k| 0.1 + 0.8 * scattered(k))
        .collect();
    stack.write(&start).unwrap();
    let x = vector(rows, replicas, |i, r| ((i + r) % 5) as f32 - 2.0);
    let d = vector(columns, replicas, |i, r| ((i * 3 + r) % 7) as f32 - 3.25);
    let outer = Request::Outer {
        rows: &x,
        columns: &d,
    };
    let dense = vector(rows * columns, replicas, |i, r| {
        ((i * 5 + r) % 90) as f32 - 40.5
    });
    let bits = |n: usize| -> Vec<u32> {
        (0..n * replicas)
            .map(|k| (k as u32).wrapping_mul(0x9E37_79B9))
            .collect()
    };
    let (row_bits, column_bits) = (bits(rows), bits(columns));
    let trains = Request::Trains {
        rows: &x,
        columns: &d,
        row_bits: &row_bits,
        column_bits: &column_bits,
    };
    stack
        .pulse(0, &outer, Counting::StochasticRounding)
        .unwrap();
    stack
        .pulse(1, &Request::Dense(&dense), Counting::Deterministic)
        .unwrap();
    stack
        .pulse(2, &trains, Counting::StochasticRounding)
        .unwrap();
    stack.relax(3, 1e-4).unwrap();
    stack.relax(4, 0.5).unwrap();
    stack.pulse(5, &outer, Counting::Expected).unwrap();
    stack
        .pulse(6, &outer, Counting::StochasticRounding)
        .unwrap();
}

pub fn nothing_moves_them(site: Site) {
    // Replicas for loops along them and across cells, trains and single pulses.
    for (shape, together) in [(shape(3, 4, 5), true), (shape(80, 3, 5), false)] {
        // Of the laws; device files are theirs with other numbers.
        let laws = devices::all(shape.cells()).into_iter();
        for (name, cells) in laws.filter(|(name, _)| name.contains(", ")) {
            // Without bounds, what an exponential reads may leave all numbers.
            if cells.is_read_out() && !cells.hard_bounds() {
                continue;
            }
            let retention = Retention {
                rest: 0.4,
                lifetime: 2.0,
            };
            let healthy = Arc::new(Cells::clone(&cells).with_retention(retention));
            let faulty = Arc::new(Cells::clone(&healthy).with_stuck(positions(shape.cells())));
            check(&site, &name, shape, &healthy, &faulty, together);
        }
    }
}

fn check(
    site: &Site,
    name: &str,
    shape: Shape,
    healthy: &Arc<Cells>,
    faulty: &Arc<Cells>,
    together: bool,
) {
    let mut good = stack(site, shape, healthy, together);
    let mut bad = stack(site, shape, faulty, together);
    // Before anything is written they are where they are.
    let stuck = faulty.stuck();
    let fresh = states(&mut *bad);
    for &(k, position) in stuck {
        assert!(
            fresh
                .lanes(k)
                .iter()
                .all(|&s| s == faulty.state(k, position) as f32),
            "{name}"
        );
    }
    operate(&mut *good);
    operate(&mut *bad);
    let (expected, found) = (states(&mut *good), states(&mut *bad));
    let mut seen = StackVector::zeros(shape.cells(), shape.replicas);
    bad.conductances(&mut seen).unwrap();
    let mut seen_without = StackVector::zeros(shape.cells(), shape.replicas);
    good.conductances(&mut seen_without).unwrap();
    let window = healthy.window();
    for k in 0..shape.cells() {
        match faulty.stuck_at(k) {
            Some(position) => {
                assert!(
                    found
                        .lanes(k)
                        .iter()
                        .all(|&s| s == faulty.state(k, position) as f32),
                    "{name}: cell {k} is stuck at {position}, and is at {:?}",
                    found.lanes(k)
                );
                // Without write noise; one rounding of a conductance, or of a state that a readout steepens 160 times.
                let allowed = if healthy.is_read_out() { 1e-9 } else { 2e-11 };
                let g = window.g_min + position * window.span();
                let off = |&s: &f32| (f64::from(s) - g).abs();
                assert!(seen.lanes(k).iter().map(off).all(|d| d < allowed), "{name}");
            }
            None => {
                assert_eq!(found.lanes(k), expected.lanes(k), "{name}: cell {k}");
                assert_eq!(seen.lanes(k), seen_without.lanes(k), "{name}: cell {k}");
            }
        }
    }
    // Pulses are sent to stuck cells as to others.
    assert_eq!(good.pulses().unwrap(), bad.pulses().unwrap(), "{name}");
    let voltages = vector(shape.rows, shape.replicas, |i, r| (i + r) as f32 * 0.1);
    let mut currents = StackVector::zeros(shape.columns, shape.replicas);
    bad.multiply(&voltages, ReadNoise::NONE, &mut currents)
        .unwrap();
    assert!(currents.all().iter().all(|i| i.is_finite()), "{name}");
}
