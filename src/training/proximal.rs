//! The proximal point step of squared errors: a step of backward Euler, with the gradient where it ends.
//!
//! # Equation
//! `w⁺ = argmin L_B(w) + |w - w_k|²/(2η) = w_k - η Xᵀ e⁺/B`, `e⁺ = (I + (η/B) X Xᵀ)⁻¹ e`
//!
//! # Symbols
//! | symbol | meaning |
//! | --- | --- |
//! | X, e | the B samples of a step, one a row, and their errors as they were read |
//! | e⁺ | the errors that they will have after the step |
//! | η | learning rate |
//!
//! # Behaviour
//! A digital system of as many equations as there are samples (or features, if these are fewer) turns the errors before pulses are asked for; arrays do what they
//! always do. Modes shrink by `1/(1 + η d)`: there is no learning rate at which that grows. With one sample a step e⁺ is `e/(1 + η|x|²)`, and with η → ∞ every step
//! meets its sample (Kaczmarz); where samples contradict each other, weights then fluctuate, and their mean is that of least squares with samples weighted by `1/(1 + η|x|²)`.
//!
//! # Reference
//! P. Toulis, E. M. Airoldi, Ann. Statist. 45 (2017) 1694, <https://doi.org/10.1214/16-AOS1506> (implicit stochastic gradient descent).

use nalgebra::{DMatrix, DVector};

use crate::backend::StackVector;
use crate::error::{Error, Result};

/// Turns the errors e of samples (features, errors: one vector each) into e⁺, replica by replica; `rate` is η/B.
///
/// # Errors
/// [`Error::NotConverged`] where features or errors are not finite.
pub(super) fn turn_errors(samples: &mut [(StackVector, StackVector)], rate: f64) -> Result<()> {
    let Some((first, _)) = samples.first() else {
        return Ok(());
    };
    let (features, replicas) = (first.len(), first.width());
    for r in 0..replicas {
        let lane = |v: &StackVector, k: usize| f64::from(v.lanes(k)[r]);
        let x = DMatrix::from_fn(samples.len(), features, |b, j| lane(&samples[b].0, j));
        let e = DVector::from_fn(samples.len(), |b, _| lane(&samples[b].1, 0));
        let after = errors_after(&x, &e, rate).ok_or_else(|| Error::NotConverged {
            what: "training".into(),
            detail: "a proximal step has no solution: what was read, or a feature, is not finite"
                .into(),
        })?;
        for ((_, error), e) in samples.iter_mut().zip(after.iter()) {
            error.lanes_mut(0)[r] = *e as f32;
        }
    }
    Ok(())
}

/// `(I + rate X Xᵀ)⁻¹ e`; where there are fewer features than samples, `e - rate X (I + rate Xᵀ X)⁻¹ Xᵀ e`. None where numbers are not finite.
fn errors_after(x: &DMatrix<f64>, e: &DVector<f64>, rate: f64) -> Option<DVector<f64>> {
    let solve = |gram: DMatrix<f64>, right: &DVector<f64>| {
        let n = gram.nrows();
        let matrix = gram * rate + DMatrix::identity(n, n);
        Some(matrix.cholesky()?.solve(right))
    };
    let after = match x.nrows() <= x.ncols() {
        true => solve(x * x.transpose(), e)?,
        false => e - x * solve(x.tr_mul(x), &x.tr_mul(e))? * rate,
    };
    after.iter().all(|e| e.is_finite()).then_some(after)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    use super::*;
    use crate::crossbar::{Digital, Synapses};
    use crate::device::Counting;
    use crate::number::Stream;
    use crate::training::{
        Batch, Loss, Samples, Schedule, Source, StepRule, Task, Training, Update, train,
    };

    fn drawn(rows: usize, columns: usize, seed: u64) -> DMatrix<f64> {
        let mut rng = Pcg64::seed_from_u64(seed);
        DMatrix::from_fn(rows, columns, |_, _| rng.random_range(-1.0..1.0))
    }

    /// The minimum itself, from the normal equations of `L_B(w) + |w - w_k|²/(2η)`.
    fn minimum(x: &DMatrix<f64>, y: &DVector<f64>, w: &DVector<f64>, eta: f64) -> DVector<f64> {
        let (b, d) = (x.nrows() as f64, x.ncols());
        let matrix = x.tr_mul(x) / b + DMatrix::identity(d, d) / eta;
        let right = x.tr_mul(y) / b + w / eta;
        matrix.lu().solve(&right).unwrap()
    }

    #[test]
    fn errors_are_those_at_the_end_of_the_step() {
        for (samples, features) in [(1, 4), (3, 4), (4, 4), (9, 4)] {
            for eta in [1e-3, 1.0, 1e3] {
                let x = drawn(samples, features, 1);
                let y = drawn(samples, 1, 2).column(0).into_owned();
                let w = drawn(features, 1, 3).column(0).into_owned();
                let share = eta / samples as f64;
                let after = errors_after(&x, &(&x * &w - &y), share).unwrap();
                let end = minimum(&x, &y, &w, eta);
                // Double precision at a condition number of some thousand.
                assert!((&after - (&x * &end - &y)).amax() < 1e-11);
                assert!((w - x.tr_mul(&after) * share - end).amax() < 1e-10);
            }
        }
        let x = drawn(2, 3, 1);
        assert!(errors_after(&x, &DVector::from_element(2, f64::NAN), 1.0).is_none());
        assert!(errors_after(&(x * f64::INFINITY), &DVector::zeros(2), 1.0).is_none());
    }

    fn trained(samples: &Samples, update: Update, batch: Batch, rate: f64, steps: u32) -> Vec<f64> {
        let features = samples.x.ncols();
        let task = Task {
            features,
            source: Source::Sets(vec![Arc::new(samples.clone())]),
        };
        let training = Training {
            learning_rate: rate,
            schedule: Schedule::CONSTANT,
            steps,
            batch,
            update,
            step_rule: StepRule::Proximal,
            gradient_noise: 0.0,
            counting: Counting::Expected,
            loss: Loss::SquaredError,
            start: 0.0,
            seconds_per_step: 0.0,
        };
        let zeros = vec![0.0; features];
        let mut array = Digital::new(features, 1, 2, 0.0, zeros.clone(), &zeros);
        let stream = Stream::new(3);
        train(
            &task,
            &training,
            0..training.steps,
            &stream,
            0,
            &mut array,
            &mut (),
            &|_| {},
        )
        .unwrap();
        let read = |j: usize| {
            let (mut x, mut y) = (StackVector::zeros(features, 2), StackVector::zeros(1, 2));
            x.lanes_mut(j).fill(1.0);
            array.multiply(0, &x, &mut y).unwrap();
            f64::from(y.lanes(0)[0])
        };
        (0..features).map(read).collect()
    }

    /// One step of the whole set is the minimum, at any learning rate, and many steps are least squares where explicit steps explode.
    #[test]
    fn whole_sets_go_to_least_squares_at_any_rate() {
        let (x, y) = (drawn(40, 5, 4), drawn(40, 1, 5).column(0).into_owned());
        let samples = Samples::new(x.clone(), y.clone());
        let largest = (x.tr_mul(&x) / 40.0).symmetric_eigenvalues().max();
        let least = x.clone().svd(true, true).solve(&y, 1e-12).unwrap();
        for rate in [0.1, 10.0, 100.0 * 2.0 / largest] {
            let found = trained(&samples, Update::Summed, Batch::Full, rate, 1);
            let expected = minimum(&x, &y, &DVector::zeros(5), rate);
            // Errors are rounded to 6e-8 of about one, and multiplied by the rate.
            let tolerance = 1e-6 + 1e-7 * rate;
            assert!((DVector::from_vec(found) - expected).amax() < tolerance);
            let found = trained(&samples, Update::Summed, Batch::Full, rate, 200);
            let left =
                (1.0 + rate * (x.tr_mul(&x) / 40.0).symmetric_eigenvalues().min()).powi(-200);
            let miss = (DVector::from_vec(found) - &least).amax();
            assert!(miss < tolerance + left, "{rate}: {miss}");
        }
    }

    /// The same samples, drawn twice a step: pulses of each and of their mean are one step.
    #[test]
    fn samples_apart_ask_for_the_step_of_their_mean() {
        let (x, y) = (drawn(12, 3, 6), drawn(12, 1, 7).column(0).into_owned());
        let samples = Samples::new(x, y);
        let run = |update| trained(&samples, update, Batch::Samples(4), 3.0, 50);
        for (a, b) in run(Update::PerSample).iter().zip(run(Update::Summed)) {
            // Fifty steps of single precision, that forget.
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}
