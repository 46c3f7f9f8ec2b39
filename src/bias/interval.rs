//! Confidence intervals over replicas: Student t, delete-one jackknife and BCa bootstrap.
//!
//! Which to use, `n` replicas:
//!
//! | quantity | interval |
//! | --- | --- |
//! | a mean over replicas | [`mean_interval`], exact for Gaussian replicas |
//! | a smooth function of replica means (a ratio, a nearest λ) | [`jackknife`], whose t quantile stays honest at `n = 20` |
//! | a skewed or bounded statistic, `n` of 50 or more | [`bca_bootstrap`] |
//!
//! The bootstrap knows nothing of the n-1 degrees of freedom: its 95 % interval of a Gaussian mean covers about
//! `P(|t₁₉| < 1.96·√(19/20))` = 93 % at n = 20.
//!
//! ```
//! use memridge::bias::interval::mean_interval;
//!
//! let lambda = [0.46, 0.48, 0.45, 0.47, 0.49];
//! let interval = mean_interval(&lambda, 0.95)?;
//! assert!((interval.value - 0.47).abs() < 1e-12 && interval.contains(0.46));
//! # Ok::<(), memridge::bias::interval::IntervalError>(())
//! ```

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::number::student_quantile;
use thiserror::Error;

/// An estimate with a two-sided confidence interval `low ≤ high`.
///
/// `value` is the full-sample estimate. A bootstrap interval need not be symmetric about it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate from all replicas.
    pub value: f64,
    /// Lower confidence limit.
    pub low: f64,
    /// Upper confidence limit.
    pub high: f64,
    /// Standard error of `value`.
    pub standard_error: f64,
}

impl Interval {
    /// Whether `x` lies in `[low, high]`.
    pub fn contains(&self, x: f64) -> bool {
        (self.low..=self.high).contains(&x)
    }
}

/// Why an interval does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum IntervalError {
    /// Fewer replicas than a spread needs.
    #[error("an interval over replicas needs at least 2 of them, got {0}: run more replicas")]
    TooFewReplicas(usize),
    /// More replicas than the resampling indexes (2³² - 1).
    #[error(
        "an interval over {0} replicas is more than the resampling can index: average groups of replicas first"
    )]
    TooManyReplicas(usize),
    /// A level that is no probability.
    #[error("a confidence level lies strictly between 0 and 1, got {0}: write 0.95 for 95 %")]
    Level(f64),
    /// A sample, or the estimator on a part of the sample, is not finite.
    #[error("{part} number {index} is {value}: an interval needs a finite value of every one")]
    NotFinite {
        /// What was evaluated: a sample, the full sample, a leave-one-out sample, a resample.
        part: &'static str,
        /// Its index, from 0.
        index: usize,
        /// The value found.
        value: f64,
    },
    /// The limit lies beyond the most extreme resample.
    #[error(
        "{draws} bootstrap draws do not reach the limits of this interval: use more draws (2000 for 95 %), or a lower level"
    )]
    TooFewDraws {
        /// The number of draws asked for.
        draws: usize,
    },
    /// The BCa transformation is not monotone here (extreme skewness).
    #[error(
        "the bootstrap distribution is too skewed for a BCa interval (acceleration {acceleration}): use more replicas"
    )]
    TooSkewed {
        /// The acceleration constant.
        acceleration: f64,
    },
    /// The quantile of Student's t was not found (a level within rounding of 1).
    #[error(
        "the quantile {probability} of Student's t with {freedom} degrees of freedom did not converge: use a lower level"
    )]
    Quantile {
        /// The probability asked for.
        probability: f64,
        /// Degrees of freedom.
        freedom: f64,
    },
}

/// The standard error `s/√n` of the mean of `n` samples, `s² = Σ(x-x̄)²/(n-1)`.
///
/// # Errors
///
/// Fewer than two samples, or one that is not finite.
pub fn standard_error(samples: &[f64]) -> Result<f64, IntervalError> {
    mean_and_error(samples).map(|(_, error)| error)
}

/// The mean of independent samples with its Student t interval.
///
/// # Equation
///
/// ```text
/// x̄ ± t_{n-1, (1+level)/2} · s/√n
/// ```
///
/// Exact for Gaussian samples. Identical samples give an interval of no width.
///
/// # Errors
///
/// Fewer than two samples, one that is not finite, a level outside (0, 1).
///
/// # Reference
///
/// Student, "The probable error of a mean", Biometrika 6, 1–25 (1908), doi:10.1093/biomet/6.1.1.
pub fn mean_interval(samples: &[f64], level: f64) -> Result<Interval, IntervalError> {
    let (mean, error) = mean_and_error(samples)?;
    student(mean, error, samples.len(), level)
}

/// A smooth function of replica means with its delete-one jackknife interval.
///
/// `f(None)` is the estimator on all `n` replicas, `f(Some(i))` on all but replica `i` (from 0). The estimator may return
/// NaN where it is undefined; the interval is then an error, not a guess.
///
/// # Equation
///
/// ```text
/// pseudo-values   p_i = n θ̂ - (n-1) θ̂₍ᵢ₎
/// error²          se² = Σ(p_i - p̄)² / (n(n-1)) = (n-1)/n Σ(θ̂₍ᵢ₎ - θ̂₍·₎)²
/// interval        θ̂ ± t_{n-1, (1+level)/2} · se
/// ```
///
/// The value is θ̂ itself, not the bias-corrected p̄. For a mean, se² is s²/n exactly. The jackknife is inconsistent for
/// statistics that are not smooth (a median over replicas, a maximum): use [`bca_bootstrap`] there.
///
/// # Errors
///
/// Fewer than two replicas, an estimate that is not finite, a level outside (0, 1).
///
/// # Reference
///
/// J. W. Tukey, Ann. Math. Statist. 29, 614 (1958); B. Efron & C. Stein, "The jackknife estimate of variance",
/// Ann. Statist. 9, 586–596 (1981), doi:10.1214/aos/1176345462.
pub fn jackknife(
    n: usize,
    level: f64,
    f: impl Fn(Option<usize>) -> f64,
) -> Result<Interval, IntervalError> {
    check_count(n)?;
    let value = finite("the full sample,", 0, f(None))?;
    let parts = (0..n)
        .map(|i| finite("leave-one-out sample", i, f(Some(i))))
        .collect::<Result<Vec<_>, _>>()?;
    let spread: f64 = deviations(&parts).iter().map(|e| e * e).sum();
    let n_real = n as f64;
    student(value, ((n_real - 1.0) / n_real * spread).sqrt(), n, level)
}

/// Any function of the replicas with its bias-corrected and accelerated bootstrap interval.
///
/// `f` receives the indices (from 0, with repetitions) of the replicas to use: `n` of them for a resample, `n-1` for the
/// acceleration. Draws come from PCG64 seeded with `seed` alone, so equal arguments give equal intervals.
///
/// # Equation
///
/// With B resampled estimates θ*, Φ the normal distribution function and `z = Φ⁻¹((1 ± level)/2)`:
///
/// ```text
/// bias correction   z₀ = Φ⁻¹( (#{θ* < θ̂} + ½ #{θ* = θ̂}) / B )
/// acceleration      a  = Σ(θ̂₍·₎ - θ̂₍ᵢ₎)³ / (6 (Σ(θ̂₍·₎ - θ̂₍ᵢ₎)²)^{3/2})
/// limits            the Φ(z₀ + (z₀+z)/(1 - a(z₀+z))) quantiles of θ*
/// ```
///
/// The standard error is the standard deviation of θ*. A quantile at probability p is the order statistic number p(B+1),
/// interpolated linearly. Second-order accurate, but without the small-sample widening of Student's t: see the table above.
///
/// # Errors
///
/// Fewer than two replicas, an estimate that is not finite, a level outside (0, 1), limits beyond the most extreme draw.
///
/// # Reference
///
/// B. Efron, "Better bootstrap confidence intervals", J. Am. Stat. Assoc. 82, 171–185 (1987),
/// doi:10.1080/01621459.1987.10478410.
pub fn bca_bootstrap(
    n: usize,
    level: f64,
    draws: usize,
    seed: u64,
    f: impl Fn(&[usize]) -> f64,
) -> Result<Interval, IntervalError> {
    check_level(level)?;
    check_count(n)?;
    // 32-bit draws: the same resamples on every platform
    let bound = u32::try_from(n).map_err(|_| IntervalError::TooManyReplicas(n))?;
    if draws < 2 {
        return Err(IntervalError::TooFewDraws { draws });
    }
    let mut chosen: Vec<usize> = (0..n).collect();
    let value = finite("the full sample,", 0, f(&chosen))?;
    let acceleration = acceleration(n, &f)?;

    let mut rng = Pcg64::seed_from_u64(seed);
    let mut estimates = Vec::with_capacity(draws);
    for index in 0..draws {
        chosen
            .iter_mut()
            .for_each(|i| *i = rng.random_range(0..bound) as usize);
        estimates.push(finite("resample", index, f(&chosen))?);
    }
    let standard_error = standard_deviation(&estimates);
    estimates.sort_by(f64::total_cmp);

    let below = estimates.iter().filter(|&&e| e < value).count() as f64;
    let equal = estimates.iter().filter(|&&e| e == value).count() as f64;
    let share = (below + equal / 2.0) / draws as f64;
    if share <= 0.0 || share >= 1.0 {
        return Err(IntervalError::TooFewDraws { draws });
    }
    let normal = Normal::standard();
    let z0 = normal.inverse_cdf(share);
    let limit = |probability: f64| {
        let z = z0 + normal.inverse_cdf(probability);
        let stretch = 1.0 - acceleration * z;
        if stretch <= 0.0 {
            return Err(IntervalError::TooSkewed { acceleration });
        }
        quantile(&estimates, normal.cdf(z0 + z / stretch))
            .ok_or(IntervalError::TooFewDraws { draws })
    };
    Ok(Interval {
        value,
        low: limit((1.0 - level) / 2.0)?,
        high: limit((1.0 + level) / 2.0)?,
        standard_error,
    })
}

/// Efron's acceleration constant from the leave-one-out estimates; 0 when they do not differ.
fn acceleration(n: usize, f: &impl Fn(&[usize]) -> f64) -> Result<f64, IntervalError> {
    let mut rest: Vec<usize> = (1..n).collect();
    let mut parts = Vec::with_capacity(n);
    for i in 0..n {
        parts.push(finite("leave-one-out sample", i, f(&rest))?);
        if let Some(slot) = rest.get_mut(i) {
            *slot = i;
        }
    }
    let deviations = deviations(&parts);
    // scaled by the largest one, so that the powers neither overflow nor vanish
    let scale = deviations.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    if scale == 0.0 {
        return Ok(0.0);
    }
    let (square, cube) = deviations.iter().fold((0.0, 0.0), |(s2, s3), e| {
        let e = -e / scale;
        (s2 + e * e, s3 + e * e * e)
    });
    Ok(cube / (6.0 * square.powf(1.5)))
}

/// Order statistic number `p(B+1)` (from 1) of ascending values, interpolated; `None` beyond the first or the last.
fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let position = p * (sorted.len() as f64 + 1.0) - 1.0;
    if position.is_nan() || position < 0.0 {
        return None;
    }
    let lower = position.floor() as usize;
    let (low, fraction) = (*sorted.get(lower)?, position - lower as f64);
    if fraction == 0.0 {
        return Some(low);
    }
    Some(low + fraction * (sorted.get(lower + 1)? - low))
}

/// `value ± t_{n-1} · error`.
fn student(value: f64, error: f64, n: usize, level: f64) -> Result<Interval, IntervalError> {
    check_level(level)?;
    let (probability, freedom) = ((1.0 + level) / 2.0, n as f64 - 1.0);
    let failure = IntervalError::Quantile {
        probability,
        freedom,
    };
    let reach = student_quantile(probability, freedom).ok_or(failure)? * error;
    Ok(Interval {
        value,
        low: value - reach,
        high: value + reach,
        standard_error: error,
    })
}

fn check_count(n: usize) -> Result<(), IntervalError> {
    if n < 2 {
        Err(IntervalError::TooFewReplicas(n))
    } else {
        Ok(())
    }
}

fn check_level(level: f64) -> Result<(), IntervalError> {
    if level > 0.0 && level < 1.0 {
        Ok(())
    } else {
        Err(IntervalError::Level(level))
    }
}

fn finite(part: &'static str, index: usize, value: f64) -> Result<f64, IntervalError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(IntervalError::NotFinite { part, index, value })
    }
}

/// Mean and standard error of at least two finite samples.
fn mean_and_error(samples: &[f64]) -> Result<(f64, f64), IntervalError> {
    check_count(samples.len())?;
    for (i, &x) in samples.iter().enumerate() {
        finite("sample", i, x)?;
    }
    Ok((
        mean(samples),
        standard_deviation(samples) / (samples.len() as f64).sqrt(),
    ))
}

/// Mean in two passes: the second removes the rounding of the first, so that equal samples have no spread.
fn mean(samples: &[f64]) -> f64 {
    let n = samples.len() as f64;
    let first = samples.iter().map(|x| x / n).sum::<f64>();
    first + samples.iter().map(|x| (x - first) / n).sum::<f64>()
}

fn deviations(samples: &[f64]) -> Vec<f64> {
    let centre = mean(samples);
    samples.iter().map(|x| x - centre).collect()
}

fn standard_deviation(samples: &[f64]) -> f64 {
    let squares: f64 = deviations(samples).iter().map(|e| e * e).sum();
    (squares / (samples.len() as f64 - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};

    const SETS: usize = 2000;

    fn normals(rng: &mut Pcg64, n: usize) -> Vec<f64> {
        (0..n).map(|_| StandardNormal.sample(rng)).collect()
    }

    fn mean_of(values: &[f64], chosen: &[usize]) -> f64 {
        chosen.iter().map(|&i| values[i]).sum::<f64>() / chosen.len() as f64
    }

    fn all_but(n: usize, left_out: Option<usize>) -> Vec<usize> {
        (0..n).filter(|&i| Some(i) != left_out).collect()
    }

    /// Asserts that `hits` of `SETS` agree with `level` at α = 0.001 (two-sided, normal approximation: 3.29 deviations).
    fn assert_coverage(hits: usize, level: f64) {
        let (share, margin) = (
            hits as f64 / SETS as f64,
            3.29 * (level * (1.0 - level) / SETS as f64).sqrt(),
        );
        assert!(
            (share - level).abs() <= margin,
            "covered {share}, wanted {level} ± {margin}"
        );
    }

    /// Ratio data: numerator and denominator of one replica are correlated, the true ratio is 0.45.
    fn ratio_data(rng: &mut Pcg64, n: usize) -> (Vec<f64>, Vec<f64>) {
        let (shared, own) = (normals(rng, n), normals(rng, n));
        let bottom: Vec<f64> = shared.iter().map(|z| 2.0 + 0.4 * z).collect();
        let top = bottom
            .iter()
            .zip(&own)
            .map(|(b, z)| 0.45 * b + 0.1 * z)
            .collect();
        (top, bottom)
    }

    #[test]
    fn a_mean_of_known_samples() {
        let interval = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        assert_eq!(interval.value, 3.0);
        assert!((interval.standard_error - 0.5_f64.sqrt()).abs() < 1e-15);
        assert!((interval.high - (3.0 + 2.7764451051977934 * 0.5_f64.sqrt())).abs() < 1e-8);
        let constant = mean_interval(&[0.1; 7], 0.95).unwrap();
        assert_eq!(
            (constant.low, constant.high, constant.standard_error),
            (0.1, 0.1, 0.0)
        );
    }

    #[test]
    fn the_jackknife_of_a_mean_is_the_t_interval() {
        let mut rng = Pcg64::seed_from_u64(1);
        for n in [2, 3, 20, 100] {
            let values = normals(&mut rng, n);
            let by_t = mean_interval(&values, 0.9).unwrap();
            let by_jackknife =
                jackknife(n, 0.9, |left_out| mean_of(&values, &all_but(n, left_out))).unwrap();
            assert!((by_t.standard_error / by_jackknife.standard_error - 1.0).abs() < 1e-12);
            assert!(
                (by_t.low - by_jackknife.low).abs() < 1e-12
                    && (by_t.high - by_jackknife.high).abs() < 1e-12
            );
        }
    }

    #[test]
    fn the_t_interval_covers_a_mean() {
        let mut rng = Pcg64::seed_from_u64(2);
        for level in [0.8, 0.95] {
            let covers = |_: &usize| {
                mean_interval(&normals(&mut rng, 20), level)
                    .unwrap()
                    .contains(0.0)
            };
            assert_coverage((0..SETS).filter(covers).count(), level);
        }
    }

    #[test]
    fn the_jackknife_covers_a_ratio() {
        let mut rng = Pcg64::seed_from_u64(3);
        let covers = |_: &usize| {
            let (top, bottom) = ratio_data(&mut rng, 20);
            let ratio = |left_out| {
                let chosen = all_but(20, left_out);
                mean_of(&top, &chosen) / mean_of(&bottom, &chosen)
            };
            jackknife(20, 0.95, ratio).unwrap().contains(0.45)
        };
        assert_coverage((0..SETS).filter(covers).count(), 0.95);
    }

    #[test]
    fn bca_covers_a_mean() {
        let mut rng = Pcg64::seed_from_u64(4);
        let covers = |&set: &usize| {
            let values = normals(&mut rng, 100);
            bca_bootstrap(100, 0.95, 800, set as u64, |chosen| {
                mean_of(&values, chosen)
            })
            .unwrap()
            .contains(0.0)
        };
        assert_coverage((0..SETS).filter(covers).count(), 0.95);
    }

    #[test]
    fn bca_covers_a_ratio() {
        let mut rng = Pcg64::seed_from_u64(5);
        let covers = |&set: &usize| {
            let (top, bottom) = ratio_data(&mut rng, 100);
            let ratio = |chosen: &[usize]| mean_of(&top, chosen) / mean_of(&bottom, chosen);
            bca_bootstrap(100, 0.95, 800, set as u64, ratio)
                .unwrap()
                .contains(0.45)
        };
        assert_coverage((0..SETS).filter(covers).count(), 0.95);
    }

    /// What the module says of 20 replicas: P(|t₁₉| < 1.96 √(19/20)) = 0.929.
    #[test]
    fn bca_is_narrow_at_twenty_replicas() {
        let mut rng = Pcg64::seed_from_u64(6);
        let covers = |&set: &usize| {
            let values = normals(&mut rng, 20);
            bca_bootstrap(20, 0.95, 800, set as u64, |chosen| mean_of(&values, chosen))
                .unwrap()
                .contains(0.0)
        };
        assert_coverage((0..SETS).filter(covers).count(), 0.929);
    }

    /// Spatial test data of 26 children, θ the plug-in variance: Efron & Tibshirani, "An introduction to the bootstrap"
    /// (1993), tables 14.1 and 14.2: θ̂ = 171.5, a = .061, 90 % BCa interval (115.8, 259.6) from 2000 draws.
    #[test]
    fn bca_agrees_with_a_published_example() {
        let a: [f64; 26] = [
            48.0, 36.0, 20.0, 29.0, 42.0, 42.0, 20.0, 42.0, 22.0, 41.0, 45.0, 14.0, 6.0, 0.0, 33.0,
            28.0, 34.0, 4.0, 32.0, 24.0, 47.0, 41.0, 24.0, 26.0, 30.0, 41.0,
        ];
        let variance = |chosen: &[usize]| {
            let centre = mean_of(&a, chosen);
            chosen.iter().map(|&i| (a[i] - centre).powi(2)).sum::<f64>() / chosen.len() as f64
        };
        let interval = bca_bootstrap(26, 0.9, 50_000, 7, variance).unwrap();
        assert!((interval.value - 171.5).abs() < 0.05);
        assert!((acceleration(26, &variance).unwrap() - 0.061).abs() < 5e-4);
        assert!((interval.low - 115.8).abs() < 3.0, "{interval:?}");
        assert!((interval.high - 259.6).abs() < 5.0, "{interval:?}");
    }

    #[test]
    fn bca_of_symmetric_data_is_the_percentile_interval() {
        let mut values = normals(&mut Pcg64::seed_from_u64(8), 30);
        values.extend(values.clone().iter().map(|z| -z));
        let mean = |chosen: &[usize]| mean_of(&values, chosen);
        assert!(acceleration(60, &mean).unwrap().abs() < 1e-12);
        let (draws, seed) = (40_000, 9);
        let interval = bca_bootstrap(60, 0.95, draws, seed, mean).unwrap();
        // the percentile interval of the same draws
        let mut rng = Pcg64::seed_from_u64(seed);
        let mut estimates: Vec<f64> = (0..draws)
            .map(|_| {
                mean(
                    &(0..60)
                        .map(|_| rng.random_range(0..60_u32) as usize)
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        estimates.sort_by(f64::total_cmp);
        let percentile = |p| quantile(&estimates, p).unwrap();
        assert!((interval.low - percentile(0.025)).abs() < 0.05 * interval.standard_error);
        assert!((interval.high - percentile(0.975)).abs() < 0.05 * interval.standard_error);
        assert!((interval.low + interval.high).abs() < 0.1 * interval.standard_error);
    }

    #[test]
    fn bca_follows_a_monotone_transformation() {
        let values = normals(&mut Pcg64::seed_from_u64(10), 50);
        let plain = bca_bootstrap(50, 0.95, 1999, 11, |chosen| mean_of(&values, chosen)).unwrap();
        let scaled = bca_bootstrap(50, 0.95, 1999, 11, |chosen| {
            3.0 - 2.0 * mean_of(&values, chosen)
        })
        .unwrap();
        assert!((scaled.low - (3.0 - 2.0 * plain.high)).abs() < 1e-12);
        assert!((scaled.high - (3.0 - 2.0 * plain.low)).abs() < 1e-12);
    }

    #[test]
    fn equal_seeds_give_equal_intervals() {
        let values = normals(&mut Pcg64::seed_from_u64(12), 25);
        let with =
            |seed| bca_bootstrap(25, 0.95, 500, seed, |chosen| mean_of(&values, chosen)).unwrap();
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
        let constant = bca_bootstrap(25, 0.95, 500, 1, |_| 4.0).unwrap();
        assert_eq!(
            (constant.low, constant.high, constant.standard_error),
            (4.0, 4.0, 0.0)
        );
    }

    #[test]
    fn bad_input_is_an_error() {
        assert_eq!(
            mean_interval(&[1.0], 0.95),
            Err(IntervalError::TooFewReplicas(1))
        );
        assert_eq!(standard_error(&[]), Err(IntervalError::TooFewReplicas(0)));
        assert_eq!(
            mean_interval(&[1.0, 2.0], 95.0),
            Err(IntervalError::Level(95.0))
        );
        assert!(matches!(
            mean_interval(&[1.0, 2.0], f64::NAN),
            Err(IntervalError::Level(_))
        ));
        assert!(matches!(
            mean_interval(&[1.0, f64::NAN], 0.95),
            Err(IntervalError::NotFinite { index: 1, .. })
        ));
        let undefined = jackknife(
            5,
            0.95,
            |left_out| if left_out == Some(3) { f64::NAN } else { 1.0 },
        );
        assert!(matches!(
            undefined,
            Err(IntervalError::NotFinite { index: 3, .. })
        ));
        assert_eq!(
            bca_bootstrap(9, 0.95, 1, 0, |_| 1.0),
            Err(IntervalError::TooFewDraws { draws: 1 })
        );
        let first = |chosen: &[usize]| chosen[0] as f64;
        assert_eq!(
            bca_bootstrap(9, 0.95, 10, 0, first),
            Err(IntervalError::TooFewDraws { draws: 10 })
        );
    }
}
