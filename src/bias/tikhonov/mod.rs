//! Explicit L2: ridge solutions of least squares, their whole path, and the λ that given weights amount to.
//!
//! The loss is `L(w) = ½E[(x·w - y)²]` with `H = E[x xᵀ]` (d × d), `b = E[x y]` (d), `E[y²]`. A penalty
//! `½λ|w - c|²` pulls toward the centre `c`, for a device its symmetric point:
//!
//! ```text
//! w(λ) = (H + λI)⁻¹(b + λc),     per eigenmode of H:   w_k - c_k = d_k/(d_k + λ) · (w_LS,k - c_k)
//! ```
//!
//! The estimators E2 ([`gradient_matching`]), E3 ([`Spectrum::nearest_on_path`]) and E4
//! ([`Spectrum::eigenmode_median`]) are plain functions of mean weights. On a point of the path all return its λ; elsewhere
//! they differ, being different functionals, so each is compared with its own value at the predicted weights.
//!
//! ```
//! use memridge::bias::tikhonov::{LeastSquares, Norm};
//! use nalgebra::{DMatrix, DVector};
//!
//! let x = DMatrix::from_row_slice(4, 2, &[1.0, 0.2, -0.5, 1.0, 0.3, -1.1, -0.8, 0.4]);
//! let y = DVector::from_vec(vec![1.0, -0.3, 0.5, -1.0]);
//! let problem = LeastSquares::from_rows(&x, &y)?;
//! let centre = DVector::zeros(2);
//! let w = problem.ridge(0.1, &centre)?;
//! let nearest = problem.spectrum()?.nearest_on_path(&w, &centre, Norm::H)?;
//! assert!((nearest.lambda - 0.1).abs() < 1e-8 && nearest.distance < 1e-8);
//! # Ok::<(), memridge::bias::tikhonov::TikhonovError>(())
//! ```
//!
//! Nothing here adds an intercept: give centred data, or a column of ones.
//!
//! # Reference
//!
//! A. E. Hoerl & R. W. Kennard, "Ridge regression", Technometrics 12, 55–67 (1970), doi:10.1080/00401706.1970.10488634;
//! T. Hastie, R. Tibshirani & J. Friedman, "The elements of statistical learning" (2nd ed. 2009), section 3.4.1.

mod minimum;
mod problem;
mod spectrum;
#[cfg(test)]
mod tests;

use nalgebra::DVector;
use serde::Serialize;
use thiserror::Error;

pub use problem::LeastSquares;
pub use spectrum::Spectrum;

/// Why a least-squares quantity does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum TikhonovError {
    /// No samples or no features.
    #[error("least squares needs at least one sample and one feature, got {samples} × {features}")]
    Empty {
        /// Number of samples.
        samples: usize,
        /// Number of features.
        features: usize,
    },
    /// A vector or matrix of the wrong length.
    #[error("{what} has length {got}, the problem needs {expected}")]
    Length {
        /// Which argument.
        what: &'static str,
        /// The length needed.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// An infinite or NaN entry.
    #[error("{what} has an entry that is not finite")]
    NotFinite {
        /// Which argument.
        what: &'static str,
    },
    /// `H`, `b` and `E[y²]` that no data have.
    #[error(
        "the moments [[H, b], [bᵀ, E y²]] are not symmetric and positive semidefinite: no data have them"
    )]
    NotMoments,
    /// A strength of the pull outside its range.
    #[error("the penalty λ = {0} is out of range here: it must not be negative nor NaN")]
    Penalty(f64),
    /// A strength of a diagonal path that is not positive and finite.
    #[error(
        "strength {value} of weight {index} is not positive and finite: leave weights without a pull out of the path"
    )]
    Strength {
        /// Index of the weight.
        index: usize,
        /// Its strength.
        value: f64,
    },
    /// `H + Λ` has no inverse, or is not positive definite.
    #[error(
        "H + Λ is not positive definite, so the penalised loss has no single minimum: use larger strengths"
    )]
    Indefinite,
    /// Generalised cross validation of a problem given by moments alone.
    #[error(
        "generalised cross validation needs the number of samples: build the problem from rows, or give it with the moments"
    )]
    NoSamples,
    /// All points of the path coincide: every λ fits alike.
    #[error(
        "the least-squares solution is the centre, so every λ gives the same weights and none can be estimated"
    )]
    NoPath,
    /// The weights say nothing about λ (they sit on the centre, or in modes without data).
    #[error(
        "λ is not determined by these weights: they sit on the centre of the pull, or in modes without data"
    )]
    Undetermined,
    /// An iteration that did not reach its tolerance.
    #[error("{what} did not converge")]
    NotConverged {
        /// Which computation.
        what: &'static str,
    },
}

type Result<T> = std::result::Result<T, TikhonovError>;

/// The norm in which a distance between weights is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// `|v|² = vᵀHv`: twice the excess loss, blind to modes without data.
    H,
    /// `|v|² = Σv_j²`.
    Euclidean,
}

/// The point of a penalty path nearest to given weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Nearest {
    /// Its λ: 0 is the least-squares end, infinity the centre itself.
    pub lambda: f64,
    /// Its distance, in the norm asked for.
    pub distance: f64,
}

/// The λ that generalised cross validation prefers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GcvBest {
    /// Best λ: 0 is no penalty, infinity the centre itself.
    pub lambda: f64,
    /// Its score, an estimate of the mean squared prediction error.
    pub score: f64,
}

/// E2: the λ of a centred ridge whose pull best balances a full-batch gradient at mean weights.
///
/// # Equation
///
/// Least squares of `-∇L(w) = λ(w - c)` over the weights:
///
/// ```text
/// λ = -∇L(w)·(w - c) / |w - c|²
/// ```
///
/// Any loss will do. λ may be negative (anti-regularizing). `gradient`, `w`, `centre` d.
///
/// # Errors
///
/// Weights on the centre; vectors of the wrong length or not finite.
pub fn gradient_matching(
    gradient: &DVector<f64>,
    w: &DVector<f64>,
    centre: &DVector<f64>,
) -> Result<f64> {
    check("the gradient", gradient, w.len())?;
    check("w", w, w.len())?;
    check("the centre", centre, w.len())?;
    let offset = w - centre;
    let lambda = -gradient.dot(&offset) / offset.norm_squared();
    if lambda.is_finite() {
        Ok(lambda)
    } else {
        Err(TikhonovError::Undetermined)
    }
}

fn check(what: &'static str, vector: &DVector<f64>, expected: usize) -> Result<()> {
    if vector.len() != expected {
        return Err(TikhonovError::Length {
            what,
            expected,
            got: vector.len(),
        });
    }
    if vector.iter().all(|v| v.is_finite()) {
        Ok(())
    } else {
        Err(TikhonovError::NotFinite { what })
    }
}

fn check_penalty(lambda: f64) -> Result<()> {
    if lambda >= 0.0 {
        Ok(())
    } else {
        Err(TikhonovError::Penalty(lambda))
    }
}
