//! The question users ask, answered in words.

use super::format::short;
use crate::study::summary::{Point, Summary, TestError};

/// A test error within this share of the best explicit one counts as right.
const RIGHT: f64 = 0.01;

/// How the L2 of a device compares with the best explicit one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    TooLittle,
    Right,
    TooMuch,
}

impl Amount {
    pub fn words(self) -> &'static str {
        match self {
            Self::TooLittle => "too little",
            Self::Right => "right",
            Self::TooMuch => "too much",
        }
    }
}

/// Whether a point's L2 is too little, right or too much; `None` without test errors.
pub(super) fn amount(point: &Point) -> Option<Amount> {
    let test = usable(point)?;
    if test.implicit <= (1.0 + RIGHT) * test.explicit_best {
        return Some(Amount::Right);
    }
    let lambda = point.lambda_e3.value.or(point.lambda_predicted)?;
    let best = test.explicit_best_lambda;
    if lambda.is_nan() || best.is_nan() {
        None
    } else if lambda < best {
        Some(Amount::TooLittle)
    } else {
        Some(Amount::TooMuch)
    }
}

fn usable(point: &Point) -> Option<&TestError> {
    let finite = |t: &&TestError| t.implicit.is_finite() && t.explicit_best.is_finite();
    point.test_error.as_ref().filter(finite)
}

/// Answers "is the L2 that the device gives for free too little, right, or too much?"; `None` without test errors.
///
/// Right means that the test error is within 1 % of the best explicit ridge; otherwise the measured λ decides.
pub fn answer(summary: &Summary) -> Option<String> {
    let judged: Vec<(&Point, Amount)> = summary
        .points
        .iter()
        .filter_map(|p| Some((p, amount(p)?)))
        .collect();
    let parts: Vec<String> = [Amount::TooMuch, Amount::Right, Amount::TooLittle]
        .into_iter()
        .filter_map(|amount| {
            let labels: Vec<&str> = judged
                .iter()
                .filter(|(_, a)| *a == amount)
                .map(|(p, _)| p.label.as_str())
                .collect();
            match labels.len() {
                0 => None,
                1 if judged.len() == 1 => Some(amount.words().into()),
                n if n == judged.len() && n > 1 => {
                    Some(format!("{} at all {n} points", amount.words()))
                }
                1..=6 if labels.iter().all(|l| l.len() <= 20 && !l.contains(',')) => {
                    Some(format!("{} at {}", amount.words(), labels.join(", ")))
                }
                n => Some(format!(
                    "{} at {n} of {} points",
                    amount.words(),
                    judged.len()
                )),
            }
        })
        .collect();
    let (best, test) = judged
        .iter()
        .filter_map(|(p, _)| Some((*p, usable(p)?)))
        .min_by(|(_, a), (_, b)| a.implicit.total_cmp(&b.implicit))?;
    let best_label = &best.label;
    let mut answer = format!(
        "Is the L2 that the device gives for free too little, right, or too much? Here it is {}. ",
        parts.join("; ")
    );
    let place = if judged.len() > 1 {
        format!("It serves best at {best_label}, with")
    } else {
        "It gives".into()
    };
    answer.push_str(&format!(
        "{place} a test error of {}, against {} for the best explicit ridge (λ = {}), {} with λ chosen by GCV and {} without any. \
        Right means within 1 % of the best explicit ridge.",
        digits(test.implicit),
        digits(test.explicit_best),
        short(Some(test.explicit_best_lambda)),
        digits(test.explicit_gcv),
        digits(test.none),
    ));
    Some(answer)
}

fn digits(value: f64) -> String {
    super::format::significant(Some(value), 4)
}
