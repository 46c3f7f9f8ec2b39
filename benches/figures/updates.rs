//! Pulsed updates: one large array, and the training loop of a study.

use std::path::Path;
use std::sync::Arc;

use criterion::{Bencher, Criterion, Throughput};
use memridge::backend::{Backend, Cpu, Request, Shape, StackVector};
use memridge::crossbar::Crossbar;
use memridge::device::{Counting, load_device};
use memridge::number::{Coordinates, Purpose, Stream};
use memridge::study::{Overrides, Prepared, Study};
use memridge::training::train;
use pulp::Arch;
use rayon::prelude::*;

use super::limits::{COPIED, SIDE};
use super::table::{Figure, Limit};

const CELLS: usize = SIDE * SIDE;

/// Length of the bit trains.
const BITS: u32 = 31;

/// Samples that the benchmark goes through.
const SAMPLES: u32 = 8;

/// Mean coincidences a cell and sample, and the limits in nanoseconds a cell.
const DENSITIES: [(&str, f64, f64); 3] = [
    ("2.5", 2.5, 3.0),
    ("0.25", 0.25, 0.7),
    ("0.025", 0.025, 0.35),
];

/// Steps of the study's training loop, and its replicas.
const STEPS: u32 = 500;
const REPLICAS: usize = 300;

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Trains of one sample: rows and columns with inputs and errors uniform in (-1, 1) and bits of probability `scale · |value|`.
struct Sample {
    rows: StackVector,
    columns: StackVector,
    row_bits: Vec<u32>,
    column_bits: Vec<u32>,
}

impl Sample {
    fn new(step: u32, scale: f32) -> Self {
        let stream = Stream::new(3);
        let draw = |purpose, index, cell| {
            let at = Coordinates {
                step,
                cell,
                replica: 0,
                purpose,
                index,
            };
            stream.uniform(at)
        };
        let line = |purpose| {
            let mut values = StackVector::zeros(SIDE, 1);
            let mut trains = vec![0; SIDE];
            for (i, v) in (0..).zip(values.all_mut()) {
                *v = 2.0 * draw(purpose, BITS, i) - 1.0;
                for bit in 0..BITS {
                    trains[i as usize] |= u32::from(draw(purpose, bit, i) < scale * v.abs()) << bit;
                }
            }
            (values, trains)
        };
        let (rows, row_bits) = line(Purpose::RowTrain);
        let (mut columns, column_bits) = line(Purpose::ColumnTrain);
        // Every second sample the other way, so that states stay where they are.
        if step % 2 == 1 {
            columns.all_mut().iter_mut().for_each(|d| *d = -*d);
        }
        Self {
            rows,
            columns,
            row_bits,
            column_bits,
        }
    }

    fn request(&self) -> Request<'_> {
        Request::Trains {
            rows: &self.rows,
            columns: &self.columns,
            row_bits: &self.row_bits,
            column_bits: &self.column_bits,
        }
    }
}

/// One array of a device, pulsed sample by sample.
fn array(device: &str, aggregate: bool, arch: Arch) -> Cpu {
    let device = load_device(device, manifest()).expect("a valid device");
    let cells = Arc::new(device.cells(CELLS, 1).expect("physical cells"));
    let shape = Shape {
        replicas: 1,
        rows: SIDE,
        columns: SIDE,
    };
    let mut stack = Cpu::new(shape, 0, Stream::new(1), cells, aggregate).with_arch(arch);
    stack
        .write(&vec![0.5; CELLS])
        .expect("the CPU does not fail");
    stack
}

/// The best instructions of this processor, and those of AVX2 where it has longer vectors too.
fn archs() -> Vec<(&'static str, Arch)> {
    let best = Arch::new();
    #[cfg(target_arch = "x86_64")]
    if let (Arch::V4(_), Some(avx2)) = (best, pulp::x86::V3::try_new()) {
        return vec![("", best), ("-avx2", Arch::V3(avx2))];
    }
    vec![("", best)]
}

/// Names, device files, whether pulses are aggregated, and the limit relative to that of aggregated soft bounds at the densities.
const UPDATES: [(&str, &str, bool); 3] = [
    ("soft-bounds", "benches/figures/soft-bounds.toml", true),
    (
        "soft-bounds-pulse-by-pulse",
        "benches/figures/soft-bounds.toml",
        false,
    ),
    ("exp-step", "benches/figures/exp-step.toml", true),
];

/// Trains of all samples with so many coincidences a cell.
fn samples(mean: f64) -> Vec<Sample> {
    let scale = (4.0 * mean / f64::from(BITS)).sqrt() as f32;
    (0..SAMPLES).map(|s| Sample::new(s, scale)).collect()
}

/// Pulses the array by one sample after the other.
fn go_through(b: &mut Bencher, stack: &mut Cpu, samples: &[Sample]) {
    let mut step = 0;
    b.iter(|| {
        step += 1;
        let request = samples[(step % SAMPLES) as usize].request();
        stack.pulse(step, &request, Counting::Expected)
    });
}

/// A pool of so many threads.
pub fn pool(threads: usize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("threads to run on")
}

/// Updates of one `SIDE` × `SIDE` array on one core and on all of them, and the training loop of the diabetes study.
pub fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("updates");
    group.throughput(Throughput::Elements(CELLS as u64));
    for (arch_name, arch) in archs() {
        for (name, device, aggregate) in UPDATES {
            let mut stack = pool(1).install(|| array(device, aggregate, arch));
            for (label, mean, _) in DENSITIES {
                let samples = samples(mean);
                group.bench_function(format!("{name}-{label}{arch_name}"), |b| {
                    go_through(b, &mut stack, &samples);
                });
            }
        }
    }
    let all = pool(cores());
    let (name, device, aggregate) = UPDATES[0];
    let mut stack = all.install(|| array(device, aggregate, Arch::new()));
    for (label, mean, _) in DENSITIES {
        let samples = samples(mean);
        group.bench_function(format!("{name}-{label}-all-cores"), |b| {
            all.install(|| go_through(b, &mut stack, &samples));
        });
    }
    group.finish();
    study(c);
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// The training loop of one sweep point alone: one stack on one core, and one stack for each core.
fn study(c: &mut Criterion) {
    let path = manifest().join("experiments/implicit-l2/diabetes.toml");
    let study = Study::read(&path, &Overrides::default()).expect("the shipped study is valid");
    let mut settings = study.points[1].clone();
    settings.training.steps = STEPS;
    let point = Prepared::new(settings).expect("the shipped study predicts");
    let stack = |point: &Prepared, first: usize, replicas: usize| {
        let mut array = Crossbar::new(&point.plan, first, replicas).expect("room for a stack");
        array.write(0, &[0.0; 10]).expect("the CPU does not fail");
        let (task, training) = (&point.material.task, &point.settings.training);
        let stream = &point.plan.stream;
        train(
            task,
            training,
            0..training.steps,
            stream,
            0,
            &mut array,
            &mut (),
            &|_| (),
        )
    };
    let mut group = c.benchmark_group("study");
    let work = u64::from(STEPS) * 10 * REPLICAS as u64;
    group.throughput(Throughput::Elements(work));
    group.bench_function("diabetes", |b| b.iter(|| stack(&point, 0, REPLICAS)));
    // What one person trains: one array, a sample at a time.
    let mut settings = point.settings.clone();
    settings.training.counting = Counting::Coincidence {
        bits: BITS,
        update_management: true,
        length_management: false,
    };
    let alone = Prepared::new(settings).expect("the study predicts with trains too");
    group.throughput(Throughput::Elements(u64::from(STEPS)));
    group.bench_function("diabetes-one-array", |b| b.iter(|| stack(&alone, 0, 1)));
    let cores = cores();
    group.throughput(Throughput::Elements(work * cores as u64));
    group.bench_function("diabetes-all-cores", |b| {
        let stacks: Vec<usize> = (0..cores).map(|k| k * REPLICAS).collect();
        b.iter(|| {
            stacks
                .par_iter()
                .map(|&first| stack(&point, first, REPLICAS))
                .collect::<Vec<_>>()
        });
    });
    group.finish();
}

/// Updates beside their limits, and beside the time in which their bytes could be copied.
pub fn figures() -> Vec<Figure> {
    let work = (CELLS as f64, "cell and sample");
    let mut out = Vec::new();
    for (arch, _) in archs() {
        for (name, _, _) in UPDATES {
            for (label, _, target) in DENSITIES {
                let target = match name {
                    "exp-step" => 5.0 / 3.0 * target,
                    "soft-bounds-pulse-by-pulse" => 4.0 * target,
                    _ => target,
                };
                out.push(Figure {
                    id: format!("updates/{name}-{label}{arch}"),
                    work,
                    limit: Some((Limit::Target(target), 0.0, "the goal")),
                });
            }
        }
    }
    // State read and written, four parameters read: 24 bytes a cell.
    out.push(Figure {
        id: "updates/soft-bounds-2.5".into(),
        work,
        limit: Some((
            Limit::Rate("limits/copy", 8.0 * COPIED as f64),
            24.0 * CELLS as f64,
            "copying its bytes",
        )),
    });
    let cores = cores() as f64;
    for (one, all) in [
        (
            "updates/soft-bounds-2.5",
            "updates/soft-bounds-2.5-all-cores",
        ),
        (
            "updates/soft-bounds-0.25",
            "updates/soft-bounds-0.25-all-cores",
        ),
        (
            "updates/soft-bounds-0.025",
            "updates/soft-bounds-0.025-all-cores",
        ),
    ] {
        out.push(Figure {
            id: all.into(),
            work,
            limit: Some((Limit::Rate(one, cores), 1.0, "one core, over cores")),
        });
    }
    let work = f64::from(STEPS) * 10.0 * REPLICAS as f64;
    let unit = "cell and sample";
    out.push(Figure {
        id: "study/diabetes".into(),
        work: (work, unit),
        limit: Some((Limit::Target(10.0), 0.0, "1e8 a second and core")),
    });
    out.push(Figure {
        id: "study/diabetes-one-array".into(),
        work: (f64::from(STEPS), "sample"),
        limit: None,
    });
    out.push(Figure {
        id: "study/diabetes-all-cores".into(),
        work: (work * cores, unit),
        limit: Some((
            Limit::Rate("study/diabetes", 1.0),
            1.0,
            "one core, over cores",
        )),
    });
    out
}
