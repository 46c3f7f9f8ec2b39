//! Reads of one array: forward, transposed, with noise, one sample and many.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use memridge::backend::{Place, ReadNoise, Shape, StackVector};
use memridge::device::load_device;
use memridge::number::Stream;

use super::limits::{BATCHES, SIDE};
use super::table::{Figure, Limit};
use super::updates::pool;

/// Reads of one `SIDE` × `SIDE` array.
pub fn measure(c: &mut Criterion) {
    let device = load_device("ideal/soft-bounds", ".".as_ref()).expect("a device of the library");
    let cells = Arc::new(device.cells(SIDE * SIDE, 1).expect("physical cells"));
    let shape = Shape {
        replicas: 1,
        rows: SIDE,
        columns: SIDE,
    };
    let mut stack = Place::Cpu
        .stack(shape, 0, Stream::new(1), cells, true)
        .expect("room for one array");
    stack
        .write(&vec![0.4; SIDE * SIDE])
        .expect("the CPU does not fail");
    let one = pool(1);
    let mut group = c.benchmark_group("reads");
    for batch in BATCHES {
        let mut voltages = StackVector::zeros(SIDE, batch);
        for (i, v) in voltages.all_mut().iter_mut().enumerate() {
            *v = (i % 17) as f32 / 17.0 - 0.5;
        }
        let mut currents = StackVector::zeros(SIDE, batch);
        let noisy = ReadNoise {
            step: 0,
            index: 0,
            deviation: 1e-6,
        };
        group.throughput(Throughput::Elements((SIDE * SIDE * batch) as u64));
        group.bench_function(format!("forward-{batch}"), |b| {
            let mut read = || stack.multiply(black_box(&voltages), ReadNoise::NONE, &mut currents);
            one.install(|| b.iter(&mut read));
        });
        group.bench_function(format!("transposed-{batch}"), |b| {
            let mut read =
                || stack.multiply_transposed(black_box(&voltages), ReadNoise::NONE, &mut currents);
            one.install(|| b.iter(&mut read));
        });
        group.bench_function(format!("noisy-{batch}"), |b| {
            let mut read = || stack.multiply(black_box(&voltages), noisy, &mut currents);
            one.install(|| b.iter(&mut read));
        });
    }
    group.finish();
}

/// Reads beside the plain products of the same sizes.
pub fn figures() -> Vec<Figure> {
    let plain = [
        "limits/product-1",
        "limits/product-64",
        "limits/product-256",
    ];
    let kinds = ["forward", "transposed", "noisy"];
    let all = BATCHES.into_iter().zip(plain);
    all.flat_map(|(batch, plain)| {
        let work = (SIDE * SIDE * batch) as f64;
        kinds.map(|kind| Figure {
            id: format!("reads/{kind}-{batch}"),
            work: (work, "product and sum"),
            limit: Some((Limit::Rate(plain, work), work, "plain matrix product")),
        })
    })
    .collect()
}
