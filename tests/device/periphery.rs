//! Reads through the periphery: limits in which it is not there, managements, batches, both directions, counts, calibration, drift, studies.

use std::sync::Arc;

use memridge::backend::{Place, StackVector};
use memridge::crossbar::{
    Adc, AdcKind, ArrayModel, BoundManagement, Compensation, Crossbar, Dac, Direction, Errors,
    Input, Layout, Mapping, NoiseManagement, Periphery, Plan, RangeRule, Resolution, Rounding,
    Scope, Synapses, WeightMap,
};
use memridge::device::{Cells, load_device};
use memridge::number::{Coordinates, Purpose, Stream};
use memridge::study::{forecast, run_study};

use crate::statistics::{SEED, check_independent, check_normal};
use crate::text::study;

fn cells(count: usize) -> Arc<Cells> {
    let device = load_device("ideal/soft-bounds", "".as_ref()).unwrap();
    Arc::new(device.without_variation().cells(count, 1).unwrap())
}

fn plan(mapping: Mapping, (inputs, outputs): (usize, usize), noise: f64, p: &Periphery) -> Plan {
    Plan {
        model: ArrayModel {
            cells: cells(inputs * outputs * mapping.cells_per_weight()),
            map: WeightMap::new(mapping, 0.5, 2.0, inputs, outputs),
        },
        read_noise: noise,
        periphery: p.clone(),
        wires: None,
        layout: Layout::default(),
        refresh: None,
        aggregate: true,
        stream: Stream::new(SEED),
        place: Place::Cpu,
    }
}

/// Random weights within ±0.4.
fn weights(count: usize) -> Vec<f64> {
    let w = inputs(count, 1, 0, 77);
    w.all().iter().map(|w| 0.4 * f64::from(*w)).collect()
}

/// Uniform numbers in ±1; lane = sample · replicas + replica, drawn at (step + sample, element, first + replica).
fn batch(len: usize, samples: usize, (first, replicas): (usize, usize), step: u32) -> StackVector {
    let mut out = StackVector::zeros(len, samples * replicas);
    for i in 0..len {
        for (lane, x) in out.lanes_mut(i).iter_mut().enumerate() {
            let u = Stream::new(3).uniform(Coordinates {
                step: step + (lane / replicas) as u32,
                cell: i as u32,
                replica: (first + lane % replicas) as u32,
                purpose: Purpose::Input,
                index: 0,
            });
            *x = 2.0 * u - 1.0;
        }
    }
    out
}

fn inputs(len: usize, replicas: usize, first: usize, step: u32) -> StackVector {
    batch(len, 1, (first, replicas), step)
}

fn made(plan: &Plan, first: usize, replicas: usize) -> Crossbar {
    let map = plan.model.map;
    let mut crossbar = Crossbar::new(plan, first, replicas).unwrap();
    crossbar.write(0, &weights(map.weights())).unwrap();
    crossbar
}

fn read(crossbar: &mut Crossbar, step: u32, x: &StackVector) -> StackVector {
    let mut y = StackVector::zeros(crossbar.dimensions().1, x.width());
    crossbar.multiply(step, x, &mut y).unwrap();
    y
}

fn bits(v: &StackVector) -> Vec<u32> {
    v.all().iter().map(|x| x.to_bits()).collect()
}

/// 7 bits of inputs, 9 of outputs, inputs scaled to the largest: the usual RPU.
fn usual(range: f64) -> Periphery {
    Periphery {
        dac: Dac {
            resolution: Resolution::bits(7),
            range: Some(1.0),
            ..Dac::default()
        },
        adc: Adc {
            kind: AdcKind::Uniform {
                resolution: Resolution::bits(9).unwrap(),
                rounding: Rounding::Nearest,
            },
            range: Some(range),
            errors: Errors::default(),
        },
        noise_management: NoiseManagement::AbsMax,
        bound_management: BoundManagement::None,
    }
}

/// Everything random at once.
fn rough() -> Periphery {
    let errors = Errors {
        offset: 0.01,
        gain: 0.02,
        inl: 0.5,
        dnl: 0.2,
    };
    let mut p = usual(1.0);
    p.dac.rounding = Rounding::Stochastic;
    p.dac.errors = errors;
    p.adc.errors = Errors {
        inl: 0.0,
        dnl: 0.0,
        ..errors
    };
    p.adc.kind = AdcKind::Uniform {
        resolution: Resolution::bits(9).unwrap(),
        rounding: Rounding::Stochastic,
    };
    p.noise_management = NoiseManagement::Average { decay: 0.5 };
    p.bound_management = BoundManagement::Iterative { most_halvings: 4 };
    p
}

const MAPPINGS: [Mapping; 3] = [
    Mapping::ReferenceColumn,
    Mapping::DifferentialPair,
    Mapping::OneSidedPair,
];

/// Infinite resolution and a range that nothing reaches: the bits of a read without converters, with its noise; and these are the exact
/// product to the rounding of single precision.
#[test]
fn an_ideal_periphery_changes_no_bit() {
    let mut wide = Periphery::default();
    wide.dac.range = Some(1e9);
    wide.adc.range = Some(1e9);
    for mapping in MAPPINGS {
        for (replicas, samples) in [(1, 1), (1, 9), (3, 4), (20, 2)] {
            for noise in [0.0, 0.1] {
                let run = |p: &Periphery| {
                    let mut c = made(&plan(mapping, (17, 6), noise, p), 5, replicas);
                    let x = batch(17, samples, (5, replicas), 2);
                    let forward = read(&mut c, 4, &x);
                    let d = batch(6, samples, (5, replicas), 3);
                    let mut back = StackVector::zeros(17, d.width());
                    c.multiply_transposed(4, &d, &mut back).unwrap();
                    (x, forward, d, back)
                };
                let (x, y, d, back) = run(&Periphery::default());
                let (_, same, _, same_back) = run(&wide);
                assert!(bits(&y) == bits(&same) && bits(&back) == bits(&same_back));
                if noise > 0.0 || mapping == Mapping::OneSidedPair {
                    continue;
                }
                let w = weights(17 * 6);
                for lane in 0..x.width() {
                    for c in 0..6 {
                        let sum: f64 = (0..17)
                            .map(|r| f64::from(x.lanes(r)[lane]) * w[r * 6 + c])
                            .sum();
                        // Currents of 17 cells of up to 50 µS at 20 µS a unit, each rounded to 6e-8.
                        assert!((f64::from(y.lanes(c)[lane]) - sum).abs() < 2e-5);
                    }
                    for r in 0..17 {
                        let sum: f64 = (0..6)
                            .map(|c| f64::from(d.lanes(c)[lane]) * w[r * 6 + c])
                            .sum();
                        assert!((f64::from(back.lanes(r)[lane]) - sum).abs() < 2e-5);
                    }
                }
            }
        }
    }
}

/// The noise of a read against the flow is that of one output too, whatever the mapping, and has nothing to do with the read of the same
/// step with the flow.
#[test]
fn both_directions_have_their_own_noise() {
    for mapping in MAPPINGS {
        let n = 40;
        let mut c = made(&plan(mapping, (n, n), 0.3, &usual(1e6)), 0, 20);
        // Zeros: nothing but noise; the range is so wide that the resolution must be infinite.
        let mut p = usual(1e6);
        p.adc = Adc::default();
        let mut quiet = made(&plan(mapping, (n, n), 0.3, &p), 0, 20);
        let x = StackVector::zeros(n, 20);
        let (mut forward, mut back) = (Vec::new(), Vec::new());
        for step in 0..5 {
            let y = read(&mut quiet, step, &x);
            forward.extend(y.all().iter().map(|y| f64::from(*y) / 0.3));
            let mut y = StackVector::zeros(n, 20);
            quiet.multiply_transposed(step, &x, &mut y).unwrap();
            back.extend(y.all().iter().map(|y| f64::from(*y) / 0.3));
            assert!(read(&mut c, step, &x).all().iter().all(|y| *y == 0.0));
        }
        check_normal("forward", &forward);
        check_normal("transposed", &back);
        let pairs = forward.iter().copied().zip(back.iter().copied());
        check_independent(&format!("{mapping:?}"), pairs);
    }
}

/// Doubled inputs give doubled outputs, bit for bit, however often.
#[test]
fn the_largest_input_sets_the_scale() {
    for input in [Input::Amplitude, Input::PulseWidth, Input::BitSerial] {
        let mut p = usual(4.0);
        p.dac.input = input;
        let plan = plan(Mapping::DifferentialPair, (30, 5), 0.05, &p);
        let mut x = inputs(30, 7, 0, 1);
        let first = read(&mut made(&plan, 0, 7), 3, &x);
        for factor in [2.0_f32, 1.0 / 1024.0, 65536.0] {
            let mut scaled = x.clone();
            scaled.all_mut().iter_mut().for_each(|x| *x *= factor);
            let y = read(&mut made(&plan, 0, 7), 3, &scaled);
            assert!(
                first
                    .all()
                    .iter()
                    .zip(y.all())
                    .all(|(a, b)| a * factor == *b)
            );
        }
        // Nothing in, nothing out but noise: no division by zero.
        x.fill(0.0);
        let y = read(&mut made(&plan, 0, 7), 3, &x);
        assert!(y.all().iter().all(|y| y.is_finite()));
    }
}

/// Inputs are divided by the constant, and outputs multiplied with it: those of inputs that were as much smaller, bit for bit for a power of two.
#[test]
fn a_constant_sets_the_scale() {
    let mut p = usual(4.0);
    p.noise_management = NoiseManagement::Constant(4.0);
    let x = inputs(30, 7, 0, 1);
    let make = |p: &Periphery| made(&plan(Mapping::DifferentialPair, (30, 5), 0.05, p), 0, 7);
    let constant = read(&mut make(&p), 3, &x);
    p.noise_management = NoiseManagement::None;
    let mut small = x.clone();
    small.all_mut().iter_mut().for_each(|x| *x *= 0.25);
    let plain = read(&mut make(&p), 3, &small);
    let pairs = constant.all().iter().zip(plain.all());
    assert!(pairs.clone().all(|(a, b)| *a == b * 4.0));
    // Without it, other levels: inputs beyond the range are cut.
    let cut = read(&mut make(&p), 3, &x);
    assert!(pairs.zip(cut.all()).any(|((a, _), c)| a != c));
}

/// What reads apply to cells: of each replica its own, repetitions at half the voltage included, however replicas are cut into stacks. By hand, on the
/// eight cells of each line: `x²`, and full voltage for as long as |x| where inputs are widths.
#[test]
fn what_reads_apply_is_metered() {
    let drive = |p: &Periphery, cuts: &[usize]| -> Vec<f64> {
        let mut all = Vec::new();
        for cut in cuts.windows(2) {
            let (first, replicas) = (cut[0], cut[1] - cut[0]);
            let mut c = made(
                &plan(Mapping::DifferentialPair, (40, 4), 0.0, p),
                first,
                replicas,
            );
            c.meter();
            read(&mut c, 1, &inputs(40, replicas, first, 8));
            all.extend(c.usage().unwrap().unwrap().drive);
        }
        all
    };
    let mut bounded = usual(1.0);
    bounded.noise_management = NoiseManagement::None;
    bounded.bound_management = BoundManagement::Iterative { most_halvings: 4 };
    bounded.dac.errors.offset = 0.01;
    let whole = drive(&bounded, &[0, 50]);
    assert_eq!(whole, drive(&bounded, &[0, 13, 50]));
    bounded.bound_management = BoundManagement::None;
    let once = drive(&bounded, &[0, 50]);
    let more = whole.iter().zip(&once).filter(|(a, b)| a > b).count();
    assert!(more > 5 && more < 50, "{more}");
    let x = inputs(40, 50, 0, 8);
    let mut wide = Periphery::default();
    let by_hand = |power: i32, r: usize| -> f64 {
        let inputs = (0..40).map(|i| f64::from(x.lanes(i)[r].abs()).powi(power));
        8.0 * inputs.sum::<f64>()
    };
    for (input, power) in [(Input::Amplitude, 2), (Input::PulseWidth, 1)] {
        wide.dac.input = input;
        wide.adc.range = Some(1e3);
        let found = drive(&wide, &[0, 50]);
        for (r, sum) in found.iter().enumerate() {
            assert!(
                (sum / by_hand(power, r) - 1.0).abs() < 1e-6,
                "{input:?} {r}"
            );
        }
    }
}

/// What saturates is read again at half, a quarter …, until it does not: the read of inputs that were as small from the start. And each
/// repetition draws its own noise.
#[test]
fn bounds_are_managed_by_halving() {
    let mut p = usual(1.0);
    p.noise_management = NoiseManagement::None;
    let bounded = |most_halvings| Periphery {
        bound_management: BoundManagement::Iterative { most_halvings },
        ..p.clone()
    };
    let make = |p: &Periphery| made(&plan(Mapping::ReferenceColumn, (40, 6), 0.0, p), 0, 50);
    let x = inputs(40, 50, 0, 8);
    let mut managed = make(&bounded(10));
    let y = read(&mut managed, 1, &x);
    let mut levels = Vec::new();
    for halvings in 0..8 {
        let mut small = x.clone();
        small
            .all_mut()
            .iter_mut()
            .for_each(|x| *x *= 0.5_f32.powi(halvings));
        levels.push(read(&mut make(&p), 1, &small));
    }
    let (mut repeated, mut halved) = (0, [0; 8]);
    for lane in 0..50 {
        let ends = |v: &StackVector| (0..6).any(|c| v.lanes(c)[lane].abs() >= 0.999);
        let k = levels.iter().position(|v| !ends(v)).unwrap();
        halved[k] += 1;
        repeated += k as u64;
        for c in 0..6 {
            let expected = levels[k].lanes(c)[lane] * 2.0_f32.powi(k as i32);
            assert_eq!(y.lanes(c)[lane], expected, "{lane} {c}");
        }
    }
    assert!(
        halved[0] > 5 && halved[1] > 5 && halved[2] > 0,
        "{halved:?}"
    );
    let counts = managed.counts();
    assert_eq!(counts.repeated, repeated);
    assert_eq!(counts.reads, 50 + repeated);
    assert_eq!(
        (counts.dac, counts.adc),
        (40 * counts.reads, 6 * counts.reads)
    );
    assert_eq!(counts.saturated, 0);
    // One halving only: some stay at the end.
    let mut once = make(&bounded(1));
    let y = read(&mut once, 1, &x);
    let ends = y.all().iter().filter(|y| y.abs() > 1.998).count() as u64;
    assert_eq!(once.counts().saturated, ends);
    assert!(ends > 0);
}

#[test]
fn repeated_reads_have_noise_of_their_own() {
    // One output is far beyond the range, so that every vector is halved once; the others show their noise.
    let n = 1024;
    let mut p = Periphery::default();
    p.adc.range = Some(1.5);
    let noise = |p: &Periphery, steps: std::ops::Range<u32>| -> Vec<f64> {
        let mut c = Crossbar::new(&plan(Mapping::ReferenceColumn, (1, n), 1e-3, p), 0, 4).unwrap();
        let mut w = vec![0.0; n];
        w[0] = 0.8;
        c.write(0, &w).unwrap();
        let mut x = StackVector::zeros(1, 4);
        x.fill(2.5);
        let mut out = Vec::new();
        for step in steps {
            let y = read(&mut c, step, &x);
            out.extend(y.all()[4..].iter().map(|y| f64::from(*y) / 1e-3));
        }
        out
    };
    let first = noise(&p, 0..5);
    p.bound_management = BoundManagement::Iterative { most_halvings: 1 };
    let second: Vec<f64> = noise(&p, 0..5).into_iter().map(|z| 0.5 * z).collect();
    check_normal("second read", &second);
    check_independent("two reads", first.into_iter().zip(second));
}

/// Planes added digitally are the amplitude where converters of outputs are ideal.
#[test]
fn bit_planes_add_up_to_the_amplitude() {
    for steps in [2, 30, 100, 126, 1000] {
        let mut p = usual(1.0);
        p.adc = Adc::default();
        p.dac.resolution = Resolution::steps(steps);
        p.dac.range = Some(0.8);
        p.dac.errors.gain = 0.03;
        let x = batch(20, 3, (0, 5), 6);
        let run = |input| {
            let mut p = p.clone();
            p.dac.input = input;
            let mut c = made(&plan(Mapping::DifferentialPair, (20, 4), 0.0, &p), 0, 5);
            let y = read(&mut c, 1, &x);
            (y, c.counts())
        };
        let (amplitude, once) = run(Input::Amplitude);
        let (planes, many) = run(Input::BitSerial);
        for (a, b) in amplitude.all().iter().zip(planes.all()) {
            // As in the exact product, for up to nine planes.
            assert!((a - b).abs() < 2e-5, "{steps}: {a} {b}");
        }
        assert!(amplitude == run(Input::PulseWidth).0);
        let digits = u64::from(Resolution::steps(steps).unwrap().digits());
        assert_eq!((once.reads, many.reads), (15, 15 * digits));
    }
}

/// Noise of every plane: `Σ 4^p σ²/L²`.
#[test]
fn every_plane_has_its_noise() {
    let mut p = usual(1.0);
    p.adc = Adc::default();
    p.dac.input = Input::BitSerial;
    let n = 500;
    let mut c = made(&plan(Mapping::ReferenceColumn, (1, n), 0.2, &p), 0, 40);
    let y = read(&mut c, 1, &StackVector::zeros(1, 40));
    let planes: f64 = (0..6).map(|p| 4.0_f64.powi(p)).sum();
    let deviation = 0.2 * planes.sqrt() / 63.0;
    let z: Vec<f64> = y.all().iter().map(|y| f64::from(*y) / deviation).collect();
    check_normal("planes", &z);
}

/// However replicas are cut into stacks, and however samples into batches, for both directions.
#[test]
fn neither_stacks_nor_batches_change_a_bit() {
    let mut serial = rough();
    serial.dac.input = Input::BitSerial;
    serial.dac.errors.inl = 0.0;
    serial.dac.errors.dnl = 0.0;
    serial.bound_management = BoundManagement::None;
    for p in [rough(), serial] {
        let plan = plan(Mapping::DifferentialPair, (9, 5), 0.1, &p);
        let run = |cuts: &[usize]| {
            let mut out = vec![Vec::new(); 14];
            for cut in cuts.windows(2) {
                let (first, replicas) = (cut[0], cut[1] - cut[0]);
                let mut c = made(&plan, first, replicas);
                for step in 0..6 {
                    let y = read(&mut c, step, &inputs(9, replicas, first, step));
                    let mut back = StackVector::zeros(9, replicas);
                    c.multiply_transposed(step, &inputs(5, replicas, first, 50), &mut back)
                        .unwrap();
                    (0..5).for_each(|o| {
                        out[o].extend(y.lanes(o).iter().map(|y| (step, y.to_bits())))
                    });
                    (0..9).for_each(|o| {
                        out[5 + o].extend(back.lanes(o).iter().map(|y| (step, y.to_bits())));
                    });
                }
            }
            out.iter_mut().for_each(|lane| lane.sort_unstable());
            out
        };
        let whole = run(&[0, 37]);
        assert!(whole == run(&[0, 5, 7, 37]));
        // Six samples at once, of enough replicas that both are read along them.
        let mut one = made(&plan, 0, 20);
        let mut all = made(&plan, 0, 20);
        let together = read(&mut all, 3, &batch(9, 6, (0, 20), 3));
        for sample in 0..6 {
            let y = read(
                &mut one,
                3 + sample as u32,
                &inputs(9, 20, 0, 3 + sample as u32),
            );
            for o in 0..5 {
                let own = &together.lanes(o)[sample * 20..][..20];
                assert!(own == y.lanes(o));
            }
        }
        assert_eq!(one.counts(), all.counts());
    }
}

/// Ranges from data: nothing saturates at the largest, columns have their own, and codes of the best range are nearest in the mean square.
#[test]
fn ranges_are_chosen_from_data() {
    let plan = plan(Mapping::ReferenceColumn, (60, 8), 0.0, &usual(0.01));
    let mut c = made(&plan, 0, 1);
    let x = batch(60, 200, (0, 1), 1);
    read(&mut c, 0, &x);
    assert!(c.counts().saturated > 1000);
    let mut exact = usual(1.0);
    exact.adc = Adc::default();
    let mut analog = made(
        &Plan {
            periphery: exact,
            ..plan.clone()
        },
        0,
        1,
    );
    let error = |c: &mut Crossbar, analog: &mut Crossbar| -> f64 {
        let (y, y0) = (read(c, 0, &x), read(analog, 0, &x));
        let pairs = y.all().iter().zip(y0.all());
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum()
    };
    let all = c
        .calibrate(0, Direction::Forward, &x, RangeRule::Max, Scope::Array)
        .unwrap();
    let largest = error(&mut c, &mut analog);
    let each = c
        .calibrate(0, Direction::Forward, &x, RangeRule::Max, Scope::Column)
        .unwrap();
    assert_eq!(each.iter().copied().fold(0.0, f64::max), all[0]);
    let before = c.counts().saturated;
    read(&mut c, 0, &x);
    // The largest of each column is the last code but one.
    assert_eq!(c.counts().saturated, before);
    let best = c
        .calibrate(
            0,
            Direction::Forward,
            &x,
            RangeRule::LeastSquares,
            Scope::Array,
        )
        .unwrap();
    // What is set is what was returned: outputs are whole steps of it, times the largest input of their sample.
    let step = best[0] / f64::from(plan.periphery.adc.resolution().unwrap().levels());
    let y = read(&mut c, 0, &x);
    let largest_of = |b: usize| (0..60).fold(0.0_f32, |m, i| m.max(x.lanes(i)[b].abs()));
    for b in 0..200 {
        let unit = step * f64::from(largest_of(b)) / plan.periphery.dac.range.unwrap_or(1.0);
        for o in 0..8 {
            let k = f64::from(y.lanes(o)[b]) / unit;
            assert!((k - k.round()).abs() < 1e-3, "{b} {o}: {k}");
        }
    }
    let least = error(&mut c, &mut analog);
    // The same to rounding where the largest is the best.
    assert!(least < 1.001 * largest, "{least} {largest}");
    let nothing = StackVector::zeros(60, 3);
    let refused = c.calibrate(
        0,
        Direction::Forward,
        &nothing,
        RangeRule::Max,
        Scope::Array,
    );
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("every range is as good")
    );
}

/// Weights that lost a part are read as they were: globally where all lost the same, else column by column. Against the flow too.
#[test]
fn drift_is_compensated() {
    let (n, m) = (12, 4);
    let mut c = made(
        &plan(
            Mapping::DifferentialPair,
            (n, m),
            0.0,
            &Periphery::default(),
        ),
        0,
        3,
    );
    let known = batch(n, 8, (0, 3), 40);
    let (x, d) = (inputs(n, 3, 0, 5), inputs(m, 3, 0, 6));
    let back = |c: &mut Crossbar| {
        let mut y = StackVector::zeros(n, 3);
        c.multiply_transposed(9, &d, &mut y).unwrap();
        y
    };
    let (before, before_back) = (read(&mut c, 9, &x), back(&mut c));
    let then = c.response(1, &known).unwrap();
    let close = |a: &StackVector, b: &StackVector| {
        a.all()
            .iter()
            .zip(b.all())
            .all(|(a, b)| (a - b).abs() < 2e-5)
    };
    // Against the flow, inputs at the end of the converters' range come back whole all the same.
    let mut ends = Periphery::default();
    ends.dac.range = Some(1.0);
    let mut narrow = made(&plan(Mapping::DifferentialPair, (n, m), 0.0, &ends), 0, 3);
    let ones = {
        let mut v = StackVector::zeros(m, 3);
        v.fill(1.0);
        v
    };
    let rows = |c: &mut Crossbar| {
        let mut y = StackVector::zeros(n, 3);
        c.multiply_transposed(9, &ones, &mut y).unwrap();
        y
    };
    let (rows_before, first) = (rows(&mut narrow), narrow.response(1, &known).unwrap());
    let faded: Vec<f64> = weights(n * m).iter().map(|w| 0.7 * w).collect();
    narrow.write(2, &faded).unwrap();
    narrow
        .compensate(3, &known, &first, Compensation::Global)
        .unwrap();
    assert!(close(&rows_before, &rows(&mut narrow)));
    for (how, left) in [
        (Compensation::Global, [0.7; 4]),
        (Compensation::PerColumn, [0.9, 0.6, 0.5, 0.8]),
    ] {
        let w = weights(n * m).into_iter().enumerate();
        let w: Vec<f64> = w.map(|(k, w)| w * left[k % m]).collect();
        c.write(2, &w).unwrap();
        assert!(!close(&before, &read(&mut c, 9, &x)));
        c.compensate(3, &known, &then, how).unwrap();
        assert!(close(&before, &read(&mut c, 9, &x)), "{how:?}");
        assert!(close(&before_back, &back(&mut c)), "{how:?}");
        c.end_compensation();
    }
}

// ------------------------------------------------------------------------------------------------ studies

const USUAL: &str = r#"
noise-management = "abs-max"
dac = { steps = 126, range = 1.0, rounding = "stochastic", offset = 0.001, gain-error = 0.01, inl = 0.1, dnl = 0.1 }
adc = { sar = { bits = 9, range = 4.0, capacitor-mismatch = 0.01, gain-error = 0.01, offset = 0.01 } }
bound-management = { iterative = { most-halvings = 5 } }
"#;

#[test]
fn studies_train_through_converters_and_say_what_is_not_predicted() {
    let left_out = "predictions leave out the converters";
    let point = |array: &str| {
        let study = study(array).unwrap();
        let verdict = forecast(&study).unwrap()[0].verdict.clone();
        let summary = run_study(&study, &()).unwrap().summary;
        (verdict, summary.points.into_iter().next().unwrap())
    };
    let (verdict, ideal) = point("");
    assert!(!verdict.contains(left_out));
    assert!(!ideal.warnings.iter().any(|w| w.contains(left_out)));
    let (verdict, through) = point(USUAL);
    assert!(verdict.contains(left_out), "{verdict}");
    assert!(through.warnings.iter().any(|w| w.contains(left_out)));
    assert!(through.bias_norm != ideal.bias_norm);
}

#[test]
fn every_kind_of_converter_is_read() {
    for array in [
        USUAL,
        "adc = \"ideal\"",
        "dac = { range = 2.0 }",
        "dac = { bits = 8, range = 2.0, inputs = \"bit-serial\" }",
        "dac = { bits = 8, range = 2.0, inputs = \"pulse-width\" }",
        "adc = { ramp = { bits = 8, range = 2.0, comparator-offset = 0.01, inl = 0.3, dnl = 0.1 } }",
        "adc = { uniform = { bits = 8, range = 2.0, rounding = \"stochastic\" } }",
        "noise-management = { constant = { largest-input = 3.0 } }",
        "noise-management = { average = { decay = 0.9 } }\nbound-management = \"none\"",
    ] {
        if let Err(e) = study(array) {
            panic!("{array}: {e}");
        }
    }
}

#[test]
fn wrong_converters_are_refused_with_a_way_out() {
    for (array, parts) in [
        (
            "dac = { bits = 1 }\nadc = { uniform = { bits = 40 } }",
            &[
                "array.dac.bits = 1",
                "array.adc.uniform.bits = 40",
                "array.adc.uniform.range: missing",
            ][..],
        ),
        (
            "dac = { bits = 7, steps = 126, range = 1.0 }",
            &["array.dac.steps = 126: a resolution is given by bits or by steps; remove one"],
        ),
        (
            "dac = { steps = 127, range = 1.0 }",
            &["array.dac.steps = 127: must be even", "steps = 126"],
        ),
        (
            "dac = { inputs = \"bit-serial\", inl = 0.1, rounding = \"nearest\" }",
            &[
                "array.dac.inputs = \"bit-serial\"",
                "array.dac.inl = 0.1",
                "array.dac.rounding",
            ],
        ),
        (
            "dac = { bits = 14, range = 1.0, dnl = 0.1 }",
            &["array.dac.dnl = 0.1", "up to 12 bits"],
        ),
        (
            "bound-management = { iterative = { most-halvings = 3 } }",
            &["bound-management", "add an [array.adc.uniform]"],
        ),
        (
            "dac = { bits = 4, range = 1.0, inputs = \"bit-serial\" }\nadc = { uniform = { bits = 8, range = 1.0 } }\n\
             bound-management = { iterative = { most-halvings = 3 } }",
            &["bound-management", "full voltage"],
        ),
        (
            "adc = { sar = { bits = 8, range = 1.0, dnl = 0.1 } }",
            &["array.adc.sar.dnl", "capacitor-mismatch"],
        ),
        (
            "adc = { uniform = { bits = 8, range = 1.0, dnl = 0.1, rounding = \"stochastic\" } }",
            &["array.adc.uniform.rounding"],
        ),
        (
            "adc = { unifrom = { bits = 8 } }\nnoise-management = \"absmax\"\ndac = { bitz = 3 }",
            &[
                "did you mean uniform?",
                "noise-management",
                "did you mean bits?",
            ],
        ),
        (
            "noise-management = { average = { decay = 1.0 } }",
            &["array.noise-management.average.decay = 1"],
        ),
    ] {
        let text = study(array).err().expect(array).to_string();
        for part in parts {
            assert!(text.contains(part), "no \"{part}\" in\n{text}");
        }
    }
}
