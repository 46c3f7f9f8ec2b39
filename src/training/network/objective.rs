//! Losses of all outputs together.

use crate::number::Real;
use crate::training::Loss;

/// What the last sums `z` of a network are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// `½ Σ_c (z_c - t_c)²`
    SquaredError,
    /// `-ln p_t`, `p = softmax(z)`
    CrossEntropy,
}

/// What the outputs should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target<'a, R> {
    /// This class: 1 for its output, 0 for the others.
    Class(usize),
    /// These numbers.
    Values(&'a [R]),
}

impl Objective {
    /// All of them by the names that studies give them.
    pub const NAMED: [(&'static str, Self); 2] = [
        ("squared-error", Self::SquaredError),
        ("cross-entropy", Self::CrossEntropy),
    ];

    /// The loss of outputs `z`, whose derivatives `∂L/∂z_c` are left in `errors`.
    ///
    /// # Panics
    /// For a cross entropy with numbers as a target.
    #[inline(always)]
    pub fn errors<R: Real>(self, z: &[R], target: Target<R>, errors: &mut [R]) -> R {
        match self {
            Self::SquaredError => {
                let mut loss = R::lit(0.0);
                for (c, (e, &z)) in errors.iter_mut().zip(z).enumerate() {
                    let t = match target {
                        Target::Class(class) => R::lit(f64::from(u8::from(c == class))),
                        Target::Values(values) => values[c],
                    };
                    *e = Loss::SquaredError.error(z, t);
                    loss = loss + Loss::SquaredError.value(z, t);
                }
                loss
            }
            Self::CrossEntropy => {
                let Target::Class(class) = target else {
                    panic!("the cross entropy is that of classes");
                };
                let largest = z.iter().fold(z[0], |m, &z| m.max(z));
                let mut sum = R::lit(0.0);
                for (e, &z) in errors.iter_mut().zip(z) {
                    *e = (z - largest).exp();
                    sum = sum + *e;
                }
                for e in errors.iter_mut() {
                    *e = *e / sum;
                }
                errors[class] = errors[class] - R::lit(1.0);
                sum.ln() + largest - z[class]
            }
        }
    }

    /// Vectors `s_k` for outputs `z`, one after the other: the second derivatives of the loss are `Σ_k s_k s_kᵀ` over all outputs k.
    ///
    /// `p_k^{1/2} (e_k - p)` of a softmax: `Σ p_k (e_k - p)(e_k - p)ᵀ = diag p - p pᵀ`.
    pub(super) fn factors(self, z: &[f64]) -> Vec<f64> {
        let width = z.len();
        let unit = |k: usize, c: usize| f64::from(u8::from(c == k));
        let all = |of: &dyn Fn(usize, usize) -> f64| {
            (0..width * width)
                .map(|i| of(i / width, i % width))
                .collect()
        };
        match self {
            Self::SquaredError => all(&unit),
            Self::CrossEntropy => {
                let largest = z.iter().fold(z[0], |m, &z| m.max(z));
                let p: Vec<f64> = z.iter().map(|z| (z - largest).exp()).collect();
                let sum: f64 = p.iter().sum();
                all(&|k, c| (p[k] / sum).sqrt() * (unit(k, c) - p[c] / sum))
            }
        }
    }
}
