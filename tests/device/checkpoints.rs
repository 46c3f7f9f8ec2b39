//! Runs that are saved and taken up again: every algorithm, device, memory of a device and part of the periphery goes on bit by bit as if nothing had happened.

use std::sync::Arc;

use memridge::arrays::Saved;
use memridge::backend::{Place, StackVector};
use memridge::crossbar::{
    Adc, AdcKind, ArrayModel, BoundManagement, Crossbar, Dac, Digital, Layout, Mapping,
    NoiseManagement, Periphery, Plan, Refresh, Resolution, Rounding, Scheme, Selected, Synapses,
    TileSize, WeightMap, Wires, Writes,
};
use memridge::device::{Counting, Device, LIBRARY, VoltageDependence, load_device};
use memridge::error::Result;
use memridge::number::Stream;
use memridge::training::algorithms::{
    Algorithm, Calibration, Chopper, Clip, Context, Descent, Optimizer, Penalty, Reference, Sign,
    TikiTaka,
};
use memridge::training::network::{
    Activation, Course, Examples, Layers, Network, Objective, Single, Start, Targets, Watcher,
    score, train_network,
};
use memridge::training::{Decay, Schedule, Update};
use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::text;

const SEED: u64 = 5;
const EPOCHS: u32 = 4;
const HALF: u32 = 2;

/// What is saved and taken up.
struct Case {
    name: String,
    device: Device,
    algorithm: Algorithm,
    mapping: Mapping,
    counting: Counting,
    update: Update,
    periphery: Periphery,
    layout: Layout,
    wires: Option<Wires>,
    replicas: usize,
}

impl Case {
    /// Stochastic descent on a device with a column of reference, in few replicas.
    fn new(name: impl Into<String>, device: Device) -> Self {
        Self {
            name: name.into(),
            device,
            algorithm: Algorithm::Sgd,
            mapping: Mapping::ReferenceColumn,
            counting: Counting::StochasticRounding,
            update: Update::PerSample,
            periphery: Periphery::default(),
            layout: Layout::default(),
            wires: None,
            replicas: 3,
        }
    }

    fn course(&self) -> Course {
        Course {
            learning_rate: 0.1,
            schedule: Schedule {
                warm_up: 0.0,
                decay: Decay::Inverse { half: 20.0 },
            },
            epochs: EPOCHS,
            batch: 4,
            update: self.update,
            counting: self.counting,
            seconds_per_step: 3.0,
        }
    }

    fn plan(&self, rows: usize, outputs: usize, k: u32) -> Plan {
        let mapping = self.mapping;
        let zero = match mapping {
            Mapping::OneSidedPair => 0.005,
            _ => 0.45,
        };
        let map = WeightMap::new(mapping, zero, 2.0, rows, outputs);
        let refresh = Refresh {
            every: 7,
            upper: 0.1,
            lower: 0.02,
            rounds: 2,
            most_pulses: 31,
        };
        Plan {
            model: ArrayModel {
                cells: Arc::new(self.device.cells(map.cells(), u64::from(k)).unwrap()),
                map,
            },
            read_noise: 0.01,
            periphery: self.periphery.clone(),
            layout: self.layout,
            wires: self.wires,
            refresh: (mapping == Mapping::OneSidedPair).then_some(refresh),
            aggregate: true,
            stream: Stream::new(SEED).part(k),
            place: Place::Cpu,
        }
    }

    /// Arrays of all layers, not started.
    fn arrays(&self, network: &Network) -> Vec<Box<dyn Synapses>> {
        let layers = (0..).zip(&network.layers);
        let built = layers.map(|(k, layer)| {
            let zeros = vec![0.0; layer.weights()];
            let plan = |a: usize| self.plan(layer.rows(), layer.outputs, k + 100 * a as u32);
            let array = |a: usize| -> Box<dyn Synapses> {
                let mut crossbar = Crossbar::new(&plan(a), 4, self.replicas).unwrap();
                crossbar.write(0, &zeros).unwrap();
                crossbar.meter();
                Box::new(crossbar)
            };
            let model = plan(0).model;
            let context = Context {
                quantum: model.step() / model.map.share(0).abs(),
                stream: plan(0).stream,
                first_replica: 4,
            };
            let arrays = (0..self.algorithm.arrays()).map(array).collect();
            self.algorithm.build(arrays, &context)
        });
        built.collect()
    }
}

/// Mean losses of all epochs, and reads between them, which are part of a run.
struct Log<'a> {
    network: &'a Network,
    data: &'a Single,
    losses: Vec<f64>,
}

impl Watcher for Log<'_> {
    fn epoch(&mut self, epoch: u32, losses: &[f64], layers: &mut Layers) -> Result<()> {
        self.losses.extend(losses);
        let scores = score(self.network, self.data, epoch, layers)?;
        self.losses.extend(scores.losses);
        Ok(())
    }
}

fn examples() -> Examples {
    let mut rng = Pcg64::seed_from_u64(4);
    let of: Vec<usize> = (0..22).map(|k| k % 3).collect();
    let x = DMatrix::from_fn(22, 4, |k, j| {
        let centre = if of[k] == j { 0.8 } else { -0.2 };
        centre + rng.random_range(-0.5..0.5)
    });
    Examples {
        x,
        targets: Targets::Classes { of, count: 3 },
    }
}

fn network() -> Network {
    Network::new(4, &[5, 3], true, Activation::Tanh, Objective::CrossEntropy)
}

fn start(network: &Network, arrays: &mut [Box<dyn Synapses>]) {
    let random = Start::Uniform {
        scale: 0.5,
        shared: false,
        rescale: 1.0,
    };
    for (k, array) in arrays.iter_mut().enumerate() {
        let replicas = array.replicas();
        let weights = random.weights(network, k, [-0.5, 0.5], SEED, 4, replicas);
        array.start(&weights).unwrap();
    }
}

fn saved(layers: &mut Layers) -> Vec<u8> {
    let mut saved = Saved::new();
    layers.keep(&mut saved).unwrap();
    saved.bytes()
}

/// Trains from the start and from halfway; the second arrays are new, and never started.
fn goes_on(name: &str, course: &Course, build: &dyn Fn(&Network) -> Vec<Box<dyn Synapses>>) {
    let (network, data) = (network(), Single::new(&examples()));
    let train = |epochs, layers: &mut Layers| {
        let mut log = Log {
            network: &network,
            data: &data,
            losses: Vec::new(),
        };
        train_network(
            &network,
            &data,
            course,
            epochs,
            SEED,
            4,
            layers,
            &mut [],
            &mut log,
            &|_| {},
        )
        .unwrap_or_else(|e| panic!("{name}: {e}"));
        log.losses
    };
    let mut layers = Layers::new(&network, build(&network));
    start(&network, &mut layers.arrays);
    train(0..HALF, &mut layers);
    let half = saved(&mut layers);
    let losses = train(HALF..EPOCHS, &mut layers);
    let whole = saved(&mut layers);
    assert!(half != whole, "{name}: nothing moves");

    let mut again = Layers::new(&network, build(&network));
    let mut state = Saved::of("x".as_ref(), half).unwrap();
    let taken = again.keep(&mut state);
    taken.unwrap_or_else(|e| panic!("{name}: {e}"));
    state.end().unwrap();
    let later = train(HALF..EPOCHS, &mut again);
    assert_eq!(losses, later, "{name}: reads differ");
    assert!(whole == saved(&mut again), "{name}: states differ");
    for (a, b) in layers.arrays.iter_mut().zip(&mut again.arrays) {
        assert_eq!(a.pulses().unwrap(), b.pulses().unwrap(), "{name}");
        assert_eq!(a.resets(), b.resets(), "{name}");
        assert!(a.resets() > 0 || !name.starts_with("pcm/"), "{name}");
        assert_eq!(a.usage().unwrap(), b.usage().unwrap(), "{name}");
    }
}

fn case_goes_on(case: &Case) {
    goes_on(&case.name, &case.course(), &|network| case.arrays(network));
}

fn soft_bounds(more: &str) -> Device {
    let lines = format!(
        "bounds = \"soft\"\nwrite-noise = 0.5\n[law.soft-bounds]\nstep = 0.01\nlower = 0.0\nupper = 1.0\nsymmetric-point = 0.45\n\
         [cycle-to-cycle]\nadditive = 0.3\nmultiplicative = 0.2\n[device-to-device]\nstep = {{ relative-normal = 0.2 }}\n{more}\n"
    );
    text::read(&text::whole(&lines)).unwrap()
}

fn algorithms() -> Vec<Algorithm> {
    let optimizer = |descent, penalty, clip| {
        Algorithm::Optimizer(Optimizer {
            descent,
            clip,
            penalty,
            decoupled: false,
        })
    };
    let penalty = Penalty {
        l2: 0.01,
        l1: 0.001,
        orthogonality: 0.01,
        consolidation: 0.0,
        centre: 0.0,
        read_every: 5,
        fade: None,
    };
    let tiki_taka = |buffered, chopper, reference| {
        Algorithm::TikiTaka(TikiTaka {
            fast_rate: 0.5,
            every: 3,
            lines: Some(2),
            transfer_rate: 0.4,
            gamma: if buffered { 0.0 } else { 0.3 },
            buffered,
            chopper,
            reference,
        })
    };
    let calibration = Calibration { pairs: 3, reads: 2 };
    vec![
        Algorithm::Sgd,
        Algorithm::ZeroShifting(calibration),
        optimizer(Descent::Plain, Some(penalty), Some(Clip::Norm(1.0))),
        optimizer(Descent::Momentum { momentum: 0.9 }, None, None),
        optimizer(Descent::Nesterov { momentum: 0.9 }, None, None),
        optimizer(Descent::AdaGrad { epsilon: 1e-3 }, None, None),
        optimizer(
            Descent::RmsProp {
                decay: 0.9,
                epsilon: 1e-3,
            },
            None,
            None,
        ),
        optimizer(
            Descent::Adam {
                first: 0.9,
                second: 0.99,
                epsilon: 1e-3,
            },
            Some(penalty),
            None,
        ),
        Algorithm::Sign(Sign {
            pulses: 1,
            dead_zone: 0.05,
        }),
        Algorithm::MixedPrecision { granularity: 3 },
        tiki_taka(false, None, Reference::Nominal),
        tiki_taka(true, None, Reference::Calibrated(calibration)),
        tiki_taka(true, Some(Chopper::Random(0.3)), Reference::Nominal),
        tiki_taka(true, Some(Chopper::Regular(2)), Reference::Tracked(0.3)),
    ]
}

#[test]
fn every_algorithm_goes_on() {
    for algorithm in algorithms() {
        for counting in [Counting::StochasticRounding, Counting::Expected] {
            let mut case = Case::new(format!("{algorithm:?}, {counting:?}"), soft_bounds(""));
            case.counting = counting;
            case.algorithm = algorithm.clone();
            case_goes_on(&case);
        }
        let mut case = Case::new(format!("{algorithm:?}, summed"), soft_bounds(""));
        case.update = Update::Summed;
        case.algorithm = algorithm;
        case_goes_on(&case);
    }
    let digital = |network: &Network| {
        let layers = network.layers.iter();
        let built = layers.map(|l| {
            let zeros = vec![0.0; l.weights()];
            let array = Digital::new(l.rows(), l.outputs, 3, 0.1, zeros.clone(), &zeros);
            Box::new(array) as Box<dyn Synapses>
        });
        built.collect()
    };
    let course = Case::new("digital", soft_bounds("")).course();
    goes_on("digital", &course, &digital);
}

#[test]
fn every_device_of_the_library_goes_on() {
    for (name, _) in LIBRARY {
        let device = load_device(name, "".as_ref()).unwrap();
        if !device.law().is_pulsed() {
            continue;
        }
        let mut case = Case::new(*name, device);
        if case.device.reset().is_some() {
            case.mapping = Mapping::OneSidedPair;
        }
        case_goes_on(&case);
    }
}

#[test]
fn whatever_cells_remember_goes_on() {
    const RETENTION: &str = "[retention.exponential]\nlifetime = \"200 s\"\nrest = 0.3\n";
    const SPREAD: &str =
        "[retention.exponential.device-to-device]\nlifetime = { relative-normal = 0.3 }\n";
    const POWER: &str = "[retention.power-law]\nonset = \"20 s\"\nexponent = { constant = 0.05 }\ndeviation = { relative-to = \"25 uS\", polynomial = [0.01, 0.002] }\n";
    const LOGARITHMIC: &str = "[retention.logarithmic]\nonset = \"1 s\"\nshift = \"0.089 uS\"\ndeviation = 0.01\ngrowth = \"0.042 uS\"\n";
    const ENDURANCE: &str =
        "[endurance]\npulses = 100.0\nshape = 0.5\nlower-loss = 0.4\nupper-loss = 0.5\n";
    const READS: &str = "[read-noise.white]\nrelative = 0.01\n[read-noise.flicker]\nread-time = \"250 ns\"\namplitude = { constant = 0.01 }\n";
    const TRAPS: &str =
        "[read-noise.telegraph]\namplitude = 0.05\noccupied = \"10 s\"\nempty = \"30 s\"\n";
    for more in [
        RETENTION.to_owned(),
        format!("{RETENTION}{SPREAD}"),
        POWER.to_owned(),
        LOGARITHMIC.to_owned(),
        ENDURANCE.to_owned(),
        format!("{POWER}{ENDURANCE}"),
        format!("{READS}{TRAPS}"),
        format!("{LOGARITHMIC}{READS}{TRAPS}{ENDURANCE}"),
    ] {
        for replicas in [1, 3, 70] {
            let mut case = Case::new(format!("{more}, {replicas} replicas"), soft_bounds(&more));
            case.replicas = replicas;
            case_goes_on(&case);
        }
    }
}

#[test]
fn whatever_stands_around_cells_goes_on() {
    let converters = Periphery {
        dac: Dac {
            range: Some(1.0),
            resolution: Resolution::bits(7),
            ..Dac::default()
        },
        adc: Adc {
            kind: AdcKind::Uniform {
                resolution: Resolution::bits(7).unwrap(),
                rounding: Rounding::Stochastic,
            },
            range: Some(2.0),
            ..Adc::default()
        },
        noise_management: NoiseManagement::Average { decay: 0.9 },
        bound_management: BoundManagement::Iterative { most_halvings: 3 },
    };
    let writes = Writes {
        scheme: Scheme::Half,
        selected: Selected::Cell,
        // No divisor of the twelve steps before states are saved: voltages are older ones then.
        every: 5,
        disturb: true,
        dependence: Some(VoltageDependence::Power(2.0)),
    };
    let reads = Wires {
        every: Some(5),
        ..Wires::new(50.0, 50.0)
    };
    let case = |name: &str| Case::new(name, soft_bounds(""));
    let cases = [
        Case {
            periphery: converters.clone(),
            ..case("converters")
        },
        Case {
            counting: Counting::Coincidence {
                bits: 8,
                update_management: true,
                length_management: false,
            },
            ..case("trains")
        },
        Case {
            mapping: Mapping::DifferentialPair,
            ..case("pairs")
        },
        Case {
            layout: Layout {
                tiles: Some(TileSize {
                    rows: 2,
                    columns: 2,
                }),
                ..Layout::default()
            },
            periphery: converters,
            ..case("tiles")
        },
        Case {
            wires: Some(reads),
            ..case("wires")
        },
        Case {
            replicas: 1,
            wires: Some(Wires {
                writes: Some(writes),
                ..reads
            }),
            ..case("writes")
        },
    ];
    cases.iter().for_each(case_goes_on);
}

/// Compensation of drift is digital state of a crossbar.
#[test]
fn compensated_reads_go_on() {
    use memridge::crossbar::Compensation;
    for kind in [Compensation::Global, Compensation::PerColumn] {
        let case = Case::new(
            "compensated",
            soft_bounds("[retention.exponential]\nlifetime = \"200 s\"\nrest = 0.3\n"),
        );
        let new = || Crossbar::new(&case.plan(3, 2, 0), 0, 3).unwrap();
        let mut crossbar = new();
        crossbar
            .write(0, &[0.5, -0.4, 0.3, 0.2, -0.1, 0.6])
            .unwrap();
        let mut inputs = StackVector::zeros(3, 6);
        for (k, x) in inputs.all_mut().iter_mut().enumerate() {
            *x = (k % 5) as f32 / 4.0;
        }
        let then = crossbar.response(1, &inputs).unwrap();
        crossbar.relax(1, 100.0).unwrap();
        crossbar.compensate(2, &inputs, &then, kind).unwrap();
        let mut saved = Saved::new();
        crossbar.keep(&mut saved).unwrap();
        let mut again = new();
        let mut saved = Saved::of("x".as_ref(), saved.bytes()).unwrap();
        again.keep(&mut saved).unwrap();
        let mut outputs = [StackVector::zeros(2, 6), StackVector::zeros(2, 6)];
        let [a, b] = &mut outputs;
        crossbar.multiply(3, &inputs, a).unwrap();
        again.multiply(3, &inputs, b).unwrap();
        assert_eq!(a, b);
        crossbar.end_compensation();
        crossbar.multiply(3, &inputs, a).unwrap();
        assert_ne!(a, b);
    }
}

/// The state of one kind of array is refused by another.
#[test]
fn states_of_other_arrays_are_refused() {
    let network = network();
    let cases: Vec<Case> = algorithms()
        .into_iter()
        .enumerate()
        .map(|(k, algorithm)| {
            let mut case = Case::new(format!("{algorithm:?}"), soft_bounds(""));
            case.algorithm = algorithm;
            case.replicas = 2 + k;
            case
        })
        .collect();
    for a in &cases {
        let bytes = saved(&mut Layers::new(&network, a.arrays(&network)));
        for b in cases.iter().filter(|b| b.name != a.name) {
            let mut state = Saved::of("a.state".as_ref(), bytes.clone()).unwrap();
            let mut arrays = b.arrays(&network);
            let refused = arrays.iter_mut().try_for_each(|x| x.keep(&mut state));
            let text = refused.unwrap_err().to_string();
            assert!(
                text.contains("a.state: is the state of something else"),
                "{}, {}: {text}",
                a.name,
                b.name
            );
        }
    }
}
