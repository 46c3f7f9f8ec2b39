//! Reads through wires: what every replica's network gives when it is solved, and nothing else changes.

use memridge::backend::{Backend, Place, ReadNoise, Request, StackVector};
use memridge::crossbar::wires::{Circuit, Ends, Method, Solver};
use memridge::crossbar::{
    ArrayModel, Crossbar, Direction, Layout, Mapping, Periphery, Plan, Route, Synapses, WeightMap,
    Wires,
};
use memridge::device::Counting;

use super::cell_noise;
use super::devices::{WINDOW, counters};
use super::fixture::{Site, scattered, shape, stack, stream, vector};
use super::time;

/// Mapping, rows, outputs, replicas, samples, wires: small and harsh (direct), larger and mild (iterative), one line, an ideal side.
fn cases() -> Vec<(Mapping, [usize; 4], Wires)> {
    let usual = Wires::new(500.0, 300.0);
    let unlike = Wires {
        transposed: Route {
            driven: Ends::Both,
            sensed: Ends::Last,
            driver: 200.0,
            sense: 0.0,
        },
        forward: Route {
            driver: 100.0,
            sense: 50.0,
            ..usual.forward
        },
        ..usual
    };
    vec![
        (Mapping::ReferenceColumn, [9, 7, 20, 3], usual),
        (Mapping::DifferentialPair, [8, 5, 3, 1], usual),
        (Mapping::DifferentialPair, [6, 4, 33, 2], unlike),
        (
            Mapping::ReferenceColumn,
            [48, 50, 2, 35],
            Wires::new(20.0, 10.0),
        ),
        (Mapping::ReferenceColumn, [13, 1, 70, 1], usual),
        (
            Mapping::ReferenceColumn,
            [5, 6, 2, 2],
            Wires::new(0.0, 900.0),
        ),
    ]
}

/// Reads in both directions against the currents of `Solver::solve`, before and after updates that differ between replicas.
pub fn as_the_network_is_solved(site: Site) {
    let place = match site {
        Site::Place(place) => place,
        Site::Instructions(_) => Place::Cpu,
    };
    for (mapping, [rows, outputs, replicas, samples], wires) in cases() {
        let map = WeightMap::new(mapping, 0.5, 2.0, rows, outputs);
        let plan = Plan {
            model: ArrayModel {
                cells: counters(map.cells()),
                map,
            },
            read_noise: 0.0,
            periphery: Periphery::default(),
            wires: Some(wires),
            layout: Layout::default(),
            refresh: None,
            aggregate: true,
            stream: stream(),
            place: place.clone(),
        };
        let mut crossbar = Crossbar::new(&plan, 1000, replicas).unwrap();
        let weights: Vec<f64> = (0..map.weights()).map(|k| scattered(k) - 0.5).collect();
        crossbar.write(0, &weights).unwrap();
        for round in 0..2 {
            let changes = vector(map.weights(), replicas, |k, r| {
                (0.8 * scattered(13 * k + 7 * r + round) - 0.4) as f32
            });
            crossbar
                .update_dense(round as u32, &changes, Counting::Deterministic, 1.0)
                .unwrap();
            for direction in [Direction::Forward, Direction::Transposed] {
                check(&mut crossbar, map, wires, direction, samples);
            }
        }
    }
}

/// One read of every replica and sample.
fn check(
    crossbar: &mut Crossbar,
    map: WeightMap,
    wires: Wires,
    direction: Direction,
    samples: usize,
) {
    let replicas = crossbar.replicas();
    let (rows, columns, cells) = (map.inputs(), map.columns(), map.cells_per_weight());
    let forward = direction == Direction::Forward;
    let (inputs, outputs) = match forward {
        true => (rows, map.outputs()),
        false => (map.outputs(), rows),
    };
    let x = vector(inputs, samples * replicas, |i, l| {
        (2.0 * scattered(5 * i + 17 * l) - 1.0) as f32
    });
    let mut y = StackVector::zeros(outputs, samples * replicas);
    match forward {
        true => crossbar.multiply(3, &x, &mut y).unwrap(),
        false => crossbar.multiply_transposed(3, &x, &mut y).unwrap(),
    }
    let seen = crossbar.conductances().unwrap();
    let per_ampere = map.per_window() / WINDOW.span();
    let reference = WINDOW.g_min + map.reference() * WINDOW.span();
    let (mut worst, mut drop) = (0.0_f64, 0.0_f64);
    for replica in 0..replicas {
        let g: Vec<f64> = (0..map.cells())
            .map(|k| f64::from(seen.lanes(k)[replica]))
            .collect();
        let (word, bit) = wires.lines(direction);
        let circuit = Circuit::new(rows, columns, g.clone(), word, bit).unwrap();
        let mut solver = Solver::new(circuit, Method::Direct).unwrap();
        for lane in (0..samples).map(|s| s * replicas + replica) {
            let of = |i: usize| f64::from(x.lanes(i)[lane]);
            let sum: f64 = (0..inputs).map(of).sum();
            let sizes: f64 = (0..inputs).map(|i| of(i).abs()).sum();
            // Currents, and those of ideal wires; a pair's columns have opposite signs where they are driven.
            let (currents, ideal): (Vec<f64>, Vec<f64>) = if forward {
                let v: Vec<f64> = (0..rows).map(of).collect();
                let solved = solver.solve(&v, &vec![0.0; columns]).unwrap();
                let plain = |c: usize| (0..rows).map(|r| v[r] * g[r * columns + c]).sum();
                (solved.bit_currents, (0..columns).map(plain).collect())
            } else {
                let v: Vec<f64> = (0..columns).map(|c| map.sign(c) * of(c / cells)).collect();
                let solved = solver.solve(&vec![0.0; rows], &v).unwrap();
                let plain = |r: usize| (0..columns).map(|c| v[c] * g[r * columns + c]).sum();
                let currents = solved.word_currents.iter().map(|i| -i).collect();
                (currents, (0..rows).map(plain).collect())
            };
            let sums = |i: &[f64]| -> Vec<f64> {
                let value = |o: usize| match (cells, forward) {
                    (1, _) => (i[o] - reference * sum) * per_ampere,
                    (_, true) => (i[2 * o] - i[2 * o + 1]) * per_ampere,
                    (_, false) => i[o] * per_ampere,
                };
                (0..outputs).map(value).collect()
            };
            let (exact, ideal) = (sums(&currents), sums(&ideal));
            for o in 0..outputs {
                // A sum of n products in single precision is right to n ε/2 of their sizes, and so are the two that the
                // periphery subtracts. Iterations leave 1e-8 of the voltages.
                let terms = (inputs * cells) as f64;
                let scale = sizes * cells as f64 * WINDOW.g_max * per_ampere;
                let tolerance = (terms + 4.0) * f64::from(f32::EPSILON) * scale;
                worst = worst.max((f64::from(y.lanes(o)[lane]) - exact[o]).abs() / tolerance);
                drop = drop.max((ideal[o] - exact[o]).abs() / tolerance);
            }
        }
    }
    println!("{direction:?} {rows} x {columns}: {worst:.2} of the tolerance; wires take {drop:.0}");
    assert!(worst <= 1.0, "{worst}");
    // Or nothing would have been seen.
    assert!(drop > 300.0, "{drop}");
}

/// Products use what they are told to; measurements, updates, the noise of cells and what they remember do not, and the end of it ends it.
pub fn only_products_change(site: Site) {
    let noise = ReadNoise {
        step: 9,
        index: 1,
        deviation: 1e-6,
    };
    let pairs = [
        cell_noise::noisy(35),
        time::drifting_counters(35),
        counters(35),
    ];
    for (k, cells) in pairs.into_iter().enumerate() {
        let (shape, samples) = (shape(18, 5, 7), 2);
        let run = |effective: bool| {
            let mut stack = stack(&site, shape, &cells, true);
            let positions: Vec<f64> = (0..shape.cells()).map(scattered).collect();
            stack.write(&positions).unwrap();
            let other = vector(shape.cells(), shape.replicas, |k, r| {
                (1.6 * scattered(3 * k + 11 * r) - 0.3) as f32
            });
            let mut reads = Vec::new();
            for step in 0..3 {
                let asked = vector(shape.cells(), shape.replicas, |k, r| {
                    ((k + 5 * r + step) % 5) as f32 - 2.0
                });
                let request = Request::Dense(&asked);
                stack
                    .pulse(step as u32, &request, Counting::Deterministic)
                    .unwrap();
                stack.relax(step as u32, 0.3).unwrap();
                if effective {
                    stack.read_as(Some(&other)).unwrap();
                    for transposed in [false, true] {
                        let quiet = read(&mut *stack, transposed, samples, ReadNoise::NONE);
                        let loud = read(&mut *stack, transposed, samples, noise);
                        if k > 0 {
                            check_product(&quiet, &other, transposed, samples);
                        }
                        reads.push(difference(&loud, &quiet));
                    }
                    stack.read_as(None).unwrap();
                } else {
                    for transposed in [false, true] {
                        let quiet = read(&mut *stack, transposed, samples, ReadNoise::NONE);
                        let loud = read(&mut *stack, transposed, samples, noise);
                        reads.push(difference(&loud, &quiet));
                    }
                }
            }
            let mut all = Vec::new();
            for what in 0..4 {
                let mut out = StackVector::zeros(shape.cells(), shape.replicas);
                match what {
                    0 => stack.inspect(&mut out).unwrap(),
                    1 => stack.conductances(&mut out).unwrap(),
                    2 => stack.ages(&mut out).unwrap(),
                    _ => stack.wear(&mut out).unwrap(),
                }
                all.push(out);
            }
            all.push(read(&mut *stack, false, samples, noise));
            (all, reads)
        };
        let ((a, noise_a), (b, noise_b)) = (run(false), run(true));
        assert_eq!(a, b);
        for (a, b) in noise_a.iter().zip(&noise_b) {
            for (a, b) in a.all().iter().zip(b.all()) {
                // Both are differences of currents of up to 7 · 6e-5 A in single precision.
                assert!((a - b).abs() < 5e-10, "{a} {b}");
            }
        }
    }
}

fn read(
    stack: &mut dyn Backend,
    transposed: bool,
    samples: usize,
    noise: ReadNoise,
) -> StackVector {
    let shape = stack.shape();
    let (inputs, outputs) = match transposed {
        false => (shape.rows, shape.columns),
        true => (shape.columns, shape.rows),
    };
    let lanes = samples * shape.replicas;
    let v = voltages(inputs, lanes);
    let mut out = StackVector::zeros(outputs, lanes);
    match transposed {
        false => stack.multiply(&v, noise, &mut out).unwrap(),
        true => stack.multiply_transposed(&v, noise, &mut out).unwrap(),
    }
    out
}

fn voltages(inputs: usize, lanes: usize) -> StackVector {
    vector(inputs, lanes, |i, l| {
        (2.0 * scattered(5 * i + 17 * l) - 1.0) as f32
    })
}

fn difference(a: &StackVector, b: &StackVector) -> StackVector {
    vector(a.len(), a.width(), |i, l| a.lanes(i)[l] - b.lanes(i)[l])
}

/// Currents of an array of 5 × 7 cells at these positions.
fn check_product(
    currents: &StackVector,
    positions: &StackVector,
    transposed: bool,
    samples: usize,
) {
    let (rows, columns) = (5, 7);
    let replicas = positions.width();
    let (inputs, outputs, strides) = match transposed {
        false => (rows, columns, [columns, 1]),
        true => (columns, rows, [1, columns]),
    };
    let v = voltages(inputs, samples * replicas);
    for o in 0..outputs {
        for lane in 0..samples * replicas {
            let exact: f64 = (0..inputs)
                .map(|i| {
                    let x = positions.lanes(i * strides[0] + o * strides[1])[lane % replicas];
                    let g = WINDOW.g_min + WINDOW.span() * f64::from(x);
                    f64::from(v.lanes(i)[lane]) * g
                })
                .sum();
            let off = f64::from(currents.lanes(o)[lane]) - exact;
            // Seven products of up to 6.2e-5 A, rounded.
            assert!(off.abs() < 2e-10, "{off:e}");
        }
    }
}
