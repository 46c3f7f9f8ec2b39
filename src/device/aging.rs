//! What a stack has to remember of each state, because time and wear ask for it.

use std::sync::Arc;

use super::cells::{Cells, Window};
use super::drift::{Drift, Past, arrived, carried};
use super::endurance::Endurance;
use super::retention::Leak;
use crate::document::Section;
use crate::number::{Expr, Real, Tape};

/// What time and pulses do to cells, beside exponential relaxation.
#[derive(Clone, Default)]
pub(super) struct Aging {
    pub(super) drift: Option<Arc<Drift>>,
    pub(super) endurance: Option<Endurance>,
    /// Cell by cell, or empty where all are equal.
    pub(super) lives: Vec<f64>,
    /// Whether ages are kept although nothing here needs them.
    kept: bool,
}

impl Aging {
    /// That of the cells at these places.
    pub(super) fn pick(&self, places: &[usize]) -> Self {
        let life = |k: &usize| self.lives.get(*k).copied();
        Self {
            drift: self.drift.clone(),
            endurance: self.endurance,
            lives: places.iter().filter_map(life).collect(),
            kept: self.kept,
        }
    }
}

/// What a stack remembers of each state; nothing for most devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Seconds since the last pulse or write, and what the rounding of their sum left out.
    pub ages: bool,
    /// Position at age zero.
    pub origins: bool,
    /// Where a walk is.
    pub walks: bool,
    /// Number of pulses.
    pub pulses: bool,
}

impl Memory {
    /// Numbers for each state: two of the age, then one each, in the order of the fields.
    pub fn planes(&self) -> usize {
        self.plane_of_pulses() + usize::from(self.pulses)
    }

    /// Which of them is the number of pulses.
    pub fn plane_of_pulses(&self) -> usize {
        2 * usize::from(self.ages) + usize::from(self.origins) + usize::from(self.walks)
    }
}

/// Reads `[retention.….]`, if there is one: exponential relaxation or drift.
pub(super) fn parse_retention(device: &Section, window: Window) -> (Option<Leak>, Option<Drift>) {
    let forms = ["exponential", "power-law", "logarithmic"];
    match device.optional_choice("retention", &forms) {
        None => (None, None),
        Some(("exponential", table)) => (Some(Leak::parse(&table, window)), None),
        Some((name, table)) => (None, Some(Drift::parse(name, &table))),
    }
}

impl Cells {
    /// The same cells, whose ages stacks keep although nothing here depends on them.
    pub fn with_ages(mut self) -> Self {
        self.aging.kept = true;
        self
    }

    /// What stacks remember of each state.
    pub fn memory(&self) -> Memory {
        let drift = self.aging.drift.as_ref();
        Memory {
            ages: drift.is_some() || self.aging.kept,
            origins: drift.is_some(),
            walks: drift.is_some_and(|drift| drift.wanders()),
            pulses: self.aging.endurance.is_some(),
        }
    }

    /// Why what training leads to is not predicted, where it is not: mean and covariance of the weights are then not all that matters.
    pub fn unpredictable(&self) -> Option<&'static str> {
        if self.aging.drift.is_some() {
            Some(
                "conductances drift by their age, and the distribution of ages belongs to the state of training",
            )
        } else if self.aging.endurance.is_some() {
            Some(
                "windows close with the number of pulses, so that training has no stationary state",
            )
        } else {
            None
        }
    }
}

/// What a cell remembers, as its functions name it.
fn past(tape: &Tape) -> Past<Expr<'_>> {
    let [origin, wander, age] = ["origin", "wander", "age"].map(|name| tape.input(name));
    Past {
        origin,
        wander,
        age,
    }
}

impl Cells {
    /// What the kernels must know of time and wear.
    pub(super) fn aging_constants(&self) -> String {
        let memory = self.memory();
        let life = self.endurance().map_or(1.0, |e| e.pulses as f32);
        format!(
            "\
const AGEING: bool = {};
const RETENTIVE: bool = {};
const DRIFTING: bool = {};
const WALKING: bool = {};
const WEARING: bool = {};
const PULSES: u32 = {}u;
const OWN_LIFE: bool = {};
const LIFE: f32 = {life:?}f;
",
            memory.ages,
            self.retention().is_some(),
            memory.origins,
            memory.walks,
            memory.pulses,
            memory.plane_of_pulses(),
            self.lives().is_some(),
        )
    }

    /// Drift and wear; where there is none, functions that are never called.
    pub(super) fn record_aging(&self, functions: &mut String) {
        let window = self.window();
        let tape = Tape::new();
        let [added, age, next] = ["added", "age", "next"].map(|name| tape.input(name));
        let arguments = "added: f32, age: f32, next: f32";
        functions.push_str(&tape.function("carried", arguments, &[carried(added, age, next)]));

        let tape = Tape::new();
        let [next, elapsed, z] = ["next", "elapsed", "z"].map(|name| tape.input(name));
        let walked = self.drift().map_or(tape.input("wander"), |drift| {
            drift.walked(window, &past(&tape), next, elapsed, z)
        });
        let arguments = "origin: f32, wander: f32, age: f32, next: f32, elapsed: f32, z: f32";
        functions.push_str(&tape.function("walked", arguments, &[walked]));

        let tape = Tape::new();
        let [next, z] = ["next", "z"].map(|name| tape.input(name));
        let kept = self.drift().map_or(Real::lit(1.0), |drift| {
            drift.kept(window, &past(&tape), next, z)
        });
        let arguments = "origin: f32, age: f32, next: f32, z: f32";
        functions.push_str(&tape.function("kept", arguments, &[kept]));

        let tape = Tape::new();
        let p = self.recorded(&tape);
        let cell = self.with_parameters(&p);
        let position = self.drift().map_or(tape.input("origin"), |drift| {
            drift.position(window, &past(&tape), tape.input("z"))
        });
        let arguments = "p: Parameters, origin: f32, wander: f32, age: f32, z: f32";
        let next = arrived(&cell, position);
        functions.push_str(&tape.function("drifted", arguments, &[next]));

        let tape = Tape::new();
        let p = self.recorded(&tape);
        let cell = self.with_parameters(&p);
        let [s, pulses, life] = ["s", "pulses", "life"].map(|name| tape.input(name));
        let held = self
            .endurance()
            .map_or(s, |endurance| endurance.held(&cell, s, pulses, life));
        let arguments = "p: Parameters, s: f32, pulses: f32, life: f32";
        functions.push_str(&tape.function("held", arguments, &[held]));
    }
}
