//! Arrays that live long: random devices of every law get ten million pulses and more, and stay what they may be.
//!
//! How they are counted. A device is an array of 384 states (32 replicas of 12 cells of up to three kinds). Where trains have a closed form,
//! *each state* gets more than 10⁷ pulses, in trains of up to half a million. Where trains have none, and where every law's pulses are made
//! one by one, it is the *array* that gets more than 10⁷, 26 000 a state: bounds are reached and left hundreds of times.

use std::path::Path;
use std::sync::Arc;

use memridge::backend::{Place, Request, Shape, StackVector};
use memridge::device::{
    AnyLaw, Cells, Counting, CycleNoise, Device, Kind, LOWER, Piecewise, Retention, UPPER, Window,
    laws, load_device,
};
use memridge::number::Stream;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};

const WINDOW: Window = Window {
    g_min: 1e-5,
    g_max: 5e-5,
};

const SHAPE: Shape = Shape {
    replicas: 32,
    rows: 4,
    columns: 3,
};

/// Updates of one life.
const UPDATES: u32 = 80;

/// The most pulses of an update, of which a state gets a quarter on average: 2.7·10⁴ or 10.7 million in a life.
const SINGLE: f64 = 1.4e3;
const AT_ONCE: f64 = 5.4e5;

/// Laws of quantities, and devices that have them.
const PHYSICAL: [(&str, &str); 8] = [
    ("linear-ion-drift-joglekar", "reram/strukov2008-joglekar"),
    ("linear-ion-drift-biolek", "reram/strukov2008-biolek"),
    ("vteam", "reram/kvatinsky2015"),
    ("stanford-pku", "reram/jiang2016"),
    ("yakopcic", "reram/yakopcic2011"),
    ("messaris", "reram/messaris2018"),
    ("messaris-square", "reram/messaris2018-square"),
    ("metastable-switches", "reram/nugent2014"),
];

/// Draws of device parameters, all in [0, 1): they are placed in what the law allows.
type Draws = Vec<f64>;

/// A cell of `law`: windows that are not the nominal one, steps from fine to coarse, the law's own numbers anywhere that people would
/// look for them. Many of these are unphysical; the device that is made of them says so.
fn parameters(law: &dyn AnyLaw, draws: &[f64]) -> Vec<f64> {
    let between = |k: usize, a: f64, b: f64| a + (b - a) * draws[k];
    if let Some((_, name)) = PHYSICAL.iter().find(|(own, _)| *own == law.name()) {
        // Quantities: a tenth either way of those of a device, and parts of the state's range. The parts that the device needs are
        // enough for most; ramps across the window are of the size of the pulses.
        let device = load_device(name, Path::new("")).unwrap();
        return device
            .parameters()
            .enumerate()
            .map(|(k, (parameter, v))| match k {
                LOWER => between(k, 0.0, 0.2),
                UPPER => between(k, 0.8, 1.0),
                _ if parameter.name == "parts" => v.max(4.0),
                _ if parameter.kind == Kind::Derived => {
                    let pulse = device
                        .parameters()
                        .find(|(p, _)| parameter.name.strip_suffix("-ramp") == Some(p.name));
                    pulse.map_or(0.0, |(_, v)| v) * between(k, -0.1, 0.2)
                }
                _ => v * between(k, 0.9, 1.1),
            })
            .collect();
    }
    let mut p = vec![
        10_f64.powf(between(0, -4.0, -0.7)),
        between(1, -0.2, 0.2),
        between(2, 0.8, 1.6),
    ];
    if law.name() == "piecewise" {
        let nodes = |from: usize| {
            (from..from + 5)
                .map(|k| between(k, 0.0, 3.0))
                .collect::<Vec<_>>()
        };
        p.extend(Piecewise::own(&nodes(3), &nodes(8), draws[13] < 0.5));
        return p;
    }
    let window = [p[LOWER], p[UPPER]];
    for (k, parameter) in law.parameters().iter().enumerate() {
        p.push(match parameter.kind {
            Kind::Position => between(3 + k, window[0], window[1]),
            // Exponents, slopes, asymmetries, offsets, rates: a decade either way of one, within the law's range.
            _ => between(3 + k, parameter.least.max(-1.0), parameter.most.min(8.0)),
        });
    }
    p
}

/// Cells of `law`, each with draws of its own; none where one is unphysical.
fn cells(
    law: &Arc<dyn AnyLaw>,
    base: &Device,
    each: &[Draws],
    noise: [f64; 3],
    hard: bool,
) -> Option<Cells> {
    let cells: Vec<Vec<f64>> = each.iter().map(|d| parameters(&**law, d)).collect();
    for p in &cells {
        base.with_law(Arc::clone(law), p).ok()?;
    }
    let count = SHAPE.rows * SHAPE.columns;
    let all = (0..count).flat_map(|k| cells[k % cells.len()].clone());
    let made = Cells::new(
        Arc::clone(law),
        WINDOW,
        CycleNoise::new(noise[0], noise[1]),
        noise[2],
        hard,
        cells[0].clone(),
        all.collect(),
    );
    let retention = Retention {
        rest: 0.3,
        lifetime: 500.0,
    };
    Some(made.with_retention(retention))
}

/// Lives a life of pulses of all sizes, up to `most` in an update, and a second of relaxation after each; the number of pulses, or what went
/// wrong.
fn live(cells: &Arc<Cells>, aggregate: bool, most: f64, seed: u64) -> Result<u64, String> {
    let stream = Stream::new(seed);
    let mut stack = Place::Cpu
        .stack(SHAPE, 0, stream, Arc::clone(cells), aggregate)
        .unwrap();
    stack.write(&vec![0.5; SHAPE.cells()]).unwrap();
    let mut requests = StackVector::zeros(SHAPE.cells(), SHAPE.replicas);
    let mut states = requests.clone();
    let mut seen = requests.clone();
    for step in 0..UPDATES {
        // Drifts up, drifts down and mixtures, so that bounds are reached and left.
        let drift = [0.0, 1.0, 0.0, -1.0, 0.5, -0.5][step as usize / 3 % 6];
        for (k, n) in requests.all_mut().iter_mut().enumerate() {
            let x = ((k as f64 + f64::from(step) * 97.0) * 0.618_033_988_749_895).fract();
            let size = most * x * x * x;
            let sign = if (x * 1e4).fract() < 0.5 + 0.5 * drift {
                1.0
            } else {
                -1.0
            };
            *n = (sign * size) as f32;
        }
        let request = Request::Dense(&requests);
        stack
            .pulse(step, &request, Counting::StochasticRounding)
            .unwrap();
        stack.relax(step, 1.0).unwrap();
        stack.inspect(&mut states).unwrap();
        stack.conductances(&mut seen).unwrap();
        for k in 0..SHAPE.cells() {
            let p = cells.double(k).parameters;
            let [lower, upper] = [p[LOWER] as f32, p[UPPER] as f32];
            for (&s, &g) in states.lanes(k).iter().zip(seen.lanes(k)) {
                let inside = !cells.hard_bounds() || (lower..=upper).contains(&s);
                if !s.is_finite() || !g.is_finite() || !inside {
                    return Err(format!(
                        "step {step}, cell {k}: state {s}, {g} S, p = {p:?}"
                    ));
                }
            }
        }
    }
    Ok(stack.pulses().unwrap())
}

fn noise() -> impl Strategy<Value = [f64; 3]> {
    // None, ordinary, and far more than a step.
    let size = || prop_oneof![Just(0.0), 0.0..1.0, 1.0..6.0];
    [size(), size(), size()]
}

/// Random devices of one law: so many as live, refused draws not counted.
fn check(name: &str, hard: bool, lives: u32) {
    let law = laws().into_iter().find(|l| l.name() == name).unwrap();
    let base = load_device("ideal/soft-bounds", Path::new("")).unwrap();
    let draws = proptest::collection::vec(proptest::collection::vec(0.0..1.0_f64, 32), 1..4);
    let devices = (draws, noise()).prop_filter_map("an unphysical cell", |(draws, noise)| {
        cells(&law, &base, &draws, noise, hard).map(|c| Shown(Arc::new(c)))
    });
    let config = Config {
        cases: lives,
        failure_persistence: None,
        max_local_rejects: 1_000_000,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(0x1f3),
        ..Config::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&devices, |Shown(cells)| {
            let at_once = cells.law().has_train();
            let each = if at_once {
                SHAPE.cells() * SHAPE.replicas
            } else {
                1
            };
            let most = if at_once { AT_ONCE } else { SINGLE };
            let pulses = live(&cells, true, most, 11).map_err(TestCaseError::fail)?;
            prop_assert!(pulses > 10_000_000 * each as u64, "{pulses}");
            // Trains of one are pulses one by one already.
            if cells.longest_train() > 1 {
                let pulses = live(&cells, false, SINGLE, 11).map_err(TestCaseError::fail)?;
                prop_assert!(pulses > 10_000_000, "{pulses}");
            }
            Ok(())
        })
        .unwrap();
}

/// Cells that show their parameters when they fail.
#[derive(Clone)]
struct Shown(Arc<Cells>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(cells) = self;
        write!(
            f,
            "{} {:?}, noise {:?}, write noise {}",
            cells.law().name(),
            (0..3)
                .map(|k| cells.double(k).parameters)
                .collect::<Vec<_>>(),
            cells.noise(),
            cells.write_noise()
        )
    }
}

macro_rules! lives {
    ($($test:ident: $law:literal, $hard:literal;)*) => {$(
        #[test]
        fn $test() {
            // Followed through every pulse, a life takes long.
            let followed = PHYSICAL.iter().any(|(law, _)| *law == $law);
            check($law, $hard, if followed { 1 } else { 4 });
        }
    )*};
}

// Without bounds only where steps do not grow with the distance from the window: those of other laws lead away from it ever faster
// once noise of several steps has led out of it.
lives! {
    constant_steps_between_bounds: "constant-step", true;
    linear_steps_between_bounds: "linear-step", true;
    soft_bounds_between_bounds: "soft-bounds", true;
    exponential_steps_between_bounds: "exp-step", true;
    power_steps_between_bounds: "power-step", true;
    neurosim_steps_between_bounds: "exponential", true;
    measured_steps_between_bounds: "piecewise", true;
    states_behind_exponentials_between_bounds: "exponential-readout", true;
    states_behind_sigmoids_between_bounds: "sigmoid-readout", true;
    drifting_ions_between_joglekars_bounds: "linear-ion-drift-joglekar", true;
    drifting_ions_between_bioleks_bounds: "linear-ion-drift-biolek", true;
    thresholds_between_bounds: "vteam", true;
    filaments_between_bounds: "stanford-pku", true;
    sliding_ends_between_bounds: "yakopcic", true;
    measured_rates_between_bounds: "messaris", true;
    squares_of_rates_between_bounds: "messaris-square", true;
    switches_between_bounds: "metastable-switches", true;
    constant_steps_without_bounds: "constant-step", false;
    soft_bounds_without_bounds: "soft-bounds", false;
}

#[test]
fn every_law_lives() {
    let tested = [
        "constant-step",
        "linear-step",
        "soft-bounds",
        "exp-step",
        "power-step",
        "exponential",
        "piecewise",
        "exponential-readout",
        "sigmoid-readout",
        "linear-ion-drift-joglekar",
        "linear-ion-drift-biolek",
        "vteam",
        "stanford-pku",
        "yakopcic",
        "messaris",
        "messaris-square",
        "metastable-switches",
    ];
    for law in laws().iter().filter(|l| l.is_pulsed()) {
        assert!(
            tested.contains(&law.name()),
            "add {} to this file",
            law.name()
        );
    }
}
