//! Mean counts of bit trains: products of what lines let pass, rounded.

use std::sync::Arc;

use memridge::backend::StackVector;
use memridge::crossbar::{ArrayModel, Crossbar, Mapping, Synapses, WeightMap};
use memridge::device::{Counting, load_device};
use memridge::number::Stream;

const REPLICAS: usize = 4000;
/// 20 nS of 20 µS, and the learning rate: their ratio is the gain of unmanaged trains.
const STEP: f64 = 1e-3;
const RATE: f64 = 0.004;
const BITS: u32 = 10;

/// Pulses of every weight of equal steps, mean and variance over replicas, after one update of lines x and -d · rate.
fn pulses(mapping: Mapping, counting: Counting, x: &[f64], d: &[f64]) -> Vec<[f64; 2]> {
    let map = WeightMap::new(mapping, 0.5, 2.0, x.len(), d.len());
    let device = load_device("ideal/constant-step", "".as_ref()).unwrap();
    let plan = crate::plain(
        ArrayModel {
            cells: Arc::new(device.cells(map.cells(), 1).unwrap()),
            map,
        },
        Stream::new(8),
    );
    assert!((plan.model.step() / STEP - 1.0).abs() < 1e-9);
    let mut array = Crossbar::new(&plan, 0, REPLICAS).unwrap();
    array.write(0, &vec![0.0; map.weights()]).unwrap();
    let lines = |values: &[f64], factor: f64| {
        let mut out = StackVector::zeros(values.len(), REPLICAS);
        for (k, v) in values.iter().enumerate() {
            out.lanes_mut(k).fill((factor * v) as f32);
        }
        out
    };
    array
        .update_outer(3, &lines(x, 1.0), &lines(d, -RATE), counting, RATE)
        .unwrap();
    let cells = map.cells_per_weight();
    let mut values = vec![vec![0.0; REPLICAS]; map.cells()];
    array.inspect(&mut values).unwrap();
    let signs: Vec<f64> = (0..cells).map(|k| map.sign(k)).collect();
    let weight = |k: usize| {
        let all = (0..REPLICAS).map(|r| {
            let own = values[k * cells..(k + 1) * cells].iter();
            own.zip(&signs).map(|(v, s)| s * v[r]).sum::<f64>() / STEP
        });
        let (sum, squares) = all.fold((0.0, 0.0), |(s, q), n| (s + n, q + n * n));
        let mean = sum / REPLICAS as f64;
        [mean, squares / REPLICAS as f64 - mean * mean]
    };
    (0..map.weights()).map(weight).collect()
}

const X: [f64; 3] = [1.0, -0.3, 0.05];

/// Lines that do not reach the end of their trains ask for the product; its fraction alone is left to chance.
#[test]
fn mean_counts_are_products_rounded() {
    let d = [0.2, -0.07];
    for update_management in [true, false] {
        let [bits, managed] = [BITS, u32::from(update_management)];
        let mean = Counting::MeanCount {
            bits,
            update_management,
        };
        let drawn = Counting::Coincidence {
            bits,
            update_management,
            length_management: false,
        };
        let found = pulses(Mapping::ReferenceColumn, mean, &X, &d);
        let trains = pulses(Mapping::ReferenceColumn, drawn, &X, &d);
        for (k, (found, trains)) in found.iter().zip(&trains).enumerate() {
            let asked = -X[k / 2] * d[k % 2] * RATE / STEP;
            let part = asked.abs().fract();
            // Four standard errors of 4000 replicas, and single precision of states.
            let error = 4.0 * (part * (1.0 - part) / REPLICAS as f64).sqrt() + 2e-3;
            assert!(
                (found[0] - asked).abs() < error,
                "{managed} {k}: {found:?} {asked}"
            );
            let spread = part * (1.0 - part);
            assert!(
                (found[1] - spread).abs() < 0.1 * spread + 5e-3,
                "{k}: {found:?}"
            );
            // The same mean as that of trains, which spread by n p (1 - p).
            let p = asked.abs() / f64::from(bits);
            let binomial = f64::from(bits) * p * (1.0 - p);
            let error = 4.0 * (binomial / REPLICAS as f64).sqrt() + 2e-3;
            assert!((trains[0] - asked).abs() < error, "{k}: {trains:?} {asked}");
            assert!((trains[1] / binomial - 1.0).abs() < 0.2, "{k}: {trains:?}");
        }
    }
}

/// Lines whose probability would be above 1 are cut, as those of trains are.
#[test]
fn mean_counts_are_cut_where_trains_are_full() {
    // Managed: both largest lines have the probability √(4 · 1 · 15/10) = 2.4, cut at 1; the others 0.3 and 0.5 of that.
    let (d, ends) = ([15.0, -7.5], 10.0);
    let counting = Counting::MeanCount {
        bits: BITS,
        update_management: true,
    };
    for mapping in [Mapping::ReferenceColumn, Mapping::DifferentialPair] {
        // Each cell of a pair is asked for half, and both make the change.
        let cells: f64 = match mapping {
            Mapping::DifferentialPair => 2.0,
            _ => 1.0,
        };
        let p = |part: f64| (part * (6.0 / cells).sqrt()).min(1.0);
        let found = pulses(mapping, counting, &X, &d);
        for (k, found) in found.iter().enumerate() {
            let (x, e) = (X[k / 2], d[k % 2]);
            let asked = -cells * ends * p(x.abs()) * p(e.abs() / 15.0) * (x * e).signum();
            let error = 4.0 * (0.25 * cells / REPLICAS as f64).sqrt() + 2e-3;
            assert!(
                (found[0] - asked).abs() < error,
                "{mapping:?} {k}: {found:?} {asked}"
            );
        }
    }
    // The whole of a train is no chance.
    let found = pulses(Mapping::ReferenceColumn, counting, &X, &d);
    assert!(
        (found[0][0] + 10.0).abs() < 1e-3 && found[0][1] < 1e-4,
        "{found:?}"
    );
}
