//! Arrays cut into tiles: what stays, what is every tile's own, studies.

use std::sync::Arc;

use memridge::backend::{Place, StackVector};
use memridge::crossbar::{
    Adc, AdcKind, ArrayModel, Compensation, Crossbar, Direction, Errors, Layout, Mapping,
    Periphery, Plan, RangeRule, Resolution, Rounding, Scope, Synapses, TileSize, WeightMap, Wires,
};
use memridge::device::{Cells, Counting, load_device};
use memridge::number::{Coordinates, Purpose, Stream};
use memridge::study::run_study;

use crate::statistics::{SEED, check_independent, check_normal};
use crate::text::{read as device, whole};

/// Cells that differ in every way that is drawn once, and make no noise.
const VARIED: &str = r#"
bounds = "hard"
write-noise = 0.0
law = { soft-bounds = { step = 0.01, lower = 0.0, upper = 1.0, symmetric-point = 0.5 } }
cycle-to-cycle = { additive = 0.0, multiplicative = 0.0 }
device-to-device = { step = { relative-normal = 0.3 }, symmetric-point = { normal = 0.05 } }
faults = { stuck-on = 0.05, stuck-off = 0.1 }
[retention.exponential]
rest = 0.4
lifetime = "1 s"
device-to-device = { lifetime = { relative-normal = 0.3 }, rest = { normal = 0.05 } }
"#;

fn varied(count: usize) -> Arc<Cells> {
    let device = device(&whole(VARIED)).unwrap();
    Arc::new(device.cells(count, SEED).unwrap())
}

fn equal(count: usize) -> Arc<Cells> {
    let device = load_device("ideal/soft-bounds", "".as_ref()).unwrap();
    Arc::new(device.cells(count, SEED).unwrap())
}

fn plan(map: WeightMap, cells: Arc<Cells>, tiles: Option<[usize; 2]>) -> Plan {
    Plan {
        model: ArrayModel { cells, map },
        read_noise: 0.0,
        periphery: Periphery::default(),
        wires: None,
        layout: Layout {
            tiles: tiles.map(|[rows, columns]| TileSize { rows, columns }),
            ..Layout::default()
        },
        refresh: None,
        aggregate: true,
        stream: Stream::new(SEED),
        place: Place::Cpu,
    }
}

fn map(mapping: Mapping, inputs: usize, outputs: usize) -> WeightMap {
    let reference = match mapping {
        Mapping::OneSidedPair => 0.0,
        _ => 0.5,
    };
    WeightMap::new(mapping, reference, 2.0, inputs, outputs)
}

/// Uniform numbers in ±1.
pub fn numbers(len: usize, width: usize, step: u32) -> StackVector {
    let mut out = StackVector::zeros(len, width);
    for i in 0..len {
        for (lane, x) in out.lanes_mut(i).iter_mut().enumerate() {
            let u = Stream::new(3).uniform(Coordinates {
                step,
                cell: i as u32,
                replica: lane as u32,
                purpose: Purpose::Input,
                index: 0,
            });
            *x = 2.0 * u - 1.0;
        }
    }
    out
}

fn written(plan: &Plan, replicas: usize) -> Crossbar {
    let mut crossbar = Crossbar::new(plan, 0, replicas).unwrap();
    let weights = numbers(plan.model.map.weights(), 1, 99);
    let weights: Vec<f64> = weights.all().iter().map(|w| 0.4 * f64::from(*w)).collect();
    crossbar.write(0, &weights).unwrap();
    crossbar
}

pub fn forward(crossbar: &mut Crossbar, step: u32, x: &StackVector) -> StackVector {
    let mut y = StackVector::zeros(crossbar.dimensions().1, x.width());
    crossbar.multiply(step, x, &mut y).unwrap();
    y
}

pub fn back(crossbar: &mut Crossbar, step: u32, x: &StackVector) -> StackVector {
    let mut y = StackVector::zeros(crossbar.dimensions().0, x.width());
    crossbar.multiply_transposed(step, x, &mut y).unwrap();
    y
}

pub fn distance(a: &StackVector, b: &StackVector) -> f32 {
    let pairs = a.all().iter().zip(b.all());
    pairs.fold(0.0, |m, (a, b)| m.max((a - b).abs()))
}

const MAPPINGS: [Mapping; 3] = [
    Mapping::ReferenceColumn,
    Mapping::DifferentialPair,
    Mapping::OneSidedPair,
];

/// Written, pulsed without noise and relaxed, the cells of tiles are those of the whole; so are products, to the rounding of single precision.
#[test]
fn noiseless_tiles_are_the_whole_array() {
    let (inputs, outputs, replicas) = (13, 7, 5);
    for mapping in MAPPINGS {
        let map = map(mapping, inputs, outputs);
        let mut whole = written(&plan(map, varied(map.cells()), None), replicas);
        let mut tiled = written(&plan(map, varied(map.cells()), Some([5, 6])), replicas);
        let states = |c: &mut Crossbar| {
            let mut values = vec![vec![0.0; replicas]; map.cells()];
            c.inspect(&mut values).unwrap();
            values
        };
        for step in 0..4 {
            let x = numbers(inputs, replicas, 10 + step);
            let d = numbers(outputs, replicas, 20 + step);
            let all = numbers(map.weights(), replicas, 30 + step);
            for c in [&mut whole, &mut tiled] {
                c.update_outer(step, &x, &d, Counting::Deterministic, 0.1)
                    .unwrap();
                c.update_dense(step, &all, Counting::Deterministic, 0.1)
                    .unwrap();
            }
        }
        assert_eq!(states(&mut whole), states(&mut tiled), "{mapping:?}");
        assert_eq!(whole.conductances().unwrap(), tiled.conductances().unwrap());
        assert_eq!(whole.pulses().unwrap(), tiled.pulses().unwrap());
        whole.relax(4, 0.3).unwrap();
        tiled.relax(4, 0.3).unwrap();
        for (a, b) in states(&mut whole).iter().zip(states(&mut tiled)) {
            for (a, b) in a.iter().zip(b) {
                // What relaxes is rounded at random to one of two neighbours, of positions below 1 in windows of two weights.
                assert!((a - b).abs() <= 2.0 * f64::from(f32::EPSILON), "{a} {b}");
            }
        }
        // Sums of up to 13 inputs (14 columns against the flow) of at most 1 and conductances of at most the window, 1.25 of them a weight
        // from the end of the scale: half an ε for each, in either array; and one for what relaxation has rounded.
        let tolerance = 14.0 * 2.0 * 2.0 * 1.25 * f32::EPSILON;
        let samples = 3;
        let (x, d) = (
            numbers(inputs, samples * replicas, 41),
            numbers(outputs, samples * replicas, 42),
        );
        let far = distance(&forward(&mut whole, 9, &x), &forward(&mut tiled, 9, &x));
        assert!(far < tolerance, "{mapping:?}: {far}");
        let far = distance(&back(&mut whole, 9, &d), &back(&mut tiled, 9, &d));
        assert!(far < tolerance, "{mapping:?}: {far}");
        // Three parts of the inputs, three of the outputs (two pairs of pairs, or six columns in one tile): 2 additions an output and lane.
        let lanes = (samples * replicas) as u64;
        let across = tiled.tiles().unwrap().len() as u64 / 3;
        let counts = tiled.counts();
        assert_eq!(
            counts.additions,
            lanes * (2 * outputs as u64 + (across - 1) * inputs as u64)
        );
        assert_eq!(counts.reads, 2 * lanes * 3 * across);
        assert_eq!(whole.counts().additions, 0);
    }
}

/// Every tile is an array of its own: converters, noise, wires and random numbers of pulses. What a crossbar reads is the sum of crossbars of
/// its parts.
#[test]
fn a_tile_is_an_array_of_its_own() {
    let (inputs, outputs, replicas) = (11, 6, 18);
    let map = map(Mapping::DifferentialPair, inputs, outputs);
    let device = load_device("ideal/noisy-reads", "".as_ref()).unwrap();
    let cells = Arc::new(device.cells(map.cells(), 1).unwrap());
    let errors = Errors {
        offset: 0.02,
        gain: 0.03,
        inl: 0.4,
        dnl: 0.2,
    };
    let mut plan = Plan {
        read_noise: 0.05,
        wires: Some(Wires::new(30.0, 20.0)),
        ..plan(map, cells, Some([4, 5]))
    };
    plan.periphery.adc = Adc {
        kind: AdcKind::Uniform {
            resolution: Resolution::bits(8).unwrap(),
            rounding: Rounding::Nearest,
        },
        range: Some(3.0),
        errors,
    };
    let (x, d) = (numbers(inputs, replicas, 1), numbers(outputs, replicas, 2));
    let counting = Counting::Coincidence {
        bits: 31,
        update_management: true,
        length_management: false,
    };
    let rows = |v: &StackVector, own: std::ops::Range<usize>| {
        let mut out = StackVector::zeros(own.len(), v.width());
        for (i, k) in own.enumerate() {
            out.lanes_mut(i).copy_from_slice(v.lanes(k));
        }
        out
    };
    let weights: Vec<f64> = numbers(map.weights(), 1, 99)
        .all()
        .iter()
        .map(|w| 0.4 * f64::from(*w))
        .collect();
    let mut whole = written(&plan, replicas);
    let work = |c: &mut Crossbar, x: &StackVector, d: &StackVector| {
        c.update_outer(5, x, d, counting, 0.1).unwrap();
        c.relax(5, 1e-3).unwrap();
        c.refresh(5).unwrap();
        (forward(c, 6, x), back(c, 7, d))
    };
    let (y, z) = work(&mut whole, &x, &d);
    let (mut sums, mut against) = (vec![0.0; y.all().len()], vec![0.0; z.all().len()]);
    let cuts = plan.layout.cuts(&map);
    assert_eq!(cuts.len(), 9);
    for (k, cut) in cuts.iter().enumerate() {
        let own = Plan {
            model: plan.model.part(cut),
            layout: Layout::default(),
            stream: plan.stream.part(k as u32),
            ..plan.clone()
        };
        let mut tile = Crossbar::new(&own, 0, replicas).unwrap();
        let count = own.model.map.weights();
        let own: Vec<f64> = (0..count).map(|k| weights[cut.weight(&map, k)]).collect();
        tile.write(0, &own).unwrap();
        let (x, d) = (rows(&x, cut.inputs.clone()), rows(&d, cut.outputs.clone()));
        let (y, z) = work(&mut tile, &x, &d);
        let add = |sums: &mut [f64], part: &StackVector, first: usize| {
            let own = &mut sums[first * replicas..][..part.all().len()];
            own.iter_mut()
                .zip(part.all())
                .for_each(|(s, y)| *s += f64::from(*y));
        };
        add(&mut sums, &y, cut.outputs.start);
        add(&mut against, &z, cut.inputs.start);
    }
    let rounded = |sums: &[f64]| sums.iter().map(|s| *s as f32).collect::<Vec<_>>();
    assert_eq!(y.all(), rounded(&sums));
    assert_eq!(z.all(), rounded(&against));
}

/// The variance of an output is that of one read times the tiles that it is added from, and tiles know nothing of each other.
#[test]
fn noise_of_tiles_is_independent_and_adds_up() {
    let (replicas, sigma) = (5000, 0.1);
    let map = map(Mapping::ReferenceColumn, 12, 4);
    let mut plan = plan(map, equal(map.cells()), Some([3, 2]));
    plan.read_noise = sigma;
    let mut crossbar = Crossbar::new(&plan, 0, replicas).unwrap();
    crossbar.write(0, &vec![0.0; map.weights()]).unwrap();
    let y = forward(&mut crossbar, 1, &StackVector::zeros(12, replicas));
    // Four tiles along the inputs: twice the deviation. 20 000 numbers; the test is that of Kolmogorov and Smirnov, α = 1e-6.
    let scaled: Vec<f64> = y
        .all()
        .iter()
        .map(|y| f64::from(*y) / (2.0 * sigma))
        .collect();
    check_normal("outputs of four tiles each", &scaled);
    for (a, b) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
        let pairs = (0..replicas).map(|r| (scaled[a * replicas + r], scaled[b * replicas + r]));
        check_independent(&format!("outputs {a} and {b}"), pairs);
    }
    // Equal tiles at equal coordinates of their own: noise of one tile against that of the next.
    let mut keys: Vec<_> = (0..2000).map(|k| plan.stream.part(k).key()).collect();
    keys.extend((0..2000).map(|k| Stream::new(SEED + 1).part(k).key()));
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 4000);
    let normal = |k: u32, cell: u32| {
        f64::from(plan.stream.part(k).normal(Coordinates {
            step: 0,
            cell,
            replica: 0,
            purpose: Purpose::ReadNoise,
            index: 0,
        }))
    };
    for k in 0..3 {
        let pairs = (0..20_000).map(|cell| (normal(k, cell), normal(k + 1, cell)));
        check_independent("streams of neighbours", pairs);
    }
}

/// Ranges are found tile by tile, are handed on as they were found, and quantise every partial sum.
#[test]
fn every_tile_has_ranges_of_its_own() {
    let (inputs, outputs, replicas, samples) = (64, 6, 16, 200);
    let map = map(Mapping::ReferenceColumn, inputs, outputs);
    let mut plan = plan(map, equal(map.cells()), Some([16, 3]));
    plan.periphery.adc = Adc {
        kind: AdcKind::Uniform {
            resolution: Resolution::bits(7).unwrap(),
            rounding: Rounding::Nearest,
        },
        range: Some(1.0),
        errors: Errors::default(),
    };
    let mut crossbar = written(&plan, replicas);
    let x = numbers(inputs, samples * replicas, 5);
    let ranges = crossbar
        .calibrate(1, Direction::Forward, &x, RangeRule::Max, Scope::Column)
        .unwrap();
    assert_eq!(ranges.len(), 4 * outputs);
    let digital = &mut written(
        &Plan {
            periphery: Periphery::default(),
            ..plan.clone()
        },
        replicas,
    );
    let miss = |c: &mut Crossbar, digital: &mut Crossbar| {
        let (a, b) = (forward(c, 3, &x), forward(digital, 3, &x));
        let pairs = a.all().iter().zip(b.all());
        let squares = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        squares / a.all().len() as f64
    };
    // LSB²/12 of every range, four of which make an output. Rounding errors are uniform and independent to a good part in a hundred where a
    // deviation is a dozen steps; 19 200 squares are known to 1.4 % (2 √(4/5/n) of uniform ones), five of which are allowed.
    let lsb = |r: &f64| (r / 63.0).powi(2) / 12.0;
    let expected = ranges.iter().map(lsb).sum::<f64>() / outputs as f64;
    let found = miss(&mut crossbar, digital);
    assert!((found / expected - 1.0).abs() < 0.05, "{found} {expected}");
    // Another stack that is told reads the same.
    let mut other = written(&plan, replicas);
    let before = forward(&mut other, 3, &x);
    other.set_ranges(Direction::Forward, &ranges);
    let after = forward(&mut other, 3, &x);
    assert_eq!(after, forward(&mut crossbar, 3, &x));
    assert!(distance(&before, &after) > 0.1);
    let back = crossbar
        .calibrate(
            2,
            Direction::Transposed,
            &numbers(outputs, samples * replicas, 6),
            RangeRule::Max,
            Scope::Array,
        )
        .unwrap();
    assert_eq!(back.len(), 2 * inputs);
    assert!(back[..16].windows(2).all(|r| r[0] == r[1]));
    assert!(back[0] != back[16]);
}

/// Drift is measured and undone where sums are, not tile by tile.
#[test]
fn compensation_sees_whole_outputs() {
    let (inputs, outputs, replicas) = (9, 4, 3);
    let map = map(Mapping::DifferentialPair, inputs, outputs);
    let lines = VARIED.replace(
        "device-to-device = { lifetime = { relative-normal = 0.3 }, rest = { normal = 0.05 } }",
        "",
    );
    let device = device(&whole(&lines.replace("rest = 0.4", "rest = 0.5"))).unwrap();
    let cells = Arc::new(device.without_variation().cells(map.cells(), 1).unwrap());
    let mut crossbar = written(&plan(map, cells, Some([4, 4])), replicas);
    let x = numbers(inputs, 6 * replicas, 5);
    let before = forward(&mut crossbar, 1, &x);
    let fresh = crossbar.response(1, &x).unwrap();
    // Equal cells of pairs about the resting state lose the same share e^-1 of every weight.
    crossbar.relax(2, 1.0).unwrap();
    let lost = forward(&mut crossbar, 3, &x);
    crossbar
        .compensate(3, &x, &fresh, Compensation::PerColumn)
        .unwrap();
    let after = forward(&mut crossbar, 3, &x);
    let share = f32::exp(-1.0);
    for ((b, l), a) in before.all().iter().zip(lost.all()).zip(after.all()) {
        // Sums of 9 inputs and two cells each: as above, with the factor e.
        assert!((l - share * b).abs() < 1e-5, "{b} {l}");
        assert!((a - b).abs() < 1e-5, "{b} {a}");
    }
}

/// A product of tiles in a study: what is predicted of noise and converters counts the tiles, and keys are checked.
#[test]
fn studies_have_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let made = |array: &str| {
        let path = folder.path().join("t.toml");
        let text = format!(
            r#"
title = "t"
claim = "t"
cite = []
seed = 7
replicas = 16
device = {{ model = "ideal/soft-bounds" }}
[array]
read-noise = 0.02
adc = {{ uniform = {{ bits = 5, range = 1.0 }} }}
{array}
[array.mapping.differential-pair]
zero = "middle"
conductance-per-weight = "half-window"
[task.products]
inputs = 96
outputs = 20
samples = 60
known-vectors = 256
weights = {{ normal = {{ deviation = 0.25 }} }}
vectors = {{ normal = {{ deviation = 1.0 }} }}
calibrate = {{ rule = "max", scope = "array" }}
"#
        );
        std::fs::write(&path, text).unwrap();
        memridge::study::Study::read(&path, &memridge::study::Overrides::default())
    };
    for (array, tiles) in [("", 1.0), ("tiles = { rows = 32, columns = 10 }", 12.0)] {
        let outcome = run_study(&made(array).unwrap(), &()).unwrap();
        let read = &outcome.summary.points[0].reads[0];
        let (found, predicted) = (read.error.value.unwrap(), read.error.predicted.unwrap());
        // 19 200 outputs: 0.5 % of a deviation; five of these.
        assert!(
            (found / predicted - 1.0).abs() < 0.025,
            "{found} {predicted}"
        );
        assert_eq!(read.vectors as f64, 16.0 * 60.0 * tiles);
    }
    let Err(error) = made("tiles = { rows = 0, columns = 1 }") else {
        panic!("accepted");
    };
    let message = error.to_string();
    assert!(message.contains("array.tiles.rows"), "{message}");
    assert!(message.contains("take 2 of them in one tile"), "{message}");
}
