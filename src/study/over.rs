//! Numbers over replicas with their intervals, and what is said where there are none.

use super::summary::{Estimate, Point};
use crate::bias::interval::{Interval, IntervalError, jackknife, mean_interval};

pub(super) const LEVEL: f64 = 0.95;

/// The mean of a value a replica.
pub(super) fn of_values(values: &[f64], predicted: Option<f64>) -> Estimate {
    let missing = || values.iter().filter(|v| !v.is_finite()).count();
    let missing = match missing() {
        // What does not exist at all misses nothing.
        all if all == values.len() => 0,
        some => some,
    };
    estimate(mean_interval(values, LEVEL), missing, predicted)
}

/// A function of all `n` replicas (`None`) and of all but one.
pub(super) fn of_all(
    n: usize,
    f: impl Fn(Option<usize>) -> f64,
    predicted: Option<f64>,
) -> Estimate {
    let interval = jackknife(n, LEVEL, &f);
    let missing = match interval.is_err() && f(None).is_finite() {
        true => (0..n).filter(|&r| !f(Some(r)).is_finite()).count(),
        false => 0,
    };
    estimate(interval, missing, predicted)
}

/// An interval as it was found, with what is predicted.
pub(super) fn of_interval(
    interval: Result<Interval, IntervalError>,
    predicted: Option<f64>,
) -> Estimate {
    estimate(interval, 0, predicted)
}

fn estimate(
    interval: Result<Interval, IntervalError>,
    missing: usize,
    predicted: Option<f64>,
) -> Estimate {
    let i = interval.ok();
    let finite = |of: &dyn Fn(&Interval) -> f64| i.as_ref().map(of).filter(|v| v.is_finite());
    Estimate {
        value: finite(&|i| i.value),
        low: finite(&|i| i.low),
        high: finite(&|i| i.high),
        predicted,
        missing,
    }
}

impl Estimate {
    /// Why it has no value, where that is because of some replicas alone.
    pub(super) fn complaint(&self, name: &str, replicas: usize) -> Option<String> {
        (self.missing > 0).then(|| {
            format!(
                "{name} has no value: it does not exist, or is not finite, for {} of {replicas} replicas",
                self.missing
            )
        })
    }
}

impl Point {
    /// What is missing of the estimates of training, in words.
    pub(super) fn complaints(&self, replicas: usize) -> impl Iterator<Item = String> {
        let all = [
            ("lambda-gradient", self.lambda_gradient),
            ("lambda-e1", self.lambda_e1),
            ("centre", self.centre),
            ("lambda-e2", self.lambda_e2),
            ("lambda-e3", self.lambda_e3),
            ("lambda-e3-euclidean", self.lambda_e3_euclidean),
            ("lambda-e4", self.lambda_e4),
            ("lambda-law", self.lambda_law),
            ("weight-deviation", self.weight_deviation),
            ("excess-loss", self.excess_loss),
        ];
        let complaint = move |(name, e): (&str, Estimate)| e.complaint(name, replicas);
        all.into_iter().filter_map(complaint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_replica_is_said_and_a_missing_number_is_not() {
        let whole = of_values(&[1.0, 2.0, 3.0], None);
        assert_eq!((whole.value, whole.missing), (Some(2.0), 0));
        assert_eq!(whole.complaint("error", 3), None);
        let broken = of_values(&[1.0, f64::NAN, f64::INFINITY], Some(4.0));
        assert_eq!((broken.value, broken.predicted), (None, Some(4.0)));
        let said = broken.complaint("error", 3).unwrap();
        assert!(
            said.starts_with("error ") && said.contains("2 of 3"),
            "{said}"
        );
        assert_eq!(of_values(&[f64::NAN; 3], None).missing, 0);
        // Without replica 1 there is nothing.
        let without = |omit| if omit == Some(1) { f64::NAN } else { 1.0 };
        let broken = of_all(3, without, None);
        assert_eq!((broken.value, broken.missing), (None, 1));
        assert_eq!(of_all(3, |_| f64::NAN, None).missing, 0);
    }
}
