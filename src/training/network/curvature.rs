//! The largest curvature of a network's loss, which bounds the learning rate.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::{Examples, Network};
use crate::error::{Error, Result};

/// Most products with the Hessian.
const MOST: usize = 200;

/// Relative error of the largest eigenvalue that is let pass.
const TOLERANCE: f64 = 1e-3;

/// The largest eigenvalue λ_max of the Hessian of the mean loss over all weights (rows × outputs of every layer): gradient descent with the full
/// batch is unstable at learning rates above `2/λ_max`.
///
/// By Lanczos' iteration with full orthogonalisation; a product with the Hessian is the central difference of two gradients, whose truncation and
/// rounding errors balance at a step of `ε^{1/3}` of the weights' size. It ends when the residual of the Ritz pair is below a thousandth of the Ritz
/// value, which bounds its error (B. N. Parlett, The symmetric eigenvalue problem, SIAM 1998, theorem 4.5.1).
///
/// # Errors
/// [`Error::NotConverged`] for losses whose curvature is not finite, or after 200 products.
///
/// # Panics
/// If weights or examples have other sizes than the network.
pub fn largest_curvature(
    network: &Network,
    weights: &[DMatrix<f64>],
    examples: &Examples,
) -> Result<f64> {
    let flat = |layers: &[DMatrix<f64>]| {
        let all = layers.iter().flat_map(|m| m.iter().copied());
        DVector::from_vec(all.collect())
    };
    let at = flat(weights);
    let gradient = |w: &DVector<f64>| {
        let mut start = 0;
        let layers: Vec<DMatrix<f64>> = weights
            .iter()
            .map(|own| {
                let part = &w.as_slice()[start..start + own.len()];
                start += own.len();
                DMatrix::from_column_slice(own.nrows(), own.ncols(), part)
            })
            .collect();
        let passes = network.passes(&layers, examples);
        let all: Vec<_> = (0..layers.len()).map(|k| passes.gradient(k)).collect();
        flat(&all)
    };
    let n = at.len();
    // Unit directions: the step is that of the whole vector.
    let h = f64::EPSILON.cbrt() * at.norm().max(1.0);
    let product =
        |v: &DVector<f64>| (gradient(&(&at + v * h)) - gradient(&(&at - v * h))) / (2.0 * h);

    let mut rng = Pcg64::seed_from_u64(0x4c61_6e63);
    let mut basis = vec![DVector::from_fn(n, |_, _| rng.random_range(-1.0..1.0)).normalize()];
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let failed = |detail: String| Error::NotConverged {
        what: "the largest curvature of the loss".into(),
        detail,
    };
    for _ in 0..MOST.min(n) {
        let v = &basis[basis.len() - 1];
        let mut next = product(v);
        if !next.iter().all(|x| x.is_finite()) {
            return Err(failed("the loss is not finite beside these weights".into()));
        }
        diagonal.push(next.dot(v));
        // Twice is enough (Parlett, section 6.9).
        for _ in 0..2 {
            for b in &basis {
                let along = next.dot(b);
                next.axpy(-along, b, 1.0);
            }
        }
        let m = diagonal.len();
        let tridiagonal = DMatrix::from_fn(m, m, |i, j| match i.abs_diff(j) {
            0 => diagonal[i],
            1 => beside[i.min(j)],
            _ => 0.0,
        });
        let eigen = SymmetricEigen::new(tridiagonal);
        let top = eigen.eigenvalues.imax();
        let (value, length) = (eigen.eigenvalues[top], next.norm());
        let residual = length * eigen.eigenvectors[(m - 1, top)].abs();
        if residual <= TOLERANCE * value.abs() || m == n {
            return Ok(value);
        }
        beside.push(length);
        basis.push(next / length);
    }
    Err(failed(format!(
        "not within {TOLERANCE} after {MOST} products"
    )))
}

#[cfg(test)]
mod tests {
    use super::super::{Activation, Objective, Targets};
    use super::*;
    use crate::training::stability_limit;

    /// A linear layer and squared errors: the Hessian is `E[x xᵀ]`, once an output.
    #[test]
    fn least_squares_have_the_largest_eigenvalue_of_their_features() {
        let mut rng = Pcg64::seed_from_u64(5);
        let x = DMatrix::from_fn(60, 8, |_, j| rng.random_range(-1.0..1.0) * (1.0 + j as f64));
        let network = Network::new(
            8,
            &[3],
            false,
            Activation::Identity,
            Objective::SquaredError,
        );
        let targets = Targets::Values(DMatrix::from_fn(60, 3, |_, _| rng.random_range(-1.0..1.0)));
        let examples = Examples {
            x: x.clone(),
            targets,
        };
        let weights = [DMatrix::from_fn(8, 3, |_, _| rng.random_range(-1.0..1.0))];
        let found = largest_curvature(&network, &weights, &examples).unwrap();
        // The loss is half the squared error of all outputs: see `Objective`.
        let exact = 2.0 / stability_limit(&x, None);
        assert!((found / exact - 1.0).abs() < TOLERANCE, "{found} {exact}");
    }

    /// Against all second differences of a small network.
    #[test]
    fn networks_have_that_of_their_whole_hessian() {
        let mut rng = Pcg64::seed_from_u64(6);
        let x = DMatrix::from_fn(20, 3, |_, _| rng.random_range(-1.0..1.0));
        let of = (0..20).map(|k| k % 3).collect();
        let examples = Examples {
            x,
            targets: Targets::Classes { of, count: 3 },
        };
        let network = Network::new(3, &[4, 3], true, Activation::Tanh, Objective::CrossEntropy);
        let random =
            |(rows, columns)| DMatrix::from_fn(rows, columns, |_, _| rng.random_range(-1.0..1.0));
        let weights: Vec<_> = [(4, 4), (5, 3)].map(random).into();
        let n = 31;
        let gradient = |j: usize, h: f64| {
            let mut w = weights.clone();
            let (k, i) = if j < 16 { (0, j) } else { (1, j - 16) };
            w[k][i] += h;
            let passes = network.passes(&w, &examples);
            let all = [passes.gradient(0), passes.gradient(1)];
            all.iter()
                .flat_map(|g| g.iter().copied())
                .collect::<Vec<f64>>()
        };
        let h = 1e-5;
        let columns: Vec<Vec<f64>> = (0..n)
            .map(|j| {
                let pairs = gradient(j, h).into_iter().zip(gradient(j, -h));
                pairs.map(|(a, b)| (a - b) / (2.0 * h)).collect()
            })
            .collect();
        let hessian = DMatrix::from_fn(n, n, |i, j| 0.5 * (columns[i][j] + columns[j][i]));
        let exact = SymmetricEigen::new(hessian).eigenvalues.max();
        let found = largest_curvature(&network, &weights, &examples).unwrap();
        assert!((found / exact - 1.0).abs() < TOLERANCE, "{found} {exact}");
    }
}
