//! Runs all replicas of one sweep point, cut into stacks that run side by side.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::DVector;
use rayon::prelude::*;

use super::checkpoint::{About, Checkpoints, Keeper, hash_cells, hash_numbers};
use super::settings::Settings;
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::bias::{Curve, Landscape, Log, Recorder, Sums};
use crate::crossbar::{Crossbar, Digital, Plan, Synapses, Usage};
use crate::error::Result;
use crate::number::Stream;
use crate::training::algorithms::{Algorithm, Context};
use crate::training::{Probe, Source, Task, Training, train};

/// What learns.
#[derive(Clone)]
pub enum Learner {
    /// The device: the arrays of the algorithm.
    Device(Vec<Plan>),
    /// Digital weights with an explicit ridge of this strength about this centre.
    Digital {
        /// λ
        lambda: f64,
        /// Centre of the penalty.
        centre: Vec<f64>,
    },
}

/// What one point's replicas left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Number of replicas.
    pub replicas: usize,
    /// Number of weights.
    pub weights: usize,
    /// Sums of weight j of replica r at `r · weights + j`.
    pub sums: Vec<Sums>,
    /// Mean excess loss of each replica over the logged steps.
    pub excess: Vec<f64>,
    /// Learning curve: means over replicas.
    pub curve: Curve,
    /// Core-seconds of the training loops, without measurement.
    pub seconds: f64,
    /// Device updates: cells × samples.
    pub updates: f64,
    /// Programming pulses.
    pub pulses: u64,
    /// Resets of cells.
    pub resets: u64,
    /// What it took, where that is metered.
    pub usage: Option<Usage>,
}

/// One run to simulate.
pub struct Run<'a> {
    /// The task.
    pub task: &'a Task,
    /// How it is trained.
    pub training: &'a Training,
    /// What learns.
    pub learner: &'a Learner,
    /// What becomes of the changes that training asks a device for.
    pub algorithm: &'a Algorithm,
    /// Random numbers.
    pub stream: Stream,
    /// Number of replicas.
    pub replicas: usize,
    /// Most replicas in one stack.
    pub stack: usize,
    /// What is logged.
    pub log: Log,
    /// The centre that offsets are counted from.
    pub centre: Vec<f64>,
    /// Whether to meter what it takes.
    pub metered: bool,
    /// Loss landscapes: replica r lives on `r mod len`.
    pub landscapes: Arc<Vec<Landscape>>,
    /// How its states are kept while it runs, if they are.
    pub kept: Option<Kept<'a>>,
}

/// How the states of a run are kept.
pub struct Kept<'a> {
    /// Where.
    pub checkpoints: &'a Checkpoints,
    /// Place of its point in the sweep.
    pub index: usize,
    /// Keys of the point with their values.
    pub settings: &'a [(String, String)],
}

/// Parts of a run after which states may be kept.
const PARTS: u32 = 256;

/// Times what the recorder takes, so that the training loop's own time is known.
pub(super) struct Timed {
    pub(super) recorder: Recorder,
    pub(super) seconds: f64,
}

impl Timed {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            seconds: 0.0,
        }
    }

    pub(super) fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        self.recorder.keep(saved)?;
        saved.number("measuring-seconds", &mut self.seconds)
    }

    fn clocked(&mut self, work: impl FnOnce(&mut Recorder) -> Result<()>) -> Result<()> {
        let start = Instant::now();
        let done = work(&mut self.recorder);
        self.seconds += start.elapsed().as_secs_f64();
        done
    }
}

impl Probe for Timed {
    fn wants(&self, step: u32) -> bool {
        self.recorder.wants(step)
    }

    fn before(&mut self, step: u32, synapses: &mut dyn Synapses) -> Result<()> {
        self.clocked(|r| r.before(step, synapses))
    }

    fn after(
        &mut self,
        step: u32,
        synapses: &mut dyn Synapses,
        gradient: &StackVector,
        rate: f64,
    ) -> Result<()> {
        self.clocked(|r| r.after(step, synapses, gradient, rate))
    }
}

impl Run<'_> {
    /// Runs every replica; `progress` is told units done.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn simulate(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<Output> {
        let parts: Vec<Part> = stacks(self.replicas, self.stack)
            .into_par_iter()
            .map(|(first, count)| self.stack(first, count, progress))
            .collect::<Result<_>>()?;
        // In order of the stacks, so that sums do not depend on which thread was first.
        let weights = self.centre.len();
        let mut out = Output {
            replicas: self.replicas,
            weights,
            sums: Vec::with_capacity(weights * self.replicas),
            excess: Vec::with_capacity(self.replicas),
            curve: Curve::default(),
            seconds: 0.0,
            updates: 0.0,
            pulses: 0,
            resets: 0,
            usage: None,
        };
        for part in parts {
            let r = part.recorder;
            out.excess.extend(
                r.excess
                    .iter()
                    .zip(r.sums.chunks(weights))
                    .map(|(e, s)| e / s[0].count),
            );
            out.sums.extend(r.sums);
            if out.curve.steps.is_empty() {
                out.curve = r.curve;
            } else {
                let curves = out.curve.weights.iter_mut().zip(&r.curve.weights);
                curves.for_each(|(a, b)| *a += b);
                let losses = out.curve.excess.iter_mut().zip(&r.curve.excess);
                losses.for_each(|(a, b)| *a += b);
            }
            out.seconds += part.seconds;
            out.updates += part.updates;
            out.pulses += part.pulses;
            out.resets += part.resets;
            if let Some(usage) = part.usage {
                out.usage.get_or_insert_default().join(usage);
            }
        }
        let n = self.replicas as f64;
        out.curve.weights.iter_mut().for_each(|w| *w /= n);
        out.curve.excess.iter_mut().for_each(|e| *e /= n);
        Ok(out)
    }

    fn stack(&self, first: usize, count: usize, progress: &(dyn Fn(u64) + Sync)) -> Result<Part> {
        let weights = self.centre.len();
        let initial = vec![self.training.start; weights];
        let (mut synapses, model): (Box<dyn Synapses>, _) = match self.learner {
            Learner::Device(plans) => (
                self.device(plans, first, count, &initial)?,
                Some(plans[0].model.clone()),
            ),
            Learner::Digital { lambda, centre } => (
                Box::new(Digital::new(
                    weights,
                    1,
                    count,
                    *lambda,
                    centre.clone(),
                    &initial,
                )),
                None,
            ),
        };
        let cells = model.as_ref().map_or(weights, |m| m.map.cells());
        let mut probe = Timed::new(Recorder::new(
            &self.log,
            model,
            self.training.counting,
            self.training.seconds_per_firing(),
            self.centre.clone(),
            Arc::clone(&self.landscapes),
            first,
            count,
        ));
        let mut seconds = 0.0;
        let keep = |saved: &mut Saved,
                    synapses: &mut dyn Synapses,
                    probe: &mut Timed,
                    seconds: &mut f64| {
            synapses.keep(saved)?;
            probe.keep(saved)?;
            saved.number("seconds", seconds)
        };
        let kept = self.kept.as_ref();
        let mut keeper = kept.map(|k| Keeper::new(k.checkpoints, self.about(k, first, count)));
        let taken = keeper.as_mut().map(Keeper::take_up).transpose()?;
        let mut done = 0;
        if let Some(mut taken) = taken.flatten() {
            keep(&mut taken.saved, &mut *synapses, &mut probe, &mut seconds)?;
            taken.saved.end()?;
            done = taken.done;
        }
        let steps = self.training.steps;
        let begin = |part: u32| (u64::from(steps) * u64::from(part) / u64::from(PARTS)) as u32;
        progress(u64::from(begin(done)));
        for part in done..PARTS {
            let start = Instant::now();
            train(
                self.task,
                self.training,
                begin(part)..begin(part + 1),
                &self.stream,
                first,
                &mut *synapses,
                &mut probe,
                &|steps| progress(u64::from(steps)),
            )?;
            seconds += start.elapsed().as_secs_f64();
            if let Some(keeper) = &mut keeper {
                keeper.keep(part + 1, false, |saved| {
                    keep(saved, &mut *synapses, &mut probe, &mut seconds)
                })?;
            }
        }
        Ok(Part {
            seconds: seconds - probe.seconds,
            updates: f64::from(self.training.steps)
                * self.training.firings() as f64
                * (cells * count) as f64,
            pulses: synapses.pulses()?,
            resets: synapses.resets(),
            usage: synapses.usage()?,
            recorder: probe.recorder,
        })
    }

    /// What states of a stack are the states of.
    fn about(&self, kept: &Kept, first: usize, count: usize) -> About {
        let mut hasher = crc32fast::Hasher::new();
        if let Source::Sets(sets) = &self.task.source {
            for set in sets {
                hash_numbers(set.x.as_slice(), &mut hasher);
                hash_numbers(set.y.as_slice(), &mut hasher);
            }
        }
        if let Learner::Device(plans) = self.learner {
            hash_cells(plans.iter(), &mut hasher);
        }
        About {
            settings: kept.settings.to_vec(),
            digest: hasher.finalize(),
            part: format!("point-{}-{first}", kept.index),
            label: format!("replicas {first} to {}", first + count - 1),
            epochs: PARTS,
            averaged: [self.log.from, self.log.every],
            free: &[],
        }
    }

    /// The algorithm on its arrays, with these weights in the first and zeros in others.
    fn device(
        &self,
        plans: &[Plan],
        first: usize,
        count: usize,
        initial: &[f64],
    ) -> Result<Box<dyn Synapses>> {
        let stack = (first, count);
        let mut synapses = built(self.algorithm, plans, stack, self.metered, initial)?;
        if self.algorithm.calibration().is_some() {
            let mut weights = StackVector::zeros(initial.len(), count);
            for (k, w) in initial.iter().enumerate() {
                weights.lanes_mut(k).fill(*w as f32);
            }
            synapses.start(&weights)?;
        }
        Ok(synapses)
    }
}

/// An algorithm on its arrays, one plan each, written with these weights (row-major) in the first and zeros in others.
///
/// # Errors
/// Those of the backend.
pub(super) fn built(
    algorithm: &Algorithm,
    plans: &[Plan],
    (first, count): (usize, usize),
    metered: bool,
    initial: &[f64],
) -> Result<Box<dyn Synapses>> {
    let zeros = vec![0.0; initial.len()];
    let array = |(k, plan): (usize, &Plan)| -> Result<Box<dyn Synapses>> {
        let mut crossbar = Crossbar::new(plan, first, count)?;
        crossbar.write(0, if k == 0 { initial } else { &zeros })?;
        if metered {
            crossbar.meter();
        }
        Ok(Box::new(crossbar))
    };
    let arrays = plans.iter().enumerate().map(array).collect::<Result<_>>()?;
    let model = &plans[0].model;
    let context = Context {
        quantum: model.step() / model.map.share(0).abs(),
        stream: plans[0].stream,
        first_replica: first,
    };
    Ok(algorithm.build(arrays, &context))
}

struct Part {
    recorder: Recorder,
    seconds: f64,
    updates: f64,
    pulses: u64,
    resets: u64,
    usage: Option<Usage>,
}

/// First replica and size of each stack of at most `most`: as few as fit, about equally large, whole vectors where possible.
pub(super) fn stacks(replicas: usize, most: usize) -> Vec<(usize, usize)> {
    const VECTOR: usize = 16;
    let size = replicas
        .div_ceil(replicas.div_ceil(most))
        .next_multiple_of(VECTOR.min(most));
    (0..replicas.div_ceil(size))
        .map(|k| (k * size, size.min(replicas - k * size)))
        .collect()
}

impl Output {
    /// Window means of the weights of replica `r`.
    pub fn mean_weights(&self, r: usize) -> DVector<f64> {
        DVector::from_fn(self.weights, |j, _| {
            self.sums[r * self.weights + j].mean_weight()
        })
    }

    /// Sums of weight `j` over all replicas, without replica `omit`.
    pub fn pooled(&self, j: usize, omit: Option<usize>) -> Sums {
        let all = (0..self.replicas)
            .filter(|r| Some(*r) != omit)
            .map(|r| &self.sums[r * self.weights + j]);
        all.fold(Sums::default(), |a, b| a.plus(b))
    }
}

impl Settings {
    /// The run of this point for `learner`.
    pub fn run<'a>(
        &'a self,
        task: &'a Task,
        learner: &'a Learner,
        centre: Vec<f64>,
        landscapes: Arc<Vec<Landscape>>,
    ) -> Run<'a> {
        Run {
            task,
            training: &self.training,
            learner,
            algorithm: &self.algorithm,
            stream: Stream::new(self.seed),
            replicas: self.replicas,
            stack: self.replicas_at_once(),
            log: self.log(),
            centre,
            metered: self.technology.is_some(),
            landscapes,
            kept: None,
        }
    }
}
