//! What a study expects of its numbers.

use serde_json::Value;

use super::summary::{Control, Estimate, Expectation, Point};
use crate::document::{Origin, Rule, Section};
use crate::error::{Violation, closest};

/// Numbers of the symmetric control.
const SYMMETRIC: [&str; 5] = [
    "lambda-e1",
    "lambda-e2",
    "distance",
    "monte-carlo-error",
    "distance-in-errors",
];

/// Numbers of the other controls.
const ESTIMATED: [&str; 7] = [
    "lambda-e1",
    "lambda-e2",
    "lambda-e3",
    "lambda-e3-euclidean",
    "lambda-e4",
    "prediction-error-p1",
    "monte-carlo-error",
];

/// A control in which every number of `names` exists.
fn template(names: &[&str]) -> Value {
    let all = serde_json::to_value(Estimate::template()).unwrap_or_default();
    Value::Object(
        names
            .iter()
            .map(|n| ((*n).to_owned(), all.clone()))
            .collect(),
    )
}

/// One expectation as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    name: String,
    /// Dotted path into a point (or a control) of `summary.json`.
    metric: String,
    /// The sweep point; all of them if missing.
    point: Option<usize>,
    /// Divide by the same metric at this point.
    over_point: Option<usize>,
    /// Look at a control instead of a point: its name, and `metric` names one of its values.
    control: Option<String>,
    /// Two-sided: the value; one-sided: none.
    value: Option<f64>,
    tolerance: f64,
    relative: bool,
    at_most: Option<f64>,
    /// Whether quick runs check it.
    quick: bool,
    /// Where it was written.
    origin: Origin,
}

impl Expect {
    pub(super) fn parse(section: &Section) -> Self {
        let value = section.optional_number("value", Rule::Any);
        let at_most = section.optional_number("at-most", Rule::Any);
        let absolute = section.optional_number("tolerance", Rule::NonNegative);
        let relative = section.optional_number("relative-tolerance", Rule::NonNegative);
        let form = (value, at_most, absolute, relative);
        if !matches!(
            form,
            (Some(_), None, Some(_), None)
                | (Some(_), None, None, Some(_))
                | (None, Some(_), None, None)
        ) {
            section.violation(
                "value",
                "an expectation is a value with one tolerance, or a bound",
                "write value and tolerance, value and relative-tolerance, or at-most alone",
            );
        }
        let index = |key| section.optional_integer::<u16>(key, Rule::NonNegative);
        Self {
            name: section.text("name"),
            metric: section.text("metric"),
            point: index("point").map(usize::from),
            over_point: index("over-point").map(usize::from),
            control: section.optional_text("control"),
            value,
            tolerance: absolute.or(relative).unwrap_or(0.0),
            relative: relative.is_some(),
            at_most,
            quick: section.optional_bool("quick").unwrap_or(false),
            origin: section.origin().clone(),
        }
    }

    /// What is wrong with the names that it uses: a metric that no point or control has, a control that does not run.
    pub(super) fn unknown(&self, controls: &[&str]) -> Option<Violation> {
        let say = |key: &str, value: &str, rule: &str, known: &[&str]| {
            let way_out = match closest(value, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are {}", known.join(", ")),
            };
            let value = Some(format!("\"{value}\""));
            Some(
                self.origin
                    .violation(&format!("expect.{key}"), value, rule, way_out),
            )
        };
        if let Some(control) = &self.control {
            if !controls.contains(&control.as_str()) {
                return say(
                    "control",
                    control,
                    "the study runs no such control",
                    controls,
                );
            }
            if self.point.or(self.over_point).is_some() {
                return say(
                    "control",
                    control,
                    "a control is not at a sweep point: remove point and over-point",
                    &[],
                );
            }
            let known = match control.as_str() {
                "symmetric-device" => &SYMMETRIC[..],
                _ => &ESTIMATED[..],
            };
            let first = self.metric.split('.').next().unwrap_or_default();
            return match known.contains(&first) && at(&template(known), &self.metric).is_some() {
                true => None,
                false => say(
                    "metric",
                    &self.metric,
                    "this control has no such number",
                    known,
                ),
            };
        }
        let point = serde_json::to_value(Point::template()).unwrap_or_default();
        if at(&point, &self.metric).is_some() {
            return None;
        }
        let known: Vec<&str> = point
            .as_object()
            .map(|o| o.keys().map(String::as_str).collect())
            .unwrap_or_default();
        say(
            "metric",
            &self.metric,
            "a sweep point has no such number in summary.json",
            &known,
        )
    }

    /// Sweep points that it names.
    pub(super) fn points(&self) -> impl Iterator<Item = usize> {
        self.point.into_iter().chain(self.over_point)
    }

    /// Checks it: over all points the worst one counts.
    pub(super) fn check(&self, points: &[Point], controls: &[Control], quick: bool) -> Expectation {
        let expected = self.value.or(self.at_most).unwrap_or(0.0);
        let tolerance = self.value.map(|v| {
            if self.relative {
                self.tolerance * v.abs()
            } else {
                self.tolerance
            }
        });
        let measured: Vec<Option<f64>> = match (&self.control, self.point) {
            (Some(control), _) => vec![
                controls
                    .iter()
                    .find(|c| c.name == *control)
                    .and_then(|c| at(&control_value(c), &self.metric)),
            ],
            (None, Some(k)) => vec![self.ratio(points, k)],
            (None, None) => (0..points.len()).map(|k| self.ratio(points, k)).collect(),
        };
        let excess = |m: &Option<f64>| match (m, tolerance) {
            (None, _) => f64::INFINITY,
            (Some(m), None) => m - expected,
            (Some(m), Some(t)) => (m - expected).abs() - t,
        };
        let worst = measured
            .iter()
            .max_by(|a, b| excess(a).total_cmp(&excess(b)));
        Expectation {
            name: self.name.clone(),
            measured: worst.copied().flatten(),
            expected,
            tolerance,
            met: (!quick || self.quick).then(|| worst.is_some_and(|m| excess(m) <= 0.0)),
        }
    }

    fn ratio(&self, points: &[Point], k: usize) -> Option<f64> {
        let value = metric(points.get(k)?, &self.metric)?;
        match self.over_point {
            Some(base) => Some(value / metric(points.get(base)?, &self.metric)?),
            None => Some(value),
        }
    }
}

/// A number of a point by its dotted path in `summary.json`, or one of the derived ones:
/// `PATH.distance` = |value - predicted| over the half width of the 95 % interval,
/// `PATH.deviation` = |value/predicted - 1|,
/// `PATH.errors` = |value - predicted| over the standard error of the interval.
fn metric(point: &Point, path: &str) -> Option<f64> {
    at(&serde_json::to_value(point).ok()?, path)
}

fn control_value(control: &Control) -> Value {
    let entries = control
        .values
        .iter()
        .filter_map(|(name, e)| Some((name.clone(), serde_json::to_value(e).ok()?)));
    Value::Object(entries.collect())
}

fn at(value: &Value, path: &str) -> Option<f64> {
    let find = |path: &str| path.split('.').try_fold(value, |v, key| v.get(key));
    if let Some((parent, derived)) = path.rsplit_once('.')
        && let Some(estimate) = find(parent)
    {
        let number = |key: &str| estimate.get(key).and_then(Value::as_f64);
        let half = || Some(0.5 * (number("high")? - number("low")?));
        let miss = || Some((number("value")? - number("predicted")?).abs());
        match derived {
            "distance" => return Some(miss()? / half()?),
            "deviation" => return Some((number("value")? / number("predicted")? - 1.0).abs()),
            // A 95 % interval is 1.96 standard errors wide on either side, up to the few replicas' t quantile.
            "errors" => return Some(miss()? / (half()? / 1.96)),
            _ => {}
        }
    }
    find(path).and_then(Value::as_f64)
}
