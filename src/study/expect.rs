//! What a study expects of its numbers.

use serde_json::Value;

use super::summary::{Control, Estimate, Expectation, Point};
use crate::document::{Origin, Rule, Section};
use crate::error::{Error, Result, Violation, closest};

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
    /// Which of the times that a point is read at, for metrics `reads.…`; all of them if missing.
    read: Option<usize>,
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
            read: index("read").map(usize::from),
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
        let found = match self.of_reads() {
            Some(path) => point
                .pointer("/reads/0")
                .is_some_and(|r| at(r, path).is_some()),
            None => at(&point, &self.metric).is_some(),
        };
        if found {
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
            (None, Some(k)) => self.ratios(points, k),
            (None, None) => (0..points.len())
                .flat_map(|k| self.ratios(points, k))
                .collect(),
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

    /// The metric in one entry of `reads`, if it is there that it is looked for.
    fn of_reads(&self) -> Option<&str> {
        self.metric.strip_prefix("reads.")
    }

    /// Fails if it names a read that points with `reads` of them do not have, or names one for a metric of the whole point.
    pub(super) fn check_read(&self, reads: usize) -> Result<()> {
        let refuse = |rule: String, way_out: String| {
            let value = self.read.map(|r| r.to_string());
            Err(Error::from(self.origin.violation(
                "expect.read",
                value,
                rule,
                way_out,
            )))
        };
        match (self.of_reads(), self.read) {
            (None, Some(_)) => refuse(
                "only metrics that start with reads. differ from time to time".into(),
                "remove read".into(),
            ),
            (Some(_), _) if reads == 0 => refuse(
                "in a study that is trained nothing is read for itself".into(),
                "expect another metric".into(),
            ),
            (Some(_), Some(k)) if k >= reads => refuse(
                format!("points are read {reads} times, counted from 0"),
                format!("choose a read from 0 to {}", reads - 1),
            ),
            _ => Ok(()),
        }
    }

    /// The numbers at point k, over those at the point that they are compared with.
    fn ratios(&self, points: &[Point], k: usize) -> Vec<Option<f64>> {
        let values = self.values(points, k);
        let Some(base) = self.over_point else {
            return values;
        };
        let pairs = values.into_iter().zip(self.values(points, base));
        pairs.map(|(v, b)| Some(v? / b?)).collect()
    }

    /// The number at point k, or one for every time that it is read.
    fn values(&self, points: &[Point], k: usize) -> Vec<Option<f64>> {
        let Some(point) = points.get(k).and_then(|p| serde_json::to_value(p).ok()) else {
            return vec![None];
        };
        match (
            self.of_reads(),
            point.get("reads").and_then(Value::as_array),
        ) {
            (Some(path), Some(reads)) => reads
                .iter()
                .enumerate()
                .filter(|(i, _)| self.read.is_none_or(|r| r == *i))
                .map(|(_, read)| at(read, path))
                .collect(),
            _ => vec![at(&point, &self.metric)],
        }
    }
}

fn control_value(control: &Control) -> Value {
    let entries = control
        .values
        .iter()
        .filter_map(|(name, e)| Some((name.clone(), serde_json::to_value(e).ok()?)));
    Value::Object(entries.collect())
}

/// Numbers are named by their dotted path in a point of `summary.json`, or are one of the derived ones:
/// `PATH.distance` = |value - predicted| over the half width of the 95 % interval,
/// `PATH.deviation` = |value/predicted - 1|,
/// `PATH.errors` = |value - predicted| over the standard error of the interval.
fn at(value: &Value, path: &str) -> Option<f64> {
    // Entries of lists are counted from 0.
    let entry = |v: &'_ Value, key: &str| v.as_array().and(key.parse().ok());
    let find = |path: &str| {
        path.split('.')
            .try_fold(value, |v, key| match entry(v, key) {
                Some(k) => v.get::<usize>(k),
                None => v.get(key),
            })
    };
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
