//! Current of a cell against its voltage.

use super::cells::{Cells, Window};
use crate::document::{Rule, Section};
use crate::number::{Jet, Real, variable};
use crate::units::Volts;

/// Current of a cell whose conductance at 0 V is G.
///
/// # Equation
/// | kind | current |
/// | --- | --- |
/// | `ohmic` | `G V` |
/// | `sinh` | `G V₀ sinh(V/V₀)` |
/// | `polynomial` | `G (V + a V|V| + c V³)` |
/// | `graded-polynomial` | `G V + N₂ V² + N₃ V³`, `N_k = Σ_i n_{k,i} (lg G)^i` |
///
/// # Symbols
/// | symbol | key | unit |
/// | --- | --- | --- |
/// | V₀ | `voltage-scale` | V |
/// | a | `quadratic` | 1/V |
/// | c | `cubic` | 1/V² |
/// | n₂, n₃ | `quadratic`, `cubic`: up to four numbers, ascending powers of lg(G/S) | A/V², A/V³ |
/// | – | `largest-voltage`: where the curve ends (none, if it is left out) | V |
///
/// # Behaviour
/// A steep `sinh` stands for a cell behind a selector: at half the voltage next to nothing flows. Coefficients below zero bend the
/// curve down; it must rise as far as it is used. Cells of less than 1 nS have no graded part.
///
/// # Reference
/// Polynomials: CrossSim 3.2 (<https://github.com/sandialabs/cross-sim>), devices Cubic (c = -0.25) and RRAMMilo.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum CurrentVoltage {
    /// `G V`.
    #[default]
    Ohmic,
    /// `G sinh(k V) / k`.
    Sinh {
        /// k = 1/V₀, in 1/V; 0 is ohmic.
        slope: f64,
    },
    /// `G (V + a V|V| + c V³)`.
    Polynomial {
        /// a, in 1/V.
        quadratic: f64,
        /// c, in 1/V².
        cubic: f64,
    },
    /// `G V + N₂(G) V² + N₃(G) V³`.
    Graded {
        /// Coefficients of N₂, ascending powers of lg(G/S).
        quadratic: [f64; 4],
        /// Those of N₃.
        cubic: [f64; 4],
    },
}

/// Conductance of a cell that is too small for a graded part.
const LEAST: f64 = 1e-9;

/// `Σ n_i (lg G)^i`.
fn graded<R: Real>(n: &[f64; 4], g: R) -> R {
    let x = g.max(R::lit(LEAST)).ln() * R::lit(std::f64::consts::LOG10_E);
    let [a, b, c, d] = n.map(R::lit);
    let value = x.mul_add(x.mul_add(x.mul_add(d, c), b), a);
    R::select_lt(g, R::lit(LEAST), R::lit(0.0), value)
}

impl CurrentVoltage {
    /// Reads `[current-voltage]`, if there is one: the curve, and where it ends.
    pub(super) fn parse(device: &Section, window: Window) -> (Self, Option<f64>) {
        const KEY: &str = "current-voltage";
        const KINDS: [&str; 4] = ["ohmic", "sinh", "polynomial", "graded-polynomial"];
        let Some((kind, section)) = device.optional_choice(KEY, &KINDS) else {
            return (Self::Ohmic, None);
        };
        let numbers = |key: &str| {
            let given = section.numbers(key, Rule::Any);
            if given.len() > 4 {
                section.violation(
                    key,
                    format!("has {} numbers, and up to four are used", given.len()),
                    "give the coefficients of a polynomial of third degree",
                );
            }
            std::array::from_fn(|i| given.get(i).copied().unwrap_or(0.0))
        };
        let law = match kind {
            "sinh" => Self::Sinh {
                slope: 1.0
                    / section
                        .quantity::<Volts>("voltage-scale", Rule::Positive)
                        .value(),
            },
            "polynomial" => Self::Polynomial {
                quadratic: section.number("quadratic", Rule::Any),
                cubic: section.number("cubic", Rule::Any),
            },
            "graded-polynomial" => Self::Graded {
                quadratic: numbers("quadratic"),
                cubic: numbers("cubic"),
            },
            _ => Self::Ohmic,
        };
        let most = section
            .optional_quantity::<Volts>("largest-voltage", Rule::Positive)
            .map(Volts::value);
        if let Some(most) = most
            && let Some(v) = law.wrong(window, most)
        {
            section.violation(
                "largest-voltage",
                format!(
                    "the current must have the sign of the voltage, at {} it has not",
                    Volts::new(v)
                ),
                "end the curve at a lower voltage, or check its coefficients",
            );
        }
        section.finish();
        (law, most)
    }

    /// A voltage up to `most`, of either sign, at which the current of a cell of the window is not finite or has not its sign.
    pub fn wrong(self, window: Window, most: f64) -> Option<f64> {
        Self::along(window, most)
            .find(|&(g, v)| {
                let i = self.current(g, v);
                !(i.is_finite() && i * v >= 0.0)
            })
            .map(|(_, v)| v)
    }

    /// A voltage up to `most`, of either sign, at which the current of a cell of the window does not rise.
    pub fn falling(self, window: Window, most: f64) -> Option<f64> {
        let falls = |&(g, v): &(f64, f64)| {
            let slope = self.at(g, v).1;
            g > 0.0 && (slope <= 0.0 || slope.is_nan())
        };
        Self::along(window, most).find(falls).map(|(_, v)| v)
    }

    fn along(window: Window, most: f64) -> impl Iterator<Item = (f64, f64)> {
        let g = move |k: i32| window.g_min + window.span() * f64::from(k) / 16.0;
        (0..=16).flat_map(move |k| (-32..=32).map(move |v| (g(k), most * f64::from(v) / 32.0)))
    }

    /// Current in ampere of a cell of `g` siemens at `v` volt.
    pub fn current<R: Real>(self, g: R, v: R) -> R {
        match self {
            Self::Ohmic => g * v,
            Self::Sinh { slope: 0.0 } => g * v,
            Self::Sinh { slope } => {
                let x = R::lit(slope) * v;
                // Both terms have one sign, so that nothing is lost near 0 V.
                g * ((x.exp_m1() - (-x).exp_m1()) * R::lit(0.5 / slope))
            }
            Self::Polynomial { quadratic, cubic } => {
                let bend = R::lit(quadratic) * v.abs() + R::lit(cubic) * v * v;
                g * (v * (R::lit(1.0) + bend))
            }
            Self::Graded { quadratic, cubic } => {
                let n = [graded(&quadratic, g), graded(&cubic, g)];
                v * (g + v * (n[0] + v * n[1]))
            }
        }
    }

    /// Current of a cell of `g` siemens at `v` volt, and its derivative in the voltage.
    pub fn at(self, g: f64, v: f64) -> (f64, f64) {
        let i = self.current(Jet::constant(g), variable(v));
        (i.re, i.v1)
    }

    /// Whether the current is the conductance times a function of the voltage.
    pub fn is_separable(self) -> bool {
        !matches!(self, Self::Graded { .. })
    }

    /// The current as people write it; none for ohmic cells.
    pub fn describe(self) -> Option<String> {
        let polynomial = |n: [f64; 4]| {
            let terms = n.iter().enumerate().filter(|(_, c)| **c != 0.0);
            let text: Vec<String> = terms.map(|(i, c)| format!("{c} (lg G)^{i}")).collect();
            text.join(" + ")
        };
        Some(match self {
            Self::Ohmic => return None,
            Self::Sinh { slope } => format!("G V0 sinh(V/V0), V0 = {}", Volts::new(1.0 / slope)),
            Self::Polynomial { quadratic, cubic } => {
                format!("G (V + a V|V| + c V^3), a = {quadratic}, c = {cubic}, V in volts")
            }
            Self::Graded { quadratic, cubic } => format!(
                "G V + ({}) V^2 + ({}) V^3, in volts and siemens",
                polynomial(quadratic),
                polynomial(cubic)
            ),
        })
    }

    /// Whether nothing is bent.
    pub fn is_ohmic(self) -> bool {
        matches!(self, Self::Ohmic)
    }

    /// What multiplies V² and V³ in the current of a cell of `g` siemens beside `G V`, where that depends on the cell: A/V², A/V³.
    pub fn graded_parts(self, g: f64) -> Option<[f64; 2]> {
        match self {
            Self::Graded { quadratic, cubic } => Some([graded(&quadratic, g), graded(&cubic, g)]),
            _ => None,
        }
    }
}

/// How cells conduct in reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Current against voltage.
    pub law: CurrentVoltage,
    /// Volt of an input of 1.
    pub volts: f64,
}

impl Cells {
    /// The same cells, whose reads see a current that is not proportional to the voltage.
    pub fn with_curve(mut self, curve: Curve) -> Self {
        self.curve = (!curve.law.is_ohmic()).then_some(curve);
        self
    }

    /// How cells conduct in reads, where that is not ohmic.
    pub fn curve(&self) -> Option<Curve> {
        self.curve
    }
}
