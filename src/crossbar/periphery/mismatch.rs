//! What converters miss of their nominal selves, drawn once.

use super::Direction;
use crate::number::{Coordinates, Purpose, Stream};

/// Static errors of converters: standard deviations over the converters of an array.
///
/// Each converter's own are drawn once from the seed of the study and shared by its replicas, as cells are by device-to-device variation.
/// Transposed reads pass other converters.
///
/// Integral nonlinearity is the distance of a level (DAC) or transition (ADC) from the line through the first and the last of them; the
/// differential one is the distance of a step between neighbours from the mean step (IEEE Std 1241, end-point definition).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Errors {
    /// Deviation of the offset: of the voltage at input 0, in units of the input; or of the weighted sum, in its units.
    pub offset: f64,
    /// Deviation of the gain from 1.
    pub gain: f64,
    /// Integral nonlinearity at the middle of the range in steps, a parabola that vanishes at both ends.
    pub inl: f64,
    /// Deviation of every step from the nominal one, in steps; what they add up to at the end is taken off along the line.
    pub dnl: f64,
}

impl Errors {
    /// Whether levels are not equidistant.
    pub(super) fn is_curved(&self) -> bool {
        self.inl > 0.0 || self.dnl > 0.0
    }
}

/// Which number of a converter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item {
    InputOffset = 0,
    InputGain = 1,
    InputInl = 2,
    InputDnl = 3,
    OutputOffset = 4,
    OutputGain = 5,
    OutputInl = 6,
    OutputDnl = 7,
    Capacitor = 8,
    Comparator = 9,
}

/// Draws the numbers of the converters for one direction of reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mismatch {
    pub stream: Stream,
    pub direction: Direction,
}

/// Converters are this far apart in the coordinates of their numbers: steps of 12 bits.
const STRIDE: u32 = 1 << 12;

impl Mismatch {
    /// Standard normal number `k` of a converter.
    pub fn normal(&self, item: Item, converter: usize, k: u32) -> f64 {
        let transposed = match self.direction {
            Direction::Forward => 0,
            Direction::Transposed => 16,
        };
        f64::from(
            self.stream.normal(Coordinates {
                step: 0,
                cell: (converter as u32)
                    .wrapping_mul(STRIDE)
                    .wrapping_add(k % STRIDE),
                replica: 0,
                purpose: Purpose::ConverterMismatch,
                index: item as u32 + transposed,
            }),
        )
    }

    /// One number a converter: `mean + deviation · z`.
    pub fn each(&self, item: Item, converters: usize, mean: f64, deviation: f64) -> Vec<f32> {
        let draw = |c| (mean + deviation * self.normal(item, c, 0)) as f32;
        (0..converters).map(draw).collect()
    }

    /// Integral nonlinearity of `steps + 1` levels of one converter, in steps: 0 at both ends.
    pub fn nonlinearity(
        &self,
        [bow, step]: [Item; 2],
        converter: usize,
        steps: u32,
        errors: &Errors,
    ) -> Vec<f64> {
        let mut sums = vec![0.0];
        let mut sum = 0.0;
        for k in 0..steps {
            sum += errors.dnl * self.normal(step, converter, k);
            sums.push(sum);
        }
        let peak = errors.inl * self.normal(bow, converter, 0);
        let level = |(k, s): (usize, f64)| {
            let along = k as f64 / f64::from(steps);
            s - along * sum + peak * (1.0 - (2.0 * along - 1.0).powi(2))
        };
        sums.into_iter().enumerate().map(level).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonlinearity_vanishes_at_the_ends_and_has_its_peak_between() {
        let draw = Mismatch {
            stream: Stream::new(3),
            direction: Direction::Forward,
        };
        let errors = Errors {
            inl: 2.0,
            ..Errors::default()
        };
        let items = [Item::InputInl, Item::InputDnl];
        let inl = draw.nonlinearity(items, 5, 126, &errors);
        assert_eq!((inl[0], inl[126]), (0.0, 0.0));
        assert_eq!(inl[63], 2.0 * draw.normal(Item::InputInl, 5, 0));
        let errors = Errors {
            dnl: 0.3,
            ..Errors::default()
        };
        // Steps differ from the mean step by normal numbers of the given deviation, less one degree of freedom.
        let (mut sum, mut n) = (0.0, 0.0);
        for converter in 0..40 {
            let inl = draw.nonlinearity(items, converter, 126, &errors);
            assert!(inl[0] == 0.0 && inl[126].abs() < 1e-12);
            sum += inl.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum::<f64>();
            n += 125.0;
        }
        // Four standard errors of a variance of 5000 numbers.
        assert!((sum / n / 0.09 - 1.0).abs() < 4.0 * (2.0_f64 / n).sqrt());
    }
}
