//! Tasks that are not trained: weights are programmed once and read. What the study file says of them.

use std::path::Path;

use super::periphery::SIZE;
use crate::crossbar::{Compensation, Periphery, RangeRule, Scope};
use crate::device::Device;
use crate::document::{Rule, Section, Value};
use crate::units::Seconds;

/// Names of the tasks that are read.
pub(super) const READ: [&str; 1] = ["products"];

/// A matrix that is programmed into an array at time 0 and read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What is multiplied.
    pub operands: Operands,
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
    _folder: &Path,
    device: &Device,
    periphery: &Periphery,
) -> Reading {
    let section = task.section(kind);
    let operands = random(&section);
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
    const EXAMPLE: &str = "for example times = [\"1 s\", \"3600 s\", \"1 Ms\"]";
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
