//! Quantities of a device that depend on its conductance, as device files write them.

use crate::document::{Rule, Section};
use crate::number::Real;
use crate::units::Siemens;

/// A quantity that depends on the conductance g of a cell through `x = g/relative-to`.
///
/// # Forms
/// | key | equation |
/// | --- | --- |
/// | `constant = c` | `c` |
/// | `polynomial = [c0, c1, …]` | `c0 + c1 x + c2 x² + …` |
/// | `logarithmic = { slope, offset }` | `slope · ln x + offset` |
/// | `power = { coefficient, exponent }` | `coefficient · x^exponent` |
/// | `saturating = { amplitude, scale }` | `amplitude · (1 - e^{-x/scale})` |
/// | `split = { at, below, above }` | `below` where `x < at`, else `above`, tables of this kind |
///
/// `least` and `most` clip the result. Logarithms and powers take x to be at least 10⁻⁹.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependence {
    /// 1/`relative-to` in 1/S.
    per_siemens: f64,
    curve: Curve,
}

/// A function of x, clipped.
#[derive(Debug, Clone, PartialEq)]
struct Curve {
    form: Form,
    least: Option<f64>,
    most: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Polynomial(Vec<f64>),
    Logarithmic { slope: f64, offset: f64 },
    Power { coefficient: f64, exponent: f64 },
    Saturating { amplitude: f64, scale: f64 },
    Split { at: f64, sides: Box<[Curve; 2]> },
}

/// Keys of the forms.
const FORMS: [&str; 6] = [
    "constant",
    "polynomial",
    "logarithmic",
    "power",
    "saturating",
    "split",
];

impl Dependence {
    /// The same value at all conductances.
    pub fn constant(value: f64) -> Self {
        Self {
            per_siemens: 1.0,
            curve: Curve {
                form: Form::Polynomial(vec![value]),
                least: None,
                most: None,
            },
        }
    }

    /// Reads it from its table. `relative-to` may be left out by a constant alone.
    pub fn parse(section: &Section) -> Self {
        let per = if section.has("constant") {
            section.optional_quantity::<Siemens>("relative-to", Rule::Positive)
        } else {
            Some(section.quantity::<Siemens>("relative-to", Rule::Positive))
        };
        Self {
            per_siemens: 1.0 / per.map_or(1.0, Siemens::value),
            curve: Curve::parse(section),
        }
    }

    /// Its value at the conductance `g` in siemens.
    #[inline]
    pub fn at<R: Real>(&self, g: R) -> R {
        self.curve.at(g * R::lit(self.per_siemens))
    }
}

impl Curve {
    fn parse(section: &Section) -> Self {
        let form = Form::parse(section);
        let least = section.optional_number("least", Rule::Any);
        let most = section.optional_number("most", Rule::Any);
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            section.violation(
                "least",
                format!("least must not be greater than most, which is {most}"),
                "exchange them",
            );
        }
        Self { form, least, most }
    }

    fn at<R: Real>(&self, x: R) -> R {
        let value = self.form.at(x);
        let value = self.least.map_or(value, |least| value.max(R::lit(least)));
        self.most.map_or(value, |most| value.min(R::lit(most)))
    }
}

impl Form {
    fn parse(section: &Section) -> Self {
        let given: Vec<&str> = FORMS.into_iter().filter(|f| section.has(f)).collect();
        if given.len() != 1 {
            let key = given.get(1).copied().unwrap_or_default();
            section.violation(
                key,
                format!("needs exactly one of {}", FORMS.join(", ")),
                "for example polynomial = [0.3, 2.0, -1.2]",
            );
            for form in FORMS {
                // Known, so that a second one is not also called misspelt.
                section.node(form);
            }
            return Self::Polynomial(Vec::new());
        }
        let numbers = |key, names: [&str; 2]| {
            let inner = section.section(key);
            names.map(|name| inner.number(name, Rule::Any))
        };
        match given[0] {
            "constant" => Self::Polynomial(vec![section.number("constant", Rule::Any)]),
            "polynomial" => Self::Polynomial(section.numbers("polynomial", Rule::Any)),
            "logarithmic" => {
                let [slope, offset] = numbers("logarithmic", ["slope", "offset"]);
                Self::Logarithmic { slope, offset }
            }
            "power" => {
                let [coefficient, exponent] = numbers("power", ["coefficient", "exponent"]);
                Self::Power {
                    coefficient,
                    exponent,
                }
            }
            "saturating" => {
                let inner = section.section("saturating");
                Self::Saturating {
                    amplitude: inner.number("amplitude", Rule::Any),
                    scale: inner.number("scale", Rule::Positive),
                }
            }
            _ => {
                let inner = section.section("split");
                let at = inner.number("at", Rule::Any);
                let side = |key| Curve::parse(&inner.section(key));
                Self::Split {
                    at,
                    sides: Box::new([side("below"), side("above")]),
                }
            }
        }
    }

    fn at<R: Real>(&self, x: R) -> R {
        // Both sides of a split are computed, so both must be finite.
        let positive = || x.max(R::lit(1e-9));
        match self {
            Self::Polynomial(coefficients) => {
                let zero = R::lit(0.0);
                let next = |sum: R, &c: &f64| sum.mul_add(x, R::lit(c));
                coefficients.iter().rev().fold(zero, next)
            }
            Self::Logarithmic { slope, offset } => {
                R::lit(*slope).mul_add(positive().ln(), R::lit(*offset))
            }
            Self::Power {
                coefficient,
                exponent,
            } => R::lit(*coefficient) * positive().powf(R::lit(*exponent)),
            Self::Saturating { amplitude, scale } => {
                R::lit(-amplitude) * (x * R::lit(-1.0 / scale)).exp_m1()
            }
            Self::Split { at, sides } => {
                let [below, above] = [sides[0].at(x), sides[1].at(x)];
                R::select_lt(x, R::lit(*at), below, above)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Document, Violations};

    fn read(text: &str) -> Result<Dependence, String> {
        let document = Document::parse("t.toml", text).map_err(|e| e.to_string())?;
        let violations = Violations::new();
        let section = document.section(&violations);
        let found = Dependence::parse(&section);
        section.finish();
        violations.into_result(found).map_err(|e| e.to_string())
    }

    /// Each form against its equation, in both precisions; single precision to a few of its roundings.
    #[test]
    fn forms_have_their_equations() {
        let per = "relative-to = \"20 uS\"\n";
        type Equation = fn(f64) -> f64;
        let cases: [(&str, Equation); 7] = [
            ("constant = 0.3", |_| 0.3),
            ("polynomial = [0.3, 2.0, -1.2]", |x| {
                0.3 + 2.0 * x - 1.2 * x * x
            }),
            ("logarithmic = { slope = -0.5, offset = 0.1 }", |x| {
                -0.5 * x.ln() + 0.1
            }),
            (
                "power = { coefficient = 0.0088, exponent = -0.65 }\nmost = 0.02",
                |x| (0.0088 * x.powf(-0.65)).min(0.02),
            ),
            ("saturating = { amplitude = 2.0, scale = 0.4 }", |x| {
                2.0 * (1.0 - (-x / 0.4).exp())
            }),
            ("polynomial = [-1.0, 1.0]\nleast = 0.0", |x| {
                (x - 1.0).max(0.0)
            }),
            (
                "split = { at = 0.5, below = { constant = 1.0 }, above = { polynomial = [0.0, 3.0], most = 2.0 } }",
                |x| if x < 0.5 { 1.0 } else { (3.0 * x).min(2.0) },
            ),
        ];
        for (text, equation) in cases {
            let found = read(&format!("{per}{text}")).unwrap();
            for k in 1..50 {
                let x = f64::from(k) * 0.03;
                let (g, expected) = (x * 20e-6, equation(x));
                assert!((found.at(g) - expected).abs() < 1e-12 * (1.0 + expected.abs()));
                let single = f64::from(found.at(g as f32));
                assert!((single - expected).abs() < 2e-6, "{text} {x}: {single}");
            }
        }
        // A logarithm of nothing is finite.
        let found = read(&format!(
            "{per}logarithmic = {{ slope = 1.0, offset = 0.0 }}"
        ))
        .unwrap();
        assert!(found.at(0.0_f64).is_finite() && found.at(0.0_f32).is_finite());
    }

    #[test]
    fn wrong_forms_are_told() {
        let none = read("relative-to = \"1 uS\"").unwrap_err();
        assert!(none.contains("needs exactly one of constant"), "{none}");
        let two = read("constant = 1.0\npolynomial = [1.0]").unwrap_err();
        assert!(
            two.contains("needs exactly one of") && !two.contains("unknown"),
            "{two}"
        );
        let unit = read("polynomial = [1.0]").unwrap_err();
        assert!(unit.contains("relative-to"), "{unit}");
        let clip = read("constant = 1.0\nleast = 2.0\nmost = 1.0").unwrap_err();
        assert!(
            clip.contains("least must not be greater than most"),
            "{clip}"
        );
    }
}
