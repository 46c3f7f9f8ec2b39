//! Cells that are not ohmic: their curves, and products of arrays of them against sums over cells, through ideal wires and others.

use std::sync::Arc;

use memridge::backend::{Place, StackVector};
use memridge::crossbar::{
    ArrayModel, Crossbar, Dac, Input, Layout, Mapping, Periphery, Plan, Resolution, Synapses,
    WeightMap, Wires,
};
use memridge::device::{CurrentVoltage, Curve, Window, load_device};
use memridge::number::{Coordinates, Purpose, Stream};

use crate::statistics::SEED;

const CUBIC: CurrentVoltage = CurrentVoltage::Polynomial {
    quadratic: 0.1,
    cubic: -0.25,
};

/// Coefficients that follow the conductance, with an even part: of 10 to 50 µS N₂ is 5 to 7 µA/V², N₃ 10 to 11 µA/V³.
const GRADED: CurrentVoltage = CurrentVoltage::Graded {
    quadratic: [2e-5, 3e-6, 0.0, 0.0],
    cubic: [2e-5, 2e-6, 0.0, 0.0],
};

/// CrossSim's RRAMMilo.
const MILO: CurrentVoltage = CurrentVoltage::Graded {
    quadratic: [0.007063, 0.005711, 0.001541, 0.0001388],
    cubic: [1.2968e-3, 6.7919e-4, 8.8710e-5, 0.0],
};

/// Values and slopes by hand, in double precision.
#[test]
fn curves_by_hand() {
    let close = |(i, s): (f64, f64), (current, slope): (f64, f64)| {
        assert!((i / current - 1.0).abs() < 1e-13, "{i} {current}");
        assert!((s / slope - 1.0).abs() < 1e-13, "{s} {slope}");
    };
    close(CurrentVoltage::Ohmic.at(2e-6, -0.3), (-0.6e-6, 2e-6));
    let sinh = CurrentVoltage::Sinh { slope: 4.0 };
    for v in [1e-9_f64, 0.3, -2.0] {
        let expected = (1e-5 * (4.0 * v).sinh() / 4.0, 1e-5 * (4.0 * v).cosh());
        close(sinh.at(1e-5, v), expected);
    }
    // CrossSim's Cubic: 1 V - 0.25 V³ at 0.4 V and 10 µS.
    let cubic = CurrentVoltage::Polynomial {
        quadratic: 0.0,
        cubic: -0.25,
    };
    close(cubic.at(1e-5, 0.4), (0.384e-5, 1e-5 * (1.0 - 0.75 * 0.16)));
    let window = Window {
        g_min: 1e-6,
        g_max: 1e-5,
    };
    // It falls from 2/√3 V = 1.155 V, and changes its sign at 2 V.
    assert_eq!(cubic.falling(window, 1.15), None);
    assert!(cubic.falling(window, 1.2).is_some());
    assert_eq!(cubic.wrong(window, 2.0), None);
    assert!(cubic.wrong(window, 2.1).is_some());
}

/// CrossSim's RRAMMilo: its polynomials vanish nearly at 225 µS, as they were fitted to, and at 100 µS, lg G = -4, N₃ is
/// 1.2968e-3 - 4 · 6.7919e-4 + 16 · 8.871e-5 = -6e-7 A/V³.
#[test]
fn graded_curves_follow_the_conductance() {
    let law = MILO;
    let [n2, n3] = law.graded_parts(1e-4).unwrap();
    let by_hand = [
        0.007063 - 4.0 * 0.005711 + 16.0 * 0.001541 - 64.0 * 0.0001388,
        1.2968e-3 - 4.0 * 6.7919e-4 + 16.0 * 8.8710e-5,
    ];
    assert!((n2 - by_hand[0]).abs() < 1e-14 && (n3 - by_hand[1]).abs() < 1e-14);
    let v = -0.3;
    let current = 1e-4 * v + by_hand[0] * v * v + by_hand[1] * v * v * v;
    assert!((law.at(1e-4, v).0 / current - 1.0).abs() < 1e-9);
    assert_eq!(law.at(5e-10, 0.4), (5e-10 * 0.4, 5e-10));
}

fn plan(mapping: Mapping, law: CurrentVoltage, dac: Dac, wires: Option<Wires>) -> Plan {
    let map = WeightMap::new(mapping, 0.5, 2.0, 5, 4);
    let device = load_device("ideal/soft-bounds", "".as_ref()).unwrap();
    let cells = device.without_variation().cells(map.cells(), 1).unwrap();
    Plan {
        model: ArrayModel {
            cells: Arc::new(cells.with_curve(Curve { law, volts: 0.4 })),
            map,
        },
        read_noise: 0.0,
        periphery: Periphery {
            dac,
            ..Periphery::default()
        },
        layout: Layout::default(),
        wires,
        refresh: None,
        aggregate: true,
        stream: Stream::new(SEED),
        place: Place::Cpu,
    }
}

/// Uniform numbers in ±1.
fn numbers(len: usize, width: usize, step: u32) -> StackVector {
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

const REPLICAS: usize = 2;
const SAMPLES: usize = 3;

/// A written stack, inputs of whole samples and what it reads of them, in one direction or against the flow.
fn read(plan: &Plan, forward: bool) -> (Crossbar, StackVector, StackVector) {
    let mut crossbar = Crossbar::new(plan, 0, REPLICAS).unwrap();
    let weights = numbers(plan.model.map.weights(), 1, 99);
    let weights: Vec<f64> = weights.all().iter().map(|w| 0.8 * f64::from(*w)).collect();
    crossbar.write(0, &weights).unwrap();
    let (inputs, outputs) = crossbar.dimensions();
    let (from, to) = if forward {
        (inputs, outputs)
    } else {
        (outputs, inputs)
    };
    let x = numbers(from, REPLICAS * SAMPLES, 7);
    let mut y = StackVector::zeros(to, x.width());
    match forward {
        true => crossbar.multiply(1, &x, &mut y).unwrap(),
        false => crossbar.multiply_transposed(1, &x, &mut y).unwrap(),
    }
    (crossbar, x, y)
}

/// The same by sums over cells in double precision.
fn expected(plan: &Plan, conductances: &StackVector, x: &StackVector, forward: bool) -> Vec<f64> {
    let (map, window) = (plan.model.map, plan.model.cells.window());
    let curve = plan.model.cells.curve();
    let (law, q) = curve.map_or((CurrentVoltage::Ohmic, 1.0), |c| (c.law, c.volts));
    let outputs = if forward { map.outputs() } else { map.inputs() };
    let reference = window.g_min + map.reference() * window.span();
    let mut out = vec![0.0; outputs * x.width()];
    for (k, y) in out.iter_mut().enumerate() {
        let (o, lane) = (k / x.width(), k % x.width());
        for other in 0..x.len() {
            let (row, output) = if forward { (other, o) } else { (o, other) };
            let v = q * f64::from(x.lanes(other)[lane]);
            let g = |n: usize| {
                let cell = row * map.columns() + output * map.cells_per_weight() + n;
                f64::from(conductances.lanes(cell)[lane % REPLICAS])
            };
            // Against the flow a cell has the opposite voltage, and the second column the opposite of that.
            let sign = if forward { 1.0 } else { -1.0 };
            *y += match (map.mapping(), forward) {
                (Mapping::ReferenceColumn, _) => {
                    sign * (law.current(g(0), sign * v) - law.current(reference, sign * v))
                }
                (_, true) => law.current(g(0), v) - law.current(g(1), v),
                (_, false) => -law.current(g(0), -v) - law.current(g(1), v),
            };
        }
        *y *= map.per_window() / window.span() / q;
    }
    out
}

fn distance(y: &StackVector, expected: &[f64]) -> f64 {
    let pairs = y.all().iter().zip(expected);
    pairs.fold(0.0, |d, (y, e)| d.max((f64::from(*y) - e).abs()))
}

const MAPPINGS: [Mapping; 2] = [Mapping::ReferenceColumn, Mapping::DifferentialPair];

/// Single precision: currents of 5 cells, some times what is left when those of the reference or the other column are subtracted.
#[test]
fn products_are_sums_over_cells() {
    for mapping in MAPPINGS {
        for law in [
            CurrentVoltage::Ohmic,
            CurrentVoltage::Sinh { slope: 5.0 },
            CUBIC,
            GRADED,
        ] {
            for forward in [true, false] {
                let plan = plan(mapping, law, Dac::default(), None);
                let (mut crossbar, x, y) = read(&plan, forward);
                let by_cells = expected(&plan, &crossbar.conductances().unwrap(), &x, forward);
                let d = distance(&y, &by_cells);
                assert!(d < 3e-6, "{mapping:?} {law:?} {forward}: {d}");
                // Which is not what ohmic cells give.
                let ohmic = read(
                    &self::plan(mapping, CurrentVoltage::Ohmic, Dac::default(), None),
                    forward,
                )
                .2;
                let off = distance(&ohmic, &by_cells);
                assert_eq!(off > 1e-3, !law.is_ohmic(), "{law:?} {off}");
            }
        }
    }
}

/// One amplitude bends by one factor, which is known: the product is that of ohmic cells.
#[test]
fn inputs_of_one_amplitude_keep_the_product() {
    for mapping in MAPPINGS {
        for input in [Input::PulseWidth, Input::BitSerial] {
            for forward in [true, false] {
                let dac = Dac {
                    resolution: Resolution::bits(7),
                    range: Some(1.0),
                    input,
                    ..Dac::default()
                };
                let sinh = CurrentVoltage::Sinh { slope: 5.0 };
                let ohmic = read(&plan(mapping, CurrentVoltage::Ohmic, dac, None), forward).2;
                for law in [sinh, CUBIC] {
                    let bent = read(&plan(mapping, law, dac, None), forward).2;
                    for (a, b) in ohmic.all().iter().zip(bent.all()) {
                        assert!((a - b).abs() < 3e-6, "{input:?} {law:?}: {a} {b}");
                    }
                    let amplitude = Dac {
                        input: Input::Amplitude,
                        ..dac
                    };
                    let other = read(&plan(mapping, law, amplitude, None), forward).2;
                    assert!(
                        other
                            .all()
                            .iter()
                            .zip(ohmic.all())
                            .any(|(a, b)| (a - b).abs() > 1e-3)
                    );
                }
            }
        }
    }
}

/// Wires of next to no resistance give sums over cells, with the noise of the periphery that ideal ones have.
#[test]
fn wires_that_hardly_resist_are_ideal() {
    for mapping in MAPPINGS {
        for law in [CurrentVoltage::Sinh { slope: 5.0 }, CUBIC, GRADED] {
            for forward in [true, false] {
                let mut ideal = plan(mapping, law, Dac::default(), None);
                let mut wired = plan(mapping, law, Dac::default(), Some(Wires::new(1e-4, 1e-4)));
                let close = |a: &StackVector, b: &StackVector| {
                    for (a, b) in a.all().iter().zip(b.all()) {
                        // 0.1 mΩ takes 1e-7 of the voltages.
                        assert!(
                            (a - b).abs() < 5e-6,
                            "{mapping:?} {law:?} {forward}: {a} {b}"
                        );
                    }
                };
                let quiet = read(&wired, forward).2;
                close(&read(&ideal, forward).2, &quiet);
                (ideal.read_noise, wired.read_noise) = (0.05, 0.05);
                let noisy = read(&wired, forward).2;
                close(&read(&ideal, forward).2, &noisy);
                assert!(
                    noisy
                        .all()
                        .iter()
                        .zip(quiet.all())
                        .any(|(a, b)| (a - b).abs() > 0.02)
                );
            }
        }
    }
}

/// One cell behind 2 + 3 kΩ: its voltage solves one equation, found here by bisection.
#[test]
fn one_cell_behind_wires_solves_its_equation() {
    for law in [CurrentVoltage::Sinh { slope: 5.0 }, CUBIC, GRADED] {
        let mut plan = plan(
            Mapping::ReferenceColumn,
            law,
            Dac::default(),
            Some(Wires::new(2e3, 3e3)),
        );
        plan.model.map = WeightMap::new(Mapping::ReferenceColumn, 0.5, 2.0, 1, 1);
        let cells = load_device("ideal/soft-bounds", "".as_ref()).unwrap();
        let cells = cells.without_variation().cells(1, 1).unwrap();
        plan.model.cells = Arc::new(cells.with_curve(Curve { law, volts: 0.4 }));
        let (mut crossbar, x, y) = read(&plan, true);
        let window = plan.model.cells.window();
        let g = crossbar.conductances().unwrap();
        for lane in 0..x.width() {
            let v = 0.4 * f64::from(x.lanes(0)[lane]);
            let g = f64::from(g.lanes(0)[lane % REPLICAS]);
            let (mut low, mut high) = (0.0, v);
            for _ in 0..100 {
                let u = 0.5 * (low + high);
                if ((v - u) / 5e3 - law.current(g, u)) * v > 0.0 {
                    low = u;
                } else {
                    high = u;
                }
            }
            let reference = law.current(window.g_min + 0.5 * window.span(), v);
            let expected = ((v - low) / 5e3 - reference) * 2.0 / window.span() / 0.4;
            let found = f64::from(y.lanes(0)[lane]);
            assert!(
                (found - expected).abs() < 1e-6,
                "{law:?}: {found} {expected}"
            );
        }
    }
}

/// A sine of amplitude A on `V - c V³`: what is left of it is `1 - ¾ c q² A²`, beside a third harmonic of `¼ c q² A²` of it.
#[test]
fn a_cubic_bends_a_sine_by_its_third_harmonic() {
    let law = CurrentVoltage::Polynomial {
        quadratic: 0.0,
        cubic: -0.25,
    };
    let (amplitude, q, samples) = (0.9_f64, 0.8_f64, 64);
    let mut plan = plan(Mapping::ReferenceColumn, law, Dac::default(), None);
    plan.model.map = WeightMap::new(Mapping::ReferenceColumn, 0.0, 1.0, 1, 1);
    let cells = load_device("ideal/soft-bounds", "".as_ref()).unwrap();
    let cells = cells.without_variation().cells(1, 1).unwrap();
    plan.model.cells = Arc::new(cells.with_curve(Curve { law, volts: q }));
    let mut crossbar = Crossbar::new(&plan, 0, 1).unwrap();
    crossbar.write(0, &[1.0]).unwrap();
    let mut x = StackVector::zeros(1, samples);
    for (b, x) in x.all_mut().iter_mut().enumerate() {
        *x = (amplitude * (std::f64::consts::TAU * b as f64 / samples as f64).sin()) as f32;
    }
    let mut y = StackVector::zeros(1, samples);
    crossbar.multiply(1, &x, &mut y).unwrap();
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        let pairs = x.all().iter().zip(y.all());
        pairs.map(|(x, y)| f(f64::from(*x), f64::from(*y))).sum()
    };
    let square = sum(&|x, _| x * x);
    let gain = sum(&|x, y| x * y) / square;
    let bend = 0.25 * q * q * amplitude * amplitude;
    assert!((gain - (1.0 - 0.75 * bend)).abs() < 1e-6, "{gain}");
    let beside = (sum(&|x, y| (y - gain * x).powi(2)) / square).sqrt();
    assert!((beside - 0.25 * bend).abs() < 1e-6, "{beside}");
}

#[test]
fn neither_cuts_nor_threads_change_a_bit() {
    let plan = plan(
        Mapping::DifferentialPair,
        GRADED,
        Dac::default(),
        Some(Wires::new(50.0, 50.0)),
    );
    let read = |first: usize, replicas: usize| {
        let mut crossbar = Crossbar::new(&plan, first, replicas).unwrap();
        crossbar.write(0, &[0.3; 20]).unwrap();
        let mut x = StackVector::zeros(5, replicas);
        for i in 0..5 {
            for (r, x) in x.lanes_mut(i).iter_mut().enumerate() {
                *x = ((i + 3 * (first + r)) as f32 * 0.7).sin();
            }
        }
        let mut y = StackVector::zeros(4, replicas);
        crossbar.multiply(1, &x, &mut y).unwrap();
        y
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build();
    let whole = pool.unwrap().install(|| read(0, 7));
    let parts = [read(0, 4), read(4, 3)];
    for o in 0..4 {
        assert_eq!(
            whole.lanes(o),
            [parts[0].lanes(o), parts[1].lanes(o)].concat()
        );
    }
}

/// Numbers of device files arrive.
#[test]
fn device_files_say_how_cells_conduct() {
    let load = |name: &str| load_device(name, "".as_ref()).unwrap();
    let milo = load("reram/milo2021");
    assert_eq!(milo.current_voltage(), MILO);
    assert_eq!(milo.largest_voltage(), Some(0.5));
    // It rises as far as it goes.
    assert_eq!(milo.current_voltage().falling(milo.window(), 0.5), None);
    let cubic = load("ideal/crosssim-cubic");
    let law = CurrentVoltage::Polynomial {
        quadratic: 0.0,
        cubic: -0.25,
    };
    assert_eq!(
        (cubic.current_voltage(), cubic.largest_voltage()),
        (law, Some(2.0))
    );
    assert!(load("ideal/soft-bounds").current_voltage().is_ohmic());
    let text = include_str!("../../device-models/ideal/crosssim-cubic.toml");
    let refused = |from: &str, to: &str| {
        crate::text::read(&text.replace(from, to))
            .err()
            .unwrap()
            .to_string()
    };
    assert!(refused("\"2 V\"", "\"2.2 V\"").contains("must have the sign of the voltage"));
    assert!(refused("cubic = -0.25", "cubik = -0.25").contains("did you mean cubic"));
    assert!(refused("polynomial]", "sinh]").contains("voltage-scale"));
}
