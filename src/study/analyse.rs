//! From a point's logs to its findings.

use nalgebra::DVector;

use super::over::{of_all, of_values};
use super::problem::{Problem, Problems};
use super::settings::Settings;
use super::simulate::Output;
use super::summary::{Budget, CurvePoint, Estimate, Mode, Point, Ridge, Weight};
use crate::bias::tikhonov::Norm;
use crate::bias::{Prediction, Sums, Trajectory};
use crate::crossbar::{ArrayModel, Cost};
use crate::training::algorithms::Algorithm;
use crate::training::{Decay, Training};

/// A functional of one problem and its mean weights.
type Functional<'a> = &'a (dyn Fn(&Problem, &DVector<f64>) -> Option<f64> + Sync);

/// Everything measured and predicted at one point.
pub struct Analysis<'a> {
    /// Settings of the point.
    pub settings: &'a Settings,
    /// The problems with their predictions.
    pub problems: &'a Problems,
    /// The logs.
    pub output: &'a Output,
    /// The array; none for digital weights.
    pub model: Option<&'a ArrayModel>,
    /// Names of the weights.
    pub features: &'a [String],
}

impl Point {
    /// With warnings where prediction and simulation part further than chance allows.
    fn warned(mut self, replicas: usize, disturbed: bool) -> Self {
        let missing: Vec<String> = self.complaints(replicas).collect();
        self.warnings.extend(missing);
        let error = self.monte_carlo_error;
        let misses = |p: &f64| *p > 0.05 && *p > 4.0 * error;
        // Where the trajectory agrees it is the time that P1, which is stationary, does not know.
        let explained = self.prediction_error_pt.is_some_and(|p| !misses(&p));
        if let Some(miss) = self.prediction_error_p1.filter(|p| misses(p) && !explained) {
            self.warnings.push(format!(
                "P1 misses the weights by {:.0} % of the bias (Monte-Carlo error {:.0} %): {}",
                100.0 * miss,
                100.0 * error,
                match disturbed {
                    true => "it leaves out what pulses do to cells that are not selected",
                    false => "hard bounds, which it leaves out, or lost requests and saturated trains, which it takes to second order at most: see channel D of the budget",
                }
            ));
        }
        if let Some(b) = self.budget.filter(|b| b.closure_in_errors > 4.0) {
            self.warnings.push(format!(
                "the drift budget stays open by {:.0} Monte-Carlo errors: {}, which the budget does not see",
                b.closure_in_errors,
                match disturbed {
                    true => "cells that are not selected are disturbed",
                    false => "bit trains whose probability exceeds 1 are cut",
                }
            ));
        }
        self
    }
}

/// Of trains that are shortened.
pub(super) const SHORTENED: &str = "predictions take trains at their full length: with length-management counts vary less, and means are the same";

fn finite(v: f64) -> Option<f64> {
    v.is_finite().then_some(v)
}

/// An estimate without any number.
fn nothing() -> Estimate {
    Estimate::default()
}

/// The pooled ratio of estimator E1, `Σ E[|g|R] u / Σ u²` over the weights that are free, for all replicas or all but one. Sums of weight j of replica r
/// are at `r · weights + j`. Displacements are those of the mean weights where replicas have one problem, `single`, else each replica's own. Weights
/// of which nothing was asked say nothing. The response is that of each weight, or of `all_alike` together, where single ones are asked too seldom.
pub(super) fn pooled_pull(
    sums: &[Sums],
    centre: &[f64],
    single: bool,
    all_alike: bool,
    free: impl Fn(usize) -> bool,
) -> impl Fn(Option<usize>) -> f64 {
    let (d, n) = (centre.len(), sums.len() / centre.len());
    let add = |all: Sums, r: usize, j: usize| all.plus(&sums[r * d + j]);
    let all: Vec<Sums> = (0..d)
        .map(|j| (0..n).fold(Sums::default(), |all, r| add(all, r, j)))
        .collect();
    move |omit: Option<usize>| {
        let (mut above, mut below) = (0.0, 0.0);
        let left = |j: usize| omit.map_or(all[j], |r| all[j].minus(&sums[r * d + j]));
        let asked = |j: &usize| free(*j) && all[*j].abs_gradient[0] > 0.0;
        let alike = all_alike.then(|| {
            let asked = (0..d).filter(asked);
            asked
                .fold(Sums::default(), |sum, j| sum.plus(&left(j)))
                .regress()
        });
        for j in (0..d).filter(asked) {
            let own = |r: usize| &sums[r * d + j];
            let pooled = left(j);
            let Some(response) = alike.unwrap_or_else(|| pooled.regress()) else {
                return f64::NAN;
            };
            let mut add = |s: &Sums| {
                let u = s.mean_weight() - centre[j];
                above += response.pull(s) * u;
                below += u * u;
            };
            if single {
                add(&pooled);
            } else {
                (0..n)
                    .filter(|r| Some(*r) != omit)
                    .for_each(|r| add(own(r)));
            }
        }
        above / below
    }
}

impl Analysis<'_> {
    /// Whether every change of a weight is the device's answer to the gradient of the same step, which is what the update regression, its centre, the
    /// gradient's strength and the drift budget take it for.
    fn answers(&self) -> bool {
        self.model.is_none() || self.settings.algorithm == Algorithm::Sgd
    }

    fn single(&self) -> bool {
        self.problems.list.len() == 1
    }

    /// Mean weights over replicas, without one.
    fn mean(&self, omit: Option<usize>) -> DVector<f64> {
        let n = (self.output.replicas - usize::from(omit.is_some())) as f64;
        let all = (0..self.output.replicas).filter(|r| Some(*r) != omit);
        all.fold(DVector::zeros(self.output.weights), |sum, r| {
            sum + self.output.mean_weights(r)
        }) / n
    }

    /// A functional of replica means with its interval: the jackknife when all replicas share a problem, else the mean
    /// over problems.
    fn estimate(&self, f: Functional, predicted: Option<f64>) -> Estimate {
        let (output, n) = (self.output, self.output.replicas);
        let predicted = predicted.and_then(finite);
        if self.single() {
            let problem = &self.problems.list[0];
            let total = self.mean(None) * n as f64;
            let means: Vec<DVector<f64>> = (0..n)
                .map(|r| (&total - output.mean_weights(r)) / (n as f64 - 1.0))
                .collect();
            let full = &total / n as f64;
            let of = |omit: Option<usize>| {
                f(problem, omit.map_or(&full, |r| &means[r])).unwrap_or(f64::NAN)
            };
            of_all(n, of, predicted)
        } else {
            let values: Vec<f64> = (0..n)
                .map(|r| f(self.problems.of(r), &output.mean_weights(r)).unwrap_or(f64::NAN))
                .collect();
            of_values(&values, predicted)
        }
    }

    /// Mean over problems of something predicted: by P1, for one-sided pairs by P0 over the cycle of their refreshes.
    fn predicted(&self, f: impl Fn(&Problem, &Prediction) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.problems.list.iter().map(|p| f(p, p.best()?)).collect();
        values.map(|v| v.iter().sum::<f64>() / v.len() as f64)
    }

    fn functional(&self, f: Functional) -> Estimate {
        self.estimate(f, self.predicted(|p, p1| f(p, &p1.weights)))
    }

    /// A mean over weights of a function of the pooled sums, with its interval.
    fn of_sums(&self, f: impl Fn(&[Sums]) -> Option<f64>, predicted: Option<f64>) -> Estimate {
        let (d, n) = (self.output.weights, self.output.replicas);
        let predicted = predicted.and_then(finite);
        if self.single() {
            let all: Vec<Sums> = (0..d).map(|j| self.output.pooled(j, None)).collect();
            let of = |omit| {
                let sums: Vec<Sums> = match omit {
                    None => all.clone(),
                    Some(r) => (0..d)
                        .map(|j| all[j].minus(&self.output.sums[r * d + j]))
                        .collect(),
                };
                f(&sums).unwrap_or(f64::NAN)
            };
            of_all(n, of, predicted)
        } else {
            let values: Vec<f64> = self
                .output
                .sums
                .chunks(d)
                .map(|sums| f(sums).unwrap_or(f64::NAN))
                .collect();
            of_values(&values, predicted)
        }
    }

    /// E1: the pooled ratio `Σ E[|g|R] u / Σ u²` with the response from the update regression. The response belongs to the
    /// cell, so it is fitted over all replicas; displacements are those of each problem.
    fn e1(&self) -> Estimate {
        if !self.answers() {
            return nothing();
        }
        let (centre, n) = (&self.problems.centre, self.output.replicas);
        // Stuck weights have no response, and are at their centre.
        let free = |j: usize| self.model.is_none_or(|m| m.free_cells(j) > 0);
        let of = pooled_pull(
            &self.output.sums,
            centre.as_slice(),
            self.single(),
            false,
            free,
        );
        let predicted = self.predicted(|_, p1| Some(p1.pooled_lambda(centre)));
        of_all(n, of, predicted.and_then(finite))
    }

    /// Where `Σ_j G_j` of the update regression vanishes: weights whose asymmetry is steep count for more.
    fn measured_centre(&self) -> Estimate {
        let centre = &self.problems.centre;
        let predicted = self.problems.has_centre.then(|| centre.mean());
        if self.model.is_none() || !self.answers() {
            return nothing();
        }
        self.of_sums(
            |sums| {
                let (mut above, mut below) = (0.0, 0.0);
                // Stuck weights answer to nothing.
                let free = |j: usize| self.model.is_none_or(|m| m.free_cells(j) > 0);
                for (j, s) in sums.iter().enumerate().filter(|(j, _)| free(*j)) {
                    let [g0, g1] = s.regress()?.g;
                    above += centre[j] * g1 - g0;
                    below += g1;
                }
                Some(above / below)
            },
            predicted,
        )
    }

    /// The window-mean weights against a prediction: distance over bias.
    fn error(&self, of: impl Fn(&Problem) -> Option<DVector<f64>>) -> Option<f64> {
        if self.single() {
            let problem = &self.problems.list[0];
            let mean = self.mean(None);
            let bias = (&mean - &problem.minimum).norm();
            return finite((mean - of(problem)?).norm() / bias);
        }
        // Single replicas of many problems: the part of the miss along the predicted bias, averaged over problems.
        let (mut along, mut total) = (0.0, 0.0);
        for r in 0..self.output.replicas {
            let problem = self.problems.of(r);
            let predicted = of(problem)?;
            let bias = &predicted - &problem.minimum;
            along += (self.output.mean_weights(r) - &predicted).dot(&bias);
            total += bias.norm_squared();
        }
        finite(along.abs() / total)
    }

    fn bias_norm(&self) -> f64 {
        if self.single() {
            return (self.mean(None) - &self.problems.list[0].minimum).norm();
        }
        let n = self.output.replicas;
        let norms =
            (0..n).map(|r| (self.output.mean_weights(r) - &self.problems.of(r).minimum).norm());
        norms.sum::<f64>() / n as f64
    }

    /// Standard error of the mean weights over replicas, as a norm.
    pub fn standard_error(&self) -> f64 {
        let n = self.output.replicas as f64;
        let mean = self.mean(None);
        let spread: f64 = (0..self.output.replicas)
            .map(|r| (self.output.mean_weights(r) - &mean).norm_squared())
            .sum();
        (spread / (n * (n - 1.0))).sqrt()
    }

    fn monte_carlo_error(&self) -> f64 {
        if self.single() {
            return self.standard_error() / self.bias_norm();
        }
        // The error of the projected miss above: its spread over problems.
        let ratios: Vec<(f64, f64)> = (0..self.output.replicas)
            .map(|r| {
                let problem = self.problems.of(r);
                let predicted = problem.predicted(&self.problems.centre);
                let bias = &predicted - &problem.minimum;
                (
                    (self.output.mean_weights(r) - predicted).dot(&bias),
                    bias.norm_squared(),
                )
            })
            .collect();
        let n = ratios.len() as f64;
        let total = ratios.iter().map(|r| r.1).sum::<f64>() / n;
        let mean = ratios.iter().map(|r| r.0).sum::<f64>() / n;
        let variance = ratios.iter().map(|r| (r.0 - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (variance / n).sqrt() / total
    }

    /// The drift budget, pooled over weights along the displacement from the centre; none where states do not follow from the law alone.
    fn budget(&self) -> Option<Budget> {
        self.model
            .filter(|model| model.cells.unpredictable().is_none() && self.answers())?;
        let (d, n) = (self.output.weights, self.output.replicas);
        // Replicas of one problem have one displacement; those of many have their own, whose mean over problems would vanish.
        let mean = self.mean(None);
        let displacements: Vec<DVector<f64>> = (0..n)
            .map(|r| {
                let weights = match self.single() {
                    true => mean.clone(),
                    false => self.output.mean_weights(r),
                };
                weights - &self.problems.centre
            })
            .collect();
        let norm2: f64 = displacements.iter().map(DVector::norm_squared).sum();
        let strength = |f: &dyn Fn(&Sums) -> f64| {
            let along = displacements.iter().enumerate().map(|(r, u)| {
                let drift = |(j, u): (usize, &f64)| {
                    let s = &self.output.sums[r * d + j];
                    f(s) / s.count * u
                };
                u.iter().enumerate().map(drift).sum::<f64>()
            });
            -along.sum::<f64>() / norm2
        };
        let rest = |s: &Sums| s.change[0] - s.channels.iter().sum::<f64>();
        let (mut norm, mut error) = (0.0, 0.0);
        for j in 0..d {
            // Equal replicas have no spread; what is left then is the rounding of states and drifts in single precision.
            let all = self.output.pooled(j, None);
            error += (ROUNDING * all.abs_gradient[0] / all.count).powi(2);
            let values: Vec<f64> = (0..n)
                .map(|r| {
                    let s = &self.output.sums[r * d + j];
                    rest(s) / s.count
                })
                .collect();
            let m = values.iter().sum::<f64>() / n as f64;
            norm += m * m;
            let v: f64 = values.iter().map(|v| (v - m).powi(2)).sum();
            error += v / (n as f64 * (n as f64 - 1.0));
        }
        Some(Budget {
            logged: strength(&|s| s.change[0]),
            gradient: strength(&|s| s.channels[0]),
            a: strength(&|s| s.channels[1]),
            b: strength(&|s| s.channels[2]),
            c: strength(&|s| s.channels[4]),
            d: strength(&|s| s.channels[3]),
            closure: strength(&rest),
            closure_in_errors: (norm / error.max(f64::MIN_POSITIVE)).sqrt(),
        })
    }

    fn weights(&self, trajectory: Option<&DVector<f64>>) -> Vec<Weight> {
        let problem = &self.problems.list[0];
        if !self.single() {
            return Vec::new();
        }
        let n = self.output.replicas as f64;
        let mean = self.mean(None);
        (0..self.output.weights)
            .map(|j| {
                let all = self.output.pooled(j, None);
                let spread: f64 = (0..self.output.replicas)
                    .map(|r| {
                        let w = self.output.sums[r * self.output.weights + j].mean_weight();
                        (w - mean[j]).powi(2)
                    })
                    .sum();
                let of = |p: &Option<Prediction>| p.as_ref().map_or(f64::NAN, |p| p.weights[j]);
                Weight {
                    name: self.features[j].clone(),
                    measured: mean[j],
                    standard_error: (spread / (n * (n - 1.0))).sqrt(),
                    deviation: deviation(&all),
                    deviation_predicted: problem
                        .p1
                        .as_ref()
                        .map_or(f64::NAN, |p| p.covariance[(j, j)].sqrt()),
                    p0: of(&problem.p0),
                    p1: of(&problem.p1),
                    pt: trajectory.map_or(f64::NAN, |w| w[j]),
                    free: problem.minimum[j],
                    symmetric_point: self.problems.has_centre.then(|| self.problems.centre[j]),
                    lambda: problem
                        .p1
                        .as_ref()
                        .and_then(|p| p.lambda.as_ref().map(|l| l[j])),
                    abs_gradient: all.abs_gradient[0] / all.count,
                }
            })
            .collect()
    }

    fn modes(&self, lambda: Option<f64>) -> Vec<Mode> {
        if !self.single() {
            return Vec::new();
        }
        let problem = &self.problems.list[0];
        let (centre, spectrum) = (&self.problems.centre, &problem.spectrum);
        let shrink = |w: &DVector<f64>| spectrum.shrinkage(w, centre).unwrap_or_default();
        let measured = shrink(&self.mean(None));
        let predicted = problem.p1.as_ref().map(|p| shrink(&p.weights));
        let n = self.output.replicas;
        let each: Vec<Vec<Option<f64>>> = (0..n)
            .map(|r| shrink(&self.output.mean_weights(r)))
            .collect();
        spectrum
            .eigenvalues()
            .iter()
            .enumerate()
            .map(|(k, &d)| {
                let values: Option<Vec<f64>> =
                    each.iter().map(|e| e.get(k).copied().flatten()).collect();
                Mode {
                    eigenvalue: d,
                    shrinkage: measured.get(k).copied().flatten(),
                    standard_error: values
                        .and_then(|v| crate::bias::interval::standard_error(&v).ok()),
                    predicted: predicted.as_ref().and_then(|p| p.get(k).copied().flatten()),
                    ridge: lambda.map(|l| d / (d + l)),
                }
            })
            .collect()
    }

    fn curve(&self, trajectory: Option<&Trajectory>) -> Vec<CurvePoint> {
        if !self.single() {
            return Vec::new();
        }
        let problem = &self.problems.list[0];
        let h = problem.squares().h();
        let t = &self.settings.training;
        let excess = |w: &DVector<f64>| {
            let u = w - &problem.minimum;
            0.5 * u.dot(&(h * &u))
        };
        let curve = &self.output.curve;
        (0..curve.steps.len())
            .map(|k| {
                let time = t.schedule.time(t.learning_rate, curve.steps[k], t.steps);
                CurvePoint {
                    time,
                    measured: excess(&curve.weights[k]),
                    predicted: trajectory.map_or(f64::NAN, |p| excess(&at_time(p, time))),
                    free: excess(&problem.free(time)),
                    replicas: curve.excess[k],
                }
            })
            .collect()
    }

    fn ridge_path(&self) -> Vec<Ridge> {
        let grid: Vec<f64> = (0..=60)
            .map(|k| 10f64.powf(-4.0 + 6.0 * f64::from(k) / 60.0))
            .collect();
        let problem = &self.problems.list[0];
        let Some(path) = self
            .single()
            .then(|| {
                problem
                    .spectrum
                    .ridge_path(&grid, &self.problems.centre)
                    .ok()
            })
            .flatten()
        else {
            return Vec::new();
        };
        grid.iter()
            .zip(path.column_iter())
            .map(|(&lambda, w)| Ridge {
                lambda,
                weights: w.iter().copied().collect(),
            })
            .collect()
    }

    /// All findings of the point. `full`: with the trajectory and everything drawn from it.
    pub fn point(&self, full: bool) -> Point {
        let (settings, centre) = (self.settings, &self.problems.centre);
        let first = &self.problems.list[0];
        let t = &settings.training;
        let end = t.schedule.time(t.learning_rate, t.steps, t.steps);
        let begin = t
            .schedule
            .time(t.learning_rate, settings.first_averaged(), t.steps);
        let trajectory = (full && self.single())
            .then(|| first.trajectory(end))
            .flatten();
        let pt = trajectory
            .as_ref()
            .map(|p| p.mean_from(begin, |time| t.step_at(time)));
        let e2: Functional = &|p, w| p.squares().gradient_matching(w, centre).ok();
        let nearest =
            |p: &Problem, w: &DVector<f64>, norm| p.spectrum.nearest_on_path(w, centre, norm).ok();
        let e3: Functional = &|p, w| nearest(p, w, Norm::H).map(|n| n.lambda);
        let e3_euclidean: Functional = &|p, w| nearest(p, w, Norm::Euclidean).map(|n| n.lambda);
        let e4: Functional = &|p, w| p.spectrum.eigenmode_median(w, centre).ok();
        let lambda_e3 = self.functional(e3);
        let mean = self.mean(None);
        let bias = self.bias_norm();
        let lambda_of = |p: &Option<Prediction>| p.as_ref().and_then(Prediction::mean_lambda);
        let average = |f: &dyn Fn(&Problem) -> Option<f64>| {
            let values: Option<Vec<f64>> = self.problems.list.iter().map(f).collect();
            values.map(|v| v.iter().sum::<f64>() / v.len() as f64)
        };
        let law = average(&|p| p.law);
        let mut lambda_e2 = self.functional(e2);
        lambda_e2.predicted = lambda_e2.predicted.or(law);
        let strengths = first.p1.as_ref().and_then(|p| p.lambda.clone());
        let diagonal = strengths.as_ref().filter(|_| self.single()).and_then(|s| {
            let n = first
                .squares()
                .nearest_on_diagonal_path(&mean, centre, s, Norm::Euclidean)
                .ok()?;
            Some(n.distance / bias)
        });
        let squares = first.squares();
        let prediction_error_p1 = self.error(|p| p.p1.as_ref().map(|p| p.weights.clone()));
        Point {
            held_out: None,
            programmed: None,
            network: None,
            reads: Vec::new(),
            label: String::new(),
            settings: settings.swept.clone(),
            device: settings.device.name().to_owned(),
            tau: self.problems.tau.filter(|_| self.model.is_some()),
            learning_rate: t.learning_rate,
            step: self.model.map_or(0.0, ArrayModel::step),
            cycle_to_cycle: self.model.map_or([0.0; 2], |m| {
                [m.cells.noise().additive(), m.cells.noise().multiplicative()]
            }),
            bias_norm: bias,
            bias_norm_p0: average(&|p| Some((&p.p0.as_ref()?.weights - &p.minimum).norm())),
            monte_carlo_error: self.monte_carlo_error(),
            prediction_error_p0: self.error(|p| p.p0.as_ref().map(|p| p.weights.clone())),
            prediction_error_p1,
            prediction_errors_p1: prediction_error_p1.map(|e| e / self.monte_carlo_error()),
            prediction_error_pt: pt.clone().and_then(|w| self.error(|_| Some(w.clone()))),
            tikhonov_residual: self
                .single()
                .then(|| nearest(first, &mean, Norm::Euclidean))
                .flatten()
                .map(|n| n.distance / bias),
            tikhonov_residual_diagonal: diagonal,
            lambda_predicted: average(&|p| lambda_of(&p.p1)).or(law),
            lambda_predicted_p0: average(&|p| lambda_of(&p.p0)),
            lambda_retention: self
                .predicted(|_, p1| Some(p1.mean_retention()))
                .filter(|_| settings.device.retention().is_some()),
            lambda_gradient: self.lambda_gradient(average(&|p| lambda_of(&p.p1))),
            lambda_e1: self.e1(),
            centre: self.measured_centre(),
            lambda_e2,
            lambda_e3,
            lambda_e3_euclidean: self.functional(e3_euclidean),
            lambda_e4: self.functional(e4),
            lambda_law: self.law(e2),
            read_gain: (settings.wires())
                .and_then(|_| self.predicted(|p, p1| p1.read_gain(p.squares().h())))
                .and_then(finite),
            weight_deviation: self.of_sums(
                |sums| Some(sums.iter().map(deviation).sum::<f64>() / sums.len() as f64),
                // One replica's window is too short to show the stationary deviation of a problem of its own.
                (self.single() && first.p1.is_some())
                    .then(|| {
                        self.predicted(|_, p1| {
                            Some(p1.covariance.diagonal().map(|v| v.max(0.0).sqrt()).mean())
                        })
                    })
                    .flatten(),
            ),
            excess_loss: of_values(
                &self.output.excess,
                self.predicted(|p, p1| Some(p1.excess_loss(p.squares().h(), &p.minimum)))
                    .filter(|_| first.p1.is_some())
                    .and_then(finite),
            ),
            refreshes: self.model.filter(|m| m.cells.is_one_sided()).map(|_| {
                // Both cells of a pair.
                self.output.resets as f64 / (2 * self.output.weights * self.output.replicas) as f64
            }),
            cost: self.cost(),
            budget: self.budget(),
            test_error: None,
            lambda_gcv: self
                .single()
                .then(|| first.spectrum.gcv_best(centre).ok())
                .flatten()
                .and_then(|b| finite(b.lambda)),
            effective_dof: lambda_e3
                .value
                .filter(|_| self.single())
                .and_then(|l| first.spectrum.effective_dof(l).ok()),
            strength_spread: strengths
                // Stuck weights have none.
                .map(|s| {
                    let free: Vec<f64> = s.iter().copied().filter(|l| *l != 0.0).collect();
                    DVector::from_vec(free)
                })
                .filter(|s| s.len() > 1)
                .map(|s| s.variance().sqrt() / s.mean()),
            verdict: self.verdict(end, squares.features()),
            weights: self.weights(pt.as_ref()),
            modes: self.modes(lambda_e3.value),
            learning_curve: if full {
                self.curve(trajectory.as_ref())
            } else {
                Vec::new()
            },
            ridge_path: if full { self.ridge_path() } else { Vec::new() },
            warnings: {
                let mut warnings = self.warnings(end);
                if full && self.single() && first.setting.is_some() && trajectory.is_none() {
                    warnings.push(
                        "no prediction by P-t: the fastest and slowest modes are too far apart, or weights grow beyond all bounds"
                            .into(),
                    );
                }
                warnings
            },
        }
        .warned(
            self.output.replicas,
            settings
                .wires()
                .and_then(|w| w.writes)
                .is_some_and(|w| w.disturb),
        )
    }

    /// What one crossbar costs, where that was metered.
    fn cost(&self) -> Option<Cost> {
        self.settings
            .cost(self.model?.map, self.output.usage.as_ref()?)
    }

    /// Mean over weights of the measured `E|g|` times `R'(w⋄)`, and retention's own strength.
    fn lambda_gradient(&self, predicted: Option<f64>) -> Estimate {
        let slopes: Option<Vec<f64>> = self.model.filter(|_| self.answers()).and_then(|m| {
            (0..self.output.weights)
                .map(|j| m.weight_slope(j))
                .collect()
        });
        let Some(slopes) = slopes else {
            return nothing();
        };
        let retention = self.predicted(|_, p1| Some(p1.mean_retention()));
        let free = self.model.map_or(slopes.len(), ArrayModel::free_weights);
        self.of_sums(
            |sums| {
                let terms = sums.iter().zip(&slopes);
                let sum: f64 = terms.map(|(s, r)| s.abs_gradient[0] / s.count * r).sum();
                Some(sum / free as f64 + retention.unwrap_or(0.0))
            },
            predicted,
        )
    }

    /// The paired difference `λ(E2) - λ(law)` around the law's mean: value and interval of E2 as if the law were exact.
    fn law(&self, e2: Functional) -> Estimate {
        let laws: Option<Vec<f64>> = (0..self.output.replicas)
            .map(|r| self.problems.of(r).law)
            .collect();
        let Some(laws) = laws.filter(|_| self.model.is_some()) else {
            return nothing();
        };
        let mean = laws.iter().sum::<f64>() / laws.len() as f64;
        let paired: Vec<f64> = (0..self.output.replicas)
            .map(|r| {
                let lambda = e2(self.problems.of(r), &self.output.mean_weights(r));
                lambda.unwrap_or(f64::NAN) - laws[r] + mean
            })
            .collect();
        of_values(&paired, finite(mean))
    }

    /// Which level of prediction is valid, in words.
    fn verdict(&self, end: f64, features: usize) -> String {
        let first = &self.problems.list[0];
        let (Some(p0), Some(p1)) = (&first.p0, &first.p1) else {
            return no_closure(first, features);
        };
        verdict(first, p0, p1, self.model, &self.settings.training, end)
    }

    fn warnings(&self, end: f64) -> Vec<String> {
        let mut out = Vec::new();
        out.extend(
            self.problems
                .list
                .iter()
                .find_map(|p| p.unpredicted.clone()),
        );
        let smallest = self.problems.list[0].spectrum.eigenvalues().min();
        let lambda = self.problems.list[0]
            .best()
            .and_then(Prediction::mean_lambda)
            .unwrap_or(0.0);
        // Gradients are lost twice on their way through wires: in what is read, and in how that follows the weights.
        let read = self.problems.list[0].read_gain();
        let read = read.map_or(1.0, |gain| gain.clamp(0.0, 1.0).powi(2));
        let decays = end * (smallest * read + lambda);
        // How fast other algorithms descend is not that of the learning rate.
        let known = self.model.is_some() && self.settings.algorithm.descends();
        if known && decays < 5.0 {
            out.push(format!(
                "the run lasts {decays:.1} decay times of its slowest mode: not stationary, early stopping alone looks like regularization"
            ));
        }
        out.extend(self.model.and_then(stuck));
        let shortened = self.settings.training.counting.shortens();
        out.extend(shortened.then(|| SHORTENED.to_owned()));
        out.extend(self.model.and_then(trapped));
        out.extend(self.model.and_then(|_| converted(self.settings)));
        out.extend(self.model.and_then(|_| wired(self.settings, self.problems)));
        out.extend(self.model.and_then(|_| bent(self.settings)));
        let broken = (0..self.output.replicas)
            .filter(|&r| !self.output.mean_weights(r).iter().all(|w| w.is_finite()))
            .count();
        if broken > 0 {
            out.push(format!(
                "{broken} of {} replicas have weights that are not finite: numbers over replicas have no value",
                self.output.replicas
            ));
        }
        if self.output.replicas < 20 {
            out.push(format!(
                "{} replicas are too few for trustworthy intervals (20 at least)",
                self.output.replicas
            ));
        }
        out
    }
}

/// Drifts in single precision are right to about this part of the mean gradient.
const ROUNDING: f64 = 1e-6;

/// Why there is no prediction from a data set.
pub(super) fn no_closure(problem: &Problem, features: usize) -> String {
    problem.instead_of_p1().unwrap_or_else(|| {
        format!(
            "closed cycle-to-cycle law for {features} Gaussian inputs; no data set to average over"
        )
    })
}

/// Which level of prediction is valid: the size of the fluctuations against the response's own scale.
pub(super) fn verdict(
    problem: &Problem,
    p0: &Prediction,
    p1: &Prediction,
    model: Option<&ArrayModel>,
    training: &Training,
    end: f64,
) -> String {
    let bias = (&p1.weights - &problem.minimum).norm();
    let shift = (&p1.weights - &p0.weights).norm() / bias.max(f64::MIN_POSITIVE);
    // The distance over which the response changes by itself: half the window.
    let half = model.map_or(f64::INFINITY, |m| 0.5 * m.map.per_window());
    let relative = p1.cell_deviation.max() / half;
    let slowest = problem.spectrum.eigenvalues().min() + p1.mean_lambda().unwrap_or(0.0);
    let mut out = if relative > 0.33 {
        format!(
            "P2 is needed: weights fluctuate over {relative:.2} of half the window, which is not Gaussian"
        )
    } else if shift > 0.01 {
        format!(
            "P1: fluctuations move the mean weights by {:.1} % of the bias; the mean field alone misses that",
            100.0 * shift
        )
    } else {
        format!(
            "P0: fluctuations move the mean weights by only {:.2} % of the bias",
            100.0 * shift
        )
    };
    if p1.lost.abs() > 0.01 {
        let (part, what) = match p1.lost > 0.0 {
            true => (p1.lost, "of the requested changes are lost"),
            false => (-p1.lost, "more is made than requested"),
        };
        out.push_str(&format!(
            "; {:.0} % {what} (counts to nearest, or full bit trains): P1 takes this to the mean, P0 leaves it out",
            100.0 * part
        ));
    }
    if training.schedule.decay != Decay::Constant {
        out.push_str("; P1 and its λ are those of the last learning rate, while the window averages over many");
    }
    if let Some(stuck) = model.and_then(stuck) {
        out.push_str("; ");
        out.push_str(&stuck);
    }
    if end * slowest < 5.0 {
        out.push_str(&format!(
            "; P-t for the mean, since the run ends after {:.1} decay times of the slowest mode",
            end * slowest
        ));
    }
    out
}

/// What predictions leave out of the noise of reads.
fn trapped(model: &ArrayModel) -> Option<String> {
    let telegraph = model.cells.cell_noise()?.telegraph()?;
    Some(format!(
        "predictions leave out the random telegraph noise of the cells: traps that block {} of the conductance",
        telegraph.amplitude
    ))
}

/// What predictions leave out of the periphery.
pub(super) fn converted(settings: &Settings) -> Option<String> {
    (!settings.periphery().is_ideal()).then(|| {
        "predictions leave out the converters ([array] dac, adc, noise-management, bound-management): they are those of ideal reads with the read noise of an output"
            .to_owned()
    })
}

/// What predictions leave out of the cells.
pub(super) fn bent(settings: &Settings) -> Option<String> {
    settings.curve().map(|_| {
        "predictions leave out the current-voltage curve of the cells: they are those of ohmic ones"
            .to_owned()
    })
}

/// What wires do to the numbers, and what predictions leave out of it.
pub(super) fn wired(settings: &Settings, problems: &Problems) -> Option<String> {
    let wires = settings.wires()?;
    let disturbs = wires.writes.is_some_and(|w| w.disturb);
    let first = &problems.list[0];
    let mut parts = Vec::new();
    if !wires.is_ideal() {
        let gain = match first.read_gain() {
            Some(gain) => format!(" with a gain of {gain:.3} at the predicted weights"),
            None => String::new(),
        };
        parts.push(format!(
            "reads pass the wires{gain}: λ by E2, E3 and E4 and the bias compare with least squares of ideal reads, beside which weights that \
             make up for lost gain look regularized by less; excess loss, learning curve and test error are those of the weights that are held, read ideally"
        ));
        if wires.writes.is_none() {
            parts.push("pulses have their full voltage".into());
        }
    }
    if disturbs {
        parts.push("predictions leave out what pulses do to cells that are not selected".into());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// How many cells are stuck, and what that means for the numbers.
fn stuck(model: &ArrayModel) -> Option<String> {
    let cells = model.cells.stuck().len();
    if cells == 0 {
        return None;
    }
    let weights = model.map.weights();
    let fixed = weights - model.free_weights();
    let halved = (0..weights).filter(|&j| {
        let free = model.free_cells(j);
        free > 0 && free < model.map.cells_per_weight()
    });
    Some(format!(
        "{cells} of {} cells are stuck: {fixed} of {weights} weights cannot move and {} have half their range; predictions hold \
         these cells, λ is that of the other weights, while the bias, E3 and E4 compare with least squares over all weights",
        model.cells.len(),
        halved.count()
    ))
}

fn deviation(s: &Sums) -> f64 {
    (s.weight[1] / s.count - s.mean_weight().powi(2))
        .max(0.0)
        .sqrt()
}

/// Weights of a trajectory at a time, linear between its points.
fn at_time(path: &Trajectory, time: f64) -> DVector<f64> {
    let k = path.times.partition_point(|&t| t <= time);
    if k == 0 {
        return path.weights[0].clone();
    }
    if k == path.times.len() {
        return path.weights[k - 1].clone();
    }
    let f = (time - path.times[k - 1]) / (path.times[k] - path.times[k - 1]);
    &path.weights[k - 1] * (1.0 - f) + &path.weights[k] * f
}
