//! Known answers of ridge problems.

use nalgebra::DMatrix;

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
                (problem.ridge(lambda, &centre).unwrap() - &direct).norm() < 1e-10 * direct.norm()
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
                            (up * up + down * down - 2.0 * nearest.distance.powi(2)) / h.powi(2),
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
    let nothing = LeastSquares::from_rows(&DMatrix::zeros(4, 3), &DVector::repeat(4, 1.0)).unwrap();
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
    let uneven =
        problem.nearest_on_diagonal_path(&w, &w, &DVector::from_vec(vec![1.0, 0.0, 1.0]), Norm::H);
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
