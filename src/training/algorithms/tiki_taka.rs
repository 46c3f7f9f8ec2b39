//! The family of Tiki-Taka: gradients go to a fast array A, whose lines are read in turn and handed on to a slow array C.
//!
//! A is asked for `fast-rate` times the changes of the loop. A device that is asymmetric pulls A to its symmetric point, where both directions are equally large;
//! so A must be close to it, and it stays there only where the gradients vanish on average. Every `every` updates the next lines of A are read, one
//! product each, and weight (r, c) of C gets on with ω_rc, what was read:
//!
//! | | change of C |
//! | --- | --- |
//! | v1 | `β ω` |
//! | v2 | digital `H ← H + β ω`; whole steps of the device are taken out of H and written |
//! | chopped v2 | line r of A gets its gradients times a sign s_r, `H ← H + β s_r ω`; after its read, s_r turns with some probability |
//! | AGAD | `H ← H + β s_r (ω - μ)`, where μ is what the running mean `m ← (1-ρ) m + ρ ω` was when s_r last turned: no symmetric point need be known |
//! | residual learning | v1, and the network sees `C + γ A`, so that A learns what C misses |
//!
//! # References
//! T. Gokmen, W. Haensch, Front. Neurosci. 14 (2020) 103, <https://doi.org/10.3389/fnins.2020.00103> (v1). T. Gokmen, Front. Artif. Intell. 4 (2021) 699148,
//! <https://doi.org/10.3389/frai.2021.699148> (v2). M. J. Rasch et al., Nat. Commun. 15 (2024) 7133, <https://doi.org/10.1038/s41467-024-51221-z> (chopped
//! v2, AGAD). Z. Wu et al., NeurIPS 2025, arXiv:2502.06309 (residual learning).
//!
//! # Differences
//! H is in units of weight and a pulse of C is written for each of its steps, so that the threshold of the papers is within β. The remainder stays in H.
//! Rates do not follow the sizes of gradients (auto-scaling of the papers' code).

use super::lines::Lines;
use super::mixed_precision::take_steps;
use super::zero_shifting::Calibration;
use super::{Context, OWN_STEPS, fractional, matrix, whole};
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::crossbar::{Synapses, Usage};
use crate::device::Counting;
use crate::error::Result;
use crate::number::{Purpose, Stream};

/// Parameters of the family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TikiTaka {
    /// Learning rate of A in units of the loop's.
    pub fast_rate: f64,
    /// Updates from one transfer to the next.
    pub every: u32,
    /// Lines of a transfer; none for all of them.
    pub lines: Option<u32>,
    /// β
    pub transfer_rate: f64,
    /// γ
    pub gamma: f64,
    /// Whether there is a digital matrix H in between.
    pub buffered: bool,
    /// How signs turn, if they do.
    pub chopper: Option<Chopper>,
    /// What lines of A are read against.
    pub reference: Reference,
}

/// How the sign of a line turns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Chopper {
    /// After each read of the line, with this probability.
    Random(f64),
    /// After this many reads of the line.
    Regular(u32),
}

/// What lines of A are read against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reference {
    /// The zero of the array.
    Nominal,
    /// The symmetric points of its cells, found before training.
    Calibrated(Calibration),
    /// A running mean of the line's reads, of the weight ρ for the newest, as it was when its sign last turned.
    Tracked(f64),
}

/// Random numbers of signs.
const SIGNS: u32 = OWN_STEPS - 1;

/// Both arrays and what is digital between them.
pub(super) struct Pair {
    plan: TikiTaka,
    fast: Box<dyn Synapses>,
    slow: Box<dyn Synapses>,
    stream: Stream,
    first_replica: u32,
    quantum: f32,
    lines: Lines,
    /// The line that is read next, updates since the last transfer, and reads of every line so far.
    next: usize,
    updates: u32,
    reads: Vec<u32>,
    /// H
    hidden: StackVector,
    /// s, one element a line.
    signs: StackVector,
    /// m and μ
    means: [StackVector; 2],
    words: [Vec<u32>; 4],
    /// What arrays are asked for.
    inputs: StackVector,
    columns: StackVector,
    changes: StackVector,
    read: StackVector,
    cells: Vec<Vec<f64>>,
}

impl Pair {
    pub fn new(
        plan: TikiTaka,
        fast: Box<dyn Synapses>,
        slow: Box<dyn Synapses>,
        context: &Context,
    ) -> Self {
        let replicas = slow.replicas();
        let (inputs, outputs) = slow.dimensions();
        let matrix = || matrix(&*slow);
        let mut pair = Self {
            plan,
            stream: context.stream.part(SIGNS),
            first_replica: context.first_replica as u32,
            quantum: context.quantum as f32,
            lines: Lines::new(),
            next: 0,
            updates: 0,
            reads: vec![0; inputs],
            hidden: matrix(),
            signs: StackVector::zeros(inputs, replicas),
            means: [matrix(), matrix()],
            words: std::array::from_fn(|_| vec![0; replicas]),
            inputs: StackVector::zeros(inputs, replicas),
            columns: StackVector::zeros(outputs, replicas),
            changes: matrix(),
            read: StackVector::default(),
            cells: Vec::new(),
            fast,
            slow,
        };
        pair.begin();
        pair
    }

    fn begin(&mut self) {
        (self.next, self.updates) = (0, 0);
        self.reads.fill(0);
        self.hidden.fill(0.0);
        self.signs.fill(1.0);
        self.means.iter_mut().for_each(|m| m.fill(0.0));
    }

    /// Counts an update, and hands lines on where it is time to.
    fn updated(&mut self, step: u32, counting: Counting, rate: f64) -> Result<()> {
        self.updates += 1;
        if self.updates < self.plan.every {
            return Ok(());
        }
        self.updates = 0;
        let lines = self.reads.len();
        let count = self.plan.lines.map_or(lines, |n| lines.min(n as usize));
        let read = self.lines.read(&mut *self.fast, self.next, count)?;
        let (outputs, replicas) = (read.len(), self.signs.width());
        self.changes.fill(0.0);
        for b in 0..count {
            let line = (self.next + b) % lines;
            let signs = self.signs.lanes(line);
            for c in 0..outputs {
                let own = &read.lanes(c)[b * replicas..(b + 1) * replicas];
                let weight = line * outputs + c;
                let changes = self.changes.lanes_mut(weight);
                changes.copy_from_slice(own);
                if let Reference::Tracked(new) = self.plan.reference {
                    let [mean, past] = &mut self.means;
                    let means = mean.lanes_mut(weight).iter_mut().zip(past.lanes(weight));
                    for ((m, past), (d, w)) in means.zip(changes.iter_mut().zip(own)) {
                        *m += new as f32 * (w - *m);
                        *d -= past;
                    }
                }
                let rate = self.plan.transfer_rate as f32;
                for (d, s) in changes.iter_mut().zip(signs) {
                    *d *= rate * s;
                }
                if self.plan.buffered {
                    let hidden = self.hidden.lanes_mut(weight);
                    for (h, d) in hidden.iter_mut().zip(changes) {
                        *d = take_steps(h, *d, self.quantum);
                    }
                }
            }
        }
        for b in 0..count {
            self.turn((self.next + b) % lines, outputs);
        }
        self.next = (self.next + count) % lines;
        if self.changes.all().iter().all(|d| *d == 0.0) {
            return Ok(());
        }
        let counting = match self.plan.buffered {
            true => whole(counting),
            false => fractional(counting),
        };
        self.slow.update_dense(step, &self.changes, counting, rate)
    }

    /// Turns the sign of a line that was read, where it is to turn.
    fn turn(&mut self, line: usize, outputs: usize) {
        let reads = self.reads[line];
        self.reads[line] = reads.wrapping_add(1);
        let Some(chopper) = self.plan.chopper else {
            return;
        };
        // Words below this turn the sign.
        let below = match chopper {
            Chopper::Regular(every) => match (reads + 1).is_multiple_of(every) {
                true => 1 << 32,
                false => return,
            },
            Chopper::Random(probability) => {
                let words = self.words.each_mut().map(Vec::as_mut_slice);
                let (block, first) = (line as u32 / 4, self.first_replica);
                self.stream
                    .fill_words(reads, block, first, Purpose::Sample, 0, words);
                (probability * 2f64.powi(32)) as u64
            }
        };
        let words = &self.words[line % 4];
        let signs = self.signs.lanes_mut(line).iter_mut().zip(words);
        for (lane, (sign, &word)) in signs.enumerate() {
            if u64::from(word) >= below {
                continue;
            }
            *sign = -*sign;
            let [mean, past] = &mut self.means;
            for weight in line * outputs..(line + 1) * outputs {
                past.lanes_mut(weight)[lane] = mean.lanes(weight)[lane];
            }
        }
    }

    /// Adds γ times what A reads.
    fn add_fast(
        &mut self,
        outputs: &mut StackVector,
        read: impl FnOnce(&mut dyn Synapses, &mut StackVector) -> Result<()>,
    ) -> Result<()> {
        if self.plan.gamma == 0.0 {
            return Ok(());
        }
        self.read.reshape(outputs.len(), outputs.width());
        read(&mut *self.fast, &mut self.read)?;
        let gamma = self.plan.gamma as f32;
        for (y, a) in outputs.all_mut().iter_mut().zip(self.read.all()) {
            *y += gamma * a;
        }
        Ok(())
    }
}

impl Synapses for Pair {
    fn replicas(&self) -> usize {
        self.slow.replicas()
    }

    fn dimensions(&self) -> (usize, usize) {
        self.slow.dimensions()
    }

    fn multiply(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.slow.multiply(step, inputs, outputs)?;
        self.add_fast(outputs, |fast, read| fast.multiply(step, inputs, read))
    }

    fn multiply_transposed(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.slow.multiply_transposed(step, inputs, outputs)?;
        self.add_fast(outputs, |fast, read| {
            fast.multiply_transposed(step, inputs, read)
        })
    }

    /// The weights go to C; A begins at zero.
    fn start(&mut self, weights: &StackVector) -> Result<()> {
        self.begin();
        self.changes.fill(0.0);
        self.fast.start(&self.changes)?;
        self.slow.start(weights)
    }

    fn update_outer(
        &mut self,
        step: u32,
        inputs: &StackVector,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        let signed = self.inputs.all_mut().iter_mut();
        for (x, (given, s)) in signed.zip(inputs.all().iter().zip(self.signs.all())) {
            *x = given * s;
        }
        let factor = self.plan.fast_rate;
        let scaled = self.columns.all_mut().iter_mut();
        scaled
            .zip(changes.all())
            .for_each(|(d, given)| *d = factor as f32 * given);
        self.fast
            .update_outer(step, &self.inputs, &self.columns, counting, factor * rate)?;
        self.updated(step, counting, rate)
    }

    fn update_dense(
        &mut self,
        step: u32,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        let outputs = self.columns.len();
        let factor = self.plan.fast_rate;
        for weight in 0..changes.len() {
            let given = changes.lanes(weight).iter();
            let factors = given.zip(self.signs.lanes(weight / outputs));
            let lanes = self.changes.lanes_mut(weight).iter_mut();
            lanes
                .zip(factors)
                .for_each(|(d, (given, s))| *d = factor as f32 * s * given);
        }
        self.fast
            .update_dense(step, &self.changes, counting, factor * rate)?;
        self.updated(step, counting, rate)
    }

    fn relax(&mut self, step: u32, elapsed: f64) -> Result<()> {
        self.fast.relax(step, elapsed)?;
        self.slow.relax(step, elapsed)
    }

    fn refresh(&mut self, step: u32) -> Result<()> {
        self.fast.refresh(step)?;
        self.slow.refresh(step)
    }

    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        self.fast.keep(saved)?;
        self.slow.keep(saved)?;
        self.lines.keep(saved)?;
        saved.count("next", &mut self.next)?;
        saved.number("updates", &mut self.updates)?;
        saved.list("reads", &mut self.reads)?;
        saved.list("hidden", self.hidden.all_mut())?;
        saved.list("signs", self.signs.all_mut())?;
        let [mean, past] = &mut self.means;
        saved.list("mean", mean.all_mut())?;
        saved.list("past", past.all_mut())
    }

    /// Cells of C, and γ times those of A, which has the same map.
    fn inspect(&mut self, values: &mut [Vec<f64>]) -> Result<()> {
        self.slow.inspect(values)?;
        if self.plan.gamma == 0.0 {
            return Ok(());
        }
        let replicas = self.slow.replicas();
        self.cells.resize(values.len(), vec![0.0; replicas]);
        self.fast.inspect(&mut self.cells)?;
        for (values, fast) in values.iter_mut().zip(&self.cells) {
            for (v, a) in values.iter_mut().zip(fast) {
                *v += self.plan.gamma * a;
            }
        }
        Ok(())
    }

    fn pulses(&mut self) -> Result<u64> {
        Ok(self.fast.pulses()? + self.slow.pulses()?)
    }

    fn resets(&self) -> u64 {
        self.fast.resets() + self.slow.resets()
    }

    /// That of both arrays together.
    fn usage(&mut self) -> Result<Option<Usage>> {
        let (Some(slow), Some(fast)) = (self.slow.usage()?, self.fast.usage()?) else {
            return Ok(None);
        };
        Ok(Some(Usage::beside(vec![(slow, 1), (fast, 1)])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crossbar::Digital;

    /// Signs after `reads` reads of every line.
    fn signs(first_replica: usize, replicas: usize, reads: u32) -> StackVector {
        const LINES: usize = 6;
        let array = || {
            Box::new(Digital::new(
                LINES,
                1,
                replicas,
                0.0,
                vec![0.0; LINES],
                &[0.0; LINES],
            ))
        };
        let plan = TikiTaka {
            fast_rate: 1.0,
            every: 1,
            lines: None,
            transfer_rate: 1.0,
            gamma: 0.0,
            buffered: true,
            chopper: Some(Chopper::Random(0.25)),
            reference: Reference::Nominal,
        };
        let context = Context {
            quantum: 1.0,
            stream: Stream::new(5),
            first_replica,
        };
        let mut pair = Pair::new(plan, array(), array(), &context);
        let nothing = StackVector::zeros(LINES, replicas);
        for step in 0..reads {
            pair.update_dense(step, &nothing, Counting::Expected, 1.0)
                .unwrap();
        }
        pair.signs
    }

    #[test]
    fn signs_turn_as_often_as_they_should_and_alone() {
        // A sign has turned oddly often with the probability (1 - (1 - 2p)^n)/2.
        for (reads, expected) in [(1, 0.25), (2, 0.375), (6, 0.5 * (1.0 - 0.5_f64.powi(6)))] {
            let signs = signs(0, 2000, reads);
            let turned = signs.all().iter().filter(|s| **s < 0.0).count() as f64;
            // Four standard deviations of 12,000 coins: wrong once in 16,000 seeds.
            let error = (expected * (1.0 - expected) / 12_000.0_f64).sqrt();
            let found = turned / 12_000.0;
            assert!((found - expected).abs() < 4.0 * error, "{reads}: {found}");
        }
        // A replica has its own, wherever the stack is cut.
        let (all, part) = (signs(0, 32, 5), signs(20, 8, 5));
        for line in 0..all.len() {
            assert_eq!(all.lanes(line)[20..28], *part.lanes(line));
        }
        assert!(all.lanes(0).iter().any(|s| *s != all.lanes(0)[0]));
    }
}
