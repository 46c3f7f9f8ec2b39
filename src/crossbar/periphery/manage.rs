//! Digital management of the converters' ranges.

use pulp::{Arch, Simd, WithSimd};

use crate::backend::StackVector;

/// How inputs are scaled before they are converted; outputs are scaled back digitally.
///
/// Noise that outputs get on the way is then relative to the inputs: small errors in backpropagation do not drown in it.
///
/// # Reference
/// T. Gokmen, M. Onen and W. Haensch, Front. Neurosci. 11 (2017) 538, doi:10.3389/fnins.2017.00538 (`AbsMax`).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum NoiseManagement {
    /// Not at all.
    #[default]
    None,
    /// The largest |input| of the vector goes to the end of the DAC's range (1 where it has none).
    AbsMax,
    /// Inputs of this size do.
    Constant(f64),
    /// A running mean of the largest |input| does: `m ← decay · m + (1 - decay) · max|x|`, begun with the first vector, one for each
    /// crossbar and direction. Vectors of zeros are passed over.
    Average {
        /// From 0 (the present vector alone) to below 1.
        decay: f64,
    },
}

/// What happens to a vector whose outputs saturate.
///
/// # Reference
/// Iterative: T. Gokmen, M. Onen and W. Haensch, Front. Neurosci. 11 (2017) 538, doi:10.3389/fnins.2017.00538; as in aihwkit (Rasch et al.,
/// AICAS 2021, doi:10.1109/AICAS51828.2021.9458494).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BoundManagement {
    /// Outputs stay at the end of the range.
    #[default]
    None,
    /// Inputs are halved and the vector is read again, with new noise, until no output saturates or they were halved so often.
    Iterative {
        /// Most halvings, 1 to 30.
        most_halvings: u32,
    },
}

/// Sets `largest` to max |x| of every lane.
pub(in crate::crossbar) fn largest(arch: Arch, inputs: &StackVector, largest: &mut Vec<f32>) {
    largest.clear();
    largest.resize(inputs.width(), 0.0);
    arch.dispatch(Largest { inputs, largest });
}

struct Largest<'a> {
    inputs: &'a StackVector,
    largest: &'a mut [f32],
}

impl WithSimd for Largest<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        if let [largest] = self.largest {
            // Bits of positive numbers are in their order, and the largest of integers is a vector operation.
            let bits = self.inputs.all().iter().map(|x| x.abs().to_bits());
            *largest = f32::from_bits(bits.fold(0, u32::max));
            return;
        }
        for i in 0..self.inputs.len() {
            for (m, x) in self.largest.iter_mut().zip(self.inputs.lanes(i)) {
                *m = if x.abs() > *m { x.abs() } else { *m };
            }
        }
    }
}

/// Turns the largest input of each lane into the divisor of its inputs; `average` has the running mean of each replica, NaN before the
/// first.
pub(super) fn scales(
    management: NoiseManagement,
    full: f32,
    average: &mut [f32],
    largest: &mut [f32],
) {
    match management {
        NoiseManagement::None => largest.fill(1.0),
        NoiseManagement::Constant(size) => largest.fill(size as f32 / full),
        NoiseManagement::AbsMax => largest.iter_mut().for_each(|m| *m = divisor(*m, full)),
        NoiseManagement::Average { decay } => {
            let decay = decay as f32;
            for sample in largest.chunks_mut(average.len()) {
                for (m, mean) in sample.iter_mut().zip(&mut *average) {
                    if *m > 0.0 {
                        *mean = if mean.is_nan() {
                            *m
                        } else {
                            decay * *mean + (1.0 - decay) * *m
                        };
                    }
                    *m = divisor(if mean.is_nan() { 0.0 } else { *mean }, full);
                }
            }
        }
    }
}

/// 1 where there is nothing to scale, or what there is would become infinite.
fn divisor(largest: f32, full: f32) -> f32 {
    let divisor = largest / full;
    if divisor >= f32::MIN_POSITIVE {
        divisor
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_means_go_through_the_samples_of_each_replica() {
        let management = NoiseManagement::Average { decay: 0.75 };
        let mut average = [f32::NAN, f32::NAN];
        let mut lanes = [4.0, 0.0, 8.0, 2.0];
        scales(management, 2.0, &mut average, &mut lanes);
        // Replica 0 sees 4, then 8; replica 1 nothing, then 2.
        assert_eq!(lanes, [2.0, 1.0, 2.5, 1.0]);
        assert_eq!(average, [5.0, 2.0]);
    }

    #[test]
    fn lanes_have_their_own_maximum() {
        for width in [1, 3, 40] {
            let mut inputs = StackVector::zeros(7, width);
            for i in 0..7 {
                for (lane, x) in inputs.lanes_mut(i).iter_mut().enumerate() {
                    *x = ((5 * i + lane) % 7) as f32 - 5.0;
                }
            }
            let mut found = Vec::new();
            largest(Arch::new(), &inputs, &mut found);
            assert_eq!(found, vec![5.0; width]);
        }
    }
}
