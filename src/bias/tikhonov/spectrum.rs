//! The ridge path in the eigenmodes of a problem.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::minimum::{Metric, Path, Place, Score, minimise};
use super::problem::LeastSquares;
use super::{GcvBest, Nearest, Norm, Result, TikhonovError, check, check_penalty};

/// One eigendecomposition `H = V diag(d) Vᵀ`, reused for every λ of the ridge path.
///
/// Eigenvalues below `max(n, d)·ε·d_max` count as exactly 0: modes without data, where the path stays at the centre.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    pub(super) problem: LeastSquares,
    pub(super) eigenvalues: DVector<f64>,
    pub(super) vectors: DMatrix<f64>,
    pub(super) b: DVector<f64>,
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
        let samples = self.problem.samples().ok_or(TikhonovError::NoSamples)?;
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
            residual: (self.problem.yy() - explained).max(0.0),
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

/// `d/(d + λ)` for λ from 0 to infinity, 0 for a mode without data.
pub(super) fn fraction(d: f64, lambda: f64) -> f64 {
    if d > 0.0 { d / (d + lambda) } else { 0.0 }
}

/// Modes of `w_LS - c` from the modes of `b - Hc`; 0 without data, and where the difference of terms of that size is rounding.
pub(super) fn deltas(eigenvalues: &DVector<f64>, pull: &DVector<f64>, terms: f64) -> DVector<f64> {
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
pub(super) fn eigen(matrix: DMatrix<f64>) -> Result<(DVector<f64>, DMatrix<f64>)> {
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
pub(super) fn clear_rounding(values: &mut DVector<f64>, samples: Option<usize>) {
    let size = values.len().max(samples.unwrap_or(0)) as f64;
    let threshold = size * f64::EPSILON * values.amax();
    values
        .iter_mut()
        .filter(|v| **v <= threshold)
        .for_each(|v| *v = 0.0);
}
