//! Weights in digits, scaled columns, offset columns: closed forms of what is exact and of what is noisy.

use std::sync::Arc;

use memridge::backend::{Place, StackVector};
use memridge::crossbar::{
    Adc, AdcKind, ArrayModel, Crossbar, Errors, Layout, Mapping, Periphery, Plan, Resolution,
    Rounding, Slices, Synapses, TileSize, WeightMap, WeightScale, Wires,
};
use memridge::device::{Cells, load_device};
use memridge::number::Stream;

use crate::statistics::{SEED, check_independent, check_normal};
use crate::text::{TRAINED, read as device, whole};
use crate::tiles::{back, distance, forward, numbers};

/// Without noise of any kind.
fn exact(count: usize) -> Arc<Cells> {
    let device = load_device("ideal/soft-bounds", "".as_ref()).unwrap();
    Arc::new(device.cells(count, SEED).unwrap())
}

/// Cells that are programmed with an error of 0.8 µS, 2 % of the window.
fn noisy(count: usize) -> Arc<Cells> {
    let device = device(&whole(
        r#"
bounds = "soft"
law = { programmed = { lower = 0.0, upper = 1.0 } }
programming = { deviation = { times = "0.8 uS", relative-to = "1 uS", constant = 1.0 } }
"#,
    ));
    Arc::new(device.unwrap().cells(count, SEED).unwrap())
}

fn plan(map: WeightMap, layout: Layout, cells: impl Fn(usize) -> Arc<Cells>) -> Plan {
    Plan {
        model: ArrayModel {
            cells: cells(layout.cells(&map)),
            map,
        },
        read_noise: 0.0,
        periphery: Periphery::default(),
        wires: None,
        layout,
        refresh: None,
        aggregate: true,
        stream: Stream::new(SEED),
        place: Place::Cpu,
    }
}

fn slices(weight_bits: u32, bits_per_cell: u32) -> Layout {
    Layout {
        slices: Slices::new(weight_bits, bits_per_cell),
        ..Layout::default()
    }
}

fn tiled(layout: Layout, [rows, columns]: [usize; 2]) -> Layout {
    Layout {
        tiles: Some(TileSize { rows, columns }),
        ..layout
    }
}

/// Windows of two weights, zero at the code 128 of 255 where there is one cell.
fn map(mapping: Mapping, inputs: usize, outputs: usize) -> WeightMap {
    let zero = match mapping {
        Mapping::OneSidedPair => 0.0,
        _ => 128.0 / 255.0,
    };
    WeightMap::new(mapping, zero, 2.0, inputs, outputs)
}

fn weights(count: usize, largest: f64) -> Vec<f64> {
    let all = numbers(count, 1, 99);
    all.all().iter().map(|w| largest * f64::from(*w)).collect()
}

fn written(plan: &Plan, replicas: usize, weights: &[f64]) -> Crossbar {
    let mut crossbar = Crossbar::new(plan, 0, replicas).unwrap();
    crossbar.write(0, weights).unwrap();
    crossbar
}

/// The products of integers, in double precision: codes of 8 bits about 128, or of a magnitude, in windows of two weights.
fn integers(mapping: Mapping, weights: &[f64]) -> Vec<f64> {
    let code = |w: &f64| match mapping {
        Mapping::OneSidedPair => (127.5 * w).round(),
        _ => (127.5 * w + 128.0).round().clamp(0.0, 255.0) - 128.0,
    };
    weights.iter().map(|w| code(w) / 127.5).collect()
}

/// Digits of any number of bits, on one array a slice or on tiles, multiply like the integers that they are, in both directions.
#[test]
fn exact_slices_multiply_integers() {
    let (inputs, outputs, lanes) = (13, 7, 15);
    for mapping in [
        Mapping::ReferenceColumn,
        Mapping::OffsetColumn,
        Mapping::OneSidedPair,
    ] {
        let map = map(mapping, inputs, outputs);
        let weights = weights(map.weights(), 0.9);
        let integers = integers(mapping, &weights);
        let x = numbers(inputs, lanes, 1);
        let d = numbers(outputs, lanes, 2);
        for bits in [1, 3, 8] {
            for layout in [slices(8, bits), tiled(slices(8, bits), [5, 6])] {
                let mut crossbar = written(&plan(map, layout, exact), 5, &weights);
                let (y, z) = (forward(&mut crossbar, 3, &x), back(&mut crossbar, 4, &d));
                let mut worst = 0.0_f64;
                for lane in 0..lanes {
                    let product = |n: usize, of: &dyn Fn(usize) -> f64| (0..n).map(of).sum::<f64>();
                    for c in 0..outputs {
                        let exact = product(inputs, &|r| {
                            integers[r * outputs + c] * f64::from(x.lanes(r)[lane])
                        });
                        worst = worst.max((f64::from(y.lanes(c)[lane]) - exact).abs());
                    }
                    for r in 0..inputs {
                        let exact = product(outputs, &|c| {
                            integers[r * outputs + c] * f64::from(d.lanes(c)[lane])
                        });
                        worst = worst.max((f64::from(z.lanes(r)[lane]) - exact).abs());
                    }
                }
                // Up to 14 products of inputs of at most 1 (7 for offsets driven with a sum) and conductances of 2.5 weights, each rounded by
                // half an ε of the sum; factors of slices add up to 1.
                let tolerance = 2.0 * 14.0 * 2.5 * f64::from(f32::EPSILON);
                assert!(worst < tolerance, "{mapping:?} {bits} {layout:?}: {worst}");
                // All but the first partial sum are added, and offsets subtracted from each.
                let parts = crossbar.tiles().unwrap().len() as u64;
                let slices = u64::from(8_u32.div_ceil(bits));
                let [down, across] = match layout.tiles {
                    None => [1, 1],
                    Some(_) if mapping == Mapping::ReferenceColumn => [3, 2],
                    Some(_) => [3, 2 + u64::from(mapping == Mapping::OneSidedPair)],
                };
                assert_eq!(parts, slices * down * across);
                let offsets = u64::from(mapping == Mapping::OffsetColumn);
                let each = outputs as u64 * (slices * down * (1 + offsets) - 1)
                    + inputs as u64 * (slices * across - 1);
                assert_eq!(crossbar.counts().additions, lanes as u64 * each);
                let mut values = vec![vec![0.0; 5]; map.cells()];
                crossbar.inspect(&mut values).unwrap();
                for (j, w) in integers.iter().enumerate() {
                    let n = map.cells_per_weight();
                    let cells = (j * n..(j + 1) * n).map(|k| map.sign(k) * values[k][4]);
                    // Positions are single precision, in windows of two weights, one or two of them.
                    let found = cells.sum::<f64>();
                    assert!(
                        (found - w).abs() < 4.0 * f64::from(f32::EPSILON),
                        "{found} {w}"
                    );
                }
            }
        }
    }
}

/// What codes are off is uniform over a step: its variance is Δ²/12.
#[test]
fn codes_are_off_by_a_uniform_number() {
    const N: usize = 20_000;
    for mapping in [Mapping::ReferenceColumn, Mapping::OneSidedPair] {
        let map = map(mapping, 1, N);
        let weights = weights(N, 0.99);
        for (bits, per_cell) in [(8, 2), (8, 8)] {
            let mut crossbar = written(&plan(map, slices(bits, per_cell), exact), 1, &weights);
            let mut one = StackVector::zeros(1, 1);
            one.fill(1.0);
            let y = forward(&mut crossbar, 1, &one);
            let step = 2.0 / 255.0;
            let errors = y.all().iter().zip(&weights);
            let errors: Vec<f64> = errors.map(|(y, w)| (f64::from(*y) - w) / step).collect();
            assert!(errors.iter().all(|e| e.abs() < 0.501));
            // Squares of uniform numbers vary by √(4/5) of their mean: 0.63 % of a mean of 20 000, five times (α = 6e-7).
            let square = errors.iter().map(|e| e * e).sum::<f64>() / N as f64;
            assert!((12.0 * square - 1.0).abs() < 0.032, "{mapping:?}: {square}");
            let mean = errors.iter().sum::<f64>() / N as f64;
            assert!(mean.abs() < 5.0 / (12.0 * N as f64).sqrt(), "{mean}");
        }
    }
}

/// Errors of cells and noise of reads, both independent of the digits, add up to Σ f² σ².
#[test]
fn noise_of_slices_adds_up_with_their_factors() {
    let (inputs, replicas) = (6, 20_000);
    let map = map(Mapping::ReferenceColumn, inputs, 1);
    let weights = weights(inputs, 0.9);
    let mut x = StackVector::zeros(inputs, replicas);
    let inputs: Vec<f64> = (0..6).map(|r| 0.4 + 0.1 * f64::from(r)).collect();
    for (r, v) in inputs.iter().enumerate() {
        x.lanes_mut(r).fill(*v as f32);
    }
    let squares = inputs.iter().map(|v| v * v).sum::<f64>();
    let codes = integers(Mapping::ReferenceColumn, &weights);
    let exact: f64 = codes.iter().zip(&inputs).map(|(w, x)| w * x).sum();
    // Σ 4^(b s) (2^b - 1)²/255² is a geometric sum: (2^b - 1)/(2^b + 1) · 257/255.
    for (bits, read_noise) in [(1_u32, 0.0), (2, 0.05), (4, 0.05), (8, 0.0)] {
        let mut plan = plan(map, slices(8, bits), noisy);
        plan.read_noise = read_noise;
        let mut crossbar = written(&plan, replicas, &weights);
        let y = forward(&mut crossbar, 1, &x);
        let base = f64::from(1_u32 << bits);
        let sum = (base - 1.0) / (base + 1.0) * 257.0 / 255.0;
        // 2 % of a window of two weights.
        let deviation = (sum * (squares * 0.04_f64.powi(2) + read_noise * read_noise)).sqrt();
        let errors = y.all().iter().map(|y| (f64::from(*y) - exact) / deviation);
        // Kolmogorov and Smirnov, α = 1e-3 for its fixed seed, and mean and square to four errors; n = 20 000.
        check_normal(
            &format!("slices of {bits} bits"),
            &errors.collect::<Vec<_>>(),
        );
    }
}

/// What an offset column reads is in all outputs of its tile, in those of no other: their covariance is its variance, half of an output's.
#[test]
fn outputs_have_the_noise_of_their_offset_in_common() {
    let (replicas, sigma) = (20_000, 0.1);
    let map = WeightMap::new(Mapping::OffsetColumn, 0.5, 2.0, 6, 4);
    // Two tiles along the inputs, two along the outputs: two outputs and their offset each.
    let mut plan = plan(map, tiled(Layout::default(), [3, 3]), exact);
    plan.read_noise = sigma;
    let weights = weights(map.weights(), 0.9);
    let mut crossbar = written(&plan, replicas, &weights);
    let y = forward(&mut crossbar, 1, &StackVector::zeros(6, replicas));
    let lanes = |c: usize| y.lanes(c).iter().map(|y| f64::from(*y) / (2.0 * sigma));
    for c in 0..4 {
        check_normal(&format!("output {c}"), &lanes(c).collect::<Vec<_>>());
    }
    for (a, b) in [(0, 1), (2, 3)] {
        // The product of two normal numbers with correlation ρ varies by √(1 + ρ²), 0.8 % of 20 000: five times (α = 6e-7).
        let products = lanes(a).zip(lanes(b)).map(|(a, b)| a * b);
        let correlation = products.sum::<f64>() / replicas as f64;
        assert!((correlation - 0.5).abs() < 0.04, "{correlation}");
    }
    for (a, b) in [(0, 2), (1, 3), (0, 3)] {
        check_independent("outputs of two tiles", lanes(a).zip(lanes(b)));
    }
}

/// Offsets that are programmed wrongly shift all outputs of a tile by the same amount.
#[test]
fn offsets_are_real_cells() {
    let (inputs, outputs, replicas) = (5, 3, 4000);
    let map = WeightMap::new(Mapping::OffsetColumn, 0.5, 2.0, inputs, outputs);
    let mut crossbar = written(&plan(map, Layout::default(), noisy), replicas, &[0.0; 15]);
    let mut x = StackVector::zeros(inputs, replicas);
    x.fill(1.0);
    let y = forward(&mut crossbar, 1, &x);
    // Cells of weights and of the offset alike: 2 · 5 · 0.04², half of it in common; 1/√4000 of the square varies by 2.2 %, five times.
    let variance = 2.0 * 5.0 * 0.04_f64.powi(2);
    let scaled = |c: usize| y.lanes(c).iter().map(|y| f64::from(*y) / variance.sqrt());
    check_normal("an output", &scaled(0).collect::<Vec<_>>());
    let products = scaled(0).zip(scaled(2)).map(|(a, b)| a * b);
    let correlation = products.sum::<f64>() / replicas as f64;
    assert!((correlation - 0.5).abs() < 0.09, "{correlation}");
    let conductances = crossbar.tiles().unwrap().remove(0).1;
    assert_eq!(conductances.len(), inputs * (outputs + 1));
    assert_eq!(crossbar.conductances().unwrap().len(), inputs * outputs);
}

/// A matrix with one large column: scaled column by column, the others gain by what they are smaller.
#[test]
fn scaled_columns_are_read_with_less_noise() {
    let (inputs, outputs, lanes, sigma) = (24, 8, 4000, 0.05);
    for mapping in [
        Mapping::ReferenceColumn,
        Mapping::DifferentialPair,
        Mapping::OneSidedPair,
    ] {
        let map = map(mapping, inputs, outputs);
        let most = map.range()[1].min(-map.range()[0]);
        let mut weights = weights(map.weights(), 0.02 * most);
        for row in weights.chunks_mut(outputs) {
            row[0] *= 49.0;
        }
        // The share of the window that a column uses as it is; one end is half a code nearer than the other.
        let largest = |c: usize| {
            let column = weights.iter().skip(c).step_by(outputs);
            column.fold(0.0_f64, |m, w| m.max(w.abs())) / most
        };
        let x = numbers(inputs, lanes, 1);
        let miss = |scale: WeightScale, read_noise: f64| {
            let layout = Layout {
                scale,
                ..Layout::default()
            };
            let mut plan = plan(map, layout, exact);
            plan.read_noise = read_noise;
            let y = forward(&mut written(&plan, 8, &weights), 1, &x);
            let mut sum = 0.0;
            for c in 0..outputs {
                for (lane, y) in y.lanes(c).iter().enumerate() {
                    let exact: f64 = (0..inputs)
                        .map(|r| weights[r * outputs + c] * f64::from(x.lanes(r)[lane]))
                        .sum();
                    sum += (f64::from(*y) - exact).powi(2);
                }
            }
            (sum / (outputs * lanes) as f64).sqrt()
        };
        for scale in [WeightScale::Matrix, WeightScale::Column] {
            // Sums of 24 inputs and conductances of at most 2.5 weights.
            let exact = miss(scale, 0.0);
            assert!(exact < 24.0 * 2.5 * f64::from(f32::EPSILON), "{exact}");
        }
        let as_they_are = miss(WeightScale::Matrix, sigma);
        let scaled = miss(WeightScale::Column, sigma);
        let shares = (0..outputs).map(|c| largest(c).powi(2)).sum::<f64>() / outputs as f64;
        // 32 000 squares, most of the noise of the scaled ones in 4000 of them: 1.1 % of a deviation, five times. Columns whose largest weight is on
        // the side with half a code more of room differ by 0.8 %.
        assert!((as_they_are / sigma - 1.0).abs() < 0.02, "{as_they_are}");
        let ratio = scaled / (sigma * shares.sqrt());
        assert!((ratio - 1.0).abs() < 0.06, "{mapping:?}: {ratio}");
        assert!(scaled < 0.4 * as_they_are);
    }
}

/// Tiles of slices are arrays of their own, with converters, wires and noise: what a crossbar reads is their sum with the factors of the slices.
#[test]
fn tiles_of_slices_are_arrays_of_their_own() {
    let (inputs, outputs, replicas) = (11, 6, 18);
    let map = map(Mapping::OneSidedPair, inputs, outputs);
    let device = load_device("ideal/noisy-reads", "".as_ref()).unwrap();
    let layout = tiled(slices(6, 4), [4, 5]);
    let cells = |count| Arc::new(device.cells(count, 1).unwrap());
    let mut plan = Plan {
        read_noise: 0.05,
        wires: Some(Wires::new(30.0, 20.0)),
        ..plan(map, layout, cells)
    };
    plan.periphery.adc = Adc {
        kind: AdcKind::Uniform {
            resolution: Resolution::bits(8).unwrap(),
            rounding: Rounding::Nearest,
        },
        range: Some(3.0),
        errors: Errors {
            offset: 0.02,
            ..Errors::default()
        },
    };
    let weights = weights(map.weights(), 0.9);
    let x = numbers(inputs, replicas, 1);
    let mut whole = written(&plan, replicas, &weights);
    let y = forward(&mut whole, 6, &x);
    let mut sums = vec![0.0; y.all().len()];
    let cuts = layout.cuts(&map);
    assert_eq!(cuts.len(), 18);
    let digits = layout.slices.unwrap();
    assert_eq!([0, 1].map(|s| digits.factor(s)), [15.0 / 63.0, 48.0 / 63.0]);
    for (k, cut) in cuts.iter().enumerate() {
        let own = Plan {
            model: plan.model.part(cut),
            layout: Layout::default(),
            stream: plan.stream.part(k as u32),
            ..plan.clone()
        };
        let held = (0..own.model.map.weights())
            .map(|k| digits.part(&map, cut.slice, weights[cut.weight(&map, k)]));
        let mut tile = written(&own, replicas, &held.collect::<Vec<_>>());
        let mut given = StackVector::zeros(cut.inputs.len(), replicas);
        for (i, k) in cut.inputs.clone().enumerate() {
            given.lanes_mut(i).copy_from_slice(x.lanes(k));
        }
        let part = forward(&mut tile, 6, &given);
        let own = &mut sums[cut.outputs.start * replicas..][..part.all().len()];
        let factor = digits.factor(cut.slice);
        own.iter_mut()
            .zip(part.all())
            .for_each(|(s, y)| *s += factor * f64::from(*y));
    }
    let rounded: Vec<f32> = sums.iter().map(|s| *s as f32).collect();
    assert_eq!(y.all(), rounded);
    assert!(distance(&y, &StackVector::zeros(outputs, replicas)) > 0.1);
}

/// Studies: what slices, scaled columns and offset columns are refused for, and that ranges are found for all their converters.
#[test]
fn studies_say_how_weights_are_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let read = |array: &str, mapping: &str, task: &str| {
        let path = folder.path().join("t.toml");
        let text = format!(
            r#"
title = "t"
claim = "t"
cite = []
seed = 7
replicas = 4
device = {{ model = "ideal/soft-bounds" }}
[array]
read-noise = 0.0
{array}
[array.mapping.{mapping}]
conductance-per-weight = "half-window"
{task}
"#
        );
        std::fs::write(&path, text).unwrap();
        memridge::study::Study::read(&path, &memridge::study::Overrides::default())
    };
    let refused = |array: &str, mapping: &str, task: &str| match read(array, mapping, task) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    const PRODUCTS: &str = r#"
[task.products]
inputs = 40
outputs = 10
samples = 30
known-vectors = 64
weights = { normal = { deviation = 0.25 } }
vectors = { normal = { deviation = 1.0 } }
calibrate = { rule = "max", scope = "column" }
"#;
    let all = "weight-scale = \"column\"\nslices = { weight-bits = 4, bits-per-cell = 2 }\n";
    let message = refused(
        all,
        "offset-column",
        &format!("zero = \"middle\"\n{TRAINED}"),
    );
    for part in [
        "array.mapping",
        "only arrays that are read have one",
        "array.slices",
        "cannot carry from one digit",
        "array.weight-scale",
        "training starts without them",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let zero = format!("zero = \"middle\"\n{PRODUCTS}");
    let adc = "adc = { uniform = { bits = 12, range = 1.0 } }\n";
    let message = refused(&format!("{adc}{all}"), "differential-pair", &zero);
    assert!(message.contains("twice the levels"), "{message}");
    let wrong = format!("{adc}slices = {{ weight-bits = 1, bits-per-cell = 2 }}");
    let message = refused(&wrong, "reference-column", &zero);
    assert!(message.contains("one bit makes two codes"), "{message}");
    assert!(
        message.contains("hold 2 bits, and a weight has 1"),
        "{message}"
    );
    let message = refused(
        &format!("{adc}{all}tiles = {{ rows = 2, columns = 1 }}"),
        "offset-column",
        &format!("zero = 0.0\n{PRODUCTS}"),
    );
    assert!(message.contains("no room on one side"), "{message}");
    assert!(message.contains("and its offset take 2"), "{message}");
    // Steps of 2/15 over √12 beside weights whose largest of 40, some 2.2 deviations, is at an end of ±1: 9 %; converters of 12 bits add next to
    // nothing. Ranges are found for all tiles of both slices.
    for mapping in ["offset-column", "reference-column"] {
        let array = format!("{adc}{all}tiles = {{ rows = 20, columns = 4 }}");
        let study = read(&array, mapping, &zero).unwrap();
        let outcome = memridge::study::run_study(&study, &()).unwrap();
        let read = &outcome.summary.points[0].reads[0];
        let error = read.error.value.unwrap();
        assert!(read.error.predicted.is_none());
        assert!((0.07..0.12).contains(&error), "{error}");
        let across = if mapping == "offset-column" { 4 } else { 3 };
        assert_eq!(read.vectors, 4 * 30 * 2 * 2 * across);
    }
}
