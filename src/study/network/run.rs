//! Runs of networks: all replicas of a point, cut into stacks that run side by side.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::super::file::Study;
use super::super::run::{Outcome, Progress, swept_label};
use super::super::settings::Settings;
use super::super::simulate::{Timed, built, stacks};
use super::super::summary::{Point, SCHEMA, Summary};
use super::settings::NetworkTask;
use crate::bias::network::{Penalty, Pull, row_major};
use crate::bias::{Log, Recorder, Sums};
use crate::crossbar::{Digital, Plan, Synapses, Usage};
use crate::error::Result;
use crate::training::Probe;
use crate::training::datasets::DataSet;
use crate::training::network::{Dense, Network, Scores, Single, Watcher, score, train_network};

/// One replica after one epoch.
#[derive(Debug, Clone)]
pub struct EpochRow {
    /// Index of the sweep point.
    pub point: usize,
    /// Number of the replica.
    pub replica: usize,
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Mean loss over the samples of the epoch, as training read them.
    pub training_loss: f64,
    /// Mean loss of the held-out samples.
    pub test_loss: f64,
    /// Share of the held-out samples whose class is found.
    pub test_accuracy: f64,
}

/// Numbers that arrays of one kind have apart from those of the next: more than there are layers.
const MOST_LAYERS: u32 = 1 << 16;

/// What learns.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Learner<'a> {
    /// The device.
    Device,
    /// Exact weights with these penalties, a layer each; without, the twin without bias.
    Digital(Option<&'a [Penalty]>),
}

/// All networks of a point.
pub(super) struct Networks {
    pub(super) device: Trained,
    /// Digital, without a penalty.
    pub(super) twin: Trained,
    /// Digital, with each of the strengths that are compared.
    pub(super) explicit: Vec<Trained>,
    /// Digital, with the λ that is predicted of every weight.
    pub(super) foreseen: Option<Trained>,
}

/// A point made ready.
pub(super) struct Bench<'a> {
    pub(super) settings: &'a Settings,
    pub(super) task: &'a NetworkTask,
    pub(super) network: Network,
    pub(super) data: DataSet,
    /// The array that holds the weights of each layer.
    pub(super) plans: Vec<Plan>,
    /// The points that offsets of weights are counted from, layer by layer.
    centres: Vec<Vec<f64>>,
    /// Further arrays of the algorithm, layer by layer.
    others: Vec<Vec<Plan>>,
    train: Single,
    test: Option<Single>,
    validation: Option<Single>,
}

/// What replicas left behind after an epoch, replica by replica.
#[derive(Debug, Clone, Default)]
pub(super) struct Epoch {
    pub(super) losses: Vec<f64>,
    pub(super) test_losses: Vec<f64>,
    pub(super) test_accuracies: Vec<f64>,
}

/// What all replicas of a point left behind.
#[derive(Default)]
pub(super) struct Trained {
    pub(super) epochs: Vec<Epoch>,
    /// Sums of weight j of replica r of each layer at `r · weights + j`.
    pub(super) sums: Vec<Vec<Sums>>,
    /// True weights at the end, in the same order.
    pub(super) last: Vec<Vec<f64>>,
    /// Of the held-out samples at the end.
    pub(super) confusion: Vec<u64>,
    /// The samples of training as they are read at the end.
    pub(super) training_accuracies: Vec<f64>,
    /// Those of validation, for digital networks with a penalty.
    pub(super) validation: Option<Scores>,
    /// Core-seconds of the training loops, without measurement.
    pub(super) seconds: f64,
    /// Programming pulses of each layer.
    pub(super) pulses: Vec<u64>,
    /// What each layer took, where that is metered.
    pub(super) usage: Vec<Option<Usage>>,
}

/// Reads the held-out samples after every epoch.
struct Scorer<'a> {
    bench: &'a Bench<'a>,
    epochs: Vec<Epoch>,
    last: Option<Scores>,
    seconds: f64,
}

impl Watcher for Scorer<'_> {
    fn epoch(
        &mut self,
        epoch: u32,
        losses: &[f64],
        arrays: &mut [Box<dyn Synapses>],
    ) -> Result<()> {
        let start = Instant::now();
        let mut found = Epoch {
            losses: losses.to_vec(),
            ..Epoch::default()
        };
        if let Some(test) = &self.bench.test {
            let scores = score(&self.bench.network, test, epoch, arrays)?;
            found.test_losses.clone_from(&scores.losses);
            found.test_accuracies = scores.accuracies.clone().unwrap_or_default();
            self.last = Some(scores);
        }
        self.epochs.push(found);
        self.seconds += start.elapsed().as_secs_f64();
        Ok(())
    }
}

impl NetworkTask {
    /// The data and the network for them.
    ///
    /// # Errors
    /// Unreadable or broken data.
    pub fn load(&self, seed: u64) -> Result<(Network, DataSet)> {
        let data = self.data.load(seed)?;
        let network = self.network(data.train.x.ncols(), data.train.outputs());
        Ok((network, data))
    }
}

impl<'a> Bench<'a> {
    pub(super) fn new(settings: &'a Settings, task: &'a NetworkTask) -> Result<Self> {
        let (network, data) = task.load(settings.seed)?;
        settings.check_place()?;
        settings.check_epochs(task, data.train.len())?;
        let layers = || (0_u32..).zip(&network.layers);
        let plan = |k, layer: &Dense| settings.plan_of(layer.rows(), layer.outputs, k);
        let plans = layers()
            .map(|(k, layer)| plan(k, layer))
            .collect::<Result<Vec<Plan>>>()?;
        let arrays = settings.algorithm.arrays() as u32;
        let others = layers()
            .map(|(k, layer)| {
                let further = (1..arrays).map(|a| plan(a * MOST_LAYERS + k, layer));
                further.collect::<Result<_>>()
            })
            .collect::<Result<_>>()?;
        let centre = |p: &Plan| row_major(&Pull::of(&p.model).centre);
        Ok(Self {
            centres: plans.iter().map(centre).collect(),
            settings,
            task,
            train: Single::new(&data.train),
            test: data.test.as_ref().map(Single::new),
            validation: data.validation.as_ref().map(Single::new),
            network,
            data,
            plans,
            others,
        })
    }

    /// Steps of training.
    pub(super) fn steps(&self) -> u32 {
        self.task.course.steps(self.train.len())
    }

    /// First step of the averaging window.
    pub(super) fn first_averaged(&self) -> u32 {
        (f64::from(self.steps()) * self.task.average_from) as u32
    }

    /// The point that offsets of a layer's weights are counted from (row-major): symmetric points, else where cells rest.
    pub(super) fn centre(&self, layer: usize) -> &[f64] {
        &self.centres[layer]
    }

    fn stacks(&self) -> Vec<(usize, usize)> {
        let replicas = self.settings.replicas;
        let cells = self.plans.iter().map(|p| p.model.map.cells()).max();
        let together = self.settings.place.together(replicas, cells.unwrap_or(0));
        stacks(replicas, together.min(self.settings.replicas_at_once()))
    }

    /// Steps of all stacks of all networks.
    fn work(&self) -> u64 {
        let explicit = &self.task.explicit;
        let networks = 2 + explicit.strengths.len() + usize::from(explicit.predicted);
        networks as u64 * self.stacks().len() as u64 * u64::from(self.steps())
    }

    /// One array a layer, at their first weights.
    fn arrays(
        &self,
        learner: Learner,
        (first, count): (usize, usize),
    ) -> Result<Vec<Box<dyn Synapses>>> {
        let layers = self.network.layers.iter().zip(&self.plans).enumerate();
        layers
            .map(|(k, (layer, plan))| {
                let range = plan.model.map.range();
                let seed = self.settings.seed;
                let start = self
                    .task
                    .start
                    .weights(&self.network, k, range, seed, first, count);
                let mut array: Box<dyn Synapses> = match learner {
                    Learner::Device => {
                        let own = std::iter::once(plan).chain(&self.others[k]);
                        let own: Vec<Plan> = own.cloned().collect();
                        let (algorithm, zeros) =
                            (&self.settings.algorithm, vec![0.0; layer.weights()]);
                        let metered = self.settings.technology.is_some();
                        built(algorithm, &own, (first, count), metered, &zeros)?
                    }
                    Learner::Digital(penalties) => {
                        let zeros = vec![0.0; layer.weights()];
                        let (rows, outputs) = (layer.rows(), layer.outputs);
                        let own = penalties.map(|p| &p[k]);
                        let centre = own.map_or_else(|| zeros.clone(), |p| row_major(&p.centre));
                        let array = Digital::new(rows, outputs, count, 0.0, centre, &zeros);
                        Box::new(match own {
                            Some(p) => array.with_strengths(row_major(&p.strength)),
                            None => array,
                        })
                    }
                };
                array.start(&start)?;
                Ok(array)
            })
            .collect()
    }

    /// Trains every network of the point; `foreseen` are the penalties that are predicted of the device.
    fn train(&self, foreseen: Option<&[Penalty]>, progress: &dyn Progress) -> Result<Networks> {
        let run = |learner: Learner| self.simulate(learner, progress);
        let explicit = &self.task.explicit;
        let alike = |&lambda: &f64| {
            let layers = self.network.layers.iter();
            let penalties: Vec<Penalty> = layers
                .map(|l| Penalty {
                    strength: DMatrix::repeat(l.rows(), l.outputs, lambda),
                    centre: DMatrix::zeros(l.rows(), l.outputs),
                })
                .collect();
            run(Learner::Digital(Some(&penalties)))
        };
        Ok(Networks {
            device: run(Learner::Device)?,
            twin: run(Learner::Digital(None))?,
            explicit: explicit
                .strengths
                .iter()
                .map(alike)
                .collect::<Result<_>>()?,
            foreseen: foreseen
                .filter(|_| explicit.predicted)
                .map(|penalties| run(Learner::Digital(Some(penalties))))
                .transpose()?,
        })
    }

    /// Runs every replica.
    fn simulate(&self, learner: Learner, progress: &dyn Progress) -> Result<Trained> {
        let parts: Vec<Trained> = self
            .stacks()
            .into_par_iter()
            .map(|stack| self.stack(learner, stack, progress))
            .collect::<Result<_>>()?;
        // In order of the stacks, so that sums do not depend on which thread was first.
        let mut parts = parts.into_iter();
        let mut all = parts.next().unwrap_or_default();
        parts.for_each(|part| all.join(part));
        Ok(all)
    }

    fn stack(
        &self,
        learner: Learner,
        stack: (usize, usize),
        progress: &dyn Progress,
    ) -> Result<Trained> {
        let (first, count) = stack;
        let mut arrays = self.arrays(learner, stack)?;
        let course = &self.task.course;
        let seconds = course.seconds_per_step / f64::from(self.task.firings());
        let log = Log {
            from: self.first_averaged(),
            every: self.task.log_every,
            curve: Vec::new(),
        };
        let mut probes: Vec<Timed> = (0..arrays.len())
            .map(|k| {
                let model = (learner == Learner::Device).then(|| self.plans[k].model.clone());
                let centre = self.centre(k).to_vec();
                Timed::new(
                    Recorder::new(
                        &log,
                        model,
                        course.counting,
                        seconds,
                        centre,
                        Arc::default(),
                        first,
                        count,
                    )
                    .without_budget(),
                )
            })
            .collect();
        let mut scorer = Scorer {
            bench: self,
            epochs: Vec::new(),
            last: None,
            seconds: 0.0,
        };
        let start = Instant::now();
        {
            let mut watched: Vec<&mut dyn Probe> =
                probes.iter_mut().map(|p| p as &mut dyn Probe).collect();
            train_network(
                &self.network,
                &self.train,
                course,
                self.settings.seed,
                first,
                &mut arrays,
                &mut watched,
                &mut scorer,
                &|steps| progress.advance(u64::from(steps)),
            )?;
        }
        let spent = start.elapsed().as_secs_f64() - scorer.seconds;
        let turn = course.epochs * self.test.as_ref().map_or(0, |t| t.len() as u32);
        // Reads of its own, after those of all epochs.
        let turn = turn.div_ceil(self.train.len() as u32);
        let training = score(&self.network, &self.train, turn, &mut arrays)?;
        let validation = match (learner, &self.validation) {
            // Read without noise, so that no turn is taken.
            (Learner::Digital(Some(_)), Some(samples)) => {
                Some(score(&self.network, samples, 0, &mut arrays)?)
            }
            _ => None,
        };
        let mut out = Trained {
            seconds: spent - probes.iter().map(|p| p.seconds).sum::<f64>(),
            epochs: scorer.epochs,
            confusion: scorer.last.map(|s| s.confusion).unwrap_or_default(),
            training_accuracies: training.accuracies.unwrap_or_default(),
            validation,
            ..Trained::default()
        };
        for ((k, array), probe) in arrays.iter_mut().enumerate().zip(probes) {
            out.pulses.push(array.pulses()?);
            out.usage.push(array.usage()?);
            out.sums.push(probe.recorder.sums);
            out.last.push(self.last(k, learner, &mut **array, count)?);
        }
        Ok(out)
    }

    /// True weights of a layer, replica by replica.
    fn last(
        &self,
        layer: usize,
        learner: Learner,
        array: &mut dyn Synapses,
        replicas: usize,
    ) -> Result<Vec<f64>> {
        let map = &self.plans[layer].model.map;
        let cells = match learner {
            Learner::Device => map.cells_per_weight(),
            Learner::Digital(_) => 1,
        };
        let weights = map.weights();
        let mut values = vec![vec![0.0; replicas]; cells * weights];
        array.inspect(&mut values)?;
        let signed = |k: usize, r: usize| match cells {
            1 => values[k][r],
            _ => map.sign(k) * values[k][r],
        };
        let weight = |j: usize, r: usize| (j * cells..(j + 1) * cells).map(|k| signed(k, r)).sum();
        let all = (0..replicas).flat_map(|r| (0..weights).map(move |j| (j, r)));
        Ok(all.map(|(j, r)| weight(j, r)).collect())
    }
}

impl Trained {
    /// Adds the replicas of another stack after its own.
    fn join(&mut self, other: Self) {
        for (a, b) in self.epochs.iter_mut().zip(other.epochs) {
            a.losses.extend(b.losses);
            a.test_losses.extend(b.test_losses);
            a.test_accuracies.extend(b.test_accuracies);
        }
        for (a, b) in self.sums.iter_mut().zip(other.sums) {
            a.extend(b);
        }
        for (a, b) in self.last.iter_mut().zip(other.last) {
            a.extend(b);
        }
        for (a, b) in self.confusion.iter_mut().zip(other.confusion) {
            *a += b;
        }
        self.training_accuracies.extend(other.training_accuracies);
        if let (Some(a), Some(b)) = (&mut self.validation, other.validation) {
            a.join(b);
        }
        self.seconds += other.seconds;
        for (a, b) in self.pulses.iter_mut().zip(other.pulses) {
            *a += b;
        }
        for (a, b) in self.usage.iter_mut().zip(other.usage) {
            if let Some(b) = b {
                a.get_or_insert_default().join(b);
            }
        }
    }
}

/// Runs a study whose tasks are networks.
///
/// # Errors
/// Broken data, devices that cannot be drawn, training that diverges, those of the backend.
pub(in crate::study) fn run(study: &Study, progress: &dyn Progress) -> Result<Outcome> {
    let start = Instant::now();
    let benches: Vec<Bench> = study
        .points
        .iter()
        .filter_map(|s| Some(Bench::new(s, s.task.network()?)))
        .collect::<Result<_>>()?;
    let predicted: Vec<_> = benches
        .par_iter()
        .map(Bench::predict)
        .collect::<Result<_>>()?;
    progress.begin(benches.iter().map(Bench::work).sum());
    let trained: Vec<Networks> = benches
        .par_iter()
        .zip(&predicted)
        .map(|(bench, predicted)| {
            let found = predicted.as_ref().ok();
            bench.train(found.and_then(|p| p.penalties.as_deref()), progress)
        })
        .collect::<Result<_>>()?;
    let points: Vec<Point> = benches
        .iter()
        .zip(&trained)
        .zip(predicted)
        .map(|((bench, trained), predicted)| {
            bench.point(swept_label(bench.settings), trained, &predicted)
        })
        .collect();
    let mut rows = Vec::new();
    for (point, trained) in trained.iter().enumerate() {
        for (epoch, found) in (1..).zip(&trained.device.epochs) {
            let of = |values: &[f64], r: usize| values.get(r).copied().unwrap_or(f64::NAN);
            rows.extend((0..found.losses.len()).map(|replica| EpochRow {
                point,
                replica,
                epoch,
                training_loss: found.losses[replica],
                test_loss: of(&found.test_losses, replica),
                test_accuracy: of(&found.test_accuracies, replica),
            }));
        }
    }
    let expectations: Vec<_> = study
        .expect
        .iter()
        .map(|e| e.check(&points, &[], study.quick))
        .collect();
    let (first, bench) = (&study.points[0], &benches[0]);
    let updates = |b: &Bench| {
        let cells: usize = b.plans.iter().map(|p| p.model.map.cells()).sum();
        let firings = match b.task.course.update {
            crate::training::Update::PerSample => b.task.course.epochs * b.train.len() as u32,
            crate::training::Update::Summed => b.steps(),
        };
        f64::from(firings) * (cells * b.settings.replicas) as f64
    };
    let updates: f64 = benches.iter().map(updates).sum();
    let pulses: u64 = trained.iter().flat_map(|t| &t.device.pulses).sum();
    let seconds: f64 = trained.iter().map(|t| t.device.seconds).sum();
    Ok(Outcome {
        summary: Summary {
            schema: SCHEMA,
            study: study.name.clone(),
            title: study.title.clone(),
            claim: study.claim.clone(),
            cite: study.cite.clone(),
            seed: first.seed,
            replicas: first.replicas,
            quick: study.quick,
            features: bench.data.features.clone(),
            standardisation: bench.data.standardisation.clone(),
            points,
            controls: Vec::new(),
            all_met: expectations.iter().all(|e| e.met != Some(false)),
            expectations,
            device_updates_per_second: updates / seconds,
            pulses_per_device_update: pulses as f64 / updates,
            wall_seconds: start.elapsed().as_secs_f64(),
        },
        epochs: rows,
        runs: Vec::new(),
        reads: Vec::new(),
    })
}
