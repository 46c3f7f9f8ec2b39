//! Training algorithms: what arrays and digital memory make of the changes that a training loop asks for.
//!
//! A loop reads, compares and asks for changes `-rate · gradient`. An algorithm stands between it and the arrays: it is [`Synapses`] itself, owns
//! the arrays and its digital state, and reads nothing but what the periphery reads. Plain stochastic gradient descent is an array and nothing else.
//!
//! Reads and pulses of an algorithm's own have step numbers from 2³¹ on, which training loops must stay below, so that they share no random number
//! with those of the loop.

mod lines;
mod mixed_precision;
mod optimizer;
mod penalty;
mod planned;
mod sign;
mod tiki_taka;
mod zero_shifting;

pub use optimizer::{Clip, Descent, Optimizer};
pub use penalty::Penalty;
pub use sign::Sign;
pub use tiki_taka::{Chopper, Reference, TikiTaka};
pub use zero_shifting::Calibration;

use self::mixed_precision::MixedPrecision;
use self::planned::Planned;
use self::tiki_taka::Pair;
use self::zero_shifting::Shifted;
use crate::backend::StackVector;
use crate::crossbar::Synapses;
use crate::device::Counting;
use crate::number::Stream;

/// First step number of reads and pulses of an algorithm's own: the steps of a loop, times its samples, stay below.
pub const OWN_STEPS: u32 = 1 << 31;

/// A training algorithm with its parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Algorithm {
    /// Stochastic gradient descent on the array: every requested change becomes pulses.
    #[default]
    Sgd,
    /// The same, after every cell was brought to its symmetric point, which is then weight 0.
    ZeroShifting(Calibration),
    /// A digital optimizer whose changes are written to the array.
    Optimizer(Optimizer),
    /// Pulses by the sign of the gradient alone.
    Sign(Sign),
    /// Changes are added up digitally, and whole steps of the device are written.
    MixedPrecision {
        /// Steps of the device that are written at once, at least 1: gradients that cancel before are never written.
        granularity: u32,
    },
    /// Gradients go to a fast array, which is read and handed on to a slow one: the family of Tiki-Taka.
    TikiTaka(TikiTaka),
}

/// What an algorithm must know of the arrays that it is given.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Change of weight that asks every cell of it for one nominal step.
    pub quantum: f64,
    /// Random numbers of the first array.
    pub stream: Stream,
    /// Number of the first replica of the stack.
    pub first_replica: usize,
}

impl Algorithm {
    /// How many arrays it needs, all of the same shape: the first holds what is learned.
    pub fn arrays(&self) -> usize {
        match self {
            Self::TikiTaka(_) => 2,
            _ => 1,
        }
    }

    /// Whether the gradient is formed digitally, so that bit trains, which make outer products on the array, have nothing to make.
    pub fn writes_matrices(&self) -> bool {
        matches!(
            self,
            Self::Optimizer(_) | Self::Sign(_) | Self::MixedPrecision { .. }
        )
    }

    /// Whether it reads single lines of its arrays, with inputs of 1.
    pub fn reads_lines(&self) -> bool {
        match self {
            Self::Optimizer(optimizer) => optimizer.penalty.is_some(),
            Self::ZeroShifting(_) | Self::TikiTaka(_) => true,
            Self::Sgd | Self::Sign(_) | Self::MixedPrecision { .. } => false,
        }
    }

    /// Whether weights follow the gradient at the learning rate of the loop, as those of plain gradient descent do.
    pub fn descends(&self) -> bool {
        match self {
            Self::Sgd | Self::ZeroShifting(_) | Self::MixedPrecision { .. } => true,
            Self::Optimizer(o) => o.descent == Descent::Plain && o.clip.is_none(),
            Self::Sign(_) | Self::TikiTaka(_) => false,
        }
    }

    /// Whether it moves cells to their symmetric points before training, when it is told to [`start`](Synapses::start).
    pub fn calibration(&self) -> Option<Calibration> {
        match self {
            Self::ZeroShifting(calibration) => Some(*calibration),
            Self::TikiTaka(TikiTaka {
                reference: Reference::Calibrated(calibration),
                ..
            }) => Some(*calibration),
            _ => None,
        }
    }

    /// The algorithm on these arrays, of which the first holds the weights to begin with and others hold zeros. One that
    /// [calibrates](Self::calibration) must be [started](Synapses::start) before anything else.
    ///
    /// # Panics
    /// For another number of arrays than [`Algorithm::arrays`].
    pub fn build(&self, arrays: Vec<Box<dyn Synapses>>, context: &Context) -> Box<dyn Synapses> {
        assert_eq!(arrays.len(), self.arrays(), "arrays of an algorithm");
        let mut arrays = arrays.into_iter();
        let mut next = || arrays.next().expect("as many as it needs");
        let first = next();
        match self {
            Self::Sgd => first,
            Self::ZeroShifting(calibration) => {
                Box::new(Shifted::new(first, *calibration, context.quantum))
            }
            Self::Optimizer(optimizer) => {
                let rule = optimizer.rule(&*first);
                Box::new(Planned::new(first, rule))
            }
            Self::Sign(sign) => {
                let rule = sign.rule(context.quantum);
                Box::new(Planned::new(first, rule))
            }
            Self::MixedPrecision { granularity } => {
                let quantum = f64::from(*granularity) * context.quantum;
                let rule = MixedPrecision::new(&*first, quantum);
                Box::new(Planned::new(first, Box::new(rule)))
            }
            Self::TikiTaka(plan) => {
                let fast = next();
                let fast = match plan.reference {
                    Reference::Calibrated(calibration) => {
                        Box::new(Shifted::new(fast, calibration, context.quantum))
                    }
                    _ => fast,
                };
                Box::new(Pair::new(*plan, fast, first, context))
            }
        }
    }
}

/// How whole pulses are written: rounded to nearest, so that single precision loses none.
fn whole(counting: Counting) -> Counting {
    match counting {
        Counting::Expected => Counting::Expected,
        _ => Counting::Deterministic,
    }
}

/// How a matrix of changes of any size is written: bit trains, which make outer products alone, leave it to rounding.
fn fractional(counting: Counting) -> Counting {
    match counting.trains() {
        Some(_) => Counting::StochasticRounding,
        None => counting,
    }
}

/// A vector with an element for each weight of `array` and replica.
fn matrix(array: &dyn Synapses) -> StackVector {
    let (inputs, outputs) = array.dimensions();
    StackVector::zeros(inputs * outputs, array.replicas())
}

/// Sets `product[r, c] = x[r] · d[c]` for every replica.
fn outer(product: &mut StackVector, x: &StackVector, d: &StackVector) {
    for r in 0..x.len() {
        for c in 0..d.len() {
            let factors = x.lanes(r).iter().zip(d.lanes(c));
            let lanes = product.lanes_mut(r * d.len() + c).iter_mut();
            for (p, (x, d)) in lanes.zip(factors) {
                *p = x * d;
            }
        }
    }
}
