//! Crossbars with wire resistance beside plain matrix products of the same size: `cargo bench --bench wires`.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use memridge::crossbar::wires::{Circuit, Method, Solver};

/// Segments (ohm) and largest cells (S): mild and harsh.
const CASES: [(&str, f64, f64); 2] = [("mild", 1.0, 1e-4), ("harsh", 10.0, 1e-3)];

/// Numbers between 0.1 and 1.
fn numbers(count: usize) -> Vec<f64> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        0.1 + 0.9 * (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count).map(|_| next()).collect()
}

fn product(group: &mut BenchmarkGroup<WallTime>, n: usize, vectors: usize) {
    let weights = Mat::from_fn(n, n, |i, j| ((7 * i + 3 * j) % 11) as f64);
    let x = Mat::from_fn(n, vectors, |i, j| ((i + 5 * j) % 13) as f64);
    let mut y = Mat::zeros(n, vectors);
    group.bench_function(format!("product-{n}-{vectors}"), |b| {
        b.iter(|| {
            let (weights, x) = (black_box(&weights), black_box(&x));
            matmul(&mut y, Accum::Replace, weights, x, 1.0, Par::Seq);
            black_box(&y);
        })
    });
}

fn main() {
    let mut c = Criterion::default().sample_size(10).configure_from_args();
    let mut group = c.benchmark_group("wires");
    for n in [64, 128, 256, 512] {
        product(&mut group, n, 1);
        if n <= 256 {
            product(&mut group, n, n);
        }
        for (name, segment, most) in CASES {
            let g: Vec<f64> = numbers(n * n).iter().map(|g| g * most).collect();
            let (v, ground) = (numbers(n), vec![0.0; n]);
            let circuit = Circuit::usual(n, n, g.clone(), segment, segment).expect("valid");
            let mut iterative = Solver::new(circuit.clone(), Method::ITERATIVE).expect("valid");
            group.bench_function(format!("iterative-{n}-{name}"), |b| {
                b.iter(|| {
                    iterative.forget();
                    black_box(iterative.solve(&v, &ground))
                })
            });
            group.bench_function(format!("iterative-set-{n}-{name}"), |b| {
                b.iter(|| black_box(iterative.set_conductances(&g)))
            });
            let mut direct = Solver::new(circuit, Method::Direct).expect("valid");
            group.bench_function(format!("direct-factor-{n}-{name}"), |b| {
                b.iter(|| black_box(direct.set_conductances(&g)))
            });
            group.bench_function(format!("direct-solve-{n}-{name}"), |b| {
                b.iter(|| black_box(direct.solve(&v, &ground)))
            });
            if n <= 256 {
                for (method, solver) in [("iterative", &mut iterative), ("direct", &mut direct)] {
                    group.bench_function(format!("matrix-{method}-{n}-{name}"), |b| {
                        b.iter(|| black_box(solver.effective_matrix()))
                    });
                }
            }
        }
    }
    // What a refresh of one replica takes while it is trained through its wires, with the harsh ones.
    for (m, n) in [(4, 1), (10, 2), (16, 16), (32, 32), (48, 48), (64, 64)] {
        let (_, segment, most) = CASES[1];
        let g: Vec<f64> = numbers(m * n).iter().map(|g| g * most).collect();
        let circuit = Circuit::usual(m, n, g.clone(), segment, segment).expect("valid");
        let mut solver = Solver::new(circuit, Method::Direct).expect("valid");
        group.bench_function(format!("refresh-{m}x{n}"), |b| {
            b.iter(|| {
                solver.set_conductances(&g).expect("valid");
                black_box(solver.effective_matrix())
            })
        });
    }
    group.finish();
    c.final_summary();
}
