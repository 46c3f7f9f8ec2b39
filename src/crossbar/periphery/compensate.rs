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

/// Outputs of every crossbar for known inputs, as the periphery reads them, to be compared with what they were.
///
/// # Equation
/// The factor is `Σ y₀² / Σ y₀ y` over the known vectors, and over all columns where they share it: one over the slope of the outputs y on the
/// y₀ of right after programming.
///
/// # Behaviour
/// What noise, and cells that lose more or less than others, add to y has no part in y₀, and averages out. (It does not in a ratio of sums
/// `Σ |y₀| / Σ |y|`, which takes it for signal and compensates too little: for cells of phase-change memory after a year a gain of 0.92 in place of 0.98.)
/// Noise of the first read remains, σ²/y₀² too much. A negative slope, or none, is no loss that a factor takes back.
///
/// # Reference
/// Global: V. Joshi et al., Nature Communications 11 (2020) 2473, doi:10.1038/s41467-020-16108-9; called slope correction by S. Ambrogio et
/// al., IEDM 2019.
///
/// # Differences
/// Joshi et al. divide the sum of currents of columns at one voltage by what it was: all have one sign there, so that their sum is linear in them. Here both columns
/// of a pair are subtracted before they are converted, and outputs have both signs. aihwkit takes the largest or the mean modulus of outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    outputs: StackVector,
    replicas: usize,
}

impl Response {
    /// From outputs of whole samples of `replicas` crossbars.
    pub(in crate::crossbar) fn new(outputs: StackVector, replicas: usize) -> Self {
        Self { outputs, replicas }
    }

    /// The factors that bring `now` back to this response: element = column, lane = replica. A column (or crossbar) that answers nothing,
    /// then or now, keeps the factor 1.
    pub fn factors(&self, now: &Self, compensation: Compensation) -> StackVector {
        let (columns, replicas) = (self.outputs.len(), self.replicas);
        // Σ y₀² and Σ y₀ y of a column of a crossbar.
        let mut sums = vec![[0.0_f64; 2]; columns * replicas];
        for (c, sums) in sums.chunks_mut(replicas).enumerate() {
            let samples = self.outputs.lanes(c).chunks(replicas);
            for (then, now) in samples.zip(now.outputs.lanes(c).chunks(replicas)) {
                for (sum, (&then, &now)) in sums.iter_mut().zip(then.iter().zip(now)) {
                    let then = f64::from(then);
                    sum[0] += then * then;
                    sum[1] += then * f64::from(now);
                }
            }
        }
        if compensation == Compensation::Global {
            for r in 0..replicas {
                let all = (0..columns).map(|c| sums[c * replicas + r]);
                let total = all.fold([0.0; 2], |a, s| [a[0] + s[0], a[1] + s[1]]);
                (0..columns).for_each(|c| sums[c * replicas + r] = total);
            }
        }
        let mut out = StackVector::zeros(columns, replicas);
        for (factor, [then, now]) in out.all_mut().iter_mut().zip(sums) {
            let ratio = (then / now) as f32;
            *factor = if ratio.is_finite() && ratio > 0.0 {
                ratio
            } else {
                1.0
            };
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two samples of two crossbars in every row.
    fn response(rows: &[[f32; 4]]) -> Response {
        let mut outputs = StackVector::zeros(rows.len(), 4);
        outputs.all_mut().copy_from_slice(rows.as_flattened());
        Response::new(outputs, 2)
    }

    #[test]
    fn factors_undo_what_was_lost() {
        let then = response(&[[1.0, -2.0, 3.0, 4.0], [0.0, 5.0, 0.0, 0.0]]);
        let now = response(&[[0.5, -1.0, 1.5, 1.0], [2.0, 4.0, 0.0, 9.0]]);
        let each = then.factors(&now, Compensation::PerColumn);
        // (1 + 9)/(0.5 + 4.5), (4 + 16)/(2 + 4); nothing then, 25/20.
        assert_eq!(each.all(), [2.0, 20.0 / 6.0, 1.0, 1.25]);
        let all = then.factors(&now, Compensation::Global);
        assert_eq!(all.lanes(0), [2.0, 45.0 / 26.0]);
        assert_eq!(all.lanes(1), all.lanes(0));
        // What answers the other way round has not drifted.
        let turned = response(&[[-1.0, -2.0, -3.0, 4.0], [0.0, 5.0, 0.0, 0.0]]);
        assert_eq!(
            then.factors(&turned, Compensation::PerColumn).lanes(0),
            [1.0, 1.0]
        );
    }
}
