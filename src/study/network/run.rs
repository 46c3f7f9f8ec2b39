//! Runs of networks: all replicas of a point, cut into stacks that run side by side.

use std::time::Instant;

use nalgebra::DMatrix;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::super::checkpoint::Checkpoints;
use super::super::file::Study;
use super::super::run::{Outcome, Progress, swept_label};
use super::super::settings::Settings;
use super::super::simulate::{built, stacks};
use super::super::summary::{Point, SCHEMA, Summary};
use super::running::Running;
use super::settings::NetworkTask;
use crate::bias::Sums;
use crate::bias::network::{Penalty, Pull, row_major};
use crate::crossbar::{Digital, Plan, Synapses, Usage};
use crate::error::Result;
use crate::training::datasets::DataSet;
use crate::training::network::{Dense, Examples, Network, Scores, Single, score};

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
    /// Its place in the sweep.
    pub(super) index: usize,
    pub(super) checkpoints: Option<&'a Checkpoints>,
    pub(super) settings: &'a Settings,
    pub(super) task: &'a NetworkTask,
    pub(super) network: Network,
    pub(super) data: DataSet,
    /// The array that holds the weights of each layer.
    pub(super) plans: Vec<Plan>,
    /// The points that offsets of weights are counted from, layer by layer.
    centres: Vec<Vec<f64>>,
    /// Further arrays of the algorithm, layer by layer.
    pub(super) others: Vec<Vec<Plan>>,
    pub(super) train: Single,
    pub(super) test: Option<Single>,
    /// The second task, where there is one.
    pub(super) then: Option<Then>,
    validation: Option<Single>,
}

/// A second task.
pub(super) struct Then {
    pub(super) train: Single,
    pub(super) test: Option<Single>,
}

/// What replicas left behind after an epoch, replica by replica.
#[derive(Debug, Clone, Default)]
pub(super) struct Epoch {
    pub(super) losses: Vec<f64>,
    pub(super) test_losses: Vec<f64>,
    pub(super) test_accuracies: Vec<f64>,
    /// Of the first task, while the second is learned.
    pub(super) first_accuracies: Vec<f64>,
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
    /// Where stacks went on with other settings than they had before.
    notes: Vec<String>,
}

impl Networks {
    /// Where stacks of any of them went on with other settings than they had before.
    pub(super) fn notes(&self) -> impl Iterator<Item = &String> {
        let own = [&self.device, &self.twin].into_iter();
        let others = self.explicit.iter().chain(&self.foreseen);
        own.chain(others).flat_map(|t| &t.notes)
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
    pub(super) fn new(
        index: usize,
        settings: &'a Settings,
        task: &'a NetworkTask,
        checkpoints: Option<&'a Checkpoints>,
    ) -> Result<Self> {
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
            index,
            checkpoints,
            centres: plans.iter().map(centre).collect(),
            settings,
            task,
            train: Single::new(&data.train),
            test: data.test.as_ref().map(Single::new),
            then: task.then.map(|then| {
                let mut order: Vec<usize> = (0..network.inputs()).collect();
                order.shuffle(&mut Pcg64::seed_from_u64(then.permute_features));
                let other = |set: &Examples| Single::new(&set.rearranged(&order));
                Then {
                    train: other(&data.train),
                    test: data.test.as_ref().map(other),
                }
            }),
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
        networks as u64
            * self.stacks().len() as u64
            * u64::from(self.task.epochs() * self.task.course.steps_per_epoch(self.train.len()))
    }

    /// One array a layer, not yet at their first weights.
    pub(super) fn arrays(
        &self,
        learner: Learner,
        (first, count): (usize, usize),
    ) -> Result<Vec<Box<dyn Synapses>>> {
        let layers = self.network.layers.iter().zip(&self.plans).enumerate();
        layers
            .map(|(k, (layer, plan))| {
                let array: Box<dyn Synapses> = match learner {
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
                Ok(array)
            })
            .collect()
    }

    /// Trains every network of the point; `foreseen` are the penalties that are predicted of the device.
    fn train(&self, foreseen: Option<&[Penalty]>, progress: &dyn Progress) -> Result<Networks> {
        let run = |learner: Learner, name: &str| self.simulate(learner, name, progress);
        let explicit = &self.task.explicit;
        let alike = |(k, &lambda): (usize, &f64)| {
            let layers = self.network.layers.iter();
            let penalties: Vec<Penalty> = layers
                .map(|l| Penalty {
                    strength: DMatrix::repeat(l.rows(), l.outputs, lambda),
                    centre: DMatrix::zeros(l.rows(), l.outputs),
                })
                .collect();
            run(Learner::Digital(Some(&penalties)), &format!("explicit-{k}"))
        };
        Ok(Networks {
            device: run(Learner::Device, "device")?,
            twin: run(Learner::Digital(None), "digital")?,
            explicit: explicit
                .strengths
                .iter()
                .enumerate()
                .map(alike)
                .collect::<Result<_>>()?,
            foreseen: foreseen
                .filter(|_| explicit.predicted)
                .map(|penalties| run(Learner::Digital(Some(penalties)), "predicted"))
                .transpose()?,
        })
    }

    /// The turn of reads of all samples after those of all epochs: the held-out samples are read once an epoch, and those of the first task again while the second
    /// is learned.
    pub(super) fn turn_after(&self) -> u32 {
        let turns = self.task.epochs() + self.task.then.map_or(0, |t| t.epochs);
        let reads = turns * self.test.as_ref().map_or(0, |t| t.len() as u32);
        reads.div_ceil(self.train.len() as u32)
    }

    /// Runs every replica of the network of this name.
    fn simulate(&self, learner: Learner, name: &str, progress: &dyn Progress) -> Result<Trained> {
        let parts: Vec<Trained> = self
            .stacks()
            .into_par_iter()
            .map(|stack| self.stack(learner, name, stack, progress))
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
        name: &str,
        stack: (usize, usize),
        progress: &dyn Progress,
    ) -> Result<Trained> {
        let mut running = Running::new(self, learner, stack)?;
        let notes = running.train(name, progress)?;
        let Running {
            mut layers,
            probes,
            scorer,
            seconds,
            ..
        } = running;
        let turn = self.turn_after();
        let last = self.then.as_ref().map_or(&self.train, |then| &then.train);
        let training = score(&self.network, last, turn, &mut layers)?;
        let validation = match (learner, &self.validation) {
            // Read without noise, so that no turn is taken.
            (Learner::Digital(Some(_)), Some(samples)) => {
                Some(score(&self.network, samples, 0, &mut layers)?)
            }
            _ => None,
        };
        let measuring = scorer.seconds + probes.iter().map(|p| p.seconds).sum::<f64>();
        let mut out = Trained {
            seconds: seconds - measuring,
            epochs: scorer.epochs,
            confusion: scorer.confusion,
            training_accuracies: training.accuracies.unwrap_or_default(),
            validation,
            notes,
            ..Trained::default()
        };
        for ((k, array), probe) in layers.arrays.iter_mut().enumerate().zip(probes) {
            out.pulses.push(array.pulses()?);
            out.usage.push(array.usage()?);
            out.sums.push(probe.recorder.sums);
            out.last.push(self.last(k, learner, &mut **array, stack.1)?);
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
            a.first_accuracies.extend(b.first_accuracies);
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
        self.notes.extend(other.notes);
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
        .enumerate()
        .filter_map(|(k, s)| {
            Some(Bench::new(
                k,
                s,
                s.task.network()?,
                study.checkpoints.as_ref(),
            ))
        })
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
            crate::training::Update::PerSample => b.task.epochs() * b.train.len() as u32,
            crate::training::Update::Summed => {
                b.task.epochs() * b.task.course.steps_per_epoch(b.train.len())
            }
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
