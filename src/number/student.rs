//! Quantiles of Student's t.

use statrs::distribution::{Continuous, ContinuousCDF, Normal, StudentsT};

/// Quantile of Student's t for `½ ≤ probability < 1`, by Newton's method on the tail; `None` where there are no degrees of freedom or
/// the iteration does not converge (a probability within rounding of 1).
///
/// The distribution function is concave above 0 and the normal quantile lies below every t quantile, so the iteration rises
/// monotonically to the root. (The library's own inverse loses its digits above 10⁵ degrees of freedom.)
pub fn student_quantile(probability: f64, freedom: f64) -> Option<f64> {
    let distribution = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let mut t = Normal::standard().inverse_cdf(probability);
    for _ in 0..200 {
        let step = (distribution.sf(t) - (1.0 - probability)) / distribution.pdf(t);
        t += step;
        // convergence is quadratic: the next step would be below the rounding of t
        if step.abs() <= 1e-8 * (1.0 + t.abs()) {
            return Some(t);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_quantiles_agree_with_tables() {
        // scipy.stats.t.ppf
        for (p, freedom, expected) in [
            (0.975, 1.0, 12.706204736174694),
            (0.975, 2.0, 4.302652729749462),
            (0.975, 19.0, 2.093024054408263),
            (0.95, 9.0, 1.8331129326536335),
            (0.995, 299.0, 2.5923718841194776),
            (0.975, 1e6, 1.959966356814107),
        ] {
            let t = student_quantile(p, freedom).unwrap();
            assert!(
                (t / expected - 1.0).abs() < 1e-8,
                "{p} {freedom}: {t} against {expected}"
            );
        }
        for freedom in 1..2000 {
            for p in [0.5, 0.6, 0.75, 0.9, 0.95, 0.975, 0.995, 0.9995, 0.999_999] {
                assert!(
                    student_quantile(p, f64::from(freedom)).is_some(),
                    "{p} {freedom}"
                );
            }
        }
    }
}
