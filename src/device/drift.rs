//! Drift: conductances that change with the logarithm of the time since the last pulse.

use std::sync::Arc;

use super::arrhenius::Arrhenius;
use super::cells::{Cells, Window};
use super::dependence::Dependence;
use super::kernel::bounded;
use super::law::{Cell, LOWER, UPPER};
use crate::document::{NumberOr, Rule, Section};
use crate::number::Real;
use crate::units::{Seconds, Siemens};

/// What the conductance of a cell does while no pulse comes, by its age: the time since its last pulse, or since it was written.
///
/// # Equations
/// With `l(a) = ln(max(a, t₀)/t₀)` of the age a, and g₀ the conductance at age zero,
///
/// `power-law`: `g(a) = g₀ e^{-ν l(a)} = g₀ (a/t₀)^{-ν}`, `ν = |μ(g₀) + σ(g₀) z|`
///
/// `logarithmic`: `g(a) = g₀ - A l(a) + (S + B l(a)) ξ(a)`
///
/// # Symbols
/// | symbol | key | unit |
/// | --- | --- | --- |
/// | t₀ | `onset` | s |
/// | μ, σ | `exponent`, `deviation`: [`Dependence`] on g₀ | |
/// | A | `shift` | S, or a part of g₀ |
/// | S | `deviation` | S, or a part of g₀ |
/// | B | `growth` | S, or a part of g₀ |
///
/// # Behaviour
/// Nothing is known before the first measurement at t₀, and nothing moves. A pulse makes a cell young again: its conductance then is the g₀
/// of what follows, and whatever it wandered before stays.
///
/// z is a standard normal number of each cell and replica, the same after every pulse: cells differ in their luck, and their exponents follow
/// g₀. ξ(a) is standard normal at every age: the logarithmic form is a walk whose steps are independent, with the difference of the variances
/// `(S + B l)²` as their variance, so a long wait and many short ones have the same distribution. S comes all at once, at the age t₀.
///
/// Both start again from g₀ at every look and add nothing up but the walk, so waiting twice is waiting once to rounding. The age
/// itself is a compensated sum: any number of short steps.
///
/// Hard bounds stop what drifts as they stop what is pulsed.
///
/// # References
/// Nandakumar et al., ICECS 2019, <https://doi.org/10.1109/ICECS46596.2019.8964852> (power law with a distribution of exponents, phase-change
/// memory). Falcone et al. 2025, <https://arxiv.org/abs/2502.04524> (mean and deviation linear in ln t, oxide ReRAM).
///
/// # Differences from other simulators
/// aihwkit draws ν and ξ anew when an array is programmed, and only for inference; it writes ln t for the logarithmic form, which is t₀ = 1 s.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// t₀ in seconds, at the temperature of the cells.
    pub onset: f64,
    /// Which form.
    pub form: DriftForm,
    /// What heat did to t₀.
    pub arrhenius: Option<Arrhenius>,
}

/// The form of a [`Drift`].
#[derive(Debug, Clone, PartialEq)]
pub enum DriftForm {
    /// A power of the age.
    PowerLaw {
        /// Mean exponent μ.
        exponent: Dependence,
        /// Its deviation σ from cell to cell.
        deviation: Dependence,
    },
    /// Steps in the logarithm of the age.
    Logarithmic {
        /// Loss A for each factor e of the age.
        shift: Amount,
        /// Deviation S at t₀.
        deviation: Amount,
        /// What a factor e of the age adds to it, B.
        growth: Amount,
    },
}

/// A change of conductance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// In siemens.
    Absolute(f64),
    /// A part of the conductance at age zero.
    Relative(f64),
}

impl Amount {
    fn parse(section: &Section, key: &str, rule: Rule) -> Self {
        match section.number_or_quantity::<Siemens>(key, rule) {
            NumberOr::Number(v) => Self::Relative(v),
            NumberOr::Quantity(g) => Self::Absolute(g.value()),
        }
    }

    /// In parts of the window, for a cell that was at position `origin`.
    #[inline(always)]
    fn at<R: Real>(self, window: Window, origin: R) -> R {
        match self {
            Self::Absolute(g) => R::lit(g / window.span()),
            Self::Relative(part) => R::lit(part) * (origin + R::lit(window.zero())),
        }
    }
}

impl Window {
    /// How far below position 0 the conductance would be zero.
    fn zero(&self) -> f64 {
        self.g_min / self.span()
    }
}

/// What a cell remembers of its past.
#[derive(Debug, Clone, Copy)]
pub struct Past<R> {
    /// Position at age zero.
    pub origin: R,
    /// Where the walk is, in parts of the window.
    pub wander: R,
    /// Seconds since the last pulse.
    pub age: R,
}

/// What is left of `added` seconds after the sum `next` of them and the age was rounded.
#[inline(always)]
pub fn carried<R: Real>(added: R, age: R, next: R) -> R {
    added - (next - age)
}

impl Drift {
    /// Reads the table of `[retention.power-law]` or `[retention.logarithmic]`.
    pub(super) fn parse(name: &str, section: &Section) -> Self {
        let onset = section.quantity::<Seconds>("onset", Rule::Positive).value();
        let form = if name == "power-law" {
            DriftForm::PowerLaw {
                exponent: Dependence::parse(&section.section("exponent")),
                deviation: Dependence::parse(&section.section("deviation")),
            }
        } else {
            DriftForm::Logarithmic {
                shift: Amount::parse(section, "shift", Rule::Any),
                deviation: Amount::parse(section, "deviation", Rule::NonNegative),
                growth: Amount::parse(section, "growth", Rule::NonNegative),
            }
        };
        let arrhenius = Arrhenius::parse(section);
        Self {
            onset: onset * arrhenius.map_or(1.0, |a| a.factor()),
            form,
            arrhenius,
        }
    }

    /// Whether it is a walk, with a random number for every step of it.
    pub fn wanders(&self) -> bool {
        matches!(self.form, DriftForm::Logarithmic { .. })
    }

    /// `l(a) = ln(max(a, t₀)/t₀)`.
    #[inline(always)]
    pub fn log_age<R: Real>(&self, age: R) -> R {
        let onset = R::lit(self.onset);
        (age.max(onset) / onset).ln()
    }

    /// Exponent of a cell that was at position `origin` and has the normal number `z`; 0 for a walk.
    #[inline(always)]
    pub fn exponent<R: Real>(&self, window: Window, origin: R, z: R) -> R {
        match &self.form {
            DriftForm::PowerLaw {
                exponent,
                deviation,
            } => {
                let g = R::lit(window.span()).mul_add(origin, R::lit(window.g_min));
                deviation.at(g).mul_add(z, exponent.at(g)).abs()
            }
            DriftForm::Logarithmic { .. } => R::lit(0.0),
        }
    }

    /// Position that the conductance has drifted to; bounds are not applied.
    #[inline(always)]
    pub fn position<R: Real>(&self, window: Window, past: &Past<R>, z: R) -> R {
        let (origin, passed) = (past.origin, self.log_age(past.age));
        match self.form {
            DriftForm::PowerLaw { .. } => {
                let lost = (-(self.exponent(window, origin, z) * passed)).exp_m1();
                (origin + R::lit(window.zero())).mul_add(lost, origin)
            }
            DriftForm::Logarithmic { shift, .. } => {
                (-shift.at(window, origin)).mul_add(passed, origin) + past.wander
            }
        }
    }

    /// Part of a deviation from the mean that is left when the age becomes `next`.
    #[inline(always)]
    pub fn kept<R: Real>(&self, window: Window, past: &Past<R>, next: R, z: R) -> R {
        match self.form {
            DriftForm::PowerLaw { .. } => {
                let passed = self.log_age(next) - self.log_age(past.age);
                (-(self.exponent(window, past.origin, z) * passed)).exp()
            }
            DriftForm::Logarithmic { .. } => R::lit(1.0),
        }
    }

    /// Where the walk is after `elapsed` seconds that make the age `next`, by the standard normal `z`.
    #[inline(always)]
    pub fn walked<R: Real>(&self, window: Window, past: &Past<R>, next: R, elapsed: R, z: R) -> R {
        let DriftForm::Logarithmic {
            deviation, growth, ..
        } = self.form
        else {
            return past.wander;
        };
        let (first, slope) = (
            deviation.at(window, past.origin),
            growth.at(window, past.origin),
        );
        let onset = R::lit(self.onset);
        let after = slope.mul_add(self.log_age(next), first);
        let before = slope.mul_add(self.log_age(past.age), first);
        // Not the difference of two nearly equal logarithms.
        let passed = (elapsed / past.age.max(onset)).ln_1p();
        let more = slope * passed * (before + after);
        let since = R::select_lt(past.age, onset, after.square(), more);
        let variance = R::select_lt(next, onset, R::lit(0.0), since);
        variance.sqrt().mul_add(z, past.wander)
    }
}

/// The state at a position that drift has led to; hard bounds stop it.
#[inline(always)]
pub fn arrived<R: Real>(cell: &Cell<R>, position: R) -> R {
    let bounds = [cell.parameters[LOWER], cell.parameters[UPPER]];
    bounded(cell.hard_bounds, bounds, position)
}

impl Cells {
    /// The same cells, whose conductances drift and do not relax exponentially. Of cells whose conductance is not their state, the state drifts as if it were.
    pub fn with_drift(mut self, drift: Drift) -> Self {
        self.aging.drift = Some(Arc::new(drift));
        self.retention = None;
        self.own_retention = Vec::new();
        self
    }

    /// How conductances drift, if they do.
    pub fn drift(&self) -> Option<&Drift> {
        self.aging.drift.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Document, Violations};

    const WINDOW: Window = Window {
        g_min: 1e-6,
        g_max: 25e-6,
    };

    fn read(name: &str, text: &str) -> Result<Drift, String> {
        let document = Document::parse("t.toml", text).map_err(|e| e.to_string())?;
        let violations = Violations::new();
        let section = document.section(&violations);
        let found = Drift::parse(name, &section);
        section.finish();
        violations.into_result(found).map_err(|e| e.to_string())
    }

    /// Phase-change memory as in Nandakumar et al. 2019 (numbers as in aihwkit's PCMLike).
    const PHASE_CHANGE: &str = r#"
onset = "20 s"
exponent = { relative-to = "25 uS", logarithmic = { slope = -0.0155, offset = 0.0244 }, least = 0.049, most = 0.1 }
deviation = { relative-to = "25 uS", logarithmic = { slope = -0.0125, offset = -0.0059 }, least = 0.008, most = 0.045 }
"#;

    /// Falcone et al. 2025, the walk in µS.
    const OXIDE: &str = r#"
onset = "1 s"
shift = "0.08900206 uS"
deviation = "0.41183342 uS"
growth = "0.04201137 uS"
"#;

    fn past(origin: f64, age: f64) -> Past<f64> {
        Past {
            origin,
            wander: 0.0,
            age,
        }
    }

    fn siemens(position: f64) -> f64 {
        WINDOW.g_min + WINDOW.span() * position
    }

    #[test]
    fn phase_change_memory_drifts_as_published() {
        let drift = read("power-law", PHASE_CHANGE).unwrap();
        for x in [0.05, 0.1, 0.3, 0.9] {
            let g = 25e-6 * x;
            let origin = (g - WINDOW.g_min) / WINDOW.span();
            let mean = (-0.0155 * f64::ln(x) + 0.0244).clamp(0.049, 0.1);
            let sd = (-0.0125 * f64::ln(x) - 0.0059).clamp(0.008, 0.045);
            for z in [-3.0, 0.0, 1.5] {
                let nu = f64::abs(mean + sd * z);
                for age in [1.0, 20.0, 3600.0, 3e7] {
                    let exact = g * (f64::max(age, 20.0) / 20.0).powf(-nu);
                    let found = siemens(drift.position(WINDOW, &past(origin, age), z));
                    assert!((found / exact - 1.0).abs() < 1e-12, "{x} {z} {age}");
                }
            }
        }
        // Single precision: of a cell at 2.25e-5 S after a year, to a few roundings.
        let past = Past {
            origin: 0.9_f32,
            wander: 0.0,
            age: 3e7,
        };
        let double = drift.position(
            WINDOW,
            &super::Past {
                origin: f64::from(0.9_f32),
                wander: 0.0,
                age: 3e7,
            },
            0.0,
        );
        let single = f64::from(drift.position(WINDOW, &past, 0.0));
        assert!((single - double).abs() < 3e-7, "{single} {double}");
    }

    /// The variances of steps add up to that of the whole, whatever the steps, and the mean is the published one.
    #[test]
    fn steps_of_the_walk_add_up() {
        let drift = read("logarithmic", OXIDE).unwrap();
        let end = 7.0 * 86_400.0;
        let exact = 0.04201137 * f64::ln(end) + 0.41183342;
        for steps in [1, 3, 1000, 100_000] {
            let elapsed = end / f64::from(steps);
            let (mut age, mut variance) = (0.0, 0.0);
            for k in 1..=steps {
                let next = elapsed * f64::from(k);
                let step = drift.walked(WINDOW, &past(0.5, age), next, elapsed, 1.0);
                variance += step * step;
                age = next;
            }
            let sd = f64::sqrt(variance) * WINDOW.span() * 1e6;
            assert!((sd / exact - 1.0).abs() < 1e-9, "{steps}: {sd} {exact}");
        }
        let moved = siemens(drift.position(WINDOW, &past(0.5, end), 0.0)) - siemens(0.5);
        assert!(
            (moved * 1e6 + 0.08900206 * f64::ln(end)).abs() < 1e-9,
            "{moved}"
        );
    }

    /// Ten million steps of a microsecond: a plain sum in single precision stops at 16 s at the latest, and is wrong long before.
    #[test]
    fn ages_are_exact_sums() {
        let (mut age, mut carry, mut plain) = (0.0_f32, 0.0_f32, 0.0_f32);
        for _ in 0..10_000_000 {
            let added = 1e-6_f32 + carry;
            let next = age + added;
            carry = carried(added, age, next);
            age = next;
            plain += 1e-6;
        }
        let exact = 1e7 * f64::from(1e-6_f32);
        assert!((f64::from(age) / exact - 1.0).abs() < 1e-7, "{age} {exact}");
        assert!((f64::from(plain) / exact - 1.0).abs() > 1e-3);
    }

    #[test]
    fn wrong_drift_is_told() {
        let missing = read("power-law", "onset = \"20 s\"").unwrap_err();
        assert!(
            missing.contains("exponent") && missing.contains("deviation"),
            "{missing}"
        );
        let shrinking = read("logarithmic", &OXIDE.replace("\"0.042", "\"-0.042")).unwrap_err();
        assert!(shrinking.contains("growth"), "{shrinking}");
    }
}
