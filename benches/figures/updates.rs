//! Pulsed updates: one large array, and the training loop of a study.

use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use memridge::backend::{Backend, Place, Request, Shape, StackVector};
use memridge::crossbar::Crossbar;
use memridge::device::{Counting, load_device};
use memridge::number::{Coordinates, Purpose, Stream};
use memridge::study::{Overrides, Prepared, Study};
use memridge::training::train;

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
pub fn array(device: &str, aggregate: bool, place: &Place) -> Box<dyn Backend> {
    let device = load_device(device, manifest()).expect("a valid device");
    let cells = Arc::new(device.cells(CELLS, 1).expect("physical cells"));
    let shape = Shape {
        replicas: 1,
        rows: SIDE,
        columns: SIDE,
    };
    let mut stack = place
        .stack(shape, 0, Stream::new(1), cells, aggregate)
        .expect("room for one array");
    stack
        .write(&vec![0.5; CELLS])
        .expect("a backend that works");
    stack
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

/// Updates of one `SIDE` × `SIDE` array, and the training loop of the diabetes study.
pub fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("updates");
    group.throughput(Throughput::Elements(CELLS as u64));
    for (name, device, aggregate) in UPDATES {
        let mut stack = array(device, aggregate, &Place::Cpu);
        for (label, mean, _) in DENSITIES {
            let scale = (4.0 * mean / f64::from(BITS)).sqrt() as f32;
            let samples: Vec<Sample> = (0..SAMPLES).map(|s| Sample::new(s, scale)).collect();
            let mut step = 0;
            group.bench_function(format!("{name}-{label}"), |b| {
                b.iter(|| {
                    step += 1;
                    let request = samples[(step % SAMPLES) as usize].request();
                    stack.pulse(step, &request, Counting::Expected)
                });
            });
        }
    }
    group.finish();
    study(c);
}

/// The training loop of the first sweep points alone, on one core.
fn study(c: &mut Criterion) {
    let path = manifest().join("experiments/implicit-l2/diabetes.toml");
    let study = Study::read(&path, &Overrides::default()).expect("the shipped study is valid");
    let mut settings = study.points[1].clone();
    settings.training.steps = STEPS;
    let point = Prepared::new(settings).expect("the shipped study predicts");
    let mut group = c.benchmark_group("study");
    group.throughput(Throughput::Elements(
        u64::from(STEPS) * 10 * REPLICAS as u64,
    ));
    group.bench_function("diabetes", |b| {
        b.iter(|| {
            let mut array = Crossbar::new(&point.plan, 0, REPLICAS).expect("room for a stack");
            array.write(&[0.0; 10]).expect("the CPU does not fail");
            let (task, training) = (&point.material.task, &point.settings.training);
            train(
                task,
                training,
                &point.plan.stream,
                0,
                &mut array,
                &mut (),
                &|_| (),
            )
        });
    });
    group.finish();
}

/// Updates beside their limits, and beside the time in which their bytes could be copied.
pub fn figures() -> Vec<Figure> {
    let work = (CELLS as f64, "cell and sample");
    let mut out = Vec::new();
    for (name, _, _) in UPDATES {
        for (label, _, target) in DENSITIES {
            let target = match name {
                "exp-step" => 5.0 / 3.0 * target,
                "soft-bounds-pulse-by-pulse" => 4.0 * target,
                _ => target,
            };
            out.push(Figure {
                id: format!("updates/{name}-{label}"),
                work,
                limit: Some((Limit::Target(target), 0.0, "the goal")),
            });
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
    out.push(Figure {
        id: "study/diabetes".into(),
        work: (f64::from(STEPS) * 10.0 * REPLICAS as f64, "cell and sample"),
        limit: Some((Limit::Target(10.0), 0.0, "1e8 a second and core")),
    });
    out
}
