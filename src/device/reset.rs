//! Reset of one-sided cells: pulses can only raise them, one melting pulse empties them.

use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use super::cells::{Cells, Window};
use super::law::{Cell, LOWER, UPPER};
use crate::document::{NumberOr, Rule, Section};
use crate::number::Real;
use crate::units::Siemens;

/// What a reset does. A device that has one is one-sided: its depressing pulse does not exist.
///
/// # Equation
/// `s = clip(r_k + σ z, l_k, u_k)`, `r_k ~ N(r, σ_d²)` once for every cell k, `z ~ N(0, 1)` for every reset
///
/// # Symbols
/// | symbol | key | unit |
/// | --- | --- | --- |
/// | r | `level` | S, or position in the window |
/// | σ | `deviation` | S, or fraction of the window |
/// | σ_d | `device-to-device` | S, or fraction of the window |
/// | l, u | `lower`, `upper` of the law | |
///
/// # Reference
/// Crystallising pulses of phase-change memory are gradual and melting ones are not: Nandakumar et al., Front. Neurosci. 14, 406 (2020),
/// <https://doi.org/10.3389/fnins.2020.00406>.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reset {
    /// Position after a reset, on average over cells.
    pub level: f64,
    /// Its standard deviation from reset to reset, as a fraction of the window.
    pub deviation: f64,
    /// Its standard deviation from cell to cell.
    pub variation: f64,
}

impl Reset {
    /// Reads `[reset]`, if there is one.
    pub(super) fn parse(device: &Section, window: Window) -> Option<Self> {
        let section = device.optional_section("reset")?;
        let level = match section.number_or_quantity::<Siemens>("level", Rule::Any) {
            NumberOr::Number(v) => v,
            NumberOr::Quantity(g) => (g.value() - window.g_min) / window.span(),
        };
        let change = |key| match section.number_or_quantity::<Siemens>(key, Rule::NonNegative) {
            NumberOr::Number(v) => v,
            NumberOr::Quantity(g) => g.value() / window.span(),
        };
        let reset = Self {
            level,
            deviation: change("deviation"),
            variation: change("device-to-device"),
        };
        if section.has("level") && !(0.0..=0.5).contains(&level) {
            section.violation(
                "level",
                format!("a reset must empty the cell: its position is {level} and must lie in the lower half of the window"),
                "a position from 0 (g-min) to 0.5, or a conductance there",
            );
        }
        section.finish();
        Some(reset)
    }

    /// The levels of `count` cells.
    pub(super) fn draw(&self, count: usize, seed: u64) -> Vec<f64> {
        // A generator of its own: all else about the cells is as without it.
        let mut rng = Pcg64::seed_from_u64(seed ^ 0x0E5E7);
        (0..count)
            .map(|_| {
                let z: f64 = StandardNormal.sample(&mut rng);
                self.level + self.variation * z
            })
            .collect()
    }
}

/// State after a reset to `level`, off by `deviation` times the standard normal `z`: never outside the cell's window.
#[inline(always)]
pub fn emptied<R: Real>(cell: &Cell<R>, level: R, deviation: R, z: R) -> R {
    let p = cell.parameters;
    deviation.mul_add(z, level).max(p[LOWER]).min(p[UPPER])
}

/// How the cells of one array are reset.
#[derive(Debug, Clone)]
pub(super) struct Resets {
    /// Of the nominal device.
    nominal: Reset,
    levels: Vec<f32>,
}

impl Resets {
    /// Those of the cells at these places.
    pub(super) fn pick(&self, places: &[usize]) -> Self {
        Self {
            nominal: self.nominal,
            levels: places.iter().map(|&k| self.levels[k]).collect(),
        }
    }
}

impl Cells {
    /// The same cells, one-sided: they take potentiating pulses alone, and resets to these levels (positions, one a cell).
    pub fn with_resets(mut self, nominal: Reset, levels: &[f64]) -> Self {
        let levels = levels.iter().map(|&l| l as f32).collect();
        self.resets = Some(Resets { nominal, levels });
        self.with_trains(&[1.0])
    }

    /// Whether depressing pulses do nothing to these cells, which are reset instead.
    pub fn is_one_sided(&self) -> bool {
        self.resets.is_some()
    }

    /// How the nominal cell is reset, if the cells are one-sided.
    pub fn reset(&self) -> Option<Reset> {
        self.resets.as_ref().map(|r| r.nominal)
    }

    /// Where each cell is after a reset, on average; none unless the cells are one-sided.
    pub fn reset_levels(&self) -> &[f32] {
        self.resets.as_ref().map_or(&[], |r| &r.levels)
    }

    /// Standard deviation from reset to reset.
    pub fn reset_deviation(&self) -> f32 {
        self.reset().map_or(0.0, |r| r.deviation as f32)
    }
}
