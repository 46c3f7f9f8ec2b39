//! Random integers: equal, not close.

use memridge::backend::{Backend, Request};
use memridge::device::{Counting, round_request};
use memridge::number::Purpose;

use super::devices::{EXACT_STEP, counters};
use super::fixture::{Site, at, scattered, shape, stack, states, stream, vector};

/// Signed pulses of every cell since it was written to mid-window.
fn pulses(stack: &mut dyn Backend) -> Vec<f64> {
    let states = states(stack);
    let counts = states
        .all()
        .iter()
        .map(|&s| (f64::from(s) - 0.5) / EXACT_STEP);
    counts.collect()
}

/// The 23 bits of a word that a uniform number has, for every place in a block: a request of 1 − u is rounded up to one by u and
/// by no larger one, and one last place less to zero by u and by no smaller one.
pub fn random_words(site: Site) {
    let shape = shape(37, 3, 7);
    let cells = counters(shape.cells());
    for (step, below) in [
        (0, 0.0),
        (u32::MAX, 0.0),
        (3, 0.5_f32.powi(23)),
        (77, 0.5_f32.powi(23)),
    ] {
        let mut stack = stack(&site, shape, &cells, true);
        stack.write(&vec![0.5; shape.cells()]).unwrap();
        let uniform =
            |cell, replica| stream().uniform(at(step, cell, replica, Purpose::CountRounding, 0));
        let requests = vector(shape.cells(), shape.replicas, |cell, replica| {
            1.0 - uniform(cell, replica) - below
        });
        let request = Request::Dense(&requests);
        stack
            .pulse(step, &request, Counting::StochasticRounding)
            .unwrap();
        let expected = if below == 0.0 { 1.0 } else { 0.0 };
        assert!(
            pulses(&mut *stack).iter().all(|&n| n == expected),
            "step {step}"
        );
        let total = (shape.cells() * shape.replicas) as u64;
        assert_eq!(
            stack.pulses().unwrap(),
            if below == 0.0 { total } else { 0 }
        );
    }
}

/// Requests of every size, rank one and dense. Reports the share of counts that differ; a rounding may flip one in 10⁵.
pub fn rounded_counts(site: Site) {
    let shape = shape(130, 31, 33);
    let cells = counters(shape.cells());
    let rows = vector(shape.rows, shape.replicas, |i, r| {
        (3.0 * scattered(7 * i + r) - 1.5) as f32
    });
    let columns = vector(shape.columns, shape.replicas, |i, r| {
        (4.0 * scattered(3 * i + 5 * r) - 2.0) as f32
    });
    let dense = vector(shape.cells(), shape.replicas, |i, r| {
        (9.0 * scattered(i + 11 * r) - 4.5) as f32
    });
    let requests = [
        Request::Outer {
            rows: &rows,
            columns: &columns,
        },
        Request::Dense(&dense),
    ];
    for (step, request) in (5..).zip(&requests) {
        for counting in [Counting::StochasticRounding, Counting::Deterministic] {
            let mut stack = stack(&site, shape, &cells, true);
            stack.write(&vec![0.5; shape.cells()]).unwrap();
            stack.pulse(step, request, counting).unwrap();
            let (mut different, mut total) = (0, 0);
            for (i, &n) in pulses(&mut *stack).iter().enumerate() {
                let (cell, r) = (i / shape.replicas, i % shape.replicas);
                let m = match request {
                    Request::Dense(_) => dense.lanes(cell)[r],
                    _ => {
                        rows.lanes(cell / shape.columns)[r] * columns.lanes(cell % shape.columns)[r]
                    }
                };
                let u = match counting {
                    Counting::Deterministic => 0.5,
                    _ => stream().uniform(at(step, cell, r, Purpose::CountRounding, 0)),
                };
                let expected = round_request(m, u);
                different += u32::from(n != f64::from(expected));
                total += expected.abs() as u64;
            }
            let share = f64::from(different) / (shape.cells() * shape.replicas) as f64;
            println!("{counting:?}: share of counts that differ {share:e}");
            assert!(share < 1e-5, "{share}");
            // Each different count is one pulse more or less.
            assert!(stack.pulses().unwrap().abs_diff(total) <= u64::from(different));
        }
    }
}

/// Bit trains: the number of common ones, with the sign of the product.
pub fn coincidences(site: Site) {
    let shape = shape(66, 5, 9);
    let cells = counters(shape.cells());
    let word = |i: usize| stream().word(at(9, i, 0, Purpose::Input, 0));
    let row_bits: Vec<u32> = (0..shape.rows * shape.replicas).map(word).collect();
    let column_bits: Vec<u32> = (0..shape.columns * shape.replicas)
        .map(|i| word(i + 10_000))
        .collect();
    let sign = |k: usize| if k.is_multiple_of(3) { -0.25 } else { 2.0 };
    let rows = vector(shape.rows, shape.replicas, |i, r| sign(i + r));
    let columns = vector(shape.columns, shape.replicas, |i, r| sign(2 * i + 5 * r));
    for aggregate in [true, false] {
        let mut stack = stack(&site, shape, &cells, aggregate);
        stack.write(&vec![0.5; shape.cells()]).unwrap();
        let request = Request::Trains {
            rows: &rows,
            columns: &columns,
            row_bits: &row_bits,
            column_bits: &column_bits,
        };
        // Trains are counts already: no counting touches them.
        stack.pulse(9, &request, Counting::Expected).unwrap();
        let mut total = 0;
        for (i, &n) in pulses(&mut *stack).iter().enumerate() {
            let (cell, r) = (i / shape.replicas, i % shape.replicas);
            let (row, column) = (cell / shape.columns, cell % shape.columns);
            let common =
                row_bits[row * shape.replicas + r] & column_bits[column * shape.replicas + r];
            let sign = (rows.lanes(row)[r] * columns.lanes(column)[r]).signum();
            assert_eq!(
                n,
                f64::from(common.count_ones()) * f64::from(sign),
                "cell {cell}"
            );
            total += u64::from(common.count_ones());
        }
        assert_eq!(stack.pulses().unwrap(), total);
    }
}
