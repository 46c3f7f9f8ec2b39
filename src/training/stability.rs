//! The largest learning rate at which stochastic gradient descent on least squares has a finite mean square.

use nalgebra::{DMatrix, SymmetricEigen};

/// `2/λ_max(H⁻¹ M_B)` with `M_B = E[|x|² x xᵀ]/B + (1 - 1/B) H²`: batch 1 gives `2/λ_max(H⁻¹E[|x|²xxᵀ])`, the full batch
/// (`batch = None`) `2/λ_max(H)`.
///
/// `x` has one sample a row. Directions in which the data do not vary are left out: nothing moves there.
pub fn stability_limit(x: &DMatrix<f64>, batch: Option<usize>) -> f64 {
    let n = x.nrows() as f64;
    let h = x.tr_mul(x) / n;
    let eigen = SymmetricEigen::new(h.clone());
    let largest = eigen.eigenvalues.max();
    // Data that do not vary, or not as numbers, move nothing; they are refused where they are read.
    if !(largest > 0.0 && largest.is_finite()) {
        return f64::INFINITY;
    }
    let Some(batch) = batch else {
        return 2.0 / largest;
    };
    let mut weighted = x.clone();
    for mut row in weighted.row_iter_mut() {
        let norm2 = row.norm_squared();
        row *= norm2;
    }
    let b = batch as f64;
    let m = weighted.tr_mul(x) / (n * b) + &h * &h * (1.0 - 1.0 / b);
    let kept: Vec<usize> = (0..h.nrows())
        .filter(|&k| eigen.eigenvalues[k] > 1e-10 * largest)
        .collect();
    // In the eigenbasis, H^(-1/2) M H^(-1/2) is symmetric and similar to H⁻¹M.
    let half = DMatrix::from_fn(h.nrows(), kept.len(), |i, k| {
        eigen.eigenvectors[(i, kept[k])] / eigen.eigenvalues[kept[k]].sqrt()
    });
    2.0 / SymmetricEigen::new(half.tr_mul(&(m * &half)))
        .eigenvalues
        .max()
}

/// The same limit for inputs `x ~ N(0, I)` of dimension `d`, batch `b`: `E[|x|²xxᵀ] = (d + 2) I`.
pub fn stability_limit_gaussian(d: usize, b: usize) -> f64 {
    let b = b as f64;
    2.0 / ((d as f64 + 2.0) / b + 1.0 - 1.0 / b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthogonal_inputs_have_a_known_limit() {
        // Unit vectors times 2, each as likely: H = 4/d I, E|x|²xxᵀ = 16/d I, so the limit is 2/4.
        let x = DMatrix::from_fn(3, 3, |i, j| if i == j { 2.0 } else { 0.0 });
        assert!((stability_limit(&x, Some(1)) - 0.5).abs() < 1e-12);
        assert!((stability_limit(&x, None) - 1.5).abs() < 1e-12);
        // A large batch tends to the full batch.
        assert!((stability_limit(&x, Some(1_000_000)) - 1.5).abs() < 1e-5);
        assert!((stability_limit_gaussian(20, 1) - 2.0 / 22.0).abs() < 1e-15);
    }

    #[test]
    fn the_mean_square_of_a_simulated_run_turns_at_the_limit() {
        // One input of kurtosis 2 (x = ±√2 or 0): E|x|²xx / E xx = 2, the limit is 1.
        let x = DMatrix::from_row_slice(4, 1, &[2f64.sqrt(), -(2f64.sqrt()), 0.0, 0.0]);
        let limit = stability_limit(&x, Some(1));
        assert!((limit - 1.0).abs() < 1e-12);
        let growth = |eta: f64| {
            x.iter().map(|x| (1.0 - eta * x * x).powi(2)).sum::<f64>() / x.nrows() as f64
        };
        assert!(growth(0.99 * limit) < 1.0 && growth(1.01 * limit) > 1.0);
    }
}
