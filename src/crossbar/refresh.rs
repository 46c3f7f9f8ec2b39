//! Refresh of one-sided pairs: what is too full is emptied, and the weight written back.

use super::WeightMap;
use crate::backend::{Backend, Request, StackVector};
use crate::device::{Cells, Counting, Course};
use crate::error::Result;

/// When pairs of one-sided cells are refreshed, and how.
///
/// Both cells of a pair only ever rise. Every [`Refresh::every`] steps all cells are read; a pair whose fuller cell is above
/// [`Refresh::upper`] while the other is above [`Refresh::lower`] is reset, both cells, and their difference written back by pulses on one
/// of them. (Where the other is nearly empty, the weight needs the room that it takes.)
///
/// The number of pulses is the one that the *nominal* cell needs from where it is thought to be; it is rounded at random, so that the
/// weight is right on average. The first round takes both cells to be at the nominal level of a reset: open loop. Every further round
/// reads the pair again and corrects on whichever side is short.
///
/// # Reference
/// The thresholds and the open loop are those of the one-sided unit cell of aihwkit (Rasch et al., AICAS 2021,
/// <https://doi.org/10.1109/AICAS51828.2021.9458494>), which counts with the step of an empty cell where we follow the nominal curve, and
/// sends at most 31 pulses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refresh {
    /// Steps of training from one look at the cells to the next.
    pub every: u32,
    /// Position above which the fuller cell of a pair must be.
    pub upper: f64,
    /// Position above which the other must be.
    pub lower: f64,
    /// Rounds of writing: 1 is open loop.
    pub rounds: u32,
    /// Most pulses of a cell in one round.
    pub most_pulses: u32,
}

impl Refresh {
    /// Whether a pair with these positions is refreshed.
    pub fn is_due(&self, plus: f64, minus: f64) -> bool {
        plus.max(minus) > self.upper && plus.min(minus) > self.lower
    }
}

/// Refreshes one stack.
pub(super) struct Refresher {
    refresh: Refresh,
    course: Course,
    /// Where it is after a reset.
    level: f64,
    /// Position of a conductance: `(g - g_min)/span`.
    window: (f64, f64),
    seen: StackVector,
    which: StackVector,
    requests: StackVector,
    /// `x₊ - x₋` of the pairs that are refreshed.
    targets: StackVector,
    pub resets: u64,
}

impl Refresher {
    /// `None` for cells that have no reset.
    pub fn new(refresh: Refresh, cells: &Cells, map: WeightMap, replicas: usize) -> Option<Self> {
        let vector = |len| StackVector::zeros(len, replicas);
        let window = cells.window();
        Some(Self {
            refresh,
            course: cells.nominal_course(1.0),
            level: cells.reset()?.level,
            window: (window.g_min, window.span()),
            seen: vector(map.cells()),
            which: vector(map.cells()),
            requests: vector(map.cells()),
            targets: vector(map.weights()),
            resets: 0,
        })
    }

    fn read(&mut self, backend: &mut dyn Backend) -> Result<()> {
        backend.conductances(&mut self.seen)
    }

    /// Positions of both cells of a pair as they were read.
    fn pair(&self, weight: usize, lane: usize) -> [f64; 2] {
        let (g_min, span) = self.window;
        [2 * weight, 2 * weight + 1].map(|k| (f64::from(self.seen.lanes(k)[lane]) - g_min) / span)
    }

    /// Looks at all pairs after step `step` if it is time to, and refreshes those that are due.
    pub fn after(&mut self, step: u32, backend: &mut dyn Backend) -> Result<()> {
        if !(step + 1).is_multiple_of(self.refresh.every) {
            return Ok(());
        }
        self.read(backend)?;
        self.which.fill(0.0);
        let before = self.resets;
        for j in 0..self.targets.len() {
            for lane in 0..self.targets.width() {
                let [plus, minus] = self.pair(j, lane);
                if self.refresh.is_due(plus, minus) {
                    self.targets.lanes_mut(j)[lane] = (plus - minus) as f32;
                    self.which.lanes_mut(2 * j)[lane] = 1.0;
                    self.which.lanes_mut(2 * j + 1)[lane] = 1.0;
                    self.resets += 2;
                }
            }
        }
        if self.resets == before {
            return Ok(());
        }
        // The steps of training count up from zero: these are not among them, and no two rounds share their random numbers.
        let first = step.wrapping_mul(self.refresh.rounds);
        let number = |round: u32| u32::MAX - first.wrapping_add(round);
        backend.reset(number(0), &self.which)?;
        for round in 0..self.refresh.rounds {
            if round > 0 {
                self.read(backend)?;
            }
            self.ask(round);
            let request = Request::Dense(&self.requests);
            backend.pulse(number(round), &request, Counting::StochasticRounding)?;
        }
        Ok(())
    }

    /// What each cell is asked for in a round.
    fn ask(&mut self, round: u32) {
        self.requests.fill(0.0);
        for j in 0..self.targets.len() {
            for lane in 0..self.targets.width() {
                if self.which.lanes(2 * j)[lane] == 0.0 {
                    continue;
                }
                let [plus, minus] = match round {
                    0 => [self.level; 2],
                    _ => self.pair(j, lane),
                };
                let short = f64::from(self.targets.lanes(j)[lane]) - (plus - minus);
                let (cell, from) = if short > 0.0 {
                    (2 * j, plus)
                } else {
                    (2 * j + 1, minus)
                };
                let n = self.course.pulses_to(from + short.abs()) - self.course.pulses_to(from);
                let n = n.min(f64::from(self.refresh.most_pulses));
                self.requests.lanes_mut(cell)[lane] = n as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule of the thresholds, by cases.
    #[test]
    fn pairs_are_due_where_one_cell_is_full_and_the_other_not_empty() {
        let refresh = Refresh {
            every: 1,
            upper: 0.75,
            lower: 0.25,
            rounds: 1,
            most_pulses: 31,
        };
        for (plus, minus, due) in [
            (0.8, 0.3, true),
            (0.3, 0.8, true),
            (0.8, 0.2, false),
            (0.2, 0.8, false),
            (0.7, 0.7, false),
            (0.8, 0.9, true),
            (0.75, 0.5, false),
        ] {
            assert_eq!(refresh.is_due(plus, minus), due, "{plus} {minus}");
        }
    }
}
