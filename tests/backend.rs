//! The CPU backend and the crossbar around it: exact where counts and random numbers can be recomputed one by one,
//! within five standard errors where only a distribution is promised.
//!
//! Seeds are fixed. Five standard errors are α = 6e-7 for one comparison.

use std::path::Path;
use std::sync::Arc;

use memridge::backend::{Backend, Cpu, Place, ReadNoise, Request, Shape, StackVector};
use memridge::crossbar::{
    ArrayModel, Crossbar, Layout, Mapping, Periphery, Plan, Synapses, WeightMap,
};
use memridge::device::{Cells, Counting, CycleNoise, STEP, Window, laws, round_request};
use memridge::number::{Coordinates, Purpose, Stream};
use memridge::study::{Outcome, Overrides, Study, run_study};

const SEED: u64 = 0x5eed;

const WINDOW: Window = Window {
    g_min: 1e-5,
    g_max: 5e-5,
};

/// Half a unit in the last place of 1, in single precision: the relative error of one rounding.
const ROUNDING: f64 = 0.5 * f32::EPSILON as f64;

/// A step whose whole multiples, added to the middle of the window, are exact in single precision here.
const EXACT_STEP: f64 = 1.0 / 1024.0;

/// `count` equal cells.
fn cells(
    law: &str,
    noise: [f64; 2],
    write_noise: f64,
    hard: bool,
    p: &[f64],
    count: usize,
) -> Arc<Cells> {
    let law = laws().into_iter().find(|l| l.name() == law).unwrap();
    Arc::new(Cells::new(
        law,
        WINDOW,
        CycleNoise::new(noise[0], noise[1]),
        write_noise,
        hard,
        p.to_vec(),
        p.repeat(count),
    ))
}

/// Cells whose state counts their pulses exactly.
fn counters(count: usize, write_noise: f64) -> Arc<Cells> {
    let p = [EXACT_STEP, 0.0, 1.0, 0.0];
    cells("constant-step", [0.0; 2], write_noise, false, &p, count)
}

/// Different cells of every kind of law: soft bounds, exponential and power steps with both kinds of noise and hard bounds.
fn varied(law: &str, count: usize, write_noise: f64) -> Arc<Cells> {
    let (nominal, own): (&[f64], usize) = match law {
        "soft-bounds" => (&[0.01, 0.0, 1.0, 0.5], 3),
        "exp-step" => (&[0.01, 0.0, 1.0, 0.1, 1.0, 0.1, 5.0, 1.0, 0.9, 5.0], 3),
        _ => (&[0.01, 0.0, 1.0, 0.5, 2.0, 1.5], 3),
    };
    let mut parameters = Vec::new();
    for k in 0..count {
        let mut p = nominal.to_vec();
        p[STEP] *= 1.0 + 0.05 * (k % 5) as f64;
        p[own] += 0.02 * (k % 3) as f64;
        parameters.extend(p);
    }
    let law = laws().into_iter().find(|l| l.name() == law).unwrap();
    let noise = CycleNoise::new(0.3, 0.5);
    Arc::new(Cells::new(
        law,
        WINDOW,
        noise,
        write_noise,
        true,
        nominal.to_vec(),
        parameters,
    ))
}

/// Uniform numbers in (-1, 1), the same for the same coordinates: element `i` of replica `first + r`.
fn uniform(step: u32, index: u32, len: usize, first: u32, replicas: usize) -> StackVector {
    let stream = Stream::new(99);
    let mut out = StackVector::zeros(len, replicas);
    for i in 0..len {
        for (r, v) in out.lanes_mut(i).iter_mut().enumerate() {
            let at = Coordinates {
                step,
                cell: i as u32,
                replica: first + r as u32,
                purpose: Purpose::Input,
                index,
            };
            *v = 2.0 * stream.uniform(at) - 1.0;
        }
    }
    out
}

fn scaled(mut v: StackVector, factor: f32) -> StackVector {
    v.all_mut().iter_mut().for_each(|v| *v *= factor);
    v
}

fn shape(replicas: usize, rows: usize, columns: usize) -> Shape {
    Shape {
        replicas,
        rows,
        columns,
    }
}

const SHAPES: [(usize, usize); 5] = [(1, 7), (6, 1), (3, 5), (1, 1), (9, 4)];

/// All states of a stack.
fn states(stack: &mut impl Backend) -> StackVector {
    let shape = stack.shape();
    let mut out = StackVector::zeros(shape.cells(), shape.replicas);
    stack.inspect(&mut out).unwrap();
    out
}

/// Column currents of a noiseless read.
fn read(stack: &mut impl Backend, voltages: &StackVector, currents: &mut StackVector) {
    stack.multiply(voltages, ReadNoise::NONE, currents).unwrap();
}

fn bits(states: &[f32]) -> Vec<u32> {
    states.iter().map(|s| s.to_bits()).collect()
}

/// Mean and its standard error.
fn mean_and_error(sample: &[f64]) -> (f64, f64) {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let square = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    (mean, (square / (n * (n - 1.0))).sqrt())
}

/// The mean within five standard errors; `exactly` is allowed for rounding.
fn check_mean(what: &str, sample: &[f64], expected: f64, exactly: f64) {
    let (mean, error) = mean_and_error(sample);
    assert!(
        (mean - expected).abs() <= 5.0 * error + exactly,
        "{what}: {mean} ± {error} and not {expected}"
    );
}

// ---------------------------------------------------------------------------------------------------------------------------
// Writing, reading, multiplying

#[test]
fn what_is_written_is_there() {
    for (rows, columns) in SHAPES {
        let shape = shape(21, rows, columns);
        let mut cpu = Cpu::new(
            shape,
            0,
            Stream::new(SEED),
            counters(shape.cells(), 0.0),
            true,
        );
        assert_eq!(cpu.shape(), shape);
        let positions: Vec<f64> = (0..shape.cells()).map(|k| 0.1 + 0.02 * k as f64).collect();
        cpu.write(&positions).unwrap();
        for (k, &p) in positions.iter().enumerate() {
            assert_eq!(states(&mut cpu).lanes(k), [p as f32; 21]);
        }
        assert_eq!(cpu.pulses().unwrap(), 0);
    }
}

/// `I_c = Σ_r V_r G_rc` in single precision: each product carries 4 roundings (span, conductance, product, sum) and each sum
/// one more a row, all relative to `Σ |V| G`.
#[test]
fn multiplication_is_the_sum_of_products() {
    for (rows, columns) in SHAPES {
        let shape = shape(13, rows, columns);
        let mut cpu = Cpu::new(
            shape,
            0,
            Stream::new(SEED),
            counters(shape.cells(), 0.0),
            true,
        );
        cpu.write(&vec![0.5; shape.cells()]).unwrap();
        // Replicas of their own states.
        let request = scaled(uniform(0, 0, shape.cells(), 0, 13), 400.0);
        cpu.pulse(0, &Request::Dense(&request), Counting::Deterministic)
            .unwrap();
        let voltages = uniform(0, 1, rows, 0, 13);
        let mut currents = StackVector::zeros(columns, 13);
        currents.fill(f32::NAN);
        read(&mut cpu, &voltages, &mut currents);
        let states = states(&mut cpu);
        for c in 0..columns {
            for r in 0..13 {
                let terms = (0..rows).map(|row| {
                    let s = f64::from(states.lanes(row * columns + c)[r]);
                    f64::from(voltages.lanes(row)[r]) * (WINDOW.g_min + WINDOW.span() * s)
                });
                let size: f64 = terms.clone().map(f64::abs).sum();
                let exact: f64 = terms.sum();
                let found = f64::from(currents.lanes(c)[r]);
                assert!(
                    (found - exact).abs() <= (4.0 + rows as f64) * ROUNDING * size,
                    "{found} {exact}"
                );
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------------
// Requests and counts

/// Stochastically rounded counts of a rank-one request equal, pulse for pulse, a recomputation from the coordinates.
#[test]
fn rounded_counts_are_functions_of_their_coordinates() {
    const REPLICAS: usize = 19;
    const FIRST: u32 = 5;
    let stream = Stream::new(SEED);
    for (rows, columns) in SHAPES {
        let shape = shape(REPLICAS, rows, columns);
        let mut cpu = Cpu::new(shape, FIRST, stream, counters(shape.cells(), 0.0), true);
        cpu.write(&vec![0.5; shape.cells()]).unwrap();
        let mut expected = vec![vec![0.0_f32; REPLICAS]; shape.cells()];
        let mut pulses = 0;
        for step in [0, 1, 7, 1_000_000] {
            let x = scaled(uniform(step, 0, rows, FIRST, REPLICAS), 3.0);
            let d = uniform(step, 1, columns, FIRST, REPLICAS);
            let request = Request::Outer {
                rows: &x,
                columns: &d,
            };
            cpu.pulse(step, &request, Counting::StochasticRounding)
                .unwrap();
            for (cell, counts) in expected.iter_mut().enumerate() {
                for (r, count) in counts.iter_mut().enumerate() {
                    let u = stream.uniform(Coordinates {
                        step,
                        cell: cell as u32,
                        replica: FIRST + r as u32,
                        purpose: Purpose::CountRounding,
                        index: 0,
                    });
                    let m = x.lanes(cell / columns)[r] * d.lanes(cell % columns)[r];
                    let n = round_request(m, u);
                    assert_eq!(n.abs(), (m.abs() + u).floor());
                    *count += n;
                    pulses += n.abs() as u64;
                }
            }
        }
        for (cell, counts) in expected.iter().enumerate() {
            let found: Vec<f32> = states(&mut cpu)
                .lanes(cell)
                .iter()
                .map(|s| (s - 0.5) / EXACT_STEP as f32)
                .collect();
            assert_eq!(&found, counts, "{rows} × {columns}, cell {cell}");
        }
        assert_eq!(cpu.pulses().unwrap(), pulses);
    }
}

/// A rank-one request is the dense request of its products.
#[test]
fn dense_and_outer_requests_agree() {
    let schemes = [
        Counting::Expected,
        Counting::Deterministic,
        Counting::StochasticRounding,
    ];
    for counting in schemes {
        for (rows, columns) in SHAPES {
            let shape = shape(18, rows, columns);
            let cells = varied("soft-bounds", shape.cells(), 0.5);
            let make = || {
                let mut cpu = Cpu::new(shape, 3, Stream::new(SEED), Arc::clone(&cells), true);
                cpu.write(&vec![0.4; shape.cells()]).unwrap();
                cpu
            };
            let (mut outer, mut dense) = (make(), make());
            for step in 0..5 {
                let x = scaled(uniform(step, 0, rows, 3, 18), 3.0);
                let d = uniform(step, 1, columns, 3, 18);
                let mut products = StackVector::zeros(shape.cells(), 18);
                for cell in 0..shape.cells() {
                    let factors = x.lanes(cell / columns).iter().zip(d.lanes(cell % columns));
                    for (p, (x, d)) in products.lanes_mut(cell).iter_mut().zip(factors) {
                        *p = x * d;
                    }
                }
                let request = Request::Outer {
                    rows: &x,
                    columns: &d,
                };
                outer.pulse(step, &request, counting).unwrap();
                dense
                    .pulse(step, &Request::Dense(&products), counting)
                    .unwrap();
            }
            for cell in 0..shape.cells() {
                assert_eq!(
                    bits(states(&mut outer).lanes(cell)),
                    bits(states(&mut dense).lanes(cell)),
                    "{counting:?}"
                );
            }
            assert_eq!(outer.pulses().unwrap(), dense.pulses().unwrap());
        }
    }
}

/// Trains pulse as often as both bits are one, with the sign of the product.
#[test]
fn trains_pulse_where_bits_meet() {
    const REPLICAS: usize = 17;
    let stream = Stream::new(SEED);
    for (rows, columns) in SHAPES {
        let shape = shape(REPLICAS, rows, columns);
        let mut cpu = Cpu::new(shape, 0, stream, counters(shape.cells(), 0.0), true);
        cpu.write(&vec![0.5; shape.cells()]).unwrap();
        let words = |purpose, len: usize| -> Vec<u32> {
            (0..len * REPLICAS)
                .map(|k| {
                    stream.word(Coordinates {
                        step: 0,
                        cell: (k / REPLICAS) as u32,
                        replica: (k % REPLICAS) as u32,
                        purpose,
                        index: 0,
                    })
                })
                .collect()
        };
        let mut row_bits = words(Purpose::RowTrain, rows);
        let column_bits = words(Purpose::ColumnTrain, columns);
        // The full and the empty train too.
        row_bits[0] = u32::MAX;
        row_bits[1] = 0;
        let (x, d) = (
            uniform(0, 0, rows, 0, REPLICAS),
            uniform(0, 1, columns, 0, REPLICAS),
        );
        let request = Request::Trains {
            rows: &x,
            columns: &d,
            row_bits: &row_bits,
            column_bits: &column_bits,
        };
        cpu.pulse(0, &request, Counting::StochasticRounding)
            .unwrap();
        let mut pulses = 0;
        for cell in 0..shape.cells() {
            let (row, column) = (cell / columns, cell % columns);
            for r in 0..REPLICAS {
                let meet = row_bits[row * REPLICAS + r] & column_bits[column * REPLICAS + r];
                pulses += u64::from(meet.count_ones());
                let sign = (x.lanes(row)[r] * d.lanes(column)[r]).signum();
                let found = (states(&mut cpu).lanes(cell)[r] - 0.5) / EXACT_STEP as f32;
                assert_eq!(found, sign * meet.count_ones() as f32);
            }
        }
        assert_eq!(cpu.pulses().unwrap(), pulses);
    }
}

/// The expected update is the request times the mean step, draws nothing (another seed gives the same bits) and counts no
/// pulse. One product, one sum, and a law of at most 20 roundings of the change.
#[test]
fn the_expected_update_is_exact() {
    for law in ["soft-bounds", "exp-step", "power-step"] {
        let shape = shape(11, 3, 5);
        let cells = varied(law, shape.cells(), 0.0);
        let run = |seed| {
            let mut cpu = Cpu::new(shape, 0, Stream::new(seed), Arc::clone(&cells), true);
            cpu.write(&[0.45; 15]).unwrap();
            let request = scaled(uniform(0, 0, 15, 0, 11), 4.0);
            cpu.pulse(0, &Request::Dense(&request), Counting::Expected)
                .unwrap();
            assert_eq!(cpu.pulses().unwrap(), 0);
            (cpu, request)
        };
        let ((mut a, request), (mut b, _)) = (run(1), run(2));
        for cell in 0..15 {
            assert_eq!(
                bits(states(&mut a).lanes(cell)),
                bits(states(&mut b).lanes(cell))
            );
            let p = cells.double(cell).parameters;
            for (s, &m) in states(&mut a).lanes(cell).iter().zip(request.lanes(cell)) {
                let (before, m) = (f64::from(0.45_f32), f64::from(m));
                let change = m.abs() * cells.law().step(p, before, m);
                let exact = before + change;
                let allowed = ROUNDING * (1.0 + 20.0 * change.abs());
                assert!(
                    (f64::from(*s) - exact).abs() <= allowed,
                    "{law}: {s} {exact}"
                );
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------------
// The cut into stacks

/// States and readings of all replicas after some noisy steps, for stacks that begin at `cuts`.
fn run_cut(
    law: &str,
    rows: usize,
    columns: usize,
    aggregate: bool,
    cuts: &[usize],
) -> Vec<Vec<u32>> {
    let cells = varied(law, rows * columns, 0.7);
    let mut out = vec![Vec::new(); rows * columns + columns];
    for cut in cuts.windows(2) {
        let (first, replicas) = (cut[0] as u32, cut[1] - cut[0]);
        let shape = shape(replicas, rows, columns);
        let mut cpu = Cpu::new(
            shape,
            first,
            Stream::new(SEED),
            Arc::clone(&cells),
            aggregate,
        );
        cpu.write(&vec![0.5; shape.cells()]).unwrap();
        for step in 0..6 {
            let x = scaled(uniform(step, 0, rows, first, replicas), 4.0);
            let d = uniform(step, 1, columns, first, replicas);
            let request = Request::Outer {
                rows: &x,
                columns: &d,
            };
            cpu.pulse(step, &request, Counting::StochasticRounding)
                .unwrap();
        }
        let mut currents = StackVector::zeros(columns, replicas);
        read(
            &mut cpu,
            &uniform(9, 2, rows, first, replicas),
            &mut currents,
        );
        for (k, lanes) in out.iter_mut().enumerate() {
            match k.checked_sub(rows * columns) {
                None => lanes.extend(bits(states(&mut cpu).lanes(k))),
                Some(column) => lanes.extend(bits(currents.lanes(column))),
            }
        }
    }
    out
}

/// However replicas are cut into stacks, each gets the same bits, for one row, one column and odd shapes.
#[test]
fn the_cut_into_stacks_changes_no_bit() {
    for law in ["soft-bounds", "exp-step", "power-step"] {
        for (rows, columns) in SHAPES {
            for aggregate in [true, false] {
                let run = |cuts: &[usize]| run_cut(law, rows, columns, aggregate, cuts);
                let whole = run(&[0, 43]);
                assert_eq!(whole, run(&[0, 1, 8, 24, 43]), "{law} {rows} × {columns}");
                assert_eq!(whole, run(&[0, 16, 32, 43]), "{law} {rows} × {columns}");
            }
        }
    }
}

/// Reads of one and of many samples, both ways, with more inputs than are summed at once: bits of every output, replica and sample.
fn read_cut(rows: usize, columns: usize, transposed: bool, cuts: &[usize]) -> Vec<Vec<u32>> {
    let cells = varied("soft-bounds", rows * columns, 0.7);
    let (inputs, outputs) = match transposed {
        true => (columns, rows),
        false => (rows, columns),
    };
    let mut out = Vec::new();
    for cut in cuts.windows(2) {
        let (first, replicas) = (cut[0] as u32, cut[1] - cut[0]);
        let shape = shape(replicas, rows, columns);
        let mut cpu = Cpu::new(shape, first, Stream::new(SEED), Arc::clone(&cells), true);
        cpu.write(&vec![0.5; shape.cells()]).unwrap();
        let x = uniform(0, 0, rows, first, replicas);
        let d = uniform(0, 1, columns, first, replicas);
        let request = Request::Outer {
            rows: &x,
            columns: &d,
        };
        cpu.pulse(0, &request, Counting::StochasticRounding)
            .unwrap();
        let mut read = vec![Vec::new(); replicas];
        for samples in [1, 2, 5, 40] {
            let mut voltages = StackVector::zeros(inputs, samples * replicas);
            for sample in 0..samples {
                let own = uniform(sample as u32, 2, inputs, first, replicas);
                for i in 0..inputs {
                    let lanes = &mut voltages.lanes_mut(i)[sample * replicas..][..replicas];
                    lanes.copy_from_slice(own.lanes(i));
                }
            }
            let noise = ReadNoise {
                step: 7,
                index: 0,
                deviation: 1e-6,
            };
            let mut currents = StackVector::zeros(outputs, samples * replicas);
            match transposed {
                true => cpu.multiply_transposed(&voltages, noise, &mut currents),
                false => cpu.multiply(&voltages, noise, &mut currents),
            }
            .unwrap();
            for o in 0..outputs {
                for (lane, bits) in bits(currents.lanes(o)).into_iter().enumerate() {
                    read[lane % replicas].push(bits);
                }
            }
        }
        out.extend(read);
    }
    out
}

#[test]
fn neither_the_cut_nor_the_way_of_a_read_changes_a_bit() {
    let shapes = [
        (1, 7),
        (6, 1),
        (40, 30),
        (700, 3),
        (513, 5),
        (5, 514),
        (4, 1025),
        (5, 1100),
        (1100, 1),
        (1, 1100),
    ];
    for (rows, columns) in shapes {
        for transposed in [false, true] {
            let run = |cuts: &[usize]| read_cut(rows, columns, transposed, cuts);
            let whole = run(&[0, 18]);
            assert!(
                whole == run(&[0, 1, 4, 18]),
                "{rows} × {columns}, transposed: {transposed}"
            );
        }
    }
}

/// An array of one law whose weights are `inputs × outputs` and whose weight 0 is the middle of the window.
fn plan(
    cells: Arc<Cells>,
    mapping: Mapping,
    inputs: usize,
    outputs: usize,
    read_noise: f64,
) -> Plan {
    Plan {
        model: ArrayModel {
            cells,
            map: WeightMap::new(mapping, 0.5, 2.0, inputs, outputs),
        },
        read_noise,
        periphery: Periphery::default(),
        wires: None,
        layout: Layout::default(),
        refresh: None,
        aggregate: true,
        stream: Stream::new(SEED),
        place: Place::Cpu,
    }
}

const MAPPINGS: [Mapping; 2] = [Mapping::ReferenceColumn, Mapping::DifferentialPair];

fn per_weight(mapping: Mapping) -> usize {
    match mapping {
        Mapping::ReferenceColumn | Mapping::OffsetColumn => 1,
        Mapping::DifferentialPair | Mapping::OneSidedPair => 2,
    }
}

const SPARSE: Counting = Counting::Coincidence {
    bits: 31,
    update_management: true,
    length_management: false,
};

/// The same for the crossbar: trains, read noise and both mappings.
#[test]
fn the_cut_into_stacks_changes_no_reading() {
    for mapping in MAPPINGS {
        for (rows, columns) in [(1, 7), (6, 1), (3, 5)] {
            let cells = varied("soft-bounds", rows * columns * per_weight(mapping), 0.2);
            let plan = plan(cells, mapping, rows, columns, 0.1);
            let run = |cuts: &[usize]| {
                let mut out: Vec<Vec<u32>> = vec![Vec::new(); columns];
                for cut in cuts.windows(2) {
                    let (first, replicas) = (cut[0], cut[1] - cut[0]);
                    let mut crossbar = Crossbar::new(&plan, first, replicas).unwrap();
                    crossbar.write(0, &vec![0.1; rows * columns]).unwrap();
                    let mut y = StackVector::zeros(columns, replicas);
                    for step in 0..5 {
                        let x = uniform(step, 0, rows, first as u32, replicas);
                        let d = scaled(uniform(step, 1, columns, first as u32, replicas), 0.1);
                        crossbar.update_outer(step, &x, &d, SPARSE, 0.1).unwrap();
                        crossbar.multiply(step, &x, &mut y).unwrap();
                    }
                    for (c, lanes) in out.iter_mut().enumerate() {
                        lanes.extend(bits(y.lanes(c)));
                    }
                }
                out
            };
            let whole = run(&[0, 37]);
            assert_eq!(whole, run(&[0, 5, 6, 37]), "{mapping:?} {rows} × {columns}");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------------
// Requested changes of weight

/// Changes of all weights after one request to each of `replicas` crossbars, and the number of pulses.
fn changes_of_weight(
    mapping: Mapping,
    counting: Counting,
    x: &[f32],
    d: &[f32],
    rate: f64,
    replicas: usize,
) -> (Vec<Vec<f64>>, u64) {
    let weights = x.len() * d.len();
    let n = per_weight(mapping);
    let plan = plan(counters(weights * n, 0.0), mapping, x.len(), d.len(), 0.0);
    let mut crossbar = Crossbar::new(&plan, 0, replicas).unwrap();
    crossbar.write(0, &vec![0.0; weights]).unwrap();
    let (mut inputs, mut changes) = (
        StackVector::zeros(x.len(), replicas),
        StackVector::zeros(d.len(), replicas),
    );
    for (i, &v) in x.iter().enumerate() {
        inputs.lanes_mut(i).fill(v);
    }
    for (i, &v) in d.iter().enumerate() {
        changes.lanes_mut(i).fill(v);
    }
    crossbar
        .update_outer(3, &inputs, &changes, counting, rate)
        .unwrap();
    let mut values = vec![vec![0.0; replicas]; weights * n];
    crossbar.inspect(&mut values).unwrap();
    let mut out = Vec::new();
    for weight in 0..weights {
        let mut sum = vec![0.0; replicas];
        for k in 0..n {
            let values = &values[weight * n + k];
            let sign = if k == 0 { 1.0 } else { -1.0 };
            sum.iter_mut().zip(values).for_each(|(s, v)| *s += sign * v);
        }
        out.push(sum);
    }
    (out, crossbar.pulses().unwrap())
}

/// Bit trains make outer products: a request for each cell has none, and would be applied without rounding.
#[test]
#[should_panic(expected = "coincidences are counted between bit trains")]
fn coincidences_of_a_dense_request_are_refused() {
    let map = Mapping::ReferenceColumn;
    let mut crossbar = Crossbar::new(&plan(counters(6, 0.0), map, 3, 2, 0.0), 0, 4).unwrap();
    let changes = StackVector::zeros(6, 4);
    let _ = crossbar.update_dense(0, &changes, SPARSE, 0.1);
}

/// `η |x d|/δ` pulses on average: every scheme of whole pulses moves every weight by what was asked (nearest rounding only
/// where that is whole). n = 20000 replicas; probabilities are exact to 2⁻²³ of 31 bits, far below the standard error.
#[test]
fn whole_pulses_move_weights_by_what_is_asked() {
    // δ = 2/1024 in weights.
    let delta = 2.0 * EXACT_STEP;
    let rate = 0.01;
    let (x, errors) = ([0.9_f32, -0.4, 0.05, 0.0], [1.5_f32, -0.7, 0.02]);
    let d = errors.map(|e| rate as f32 * e);
    let management = |update_management, length_management| Counting::Coincidence {
        bits: 31,
        update_management,
        length_management,
    };
    for mapping in MAPPINGS {
        for counting in [
            management(true, false),
            management(false, false),
            management(true, true),
            Counting::StochasticRounding,
        ] {
            let (found, pulses) = changes_of_weight(mapping, counting, &x, &d, rate, 20_000);
            let mut expected_pulses = 0.0;
            for (k, changes) in found.iter().enumerate() {
                let asked = f64::from(x[k / d.len()]) * f64::from(d[k % d.len()]);
                let what = format!("{mapping:?} {counting:?} weight {k}");
                // Whole steps of a pair's cells: changes are multiples of δ, to the rounding of the value.
                assert!(changes.iter().all(|c| (c / delta).fract().abs() < 1e-9));
                check_mean(&what, changes, asked, 1e-6 * delta);
                expected_pulses += 20_000.0 * asked.abs() / delta;
                if asked == 0.0 {
                    assert!(changes.iter().all(|&c| c == 0.0));
                }
            }
            // A pair's two cells get half each. The mean number of pulses is of the order of 1 a cell and its deviation too:
            // 5 standard errors of 1e5 and more pulses, whose trains share rows, are below 5 %.
            let pulses = pulses as f64;
            assert!(
                (pulses / expected_pulses - 1.0).abs() < 0.05,
                "{pulses} {expected_pulses}"
            );
        }
    }
}

/// Bernoulli trains: the variance of a count is that of the binomial distribution, with and without update management, and of trains that are as long as the
/// largest request, .9 · .015/δ = 6.9, needs.
/// n = 20000; the sample variance within five of its standard errors √((m₄ - m₂²)/n).
#[test]
fn coincidences_are_binomial() {
    let delta = 2.0 * EXACT_STEP;
    let rate = 0.01;
    let trains = |bits, update_management, length_management| Counting::Coincidence {
        bits,
        update_management,
        length_management,
    };
    for (counting, as_if) in [
        (trains(31, true, false), trains(31, true, false)),
        (trains(31, false, false), trains(31, false, false)),
        (trains(31, true, true), trains(7, true, false)),
    ] {
        let d = [0.015_f32, -0.007];
        let (found, _) = changes_of_weight(
            Mapping::ReferenceColumn,
            counting,
            &[0.9, -0.4],
            &d,
            rate,
            20_000,
        );
        for (k, changes) in found.iter().enumerate() {
            let mean = f64::from([0.9_f32, -0.4][k / 2] * d[k % 2]).abs() / delta;
            let moments = as_if.moments(mean);
            let squares: Vec<f64> = changes
                .iter()
                .map(|c| (c.abs() / delta - mean).powi(2))
                .collect();
            check_mean("variance", &squares, moments.variance, 1e-6);
        }
    }
}

/// Nearest rounding loses what is below half a step and keeps whole steps.
#[test]
fn nearest_rounding_moves_weights_by_whole_steps() {
    let delta = 2.0 * EXACT_STEP as f32;
    let (x, d) = ([1.0_f32, -1.0], [3.0 * delta, 0.4 * delta, -2.6 * delta]);
    let (found, _) = changes_of_weight(
        Mapping::ReferenceColumn,
        Counting::Deterministic,
        &x,
        &d,
        0.01,
        4,
    );
    for (k, steps) in [3.0, 0.0, -3.0, -3.0, 0.0, 3.0].into_iter().enumerate() {
        assert_eq!(found[k], [steps * f64::from(delta); 4]);
    }
}

/// The expected update moves a weight by exactly what is asked where the response is flat: 6 roundings of the request and
/// one of the state, whose unit is twice as wide in weights; a pair has two of them.
#[test]
fn the_expected_update_moves_weights_by_what_is_asked() {
    let (x, d) = ([0.9_f32, -0.4, 0.05], [0.015_f32, -0.007]);
    for mapping in MAPPINGS {
        let (found, pulses) = changes_of_weight(mapping, Counting::Expected, &x, &d, 0.01, 3);
        assert_eq!(pulses, 0);
        for (k, changes) in found.iter().enumerate() {
            let asked = f64::from(x[k / 2]) * f64::from(d[k % 2]);
            for c in changes {
                assert!(
                    (c - asked).abs() < ROUNDING * (6.0 * asked.abs() + 4.0),
                    "{c} {asked}"
                );
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------------
// Noise

/// Ten pulses at once and one by one: the same mean and variance. n = 30000 replicas a cell, five standard errors of each
/// difference (of the variance, √(2/n) of it each, a Gaussian's).
#[test]
fn aggregated_and_single_pulses_agree() {
    const N: usize = 30_000;
    for (noise, seed) in [([0.3, 0.0], 1), ([0.0, 0.3], 2), ([2.0, 1.0], 3)] {
        let p = [1e-3, 0.0, 1.0, 0.5];
        let cells = cells("soft-bounds", noise, 0.0, false, &p, 3);
        let run = |aggregate, seed| {
            let shape = shape(N, 1, 3);
            let mut cpu = Cpu::new(shape, 0, Stream::new(seed), Arc::clone(&cells), aggregate);
            cpu.write(&[0.2, 0.5, 0.9]).unwrap();
            let mut request = StackVector::zeros(3, N);
            for (k, n) in [10.0, -10.0, 7.0].into_iter().enumerate() {
                request.lanes_mut(k).fill(n);
            }
            cpu.pulse(0, &Request::Dense(&request), Counting::Deterministic)
                .unwrap();
            assert_eq!(cpu.pulses().unwrap(), 27 * N as u64);
            (0..3)
                .map(|k| {
                    states(&mut cpu)
                        .lanes(k)
                        .iter()
                        .map(|&s| f64::from(s))
                        .collect()
                })
                .collect::<Vec<Vec<f64>>>()
        };
        for (k, (a, b)) in run(true, seed)
            .iter()
            .zip(&run(false, seed + 50))
            .enumerate()
        {
            let ((ma, ea), (mb, eb)) = (mean_and_error(a), mean_and_error(b));
            assert!(
                (ma - mb).abs() < 5.0 * ea.hypot(eb),
                "{noise:?} cell {k}: {ma} {mb}"
            );
            let ratio = (ea / eb).powi(2);
            let error = 2.0 * (1.0 / N as f64).sqrt();
            assert!(
                (ratio - 1.0).abs() < 5.0 * error,
                "{noise:?} cell {k}: {ratio}"
            );
        }
    }
}

/// Read noise is Gaussian of the stated deviation about the weighted sum, independent between outputs and steps.
/// n = 40000; five standard errors.
#[test]
fn read_noise_has_the_stated_deviation() {
    const N: usize = 40_000;
    let plan = plan(counters(2 * 5, 0.0), Mapping::ReferenceColumn, 2, 5, 0.05);
    let mut crossbar = Crossbar::new(&plan, 0, N).unwrap();
    let weights: Vec<f64> = (0..10).map(|k| 0.05 * f64::from(k) - 0.2).collect();
    crossbar.write(0, &weights).unwrap();
    let mut x = StackVector::zeros(2, N);
    x.lanes_mut(0).fill(0.5);
    x.lanes_mut(1).fill(-0.25);
    let mut reads = Vec::new();
    for step in 0..2 {
        let mut y = StackVector::zeros(5, N);
        crossbar.multiply(step, &x, &mut y).unwrap();
        for c in 0..5 {
            let exact = 0.5 * weights[c] - 0.25 * weights[5 + c];
            let noise: Vec<f64> = y
                .lanes(c)
                .iter()
                .map(|&y| (f64::from(y) - exact) / 0.05)
                .collect();
            let what = format!("output {c} at step {step}");
            // Rounding of currents of the order of 1 in units of the weights: 1e-6 at most, 2e-5 of the deviation.
            check_mean(&what, &noise, 0.0, 2e-5);
            let squares: Vec<f64> = noise.iter().map(|z| z * z).collect();
            check_mean(&what, &squares, 1.0, 1e-4);
            reads.push(noise);
        }
    }
    for a in 0..reads.len() {
        for b in 0..a {
            let products: Vec<f64> = reads[a].iter().zip(&reads[b]).map(|(a, b)| a * b).collect();
            check_mean(&format!("reads {a} and {b}"), &products, 0.0, 1e-4);
        }
    }
}

/// Write noise is in what multiplication sees and not in the true state, is redrawn where a pulse came and stays elsewhere,
/// and is the number that its coordinates say.
#[test]
fn write_noise_is_seen_by_reads_alone() {
    const REPLICAS: usize = 33;
    let stream = Stream::new(SEED);
    let write_noise = 20.0;
    for columns in [3, 5, 6] {
        let shape = shape(REPLICAS, 1, columns);
        let mut cpu = Cpu::new(shape, 4, stream, counters(columns, write_noise), true);
        cpu.write(&vec![0.5; columns]).unwrap();
        let mut voltages = StackVector::zeros(1, REPLICAS);
        voltages.fill(1.0);
        // One row of 1 V: the current is the conductance.
        let seen = |cpu: &mut Cpu| {
            let mut currents = StackVector::zeros(columns, REPLICAS);
            read(cpu, &voltages, &mut currents);
            currents.all().to_vec()
        };
        let conductance = |s: f32| WINDOW.g_min as f32 + WINDOW.span() as f32 * s;
        // Writing is free of it.
        assert_eq!(seen(&mut cpu), vec![conductance(0.5); columns * REPLICAS]);
        let mut expected = vec![0.5_f32; columns * REPLICAS];
        for step in 0..4 {
            let mut request = scaled(uniform(step, 0, columns, 0, REPLICAS), 1.0);
            // The last cell rests.
            request.lanes_mut(columns - 1).fill(0.0);
            let before: Vec<f32> = (0..columns)
                .flat_map(|k| states(&mut cpu).lanes(k).to_vec())
                .collect();
            cpu.pulse(step, &Request::Dense(&request), Counting::Deterministic)
                .unwrap();
            for cell in 0..columns {
                for r in 0..REPLICAS {
                    let n = round_request(request.lanes(cell)[r], 0.5);
                    let k = cell * REPLICAS + r;
                    let state = before[k] + n * EXACT_STEP as f32;
                    // The true state has none.
                    assert_eq!(states(&mut cpu).lanes(cell)[r], state);
                    if n != 0.0 {
                        let z = stream.normal(Coordinates {
                            step,
                            cell: cell as u32,
                            replica: 4 + r as u32,
                            purpose: Purpose::WriteNoise,
                            index: 0,
                        });
                        expected[k] = state + (write_noise * EXACT_STEP) as f32 * z;
                    }
                }
            }
            let expected: Vec<f32> = expected.iter().map(|&s| conductance(s)).collect();
            assert_eq!(seen(&mut cpu), expected, "{columns} columns, step {step}");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------------
// Threads

/// Small and noisy, of three stacks, with every random purpose in use and a control.
const STUDY: &str = r#"
title = "Threads"
claim = "The number of threads changes no bit."
cite = ["wu2024"]
seed = 5
replicas = 400

[device]
model = "ideal/soft-bounds"
write-noise = 0.5

[device.cycle-to-cycle]
additive = 0.3
multiplicative = 0.3

[array]
read-noise = 0.02

[array.mapping.differential-pair]
zero = "symmetric-point"
conductance-per-weight = "20 uS"

[task.gaussian-inputs]
features = 3
truth-deviation = 0.2
label-noise = 0.3

[training]
loss = "squared-error"
learning-rate = 0.05
schedule = "constant"
steps = 200
batch = 1
update = "per-sample"
average-from = 0.5
log-every = 5

[training.pulses.coincidence]
bit-length = 31
update-management = true

[sweep]
combine = "product"

[sweep.axes]
"training.learning-rate" = [0.02, 0.05]

[controls]
point = 0
replicas = 40
symmetric-device = true
"#;

/// What a study finds, without what the clock says.
fn findings(outcome: &Outcome) -> serde_json::Value {
    let mut summary = serde_json::to_value(&outcome.summary).unwrap();
    for key in ["wall-seconds", "device-updates-per-second"] {
        assert!(
            summary.as_object_mut().unwrap().remove(key).is_some(),
            "{key}"
        );
    }
    summary
}

fn run_with(threads: usize, path: &Path) -> Outcome {
    let study = Study::read(path, &Overrides::default()).unwrap();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| run_study(&study, &())).unwrap()
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.toml");
    std::fs::write(&path, STUDY).unwrap();
    let one = run_with(1, &path);
    assert_eq!(one.runs.len(), 800);
    for threads in [2, 3] {
        let more = run_with(threads, &path);
        for (a, b) in one.runs.iter().zip(&more.runs) {
            assert_eq!((a.point, a.replica), (b.point, b.replica));
            assert_eq!(a.excess_loss.to_bits(), b.excess_loss.to_bits());
            let bits = |w: &[f64]| w.iter().map(|w| w.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&a.weights), bits(&b.weights));
        }
        assert_eq!(one.runs.len(), more.runs.len());
        assert_eq!(findings(&one), findings(&more));
    }
}
