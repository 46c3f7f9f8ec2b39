//! What the getters expect, and reading one value.

use super::rule::{NumberOr, Rule, plain};
use super::tree::{Node, Value};
use super::write::quoted;
use crate::error::closest;
use crate::units::Quantity;

/// What a getter looks for.
pub(super) struct Wanted<'k> {
    pub(super) key: &'k str,
    /// With its article, as it follows "must be".
    pub(super) expected: String,
    /// How to write it.
    pub(super) example: String,
}

/// Why a value is refused; without a way out of its own, the example of the getter serves.
pub(super) struct Refusal {
    pub(super) rule: String,
    pub(super) way_out: Option<String>,
}

impl From<String> for Refusal {
    fn from(rule: String) -> Self {
        Self {
            rule,
            way_out: None,
        }
    }
}

pub(super) type Read<T> = std::result::Result<T, Refusal>;

pub(super) fn number(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!("{} = {}", quoted(key), plain(rule.example()));
    Wanted {
        key,
        expected: rule.expected("a number", plain),
        example,
    }
}

pub(super) fn list_of_numbers(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!("{} = [{}]", quoted(key), plain(rule.example()));
    Wanted {
        key,
        expected: "a list of numbers".into(),
        example,
    }
}

pub(super) fn integer(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!("{} = {}", quoted(key), rule.whole_example());
    Wanted {
        key,
        expected: rule.expected("a whole number", plain),
        example,
    }
}

pub(super) fn list_of_integers(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!("{} = [{}]", quoted(key), rule.whole_example());
    Wanted {
        key,
        expected: "a list of whole numbers".into(),
        example,
    }
}

pub(super) fn quantity<Q: Quantity>(key: &str, rule: Rule) -> Wanted<'_> {
    let kind = format!("a {} with its unit", Q::NAME);
    let example = format!("{} = \"{}\"", quoted(key), example_quantity::<Q>(rule));
    Wanted {
        key,
        expected: rule.expected(&kind, with_unit::<Q>),
        example,
    }
}

pub(super) fn number_or_quantity<Q: Quantity>(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!(
        "{key} = {} or {key} = \"{}\"",
        plain(rule.example()),
        example_quantity::<Q>(rule),
        key = quoted(key)
    );
    let kind = format!("a number or a {} with its unit", Q::NAME);
    Wanted {
        key,
        expected: rule.expected(&kind, plain),
        example,
    }
}

pub(super) fn text(key: &str) -> Wanted<'_> {
    Wanted {
        key,
        expected: "text".into(),
        example: format!("{} = \"...\"", quoted(key)),
    }
}

pub(super) fn list_of_texts(key: &str) -> Wanted<'_> {
    Wanted {
        key,
        expected: "a list of texts".into(),
        example: format!("{} = [\"...\"]", quoted(key)),
    }
}

pub(super) fn switch(key: &str) -> Wanted<'_> {
    Wanted {
        key,
        expected: "true or false".into(),
        example: format!("{} = true", quoted(key)),
    }
}

pub(super) fn word<'k>(key: &'k str, names: &[&str]) -> Wanted<'k> {
    let name = names.first().copied().unwrap_or_default();
    let example = format!("{} = \"{name}\"", quoted(key));
    Wanted {
        key,
        expected: format!("one of {}", names.join(", ")),
        example,
    }
}

pub(super) fn with_unit<Q: Quantity>(value: f64) -> String {
    Q::from_si(value).to_string()
}

/// A quantity that satisfies the rule: the usual one if it does.
pub(super) fn example_quantity<Q: Quantity>(rule: Rule) -> Q {
    match Q::EXAMPLE.parse::<Q>() {
        Ok(usual) if rule.accepts(usual.si()) => usual,
        _ => Q::from_si(rule.example()),
    }
}

/// The rule that a value breaks; an empty one stands for a value of the wrong kind.
pub(super) fn refused(rule: String, expected: &str, node: &Node) -> String {
    if rule.is_empty() {
        format!("must be {expected}, not {}", node.value.kind())
    } else {
        rule
    }
}

/// A value of the wrong kind; the getter knows what it expected.
pub(super) fn wrong_kind<T>() -> Read<T> {
    Err(String::new().into())
}

pub(super) fn read_number(node: &Node, rule: Rule) -> Read<f64> {
    let value = match node.value {
        Value::Integer(integer) => integer as f64,
        Value::Float(float) if float.is_finite() => float,
        Value::Float(_) => return Err("must be a finite number".to_owned().into()),
        _ => return wrong_kind(),
    };
    if rule.accepts(value) {
        Ok(value)
    } else {
        Err(format!("must be {rule}").into())
    }
}

pub(super) fn read_integer<T: TryFrom<i64>>(node: &Node, rule: Rule) -> Read<T> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2⁵³
    match node.value {
        Value::Integer(integer) if !rule.accepts(integer as f64) => {
            Err(format!("must be {rule}").into())
        }
        Value::Integer(integer) => T::try_from(integer).map_err(|_| {
            if integer < 0 {
                return "must be 0 or greater".to_owned().into();
            }
            let fits = |most: &i64| T::try_from(*most).is_ok();
            let most = (1..63).rev().map(|bits| (1_i64 << bits) - 1).find(fits);
            format!("must be at most {}", most.unwrap_or(0)).into()
        }),
        Value::Float(float) if float.fract() == 0.0 && float.abs() < EXACT => Err(Refusal {
            rule: "must be a whole number, written without point and exponent".to_owned(),
            way_out: Some(format!("write {}", float as i64)),
        }),
        Value::Float(_) => Err("must be a whole number".to_owned().into()),
        _ => wrong_kind(),
    }
}

pub(super) fn read_quantity<Q: Quantity>(node: &Node, rule: Rule) -> Read<Q> {
    match &node.value {
        Value::Text(text) => {
            let quantity = text
                .parse::<Q>()
                .map_err(|error| error.problem().to_owned())?;
            if rule.accepts(quantity.si()) {
                Ok(quantity)
            } else {
                Err(format!("must be {}", rule.phrase(with_unit::<Q>)).into())
            }
        }
        Value::Integer(_) | Value::Float(_) => {
            Err(format!("must be a {} with its unit, in quotes", Q::NAME).into())
        }
        _ => wrong_kind(),
    }
}

pub(super) fn read_number_or_quantity<Q: Quantity>(node: &Node, rule: Rule) -> Read<NumberOr<Q>> {
    match &node.value {
        Value::Text(_) => read_quantity(node, rule).map(NumberOr::Quantity),
        _ => read_number(node, rule).map(NumberOr::Number),
    }
}

pub(super) fn read_text(node: &Node) -> Read<String> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => Err("must not be blank".to_owned().into()),
        Value::Text(text) => Ok(text.clone()),
        _ => wrong_kind(),
    }
}

pub(super) fn read_bool(node: &Node) -> Read<bool> {
    if let Value::Bool(bool) = node.value {
        Ok(bool)
    } else {
        wrong_kind()
    }
}

pub(super) fn read_word<'n>(node: &Node, names: &[&'n str]) -> Read<&'n str> {
    match &node.value {
        Value::Text(text) => names
            .iter()
            .copied()
            .find(|name| name == text)
            .ok_or_else(|| unknown_name(text, names)),
        _ => wrong_kind(),
    }
}

pub(super) fn read_list(node: &Node) -> Read<&[Node]> {
    if let Value::List(items) = &node.value {
        Ok(items)
    } else {
        wrong_kind()
    }
}

pub(super) fn unknown_name(name: &str, names: &[&str]) -> Refusal {
    let way_out = match closest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "choose one of them".to_owned(),
    };
    Refusal {
        rule: format!("must be one of {}", names.join(", ")),
        way_out: Some(way_out),
    }
}
