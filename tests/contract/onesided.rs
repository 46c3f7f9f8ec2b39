//! One-sided cells: what is asked of them downwards does not happen, and resets empty them.

use std::sync::Arc;

use memridge::backend::{Request, StackVector};
use memridge::device::{self, Cells, Counting, Reset};
use memridge::number::Purpose;

use super::devices;
use super::fixture::{Site, Worst, normal, scalar, scattered, shape, stack, states, vector};

const RESET: Reset = Reset {
    level: 0.1,
    deviation: 0.05,
    variation: 0.02,
};

/// The same cells, one-sided; some stuck.
fn one_sided(cells: &Cells, stuck: bool) -> Arc<Cells> {
    let levels: Vec<f64> = (0..cells.len())
        .map(|k| RESET.level + RESET.variation * (scattered(3 * k) - 0.5))
        .collect();
    let cells = cells.clone().with_resets(RESET, &levels);
    let places = (0..cells.len()).filter(|k| stuck && k % 4 == 2);
    Arc::new(cells.with_stuck(places.map(|k| (k, 0.625)).collect()))
}

/// A two-sided stack asked for what is positive of a request, and a one-sided one asked for all of it, are the same to the bit, whatever
/// the form of the request; and have the same number of pulses.
pub fn depressing_pulses_do_nothing(site: Site) {
    // Along replicas, across cells, across cells with few coincidences in wide rows.
    for (shape, few) in [
        (shape(130, 3, 5), false),
        (shape(2, 4, 70), false),
        (shape(1, 40, 130), true),
    ] {
        let laws = devices::all(shape.cells()).into_iter();
        let laws = laws.filter(|(name, cells)| {
            ["soft-bounds, hard", "exp-step, hard", "power-step, soft"].contains(&&name[..])
                && !cells.is_read_out()
        });
        let mut seen = 0;
        for (name, both) in laws {
            seen += 1;
            let single = one_sided(&both, false);
            let start: Vec<f64> = (0..shape.cells())
                .map(|k| 0.1 + 0.5 * scattered(k))
                .collect();
            // Factors of one sign in the reference, of both in the one-sided stack, row by row.
            let x = vector(shape.rows, shape.replicas, |i, r| {
                ((i + r) % 5) as f32 - 2.0
            });
            let d = vector(shape.columns, shape.replicas, |i, r| {
                ((i * 3 + r) % 7) as f32 - 3.25
            });
            let dense = vector(shape.cells(), shape.replicas, |i, r| {
                ((i * 5 + r) % 90) as f32 - 40.5
            });
            let positive = vector(shape.cells(), shape.replicas, |i, r| {
                dense.lanes(i)[r].max(0.0)
            });
            let products = vector(shape.cells(), shape.replicas, |i, r| {
                (x.lanes(i / shape.columns)[r] * d.lanes(i % shape.columns)[r]).max(0.0)
            });
            let bits = |n: usize, salt: u32| -> Vec<u32> {
                let word = |k: usize| {
                    ((k as u32 + salt).wrapping_mul(0x9E37_79B9)) >> if few { 3 } else { 1 }
                };
                // Few coincidences: one bit in eight.
                (0..n * shape.replicas)
                    .map(|k| if few { word(k) & 0x0101_0101 } else { word(k) })
                    .collect()
            };
            let (row_bits, column_bits) = (bits(shape.rows, 0), bits(shape.columns, 7));
            let coincidences = vector(shape.cells(), shape.replicas, |i, r| {
                let (row, column) = (i / shape.columns, i % shape.columns);
                let both =
                    row_bits[row * shape.replicas + r] & column_bits[column * shape.replicas + r];
                let sign =
                    x.lanes(row)[r].is_sign_negative() != d.lanes(column)[r].is_sign_negative();
                if sign { 0.0 } else { both.count_ones() as f32 }
            });
            let outer = Request::Outer {
                rows: &x,
                columns: &d,
            };
            let trains = Request::Trains {
                rows: &x,
                columns: &d,
                row_bits: &row_bits,
                column_bits: &column_bits,
            };
            let (rounding, whole) = (Counting::StochasticRounding, Counting::Deterministic);
            let cases = [
                (Request::Dense(&dense), Request::Dense(&positive), rounding),
                (
                    Request::Dense(&dense),
                    Request::Dense(&positive),
                    Counting::Expected,
                ),
                (outer, Request::Dense(&products), rounding),
                (trains, Request::Dense(&coincidences), whole),
            ];
            for (k, (asked, reference, counting)) in cases.into_iter().enumerate() {
                let run = |cells: &Arc<Cells>, request: &Request| {
                    let mut stack = stack(&site, shape, cells, true);
                    stack.write(&start).unwrap();
                    stack.pulse(9, request, counting).unwrap();
                    let mut seen = StackVector::zeros(shape.cells(), shape.replicas);
                    stack.conductances(&mut seen).unwrap();
                    (states(&mut *stack), seen, stack.pulses().unwrap())
                };
                let (found, expected) = (run(&single, &asked), run(&both, &reference));
                assert_eq!(found, expected, "{name}, request {k}, {shape:?}");
                if counting != Counting::Expected {
                    assert!(found.2 > 0);
                }
            }
        }
        assert_eq!(seen, 3);
    }
}

/// Cells of the mask are at their own levels, off by the random numbers of the coordinates, inside their windows; the others, and stuck
/// ones, are as before. Reads see new write noise on cells that were reset, alone.
pub fn resets(site: Site) {
    const STEP: u32 = 77;
    for shape in [shape(21, 3, 5), shape(1, 6, 9), shape(130, 2, 3)] {
        let all = devices::all(shape.cells()).into_iter();
        let (_, plain) = all
            .into_iter()
            .find(|(name, _)| name == "exp-step, hard")
            .unwrap();
        for (what, base, stuck) in [
            ("varied, noisy writes", &*plain, false),
            ("stuck", &*plain, true),
            ("counters", &*devices::counters(shape.cells()), false),
        ] {
            let cells = one_sided(base, stuck);
            let start: Vec<f64> = (0..shape.cells())
                .map(|k| 0.2 + 0.7 * scattered(k))
                .collect();
            let which = vector(shape.cells(), shape.replicas, |i, r| {
                f32::from(u8::from((i + r) % 3 != 1))
            });
            let run = |site: &Site| {
                let mut stack = stack(site, shape, &cells, true);
                stack.write(&start).unwrap();
                let before = states(&mut *stack);
                stack.reset(STEP, &which).unwrap();
                let mut seen = StackVector::zeros(shape.cells(), shape.replicas);
                stack.conductances(&mut seen).unwrap();
                assert_eq!(stack.pulses().unwrap(), 0);
                let after = states(&mut *stack);
                let moved =
                    |k: usize, r: usize| which.lanes(k)[r] != 0.0 && cells.stuck_at(k).is_none();
                let state = Worst::of(&after, |k, r| {
                    if !moved(k, r) {
                        return f64::from(before.lanes(k)[r]);
                    }
                    let (z, p) = (normal(STEP, k, r, Purpose::Reset, 0), cells.double(k));
                    device::emptied(&p, f64::from(cells.reset_levels()[k]), RESET.deviation, z)
                });
                let read = Worst::of(&seen, |k, r| {
                    let mut s = f64::from(after.lanes(k)[r]);
                    if moved(k, r) {
                        s += f64::from(cells.write_deviation())
                            * normal(STEP, k, r, Purpose::WriteNoise, 0);
                    }
                    cells.window().g_min + cells.window().span() * s
                });
                (state, read)
            };
            let (scalar, found) = (run(&scalar()), run(&site));
            // A few roundings of a position, and of a conductance.
            found.0.check(&format!("{what}, states"), scalar.0, 1e-6);
            found.1.check(&format!("{what}, reads"), scalar.1, 2e-11);
        }
    }
    // Two-sided cells have no reset.
    let shape = shape(3, 2, 2);
    let mut stack = stack(&site, shape, &devices::counters(shape.cells()), true);
    stack.write(&[0.5; 4]).unwrap();
    stack.reset(STEP, &vector(4, 3, |_, _| 1.0)).unwrap();
    assert!(states(&mut *stack).all().iter().all(|&s| s == 0.5));
}
