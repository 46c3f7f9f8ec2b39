//! What is not known of a device's numbers, and what follows from that.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::Device;
use super::cells::Cells;
use super::law::{COMMON, Kind, Parameter, STEP};
use crate::document::{Rule, Section, Value, Violations};
use crate::number::student_quantile;

/// Covariance of the estimates of some parameters of the nominal cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Covariance {
    /// Which parameters, as places in the cell's slice.
    pub places: Vec<usize>,
    /// In the law's own numbers: parts of the window, positions in it, ratios.
    pub matrix: DMatrix<f64>,
    /// Degrees of freedom of its own estimate; `None` where it is as good as known.
    pub freedom: Option<u32>,
}

/// A number with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Uncertain {
    /// The number.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Half the width of a 95 % interval in standard deviations: Student's, or the normal one without `freedom`.
pub(crate) fn quantile(freedom: Option<u32>) -> f64 {
    const P: f64 = 0.975;
    freedom
        .and_then(|n| student_quantile(P, f64::from(n)))
        .unwrap_or_else(|| Normal::standard().inverse_cdf(P))
}

/// Part of a parameter's scale that central differences go to either side.
pub(super) const DIFFERENCE: f64 = 6e-6;

impl Covariance {
    /// Reads a `[covariance]` table whose names are those of `all` parameters, apart from what follows from others.
    pub(super) fn parse(
        section: &Section,
        all: &[&Parameter],
        derives_step: bool,
        violations: &Violations,
    ) -> Option<Self> {
        let names = section.texts("parameters");
        let own = |p: &&Parameter| {
            let step = derives_step && p.name == COMMON[STEP].name;
            !matches!(p.kind, Kind::Node | Kind::Derived) && !step
        };
        let places: Vec<Option<usize>> = names
            .iter()
            .map(|name| all.iter().position(|p| own(p) && p.name == name))
            .collect();
        if names.is_empty() && section.has("parameters") {
            let rule = "must name at least one parameter";
            section.violation(
                "parameters",
                rule,
                "remove the table where nothing is estimated",
            );
        }
        let mut seen = Vec::new();
        for (name, place) in names.iter().zip(&places) {
            if place.is_none() {
                let known: Vec<&str> = all.iter().filter(|p| own(p)).map(|p| p.name).collect();
                let rule =
                    format!("the law has no parameter \"{name}\" that is a number of its own");
                let way_out = format!("its parameters are {}", known.join(", "));
                section.violation("parameters", rule, way_out);
            } else if seen.contains(place) {
                let rule = format!("names \"{name}\" twice");
                section.violation("parameters", rule, "name every parameter once");
            }
            seen.push(*place);
        }
        let freedom = section.optional_integer::<u32>("degrees-of-freedom", Rule::AtLeast(1.0));
        let n = names.len();
        let matrix = rows(section).filter(|rows| {
            let right = rows.len() == n && rows.iter().all(|r| r.len() == n);
            if !right {
                let rule =
                    format!("must have {n} rows of {n} numbers, as there are {n} parameters");
                section.violation("matrix", rule, "give one row a parameter, in their order");
            }
            right
        });
        let matrix =
            DMatrix::from_row_iterator(n, n, matrix.filter(|_| n > 0)?.into_iter().flatten());
        if !symmetric(&matrix) {
            let rule = "must be symmetric: the covariance of two parameters has one value";
            section.violation(
                "matrix",
                rule,
                "make row i, column j equal to row j, column i",
            );
        } else if !semidefinite(&matrix) {
            let rule = "must be positive semidefinite: no combination of parameters has a negative variance";
            section.violation(
                "matrix",
                rule,
                "copy it with all digits, or give the diagonal alone with zeros beside it",
            );
        }
        let places = places.into_iter().collect::<Option<Vec<_>>>()?;
        violations.is_empty().then_some(Self {
            places,
            matrix,
            freedom,
        })
    }
}

/// The rows of the matrix as they are written.
fn rows(section: &Section) -> Option<Vec<Vec<f64>>> {
    let example = "for example matrix = [[1e-6, 0.0], [0.0, 4e-6]]";
    let Some(node) = section.node("matrix") else {
        section.violation(
            "matrix",
            "missing: must be a list of rows of numbers",
            example,
        );
        return None;
    };
    let number = |value: &Value| match value {
        Value::Integer(v) => Some(*v as f64),
        Value::Float(v) if v.is_finite() => Some(*v),
        _ => None,
    };
    let row = |value: &Value| match value {
        Value::List(items) => items.iter().map(|n| number(&n.value)).collect(),
        _ => None,
    };
    let rows: Option<Vec<Vec<f64>>> = match &node.value {
        Value::List(items) => items.iter().map(|n| row(&n.value)).collect(),
        _ => None,
    };
    if rows.is_none() {
        section.violation(
            "matrix",
            "must be a list of rows of finite numbers",
            example,
        );
    }
    rows
}

/// Rounding of a correlation, with room for numbers that were written with ten digits.
const ROUNDING: f64 = 1e-9;

fn symmetric(m: &DMatrix<f64>) -> bool {
    let size = |i: usize, j: usize| (m[(i, i)] * m[(j, j)]).abs().sqrt();
    let pairs = || (0..m.nrows()).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs().all(|(i, j)| (m[(i, j)] - m[(j, i)]).abs() <= ROUNDING * size(i, j))
}

fn semidefinite(m: &DMatrix<f64>) -> bool {
    if m.diagonal().iter().any(|v| *v < 0.0) {
        return false;
    }
    let sizes = m.diagonal().map(f64::sqrt);
    // A parameter without variance has no covariance either.
    let lost = |i: usize| sizes[i] == 0.0 && m.row(i).iter().any(|v| *v != 0.0);
    if (0..m.nrows()).any(lost) {
        return false;
    }
    let scaled = DMatrix::from_fn(m.nrows(), m.ncols(), |i, j| {
        let size = sizes[i] * sizes[j];
        if size > 0.0 { m[(i, j)] / size } else { 0.0 }
    });
    let eigen = SymmetricEigen::try_new(scaled, f64::EPSILON, 1000);
    eigen.is_some_and(|e| e.eigenvalues.iter().all(|v| *v >= -ROUNDING))
}

impl Device {
    /// A function of the nominal cell, as cell 0 of an array of its like, with its 95 % interval by the delta method, where the device file has
    /// a `[covariance]`.
    ///
    /// # Equation
    /// `f ± q √(∇fᵀ V ∇f)`, q the quantile of the normal or of Student's distribution; `∇f` by central differences over 6·10⁻⁶ of a parameter, at
    /// least of a thousandth: their error is near 10⁻⁸ of the derivative.
    ///
    /// `None` without covariance, or where the function does not exist at or beside the parameters.
    pub fn uncertain(&self, f: impl Fn(&Cells) -> Option<f64>) -> Option<Uncertain> {
        let covariance = self.covariance()?;
        let nominal: Vec<f64> = self.parameters().map(|(_, v)| v).collect();
        // The path of the cells themselves: labels become curvatures, states are read out.
        let f = |p: &[f64]| f(&self.with_nominal(p).cells(1, 0).ok()?);
        let value = f(&nominal)?;
        let gradient: Option<Vec<f64>> = covariance
            .places
            .iter()
            .map(|&k| {
                let h = DIFFERENCE * nominal[k].abs().max(1e-3);
                let at = |h: f64| {
                    let mut p = nominal.clone();
                    p[k] += h;
                    f(&p)
                };
                Some((at(h)? - at(-h)?) / (2.0 * h))
            })
            .collect();
        let gradient = DVector::from_vec(gradient?);
        let variance = gradient.dot(&(&covariance.matrix * &gradient)).max(0.0);
        let half = quantile(covariance.freedom) * variance.sqrt();
        (value + half).is_finite().then_some(Uncertain {
            value,
            low: value - half,
            high: value + half,
        })
    }

    /// Position of the conductance at the nominal cell's symmetric point, with what is not known of it.
    pub fn uncertain_symmetric_point(&self) -> Option<Uncertain> {
        self.uncertain(Cells::nominal_symmetric_point)
    }

    /// `R'` of the nominal cell at its symmetric point, per position of the conductance, with what is not known of it.
    pub fn uncertain_slope(&self) -> Option<Uncertain> {
        self.uncertain(|cell| {
            let x = cell.nominal_symmetric_point()?;
            Some(cell.response(0, x).slope())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::load_device;
    use super::*;

    const TEXT: &str = include_str!("../../device-models/ideal/soft-bounds.toml");

    fn device(covariance: &str) -> crate::error::Result<Device> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.toml");
        std::fs::write(&path, format!("{TEXT}\n{covariance}\n")).unwrap();
        load_device(&path.display().to_string(), Path::new(""))
    }

    /// Soft bounds: `R' = (1/(u-s⋄) + 1/(s⋄-l))/2`, whose derivatives are known.
    #[test]
    fn the_delta_method_gives_the_deviation_of_soft_bounds() {
        let text = "[covariance]\nparameters = [\"upper\", \"symmetric-point\", \"step\"]\n\
            matrix = [[4e-4, 1e-4, 0.0], [1e-4, 1e-4, 0.0], [0.0, 0.0, 1e-8]]";
        let device = device(text).unwrap();
        let [u, l, s] = [1.0, 0.0, 0.5];
        let nominal: Vec<f64> = device.parameters().map(|(_, v)| v).collect();
        assert_eq!(nominal[1..], [l, u, s]);
        let point = device.uncertain_symmetric_point().unwrap();
        // 1.96 deviations of 0.01; the bisection is exact to rounding, which differences over 3e-6 magnify to 1e-10.
        let half = |u: Uncertain| 0.5 * (u.high - u.low);
        assert!((half(point) - 1.959963984540054 * 0.01).abs() < 1e-9);
        let slope = device.uncertain_slope().unwrap();
        let by_u = -0.5 / (u - s).powi(2);
        let by_s = 0.5 / (u - s).powi(2) - 0.5 / (s - l).powi(2);
        let variance = by_u * by_u * 4e-4 + 2.0 * by_u * by_s * 1e-4 + by_s * by_s * 1e-4;
        assert!((slope.value - 2.0).abs() < 1e-12);
        assert!((half(slope) - 1.959963984540054 * f64::sqrt(variance)).abs() < 1e-8);
    }

    /// Tables: Student's 97.5 % quantile is 2.262 for 9 degrees of freedom, 12.706 for one.
    #[test]
    fn few_degrees_of_freedom_widen_intervals() {
        for (freedom, expected) in [
            (Some(9), 2.262),
            (Some(1), 12.706),
            (Some(u32::MAX), 1.960),
            (None, 1.960),
        ] {
            assert!((quantile(freedom) - expected).abs() < 5e-4, "{freedom:?}");
        }
    }

    #[test]
    fn a_device_without_covariance_has_no_intervals() {
        let device = device("").unwrap();
        assert!(device.covariance().is_none());
        assert!(device.uncertain_slope().is_none());
    }

    #[test]
    fn broken_covariances_are_refused() {
        let two = "parameters = [\"step\", \"upper\"]\n";
        let one = "parameters = [\"step\"]\n";
        for (table, expected) in [
            (
                format!("{two}matrix = [[1e-8, 0.0]]"),
                "2 rows of 2 numbers",
            ),
            (
                format!("{two}matrix = [[1e-8, 0.0], [0.0]]"),
                "2 rows of 2 numbers",
            ),
            (
                format!("{two}matrix = [[1e-8, 1e-6], [2e-6, 1e-3]]"),
                "symmetric",
            ),
            (
                format!("{two}matrix = [[1e-8, 1e-4], [1e-4, 1e-3]]"),
                "semidefinite",
            ),
            (
                format!("{two}matrix = [[0.0, 1e-6], [1e-6, 1e-3]]"),
                "semidefinite",
            ),
            (format!("{one}matrix = [[-1e-8]]"), "semidefinite"),
            (format!("{one}matrix = [[nan]]"), "finite"),
            (format!("{one}matrix = [1e-8]"), "list of rows"),
            (format!("{one}matrix = \"x\""), "list of rows"),
            (one.into(), "missing"),
            ("matrix = [[1e-8]]".into(), "parameters: missing"),
            (
                "parameters = [\"stepp\"]\nmatrix = [[1e-8]]".into(),
                "no parameter \"stepp\"",
            ),
            (
                "parameters = [\"step\", \"step\"]\nmatrix = [[1e-8, 0.0], [0.0, 1e-8]]".into(),
                "twice",
            ),
            (
                format!("{one}matrix = [[1e-8]]\ndegrees-of-freedom = 0"),
                "degrees-of-freedom = 0",
            ),
            (
                format!("{one}matrix = [[1e-8]]\nfreedom = 3"),
                "unknown key",
            ),
        ] {
            let message = match device(&format!("[covariance]\n{table}")) {
                Ok(_) => panic!("accepted {table}"),
                Err(e) => e.to_string(),
            };
            assert!(message.contains(expected), "{table}: {message}");
            assert!(message.contains("covariance"), "{message}");
        }
        let positive = format!("[covariance]\n{two}matrix = [[1e-8, 0], [0, 1e-3]]");
        assert!(device(&positive).is_ok());
    }
}
