//! The nominal course of a cell: where equal pulses bring it, and so how many of them bring it to a target.

use super::cells::Cells;
use super::expand::SinglePulses;
use super::law::{LOWER, UPPER};
use super::readout::state_of;

/// A step that a number of single precision cannot tell from none is none.
const NONE: f64 = 1e-7;

/// The longest course.
const MOST: usize = 1 << 16;

/// Positions of the conductance of the nominal cell after 0, 1, 2 … equal pulses: what a periphery knows of its device.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    polarity: f64,
    /// Times the polarity: ascending.
    along: Vec<f64>,
}

impl Course {
    /// The positions.
    pub fn positions(&self) -> impl ExactSizeIterator<Item = f64> {
        self.along.iter().map(|x| self.polarity * x)
    }

    /// How many pulses bring the cell from the start to position `x`, a real number (straight between whole ones): 0 for what lies
    /// behind the start, and all of the course for what it does not reach.
    pub fn pulses_to(&self, x: f64) -> f64 {
        let x = self.polarity * x;
        let after = self.along.partition_point(|&c| c <= x);
        match (after.checked_sub(1), self.along.get(after)) {
            (None, _) => 0.0,
            (Some(k), None) => k as f64,
            (Some(k), Some(next)) => k as f64 + (x - self.along[k]) / (next - self.along[k]),
        }
    }

    /// Whether the course leads beyond position `x`, or to it.
    pub fn reaches(&self, x: f64) -> bool {
        let last = self.along.last();
        last.is_some_and(|last| *last >= self.polarity * x)
    }
}

impl Cells {
    /// The course of the nominal cell, without noise, from the end of its window that pulses of this polarity lead away from, up to the
    /// other end or 2¹⁶ pulses: a flow, in which the pulses between two positions are a difference of [`Course::pulses_to`].
    pub fn nominal_course(&self, polarity: f64) -> Course {
        let (law, p) = (self.law(), self.nominal());
        let [first, last] = if polarity > 0.0 {
            [p[LOWER], p[UPPER]]
        } else {
            [p[UPPER], p[LOWER]]
        };
        let next = |s: &f64| {
            let next = s + law.step(p, *s, polarity);
            let next = if polarity > 0.0 {
                next.min(last)
            } else {
                next.max(last)
            };
            (polarity * (next - s) > NONE).then_some(next)
        };
        let states = std::iter::successors(Some(first), next).take(MOST);
        let read = |s| match self.is_read_out() {
            true => law.conductance(p, s),
            false => s,
        };
        Course {
            polarity,
            along: states.map(|s| polarity * read(s)).collect(),
        }
    }

    /// The mean course of the nominal cell from the position `start` of its conductance, over cycle-to-cycle noise, as far as `most` pulses
    /// or as they move anything: its inverse is what open-loop programming counts with. Hard bounds cut the distribution after each number of
    /// pulses, not after every pulse: next to a bound, noise that is larger than a step pushes cells further than this says.
    pub fn mean_course(&self, start: f64, polarity: f64, most: u32) -> Course {
        let (law, p, noise) = (self.law(), self.nominal(), self.noise());
        let cell = self.with_parameters(p);
        let mut state = match self.is_read_out() {
            true => state_of(law, p, start),
            false => start,
        };
        let mut along = vec![polarity * start];
        for (mean, variance) in
            SinglePulses::new(law, &noise, p, state, polarity).take(most as usize)
        {
            let last = along[along.len() - 1];
            let x = polarity * self.mean_position(&cell, mean, variance);
            // A readout may be flat where the state moves.
            let still = polarity * (mean - state) <= NONE;
            let inside = (p[LOWER]..=p[UPPER]).contains(&mean);
            if still || x < last || (x - last <= NONE && !inside) {
                break;
            }
            along.push(x);
            state = mean;
        }
        Course { polarity, along }
    }

    /// Where the conductances of all cells are when each is at the lower end of its own window.
    pub fn lowest(&self) -> Vec<f64> {
        let lowest = |k| self.conductance(k, self.double(k).parameters[LOWER]);
        (0..self.len()).map(lowest).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::{CycleNoise, SoftBounds, Window};

    /// Soft bounds about one half with a step of a hundredth: `x_n = 1 - (1 - x₀) ρⁿ` up, its mirror image down, ρ = 1 - 2 · 0.01.
    #[test]
    fn courses_of_soft_bounds_are_geometric() {
        let p = [0.01, 0.0, 1.0, 0.5];
        let window = Window {
            g_min: 1e-6,
            g_max: 9e-6,
        };
        let noise = CycleNoise::new(0.4, 0.3);
        let law = Arc::new(SoftBounds);
        let cells = Cells::new(law, window, noise, 0.0, false, p.to_vec(), p.to_vec());
        let pulses = |from: f64, to: f64| ((1.0 - to) / (1.0 - from)).ln() / 0.98_f64.ln();
        for (polarity, [from, to]) in [(1.0, [0.2, 0.7]), (-1.0, [0.8, 0.3])] {
            let side = |x: f64| if polarity > 0.0 { x } else { 1.0 - x };
            let exact = pulses(side(from), side(to));
            let mean = cells.mean_course(from, polarity, 1000);
            let flow = cells.nominal_course(polarity);
            // A chord of one pulse is off by an eighth of its curvature, κ/8 of a pulse.
            for n in [
                mean.pulses_to(to),
                flow.pulses_to(to) - flow.pulses_to(from),
            ] {
                assert!((n - exact).abs() < 0.02 / 4.0, "{n} {exact}");
            }
            let after = mean.positions().nth(7).unwrap();
            let expected = 1.0 - (1.0 - side(from)) * 0.98_f64.powi(7);
            assert!((side(after) - expected).abs() < 1e-14);
            assert_eq!(mean.pulses_to(side(0.0)), 0.0);
            assert!(mean.reaches(to) && !cells.mean_course(from, polarity, 3).reaches(to));
            assert_eq!(cells.mean_course(from, polarity, 3).pulses_to(to), 3.0);
        }
    }
}
