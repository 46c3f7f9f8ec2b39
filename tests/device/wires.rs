//! Arrays that are read through wires: the limit of ideal ones, when the effective matrix is computed, cuts and threads, studies.

use std::sync::Arc;

use memridge::backend::{Place, StackVector};
use memridge::crossbar::{
    ArrayModel, Crossbar, Layout, Mapping, Periphery, Plan, Synapses, WeightMap, Wires,
};
use memridge::device::{Cells, Counting, load_device};
use memridge::number::{Coordinates, Purpose, Stream};
use memridge::study::{forecast, run_study};

use crate::statistics::SEED;
use crate::text::study;

fn plan(inputs: usize, outputs: usize, wires: Option<Wires>) -> Plan {
    let map = WeightMap::new(Mapping::DifferentialPair, 0.5, 2.0, inputs, outputs);
    let device = load_device("ideal/soft-bounds", "".as_ref()).unwrap();
    let cells: Cells = device.without_variation().cells(map.cells(), 1).unwrap();
    Plan {
        model: ArrayModel {
            cells: Arc::new(cells),
            map,
        },
        read_noise: 0.01,
        periphery: Periphery::default(),
        wires,
        layout: Layout::default(),
        refresh: None,
        aggregate: true,
        stream: Stream::new(SEED),
        place: Place::Cpu,
    }
}

/// Uniform numbers in ±1 of replicas from `first` on.
fn numbers(len: usize, first: usize, replicas: usize, step: u32) -> StackVector {
    let mut out = StackVector::zeros(len, replicas);
    for i in 0..len {
        for (r, x) in out.lanes_mut(i).iter_mut().enumerate() {
            let u = Stream::new(3).uniform(Coordinates {
                step,
                cell: i as u32,
                replica: (first + r) as u32,
                purpose: Purpose::Input,
                index: 0,
            });
            *x = 2.0 * u - 1.0;
        }
    }
    out
}

/// A written stack.
fn made(plan: &Plan, first: usize, replicas: usize) -> Crossbar {
    let mut crossbar = Crossbar::new(plan, first, replicas).unwrap();
    let weights = numbers(plan.model.map.weights(), 0, 1, 99);
    let weights: Vec<f64> = weights.all().iter().map(|w| 0.4 * f64::from(*w)).collect();
    crossbar.write(0, &weights).unwrap();
    crossbar
}

fn read(crossbar: &mut Crossbar, first: usize, step: u32) -> StackVector {
    let (inputs, outputs) = crossbar.dimensions();
    let replicas = crossbar.replicas();
    let x = numbers(inputs, first, replicas, step);
    let mut y = StackVector::zeros(outputs, replicas);
    crossbar.multiply(step, &x, &mut y).unwrap();
    y
}

/// A step of training without its read.
fn update(crossbar: &mut Crossbar, first: usize, step: u32) {
    let (inputs, outputs) = crossbar.dimensions();
    let replicas = crossbar.replicas();
    let (x, mut d) = (
        numbers(inputs, first, replicas, step),
        numbers(outputs, first, replicas, 1000 + step),
    );
    d.all_mut().iter_mut().for_each(|d| *d *= 0.1);
    crossbar
        .update_outer(step, &x, &d, Counting::StochasticRounding, 0.1)
        .unwrap();
    crossbar.refresh(step).unwrap();
}

fn largest(v: &StackVector) -> f32 {
    v.all().iter().fold(0.0, |m, y| m.max(y.abs()))
}

fn distance(a: &StackVector, b: &StackVector) -> f32 {
    let pairs = a.all().iter().zip(b.all());
    pairs.fold(0.0, |m, (a, b)| m.max((a - b).abs()))
}

#[test]
fn ideal_wires_change_no_bit() {
    let run = |wires| {
        let mut crossbar = made(&plan(6, 5, wires), 0, 20);
        (0..3)
            .map(|step| {
                update(&mut crossbar, 0, step);
                read(&mut crossbar, 0, step)
            })
            .collect::<Vec<_>>()
    };
    let plain = run(None);
    assert_eq!(plain, run(Some(Wires::new(0.0, 0.0))));
    // 1 µΩ takes 1e-8 of the voltages at most; outputs of 6 inputs round to 6 ε/2 of what their cells carry, up to 24 weights of the
    // window, twice.
    for wires in [
        Wires::new(1e-6, 0.0),
        Wires::new(0.0, 1e-6),
        Wires::new(1e-6, 1e-6),
    ] {
        for (a, b) in plain.iter().zip(&run(Some(wires))) {
            assert!(
                distance(a, b) < 6.0 * f32::EPSILON * 24.0,
                "{}",
                distance(a, b)
            );
        }
    }
    for (a, b) in plain.iter().zip(&run(Some(Wires::new(300.0, 300.0)))) {
        assert!(distance(a, b) > 0.05 * largest(a));
    }
}

/// With `every` = 3 reads of steps 0 to 2, 3 to 5, … see the effective matrix of steps 0, 3, …: the exact one of a twin that is
/// trained alike. Writes are seen at once.
#[test]
fn the_effective_matrix_is_that_of_the_last_refresh() {
    let wires = Wires::new(300.0, 300.0);
    let seldom = Wires {
        every: Some(3),
        ..wires
    };
    let mut exact = made(&plan(6, 5, Some(wires)), 0, 20);
    let mut held = made(&plan(6, 5, Some(seldom)), 0, 20);
    let mut never = made(
        &plan(
            6,
            5,
            Some(Wires {
                every: Some(100),
                ..wires
            }),
        ),
        0,
        20,
    );
    // What is read does not depend on the step but for its noise: the same inputs and noise each time.
    let first = read(&mut never, 0, 0);
    let mut kept = first.clone();
    for step in 0..9 {
        let now = read(&mut exact, 0, 0);
        if step % 3 == 0 {
            kept = now.clone();
        } else {
            assert!(distance(&now, &kept) > 1e-3, "step {step}");
        }
        assert_eq!(read(&mut held, 0, 0), kept, "step {step}");
        assert_eq!(read(&mut never, 0, 0), first, "step {step}");
        for crossbar in [&mut exact, &mut held, &mut never] {
            update(crossbar, 0, step);
        }
    }
    let weights = vec![0.1; 30];
    for crossbar in [&mut exact, &mut held, &mut never] {
        crossbar.write(20, &weights).unwrap();
    }
    let now = read(&mut exact, 0, 0);
    assert_eq!(read(&mut held, 0, 0), now);
    assert_eq!(read(&mut never, 0, 0), now);
    assert!(distance(&now, &first) > 1e-3);
}

/// Replicas alone and among others, with one thread and with three; by factors and by iterations, which start anew with every replica.
#[test]
fn neither_stacks_nor_threads_change_a_bit() {
    for (wires, inputs, outputs, all, part) in [
        (Wires::new(300.0, 200.0), 6, 5, (0, 90), (37, 30)),
        (Wires::new(5.0, 3.0), 48, 25, (0, 5), (2, 2)),
    ] {
        let plan = plan(inputs, outputs, Some(wires));
        let run = |threads: usize, (first, replicas): (usize, usize)| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut crossbar = made(&plan, first, replicas);
                (0..3)
                    .map(|step| {
                        update(&mut crossbar, first, step);
                        read(&mut crossbar, first, step)
                    })
                    .collect::<Vec<_>>()
            })
        };
        let whole = run(1, all);
        assert_eq!(whole, run(3, all));
        for (whole, part_) in whole.iter().zip(run(2, part)) {
            for o in 0..outputs {
                let own = &whole.lanes(o)[part.0..part.0 + part.1];
                assert_eq!(own, part_.lanes(o));
            }
        }
    }
}

/// Driven and sensed at the same ends, the read against the flow has the transposed matrix: `a·(W b) = (Wᵀ a)·b`.
#[test]
fn the_transposed_read_is_reciprocal() {
    let replicas = 20;
    let mut quiet = plan(6, 5, Some(Wires::new(300.0, 200.0)));
    quiet.read_noise = 0.0;
    let mut crossbar = made(&quiet, 0, replicas);
    update(&mut crossbar, 0, 1);
    let (b, a) = (numbers(6, 0, replicas, 5), numbers(5, 0, replicas, 6));
    let mut forward = StackVector::zeros(5, replicas);
    let mut transposed = StackVector::zeros(6, replicas);
    crossbar.multiply(0, &b, &mut forward).unwrap();
    crossbar
        .multiply_transposed(0, &a, &mut transposed)
        .unwrap();
    let dot = |u: &StackVector, v: &StackVector, r: usize| -> f64 {
        (0..u.len())
            .map(|i| f64::from(u.lanes(i)[r]) * f64::from(v.lanes(i)[r]))
            .sum()
    };
    for r in 0..replicas {
        let off = dot(&a, &forward, r) - dot(&transposed, &b, r);
        // Sums of 60 products of conductances, at most 2 weights each, in single precision.
        assert!(off.abs() < 60.0 * 2.0 * f64::from(f32::EPSILON), "{off:e}");
    }
}

#[test]
fn studies_train_through_wires_and_say_what_these_take() {
    let passed = "reads pass the wires with a gain of 0.";
    let point = |array: &str| {
        let study = study(array).unwrap();
        let forecast = forecast(&study).unwrap().remove(0);
        let verdict = forecast.verdict;
        let summary = run_study(&study, &()).unwrap().summary;
        let point = summary.points.into_iter().next().unwrap();
        let said = point.warnings.iter().any(|w| w.contains(passed));
        assert_eq!(verdict.contains(passed), said, "{verdict}");
        assert_eq!(point.read_gain, forecast.read_gain);
        assert_eq!(said, point.read_gain.is_some_and(|gain| gain < 1.0));
        (said, format!("{:?}", point.bias_norm))
    };
    let ideal = point("");
    let zero =
        point("wires = { word-segment = \"0 Ohm\", bit-segment = \"0 Ohm\", refresh-every = 7 }");
    assert_eq!((false, &ideal.1), (zero.0, &zero.1));
    let wires = |every: u32| {
        point(&format!(
            "wires = {{ word-segment = \"0.2 kOhm\", bit-segment = \"100 Ohm\", drive = \"both\", sense = \"top\", \
             driver-resistance = \"1 kOhm\", sense-resistance = \"10 Ohm\", refresh-every = {every} }}"
        ))
    };
    let (one, seven) = (wires(1), wires(7));
    assert!(one.0 && seven.0);
    assert!(one.1 != ideal.1 && seven.1 != ideal.1 && one.1 != seven.1);
}

/// Segments as long as a cell is wide and high: 4.51e-8 · 1e-7/((32e-9)² · 1.9) ohm, and half of that.
#[test]
fn wires_are_of_metal() {
    let metal = "width = \"32 nm\", cell-width = \"100 nm\", cell-height = \"50 nm\", temperature = \"300 K\"";
    let study = study(&format!(
        "wires = {{ refresh-every = 1, metal = {{ {metal} }} }}"
    ));
    let wires = study.unwrap().points[0].wires().unwrap();
    assert!((wires.word_segment - 2.318_05).abs() < 1e-4);
    assert!((wires.word_segment / wires.bit_segment - 2.0).abs() < 1e-12);
}

#[test]
fn wrong_wires_are_refused_with_a_way_out() {
    for (array, parts) in [
        (
            "wires = { word-segment = \"-1 Ohm\", refresh-every = 0 }",
            &[
                "array.wires.word-segment = \"-1 Ohm\"",
                "array.wires.bit-segment: missing",
                "array.wires.refresh-every = 0",
            ][..],
        ),
        (
            "wires = { word-segment = \"1 V\", bit-segment = 2, drive = \"top\", sense = \"left\" }",
            &[
                "array.wires.word-segment",
                "array.wires.bit-segment",
                "array.wires.drive = \"top\"",
                "array.wires.sense = \"left\"",
                "array.wires.refresh-every: missing",
            ],
        ),
        (
            "wires = { word-segment = \"1 Ohm\", bit-segment = \"1 Ohm\", refresh-every = 1, drivers = 3, sense-resistance = \"-2 Ohm\" }",
            &["array.wires.drivers", "array.wires.sense-resistance"],
        ),
        (
            "wires = { word-segment = \"1 Ohm\", refresh-every = 1, metal = { width = \"30 nm\", cell-width = \"0.1 um\", temperature = \"3 K\" } }",
            &[
                "array.wires.word-segment",
                "array.wires.metal.width",
                "14, 22, 32, 40, 50, 100, 200",
                "array.wires.metal.cell-height: missing",
                "array.wires.metal.temperature",
            ],
        ),
    ] {
        let text = study(array).err().expect(array).to_string();
        for part in parts {
            assert!(text.contains(part), "no \"{part}\" in\n{text}");
        }
    }
}
