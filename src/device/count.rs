//! From a requested change to whole pulses: the counting that is written once around every law.

use crate::number::Real;

/// How a requested change, measured in nominal steps, becomes pulses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Counting {
    /// No pulses: the mean response, linear in the request and without cycle-to-cycle noise.
    Expected,
    /// The nearest whole number of pulses; requests below half a step are lost.
    Deterministic,
    /// `⌊m + u⌋` with u uniform on 2²³ values: unbiased to 2⁻²³ of a pulse.
    StochasticRounding,
    /// Coincidences of two random bit trains (Gokmen & Vlasov 2016, <https://doi.org/10.3389/fnins.2016.00333>).
    Coincidence {
        /// Length of the trains, 1 to 32.
        bits: u32,
        /// Whether row and column probabilities are balanced by the largest input and error.
        update_management: bool,
        /// Whether trains are only as long as the largest request of a sample needs, at most `bits`: counts vary less then, as fewer and more probable bits do.
        length_management: bool,
    },
    /// The mean number of these coincidences, rounded at random: what lines cut is cut, without the noise of the trains (as the mean count of
    /// M. J. Rasch et al., AICAS 2021, <https://doi.org/10.1109/AICAS51828.2021.9458494>).
    MeanCount {
        /// Length of the trains.
        bits: u32,
        /// Whether row and column probabilities are balanced by the largest input and error.
        update_management: bool,
    },
}

/// First moments of the number of pulses that a request of `m ≥ 0` nominal steps gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountMoments {
    /// `E n`
    pub mean: f64,
    /// `Var n`
    pub variance: f64,
    /// `E n(n-1)`
    pub factorial: f64,
}

/// `sign(m) ⌊|m| + u⌋`: whole pulses of the request `m`, rounded by the uniform `u` (1/2 rounds to nearest).
#[inline(always)]
pub fn round_request<R: Real>(m: R, u: R) -> R {
    let n = (m.abs() + u).floor();
    R::select_lt(m, R::lit(0.0), R::lit(0.0) - n, n)
}

/// Binary digits of short trains: those of bit trains are short.
pub(super) const SHORT_DIGITS: usize = 5;

/// Binary digits of the longest train in single precision: those that [`Real::select_digit`] tells apart.
pub(super) const SINGLE_DIGITS: usize = 23;

/// A whole number of pulses, `n ≥ 1`, and how many binary digits `n - 1` can have: known before any loop over lanes, so that
/// a loop over digits is unrolled and short where trains are.
#[derive(Debug, Clone, Copy)]
pub struct Count<R> {
    value: R,
    digits: usize,
}

impl<R: Real> Count<R> {
    /// `value` pulses, `1 ≤ value ≤ 2^digits`; at most 23 digits in single precision.
    #[inline(always)]
    pub fn new(value: R, digits: usize) -> Self {
        Self { value, digits }
    }

    /// The number of pulses.
    #[inline(always)]
    pub fn value(&self) -> R {
        self.value
    }

    /// How many binary digits the number less one can have.
    #[inline(always)]
    pub fn digits(&self) -> usize {
        self.digits
    }
}

/// The binary digits of `n - 1`, for a [`Count`] of at most `n` pulses.
#[inline(always)]
pub fn digits(n: u32) -> usize {
    (u32::BITS - n.saturating_sub(1).leading_zeros()) as usize
}

/// What is left of a signed count `n` after `done` pulses, at most `length`.
#[inline(always)]
pub fn piece<R: Real>(n: R, done: R, length: R) -> R {
    let left = (n.abs() - done).max(R::lit(0.0)).min(length);
    R::select_lt(n, R::lit(0.0), R::lit(0.0) - left, left)
}

impl Counting {
    /// Length of the trains whose coincidences are counted, drawn or in the mean, and whether their probabilities are balanced: only products of two
    /// lines are counted so.
    pub fn trains(&self) -> Option<(u32, bool)> {
        match *self {
            Self::Coincidence {
                bits,
                update_management,
                ..
            }
            | Self::MeanCount {
                bits,
                update_management,
            } => Some((bits, update_management)),
            _ => None,
        }
    }

    /// Whether trains are shortened to what a sample needs.
    pub fn shortens(&self) -> bool {
        matches!(
            self,
            Self::Coincidence {
                length_management: true,
                ..
            }
        )
    }

    /// Moments of the count for a request of `m ≥ 0` nominal steps.
    #[inline(always)]
    pub fn moments(&self, m: f64) -> CountMoments {
        match *self {
            Self::Expected => CountMoments {
                mean: m,
                variance: 0.0,
                factorial: 0.0,
            },
            Self::Deterministic => {
                let n = (m + 0.5).floor();
                CountMoments {
                    mean: n,
                    variance: 0.0,
                    factorial: n * (n - 1.0),
                }
            }
            Self::StochasticRounding => {
                let f = m - m.floor();
                let variance = f * (1.0 - f);
                CountMoments {
                    mean: m,
                    variance,
                    factorial: m * m + variance - m,
                }
            }
            Self::MeanCount { bits, .. } => {
                Self::StochasticRounding.moments(m.min(f64::from(bits)))
            }
            Self::Coincidence { bits, .. } => {
                let bits = f64::from(bits);
                let p = (m / bits).min(1.0);
                CountMoments {
                    mean: bits * p,
                    variance: bits * p * (1.0 - p),
                    factorial: bits * (bits - 1.0) * p * p,
                }
            }
        }
    }

    /// `E f(n)` over the count for a request of `m ≥ 0` nominal steps; the binomial tail below 1e-14 is cut.
    /// [`Counting::Expected`] has no counts: `f` of the nearest one.
    pub fn average(&self, m: f64, f: impl Fn(u32) -> f64) -> f64 {
        match *self {
            Self::Expected | Self::Deterministic => f((m + 0.5).floor() as u32),
            Self::StochasticRounding => {
                let (n, part) = (m.floor() as u32, m - m.floor());
                (1.0 - part) * f(n) + part * f(n + 1)
            }
            Self::MeanCount { bits, .. } => {
                Self::StochasticRounding.average(m.min(f64::from(bits)), f)
            }
            Self::Coincidence { bits, .. } => {
                let p = (m / f64::from(bits)).min(1.0);
                if p == 1.0 {
                    return f(bits);
                }
                let mut probability = (1.0 - p).powi(bits as i32);
                let mut sum = 0.0;
                for n in 0..=bits {
                    sum += probability * f(n);
                    probability *= f64::from(bits - n) / f64::from(n + 1) * p / (1.0 - p);
                    if probability < 1e-14 && f64::from(n) > m {
                        break;
                    }
                }
                sum
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distribution() {
        let schemes = [
            Counting::Deterministic,
            Counting::StochasticRounding,
            Counting::Coincidence {
                bits: 31,
                update_management: false,
                length_management: false,
            },
            Counting::MeanCount {
                bits: 10,
                update_management: true,
            },
        ];
        for scheme in schemes {
            for m in [0.0, 0.2, 0.7, 1.0, 2.5, 17.3] {
                let e = |f: &dyn Fn(f64) -> f64| scheme.average(m, |n| f(f64::from(n)));
                let moments = scheme.moments(m);
                // The binomial tail below 1e-14 is cut.
                assert!((e(&|_| 1.0) - 1.0).abs() < 1e-11, "{scheme:?} {m}");
                assert!((e(&|n| n) - moments.mean).abs() < 1e-10, "{scheme:?} {m}");
                let variance = e(&|n| (n - moments.mean).powi(2));
                assert!((variance - moments.variance).abs() < 1e-9);
                assert!((e(&|n| n * (n - 1.0)) - moments.factorial).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn rounding_is_symmetric_and_keeps_whole_numbers() {
        for n in [-3.0_f32, -1.0, 0.0, 2.0, 4095.0] {
            assert_eq!(round_request(n, 0.25), n);
        }
        assert_eq!(round_request(0.7_f32, 0.31), 1.0);
        assert_eq!(round_request(-0.7_f32, 0.29), 0.0);
    }
}
