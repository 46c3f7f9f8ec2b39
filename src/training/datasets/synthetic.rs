//! Data that are made: problems with a known answer.

use std::f64::consts::{SQRT_2, TAU};

use nalgebra::DMatrix;
use rand::seq::index;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use super::{Answer, Raw};
use crate::training::network::{Examples, Targets};

/// How synthetic data are made. Everything is drawn from the seed of the study.
#[derive(Debug, Clone, PartialEq)]
pub enum Synthetic {
    /// `y_c = Σ_j w_jc x_j + noise · N(0, 1)`, `x_j ~ N(0, input²)`, `w_jc ~ N(0, truth²)`
    Linear {
        /// Number of features.
        features: usize,
        /// Number of targets.
        outputs: usize,
        /// Number of samples.
        samples: usize,
        /// Standard deviation of every feature.
        input: f64,
        /// Standard deviation of the weights that make the targets.
        truth: f64,
        /// Standard deviation of what is added to the targets.
        noise: f64,
    },
    /// The same with one target, whose weights are 0 but for some at random places, of ± one size.
    Sparse {
        /// Number of features.
        features: usize,
        /// Weights that are not 0.
        nonzero: usize,
        /// Their modulus; either sign is as likely.
        size: f64,
        /// Number of samples.
        samples: usize,
        /// Standard deviation of every feature.
        input: f64,
        /// Standard deviation of what is added to the target.
        noise: f64,
    },
    /// Classes about centres that have the same distance from one another, a regular simplex about the origin with a random orientation. The best
    /// classifier of two classes errs with probability `Φ(-separation/(2 spread))`.
    GaussianMixture {
        /// Number of classes, at most one more than there are features.
        classes: usize,
        /// Number of features.
        features: usize,
        /// Number of samples; classes take turns.
        samples: usize,
        /// Distance of any two centres.
        separation: f64,
        /// Standard deviation of every feature about its centre.
        spread: f64,
    },
    /// `y = Σ_k a_k sin(2π f_k u + φ_k) + noise · N(0, 1)` at equidistant `u = (i + ½)/samples`, the input being `x = 2u - 1`: the target by
    /// which Rahaman et al. show the spectral bias of networks (ICML 2019, <https://arxiv.org/abs/1806.08734>).
    Sinusoids {
        /// Periods from x = -1 to 1.
        frequencies: Vec<f64>,
        /// Amplitude of every frequency.
        amplitudes: Vec<f64>,
        /// Phase of every frequency, in radians; drawn evenly without.
        phases: Option<Vec<f64>>,
        /// Number of samples.
        samples: usize,
        /// Standard deviation of what is added to the targets.
        noise: f64,
        /// Random features in place of x.
        fourier: Option<Fourier>,
    },
}

/// Random Fourier features `cos(2π b_k u), sin(2π b_k u)`, `b_k ~ N(0, deviation²)` (Tancik et al., NeurIPS 2020, <https://arxiv.org/abs/2006.10739>).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fourier {
    /// Number of pairs.
    pub pairs: usize,
    /// Standard deviation of their frequencies.
    pub deviation: f64,
}

/// What is drawn: each from a generator of its own, so that one does not change with the size of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draws {
    Inputs = 1,
    Truth = 2,
    Noise = 3,
    Labels = 4,
    Features = 5,
}

/// The generator of these draws. Odd multiples keep the seeds of neighbouring studies apart.
pub(super) fn generator(seed: u64, draws: Draws) -> Pcg64 {
    Pcg64::seed_from_u64(seed ^ (draws as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn normals(rng: &mut Pcg64, rows: usize, columns: usize, deviation: f64) -> DMatrix<f64> {
    let mut out = DMatrix::zeros(rows, columns);
    // Row by row: the first samples stay what they are when there are more.
    for row in 0..rows {
        for column in 0..columns {
            let z: f64 = StandardNormal.sample(rng);
            out[(row, column)] = deviation * z;
        }
    }
    out
}

/// `classes` points of `features` coordinates, each as far from every other as any, whose mean is 0.
fn simplex(rng: &mut Pcg64, classes: usize, features: usize, distance: f64) -> DMatrix<f64> {
    // Helmert's orthonormal contrasts are the corners in classes - 1 dimensions, √2 apart.
    let corners = DMatrix::from_fn(classes, classes - 1, |k, j| {
        let norm = ((j + 1) as f64 * (j + 2) as f64).sqrt();
        match k.cmp(&(j + 1)) {
            std::cmp::Ordering::Less => 1.0 / norm,
            std::cmp::Ordering::Equal => -((j + 1) as f64) / norm,
            std::cmp::Ordering::Greater => 0.0,
        }
    });
    let directions = normals(rng, features, classes - 1, 1.0).qr().q();
    corners * directions.transpose() * (distance / SQRT_2)
}

impl Synthetic {
    /// What the targets are.
    pub fn answer(&self) -> Answer {
        match self {
            Self::GaussianMixture { .. } => Answer::Class,
            _ => Answer::Number,
        }
    }

    /// Numbers that are held at once.
    pub fn size(&self) -> usize {
        let (samples, width) = match self {
            Self::Linear {
                features,
                outputs,
                samples,
                ..
            } => (samples, features + outputs),
            Self::Sparse {
                features, samples, ..
            }
            | Self::GaussianMixture {
                features, samples, ..
            } => (samples, features + 1),
            Self::Sinusoids {
                samples, fourier, ..
            } => (samples, 1 + fourier.map_or(1, |f| 2 * f.pairs)),
        };
        samples.saturating_mul(width)
    }

    pub(super) fn draw(&self, seed: u64) -> Raw {
        let of = |draws| generator(seed, draws);
        match self {
            Self::Linear {
                features,
                outputs,
                samples,
                input,
                truth,
                noise,
            } => {
                let x = normals(&mut of(Draws::Inputs), *samples, *features, *input);
                let truth = normals(&mut of(Draws::Truth), *features, *outputs, *truth);
                taught("linear", x, truth, *noise, seed)
            }
            Self::Sparse {
                features,
                nonzero,
                size,
                samples,
                input,
                noise,
            } => {
                let x = normals(&mut of(Draws::Inputs), *samples, *features, *input);
                let mut rng = of(Draws::Truth);
                let mut truth = DMatrix::zeros(*features, 1);
                for j in index::sample(&mut rng, *features, *nonzero) {
                    truth[j] = if rng.random() { *size } else { -size };
                }
                taught("sparse", x, truth, *noise, seed)
            }
            Self::GaussianMixture {
                classes,
                features,
                samples,
                separation,
                spread,
            } => {
                let centres = simplex(&mut of(Draws::Truth), *classes, *features, *separation);
                let mut x = normals(&mut of(Draws::Inputs), *samples, *features, *spread);
                let of: Vec<usize> = (0..*samples).map(|r| r % classes).collect();
                for (mut row, &class) in x.row_iter_mut().zip(&of) {
                    row += centres.row(class);
                }
                let count = *classes;
                Raw {
                    file: "gaussian-mixture".into(),
                    features: named('x', x.ncols()),
                    targets: Vec::new(),
                    classes: (0..count).map(|c| c.to_string()).collect(),
                    all: Examples {
                        x,
                        targets: Targets::Classes { of, count },
                    },
                    test: None,
                    truth: None,
                }
            }
            Self::Sinusoids {
                frequencies,
                amplitudes,
                phases,
                samples,
                noise,
                fourier,
            } => {
                let mut rng = of(Draws::Truth);
                let drawn = || {
                    frequencies
                        .iter()
                        .map(|_| rng.random_range(0.0..TAU))
                        .collect()
                };
                let phases = phases.clone().unwrap_or_else(drawn);
                let u = |i: usize| (i as f64 + 0.5) / *samples as f64;
                let mut y = normals(&mut of(Draws::Noise), *samples, 1, *noise);
                for (i, y) in y.iter_mut().enumerate() {
                    let waves = frequencies.iter().zip(amplitudes).zip(&phases);
                    *y += waves
                        .map(|((f, a), phase)| a * (TAU * f * u(i) + phase).sin())
                        .sum::<f64>();
                }
                let (x, features) = match fourier {
                    None => {
                        let x = DMatrix::from_fn(*samples, 1, |i, _| 2.0 * u(i) - 1.0);
                        (x, vec!["x".to_owned()])
                    }
                    Some(Fourier { pairs, deviation }) => {
                        let b = normals(&mut of(Draws::Features), *pairs, 1, *deviation);
                        let x = DMatrix::from_fn(*samples, 2 * pairs, |i, k| {
                            let angle = TAU * b[k / 2] * u(i);
                            if k % 2 == 0 { angle.cos() } else { angle.sin() }
                        });
                        let pair = |k| [format!("cos{k}"), format!("sin{k}")];
                        (x, (0..*pairs).flat_map(pair).collect())
                    }
                };
                Raw {
                    file: "sinusoids".into(),
                    features,
                    targets: vec!["y".into()],
                    classes: Vec::new(),
                    all: Examples {
                        x,
                        targets: Targets::Values(y),
                    },
                    test: None,
                    truth: None,
                }
            }
        }
    }
}

fn named(letter: char, count: usize) -> Vec<String> {
    (0..count).map(|k| format!("{letter}{k}")).collect()
}

/// Targets of a linear teacher.
fn taught(file: &str, x: DMatrix<f64>, truth: DMatrix<f64>, noise: f64, seed: u64) -> Raw {
    let mut rng = generator(seed, Draws::Noise);
    let y = &x * &truth + normals(&mut rng, x.nrows(), truth.ncols(), noise);
    Raw {
        file: file.into(),
        features: named('x', x.ncols()),
        targets: named('y', y.ncols()),
        classes: Vec::new(),
        all: Examples {
            x,
            targets: Targets::Values(y),
        },
        test: None,
        truth: Some(truth),
    }
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;

    fn values(raw: &Raw) -> &DMatrix<f64> {
        match &raw.all.targets {
            Targets::Values(values) => values,
            Targets::Classes { .. } => panic!("numbers"),
        }
    }

    #[test]
    fn linear_data_have_the_moments_that_were_asked_for() {
        let made = Synthetic::Linear {
            features: 20,
            outputs: 3,
            samples: 4000,
            input: 0.5,
            truth: 2.0,
            noise: 0.3,
        };
        let raw = made.draw(1);
        let truth = raw.truth.as_ref().unwrap();
        // Variances of n normal numbers have a relative standard error of √(2/n); five of them are allowed.
        let near = |variance: f64, expected: f64, n: usize| {
            let relative = variance / expected - 1.0;
            assert!(relative.abs() < 5.0 * (2.0 / n as f64).sqrt(), "{relative}");
        };
        near(raw.all.x.variance(), 0.25, 80_000);
        near(truth.variance(), 4.0, 60);
        let noise = values(&raw) - &raw.all.x * truth;
        near(noise.variance(), 0.09, 12_000);
        assert!(noise.mean().abs() < 5.0 * 0.3 / 12_000_f64.sqrt());
        // Noise, weights and inputs are independent: least squares finds the weights, to 0.3/(0.5 √4000) each.
        let gram = raw.all.x.tr_mul(&raw.all.x);
        let found = gram
            .cholesky()
            .unwrap()
            .solve(&raw.all.x.tr_mul(values(&raw)));
        assert!((found - truth).amax() < 5.0 * 0.3 / (0.5 * 4000_f64.sqrt()));
        assert_eq!(raw.all, made.draw(1).all);
        assert_ne!(raw.all.x, made.draw(2).all.x);
    }

    #[test]
    fn what_is_drawn_does_not_depend_on_the_size_of_the_rest() {
        let made = |samples, noise| Synthetic::Linear {
            features: 3,
            outputs: 1,
            samples,
            input: 1.0,
            truth: 1.0,
            noise,
        };
        let (few, many) = (made(5, 0.0).draw(4), made(50, 1.0).draw(4));
        assert_eq!(few.truth, many.truth);
        assert_eq!(few.all.x, many.all.x.rows(0, 5).clone_owned());
    }

    #[test]
    fn sparse_teachers_have_so_many_weights() {
        let made = Synthetic::Sparse {
            features: 100,
            nonzero: 7,
            size: 1.5,
            samples: 10,
            input: 1.0,
            noise: 0.0,
        };
        let raw = made.draw(3);
        let truth = raw.truth.as_ref().unwrap();
        assert_eq!(truth.iter().filter(|w| **w == 0.0).count(), 93);
        assert_eq!(truth.iter().filter(|w| w.abs() == 1.5).count(), 7);
        assert!(truth.min() < 0.0 && truth.max() > 0.0);
        assert!((values(&raw) - &raw.all.x * truth).amax() < 1e-14);
    }

    #[test]
    fn centres_are_equally_far_apart() {
        let mut rng = generator(1, Draws::Truth);
        for (classes, features) in [(2, 1), (3, 2), (4, 9), (10, 64)] {
            let centres = simplex(&mut rng, classes, features, 3.0);
            assert!(centres.row_mean().amax() < 1e-14);
            for a in 0..classes {
                for b in 0..a {
                    let distance = (centres.row(a) - centres.row(b)).norm();
                    assert!((distance - 3.0).abs() < 1e-13, "{distance}");
                }
            }
        }
    }

    /// Along the line between the centres, the best classifier of two classes errs with probability `Φ(-separation/(2 spread))`.
    #[test]
    fn two_classes_overlap_as_the_normal_distribution_says() {
        let (separation, spread, samples) = (1.5, 0.6, 20_000);
        let made = Synthetic::GaussianMixture {
            classes: 2,
            features: 5,
            samples,
            separation,
            spread,
        };
        let raw = made.draw(2);
        let centres = simplex(&mut generator(2, Draws::Truth), 2, 5, separation);
        let across = (centres.row(1) - centres.row(0)).transpose();
        let Targets::Classes { of, count: 2 } = &raw.all.targets else {
            panic!("two classes");
        };
        let side = &raw.all.x * &across;
        let wrong = side
            .iter()
            .zip(of)
            .filter(|(s, c)| (**s > 0.0) != (**c == 1));
        let share = wrong.count() as f64 / samples as f64;
        let expected = Normal::standard().cdf(-separation / (2.0 * spread));
        let error = (expected * (1.0 - expected) / samples as f64).sqrt();
        assert!((share - expected).abs() < 4.0 * error, "{share} {expected}");
        assert_eq!(of.iter().sum::<usize>(), samples / 2);
        // About its own centre every feature has the spread.
        let mut about = raw.all.x.clone();
        for (mut row, &c) in about.row_iter_mut().zip(of) {
            row -= centres.row(c);
        }
        let relative = about.variance() / (spread * spread) - 1.0;
        assert!(
            relative.abs() < 5.0 * (2.0 / 100_000_f64).sqrt(),
            "{relative}"
        );
    }

    /// On equidistant points, sines of whole frequencies below half their number are orthogonal.
    #[test]
    fn a_sum_of_sines_has_its_amplitudes_and_phases() {
        let (frequencies, amplitudes) = (vec![1.0, 5.0, 20.0], vec![1.0, 0.5, 0.25]);
        let made = |phases, fourier| Synthetic::Sinusoids {
            frequencies: frequencies.clone(),
            amplitudes: amplitudes.clone(),
            phases,
            samples: 200,
            noise: 0.0,
            fourier,
        };
        let phases = vec![0.0, 1.0, -2.0];
        let raw = made(Some(phases.clone()), None).draw(1);
        let (x, y) = (&raw.all.x, values(&raw));
        assert!((x[0] + 0.995).abs() < 1e-15 && (x[199] - 0.995).abs() < 1e-15);
        for f in 1..=99 {
            let sum = |wave: fn(f64) -> f64| -> f64 {
                let angle = |x: &f64| TAU * f64::from(f) * 0.5 * (x + 1.0);
                let terms = x.iter().zip(y).map(|(x, y)| y * wave(angle(x)));
                2.0 * terms.sum::<f64>() / 200.0
            };
            let (sine, cosine) = (sum(f64::sin), sum(f64::cos));
            let at = frequencies.iter().position(|own| *own == f64::from(f));
            let (a, phase) = at.map_or((0.0, 0.0), |k| (amplitudes[k], phases[k]));
            assert!((sine - a * phase.cos()).abs() < 1e-12, "{f}: {sine}");
            assert!((cosine - a * phase.sin()).abs() < 1e-12, "{f}: {cosine}");
        }
        let power = y.norm_squared() / 200.0;
        assert!((power - 0.5 * (1.0 + 0.25 + 0.0625)).abs() < 1e-12);
        let drawn = made(None, None);
        assert_ne!(values(&drawn.draw(1)), values(&drawn.draw(2)));
        let random = made(
            None,
            Some(Fourier {
                pairs: 8,
                deviation: 3.0,
            }),
        );
        let raw = random.draw(1);
        assert_eq!(raw.all.x.shape(), (200, 16));
        for row in raw.all.x.row_iter() {
            for pair in row.iter().collect::<Vec<_>>().chunks(2) {
                assert!((pair[0].powi(2) + pair[1].powi(2) - 1.0).abs() < 1e-14);
            }
        }
    }
}
