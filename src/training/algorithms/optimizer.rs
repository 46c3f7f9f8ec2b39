//! Digital optimizers whose changes are written to an array.
//!
//! The gradient g is formed digitally from the change that a loop asks for, `-rate · g`, and the array is asked for `-rate · d` in its place. Moments are
//! digital and exact; the weights are those of the array.
//!
//! | | direction d |
//! | --- | --- |
//! | plain | `g` |
//! | momentum | `u ← μ u + g`, `d = u` |
//! | Nesterov | `u ← μ u + g`, `d = g + μ u` |
//! | AdaGrad | `v ← v + g²`, `d = g/(√v + ε)` |
//! | RMSProp | `v ← β v + (1-β) g²`, `d = g/(√v + ε)` |
//! | Adam | `m ← β₁ m + (1-β₁) g`, `v ← β₂ v + (1-β₂) g²`, `d = m̂/(√v̂ + ε)`, `m̂ = m/(1-β₁ᵗ)`, `v̂ = v/(1-β₂ᵗ)` |
//! | AdamW | that of Adam plus the gradient of the penalty, which does not pass through the moments |
//!
//! # References
//! B. T. Polyak, USSR Comput. Math. Math. Phys. 4 (1964) 1–17, <https://doi.org/10.1016/0041-5553(64)90137-5> (momentum). I. Sutskever et al., On the
//! importance of initialization and momentum in deep learning, ICML 2013 (Nesterov's momentum in this form, with the gradient where the weights
//! are). J. Duchi, E. Hazan, Y. Singer, J. Mach. Learn. Res. 12 (2011) 2121–2159 (AdaGrad). T. Tieleman, G. Hinton, COURSERA lecture 6.5 (2012) (RMSProp).
//! D. P. Kingma, J. Ba, arXiv:1412.6980 (Adam). I. Loshchilov, F. Hutter, arXiv:1711.05101 (AdamW).

use super::matrix;
use super::penalty::{Penalised, Penalty};
use super::planned::Rule;
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::crossbar::Synapses;
use crate::device::Counting;
use crate::error::Result;

/// A digital optimizer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimizer {
    /// How directions follow from gradients.
    pub descent: Descent,
    /// How gradients of the loss are bounded.
    pub clip: Option<Clip>,
    /// What is added to the loss.
    pub penalty: Option<Penalty>,
    /// Whether the gradient of the penalty passes by the moments, as in AdamW.
    pub decoupled: bool,
}

/// How directions follow from gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Descent {
    /// The gradient itself.
    Plain,
    /// Heavy ball.
    Momentum {
        /// μ
        momentum: f64,
    },
    /// Nesterov's accelerated gradient.
    Nesterov {
        /// μ
        momentum: f64,
    },
    /// Divided by the root of all squares so far.
    AdaGrad {
        /// ε
        epsilon: f64,
    },
    /// Divided by the root of a running mean of squares.
    RmsProp {
        /// β
        decay: f64,
        /// ε
        epsilon: f64,
    },
    /// Running means of gradients and squares, corrected for their start at zero.
    Adam {
        /// β₁
        first: f64,
        /// β₂
        second: f64,
        /// ε
        epsilon: f64,
    },
}

/// How gradients are bounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clip {
    /// Every component to this size.
    Value(f64),
    /// The whole of one array to this length, if it is longer.
    Norm(f64),
}

impl Optimizer {
    pub(super) fn rule(self, array: &dyn Synapses) -> Box<dyn Rule> {
        Box::new(State {
            plan: self,
            moments: [matrix(array), matrix(array)],
            updates: 0,
            penalty: self.penalty.map(|p| Penalised::new(p, array)),
            squares: vec![0.0; array.replicas()],
        })
    }
}

/// An optimizer with its moments.
struct State {
    plan: Optimizer,
    /// u or m, and v.
    moments: [StackVector; 2],
    updates: i32,
    penalty: Option<Penalised>,
    /// Squared norms.
    squares: Vec<f64>,
}

impl Rule for State {
    fn plan(
        &mut self,
        changes: &mut StackVector,
        counting: Counting,
        rate: f64,
        array: &mut dyn Synapses,
    ) -> Result<Counting> {
        let per_change = (-1.0 / rate) as f32;
        for d in changes.all_mut() {
            *d *= per_change;
        }
        if let Some(clip) = self.plan.clip {
            self.clip(clip, changes);
        }
        let decoupled = self.plan.decoupled;
        if let Some(penalty) = self.penalty.as_mut().filter(|_| !decoupled) {
            penalty.add(1.0, array, changes)?;
        }
        self.updates = self.updates.saturating_add(1);
        let [first, second] = &mut self.moments;
        let descent = self.plan.descent;
        descent.turn(
            self.updates,
            changes.all_mut(),
            first.all_mut(),
            second.all_mut(),
        );
        if let Some(penalty) = self.penalty.as_mut().filter(|_| decoupled) {
            penalty.add(1.0, array, changes)?;
        }
        let rate = -rate as f32;
        for d in changes.all_mut() {
            *d *= rate;
        }
        Ok(counting)
    }

    fn begin(&mut self) {
        self.moments.iter_mut().for_each(|m| m.fill(0.0));
        self.updates = 0;
        self.penalty.iter_mut().for_each(Penalised::begin);
    }

    fn consolidate(&mut self, importance: &StackVector, array: &mut dyn Synapses) -> Result<()> {
        match &mut self.penalty {
            Some(penalty) => penalty.consolidate(importance, array),
            None => Ok(()),
        }
    }

    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        for moment in &mut self.moments {
            saved.list("moment", moment.all_mut())?;
        }
        saved.number("updates", &mut self.updates)?;
        self.penalty.iter_mut().try_for_each(|p| p.keep(saved))
    }
}

impl State {
    fn clip(&mut self, clip: Clip, gradient: &mut StackVector) {
        match clip {
            Clip::Value(most) => {
                let most = most as f32;
                for g in gradient.all_mut() {
                    *g = g.clamp(-most, most);
                }
            }
            Clip::Norm(most) => {
                self.squares.fill(0.0);
                for k in 0..gradient.len() {
                    for (sum, g) in self.squares.iter_mut().zip(gradient.lanes(k)) {
                        *sum += f64::from(*g).powi(2);
                    }
                }
                for sum in &mut self.squares {
                    *sum = (most / sum.sqrt()).min(1.0);
                }
                for k in 0..gradient.len() {
                    for (g, factor) in gradient.lanes_mut(k).iter_mut().zip(&self.squares) {
                        *g *= *factor as f32;
                    }
                }
            }
        }
    }
}

impl Descent {
    /// Turns gradients into directions at update `t`, counted from 1, with the moments of every weight.
    fn turn(self, t: i32, gradient: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        let all = gradient.iter_mut().zip(first).zip(second);
        match self {
            Self::Plain => {}
            Self::Momentum { momentum } => {
                let mu = momentum as f32;
                for ((g, u), _) in all {
                    *u = mu * *u + *g;
                    *g = *u;
                }
            }
            Self::Nesterov { momentum } => {
                let mu = momentum as f32;
                for ((g, u), _) in all {
                    *u = mu * *u + *g;
                    *g += mu * *u;
                }
            }
            Self::AdaGrad { epsilon } => {
                let epsilon = epsilon as f32;
                for ((g, _), v) in all {
                    *v += *g * *g;
                    *g /= v.sqrt() + epsilon;
                }
            }
            Self::RmsProp { decay, epsilon } => {
                let (beta, new, epsilon) = (decay as f32, (1.0 - decay) as f32, epsilon as f32);
                for ((g, _), v) in all {
                    *v = beta * *v + new * *g * *g;
                    *g /= v.sqrt() + epsilon;
                }
            }
            Self::Adam {
                first: beta1,
                second: beta2,
                epsilon,
            } => {
                let [b1, n1, b2, n2] = [beta1, 1.0 - beta1, beta2, 1.0 - beta2].map(|b| b as f32);
                let corrected = |beta: f64| (1.0 / (1.0 - beta.powi(t))) as f32;
                let (c1, c2) = (corrected(beta1), corrected(beta2));
                let epsilon = epsilon as f32;
                for ((g, m), v) in all {
                    *m = b1 * *m + n1 * *g;
                    *v = b2 * *v + n2 * *g * *g;
                    *g = c1 * *m / ((c2 * *v).sqrt() + epsilon);
                }
            }
        }
    }
}
