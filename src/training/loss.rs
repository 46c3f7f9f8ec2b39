//! Losses and the check of their gradients.

use crate::number::Real;

/// A loss of one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// `½ (y - t)²`
    SquaredError,
}

impl Loss {
    /// The loss of output `y` for target `t`.
    #[inline(always)]
    pub fn value<R: Real>(self, y: R, t: R) -> R {
        match self {
            Self::SquaredError => R::lit(0.5) * (y - t).square(),
        }
    }

    /// Its derivative in `y`: the error that the periphery sends back.
    #[inline(always)]
    pub fn error<R: Real>(self, y: R, t: R) -> R {
        match self {
            Self::SquaredError => y - t,
        }
    }
}

/// Largest difference between the gradient `x · dl/dy` of a linear layer and central differences of the loss,
/// relative to the largest component.
///
/// The step is `ε^{1/3} max(1, |w|)`: truncation `h²` and rounding `ε/h` then balance, which leaves an error of
/// about `ε^{2/3} ≈ 4e-11` relative to the loss's scale.
pub fn gradient_error(loss: Loss, weights: &[f64], x: &[f64], t: f64) -> f64 {
    let output = |w: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    let slope = loss.error(output(weights), t);
    let scale = x
        .iter()
        .fold(f64::MIN_POSITIVE, |m, x| m.max((x * slope).abs()));
    (0..weights.len())
        .map(|j| {
            let h = f64::EPSILON.cbrt() * weights[j].abs().max(1.0);
            let at = |d: f64| {
                let mut w = weights.to_vec();
                w[j] += d;
                loss.value(output(&w), t)
            };
            ((at(h) - at(-h)) / (2.0 * h) - x[j] * slope).abs() / scale
        })
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gradient_agrees_with_central_differences() {
        let w = [0.3, -1.2, 2.5];
        let x = [1.5, -0.2, 0.7];
        // ε^(2/3) is 4e-11; the loss here is about 4 times its gradient's scale.
        assert!(gradient_error(Loss::SquaredError, &w, &x, -0.4) < 1e-9);
    }
}
