//! Expectations over normal numbers.

use nalgebra::{DMatrix, SymmetricEigen};

/// Nodes and weights of Gauss–Hermite quadrature for `E f(Z)`, `Z ~ N(0, 1)`, by the eigenvalues of the Jacobi matrix
/// (Golub & Welsch 1969, <https://doi.org/10.1090/S0025-5718-69-99647-1>).
pub fn hermite(n: usize) -> Vec<(f64, f64)> {
    let jacobi = DMatrix::from_fn(n, n, |i, j| {
        if i.abs_diff(j) == 1 {
            (i.max(j) as f64).sqrt()
        } else {
            0.0
        }
    });
    let eigen = SymmetricEigen::new(jacobi);
    (0..n)
        .map(|k| (eigen.eigenvalues[k], eigen.eigenvectors[(0, k)].powi(2)))
        .collect()
}
