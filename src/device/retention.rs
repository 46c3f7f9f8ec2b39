//! Retention: states relax towards a resting state while no pulse comes.

use super::cells::Window;
use super::kernel::bounded;
use super::law::{Cell, LOWER, UPPER};
use crate::document::{Rule, Section};
use crate::number::Real;
use crate::units::Seconds;

/// Exponential relaxation, the same for all cells.
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

/// Below this fraction of the distance a loss is rounded at random. Above, rounding to the nearest does no harm: it stops states that
/// are 3e-5 of the window from rest, less than any pulse moves them, and at 1e-2 it is wrong by a third of a percent, either way from
/// state to state.
const FINE: f64 = 1.0 / 1024.0;

/// Distance of the numbers that single precision holds from 1 to 2; those of smaller numbers divide it.
const SPACING: f64 = 1.0 / (1 << 23) as f64;

impl Retention {
    /// Reads `[retention.exponential]`, if there is one.
    pub(super) fn parse(device: &Section, window: Window) -> Option<Self> {
        let (_, section) = device.optional_choice("retention", &["exponential"])?;
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
        section.finish();
        Some(Self { rest, lifetime })
    }

    /// Fraction of the distance to the resting state that is lost in `elapsed` seconds, `1 - e^{-t/T}`.
    pub fn lost(&self, elapsed: f64) -> f64 {
        -(-elapsed / self.lifetime).exp_m1()
    }

    /// Whether so little is lost in `elapsed` seconds that the new state is rounded at random.
    pub fn is_fine(&self, elapsed: f64) -> bool {
        let lost = self.lost(elapsed);
        lost > 0.0 && lost < FINE
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
