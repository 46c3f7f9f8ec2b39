//! The least-squares problems behind the replicas, each with its predictions.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::settings::{Material, Settings};
use crate::bias::tikhonov::{LeastSquares, Spectrum};
use crate::bias::{
    CycleLaw, Landscape, Prediction, Setting, Trajectory, cycle_field, gaussian_closure,
    mean_field, pair_trajectory, trajectory,
};
use crate::crossbar::{ArrayModel, Mapping, Refresh};
use crate::device::{Counting, Law, SoftBounds};
use crate::error::{Error, Result};
use crate::training::algorithms::Algorithm;
use crate::training::{Batch, Schedule, Source, StepRule, Update};

/// One problem: replica r has problem `r mod problems`.
pub struct Problem {
    /// Spectrum of its least squares.
    pub spectrum: Spectrum,
    /// `w_LS`
    pub minimum: DVector<f64>,
    /// What predictions start from, where the data are a set.
    pub setting: Option<Setting>,
    /// The refresh of one-sided pairs, and the training time between two looks.
    pub looks: Option<(Refresh, f64)>,
    /// Mean field.
    pub p0: Option<Prediction>,
    /// Gaussian closure.
    pub p1: Option<Prediction>,
    /// λ of the closed cycle-to-cycle law, where it applies.
    pub law: Option<f64>,
    /// Weight that every connection starts with.
    pub start: f64,
    /// Why there is no prediction, where there should be one.
    pub unpredicted: Option<String>,
}

/// All problems of a point and what they share.
pub struct Problems {
    /// The problems.
    pub list: Vec<Problem>,
    /// Symmetric point of every weight; where there is none the resting state of its cells, else 0.
    pub centre: DVector<f64>,
    /// Whether every weight has one.
    pub has_centre: bool,
    /// Mean of `1/R'(w⋄)` over weights.
    pub tau: Option<f64>,
}

/// A message of the explicit side as one of ours.
pub(super) fn explicit(error: impl std::fmt::Display) -> Error {
    Error::NotConverged {
        what: "the explicit Tikhonov side".into(),
        detail: error.to_string(),
    }
}

/// A prediction, or why there is none.
fn found<T>(prediction: Result<T>) -> Result<(Option<T>, Option<String>)> {
    match prediction {
        Ok(found) => Ok((Some(found), None)),
        Err(Error::NotConverged { what, detail }) => {
            Ok((None, Some(format!("no prediction by {what}: {detail}"))))
        }
        Err(other) => Err(other),
    }
}

/// What the mean field over the cycle of refreshes is not.
const CYCLE_ALONE: &str = "P1 has no closure for pairs that fill up and are refreshed; P0 is their mean field over the cycle";

/// Whether the closed cycle-to-cycle law speaks of these settings: single samples, long bit trains, soft bounds with additive
/// noise about zero, nothing else.
fn lawful(settings: &Settings, model: &ArrayModel) -> bool {
    let t = &settings.training;
    let noise = model.cells.noise();
    let trains = matches!(t.counting, Counting::Coincidence { bits, .. } if bits >= 8);
    trains
        && t.update == Update::PerSample
        && t.batch == Batch::Samples(1)
        && t.schedule == Schedule::CONSTANT
        && model.map.mapping() == Mapping::ReferenceColumn
        && model.cells.law().name() == SoftBounds::NAME
        && noise.multiplicative() == 0.0
        && !noise.is_affine()
        && model.cells.write_noise() == 0.0
        && model.cells.retention().is_none()
        && model.cells.unpredictable().is_none()
        && model.cells.stuck().is_empty()
        && model.cells.are_equal()
        && settings.read_noise() == 0.0
        && settings.wires().is_none_or(|wires| wires.is_ideal())
        && model.cells.cell_noise().is_none()
        && (0..model.map.weights())
            .all(|j| model.symmetric_weight(j).is_some_and(|w| w.abs() < 1e-6))
}

/// Why the weights that training settles on are not predicted, if they are not.
fn unpredictable(settings: &Settings, model: &ArrayModel) -> Option<String> {
    if settings.algorithm != Algorithm::Sgd {
        let what = "theory speaks of plain gradient descent on one array, and training.algorithm is another";
        return Some(what.to_owned());
    }
    if settings.training.step_rule == StepRule::Proximal {
        let what = "theory speaks of explicit steps, and training.step-rule is proximal";
        return Some(what.to_owned());
    }
    model.cells.unpredictable().map(|why| why.to_string())
}

impl Problems {
    /// The problems of `settings` on `model`, predicted.
    ///
    /// A fixed point that is not found, because training has none, is no error: [`Problem::unpredicted`] says so.
    ///
    /// # Errors
    /// Data without a unique least-squares solution.
    pub fn new(settings: &Settings, material: &Material, model: &ArrayModel) -> Result<Self> {
        let weights = model.map.weights();
        let centres: Vec<Option<f64>> = (0..weights).map(|j| model.symmetric_weight(j)).collect();
        let slopes: Option<Vec<f64>> = (0..weights).map(|j| model.weight_slope(j)).collect();
        // Of the weights that can move.
        let free = model.free_weights() as f64;
        let tau = slopes.filter(|_| free > 0.0).map(|s| {
            let slopes = (0..weights).filter(|&j| model.free_cells(j) > 0);
            slopes.map(|j| 1.0 / s[j]).sum::<f64>() / free
        });
        let list = match &material.task.source {
            Source::Sets(sets) => sets
                .par_iter()
                .map(|set| {
                    if let Some(why) = unpredictable(settings, model) {
                        let squares = LeastSquares::from_rows(&set.x, &set.y).map_err(explicit)?;
                        return Ok(Problem {
                            unpredicted: Some(format!("no prediction, because {why}")),
                            ..Problem::new(&squares, settings.training.start)?
                        });
                    }
                    let setting = settings.setting(model, set.x.clone(), set.y.clone());
                    let (p0, problem) = found(match settings.refresh() {
                        Some(refresh) => {
                            cycle_field(&setting, refresh, settings.training.firings())
                        }
                        None => mean_field(&setting),
                    })?;
                    let one_sided = model.cells.is_one_sided();
                    let (p1, other) = match &p0 {
                        Some(_) if one_sided => (None, Some(CYCLE_ALONE.to_owned())),
                        Some(p0) => found(gaussian_closure(&setting, p0))?,
                        None => (None, None),
                    };
                    let squares = LeastSquares::from_rows(&set.x, &set.y).map_err(explicit)?;
                    Ok(Problem {
                        looks: settings.looks(),
                        setting: Some(setting),
                        p0,
                        p1,
                        unpredicted: problem.or(other),
                        ..Problem::new(&squares, settings.training.start)?
                    })
                })
                .collect::<Result<Vec<_>>>()?,
            Source::Gaussian {
                truths,
                label_noise,
            } => truths
                .iter()
                .map(|truth| {
                    let wires = settings.wires().filter(|w| !w.is_ideal()).map(|_| {
                        "no prediction: the closed law is that of ideal wires, and Gaussian inputs have no data set to average over"
                            .to_owned()
                    });
                    let d = weights;
                    let yy = truth.norm_squared() + label_noise * label_noise;
                    let problem = LeastSquares::from_moments(
                        DMatrix::identity(d, d),
                        truth.clone(),
                        yy,
                        None,
                    )
                    .map_err(explicit)?;
                    let law = tau.filter(|_| lawful(settings, model)).map(|tau| CycleLaw {
                        tau,
                        rate: settings.training.learning_rate,
                        step: model.step(),
                        sigma: model.cells.noise().additive(),
                        label_noise: *label_noise,
                        features: d,
                    });
                    let plain = settings.algorithm == Algorithm::Sgd
                        && settings.training.step_rule == StepRule::Explicit;
                    let other = unpredictable(settings, model).filter(|_| !plain);
                    let (lambda, unpredicted) = match law.filter(|_| plain) {
                        Some(law) => found(law.lambda(truth.norm_squared()))?,
                        None => (None, other.map(|why| format!("no prediction, because {why}")).or(wires)),
                    };
                    Ok(Problem {
                        law: lambda,
                        unpredicted,
                        ..Problem::new(&problem, settings.training.start)?
                    })
                })
                .collect::<Result<Vec<_>>>()?,
        };
        Ok(Self {
            list,
            has_centre: centres.iter().all(Option::is_some),
            centre: DVector::from_fn(weights, |j, _| {
                centres[j].unwrap_or_else(|| model.resting_weight(j))
            }),
            tau,
        })
    }

    /// The problem of replica `r`.
    pub fn of(&self, r: usize) -> &Problem {
        &self.list[r % self.list.len()]
    }

    /// Loss landscapes for the recorder.
    pub fn landscapes(&self) -> Vec<Landscape> {
        self.list
            .iter()
            .map(|p| Landscape {
                h: p.spectrum.problem().h().clone(),
                minimum: p.minimum.clone(),
            })
            .collect()
    }
}

impl Problem {
    /// A problem without predictions.
    fn new(problem: &LeastSquares, start: f64) -> Result<Self> {
        Ok(Self {
            spectrum: problem.spectrum().map_err(explicit)?,
            minimum: problem.solution().map_err(explicit)?,
            setting: None,
            looks: None,
            p0: None,
            p1: None,
            law: None,
            start,
            unpredicted: None,
        })
    }

    /// What is left of the predictions, in words, where P1 should be and is not.
    pub fn instead_of_p1(&self) -> Option<String> {
        let why = self.unpredicted.as_ref()?;
        Some(match self.setting {
            Some(_) => format!("P-t alone: {why}"),
            None => why.clone(),
        })
    }

    /// The least squares.
    pub fn squares(&self) -> &LeastSquares {
        self.spectrum.problem()
    }

    /// The best prediction of the mean weights: P1, else the ridge solution of the closed law, else P0 over the cycle of refreshes, else
    /// no bias.
    pub fn predicted(&self, centre: &DVector<f64>) -> DVector<f64> {
        match (&self.p1, self.law) {
            (Some(p1), _) => p1.weights.clone(),
            // H = I for the inputs of the law.
            (None, Some(lambda)) => (&self.minimum + centre * lambda) / (1.0 + lambda),
            (None, None) => match self.best() {
                Some(p0) => p0.weights.clone(),
                None => self.minimum.clone(),
            },
        }
    }

    /// P1; for one-sided pairs, which have none, P0 over the cycle of their refreshes.
    pub fn best(&self) -> Option<&Prediction> {
        let setting = self.setting.as_ref();
        let one_sided = setting.is_some_and(|s| s.model.cells.is_one_sided());
        self.p1.as_ref().or(self.p0.as_ref().filter(|_| one_sided))
    }

    /// P-t from the starting weights over training time `duration`; none without data, or where it is not found.
    pub fn trajectory(&self, duration: f64) -> Option<Trajectory> {
        let setting = self.setting.as_ref()?;
        let start = vec![self.start; self.minimum.len()];
        if setting.model.cells.is_one_sided() {
            pair_trajectory(setting, self.looks, &start, duration).ok()
        } else {
            trajectory(setting, &start, duration).ok()
        }
    }

    /// What reads of the predicted weights have of their outputs, where they pass wires.
    pub fn read_gain(&self) -> Option<f64> {
        let wired = self.setting.as_ref()?.wires.is_some_and(|w| !w.is_ideal());
        self.best().filter(|_| wired)?.read_gain(self.squares().h())
    }

    /// Bias-free weights at training time `t` from the starting weights: `w_LS - e^{-Ht} (w_LS - w₀)`.
    pub fn free(&self, t: f64) -> DVector<f64> {
        self.approached(|d| -(-d * t).exp_m1())
    }

    /// Weights whose modes have gone these parts of their ways from the start to the minimum.
    fn approached(&self, part: impl Fn(f64) -> f64) -> DVector<f64> {
        let v = self.spectrum.vectors();
        let mut c = v.tr_mul(&self.minimum.add_scalar(-self.start));
        for (c, &d) in c.iter_mut().zip(self.spectrum.eigenvalues().iter()) {
            *c *= part(d);
        }
        (v * c).add_scalar(self.start)
    }

    /// Mean of [`Problem::free`] over the steps between times `a` and `b`, given the step at a time.
    pub fn free_mean(&self, a: f64, b: f64, step_at: impl Fn(f64) -> f64) -> DVector<f64> {
        const STRIPS: u32 = 400;
        let width = (b - a) / f64::from(STRIPS);
        let strips: Vec<(f64, f64)> = (0..STRIPS)
            .map(|i| a + width * f64::from(i))
            .map(|from| (from, step_at(from + width) - step_at(from)))
            .collect();
        let total: f64 = strips.iter().map(|(_, p)| p).sum();
        self.approached(|d| {
            if d <= 0.0 {
                // No gradient along a mode without variance.
                return 0.0;
            }
            let left = strips.iter().map(|(from, p)| p * (-d * from).exp());
            1.0 + (-d * width).exp_m1() / (d * width) * left.sum::<f64>() / total
        })
    }
}
