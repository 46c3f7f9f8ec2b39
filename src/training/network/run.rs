//! The training loop of one stack of networks.

use std::ops::Range;

use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use super::{Activation, Examples, Layers, Network, Objective, Target, Targets};
use crate::backend::StackVector;
use crate::crossbar::Synapses;
use crate::device::Counting;
use crate::error::{Error, Result};
use crate::training::run::{Probe, Update, add_outer};
use crate::training::schedule::Schedule;

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// First learning rate η, of the mean gradient of a batch.
    pub learning_rate: f64,
    /// Its course over the steps.
    pub schedule: Schedule,
    /// How often every sample is seen, in an order drawn anew for each epoch and replica.
    pub epochs: u32,
    /// Samples a step; the last step of an epoch has what is left.
    pub batch: u32,
    /// What fires the pulses.
    pub update: Update,
    /// How requests become pulses.
    pub counting: Counting,
    /// How long the arrays relax after every step, in seconds; 0 for not at all.
    pub seconds_per_step: f64,
}

impl Course {
    /// Steps of an epoch over a set of this size.
    pub fn steps_per_epoch(&self, samples: usize) -> u32 {
        (samples as u32).div_ceil(self.batch)
    }

    /// Steps of the run.
    pub fn steps(&self, samples: usize) -> u32 {
        self.epochs * self.steps_per_epoch(samples)
    }
}

/// Losses over that of outputs of zero from which on training is not coming back.
const DIVERGED: f64 = 1e3;

/// The first step of reads that belong to no step of training, beyond those of algorithms ([`OWN_STEPS`](crate::training::algorithms::OWN_STEPS)) in runs of
/// less than 2³⁰ of them.
pub const APART: u32 = 3 << 30;

/// Lanes that are read at once where nothing is trained.
const LANES: usize = 1024;

/// Looks at a run between epochs.
pub trait Watcher {
    /// Shown after epoch `epoch`, counted from 0, with the mean loss of every replica as its samples were read.
    ///
    /// # Errors
    /// Those of the arrays.
    fn epoch(&mut self, epoch: u32, losses: &[f64], layers: &mut Layers) -> Result<()>;
}

/// Samples in single precision, as arrays are driven with them.
#[derive(Debug, Clone)]
pub struct Single {
    features: usize,
    x: Vec<f32>,
    targets: SingleTargets,
}

#[derive(Debug, Clone)]
enum SingleTargets {
    Classes(Vec<usize>),
    Values { of: Vec<f32>, outputs: usize },
}

impl Single {
    /// The samples of a set.
    pub fn new(examples: &Examples) -> Self {
        let rows = |m: &nalgebra::DMatrix<f64>| m.transpose().iter().map(|&v| v as f32).collect();
        Self {
            features: examples.x.ncols(),
            x: rows(&examples.x),
            targets: match &examples.targets {
                Targets::Classes { of, .. } => SingleTargets::Classes(of.clone()),
                Targets::Values(values) => SingleTargets::Values {
                    of: rows(values),
                    outputs: values.ncols(),
                },
            },
        }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.x.len() / self.features.max(1)
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.x.is_empty()
    }

    /// Mean loss of outputs that are all zero.
    fn loss_of_nothing(&self, network: &Network) -> f64 {
        let zeros = vec![0.0; network.outputs()];
        let mut e = zeros.clone();
        let losses = (0..self.len()).map(|k| {
            let loss = network.objective.errors(&zeros, self.target(k), &mut e);
            f64::from(loss)
        });
        losses.sum::<f64>() / self.len() as f64
    }

    /// What the outputs for sample `k` should be.
    pub fn target(&self, k: usize) -> Target<'_, f32> {
        match &self.targets {
            SingleTargets::Classes(of) => Target::Class(of[k]),
            SingleTargets::Values { of, outputs } => {
                Target::Values(&of[k * outputs..(k + 1) * outputs])
            }
        }
    }
}

/// The vectors of a pass: what every layer is driven with, and the errors of its sums. Lane = sample · replicas + replica.
pub(super) struct Pass<'a> {
    network: &'a Network,
    replicas: usize,
    inputs: Vec<StackVector>,
    /// Sums of every layer, then their errors.
    errors: Vec<StackVector>,
    back: StackVector,
    /// The sample of every lane.
    samples: Vec<usize>,
    /// A buffer.
    room: Vec<f32>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(network: &'a Network, replicas: usize) -> Self {
        let layers = network.layers.len();
        Self {
            network,
            replicas,
            inputs: vec![StackVector::default(); layers],
            errors: vec![StackVector::default(); layers],
            back: StackVector::default(),
            samples: Vec::new(),
            room: Vec::new(),
        }
    }

    /// Drives the first layer with these samples, one a lane, and reads layer after layer; sample b of a replica with the random numbers of
    /// step `step` + b. Networks that `learn` normalise by the samples themselves, others by what they remember.
    pub(super) fn forward(
        &mut self,
        step: u32,
        data: &Single,
        samples: impl Iterator<Item = usize>,
        layers: &mut Layers,
        learn: bool,
    ) -> Result<()> {
        self.samples.clear();
        self.samples.extend(samples);
        let width = self.samples.len();
        let first = self.network.layers[0];
        self.inputs[0].reshape(first.rows(), width);
        if let [only] = self.samples[..] {
            let sample = &data.x[only * data.features..][..first.inputs];
            self.inputs[0].all_mut()[..first.inputs].copy_from_slice(sample);
        } else {
            for j in 0..first.inputs {
                let own = &data.x[j..];
                let lanes = self.inputs[0].lanes_mut(j).iter_mut();
                for (x, k) in lanes.zip(&self.samples) {
                    *x = own[k * data.features];
                }
            }
        }
        for (k, layer) in self.network.layers.iter().enumerate() {
            if layer.bias {
                self.inputs[k].lanes_mut(layer.inputs).fill(1.0);
            }
            self.errors[k].reshape(layer.outputs, width);
            layers.arrays[k].multiply(step, &self.inputs[k], &mut self.errors[k])?;
            match layers.normalisers.get_mut(k) {
                Some(normaliser) if learn => normaliser.learn(&mut self.errors[k]),
                Some(normaliser) => normaliser.apply(&mut self.errors[k]),
                None => {}
            }
            if let Some(next) = self.network.layers.get(k + 1) {
                let values = &mut self.inputs[k + 1];
                values.reshape(next.rows(), width);
                let own = &mut values.all_mut()[..next.inputs * width];
                own.copy_from_slice(self.errors[k].all());
                layer.activation.apply(own);
            }
        }
        Ok(())
    }

    /// The last sums.
    pub(super) fn outputs(&self) -> &StackVector {
        &self.errors[self.errors.len() - 1]
    }

    /// Turns the last sums into their errors, and adds the loss of every lane to that of its replica.
    pub(super) fn compare(&mut self, data: &Single, losses: &mut [f64]) {
        let Some(last) = self.errors.last_mut() else {
            return;
        };
        let (samples, replicas) = (&self.samples[..], self.replicas);
        pulp::Arch::new().dispatch(Compare {
            objective: self.network.objective,
            data,
            samples,
            replicas,
            sums: last,
            losses,
            room: &mut self.room,
        });
    }

    /// Sends the errors of the last sums back through the arrays.
    pub(super) fn backward(&mut self, step: u32, layers: &mut Layers) -> Result<()> {
        let width = self.samples.len();
        for k in (1..self.network.layers.len()).rev() {
            let layer = self.network.layers[k];
            self.back.reshape(layer.rows(), width);
            layers.arrays[k].multiply_transposed(step, &self.errors[k], &mut self.back)?;
            let own = layer.inputs * width;
            let errors = self.errors[k - 1].all_mut();
            errors.copy_from_slice(&self.back.all()[..own]);
            let values = &self.inputs[k].all()[..own];
            self.network.layers[k - 1]
                .activation
                .scale_back(values, errors);
            if let Some(normaliser) = layers.normalisers.get_mut(k - 1) {
                normaliser.send_back(&mut self.errors[k - 1]);
            }
        }
        Ok(())
    }
}

impl Pass<'_> {
    /// Reads all samples, many at once and the replicas of a sample side by side, and hands what was read on: the first of these samples and the step of their reads. Reads of `turn` and
    /// those of another share no random numbers with each other or with training, as long as all turns together have fewer than 2³⁰ samples.
    pub(super) fn each(
        &mut self,
        data: &Single,
        turn: u32,
        layers: &mut Layers,
        learn: bool,
        mut then: impl FnMut(&mut Self, usize, u32, &mut Layers) -> Result<()>,
    ) -> Result<()> {
        let replicas = self.replicas;
        let at_once = (LANES / replicas).max(1);
        for first in (0..data.len()).step_by(at_once) {
            let some = first..data.len().min(first + at_once);
            let read = turn
                .wrapping_mul(data.len() as u32)
                .wrapping_add(first as u32);
            let step = APART.wrapping_add(read);
            let lanes = some.flat_map(|k| std::iter::repeat_n(k, replicas));
            self.forward(step, data, lanes, layers, learn)?;
            then(self, first, step, layers)?;
        }
        Ok(())
    }

    /// Adds the squared gradients of all samples of a layer to `sums`, after both passes.
    pub(super) fn add_squares(&self, layer: usize, sums: &mut StackVector) {
        let (x, e) = (&self.inputs[layer], &self.errors[layer]);
        let replicas = self.replicas;
        for r in 0..x.len() {
            for c in 0..e.len() {
                let sums = sums.lanes_mut(r * e.len() + c);
                let samples = x.lanes(r).chunks(replicas).zip(e.lanes(c).chunks(replicas));
                for (x, e) in samples {
                    for (sum, (x, e)) in sums.iter_mut().zip(x.iter().zip(e)) {
                        *sum += (x * e) * (x * e);
                    }
                }
            }
        }
    }
}

/// The sums of all lanes become their errors.
struct Compare<'a> {
    objective: Objective,
    data: &'a Single,
    samples: &'a [usize],
    replicas: usize,
    sums: &'a mut StackVector,
    losses: &'a mut [f64],
    /// A buffer.
    room: &'a mut Vec<f32>,
}

impl pulp::WithSimd for Compare<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let (sums, width) = (self.sums.all_mut(), self.samples.len());
        let outputs = sums.len() / width.max(1);
        let room = self.room;
        room.resize(2 * outputs, 0.0);
        let (z, e) = room.split_at_mut(outputs);
        for (lane, &sample) in self.samples.iter().enumerate() {
            let own = sums[lane..].iter().step_by(width);
            z.iter_mut().zip(own).for_each(|(z, sum)| *z = *sum);
            let loss = self.objective.errors(z, self.data.target(sample), e);
            self.losses[lane % self.replicas] += f64::from(loss);
            let own = sums[lane..].iter_mut().step_by(width);
            own.zip(&*e).for_each(|(sum, e)| *sum = *e);
        }
    }
}

impl Activation {
    /// `φ(z)` of all of them.
    fn apply(self, values: &mut [f32]) {
        pulp::Arch::new().dispatch(Apply {
            activation: self,
            values,
        });
    }

    /// Multiplies errors by `φ'`, given the values `φ`.
    fn scale_back(self, values: &[f32], errors: &mut [f32]) {
        pulp::Arch::new().dispatch(SendBack {
            activation: self,
            values,
            errors,
        });
    }
}

/// [`Activation::apply`] as a task: a closure would be called, not inlined, and stay scalar.
struct Apply<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl pulp::WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let Self { activation, values } = self;
        // Chosen before the loop.
        match activation {
            Activation::Identity => {}
            Activation::Tanh => apply_all(Activation::Tanh, values),
            Activation::Sigmoid => apply_all(Activation::Sigmoid, values),
            Activation::Relu => apply_all(Activation::Relu, values),
        }
    }
}

/// [`Activation::scale_back`], likewise.
struct SendBack<'a> {
    activation: Activation,
    values: &'a [f32],
    errors: &'a mut [f32],
}

impl pulp::WithSimd for SendBack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let (values, errors) = (self.values, self.errors);
        match self.activation {
            Activation::Identity => {}
            Activation::Tanh => scale_all(Activation::Tanh, values, errors),
            Activation::Sigmoid => scale_all(Activation::Sigmoid, values, errors),
            Activation::Relu => scale_all(Activation::Relu, values, errors),
        }
    }
}

#[inline(always)]
fn apply_all(known: Activation, values: &mut [f32]) {
    for z in values {
        *z = known.value(*z);
    }
}

#[inline(always)]
fn scale_all(known: Activation, values: &[f32], errors: &mut [f32]) {
    for (e, a) in errors.iter_mut().zip(values) {
        *e *= known.slope(*a);
    }
}

/// One stack's run.
struct Loop<'a> {
    course: &'a Course,
    pass: Pass<'a>,
    /// One sample of all replicas, where a step has several.
    given: StackVector,
    asked: StackVector,
    gradient: StackVector,
}

/// Trains a stack of networks, one array a layer, whose first replica has number `first_replica`, for these `epochs` of the course, which are all of them or go
/// on where others ended; `probes` look at the updates of one layer each, and `report` is told the steps done, now and then.
///
/// A step reads all its samples, forwards and backwards, before it changes anything. Random numbers of sample b of step t are those of
/// step t · batch + b; the orders of samples follow from `seed`.
///
/// # Errors
/// Those of the arrays; [`Error::NotConverged`] when training diverges.
#[expect(clippy::too_many_arguments, reason = "what one run depends on")]
pub fn train_network(
    network: &Network,
    data: &Single,
    course: &Course,
    epochs: Range<u32>,
    seed: u64,
    first_replica: usize,
    layers: &mut Layers,
    probes: &mut [&mut dyn Probe],
    watcher: &mut dyn Watcher,
    report: &(dyn Fn(u32) + Sync),
) -> Result<()> {
    const REPORT_EVERY: u32 = 64;
    let replicas = layers.replicas();
    let (samples, steps) = (data.len(), course.steps(data.len()));
    let mut this = Loop {
        course,
        pass: Pass::new(network, replicas),
        given: StackVector::default(),
        asked: StackVector::default(),
        gradient: StackVector::default(),
    };
    let unanswered = data.loss_of_nothing(network);
    let begun = epochs.start * course.steps_per_epoch(samples);
    let mut step = begun;
    let mut orders: Vec<Vec<usize>> = vec![(0..samples).collect(); replicas];
    for epoch in epochs {
        for (r, order) in orders.iter_mut().enumerate() {
            let replica = (first_replica + r) as u128;
            let state = u128::from(seed) << 32 | u128::from(epoch);
            // From the order of the set, so that a run can be taken up at any epoch.
            order.iter_mut().enumerate().for_each(|(k, o)| *o = k);
            order.shuffle(&mut Pcg64::new(state, replica));
        }
        let mut losses = vec![0.0; replicas];
        for first in (0..samples).step_by(course.batch as usize) {
            let batch = first..samples.min(first + course.batch as usize);
            let rate = course.schedule.rate(course.learning_rate, step, steps);
            let at = step * course.batch;
            let lanes = batch.flat_map(|b| orders.iter().map(move |o| o[b]));
            this.pass.forward(at, data, lanes, layers, true)?;
            this.pass.compare(data, &mut losses);
            this.pass.backward(at, layers)?;
            layers.normalisers.iter_mut().for_each(|n| n.descend(rate));
            for (k, array) in layers.arrays.iter_mut().enumerate() {
                let array = &mut **array;
                let mut nobody = ();
                let probe: &mut dyn Probe = match probes.get_mut(k) {
                    Some(probe) => *probe,
                    None => &mut nobody,
                };
                match course.update {
                    Update::PerSample => this.per_sample(k, step, rate, array, probe)?,
                    Update::Summed => this.summed(k, step, rate, array, probe)?,
                }
                array.refresh(step)?;
            }
            step += 1;
            if (step - begun).is_multiple_of(REPORT_EVERY) {
                report(REPORT_EVERY);
            }
        }
        losses.iter_mut().for_each(|l| *l /= samples as f64);
        let lost = |l: &f64| !l.is_finite() || *l > DIVERGED * unanswered;
        if let Some(r) = losses.iter().position(lost) {
            return Err(Error::NotConverged {
                what: "training".into(),
                detail: format!(
                    "it diverges: the mean loss of replica {} is {} in epoch {}, that of outputs of zero {unanswered:.3}; choose a lower learning rate",
                    first_replica + r,
                    losses[r],
                    epoch + 1
                ),
            });
        }
        watcher.epoch(epoch, &losses, layers)?;
    }
    report((step - begun) % REPORT_EVERY);
    Ok(())
}

impl Loop<'_> {
    /// Every sample fires its pulses.
    fn per_sample(
        &mut self,
        layer: usize,
        step: u32,
        rate: f64,
        array: &mut dyn Synapses,
        probe: &mut dyn Probe,
    ) -> Result<()> {
        let replicas = self.pass.replicas;
        let batch = self.pass.samples.len() / replicas;
        let rate = rate / batch as f64;
        for b in 0..batch {
            let (x, errors) = (&self.pass.inputs[layer], &mut self.pass.errors[layer]);
            let (x, asked) = if batch == 1 {
                (x, errors)
            } else {
                take_sample(x, b, replicas, &mut self.given);
                take_sample(errors, b, replicas, &mut self.asked);
                (&self.given, &mut self.asked)
            };
            let wanted = probe.wants(step);
            if wanted {
                self.gradient.reshape(x.len() * asked.len(), replicas);
                self.gradient.fill(0.0);
                add_outer(&mut self.gradient, x, asked);
                probe.before(step, array)?;
            }
            for e in asked.all_mut() {
                *e *= -rate as f32;
            }
            let at = step * self.course.batch + b as u32;
            array.update_outer(at, x, asked, self.course.counting, rate)?;
            if b + 1 == batch {
                self.relax(step, array)?;
            }
            if wanted {
                probe.after(step, array, &self.gradient, rate)?;
            }
        }
        Ok(())
    }

    /// The gradient is averaged over the batch, and every weight is asked for its change.
    fn summed(
        &mut self,
        layer: usize,
        step: u32,
        rate: f64,
        array: &mut dyn Synapses,
        probe: &mut dyn Probe,
    ) -> Result<()> {
        let replicas = self.pass.replicas;
        let batch = self.pass.samples.len() / replicas;
        let (x, errors) = (&self.pass.inputs[layer], &self.pass.errors[layer]);
        self.gradient.reshape(x.len() * errors.len(), replicas);
        self.gradient.fill(0.0);
        add_outer(&mut self.gradient, x, errors);
        let mean = 1.0 / batch as f32;
        self.asked.reshape(self.gradient.len(), replicas);
        let pairs = self.asked.all_mut().iter_mut();
        for (d, g) in pairs.zip(self.gradient.all_mut()) {
            *g *= mean;
            *d = -rate as f32 * *g;
        }
        let wanted = probe.wants(step);
        if wanted {
            probe.before(step, array)?;
        }
        array.update_dense(step, &self.asked, self.course.counting, rate)?;
        self.relax(step, array)?;
        if wanted {
            probe.after(step, array, &self.gradient, rate)?;
        }
        Ok(())
    }

    /// What happens after the updates of a step.
    fn relax(&self, step: u32, array: &mut dyn Synapses) -> Result<()> {
        if self.course.seconds_per_step > 0.0 {
            array.relax(step, self.course.seconds_per_step)?;
        }
        Ok(())
    }
}

/// Sample `b` of all replicas.
fn take_sample(from: &StackVector, b: usize, replicas: usize, to: &mut StackVector) {
    to.reshape(from.len(), replicas);
    for i in 0..from.len() {
        let own = &from.lanes(i)[b * replicas..][..replicas];
        to.lanes_mut(i).copy_from_slice(own);
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;
    use rand::{RngExt, SeedableRng};

    use super::super::{Normalisation, Objective, Start, score};
    use super::*;
    use crate::crossbar::Digital;

    /// Nobody looks.
    struct Losses(Vec<Vec<f64>>);

    impl Watcher for Losses {
        fn epoch(&mut self, _epoch: u32, losses: &[f64], _layers: &mut Layers) -> Result<()> {
            self.0.push(losses.to_vec());
            Ok(())
        }
    }

    fn course(epochs: u32, batch: u32, update: Update) -> Course {
        Course {
            learning_rate: 0.2,
            schedule: Schedule::CONSTANT,
            epochs,
            batch,
            update,
            counting: Counting::Expected,
            seconds_per_step: 0.0,
        }
    }

    /// Two classes about opposite points, and noise.
    fn examples(samples: usize) -> Examples {
        let mut rng = Pcg64::seed_from_u64(4);
        let of: Vec<usize> = (0..samples).map(|k| k % 3).collect();
        let x = DMatrix::from_fn(samples, 4, |k, j| {
            let centre = if of[k] == j { 0.8 } else { -0.2 };
            centre + rng.random_range(-0.5..0.5)
        });
        Examples {
            x,
            targets: Targets::Classes { of, count: 3 },
        }
    }

    fn network() -> Network {
        Network::new(4, &[5, 3], true, Activation::Tanh, Objective::CrossEntropy)
    }

    /// Arrays of a digital network that start at random, and their weights.
    fn digital(network: &Network, replicas: usize) -> (Layers, Vec<DMatrix<f64>>) {
        let start = Start::Uniform {
            scale: 1.0,
            shared: true,
            rescale: 1.0,
        };
        let layers = network.layers.iter().enumerate();
        let (arrays, weights) = layers
            .map(|(k, layer)| {
                let weights = start.weights(network, k, [-1.0, 1.0], 9, 0, replicas);
                let (n, rows) = (layer.weights(), layer.rows());
                let mut array = Digital::new(
                    rows,
                    layer.outputs,
                    replicas,
                    0.0,
                    vec![0.0; n],
                    &vec![0.0; n],
                );
                array.start(&weights).unwrap();
                let first = (0..n).map(|j| f64::from(weights.lanes(j)[0]));
                let matrix = DMatrix::from_row_iterator(rows, layer.outputs, first);
                (Box::new(array) as Box<dyn Synapses>, matrix)
            })
            .unzip();
        (Layers::new(network, arrays), weights)
    }

    fn run(course: &Course, replicas: usize) -> (Vec<Vec<Vec<f64>>>, Losses) {
        let (network, data) = (network(), Single::new(&examples(30)));
        let (mut arrays, _) = digital(&network, replicas);
        let mut losses = Losses(Vec::new());
        train_network(
            &network,
            &data,
            course,
            0..course.epochs,
            3,
            0,
            &mut arrays,
            &mut [],
            &mut losses,
            &|_| {},
        )
        .unwrap();
        let layers = network.layers.iter().zip(&mut arrays.arrays);
        let weights = layers.map(|(layer, array)| {
            // Row by row, with a unit vector.
            let (mut x, mut y) = (StackVector::default(), StackVector::default());
            let row = |r: usize| {
                x.reshape(layer.rows(), replicas);
                x.fill(0.0);
                x.lanes_mut(r).fill(1.0);
                y.reshape(layer.outputs, replicas);
                array.multiply(0, &x, &mut y).unwrap();
                let read = (0..layer.outputs).map(|c| y.lanes(c));
                let double = |lanes: &[f32]| lanes.iter().map(|w| f64::from(*w)).collect();
                read.map(double).collect::<Vec<Vec<f64>>>()
            };
            (0..layer.rows()).flat_map(row).collect::<Vec<_>>()
        });
        (weights.collect(), losses)
    }

    #[test]
    fn a_digital_network_descends_as_the_oracle_does() {
        let (network, examples) = (network(), examples(30));
        let course = course(40, 30, Update::Summed);
        let (trained, losses) = run(&course, 2);
        let (_, mut weights) = digital(&network, 1);
        for loss in &losses.0 {
            let passes = network.passes(&weights, &examples);
            // sums of 30 losses of order one in single precision
            assert!((loss[0] - passes.loss()).abs() < 1e-5);
            let gradients: Vec<_> = (0..2).map(|k| passes.gradient(k)).collect();
            for (w, g) in weights.iter_mut().zip(gradients) {
                *w -= g * course.learning_rate;
            }
        }
        assert!(losses.0[39][0] < 0.5 * losses.0[0][0]);
        for (layer, w) in trained.iter().zip(&weights) {
            for (k, own) in layer.iter().enumerate() {
                let exact = w[(k / w.ncols(), k % w.ncols())];
                // forty steps, each rounded to some 1e-7; replicas add samples in orders of their own
                assert!(own.iter().all(|w| (w - exact).abs() < 1e-5));
            }
        }
    }

    /// 30 samples in steps of 8: the last has 6.
    #[test]
    fn samples_that_fire_on_their_own_ask_for_the_sum() {
        let apart = run(&course(3, 8, Update::PerSample), 2).0;
        let summed = run(&course(3, 8, Update::Summed), 2).0;
        for (a, b) in apart.iter().flatten().zip(summed.iter().flatten()) {
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
        // Each replica has its own order.
        assert!(apart[0].iter().any(|w| w[0] != w[1]));
    }

    #[test]
    fn trained_networks_answer_right() {
        let (network, data) = (network(), Single::new(&examples(30)));
        let (mut arrays, _) = digital(&network, 3);
        let course = course(60, 2, Update::PerSample);
        let before = score(&network, &data, 0, &mut arrays).unwrap();
        let mut losses = Losses(Vec::new());
        train_network(
            &network,
            &data,
            &course,
            0..course.epochs,
            3,
            0,
            &mut arrays,
            &mut [],
            &mut losses,
            &|_| {},
        )
        .unwrap();
        let after = score(&network, &data, 1, &mut arrays).unwrap();
        assert!(after.losses.iter().all(|l| *l < 0.2 * before.losses[0]));
        assert_eq!(after.confusion.iter().sum::<u64>(), 90);
        let right: u64 = (0..3).map(|c| after.confusion[4 * c]).sum();
        let mean = after.accuracies.unwrap().iter().sum::<f64>() / 3.0;
        assert!((mean - right as f64 / 90.0).abs() < 1e-12 && mean > 0.95);
    }

    /// Weights before a normalization may have any size, and the network learns behind it; running means answer for single samples.
    #[test]
    fn normalised_networks_learn_and_do_not_see_the_size_of_weights() {
        let network = Network {
            normalisation: Some(Normalisation {
                momentum: 0.1,
                epsilon: 1e-12,
            }),
            ..network()
        };
        let data = Single::new(&examples(30));
        let course = course(60, 10, Update::Summed);
        let trained = |factor: f32, epochs: u32| {
            let (mut layers, _) = digital(&network, 2);
            let (rows, outputs) = (network.layers[0].rows(), network.layers[0].outputs);
            let start = Start::Uniform {
                scale: 1.0,
                shared: true,
                rescale: 1.0,
            };
            let mut first = start.weights(&network, 0, [-1.0, 1.0], 9, 0, 2);
            assert_eq!(first.len(), rows * outputs);
            first.all_mut().iter_mut().for_each(|w| *w *= factor);
            layers.arrays[0].start(&first).unwrap();
            let mut losses = Losses(Vec::new());
            let (data, course) = (&data, &course);
            train_network(
                &network,
                data,
                course,
                0..epochs,
                3,
                0,
                &mut layers,
                &mut [],
                &mut losses,
                &|_| {},
            )
            .unwrap();
            (score(&network, data, 0, &mut layers).unwrap(), losses.0)
        };
        let first = trained(1.0, 1).1[0][0];
        // Steps of weights that are thrice as large turn them less: within the epoch, of three steps, by little.
        assert!((trained(3.0, 1).1[0][0] - first).abs() < 0.1 * first);
        let (scores, losses) = trained(1.0, 60);
        assert!(losses[59][0] < 0.3 * first, "{first} {:?}", losses[59]);
        assert!(scores.accuracies.unwrap().iter().all(|a| *a > 0.9));
    }

    #[test]
    fn a_network_that_diverges_says_so() {
        let (network, data) = (network(), Single::new(&examples(30)));
        let (mut arrays, _) = digital(&network, 2);
        let course = Course {
            learning_rate: 1e30,
            ..course(5, 1, Update::PerSample)
        };
        let mut losses = Losses(Vec::new());
        let error = train_network(
            &network,
            &data,
            &course,
            0..course.epochs,
            3,
            0,
            &mut arrays,
            &mut [],
            &mut losses,
            &|_| {},
        );
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("diverges") && text.contains("learning rate"),
            "{text}"
        );
    }
}
