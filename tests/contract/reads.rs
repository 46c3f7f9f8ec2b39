//! Reads in both directions, of few and many samples.

use memridge::backend::{Backend, ReadNoise, Request, Shape, StackVector};
use memridge::device::Counting;
use memridge::number::Purpose;

use super::devices::{WINDOW, counters, noisy_counters};
use super::fixture::{Site, Worst, normal, scalar, scattered, shape, stack, vector};

/// A stack whose replicas hold different states, and their conductances as they are seen, in double precision.
fn programmed(site: &Site, shape: Shape, write_noise: f64) -> (Box<dyn Backend>, StackVector) {
    let cells = if write_noise > 0.0 {
        noisy_counters(shape.cells(), write_noise)
    } else {
        counters(shape.cells())
    };
    let mut stack = stack(site, shape, &cells, true);
    let positions: Vec<f64> = (0..shape.cells()).map(scattered).collect();
    stack.write(&positions).unwrap();
    let requests = vector(shape.cells(), shape.replicas, |k, r| {
        ((k + 3 * r) % 9) as f32 - 4.0
    });
    let request = Request::Dense(&requests);
    stack.pulse(1, &request, Counting::Deterministic).unwrap();
    let mut seen = StackVector::zeros(shape.cells(), shape.replicas);
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
    write_noise: f64,
) -> Worst {
    let (mut stack, seen) = programmed(site, shape, write_noise);
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
    Worst::of(&currents, |o, lane| {
        let (sample, r) = (lane / shape.replicas, lane % shape.replicas);
        let sum: f64 = (0..inputs)
            .map(|i| {
                let cell = if transposed {
                    o * shape.columns + i
                } else {
                    i * shape.columns + o
                };
                f64::from(voltages.lanes(i)[lane]) * f64::from(seen.lanes(cell)[r])
            })
            .sum();
        let step = noise.step.wrapping_add(sample as u32);
        let z = normal(step, o, r, Purpose::ReadNoise, noise.index);
        sum + f64::from(noise.deviation) * z
    })
}

/// Replicas, rows, columns, samples: vectors and matrices, of one crossbar and of many, larger and smaller than tiles and blocks.
pub const SHAPES: [(usize, usize, usize, usize); 12] = [
    (1, 1, 1, 1),
    (1, 70, 45, 1),
    (3, 17, 6, 2),
    (100, 9, 7, 1),
    (65, 4, 3, 3),
    (1, 40, 37, 50),
    (1, 33, 70, 16),
    (5, 20, 18, 33),
    (20, 6, 5, 17),
    (300, 5, 3, 2),
    (1, 70, 130, 67),
    (5, 36, 70, 33),
];

fn check(site: &Site, noise: ReadNoise, write_noise: f64) {
    for (replicas, rows, columns, samples) in SHAPES {
        let shape = shape(replicas, rows, columns);
        for transposed in [false, true] {
            let run = |site: &Site| distance(site, shape, samples, transposed, noise, write_noise);
            let what = format!("{shape:?}, {samples} samples, transposed {transposed}");
            // Conductances round to 5e-5 · 6e-8, currents of up to 70 such cells add; and the scalar sum of one product is exact
            // now and then, hence the floor of one rounding of a single current.
            let scalar = Worst(
                run(&scalar())
                    .0
                    .max(0.5 * WINDOW.g_max * f64::from(f32::EPSILON)),
            );
            run(site).check(&what, scalar, 1e-10 + 1e-6 * f64::from(noise.deviation));
        }
    }
}

pub fn every_shape(site: Site) {
    check(&site, ReadNoise::NONE, 0.0);
}

/// Noise that is as large as the currents; steps that wrap.
pub fn read_noise(site: Site) {
    let noise = ReadNoise {
        step: u32::MAX - 3,
        index: 5,
        deviation: 1e-4,
    };
    check(&site, noise, 0.0);
}

pub fn write_noise_is_seen(site: Site) {
    check(&site, ReadNoise::NONE, 2.0);
}
