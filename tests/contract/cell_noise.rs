//! Reads of cells that are noisy themselves: the variance of every output from those of its cells, and traps that jump alike everywhere.

use std::path::Path;
use std::sync::Arc;

use memridge::backend::{Backend, ReadNoise, Request, Shape, StackVector};
use memridge::device::{Cells, Counting, load_device};
use memridge::number::Purpose;

use super::fixture::{Site, Worst, at, normal, scalar, scattered, shape, stack, stream, vector};
use super::reads::SHAPES;

/// Cells with every kind of noise: white, 1/f and a trap.
pub fn noisy(count: usize) -> Arc<Cells> {
    let device = load_device("ideal/noisy-reads", Path::new("")).unwrap();
    Arc::new(device.cells(count, 7).unwrap())
}

/// Seconds that pass, in two parts; the write comes before.
const SECONDS: [f64; 2] = [3e-4, 1.2e-3];

/// A stack whose cells were written, pulsed and left alone, and their conductances with the traps.
fn aged(site: &Site, shape: Shape, cells: &Arc<Cells>) -> (Box<dyn Backend>, StackVector) {
    let mut stack = stack(site, shape, cells, true);
    stack.relax(3, 5.0).unwrap();
    let positions: Vec<f64> = (0..shape.cells()).map(scattered).collect();
    stack.write(&positions).unwrap();
    for (step, seconds) in (4..).zip(SECONDS) {
        stack.relax(step, seconds).unwrap();
    }
    let requests = vector(shape.cells(), shape.replicas, |k, r| {
        ((k + 3 * r) % 9) as f32 - 4.0
    });
    // A read between: what it was made of must not stay.
    let mut seen = StackVector::zeros(shape.cells(), shape.replicas);
    stack.conductances(&mut seen).unwrap();
    let request = Request::Dense(&requests);
    stack.pulse(6, &request, Counting::Deterministic).unwrap();
    stack.conductances(&mut seen).unwrap();
    (stack, seen)
}

/// One read and its distance from the oracle.
fn distance(
    site: &Site,
    shape: Shape,
    samples: usize,
    transposed: bool,
    noise: ReadNoise,
) -> Worst {
    let cells = noisy(shape.cells());
    let (mut stack, seen) = aged(site, shape, &cells);
    let lanes = samples * shape.replicas;
    let (inputs, outputs) = if transposed {
        (shape.columns, shape.rows)
    } else {
        (shape.rows, shape.columns)
    };
    let voltages = vector(inputs, lanes, |i, lane| {
        (scattered(5 * i + 17 * lane) - 0.5) as f32
    });
    let mut currents = vector(outputs, lanes, |_, _| f32::NAN);
    if transposed {
        stack
            .multiply_transposed(&voltages, noise, &mut currents)
            .unwrap();
    } else {
        stack.multiply(&voltages, noise, &mut currents).unwrap();
    }
    let window = cells.window();
    let physics = cells.cell_noise().unwrap();
    // By the formula as it is written in its documentation.
    let t_r = physics.read_time().unwrap();
    let growth = ((SECONDS.iter().sum::<f64>() + t_r) / (2.0 * t_r)).ln();
    let variance = |g: f64| {
        let q = (0.0088 * (g / 50e-6).powf(-0.65)).min(0.2);
        (0.005 * g).powi(2) + 40e-9_f64.powi(2) + (g * q).powi(2) * growth
    };
    let middle = window.g_min + 0.5 * window.span();
    let stated = cells.read_variance(0.5, SECONDS.iter().sum()) * window.span().powi(2);
    assert!((variance(middle) / stated - 1.0).abs() < 1e-12);
    Worst::of(&currents, |o, lane| {
        let (sample, r) = (lane / shape.replicas, lane % shape.replicas);
        let (mut sum, mut spread) = (0.0, f64::from(noise.deviation).powi(2));
        for i in 0..inputs {
            let cell = if transposed {
                o * shape.columns + i
            } else {
                i * shape.columns + o
            };
            let v = f64::from(voltages.lanes(i)[lane]);
            let g = f64::from(seen.lanes(cell)[r]);
            sum += v * g;
            spread += v * v * variance(g);
        }
        let step = noise.step.wrapping_add(sample as u32);
        sum + spread.sqrt() * normal(step, o, r, Purpose::ReadNoise, noise.index)
    })
}

/// With and without noise of the periphery.
pub fn reads(site: Site) {
    for deviation in [0.0, 1e-6] {
        let noise = ReadNoise {
            step: u32::MAX - 3,
            index: 5,
            deviation,
        };
        for (replicas, rows, columns, samples) in SHAPES {
            let shape = shape(replicas, rows, columns);
            for transposed in [false, true] {
                let run = |site: &Site| distance(site, shape, samples, transposed, noise);
                let what = format!("{shape:?}, {samples} samples, transposed {transposed}");
                // As for other reads: one rounding of a single current; and of a normal number of its size.
                let scalar = Worst(run(&scalar()).0.max(0.5 * 50e-6 * f64::from(f32::EPSILON)));
                run(&site).check(&what, scalar, 1e-10);
            }
        }
    }
}

/// Every trap of every replica follows the chain of its own uniform numbers: drawn once, then moved while time passes.
pub fn traps(site: Site) {
    let shape = shape(37, 5, 7);
    let cells = noisy(shape.cells());
    let mut stack = stack(&site, shape, &cells, true);
    let telegraph = cells.cell_noise().unwrap().telegraph().unwrap();
    assert!((telegraph.share() - 0.25).abs() < 1e-15);
    let mut occupied = vector(shape.cells(), shape.replicas, |k, r| {
        let u = f64::from(stream().uniform(at(0, k, r, Purpose::Telegraph, 0)));
        if u < 0.25 { 1.0 } else { 0.0 }
    });
    let mut jumps = 0.0;
    for step in 0..6 {
        if step > 0 {
            let elapsed = 2e-4 * f64::from(step);
            stack.relax(step, elapsed).unwrap();
            let kept = (-elapsed * (1e3 + 1e3 / 3.0)).exp();
            let now = vector(shape.cells(), shape.replicas, |k, r| {
                let before = f64::from(occupied.lanes(k)[r]);
                let u = f64::from(stream().uniform(at(step, k, r, Purpose::Telegraph, 1)));
                if u < 0.25 + (before - 0.25) * kept {
                    1.0
                } else {
                    0.0
                }
            });
            let pairs = occupied.all().iter().zip(now.all());
            jumps += pairs.map(|(a, b)| (a - b).abs()).sum::<f32>();
            occupied = now;
        }
        // A write leaves the traps alone.
        stack.write(&vec![0.5; shape.cells()]).unwrap();
        let mut seen = StackVector::zeros(shape.cells(), shape.replicas);
        stack.conductances(&mut seen).unwrap();
        for (g, b) in seen.all().iter().zip(occupied.all()) {
            let expected = 30e-6 * (1.0 - 0.02 * b);
            assert!((g / expected - 1.0).abs() < 1e-6, "step {step}: {g:e}");
        }
    }
    assert!(jumps > 1000.0);
}
