//! Tasks that are not trained: weights are programmed once and read. What the study file says of them.

use std::path::{Path, PathBuf};

use super::dataset::SHARE;
use super::periphery::SIZE;
use super::writing::writing;
use crate::crossbar::{Compensation, Periphery, RangeRule, Scope, Writing};
use crate::device::Device;
use crate::document::{Rule, Section, Value};
use crate::training::datasets::{Answer, Split};
use crate::units::Seconds;

/// Names of the tasks that are read.
pub(super) const READ: [&str; 2] = ["products", "inference"];

/// A matrix that is programmed into an array at time 0 and read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What is multiplied.
    pub operands: Operands,
    /// How it is written; none for [`Writing::Device`], without a report.
    pub writing: Option<Writing>,
    /// When it is read, in seconds after programming, ascending.
    pub times: Vec<f64>,
    /// How drift is compensated; none for not at all.
    pub compensation: Option<Compensation>,
    /// How the ranges of the output converters are chosen; none for those of `[array]`.
    pub calibration: Option<(RangeRule, Scope)>,
    /// Known vectors that calibration and compensation read.
    pub known: usize,
}

/// A matrix and the vectors that it is multiplied with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operands {
    /// Random ones. All replicas share the matrix, as they share devices; each has vectors of its own.
    Random {
        /// Inputs of the array.
        inputs: usize,
        /// Outputs.
        outputs: usize,
        /// Vectors for each replica.
        samples: usize,
        /// Elements of the matrix, which stop at the ends of the window.
        weights: Draw,
        /// Elements of the vectors.
        vectors: Draw,
    },
    /// A trained layer and the samples of a table.
    Layer(Layer),
}

/// A trained layer and the samples of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The CSV file with the samples.
    pub data: PathBuf,
    /// The column with the right answers, and what they are.
    pub answer: (String, Answer),
    /// Whether columns are standardised.
    pub standardise: bool,
    /// The constant input of a further row of weights; none without such a row.
    pub bias: Option<f64>,
    /// The weights.
    pub weights: LayerWeights,
    /// Which samples are held out: only they are read and scored, and least squares, standardisation and known vectors have the others. None for
    /// none: weights are fitted to the samples that they are tested with.
    pub split: Option<Split>,
}

/// Where the weights of a layer come from.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerWeights {
    /// Least squares on the samples that are not held out, towards 1 for the own class and 0 for others (or the number), with `½ ridge |w|²` for each
    /// output over the mean square error; the weights of the bias are free.
    LeastSquares {
        /// Strength of the ridge.
        ridge: f64,
    },
    /// A CSV file: one column an output, one line a feature in the order of the data, and one more for the bias.
    File(PathBuf),
    /// An NPZ or NPY file.
    Array {
        /// The file.
        path: PathBuf,
        /// Name of the weights in an NPZ file: a row an input, a column an output.
        array: Option<String>,
        /// Name of the biases, one an output, which make the row of the bias: divided by its constant input.
        bias: Option<String>,
        /// Whether rows and columns are exchanged: a row an output, as PyTorch has it.
        transposed: bool,
    },
}

/// A distribution with mean zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw {
    /// Gaussian with this standard deviation.
    Normal(f64),
    /// Uniform between minus and plus this number.
    Uniform(f64),
}

impl Draw {
    fn parse(section: &Section, key: &str) -> Self {
        match section.choice(key, &["normal", "uniform"]) {
            ("uniform", s) => Self::Uniform(s.number("largest", SIZE)),
            (_, s) => Self::Normal(s.number("deviation", SIZE)),
        }
    }
}

/// The kind of a task that is read, if `[task]` has one.
pub(super) fn kind(root: &Section) -> Option<&'static str> {
    let Some(Value::Table(task)) = root.node("task").map(|n| &n.value) else {
        return None;
    };
    READ.into_iter().find(|k| task.get(k).is_some())
}

/// Reads the table of a task of kind `kind`.
pub(super) fn reading(
    task: &Section,
    kind: &str,
    folder: &Path,
    device: &Device,
    periphery: &Periphery,
) -> Reading {
    let section = task.section(kind);
    let operands = match kind {
        "inference" => Operands::Layer(layer(&section, folder)),
        _ => random(&section),
    };
    let writing = writing(&section, device);
    let times = times(&section, device);
    let compensation = section
        .optional_one_of("compensation", &["none", "global", "per-column"])
        .and_then(|c| match c {
            "global" => Some(Compensation::Global),
            "per-column" => Some(Compensation::PerColumn),
            _ => None,
        });
    let calibration = section.optional_section("calibrate").map(|s| {
        if periphery.is_ideal() {
            section.violation(
                "calibrate",
                "the periphery is ideal: there is no converter whose range could be chosen",
                "add an [array.adc.uniform], or remove the table",
            );
        }
        calibration(&s)
    });
    let known = match compensation.is_some() || calibration.is_some() {
        true => usize::from(section.integer::<u16>("known-vectors", Rule::Between(1.0, 1024.0))),
        false => 0,
    };
    section.finish();
    Reading {
        operands,
        writing,
        times,
        compensation,
        calibration,
        known,
    }
}

fn random(section: &Section) -> Operands {
    let size = |key| usize::from(section.integer::<u16>(key, Rule::Between(1.0, 8192.0)));
    Operands::Random {
        inputs: size("inputs"),
        outputs: size("outputs"),
        samples: size("samples"),
        weights: Draw::parse(section, "weights"),
        vectors: Draw::parse(section, "vectors"),
    }
}

fn layer(section: &Section, folder: &Path) -> Layer {
    if section.has("label") && section.has("target") {
        section.violation(
            "target",
            "answers are labels of classes or numbers",
            "remove label or target",
        );
    }
    let answer = match section.has("target") {
        true => {
            section.optional_text("label");
            (section.text("target"), Answer::Number)
        }
        false => (section.text("label"), Answer::Class),
    };
    let bias = section.number("bias", Rule::NonNegative);
    let kinds = ["least-squares", "csv", "npz", "npy"];
    let array = |s: &Section, array, bias| LayerWeights::Array {
        path: folder.join(s.text("file")),
        array,
        bias,
        transposed: s.optional_bool("transposed").unwrap_or(false),
    };
    let weights = match section.choice("weights", &kinds) {
        ("csv", s) => LayerWeights::File(folder.join(s.text("file"))),
        ("npy", s) => array(&s, None, None),
        ("npz", s) => {
            let own = s.optional_text("bias-array");
            if own.is_some() && bias == 0.0 {
                s.violation(
                    "bias-array",
                    "the layer has no row for biases: its bias is 0",
                    "write bias = 1.0, the constant input of that row, or remove the key",
                );
            }
            array(&s, Some(s.text("array")), own)
        }
        (_, s) => LayerWeights::LeastSquares {
            ridge: s.number("ridge", Rule::NonNegative),
        },
    };
    Layer {
        data: folder.join(section.text("data")),
        answer,
        standardise: section.bool("standardise"),
        bias: (bias > 0.0).then_some(bias),
        weights,
        split: section.optional_section("split").map(|s| {
            Split::tested(
                s.number("test", SHARE),
                s.integer("seed", Rule::NonNegative),
            )
        }),
    }
}

fn calibration(section: &Section) -> (RangeRule, Scope) {
    let rule = match section.choice("rule", &["max", "least-squares", "quantile"]) {
        ("least-squares", _) => RangeRule::LeastSquares,
        ("quantile", s) => RangeRule::Quantile(s.number("share", Rule::Between(1e-6, 1.0))),
        _ => RangeRule::Max,
    };
    let scope = match section.one_of("scope", &["array", "column"]) {
        "column" => Scope::Column,
        _ => Scope::Array,
    };
    (rule, scope)
}

/// `times`, which devices must be told that change with time; other ones are read right after programming without it.
fn times(section: &Section, device: &Device) -> Vec<f64> {
    const KEY: &str = "times";
    const EXAMPLE: &str =
        "for example times = [\"1 s\", \"1 h\", \"1 day\", \"1 month\", \"1 year\"]";
    if !section.has(KEY) {
        let changes = device.forgets() || device.cell_noise().is_some_and(|n| n.needs_time());
        if changes {
            section.violation(
                KEY,
                format!(
                    "missing: what is read of the device {} depends on the time since it was programmed",
                    device.name()
                ),
                EXAMPLE,
            );
        }
        return vec![0.0];
    }
    let texts = section.texts(KEY);
    let mut times = Vec::new();
    for text in &texts {
        match text.parse::<Seconds>() {
            Ok(t) => times.push(t.value()),
            Err(e) => section.violation(KEY, e.to_string(), EXAMPLE),
        }
    }
    let ascending = times.windows(2).all(|t| t[0] < t[1]);
    if times.len() == texts.len() && (times.is_empty() || times[0] < 0.0 || !ascending) {
        section.violation(
            KEY,
            "times since programming are at least one, 0 or later, and each later than the one before",
            EXAMPLE,
        );
    }
    if times.is_empty() {
        times.push(0.0);
    }
    times
}
