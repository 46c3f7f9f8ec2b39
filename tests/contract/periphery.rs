//! Converters are the host's: what the array's place rounds otherwise shows where a number lies next to a transition, and nowhere else.

use memridge::backend::{Place, StackVector};
use memridge::crossbar::{
    Adc, AdcKind, ArrayModel, Crossbar, Dac, Layout, Mapping, NoiseManagement, Periphery, Plan,
    Resolution, Rounding, Slices, Synapses, TileSize, WeightMap,
};

use super::devices::counters;
use super::fixture::{Site, scattered, stream, vector};

const STEP: f32 = 4.0 / 255.0;

fn outputs(place: &Place, direction: usize) -> StackVector {
    let (rows, columns, replicas, samples) = (21, 8, 5, 3);
    let plan = Plan {
        model: ArrayModel {
            cells: counters(rows * columns),
            map: WeightMap::new(Mapping::ReferenceColumn, 0.5, 2.0, rows, columns),
        },
        read_noise: 0.05,
        periphery: Periphery {
            dac: Dac {
                resolution: Resolution::bits(7),
                range: Some(1.0),
                rounding: Rounding::Stochastic,
                ..Dac::default()
            },
            adc: Adc {
                kind: AdcKind::Sar {
                    bits: 9,
                    mismatch: 0.01,
                },
                range: Some(4.0),
                ..Adc::default()
            },
            noise_management: NoiseManagement::AbsMax,
            ..Periphery::default()
        },
        wires: None,
        layout: Layout::default(),
        refresh: None,
        aggregate: true,
        stream: stream(),
        place: place.clone(),
    };
    let mut crossbar = Crossbar::new(&plan, 1000, replicas).unwrap();
    let weights: Vec<f64> = (0..rows * columns).map(|k| scattered(k) - 0.5).collect();
    crossbar.write(0, &weights).unwrap();
    let lanes = samples * replicas;
    let random = |len: usize| vector(len, lanes, |i, l| (scattered(7 * i + 5 * l) - 0.5) as f32);
    if direction == 0 {
        let mut y = StackVector::zeros(columns, lanes);
        crossbar.multiply(3, &random(rows), &mut y).unwrap();
        y
    } else {
        let mut y = StackVector::zeros(rows, lanes);
        crossbar
            .multiply_transposed(3, &random(columns), &mut y)
            .unwrap();
        y
    }
}

/// Currents differ by a few roundings, 1e-5 of a step: none of 400 codes should be another one, and by no more than one step if so.
pub fn through_converters(site: Site) {
    // Instructions are chosen for updates; reads take the best.
    let place = match site {
        Site::Place(place) => place,
        Site::Instructions(_) => Place::Cpu,
    };
    for direction in 0..2 {
        let (there, here) = (outputs(&place, direction), outputs(&Place::Cpu, direction));
        let mut other = 0;
        for (a, b) in there.all().iter().zip(here.all()) {
            // In units of the lane's scale, at most one half.
            let steps = (a - b).abs() / (0.5 * STEP);
            other += usize::from(steps > 1e-3);
            assert!(steps < 1.001, "{a} {b}");
        }
        assert!(here.all().iter().any(|y| *y != 0.0));
        assert!(other <= 2, "{other} codes differ");
    }
}

/// Weights in digits and tiles, with an offset column in each: sums of the same reads, to the rounding of these.
pub fn tiles_and_slices(site: Site) {
    let place = match site {
        Site::Place(place) => place,
        Site::Instructions(_) => Place::Cpu,
    };
    let (rows, columns, replicas, samples) = (21, 8, 5, 3);
    for mapping in [Mapping::OffsetColumn, Mapping::OneSidedPair] {
        let layout = Layout {
            tiles: Some(TileSize {
                rows: 8,
                columns: 6,
            }),
            slices: Slices::new(7, 3),
            ..Layout::default()
        };
        let zero = match mapping {
            Mapping::OneSidedPair => 0.0,
            _ => 64.0 / 127.0,
        };
        let map = WeightMap::new(mapping, zero, 2.0, rows, columns);
        let read = |place: &Place| {
            let plan = Plan {
                model: ArrayModel {
                    cells: counters(layout.cells(&map)),
                    map,
                },
                read_noise: 0.05,
                periphery: Periphery::default(),
                wires: None,
                layout,
                refresh: None,
                aggregate: true,
                stream: stream(),
                place: place.clone(),
            };
            let mut crossbar = Crossbar::new(&plan, 1000, replicas).unwrap();
            let weights: Vec<f64> = (0..rows * columns).map(|k| scattered(k) - 0.5).collect();
            crossbar.write(0, &weights).unwrap();
            let lanes = samples * replicas;
            let input = |i: usize, l: usize| (scattered(7 * i + 5 * l) - 0.5) as f32;
            let mut y = StackVector::zeros(columns, lanes);
            let inputs = vector(rows, lanes, input);
            crossbar.multiply(3, &inputs, &mut y).unwrap();
            let tiles = crossbar.tiles().unwrap();
            (y, tiles.into_iter().map(|t| t.1).collect::<Vec<_>>())
        };
        let ((there, held), (here, own)) = (read(&place), read(&Place::Cpu));
        assert_eq!(held, own, "{mapping:?}");
        // Tiles have 8 inputs of at most one half and conductances below 2.5 weights, an offset each: sums of 20 that are rounded a few times.
        for (a, b) in there.all().iter().zip(here.all()) {
            assert!((a - b).abs() < 20.0 * 4.0 * f32::EPSILON, "{a} {b}");
        }
        assert!(here.all().iter().any(|y| y.abs() > 0.1));
    }
}
