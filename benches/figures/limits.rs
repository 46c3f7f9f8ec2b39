//! What this machine can do at best: copies, plain matrix products.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};

/// Side of the square matrices.
pub const SIDE: usize = 512;

/// Floats in a copy as large as what an update of `SIDE` × `SIDE` cells touches: it stays in the last-level cache, as they do.
pub const COPIED: usize = 3 * SIDE * SIDE;

/// Batches that reads and plain products are measured at.
pub const BATCHES: [usize; 3] = [1, 64, 256];

/// Copies, and plain products of `SIDE` × `SIDE` matrices with batches.
pub fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("limits");
    let from = vec![1.0_f32; COPIED];
    let mut to = vec![0.0_f32; COPIED];
    // Read and written.
    group.throughput(Throughput::Bytes(8 * COPIED as u64));
    group.bench_function("copy", |b| {
        b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)))
    });
    let weights = Mat::<f32>::from_fn(SIDE, SIDE, |i, j| ((i * 7 + j * 3) % 11) as f32 - 5.0);
    for batch in BATCHES.into_iter().chain([SIDE]) {
        let x = Mat::<f32>::from_fn(SIDE, batch, |i, j| ((i + 5 * j) % 13) as f32 - 6.0);
        let mut y = Mat::<f32>::zeros(SIDE, batch);
        group.throughput(Throughput::Elements((SIDE * SIDE * batch) as u64));
        group.bench_function(format!("product-{batch}"), |b| {
            b.iter(|| {
                let (weights, x) = (black_box(&weights), black_box(&x));
                matmul(&mut y, Accum::Replace, weights, x, 1.0, Par::Seq);
                black_box(&y);
            });
        });
    }
    group.finish();
}
