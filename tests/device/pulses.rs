//! The ways in which the CPU backend updates cells, each against the others: bit for bit where they make the same numbers,
//! by their distribution where trains are drawn at once.
//!
//! Seeds are fixed, so every test gives the same verdict each time.

use std::sync::Arc;

use memridge::backend::{Backend, Cpu, ReadNoise, Request, Shape, StackVector};
use memridge::device::{Cells, Counting, CycleNoise, Window, laws};
use memridge::number::{Coordinates, Purpose, Stream};
use pulp::Arch;

const SEED: u64 = 0xf00d;

const WINDOW: Window = Window {
    g_min: 1e-5,
    g_max: 5e-5,
};

/// `count` cells of a law that differ in `places`, with hard bounds.
fn cells(
    name: &str,
    places: &[usize],
    count: usize,
    noise: [f64; 2],
    write_noise: f64,
) -> Arc<Cells> {
    let nominal: &[f64] = match name {
        "constant-step" => &[0.004, 0.0, 1.0, 0.1],
        "linear-step" => &[0.004, 0.0, 1.0, 0.05, 0.5, 0.4, 0.8],
        "soft-bounds" => &[0.004, 0.0, 1.0, 0.5],
        "power-step" => &[0.004, 0.0, 1.0, 0.5, 1.5, 2.0],
        _ => &[0.004, 0.0, 1.0, 0.1, 1.0, 0.1, 5.0, 1.0, 0.5, 3.0],
    };
    let parameters = (0..count)
        .flat_map(|k| {
            let mut p = nominal.to_vec();
            for &place in places {
                p[place] += 0.0005 * ((k * 7 + place * 3) % 11) as f64;
            }
            p
        })
        .collect();
    let law = laws().into_iter().find(|l| l.name() == name).unwrap();
    Arc::new(Cells::new(
        law,
        WINDOW,
        CycleNoise::new(noise[0], noise[1]),
        write_noise,
        true,
        nominal.to_vec(),
        parameters,
    ))
}

/// Words whose bits are one with probability `p`, cut to 31 bits; signs with them.
fn trains(step: u32, index: u32, p: f32, len: usize, replicas: usize) -> (StackVector, Vec<u32>) {
    let stream = Stream::new(77);
    let mut signs = StackVector::zeros(len, replicas);
    let mut bits = vec![0; len * replicas];
    for (k, (sign, train)) in signs.all_mut().iter_mut().zip(&mut bits).enumerate() {
        let at = |index| Coordinates {
            step,
            cell: (k / replicas) as u32,
            replica: (k % replicas) as u32,
            purpose: Purpose::Input,
            index,
        };
        *sign = stream.uniform(at(1000 + index)) - 0.5;
        for bit in 0..31 {
            *train |= u32::from(stream.uniform(at(100 * index + bit)) < p) << bit;
        }
    }
    (signs, bits)
}

/// What a run leaves: states, what a read sees, pulses.
type Left = (Vec<u32>, Vec<u32>, u64);

fn left(cpu: &mut Cpu) -> Left {
    let shape = cpu.shape();
    let mut out = StackVector::zeros(shape.cells(), shape.replicas);
    cpu.inspect(&mut out).unwrap();
    let bits = |v: &StackVector| v.all().iter().map(|s| s.to_bits()).collect();
    let states = bits(&out);
    cpu.conductances(&mut out).unwrap();
    (states, bits(&out), cpu.pulses().unwrap())
}

const LAWS: [&str; 5] = [
    "constant-step",
    "linear-step",
    "soft-bounds",
    "power-step",
    "exp-step",
];

/// Arrays of one row and one column, of narrow rows, of more than a chunk and more than a list of gathered cells.
const SHAPES: [(usize, usize); 6] = [(1, 7), (6, 1), (701, 9), (3, 600), (130, 64), (9, 131)];

/// Coincidences a cell, from gathered rows to whole ones, and a mixture.
const MEANS: [f32; 4] = [0.02, 0.3, 0.7, 2.5];

/// Noise of both kinds, of one, and of one that feeds back on later pulses: each has loops of its own. Every law meets each, in
/// arrays of different shapes.
const NOISES: [[f64; 2]; 4] = [[0.2, 0.4], [0.0, 0.4], [0.2, 0.0], [0.0, 3.0]];

struct Run<'a> {
    cells: &'a Arc<Cells>,
    shape: Shape,
    first_replica: u32,
    aggregate: bool,
    mean: f32,
}

impl Run<'_> {
    fn new_cpu(&self) -> Cpu {
        let cells = Arc::clone(self.cells);
        let stream = Stream::new(SEED);
        let mut cpu = Cpu::new(
            self.shape,
            self.first_replica,
            stream,
            cells,
            self.aggregate,
        );
        cpu.write(&vec![0.45; self.shape.cells()]).unwrap();
        cpu
    }

    /// Three steps of trains for `replicas` replicas, of which `replica` is taken if it is given; as trains, or as a dense request
    /// of their coincidences.
    fn left(&self, mut cpu: Cpu, replicas: usize, replica: Option<usize>, dense: bool) -> Left {
        let (rows, columns) = (self.shape.rows, self.shape.columns);
        let p = (self.mean / 31.0).sqrt();
        for step in 0..3 {
            let pick = |(signs, bits): (StackVector, Vec<u32>)| match replica {
                None => (signs, bits),
                Some(r) => {
                    let mut one = StackVector::zeros(signs.len(), 1);
                    let every = signs.all()[r..].iter().step_by(replicas);
                    one.all_mut()
                        .iter_mut()
                        .zip(every)
                        .for_each(|(o, s)| *o = *s);
                    (one, bits[r..].iter().step_by(replicas).copied().collect())
                }
            };
            let (x, row_bits) = pick(trains(step, 1, p, rows, replicas));
            let (d, column_bits) = pick(trains(step, 2, p, columns, replicas));
            let width = x.width();
            if dense {
                let mut counts = StackVector::zeros(rows * columns, width);
                for (k, n) in counts.all_mut().iter_mut().enumerate() {
                    let (cell, r) = (k / width, k % width);
                    let (row, column) = (cell / columns * width + r, cell % columns * width + r);
                    let meet = (row_bits[row] & column_bits[column]).count_ones() as f32;
                    *n = meet * (x.all()[row] * d.all()[column]).signum();
                }
                let request = Request::Dense(&counts);
                cpu.pulse(step, &request, Counting::Deterministic).unwrap();
            } else {
                let request = Request::Trains {
                    rows: &x,
                    columns: &d,
                    row_bits: &row_bits,
                    column_bits: &column_bits,
                };
                cpu.pulse(step, &request, Counting::Deterministic).unwrap();
            }
        }
        left(&mut cpu)
    }
}

fn each(check: impl Fn(&Run, &str)) {
    for name in LAWS {
        for (k, (rows, columns)) in SHAPES.into_iter().enumerate() {
            let noise = NOISES[k % NOISES.len()];
            for (places, write_noise) in [(&[0, 1, 2, 3][..], 0.0), (&[][..], 0.5), (&[0], 0.5)] {
                let cells = cells(name, places, rows * columns, noise, write_noise);
                for mean in MEANS {
                    for aggregate in [true, false] {
                        let run = Run {
                            cells: &cells,
                            shape: Shape {
                                replicas: 1,
                                rows,
                                columns,
                            },
                            first_replica: 3,
                            aggregate,
                            mean,
                        };
                        let what =
                            format!("{name} {rows} × {columns}, {places:?}, {mean}, {aggregate}");
                        check(&run, &what);
                    }
                }
            }
        }
    }
}

/// Trains, whose rows may be gathered, against dense requests of the same counts, which never are.
#[test]
fn gathered_cells_are_updated_as_whole_rows() {
    each(|run, what| {
        let trains = run.left(run.new_cpu(), 1, None, false);
        let dense = run.left(run.new_cpu(), 1, None, true);
        assert!(trains == dense, "{what}");
    });
}

/// No instruction of the processor changes a bit.
#[test]
fn scalar_and_vector_instructions_agree() {
    each(|run, what| {
        let best = run.left(run.new_cpu(), 1, None, false);
        let scalar = run.new_cpu().with_arch(Arch::Scalar);
        assert!(best == run.left(scalar, 1, None, false), "{what}");
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            let avx2 = run.new_cpu().with_arch(Arch::V3(v3));
            assert!(best == run.left(avx2, 1, None, false), "{what}, AVX2");
        }
    });
}

/// Samples of a read: enough that threads share it.
const SAMPLES: usize = 128;

fn voltages(rows: usize, samples: usize) -> StackVector {
    let mut voltages = StackVector::zeros(rows, samples);
    for (i, v) in voltages.all_mut().iter_mut().enumerate() {
        *v = (i % 23) as f32 / 23.0 - 0.5;
    }
    voltages
}

/// An array that is large enough for several threads, which update and read bands of its rows.
#[test]
fn the_number_of_threads_changes_no_bit() {
    let (rows, columns) = (301, 230);
    let cells = cells(
        "soft-bounds",
        &[0, 1, 2, 3],
        rows * columns,
        [0.0, 0.4],
        0.5,
    );
    let voltages = voltages(rows, SAMPLES);
    for mean in MEANS {
        let run = Run {
            cells: &cells,
            shape: Shape {
                replicas: 1,
                rows,
                columns,
            },
            first_replica: 3,
            aggregate: true,
            mean,
        };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let updated = run.left(run.new_cpu(), 1, None, false);
                let mut currents = StackVector::zeros(columns, SAMPLES);
                let mut cpu = run.new_cpu();
                cpu.multiply(&voltages, ReadNoise::NONE, &mut currents)
                    .unwrap();
                (updated, currents)
            })
        };
        let one = with(1);
        for threads in [2, 3, 5] {
            assert!(with(threads) == one, "{threads} threads, {mean}");
        }
    }
}

/// A cell of many pulses among cells of few: their loop is a longer one, their numbers are the same. Bands against the whole array,
/// and a replica alone against a stack, across cells and along replicas.
#[test]
fn a_long_train_changes_no_bit_of_the_others() {
    for name in ["soft-bounds", "exp-step"] {
        for noise in NOISES {
            for (rows, columns, others) in [
                (301, 230, &[(1, 1), (3, 1), (1, 18)][..]),
                (20, 15, &[(1, 1), (1, 18), (1, 70)]),
            ] {
                let cells = cells(name, &[0, 1], rows * columns, noise, 0.0);
                let long = rows * columns / 3;
                let run = |threads: usize, replicas: usize, most: f32| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                    pool.build().unwrap().install(|| {
                        let shape = Shape {
                            replicas,
                            rows,
                            columns,
                        };
                        let stream = Stream::new(SEED);
                        let mut cpu = Cpu::new(shape, 0, stream, Arc::clone(&cells), true);
                        cpu.write(&vec![0.45; shape.cells()]).unwrap();
                        let mut counts = StackVector::zeros(shape.cells(), replicas);
                        for (k, n) in counts.all_mut().iter_mut().enumerate() {
                            *n = (k / replicas % 13) as f32 - 4.0;
                        }
                        counts.lanes_mut(long)[0] = most;
                        let request = Request::Dense(&counts);
                        cpu.pulse(7, &request, Counting::Deterministic).unwrap();
                        let mut states = left(&mut cpu).0;
                        states.drain(long * replicas..(long + 1) * replicas);
                        let first: Vec<u32> = states.into_iter().step_by(replicas).collect();
                        first
                    })
                };
                let short = run(1, 1, 3.0);
                for &(threads, replicas) in others {
                    let found = run(threads, replicas, 40.0);
                    assert!(found == short, "{name}, {noise:?}, {threads}, {replicas}");
                }
            }
        }
    }
}

/// Reads of many samples that are cut into pieces: few outputs, and more inputs than a block of a matrix product.
#[test]
fn the_number_of_threads_changes_no_bit_of_a_read() {
    let (rows, columns) = (20_000, 5);
    let cells = cells("constant-step", &[], rows * columns, [0.0, 0.0], 0.0);
    let voltages = voltages(rows, SAMPLES);
    let read = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let shape = Shape {
                replicas: 1,
                rows,
                columns,
            };
            let mut cpu = Cpu::new(shape, 0, Stream::new(SEED), Arc::clone(&cells), true);
            let positions: Vec<f64> = (0..shape.cells()).map(|k| (k % 97) as f64 / 97.0).collect();
            cpu.write(&positions).unwrap();
            let mut currents = StackVector::zeros(columns, SAMPLES);
            cpu.multiply(&voltages, ReadNoise::NONE, &mut currents)
                .unwrap();
            currents
        })
    };
    let one = read(1);
    for threads in [2, 3] {
        assert!(read(threads) == one, "{threads} threads");
    }
}

/// A replica alone, across its cells, against the same replica in a stack, along replicas or among few.
#[test]
fn a_replica_alone_is_the_replica_of_a_stack() {
    for replicas in [3, 18, 66] {
        each(|run, what| {
            // Large stacks of small arrays: more would take long and go the same way.
            if replicas > 18 && run.shape.cells() > 630 {
                return;
            }
            let stack = Run {
                shape: Shape {
                    replicas,
                    ..run.shape
                },
                ..*run
            };
            let (states, seen, _) = stack.left(stack.new_cpu(), replicas, None, false);
            let replica = replicas - 1;
            let alone = Run {
                first_replica: run.first_replica + replica as u32,
                ..*run
            };
            let found = alone.left(alone.new_cpu(), replicas, Some(replica), false);
            let of = |all: &[u32]| -> Vec<u32> {
                all[replica..].iter().step_by(replicas).copied().collect()
            };
            assert!(found.0 == of(&states) && found.1 == of(&seen), "{what}");
        });
    }
}

/// Mean and its standard error.
fn mean_and_error(sample: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = sample.clone().count() as f64;
    let mean = sample.clone().sum::<f64>() / n;
    let square = sample.map(|x| (x - mean).powi(2)).sum::<f64>();
    (mean, (square / (n * (n - 1.0))).sqrt())
}

/// Expanded trains against single pulses: two samples of 2·10⁴ states after 12 pulses. Kolmogorov–Smirnov at α = 1e-3
/// (1.9495 √(2/n)); four moments of the standardised states within five standard errors of the difference (α = 6e-7 each).
#[test]
fn expanded_trains_are_distributed_as_single_pulses() {
    const N: usize = 20_000;
    let devices: [(&str, &[f64]); 2] = [
        (
            "exp-step",
            &[1e-3, 0.0, 1.0, 0.1, 1.0, 0.1, 5.0, 1.0, 0.9, 3.0],
        ),
        ("power-step", &[2e-3, -0.3, 1.3, 0.5, 1.5, 2.0]),
    ];
    for (name, p) in devices {
        let law = laws().into_iter().find(|l| l.name() == name).unwrap();
        let noise = CycleNoise::new(0.0, 0.3);
        let cells = Cells::new(law, WINDOW, noise, 0.0, false, p.to_vec(), p.repeat(N));
        assert!(cells.longest_train() >= 4, "{}", cells.longest_train());
        let cells = Arc::new(cells);
        for (polarity, start) in [(1.0, 0.2), (-1.0, 0.9)] {
            let run = |aggregate, seed| {
                let shape = Shape {
                    replicas: 1,
                    rows: 1,
                    columns: N,
                };
                let mut cpu = Cpu::new(shape, 0, Stream::new(seed), Arc::clone(&cells), aggregate);
                cpu.write(&vec![start; N]).unwrap();
                let mut request = StackVector::zeros(N, 1);
                request.fill(12.0 * polarity);
                let request = Request::Dense(&request);
                cpu.pulse(0, &request, Counting::Deterministic).unwrap();
                let mut states = StackVector::zeros(N, 1);
                cpu.inspect(&mut states).unwrap();
                let mut states: Vec<f64> = states.all().iter().map(|&s| f64::from(s)).collect();
                states.sort_by(f64::total_cmp);
                states
            };
            let (a, b) = (run(true, 5), run(false, 6));
            let what = format!("{name} {polarity}");
            let (mut i, mut j, mut distance) = (0, 0, 0.0_f64);
            while i < N && j < N {
                let x = a[i].min(b[j]);
                while i < N && a[i] <= x {
                    i += 1;
                }
                while j < N && b[j] <= x {
                    j += 1;
                }
                distance = distance.max((i as f64 - j as f64).abs() / N as f64);
            }
            assert!(
                distance < 1.9495 * (2.0 / N as f64).sqrt(),
                "{what}: {distance}"
            );
            let (mean, error) = mean_and_error(b.iter().copied());
            let deviation = error * (N as f64).sqrt();
            for power in 1..=4 {
                let moment = |sample: &[f64]| {
                    let z: Vec<f64> = sample
                        .iter()
                        .map(|s| ((s - mean) / deviation).powi(power))
                        .collect();
                    mean_and_error(z.into_iter())
                };
                let ((ma, ea), (mb, eb)) = (moment(&a), moment(&b));
                assert!(
                    (ma - mb).abs() < 5.0 * ea.hypot(eb),
                    "{what}, moment {power}: {ma} {mb}"
                );
            }
        }
    }
}
