//! Compensation of drift: outputs are scaled by how much of a known response is left.

use crate::backend::StackVector;

/// What one factor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compensation {
    /// One factor for each crossbar.
    Global,
    /// One for each of its columns.
    PerColumn,
}

/// Summed |outputs| of every column of every crossbar for known inputs, as the periphery reads them: element = column, lane = replica.
///
/// # Reference
/// Global: V. Joshi et al., Nature Communications 11 (2020) 2473, doi:10.1038/s41467-020-16108-9; called slope correction by S. Ambrogio et
/// al., IEDM 2019.
#[derive(Debug, Clone, PartialEq)]
pub struct Response(StackVector);

impl Response {
    /// From outputs of whole samples of `replicas` crossbars.
    pub(in crate::crossbar) fn new(outputs: &StackVector, replicas: usize) -> Self {
        let mut sums = StackVector::zeros(outputs.len(), replicas);
        for c in 0..outputs.len() {
            for sample in outputs.lanes(c).chunks(replicas) {
                for (sum, y) in sums.lanes_mut(c).iter_mut().zip(sample) {
                    *sum += y.abs();
                }
            }
        }
        Self(sums)
    }

    /// The sums.
    pub fn columns(&self) -> &StackVector {
        &self.0
    }

    /// The factors that bring `now` back to this response. A column (or crossbar) that answers nothing, then or now, keeps the factor 1.
    pub fn factors(&self, now: &Self, compensation: Compensation) -> StackVector {
        let (columns, replicas) = (self.0.len(), self.0.width());
        let mut out = StackVector::zeros(columns, replicas);
        let ratio = |then: f64, now: f64| {
            let ratio = then / now;
            if ratio.is_finite() && ratio > 0.0 {
                ratio as f32
            } else {
                1.0
            }
        };
        let sum = |of: &StackVector, r: usize| -> f64 {
            (0..columns).map(|c| f64::from(of.lanes(c)[r])).sum()
        };
        for r in 0..replicas {
            let global = ratio(sum(&self.0, r), sum(&now.0, r));
            for c in 0..columns {
                out.lanes_mut(c)[r] = match compensation {
                    Compensation::Global => global,
                    Compensation::PerColumn => {
                        ratio(f64::from(self.0.lanes(c)[r]), f64::from(now.0.lanes(c)[r]))
                    }
                };
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_undo_what_was_lost() {
        let mut then = StackVector::zeros(3, 2);
        then.all_mut()
            .copy_from_slice(&[1.0, -2.0, 3.0, 4.0, 0.0, 5.0]);
        let then = Response::new(&then, 2);
        let mut now = StackVector::zeros(3, 2);
        now.all_mut()
            .copy_from_slice(&[0.5, 1.0, 1.0, 1.0, 0.0, 3.5]);
        let now = Response::new(&now, 2);
        let each = then.factors(&now, Compensation::PerColumn);
        assert_eq!(each.all(), [2.0, 2.0, 3.0, 4.0, 1.0, 5.0 / 3.5]);
        let all = then.factors(&now, Compensation::Global);
        assert_eq!(all.lanes(0), [4.0 / 1.5, 2.0]);
        assert_eq!(all.lanes(2), all.lanes(0));
    }
}
