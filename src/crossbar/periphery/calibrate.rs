//! Ranges of output converters from data.

use super::Resolution;

/// By what a range is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RangeRule {
    /// So that the largest |value| rounds to the last level but one: no code is at an end, unless converters add an offset or noise.
    Max,
    /// The |value| that this share of the values, above 0 and up to 1, does not exceed.
    Quantile(f64),
    /// The smallest mean square of what rounding to the nearest level and saturation do together.
    LeastSquares,
}

/// What a range is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One for the whole array.
    Array,
    /// One for each column.
    Column,
}

/// Ranges that are tried between 0 and the largest value by [`RangeRule::LeastSquares`]; the best is then narrowed down between its
/// neighbours.
const TRIED: u32 = 128;

/// The range for these values, in their unit; `None` where all are zero (or there is none), for which every range is as good.
///
/// `resolution` is that of the converter; without one, least squares is the largest value.
///
/// # Panics
/// For a quantile outside (0, 1].
pub fn best_range(values: &[f32], resolution: Option<Resolution>, rule: RangeRule) -> Option<f64> {
    let mut sizes: Vec<f32> = values.iter().map(|v| v.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    let largest = f64::from(*sizes.last()?);
    let chosen = match (rule, resolution) {
        (RangeRule::Max | RangeRule::LeastSquares, None) => largest,
        (RangeRule::Max, Some(resolution)) => {
            // Half a step below the last level, and a little for the rounding of single precision.
            let l = f64::from(resolution.levels());
            largest * l / (l - 0.5) * (1.0 + 1e-5)
        }
        (RangeRule::Quantile(share), _) => {
            assert!(
                share > 0.0 && share <= 1.0,
                "a quantile is above 0 and up to 1, not {share}"
            );
            let rank = (share * sizes.len() as f64).ceil() as usize;
            f64::from(sizes[rank.clamp(1, sizes.len()) - 1])
        }
        (RangeRule::LeastSquares, Some(resolution)) => {
            least_squares(&sizes, largest, f64::from(resolution.levels()))
        }
    };
    // A quantile of values that are mostly zero is zero: no range.
    [chosen, largest].into_iter().find(|r| *r > 0.0)
}

/// The range of the smallest `Σ (v - Q(v))²` over sizes in order.
fn least_squares(sizes: &[f32], largest: f64, levels: f64) -> f64 {
    let error = |range: f64| -> f64 {
        let step = range / levels;
        let of = |v: &f32| {
            let t = f64::from(*v) / step;
            (step * (t - t.round_ties_even().min(levels))).powi(2)
        };
        sizes.iter().map(of).sum()
    };
    let best = |tried: &mut dyn Iterator<Item = f64>| {
        tried
            .map(|r| (error(r), r))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(largest, |(_, r)| r)
    };
    if largest == 0.0 {
        return 0.0;
    }
    let width = largest / f64::from(TRIED);
    let coarse = best(&mut (1..=TRIED).map(|k| f64::from(k) * width));
    best(
        &mut (-16..=16)
            .map(|k| coarse + f64::from(k) * width / 16.0)
            .filter(|r| *r > 0.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{Coordinates, Purpose, Stream};

    fn values(n: u32) -> Vec<f32> {
        let stream = Stream::new(4);
        let at = |cell| Coordinates {
            step: 0,
            cell,
            replica: 0,
            purpose: Purpose::Input,
            index: 0,
        };
        (0..n).map(|k| stream.normal(at(k))).collect()
    }

    #[test]
    fn maximum_and_quantiles() {
        let v = [0.5, -3.0, 1.0, 2.0];
        assert_eq!(best_range(&v, None, RangeRule::Max), Some(3.0));
        assert_eq!(best_range(&v, None, RangeRule::Quantile(0.75)), Some(2.0));
        assert_eq!(best_range(&v, None, RangeRule::Quantile(0.5)), Some(1.0));
        assert_eq!(best_range(&v, None, RangeRule::LeastSquares), Some(3.0));
        let two = best_range(&v, Resolution::bits(3), RangeRule::Max).unwrap();
        assert!((two - 3.0 * 3.0 / 2.5).abs() < 1e-4, "{two}");
        assert_eq!(best_range(&[], None, RangeRule::Max), None);
        assert_eq!(best_range(&[0.0; 3], None, RangeRule::Max), None);
    }

    /// Against the mean square error by quadrature.
    #[test]
    fn least_squares_is_the_best_uniform_quantiser_of_a_normal_number() {
        let v = values(40_000);
        for bits in [2, 3, 4, 6] {
            let resolution = Resolution::bits(bits).unwrap();
            let l = f64::from(resolution.levels());
            let error = |range: f64| {
                let step = range / l;
                // Midpoints of 16 000 cells over eight deviations.
                (0..16_000)
                    .map(|k| {
                        let x = (f64::from(k) + 0.5) * 8.0 / 16_000.0;
                        let q = step * (x / step).round().min(l);
                        (x - q).powi(2) * (-0.5 * x * x).exp()
                    })
                    .sum::<f64>()
            };
            let oracle = (40..600)
                .map(|k| 0.01 * f64::from(k))
                .min_by(|a, b| error(*a).total_cmp(&error(*b)))
                .unwrap();
            let found = best_range(&v, Some(resolution), RangeRule::LeastSquares).unwrap();
            // The minimum is flat: what counts is the error that is reached, to a part in a hundred.
            let (reached, least) = (error(found), error(oracle));
            assert!(reached < 1.01 * least, "{bits}: {found} for {oracle}");
            assert!((found / oracle - 1.0).abs() < 0.1, "{found} for {oracle}");
        }
    }
}
