//! What stands between digital vectors and the array: converters at both ends, and the digital management of their ranges.
//!
//! One converter drives each input and one digitises each output of a read. An output is the weighted sum after the analog subtraction of
//! its reference (the current of the reference conductances, or of the other column of a pair), so outputs, their range and their noise are
//! in units of the weighted sum of inputs as they are *driven*. Transposed reads pass converters of their own, of the same kinds.

mod adc;
mod calibrate;
mod compensate;
mod dac;
mod manage;
mod mismatch;
mod read;
#[cfg(test)]
mod tests;

pub use self::adc::{Adc, AdcKind};
pub use self::calibrate::{RangeRule, Scope, best_range};
pub use self::compensate::{Compensation, Response};
pub use self::dac::{Dac, Input};
pub(super) use self::manage::largest;
pub use self::manage::{BoundManagement, NoiseManagement};
pub use self::mismatch::Errors;
pub(super) use self::read::{Array, Converters, Driven};

/// Converters and their management. The default is ideal: inputs and outputs pass as they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Periphery {
    /// What drives the inputs.
    pub dac: Dac,
    /// What digitises the outputs.
    pub adc: Adc,
    /// How inputs are scaled to the range of the converters.
    pub noise_management: NoiseManagement,
    /// What happens when outputs saturate.
    pub bound_management: BoundManagement,
}

impl Periphery {
    /// Whether reads pass as they are.
    pub fn is_ideal(&self) -> bool {
        *self == Self::default()
    }

    /// # Panics
    /// For successive approximation of fewer than 2 or more than 16 bits, and bit-serial inputs without levels.
    pub(super) fn assert_possible(&self) {
        if let AdcKind::Sar { bits, .. } = self.adc.kind {
            assert!(
                Resolution::bits(bits).is_some(),
                "a converter of {bits} bits: 2 to 16 are possible"
            );
        }
        let serial = self.dac.input == Input::BitSerial;
        assert!(
            !serial || self.dac.resolution.is_some(),
            "inputs without levels have no bit planes"
        );
    }
}

/// Steps of a converter on each side of zero: levels `-L … L`, zero among them, and `range = L` steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution(u32);

impl Resolution {
    /// `L = 2^(bits-1) - 1`: of the 2^bits codes the lowest is not used, so that levels are symmetric. `None` for fewer than 2 bits or
    /// more than 16, where single precision would run out.
    ///
    /// ```
    /// use memridge::crossbar::Resolution;
    ///
    /// // 7 bits are the 2^7 - 2 steps of the RPU literature.
    /// assert_eq!(Resolution::bits(7), Resolution::steps(126));
    /// ```
    pub fn bits(bits: u32) -> Option<Self> {
        (2..=16)
            .contains(&bits)
            .then(|| Self((1 << (bits - 1)) - 1))
    }

    /// This many steps from one end of the range to the other, an even number from 2 to 65534.
    pub fn steps(steps: u32) -> Option<Self> {
        (steps.is_multiple_of(2) && (2..=65_534).contains(&steps)).then_some(Self(steps / 2))
    }

    /// Steps on each side of zero.
    pub fn levels(self) -> u32 {
        self.0
    }

    /// Binary digits of the largest level.
    pub fn digits(self) -> u32 {
        self.0.ilog2() + 1
    }
}

/// How a number between two levels is brought to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rounding {
    /// To the nearest; from the middle to the even one.
    #[default]
    Nearest,
    /// Up or down at random, right on average.
    Stochastic,
}

/// Which way an array is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Inputs on rows.
    Forward,
    /// Inputs on columns.
    Transposed,
}

/// What the converters of a stack have done so far, over all its crossbars, whether converters are ideal or not.
///
/// Exact. Reads of calibration and of drift compensation are included; refreshes of one-sided pairs look at single cells and are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Vectors that were put on an array: one a sample, or one a bit plane and sample.
    pub reads: u64,
    /// Those among the reads that bound management asked for.
    pub repeated: u64,
    /// Inputs converted, one an input and read.
    pub dac: u64,
    /// Outputs converted, one an output and read.
    pub adc: u64,
    /// Conversions at an end of the range whose results were used.
    pub saturated: u64,
    /// Digital additions of partial sums of tiles.
    pub additions: u64,
}

/// How numbers become levels, in a loop: a type, so that no loop decides.
trait Round {
    /// `t` in steps; `u` uniform in (0, 1), ignored by most.
    fn round(t: f32, u: f32) -> f32;
}

/// [`Rounding::Nearest`].
struct Nearest;

/// [`Rounding::Stochastic`].
struct Stochastic;

/// Infinite resolution.
struct Continuous;

impl Round for Nearest {
    #[inline(always)]
    fn round(t: f32, _: f32) -> f32 {
        t.round_ties_even()
    }
}

impl Round for Stochastic {
    /// Not `⌊t + u⌋`, which single precision would round up to the next level now and then.
    #[inline(always)]
    fn round(t: f32, u: f32) -> f32 {
        let low = t.floor();
        low + if u < t - low { 1.0 } else { 0.0 }
    }
}

impl Round for Continuous {
    #[inline(always)]
    fn round(t: f32, _: f32) -> f32 {
        t
    }
}

/// `t` within `-limit … limit`. Two choices and not `clamp`, which may panic and keeps loops from becoming vectors.
#[inline(always)]
fn cut(t: f32, limit: f32) -> f32 {
    let t = if t > limit { limit } else { t };
    if t < -limit { -limit } else { t }
}
