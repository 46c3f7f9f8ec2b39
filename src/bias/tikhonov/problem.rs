//! A least-squares problem and what follows from its moments.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::minimum::{Metric, Path};
use super::spectrum::{Spectrum, clear_rounding, deltas, eigen};
use super::{Nearest, Norm, Result, TikhonovError, check, gradient_matching};

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

/// Cholesky factor of a matrix that is positive definite beyond rounding.
fn factor(matrix: DMatrix<f64>) -> Option<Cholesky<f64, Dyn>> {
    let cholesky = Cholesky::new(matrix)?;
    let pivots = cholesky.l_dirty().diagonal().map(|l| l * l);
    let safe = pivots.min() > 8.0 * pivots.len() as f64 * f64::EPSILON * pivots.max();
    safe.then_some(cholesky)
}
