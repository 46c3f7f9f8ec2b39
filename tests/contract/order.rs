//! Neither the cut into stacks nor what lies between two reads changes a result.

use std::sync::Arc;

use memridge::backend::{Backend, Request, Shape};
use memridge::device::{Cells, Counting};

use super::devices;
use super::fixture::{FIRST, Site, scattered, shape, states, stream, vector};

fn device(count: usize) -> Arc<Cells> {
    let all = devices::all(count);
    let (_, cells) = all
        .into_iter()
        .find(|(name, _)| name == "linear-step, hard")
        .unwrap();
    cells
}

/// One pulse of every kind, for replicas that begin at `skip`.
fn update(stack: &mut dyn Backend, step: u32, skip: usize) {
    let Shape {
        replicas,
        rows,
        columns,
    } = stack.shape();
    let x = vector(rows, replicas, |i, r| {
        (4.0 * scattered(i + 7 * (skip + r)) - 2.0) as f32
    });
    let d = vector(columns, replicas, |i, r| {
        (4.0 * scattered(3 * i + 5 * (skip + r)) - 2.0) as f32
    });
    let outer = Request::Outer {
        rows: &x,
        columns: &d,
    };
    stack
        .pulse(step, &outer, Counting::StochasticRounding)
        .unwrap();
    stack.pulse(step, &outer, Counting::Expected).unwrap();
    let requests = vector(rows * columns, replicas, |k, r| {
        (2.0 * scattered(11 * k + 3 * (skip + r)) - 1.0) as f32
    });
    let dense = Request::Dense(&requests);
    stack
        .pulse(step, &dense, Counting::StochasticRounding)
        .unwrap();
}

/// Replicas 40 to 69 of 90, alone and among the others, bit for bit.
pub fn cut_into_stacks(site: Site) {
    let (whole, part) = (shape(90, 3, 5), shape(30, 3, 5));
    let cells = device(whole.cells());
    for aggregate in [true, false] {
        let run = |shape: Shape, skip: usize| {
            let first = FIRST + skip as u32;
            let mut stack = site
                .stack(shape, first, stream(), Arc::clone(&cells), aggregate)
                .unwrap();
            stack.write(&vec![0.5; shape.cells()]).unwrap();
            for step in 0..5 {
                update(&mut *stack, step, skip);
            }
            states(&mut *stack)
        };
        let (whole, part) = (run(whole, 0), run(part, 40));
        for k in 0..cells.len() {
            assert_eq!(whole.lanes(k)[40..70], *part.lanes(k), "cell {k}");
        }
    }
}

/// Hundreds of updates at once and with a read after each, bit for bit; small ones, and some whose requests fill megabytes.
pub fn many_operations(site: Site) {
    many(&site, shape(10, 2, 3), 300);
    many(&site, shape(700, 10, 10), 20);
}

fn many(site: &Site, shape: Shape, steps: u32) {
    let cells = device(shape.cells());
    let run = |read_every: u32| {
        let mut stack = site
            .stack(shape, FIRST, stream(), Arc::clone(&cells), true)
            .unwrap();
        stack.write(&vec![0.5; shape.cells()]).unwrap();
        for step in 0..steps {
            update(&mut *stack, step, 0);
            if step % read_every == 0 {
                stack.pulses().unwrap();
            }
        }
        (states(&mut *stack), stack.pulses().unwrap())
    };
    let (alone, together) = (run(1), run(1000));
    assert!(alone.1 > 1000);
    assert_eq!(alone, together);
}
