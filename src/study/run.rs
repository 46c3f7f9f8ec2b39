//! A study from settings to summary: sweep points, controls, cross-validation, expectations.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::DVector;
use rayon::prelude::*;

use super::analyse::Analysis;
use super::file::Study;
use super::measure::{self, ReadRow};
use super::network::{self, EpochRow};
use super::problem::{Problems, explicit};
use super::settings::{Material, Settings, TaskSpec};
use super::simulate::{Kept, Learner, Output, stacks};
use super::summary::{Control, Estimate, Point, SCHEMA, Summary, TestError};
use crate::backend::Place;
use crate::crossbar::Plan;
use crate::error::{Error, Result, Violation};
use crate::training::algorithms::Algorithm;
use crate::training::{Samples, Source, Task};

/// Told how many of how many units of work are done, from any thread.
pub trait Progress: Sync {
    /// The whole work, known before it starts.
    fn begin(&self, total: u64);
    /// Units done since the last call.
    fn advance(&self, units: u64);
}

/// Nobody is told.
impl Progress for () {
    fn begin(&self, _total: u64) {}
    fn advance(&self, _units: u64) {}
}

/// A point made ready: data, array, predictions.
pub struct Prepared {
    /// The settings.
    pub settings: Settings,
    /// Data.
    pub material: Material,
    /// Array that holds the weights.
    pub plan: Plan,
    /// Other arrays of the algorithm.
    pub others: Vec<Plan>,
    /// Predictions.
    pub problems: Problems,
}

impl Prepared {
    /// Loads data, draws devices, predicts.
    ///
    /// # Errors
    /// Broken data, an unstable learning rate, predictions that do not converge.
    pub fn new(settings: Settings) -> Result<Self> {
        let material = settings.material()?;
        settings.check_numbers(&material.task)?;
        settings.check_stability(&material.task)?;
        settings.check_place()?;
        let features = material.task.features;
        let plan = settings.plan(features, 1)?;
        let others = (1..settings.algorithm.arrays())
            .map(|k| settings.plan_of(features, 1, k as u32))
            .collect::<Result<_>>()?;
        let problems = Problems::new(&settings, &material, &plan.model)?;
        Ok(Self {
            settings,
            material,
            plan,
            others,
            problems,
        })
    }

    /// The device as what learns.
    fn device(&self) -> Learner {
        let first = std::iter::once(&self.plan);
        Learner::Device(first.chain(&self.others).cloned().collect())
    }

    fn simulate(
        &self,
        learner: &Learner,
        kept: Option<Kept>,
        progress: &dyn Progress,
    ) -> Result<Output> {
        let mut run = self.settings.run(
            &self.material.task,
            learner,
            self.problems.centre.iter().copied().collect(),
            Arc::new(self.problems.landscapes()),
        );
        run.kept = kept;
        run.simulate(&|units| progress.advance(units))
    }

    fn work(&self) -> u64 {
        let most = self.settings.replicas_at_once();
        let stacks = stacks(self.settings.replicas, most).len() as u64;
        stacks * u64::from(self.settings.training.steps)
    }

    fn analysis<'a>(&'a self, output: &'a Output, device: bool) -> Analysis<'a> {
        Analysis {
            settings: &self.settings,
            problems: &self.problems,
            output,
            model: device.then_some(&self.plan.model),
            features: &self.material.features,
        }
    }
}

/// Everything that a finished study holds.
pub struct Outcome {
    /// What it found.
    pub summary: Summary,
    /// One row a replica and point: window-mean weights and excess loss. None where nothing is trained.
    pub runs: Vec<RunRow>,
    /// One row a replica, point and time: what was read. None where something is trained.
    pub reads: Vec<ReadRow>,
    /// One row a replica, point and epoch, where networks are trained.
    pub epochs: Vec<EpochRow>,
}

/// One replica at one sweep point.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Index of the sweep point.
    pub point: usize,
    /// Number of the replica.
    pub replica: usize,
    /// Mean loss above the minimum over the window.
    pub excess_loss: f64,
    /// Window means of the weights.
    pub weights: Vec<f64>,
}

/// One control to run.
struct ControlRun {
    name: &'static str,
    prepared: Prepared,
    learner: Learner,
}

/// Runs a study.
///
/// # Errors
/// Whatever [`Prepared::new`] finds; nothing is simulated then. Those of the backend.
pub fn run_study(study: &Study, progress: &dyn Progress) -> Result<Outcome> {
    if study.is_read() {
        return measure::run(study, progress);
    }
    if study.is_network() {
        return network::run(study, progress);
    }
    let start = Instant::now();
    let points: Vec<Prepared> = study
        .points
        .par_iter()
        .map(|s| Prepared::new(s.clone()))
        .collect::<Result<_>>()?;
    let controls = control_runs(study, &points)?;
    let folds: Vec<Option<Folds>> = points.iter().map(Folds::new).collect::<Result<_>>()?;
    let work: u64 = points.iter().map(Prepared::work).sum::<u64>()
        + controls.iter().map(|c| c.prepared.work()).sum::<u64>()
        + folds
            .iter()
            .flatten()
            .map(|f| f.prepared.work())
            .sum::<u64>();
    progress.begin(work);

    let outputs: Vec<Output> = points
        .par_iter()
        .enumerate()
        .map(|(index, p)| {
            let kept = study.checkpoints.as_ref().map(|checkpoints| Kept {
                checkpoints,
                index,
                settings: &p.settings.lines,
            });
            // Stacks on other devices save no states.
            let kept = kept.filter(|_| matches!(p.settings.place, Place::Cpu));
            p.simulate(&p.device(), kept, progress)
        })
        .collect::<Result<_>>()?;
    let mut findings: Vec<Point> = points
        .par_iter()
        .zip(&outputs)
        .map(|(p, o)| p.analysis(o, true).point(true))
        .collect();
    for (finding, label) in findings.iter_mut().zip(labels(&points)) {
        finding.label = label;
    }
    let tests: Vec<Option<TestError>> = folds
        .par_iter()
        .map(|f| f.as_ref().map(|f| f.test(progress)).transpose())
        .collect::<Result<_>>()?;
    for (finding, test) in findings.iter_mut().zip(tests) {
        finding.test_error = test;
    }
    let controls: Vec<Control> = controls
        .par_iter()
        .map(|c| c.run(progress))
        .collect::<Result<_>>()?;
    let expectations: Vec<_> = study
        .expect
        .iter()
        .map(|e| e.check(&findings, &controls, study.quick))
        .collect();

    let runs = outputs
        .iter()
        .enumerate()
        .flat_map(|(k, o)| {
            (0..o.replicas).map(move |r| RunRow {
                point: k,
                replica: r,
                excess_loss: o.excess[r],
                weights: o.mean_weights(r).iter().copied().collect(),
            })
        })
        .collect();
    let total = |f: &dyn Fn(&Output) -> f64| outputs.iter().map(f).sum::<f64>();
    let updates = total(&|o| o.updates);
    let first = &points[0];
    Ok(Outcome {
        summary: Summary {
            schema: SCHEMA,
            study: study.name.clone(),
            title: study.title.clone(),
            claim: study.claim.clone(),
            cite: study.cite.clone(),
            seed: first.settings.seed,
            replicas: first.settings.replicas,
            quick: study.quick,
            features: first.material.features.clone(),
            standardisation: first.material.standardisation.clone(),
            points: findings,
            controls,
            all_met: expectations.iter().all(|e| e.met != Some(false)),
            expectations,
            device_updates_per_second: updates / total(&|o| o.seconds),
            pulses_per_device_update: total(&|o| o.pulses as f64) / updates,
            wall_seconds: start.elapsed().as_secs_f64(),
        },
        runs,
        reads: Vec::new(),
        epochs: Vec::new(),
    })
}

/// Short labels of the points: what varies, τ first; else the swept keys.
pub(super) fn labels(points: &[Prepared]) -> Vec<String> {
    type Quantity = (&'static str, fn(&Prepared) -> Option<f64>);
    let quantities: [Quantity; 4] = [
        ("τ", |p| p.problems.tau),
        ("η", |p| Some(p.settings.training.learning_rate)),
        ("σ_c", |p| Some(p.plan.model.cells.noise().additive())),
        ("σ_c", |p| {
            Some(p.plan.model.cells.noise().multiplicative())
        }),
    ];
    let varies = |f: fn(&Prepared) -> Option<f64>| {
        points.iter().any(|p| match (f(p), f(&points[0])) {
            (Some(a), Some(b)) => (a - b).abs() > 1e-9 * b.abs(),
            _ => false,
        })
    };
    let shown: Vec<Quantity> = quantities.into_iter().filter(|(_, f)| varies(*f)).collect();
    points
        .iter()
        .map(|p| {
            let known = shown.iter().filter_map(|(name, f)| {
                // Four digits, without the rounding of a derived number.
                let value: f64 = format!("{:.3e}", f(p)?).parse().ok()?;
                Some(format!("{name} = {value}"))
            });
            let parts: Vec<String> = known.collect();
            // What tells devices apart is their name.
            let models = p.settings.swept.iter().any(|(k, _)| k == "device.model");
            if models || parts.is_empty() {
                return swept_label(&p.settings);
            }
            parts.join(", ")
        })
        .collect()
}

/// The swept values in words.
pub(super) fn swept_label(settings: &Settings) -> String {
    match settings.label.is_empty() {
        true => "the device".into(),
        false => settings.label.clone(),
    }
}

fn control_runs(study: &Study, points: &[Prepared]) -> Result<Vec<ControlRun>> {
    let Some(controls) = &study.controls else {
        return Ok(Vec::new());
    };
    let base = &points[controls.point];
    if base.settings.algorithm != Algorithm::Sgd {
        return Err(Error::from(Violation {
            file: "the study".into(),
            line: None,
            column: None,
            key: "controls.point".into(),
            value: Some(controls.point.to_string()),
            rule: "controls compare with what is known of plain gradient descent, and this point has another training.algorithm".into(),
            way_out: "choose a point without one, or remove [controls]".into(),
        }));
    }
    let mut settings = base.settings.clone();
    settings.replicas = controls.replicas;
    let mut out = Vec::new();
    if let Some(lambda) = controls.explicit_ridge {
        let prepared = Prepared::new(settings.clone())?;
        let centre = prepared.problems.centre.iter().copied().collect();
        out.push(ControlRun {
            name: "explicit-ridge",
            learner: Learner::Digital { lambda, centre },
            prepared,
        });
    }
    if controls.symmetric_device {
        let mut prepared = Prepared::new(settings.clone())?;
        prepared.plan.model.cells = Arc::new(prepared.plan.model.cells.symmetric_control());
        // Of a physical law nothing says what a voltage does to steps that are constant.
        if let Some(wires) = &mut prepared.plan.wires {
            wires.writes = wires.writes.filter(|w| w.dependence.is_some());
        }
        out.push(ControlRun {
            name: "symmetric-device",
            learner: prepared.device(),
            prepared,
        });
    }
    let mut device = |name, rate: f64, steps: f64| -> Result<()> {
        let mut settings = settings.clone();
        settings.training.learning_rate *= rate;
        settings.training.steps = (f64::from(settings.training.steps) * steps) as u32;
        let prepared = Prepared::new(settings).map_err(|e| in_control(name, e))?;
        out.push(ControlRun {
            name,
            learner: prepared.device(),
            prepared,
        });
        Ok(())
    };
    if controls.learning_rate {
        device("half-learning-rate", 0.5, 2.0)?;
        device("double-learning-rate", 2.0, 0.5)?;
    }
    if controls.time {
        device("double-time", 1.0, 2.0)?;
    }
    Ok(out)
}

/// An error of a control's own settings, said so.
fn in_control(name: &str, error: Error) -> Error {
    match error {
        Error::Invalid(mut violations) => {
            for v in &mut violations {
                v.key = format!("{} (of the control {name})", v.key);
            }
            Error::Invalid(violations)
        }
        other => other,
    }
}

fn known(value: f64) -> Estimate {
    Estimate {
        value: Some(value),
        ..Estimate::default()
    }
}

impl ControlRun {
    fn run(&self, progress: &dyn Progress) -> Result<Control> {
        let output = self.prepared.simulate(&self.learner, None, progress)?;
        let device = !matches!(self.learner, Learner::Digital { .. });
        let analysis = self.prepared.analysis(&output, device);
        let found = analysis.point(false);
        let estimators = [
            ("lambda-e1", found.lambda_e1),
            ("lambda-e2", found.lambda_e2),
            ("lambda-e3", found.lambda_e3),
            ("lambda-e3-euclidean", found.lambda_e3_euclidean),
            ("lambda-e4", found.lambda_e4),
        ];
        let with = |predicted: Option<f64>| {
            estimators
                .into_iter()
                .map(|(name, e)| (name.to_owned(), Estimate { predicted, ..e }))
                .collect::<Vec<_>>()
        };
        let (claim, values) = match (&self.learner, self.name) {
            (Learner::Digital { lambda, .. }, _) => (
                format!(
                    "digital weights with an explicit ridge of λ = {lambda}: every estimator returns it"
                ),
                with(Some(*lambda)),
            ),
            (_, "symmetric-device") => {
                self.symmetric(&analysis, [found.lambda_e1, found.lambda_e2])
            }
            (_, name) => {
                let mut values = with(None);
                let own = estimators.iter().map(|(_, e)| e.predicted);
                values
                    .iter_mut()
                    .zip(own)
                    .for_each(|((_, e), p)| e.predicted = p);
                let error = found.prediction_error_p1;
                values.extend(error.map(|e| ("prediction-error-p1".to_owned(), known(e))));
                values.push((
                    "monte-carlo-error".to_owned(),
                    known(found.monte_carlo_error),
                ));
                let mut claim = match name {
                    "double-time" => "twice the time: a stationary bias stays",
                    "half-learning-rate" => {
                        "half the learning rate at the same training time: what P1 adds to P0 halves"
                    }
                    _ => {
                        "twice the learning rate at the same training time: what P1 adds to P0 doubles"
                    }
                }
                .to_owned();
                if self.prepared.settings.device.retention().is_some() {
                    claim.push_str(match name {
                        "double-time" => "",
                        "half-learning-rate" => ", the λ of retention doubles",
                        _ => ", the λ of retention halves",
                    });
                }
                (claim, values)
            }
        };
        Ok(Control {
            name: self.name.to_owned(),
            claim,
            values,
        })
    }

    /// The symmetric device against the bias-free trajectory over the same window.
    fn symmetric(
        &self,
        analysis: &Analysis,
        [e1, e2]: [Estimate; 2],
    ) -> (String, Vec<(String, Estimate)>) {
        let settings = &self.prepared.settings;
        let t = &settings.training;
        let time = |step| t.schedule.time(t.learning_rate, step, t.steps);
        let (a, b) = (time(settings.first_averaged()), time(t.steps));
        let step_at = |time| t.step_at(time);
        let n = analysis.output.replicas;
        let misses: Vec<DVector<f64>> = (0..n)
            .map(|r| {
                analysis.output.mean_weights(r)
                    - self.prepared.problems.of(r).free_mean(a, b, step_at)
            })
            .collect();
        let mean = misses.iter().sum::<DVector<f64>>() / n as f64;
        let spread: f64 = misses.iter().map(|m| (m - &mean).norm_squared()).sum();
        let error = (spread / (n as f64 * (n as f64 - 1.0))).sqrt();
        let e1 = Estimate {
            predicted: Some(0.0),
            ..e1
        };
        if settings.wires().is_some_and(|w| !w.is_ideal()) {
            // The bias-free trajectory is that of ideal reads.
            return (
                "a symmetric device with the same noise has no λ by the update regression; behind wires, where it goes is not compared".to_owned(),
                vec![("lambda-e1".to_owned(), e1), ("lambda-e2".to_owned(), e2)],
            );
        }
        // What gradient matching finds on the bias-free trajectory itself: early stopping alone looks like an L2 term.
        let problems = &self.prepared.problems.list;
        let free = problems.iter().map(|p| {
            let e2 = p
                .squares()
                .gradient_matching(&p.free_mean(a, b, step_at), &self.prepared.problems.centre);
            e2.unwrap_or(f64::NAN)
        });
        let e2 = Estimate {
            predicted: Some(free.sum::<f64>() / problems.len() as f64),
            ..e2
        };
        let values = vec![
            ("lambda-e1".to_owned(), e1),
            ("lambda-e2".to_owned(), e2),
            ("distance".to_owned(), known(mean.norm())),
            ("monte-carlo-error".to_owned(), known(error)),
            ("distance-in-errors".to_owned(), known(mean.norm() / error)),
        ];
        (
            "a symmetric device with the same noise stays on the bias-free trajectory".to_owned(),
            values,
        )
    }
}

/// Cross-validation: replicas trained without one fold each, tested on it.
struct Folds {
    prepared: Prepared,
    held_out: Vec<Samples>,
}

impl Folds {
    fn new(point: &Prepared) -> Result<Option<Self>> {
        let (TaskSpec::Data { validation, .. }, Source::Sets(sets)) =
            (&point.settings.task, &point.material.task.source)
        else {
            return Ok(None);
        };
        let Some((folds, replicas)) = *validation else {
            return Ok(None);
        };
        let all = &sets[0];
        // Every k-th sample is held out; the parts for training have one length, as a full batch needs.
        let shortest = all.len() - all.len().div_ceil(folds);
        let train = |k: usize| {
            let part = all.subset(|i| i % folds != k);
            Arc::new(part.subset(|i| i < shortest))
        };
        let mut settings = point.settings.clone();
        settings.replicas = replicas.div_ceil(folds) * folds;
        let material = Material {
            task: Task {
                features: point.material.task.features,
                source: Source::Sets((0..folds).map(train).collect()),
            },
            ..point.material.clone()
        };
        let problems = Problems::new(&settings, &material, &point.plan.model)?;
        Ok(Some(Self {
            held_out: (0..folds).map(|k| all.subset(|i| i % folds == k)).collect(),
            prepared: Prepared {
                settings,
                material,
                plan: point.plan.clone(),
                others: point.others.clone(),
                problems,
            },
        }))
    }

    fn error(&self, fold: usize, w: &DVector<f64>) -> f64 {
        let set = &self.held_out[fold];
        (&set.x * w - &set.y).norm_squared() / set.len() as f64
    }

    fn test(&self, progress: &dyn Progress) -> Result<TestError> {
        let output = self
            .prepared
            .simulate(&self.prepared.device(), None, progress)?;
        let folds = self.held_out.len();
        let problems = &self.prepared.problems;
        let centre = &problems.centre;
        let mean = |f: &dyn Fn(usize) -> Result<f64>| -> Result<f64> {
            let sum: Result<f64> = (0..folds).map(f).sum();
            Ok(sum? / folds as f64)
        };
        let ridge = |k: usize, lambda: f64| {
            let w = problems.list[k].spectrum.ridge(lambda, centre);
            Ok(self.error(k, &w.map_err(explicit)?))
        };
        let gcv = |k: usize| problems.list[k].spectrum.gcv_best(centre).map_err(explicit);
        let mut best = (f64::INFINITY, 0.0);
        // 40 values of λ a decade: finer than the test error can tell apart.
        for k in 0..=240 {
            let lambda = 10f64.powf(-4.0 + f64::from(k) / 40.0);
            let error = mean(&|k| ridge(k, lambda))?;
            if error < best.0 {
                best = (error, lambda);
            }
        }
        let replicas = output.replicas;
        Ok(TestError {
            none: mean(&|k| Ok(self.error(k, &problems.list[k].minimum)))?,
            implicit: (0..replicas)
                .map(|r| self.error(r % folds, &output.mean_weights(r)))
                .sum::<f64>()
                / replicas as f64,
            implicit_predicted: mean(&|k| {
                let p1 = problems.list[k].p1.as_ref();
                Ok(p1.map_or(f64::NAN, |p| self.error(k, &p.weights)))
            })?,
            explicit_gcv: mean(&|k| ridge(k, gcv(k)?.lambda))?,
            explicit_gcv_lambda: mean(&|k| Ok(gcv(k)?.lambda))?,
            explicit_best: best.0,
            explicit_best_lambda: best.1,
            folds,
        })
    }
}
