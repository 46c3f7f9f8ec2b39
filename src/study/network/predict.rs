//! What theory says of a network's course before it is trained.

use nalgebra::DMatrix;

use super::run::Bench;
use crate::bias::Gradient;
use crate::bias::network::{
    Held, NetworkSetting, Penalty, Timeline, as_matrices, match_gradients, sampled_scores,
};
use crate::error::{Error, Result};
use crate::training::Update;
use crate::training::algorithms::Algorithm;

/// Points of the trajectory between which rates of fluctuations are taken for linear.
const POINTS: usize = 60;

/// Networks whose weights are drawn about the trajectory's end.
const DRAWN: usize = 16;

/// The predicted course from the first weights of replica 0, whose samples are read without noise; every layer rows × outputs.
pub(super) struct Predicted {
    /// Mean weights over the averaging window.
    pub mean: Vec<DMatrix<f64>>,
    /// Loss and accuracy of the held-out samples at the end, with fluctuations of the weights.
    pub test: Option<(f64, Option<f64>)>,
    /// The pooled ratio of the pull, layer by layer, at the mean weights.
    pub pull: Vec<Option<f64>>,
    /// λ by gradient matching there.
    pub matched: Vec<Option<f64>>,
    /// The explicit penalties there that pull alike; none where cells have no symmetric point.
    pub penalties: Option<Vec<Penalty>>,
}

impl Bench<'_> {
    /// [`Bench::centre`] of all layers, rows × outputs.
    pub(super) fn centres(&self) -> Vec<DMatrix<f64>> {
        let layers = 0..self.plans.len();
        let all: Vec<Vec<f64>> = layers.map(|k| self.centre(k).to_vec()).collect();
        as_matrices(&self.network, &all)
    }

    /// The prediction, or why there is none.
    ///
    /// # Errors
    /// What is wrong with the integration, but for its not converging.
    pub(super) fn predict(&self) -> Result<std::result::Result<Predicted, String>> {
        if self.settings.algorithm != Algorithm::Sgd {
            return Ok(Err(
                "no prediction: theory speaks of plain gradient descent on one array, and training.algorithm is another".into(),
            ));
        }
        if self.network.normalisation.is_some() {
            return Ok(Err(
                "no prediction, no λ by gradient matching and no λ_max: theory knows no batch normalization".into(),
            ));
        }
        if self.task.then.is_some() {
            return Ok(Err(
                "no prediction: the trajectory is that of one task, and [task.network.then] is a second".into(),
            ));
        }
        let models = self.plans.iter().map(|p| &p.model);
        if let Some(why) = models.clone().find_map(|m| m.cells.unpredictable()) {
            return Ok(Err(format!("no prediction, because {why}")));
        }
        if self
            .plans
            .iter()
            .any(|p| p.wires.is_some_and(|w| !w.is_ideal()))
        {
            return Ok(Err(
                "no prediction: the trajectory of a network is that of ideal wires".into(),
            ));
        }
        match self.predicted() {
            Ok(found) => Ok(Ok(found)),
            Err(Error::NotConverged { what, detail }) => {
                Ok(Err(format!("no prediction by {what}: {detail}")))
            }
            Err(other) => Err(other),
        }
    }

    fn predicted(&self) -> Result<Predicted> {
        let (course, steps) = (&self.task.course, self.steps());
        let firing = match course.update {
            Update::PerSample => course.learning_rate / f64::from(course.batch),
            Update::Summed => course.learning_rate,
        };
        let setting = NetworkSetting {
            network: &self.network,
            layers: self
                .plans
                .iter()
                .map(|p| Held::Cells(p.model.clone()))
                .collect(),
            examples: &self.data.train,
            gradient: match course.update {
                // The mean over one sample is that sample's.
                Update::Summed if course.batch == 1 => Gradient::PerSample { batch: 1 },
                Update::PerSample => Gradient::PerSample {
                    batch: course.batch,
                },
                Update::Summed => Gradient::Summed {
                    batch: Some(course.batch),
                    noise: 0.0,
                },
            },
            rate: firing,
            counting: course.counting,
            seconds: course.seconds_per_step / f64::from(self.task.firings()),
            epoch: Some(match course.update {
                Update::PerSample => self.data.train.len() as u32,
                Update::Summed => course.steps_per_epoch(self.data.train.len()),
            }),
        };
        let time = |step| course.schedule.time(course.learning_rate, step, steps);
        let duration = time(steps);
        let at = |k: usize| duration * (k as f64 / POINTS as f64).powi(2);
        let times: Vec<f64> = (0..=POINTS).map(at).collect();
        let timeline = Timeline {
            duration,
            window: [time(self.first_averaged()), duration],
            times: &times,
            tolerance: Timeline::TOLERANCE,
        };
        let (schedule, rate) = (course.schedule, course.learning_rate);
        let rate_at = |t: f64| schedule.rate_at(rate, t, steps);
        let step_at = |t: f64| schedule.step_at(rate, t, steps);
        let path = setting.trajectory(&self.starts(), &timeline, step_at)?;
        let spreads =
            setting.fluctuations(&path.curve, |t| firing * rate_at(t) / course.learning_rate)?;
        let test = self.data.test.as_ref().zip(spreads.last());
        let test = test.map(|(test, spreads)| {
            let seed = self.settings.seed;
            let drawn = sampled_scores(&self.network, &path.end, spreads, test, DRAWN, seed);
            let n = drawn.len() as f64;
            let loss = drawn.iter().map(|d| d.0).sum::<f64>() / n;
            let right: Option<f64> = drawn.iter().map(|d| d.1).sum();
            (loss, right.map(|a| a / n))
        });
        let strengths = setting.strengths(&path.mean)?;
        let penalties = strengths.iter().map(|s| s.as_ref()?.penalty());
        let matched = match_gradients(&self.network, &self.data.train, &path.mean, &self.centres());
        Ok(Predicted {
            test,
            penalties: penalties.collect(),
            pull: strengths.iter().map(|s| Some(s.as_ref()?.pooled)).collect(),
            matched: matched.into_iter().map(std::result::Result::ok).collect(),
            mean: path.mean,
        })
    }

    /// First weights of replica 0.
    pub(super) fn starts(&self) -> Vec<DMatrix<f64>> {
        let weights: Vec<Vec<f64>> = (0..)
            .zip(&self.plans)
            .map(|(k, plan)| {
                let range = plan.model.map.range();
                let start = self.task.start;
                let first = start.weights(&self.network, k, range, self.settings.seed, 0, 1);
                first.all().iter().map(|w| f64::from(*w)).collect()
            })
            .collect();
        as_matrices(&self.network, &weights)
    }
}
