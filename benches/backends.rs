//! The GPU against the CPU on the same operations: `cargo bench --bench backends`. `experiments/gpu.md` says what to do with the
//! table that it prints.
//!
//! An operation that gives nothing back is timed in rows of many, with one wait at the end: that is how training uses it.

#[path = "figures/table.rs"]
#[expect(
    dead_code,
    reason = "only the medians; the table here has other columns"
)]
mod table;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use memridge::backend::{
    Backend, Choice, Gpu, GpuStack, Place, ReadNoise, Request, Shape, StackVector,
};
use memridge::device::{Cells, Counting, Retention, load_device};
use memridge::number::Stream;

/// What is measured of one stack.
#[derive(Debug, Clone, Copy)]
enum Operation {
    /// States read and written once: the device's own limit of bandwidth.
    Relax,
    /// Rank-one updates, stochastically rounded, about one pulse a cell.
    Pulse,
    /// The same, pulse by pulse.
    SinglePulses,
    /// One voltage vector a replica.
    Read,
    /// The same backwards.
    ReadTransposed,
    /// 256 voltage vectors.
    ReadMany,
}

impl Operation {
    const ALL: [Self; 6] = [
        Self::Relax,
        Self::Pulse,
        Self::SinglePulses,
        Self::Read,
        Self::ReadTransposed,
        Self::ReadMany,
    ];

    fn samples(self) -> usize {
        if matches!(self, Self::ReadMany) {
            256
        } else {
            1
        }
    }

    /// Bytes that must move between memory and processor, and floating-point operations that must be done, for one state.
    fn work(self) -> (f64, f64) {
        match self {
            Self::Relax => (8.0, 3.0),
            // Random numbers are integers; their arithmetic is not counted.
            Self::Pulse | Self::SinglePulses => (8.0, 0.0),
            Self::Read | Self::ReadTransposed => (4.0, 2.0),
            Self::ReadMany => (4.0, 2.0 * 256.0),
        }
    }
}

fn cells(count: usize) -> Arc<Cells> {
    let device = load_device("reram/gong2018-soft-bounds", ".".as_ref()).expect("in the library");
    let cells = device.cells(count, 1).expect("physical cells");
    Arc::new(cells.with_retention(Retention {
        rest: 0.5,
        // So much is lost in a second that no random number is drawn: a stream of states alone.
        lifetime: 10.0,
    }))
}

/// Time of `iterations` operations and of the wait for the last.
fn time(stack: &mut dyn Backend, operation: Operation, iterations: u64) -> Duration {
    let Shape {
        replicas,
        rows,
        columns,
    } = stack.shape();
    let filled = |len: usize, width: usize| {
        let mut v = StackVector::zeros(len, width);
        for (i, v) in v.all_mut().iter_mut().enumerate() {
            *v = (i % 17) as f32 / 8.0 - 1.0;
        }
        v
    };
    let (x, d) = (filled(rows, replicas), filled(columns, replicas));
    let lanes = replicas * operation.samples();
    let (inputs, outputs) = match operation {
        Operation::ReadTransposed => (columns, rows),
        _ => (rows, columns),
    };
    let voltages = filled(inputs, lanes);
    let mut currents = StackVector::zeros(outputs, lanes);
    let mut run = |stack: &mut dyn Backend, step: u32| match operation {
        Operation::Relax => stack.relax(step, 1.0),
        Operation::Pulse | Operation::SinglePulses => {
            let request = Request::Outer {
                rows: &x,
                columns: &d,
            };
            stack.pulse(step, &request, Counting::StochasticRounding)
        }
        Operation::Read | Operation::ReadMany => {
            stack.multiply(black_box(&voltages), ReadNoise::NONE, &mut currents)
        }
        Operation::ReadTransposed => {
            stack.multiply_transposed(black_box(&voltages), ReadNoise::NONE, &mut currents)
        }
    };
    run(stack, 0)
        .and_then(|()| stack.pulses())
        .expect("the device answers");
    let start = Instant::now();
    for step in 0..iterations {
        run(stack, step as u32).expect("the device answers");
    }
    black_box(stack.pulses().expect("the device answers"));
    start.elapsed()
}

fn main() {
    let gpu = match Gpu::open(&Choice::Any) {
        Ok(gpu) => gpu,
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1);
        }
    };
    let summary = gpu.summary().clone();
    // A software driver only shows that nothing is slow by accident.
    let shapes: &[(usize, usize, usize)] = if summary.is_hardware() {
        &[(1, 4096, 4096), (64, 512, 512), (4096, 20, 2)]
    } else {
        &[(1, 256, 256), (16, 64, 64), (512, 20, 2)]
    };
    let mut c = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300))
        .output_directory(&table::folder())
        .configure_from_args();
    let mut rows = Vec::new();
    for &(replicas, rows_of_array, columns) in shapes {
        let shape = Shape {
            replicas,
            rows: rows_of_array,
            columns,
        };
        let cells = cells(shape.cells());
        for operation in Operation::ALL {
            let aggregate = !matches!(operation, Operation::SinglePulses);
            let group = format!("backends/{replicas}x{rows_of_array}x{columns}");
            let mut measure = |name: &str, mut stack: Box<dyn Backend>| {
                stack
                    .write(&vec![0.5; shape.cells()])
                    .expect("the device answers");
                c.benchmark_group(&group)
                    .bench_function(format!("{operation:?}-{name}"), |b| {
                        b.iter_custom(|n| time(&mut *stack, operation, n));
                    });
            };
            let stream = Stream::new(1);
            let cpu = Place::Cpu.stack(shape, 0, stream, Arc::clone(&cells), aggregate);
            measure("cpu", cpu.expect("room for the states"));
            let gpu = GpuStack::new(
                Arc::clone(&gpu),
                shape,
                0,
                stream,
                Arc::clone(&cells),
                aggregate,
            );
            measure("gpu", Box::new(gpu.expect("room for the states")));
            rows.push((group, operation, shape));
        }
    }
    c.final_summary();
    print(&summary.name, &rows);
}

/// The table of `experiments/gpu.md`.
fn print(adapter: &str, rows: &[(String, Operation, Shape)]) {
    // Criterion writes its folders with _ for /.
    let median = |group: &str, operation, name| {
        let id = format!("{}/{operation:?}-{name}", group.replace('/', "_"));
        Some(1e-9 * table::median(&id)?.0)
    };
    // The stream of states that went fastest stands for what the memory can do.
    let states = |shape: &Shape| (shape.cells() * shape.replicas) as f64;
    let bandwidth = |group: &str, operation: Operation, shape: &Shape| {
        Some(operation.work().0 * states(shape) / median(group, operation, "gpu")?)
    };
    let best = rows
        .iter()
        .filter(|(_, operation, _)| matches!(operation, Operation::Relax))
        .filter_map(|(group, operation, shape)| bandwidth(group, *operation, shape))
        .fold(0.0, f64::max);
    println!(
        "\n| adapter | operation | replicas × rows × columns | CPU, µs | GPU, µs | CPU/GPU | GB/s | of relax | GFLOP/s |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (group, operation, shape) in rows {
        let times = [
            median(group, *operation, "cpu"),
            median(group, *operation, "gpu"),
        ];
        let [Some(cpu), Some(gpu)] = times else {
            continue;
        };
        let (bytes, flops) = operation.work();
        let rate = bytes * states(shape) / gpu;
        println!(
            "| {adapter} | {operation:?} | {} × {} × {} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} | {:.1} |",
            shape.replicas,
            shape.rows,
            shape.columns,
            1e6 * cpu,
            1e6 * gpu,
            cpu / gpu,
            1e-9 * rate,
            rate / best,
            1e-9 * flops * states(shape) / gpu,
        );
    }
}
