//! The analytic levels of a study, without a simulation.

use rayon::prelude::*;
use serde::Serialize;

use super::analyse::{bent, converted, no_closure, verdict, wired};
use super::file::Study;
use super::run::{Prepared, labels};
use crate::bias::Prediction;
use crate::bias::tikhonov::Norm;
use crate::crossbar::WeightMap;
use crate::device::{Device, Uncertain};
use crate::error::Result;

/// What is predicted of one sweep point; for many problems, means over them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Forecast {
    /// Short label.
    pub label: String,
    /// The swept keys and their values.
    pub settings: Vec<(String, String)>,
    /// `1/R'(w⋄)` in weight units, mean over weights.
    pub tau: Option<f64>,
    /// Mean over weights of `E|g| R'(w⋄)` in the mean field.
    pub lambda_p0: Option<f64>,
    /// The same under the Gaussian closure.
    pub lambda_p1: Option<f64>,
    /// The closed cycle-to-cycle law.
    pub lambda_law: Option<f64>,
    /// Gradient matching at the P1 weights.
    pub lambda_e2: Option<f64>,
    /// Nearest ridge solution in the H norm.
    pub lambda_e3: Option<f64>,
    /// Median over eigenmodes.
    pub lambda_e4: Option<f64>,
    /// `‖w - w_LS‖` in the mean field.
    pub bias_norm_p0: Option<f64>,
    /// The same under the Gaussian closure.
    pub bias_norm_p1: Option<f64>,
    /// The same along the trajectory, averaged over the window.
    pub bias_norm_pt: Option<f64>,
    /// Gain of reads through the wires, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_gain: Option<f64>,
    /// Mean standard deviation of the weights.
    pub weight_deviation: Option<f64>,
    /// Weights of the first problem under P1.
    pub weights: Option<Vec<f64>>,
    /// GCV choice of an explicit λ on all data.
    pub lambda_gcv: Option<f64>,
    /// Symmetric point of a nominal weight, where the device says how well its numbers are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symmetric_weight: Option<Uncertain>,
    /// `R'(w⋄)` of a nominal weight likewise: λ per unit of `E|g|`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda_per_gradient: Option<Uncertain>,
    /// Which level is valid.
    pub verdict: String,
}

/// Predicts every sweep point of a study.
///
/// # Errors
/// Broken data, an unstable learning rate, predictions that do not converge.
pub fn forecast(study: &Study) -> Result<Vec<Forecast>> {
    let prepared: Vec<Prepared> = study
        .points
        .par_iter()
        .map(|s| Prepared::new(s.clone()))
        .collect::<Result<_>>()?;
    let mut out: Vec<Forecast> = prepared.par_iter().map(one).collect::<Result<_>>()?;
    let names = labels(&prepared);
    for (forecast, label) in out.iter_mut().zip(names) {
        forecast.label = label;
    }
    Ok(out)
}

/// `w⋄` and `R'(w⋄)` of a weight of nominal cells, in weight units. The cells of a weight share what is not known of them.
fn nominal_weight(device: &Device, map: WeightMap) -> (Option<Uncertain>, Option<Uncertain>) {
    let scaled = |u: Uncertain, f: &dyn Fn(f64) -> f64| Uncertain {
        value: f(u.value),
        low: f(u.low),
        high: f(u.high),
    };
    // Two equal cells make a weight of zero, and each moves for half of the changes.
    let (signs, cells) = (
        (0..map.cells_per_weight())
            .map(|k| map.sign(k))
            .sum::<f64>(),
        map.cells_per_weight() as f64,
    );
    let point = device.uncertain_symmetric_point();
    let slope = device.uncertain_slope();
    (
        point.map(|u| scaled(u, &|s| signs * map.value(s))),
        slope.map(|u| scaled(u, &|r| r / (cells * map.per_window()))),
    )
}

fn one(point: &Prepared) -> Result<Forecast> {
    let (problems, t) = (&point.problems, &point.settings.training);
    let centre = &problems.centre;
    let first = &problems.list[0];
    let mean = |f: &dyn Fn(&super::Problem) -> Option<f64>| {
        let values: Option<Vec<f64>> = problems.list.iter().map(f).collect();
        values.map(|v| v.iter().sum::<f64>() / v.len() as f64)
    };
    let time = |step| t.schedule.time(t.learning_rate, step, t.steps);
    let (begin, end) = (time(point.settings.first_averaged()), time(t.steps));
    let single = problems.list.len() == 1;
    let pt = single.then(|| first.trajectory(end)).flatten();
    let mut verdict = match (&first.p0, &first.p1) {
        (Some(p0), Some(p1)) => verdict(first, p0, p1, Some(&point.plan.model), t, end),
        _ => no_closure(first, first.squares().h().nrows()),
    };
    for left_out in [
        converted(&point.settings),
        wired(&point.settings, problems),
        bent(&point.settings),
    ]
    .into_iter()
    .flatten()
    {
        verdict.push_str("; ");
        verdict.push_str(&left_out);
    }
    let gcv = match single && first.squares().samples().is_some() {
        true => first.spectrum.gcv_best(centre).ok().map(|best| best.lambda),
        false => None,
    };
    let (symmetric_weight, lambda_per_gradient) =
        nominal_weight(&point.settings.device, point.plan.model.map);
    Ok(Forecast {
        symmetric_weight,
        lambda_per_gradient,
        label: String::new(),
        settings: point.settings.swept.clone(),
        tau: problems.tau,
        lambda_p0: mean(&|p| p.p0.as_ref().and_then(Prediction::mean_lambda)),
        lambda_p1: mean(&|p| p.p1.as_ref().and_then(Prediction::mean_lambda)),
        lambda_law: mean(&|p| p.law),
        lambda_e2: mean(&|p| {
            let w = &p.p1.as_ref()?.weights;
            p.squares().gradient_matching(w, centre).ok()
        }),
        lambda_e3: mean(&|p| {
            let w = &p.p1.as_ref()?.weights;
            Some(p.spectrum.nearest_on_path(w, centre, Norm::H).ok()?.lambda)
        }),
        lambda_e4: mean(&|p| {
            p.spectrum
                .eigenmode_median(&p.p1.as_ref()?.weights, centre)
                .ok()
        }),
        bias_norm_p0: mean(&|p| Some((&p.p0.as_ref()?.weights - &p.minimum).norm())),
        bias_norm_p1: mean(&|p| Some((&p.p1.as_ref()?.weights - &p.minimum).norm())),
        bias_norm_pt: pt
            .map(|p| (p.mean_from(begin, |time| t.step_at(time)) - &first.minimum).norm()),
        read_gain: (point.settings.wires())
            .and_then(|_| mean(&|p| p.best()?.read_gain(p.squares().h()))),
        weight_deviation: mean(&|p| {
            let c = &p.p1.as_ref()?.covariance;
            Some(c.diagonal().map(|v| v.max(0.0).sqrt()).mean())
        }),
        weights: first
            .p1
            .as_ref()
            .map(|p| p.weights.iter().copied().collect()),
        lambda_gcv: gcv,
        verdict,
    })
}
