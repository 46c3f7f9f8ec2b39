//! Programming: how far the conductance of a cell that is written is off its target.

use super::cells::{Cells, Window};
use super::dependence::Dependence;
use super::kernel::bounded;
use super::law::{Cell, LOWER, UPPER};
use crate::document::{Rule, Section};
use crate::number::Real;
use crate::units::Siemens;

/// The statistics of programmed conductances.
///
/// # Equation
/// `g = max(0, m + σ(m) z)`, `m = l + shift(l)`, l the level nearest to `g_target`, z standard normal, drawn anew for every cell that
/// is written.
///
/// # Symbols
/// | symbol | key | unit |
/// | --- | --- | --- |
/// | σ | `deviation` | `times` |
/// | shift | `shift` (none if it is left out) | `times` |
/// | – | `levels`: conductances that cells can be written to, equally far apart over the window (any, if it is left out) | – |
///
/// Deviation and shift are [`Dependence`]s on the conductance in siemens, multiplied by the conductance `times`.
///
/// # Behaviour
/// A deviation below zero counts as zero. Cells with hard bounds stop at them too. Stuck cells stay where they are.
///
/// # Reference
/// Joshi et al., Nat. Commun. 11, 2473 (2020), <https://doi.org/10.1038/s41467-020-16108-9>.
#[derive(Debug, Clone, PartialEq)]
pub struct Programming {
    /// The window, and the steps between its levels, where there are levels.
    levels: Option<(Window, f64)>,
    shift: Option<InSiemens>,
    deviation: InSiemens,
}

/// A conductance that depends on a conductance.
#[derive(Debug, Clone, PartialEq)]
struct InSiemens {
    of: Dependence,
    times: f64,
}

impl InSiemens {
    fn parse(section: &Section) -> Self {
        Self {
            of: Dependence::parse(section),
            times: section.quantity::<Siemens>("times", Rule::Positive).value(),
        }
    }

    fn at(&self, g: f64) -> f64 {
        self.times * self.of.at(g)
    }
}

impl Programming {
    /// Reads `[programming]`, if there is one.
    pub(super) fn parse(device: &Section, window: Window) -> Option<Self> {
        let section = device.optional_section("programming")?;
        let levels: Option<u16> = section.optional_integer("levels", Rule::AtLeast(2.0));
        let shift = section
            .optional_section("shift")
            .map(|s| InSiemens::parse(&s));
        let deviation = InSiemens::parse(&section.section("deviation"));
        let found = Self {
            levels: levels.map(|l| (window, f64::from(l - 1))),
            shift,
            deviation,
        };
        let wrong = (0..=64)
            .map(|k| window.g_min + window.span() * f64::from(k) / 64.0)
            .find(|&g| found.moments(g).iter().any(|m| !m.is_finite()));
        if let Some(g) = wrong {
            section.violation(
                "deviation",
                format!(
                    "must be finite at every conductance of the window, at {} it is not",
                    Siemens::new(g)
                ),
                "check the numbers of the curve",
            );
        }
        section.finish();
        Some(found)
    }

    /// The level nearest to `g`, in siemens.
    fn level(&self, g: f64) -> f64 {
        match &self.levels {
            Some((window, steps)) => {
                let unit = window.span() / steps;
                ((g - window.g_min) / unit)
                    .round()
                    .clamp(0.0, *steps)
                    .mul_add(unit, window.g_min)
            }
            None => g,
        }
    }

    /// Mean and standard deviation in siemens of the conductance that a cell gets for the target `g` in siemens, before it stops
    /// at zero.
    pub fn moments(&self, g: f64) -> [f64; 2] {
        let g = self.level(g);
        let mean = g + self.shift.as_ref().map_or(0.0, |s| s.at(g));
        [mean, self.deviation.at(mean).max(0.0)]
    }
}

/// Position of a programmed cell with mean position `mean`, where 0 S is at position `zero`.
#[inline(always)]
pub fn written<R: Real>(cell: &Cell<R>, mean: R, deviation: R, z: R, zero: R) -> R {
    let bounds = [cell.parameters[LOWER], cell.parameters[UPPER]];
    bounded(
        cell.hard_bounds,
        bounds,
        deviation.mul_add(z, mean).max(zero),
    )
}

/// What a stack needs to program its cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    /// Mean position of each cell.
    pub means: Vec<f32>,
    /// Standard deviation of each cell's position.
    pub deviations: Vec<f32>,
}

impl Cells {
    /// Position of 0 S.
    pub fn zero(&self) -> f32 {
        let window = self.window();
        (-window.g_min / window.span()) as f32
    }

    /// Mean and deviation of every cell that is programmed to these positions; `None` where cells take what they are given.
    pub fn targets(&self, positions: &[f64]) -> Option<Targets> {
        let programming = self.programming()?;
        let window = self.window();
        let moments = |(k, &x): (usize, &f64)| match self.stuck_at(k) {
            Some(position) => (position as f32, 0.0),
            None => {
                let [mean, deviation] = programming.moments(window.g_min + x * window.span());
                let mean = (mean - window.g_min) / window.span();
                (mean as f32, (deviation / window.span()) as f32)
            }
        };
        let (means, deviations) = positions.iter().enumerate().map(moments).unzip();
        Some(Targets { means, deviations })
    }
}
