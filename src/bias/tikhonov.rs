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

use argmin::core::{CostFunction, Executor, State, TerminationReason, TerminationStatus};
use argmin::solver::brent::BrentRoot;
use nalgebra::{Cholesky, DMatrix, DVector, Dyn, SymmetricEigen};
use serde::Serialize;
use thiserror::Error;

/// Nodes per decade of λ that separate one local minimum of a path from the next.
const NODES_PER_DECADE: f64 = 16.0;

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

/// A least-squares problem by its second moments.
///
/// # Equation
///
/// `L(w) = ½E[(x·w - y)²] = ½(E[y²] - 2b·w + wᵀHw)`, `∇L = Hw - b`.
///
/// # Symbols
///
/// `H = E[x xᵀ]` d × d, `b = E[x y]` d, expectations over the training set (or a population, then without a number of
/// samples).
#[derive(Clone, Debug, PartialEq)]
pub struct LeastSquares {
    h: DMatrix<f64>,
    b: DVector<f64>,
    yy: f64,
    samples: Option<usize>,
}

impl LeastSquares {
    /// Moments of a data set: `x` n × d with one sample per row, `y` n. `H = xᵀx/n`, `b = xᵀy/n`.
    ///
    /// # Errors
    ///
    /// No samples or features, lengths that differ, entries (or moments) that are not finite.
    pub fn from_rows(x: &DMatrix<f64>, y: &DVector<f64>) -> Result<Self> {
        let (samples, features) = x.shape();
        if samples == 0 || features == 0 {
            return Err(TikhonovError::Empty { samples, features });
        }
        check("y", y, samples)?;
        let n = samples as f64;
        let problem = Self {
            h: x.tr_mul(x) / n,
            b: x.tr_mul(y) / n,
            yy: y.norm_squared() / n,
            samples: Some(samples),
        };
        let all_finite = problem
            .h
            .iter()
            .chain(&problem.b)
            .chain([&problem.yy])
            .all(|v| v.is_finite());
        if all_finite {
            Ok(problem)
        } else {
            Err(TikhonovError::NotFinite { what: "x" })
        }
    }

    /// A problem from its moments: `h` d × d, `b` d, `yy = E[y²]`, and the number of samples if there is one.
    ///
    /// # Errors
    ///
    /// Moments that no data have: `[[H, b], [bᵀ, yy]]` must be symmetric and positive semidefinite (to rounding).
    pub fn from_moments(
        h: DMatrix<f64>,
        b: DVector<f64>,
        yy: f64,
        samples: Option<usize>,
    ) -> Result<Self> {
        let features = h.nrows();
        if features == 0 || samples == Some(0) {
            return Err(TikhonovError::Empty {
                samples: samples.unwrap_or(0),
                features,
            });
        }
        if h.ncols() != features {
            return Err(TikhonovError::Length {
                what: "a row of H",
                expected: features,
                got: h.ncols(),
            });
        }
        check("b", &b, features)?;
        if !(yy.is_finite() && h.iter().all(|v| v.is_finite())) {
            return Err(TikhonovError::NotFinite {
                what: "H or E[y²]"
            });
        }
        // every feature scaled to unit moment, so that rounding is judged in the units of each
        let scale = DVector::from_fn(features + 1, |i, _| {
            let moment = if i < features { h[(i, i)] } else { yy };
            if moment > 0.0 {
                1.0 / moment.sqrt()
            } else {
                1.0
            }
        });
        let joint = DMatrix::from_fn(features + 1, features + 1, |i, j| {
            let entry = match (i < features, j < features) {
                (true, true) => h[(i, j)],
                (true, false) => b[i],
                (false, true) => b[j],
                (false, false) => yy,
            };
            scale[i] * entry * scale[j]
        });
        let skew = (&joint - joint.transpose()).amax();
        let (values, _) = eigen(joint)?;
        let rounding = 1e-12 * (features as f64 + 1.0);
        if skew > rounding || values.iter().any(|&v| v < -rounding) {
            return Err(TikhonovError::NotMoments);
        }
        Ok(Self {
            h: (&h + h.transpose()) / 2.0,
            b,
            yy,
            samples,
        })
    }

    /// `H`, d × d.
    pub fn h(&self) -> &DMatrix<f64> {
        &self.h
    }

    /// `b`, d.
    pub fn b(&self) -> &DVector<f64> {
        &self.b
    }

    /// `E[y²]`.
    pub fn yy(&self) -> f64 {
        self.yy
    }

    /// The number of samples n; `None` for a population.
    pub fn samples(&self) -> Option<usize> {
        self.samples
    }

    /// The number of weights d.
    pub fn features(&self) -> usize {
        self.b.len()
    }

    /// `L(w) = ½(E[y²] - 2b·w + wᵀHw)`; `w` d.
    ///
    /// # Errors
    ///
    /// A `w` of the wrong length or not finite.
    pub fn loss(&self, w: &DVector<f64>) -> Result<f64> {
        check("w", w, self.features())?;
        Ok(0.5 * (self.yy - 2.0 * self.b.dot(w) + w.dot(&(&self.h * w))))
    }

    /// `∇L(w) = Hw - b`; `w` d.
    ///
    /// # Errors
    ///
    /// A `w` of the wrong length or not finite.
    pub fn gradient(&self, w: &DVector<f64>) -> Result<DVector<f64>> {
        check("w", w, self.features())?;
        Ok(&self.h * w - &self.b)
    }

    /// `|v|_H = √(vᵀHv)` or the Euclidean length; `v` d.
    ///
    /// # Errors
    ///
    /// A `v` of the wrong length or not finite.
    pub fn norm(&self, v: &DVector<f64>, norm: Norm) -> Result<f64> {
        check("v", v, self.features())?;
        Ok(match norm {
            Norm::H => v.dot(&(&self.h * v)).max(0.0).sqrt(),
            Norm::Euclidean => v.norm(),
        })
    }

    /// `w_LS = H⁻¹b` by Cholesky; where H is singular to rounding, `H⁺b`, the shortest of the minima.
    ///
    /// # Errors
    ///
    /// An eigendecomposition that does not converge.
    pub fn solution(&self) -> Result<DVector<f64>> {
        match factor(self.h.clone()) {
            Some(cholesky) => Ok(cholesky.solve(&self.b)),
            None => self
                .spectrum()?
                .ridge(0.0, &DVector::zeros(self.features())),
        }
    }

    /// `(H + λI)⁻¹(b + λc)`, the minimum of `L(w) + ½λ|w - c|²`; `centre` d.
    ///
    /// `λ = 0` is the limit λ → 0⁺: the minimum of L nearest to the centre. A negative λ is allowed while `H + λI` is
    /// positive definite (an anti-regularizing device). For many λ use [`Spectrum::ridge_path`].
    ///
    /// # Errors
    ///
    /// λ not finite, or so negative that there is no minimum; a centre of the wrong length or not finite.
    pub fn ridge(&self, lambda: f64, centre: &DVector<f64>) -> Result<DVector<f64>> {
        check("the centre", centre, self.features())?;
        if !lambda.is_finite() {
            return Err(TikhonovError::Penalty(lambda));
        }
        match self.diagonal(&DVector::repeat(self.features(), lambda), centre) {
            Err(TikhonovError::Indefinite) if lambda >= 0.0 => {
                self.spectrum()?.ridge(lambda, centre)
            }
            other => other,
        }
    }

    /// `(H + Λ)⁻¹(b + Λc)`, `Λ = diag(λ_j)`, the minimum of `L(w) + ½Σλ_j(w_j - c_j)²`; `strengths` (λ_j) and `centre` d.
    ///
    /// Strengths may be 0 or negative while `H + Λ` is positive definite.
    ///
    /// # Errors
    ///
    /// `H + Λ` singular or indefinite; vectors of the wrong length or not finite.
    pub fn diagonal(
        &self,
        strengths: &DVector<f64>,
        centre: &DVector<f64>,
    ) -> Result<DVector<f64>> {
        check("the strengths", strengths, self.features())?;
        check("the centre", centre, self.features())?;
        let penalised = &self.h + DMatrix::from_diagonal(strengths);
        let cholesky = factor(penalised).ok_or(TikhonovError::Indefinite)?;
        // from the centre: w - c = (H + Λ)⁻¹(b - Hc), which keeps its digits for strong pulls
        Ok(centre + cholesky.solve(&(&self.b - &self.h * centre)))
    }

    /// The eigendecomposition of `H`, to be used for the whole path.
    ///
    /// # Errors
    ///
    /// An eigendecomposition that does not converge.
    pub fn spectrum(&self) -> Result<Spectrum> {
        let (mut values, vectors) = eigen(self.h.clone())?;
        clear_rounding(&mut values, self.samples);
        let b = vectors.tr_mul(&self.b);
        Ok(Spectrum {
            problem: self.clone(),
            eigenvalues: values,
            vectors,
            b,
        })
    }

    /// E2, [`gradient_matching`] with this problem's gradient.
    ///
    /// # Errors
    ///
    /// Weights on the centre; vectors of the wrong length or not finite.
    pub fn gradient_matching(&self, w: &DVector<f64>, centre: &DVector<f64>) -> Result<f64> {
        gradient_matching(&self.gradient(w)?, w, centre)
    }

    /// E3 of a diagonal penalty: the nearest point to `w` on the path `Λ = λ diag(ρ)`, λ ≥ 0.
    ///
    /// The strengths ρ are divided by their mean first, so that λ is the mean strength of the pull.
    ///
    /// # Equation
    ///
    /// With `S = diag(ρ)^{-1/2}` the path is scalar in the coordinates `v = S⁻¹(w - c)`:
    ///
    /// ```text
    /// (SHS + λI) v = S(b - Hc)
    /// ```
    ///
    /// One eigendecomposition of `SHS`; then each λ costs O(d) in the norm of H and O(d²) in the Euclidean one (whose metric
    /// is not diagonal in these modes).
    ///
    /// # Errors
    ///
    /// A strength that is not positive; a path of one point; vectors of the wrong length or not finite.
    pub fn nearest_on_diagonal_path(
        &self,
        w: &DVector<f64>,
        centre: &DVector<f64>,
        strengths: &DVector<f64>,
        norm: Norm,
    ) -> Result<Nearest> {
        check("w", w, self.features())?;
        check("the centre", centre, self.features())?;
        check("the strengths", strengths, self.features())?;
        if let Some((index, &value)) = strengths.iter().enumerate().find(|(_, v)| **v <= 0.0) {
            return Err(TikhonovError::Strength { index, value });
        }
        let s = strengths.map(|rho| (strengths.mean() / rho).sqrt());
        let scaled = DMatrix::from_fn(s.len(), s.len(), |i, j| s[i] * self.h[(i, j)] * s[j]);
        let (mut values, vectors) = eigen(scaled)?;
        clear_rounding(&mut values, self.samples);
        let pull = vectors.tr_mul(&(&self.b - &self.h * centre).component_mul(&s));
        let offset = vectors.tr_mul(&(w - centre).component_div(&s));
        let metric = match norm {
            Norm::H => Metric::Diagonal(values.clone()),
            Norm::Euclidean => {
                let back = DMatrix::from_diagonal(&s) * vectors;
                Metric::Full(back.tr_mul(&back))
            }
        };
        let terms =
            self.b.component_mul(&s).norm() + values.amax() * centre.component_div(&s).norm();
        let deltas = deltas(&values, &pull, terms);
        Path {
            eigenvalues: values,
            deltas,
            offset,
            metric,
        }
        .nearest()
    }
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

/// One eigendecomposition `H = V diag(d) Vᵀ`, reused for every λ of the ridge path.
///
/// Eigenvalues below `max(n, d)·ε·d_max` count as exactly 0: modes without data, where the path stays at the centre.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    problem: LeastSquares,
    eigenvalues: DVector<f64>,
    vectors: DMatrix<f64>,
    b: DVector<f64>,
}

impl Spectrum {
    /// The problem decomposed.
    pub fn problem(&self) -> &LeastSquares {
        &self.problem
    }

    /// The eigenvalues `d_k` of H, ascending; none is negative.
    pub fn eigenvalues(&self) -> &DVector<f64> {
        &self.eigenvalues
    }

    /// The eigenvectors, d × d, column k belonging to `d_k`.
    pub fn vectors(&self) -> &DMatrix<f64> {
        &self.vectors
    }

    /// The number of modes with data, `d_k > 0`.
    pub fn rank(&self) -> usize {
        self.eigenvalues.iter().filter(|&&d| d > 0.0).count()
    }

    /// The ridge solution at one λ; `centre` d. `λ = 0` is the limit λ → 0⁺, infinity the centre itself.
    ///
    /// # Errors
    ///
    /// A negative λ (see [`LeastSquares::ridge`]) or NaN; a centre of the wrong length or not finite.
    pub fn ridge(&self, lambda: f64, centre: &DVector<f64>) -> Result<DVector<f64>> {
        check_penalty(lambda)?;
        check("the centre", centre, self.eigenvalues.len())?;
        Ok(self.point(lambda, centre, &self.deltas(centre)))
    }

    /// The ridge solutions at each λ: d × `lambdas.len()`, one column each. `centre` d.
    ///
    /// # Errors
    ///
    /// A negative λ or NaN; a centre of the wrong length or not finite.
    pub fn ridge_path(&self, lambdas: &[f64], centre: &DVector<f64>) -> Result<DMatrix<f64>> {
        check("the centre", centre, self.eigenvalues.len())?;
        let deltas = self.deltas(centre);
        let mut path = DMatrix::zeros(self.eigenvalues.len(), lambdas.len());
        for (mut column, &lambda) in path.column_iter_mut().zip(lambdas) {
            check_penalty(lambda)?;
            column.copy_from(&self.point(lambda, centre, &deltas));
        }
        Ok(path)
    }

    /// Effective degrees of freedom `Σ d_k/(d_k + λ)`: the rank at λ = 0, falling to 0.
    ///
    /// # Errors
    ///
    /// A negative λ or NaN.
    pub fn effective_dof(&self, lambda: f64) -> Result<f64> {
        check_penalty(lambda)?;
        Ok(self.eigenvalues.iter().map(|&d| fraction(d, lambda)).sum())
    }

    /// How far each mode has come from the centre to least squares: `(w - c)_k/(w_LS - c)_k`, which is `d_k/(d_k + λ)` on
    /// the path. `w` and `centre` d; `None` for a mode without data or whose solution is the centre.
    ///
    /// # Errors
    ///
    /// Vectors of the wrong length or not finite.
    pub fn shrinkage(&self, w: &DVector<f64>, centre: &DVector<f64>) -> Result<Vec<Option<f64>>> {
        let (offset, deltas) = self.modes(w, centre)?;
        let ratio = |(u, delta): (&f64, &f64)| Some(u / delta).filter(|r| r.is_finite());
        Ok(offset.iter().zip(&deltas).map(ratio).collect())
    }

    /// E4: the median over eigenmodes of `λ_k = d_k((w_LS - c)_k/(w - c)_k - 1)`; `w` and `centre` d.
    ///
    /// Modes without data, or whose solution is the centre, do not vote. λ may be negative.
    ///
    /// # Errors
    ///
    /// No mode votes, or the median mode sits on the centre; vectors of the wrong length or not finite.
    pub fn eigenmode_median(&self, w: &DVector<f64>, centre: &DVector<f64>) -> Result<f64> {
        let (offset, deltas) = self.modes(w, centre)?;
        let mut votes: Vec<f64> = offset
            .iter()
            .zip(&deltas)
            .zip(&self.eigenvalues)
            .filter(|((_, delta), _)| **delta != 0.0)
            .map(|((u, delta), d)| d * (delta / u - 1.0))
            .collect();
        votes.sort_by(f64::total_cmp);
        let middle = votes.len() / 2;
        let median = match (votes.get(middle), votes.len() % 2) {
            (Some(&upper), 0) => (votes[middle - 1] + upper) / 2.0,
            (Some(&vote), _) => vote,
            (None, _) => return Err(TikhonovError::Undetermined),
        };
        if median.is_finite() {
            Ok(median)
        } else {
            Err(TikhonovError::Undetermined)
        }
    }

    /// E3: the nearest point to `w` of the ridge path, λ from 0 to infinity; `w` and `centre` d.
    ///
    /// Every λ at which the squared distance turns from falling to rising is found on a logarithmic grid (16 nodes a decade,
    /// from 10⁻⁶ to 10³ of the mean eigenvalue and beyond where the spectrum is wider) and refined by Brent's root finder on
    /// the derivative to a relative 10⁻⁸ or better; the global minimum of those and of both ends is returned.
    ///
    /// λ is not negative: weights past least squares return 0. An interval of λ near 0 is therefore one-sided; E2 and E4 are
    /// not cut off.
    ///
    /// # Errors
    ///
    /// A path of one point (`w_LS = c`); vectors of the wrong length or not finite.
    pub fn nearest_on_path(
        &self,
        w: &DVector<f64>,
        centre: &DVector<f64>,
        norm: Norm,
    ) -> Result<Nearest> {
        let (offset, deltas) = self.modes(w, centre)?;
        let metric = Metric::Diagonal(match norm {
            Norm::H => self.eigenvalues.clone(),
            Norm::Euclidean => DVector::repeat(self.eigenvalues.len(), 1.0),
        });
        Path {
            eigenvalues: self.eigenvalues.clone(),
            deltas,
            offset,
            metric,
        }
        .nearest()
    }

    /// The generalised cross-validation score of the centred ridge; `centre` d.
    ///
    /// # Equation
    ///
    /// ```text
    /// GCV(λ) = (RSS/n) / (1 - dof/n)²,   RSS/n = E[(x·w(λ) - y)²],   dof = Σ d_k/(d_k + λ)
    /// ```
    ///
    /// In modes, with `Δ = w_LS - c`: `RSS/n = E[(x·w_LS - y)²] + Σ d_k Δ_k² (λ/(d_k + λ))²`. When the rank is n (the data
    /// can be interpolated) both parts vanish at λ = 0 and the score is its limit there. An intercept removed by centring
    /// the data is a degree of freedom that is not counted: negligible unless `n - rank` is a few.
    ///
    /// # Errors
    ///
    /// A problem without a number of samples, or with fewer than its rank; a negative λ or NaN; a centre of the wrong length or not finite.
    ///
    /// # Reference
    ///
    /// G. H. Golub, M. Heath & G. Wahba, Technometrics 21, 215–223 (1979), doi:10.1080/00401706.1979.10489751.
    pub fn gcv(&self, lambda: f64, centre: &DVector<f64>) -> Result<f64> {
        check_penalty(lambda)?;
        let score = self.score(centre)?;
        let place = if lambda > 1.0 {
            Place::Far(1.0 / lambda)
        } else {
            Place::Near(lambda)
        };
        Ok(score.value_and_slope(place).0)
    }

    /// The λ that minimises [`Spectrum::gcv`], from 0 to infinity, found as in [`Spectrum::nearest_on_path`]; `centre` d.
    ///
    /// # Errors
    ///
    /// A problem without a number of samples, or with fewer than its rank; a path of one point; a centre of the wrong length or not finite.
    pub fn gcv_best(&self, centre: &DVector<f64>) -> Result<GcvBest> {
        let score = self.score(centre)?;
        if score.deltas.iter().all(|&delta| delta == 0.0) {
            return Err(TikhonovError::NoPath);
        }
        let (lambda, score) = minimise(&self.eigenvalues, |place| score.value_and_slope(place))?;
        Ok(GcvBest { lambda, score })
    }

    fn score(&self, centre: &DVector<f64>) -> Result<Score<'_>> {
        check("the centre", centre, self.eigenvalues.len())?;
        let samples = self.problem.samples.ok_or(TikhonovError::NoSamples)?;
        if self.rank() > samples {
            return Err(TikhonovError::NotMoments);
        }
        let explained: f64 = self
            .eigenvalues
            .iter()
            .zip(&self.b)
            .filter(|(d, _)| **d > 0.0)
            .map(|(d, b)| b * b / d)
            .sum();
        Ok(Score {
            eigenvalues: &self.eigenvalues,
            deltas: self.deltas(centre),
            residual: (self.problem.yy - explained).max(0.0),
            samples: samples as f64,
            spare: (samples - self.rank()) as f64,
        })
    }

    /// `(w_LS - c)_k`, 0 in modes without data.
    fn deltas(&self, centre: &DVector<f64>) -> DVector<f64> {
        let pull = &self.b - self.eigenvalues.component_mul(&self.vectors.tr_mul(centre));
        let terms = self.b.norm() + self.eigenvalues.amax() * centre.norm();
        deltas(&self.eigenvalues, &pull, terms)
    }

    /// `(w - c)_k` and `(w_LS - c)_k`.
    fn modes(
        &self,
        w: &DVector<f64>,
        centre: &DVector<f64>,
    ) -> Result<(DVector<f64>, DVector<f64>)> {
        check("w", w, self.eigenvalues.len())?;
        check("the centre", centre, self.eigenvalues.len())?;
        Ok((self.vectors.tr_mul(&(w - centre)), self.deltas(centre)))
    }

    fn point(&self, lambda: f64, centre: &DVector<f64>, deltas: &DVector<f64>) -> DVector<f64> {
        centre
            + &self.vectors
                * deltas.zip_map(&self.eigenvalues, |delta, d| delta * fraction(d, lambda))
    }
}

/// A λ between 0 and infinity, in the coordinate that is regular there.
#[derive(Clone, Copy)]
enum Place {
    /// λ itself, regular at 0.
    Near(f64),
    /// ln λ, between.
    Between(f64),
    /// 1/λ, regular at infinity.
    Far(f64),
}

impl Place {
    fn lambda(self) -> f64 {
        match self {
            Place::Near(lambda) => lambda,
            Place::Between(log) => log.exp(),
            Place::Far(inverse) => 1.0 / inverse,
        }
    }

    /// `φ = d/(d + λ)` and its derivative in the coordinate of this place. A mode without data stays at 0.
    fn fraction(self, d: f64) -> (f64, f64) {
        if d <= 0.0 {
            return (0.0, 0.0);
        }
        match self {
            Place::Near(lambda) => (d / (d + lambda), -d / (d + lambda).powi(2)),
            Place::Between(log) => {
                let lambda = log.exp();
                (
                    d / (d + lambda),
                    -(d / (d + lambda)) * (lambda / (d + lambda)),
                )
            }
            Place::Far(inverse) => (
                d * inverse / (d * inverse + 1.0),
                d / (d * inverse + 1.0).powi(2),
            ),
        }
    }

    /// `1/(d + λ)` for a mode with data, and its derivative; multiplied by λ where that is infinite.
    fn resolvent(self, d: f64) -> (f64, f64) {
        match self {
            Place::Near(lambda) => (1.0 / (d + lambda), -(d + lambda).powi(-2)),
            Place::Between(log) => {
                let lambda = log.exp();
                (1.0 / (d + lambda), -lambda * (d + lambda).powi(-2))
            }
            Place::Far(inverse) => (1.0 / (d * inverse + 1.0), -d * (d * inverse + 1.0).powi(-2)),
        }
    }
}

/// The squared length of a vector of modes.
enum Metric {
    Diagonal(DVector<f64>),
    Full(DMatrix<f64>),
}

/// The squared distance `|φ(λ)∘Δ - u|²` of given weights (modes u) to a penalty path (modes Δ at λ = 0).
struct Path {
    eigenvalues: DVector<f64>,
    deltas: DVector<f64>,
    offset: DVector<f64>,
    metric: Metric,
}

impl Path {
    fn value_and_slope(&self, place: Place) -> (f64, f64) {
        let gap = |k: usize| {
            let (phi, slope) = place.fraction(self.eigenvalues[k]);
            (
                self.deltas[k] * phi - self.offset[k],
                self.deltas[k] * slope,
            )
        };
        match &self.metric {
            Metric::Diagonal(weights) => {
                weights
                    .iter()
                    .enumerate()
                    .fold((0.0, 0.0), |(value, slope), (k, m)| {
                        let (e, de) = gap(k);
                        (value + m * e * e, slope + 2.0 * m * e * de)
                    })
            }
            Metric::Full(m) => {
                let e = DVector::from_fn(self.offset.len(), |k, _| gap(k).0);
                let de = DVector::from_fn(self.offset.len(), |k, _| gap(k).1);
                let me = m * &e;
                (e.dot(&me), 2.0 * de.dot(&me))
            }
        }
    }

    fn nearest(&self) -> Result<Nearest> {
        if self.deltas.iter().all(|&delta| delta == 0.0) {
            return Err(TikhonovError::NoPath);
        }
        let (lambda, squared) = minimise(&self.eigenvalues, |place| self.value_and_slope(place))?;
        Ok(Nearest {
            lambda,
            distance: squared.max(0.0).sqrt(),
        })
    }
}

/// The generalised cross-validation score of one centre.
struct Score<'a> {
    eigenvalues: &'a DVector<f64>,
    deltas: DVector<f64>,
    /// `E[(x·w_LS - y)²]`.
    residual: f64,
    samples: f64,
    /// n - rank.
    spare: f64,
}

impl Score<'_> {
    fn value_and_slope(&self, place: Place) -> (f64, f64) {
        // When nothing is spare, residuals and n - dof share a factor λ, which is cancelled (`resolvent`).
        let interpolates = self.spare <= 0.0;
        let mut rss = (if interpolates { 0.0 } else { self.residual }, 0.0);
        let mut room = (self.spare, 0.0);
        for (&d, delta) in self
            .eigenvalues
            .iter()
            .zip(&self.deltas)
            .filter(|(d, _)| **d > 0.0)
        {
            let (rest, slope) = if interpolates {
                place.resolvent(d)
            } else {
                // 1 - φ without cancellation
                let rest = match place {
                    Place::Near(_) | Place::Between(_) => place.lambda() / (d + place.lambda()),
                    Place::Far(inverse) => 1.0 / (d * inverse + 1.0),
                };
                (rest, -place.fraction(d).1)
            };
            let weight = d * delta * delta;
            rss = (
                rss.0 + weight * rest * rest,
                rss.1 + 2.0 * weight * rest * slope,
            );
            room = (room.0 + rest, room.1 + slope);
        }
        let room = (room.0 / self.samples, room.1 / self.samples);
        let value = rss.0 / (room.0 * room.0);
        (
            value,
            rss.1 / (room.0 * room.0) - 2.0 * value * room.1 / room.0,
        )
    }
}

/// The global minimum over λ in [0, ∞] of a function of the mode fractions, and where it is.
///
/// `f` gives the value and its derivative in the coordinate of the place.
fn minimise(eigenvalues: &DVector<f64>, f: impl Fn(Place) -> (f64, f64)) -> Result<(f64, f64)> {
    let present = || eigenvalues.iter().copied().filter(|&d| d > 0.0);
    let smallest = present().fold(f64::INFINITY, f64::min);
    let largest = present().fold(0.0, f64::max);
    if !smallest.is_finite() {
        return Err(TikhonovError::NoPath);
    }
    let mean = eigenvalues.mean();
    let (low, high) = (
        (1e-6 * mean).min(1e-3 * smallest).ln(),
        (1e3 * mean).max(1e3 * largest).ln(),
    );
    let steps = ((high - low) / std::f64::consts::LN_10 * NODES_PER_DECADE).ceil();
    let node = |i: usize| low + (high - low) * i as f64 / steps;

    let mut best = (0.0, f(Place::Near(0.0)).0);
    let mut consider = |place: Place| {
        let value = f(place).0;
        if value < best.1 {
            best = (place.lambda(), value);
        }
    };
    consider(Place::Far(0.0));
    // from falling at one end to rising at the other: a minimum lies between
    let slope = |place: Place| f(place).1;
    let turns = |from: f64, to: f64| from < 0.0 && to > 0.0;
    let near = low.exp();
    if turns(slope(Place::Near(0.0)), slope(Place::Near(near))) {
        consider(Place::Near(
            near * root(0.0, 1.0, |t| slope(Place::Near(near * t)))?,
        ));
    }
    let mut left = slope(Place::Between(low));
    for i in 1..=steps as usize {
        let right = slope(Place::Between(node(i)));
        if right == 0.0 {
            consider(Place::Between(node(i)));
        } else if turns(left, right) {
            consider(Place::Between(root(node(i - 1), node(i), |log| {
                slope(Place::Between(log))
            })?));
        }
        left = right;
    }
    let far = (-high).exp();
    if turns(slope(Place::Far(0.0)), slope(Place::Far(far))) {
        consider(Place::Far(
            far * root(0.0, 1.0, |t| slope(Place::Far(far * t)))?,
        ));
    }
    if best.1.is_finite() {
        Ok(best)
    } else {
        Err(TikhonovError::NotConverged {
            what: "the minimum over λ",
        })
    }
}

/// A function of one number, as the root finder wants it.
struct Slope<F>(F);

impl<F: Fn(f64) -> f64> CostFunction for Slope<F> {
    type Param = f64;
    type Output = f64;

    fn cost(&self, x: &f64) -> std::result::Result<f64, argmin::core::Error> {
        Ok((self.0)(*x))
    }
}

/// A root between two points of opposite sign, to 10⁻¹² of a unit.
fn root(from: f64, to: f64, f: impl Fn(f64) -> f64) -> Result<f64> {
    let failure = TikhonovError::NotConverged {
        what: "the root of the derivative in λ",
    };
    let result = Executor::new(Slope(f), BrentRoot::new(from, to, 1e-12))
        .configure(|state| state.max_iters(200))
        .run()
        .map_err(|_| failure)?;
    let state = result.state();
    match (state.get_termination_status(), state.get_param()) {
        (TerminationStatus::Terminated(TerminationReason::SolverConverged), Some(&x))
            if x.is_finite() =>
        {
            Ok(x)
        }
        _ => Err(failure),
    }
}

/// `d/(d + λ)` for λ from 0 to infinity, 0 for a mode without data.
fn fraction(d: f64, lambda: f64) -> f64 {
    if d > 0.0 { d / (d + lambda) } else { 0.0 }
}

/// Modes of `w_LS - c` from the modes of `b - Hc`; 0 without data, and where the difference of terms of that size is rounding.
fn deltas(eigenvalues: &DVector<f64>, pull: &DVector<f64>, terms: f64) -> DVector<f64> {
    let rounding = 16.0 * f64::EPSILON * terms;
    pull.zip_map(eigenvalues, |p, d| {
        if d > 0.0 && p.abs() > rounding {
            p / d
        } else {
            0.0
        }
    })
}

/// Eigenvalues ascending and eigenvectors in the same order, of a finite symmetric matrix that is not empty.
fn eigen(matrix: DMatrix<f64>) -> Result<(DVector<f64>, DMatrix<f64>)> {
    let failure = TikhonovError::NotConverged {
        what: "the eigendecomposition of H",
    };
    let iterations = 1000 + 100 * matrix.nrows();
    let decomposed = SymmetricEigen::try_new(matrix, f64::EPSILON, iterations).ok_or(failure)?;
    let mut order: Vec<usize> = (0..decomposed.eigenvalues.len()).collect();
    order.sort_by(|&i, &j| decomposed.eigenvalues[i].total_cmp(&decomposed.eigenvalues[j]));
    let values = DVector::from_iterator(
        order.len(),
        order.iter().map(|&i| decomposed.eigenvalues[i]),
    );
    if values.iter().all(|v| v.is_finite()) {
        Ok((values, decomposed.eigenvectors.select_columns(&order)))
    } else {
        Err(failure)
    }
}

/// Sets eigenvalues of a positive semidefinite matrix that are rounding alone to 0.
fn clear_rounding(values: &mut DVector<f64>, samples: Option<usize>) {
    let size = values.len().max(samples.unwrap_or(0)) as f64;
    let threshold = size * f64::EPSILON * values.amax();
    values
        .iter_mut()
        .filter(|v| **v <= threshold)
        .for_each(|v| *v = 0.0);
}

/// Cholesky factor of a matrix that is positive definite beyond rounding.
fn factor(matrix: DMatrix<f64>) -> Option<Cholesky<f64, Dyn>> {
    let cholesky = Cholesky::new(matrix)?;
    let pivots = cholesky.l_dirty().diagonal().map(|l| l * l);
    let safe = pivots.min() > 8.0 * pivots.len() as f64 * f64::EPSILON * pivots.max();
    safe.then_some(cholesky)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_pcg::Pcg64;

    const LAMBDAS: [f64; 6] = [1e-4, 0.01, 0.2, 1.0, 7.0, 300.0];
    const NORMS: [Norm; 2] = [Norm::H, Norm::Euclidean];

    fn vector(rng: &mut Pcg64, d: usize) -> DVector<f64> {
        DVector::from_fn(d, |_, _| StandardNormal.sample(rng))
    }

    /// Correlated features over two decades of eigenvalues, a noisy target.
    fn data(seed: u64, n: usize, d: usize) -> (DMatrix<f64>, DVector<f64>) {
        let mut rng = Pcg64::seed_from_u64(seed);
        let raw: DMatrix<f64> = DMatrix::from_fn(n, d, |_, _| StandardNormal.sample(&mut rng));
        let mix = DMatrix::from_fn(d, d, |i, j| {
            if i == j {
                1.0
            } else {
                0.6 / (1.0 + (i + j) as f64)
            }
        });
        let x = raw * mix;
        let y = &x * vector(&mut rng, d) + vector(&mut rng, n) * 0.5;
        (x, y)
    }

    fn problem(seed: u64, n: usize, d: usize) -> LeastSquares {
        let (x, y) = data(seed, n, d);
        LeastSquares::from_rows(&x, &y).unwrap()
    }

    fn close(a: f64, b: f64, relative: f64) -> bool {
        (a - b).abs() <= relative * a.abs().max(b.abs())
    }

    #[test]
    fn moments_agree_with_the_rows() {
        let (x, y) = data(1, 30, 4);
        let problem = LeastSquares::from_rows(&x, &y).unwrap();
        let w = vector(&mut Pcg64::seed_from_u64(2), 4);
        let residual = &x * &w - &y;
        assert!(close(
            problem.loss(&w).unwrap(),
            residual.norm_squared() / 60.0,
            1e-13
        ));
        assert!((problem.gradient(&w).unwrap() - x.tr_mul(&residual) / 30.0).amax() < 1e-13);
        assert!(close(
            problem.norm(&w, Norm::H).unwrap(),
            (&x * &w).norm() / 30.0_f64.sqrt(),
            1e-13
        ));
        let again = LeastSquares::from_moments(
            problem.h().clone(),
            problem.b().clone(),
            problem.yy(),
            Some(30),
        )
        .unwrap();
        assert!((again.h() - problem.h()).amax() < 1e-15 && again.samples() == Some(30));
        let solution = problem.solution().unwrap();
        assert!(problem.gradient(&solution).unwrap().amax() < 1e-13);
    }

    #[test]
    fn all_estimators_return_the_lambda_of_a_ridge() {
        for seed in 0..5 {
            let problem = problem(seed, 60, 8);
            let spectrum = problem.spectrum().unwrap();
            let random = vector(&mut Pcg64::seed_from_u64(100 + seed), 8) * 0.3;
            for centre in [DVector::zeros(8), random] {
                for lambda in LAMBDAS {
                    let w = problem.ridge(lambda, &centre).unwrap();
                    let same = |estimate: f64, by: &str| {
                        assert!(
                            close(estimate, lambda, 1e-6),
                            "{by} {estimate} of {lambda}, seed {seed}"
                        );
                    };
                    same(problem.gradient_matching(&w, &centre).unwrap(), "E2");
                    same(spectrum.eigenmode_median(&w, &centre).unwrap(), "E4");
                    for norm in NORMS {
                        let nearest = spectrum.nearest_on_path(&w, &centre, norm).unwrap();
                        same(nearest.lambda, "E3");
                        assert!(nearest.distance < 1e-12, "{nearest:?}");
                    }
                    for (ratio, d) in spectrum
                        .shrinkage(&w, &centre)
                        .unwrap()
                        .iter()
                        .zip(spectrum.eigenvalues())
                    {
                        assert!(close(ratio.unwrap(), d / (d + lambda), 1e-8));
                    }
                }
            }
        }
    }

    #[test]
    fn anti_regularized_weights_have_a_negative_lambda() {
        let problem = problem(6, 60, 5);
        let (spectrum, centre) = (problem.spectrum().unwrap(), DVector::zeros(5));
        let lambda = -0.3 * spectrum.eigenvalues()[0];
        let w = problem.ridge(lambda, &centre).unwrap();
        assert!(close(
            problem.gradient_matching(&w, &centre).unwrap(),
            lambda,
            1e-8
        ));
        assert!(close(
            spectrum.eigenmode_median(&w, &centre).unwrap(),
            lambda,
            1e-8
        ));
        let nearest = spectrum.nearest_on_path(&w, &centre, Norm::H).unwrap();
        let miss = &w - problem.solution().unwrap();
        assert_eq!(nearest.lambda, 0.0);
        assert!(close(
            nearest.distance,
            problem.norm(&miss, Norm::H).unwrap(),
            1e-10
        ));
        let beyond = -1.1 * spectrum.eigenvalues()[0];
        assert_eq!(
            problem.ridge(beyond, &centre),
            Err(TikhonovError::Indefinite)
        );
    }

    #[test]
    fn the_path_is_the_direct_solve() {
        // the second problem has fewer samples than features
        for (n, d) in [(40, 6), (5, 9)] {
            let problem = problem(7, n, d);
            let spectrum = problem.spectrum().unwrap();
            assert_eq!(spectrum.rank(), n.min(d));
            assert!(spectrum.eigenvalues().as_slice().is_sorted());
            let centre = vector(&mut Pcg64::seed_from_u64(8), d);
            let path = spectrum.ridge_path(&LAMBDAS, &centre).unwrap();
            for (column, &lambda) in path.column_iter().zip(&LAMBDAS) {
                let matrix = problem.h() + DMatrix::identity(d, d) * lambda;
                let direct = matrix
                    .lu()
                    .solve(&(problem.b() + &centre * lambda))
                    .unwrap();
                assert!((column - &direct).norm() < 1e-10 * direct.norm());
                assert!(
                    (problem.ridge(lambda, &centre).unwrap() - &direct).norm()
                        < 1e-10 * direct.norm()
                );
            }
            assert!((spectrum.ridge(f64::INFINITY, &centre).unwrap() - &centre).norm() < 1e-14);
        }
    }

    #[test]
    fn the_zero_end_is_the_minimum_nearest_to_the_centre() {
        let problem = problem(9, 4, 7);
        let centre = vector(&mut Pcg64::seed_from_u64(10), 7);
        let zero = problem.ridge(0.0, &centre).unwrap();
        assert!((&zero - problem.ridge(1e-9, &centre).unwrap()).norm() < 1e-6);
        assert!(problem.gradient(&zero).unwrap().amax() < 1e-12);
        let solution = problem.solution().unwrap();
        assert!(problem.gradient(&solution).unwrap().amax() < 1e-12);
        let inverse = problem.h().clone().pseudo_inverse(1e-12).unwrap();
        assert!((&solution - inverse * problem.b()).norm() < 1e-10);
        assert_eq!(
            problem.diagonal(&DVector::zeros(7), &centre),
            Err(TikhonovError::Indefinite)
        );
    }

    #[test]
    fn degrees_of_freedom_fall_from_the_rank_to_zero() {
        for (n, d) in [(40, 6), (5, 9)] {
            let spectrum = problem(11, n, d).spectrum().unwrap();
            let rank = n.min(d) as f64;
            assert_eq!(spectrum.effective_dof(0.0), Ok(rank));
            assert!((spectrum.effective_dof(1e-12).unwrap() - rank).abs() < 1e-8);
            assert!(spectrum.effective_dof(1e12).unwrap() < 1e-9);
            assert_eq!(spectrum.effective_dof(f64::INFINITY), Ok(0.0));
            let falling = LAMBDAS.map(|lambda| -spectrum.effective_dof(lambda).unwrap());
            assert!(falling.is_sorted());
        }
    }

    #[test]
    fn gcv_is_the_hat_matrix_formula() {
        // the last has as many modes as samples
        for (n, d) in [(40, 6), (25, 20), (6, 9)] {
            let (x, y) = data(12, n, d);
            let spectrum = LeastSquares::from_rows(&x, &y).unwrap().spectrum().unwrap();
            for centre in [DVector::zeros(d), vector(&mut Pcg64::seed_from_u64(13), d)] {
                let n_real = n as f64;
                let explicit = |lambda: f64| {
                    let inverse = (x.tr_mul(&x) / n_real + DMatrix::identity(d, d) * lambda)
                        .try_inverse()
                        .unwrap();
                    let hat = &x * inverse * x.transpose() / n_real;
                    let target = &y - &x * &centre;
                    let rss = (&target - &hat * &target).norm_squared();
                    (rss / n_real) / (1.0 - hat.trace() / n_real).powi(2)
                };
                for lambda in [0.01, 0.2, 0.9, 1.1, 7.0] {
                    let score = spectrum.gcv(lambda, &centre).unwrap();
                    assert!(
                        close(score, explicit(lambda), 1e-8),
                        "{score} {} {n} {d}",
                        explicit(lambda)
                    );
                }
                let best = spectrum.gcv_best(&centre).unwrap();
                assert!(close(
                    best.score,
                    spectrum.gcv(best.lambda, &centre).unwrap(),
                    1e-9
                ));
                for exponent in -60..=60 {
                    let lambda = 10.0_f64.powf(f64::from(exponent) / 10.0);
                    assert!(best.score <= spectrum.gcv(lambda, &centre).unwrap() * (1.0 + 1e-12));
                }
                for end in [0.0, f64::INFINITY] {
                    let (at, beside) = (
                        spectrum.gcv(end, &centre),
                        spectrum.gcv(end.clamp(1e-9, 1e9), &centre),
                    );
                    assert!(close(at.unwrap(), beside.unwrap(), 1e-4));
                    assert!(best.score <= at.unwrap());
                }
            }
        }
    }

    #[test]
    fn gcv_finds_both_ends() {
        // noise-free target: any shrinkage hurts
        let (x, _) = data(14, 50, 4);
        let truth = vector(&mut Pcg64::seed_from_u64(15), 4);
        let mut noise = vector(&mut Pcg64::seed_from_u64(16), 50);
        let exact = LeastSquares::from_rows(&x, &(&x * &truth))
            .unwrap()
            .spectrum()
            .unwrap();
        assert!(exact.gcv_best(&DVector::zeros(4)).unwrap().lambda < 1e-10);
        // a target nearly orthogonal to the features: shrink all the way
        let noisy = LeastSquares::from_rows(&x, &noise).unwrap();
        noise -= &x * noisy.solution().unwrap() * 0.999;
        let nothing = LeastSquares::from_rows(&x, &noise)
            .unwrap()
            .spectrum()
            .unwrap();
        assert_eq!(
            nothing.gcv_best(&DVector::zeros(4)).unwrap().lambda,
            f64::INFINITY
        );
    }

    #[test]
    fn the_nearest_point_is_stationary_and_the_global_minimum() {
        let mut rng = Pcg64::seed_from_u64(17);
        let mut inside = 0;
        for seed in 0..20 {
            let problem = problem(20 + seed, 50, 6);
            let spectrum = problem.spectrum().unwrap();
            let centre = vector(&mut rng, 6) * 0.2;
            let strengths = vector(&mut rng, 6).map(|z| (0.4 * z).exp());
            let ridge = problem.ridge(0.3, &centre).unwrap();
            let w = ridge + vector(&mut rng, 6) * 0.1;
            for norm in NORMS {
                let scalar = |lambda: f64| {
                    let point = spectrum.ridge(lambda, &centre).unwrap();
                    problem.norm(&(&w - point), norm).unwrap()
                };
                let uneven = |lambda: f64| {
                    let point = problem
                        .diagonal(&(&strengths * (lambda / strengths.mean())), &centre)
                        .unwrap();
                    problem.norm(&(&w - point), norm).unwrap()
                };
                let paths: [(&dyn Fn(f64) -> f64, Nearest); 2] = [
                    (
                        &scalar,
                        spectrum.nearest_on_path(&w, &centre, norm).unwrap(),
                    ),
                    (
                        &uneven,
                        problem
                            .nearest_on_diagonal_path(&w, &centre, &strengths, norm)
                            .unwrap(),
                    ),
                ];
                for (distance, nearest) in paths {
                    if nearest.lambda > 0.0 && nearest.lambda.is_finite() {
                        inside += 1;
                        assert!(close(nearest.distance, distance(nearest.lambda), 1e-9));
                        // a central difference of the squared distance vanishes to its own error
                        let slope = |h: f64| {
                            let (up, down) = (
                                distance(nearest.lambda * (1.0 + h)),
                                distance(nearest.lambda * (1.0 - h)),
                            );
                            (
                                (up * up - down * down) / (2.0 * h),
                                (up * up + down * down - 2.0 * nearest.distance.powi(2))
                                    / h.powi(2),
                            )
                        };
                        let (first, second) = slope(1e-4);
                        assert!(
                            second > 0.0 && first.abs() < 1e-6 * second,
                            "{first} {second}"
                        );
                    }
                    for exponent in -50..=50 {
                        let other = distance(10.0_f64.powf(f64::from(exponent) / 10.0));
                        assert!(nearest.distance <= other + 1e-12, "{nearest:?} {other}");
                    }
                }
            }
        }
        assert!(inside > 60);
    }

    #[test]
    fn the_diagonal_path_is_the_direct_solve() {
        for (n, d) in [(60, 6), (5, 9)] {
            let problem = problem(40, n, d);
            let mut rng = Pcg64::seed_from_u64(41);
            let centre = vector(&mut rng, d) * 0.2;
            let strengths = vector(&mut rng, d).map(|z| (0.5 * z).exp() * 40.0);
            for lambda in LAMBDAS {
                let lambdas = &strengths * (lambda / strengths.mean());
                let matrix = problem.h() + DMatrix::from_diagonal(&lambdas);
                let direct = matrix
                    .lu()
                    .solve(&(problem.b() + lambdas.component_mul(&centre)))
                    .unwrap();
                let w = problem.diagonal(&lambdas, &centre).unwrap();
                assert!((&w - &direct).norm() < 1e-9 * direct.norm());
                for norm in NORMS {
                    let nearest = problem
                        .nearest_on_diagonal_path(&w, &centre, &strengths, norm)
                        .unwrap();
                    assert!(
                        close(nearest.lambda, lambda, 1e-6),
                        "{nearest:?} {lambda} {norm:?} {n}"
                    );
                    assert!(nearest.distance < 1e-10);
                }
            }
        }
    }

    #[test]
    fn equal_strengths_are_the_scalar_path() {
        let problem = problem(42, 50, 7);
        let mut rng = Pcg64::seed_from_u64(43);
        let centre = vector(&mut rng, 7) * 0.1;
        let w = problem.ridge(0.5, &centre).unwrap() + vector(&mut rng, 7) * 0.1;
        for norm in NORMS {
            let scalar = problem
                .spectrum()
                .unwrap()
                .nearest_on_path(&w, &centre, norm)
                .unwrap();
            let equal = problem
                .nearest_on_diagonal_path(&w, &centre, &DVector::repeat(7, 3.0), norm)
                .unwrap();
            assert!(
                scalar.lambda > 0.0 && scalar.lambda.is_finite(),
                "{scalar:?}"
            );
            assert!(
                close(scalar.lambda, equal.lambda, 1e-8)
                    && close(scalar.distance, equal.distance, 1e-10)
            );
        }
    }

    #[test]
    fn both_ends_of_the_path_are_found() {
        let problem = problem(44, 50, 5);
        let spectrum = problem.spectrum().unwrap();
        let centre = vector(&mut Pcg64::seed_from_u64(45), 5);
        let solution = problem.solution().unwrap();
        for norm in NORMS {
            let at_solution = spectrum.nearest_on_path(&solution, &centre, norm).unwrap();
            assert!(at_solution.lambda < 1e-12 && at_solution.distance < 1e-12);
            let at_centre = spectrum.nearest_on_path(&centre, &centre, norm).unwrap();
            assert_eq!((at_centre.lambda, at_centre.distance), (f64::INFINITY, 0.0));
            let behind = &centre * 2.0 - &solution;
            assert_eq!(
                spectrum
                    .nearest_on_path(&behind, &centre, norm)
                    .unwrap()
                    .lambda,
                f64::INFINITY
            );
            // far outside the grid of λ, between its ends and the ends of the path
            for lambda in [1e-13, 1e-9, 1e7] {
                let w = spectrum.ridge(lambda, &centre).unwrap();
                let nearest = spectrum.nearest_on_path(&w, &centre, norm).unwrap();
                assert!(
                    (nearest.lambda - lambda).abs() < 1e-14 + 1e-6 * lambda,
                    "{nearest:?} {lambda}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_determined_is_an_error() {
        let problem = problem(46, 30, 3);
        let spectrum = problem.spectrum().unwrap();
        let (w, solution) = (
            DVector::from_vec(vec![0.1, 0.2, 0.3]),
            problem.solution().unwrap(),
        );
        assert_eq!(
            problem.gradient_matching(&w, &w),
            Err(TikhonovError::Undetermined)
        );
        assert_eq!(
            spectrum.eigenmode_median(&w, &w),
            Err(TikhonovError::Undetermined)
        );
        assert_eq!(
            spectrum.eigenmode_median(&w, &solution),
            Err(TikhonovError::Undetermined)
        );
        assert_eq!(spectrum.shrinkage(&w, &solution), Ok(vec![None; 3]));
        assert_eq!(
            spectrum.nearest_on_path(&w, &solution, Norm::H),
            Err(TikhonovError::NoPath)
        );
        assert_eq!(spectrum.gcv_best(&solution), Err(TikhonovError::NoPath));
        let nothing =
            LeastSquares::from_rows(&DMatrix::zeros(4, 3), &DVector::repeat(4, 1.0)).unwrap();
        assert_eq!(nothing.solution(), Ok(DVector::zeros(3)));
        let nothing = nothing.spectrum().unwrap();
        assert_eq!(
            nothing.nearest_on_path(&w, &solution, Norm::H),
            Err(TikhonovError::NoPath)
        );
        assert_eq!(nothing.effective_dof(0.0), Ok(0.0));
    }

    #[test]
    fn bad_input_is_an_error() {
        let empty = LeastSquares::from_rows(&DMatrix::zeros(0, 3), &DVector::zeros(0));
        assert_eq!(
            empty,
            Err(TikhonovError::Empty {
                samples: 0,
                features: 3
            })
        );
        let length = |what, expected, got| TikhonovError::Length {
            what,
            expected,
            got,
        };
        let ragged = LeastSquares::from_rows(&DMatrix::zeros(4, 3), &DVector::zeros(5));
        assert_eq!(ragged, Err(length("y", 4, 5)));
        let infinite = LeastSquares::from_rows(&DMatrix::repeat(4, 3, 1e200), &DVector::zeros(4));
        assert_eq!(infinite, Err(TikhonovError::NotFinite { what: "x" }));

        let problem = problem(47, 30, 3);
        let spectrum = problem.spectrum().unwrap();
        let (short, w) = (DVector::zeros(2), DVector::zeros(3));
        assert_eq!(problem.loss(&short), Err(length("w", 3, 2)));
        assert_eq!(problem.ridge(0.1, &short), Err(length("the centre", 3, 2)));
        assert_eq!(
            gradient_matching(&short, &w, &w),
            Err(length("the gradient", 3, 2))
        );
        assert_eq!(
            problem.ridge(f64::INFINITY, &w),
            Err(TikhonovError::Penalty(f64::INFINITY))
        );
        assert_eq!(spectrum.ridge(-0.1, &w), Err(TikhonovError::Penalty(-0.1)));
        assert!(matches!(
            spectrum.effective_dof(f64::NAN),
            Err(TikhonovError::Penalty(_))
        ));
        let uneven = problem.nearest_on_diagonal_path(
            &w,
            &w,
            &DVector::from_vec(vec![1.0, 0.0, 1.0]),
            Norm::H,
        );
        assert_eq!(
            uneven,
            Err(TikhonovError::Strength {
                index: 1,
                value: 0.0
            })
        );

        let moments = |b: f64, yy: f64, samples| {
            LeastSquares::from_moments(DMatrix::identity(1, 1), DVector::repeat(1, b), yy, samples)
        };
        assert!(moments(0.5, 1.0, None).is_ok());
        assert_eq!(moments(2.0, 1.0, None), Err(TikhonovError::NotMoments));
        assert_eq!(moments(0.0, -1.0, None), Err(TikhonovError::NotMoments));
        let population = moments(0.5, 1.0, None).unwrap().spectrum().unwrap();
        assert_eq!(
            population.gcv(0.1, &DVector::zeros(1)),
            Err(TikhonovError::NoSamples)
        );
    }
}
