//! Products through the periphery against ideal ones and plain matrix products of the same size: `cargo bench --bench periphery`. One
//! thread, one crossbar with a reference column, 7 bits of inputs, 9 of outputs, output noise, inputs scaled to the largest; the same through
//! wires of 1 ohm a segment, whose effective matrix is kept between writes.
//!
//! The table at the end has medians over rounds in which all take turns, and the quartiles of the ratios of one round: the load
//! of a machine that others use too changes all alike.

#[path = "figures/table.rs"]
#[expect(
    dead_code,
    reason = "only the folder; the table here has other columns"
)]
mod table;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use memridge::backend::{Place, StackVector};
use memridge::crossbar::{
    Adc, AdcKind, ArrayModel, BoundManagement, Crossbar, Dac, Errors, Layout, Mapping,
    NoiseManagement, Periphery, Plan, Resolution, Rounding, Synapses, WeightMap, Wires,
};
use memridge::device::load_device;
use memridge::number::Stream;

/// 7-bit DAC, 9-bit ADC, abs-max.
fn usual() -> Periphery {
    Periphery {
        dac: Dac {
            resolution: Resolution::bits(7),
            range: Some(1.0),
            ..Dac::default()
        },
        adc: Adc {
            kind: AdcKind::Uniform {
                resolution: Resolution::bits(9).expect("9 bits"),
                rounding: Rounding::Nearest,
            },
            range: Some(12.0),
            errors: Errors::default(),
        },
        noise_management: NoiseManagement::AbsMax,
        bound_management: BoundManagement::None,
    }
}

fn crossbar(size: usize, noise: f64, periphery: Periphery, wires: Option<Wires>) -> Crossbar {
    let device = load_device("ideal/soft-bounds", ".".as_ref()).expect("in the library");
    let cells = device.cells(size * size, 1).expect("physical cells");
    let plan = Plan {
        model: ArrayModel {
            cells: Arc::new(cells),
            map: WeightMap::new(Mapping::ReferenceColumn, 0.5, 2.0, size, size),
        },
        read_noise: noise,
        periphery,
        wires,
        layout: Layout::default(),
        refresh: None,
        aggregate: true,
        stream: Stream::new(1),
        place: Place::Cpu,
    };
    let mut crossbar = Crossbar::new(&plan, 0, 1).expect("room for the states");
    let weights: Vec<f64> = (0..size * size)
        .map(|k| (k as f64 * 0.618_034).fract() - 0.5)
        .collect();
    crossbar.write(0, &weights).expect("the CPU answers");
    crossbar
}

/// What is timed of one size, each with its own data.
struct Case<'a> {
    size: usize,
    batch: usize,
    matrix: Vec<f32>,
    x: StackVector,
    y: StackVector,
    arrays: &'a mut [Crossbar],
    step: u32,
}

impl<'a> Case<'a> {
    fn new(size: usize, batch: usize, arrays: &'a mut [Crossbar]) -> Self {
        let mut x = StackVector::zeros(size, batch);
        for (i, x) in x.all_mut().iter_mut().enumerate() {
            *x = (i as f32 * 0.754_877).fract() - 0.5;
        }
        Self {
            size,
            batch,
            matrix: (0..size * size)
                .map(|k| (k as f32 * 0.618_034).fract() - 0.5)
                .collect(),
            x,
            y: StackVector::zeros(size, batch),
            arrays,
            step: 0,
        }
    }

    /// One product: 0 plain, 1 ideal, 2 through converters, 3 through wires too.
    fn run(&mut self, kind: usize) {
        if kind == 0 {
            let n = self.size;
            let matrix = MatRef::from_row_major_slice(&self.matrix, n, n).transpose();
            let x = MatRef::from_row_major_slice(black_box(self.x.all()), n, self.batch);
            let y = MatMut::from_row_major_slice_mut(self.y.all_mut(), n, self.batch);
            matmul(y, Accum::Replace, matrix, x, 1.0, Par::Seq);
        } else {
            self.step = self.step.wrapping_add(self.batch as u32);
            self.arrays[kind - 1]
                .multiply(self.step, black_box(&self.x), &mut self.y)
                .expect("the CPU answers");
        }
        black_box(&self.y);
    }

    fn time(&mut self, kind: usize, iterations: u32) -> f64 {
        let start = Instant::now();
        (0..iterations).for_each(|_| self.run(kind));
        start.elapsed().as_secs_f64() / f64::from(iterations)
    }
}

const NAMES: [&str; 4] = ["plain", "ideal", "converters", "wires"];

/// The largest array whose effective matrix is computed here.
const MOST_WIRED: usize = 512;

/// Rounds of the table.
const ROUNDS: usize = 41;

fn main() {
    let mut c = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_millis(500))
        .warm_up_time(Duration::from_millis(100))
        .output_directory(&table::folder())
        .configure_from_args();
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .expect("nothing has made a pool before");
    let mut rows = Vec::new();
    for size in [128, 512, 1024] {
        let mut arrays = vec![
            crossbar(size, 0.0, Periphery::default(), None),
            crossbar(size, 0.06, usual(), None),
        ];
        if size <= MOST_WIRED {
            arrays.push(crossbar(size, 0.06, usual(), Some(Wires::new(1.0, 1.0))));
        }
        for batch in [1, 64, 256] {
            let mut case = Case::new(size, batch, &mut arrays);
            let mut group = c.benchmark_group(format!("periphery/{size}x{batch}"));
            let kinds = 1 + case.arrays.len();
            for (kind, name) in NAMES.into_iter().enumerate().take(kinds) {
                group.bench_function(name, |b| b.iter(|| case.run(kind)));
            }
            group.finish();
            let once = case.time(0, 3).max(1e-7);
            let iterations = (2e-3 / once).ceil() as u32;
            let mut time = |kind| match kind < kinds {
                true => case.time(kind, iterations),
                false => f64::NAN,
            };
            let rounds: Vec<[f64; 4]> = (0..ROUNDS)
                .map(|_| std::array::from_fn(&mut time))
                .collect();
            rows.push((size, batch, rounds));
        }
    }
    c.final_summary();
    println!(
        "\n| size | batch | plain, µs | ideal | quartiles | converters | quartiles | wires | quartiles |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (size, batch, rounds) in rows {
        let quartiles = |f: &dyn Fn(&[f64; 4]) -> f64| -> [f64; 3] {
            let mut all: Vec<f64> = rounds.iter().map(f).collect();
            all.sort_by(f64::total_cmp);
            [1, 2, 3].map(|q| all[q * (all.len() - 1) / 4])
        };
        let plain = quartiles(&|r| 1e6 * r[0])[1];
        let ratios = [1, 2, 3].map(|k| {
            let [low, middle, high] = quartiles(&|r| r[k] / r[0]);
            match middle.is_finite() {
                true => format!("{middle:.2} | {low:.2}–{high:.2}"),
                false => "– | –".to_owned(),
            }
        });
        println!("| {size} | {batch} | {plain:.1} | {} |", ratios.join(" | "));
    }
}
