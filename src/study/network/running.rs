//! A stack of networks on its way: from the start or from a checkpoint to the end of its last epoch.

use std::sync::Arc;
use std::time::Instant;

use super::super::checkpoint::{About, FREE, Keeper, hash_cells, hash_numbers};
use super::super::run::Progress;
use super::super::simulate::Timed;
use super::run::{Bench, Epoch, Learner};
use crate::arrays::Saved;
use crate::bias::{Log, Recorder};
use crate::error::Result;
use crate::training::Probe;
use crate::training::network::{
    Examples, Layers, Targets, Watcher, importances, score, train_network,
};

/// All that the rest of a run depends on.
pub(super) struct Running<'a> {
    bench: &'a Bench<'a>,
    /// First replica, and how many.
    stack: (usize, usize),
    pub(super) layers: Layers,
    pub(super) probes: Vec<Timed>,
    pub(super) scorer: Scorer<'a>,
    /// Of the loop, with what probes and scorer took.
    pub(super) seconds: f64,
}

/// Reads the held-out samples after every epoch.
pub(super) struct Scorer<'a> {
    bench: &'a Bench<'a>,
    pub(super) epochs: Vec<Epoch>,
    /// Of the last epoch.
    pub(super) confusion: Vec<u64>,
    pub(super) seconds: f64,
}

impl Watcher for Scorer<'_> {
    fn epoch(&mut self, epoch: u32, losses: &[f64], layers: &mut Layers) -> Result<()> {
        let start = Instant::now();
        let mut found = Epoch {
            losses: losses.to_vec(),
            ..Epoch::default()
        };
        let bench = self.bench;
        let first = bench.task.course.epochs;
        let then = bench.then.as_ref().filter(|_| epoch >= first);
        let test = then.map_or(bench.test.as_ref(), |then| then.test.as_ref());
        if let (Some(_), Some(earlier)) = (then, &bench.test) {
            let turn = bench.task.epochs() + (epoch - first);
            let scores = score(&bench.network, earlier, turn, layers)?;
            found.first_accuracies = scores.accuracies.unwrap_or_default();
        }
        if let Some(test) = test {
            let scores = score(&bench.network, test, epoch, layers)?;
            found.test_losses = scores.losses;
            found.test_accuracies = scores.accuracies.unwrap_or_default();
            self.confusion = scores.confusion;
        }
        self.epochs.push(found);
        self.seconds += start.elapsed().as_secs_f64();
        Ok(())
    }
}

impl Epoch {
    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        saved.growing("losses", &mut self.losses)?;
        saved.growing("test-losses", &mut self.test_losses)?;
        saved.growing("test-accuracies", &mut self.test_accuracies)?;
        saved.growing("first-accuracies", &mut self.first_accuracies)
    }
}

impl Scorer<'_> {
    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        let mut epochs = self.epochs.len();
        saved.count("epochs", &mut epochs)?;
        self.epochs.resize_with(epochs, Epoch::default);
        self.epochs.iter_mut().try_for_each(|e| e.keep(saved))?;
        saved.growing("confusion", &mut self.confusion)?;
        saved.number("scoring-seconds", &mut self.seconds)
    }

    /// Whether no replica has lost much of what it had: where a run diverges, states are of no use some time before.
    fn is_good(&self) -> bool {
        let Some(last) = self.epochs.last() else {
            return true;
        };
        // Those of a second task are its own.
        let first = self.bench.task.course.epochs as usize;
        let begun = if self.epochs.len() > first { first } else { 0 };
        let best = |r: usize| {
            let all = self.epochs[begun..].iter().map(|e| e.losses[r]);
            all.fold(f64::INFINITY, f64::min)
        };
        let mut losses = last.losses.iter().enumerate();
        losses.all(|(r, loss)| *loss <= 2.0 * best(r))
    }
}

impl<'a> Running<'a> {
    /// Arrays that are not yet at their first weights.
    pub(super) fn new(
        bench: &'a Bench<'a>,
        learner: Learner,
        stack: (usize, usize),
    ) -> Result<Self> {
        let (first, count) = stack;
        let course = &bench.task.course;
        let seconds = course.seconds_per_step / f64::from(bench.task.firings());
        let log = Log {
            from: bench.first_averaged(),
            every: bench.task.log_every,
            curve: Vec::new(),
        };
        let probe = |k: usize| {
            let model = (learner == Learner::Device).then(|| bench.plans[k].model.clone());
            let (centre, counting) = (bench.centre(k).to_vec(), course.counting);
            let landscapes = Arc::default();
            Timed::new(
                Recorder::new(
                    &log, model, counting, seconds, centre, landscapes, first, count,
                )
                .without_budget(),
            )
        };
        Ok(Self {
            bench,
            stack,
            layers: Layers::new(&bench.network, bench.arrays(learner, stack)?),
            probes: (0..bench.plans.len()).map(probe).collect(),
            scorer: Scorer {
                bench,
                epochs: Vec::new(),
                confusion: Vec::new(),
                seconds: 0.0,
            },
            seconds: 0.0,
        })
    }

    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        self.layers.keep(saved)?;
        self.probes.iter_mut().try_for_each(|p| p.keep(saved))?;
        self.scorer.keep(saved)?;
        saved.number("seconds", &mut self.seconds)
    }

    /// What its states are the states of, as a stack of the network of this name.
    fn about(&self, name: &str) -> About {
        let (bench, (first, count)) = (self.bench, self.stack);
        About {
            settings: bench.settings.lines.clone(),
            digest: bench.digest(),
            part: format!("point-{}-{name}-{first}", bench.index),
            label: format!("replicas {first} to {} ({name})", first + count - 1),
            epochs: bench.task.epochs(),
            averaged: [bench.first_averaged(), bench.task.log_every],
            free: &FREE,
        }
    }

    /// Gives arrays their first weights.
    fn start(&mut self) -> Result<()> {
        let (bench, (first, count)) = (self.bench, self.stack);
        let (start, seed) = (&bench.task.start, bench.settings.seed);
        for (k, array) in self.layers.arrays.iter_mut().enumerate() {
            let range = bench.plans[k].model.map.range();
            array.start(&start.weights(&bench.network, k, range, seed, first, count))?;
        }
        Ok(())
    }

    /// Takes up a state that was left behind, and tells how many epochs are done.
    fn take_up(&mut self, keeper: &mut Keeper) -> Result<Option<u32>> {
        let Some(mut taken) = keeper.take_up()? else {
            return Ok(None);
        };
        self.keep(&mut taken.saved)?;
        taken.saved.end()?;
        let bench = self.bench;
        let averaged = [bench.first_averaged(), bench.task.log_every];
        if taken.averaged != averaged {
            let step = taken.done * bench.task.course.steps_per_epoch(bench.train.len());
            if averaged[0] < step {
                return Err(taken.saved.refused(
                    format!(
                        "is the state after step {step}, and averages would begin at step {}, where others were taken",
                        averaged[0]
                    ),
                    "choose a later training.average-from, or the settings that it had",
                ));
            }
            self.probes.iter_mut().for_each(|p| p.recorder.begin());
        }
        Ok(Some(taken.done))
    }

    /// Ends the first task.
    fn consolidate(&mut self) -> Result<()> {
        let bench = self.bench;
        let turn = bench.turn_after() + 1;
        let all = importances(&bench.network, &bench.train, turn, &mut self.layers)?;
        let mut layers = self.layers.arrays.iter_mut().zip(&all);
        layers.try_for_each(|(array, own)| array.consolidate(own))
    }

    /// Trains the network of this name to the end, from the start or from a state that was left behind; tells where that had other settings.
    pub(super) fn train(&mut self, name: &str, progress: &dyn Progress) -> Result<Vec<String>> {
        let bench = self.bench;
        let course = &bench.task.course;
        let checkpoints = bench.checkpoints;
        let mut keeper = checkpoints.map(|c| Keeper::new(c, self.about(name)));
        let taken = match &mut keeper {
            Some(keeper) => self.take_up(keeper)?,
            None => None,
        };
        if taken.is_none() {
            self.start()?;
        }
        let done = taken.unwrap_or(0);
        let steps = course.steps_per_epoch(bench.train.len());
        progress.advance(u64::from(done * steps));
        for epoch in done..bench.task.epochs() {
            let start = Instant::now();
            if epoch == course.epochs {
                self.consolidate()?;
            }
            let then = bench.then.as_ref().filter(|_| epoch >= course.epochs);
            // What is measured of weights is that of the first task.
            let probes = self.probes.iter_mut().filter(|_| then.is_none());
            let probes = probes.map(|p| p as &mut dyn Probe);
            let mut watched: Vec<&mut dyn Probe> = probes.collect();
            let trained = train_network(
                &bench.network,
                then.map_or(&bench.train, |then| &then.train),
                course,
                epoch..epoch + 1,
                bench.settings.seed,
                self.stack.0,
                &mut self.layers,
                &mut watched,
                &mut self.scorer,
                &|steps| progress.advance(u64::from(steps)),
            );
            self.seconds += start.elapsed().as_secs_f64();
            let Some(keeper) = &mut keeper else {
                trained?;
                continue;
            };
            trained.map_err(|e| keeper.rescue(e))?;
            let good = self.scorer.is_good();
            keeper.keep(epoch + 1, good, |saved| self.keep(saved))?;
        }
        Ok(keeper.map(|k| k.notes).unwrap_or_default())
    }
}

impl Bench<'_> {
    /// A checksum of the samples and of the cells that were drawn.
    fn digest(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        let data = &self.data;
        let others = [data.validation.as_ref(), data.test.as_ref()];
        for set in std::iter::once(&data.train).chain(others.into_iter().flatten()) {
            hash(set, &mut hasher);
        }
        let plans = self.plans.iter().chain(self.others.iter().flatten());
        hash_cells(plans, &mut hasher);
        hasher.finalize()
    }
}

fn hash(examples: &Examples, hasher: &mut crc32fast::Hasher) {
    hash_numbers(examples.x.as_slice(), hasher);
    match &examples.targets {
        Targets::Classes { of, .. } => {
            let classes = of.iter().map(|&c| c as u64);
            classes.for_each(|c| hasher.update(&c.to_le_bytes()));
        }
        Targets::Values(values) => hash_numbers(values.as_slice(), hasher),
    }
}
