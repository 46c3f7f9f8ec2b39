//! What values must satisfy, and the collection of what they break.

use std::cell::RefCell;
use std::fmt;

use crate::error::{Error, Result, Violation};

/// What a number must satisfy. For a quantity the bounds are in SI units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Any finite number.
    Any,
    /// Greater than 0.
    Positive,
    /// 0 or greater.
    NonNegative,
    /// Between two bounds that belong to the range.
    Between(f64, f64),
    /// Between two bounds that do not belong to the range.
    OpenBetween(f64, f64),
    /// A bound or greater.
    AtLeast(f64),
}

impl Rule {
    /// Whether a number satisfies the rule; no rule accepts NaN or an infinity.
    pub fn accepts(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Any => true,
                Self::Positive => value > 0.0,
                Self::NonNegative => value >= 0.0,
                Self::Between(low, high) => low <= value && value <= high,
                Self::OpenBetween(low, high) => low < value && value < high,
                Self::AtLeast(low) => value >= low,
            }
    }

    /// The rule as it follows "must be": `greater than 0`, with bounds written by `show`.
    pub(super) fn phrase(self, show: impl Fn(f64) -> String) -> String {
        match self {
            Self::Any => "finite".to_owned(),
            Self::Positive => "greater than 0".to_owned(),
            Self::NonNegative => "0 or greater".to_owned(),
            Self::Between(low, high) => format!("between {} and {}", show(low), show(high)),
            Self::OpenBetween(low, high) => {
                format!("between {} and {}, both excluded", show(low), show(high))
            }
            Self::AtLeast(low) => format!("at least {}", show(low)),
        }
    }

    /// What is expected, as it follows "must be" for a value of another kind: `a number that is greater than 0`.
    pub(super) fn expected(self, kind: &str, show: impl Fn(f64) -> String) -> String {
        if self == Self::Any {
            kind.to_owned()
        } else {
            format!("{kind} that is {}", self.phrase(show))
        }
    }

    /// A number that satisfies the rule.
    pub(super) fn example(self) -> f64 {
        match self {
            Self::Any | Self::Positive | Self::NonNegative => 0.01,
            Self::Between(low, high) | Self::OpenBetween(low, high) => 0.5 * (low + high),
            Self::AtLeast(low) => low,
        }
    }

    /// A whole number that satisfies the rule, where there is one.
    pub(super) fn whole_example(self) -> i64 {
        match self {
            Self::Any | Self::Positive | Self::NonNegative => 1,
            Self::Between(low, high) if low <= 1.0 && high >= 1.0 => 1,
            Self::Between(low, _) | Self::AtLeast(low) => low.ceil() as i64,
            Self::OpenBetween(low, _) => (low.floor() as i64).saturating_add(1),
        }
    }
}

/// The rule as it follows "must be": `greater than 0`, `between 0 and 1`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.phrase(plain))
    }
}

/// A number as people write it: `1`, `0.5`, `1e-9`.
pub(super) fn plain(value: f64) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A number, which is relative to something, or a quantity, which is absolute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumberOr<Q> {
    /// A plain number.
    Number(f64),
    /// A quantity with its unit.
    Quantity(Q),
}

/// Collects the violations of all files that are read together.
#[derive(Debug, Default)]
pub struct Violations {
    found: RefCell<Vec<Violation>>,
}

impl Violations {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a violation, unless the very same is there already.
    pub fn add(&self, violation: Violation) {
        let mut found = self.found.borrow_mut();
        if !found.contains(&violation) {
            found.push(violation);
        }
    }

    /// Takes over the violations of a failed reading and goes on; other errors pass through.
    pub fn absorb<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Invalid(violations)) => {
                violations
                    .into_iter()
                    .for_each(|violation| self.add(violation));
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Whether nothing was found so far. Open sections report missing and unknown keys only when they finish.
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Succeeds if there are no violations, else fails with all of them in the order of the files.
    pub fn check(self) -> Result<()> {
        let mut found = self.found.into_inner();
        if found.is_empty() {
            return Ok(());
        }
        found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        Err(Error::Invalid(found))
    }

    /// The value if there are no violations, else all of them.
    pub fn into_result<T>(self, value: T) -> Result<T> {
        self.check().map(|()| value)
    }
}
