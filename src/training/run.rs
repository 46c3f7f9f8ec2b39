//! The training loop of one stack of arrays.

use std::ops::Range;

use super::loss::Loss;
use super::proximal::turn_errors;
use super::schedule::Schedule;
use super::task::{Draws, Source, Task};
use crate::backend::StackVector;
use crate::crossbar::Synapses;
use crate::device::Counting;
use crate::error::Result;
use crate::number::{Purpose, Stream};

/// How many samples a step sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// This many, drawn with replacement.
    Samples(u32),
    /// Every sample of the set once.
    Full,
}

/// What fires the pulses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Every sample fires its own outer product, in parallel on the array.
    PerSample,
    /// The gradient is averaged digitally over the batch, then written.
    Summed,
}

/// Where the gradient of a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepRule {
    /// Where the step begins.
    #[default]
    Explicit,
    /// Where it ends: the proximal point step of squared errors, stable at any learning rate (P. Toulis, E. M. Airoldi, Ann. Statist. 45 (2017) 1694,
    /// <https://doi.org/10.1214/16-AOS1506>).
    Proximal,
}

/// How one array is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Largest learning rate η.
    pub learning_rate: f64,
    /// Its course.
    pub schedule: Schedule,
    /// Number of steps.
    pub steps: u32,
    /// Samples a step.
    pub batch: Batch,
    /// What fires the pulses.
    pub update: Update,
    /// Where the gradient of a step is taken.
    pub step_rule: StepRule,
    /// Standard deviation of Gaussian noise added to every component of a summed gradient.
    pub gradient_noise: f64,
    /// How requests become pulses.
    pub counting: Counting,
    /// The loss.
    pub loss: Loss,
    /// Weight that every connection starts with.
    pub start: f64,
    /// How long the array relaxes after every step, in seconds; 0 for not at all.
    pub seconds_per_step: f64,
}

impl Training {
    /// Updates that every weight is offered in one step.
    pub fn firings(&self) -> u32 {
        match (self.update, self.batch) {
            (Update::PerSample, Batch::Samples(n)) => n,
            _ => 1,
        }
    }

    /// Seconds of relaxation that each of these has a share of.
    pub fn seconds_per_firing(&self) -> f64 {
        self.seconds_per_step / f64::from(self.firings())
    }
}

impl Training {
    /// The step, a real number, at training time `time`: averages over steps weigh times with its increments.
    pub fn step_at(&self, time: f64) -> f64 {
        self.schedule.step_at(self.learning_rate, time, self.steps)
    }

    /// Samples of a step.
    fn samples(&self, task: &Task) -> u32 {
        match (self.batch, &task.source) {
            (Batch::Full, Source::Sets(sets)) => sets[0].len() as u32,
            (Batch::Samples(n), _) => n,
            (Batch::Full, Source::Gaussian { .. }) => 1,
        }
    }

    /// What happens after the updates of a step.
    fn relax(&self, step: u32, synapses: &mut dyn Synapses) -> Result<()> {
        if self.seconds_per_step > 0.0 {
            synapses.relax(step, self.seconds_per_step)?;
        }
        Ok(())
    }
}

/// Looks at a run from outside, at the steps that it asks for.
///
/// # Errors
/// Those of the synapses that it looks at.
pub trait Probe {
    /// Whether step `step` is to be shown.
    fn wants(&self, step: u32) -> bool;
    /// Shown right before the update of a wanted step.
    fn before(&mut self, step: u32, synapses: &mut dyn Synapses) -> Result<()>;
    /// Shown right after it, with the gradient that was descended (weights row-major) and the learning rate: every
    /// weight was asked for `-rate · gradient`. The relaxation of a step belongs to its last update; refreshes come after it and are not
    /// shown.
    fn after(
        &mut self,
        step: u32,
        synapses: &mut dyn Synapses,
        gradient: &StackVector,
        rate: f64,
    ) -> Result<()>;
}

/// Looks at nothing.
impl Probe for () {
    fn wants(&self, _step: u32) -> bool {
        false
    }

    fn before(&mut self, _step: u32, _synapses: &mut dyn Synapses) -> Result<()> {
        Ok(())
    }

    fn after(
        &mut self,
        _step: u32,
        _synapses: &mut dyn Synapses,
        _gradient: &StackVector,
        _rate: f64,
    ) -> Result<()> {
        Ok(())
    }
}

/// One stack's loop: buffers that live as long as the run, so that no step allocates.
struct Loop<'a> {
    task: &'a Task,
    training: &'a Training,
    stream: &'a Stream,
    first_replica: usize,
    draws: Draws,
    /// One sample's features and errors for each sample of a batch.
    samples: Vec<(StackVector, StackVector)>,
    outputs: StackVector,
    targets: Vec<f32>,
    gradient: StackVector,
    changes: StackVector,
}

/// Trains a stack whose first replica has number `first_replica` for these `steps` of the training, which are all of them or go on where others ended; `report` is told
/// the steps done, now and then.
///
/// # Errors
/// Those of the synapses.
#[expect(clippy::too_many_arguments, reason = "what one run depends on")]
pub fn train(
    task: &Task,
    training: &Training,
    steps: Range<u32>,
    stream: &Stream,
    first_replica: usize,
    synapses: &mut dyn Synapses,
    probe: &mut dyn Probe,
    report: &(dyn Fn(u32) + Sync),
) -> Result<()> {
    const REPORT_EVERY: u32 = 256;
    let replicas = synapses.replicas();
    let (inputs, outputs) = synapses.dimensions();
    let proximal = training.step_rule == StepRule::Proximal;
    let kept = match training.update {
        Update::Summed if !proximal => 1,
        _ => training.samples(task) as usize,
    };
    let mut this = Loop {
        task,
        training,
        stream,
        first_replica,
        draws: Draws::new(replicas),
        samples: (0..kept)
            .map(|_| {
                (
                    StackVector::zeros(inputs, replicas),
                    StackVector::zeros(outputs, replicas),
                )
            })
            .collect(),
        outputs: StackVector::zeros(outputs, replicas),
        targets: vec![0.0; replicas],
        gradient: StackVector::zeros(inputs * outputs, replicas),
        changes: StackVector::zeros(inputs * outputs, replicas),
    };
    let begun = steps.start;
    let length = steps.end - begun;
    for step in steps {
        let rate = training
            .schedule
            .rate(training.learning_rate, step, training.steps);
        match training.update {
            Update::PerSample => this.per_sample(step, rate, synapses, probe)?,
            Update::Summed => this.summed(step, rate, synapses, probe)?,
        }
        synapses.refresh(step)?;
        if (step + 1 - begun).is_multiple_of(REPORT_EVERY) {
            report(REPORT_EVERY);
        }
    }
    report(length % REPORT_EVERY);
    Ok(())
}

impl Loop<'_> {
    /// Reads sample `sample` into buffer `k`: features and the error of the output.
    fn read(
        &mut self,
        k: usize,
        step: u32,
        sample: u32,
        read: u32,
        synapses: &mut dyn Synapses,
    ) -> Result<()> {
        let all = self.training.batch == Batch::Full;
        let (x, error) = &mut self.samples[k];
        self.task.draw(
            self.stream,
            step,
            sample,
            all,
            self.first_replica,
            &mut self.draws,
            x,
            &mut self.targets,
        );
        synapses.multiply(read, x, &mut self.outputs)?;
        let loss = self.training.loss;
        let pairs = self.outputs.lanes(0).iter().zip(&self.targets);
        for (e, (&y, &t)) in error.lanes_mut(0).iter_mut().zip(pairs) {
            *e = loss.error(y, t);
        }
        Ok(())
    }

    /// All samples of the batch are read at the same weights, then each fires its pulses.
    fn per_sample(
        &mut self,
        step: u32,
        rate: f64,
        synapses: &mut dyn Synapses,
        probe: &mut dyn Probe,
    ) -> Result<()> {
        let n = self.samples.len() as u32;
        let rate = rate / f64::from(n);
        for b in 0..n {
            self.read(b as usize, step, b, step * n + b, synapses)?;
        }
        if self.training.step_rule == StepRule::Proximal {
            turn_errors(&mut self.samples, rate)?;
        }
        for b in 0..n {
            let (x, error) = &mut self.samples[b as usize];
            let wanted = probe.wants(step);
            if wanted {
                self.gradient.fill(0.0);
                add_outer(&mut self.gradient, x, error);
                probe.before(step, synapses)?;
            }
            for e in error.all_mut() {
                *e *= -rate as f32;
            }
            synapses.update_outer(step * n + b, x, error, self.training.counting, rate)?;
            if b + 1 == n {
                self.training.relax(step, synapses)?;
            }
            if wanted {
                probe.after(step, synapses, &self.gradient, rate)?;
            }
        }
        Ok(())
    }

    /// The gradient is averaged over the batch, noise is added, and every weight is asked for its change.
    fn summed(
        &mut self,
        step: u32,
        rate: f64,
        synapses: &mut dyn Synapses,
        probe: &mut dyn Probe,
    ) -> Result<()> {
        let n = self.training.samples(self.task);
        self.gradient.fill(0.0);
        if self.training.step_rule == StepRule::Proximal {
            for b in 0..n {
                self.read(b as usize, step, b, step * n + b, synapses)?;
            }
            turn_errors(&mut self.samples, rate / f64::from(n))?;
            for (x, error) in &self.samples {
                add_outer(&mut self.gradient, x, error);
            }
        } else {
            for b in 0..n {
                self.read(0, step, b, step * n + b, synapses)?;
                let (x, error) = &self.samples[0];
                add_outer(&mut self.gradient, x, error);
            }
        }
        let mean = 1.0 / n as f32;
        for g in self.gradient.all_mut() {
            *g *= mean;
        }
        if self.training.gradient_noise > 0.0 {
            self.add_gradient_noise(step);
        }
        let pairs = self.changes.all_mut().iter_mut().zip(self.gradient.all());
        for (d, g) in pairs {
            *d = -rate as f32 * g;
        }
        let wanted = probe.wants(step);
        if wanted {
            probe.before(step, synapses)?;
        }
        synapses.update_dense(step, &self.changes, self.training.counting, rate)?;
        self.training.relax(step, synapses)?;
        if wanted {
            probe.after(step, synapses, &self.gradient, rate)?;
        }
        Ok(())
    }

    fn add_gradient_noise(&mut self, step: u32) {
        let scale = self.training.gradient_noise as f32;
        let weights = self.gradient.len();
        for block in 0..weights.div_ceil(4) {
            self.stream.fill_normals(
                step,
                block as u32,
                self.first_replica as u32,
                Purpose::GradientNoise,
                0,
                self.draws.normals.each_mut().map(Vec::as_mut_slice),
            );
            for (k, w) in (block * 4..weights.min(block * 4 + 4)).enumerate() {
                for (g, z) in self
                    .gradient
                    .lanes_mut(w)
                    .iter_mut()
                    .zip(&self.draws.normals[k])
                {
                    *g += scale * z;
                }
            }
        }
    }
}

/// `gradient[r, c] += Σ_b x[r] · error[c]` for every replica, over whole samples.
pub(super) fn add_outer(gradient: &mut StackVector, x: &StackVector, error: &StackVector) {
    let replicas = gradient.width();
    if x.width() == 1 {
        let rows = gradient.all_mut().chunks_exact_mut(error.len().max(1));
        for (sums, x) in rows.zip(x.all()) {
            for (g, e) in sums.iter_mut().zip(error.all()) {
                *g += x * e;
            }
        }
        return;
    }
    for r in 0..x.len() {
        for c in 0..error.len() {
            let sums = gradient.lanes_mut(r * error.len() + c);
            let samples = x.lanes(r).chunks(replicas);
            for (x, e) in samples.zip(error.lanes(c).chunks(replicas)) {
                for (g, (x, e)) in sums.iter_mut().zip(x.iter().zip(e)) {
                    *g += x * e;
                }
            }
        }
    }
}
