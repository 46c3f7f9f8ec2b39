//! Retention: states relax towards a resting state while no pulse comes.

use super::arrhenius::Arrhenius;
use super::cells::{Cells, Window};
use super::kernel::bounded;
use super::law::{Cell, LOWER, UPPER};
use super::variation::{self, Spread, Variation};
use crate::document::{Rule, Section};
use crate::error::Result;
use crate::number::Real;
use crate::units::Seconds;

/// Exponential relaxation of a cell.
///
/// # Equation
/// `s(t) = s_rest + (s(0) - s_rest) e^{-t/T}`
///
/// # Symbols
/// | symbol | key | unit |
/// | --- | --- | --- |
/// | s_rest | `rest` | S, or position in the window |
/// | T | `lifetime` | s |
///
/// Both may vary from cell to cell by `[retention.exponential.device-to-device]`; `[retention.exponential.arrhenius]` turns lifetimes
/// into those at another temperature ([`Arrhenius`]).
///
/// # Behaviour
/// Single precision holds a state near mid-window to 3e-8 of the window. Where less than a thousandth of the distance is lost at once
/// ([`Retention::is_fine`]) the new state is rounded up or down at random, so that it is right on average: a lifetime of any number of
/// steps keeps its law. What this adds is a deviation of 3.5e-8 of the window a step.
///
/// # Reference
/// Li et al., VLSI Technology 2018, <https://doi.org/10.1109/VLSIT.2018.8510648> (charge leaking from a capacitor cell).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retention {
    /// Position that states relax to.
    pub rest: f64,
    /// Time constant T in seconds.
    pub lifetime: f64,
}

/// What a device file says of exponential relaxation.
#[derive(Debug, Clone)]
pub struct Leak {
    /// The nominal cell's, at the temperature of the cells.
    pub nominal: Retention,
    /// Spreads of the resting position (index 0) and of the lifetime (1).
    pub variations: Vec<Variation>,
    /// What heat did to the lifetime.
    pub arrhenius: Option<Arrhenius>,
}

/// Names of the numbers of a [`Retention`], as device files write them, in the order of their indices.
pub(super) const NAMES: [&str; 2] = ["rest", "lifetime"];

/// Below this fraction of the distance a loss is rounded at random. Above, rounding to the nearest does no harm: it stops states that
/// are 3e-5 of the window from rest, less than any pulse moves them, and at 1e-2 it is wrong by a third of a percent, either way from
/// state to state.
const FINE: f64 = 1.0 / 1024.0;

/// Distance of the numbers that single precision holds from 1 to 2; those of smaller numbers divide it.
const SPACING: f64 = 1.0 / (1 << 23) as f64;

impl Leak {
    /// Reads the table of `[retention.exponential]`.
    pub(super) fn parse(section: &Section, window: Window) -> Self {
        let rest = window.position(section.number_or_quantity("rest", Rule::Any));
        if section.has("rest") && !(0.0..=1.0).contains(&rest) {
            section.violation(
                "rest",
                format!("the resting state must lie in the window, its position is {rest}"),
                "a position from 0 (g-min) to 1 (g-max), or a conductance between them",
            );
        }
        let lifetime = section
            .quantity::<Seconds>("lifetime", Rule::Positive)
            .value();
        let arrhenius = Arrhenius::parse(section);
        let variations = Variation::parse_all(section, &NAMES);
        Self {
            nominal: Retention {
                rest,
                lifetime: lifetime * arrhenius.map_or(1.0, |a| a.factor()),
            },
            variations,
            arrhenius,
        }
    }

    /// The relaxation of each of `count` cells; nothing where all are equal. The numbers of the law are drawn apart: they are those of
    /// the array that keeps its states.
    ///
    /// # Errors
    /// As [`Device::cells`](super::Device::cells).
    pub(super) fn draw(&self, count: usize, seed: u64) -> Result<Vec<Retention>> {
        if self.variations.is_empty() {
            return Ok(Vec::new());
        }
        let nominal = [self.nominal.rest, self.nominal.lifetime];
        let check = |p: &[f64]| {
            if !(0.0..=1.0).contains(&p[0]) {
                return Err(format!(
                    "it relaxes to the position {}, outside of the window",
                    p[0]
                ));
            }
            match p[1] > 0.0 && p[1].is_finite() {
                true => Ok(()),
                false => Err(format!("its lifetime is {} s", p[1])),
            }
        };
        let seed = seed ^ 0x1EA4;
        let drawn = variation::draw(&self.variations, &nominal, count, seed, check)?;
        let cells = drawn.chunks_exact(nominal.len());
        Ok(cells
            .map(|p| Retention {
                rest: p[0],
                lifetime: p[1],
            })
            .collect())
    }
}

impl Variation {
    /// Reads `[….device-to-device]`, if there is one, with spreads of these quantities.
    pub(super) fn parse_all(section: &Section, names: &[&str]) -> Vec<Self> {
        let Some(spreads) = section.optional_section("device-to-device") else {
            return Vec::new();
        };
        let mut variations = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some(form) = spreads.optional_section(name) else {
                continue;
            };
            variations.extend(Spread::parse(&form).map(|spread| Self {
                index,
                spread,
                origin: form.origin().clone(),
                key: form.path().to_owned(),
            }));
        }
        spreads.finish();
        variations
    }
}

/// Fraction of the distance to the resting state that is lost in so many lifetimes, `1 - e^{-t/T}`.
#[inline(always)]
pub fn lost<R: Real>(lifetimes: R) -> R {
    -(-lifetimes).exp_m1()
}

/// The random number `u` where a loss is rounded at random, else 1/2, which changes nothing.
#[inline(always)]
pub fn rounding<R: Real>(lost: R, u: R) -> R {
    let half = R::lit(0.5);
    let fine = R::select_lt(lost, R::lit(FINE), u, half);
    R::select_lt(R::lit(0.0), lost, fine, half)
}

impl Retention {
    /// Fraction of the distance to the resting state that is lost in `elapsed` seconds, `1 - e^{-t/T}`.
    pub fn lost(&self, elapsed: f64) -> f64 {
        lost(elapsed / self.lifetime)
    }

    /// Whether so little is lost in `elapsed` seconds that the new state is rounded at random.
    pub fn is_fine(&self, elapsed: f64) -> bool {
        let lost = self.lost(elapsed);
        lost > 0.0 && lost < FINE
    }
}

impl Cells {
    /// The same cells, whose states relax.
    pub fn with_retention(self, retention: Retention) -> Self {
        self.with_retentions(retention, Vec::new())
    }

    /// The same cells, whose states relax and do not drift: those of the nominal one as `nominal`, each as `own` says of it; as the nominal one where
    /// that is empty.
    ///
    /// # Panics
    /// If `own` is neither empty nor as long as there are cells.
    pub fn with_retentions(mut self, nominal: Retention, own: Vec<Retention>) -> Self {
        assert!(
            own.is_empty() || own.len() == self.len(),
            "one retention a cell"
        );
        self.retention = Some(nominal);
        self.own_retention = own;
        self.aging.drift = None;
        self
    }

    /// How states of the nominal cell relax, if they do.
    pub fn retention(&self) -> Option<Retention> {
        self.retention
    }

    /// How the state of each cell relaxes, where that is not the same for all.
    pub fn own_retention(&self) -> Option<&[Retention]> {
        Some(&*self.own_retention).filter(|own| !own.is_empty())
    }

    /// How the state of cell `k` relaxes, if it does.
    pub fn retention_of(&self, k: usize) -> Option<Retention> {
        self.own_retention.get(k).copied().or(self.retention)
    }
}

/// The change of a state `s` that loses a fraction `lost` of its distance to `rest`, with `u` in (0, 1) for its rounding: added to
/// the state and rounded to the nearest, the uniform numbers give the exact change on average; 1/2 changes nothing.
#[inline(always)]
pub fn relaxation<R: Real>(s: R, rest: R, lost: R, u: R) -> R {
    (rest - s).mul_add(lost, (u - R::lit(0.5)) * R::lit(SPACING))
}

/// State after a [`relaxation`] by `change`; hard bounds stop it too.
#[inline(always)]
pub fn relaxed<R: Real>(cell: &Cell<R>, s: R, change: R) -> R {
    let bounds = [cell.parameters[LOWER], cell.parameters[UPPER]];
    bounded(cell.hard_bounds, bounds, s + change)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean over all u of the rounded state is the exact one, to what a grid of u can tell, where nearest rounding would stand
    /// still or move by a third too much.
    #[test]
    fn rounding_at_random_is_right_on_average() {
        const DRAWS: i32 = 1 << 14;
        let quiet = super::super::CycleNoise::new(0.0, 0.0);
        let cell = Cell {
            parameters: &[0.0, 0.0, 2.0],
            noise: quiet,
            hard_bounds: true,
            parts: super::super::Parts::of_pulse(1),
        };
        for s in [0.3_f32, 0.41, 0.77, 0.999, 1.2] {
            for lost in [1e-8_f32, 1e-7, 2e-6] {
                let mean = (0..DRAWS)
                    .map(|k| {
                        let u = (k as f32 + 0.5) / DRAWS as f32;
                        let next = relaxed(&cell, s, relaxation(s, 0.4, lost, u));
                        f64::from(next) - f64::from(s)
                    })
                    .sum::<f64>()
                    / f64::from(DRAWS);
                let exact = (f64::from(0.4_f32) - f64::from(s)) * f64::from(lost);
                // One draw of the grid more or less rounds the other way at each of at most four edges.
                let tolerance = 4.0 * SPACING / f64::from(DRAWS) + 1e-6 * exact.abs();
                assert!(
                    (mean - exact).abs() < tolerance,
                    "{s} {lost}: {mean} {exact}"
                );
            }
        }
    }
}
