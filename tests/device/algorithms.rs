//! Training algorithms against their own equations, written here once more in double precision, and against problems with known answers.

use std::sync::Arc;

use memridge::backend::StackVector;
use memridge::crossbar::{ArrayModel, Crossbar, Digital, Mapping, Plan, Synapses, WeightMap};
use memridge::device::{Cells, Counting};
use memridge::number::Stream;
use memridge::study::{Overrides, Study, run_study};
use memridge::training::algorithms::{
    Algorithm, Calibration, Chopper, Clip, Context, Descent, Optimizer, Penalty, Reference, Sign,
    TikiTaka,
};
use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::text;

const INPUTS: usize = 3;
const OUTPUTS: usize = 2;
const REPLICAS: usize = 4;
const UPDATES: usize = 200;
/// A power of two, so that whole steps are exact in single precision.
const QUANTUM: f64 = 1.0 / 64.0;
const RATE: f64 = 0.125;

/// What arrays are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Made {
    /// Exact weights.
    Digital,
    /// An ideal device: equal steps of 1/64 in a window of ±64, mean changes without pulses.
    Mean,
}

fn plan(cells: Cells, map: WeightMap, stream: Stream) -> Plan {
    crate::plain(
        ArrayModel {
            cells: Arc::new(cells),
            map,
        },
        stream,
    )
}

/// An array that starts at zero.
fn array(made: Made, k: usize) -> Box<dyn Synapses> {
    let zeros = [0.0; INPUTS * OUTPUTS];
    if made == Made::Digital {
        let centre = zeros.to_vec();
        return Box::new(Digital::new(INPUTS, OUTPUTS, REPLICAS, 0.0, centre, &zeros));
    }
    let device = include_str!("../../device-models/ideal/constant-step.toml");
    // 40 µS / 2¹³
    let device =
        text::read(&device.replace("step = \"20 nS\"", "step = \"4.8828125 nS\"")).unwrap();
    let map = WeightMap::new(Mapping::ReferenceColumn, 0.5, 128.0, INPUTS, OUTPUTS);
    let cells = device.cells(map.cells(), 1).unwrap().without_pulses();
    let plan = plan(cells, map, Stream::new(3).part(k as u32));
    assert!((plan.model.step() / QUANTUM - 1.0).abs() < 1e-12);
    let mut crossbar = Crossbar::new(&plan, 0, REPLICAS).unwrap();
    crossbar.write(0, &zeros).unwrap();
    Box::new(crossbar)
}

fn build(algorithm: &Algorithm, made: Made) -> Box<dyn Synapses> {
    let arrays = (0..algorithm.arrays()).map(|k| array(made, k)).collect();
    let context = Context {
        quantum: QUANTUM,
        stream: Stream::new(3),
        first_replica: 0,
    };
    algorithm.build(arrays, &context)
}

fn weights(synapses: &mut dyn Synapses) -> Vec<DMatrix<f64>> {
    let mut values = vec![vec![0.0; REPLICAS]; INPUTS * OUTPUTS];
    synapses.inspect(&mut values).unwrap();
    (0..REPLICAS)
        .map(|r| DMatrix::from_fn(INPUTS, OUTPUTS, |i, c| values[i * OUTPUTS + c][r]))
        .collect()
}

/// Feeds an algorithm and, for every replica, a function from the gradient and the present weights to the next ones. Gradients are products of
/// small whole numbers and of multiples of 1/128: everything that only adds and takes whole steps is exact in single precision.
fn follow<S: Clone>(
    algorithm: &Algorithm,
    made: Made,
    state: &S,
    tolerance: f64,
    mut next: impl FnMut(&mut S, &DMatrix<f64>, &mut DMatrix<f64>),
) {
    let mut synapses = build(algorithm, made);
    if algorithm.calibration().is_some() {
        let zeros = StackVector::zeros(INPUTS * OUTPUTS, REPLICAS);
        synapses.start(&zeros).unwrap();
    }
    let mut rng = Pcg64::seed_from_u64(11);
    let mut states = vec![state.clone(); REPLICAS];
    let mut expected = vec![DMatrix::zeros(INPUTS, OUTPUTS); REPLICAS];
    let mut x = StackVector::zeros(INPUTS, REPLICAS);
    let mut d = StackVector::zeros(OUTPUTS, REPLICAS);
    let mut dense = StackVector::zeros(INPUTS * OUTPUTS, REPLICAS);
    for step in 0..UPDATES {
        x.all_mut().fill_with(|| rng.random_range(-2..=2) as f32);
        d.all_mut()
            .fill_with(|| (-RATE * f64::from(rng.random_range(-100..=120)) / 128.0) as f32);
        for r in 0..REPLICAS {
            let gradient = DMatrix::from_fn(INPUTS, OUTPUTS, |i, c| {
                f64::from(x.lanes(i)[r]) * f64::from(d.lanes(c)[r]) / -RATE
            });
            for (k, g) in gradient.transpose().iter().enumerate() {
                dense.lanes_mut(k)[r] = (-RATE * g) as f32;
            }
            next(&mut states[r], &gradient, &mut expected[r]);
        }
        let step = step as u32;
        let counting = Counting::Expected;
        // Both ways of asking are one.
        if step.is_multiple_of(2) {
            synapses.update_outer(step, &x, &d, counting, RATE).unwrap();
        } else {
            synapses.update_dense(step, &dense, counting, RATE).unwrap();
        }
        let mut seen = StackVector::zeros(OUTPUTS, REPLICAS);
        synapses.multiply(step, &x, &mut seen).unwrap();
        for (r, (found, expected)) in weights(&mut *synapses).iter().zip(&expected).enumerate() {
            let miss = (found - expected).amax();
            assert!(
                miss <= tolerance,
                "{made:?}, {algorithm:?}, update {step}: {miss}"
            );
            // Reads see what is measured, to single precision of sums about the middle of the window, 64 Σ|x|.
            for c in 0..OUTPUTS {
                let sum: f64 = (0..INPUTS)
                    .map(|i| f64::from(x.lanes(i)[r]) * found[(i, c)])
                    .sum();
                let size = match made {
                    Made::Digital => 1.0 + found.amax(),
                    Made::Mean => 64.0 * 2.0 * INPUTS as f64,
                };
                let miss = (f64::from(seen.lanes(c)[r]) - sum).abs();
                assert!(miss < 5e-7 * size, "{made:?}: {miss}");
            }
        }
    }
}

fn optimizer(descent: Descent) -> Optimizer {
    Optimizer {
        descent,
        clip: None,
        penalty: None,
        decoupled: false,
    }
}

/// Single precision: a rounding of 6e-8 of weights of about 10 (of the window, 128, for cells) at each of 200 updates, as a random walk, and moments that
/// are right to 1e-6.
const SINGLE: [(Made, f64); 2] = [(Made::Digital, 5e-5), (Made::Mean, 3e-4)];

type Moments = (usize, DMatrix<f64>, DMatrix<f64>);

fn moments() -> Moments {
    let zeros = DMatrix::zeros(INPUTS, OUTPUTS);
    (0, zeros.clone(), zeros)
}

#[test]
fn momentum_and_adaptive_rates_are_their_equations() {
    for (made, tolerance) in SINGLE {
        let ask = |descent| Algorithm::Optimizer(optimizer(descent));
        // Alternating pulses of equal steps leave cells where they are, and zero with them.
        let shifted = Algorithm::ZeroShifting(Calibration { pairs: 3, reads: 2 });
        for plain in [Algorithm::Sgd, ask(Descent::Plain), shifted] {
            follow(&plain, made, &(), tolerance, |(), g, w| *w -= RATE * g);
        }
        let mu = 0.7;
        let heavy = ask(Descent::Momentum { momentum: mu });
        follow(&heavy, made, &moments(), tolerance, |s, g, w| {
            s.1 = &s.1 * mu + g;
            *w -= RATE * &s.1;
        });
        let nesterov = ask(Descent::Nesterov { momentum: mu });
        follow(&nesterov, made, &moments(), tolerance, |s, g, w| {
            s.1 = &s.1 * mu + g;
            *w -= RATE * (g + mu * &s.1);
        });
        let epsilon = 0.01;
        let adagrad = ask(Descent::AdaGrad { epsilon });
        follow(&adagrad, made, &moments(), tolerance, |s, g, w| {
            s.2 += g.component_mul(g);
            *w -= RATE * g.zip_map(&s.2, |g, v| g / (v.sqrt() + epsilon));
        });
        let decay = 0.9;
        let rmsprop = ask(Descent::RmsProp { decay, epsilon });
        follow(&rmsprop, made, &moments(), tolerance, |s, g, w| {
            s.2 = decay * &s.2 + (1.0 - decay) * g.component_mul(g);
            *w -= RATE * g.zip_map(&s.2, |g, v| g / (v.sqrt() + epsilon));
        });
    }
}

/// One step of Adam in its published form; the direction.
fn adam(s: &mut Moments, g: &DMatrix<f64>, [b1, b2, epsilon]: [f64; 3]) -> DMatrix<f64> {
    s.0 += 1;
    s.1 = b1 * &s.1 + (1.0 - b1) * g;
    s.2 = b2 * &s.2 + (1.0 - b2) * g.component_mul(g);
    let t = s.0 as i32;
    let m = &s.1 / (1.0 - b1.powi(t));
    let v = &s.2 / (1.0 - b2.powi(t));
    m.zip_map(&v, |m, v| m / (v.sqrt() + epsilon))
}

#[test]
fn adam_and_its_penalties_are_their_equations() {
    let [first, second, epsilon] = [0.9, 0.99, 1e-3];
    let all = [first, second, epsilon];
    let descent = Descent::Adam {
        first,
        second,
        epsilon,
    };
    let penalty = Penalty {
        l2: 0.2,
        l1: 0.0,
        orthogonality: 0.0,
        consolidation: 0.0,
        centre: 0.5,
        read_every: 1,
        fade: None,
    };
    for (made, tolerance) in SINGLE {
        let plain = Algorithm::Optimizer(optimizer(descent));
        follow(&plain, made, &moments(), tolerance, |s, g, w| {
            *w -= RATE * adam(s, g, all);
        });
        let coupled = Algorithm::Optimizer(Optimizer {
            penalty: Some(penalty),
            ..optimizer(descent)
        });
        // Weights are read as they are before the update.
        follow(&coupled, made, &moments(), tolerance, |s, g, w| {
            let g = g + 0.2 * w.add_scalar(-0.5);
            *w -= RATE * adam(s, &g, all);
        });
        let decoupled = Algorithm::Optimizer(Optimizer {
            penalty: Some(penalty),
            decoupled: true,
            ..optimizer(descent)
        });
        follow(&decoupled, made, &moments(), tolerance, |s, g, w| {
            let pull = 0.2 * w.add_scalar(-0.5);
            *w -= RATE * (adam(s, g, all) + pull);
        });
        // Half of it at the second update of two, nothing from the third on.
        let fading = Algorithm::Optimizer(Optimizer {
            penalty: Some(Penalty {
                fade: Some(2),
                ..penalty
            }),
            ..optimizer(Descent::Plain)
        });
        follow(&fading, made, &0, tolerance, |updates, g, w| {
            let factor = 0.2 * [1.0, 0.5].get(*updates).unwrap_or(&0.0);
            *updates += 1;
            *w -= RATE * (g + factor * w.add_scalar(-0.5));
        });
    }
}

#[test]
fn clipped_and_penalised_gradients_are_their_equations() {
    let penalised = |l1, orthogonality, read_every| {
        Some(Penalty {
            l2: 0.0,
            l1,
            orthogonality,
            consolidation: 0.0,
            centre: 0.0,
            read_every,
            fade: None,
        })
    };
    let ask = |clip, penalty| {
        Algorithm::Optimizer(Optimizer {
            clip,
            penalty,
            ..optimizer(Descent::Plain)
        })
    };
    for (made, tolerance) in SINGLE {
        let value = ask(Some(Clip::Value(0.5)), None);
        follow(&value, made, &(), tolerance, |(), g, w| {
            *w -= RATE * g.map(|g| g.clamp(-0.5, 0.5));
        });
        let norm = ask(Some(Clip::Norm(1.0)), None);
        follow(&norm, made, &(), tolerance, |(), g, w| {
            *w -= RATE * g / g.norm().max(1.0);
        });
        // The weights of every third update stand for those of two more; at none of them is one so near to zero that its sign is rounded away.
        let absolute = ask(None, penalised(0.3, 0.0, 3));
        let start = (0, DMatrix::zeros(INPUTS, OUTPUTS));
        follow(&absolute, made, &start, tolerance, |s, g, w| {
            if s.0 % 3 == 0 {
                s.1 = w.clone();
            }
            s.0 += 1;
            let sign = |w: f64| if w.abs() < 1e-9 { 0.0 } else { w.signum() };
            *w -= RATE * (g + 0.3 * s.1.map(sign));
        });
        // W has fewer columns than rows: WᵀW is nearly I where this penalty is strong. Zero is unstable, so that rounding grows with the columns until
        // these have length 1.
        let small = ask(Some(Clip::Value(0.25)), penalised(0.0, 0.8, 1));
        follow(&small, made, &(), 10.0 * tolerance, |(), g, w| {
            let gram = w.transpose() * &*w - DMatrix::identity(OUTPUTS, OUTPUTS);
            let pull = 0.8 * &*w * gram;
            *w -= RATE * (g.map(|g| g.clamp(-0.25, 0.25)) + pull);
        });
    }
}

/// Whole numbers of steps and dyadic rates: nothing is rounded, so that nothing is off.
#[test]
fn whole_steps_are_written_exactly() {
    let zeros = DMatrix::<f64>::zeros(INPUTS, OUTPUTS);
    for made in [Made::Digital, Made::Mean] {
        for granularity in [1, 8] {
            let mixed = Algorithm::MixedPrecision { granularity };
            let step = f64::from(granularity) * QUANTUM;
            follow(&mixed, made, &zeros, 0.0, |chi, g, w| {
                *chi -= RATE * g;
                let written = chi.map(|chi| (chi / step).trunc() * step);
                *chi -= &written;
                *w += written;
            });
        }
        let sign = Algorithm::Sign(Sign {
            pulses: 3,
            dead_zone: 0.1,
        });
        follow(&sign, made, &(), 0.0, |(), g, w| {
            let step = |g: f64| if g.abs() > 0.1 { g.signum() } else { 0.0 };
            *w -= g.map(step) * 3.0 * QUANTUM;
        });
    }
}

/// What is digital or analog of a pair of arrays.
#[derive(Clone)]
struct Both {
    updates: usize,
    next: usize,
    fast: DMatrix<f64>,
    slow: DMatrix<f64>,
    hidden: DMatrix<f64>,
    mean: DMatrix<f64>,
    past: DMatrix<f64>,
    signs: [f64; INPUTS],
    reads: [u32; INPUTS],
}

impl Both {
    fn new() -> Self {
        let zeros = || DMatrix::zeros(INPUTS, OUTPUTS);
        Self {
            updates: 0,
            next: 0,
            fast: zeros(),
            slow: zeros(),
            hidden: zeros(),
            mean: zeros(),
            past: zeros(),
            signs: [1.0; INPUTS],
            reads: [0; INPUTS],
        }
    }

    /// One update of plan `p` on an ideal device, line by line as in the papers.
    fn update(&mut self, p: &TikiTaka, gradient: &DMatrix<f64>, w: &mut DMatrix<f64>) {
        for i in 0..INPUTS {
            for c in 0..OUTPUTS {
                self.fast[(i, c)] -= p.fast_rate * RATE * self.signs[i] * gradient[(i, c)];
            }
        }
        self.updates += 1;
        if self.updates.is_multiple_of(p.every as usize) {
            for _ in 0..p.lines.map_or(INPUTS, |n| n as usize) {
                self.transfer(p);
            }
        }
        *w = &self.slow + p.gamma * &self.fast;
    }

    fn transfer(&mut self, p: &TikiTaka) {
        let i = self.next;
        self.next = (i + 1) % INPUTS;
        for c in 0..OUTPUTS {
            let read = self.fast[(i, c)];
            let mut signal = read;
            if let Reference::Tracked(new) = p.reference {
                let mean = &mut self.mean[(i, c)];
                *mean = (1.0 - new) * *mean + new * read;
                signal -= self.past[(i, c)];
            }
            let change = p.transfer_rate * self.signs[i] * signal;
            if !p.buffered {
                self.slow[(i, c)] += change;
                continue;
            }
            let hidden = &mut self.hidden[(i, c)];
            *hidden += change;
            while hidden.abs() >= QUANTUM {
                self.slow[(i, c)] += hidden.signum() * QUANTUM;
                *hidden -= hidden.signum() * QUANTUM;
            }
        }
        self.reads[i] += 1;
        let turns = match p.chopper {
            None => false,
            Some(Chopper::Regular(every)) => self.reads[i].is_multiple_of(every),
            Some(Chopper::Random(probability)) => probability == 1.0,
        };
        if turns {
            self.signs[i] = -self.signs[i];
            for c in 0..OUTPUTS {
                self.past[(i, c)] = self.mean[(i, c)];
            }
        }
    }
}

#[test]
fn the_family_of_tiki_taka_is_its_equations() {
    let v1 = TikiTaka {
        fast_rate: 0.5,
        every: 2,
        lines: Some(1),
        transfer_rate: 0.25,
        gamma: 0.0,
        buffered: false,
        chopper: None,
        reference: Reference::Nominal,
    };
    let v2 = TikiTaka {
        lines: Some(2),
        buffered: true,
        ..v1
    };
    let chopped = TikiTaka {
        chopper: Some(Chopper::Regular(5)),
        ..v2
    };
    // Signs that turn for sure turn after every read.
    let turning = TikiTaka {
        chopper: Some(Chopper::Random(1.0)),
        ..v2
    };
    let calibrated = TikiTaka {
        reference: Reference::Calibrated(Calibration { pairs: 3, reads: 1 }),
        ..v1
    };
    let residual = TikiTaka {
        lines: None,
        gamma: 0.5,
        every: 1,
        transfer_rate: 1.0 / 64.0,
        ..v1
    };
    // With ρ = 1 the reference is one read, so that nothing is rounded.
    let agad = TikiTaka {
        reference: Reference::Tracked(1.0),
        ..chopped
    };
    let smooth = TikiTaka {
        reference: Reference::Tracked(0.3),
        buffered: false,
        ..chopped
    };
    for (made, tolerance) in SINGLE {
        for p in [v1, calibrated, v2, chopped, turning, residual, agad] {
            let algorithm = Algorithm::TikiTaka(p);
            // Reads of cells are rounded, so that a sum that meets a step exactly may take it one read later.
            let tolerance = match (made, p.buffered) {
                (Made::Digital, _) => 0.0,
                (Made::Mean, false) => tolerance,
                (Made::Mean, true) => QUANTUM,
            };
            follow(&algorithm, made, &Both::new(), tolerance, |s, g, w| {
                s.update(&p, g, w);
            });
        }
    }
    for (made, tolerance) in SINGLE {
        let algorithm = Algorithm::TikiTaka(smooth);
        follow(&algorithm, made, &Both::new(), tolerance, |s, g, w| {
            s.update(&smooth, g, w);
        });
    }
}

/// Alternating pulses bring cells to the points that the law says, and reads count from there.
#[test]
fn zero_shifting_finds_symmetric_points() {
    let device = include_str!("../../device-models/ideal/soft-bounds.toml");
    let spread = "[device-to-device]\nsymmetric-point = { normal = 0.08 }\n";
    let device = text::read(&format!("{device}\n{spread}")).unwrap();
    let map = WeightMap::new(Mapping::ReferenceColumn, 0.5, 2.0, INPUTS, OUTPUTS);
    let plan = plan(device.cells(map.cells(), 5).unwrap(), map, Stream::new(9));
    let points: Vec<f64> = (0..map.weights())
        .map(|j| plan.model.symmetric_weight(j).unwrap())
        .collect();
    assert!(points.iter().any(|w| w.abs() > 0.1));
    const PAIRS: u32 = 8000;
    let algorithm = Algorithm::ZeroShifting(Calibration {
        pairs: PAIRS,
        reads: 1,
    });
    let context = Context {
        quantum: plan.model.step(),
        stream: plan.stream,
        first_replica: 0,
    };
    let array = Box::new(Crossbar::new(&plan, 0, REPLICAS).unwrap());
    let mut synapses = algorithm.build(vec![array], &context);
    let mut wanted = StackVector::zeros(map.weights(), REPLICAS);
    for k in 0..map.weights() {
        wanted.lanes_mut(k).fill(0.05 * k as f32);
    }
    synapses.start(&wanted).unwrap();
    let pulses = 2 * PAIRS as usize * map.weights() * REPLICAS;
    assert_eq!(synapses.pulses().unwrap(), pulses as u64);
    // What is set is what is measured and read, to single precision of states in a window of 2.
    for (k, found) in inspected(&mut *synapses).iter().enumerate() {
        let miss = found - 0.05 * k as f64;
        assert!(miss.abs() < 1e-6, "{k}: {miss}");
        let mut x = StackVector::zeros(INPUTS, REPLICAS);
        x.lanes_mut(k / OUTPUTS).fill(1.0);
        let mut y = StackVector::zeros(OUTPUTS, REPLICAS);
        synapses.multiply(1, &x, &mut y).unwrap();
        for read in y.lanes(k % OUTPUTS) {
            assert!((f64::from(*read) - found).abs() < 1e-6);
        }
    }
    // At weight 0 a pulse up and one down undo each other: the symmetric point. The last pulse went down, so that it is half a step of 1e-3 away; steps change
    // by about their own size over a weight of 1: they differ by 1e-6 there, and by rounding of states.
    synapses
        .start(&StackVector::zeros(map.weights(), REPLICAS))
        .unwrap();
    let mut moved = |sign: f64| -> Vec<f64> {
        let before = inspected(&mut *synapses);
        let mut request = StackVector::zeros(map.weights(), REPLICAS);
        request.fill((sign * plan.model.step()) as f32);
        let counting = Counting::Deterministic;
        synapses.update_dense(1, &request, counting, 1.0).unwrap();
        let after = inspected(&mut *synapses);
        after.iter().zip(&before).map(|(a, b)| a - b).collect()
    };
    let (up, down) = (moved(1.0), moved(-1.0));
    for (up, down) in up.iter().zip(&down) {
        assert!(*up > 5e-4 && (up + down).abs() < 3e-6, "{up} {down}");
    }
}

/// Weights of the first replica, of arrays with one cell a weight.
fn inspected(synapses: &mut dyn Synapses) -> Vec<f64> {
    let mut values = vec![vec![0.0; REPLICAS]; INPUTS * OUTPUTS];
    synapses.inspect(&mut values).unwrap();
    values.into_iter().map(|v| v[0]).collect()
}

/// The small study with this algorithm on this device.
fn study(device: &str, algorithm: &str, more: &[(&str, &str)]) -> memridge::error::Result<Study> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.toml");
    let mut text = format!(
        r#"title = "t"
claim = "t"
cite = []
seed = 7
replicas = 24
[device]
model = "{device}"
[array]
read-noise = 0.0
[array.mapping.reference-column]
zero = "middle"
conductance-per-weight = "20 uS"
{}{algorithm}
"#,
        text::TRAINED
    );
    for (from, to) in more {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(&path, text).unwrap();
    Study::read(&path, &Overrides::default())
}

/// Every algorithm on a device of equal steps settles where least squares do. The mean of a window of n independent samples is off by √(d/n) of the
/// label noise over the input's deviation, whatever moves the weights slowly: .3 √(4/12000) = .0055; three times that, and a step of 0.001.
#[test]
fn every_algorithm_finds_the_least_squares() {
    let pair = "fast-rate = 1.0, transfer-every = 1, transfer-rate = 0.05";
    for algorithm in [
        "algorithm = \"sgd\"".to_owned(),
        "algorithm = \"digital-sgd\"".to_owned(),
        "algorithm = { momentum = { momentum = 0.5 } }".to_owned(),
        "algorithm = { nesterov = { momentum = 0.5 } }".to_owned(),
        "algorithm = { adagrad = { epsilon = 1e-6 } }".to_owned(),
        "algorithm = { rmsprop = { decay = 0.99, epsilon = 1e-3 } }".to_owned(),
        "algorithm = { adam = { beta-1 = 0.9, beta-2 = 0.999, epsilon = 1e-6 } }".to_owned(),
        "algorithm = { adamw = { beta-1 = 0.9, beta-2 = 0.999, epsilon = 1e-6, penalty = { l2 = 0.0, read-every = 1 } } }"
            .to_owned(),
        "algorithm = \"mixed-precision\"".to_owned(),
        format!("algorithm = {{ residual-learning = {{ {pair}, gamma = 0.5 }} }}"),
    ] {
        let longer = [
            ("steps = 600", "steps = 24000"),
            ("learning-rate = 0.02", "learning-rate = 0.01"),
        ];
        let study = study("ideal/constant-step", &algorithm, &longer).unwrap();
        let points = run_study(&study, &()).unwrap().summary.points;
        let bias = points[0].bias_norm;
        assert!(bias < 0.0175, "{algorithm}: {bias}");
    }
}

#[test]
fn plain_descent_keeps_its_bits_and_others_predict_nothing() {
    let run = |algorithm: &str| {
        let study = study("ideal/soft-bounds", algorithm, &[]).unwrap();
        let mut outcome = run_study(&study, &()).unwrap();
        let weights: Vec<f64> = outcome.runs.into_iter().flat_map(|r| r.weights).collect();
        (weights, outcome.summary.points.remove(0))
    };
    let (plain, found) = run("");
    let (named, _) = run("algorithm = \"sgd\"");
    assert_eq!(plain, named);
    assert!(found.lambda_predicted.is_some() && found.lambda_e1.value.is_some());
    let (mixed, found) = run("algorithm = \"mixed-precision\"");
    assert_ne!(plain, mixed);
    assert!(found.lambda_predicted.is_none() && found.lambda_e1.value.is_none());
    assert!(found.budget.is_none() && found.lambda_e2.value.is_some());
    let words = "theory speaks of plain gradient descent";
    assert!(found.verdict.contains(words), "{}", found.verdict);
    assert!(found.warnings.iter().any(|w| w.contains(words)));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let pair = "tiki-taka = { fast-rate = 1.0, transfer-every = 1, transfer-rate = 0.05";
    let trains = [(
        "pulses = \"stochastic-rounding\"",
        "pulses = { coincidence = { bit-length = 31, update-management = true } }",
    )];
    let steps = [
        ("steps = 600", "steps = 100000000"),
        ("batch = 1\n", "batch = 30\n"),
    ];
    type Case<'a> = (&'a str, String, &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case; 8] = [
        (
            "soft-bounds",
            "algorithm = \"adam\"".into(),
            &[],
            "beta-1: missing",
        ),
        (
            "soft-bounds",
            "algorithm = \"mixed-precision\"".into(),
            &trains,
            "bit trains make outer products",
        ),
        (
            "constant-step",
            format!("algorithm = {{ {pair}, calibration = {{ pairs = 10, reads = 1 }} }} }}"),
            &[],
            "no symmetric point",
        ),
        (
            "soft-bounds",
            format!("algorithm = {{ {pair}, turn-every = 3 }} }}"),
            &[],
            "turn-every",
        ),
        (
            "soft-bounds",
            "algorithm = { momentum = { momentum = 1.0 } }".into(),
            &[],
            "momentum",
        ),
        (
            "soft-bounds",
            "algorithm = { digital-sgd = { clip-norm = 1.0, clip-value = 1.0 } }".into(),
            &[],
            "not by both",
        ),
        (
            "soft-bounds",
            "algorithm = { digital-sgd = { penalty = { read-every = 1 } } }".into(),
            &[],
            "at least one strength",
        ),
        (
            "soft-bounds",
            "algorithm = \"mixed-precision\"".into(),
            &steps,
            "2³¹",
        ),
    ];
    for (device, algorithm, more, expected) in cases {
        let message = match study(&format!("ideal/{device}"), &algorithm, more) {
            Ok(_) => panic!("{algorithm} accepted"),
            Err(e) => e.to_string(),
        };
        assert!(message.contains(expected), "{algorithm}: {message}");
    }
    // What bit trains can make they may.
    let fine = format!("algorithm = {{ {pair} }} }}");
    assert!(study("ideal/soft-bounds", &fine, &trains).is_ok());
}
