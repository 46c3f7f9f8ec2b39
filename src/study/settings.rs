//! One validated sweep point: everything that a run needs, with its meaning settled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use super::algorithm::{algorithm, check_algorithm};
use super::course::{counting, schedule, update};
use super::curve::curve;
use super::layout::layout;
use super::network::{self, NetworkTask};
use super::periphery::periphery;
use super::reading::{self, Reading};
use super::wires::wires;
use crate::backend::Place;
use crate::bias::{Gradient, Log, Setting};
use crate::crossbar::{
    ArrayModel, Built, Cost, Layout, Mapping, Periphery, Plan, Refresh, Technology, Usage,
    WeightMap, WeightScale, Wires,
};
use crate::device::{Counting, Curve, Device};
use crate::document::{Origin, Rule, Section, Value, Violations};
use crate::error::{Error, Result, Violation};
use crate::number::Stream;
use crate::training::algorithms::{Algorithm, OWN_STEPS};
use crate::training::{
    Batch, Loss, Samples, Schedule, Source, Standardisation, StepRule, Task, Training, Update,
    read_table, stability_limit, stability_limit_gaussian,
};
use crate::units::{Seconds, Siemens};

/// What is learned.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskSpec {
    /// A table of data.
    Data {
        /// The CSV file.
        file: PathBuf,
        /// Its target column.
        target: String,
        /// Whether columns are standardised.
        standardise: bool,
        /// Folds and replicas of the cross-validation that measures the test error.
        validation: Option<(usize, usize)>,
    },
    /// A random least-squares problem for every replica: `x ~ N(0, input²)`, truth `~ N(0, truth²)`, `y = x·truth + noise`.
    RandomProblems {
        /// Number of features.
        features: usize,
        /// Samples a problem.
        samples: usize,
        /// Standard deviation of the inputs.
        input: f64,
        /// Standard deviation of the true weights.
        truth: f64,
        /// Standard deviation of the label noise.
        label_noise: f64,
    },
    /// Fresh samples `x ~ N(0, I)`, `y = x·truth + noise`; a truth for every replica.
    GaussianInputs {
        /// Number of features.
        features: usize,
        /// Standard deviation of the true weights.
        truth: f64,
        /// Standard deviation of the label noise.
        label_noise: f64,
    },
    /// Nothing is learned: weights are programmed and read.
    Reading(Box<Reading>),
    /// A network.
    Network(Box<NetworkTask>),
}

impl TaskSpec {
    /// The reading of a task that is not trained.
    pub fn reading(&self) -> Option<&Reading> {
        match self {
            Self::Reading(reading) => Some(reading),
            _ => None,
        }
    }

    /// The network that is trained, if it is one.
    pub fn network(&self) -> Option<&NetworkTask> {
        match self {
            Self::Network(network) => Some(network),
            _ => None,
        }
    }
}

/// Numbers whose squares and products stay numbers.
const SCALE: Rule = Rule::Between(1e-30, 1e30);

/// Where weight zero lies in the window.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Zero {
    SymmetricPoint,
    Middle,
    Position(f64),
    /// Of two cells that were reset.
    Reset,
}

/// One validated sweep point.
#[derive(Clone)]
pub struct Settings {
    /// The swept keys and their values.
    pub swept: Vec<(String, String)>,
    /// What tables and figures call the point; empty without a sweep.
    pub label: String,
    /// All keys and values of this point, as its file and its device's have them.
    pub lines: Vec<(String, String)>,
    /// The device.
    pub device: Device,
    /// Seed of the study.
    pub seed: u64,
    /// Replicas.
    pub replicas: usize,
    /// What is learned.
    pub task: TaskSpec,
    /// How; of no steps where the task is only read.
    pub training: Training,
    /// What becomes of the changes that training asks for.
    pub algorithm: Algorithm,
    /// Start of the averaging window as a fraction of the run.
    pub average_from: f64,
    /// Every how many steps the window is logged.
    pub log_every: u32,
    mapping: Mapping,
    zero: Zero,
    refresh: Option<Refresh>,
    unit: f64,
    read_noise: f64,
    periphery: Periphery,
    wires: Option<Wires>,
    curve: Option<Curve>,
    layout: Layout,
    aggregate: bool,
    /// What its circuits cost, where that is asked for.
    pub technology: Option<Technology>,
    /// Where it is computed.
    pub place: Place,
    /// Where the learning rate was written, or the task that is only read.
    rate_origin: Origin,
}

impl Settings {
    /// Reads the sections of one sweep point; broken rules go to `violations`. `folder` is where relative paths start.
    pub fn parse(
        root: &Section,
        folder: &Path,
        swept: Vec<(String, String)>,
        violations: &Violations,
    ) -> Self {
        let seed = root.integer("seed", Rule::NonNegative);
        let replicas = usize::from(root.integer::<u16>("replicas", Rule::AtLeast(2.0)));
        let device = root.section("device");
        let parsed_device = Device::parse(&device, violations);
        let read = reading::kind(root);
        if read.is_none() && !parsed_device.law().is_pulsed() {
            device.violation(
                "law",
                format!(
                    "the device {} has no pulses, so nothing can be trained with it",
                    parsed_device.name()
                ),
                "choose a device whose law is not programmed (memridge device list shows them), or a task that is only read, [task.products]",
            );
        }
        device.finish();
        let window = parsed_device.window();
        let array = root.section("array");
        let read_noise = array.number("read-noise", Rule::NonNegative);
        let periphery = periphery(&array);
        let wires = wires(&array, &parsed_device, read.is_none());
        let curve = curve(&array, &parsed_device, &periphery, wires.as_ref());
        let aggregate = !array.optional_bool("pulse-by-pulse").unwrap_or(false);
        let (mapping, section) = array.choice(
            "mapping",
            &["reference-column", OFFSET, "differential-pair", ONE_SIDED],
        );
        let mapping = match mapping {
            OFFSET => Mapping::OffsetColumn,
            "differential-pair" => Mapping::DifferentialPair,
            ONE_SIDED => Mapping::OneSidedPair,
            _ => Mapping::ReferenceColumn,
        };
        check_sides(&array, mapping, &parsed_device, read.is_some());
        let layout = layout(&array, mapping, read.is_some());
        let unit = unit(&section, window);
        let (zero, refresh) = match mapping {
            Mapping::OneSidedPair => (Zero::Reset, refresh(&section)),
            _ => (zero(&section, window), None),
        };
        if zero == Zero::SymmetricPoint
            && violations.is_empty()
            && let Ok(cells) = parsed_device.without_variation().cells(1, 0)
            && cells.nominal_symmetric_point().is_none()
        {
            section.violation(
                "zero",
                format!("the device {} has no symmetric point", parsed_device.name()),
                "write zero = \"middle\"",
            );
        }
        let scaled = read == Some("inference") || layout.scale == WeightScale::Column;
        if scaled && matches!(zero, Zero::Position(p) if p <= 0.0 || p >= 1.0) {
            section.violation(
                "zero",
                "weights of both signs are scaled to the window, and there is no room on one side of this zero",
                "write zero = \"middle\"",
            );
        }
        section.finish();
        array.finish();
        let task_section = root.section("task");
        let mut of_network = Algorithm::Sgd;
        let task = match read {
            Some(kind) => {
                let reading =
                    reading::reading(&task_section, kind, folder, &parsed_device, &periphery);
                TaskSpec::Reading(Box::new(reading))
            }
            None if task_section.has(network::KIND) => {
                let section = root.section("training");
                let task = network::task(&task_section, &section, folder);
                check_retention(&section, &parsed_device, &task.of_arrays());
                of_network = algorithm(&section);
                check_algorithm(
                    &section,
                    &of_network,
                    (task.course.counting, 0),
                    &parsed_device,
                    mapping,
                    &periphery,
                );
                section.finish();
                root.node("controls");
                if root.has("controls") {
                    root.violation(
                        "controls",
                        "controls compare with what is known of single layers; beside a network its digital twin is trained anyway",
                        "remove [controls]",
                    );
                }
                if refresh.is_some() {
                    root.violation(
                        "array",
                        "pairs of one-sided cells are not refreshed in networks yet",
                        format!("remove [array.mapping.{ONE_SIDED}.refresh]"),
                    );
                }
                TaskSpec::Network(Box::new(task))
            }
            None => task(&task_section, folder),
        };
        let mut rate_origin = task_section.origin().clone();
        task_section.finish();
        let (training, algorithm, average_from, log_every) = if let Some(kind) = read {
            for (key, what) in [
                ("training", "trained"),
                ("controls", "trained, so there is nothing to control"),
            ] {
                root.node(key);
                if root.has(key) {
                    root.violation(
                        key,
                        format!("in a task of kind {kind} nothing is {what}: weights are programmed and read"),
                        format!("remove [{key}]"),
                    );
                }
            }
            if refresh.is_some() {
                root.violation(
                    "array",
                    "refreshes belong to training: nothing fills up while an array is read",
                    format!("remove [array.mapping.{ONE_SIDED}.refresh]"),
                );
            }
            (untrained(), Algorithm::Sgd, 0.0, 1)
        } else if let Some(network) = task.network() {
            (network.of_arrays(), of_network, network.average_from, 1)
        } else {
            let section = root.section("training");
            let (training, average_from, log_every) = training(&section, &task);
            check_retention(&section, &parsed_device, &training);
            check_refresh(&section, &training, refresh);
            let algorithm = algorithm(&section);
            let samples = match training.batch {
                Batch::Samples(n) => u64::from(training.steps) * u64::from(n),
                Batch::Full => 0,
            };
            check_algorithm(
                &section,
                &algorithm,
                (training.counting, samples),
                &parsed_device,
                mapping,
                &periphery,
            );
            rate_origin = section
                .node("learning-rate")
                .map_or_else(|| section.origin().clone(), |n| n.origin.clone());
            section.finish();
            (training, algorithm, average_from, log_every)
        };
        if training.counting == Counting::Expected
            && wires.and_then(|w| w.writes).is_some_and(|w| w.disturb)
        {
            root.violation(
                "array.wires.writes.disturb",
                "mean changes are made without pulses, so that there are none that disturb",
                "write disturb = false, or other training.pulses, such as \"stochastic-rounding\"",
            );
        }
        let technology = Technology::parse(root);
        if read.is_none() && technology.is_some() && training.counting == Counting::Expected {
            root.violation(
                "technology",
                "mean changes are made without pulses, so there is nothing to count",
                "write other training.pulses, such as \"stochastic-rounding\", or remove the table",
            );
        }
        if technology.is_some() && algorithm.arrays() > 1 {
            root.violation(
                "technology",
                "costs are those of one crossbar a matrix, and this algorithm has two",
                "remove the table, or choose an algorithm with one array",
            );
        }
        Self {
            swept,
            label: String::new(),
            lines: Vec::new(),
            device: parsed_device,
            seed,
            replicas,
            task,
            training,
            algorithm,
            average_from,
            log_every,
            mapping,
            zero,
            refresh,
            unit,
            read_noise,
            periphery,
            wires,
            curve,
            layout,
            aggregate,
            technology,
            place: Place::default(),
            rate_origin,
        }
    }
}

/// Training of no steps.
fn untrained() -> Training {
    Training {
        learning_rate: 0.0,
        schedule: Schedule::CONSTANT,
        steps: 0,
        batch: Batch::Full,
        update: Update::Summed,
        step_rule: StepRule::Explicit,
        gradient_noise: 0.0,
        counting: Counting::Deterministic,
        loss: Loss::SquaredError,
        start: 0.0,
        seconds_per_step: 0.0,
    }
}

const ONE_SIDED: &str = "one-sided-pair";
const OFFSET: &str = "offset-column";

/// One-sided cells make weights of both signs, and weights that fall, in pairs of their own only.
/// Pairs that are only read need no reset: weight 0 is two cells at g-min.
fn check_sides(array: &Section, mapping: Mapping, device: &Device, read: bool) {
    let name = device.name();
    match (mapping, device.reset()) {
        (Mapping::OneSidedPair, None) if !read => array.violation(
            "mapping",
            format!("the device {name} has no reset: how its cells are emptied is not known"),
            "add a [device.reset] with level, deviation and device-to-device: then its depressing pulses are not used; or choose another mapping",
        ),
        (Mapping::ReferenceColumn | Mapping::OffsetColumn | Mapping::DifferentialPair, Some(_)) => array.violation(
            "mapping",
            format!("the cells of the device {name} are one-sided: pulses can only raise them"),
            format!("write [array.mapping.{ONE_SIDED}] with conductance-per-weight, and a refresh"),
        ),
        _ => {}
    }
}

/// `[….refresh]`, if there is one: without, cells fill up once.
fn refresh(section: &Section) -> Option<Refresh> {
    let section = section.optional_section("refresh")?;
    let refresh = Refresh {
        every: section.integer("every", Rule::AtLeast(1.0)),
        upper: section.number("upper", Rule::OpenBetween(0.0, 1.0)),
        lower: section.number("lower", Rule::Between(0.0, 1.0)),
        rounds: section.integer("rounds", Rule::Between(1.0, 16.0)),
        most_pulses: section.integer("most-pulses", Rule::Between(1.0, 1e6)),
    };
    if section.has("lower") && section.has("upper") && refresh.lower >= refresh.upper {
        section.violation(
            "lower",
            "the emptier cell of a pair cannot be asked for more than the fuller one: lower must be below upper",
            "for example upper = 0.75 and lower = 0.25",
        );
    }
    section.finish();
    Some(refresh)
}

/// Refreshes take the random numbers of steps that count down from 2³², and are predicted at one learning rate.
fn check_refresh(section: &Section, training: &Training, refresh: Option<Refresh>) {
    let Some(refresh) = refresh else {
        return;
    };
    if training.schedule != Schedule::CONSTANT {
        section.violation(
            "schedule",
            "refreshes are predicted at a constant learning rate only: how full a pair gets between two looks changes with it",
            "write schedule = \"constant\", without warm-up",
        );
    }
    let each = training.firings().max(refresh.rounds);
    if u64::from(training.steps) * u64::from(each) >= 1 << 31 {
        section.violation(
            "steps",
            "with refreshes, steps times the batch (or the rounds of a refresh) must stay below 2³¹: beyond, their random numbers would meet",
            "train for fewer steps, or with a smaller batch",
        );
    }
}

/// The conductance of weight 1: a quantity, or half of the window whatever the device.
fn unit(section: &Section, window: crate::device::Window) -> f64 {
    const KEY: &str = "conductance-per-weight";
    match section.node(KEY).map(|n| &n.value) {
        Some(Value::Text(text)) if text == "half-window" => 0.5 * window.span(),
        _ => section.quantity::<Siemens>(KEY, Rule::Positive).value(),
    }
}

/// A device that forgets, or whose reads depend on time, must be told how long a step lasts, and only such a device.
fn check_retention(section: &Section, device: &Device, training: &Training) {
    const KEY: &str = "seconds-per-step";
    let noise = device.cell_noise().filter(|n| n.needs_time());
    if noise.is_some() && !device.forgets() {
        if !section.has(KEY) {
            section.violation(
                KEY,
                format!(
                    "missing: the read noise of the device {} depends on how much time passes",
                    device.name()
                ),
                "for example seconds-per-step = \"1 us\"",
            );
        }
        return;
    }
    match (device.forgets(), section.has(KEY)) {
        (true, false) => section.violation(
            KEY,
            format!(
                "missing: the states of the device {} relax, and how far depends on how long a step lasts",
                device.name()
            ),
            "for example seconds-per-step = \"1 us\"",
        ),
        (false, true) => section.violation(
            KEY,
            format!("the device {} keeps its states for ever", device.name()),
            "remove the key, or give the device a [device.retention.exponential] with rest and lifetime, or another kind of retention",
        ),
        // P-t and the λ of channel C speak of one learning rate.
        (true, true) if device.retention().is_some() && training.schedule != Schedule::CONSTANT => section.violation(
            "schedule",
            "retention is predicted at a constant learning rate only: its pull, over the learning rate, changes with it",
            "write schedule = \"constant\", without warm-up",
        ),
        _ => {}
    }
}

fn zero(section: &Section, window: crate::device::Window) -> Zero {
    let named = section.node("zero").is_some_and(
        |n| matches!(&n.value, Value::Text(t) if !t.starts_with(|c: char| c.is_ascii_digit())),
    );
    if named {
        return match section.one_of("zero", &["symmetric-point", "middle"]) {
            "middle" => Zero::Middle,
            _ => Zero::SymmetricPoint,
        };
    }
    let position = window.position(section.number_or_quantity("zero", Rule::NonNegative));
    if section.has("zero") && !(0.0..=1.0).contains(&position) {
        section.violation(
            "zero",
            format!("weight 0 must lie in the window, its position is {position:.3}"),
            "a position from 0 (g-min) to 1 (g-max), or a conductance between them",
        );
    }
    Zero::Position(position)
}

fn task(section: &Section, folder: &Path) -> TaskSpec {
    const KINDS: [&str; 3] = ["data", "random-problems", "gaussian-inputs"];
    let given: Vec<&str> = KINDS.into_iter().filter(|k| section.has(k)).collect();
    if given.len() > 1 {
        section.violation(
            given[1],
            format!("a task is exactly one of {}", KINDS.join(", ")),
            format!("remove {}", given[1]),
        );
    }
    match given.first() {
        Some(&"random-problems") => {
            let s = section.section("random-problems");
            TaskSpec::RandomProblems {
                features: usize::from(s.integer::<u16>("features", Rule::AtLeast(1.0))),
                samples: usize::from(s.integer::<u16>("samples", Rule::AtLeast(2.0))),
                input: s.number("input-deviation", SCALE),
                truth: s.number("truth-deviation", SCALE),
                label_noise: s.number("label-noise", Rule::NonNegative),
            }
        }
        Some(&"gaussian-inputs") => {
            let s = section.section("gaussian-inputs");
            TaskSpec::GaussianInputs {
                features: usize::from(s.integer::<u16>("features", Rule::AtLeast(1.0))),
                truth: s.number("truth-deviation", SCALE),
                label_noise: s.number("label-noise", Rule::NonNegative),
            }
        }
        _ => {
            let validation = section.optional_section("cross-validation").map(|s| {
                (
                    usize::from(s.integer::<u16>("folds", Rule::Between(2.0, 100.0))),
                    usize::from(s.integer::<u16>("replicas", Rule::AtLeast(2.0))),
                )
            });
            TaskSpec::Data {
                file: folder.join(section.text("data")),
                target: section.text("target"),
                standardise: section.bool("standardise"),
                validation,
            }
        }
    }
}

fn training(section: &Section, task: &TaskSpec) -> (Training, f64, u32) {
    let steps = section.integer("steps", Rule::Between(10.0, 1e8));
    let full = section
        .node("batch")
        .is_some_and(|n| matches!(n.value, Value::Text(_)));
    let batch = if full {
        section.one_of("batch", &["full"]);
        Batch::Full
    } else {
        Batch::Samples(section.integer("batch", Rule::Between(1.0, 4096.0)))
    };
    let update = update(section);
    let gradient_noise = section
        .optional_number("gradient-noise", Rule::NonNegative)
        .unwrap_or(0.0);
    let schedule = schedule(section);
    let counting = counting(section, update);
    if full && update == Update::PerSample {
        section.violation(
            "update",
            "a full batch is averaged digitally",
            "write update = \"summed\", or a number of samples as batch",
        );
    }
    if full && matches!(task, TaskSpec::GaussianInputs { .. }) {
        section.violation(
            "batch",
            "fresh Gaussian samples have no full batch",
            "write a number of samples",
        );
    }
    if update == Update::PerSample && gradient_noise > 0.0 {
        section.violation(
            "gradient-noise",
            "noise is added to a gradient that is averaged digitally",
            "write update = \"summed\"",
        );
    }
    if let Batch::Samples(n) = batch
        && u64::from(steps) * u64::from(n) >= 1 << 32
    {
        section.violation(
            "steps",
            "steps times the batch must stay below 2³²: beyond, the random numbers of reads would repeat",
            "train for fewer steps, or with a smaller batch",
        );
    }
    // One loss so far; studies name it, so that they keep their meaning when there are more.
    section.one_of("loss", &["squared-error"]);
    let loss = Loss::SquaredError;
    let training = Training {
        learning_rate: section.number("learning-rate", Rule::Positive),
        schedule,
        steps,
        batch,
        update,
        step_rule: match section.optional_one_of("step-rule", &["explicit", "proximal"]) {
            Some("proximal") => StepRule::Proximal,
            _ => StepRule::Explicit,
        },
        gradient_noise,
        counting,
        loss,
        start: section.optional_number("start", Rule::Any).unwrap_or(0.0),
        seconds_per_step: section
            .optional_quantity::<Seconds>("seconds-per-step", Rule::Positive)
            .map_or(0.0, Seconds::value),
    };
    let average_from = section.number("average-from", Rule::Between(0.0, 0.99));
    let log_every = section.integer("log-every", Rule::Between(1.0, 1e6));
    (training, average_from, log_every)
}

/// The data of a point, ready to train on and to predict from.
#[derive(Clone)]
pub struct Material {
    /// The task.
    pub task: Task,
    /// Names of the features.
    pub features: Vec<String>,
    /// How columns were standardised.
    pub standardisation: Vec<Standardisation>,
}

impl Settings {
    /// Loads or makes the data.
    ///
    /// # Errors
    /// Unreadable or broken data.
    pub fn material(&self) -> Result<Material> {
        let numbered = |d: usize| (1..=d).map(|k| format!("x{k}")).collect::<Vec<_>>();
        let mut rng = Pcg64::seed_from_u64(self.seed);
        let mut normal = |sd: f64| -> f64 {
            let z: f64 = StandardNormal.sample(&mut rng);
            sd * z
        };
        match &self.task {
            TaskSpec::Data {
                file,
                target,
                standardise,
                validation,
            } => {
                let table = read_table(file)?;
                let (samples, standardisation) = table.regression(target, *standardise)?;
                if let Some((folds, _)) = validation
                    && *folds > samples.len()
                {
                    return Err(Error::Data {
                        file: table.file,
                        line: None,
                        column: None,
                        rule: format!(
                            "has {} samples, too few for task.cross-validation.folds = {folds}",
                            samples.len()
                        ),
                        way_out: format!("choose at most {} folds", samples.len()),
                    });
                }
                let features = table.columns.iter().filter(|c| *c != target);
                Ok(Material {
                    features: features.cloned().collect(),
                    task: Task {
                        features: samples.x.ncols(),
                        source: Source::Sets(vec![Arc::new(samples)]),
                    },
                    standardisation,
                })
            }
            &TaskSpec::RandomProblems {
                features,
                samples,
                input,
                truth,
                label_noise,
            } => {
                let sets = (0..self.replicas)
                    .map(|_| {
                        let w = DVector::from_fn(features, |_, _| normal(truth));
                        let x = DMatrix::from_fn(samples, features, |_, _| normal(input));
                        let y = &x * w + DVector::from_fn(samples, |_, _| normal(label_noise));
                        Arc::new(Samples::new(x, y))
                    })
                    .collect();
                Ok(Material {
                    task: Task {
                        features,
                        source: Source::Sets(sets),
                    },
                    features: numbered(features),
                    standardisation: Vec::new(),
                })
            }
            &TaskSpec::GaussianInputs {
                features,
                truth,
                label_noise,
            } => Ok(Material {
                task: Task {
                    features,
                    source: Source::Gaussian {
                        truths: (0..self.replicas)
                            .map(|_| DVector::from_fn(features, |_, _| normal(truth)))
                            .collect(),
                        label_noise,
                    },
                },
                features: numbered(features),
                standardisation: Vec::new(),
            }),
            TaskSpec::Reading(_) => Err(Error::from(self.rate_origin.violation(
                "task",
                None,
                "nothing is trained in this task, so there is nothing to predict: weights are programmed and read",
                "memridge run reads them",
            ))),
            TaskSpec::Network(_) => Err(Error::from(self.rate_origin.violation(
                "task",
                None,
                "a network has no least squares to predict from",
                "memridge run trains it, and predicts its course",
            ))),
        }
    }

    /// States of all replicas: what one step of training updates, or one read looks at.
    ///
    /// # Errors
    /// Those of [`Settings::material`].
    pub fn states(&self) -> Result<usize> {
        let weights = match &self.task {
            TaskSpec::Reading(reading) => {
                let (inputs, outputs) = reading.operands.dimensions()?;
                inputs * outputs
            }
            TaskSpec::Network(task) => task.load(self.seed)?.0.weights(),
            _ => self.material()?.task.features,
        };
        let cells = self.mapping.cells_per_weight() * self.layout.slice_count();
        Ok(weights * cells * self.replicas)
    }

    /// The array with its drawn cells.
    ///
    /// # Errors
    /// Device-to-device variation that finds no physical cell, or lists of the wrong length.
    pub fn plan(&self, inputs: usize, outputs: usize) -> Result<Plan> {
        self.plan_of(inputs, outputs, 0)
    }

    /// As [`Settings::plan`], for one of several arrays: each has its own cells and random numbers.
    ///
    /// # Errors
    /// As [`Settings::plan`].
    pub fn plan_of(&self, inputs: usize, outputs: usize, array: u32) -> Result<Plan> {
        let per_window = self.device.window().span() / self.unit;
        let map = |zero| WeightMap::new(self.mapping, zero, per_window, inputs, outputs);
        // A seed of its own, so that the same devices serve every sweep point.
        let cells = self.device.cells(
            self.layout.cells(&map(0.5)),
            self.seed ^ 0xD2D ^ u64::from(array) << 32,
        )?;
        let zero = match self.zero {
            Zero::SymmetricPoint => cells.nominal_symmetric_point().unwrap_or(0.5),
            Zero::Middle => 0.5,
            Zero::Position(p) => p,
            Zero::Reset => self.device.reset().map_or(0.0, |r| r.level),
        };
        // Zero is one of the codes.
        let zero = match self.layout.slices {
            Some(slices) if self.mapping.cells_per_weight() == 1 => {
                let code = slices.zero(zero);
                if code <= 0.0 || code >= 1.0 {
                    return Err(Error::from(Violation {
                        file: "the study".into(),
                        line: None,
                        column: None,
                        key: "array.slices.weight-bits".into(),
                        value: None,
                        rule: format!(
                            "the code next to weight 0, at {zero:.3} of the window, is at an end of it: weights of one sign have no room"
                        ),
                        way_out: "give weights more bits, or write zero = \"middle\"".into(),
                    }));
                }
                code
            }
            _ => zero,
        };
        let cells = match self.curve {
            Some(curve) => cells.with_curve(curve),
            None => cells,
        };
        // Where zero is belongs to the device, what pulls to how it is updated.
        let cells = match self.training.counting {
            Counting::Expected => cells.without_pulses(),
            _ => cells,
        };
        Ok(Plan {
            model: ArrayModel {
                cells: Arc::new(cells),
                map: map(zero),
            },
            read_noise: self.read_noise,
            periphery: self.periphery.clone(),
            wires: self.wires,
            layout: self.layout,
            refresh: self.refresh,
            aggregate: self.aggregate,
            stream: Stream::new(self.seed).part(match array {
                0 => 0,
                // Beyond those of tiles.
                k => (1 << 31) + k,
            }),
            place: self.place.clone(),
        })
    }

    /// The prediction's view of replica-set `x`, `y` under this point's training.
    pub fn setting(&self, model: &ArrayModel, x: DMatrix<f64>, y: DVector<f64>) -> Setting {
        let t = &self.training;
        let last = t.schedule.rate(t.learning_rate, t.steps, t.steps);
        let (gradient, rate) = match (t.update, t.batch) {
            (Update::PerSample, Batch::Samples(b)) => {
                (Gradient::PerSample { batch: b }, last / f64::from(b))
            }
            (_, batch) => (
                Gradient::Summed {
                    batch: match batch {
                        Batch::Samples(b) => Some(b),
                        Batch::Full => None,
                    },
                    noise: t.gradient_noise,
                },
                last,
            ),
        };
        Setting {
            model: model.clone(),
            wires: self.wires,
            layout: self.layout,
            x,
            y,
            gradient,
            rate,
            counting: t.counting,
            // Every tile that has a share of an output adds its own.
            read_noise: self.read_noise * (self.layout.layers(&model.map) as f64).sqrt(),
            seconds: t.seconds_per_firing(),
            // 1/f noise grows by the logarithm of time: that of the end stands for the window of averages.
            age: t.seconds_per_step * f64::from(t.steps),
        }
    }

    /// When and how one-sided pairs are refreshed, if they are.
    pub fn refresh(&self) -> Option<Refresh> {
        self.refresh
    }

    /// The refresh with the training time between two looks.
    pub fn looks(&self) -> Option<(Refresh, f64)> {
        let refresh = self.refresh?;
        Some((
            refresh,
            f64::from(refresh.every) * self.training.learning_rate,
        ))
    }

    /// Standard deviation of the read noise of an output.
    pub fn read_noise(&self) -> f64 {
        self.read_noise
    }

    /// What one crossbar of this point with weights mapped like this costs, where `[technology]` says what its parts do.
    pub(super) fn cost(&self, map: WeightMap, usage: &Usage) -> Option<Cost> {
        let built = Built::new(&self.layout, &map, self.device.write_pulse());
        Some(Cost::new(&self.technology?, &built, usage))
    }

    /// Most replicas of one stack.
    pub fn replicas_at_once(&self) -> usize {
        let most = self.wires.map_or(usize::MAX, |w| w.replicas_at_once());
        self.place.replicas_at_once().min(most)
    }

    /// The key, and what it asks for, of what only the CPU can make.
    pub fn needs_cpu(&self) -> Option<(&'static str, &'static str)> {
        if self.algorithm.calibration().is_some() {
            let what = "cells of every replica that are set to their own symmetric points";
            return Some(("training.algorithm", what));
        }
        if self.wires.is_some_and(|w| w.writes.is_some()) {
            return Some(("array.wires.writes", "pulses that see wires"));
        }
        let network = self.task.network();
        network.map(|_| ("task.network", "networks, whose replicas start apart"))
    }

    /// Fails if it is to be computed where it cannot be.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the way out.
    pub fn check_place(&self) -> Result<()> {
        match self.needs_cpu() {
            Some((key, what)) if !matches!(self.place, Place::Cpu) => {
                let rule = format!("{what} are made on the CPU only");
                let way_out = "run with --backend cpu, or remove the table";
                Err(Error::from(
                    self.rate_origin.violation(key, None, rule, way_out),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Wires that arrays are read through.
    pub fn wires(&self) -> Option<Wires> {
        self.wires
    }

    /// How weights are laid out on physical arrays.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How cells conduct in reads, where that is not ohmic.
    pub fn curve(&self) -> Option<Curve> {
        self.curve
    }

    /// Converters and their management.
    pub fn periphery(&self) -> &Periphery {
        &self.periphery
    }

    /// First step of the averaging window.
    pub fn first_averaged(&self) -> u32 {
        (f64::from(self.training.steps) * self.average_from) as u32
    }

    /// What is logged: the window, and about 60 steps of the learning curve.
    pub fn log(&self) -> Log {
        let steps = self.training.steps;
        let mut curve: Vec<u32> = (0..60)
            .map(|k| (f64::from(steps - 1) * (f64::from(k) / 59.0).powi(2)) as u32)
            .collect();
        curve.dedup();
        Log {
            from: self.first_averaged(),
            every: self.log_every,
            curve,
        }
    }

    /// Fails if the samples of all steps cannot be numbered in 32 bits, where batches are the whole set.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the limit.
    pub fn check_numbers(&self, task: &Task) -> Result<()> {
        let (Batch::Full, Source::Sets(sets)) = (self.training.batch, &task.source) else {
            return Ok(());
        };
        let largest = sets.iter().map(|s| s.len() as u64).max().unwrap_or(1);
        let numbers = match self.algorithm {
            Algorithm::Sgd => 1 << 32,
            _ => u64::from(OWN_STEPS),
        };
        let most = numbers / largest.max(1);
        if u64::from(self.training.steps) >= most {
            return Err(Error::from(self.rate_origin.violation(
                "training.steps",
                Some(self.training.steps.to_string()),
                format!("with a full batch of {largest} samples, steps must stay below {most}: beyond, the random numbers of reads would repeat"),
                "train for fewer steps, or with a smaller batch",
            )));
        }
        Ok(())
    }

    /// Fails if the steps of a network over so many samples cannot be numbered apart from its other reads.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the limit.
    pub(super) fn check_epochs(&self, task: &NetworkTask, samples: usize) -> Result<()> {
        let course = &task.course;
        let steps = u64::from(task.epochs()) * u64::from(course.steps_per_epoch(samples));
        if steps * u64::from(course.batch) < u64::from(OWN_STEPS) {
            return Ok(());
        }
        Err(Error::from(self.rate_origin.violation(
            "training.epochs",
            Some(course.epochs.to_string()),
            format!("epochs times {samples} samples must stay below {OWN_STEPS}: beyond, random numbers would meet"),
            "train for fewer epochs",
        )))
    }

    /// Fails if the first learning rate is beyond the mean-square stability limit of the digital twin. Of algorithms that do not descend the
    /// gradient at this rate nothing is known, and proximal steps have no limit.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the limit.
    pub fn check_stability(&self, task: &Task) -> Result<()> {
        if !self.algorithm.descends() || self.training.step_rule == StepRule::Proximal {
            return Ok(());
        }
        let batch = match self.training.batch {
            Batch::Samples(b) => Some(b as usize),
            Batch::Full => None,
        };
        let limit = match &task.source {
            Source::Sets(sets) => sets
                .iter()
                .map(|s| stability_limit(&s.x, batch))
                .fold(f64::INFINITY, f64::min),
            Source::Gaussian { .. } => stability_limit_gaussian(task.features, batch.unwrap_or(1)),
        };
        let rate = self.training.learning_rate;
        if rate >= limit {
            let rule = "stochastic gradient descent on these data is unstable: the mean square of the weights grows from \
                2/λ_max(H⁻¹E[|x|²xxᵀ]) for single samples, 2/λ_max(H) for the full batch";
            return Err(Error::from(self.rate_origin.violation(
                "training.learning-rate",
                Some(rate.to_string()),
                format!("{rule}, here {limit:.4}"),
                format!("choose a learning rate well below {limit:.4}"),
            )));
        }
        Ok(())
    }
}
