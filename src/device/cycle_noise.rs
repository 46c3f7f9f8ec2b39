//! Cycle-to-cycle noise: how far a pulse misses its mean change.

use super::count::SHORT_DIGITS;
use crate::document::{Rule, Section};
use crate::number::Real;

/// Cycle-to-cycle noise: each pulse misses its mean change d by a Gaussian.
///
/// # Equation
/// Variance `A² + M²` with `A = step · max(additive + state-slope · s, 0)` and `M = multiplicative · |d|`; `(A + M)²` where both kinds
/// are `correlated`: one random number makes them, so that deviations add up and not variances. (Beyond a bound, where a pulse goes back, M
/// counts as negative then.)
///
/// # Behaviour
/// Without `state-slope` and correlation, trains have closed forms where the law has; with them, trains of every law are expanded, as
/// far as that is accurate. The noise is that of the *state*: behind a readout, conductances have it bent.
///
/// # Reference
/// Affine in the state, with correlated kinds: phase-change memory as in Nandakumar et al., Front. Neurosci. 14, 406 (2020),
/// <https://doi.org/10.3389/fnins.2020.00406>.
///
/// # Differences
/// aihwkit's exponential step has `σ = dw_min_std (|Δw| + dw_min_std_add + dw_min_std_slope |w|)` in weights: here `correlated`, with
/// `additive = dw_min_std · dw_min_std_add` in steps and `state-slope` likewise, exactly where the lower bound of the weights is 0. Its
/// additive part does not follow each cell's own step, and its slope follows |w|, which in a window about zero is no position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CycleNoise<R> {
    additive: R,
    multiplicative: R,
    slope: R,
    correlated: bool,
    /// Which kinds there are: known before any loop, so that loops leave out what is not there.
    kinds: Kinds,
    /// Whether the noise of a pulse changes the noise of later ones by so much that it matters in short trains.
    feedback: bool,
}

/// Which kinds of noise there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds {
    /// The same everywhere in the window.
    pub additive: bool,
    /// Follows the mean change.
    pub multiplicative: bool,
    /// Follows the state, or adds up by deviations: then there are both others.
    pub affine: bool,
}

/// How a later pulse of a train differs from the first.
pub(super) struct Later<R> {
    /// Sign of all pulses of the train.
    pub polarity: R,
    /// How far the mean state has moved.
    pub moved: R,
    /// Its mean change less that of the first.
    pub change: R,
    /// Slope of its mean change in the state.
    pub slope: R,
    /// Variance of the state.
    pub variance: R,
}

impl<R: Real> CycleNoise<R> {
    /// `additive`: standard deviation relative to the cell's nominal step, the same everywhere in the window.
    /// `multiplicative`: relative to the mean change at the present state.
    pub fn new(additive: f64, multiplicative: f64) -> Self {
        Self {
            additive: R::lit(additive),
            multiplicative: R::lit(multiplicative),
            slope: R::lit(0.0),
            correlated: false,
            kinds: Kinds {
                additive: additive != 0.0,
                multiplicative: multiplicative != 0.0,
                affine: false,
            },
            feedback: true,
        }
    }

    /// The same noise, its additive deviation growing by `slope` nominal steps from the lower to the upper end of the nominal window
    /// (positions 0 and 1), and both kinds from one random number where `correlated`.
    pub fn along_window(self, slope: f64, correlated: bool) -> Self {
        let kinds = self.kinds;
        let affine = slope != 0.0 || correlated && kinds.additive && kinds.multiplicative;
        Self {
            slope: R::lit(slope),
            correlated,
            kinds: if affine { Kinds::AFFINE } else { kinds },
            ..self
        }
    }

    /// The same noise for cells whose steps have these slopes κ in the state.
    ///
    /// The step that follows a pulse feels that pulse's noise through the slope of the law: after n pulses the variance is
    /// `1 + (n - 1) ε/2 + …` times larger than without, `ε = (σ_m κ/(1 - κ))²`. Where that is, in the mean over cells, less than
    /// 10⁻³ for the longest short train (a standard deviation wrong by 5·10⁻⁴ of itself), short trains leave it out. Noise that follows
    /// the state always keeps it.
    pub fn for_slopes(self, slopes: impl Iterator<Item = f64>) -> Self
    where
        R: Into<f64>,
    {
        let (mut cells, mut squares) = (0.0, 0.0);
        for slope in slopes {
            let ratio = self.multiplicative.into() * slope / (1.0 - slope).max(0.0);
            squares += ratio * ratio;
            cells += 1.0;
        }
        let longest = f64::from(1_u32 << SHORT_DIGITS);
        let growth = 0.5 * (longest - 1.0) * squares / f64::max(cells, 1.0);
        let negligible = growth < 1e-3 && !self.kinds.affine;
        Self {
            feedback: !negligible,
            ..self
        }
    }

    /// Which kinds there are.
    pub(super) fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// The same noise, of which it is known what there can be, and perhaps whether it feeds back.
    #[inline(always)]
    pub(super) fn known(self, kinds: Kinds, feedback: Option<bool>) -> Self {
        Self {
            kinds,
            feedback: feedback.unwrap_or(self.feedback),
            ..self
        }
    }

    /// The same noise in another number.
    #[inline(always)]
    pub(super) fn cast<T: Real>(&self) -> CycleNoise<T>
    where
        R: Into<f64>,
    {
        CycleNoise {
            additive: T::lit(self.additive.into()),
            multiplicative: T::lit(self.multiplicative.into()),
            slope: T::lit(self.slope.into()),
            correlated: self.correlated,
            kinds: self.kinds,
            feedback: self.feedback,
        }
    }

    /// Whether noise of a pulse changes that of later ones by so much that it matters in trains of at most 32 pulses. In longer ones
    /// it always may.
    #[inline(always)]
    pub fn feeds_back(&self) -> bool {
        self.feedback
    }

    /// Standard deviation relative to the nominal step, at position 0.
    #[inline(always)]
    pub fn additive(&self) -> R {
        self.additive
    }

    /// Standard deviation relative to the mean change.
    #[inline(always)]
    pub fn multiplicative(&self) -> R {
        self.multiplicative
    }

    /// By how much the deviation relative to the nominal step grows over the nominal window.
    #[inline(always)]
    pub fn state_slope(&self) -> R {
        self.slope
    }

    /// Whether one random number makes both kinds.
    #[inline(always)]
    pub fn correlated(&self) -> bool {
        self.correlated
    }

    /// Whether trains of laws that have a closed form keep it.
    #[inline(always)]
    pub(super) fn has_trains(&self) -> bool {
        !self.kinds.affine
    }

    /// Whether it follows the state or adds up by deviations.
    #[inline(always)]
    pub fn is_affine(&self) -> bool {
        self.kinds.affine
    }

    /// Whether there is any.
    pub fn is_noisy(&self) -> bool {
        self.kinds.additive || self.kinds.multiplicative
    }

    /// Variances of the additive and the multiplicative kind; each is computed only where it exists.
    #[inline(always)]
    pub fn sum(&self, additive: impl FnOnce() -> R, multiplicative: impl FnOnce() -> R) -> R {
        match [self.kinds.additive, self.kinds.multiplicative] {
            [false, false] => R::lit(0.0),
            [true, false] => additive(),
            [false, true] => multiplicative(),
            [true, true] => additive() + multiplicative(),
        }
    }

    /// The additive deviation at state `s` in steps, before it stops at zero.
    #[inline(always)]
    fn in_steps(&self, s: R) -> R {
        self.slope.mul_add(s, self.additive)
    }

    /// Variance of the change by one pulse of the sign of `polarity` whose mean is `change`, at state `s` of a cell of nominal step
    /// `step`.
    #[inline(always)]
    pub fn variance(&self, step: R, s: R, change: R, polarity: R) -> R {
        if self.kinds.affine {
            let additive = step * self.in_steps(s).max(R::lit(0.0));
            if self.correlated {
                return self.signed(polarity).mul_add(change, additive).square();
            }
            return additive.square() + (self.multiplicative * change).square();
        }
        self.sum(
            #[inline(always)]
            || (self.additive * step).square(),
            #[inline(always)]
            || (self.multiplicative * change).square(),
        )
    }

    /// The multiplicative deviation over the mean change, with the sign that makes it positive.
    #[inline(always)]
    fn signed(&self, polarity: R) -> R {
        let zero = R::lit(0.0);
        R::select_lt(zero, polarity, self.multiplicative, -self.multiplicative)
    }

    /// Slope of the additive deviation in the state.
    #[inline(always)]
    fn along(&self, step: R, s: R) -> R {
        let zero = R::lit(0.0);
        R::select_lt(self.in_steps(s), zero, zero, step * self.slope)
    }

    /// By how much the variance of a pulse grows with the variance of the state, through the slopes of both deviations:
    /// `σ'²`, where `slope` is that of the mean change.
    #[inline(always)]
    pub(super) fn fed_back(&self, step: R, s: R, slope: R, polarity: R) -> R {
        if !self.kinds.affine {
            return (self.multiplicative * slope).square();
        }
        let (along, signed) = (self.along(step, s), self.signed(polarity));
        if self.correlated {
            signed.mul_add(slope, along).square()
        } else {
            along.square() + (signed * slope).square()
        }
    }

    /// The variance of a later pulse less that of the first, whose mean change was `first` at state `s`: a small number, without the
    /// rounding of the large ones.
    #[inline(always)]
    pub(super) fn growth(&self, step: R, s: R, first: R, later: &Later<R>) -> R {
        let Later {
            polarity,
            moved,
            change,
            slope,
            variance,
        } = *later;
        if !self.kinds.affine {
            return self.sum(
                #[inline(always)]
                || R::lit(0.0),
                #[inline(always)]
                || {
                    let squares = change * (first + first + change);
                    let squares = if self.feedback {
                        slope.square().mul_add(variance, squares)
                    } else {
                        squares
                    };
                    self.multiplicative.square() * squares
                },
            );
        }
        let (along, signed) = (self.along(step, s), self.signed(polarity));
        let additive = step * self.in_steps(s).max(R::lit(0.0));
        let multiplicative = signed * first;
        let (more, bent) = (along * moved, signed * change);
        // `(x + δ)² - x²`
        let square = |x: R, more: R| more * (x + x + more);
        let grown = if self.correlated {
            square(additive + multiplicative, more + bent)
        } else {
            square(additive, more) + square(multiplicative, bent)
        };
        self.fed_back(step, s, slope, polarity)
            .mul_add(variance, grown)
    }
}

impl CycleNoise<f64> {
    /// Reads `[cycle-to-cycle]`.
    pub(super) fn parse(section: &Section) -> Self {
        let additive = section.number("additive", Rule::NonNegative);
        let multiplicative = section.number("multiplicative", Rule::NonNegative);
        let slope = section.optional_number("state-slope", Rule::Any);
        let correlated = section.optional_bool("correlated").unwrap_or(false);
        let slope = slope.unwrap_or(0.0);
        if additive + slope < 0.0 {
            section.violation(
                "state-slope",
                format!(
                    "the deviation at the upper end of the window, additive + state-slope, is {} and must not be negative",
                    additive + slope
                ),
                format!("at least -additive, {}", -additive),
            );
        }
        Self::new(additive, multiplicative).along_window(slope, correlated)
    }

    /// Standard deviation of a pulse of the nominal size in the middle of the window, in nominal steps.
    pub fn in_the_middle(&self) -> f64 {
        self.variance(1.0, 0.5, 1.0, 1.0).sqrt()
    }

    /// Where the additive deviation stops at zero.
    pub(super) fn kink(&self) -> Option<f64> {
        (self.slope != 0.0).then(|| -self.additive / self.slope)
    }
}

impl Kinds {
    /// Noise that follows the state or adds up by deviations.
    pub const AFFINE: Self = Self {
        additive: true,
        multiplicative: true,
        affine: true,
    };

    /// Noise of these kinds whose variances add up.
    pub const fn plain(additive: bool, multiplicative: bool) -> Self {
        Self {
            additive,
            multiplicative,
            affine: false,
        }
    }
}
