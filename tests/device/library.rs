//! The device library: published symmetric points and strengths, curves that end where they should, nodes that are met.

use std::path::Path;

use memridge::device::{
    Cells, Device, Kind, LIBRARY, LOWER, Piecewise, UPPER, curvature, load_device,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

fn device(name: &str) -> Device {
    load_device(name, Path::new("")).unwrap()
}

/// One nominal cell.
fn nominal(device: &Device) -> Cells {
    device.without_variation().cells(1, 0).unwrap()
}

/// Symmetric point and τ of a weight that is `2 (s - zero)`.
fn found(cells: &Cells, zero: f64) -> (f64, f64) {
    let s = cells.symmetric_point(0).unwrap();
    assert_eq!(cells.symmetric_point(0), cells.nominal_symmetric_point());
    (2.0 * (s - zero), 2.0 / cells.response(0, s).slope())
}

/// Device, position of weight 0, and symmetric point and τ where there are any.
type Published = (&'static str, f64, Option<(f64, f64)>);

/// Devices of aihwkit and ideal ones, in the weights of their source, whose windows are 2 wide.
const PUBLISHED: [Published; 12] = [
    ("capacitor/li2018", 0.5, Some((0.0, 20.0))),
    ("ecram/tang2018", 0.4138, Some((0.0, 2.806))),
    ("ecram/kim2019", 0.4143, Some((0.0, 1.612))),
    ("reram/gong2018-soft-bounds", 0.375, Some((0.0, 0.9375))),
    ("reram/gong2018-exp-step", 0.5, Some((-0.2172, 1.572))),
    ("reram/gong2022-optimized", 0.5, Some((0.0, 1.0))),
    ("reram/gong2022-hfo2", 0.5, Some((0.0, 1.0))),
    ("ideal/soft-bounds", 0.5, Some((0.0, 1.0))),
    ("ideal/constant-step", 0.5, None),
    ("ideal/noisy-reads", 0.5, Some((0.0, 1.0))),
    ("ideal/rasch2019", 0.5, None),
    ("rpu/gokmen2016", 0.5, None),
];

/// NeuroSim's devices: pulses of potentiation and depression, and symmetric point and τ in the limit of infinitely fine pulses.
type Fine = (&'static str, [f64; 2], Option<(f64, f64)>);

const FINE: [Fine; 12] = [
    ("reram/jo2010", [97.0, 100.0], Some((-0.3332, 0.963))),
    ("reram/gao2015", [102.0; 2], Some((0.0081, 1.586))),
    ("reram/gao2015-iedm2017", [102.0; 2], Some((-0.0040, 3.815))),
    ("reram/park2013", [50.0; 2], Some((-0.4813, 0.778))),
    ("reram/woo2016", [40.0; 2], Some((0.1761, 2.049))),
    ("reram/choi2018", [256.0; 2], Some((0.0, 5.106))),
    ("reram/meliso-taox-hfox", [128.0; 2], Some((-0.0778, 7.524))),
    ("fefet/jerry2017", [32.0; 2], Some((0.4105, 14.16))),
    ("ideal/neurosim-targeted", [64.0; 2], Some((0.0, 2.635))),
    ("capacitor/neurosim-3t1c", [32.0; 2], Some((0.0, 12.65))),
    ("ideal/neurosim-ideal", [64.0; 2], None),
    // coth(k/2), with k = 0.79204 times the label of 0.01.
    ("ideal/neurosim-dnn", [100.0; 2], Some((0.0, 252.5))),
];

/// Symmetric points within `point` and τ within `tau` of itself.
struct Digits {
    point: f64,
    tau: f64,
}

fn check(name: &str, (point, tau): (f64, f64), published: (f64, f64), digits: &Digits) {
    assert!(
        (point - published.0).abs() < digits.point,
        "{name}: {point} and not {}",
        published.0
    );
    assert!(
        (tau / published.1 - 1.0).abs() < digits.tau,
        "{name}: τ = {tau} and not {}",
        published.1
    );
}

/// Exactly no response against the request.
fn check_symmetric(name: &str, cells: &Cells) {
    assert_eq!(cells.symmetric_point(0), None, "{name}");
    let [f, g] = cells.response_values(0, 0.3);
    assert!((f - 1.0).abs() < 1e-15 && g == 0.0, "{name}: {f} {g}");
}

/// Only labels bend steps by their size: all others are in proportion to it, or follow from the pulse.
#[test]
fn finer_pulses_are_smaller_in_proportion() {
    let proportional = |device: &Device| {
        let [here, finer] = [device.clone(), device.finer(1e5)].map(|d| nominal(&d));
        (0..=8).all(|k| {
            let s = 0.1 + 0.1 * f64::from(k);
            let [law, finer_law] = [&here, &finer].map(|c| {
                [1.0, -1.0].map(|polarity| c.law().step(c.double(0).parameters, s, polarity))
            });
            // Rounding of both, and of the step over the factor.
            law.iter()
                .zip(finer_law)
                .all(|(a, b)| (1e5 * b - a).abs() <= 1e-12 * a.abs())
        })
    };
    let (mut labelled, mut bent) = (0, 0);
    for (name, _) in LIBRARY {
        let device = device(name);
        let label = device
            .law()
            .parameters()
            .iter()
            .any(|p| p.kind == Kind::Label);
        if label {
            labelled += 1;
            bent += u32::from(!proportional(&device));
        } else if !device.law().derives_step() {
            assert!(proportional(&device), "{name}");
        }
    }
    assert!(labelled > 0 && bent > 0, "{labelled} {bent}");
}

/// Published to the digits given here: ECRAM τ to 4, symmetric points to 4 decimals.
#[test]
fn devices_have_their_published_symmetric_point_and_strength() {
    // Without devices behind a readout and models whose pulses are chosen.
    let cells = |name: &str| device(name).without_variation().cells(1, 0).unwrap();
    let pulsed = LIBRARY.iter().filter(|(n, _)| device(n).law().is_pulsed());
    // One-sided cells have no symmetric point.
    let pulsed = pulsed.filter(|(n, _)| !cells(n).is_one_sided());
    let plain = pulsed.filter(|(n, _)| !cells(n).is_read_out() && !device(n).law().derives_step());
    // The one that has no symmetric point for another reason than equal steps has its own test.
    assert_eq!(plain.count(), PUBLISHED.len() + FINE.len() + 1);
    for (name, zero, published) in PUBLISHED {
        let cells = nominal(&device(name));
        match published {
            Some(published) => {
                let digits = Digits {
                    point: 5e-5,
                    tau: 5e-4,
                };
                check(name, found(&cells, zero), published, &digits);
            }
            None => check_symmetric(name, &cells),
        }
    }
}

/// The limits follow from the *rates* k/P of NeuroSim's curves, `q₊ = (k₊/P₊)(β₊ - x)`, which is what one pulse does where there are
/// infinitely many. A whole pulse moves `1 - e^{-k/P}` towards the end of its curve and not k/P; of 100 000 times as many pulses, 1e-5 of
/// that difference is left. The limits are given to three or four digits: 1e-3.
#[test]
fn fine_pulses_have_the_limit_of_rates() {
    for (name, _, published) in FINE {
        let cells = nominal(&device(name).finer(1e5));
        match published {
            Some(published) => {
                let digits = Digits {
                    point: 1e-3,
                    tau: 1e-3,
                };
                check(name, found(&cells, 0.5), published, &digits);
            }
            None => check_symmetric(name, &cells),
        }
    }
}

/// As shipped, the pulses are whole: `κ₊ (β₊ - x) = μ (β₋ - x)` with `κ₊ = 1 - e^{-k₊/P₊}`, `μ = e^{k₋/P₋} - 1` and
/// `β = 1/(1 - e^{-k})` gives the symmetric point, where R' is the difference of the slopes over twice the step. The difference to
/// the limit is what the pulses of a coarse device really do; of these devices it moves the FeFET's symmetric point most, by 0.37.
#[test]
fn shipped_pulses_are_whole() {
    for (name, [up, down], published) in FINE {
        let Some(limit) = published else { continue };
        let device = device(name);
        let label = |key: &str| {
            let found = device.parameters().find(|(p, _)| p.name == key);
            curvature(found.unwrap().1)
        };
        let (k_up, k_down) = (label("label-potentiation"), label("label-depression"));
        let beta = |k: f64| 1.0 / (1.0 - f64::exp(-k));
        let (kappa, mu) = (1.0 - f64::exp(-k_up / up), f64::exp(k_down / down) - 1.0);
        let x = (kappa * beta(k_up) - mu * beta(k_down)) / (kappa - mu);
        // At the crossing q₊ = q₋ = q, so R' = (q₋' - q₊')/(2q) = (κ - μ)/(2q) a position.
        let q = kappa * (beta(k_up) - x);
        let (point, tau) = found(&nominal(&device), 0.5);
        // Counts are given to ten digits. The quotient that gives x divides by κ - μ, which is 0.007 for the FeFET.
        assert!(
            (point - (2.0 * x - 1.0)).abs() < 1e-7,
            "{name}: {point} {x}"
        );
        assert!(
            (tau * (kappa - mu) / (4.0 * q) - 1.0).abs() < 1e-7,
            "{name}: {tau}"
        );
        assert!((point - limit.0).abs() < 0.4, "{name}: {point}");
    }
    let (point, _) = found(&nominal(&device("fefet/jerry2017")), 0.5);
    assert!((point - 0.4105 + 0.367).abs() < 1e-3, "{point}");
}

/// Potentiation and depression of equal labels run along one curve, so that a pulse back undoes a pulse forth: seen from one state, steps down are
/// `e^{k/P}` times as large as steps up, `R = tanh(k/2P)` everywhere. A symmetric point it has none, at whole pulses or in the limit.
#[test]
fn equal_labels_are_one_curve() {
    let cells = nominal(&device("fefet/neurosim-2t1f"));
    assert_eq!(cells.symmetric_point(0), None);
    let (cell, law) = (cells.double(0), cells.law());
    let r = (curvature(0.5) / 128.0).tanh();
    for s in [0.1, 0.5, 0.9] {
        let [f, g] = cells.response_values(0, s);
        assert!((g / f - r).abs() < 1e-9, "{s}: {} {r}", g / f);
        let (up, _) = law.train(&cell, s, 1.0, 3);
        let (back, _) = law.train(&cell, up, -1.0, 3);
        assert!((back - s).abs() < 1e-13, "{s} {back}");
    }
}

/// P₊ pulses from the lower end reach the upper one, P₋ pulses come back, at once or one by one, and on the way the conductance is
/// NeuroSim's `B (1 - e^{-P/A})`. Steps are given to ten digits: 1e-9 of the window, more where the curve is steep.
#[test]
fn whole_trains_cross_the_window() {
    for (name, [up, down], _) in FINE {
        let device = device(name);
        let cells = nominal(&device);
        let (cell, law) = (cells.double(0), cells.law());
        let quiet = memridge::device::Cell {
            noise: memridge::device::CycleNoise::new(0.0, 0.0),
            hard_bounds: false,
            ..cell
        };
        let k = cell.parameters[memridge::device::OWN];
        let mut s = cell.parameters[LOWER];
        for pulse in 1..=up as u32 {
            s = law.oracle_one(&quiet, s, 1.0, 0.0);
            let share = f64::from(pulse) / up;
            let exact = if k == 0.0 {
                share
            } else {
                (1.0 - (-k * share).exp()) / (1.0 - (-k).exp())
            };
            assert!((s - exact).abs() < 1e-8, "{name} {pulse}: {s} {exact}");
            let (at_once, _) = law.train(&quiet, cell.parameters[LOWER], 1.0, pulse);
            assert!((at_once - s).abs() < 1e-13, "{name} {pulse}: {at_once} {s}");
        }
        let top = cell.parameters[UPPER];
        assert!((s - top).abs() < 1e-8, "{name}: {s}");
        let (back, _) = law.train(&quiet, top, -1.0, down as u32);
        assert!(back.abs() < 1e-7, "{name}: {back}");
        let mut s = top;
        for _ in 0..down as u32 {
            s = law.oracle_one(&quiet, s, -1.0, 0.0);
        }
        // The curve that runs away enlarges roundings by e^{k₋} at most.
        assert!((s - back).abs() < 1e-12, "{name}: {s} {back}");
    }
}

/// NeuroSim's cycle-to-cycle deviation is absolute: s √n of the window after n pulses of a straight curve.
#[test]
fn the_noise_of_a_train_is_that_of_the_source() {
    let cells = nominal(&device("capacitor/neurosim-3t1c"));
    let (_, variance) = cells.law().train(&cells.double(0), 0.0, 1.0, 9);
    // The curve shrinks what the first pulses added, by e^{-2k/P} a pulse: k/P = 0.005.
    assert!((variance.sqrt() / (0.005 * 3.0) - 1.0).abs() < 0.03);
    let (_, one) = cells.law().train(&cells.double(0), 0.0, 1.0, 1);
    assert!((one.sqrt() / 0.005 - 1.0).abs() < 1e-12);
}

// ---------------------------------------------------------------------------------------------------------------------------
// Files

fn file(law: &str, spread: &str) -> String {
    format!(
        r#"
name = "t"
description = "t"
material = "t"
cite = []
source = "t"
bounds = "hard"
write-noise = 0.0
window = {{ g-min = "10 uS", g-max = "50 uS" }}
cycle-to-cycle = {{ additive = 0.0, multiplicative = 0.0 }}
{spread}
{law}
"#
    )
}

fn read(text: &str) -> memridge::error::Result<Device> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(
        folder.path().join("steps.csv"),
        "x, potentiation, depression\n0, 2.0, 0.5\n0.5, 1.0, 1.0\n1, 0.25,\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("gap.csv"),
        "potentiation,depression\n2.0,0.5\n1.0,\n0.25,1.0\n",
    )
    .unwrap();
    load_device("device.toml", folder.path())
}

const EXPONENTIAL: &str = r#"
[law.exponential]
step = 0.01
lower = 0.0
upper = 1.0
label-potentiation = 2.0
label-depression = -1.0
depression-ratio = 1.0
"#;

/// Spread is drawn on the label and converted then: the mean label is the nominal one, and curvatures are those of the labels. Five
/// standard errors of 4000 draws, whose standard deviation is that of the file.
#[test]
fn the_spread_of_a_nonlinearity_is_one_of_its_label() {
    let spread = "device-to-device = { label-potentiation = { normal = 0.4 } }";
    let cells = read(&file(EXPONENTIAL, spread))
        .unwrap()
        .cells(4000, 3)
        .unwrap();
    let labels: Vec<f64> = (0..cells.len())
        .map(|k| memridge::device::label_of(cells.double(k).parameters[memridge::device::OWN]))
        .collect();
    let n = labels.len() as f64;
    let mean = labels.iter().sum::<f64>() / n;
    let sd = (labels.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n).sqrt();
    assert!((mean - 2.0).abs() < 5.0 * 0.4 / n.sqrt(), "{mean}");
    assert!((sd / 0.4 - 1.0).abs() < 5.0 / (2.0 * n).sqrt(), "{sd}");
    // The other label is not touched.
    let other = |k: usize| cells.double(k).parameters[memridge::device::OWN + 1];
    assert!((0..cells.len()).all(|k| other(k) == curvature(-1.0)));
}

/// A step of zero changes nothing, whatever the curvature.
#[test]
fn a_vanishing_step_changes_nothing() {
    let law = memridge::device::laws();
    let exponential = law.iter().find(|l| l.name() == "exponential").unwrap();
    for k in [-9.975, -1e-30, 0.0, 1e-30, 2.0, 47.0] {
        for polarity in [1.0, -1.0] {
            let p = [0.0, 0.0, 1.0, k, k, 1.0];
            assert_eq!(exponential.step(&p, 0.3, polarity), 0.0, "{k}");
            // Small steps are proportional to their size: the relative error of the first order is k h/2.
            let p = [1e-12, 0.0, 1.0, k, k, 1.0];
            let q = [2e-12, 0.0, 1.0, k, k, 1.0];
            let ratio = exponential.step(&q, 0.3, polarity) / exponential.step(&p, 0.3, polarity);
            assert!((ratio - 2.0).abs() < 1e-9, "{k}: {ratio}");
        }
    }
    // Curvature 0 is the constant step.
    let p = [0.01, 0.0, 1.0, 0.0, 0.0, 0.5];
    assert_eq!(exponential.step(&p, 0.7, 1.0), 0.01);
    assert_eq!(exponential.step(&p, 0.7, -1.0), -0.005);
}

fn piecewise(nodes: &str, interpolation: &str) -> String {
    format!(
        "[law.piecewise]\nstep = 0.01\nlower = 0.0\nupper = 1.0\n{nodes}\ninterpolation = \"{interpolation}\"\n"
    )
}

const NODES: &str = "potentiation = [2.0, 1.0, 0.25]\ndepression = [0.5, 1.0]";

/// Beyond the window the cubic keeps the step of the bound, however few its nodes.
#[test]
fn the_cubic_is_constant_beyond_the_window() {
    for nodes in [
        &[1.0, 0.6, 0.3, 0.0][..],
        &[2.0, 1.5, 1.0, 0.5],
        &[0.2, 1.0],
    ] {
        let law = memridge::device::laws();
        let law = law.iter().find(|l| l.name() == "piecewise").unwrap();
        let own = Piecewise::own(nodes, nodes, true);
        let p = [vec![1.0, 0.0, 1.0], own].concat();
        for x in [-0.3, -0.01, 1.0, 1.01, 1.1, 1.7] {
            let end = if x < 0.5 {
                nodes[0]
            } else {
                nodes[nodes.len() - 1]
            };
            let up = law.step(&p, x, 1.0);
            assert!((up - end).abs() < 1e-13, "{nodes:?} at {x}: {up}");
            let down = law.step(&p, x, -1.0);
            assert!((down + end).abs() < 1e-13, "{nodes:?} at {x}: {down}");
        }
    }
}

#[test]
fn linear_interpolation_has_the_values_of_hand() {
    for nodes in [NODES, "csv = \"steps.csv\""] {
        let cells = nominal(&read(&file(&piecewise(nodes, "linear"), "")).unwrap());
        let p = cells.double(0).parameters;
        for (s, up, down) in [
            (0.0, 2.0, 0.5),
            (0.25, 1.5, 0.625),
            (0.5, 1.0, 0.75),
            (0.75, 0.625, 0.875),
            (1.0, 0.25, 1.0),
            // Beyond the window the step stays what it is at the end.
            (-0.1, 2.0, 0.5),
            (1.2, 0.25, 1.0),
        ] {
            assert!(
                (cells.law().step(p, s, 1.0) - 0.01 * up).abs() < 1e-16,
                "{s}"
            );
            assert!(
                (cells.law().step(p, s, -1.0) + 0.01 * down).abs() < 1e-16,
                "{s}"
            );
        }
        // Slopes in units of the window; at a node, that from above.
        for (s, up) in [(0.1, -2.0), (0.5, -1.5), (0.9, -1.5)] {
            let jet = cells.law().step_jet(p, s, 1.0);
            assert!((jet.v1 - 0.01 * up).abs() < 1e-15, "{s}: {}", jet.v1);
        }
        // 2 - 2 x = 0.5 + 0.5 x is beyond the first piece: 1 - 1.5 (x - 1/2) = 0.5 + 0.5 x at 5/8, or 1.75 - 1.5 x.
        let point = cells.symmetric_point(0).unwrap();
        assert!((point - 0.625).abs() < 1e-12, "{point}");
    }
}

/// Three nodes by hand: rises -1 and -3/4, the mean slope -7/8 in the middle, parabolas at the ends (-1.5 + 3/8 = -9/8 and
/// -9/8 + 1/2 = -5/8), all within the circle of radius 3.
#[test]
fn the_cubic_has_the_values_of_hand() {
    let cells = nominal(&read(&file(&piecewise(NODES, "monotone-cubic"), "")).unwrap());
    let p = cells.double(0).parameters;
    for (s, slope) in [(0.0, -9.0 / 8.0), (0.5, -7.0 / 8.0)] {
        let jet = cells.law().step_jet(p, s, 1.0);
        // Two intervals a window.
        assert!((jet.v1 - 0.01 * 2.0 * slope).abs() < 1e-15, "{}", jet.v1);
    }
    // Mid-interval: the mean of the nodes and an eighth of the difference of the slopes.
    let exact = 1.5 + (-9.0 / 8.0 + 7.0 / 8.0) / 8.0;
    assert!((cells.law().step(p, 0.25, 1.0) - 0.01 * exact).abs() < 1e-16);
}

#[test]
fn broken_nodes_are_refused() {
    let many = format!("potentiation = {:?}\ndepression = [1.0, 1.0]", [1.0; 18]);
    for (nodes, part) in [
        (
            "potentiation = [1.0]\ndepression = [1.0, 1.0]",
            "potentiation must have 2 to 17 nodes, and has 1",
        ),
        (
            "potentiation = []\ndepression = [1.0, 1.0]",
            "nodes, and has 0",
        ),
        (many.as_str(), "nodes, and has 18"),
        (
            "potentiation = [1.0, -1.0]\ndepression = [1.0, 1.0]",
            "between 0 and 1000",
        ),
        ("potentiation = [1.0, 1.0]", "depression: missing"),
        ("csv = \"no.csv\"", "no.csv cannot be read"),
        (
            "csv = \"gap.csv\"",
            "gap.csv:4: depression goes on after an empty cell",
        ),
        ("csv = \"device.toml\"", "has no column potentiation"),
        (
            "csv = \"steps.csv\"\ndepression = [1.0, 1.0]",
            "must not stand beside csv",
        ),
    ] {
        let text = file(&piecewise(nodes, "linear"), "");
        let message = read(&text).err().unwrap().to_string();
        assert!(message.contains(part), "{part}: {message}");
    }
    let message = read(&file(&piecewise(NODES, "cubic"), "")).err().unwrap();
    assert!(message.to_string().contains("linear, monotone-cubic"));
    // Nodes are shared by all cells.
    let spread = "device-to-device = { potentiation = { normal = 0.1 } }";
    let message = read(&file(&piecewise(NODES, "linear"), spread))
        .err()
        .unwrap();
    assert!(
        message.to_string().contains("potentiation: unknown"),
        "{message}"
    );
}

fn config() -> Config {
    Config {
        cases: 500,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// The cubic meets its nodes and is monotone between each two of them, so it never leaves their range.
    #[test]
    fn the_cubic_is_monotone_between_nodes(nodes in prop::collection::vec(0.0..3.0_f64, 2..=17)) {
        let law = memridge::device::laws();
        let law = law.iter().find(|l| l.name() == "piecewise").unwrap();
        let own = Piecewise::own(&nodes, &[1.0, 1.0], true);
        let p = [vec![1.0, 0.0, 1.0], own].concat();
        let last = nodes.len() - 1;
        let at = |x: f64| law.step(&p, x / last as f64, 1.0);
        for k in 0..last {
            let (a, b) = (nodes[k], nodes[k + 1]);
            // A place in the window is off by a rounding of 17, the slope at most 3·3.
            prop_assert!((at(k as f64) - a).abs() < 1e-13);
            prop_assert!((at(last as f64) - nodes[last]).abs() < 1e-13);
            let mut before = a;
            for i in 1..=64 {
                let here = at(k as f64 + f64::from(i) / 64.0);
                prop_assert!((here - before) * (b - a).signum() >= -1e-13, "{} {}", before, here);
                before = here;
            }
        }
    }
}

/// `V² g t` of a pulse: NeuroSim's numbers for Ag:a-Si by hand, and a physical law's from its own parameters.
#[test]
fn pulses_have_their_energy() {
    let close = |[a, b]: [f64; 2], [c, d]: [f64; 2]| {
        assert!(
            (a / c - 1.0).abs() < 1e-12 && (b / d - 1.0).abs() < 1e-12,
            "{a} {b}"
        );
    };
    let pulse = device("reram/jo2010").write_pulse().unwrap();
    close(
        pulse.energies(1e-8),
        [3.2 * 3.2 * 1e-8 * 300e-6, 2.8 * 2.8 * 1e-8 * 300e-6],
    );
    let vteam = device("reram/kvatinsky2015");
    let value = |key: &str| vteam.parameters().find(|(p, _)| p.name == key).unwrap().1;
    let energy = |v: f64, t: f64| v * v * t * 1e-3;
    close(
        vteam.write_pulse().unwrap().energies(1e-3),
        [
            energy(value("set-voltage"), value("set-width")),
            energy(value("reset-voltage"), value("reset-width")),
        ],
    );
    assert_eq!(device("rpu/gokmen2016").write_pulse(), None);
    // Pulses that follow the level of a cell have no one voltage.
    let ramped = include_str!("../../device-models/reram/yakopcic2011.toml").to_owned()
        + "\n[pulse-scheme]\nlevels = 50\nset-voltage-step = \"1 mV\"\n";
    assert_eq!(crate::text::read(&ramped).unwrap().write_pulse(), None);
}
