//! Exponential: conductance saturates exponentially with the number of pulses, in a window that a given number of them crosses.
//!
//! # Equation
//! `G(P) = B (1 - e^{-P/A}) + G_min`, `B = (G_max - G_min)/(1 - e^{-P_max/A})`, walked forwards by potentiation and backwards by
//! depression, each along its own curve. With `x = (s - l)/(u - l)`, the curvature `k = P_max/A` and `h = 1/P_max` one pulse makes
//! exactly `d₊ = (u - l) κ₊ (β₊ - x)`, `κ₊ = 1 - e^{-k₊ h₊}`, `β₊ = 1/(1 - e^{-k₊})`, and
//! `d₋ = -(u - l) (e^{k₋ h₋} - 1)(β₋ - x)`, `β₋ = 1/(1 - e^{-k₋})`.
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | `h₊ (u - l)` | `step` | S, or fraction of the window: the window over the pulses that potentiation needs to cross it |
//! | l, u | `lower`, `upper` | S, or position in the window |
//! | NL₊ | `label-potentiation` | – : the nonlinearity label that k₊ follows from |
//! | NL₋ | `label-depression` | – : the nonlinearity label that k₋ follows from |
//! | `h₋/h₊` | `depression-ratio` | – : potentiating over depressing pulses that cross the window |
//!
//! # Behaviour
//! The label is a multiple of the largest distance between curve and straight line,
//! `NL = 10.10152 [B - (1 + ln(k B))/k]`, `B = 1/(1 - e^{-k})`, for k > 0 and odd in k ([`curvature`] inverts it). Label 0 is the
//! constant step. Depression of a negative label is soft: `d₋ ∝ x + 1/(e^{|k₋|} - 1)`. One of a *positive* label runs away
//! from the unstable state `β₋ > 1`, slowly at the top and faster below. The step is affine in s, so trains are closed-form and
//! exact: P pulses from the lower bound end at the upper one. With rates k/P in place of κ (infinitely fine pulses)
//! the symmetric point solves `k₊ (β₊ - x) = k₋ (β₋ - x) h₋/h₊`.
//!
//! # Reference
//! Chen, Peng & Yu, IEEE TCAD 37, 3067 (2018), <https://doi.org/10.1109/TCAD.2018.2789723>.
//!
//! # Differences
//! NeuroSim looks labels up in a table of 900 rounded values of A; the closed form agrees with it to its rounding. NeuroSim always
//! stops at the ends of the window (`bounds = "hard"`). aihwkit's soft bounds are the same curve: its weight saturates at
//! `β₊`, and limiting the number of pulses (`p_max`) instead of the bound is this form. Spread of a nonlinearity is drawn on the
//! label, as NeuroSim does, and converted after that.

use super::affine::affine_train;
use super::count::Count;
use super::cycle_noise::CycleNoise;
use super::law::{AnyLaw, Kind, LOWER, Law, OWN, Parameter, Pulse, STEP, UPPER};
use crate::number::Real;

/// `d₊ ∝ β₊ - x`, `d₋ ∝ -(β₋ - x)`: whole pulses along `G(P) = B (1 - e^{-P/A}) + G_min`.
#[derive(Debug, Clone, Copy)]
pub struct Exponential;

/// `(eʸ - 1)/y`, which is 1 at 0.
#[inline(always)]
fn growth<R: Real>(y: R) -> R {
    // So small a number gives 1 to the last digit of every precision, and has a quotient.
    let y = R::select_lt(y.abs(), R::lit(1e-20), R::lit(1e-20), y);
    y.exp_m1() / y
}

impl Exponential {
    /// The mean change at s and its slope κ, for pulses of the size `σ h (u - l)` on the curve of curvature k:
    /// `σ h (u - l) g(-kσh) (1/g(-k) - k x)` with `g(y) = (eʸ - 1)/y`, in which no curvature is divided by.
    #[inline(always)]
    fn along<R: Real>(p: &[R], s: R, size: R, k: R) -> (R, R) {
        let width = p[UPPER] - p[LOWER];
        let size = size * growth(-(k * (size / width)));
        let kappa = k * (size / width);
        let first = size / growth(-k);
        (kappa.mul_add(p[LOWER] - s, first), kappa)
    }

    #[inline(always)]
    fn change_and_slope<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> (R, R) {
        let (step, ratio) = (p[STEP], p[OWN + 2]);
        // Both curves first: what does not depend on the state is computed once where cells are equal.
        let up = Self::along(p, s, step, p[OWN]);
        let down = Self::along(p, s, -(step * ratio), p[OWN + 1]);
        (pulse.choose(up.0, down.0), pulse.choose(up.1, down.1))
    }
}

/// The largest label: NeuroSim's table ends there.
const MOST_LABEL: f64 = 9.0;

const fn label(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Label,
        least: -MOST_LABEL,
        most: MOST_LABEL,
        meaning,
    }
}

impl Law for Exponential {
    const NAME: &'static str = "exponential";
    const PARAMETERS: &'static [Parameter] = &[
        label(
            "label-potentiation",
            "nonlinearity label of potentiation, 0 for constant steps",
        ),
        label(
            "label-depression",
            "nonlinearity label of depression: negative where steps shrink towards the lower bound",
        ),
        Parameter {
            name: "depression-ratio",
            kind: Kind::Ratio,
            least: 0.01,
            most: 100.0,
            meaning: "potentiating pulses over depressing pulses that cross the window",
        },
    ];

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        Self::change_and_slope(p, s, pulse).0
    }

    #[inline(always)]
    fn train<R: Real>(
        p: &[R],
        s: R,
        pulse: &Pulse<R>,
        n: &Count<R>,
        noise: &CycleNoise<R>,
    ) -> Option<(R, R)> {
        let (change, kappa) = Self::change_and_slope(p, s, pulse);
        Some(affine_train(s, change, kappa, p[STEP], n, noise))
    }
}

/// The parameters of whole cells as the law takes them: labels become curvatures.
pub(super) fn in_cells(law: &dyn AnyLaw, parameters: &[f64]) -> Vec<f64> {
    let mut out = parameters.to_vec();
    let own = law.parameters().iter().enumerate();
    for (k, _) in own.filter(|(_, p)| p.kind == Kind::Label) {
        let (width, mut last) = (OWN + law.parameters().len(), (0.0, 0.0));
        for value in out.iter_mut().skip(OWN + k).step_by(width) {
            // Equal cells are converted once.
            if *value != last.0 {
                last = (*value, curvature(*value));
            }
            *value = last.1;
        }
    }
    out
}

/// Labels per largest distance between curve and straight line, in windows.
const LABEL_SCALE: f64 = 10.101_52;

/// Nonlinearity label of the curvature `k = P_max/A`: 10.10152 times the largest distance between `G(P)` and the straight line, in
/// windows, with the sign of k.
pub fn label_of(curvature: f64) -> f64 {
    let k = curvature.abs();
    let gap = if k < 0.05 {
        // The closed form loses digits to cancellation as 8 ε/k²; the next term of this series is below 1e-12.
        let square = k * k;
        k * (1.0 / 8.0 - square * (1.0 / 576.0 - square / 25_920.0))
    } else {
        let b = -1.0 / (-k).exp_m1();
        b - (1.0 + (k * b).ln()) / k
    };
    LABEL_SCALE * gap.copysign(curvature)
}

/// Curvature `k = P_max/A` of a nonlinearity label between -9 and 9; beyond, that of the nearest one.
pub fn curvature(label: f64) -> f64 {
    if label == 0.0 {
        return 0.0;
    }
    let wanted = label.abs().min(MOST_LABEL);
    // The label grows with the curvature, and is 9.28 at 64. Halving 80 times leaves nothing of an interval of that size.
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if label_of(middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    (0.5 * (low + high)).copysign(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NeuroSim's table gives A in windows of pulses, 1/k, which it prints for these two labels as 0.5 and -0.2.
    #[test]
    fn labels_give_the_published_curvatures() {
        for (label, norm_a) in [(2.4, 0.5), (-4.88, -0.2)] {
            let a = 1.0 / curvature(label);
            assert!((a - norm_a).abs() < 1e-3, "{label}: {a}");
        }
        // Curvatures to four decimals.
        for (label, k) in [
            (2.4, 2.0033),
            (-4.88, -4.9924),
            (1.85, 1.5107),
            (-1.79, -1.4588),
            (0.66, 0.5247),
            (-0.69, -0.5487),
            (3.68, 3.3262),
            (-6.76, -9.9750),
            (1.94, 1.5892),
            (-0.61, -0.4847),
            (0.5, 0.3968),
            (0.04, 0.0317),
            (-0.63, -0.5007),
            (1.75, 1.4243),
            (1.46, 1.1783),
            (1.0, 0.7989),
            (0.2, 0.1584),
        ] {
            let found: f64 = curvature(label);
            assert!((found - k).abs() <= 5.1e-5, "{label}: {found} and not {k}");
        }
    }

    /// The label of a curve is 10.10152 times its largest distance from the straight line, here searched for on a grid: the
    /// distance is flat at its maximum, so a grid of 1e-5 misses it by less than 64²/8 · 1e-10 = 5e-8.
    #[test]
    fn a_label_is_the_distance_from_the_straight_line() {
        for k in [0.01_f64, 0.049, 0.051, 0.5, 3.0, 10.0, 40.0] {
            let distance = (0..=100_000)
                .map(|i| f64::from(i) * 1e-5)
                .map(|x| (-k * x).exp_m1() / (-k).exp_m1() - x)
                .fold(0.0, f64::max);
            assert!((label_of(k) / LABEL_SCALE - distance).abs() < 1e-7, "{k}");
            assert_eq!(label_of(-k), -label_of(k));
        }
    }

    #[test]
    fn curvature_inverts_the_label() {
        for k in -90..=90 {
            let label = f64::from(k) / 10.0;
            assert!((label_of(curvature(label)) - label).abs() < 1e-12 * 9.0);
        }
        assert_eq!(curvature(0.0), 0.0);
        assert_eq!(curvature(-12.0), curvature(-9.0));
        // Series and closed form meet: 8 ε/k² is 7e-13 there.
        let (below, above) = (label_of(0.05 * (1.0 - 1e-9)), label_of(0.05));
        assert!(
            (above / below - 1.0 - 1e-9).abs() < 2e-12,
            "{below} {above}"
        );
    }

    #[test]
    fn growth_is_continuous_at_zero() {
        for y in [0.0, 1e-300, 1e-21, -1e-21, 1e-9, -1e-9] {
            assert!((growth(y) - (1.0 + 0.5 * y)).abs() < 1e-15, "{y}");
        }
        assert_eq!(growth(0.0_f32), 1.0);
        assert_eq!(growth(-1e-30_f32), 1.0);
    }
}
