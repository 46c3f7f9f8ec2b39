//! Predictions of arrays that are read through wires: derivatives, closed forms, limits.

use std::sync::Arc;

use memridge::bias::tikhonov::LeastSquares;
use memridge::bias::{
    Gradient, Prediction, Setting, cycle_field, gaussian_closure, mean_field, pair_trajectory,
    trajectory,
};
use memridge::crossbar::wires::Ends;
use memridge::crossbar::{
    ArrayModel, EffectiveArray, Layout, Mapping, Refresh, Route, Scheme, Selected, TileSize,
    WeightMap, Wires, Writes,
};
use memridge::device::{Cells, Counting, CycleNoise, Reset, VoltageDependence, Window};
use nalgebra::{DMatrix, DVector};

use crate::law;

const WINDOW: Window = Window {
    g_min: 1e-5,
    g_max: 5e-5,
};

/// Soft bounds with their symmetric point in the middle of the window, which spans weights from -1 to 1 a cell.
fn model(mapping: Mapping, inputs: usize) -> ArrayModel {
    let map = WeightMap::new(mapping, 0.5, 2.0, inputs, 1);
    let p = [5e-4, 0.0, 1.0, 0.5];
    let cells = Cells::new(
        law("soft-bounds"),
        WINDOW,
        CycleNoise::new(0.0, 0.3),
        0.0,
        false,
        p.to_vec(),
        p.repeat(map.cells()),
    );
    ArrayModel {
        cells: Arc::new(cells),
        map,
    }
}

/// Inputs whose second moments are far from equal, and a target that they explain in part.
fn setting(mapping: Mapping, inputs: usize, wires: Option<Wires>) -> Setting {
    let wave = |i: usize, j: usize| ((i * (2 * j + 3)) as f64 * 0.7 + j as f64).sin();
    let x = DMatrix::from_fn(40, inputs, |i, j| wave(i, j) + 0.5 * wave(i, 0));
    let y = DVector::from_fn(40, |i, _| {
        0.3 * x[(i, 0)] - 0.2 * x[(i, inputs - 1)] + 0.3 * wave(i, 7)
    });
    Setting {
        model: model(mapping, inputs),
        wires,
        layout: Layout::default(),
        x,
        y,
        gradient: Gradient::PerSample { batch: 1 },
        rate: 0.004,
        counting: Counting::StochasticRounding,
        read_noise: 0.0,
        seconds: 0.0,
        age: 0.0,
    }
}

/// Wires that take a tenth to a half, from unlike ends.
fn harsh() -> Wires {
    Wires {
        forward: Route {
            driven: Ends::Last,
            sensed: Ends::Both,
            driver: 800.0,
            sense: 1500.0,
        },
        ..Wires::new(300.0, 700.0)
    }
}

const BOTH: [Mapping; 2] = [Mapping::ReferenceColumn, Mapping::DifferentialPair];

/// Central differences of what is seen. Effective conductances are smooth on the scale of the window, so that steps of 1e-4 weights leave
/// 1e-8 of curvature, and rounding 1e-12. A conductance below zero stays out of the circuit: no other cell notices it.
#[test]
fn what_is_seen_follows_its_derivative() {
    let tiles = |rows| Layout {
        tiles: Some(TileSize { rows, columns: 2 }),
        ..Layout::default()
    };
    for (mapping, layout) in [
        (Mapping::ReferenceColumn, Layout::default()),
        (Mapping::DifferentialPair, Layout::default()),
        (Mapping::DifferentialPair, tiles(3)),
    ] {
        let model = model(mapping, 5);
        let cells = model.map.cells();
        let mut array = EffectiveArray::new(&harsh(), &layout, &model).unwrap();
        let mut values: Vec<f64> = (0..cells).map(|k| 0.8 * (1.3 * k as f64).sin()).collect();
        // -1.5 weights are 0 siemens here.
        values[3] = -1.7;
        let sensitivity = array.sensitivity(&values).unwrap();
        let mut off_diagonal = 0.0_f64;
        for k in 0..cells {
            let mut at = |step: f64| {
                let mut values = values.clone();
                values[k] += step;
                array.seen(&values).unwrap()
            };
            let (high, low) = (at(1e-4), at(-1e-4));
            for c in 0..cells {
                let slope = (high[c] - low[c]) / 2e-4;
                assert!(
                    (slope - sensitivity.of(c, k)).abs() < 1e-7,
                    "{mapping:?} {c} {k}: {slope} {}",
                    sensitivity.of(c, k)
                );
                if c != k {
                    off_diagonal = off_diagonal.max(slope.abs());
                }
            }
        }
        // Cells see each other, or nothing was tested.
        assert!(off_diagonal > 0.02, "{off_diagonal}");
        assert_eq!(sensitivity.of(3, 3), 1.0);
        assert_eq!(sensitivity.of(2, 3), 0.0);
        // The first row and the last have no wire in common if there are two tiles.
        let apart = sensitivity.of(0, cells - 1);
        assert_eq!(apart == 0.0, layout.tiles.is_some(), "{apart}");
    }
}

fn bits(p: &Prediction) -> Vec<u64> {
    let all = p.weights.iter().chain(&p.read).chain(&p.covariance);
    let all = all.chain(&p.abs_gradient).chain(&p.pull);
    all.map(|v| v.to_bits()).collect()
}

/// Wires without resistance are no wires, and small resistances lead there in proportion.
#[test]
fn ideal_wires_are_the_limit_of_predictions() {
    for mapping in BOTH {
        for gradient in [
            Gradient::PerSample { batch: 2 },
            Gradient::Summed {
                batch: Some(4),
                noise: 0.1,
            },
        ] {
            let predict = |wires| {
                let setting = Setting {
                    gradient: gradient.clone(),
                    ..setting(mapping, 3, wires)
                };
                let p0 = mean_field(&setting).unwrap();
                let p1 = gaussian_closure(&setting, &p0).unwrap();
                (p0, p1)
            };
            let plain = predict(None);
            let ideal = predict(Some(Wires::new(0.0, 0.0)));
            assert_eq!(bits(&plain.0), bits(&ideal.0));
            assert_eq!(bits(&plain.1), bits(&ideal.1));
            let moved = |ohm| {
                let small = predict(Some(Wires::new(ohm, ohm)));
                let of = |a: &Prediction, b: &Prediction| (&a.weights - &b.weights).norm();
                let sd = (&small.1.covariance - &plain.1.covariance).norm();
                [
                    of(&small.0, &plain.0),
                    of(&small.1, &plain.1),
                    sd / plain.1.covariance.norm(),
                ]
            };
            let (one, two) = (moved(1.0), moved(2.0));
            for (one, two) in one.into_iter().zip(two) {
                // 2 ohm take 2e-4 or so: the second order is as much of the first.
                assert!((two / one - 2.0).abs() < 2e-3 && one > 1e-6, "{one} {two}");
            }
        }
    }
}

/// One cell of conductance g behind a driver of resistance R conducts `g/(1 + gR)`: the mean field solves
/// `H ŵ(w) - b + E|x ŵ(w) - y||x| w/τ = 0`, here by bisection. Its end is also that of the trajectory.
#[test]
fn one_cell_behind_a_resistor_is_a_closed_form() {
    const OHM: f64 = 12_000.0;
    let mut wires = Wires::new(0.0, 0.0);
    wires.forward.driver = OHM;
    let setting = setting(Mapping::ReferenceColumn, 1, Some(wires));
    let span = WINDOW.g_max - WINDOW.g_min;
    let seen = |w: f64| {
        let g = WINDOW.g_min + span * (0.5 + w / 2.0);
        2.0 * ((g / (1.0 + g * OHM) - WINDOW.g_min) / span - 0.5)
    };
    let (x, y, n) = (&setting.x, &setting.y, setting.x.nrows() as f64);
    let drift = |w: f64| {
        let residual = x * DVector::from_element(1, seen(w)) - y;
        let terms = x.iter().zip(residual.iter());
        // Bounds at -1 and 1: R = w.
        terms.map(|(x, r)| x * r + (x * r).abs() * w).sum::<f64>() / n
    };
    let (mut low, mut high) = (-1.0, 1.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if drift(middle) > 0.0 {
            high = middle;
        } else {
            low = middle;
        }
    }
    let p0 = mean_field(&setting).unwrap();
    // Newton's method stops at 1e-11 of the weights.
    assert!(
        (p0.weights[0] - low).abs() < 1e-9,
        "{} {low}",
        p0.weights[0]
    );
    assert!((p0.read[0] - seen(low)).abs() < 1e-9);
    // 0.36 is taken at the symmetric point: the weight is far from that of ideal wires.
    let ideal = mean_field(&Setting {
        wires: None,
        ..setting.clone()
    })
    .unwrap();
    assert!((p0.weights[0] - ideal.weights[0]).abs() > 0.1);
    let path = trajectory(&setting, &[0.0], 200.0).unwrap();
    let end = path.weights.last().unwrap()[0];
    // Errors of 1e-8 a step.
    assert!((end - low).abs() < 1e-6, "{end} {low}");
}

/// One-sided pairs, each cell behind a resistor of its own: the trajectory is that of two cells that conduct `g/(1 + gR)`, here by 100 000 steps of
/// Euler's, whose error is about the length of one. Nothing is predicted of their cycle.
#[test]
fn pairs_fill_up_behind_resistors() {
    const OHM: f64 = 8000.0;
    let mut wires = Wires::new(0.0, 0.0);
    wires.forward.sense = OHM;
    let reset = Reset {
        level: 0.1,
        deviation: 0.0,
        variation: 0.0,
    };
    let p = [5e-4, 0.0, 1.0, 0.5];
    let noise = CycleNoise::new(0.0, 0.0);
    let cells = Cells::new(
        law("soft-bounds"),
        WINDOW,
        noise,
        0.0,
        true,
        p.to_vec(),
        p.repeat(2),
    );
    let map = WeightMap::new(Mapping::OneSidedPair, 0.1, 2.0, 1, 1);
    let setting = Setting {
        model: ArrayModel {
            cells: Arc::new(cells.with_resets(reset, &[0.1; 2])),
            map,
        },
        ..setting(Mapping::ReferenceColumn, 1, Some(wires))
    };
    let refresh = Refresh {
        every: 1,
        upper: 0.9,
        lower: 0.5,
        rounds: 1,
        most_pulses: 10_000,
    };
    let found = cycle_field(&setting, refresh, 1).unwrap_err().to_string();
    assert!(found.contains("wires take"), "{found}");

    const STEPS: u32 = 100_000;
    let duration = 1.5;
    let path = pair_trajectory(&setting, None, &[0.0], duration).unwrap();
    let span = WINDOW.g_max - WINDOW.g_min;
    let seen = |x: f64| {
        let g = WINDOW.g_min + span * x;
        2.0 * (g / (1.0 + g * OHM) - WINDOW.g_min) / span
    };
    let [mut plus, mut minus] = [0.1, 0.1];
    let share = duration / f64::from(STEPS) / setting.x.nrows() as f64;
    for _ in 0..STEPS {
        let weight = seen(plus) - seen(minus);
        let (mut up, mut down) = (0.0, 0.0);
        for (x, y) in setting.x.iter().zip(setting.y.iter()) {
            let request = -x * (x * weight - y);
            up += request.max(0.0);
            down += (-request).max(0.0);
        }
        // Steps fall from 2 to 0 through the window, which is 2 weights wide.
        plus += share * up * 2.0 * (1.0 - plus) / 2.0;
        minus += share * down * 2.0 * (1.0 - minus) / 2.0;
    }
    let (end, euler) = (path.weights.last().unwrap()[0], 2.0 * (plus - minus));
    assert!((end - euler).abs() < 1e-4 && euler > 0.05, "{end} {euler}");
}

/// About a symmetric point at weight zero, gradient matching finds the λ of the pull less `(1 - gain) wᵀHw/wᵀw`: exactly so in the mean
/// field.
#[test]
fn gradient_matching_takes_lost_gain_for_a_weaker_pull() {
    for wires in [Wires::new(200.0, 200.0), harsh()] {
        let setting = setting(Mapping::DifferentialPair, 4, Some(wires));
        let squares = LeastSquares::from_rows(&setting.x, &setting.y).unwrap();
        let (h, centre) = (squares.h(), DVector::zeros(4));
        let p0 = mean_field(&setting).unwrap();
        let w = &p0.weights;
        let matched = squares.gradient_matching(w, &centre).unwrap();
        let gain = p0.read_gain(h).unwrap();
        let lost = (1.0 - gain) * w.dot(&(h * w)) / w.norm_squared();
        let pull = p0.pooled_lambda(&centre);
        assert!(
            (matched - (pull - lost)).abs() < 1e-9 && lost > 0.01,
            "{matched} {pull} {lost}"
        );
    }
}

/// Pulses that arrive with a part of their voltage: steps of a behavioural law shrink all alike, so that pull and gradient keep their balance.
/// The mean field stays; weights fluctuate less, and take longer.
#[test]
fn weaker_pulses_move_no_fixed_point_of_alike_steps() {
    let writes = Writes {
        scheme: Scheme::Isolated,
        selected: Selected::Cell,
        every: 1,
        disturb: false,
        dependence: Some(VoltageDependence::Power(2.0)),
    };
    let behind = |writes| {
        let wires = Wires { writes, ..harsh() };
        setting(Mapping::DifferentialPair, 3, Some(wires))
    };
    let (whole, weak) = (behind(None), behind(Some(writes)));
    let [p0, weak_p0] = [&whole, &weak].map(|s| mean_field(s).unwrap());
    // Newton's method stops at 1e-11 of the weights.
    assert!((&p0.weights - &weak_p0.weights).amax() < 1e-9);
    let [p1, weak_p1] = [(&whole, &p0), (&weak, &weak_p0)]
        .map(|(s, p0)| gaussian_closure(s, p0).unwrap().covariance.trace());
    // A part d of the voltage makes steps of d², and fluctuations with them.
    assert!(weak_p1 < 0.95 * p1 && weak_p1 > 0.3 * p1, "{weak_p1} {p1}");
    let at = |s: &Setting| {
        let path = trajectory(s, &[0.0; 3], 1.0).unwrap();
        path.weights.last().unwrap().norm()
    };
    assert!(at(&weak) < 0.95 * at(&whole));
    let end = trajectory(&weak, &[0.0; 3], 400.0).unwrap();
    // Errors of 1e-8 a step.
    assert!((end.weights.last().unwrap() - &p0.weights).amax() < 1e-6);
}

/// Tiles are arrays of their own: features that no other tile sees, at a weight that is alone on its tile, are learned as alone.
#[test]
fn tiles_are_predicted_like_arrays_of_their_own() {
    let alone = setting(Mapping::DifferentialPair, 1, Some(harsh()));
    // The same samples for two weights, each with the other's input at zero.
    let x = DMatrix::from_fn(
        80,
        2,
        |i, j| {
            if i % 2 == j { alone.x[(i / 2, 0)] } else { 0.0 }
        },
    );
    let y = DVector::from_fn(80, |i, _| alone.y[i / 2]);
    let both = |rows| {
        let both = Setting {
            x: x.clone(),
            y: y.clone(),
            layout: Layout {
                tiles: Some(TileSize { rows, columns: 2 }),
                ..Layout::default()
            },
            ..setting(Mapping::DifferentialPair, 2, Some(harsh()))
        };
        mean_field(&both).unwrap().weights
    };
    let (one, two) = (mean_field(&alone).unwrap().weights[0], both(1));
    // Newton's method stops at 1e-11 of the weights.
    assert!(
        (two[0] - one).abs() < 1e-9 && (two[1] - one).abs() < 1e-9,
        "{two} {one}"
    );
    assert!((both(2)[0] - one).abs() > 1e-3);
}
