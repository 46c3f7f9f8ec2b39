//! Device updates a second: the training loop of the diabetes study, and the building blocks of one update.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use memridge::crossbar::{Crossbar, Synapses};
use memridge::device::{AnyLaw, Cell, CycleNoise, SoftBounds};
use memridge::number::{Purpose, Stream};
use memridge::study::{Overrides, Prepared, Study};
use memridge::training::train;

/// Lanes of the building blocks: one stack of the study.
const LANES: usize = 300;

/// The training loop of the first sweep point alone, on one core.
fn diabetes(c: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/implicit-l2/diabetes.toml");
    let study = Study::read(&path, &Overrides::default()).expect("the shipped study is valid");
    let mut settings = study.points[1].clone();
    settings.training.steps = 500;
    let point = Prepared::new(settings).expect("the shipped study predicts");
    let mut group = c.benchmark_group("diabetes");
    group.throughput(Throughput::Elements(500 * 10 * LANES as u64));
    group.bench_function("device updates", |b| {
        b.iter(|| {
            let mut array = Crossbar::new(&point.plan, 0, LANES).unwrap();
            array.write(&[0.0; 10]).unwrap();
            let training = &point.settings.training;
            let stream = &point.plan.stream;
            train(
                &point.material.task,
                training,
                stream,
                0,
                &mut array,
                &mut (),
                &|_| (),
            )
            .unwrap();
            black_box(array.pulses().unwrap())
        });
    });
    group.finish();
}

/// Normals, uniforms and the soft-bounds train, per number.
fn blocks(c: &mut Criterion) {
    let stream = Stream::new(1);
    let mut buffers: [Vec<f32>; 4] = std::array::from_fn(|_| vec![0.0; LANES]);
    let mut group = c.benchmark_group("blocks");
    group.throughput(Throughput::Elements(4 * LANES as u64));
    let mut step = 0;
    group.bench_function("normals", |b| {
        b.iter(|| {
            step += 1;
            let out = buffers.each_mut().map(Vec::as_mut_slice);
            stream.fill_normals(step, 0, 0, Purpose::CycleNoise, 0, out);
        });
    });
    let mut uniforms: [Vec<f32>; 4] = std::array::from_fn(|_| vec![0.0; LANES]);
    group.bench_function("uniforms", |b| {
        b.iter(|| {
            step += 1;
            let out = uniforms.each_mut().map(Vec::as_mut_slice);
            stream.fill_uniforms(step, 0, 0, Purpose::CountRounding, 0, out);
        });
    });
    group.throughput(Throughput::Elements(LANES as u64));
    let cell = Cell {
        parameters: &[0.0005, 0.0, 1.0, 0.5],
        noise: CycleNoise::new(0.0, 0.3),
        hard_bounds: false,
    };
    let counts: Vec<f32> = (0..LANES).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
    let mut states = vec![0.5; LANES];
    let law: Arc<dyn AnyLaw> = Arc::new(SoftBounds);
    group.bench_function("soft-bounds train", |b| {
        b.iter(|| law.pulse_many(&cell, &mut states, &counts, &buffers[0]));
    });
    group.finish();
}

criterion_group!(benches, diabetes, blocks);
criterion_main!(benches);
