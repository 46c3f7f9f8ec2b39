//! `[task.network]`, and `[training]` of networks.

use std::path::Path;

use super::super::course::{counting, schedule, update};
use super::super::dataset::{DataSpec, dataset};
use crate::document::{Rule, Section, Value};
use crate::training::datasets::Answer;
use crate::training::network::{Activation, Course, Network, Normalisation, Objective, Start};
use crate::training::{Schedule, Update};
use crate::units::Seconds;

/// Name of the task.
pub(in crate::study) const KIND: &str = "network";

/// A network that is trained on a set of data.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkTask {
    /// Outputs of the hidden layers; the last is as wide as the targets.
    hidden: Vec<usize>,
    activation: Activation,
    objective: Objective,
    bias: bool,
    normalisation: Option<Normalisation>,
    /// The data.
    pub data: DataSpec,
    /// How it is trained.
    pub course: Course,
    /// What weights start with.
    pub start: Start,
    /// Start of the averaging window as a fraction of the run.
    pub average_from: f64,
    /// Every how many steps the window is logged.
    pub log_every: u32,
    /// Digital networks with a penalty that are trained beside it.
    pub explicit: Explicit,
    /// What is learned after the first task, if anything is.
    pub then: Option<Then>,
}

/// A second task: the same samples with their features in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Then {
    /// Seed of the order.
    pub permute_features: u64,
    /// How often every sample is seen.
    pub epochs: u32,
}

/// Digital networks with an explicit L2, from the same start and with the same samples as the device.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explicit {
    /// λ, the same for all weights, about zero.
    pub strengths: Vec<f64>,
    /// Whether there is one in which every weight has the λ that is predicted of the device, about its symmetric point.
    pub predicted: bool,
}

impl NetworkTask {
    /// The network for data with so many features and outputs.
    pub fn network(&self, features: usize, outputs: usize) -> Network {
        let sizes: Vec<usize> = self.hidden.iter().copied().chain([outputs]).collect();
        Network {
            normalisation: self.normalisation,
            ..Network::new(features, &sizes, self.bias, self.activation, self.objective)
        }
    }
}

/// Reads `[task.network]` and `[training]`.
pub(in crate::study) fn task(task: &Section, training: &Section, folder: &Path) -> NetworkTask {
    let section = task.section(KIND);
    let named = |key: &str, names: &[&'static str]| section.one_of(key, names);
    let hidden = section.optional_integers::<u16>("hidden", Rule::Between(1.0, 65535.0));
    let hidden: Vec<usize> = hidden
        .unwrap_or_default()
        .into_iter()
        .map(usize::from)
        .collect();
    let activation = match hidden.is_empty() {
        true => {
            if section.has("activation") {
                section.violation(
                    "activation",
                    "there are no hidden layers whose sums it could act on",
                    "remove it, or write hidden = [128]",
                );
            }
            section.node("activation");
            Activation::Identity
        }
        false => {
            let name = named("activation", &Activation::NAMED.map(|(name, _)| name));
            of(&Activation::NAMED, name)
        }
    };
    let bias = section.bool("bias");
    let then = section.optional_section("then").map(|s| {
        let then = Then {
            permute_features: s.integer("permute-features", Rule::NonNegative),
            epochs: s.integer("epochs", Rule::Between(1.0, 1e6)),
        };
        s.finish();
        then
    });
    let normalisation = section.optional_section("batch-normalization").map(|s| {
        let plan = Normalisation {
            momentum: s.number("momentum", Rule::OpenBetween(0.0, 1.000_001)),
            epsilon: s.number("epsilon", Rule::Positive),
        };
        s.finish();
        plan
    });
    let data_section = section.section("data");
    let data = dataset(&data_section, folder);
    data_section.finish();
    section.finish();

    let name = training.one_of("loss", &Objective::NAMED.map(|(name, _)| name));
    let objective = of(&Objective::NAMED, name);
    if objective == Objective::CrossEntropy && data.answer() == Answer::Number {
        training.violation(
            "loss",
            "the cross entropy is that of classes, but the targets of these data are numbers",
            "write loss = \"squared-error\", or data with classes",
        );
    }
    let epochs = training.integer("epochs", Rule::Between(1.0, 1e6));
    training.node("step-rule");
    if training.has("step-rule") {
        training.violation(
            "step-rule",
            "the proximal step is solved for squared errors of one linear layer, and this is a network",
            "remove it",
        );
    }
    let batch = training.integer("batch", Rule::Between(1.0, 4096.0));
    let update = update(training);
    let counting = counting(training, update);
    let course = Course {
        learning_rate: training.number("learning-rate", Rule::Positive),
        schedule: schedule(training),
        epochs,
        batch,
        update,
        counting,
        seconds_per_step: training
            .optional_quantity::<Seconds>("seconds-per-step", Rule::Positive)
            .map_or(0.0, Seconds::value),
    };
    let start = start(training);
    let scaled = matches!(start, Start::Uniform { rescale, .. } if rescale != 1.0);
    if scaled && (bias || activation != Activation::Relu) {
        training.violation(
            "start",
            "only networks of rectified sums without bias lines compute the same whatever the factor is: rescale is for them",
            "remove rescale, or write activation = \"relu\" and bias = false",
        );
    }
    if normalisation.is_some() && batch < 2 {
        training.violation(
            "batch",
            "batch normalization takes means over the samples of a step, and there is one",
            "write for example batch = 32, or remove [task.network.batch-normalization]",
        );
    }
    if normalisation.is_some() && (hidden.is_empty() || then.is_some()) {
        training.violation(
            "batch",
            "batch normalization is that of hidden layers, and its running means are those of one task",
            "remove [task.network.batch-normalization], or add hidden layers and remove [task.network.then]",
        );
    }
    if then.is_some() && course.schedule != Schedule::CONSTANT {
        training.violation(
            "schedule",
            "with a second task ([task.network.then]) the learning rate stays: its course would end with the first",
            "write schedule = \"constant\", without warm-up",
        );
    }
    let explicit = training
        .optional_section("explicit-l2")
        .map(|s| explicit(&s, &data))
        .unwrap_or_default();
    NetworkTask {
        hidden,
        activation,
        objective,
        bias,
        normalisation,
        data,
        course,
        start,
        explicit,
        then,
        average_from: training.number("average-from", Rule::Between(0.0, 0.99)),
        log_every: training.integer("log-every", Rule::Between(1.0, 1e6)),
    }
}

/// `start`: a weight, or `{ uniform = { scale = …, shared = … } }`.
fn start(training: &Section) -> Start {
    if let Some(Value::Table(_)) = training.node("start").map(|n| &n.value) {
        let (_, s) = training.choice("start", &["uniform"]);
        return Start::Uniform {
            scale: s.number("scale", Rule::Positive),
            shared: s.bool("shared"),
            rescale: s.optional_number("rescale", Rule::Positive).unwrap_or(1.0),
        };
    }
    Start::Value(training.optional_number("start", Rule::Any).unwrap_or(0.0))
}

/// `explicit-l2`
fn explicit(section: &Section, data: &DataSpec) -> Explicit {
    let strengths = section.optional_numbers("strengths", Rule::NonNegative);
    let predicted = section.optional_bool("predicted").unwrap_or(false);
    if strengths.is_none() && !predicted {
        section.violation(
            "strengths",
            "missing: which explicit penalties are compared",
            "for example strengths = [0.0, 0.001, 0.003, 0.01, 0.03], or predicted = true",
        );
    }
    if strengths.is_some() && !data.has_validation() {
        section.violation(
            "strengths",
            "the best of them is chosen by samples for validation, and there are none",
            "write for example validation = 0.15 in [task.network.data.split]",
        );
    }
    Explicit {
        strengths: strengths.unwrap_or_default(),
        predicted,
    }
}

/// The one of that name, which is one of them.
fn of<T: Copy>(named: &[(&'static str, T)], name: &str) -> T {
    let found = named.iter().find(|(n, _)| *n == name);
    found.unwrap_or(&named[0]).1
}

impl NetworkTask {
    /// Training of one array as the array's own settings see it: how it is asked for changes. Steps are those of the network.
    pub(in crate::study) fn of_arrays(&self) -> crate::training::Training {
        let course = &self.course;
        crate::training::Training {
            learning_rate: course.learning_rate,
            schedule: course.schedule,
            steps: 0,
            batch: crate::training::Batch::Samples(course.batch),
            update: course.update,
            step_rule: crate::training::StepRule::Explicit,
            gradient_noise: 0.0,
            counting: course.counting,
            loss: crate::training::Loss::SquaredError,
            start: 0.0,
            seconds_per_step: course.seconds_per_step,
        }
    }

    /// Epochs of all tasks.
    pub fn epochs(&self) -> u32 {
        self.course.epochs + self.then.map_or(0, |t| t.epochs)
    }

    /// Updates that every weight is offered in a whole step.
    pub fn firings(&self) -> u32 {
        match self.course.update {
            Update::PerSample => self.course.batch,
            Update::Summed => 1,
        }
    }
}
